"""Models of several outputs: what `fit` cannot put together is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import sentence
from small_models import X, Y

from lrguide.fit_arguments import check_fit
from lrguide.range_test import lr_range_test

OUTPUTS: dict[str, Callable[[Any, Any], Any]] = {
    "one": lambda a, b: a,
    "a list": lambda a, b: [a, b],
    "a dict": lambda a, b: {"a": a, "b": b},
    "nested": lambda a, b: {"p": {"q": a}, "r": b},
}
LOSSES: list[Any] = ["mse", ["mse", "mae"]]
LOSSES += [{"a": "mse"}, {"a": "mse", "b": "mae"}, {"a": "mse", "z": "mae"}]
LOSSES += [{"p": {"q": "mse"}, "r": "mae"}]
TARGETS: list[Any] = [Y, [Y, Y], {"a": Y}, {"a": Y, "b": Y}, {"a": Y, "z": Y}]
TARGETS += [{"p": {"q": Y}, "r": Y}, {"p": Y, "r": Y}]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # where an output has no loss
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_structures_are_refused_where_fit_does_not_put_them_together(outputs, loss):
    taken = keras.Input((6,))
    a, b = (layers.Dense(1, name=name)(taken) for name in "ab")
    for y in TARGETS:
        model = keras.Model(taken, OUTPUTS[outputs](a, b))
        model.compile("sgd", loss, run_eagerly=True)
        data = dict(x=X, y=y, class_weight=None)
        try:
            check_fit("model", model, data, None)
        except ValueError:
            with pytest.raises(Exception):  # noqa: B017 (Keras' own, of many kinds)
                model.fit(X, y, verbose=0)
        else:
            model.fit(X, y, verbose=0)


def test_a_structure_that_does_not_fit_is_told_with_the_other_two():
    taken = keras.Input((6,))
    model = keras.Model(taken, {name: layers.Dense(1, name=name)(taken) for name in "ab"})
    model.compile("sgd", {"a": "mse", "b": "mse"})
    assert sentence(
        ValueError, lambda: lr_range_test(model, X, {"a": Y, "z": Y}, steps=20, verbose=0)
    ) == (
        "y and the losses must be named or ordered as the outputs of the model, "
        "{'a': ..., 'b': ...}, received {'a': ..., 'z': ...} and losses {'a': ..., 'b': ...}"
    )


@pytest.mark.parametrize(
    "text",
    [np.array(["a"] * 40), np.array([b"a"] * 40), np.array([["a"]] * 40, object)],
    ids=["str", "bytes", "objects"],
)
def test_text_that_fit_does_not_read_is_refused(text):
    taken = keras.Input((1,), dtype="string")
    numbers = layers.Hashing(9, output_mode="one_hot")(taken)
    model = keras.Model(taken, layers.Dense(1)(numbers))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Invalid dtype"):
        model.fit(text, Y, verbose=0)
    told = sentence(TypeError, lambda: lr_range_test(model, text, Y, steps=3, verbose=0))
    assert told.startswith("x must hold numbers, or text in a tensor of TensorFlow, received")
    same = tf.reshape(tf.constant(text.tolist()), (40, 1))
    assert lr_range_test(model, same, Y, steps=3, seeds=(0,), verbose=0).losses.shape == (1, 3)
