"""How contenders are compared: the rule against other libraries, and how often it errs."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lrguide.guide import contrasts
from lrguide.guide.contrasts import BEST, BEST_TEST, LAST, TEST
from lrguide.guide.records import Run, Runs

ORACLE = json.loads(
    (Path(__file__).parent / "oracles" / "decisions.json").read_text(encoding="utf-8")
)
CONSTANT, LINEAR = dict(optimizer="Adam"), dict(optimizer="Adam", schedule="linear")


def trained(losses: Any, schedule: str = "constant", right: float = 0.9, **more: Any) -> Runs:
    """Runs of one epoch, one a seed."""
    return Runs(
        Run(
            "train",
            {"optimizer": "Adam", "schedule": schedule, "seed": seed, "ema": 0.0}
            | {"averaged": False, "rate": 0.01}
            | more,
            {"validation_loss": [loss], "validation_accuracy": [right], "test_loss": loss},
            {},
        )
        for seed, loss in enumerate(losses)
    )


@pytest.mark.parametrize(("p_values", "rejected"), ORACLE["holm"])
def test_holms_correction_rejects_what_statsmodels_rejects(p_values, rejected):
    assert contrasts.holm(p_values) == rejected


@pytest.mark.parametrize(("differences", "p_value"), ORACLE["equivalence"])
def test_equal_is_what_the_two_one_sided_tests_of_statsmodels_call_so(differences, p_value):
    pair = trained(np.exp(differences)), trained(np.ones(len(differences)))
    found = contrasts.compared({"": pair})[""]
    told = stats.ttest_1samp(differences, 0).pvalue <= 0.05
    assert found.verdict == (
        ("lower" if np.mean(differences) < 0 else "higher")
        if told
        else "equal"
        if p_value < 0.05
        else "undecided"
    )


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30).filter(lambda row: np.std(row) > 1e-3))
def test_the_interval_is_that_of_scipy_as_a_share_of_the_other_loss(differences):
    pair = trained(np.exp(differences)), trained(np.ones(len(differences)))
    found = contrasts.compared({"": pair})[""]
    low, high = stats.t.interval(
        0.95, len(differences) - 1, np.mean(differences), stats.sem(differences)
    )
    assert (found.low, found.high) == pytest.approx((np.expm1(low), np.expm1(high)), rel=1e-6)
    assert found.change == pytest.approx(np.expm1(np.mean(differences)), rel=1e-6, abs=1e-12)


@given(st.integers(1, 40).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_share_that_learns_has_the_interval_of_clopper_and_pearson(drawn):
    learning, of = drawn
    runs = Runs([*trained([0.5] * learning), *trained([2.0] * (of - learning), right=0.2)])
    count, low, high = contrasts.share_that_learns(runs)
    wanted = stats.binomtest(learning, of).proportion_ci(method="exact")
    assert count == learning
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_a_seed_with_which_one_of_the_two_fails_is_left_out_of_the_comparison():
    ours = Runs([*trained([0.5, 0.6, 0.7]), *trained([9.0], right=0.1, seed=3)])
    theirs = trained([1.0, 1.0, 1.0, 0.1])
    found = contrasts.compared({"": (ours, theirs)})[""]
    assert found.pairs == 3
    assert found.change == pytest.approx((0.5 * 0.6 * 0.7) ** (1 / 3) - 1)
    assert str(
        contrasts.compared({"": (trained([9.0] * 2, right=0.1), trained([1.0] * 2))})[""]
    ) == ("no pair of seeds learns")


def test_the_seeds_are_paired_by_their_numbers_and_must_be_the_same():
    ours = trained([0.2, 0.9])
    assert contrasts.log_ratios(ours, Runs(trained([0.2, 0.9])[::-1])).tolist() == [0, 0]
    for other in (trained([1.0]), trained([1.0] * 3), Runs([*trained([1.0])] * 2)):
        with pytest.raises(ValueError, match=r"paired runs must have the same seeds, each once"):
            contrasts.log_ratios(ours, other)


@pytest.mark.parametrize(
    ("losses", "value"), [(LAST, 0.6), (BEST, 0.4), (TEST, 0.7), (BEST_TEST, 0.5)]
)
def test_the_best_epoch_is_chosen_by_validation_and_told_on_either_part(losses, value):
    result = {
        "validation_loss": [2.0, 0.4, 0.6],
        "validation_accuracy": [0.1, 0.9, 0.9],
        "test_loss": 0.7,
        "test_loss_by_epoch": [0.1, 0.5, 0.7],
    }
    ones = dict.fromkeys(("validation_loss", "test_loss_by_epoch"), [1.0] * 3)
    ones |= {"validation_accuracy": [0.9] * 3, "test_loss": 1.0}
    ours, theirs = (Runs([Run("train", {"seed": 0}, each, {})]) for each in (result, ones))
    assert np.exp(contrasts.log_ratios(ours, theirs, losses)) == pytest.approx([value])


def test_a_regression_learns_where_its_loss_is_finite():
    runs = Runs(Run("train", {"seed": 0}, {"validation_loss": [loss]}, {}) for loss in (1.0, None))
    assert contrasts.learned(runs).tolist() == [True, False]


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        ((-0.081, -0.12, -0.03, 20, "lower"), "8 % lower (3 to 12 %)"),
        ((0.63, 0.36, 0.96, 20, "higher"), "63 % higher (36 to 96 %)"),
        ((-0.03, -0.09, 0.03, 20, "undecided"), "undecided (-9 to +3 %)"),
        ((0.0, -0.01, 0.002, 20, "equal"), "equal (-1 to +0.2 %)"),
        ((math.nan, -1.0, math.inf, 0, "undecided"), "undecided: no pair of seeds learns"),
    ],
)
def test_a_contrast_in_words_says_its_verdict_and_its_interval(contrast, words):
    assert contrasts.Contrast(*contrast).in_words == words


def test_contenders_are_named_beside_one_that_is_left_out():
    runs = Runs([*trained([1.0, 1.0]), *trained([0.5, 0.4], "linear")])
    found = contrasts.beside(runs, [CONSTANT, LINEAR], CONSTANT)
    assert [*found] == ["Adam linear"] == contrasts.named(found, "undecided")
    assert contrasts.named(found, "lower") == []
    assert str(found["Adam linear"]).startswith("-55 % (")


def test_a_table_goes_from_the_lowest_loss_to_the_highest_and_counts_who_learns():
    runs = Runs([*trained([1.0, 4.0]), *trained([0.5], "linear"), *trained([9.0], "linear", 0.1)])
    runs = Runs([*runs[:3], Run("train", runs[3].settings | {"seed": 1}, runs[3].result, {})])
    assert contrasts.rows_beside(runs, [CONSTANT, LINEAR], CONSTANT) == [
        {
            "contender": "Adam linear",
            "rate": "`0.01`",
            "learns": "1 of 2 (1 to 99 %)",
            "loss": "0.500",
            "against Adam constant": "-50 % (-100 to unknown)",
            "verdict": "undecided",
        },
        {
            "contender": "Adam constant",
            "rate": "`0.01`",
            "learns": "2 of 2 (16 to 100 %)",
            "loss": "2.000",
            "against Adam constant": "",
            "verdict": "",
        },
    ]
    [first, _] = contrasts.rows_beside(runs, [CONSTANT, LINEAR], CONSTANT, digits=4)
    assert first["loss"] == "0.5000"


def test_verdicts_of_other_epochs_and_the_test_part_are_told_where_they_differ():
    def group(schedule: str, last: float, best: float) -> Runs:
        return Runs(
            Run(
                "train",
                {"optimizer": "Adam", "schedule": schedule, "seed": seed, "ema": 0.0}
                | {"averaged": False, "rate": 0.01},
                {
                    "validation_loss": [best + seed / 99, last + seed / 99],
                    "validation_accuracy": [0.9, 0.9],
                    "test_loss": last + seed / 99,
                    "test_loss_by_epoch": [best + seed / 99, last + seed / 99],
                },
                {},
            )
            for seed in range(5)
        )

    runs = Runs([*group("constant", 1.0, 0.5), *group("linear", 0.8, 0.5)])
    assert contrasts.other_verdicts(runs, [CONSTANT, LINEAR], CONSTANT) == {
        "Adam linear": {
            "last epoch, validation": "lower",
            "best epoch, validation": "equal",
            "last epoch, test": "lower",
            "best epoch, test": "equal",
        }
    }
    assert contrasts.other_verdicts(group("constant", 1.0, 0.5), [CONSTANT], CONSTANT) == {}


@pytest.mark.parametrize(
    ("share", "words"),
    [(-0.084, "-8 %"), (0.0041, "+0.4 %"), (0.0, "0 %"), (-0.0001, "0 %"), (2.5, "+250 %")],
)
def test_a_change_in_words(share, words):
    assert contrasts.percent(share) == words


def test_sensitivity_is_the_mean_excess_over_the_rates_no_loss_above_guessing():
    runs = Runs(
        [
            *trained([0.2, 0.4], rate=0.1),
            *trained([0.5, 0.5], rate=0.2),
            *trained([99.0, 2.0], rate=0.5),
        ]
    )
    at_half = (np.log(10) + 2.0) / 2
    wanted = (0 + 0.2 + (at_half - 0.3)) / 3
    assert contrasts.sensitivity(runs, [0.1, 0.2, 0.5]) == pytest.approx(wanted)


def tables(change: float, spread: float, seeds: int, count: int) -> list[list[str]]:
    """The verdicts of simulated tables of twelve contrasts with one constant rate."""
    numbers = np.random.default_rng(1)
    told = []
    for _ in range(count):
        constant = numbers.normal(0, spread, seeds)  # shared by a table, as on the pages
        pairs = {}
        for name in range(12):
            losses = np.log1p(change if name == 0 else 0) + numbers.normal(0, spread, seeds)
            pairs[str(name)] = trained(np.exp(losses)), trained(np.exp(constant))
        told.append([each.verdict for each in contrasts.compared(pairs).values()])
    return told


def test_of_tables_without_a_difference_at_most_five_in_a_hundred_call_something_decided():
    told = tables(0.0, 0.08, 20, 300)
    wrong = sum(bool({"lower", "higher"} & set(verdicts)) for verdicts in told)
    assert wrong <= stats.binom.ppf(0.99, 300, 0.05)


def test_a_difference_of_ten_percent_is_found_in_most_tables():
    told = [verdicts[0] for verdicts in tables(-0.10, 0.08, 20, 100)]
    assert told.count("lower") >= 70 and "higher" not in told
