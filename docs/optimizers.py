# ---
# title: Adaptive optimizers
# description: Seven optimizers on one grid of learning rates - which range each survives, how far Adam really steps, and whether newer methods take the guess away.
# ---

# %% [markdown]
# # Adaptive optimizers
#
# Adam and its kin scale each weight's step by the history of its gradients. Does that make the
# learning rate matter less?

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import RATES
from lrguide.guide.experiments import train, updates
from lrguide.guide.measures import (
    CHANCE,
    chosen,
    learning,
    learning_limit,
    learns,
    several,
    span,
    usable,
    valleys,
    verdict,
)
from lrguide.guide.measures import difference as paired
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.tuning import tuned

DEFAULTS = {  # Keras' learning rates
    "SGD": 0.01,
    "SGD momentum": 0.01,
    "Adam": 0.001,
    "AdamW": 0.001,
    "Adamax": 0.001,
    "Adadelta": 0.001,
    "ScheduleFreeAdamW": 0.0025,
}


def losses_by_rate(runs):
    return plots.loss_by_rate(valleys(runs), chance=CHANCE)


def drawn(runs):
    names = ("SGD", "SGD momentum", "Adam", "Adadelta")
    return Runs(
        run for run in runs if run.settings["optimizer"] in names and run.settings["rate"] >= 0.001
    )


def valleys_in_words(runs):
    return "Final validation loss against learning rate, lowest at: " + "; ".join(
        f"{name} {group.best():g}" for name, group in runs.by("optimizer").items()
    )


# %% tags=["output-first"]
GRID = [1e-5, 1e-4, *RATES, 10.0]


def trainings(optimizer, rates, seeds):
    return [
        dict(
            optimizer=optimizer,
            rate=rate,
            seed=seed,
            budget="FEW_STEPS",
            averaged=optimizer == "ScheduleFreeAdamW",
        )
        for rate in rates
        for seed in seeds
    ]


grid = measured(
    train,
    [run for name in DEFAULTS for run in trainings(name, GRID, range(3))],
)
figure(
    drawn(grid),
    losses_by_rate,
    alt=valleys_in_words,
)

# %% [markdown]
# Each dot is one training of 60 steps, three seeds a rate; a line goes through their median. The table
# below has the other three optimizers and the smaller rates too.
#
# ## Which rates each survives
#
# A network **learns** if it names more than a fifth of the validation images rightly. Call a rate
# **usable** if every seed learns and the mean loss stays below twice the optimizer's lowest.


# %% tags=["hide-input"]
def place(rates, default):
    return "below" if default < rates[0] else "above" if default > rates[-1] else "inside"


def ranges(runs):
    return [
        {
            "optimizer": name,
            "every seed learns": span(learning(group)),
            "usable": span(usable(group)),
            "Keras default": f"`{DEFAULTS[name]:g}`, {place(usable(group), DEFAULTS[name])}",
        }
        for name, group in runs.by("optimizer").items()
    ]


table(grid, ranges, caption="Rates after 60 steps, three seeds a rate")


@claim(grid)
def adams_range_is_no_wider(grid):
    rates = {name: usable(group) for name, group in grid.by("optimizer").items()}
    sentence = f"""
        **After 60 steps Adam's range is no wider than that of SGD; it lies elsewhere.** Two rates of
        the grid are usable with Adam, {span(rates["Adam"])}, two with plain SGD,
        {span(rates["SGD"])}. AdamW and AdaMax share Adam's, SGD with momentum and Adadelta have one
        more each. The narrowest belongs to the one that promises to need no schedule:
        ScheduleFreeAdamW, with `{rates["ScheduleFreeAdamW"][0]:g}` alone; [Keras' version of it has a
        fault](#what-has-come-since).
        """
    return (
        sentence,
        [len(rates[name]) for name in DEFAULTS] == [2, 3, 2, 2, 2, 3, 1],
        rates["AdamW"] == rates["Adam"],
        rates["Adamax"] == rates["Adam"],
        rates["Adam"][-1] <= rates["SGD"][0] / 10,
    )


@claim(grid)
def keras_default_is_below_the_range(grid):
    groups = grid.by("optimizer")
    places = {name: place(usable(groups[name]), DEFAULTS[name]) for name in DEFAULTS}
    sentence = f"""
        **Keras' default is below the range for {len(DEFAULTS) - 1} of {len(DEFAULTS)}**, and at its
        edge for SGD with momentum. They are cautious where 60 steps are all there is; with thousands,
        [Adam's does better than `0.01`](fixed_rates.py#the-articles-own-scale).
        """
    return (
        sentence,
        usable(groups["SGD momentum"])[0] == DEFAULTS["SGD momentum"],
        [name for name in DEFAULTS if places[name] != "below"] == ["SGD momentum"],
    )


# %% [markdown]
# The grid's rates lie a factor of three apart, so a width is known no better than that at either
# end. With five seeds at each optimum and at its neighbours in the grid, is it known which of them is
# best?

# %%
near = measured(
    train,
    [
        run
        for name, group in grid.by("optimizer").items()
        for at in [GRID.index(group.best())]
        for run in trainings(name, GRID[max(0, at - 1) : at + 2], range(5))
    ],
)


# %% tags=["hide-input"]
def beside_the_best(runs):
    """The paired difference of each neighbour to the best rate, in words."""
    rates = runs.by("rate")
    best = runs.where(rate=runs.best())
    return {
        rate: f"`{rate:g}` {verdict(same.minus(best))}"
        for rate, same in rates.items()
        if rate != runs.best()
    }


table(
    near,
    lambda runs: [
        {
            "optimizer": name,
            "best": f"`{group.best():g}`",
            "loss there": several(group.where(rate=group.best()).final()),
            "its neighbours": ", ".join(beside_the_best(group).values()),
        }
        for name, group in runs.by("optimizer").items()
    ],
    caption="Five seeds at the best rate, paired with its neighbours",
)

# %% [markdown]
# Three of the five seeds had chosen the rate, so the loss at it is a little flattered. A "tie" means
# that the `95 %` interval of the mean paired difference (Student's t) contains 0.


# %% tags=["hide-input"]
def at_best(runs, name):
    group = runs.where(optimizer=name)
    return group.where(rate=group.best())


def behind_adam(runs, name):
    return at_best(runs, name).minus(at_best(runs, "Adam"))


@claim(near)
def what_adam_buys_here_is_not(runs):
    sentence = f"""
        **What Adam buys here is not a wider choice but a faster start.** At its best rate SGD ends
        {several(behind_adam(runs, "SGD"))} higher, SGD with momentum
        {several(behind_adam(runs, "SGD momentum"))}. AdamW is a
        {verdict(behind_adam(runs, "AdamW"))}: in so few steps its weight decay hardly acts.
        """
    return (
        sentence,
        all(
            verdict(behind_adam(runs, name)) == "higher"
            for name in ("SGD", "SGD momentum", "ScheduleFreeAdamW")
        ),
        verdict(behind_adam(runs, "AdamW")) == "tie",
    )


# %% [markdown]
# ## Adadelta "needs no learning rate"
#
# Its paper[^2] has none, which is a rate of `1` in Keras' formula; Keras' own default is `0.001`. And
# the grid ends at its best rate, so two higher ones were added after looking.
#
# [^2]: M. D. Zeiler, *ADADELTA: an adaptive learning rate method*, 2012, [arXiv:`1212.5701`](https://arxiv.org/abs/1212.5701).

# %%
adadelta = measured(
    train,
    trainings("Adadelta", [0.001, 1.0, 10.0, 30.0, 100.0], range(5)),
)


# %% tags=["hide-input"]
@claim(adadelta)
def it_does_need_one(runs):
    sentence = f"""
        **It does need one.** At the default {int((~learns(runs.where(rate=0.001))).sum())} of 5
        seeds learn nothing, and the loss stays at {several(runs.where(rate=0.001).final(), 2)}. At
        the paper's rate it ends at {several(runs.where(rate=1.0).final())}, at ten times that rate
        at {several(runs.where(rate=10.0).final())}, lower in every seed. But it bears no rate you
        like: at `30` it ends at {several(runs.where(rate=30.0).final())}, and at `100`
        {int((~learns(runs.where(rate=100.0))).sum())} of 5 learn nothing.
        """
    return (
        sentence,
        not learns(runs.where(rate=0.001)).any(),
        runs.where(rate=0.001).final().min() > 2,
        learns(runs.where(rate=1.0)).all(),
        (runs.where(rate=10.0).minus(runs.where(rate=1.0)) < 0).all(),
        (runs.where(rate=30.0).minus(runs.where(rate=10.0)) > 0.1).all(),
        not learns(runs.where(rate=100.0)).any(),
    )


# %% [markdown]
# ## How far Adam steps
#
# The article[^1] says that with a rate of `0.5`, half of the gradient is used. That is plain SGD. Here
# are the first 50 steps of both optimizers, with the loss, and so each gradient, multiplied by a
# hundredth, by one and by a hundred: how far a weight moves, on average over all weights, divided by
# the rate.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).

# %%
moves = measured(
    updates,
    [
        dict(
            optimizer=optimizer,
            rate=rate,
            seed=seed,
            loss_weight=weight,
            budget="SHORT",
        )
        for optimizer, rate in (("Adam", 0.001), ("SGD", 0.1))
        for weight in (0.01, 1.0, 100.0)
        for seed in range(3)
    ],
)


# %% tags=["hide-input"]
def first(runs, optimizer, weight):
    """Mean move of a weight in the first step, in units of the rate, one number a seed."""
    return runs.where(optimizer=optimizer, loss_weight=weight).values("mean_update")[:, 0]


def average(runs, optimizer, weight):
    """The same, averaged over all steps."""
    return runs.where(optimizer=optimizer, loss_weight=weight).values("mean_update").mean(axis=1)


def largest(runs, optimizer):
    """The largest move of any weight in any step."""
    return runs.where(optimizer=optimizer).values("largest_update").max(axis=1)


table(
    moves,
    lambda runs: [
        {
            "optimizer, gradient": f"{name}, times `{weight:g}`",
            "first step": f"{first(runs, name, weight).mean():.2g}",
            "mean of 50": f"{average(runs, name, weight).mean():.2g}"
            if average(runs, name, weight).max() < 100
            else "diverges",
        }
        for name in ("Adam", "SGD")
        for weight in (0.01, 1.0, 100.0)
    ],
    caption="Mean move of a weight, divided by the rate; three seeds",
)


@claim(moves)
def adam_moves_hardly_know_how_large(runs):
    sentence = f"""
        **Adam's moves hardly know how large the gradient is.** Make it 10,000 times as large, and
        the mean move over 50 steps grows from {several(average(runs, "Adam", 0.01), 2)} of the rate
        to {several(average(runs, "Adam", 100.0), 2)}. That of SGD grows 10,000 times in the first
        step, and at a hundredfold gradient its loss then blows up. With Adam the rate is a length:
        no weight ever moved by more than {largest(runs, "Adam").max():.1f} rates in a step.
        """
    return (
        sentence,
        average(runs, "Adam", 100.0).mean() < 1.3 * average(runs, "Adam", 0.01).mean(),
        average(runs, "Adam", 100.0).min() > average(runs, "Adam", 0.01).mean(),
        np.allclose(first(runs, "SGD", 100.0) / first(runs, "SGD", 0.01), 1e4, rtol=0.01),
        1 < largest(runs, "Adam").max() < 2,
    )


@claim(moves)
def two_things_bend_that_rule_tiny(runs):
    sentence = f"""
        Two things bend that rule. A tiny gradient no longer drowns the `1e-7` that Adam adds to its
        divisor: in the first step the mean move is {first(runs, "Adam", 0.01).mean():.2f} of the
        rate with a hundredth of the gradient, {first(runs, "Adam", 1.0).mean():.2f} with all of it.
        And gradients that change their sign cancel in Adam's momentum, so the moves shrink as
        training settles.
        """
    return (
        sentence,
        first(runs, "Adam", 0.01).max() < 0.6 * first(runs, "Adam", 1.0).min(),
        (average(runs, "Adam", 1.0) < 0.4 * first(runs, "Adam", 1.0)).all(),
    )


# %% [markdown]
# ### Often, seldom
#
# Weights that are updated often get smaller updates, rare ones larger, says the article of adaptive
# optimizers. Per gradient that is what dividing by a root mean square does: where a gradient of one size
# comes at every `n`-th step only, Adam's divisor is smaller by the root of `n`, so each of them moves the
# weight about the root of `n` times as far (and still less far over the whole run). AdaMax divides by
# the largest gradient of late, so there a rare one counts no more than a frequent one. The snippet at
# the end lets you see it.
#
# ## Tuned SGD against tuned Adam
#
# A fair comparison gives both the same search. With 300 steps: nine rates with two seeds each; the rate
# with the lowest mean validation loss is the **tuned rate**; with it five new seeds, compared seed by
# seed.

# %%
CONTENDERS = {
    "Adam": dict(optimizer="Adam"),
    "SGD": dict(optimizer="SGD"),
    "SGD momentum": dict(optimizer="SGD momentum"),
    "schedule-free": dict(optimizer="ScheduleFreeAdamW", averaged=True),
    "averaged weights": dict(optimizer="Adam", ema=0.99),
    "plateau": dict(optimizer="Adam", schedule="plateau"),
    "warmup, stable, decay": dict(
        optimizer="Adam",
        schedule="warmup stable decay",
    ),
}


def of(runs, name):
    """The runs of a contender."""
    return chosen(runs, CONTENDERS[name])


trials, finals = tuned(
    [dict(s, budget="SHORT") for s in CONTENDERS.values()],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)


# %% tags=["hide-input"]
def difference(runs, name, to="Adam", what="validation_loss"):
    """The paired difference of one contender to another."""
    return paired(runs, CONTENDERS[name], CONTENDERS[to], what)


def compared(*names):
    """Rows for these contenders, with the paired difference to tuned Adam."""

    def rows(runs):
        return [
            {
                "contender": name,
                "tuned rate": f"`{of(runs, name)[0].settings['rate']:g}`",
                "validation loss": several(of(runs, name).final()),
                "minus Adam": "" if name == "Adam" else several(difference(runs, name)),
                "verdict": "" if name == "Adam" else verdict(difference(runs, name)),
            }
            for name in names
        ]

    return rows


table(
    finals,
    compared("Adam", "SGD", "SGD momentum"),
    caption="300 steps, a constant rate, each at its tuned value",
)


@claim(Runs(of(finals, "Adam") + of(finals, "SGD") + of(finals, "SGD momentum")))
def with_steps_tuned_sgd_keeps_up(runs):
    sentence = f"""
        **With 300 steps tuned SGD keeps up with tuned Adam.** Plain or with momentum it is a
        {verdict(difference(runs, "SGD"))}, on validation and on test images. Adam's lead at 60
        steps was a lead in time. (Its own seeds lie far apart, {several(of(runs, "Adam").final())},
        so a small difference would not show.)
        """
    return (
        sentence,
        all(
            verdict(difference(runs, name, what=what)) == "tie"
            for name in ("SGD", "SGD momentum")
            for what in ("validation_loss", "test_loss")
        ),
    )


# %% [markdown]
# "Minus Adam" is the mean of the five paired differences, with the lowest and the highest. After the
# article's own 4,800 steps they tie, too ([At full scale](full_scale.py#from-60-steps-to-4800)).
#
# ## What has come since
#
# The article is of 2019. Here are four ideas that it leaves out, three of which have since come into
# use or into Keras; each promises to take a part of the guess away:
#
# - **Schedule-free**: `ScheduleFreeAdamW`[^3] steps one set of weights, `z`, and keeps their average `x`,
#   which is what you are meant to use; it trains at `y`, between the two. Keras `3.15` has no call that
#   puts `x` into the model, and `evaluate` tests `y`. Here `x` is tested. And on TensorFlow its formula
#   reads `z` after the step where it needs it before: so `y` becomes the plain mean of all `z`, and lags.
# - **Averaged weights**: `use_ema=True` keeps a moving average (here with momentum `0.99`, a memory of
#   about a hundred steps), and the callback `SwapEMAWeights` evaluates it.
# - **Plateau**: `ReduceLROnPlateau` halves the rate after an epoch without a lower validation loss.
# - **Warmup, stable, decay**: a tenth of the run up, six tenths level, three tenths down to nothing.
#   The level part may go on until you choose to end.[^4]
#
# [^3]: A. Defazio et al., *The road less scheduled*, 2024, [arXiv:`2405.15682`](https://arxiv.org/abs/2405.15682).
# [^4]: S. Hu et al., *MiniCPM*, 2024, [arXiv:`2404.06395`](https://arxiv.org/abs/2404.06395).

# %% tags=["hide-input"]
SINCE = list(CONTENDERS)[3:]
table(
    finals,
    compared("Adam", *SINCE),
    caption="The same search and the same seeds",
)


def acted(runs):
    """In how many seeds the plateau lowered the rate."""
    rates = of(runs, "plateau").values("rates")
    return int((rates[:, -1] < rates[:, 0]).sum())


@claim(finals)
def averages_and_warmup_stable_decay_remove_bad_luck(finals):
    adam, average, warmup = (of(finals, n) for n in ("Adam", "averaged weights", SINCE[-1]))
    gained = average.minus(adam), warmup.minus(adam)
    on_the_test = difference(finals, SINCE[-1], what="test_loss")
    sentence = f"""
        Averaged weights and warmup-stable-decay end lower than tuned Adam in every seed. The test
        still says tie, because they gain most where Adam did worst; what they seem to remove is bad
        luck: {several(average.final())} and {several(warmup.final())} against {several(adam.final())}.
        On the test images the second of them is {verdict(on_the_test)}.
        """
    return (
        sentence,
        gained[0].max() < 0,
        gained[1].max() < 0,
        verdict(gained[0]) == "tie",
        verdict(gained[1]) == "tie",
        gained[0].argmin() == adam.final().argmax(),
        gained[1].argmin() == adam.final().argmax(),
        np.ptp(average.final()) < 0.3 * np.ptp(adam.final()),
        np.ptp(warmup.final()) < 0.3 * np.ptp(adam.final()),
        verdict(on_the_test) == "lower",
    )


@claim(finals)
def the_plateau_lowered_the_rate_in(runs):
    sentence = f"""
        The plateau lowered the rate in {acted(runs)} of 5 seeds: five epochs are too short for a
        rule that first has to see an epoch go wrong.
        """
    return (
        sentence,
        acted(runs) == 2,
        verdict(difference(runs, "plateau")) == "tie",
        (difference(runs, "plateau") == 0).sum() == 3,
    )


@claim(finals)
def do_not_use_schedulefreeadamw_of_keras(runs):
    sentence = f"""
        **Do not use `ScheduleFreeAdamW` of Keras `3.15` on TensorFlow.** It ends at
        {several(of(runs, "schedule-free").final(), 2)}. Testing `y` would not save it: the training
        loss, which is taken there, ends at {several(of(runs, "schedule-free").final("loss"), 2)},
        with Adam at {several(of(runs, "Adam").final("loss"), 2)}. This is a verdict on that code,
        not on the method.
        """
    return (
        sentence,
        of(runs, "schedule-free").final().min() > 2 * of(runs, "Adam").final().max(),
        of(runs, "schedule-free").final("loss").min() > 1.2 * of(runs, "Adam").final("loss").max(),
    )


# %% [markdown]
# After 4,800 steps both the plateau rule and the averaged weights end lower than the constant rate
# ([At full scale](full_scale.py)).
#
# ### Do they take the guess away?
#
# Only if they forgive a wrong rate. These are the usable rates of each, by the two seeds of the search.

# %% tags=["hide-input"]
table(
    trials,
    lambda runs: [
        {
            "contender": name,
            "every seed learns": span(learning(of(runs, name))),
            "usable": span(usable(of(runs, name))),
        }
        for name in CONTENDERS
    ],
    caption="Rates after 300 steps, two seeds a rate",
)


@claim(trials)
def no_but_a_warmup_makes_it_safer(trials):
    limits = {name: learning_limit(of(trials, name)) for name in CONTENDERS}
    adam, plateau, warmup = (limits[name] for name in ("Adam", "plateau", SINCE[-1]))
    sentence = f"""
        **No, but a warmup makes it safer.** Averaging and the plateau learn up to `{plateau:g}`, as
        Adam alone does; with warmup-stable-decay every seed learns up to `{warmup:g}`. It is the
        warmup that does it, [as with decay](decay.py).
        """
    return (
        sentence,
        adam == plateau,
        adam == limits["averaged weights"],
        warmup == 10 * adam,
    )


@claim(trials)
def adam_forgives_more_after_more_steps(trials):
    adam, sgd, momentum = (usable(of(trials, name)) for name in ("Adam", "SGD", "SGD momentum"))
    sentence = f"""
        And here, with 300 steps, Adam does forgive more than SGD: usable are {span(adam)} against
        {span(sgd)}, and {span(momentum)} with momentum. The room it gains is below its best rate,
        where a longer training has time to catch up. Two seeds a rate and one threshold make this no
        more than a sign.
        """
    return (
        sentence,
        adam == RATES[:4],
        sgd == [0.1, 0.3],
        len(momentum) == 3,
        of(trials, "Adam").best() == adam[-1],
    )


# %% [markdown]
# ## Try it
#
# Two weights: the first sees a gradient of 1 at each step, the second at every tenth. How far does
# each *gradient* move its weight? Multiply the gradients by a hundred, and see who cares.

# %% tags=["snippet"]
import keras

steps, size = 200, 1.0  # <- gradients of 100?
for optimizer in (
    keras.optimizers.SGD(0.001),
    keras.optimizers.Adam(0.001),
    keras.optimizers.Adamax(0.001),
    keras.optimizers.Adadelta(1.0),
):
    weights = keras.Variable([0.0, 0.0])
    optimizer.build([weights])
    for step in range(steps):
        seldom = size if step % 10 == 0 else 0.0
        gradient = keras.ops.convert_to_tensor([size, seldom])
        optimizer.apply([gradient], [weights])
    often, rarely = -weights.numpy()
    print(f"{optimizer.name}: {often / steps:.2g}, {rarely * 10 / steps:.2g}")

# %% [markdown]
# ## What to remember
#
# - Search for the rate of an adaptive optimizer, too, in a range of its own.
# - Adam's rate is the length of a step, SGD's is a factor of the gradient: never carry one over.
# - Tune SGD as long as Adam before you say which is better; the budget may decide it.
