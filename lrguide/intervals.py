"""What a few seeds tell of a mean: its 95 % interval, by Student's t."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []


def half_width(differences: NDArray[np.float64]) -> float:
    """How far the 95 % interval of a mean reaches to either side, for at least two numbers."""
    count = len(differences)
    return student(count - 1) * float(differences.std(ddof=1)) / math.sqrt(count)


@cache
def student(freedom: int) -> float:
    """The number within which 95 % of Student's t lies, for so many degrees of freedom.

    With angle = atan(t / sqrt(freedom)) the share of the distribution within t is a finite sum of
    powers of the angle's sine and cosine (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).

    Raises:
        ValueError: if freedom is below 1.

    Example:
        >>> from lrguide.intervals import student
        >>> round(student(4), 3)
        2.776
    """
    if freedom < 1:
        raise ValueError(f"freedom must be at least 1, received {freedom}")

    def share(angle: float) -> float:
        odd = freedom % 2
        term, total = math.cos(angle) if odd else 1.0, 0.0
        for power in range(odd, freedom - 1, 2):
            total += term
            term *= math.cos(angle) ** 2 * (power + 1) / (power + 2)
        total *= math.sin(angle)
        return 2 / math.pi * (angle + total) if odd else total

    low, high = 0.0, math.pi / 2
    while (angle := (low + high) / 2) not in (low, high):
        low, high = (angle, high) if share(angle) < 0.95 else (low, angle)
    return math.sqrt(freedom) * math.tan(angle)
