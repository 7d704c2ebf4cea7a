"""`check` is right for runs of ten steps and of a billion, of any schedule of Keras and lrguide."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from keras import ops
from keras.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

from lrguide import composing, cyclical, schedules
from lrguide.checks import check
from lrguide.course import course_of

LENGTHS = [10, 1_000, 50_000, 10**7, 10**9]


def names(schedule: Any, steps: int) -> set[str]:
    return {finding.name for finding in check(schedule, steps_per_epoch=steps // 10, epochs=10)}


def warmed(steps: int) -> LearningRateSchedule:
    rise = max(1, steps // 10)
    return CosineDecay(0.01, steps - rise, warmup_target=0.1, warmup_steps=rise)


def halves(steps: int) -> tuple[int, int]:
    return steps // 2, steps - steps // 2


def restarts(steps: int) -> LearningRateSchedule:
    """A third of the steps, then a cycle twice as long."""
    return CosineDecayRestarts(0.1, max(1, steps // 3))


# A schedule made for so many steps, and what is wrong with it in a run twice as long, as long and
# half as long.
MADE_FOR: dict[str, tuple[Callable[[int], Any], str, str, str]] = {
    "CosineDecay": (lambda n: CosineDecay(0.1, n), "end", "", "end"),
    "CosineDecay above 0": (lambda n: CosineDecay(0.1, n, alpha=0.1), "end", "", "end"),
    "CosineDecay with warmup": (warmed, "end", "", "end"),
    "PolynomialDecay": (lambda n: PolynomialDecay(0.1, n, 0.001, power=2.0), "end", "", "end"),
    "PolynomialDecay of power 8": (lambda n: PolynomialDecay(0.1, n, 0.001, 8.0), "end", "", "end"),
    "PolynomialDecay that rises": (lambda n: PolynomialDecay(1e-5, n), *["rising"] * 3),
    "PolynomialDecay in cycles": (
        lambda n: PolynomialDecay(0.1, n, cycle=True),
        "",
        "",
        "mid-cycle",
    ),
    "ExponentialDecay": (lambda n: ExponentialDecay(0.1, n, 0.5), "", "", ""),
    "ExponentialDecay in stairs": (
        lambda n: ExponentialDecay(0.1, n, 0.5, staircase=True),
        "",
        "",
        "boundary",
    ),
    "InverseTimeDecay": (lambda n: InverseTimeDecay(0.1, n, 0.5), "", "", ""),
    "PiecewiseConstantDecay": (
        lambda n: PiecewiseConstantDecay([n // 2], [0.1, 0.01]),
        "",
        "",
        "boundary",
    ),
    "CosineDecayRestarts": (
        lambda n: CosineDecayRestarts(0.1, n, t_mul=1.0),
        "",
        "",
        "mid-cycle",
    ),
    "CosineDecayRestarts that grow": (restarts, "mid-cycle", "", "mid-cycle"),
    "constant": (lambda n: schedules.constant(0.1), "", "", ""),
    "linear": (lambda n: schedules.linear(0.1, n), "end", "", "end"),
    "cosine": (lambda n: schedules.cosine(0.1, n), "end", "", "end"),
    "exponential": (lambda n: schedules.exponential(0.1, n, decay_rate=0.1), "", "", ""),
    "step_decay": (
        lambda n: schedules.step_decay(0.1, n, decay_rate=0.5),
        "",
        "",
        "boundary",
    ),
    "inverse_time": (lambda n: schedules.inverse_time(0.1, n, decay_rate=1.0), "", "", ""),
    "compounding_time": (
        lambda n: schedules.compounding_time(0.1, 0.1, epochs=10, steps_per_epoch=n // 10),
        "end",
        "",
        "end",
    ),
    "piecewise": (lambda n: schedules.piecewise([0.1, 0.01], [n // 2]), "", "", "boundary"),
    "warmup": (lambda n: schedules.warmup(0.1, n // 2), "", "", "boundary"),
    "warmup and fall": (
        lambda n: schedules.warmup(schedules.linear(0.1, n - n // 5), n // 5),
        "end",
        "",
        "end",
    ),
    "warmup of restarts": (
        lambda n: schedules.warmup(CosineDecayRestarts(0.1, n - n // 5, t_mul=1.0), n // 5),
        "mid-cycle",
        "",
        "mid-cycle",
    ),
    "join": (
        lambda n: schedules.join([0.1, schedules.linear(0.1, n - n // 2)], [n // 2]),
        "end",
        "",
        "boundary",
    ),
    "join of rates": (lambda n: schedules.join([0.1, 0.01], [n // 2]), "", "", "boundary"),
    "warmup_stable_decay": (
        lambda n: schedules.warmup_stable_decay(0.1, (n // 5, n // 5, n - 2 * (n // 5))),
        "end",
        "",
        "end",
    ),
    "per_epoch": (
        lambda n: schedules.per_epoch(schedules.linear(0.1, 10), n // 10),
        "end",
        "",
        "end",
    ),
    "triangular": (lambda n: cyclical.triangular(0.01, 0.1, halves(n)), "", "", "boundary"),
    "triangular2": (lambda n: cyclical.triangular2(0.01, 0.1, halves(n)), "", "", "boundary"),
    "exp_range": (
        lambda n: cyclical.exp_range(0.01, 0.1, halves(n), gamma=0.5 ** (1 / n)),
        "",
        "",
        "boundary",
    ),
    "one_cycle": (lambda n: cyclical.one_cycle(0.1, n), "end", "", "end"),
    "polynomial": (lambda n: schedules.polynomial(0.1, n, power=2.0), "end", "", "end"),
    "inverse_sqrt": (lambda n: schedules.inverse_sqrt(0.1, max(1, n // 10)), "", "", ""),
    "restarts": (lambda n: cyclical.restarts(0.1, n, t_mul=1.0), "", "", "mid-cycle"),
}


@pytest.mark.parametrize("name", MADE_FOR)
def test_a_schedule_that_is_too_short_or_too_long_is_found_at_any_length(name: str) -> None:
    make, *expected = MADE_FOR[name]
    in_tenths = name in ("compounding_time", "per_epoch", "warmup of restarts")
    found = {
        (steps, made): names(make(made), steps)
        for steps in LENGTHS
        for made in (steps // 2, steps, 2 * steps)
        if not (in_tenths and made < 10)
    }
    right = {
        (steps, made): {each} - {""}
        for steps in LENGTHS
        for made, each in zip((steps // 2, steps, 2 * steps), expected, strict=True)
        if (steps, made) in found
    }
    assert found == right


def test_the_table_has_every_schedule_of_keras_and_lrguide() -> None:
    modules = (schedules, composing, cyclical)
    ours = {name for module in modules for name in module.__all__ if name.islower()}
    keras_own = {name for name in dir(keras.optimizers.schedules) if name[0].isupper()}
    words = {name.split(" ")[0] for name in MADE_FOR} | {"LearningRateSchedule"}
    assert ours | keras_own == words


lengths = some.integers(1, 9).flatmap(lambda digits: some.integers(10**digits, 10 ** (digits + 1)))


@settings(deadline=None, max_examples=25)
@given(
    made=lengths,
    steps=lengths,
    make=some.sampled_from(
        [
            lambda n: CosineDecay(0.1, n),
            lambda n: CosineDecay(0.1, n, alpha=0.5),
            lambda n: PolynomialDecay(0.1, n, 0.0, power=3.0),
            lambda n: schedules.linear(0.1, n, 0.01),
            lambda n: cyclical.one_cycle(0.1, n, pct_start=0.3),
        ]
    ),
)
def test_a_fall_ends_with_the_run_or_is_found(made: int, steps: int, make: Any) -> None:
    slack = max(1, steps // 1000)
    schedule = make(made)
    assume(not hasattr(schedule, "pct_start") or made >= 10)
    findings = check(schedule, steps_per_epoch=steps, epochs=1)
    if steps - 1 - made > slack:
        assert [(f.name, f.step) for f in findings] == [("end", made)]
    elif made > steps + steps // 1000:
        assert [(f.name, f.step) for f in findings] == [("end", steps - 1)]
    else:
        assert findings == ()


@settings(deadline=None, max_examples=25)
@given(cycle=lengths, cycles=some.floats(0.05, 30.0))
def test_restarts_end_with_the_run_or_are_found(cycle: int, cycles: float) -> None:
    steps = max(10, round(cycle * cycles))
    since = (steps - 1) % cycle
    until = cycle - since
    height = (1 + math.cos(math.pi * since / cycle)) / 2
    # Where it is close, float32 decides.
    assume(not 0.009 < height < 0.011)
    near = min(since, until) / (steps / 1000 + 1)
    assume(not 0.5 < near < 2.5)
    assume(steps > cycle / 2 or steps > 100)
    schedule = CosineDecayRestarts(0.1, cycle, t_mul=1.0)
    expected = ["mid-cycle"] if height > 0.01 and near > 1 else []
    assert [f.name for f in check(schedule, steps_per_epoch=steps, epochs=1)] == expected


@settings(deadline=None, max_examples=25)
@given(steps=lengths, boundary=lengths, data=some.data())
def test_a_change_that_comes_in_time_or_never_is_told_apart(
    steps: int, boundary: int, data: some.DataObject
) -> None:
    """The schedule is the user's own, so `check` can learn nothing from its attributes."""
    schedule = Change(boundary)
    found = check(schedule, steps_per_epoch=steps, epochs=1)
    if steps + steps // 1000 < boundary < 4 * steps:
        assert [(f.name, f.step) for f in found] == [("boundary", boundary)]
    elif boundary <= steps:
        assert found == ()


class Change(LearningRateSchedule):
    """Two rates."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, step: Any) -> Any:
        return ops.where(step < self.at, 0.1, 0.01)

    def get_config(self) -> dict[str, Any]:
        return {"at": self.at}


@pytest.mark.parametrize(
    "schedule, step",
    [
        (schedules.cosine(0.1, 50_000), 50_000),
        (CosineDecay(0.1, 10_000_000), 10_000_000),
        (schedules.per_epoch(schedules.linear(0.1, 7), 1_000_000), 7_000_000),
        (schedules.warmup_stable_decay(0.1, (10, 123_456, 10_000)), 133_466),
    ],
)
def test_the_step_of_an_early_end_is_exact(schedule: Any, step: int) -> None:
    (finding,) = check(schedule, steps_per_epoch=2 * step, epochs=2)
    assert (finding.name, finding.step) == ("end", step)


@pytest.mark.parametrize("steps", [10**5, 10**9, 10**15, 2**61])
def test_however_long_the_run_about_as_many_steps_are_evaluated(steps: int) -> None:
    course = course_of(CosineDecay(0.1, steps), 0, steps - 1, [])
    assert 50_000 < len(course.steps) < 110_000
    assert course.steps[-1] > 4 * steps - 1 or course.steps[-1] == 2**62
    assert (np.diff(course.steps) > 0).all()


def test_a_constant_rate_fits_a_run_of_any_length() -> None:
    assert check(0.1, steps_per_epoch=10**9, epochs=10**6) == ()
    assert check(schedules.constant(0.1), steps_per_epoch=10**9, epochs=10**6) == ()
