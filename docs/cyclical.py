# ---
# title: Cyclical learning rates
# description: Triangular, triangular2, exp_range and 1cycle against a tuned constant rate and a tuned decay at equal budget, seed by seed - and early stopping in mid-cycle.
# tags: [CyclicLR, OneCycle, 1cycle] # the search shows this page first
# ---

# %% [markdown]
# # Cyclical learning rates
#
# Let the rate rise and fall between two bounds: the steps at the top should leave poor minima, those
# at the bottom settle. Does that beat a rate that was tuned with the same effort?

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.checks import rates_at
from lrguide.guide import pictures
from lrguide.guide.contenders import CYCLES, RATES, SCHEDULES
from lrguide.guide.contrasts import compared, named, other_verdicts, rows_beside
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import early_stopping, learning_limit, several
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import ANSWER, answered, bounds, tuned


def of(optimizer, schedules):
    return [dict(optimizer=optimizer, schedule=name, budget="SHORT") for name in schedules]


# %% tags=["output-first"]
ADAM = of("Adam", ["constant", *CYCLES, "linear", "warmup linear"])
adam = answered(ADAM)
figure(adam, **pictures.beside_the_first(ADAM, "a tuned constant rate"))

# %% [markdown]
# Each mark is the mean of twenty seeds after 300 steps, its line the `95 %` interval. Left of *same* a
# contender ends lower than a constant rate that was searched for as long.
#
# ## Does cycling help?


# %% tags=["hide-input"]
def against(runs, schedules, other):
    """The contrasts of some schedules with another."""
    rival = runs.where(schedule=other)
    return compared({name: (runs.where(schedule=name), rival) for name in schedules})


@claim(adam)
def cycles_help_as_far_as_they_end_low(runs):
    found = against(runs, ["linear", "warmup linear", *CYCLES], "constant")
    sentence = f"""
        **Against a tuned constant rate three of the four cycles help.** 1cycle ends
        {found["1cycle"].in_words} and triangular2 {found["triangular2"].in_words}. And exp_range is
        {found["exp_range"].in_words}. Triangular, which alone goes back to its full height, cannot be
        told from the constant rate: {found["triangular"].in_words}.
        """
    return (
        sentence,
        named(found, "lower") == ["warmup linear", "triangular2", "exp_range", "1cycle"],
        found["triangular"].verdict == "undecided",
    )


@claim(adam)
def not_against_a_tuned_decay_with_a_warmup(adam):
    found = against(adam, CYCLES, "warmup linear")
    sentence = f"""
        **Against linear decay after a warmup none does.** 1cycle is {found["1cycle"].in_words}. The
        other three end higher. So triangular2 is {found["triangular2"].in_words} and exp_range
        {found["exp_range"].in_words}. Triangular is {found["triangular"].in_words}. At each run's best
        epoch and on the test images all of these verdicts are the same.
        """
    cycles = [each for each in ADAM if each["schedule"] in (*CYCLES, "warmup linear")]
    return (
        sentence,
        named(found, "higher") == ["triangular", "triangular2", "exp_range"],
        found["1cycle"].verdict == "undecided",
        found["1cycle"].low > -0.1,
        other_verdicts(adam, ADAM, ADAM[0]) == {},
        other_verdicts(adam, cycles, cycles[-1]) == {},
    )


table(
    adam,
    lambda runs: rows_beside(runs, ADAM, ADAM[0]),
    caption="All numbers: 300 steps, Adam, twenty seeds at each tuned rate",
    folded=True,
)

# %% [markdown]
# The rate of each was searched on the same grid, with two seeds everywhere and six around the lowest loss;
# twenty new seeds give the answer. The verdicts are corrected for their number
# ([how](method.py#the-plan-of-30-november-2026)).
#
# ## Four ways to cycle
#
# The first three are Leslie Smith's[^1]: straight up from a lower bound to an upper one and straight
# down again. `triangular` repeats that, `triangular2` halves the height with each cycle, `exp_range`
# lowers it by a factor with each step. `1cycle` rises once, to a rate that would be too high to
# stay at, and then falls far below the one it began with.[^2] The article[^3] that this guide
# re-measures recommends cycling and trains nothing with it.
#
# [^1]: L. N. Smith, *Cyclical learning rates for training neural networks*, 2017,
#     [arXiv:`1506.01186`](https://arxiv.org/abs/1506.01186), and
#     with N. Topin, *Exploring loss function topology with cyclical learning rates*, 2017,
#     [arXiv:`1702.04283`](https://arxiv.org/abs/1702.04283).
# [^2]: L. N. Smith and N. Topin, *Super-convergence*, 2018,
#     [arXiv:`1708.07120`](https://arxiv.org/abs/1708.07120).
# [^3]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).


# %% tags=["hide-input"]
def drawn(runs):
    every = BUDGETS["SHORT"].steps
    picture, axes = plots.subplots(height=2.7)
    for name, (colour, line) in zip(CYCLES, plots.LINES, strict=False):
        made = SCHEDULES[name](1.0, every, 0.25)
        steps = np.arange(0, every + 1, 5 if name == "1cycle" else 15)
        axes.plot(steps, rates_at(made, steps), line, color=colour, label=name)
    axes.set(xlabel="step", ylabel="share of highest rate")
    picture.legend(loc="outside upper left", ncols=4, frameon=False, columnspacing=1.2)
    return picture


figure(
    Runs(),
    drawn,
    alt=lambda runs: (
        "Four schedules over 300 steps. Triangular rises from a quarter of the highest rate to all "
        "of it and falls back, twice. The second peak of triangular2 is half as high above the "
        "quarter; exp_range's peaks sink throughout. 1cycle peaks once, after 90 steps, and falls "
        "to nothing."
    ),
)

# %% [markdown]
# Here two cycles fill the run, so that it ends at the lower bound, a quarter of the upper one. That
# leaves one number, the highest rate, which is searched for. Each shape starts low and ends low: a cycle
# contains a warmup and a decay, the two that [Decay](decay.py) measures one by one.
# ([At full scale](full_scale.py#from-60-steps-to-4800) has them all in 4,800 steps.)
#
# ## Momentum that cycles, too
#
# 1cycle has a second half: where the rate rises, momentum falls, from `0.95` to `0.85`, and back. In
# Keras setting `optimizer.momentum` in a callback does nothing, since the value was compiled into the
# training step. `ScheduledSGD` and `ScheduledAdam` compute it in each step; 1cycle was trained with
# them above, and here with SGD (never without, so what the momentum adds was not measured).

# %% tags=["output-first"]
SGD = of("SGD momentum", ["constant", "linear", "triangular", "1cycle"])
sgd = answered(SGD)
figure(sgd, **pictures.beside_the_first(SGD, "a tuned constant rate"))


# %% tags=["hide-input"]
@claim(sgd)
def with_sgd_too_it_is_the_end_that_counts(runs):
    found = against(runs, ["linear", "triangular", "1cycle"], "constant")
    behind = against(runs, ["triangular", "1cycle"], "linear")
    sentence = f"""
        **With SGD it is the same.** Against the constant rate 1cycle ends {found["1cycle"].in_words}
        and linear decay {found["linear"].in_words}. Triangular is {found["triangular"].in_words}
        beside the constant rate, and higher than linear decay. 1cycle and linear decay cannot be told
        apart: {behind["1cycle"].in_words}.
        """
    return (
        sentence,
        named(found, "lower") == ["linear", "1cycle"],
        found["triangular"].verdict == "undecided",
        behind["triangular"].verdict == "higher",
        behind["1cycle"].verdict == "undecided",
    )


table(
    sgd,
    lambda runs: rows_beside(runs, SGD, SGD[0]),
    caption="All numbers: 300 steps, SGD with momentum, twenty seeds at each tuned rate",
    folded=True,
)

# %% [markdown]
# ## Bounds from the range test
#
# The search for the upper bound cost more than eighteen trainings. The [range test](range_test.py)
# promises it for the price of one: 100 steps in which the rate grows from `0.000001` to `10`. A cycle may
# swing between the rate where a tenth of the loss's whole fall has happened and the one where nine tenths
# have. No tuning here, just five sweeps for each optimizer, and trainings between those bounds.

# %%
sweeps = measured(
    sweep,
    crossed(
        optimizer=("Adam", "SGD momentum"),
        seed=range(5),
        budget="SHORT",
        batch=50,
        steps=100,
    ),
)


# %%
bounded = measured(
    train,
    [
        dict(
            optimizer=optimizer,
            schedule="triangular",
            low=low,
            rate=high,
            seed=seed,
            budget="SHORT",
        )
        for optimizer, group in sweeps.by("optimizer").items()
        for low, high in [bounds(group)]
        for seed in ANSWER
    ],
)


# %% tags=["hide-input"]
def pairs_of(bounded, tuned):
    """By optimizer the trainings between the range test's bounds, and those between tuned ones."""
    cycles = tuned.where(schedule="triangular").by("optimizer")
    return {name: (group, cycles[name]) for name, group in bounded.by("optimizer").items()}


def against_tuned(runs):
    pairs = pairs_of(runs, Runs(adam + sgd))
    return [
        {
            "optimizer": name,
            "from the range test": " to ".join(
                f"`{pairs[name][0][0].settings[bound]:g}`" for bound in ("low", "rate")
            ),
            "against tuned": str(contrast),
            "verdict": contrast.verdict,
        }
        for name, contrast in compared(pairs).items()
    ]


table(bounded, against_tuned, caption="triangular, 300 steps: two ways to find its bounds")


@claim(bounded, Runs(adam + sgd))
def bounds_from_sweeps(bounded, tuned):
    found = compared(pairs_of(bounded, tuned))
    sentence = f"""
        **Bounds from five sweeps cannot be told from bounds that were searched for**, with either
        optimizer, though they are not the same bounds. The loss between them is
        {found["Adam"].in_words} with Adam and {found["SGD momentum"].in_words} with SGD, against that
        between tuned bounds.
        """
    return (
        sentence,
        named(found, "undecided") == ["Adam", "SGD momentum"],
        {each.pairs for each in found.values()} == {20},
    )


# %% [markdown]
# ## Stopped in mid-cycle
#
# `EarlyStopping` ends a training whose validation loss has not improved for a number of epochs, the
# patience; `ModelCheckpoint` keeps the weights of the best epoch. A cycle lasts two and a half epochs
# here.


# %% tags=["hide-input"]
def by_epoch(runs):
    picture, panels = plots.subplots(1, 2, height=3, sharex=True, sharey=True)
    blue, red = plots.COLOURS[:2]
    epochs = np.arange(1, 6)
    for axes, (name, group) in zip(panels, runs.by("optimizer").items(), strict=True):
        constant = group.where(schedule="constant").values("validation_loss")
        axes.plot(epochs, np.median(constant, axis=0), "--", color=blue, label="constant, median")
        for number, losses in enumerate(
            group.where(schedule="triangular").values("validation_loss")
        ):
            axes.plot(
                epochs,
                losses,
                color=red,
                linewidth=0.8,
                label="" if number else "triangular, each seed",
            )
        for start in (0, 2.5):
            shade = axes.axvspan(start, start + 1.25, label="_rising rate")
            shade.set(color="#000000", alpha=0.07, linewidth=0)
        axes.set(title=name, xlabel="epochs trained", yscale="log", xlim=(0, 5.1))
        axes.minorticks_off()
        axes.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
    panels[0].set(ylabel="validation loss")
    handles, labels = panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)
    return picture


def rises(runs):
    """In which runs the validation loss rises from epoch 3 to epoch 4."""
    losses = runs.values("validation_loss")
    return losses[:, 3] > losses[:, 2]


def rises_in_words(runs):
    return (
        "Validation loss by epoch, two optimizers. While the rate rises for the second time, between "
        "epochs 2.5 and 3.75, the loss of "
        + " and of ".join(
            f"{rises(group.where(schedule='triangular')).sum()} of 20 seeds with {name}"
            for name, group in runs.by("optimizer").items()
        )
        + " rises; after the last epoch it is low again."
    )


# %% tags=["output-first"]
names = ("constant", "triangular")
pairs = Runs(r for r in adam + sgd if r.settings["schedule"] in names)
figure(pairs, by_epoch, alt=rises_in_words)

# %% [markdown]
# Grey is where the rate rises. Where a patience would have stopped each training, and which epoch a
# checkpoint would have kept, follows from the stored losses.


# %% tags=["hide-input"]
def cut(runs, patience):
    """How many runs a patience stops before their last epoch."""
    losses = runs.values("validation_loss")
    return sum(early_stopping(row, patience)[0] < len(row) for row in losses)


def lost(runs, patience):
    """By how much the checkpoint's loss lies above the best of all epochs, one number a seed."""
    losses = runs.values("validation_loss")
    kept = [early_stopping(row, patience)[1] - 1 for row in losses]
    return losses[range(len(losses)), kept] - losses.min(axis=1)


@claim(pairs)
def patience_of_one_epoch_stops_of(runs):
    cyclical = runs.where(schedule="triangular")
    stopped, count = cut(cyclical, 1), len(cyclical)
    sentence = f"""
        **A patience of one epoch stops {stopped} of {count} cyclical trainings in mid-cycle**, and the
        best epoch up to there, which the checkpoint keeps, is worse than the one to come by
        {several(lost(cyclical, 1))}. A checkpoint cannot keep what was not trained. With a patience
        of three, which is longer than a cycle, none is stopped.
        """
    return (sentence, stopped > 0.5 * count, cut(cyclical, 3) == 0, lost(cyclical, 1).mean() > 0.01)


@claim(pairs.where(schedule="triangular"))
def the_rising_rate_leaves_the_low_point(runs):
    up = rises(runs)
    losses = runs.values("validation_loss")
    lowest = runs.final() < losses[:, :4].min(axis=1)
    sentence = f"""
        **The rising rate often leaves the low point that was reached.** In {up.sum()} of {len(up)} runs
        the loss after epoch 4 is higher than after epoch 3. Leaving is what the large steps are for.
        When the rate has fallen again, the loss is lower than ever before in {lowest.sum()}.
        """
    return (sentence, up.mean() > 0.5, lowest.mean() > 0.9)


# %% [markdown]
# ## A very high rate?
#
# 1cycle's authors report "super-convergence"[^2]: with a very high rate, reached and left in one
# cycle, a network trains in a fraction of the epochs. It is a statement about SGD and about fewer epochs.
# So here SGD with momentum gets two epochs instead of five. Each rate is the best of nine with two seeds, and five new seeds give the answer.

# %%
BRIEF = of("SGD momentum", ["constant", "linear", "1cycle"])
two_trials, two = tuned(
    [dict(contender, epochs=2) for contender in BRIEF],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)


# %% tags=["hide-input"]
@claim(two, two_trials)
def no_super_convergence_was_found(two, trials):
    limits = {name: learning_limit(trials.where(schedule=name)) for name in ("1cycle", "constant")}
    found = against(two, ["constant", "linear"], "1cycle")
    sentence = f"""
        **No super-convergence was found.** The seeds of the search learn with 1cycle up to
        `{limits["1cycle"]:g}`, with a constant rate up to `{limits["constant"]:g}`: a very high rate
        is bearable here, too. But after two epochs linear decay ends {found["linear"].in_words} than
        1cycle, and the constant rate {found["constant"].in_words}. 1cycle spends three tenths of its
        steps on rising. The effect was reported for deep networks and thousands of steps; this says
        nothing about those.
        """
    return (
        sentence,
        limits["1cycle"] == 0.3,
        limits["constant"] == 0.1,
        named(found, "lower") == ["constant", "linear"],
        {each.pairs for each in found.values()} == {5},
    )


# %% [markdown]
# ## Try a schedule
#
# <div class="lr-explorer" data-schedules="triangular triangular2 exp_range one_cycle" data-keep="one_cycle" data-epochs="16" data-steps-per-epoch="60">The second picture shows the four schedules. With JavaScript, sliders stand here.</div>
#
# ## Try it
#
# 1cycle with momentum that cycles against it. Is a rate three times as high still learned with?

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

epochs, steps_per_epoch = 2, 40
rate = lrguide.one_cycle(0.01, epochs * steps_per_epoch)  # <- the highest
momentum = rate.momentum(0.85, 0.95)

keras.utils.set_random_seed(0)
data = mnist_subset().first(training=2000, validation=1000, test=1000)
model = lrguide.article_cnn()
optimizer = lrguide.ScheduledAdam(rate, beta_1=momentum)
model.compile(optimizer, "categorical_crossentropy")
model.fit(data.x_train, data.y_train, batch_size=50, epochs=epochs, verbose=0)
loss = model.evaluate(data.x_validation, data.y_validation, verbose=0)
print(f"validation loss: {loss:.2f}")

# %% [markdown]
# ## What to remember
#
# - A cycle contains a warmup and a decay: compare it with a tuned decay that has both.
# - Only a patience longer than a cycle sees what the next one brings; one epoch ends it in the middle.
# - Let the run end where the rate is lowest: choose the length of a cycle to fit.
