"""Which models the range test runs, and what of each kind it finds, puts back and digests."""

from __future__ import annotations

import collections
import functools
import random
import threading
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import SHORT, X, Y, dense, second_optimizer, stepping

from lrguide.model_state import state_digest
from lrguide.range_test import lr_range_test

# Containers of layers.


class Chain(keras.Model):
    """Layers in a container, called one after the other."""

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self.blocks = blocks

    def call(self, x: Any) -> Any:
        todo = [self.blocks]
        while todo:
            found = todo.pop(0)
            if isinstance(found, keras.Layer):
                x = found(x)
            else:
                todo[:0] = found.values() if isinstance(found, dict) else found
        return x


Pair = collections.namedtuple("Pair", "first second")
CONTAINERS: dict[str, Callable[[Any, Any], Any]] = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "set in a tuple": lambda a, b: ({a}, {b}),
    "dict": lambda a, b: {"a": a, "b": b},
    "ordered dict": lambda a, b: collections.OrderedDict(a=a, b=b),
    "defaultdict": lambda a, b: collections.defaultdict(list, a=a, b=b),
    "named tuple": Pair,
    "nested": lambda a, b: {"a": ([a],), "b": [{"c": (b,)}]},
    "a layer twice": lambda a, b: (a, a, b),
    "models in a tuple": lambda a, b: (
        keras.Sequential([keras.Input((6,)), a]),
        keras.Sequential([b]),
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_layers_may_lie_in_any_container_that_keras_knows(container):
    keras.utils.set_random_seed(5)
    model = Chain(CONTAINERS[container](layers.Dense(6), layers.Dense(1)))
    model.compile("adam", "mse", run_eagerly=True)
    digest = state_digest(model)
    assert np.isfinite(lr_range_test(model, X, Y, **SHORT).losses).all()
    assert state_digest(model) == digest
    model(X)
    digest, weights = state_digest(model), model.get_weights()
    lr_range_test(model, X, Y, **SHORT)
    assert state_digest(model) == digest
    assert all(map(np.array_equal, weights, model.get_weights()))


# What a step changes elsewhere. Each: how to hold it, what a step does to it, how to read it.


class Helper:
    """A plain object with a variable, a number and a list of its own."""

    def __init__(self) -> None:
        self.variable, self.number, self.seen, self.me = tf.Variable(1.0), 0, [], self

    def act(self) -> None:
        self.variable.assign_add(1.0)
        self.number += 1
        self.seen.append(self.number)

    def read(self) -> Any:
        return float(self.variable.numpy()), self.number, [*self.seen]


class Slotted:
    __slots__ = ("__hidden", "number")

    def __init__(self) -> None:
        self.number = self.__hidden = 0

    def act(self) -> None:
        self.number += 1
        self.__hidden += 1

    def read(self) -> Any:
        return self.number, self.__hidden


class Module(tf.Module):
    """TensorFlow wraps these containers."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.row, self.pair = {"a": tf.Variable(1.0)}, [tf.Variable(1.0)], (Helper(),)

    def act(self) -> None:
        self.table["a"].assign_add(1.0)
        self.row[0].assign_add(1.0)
        self.row.append(1)
        self.pair[0].act()

    def read(self) -> Any:
        values = float(self.table["a"].numpy()), float(self.row[0].numpy())
        return *values, len(self.row), self.pair[0].read()


class Weighted(keras.losses.Loss):
    def __init__(self) -> None:
        super().__init__()
        self.weights = {"a": (tf.Variable(1.0), keras.Variable(1.0))}

    def call(self, y: Any, prediction: Any) -> Any:
        for weight in self.weights["a"]:
            weight.assign(weight * 1.1)
        return tf.reduce_mean((y - prediction) ** 2) * self.weights["a"][0]

    def read(self) -> Any:
        return [float(weight.numpy()) for weight in self.weights["a"]]


class Counting(keras.metrics.Metric):
    def __init__(self) -> None:
        super().__init__()
        self.batches = [tf.Variable(0.0)]

    def update_state(self, y: Any, prediction: Any, sample_weight: Any = None) -> None:
        self.batches[0].assign_add(1.0)

    def reset_state(self) -> None:
        pass

    def result(self) -> Any:
        return self.batches[0] * 1.0


class Constraint(keras.constraints.Constraint):
    def __init__(self) -> None:
        self.calls = tf.Variable(0.0)

    def __call__(self, w: Any) -> Any:
        self.calls.assign_add(1.0)
        return w * (1 - 0.01 * self.calls)


class Regularizer(keras.regularizers.Regularizer):
    def __init__(self) -> None:
        self.calls = tf.Variable(0.0)

    def __call__(self, x: Any) -> Any:
        self.calls.assign_add(1.0)
        return 0.01 * self.calls * tf.reduce_sum(x**2)


class Remembering(keras.optimizers.SGD):
    def __init__(self) -> None:
        super().__init__(0.01)
        self.calls = {"a": (tf.Variable(0.0),)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.calls["a"][0].assign_add(1.0)
        super().update_step(gradient, variable, learning_rate)


def held(value: Any, act: Callable[[Any], Any], read: Callable[[Any], Any], **options: Any) -> Any:
    """A model that holds a value, acts on it in each step; and what to read of it."""
    model = stepping(lambda model: act(model.held), **options, held=value)
    return model, lambda: read(model.held)


def part(model: Any, get: Callable[[Any], Any]) -> Any:
    return model, lambda: float(get(model).numpy())


def helped(helper: Any, **options: Any) -> Any:
    return held(helper, lambda helper: helper.act(), lambda helper: helper.read(), **options)


def with_loss(loss: Any, weighted: Weighted) -> Any:
    return dense(loss=loss), weighted.read


def by_method() -> Any:
    weighted = Weighted()
    return with_loss(weighted.call, weighted)


def by_partial() -> Any:
    weighted = Weighted()
    return with_loss(functools.partial(lambda loss, *y: loss.call(*y), weighted), weighted)


def by_loss() -> Any:
    weighted = Weighted()
    return with_loss([weighted], weighted)


def by_metric() -> Any:
    metric = Counting()
    return dense(metrics=[[metric, "mae"]]), lambda: float(metric.batches[0].numpy())


def in_each_other() -> Any:
    one, other = Helper(), Helper()
    one.other, other.other = other, one
    return held(one, lambda one: one.other.act(), lambda one: one.other.read())


HOLDERS: dict[str, Callable[[], Any]] = {
    "list": lambda: held([1], lambda seen: seen.append(1), list),
    "dict": lambda: held({}, lambda seen: seen.update({len(seen): 1}), dict),
    "ordered dict": lambda: held(
        collections.OrderedDict(a=1, b=2), lambda seen: seen.move_to_end("a"), list
    ),
    "counter": lambda: held(
        collections.Counter("a"), lambda seen: seen.update({"a": seen["a"] + 1}), dict
    ),
    "defaultdict in a list": lambda: held(
        [collections.defaultdict(list)], lambda seen: seen[0].setdefault("a", []).append(1), repr
    ),
    "set": lambda: held({0}, lambda seen: seen.add(len(seen)), set),
    "deque": lambda: held(
        collections.deque([1, 2], 2), lambda seen: seen.append(len(seen) + seen[-1]), list
    ),
    "array": lambda: held(np.zeros(3), lambda array: array.__iadd__(1), np.copy),
    "NumPy's generator": lambda: held(
        np.random.default_rng(1), lambda g: g.normal(), lambda g: g.bit_generator.state["state"]
    ),
    "NumPy's old generator": lambda: held(
        np.random.RandomState(1), lambda g: g.normal(), lambda g: g.get_state()[1:]
    ),
    "Python's generator": lambda: held(
        random.Random(1), lambda g: g.random(), lambda g: g.getstate()
    ),
    "TensorFlow's generator, in a tuple": lambda: held(
        (tf.random.Generator.from_seed(1),), lambda g: g[0].normal(()), lambda g: g[0].state.numpy()
    ),
    "namespace": lambda: held(
        types.SimpleNamespace(n=0), lambda space: setattr(space, "n", space.n + 1), lambda s: s.n
    ),
    "helper": lambda: helped(Helper()),
    "helper of a model not built": lambda: helped(Helper(), built=False),
    "helper of a compiled step": lambda: part(
        stepping(lambda model: model.held.variable.assign_add(1.0), eager=False, held=Helper()),
        lambda model: model.held.variable,
    ),
    "helper with slots": lambda: helped(Slotted()),
    "helpers that hold each other": in_each_other,
    "module": lambda: helped(Module()),
    "moving average": lambda: held(
        (tf.train.ExponentialMovingAverage(0.9), tf.Variable(1.0)),
        lambda pair: (pair[1].assign_add(1.0), pair[0].apply([pair[1]])),
        lambda pair: (float(pair[1].numpy()), pair[0].average(pair[1])),
    ),
    "optimizer in a dict": second_optimizer,
    "loss": by_loss,
    "method of a loss": by_method,
    "partial function of a loss": by_partial,
    "metric": by_metric,
    "constraint": lambda: part(
        dense(kernel_constraint=Constraint()), lambda m: m.layers[0].kernel_constraint.calls
    ),
    "regularizer": lambda: part(
        dense(kernel_regularizer=Regularizer()), lambda m: m.layers[0].kernel_regularizer.calls
    ),
    "optimizer's own": lambda: part(
        dense(Remembering()), lambda model: model.optimizer.calls["a"][0]
    ),
    "scaled optimizer's own": lambda: part(
        dense(keras.optimizers.LossScaleOptimizer(Remembering())),
        lambda model: model.optimizer.inner_optimizer.calls["a"][0],
    ),
    "TensorFlow's global generator": lambda: (
        stepping(lambda model: tf.random.get_global_generator().normal(())),
        lambda: tf.random.get_global_generator().state.numpy(),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Only the rate of model.optimizer:UserWarning")
@pytest.mark.parametrize("holder", HOLDERS)
def test_what_a_step_changes_is_put_back_and_digested(holder):
    model, read = HOLDERS[holder]()
    before, digest = read(), state_digest(model)
    first = lr_range_test(model, X, Y, **SHORT)
    np.testing.assert_equal(read(), before)
    assert state_digest(model) == digest
    assert np.array_equal(first.losses, lr_range_test(model, X, Y, **SHORT).losses)
    model.train_on_batch(X, Y)
    with pytest.raises(AssertionError):
        np.testing.assert_equal(read(), before)
    for variable, value in zip(model.variables, model.get_weights(), strict=False):
        variable.assign(value)
    assert state_digest(model) != digest


def test_each_sweep_of_an_eager_model_begins_with_the_same_python_state():
    begun = []

    def act(model: Any) -> None:
        begun.append(model.calls)
        model.calls += 1

    lr_range_test(stepping(act, calls=0), X, Y, **SHORT)
    assert begun == [0, 1, 0, 1]


@pytest.mark.parametrize("value", [threading.Lock(), iter([1]), tf.data.Dataset.range(3)])
def test_what_has_a_life_of_its_own_is_left_alone(value):
    model = stepping(lambda model: None, held=value, log=types.SimpleNamespace(n=1))
    digest = state_digest(model)
    lr_range_test(model, X, Y, **SHORT)
    assert model.held is value and state_digest(model) == digest
    model.held = None
    assert state_digest(model) != digest


class Compiled(keras.Model):
    """Its step is a `tf.function` of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)

    @tf.function
    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.dense(x) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


def test_a_step_that_compiles_itself_goes_on_with_the_models_own_variables():
    model = Compiled()
    model.compile("adam")
    digest = state_digest(model)
    lr_range_test(model, X, Y, **SHORT)
    assert state_digest(model) == digest and model.weights == []
    model.fit(X, Y, verbose=0)
    assert model.optimizer.built and len(model.optimizer.variables) == 6
