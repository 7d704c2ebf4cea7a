"""Pictures of runs that pages share, each with a function that says in words what it shows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lrguide import plots
from lrguide.guide.contrasts import MARGIN, Contrast, beside
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


def losses_by_schedule(runs: Runs) -> Figure:
    """Validation losses at the end against the highest or first rate, a line a schedule."""
    return plots.loss_by_rate(valleys(runs, "schedule"), chance=CHANCE)


def limits_in_words(runs: Runs) -> str:
    """What `losses_by_schedule` shows of runs with Adam."""
    return "Final validation loss against the learning rate with Adam: " + "; ".join(
        f"{name}: lowest at {group.best():g}, every seed learns up to {learning_limit(group):g}"
        for name, group in runs.by("schedule").items()
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


# The colour and the mark of a verdict.
_DRAWN = {
    "lower": (plots.COLOURS[0], "o"),
    "higher": (plots.COLOURS[1], "s"),
    "equal": (plots.COLOURS[4], "D"),
    "undecided": (plots.COLOURS[4], "|"),
}


def contrasts(found: Mapping[str, Contrast], other: str) -> Figure:
    """How far each contender's loss lies from another's, with its interval; the first at the top.

    Args:
        found: by name the contrasts of a table.
        other: what all are compared with.
    """
    picture, axes = plots.subplots(height=max(2.4, 1.3 + 0.22 * len(found)))
    for place, each in enumerate(list(found.values())[::-1]):
        colour, mark = _DRAWN[each.verdict]
        ends = 1 + np.array([each.low, each.high])
        axes.plot(ends, [place] * 2, color=colour, linewidth=1.5, label="_interval")
        axes.plot(1 + each.change, place, mark, color=colour, markersize=7, label=each.verdict)
    axes.axvline(1, color="#000000", linewidth=0.8, label="_no difference")
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color="#000000", alpha=0.1, linewidth=0, label="_margin")
    axes.set_yticks(range(len(found)), [*found][::-1], fontsize=10)
    axes.set(xscale="log", xlabel=f"loss, against {other}", ylim=(-0.7, len(found) - 0.3))
    low, high = axes.get_xlim()
    near, far = [0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4], [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5]
    furthest = [0.25, 0.5, 1, 2, 5, 10]
    ticks = near if high / low < 1.6 else far if high / low < 4 else furthest
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, ["same" if t == 1 else f"{100 * (t - 1):+.0f} %" for t in shown])
    axes.minorticks_off()
    handles, labels = axes.get_legend_handles_labels()
    by_verdict = dict(zip(labels, handles, strict=True))
    names = [name for name in _DRAWN if name in by_verdict]
    dots = [by_verdict[name] for name in names]
    picture.legend(dots, names, loc="outside upper left", ncols=4, frameon=False)
    return picture


def contrasts_in_words(found: Mapping[str, Contrast], other: str) -> str:
    """What `contrasts` shows."""
    each = (f"{name} {contrast}, {contrast.verdict}" for name, contrast in found.items())
    return f"Loss against that of {other}, with 95 % intervals: {'; '.join(each)}."


def beside_the_first(
    contenders: Sequence[Mapping[str, Any]], name: str
) -> dict[str, Callable[[Runs], Any]]:
    """The picture of contenders beside the first of them, which is called so: as `figure` takes it.

    Example:
        >>> from lrguide.guide import pictures
        >>> from lrguide.guide.contenders import COMPARED
        >>> sorted(pictures.beside_the_first(COMPARED, "Adam at a constant rate"))
        ['alt', 'draw']
    """
    return {
        "draw": lambda runs: contrasts(beside(runs, contenders, contenders[0]), name),
        "alt": lambda runs: contrasts_in_words(beside(runs, contenders, contenders[0]), name),
    }
