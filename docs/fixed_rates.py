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
import numpy as np

from lrguide.guide import pictures
from lrguide.guide.contenders import ARTICLE, WIDE
from lrguide.guide.contrasts import compared
from lrguide.guide.experiments import train
from lrguide.guide.measures import (
    CHANCE,
    beside_article,
    beyond_ours,
    budget_rows,
    learning,
    learning_limit,
    learns,
    rises,
    several,
    stability_limit,
)
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed

# %% tags=["output-first"]
five = measured(
    train,
    crossed(
        optimizer="Adam",
        rate=(0.5, 0.01, 0.001, 0.00001, 0.0000001),
        seed=range(5),
        budget="SMALL",
    ),
)
figure(five, pictures.losses_by_epoch, alt=pictures.final_losses_in_words)

# %% [markdown]
# Each line, its rate beside it, is the median of five seeds; each band reaches from the lowest loss to the
# highest, epoch by epoch. The dashed line is the loss of guessing among ten digits, the natural logarithm
# of ten. Both panels have the same logarithmic axis. (Training loss is the average over an epoch with
# dropout at work, so it may well lie above the validation loss.) The code above asks for these runs: change
# a rate in the page's script while [`make serve`](index.py#how-to-use-it) shows it, and the page trains
# what it does not know yet and tells you which of its sentences your runs no longer bear out.
#
# Numbers in the text are means over seeds, with the lowest and the highest in brackets.


# %% tags=["hide-input"]
@claim(five)
def half_is_far_too_large(five):
    runs = five.where(rate=0.5)
    first = runs.values("loss")[:, 0]
    sentence = f"""
        - **`0.5` is far too large.** The first steps throw the weights so far that the first epoch's
        training loss, beyond the top of the picture, averages {several(first, 0)}. In no seed is the
        final validation loss below that of guessing: {several(runs.final(), 2)}. The article's one
        run ended at `2.3189` on the test images, with `0.1010` of them right: the share of a single
        digit.
        """
    return sentence, first.min() > 100, runs.final().min() > CHANCE


@claim(five)
def the_larger_rate_is_ahead(five):
    larger, smaller = (five.where(rate=rate).final() for rate in (0.01, 0.001))
    both = {0.01, 0.001} <= set(learning(five))
    sentence = f"""
        - **`0.01` and `0.001` learn.** Here the larger one is ahead: {several(larger)} against
        {several(smaller)}, and its worst seed beats the other's best.
        """
    return sentence, both, larger.max() < smaller.min(), smaller.max() < 0.5


@claim(five)
def a_hundred_thousandth_has_only_begun(five):
    runs = five.where(rate=1e-5)
    losses, right = runs.final(), runs.final("validation_accuracy")
    sentence = f"""
        - **`0.00001` has only begun**: {several(losses, 2)}, though {right.min():.0%} to
        {right.max():.0%} of the validation images are already named rightly.
        """
    return sentence, losses.min() > 1, losses.max() < CHANCE - 0.05, learns(runs).all()


@claim(five)
def a_ten_millionth_does_nothing_to_be_seen(five):
    runs = five.where(rate=1e-7)
    losses, moved = runs.final(), np.ptp(runs.values("validation_loss"), axis=1)
    sentence = f"""
        - **`0.0000001` does nothing you could see**: {several(losses, 2)}, as good as guessing;
        from the first epoch to the last no seed's loss moves by as much as a hundredth.
        The article's run ended at `2.2724`, after forty times as many steps.
        """
    return sentence, abs(losses - CHANCE).max() < 0.05, moved.max() < 0.01, not learns(runs).any()


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
    lambda runs: budget_rows("SMALL", "FULL"),
    caption="This page's budget, and the article's",
)

# %% [markdown]
# This budget cannot show whether `0.00001` gets there with more steps, nor whether `0.01` is still
# ahead of `0.001` after 4,800 of them. [The full data](#the-articles-own-scale) can.
#
# ## Every rate in between
#
# Five rates show that it matters. Thirteen, two to each factor of ten, show the shape: a valley with
# a wide slope on the left and a cliff on the right. A second optimizer shows whose cliff it is.

# %% tags=["output-first"]
both = measured(
    train,
    crossed(
        optimizer=("Adam", "SGD"),
        rate=WIDE,
        seed=range(3),
        budget="SMALL",
    ),
)
figure(both, pictures.losses_by_rate, alt=pictures.valleys_in_words)

# %% [markdown]
# Each dot is one seed, the line is the median of three. First Adam.

# %% tags=["hide-input"]
adam = both.where(optimizer="Adam")


@claim(adam)
def the_default_is_not_the_best(adam):
    best, default = (adam.where(rate=rate).final() for rate in (adam.best(), 0.001))
    sentence = f"""
        The lowest mean loss is at `{adam.best():g}`: {several(best)}. Keras' default for Adam,
        `0.001`, reaches {several(default)} with this budget.
        """
    return sentence, adam.best() == 0.003, best.max() < default.min()


@claim(adam)
def three_seeds_do_not_tell_the_best_two_apart(adam):
    larger = adam.where(rate=0.01)
    best = adam.where(rate=adam.best())
    gap = compared({"larger": (larger, best)})["larger"]
    sentence = f"""
        Three seeds do not tell which of it and `0.01` is better: at `0.01` the loss differs by
        {gap}. In brackets stands the `95 %` interval.
        """
    return sentence, adam.best() == 0.003, gap.verdict == "undecided", gap.pairs == 3


@claim(adam)
def a_loss_below_guessing_is_not_yet_learning(adam):
    limit = stability_limit(adam)
    runs = adam.where(rate=0.03)
    losses, lost = runs.final(), ~learns(runs)
    worst = losses.argmax()
    sentence = f"""
        The **stability limit**, the largest of these rates at which every seed ends below ln 10, is
        `{limit:g}`. But look at its dots: one seed ends at {losses[worst]:.4f}, a hair below
        ln 10 ({CHANCE:.4f}), with {runs.final("validation_accuracy")[worst]:.0%} of the digits
        right. It has learned nothing but that the digits are not quite equally frequent, and that
        alone allows a loss just below ln 10.
        """
    return sentence, limit == 0.03, lost.sum() == 1, lost[worst], CHANCE - losses[worst] < 0.001


@claim(adam)
def the_cliff_is_close(adam):
    limit, best = learning_limit(adam), adam.best()
    sentence = f"""
        Ask that every seed **learns**, which on this page means that it names more than a fifth of
        the validation images rightly, and the limit is `{limit:g}`, {limit / best:.1f} times the
        best rate. The cliff is close to the valley's floor.
        """
    return sentence, limit < stability_limit(adam), limit > best, limit < 5 * best


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
    crossed(
        optimizer=("Adam", "SGD"),
        rate=0.5,
        seed=range(10),
        budget="SMALL",
    ),
)


# %% tags=["hide-input"]
@claim(at_half)
def half_is_too_large_for_adam_alone(at_half):
    adam, sgd = (at_half.where(optimizer=optimizer) for optimizer in ("Adam", "SGD"))
    sentence = f"""
        At `0.5`, {(~learns(adam)).sum()} of {len(adam)} seeds learn nothing with Adam, and
        {(~learns(sgd)).sum() or "none"} of {len(sgd)} with SGD, which ends at
        {several(sgd.final(), 2)}. (None of ten is not never: if one seed in ten failed, ten seeds
        would show no failure about one time in three.)
        """
    return sentence, not learns(adam).any(), learns(sgd).all(), sgd.final().max() < 1


@claim(both)
def the_limit_is_the_optimizers(both):
    adam, sgd = (both.where(optimizer=optimizer) for optimizer in ("Adam", "SGD"))
    small, large = learning_limit(adam), learning_limit(sgd)
    at_one = learns(sgd.where(rate=1.0))
    sentence = f"""
        The largest of the {len(adam.by("rate"))} rates at which every seed learns is `{large:g}`
        with SGD, `{small:g}` with Adam. SGD's best rate of the grid, `{sgd.best():g}`, stands at the
        very edge: at `1` already {(~at_one).sum()} of {len(at_one)} seeds learn nothing.
        """
    return sentence, large > 20 * small, large < 50 * small, large == sgd.best(), not at_one.all()


# %% [markdown]
# ## The article's own scale
#
# All of that was a short training. The article used all 48,000 training images and 25 epochs, forty
# times as many steps. These are its five scenarios at that scale: its single run beside our seeds.


# %% tags=["hide-input"]
def beside(name):
    def rows(full):
        return beside_article(full, name), max(beyond_ours(full, name), default=0) < 0.05

    return rows


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
table(full, beside("test_loss"), "Test loss after 25 epochs, Adam")
table(full, beside("test_accuracy"), "Test accuracy after 25 epochs, Adam")

# %% [markdown]
# "Within" says whether the article's figure lies between the lowest and the highest of our five seeds.
# A sixth run falls outside that range one time in three by chance alone, so a "no" does not make a
# figure wrong. What is to be seen:


# %% tags=["hide-input"]
@claim(full)
def the_articles_figures_stand(full):
    beyond = beyond_ours(full, "test_loss", "test_accuracy")
    sentence = f"""
        - The {len(beyond)} figures of the article that lie outside lie just outside: none is further
        than {max(beyond, default=1):.1%} from the nearest of our seeds.
        """
    return sentence, max(beyond, default=1) < 0.05


@claim(full)
def the_articles_picture_stands(full):
    tested = {rate: runs.values("test_loss") for rate, runs in full.by("rate").items()}
    failed, begun = tested[0.5], tested[1e-7]
    worst = max(tested[rate].max() for rate in (0.01, 0.001, 1e-5))
    sentence = f"""
        - The article's picture stands: `0.5` still learns nothing, `0.0000001` still has hardly
        begun, at {several(begun, 2)}, and the three between them learn. **`0.00001` was slow,
        not stuck**: with forty times the steps it reaches {several(tested[1e-5])}.
        """
    return sentence, failed.min() > CHANCE, begun.min() > 2, begun.max() < CHANCE, worst < 0.3


@claim(full)
def the_articles_curves_are_read_rightly(full):
    larger, middle, smallest = (full.where(rate=rate) for rate in (0.01, 0.001, 1e-5))
    sentence = f"""
        - What it reads off its curves holds, the validation losses a little too high. It has `0.001`
        end at about `0.01` in training and `0.05` in validation; ours ends at
        {several(middle.final("loss"))} and {several(middle.final())}. It has `0.00001` very smooth,
        at about `0.25` in both; ours ends at {several(smallest.final("loss"))} and
        {several(smallest.final())}, and no seed's validation loss ever rises. And `0.01` oscillates
        more: the loss rises in {rises(larger).mean():.0f} of {full[0].settings["epochs"] - 1}
        epochs, at `0.001` in {rises(middle).mean():.0f}.
        """
    return (
        sentence,
        abs(middle.final("loss") - 0.01).max() < 0.005,
        middle.final().max() < 0.05,
        middle.final().min() > 0.025,
        abs(smallest.final("loss") - 0.25).max() < 0.05,
        smallest.final().max() < 0.25,
        smallest.final().min() > 0.15,
        rises(smallest).max() == 0,
        rises(larger).mean() > rises(middle).mean(),
    )


def lead(runs, name):
    """By how much `0.01` ends above `0.001`, seed by seed."""
    return runs.where(rate=0.01).minus(runs.where(rate=0.001), name)


@claim(five, full)
def the_order_is_turned_round(five, full):
    small, large = (
        [lead(runs, name) for name in ("test_loss", "validation_loss")] for runs in (five, full)
    )
    larger, smaller = ARTICLE[0.01][0], ARTICLE[0.001][0]
    sentence = f"""
        - **The order of `0.01` and `0.001` is turned round.** With the small budget the larger rate
        ends lower in each of {len(small[0])} seeds, here it ends higher in each of {len(large[0])},
        on validation and on test images: seed by seed by {several(large[0], 4)} on the latter. In
        the article's single runs it was {larger - smaller:.4f}, a loss {larger / smaller:.1f} times
        as high rather than the twice it says. Which rate is better depends on the budget; whether
        on its images or on its steps, these runs do not tell.
        """
    return sentence, np.max(small) < 0, np.min(large) > 0


# %%
full_size = dict(budget="FULL", epochs=5, seed=range(10))
sgd_full = measured(train, crossed(optimizer="SGD", rate=0.5, **full_size))


# %% tags=["hide-input"]
@claim(full.where(rate=0.5), sgd_full)
def nor_is_it_too_large_on_the_full_data(adam, sgd):
    tested = sgd.values("test_loss")
    sentence = f"""
        SGD at `0.5` on the full data, five epochs: {several(tested)} on the test images, and none of
        {len(sgd)} seeds fails.
        """
    return sentence, not learns(adam).any(), learns(sgd).all(), tested.max() < 0.1


# %% [markdown]
# ## The advice, weighed
#
# The article advises starting at the optimizer's default, raising the rate in small steps while
# watching the training history, and stopping shortly before the curve oscillates.


# %% tags=["hide-input"]
@claim(both)
def the_default_is_safe_for_adam_and_slow_for_sgd(both):
    adam, sgd = (both.where(optimizer=optimizer) for optimizer in ("Adam", "SGD"))
    default, best = (sgd.where(rate=rate).final() for rate in (0.01, sgd.best()))
    sentence = f"""
        - *Start at the default.* For Adam a safe start: at `0.001` all
        {len(adam.where(rate=0.001))} seeds learn. For SGD a slow one: Keras' default is `0.01`, and
        there the loss still ends at {several(default, 2)}.
        """
    return sentence, learns(adam.where(rate=0.001)).all(), default.min() > 5 * best.max()


@claim(five)
def the_curve_oscillates_before_the_cliff(five):
    high, low = (five.where(rate=rate) for rate in (0.01, 0.001))
    rising = (rises(high) > 0).sum()
    sentence = f"""
        - *Raise it until the curve oscillates.* The sign comes before the cliff, but not in every
        run. With Adam at `0.01` all seeds still learn, and the validation loss rises from one epoch
        to the next in {rising} of {len(high)} of them (in none at `0.001`). One quiet run is no
        proof that there is room left.
        """
    return sentence, learns(high).all(), rising > 0, rising < len(high), rises(low).max() == 0


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
# - Too small a rate wastes the budget, too large a one learns nothing: look for the cliff before you come
#   close to it.
# - A rate is good or bad for an optimizer and a budget, not by itself; expect network and data to
#   matter too.
# - One run proves little near the cliff: count seeds.
