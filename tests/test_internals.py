"""What is not public in Keras and TensorFlow: where it has moved, a sentence says so."""

from __future__ import annotations

import types
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.random import seed_generator
from small_models import BRIEF, arrays, linear
from tensorflow.python.eager import context

from lrguide import internals
from lrguide.range_test import lr_range_test


def renamed(thing: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for a version in which the name has changed."""
    value = vars(thing)[name]
    monkeypatch.delattr(thing, name)
    monkeypatch.setattr(thing, f"{name}_renamed", value, raising=False)


@tf.function
def function() -> None:
    """Never called."""


GRAPHLESS = types.SimpleNamespace(graph=types.SimpleNamespace())


def called_from_elsewhere() -> None:
    """A training function of Keras that holds nothing in its closure."""


called_from_elsewhere.__module__ = "keras.src.trainers"


def training_with(compiled: Any) -> Any:
    """A model whose training function calls this one."""
    return types.SimpleNamespace(train_function=lambda: compiled())


MOVED = {
    "Optimizer._learning_rate of keras": lambda patch: internals.rate_or_schedule(
        types.SimpleNamespace(_rate=0.1)
    ),
    "the first of Optimizer.variables, which is named iteration, of keras": lambda patch: (
        internals.step_count(types.SimpleNamespace(variables=[]))
    ),
    "Optimizer._get_variable_index of keras": lambda patch: internals.variable_index(
        types.SimpleNamespace(), keras.Variable(1.0)
    ),
    "Variable._value of keras": lambda patch: internals.variable_value(
        types.SimpleNamespace(_held=0.1)
    ),
    "Model._flatten_layers of keras": lambda patch: internals.flattened_layers(
        types.SimpleNamespace(layers=[])
    ),
    "the closure of Model.train_function of keras": lambda patch: internals.values_of_step(
        types.SimpleNamespace(train_function=called_from_elsewhere), np.array([0])
    ),
    "tf.function's _list_all_concrete_functions of tensorflow": lambda patch: (
        patch.delattr(type(function), "_list_all_concrete_functions"),
        internals.values_of_step(training_with(function), np.array([0])),
    ),
    "FuncGraph._functions of tensorflow": lambda patch: (
        patch.setattr(type(function), "_list_all_concrete_functions", lambda _: [GRAPHLESS]),
        internals.values_of_step(training_with(function), np.array([0])),
    ),
    "Model._initial_epoch of keras": lambda patch: internals.forget_initial_epoch(
        types.SimpleNamespace(_epoch=0)
    ),
    "Functional._outputs_struct of keras": lambda patch: internals.outputs_of(object()),
    "Model._compile_loss of keras": lambda patch: internals.finds_each_target(object(), None),
    "global_seed_generator of keras": lambda patch: (
        renamed(seed_generator, "global_seed_generator", patch),
        internals.set_keras_generator(keras.random.SeedGenerator(1)),
    ),
    "the eager context's _seed of tensorflow": lambda patch: (
        renamed(context.context(), "_seed", patch),
        internals.seed_tensorflow(1, 2),
    ),
    "tf.function's _function_cache of tensorflow": lambda patch: (
        renamed(function, "_function_cache", patch),
        internals.traces(function),
    ),
    "TrackableDataStructure of tensorflow": lambda patch: (
        patch.delattr(tf.__internal__.tracking, "TrackableDataStructure"),
        internals.data_structures(),
    ),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_name_that_has_moved_is_told_with_the_version(name, monkeypatch):
    package = {"keras": keras, "tensorflow": tf}[name.rpartition(" ")[2]]
    with pytest.raises(NotImplementedError) as caught:
        MOVED[name](monkeypatch)
    assert str(caught.value) == (
        f"lrguide relies on {name}, which {package.__name__} {package.__version__} has moved or "
        "changed: install a version that lrguide was tested with"
    )


@pytest.mark.parametrize("name", ["_seed", "_rng"])
def test_a_seed_that_no_operation_reads_is_noticed(name, monkeypatch):
    """The names are there, but TensorFlow draws from elsewhere: sweeps would go on unseeded."""
    tf.random.set_seed(3)
    elsewhere = types.SimpleNamespace(**vars(context.context()))
    monkeypatch.setattr(context.Context, "_internal_operation_seed", lambda self: 5)
    if name == "_seed":
        monkeypatch.undo()
        monkeypatch.setattr(context, "global_seed", lambda: elsewhere._seed)
    with pytest.raises(NotImplementedError, match="the eager context's _seed and _rng"):
        internals.seed_tensorflow(1, 2)


def test_a_training_function_that_fit_does_not_call_is_noticed(monkeypatch):
    model = linear(run_eagerly=True)
    monkeypatch.setattr(type(model), "fit", lambda self, **_: None)
    with pytest.raises(NotImplementedError, match=r"relies on Model\.train_function of keras"):
        lr_range_test(model, **arrays(), **BRIEF)


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


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_compiled_step_is_found_where_another_function_is_wrapped_around_it(wrapped):
    @tf.function
    def step(count: Any) -> Any:
        return 0.5 * tf.cast(count.read_value(), "float32")

    count = tf.Variable(0, dtype="int64")
    step(count)
    model = training_with((lambda *given: step(*given)) if wrapped else step)
    (values,) = internals.values_of_step(model, np.array([3, 4]))
    assert values[:, -1].tolist() == [1.5, 2.0]


def test_a_model_that_was_not_compiled_computes_nothing() -> None:
    assert internals.values_of_step(keras.Sequential(), np.array([0])) == []
