"""What several pages ask: contenders tuned with the same effort, sweeps read as a range test."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from lrguide.guide.experiments import train
from lrguide.guide.records import Runs, measured
from lrguide.range_test import RangeTestResult


def tuned(
    contenders: Sequence[dict[str, Any]],
    rates: Sequence[float],
    *,
    trials: Sequence[int],
    seeds: Sequence[int],
) -> tuple[Runs, Runs]:
    """Search each contender's rate on one grid, then train it there with other seeds.

    Args:
        contenders: settings of `train`, all but the rate and the seed.
        rates: the grid; the one with the lowest mean validation loss wins.
        trials: seeds at each rate of the grid.
        seeds: seeds at the rate that won; none of the trials', which have chosen it.

    Returns:
        The trials, and the trainings at the tuned rates, both contender by contender.

    Raises:
        ValueError: if a seed is among the trials', too.
        LookupError: if at each rate of a contender a loss was not finite.
    """
    if shared := set(trials) & set(seeds):
        raise ValueError(
            f"seeds must not be among those of the trials, {[*trials]}, received {[*seeds]}: "
            f"{sorted(shared)} chose the rate"
        )
    searched = measured(
        train,
        [
            contender | dict(rate=rate, seed=seed)
            for contender in contenders
            for rate in rates
            for seed in trials
        ],
    )
    each = len(rates) * len(trials)
    groups = [Runs(searched[start : start + each]) for start in range(0, len(searched), each)]
    return searched, _trained(contenders, [group.best() for group in groups], seeds)


def tuned_nearby(
    contenders: Sequence[dict[str, Any]],
    rates: Sequence[float],
    *,
    start: Sequence[float],
    trial: int,
    seeds: Sequence[int],
) -> tuple[Runs, Runs]:
    """Search each contender's rate near one that is known, then train it there with other seeds.

    Where a training is long, few can be spent on the search. It tries the rate to start from and
    its two neighbours on the grid, and then goes on in the direction in which the loss falls, until
    both neighbours of the best are higher or the grid ends.

    Args:
        contenders: settings of `train`, all but the rate and the seed.
        rates: the grid, in order.
        start: for each contender a rate of the grid, such as the one tuned with a smaller budget.
        trial: the seed of the search.
        seeds: seeds at the rate that won; not the trial's, which has chosen it.

    Returns:
        The trials, and the trainings at the tuned rates, both contender by contender.

    Raises:
        ValueError: if the seed of the trials is among the others, or a start is not on the grid.
        LookupError: if at each rate of a contender a loss was not finite.
    """
    if trial in seeds:
        raise ValueError(f"seeds must not hold the trial's, {trial}, received {[*seeds]}")
    best = list(start)
    tried: list[set[float]] = [set() for _ in contenders]
    while True:
        near = [set(_neighbours(rates, rate)) for rate in best]
        if all(new <= old for new, old in zip(near, tried, strict=True)):
            break
        tried = [old | new for old, new in zip(tried, near, strict=True)]
        searched = measured(
            train,
            [
                contender | dict(rate=rate, seed=trial)
                for contender, some in zip(contenders, tried, strict=True)
                for rate in sorted(some)
            ],
        )
        ends = list(accumulate(map(len, tried)))
        best = [
            Runs(searched[end - len(some) : end]).best()
            for end, some in zip(ends, tried, strict=True)
        ]
    return searched, _trained(contenders, best, seeds)


def _neighbours(rates: Sequence[float], rate: float) -> Sequence[float]:
    if rate not in rates:
        raise ValueError(f"start must be rates of the grid, {[*rates]}, received {rate}")
    place = rates.index(rate)
    return rates[max(0, place - 1) : place + 2]


def _trained(
    contenders: Sequence[dict[str, Any]], rates: Sequence[float], seeds: Sequence[int]
) -> Runs:
    return measured(
        train,
        [
            contender | dict(rate=rate, seed=seed)
            for contender, rate in zip(contenders, rates, strict=True)
            for seed in seeds
        ],
    )


def range_test(sweeps: Runs) -> RangeTestResult:
    """Sweeps that differ in their seeds, as `lr_range_test` returns them."""
    seeds = tuple(run.settings["seed"] for run in sweeps)
    return RangeTestResult(sweeps.values("sweep_rates")[0], sweeps.values("sweep_losses"), seeds)


def bounds(sweeps: Runs) -> tuple[float, float]:
    """Lower and upper bound of a cycle as the range test suggests them, to two digits."""
    found = range_test(sweeps).suggest()
    low, high = (found[f"cyclical {which}"].rate for which in ("minimum", "maximum"))
    if low is None or high is None:
        raise LookupError(f"the sweeps suggest no bounds: {found['cyclical minimum'].reason}")
    return float(f"{low:.2g}"), float(f"{high:.2g}")
