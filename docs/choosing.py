# ---
# title: Choosing a rate and a schedule
# description: From a compiled model to a rate, a schedule and a check in fifteen lines, what that gives away against tuning, and twenty-one ways to set the rate side by side.
# ---

# %% [markdown]
# # Choosing a rate and a schedule
#
# Compile your model, decide how long to train and with which schedule, and let `find_rate` try rates in
# short trainings, for about the price of one more. Here is what that was worth on eight problems that it
# had never seen.

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide import pictures
from lrguide.guide.benchmark import judged_anew, regrets
from lrguide.guide.contenders import COMPARED, CYCLES, DECAYS, RATES, label
from lrguide.guide.contrasts import beside, compared, named, other_verdicts, rows_beside
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import chosen
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed
from lrguide.guide.tuning import ANSWER, answered, range_test, tuned, tuned_nearby

SHOWN = {"default": ("Keras' default", "s"), "finder": ("find_rate", "o")}


def given_away(runs, way):
    """By problem what share of the gain of training each search of a way gives away."""
    same = runs.where(way=way, asked=1.0 if way == "finder" else 0.0)
    return {
        name: regrets(Runs(group), way, "normalised").each[0]
        for name, group in same.by("problem").items()
    }


def worth_drawn(runs):
    picture, axes = plots.subplots(height=4.2)
    for (way, (name, marker)), colour in zip(SHOWN.items(), plots.COLOURS[1::-1], strict=True):
        for place, each in enumerate(list(given_away(runs, way).values())[::-1]):
            look = dict(color=colour, fillstyle="none", label=name if place == 0 else "_more")
            axes.plot(np.maximum(each, 0.0005), [place] * len(each), marker, **look)
    problems = [*given_away(runs, "default")][::-1]
    axes.set_yticks(range(len(problems)), problems, fontsize=10)
    axes.set(xscale="log", xlabel="share of the gain given away")
    ticks = [0.001, 0.01, 0.1, 1]
    axes.set_xticks(ticks, ["0.1 %", "1 %", "10 %", "all"])
    axes.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def worth_in_words(runs):
    each = {way: given_away(runs, way) for way in SHOWN}
    rows = (
        f"{name}: default {100 * each['default'][name].mean():.1f}, "
        f"find_rate {100 * each['finder'][name].mean():.1f}"
        for name in each["default"]
    )
    return (
        f"Per cent of the gain of training that a rate gives away, by problem: {'; '.join(rows)}."
    )


# %% tags=["output-first"]
scores = judged_anew()
figure(scores, worth_drawn, alt=worth_in_words)

# %% [markdown]
# A mark is a training at the rate that one search found (three on each problem), or at the one that Keras
# takes by itself. Further left is better; what is below `0.05 %` is drawn there.


# %% tags=["hide-input"]
@claim(scores)
def it_gives_away_little(scores):
    found, usual = (given_away(scores, way) for way in ("finder", "default"))
    ours, none = (np.concatenate([*each.values()]) for each in (found, usual))
    better = sum(found[name].mean() < usual[name].mean() for name in found)
    sentence = f"""
        **At the median its rate gives away {100 * np.median(ours):.2g} % of what training can gain**,
        and Keras' default {100 * np.median(none):.2g} %. It is better than the default on {better} of
        {len(none)} problems. One time in ten it gives away {100 * np.quantile(ours, 0.9):.2g} % or more.
        """
    quoted = np.median(ours), np.median(none), np.quantile(ours, 0.9)
    told = " ".join(f"{100 * value:.2g}" for value in quoted)
    return sentence, told == "0.89 3.1 20", better == 5


# %% [markdown]
# ## From your model to a trained one

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=1000, test=1000)
given = dict(x=data.x_train, y=data.y_train, batch_size=50)  # <- your data
model = lrguide.article_cnn()  # <- your model
model.compile("adam", "categorical_crossentropy")


def plan(rate, steps):  # warmup over a tenth of the run, then linear decay
    rise = steps // 10
    return lrguide.warmup(lrguide.linear(rate, steps - rise), rise)


found = lrguide.find_rate(model, **given, steps=80, schedule=plan, verbose=0)
print(found)
model.compile(keras.optimizers.Adam(found.schedule), model.loss)
model.fit(**given, epochs=2, verbose=0)  # 80 steps

# %% [markdown]
# `steps` are the batches of the whole training, here two epochs of 40. `schedule` is a function of a rate and a
# number of steps; leave it out for a constant rate. Give `validation_data`, and rates are compared by that.
# `price=0.5` pays half a training, `price=2` two. "The best between" names the rates that the pilots could not rule
# out; it is no confidence interval. Where it says that no higher or lower rate could be tried, pay more.
# If `found.rate` is `None`, there was not enough evidence: `print(found)` says why.
#
# **When not to rely on it.** It answers for this model, this data, this schedule and this many steps: change
# one, and ask again. **Overfitting that sets in after its pilots it does not see**: where you train for many epochs on
# few examples, its rate may be far too high. Watch the validation loss, and stop early or take a lower rate.
# A search that can afford a dozen whole trainings knows more: [what each way costs](finding_a_rate.py).
#
# ## With the suggestion of a range test
#
# A [range test](range_test.py) costs less still. How good is the rate that `minimum/10` suggests, against one that
# was searched for with eighteen trainings and more? The *recipe* is warmup over a tenth of the run to that
# rate, and linear decay from there.

# %% tags=["hide-input"]
RISING = ["warmup linear", "warmup stable decay"]
TIMES = ["suggested", "three times"]
TUNED = "a tuned constant rate"

# Every contender at its tuned rate, and sweeps of the same network.
SHORT = [dict(contender, budget="SHORT") for contender in COMPARED]
finals = answered(SHORT)
sweeps = measured(
    sweep,
    crossed(
        optimizer=("Adam", "SGD momentum"),
        batch=50,
        budget="SHORT",
        seed=range(5),
        steps=100,
    ),
)


def suggestion(runs, optimizer):
    """What minimum/10 says; NaN without an answer."""
    return range_test(runs.where(optimizer=optimizer)).suggest()["minimum/10"].rate or np.nan


def near(optimizer, words):
    """The rate of the grid that is nearest to the suggestion, or the next above it."""
    away = [abs(np.log(rate / suggestion(sweeps, optimizer))) for rate in RATES]
    return RATES[int(np.argmin(away)) + TIMES.index(words)]


def against_tuned(runs, finals):
    """Each way beside the tuned constant rate of its optimizer."""
    pairs = {}
    for optimizer, group in runs.by("optimizer").items():
        tuned_constant = chosen(finals, dict(optimizer=optimizer))
        for schedule, same in group.by("schedule").items():
            by_rate = sorted(same.by("rate").items(), key=lambda pair: pair[0])
            for words, (_, at) in zip(TIMES, by_rate, strict=False):
                name = optimizer.replace(" momentum", "+m")
                pairs[f"{name} {schedule}, {words}"] = at, tuned_constant
    return compared(pairs)


def drawn(runs):
    return pictures.contrasts(against_tuned(untuned, finals), TUNED)


def in_words(runs):
    return pictures.contrasts_in_words(against_tuned(untuned, finals), TUNED)


# %% tags=["output-first"]
untuned = measured(
    train,
    [
        dict(
            optimizer=optimizer,
            schedule=schedule,
            rate=near(optimizer, words),
            seed=seed,
            budget="SHORT",
        )
        for optimizer, schedule, ways in (
            ("Adam", "warmup linear", TIMES),
            ("SGD momentum", "constant", TIMES[:1]),
            ("SGD momentum", "linear", TIMES),
        )
        for words in ways
        for seed in ANSWER
    ],
)
figure(Runs(untuned + finals), drawn, alt=in_words)

# %% [markdown]
# Each mark is the mean of twenty seeds after 300 steps, its line the `95 %` interval. Left of *same* a way
# ends lower than a constant rate that was searched for with eighteen trainings and more.


# %% tags=["hide-input"]
@claim(untuned, finals, sweeps)
def with_adam_the_suggestion_is_as_good_as_the_search(untuned, finals, sweeps):
    found = against_tuned(untuned, finals)
    once, thrice = (found[f"Adam warmup linear, {n}"] for n in ("suggested", "three times"))
    answer = suggestion(sweeps, "Adam")
    tuned_rate = chosen(finals, dict(optimizer="Adam"))[0].settings["rate"]
    sentence = f"""
        **With Adam the suggestion is as good as the search.** It is {answer:.2g}, and the search chose
        `{tuned_rate:g}`, the nearest rate of its grid. Warmup and linear decay from there are
        {once.in_words}; at three times the suggestion they end {thrice.in_words} than the tuned
        constant rate. The schedule shows its worth at a rate that would be too high without it.
        """
    return (
        sentence,
        tuned_rate / 1.5 < answer,
        answer < 1.5 * tuned_rate,
        once.verdict == "undecided",
        thrice.verdict == "lower",
        {each.pairs for each in found.values()} == {20},
    )


@claim(untuned, finals, sweeps)
def with_sgd_the_suggestion_is_too_low(untuned, finals, sweeps):
    found = against_tuned(untuned, finals)
    once, thrice = (found[f"SGD+m linear, {n}"] for n in ("suggested", "three times"))
    sentence = f"""
        **With SGD and momentum the suggestion is too low**: {suggestion(sweeps, "SGD momentum"):.2g}.
        Linear decay from there ends {once.in_words} than the tuned constant rate, at three times the
        suggestion {thrice.in_words}. A sweep alone is no way to a rate there.
        """
    return (
        sentence,
        suggestion(sweeps, "SGD momentum") < 0.03,
        once.verdict == "higher",
        thrice.verdict == "higher",
        thrice.high < once.low,
    )


# %% [markdown]
# ## Every contender side by side

# %% tags=["hide-input"]
WITH_ADAM, MOMENTUM = (
    [c["schedule"] for c in COMPARED if c["optimizer"] == optimizer and "schedule" in c]
    for optimizer in ("Adam", "SGD momentum")
)

figure(finals, **pictures.beside_the_first(SHORT, "Adam at a tuned constant rate"))


@claim(finals)
def what_begins_low_and_ends_low_does_well(finals):
    found = beside(finals, SHORT, SHORT[0])
    shapes = {name: found[f"Adam {name}"] for name in WITH_ADAM if name != "constant"}
    sentence = f"""
        **With Adam, what begins low and ends low does well.** 1cycle ends {shapes["1cycle"].in_words}
        than the tuned constant rate, linear decay after a warmup
        {shapes["warmup linear"].in_words}. Five of the six schedules that rise first and come down
        again end lower. None of the five that only fall does, nor does a warmup alone.
        """
    return (
        sentence,
        named(shapes, "lower") == [*RISING[:2], *CYCLES[1:]],
        not {"triangular", "warmup", *DECAYS} & {*named(shapes, "lower")},
    )


@claim(finals)
def between_constant_rates_adam_is_ahead(finals):
    found = beside(finals, SHORT, SHORT[0])
    sentence = f"""
        **Between tuned constant rates Adam is ahead in 300 steps.** SGD with momentum ends
        {found["SGD+m constant"].in_words} and plain SGD {found["SGD constant"].in_words}. With linear
        decay SGD with momentum catches up: beside Adam's constant rate it is
        {found["SGD+m linear"].in_words}.
        """
    return (
        sentence,
        found["SGD+m constant"].verdict == found["SGD constant"].verdict == "higher",
        found["SGD+m linear"].verdict == "undecided",
        found["SGD+m linear"].pairs == 20,
    )


@claim(finals)
def two_verdicts_depend_on_where_you_look(finals):
    other = other_verdicts(finals, SHORT, SHORT[0])
    sentence = """
        Two of the twenty verdicts depend on where you look. 1cycle with SGD and momentum ends higher at
        the best epoch and on the test images; exp_range is undecided at the best epoch on the test
        images. The other eighteen are the same at the last epoch and at the best, on validation and on
        test images.
        """
    return (
        sentence,
        [*other] == ["Adam exp_range", "SGD+m 1cycle"],
        [*other.get("SGD+m 1cycle", {}).values()] == ["undecided", "higher", "higher", "higher"],
        [*other.get("Adam exp_range", {}).values()] == ["lower", "lower", "lower", "undecided"],
    )


table(
    finals,
    lambda runs: rows_beside(runs, SHORT, SHORT[0]),
    caption="All numbers: 300 steps, twenty seeds at each tuned rate",
    folded=True,
)

# %%
QUOTED = ["constant", "linear", "cosine", "warmup linear", "1cycle"]
SIX = [dict(SHORT[0], schedule=name) for name in QUOTED]
SIX += [dict(SIX[1], optimizer="SGD momentum")]
images = measured(
    train,
    [
        dict(six, rate=rate, division=number, seed=seed)
        for number in range(3)
        for six in SIX
        for rate in chosen(finals, six).by("rate")
        for seed in ANSWER[:10]
    ],
)


# %% tags=["hide-input"]
@claim(images)
def on_other_images_the_verdicts_are_the_same(images):
    found = [beside(same, SIX, SIX[0]) for same in images.by("division").values()]
    first, *others = ([each.verdict for each in some.values()] for some in found)
    warm = [some["Adam warmup linear"].change for some in found]
    sentence = f"""
        **Other images, the same verdicts.** With two other sets of 3,000 training images and ten seeds
        each, linear and cosine decay with Adam and linear decay with SGD stay undecided. Warmup with
        linear decay and 1cycle end lower on all three sets, the first by {-100 * max(warm):.0f} to
        {-100 * min(warm):.0f} %.
        """
    return (
        sentence,
        others == [first, first],
        named(found[0], "lower") == ["Adam warmup linear", "Adam 1cycle"],
        len(named(found[0], "undecided")) == 3,
    )


# %% [markdown]
# "SGD+m" is SGD with a momentum of `0.9`. *Plateau* halves the rate after an epoch without a lower
# validation loss; *average* evaluates a moving average of the weights, and ScheduleFreeAdamW stands for
# the weights that it averages ([optimizers](optimizers.py) has more on both). The rate of each was searched
# with two seeds on nine rates and with six around the lowest loss; verdicts are corrected for the number
# of contenders ([how](method.py#the-plan-of-30-november-2026)).
#
# ## By situation
#
# What did best where it was measured, computed from those runs. What cannot be told from it stands
# behind it.


# %% tags=["hide-input"]
SCHEDULED = [c for c in COMPARED if "schedule" in c]
few = answered([dict(contender, budget="FEW_STEPS") for contender in SCHEDULED])
_, middle = tuned(
    [dict(contender, budget="MIDDLE") for contender in SCHEDULED],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
_, long = tuned_nearby(
    [dict(contender, budget="FULL") for contender in SCHEDULED],
    [1e-4, *RATES],
    start=[chosen(middle, contender)[0].settings["rate"] for contender in SCHEDULED],
    also=[RATES[:4] if c["optimizer"] == "Adam" else RATES[3:7] for c in SCHEDULED],
    trial=100,
    seeds=range(5),
)


def best_of(runs, optimizer, schedules):
    """The schedule with the lowest loss, and those that the runs do not tell from it."""
    contenders = [dict(optimizer=optimizer, schedule=name) for name in schedules]
    best, *others = [row["contender"] for row in rows_beside(runs, contenders, contenders[0])]
    by_name = {label(contender): contender for contender in contenders}
    found = beside(runs, contenders, by_name[best])
    close = [name for name in others if found[name].verdict in ("undecided", "equal")]
    best, *close = (name.split(" ", 1)[1] for name in [best, *close])
    return best + (f"; not told from it: {', '.join(close)}" if close else "")


SITUATIONS = [
    ("4,800 steps, Adam", long, "Adam", WITH_ADAM, "full_scale.py"),
    ("300 steps, Adam", finals, "Adam", WITH_ADAM, "#every-contender-side-by-side"),
    ("60 steps, Adam", few, "Adam", WITH_ADAM, "decay.py#fewer-steps"),
    ("4,800 steps, SGD+m", long, "SGD momentum", MOMENTUM, "full_scale.py"),
    ("300 steps, SGD+m", finals, "SGD momentum", MOMENTUM, "cyclical.py#momentum-that-cycles-too"),
]
table(
    Runs(finals + few + long),
    lambda runs: [
        {
            "situation": words,
            "what did best": best_of(some, optimizer, schedules),
            "measured": f"[here]({place})",
        }
        for words, some, optimizer, schedules, place in SITUATIONS
    ],
    caption="What did best where; five seeds with 4,800 steps, twenty with fewer",
)

# %% [markdown]
# [Another batch size](batch_size.py) or another optimizer needs a search of its own, and so do trained
# weights ([how to resume](snippets.md#resume-a-schedule)).
#
# ## Questions and errors
#
# They have [a page of their own](questions.md).
#
# ## What to remember
#
# - Let `find_rate` search with the schedule and the number of steps that you will train with.
# - Search for the rate of each contender equally long before you name a winner.
# - Check the schedule before the run, log the rates during it.
