# ---
# title: Fixed learning rates
# description: Five fixed learning rates on one network, several seeds each - which learn, which fail, where the stability limit lies, and why it is the optimizer's.
# search: {boost: 1.2} # the search shows this page first
# ---

# %% [markdown]
# # Fixed learning rates
#
# Change one number, the learning rate, and the same network on the same digits learns quickly,
# slowly, or not at all.

# %% tags=["hide-input"]
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.experiments import train
from lrguide.guide.measures import plain, several
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS

CHANCE = log(10)  # the loss of guessing among ten digits


def final(runs, rate=None):
    """Validation loss after the last epoch, one number a seed."""
    return (runs if rate is None else runs.where(rate=rate)).values("validation_loss")[:, -1]


def share(runs):
    """Share of the validation images named rightly after the last epoch, one number a seed."""
    return runs.values("validation_accuracy")[:, -1]


def learns(runs):
    """Which runs name more than a fifth of the validation images rightly."""
    return share(runs) > 0.2


def losses_by_epoch(runs):
    curves = {
        plain(rate): (group.values("loss"), group.values("validation_loss"))
        for rate, group in runs.by("rate").items()
    }
    return plots.loss_by_epoch(curves, chance=CHANCE, top=5)


def final_losses_in_words(runs):
    return (
        "Training and validation loss by epoch for five learning rates with Adam. "
        "Median validation loss after the last epoch: "
        + "; ".join(f"{np.median(final(runs, r)):.2f} at {plain(r)}" for r in runs.by("rate"))
        + f". Guessing would give {CHANCE:.2f}."
    )


# %% tags=["output-first"]
five = measured(
    train,
    [
        dict(optimizer="Adam", rate=rate, seed=seed, budget="SMALL")
        for rate in (0.5, 0.01, 0.001, 0.00001, 0.0000001)
        for seed in range(5)
    ],
)
figure(five, losses_by_epoch, alt=final_losses_in_words)

# %% [markdown]
# Each line, its rate beside it, is the median of five seeds; each band reaches from the lowest loss to
# the highest, epoch by epoch. The dashed line is the loss of guessing among ten digits, the natural logarithm of ten.
# Both panels have the same logarithmic axis. (Training loss is the average over an epoch with dropout
# at work, so it may well lie above the validation loss.) The code above asks for these runs: change a
# rate in the page's script while [`make serve`](index.py#how-to-use-it) shows it, and the page trains
# what it does not know yet and tells you which of its sentences your runs no longer bear out.
#
# Numbers in the text are means over seeds, with the lowest and the highest in brackets.


# %% tags=["hide-input"]
@claim(five)
def is_far_too_large(runs):
    return (
        f"""
        - **`0.5` is far too large.** The first steps throw the weights so far that the first
        epoch's training loss, beyond the top of the picture, averages
        {several(runs.where(rate=0.5).values("loss")[:, 0], 0)}. In no seed is the final validation
        loss below that of guessing: {several(final(runs, 0.5), 2)}. The article's one run ended at
        `2.3189` on the test images, with `0.1010` of them right: the share of a single digit.
        """,
        (final(runs, 0.5) > CHANCE).all(),
        (runs.where(rate=0.5).values("loss")[:, 0] > 100).all(),
    )


@claim(five)
def and_learn(runs):
    return (
        f"""
        - **`0.01` and `0.001` learn.** Here the larger one is ahead: {several(final(runs, 0.01))}
        against {several(final(runs, 0.001))}, and its worst seed beats the other's best.
        """,
        final(runs, 0.01).max() < final(runs, 0.001).min() <= final(runs, 0.001).max() < 0.5,
    )


@claim(five)
def has_only_begun(runs):
    return (
        f"""
        - **`0.00001` has only begun**: {several(final(runs, 1e-05), 2)}, though
        {share(runs.where(rate=1e-05)).min():.0%} to {share(runs.where(rate=1e-05)).max():.0%} of
        the validation images are already named rightly.
        """,
        final(runs, 0.001).max() < 1 < final(runs, 1e-5).min(),
        final(runs, 1e-5).max() < CHANCE - 0.05,
        learns(runs.where(rate=1e-5)).all(),
    )


@claim(five)
def does_nothing_you_could_see(runs):
    return (
        f"""
        - **`0.0000001` does nothing you could see**: {several(final(runs, 1e-07), 2)}, as good as
        guessing; from the first epoch to the last no seed's loss moves by as much as a hundredth.
        The article's run ended at `2.2724`, after forty times as many steps.
        """,
        (abs(final(runs, 1e-7) - CHANCE) < 0.05).all(),
        np.ptp(runs.where(rate=1e-7).values("validation_loss"), axis=1).max() < 0.01,
        not learns(runs.where(rate=1e-7)).any(),
    )


# %% [markdown]
# ## What was trained
#
# The convolutional network of an article[^1] on MNIST's handwritten digits: two blocks of
# convolution (3 by 3, 32 filters and then 64), pooling and dropout (a quarter), a dense layer of 256,
# one of 10, cross-entropy, 431,242 parameters. Pixels run from 0 to 1; the validation images come from
# the last fifth of MNIST's training images, as in the article. It trained the network once at each of
# these five rates, without a seed. Here the **budget** is smaller, so that your own machine can repeat
# it in minutes, and every rate gets five seeds. A **seed** sets the initial weights, the dropout and
# the order of the images, so rates that share a seed share all three.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).

# %% tags=["hide-input"]
table(
    five,
    lambda runs: [
        {
            "budget": what,
            **{f"`{name}`": f"{getattr(BUDGETS[name], field):,}" for name in ("SMALL", "FULL")},
        }
        for what, field in (
            ("training images", "training"),
            ("batch size", "batch"),
            ("epochs", "epochs"),
            ("steps", "steps"),
            ("validation images", "validation"),
            ("test images", "test"),
        )
    ],
    caption="This page's budget, and the article's",
)

# %% [markdown]
# This budget cannot show whether `0.00001` gets there with more steps, nor whether `0.01` is still
# ahead of `0.001` after 4,800 of them. [The full data](#the-articles-own-scale) can.

# %% [markdown]
# ## Every rate in between
#
# Five rates show that it matters. Thirteen, two to each factor of ten, show the shape: a valley with
# a wide slope on the left and a cliff on the right. A second optimizer shows whose cliff it is.


# %% tags=["hide-input"]
def by_rate(runs):
    """Final validation loss: shape (rates, seeds)."""
    return np.array([final(group) for group in runs.by("rate").values()])


def best_rate(runs):
    """The rate whose mean final validation loss is lowest."""
    return list(runs.by("rate"))[int(np.nanargmin(by_rate(runs).mean(axis=1)))]


def stability_limit(runs):
    """The largest rate at which every seed ends below the loss of guessing; 0 if there is none."""
    return max((r for r, g in runs.by("rate").items() if (final(g) < CHANCE).all()), default=0)


def learning_limit(runs):
    """The largest rate at which every seed learns; 0 if there is none."""
    return max((r for r, g in runs.by("rate").items() if learns(g).all()), default=0)


def failures(runs, optimizer):
    """How many seeds learn nothing."""
    return int((~learns(runs.where(optimizer=optimizer))).sum())


def losses_by_rate(runs):
    curves = {
        name: (list(group.by("rate")), by_rate(group))
        for name, group in runs.by("optimizer").items()
    }
    return plots.loss_by_rate(curves, chance=CHANCE, top=5, ylabel="validation loss at the end")


def valleys_in_words(runs):
    return (
        "Final validation loss against learning rate, two valleys: with Adam the lowest loss is at "
        f"{best_rate(runs.where(optimizer='Adam')):g}, with SGD at "
        f"{best_rate(runs.where(optimizer='SGD')):g}. Beyond "
        f"{learning_limit(runs.where(optimizer='Adam')):g} with Adam and "
        f"{learning_limit(runs.where(optimizer='SGD')):g} with SGD some or all seeds learn nothing."
    )


# %% tags=["output-first"]
RATES = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4]
RATES += [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
both = measured(
    train,
    [
        dict(optimizer=optimizer, rate=rate, seed=seed, budget="SMALL")
        for optimizer in ("Adam", "SGD")
        for rate in RATES
        for seed in range(3)
    ],
)
figure(both, losses_by_rate, alt=valleys_in_words)

# %% [markdown]
# Each dot is one seed, the line is the median of three. First Adam.

# %% tags=["hide-input"]
adam = both.where(optimizer="Adam")


@claim(adam)
def the_lowest_mean_loss_is_at(runs):
    return (
        f"""
        The lowest mean loss is at `{best_rate(runs):g}`: {several(final(runs, best_rate(runs)))}.
        Keras' default for Adam, `0.001`, reaches {several(final(runs, 0.001))} with this budget.
        """,
        final(runs, best_rate(runs)).max() < final(runs, 0.001).min(),
        0.001 < best_rate(runs) < 0.03,
    )


@claim(adam)
def with_three_seeds_at_cannot_be(runs):
    return (
        f"""
        With three seeds `0.01`, at {several(final(runs, 0.01))}, cannot be told from it: seed by
        seed it is {several(final(runs, 0.01) - final(runs, 0.003))} worse, and the seeds do not
        agree which of the two is better.
        """,
        best_rate(runs) == 0.003,
        0 < (final(runs, 0.003) < final(runs, 0.01)).sum() < len(final(runs, 0.01)),
        abs((final(runs, 0.01) - final(runs, 0.003)).mean())
        < np.std(final(runs, 0.01) - final(runs, 0.003), ddof=1),
    )


@claim(adam)
def stability_limit_too(runs):
    return (
        f"""
        The **stability limit**, the largest of these rates at which every seed ends below ln 10, is
        `{stability_limit(runs):g}`. But look at its dots: one seed ends at
        {final(runs, 0.03).max():.4f}, a hair below ln 10 ({CHANCE:.4f}), with
        {share(runs.where(rate=0.03))[final(runs, 0.03).argmax()]:.0%} of the digits right. It has
        learned nothing but that the digits are not quite equally frequent, and that alone allows a
        loss just below ln 10.
        """,
        stability_limit(runs) == 0.03,
        (~learns(runs.where(rate=0.03))).sum() == 1,
        0 < CHANCE - final(runs, 0.03).max() < 0.001,
    )


@claim(adam)
def learns_too(runs):
    return (
        f"""
        Ask that every seed **learns**, which on this page means that it names more than a fifth of
        the validation images rightly, and the limit is `{learning_limit(runs):g}`,
        {learning_limit(runs) / best_rate(runs):.1f} times the best rate. The cliff is close to the
        valley's floor.
        """,
        0 < learning_limit(runs) < stability_limit(runs) < 30 * best_rate(runs),
    )


# %% [markdown]
# ## Too large for whom?
#
# The article announces stochastic gradient descent (SGD), but its code trains with Adam, and its
# verdict on `0.5` is about Adam. Adam divides each weight's gradient by a running estimate of its
# size, so each weight moves by about the rate or less, however large its gradient. Plain SGD moves it
# by rate times gradient. The same number means two different things.

# %%
at_half = measured(
    train,
    [
        dict(optimizer=optimizer, rate=0.5, seed=seed, budget="SMALL")
        for optimizer in ("Adam", "SGD")
        for seed in range(10)
    ],
)


# %% tags=["hide-input"]
@claim(at_half)
def at_of_seeds_learn_nothing_with(runs):
    return (
        f"""
        At `0.5`, {failures(runs, "Adam")} of {len(runs.where(optimizer="Adam"))} seeds learn
        nothing with Adam, and {failures(runs, "SGD") or "none"} of
        {len(runs.where(optimizer="SGD"))} with SGD, which ends at
        {several(final(runs.where(optimizer="SGD")), 2)}. (None of ten is not never: if one seed in
        ten failed, ten seeds would show no failure about one time in three.)
        """,
        failures(runs, "Adam") == 10,
        failures(runs, "SGD") == 0,
    )


@claim(both)
def the_largest_of_the_rates_at(runs):
    return (
        f"""
        The largest of the {len(RATES)} rates at which every seed learns is
        `{learning_limit(runs.where(optimizer="SGD")):g}` with SGD,
        `{learning_limit(runs.where(optimizer="Adam")):g}` with Adam. SGD's best rate of the grid,
        `{best_rate(runs.where(optimizer="SGD")):g}`, stands at the very edge: at `1` already
        {failures(runs.where(rate=1.0), "SGD")} of {len(runs.where(rate=1.0, optimizer="SGD"))}
        seeds learn nothing.
        """,
        learning_limit(runs.where(optimizer="SGD"))
        >= 10 * learning_limit(runs.where(optimizer="Adam")),
        learning_limit(runs.where(optimizer="SGD")) == best_rate(runs.where(optimizer="SGD")),
        failures(runs.where(rate=1.0), "SGD") > 0,
    )


# %% [markdown]
# ## The article's own scale
#
# All of that was a short training. The article used all 48,000 training images and 25 epochs, forty
# times as many steps. These are its five scenarios at that scale: its single run beside our seeds.

# %% tags=["hide-input"]
ARTICLE = {  # test loss and accuracy as the article reports them
    0.5: (2.3189, 0.1010),
    0.01: (0.0454, 0.9888),
    0.001: (0.0286, 0.9919),
    1e-5: (0.1712, 0.9514),
    1e-7: (2.2724, 0.1625),
}


def tested(runs, rate):
    """Test loss at the end, one number a seed."""
    return runs.where(rate=rate).values("test_loss")


def beside(name, column):
    """Rows that show the article's figure in this column of `ARTICLE` beside ours."""

    def rows(runs):
        ours = {rate: group.values(name) for rate, group in runs.by("rate").items()}
        return [
            {
                "rate": f"`{plain(rate)}`",
                "article": f"{ARTICLE[rate][column]:.4f}",
                "ours": several(values, 4),
                "seeds": f"{len(values)}",
                "within": "yes" if values.min() <= ARTICLE[rate][column] <= values.max() else "no",
            }
            for rate, values in ours.items()
        ]

    return rows


# %% tags=["output-first"]
full = measured(
    train,
    [
        dict(optimizer="Adam", rate=rate, seed=seed, budget="FULL")
        for rate in (0.5, 0.01, 0.001, 0.00001, 0.0000001)
        for seed in range(5)
    ],
)
table(
    full,
    beside("test_loss", 0),
    caption="Test loss after 25 epochs, Adam",
)
table(
    full,
    beside("test_accuracy", 1),
    caption="Test accuracy after 25 epochs, Adam",
)

# %% [markdown]
# "Within" says whether the article's figure lies between the lowest and the highest of our five seeds.
# A sixth run falls outside that range one time in three by chance alone, so a "no" does not make a
# figure wrong. What is to be seen:


# %% tags=["hide-input"]
def outside(runs):
    """How far the article's figures beyond our range lie from the nearest seed, as parts of it."""
    pairs = [
        (group.values(name), ARTICLE[rate][column])
        for rate, group in runs.by("rate").items()
        for column, name in enumerate(("test_loss", "test_accuracy"))
    ]
    return [
        abs(figure / ours - 1).min()
        for ours, figure in pairs
        if not ours.min() <= figure <= ours.max()
    ]


@claim(full)
def the_figures_of_the_article_that(runs):
    return (
        f"""
        - The {len(outside(runs))} figures of the article that lie outside lie just outside: none is
        further than {max(outside(runs)):.1%} from the nearest of our seeds.
        """,
        0 < max(outside(runs), default=0) < 0.05,
    )


@claim(full)
def was_slow_not_stuck(runs):
    return (
        f"""
        - The article's picture stands: `0.5` still learns nothing, `0.0000001` still has hardly
        begun, at {several(tested(runs, 1e-07), 2)}, and the three between them learn. **`0.00001`
        was slow, not stuck**: with forty times the steps it reaches {several(tested(runs, 1e-05))}.
        """,
        tested(runs, 0.5).min() > CHANCE,
        tested(runs, 1e-7).min() > 2,
        max(tested(runs, r).max() for r in (0.01, 0.001, 1e-5)) < 0.3,
    )


def rises(runs, rate):
    """In how many epochs of each seed the validation loss is higher than in the one before."""
    return (np.diff(runs.where(rate=rate).values("validation_loss")) > 0).sum(axis=1)


def ended(runs, rate, name):
    return several(runs.where(rate=rate).final(name))


@claim(full)
def what_it_reads_off_its_curves(runs):
    return (
        f"""
        - What it reads off its curves holds, the validation losses a little too high: `0.001` ends
        at about `0.01` in training and `0.05` in validation (ours: {ended(runs, 0.001, "loss")} and
        {ended(runs, 0.001, "validation_loss")}); `0.00001` is very smooth, at about `0.25` in both
        ({ended(runs, 1e-05, "loss")} and {ended(runs, 1e-05, "validation_loss")}, and no seed's
        validation loss ever rises); `0.01` oscillates more (it rises in
        {rises(runs, 0.01).mean():.0f} of {runs[0].settings["epochs"] - 1} epochs, at `0.001` in
        {rises(runs, 0.001).mean():.0f}).
        """,
        rises(runs, 1e-5).max() == 0,
        rises(runs, 0.01).mean() > rises(runs, 0.001).mean() > 5,
        runs.where(rate=0.001).final("loss").max() < 0.02,
        runs.where(rate=0.001).final().max() < 0.05,
        runs.where(rate=1e-5).final().max() < 0.2,
    )


def lead(runs, budget, name="test_loss"):
    """By how much `0.01` ends above `0.001`, seed by seed."""
    larger, smaller = (runs.where(budget=budget, rate=rate).values(name) for rate in (0.01, 0.001))
    return (larger - smaller)[..., -1] if larger.ndim > 1 else larger - smaller


@claim(Runs(run for run in five + full if run.settings["rate"] in (0.01, 0.001)))
def the_order_of_and_is_turned(runs):
    return (
        f"""
        - **The order of `0.01` and `0.001` is turned round.** With the small budget the larger rate
        ends lower in each of {len(lead(runs, "SMALL"))} seeds, here it ends higher in each of
        {len(lead(runs, "FULL"))}, on validation and on test images: seed by seed by
        {several(lead(runs, "FULL"), 4)} on the latter. In the article's single runs it was
        {ARTICLE[0.01][0] - ARTICLE[0.001][0]:.4f}, a loss
        {ARTICLE[0.01][0] / ARTICLE[0.001][0]:.1f} times as high rather than the twice it says.
        Which rate is better depends on the budget; whether on its images or on its steps, these
        runs do not tell.
        """,
        all(
            (lead(runs, "SMALL", name) < 0).all() and (lead(runs, "FULL", name) > 0).all()
            for name in ("test_loss", "validation_loss")
        ),
    )


# %%
sgd_full = measured(
    train,
    [
        dict(optimizer="SGD", rate=rate, seed=seed, budget="FULL", epochs=5)
        for rate in (0.5,)
        for seed in range(10)
    ],
)


# %% tags=["hide-input"]
@claim(Runs(full.where(rate=0.5) + sgd_full))
def sgd_at_on_the_full_data(runs):
    return (
        f"""
        SGD at `0.5` on the full data, five epochs:
        {several(runs.where(optimizer="SGD").values("test_loss"))} on the test images, and none of
        {len(runs.where(optimizer="SGD"))} seeds fails.
        """,
        not learns(runs.where(optimizer="Adam")).any(),
        learns(runs.where(optimizer="SGD")).all(),
        runs.where(optimizer="SGD").values("test_loss").max() < 0.1,
    )


# %% [markdown]
# ## The advice, weighed
#
# The article advises starting at the optimizer's default, raising the rate in small steps while
# watching the training history, and stopping shortly before the curve oscillates.


# %% tags=["hide-input"]
def rising(runs):
    """How many seeds have a validation loss that rises from one epoch to the next."""
    return int((np.diff(runs.values("validation_loss"), axis=1) > 0).any(axis=1).sum())


@claim(both)
def start_at_the_default_for_adam(runs):
    return (
        f"""
        - *Start at the default.* For Adam a safe start: at `0.001` all
        {len(runs.where(optimizer="Adam", rate=0.001))} seeds learn. For SGD a slow one: Keras'
        default is `0.01`, and there the loss still ends at
        {several(final(runs.where(optimizer="SGD", rate=0.01)), 2)}.
        """,
        learns(runs.where(optimizer="Adam", rate=0.001)).all(),
        final(runs.where(optimizer="SGD", rate=0.01)).min()
        > 5 * final(runs.where(optimizer="SGD", rate=best_rate(runs.where(optimizer="SGD")))).max(),
    )


@claim(five)
def raise_it_until_the_curve_oscillates(runs):
    return (
        f"""
        - *Raise it until the curve oscillates.* The sign comes before the cliff, but not in every
        run. With Adam at `0.01` all seeds still learn, and the validation loss rises from one epoch
        to the next in {rising(runs.where(rate=0.01))} of {len(runs.where(rate=0.01))} of them (in
        none at `0.001`). One quiet run is no proof that there is room left.
        """,
        rising(runs.where(rate=0.001)) == 0 < rising(runs.where(rate=0.01)) < 5,
        learns(runs.where(rate=0.01)).all(),
    )


# %% [markdown]
# - *A fixed rate needs knowledge that nobody has in advance.* That is so. What is left is to measure it,
#   as this page did, with a few runs at rates a factor of three apart, each with the budget that
#   it stands for, since the better of two rates changed with it.
#
# ## Try it
#
# This trains one rate on a small part of the digits, in seconds.

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset
from lrguide.model import article_cnn

rate = 0.001  # <- the one line to change: 0.5, 0.01, 0.00001?

keras.utils.set_random_seed(0)
data = mnist_subset().first(training=2000, validation=1000, test=1000)
model = article_cnn()
model.compile(keras.optimizers.Adam(rate), loss="categorical_crossentropy")
history = model.fit(
    data.x_train,
    data.y_train,
    batch_size=50,
    epochs=2,
    validation_data=(data.x_validation, data.y_validation),
    verbose=0,
).history
print("validation losses:", [round(loss, 3) for loss in history["val_loss"]])

# %% [markdown]
# ## What to remember
#
# - Too small wastes the budget, too large learns nothing, and the cliff stood close to the best rate.
# - A rate is good or bad for an optimizer and a budget, not by itself; expect network and data to
#   matter too.
# - One run proves little near the cliff: count seeds.
