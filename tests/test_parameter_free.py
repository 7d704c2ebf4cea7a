"""Optimizers without a rate do what their authors' own do, step by step, and train."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lrguide.guide import contenders, parameter_free
from lrguide.guide.experiments import train
from lrguide.guide.settings import complete
from tests.oracles.logistic import FIRST, STEPS, gradients

ORACLES = Path(__file__).parent / "oracles" / "parameter_free.json"
VALUES = json.loads(ORACLES.read_text(encoding="utf-8"))["values"]
OWN = ["Prodigy", "DAdaptAdam", "ScheduleFree"]
own = pytest.mark.parametrize("name", OWN)


def test_each_has_its_oracle_and_is_a_contender():
    here = [each for each in vars(parameter_free).values() if isinstance(each, type)]
    names = {each.__name__ for each in here if issubclass(each, keras.Optimizer)}
    assert {name for name in names if not name.startswith("_")} == {*OWN} == {*VALUES}
    assert {*OWN} <= {*contenders.OPTIMIZERS}


@own
def test_the_default_is_that_of_the_class(name):
    made = getattr(parameter_free, name)()
    assert float(made.learning_rate) == pytest.approx(contenders.DEFAULTS[name])


@own
@pytest.mark.parametrize("compiled", [False, True])
def test_it_follows_its_authors_step_by_step(name, compiled):
    # In float32 the first steps, of a millionth, would be lost in the weights' last bits.
    floatx = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        seen = walked(name, compiled)
    finally:
        keras.config.set_floatx(floatx)
    for what, values in VALUES[name].items():
        np.testing.assert_allclose(seen[what], values, rtol=1e-5, atol=1e-6, err_msg=what)


def walked(name, compiled):
    weights = [keras.Variable(each) for each in FIRST]
    optimizer = contenders.optimizer(name, contenders.DEFAULTS[name])
    apply = lambda *grads: optimizer.apply([*grads], weights)  # noqa: E731
    if compiled:
        optimizer.build(weights)
        apply = tf.function(apply)
    seen = {"trained": [], "d": [], "averaged": []}
    for _ in range(STEPS):
        apply(*(tf.constant(g, tf.float64) for g in gradients([w.numpy() for w in weights])))
        seen["trained"].append(weights[1].numpy())
        if name == "ScheduleFree":
            y, z = weights[1].numpy(), optimizer.z[1].numpy()
            seen["averaged"].append((y - 0.1 * z) / 0.9)
        else:
            seen["d"].append(float(optimizer.d))
    return seen


@own
def test_its_config_makes_an_equal_one(name):
    made = getattr(parameter_free, name)(0.5, beta_1=0.8, epsilon=1e-6)
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()
    assert (again.beta_1, again.epsilon) == (0.8, 1e-6)


@own
def test_it_trains_a_network_at_its_default(name):
    settings = dict(budget="TINY", training=1000, batch=50, epochs=5, validation=200, test=50)
    settings |= dict(optimizer=name, rate=contenders.DEFAULTS[name], seed=0, network="dense")
    settings |= dict(averaged=name in contenders.AVERAGING)
    assert train(**complete(train, settings))["validation_accuracy"][-1] > 0.7
