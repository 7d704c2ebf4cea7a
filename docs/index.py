# ---
# title: Learning rates, measured
# description: A guide to learning rates for Keras in which every number was measured, with the runs, the scripts and a small tested package to use yourself.
# ---

# %% [markdown]
# # Learning rates, measured
#
# The learning rate scales the steps in which a network learns. It decides whether it learns at all,
# and the right one cannot be read off anywhere: it has to be found.
#
# [Find my rate](choosing.py){ .md-button } [My curve looks wrong](curves.py){ .md-button }

# %% tags=["hide-input"]
from lrguide import plots
from lrguide.guide.contenders import RATES, WIDE
from lrguide.guide.contrasts import compared
from lrguide.guide.experiments import train
from lrguide.guide.measures import CHANCE, learning_limit, valleys
from lrguide.guide.pictures import (
    limits_in_words,
    losses_by_rate,
    losses_by_schedule,
    valleys_in_words,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure
from lrguide.guide.settings import BUDGETS, crossed

# %% tags=["hide-input"]
sweep = measured(
    train,
    crossed(
        optimizer=("Adam", "SGD"),
        rate=WIDE,
        seed=range(3),
        budget="SMALL",
    ),
)
figure(sweep, losses_by_rate, alt=valleys_in_words)

# %% [markdown]
# One network, one set of digits, a fixed budget of steps. Each dot is a network trained from scratch,
# each line goes through the median of three; only the optimizer, the learning rate and the seed differ.
# On the far left the steps are so small that the budget runs out, on the far right so large that most
# networks learn nothing.


# %% tags=["hide-input"]
@claim(sweep)
def each_optimizer_has_its_rate(sweep):
    adam, sgd = (sweep.where(optimizer=optimizer).best() for optimizer in ("Adam", "SGD"))
    sentence = f"""
        **A good learning rate belongs to its optimizer.** Of these rates `{adam:g}` is best with
        Adam and `{sgd:g}` with plain SGD, {sgd / adam:.0f} times as large.
        [Fixed learning rates](fixed_rates.py) looks closer.
        """
    return sentence, sgd > 50 * adam, sgd < 200 * adam


# %% [markdown]
# ## What people get wrong
#
# **The best rate depends on how long you train.** Each line is one length of training with Adam.


# %% tags=["hide-input"]
def by_length(runs):
    curves = valleys(runs, "budget")
    return plots.loss_by_rate(
        {f"{BUDGETS[name].steps:,} steps": curve for name, curve in curves.items()},
        chance=CHANCE,
    )


def by_length_in_words(runs):
    return "Final validation loss against learning rate with Adam. Lowest: " + "; ".join(
        f"at {group.best():g} in {BUDGETS[name].steps:,} steps"
        for name, group in runs.by("budget").items()
    )


small = sweep.where(optimizer="Adam")
lengths = measured(
    train,
    [
        dict(optimizer="Adam", rate=rate, seed=seed, budget=budget)
        for budget, rates, seeds in (
            ("MIDDLE", RATES, (100, 101)),
            ("FULL", [1e-5, *RATES[:5]], range(5)),
        )
        for rate in rates
        for seed in seeds
    ],
)
figure(Runs(small + lengths), by_length, alt=by_length_in_words)


@claim(small, lengths.where(budget="FULL"))
def their_order_turns_round(short, long):
    larger, smaller = (short.where(rate=rate).final() for rate in (0.01, 0.001))
    larger_then, smaller_then = (long.where(rate=rate).final() for rate in (0.01, 0.001))
    sentence = """
        `0.01` or `0.001`? In 120 steps every seed of the larger one ends lower than any of the
        smaller. In 4,800 steps every one ends higher.
        """
    return sentence, larger.max() < smaller.min(), larger_then.min() > smaller_then.max()


@claim(lengths)
def the_rate_of_a_pilot_is_too_high(lengths):
    pilot, long = (lengths.where(budget=budget) for budget in ("MIDDLE", "FULL"))
    carried, right = (long.where(rate=rate) for rate in (0.003, 3e-4))
    lost = compared({"lost": (carried, right)})["lost"]
    sentence = f"""
        So the rate of a short pilot is too high for a long run. Of those tried `{pilot.best():g}` is
        best in 288 steps and `{long.best():g}` in 4,800, where the pilot's rate ends {lost.in_words}
        ([At full scale](full_scale.py#the-rate-of-a-pilot-run-is-too-high)).
        """
    return (
        sentence,
        pilot.best() == 0.003,
        long.best() == 3e-4,
        lost.verdict == "higher",
        lost.pairs == 5,
    )


# %% [markdown]
# **Decay does not save a rate that is too high. A warmup does.** Each line is one schedule, 300 steps.

# %% tags=["hide-input"]
starts = measured(
    train,
    crossed(
        optimizer="Adam",
        schedule=("constant", "linear", "warmup linear"),
        rate=RATES,
        seed=(100, 101),
        budget="SHORT",
    ),
)
figure(starts, losses_by_schedule, alt=limits_in_words)


@claim(starts)
def decay_does_not_save_it_and_warmup_does(starts):
    limits = {name: learning_limit(group) for name, group in starts.by("schedule").items()}
    constant, warmup = limits["constant"], limits["warmup linear"]
    sentence = f"""
        With a constant rate every seed learns up to `{constant:g}`, with linear decay no further, but
        with a warmup before that decay up to `{warmup:g}`
        ([Decay](decay.py#too-high-and-by-how-much)).
        """
    return (
        sentence,
        limits["linear"] == constant,
        warmup >= 10 * constant,
        warmup < 20 * constant,
    )


# %% [markdown]
# ## Install
#
# The package that measured all this comes with the page:
#
# <div class="lr-install"></div>
#
# It runs on each backend of Keras 3: write `jax` or `torch` in the place of `tensorflow` for
# [another](backends.md).
#
# ## What this is
#
# An article[^1] explains why fixed and decaying learning rates are hard to get right and
# what to do about it: adaptive optimizers, the learning rate range test, cyclical learning rates.
# This guide asks its questions again and answers them with measurements: several seeds, their spread
# shown, failures as plainly as successes. Where the article is wrong, the guide says so and shows the
# runs.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).
#
# No measured number on these pages was typed. Each sentence that states one is code: it takes its
# numbers from stored runs and stops the page if they no longer bear it out. At the foot of a page
# with measurements you find when and on what its runs were made, the script, and the runs themselves.
#
# ## How to use it
#
# === "Read"
#
#     Start with [Fixed learning rates](fixed_rates.py), go on with
#     [Decaying learning rates](decay.py). In a hurry? [Choosing](choosing.py) has a recipe and the
#     contenders side by side, [Questions and errors](questions.md) says what a curve or a message
#     means. The code below a picture asks for the runs in it; the page's script, linked at its foot,
#     has the rest.
#     [The same schedule elsewhere](translate.md) has the calls of six libraries,
#     [The runs](records/README.md) every run to download.
#
# === "Run"
#
#     You need Python `3.11` to `3.13`, `make` and `3.5 GB` of free disk. Clone the repository, then
#
#     ```sh
#     make serve
#     ```
#
#     and open the address that it prints. At the first start all pages run, and each shows its results
#     when it has. Add a rate in `docs/fixed_rates.py` and save: the page says that it is being run, trains
#     what is new, keeps the runs it knows, and shows you the result, and which of its sentences no longer
#     hold.
#
# === "Copy"
#
#     Each page with measurements has a snippet that runs as it stands, most with nothing but Keras and
#     lrguide, and [Snippets](snippets.md) has one for each task. All of them run in the tests. They
#     are free to use (MIT licence). TensorFlow prints notes about CUDA and oneDNN at its start; what
#     the snippet prints comes after them.
#
# ## Try it
#
# The same rate, two optimizers. Each prints its validation loss; guessing would give about
# `2.3`. What happens at `0.001`?

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset
from lrguide.model import article_cnn

rate = 0.1  # <- change this number

data = mnist_subset().first(training=2000, validation=1000, test=1000)
for optimizer in (keras.optimizers.Adam(rate), keras.optimizers.SGD(rate)):
    keras.utils.set_random_seed(0)
    model = article_cnn()
    model.compile(optimizer, loss="categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=50, epochs=2, verbose=0)
    loss = model.evaluate(data.x_validation, data.y_validation, verbose=0)
    print(f"{optimizer.name}: {loss:.2f}")

# %% [markdown]
# ## What to remember
#
# - The learning rate decides between learning and not learning.
# - The range that works depends on the optimizer, so expect it to depend on more.
# - So it has to be measured, and this guide shows how.
