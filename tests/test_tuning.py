"""Tuning: one grid for every contender, and other seeds at what it chose."""

import numpy as np
import pytest

from lrguide.guide import tuning
from lrguide.guide.contenders import HALF_DECADES, RATES
from lrguide.guide.records import Run, Runs

CONTENDERS = [
    dict(optimizer="Adam", schedule=schedule, budget="SHORT")
    for schedule in ("constant", "cosine", "linear")
]


@pytest.fixture
def stored(monkeypatch):
    """Nothing is trained: these contenders' runs are in the records."""
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", "0")


def settings(runs):
    return [(r.settings["schedule"], r.settings["rate"], r.settings["seed"]) for r in runs]


def test_every_contender_is_tried_at_each_rate_with_each_seed_of_the_trials(stored):
    trials, _ = tuning.tuned(CONTENDERS, RATES, trials=(100, 101), seeds=range(5))
    assert settings(trials) == [
        (schedule, rate, seed)
        for schedule in ("constant", "cosine", "linear")
        for rate in RATES
        for seed in (100, 101)
    ]


def test_each_is_then_trained_at_its_own_best_rate_with_the_other_seeds(stored):
    trials, finals = tuning.tuned(CONTENDERS, RATES, trials=(100, 101), seeds=range(5))
    best = {}
    for schedule in ("constant", "cosine", "linear"):
        losses = np.zeros(len(RATES))
        for run in trials:
            if run.settings["schedule"] == schedule:
                at = RATES.index(run.settings["rate"])
                losses[at] += run.result["validation_loss"][-1]
        best[schedule] = RATES[int(losses.argmin())]
    assert len(set(best.values())) > 1, "choose contenders that differ in their best rate"
    assert settings(finals) == [(name, best[name], seed) for name in best for seed in range(5)]


def test_a_seed_that_chose_the_rate_may_not_judge_it():
    message = r"seeds must not be among those of the trials, \[100, 101\], received \[0, 101\]: "
    with pytest.raises(ValueError, match=message + r"\[101\] chose the rate"):
        tuning.tuned(CONTENDERS, RATES, trials=(100, 101), seeds=(0, 101))


FULL = [dict(optimizer="Adam", schedule=schedule, budget="FULL") for schedule in ("linear", "time")]


def test_a_search_nearby_goes_on_until_both_neighbours_of_the_best_are_higher(stored):
    trials, finals = tuning.tuned_nearby(FULL, RATES, start=(0.01, 0.01), trial=100, seeds=range(5))
    assert settings(trials) == [
        *[("linear", rate, 100) for rate in (3e-4, 0.001, 0.003, 0.01, 0.03)],
        *[("time", rate, 100) for rate in (0.003, 0.01, 0.03)],
    ]
    losses = trials.where(schedule="linear").final()
    assert losses.argmin() == 1, "choose a contender whose valley lies two rates from the start"
    assert settings(finals) == [
        *[("linear", 0.001, seed) for seed in range(5)],
        *[("time", 0.01, seed) for seed in range(5)],
    ]


def test_a_search_nearby_finds_what_lies_further_away_at_the_rates_that_it_tries_as_well(stored):
    row = RATES[:4]  # from 0.0003 to 0.01
    near = dict(start=(0.01, 0.01), trial=100, seeds=range(5))
    trials, finals = tuning.tuned_nearby(FULL, RATES, **near, also=[(), row])
    assert settings(trials) == [
        *[("linear", rate, 100) for rate in (3e-4, 0.001, 0.003, 0.01, 0.03)],
        *[("time", rate, 100) for rate in (*row, 0.03)],
    ]
    assert settings(finals)[5:] == [("time", 0.001, seed) for seed in range(5)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(seeds=(0, 100)), r"seeds must not hold the trial's, 100, received \[0, 100\]"),
        (dict(start=(0.01, 0.02)), r"start must be rates of the grid, \[.*\], received 0.02"),
    ],
)
def test_a_search_nearby_says_what_it_cannot_start_from(given, message):
    good = dict(start=(0.01, 0.01), trial=100, seeds=range(5))
    with pytest.raises(ValueError, match=message):
        tuning.tuned_nearby(FULL, RATES, **good | given)


def valley(lowest, noise=0.0, fails=()):
    """Stands for training: the loss is lowest at one rate, and some rates fail some seeds."""

    def made_up(function, settings):
        runs = []
        for s in settings:
            random = np.random.default_rng([s["seed"], int(1e9 * s["rate"])])
            loss = 0.1 + np.log(s["rate"] / lowest) ** 2 / 50
            loss *= np.exp(noise * random.normal())
            right = 0.1 if (s["rate"], s["seed"]) in fails else 0.9
            result = {"validation_loss": [2.0, loss], "validation_accuracy": [0.1, right]}
            runs.append(Run("train", s, result, {}))
        return Runs(runs)

    return made_up


def tried(trials):
    """How many seeds each rate has."""
    return {rate: len(runs) for rate, runs in sorted(trials.by("rate").items())}


@pytest.mark.parametrize(("lowest", "best"), [(0.012, 0.01), (0.1, 0.1), (3e-5, 3e-5), (20, 30.0)])
def test_a_search_gives_six_seeds_to_the_lowest_and_its_neighbours_beyond_the_grid_too(
    monkeypatch, lowest, best
):
    monkeypatch.setattr(tuning, "measured", valley(lowest))
    trials, rates = tuning.searched([CONTENDERS[0]])
    assert rates == [best]
    place = HALF_DECADES.index(best)
    seeds = tried(trials)
    assert [seeds[rate] for rate in HALF_DECADES[place - 1 : place + 2]] == [6, 6, 6]
    assert all(seeds[rate] in (2, 6) for rate in seeds) and set(RATES) <= set(seeds)


def test_a_rate_at_which_a_seed_fails_comes_behind_those_at_which_none_does(monkeypatch):
    monkeypatch.setattr(tuning, "measured", valley(0.01, fails={(0.01, 104)}))
    _, rates = tuning.searched([CONTENDERS[0]])
    assert rates[0] in (0.003, 0.03)


def test_six_seeds_that_would_not_choose_alike_become_twelve(monkeypatch):
    monkeypatch.setattr(tuning, "measured", valley(0.01, noise=3.0))
    trials, rates = tuning.searched([CONTENDERS[0]])
    assert tried(trials)[rates[0]] == 12
    monkeypatch.setattr(tuning, "measured", valley(0.01, noise=0.1))
    trials, rates = tuning.searched([CONTENDERS[0]])
    assert tried(trials)[rates[0]] == 6 and tuning.same_choice(trials) == 1


def test_the_answer_has_new_seeds_at_the_rate_of_the_search(monkeypatch):
    monkeypatch.setattr(tuning, "measured", valley(0.1))
    answer = tuning.answered([CONTENDERS[0]])
    assert [run.settings["seed"] for run in answer] == [*tuning.ANSWER]
    assert {run.settings["rate"] for run in answer} == {0.1}


def test_a_search_that_leaves_every_grid_says_so(monkeypatch):
    monkeypatch.setattr(tuning, "measured", valley(1e6))
    with pytest.raises(LookupError, match=r"must lie inside the grid, found it at 100$"):
        tuning.searched([CONTENDERS[0]])


def test_no_seed_of_the_answer_has_searched():
    assert not {*tuning.FIRST, *tuning.MORE, *tuning.DOUBT, *range(5)} & {*tuning.ANSWER}


def test_sweeps_of_several_seeds_are_one_range_test():
    rates = np.geomspace(1e-4, 1, 50)
    sweeps = Runs(
        Run(
            "sweep",
            {"seed": seed},
            {"sweep_rates": rates.tolist(), "sweep_losses": (rates * seed).tolist()},
            {},
        )
        for seed in (3, 1)
    )
    result = tuning.range_test(sweeps)
    assert result.seeds == (3, 1)
    np.testing.assert_allclose(result.rates, rates)
    np.testing.assert_allclose(result.losses, [3 * rates, rates])


def falling_to(*lowest: float) -> Runs:
    """Sweeps from 1e-5 to 1 whose losses fall to some rates and then rise, one a seed."""
    rates = np.geomspace(1e-5, 1, 100)
    return Runs(
        Run(
            "sweep",
            {"seed": seed},
            {
                "sweep_rates": rates.tolist(),
                "sweep_losses": abs(np.log10(rates / at)).tolist(),
            },
            {},
        )
        for seed, at in enumerate(lowest)
    )


def test_what_the_rules_suggest_stands_beside_the_lowest_point():
    found = tuning.suggested(falling_to(0.01))
    assert list(found) == ["lowest point", "minimum/10", "valley", "steepest"]
    assert found["lowest point"] == pytest.approx(0.01, rel=0.2)
    assert found["minimum/10"] == found["lowest point"] / 10
    assert set(tuning.suggested(falling_to(1e-7)).values()) == {None}


def test_an_answer_is_told_with_its_interval_and_none_where_the_sweep_ends_too_early():
    sweeps = falling_to(0.005, 0.01, 0.02)
    whole, cut = tuning.answer(sweeps), tuning.answer(sweeps, last=0.001)
    assert tuning.interval(whole) == "0.00095 (0.00048 to 0.0019)"
    assert (tuning.interval(cut), "still falls" in cut.reason) == ("no answer", True)
