# ---
# title: Choosing a rate and a schedule
# description: From a compiled model to a rate, a schedule and a check in fifteen lines, what that gives away against tuning, and twenty-one ways to set the rate side by side.
# ---

# %% [markdown]
# # Choosing a rate and a schedule
#
# Nobody tunes with eighteen trainings what one training is meant for. How good is a rate that one
# [range test](range_test.py) suggests, against one that was searched for?

# %% tags=["hide-input"]
import numpy as np

from lrguide.guide import pictures
from lrguide.guide.contenders import COMPARED, CYCLES, DECAYS, RATES, label
from lrguide.guide.contrasts import beside, compared, named, other_verdicts, rows_beside
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import chosen
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed
from lrguide.guide.tuning import ANSWER, answered, range_test, tuned, tuned_nearby

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
        suggestion {thrice.in_words}. So if you can afford a second training, make it one at three
        times the rate.
        """
    return (
        sentence,
        suggestion(sweeps, "SGD momentum") < 0.03,
        once.verdict == "higher",
        thrice.verdict == "higher",
        thrice.high < once.low,
    )


# %% [markdown]
# ## From your model to a rate, a schedule and a check
#
# The recipe: a range test with three seeds costs as many steps as one of these trainings; take what
# `minimum/10` suggests, a tenth of the rate where the sweep's loss is lowest; let the rate rise to it over
# the first tenth of the run and fall to 0 from there; check the schedule; log what was used.

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=1000, test=1000)
x, y = data.x_train, data.y_train  # <- your data, and below your model
hidden = keras.layers.Dense(64, activation="relu")
output = keras.layers.Dense(10, activation="softmax")
model = keras.Sequential([keras.layers.Flatten(), hidden, output])
model.compile("adam", "categorical_crossentropy")

result = lrguide.lr_range_test(model, x, y, batch_size=50, verbose=0)
rate = result.suggest()["minimum/10"].rate
schedule = lrguide.warmup(lrguide.linear(rate, 72), 8)  # 80 steps in all
print("rate:", rate, *lrguide.check(schedule, steps_per_epoch=40, epochs=2))
model.compile(keras.optimizers.Adam(schedule), "categorical_crossentropy")
log = lrguide.LearningRateLogger()
model.fit(x, y, batch_size=50, epochs=2, callbacks=[log], verbose=0)
print("rates of the last updates:", log.rates[-3:], *log.findings)

# %% [markdown]
# If `rate` is `None`, there was not enough evidence: print `result` and read why.
#
# **When not to rely on it.** [Does it carry over?](elsewhere.py) tries the recipe on four other problems, and
# a tuned rate is better on each. In a run of thousands of steps
# [the rate of a pilot is too high](full_scale.py#the-rate-of-a-pilot-run-is-too-high). Where you can afford
# another training, spend it on short ones at several rates:
# [`find_rate`](snippets.md#from-a-compiled-model-to-a-trained-one) does. How much better that is, and for
# which price, is [planned](method.py) and not measured yet.
#
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
# Another batch size or another optimizer needs [a range test of its own](range_test.py#what-moves-the-answer),
# and trained weights were not measured here ([how to resume](snippets.md#resume-a-schedule)).
#
# ## Questions and errors
#
# They have [a page of their own](questions.md).
#
# ## What to remember
#
# - Search for the rate of each contender equally long before you name a winner.
# - A range test costs about one training; what it suggests is where tuning starts.
# - Check the schedule before the run, log the rates during it.
