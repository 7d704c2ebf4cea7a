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
import numpy as np

from lrguide import plots
from lrguide.guide.contenders import COMPARED, DECAYS, RATES, label
from lrguide.guide.experiments import sweep, train
from lrguide.guide.measures import (
    CHANCE,
    chosen,
    difference,
    several,
    sorted_by_loss,
    spearman,
    valleys,
    verdict,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import bounds, tuned, tuned_nearby

COLOUR_OF = {"Adam": plots.COLOURS[0], "SGD momentum": plots.COLOURS[1]}
CONSTANT = dict(optimizer="Adam", schedule="constant")


def over_constant(runs, contender, name="validation_loss"):
    """Seed by seed, the contender's loss minus that of the tuned constant rate with Adam."""
    return difference(runs, contender, CONSTANT, name)


def rate_of(runs, contender):
    return chosen(runs, contender)[0].settings["rate"]


def pictured(runs):
    """Those that fit beside each other, and those that lie far outside."""
    order = sorted_by_loss(runs, COMPARED)
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
pilots, middle = tuned(
    [dict(contender, budget="MIDDLE") for contender in COMPARED],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
trials, full = tuned_nearby(
    [dict(contender, budget="FULL") for contender in COMPARED],
    [1e-4, *RATES],
    start=[rate_of(middle, contender) for contender in COMPARED],
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
            "minus constant": f"{over_constant(runs, contender).mean():+.4f}",
            "verdict (seeds lower)": f"{verdict(over_constant(runs, contender))} "
            f"({(over_constant(runs, contender) < 0).sum()})",
        }
        for contender in sorted_by_loss(runs, COMPARED)
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


def with_verdict(runs, what, contenders, name="validation_loss"):
    """Those whose paired difference to the constant rate with Adam has this verdict."""
    return [c for c in contenders if verdict(over_constant(runs, c, name)) == what]


def test_losses(runs, contender):
    """The test losses, one a seed."""
    return chosen(runs, contender).values("test_loss")


def share(runs, contender):
    """The mean gain over the constant rate with Adam, as a part of that one's loss."""
    return -over_constant(runs, contender).mean() / chosen(runs, CONSTANT).final().mean()


def gain(runs, contender):
    return several(-over_constant(runs, contender), 4)


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
        all((over_constant(runs, c) < 0).all() for c in adam("linear", "step", "cosine")),
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
        verdict(over_constant(runs, AVERAGE)) == "lower",
        (over_constant(runs, AVERAGE) < 0).all(),
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
        with_verdict(runs, "lower", COMPARED) == LOWER,
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
    return sentence, with_verdict(runs, "higher", COMPARED) == adam("warmup linear", "1cycle")


@claim(full)
def mind_what_tie_is_schedulefreeadamw_ends(runs):
    sentence = """
        Mind what a tie is: ScheduleFreeAdamW ends far higher in every seed, and its seeds lie so
        far apart that the verdict cannot tell. And what a verdict is: if nothing differed, about
        one in twenty would still say so, and all of them compare with the same five trainings.
        """
    return (
        sentence,
        verdict(over_constant(runs, FREE)) == "tie",
        (over_constant(runs, FREE) > 0.1).all(),
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
        [dict(contender, budget=budget) for contender in COMPARED],
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
    return mark.get(verdict(over_constant(runs, contender)), "") + loss


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
        for contender in sorted_by_loss(runs.where(budget="FULL"), COMPARED)
    ],
    caption="Steps of so many images; validation loss and tuned rate; ▼ lower, ▲ higher than the tuned constant "
    "rate with Adam, without a mark a tie",
)
SGDS = [c for c in COMPARED if c["optimizer"].startswith("SGD")]
MOMENTUM_LINEAR, MOMENTUM_CYCLE = SGDS[1], SGDS[3]


def higher_sgd(runs, budget):
    """How many of the contenders with SGD end higher than it."""
    return len(with_verdict(runs.where(budget=budget), "higher", SGDS))


@claim(lengths)
def what_helps_depends_on_the_training(lengths):
    few, short, middle, full = (
        lengths.where(budget=budget) for budget in ("FEW_STEPS", "SHORT", "MIDDLE", "FULL")
    )
    lower = [len(with_verdict(runs, "lower", COMPARED)) for runs in (few, short, middle, full)]
    sentence = f"""
        **What helps depends on the training.** After 60 steps none of them ends lower than the tuned
        constant rate with Adam, and all five decays end higher. After 300 steps {lower[1]} contenders
        end lower, after 288 of larger batches {lower[2]}, and after 4,800 {lower[3]}. Time and
        exponential decay end higher after 288 steps, too, and are ties after 4,800.
        """
    return (
        sentence,
        lower == [0, 5, 10, 5],
        with_verdict(few, "higher", adam(*DECAYS)) == adam(*DECAYS),
        with_verdict(middle, "higher", adam(*DECAYS)) == adam("time", "exponential"),
        with_verdict(full, "tie", adam(*DECAYS)) == adam("time", "exponential"),
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
        all((over_constant(runs.where(budget="FEW_STEPS"), c) > 0).all() for c in SGDS),
        all(with_verdict(runs.where(budget=b), "tie", SGDS) == SGDS for b in ("SHORT", "FULL")),
        higher_sgd(runs, "MIDDLE") == 3,
    )


# %% [markdown]
# ## The rate of a pilot run is too high
#
# It is tempting to tune in short trainings and to use that rate in a long one. Constant rates with Adam
# in 288 steps (two seeds) and in 4,800 (five seeds). The long trainings have four times the images, too;
# which of the two moves the rate, these runs do not tell.


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
figure(constants, losses_by_rate, alt=valleys_in_words)


# %% tags=["hide-input"]
def at(runs, budget, contender):
    """The rate that the trials of a contender at this budget choose."""
    return chosen(runs.where(budget=budget), contender).best()


WITH_ADAM = [c for c in COMPARED if c["optimizer"] == "Adam"]


@claim(Runs(pilots + trials))
def the_rate_of_a_short_training_is_too_high(runs):
    short, long = (
        {label(c): at(runs, budget, c) for c in COMPARED} for budget in ("MIDDLE", "FULL")
    )
    with_adam, with_sgd = (
        [long[label(c)] / short[label(c)] for c in contenders] for contenders in (WITH_ADAM, SGDS)
    )
    a_tenth = sum(ratio < 0.11 for ratio in with_adam)
    the_same = sum(abs(ratio - 1) < 0.01 for ratio in with_sgd)
    losses = [chosen(runs.where(budget="MIDDLE", rate=r), CONSTANT).final() for r in (0.01, 0.003)]
    decays = [label(contender) for contender in adam("linear", "step", "cosine")]
    sentence = f"""
        **With Adam the rate of a short training is too high for a long one.** A constant rate is best
        at `{short["Adam constant"]:g}` in the short one, with `0.01` hardly worse, and at
        `{long["Adam constant"]:g}` in the long one; with linear, step and cosine decay it is
        `{short["Adam linear"]:g}` and `{long["Adam linear"]:g}`. For {a_tenth} of {len(WITH_ADAM)}
        contenders with Adam the search ended at a tenth or less of the short trainings' rate, for
        {the_same} of {len(SGDS)} with SGD at the same.
        """
    return (
        sentence,
        short["Adam constant"] == 0.003,
        losses[0].mean() < 1.02 * losses[1].mean(),
        long["Adam constant"] == 3e-4,
        {short[name] for name in decays} == {0.01},
        {long[name] for name in decays} == {0.001},
        a_tenth == 11,
        the_same == 4,
    )


def ends(runs, rate):
    """The five seeds of a constant rate in the long training."""
    return runs.where(budget="FULL", rate=rate)


@claim(constants, full)
def the_mistake_costs_more_than_any_schedule_gains(constants, full):
    carried, right, larger = (ends(constants, rate) for rate in (0.003, 3e-4, 0.03))
    costs = carried.minus(right)
    lost = (larger.final() > 2).sum()
    sentence = f"""
        **The mistake costs more than any schedule gains.** With the rate of the short training,
        `0.003`, the long one ends at {several(carried.final(), 4)}, higher in every seed than with
        `0.0003`. At `0.03` {lost} of 5 seeds learns nothing in all 25 epochs.
        """
    return (
        sentence,
        costs.min() > 0,
        costs.mean() > max(-over_constant(full, contender).mean() for contender in COMPARED),
        lost == 1,
    )


# %% [markdown]
# And a rate that is too low? Keras' default for SGD, five seeds:

# %%
default = measured(
    train,
    crossed(optimizer="SGD", rate=0.01, seed=range(5), budget="FULL"),
)

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
        for contender in COMPARED
        if not contender.get("averaged")
        for rate in (LOW if contender["optimizer"] == "Adam" else HIGH)
    ],
)


# %% tags=["hide-input"]
def best_now(runs, contender):
    """The rate with the lowest loss among all that the searching seed has tried."""
    return chosen(runs, contender).best()


def misled(tried, full):
    """Those for which another rate is better than the one that the search chose."""
    searched = [c for c in COMPARED if not c.get("averaged")]
    return [c for c in searched if best_now(tried, c) != rate_of(full, c)]


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
        for c in misled(runs, full)
    ],
    caption="Those for which another rate than the chosen one is best: validation loss of seed 100, 4,800 steps",
)


@claim(tried, full)
def for_three_the_search_stopped_short(tried, full):
    sentence = f"""
        For the other {len(COMPARED) - 1 - len(misled(tried, full))} the search had found the best of
        all these rates. For these three it stopped short: the same seed does better at `0.001`, which
        the walk never reached. Five others, at the rates in question:
        """
    return (
        sentence,
        misled(tried, full) == MISLED,
        {best_now(tried, contender) for contender in MISLED} == {0.001},
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


table(
    again,
    lambda runs: [
        {
            "contender": label(c),
            "rate": f"`{rate:g}`",
            "seed 100": f"{loss_at(tried, c, rate):.4f}",
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


@claim(again, tried)
def the_seed_that_searched_was_lucky(again, tried):
    lucky = {label(c): loss_at(tried, c, 0.03) for c in (RISE, CYCLE)}
    five = {
        label(c): {
            rate: anew(again, c, rate)
            for rate in RATES[1:5:1]
            if rate in chosen(again, c).by("rate")
        }
        for c in MISLED
    }
    rise, cycle, time = (five[label(c)] for c in (RISE, CYCLE, TIME))
    sentence = f"""
        **The seed that searched was lucky at `0.03`.** With warmup and linear decay and with 1cycle
        its loss there, {lucky[label(RISE)]:.4f} and {lucky[label(CYCLE)]:.4f}, lies below that of all
        five others, for which `0.01` and `0.03` are ties and each seed ends higher at either than at
        `0.001`. With time decay `0.001` and `0.01` are a tie.
        """
    return (
        sentence,
        lucky[label(RISE)] < rise[0.03].final().min(),
        lucky[label(CYCLE)] < cycle[0.03].final().min(),
        verdict(rise[0.03].minus(rise[0.01])) == "tie",
        verdict(cycle[0.03].minus(cycle[0.01])) == "tie",
        min(rise[rate].minus(rise[0.001]).min() for rate in (0.01, 0.03)) > 0,
        min(cycle[rate].minus(cycle[0.001]).min() for rate in (0.01, 0.03)) > 0,
        verdict(time[0.001].minus(time[0.01])) == "tie",
    )


@claim(again, full)
def so_it_was_the_rate(again, full):
    time, rise, cycle = (anew(again, contender) for contender in MISLED)
    constant, linear, cosine = (
        chosen(full, contender) for contender in adam("constant", "linear", "cosine")
    )
    sentence = f"""
        **So it was the rate.** At `0.001` all three end below the constant rate in every seed: 1cycle
        is lower by the verdict, by {several(constant.minus(cycle), 4)}, and a tie with the cosine;
        the other two are ties with the constant rate, warmup with linear decay also with linear decay
        alone. The tables above stand as they were planned.
        """
    return (
        sentence,
        constant.minus(time).min() > 0,
        constant.minus(rise).min() > 0,
        constant.minus(cycle).min() > 0,
        verdict(time.minus(constant)) == "tie",
        verdict(rise.minus(constant)) == "tie",
        verdict(cycle.minus(constant)) == "lower",
        verdict(rise.minus(linear)) == "tie",
        verdict(cycle.minus(cosine)) == "tie",
    )


def mean_losses(runs, renewed=()):
    """Of all contenders; of three the new trainings instead, where given."""
    return [
        (anew(renewed, c) if renewed and c in MISLED else chosen(runs, c)).final().mean()
        for c in COMPARED
    ]


@claim(lengths, again)
def the_order_in_a_short_training_is_a_hint_at_best(lengths, again):
    few, short, middle, full = (
        mean_losses(lengths.where(budget=budget))
        for budget in ("FEW_STEPS", "SHORT", "MIDDLE", "FULL")
    )
    renewed = mean_losses(lengths.where(budget="FULL"), again)
    planned = [spearman(losses, full) for losses in (few, short, middle)]
    mended = [spearman(losses, renewed) for losses in (few, short, middle)]
    sentence = f"""
        **For a long training the order in a short one is a hint at best.** Ranked by loss, the
        contenders after 300 and after 288 steps go together (Spearman's correlation
        {spearman(short, middle):.2f}). With those after 4,800 as planned the ranks after 60, 300 and
        288 steps have {", ".join(f"{each:.2f}" for each in planned)}; with the three at `0.001`,
        {", ".join(f"{each:.2f}" for each in mended)}. Of so few contenders even `0.4` may be chance.
        """
    return (
        sentence,
        spearman(short, middle) > 0.7,
        max(map(abs, planned)) < 0.25,
        abs(mended[0]) < 0.25,
        min(mended[1:]) > 0.35,
        max(mended[1:]) < 0.65,
    )


# %% [markdown]
# ## Cycles between a range test's bounds
#
# A range test needs no tuning. Five sweeps of 100 steps with these batches give the bounds of a
# cyclical rate, as in [Cyclical rates](cyclical.py#bounds-from-the-range-test); two cycles fill the
# training:


# %%
sweeps = measured(
    sweep,
    crossed(optimizer="Adam", seed=range(5), steps=100, budget="FULL"),
)
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
def the_sweeps_suggest_bounds(sweeps):
    low, high = bounds(sweeps)
    sentence = f"The sweeps suggest `{low:g}` and `{high:g}`."
    return sentence, low > 0.0002, low < 0.0003, high > 0.012, high < 0.014


@claim(cycles, full)
def in_so_long_a_training_the_upper_bound_is_too_high(cycles, full):
    above = cycles.minus(chosen(full, CONSTANT))
    tuned_rates = {rate_of(full, contender) for contender in CYCLES}
    sentence = f"""
        **In so long a training the upper bound is too high.** Cycles between the two end at
        {several(cycles.final(), 4)}, above the tuned constant rate in every seed, by
        {several(above, 4)}. The three tuned cyclical rates of the table, between
        `{cycles[0].settings["low"]:g}` and `{min(tuned_rates):g}`, are ties with it, lower in four or
        five seeds of five. A sweep is a short training, too, and knows nothing of the long one.
        """
    return (
        sentence,
        above.min() > 0,
        with_verdict(full, "tie", CYCLES) == CYCLES,
        min((over_constant(full, contender) < 0).sum() for contender in CYCLES) >= 4,
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
# - In a long training let the rate decay, halve it at a plateau, or average the weights, and judge the gain on
#   images that chose nothing. In a very short one keep the rate up.
# - With Adam, do not carry a rate from a short training into a long one: begin at a tenth of it, and try
#   a rate on either side.
# - A search that walks with one seed can stop short: try the whole grid, and other seeds.
