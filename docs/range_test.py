# ---
# title: The learning rate range test
# description: One short training with a growing rate - how to read it, what moves the answer, when it has no answer, and what to do with the one it has.
# tags: [LRFinder, range test] # the search shows this page first
# ---

# %% [markdown]
# # The learning rate range test
#
# Train for a hundred steps while the rate grows a little with each, and look at the loss: that is the
# whole test. What it tells depends on how you read it.

# %% tags=["hide-input"]
import numpy as np

from lrguide.guide.contenders import FINE
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import learns, moving_average
from lrguide.guide.pictures import sweep_above_trainings, sweep_in_words
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed
from lrguide.guide.tuning import answer, interval, range_test, suggested
from lrguide.rules import gaussian_average

# %% tags=["output-first"]
adam = measured(
    sweep,
    crossed(optimizer="Adam", seed=range(5), budget="SHORT", steps=100),
)
trained = measured(
    train,
    crossed(optimizer="Adam", rate=FINE, seed=range(5), budget="SHORT"),
)
figure(Runs(adam + trained), sweep_above_trainings, alt=sweep_in_words)

# %% [markdown]
# Above is the test[^1]: five seeds, the median and a band from the lowest loss to the highest. Below is
# the truth that it should foretell: each dot is the validation loss of a network trained for 300 steps at
# one constant rate, and the line goes through the median of five. The vertical lines are ways to read the
# test; each reads the smoothed curve of every seed, and stands at the median of the five answers.
#
# [^1]: L. N. Smith, *Cyclical learning rates for training neural networks*, WACV 2017, [arXiv:`1506.01186`](https://arxiv.org/abs/1506.01186),
#     section `3.3`. The article that this guide re-measures, C. Versloot, *Problems with fixed and decaying
#     learning rates*, MachineCurve, 2019 ([kept here](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md)),
#     uses P. Surmenok's `keras_lr_finder` of 2018.


# %% tags=["hide-input"]
@claim(adam, trained)
def the_lowest_point_is_too_high(sweeps, trained):
    lowest, best = suggested(sweeps)["lowest point"] or np.nan, trained.best()
    next_rate = min((rate for rate in FINE if rate >= lowest), default=FINE[-1])
    beyond = trained.where(rate=next_rate)
    sentence = f"""
        **Where the loss is lowest can be far too high.** The article takes the range where the curve
        is lowest. With Adam that is at {lowest:.2g}, {lowest / best:.1f} times the rate with the
        lowest mean of five trainings, `{best:g}`; at `{next_rate:g}`, the next rate of the grid,
        {(~learns(beyond)).sum()} of {len(beyond)} seeds learn nothing. The curve lags: each batch's
        loss is the work of all the smaller rates before it, and it goes on falling for a while when
        the rate is already too large to begin a training with.
        """
    return sentence, best == 0.005, lowest > 3 * best, (~learns(beyond)).sum() > len(beyond) / 2


# %% [markdown]
# ## How to read it
#
# From left to right the curve has four parts. It is *level* while the rate is too small to move
# anything in the few steps it gets. It *falls* where the rate works. It reaches a *floor* where the
# gain of each step and the harm of too large a rate are in balance. Then it *blows up*. A rule is a way
# to name a point on it:
#
# - **minimum/10**: a tenth of the rate where the curve is lowest;
# - **valley**: about the middle of the longest fall, fastai's default;
# - **steepest**: where the curve falls fastest for each factor of the rate;
# - for a [cyclical rate](glossary.md#cyclical-rate), the two bounds where a tenth and nine tenths of
#   the fall have happened.
#
# `lr_range_test` runs the sweep with several seeds and leaves your model exactly as it was; `suggest()`
# gives each rule's answer as an interval over the seeds, with the reason. What each rule's answer is worth
# is [a page of its own](range_test_rules.py).
#
# ## The original: a linear sweep
#
# Smith raised the rate *linearly*, over several epochs, watched the accuracy on validation images, and
# read off two bounds for a cyclical rate. The sweep by equal factors came later. Here are both over 100
# steps; a linear sweep needs its highest rate chosen well, for it spends most of its steps close to it.
# (SGD+m is SGD with a momentum of `0.9`.)

# %%
linear = measured(
    sweep,
    crossed(
        optimizer=("Adam", "SGD momentum"),
        max_rate=(0.1, 1.0),
        budget="SHORT",
        steps=100,
        spacing="linear",
        seed=range(5),
    ),
)
sgd = measured(
    sweep,
    crossed(
        optimizer="SGD momentum",
        seed=range(5),
        budget="SHORT",
        steps=100,
    ),
)


# %% tags=["hide-input"]
def answers(runs, rules):
    found = range_test(runs).suggest()
    return {rule: interval(found[rule]) for rule in rules}


def by_sweep(runs):
    """The runs by optimizer, spacing and highest rate."""
    return {
        (optimizer, f"{spacing} to {highest:g}"): same
        for optimizer, group in runs.by("optimizer").items()
        for spacing, alike in group.by("spacing").items()
        for highest, same in alike.by("max_rate").items()
    }


spacings = Runs(adam + sgd + linear)
table(
    spacings,
    lambda runs: [
        {
            "optimizer": optimizer.replace(" momentum", "+m"),
            "sweep": kind,
            **answers(group, ["minimum/10", "cyclical minimum", "cyclical maximum"]),
        }
        for (optimizer, kind), group in sorted(by_sweep(runs).items())
    ],
    caption="Median of five seeds, lowest and highest of them",
)


@claim(spacings)
def a_linear_sweep_must_end_in_the_right_place(spacings):
    told = {sweep: answer(group) for sweep, group in by_sweep(spacings).items()}
    too_far, too_short = told["Adam", "linear to 1"], told["SGD momentum", "linear to 0.1"]
    sentence = f"""
        **A linear sweep must end in the right place.** To `1` is too far for Adam
        ({too_far.reason}), to `0.1` too short for SGD with momentum ({too_short.reason}). The
        exponential sweep answers for both from one range.
        """
    return (
        sentence,
        too_far.rate is None,
        too_short.rate is None,
        "does not fall" in too_far.reason,
        "still falls" in too_short.reason,
        told["Adam", "exponential to 10"].rate is not None,
        told["SGD momentum", "exponential to 10"].rate is not None,
    )


# %% [markdown]
# ## What moves the answer
#
# A rate is a property of your network, your data and your optimizer. The answer of a range test is also
# a property of the test. First its length, with batches of 50:

# %%
BATCH_AND_STEPS = [(50, 50), (50, 100), (50, 200), (50, 400)]
BATCH_AND_STEPS += [(20, 100), (250, 100)]
changed = measured(
    sweep,
    [
        dict(
            optimizer=optimizer,
            seed=seed,
            budget="SHORT",
            batch=batch,
            steps=steps,
        )
        for optimizer in ("Adam", "SGD momentum")
        for batch, steps in BATCH_AND_STEPS
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def moved(setting):
    """A row for each optimizer and value of a setting."""
    return lambda runs: [
        {
            "optimizer": optimizer.replace(" momentum", "+m"),
            setting: f"{value}",
            **answers(same, ["minimum/10", "valley", "steepest"]),
        }
        for optimizer, group in runs.by("optimizer").items()
        for value, same in sorted(group.by(setting).items())
    ]


def tenth_of_minimum(runs):
    """What minimum/10 says; NaN if it has no answer."""
    rate = answer(runs).rate
    return np.nan if rate is None else rate


shorter_and_longer = changed.where(batch=50)
table(
    shorter_and_longer,
    moved("steps"),
    caption="All numbers: the suggestion by the length of the sweep",
    folded=True,
)


@claim(shorter_and_longer)
def a_longer_sweep_suggests_a_smaller_rate(shorter_and_longer):
    adam, sgd = (
        {steps: tenth_of_minimum(runs) for steps, runs in group.by("steps").items()}
        for group in shorter_and_longer.by("optimizer").values()
    )
    sentence = f"""
        **A longer sweep suggests a smaller rate.** With Adam minimum/10 goes from {adam[100]:.2g} at
        100 steps to {adam[400]:.2g} at 400; with SGD and momentum from {sgd[50]:.2g} at 50 to
        {sgd[400]:.2g} at 400, though 100 suggest less than 200. More steps at each rate get further
        before the rate is too large.
        """
    return (
        sentence,
        adam[100] > 3 * adam[400],
        adam[100] > adam[200],
        adam[200] > adam[400],
        sgd[50] > 2 * sgd[400],
        sgd[100] < sgd[200],
    )


# %% [markdown]
# Then the batch size, with 100 steps each:

# %% tags=["hide-input"]
batches = changed.where(steps=100)
table(
    batches,
    moved("batch"),
    caption="The suggestion by the batch size",
)


@claim(batches)
def with_adam_the_suggestion_grows_with_the_batch(batches):
    adam, sgd = (
        [tenth_of_minimum(runs) for _, runs in sorted(group.by("batch").items())]
        for group in batches.by("optimizer").values()
    )
    sentence = f"""
        With Adam minimum/10 grows with the batch, from {adam[0]:.2g} to {adam[-1]:.2g}; with SGD and
        momentum it stays where it is, at {min(sgd):.2g} to {max(sgd):.2g}. Sweep with the batch size
        that you will train with.
        """
    return (
        sentence,
        adam[0] < adam[1],
        adam[1] < adam[2],
        adam[2] > 1.3 * adam[0],
        max(sgd) < 1.3 * min(sgd),
    )


# %% [markdown]
# And the smoothing. A batch's loss is noisy, so every tool smooths the curve before it looks for a
# point. What is found then depends on how. `lrguide` averages symmetrically, with as much weight on the
# steps after a point as on those before it. fastai, Lightning and others average over the past alone
# (an exponential moving average), and Keras' own logs hold the mean of *all* batches of the
# epoch so far[^2], which is what `keras_lr_finder` has read since TensorFlow `2.2`.
#
# [^2]: [keras-team/keras#17167](https://github.com/keras-team/keras/issues/17167), open since 2022.


# %% tags=["hide-input"]
SMOOTHINGS = {
    "none": lambda losses: losses,
    "symmetric": lambda losses: gaussian_average(losses, len(losses) / 25),
    "exponential": moving_average,
    "running mean": lambda losses: np.cumsum(losses) / np.arange(1, len(losses) + 1),
}


def points(runs, smoothing):
    """Where the smoothed curve is lowest, and where it falls fastest left of that: medians."""
    found = []
    for rates, losses in zip(runs.values("sweep_rates"), runs.values("sweep_losses"), strict=True):
        seen = losses[np.isfinite(losses)]  # up to where the sweep was stopped
        smooth = SMOOTHINGS[smoothing](np.minimum(seen, seen[:10].max()))
        end = max(2, int(np.argmin(smooth)) + 1)
        left = rates[:end]
        found.append((left[-1], left[np.argmin(np.gradient(smooth[:end], np.log(left)))]))
    return np.exp(np.median(np.log(found), axis=0))


both = Runs(adam + sgd)
table(
    both,
    lambda runs: [
        {
            "smoothing": name,
            **{
                f"{what}, {optimizer}": f"{rate:.2g}"
                for optimizer, group in runs.by("optimizer").items()
                for what, rate in zip(("lowest", "steepest"), points(group, name), strict=True)
            },
        }
        for name in SMOOTHINGS
    ],
    caption="Two points of the same five curves, median",
)


@claim(both)
def smoothing_over_the_past_moves_the_lowest_point(both):
    adam, sgd = (
        {name: points(runs, name) for name in SMOOTHINGS} for runs in both.by("optimizer").values()
    )
    (lag_adam, steep_adam), (lag_sgd, steep_sgd) = (
        found["exponential"] / found["symmetric"] for found in (adam, sgd)
    )
    sentence = f"""
        **Smoothing over the past alone moves the lowest point to the right**: by a factor of
        {lag_adam:.1f} with Adam and {lag_sgd:.1f} with SGD and momentum, with either average. The
        exponential one moves the steepest as well, by {steep_adam:.1f} and {steep_sgd:.1f}.
        """
    return (
        sentence,
        lag_adam > 3,
        lag_sgd > 3,
        steep_adam > 1.5,
        steep_sgd > 1.5,
        adam["running mean"][0] == adam["exponential"][0],
        sgd["running mean"][0] == sgd["exponential"][0],
    )


# %% [markdown]
# ## When it has no answer
#
# A range test may see nothing: on a range that ends too early, with too few steps, on a model that is
# already trained. `suggest()` then says "not enough evidence" and why, rather than a number. These are
# the sweeps of the first picture, cut short:


# %% tags=["hide-input"]
def at_each_end(adam):
    found = {last: answer(adam, last) for last in (1e-5, 0.001, 0.01, 10)}
    rows = [{"ends at": f"`{last:g}`", "answer": each.reason} for last, each in found.items()]
    return rows, found[1e-5].rate is None, found[0.001].rate is None, found[10].rate is not None


table(adam, at_each_end, caption="What minimum/10 says when the sweep ends at this rate")


@claim(adam)
def the_test_can_be_fooled(adam):
    short, fooled, whole = (answer(adam, last) for last in (0.001, 0.01, 10))
    answering = sum(rate is not None for rate in fooled.by_seed)
    low, right = fooled.rate or np.nan, whole.rate or np.nan
    sentence = f"""
        A sweep that ends at `0.001` sees the loss fall and not where that ends: no answer. **But the
        test can be fooled**: ended at `0.01`, {answering} of 5 seeds take a passing bump for the end
        and say {low:.2g}, against {right:.2g} from the whole sweep. Keep the range wide.
        """
    return (
        sentence,
        short.rate is None,
        "still falls" in short.reason,
        answering > 2,
        low < right / 5,
    )


# %% [markdown]
# Whole sweeps may have none either: on [eight problems](range_test_rules.py) each rule stands beside
# what it missed.
#
# ## What to do with the answer
#
# A sweep shows how far the rate can go before training breaks, whether the network learns at all, and the
# bounds of a cycle. It is short-sighted as a verdict on the best rate: it has seen a hundred steps of your
# training, not the end, and nothing of your schedule. To get that rate, let
# [`find_rate`](choosing.py) train briefly at several; [what each way costs](finding_a_rate.py) is measured.
#
# `result.confirm(model, x, y)` trains at five rates around the suggestions and names those that are tied.
# With its defaults that is 5 times 200 steps a seed, ten times the steps of the sweep: for trainings of
# many thousand steps.
#
# ## Try it
#
# Your model, compiled; two arrays; a few seconds. What does `batch_size=20` change?

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

keras.utils.set_random_seed(0)
data = mnist_subset().first(training=2000, validation=1000, test=1000)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "categorical_crossentropy")
given = dict(x=data.x_train, y=data.y_train, batch_size=50, verbose=0)
result = lrguide.lr_range_test(model, **given)
print(result)
print(result.confirm(model, steps=80, **given))

# %% [markdown]
# ## What to remember
#
# - The lowest point of a sweep may be far too high: start well left of it.
# - Keep length, batch size and smoothing of the sweep as your training will be, and name them with the answer.
# - Expect a factor, not a number: several seeds, and a real training at the suggestion, decide.
