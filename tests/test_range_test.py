"""The range test: what it records, that it leaves no trace, what it suggests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras.src.backend.common import global_state
from tensorflow.python.eager import context

from lrguide.range_test import lr_range_test, state_digest

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 6)).astype("float32")
Y = (X @ GENERATOR.normal(size=(6, 1)) + 0.1 * GENERATOR.normal(size=(40, 1))).astype("float32")
LABELS = (Y[:, 0] > 0).astype("int32")
BRIEF = dict(min_rate=1e-4, max_rate=0.1, steps=7, seeds=[0, 1], verbose=0)


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


def recurrent() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(8, 6, 1)),
            layers.LSTM(3, stateful=True, dropout=0.2),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.RMSprop(), "mse")
    return model


def mixed() -> keras.Model:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return small(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 50)))
    finally:
        keras.config.set_dtype_policy(policy)


def frozen() -> keras.Model:
    model = small(keras.optimizers.AdamW())
    model.layers[0].trainable = False
    model.compile(keras.optimizers.AdamW(), "mse")
    return model


def mirrored() -> keras.Model:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        return small(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5)))


def momentum(**options: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.05, momentum=0.9, **options)


CASES: dict[str, tuple[Callable[[], keras.Model], Callable[[], dict[str, Any]]]] = {
    "momentum": (lambda: small(momentum(nesterov=True)), arrays),
    "schedule": (
        lambda: small(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 50))),
        arrays,
    ),
    "rate that is a function": (lambda: small(keras.optimizers.Adagrad(lambda: 0.03)), arrays),
    "schedule-free": (lambda: small(keras.optimizers.ScheduleFreeAdamW(warmup_steps=3)), arrays),
    "tf.data": (small, lambda: dict(x=tf.data.Dataset.from_tensor_slices((X, Y)).batch(16))),
    "PyDataset": (small, lambda: dict(x=Batches())),
    "PyDataset with workers": (small, lambda: dict(x=Batches(workers=2))),
    "generator": (
        small,
        lambda: dict(x=((X[i : i + 9], Y[i : i + 9]) for i in range(25)), seeds=[0], epochs=1),
    ),
    "sample weights, several inputs and outputs": (
        several,
        lambda: dict(x={"a": X, "b": X}, y={"u": Y, "v": LABELS}, sample_weight=np.abs(Y[:, 0])),
    ),
    "class weights": (classifier, lambda: dict(x=X, y=LABELS, class_weight={0: 1.0, 1: 3.0})),
    "mixed precision": (mixed, arrays),
    "gradient accumulation": (
        lambda: small(momentum(gradient_accumulation_steps=2, use_ema=True)),
        arrays,
    ),
    "moving average": (
        lambda: small(momentum(use_ema=True, ema_overwrite_frequency=3, weight_decay=0.1)),
        arrays,
    ),
    "steps_per_execution": (lambda: small(momentum(), steps_per_execution=3), arrays),
    "eager": (lambda: small("adamax", run_eagerly=True), arrays),
    "stateful recurrence": (recurrent, lambda: dict(x=X[..., None], y=Y, batch_size=8)),
    "frozen layers": (frozen, arrays),
    "own train_step": (unusual, arrays),
    "strategy": (mirrored, arrays),
    "not built": (lambda: small(momentum(), built=False), arrays),
    "not built, generator": (
        lambda: small(momentum(), built=False),
        lambda: dict(x=((X[i : i + 9], Y[i : i + 9]) for i in range(25)), seeds=[0], epochs=1),
    ),
}


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


def options(case: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the range test and of fit."""
    given = CASES[case][1]()
    fit = {"epochs": 2, "verbose": 0, **given}
    fit.pop("seeds", None)
    given.pop("epochs", None)
    return {**BRIEF, **given}, fit


def made(case: str, trained: bool) -> keras.Model:
    keras.utils.set_random_seed(5)
    model = CASES[case][0]()
    if trained:
        model.fit(**options(case)[1])
    return model


quiet = pytest.mark.filterwarnings(
    "ignore:.*shuffle=True. was passed:UserWarning",
    "ignore:Your input ran out of data:UserWarning",
    "ignore:Model doesn't support:UserWarning",
)


@quiet
@pytest.mark.parametrize(
    ("case", "trained"),
    [*((case, False) for case in CASES), *((case, True) for case in CASES)],
)
def test_nothing_changes_and_later_training_equals_that_of_a_twin(case, trained):
    tested, twin = made(case, trained), None
    before, digest = surroundings(tested), state_digest(tested)
    lr_range_test(tested, **options(case)[0])
    if "not built" not in case or trained:
        assert differences(before, surroundings(tested)) == []
        assert state_digest(tested) == digest
    tested.fit(**options(case)[1])
    after = surroundings(tested)
    twin = made(case, trained)
    twin.fit(**options(case)[1])
    expected = surroundings(twin)
    for own in ("rate", "functions", "Keras' seed"):
        del expected[own]
    assert differences(expected, after) == []
