"""What a few seeds tell of a mean: its 95 % interval, by Student's t."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []


def half_width(differences: NDArray[np.float64], share: float = 0.95) -> float:
    """How far the interval of a mean reaches to either side, for at least two numbers."""
    count = len(differences)
    return student(count - 1, share) * float(differences.std(ddof=1)) / math.sqrt(count)


@cache
def student(freedom: int, share: float = 0.95) -> float:
    """The number within which this share of Student's t lies, for so many degrees of freedom.

    Raises:
        ValueError: if freedom is below 1, or the share is not between 0 and 1.

    Example:
        >>> from lrguide.intervals import student
        >>> round(student(4), 3)
        2.776
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, received {share}")
    low, high = 0.0, math.pi / 2
    while (angle := (low + high) / 2) not in (low, high):
        low, high = (angle, high) if _share(angle, freedom) < share else (low, angle)
    return math.sqrt(freedom) * math.tan(angle)


def share_within(t: float, freedom: int) -> float:
    """The share of Student's t that lies between -t and t: one minus the two-sided p-value.

    Raises:
        ValueError: if freedom is below 1.

    Example:
        >>> from lrguide.intervals import share_within
        >>> round(share_within(2.776, 4), 3)
        0.95
    """
    return _share(math.atan(abs(t) / math.sqrt(max(freedom, 1))), freedom)


def _share(angle: float, freedom: int) -> float:
    """With angle = atan(t / sqrt(freedom)), the share of the distribution within t.

    It is a finite sum of powers of the angle's sine and cosine (Abramowitz and Stegun 1964, 26.7.3
    and 26.7.4).
    """
    if freedom < 1:
        raise ValueError(f"freedom must be at least 1, received {freedom}")
    odd = freedom % 2
    term, total = math.cos(angle) if odd else 1.0, 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (power + 1) / (power + 2)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
