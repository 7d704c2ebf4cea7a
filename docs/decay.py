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
from lrguide.guide import pictures
from lrguide.guide.contenders import DECAYS, RATES, SCHEDULES
from lrguide.guide.contrasts import (
    BEST,
    LAST,
    TEST,
    compared,
    named,
    other_verdicts,
    percent,
    rows_beside,
    sensitivity,
)
from lrguide.guide.experiments import train
from lrguide.guide.measures import learning_limit
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import FIRST, answered, tuned, tuned_nearby

# %% tags=["output-first"]
WARM = ["warmup", "warmup linear", "warmup stable decay"]
trials = measured(
    train,
    crossed(
        optimizer="Adam",
        schedule=["constant", *DECAYS, "warmup", "warmup linear"],
        rate=RATES,
        seed=FIRST,
        budget="SHORT",
    ),
)
lines = ["constant", "linear", "warmup", "warmup linear"]
figure(
    Runs(run for run in trials if run.settings["schedule"] in lines),
    pictures.losses_by_schedule,
    alt=pictures.limits_in_words,
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
# ## Five ways to fall
#
# Here each is a function of the step and fills the run, so that the initial rate is the only number
# left to choose. The cosine is the one most used today.


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
# What the article that this guide re-measures does with the first three is on
# [Corrections](corrections.py).
#
# ## Does decay help?

# %% tags=["output-first"]
TUNED = "a tuned constant rate"
CONTENDERS = [
    dict(optimizer="Adam", schedule=schedule, budget="SHORT")
    for schedule in ["constant", *DECAYS, *WARM]
]
short = answered(CONTENDERS)
figure(short, **pictures.beside_the_first(CONTENDERS, TUNED))


# %% tags=["hide-input"]
def against(runs, losses=LAST):
    """The contrasts with the constant rate, by schedule."""
    constant = runs.where(schedule="constant")
    pairs = {name: (group, constant) for name, group in runs.by("schedule").items()}
    del pairs["constant"]
    return compared(pairs, losses)


@claim(short)
def decay_that_falls_fast_costs(runs):
    found = against(runs)
    sentence = f"""
        **In 300 steps no decay beats a tuned constant rate, and those that lose height fast end
        higher**: {found["exponential"].in_words} with exponential decay, {found["time"].in_words} with
        time decay. Linear
        and cosine decay, which stay high longest, cannot be told from it: the linear one could end
        anywhere from {percent(found["linear"].low)} to {percent(found["linear"].high)}.
        """
    return (
        sentence,
        named(found, "higher") == ["step", "time", "exponential"],
        named(found, "undecided")[:2] == ["linear", "cosine"],
        found["exponential"].change > found["time"].change,
        found["time"].change > found["step"].change,
    )


@claim(short)
def warmup_and_decay_help_together(runs):
    found = against(runs)
    sentence = f"""
        **Warmup and decay help together.** Warmup with linear decay ends
        {found["warmup linear"].in_words}, a warmup that stays level and falls in the end
        {found["warmup stable decay"].in_words}. The warmup alone cannot be told from the constant
        rate, as linear decay alone cannot: {found["warmup"].in_words}. All eight verdicts are the
        same at each run's best epoch and on the test images.
        """
    return (
        sentence,
        named(found, "lower") == ["warmup linear", "warmup stable decay"],
        named(found, "undecided")[-1] == "warmup",
        other_verdicts(runs, CONTENDERS, CONTENDERS[0]) == {},
    )


table(
    short,
    lambda runs: rows_beside(runs, CONTENDERS, CONTENDERS[0]),
    caption="All numbers: 300 steps, Adam, twenty seeds at each tuned rate",
    folded=True,
)

# %% [markdown]
# Only a comparison at equal effort can tell. Each rate was searched with two seeds on the nine rates of
# the picture at the top, and with six around the lowest loss; twenty new seeds, which share their initial
# weights, dropout and order of images with those of the constant rate, give the answer. Verdicts are
# corrected for the number of contenders ([how](method.py#the-plan-of-30-november-2026)).
#
# ## Too high, and by how much
#
# So far each schedule stood at its best rate, which you do not know beforehand. Take a rate at random
# from the grid between `0.0003` and `0.3` instead: how far does the loss lie above the schedule's
# lowest, on average, when no loss counts as more than that of guessing? That is its **sensitivity** to
# the rate ([Wortsman et al. 2023](https://arxiv.org/abs/2309.14322)). [Why](why.py#warmup) a warmup changes it.

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
    caption="All numbers: mean excess of the validation loss over seven rates, Adam, two seeds each",
    folded=True,
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
# The same images and epochs in batches of `250` instead of `50`: `60` steps instead of `300`, searched and
# answered in the same way.

# %% tags=["output-first"]
BRIEF = [dict(contender, budget="FEW_STEPS") for contender in CONTENDERS]
few = answered(BRIEF)
figure(few, **pictures.beside_the_first(BRIEF, TUNED))


# %% tags=["hide-input"]
@claim(few)
def with_so_few_steps_each_decay_is_worse(runs):
    found = against(runs)
    changes = {name: found[name].change for name in DECAYS}
    sentence = f"""
        **In so few steps decay costs more than it gives.** Each of the five ends higher than the
        tuned constant rate: {found["linear"].in_words} with linear decay, which does best,
        {found["exponential"].in_words} with exponential, which falls fastest. Where the budget ends before the
        loss has settled, small steps at the end are steps not taken.
        """
    return (
        sentence,
        named(found, "higher") == DECAYS,
        min(changes, key=changes.__getitem__) == "linear",
        max(changes, key=changes.__getitem__) == "exponential",
    )


@claim(few)
def after_a_warmup_it_costs_nothing_that_can_be_told(runs):
    found = against(runs)
    linear = runs.where(schedule="warmup linear"), runs.where(schedule="linear")
    gained = compared({"linear": linear})["linear"]
    sentence = f"""
        **After a warmup it no longer does.** Warmup with linear decay ends {gained.in_words} than
        linear decay alone. Beside the constant rate it is {found["warmup linear"].in_words}.
        [Li et al. 2019](https://arxiv.org/abs/1905.04753) find linear decay best at any budget, for
        longer trainings with momentum; at 60 steps with Adam it is not.
        """
    return sentence, named(found, "undecided") == WARM, gained.verdict == "lower"


@claim(few)
def one_verdict_depends_on_where_you_look(runs):
    other = other_verdicts(runs, BRIEF, BRIEF[0])
    name = "warmup stable decay"
    last, best, test = (against(runs, losses)[name] for losses in (LAST, BEST, TEST))
    sentence = f"""
        One verdict depends on where you look. After the last epoch the warmup that stays high is
        undecided, {last}. At the best epoch, which the validation loss chooses, it is lower, and on
        the test images it is lower after the last epoch alone, {test}. The other seven verdicts are
        the same in all four ways.
        """
    return (
        sentence,
        [*other] == [f"Adam {name}"],
        [*other.get(f"Adam {name}", {}).values()] == ["undecided", "lower", "lower", "undecided"],
        best.verdict == "lower",
    )


table(
    few,
    lambda runs: rows_beside(runs, BRIEF, BRIEF[0]),
    caption="All numbers: 60 steps, Adam, twenty seeds at each tuned rate",
    folded=True,
)

# %% [markdown]
# ## Many steps
#
# And with the article's own 4,800: all of MNIST, 25 epochs. So long a training leaves few trials, so
# the rate was searched in two stages: nine rates with two seeds in trainings of 288 steps, then one seed
# at four rates and on to the neighbouring ones, for as long as the loss fell. Five new seeds give the answer.
# [At full scale](full_scale.py) has more contenders and more to say.

# %% tags=["output-first"]
SCHEMES = [dict(optimizer="Adam", schedule=s) for s in ["constant", *DECAYS]]
_, middle = tuned(
    [dict(scheme, budget="MIDDLE") for scheme in SCHEMES],
    RATES,
    trials=(100, 101),
    seeds=range(5),
)
_, full = tuned_nearby(
    [dict(scheme, budget="FULL") for scheme in SCHEMES],
    [1e-4, *RATES],
    start=[g[0].settings["rate"] for g in middle.by("schedule").values()],
    also=[RATES[:4]] * len(SCHEMES),
    trial=100,
    seeds=range(5),
)
figure(full, **pictures.beside_the_first(SCHEMES, TUNED))


# %% tags=["hide-input"]
@claim(full)
def with_many_steps_decay_helps(runs):
    found = against(runs)
    sentence = f"""
        **With many steps decay helps.** Linear decay ends {found["linear"].in_words}, cosine decay
        {found["cosine"].in_words}. Five seeds do not decide about the three that fall faster at first. So what
        decay is worth depends on the budget.
        """
    return (
        sentence,
        named(found, "lower") == ["linear", "cosine"],
        named(found, "undecided") == ["step", "time", "exponential"],
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
