"""What several pages ask: contenders tuned with the same effort, sweeps read as a range test."""

from collections.abc import Sequence
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
    return searched, measured(
        train,
        [
            contender | dict(rate=group.best(), seed=seed)
            for contender, group in zip(contenders, groups, strict=True)
            for seed in seeds
        ],
    )


def range_test(sweeps: Runs) -> RangeTestResult:
    """Sweeps that differ in their seeds, as `lr_range_test` returns them."""
    seeds = tuple(run.settings["seed"] for run in sweeps)
    return RangeTestResult(sweeps.values("sweep_rates")[0], sweeps.values("sweep_losses"), seeds)
