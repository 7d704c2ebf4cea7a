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
from lrguide.guide.contenders import CYCLES, RATES, SCHEDULES
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import (
    beside_constant,
    chosen,
    difference,
    early_stopping,
    learning_limit,
    several,
    verdict,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import bounds, tuned


def strips(runs):
    names = [name for name in runs.by("schedule") if name != "constant"]
    return plots.strips(
        {name: difference(runs, name) for name in names},
        colours=[plots.COLOURS[1 if name in CYCLES else 0] for name in names],
        xlabel="validation loss minus that of the tuned constant rate",
    )


def strips_in_words(runs):
    return (
        "Final validation loss minus that of a tuned constant rate, a dot a seed. Means: "
        + "; ".join(f"{n} {difference(runs, n).mean():+.3f}" for n in runs.by("schedule"))
        + "."
    )


# %% tags=["output-first"]
def searched(optimizer, schedules, **more):
    """The trials of each contender, and five seeds at its tuned rate."""
    same = dict(optimizer=optimizer, budget="SHORT", **more)
    return tuned(
        [dict(same, schedule=schedule) for schedule in schedules],
        RATES,
        trials=(100, 101),
        seeds=range(5),
    )


adam_trials, adam = searched(
    "Adam",
    ["constant", "linear", "warmup linear", *CYCLES],
)
figure(adam, strips, alt=strips_in_words)

# %% [markdown]
# Each dot is one of five seeds, each bar their mean, orange for the four cycles and blue for decay; what
# lies left of the line is better than a constant rate. Every contender trains for the same 300 steps, at the best of the same nine rates.
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
# leaves one number, the highest rate, which is searched for on the grid: a cycle and a constant rate
# are then compared at equal effort, seed by seed.


# %% tags=["hide-input"]
def named(runs, what, other="constant"):
    """The cycles whose paired difference to another contender has this verdict."""
    return [name for name in CYCLES if verdict(difference(runs, name, other)) == what]


table(adam, beside_constant, caption="300 steps, Adam, each at its tuned rate")


@claim(adam)
def against_the_constant_rate_that_the(runs):
    sentence = f"""
        **Against the constant rate that the search found, cycling helps.**
        {", ".join(named(runs, "lower"))} end lower, 1cycle by {several(-difference(runs, "1cycle"))}.
        {named(runs, "tie")[0]} ends lower in every seed, too, but by amounts so different,
        {several(-difference(runs, "triangular"))}, that five seeds make it a tie.
        """
    return (
        sentence,
        named(runs, "lower") == ["triangular2", "exp_range", "1cycle"],
        named(runs, "tie") == ["triangular"],
        (difference(runs, "triangular") < 0).all(),
    )


@claim(adam)
def not_against_a_tuned_decay_with_a_warmup(adam):
    ties, higher = (named(adam, what, "warmup linear") for what in ("tie", "higher"))
    sentence = f"""
        **Against a tuned decay with a warmup it does not.** {", ".join(ties)} are ties with it, and
        {", ".join(higher)} ends higher, by
        {several(difference(adam, "triangular", "warmup linear"))}: it alone goes back to its full
        height in the second half of the run.
        """
    return sentence, ties == ["triangular2", "exp_range", "1cycle"], higher == ["triangular"]


# %% tags=["hide-input"]
third = measured(train, crossed(optimizer="Adam", rate=0.003, seed=range(5), budget="SHORT"))


@claim(adam, third)
def nor_against_a_luckier_constant_rate(adam, third):
    over = {name: chosen(adam, name).minus(third) for name in CYCLES}
    sentence = f"""
        **Nor against a luckier constant rate.** The search's two seeds had chosen
        `{chosen(adam, "constant")[0].settings["rate"]:g}` for it; at `0.003` five seeds end at
        {several(third.final())}, and all four cycles are ties with that, 1cycle by
        {several(over["1cycle"])}. What a cycle forgives is a rate that is a little too high
        ([Decay](decay.py#does-decay-help) found the same of warmup).
        """
    return (
        sentence,
        {verdict(differences) for differences in over.values()} == {"tie"},
        difference(adam, "constant", "1cycle").min() > 0,
        chosen(adam, "constant").minus(third).min() > 0,
    )


# %% [markdown]
# Look at the shapes again: each starts low and ends low. So a cycle contains a warmup and a decay, the
# two that [Decay](decay.py) measures one by one. ([At full scale](full_scale.py#from-60-steps-to-4800) has
# them all in 4,800 steps.)

# %% [markdown]
# ## Momentum that cycles, too
#
# 1cycle has a second half: where the rate rises, momentum falls, from `0.95` to `0.85`, and back. In
# Keras setting `optimizer.momentum` in a callback does nothing, since the value was compiled into the
# training step. `ScheduledSGD` and `ScheduledAdam` compute it in each step; 1cycle was trained with
# them above, and here with SGD (never without, so what the momentum adds was not measured).

# %% tags=["output-first"]
_, sgd = searched(
    "SGD momentum",
    ["constant", "linear", "triangular", "1cycle"],
)
table(
    sgd,
    beside_constant,
    caption="300 steps, SGD with momentum, tuned rates",
)


# %% tags=["hide-input"]
@claim(sgd)
def with_sgd_neither_cycle_can_be(runs):
    sentence = f"""
        With SGD neither cycle can be told from the constant rate, nor from linear decay: against
        the latter triangular ends {several(difference(runs, "triangular", "linear"))} higher, 1cycle
        {several(difference(runs, "1cycle", "linear"))}. The constant rate itself varies most from seed
        to seed: {several(runs.where(schedule="constant").final())}.
        """
    return (
        sentence,
        all(
            verdict(difference(runs, name)) == verdict(difference(runs, name, "linear")) == "tie"
            for name in ("triangular", "1cycle")
        ),
        max(runs.by("schedule").values(), key=lambda group: np.ptp(group.final()))
        == runs.where(schedule="constant"),
    )


# %% [markdown]
# ## Bounds from the range test
#
# The upper bound above cost eighteen trainings, nine rates with two seeds each. The [range test](range_test.py) promises it for the
# price of one: 100 steps in which the rate grows from `0.000001` to `10`. A cycle may swing between
# the rate where a tenth of the loss's whole fall has happened and the one where nine tenths have. No
# tuning here, just five sweeps for each optimizer, and a training between those bounds, to two
# digits.


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


# %% tags=["hide-input"]
def untuned(bounded, tuned):
    """The paired differences of the bounds from the range test to the tuned ones, by optimizer."""
    cycles = tuned.where(schedule="triangular").by("optimizer")
    return {name: group.minus(cycles[name]) for name, group in bounded.by("optimizer").items()}


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
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
tuned_rates = {
    runs[0].settings["optimizer"]: runs.where(schedule="triangular")[0].settings["rate"]
    for runs in (adam, sgd)
}
table(
    bounded,
    lambda runs: [
        {
            "optimizer": name,
            "from the range test": f"`{group[0].settings['low']:g}` to `{group[0].settings['rate']:g}`",
            "loss": several(group.final()),
            "tuned bounds": f"`{tuned_rates[name] / 4:g}` to `{tuned_rates[name]:g}`",
            "minus tuned": several(untuned(runs, Runs(adam + sgd))[name]),
            "verdict": verdict(untuned(runs, Runs(adam + sgd))[name]),
        }
        for name, group in runs.by("optimizer").items()
    ],
    caption="triangular, 300 steps: bounds from the range test, and tuned ones",
)


@claim(bounded, Runs(adam + sgd))
def bounds_from_sweeps_tie_with_tuned_ones(bounded, tuned):
    apart = " and ".join(
        f"a factor of {group[0].settings['rate'] / group[0].settings['low']:.0f} apart with {name}"
        for name, group in bounded.by("optimizer").items()
    )
    sentence = f"""
        **Bounds from five sweeps could not be told from bounds that cost eighteen trainings**, with
        either optimizer. They are not the same bounds: the range test's lie {apart}, the tuned ones a
        factor of four, by our choice.
        """
    return (
        sentence,
        verdict(untuned(bounded, tuned)["Adam"]) == "tie",
        verdict(untuned(bounded, tuned)["SGD momentum"]) == "tie",
    )


# %% [markdown]
# ## Stopped in mid-cycle
#
# The article advises `EarlyStopping` and `ModelCheckpoint` beside a cyclical rate. Both look at the
# validation loss after each epoch: the one ends the training when it has not improved for a number of
# epochs, the patience; the other keeps the weights of the best epoch. A cycle lasts two and a half
# epochs here.


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
            axes.plot(epochs, losses, color=red, label="" if number else "triangular, each seed")
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
            f"{rises(group.where(schedule='triangular')).sum()} of 5 seeds with {name}"
            for name, group in runs.by("optimizer").items()
        )
        + " rises; after the last epoch it is lower than ever."
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


table(
    pairs,
    lambda runs: [
        {
            "contender": f"{schedule}, {optimizer}",
            "stopped early": f"{cut(group, 1)} of 5",
            "lost": several(lost(group, 1)),
        }
        for optimizer, of_one in runs.by("optimizer").items()
        for schedule, group in of_one.by("schedule").items()
    ],
    caption="A patience of one epoch: seeds stopped early, and by how much the loss at the epoch kept lies "
    "above the best of five epochs",
)


@claim(pairs)
def patience_of_one_epoch_stops_of(runs):
    sentence = f"""
        **A patience of one epoch stops {cut(runs.where(schedule="triangular"), 1)} of 10 cyclical
        trainings in mid-cycle**, and the best epoch up to there, which the checkpoint keeps, is
        worse than the one to come by {several(lost(runs.where(schedule="triangular"), 1))}. A
        checkpoint cannot keep what was not trained. With a patience of two, or of three, which is
        longer than a cycle, none is stopped.
        """
    return (
        sentence,
        cut(runs.where(schedule="triangular"), 1) >= 7,
        cut(runs.where(schedule="triangular"), 2) == 0,
        cut(runs.where(schedule="triangular"), 3) == 0,
        lost(runs.where(schedule="triangular"), 1).mean() > 0.02,
    )


# %% [markdown]
# Five epochs leave a patience little to do. So the same two contenders once more for 20 epochs, where a
# cycle takes ten, at the rates tuned for five:

# %%
longer = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule=schedule,
            rate=adam.where(schedule=schedule)[0].settings["rate"],
            seed=seed,
            epochs=20,
            budget="SHORT",
        )
        for schedule in names
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
table(
    longer,
    lambda runs: [
        {
            "patience": f"{patience}",
            **{
                f"{schedule}: {what}": answer
                for schedule, group in runs.by("schedule").items()
                for what, answer in (
                    ("stopped", f"{cut(group, patience)} of 5"),
                    ("lost", several(lost(group, patience))),
                )
            },
        }
        for patience in (1, 2, 3, 5, 11)
    ],
    caption="20 epochs, a cycle is ten: seeds stopped early, and what was lost",
)


@claim(longer.where(schedule="triangular"))
def patience_pays_as_the_next_cycle_brings(longer):
    losses = longer.values("validation_loss")
    ended = {patience: [early_stopping(row, patience)[0] for row in losses] for patience in (1, 2)}
    sentence = f"""
        **Whether patience pays depends on what the next cycle brings.** A patience of one costs
        {several(lost(longer, 1))} again. One of two stops all five seeds, too, but not before the
        first cycle has ended, and the second ends higher in each: nothing is lost. Only a patience
        longer than a cycle lets a training see the end of the next one, here
        {len(longer) - cut(longer, 11)} of 5, and here that was worth nothing. Beforehand nobody
        knows.
        """
    return (
        sentence,
        max(ended[1]) < 10,
        max(ended[2]) < 20,
        min(ended[2]) >= 10,
        cut(longer, 5) == 5,
        cut(longer, 11) <= 1,
        lost(longer, 1).min() > 0.03,
        lost(longer, 2).max() < 0.005,
        (longer.final() > losses[:, 9]).all(),
    )


# %% [markdown]
# ## Leaving a minimum
#
# The article holds it "very unlikely" that a cyclical rate leaves the global minimum. Nobody can say
# of such a network where its global minimum is. But whether the rising rate drives the weights away
# from the low point that they had reached can be seen in the picture.


# %% tags=["hide-input"]
@claim(pairs.where(schedule="triangular"))
def in_of_runs_it_does(runs):
    sentence = f"""
        **In {rises(runs).sum()} of 10 runs it does**: the loss is higher after epoch 4, by
        {several(np.diff(runs.values("validation_loss"), axis=1)[:, 2][rises(runs)])}, than it was
        after epoch 3. Leaving is what the large steps are for; that the end is lower than all
        before, in each of these runs, comes when the rate has fallen again.
        """
    return (
        sentence,
        rises(runs).sum() >= 7,
        (runs.final() < runs.values("validation_loss")[:, :4].min(axis=1)).all(),
    )


# %% [markdown]
# ## A very high rate?
#
# 1cycle's authors report "super-convergence"[^2]: with a very high rate, reached and left in one
# cycle, a network trains in a fraction of the epochs. The grid says how high the rate may be here.


# %% tags=["hide-input"]
@claim(adam_trials)
def a_much_higher_rate_is_possible_and_not_better(trials):
    cycle, constant = (trials.where(schedule=name) for name in ("1cycle", "constant"))
    sentence = f"""
        With Adam both seeds learn with 1cycle up to `{learning_limit(cycle):g}`, with a constant rate
        up to `{learning_limit(constant):g}`. So a much higher rate is possible, but the best one is
        the same for both, `{cycle.best():g}`.
        """
    return (
        sentence,
        learning_limit(cycle) == 0.1,
        learning_limit(constant) == 0.01,
        cycle.best() == constant.best(),
    )


# %% [markdown]
# Super-convergence is a statement about SGD and about fewer epochs. So here SGD with momentum gets two
# epochs instead of five, with the same search for each contender:

# %%
two_trials, two = searched(
    "SGD momentum",
    ["constant", "linear", "1cycle"],
    epochs=2,
)


# %% tags=["hide-input"]
table(two, beside_constant, caption="120 steps, SGD with momentum, tuned rates")


@claim(two, two_trials)
def no_super_convergence_was_found(two, trials):
    limits = {name: learning_limit(trials.where(schedule=name)) for name in ("1cycle", "constant")}
    behind, above = difference(two, "1cycle", "linear"), difference(two, "1cycle")
    sentence = f"""
        **No super-convergence was found.** The seeds of the search learn with 1cycle up to
        `{limits["1cycle"]:g}`, with a constant rate up to `{limits["constant"]:g}`: a very high rate
        is bearable here, too. But after two epochs 1cycle ends {several(behind)} above linear decay
        and {several(above)} above the constant rate. It spends three tenths of its steps on rising.
        The effect was reported for deep networks and thousands of steps; this says nothing about
        those.
        """
    return (
        sentence,
        verdict(behind) == "higher",
        above.min() > 0,
        limits["1cycle"] == 0.3,
        limits["constant"] == 0.1,
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
