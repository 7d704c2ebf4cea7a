"""What the pages measure by: who learns, what is best, and when two contenders differ.

A number a seed is an array; a contender is a mapping of settings, or the name of a schedule alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.contenders import ARTICLE, PLAIN
from lrguide.guide.records import Runs
from lrguide.guide.settings import BUDGETS

Floats = NDArray[np.float64]
Contender = Mapping[str, Any] | str

CHANCE = math.log(10)  # the loss of guessing among ten digits


def learns(runs: Runs) -> NDArray[np.bool_]:
    """Which runs name more than a fifth of the validation images rightly after the last epoch."""
    return runs.final("validation_accuracy") > 0.2


def learning(runs: Runs, setting: str = "rate") -> list[Any]:
    """The rates at which every seed learns, in the order of the runs."""
    return [value for value, group in runs.by(setting).items() if learns(group).all()]


def learning_limit(runs: Runs) -> float:
    """The rate up to which every seed learns: from the smallest at which all do to the first gap.

    It is 0 if there is no rate at which all do.
    """
    limit, rates = 0.0, learning(runs)
    for rate in sorted(runs.by("rate")):
        if rate in rates:
            limit = float(rate)
        elif limit:
            break
    return limit


def stability_limit(runs: Runs) -> float:
    """The largest rate at which every seed ends below the loss of guessing; 0 if there is none."""
    below = (rate for rate, group in runs.by("rate").items() if (group.final() < CHANCE).all())
    return float(max(below, default=0))


def usable(runs: Runs) -> list[float]:
    """The rates at which every seed learns and the mean loss is below twice the lowest mean."""
    means = {rate: group.final().mean() for rate, group in runs.by("rate").items()}
    limit = 2 * np.nanmin(list(means.values()))
    return [rate for rate in learning(runs) if means[rate] < limit]


def capped(runs: Runs) -> Floats:
    """Validation losses at the end; whatever is worse than guessing counts as guessing."""
    losses = runs.final()
    return np.where(np.isfinite(losses), np.minimum(losses, CHANCE), CHANCE)


def regrets(runs: Runs) -> dict[float, float]:
    """What each rate costs: its mean loss minus the lowest mean of all rates, losses capped."""
    means = {rate: float(capped(group).mean()) for rate, group in runs.by("rate").items()}
    return {rate: mean - min(means.values()) for rate, mean in means.items()}


def rises(runs: Runs) -> NDArray[np.int_]:
    """After how many epochs of each run the validation loss is higher than after the one before."""
    counts: NDArray[np.int_] = (np.diff(runs.values("validation_loss")) > 0).sum(axis=1)
    return counts


def valleys(runs: Runs, setting: str = "optimizer") -> dict[str, tuple[list[float], list[Floats]]]:
    """For each value of a setting its rates and the losses there, as `plots.loss_by_rate` takes."""
    return {
        name: (list(group.by("rate")), [same.final() for same in group.by("rate").values()])
        for name, group in runs.by(setting).items()
    }


def chosen(runs: Runs, contender: Contender) -> Runs:
    """The runs of a contender, where several were trained."""
    settings = {"schedule": contender} if isinstance(contender, str) else dict(contender)
    return runs.where(**PLAIN | settings)


def budget_rows(*names: str) -> list[dict[str, str]]:
    """Rows of a table: what some budgets may use."""
    fields = {
        "training images": "training",
        "batch size": "batch",
        "epochs": "epochs",
        "steps": "steps",
        "validation images": "validation",
        "test images": "test",
    }
    return [
        {"budget": what, **{f"`{name}`": f"{getattr(BUDGETS[name], field):,}" for name in names}}
        for what, field in fields.items()
    ]


def _articles(runs: Runs, name: str) -> dict[float, tuple[float, Floats]]:
    """For each rate the article's test loss or accuracy, and ours."""
    column = ("test_loss", "test_accuracy").index(name)
    return {rate: (ARTICLE[rate][column], g.values(name)) for rate, g in runs.by("rate").items()}


def beside_article(runs: Runs, name: str) -> list[dict[str, str]]:
    """Rows of a table: the article's test loss or accuracy at each rate, and ours."""
    return [
        {
            "rate": f"`{plain(rate)}`",
            "article": f"{theirs:.4f}",
            "ours": several(ours, 4),
            "seeds": f"{len(ours)}",
            "within": "yes" if ours.min() <= theirs <= ours.max() else "no",
        }
        for rate, (theirs, ours) in _articles(runs, name).items()
    ]


def beyond_ours(runs: Runs, *names: str) -> list[float]:
    """How far the article's figures outside our range lie from the nearest seed, as parts of it."""
    return [
        float(abs(theirs / ours - 1).min())
        for name in names
        for theirs, ours in _articles(runs, name).values()
        if not ours.min() <= theirs <= ours.max()
    ]


def early_stopping(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Epochs trained, and the best of them, as `EarlyStopping` counts."""
    best, kept, waited, epoch = np.inf, 0, 0, 0
    for epoch, loss in enumerate(losses, start=1):
        waited += 1
        if loss < best:
            best, kept, waited = loss, epoch, 0
        elif waited >= patience and epoch > 1:
            break
    return epoch, kept


def moving_average(losses: Floats, memory: float = 0.98) -> Floats:
    """Exponential moving average of a sweep, each step's weights summing to 1 (debiased)."""
    index = np.arange(len(losses))
    weights = np.tril(memory ** (index[:, None] - index))
    averages: Floats = weights @ losses / weights.sum(axis=1)
    return averages


def several(values: Floats, digits: int = 3) -> str:
    """Mean and range of one number a seed: `0.151 (0.148 to 0.155)`.

    Numbers that were not finite are counted, not averaged.
    """
    finite = values[np.isfinite(values)]
    lost = len(values) - len(finite)
    text = "none finite"
    if len(finite):
        low, high = (_rounded(value, digits) for value in (finite.min(), finite.max()))
        text = f"{_rounded(finite.mean(), digits)} ({low} to {high})"
    return f"{text}, {lost} of {len(values)} not finite" if lost and len(finite) else text


def plain(rate: float) -> str:
    """A learning rate without exponent: `0.00001` rather than `1e-05`."""
    return np.format_float_positional(rate, trim="-")


def span(rates: Sequence[float]) -> str:
    """The first and the last of some rates: "`0.001` to `0.01`"."""
    return f"`{rates[0]:g}` to `{rates[-1]:g}`" if rates else "none"


def ranks(values: Sequence[float]) -> Floats:
    """Ranks from 1, the lowest first; equal values share the mean of their ranks."""
    row = np.asarray(values)
    return np.array([(row < value).sum() + ((row == value).sum() + 1) / 2 for value in row])


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's correlation: Pearson's, of the ranks."""
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def _rounded(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"
