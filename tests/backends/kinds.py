"""Kinds of models and data as users have them, made anew, for whatever backend Keras has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

BACKEND = keras.backend.backend()
NUMBERS = np.random.default_rng(1)
X = NUMBERS.normal(size=(64, 6)).astype("float32")
Y = (2 * X[:, :1] + 1).astype("float32")
LABELS = (X[:, 0] > 0).astype("int32")


@dataclass(frozen=True)
class Kind:
    """How a model is made, and what it is trained on."""

    make: Callable[[], keras.Model]
    x: Any = field(default_factory=lambda: X)
    y: Any = field(default_factory=lambda: Y)
    options: Mapping[str, Any] = field(default_factory=dict)
    refused_by: Mapping[str, str] = field(default_factory=dict)  # by backend: why Keras cannot
    fits_once_on: str = ""  # the backend on which Keras' own second fit fails


def dense(optimizer: Any = "adam", loss: Any = "mse", *more: Any, built: bool = True, **compiled):
    """Dropout, batch normalisation and a metric: everything that has a state of its own."""
    net = [
        *([keras.Input((6,))] if built else []),
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        *more,
        layers.Dropout(0.3),
        layers.Dense(1),
    ]
    model = keras.Sequential(net)
    model.compile(optimizer, loss, metrics=["mae"], **compiled)
    return model


class Scale(layers.Layer):
    """Not registered for saving."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor


class Own(keras.Model):
    """Its layers are built by the first batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(4), layers.Dense(1)

    def call(self, x, training=False):
        return self.second(self.first(x))


class Argued(keras.Model):
    """Cannot be copied through its config."""

    def __init__(self, width, activation):
        super().__init__()
        self.first, self.second = layers.Dense(width), layers.Dense(1)
        self.activation, self.calls = activation, []

    def call(self, x):
        return self.second(self.activation(self.first(x)))


class Counting(keras.Sequential):
    """A training step of its own, which counts its calls in Python."""

    calls = 0

    def train_step(self, *arguments):
        self.calls += 1
        return super().train_step(*arguments)


class Error(keras.losses.Loss):
    """An unregistered loss with an attribute."""

    def __init__(self):
        super().__init__()
        self.power = 2

    def call(self, wanted, given):
        return ops.mean((wanted - given) ** self.power, -1)


class Largest(keras.metrics.Metric):
    """An unregistered metric whose first value is not zero."""

    def __init__(self):
        super().__init__(name="largest")
        self.largest = self.add_weight(initializer=keras.initializers.Constant(-1.0))

    def update_state(self, wanted, given, sample_weight=None):
        self.largest.assign(ops.maximum(self.largest, ops.max(ops.cast(given, "float32"))))

    def reset_state(self):
        self.largest.assign(-1.0)

    def result(self):
        return ops.convert_to_tensor(self.largest)


class Batches(keras.utils.PyDataset):
    """Ragged batches."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(24 * index, 24 * index + 24)
        return X[part], Y[part]


def own_loss(wanted, given):
    return ops.mean((wanted - given) ** 2, -1)


def mixed(policy: str) -> keras.Model:
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return dense(keras.optimizers.Adam(0.01))
    finally:
        keras.config.set_dtype_policy(kept)


def several() -> keras.Model:
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    joined = layers.Dropout(0.2)(layers.Concatenate()([a, b]))
    outputs = {"u": layers.Dense(1, name="u")(joined), "v": layers.Dense(2, name="v")(joined)}
    model = keras.Model({"a": a, "b": b}, outputs)
    losses = {"u": "mse", "v": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile("adam", losses, metrics={"u": ["mae"]})
    return model


def recurrent() -> keras.Model:
    lstm = layers.LSTM(3, stateful=True, dropout=0.2)
    model = keras.Sequential([keras.Input(batch_shape=(16, 6, 1)), lstm, layers.Dense(1)])
    model.compile("rmsprop", "mse")
    return model


def compiled(model: keras.Model, optimizer: Any = "adam") -> keras.Model:
    model.compile(optimizer, "mse")
    return model


def classifier() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2, activation="softmax")])
    model.compile("nadam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model


def frozen() -> keras.Model:
    base = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.BatchNormalization()])
    base.trainable = False
    return compiled(keras.Sequential([base, layers.Dense(1)]))


def regularised() -> keras.Model:
    hidden = layers.Dense(5, kernel_regularizer="l2", activity_regularizer="l1")
    norm = layers.UnitNormalization()
    return compiled(keras.Sequential([keras.Input((6,)), hidden, norm, layers.Dense(1)]))


def shared() -> keras.Model:
    a, layer = keras.Input((6,)), layers.Dense(6, kernel_constraint="max_norm")
    return compiled(keras.Model(a, layers.Dense(1)(layer(layer(a)))))


def noisy() -> keras.Model:
    noise = [
        layers.GaussianNoise(0.1, seed=3),
        layers.GaussianDropout(0.1),
        layers.AlphaDropout(0.1),
    ]
    return compiled(keras.Sequential([keras.Input((6,)), *noise, layers.Dense(1)]), "lion")


def torch_modules() -> keras.Model:
    import torch

    inner = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout())
    wrapped = layers.TorchModuleWrapper(inner)
    return compiled(keras.Sequential([keras.Input((6,)), wrapped, layers.Dense(1)]))


optimizers, schedules = keras.optimizers, keras.optimizers.schedules
ONE_STEP = {"torch": "Keras takes no steps_per_execution there"}
COMPILING = {"torch": "torch.compile needs a C++ compiler and minutes"}

KINDS: dict[str, Kind] = {
    "Adam": Kind(dense),
    "SGD, momentum, cosine": Kind(
        lambda: dense(optimizers.SGD(schedules.CosineDecay(0.05, 99), momentum=0.9))
    ),
    "rate as a function": Kind(lambda: dense(optimizers.SGD(lambda: 0.01))),
    "gradient accumulation": Kind(
        lambda: dense(optimizers.Adam(1e-3, gradient_accumulation_steps=2))
    ),
    "EMA of the weights": Kind(
        lambda: dense(optimizers.Adam(1e-3, use_ema=True, ema_overwrite_frequency=3)),
        fits_once_on="jax",
    ),
    "clipnorm, weight decay": Kind(lambda: dense(optimizers.AdamW(1e-3, clipnorm=1.0))),
    "ScheduleFreeAdamW": Kind(lambda: dense(optimizers.ScheduleFreeAdamW(1e-3))),
    "mixed_float16": Kind(lambda: mixed("mixed_float16")),
    "mixed_bfloat16": Kind(lambda: mixed("mixed_bfloat16")),
    "several inputs, outputs": Kind(several, {"a": X, "b": X}, {"u": Y, "v": LABELS}),
    "stateful LSTM": Kind(
        recurrent, X[:, :, None], refused_by={"torch": "Keras' own fit fails there"}
    ),
    "own loss function": Kind(lambda: dense("adam", own_loss)),
    "lambda as loss": Kind(lambda: dense("adam", lambda a, b: ops.mean((a - b) ** 2, -1))),
    "own loss and metric classes": Kind(
        lambda: dense("adam", Error(), weighted_metrics=[Largest()])
    ),
    "unregistered layer": Kind(lambda: dense("adam", "mse", Scale())),
    "Lambda layer": Kind(lambda: dense("adam", "mse", layers.Lambda(lambda x: 2 * x))),
    "subclassed": Kind(lambda: compiled(Own())),
    "subclassed, no get_config": Kind(lambda: compiled(Argued(4, lambda x: ops.tanh(x)))),
    "own train_step": Kind(
        lambda: compiled(Counting([keras.Input((6,)), layers.Dropout(0.2), layers.Dense(1)]))
    ),
    "frozen base": Kind(frozen),
    "regularisers": Kind(regularised),
    "shared layer, constraint": Kind(shared),
    "noise layers": Kind(noisy),
    "not built": Kind(lambda: dense(built=False)),
    "steps_per_execution": Kind(
        lambda: dense(steps_per_execution=1 if BACKEND == "torch" else 4), refused_by=ONE_STEP
    ),
    "run_eagerly": Kind(lambda: dense(run_eagerly=True)),
    "jit_compile": Kind(
        lambda: dense(jit_compile=BACKEND != "torch"), refused_by=COMPILING
    ),
    "PyDataset": Kind(dense, Batches(), None),
    "sample weights": Kind(dense, options={"sample_weight": np.linspace(0.1, 1, 64)}),
    "class weights": Kind(classifier, X, LABELS, {"class_weight": {0: 1.0, 1: 2.0}}),
    "torch.nn modules": Kind(
        torch_modules if BACKEND == "torch" else dense,
        refused_by=dict.fromkeys(("tensorflow", "jax"), "they are PyTorch's own"),
    ),
}  # fmt: skip


NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def table() -> str:
    """What the tests expect of each kind on each backend, in Markdown."""
    rows = [["Kind of model or data", *NAMES.values()]]
    for name, kind in KINDS.items():
        cells = [kind.refused_by.get(backend, "nothing left") for backend in NAMES]
        for place, backend in enumerate(NAMES):
            if backend == kind.fits_once_on:
                cells[place] += "; Keras' own second `fit` fails"
        rows.append([name, *cells])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- | --- | --- | --- |", *lines[1:]])
