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
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.experiments import sweep, train
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.tuning import range_test

CHANCE = log(10)  # the loss of guessing among ten digits
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


def capped(runs):
    """Validation losses at the end; whatever is worse than guessing counts as guessing."""
    losses = runs.final()
    return np.where(np.isfinite(losses), np.minimum(losses, CHANCE), CHANCE)


def best_of(runs, problem):
    """The rate of the grid with the lowest mean loss."""
    groups = of(runs, problem).by("rate")
    return min(FINE, key=lambda rate: capped(groups[rate]).mean())


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
FINE = [1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02]
FINE += [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
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
def regret(runs, problem, rule):
    """What the rule's rate costs on a problem; NaN where it has no answer."""
    groups = of(runs, problem).by("rate")
    means = {rate: capped(group).mean() for rate, group in groups.items()}
    return means.get(suggestions[title(problem)][rule], np.nan) - min(means.values())


def regrets(runs, rule):
    return np.array([regret(runs, problem, rule) for problem in PROBLEMS])


def spread(runs, problem):
    """How far the seeds lie apart at the best rate, from the lowest to the highest."""
    group = of(runs, problem)
    return np.ptp(capped(group.where(rate=group.best())))


def in_short(value, digits=".3f"):
    return "no answer" if np.isnan(value) else f"{value:{digits}}"


everything = Runs(grid + at_suggestion)
table(
    everything,
    lambda runs: (
        [
            {
                "network, batch, optimizer": title(problem),
                **{rule: in_short(regret(runs, problem, rule)) for rule in RULES},
                "seeds apart": f"{spread(runs, problem):.3f}",
            }
            for problem in PROBLEMS
        ]
        + [
            {
                "network, batch, optimizer": what,
                **{rule: in_short(of_all(regrets(runs, rule))) for rule in RULES},
                "seeds apart": "",
            }
            for what, of_all in (("*median*", np.nanmedian), ("*worst*", np.nanmax))
        ]
    ),
    caption="Regret of each rule; how far seeds lie apart at the best rate",
)


def too_low(runs, rule):
    """By which factor the best rate lies above the rule's answer, where it has one."""
    factors = 1 / aims(runs, rule)
    return factors[np.isfinite(factors)]


def thrice(runs):
    """The regret at three times minimum/10, at the nearest rate of the grid, beside its own."""
    both = []
    for problem in PROBLEMS:
        if rate := suggestions[title(problem)]["minimum/10"]:
            groups = of(runs, problem).by("rate")
            near = min(FINE, key=lambda r: abs(np.log(r / (3 * rate))))
            least = min(capped(group).mean() for group in groups.values())
            both.append((capped(groups[near]).mean() - least, regret(runs, problem, "minimum/10")))
    return np.array(both)


def within(runs, rule):
    """On how many problems the regret is smaller than the spread of the seeds at the best rate."""
    spreads = np.array([spread(runs, problem) for problem in PROBLEMS])
    return int((regrets(runs, rule) < spreads).sum())


@claim(everything)
def lrguide_keeps_recommending_minimum_for_what(runs):
    sentence = f"""
        **lrguide keeps recommending minimum/10, for what it avoids**: its regret is smallest where
        it does worst, {np.nanmax(regrets(runs, "minimum/10")):.2f}, against
        {np.nanmax(regrets(runs, "lowest point")):.2f} for the lowest point itself,
        {np.nanmax(regrets(runs, "steepest")):.2f} for steepest (which is a little better at the
        median) and {np.nanmax(regrets(runs, "valley")):.2f} for valley. That is no proof of
        precision. Only on {within(runs, "minimum/10")} of {len(PROBLEMS)} problems is its regret
        smaller than what lies between seeds at the best rate anyway, and on the small network with
        BatchNorm no rule comes close with Adam.
        """
    return (
        sentence,
        all((too_low(runs, rule) > 1).all() for rule in ("minimum/10", "valley")),
        min(RULES, key=lambda rule: np.nanmax(regrets(runs, rule))) == "minimum/10",
        np.nanmedian(regrets(runs, "steepest")) < np.nanmedian(regrets(runs, "minimum/10")),
        np.nanmax(regrets(runs, "steepest")) > np.nanmax(regrets(runs, "minimum/10")),
        np.nanmin([regret(runs, PROBLEMS[2], rule) for rule in RULES]) > 0.5,
    )


@claim(everything)
def it_errs_on_one_side(runs):
    sentence = f"""
        **It errs on one side**: the best rate lies above it each time, by a factor of
        {too_low(runs, "minimum/10").min():.1f} to {too_low(runs, "minimum/10").max():.0f}. At three
        times its rate, to the nearest of the grid, the regret is smaller on
        {int((thrice(runs)[:, 0] < thrice(runs)[:, 1]).sum())} of the {len(thrice(runs))} problems
        on which it has an answer, {np.median(thrice(runs)[:, 0]):.3f} instead of
        {np.median(thrice(runs)[:, 1]):.3f} at the median. That was looked at afterwards, so take it
        as a reason to try that rate as well, not as a better rule.
        """
    return (
        sentence,
        (too_low(runs, "minimum/10") > 1.5).all(),
        (thrice(runs)[:, 0] < thrice(runs)[:, 1]).sum() >= len(thrice(runs)) - 1,
        np.median(thrice(runs)[:, 0]) < np.median(thrice(runs)[:, 1]) / 2,
    )


@claim(everything)
def the_lowest_point_is_right_more(runs):
    sentence = f"""
        The lowest point is right more often, on {within(runs, "lowest point")} of {len(PROBLEMS)}
        by that measure, and a disaster once: with Adam on the article's network it costs
        {regret(runs, PROBLEMS[0], "lowest point"):.2f}.
        """
    return (
        sentence,
        regret(runs, PROBLEMS[0], "lowest point") > 0.5,
        within(runs, "lowest point") > within(runs, "minimum/10"),
    )


def without_answer(runs, rule):
    """The problems on which a rule has no answer, each with its reason."""
    found = {title(problem): range_test(of(runs, problem)).suggest()[rule] for problem in PROBLEMS}
    return {name: each.reason for name, each in found.items() if each.rate is None}


@claim(sweeps)
def the_missing_answers_minimum_has_none(runs):
    sentence = f"""
        The missing answers: minimum/10 has none on
        {" and ".join(without_answer(runs, "minimum/10"))}, and steepest none on
        {" and ".join(without_answer(runs, "steepest"))}, because their seeds lie more than ten
        times apart.
        """
    return (
        sentence,
        [*without_answer(runs, "minimum/10")] == ["BatchNorm, 50, Adam"],
        [*without_answer(runs, "steepest")] == ["article's, 50, Adam"],
        not without_answer(runs, "valley"),
        all(
            "too far apart" in reason
            for rule in RULES[1:]
            for reason in without_answer(runs, rule).values()
        ),
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


def exponential(losses, memory=0.98):
    """Exponential moving average, each step's weights summing to 1 (debiased)."""
    index = np.arange(len(losses))
    weights = np.tril(memory ** (index[:, None] - index))
    return weights @ losses / weights.sum(axis=1)


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
    smooth = exponential(losses)
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


def factor(runs, optimizer):
    """The largest suggestion divided by the smallest."""
    rates = list(all_rules(runs, optimizer).values())
    return np.nanmax(rates) / np.nanmin(rates)


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


def closest(runs, optimizer):
    """The rule whose answer is nearest to the best rate of the grid, by factors."""
    rates = {rule: r for rule, r in all_rules(runs, optimizer).items() if np.isfinite(r)}
    return min(rates, key=lambda rule: abs(np.log(rates[rule] / BEST[optimizer])))


@claim(both)
def from_the_same_sweeps_the_rules(runs):
    sentence = f"""
        **From the same sweeps the rules' answers differ by a factor of {factor(runs, "Adam"):,.0f}
        with Adam and {factor(runs, "SGD momentum"):,.0f} with SGD and momentum.** The far ends are
        rules that look for the steepest slope over the rate itself, not over its logarithm: there
        noise at the smallest rates is divided by almost nothing. Closest to the best rate of the
        grid is {closest(runs, "Adam")} with Adam and {closest(runs, "SGD momentum")} with SGD and
        momentum; two cases make no rule.
        """
    return (
        sentence,
        all(factor(runs, o) > 100 for o in OPTIMIZERS),
        all_rules(runs, "Adam")["Lightning"] < BEST["Adam"] / 100,
        closest(runs, "Adam") != closest(runs, "SGD momentum"),
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
# - `minimum/10` errs on the low side: try three times its rate beside it.
# - Tools differ in their rules and their smoothing: know which rule gave you a rate.
