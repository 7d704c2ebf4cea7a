"""What several pages ask: contenders tuned with the same effort, sweeps read as a range test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.guide.contenders import HALF_DECADES, RATES
from lrguide.guide.experiments import train
from lrguide.guide.records import Run, Runs, measured
from lrguide.rules import Suggestion

if TYPE_CHECKING:
    from lrguide.range_test import RangeTestResult

# The seeds of the plan of 30 November 2026 (see the page on method). Two are tried at each rate of
# the grid, four more around the lowest loss, and six more where other six would choose otherwise.
# The seeds of the answer are those that no search has seen.
FIRST, MORE, DOUBT = (100, 101), range(102, 106), range(106, 112)
ANSWER = range(200, 220)


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
    searched, groups = _trained(contenders, [list(product(rates, trials))] * len(contenders))
    answer, _ = _trained(contenders, [[(each.best(), seed) for seed in seeds] for each in groups])
    return searched, answer


def tuned_nearby(
    contenders: Sequence[dict[str, Any]],
    rates: Sequence[float],
    *,
    start: Sequence[float],
    trial: int,
    seeds: Sequence[int],
    also: Sequence[Sequence[float]] = (),
) -> tuple[Runs, Runs]:
    """Search each contender's rate near one that is known, then train it there with other seeds.

    Where a training is long, few can be spent on the search. It tries the rate to start from and
    its two neighbours on the grid, and then goes on in the direction in which the loss falls, until
    both neighbours of the best are higher or the grid ends. Such a walk can stop short of a lower
    loss that lies further away, so it may be given rates to try as well.

    Args:
        contenders: settings of `train`, all but the rate and the seed.
        rates: the grid, in order.
        start: for each contender a rate of the grid, such as the one tuned with a smaller budget.
        trial: the seed of the search.
        seeds: seeds at the rate that won; not the trial's, which has chosen it.
        also: for each contender rates of the grid that are tried in any case; none by default.

    Returns:
        The trials, and the trainings at the tuned rates, both contender by contender.

    Raises:
        ValueError: if the seed of the trials is among the others, or a start is not on the grid.
        LookupError: if at each rate of a contender a loss was not finite.
    """
    if trial in seeds:
        raise ValueError(f"seeds must not hold the trial's, {trial}, received {[*seeds]}")
    tried = [set(_neighbours(rates, rate)) for rate in start]
    tried = [near | {*more} for near, more in zip(tried, also or tried, strict=True)]
    while True:
        asked = [[(rate, trial) for rate in sorted(some)] for some in tried]
        searched, groups = _trained(contenders, asked)
        best = [each.best() for each in groups]
        near = [set(_neighbours(rates, rate)) for rate in best]
        if all(new <= old for new, old in zip(near, tried, strict=True)):
            break
        tried = [old | new for old, new in zip(tried, near, strict=True)]
    return searched, _trained(contenders, [[(rate, seed) for seed in seeds] for rate in best])[0]


def searched(contenders: Sequence[dict[str, Any]]) -> tuple[Runs, list[float]]:
    """Search each contender's rate as the plan of 30 November 2026 says.

    All seeds of `FIRST` at all `RATES`; then, around the lowest, `MORE` at it and its neighbours in
    steps of half a decade, and on until both neighbours of the lowest have these seeds, too. Where
    a second set of six seeds would often choose otherwise (`same_choice`), those of `DOUBT` follow.

    Args:
        contenders: settings of `train` on MNIST, all but the rate and the seed.

    Returns:
        All trials, contender by contender, and the rate of each that counts as tuned.

    Raises:
        LookupError: if the search of a contender comes to the end of `HALF_DECADES`.
    """
    wanted = [{(rate, seed) for rate in RATES for seed in FIRST} for _ in contenders]
    while True:
        trials, groups = _trained(contenders, [sorted(each) for each in wanted])
        before = [len(each) for each in wanted]
        for each, group in zip(wanted, groups, strict=True):
            each |= _asked_next(group)
        if before == [len(each) for each in wanted]:
            return trials, [tuned_rate(group) for group in groups]


def answered(contenders: Sequence[dict[str, Any]], seeds: Sequence[int] = ANSWER) -> Runs:
    """Each contender with new seeds at the rate that `searched` finds, as the plan says.

    Args:
        contenders: settings of `train` on MNIST, all but the rate and the seed.
        seeds: those of the answer, which no search has seen.

    Raises:
        LookupError: if the search of a contender comes to the end of `HALF_DECADES`.
    """
    _, rates = searched(contenders)
    return _trained(contenders, [[(rate, seed) for seed in seeds] for rate in rates])[0]


def _asked_next(trials: Runs) -> set[tuple[float, int]]:
    """Rates and seeds that the search of one contender needs beside those that it has."""
    best = tuned_rate(trials)
    place = HALF_DECADES.index(best)
    if not 0 < place < len(HALF_DECADES) - 1:
        raise LookupError(f"the lowest loss must lie inside the grid, found it at {best:g}")
    near = HALF_DECADES[place - 1 : place + 2]
    needed = {(rate, seed) for rate in near for seed in (*FIRST, *MORE)}
    if not needed <= {(run.settings["rate"], run.settings["seed"]) for run in trials}:
        return needed
    if same_choice(trials) >= 0.95:
        return set()
    return {(rate, seed) for rate in near for seed in DOUBT}


def tuned_rate(trials: Runs) -> float:
    """The rate of one contender's trials at which the fewest seeds fail and the loss is lowest.

    That is the mean of the logarithm of the last validation loss over the seeds that learn. Rates
    with six seeds or more are preferred to those that only the first pass has tried.
    """
    tried = {rate: _scores(runs) for rate, runs in trials.by("rate").items()}
    well = {rate: scores for rate, scores in tried.items() if len(scores) >= 6} or tried
    best: float = min(well, key=lambda rate: _rank(np.array([*well[rate].values()])))
    return best


def same_choice(trials: Runs, draws: int = 2000) -> float:
    """How often other six seeds would choose the tuned rate or a neighbour of it.

    At each rate six seeds are drawn anew from those that it was tried with: the same ones at rates
    that share their seeds, so that these stay paired.

    Returns:
        The share of the draws, from 0 to 1.
    """
    tried = {rate: np.array([*_scores(runs).values()]) for rate, runs in trials.by("rate").items()}
    place = HALF_DECADES.index(tuned_rate(trials))
    near = HALF_DECADES[max(0, place - 1) : place + 2]
    random, same = np.random.default_rng(0), 0
    for _ in range(draws):
        drawn = random.random(6)
        ranks = {rate: _rank(s[(drawn * len(s)).astype(int)]) for rate, s in tried.items()}
        same += min(ranks, key=ranks.__getitem__) in near
    return same / draws


def _scores(runs: Runs) -> dict[int, float]:
    """By seed the logarithm of the last validation loss, infinite where a run learns nothing."""
    by_seed = {run.settings["seed"]: _score(run) for run in runs}
    return dict(sorted(by_seed.items()))


def _score(run: Run) -> float:
    loss, right = (run.result[f"validation_{name}"][-1] for name in ("loss", "accuracy"))
    learns = loss is not None and right is not None and right > 0.2
    return math.log(loss) if learns else math.inf


def _rank(scores: Any) -> tuple[int, float]:
    """How many seeds fail, then the mean of the others: the lowest is the best."""
    finite = scores[np.isfinite(scores)]
    return len(scores) - len(finite), float(finite.mean()) if len(finite) else math.inf


def _neighbours(rates: Sequence[float], rate: float) -> Sequence[float]:
    if rate not in rates:
        raise ValueError(f"start must be rates of the grid, {[*rates]}, received {rate}")
    place = rates.index(rate)
    return rates[max(0, place - 1) : place + 2]


def _trained(
    contenders: Sequence[dict[str, Any]], wanted: Sequence[Sequence[tuple[float, int]]]
) -> tuple[Runs, list[Runs]]:
    """Each contender trained at its rates and seeds: all runs, and those of each contender."""
    runs = measured(
        train,
        [
            contender | dict(rate=rate, seed=seed)
            for contender, each in zip(contenders, wanted, strict=True)
            for rate, seed in each
        ],
    )
    ends = accumulate(map(len, wanted))
    return runs, [Runs(runs[end - len(w) : end]) for end, w in zip(ends, wanted, strict=True)]


def range_test(sweeps: Runs) -> RangeTestResult:
    """Sweeps that differ in their seeds, as `lr_range_test` returns them."""
    from lrguide.range_test import RangeTestResult  # TensorFlow, which most pages do without

    seeds = tuple(run.settings["seed"] for run in sweeps)
    return RangeTestResult(sweeps.values("sweep_rates")[0], sweeps.values("sweep_losses"), seeds)


def suggested(sweeps: Runs) -> dict[str, float | None]:
    """The point where the curve is lowest and the answer of three rules; None for no answer."""
    found = range_test(sweeps).suggest()
    rates = {rule: found[rule].rate for rule in ("minimum/10", "valley", "steepest")}
    lowest = rates["minimum/10"]
    return {"lowest point": lowest and 10 * lowest, **rates}


def answer(sweeps: Runs, last: float = math.inf) -> Suggestion:
    """What minimum/10 says, as if the sweeps had ended at a last rate."""
    whole = range_test(sweeps)
    kept = whole.rates <= last
    cut = replace(whole, rates=whole.rates[kept], losses=whole.losses[:, kept])
    return cut.suggest()["minimum/10"]


def interval(found: Suggestion) -> str:
    """A suggestion to two digits, with the lowest and the highest answer of a seed."""
    if found.rate is None or found.low is None or found.high is None:
        return "no answer"
    mean, low, high = (
        np.format_float_positional(rate, precision=2, fractional=False, trim="-")
        for rate in (found.rate, found.low, found.high)
    )
    return f"{mean} ({low} to {high})"


def bounds(sweeps: Runs) -> tuple[float, float]:
    """Lower and upper bound of a cycle as the range test suggests them, to two digits."""
    found = range_test(sweeps).suggest()
    low, high = (found[f"cyclical {which}"].rate for which in ("minimum", "maximum"))
    if low is None or high is None:
        raise LookupError(f"the sweeps suggest no bounds: {found['cyclical minimum'].reason}")
    return float(f"{low:.2g}"), float(f"{high:.2g}")
