# ---
# title: Choosing a rate and a schedule
# description: Twenty-one ways to set the learning rate side by side, each tuned as long, with ranks and their uncertainty - and a recipe for your own model in ten lines.
# ---

# %% [markdown]
# # Choosing a rate and a schedule
#
# Every contender of this guide side by side: the same network, the same budget, the same effort of
# tuning. Then what that means for a model of your own.

# %% tags=["hide-input"]
from itertools import product

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import COMPARED, CYCLES, DECAYS, RATES, label
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import (
    chosen,
    difference,
    learning_limit,
    several,
    sorted_by_loss,
    verdict,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed
from lrguide.guide.tuning import range_test, tuned, tuned_nearby

COLOUR_OF = {"Adam": plots.COLOURS[0], "SGD momentum": plots.COLOURS[1]}
CONSTANT = dict(optimizer="Adam", schedule="constant")


# Every way to draw five seeds out of five, all 3,125 of them: the bootstrap without its chance.
DRAWS = np.array([np.bincount(draw, minlength=5) for draw in product(range(5), repeat=5)]) / 5


def rank_intervals(runs):
    """By contender, the 2.5 % and the 97.5 % quantile of its rank when seeds are drawn anew."""
    losses = np.array([chosen(runs, contender).final() for contender in COMPARED])
    ranks = 1 + (DRAWS @ losses.T).argsort(axis=1).argsort(axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest").astype(int)
    return {label(c): (low[i], high[i]) for i, c in enumerate(COMPARED)}


def side_by_side(runs):
    order = sorted_by_loss(runs, COMPARED)
    return plots.ranges(
        {label(contender): chosen(runs, contender).final() for contender in order},
        colours=[COLOUR_OF.get(c["optimizer"], plots.COLOURS[2]) for c in order],
        beside="Adam constant",
        ticks=[0.1, 0.2, 0.5, 1],
        xlabel="validation loss at the end",
    )


def order_in_words(runs):
    order = [
        f"{label(contender)} {chosen(runs, contender).final().mean():.3f}"
        for contender in sorted_by_loss(runs, COMPARED)
    ]
    return (
        "Validation loss of each contender at its tuned rate, mean and range of five seeds, from the "
        f"lowest: {'; '.join(order)}. A band marks the range of the constant rate with Adam."
    )


# %% tags=["output-first"]
trials, finals = tuned(
    [dict(contender, budget="SHORT") for contender in COMPARED],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
figure(finals, side_by_side, alt=order_in_words)

# %% [markdown]
# Each dot is the mean of five seeds after 300 steps, each line reaches from the lowest to the
# highest of them; the grey band is that range for the constant rate with Adam. Every contender had the
# same tuning: nine rates with two seeds each, the best mean validation loss wins, then five
# new seeds. "SGD+m" is SGD with a momentum of `0.9`. *Plateau* halves the rate after an epoch without a lower
# validation loss; *average* evaluates a moving average of the weights, and ScheduleFreeAdamW stands for
# the weights that it averages ([optimizers](optimizers.py) has more on both).
#
# ## Ranks, and how sure they are


# %% tags=["hide-input"]
def seconds(runs):
    """CPU-seconds of a training: of the least disturbed of its seeds."""
    return min(run.made["cpu_seconds"] for run in runs)


def ranked(runs):
    intervals = rank_intervals(runs)
    constant = seconds(chosen(runs, CONSTANT))
    return [
        {
            "contender": label(contender),
            "rank": f"{place} ({intervals[label(contender)][0]} to {intervals[label(contender)][1]})",
            "rate": f"`{chosen(runs, contender)[0].settings['rate']:g}`",
            "loss": f"{chosen(runs, contender).final().mean():.3f}",
            "minus constant": f"{difference(runs, contender, CONSTANT).mean():+.3f}",
            "verdict": verdict(difference(runs, contender, CONSTANT)),
            "cost": f"{seconds(chosen(runs, contender)) / constant:.2f}",
        }
        for place, contender in enumerate(sorted_by_loss(runs, COMPARED), start=1)
    ]


table(finals, ranked, caption="300 steps, each at its tuned rate, five seeds")

# %% [markdown]
# The **rank** is that of the mean loss; in brackets the ranks it takes when the five seeds are drawn
# anew in every possible way (a bootstrap), without the most extreme `2.5 %` on either side. *Minus
# constant* is paired by seed with the tuned constant rate of Adam, and the verdict a `95 %` interval
# (Student's t). If nothing differed, about one of twenty would still say so: do not build on the least
# clear of them. *Cost* is CPU time relative to that constant rate.
# These are the ranks of a short training; [after 4,800 steps](full_scale.py#from-60-steps-to-4800) they
# are others.


# %% tags=["hide-input"]
RISING = ["warmup linear", "warmup stable decay", *CYCLES]


def below_constant(runs, schedules):
    """Which of some schedules end lower than the tuned constant rate in every seed, with Adam."""
    adam = runs.where(optimizer="Adam")
    return [name for name in schedules if (difference(adam, name) < 0).all()]


@claim(finals)
def first_place_is_shared(finals):
    intervals = rank_intervals(finals)
    order = [label(contender) for contender in sorted_by_loss(finals, COMPARED)]
    first = [name for name in order if intervals[name][0] == 1]
    sentence = f"""
        **First place is shared.** Drawn anew, the seeds put {len(first)} of the {len(COMPARED)}
        contenders first often enough to count: {", ".join(first)}. Five seeds cannot tell more.
        """
    return sentence, "Adam warmup linear" in first, "Adam 1cycle" in first, len(first) == 3


@claim(finals)
def what_begins_low_and_ends_low_does_well(finals):
    means = [chosen(finals, dict(CONSTANT, schedule=name)).final().mean() for name in RISING]
    falling, constant = below_constant(finals, DECAYS), chosen(finals, CONSTANT).final()
    sentence = f"""
        **With Adam, what begins low and ends low does well.** All six schedules that rise first and
        come down again end lower than the tuned constant rate in every seed, at {min(means):.3f} to
        {max(means):.3f}. Of the five that only fall,
        {" and ".join(f"Adam {name}" for name in falling)} do. (Not each of these is called lower: the
        constant rate itself reaches from {constant.min():.3f} to {constant.max():.3f}, and that hides
        much.)
        """
    verdicts = {
        verdict(difference(finals.where(optimizer="Adam"), name)) for name in [*RISING, *falling]
    }
    return (
        sentence,
        below_constant(finals, RISING) == RISING,
        falling == ["linear", "cosine"],
        verdicts == {"lower", "tie"},
    )


third = measured(train, crossed(optimizer="Adam", rate=0.003, seed=range(5), budget="SHORT"))


@claim(finals, third)
def mind_how_the_constant_rate_was_found(finals, third):
    constant = chosen(finals, CONSTANT)
    means = [chosen(finals, contender).final().mean() for contender in COMPARED]
    rank = 1 + sum(mean < third.final().mean() for mean in means)
    with_adam = [contender for contender in COMPARED if contender["optimizer"] == "Adam"]
    verdicts = [verdict(chosen(finals, contender).minus(third)) for contender in with_adam]
    sentence = f"""
        **Mind how the constant rate was found.** Its two seeds chose `0.01`, at the edge of what is
        stable; five seeds at `0.003` end at {several(third.final())}, all of them lower, which would
        be rank {rank}. No other contender with Adam is called lower than that. So the table says what
        equal effort gives you, and much of what a schedule gives is that a rate chosen a little too
        high does no harm.
        """
    return sentence, constant.minus(third).min() > 0, "lower" not in verdicts, rank == 10


@claim(finals)
def between_constant_rates_the_optimizer_decides_nothing(finals):
    sgd, momentum = (
        difference(finals, dict(optimizer=optimizer), CONSTANT)
        for optimizer in ("SGD", "SGD momentum")
    )
    sentence = f"""
        Between tuned *constant* rates the optimizer decides nothing here: SGD and SGD with momentum
        are ties with Adam, {several(sgd)} and {several(momentum)}.
        """
    return sentence, verdict(sgd) == "tie", verdict(momentum) == "tie"


@claim(finals)
def on_the_test_images_the_two_are_lower(finals):
    warmup, cycle, constant = (
        chosen(finals, dict(CONSTANT, schedule=schedule)).values("test_loss")
        for schedule in ("warmup linear", "1cycle", "constant")
    )
    sentence = f"""
        On the test images, looked at once, warmup and linear decay reach {several(warmup)}, 1cycle
        {several(cycle)} and the constant rate {several(constant)}.
        """
    return sentence, warmup.max() < constant.min(), cycle.max() < constant.min()


# %% [markdown]
# ## From your model to a rate, a schedule and a check
#
# Nobody tunes with eighteen trainings what one training is meant for. The recipe: a
# [range test](range_test.py) with three seeds costs as many steps as one of these trainings; take what
# `minimum/10` suggests, a tenth of the rate where the sweep's loss is lowest; let the rate rise to it over the first tenth of the run and fall to 0 from
# there; check the schedule; log what was used.
#
# How much is lost against tuning? Here the suggestion comes from five sweeps of the article's network, and
# the schedules are trained at it with the five seeds of the tuned contenders above:

# %%
sweeps = measured(
    sweep,
    crossed(
        optimizer=("Adam", "SGD momentum"),
        batch=(50, 250),
        budget="SHORT",
        seed=range(5),
        steps=100,
    ),
)


# %% tags=["hide-input"]
def suggestion(runs, optimizer, batch=50):
    """What minimum/10 says; NaN without an answer."""
    found = range_test(runs.where(optimizer=optimizer, batch=batch)).suggest()["minimum/10"]
    return np.nan if found.rate is None else found.rate


def near(optimizer, times):
    """The rate of the grid that is nearest to so many times the suggestion."""
    nearest = min(RATES, key=lambda rate: abs(np.log(rate / suggestion(sweeps, optimizer))))
    return RATES[RATES.index(nearest) + (0 if times == 1 else 1)]


# %%
WAYS = [
    ("Adam", "constant", 1),
    ("Adam", "warmup linear", 1),
    ("Adam", "warmup linear", 3),
    ("SGD momentum", "constant", 1),
    ("SGD momentum", "linear", 1),
    ("SGD momentum", "linear", 3),
]
untuned = measured(
    train,
    [
        dict(
            optimizer=optimizer,
            schedule=schedule,
            rate=near(optimizer, times),
            seed=seed,
            budget="SHORT",
        )
        for optimizer, schedule, times in WAYS
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
AT = {way: near(way[0], way[2]) for way in WAYS}


def tried(runs, optimizer, schedule, times=1):
    """The five seeds near so many times the suggestion."""
    rate = AT[optimizer, schedule, times]
    return runs.where(optimizer=optimizer, schedule=schedule, rate=rate)


def against_tuned(runs, finals, *way):
    """Their paired difference to the tuned constant rate of the same optimizer."""
    return tried(runs, *way).minus(chosen(finals, dict(optimizer=way[0])))


table(
    untuned,
    lambda runs: [
        {
            "optimizer": way[0].replace(" momentum", "+m"),
            "schedule": way[1],
            "rate": f"`{AT[way]:g}`",
            "loss": several(tried(runs, *way).final()),
            "minus tuned constant": several(against_tuned(runs, finals, *way)),
            "verdict": verdict(against_tuned(runs, finals, *way)),
        }
        for way in WAYS
    ],
    caption="At the suggestion and three times as high, to the nearest rate of the grid; five seeds",
)


@claim(untuned, finals, sweeps)
def with_adam_the_suggestion_needs_no_tuning(untuned, finals, sweeps):
    ways = [("constant", 1), ("warmup linear", 1), ("warmup linear", 3)]
    constant, once, thrice = (tried(untuned, "Adam", *way) for way in ways)
    gained = [against_tuned(untuned, finals, "Adam", *way) for way in ways]
    found = suggestion(sweeps, "Adam")
    sentence = f"""
        **With Adam the suggestion needs no tuning in 300 steps.** minimum/10 says {found:.2g}. Warmup
        and linear decay from the nearest rate of the grid end at {several(once.final())}, at three
        times that at {several(thrice.final())}, each seed lower than with the tuned constant rate,
        {several(chosen(finals, dict(optimizer="Adam")).final())}. **But so does a constant rate at
        the suggestion**, {several(constant.final())}: the tuned one, three times as high, was chosen
        by two seeds that five others do not bear out. Tuning with few seeds can end at the edge of
        what is stable; the schedule shows its worth at the higher rate.
        """
    return (
        sentence,
        found > 0.002,
        found < 0.005,
        gained[0].max() < 0,
        gained[1].max() < 0,
        gained[2].max() < 0,
        verdict(once.minus(constant)) == "tie",
        (thrice.minus(constant) < 0).sum() >= 4,
    )


@claim(untuned, finals, sweeps)
def with_sgd_the_suggestion_is_too_low(untuned, finals, sweeps):
    once, thrice = (tried(untuned, "SGD momentum", "linear", times) for times in (1, 3))
    gained = [against_tuned(untuned, finals, "SGD momentum", "linear", times) for times in (1, 3)]
    found = suggestion(sweeps, "SGD momentum")
    sentence = f"""
        With SGD and momentum the suggestion is too low: {found:.2g}. From the nearest rate of the
        grid linear decay ends at {several(once.final())}, against
        {several(chosen(finals, dict(optimizer="SGD momentum")).final())} for the tuned constant rate.
        At three times as high it ends at {several(thrice.final())}. **If you can afford a second
        training, make it that one.**
        """
    return (
        sentence,
        found > 0.005,
        found < 0.015,
        verdict(gained[0]) == "higher",
        verdict(gained[1]) == "tie",
    )


# %% [markdown]
# [Does it carry over?](elsewhere.py) tries the recipe on four other problems; what a much longer training
# does to a rate stands on [At full scale](full_scale.py#the-rate-of-a-pilot-run-is-too-high). This is all
# of the recipe, from a compiled model to a trained one:

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=1000, test=1000)
x, y = data.x_train, data.y_train  # <- your data, and below your model
hidden = keras.layers.Dense(64, activation="relu")
output = keras.layers.Dense(10, activation="softmax")
model = keras.Sequential([keras.layers.Flatten(), hidden, output])
model.compile("adam", "categorical_crossentropy")

result = lrguide.lr_range_test(model, x, y, batch_size=50, verbose=0)
rate = result.suggest()["minimum/10"].rate
schedule = lrguide.warmup(lrguide.linear(rate, 72), 8)  # 80 steps in all
print("rate:", rate, *lrguide.check(schedule, steps_per_epoch=40, epochs=2))
model.compile(keras.optimizers.Adam(schedule), "categorical_crossentropy")
log = lrguide.LearningRateLogger()
model.fit(x, y, batch_size=50, epochs=2, callbacks=[log], verbose=0)
print("rates of the last updates:", log.rates[-3:], *log.findings)

# %% [markdown]
# If `rate` is `None`, there was not enough evidence: print `result` and read why.
#
# ## By situation
#
# What did best where it was measured, and where to read it. Each answer is computed from those runs.


# %% tags=["hide-input"]
SCHEDULED = [c for c in COMPARED if "schedule" in c]
WITH_ADAM, MOMENTUM = (
    [c["schedule"] for c in SCHEDULED if c["optimizer"] == optimizer]
    for optimizer in ("Adam", "SGD momentum")
)


def searched(budget):
    contenders = [dict(contender, budget=budget) for contender in SCHEDULED]
    return tuned(contenders, RATES, trials=(100, 101), seeds=range(5))[1]


few, middle = searched("FEW_STEPS"), searched("MIDDLE")
_, long = tuned_nearby(
    [dict(contender, budget="FULL") for contender in SCHEDULED],
    [1e-4, *RATES],
    start=[chosen(middle, contender)[0].settings["rate"] for contender in SCHEDULED],
    trial=100,
    seeds=range(5),
)


def best_of(runs, budget, optimizer, schedules):
    """The schedule with the lowest loss, and those that tie with it, from the lower half."""
    here = runs.where(budget=budget, optimizer=optimizer)
    groups = {s: chosen(here, dict(optimizer=optimizer, schedule=s)) for s in schedules}
    order = sorted(schedules, key=lambda schedule: groups[schedule].final().mean())
    best, *others = order[: len(order) // 2]
    ties = [other for other in others if verdict(groups[other].minus(groups[best])) == "tie"]
    return best + (f"; ties: {', '.join(ties)}" if ties else "")


def limit(runs, schedule):
    """Up to which rate every seed learns with Adam."""
    return learning_limit(chosen(runs, dict(CONSTANT, schedule=schedule)))


HERE = "[above](#ranks-and-how-sure-they-are)"

table(
    Runs(finals + few + long + sweeps + untuned),
    lambda runs: [
        {
            "situation": "4,800 steps, Adam",
            "what did best": best_of(long, "FULL", "Adam", WITH_ADAM),
            "measured": "[full scale](full_scale.py)",
        },
        {
            "situation": "300 steps, Adam",
            "what did best": best_of(finals, "SHORT", "Adam", WITH_ADAM),
            "measured": HERE,
        },
        {
            "situation": "60 steps, Adam",
            "what did best": best_of(few, "FEW_STEPS", "Adam", WITH_ADAM),
            "measured": "[full scale](full_scale.py#from-60-steps-to-4800)",
        },
        {
            "situation": "4,800 steps, SGD+m",
            "what did best": best_of(long, "FULL", "SGD momentum", MOMENTUM),
            "measured": "[full scale](full_scale.py)",
        },
        {
            "situation": "300 steps, SGD+m",
            "what did best": best_of(finals, "SHORT", "SGD momentum", MOMENTUM),
            "measured": HERE,
        },
        {
            "situation": "batch of 250, not 50",
            "what did best": f"a range test of its own: {suggestion(sweeps, 'Adam', 250):.2g} instead of "
            f"{suggestion(sweeps, 'Adam'):.2g} with Adam",
            "measured": "[range test](range_test.py#what-moves-the-answer)",
        },
        {
            "situation": "unsure of the rate",
            "what did best": "a warmup: every seed learns up to "
            f"{limit(trials, 'warmup'):g}, not {limit(trials, 'constant'):g}",
            "measured": "[decay](decay.py#too-high-and-by-how-much)",
        },
        {
            "situation": "no time to tune",
            "what did best": "the recipe, at the suggestion "
            f"{tried(untuned, 'Adam', 'warmup linear').final().mean():.3f}, tuned constant "
            f"{chosen(finals, CONSTANT).final().mean():.3f} (Adam)",
            "measured": "[recipe](#from-your-model-to-a-rate-a-schedule-and-a-check)",
        },
        {
            "situation": "another optimizer",
            "what did best": "its own range of rates",
            "measured": "[optimizers](optimizers.py)",
        },
        {
            "situation": "trained weights",
            "what did best": "not measured here",
            "measured": "[resume](snippets.md#resume-a-schedule)",
        },
    ],
    caption="What did best where, computed from the runs",
)

# %% [markdown]
# Ties are named where they are in the better half of the schedules: one whose seeds lie far apart ties
# with almost anything, also from low down in the ranks. In 4,800 steps 1cycle and warmup with linear decay
# are missing: at a rate that the search did not reach both end below the constant rate in every seed
# ([what one seed chose](full_scale.py#what-one-seed-chose)).

# %% [markdown]
# ## Questions and errors
#
# They have [a page of their own](questions.md).
#
# ## What to remember
#
# - Tune what you compare equally, and look at ranks with their uncertainty before you name a winner.
# - A range test costs about one training; what it suggests is where tuning starts.
# - Check the schedule before the run, log the rates during it.
