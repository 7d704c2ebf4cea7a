# ---
# title: At full scale
# description: 48,000 images and 25 epochs for twenty contenders - what a schedule is worth in a long training, and why the rate of a short one is wrong for it.
# ---

# %% [markdown]
# # At full scale
#
# Most comparisons in this guide are of trainings of 60 or 300 steps. Here is a long one, that of the
# article behind the guide: all of MNIST, 25 epochs, 4,800 steps. Two things change. A rate that falls
# pays now, and the rate that was best in a short training is too high.

# %% tags=["hide-input"]
from lrguide import plots
from lrguide.guide import pictures
from lrguide.guide.contenders import COMPARED, RATES, label
from lrguide.guide.contrasts import BEST, LAST, TEST, beside, compared, named, percent, rows_beside
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import CHANCE, chosen, spearman, valleys
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import answered, bounds, tuned, tuned_nearby


def adam(*schedules):
    return [dict(optimizer="Adam", schedule=schedule) for schedule in schedules]


CONSTANT, LINEAR, COSINE, PLATEAU = adam("constant", "linear", "cosine", "plateau")
RISE, CYCLE = adam("warmup linear", "1cycle")
SGDS = [c for c in COMPARED if c["optimizer"].startswith("SGD")]
PLANNED = [LINEAR, COSINE, PLATEAU, RISE, CYCLE, *SGDS[:2]]
FREE, AVERAGE = COMPARED[-2:]
OTHERS = [c for c in COMPARED if c not in [CONSTANT, *PLANNED, FREE]]
TUNED = "the tuned constant rate with Adam"


def rate_of(runs, contender):
    return chosen(runs, contender)[0].settings["rate"]


# %% tags=["output-first"]
pilots, middle = tuned(
    [dict(each, budget="MIDDLE") for each in COMPARED],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
ROW = {"Adam": RATES[:4]}
ROW |= dict.fromkeys(["SGD", "SGD momentum"], RATES[3:7])
trials, full = tuned_nearby(
    [dict(each, budget="FULL") for each in COMPARED],
    [1e-4, *RATES],
    start=[rate_of(middle, each) for each in COMPARED],
    trial=100,
    seeds=range(5),
    also=[ROW.get(each["optimizer"], ()) for each in COMPARED],
)
figure(full, **pictures.beside_the_first([CONSTANT, *PLANNED], TUNED))

# %% [markdown]
# Each mark is how much lower or higher the validation loss ends than with the best constant rate of Adam,
# and its line the `95 %` interval; in the grey band two count as equal. "SGD+m" is SGD with a momentum of
# `0.9`. These are the seven contenders that the [plan](method.py#the-plan-of-30-november-2026) names for
# long trainings, and its rule decides on this page: five seeds, paired, verdicts corrected for the number of
# contrasts that stand together. The intervals are not corrected, so that one may leave out "same" and its
# contrast still be undecided.


# %% tags=["hide-input"]
@claim(full)
def in_a_long_training_let_the_rate_fall(runs):
    found = beside(runs, PLANNED, CONSTANT)
    cosine, plateau, rise, linear = (found[label(c)] for c in (COSINE, PLATEAU, RISE, SGDS[1]))
    sentence = f"""
        **In a long training let the rate fall.** Linear decay, the cosine, 1cycle and a rate that is
        halved at each plateau end lower than the constant rate: {cosine} with the cosine, {plateau}
        with the plateau rule. Warmup with linear decay is undecided, {rise}, and so are both
        contenders with SGD and momentum, {linear} where the rate falls linearly.
        """
    return (
        sentence,
        named(found, "lower") == [label(c) for c in (LINEAR, COSINE, PLATEAU, CYCLE)],
        named(found, "undecided") == [label(c) for c in (RISE, *SGDS[:2])],
    )


@claim(full)
def part_of_that_gain_is_one_of_the_last_epoch(runs):
    last, best, test = (beside(runs, PLANNED, CONSTANT, losses) for losses in (LAST, BEST, TEST))
    cosine = label(COSINE)
    sentence = f"""
        **Part of that gain is one of the last epoch.** Take each run's best epoch instead, as the
        validation loss chooses it, and none of the seven is decided: the cosine, say, is at
        {best[cosine]}. On the test images, after the last epoch, none of them is decided either, and
        the cosine is at {test[cosine]}.
        """
    return (
        sentence,
        named(best, "undecided") == [*best],
        named(test, "undecided") == [*test],
        all(best[name].change > last[name].change for name in named(last, "lower")),
    )


table(
    full,
    lambda runs: [
        row for row in rows_beside(runs, [CONSTANT, *PLANNED], CONSTANT, 4) if row["verdict"]
    ],
    caption="4,800 steps; in brackets the intervals of the share that learns and of the change",
)

# %% [markdown]
# The plateau rule, Keras' `ReduceLROnPlateau`, halves the rate after an epoch without a lower validation
# loss, and need not know when the training ends. It looks at the very loss by which it is then judged.
#
# So long a training leaves few trials for the rate. It was searched with one seed: from the rate that is
# best in 288 steps (budget `MIDDLE`) to its neighbours for as long as the loss fell, and at four rates in
# a row besides ([why](#what-one-seed-chose)). Five other seeds give the answer, some on a CPU and some on
# a GPU ([Method](method.py#changed-after-looking)).
#
# ## Twelve more
#
# The other contenders of [Choosing](choosing.py) have verdicts of their own. *Average* keeps the rate and
# evaluates a moving average of the weights (Keras' `ema_momentum` of `0.99`). Keras' `ScheduleFreeAdamW`
# is left out, since it lies far outside ([it has a fault](optimizers.py#what-has-come-since)).

# %% tags=["hide-input"]
figure(full, **pictures.beside_the_first([CONSTANT, *OTHERS], TUNED))


@claim(full)
def five_seeds_decide_none_of_these_twelve(runs):
    found = beside(runs, OTHERS, CONSTANT)
    step, average = found["Adam step"], found[label(AVERAGE)]
    sentence = f"""
        **Five seeds decide none of these twelve.** Only with step decay, {step}, and with the average
        of the weights, {average}, does the interval leave out "same", and among twelve contrasts that
        is not enough.
        """
    return (
        sentence,
        named(found, "undecided") == [*found],
        [n for n, c in found.items() if c.high < 0 or c.low > 0] == ["Adam step", label(AVERAGE)],
    )


# %% [markdown]
# ## From 60 steps to 4,800
#
# What helps in a long training may harm in a short one. Here are the seven contenders in trainings of four
# sizes, each tuned at each. `FEW_STEPS` and `SHORT` have 3,000 images, in batches of 250 for 60 steps and of
# 50 for 300; `MIDDLE` has 12,000 in batches of 250 for 288 steps. The first two have the plan's search and
# twenty new seeds, the others have five seeds.

# %% tags=["output-first"]
brief, short = (
    answered([dict(each, budget=budget) for each in [CONSTANT, *PLANNED]])
    for budget in ("FEW_STEPS", "SHORT")
)
lengths = Runs([*brief, *short, *middle, *full])


# %% tags=["hide-input"]
def by_length(runs):
    """The contrasts with the constant rate, from the fewest steps to the most."""
    return {b: beside(group, PLANNED, CONSTANT) for b, group in runs.by("budget").items()}


def cell(contrast):
    marks = {"lower": "▼ ", "higher": "▲ ", "equal": "= "}
    return marks.get(contrast.verdict, "") + percent(contrast.change)


table(
    lengths,
    lambda runs: [
        {
            "contender": label(contender),
            **{
                f"{BUDGETS[budget].steps:,} steps": cell(found[label(contender)])
                for budget, found in by_length(runs).items()
            },
        }
        for contender in PLANNED
    ],
    caption="Loss against the tuned constant rate with Adam: ▼ lower, ▲ higher, = equal, without a "
    "mark undecided; corrected for the seven of a column",
)


@claim(lengths)
def what_helps_depends_on_the_training(runs):
    few, short, middle, full = by_length(runs).values()
    lower = [len(named(each, "lower")) for each in (few, short, middle, full)]
    linear, cosine, rise = map(label, (LINEAR, COSINE, RISE))
    sentence = f"""
        **What helps depends on the training.** After 60 steps linear decay and the cosine end higher
        than a constant rate, {few[linear]} and {few[cosine]}, and none of the seven ends lower. After
        300 steps these two are undecided, and {lower[1]} of the seven end lower: 1cycle, and warmup with
        linear decay, {short[rise]}. After 288 steps of larger batches {lower[2]} do, and after 4,800
        steps {lower[3]}.
        """
    return (
        sentence,
        lower == [0, 2, 3, 4],
        {few[linear].verdict, few[cosine].verdict} == {"higher"},
        {short[linear].verdict, short[cosine].verdict} == {"undecided"},
        named(short, "lower") == [rise, label(CYCLE)],
    )


@claim(lengths)
def sgd_catches_up(runs):
    few, short, _, full = by_length(runs).values()
    constant, linear = map(label, SGDS[:2])
    sentence = f"""
        **SGD catches up.** After 60 steps SGD with momentum, at a constant rate of its own, ends at more
        than twice the loss of Adam, and after 300 at {short[constant]}. After 4,800 steps it is undecided,
        with a constant rate, {full[constant]}, as with linear decay.
        """
    return (
        sentence,
        few[constant].low > 1,
        short[constant].verdict == "higher",
        {full[constant].verdict, full[linear].verdict} == {"undecided"},
        full[constant].pairs == 5,
    )


@claim(middle, full)
def the_order_in_a_short_training_is_a_hint_at_best(middle, full):
    losses = [[chosen(group, c).final().mean() for c in COMPARED] for group in (middle, full)]
    sentence = f"""
        **For a long training the order in a short one is a hint at best.** All {len(COMPARED)}
        contenders ranked by loss after 288 and after 4,800 steps go together only a little: Spearman's
        correlation of the ranks is {spearman(*losses):.2f}.
        """
    return sentence, 0.35 < spearman(*losses) < 0.65


# %% [markdown]
# ## The rate of a pilot run is too high
#
# It is tempting to tune in short trainings and to use that rate in a long one. It is too high there.
# These are constant rates with Adam in 288 steps (two seeds) and in 4,800 (five). The long trainings have
# four times the images, too; which of the two moves the rate, these runs do not tell.

# %% tags=["output-first"]
FEW = [1e-5, *RATES[:5]]
constants = measured(
    train,
    crossed(optimizer="Adam", rate=RATES, seed=(100, 101), budget="MIDDLE")
    + crossed(optimizer="Adam", rate=FEW, seed=range(5), budget="FULL"),
)


# %% tags=["hide-input"]
def losses_by_rate(runs):
    curves = {f"{BUDGETS[b].steps:,} steps": curve for b, curve in valleys(runs, "budget").items()}
    return plots.loss_by_rate(curves, chance=CHANCE)


def valleys_in_words(runs):
    return "Validation loss at the end against a constant learning rate with Adam. " + "; ".join(
        f"{BUDGETS[budget].steps:,} steps: lowest at {group.best():g}, "
        f"{group.where(rate=group.best()).final().mean():.3f}"
        for budget, group in runs.by("budget").items()
    )


figure(constants, losses_by_rate, alt=valleys_in_words)


@claim(Runs(pilots + trials))
def the_rate_of_a_short_training_is_too_high(runs):
    short, long = (
        {label(c): chosen(runs.where(budget=budget), c).best() for c in COMPARED}
        for budget in ("MIDDLE", "FULL")
    )
    with_adam = [label(c) for c in COMPARED if c["optimizer"] == "Adam"]
    a_tenth = sum(long[name] < 0.11 * short[name] for name in with_adam)
    the_same = sum(long[name] == short[name] for name in map(label, SGDS))
    sentence = f"""
        **With Adam the rate of a short training is too high for a long one.** A constant rate is best
        at `{short["Adam constant"]:g}` in the short one and at `{long["Adam constant"]:g}` in the long
        one. For {a_tenth} of {len(with_adam)} contenders with Adam the long training's rate is a tenth
        of the short one's or less. With SGD it is the same for {the_same} of {len(SGDS)}.
        """
    return (
        sentence,
        short["Adam constant"] == 0.003,
        long["Adam constant"] == 3e-4,
        a_tenth == 14,
        the_same == 4,
    )


@claim(constants.where(budget="FULL"))
def the_mistake_shows_at_the_end(runs):
    pairs = {rate: (runs.where(rate=rate), runs.where(rate=3e-4)) for rate in (0.003, 0.01)}
    last, best = compared(pairs, LAST), compared(pairs, BEST)
    sentence = f"""
        **The mistake shows at the end.** With the rate of the short training, `0.003`, the long one
        ends higher than with `0.0003`: {last[0.003]}. At their best epochs the two cannot be told
        apart, {best[0.003]}, so it matters less to those who keep the weights of that epoch. With
        `0.01` the best epoch is higher, too: {best[0.01]}.
        """
    return (
        sentence,
        last[0.003].verdict == "higher",
        best[0.003].verdict == "undecided",
        best[0.01].verdict == "higher",
    )


# %% [markdown]
# ## What one seed chose
#
# A search that walks downhill from where it begins sees only a part of the grid, and its seed may be a
# lucky one. With 1cycle and with warmup and linear decay such a walk stops at `0.03`. The four rates in a
# row were added for that reason, and with them the same seed finds `0.001`.

# %% tags=["hide-input"]
asked = dict(schedule=("warmup linear", "1cycle"), rate=0.03, budget="FULL")
again = measured(train, crossed(optimizer="Adam", **asked, seed=range(5)))


@claim(again, full, trials)
def the_seed_that_searched_was_lucky(again, full, trials):
    found = compared({label(c): (chosen(again, c), chosen(full, c)) for c in (RISE, CYCLE)})
    rise, cycle = (found[label(c)] for c in (RISE, CYCLE))
    lucky = [chosen(trials, c).where(rate=0.03).final().mean() for c in (RISE, CYCLE)]
    sentence = f"""
        **The seed that searched was lucky at `0.03`.** Its loss there lies below that of all five
        others, which end higher at `0.03` than at `0.001`: {rise} with warmup and linear decay,
        {cycle} with 1cycle.
        """
    return (
        sentence,
        lucky[0] < chosen(again, RISE).final().min(),
        lucky[1] < chosen(again, CYCLE).final().min(),
        rise.verdict == "higher",
        cycle.verdict == "higher",
    )


# %% [markdown]
# ## Cycles between a range test's bounds
#
# A range test needs no tuning, but it is a short training, too. Five sweeps of 100 steps with these
# batches give the bounds of a cyclical rate, as in
# [Cyclical rates](cyclical.py#bounds-from-the-range-test); two cycles fill the training.

# %% tags=["output-first"]
sweeps = measured(
    sweep,
    crossed(optimizer="Adam", seed=range(5), steps=100, budget="FULL"),
)
low, high = bounds(sweeps)
between = dict(schedule="triangular", low=low, rate=high, budget="FULL")
cycles = measured(
    train,
    crossed(optimizer="Adam", seed=range(5), **between),
)


# %% tags=["hide-input"]
@claim(cycles, chosen(full, CONSTANT), trials)
def in_so_long_a_training_the_upper_bound_is_too_high(cycles, constant, trials):
    pairs = {"cycles": (cycles, constant)}
    last, best = (compared(pairs, losses)["cycles"] for losses in (LAST, BEST))
    cyclical = adam("triangular", "triangular2", "exp_range")
    of_its_own = {chosen(trials, contender).best() for contender in cyclical}
    settings = cycles[0].settings
    sentence = f"""
        **In so long a training the upper bound is too high.** Cycles between the suggested
        `{settings["low"]:g}` and `{settings["rate"]:g}` end higher than the tuned constant rate,
        {last}. At their best epochs they are undecided, {best}. The search gave all three cyclical
        rates an upper bound of `{max(of_its_own):g}`: a sweep knows nothing of the steps after it.
        """
    return sentence, last.verdict == "higher", best.verdict == "undecided", of_its_own == {0.001}


# %% [markdown]
# ## Try it
#
# Two rates, two lengths, and a small network. How far do the rates lie apart after one epoch, how far
# after eight? And after sixteen?

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset

data = mnist_subset().first(training=2000, validation=1000, test=1000)
x, y = data.x_train, data.y_train
held_out = data.x_validation, data.y_validation
for epochs in (1, 8):  # <- the lengths
    for rate in (0.003, 0.03):
        keras.utils.set_random_seed(0)
        hidden = keras.layers.Dense(64, activation="relu")
        output = keras.layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.layers.Flatten(), hidden, output])
        optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, "categorical_crossentropy")
        model.fit(x, y, batch_size=50, epochs=epochs, verbose=0)
        loss = model.evaluate(*held_out, verbose=0)
        print(f"{epochs} epochs, {rate}: {loss:.2f}")

# %% [markdown]
# ## What to remember
#
# - In a long training let the rate decay, or halve it at a plateau. In a very short one keep the rate up.
# - With Adam, do not carry a rate from a short training into a long one: here it was up to ten times too
#   high. [Find it](choosing.py) for the length that you train, and keep the weights of the best epoch.
# - A search that walks with one seed can stop short: try the whole grid, and other seeds.
