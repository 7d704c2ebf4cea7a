# ---
# title: Does your curve look like this?
# description: Loss stuck at 2.30, spikes, overfitting, a decay that ends too early - measured curves of each, the one look that tells it from its double, and what to do.
# ---

# %% [markdown]
# # Does your curve look like this?
#
# Move the rate and watch measured curves change, or choose what yours looks like. Each curve is a training of the
# [article's network](fixed_rates.py) for 300 steps of 50 digits, and each seed is drawn: a difference between seeds is chance.
#
# <div class="lr-atlas" data-from="../curves/" markdown>
#
# With JavaScript, sliders stand here, over the curves of all rates and schedules. Without it, or in a folder, the
# pictures below show each symptom.
#
# </div>
#
# The seeds of a curve share their settings and nothing else. Training loss is that of each batch, with dropout; the
# rest is measured after every tenth step, on 500 validation images. A unit is dead if it is 0 for all of them.

# %% tags=["hide-input"]
import numpy as np

from lrguide import plots
from lrguide.guide.atlas import PLAN, SYMPTOMS, kind_of
from lrguide.guide.records import measured
from lrguide.guide.report import claim, figure
from lrguide.guide.traces import EVERY, trace

GUESS = np.log(10)  # the loss of guessing among ten digits
SYMPTOM = {each.name: each for each in SYMPTOMS}
traces = measured(trace, PLAN)


def of(name):
    """The traces of a symptom."""
    return SYMPTOM[name].of(traces)


def drawn(runs):
    """Loss by step: of a seed's training, the mean of ten; of each seed's validation."""
    picture, axes = plots.subplots(height=2.4)
    losses = runs.values("loss")[0].reshape(-1, 10).mean(axis=1)
    axes.plot(np.arange(len(losses)) * 10 + 5, losses, linewidth=1, label="training, seed 0")
    for run, looks in zip(runs, runs.values("validation_loss"), strict=True):
        seed = run.settings["seed"]
        label = f"_validation, seed {seed}" if seed else "validation, each seed"
        look = dict(color=plots.COLOURS[1], linewidth=0.8 if seed else 1.8)
        axes.plot(np.arange(len(looks)) * EVERY, looks, label=label, **look)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    ticks = [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100]
    low, high = axes.get_ylim()
    axes.set_yticks(ticks := [tick for tick in ticks if low <= tick <= high], map(str, ticks))
    axes.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def in_words(runs):
    s = runs[0].settings
    ends, right = runs.final(), 100 * runs.final("validation_accuracy")
    return (
        f"{s['optimizer']}, {s['schedule']}, rate {s['rate']:g}: training and validation loss over "
        f"300 steps, {len(runs)} seeds. Validation begins at "
        f"{runs.values('validation_loss')[:, 0].mean():.2f} and ends at {ends.min():.2f} to "
        f"{ends.max():.2f}; {right.min():.0f} to {right.max():.0f} % right."
    )


def pictured(name):
    figure(of(name), drawn, alt=in_words)


def dead(runs):
    """The share of dead units at the end, seed by seed."""
    return runs.final("dead")


def by_step(runs, name, first, last):
    """The mean of a step's result over some steps, seed by seed."""
    return runs.values(name)[:, first:last].mean(axis=1)


# %% [markdown]
# ## Smooth, and hardly falling { #too-small }

# %% tags=["hide-input"]
pictured("too-small")


# %% tags=["hide-input"]
@claim(of("too-small"), of("dead"))
def far_too_small(small, stuck):
    losses, right = (small.values(f"validation_{name}") for name in ("loss", "accuracy"))
    sentence = """
        **The rate is far too small.** The loss begins at that of guessing, and at half of the run it
        has lost less than a twentieth. **The look that tells it from a dead network: does anything
        move?** Here the loss falls and the accuracy rises from each fifth of the run to the next, and
        fewer than a tenth of the units are dead; in the dead network more than four in five are.
        """
    return (
        sentence,
        (np.diff(losses[:, ::6]) < 0).all(),
        (np.diff(right[:, ::6]) > 0).all(),
        (losses[:, 15] > 0.95 * losses[:, 0]).all(),
        (dead(small) < 0.1).all(),
        (dead(stuck) > 0.8).all(),
    )


# %% [markdown]
# *What to do.* Multiply the rate by ten until the loss of the first steps falls, then look at
# [a range test](range_test.py). More epochs [do not always make up for it](full_scale.py#the-rate-of-a-pilot-run-is-too-high).
# The code: [range test on arrays](snippets.md#range-test-on-arrays).
#
# ## As it should be { #good }

# %% tags=["hide-input"]
pictured("good")


# %% tags=["hide-input"]
@claim(of("good"))
def as_it_should_be(good):
    losses = good.values("validation_loss")
    sentence = """
        **The loss falls by more than half in the first thirty steps, and then ever more slowly.** At the end
        it still falls a little, on average over the seeds: the last fifty steps take off less than a fifth. Such
        an end is no plateau. **The look that tells it from a decay that ended too early: the update.** The last ones
        still move the weights by more than a thousandth of their length.
        """
    update = by_step(good, "update", -20, None)
    return (
        sentence,
        (losses[:, 3] < losses[:, 0] / 2).all(),
        losses[:, -1].mean() < losses[:, -6].mean(),
        (losses[:, -1] > 0.8 * losses[:, -6]).all(),
        (update > 0.001).all(),
    )


# %% [markdown]
# *What to do.* Train longer, or let the rate [fall to 0 by the end](decay.py): the code is
# [linear decay](snippets.md#linear-decay).
#
# ## Falls, jumps, and stays rough { #at-the-edge }

# %% tags=["hide-input"]
pictured("at-the-edge")


# %% tags=["hide-input"]
@claim(of("at-the-edge"), of("good"))
def at_the_edge(edge, good):
    sentence = """
        **The rate is at the edge of what the network survives.** It learns, and at the end it names more
        than nine in ten rightly. But the first step has thrown the loss above that of guessing, and
        more than three in ten units died in the first ten steps and as many stayed dead.
        **The look that tells it from a good rate: the second step's loss, and the dead units**, of
        which the good rate has fewer than a fifth.
        """
    return (
        sentence,
        (edge.final("validation_accuracy") > 0.9).all(),
        (edge.values("loss")[:, 1] > GUESS).all(),
        (edge.values("loss")[:, 1] > edge.values("loss")[:, 0]).all(),
        (edge.values("dead")[:, 1:] > 0.3).all(),
        (dead(good) < 0.2).all(),
    )


# %% [markdown]
# *What to do.* Take a third of the rate, or keep it and [begin with a warmup](decay.py#too-high-and-by-how-much), whose
# first steps are small. The code: [cosine with warmup](snippets.md#cosine-with-warmup-in-epochs).
#
# ## Stuck at `2.30`, one in ten right { #dead }

# %% tags=["hide-input"]
pictured("dead")


# %% tags=["hide-input"]
@claim(of("dead"), of("too-small"))
def dead_in_one_step(stuck, small):
    sentence = """
        **The network is dead.** The first step moved the weights by more than twice their length, the
        loss jumped above 100, and ten steps later more than five units in six gave 0 for every image. No
        gradient passes through such a unit, so [few come back](why.py#cannot-be-undone). In four seeds of five
        more than nineteen in twenty are dead to the end, and the loss is that of guessing. In the fifth a third of them
        lived after thirty steps, and it names three images in four rightly. **The look that tells it from a rate far too small: the first steps' loss.** There
        it never rises above 3.
        """
    units, guessing = stuck.values("dead"), abs(stuck.final() - GUESS) < 0.05
    right = stuck.final("validation_accuracy")[~guessing]
    return (
        sentence,
        (stuck.values("update")[:, 0] > 2).all(),
        (stuck.values("loss")[:, :5].max(axis=1) > 100).all(),
        (units[:, 1] > 5 / 6).all(),
        (units[guessing, 1:] > 0.95).all(),
        guessing.sum() == 4,
        (units[~guessing, 3] < 0.7).all(),
        ((right > 0.7) & (right < 0.8)).all(),
        (small.values("loss").max(axis=1) < 3).all(),
    )


# %% [markdown]
# *What to do.* Begin again from new weights: waiting, or lowering the rate now, hardly helps. Take a tenth of the
# rate, or [a warmup](decay.py#too-high-and-by-how-much). The code:
# [range test, then train](snippets.md#range-test-then-train).
#
# ## Spikes and comes back { #spikes }

# %% tags=["hide-input"]
pictured("spikes")


# %% tags=["hide-input"]
@claim(of("spikes"), kind_of(traces, "SGD momentum", "constant").where(rate=0.3))
def spikes_and_comes_back(back, lost):
    losses, lower = back.values("loss"), lost.values("loss")[:, :30].min(axis=1)
    sentence = """
        **The rate is close to the edge.** With SGD and momentum the loss falls for ten steps, and then jumps
        above that of guessing in three seeds of five; in all of them, at step 60 the validation loss is below half of that again, and at the
        end more than nine in ten are right. At three times this rate, `0.3`, the loss falls below 2 as
        well, jumps above 4, and never comes back. **The look that tells them apart: the dead units.** Where
        it comes back they are fewer than a third, where it does not more than nine tenths.
        """
    return (
        sentence,
        (losses[:, 9] < losses[:, 0]).all(),
        (losses[:, 10:].max(axis=1) > GUESS).sum() == 3,
        (back.values("validation_loss")[:, 6] < GUESS / 2).all(),
        (back.final("validation_accuracy") > 0.9).all(),
        (lower < 2).all(),
        (lost.values("loss").max(axis=1) > 4).all(),
        (lost.values("validation_loss")[:, 10:] > 0.95 * GUESS).all(),
        (back.values("dead") < 1 / 3).all(),
        (dead(lost) > 0.9).all(),
    )


# %% [markdown]
# *What to do.* After a spike wait some ten steps: where the loss does not fall, begin again from new weights, at a third of the
# rate or with [a warmup](decay.py#too-high-and-by-how-much). The code:
# [cosine with warmup](snippets.md#cosine-with-warmup-in-epochs).
#
# ## Validation turns up { #overfits }

# %% tags=["hide-input"]
pictured("overfits")


# %% tags=["hide-input"]
@claim(of("overfits"), of("good"))
def overfitting(over, good):
    validation = over.values("validation_loss")
    train, usual = by_step(over, "loss", -50, None), by_step(good, "loss", -50, None)
    sentence = """
        **The network learns its images by heart.** It has 500, sees each thirty times, and trains without
        dropout. The training loss falls below a tenth of that at the same rate with 3,000 images; the
        validation loss turns, and ends above its lowest. **The look that tells it from a rate that is too high:
        the training loss.** Here it falls all the time, and under too high a rate neither does.
        """
    return (
        sentence,
        train.max() < usual.min() / 10,
        (validation[:, -1] > 1.05 * validation.min(axis=1)).all(),
        (np.diff(over.values("loss").reshape(-1, 5, 60).mean(axis=2)) < 0).all(),
    )


# %% [markdown]
# *What to do.* More images, or dropout, or the weights of the best epoch, by
# `keras.callbacks.EarlyStopping(restore_best_weights=True)`; no rate cures it. The code:
# [cyclical rates with early stopping](snippets.md#cyclical-rates-with-early-stopping).
#
# ## Flat from the middle on { #too-early }

# %% tags=["hide-input"]
pictured("too-early")


# %% tags=["hide-input"]
@claim(of("too-early"), of("good"))
def over_too_early(early, good):
    losses = early.values("validation_loss")
    sentence = """
        **The schedule was over before the training.** This cosine was made for 150 steps and the run has
        300, so that the second half trains at a rate of 0, and its validation loss does not change in any
        digit shown here. **The look that tells it from a network that has learned all it can: the rate,
        or the update.** Every update is 0 from there on, while at a constant rate the loss falls in the
        same steps.
        """
    return (
        sentence,
        (losses[:, 16:] == losses[:, 16:17]).all(),
        (early.values("update")[:, 151:] == 0).all(),
        (good.values("validation_loss")[:, -1] < good.values("validation_loss")[:, 15]).all(),
    )


# %% [markdown]
# *What to do.* Give the schedule the run's number of steps: epochs times the steps of one.
# [`check_schedule`](snippets.md#check-a-schedule-against-the-run) finds this before the training.
#
# ## A jump where it was resumed { #begun-anew }

# %% tags=["hide-input"]
pictured("begun-anew")


# %% tags=["hide-input"]
@claim(of("begun-anew"), of("dead"))
def begun_anew(anew, lost):
    update, losses = anew.values("update"), anew.values("validation_loss")
    sentence = """
        **The optimizer and its schedule have begun anew.** In the middle of the run only the weights were
        kept. The next step is more than five times as long as the one before, because a new Adam has no
        mean of squared gradients yet and the rate is that of the start; ten steps later the
        validation loss stands more than a fifth higher. **The look that tells it from a spike of too high a
        rate: the step at which it comes, and the dead units.** Fewer than a third
        of them are dead here from then on; in a dead network more than four in five are.
        """
    return (
        sentence,
        (update[:, 150] > 5 * update[:, 149]).all(),
        (losses[:, 16] > 1.2 * losses[:, 15]).all(),
        (anew.values("dead")[:, 15:] < 1 / 3).all(),
        (dead(lost) > 0.8).all(),
    )


# %% [markdown]
# The schedule of the whole run, begun anew in its middle, also ends too high: here at half of its rate instead of 0.
#
# *What to do.* Save the model, not its weights alone: `model.save` keeps the optimizer and its step. The code:
# [resume a schedule](snippets.md#resume-a-schedule).
#
# ## Where would you set it? { #where-would-you-set-it }
#
# Ten [range tests](range_test.py) of ten trainings whose truth is known: a network was trained at each of some rates. Choose a
# rate on the sweep, and see what it costs, beside what rules, [`find_rate`](choosing.py) and Keras' default rate cost.
#
# <div class="lr-game" data-from="../curves/" markdown>
#
# With JavaScript, the sweeps stand here. [Range test rules](range_test_rules.py) shows what rules cost on eight of them.
#
# </div>
#
# "Given away" is the share of what training can gain, from the loss of guessing to the lowest that was measured, as in the
# [benchmark](method.py#the-plan-of-1-december-2026-what-finding-a-rate-costs). Between two trained rates the loss is read off the line. A rule
# without an answer costs what the default does. `find_rate` has searched once, for the price of one training; it was designed on
# these problems, which may flatter it: [what it costs on others](finding_a_rate.py).
#
# ## Try it
#
# How many units of your own network are dead after its first steps?

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset
from lrguide.model import article_cnn

data = mnist_subset().first(training=500, validation=100, test=1)
model = article_cnn()
rate = 0.1  # <- change it: 0.01, 0.001
model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
model.fit(data.x_train, data.y_train, batch_size=50, verbose=0)

relu = keras.activations.relu
layers = [x for x in model.layers if getattr(x, "activation", 0) is relu]
inside = keras.Model(model.inputs, [layer.output for layer in layers])
outputs = inside.predict(data.x_validation, verbose=0)
units = [each.reshape(-1, each.shape[-1]).max(axis=0) for each in outputs]
idle = sum((each <= 0).sum() for each in units)
print(f"dead: {idle} of {sum(map(len, units))} units")

# %% [markdown]
# ## What to remember
#
# - Stuck at the loss of guessing has two causes; the first steps' loss and the dead units tell which.
# - A dead network stays dead: begin again, with less or with a warmup.
# - Flat may mean learned, or a rate of 0. Log the rate.
