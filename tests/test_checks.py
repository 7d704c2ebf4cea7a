"""What `check` finds, and what it is silent about."""

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any, get_args

import keras
import numpy as np
import pytest
from checking import BATCHES, OneStepAtATime, Own, compiled, fit, names
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

from lrguide import checks, cyclical, findings, rate_logger, schedules
from lrguide.checks import check
from lrguide.findings import Name


class Unclamped(Own):
    """The half cosine as it is often written, without an end."""

    decay_steps = 500

    def __call__(self, step: Any) -> Any:
        return 0.1 * (1 + ops.cos(np.pi * ops.cast(step, "float32") / self.decay_steps)) / 2


class Comparing(Own):
    """Compares Keras' whole numbers with a float, which TensorFlow refuses."""

    def __call__(self, step: Any) -> Any:
        import tensorflow as tf

        return tf.where(step < tf.constant(10.0), 0.1, 0.01)


class Returning(Own):
    """Returns something that may be no rate."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, step: Any) -> Any:
        return self.value


class Unsaved(LearningRateSchedule):
    """Fits, but has no `get_config`."""

    def __call__(self, step: Any) -> Any:
        return 0.1 / ops.cast(step + 1, "float32")


class PythonIf(Own):
    def __call__(self, step: Any) -> Any:
        return 0.1 if step < 500 else 0.01


# A misfit, what it is called, and the same schedule made to fit: of 1000 steps, 100 an epoch.
MISFITS: dict[str, tuple[Any, str, Any]] = {
    "boundary after the run": (
        PiecewiseConstantDecay([500, 1500], [0.1, 0.01, 0.001]),
        "boundary",
        PiecewiseConstantDecay([500, 800], [0.1, 0.01, 0.001]),
    ),
    "boundary at the last step, and Keras is one later": (
        PiecewiseConstantDecay([999], [0.1, 0.01]),
        "boundary",
        PiecewiseConstantDecay([998], [0.1, 0.01]),
    ),
    "boundaries out of order": (
        PiecewiseConstantDecay([800, 500], [0.1, 0.01, 0.001]),
        "boundary",
        PiecewiseConstantDecay([500, 800], [0.1, 0.01, 0.001]),
    ),
    "boundaries in epochs times too many steps": (
        schedules.piecewise([0.1, 0.01], epochs=[5], steps_per_epoch=300),
        "boundary",
        schedules.piecewise([0.1, 0.01], epochs=[5], steps_per_epoch=100),
    ),
    "joint after the run": (
        schedules.join([0.1, schedules.linear(0.1, 500)], [2000]),
        "boundary",
        schedules.join([0.1, schedules.linear(0.1, 500)], [500]),
    ),
    "a first stair that never comes": (
        ExponentialDecay(0.1, 1200, 0.5, staircase=True),
        "boundary",
        ExponentialDecay(0.1, 300, 0.5, staircase=True),
    ),
    "warmup longer than the run": (
        schedules.warmup(0.1, 2000),
        "boundary",
        schedules.warmup(0.1, 100),
    ),
    "warmup that Keras ignores": (
        CosineDecay(0.01, 900, warmup_steps=100),
        "boundary",
        CosineDecay(0.01, 900, warmup_target=0.1, warmup_steps=100),
    ),
    "first peak of a cycle after the run": (
        cyclical.triangular(0.01, 0.1, step_size=1500),
        "boundary",
        cyclical.triangular(0.01, 0.1, step_size=250),
    ),
    "first peak after the run, in epochs": (
        schedules.per_epoch(cyclical.triangular(0.01, 0.1, step_size=20), 100),
        "boundary",
        schedules.per_epoch(cyclical.triangular(0.01, 0.1, step_size=5), 100),
    ),
    "end long before the last step": (CosineDecay(0.1, 400), "end", CosineDecay(0.1, 1000)),
    "end three steps before": (schedules.linear(0.1, 997), "end", schedules.linear(0.1, 999)),
    "end before, in stairs": (
        schedules.per_epoch(schedules.linear(0.1, 6), 100),
        "end",
        schedules.per_epoch(schedules.linear(0.1, 10), 100),
    ),
    "end before, of the user's own": (OneStepAtATime(600), "end", OneStepAtATime(1000)),
    "end long after the last step": (CosineDecay(0.1, 2700), "end", CosineDecay(0.1, 1000)),
    "end after, one step at a time": (OneStepAtATime(2700), "end", OneStepAtATime(1000)),
    "end of 1cycle after": (cyclical.one_cycle(0.1, 2000), "end", cyclical.one_cycle(0.1, 1000)),
    "warmup not counted in": (
        CosineDecay(0.01, 1000, warmup_target=0.1, warmup_steps=100),
        "end",
        CosineDecay(0.01, 900, warmup_target=0.1, warmup_steps=100),
    ),
    "rise after the end": (Unclamped(), "rising", CosineDecay(0.1, 1000)),
    "end rate above the first": (
        PolynomialDecay(1e-5, 1000),
        "rising",
        PolynomialDecay(1e-5, 1000, end_learning_rate=0.0),
    ),
    "first rate of 0": (
        schedules.warmup(schedules.linear(0.1, 900), 100, start_factor=0.0),
        "zero",
        schedules.warmup(schedules.linear(0.1, 900), 100),
    ),
    "constant rate of 0": (0.0, "zero", 0.1),
    "rate below 0": (PolynomialDecay(0.1, 1000, end_learning_rate=-0.1), "not a rate", 0.1),
    "rate that is not a number": (Returning(float("nan")), "not a rate", Returning(0.1)),
    "rate that is nothing": (Returning(None), "not a rate", Returning(np.float32(0.1))),
    "rate that is a text": (Returning("0.1"), "not a rate", Returning(0.1)),
    "several rates": (Returning(np.array([0.1, 0.2])), "not a rate", Returning(np.array(0.1))),
    "restarts that the run cuts": (
        CosineDecayRestarts(0.1, 10),
        "mid-cycle",
        CosineDecayRestarts(0.1, 200, t_mul=1.0),
    ),
    "restarts within a warmup that the run cuts": (
        schedules.warmup(CosineDecayRestarts(0.1, 100), 100),
        "mid-cycle",
        schedules.warmup(CosineDecayRestarts(0.1, 100), 300),
    ),
    "a first cycle longer than all that is looked at": (
        CosineDecayRestarts(0.1, 100_000),
        "mid-cycle",
        CosineDecayRestarts(0.1, 1000),
    ),
    "a triangle cut at its peak": (
        schedules.join([0.1, cyclical.triangular(0.01, 0.05, step_size=100)], [300]),
        "mid-cycle",
        schedules.join([0.1, cyclical.triangular(0.01, 0.05, step_size=100)], [400]),
    ),
    "a triangle cut while it rises": (
        cyclical.triangular(0.01, 0.1, step_size=(130, 20)),
        "mid-cycle",
        cyclical.triangular(0.01, 0.1, step_size=(180, 20)),
    ),
    "a cycle of polynomials cut": (
        PolynomialDecay(0.1, 300, cycle=True),
        "mid-cycle",
        PolynomialDecay(0.1, 250, cycle=True),
    ),
    "last epoch at 0": (
        schedules.per_epoch(schedules.linear(0.1, 9), 100),
        "end",
        schedules.per_epoch(schedules.linear(0.1, 9, 0.01), 100),
    ),
    "integer rate": (1, "integer", 1.0),
    "integer that truncates": (
        ExponentialDecay(1, 100, 0.96),
        "integer",
        ExponentialDecay(1.0, 100, 0.96),
    ),
    "integer among floats": (
        PiecewiseConstantDecay([500], [1, 0.1]),
        "integer",
        PiecewiseConstantDecay([500], [1.0, 0.1]),
    ),
    "Python's if on the step": (
        PythonIf(),
        "compiling",
        PiecewiseConstantDecay([500], [0.1, 0.01]),
    ),
    "a step that is compared with a float": (Comparing(), "compiling", OneStepAtATime(1000)),
    "no config": (Unsaved(), "saving", InverseTimeDecay(0.1, 1, 1.0)),
    "no config within": (
        schedules.join([0.1, Unsaved()], [500]),
        "saving",
        schedules.join([0.1, InverseTimeDecay(0.1, 1, 1.0)], [500]),
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_misfit_is_found_and_a_fitting_schedule_is_silent(misfit: str) -> None:
    schedule, name, fitting = MISFITS[misfit]
    assert set(names(schedule, steps_per_epoch=100, epochs=10)) == {name}
    assert check(fitting, steps_per_epoch=100, epochs=10) == ()


@pytest.mark.parametrize(
    "schedule",
    [
        0.1,
        InverseTimeDecay(0.1, 100, 0.5),
        ExponentialDecay(0.1, 100, 0.9),
        ExponentialDecay(0.1, 10_000, 0.9),
        CosineDecayRestarts(0.1, 100, m_mul=0.1),
        PolynomialDecay(0.1, 100, cycle=True),
        PolynomialDecay(0.1, 1000, power=2.0, end_learning_rate=0.001),
        CosineDecay(0.1, 1000, alpha=0.01),
        schedules.step_decay(0.1, 250, decay_rate=0.5),
        schedules.constant(0.1),
        schedules.compounding_time(0.1, 0.1, epochs=10, steps_per_epoch=100),
        schedules.warmup_stable_decay(0.1, (100, 500, 400)),
        schedules.join([schedules.linear(0.1, 500), schedules.linear(0.05, 500)], [500]),
        schedules.join(
            [schedules.linear(0.1, 400), cyclical.triangular(0.01, 0.05, step_size=100)], [400]
        ),
        schedules.join([schedules.linear(0.1, 500, 0.01), 0.01], [500]),
        schedules.join([0.1, 0.05, 0.01], [300, 400]),
        schedules.join([0.1, 0.05, 0.02, 0.01, 0.005, 0.001], [10, 100, 110, 300, 310]),
        schedules.piecewise([0.1, 0.05, 0.02, 0.01, 0.005, 0.001], [100, 200, 300, 400, 500]),
        CosineDecay(0.01, 100, warmup_target=0.1, warmup_steps=900),
        cyclical.triangular2(0.01, 0.1, step_size=(50, 100)),
        cyclical.exp_range(0.01, 0.1, step_size=100, gamma=0.999),
        cyclical.one_cycle(0.1, 1000, anneal="linear", three_phase=True),
    ],
)
def test_schedules_that_fit_or_have_no_end_are_silent(schedule: Any) -> None:
    assert check(schedule, steps_per_epoch=100, epochs=10) == ()


def test_a_finding_says_where_and_how_to_mend() -> None:
    (finding,) = check(CosineDecay(0.1, 400), steps_per_epoch=100, epochs=10)
    assert (finding.step, finding.epoch) == (400, 4)
    assert str(finding) == (
        "end: the rate stays at 0 from step 400 (epoch 4) on, for 60 % of the run. "
        "Give the schedule 1000 steps."
    )


def test_a_decay_that_takes_epochs_for_steps_is_told_so():
    [finding] = check(schedules.step_decay(0.1, 3, decay_rate=0.5), steps_per_epoch=20, epochs=10)
    assert str(finding) == (
        "end: the rate is below a millionth of its highest from step 60 (epoch 3) on, for 70 % of "
        "the run. Give steps, not epochs or samples: epochs * steps_per_epoch."
    )


@pytest.mark.parametrize(
    "schedule, name",
    [
        (ExponentialDecay(-0.1, 100, 0.5), "not a rate"),
        (CosineDecay(0.1, 500, alpha=1e-7), "end"),
        (PiecewiseConstantDecay([500], [0.1, 1e-8]), None),
        (PolynomialDecay(0.1, 1000, end_learning_rate=0.0, power=8), None),
        (schedules.exponential(0.1, 1000, decay_rate=1e-8), None),
        (cyclical.exp_range(1e-9, 0.1, 50, gamma=0.97), None),
    ],
)
def test_a_small_rate_that_is_meant_is_not_taken_for_epochs(schedule, name):
    found = check(schedule, steps_per_epoch=100, epochs=10)
    assert [finding.name for finding in found] == ([name] if name else [])
    assert "millionth" not in str(found)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"schedule": "cosine"}, TypeError, "schedule must be a Keras schedule or a finite number"),
        ({"schedule": True}, TypeError, "from 0 on, received True"),
        ({"schedule": np.True_}, TypeError, "from 0 on, received True"),
        ({"schedule": np.array([0.1])}, TypeError, "from 0 on, received ndarray of shape"),
        ({"schedule": float("nan")}, ValueError, "from 0 on, received nan"),
        ({"schedule": np.float32("inf")}, ValueError, "from 0 on, received inf"),
        ({"schedule": -0.1}, ValueError, "from 0 on, received -0.1"),
        ({"schedule": 10**400}, ValueError, "from 0 on, received 1000"),
        ({"epochs": 10**18}, ValueError, r"steps_per_epoch \* epochs must be at most 2 \*\* 61"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be a whole number above 0"),
        ({"steps_per_epoch": 2.5}, TypeError, "steps_per_epoch must be a whole number above 0"),
        ({"epochs": -1}, ValueError, "epochs must be a whole number above 0, received -1"),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be a Keras optimizer, received 'sgd'"),
        ({"model": "cnn"}, TypeError, "model must be a Keras model, received 'cnn'"),
        ({"model": keras.Sequential()}, ValueError, "model must be compiled"),
        (
            {
                "model": compiled(keras.optimizers.SGD(0.1)),
                "optimizer": keras.optimizers.SGD(0.1),
            },
            ValueError,
            "give the model or its optimizer",
        ),
        (
            {
                "optimizer": keras.optimizers.MultiOptimizer(
                    keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
                )
            },
            TypeError,
            "optimizer must have one learning rate",
        ),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    good = {"schedule": 0.1, "steps_per_epoch": 100, "epochs": 10}
    with pytest.raises(error, match=words):
        check(**{**good, **arguments})


# Every finding that `check` lists is one that the code can give, and has a case.


def with_optimizer(schedule: Any, optimizer: Any, **change: Any) -> list[str]:
    model = compiled(optimizer)
    fit(model)
    for name, value in change.items():
        setattr(optimizer, name, value)
    return names(schedule, steps_per_epoch=BATCHES, epochs=1, model=model)


CASES: dict[str, Callable[[], list[str]]] = {
    name: lambda schedule=schedule: names(schedule, steps_per_epoch=100, epochs=10)  # type: ignore[misc]
    for schedule, name, _ in MISFITS.values()
} | {
    "accumulation": lambda: names(
        CosineDecay(0.1, 250),
        steps_per_epoch=100,
        epochs=10,
        optimizer=keras.optimizers.SGD(CosineDecay(0.1, 250), gradient_accumulation_steps=4),
    ),
    "resumed": lambda: with_optimizer(0.1, keras.optimizers.SGD(0.1)),
    "other rate": lambda: with_optimizer(0.2, keras.optimizers.SGD(0.1)),
    "reassigned": lambda: with_optimizer(
        NEW, keras.optimizers.SGD(CosineDecay(0.1, 8)), learning_rate=NEW
    ),
    "momentum": lambda: with_optimizer(0.1, keras.optimizers.SGD(0.1, momentum=0.9), momentum=0.8),
}
NEW = PolynomialDecay(0.1, 8, end_learning_rate=0.0)


def listed(where: Any) -> set[str]:
    return set(re.findall(r'^ *- "([a-z -]+)":', inspect.getdoc(where) or "", re.MULTILINE))


def given(module: Any) -> set[str]:
    """The names that stand first in what makes a finding."""
    calls = [
        each
        for each in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(each, ast.Call)
    ]
    made = [
        each
        for each in calls
        if ast.unparse(each.func).split(".")[-1] in ("Finding", "finding", "_note")
    ]
    return {each.args[0].value for each in made if isinstance(each.args[0], ast.Constant)}


def test_the_findings_that_are_listed_those_given_and_those_tested_are_the_same() -> None:
    assert listed(check) == given(checks) | given(findings) == set(CASES)
    assert listed(rate_logger.LearningRateLogger) == given(rate_logger)
    assert {*listed(check), *listed(rate_logger.LearningRateLogger)} == set(get_args(Name))


@pytest.mark.parametrize("name", CASES)
def test_each_finding_is_given(name: str) -> None:
    assert name in CASES[name]()
