# ---
# title: Corrections
# description: What the article behind this guide gets wrong, leaves vague or states without evidence - each point in a sentence, with the measurement and its chapter.
# ---

# %% [markdown]
# # Corrections
#
# This guide grew out of an article[^1] that asks the right questions, trains one network five times,
# and infers the rest. Here is each statement of it that is wrong, vague or unsupported, in our words,
# and what the runs say.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import ARTICLE, CYCLES, DECAYS, RATES
from lrguide.guide.experiments import sweep, train, updates
from lrguide.guide.measures import (
    CHANCE,
    difference,
    early_stopping,
    learns,
    plain,
    rises,
    several,
    span,
    usable,
    verdict,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure
from lrguide.guide.settings import crossed
from lrguide.guide.tuning import bounds, range_test, tuned, tuned_nearby

LOSSES = {rate: loss for rate, (loss, _) in ARTICLE.items()}  # the article's, one run each


def tested(runs, rate):
    return runs.where(rate=rate).values("test_loss")


def beside(runs):
    picture, axes = plots.subplots(height=3.0)
    for rate, group in runs.by("rate").items():
        ours = group.values("test_loss")
        label = {"label": "ours, five seeds"} if rate == 0.5 else {}
        axes.plot([rate] * len(ours), ours, "o", color=plots.COLOURS[0], alpha=0.7, **label)
    red = dict(color=plots.COLOURS[1], markersize=9, markeredgewidth=2, zorder=3)
    axes.plot(list(LOSSES), list(LOSSES.values()), "x", **red, label="article, one run")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="test loss")
    ticks = [0.03, 0.1, 0.3, 1, 2.3]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend()
    return picture


def beside_in_words(runs):
    return (
        "Test loss after 25 epochs at the article's five rates, its one run beside our five seeds: "
        + "; ".join(
            f"at {plain(rate)} {LOSSES[rate]:.4f} beside {several(group.values('test_loss'), 4)}"
            for rate, group in runs.by("rate").items()
        )
    )


# %% tags=["output-first"]
full = measured(
    train,
    crossed(
        optimizer="Adam",
        rate=(0.5, 0.01, 0.001, 0.00001, 0.0000001),
        seed=range(5),
        budget="FULL",
    ),
)
figure(full, beside, alt=beside_in_words)

# %% [markdown]
# Test loss after 25 epochs at the article's five rates, its single run beside five seeds of ours.


# %% tags=["hide-input"]
def furthest(runs):
    """The largest distance of a figure of the article to the nearest seed, as a part of that."""
    return max(abs(LOSSES[rate] / tested(runs, rate) - 1).min() for rate in LOSSES)


@claim(full)
def its_figures_stand_none_further_than(runs):
    sentence = f"""
        Its figures stand, none further than {furthest(runs):.1%} from the nearest of our seeds:
        what follows is about what was concluded from them, and about what was not measured.
        """
    return sentence, furthest(runs) < 0.05


# %% [markdown]
# ## Five rates, one run each
#
# Chapter: [Fixed learning rates](fixed_rates.py).

# %% tags=["hide-input"]
small = measured(
    train,
    crossed(
        optimizer="Adam", rate=(0.5, 0.01, 0.001, 0.00001, 0.0000001), seed=range(5), budget="SMALL"
    ),
)
half = measured(train, crossed(optimizer=("Adam", "SGD"), rate=0.5, seed=range(10), budget="SMALL"))


def lead(runs, budget):
    """By how much `0.01` ends above `0.001` on the test images, seed by seed."""
    here = runs.where(budget=budget)
    return here.where(rate=0.01).minus(here.where(rate=0.001), name="test_loss")


@claim(Runs(run for run in full + small if run.settings["rate"] in (0.01, 0.001)))
def costs_twice_the_loss_of_as(runs):
    sentence = f"""
        - ***`0.01` costs twice the loss of `0.001`, as one run of each shows.*** One run of each
        shows nothing, and its own two figures differ by a factor of
        {LOSSES[0.01] / LOSSES[0.001]:.2f}. With five seeds the order is right: `0.01` ends
        {several(lead(runs, "FULL"), 4)} higher, in every seed. But it belongs to the budget: with
        120 steps in place of 4,800 it ends lower, by {several(-lead(runs, "SMALL"))}.
        """
    return (
        sentence,
        verdict(lead(runs, "FULL")) == "higher",
        verdict(lead(runs, "SMALL")) == "lower",
        (lead(runs, "FULL") > 0).all(),
    )


DIGITS = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}  # of each, in the test images


@claim(full)
def at_the_network_guesses(runs):
    sentence = f"""
        - ***At `0.5` the network guesses.*** It does not even guess: the article's accuracy of
        `0.1010` is the share of a single digit among the test images, and in each of
        {len(runs.where(rate=0.5))} seeds ours is such a share too,
        {several(runs.where(rate=0.5).values("test_accuracy"), 4)}. It gives one answer to
        everything.
        """
    return (
        sentence,
        all(
            round(10000 * share) in DIGITS for share in runs.where(rate=0.5).values("test_accuracy")
        ),
    )


@claim(half)
def this_is_sgd_at_keras_default(runs):
    sentence = f"""
        - ***This is SGD at Keras' default rate, and `0.5` is too large.*** The code trains with
        Adam, at Adam's default of `0.001` (SGD's is `0.01`). The verdict is Adam's: at `0.5`,
        {(~learns(runs.where(optimizer="Adam"))).sum()} of 10 seeds learn nothing with Adam, and
        {(~learns(runs.where(optimizer="SGD"))).sum() or "none"} of 10 with SGD.
        """
    return (
        sentence,
        not learns(runs.where(optimizer="Adam")).any(),
        learns(runs.where(optimizer="SGD")).all(),
    )


@claim(full)
def very_small_rate_gets_there_with(runs):
    sentence = f"""
        - ***A very small rate gets there with more epochs, unless the gradients vanish.***
        `0.00001` does get there, {several(tested(runs, 1e-05))}. At `0.0000001`, still at
        {several(tested(runs, 1e-07), 2)}, a vanished gradient is no explanation: Adam moves a
        weight by about the rate whatever its gradient, so 4,800 such steps add up to `0.0005` at
        most or so.
        """
    return (
        sentence,
        tested(runs, 1e-5).max() < 0.3,
        tested(runs, 1e-7).min() > 2,
        tested(runs, 1e-7).max() < CHANCE,
    )


# %% [markdown]
# ## Decay
#
# Chapter: [Decaying learning rates](decay.py). The article trains no network with any of its schemes.


# %% tags=["hide-input"]
def decays_that_are(what, runs):
    """The decays with this verdict against the tuned constant rate."""
    return [name for name in DECAYS if verdict(difference(runs, name)) == what]


def at_tuned_rates(schedules, *budgets):
    """Five seeds of each schedule at the rate that is best for two others."""
    contenders = [
        dict(optimizer="Adam", schedule=schedule, budget=budget)
        for budget in budgets
        for schedule in schedules
    ]
    return tuned(contenders, RATES, trials=(100, 101), seeds=range(5))[1]


SCHEMES = ["constant", *DECAYS]
decayed = at_tuned_rates(SCHEMES, "SHORT", "FEW_STEPS", "MIDDLE")
short = decayed.where(budget="SHORT")
_, long = tuned_nearby(
    [dict(optimizer="Adam", schedule=schedule, budget="FULL") for schedule in SCHEMES],
    [1e-4, *RATES],
    start=[r[0].settings["rate"] for r in decayed.where(budget="MIDDLE").by("schedule").values()],
    trial=100,
    seeds=range(5),
)


@claim(Runs(decayed + long))
def decay_improves_learning(runs):
    sentence = f"""
        - ***Decay improves learning.*** In long trainings. Against a constant rate tuned with as
        much effort, {", ".join(decays_that_are("lower", runs.where(budget="FULL")))} decay end
        lower after the article's 4,800 steps;
        {len(decays_that_are("tie", runs.where(budget="SHORT")))} of {len(DECAYS)} decays are ties
        after 300, and {len(decays_that_are("higher", runs.where(budget="FEW_STEPS")))} of
        {len(DECAYS)} end higher after 60.
        """
    return (
        sentence,
        decays_that_are("tie", runs.where(budget="SHORT")) == DECAYS,
        decays_that_are("higher", runs.where(budget="FEW_STEPS")) == DECAYS,
        decays_that_are("lower", runs.where(budget="FULL")) == ["linear", "step", "cosine"],
    )


high = measured(
    train,
    crossed(
        optimizer="Adam",
        schedule=("constant", "linear", "exponential", "warmup"),
        rate=(0.03, 0.1),
        seed=range(5),
        budget="SHORT",
    ),
)


def count(runs, schedule, rate):
    return int(learns(runs.where(schedule=schedule, rate=rate)).sum())


@claim(high)
def with_decay_rather_high_initial_rate(runs):
    sentence = f"""
        - ***With decay a rather high initial rate still converges, so more rates are usable.***
        Hardly. At three times the best constant rate {count(runs, "linear", 0.03)} of 5 seeds learn
        with linear decay and {count(runs, "exponential", 0.03)} with exponential
        ({count(runs, "constant", 0.03)} without), at ten times none with either. A warmup saves all
        of them, since the harm is done in the first steps.
        """
    return (
        sentence,
        count(runs, "constant", 0.03)
        < count(runs, "linear", 0.03)
        < count(runs, "exponential", 0.03)
        < 5,
        count(runs, "linear", 0.1) == count(runs, "exponential", 0.1) == 0,
        count(runs, "warmup", 0.03) == count(runs, "warmup", 0.1) == 5,
    )


def rising(runs, schedule):
    """How many seeds have a validation loss that rises from one epoch to the next."""
    return int((rises(runs.where(schedule=schedule)) > 0).sum())


# %% [markdown]
# - ***The drops are `0.5`, `0.025`, `0.0125`.*** By its formula they are `0.5`, `0.25`, `0.125`, and they
#   come an epoch early, during epoch `14` counted from 0, because the formula counts `1 + epoch`.
# - ***Linear and time decay are functions of the epoch.*** Its code keeps the rate in a global variable
#   that each call changes: a second model, a resumed training or one call more gets another rate.
#   The first epoch of linear decay already runs below the initial rate. The snippet below shows it.
# - ***Time decay starts slowly, exponential decay starts fastest.*** Only because its time decay compounds,
#   nearly to `exp(-k * epoch**2 / 2)`. The usual one, `rate / (1 + k * t)`, starts fastest, as the
#   picture in that chapter shows.


# %% tags=["hide-input"]
@claim(short)
def smooth_decay_may_oscillate_less_than(runs):
    sentence = f"""
        - ***Smooth decay may oscillate less than steps.*** These runs cannot tell: the validation
        loss rises between two epochs in {rising(runs, "step")} of 5 seeds with step decay, in
        {rising(runs, "time")} with time and {rising(runs, "exponential")} with exponential decay,
        but in {rising(runs, "cosine")} with the cosine, which is as smooth. A constant rate rises
        in {rising(runs, "constant")}.
        """
    return (
        sentence,
        rising(runs, "step") == 1,
        rising(runs, "time") == rising(runs, "exponential") == 0,
        rising(runs, "cosine") == 1,
        rising(runs, "constant") == 3,
    )


# %% [markdown]
# ## Adaptive optimizers
#
# Chapter: [Adaptive optimizers](optimizers.py). The article trains none but Adam.

# %% tags=["hide-input"]
moves = measured(
    updates,
    [
        dict(optimizer=optimizer, rate=rate, seed=seed, loss_weight=weight, budget="SHORT")
        for optimizer, rate in (("Adam", 0.001), ("SGD", 0.1))
        for weight in (0.01, 1.0, 100.0)
        for seed in range(3)
    ],
)

grid = measured(
    train,
    crossed(
        optimizer=("SGD", "SGD momentum", "Adam"),
        rate=(1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        seed=range(3),
        budget="FEW_STEPS",
    ),
)
constants = measured(
    train,
    crossed(
        optimizer=("SGD", "SGD momentum", "Adam"),
        rate=(3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        seed=(100, 101),
        budget="SHORT",
    ),
)
adadelta = measured(
    train, crossed(optimizer="Adadelta", rate=(0.001, 1.0), seed=range(5), budget="FEW_STEPS")
)


def move(runs, optimizer, weight):
    """Mean move of a weight in units of the rate, over all steps, one number a seed."""
    return runs.where(optimizer=optimizer, loss_weight=weight).values("mean_update").mean(axis=1)


@claim(moves)
def rate_of_uses_half_of_the(runs):
    sentence = f"""
        - ***A rate of `0.5` uses half of the gradient.*** With SGD, which was not trained. Adam's
        mean move is {several(move(runs, "Adam", 0.01), 2)} of the rate with a hundredth of the
        gradient and {several(move(runs, "Adam", 100.0), 2)} with a hundred times the gradient.
        """
    return (
        sentence,
        move(runs, "Adam", 0.01).mean()
        < move(runs, "Adam", 100.0).mean()
        < 1.3 * move(runs, "Adam", 0.01).mean(),
        move(runs, "SGD", 1.0).mean() > 100 * move(runs, "SGD", 0.01).mean(),
    )


def usable_with(runs, optimizer, budget):
    return usable(runs.where(optimizer=optimizer, budget=budget))


@claim(Runs(grid + constants))
def whether_an_adaptive_optimizer_forgives_depends_on_the_budget(runs):
    few, short = (
        {name: usable(group) for name, group in runs.where(budget=budget).by("optimizer").items()}
        for budget in ("FEW_STEPS", "SHORT")
    )
    sentence = f"""
        - ***With an adaptive optimizer the choice of rate matters less.*** Not after 60 steps: usable
        rates are {span(few["Adam"])} with Adam, {span(few["SGD"])} with SGD. After 300 it seems so:
        {span(short["Adam"])} and {span(short["SGD"])}.
        """
    return (
        sentence,
        len(few["Adam"]) == len(few["SGD"]),
        len(few["SGD"]) < len(few["SGD momentum"]),
        len(short["Adam"]) > len(short["SGD momentum"]),
        len(short["SGD momentum"]) > len(short["SGD"]),
        few["SGD"][0] >= 10 * few["Adam"][-1],
        short["Adam"] == RATES[:4],
        short["SGD"] == [0.1, 0.3],
    )


@claim(adadelta)
def adadelta_needs_no_learning_rate(runs):
    sentence = f"""
        - ***Adadelta needs no learning rate.*** The paper's has the rate `1`, Keras' default is
        `0.001`: {several(runs.where(rate=1.0).final())} with the one after 60 steps,
        {several(runs.where(rate=0.001).final(), 2)} with the other.
        """
    return (
        sentence,
        not learns(runs.where(rate=0.001)).any(),
        runs.where(rate=1.0).final().max() < 0.2 * runs.where(rate=0.001).final().min(),
    )


# %% [markdown]
# - ***Weights updated often get smaller updates, rare ones larger.*** Per gradient, and not with all of
#   them: AdaMax divides by the largest recent gradient, so a rare one gains nothing. The snippet
#   [of that chapter](optimizers.py#try-it) lets you see it.
#
# ## The range test
#
# Chapter: [The range test](range_test.py). The article runs none; it shows one from a thesis.
#
# - ***Smith's range test raises the rate exponentially and looks at the loss.*** His original[^2] raises it
#   in a straight line and watches the accuracy. The exponential sweep is later practice.

# %% tags=["hide-input"]
sweeps = measured(
    sweep, crossed(optimizer="Adam", seed=range(5), budget="SHORT", batch=50, steps=100)
)


def at_constant(runs, rate):
    """How many seeds learn at a constant rate."""
    return learns(runs.where(schedule="constant", rate=rate)).sum()


@claim(sweeps, high, short)
def the_lowest_point_is_too_high(sweeps, high, short):
    found = range_test(sweeps).suggest()["minimum/10"]
    lowest = [10 * (rate or np.nan) for rate in (found.rate, found.low, found.high)]
    sentence = f"""
        - ***Take the rates where the loss of the sweep is lowest.*** With Adam and 100 steps that is
        at {"{:.2g} ({:.2g} to {:.2g})".format(*lowest)}. Trained at `0.03`,
        {at_constant(high, 0.03)} of 5 seeds learns; at `0.01`, left of it, {at_constant(short, 0.01)}
        of 5. The curve lags: by the time it turns, the rate has passed what a whole training bears.
        """
    return (
        sentence,
        lowest[1] > 0.02,
        lowest[2] < 0.04,
        at_constant(high, 0.03) == 1,
        at_constant(short, 0.01) == 5,
    )


@claim(sweeps, high)
def bounds_do_not_travel(sweeps, high):
    lower, upper = bounds(sweeps)
    sentence = f"""
        - ***A usable range is `0.01` to `0.1`.*** That is its example, of a thesis' network, with an
        optimizer that it does not name. For the article's own network and Adam the sweeps above put
        the bounds of a cycle at `{lower:g}` and `{upper:g}`, and {at_constant(high, 0.1)} of 5 seeds
        learns at a constant `0.1`. Bounds do not travel: run your own test.
        """
    return sentence, lower < 0.01 / 3, upper < 0.1 / 3, at_constant(high, 0.1) == 1


# %% [markdown]
# [^2]: L. N. Smith, *Cyclical learning rates for training neural networks*, WACV 2017,
#     [arXiv:`1506.01186`](https://arxiv.org/abs/1506.01186).
#
# ## Cyclical rates
#
# Chapter: [Cyclical learning rates](cyclical.py).

# %% tags=["hide-input"]
cycles = at_tuned_rates(["constant", *CYCLES], "SHORT")


@claim(cycles)
def cyclical_rates_leave_poor_minima_and(runs):
    sentence = f"""
        - ***Cyclical rates leave poor minima and settle in better ones.*** No minimum was looked at
        here, only the loss, and that is indeed lower than at a constant rate tuned as long: by
        {several(-difference(runs, "1cycle"))} with 1cycle,
        {several(-difference(runs, "triangular2"))} with triangular2 and
        {several(-difference(runs, "exp_range"))} with exp_range. Plain triangular is a
        {verdict(difference(runs, "triangular"))}. Why, these runs do not say: all of them
        also start low and end low, and against a constant rate of `0.003`, which that search
        missed, [all four are ties](cyclical.py#four-ways-to-cycle).
        """
    return (
        sentence,
        [verdict(difference(runs, name)) for name in CYCLES] == ["tie", "lower", "lower", "lower"],
        all((difference(runs, name) < 0).all() for name in CYCLES),
    )


@claim(cycles.where(schedule="triangular"))
def early_stopping_ends_a_cycle_in_the_middle(cycles):
    losses = cycles.values("validation_loss")
    epochs = np.array([early_stopping(row, patience=1)[0] for row in losses])
    stopped = losses[range(len(losses)), epochs - 1]
    sentence = f"""
        - ***Use them with early stopping.*** Only a patience longer than a cycle sees what the next
        cycle brings ([which may be nothing](cyclical.py#stopped-in-mid-cycle)). A patience of one
        epoch, where a triangular cycle takes two and a half, would have stopped
        {(epochs < losses.shape[1]).sum()} of {len(losses)} seeds in mid-cycle, at a loss of
        {several(stopped)} over all, in place of {several(cycles.final())}. The `ModelCheckpoint` that
        it advises beside it keeps the best epoch up to there, and cannot keep the ones that were not
        trained.
        """
    return (
        sentence,
        (epochs < losses.shape[1]).sum() == 4,
        stopped.mean() > 1.2 * cycles.final().mean(),
    )


# %% [markdown]
# - ***Leaving the global minimum is very unlikely.*** Nobody knows whether a minimum is the global one,
#   so this cannot be measured, and the article gives no evidence.
#
# ## Out of scope
#
# - ***Both often work well with data of high volume and variety.*** Said of range test and
#   cyclical rates without evidence. This guide has small data, MNIST and
#   [four small problems](elsewhere.py), and says nothing about it.
#
# ## What stands
#
# - Too large a rate learns nothing, too small a one wastes the budget, and between them lies a range that
#   works: [Fixed learning rates](fixed_rates.py).
# - The initial rate of a decay is still a guess, and no one knows beforehand which scheme is best:
#   [Decaying learning rates](decay.py).
# - Adaptive optimizers are no cure-all, and belong beside a tuned SGD:
#   [Adaptive optimizers](optimizers.py).
# - Spend the search budget wisely, and compare with SGD and decay: [Choosing](choosing.py).
#
# Its references are worth reading for themselves: Smith's two papers on cyclical rates and the
# one on super-convergence ([Cyclical rates](cyclical.py)), S. Lau's overview of schedules and adaptive
# methods (2017), P. Surmenok's article on the range test and his `keras_lr_finder` (2018, and [broken
# since Keras 3](translate.md#moving-over-from-older-tools)), and I. Loshchilov and F. Hutter's SGDR (ICLR 2017,
# [arXiv:`1608.03983`](https://arxiv.org/abs/1608.03983)), from which the cosine comes, there with
# [restarts](translate.md#cosine-with-restarts-of-equal-length).
#
# Per-epoch schedules are easy to get wrong by one. So this guide says of each which rate is used
# *during* step `n`, steps counted from 0, and [Method](method.py) how every number was made.
#
# ## Try it
#
# A linear decay that keeps its rate outside, as the article's code does, and one that is a
# function of the step. Each trains two new models. Compare the rates of the second with the first.

# %% tags=["snippet"]
import keras

import lrguide

kept = [0.001]


def remembered(epoch):
    kept[0] -= 0.0001
    return kept[0]


for rate in (remembered, lambda n: float(lrguide.linear(0.001, 10)(n))):
    for _ in range(2):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        schedule = keras.callbacks.LearningRateScheduler(rate)
        x = keras.ops.ones((4, 1))
        seen = model.fit(x, x, epochs=3, verbose=0, callbacks=[schedule])
        print([f"{r:.4f}" for r in seen.history["learning_rate"]])

# %% [markdown]
# ## What to remember
#
# - A figure from one run without a seed is an anecdote, even where it turns out right.
# - A statement about a learning rate needs its optimizer and its budget beside it.
# - A rate must be a function of the step, or it depends on what was called before.
