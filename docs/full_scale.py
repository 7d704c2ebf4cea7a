# ---
# title: At full scale
# description: The article's own training, 48,000 images and 25 epochs, for twenty-one contenders - what helps there, and why the rate of a short training is wrong for it.
# ---

# %% [markdown]
# # At full scale
#
# Most comparisons in this guide are of trainings of 60 or 300 steps. Here is the article's own: all of
# MNIST, 25 epochs, 4,800 steps, for every contender of [Choosing](choosing.py). Do the short ones tell
# what happens in the long one?

# %% tags=["hide-input"]
from math import log

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import PLAIN, label
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import several, verdict
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import range_test, tuned, tuned_nearby

COLOUR_OF = {"Adam": plots.COLOURS[0], "SGD momentum": plots.COLOURS[1]}
CONSTANT = dict(optimizer="Adam", schedule="constant")


def chosen(runs, contender):
    return runs.where(**PLAIN | contender)


def difference(runs, contender, name="validation_loss"):
    """Seed by seed, the contender's loss minus that of the tuned constant rate with Adam."""
    return chosen(runs, contender).minus(chosen(runs, CONSTANT), name)


def rate_of(runs, contender):
    return chosen(runs, contender)[0].settings["rate"]


def sorted_by_loss(runs):
    return sorted(CONTENDERS, key=lambda contender: chosen(runs, contender).final().mean())


def pictured(runs):
    """Those that fit beside each other, and those that lie far outside."""
    order = sorted_by_loss(runs)
    near = [c for c in order if chosen(runs, c).final().mean() < 0.06]
    return near, [c for c in order if c not in near]


def side_by_side(runs):
    order, _ = pictured(runs)
    return plots.ranges(
        {label(contender): chosen(runs, contender).final() for contender in order},
        colours=[COLOUR_OF.get(c["optimizer"], plots.COLOURS[2]) for c in order],
        beside="Adam constant",
        ticks=[0.025, 0.03, 0.035, 0.04, 0.045],
        xlabel="validation loss at the end",
    )


def in_words(runs, contenders):
    return "; ".join(f"{label(c)} {chosen(runs, c).final().mean():.4f}" for c in contenders)


def order_in_words(runs):
    near, far = pictured(runs)
    return (
        "Validation loss after 4,800 steps, mean and range of five seeds, from the lowest: "
        f"{in_words(runs, near)}. A band marks the range of the constant rate with Adam. Far outside: "
        f"{in_words(runs, far)}."
    )


# %% tags=["output-first"]
RATES = [3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
SCHEDULES = ["constant", "linear", "step", "time", "exponential", "cosine"]
SCHEDULES += ["warmup", "warmup linear", "warmup stable decay", "plateau"]
SCHEDULES += ["triangular", "triangular2", "exp_range", "1cycle"]
MOMENTUM = ["constant", "linear", "triangular", "1cycle"]
CONTENDERS = [
    *[dict(optimizer="Adam", schedule=s) for s in SCHEDULES],
    *[dict(optimizer="SGD momentum", schedule=s) for s in MOMENTUM],
    dict(optimizer="SGD"),
    dict(optimizer="ScheduleFreeAdamW", averaged=True),
    dict(optimizer="Adam", ema=0.99),
]
pilots, middle = tuned(
    [dict(contender, budget="MIDDLE") for contender in CONTENDERS],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
trials, full = tuned_nearby(
    [dict(contender, budget="FULL") for contender in CONTENDERS],
    [1e-4, *RATES],
    start=[rate_of(middle, contender) for contender in CONTENDERS],
    trial=100,
    seeds=range(5),
)
figure(full, side_by_side, alt=order_in_words)

# %% [markdown]
# Each dot is the mean of five seeds, each line reaches from the lowest to the highest, on a logarithmic
# axis; the grey band is that range for the constant rate with Adam. "SGD+m" is SGD with a momentum of
# `0.9`, *average* evaluates a moving average of the weights, and Keras' `ScheduleFreeAdamW` lies far
# outside ([it has a fault](optimizers.py#what-has-come-since)). The last two are last because of their
# rate, not their schedule: [what one seed chose](#what-one-seed-chose).
#
# The usual grid for all contenders would be nearly two hundred such trainings for each seed, so the rate
# was searched in two stages, the same for each contender: first in trainings of `MIDDLE` (all 12,000
# images of the subset, 288 steps) with the usual nine rates and two seeds; then here, with one seed, from
# that rate to its neighbours on the grid (with `0.0001` below it) and on, for as long as the loss fell.


# %% tags=["hide-input"]
def compared(runs):
    return [
        {
            "contender": label(contender),
            "rate": f"`{rate_of(runs, contender):g}`",
            "validation loss": f"{chosen(runs, contender).final().mean():.4f}",
            "test loss": f"{chosen(runs, contender).values('test_loss').mean():.4f}",
            "minus constant": f"{difference(runs, contender).mean():+.4f}",
            "verdict (seeds lower)": f"{verdict(difference(runs, contender))} "
            f"({(difference(runs, contender) < 0).sum()})",
        }
        for contender in sorted_by_loss(runs)
    ]


table(
    full,
    compared,
    caption="4,800 steps; differences and verdicts are those of the validation loss",
)


# %% tags=["hide-input"]
def adam(*schedules):
    return [dict(optimizer="Adam", schedule=schedule) for schedule in schedules]


AVERAGE = dict(optimizer="Adam", ema=0.99)
PLATEAU = adam("plateau")[0]
DECAYS = ["linear", "step", "time", "exponential", "cosine"]


def with_verdict(runs, what, contenders, name="validation_loss"):
    """Those whose paired difference to the constant rate with Adam has this verdict."""
    return [c for c in contenders if verdict(difference(runs, c, name)) == what]


def test_losses(runs, contender):
    """The test losses, one a seed."""
    return chosen(runs, contender).values("test_loss")


def share(runs, contender):
    """The mean gain over the constant rate with Adam, as a part of that one's loss."""
    return -difference(runs, contender).mean() / chosen(runs, CONSTANT).final().mean()


def gain(runs, contender):
    return several(-difference(runs, contender), 4)


def ends_at(runs, contender):
    return several(chosen(runs, contender).final(), 4)


LOWER = [*adam("linear", "step", "cosine"), PLATEAU, AVERAGE]
FREE = dict(optimizer="ScheduleFreeAdamW", averaged=True)


@claim(full)
def given_time_decay_helps(runs):
    sentence = f"""
        **Given time, decay helps.** On the validation images linear, step and cosine decay end
        below the tuned constant rate in every seed, by {gain(runs, *adam("linear"))},
        {gain(runs, *adam("step"))} and {gain(runs, *adam("cosine"))}: about a tenth of its loss,
        {ends_at(runs, CONSTANT)}. Time and exponential decay, which fall fast at first, are ties.
        """
    return (
        sentence,
        with_verdict(runs, "lower", adam(*DECAYS)) == adam("linear", "step", "cosine"),
        all((difference(runs, c) < 0).all() for c in adam("linear", "step", "cosine")),
        with_verdict(runs, "tie", adam(*DECAYS)) == adam("time", "exponential"),
        all(0.08 < share(runs, c) < 0.15 for c in adam("linear", "step", "cosine")),
    )


@claim(full)
def so_does_an_average_of_the(runs):
    sentence = f"""
        **So does an average of the weights, without any schedule.** At the same constant rate,
        `{rate_of(runs, AVERAGE):g}`, the moving average (Keras' `ema_momentum` of `0.99`) ends
        lower in every seed, by {gain(runs, AVERAGE)}.
        """
    return (
        sentence,
        verdict(difference(runs, AVERAGE)) == "lower",
        (difference(runs, AVERAGE) < 0).all(),
        rate_of(runs, AVERAGE) == rate_of(runs, CONSTANT),
    )


@claim(full)
def on_the_test_images_all_that(runs):
    sentence = f"""
        On the test images all {len(LOWER)} that end lower on the validation images are ties with
        the constant rate: linear decay ends at {several(test_losses(runs, *adam("linear")), 4)},
        the constant rate at {several(test_losses(runs, CONSTANT), 4)}, and its seeds lie far apart.
        """
    return (
        sentence,
        with_verdict(runs, "lower", CONTENDERS) == LOWER,
        all(0.08 < share(runs, c) < 0.15 for c in LOWER),
        with_verdict(runs, "tie", LOWER, "test_loss") == LOWER,
        np.ptp(test_losses(runs, CONSTANT)) > 0.2 * test_losses(runs, CONSTANT).mean(),
    )


@claim(full)
def two_are_higher_by_the_verdict(runs):
    sentence = """
        Two are higher by the verdict, warmup with linear decay and 1cycle: [that is their
        rate](#what-one-seed-chose).
        """
    return sentence, with_verdict(runs, "higher", CONTENDERS) == adam("warmup linear", "1cycle")


@claim(full)
def mind_what_tie_is_schedulefreeadamw_ends(runs):
    sentence = """
        Mind what a tie is: ScheduleFreeAdamW ends far higher in every seed, and its seeds lie so
        far apart that the verdict cannot tell. And what a verdict is: if nothing differed, about
        one in twenty would still say so, and all of them compare with the same five trainings.
        """
    return (
        sentence,
        verdict(difference(runs, FREE)) == "tie",
        (difference(runs, FREE) > 0.1).all(),
        np.ptp(chosen(runs, FREE).final()) > 0.5,
    )


# %% [markdown]
# ## Halved when it stalls
#
# The schedules of the table are drawn to the length of the training. `ReduceLROnPlateau`, its *plateau*,
# need not know it: it halves the rate after an epoch without a lower validation loss.


# %% tags=["hide-input"]
def ahead(runs, other):
    """By how much the plateau rule ends lower than another contender, seed by seed."""
    return -chosen(runs, PLATEAU).minus(chosen(runs, other))


@claim(full)
def it_does_nearly_as_well_without(runs):
    sentence = f"""
        **It does nearly as well without knowing the end.** From `{rate_of(runs, PLATEAU):g}` it
        ends at {ends_at(runs, PLATEAU)}: lower than the constant rate in every seed, by
        {several(ahead(runs, CONSTANT), 4)}, a tie with linear and with step decay, and behind the
        cosine in every seed, by {several(-ahead(runs, *adam("cosine")), 4)}. It looks at the loss
        by which it is then judged; on the test images it ties with the cosine. (Its seeds were
        trained on a CPU, those of the others on a GPU. After so many steps such a pair shares its
        start and little else, so do not build on differences as small as that to the cosine.)
        """
    return (
        sentence,
        verdict(ahead(runs, CONSTANT)) == "higher",
        (ahead(runs, CONSTANT) > 0).all(),
        all(verdict(ahead(runs, c)) == "tie" for c in adam("linear", "step")),
        (ahead(runs, *adam("cosine")) < 0).all(),
        verdict(chosen(runs, PLATEAU).minus(chosen(runs, *adam("cosine")), "test_loss")) == "tie",
        not any(run.made["processor"].startswith("NVIDIA") for run in chosen(runs, PLATEAU)),
        all(
            run.made["processor"].startswith("NVIDIA")
            for contender in adam("constant", "linear", "step", "cosine")
            for run in chosen(runs, contender)
        ),
    )


# %% [markdown]
# ## From 60 steps to 4,800
#
# The same contenders in trainings of four sizes, each tuned at each: `FULL`; `MIDDLE`, where the search
# above began, with a quarter of the images; and 3,000 images in batches of 50 (`SHORT`) and of 250
# (`FEW_STEPS`). Some were trained on a CPU and some on a GPU ([Method](method.py#changed-after-looking)).

# %% tags=["output-first"]
shorter = {
    budget: tuned(
        [dict(contender, budget=budget) for contender in CONTENDERS],
        RATES,
        trials=(100, 101),
        seeds=range(5),
    )[1]
    for budget in ("FEW_STEPS", "SHORT")
}
lengths = Runs([*full, *middle, *shorter["SHORT"], *shorter["FEW_STEPS"]])


# %% tags=["hide-input"]
def cell(runs, contender):
    """The verdict against the tuned constant rate with Adam, the loss, and the tuned rate."""
    loss = f"{chosen(runs, contender).final().mean():#.3g} `{rate_of(runs, contender):g}`"
    mark = {"lower": "▼&nbsp;", "higher": "▲&nbsp;"}
    return mark.get(verdict(difference(runs, contender)), "") + loss


table(
    lengths,
    lambda runs: [
        {
            "contender": label(contender),
            **{
                f"{BUDGETS[budget].steps:,} steps of {BUDGETS[budget].batch}": cell(
                    group, contender
                )
                for budget, group in runs.by("budget").items()
            },
        }
        for contender in sorted_by_loss(runs.where(budget="FULL"))
    ],
    caption="Steps of so many images; validation loss and tuned rate; ▼ lower, ▲ higher than the tuned constant "
    "rate with Adam, without a mark a tie",
)
SGDS = [c for c in CONTENDERS if c["optimizer"].startswith("SGD")]
MOMENTUM_LINEAR, MOMENTUM_CYCLE = SGDS[1], SGDS[3]


def lower_at(runs, budget):
    """How many end lower than the tuned constant rate with Adam."""
    return len(with_verdict(runs.where(budget=budget), "lower", CONTENDERS))


def higher_sgd(runs, budget):
    """How many of the contenders with SGD end higher than it."""
    return len(with_verdict(runs.where(budget=budget), "higher", SGDS))


@claim(lengths)
def what_helps_depends_on_the_training(runs):
    sentence = f"""
        **What helps depends on the training.** After 60 steps none of them ends lower than the
        tuned constant rate with Adam, and all five decays end higher. After 300 steps
        {lower_at(runs, "SHORT")} contenders end lower, after 288 of larger batches
        {lower_at(runs, "MIDDLE")}, and after 4,800 {lower_at(runs, "FULL")}. Time and exponential
        decay end higher after 288 steps, too, and are ties after 4,800.
        """
    return (
        sentence,
        lower_at(runs, "FEW_STEPS") == 0,
        with_verdict(runs.where(budget="FEW_STEPS"), "higher", adam(*DECAYS)) == adam(*DECAYS),
        with_verdict(runs.where(budget="MIDDLE"), "higher", adam(*DECAYS))
        == with_verdict(runs.where(budget="FULL"), "tie", adam(*DECAYS))
        == adam("time", "exponential"),
        with_verdict(runs.where(budget="MIDDLE"), "lower", adam(*DECAYS))
        == adam("linear", "cosine"),
        0 < lower_at(runs, "SHORT") < lower_at(runs, "MIDDLE") > lower_at(runs, "FULL") > 0,
    )


@claim(lengths)
def sgd_catches_up(runs):
    sentence = f"""
        **SGD catches up.** After 60 steps all {len(SGDS)} contenders with SGD end above the tuned
        constant rate with Adam in every seed, and after 288 steps of as many images
        {higher_sgd(runs, "MIDDLE")} are still higher by the verdict; after 300 steps of small
        batches and after 4,800 all tie with it, linear decay with momentum at
        {ends_at(runs.where(budget="FULL"), MOMENTUM_LINEAR)} in the long training.
        """
    return (
        sentence,
        with_verdict(runs.where(budget="FEW_STEPS"), "higher", SGDS) == SGDS,
        all((difference(runs.where(budget="FEW_STEPS"), c) > 0).all() for c in SGDS),
        all(with_verdict(runs.where(budget=b), "tie", SGDS) == SGDS for b in ("SHORT", "FULL")),
        0 < higher_sgd(runs, "MIDDLE") < len(SGDS),
    )


# %% [markdown]
# ## The rate of a pilot run is too high
#
# It is tempting to tune in short trainings and to use that rate in a long one. Constant rates with Adam
# in 288 steps (two seeds) and in 4,800 (five seeds). The long trainings have four times the images, too;
# which of the two moves the rate, these runs do not tell.


# %% tags=["hide-input"]
def valleys(runs):
    curves = {
        f"{BUDGETS[budget].steps:,} steps": (
            list(group.by("rate")),
            [each.final() for each in group.by("rate").values()],
        )
        for budget, group in runs.by("budget").items()
    }
    return plots.loss_by_rate(curves, chance=log(10), top=5, ylabel="validation loss at the end")


def valleys_in_words(runs):
    return "Validation loss at the end against a constant learning rate with Adam. " + "; ".join(
        f"{BUDGETS[budget].steps:,} steps: lowest at {group.best():g}, "
        f"{group.where(rate=group.best()).final().mean():.3f}"
        for budget, group in runs.by("budget").items()
    )


# %% tags=["output-first"]
constants = measured(
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
figure(constants, valleys, alt=valleys_in_words)


# %% tags=["hide-input"]
def at(runs, budget, contender):
    """The rate that the trials of a contender at this budget choose."""
    return chosen(runs.where(budget=budget), contender).best()


def with_ratio(runs, contenders, below, above=0.0):
    """Those whose rate in the long training, as a part of that in the short one, lies between."""
    return [c for c in contenders if above < at(runs, "FULL", c) / at(runs, "MIDDLE", c) < below]


def short_loss(runs, rate):
    """The loss of a constant rate in the short trainings."""
    return chosen(runs.where(budget="MIDDLE", rate=rate), CONSTANT).final().mean()


WITH_ADAM = [c for c in CONTENDERS if c["optimizer"] == "Adam"]


@claim(Runs(pilots + trials))
def with_adam_the_rate_of_short(runs):
    sentence = f"""
        **With Adam the rate of a short training is too high for a long one.** A constant rate is
        best at `{at(runs, "MIDDLE", CONSTANT):g}` in the short one, with `0.01` hardly worse, and
        at `{at(runs, "FULL", CONSTANT):g}` in the long one; with linear, step and cosine decay it
        is `{at(runs, "MIDDLE", *adam("linear")):g}` and `{at(runs, "FULL", *adam("linear")):g}`.
        For {len(with_ratio(runs, WITH_ADAM, below=0.11))} of {len(WITH_ADAM)} contenders with Adam
        the search ended at a tenth or less of the short trainings' rate, for
        {len(with_ratio(runs, SGDS, above=0.99, below=1.01))} of {len(SGDS)} with SGD at the same.
        """
    return (
        sentence,
        with_ratio(runs, WITH_ADAM, below=0.11)
        == [
            c for c in WITH_ADAM if c not in adam("time", "exponential", "warmup linear", "1cycle")
        ],
        with_ratio(runs, SGDS, above=0.99, below=1.01) == [c for c in SGDS if c != MOMENTUM_CYCLE],
        abs(short_loss(runs, 0.01) / short_loss(runs, 0.003) - 1) < 0.02,
        {at(runs, "FULL", c) for c in adam("linear", "step", "cosine")} == {0.001},
        {at(runs, "MIDDLE", c) for c in adam("linear", "step", "cosine")} == {0.01},
    )


def ends(runs, rate):
    """The five seeds of a constant rate in the long training."""
    return runs.where(budget="FULL", rate=rate)


@claim(constants)
def the_mistake_costs_more_than_any(runs):
    sentence = f"""
        **The mistake costs more than any schedule gains.** With the rate of the short training,
        `0.003`, the long one ends at {several(ends(runs, 0.003).final(), 4)}, higher in every seed
        than with `0.0003`. At `0.03` {(ends(runs, 0.03).final() > 2).sum()} of 5 seeds learns
        nothing in all 25 epochs.
        """
    return (
        sentence,
        (ends(runs, 0.003).minus(ends(runs, 3e-4)) > 0).all(),
        ends(runs, 0.003).minus(ends(runs, 3e-4)).mean()
        > max(-difference(full, contender).mean() for contender in CONTENDERS),
        (ends(runs, 0.03).final() > 2).sum() == 1,
        ends(runs, 0.01).final().max() < 0.1,
    )


# %% [markdown]
# And a rate that is too low? Keras' default for SGD, five seeds:

# %%
default = measured(train, crossed(optimizer="SGD", rate=0.01, seed=range(5), budget="FULL"))

# %% tags=["hide-input"]
SGD = dict(optimizer="SGD", schedule="constant")


def tuned_sgd(runs):
    return Runs(run for run in runs if run.settings["rate"] != 0.01)


@claim(Runs([*default, *chosen(full, SGD)]))
def epochs_do_not_make_up_for(runs):
    sentence = f"""
        **25 epochs do not make up for it**: SGD at `0.01` ends at
        {several(runs.where(rate=0.01).final(), 4)}, at its tuned rate,
        `{tuned_sgd(runs)[0].settings["rate"]:g}`, at {several(tuned_sgd(runs).final(), 4)}.
        """
    return sentence, runs.where(rate=0.01).final().min() > 2.5 * tuned_sgd(runs).final().max()


# %% [markdown]
# ## What one seed chose
#
# Warmup with linear decay and 1cycle come out higher than a constant rate in the long training. Is that the
# schedule, or its rate? A search that walks from where it begins sees only a part of the grid. So, after
# looking, the seed that searched got four rates in a row for every contender but `ScheduleFreeAdamW`:

# %% tags=["output-first"]
LOW, HIGH = RATES[:4], RATES[3:7]
wide = measured(
    train,
    [
        dict(contender, rate=rate, seed=100, budget="FULL")
        for contender in CONTENDERS
        if not contender.get("averaged")
        for rate in (LOW if contender["optimizer"] == "Adam" else HIGH)
    ],
)


# %% tags=["hide-input"]
def best_now(runs, contender):
    """The rate with the lowest loss among all that the searching seed has tried."""
    return chosen(runs, contender).best()


def misled(runs):
    """Those for which another rate is better than the one that the search chose."""
    return [
        c for c in CONTENDERS if not c.get("averaged") and best_now(runs, c) != rate_of(full, c)
    ]


def loss_at(runs, contender, rate):
    return chosen(runs, contender).where(rate=rate).final().mean()


tried = Runs([*trials, *wide])
MISLED = adam("time", "warmup linear", "1cycle")
table(
    tried,
    lambda runs: [
        {
            "contender": label(c),
            **{f"`{rate:g}`": f"{loss_at(runs, c, rate):.4f}" for rate in RATES[:5]},
            "the search chose": f"`{rate_of(full, c):g}`",
        }
        for c in misled(runs)
    ],
    caption="Those for which another rate than the chosen one is best: validation loss of seed 100, 4,800 steps",
)


@claim(tried)
def for_the_other_the_search_had(runs):
    sentence = f"""
        For the other {len(CONTENDERS) - 1 - len(misled(runs))} the search had found the best of all
        these rates. For these three it stopped short: the same seed does better at `0.001`, which
        the walk never reached. Five others, at the rates in question:
        """
    return (
        sentence,
        misled(runs) == MISLED,
        {best_now(runs, c) for c in MISLED} == {0.001},
        not any(0.001 in chosen(trials, c).by("rate") for c in MISLED),
    )


# %% tags=["output-first"]
again = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule=schedule,
            rate=rate,
            seed=seed,
            budget="FULL",
        )
        for schedule, rates in (
            ("time", (0.001, 0.01)),
            ("warmup linear", (0.001, 0.01, 0.03)),
            ("1cycle", (0.001, 0.01, 0.03)),
        )
        for rate in rates
        for seed in range(5)
    ],
)


# %% tags=["hide-input"]
def anew(runs, contender, rate=0.001):
    """The five seeds of a contender at a rate."""
    return chosen(runs, contender).where(rate=rate)


def lowered(runs, contender, other):
    """By how much a contender ends lower at the new rate than another of the long training."""
    return -anew(runs, contender).minus(chosen(full, other))


def searching(contender, rate):
    """The loss of the seed that searched."""
    return loss_at(tried, contender, rate)


table(
    again,
    lambda runs: [
        {
            "contender": label(c),
            "rate": f"`{rate:g}`",
            "seed 100": f"{searching(c, rate):.4f}",
            "five others": several(anew(runs, c, rate).final(), 4),
            "minus constant": f"{anew(runs, c, rate).minus(chosen(full, CONSTANT)).mean():+.4f}",
            "verdict": verdict(anew(runs, c, rate).minus(chosen(full, CONSTANT))),
        }
        for c in MISLED
        for rate in chosen(runs, c).by("rate")
    ],
    caption="Validation loss, 4,800 steps; differences and verdicts are of the five others",
)
TIME, RISE, CYCLE = MISLED


@claim(again)
def the_seed_that_searched_was_lucky(runs):
    sentence = f"""
        **The seed that searched was lucky at `0.03`.** With warmup and linear decay and with 1cycle
        its loss there, {searching(RISE, 0.03):.4f} and {searching(CYCLE, 0.03):.4f}, lies below
        that of all five others, for which `0.01` and `0.03` are ties and each seed ends higher at
        either than at `0.001`. With time decay `0.001` and `0.01` are a tie.
        """
    return (
        sentence,
        all(searching(c, 0.03) < anew(runs, c, 0.03).final().min() for c in (RISE, CYCLE)),
        all(
            verdict(anew(runs, c, 0.03).minus(anew(runs, c, 0.01))) == "tie" for c in (RISE, CYCLE)
        ),
        all(
            (anew(runs, c, rate).minus(anew(runs, c)) > 0).all()
            for c in (RISE, CYCLE)
            for rate in (0.01, 0.03)
        ),
        verdict(anew(runs, TIME).minus(anew(runs, TIME, 0.01))) == "tie",
    )


@claim(again)
def so_it_was_the_rate(runs):
    sentence = f"""
        **So it was the rate.** At `0.001` all three end below the constant rate in every seed:
        1cycle is lower by the verdict, by {several(lowered(runs, CYCLE, CONSTANT), 4)}, and a tie
        with the cosine; the other two are ties with the constant rate, warmup with linear decay
        also with linear decay alone. The tables above stand as they were planned.
        """
    return (
        sentence,
        all((lowered(runs, c, CONSTANT) > 0).all() for c in MISLED),
        [verdict(lowered(runs, c, CONSTANT)) for c in MISLED] == ["tie", "tie", "higher"],
        verdict(lowered(runs, RISE, *adam("linear"))) == "tie",
        verdict(lowered(runs, CYCLE, *adam("cosine"))) == "tie",
    )


def ranks(runs, budget, renewed=None):
    """Of all contenders at one length; of three the new trainings instead, where given."""
    means = [
        (anew(renewed, c) if renewed and c in MISLED else chosen(runs.where(budget=budget), c))
        .final()
        .mean()
        for c in CONTENDERS
    ]
    return np.argsort(np.argsort(means))


def alike(runs, one, other="FULL", renewed=None):
    """Spearman's correlation of the ranks at two lengths."""
    return np.corrcoef(ranks(runs, one), ranks(runs, other, renewed))[0, 1]


SHORTER = ("FEW_STEPS", "SHORT", "MIDDLE")


@claim(lengths)
def for_long_training_the_order_in(runs):
    sentence = f"""
        **For a long training the order in a short one is a hint at best.** Ranked by loss, the
        contenders after 300 and after 288 steps go together (Spearman's correlation
        {alike(runs, "SHORT", "MIDDLE"):.2f}). With those after 4,800 as planned the ranks after 60,
        300 and 288 steps have {", ".join(f"{alike(runs, b):.2f}" for b in SHORTER)}; with the
        three at `0.001`, {", ".join(f"{alike(runs, b, renewed=again):.2f}" for b in SHORTER)}. Of
        so few contenders even `0.4` may be chance.
        """
    return (
        sentence,
        alike(runs, "SHORT", "MIDDLE") > 0.7,
        all(abs(alike(runs, b)) < 0.25 for b in SHORTER),
        abs(alike(runs, "FEW_STEPS", renewed=again)) < 0.25,
        all(0.35 < alike(runs, b, renewed=again) < 0.65 for b in SHORTER[1:]),
    )


# %% [markdown]
# ## Cycles between a range test's bounds
#
# A range test needs no tuning. Five sweeps of 100 steps with these batches give the bounds of a
# cyclical rate, as in [Cyclical rates](cyclical.py#bounds-from-the-range-test); two cycles fill the
# training:


# %% tags=["hide-input"]
def bounds(runs):
    """Lower and upper bound of a cycle as the range test suggests them, to two digits."""
    found = range_test(runs).suggest()
    return [float(f"{found[f'cyclical {which}'].rate:.2g}") for which in ("minimum", "maximum")]


# %%
sweeps = measured(sweep, crossed(optimizer="Adam", seed=range(5), steps=100, budget="FULL"))
low, high = bounds(sweeps)
cycles = measured(
    train,
    crossed(
        optimizer="Adam",
        schedule="triangular",
        low=low,
        rate=high,
        seed=range(5),
        budget="FULL",
    ),
)

# %% tags=["hide-input"]
CYCLES = adam("triangular", "triangular2", "exp_range")


@claim(sweeps)
def the_sweeps_suggest_bounds(runs):
    listed = "The sweeps suggest `{:g}` and `{:g}`.".format(*bounds(runs))
    sentence = f"""
        {listed}
        """
    return sentence, 0.0002 < bounds(runs)[0] < 0.0003, 0.012 < bounds(runs)[1] < 0.014


@claim(Runs([*cycles, *full]))
def in_so_long_training_the_upper(runs):
    sentence = f"""
        **In so long a training the upper bound is too high.** Cycles between the two end at
        {several(runs.where(low=low).final(), 4)}, above the tuned constant rate in every seed, by
        {several(runs.where(low=low).minus(chosen(runs, CONSTANT)), 4)}. The three tuned cyclical
        rates of the table, between `{low:g}` and `{rate_of(runs.where(low=0.0), CYCLES[0]):g}`, are
        ties with it, lower in four or five seeds of five. A sweep is a short training, too, and
        knows nothing of the long one.
        """
    return (
        sentence,
        (runs.where(low=low).minus(chosen(runs, CONSTANT)) > 0).all(),
        with_verdict(runs.where(low=0.0), "tie", CYCLES) == CYCLES,
        all((difference(runs.where(low=0.0), c) < 0).sum() >= 4 for c in CYCLES),
        {rate_of(runs.where(low=0.0), c) for c in CYCLES} == {0.001},
        np.isclose(low, rate_of(runs.where(low=0.0), CYCLES[0]) / 4),
    )


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
# - In a long training linear, step or cosine decay, halving at a plateau and an average of the weights lower
#   the validation loss by about a tenth; the test images cannot tell them from a constant rate. In one of
#   60 steps decay takes away steps you need.
# - With Adam, do not carry a rate from a short training into a long one: begin at a tenth of it, and try
#   a rate on either side.
# - A search that walks with one seed can stop short: try the whole grid, and other seeds.
