# ---
# title: Does your curve look like this?
# description: Loss stuck at 2.30, spikes, overfitting, a decay that ends too early - measured curves of each, the one look that tells it from its double, and what to do.
# search:
#   boost: 2
# ---

# %% [markdown]
# # Does your curve look like this?
#
# Move the rate and watch measured curves change, or choose what yours looks like. Each curve is a training of the
# [article's network](fixed_rates.py) for 300 steps of 50 digits, and both seeds are drawn: a difference between them is chance.
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
    """Loss by step: mean of five for the training, and the validation."""
    picture, axes = plots.subplots(height=2.4)
    for seed, (run, line) in enumerate(zip(runs, ("-", "--"), strict=False)):
        losses = runs.values("loss")[seed].reshape(-1, 5).mean(axis=1)
        steps, looks = np.arange(len(losses)) * 5 + 2.5, runs.values("validation_loss")[seed]
        own = dict(linestyle=line, label=f"training, seed {run.settings['seed']}")
        axes.plot(steps, losses, color=plots.COLOURS[0], linewidth=1, **own)
        own["label"] = own["label"].replace("training", "validation")
        axes.plot(np.arange(len(looks)) * EVERY, looks, color=plots.COLOURS[1], **own)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    ticks = [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100]
    low, high = axes.get_ylim()
    axes.set_yticks(ticks := [tick for tick in ticks if low <= tick <= high], map(str, ticks))
    axes.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def in_words(runs):
    s = runs[0].settings
    ends = " and ".join(f"{end:.2f}" for end in runs.final())
    right = " and ".join(f"{100 * end:.0f} %" for end in runs.final("validation_accuracy"))
    first = " and ".join(f"{each:.2f}" for each in runs.values("validation_loss")[:, 0])
    return (
        f"{s['optimizer']}, {s['schedule']}, rate {s['rate']:g}: training and validation loss over "
        f"300 steps, two seeds. Validation begins at {first}, ends at {ends}; {right} right."
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
    losses, gradient = small.values("validation_loss"), small.values("gradient")
    sentence = """
        **The rate is far too small.** The loss begins at that of guessing and falls at every look, by
        less than a tenth in the first half. **The look that tells it from a dead network: does the training move at all?**
        Here the gradient stays as long as it was, fewer than a tenth of the units are dead, and the
        accuracy rises; in a dead network the gradient is a hundredth of that or more units than half
        are dead.
        """
    return (
        sentence,
        (np.diff(losses[:, ::5]) < 0).all(),
        (losses[:, 15] > 0.9 * losses[:, 0]).all(),
        gradient[:, -50:].mean() > 0.8 * gradient[:, :50].mean(),
        (dead(small) < 0.1).all(),
        (small.final("validation_accuracy") > 0.4).all(),
        (dead(stuck) > 0.5).all(),
    )
