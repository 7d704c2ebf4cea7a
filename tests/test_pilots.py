"""What the finder pays for and decides, on learners whose best rate is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrguide import pilots as module
from lrguide.pilots import Choice, Pilot, decide, look_steps, search

DIVERGED = math.inf


def quadratic(
    curvature: float, spread: float = 0.0, steepest: float = 10.0, seed_of_draw: int = 0
) -> Callable[[float, int, int], Pilot]:
    """Gradient descent with noisy gradients on two quadratics of different curvature.

    Started at w = 1, after n steps at rate r a direction of curvature c has the expected loss
    c/2 * (a**(2n) + r**2 s**2 (1 - a**(2n)) / (1 - a**2)) with a = 1 - r c. Noise of the gradients
    is drawn per seed as a common factor, so seeds pair the rates.
    """

    def train(rate: float, steps: int, seed: int) -> Pilot:
        draw = np.random.default_rng([seed_of_draw, seed, steps])
        factor = math.exp(draw.normal(0, spread))
        own = np.random.default_rng([seed_of_draw, seed, steps, round(1e6 * (50 + math.log(rate)))])
        loss = expected(curvature, steepest, rate, steps)
        if not math.isfinite(loss) or loss > start_of(curvature, steepest):
            return Pilot(rate, steps, seed, DIVERGED, min(steps, 5))
        loss *= factor * math.exp(own.normal(0, spread / 4))
        return Pilot(rate, steps, seed, loss, steps)

    return train


def start_of(curvature: float, steepest: float) -> float:
    return (curvature + steepest * curvature) / 2


def expected(curvature: float, steepest: float, rate: float, steps: int) -> float:
    total = 0.0
    for c in (curvature, steepest * curvature):
        a = (1 - rate * c) ** 2
        if a >= 1:
            return math.inf
        total += c / 2 * (a**steps + (rate * 0.3) ** 2 * (1 - a**steps) / (1 - a))
    return total


def best_rate(curvature: float, steepest: float, steps: int) -> float:
    rates = np.geomspace(1e-6, 10, 4000)
    return float(rates[np.argmin([expected(curvature, steepest, r, steps) for r in rates])])


def found(
    train: Any,
    *,
    steps: int = 300,
    price: float = 1.0,
    start: float = 0.001,
    seeds: Any = (0, 1, 2),
    untrained: float = 1.0,
    noise: float = 0.0,
) -> tuple[Choice, list[Pilot]]:
    tried: list[Pilot] = []
    search(train, tried, steps=steps, budget=int(price * steps), start=start, seeds=seeds)
    return decide(tried, steps=steps, untrained=untrained, noise=noise), tried


@pytest.mark.parametrize("price", [1, 2, 4])
def test_the_interval_holds_the_best_rate_of_nine_in_ten_noisy_quadratics(price):
    held = 0
    for draw in range(200):
        random = np.random.default_rng(draw)
        curvature, steepest = 10 ** random.uniform(-1, 2), 10 ** random.uniform(0, 1.5)
        best = best_rate(curvature, steepest, 300)
        start = best * 10 ** random.uniform(-1.0, 0.5)
        train = quadratic(curvature, 0.2, steepest, draw)
        choice, _ = found(train, price=price, start=start, untrained=start_of(curvature, steepest))
        held += choice.rate is not None and choice.low <= best <= choice.high
    assert held >= 180


def test_the_longer_the_pilots_the_nearer_the_rate():
    apart = []
    for price in (1, 4):
        distances = []
        for draw in range(40):
            curvature = 10 ** np.random.default_rng(draw).uniform(-1, 2)
            best = best_rate(curvature, 10.0, 300)
            train = quadratic(curvature, 0.05, seed_of_draw=draw)
            choice, _ = found(
                train, price=price, start=best / 7, untrained=start_of(curvature, 10.0)
            )
            distances.append(abs(math.log(choice.rate / best)))
        apart.append(np.mean(distances))
    assert apart[1] <= apart[0]


# What is paid.


@settings(max_examples=150, deadline=None)
@given(
    steps=st.integers(10, 20_000),
    price=st.floats(0.01, 12),
    valley=st.floats(-9, 3),
    noise=st.floats(0, 2),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True),
)
def test_the_price_is_never_exceeded_and_no_pilot_is_trained_twice(
    steps, price, valley, noise, seeds
):
    def train(rate: float, length: int, seed: int) -> Pilot:
        assert module.LEAST_STEPS <= length <= steps
        away = math.log10(rate) - valley
        random = np.random.default_rng([seed, length, abs(round(1e6 * math.log10(rate)))])
        loss = away**2 + random.normal(0, noise) if away < 1.5 else DIVERGED
        return Pilot(rate, length, seed, loss, length if math.isfinite(loss) else 7)

    budget = int(price * steps)
    if budget < 2 * module.LEAST_STEPS:
        return
    choice, tried = found(train, steps=steps, price=price, seeds=seeds, untrained=200.0)
    assert sum(pilot.paid for pilot in tried) <= budget
    assert len({(p.rate, p.steps, p.seed) for p in tried}) == len(tried)
    if choice.rate is not None:
        assert choice.low <= choice.rate <= choice.high
        assert {*choice.tied} <= {p.rate for p in tried}
        assert choice.rate <= choice.tied[-1]


@pytest.mark.parametrize(
    ("steps", "price", "length"),
    [(300, 1, 60), (300, 0.5, 30), (300, 4, 60), (60, 1, 12), (1000, 1, 62), (4800, 1, 300),
     (4800, 0.25, 240), (20, 1, 10), (100, 2, 20)],
)  # fmt: skip
def test_a_first_look_is_a_share_of_the_run_that_can_be_paid_for(steps, price, length):
    assert look_steps(steps, int(price * steps)) == length


def test_the_rates_of_one_comparison_share_their_seed_and_length():
    _, tried = found(quadratic(1.0, 0.1), price=9, start=0.01, untrained=start_of(1.0, 10.0))
    groups: dict[tuple[int, int], set[float]] = {}
    for pilot in tried:
        groups.setdefault((pilot.steps, pilot.seed), set()).add(pilot.rate)
    assert all(len(rates) > 2 for rates in groups.values())
    assert {seed for steps, seed in groups if steps == 300} == {1, 2}


def test_the_best_look_and_its_neighbours_are_compared_longer():
    _, tried = found(quadratic(0.1), price=4, start=0.01, untrained=start_of(0.1, 10.0))
    looks = {pilot.rate: pilot.loss for pilot in tried if pilot.steps == 60}
    best = min(looks, key=lambda rate: looks[rate])
    place = sorted(looks).index(best)
    near = [r for r in sorted(looks)[place - 1 : place + 2] if math.isfinite(looks[r])]
    assert near == [pilot.rate for pilot in tried if pilot.steps > 60][: len(near)]


def test_a_run_is_compared_at_its_whole_length_where_that_can_be_paid():
    _, tried = found(quadratic(1.0), price=5, start=0.01, untrained=start_of(1.0, 10.0))
    assert max(pilot.steps for pilot in tried) == 300
    _, tried = found(quadratic(1.0), price=2, start=0.01, untrained=start_of(1.0, 10.0))
    assert 78 <= max(pilot.steps for pilot in tried) < 300


# Where it walks.


@pytest.mark.parametrize("start", [1e-6, 1e-3, 0.05, 0.5, 50.0, 1e6])
def test_the_walk_goes_on_beyond_its_edge_until_it_has_a_valley(start):
    choice, tried = found(quadratic(1.0), price=8, start=start, untrained=start_of(1.0, 10.0))
    assert choice.low < best_rate(1.0, 10.0, 300) < choice.high
    rates = sorted({pilot.rate for pilot in tried})
    assert rates[0] < choice.rate < rates[-1]


def test_where_the_price_ends_at_an_edge_the_reason_says_so():
    choice, _ = found(quadratic(1.0), start=1e-7, untrained=start_of(1.0, 10.0))
    assert choice.high == pytest.approx(choice.tied[-1] * 10**0.5)
    assert choice.reason.endswith("no higher rate could be tried at this price")


# What is decided.


def at(losses: dict[float, Any], steps: int = 300) -> list[Pilot]:
    return [
        Pilot(rate, steps, seed, loss, steps)
        for rate, row in losses.items()
        for seed, loss in enumerate(np.atleast_1d(row))
    ]


def decided(losses: dict[float, Any], steps: int = 300, **more: Any) -> Choice:
    return decide(at(losses, steps), **{**dict(steps=300, untrained=2.0, noise=0.01), **more})


def test_the_lowest_mean_wins_after_whole_runs_and_its_neighbours_are_the_interval():
    choice = decided({0.01: 1.0, 0.03: 0.5, 0.1: 0.7, 0.3: 1.2})
    assert (choice.rate, choice.low, choice.high, choice.tied) == (0.03, 0.01, 0.1, (0.03,))
    assert choice.reason == "the lowest loss of 4 rates after 300 of 300 steps"


def test_the_lowest_of_tied_rates_is_taken_after_short_pilots_and_lowered_to_the_run():
    losses = {0.01: 1.0, 0.03: 0.51, 0.1: 0.5, 0.3: 1.2}
    short = decided(losses, steps=75)
    assert (short.rate, short.high, short.tied) == (0.015, 0.3, (0.03, 0.1))
    assert short.low == pytest.approx(0.01 / 10**0.5)
    assert short.reason == (
        "the lowest of 2 rates that 75 of 300 steps cannot tell apart, 0.03, times the square root "
        "of 75 / 300, since the best rate falls with the length"
    )
    assert decided(losses).rate == 0.1


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25, 0.5, 0.69, 0.71, 1.0])
def test_the_rate_is_lowered_by_the_square_root_of_the_pilots_share_of_the_run(share):
    choice = decided({0.01: 1.0, 0.03: 0.5, 0.1: 0.9}, steps=round(300 * share))
    expected = 0.03 * math.sqrt(round(300 * share) / 300) if share < 0.7 else 0.03
    assert choice.rate == pytest.approx(expected, rel=1e-3)
    assert choice.low < choice.rate < choice.high


def test_a_scale_of_the_loss_changes_nothing():
    losses = {0.01: 1.0, 0.03: 0.51, 0.1: 0.5, 0.3: DIVERGED}
    usual = decided(losses, steps=60)
    moved = {rate: 1000 * loss for rate, loss in losses.items()}
    assert decided(moved, steps=60, untrained=2000.0, noise=10.0) == usual


def test_near_0_a_part_of_the_fall_is_no_tie():
    losses = {0.01: 1.0, 0.03: 0.05, 0.1: 0.001, 0.3: 1.2}
    assert decided(losses, steps=60).tied == (0.1,)


def test_rates_are_tied_whose_paired_interval_holds_0_from_three_seeds_on():
    row = np.array([1.0, 0.2, 0.6])
    near, above = np.array([0.11, -0.02, 0.1]), np.array([0.1, 0.11, 0.1])
    choice = decided({0.01: row, 0.03: row + near, 0.1: row + above})
    assert choice.tied == (0.01, 0.03) and choice.high == 0.1
    two = {rate: losses[:2] for rate, losses in {0.01: row, 0.03: row + 0.06}.items()}
    assert decided(two).tied == (0.01,)


def test_a_diverged_rate_is_never_best_nor_tied():
    choice = decided({0.01: 1.0, 0.03: [0.5, DIVERGED, 0.1][0], 0.1: DIVERGED})
    assert (choice.rate, choice.high) == (0.03, 0.1)
    one_seed = {0.01: [1.0, 1.0, 1.0], 0.03: [0.1, DIVERGED, 0.1]}
    assert decided(one_seed).rate == 0.01 and decided(one_seed).tied == (0.01,)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ({}, "the search ended before two rates were compared"),
        ({0.01: 0.1}, "the search ended before two rates were compared"),
        ({0.01: DIVERGED, 0.001: DIVERGED}, "every rate diverged, down to 0.001"),
        ({0.01: 2.0, 0.001: 1.995}, "no rate lowered the loss, 2, by more than its noise"),
        ({0.01: 2.0, 0.001: 2.0}, "no rate lowered the loss, 2, by more than its noise"),
    ],
    ids=["nothing", "one rate", "all diverged", "plateau", "no movement"],
)
def test_not_enough_evidence_is_an_answer(losses, reason):
    choice = decided(losses)
    assert (choice.rate, choice.low, choice.high, choice.tied) == (None, None, None, ())
    assert choice.reason == f"not enough evidence: {reason}"


def test_longer_pilots_count_and_half_of_a_comparison_does_not():
    looks = at({0.01: 1.0, 0.03: 0.5, 0.1: 0.7}, steps=60)
    longer = at({0.01: 0.1, 0.03: 0.3}, steps=150)
    about: dict[str, Any] = dict(steps=300, untrained=2.0, noise=0.01)
    assert decide([*looks, *longer], **about).tied == (0.01,)
    assert decide([*looks, *longer[:1]], **about).tied == (0.03,)


def test_a_seed_that_was_stopped_half_way_does_not_count():
    whole = at({0.01: 1.0, 0.03: 0.5, 0.1: 0.7})
    another = [Pilot(0.01, 300, 1, 0.0, 300)]
    assert decide([*whole, *another], steps=300, untrained=2.0, noise=0.0).rate == 0.03


# Planted faults: each must be seen by a test above.


FAULTS: dict[str, tuple[str, Any, Callable[[], Any]]] = {
    "the price exceeded": (
        "look_steps",
        lambda steps, budget: steps,
        test_the_price_is_never_exceeded_and_no_pilot_is_trained_twice,
    ),
    "a walk without an end beyond": (
        "_beyond",
        lambda losses: None if len(losses) > 1 else min(losses) * 3,
        lambda: test_the_walk_goes_on_beyond_its_edge_until_it_has_a_valley(1e-6),
    ),
    "no interval over the seeds": (
        "_same",
        lambda losses, best: False,
        test_rates_are_tied_whose_paired_interval_holds_0_from_three_seeds_on,
    ),
    "seeds not shared": (
        "_shared",
        lambda each: sorted({seed for seeds in each for seed in seeds}),
        test_a_seed_that_was_stopped_half_way_does_not_count,
    ),
    "finalists that are not the best and its neighbours": (
        "_finalists",
        lambda losses: sorted(losses)[:2],
        test_the_best_look_and_its_neighbours_are_compared_longer,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    name, faulty, check = FAULTS[fault]
    monkeypatch.setattr(module, name, faulty)
    with pytest.raises((AssertionError, KeyError, TypeError)):
        check()
