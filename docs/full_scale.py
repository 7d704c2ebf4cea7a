# ---
# title: At full scale
# description: The article's own training, 48,000 images and 25 epochs - whether decay helps there, and why the rate of a short training is the wrong one for a long training.
# ---

# %% [markdown]
# # At full scale
#
# Most comparisons in this guide are of trainings of 60 or 300 steps. Here are the article's own: all of
# MNIST, 25 epochs, 4,800 steps. Do the short ones tell what happens in the long ones?

# %% tags=["hide-input"]
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import PLAIN, label
from lrguide.guide.experiments import sweep, train
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, several, table, verdict
from lrguide.guide.settings import BUDGETS
from lrguide.guide.tuning import range_test, tuned, tuned_nearby

COLOUR_OF = {"Adam": plots.COLOURS[0], "SGD momentum": plots.COLOURS[1]}
CONSTANT = dict(optimizer="Adam", schedule="constant")


def chosen(runs, contender):
    return runs.where(**PLAIN | contender)


def difference(runs, contender, name="validation_loss"):
    """Seed by seed, the contender's loss minus that of the tuned constant rate with Adam."""
    return chosen(runs, contender).minus(chosen(runs, CONSTANT), name)


def rate_of(runs, contender):
    return chosen(runs, contender)[0].settings["rate"]


def sorted_by_loss(runs):
    return sorted(CONTENDERS, key=lambda contender: chosen(runs, contender).final().mean())


def side_by_side(runs):
    order = sorted_by_loss(runs)
    return plots.ranges(
        {label(contender): chosen(runs, contender).final() for contender in order},
        colours=[COLOUR_OF[contender["optimizer"]] for contender in order],
        beside="Adam constant",
        ticks=[0.025, 0.03, 0.035, 0.04, 0.045],
        xlabel="validation loss at the end",
    )


def order_in_words(runs):
    order = [
        f"{label(contender)} {chosen(runs, contender).final().mean():.4f}"
        for contender in sorted_by_loss(runs)
    ]
    return (
        "Validation loss after 4,800 steps, mean and range of five seeds, from the lowest: "
        f"{'; '.join(order)}. A band marks the range of the constant rate with Adam."
    )


# %% tags=["output-first"]
RATES = [3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SCHEDULES = ["constant", "linear", "step", "time", "exponential"]
SCHEDULES += ["cosine", "warmup linear", "1cycle"]
CONTENDERS = [
    *[dict(optimizer="Adam", schedule=s) for s in SCHEDULES],
    dict(optimizer="SGD momentum", schedule="constant"),
    dict(optimizer="SGD momentum", schedule="linear"),
]
pilots, middle = tuned(
    [dict(contender, budget="MIDDLE") for contender in CONTENDERS],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
trials, full = tuned_nearby(
    [dict(contender, budget="FULL") for contender in CONTENDERS],
    [1e-4, *RATES],
    start=[rate_of(middle, contender) for contender in CONTENDERS],
    trial=100,
    seeds=range(5),
)
figure(full, side_by_side, alt=order_in_words)

# %% [markdown]
# Each dot is the mean of five seeds, each line reaches from the lowest to the highest. A grid of nine
# rates at this scale would take a processor most of a day, so the rate was searched in two stages, the same
# for each contender: first in trainings of `MIDDLE` (all 12,000 images of the subset, 288 steps) with
# the usual nine rates and two seeds; then here, with one seed, from that rate to its neighbours on the
# grid and on, for as long as the loss fell.


# %% tags=["hide-input"]
def compared(runs):
    return [
        {
            "contender": label(contender),
            "rate": f"`{rate_of(runs, contender):g}`",
            "validation loss": several(chosen(runs, contender).final(), 4),
            "test loss": f"{chosen(runs, contender).values('test_loss').mean():.4f}",
            "minus constant": ""
            if contender == CONSTANT
            else f"{difference(runs, contender).mean():+.4f}",
            "lower in": ""
            if contender == CONSTANT
            else f"{(difference(runs, contender) < 0).sum()} of 5",
            "verdict": "" if contender == CONSTANT else verdict(difference(runs, contender)),
        }
        for contender in sorted_by_loss(runs)
    ]


table(
    full,
    compared,
    caption=lambda runs: "4,800 steps; differences and verdicts are those of the validation loss",
)


# %% tags=["hide-input"]
def bounds(runs):
    """Lower and upper bound of a cycle as the range test suggests them, to two digits."""
    found = range_test(runs).suggest()
    return [float(f"{found[f'cyclical {which}'].rate:.2g}") for which in ("minimum", "maximum")]


def adam(*schedules):
    return [dict(optimizer="Adam", schedule=schedule) for schedule in schedules]


def with_verdict(runs, what, name="validation_loss"):
    """The schedules with Adam whose paired difference to the constant rate has this verdict."""
    schedules = [s for s in SCHEDULES if s != "constant"]
    return [s for s in schedules if verdict(difference(runs, *adam(s), name)) == what]


def tests(runs, schedule):
    """The test losses with Adam, one a seed."""
    return chosen(runs, adam(schedule)[0]).values("test_loss")


def share(runs, schedule):
    """The mean gain of a schedule with Adam, as a part of the constant rate's loss."""
    return -difference(runs, *adam(schedule)).mean() / chosen(runs, CONSTANT).final().mean()


def gain(runs, schedule):
    return several(-difference(runs, *adam(schedule)), 4)


claim(
    full,
    lambda runs: (
        with_verdict(runs, "lower") == ["linear", "step", "cosine"]
        and all((difference(runs, c) < 0).all() for c in adam("linear", "step", "cosine"))
        and with_verdict(runs, "tie") == ["time", "exponential"]
        and all(0.08 < share(runs, schedule) < 0.15 for schedule in ("linear", "step", "cosine"))
    ),
    lambda runs: (
        "**Given time, decay helps.** Linear, step and cosine decay end below the tuned constant rate in "
        f"every seed, by {gain(runs, 'linear')}, {gain(runs, 'step')} and {gain(runs, 'cosine')}: about "
        f"a tenth of its loss, {several(chosen(runs, CONSTANT).final(), 4)}. Time and exponential "
        "decay, which fall fast at first, are ties. With [60 steps](decay.py#fewer-steps) each of the "
        "five was worse than a constant rate."
    ),
)
claim(
    full,
    lambda runs: (
        all(
            verdict(difference(runs, contender, "test_loss")) == "tie"
            for contender in adam("linear", "step", "cosine")
        )
        and np.ptp(tests(runs, "constant")) > 0.2 * tests(runs, "constant").mean()
    ),
    lambda runs: (
        "On the test images the same three are ties with the constant rate: linear decay ends at "
        f"{several(tests(runs, 'linear'), 4)}, the constant rate at "
        f"{several(tests(runs, 'constant'), 4)}, and its seeds lie far apart."
    ),
    tie=True,
)

# %% [markdown]
# ## In 288 steps
#
# The same contenders at `MIDDLE`, where the search began: batches of 250 as above, a quarter of the
# images, six epochs.

# %% tags=["hide-input"]
table(
    middle,
    compared,
    caption=lambda runs: "288 steps; differences and verdicts are those of the validation loss",
)
claim(
    middle,
    lambda runs: (
        with_verdict(runs, "lower") == ["linear", "cosine", "warmup linear", "1cycle"]
        and with_verdict(runs, "higher") == ["time", "exponential"]
        and sorted_by_loss(runs)[0] == adam("1cycle")[0]
    ),
    lambda runs: (
        "**Here 1cycle is first.** Linear and cosine decay, with a warmup or without, and 1cycle "
        f"end lower than the constant rate, 1cycle by {gain(runs, '1cycle')}; time and exponential decay "
        "end higher. So what fell too fast for 288 steps is a tie in 4,800, and 1cycle, first in the short "
        "training, is among the last in the long one. That has a reason, [below](#what-one-seed-chose)."
    ),
)

# %% [markdown]
# ## The rate of a pilot run is too high
#
# It is tempting to tune in short trainings and to use that rate in a long one. Constant rates with Adam,
# on the same grid in trainings of two lengths:


# %% tags=["hide-input"]
def valleys(runs):
    curves = {
        f"{BUDGETS[budget].steps:,} steps": (
            list(group.by("rate")),
            [each.final() for each in group.by("rate").values()],
        )
        for budget, group in runs.by("budget").items()
    }
    return plots.loss_by_rate(curves, chance=log(10), top=5, ylabel="validation loss at the end")


def valleys_in_words(runs):
    return "Validation loss at the end against a constant learning rate with Adam. " + "; ".join(
        f"{BUDGETS[budget].steps:,} steps: lowest at {group.best():g}, "
        f"{group.where(rate=group.best()).final().mean():.3f}"
        for budget, group in runs.by("budget").items()
    )


# %% tags=["output-first"]
constants = measured(
    train,
    [
        dict(optimizer="Adam", rate=rate, seed=seed, budget=budget)
        for budget, rates, seeds in (
            ("MIDDLE", RATES, (100, 101)),
            ("FULL", [1e-5, *RATES[:5]], range(5)),
        )
        for rate in rates
        for seed in seeds
    ],
)
figure(constants, valleys, alt=valleys_in_words)


# %% tags=["hide-input"]
def at(runs, budget, contender):
    """The rate that the trials of a contender at this budget choose."""
    return chosen(runs.where(budget=budget), contender).best()


table(
    Runs(pilots + trials),
    lambda runs: [
        {
            "contender": label(contender),
            **{
                f"{BUDGETS[budget].steps:,} steps": f"`{at(runs, budget, contender):g}`"
                for budget in ("MIDDLE", "FULL")
            },
        }
        for contender in CONTENDERS
    ],
    caption=lambda runs: "The tuned rate in short and in long trainings",
)
SLOW = adam("constant", "linear", "step", "cosine")
SAME = [*adam("time", "exponential"), *[c for c in CONTENDERS if c["optimizer"] != "Adam"]]
claim(
    Runs(pilots + trials),
    lambda runs: (
        all(at(runs, "FULL", c) < 0.11 * at(runs, "MIDDLE", c) for c in SLOW)
        and all(at(runs, "FULL", c) == at(runs, "MIDDLE", c) for c in SAME)
        and len({at(runs, "FULL", c) for c in SLOW[1:]}) == 1
        and len({at(runs, "MIDDLE", c) for c in SLOW[1:]}) == 1
    ),
    lambda runs: (
        "**With Adam the rate of a short training is too high for a long one.** A constant rate is best "
        f"at `{at(runs, 'MIDDLE', CONSTANT):g}` in the short one and at "
        f"`{at(runs, 'FULL', CONSTANT):g}` in the long one; with linear, step and cosine decay it is "
        f"`{at(runs, 'MIDDLE', SLOW[1]):g}` and `{at(runs, 'FULL', SLOW[1]):g}`: a tenth. Time and "
        "exponential decay, which soon leave the rate they start from, keep theirs, and so does SGD "
        "with momentum."
    ),
)


def ends(runs, rate):
    """The five seeds of a constant rate in the long training."""
    return runs.where(budget="FULL", rate=rate)


claim(
    constants,
    lambda runs: (
        (ends(runs, 0.003).minus(ends(runs, 3e-4)) > 0).all()
        and ends(runs, 0.003).minus(ends(runs, 3e-4)).mean()
        > max(-difference(full, contender).mean() for contender in CONTENDERS)
        and (ends(runs, 0.03).final() > 2).sum() == 1
        and ends(runs, 0.01).final().max() < 0.1
    ),
    lambda runs: (
        "**The mistake costs more than decay gains.** With the rate of the short training, `0.003`, the "
        f"long one ends at {several(ends(runs, 0.003).final(), 4)}, higher in every seed than with "
        f"`0.0003`. At `0.03` {(ends(runs, 0.03).final() > 2).sum()} of 5 seeds learns nothing in all "
        "25 epochs."
    ),
)

# %% [markdown]
# And a rate that is too low? Keras' default for SGD, five seeds:

# %%
default = measured(
    train,
    [
        dict(
            optimizer="SGD",
            rate=0.01,
            seed=seed,
            budget="FULL",
        )
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
MOMENTUM = dict(optimizer="SGD momentum", schedule="constant")
claim(
    Runs([*default, *chosen(full, MOMENTUM)]),
    lambda runs: (
        runs.where(optimizer="SGD").final().min()
        > 2.5 * runs.where(optimizer="SGD momentum").final().max()
    ),
    lambda runs: (
        "**25 epochs do not make up for it**: SGD at `0.01` ends at "
        f"{several(runs.where(optimizer='SGD').final(), 4)}, with a momentum of `0.9` and its tuned rate, "
        f"`{rate_of(runs, MOMENTUM):g}`, at {several(chosen(runs, MOMENTUM).final(), 4)}."
    ),
)

# %% [markdown]
# ## What one seed chose
#
# Warmup with linear decay and 1cycle come last in the long training. Is that the schedule, or its rate?
# The search stayed at the short trainings' rate with 1cycle, and went up from it with the other. The
# losses of the one seed that searched, with every rate between:

# %%
wide = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule=schedule,
            rate=rate,
            seed=100,
            budget="FULL",
        )
        for schedule in ("linear", "warmup linear", "1cycle")
        for rate in (0.001, 0.003, 0.01, 0.03)
    ],
)
again = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule="warmup linear",
            rate=0.001,
            seed=seed,
            budget="FULL",
        )
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
table(
    wide,
    lambda runs: [
        {
            "schedule": schedule,
            **{
                f"`{rate:g}`": f"{each.final().mean():.4f}"
                for rate, each in group.by("rate").items()
            },
        }
        for schedule, group in runs.by("schedule").items()
    ],
    caption=lambda runs: "Validation loss of seed 100 at each rate, 4,800 steps",
)
WARMUP = dict(optimizer="Adam", schedule="warmup linear")


def lowered(runs, other):
    """By how much warmup with linear decay ends lower at 0.001, seed by seed."""
    return -runs.where(rate=0.001, **WARMUP).minus(chosen(full, other))


def again_in(runs):
    """The five seeds of warmup with linear decay at 0.001."""
    return Runs(run for run in runs if run.settings["seed"] < 5)


claim(
    Runs([*wide, *again]),
    lambda runs: (
        all(
            runs.where(seed=100, schedule=schedule).best() == 0.001
            and trials.where(**PLAIN | dict(schedule=schedule)).best() == 0.03
            for schedule in ("warmup linear", "1cycle")
        )
        and (lowered(again_in(runs), WARMUP) > 0).all()
        and (lowered(again_in(runs), CONSTANT) > 0).all()
        and verdict(lowered(again_in(runs), adam("linear")[0])) == "tie"
    ),
    lambda runs: (
        "**It was the rate.** For both schedules the loss has two valleys, and the search, which walks "
        "downhill from where it begins, ended in the higher one. At `0.001` five seeds of warmup with "
        f"linear decay end at {several(again_in(runs).final(), 4)}: lower in every seed than at the rate "
        f"that was found, by {several(lowered(again_in(runs), WARMUP), 4)}, and than the constant rate, "
        f"by {several(lowered(again_in(runs), CONSTANT), 4)}. Against linear decay alone, with which every seed learns "
        "there as well, it is a tie. The tables above "
        "stand as they were planned; these rates were looked at afterwards."
    ),
)


# %% [markdown]
# ## Halved when it stalls
#
# Every schedule above has to know when the training ends. `ReduceLROnPlateau` does not: it halves the
# rate after an epoch without a lower validation loss. Three rates with the searching seed, then five
# seeds at the best of them:

# %%
stalling = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule="plateau",
            rate=rate,
            seed=100,
            budget="FULL",
        )
        for rate in (3e-4, 0.001, 0.003)
    ],
)
plateau = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule="plateau",
            rate=stalling.best(),
            seed=seed,
            budget="FULL",
        )
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def ahead(runs, other):
    """By how much it ends lower than another contender of the long training."""
    return -runs.where(schedule="plateau").minus(chosen(full, other))


claim(
    plateau,
    lambda runs: (
        verdict(ahead(runs, CONSTANT)) == "higher"
        and (ahead(runs, CONSTANT) > 0).all()
        and all(verdict(ahead(runs, c)) == "tie" for c in adam("linear", "step"))
        and (ahead(runs, adam("cosine")[0]) < 0).all()
    ),
    lambda runs: (
        f"**It does as well without knowing the end.** From `{runs[0].settings['rate']:g}` it ends at "
        f"{several(runs.final(), 4)}: lower than the constant rate in every seed, by "
        f"{several(ahead(runs, CONSTANT), 4)}, a tie with linear and with step decay, and behind the "
        f"cosine by {several(-ahead(runs, adam('cosine')[0]), 4)}. What it does not take away is the "
        "guess of the rate to begin with."
    ),
)

# %% [markdown]
# ## Cycles between a range test's bounds
#
# Nor does a range test need tuning. Five sweeps of 100 steps with these batches give the bounds of a
# cyclical rate, as in [Cyclical rates](cyclical.py#bounds-from-the-range-test); two cycles fill the
# training:

# %%
sweeps = measured(
    sweep,
    [
        dict(
            optimizer="Adam",
            seed=seed,
            steps=100,
            budget="FULL",
        )
        for seed in range(5)
    ],
)
low, high = bounds(sweeps)
cycles = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule="triangular",
            low=low,
            rate=high,
            seed=seed,
            budget="FULL",
        )
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
claim(
    cycles,
    lambda runs: (runs.minus(chosen(full, CONSTANT)) > 0).all(),
    lambda runs: (
        f"**In so long a training these bounds are too high.** Between `{runs[0].settings['low']:g}` and "
        f"`{runs[0].settings['rate']:g}` it ends at {several(runs.final(), 4)}, above the tuned constant "
        f"rate in every seed, by {several(runs.minus(chosen(full, CONSTANT)), 4)}. A sweep is a short "
        "training, too, and knows nothing of the long one."
    ),
)

# %% [markdown]
# ## Try it
#
# Two rates, two lengths, and a small network. How far do the rates lie apart after one epoch, how far
# after eight? And after sixteen?

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=1000, test=1000)
x, y = data.x_train, data.y_train
held_out = data.x_validation, data.y_validation
for epochs in (1, 8):  # <- the lengths
    for rate in (0.003, 0.03):
        keras.utils.set_random_seed(0)
        hidden = keras.layers.Dense(64, activation="relu")
        output = keras.layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.layers.Flatten(), hidden, output])
        optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, "categorical_crossentropy")
        model.fit(x, y, batch_size=50, epochs=epochs, verbose=0)
        loss = model.evaluate(*held_out, verbose=0)
        print(f"{epochs} epochs, {rate}: {loss:.2f}")

# %% [markdown]
# ## What to remember
#
# - In a long training decay helps; in one of 60 steps it takes away steps you need.
# - Do not carry a rate from a short training into a long one: Adam's constant rate was too high.
# - A search with one seed can end in the wrong valley: look on both sides, and further.
