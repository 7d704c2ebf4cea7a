"""The benchmark's arithmetic, against a second computation by hand and by `problems.regret`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrguide.guide import benchmark
from lrguide.guide.benchmark import DRAWS, Truth
from lrguide.guide.experiments import train
from lrguide.guide.problems import GRID, JUDGING, regret
from lrguide.guide.records import Run, Runs
from lrguide.guide.settings import complete

SHORT, LONG = JUDGING[0], JUDGING[8]
MADE = {"date": "2026-12-01", "cpu_seconds": 4.0}


def losses_of(problem, lowest_at=0.01, noise=0.05):
    """A valley over log(rate) with another height for each seed."""
    random = np.random.default_rng(0)
    rates = np.array(problem.rates)
    valley = 0.05 + 0.2 * np.abs(np.log10(rates / lowest_at))
    return valley[:, None] * (1 + noise * random.normal(size=(len(rates), 5)))


def truth_of(problem, **shape):
    return Truth(problem, problem.rates, losses_of(problem, **shape), MADE, seconds=8.0)


TRUTHS = [truth_of(SHORT), truth_of(LONG, lowest_at=0.001)]


def runs_of(problem, losses):
    """Runs of `train` that end at these losses."""
    return [
        Run("train", complete(train, asked), {"validation_loss": [9.0, loss]}, MADE)
        for asked, loss in zip(problem.trainings(), losses.ravel().tolist(), strict=True)
    ]


def test_the_truth_is_read_off_the_runs_of_its_problem_alone():
    both = Runs(runs_of(SHORT, losses_of(SHORT)) + runs_of(LONG, losses_of(LONG) / 2))
    for problem, scale in ((SHORT, 1), (LONG, 0.5)):
        found = benchmark.truth(problem, both)
        assert found.rates == problem.rates
        assert np.allclose(found.losses, scale * losses_of(problem))
        assert found.best == 0.01
        assert found.seconds == MADE["cpu_seconds"]


def test_what_diverged_or_is_worse_than_guessing_counts_as_guessing():
    losses = losses_of(SHORT)
    losses[0], losses[1] = np.nan, 99.0
    found = benchmark.truth(SHORT, Runs(runs_of(SHORT, losses)))
    assert np.allclose(found.losses[:2], SHORT.guess)


@given(st.floats(1e-7, 1e3))
def test_a_rate_costs_what_the_problems_module_says(rate):
    """It reads the mean off the line; here each seed is read off, and the mean taken then."""
    for truth in TRUTHS:
        means = dict(zip(truth.rates, truth.losses.mean(axis=1), strict=True))
        expected = regret(means, rate, truth.problem.guess)
        scores = Runs([benchmark.score(truth, "way", 0, rate, 1.0)])
        for kind in benchmark.KINDS:
            seen = benchmark.regrets(scores, "way", kind).each
            assert seen == pytest.approx(getattr(expected, kind), abs=1e-9)


def test_no_answer_is_scored_as_the_default():
    [score] = benchmark.defaults_of(TRUTHS[:1])
    assert score.result["loss"] == TRUTHS[0].at(0.001).tolist()
    assert score.result["found"] is False and score.result["price"] == 0


def found(*rates, way="way", asked=0.0):
    """Scores of searches that found these rates on both problems."""
    return Runs(
        benchmark.score(truth, way, seed, rate, 1.0, asked=asked)
        for truth in TRUTHS
        for seed, rate in enumerate(rates)
    )


def test_a_way_that_finds_the_best_rate_costs_nothing():
    scores = Runs(
        benchmark.score(truth, "way", seed, truth.best, 1.0)
        for truth in TRUTHS
        for seed in range(3)
    )
    for kind in benchmark.KINDS:
        cost = benchmark.regrets(scores, "way", kind)
        assert np.allclose(cost.each, 0)
        assert cost.figure(0.9) == pytest.approx((0, 0, 0), abs=1e-12)


def test_quantiles_are_over_problems_and_searches():
    scores = found(0.01, 0.1, 1.0)
    cost = benchmark.regrets(scores, "way", "normalised")
    assert cost.each.shape == (2, 3) and cost.drawn.shape == (DRAWS, 2, 3)
    middle, low, high = cost.figure(0.5)
    assert middle == pytest.approx(np.quantile(cost.each, 0.5))
    assert low < middle < high


def test_a_draw_is_a_resample_of_problems_searches_and_seeds():
    """Each drawn regret is that of one problem and search, with the seeds weighted anew."""
    scores = found(0.01, 0.1)
    cost = benchmark.regrets(scores, "way", "relative")
    places, counts, chosen = benchmark._draws(2, 2, 5)
    for draw in (0, 17):
        for slot in range(2):
            truth, weights = TRUTHS[places[draw, slot]], counts[draw, slot]
            floor = np.average(truth.losses[truth.rates.index(truth.best)], weights=weights)
            for number in range(2):
                rate = (0.01, 0.1)[chosen[draw, slot, number]]
                expected = np.average(truth.at(rate), weights=weights) / floor - 1
                assert cost.drawn[draw, slot, number] == pytest.approx(expected)


def test_two_ways_are_compared_draw_by_draw():
    scores = Runs(found(0.01, way="one") + found(1.0, way="other"))
    one, other = (benchmark.regrets(scores, way, "normalised") for way in ("one", "other"))
    apart, low, high = one.minus(other)
    assert apart == pytest.approx(one.each.mean() - other.each.mean())
    assert low <= apart <= high < 0
    assert one.minus(one) == (0, 0, 0)


def test_of_whole_trainings_one_seed_chooses_and_the_others_judge():
    scores = benchmark.whole_trainings(TRUTHS, (1, 4))
    for run in scores:
        losses = np.array(run.result["loss"])
        assert np.isnan(losses).sum() == 1
    more, fewer = (
        benchmark.regrets(scores, "random, whole", "normalised", asked=n).each for n in (4, 1)
    )
    assert more.mean() < fewer.mean()
    assert np.isfinite(benchmark.regrets(scores, "grid", "normalised").drawn).all()
    assert benchmark.price_of(scores, "grid") == len(GRID)


def test_a_finer_grid_lies_beside_the_lowest():
    asked = benchmark.between(SHORT, Runs(runs_of(SHORT, losses_of(SHORT))))
    assert {each["rate"] for each in asked} == {0.0055, 0.017}
    assert {each["seed"] for each in asked} == {*SHORT.seeds}


def test_answers_are_scored_by_name_and_price():
    settings = {**benchmark._settings(SHORT), "seed": 10}
    run = Run(
        "search",
        settings,
        {"answers": {"0.5": 0.01, "other": None}, "prices": {"0.5": 30, "other": 60}},
        MADE,
    )
    scores = benchmark.answers_of([TRUTHS[0]], Runs([run]), lambda run, answer: answer)
    first, second = scores
    assert first.settings["asked"] == 0.5 and first.result["price"] == 30 / SHORT.steps
    # Half of the search's four CPU-seconds, where a training takes eight.
    assert first.result["processor"] == 2 / 8 and second.result["processor"] == 4 / 8
    assert second.settings["asked"] == 0 and second.result["found"] is False
    assert math.isclose(first.result["aim"], 1.0)


def test_an_optimizer_without_a_rate_is_judged_by_the_seeds_that_it_was_trained_with():
    settings = {**SHORT.settings, "optimizer": "Prodigy", "rate": 1.0}
    runs = Runs(
        Run("train", complete(train, settings | {"seed": seed}), {"validation_loss": [loss]}, MADE)
        for seed, loss in enumerate([0.5, math.nan, 0.7])
    )
    [score] = benchmark.without_rate([TRUTHS[0]], "Prodigy", runs, optimizer="Prodigy")
    expected = [0.5, SHORT.guess, 0.7, math.nan, math.nan]
    assert score.result["loss"] == pytest.approx(expected, nan_ok=True)
