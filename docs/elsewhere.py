# ---
# title: Does it carry over?
# description: The guide's lessons on four other problems - a small table, a regression, batch normalisation, a recurrent network - and which of them fail there.
# ---

# %% [markdown]
# # Does it carry over?
#
# Almost every number of this guide so far comes from one set of digits, and most from one network. Here
# are four other problems. Does the [recipe](choosing.py#from-your-model-to-a-rate-a-schedule-and-a-check)
# find a good rate for them, too? And what becomes of the lessons on warmup and decay?

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import RATES
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import several, verdict
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import crossed
from lrguide.guide.tasks import TASKS, guessing
from lrguide.guide.tuning import range_test

NAMES = {
    "CANCER": "table",
    "DIABETES": "regression",
    "DIGITS": "batch norm",
    "SEQUENCES": "recurrent",
}
GUESS = {task: guessing(task) for task in TASKS}


def suggestion(runs, task):
    """What minimum/10 says of the sweeps of a task."""
    return range_test(runs.where(task=task)).suggest()["minimum/10"]


def rounded(runs, task):
    """The suggestion to two digits; NaN without an answer."""
    rate = suggestion(runs, task).rate
    return np.nan if rate is None else float(f"{rate:.2g}")


def valleys(runs):
    top = 3
    picture, panels = plots.subplots(2, 2, height=5.4, sharex=True)
    for axes, task in zip(panels.flat, TASKS, strict=True):
        grid = {rate: part(runs, task, rate) for rate in RATES}
        seen = np.array([np.minimum(losses, top) for losses in grid.values()])
        axes.plot(RATES, seen.mean(axis=1), color=plots.COLOURS[0], label="constant")
        for seed in seen.T:
            axes.plot(RATES, seed, "o", color=plots.COLOURS[0], markersize=3, alpha=0.7)
        found = suggestion(sweeps, task)
        axes.axvspan(found.low, found.high, color=plots.COLOURS[2], alpha=0.25, linewidth=0)
        losses = part(runs, task, SUGGESTED[task], "warmup linear")
        here = np.full(len(losses), SUGGESTED[task])
        axes.plot(here, losses, "D", color=plots.COLOURS[1], markersize=5, label="recipe")
        axes.axhline(1, color="#000000", linestyle=(0, (2, 2)), linewidth=1)
        axes.set(xscale="log", yscale="log", title=NAMES[task])
        wide = axes.get_ylim()[0] < 0.01
        ticks = [1e-4, 0.001, 0.01, 0.1, 1] if wide else [0.05, 0.1, 0.2, 0.5, 1, 2]
        low, high = axes.get_ylim()
        ticks = [tick for tick in ticks if low <= tick <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    picture.supxlabel("learning rate", fontsize=11)
    picture.supylabel("validation loss, guessing = 1", fontsize=11)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
    return picture


def part(runs, task, rate, schedule="constant"):
    """Validation losses at the end as parts of that of guessing; infinite where not finite."""
    losses = runs.where(task=task, rate=rate, schedule=schedule).final() / GUESS[task]
    return np.where(np.isfinite(losses), losses, np.inf)


def valleys_in_words(runs):
    told = [
        f"{NAMES[task]}, lowest at {trials.where(task=task).best():g} of the grid, suggested "
        f"{SUGGESTED[task]:g}, recipe {part(runs, task, SUGGESTED[task], 'warmup linear').mean():.2g}"
        for task in TASKS
    ]
    return (
        "Four panels: final validation loss, as a part of that of guessing, against a constant rate "
        f"with Adam; a band for the suggestion; the recipe's results as diamonds. {'; '.join(told)}."
    )


# %% tags=["output-first"]
trials = measured(
    train,
    crossed(task=TASKS, optimizer="Adam", rate=RATES, seed=(100, 101)),
)
sweeps = measured(
    sweep,
    crossed(task=TASKS, optimizer="Adam", seed=range(5), steps=100),
)
SUGGESTED = {task: rounded(sweeps, task) for task in TASKS}
recipe = measured(
    train,
    [
        dict(
            task=task,
            optimizer="Adam",
            schedule="warmup linear",
            rate=SUGGESTED[task],
            seed=seed,
        )
        for task in TASKS
        for seed in range(5)
    ],
)
figure(Runs(trials + recipe), valleys, alt=valleys_in_words)

# %% [markdown]
# Each blue dot is one training at a constant rate, two seeds a rate, and the line goes through their
# mean; the green band is what [`minimum/10`](range_test.py#how-to-read-it) suggests over five seeds; each diamond is the recipe with another seed, nothing tuned. A loss of 1, the
# dashed line, is that of guessing without looking at the inputs: the shares of the classes in the
# training part, or its mean. What lies above 3 is drawn at 3.
#
# ## Four problems
#
# Three come with scikit-learn, one is made up:
#
# - **table**: breast cancer, 30 numbers, two classes; two dense hidden layers.
# - **regression**: another table, of diabetes, ten numbers, and the progress of the disease; two dense
#   hidden layers.
# - **batch norm**: digits of 8 by 8 pixels; two convolutions, each with batch normalisation.
# - **recurrent**: ten symbols in a row, one of them a mark; which of eight symbols stands right behind the
#   mark? A GRU of 32 units.
#
# Each trains for 300 steps with Adam, as the guide's digits do at the [budget](method.py#budgets-and-what-they-cost)
# `SHORT`. The networks are as
# plain as they come, without dropout or any other brake.

# %% tags=["hide-input"]
table(
    Runs(),
    lambda runs: [
        {
            "problem": NAMES[name],
            **{
                part: f"{size:,}"
                for part, size in zip(("training", "validation", "test"), task.parts, strict=True)
            },
            "batch": f"{task.batch}",
            "epochs": f"{task.epochs}",
            "guessing": f"{GUESS[name]:.2f}",
        }
        for name, task in TASKS.items()
    ],
    caption="Examples in each part, and the validation loss of guessing",
)

# %% [markdown]
# The loss is categorical cross-entropy, that of the regression the mean squared error of a target with
# standard deviation 1. One division of the data, that is: with parts as small as these another one would
# move every loss.
#
# ## Is the recipe as good as tuning?
#
# The recipe is the suggestion as the highest rate, a tenth of the run to rise to it, and linear decay to
# nothing. It has seen no validation data. The constant rate it is compared with has, eighteen times: it
# is the best of the nine by the mean of two seeds. Then five new seeds of each, paired.

# %%
BEST = {task: trials.where(task=task).best() for task in TASKS}
tuned = measured(
    train,
    [
        dict(task=task, optimizer="Adam", rate=BEST[task], seed=seed)
        for task in TASKS
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def gained(runs, task):
    """Seed by seed, the loss of the recipe minus that of the tuned constant rate."""
    by = runs.where(task=task).by("schedule")
    return by["warmup linear"].minus(by["constant"])


def decimals(task):
    return 5 if task == "SEQUENCES" else 3


def losses(runs, task, schedule, name="validation_loss"):
    return several(runs.where(task=task, schedule=schedule).final(name), decimals(task))


def interval(found):
    return f"{found.rate:.2g} ({found.low:.2g} to {found.high:.2g})"


both = Runs(tuned + recipe)
table(
    both,
    lambda runs: [
        {
            "problem": NAMES[task],
            "suggested": interval(suggestion(sweeps, task)),
            "tuned": f"`{BEST[task]:g}`",
            "loss, tuned": losses(runs, task, "constant"),
            "loss, recipe": losses(runs, task, "warmup linear"),
            "recipe is": verdict(gained(runs, task)),
        }
        for task in TASKS
    ],
    caption="The recipe without tuning against the tuned constant rate, five seeds",
)


# %% tags=["hide-input"]
def verdicts(runs):
    return [verdict(gained(runs, task)) for task in TASKS]


def times_as_high(runs, task):
    """The recipe's mean loss as a multiple of that of the tuned constant rate."""
    by = runs.where(task=task).by("schedule")
    return by["warmup linear"].final().mean() / by["constant"].final().mean()


@claim(both)
def without_tuning_the_recipe_does_not(runs):
    listed = ", ".join(
        f"{times_as_high(runs, task):.2f} times as high ({NAMES[task]})" for task in TASKS
    )
    sentence = f"""
        **Without tuning, the recipe does not beat a tuned constant rate on any of the four.** It
        ends {listed}. [On the article's
        network](choosing.py#from-your-model-to-a-rate-a-schedule-and-a-check) it ended lower: that
        lesson does not carry over. (The factor of the recurrent network is one between two losses
        that are next to nothing.)
        """
    return sentence, verdicts(runs) == ["higher"] * 4, times_as_high(runs, "SEQUENCES") > 3


def better_rates(runs, task):
    """How many constant rates of the grid end lower than the recipe, on the mean."""
    of = runs.where(task=task)
    bar = of.where(schedule="warmup linear").final().mean()
    grid = of.where(schedule="constant").by("rate").values()
    return sum(bool(group.final().mean() < bar) for group in grid)


@claim(Runs(trials + recipe))
def but_it_is_safe_place_to(runs):
    listed = ", ".join(f"{better_rates(runs, task)} ({NAMES[task]})" for task in TASKS)
    sentence = f"""
        **But it is a safe place to start.** Of the nine constant rates, with the two seeds of their
        tuning, those that end lower than the recipe number {listed}. Whoever guesses a rate does
        worse most of the time.
        """
    return sentence, [better_rates(runs, task) for task in TASKS] == [1, 1, 1, 1]


def on_the_test(runs, task):
    """What the paired test losses say of the recipe."""
    by = runs.where(task=task).by("schedule")
    return verdict(by["warmup linear"].minus(by["constant"], "test_loss"))


@claim(both)
def on_the_first_table_the_order(runs):
    listed = "; ".join(
        f"{losses(runs, task, 'warmup linear', 'test_loss')} and {losses(runs, task, 'constant', 'test_loss')}, {on_the_test(runs, task)} ({NAMES[task]})"
        for task in TASKS
    )
    sentence = f"""
        On the test part, looked at once, recipe and tuned constant rate end at {listed}. **On the
        first table the order is reversed**: its tuned rate may suit the validation part that chose
        it. With parts as small as these, believe no small difference, and not these either.
        """
    return (
        sentence,
        [on_the_test(runs, task) for task in TASKS] == ["lower", "tie", "tie", "higher"],
    )


# %% [markdown]
# [Choosing](choosing.py) adds: if you can afford a second training, make it one at three times the
# suggestion.

# %%
higher = measured(
    train,
    [
        dict(
            task=task,
            optimizer="Adam",
            schedule="warmup linear",
            rate=3 * SUGGESTED[task],
            seed=seed,
        )
        for task in TASKS
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def tripled(runs, task, other):
    """What the recipe at three times the suggestion is against other runs."""
    return verdict(runs.where(task=task, rate=3 * SUGGESTED[task]).minus(other(runs, task)))


def at_suggestion(runs, task):
    return runs.where(task=task, rate=SUGGESTED[task])


def at_tuned(runs, task):
    return runs.where(task=task, schedule="constant")


@claim(Runs(tuned + recipe + higher))
def it_helps_where_the_network_still(runs):
    listed = ", ".join(
        f"{losses(runs.where(rate=3 * SUGGESTED[task]), task, 'warmup linear')} ({NAMES[task]})"
        for task in TASKS
    )
    listed_2 = ", ".join(f"{tripled(runs, task, at_tuned)} ({NAMES[task]})" for task in TASKS)
    sentence = f"""
        **It helps where the network still learns at the end, and harms on the tables.** It ends at
        {listed}. Against the tuned constant rate that is {listed_2}.
        """
    return (
        sentence,
        [tripled(runs, task, at_suggestion) for task in TASKS] == ["higher"] * 2 + ["lower"] * 2,
        [tripled(runs, task, at_tuned) for task in TASKS] == ["higher"] * 2 + ["tie"] * 2,
    )


# %% [markdown]
# ## What the range test cannot see
#
# It reads the loss of the batches that it trains on, for a hundred steps. Whether the network later learns
# its few examples by heart, and gets worse on all others, no such sweep can tell. So here is the loss of
# a constant rate, the one of the grid nearest to the suggestion: the lowest of all epochs, and the last.


# %% tags=["hide-input"]
def nearest(task):
    """The rate of the grid that is nearest to the suggestion."""
    return min(RATES, key=lambda rate: abs(np.log(rate / SUGGESTED[task])))


def passing(runs, task, rate):
    """Validation losses of a constant rate: the lowest of all epochs, and the last."""
    seen = runs.where(task=task, rate=rate).values("validation_loss")
    return seen.min(axis=1), seen[:, -1]


def risen(runs, task, rate):
    """How many times as high as its lowest the loss is at the end, in the seed where it is least."""
    lowest, last = passing(runs, task, rate)
    return float((last / lowest).min())


def regret(runs, task):
    """What the rate nearest to the suggestion costs against the best of the grid."""
    rates = runs.where(task=task).by("rate")
    return float(rates[nearest(task)].final().mean() - rates[BEST[task]].final().mean())


table(
    trials,
    lambda runs: [
        {
            "problem": NAMES[task],
            "suggested": f"{SUGGESTED[task]:g}",
            "nearest": f"`{nearest(task):g}`",
            "lowest": several(passing(runs, task, nearest(task))[0], decimals(task)),
            "at the end": several(passing(runs, task, nearest(task))[1], decimals(task)),
            "best rate": f"`{BEST[task]:g}`",
            "regret": f"{regret(runs, task):.{decimals(task)}f}",
        }
        for task in TASKS
    ],
    caption="A constant rate near the suggestion, two seeds",
)


@claim(trials)
def on_both_tables_the_suggestion_is(runs):
    sentence = f"""
        **On both tables the suggestion is too high for the end of the run, not for its beginning.**
        Near it the validation loss passes through
        {several(passing(runs, "CANCER", nearest("CANCER"))[0])} and
        {several(passing(runs, "DIABETES", nearest("DIABETES"))[0])}, as low as the best rate of the
        grid ends, and then rises to {several(passing(runs, "CANCER", nearest("CANCER"))[1])} and
        {several(passing(runs, "DIABETES", nearest("DIABETES"))[1])}: the network learns its
        examples by heart. The best rate of the grid does best by being slow. With batch
        normalisation and with the recurrent network the loss is still at its lowest, or nearly,
        when the run ends.
        """
    return (
        sentence,
        all(risen(runs, task, nearest(task)) > 1.2 for task in ("CANCER", "DIABETES")),
        all(risen(runs, task, nearest(task)) < 1.2 for task in ("DIGITS", "SEQUENCES")),
        all(
            passing(runs, task, nearest(task))[0].mean()
            < 1.05 * passing(runs, task, BEST[task])[1].mean()
            for task in ("CANCER", "DIABETES")
        ),
    )


@claim(trials, sweeps)
def the_suggestion_errs_either_way(trials, sweeps):
    best = {task: runs.best() for task, runs in trials.by("task").items()}
    times = {task: rounded(sweeps, task) / best[task] for task in TASKS}
    too_low = [task for task in TASKS if times[task] < 0.5]
    told = ", ".join(f"{times[task]:.2g} times ({NAMES[task]})" for task in TASKS)
    sentence = f"""
        How far the suggestion lies from the best rate of the grid: {told}. That it points too low, as
        on the article's network, holds for {len(too_low)} of {len(TASKS)}.
        """
    return (
        sentence,
        list(best.values()) == [0.001, 0.001, 0.01, 0.1],
        times["CANCER"] > 3,
        times["DIABETES"] > 3,
        times["DIGITS"] > 0.5,
        times["DIGITS"] < 2,
        too_low == ["SEQUENCES"],
    )


# %% [markdown]
# ## Ten times too high
#
# The grid holds ten times the tuned rate of each problem, with two seeds. A seed learns if its
# validation loss was, after some epoch, at least a tenth below that of guessing.


# %% tags=["hide-input"]
def learned(runs, task):
    """How many of these runs learn."""
    seen = runs.values("validation_loss")
    lowest = np.where(np.isfinite(seen), seen, np.inf).min(axis=1)
    return int((lowest < 0.9 * GUESS[task]).sum())


def far(runs, task):
    """Two seeds at ten times the tuned rate."""
    return runs.where(task=task, rate=10 * BEST[task])


@claim(trials)
def ten_times_too_high_to_do(runs):
    listed = ", ".join(f"{learned(far(runs, task), task)} ({NAMES[task]})" for task in TASKS)
    sentence = f"""
        **Ten times too high to do best is not always too high to learn.** Of two seeds, those that
        learn number {listed}. So only the recurrent network can show whether a warmup rescues such
        a rate.
        """
    return sentence, [learned(far(runs, task), task) for task in TASKS] == [2, 2, 2, 0]


# %%
too_high = measured(
    train,
    crossed(
        task="SEQUENCES",
        optimizer="Adam",
        schedule=("constant", "warmup linear"),
        rate=10 * BEST["SEQUENCES"],
        seed=range(5),
    ),
)


# %% tags=["hide-input"]
@claim(too_high, tuned.where(task="SEQUENCES"))
def there_the_lesson_carries_over(too_high, tuned):
    constant, warmup = (too_high.where(schedule=name) for name in ("constant", "warmup linear"))
    rescued, ends = learned(warmup, "SEQUENCES"), warmup.final()
    sentence = f"""
        **There it does: the lesson carries over.** With the constant rate
        {learned(constant, "SEQUENCES")} of 5 seeds learn, with warmup and linear decay {rescued}. How
        well is another matter: they end anywhere from {ends.min():.5f} to {ends.max():.2f}, at the
        tuned rate at {several(tuned.final(), decimals("SEQUENCES"))}. (What of it is the warmup's and
        what the decay's, these runs do not tell; [on the article's
        network](decay.py#too-high-and-by-how-much) it was the warmup.)
        """
    return (
        sentence,
        learned(constant, "SEQUENCES") == 0,
        rescued == 5,
        ends.max() > 1000 * ends.min(),
        ends.max() > tuned.final().max(),
    )


# %% [markdown]
# ## What was not measured
#
# Adam alone, 300 steps, one network and one division of the data for each problem. Decay and warmup
# apart, each with a rate of its own, were planned, and cut for want of time when the grid had been
# trained ([method](method.py#changed-after-looking)).
#
# ## Try it
#
# A fifth problem: three sorts of wine by what is in them. Put your table and your network in its place.

# %% tags=["snippet"]
import keras
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import lrguide

keras.utils.set_random_seed(0)
x, y = load_wine(return_X_y=True)  # <- your data, and below your model
x, y = scale(x), keras.utils.to_categorical(y)
x, x_new, y, y_new = train_test_split(x, y, test_size=58)
model = keras.Sequential([keras.layers.Dense(32, activation="relu")])
model.add(keras.layers.Dense(3, activation="softmax"))
model.compile("adam", "categorical_crossentropy")
result = lrguide.lr_range_test(model, x, y, batch_size=12, verbose=0)
rate = result.suggest()["minimum/10"].rate
schedule = lrguide.warmup(lrguide.linear(rate, 90), 10)  # 100 steps
model.compile(keras.optimizers.Adam(schedule), "categorical_crossentropy")
model.fit(x, y, batch_size=12, epochs=10, verbose=0)
print(f"rate {rate:.2g}, loss", model.evaluate(x_new, y_new, verbose=0))

# %% [markdown]
# ## What to remember
#
# - On another problem start from the recipe, and tune the rate there if you can.
# - A range test cannot see that a network will learn its examples by heart: watch validation data, and
#   stop early or take a lower rate.
# - With little data a tuned rate is also fitted to the part that chose it: judge it on another.
