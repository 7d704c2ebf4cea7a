"""A rate and a second setting, such as a weight decay: what ways of choosing both are worth."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.benchmark import limited
from lrguide.guide.problems import Problem
from lrguide.guide.records import Runs

Floats = NDArray[np.float64]
Pair = tuple[int, int]

# A way to choose, from the losses of one seed by rate and by value of the second setting.
Way = Callable[[Floats], Pair]


def losses(problem: Problem, runs: Runs, setting: str) -> Floats:
    """Validation losses at the end, of shape (rates, values of the setting, seeds)."""
    own = runs.where(**problem.settings)
    return np.array(
        [
            [limited(group.final(), problem.guess) for group in same.by(setting).values()]
            for same in own.by("rate").values()
        ]
    )


def rate_at(column: int) -> Way:
    """The rate with the lowest loss at one value of the second setting."""
    return lambda seen: (int(seen[:, column].argmin()), column)


def then_the_other(column: int) -> Way:
    """That rate, and then the value of the second setting with the lowest loss at it."""

    def way(seen: Floats) -> Pair:
        row = int(seen[:, column].argmin())
        return row, int(seen[row].argmin())

    return way


def both(seen: Floats) -> Pair:
    """The pair with the lowest loss of all."""
    row, column = np.unravel_index(seen.argmin(), seen.shape)
    return int(row), int(column)


def costs(losses: Floats, way: Way) -> Floats:
    """By seed: the loss at the pair that it chooses / the lowest, both the mean of the others."""
    found = []
    for seed in range(losses.shape[2]):
        others = np.delete(losses, seed, axis=2).mean(axis=2)
        found.append(others[way(losses[:, :, seed])] / others.min())
    return np.array(found)
