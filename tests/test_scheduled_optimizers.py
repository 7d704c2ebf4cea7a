"""Optimizers that compute rate and momentum in each step: what training reaches with them."""

import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from laws import same, values

from lrguide.cyclical import one_cycle, triangular2
from lrguide.scheduled_optimizers import ScheduledAdam, ScheduledSGD

ORACLES = json.loads(Path(__file__).with_name("oracles").joinpath("values.json").read_text())
SAVED = sorted(Path(__file__).with_name("fixtures").glob("*/values.json"))


class Trace(keras.callbacks.Callback):
    """Keeps rate and momentum before each batch, and the weights after it."""

    def __init__(self):
        super().__init__()
        self.rate, self.momentum, self.weights = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        adam = isinstance(optimizer, keras.optimizers.Adam)
        self.rate.append(float(optimizer.learning_rate))
        self.momentum.append(float(optimizer.beta_1 if adam else optimizer.momentum))

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights()[0].ravel())


def trained(optimizer, steps=40, **options):
    """Train the linear model of the oracles, eight batches an epoch."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.zeros((3, 1))])
    model.compile(optimizer, "mse", **options)
    trace = Trace()
    continued(model, steps, trace)
    return model, trace


def continued(model, steps=40, *callbacks):
    x, y = np.array(ORACLES["trajectories"]["x"]), np.array(ORACLES["trajectories"]["y"])
    model.fit(
        x, y, batch_size=5, epochs=steps // 8, verbose=0, shuffle=False, callbacks=[*callbacks]
    )


CYCLE = triangular2(0.01, 0.1, (4, 6))
ONE = one_cycle(0.1, 40)
AS_PYTORCH = {
    "SGD, triangular2": lambda: ScheduledSGD(
        CYCLE, momentum=CYCLE.momentum(0.8, 0.9), rate_on="velocity"
    ),
    "SGD, one_cycle": lambda: ScheduledSGD(ONE, momentum=ONE.momentum(), rate_on="velocity"),
    "SGD with nesterov, one_cycle": lambda: ScheduledSGD(
        ONE, momentum=ONE.momentum(), rate_on="velocity", nesterov=True
    ),
    "Adam, triangular2": lambda: ScheduledAdam(
        CYCLE, beta_1=CYCLE.momentum(0.8, 0.9), epsilon=1e-12
    ),
    "Adam, one_cycle": lambda: ScheduledAdam(ONE, beta_1=ONE.momentum(), epsilon=1e-12),
}


@pytest.mark.parametrize("run", AS_PYTORCH)
def test_rate_momentum_and_weights_of_a_compiled_fit_equal_pytorchs(run):
    expected = ORACLES["trajectories"]["runs"][run]
    _, trace = trained(AS_PYTORCH[run]())
    same(trace.rate, expected["rate"])
    same(trace.momentum, expected["momentum"])
    np.testing.assert_allclose(trace.weights, expected["weights"], rtol=1e-5, atol=1e-5)


def test_the_momentum_of_a_compiled_fit_matters():
    cycled = trained(ScheduledSGD(ONE, momentum=ONE.momentum()))[1].weights
    held = trained(ScheduledSGD(ONE, momentum=0.95))[1].weights
    assert np.abs(np.subtract(cycled, held)).max() > 0.01


SCHEDULED = {
    "SGD": lambda: ScheduledSGD(ONE, momentum=ONE.momentum()),
    "SGD with nesterov": lambda: ScheduledSGD(ONE, momentum=ONE.momentum(), nesterov=True),
    "SGD, rate on the velocity": lambda: ScheduledSGD(
        CYCLE, momentum=CYCLE.momentum(), rate_on="velocity", weight_decay=0.01
    ),
    "Adam": lambda: ScheduledAdam(ONE, beta_1=ONE.momentum(), amsgrad=True, clipnorm=1.0),
    "accumulating": lambda: ScheduledAdam(
        ONE, beta_1=ONE.momentum(), gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("name", SCHEDULED)
@pytest.mark.parametrize(
    "options",
    [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 5}],
    ids=lambda options: next(iter(options)),
)
def test_however_the_step_is_run_the_weights_are_the_same(name, options):
    other = trained(SCHEDULED[name](), 16, **options)[0].get_weights()[0]
    np.testing.assert_allclose(other, plainly_compiled(name), rtol=1e-5, atol=1e-6)


@functools.cache
def plainly_compiled(name):
    return trained(SCHEDULED[name](), 16)[0].get_weights()[0]


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_saved_and_loaded_training_goes_on_exactly(name, tmp_path):
    model, _ = trained(SCHEDULED[name](), steps=16)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for which in (model, loaded):
        continued(which, 16)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("nesterov", [False, True])
def test_with_a_number_as_momentum_it_is_keras_sgd(nesterov):
    ours = trained(ScheduledSGD(ONE, momentum=0.9, nesterov=nesterov))[1].weights
    keras_own = trained(keras.optimizers.SGD(ONE, momentum=0.9, nesterov=nesterov))[1].weights
    np.testing.assert_array_equal(ours, keras_own)


def test_with_a_number_as_beta_1_it_is_keras_adam():
    ours = trained(ScheduledAdam(ONE, beta_1=0.8))[1].weights
    keras_own = trained(keras.optimizers.Adam(ONE, beta_1=0.8))[1].weights
    np.testing.assert_array_equal(ours, keras_own)


def test_at_a_constant_rate_both_places_of_the_rate_are_the_same():
    ours = [
        trained(ScheduledSGD(0.01, momentum=0.9, rate_on=place))[1].weights
        for place in ("gradient", "velocity")
    ]
    np.testing.assert_allclose(*ours, rtol=1e-5, atol=1e-6)


def test_under_gradient_accumulation_the_momentum_sees_the_step_of_the_rate():
    _, trace = trained(SCHEDULED["accumulating"]())
    same(trace.rate, values(ONE, np.arange(40)))
    same(trace.momentum, values(ONE.momentum(), np.arange(40)))


def with_embedding(optimizer):
    """The weights of a model of which one gradient is sparse."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(10, 4), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(optimizer, "mse")
    random = np.random.default_rng(0)
    words, target = random.integers(0, 10, (40, 3)), random.normal(size=(40, 1))
    model.fit(words, target, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()[0]


def test_sparse_gradients_are_taken_as_keras_takes_them():
    ours = with_embedding(ScheduledSGD(ONE, momentum=0.9))
    keras_own = with_embedding(keras.optimizers.SGD(ONE, momentum=0.9))
    np.testing.assert_allclose(ours, keras_own, rtol=1e-5, atol=1e-7)


def test_inside_a_distribution_strategy_the_weights_are_the_same():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        distributed = trained(SCHEDULED["SGD"](), 16)[0].get_weights()[0]
    np.testing.assert_allclose(distributed, plainly_compiled("SGD"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "name"), [(ScheduledSGD, "momentum"), (ScheduledAdam, "beta_1")])
def test_a_momentum_set_after_training_began_is_refused(make, name):
    optimizer = make(0.01)
    setattr(optimizer, name, 0.5)
    assert getattr(optimizer, name) == 0.5
    with pytest.raises(ValueError, match=f"{name} must be"):
        setattr(optimizer, name, 2.0)
    model, _ = trained(optimizer, steps=8)
    with pytest.raises(AttributeError, match=f"{name} is compiled into the training step"):
        setattr(model.optimizer, name, 0.9)


@pytest.mark.parametrize("file", SAVED, ids=lambda file: file.parent.name)
@pytest.mark.parametrize(("name", "momentum"), [("sgd", "momentum"), ("adam", "beta_1")])
def test_a_model_saved_by_an_earlier_version_loads_and_goes_on(file, name, momentum):
    expected = json.loads(file.read_text())[name]
    model = keras.models.load_model(file.with_name(f"{name}.keras"))
    config = model.optimizer.get_config()
    for key in ("learning_rate", momentum):
        schedule = keras.optimizers.schedules.deserialize(config[key])
        np.testing.assert_allclose(values(schedule, np.arange(100)), expected[key], rtol=1e-6)
    x = np.random.default_rng(0).normal(size=(24, 3))
    y = x @ [[1.0], [-2.0], [0.5]]
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    expected_weights = expected["weights after two more epochs"]
    np.testing.assert_allclose(model.get_weights()[0].ravel(), expected_weights, rtol=1e-4)
