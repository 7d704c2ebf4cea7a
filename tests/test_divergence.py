"""When a sweep is called diverged: never for the noise of its batches, soon for a real rise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from lrguide.range_test import RangeTestResult, lr_range_test
from lrguide.traceless import noise
from tests.bench.divergence import by_ratio, simulated, stop

RECORDS = Path(__file__).parents[1] / "docs" / "records"


def test_at_most_one_in_a_hundred_quiet_sweeps_is_called_diverged():
    sweeps = [losses for _, losses in simulated(500)]
    # Noise alone makes the ratio stop them.
    assert sum(stop(losses, by_ratio) is not None for losses in sweeps) > 150
    assert sum(stop(losses) is not None for losses in sweeps) <= 5


@pytest.mark.parametrize("growth", [0.7, 1.5, 3.0])
@pytest.mark.parametrize("onset", [25, 60])
@pytest.mark.parametrize("batch", [1, 4, 64])
def test_a_loss_that_grows_without_end_is_stopped_within_ten_steps_of_the_ratio(
    batch, onset, growth
):
    numbers = np.random.default_rng(7)
    rise = np.exp(growth * np.maximum(np.arange(100.0) - onset, 0))
    for _ in range(10):
        losses = numbers.chisquare(1, (100, batch)).mean(axis=1) * rise
        expected, found = stop(losses, by_ratio, onset + round(2 / growth)), stop(losses)
        assert onset <= found <= expected + 10


def test_every_stored_sweep_ends_at_the_step_where_it_was_stopped():
    stopped = 0
    for path in sorted(RECORDS.glob("sweep_*.json")):
        for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
            losses = [loss for loss in run["result"]["sweep_losses"] if loss is not None]
            diverged = run["result"]["stopped"].startswith("diverged")
            assert stop(losses) == (len(losses) - 1 if diverged else None), run["settings"]
            stopped += diverged
    assert stopped >= 90


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=60),
    st.integers(-(10**6), 10**6),
    st.integers(1, 1000),
)
def test_noise_scales_with_the_loss_and_knows_no_level(losses, offset, scale):
    assert noise([scale * loss + offset for loss in losses]) == scale * noise(losses)


def test_a_few_large_batches_are_not_the_noise():
    assert noise([1.0, 2.0] * 30 + [100.0, 1.0]) == 1
    assert noise([3.0, 3.0, 3.0]) == 0
    assert noise([1.0, 3.0]) == 2


X = np.random.default_rng(0).normal(size=(2000, 4)).astype("float32")
Y = X.sum(1, keepdims=True) + np.random.default_rng(1).normal(size=(2000, 1)).astype("float32") / 2
QUIET = dict(batch_size=2, min_rate=1e-30, max_rate=1e-20, verbose=0)


def regression(loss: Any = "mse", optimizer: Any = "sgd") -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


def test_where_nothing_moves_nothing_diverges():
    result = lr_range_test(regression(), X, Y, **QUIET)
    assert result.stopped == ("", "", "") and np.isfinite(result.losses).all()
    assert all(suggestion.rate is None for suggestion in result.suggest().values())


@pytest.mark.parametrize("validation_data", [None, (X[:500], Y[:500])], ids=["batches", "held out"])
def test_where_nothing_moves_all_rates_of_a_confirmation_are_equal(validation_data):
    result = RangeTestResult(np.array([1e-30, 1e-20]), np.ones((1, 2)), (0,))
    confirmed = result.confirm(
        regression(), X, Y, rates=[1e-30, 1e-29], steps=30, batch_size=1, verbose=0,
        validation_data=validation_data,
    )  # fmt: skip
    assert confirmed.losses == (confirmed.untrained,) * 2
    assert confirmed.tied == (1e-30, 1e-29) and confirmed.edge == ""
    assert confirmed.intervals == ((0.0, 0.0), (0.0, 0.0))


def suggested(offset: float) -> Any:
    def loss(true: Any, predicted: Any) -> Any:
        return keras.ops.mean((true - predicted) ** 2) + offset

    model = regression(loss, keras.optimizers.Adam())
    result = lr_range_test(model, X, Y, batch_size=32, seeds=[0, 1], verbose=0)
    return {rule: suggestion.rate for rule, suggestion in result.suggest().items()}


def test_a_loss_with_an_offset_gets_the_same_suggestions():
    plain = suggested(0.0)
    for offset in (30.0, 1000.0, -5.0):
        moved = suggested(offset)
        for rule in ("minimum/10", "valley", "steepest"):
            assert moved[rule] == pytest.approx(plain[rule], rel=0.2), (offset, rule)
