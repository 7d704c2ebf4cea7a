"""What the range test and its confirmation refuse, before anything begins."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from curves import FLAT, result_of
from refusals import Row, sentence, without_a_row
from small_models import (
    BRIEF,
    LABELS,
    Batches,
    X,
    Y,
    arrays,
    differences,
    linear,
    several,
    surroundings,
    uncompiled,
)

from lrguide import traceless
from lrguide.model_state import state_digest
from lrguide.range_test import RangeTestResult, lr_range_test


def frozen_whole() -> keras.Model:
    model = linear()
    model.trainable = False
    return model


def without_loss() -> keras.Model:
    model = uncompiled()
    model.compile("sgd")
    return model


def batched(*parts: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(parts).batch(8)


def generated(*parts: Any) -> Any:
    return (part for part in [parts])


POSITIVE = "must be a finite number above 0, received"
FROM_0 = "must be a finite number from 0, received"
NO_TARGETS = "must hold the targets where x is an array or several, received None"
FLOAT32 = "which is 0 or infinite in float32"
WHOLE = "must be a whole number above 0, received"
SET = "must be an array, several in a list, tuple or dict"
PAIR = "validation_data must be (x, y), (x, y, sample_weight) or a dataset, received"
LENGTHS = "samples must be equally many, received"
HUGE = f"{10**400}"[:60] + "..."
NO_LIST = "seeds must be a sequence of whole numbers, received"
SEEDS = "seeds must be at least one and all different, received"
WHAT = "ndarray of shape"
BUILD = "build must be a function without arguments that returns a new compiled model, received"
SEED = "every seed must be a whole number of at least 0, received"

WRONG = [
    # x
    (dict(x=None), "x must hold training data, received None"),
    (dict(x=X[:0], y=Y[:0]), "x must hold at least one sample, received none"),
    (dict(x=[], y=Y), "x must hold at least one sample, received none"),
    (dict(x=np.float32(3)), "x must have an axis of samples, received 3.0"),
    (dict(x=[X, X]), "x must hold 1 array, one for each input of the model, received 2"),
    (dict(x=X[:, :5]), "x must have shape (None, 6) for the input"),
    (
        dict(x=batched(X[:, :5], Y), y=None, batch_size=None),
        "x must have shape (None, 6) for the input",
    ),
    (dict(x={"a": X}), "x must hold the inputs ["),
    (
        dict(x={"a": X, "c": X}, y={"u": Y, "v": LABELS}, model=several),
        "x must hold the inputs ['a', 'b'], received ['a', 'c']",
    ),
    (
        dict(x=[X], y={"u": Y, "v": LABELS}, model=several),
        "x must hold 2 arrays, one for each input of the model, received 1",
    ),
    (dict(x=batched(X[:0], Y[:0]), y=None), "x must hold at least one sample, received none"),
    # y
    (dict(y=None), f"y {NO_TARGETS}"),
    (dict(x=(X, Y), y=None), f"y {NO_TARGETS}"),
    (dict(x=batched(X), y=None), f"y {NO_TARGETS}"),
    (dict(y=Y[:-1]), f"{LENGTHS} 40 in x and 39 in y"),
    (dict(y=tf.constant(Y[:-1])), f"{LENGTHS} 40 in x and 39 in y"),
    (dict(x=scipy.sparse.csr_matrix(X[1:])), f"{LENGTHS} 39 in x and 40 in y"),
    (
        dict(x={"a": X, "b": X[1:]}, y={"u": Y, "v": LABELS}, model=several),
        f"{LENGTHS} 40 in x and 39 in x and 40 in y",
    ),
    (dict(y=[Y, Y]), "y must hold 1 array, one for each output of the model, received 2"),
    (
        dict(x={"a": X, "b": X}, y=Y, model=several),
        "y must hold 2 arrays, one for each output of the model, received 1",
    ),
    *[
        (
            dict(x=x),
            f"y must be None, as x is a {kind} and holds it itself, received {WHAT} (40, 1)",
        )
        for x, kind in [(batched(X, Y), "_BatchDataset"), (Batches(), "Batches")]
    ],
    (
        dict(x=generated(X, Y), seeds=[0]),
        f"y must be None, as x is a generator and holds it itself, received {WHAT} (40, 1)",
    ),
    # sample_weight
    (dict(sample_weight=np.float32(0.5)), "sample_weight must have an axis of sam"),
    (dict(sample_weight=np.ones(39)), f"{LENGTHS} 40 in x and 40 in y and 39 in sample_weight"),
    *[
        (
            dict(sample_weight=make(np.where(np.arange(40) == 7, wrong, 1.0))),
            f"sample_weight must hold finite numbers, received {wrong} among them",
        )
        for make, wrong in [(np.array, np.nan), (np.array, np.inf), (tf.constant, np.nan)]
    ],
    (
        dict(x=batched(X, Y), y=None, sample_weight=np.ones(40)),
        (
            "sample_weight must be None, as x is a _BatchDataset and holds it itself, "
            f"received {WHAT} (40,)"
        ),
    ),
    *[
        (
            dict(x={"a": X, "b": X}, y={"u": Y, "v": LABELS}, sample_weight=w, model=several),
            (
                "sample_weight must be one weight per sample or of the structure of y, received "
                + told
            ),
        )
        for w, told in [
            (np.ones((40, 2)), f"{WHAT} (40, 2)"),
            ([np.ones(40)] * 2, "list of 2 for dict of 2"),
        ]
    ],
    # class_weight
    (
        dict(class_weight={0: 1.0}, sample_weight=np.ones(40)),
        "class_weight must be None beside sample_weight, received both",
    ),
    (
        dict(x=batched(X, Y, Y[:, 0]), y=None, class_weight={0: 1.0}),
        "class_weight must be None beside sample_weight, received both in x",
    ),
    (
        dict(x=batched(X, Y), y=None, class_weight={}),
        "class_weight must hold a class where x is a dataset, received {}",
    ),
    (
        dict(x=generated(X, Y), y=None, class_weight={0: 1.0}, seeds=[0]),
        "class_weight must be None where x is a generator, received {0: 1.0}",
    ),
    (
        dict(x={"a": X, "b": X}, y=[Y, LABELS], class_weight={0: 1.0}, model=several),
        "class_weight must be None where y is several, received it beside 2 in y",
    ),
    (
        dict(x=Batches(), y=None, class_weight={0: 1.0}, model=several),
        "class_weight must be None where a model has several outputs, received 2",
    ),
    (dict(y=None, class_weight={0: 1.0}), "class_weight must be None without y, received {0: 1.0}"),
    # validation_data
    (dict(validation_data=X), f"{PAIR} ndarray of length 40"),
    (dict(validation_data=[X]), f"{PAIR} list of length 1"),
    (dict(validation_data=(X,)), f"{PAIR} tuple of length 1"),
    (
        dict(validation_data=(None, None)),
        "x of validation_data must hold data to measure on, received None",
    ),
    (dict(validation_data=(X, None)), f"y of validation_data {NO_TARGETS}"),
    (
        dict(validation_data=(X[:0], Y[:0])),
        "x of validation_data must hold at least one sample, received none",
    ),
    (
        dict(validation_data=(X, Y[1:])),
        f"{LENGTHS} 40 in x of validation_data and 39 in y of validation_data",
    ),
    (
        dict(validation_data=([X, X], Y)),
        "x of validation_data must hold 1 array, one for each input of the model, received 2",
    ),
    (
        dict(validation_data=(X, Y, np.full(40, np.nan))),
        "sample_weight of validation_data must hold finite numbers, received nan among them",
    ),
    (
        dict(validation_data=generated(X, Y)),
        "validation_data must be readable more than once, received a generator",
    ),
    (
        dict(validation_data=batched(X, Y).repeat()),
        "validation_data must come to an end, received an endless dataset",
    ),
    # the rest of what `fit` takes
    (dict(batch_size=0), f"batch_size {WHOLE} 0"),
    (
        dict(batch_size=10**400),
        f"batch_size must be at most 9,223,372,036,854,775,807, received {HUGE}",
    ),
    *[
        (dict(verbose=verbose), f"verbose must be 0 or 1, received {told}")
        for verbose, told in [(2, "2"), ("auto", "'auto'"), (1.0, "1.0"), (X, f"{WHAT} (40, 6)")]
    ],
    # the model
    (dict(model=uncompiled), "model must be compiled with an optimizer, received it without"),
    (dict(model=without_loss), "model must be compiled with a loss, received loss"),
    (
        dict(model=frozen_whole),
        "model must have weights to train, received it without or all frozen",
    ),
    (
        dict(build=linear, model="cnn"),
        "model must be None when build makes the models, received 'cnn'",
    ),
    # seeds
    (dict(seeds=[-1]), f"{SEED} -1"),
    (dict(seeds=[2**32]), "every seed must be below 2**32, received 4294967296"),
    (dict(seeds=[]), f"{SEEDS} []"),
    (dict(seeds=[1, 1]), f"{SEEDS} [1, 1]"),
    (
        dict(x=generated(X, Y), y=None, seeds=[0, 1]),
        "seeds must be one, as x is a generator, received [0, 1]",
    ),
]
OF_ANOTHER_TYPE = [
    # x
    (dict(x=0.2), f"x {SET}, or a dataset, received 0.2"),
    (dict(x="images"), f"x {SET}, or a dataset, received 'images'"),
    (dict(x=[[1.0, 2.0]]), f"x {SET}, or a dataset, received [[1.0, 2.0]]"),
    (dict(x=iter([])), "x must be an array"),
    (dict(x=keras.Input((6,))), "x must be an array"),
    (
        dict(x=X.astype("datetime64[s]")),
        f"x must hold numbers, received {WHAT} (40, 6) and dtype datetime64[s]",
    ),
    # y
    (dict(y=0.2), f"y {SET}, received 0.2"),
    (dict(y=[1, 2]), f"y {SET}, received [1, 2]"),
    (dict(y=np.array(["cat"] * 40)), f"y must hold numbers, received {WHAT} (40,) and dtype str96"),
    (
        dict(y=tf.constant(["cat"] * 40)),
        "y must hold numbers, received EagerTensor of shape (40,) and dtype string",
    ),
    # sample_weight
    (dict(sample_weight=0.5), f"sample_weight {SET}, received 0.5"),
    (dict(sample_weight=[0.5] * 40), f"sample_weight {SET}, received [0.5, 0.5"),
    (
        dict(sample_weight=np.array(["1"] * 40)),
        f"sample_weight must hold numbers, received {WHAT} (40,) and dtype str32",
    ),
    (
        dict(sample_weight={"u": np.ones(40)}),
        "sample_weight must be an array, as y is, received a dict",
    ),
    # class_weight
    (dict(class_weight=[1, 2]), "class_weight must be a dict, received [1, 2]"),
    # validation_data
    (dict(validation_data=0.2), f"{PAIR} 0.2"),
    (dict(validation_data="test"), f"{PAIR} 'test'"),
    # the rest of what `fit` takes
    (dict(batch_size="8"), f"batch_size {WHOLE} '8'"),
    (dict(batch_size=True), f"batch_size {WHOLE} True"),
    (dict(shuffle="batch"), "shuffle must be True or False, received 'batch'"),
    (dict(shuffle=1), "shuffle must be True or False, received 1"),
    # the model
    (dict(model=None), "model must be a Keras model, received None"),
    (dict(model="cnn"), "model must be a Keras model, received 'cnn'"),
    (dict(build=3, model=None), f"{BUILD} 3"),
    (dict(build=linear(), model=None), f"{BUILD} <Sequential name=sequential"),
    (dict(build=lambda rate: linear(), model=None), f"{BUILD} <function"),
    # seeds
    (dict(seeds=3), f"{NO_LIST} 3"),
    (dict(seeds="12"), f"{NO_LIST} '12'"),
    (dict(seeds=b"12"), f"{NO_LIST} b'12'"),
    (dict(seeds=np.ones((2, 2), int)), f"{NO_LIST} {WHAT} (2, 2)"),
    (dict(seeds=[0.5]), f"{SEED} 0.5"),
    (dict(seeds=np.array([0.5, 1])), f"{SEED} 0.5"),
    (dict(seeds=[False, True]), f"{SEED} False"),
]
DATA: list[Row] = [
    *((given, ValueError, message) for given, message in WRONG),
    *((given, TypeError, message) for given, message in OF_ANOTHER_TYPE),
    *[
        (dict(class_weight={1: weight}), error, f"class_weight of class 1 {told}")
        for weight, error, told in [
            ("a", TypeError, f"{FROM_0} 'a'"),
            (True, TypeError, f"{FROM_0} True"),
            (np.nan, ValueError, f"{FROM_0} nan"),
            (-1, ValueError, f"{FROM_0} -1"),
            (10**400, ValueError, f"{FROM_0} {HUGE}"),
        ]
    ],
    *[
        (
            dict(class_weight={key: 1.0}),
            error,
            f"every class of class_weight must be a whole number of at least 0, received {key!r}",
        )
        for key, error in [
            ("cat", TypeError),
            (0.5, TypeError),
            (np.inf, TypeError),
            (-1, ValueError),
        ]
    ],
]
"""What `lr_range_test` and `confirm` refuse in the same words."""

SWEEP: list[Row] = [
    *[
        (dict([(name, value)]), error, f"{name} {told}")
        for name in ("min_rate", "max_rate")
        for value, error, told in [
            ("a", TypeError, f"{POSITIVE} 'a'"),
            (True, TypeError, f"{POSITIVE} True"),
            (X, TypeError, f"{POSITIVE} {WHAT} (40, 6)"),
            (0, ValueError, f"{POSITIVE} 0"),
            (-1.0, ValueError, f"{POSITIVE} -1.0"),
            (np.float32("nan"), ValueError, f"{POSITIVE} nan"),
            (float("inf"), ValueError, f"{POSITIVE} inf"),
            (10**400, ValueError, f"{POSITIVE} {HUGE}"),
            (10**5000, ValueError, f"{POSITIVE} int that cannot be printed"),
            (1e-50, ValueError, f"{POSITIVE} 1e-50, {FLOAT32}"),
            (1e39, ValueError, f"{POSITIVE} 1e+39, {FLOAT32}"),
        ]
    ],
    (
        dict(min_rate=0.2, max_rate=0.1),
        ValueError,
        "min_rate must be below max_rate, received 0.2 and 0.1",
    ),
    (
        dict(min_rate=0.1, max_rate=0.1 + 1e-9),
        ValueError,
        "min_rate and max_rate must leave room for 7 different rates in float32, "
        "received 0.1 and 0.100000001",
    ),
    (dict(steps=1), ValueError, "steps must be a whole number of at least 2, received 1"),
    (dict(steps=9.5), TypeError, "steps must be a whole number of at least 2, received 9.5"),
    (dict(steps=10**30), ValueError, f"steps must be at most 1,000,000, received {10**30}"),
    *[
        (dict(sweep=sweep), ValueError, f"sweep must be 'exponential' or 'linear', received {told}")
        for sweep, told in [("cosine", "'cosine'"), (None, "None"), (X, f"{WHAT} (40, 6)")]
    ],
    (dict(stop_factor=1), ValueError, "stop_factor must be a finite number above 1, received 1"),
    (
        dict(stop_factor=True),
        TypeError,
        "stop_factor must be a finite number above 1, received True",
    ),
]

CONFIRM: list[Row] = [
    *[
        (dict(rates=rates), ValueError, f"rates must be at least 2, all different, received {told}")
        for rates, told in [
            ([0.1], "[0.1]"),
            ([], "[]"),
            ([0.1, 0.1], "[0.1, 0.1]"),
            ([0.1, 0.1 + 1e-12], "[0.1, 0.10000000000100001]"),
        ]
    ],
    *[
        (dict(rates=rates), TypeError, f"rates must be a sequence of numbers, received {told}")
        for rates, told in [(0.1, "0.1"), ("0.1", "'0.1'"), (X, f"{WHAT} (40, 6)")]
    ],
    (dict(rates=[0.1, -1]), ValueError, f"every rate {POSITIVE} -1"),
    (dict(rates=[0.1, True]), TypeError, f"every rate {POSITIVE} True"),
    (dict(rates=[0.1, 1e39]), ValueError, f"every rate {POSITIVE} 1e+39, {FLOAT32}"),
    (dict(steps=0), ValueError, f"steps {WHOLE} 0"),
    (dict(steps=10**30), ValueError, f"steps must be at most 1,000,000, received {10**30}"),
    (dict(seeds=[1]), ValueError, "seeds must be at least 2 to pair the rates, received [1]"),
    (
        dict(rates=None),
        ValueError,
        "there is no suggestion to confirm, so rates must be given: not enough evidence: "
        "0 of 1 seeds answer (the loss does not fall)",
    ),
]


def lets_nothing_begin(call: Callable[..., Any], changed: dict[str, Any], row: Row, patch: Any):
    """The model is untouched; the message is the row's, or begins so where a name is random."""
    keras.utils.set_random_seed(5)
    model = changed["model"]() if callable(changed["model"]) else changed["model"]
    compiled = getattr(model, "compiled", False)
    digested = compiled and "unbuilt" not in row[2]  # which has no digest
    before = surroundings(model) if compiled else {}, state_digest(model) if digested else ""
    patch.setattr(traceless, "own_randomness", None)  # where TensorFlow is first touched
    found = sentence(row[1], lambda: call(**{**changed, "model": model}))
    assert found.startswith(row[2]) and ("received" in found or "rates must be given" in found)
    if compiled:
        assert differences(before[0], surroundings(model)) == []
        assert not digested or state_digest(model) == before[1]


@pytest.mark.parametrize("row", DATA + SWEEP, ids=lambda row: f"{row[2][:70]}")
def test_the_range_test_refuses_a_bad_argument_before_anything_begins(row, monkeypatch):
    given = {**arrays(), **BRIEF, "model": linear, **row[0]}
    lets_nothing_begin(lr_range_test, given, row, monkeypatch)


# The checks of the data are the same: one row for each argument shows that they are made. A
# generator has one seed only, which `confirm` does not take.
CONFIRM += {
    "".join(row[0]): row
    for row in reversed(DATA)
    if not isinstance(row[0].get("x"), types.GeneratorType)
}.values()


@pytest.mark.parametrize("row", CONFIRM, ids=lambda row: f"{row[2][:70]}")
def test_confirm_refuses_a_bad_argument_before_anything_begins(row, monkeypatch):
    given = {**arrays(), "model": linear, "rates": [0.1, 0.2], "seeds": [0, 1], "verbose": 0}
    lets_nothing_begin(result_of(FLAT).confirm, {**given, **row[0]}, row, monkeypatch)


@pytest.mark.parametrize(
    ("function", "rows"),
    [(lr_range_test, DATA + SWEEP), (RangeTestResult.confirm, CONFIRM)],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_each_parameter_has_a_bad_argument_above(function, rows):
    assert without_a_row(function, rows) == []
