"""Which short trainings `find_rate` pays for, and which rate they name.

The decisions stand apart from Keras: `search` is a function of a `train` that takes a rate, a
number of steps and a seed, and `decide` one of the trainings that there have been. Each constant
was chosen on the design problems of the guide's benchmark (`python -m tests.bench.designs`), none
on the problems that judge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from .intervals import half_width

__all__ = ["Pilot"]

LEAST_STEPS = 10
"""Of a pilot: a warmup of a tenth of it still has one step."""

LOOKS = 5
"""First looks that the price must pay for: four bracketed the best rate on most design problems."""

LOOK_STEPS = 60
"""Of a first look: on runs of 300 steps, looks of 60 ranked the rates nearly as whole runs do."""

LOOK_SHARES = 1 / 5, 1 / 16
"""Of the run, at most and at least. The second is a guess: no design problem has a longer run."""

SPACING = math.sqrt(10)
"""From a rate to the next: a factor of 2 costs more looks, one of 5 misses more valleys."""

FALL = 10.0
"""How far to go down where all rates diverged: such pilots end early and cost little."""

MOST_LOOKS = 30
"""Fifteen decades; whoever has not met a valley by then has none."""

FINALISTS = 3
"""The best of the first looks and its two neighbours: the longer the run, the further it moves."""

LONGER = 1.3
"""Times the first look: a second look that is hardly longer says nothing new."""

TIE = 0.05
"""Of the fall of the loss: pilots that lie closer than this change places in the whole run."""

TIE_OF_LOSS = 0.1
"""Of the lowest loss, too: near 0 a small part of the fall is many times what is left."""

WHOLE = 0.7
"""Of the run: shorter pilots favour high rates, so of tied ones the lowest is taken and lowered,
and the interval reaches half a decade lower."""

POWER = 0.5
"""Of the pilots' share of the run, by which the rate of shorter ones is lowered: the bound on the
loss after n steps of gradient descent is lowest at a rate proportional to 1 / sqrt(n). Fitted on
all problems of the benchmark but those that judge it anew: by less, the rate is above the edge of
training on some of them, by more, it gives away too much on the others."""

PAIRED = 3
"""Seeds for an interval: with two, Student's t ties nearly all rates."""


@dataclass(frozen=True)
class Pilot:
    """A short training.

    Attributes:
        rate: What the schedule was made of.
        steps: Its length, to which the schedule was compressed.
        seed: Of the order of the data and the noise. Pilots that share it share both.
        loss: At its end; infinite where it diverged.
        paid: Updates that were made: fewer than `steps` where it was stopped early.

    Example:
        >>> from lrguide.pilots import Pilot
        >>> Pilot(rate=0.01, steps=60, seed=0, loss=0.4, paid=60).paid
        60
    """

    rate: float
    steps: int
    seed: int
    loss: float
    paid: int


@dataclass(frozen=True)
class Choice:
    """What pilots say: `FoundRate` has the same names."""

    rate: float | None
    low: float | None
    high: float | None
    tied: tuple[float, ...]
    reason: str


Train = Callable[[float, int, int], Pilot]


def look_steps(steps: int, budget: int) -> int:
    """The length of a first look."""
    most, least = (int(steps * share) for share in LOOK_SHARES)
    return max(LEAST_STEPS, min(budget // LOOKS, max(least, min(most, LOOK_STEPS))))


def search(
    train: Train,
    pilots: list[Pilot],
    *,
    steps: int,
    budget: int,
    start: float,
    seeds: Sequence[int],
) -> None:
    """Train pilots and append each of them, as long as the budget lasts.

    First looks walk from `start` by half decades until the best has a worse neighbour on either
    side. The best and its neighbours are then trained as long as can be paid for, up to the
    whole run; what is left goes to a rate beyond, where the best of them is the last, and then to
    more seeds.

    Args:
        train: Trains at a rate, for a number of steps, with a seed.
        pilots: Is filled.
        steps: Of the run that the rate is for.
        budget: Steps that may be paid, all pilots together.
        start: The first rate.
        seeds: The first one looks, the next ones compare.
    """
    paid = 0

    def go(rate: float, length: int, seed: int) -> float:
        nonlocal paid
        pilot = train(rate, length, seed)
        pilots.append(pilot)
        paid += pilot.paid
        return pilot.loss

    look = look_steps(steps, budget)
    seen = {start: go(start, look, seeds[0])}
    while budget - paid >= look and len(seen) < MOST_LOOKS:
        if (rate := _beyond(seen)) is None:
            break
        seen[rate] = go(rate, look, seeds[0])
    rates = _finalists(seen)
    length = look
    while len(rates) > 1:
        length = min(steps, (budget - paid) // len(rates))
        if length >= LONGER * look:
            break
        rates.remove(max(rates, key=lambda rate: (seen[rate], rate)))
    else:
        return
    second = seeds[1 % len(seeds)]
    ends = {rate: go(rate, length, second) for rate in rates}
    while budget - paid >= length and len(ends) < MOST_LOOKS:
        if (beyond := _beyond(ends)) is None:
            break
        ends[beyond] = go(beyond, length, second)
    best = sorted(ends, key=lambda rate: (ends[rate], rate))[:FINALISTS]
    for seed in [*seeds[2:], *seeds[: len(seeds) > 1]]:
        if budget - paid < length * len(best):
            break
        for rate in best:
            go(rate, length, seed)


def _beyond(losses: dict[float, float]) -> float | None:
    """The next rate of a walk; None where the best has a neighbour on either side."""
    best = min(losses, key=lambda rate: (losses[rate], rate))
    if not math.isfinite(losses[best]):
        return min(losses) / FALL
    if best == max(losses):
        return best * SPACING
    return best / SPACING if best == min(losses) else None


def _finalists(losses: dict[float, float]) -> list[float]:
    """The best rate and its neighbours, without those that diverged."""
    best = min(losses, key=lambda rate: (losses[rate], rate))
    rates = sorted(losses)
    place = rates.index(best)
    near = rates[max(place - 1, 0) : place + FINALISTS - 1]
    return [rate for rate in near if math.isfinite(losses[rate])]


def decide(pilots: Sequence[Pilot], *, steps: int, untrained: float, noise: float) -> Choice:
    """Name a rate by the longest pilots that compare at least two.

    Args:
        pilots: All of them, in any order.
        steps: Of the run that the rate is for.
        untrained: The loss without training.
        noise: What a loss may fall by without having been trained.
    """
    compared = _longest_compared(pilots)
    if compared is None:
        return _no_rate("the search ended before two rates were compared")
    length, losses = compared
    means = {rate: float(np.mean(of_rate)) for rate, of_rate in losses.items()}
    best = min(means, key=lambda rate: (means[rate], rate))
    lowest = min(pilot.rate for pilot in pilots)
    if not math.isfinite(means[best]):
        return _no_rate(f"every rate diverged, down to {lowest:.3g}")
    fall = untrained - means[best]
    if fall <= noise:
        return _no_rate(f"no rate lowered the loss, {untrained:.4g}, by more than its noise")
    tied = sorted(
        rate
        for rate in means
        if means[rate] - means[best] <= min(TIE * fall, TIE_OF_LOSS * abs(means[best]))
        or _same(losses[rate], losses[best])
    )
    tried = sorted({pilot.rate for pilot in pilots})
    shorter = length < WHOLE * steps
    chosen = tied[0] if shorter else best
    if shorter:
        chosen = float(f"{chosen * (length / steps) ** POWER:.4g}")
    low = max((rate for rate in tried if rate < tied[0]), default=tied[0])
    high = min((rate for rate in tried if rate > tied[-1]), default=tied[-1] * SPACING)
    if shorter or tied[0] == min(means):
        low = min(low, chosen) / SPACING
    reason = f"the lowest loss of {len(means)} rates after {length} of {steps} steps"
    if shorter and len(tied) > 1:
        reason = f"the lowest of {len(tied)} rates that {length} of {steps} steps cannot tell apart"
    if shorter:
        reason += f", {tied[0]:.3g}, times the square root of {length} / {steps}, "
        reason += "since the best rate falls with the length"
    if tied[0] == tried[0] or tied[-1] == tried[-1]:
        beyond = "lower" if tied[0] == tried[0] else "higher"
        reason += f"; no {beyond} rate could be tried at this price"
    return Choice(chosen, low, high, tuple(tied), reason)


def _no_rate(why: str) -> Choice:
    return Choice(None, None, None, (), f"not enough evidence: {why}")


def _longest_compared(pilots: Sequence[Pilot]) -> tuple[int, dict[float, list[float]]] | None:
    """By rate the losses of the seeds that all of these rates share, at the greatest length."""
    by_length = attrgetter("steps")
    groups = itertools.groupby(sorted(pilots, key=by_length, reverse=True), by_length)
    for length, group in groups:
        found: dict[float, dict[int, float]] = {}
        for pilot in group:
            found.setdefault(pilot.rate, {})[pilot.seed] = pilot.loss
        # A rate that came later, and where the search was stopped, has fewer seeds than the others.
        counts = sorted(map(len, found.values()), reverse=True)
        enough = counts[:FINALISTS][-1]
        found = {rate: seeds for rate, seeds in found.items() if len(seeds) >= enough}
        shared = _shared(found.values())
        if len(found) > 1 and shared:
            return length, {rate: [found[rate][seed] for seed in shared] for rate in sorted(found)}
    return None


def _shared(each: Iterable[dict[int, float]]) -> list[int]:
    sets = [{*seeds} for seeds in each]
    return sorted(set.intersection(*sets))


def _same(losses: Sequence[float], best: Sequence[float]) -> bool:
    """Whether the 95 % interval of the difference, paired by seed, holds 0."""
    if len(losses) < PAIRED or not np.isfinite(losses).all():
        return False
    difference = np.array(losses) - np.array(best)
    return float(difference.mean()) <= half_width(difference)
