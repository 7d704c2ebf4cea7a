"""The rates of a schedule at many steps, and where they change."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule

from lrguide.checks import rates_at


class PythonIf(LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1 if step < 500 else 0.01


class Branching(LearningRateSchedule):
    """Takes one step at a time, and answers with a Python number in one of its branches."""

    def __call__(self, step: Any) -> Any:
        return ops.cond(step < 9, lambda: ops.cast(step, "float32") / 90, lambda: 0.1)


@pytest.mark.parametrize(
    "schedule",
    [CosineDecay(0.01, 50, warmup_target=0.1, warmup_steps=9), PythonIf(), Branching(), 0.1],
)
def test_rates_at_many_steps_are_those_of_one_step_at_a_time(schedule: Any) -> None:
    steps = [0, 1, 8, 9, 10, 58, 59, 60, 499, 500]
    each = [schedule if schedule == 0.1 else float(schedule(step)) for step in steps]
    np.testing.assert_allclose(rates_at(schedule, steps), each, rtol=1e-5)


@pytest.mark.parametrize(
    "steps, error, words",
    [
        ([0.5], TypeError, "steps must be whole numbers"),
        ([-1], ValueError, "from 0 on, received"),
        (np.array([2**63], "uint64"), ValueError, "from 0 on, received"),
        (3, ValueError, "steps must be a row of whole numbers"),
        ([[0, 1], [2, 3]], ValueError, "steps must be a row of whole numbers"),
        ([[0, 1], [2]], TypeError, r"steps must be whole numbers, received \[\[0, 1\], \[2\]\]"),
        (keras.Input((2,)), TypeError, "steps must be whole numbers, received KerasTensor"),
        (["0"], TypeError, r"steps must be whole numbers, received \['0'\]"),
        ([None], TypeError, "steps must be whole numbers"),
        ([1j], TypeError, "steps must be whole numbers"),
        ({0}, TypeError, "steps must be whole numbers"),
    ],
)
def test_steps_that_are_none_are_refused(steps: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rates_at(0.1, steps)
