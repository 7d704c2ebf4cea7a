# ---
# title: Batch size, weight decay, fine-tuning
# description: Another batch size, a weight decay to choose, layers that have learned already - what each means for the learning rate, measured.
# ---

# %% [markdown]
# # Batch size, weight decay, fine-tuning
#
# ## When the batch size changes
#
# You know a good rate for batches of 50, and now train with batches of 250 for as many epochs. Keep the
# rate, multiply it by the square root of five, or by five?

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide import pairs
from lrguide.guide.contenders import FINE, RATES, label
from lrguide.guide.experiments import train
from lrguide.guide.measures import capped, several
from lrguide.guide.problems import Problem
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure, table
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

# %% [markdown]
# ## Rate and weight decay
#
# AdamW takes two numbers. Must you find them together, one after the other, or the rate alone?

# %% tags=["output-first", "hide-input"]
DECAYS = (0.0, 0.004, 0.04, 0.4)  # the second is Keras' default
ADAMW = dict(optimizer="AdamW", schedule="warmup linear")
DECAYED = [
    Problem(name, ADAMW | more, rates, seeds=(0, 1, 2))
    for name, more, rates in (
        ("transformer, addition", dict(task="ADDITION"), (3e-4, 0.001, 0.003, 0.01, 0.03)),
        ("autoencoder", dict(task="AUTOENCODER", epochs=64), (0.001, 0.003, 0.01, 0.03, 0.1)),
        ("regression", dict(task="FRIEDMAN", epochs=48), (0.003, 0.01, 0.03, 0.1, 0.3)),
    )
]


def asked(problems, setting, values):
    return [
        {**each, setting: value}
        for problem in problems
        for each in problem.trainings()
        for value in values
    ]


def lines(runs, problems, setting, values, called):
    """For each problem the loss against the rate, a line for each value of a setting."""
    picture, panels = plots.subplots(len(problems), 1, height=7)
    for problem, axes in zip(problems, panels, strict=True):
        found = pairs.losses(problem, runs, setting).mean(axis=2)
        for place, value in enumerate(values):
            style = dict(marker="os^D"[place], color=plots.COLOURS[place], fillstyle="none")
            axes.plot(problem.rates, found[:, place], label=called(value), **style)
        axes.set(xscale="log", yscale="log", title=problem.name)
    picture.supylabel("validation loss at the end", fontsize=11)
    panels[-1].set(xlabel="learning rate")
    handles, labels = panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)
    return picture


def lowest(runs, problems, setting, values, called):
    """In words: the pair with the lowest mean loss on each problem."""
    told = []
    for problem in problems:
        found = pairs.losses(problem, runs, setting).mean(axis=2)
        row, column = pairs.both(found)
        told.append(f"{problem.name} at rate {problem.rates[row]:g}, {called(values[column])}")
    return f"Loss against the rate. The lowest: {'; '.join(told)}."


def costs_by_way(runs, problems, setting, ways):
    """For each problem what each way costs, by the seed that chooses."""
    found = [pairs.losses(problem, runs, setting) for problem in problems]
    return [{name: pairs.costs(each, way) for name, way in ways.items()} for each in found]


def cost_rows(runs, problems, *how):
    return [
        {"training": problem.name, **{name: several(cost, 2) for name, cost in costs.items()}}
        for problem, costs in zip(problems, costs_by_way(runs, problems, *how), strict=True)
    ]


decayed = measured(train, asked(DECAYED, "weight_decay", DECAYS))
DECAY_SHOWN = (DECAYED, "weight_decay", DECAYS, lambda value: f"weight decay {value:g}")
figure(
    decayed,
    lambda runs: lines(runs, *DECAY_SHOWN),
    alt=lambda runs: lowest(runs, *DECAY_SHOWN),
)

# %% [markdown]
# Three trainings with AdamW, warmup and linear decay: 1,000 steps of a transformer, 4,800 of two small networks.
# Each point is the mean of three seeds.

# %% tags=["hide-input"]
ORDER = {
    "the rate alone": pairs.rate_at(DECAYS.index(0.004)),
    "then the decay": pairs.then_the_other(DECAYS.index(0.004)),
    "all pairs": pairs.both,
}


@claim(decayed)
def the_rate_alone(decayed):
    found = costs_by_way(decayed, DECAYED, "weight_decay", ORDER)
    alone, then, both = (100 * (max(each[name].max() for each in found) - 1) for name in ORDER)
    sentence = f"""
        **Find the rate, and leave the decay as it is.** At Keras' default decay the rate that one seed
        chooses ends at most {alone:.0f} % above the lowest of all twenty pairs. To look for the decay then
        leaves up to {then:.0f} %, and all pairs, at four times the price, up to {both:.0f} %.
        """
    return sentence, f"{alone:.0f} {then:.0f} {both:.0f}" == "5 5 5"


table(
    decayed,
    lambda runs: cost_rows(runs, DECAYED, "weight_decay", ORDER),
    caption="Loss at what one seed chooses / the lowest, judged by the others: mean (range)",
)

# %% [markdown]
# ## A rate for each layer
#
# In fine-tuning, a new last layer stands on layers that have learned already. Should these take a lower rate, or
# none?

# %% tags=["output-first", "hide-input"]
SHARES = (1.0, 0.3, 0.1, 0.0)
SGD = dict(optimizer="SGD momentum", schedule="warmup linear")
TUNED = [
    Problem(name, dict(task="FINE_TUNING") | more, rates, seeds=range(5))
    for name, more, rates in (
        ("Adam", dict(optimizer="Adam", training=600), (3e-4, 0.001, 0.003, 0.01, 0.03, 0.1)),
        ("SGD with momentum", SGD, (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
        (
            "Adam, 60 images",
            dict(optimizer="Adam", training=60, epochs=100),
            (3e-4, 0.001, 0.003, 0.01, 0.03, 0.1),
        ),
    )
]


def share_called(value):
    if value == 0:
        return "layers below frozen"
    return "one rate for all" if value == 1 else f"{value:g} of the rate below"


tuned = measured(train, asked(TUNED, "body_rate", SHARES))
SHARES_SHOWN = (TUNED, "body_rate", SHARES, share_called)
figure(tuned, lambda runs: lines(runs, *SHARES_SHOWN), alt=lambda runs: lowest(runs, *SHARES_SHOWN))

# %% [markdown]
# The network has learned the digits from 0 to 4 and now learns those from 5 to 9, in 300 steps, from 600 images
# or from 60. Each point is the mean of five seeds.

# %% tags=["hide-input"]
LAYERS = {
    "one rate for all": pairs.rate_at(0),
    "layers below frozen": pairs.rate_at(3),
    "all pairs": pairs.both,
}


@claim(tuned)
def do_not_freeze(tuned):
    found = costs_by_way(tuned, TUNED, "body_rate", LAYERS)
    frozen = np.concatenate([each["layers below frozen"] for each in found])
    common = [each["one rate for all"] for each in found]
    others = np.concatenate(common[1:])
    sentence = f"""
        **Do not freeze what has learned: let it go on learning, at the same rate or a third of it.** With
        frozen layers the loss ends at {frozen.min():.1f} to {frozen.max():.0f} times the lowest. One rate
        for all is near the lowest with SGD and with 60 images, at most {others.max():.1f} times it; with
        Adam and 600 images it ends at {common[0].min():.1f} to {common[0].max():.1f} times what `0.3` of the
        rate below gives.
        """
    below = pairs.costs(pairs.losses(TUNED[0], tuned, "body_rate"), pairs.rate_at(1))
    return (
        sentence,
        f"{frozen.min():.1f} {frozen.max():.0f}" == "2.8 23",
        f"{others.max():.1f}" == "1.4",
        f"{common[0].min():.1f} {common[0].max():.1f}" == "1.8 3.5",
        below.max() < 1.001,
    )


table(
    tuned,
    lambda runs: cost_rows(runs, TUNED, "body_rate", LAYERS),
    caption="Loss at what one seed chooses / the lowest, judged by the others: mean (range)",
)

# %% [markdown]
# Here the new digits differ from those that the layers know. Where the new task is closer to the old one, or the
# network far larger, frozen layers may do better; that was not measured. A
# [snippet](snippets.md#a-rate-for-each-layer) gives each layer its rate. `find_rate` takes one rate: find it with one for
# all, and then try a third of it below.
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
# - With AdamW find the rate first, at the default decay.
# - In fine-tuning let all layers learn, the lower ones at the same rate or a third of it.
# - Find the rate anew where you can.
