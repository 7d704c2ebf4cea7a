"""The package on the backend that Keras runs on: JAX, PyTorch without TensorFlow, or this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from kinds import BACKEND, X, Y, dense
from tracelessness import SWEEP

import lrguide
from lrguide import LearningRateLogger, check, lr_range_test, rates_at, schedules, state_digest

sys.path.append(str(Path(__file__).parents[1]))

from oracle_schedules import EQUAL, ORACLES


def linear_model(optimizer: Any = "sgd", **compiled: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    model.set_weights([np.full((6, 1), 0.5), np.zeros(1)])
    return model


def by_hand(rates: Any, each: int = 1) -> list[float]:
    """Losses of `linear_model` under SGD on batches of 16 in their order, over and over."""
    x, y, w, b = X.astype(float), Y.astype(float), np.full((6, 1), 0.5), np.zeros(1)
    losses, batch = [], 0
    for rate in rates:
        seen, steps = [], []
        for _ in range(each):
            part = slice(16 * (batch % 4), 16 * (batch % 4) + 16)
            error = x[part] @ w + b - y[part]
            seen.append(np.mean(error**2))
            steps.append((2 * x[part].T @ error / 16, 2 * error.mean(axis=0)))
            batch += 1
        w = w - rate * np.mean([step[0] for step in steps], axis=0)
        b = b - rate * np.mean([step[1] for step in steps], axis=0)
        losses.append(np.mean(seen))
    return losses


# Runs in a process of its own, because the tests may have imported what the package may not.
WITHOUT_TENSORFLOW = """
import sys
import numpy as np

sys.modules["tensorflow"] = None  # an import raises an error


import keras
import lrguide
from lrguide import *

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
schedule = cosine(0.1, 10)
model.compile(keras.optimizers.SGD(schedule), "mse")
before = state_digest(model)
result = lr_range_test(model, x, x[:, :1], steps=6, seeds=(0,), verbose=0)
result.suggest(), result.to_dict(), str(result)
confirmed = result.confirm(model, x, x[:, :1], rates=[0.01, 0.1], steps=4, verbose=0)
assert state_digest(model) == before
logger = LearningRateLogger()
model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[logger])
assert len(rates_at(schedule, range(5))) == 5
check(schedule, steps_per_epoch=2, epochs=5, model=model)
import matplotlib
matplotlib.use("agg")
lrguide.plots.schedule({"cosine": schedule}, steps_per_epoch=2, epochs=5)
result.plot()
article_cnn()
for name in lrguide.__all__:
    getattr(lrguide, name)
print("all done")
"""


@pytest.mark.skipif(BACKEND == "tensorflow", reason="there it is needed")
def test_nothing_imports_tensorflow():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_TENSORFLOW],
        env={**os.environ, "PYTHONPATH": str(Path(lrguide.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert run.stdout == "all done\n", run.stderr


@pytest.mark.parametrize("row", EQUAL)
def test_schedules_give_the_rates_of_other_libraries(row):
    for expected in ORACLES["rates"][row].values():
        ours = rates_at(EQUAL[row], range(len(expected)))
        np.testing.assert_allclose(ours, expected, rtol=3e-6, atol=1e-7)


@pytest.mark.parametrize("each", [None, 2])
@pytest.mark.parametrize("schedule", [0.1, keras.optimizers.schedules.CosineDecay(0.5, 9)])
def test_the_losses_are_those_of_training_by_hand(schedule, each):
    sgd = keras.optimizers.SGD(schedule, gradient_accumulation_steps=each)
    result = lr_range_test(linear_model(sgd), X, Y, **SWEEP, seeds=(0,), shuffle=False)
    np.testing.assert_allclose(result.losses[0], by_hand(result.rates, each or 1), rtol=1e-4)


def test_losses_on_validation_data_are_those_after_each_step():
    options = SWEEP | dict(seeds=(0,), shuffle=False)
    seen = lr_range_test(linear_model(), X, Y, **options, validation_data=(X[:16], Y[:16]))
    model, wanted = linear_model(keras.optimizers.SGD(0.1)), []
    for step, rate in enumerate(seen.rates):
        model.optimizer.learning_rate = float(rate)
        part = slice(16 * (step % 4), 16 * (step % 4) + 16)
        model.train_on_batch(X[part], Y[part])
        wanted.append(model.evaluate(X[:16], Y[:16], verbose=0))
    np.testing.assert_allclose(seen.losses[0], wanted, rtol=1e-4)


def test_a_confirmation_and_build_are_repeatable():
    result = lr_range_test(None, X, Y, build=dense, **SWEEP, seeds=(0, 1))
    again = lr_range_test(None, X, Y, build=dense, **SWEEP, seeds=(0, 1))
    np.testing.assert_array_equal(result.losses, again.losses)
    model = dense()
    before = state_digest(model)
    options = dict(rates=[1e-3, 1e-2], steps=6, batch_size=16, verbose=0)
    assert result.confirm(model, X, Y, **options) == result.confirm(model, X, Y, **options)
    assert state_digest(model) == before


def test_a_divergence_ends_the_sweep_and_leaves_no_trace():
    model = linear_model()
    before = state_digest(model)
    options = SWEEP | dict(max_rate=1e3, steps=60)
    result = lr_range_test(model, X, Y, **options, seeds=(0, 1))
    assert all(why.startswith(("diverged", "loss not finite")) for why in result.stopped)
    assert state_digest(model) == before


def test_data_that_end_too_early_are_refused():
    batches = ((X[:16], Y[:16]) for _ in range(4))
    with pytest.raises(ValueError, match="x must give 6 batches, received"):
        lr_range_test(linear_model(), batches, min_rate=1e-4, max_rate=0.1, steps=6, verbose=0)


class SetsTheRate(keras.layers.Layer):
    """Holds its optimizer in a list, so that Keras does not take it for a part of the layer."""

    def __init__(self, optimizer):
        super().__init__()
        self.optimizers = [optimizer]

    def call(self, x):
        self.optimizers[0].learning_rate = 0.5
        return x


def test_a_layer_that_sets_the_rate_is_noticed():
    sgd = keras.optimizers.SGD(0.1)
    model = keras.Sequential([keras.layers.Dense(1), SetsTheRate(sgd)])
    model.compile(sgd, "mse")
    before = state_digest(model)
    with pytest.raises(ValueError, match="sets the optimizer's rate itself"):
        lr_range_test(model, X, Y, **SWEEP)
    assert state_digest(model) == before


def test_a_digest_sees_weights_metrics_seeds_and_attributes():
    model = dense()
    seen = {state_digest(model)}
    for variable in (*model.variables, *model.optimizer.variables):
        value = keras.ops.convert_to_numpy(variable.value)
        variable.assign(value + np.ones((), value.dtype))
        seen.add(state_digest(model))
    model.layers[0].note = "new"
    seen.add(state_digest(model))
    np.random.seed(9)
    seen.add(state_digest(model))
    assert len(seen) == 3 + len(model.variables) + len(model.optimizer.variables)


class Sets(keras.callbacks.Callback):
    """Sets the rate before each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.batches += 1
        self.model.optimizer.learning_rate = 0.1 / self.batches


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("eagerly", [False, True])
def test_the_logger_sees_a_rate_that_a_callback_sets_wherever_it_stands(first, eagerly):
    logger, sets = LearningRateLogger(), Sets()
    callbacks = [logger, sets] if first else [sets, logger]
    model = linear_model(keras.optimizers.SGD(0.1), run_eagerly=eagerly)
    history = model.fit(X, Y, batch_size=32, epochs=2, verbose=0, callbacks=callbacks).history
    np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-6)
    np.testing.assert_allclose(history["learning_rate"], [0.05, 0.025], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_logger_follows_a_schedule(steps):
    if steps > 1 and BACKEND == "torch":
        pytest.skip("Keras takes no steps_per_execution there")
    logger, schedule = LearningRateLogger(), schedules.cosine(0.1, 8)
    model = linear_model(keras.optimizers.Adam(schedule), steps_per_execution=steps)
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=[logger])
    np.testing.assert_allclose(logger.rates, rates_at(schedule, range(8)), rtol=1e-6)
    assert logger.findings == ()


def test_the_logger_logs_one_rate_an_update_under_accumulation():
    logger = LearningRateLogger()
    model = linear_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=[logger])
    assert logger.steps.tolist() == [1, 3, 5, 7] and np.allclose(logger.rates, 0.1)


def test_the_logger_refuses_several_rates_in_one_sentence():
    model = linear_model()
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    model.compile(keras.optimizers.MultiOptimizer(parts), "mse")
    with pytest.raises(TypeError, match="must have one learning rate, received a MultiOptimizer"):
        model.fit(X, Y, verbose=0, callbacks=[LearningRateLogger()])


class Trains(keras.Model):
    """A model without `call`, whose steps are Keras' own."""


def test_a_model_without_call_is_refused_in_one_sentence():
    model = Trains()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"a model needs a call\(\) or a train_step\(\)"):
        lr_range_test(model, X, Y, **SWEEP)


class OwnSteps(Trains):
    """A model without `call` that trains all the same, by the backend's own gradients."""

    def __init__(self):
        super().__init__()
        self.net, self.built = linear_model(), True

    def train_step(self, *arguments):
        return (self.on_torch if BACKEND == "torch" else self.on_jax)(*arguments)

    def on_torch(self, data):
        self.zero_grad()
        loss = keras.ops.mean((self.net(data[0]) - data[1]) ** 2)
        loss.backward()
        weights = self.trainable_weights
        self.optimizer.apply([weight.value.grad for weight in weights], weights)
        return {"loss": loss}

    def on_jax(self, state, data):
        import jax

        trained, others, optimizer, metrics = state

        def loss_at(weights):
            seen, _ = self.net.stateless_call(weights, others, data[0])
            return keras.ops.mean((seen - data[1]) ** 2)

        loss, gradients = jax.value_and_grad(loss_at)(trained)
        trained, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trained)
        return {"loss": loss}, (trained, others, optimizer, metrics)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="tests/test_own_training_steps.py has it there")
@pytest.mark.parametrize("eager", [False, True])
def test_a_model_without_call_that_trains_leaves_no_trace_and_logs_its_rates(eager):
    model = OwnSteps()
    model.compile(keras.optimizers.SGD(0.01), loss=None, run_eagerly=eager)
    before = state_digest(model)
    first, again = (
        lr_range_test(model, X, Y, **SWEEP, seeds=(0,), shuffle=False).losses for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first[0], by_hand(np.geomspace(1e-4, 0.1, 6)), rtol=1e-4)
    assert state_digest(model) == before
    logger = LearningRateLogger()
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[logger])
    np.testing.assert_allclose(logger.rates, [0.01] * 4, rtol=1e-6)


def test_check_finds_what_does_not_fit():
    found = check(schedules.cosine(0.1, 8), steps_per_epoch=4, epochs=4)
    assert [finding.name for finding in found] == ["end"]
    model = linear_model(keras.optimizers.SGD(schedules.cosine(0.1, 8)))
    model.fit(X, Y, batch_size=32, verbose=0)
    found = check(model.optimizer._learning_rate, steps_per_epoch=2, epochs=3, model=model)
    assert [finding.name for finding in found] == ["resumed"]


def test_only_on_tensorflow_a_network_that_is_sure_of_one_class_has_a_gradient():
    """The page on backends says so, of Keras' own loss behind a softmax."""
    labels = np.eye(10, dtype="float32")
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, activation="softmax")])
    sure = [np.zeros((10, 10)), np.array([60.0] + [0.0] * 9)]
    model.set_weights(sure)
    model.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy")
    loss = model.evaluate(labels, labels, verbose=0)
    model.train_on_batch(labels, labels)
    moved = np.abs(model.get_weights()[1] - sure[1]).max()
    if BACKEND == "tensorflow":
        assert loss == pytest.approx(0.9 * 60) and moved > 0.5
    else:
        assert loss == pytest.approx(-0.9 * np.log(1e-7), rel=1e-4) and moved == 0
