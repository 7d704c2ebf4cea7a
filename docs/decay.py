# ---
# title: Decaying learning rates
# description: Linear, step, time and exponential decay on one network, each with its own tuned rate - whether decay helps, and whether it makes a rate that is too high safe.
# tags: [warmup] # the search shows this page first
# ---

# %% [markdown]
# # Decaying learning rates
#
# Large steps first, small ones near the end: that is the idea of decay. It promises two things, a
# lower loss and a wider choice of rates. Only measurements tell whether it keeps them.

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.checks import rates_at
from lrguide.guide.contenders import DECAYS, RATES, SCHEDULES
from lrguide.guide.contrasts import (
    BEST,
    TEST,
    beside,
    compared,
    other_verdicts,
    rows_beside,
    sensitivity,
)
from lrguide.guide.experiments import train
from lrguide.guide.measures import (
    CHANCE,
    beside_constant,
    difference,
    learning_limit,
    learns,
    several,
    valleys,
    verdict,
)
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import FIRST, answered, tuned, tuned_nearby


def losses_by_rate(runs):
    return plots.loss_by_rate(valleys(runs, "schedule"), chance=CHANCE)


def valleys_in_words(runs):
    return "Final validation loss against the initial learning rate with Adam: " + "; ".join(
        f"{name}: lowest at {group.best():g}, every seed learns up to {learning_limit(group):g}"
        for name, group in runs.by("schedule").items()
    )


# %% tags=["output-first"]
def searched(budget):
    """The trials of each contender, and five seeds at its tuned rate."""
    return tuned(
        [
            dict(optimizer="Adam", schedule=schedule, budget=budget)
            for schedule in ["constant", *DECAYS, "warmup", "warmup linear"]
        ],
        RATES,
        trials=(100, 101),
        seeds=range(5),
    )


trials, short = searched("SHORT")
lines = ["constant", "linear", "warmup", "warmup linear"]
figure(
    Runs(run for run in trials if run.settings["schedule"] in lines),
    losses_by_rate,
    alt=valleys_in_words,
)

# %% [markdown]
# Each dot is one training of 300 steps, two seeds a rate. Read it from the right: where does a curve
# come down to the valley? Decay keeps the steps small at the end, warmup at the start: a tenth of the
# run in which the rate rises from almost nothing.


# %% tags=["hide-input"]
@claim(trials)
def warmup_makes_a_high_rate_safe_and_decay_does_not(trials):
    limits = {name: learning_limit(group) for name, group in trials.by("schedule").items()}
    constant, warmup, both = (limits[name] for name in ("constant", "warmup", "warmup linear"))
    sentence = f"""
        **Decay does not make a rate that is too high safe; warmup does.** With a constant rate every
        seed learns up to `{constant:g}`, and with each of the five decays up to the same
        `{limits["linear"]:g}`. With a warmup, and nothing else, up to `{warmup:g}`; with a warmup and
        linear decay up to `{both:g}`. The warmup changes nothing but the first tenth of the run, so
        that is where a high rate does its harm.
        """
    return (
        sentence,
        {limits[name] for name in DECAYS} == {constant},
        warmup >= 10 * constant,
        warmup < 20 * constant,
        both >= 10 * constant,
        both < 20 * constant,
    )


# %% [markdown]
# ## Four schemes, and a fifth
#
# The article[^1] describes four schemes, sets them once an epoch, and trains no network with any of
# them. Here they are functions of the step, and each fills the run, so that the initial rate is the
# only number left to choose. The cosine is the scheme most used today.
#
# [^1]: C. Versloot, *Problems with fixed and decaying learning rates*, MachineCurve, 2019; kept
#     [on GitHub](https://github.com/christianversloot/machine-learning-articles/blob/HEAD/problems-with-fixed-and-decaying-learning-rates.md).


# %% tags=["hide-input"]
def drawn(runs):
    steps = np.arange(0, BUDGETS["SHORT"].steps, 6)
    picture, axes = plots.subplots()
    for name, (colour, line) in zip(DECAYS, plots.LINES, strict=False):
        rates = rates_at(SCHEDULES[name](1.0, BUDGETS["SHORT"].steps, 0.0), steps)
        stairs = "steps-post" if name == "step" else "default"
        axes.plot(steps, rates, line, color=colour, label=name, drawstyle=stairs)
    axes.set(xlabel="step", ylabel="rate, as a share of the initial")
    axes.legend()
    return picture


figure(
    Runs(),
    drawn,
    alt=lambda runs: (
        "Five schedules from an initial rate of 1 over 300 steps: linear falls to 0, step is "
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
    caption="The rate during an epoch, with the article's constants",
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


# %% tags=["hide-input"]
table(
    short,
    beside_constant,
    caption="300 steps, Adam, each at its tuned rate",
)

# %% [markdown]
# "Minus constant" is the mean of the five differences, with the lowest and the highest; a verdict of
# "tie" means that the `95 %` interval of that mean (Student's t) contains 0.


# %% tags=["hide-input"]
def tuned_rates(runs):
    """The rate of each contender."""
    return [group[0].settings["rate"] for group in runs.by("schedule").values()]


def named(runs, what):
    """The contenders whose paired difference has this verdict, in words."""
    names = [name for name in runs.by("schedule") if name != "constant"]
    return [name for name in names if verdict(difference(runs, name)) == what]


def every_seed(runs):
    """The decays that end lower than the tuned constant rate in every seed."""
    return [name for name in DECAYS if (difference(runs, name) < 0).all()]


@claim(short)
def none_of_the_five_decays_can(runs):
    sentence = f"""
        **None of the five decays can be told from a tuned constant rate** with five seeds:
        {", ".join(named(runs, "tie"))} are ties. Two of them, {" and ".join(every_seed(runs))}, end
        lower in every seed, so more seeds might tell them apart; the constant rate's own spread,
        {several(runs.where(schedule="constant").final())}, is what hides it.
        """
    return sentence, named(runs, "tie") == DECAYS, every_seed(runs) == ["linear", "cosine"]


@claim(short)
def against_that_constant_rate_warmup_helps(runs):
    sentence = f"""
        **Against that constant rate warmup helps.** Alone it lowers the loss by
        {several(-difference(runs, "warmup"))}, in every seed, and with linear decay after it by
        {several(-difference(runs, "warmup linear"))}. Decay after a warmup helps in turn: with it
        each seed ends lower than with the warmup alone.
        """
    return (
        sentence,
        named(runs, "lower") == ["warmup", "warmup linear"],
        (runs.where(schedule="warmup linear").minus(runs.where(schedule="warmup")) < 0).all(),
    )


# %% [markdown]
# One more thing was looked at afterwards: how good was the search for the constant rate itself?

# %%
third = measured(
    train,
    crossed(optimizer="Adam", rate=0.003, seed=range(5), budget="SHORT"),
)


# %% tags=["hide-input"]
@claim(short, third)
def two_seeds_chose_badly(short, third):
    against = {name: group.minus(third) for name, group in short.by("schedule").items()}
    lower = [name for name, differences in against.items() if (differences < 0).all()]
    sentence = f"""
        **Two seeds chose badly for it.** At `0.003` five seeds end at {several(third.final())}, each
        of them lower than at its tuned rate. Against that only warmup with linear decay ends lower in
        every seed, by {several(-against["warmup linear"])}. So part of what looks like the work of a
        schedule is forgiveness: it makes a rate at the edge of the range harmless.
        """
    return sentence, against["constant"].min() > 0, lower == ["warmup linear"]


# %% [markdown]
# ## Too high, and by how much
#
# The picture at the top has two seeds a rate. Here are five new ones at the tuned constant rate, at
# three times that rate and at ten times, each also with decay, with warmup, and with both.


# %% tags=["hide-input"]
def learned(runs):
    """How many seeds learn, of how many, and what the median validation loss is."""
    good = learns(runs)
    return f"{good.sum()} of {len(good)}, {np.median(runs.final()):.2f}"


# %%
right = trials.where(schedule="constant").best()
too_high = measured(
    train,
    [
        dict(
            optimizer="Adam",
            schedule=schedule,
            rate=times * right,
            seed=seed,
            budget="SHORT",
        )
        for schedule in [
            "constant",
            "linear",
            "exponential",
            "warmup",
            "warmup linear",
        ]
        for times in (1, 3, 10)
        for seed in range(5)
    ],
)

# %% tags=["hide-input"]
table(
    too_high,
    lambda runs: [
        {
            "schedule": name,
            **{f"`{rate:g}`": learned(same) for rate, same in group.by("rate").items()},
        }
        for name, group in runs.by("schedule").items()
    ],
    caption="Seeds that learn, and the median validation loss of all",
)


# %% tags=["hide-input"]
def count(runs, name, times):
    """How many seeds of a contender learn at so many times the tuned rate."""
    group = runs.where(schedule=name)
    rates = sorted(group.by("rate"))
    same = group.where(rate=rates[(1, 3, 10).index(times)])
    return int(learns(same).sum())


def at(runs, name, times):
    """Its validation losses there."""
    group = runs.where(schedule=name)
    return group.where(rate=sorted(group.by("rate"))[(1, 3, 10).index(times)]).final()


@claim(too_high)
def decay_rescues_some_seeds_and_none(runs):
    sentence = f"""
        **Decay rescues some seeds, and none far out.** At three times the tuned rate
        {count(runs, "linear", 3)} of 5 seeds learn with linear decay and
        {count(runs, "exponential", 3)} with exponential, which falls faster at first, against
        {count(runs, "constant", 3)} with the constant rate. So few seeds do not say how large the
        share is. At ten times the tuned rate no seed learns with either decay.
        """
    return (
        sentence,
        0
        < count(runs, "constant", 3)
        < count(runs, "linear", 3)
        < count(runs, "exponential", 3)
        < 5,
        count(runs, "linear", 10) == count(runs, "exponential", 10) == 0,
    )


@claim(too_high)
def with_warmup_every_seed_learns_at(runs):
    sentence = f"""
        **With a warmup every seed learns, at ten times the tuned rate too, but learning is not yet
        learning well.** There the warmup alone ends at {several(at(runs, "warmup", 10), 2)}, with
        decay after it at {several(at(runs, "warmup linear", 10), 2)}. At three times the tuned rate
        warmup and decay together end at {several(at(runs, "warmup linear", 3))}, each seed lower
        than every seed of the constant rate at its own tuned value: the two widen the range of
        rates that do well, where either alone does not.
        """
    return (
        sentence,
        all(
            count(runs, name, times) == 5
            for name in ("warmup", "warmup linear")
            for times in (1, 3, 10)
        ),
        at(runs, "warmup", 10).min() > 3 * at(runs, "warmup", 1).max(),
        at(runs, "warmup", 3).min() > at(runs, "constant", 1).max(),
        at(runs, "warmup linear", 3).max() < at(runs, "constant", 1).min(),
        at(runs, "warmup linear", 10).min() > at(runs, "constant", 1).max(),
    )


# %% [markdown]
# ## What the wrong rate costs
#
# So far each schedule stood at its best rate, which you do not know beforehand. Take a rate at random
# from the grid between `0.0003` and `0.3` instead: how far does the loss lie above the schedule's
# lowest, on average, when no loss counts as more than that of guessing? That is its **sensitivity** to
# the rate ([Wortsman et al. 2023](https://arxiv.org/abs/2309.14322)).

# %% tags=["output-first"]
TRIED = [rate for rate in RATES if rate <= 0.3]
SENSITIVE = ["constant", *DECAYS, "warmup", "warmup linear"]
SENSITIVE += ["triangular", "1cycle"]
at_all = measured(
    train,
    crossed(
        optimizer="Adam",
        schedule=SENSITIVE,
        budget=("FEW_STEPS", "SHORT", "MIDDLE"),
        rate=TRIED,
        seed=FIRST,
    ),
)


# %% tags=["hide-input"]
def cost(runs, schedule, budget):
    """The schedule's sensitivity in trainings of this size."""
    return sensitivity(runs.where(schedule=schedule, budget=budget), TRIED)


def costs(runs):
    heads = {"FEW_STEPS": "60 steps", "SHORT": "300 steps", "MIDDLE": "288 large steps"}
    return [
        {"schedule": name, **{head: f"{cost(runs, name, b):.2f}" for b, head in heads.items()}}
        for name in SENSITIVE
    ]


table(
    at_all,
    costs,
    caption="Mean excess of the validation loss over seven rates with Adam, two seeds each",
)


@claim(at_all)
def warmup_buys_forgiveness(runs):
    kept = {(b, n): cost(runs, n, b) for b in runs.by("budget") for n in SENSITIVE}
    constant = kept["SHORT", "constant"]
    sentence = """
        **A warmup buys forgiveness, and a decay buys none.** In 300 steps a constant rate from the
        grid and one that decays cost about as much, one with a warmup less than half of that, with
        or without linear decay after it. With batches of 250 the two together cost less than a fifth
        of what the constant rate costs.
        """
    return (
        sentence,
        max(abs(kept["SHORT", name] - constant) for name in DECAYS) < 0.1 * constant,
        max(kept["SHORT", name] for name in ("warmup", "warmup linear")) < constant / 2,
        kept["MIDDLE", "warmup linear"] < kept["MIDDLE", "constant"] / 5,
    )


@claim(at_all)
def cycles_forgive_as_far_as_they_begin_low(runs):
    saved = {
        name: [cost(runs, "constant", b) - cost(runs, name, b) for b in runs.by("budget")]
        for name in ("1cycle", "triangular", *DECAYS)
    }
    sentence = """
        1cycle, which begins with a rise, forgives too, in each of the three sizes of training;
        triangular, which begins at a quarter of its highest rate, does so less. None of the five
        decays forgives anything in any of them.
        """
    return (
        sentence,
        all(more > less for more, less in zip(saved["1cycle"], saved["triangular"], strict=True)),
        min(saved["triangular"]) > 0,
        max(max(saved[name]) for name in DECAYS) < 0,
    )


# %% [markdown]
# ## Fewer steps
#
# The same images and epochs in batches of `250` instead of `50`: `60` steps instead of `300`. Here each
# rate was searched with six seeds around the lowest loss, and twenty new seeds give the answer. The last
# column but one is how much lower or higher the loss ends than with the constant rate, seed by seed,
# with its `95 %` interval; verdicts are corrected for the number of contenders
# ([how](method.py#the-plan-of-30-november-2026)). *Learns* has the interval of the share in brackets.

# %% tags=["output-first"]
WARM = ["warmup", "warmup linear", "warmup stable decay"]
BRIEF = [
    dict(optimizer="Adam", schedule=schedule, budget="FEW_STEPS")
    for schedule in ["constant", *DECAYS, *WARM]
]
few = answered(BRIEF)
table(
    few,
    lambda runs: rows_beside(runs, BRIEF, BRIEF[0]),
    caption="60 steps, Adam, twenty seeds at each tuned rate",
)


# %% tags=["hide-input"]
def told(runs, what):
    """The contrasts with the constant rate that have this verdict, by schedule."""
    found = beside(runs, BRIEF, BRIEF[0])
    return {
        name.removeprefix("Adam "): each for name, each in found.items() if each.verdict == what
    }


@claim(few)
def with_so_few_steps_each_decay_is_worse(runs):
    higher = told(runs, "higher")
    sentence = f"""
        **In so few steps decay costs more than it gives.** Each of the five ends higher than the
        tuned constant rate: {higher["linear"]} with linear decay, which does best,
        {higher["exponential"]} with exponential, which falls fastest. Where the budget ends before the loss has settled,
        small steps at the end are steps not taken.
        """
    return (
        sentence,
        [*higher] == DECAYS,
        min(higher.values(), key=lambda each: each.change) == higher["linear"],
        max(higher.values(), key=lambda each: each.change) == higher["exponential"],
    )


@claim(few)
def after_a_warmup_it_costs_nothing_that_can_be_told(runs):
    undecided = told(runs, "undecided")
    pair = runs.where(schedule="warmup linear"), runs.where(schedule="linear")
    linear = compared({"linear": pair})["linear"]
    sentence = f"""
        **After a warmup it no longer does.** Beside linear decay alone, warmup with linear decay ends
        lower, {linear}. Against the constant rate three contenders are undecided: this one with
        {undecided["warmup linear"]}, the warmup alone with {undecided["warmup"]}, and a warmup that
        stays high and falls at the end with {undecided["warmup stable decay"]}.
        [Li et al. 2019](https://arxiv.org/abs/1905.04753) find linear decay best at any budget, for
        longer trainings with momentum; at 60 steps with Adam it is not.
        """
    return (
        sentence,
        [*undecided] == WARM,
        linear.verdict == "lower",
    )


@claim(few)
def one_verdict_depends_on_where_you_look(runs):
    other = other_verdicts(runs, BRIEF, BRIEF[0])
    name = "Adam warmup stable decay"
    best, test = (beside(runs, BRIEF, BRIEF[0], losses)[name] for losses in (BEST, TEST))
    sentence = f"""
        One verdict depends on where you look. At each run's best epoch, which the validation loss
        chooses, the warmup that stays high ends lower, {best}, and so it does on the test images,
        {test}, though not at the best epoch on these. The other seven verdicts are the same in
        all four ways.
        """
    return (
        sentence,
        [*other] == [name],
        [*other.get(name, {}).values()] == ["undecided", "lower", "lower", "undecided"],
    )


# %% [markdown]
# ## Many steps
#
# And with the article's own 4,800: all of MNIST, 25 epochs. So long a training leaves few trials, so
# the rate was searched in two stages: the same grid and seeds in trainings of 288 steps, then one seed
# from there to the neighbouring rates, for as long as the loss fell. [At full scale](full_scale.py) has
# more contenders and more to say.

# %% tags=["output-first"]
SCHEMES = [
    dict(
        optimizer="Adam",
        schedule=schedule,
    )
    for schedule in ["constant", *DECAYS]
]
_, middle = tuned(
    [dict(scheme, budget="MIDDLE") for scheme in SCHEMES],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
_, full = tuned_nearby(
    [dict(scheme, budget="FULL") for scheme in SCHEMES],
    [1e-4, *RATES],
    start=tuned_rates(middle),
    trial=100,
    seeds=range(5),
)
table(
    full,
    lambda runs: beside_constant(runs, digits=4),
    caption="4,800 steps, Adam, each at its tuned rate",
)


# %% tags=["hide-input"]
@claim(full)
def with_many_steps_decay_helps(runs):
    sentence = f"""
        **With many steps decay helps.** Linear, step and cosine decay end lower than the tuned
        constant rate in every seed, by {several(-difference(runs, "linear"), 4)},
        {several(-difference(runs, "step"), 4)} and {several(-difference(runs, "cosine"), 4)}. Time
        and exponential decay, whose rate falls fastest at first, are ties. So what decay is worth
        depends on the budget: it is worse at 60 steps, a tie at 300, better at 4,800. (In [288
        steps of larger batches](full_scale.py#from-60-steps-to-4800) some of these are better
        already.)
        """
    return (
        sentence,
        named(runs, "lower") == ["linear", "step", "cosine"],
        every_seed(runs) == ["linear", "step", "cosine"],
        named(runs, "tie") == ["time", "exponential"],
    )


# %% [markdown]
# ## What remains a guess
#
# Decay moves the question and does not answer it: the initial rate of each schedule had to be searched
# for with as many trials as that of a constant rate, and the schedule's end has to fit the length of
# the run. This was one network and one set of digits. [Translate](translate.md) has these schedules in other libraries,
# [Snippets](snippets.md) the code for your own.
#
# Weight decay falls with the rate: Keras takes `weight_decay` times the rate of the step away from each weight, in
# AdamW as elsewhere, so a schedule scales it. [What keeps them apart](snippets.md#weight-decay-that-the-schedule-leaves-alone).
#
# ## Try a schedule
#
# Three that were not measured here are among them: `polynomial`, `inverse_sqrt`, `restarts`.
#
# <div class="lr-explorer" data-schedules="linear polynomial step_decay inverse_time inverse_sqrt exponential cosine restarts" data-keep="cosine" data-epochs="5" data-steps-per-epoch="60" data-first="1">The curves above show the five schemes. With JavaScript, sliders stand here.</div>
#
# ## Try it
#
# Ten per cent of warmup, then linear decay to nothing. What happens at this rate without the warmup?

# %% tags=["snippet"]
import keras

import lrguide
from lrguide.data import mnist_subset

epochs, steps_per_epoch = 2, 40
steps = epochs * steps_per_epoch
decay = lrguide.linear(0.03, steps - steps // 10)  # <- the highest rate
schedule = lrguide.warmup(decay, steps // 10)  # <- without: schedule = decay

keras.utils.set_random_seed(0)
data = mnist_subset().first(training=2000, validation=1000, test=1000)
model = lrguide.article_cnn()
model.compile(keras.optimizers.Adam(schedule), "categorical_crossentropy")
model.fit(data.x_train, data.y_train, batch_size=50, epochs=epochs, verbose=0)
loss = model.evaluate(data.x_validation, data.y_validation, verbose=0)
print(f"validation loss: {loss:.2f}")

# %% [markdown]
# ## What to remember
#
# - Let the rate decay in a long training, not in a very short one, and compare it with a constant rate tuned as long.
# - Against a rate that may be too high from the first step use a short warmup: decay comes too late for it.
# - Warmup first, decay after it, and the rate between them still has to be searched for.
