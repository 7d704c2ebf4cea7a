# ---
# title: Range test rules, judged by training
# description: What each rule of the range test costs when you train at the rate it names, on eight problems - and how far the rules of other packages lie apart.
# ---

# %% [markdown]
# # Range test rules, judged by training
#
# A rule reads a rate off the curve of a [range test](range_test.py). What that rate is worth shows when
# you train at it, and at others. No rule is good on all of eight problems. The steepest point costs less
# than a tenth of the minimum, and both mostly name a rate that is too low.

# %% tags=["hide-input"]
from functools import cache

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import FINE
from lrguide.guide.contrasts import compared, named, share_that_learns
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import capped, moving_average, regrets
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure, table
from lrguide.range_test import RangeTestResult

RULES = ["lowest point", "minimum/10", "valley", "steepest"]
DEFAULTS = {"Adam": 0.001, "SGD momentum": 0.01}  # Keras' own rates
NO_TEST = "no test"  # what is taken without a range test, Keras' own rate


def title(problem):
    network = {"article_cnn": "article's", "normalised_cnn": "BatchNorm"}
    where = f"{network.get(problem['network'], problem['network'])}, {problem['batch']}"
    return f"{where}, {problem['optimizer'].replace(' momentum', '+m')}"


@cache  # the tests of this page ask for the same curves many times
def read(*curves):
    """What every rule says of some sweeps, each a row of rates and one of losses."""
    losses = np.array([losses for _, losses in curves], float)
    rates = np.array(curves[0][0])
    return RangeTestResult(rates, losses, tuple(range(len(curves)))).suggest()


def told(sweeps, problem):
    names = ("sweep_rates", "sweep_losses")
    return read(*(tuple(tuple(run.result[n]) for n in names) for run in sweeps.where(**problem)))


def answers_of(sweeps, problem):
    """The rate that each rule names, to two digits; None without an answer."""
    found = told(sweeps, problem)
    rates = {rule: found[rule].rate for rule in RULES[1:]}
    rates = {"lowest point": rates["minimum/10"] and 10 * rates["minimum/10"], **rates}
    return {rule: rate and float(f"{rate:.2g}") for rule, rate in rates.items()}


def taken(sweeps, problem):
    """The rate that is trained with: Keras' own where a rule has no answer."""
    own = DEFAULTS[problem["optimizer"]]
    rates = answers_of(sweeps, problem)
    return {rule: rates.get(rule) or own for rule in (*RULES, NO_TEST)}


def marks(rows, xlabel, **look):
    """For each problem a mark a rule: `rows` has a number for each rule, problem by problem."""
    picture, axes = plots.subplots(height=3.8)
    places = np.arange(len(PROBLEMS))[::-1]
    for rule, colour, marker in zip(RULES, plots.COLOURS, "D^os", strict=False):
        values = np.array([row[rule] for row in rows], float)
        there = np.isfinite(values)
        style = dict(color=colour, fillstyle="none", label=rule)
        axes.plot(values[there], places[there], marker, **style)
    axes.set_yticks(places, [title(problem) for problem in PROBLEMS])
    axes.set(xlabel=xlabel, **look)
    axes.minorticks_off()
    return picture, axes


def best_of(runs, problem):
    """The rate of the grid with the lowest mean loss."""
    by_rate = runs.where(**problem).by("rate")
    return min(FINE, key=lambda rate: capped(by_rate[rate]).mean())


def aims(sweeps, runs):
    """How many times the best rate each rule's rate is, problem by problem; None without one."""
    return [
        {rule: rate and rate / best_of(runs, p) for rule, rate in answers_of(sweeps, p).items()}
        for p in PROBLEMS
    ]


def aims_drawn(runs):
    picture, axes = marks(aims(sweeps, runs), "the rule's rate / the best rate", xscale="log")
    axes.axvline(1, color="#000000", linewidth=1, label="best rate of the grid")
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def in_words(rows, what):
    seen = {rule: [row[rule] for row in rows if row[rule] is not None] for rule in RULES}
    ends = "; ".join(f"{rule} {min(each):.2g} to {max(each):.2g}" for rule, each in seen.items())
    return f"{what}, on eight problems: {ends}."


def aims_in_words(runs):
    return in_words(aims(sweeps, runs), "Times the best rate")


# %% tags=["output-first"]
NETWORKS = [("article_cnn", 50), ("normalised_cnn", 50)]
NETWORKS += [("dense", 50), ("dense", 250)]
PROBLEMS = [
    dict(network=network, batch=batch, optimizer=optimizer, budget="SHORT")
    for network, batch in NETWORKS
    for optimizer in ("Adam", "SGD momentum")
]
sweeps = measured(
    sweep,
    [dict(p, seed=s, steps=100) for p in PROBLEMS for s in range(5)],
)
trained = measured(
    train,
    [
        dict(problem, rate=rate, seed=seed)
        for problem in PROBLEMS
        for rate in sorted({*FINE, *taken(sweeps, problem).values()})
        for seed in range(5)
    ],
)
figure(trained, aims_drawn, alt=aims_in_words)

# %% [markdown]
# Here are eight problems, each named by its network, batch size and optimizer. (The article's is the
# convolutional network of the other pages, BatchNorm a smaller one with batch normalisation, dense has two
# dense layers; SGD+m is SGD with a momentum of `0.9`.) On each, a sweep of 100 steps with five seeds gives
# every rule's rate. The line is the best of fifteen rates, at each of which a network was trained with the
# same five seeds, for 300 steps of 50 images or 60 of 250. A mark to its left is a rate that is lower than
# the best; a missing mark is a rule without an answer.


# %% tags=["hide-input"]
@claim(sweeps)
def where_a_rule_has_no_answer(sweeps):
    missing = {rule: {} for rule in RULES[1:]}
    for problem in PROBLEMS:
        for rule, problems in missing.items():
            if told(sweeps, problem)[rule].rate is None:
                problems[title(problem)] = told(sweeps, problem)[rule].reason
    reasons = [reason for problems in missing.values() for reason in problems.values()]
    sentence = f"""
        Two answers are missing: minimum/10 has none on {" and ".join(missing["minimum/10"])}, and
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
# ## Trained at what they suggest
#
# Each network is trained at each rule's rate, too. The [regret](glossary.md#regret) is the mean
# validation loss there minus the lowest mean of all the rates tried, where a loss worse than guessing
# counts as guessing. A rule that has no answer is scored with what its user would then do, which is to
# keep Keras' own rate: `0.001` with Adam, `0.01` with SGD.


# %% tags=["hide-input"]
def costs(sweeps, runs):
    """The regret of each rule, and of no test, problem by problem."""
    rows = []
    for problem in PROBLEMS:
        by_rate = regrets(runs.where(**problem))
        rows.append({rule: by_rate[rate] for rule, rate in taken(sweeps, problem).items()})
    return rows


def costs_drawn(runs):
    picture, _ = marks(costs(sweeps, runs), "regret")
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


figure(trained, costs_drawn, alt=lambda runs: in_words(costs(sweeps, runs), "Regret"))


def of_all(sweeps, runs, over):
    """One number a rule, over the problems."""
    rows = costs(sweeps, runs)
    return {rule: float(over([row[rule] for row in rows])) for rule in rows[0]}


def between(sweeps, runs, one, other):
    """The contrasts of two rules, a problem each."""
    pairs = {}
    for problem in PROBLEMS:
        rates, group = taken(sweeps, problem), runs.where(**problem)
        pairs[title(problem)] = tuple(group.where(rate=rates[rule]) for rule in (one, other))
    return compared(pairs)


def tally(found):
    """How many of the contrasts are lower, and how many higher."""
    return [len(named(found, verdict)) for verdict in ("lower", "higher")]


def judged(runs):
    median, worst = (of_all(sweeps, runs, over) for over in (np.median, np.max))
    return [
        {
            "rule": rule,
            "median regret": f"{median[rule]:.3f}",
            "largest": f"{worst[rule]:.2f}",
            "lower than no test": f"{tally(between(sweeps, runs, rule, NO_TEST))[0]}",
            "higher than no test": f"{tally(between(sweeps, runs, rule, NO_TEST))[1]}",
        }
        for rule in sorted(median, key=median.get)
    ]


table(trained, judged, caption="Regret over eight problems; on how many a rule beats Keras' rate")

# %% [markdown]
# The last two columns follow the [rule of the guide](method.py#the-plan-of-30-november-2026): five seeds,
# paired, corrected for the eight problems. The others are undecided, or equal where nothing differs.


# %% tags=["hide-input"]
@claim(sweeps, trained)
def the_steepest_point_is_worth_more(sweeps, trained):
    median, worst = (of_all(sweeps, trained, over) for over in (np.median, np.max))
    found = between(sweeps, trained, "minimum/10", "steepest")
    lower, higher = tally(found)
    sentence = f"""
        **On these eight problems the steepest point is worth more than minimum/10.** Its regret is
        {median["steepest"]:.3f} at the median, half of that of minimum/10,
        {median["minimum/10"]:.3f}. Trained at minimum/10 the loss ends higher than at the steepest
        point on {higher} of {len(found)} problems, and lower on {lower or "none"}; the largest regrets
        hardly differ. The [recipe](choosing.py) is measured with minimum/10 and keeps it, until it has
        been tried with the steepest point on other problems than these.
        """
    return (
        sentence,
        min(RULES, key=median.get) == "steepest",
        0.4 < median["steepest"] / median["minimum/10"] < 0.6,
        higher == 4,
        lower == 0,
        abs(worst["steepest"] - worst["minimum/10"]) < 0.05,
    )


@claim(sweeps, trained)
def a_test_is_better_than_none(sweeps, trained):
    found = {rule: between(sweeps, trained, rule, NO_TEST) for rule in RULES[1:]}
    counts = {rule: tally(each) for rule, each in found.items()}
    sentence = f"""
        **Steepest and minimum/10 are better than no test, valley is worse.** Against Keras' own rate
        steepest ends lower on {counts["steepest"][0]} of {len(PROBLEMS)} and minimum/10 on
        {counts["minimum/10"][0]}, and neither ends higher on any. Valley ends higher on
        {counts["valley"][1]}.
        """
    return (
        sentence,
        counts["steepest"] == [5, 0],
        counts["minimum/10"] == [4, 0],
        counts["valley"] == [0, 7],
    )


@claim(sweeps, trained)
def no_rule_is_safe(sweeps, trained):
    hard, first = costs(sweeps, trained)[2], PROBLEMS[0]
    group = trained.where(**first, rate=taken(sweeps, first)["lowest point"])
    count, least, most = share_that_learns(group)
    sentence = f"""
        **No rule is safe.** On the small network with BatchNorm and Adam each costs more than `0.8`. The
        lowest point itself has a good median and one disaster: with Adam on the article's network
        {count} of {len(group)} seeds learn there, a share between {100 * least:.0f} and
        {100 * most:.0f} %.
        """
    return sentence, min(hard[rule] for rule in RULES) > 0.8, count == 2


@claim(sweeps, trained)
def three_times_minimum_tenth(sweeps, trained):
    pairs, own, thrice = {}, [], []
    for problem in PROBLEMS:
        group, rate = trained.where(**problem), taken(sweeps, problem)["minimum/10"]
        near = min(FINE, key=lambda other: abs(np.log(other / (3 * rate))))
        pairs[title(problem)] = group.where(rate=near), group.where(rate=rate)
        by_rate = regrets(group)
        own.append(by_rate[rate])
        thrice.append(by_rate[near])
    lower, higher = tally(compared(pairs))
    times = [row["minimum/10"] for row in aims(sweeps, trained) if row["minimum/10"]]
    sentence = f"""
        **minimum/10 errs to the low side.** Wherever it answers, the best rate lies above it. At three
        times its rate, to the nearest of the grid, the median regret is {np.median(thrice):.3f} in place
        of {np.median(own):.3f}: the loss ends lower on {lower} of {len(pairs)} problems, higher on
        {higher}, and on the others five seeds cannot tell. That factor was
        [seen in these runs](method.py#changed-after-looking), not planned, so it is a rate to try
        beside a rule's, and no rule.
        """
    smaller = np.median(thrice) < np.median(own) / 2
    return sentence, max(times) < 1, smaller, lower == 2, higher == 1


# %% [markdown]
# These are eight problems with one data set and short trainings. Take a suggestion as a place to start
# from, and try a rate three times as large beside it.
#
# ## Tools disagree
#
# Rules of other packages[^1] name rates that lie a hundredfold and more apart. Here are six of them on the
# sweeps of the article's network, each computed as its source defines it, smoothing included: the median
# over five seeds.
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


def others(runs, optimizer):
    """By rule, the median suggestion."""
    here, found = runs.where(optimizer=optimizer), []
    for rates, losses in zip(here.values("sweep_rates"), here.values("sweep_losses"), strict=True):
        finite = np.isfinite(losses)  # up to where the sweep was stopped
        found.append(elsewhere(rates[finite], losses[finite]))
    return {rule: np.exp(np.median([np.log(each[rule]) for each in found])) for rule in found[0]}


table(
    both,
    lambda runs: [
        {"rule": rule, **{o: f"{others(runs, o)[rule]:.2g}" for o in OPTIMIZERS}}
        for rule in others(runs, "Adam")
    ],
    caption="What each rule reads off the same sweeps",
)


@claim(both, trained.where(network="article_cnn"))
def the_rules_differ_by_hundreds(both, trained):
    best = {o: best_of(trained, dict(optimizer=o)) for o in OPTIMIZERS}
    answers = {o: others(both, o) for o in OPTIMIZERS}
    factor = {o: max(answers[o].values()) / min(answers[o].values()) for o in OPTIMIZERS}
    closest = {
        o: min(answers[o], key=lambda rule: abs(np.log(answers[o][rule] / best[o])))
        for o in OPTIMIZERS
    }
    sentence = f"""
        **From the same sweeps the answers differ by a factor of {factor["Adam"]:,.0f} with Adam and
        {factor["SGD momentum"]:,.0f} with SGD and momentum.** The far ends are rules that look for the
        steepest slope over the rate itself, not over its logarithm: there noise at the smallest rates is
        divided by almost nothing. Closest to the best rate of the grid is {closest["Adam"]} with Adam and
        {closest["SGD momentum"]} with SGD and momentum; two cases make no rule.
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
# - To get a rate rather than a start, let [`find_rate`](choosing.py) make these trainings.
# - Tools differ in their rules and their smoothing: know which rule gave you a rate.
