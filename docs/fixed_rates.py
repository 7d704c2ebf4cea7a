# ---
# title: Fixed learning rates
# description: Five fixed learning rates on one network, several seeds each - which learn, which fail, where the stability limit lies, and why it is the optimizer's.
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
from lrguide.guide.experiments import BUDGETS, train
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure, plain, several, table

CHANCE = log(10)  # the loss of guessing among ten digits


def final(runs, rate=None):
    """Validation loss after the last epoch, one number a seed."""
    return (runs if rate is None else runs.where(rate=rate)).values("validation_loss")[:, -1]


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
# Each line is the median of five seeds, each band reaches from the best seed to the worst. The
# dashed line is the loss of guessing among ten digits, the natural logarithm of ten. Both panels
# have the same logarithmic axis. (Training loss is the average over an epoch with dropout at work,
# so it may well lie above the validation loss.) The code above asks for these runs: change a rate,
# and the page trains what it does not know yet.

# %% tags=["hide-input"]
claim(
    five,
    lambda runs: (
        (final(runs, 0.5) > CHANCE - 0.01).all()
        and (runs.where(rate=0.5).values("loss")[:, 0] > 100).all()
    ),
    lambda runs: (
        "- **`0.5` is far too large.** The first steps throw the weights so far that the first "
        "epoch's training loss, beyond the top of the picture, averages "
        f"{several(runs.where(rate=0.5).values('loss')[:, 0], 0)}. After that "
        "the network gives the same answer to every image: no seed does better than guessing."
    ),
)
claim(
    five,
    lambda runs: final(runs, 0.01).max() < final(runs, 0.001).min(),
    lambda runs: (
        f"- **`0.01` and `0.001` learn.** Here the larger one is ahead: {several(final(runs, 0.01))} "
        f"against {several(final(runs, 0.001))}, mean and range of the final validation loss, and "
        "its worst seed beats the other's best. Remember this; the full data will have another view."
    ),
)
claim(
    five,
    lambda runs: (
        final(runs, 0.001).max() < 1 < final(runs, 1e-5).min()
        and final(runs, 1e-5).max() < CHANCE - 0.05
    ),
    lambda runs: (
        f"- **`0.00001` has hardly begun**: {several(final(runs, 1e-5), 2)}. It is on its way in "
        "every seed, but not far when the budget ends."
    ),
)
claim(
    five,
    lambda runs: (
        (abs(final(runs, 1e-7) - CHANCE) < 0.05).all()
        and (runs.where(rate=1e-7).values("test_accuracy") < 0.25).all()
    ),
    lambda runs: (
        f"- **`0.0000001` does nothing you could see**: {several(final(runs, 1e-7), 2)}, as good as "
        f"guessing, with a test accuracy from "
        f"{runs.where(rate=1e-7).values('test_accuracy').min():.0%} to "
        f"{runs.where(rate=1e-7).values('test_accuracy').max():.0%}."
    ),
)

# %% [markdown]
# ## What was trained
#
# The convolutional network of a well-known article[^1] on handwritten digits: two blocks of
# convolution, pooling and dropout, two dense layers, cross-entropy, 431,242 parameters. The article
# trained it once at each of these five rates, without a seed. Here the budget is smaller, so that
# your own machine can repeat it in minutes, and every rate gets five seeds. A seed sets the initial
# weights, the dropout and the order of the images, so rates that share a seed share all three.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019.

# %% tags=["hide-input"]
table(
    five,
    lambda runs: [
        {
            "": what,
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
    caption=lambda runs: "This page's budget, and the article's, to which we come further down",
)

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


def learns(runs):
    """Which runs name the right digit for more than a fifth of the validation images."""
    return runs.values("validation_accuracy")[:, -1] > 0.2


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
        f"{best_rate(runs.where(optimizer='SGD')):g}. Each ends on the right in a cliff, beyond "
        "which the loss is that of guessing."
    )


# %% tags=["output-first"]
RATES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
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
claim(
    adam,
    lambda runs: (
        final(runs, best_rate(runs)).mean() < final(runs, 0.001).min()
        and 0.001 < best_rate(runs) < 0.03
    ),
    lambda runs: (
        f"The lowest mean loss is at `{best_rate(runs):g}`: {several(final(runs, best_rate(runs)))}. "
        f"Keras' default for Adam, `0.001`, reaches {several(final(runs, 0.001))} with this budget."
    ),
)
claim(
    adam,
    lambda runs: (
        abs(final(runs, 0.003).mean() - final(runs, 0.01).mean())
        < max(np.ptp(final(runs, 0.003)), np.ptp(final(runs, 0.01)))
    ),
    lambda runs: (
        f"`0.01`, with {several(final(runs, 0.01))}, is a tie with it: the difference of the means is "
        "smaller than the spread over seeds."
    ),
    tie=True,
)
claim(
    adam,
    lambda runs: stability_limit(runs) == 0.03 and not learns(runs.where(rate=0.03)).all(),
    lambda runs: (
        "\n\nThe **stability limit**, the largest of these rates at which every seed ends below "
        f"ln 10, is `{stability_limit(runs):g}`. But look at its dots: one seed ends at "
        f"{final(runs, 0.03).max():.4f}, a hair below ln 10 ({CHANCE:.4f}), with "
        f"{runs.where(rate=0.03).values('validation_accuracy')[:, -1].min():.0%} of the digits "
        "right. That network gives one answer to every image; the digits are not quite equally "
        "frequent, and knowing their shares is worth as much."
    ),
)
claim(
    adam,
    lambda runs: (
        0 < learning_limit(runs) < stability_limit(runs)
        and learning_limit(runs) <= 10 * best_rate(runs)
    ),
    lambda runs: (
        "Ask that every seed gets more than a fifth of the digits right, and the limit is "
        f"`{learning_limit(runs):g}`, "
        f"{learning_limit(runs) / best_rate(runs):.1f} times the best rate. The cliff is close to "
        "the valley's floor."
    ),
)

# %% [markdown]
# ## Too large for whom?
#
# The article's verdict on `0.5` is often retold as if it were about learning rates. It is about
# Adam. Adam divides each weight's gradient by a running estimate of its size, so its steps are about
# as long as the rate whatever the gradient is. Plain stochastic gradient descent (SGD) moves by rate
# times gradient. The same number means two different things.

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
claim(
    at_half,
    lambda runs: failures(runs, "Adam") == 10 and failures(runs, "SGD") == 0,
    lambda runs: (
        f"At `0.5`, {failures(runs, 'Adam')} of {len(runs.where(optimizer='Adam'))} seeds learn "
        f"nothing with Adam, and {failures(runs, 'SGD')} of {len(runs.where(optimizer='SGD'))} with "
        f"SGD, which ends at {several(final(runs.where(optimizer='SGD')), 2)}. (None of ten is not "
        "never: a rate that fails one seed in five has a good chance to show none in ten.)"
    ),
)
claim(
    both,
    lambda runs: (
        learning_limit(runs.where(optimizer="SGD"))
        >= 10 * learning_limit(runs.where(optimizer="Adam"))
        and learning_limit(runs.where(optimizer="SGD")) == best_rate(runs.where(optimizer="SGD"))
        and failures(runs.where(rate=1.0), "SGD") > 0
    ),
    lambda runs: (
        "The largest of the thirteen rates at which every seed learns is "
        f"`{learning_limit(runs.where(optimizer='SGD')):g}` with SGD, "
        f"`{learning_limit(runs.where(optimizer='Adam')):g}` with Adam. SGD's best rate of the "
        f"grid, `{best_rate(runs.where(optimizer='SGD')):g}`, stands at the very edge: at `1` "
        f"already {failures(runs.where(rate=1.0), 'SGD')} of "
        f"{len(runs.where(rate=1.0, optimizer='SGD'))} seeds learn nothing."
    ),
)

# %% [markdown]
# ## The advice, weighed
#
# The article advises to start at the optimizer's default, to raise the rate in small steps while
# watching the training history, and to stop shortly before the curve oscillates.
#
# - *Start at the default.* For Adam on this network a good start: `0.001` never failed. For SGD it
#   is not: Keras' default of `0.01` lies far left of the valley at this budget.
# - *Raise it until the curve oscillates.* There is no such warning to wait for. Look at the cliff in
#   the pictures above: a rate or two beyond the best one, some seeds no longer learn at all.
# - *Fixed rates need knowledge that nobody has in advance.* So it is. The range that works moves with
#   the optimizer, the budget and the network. What is left is to measure it, as this page did, with a
#   few short runs at rates a factor of three apart.
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
digits = mnist_subset().first(training=2000, validation=1000, test=1000)
model = article_cnn()
model.compile(keras.optimizers.Adam(rate), loss="categorical_crossentropy")
history = model.fit(
    digits.x_train,
    digits.y_train,
    batch_size=50,
    epochs=2,
    validation_data=(digits.x_validation, digits.y_validation),
    verbose=0,
).history
print("validation loss by epoch:", [round(loss, 3) for loss in history["val_loss"]])

# %% [markdown]
# ## What to remember
#
# - Too small wastes the budget, too large learns nothing, and the cliff stands close to the best rate.
# - A rate is good or bad for an optimizer, a network and a budget, never by itself.
# - One run proves little near the cliff: count seeds.
