# ---
# title: The learning rate range test
# description: One short training with a growing rate - how to read it, what moves the answer, and what every rule's suggestion costs when you really train at it.
# tags: [LRFinder, range test] # the search shows this page first
# ---

# %% [markdown]
# # The learning rate range test
#
# Train for a hundred steps while the rate grows a little with each, and look at the loss: that is the
# whole test. What it tells depends on how you read it.

# %% tags=["hide-input"]
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.experiments import sweep, train
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.tuning import range_test
from lrguide.range_test import RangeTestResult

CHANCE = log(10)  # the loss of guessing among ten digits
RULES = ["minimum/10", "valley", "steepest"]


def suggested(runs):
    """The median rate of each rule, and the lowest point of the curve; None without an answer."""
    found = range_test(runs).suggest()
    lowest = found["minimum/10"].rate
    return {
        "lowest point": lowest and 10 * lowest,
        **{rule: found[rule].rate for rule in RULES},
    }


def sweep_above_trainings(runs):
    sweeps = Runs(run for run in runs if run.function == "sweep")
    trained = Runs(run for run in runs if run.function == "train")
    result = range_test(sweeps)
    seen = np.where(np.isfinite(result.losses), result.losses, np.inf)
    picture, (above, below) = plots.subplots(2, 1, height=5.0, sharex=True)
    above.fill_between(
        result.rates,
        seen.min(axis=0),
        np.minimum(seen.max(axis=0), 9),
        alpha=0.25,
        linewidth=0,
    )
    above.plot(result.rates, np.median(np.minimum(seen, 9), axis=0))
    above.set(ylim=(0, 3.5), ylabel="loss in the sweep")
    rates = list(trained.by("rate"))
    losses = np.array([capped(group) for group in trained.by("rate").values()])
    below.plot(rates, np.median(losses, axis=1))
    below.plot(np.repeat(rates, losses.shape[1]), losses.ravel(), "o", color="C0", markersize=3)
    below.set(ylabel="loss, trained", xlabel="learning rate", xscale="log")
    marks = {name: rate for name, rate in suggested(sweeps).items() if rate}
    for (name, rate), line, colour in zip(
        marks.items(), ("-", "--", ":", "-."), plots.COLOURS[1:], strict=False
    ):
        above.axvline(rate, linestyle=line, color=colour, label=name)
        below.axvline(rate, linestyle=line, color=colour)
    below.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def capped(runs):
    """Validation losses at the end; whatever is worse than guessing counts as guessing."""
    losses = runs.final()
    return np.where(np.isfinite(losses), np.minimum(losses, CHANCE), CHANCE)


def sweep_in_words(runs):
    sweeps = Runs(run for run in runs if run.function == "sweep")
    trained = Runs(run for run in runs if run.function == "train")
    return (
        "Above, the loss of each batch while the rate grows: level, a fall, a short floor, then a "
        "blow-up. Below, the validation loss after a whole training at each constant rate, lowest "
        f"at {trained.best():g}. Marked in both: "
        + ", ".join(f"{name} {rate:.2g}" for name, rate in suggested(sweeps).items() if rate)
        + "."
    )


# %% tags=["output-first"]
FINE = [1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02]
FINE += [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
adam = measured(
    sweep,
    [
        dict(
            optimizer="Adam",
            seed=seed,
            budget="SHORT",
            steps=100,
        )
        for seed in range(5)
    ],
)
trained = measured(
    train,
    [
        dict(optimizer="Adam", rate=rate, seed=seed, budget="SHORT")
        for rate in FINE
        for seed in range(3)
    ],
)
figure(Runs(adam + trained), sweep_above_trainings, alt=sweep_in_words)

# %% [markdown]
# Above is the test[^1]: five seeds, the median and a band from the lowest loss to the highest. Below is
# the truth that it should foretell: each dot is the validation loss of a network trained for 300 steps at
# one constant rate, and the line goes through the median of three. The vertical lines are ways to read the
# test; each reads the smoothed curve of every seed, and stands at the median of the five answers.
#
# [^1]: L. N. Smith, *Cyclical learning rates for training neural networks*, WACV 2017, [arXiv:`1506.01186`](https://arxiv.org/abs/1506.01186),
#     section `3.3`. The article that this guide re-measures, C. Versloot, *Problems with fixed and decaying
#     learning rates*, MachineCurve, 2019 ([kept here](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md)),
#     uses P. Surmenok's `keras_lr_finder` of 2018.

# %% tags=["hide-input"]
LOWEST = suggested(adam)["lowest point"]


def beyond(runs):
    """The runs at the first rate of the grid above the lowest point of the sweep."""
    return runs.where(rate=min(rate for rate in FINE if rate >= LOWEST))


def failures(runs):
    return int((runs.final("validation_accuracy") < 0.2).sum())


claim(
    trained,
    lambda runs: runs.best() < LOWEST / 2 and failures(beyond(runs)) > 0,
    lambda runs: (
        "**Where the loss is lowest can be far too high.** The article takes the range where "
        f"the curve is lowest. With Adam that is at {LOWEST:.2g}, {LOWEST / runs.best():.1f} times the "
        f"rate with the lowest mean of three trainings, `{runs.best():g}`; at `{beyond(runs)[0].settings['rate']:g}`, the next "
        f"rate of the grid, {failures(beyond(runs))} of {len(beyond(runs))} seeds learn nothing. The "
        "curve lags: each batch's loss is the work of all the smaller rates before it, and it goes on "
        "falling for a while when the rate is already too large to begin a training with."
    ),
)

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
# gives each rule's answer as an interval over the seeds, with the reason.
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
    [
        dict(
            optimizer=optimizer,
            seed=seed,
            budget="SHORT",
            steps=100,
            spacing="linear",
            max_rate=highest,
        )
        for optimizer in ("Adam", "SGD momentum")
        for highest in (0.1, 1.0)
        for seed in range(5)
    ],
)
sgd = measured(
    sweep,
    [
        dict(
            optimizer="SGD momentum",
            seed=seed,
            budget="SHORT",
            steps=100,
        )
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def interval(suggestion):
    """The rate and the lowest and highest answer of a seed."""
    if suggestion.rate is None:
        return "no answer"
    rates = (suggestion.rate, suggestion.low, suggestion.high)
    digits = dict(precision=2, fractional=False, trim="-")
    return "{} ({} to {})".format(*(np.format_float_positional(r, **digits) for r in rates))


def answers(runs, rules):
    found = range_test(runs).suggest()
    return {rule: interval(found[rule]) for rule in rules}


def by_sweep(runs):
    """The runs by optimizer, spacing and highest rate."""
    groups = {}
    for run in runs:
        s = run.settings
        kind = f"{s['spacing']} to {s['max_rate']:g}"
        groups.setdefault((s["optimizer"], kind), []).append(run)
    return {key: Runs(group) for key, group in groups.items()}


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
    caption=lambda runs: "Median of five seeds, lowest and highest of them",
)


def told(runs, optimizer, kind):
    """What minimum/10 says on one of the sweeps."""
    return range_test(by_sweep(runs)[optimizer, kind]).suggest()["minimum/10"]


claim(
    spacings,
    lambda runs: (
        all(told(runs, o, "exponential to 10").rate for o in ("Adam", "SGD momentum"))
        and told(runs, "Adam", "linear to 1").rate is None
        and told(runs, "SGD momentum", "linear to 0.1").rate is None
    ),
    lambda runs: (
        "**A linear sweep must end in the right place.** To `1` is too far for Adam "
        f"({told(runs, 'Adam', 'linear to 1').reason}), to `0.1` too short for SGD with momentum "
        f"({told(runs, 'SGD momentum', 'linear to 0.1').reason}). The exponential sweep answers for "
        "both from one range."
    ),
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


def median_rate(runs, optimizer, rule, **setting):
    """The rule's answer; NaN if it has none."""
    rate = range_test(runs.where(optimizer=optimizer, **setting)).suggest()[rule].rate
    return np.nan if rate is None else rate


shorter_and_longer = changed.where(batch=50)
table(
    shorter_and_longer,
    moved("steps"),
    caption=lambda runs: "The suggestion by the length of the sweep",
)
claim(
    shorter_and_longer,
    lambda runs: (
        median_rate(runs, "Adam", "minimum/10", steps=100)
        > 3 * median_rate(runs, "Adam", "minimum/10", steps=400)
        and median_rate(runs, "SGD momentum", "minimum/10", steps=50)
        > 2 * median_rate(runs, "SGD momentum", "minimum/10", steps=400)
    ),
    lambda runs: (
        "**A longer sweep suggests a smaller rate.** With Adam minimum/10 goes from "
        f"{median_rate(runs, 'Adam', 'minimum/10', steps=100):.2g} at 100 steps to "
        f"{median_rate(runs, 'Adam', 'minimum/10', steps=400):.2g} at 400; with SGD and momentum from "
        f"{median_rate(runs, 'SGD momentum', 'minimum/10', steps=50):.2g} at 50 to "
        f"{median_rate(runs, 'SGD momentum', 'minimum/10', steps=400):.2g} at 400. More steps at each "
        "rate get further before the rate is too large."
    ),
)

# %% [markdown]
# Then the batch size, with 100 steps each:

# %% tags=["hide-input"]
batches = changed.where(steps=100)
table(
    batches,
    moved("batch"),
    caption=lambda runs: "The suggestion by the batch size",
)


def over_batches(runs, optimizer):
    return [median_rate(runs, optimizer, "minimum/10", batch=batch) for batch in (20, 50, 250)]


claim(
    batches,
    lambda runs: (
        over_batches(runs, "Adam") == sorted(over_batches(runs, "Adam"))
        and 1.3 * over_batches(runs, "Adam")[0] < over_batches(runs, "Adam")[-1]
        and max(over_batches(runs, "SGD momentum")) < 1.3 * min(over_batches(runs, "SGD momentum"))
    ),
    lambda runs: (
        "With Adam minimum/10 grows with the batch, from "
        f"{over_batches(runs, 'Adam')[0]:.2g} to {over_batches(runs, 'Adam')[-1]:.2g}; with SGD and "
        f"momentum it stays where it is, at {min(over_batches(runs, 'SGD momentum')):.2g} to "
        f"{max(over_batches(runs, 'SGD momentum')):.2g}. Sweep with the batch size that you will train "
        "with."
    ),
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
def symmetric(losses):
    index = np.arange(len(losses))
    weights = np.exp(-0.5 * ((index[:, None] - index) / (len(losses) / 25)) ** 2)
    return weights @ losses / weights.sum(axis=1)


def exponential(losses, memory=0.98):
    """Exponential moving average, each step's weights summing to 1 (debiased)."""
    total, out = 0.0, []
    for step, loss in enumerate(losses, start=1):
        total = memory * total + (1 - memory) * loss
        out.append(total / (1 - memory**step))
    return np.array(out)


def running_mean(losses):
    return np.cumsum(losses) / np.arange(1, len(losses) + 1)


SMOOTHINGS = {
    "none": lambda losses: losses,
    "symmetric": symmetric,
    "exponential": exponential,
    "running mean": running_mean,
}


def curves(runs):
    """The rates and the losses of each seed, up to where it was stopped."""
    for rates, losses in zip(runs.values("sweep_rates"), runs.values("sweep_losses"), strict=True):
        here = np.isfinite(losses)
        yield rates[here], losses[here]


def middle(rates):
    """The median of some rates, by factors."""
    return float(np.exp(np.median(np.log(rates))))


def points(runs, smoothing):
    """Where the smoothed curve is lowest, and where it falls fastest left of that."""
    lowest, steepest = [], []
    for rates, losses in curves(runs):
        smooth = SMOOTHINGS[smoothing](np.minimum(losses, losses[:10].max()))
        end = max(2, int(np.argmin(smooth)) + 1)
        lowest.append(rates[end - 1])
        steepest.append(rates[np.argmin(np.gradient(smooth[:end], np.log(rates[:end])))])
    return middle(lowest), middle(steepest)


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
    caption=lambda runs: "Two points of the same five curves, median",
)


def lag(runs, optimizer, point=0):
    """How far exponential smoothing moves the lowest point (0) or the steepest (1), as a factor."""
    here = runs.where(optimizer=optimizer)
    return points(here, "exponential")[point] / points(here, "symmetric")[point]


claim(
    both,
    lambda runs: (
        all(lag(runs, o) > 3 and lag(runs, o, 1) > 1.5 for o in ("Adam", "SGD momentum"))
        and all(
            points(here, "running mean")[0] == points(here, "exponential")[0]
            for here in runs.by("optimizer").values()
        )
    ),
    lambda runs: (
        "**Smoothing over the past alone moves the lowest point to the right**: by a factor "
        f"of {lag(runs, 'Adam'):.1f} with Adam and {lag(runs, 'SGD momentum'):.1f} with SGD and "
        "momentum, with either average. The exponential one moves the steepest as well, by "
        f"{lag(runs, 'Adam', 1):.1f} and {lag(runs, 'SGD momentum', 1):.1f}."
    ),
)

# %% [markdown]
# ## Trained at what it suggests
#
# A suggestion is worth what training at it gives. Here are eight problems, four networks and batch sizes
# with two optimizers, none of which had a part in choosing the rules or their constants. On each the
# sweep with five seeds gives every rule's rate, rounded to two digits; at it three seeds are trained, and
# at each of the fifteen rates of the grid above. The [regret](glossary.md#regret) is the mean validation
# loss at the suggestion minus the lowest mean of all the rates tried, where a loss worse than guessing
# counts as guessing.

# %%
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
        for seed in range(3)
    ],
)


# %% tags=["hide-input"]
def of(runs, problem):
    """The runs of one problem."""
    return runs.where(**problem)


def rounded(problem):
    """What each rule says, to two digits."""
    found = suggested(of(sweeps, problem))
    return {rule: rate and float(f"{rate:.2g}") for rule, rate in found.items()}


def title(problem):
    network = {"article_cnn": "article's", "normalised_cnn": "BatchNorm"}
    where = f"{network.get(problem['network'], problem['network'])}, {problem['batch']}"
    return f"{where}, {problem['optimizer'].replace(' momentum', '+m')}"


# %%
suggestions = {title(problem): rounded(problem) for problem in PROBLEMS}
at_suggestion = measured(
    train,
    [
        dict(problem, rate=rate, seed=seed)
        for problem in PROBLEMS
        for rate in suggestions[title(problem)].values()
        if rate is not None
        for seed in range(3)
    ],
)

# %% tags=["hide-input"]
EVERY_RULE = ["lowest point", *RULES]


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


def in_short(value):
    return "no answer" if np.isnan(value) else f"{value:.3f}"


everything = Runs(grid + at_suggestion)
table(
    everything,
    lambda runs: (
        [
            {
                "network, batch, optimizer": title(problem),
                **{rule: in_short(regret(runs, problem, rule)) for rule in EVERY_RULE},
                "seeds apart": f"{spread(runs, problem):.3f}",
            }
            for problem in PROBLEMS
        ]
        + [
            {
                "network, batch, optimizer": what,
                **{rule: in_short(of_all(regrets(runs, rule))) for rule in EVERY_RULE},
                "seeds apart": "",
            }
            for what, of_all in (("*median*", np.nanmedian), ("*worst*", np.nanmax))
        ]
    ),
    caption=lambda runs: "Regret of each rule; how far seeds lie apart at the best rate",
)


def best_of(runs, problem):
    """The rate of the grid with the lowest mean loss."""
    groups = of(runs, problem).by("rate")
    return min(FINE, key=lambda rate: capped(groups[rate]).mean())


def too_low(runs, rule):
    """By which factor the best rate lies above the rule's answer, where it has one."""
    answers = [suggestions[title(problem)][rule] for problem in PROBLEMS]
    pairs = zip(PROBLEMS, answers, strict=True)
    return np.array([best_of(runs, problem) / rate for problem, rate in pairs if rate])


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


claim(
    everything,
    lambda runs: (
        all((too_low(runs, rule) > 1).all() for rule in ("minimum/10", "valley"))
        and min(EVERY_RULE, key=lambda rule: np.nanmax(regrets(runs, rule))) == "minimum/10"
        and np.nanmedian(regrets(runs, "steepest")) < np.nanmedian(regrets(runs, "minimum/10"))
        and np.nanmax(regrets(runs, "steepest")) > np.nanmax(regrets(runs, "minimum/10"))
        and np.nanmin([regret(runs, PROBLEMS[2], rule) for rule in EVERY_RULE]) > 0.5
    ),
    lambda runs: (
        "**lrguide keeps recommending minimum/10, for what it avoids**: its regret is smallest where "
        f"it does worst, {np.nanmax(regrets(runs, 'minimum/10')):.2f}, against "
        f"{np.nanmax(regrets(runs, 'lowest point')):.2f} for the lowest point itself, "
        f"{np.nanmax(regrets(runs, 'steepest')):.2f} for steepest (which is a little better at the "
        f"median) and {np.nanmax(regrets(runs, 'valley')):.2f} for valley. That is no proof of "
        f"precision. Only on {within(runs, 'minimum/10')} of {len(PROBLEMS)} problems is its regret "
        "smaller than what lies between seeds at the best rate anyway, and on the small network with "
        "BatchNorm no rule comes close with Adam."
    ),
)
claim(
    everything,
    lambda runs: (
        (too_low(runs, "minimum/10") > 1.5).all()
        and (thrice(runs)[:, 0] < thrice(runs)[:, 1]).sum() >= len(thrice(runs)) - 1
        and np.median(thrice(runs)[:, 0]) < np.median(thrice(runs)[:, 1]) / 2
    ),
    lambda runs: (
        "**It errs on one side**: the best rate lies above it each time, by a factor of "
        f"{too_low(runs, 'minimum/10').min():.1f} to {too_low(runs, 'minimum/10').max():.0f}. At three "
        "times its rate, to the nearest of the grid, the regret is smaller on "
        f"{int((thrice(runs)[:, 0] < thrice(runs)[:, 1]).sum())} of the {len(thrice(runs))} problems on "
        f"which it has an answer, {np.median(thrice(runs)[:, 0]):.3f} instead of "
        f"{np.median(thrice(runs)[:, 1]):.3f} at the median. That was looked at afterwards, so take it as "
        "a reason to try that rate as well, not as a better rule."
    ),
)
claim(
    everything,
    lambda runs: (
        regret(runs, PROBLEMS[0], "lowest point") > 0.5
        and within(runs, "lowest point") > within(runs, "minimum/10")
    ),
    lambda runs: (
        f"The lowest point is right more often, on {within(runs, 'lowest point')} of {len(PROBLEMS)} by "
        "that measure, and a disaster once: with Adam on the article's network it costs "
        f"{regret(runs, PROBLEMS[0], 'lowest point'):.2f}."
    ),
)

# %% [markdown]
# How sure is that? These are eight problems with one data set, 300 steps of 50 images or 60 of 250, and
# three seeds a rate, which are three of the sweep's five. Take the suggestion as a place to start from, and
# try a rate three times as large beside it.

# %% [markdown]
# ## Tools disagree
#
# Six rules of other packages[^3] on the same sweeps, each computed as its source defines it, smoothing
# included: the median over five seeds.
#
# [^3]: fastai `2.8` (`valley`, `minimum`, `steep`, `slide`), Lightning `2.6`, `pytorch-lr-finder`.
#     Their own sweeps differ in range and stopping; here all read ours.


# %% tags=["hide-input"]
OPTIMIZERS = ["Adam", "SGD momentum"]


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
    found = [elsewhere(*curve) for curve in curves(here)]
    return {
        **{rule: rate or np.nan for rule, rate in suggested(here).items() if rule in RULES},
        **{rule: middle([answer[rule] for answer in found]) for rule in found[0]},
    }


def factor(runs, optimizer):
    """The largest suggestion divided by the smallest."""
    rates = list(all_rules(runs, optimizer).values())
    return np.nanmax(rates) / np.nanmin(rates)


table(
    both,
    lambda runs: [
        {"rule": rule, **{o: f"{all_rules(runs, o)[rule]:.2g}" for o in OPTIMIZERS}}
        for rule in all_rules(runs, "Adam")
    ],
    caption=lambda runs: "What each rule reads off the same sweeps (nan: no answer)",
)
ARTICLE = grid.where(network="article_cnn")
BEST = {optimizer: runs.best() for optimizer, runs in ARTICLE.by("optimizer").items()}


def closest(runs, optimizer):
    """The rule whose answer is nearest to the best rate of the grid, by factors."""
    rates = {rule: r for rule, r in all_rules(runs, optimizer).items() if np.isfinite(r)}
    return min(rates, key=lambda rule: abs(np.log(rates[rule] / BEST[optimizer])))


claim(
    both,
    lambda runs: (
        all(factor(runs, o) > 100 for o in OPTIMIZERS)
        and all_rules(runs, "Adam")["Lightning"] < BEST["Adam"] / 100
        and closest(runs, "Adam") != closest(runs, "SGD momentum")
    ),
    lambda runs: (
        "**From the same sweeps the rules' answers differ by a factor of "
        f"{factor(runs, 'Adam'):,.0f} with Adam and {factor(runs, 'SGD momentum'):,.0f} with SGD and "
        "momentum.** The far ends are rules that look for the steepest slope over the rate itself, not "
        "over its logarithm: there noise at the smallest rates is divided by almost nothing. Closest to "
        f"the best rate of the grid is {closest(runs, 'Adam')} with Adam and "
        f"{closest(runs, 'SGD momentum')} with SGD and momentum; two cases make no rule."
    ),
)

# %% [markdown]
# ## When it has no answer
#
# A range test may see nothing: on a range that ends too early, with too few steps, on a model that is
# already trained. `suggest()` then says "not enough evidence" and why, rather than a number. These are
# the sweeps of the first picture, cut short, and then those of the eight problems:


# %% tags=["hide-input"]
def cut_short(result, last):
    """The result of a sweep that had ended at this rate."""
    kept = result.rates <= last
    return RangeTestResult(result.rates[kept], result.losses[:, kept], result.seeds)


def answer(result):
    return result.suggest()["minimum/10"]


ENDS = [1e-5, 0.001, 0.01, 10]
table(
    adam,
    lambda runs: [
        {"ends at": f"`{last:g}`", "answer": answer(cut_short(range_test(runs), last)).reason}
        for last in ENDS
    ],
    caption=lambda runs: "What minimum/10 says when the sweep ends at this rate",
)


def without_answer(runs, rule):
    """The problems on which a rule has no answer, in words."""
    return [
        title(problem)
        for problem in PROBLEMS
        if range_test(of(runs, problem)).suggest()[rule].rate is None
    ]


def told_by(runs, last):
    return answer(cut_short(range_test(runs.where(optimizer="Adam")), last))


claim(
    both,
    lambda runs: (
        "still falls" in told_by(runs, 0.001).reason
        and (told_by(runs, 0.01).rate or np.inf) < (told_by(runs, 10).rate or 0) / 5
    ),
    lambda runs: (
        "A sweep that ends at `0.001` sees the loss fall and not where that ends: no answer. **But the "
        "test can be fooled**: ended at `0.01`, "
        f"{sum(rate is not None for rate in told_by(runs, 0.01).by_seed)} of 5 seeds take a passing "
        f"bump for the end and say {told_by(runs, 0.01).rate:.2g}, against "
        f"{told_by(runs, 10).rate:.2g} from the whole sweep. Keep the range wide."
    ),
)
claim(
    sweeps,
    lambda runs: (
        without_answer(runs, "minimum/10") == ["BatchNorm, 50, Adam"]
        and without_answer(runs, "steepest") == ["article's, 50, Adam"]
        and without_answer(runs, "valley") == []
    ),
    lambda runs: (
        "It also happens with whole sweeps: of the eight problems minimum/10 has no answer on "
        f"{' and '.join(without_answer(runs, 'minimum/10'))}, and steepest none on "
        f"{' and '.join(without_answer(runs, 'steepest'))}, because their seeds lie more than ten times "
        "apart."
    ),
)

# %% [markdown]
# ## How sure, and what `confirm` costs
#
# A suggestion is an educated guess for a constant rate, and it is short-sighted: it has seen a hundred
# steps of your training, not the end. `result.confirm(model, x, y)` trains at five rates around it and
# names those that are tied. With its defaults that is 5 times 200 steps a seed, ten times the steps of
# the sweep. When a training takes hours, that is little; when it takes seconds, train at all the rates
# instead, as this page did.
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
print(result.confirm(model, **given))

# %% [markdown]
# ## What to remember
#
# - The lowest point of a sweep may be far too high: start well left of it.
# - Length, batch size and smoothing move the answer: keep the sweep as your training will be.
# - Expect a factor, not a number: several seeds, and a real training at the suggestion, decide.
