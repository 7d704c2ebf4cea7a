# ---
# title: When the batch size changes
# description: When batches grow fivefold, keep the learning rate, or multiply it by the square root or in proportion? What each rule costs on eight measured trainings.
# ---

# %% [markdown]
# # When the batch size changes
#
# You know a good rate for batches of 50, and now train with batches of 250 for as many epochs. Keep the
# rate, multiply it by the square root of five, or by five?

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import FINE, RATES, label
from lrguide.guide.experiments import train
from lrguide.guide.measures import capped
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure
from lrguide.guide.tuning import FIRST

SMALL, LARGE = 50, 250
RULES = {"same rate": 1.0, "times the root of 5": 5**0.5, "times 5": 5.0}
ARTICLES = [
    ("Adam", "constant"),
    ("Adam", "linear"),
    ("Adam", "warmup linear"),
    ("SGD momentum", "constant"),
    ("SGD momentum", "linear"),
    ("SGD", "constant"),
]
DENSE = [("Adam", "constant"), ("SGD momentum", "constant")]
SMALL_NET = dict(network="dense", budget="SHORT")
PROBLEMS = [("article_cnn", *each) for each in ARTICLES] + [("dense", *each) for each in DENSE]


def named(network, optimizer, schedule):
    where = "dense" if network == "dense" else "article's"
    return f"{where}, {label(dict(optimizer=optimizer, schedule=schedule))}"


def valley(runs, problem, batch):
    """By rate the mean loss of one training with batches of this size."""
    network, optimizer, schedule = problem
    same = runs.where(network=network, optimizer=optimizer, schedule=schedule, batch=batch)
    return {rate: capped(group).mean() for rate, group in sorted(same.by("rate").items())}


def best(losses):
    return min(losses, key=losses.get)


def costs(runs):
    """By training and rule: the loss with large batches, divided by the lowest there."""
    rows = {}
    for problem in PROBLEMS:
        small, large = (valley(runs, problem, batch) for batch in (SMALL, LARGE))
        at = np.log([best(small) * factor for factor in RULES.values()])
        losses = np.interp(at, np.log([*large]), [*large.values()]) / min(large.values())
        rows[named(*problem)] = dict(zip(RULES, losses, strict=True))
    return rows


def drawn(runs):
    picture, axes = plots.subplots(height=3.8)
    rows = costs(runs)
    places = np.arange(len(rows))[::-1]
    for (rule, colour), marker in zip(zip(RULES, plots.COLOURS, strict=False), "os^", strict=True):
        values = [row[rule] for row in rows.values()]
        axes.plot(values, places, marker, color=colour, fillstyle="none", label=rule)
    axes.set_yticks(places, [*rows])
    axes.set(xscale="log", xlabel="loss with batches of 250 / the lowest there")
    axes.set_xticks([1, 1.5, 2, 3, 5, 8], ["1", "1.5", "2", "3", "5", "8"])
    axes.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def in_words(runs):
    rows = costs(runs)
    ends = (
        f"{rule} {min(r[rule] for r in rows.values()):.2f} to {max(r[rule] for r in rows.values()):.2f}"
        for rule in RULES
    )
    return (
        "Loss with batches of 250 at the best rate for batches of 50, scaled by three rules, divided by "
        f"the lowest loss there, on {len(rows)} trainings: {'; '.join(ends)}."
    )


# %% tags=["output-first"]
articles = [
    dict(optimizer=o, schedule=s, rate=rate, seed=seed, budget=budget)
    for budget in ("SHORT", "FEW_STEPS")  # batches of 50, and of 250
    for o, s in ARTICLES
    for rate in RATES
    for seed in FIRST
]
dense = [
    dict(SMALL_NET, optimizer=o, batch=batch, rate=rate, seed=seed)
    for batch in (SMALL, LARGE)
    for o, _ in DENSE
    for rate in FINE
    for seed in range(5)
]
runs = measured(train, articles + dense)
figure(runs, drawn, alt=in_words)

# %% [markdown]
# Each row is one training on 3,000 images for five epochs: 300 steps with batches of 50, and 60 with
# batches of 250. Its best rate with small batches was measured on a grid, with two seeds or five, then scaled
# by each rule; the mark says how far that is from the lowest loss of the grid with large batches.


# %% tags=["hide-input"]
@claim(runs)
def keep_it_rather_than_multiply_it(runs):
    rows = costs(runs)
    worst = {rule: max(row[rule] for row in rows.values()) for rule in RULES}
    same, root, five = worst.values()
    sentence = f"""
        **In doubt keep the rate: that never costs much here.** The loss ends at most
        {100 * (same - 1):.0f} % above the lowest. The square root costs up to {root:.1f} times the lowest
        loss, and the proportion, the *linear scaling rule*, up to {five:.1f} times.
        """
    return sentence, same < 1.5, root > 4, five > 7, same < root, root < five


@claim(runs)
def no_factor_is_right(runs):
    factors = {
        named(*each): best(valley(runs, each, LARGE)) / best(valley(runs, each, SMALL))
        for each in PROBLEMS
    }
    dense = [factor for name, factor in factors.items() if name.startswith("dense")]
    others = [factor for name, factor in factors.items() if not name.startswith("dense")]
    kept = sum(0.7 < factor < 1.4 for factor in others)
    sentence = f"""
        **No factor is right for all.** From batches of 50 to 250 the best rate of the grid stays where it
        is in {kept} of {len(others)} trainings of the article's network, and grows at most
        {max(others):.1f} times. With the dense one it grows {min(dense):.0f} times with either
        optimizer, so that the proportion is nearly right.
        """
    return sentence, min(others) > 0.7, max(others) < 4, kept >= 2, min(dense) > 3, max(dense) < 5


@claim(runs)
def a_warmup_makes_room_for_the_root(runs):
    rows = costs(runs)
    warm, plain = rows["article's, Adam warmup linear"], rows["article's, Adam constant"]
    sentence = """
        **With a warmup the square root fits.** Where warmup and linear decay follow the rate, Adam's best
        rate grows with the batch, and its square root ends closer to the lowest loss than the same
        rate. Without a schedule it is the other way round.
        """
    return (
        sentence,
        warm["times the root of 5"] < warm["same rate"],
        plain["times the root of 5"] > plain["same rate"],
    )


# %% [markdown]
# The linear scaling rule[^1] was found where the number of epochs is kept and training is long, with a
# warmup; the square root is what [theory says of Adam](https://arxiv.org/abs/2205.10287). Here large
# batches leave 60 steps in place of 300, and such a training needs each of them. So a rule for the batch is one
# for a network and a number of steps. When the batch changes, [find the rate again](snippets.md#find-a-rate):
# it costs no more than one training.
#
# [^1]: Goyal et al. 2017, [*Accurate, Large Minibatch SGD*](https://arxiv.org/abs/1706.02677).
#
# ## Try it
#
# Find a rate for batches of 50 and for batches of 250. By which factor does it change?

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=500, test=500)
for batch_size in (50, 250):  # <- your batch sizes
    keras.utils.set_random_seed(0)
    model = lrguide.article_cnn()
    model.compile("adam", "categorical_crossentropy")
    found = lrguide.find_rate(
        model,
        data.x_train,
        data.y_train,
        steps=3 * 2000 // batch_size,
        batch_size=batch_size,
        verbose=0,
    )
    print(f"batches of {batch_size}: {found.rate:.2g}")

# %% [markdown]
# ## What to remember
#
# - With more images in a batch and the same epochs, start from the same rate, not from a multiple.
# - A factor that was right elsewhere belongs to its network, its schedule and its number of steps.
# - Find the rate anew where you can.
