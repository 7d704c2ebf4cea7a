"""Pictures of runs that pages share, each with a function that says in words what it shows."""

import numpy as np
from matplotlib.figure import Figure

from lrguide import plots
from lrguide.guide.measures import CHANCE, capped, learning_limit, plain, valleys
from lrguide.guide.records import Runs
from lrguide.guide.tuning import range_test, suggested


def losses_by_epoch(runs: Runs) -> Figure:
    """Training and validation losses, a line a rate."""
    curves = {
        plain(rate): (group.values("loss"), group.values("validation_loss"))
        for rate, group in runs.by("rate").items()
    }
    return plots.loss_by_epoch(curves, chance=CHANCE, top=5)


def final_losses_in_words(runs: Runs) -> str:
    """What `losses_by_epoch` shows of runs with Adam at five rates."""
    ends = (f"{np.median(g.final()):.2f} at {plain(r)}" for r, g in runs.by("rate").items())
    return (
        "Training and validation loss by epoch for five learning rates with Adam. "
        f"Median validation loss after the last epoch: {'; '.join(ends)}. "
        f"Guessing would give {CHANCE:.2f}."
    )


def losses_by_rate(runs: Runs) -> Figure:
    """Validation losses at the end, a line an optimizer."""
    return plots.loss_by_rate(valleys(runs), chance=CHANCE)


def valleys_in_words(runs: Runs) -> str:
    """What `losses_by_rate` shows of runs with Adam and with SGD."""
    adam, sgd = (runs.where(optimizer=optimizer) for optimizer in ("Adam", "SGD"))
    return (
        "Final validation loss against learning rate, two valleys: with Adam the lowest loss is at "
        f"{adam.best():g}, with SGD at {sgd.best():g}. Beyond {learning_limit(adam):g} with Adam "
        f"and {learning_limit(sgd):g} with SGD some or all seeds learn nothing."
    )


def _apart(runs: Runs) -> tuple[Runs, Runs]:
    """The sweeps and the trainings among some runs."""
    sweeps, trained = (
        Runs(run for run in runs if run.function == function) for function in ("sweep", "train")
    )
    return sweeps, trained


def sweep_above_trainings(runs: Runs) -> Figure:
    """A range test with what its rules say, above the losses of whole trainings."""
    sweeps, trained = _apart(runs)
    result = range_test(sweeps)
    seen = np.where(np.isfinite(result.losses), result.losses, np.inf)
    picture, (above, below) = plots.subplots(2, 1, height=5.0, sharex=True)
    low, high = seen.min(axis=0), np.minimum(seen.max(axis=0), 9)
    above.fill_between(result.rates, low, high, alpha=0.25, linewidth=0)
    above.plot(result.rates, np.median(np.minimum(seen, 9), axis=0))
    above.set(ylim=(0, 3.5), ylabel="loss in the sweep")
    rates = list(trained.by("rate"))
    losses = np.array([capped(group) for group in trained.by("rate").values()])
    below.plot(rates, np.median(losses, axis=1))
    below.plot(np.repeat(rates, losses.shape[1]), losses.ravel(), "o", color="C0", markersize=3)
    below.set(ylabel="loss, trained", xlabel="learning rate", xscale="log")
    marks = {name: rate for name, rate in suggested(sweeps).items() if rate}
    styles = zip(marks.items(), ("-", "--", ":", "-."), plots.COLOURS[1:], strict=False)
    for (name, rate), line, colour in styles:
        above.axvline(rate, linestyle=line, color=colour, label=name)
        below.axvline(rate, linestyle=line, color=colour)
    below.minorticks_off()
    picture.legend(loc="outside upper left", ncols=2, frameon=False)
    return picture


def sweep_in_words(runs: Runs) -> str:
    """What `sweep_above_trainings` shows."""
    sweeps, trained = _apart(runs)
    marks = (f"{name} {rate:.2g}" for name, rate in suggested(sweeps).items() if rate)
    return (
        "Above, the loss of each batch while the rate grows: level, a fall, a short floor, then a "
        "blow-up. Below, the validation loss after a whole training at each constant rate, lowest "
        f"at {trained.best():g}. Marked in both: {', '.join(marks)}."
    )
