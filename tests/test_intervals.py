"""Intervals of a mean, against those of SciPy."""

import numpy as np
import pytest
from scipy import stats

from lrguide.intervals import half_width, student


@pytest.mark.parametrize("freedom", [*range(1, 41), 99, 1000])
def test_students_t_is_that_of_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_students_t_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="freedom must be at least 1, received 0"):
        student(0)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_the_interval_of_a_mean_is_that_of_scipy(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    low, high = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2, rel=1e-9)
