# ---
# title: Range test rules, judged by training
# description: What each rule of the range test costs when you train at the rate it names, on eight problems - and how far the rules of other packages lie apart.
# ---

# %% [markdown]
# # Range test rules, judged by training
#
# A rule reads a rate off the curve of a [range test](range_test.py). What that rate is worth shows when
# you train at it, and at others.

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import FINE
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import capped, moving_average
from lrguide.guide.measures import regrets as regrets_by_rate
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.tuning import range_test

RULES = ["lowest point", "minimum/10", "valley", "steepest"]


def title(problem):
    network = {"article_cnn": "article's", "normalised_cnn": "BatchNorm"}
    where = f"{network.get(problem['network'], problem['network'])}, {problem['batch']}"
    return f"{where}, {problem['optimizer'].replace(' momentum', '+m')}"


def of(runs, problem):
    """The runs of one problem."""
    return runs.where(**problem)


def suggested(problem):
    """What each rule says, to two digits; None without an answer."""
    found = range_test(of(sweeps, problem)).suggest()
    rates = {rule: found[rule].rate for rule in RULES[1:]}
    rates = {"lowest point": rates["minimum/10"] and 10 * rates["minimum/10"], **rates}
    return {rule: rate and float(f"{rate:.2g}") for rule, rate in rates.items()}


def best_of(runs, problem):
    """The rate of the grid with the lowest mean loss."""
    return Runs(run for run in of(runs, problem) if run.settings["rate"] in FINE).best()


def aims(runs, rule):
    """How many times the best rate the rule's rate is, for each problem; NaN without an answer."""
    rates = [suggestions[title(problem)][rule] or np.nan for problem in PROBLEMS]
    return np.array(rates) / [best_of(runs, problem) for problem in PROBLEMS]


def rules_beside_the_best_rate(runs):
    picture, axes = plots.subplots(height=3.8)
    rows = np.arange(len(PROBLEMS))[::-1]
    for rule, colour, marker in zip(RULES, plots.COLOURS, "D^os", strict=False):
        factors = aims(runs, rule)
        there = np.isfinite(factors)
        axes.plot(factors[there], rows[there], marker, color=colour, fillstyle="none", label=rule)
    axes.axvline(1, color="#000000", linewidth=1, label="best rate of the grid")
    axes.set_yticks(rows, [title(problem) for problem in PROBLEMS])
    axes.set(xscale="log", xlabel="the rule's rate / the best rate")
    axes.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def aims_in_words(runs):
    return (
        "How many times the best rate each rule's rate is, on eight problems: "
        + "; ".join(
            f"{rule} {np.nanmin(aims(runs, rule)):.2g} to {np.nanmax(aims(runs, rule)):.2g}"
            for rule in RULES
        )
        + "."
    )


# %% tags=["output-first"]
NETWORKS = [("article_cnn", 50), ("normalised_cnn", 50)]
NETWORKS += [("dense", 50), ("dense", 250)]
PROBLEMS = [
    dict(
        network=network,
        batch=batch,
        optimizer=optimizer,
        budget="SHORT",
    )
    for network, batch in NETWORKS
    for optimizer in ("Adam", "SGD momentum")
]
sweeps = measured(
    sweep,
    [
        dict(
            problem,
            seed=seed,
            steps=100,
        )
        for problem in PROBLEMS
        for seed in range(5)
    ],
)
grid = measured(
    train,
    [
        dict(problem, rate=rate, seed=seed)
        for problem in PROBLEMS
        for rate in FINE
        for seed in range(5)
    ],
)
suggestions = {title(problem): suggested(problem) for problem in PROBLEMS}
figure(grid, rules_beside_the_best_rate, alt=aims_in_words)

# %% [markdown]
# Here are eight problems, each named by its network, batch size and optimizer; none of them had a part in
# choosing the rules or their constants. (The article's is the convolutional network of the other pages,
# BatchNorm a smaller one with batch normalisation, dense has two dense layers; SGD+m is SGD with a
# momentum of `0.9`.) On each, a sweep of 100 steps with five seeds gives every rule's rate, rounded to
# two digits. The line is the best of fifteen rates, at each of which a network was trained with the same
# five seeds, for 300 steps of 50 images or 60 of 250. A mark to its left is a rate that is lower than the
# best; a missing mark is a rule without an answer.
#
# ## Trained at what they suggest
#
# Each network is trained at each rule's rate, too. The [regret](glossary.md#regret) is the mean
# validation loss there minus the lowest mean of all the rates tried, where a loss worse than guessing
# counts as guessing.

# %%
at_suggestion = measured(
    train,
    [
        dict(problem, rate=rate, seed=seed)
        for problem in PROBLEMS
        for rate in suggestions[title(problem)].values()
        if rate is not None
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def regrets(runs):
    """What each rule's rate costs, problem by problem; NaN where it has no answer."""
    costs = {title(problem): regrets_by_rate(of(runs, problem)) for problem in PROBLEMS}
    return {
        rule: np.array([cost.get(suggestions[name][rule], np.nan) for name, cost in costs.items()])
        for rule in RULES
    }


def spreads(runs):
    """How far the seeds lie apart at the best rate of each problem, from the lowest to the highest."""
    groups = [of(runs, problem) for problem in PROBLEMS]
    return np.array([np.ptp(capped(group.where(rate=group.best()))) for group in groups])


def in_short(value, digits=".3f"):
    return "no answer" if np.isnan(value) else f"{value:{digits}}"


def judged_by_training(runs):
    """A row for each problem, then the median and the worst of all."""
    costs = regrets(runs)
    rows = [(title(problem), number) for number, problem in enumerate(PROBLEMS)]
    return [
        {
            "network, batch, optimizer": name,
            **{rule: in_short(costs[rule][number]) for rule in RULES},
            "seeds apart": f"{spreads(runs)[number]:.3f}",
        }
        for name, number in rows
    ] + [
        {
            "network, batch, optimizer": what,
            **{rule: in_short(of_all(costs[rule])) for rule in RULES},
            "seeds apart": "",
        }
        for what, of_all in (("*median*", np.nanmedian), ("*worst*", np.nanmax))
    ]


everything = Runs(grid + at_suggestion)
table(
    everything,
    judged_by_training,
    caption="Regret of each rule; how far seeds lie apart at the best rate",
)


@claim(everything)
def minimum_tenth_is_recommended_for_what_it_avoids(everything):
    costs = regrets(everything)
    worst = {rule: np.nanmax(costs[rule]) for rule in RULES}
    median = {rule: np.nanmedian(costs[rule]) for rule in RULES}
    within = (costs["minimum/10"] < spreads(everything)).sum()
    sentence = f"""
        **lrguide keeps recommending minimum/10, for what it avoids**: its regret is smallest where it
        does worst, {worst["minimum/10"]:.2f}, against {worst["lowest point"]:.2f} for the lowest
        point itself, {worst["steepest"]:.2f} for steepest (which is a little better at the median)
        and {worst["valley"]:.2f} for valley. That is no proof of precision. Only on {within} of
        {len(PROBLEMS)} problems is its regret smaller than what lies between seeds at the best rate
        anyway, and on the small network with BatchNorm no rule comes close with Adam.
        """
    return (
        sentence,
        min(RULES, key=lambda rule: worst[rule]) == "minimum/10",
        median["steepest"] < median["minimum/10"],
        median["steepest"] > median["minimum/10"] - 0.05,
        within < len(PROBLEMS) / 2,
        np.nanmin([costs[rule][2] for rule in RULES]) > 0.5,
    )


@claim(everything)
def it_errs_on_one_side(everything):
    factors = 1 / aims(everything, "minimum/10")
    factors = factors[np.isfinite(factors)]
    own, thrice = [], []
    for problem in PROBLEMS:
        if rate := suggestions[title(problem)]["minimum/10"]:
            costs = regrets_by_rate(of(everything, problem))
            near = min(FINE, key=lambda other: abs(np.log(other / (3 * rate))))
            own.append(costs[rate])
            thrice.append(costs[near])
    smaller = (np.array(thrice) < own).sum()
    sentence = f"""
        **It errs on one side**: the best rate lies above it each time, by a factor of
        {factors.min():.1f} to {factors.max():.0f}. At three times its rate, to the nearest of the
        grid, the regret is smaller on {smaller} of the {len(own)} problems on which it has an answer,
        {np.median(thrice):.3f} instead of {np.median(own):.3f} at the median. That was looked at
        afterwards, so take it as a reason to try that rate as well, not as a better rule.
        """
    return (
        sentence,
        factors.min() > 1.5,
        smaller >= len(own) - 1,
        np.median(thrice) < np.median(own) / 2,
    )


@claim(everything)
def the_lowest_point_is_right_more_often(everything):
    costs, apart = regrets(everything), spreads(everything)
    within = {rule: (costs[rule] < apart).sum() for rule in RULES}
    sentence = f"""
        The lowest point is right more often, on {within["lowest point"]} of {len(PROBLEMS)} by that
        measure, and a disaster once: with Adam on the article's network it costs
        {costs["lowest point"][0]:.2f}.
        """
    return (
        sentence,
        costs["lowest point"][0] > 0.5,
        within["lowest point"] > within["minimum/10"],
    )


@claim(sweeps)
def where_a_rule_has_no_answer(sweeps):
    missing = {rule: {} for rule in RULES[1:]}
    for problem in PROBLEMS:
        found = range_test(of(sweeps, problem)).suggest()
        for rule, problems in missing.items():
            if found[rule].rate is None:
                problems[title(problem)] = found[rule].reason
    reasons = [reason for problems in missing.values() for reason in problems.values()]
    sentence = f"""
        The missing answers: minimum/10 has none on {" and ".join(missing["minimum/10"])}, and
        steepest none on {" and ".join(missing["steepest"])}, because their seeds lie more than ten
        times apart.
        """
    return (
        sentence,
        [*missing["minimum/10"]] == ["BatchNorm, 50, Adam"],
        [*missing["steepest"]] == ["article's, 50, Adam"],
        not missing["valley"],
        all("too far apart" in reason for reason in reasons),
    )


# %% [markdown]
# How sure is that? These are eight problems with one data set and short trainings, and their five seeds
# are those of the sweeps. Take the suggestion as a place to start from, and try a rate three times as
# large beside it.
#
# ## Tools disagree
#
# Six rules of other packages[^1] on the sweeps of the article's network, each computed as its source
# defines it, smoothing included: the median over five seeds.
#
# [^1]: fastai `2.8` (`valley`, `minimum`, `steep`, `slide`), Lightning `2.6`, `pytorch-lr-finder`.
#     Their own sweeps differ in range and stopping; here all read ours.


# %% tags=["hide-input"]
OPTIMIZERS = ["Adam", "SGD momentum"]
both = sweeps.where(network="article_cnn")


def longest_fall(losses):
    """fastai's valley: about the middle of the longest decreasing subsequence."""
    lengths = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        lengths[i] += max(lengths[:i][losses[:i] > losses[i]], default=0)
    end = int(np.argmax(lengths))
    start = end - lengths[end]
    third = (end - start) / 3
    return max(0, start + int(third) + int(third / 2))


def slide(losses):
    """fastai's slide: from the right, until the slope changes little over fifteen steps."""
    slope, right = np.gradient(losses), len(losses) - 1
    while right > 15 and abs(slope[right] - slope[right - 15]) > 0.005:
        right -= 1
    return right - 15


def elsewhere(rates, losses):
    """The answers of other packages' rules for one sweep."""
    smooth = moving_average(losses)
    cut = slice(len(rates) // 10, len(rates) - 5)
    fast, fast_rates = smooth[cut], rates[cut]
    torch = np.array(losses)
    for step in range(1, len(torch)):
        torch[step] = 0.05 * torch[step] + 0.95 * torch[step - 1]
    steep = np.argmin(np.diff(fast) / np.diff(np.log(fast_rates)))
    return {
        "fastai valley": fast_rates[longest_fall(fast)],
        "fastai minimum": fast_rates[np.argmin(fast)] / 10,
        "fastai slide": fast_rates[slide(fast)],
        "fastai steep": fast_rates[steep],
        "Lightning": rates[10:-1][np.argmin(np.gradient(smooth[10:-1], rates[10:-1]))],
        "pytorch-lr-finder": rates[10:-5][np.argmin(np.gradient(torch[10:-5]))],
    }


def all_rules(runs, optimizer):
    """By rule, the median suggestion; NaN without an answer."""
    here = runs.where(optimizer=optimizer)
    found = range_test(here).suggest()
    others = []
    for rates, losses in zip(here.values("sweep_rates"), here.values("sweep_losses"), strict=True):
        finite = np.isfinite(losses)  # up to where the sweep was stopped
        others.append(elsewhere(rates[finite], losses[finite]))
    return {
        **{rule: found[rule].rate or np.nan for rule in RULES[1:]},
        **{rule: np.exp(np.median([np.log(o[rule]) for o in others])) for rule in others[0]},
    }


table(
    both,
    lambda runs: [
        {"rule": rule, **{o: in_short(all_rules(runs, o)[rule], ".2g") for o in OPTIMIZERS}}
        for rule in all_rules(runs, "Adam")
    ],
    caption="What each rule reads off the same sweeps",
)
ARTICLE = grid.where(network="article_cnn")
BEST = {optimizer: runs.best() for optimizer, runs in ARTICLE.by("optimizer").items()}


@claim(both, ARTICLE)
def the_rules_differ_by_hundreds(both, trained):
    answers = {optimizer: all_rules(both, optimizer) for optimizer in OPTIMIZERS}
    best = {optimizer: runs.best() for optimizer, runs in trained.by("optimizer").items()}
    rates = {optimizer: list(answers[optimizer].values()) for optimizer in OPTIMIZERS}
    factor = {o: np.nanmax(rates[o]) / np.nanmin(rates[o]) for o in OPTIMIZERS}
    closest = {
        o: min(
            (rule for rule, rate in answers[o].items() if np.isfinite(rate)),
            key=lambda rule: abs(np.log(answers[o][rule] / best[o])),
        )
        for o in OPTIMIZERS
    }
    sentence = f"""
        **From the same sweeps the rules' answers differ by a factor of {factor["Adam"]:,.0f} with
        Adam and {factor["SGD momentum"]:,.0f} with SGD and momentum.** The far ends are rules that
        look for the steepest slope over the rate itself, not over its logarithm: there noise at the
        smallest rates is divided by almost nothing. Closest to the best rate of the grid is
        {closest["Adam"]} with Adam and {closest["SGD momentum"]} with SGD and momentum; two cases
        make no rule.
        """
    return (
        sentence,
        factor["Adam"] > 100,
        factor["SGD momentum"] > 100,
        answers["Adam"]["Lightning"] < best["Adam"] / 100,
        closest["Adam"] == "fastai slide",
        closest["SGD momentum"] == "fastai minimum",
    )


# %% [markdown]
# ## Try it
#
# A rule's rate, three times it, ten times it: which of them are tied? Your model, compiled; two arrays.

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

keras.utils.set_random_seed(0)
data = mnist_subset().first(training=2000, validation=1000, test=1000)
layers = [
    keras.Input((28, 28, 1)),
    keras.layers.Flatten(),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
]
model = keras.Sequential(layers)
model.compile("adam", "categorical_crossentropy")
given = dict(x=data.x_train, y=data.y_train, batch_size=50, verbose=0)
result = lrguide.lr_range_test(model, **given)
rate = result.suggest()["minimum/10"].rate
rates = [rate, 3 * rate, 10 * rate]
print(result.confirm(model, rates=rates, steps=80, **given))

# %% [markdown]
# ## What to remember
#
# - A rule names a place to start from: a training there, and at other rates, tells what it is worth.
# - Beside the rate of `minimum/10` try three times that rate.
# - Tools differ in their rules and their smoothing: know which rule gave you a rate.
