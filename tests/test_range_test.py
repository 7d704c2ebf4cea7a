"""The range test: what it sweeps, and what can be done with its result."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from curves import FLAT, RATES, result_of, sloping
from keras import layers
from matplotlib.figure import Figure
from refusals import Row, sentence, without_a_row
from small_models import (
    BRIEF,
    Batches,
    X,
    Y,
    arrays,
    by_hand,
    linear,
    momentum,
    order_of_seed,
    plant,
    python,
    small,
)

from lrguide import rules
from lrguide.data import mnist_subset
from lrguide.model import article_cnn
from lrguide.model_state import state_digest
from lrguide.range_test import RangeTestResult, lr_range_test

# What is swept: rates and losses against plain NumPy.


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_an_exponential_sweep_has_these_rates_and_losses_of_single_batches(eager):
    compiled = dict(run_eagerly=True) if eager else dict(steps_per_execution=3)
    model = linear(**compiled, metrics=["mae"])
    result = lr_range_test(model, **arrays(), **BRIEF, shuffle=False)
    rates = [1e-4 * 1000 ** (i / 6) for i in range(7)]
    np.testing.assert_allclose(result.rates, rates, rtol=1e-12)
    np.testing.assert_allclose(result.losses, [by_hand(rates)] * 2, rtol=1e-5)
    assert (result.seeds, result.monitor, result.stopped) == ((0, 1), "loss", ("", ""))


def test_a_linear_sweep_has_these_rates_and_losses():
    model = linear(run_eagerly=True)
    result = lr_range_test(model, **arrays(), **BRIEF, shuffle=False, sweep="linear")
    rates = [1e-4 + (0.1 - 1e-4) * i / 6 for i in range(7)]
    np.testing.assert_allclose(result.rates, rates, rtol=1e-12)
    np.testing.assert_allclose(result.losses, [by_hand(rates)] * 2, rtol=1e-5)


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
    keras.utils.set_random_seed(5)
    model = small(momentum(), run_eagerly=True)
    first = lr_range_test(model, **arrays(), **BRIEF)
    random.seed(8)
    np.random.seed(8)
    tf.random.set_seed(8)
    second = lr_range_test(model, **arrays(), **BRIEF)
    assert np.array_equal(first.losses, second.losses)


@order_of_seed
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


# Keras' own NumPy backend runs in a process of its own. It imports JAX and SciPy, which are not
# installed here, but nothing below uses them: anything will do in their place.
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
    refusal = "the range test needs Keras on TensorFlow, JAX or PyTorch, received 'numpy'"
    assert run.stdout.splitlines() == [*4 * [refusal], "False"], run.stderr


def test_on_digits_the_range_is_that_of_everyday_use():
    keras.utils.set_random_seed(5)
    digits = mnist_subset().first(600, 1, 1)
    model = article_cnn()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    digest = state_digest(model)
    result = lr_range_test(
        model, digits.x_train, digits.y_train, batch_size=25, steps=50, max_rate=1.0,
        seeds=[0, 1], verbose=0,
    )  # fmt: skip
    assert state_digest(model) == digest
    found = result.suggest()
    for rule in ("minimum/10", "valley"):
        assert 1e-5 < found[rule].low <= found[rule].high < 1e-2, str(found[rule])


# What is done with a result.


def test_a_printed_result_says_what_was_swept_and_what_each_rule_suggests():
    result = result_of(sloping(), sloping(0.2))
    first, *lines = str(result).split("\n")
    assert first == "Rates from 1e-06 to 10 in 211 steps, 2 seeds, loss of each batch:"
    assert lines == [f"  {suggestion}" for suggestion in result.suggest().values()]
    alone = result_of(sloping(), monitor="val_loss")
    assert "211 steps, 1 seed, validation loss:" in str(alone)
    assert "(one seed, its spread is unknown); a tenth" in str(alone)


def test_a_printed_result_without_suggestion_says_why_once():
    assert str(result_of(FLAT, FLAT)).split("\n")[1:] == [
        "  not enough evidence: 0 of 2 seeds answer (the loss does not fall)"
    ]


def test_plot_draws_band_median_and_suggestions_over_a_logarithmic_axis():
    ax = Figure().add_subplot()
    blown_up = np.where(RATES > 5, 20.0, sloping())
    stopped = np.where(RATES > 1, np.nan, sloping(0.1))
    result = result_of(blown_up, stopped, monitor="val_loss")
    assert result.plot(ax, rules=("minimum/10", "steepest")) is ax
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "validation loss")
    rate = result.suggest()["minimum/10"].rate
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "median of 2 seeds" in labels and f"minimum/10: {rate:.2g}" in labels
    low, high = ax.get_ylim()
    assert low < 0.5 and 2 < high < 10  # 20 would flatten the rest
    ax.figure.canvas.draw()


def test_a_result_without_suggestion_is_drawn_too():
    ax = result_of(FLAT).plot(Figure().add_subplot())
    assert len(ax.get_lines()) == 1


def test_csv_and_dict_hold_everything(tmp_path):
    short = np.where(RATES > 1, np.nan, sloping())
    result = result_of(short, sloping(), stopped=("diverged", ""))
    result.to_csv(tmp_path / "sweep.csv")
    with open(tmp_path / "sweep.csv", newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["rate", "loss (seed 0)", "loss (seed 1)"]
    table = np.array([[float(cell or "nan") for cell in line] for line in lines])
    assert np.array_equal(table, np.column_stack([RATES, short, sloping()]), equal_nan=True)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["rates"] == RATES.tolist() and plain["stopped"] == ["diverged", ""]
    assert plain["losses"][0][-1] is None and plain["losses"][1] == sloping().tolist()


SENSELESS = [
    (dict(seeds=(0, 1)), "losses must have a row per seed and a column per rate, (2, 2)"),
    (dict(seeds=()), "seeds must be at least one and all different, received []"),
    (dict(monitor="accuracy"), "monitor must be 'loss' or 'val_loss', received 'accur"),
    (dict(monitor=X), "monitor must be 'loss' or 'val_loss', received ndarray of shape (40, 6)"),
    (dict(stopped=("", "")), "stopped must hold a text per seed or none, received ('"),
    (dict(stopped=(None,)), "stopped must hold a text per seed or none, received ("),
]
OF_ANOTHER_TYPE = [
    (dict(seeds=None), "seeds must be a sequence of whole numbers, received None"),
    (dict(seeds=1), "seeds must be a sequence of whole numbers, received 1"),
    (dict(seeds=(True,)), "every seed must be a whole number of at least 0, received True"),
    (dict(stopped="diverged"), "stopped must be a sequence of reasons, received 'div"),
]
MADE: list[Row] = [
    *((given, ValueError, message) for given, message in SENSELESS),
    *((given, TypeError, message) for given, message in OF_ANOTHER_TYPE),
    *[
        (dict(rates=rates), error, told)
        for rates, error, told in [
            ([2.0, 1.0], ValueError, "rates must grow, received 1.0 after 2.0"),
            ([1.0, 1.0], ValueError, "rates must grow, received 1.0 after 1.0"),
            ([0.0, 1.0], ValueError, "rates must be finite numbers above 0, received 0"),
            ([-1.0, 1.0], ValueError, "rates must be finite numbers above 0, received -1"),
            ([1.0, np.nan], ValueError, "rates must be finite numbers above 0, received nan"),
            ([1.0, np.inf], ValueError, "rates must be finite numbers above 0, received inf"),
            ([], ValueError, "rates must be one row of at least one, received shape (0,)"),
            (0.1, ValueError, "rates must be one row of at least one, received shape ()"),
            (
                [[1.0, 2.0]],
                ValueError,
                "rates must be one row of at least one, received shape (1, 2",
            ),
            (
                [[1.0], [1.0, 2.0]],
                ValueError,
                "rates must have rows of one length, received [[1.0]",
            ),
            (["0.1", "1"], TypeError, "rates must be numbers, received ['0.1', '1']"),
            ([False, True], TypeError, "rates must be numbers, received [False, True]"),
            (None, TypeError, "rates must be numbers, received None"),
        ]
    ],
    *[
        (dict(losses=losses), error, told)
        for losses, error, told in [
            (
                [1.0, 2.0],
                ValueError,
                "losses must have a row per seed and a column per rate, (1, 2)",
            ),
            ([], ValueError, "losses must have a row per seed and a column per rate, (1, 2), rece"),
            ([[1.0], [1.0, 2]], ValueError, "losses must have rows of one length, received [[1.0]"),
            ([["a", "b"]], TypeError, "losses must be numbers, received [['a', 'b']]"),
            ([[1j, 2]], TypeError, "losses must be numbers, received [[1j, 2]]"),
            (None, TypeError, "losses must be numbers, received None"),
        ]
    ],
]


@pytest.mark.parametrize("row", MADE, ids=lambda row: f"{row[2][:70]}")
def test_a_result_that_makes_no_sense_is_refused(row):
    good = dict(rates=[0.1, 1.0], losses=[[2.0, 1.0]], seeds=(0,))
    found = sentence(row[1], lambda: RangeTestResult(**{**good, **row[0]}))
    assert found.startswith(row[2]) and "received" in found


NAMES = " or ".join(repr(rule.name) for rule in rules.RULES)
PLOT: list[Row] = [
    (dict(rules=["slide"]), ValueError, f"rules must be {NAMES}, received 'slide'"),
    (dict(rules=[["valley"]]), ValueError, f"rules must be {NAMES}, received ['valley"),
    (dict(rules="valley"), TypeError, "rules must be a sequence of names, received 'valley'"),
    (dict(rules=None), TypeError, "rules must be a sequence of names, received None"),
    (dict(ax=3), TypeError, "ax must be axes of matplotlib, received 3"),
    (dict(ax=Figure()), TypeError, "ax must be axes of matplotlib, received <Figure size 640x480"),
]
CSV: list[Row] = [
    (dict(path=3), TypeError, "path must be a path, received 3"),
    (dict(path=None), TypeError, "path must be a path, received None"),
]


@pytest.mark.parametrize(
    ("method", "row"),
    [*(("plot", row) for row in PLOT), *(("to_csv", row) for row in CSV)],
    ids=lambda part: f"{part[-1][:40]}",
)
def test_what_a_result_cannot_do_is_refused(method, row):
    found = sentence(row[1], lambda: getattr(result_of(FLAT), method)(**row[0]))
    assert found.startswith(row[2])


@pytest.mark.parametrize(
    ("function", "rows"),
    [
        (RangeTestResult, MADE),
        (RangeTestResult.plot, PLOT),
        (RangeTestResult.to_csv, CSV),
        (RangeTestResult.suggest, []),
        (RangeTestResult.to_dict, []),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_each_parameter_has_a_bad_argument_above(function, rows):
    assert without_a_row(function, rows) == []


def test_a_result_made_of_lists_holds_arrays():
    result = RangeTestResult([0.1, 1], [[2, float("inf")]], [np.int64(7)], stopped=["ended"])
    assert result.rates.dtype == result.losses.dtype == np.float64
    np.testing.assert_array_equal(result.losses, [[2.0, np.nan]])
    assert (result.seeds, result.stopped) == ((7,), ("ended",))


@pytest.mark.parametrize("rates", [[0.1], RATES], ids=["one step", "many"])
def test_a_result_without_a_finite_loss_still_answers(rates, tmp_path):
    result = RangeTestResult(rates, np.full((2, len(rates)), np.nan), (0, 1))
    assert "not enough evidence: 0 of 2 seeds answer (only 0 steps" in str(result)
    axes = result.plot(Figure().add_subplot())
    axes.figure.canvas.draw()
    assert result.to_dict()["losses"] == [[None] * len(rates)] * 2
    result.to_csv(tmp_path / "sweep.csv")
    assert (tmp_path / "sweep.csv").read_text().splitlines()[1].endswith(",,")
    refusal = sentence(ValueError, lambda: result.confirm(linear(), X, Y))
    assert refusal.startswith("there is no suggestion to confirm, so rates must be given")


def test_a_sweep_that_broke_off_says_so_where_no_rule_answers():
    losses = np.array([[2.3, *[np.nan] * 99]])
    stopped = ("loss not finite at step 1",)
    result = RangeTestResult(np.geomspace(1e-5, 1, 100), losses, (7,), stopped=stopped)
    told = str(result).splitlines()[1:]
    assert told == [
        "  not enough evidence: 0 of 1 seeds answer (only 1 step, fewer than 20)",
        "  stopped: loss not finite at step 1 (seed 7)",
    ]
    assert repr(result) == str(result)


# Planted faults: each must be caught by the check beside it.


def exponential() -> None:
    test_an_exponential_sweep_has_these_rates_and_losses_of_single_batches(eager=True)


def accumulated() -> None:
    test_under_gradient_accumulation_a_step_is_an_update(trained=False)


def swept_twice() -> None:
    """The model is compiled, since an eager one is put back as a whole before each sweep."""
    result = lr_range_test(linear(), **arrays(), **BRIEF, shuffle=False)
    np.testing.assert_allclose(*result.losses, rtol=1e-5)


def not_finite() -> None:
    test_a_sweep_ends_when_the_loss_does(1e15, "loss not finite at step")


FAULTS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "the sweep one step short": ("(low, high, steps)", "(low, high, steps + 1)[:-1]", exponential),
    "the running mean for the batch's loss": (
        "        self.rate.assign(rate)\n        self.model.reset_metrics()\n",
        "        self.rate.assign(rate)\n",
        accumulated,
    ),
    "a seed goes on where the one before ended": (
        "        model = self.model\n        self.state.put_back_values()\n",
        "        model = self.model\n",
        swept_twice,
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
        " and len(parts) < self.each and",
        " and len(parts) < 1 and",
        accumulated,
    ),
    "a loss that is not finite recorded": (
        "        if math.isfinite(loss):\n            losses.append(loss)",
        "        if True:\n            losses.append(loss)",
        not_finite,
    ),
}


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=order_of_seed if "order" in name else ()) for name in FAULTS]
)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    old, new, check = FAULTS[fault]
    plant(old, new, globals(), monkeypatch)
    with pytest.raises((AssertionError, ValueError)):  # the sweep's own check raises the second
        check()
