"""What trains for the range test: along the rates it is given, and leaving no trace.

It is asked through `lr_range_test`, which stands on it.
"""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import sentence, without_a_row
from small_models import (
    BRIEF,
    LABELS,
    Batches,
    X,
    Y,
    arrays,
    classifier,
    differences,
    linear,
    momentum,
    plant,
    python,
    several,
    small,
    surroundings,
    uncompiled,
    unusual,
)

from lrguide import traceless
from lrguide.model_state import state_digest
from lrguide.range_test import lr_range_test


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


# The cases that have a twin, and whether both were trained before.
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


# What is refused while it trains.


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


def interrupted() -> None:
    test_an_interruption_passes_unchanged_and_the_model_is_put_back(fail, LookupError)


FAULTS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    **{
        f"{what} not looked at": (
            "    if isinstance(thing, np.ndarray):\n",
            f"    if isinstance(thing, keras.{kind}):\n        return None\n"
            "    if isinstance(thing, np.ndarray):\n",
            changes(),
        )
        for what, kind in (("the slots", "Optimizer"), ("the metrics", "Metric"))
    },
    **{
        f"{name} not restored": (
            "        part.assign(value)\n",
            f"        part.assign(part if {name!r} in part.name else value)\n",
            changes(),
        )
        for name in ("momentum", "iteration", "seed")
    },
    **{
        f"{states} not restored": (f"    _GlobalState({states}),\n", "", changes())
        for states in ("random.getstate, random.setstate", "tensorflow_seed, set_tensorflow_seed")
    },
    "the schedule not restored": (
        "        vars(thing).clear()\n",
        "        kept |= {n: v for n, v in vars(thing).items() if n == '_learning_rate'}\n",
        changes("eager schedule", trained=False),
    ),
    "nothing restored after an error": (
        "            interrupt.wait = True\n            trainings.put_back()\n",
        "            pass\n",
        interrupted,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    old, new, check = FAULTS[fault]
    plant(old, new, globals(), monkeypatch)
    with pytest.raises((AssertionError, ValueError)):  # the sweep's own check raises the second
        check()
