"""Short trainings at a few constant rates: which is best, and which cannot be told from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .intervals import half_width
from .traceless import RISE, Trained, noise

__all__ = ["Confirmation"]


@dataclass(frozen=True)
class Confirmation:
    """Short trainings at a few constant rates, paired by seed.

    Attributes:
        rates: The rates trained at, growing.
        losses: Final loss by rate and seed; infinite where training diverged: the loss stopped
            being finite, or ended above that without training by more than the noise of batches.
        seeds: One training per rate and seed.
        measured: What `losses` are, with the data and the budget, in words.
        untrained: By seed, what `losses` would be at a rate of 0.
        best: The rate with the lowest mean loss; None when every rate diverged.
        edge: "lowest" or "highest" where `best` is that of all the rates, so that a better one may
            lie beyond; "" where it has neighbours on both sides.
        tied: The rates, `best` included, that these few seeds cannot tell from `best`: the 95 %
            interval of the paired difference contains 0. Their losses may well differ, by as much
            as that interval is wide; more seeds narrow it.
        intervals: By rate, the 95 % interval (Student's t over the seeds) of its loss minus that
            of `best`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from lrguide import RangeTestResult
        >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> swept = RangeTestResult(np.array([1e-3, 1.0]), np.ones((1, 2)), seeds=(0,))
        >>> found = swept.confirm(model, x, x[:, :1], rates=[1e-3, 0.1, 9.0], steps=40, verbose=0)
        >>> found.best, found.edge, found.tied
        (0.1, '', (0.1,))
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    seeds: tuple[int, ...]
    measured: str
    untrained: tuple[float, ...]
    best: float | None
    edge: Literal["", "lowest", "highest"]
    tied: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        """Which rate is best and which are tied with it, then a line for each rate."""
        about = f"{self.measured}; {np.mean(self.untrained):.4g} without training"
        if self.best is None:
            return f"Every rate diverged ({about})."
        lines = [f"Lowest mean loss at {self.best:.3g} ({about})."]
        if self.edge:
            beyond = {"lowest": "smaller", "highest": "larger"}[self.edge]
            lines.append(f"This is the {self.edge} rate tried: a {beyond} one may be better.")
        if others := ", ".join(f"{rate:.3g}" for rate in self.tied if rate != self.best):
            lines.append(
                f"Tied with it: {others}. That is, {len(self.seeds)} seeds cannot tell them apart; "
                "their losses may differ by as much as the intervals say."
            )
        for rate, losses, (low, high) in zip(self.rates, self.losses, self.intervals, strict=True):
            told = f"loss {np.mean(losses):.4g}, minus best {low:+.3g} to {high:+.3g}"
            if diverged := sum(map(math.isinf, losses)):
                told = f"diverged with {diverged} of {len(losses)} seeds"
            lines.append(f"  {rate:.3g}: {told}")
        return "\n".join(lines)


def compare(
    rates: Sequence[float],
    runs: Sequence[Sequence[Trained]],
    without: Sequence[Trained],
    tail: int,
    seeds: tuple[int, ...],
    measured: str,
) -> Confirmation:
    """Compare trainings by rate and seed, and with runs that did not train."""
    untrained = np.array([np.mean(seen[-tail:]) for seen, _ in without])
    rounding = 4 * np.finfo(np.float32).eps * np.abs(untrained)
    # The noise is that of the batches: a last loss on validation data is of another kind.
    spread = np.array([noise(seen[:-1]) if len(seen) > 2 else math.inf for seen, _ in without])
    losses = np.array(
        [[math.inf if why else np.mean(seen[-tail:]) for seen, why in row] for row in runs]
    )
    losses[losses > untrained + RISE * spread + rounding] = math.inf
    means = losses.mean(axis=1)
    place = int(np.argmin(means))
    table = tuple(tuple(row) for row in losses.tolist())
    about = (tuple(rates), table, seeds, measured, tuple(untrained.tolist()))
    if not math.isfinite(means[place]):
        return Confirmation(*about, None, "", (), ())
    intervals = []
    for row in losses:
        difference, half = row - losses[place], 0.0
        if np.isfinite(row).all():
            half = half_width(difference)
        intervals.append((float(difference.mean()) - half, float(difference.mean()) + half))
    tied = tuple(r for r, (low, high) in zip(rates, intervals, strict=True) if low <= 0 <= high)
    edge: Literal["", "lowest", "highest"] = ""
    if place in (0, len(rates) - 1) and np.ptp(means):  # where all are equal, none is best
        edge = "highest" if place else "lowest"
    return Confirmation(*about, rates[place], edge, tied, tuple(intervals))
