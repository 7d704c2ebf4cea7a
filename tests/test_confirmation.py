"""What `confirm` trains, measures and says of a few rates."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from curves import RATES, result_of, sloping
from small_models import X, Y, arrays, by_hand, differences, linear, order_of_seed, surroundings

from lrguide.confirmation import compare
from lrguide.range_test import RangeTestResult


@order_of_seed
def test_confirm_names_the_tied_rates_with_paired_intervals():
    keras.utils.set_random_seed(5)
    model = linear()
    before = surroundings(model)
    confirmed = result_of(sloping()).confirm(
        model, **arrays(), rates=[50.0, 0.05, 0.0500001, 1e-4], steps=8, verbose=0
    )
    assert differences(before, surroundings(model)) == []
    assert confirmed.rates == (1e-4, 0.05, 0.0500001, 50.0) and confirmed.seeds == (0, 1, 2)
    losses = np.array(confirmed.losses)
    assert confirmed.best == confirmed.rates[np.argmin(losses.mean(axis=1))]
    assert 1e-4 not in confirmed.tied and 50.0 not in confirmed.tied
    assert np.isinf(losses[3]).all() or losses[3].min() > 1e3
    best = losses[confirmed.rates.index(confirmed.best)]
    difference = losses[0] - best
    half = 4.302653 * difference.std(ddof=1) / 3**0.5  # t of 2 degrees of freedom
    expected = difference.mean() - half, difference.mean() + half
    assert confirmed.intervals[0] == pytest.approx(expected, rel=1e-3)
    # The data came in the same order, so these are far closer than two seeds are.
    assert np.abs(losses[1] - losses[2]).max() < 1e-3 * np.ptp(losses[1])
    assert "mean loss of the last 2 batches after 8 steps, 3 seeds" in str(confirmed)


def test_confirm_measures_the_validation_loss_at_rates_around_the_suggestions_and_beyond():
    confirmed = result_of(sloping()).confirm(
        linear(run_eagerly=True), **arrays(), steps=3, verbose=0, seeds=[4, 5],
        validation_data=(X[:20], Y[:20]), shuffle=False,
    )  # fmt: skip
    found = result_of(sloping()).suggest()
    assert confirmed.rates[0] == pytest.approx(found["valley"].low / 3)
    assert confirmed.rates[4] == pytest.approx(found["minimum/10"].high * 3)
    expected = [by_hand([rate] * 3, validation=True)[-1] for rate in confirmed.rates]
    np.testing.assert_allclose(np.array(confirmed.losses)[:, 0], expected, rtol=1e-5)
    assert confirmed.untrained == pytest.approx([by_hand([0.0], validation=True)[0]] * 2, rel=1e-5)
    assert "validation loss after 3 steps, 2 seeds" in confirmed.measured
    # The highest of the five is the best of them, so that larger ones follow, by the same factor.
    assert np.argmin(expected[:5]) == 4 and 5 < len(expected) <= 9
    ratios = np.diff(np.log(confirmed.rates))
    np.testing.assert_allclose(ratios, ratios[0])
    assert confirmed.edge == ("highest" if np.argmin(expected) == 8 else "")


@pytest.mark.parametrize(("lowest", "best"), [(1.0, True), (1e6, False)])
def test_confirm_goes_on_below_the_lowest_rate_too_and_not_without_end(lowest, best):
    scale = lowest / (result_of(sloping()).suggest()["valley"].low / 3)
    confirmed = RangeTestResult(scale * RATES, sloping()[None], (0,)).confirm(
        linear(run_eagerly=True), **arrays(), steps=8, verbose=0, seeds=[4, 5]
    )
    assert list(confirmed.rates) == sorted(confirmed.rates)
    assert confirmed.rates[-5] == pytest.approx(lowest) and len(confirmed.rates) > 5
    assert (confirmed.best is not None) == best
    assert best or len(confirmed.rates) == 9


@pytest.mark.parametrize(
    ("rates", "edge", "told"),
    [
        ([1e-4, 1e-3], "highest", "This is the highest rate tried: a larger one may be better."),
        ([0.05, 5.0], "lowest", "This is the lowest rate tried: a smaller one may be better."),
        ([1e-3, 0.05, 5.0], "", None),
    ],
)
def test_confirm_says_where_the_best_of_the_given_rates_is_at_their_edge(rates, edge, told):
    confirmed = result_of(sloping()).confirm(
        linear(run_eagerly=True), **arrays(), rates=rates, steps=8, verbose=0, seeds=[4, 5]
    )
    assert confirmed.rates == tuple(rates) and confirmed.edge == edge
    assert told is None or told in str(confirmed).splitlines()
    assert told is not None or "rate tried" not in str(confirmed)


def test_a_confirmation_says_what_a_tie_means():
    runs = [[([loss], "") for loss in row] for row in ([1.0, 1.2, 0.9], [0.9, 1.3, 1.0], [3, 3, 3])]
    without = [([2.0 + i % 2 for i in range(20)], "")] * 3
    lines = str(compare([0.1, 0.2, 0.3], runs, without, 1, (0, 1, 2), "loss")).splitlines()
    assert lines[0] == "Lowest mean loss at 0.1 (loss; 3 without training)."
    assert lines[2] == (
        "Tied with it: 0.2. That is, 3 seeds cannot tell them apart; their losses may differ by as "
        "much as the intervals say."
    )
    assert lines[4] == "  0.2: loss 1.067, minus best -0.254 to +0.32"


@pytest.mark.parametrize("validation_data", [None, (X[:20], Y[:20])], ids=["batches", "held out"])
def test_confirm_calls_a_finite_loss_above_the_one_without_training_diverged(validation_data):
    confirmed = result_of(sloping()).confirm(
        linear("adam", run_eagerly=True), **arrays(), rates=[0.01, 100.0], steps=20, verbose=0,
        validation_data=validation_data, seeds=[4, 5],
    )  # fmt: skip
    assert confirmed.best == 0.01 and confirmed.tied == (0.01,)
    assert np.isinf(confirmed.losses[1]).all() and np.isfinite(confirmed.losses[0]).all()
    assert "  100: diverged with 2 of 2 seeds" in str(confirmed)


def test_confirm_says_when_every_rate_diverges():
    confirmed = result_of(sloping()).confirm(
        linear(run_eagerly=True), **arrays(), rates=[1e12, 1e13], steps=30, verbose=0
    )
    assert (confirmed.best, confirmed.tied, confirmed.intervals) == (None, (), ())
    assert str(confirmed).startswith("Every rate diverged")
