"""Ways of finding a rate: each answers, pays what it says, and does so again."""

import math

import keras
import numpy as np
import pytest

from lrguide.guide import benchmark, contenders, ways
from lrguide.guide.records import Run
from lrguide.guide.settings import complete
from lrguide.guide.ways import SEEDS, TRIALS, Trained, search

# A dense network on a small table: 60 steps.
LITTLE = dict(
    task="MIXTURE", optimizer="Adam", training=512, batch=64, epochs=15, validation=200, seed=10
)
STEPS = 120
PRICES = {"halving": 1.0, "finder": 1.0}
LIBRARIES = {"tpe": "optuna", "hyperband": "keras_tuner"}


def found(way, **more):
    if way in LIBRARIES:
        pytest.importorskip(LIBRARIES[way])
    settings = dict(LITTLE, way=way, price=PRICES.get(way, 0.0)) | more
    return search(**complete(search, settings))


@pytest.fixture(scope="module")
def results():
    return {way: found(way) for way in contenders.WAYS if way not in (*LIBRARIES, "confirm")}


def test_each_way_of_the_table_has_its_function():
    assert set(ways._FINDS) == set(contenders.WAYS)


def test_each_way_answers_with_a_rate_between_its_ends(results):
    for way, result in results.items():
        rates = [rate for rate in result["answers"].values() if rate is not None]
        assert rates, way
        assert all(1e-6 <= rate <= 30 for rate in rates), way


def test_what_a_way_has_trained_is_all_there(results):
    for way, result in results.items():
        counts = {len(result[name]) for name in ("rates", "steps", "losses", "paid")}
        assert len(counts) == 1, way
        assert max(result["prices"].values()) == sum(result["paid"]), way
        assert all(0 <= p <= s for p, s in zip(result["paid"], result["steps"], strict=True)), way


def test_a_price_is_not_exceeded(results):
    assert results["finder"]["prices"]["1"] <= STEPS
    for price, count in TRIALS.items():
        assert results["random"]["prices"][price] <= count * (STEPS // 4)
    assert sum(results["halving"]["steps"]) <= STEPS + 12  # each length is rounded


def test_random_search_names_the_lowest_of_its_trials(results):
    result = results["random"]
    for price, count in TRIALS.items():
        losses = [math.inf if loss is None else loss for loss in result["losses"][:count]]
        best = result["rates"][int(np.argmin(losses))]
        assert result["answers"][price] == pytest.approx(best, rel=1e-3)


def test_halving_keeps_the_three_best_for_three_times_as_long(results):
    result = results["halving"]
    first = sorted(range(9), key=lambda n: math.inf if (x := result["losses"][n]) is None else x)
    assert len(result["rates"]) == 12
    assert {result["rates"][n] for n in first[:3]} == {*result["rates"][9:]}
    assert result["steps"] == [7] * 9 + [20] * 3


def test_the_range_test_answers_by_each_rule_and_three_times_it(results):
    answers = results["range test"]["answers"]
    for rule in ("minimum/10", "valley", "steepest"):
        assert answers[f"3 x {rule}"] == pytest.approx(3 * answers[rule], rel=1e-3)


def test_the_finder_is_the_frozen_one_and_what_it_says_now_follows_from_the_same_pilots(results):
    from lrguide import find_rate
    from lrguide.guide import tasks

    run = Run("search", {}, results["finder"], {})
    now = benchmark.decided_anew(run, STEPS)
    keras.utils.clear_session()
    keras.utils.set_random_seed(10)
    data, model = tasks.data("MIXTURE").first(512, 200, 1), tasks.named("MIXTURE").network()
    model.compile("adam", "categorical_crossentropy")
    found = find_rate(
        model,
        data.x_train,
        data.y_train,
        steps=STEPS,
        validation_data=(data.x_validation, data.y_validation),
        batch_size=64,
        seeds=[*SEEDS],
        verbose=0,
    )
    assert [pilot.rate for pilot in found.pilots] == results["finder"]["rates"][:-1]
    assert now == found.rate <= results["finder"]["answers"]["1"]


def test_the_same_seed_searches_alike_and_another_one_otherwise():
    one, again, other = found("finder"), found("finder"), found("finder", seed=11)
    assert one == again
    assert one["losses"] != other["losses"]


def test_where_all_diverge_there_is_no_answer():
    seen = Trained()
    seen.add(1.0, 10, math.nan, 4)
    seen.add(3.0, 10, math.inf, 4)
    assert seen.best() is None
    seen.answer("1", seen.best())
    assert seen.answers == {"1": None} and seen.prices == {"1": 8}


def test_the_seeds_of_searches_are_not_those_of_the_truth():
    assert not {*SEEDS} & {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("setting", "value"), [("way", "guessing"), ("way", None), ("price", -1)])
def test_bad_settings_are_one_sentence(setting, value):
    with pytest.raises((TypeError, ValueError), match=f"{setting} must be"):
        complete(search, dict(LITTLE, **({"way": "finder"} | {setting: value})))


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    with pytest.raises(ModuleNotFoundError, match=r"needs no_such_library.*--group benchmark"):
        ways._library("no_such_library")
