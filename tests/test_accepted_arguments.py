"""What the range test takes as `fit` does."""

from __future__ import annotations

from array import array

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers
from small_models import BRIEF, LABELS, X, Y, classifier, linear, momentum, several, small

from lrguide.fit_arguments import checked_seeds
from lrguide.range_test import RangeTestResult, lr_range_test


@pytest.mark.parametrize(
    "seeds",
    [
        np.arange(2),
        range(2),
        (0, 1),
        np.array([0, 1], "uint8"),
        [np.int64(0), 1],
        array("i", [0, 1]),
    ],
    ids=lambda seeds: type(seeds).__name__,
)
def test_seeds_are_any_sequence_of_integers(seeds):
    assert checked_seeds(seeds, X) == (0, 1)
    assert RangeTestResult([0.1, 1.0], np.ones((2, 2)), seeds).seeds == (0, 1)


def test_numpy_s_numbers_serve_as_python_s_do(capsys):
    numbers = dict(min_rate=np.float32(1e-4), max_rate=np.int64(1), steps=np.int32(3))
    more = dict(batch_size=np.int64(16), stop_factor=np.float64(4), seeds=np.arange(1))
    model = classifier()
    result = lr_range_test(
        model, X, LABELS, **numbers, **more, shuffle=np.True_, verbose=np.False_,
        class_weight={np.int64(0): np.float32(0.0), 1: np.int64(2)},
    )  # fmt: skip
    assert result.losses.shape == (1, 3) and capsys.readouterr().out == ""
    confirmed = result.confirm(
        model, X, LABELS, rates=np.array([0.1, 1.0]), steps=np.int64(1), seeds=range(2),
        verbose=True,
    )  # fmt: skip
    assert confirmed.rates == (0.1, 1.0) and "6/6" in capsys.readouterr().out


def regularised(built: bool = True) -> keras.Model:
    penalties = dict(kernel_regularizer="l2", activity_regularizer="l2" if built else None)
    dense = layers.Dense(1, use_bias=built, **penalties)
    model = keras.Sequential([keras.Input((6,)), dense] if built else [dense])
    model.compile("sgd")
    return model


def unsorted_inputs() -> keras.Model:
    """Its inputs are of two widths, and named in an order that is not the alphabet's."""
    inputs = {"b": keras.Input((6,), name="b"), "a": keras.Input((2,), name="a")}
    joined = layers.Concatenate()([inputs["a"], inputs["b"]])
    model = keras.Model(inputs, layers.Dense(1)(joined))
    model.compile("sgd", "mse")
    return model


class OwnLoss(keras.Model):
    """Two parts of the targets for one output."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean((y["t"] - y_pred) ** 2 * keras.ops.abs(y["w"]))


def own_compute_loss() -> keras.Model:
    inputs = keras.Input((6,))
    model = OwnLoss(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (regularised, dict(x=X)),
        (lambda: small(momentum(), built=False), dict(x=X, y=Y[:, 0])),
        (linear, dict(x=X[..., None], y=[Y])),
        (linear, dict(x=scipy.sparse.csr_matrix(X), y=Y)),
        (linear, dict(x=tf.constant(X), y=tf.constant(Y), sample_weight=tf.ones((40, 1)))),
        (linear, dict(x=X, y=Y, sample_weight=-np.ones(40))),
        (several, dict(x={"a": X, "b": X}, y={"u": Y, "v": LABELS}, sample_weight=np.ones(40))),
        (classifier, dict(x=X, y=LABELS, class_weight={})),
        (classifier, dict(x=X, y=LABELS, class_weight={0.0: np.array(1.0), True: 2.0})),
        (linear, dict(x=X, y=Y, validation_data=[X, Y])),
        (unsorted_inputs, dict(x={"b": X, "a": X[:, :2]}, y=Y)),
        (unsorted_inputs, dict(x={"a": X[:, :2], "b": X}, y=Y)),
        (own_compute_loss, dict(x=X, y={"t": Y, "w": Y})),
        (lambda: regularised(built=False), dict(x=X)),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_fit_takes_is_accepted(model, given):
    losses = lr_range_test(model(), **given, **{**BRIEF, "steps": 2, "seeds": [0]}).losses
    assert np.isfinite(losses).all()
