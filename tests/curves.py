"""Curves of a range test whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrguide.range_test import RangeTestResult

RATES = np.geomspace(1e-6, 10, 211)


def sloping(shift: float = 0.0) -> Any:
    """Falls from 2 at a rate of 1e-4 to 0.5 at 1e-1, straight over log(rate), and rises again."""
    log = np.log10(RATES) - shift
    return np.interp(log, [-4, -1, 2], [2.0, 0.5, 2.0])


def falling_from_the_first_step() -> Any:
    return np.interp(np.log10(RATES), [-6, -1, 2], [2.0, 0.5, 2.0])


def falling() -> Any:
    """Falls fastest at a rate of 1e-3 and is lowest near 1e-1."""
    log = np.log10(RATES)
    return 2 - 1.5 / (1 + np.exp(-3 * (log + 3))) + np.where(log > -1, 20 * (log + 1) ** 2, 0)


def result_of(*rows: Any, **more: Any) -> RangeTestResult:
    return RangeTestResult(RATES[: len(rows[0])], np.array(rows), tuple(range(len(rows))), **more)


FLAT = np.full(len(RATES), 2.0)
NOISE = 2 + np.random.default_rng(0).normal(size=len(RATES))
# It rises within the first tenth of the steps, whose median is where a fall would start from.
LOWEST_FIRST = np.minimum(3.0, 1 + np.arange(len(RATES)) / 5)
