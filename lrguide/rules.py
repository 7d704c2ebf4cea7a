"""Rules that read a learning rate off the curves of a range test.

Losses are those of single batches; points are located on curves smoothed symmetrically, because
exponential smoothing lags and moves them. A rule is an entry of `RULES`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .arguments import Floats

__all__ = ["Suggestion"]


@dataclass(frozen=True, eq=False)
class Fall:
    """One seed's curve, from the first rate to the one where the smoothed loss is lowest."""

    rates: Floats
    losses: Floats  # smoothed
    fallen: Floats  # the part of the whole fall that has happened


@dataclass(frozen=True)
class Rule:
    """A rule: its name, what it looks for in words, and the function that does so."""

    name: str
    text: str
    read: Callable[[Fall], float]


def _middle_of_longest_fall(losses: Floats) -> int:
    """Index by fastai's rule: about the middle of the longest strictly decreasing subsequence.

    fastai takes the subsequence's length for its extent, although it may have gaps; so do we.
    """
    lengths: list[int] = []  # of the longest one that ends at each loss
    last: list[float] = []  # the largest last loss of those of each length, negative
    for loss in -losses:
        shorter = bisect_left(last, loss)
        last[shorter : shorter + 1] = [loss]
        lengths.append(shorter + 1)
    end = lengths.index(max(lengths))
    start = end - lengths[end]
    third = (end - start) / 3
    return max(0, start + int(third) + int(third / 2))


def _begin_of_fall(fall: Fall) -> float:
    late = np.flatnonzero(fall.fallen[: int(np.argmax(fall.fallen >= 0.9)) + 1] < 0.1)
    return float(fall.rates[late[-1]] if len(late) else fall.rates[0])


RULES = (
    Rule(
        "minimum/10",
        "a tenth of the rate where the smoothed loss is lowest",
        lambda fall: fall.rates[-1] / 10,
    ),
    Rule(
        "valley",
        "about the middle of the longest fall of the smoothed loss",
        lambda fall: fall.rates[_middle_of_longest_fall(fall.losses)],
    ),
    Rule(
        "steepest",
        "where the smoothed loss falls fastest",
        lambda fall: fall.rates[np.argmin(np.gradient(fall.losses, np.log(fall.rates)))],
    ),
    Rule("cyclical minimum", "where a tenth of the loss's whole fall has happened", _begin_of_fall),
    Rule(
        "cyclical maximum",
        "where nine tenths of the loss's whole fall have happened",
        lambda fall: fall.rates[np.argmax(fall.fallen >= 0.9)],
    ),
)
"""The rules that `RangeTestResult.suggest` knows."""


@dataclass(frozen=True)
class Suggestion:
    """A rate by one rule: an interval over the seeds, and why.

    Attributes:
        rule: The name of one of `RULES`.
        rate: Median over the seeds (of the logarithms); None when there is not enough evidence.
        low: Smallest answer of a seed; None when there is not enough evidence.
        high: Largest answer of a seed; None when there is not enough evidence.
        by_seed: The answer of each seed, None where its curve shows too little.
        reason: The rate and its interval in words, or why there is none.

    Example:
        >>> import numpy as np
        >>> from lrguide.range_test import RangeTestResult
        >>> rates = np.geomspace(1e-5, 1, 100)
        >>> curves = [np.abs(np.log10(rates) - lowest) for lowest in (-2.2, -2.0, -1.8)]
        >>> suggestion = RangeTestResult(rates, np.array(curves), (0, 1, 2)).suggest()["minimum/10"]
        >>> print(f"{suggestion.rate:.1g}, from {suggestion.low:.1g} to {suggestion.high:.1g}")
        0.001, from 0.0006 to 0.002
    """

    rule: str
    rate: float | None
    low: float | None
    high: float | None
    by_seed: tuple[float | None, ...] = field(repr=False)
    reason: str = field(repr=False)

    def __str__(self) -> str:
        """The rule, its rate and the reason in one line."""
        return f"{self.rule}: {self.reason}"


class Suggestions(dict[str, Suggestion]):
    """What each rule suggests, by the rule's name."""

    def __missing__(self, rule: object) -> Suggestion:
        raise KeyError(
            f"a rule must be one of {', '.join(rule.name for rule in RULES)}, received {rule!r}"
        )


def suggestions(rates: Floats, losses: Floats) -> Suggestions:
    """What each rule suggests for some curves, a row of losses for each seed."""
    curves = [_fall(rates, row) for row in losses]
    return Suggestions({rule.name: _suggestion(rule, curves) for rule in RULES})


def tenth(losses: Floats) -> int:
    """How many steps are the first tenth of a sweep, at which its loss begins."""
    return max(3, int(losses.shape[-1]) // 10)


def gaussian_average(losses: Floats, width: float) -> Floats:
    """Average with a standard deviation of `width` steps, weights renormalised at the ends."""
    distances = np.arange(1 - len(losses), len(losses))
    weights = np.exp(-0.5 * (distances / width) ** 2)
    # By Fourier transforms, since a table of all weights would need the square of this memory.
    rows = np.fft.rfft([losses, np.ones_like(losses)], 4 * len(losses))
    products = np.fft.irfft(rows * np.fft.rfft(weights, 4 * len(losses)), 4 * len(losses))
    sums, counts = products[:, len(losses) - 1 : 2 * len(losses) - 1]
    smoothed: Floats = sums / counts
    return smoothed


def _fall(rates: Floats, row: Floats) -> Fall | str:
    """The fall of one seed's curve, or why the curve shows too little."""
    losses = row[np.isfinite(row)]
    # With fewer steps the first tenth would have less than two.
    if len(losses) < 20:
        return f"only {len(losses)} step{'' if len(losses) == 1 else 's'}, fewer than 20"
    first = losses[: tenth(row)]
    start = float(np.median(first))
    width = max(1.0, len(row) / 25)
    # The losses are clipped, so that a rise right of the minimum cannot push it to the left.
    smoothed = gaussian_average(np.minimum(losses, first.max()), width)
    lowest = int(np.argmin(smoothed))
    fall = start - float(smoothed[lowest])
    # The standard deviation of one loss follows from the differences of neighbours (1.4826 MAD /
    # sqrt 2), that of a Gaussian average from how many losses it averages. Of some 25 averages of
    # pure noise the lowest lies 2 deviations below their mean, rarely 4. Losses in float32 are
    # rounded, too.
    rounding = 4 * float(np.finfo(np.float32).eps) * float(np.abs(first).max())
    # The tail that has blown up is left out.
    seen = losses[: 1 + int(np.flatnonzero(losses <= first.max())[-1])]
    deviation = 1.4826 * float(np.median(np.abs(np.diff(seen)))) / math.sqrt(2)
    if fall <= rounding:
        return "the loss does not fall"
    if fall <= 4 * deviation / math.sqrt(2 * width * math.sqrt(math.pi)):
        return f"the loss falls by {fall:.2g}, which its noise explains"
    if len(losses) == len(row) and lowest >= len(row) - width:
        return f"the loss still falls at the largest rate {rates[-1]:.3g}"
    if lowest == 0:
        return f"the loss is lowest at the smallest rate {rates[0]:.3g}"
    kept = slice(lowest + 1)
    return Fall(rates[kept], smoothed[kept], (start - smoothed[kept]) / fall)


def _suggestion(rule: Rule, curves: Sequence[Fall | str]) -> Suggestion:
    by_seed = tuple(None if isinstance(curve, str) else float(rule.read(curve)) for curve in curves)
    found = [rate for rate in by_seed if rate is not None]
    problems = "; ".join(dict.fromkeys(curve for curve in curves if isinstance(curve, str)))
    if 2 * len(found) <= len(curves):
        reason = f"not enough evidence: {len(found)} of {len(curves)} seeds answer ({problems})"
        return Suggestion(rule.name, None, None, None, by_seed, reason)
    low, high = min(found), max(found)
    # The seeds of ordinary networks differ by a factor of 2 to 3. A factor of 10 means that they do
    # not see the same fall.
    if high > 10 * low:
        reason = f"not enough evidence: the seeds say {low:.2g} to {high:.2g}, too far apart"
        return Suggestion(rule.name, None, None, None, by_seed, reason)
    rate = math.exp(float(np.median(np.log(found))))
    spread = f"{low:.2g} to {high:.2g} over {len(found)} seeds"
    if len(curves) == 1:
        spread = "one seed, its spread is unknown"
    reason = f"{rate:.2g} ({spread}); {rule.text}"
    if problems:
        reason += f"; {len(curves) - len(found)} of {len(curves)} seeds do not answer ({problems})"
    return Suggestion(rule.name, rate, low, high, by_seed, reason)
