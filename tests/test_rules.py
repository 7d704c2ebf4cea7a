"""The rules that read a range test: the rate that each of them names, and when none answers."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from curves import (
    FLAT,
    LOWEST_FIRST,
    NOISE,
    RATES,
    falling,
    falling_from_the_first_step,
    result_of,
    sloping,
)
from hypothesis import given
from hypothesis import strategies as st
from small_models import plant

from lrguide import rules
from lrguide.range_test import RangeTestResult

# For each phrase of a rule's text, the rate that it names on a curve whose shape is known.
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
    ("share", "named"), [("a third", "minimum/2"), ("half", "minimum/3"), ("a tenth", "minimum/2")]
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
    st.sampled_from(range(len(CURVES))), st.floats(1e-6, 1e6), st.floats(-1000, 1000), st.booleans()
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


def test_a_name_that_is_no_rule_is_told_the_rules():
    with pytest.raises(KeyError, match=r"one of minimum/10, .* received 'minimum'"):
        result_of(FLAT).suggest()["minimum"]


@pytest.mark.parametrize("steps", [1, 20, 100, 357])
def test_smoothing_is_a_gaussian_average_of_all_losses(steps):
    losses = np.exp(np.random.default_rng(0).normal(size=steps))
    index, width = np.arange(steps), max(1.0, steps / 25)
    averages = [
        np.average(losses, weights=np.exp(-(((index - here) / width) ** 2) / 2)) for here in index
    ]
    np.testing.assert_allclose(rules.gaussian_average(losses, width), averages, rtol=1e-12)


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


def test_smoothing_that_lags_is_caught(monkeypatch):
    after = "    # By Fourier transforms"
    plant(after, f"    weights *= distances >= 0\n{after}", globals(), monkeypatch)
    found = RangeTestResult(RATES, falling()[None], (0,)).suggest()["steepest"]
    assert not 1e-3 / 1.1 < found.rate < 1e-3 * 1.1
