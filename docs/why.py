# ---
# title: Why a rate is too high
# description: Three mechanisms to move by hand, each beside its measurement - a step that is a length or a factor, a step that kills units for good, and what a warmup changes.
# tags: [why, ReLU, dead ReLU, divergence]
# ---

# %% [markdown]
# # Why a rate is too high
#
# A rate that is too high does its harm in the first steps, and the rest of the run cannot repair it. Three small pictures
# show why. Each is the simplest case that has the mechanism, and beside it stands the measurement on
# [the guide's network](fixed_rates.py#what-was-trained).
#
# ## A length, or a factor { #length-or-factor }
#
# **With Adam the rate is the length of a step; with SGD it is a factor of the gradient.** So `0.01` with the one has
# nothing to do with `0.01` with the other.
#
# | one step | formula | in Python |
# | --- | --- | --- |
# | SGD | w ← w &minus; η g | `w -= rate * g` |
# | Adam | w ← w &minus; η m / (√v + ε) | `w -= rate * m / (v**0.5 + 1e-7)` |
#
# Adam's `m` and `v` are running means of the gradient and of its square, made up for having begun at 0. In the first step
# they are the gradient and its square, so that the step is the rate, up or down, however steep the loss. Move the gradient:
#
# <div class="lr-why" data-picture="step" markdown>

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.atlas import PLAN, kind_of
from lrguide.guide.records import Runs, measured
from lrguide.guide.report import claim, figure
from lrguide.guide.traces import trace

NOTHING = Runs()  # the pictures of one weight and of one unit are computed, not measured
STEPS = 40


def one_step(_):
    """How far one step of each optimizer goes, by gradient."""
    gradients = np.geomspace(1e-4, 1e4, 9)
    picture, axes = plots.subplots(height=2.2)
    axes.plot(gradients, 0.01 * gradients, label="SGD")
    axes.plot(gradients, 0.01 * gradients / (gradients + 3e-6), label="Adam, first step")
    axes.set(xscale="log", yscale="log", xlabel="gradient", ylabel="step")
    axes.legend()
    return picture


figure(
    NOTHING,
    one_step,
    alt=lambda _: (
        "How far a step at rate 0.01 moves one weight, by gradient: with SGD in proportion "
        "to the gradient, with Adam always 0.01."
    ),
)

# %% [markdown]
# </div>
#
# Measured: how far a step moves all weights, divided by their length, for every constant rate that was traced. The first
# step, and the longest of 300.

# %% tags=["hide-input"]
traces = measured(trace, PLAN)
ADAM, SGD = (kind_of(traces, optimizer, "constant") for optimizer in ("Adam", "SGD momentum"))


def longest(runs, name="update"):
    """The largest update, or gradient, of the run over the first, seed by seed."""
    values = runs.values(name)
    return np.nanmax(values, axis=1) / values[:, 0]


def lengths(runs):
    picture, axes = plots.subplots(height=2.8)
    for (optimizer, group), colour in zip(
        runs.by("optimizer").items(), plots.COLOURS, strict=False
    ):
        by_rate = dict(sorted(group.by("rate").items()))
        first = [each.values("update")[:, 0].mean() for each in by_rate.values()]
        most = [np.nanmax(each.values("update"), axis=1).mean() for each in by_rate.values()]
        axes.plot([*by_rate], first, color=colour, label=f"{optimizer}, first")
        axes.plot([*by_rate], most, "--", color=colour, label=f"{optimizer}, longest")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="update / weights")
    axes.legend()
    return picture


figure(
    Runs([*ADAM, *SGD]),
    lengths,
    alt=lambda runs: (
        "The first and the longest update of a run by learning rate: with Adam they are "
        f"the same, and at rate 1 {np.nanmax(runs.where(optimizer='Adam', rate=1.0).values('update')):.0f} "
        "times the weights; with SGD and momentum the longest lies far above the first."
    ),
)


@claim(ADAM, SGD)
def bounded_and_not(adam, sgd):
    first = np.concatenate([g.values("update")[:, 0] / rate for rate, g in adam.by("rate").items()])
    grown = np.concatenate(
        [longest(g, "gradient") for g in adam.where(rate=1.0).by("rate").values()]
    )
    sentence = """
        **Adam's first step is its longest, at each of these rates and in every seed**, and it is in
        proportion to the rate alone. It stays the longest even at rate 1, where the gradient grows more
        than 100,000 times as long as it was at first. With SGD and momentum the longest step is
        more than seven times the first at each of these rates, because its gradient and its momentum grow.
        """
    return (
        sentence,
        (longest(adam) <= 1).all(),
        first.max() < 1.1 * first.min(),
        (grown > 1e5).all(),
        (longest(sgd) > 7).all(),
    )


# %% [markdown]
# That is why Adam [hardly knows how large the gradient is](optimizers.py#how-far-adam-steps), and why its first step is the one
# to fear. SGD's danger comes a few steps later: [it falls, and then jumps](curves.py#spikes).
#
# ## A step that cannot be undone { #cannot-be-undone }
#
# **A rectified unit that gives 0 for every input has no gradient, so no later step moves it.** One unit,
# `relu(w * x + b)`, learns the line `0.1 + 0.3 * x` by SGD from 21 inputs:
#
# | what | formula | in Python |
# | --- | --- | --- |
# | output | o = max(0, w x + b) | `o = max(0, w * x + b)` |
# | gradient of the squared error | 2 (o &minus; y) x where o > 0, else 0 | `g = 2 * (o - y) * x * (o > 0)` |
#
# <div class="lr-why" data-picture="undone" markdown>


# %% tags=["hide-input"]
def unit(rate, warmup=0, rectified=True):
    """The loss of the unit before each step, and at the end."""
    x, weight, bias, losses = np.linspace(0, 1, 21), 1.0, 0.5, []
    for step in range(STEPS + 1):
        output = weight * x + bias
        alive = (output > 0) | (not rectified)
        error = np.where(alive, output, 0) - (0.1 + 0.3 * x)
        losses.append((error**2).mean())
        now = rate * min(1, (step + 1) / (warmup + 1))
        gradient = 2 * error * alive
        weight, bias = weight - now * (gradient * x).mean(), bias - now * gradient.mean()
    return losses


def one_unit(_):
    picture, axes = plots.subplots(height=2.2)
    axes.plot(unit(0.6), label="rate 0.6")
    axes.plot(unit(0.7), label="rate 0.7")
    axes.plot(unit(0.7, rectified=False), label="rate 0.7, without ReLU")
    axes.set(yscale="log", ylim=(1e-5, 1), xlabel="step", ylabel="loss")
    axes.legend()
    return picture


figure(
    NOTHING,
    one_unit,
    alt=lambda _: (
        "Loss of one unit by step. At rate 0.6 it falls to nearly 0; at 0.7 it is stuck at "
        f"{unit(0.7)[-1]:.2f} from the first step on; without ReLU it falls to nearly 0 at 0.7 as well."
    ),
)

# %% [markdown]
# </div>
#
# Between rate `0.6` and `0.65` lies the edge: above it one step throws the line below 0 for every input. The loss then stays where it is. **The same
# step of the same unit without ReLU overshoots as far, and comes back.**
#
# Measured: the share of the network's rectified units that are 0 for each of 500 validation images, after ten steps
# and after 300.


# %% tags=["hide-input"]
def dead(runs, look):
    """The share of dead units at a look, seed by seed."""
    return runs.values("dead")[:, look]


def shares(runs):
    picture, axes = plots.subplots(height=2.8)
    for (optimizer, group), colour in zip(
        runs.by("optimizer").items(), plots.COLOURS, strict=False
    ):
        by_rate = dict(sorted(group.by("rate").items()))
        for look, line, when in ((1, "-", "10 steps"), (-1, "--", "300 steps")):
            values = [100 * dead(each, look).mean() for each in by_rate.values()]
            told = f"{optimizer}, {when}"
            axes.plot([*by_rate], values, line, color=colour, label=told)
    axes.set(xscale="log", xlabel="learning rate", ylabel="dead units, %")
    axes.legend()
    return picture


figure(
    Runs([*ADAM, *SGD]),
    shares,
    alt=lambda runs: (
        "Mean share of dead units by learning rate after 10 and after 300 steps. With Adam "
        f"{100 * dead(runs.where(optimizer='Adam', rate=0.001), 1).mean():.0f} % at 0.001 and "
        f"{100 * dead(runs.where(optimizer='Adam', rate=0.1), 1).mean():.0f} % at 0.1 after ten steps; at "
        "the end it is much the same. With SGD and momentum the rise comes at higher rates."
    ),
)


@claim(ADAM, SGD)
def killed_in_ten_steps(adam, sgd):
    at = {rate: dead(group, 1) for rate, group in sorted(adam.by("rate").items())}
    ends = {rate: dead(group, -1) for rate, group in adam.by("rate").items()}
    high = [rate for rate in at if rate >= 0.1]
    sentence = """
        **The first ten steps decide.** With Adam fewer than a fifth of the units are dead after them at `0.001`, a
        third to three quarters at `0.01`, and more than five sixths from `0.1` on. There 290 more steps
        brought few back: in no seed are fewer than four fifths dead at the end. With SGD and
        momentum at `0.3` the harm comes later: after ten steps there are fewer dead than at the end, in every seed.
        """
    return (
        sentence,
        (at[0.001] < 0.2).all(),
        (at[0.01] > 1 / 3).all(),
        (at[0.01] < 3 / 4).all(),
        all((at[rate] > 5 / 6).all() for rate in high),
        all((ends[rate] > 0.8).all() for rate in high),
        (dead(sgd.where(rate=0.3), 1) < dead(sgd.where(rate=0.3), -1)).all(),
    )


# %% [markdown]
# That is why [a decay does not save a rate that is too high](decay.py#too-high-and-by-how-much): it lowers the rate after the harm. And
# it is why a [dead network](curves.py#dead) must begin again from new weights.
#
# ## What a warmup changes { #warmup }
#
# **A warmup lets the first steps be short, and a few steps later the full rate is no longer dangerous**, since the gradient has
# become smaller or no longer points the same way each time.
#
# | what | formula | in Python |
# | --- | --- | --- |
# | rate in step n | η (n + 1) / (W + 1) while n < W, then η | `rate * min(1, (n + 1) / (W + 1))` |
#
# The unit that the rate `0.7` killed, with ten steps of warmup before the same rate:
#
# <div class="lr-why" data-picture="warmup" markdown>


# %% tags=["hide-input"]
def with_warmup(_):
    picture, axes = plots.subplots(height=2.2)
    axes.plot(unit(0.7), label="rate 0.7 at once")
    axes.plot(unit(0.7, warmup=10), label="10 steps of warmup")
    axes.set(yscale="log", ylim=(1e-5, 1), xlabel="step", ylabel="loss")
    axes.legend()
    return picture


figure(
    NOTHING,
    with_warmup,
    alt=lambda _: (
        "Loss of one unit by step at rate 0.7. At once it is stuck at "
        f"{unit(0.7)[-1]:.2f}; with ten steps of warmup it falls below 0.0001."
    ),
)

# %% [markdown]
# </div>
#
# Measured: the length of each update over the first 60 steps with Adam at `0.03`, where both fall linearly to 0 at
# the end, with and without 30 steps of warmup.

# %% tags=["hide-input"]
BARE, WARM = (
    kind_of(traces, "Adam", name).where(rate=0.03) for name in ("linear", "warmup and linear")
)


def first_updates(runs):
    picture, axes = plots.subplots(height=2.6)
    named = {"linear": "at once", "warmup linear": "30 steps of warmup"}
    for (schedule, group), colour in zip(runs.by("schedule").items(), plots.COLOURS, strict=False):
        updates = group.values("update")[:, :60]
        for number, values in enumerate(updates):
            label = (
                f"{'_' if number else ''}{named[schedule]}, seed {group[number].settings['seed']}"
            )
            axes.plot(
                values, "--" if number else "-", color=colour, label=label.replace(", seed 0", "")
            )
    axes.set(yscale="log", xlabel="step", ylabel="update / weights")
    axes.legend()
    return picture


figure(
    Runs([*BARE, *WARM]),
    first_updates,
    alt=lambda runs: (
        "Update over weights by step. At once the first is "
        f"{runs.where(schedule='linear').values('update')[:, 0].mean():.2f}; with a warmup none of the first "
        f"60 is above {runs.where(schedule='warmup linear').values('update')[:, :60].max():.2f}."
    ),
)


@claim(BARE, WARM)
def a_warmup_shortens_the_first_steps(bare, warm):
    first, updates = bare.values("update")[:, 0], warm.values("update")
    sentence = """
        **At step 30 the warmup has reached the full rate, and its step is less than a tenth as long as
        the first one without it.** So it is not the rate alone: in the first step each weight moves
        by the full rate, later most of Adam's moves cancel. The longest step with the warmup is less
        than a fifth of that without. After ten steps fewer than three in ten units are dead, where without it more than
        two thirds are, and in the end its loss is less than half.
        """
    return (
        sentence,
        (updates[:, 30] < first / 10).all(),
        (updates.max(axis=1) < first / 5).all(),
        (dead(warm, 1) < 0.3).all(),
        (dead(bare, 1) > 2 / 3).all(),
        warm.final().max() < bare.final().min() / 2,
    )


# %% [markdown]
# What it buys over all rates is [measured with decay](decay.py#too-high-and-by-how-much). The code:
# [cosine with warmup](snippets.md#cosine-with-warmup-in-epochs).
#
# ## Try it
#
# The unit of this page in Keras. Which rate kills it, and what if you leave the ReLU out?

# %% tags=["snippet"]
import keras

x = keras.ops.reshape(keras.ops.linspace(0.0, 1.0, 21), (21, 1))
y = 0.1 + 0.3 * x
for activation in ("relu", "linear"):
    for rate in (0.6, 0.7):  # <- change them
        bias = keras.initializers.Constant(0.5)
        layer = keras.layers.Dense(1, activation, True, "ones", bias)
        model = keras.Sequential([keras.Input((1,)), layer])
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.fit(x, y, batch_size=21, epochs=40, verbose=0)
        loss = model.evaluate(x, y, verbose=0)
        print(f"{activation}, rate {rate}: loss {loss:.4f}")

# %% [markdown]
# ## What to remember
#
# - Adam's rate is a length, SGD's a factor: never carry one over.
# - A unit that one step has killed stays dead, whatever the rate does afterwards.
# - A warmup makes the dangerous steps short; the same rate is harmless some steps later.
