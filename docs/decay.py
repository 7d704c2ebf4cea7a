# ---
# title: Decaying learning rates
# description: Linear, step, time and exponential decay on one network, each with its own tuned rate - whether decay helps, and whether it makes a rate that is too high safe.
# ---

# %% [markdown]
# # Decaying learning rates
#
# Large steps first, small ones near the end: that is the idea of decay. It promises two things, a
# lower loss and a wider choice of rates. Only measurements tell whether it keeps them.

# %% tags=["hide-input"]
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import SCHEDULES
from lrguide.guide.experiments import BUDGETS, train
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import figure, several, table, verdict

CHANCE = log(10)  # the loss of guessing among ten digits
DECAYS = ["linear", "step", "time", "exponential", "cosine"]


def losses_by_rate(runs):
    curves = {
        name: (
            list(group.by("rate")),
            np.array([g.final() for g in group.by("rate").values()]),
        )
        for name, group in runs.by("schedule").items()
    }
    return plots.loss_by_rate(curves, chance=CHANCE, top=5, ylabel="validation loss at the end")


def learning_limit(runs):
    """The largest rate at which every seed names more than a fifth of the images rightly."""
    return max(
        (
            rate
            for rate, group in runs.by("rate").items()
            if (group.final("validation_accuracy") > 0.2).all()
        ),
        default=0,
    )


def valleys_in_words(runs):
    return "Final validation loss against the initial learning rate with Adam: " + "; ".join(
        f"{name}: lowest at {group.best():g}, every seed learns up to {learning_limit(group):g}"
        for name, group in runs.by("schedule").items()
    )


# %% tags=["output-first"]
RATES = [3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
trials = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule=schedule,
            rate=rate,
            seed=seed,
            budget="SHORT",
        )
        for schedule in ["constant", *DECAYS, "warmup", "warmup linear"]
        for rate in RATES
        for seed in (100, 101)
    ],
)
shown = Runs(run for run in trials if run.settings["schedule"] in ("constant", "linear", "time"))
figure(shown, losses_by_rate, alt=valleys_in_words)

# %% [markdown]
# Each dot is one training of 300 steps, two seeds a rate. Read it from the right: does a curve with
# decay stay down where the constant rate has gone up?
#
# ## Four schemes, and a fifth
#
# The article[^1] describes four schemes, sets them once an epoch, and trains no network with any of
# them. Here they are functions of the step, and each fills the run, so that the initial rate is the
# only number left to choose. The cosine is the scheme most used today.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019.


# %% tags=["hide-input"]
def drawn(runs):
    return plots.schedule(
        {name: SCHEDULES[name](1.0, BUDGETS["SHORT"].steps, 0.0) for name in DECAYS},
        steps_per_epoch=BUDGETS["SHORT"].steps // BUDGETS["SHORT"].epochs,
        epochs=BUDGETS["SHORT"].epochs,
    )


figure(
    Runs(),
    drawn,
    alt=lambda runs: (
        "Five schedules from an initial rate of 1 over five epochs: linear falls to 0, step is "
        "halved at each fifth of the run, time falls fast and then slowly to a tenth, exponential "
        "to a hundredth, the cosine stays high at first and falls to 0."
    ),
)

# %% [markdown]
# With `t` the step, counted from 0, and `T` the steps of the run, the rate used *during* step `t` is
#
# | scheme | rate during step `t` | in lrguide |
# | --- | --- | --- |
# | linear | `rate * (1 - t / T)` | `linear(rate, T)` |
# | step | `rate * 0.5 ** floor(t / (T / 5))` | `step_decay(rate, T // 5, decay_rate=0.5)` |
# | time | `rate / (1 + 9 * t / T)` | `inverse_time(rate, T, decay_rate=9)` |
# | exponential | `rate * 0.01 ** (t / T)` | `exponential(rate, T, decay_rate=0.01)` |
# | cosine | `rate * (1 + cos(pi * t / T)) / 2` | `cosine(rate, T)` |
#
# What the article's own constants do to a rate of `0.001` over its 25 epochs is soon said. The rate
# during each epoch, epochs counted from 0, as its code computes it:


# %% tags=["hide-input"]
def article_rates(epoch):
    """The rates during an epoch by the article's three formulas with its constants, from 0.001."""
    return {
        "linear": 0.001 - 1e-5 * (epoch + 1),
        "step": 0.001 * 0.5 ** ((1 + epoch) // 15),
        "time": 0.001 / np.prod([1 + 1.5e-6 * i for i in range(epoch + 1)]),
    }


table(
    Runs(),
    lambda runs: [
        {"epoch": f"{epoch}", **{name: f"{r:.6f}" for name, r in article_rates(epoch).items()}}
        for epoch in (0, 1, 13, 14, 15, 24)
    ],
    caption=lambda runs: "The rate during an epoch, with the article's constants",
)

# %% [markdown]
# Three things to notice. Its linear decay is below the initial rate from the first epoch on, since it
# subtracts before it trains. Its step decay drops during epoch `14`, one epoch early, since it counts
# `1 + epoch`; and the drops are `0.5`, `0.25`, `0.125`, not the `0.5`, `0.025`, `0.0125` of its text.
# Its time decay changes next to nothing. (Linear and time decay keep the current rate in a global
# variable that each call changes, so a second model, or a training that is resumed, gets another
# schedule. `lrguide` has that time decay as `compounding_time`, a function of the step alone; the
# usual formula is `inverse_time`.)
#
# ## Does decay help?
#
# Only a comparison at equal effort can tell. Each contender gets the nine rates of the picture above
# with two seeds, and the rate with the lowest mean validation loss is its **tuned rate**. With that
# rate, five new seeds are trained, and compared seed by seed with the tuned constant rate: contenders
# that share a seed share the initial weights, the dropout and the order of the images.


# %% tags=["output-first"]
def finals(trials, budget):
    """Five new seeds of each contender at its tuned rate."""
    return measured(
        train,
        [
            dict(
                optimizer="Adam",
                schedule=schedule,
                rate=group.best(),
                seed=seed,
                budget=budget,
            )
            for schedule, group in trials.by("schedule").items()
            for seed in range(5)
        ],
    )


def compared(runs):
    """A row for each contender, and its paired difference to the tuned constant rate."""
    constant = runs.where(schedule="constant")
    return [
        {
            "schedule": name,
            "tuned rate": f"`{group[0].settings['rate']:g}`",
            "validation loss": several(group.final()),
            "minus constant": "" if name == "constant" else several(group.minus(constant)),
            "verdict": "" if name == "constant" else verdict(group.minus(constant)),
        }
        for name, group in runs.by("schedule").items()
    ]


short = finals(trials, "SHORT")
table(short, compared, caption=lambda runs: "300 steps, Adam, each at its tuned rate")

# %% [markdown]
# "Minus constant" is the mean of the five differences, with the lowest and the highest; a verdict of
# "tie" means that the 95 % interval of that mean (Student's t) contains 0.
