"""Small models and data that several files train, and what they hold read by other code."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras.src.backend.common import global_state
from tensorflow.python.eager import context

from lrguide import (
    confirmation,
    finder,
    fit_arguments,
    model_state,
    pilots,
    range_test,
    rules,
    swept_fit,
    traceless,
)

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 6)).astype("float32")
Y = (X @ GENERATOR.normal(size=(6, 1)) + 0.1 * GENERATOR.normal(size=(40, 1))).astype("float32")
LABELS = (Y[:, 0] > 0).astype("int32")
BRIEF = dict(min_rate=1e-4, max_rate=0.1, steps=7, seeds=[0, 1], verbose=0)

# For tests that see the seed in the order of the data; `make nightly` meets such a Keras.
order_of_seed = pytest.mark.xfail(
    keras.__version__.startswith("3.16"),
    reason="Keras 3.16 shuffles by the number of the epoch alone, whatever the seed",
)


def small(optimizer: Any = "sgd", built: bool = True, **compiled: Any) -> keras.Model:
    """Dropout, batch normalisation and a metric: everything that has a state of its own."""
    model = keras.Sequential(
        [
            *([keras.Input((6,))] if built else []),
            layers.Dense(5, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"], **compiled)
    return model


def arrays() -> dict[str, Any]:
    return dict(x=X, y=Y, batch_size=16)


class Batches(keras.utils.PyDataset):
    """Ragged batches in order; shuffled by `fit`."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        part = slice(16 * index, 16 * index + 16)
        return X[part], Y[part]


class Unusual(keras.Model):
    """Own train_step, second optimizer, TensorFlow's variables and random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(4), layers.Dense(1)
        self.count, self.counts, self.calls = tf.Variable(0), [tf.Variable(0.0)], 0
        self.numbers = tf.random.Generator.from_seed(1)
        self.other = keras.optimizers.Adam()

    def call(self, x: Any, training: bool = False) -> Any:
        hidden = self.first(x)
        if training:
            hidden += tf.random.normal(tf.shape(hidden)) + self.numbers.normal(tf.shape(hidden))
            hidden += keras.random.normal((4,))
        return self.second(hidden)

    def train_step(self, data: Any) -> Any:
        x, y = data
        self.calls += 1
        self.count.assign_add(1)
        self.counts[0].assign_add(2.0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((y - self(x, training=True)) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients[:2], self.trainable_variables[:2])
        self.other.apply(gradients[2:], self.trainable_variables[2:])
        return {"loss": loss}


def unusual() -> keras.Model:
    model = Unusual()
    model(X)
    model.compile("sgd")
    model.optimizer.build(model.trainable_variables[:2])
    model.other.build(model.trainable_variables[2:])
    return model


def several() -> keras.Model:
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    joined = layers.Dropout(0.2)(layers.Concatenate()([a, b]))
    outputs = {"u": layers.Dense(1, name="u")(joined), "v": layers.Dense(2, name="v")(joined)}
    model = keras.Model({"a": a, "b": b}, outputs)
    losses = {"u": "mse", "v": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile("adam", losses, loss_weights={"u": 0.5, "v": 2.0}, metrics={"u": ["mae"]})
    return model


def classifier() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2, activation="softmax")])
    model.compile("nadam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model


def momentum(**options: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.05, momentum=0.9, **options)


def linear(optimizer: Any = "sgd", **compiled: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    model.set_weights([np.full((6, 1), 0.5), np.zeros(1)])
    return model


def uncompiled() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1)])


def by_hand(rates: Any, each: int = 1, validation: bool = False) -> list[float]:
    """Losses of `linear` under SGD on batches of 16, 16 and 8 samples, over and over."""
    x, y = X.astype(float), Y.astype(float)
    w, b, losses, batch = np.full((6, 1), 0.5), np.zeros(1), [], 0
    for rate in rates:
        seen, steps = [], []
        for _ in range(each):
            part = slice(16 * (batch % 3), 16 * (batch % 3) + 16)
            error = x[part] @ w + b - y[part]
            seen.append(np.mean(error**2))
            steps.append((2 * x[part].T @ error / len(error), 2 * error.mean(axis=0)))
            batch += 1
        w = w - rate * np.mean([step[0] for step in steps], axis=0)
        b = b - rate * np.mean([step[1] for step in steps], axis=0)
        losses.append(np.mean((x[:20] @ w + b - y[:20]) ** 2) if validation else np.mean(seen))
    return losses


def surroundings(model: keras.Model) -> dict[str, Any]:
    """All that must be the same again, read independently of the code under test."""
    found = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    for value in vars(model).values():
        if isinstance(value, tf.Variable):
            found.append(value)
        if isinstance(value, keras.Optimizer):
            found += value.variables
        if isinstance(value, tf.random.Generator):
            found.append(value.state)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    eager = context.context()
    return {
        "variables": [np.array(v.numpy()) for v in found],
        "rate": inner._learning_rate,
        "functions": (model.train_function, model.test_function),
        "steps_per_execution": model.steps_per_execution,
        "optimizer": sorted(vars(inner)),
        "built": (inner.built, len(inner._tracker.stored_ids["variables"])),
        "attributes": sorted(vars(model)),
        "calls": getattr(model, "calls", 0),
        "Python's random state": random.getstate(),
        "NumPy's random state": np.random.get_state()[1:],
        "TensorFlow's random state": (eager._seed, eager._rng.getstate()),
        "Keras' seed": global_state.get_global_attribute("global_seed_generator"),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    return bool(a == b)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if not same(before[name], after[name])]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(range_test.__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
    )


def plant(old: str, new: str, tests: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a line of the sources, and give what is made of them to a module of tests."""
    # In this order each module imports only those before it.
    modules = (
        fit_arguments,
        model_state,
        swept_fit,
        traceless,
        rules,
        confirmation,
        range_test,
        pilots,
        finder,
    )
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
    assert sum(source.count(old) for source in sources) == 1
    for module, source in zip(modules, sources, strict=True):
        faulty = types.ModuleType(module.__name__)
        faulty.__package__ = module.__package__
        monkeypatch.setitem(sys.modules, faulty.__name__, faulty)
        exec(compile(source.replace(old, new), "faulty", "exec"), faulty.__dict__)
        for name in module.__all__:
            monkeypatch.setitem(tests, name, getattr(faulty, name))


# A sweep that is soon over.
SHORT = dict(min_rate=1e-4, max_rate=0.1, steps=2, seeds=[0, 1], batch_size=16, verbose=0)


class Stepping(keras.Model):
    """A linear model whose training step first does something to it."""

    def __init__(self, act: Callable[[Any], Any], **held: Any) -> None:
        super().__init__()
        self.dense, self.act = layers.Dense(1), act
        for name, value in held.items():
            setattr(self, name, value)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def train_step(self, data: Any) -> Any:
        self.act(self)
        return super().train_step(data)


def stepping(act: Callable[[Any], Any], eager: bool = True, built: bool = True, **held: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = Stepping(act, **held)
    if built:
        model(X)
    model.compile("adam", "mse", run_eagerly=eager)
    return model


def dense(optimizer: Any = "adam", loss: Any = "mse", metrics: Any = None, **options: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, **options)])
    model.compile(optimizer, loss, metrics=metrics, run_eagerly=True)
    return model


def apply_second(model: Any) -> None:
    variables = model.dense.trainable_variables
    model.held["a"].apply([v * 0.1 for v in variables], variables)


def second_optimizer() -> Any:
    model = stepping(apply_second, held={"a": keras.optimizers.SGD(0.01, momentum=0.9)})
    return model, lambda: (len(model.held["a"].variables), int(model.held["a"].iterations))
