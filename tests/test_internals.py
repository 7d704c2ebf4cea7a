"""What Keras and TensorFlow do not promise is read in one place, and missed there if it moves."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from lrguide import internals


@pytest.mark.parametrize(
    "optimizer",
    [keras.optimizers.SGD(0.1, gradient_accumulation_steps=4), keras.optimizers.Adam(0.1)],
    ids=["accumulation", "plain"],
)
def test_the_count_of_steps_is_that_of_batches(optimizer: Any) -> None:
    weight = keras.Variable(1.0)
    for _ in range(6):
        optimizer.apply([keras.ops.ones(())], [weight])
    assert int(internals.step_count(optimizer)) == 6


def test_what_an_optimizer_holds_as_its_rate_is_the_schedule_itself() -> None:
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert internals.held_rate(keras.optimizers.SGD(schedule)) is schedule


@pytest.mark.parametrize(
    "read, moved",
    [
        (lambda: internals.step_count(SimpleNamespace(variables=[])), "the count of steps"),
        (lambda: internals.held_rate(SimpleNamespace(rate=0.1)), "an optimizer's schedule"),
    ],
)
def test_what_has_moved_is_said_in_a_sentence_with_the_version(read: Any, moved: str) -> None:
    with pytest.raises(RuntimeError, match=f"needs {moved}.* which Keras {keras.__version__} has"):
        read()


def test_a_callback_is_put_first_by_the_list_of_callbacks_and_by_nothing_else() -> None:
    class First(keras.callbacks.Callback):
        def set_model(self, model: Any) -> None:
            super().set_model(model)
            internals.put_first(self)

    others, first = [keras.callbacks.Callback() for _ in range(3)], First()
    first.set_model(keras.Sequential())
    listed = keras.callbacks.CallbackList([*others, first], model=keras.Sequential())
    assert listed.callbacks == [first, *others]
    assert all(each.model is not None for each in listed.callbacks)


def test_a_model_that_was_not_compiled_computes_nothing() -> None:
    assert internals.values_of_step(keras.Sequential(), np.array([0])) == []
