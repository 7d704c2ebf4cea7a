"""The range test: what it sweeps, what it suggests, what it refuses."""

from __future__ import annotations

import csv
import itertools
import json
import tracemalloc
import types
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from matplotlib.figure import Figure
from refusals import Row, sentence, without_a_row
from test_traceless import (
    BRIEF,
    LABELS,
    Batches,
    X,
    Y,
    arrays,
    by_hand,
    classifier,
    differences,
    linear,
    momentum,
    plant,
    several,
    small,
    surroundings,
    uncompiled,
)

from lrguide import rules, traceless
from lrguide.confirmation import compare
from lrguide.data import mnist_subset
from lrguide.fit_arguments import check_fit, checked_seeds
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


# What is suggested, on curves whose answers are known.


RATES = np.geomspace(1e-6, 10, 211)


def sloping(shift: float = 0.0) -> Any:
    """Falls from 2 at a rate of 1e-4 to 0.5 at 1e-1, straight over log(rate), and rises again."""
    log = np.log10(RATES) - shift
    return np.interp(log, [-4, -1, 2], [2.0, 0.5, 2.0])


def falling_from_the_first_step() -> Any:
    return np.interp(np.log10(RATES), [-6, -1, 2], [2.0, 0.5, 2.0])


def falling() -> Any:
    """Falls fastest at a rate of 1e-3 and is lowest near 1e-1."""
    log = np.log10(RATES)
    return 2 - 1.5 / (1 + np.exp(-3 * (log + 3))) + np.where(log > -1, 20 * (log + 1) ** 2, 0)


def result_of(*rows: Any, **more: Any) -> RangeTestResult:
    return RangeTestResult(RATES[: len(rows[0])], np.array(rows), tuple(range(len(rows))), **more)


# The words of a rule's text, as the rate that they name on a curve of which all is known.
SHARES = {"a tenth": 0.1, "a third": 1 / 3, "half": 0.5, "nine tenths": 0.9}
LOWEST, FALLS = "of the rate where the smoothed loss is lowest", "of the loss's whole fall ha"
MEANT: dict[str, Callable[[float], float]] = {
    LOWEST: lambda share: share * 1e-1,  # of `sloping`
    FALLS: lambda share: 10 ** (-4 + 3 * share),  # it falls over three decades
    "falls fastest": lambda share: 1e-3,  # of `falling`
    "about the middle of the longest fall": lambda share: 10**-3.5,  # of one from 1e-6 to 1e-1
}
# For each rule the curve that it is tried on, and how far smoothing may move its answer.
CASES = {
    "minimum/10": (sloping, 1.1),
    "valley": (falling_from_the_first_step, 1.3),
    "steepest": (falling, 1.1),
    "cyclical minimum": (sloping, 1.3),
    "cyclical maximum": (sloping, 1.7),  # smoothing rounds the corner
}


def rate_in_words(text: str) -> float:
    [share] = [part for words, part in SHARES.items() if words in text] or [1.0]
    [meant] = [rate for words, rate in MEANT.items() if words in text]
    return meant(share)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_the_rate_that_its_text_names(rule):
    curve, factor = CASES[rule.name]
    suggestion = result_of(curve()).suggest()[rule.name]
    assert 1 / factor < suggestion.rate / rate_in_words(rule.text) < factor
    assert rule.text in suggestion.reason
    scaled = result_of(1000 * curve()).suggest()[rule.name]
    assert scaled.rate == pytest.approx(suggestion.rate)


def test_each_rule_has_a_case_here_and_an_entry_on_its_page():
    assert [*CASES] == [rule.name for rule in rules.RULES]
    page = Path(__file__).parents[1].joinpath("docs", "range_test.py").read_text(encoding="utf-8")
    assert [rule.name for rule in rules.RULES if rule.name not in page] == []
    documented = RangeTestResult.suggest.__doc__
    assert [rule.name for rule in rules.RULES if f"`{rule.name}`" not in documented] == []


@pytest.mark.parametrize(
    ("share", "named"),
    [("a third", "minimum/2"), ("half", "minimum/3"), ("a tenth", "minimum/2")],
)
def test_a_rule_that_does_other_than_its_text_says_is_caught(share, named, monkeypatch):
    divisor = int(named[-1])
    wrong = rules.Rule(named, f"{share} {LOWEST}", lambda fall: fall.rates[-1] / divisor)
    monkeypatch.setattr(rules, "RULES", (wrong,))
    with pytest.raises(AssertionError):
        test_each_rule_has_a_case_here_and_an_entry_on_its_page()
    monkeypatch.setitem(CASES, named, (sloping, 1.1))
    with pytest.raises(AssertionError):
        test_a_rule_finds_the_rate_that_its_text_names(wrong)


def test_noise_does_not_move_the_minimum_much():
    noise = np.random.default_rng(3).normal(scale=0.1, size=(9, len(RATES)))
    suggestion = result_of(*(sloping() + noise)).suggest()["minimum/10"]
    assert 1e-2 / 2 < suggestion.low <= suggestion.rate <= suggestion.high < 1e-2 * 2


def test_a_suggestion_is_an_interval_over_the_seeds_with_its_reason():
    suggestion = result_of(sloping(-0.2), sloping(), sloping(0.2)).suggest()["minimum/10"]
    assert suggestion.by_seed == tuple(sorted(suggestion.by_seed))
    assert (suggestion.low, suggestion.rate, suggestion.high) == pytest.approx(suggestion.by_seed)
    assert str(suggestion) == (
        f"minimum/10: {suggestion.rate:.2g} ({suggestion.low:.2g} to {suggestion.high:.2g} over "
        "3 seeds); a tenth of the rate where the smoothed loss is lowest"
    )


FLAT = np.full(len(RATES), 2.0)
NOISE = 2 + np.random.default_rng(0).normal(size=len(RATES))
# It rises within the first tenth of the steps, whose median is where a fall would start from.
LOWEST_FIRST = np.minimum(3.0, 1 + np.arange(len(RATES)) / 5)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([FLAT], "0 of 1 seeds answer (the loss does not fall)"),
        ([NOISE], "which its noise explains"),
        ([np.linspace(2, 1, len(RATES))], "the loss still falls at the largest rate 10"),
        ([LOWEST_FIRST], "the loss is lowest at the smallest rate 1e-06"),
        ([np.linspace(2, 1, 19)], "only 19 steps, fewer than 20"),
        ([np.full(len(RATES), np.nan)], "only 0 steps, fewer than 20"),
        ([sloping(), FLAT], "1 of 2 seeds answer"),
        ([sloping(-1.5), sloping(1)], "the seeds say 0.00032 to 0.1, too far apart"),
    ],
    ids=["flat", "noise", "falling", "lowest first", "short", "never finite", "half", "far apart"],
)
def test_not_enough_evidence_is_an_answer(rows, reason):
    found = result_of(*rows).suggest()
    for suggestion in found.values():
        assert (suggestion.rate, suggestion.low, suggestion.high) == (None, None, None)
        assert suggestion.reason.startswith("not enough evidence: ")
    assert reason in found["minimum/10"].reason


NOISY = np.random.default_rng(3).normal(scale=0.1, size=(3, len(RATES)))
CURVES = [sloping(), falling(), FLAT, np.linspace(2, 1, len(RATES)), LOWEST_FIRST]


@given(
    st.sampled_from(range(len(CURVES))),
    st.floats(1e-6, 1e6),
    st.floats(-1000, 1000),
    st.booleans(),
)
def test_level_and_scale_of_the_loss_do_not_change_a_suggestion(curve, scale, offset, noisy):
    rows = CURVES[curve] + (NOISY if noisy else 0 * NOISY)
    plain = result_of(*rows).suggest()
    moved = result_of(*(scale * (rows + offset))).suggest()
    for rule in (rule.name for rule in rules.RULES):
        for one, other in zip(plain[rule].by_seed, moved[rule].by_seed, strict=True):
            assert (one is None) == (other is None)
            # Rounding may choose the neighbour where a smoothed curve is level.
            assert one is None or abs(np.log(one / other)) < 1.5 * np.log(RATES[1] / RATES[0])


@pytest.mark.parametrize("steps", [1, 20, 100, 357])
def test_smoothing_is_a_gaussian_average_of_all_losses(steps):
    losses = np.exp(np.random.default_rng(0).normal(size=steps))
    index, width = np.arange(steps), max(1.0, steps / 25)
    averages = [
        np.average(losses, weights=np.exp(-(((index - here) / width) ** 2) / 2)) for here in index
    ]
    np.testing.assert_allclose(rules._smooth(losses, width), averages, rtol=1e-12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_the_valley_lies_in_the_first_of_the_longest_falls(losses):
    parts = (p for n in range(len(losses), 0, -1) for p in itertools.combinations(losses, n))
    longest = len(next(p for p in parts if all(a > b for a, b in itertools.pairwise(p))))
    ends = (
        end
        for end in range(len(losses))
        for p in itertools.combinations(losses[: end + 1], longest)
        if all(a > b for a, b in itertools.pairwise(p))
    )
    start = next(ends) - longest
    third = longest / 3
    expected = max(0, start + int(third) + int(third / 2))
    assert rules._middle_of_longest_fall(np.array(losses, float)) == expected


def test_suggestions_from_a_long_sweep_need_memory_for_its_losses_only():
    steps = 5_000  # the square of which would be 200 MB
    rates = np.geomspace(1e-6, 10, steps)
    result = RangeTestResult(rates, np.interp(rates, RATES, sloping())[None], (0,))
    tracemalloc.start()
    try:
        found = result.suggest()
        assert tracemalloc.get_traced_memory()[1] < 500 * steps
    finally:
        tracemalloc.stop()
    assert found["minimum/10"].rate == pytest.approx(1e-2, rel=0.1)


def test_the_rounding_of_a_large_loss_is_not_a_fall():
    numbers = np.random.default_rng(0)
    rows = 1000 + numbers.normal(scale=1e-5, size=(6, len(RATES)))
    found = result_of(*rows.astype("float32").astype(float)).suggest()
    assert all(suggestion.rate is None for suggestion in found.values())


def test_pure_noise_is_seldom_taken_for_a_curve():
    rows = 2 + np.random.default_rng(1).normal(scale=0.3, size=(200, len(RATES)))
    answers = [result_of(*rows[i : i + 2]).suggest()["valley"].rate for i in range(0, 200, 2)]
    assert sum(rate is not None for rate in answers) <= 3


def test_a_minority_of_silent_seeds_is_named():
    suggestion = result_of(sloping(), FLAT, sloping()).suggest()["valley"]
    assert suggestion.by_seed[1] is None and suggestion.rate is not None
    assert "1 of 3 seeds do not answer (the loss does not fall)" in suggestion.reason


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
    # The same order of the data: far closer than two seeds are.
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
        validation_data=validation_data,
    )  # fmt: skip
    assert confirmed.best == 0.01 and confirmed.tied == (0.01,)
    assert np.isinf(confirmed.losses[1]).all() and np.isfinite(confirmed.losses[0]).all()
    assert "  100: diverged with 3 of 3 seeds" in str(confirmed)


def test_confirm_says_when_every_rate_diverges():
    confirmed = result_of(sloping()).confirm(
        linear(run_eagerly=True), **arrays(), rates=[1e12, 1e13], steps=30, verbose=0
    )
    assert (confirmed.best, confirmed.tied, confirmed.intervals) == (None, (), ())
    assert str(confirmed).startswith("Every rate diverged")


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


def test_on_digits_the_range_is_that_of_everyday_use():
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


# What is refused, before anything begins.


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

DATA: list[Row] = [
    # x
    (dict(x=None), ValueError, "x must hold training data, received None"),
    (dict(x=X[:0], y=Y[:0]), ValueError, "x must hold at least one sample, received none"),
    (dict(x=[], y=Y), ValueError, "x must hold at least one sample, received none"),
    (dict(x=0.2), TypeError, f"x {SET}, or a dataset, received 0.2"),
    (dict(x="images"), TypeError, f"x {SET}, or a dataset, received 'images'"),
    (dict(x=[[1.0, 2.0]]), TypeError, f"x {SET}, or a dataset, received [[1.0, 2.0]]"),
    (dict(x=iter([])), TypeError, "x must be an array"),
    (dict(x=np.float32(3)), ValueError, "x must have an axis of samples, received 3.0"),
    (dict(x=keras.Input((6,))), TypeError, "x must be an array"),
    (
        dict(x=X.astype("datetime64[s]")),
        TypeError,
        f"x must hold numbers, received {WHAT} (40, 6) and dtype datetime64[s]",
    ),
    (
        dict(x=[X, X]),
        ValueError,
        "x must hold 1 array, one for each input of the model, received 2",
    ),
    (dict(x=X[:, :5]), ValueError, "x must have shape (None, 6) for the input"),
    (
        dict(x=batched(X[:, :5], Y), y=None, batch_size=None),
        ValueError,
        "x must have shape (None, 6) for the input",
    ),
    (dict(x={"a": X}), ValueError, "x must hold the inputs ["),
    (
        dict(x={"a": X, "c": X}, y={"u": Y, "v": LABELS}, model=several),
        ValueError,
        "x must hold the inputs ['a', 'b'], received ['a', 'c']",
    ),
    (
        dict(x=[X], y={"u": Y, "v": LABELS}, model=several),
        ValueError,
        "x must hold 2 arrays, one for each input of the model, received 1",
    ),
    (
        dict(x=batched(X[:0], Y[:0]), y=None),
        ValueError,
        "x must hold at least one sample, received none",
    ),
    # y
    (dict(y=None), ValueError, f"y {NO_TARGETS}"),
    (dict(x=(X, Y), y=None), ValueError, f"y {NO_TARGETS}"),
    (dict(x=batched(X), y=None), ValueError, f"y {NO_TARGETS}"),
    (dict(y=0.2), TypeError, f"y {SET}, received 0.2"),
    (dict(y=[1, 2]), TypeError, f"y {SET}, received [1, 2]"),
    (dict(y=Y[:-1]), ValueError, f"{LENGTHS} 40 in x and 39 in y"),
    (dict(y=tf.constant(Y[:-1])), ValueError, f"{LENGTHS} 40 in x and 39 in y"),
    (dict(x=scipy.sparse.csr_matrix(X[1:])), ValueError, f"{LENGTHS} 39 in x and 40 in y"),
    (
        dict(x={"a": X, "b": X[1:]}, y={"u": Y, "v": LABELS}, model=several),
        ValueError,
        f"{LENGTHS} 40 in x and 39 in x and 40 in y",
    ),
    (
        dict(y=np.array(["cat"] * 40)),
        TypeError,
        f"y must hold numbers, received {WHAT} (40,) and dtype str96",
    ),
    (
        dict(y=tf.constant(["cat"] * 40)),
        TypeError,
        "y must hold numbers, received EagerTensor of shape (40,) and dtype string",
    ),
    (
        dict(y=[Y, Y]),
        ValueError,
        "y must hold 1 array, one for each output of the model, received 2",
    ),
    (
        dict(x={"a": X, "b": X}, y=Y, model=several),
        ValueError,
        "y must hold 2 arrays, one for each output of the model, received 1",
    ),
    *[
        (
            dict(x=x),
            ValueError,
            f"y must be None, as x is a {kind} and holds it itself, received {WHAT} (40, 1)",
        )
        for x, kind in [
            (batched(X, Y), "_BatchDataset"),
            (Batches(), "Batches"),
        ]
    ],
    (
        dict(x=generated(X, Y), seeds=[0]),
        ValueError,
        f"y must be None, as x is a generator and holds it itself, received {WHAT} (40, 1)",
    ),
    # sample_weight
    (dict(sample_weight=0.5), TypeError, f"sample_weight {SET}, received 0.5"),
    (dict(sample_weight=np.float32(0.5)), ValueError, "sample_weight must have an axis of sam"),
    (dict(sample_weight=[0.5] * 40), TypeError, f"sample_weight {SET}, received [0.5, 0.5"),
    (
        dict(sample_weight=np.ones(39)),
        ValueError,
        f"{LENGTHS} 40 in x and 40 in y and 39 in sample_weight",
    ),
    (
        dict(sample_weight=np.array(["1"] * 40)),
        TypeError,
        f"sample_weight must hold numbers, received {WHAT} (40,) and dtype str32",
    ),
    (
        dict(sample_weight={"u": np.ones(40)}),
        TypeError,
        "sample_weight must be an array, as y is, received a dict",
    ),
    *[
        (
            dict(sample_weight=make(np.where(np.arange(40) == 7, wrong, 1.0))),
            ValueError,
            f"sample_weight must hold finite numbers, received {wrong} among them",
        )
        for make, wrong in [(np.array, np.nan), (np.array, np.inf), (tf.constant, np.nan)]
    ],
    (
        dict(x=batched(X, Y), y=None, sample_weight=np.ones(40)),
        ValueError,
        "sample_weight must be None, as x is a _BatchDataset and holds it itself, "
        f"received {WHAT} (40,)",
    ),
    *[
        (
            dict(x={"a": X, "b": X}, y={"u": Y, "v": LABELS}, sample_weight=w, model=several),
            ValueError,
            "sample_weight must be one weight per sample or of the structure of y, received "
            + told,
        )
        for w, told in [
            (np.ones((40, 2)), f"{WHAT} (40, 2)"),
            ([np.ones(40)] * 2, "list of 2 for dict of 2"),
        ]
    ],
    # class_weight
    (dict(class_weight=[1, 2]), TypeError, "class_weight must be a dict, received [1, 2]"),
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
        (dict(class_weight={key: 1.0}), TypeError, f"every class of class_weight {told}")
        for key, told in [
            ("cat", "must be a whole number of at least 0, received 'cat'"),
            (0.5, "must be a whole number of at least 0, received 0.5"),
            (np.inf, "must be a whole number of at least 0, received inf"),
        ]
    ],
    (
        dict(class_weight={-1: 1.0}),
        ValueError,
        "every class of class_weight must be a whole number of at least 0, received -1",
    ),
    (
        dict(class_weight={0: 1.0}, sample_weight=np.ones(40)),
        ValueError,
        "class_weight must be None beside sample_weight, received both",
    ),
    (
        dict(x=batched(X, Y, Y[:, 0]), y=None, class_weight={0: 1.0}),
        ValueError,
        "class_weight must be None beside sample_weight, received both in x",
    ),
    (
        dict(x=batched(X, Y), y=None, class_weight={}),
        ValueError,
        "class_weight must hold a class where x is a dataset, received {}",
    ),
    (
        dict(x=generated(X, Y), y=None, class_weight={0: 1.0}, seeds=[0]),
        ValueError,
        "class_weight must be None where x is a generator, received {0: 1.0}",
    ),
    (
        dict(x={"a": X, "b": X}, y=[Y, LABELS], class_weight={0: 1.0}, model=several),
        ValueError,
        "class_weight must be None where y is several, received it beside 2 in y",
    ),
    (
        dict(x=Batches(), y=None, class_weight={0: 1.0}, model=several),
        ValueError,
        "class_weight must be None where a model has several outputs, received 2",
    ),
    (
        dict(y=None, class_weight={0: 1.0}),
        ValueError,
        "class_weight must be None without y, received {0: 1.0}",
    ),
    # validation_data
    (dict(validation_data=0.2), TypeError, f"{PAIR} 0.2"),
    (dict(validation_data="test"), TypeError, f"{PAIR} 'test'"),
    (dict(validation_data=X), ValueError, f"{PAIR} ndarray of length 40"),
    (dict(validation_data=[X]), ValueError, f"{PAIR} list of length 1"),
    (dict(validation_data=(X,)), ValueError, f"{PAIR} tuple of length 1"),
    (
        dict(validation_data=(None, None)),
        ValueError,
        "x of validation_data must hold data to measure on, received None",
    ),
    (dict(validation_data=(X, None)), ValueError, f"y of validation_data {NO_TARGETS}"),
    (
        dict(validation_data=(X[:0], Y[:0])),
        ValueError,
        "x of validation_data must hold at least one sample, received none",
    ),
    (
        dict(validation_data=(X, Y[1:])),
        ValueError,
        f"{LENGTHS} 40 in x of validation_data and 39 in y of validation_data",
    ),
    (
        dict(validation_data=([X, X], Y)),
        ValueError,
        "x of validation_data must hold 1 array, one for each input of the model, received 2",
    ),
    (
        dict(validation_data=(X, Y, np.full(40, np.nan))),
        ValueError,
        "sample_weight of validation_data must hold finite numbers, received nan among them",
    ),
    (
        dict(validation_data=generated(X, Y)),
        ValueError,
        "validation_data must be readable more than once, received a generator",
    ),
    (
        dict(validation_data=batched(X, Y).repeat()),
        ValueError,
        "validation_data must come to an end, received an endless dataset",
    ),
    # the rest of what `fit` takes
    (dict(batch_size=0), ValueError, f"batch_size {WHOLE} 0"),
    (dict(batch_size="8"), TypeError, f"batch_size {WHOLE} '8'"),
    (dict(batch_size=True), TypeError, f"batch_size {WHOLE} True"),
    (
        dict(batch_size=10**400),
        ValueError,
        f"batch_size must be at most 9,223,372,036,854,775,807, received {HUGE}",
    ),
    (dict(shuffle="batch"), TypeError, "shuffle must be True or False, received 'batch'"),
    (dict(shuffle=1), TypeError, "shuffle must be True or False, received 1"),
    *[
        (dict(verbose=verbose), ValueError, f"verbose must be 0 or 1, received {told}")
        for verbose, told in [(2, "2"), ("auto", "'auto'"), (1.0, "1.0"), (X, f"{WHAT} (40, 6)")]
    ],
    # the model
    (dict(model=None), TypeError, "model must be a Keras model, received None"),
    (dict(model="cnn"), TypeError, "model must be a Keras model, received 'cnn'"),
    (
        dict(model=uncompiled),
        ValueError,
        "model must be compiled with an optimizer, received it without",
    ),
    (
        dict(model=without_loss),
        ValueError,
        "model must be compiled with a loss, received loss",
    ),
    (
        dict(model=frozen_whole),
        ValueError,
        "model must have weights to train, received it without or all frozen",
    ),
    (
        dict(build=linear, model="cnn"),
        ValueError,
        "model must be None when build makes the models, received 'cnn'",
    ),
    (
        dict(build=3, model=None),
        TypeError,
        "build must be a function without arguments that returns a new compiled model, received 3",
    ),
    (
        dict(build=linear(), model=None),
        TypeError,
        "build must be a function without arguments that returns a new compiled model, received "
        "<Sequential name=sequential",
    ),
    (
        dict(build=lambda rate: linear(), model=None),
        TypeError,
        "build must be a function without arguments that returns a new compiled model, received "
        "<function",
    ),
    # seeds
    (dict(seeds=3), TypeError, f"{NO_LIST} 3"),
    (dict(seeds="12"), TypeError, f"{NO_LIST} '12'"),
    (dict(seeds=b"12"), TypeError, f"{NO_LIST} b'12'"),
    (dict(seeds=np.ones((2, 2), int)), TypeError, f"{NO_LIST} {WHAT} (2, 2)"),
    (dict(seeds=[0.5]), TypeError, "every seed must be a whole number of at least 0, received 0.5"),
    (
        dict(seeds=np.array([0.5, 1])),
        TypeError,
        "every seed must be a whole number of at least 0, received 0.5",
    ),
    (
        dict(seeds=[False, True]),
        TypeError,
        "every seed must be a whole number of at least 0, received False",
    ),
    (dict(seeds=[-1]), ValueError, "every seed must be a whole number of at least 0, received -1"),
    (dict(seeds=[2**32]), ValueError, "every seed must be below 2**32, received 4294967296"),
    (dict(seeds=[]), ValueError, f"{SEEDS} []"),
    (dict(seeds=[1, 1]), ValueError, f"{SEEDS} [1, 1]"),
    (
        dict(x=generated(X, Y), y=None, seeds=[0, 1]),
        ValueError,
        "seeds must be one, as x is a generator, received [0, 1]",
    ),
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


MADE: list[Row] = [
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
    (
        dict(seeds=(0, 1)),
        ValueError,
        "losses must have a row per seed and a column per rate, (2, 2)",
    ),
    (dict(seeds=()), ValueError, f"{SEEDS} []"),
    (dict(seeds=None), TypeError, f"{NO_LIST} None"),
    (dict(seeds=1), TypeError, f"{NO_LIST} 1"),
    (
        dict(seeds=(True,)),
        TypeError,
        "every seed must be a whole number of at least 0, received True",
    ),
    (dict(monitor="accuracy"), ValueError, "monitor must be 'loss' or 'val_loss', received 'accur"),
    (dict(monitor=X), ValueError, f"monitor must be 'loss' or 'val_loss', received {WHAT} (40, 6)"),
    (dict(stopped="diverged"), TypeError, "stopped must be a sequence of reasons, received 'div"),
    (
        dict(stopped=("", "")),
        ValueError,
        "stopped must hold a text per seed or none, received ('",
    ),
    (
        dict(stopped=(None,)),
        ValueError,
        "stopped must hold a text per seed or none, received (",
    ),
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
        (lr_range_test, DATA + SWEEP),
        (RangeTestResult.confirm, CONFIRM),
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


# What is accepted.


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


def test_a_name_that_is_no_rule_is_told_the_rules():
    with pytest.raises(KeyError, match=r"one of minimum/10, .* received 'minimum'"):
        result_of(FLAT).suggest()["minimum"]


# Outputs, losses and targets with names or in order: what `fit` cannot put together is told.

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


# Planted faults: each must be caught by the check beside it.


def exponential() -> None:
    test_an_exponential_sweep_has_these_rates_and_losses_of_single_batches(eager=True)


def steepest_of_the_fall() -> None:
    assert 1e-3 / 1.1 < result_of(falling()).suggest()["steepest"].rate < 1e-3 * 1.1


FAULTS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "the sweep one step short": (
        "(low, high, steps)",
        "(low, high, steps + 1)[:-1]",
        exponential,
    ),
    "smoothing that lags": (
        "    # By Fourier transforms",
        "    weights *= distances >= 0\n    # By Fourier transforms",
        steepest_of_the_fall,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    old, new, check = FAULTS[fault]
    plant(old, new, globals(), monkeypatch)
    with pytest.raises(AssertionError):
        check()
