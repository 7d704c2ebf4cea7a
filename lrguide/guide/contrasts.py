"""How contenders are compared: the one rule of all pages, planned on 30 November 2026.

Two contenders are compared by the difference of the logarithms of their losses, paired by seed,
over the seeds with which both learn. How often a contender fails is a question of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.contenders import label
from lrguide.guide.measures import capped, chosen, learns
from lrguide.guide.records import Runs
from lrguide.intervals import half_width, share_within

MARGIN = 0.03  # two losses are equal when the whole interval of their difference lies within this
ERROR = 0.05  # the chance that a table of equal contenders calls any of them lower or higher

Losses = tuple[str, str]
LAST: Losses = ("validation", "last epoch")
BEST: Losses = ("validation", "best epoch")  # that with the lowest validation loss
TEST: Losses = ("test", "last epoch")
BEST_TEST: Losses = ("test", "best epoch")  # the epoch is chosen on the validation part


@dataclass(frozen=True)
class Contrast:
    """How far one contender's loss lies from another's.

    Attributes:
        change: the mean, as a share of the other's loss: -0.08 is 8 % lower.
        low: where its 95 % interval begins.
        high: where it ends.
        pairs: the seeds with which both learn.
        verdict: `lower`, `higher`, `equal` or `undecided`.
    """

    change: float
    low: float
    high: float
    pairs: int
    verdict: str

    def __str__(self) -> str:
        """The change and its interval: "-8 % (-12 to -3 %)"."""
        if not self.pairs:
            return "no pair of seeds learns"
        change, low, high = (percent(value) for value in (self.change, self.low, self.high))
        return f"{change} ({low.removesuffix(' %')} to {high})"

    @property
    def in_words(self) -> str:
        """The verdict in a sentence: "8 % lower (3 to 12 %)", "undecided (-8 to +3 %)"."""
        if self.verdict not in ("lower", "higher"):
            interval = str(self).partition(" (")[2]
            return f"{self.verdict} ({interval}" if interval else f"undecided: {self}"
        near, size, far = (
            percent(v)[1:] for v in sorted(map(abs, (self.low, self.change, self.high)))
        )
        return f"{size} {self.verdict} ({near.removesuffix(' %')} to {far})"


def compared(pairs: Mapping[str, tuple[Runs, Runs]], losses: Losses = LAST) -> dict[str, Contrast]:
    """The contrasts of one table, whose verdicts are corrected for their number.

    A contrast is lower or higher where Student's t says so at 5 in 100 after Holm's correction
    (1979), equal where two one-sided tests at 5 in 100 (Schuirmann 1987) put it within `MARGIN`,
    and undecided otherwise. The intervals are not corrected.

    Args:
        pairs: by name the runs of a contender and those of the other, with the same seeds.
        losses: which loss is compared.

    Raises:
        ValueError: if two have not the same seeds, each once.
    """
    differences = {name: log_ratios(*pair, losses) for name, pair in pairs.items()}
    decided = holm([_p_value(each) for each in differences.values()])
    return {
        name: _contrast(each, told)
        for (name, each), told in zip(differences.items(), decided, strict=True)
    }


def beside(
    runs: Runs,
    contenders: Sequence[Mapping[str, Any]],
    other: Mapping[str, Any],
    losses: Losses = LAST,
) -> dict[str, Contrast]:
    """The contrasts of contenders with one other, by their labels; it is left out itself."""
    others = chosen(runs, other)
    pairs = {label(c): (chosen(runs, c), others) for c in contenders if label(c) != label(other)}
    return compared(pairs, losses)


def named(found: Mapping[str, Contrast], verdict: str) -> list[str]:
    """The contrasts that have this verdict, in their order."""
    return [name for name, each in found.items() if each.verdict == verdict]


def rows_beside(
    runs: Runs, contenders: Sequence[Mapping[str, Any]], other: Mapping[str, Any], digits: int = 3
) -> list[dict[str, str]]:
    """Rows of a table, from the lowest loss to the highest: each contender beside the other.

    Losses have so many digits behind the point.
    """
    found, rows = beside(runs, contenders, other), []
    for contender in sorted(contenders, key=lambda c: _mean_loss(chosen(runs, c))):
        group = chosen(runs, contender)
        contrast = found.get(label(contender))
        count, least, most = share_that_learns(group)
        rows.append(
            {
                "contender": label(contender),
                "rate": f"`{group[0].settings['rate']:g}`",
                "learns": f"{count} of {len(group)} ({100 * least:.0f} to {100 * most:.0f} %)",
                "loss": f"{_mean_loss(group):.{digits}f}",
                f"against {label(other)}": str(contrast or ""),
                "verdict": contrast.verdict if contrast else "",
            }
        )
    return rows


def other_verdicts(
    runs: Runs, contenders: Sequence[Mapping[str, Any]], other: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """The contenders about which the best epoch or the test part says something else.

    Returns:
        By label what is said by which: `{"Adam linear": {"last epoch, validation": "lower", ...}}`.
    """
    told: dict[str, dict[str, str]] = {}
    for part, epoch in (LAST, BEST, TEST, BEST_TEST):
        for name, contrast in beside(runs, contenders, other, (part, epoch)).items():
            told.setdefault(name, {})[f"{epoch}, {part}"] = contrast.verdict
    return {name: by for name, by in told.items() if len({*by.values()}) > 1}


def _mean_loss(runs: Runs) -> float:
    """The geometric mean of the last losses of those that learn, as contrasts take it."""
    logarithms = _logarithms(runs, LAST)
    return float(np.exp(np.nanmean(logarithms))) if learned(runs).any() else math.inf


def log_ratios(ours: Runs, theirs: Runs, losses: Losses = LAST) -> NDArray[np.float64]:
    """Seed by seed the logarithm of one loss divided by the other, where both learn.

    Raises:
        ValueError: if the two have not the same seeds, each once.
    """
    sides = [
        dict(zip((run.settings["seed"] for run in runs), _logarithms(runs, losses), strict=True))
        for runs in (ours, theirs)
    ]
    if sides[0].keys() != sides[1].keys() or len(sides[0]) != len(ours) or len(ours) != len(theirs):
        raise ValueError(
            "paired runs must have the same seeds, each once, received "
            f"{[run.settings['seed'] for run in ours]} and "
            f"{[run.settings['seed'] for run in theirs]}"
        )
    both = np.array([value - sides[1][seed] for seed, value in sides[0].items()], np.float64)
    learning: NDArray[np.float64] = both[np.isfinite(both)]
    return learning


def _logarithms(runs: Runs, losses: Losses) -> NDArray[np.float64]:
    """The logarithm of each run's loss; NaN where it does not learn."""
    part, epoch = losses
    if part == "test" and epoch == "last epoch":
        values = runs.final("test_loss")
    else:
        rows = np.arange(len(runs))
        curves = runs.values("validation_loss")
        at = np.argmin(np.where(np.isfinite(curves), curves, np.inf), axis=1)
        at = np.full(len(runs), -1) if epoch == "last epoch" else at
        wanted = curves if part == "validation" else runs.values("test_loss_by_epoch")
        values = wanted[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithms: NDArray[np.float64] = np.where(learned(runs), np.log(values), np.nan)
    return logarithms


def learned(runs: Runs) -> NDArray[np.bool_]:
    """Which runs learn; of a regression, which has no accuracy, those whose loss is finite."""
    if all("validation_accuracy" in run.result for run in runs):
        return learns(runs)
    return np.isfinite(runs.final())


def _contrast(differences: NDArray[np.float64], decided: bool) -> Contrast:
    count = len(differences)
    if count < 2:
        alone = math.expm1(differences[0]) if count else math.nan
        return Contrast(alone, -1.0, math.inf, count, "undecided")
    mean = float(differences.mean())
    half, within = half_width(differences), half_width(differences, 0.90)
    equal = math.log1p(-MARGIN) < mean - within and mean + within < math.log1p(MARGIN)
    verdict = ("lower" if mean < 0 else "higher") if decided else "equal" if equal else "undecided"
    low, high = math.expm1(mean - half), math.expm1(mean + half)
    return Contrast(math.expm1(mean), low, high, count, verdict)


def _p_value(differences: NDArray[np.float64]) -> float:
    """Of no difference, by Student's t."""
    count = len(differences)
    if count < 2 or not (mean := float(differences.mean())):
        return 1.0
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    return 1 - share_within(mean / error, count - 1) if error else 0.0


def holm(p_values: Sequence[float]) -> list[bool]:
    """Which of several hypotheses are rejected at `ERROR` in all (Holm 1979).

    The smallest p-value is compared with the error divided by their number, the next with the error
    divided by one less, and so on to the first that is not below it.
    """
    rejected = [False] * len(p_values)
    for left, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > ERROR / (len(p_values) - left):
            break
        rejected[place] = True
    return rejected


def share_that_learns(runs: Runs) -> tuple[int, float, float]:
    """How many runs learn, and the 95 % interval of the share."""
    count = int(learned(runs).sum())
    return count, *interval_of_share(count, len(runs))


def interval_of_share(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, seen so many times of so many (Clopper and Pearson 1934)."""

    def crossed(at_least: int, wanted: float) -> float:
        """The share at which so many or more are seen with this probability."""
        low, high = 0.0, 1.0
        while (share := (low + high) / 2) not in (low, high):
            tail = sum(
                math.comb(of, k) * share**k * (1 - share) ** (of - k)
                for k in range(at_least, of + 1)
            )
            low, high = (share, high) if tail < wanted else (low, share)
        return share

    least = crossed(count, 0.025) if count else 0.0
    most = crossed(count + 1, 0.975) if count < of else 1.0
    return least, most


def sensitivity(runs: Runs, rates: Sequence[float]) -> float:
    """How much a rate that is not the best costs, on average over these rates.

    This is the mean over the rates of how far the mean loss lies above the lowest of them, no loss
    counted above that of guessing (Wortsman et al. 2023, arXiv:2309.14322, section 2.2).
    """
    by_rate = runs.by("rate")
    means = np.array([capped(by_rate[rate]).mean() for rate in rates])
    return float((means - means.min()).mean())


def percent(share: float) -> str:
    """A change in words: "-8 %", "+0.4 %" where it is below one."""
    value = 100 * share
    if not math.isfinite(value):
        return "unknown"
    digits = 1 if abs(value) < 1 else 0
    return f"{value:+.{digits}f} %" if round(value, digits) else "0 %"
