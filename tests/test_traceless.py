"""What trains for the range test: along the rates it is given, and leaving no trace.

It is asked through `lr_range_test`, which stands on it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tracemalloc
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
from refusals import sentence, without_a_row
from tensorflow.python.eager import context

from lrguide import confirmation, fit_arguments, model_state, range_test, rules, traceless
from lrguide.model_state import state_digest
from lrguide.range_test import lr_range_test

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
    "eager": (lambda: small(momentum(), run_eagerly=True), arrays),
    "eager schedule": (
        lambda: linear(
            keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 50)), run_eagerly=True
        ),
        arrays,
    ),
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
    "ignore:Only the rate of model.optimizer:UserWarning",
)


def nothing_changes(case: str, trained: bool) -> keras.Model:
    model = made(case, trained)
    before, digest = surroundings(model), state_digest(model)
    lr_range_test(model, **options(case)[0])
    assert differences(before, surroundings(model)) == []
    assert state_digest(model) == digest
    return model


# Leaves no trace.


# Cases with a twin, and whether both were trained before; without, it is as in the test below.
TWINS = {
    "momentum": True,
    "schedule": False,
    "mixed precision": True,
    "steps_per_execution": True,
    "stateful recurrence": False,
    "own train_step": True,
    "not built": False,
}


@quiet
@pytest.mark.parametrize("case", [case for case in CASES if TWINS.get(case, True)])
def test_nothing_changes(case):
    nothing_changes(case, trained=False)


@quiet
@pytest.mark.parametrize(("case", "trained"), TWINS.items())
def test_later_training_equals_that_of_a_twin_that_never_saw_the_test(case, trained):
    tested = nothing_changes(case, trained)
    tested.fit(**options(case)[1])
    after = surroundings(tested)
    twin = made(case, trained)
    twin.fit(**options(case)[1])
    expected = surroundings(twin)
    for own in ("rate", "functions", "Keras' seed"):
        del expected[own]
    assert differences(expected, after) == []


class Stopping(keras.Model):
    """A linear model whose third training step does something."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__()
        self.dense, self.action, self.calls = layers.Dense(1), action, 0
        self(X)
        self.compile(momentum(), "mse", metrics=["mae"], run_eagerly=True)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def train_step(self, data: Any) -> Any:
        self.calls += 1
        if self.calls == 3:
            self.action()
        return super().train_step(data)


def fail() -> None:
    raise LookupError("a fault in the user's model")


@pytest.mark.parametrize(
    ("action", "error"),
    [(fail, LookupError), (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt)],
    ids=["error", "Ctrl-C"],
)
def test_an_interruption_passes_unchanged_and_the_model_is_put_back(action, error):
    keras.utils.set_random_seed(5)
    model = Stopping(action)
    before = surroundings(model)
    with pytest.raises(error) as caught:
        lr_range_test(model, **arrays(), **BRIEF)
    assert error is KeyboardInterrupt or str(caught.value) == "a fault in the user's model"
    assert differences(before, surroundings(model)) == []


def test_an_error_of_the_data_is_what_fit_makes_of_it():
    def broken() -> Any:
        yield X[:9], Y[:9]
        yield X[9:18], Y[9:18]
        raise OSError("the disk is gone")

    model = linear(run_eagerly=True)
    before = surroundings(model)
    with pytest.raises(tf.errors.UnknownError, match="the disk is gone"):
        lr_range_test(model, broken(), **{**BRIEF, "seeds": [0]})
    assert differences(before, surroundings(model)) == []


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
from lrguide import lr_range_test, state_digest
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "mse")
w, b = (v.numpy().astype(float) for v in model.layers[0].weights)
model.fit(x, x[:, :1], batch_size=16, verbose=0)
model.layers[0].set_weights([w, b])
model.optimizer.variables[1].assign(model.optimizer.variables[1] * 0)
model.optimizer.variables[2].assign(model.optimizer.variables[2] * 0)
before = state_digest(model)
result = lr_range_test(
    model, x, x[:, :1], batch_size=16, min_rate=1e-3, max_rate=0.1, steps=4, shuffle=False,
    seeds=[0], verbose=0)
assert state_digest(model) == before
velocity, losses = [0, 0], []
for step, rate in enumerate(result.rates):
    part = x[16 * (step % 2):][:16]
    error = part @ w + b - part[:, :1]
    losses.append((error ** 2).mean())
    gradients = 2 * part.T @ error / 16, 2 * error.mean(0)
    velocity = [0.9 * v - rate * g for v, g in zip(velocity, gradients)]
    w, b = w + velocity[0], b + velocity[1]
np.testing.assert_allclose(result.losses[0], losses, rtol=1e-4)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(range_test.__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
    )


def test_two_replicas_give_the_loss_of_the_whole_batch_and_keep_no_trace():
    run = python(TWO_REPLICAS)
    assert run.returncode == 0, run.stderr


def test_what_is_kept_is_one_copy_of_weights_and_slots(monkeypatch):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(200_000), layers.Dense(1)])
    model.compile("adam", "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    size = sum(v.numpy().nbytes for v in [*model.variables, *model.optimizer.variables])
    held = []

    def while_training(*_: Any) -> bool:
        held.append(tracemalloc.get_traced_memory()[0])
        return False

    monkeypatch.setattr(traceless, "_diverged", while_training)
    tracemalloc.start()
    try:
        lr_range_test(model, X[:4], Y[:4], steps=3, seeds=[0], verbose=0)
    finally:
        tracemalloc.stop()
    assert 0.95 < max(held) / size < 1.1


# Trains along the rates: losses against plain NumPy.


def linear(optimizer: Any = "sgd", **compiled: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    model.set_weights([np.full((6, 1), 0.5), np.zeros(1)])
    return model


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


@pytest.mark.parametrize("trained", [False, True])
def test_under_gradient_accumulation_a_step_is_an_update(trained):
    model = linear(keras.optimizers.SGD(gradient_accumulation_steps=2), run_eagerly=True)
    if trained:
        model.fit(**arrays(), epochs=2, verbose=0)
        model.set_weights([np.full((6, 1), 0.5), np.zeros(1)])
    result = lr_range_test(model, **arrays(), **BRIEF, shuffle=False)
    np.testing.assert_allclose(result.losses, [by_hand(result.rates, each=2)] * 2, rtol=1e-5)


def test_the_validation_loss_is_that_after_each_update():
    model = linear(run_eagerly=True)
    validation = dict(validation_data=(X[:20], Y[:20]))
    result = lr_range_test(model, **arrays(), **BRIEF, **validation, shuffle=False)
    expected = by_hand(result.rates, validation=True)
    np.testing.assert_allclose(result.losses, [expected] * 2, rtol=1e-5)
    assert result.monitor == "val_loss"


@pytest.mark.parametrize("validation", [tf.data.Dataset, keras.utils.PyDataset])
def test_validation_data_may_be_a_dataset(validation):
    data = Batches()
    if validation is tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    model = linear(run_eagerly=True)
    brief = {**BRIEF, "steps": 2, "seeds": [0]}
    given = lr_range_test(model, **arrays(), **brief, validation_data=data)
    whole = lr_range_test(model, **arrays(), **brief, validation_data=(X, Y))
    np.testing.assert_allclose(given.losses, whole.losses, rtol=1e-5)


def test_the_same_seeds_give_the_same_losses_bit_by_bit():
    model = made("eager", trained=False)
    first = lr_range_test(model, **arrays(), **BRIEF)
    random.seed(8)
    np.random.seed(8)
    tf.random.set_seed(8)
    second = lr_range_test(model, **arrays(), **BRIEF)
    assert np.array_equal(first.losses, second.losses)


def test_seeds_vary_the_order_of_the_data_from_the_given_weights():
    model = linear(run_eagerly=True)
    whole = dict(x=X, y=Y, batch_size=len(X))
    result = lr_range_test(model, **whole, **BRIEF)
    np.testing.assert_allclose(result.losses[0], result.losses[1], rtol=1e-5)
    result = lr_range_test(model, **arrays(), **BRIEF)
    assert result.losses[0, 0] != result.losses[1, 0]


def test_build_makes_new_weights_for_each_seed():
    def build() -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    whole = dict(x=X, y=Y, batch_size=len(X), build=build)
    result = lr_range_test(None, **whole, **BRIEF)
    assert abs(result.losses[0, 0] / result.losses[1, 0] - 1) > 0.01
    assert np.array_equal(lr_range_test(None, **whole, **BRIEF).losses, result.losses)


@pytest.mark.parametrize(
    ("max_rate", "reason"), [(100.0, "diverged at step"), (1e15, "loss not finite at step")]
)
def test_a_sweep_ends_when_the_loss_does(max_rate, reason):
    model = linear()
    factor = None if "finite" in reason else 4.0
    wide = {**BRIEF, "max_rate": max_rate, "steps": 50}
    result = lr_range_test(model, **arrays(), **wide, stop_factor=factor)
    for row, why in zip(result.losses, result.stopped, strict=True):
        steps = np.isfinite(row).sum()
        assert why.startswith(reason) and 5 < steps < 50
        assert np.isfinite(row[:steps]).all() and np.isnan(row[steps:]).all()


def test_the_bar_counts_all_steps(capsys):
    lr_range_test(linear(run_eagerly=True), **arrays(), **{**BRIEF, "verbose": 1})
    assert "14/14" in capsys.readouterr().out


# What is refused (bad arguments of the range test: in its own file).


def uncompiled() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1)])


def test_a_model_that_trains_in_its_own_way_may_do_without_targets():
    class Autoencoder(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step((data, data))

    model = Autoencoder([keras.Input((6,)), layers.Dense(6)])
    model.compile("sgd", "mse")
    result = lr_range_test(model, X, steps=3, seeds=[0], verbose=0)
    assert np.isfinite(result.losses).all()


def without_loss() -> keras.Model:
    class Silent(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return {"accuracy": 1.0}

    model = Silent([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            dict(x=((X[:9], Y[:9]) for _ in range(3)), y=None, seeds=[0]),
            "x must give 7 batches, received 3",
        ),
        (
            dict(y=np.full_like(Y, np.nan)),
            "y must hold finite numbers, received nan among them",
        ),
        (
            dict(x=tf.constant(np.full_like(X, -np.inf))),
            "x must hold finite numbers, received -inf among them",
        ),
        (
            dict(validation_data=(X, np.where(Y[3] == Y, np.nan, Y))),
            "y of validation_data must hold finite numbers, received nan among them",
        ),
        (
            dict(x=tf.data.Dataset.from_tensors((X, np.full_like(Y, np.nan))), y=None),
            "the loss must be finite at the first rate 0.0001, received nan",
        ),
        (
            dict(model=without_loss),
            "train_step must return a dict with 'loss', received ['accuracy']",
        ),
        (dict(build=uncompiled, model=None), "what build returns must be compiled with an "
                                             "optimizer, received it without"),
    ],
)  # fmt: skip
def test_what_shows_only_while_training_is_refused_and_the_model_put_back(changed, message):
    keras.utils.set_random_seed(5)
    given = {**arrays(), **BRIEF, "model": lambda: linear(run_eagerly=True), **changed}
    given["model"] = model = given["model"] and given["model"]()
    before = surroundings(model) if model else {}
    if "y" in changed and changed["y"] is None:
        del given["batch_size"]
    found = sentence(ValueError, lambda: lr_range_test(**given))
    assert found == message
    assert differences(before, surroundings(model) if model else {}) == []


# Keras' own NumPy backend, in a process of its own. It imports JAX and SciPy, which are not
# installed here and of which nothing below is made: anything will do in their place.
ON_NUMPY = """
import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock


class Anything:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("jax", "scipy"):
            return ModuleSpec(name, Anything, is_package=True)

    create_module = lambda spec: MagicMock(__path__=[])
    exec_module = lambda module: None


sys.meta_path.append(Anything)
import keras, numpy as np
from lrguide import RangeTestResult, lr_range_test, state_digest

x = np.ones((8, 1))
result = RangeTestResult(np.array([0.1, 1.0]), np.ones((1, 2)), seeds=(0,))


def build():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


for call in (
    lambda: lr_range_test(build(), x, x),
    lambda: lr_range_test(None, x, x, build=build),
    lambda: result.confirm(build(), x, x, rates=[0.1, 1.0]),
    lambda: state_digest(build()),
):
    try:
        call()
    except NotImplementedError as error:
        print(error)
print("tensorflow" in sys.modules)
"""


def test_another_backend_is_refused_in_one_sentence_before_anything_begins():
    run = python(ON_NUMPY, KERAS_BACKEND="numpy")
    refusal = "the range test needs Keras on TensorFlow, received 'numpy'"
    assert run.stdout.splitlines() == [*4 * [refusal], "False"], run.stderr


NO_MODEL = [
    (dict(model=3), TypeError, "model must be a Keras model, received 3"),
    (dict(model=X), TypeError, "model must be a Keras model, received ndarray of shape (40, 6)"),
    (
        dict(model=uncompiled()),
        ValueError,
        "model must be compiled with an optimizer, received it without",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), NO_MODEL)
def test_a_digest_of_what_is_no_compiled_model_is_refused(given, error, message):
    assert sentence(error, lambda: state_digest(**given)) == message
    assert without_a_row(state_digest, NO_MODEL) == []


# Planted faults: each must be caught by the check beside it.


def changes(case: str = "eager", trained: bool = True) -> Callable[[], Any]:
    return lambda: nothing_changes(case, trained)


def accumulated() -> None:
    test_under_gradient_accumulation_a_step_is_an_update(trained=False)


def swept_twice() -> None:
    """Compiled, since an eager model is put back as a whole before each sweep."""
    result = lr_range_test(linear(), **arrays(), **BRIEF, shuffle=False)
    np.testing.assert_allclose(*result.losses, rtol=1e-5)


def interrupted() -> None:
    test_an_interruption_passes_unchanged_and_the_model_is_put_back(fail, LookupError)


def not_finite() -> None:
    test_a_sweep_ends_when_the_loss_does(1e15, "loss not finite at step")


FAULTS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "the running mean for the batch's loss": (
        "        self.rate.assign(rate)\n        self.model.reset_metrics()\n",
        "        self.rate.assign(rate)\n",
        accumulated,
    ),
    "a seed goes on where the one before ended": (
        "        self.state.put_back_values()\n",
        "",
        swept_twice,
    ),
    "the slots forgotten": (
        "    if isinstance(thing, np.ndarray):\n",
        "    if isinstance(thing, keras.Optimizer):\n        return None\n"
        "    if isinstance(thing, np.ndarray):\n",
        changes(),
    ),
    "the momentum not restored": (
        "        part.assign(value)\n",
        "        part.assign(part if 'momentum' in part.name else value)\n",
        changes(),
    ),
    "the count of steps not restored": (
        "        part.assign(value)\n",
        "        part.assign(part if 'iteration' in part.name else value)\n",
        changes(),
    ),
    "the layers' seeds not restored": (
        "        part.assign(value)\n",
        "        part.assign(part if 'seed' in part.name else value)\n",
        changes(),
    ),
    "the metrics not restored": (
        "    if isinstance(thing, np.ndarray):\n",
        "    if isinstance(thing, keras.Metric):\n        return None\n"
        "    if isinstance(thing, np.ndarray):\n",
        changes(),
    ),
    "Python's random state not restored": (
        "    _GlobalState(random.getstate, random.setstate),\n",
        "",
        changes(),
    ),
    "TensorFlow's random state not restored": (
        "    _GlobalState(tensorflow_seed, set_tensorflow_seed),\n",
        "",
        changes(),
    ),
    "the schedule not restored": (
        "        vars(thing).clear()\n",
        "        kept |= {n: v for n, v in vars(thing).items() if n == '_learning_rate'}\n",
        changes("eager schedule", trained=False),
    ),
    "nothing restored after an error": (
        "                interrupt.wait = True\n                state.put_back()\n",
        "                pass\n            state.put_back()\n",
        interrupted,
    ),
    "the order of the data not seeded": (
        "seed_tensorflow(int(np.random.default_rng(seed).integers(2**31)), seed)",
        "pass",
        lambda: test_the_same_seeds_give_the_same_losses_bit_by_bit(),
    ),
    "the dropout not seeded": (
        "            variable.assign([int(numbers.integers(2**31)), 0])\n",
        "            variable.assign([np.random.default_rng().integers(2**30), 0])\n",
        lambda: test_the_same_seeds_give_the_same_losses_bit_by_bit(),
    ),
    "each batch an update, under gradient accumulation": (
        " and len(parts) < each and",
        " and len(parts) < 1 and",
        accumulated,
    ),
    "a loss that is not finite recorded": (
        "            if math.isfinite(loss):\n                losses.append(loss)",
        "            if True:\n                losses.append(loss)",
        not_finite,
    ),
}


def plant(old: str, new: str, tests: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a line of the sources, and give what is made of them to a module of tests."""
    # In an order in which each imports those before it alone.
    modules = (fit_arguments, model_state, traceless, rules, confirmation, range_test)
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
    assert sum(source.count(old) for source in sources) == 1
    for module, source in zip(modules, sources, strict=True):
        faulty = types.ModuleType(module.__name__)
        faulty.__package__ = module.__package__
        monkeypatch.setitem(sys.modules, faulty.__name__, faulty)
        exec(compile(source.replace(old, new), "faulty", "exec"), faulty.__dict__)
        for name in module.__all__:
            monkeypatch.setitem(tests, name, getattr(faulty, name))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    old, new, check = FAULTS[fault]
    plant(old, new, globals(), monkeypatch)
    with pytest.raises((AssertionError, ValueError)):  # the second by a check of the sweep's own
        check()
