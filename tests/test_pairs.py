"""Ways of choosing a rate and a second setting, on losses that can be read by eye."""

import numpy as np
import pytest

from lrguide.guide import pairs
from lrguide.guide.experiments import train
from lrguide.guide.problems import Problem
from lrguide.guide.records import Run, Runs
from lrguide.guide.settings import complete

# Rows are rates, columns the second setting. The lowest, 1, is where no single row or column of
# its neighbours leads.
SEEN = np.array([[4.0, 9.0, 1.0], [3.0, 2.0, 5.0], [8.0, 7.0, 6.0]])


@pytest.mark.parametrize(
    ("way", "pair"),
    [
        (pairs.rate_at(0), (1, 0)),
        (pairs.rate_at(2), (0, 2)),
        (pairs.then_the_other(0), (1, 1)),
        (pairs.both, (0, 2)),
    ],
)
def test_each_way_chooses_its_pair(way, pair):
    assert way(SEEN) == pair


def test_the_others_judge_what_one_seed_chooses():
    """Seed 0 sees a lowest loss where the others see 4, so that its choice costs twice theirs."""
    deceived = SEEN.copy()
    deceived[2, 2] = 0.5
    honest = SEEN + 1
    losses = np.stack([deceived, honest, honest], axis=2)
    first, second, third = pairs.costs(losses, pairs.both)
    assert first == pytest.approx((6 + 1) / (1 + 1))
    # Of seeds 0 and 2, the lowest mean is that of 1 and 2.
    assert second == third == pytest.approx(1.0)
    assert np.all(pairs.costs(losses, pairs.then_the_other(0)) >= 1)


def test_losses_are_those_of_the_problem_by_rate_value_and_seed():
    settings = dict(task="FINE_TUNING", optimizer="Adam")
    problem = Problem("some", settings, (0.01, 0.1), (0, 1, 2))
    other = dict(settings, optimizer="SGD")
    runs = [
        Run(
            "train",
            complete(train, {**own, "rate": rate, "seed": seed, "body_rate": share}),
            {"validation_loss": [9.0, rate + share + seed / 1000 + (own is other)]},
            {},
        )
        for own in (settings, other)
        for rate in problem.rates
        for share in (0.0, 0.5, 1.0)
        for seed in problem.seeds
    ]
    runs[0].result["validation_loss"][-1] = 99.0  # worse than guessing
    found = pairs.losses(problem, Runs(runs), "body_rate")
    assert found.shape == (2, 3, 3)
    assert found[0, 0, 0] == problem.guess
    assert found[1, 2, 1] == pytest.approx(0.1 + 1.0 + 0.001)
