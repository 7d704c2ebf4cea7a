"""The problems of the benchmark: each can be trained, is the same each time, and can be judged."""

import math

import numpy as np
import pytest

from lrguide.guide import judging, tasks
from lrguide.guide.experiments import first_losses, train
from lrguide.guide.problems import DESIGN, GRID, JUDGING, finer, regret
from lrguide.guide.settings import MNIST, complete

tasked = pytest.mark.parametrize("task", judging.JUDGED)


def test_twelve_problems_design_and_more_than_twelve_others_judge():
    assert len(DESIGN) == 12 and len(JUDGING) >= 12
    names = [problem.name for problem in DESIGN + JUDGING]
    assert len({*names}) == len(names)
    assert not {problem.settings.get("task", MNIST) for problem in DESIGN} & {*judging.JUDGED}


def test_the_judging_problems_differ_in_all_that_was_planned():
    def of(setting):
        return {problem.settings.get(setting) for problem in JUDGING}

    assert of("task") == {*judging.JUDGED}
    assert {"Adam", "AdamW", "SGD momentum", "RMSprop", "Lion"} == of("optimizer")
    assert {"constant", "warmup linear"} == of("schedule")
    assert {300, 1000, 4800} == {problem.steps for problem in JUDGING}
    batches = {
        problem.settings.get("batch", tasks.named(problem.settings["task"]).batch)
        for problem in JUDGING
    }
    assert {16, 512} <= batches
    transformers = {p.settings["optimizer"] for p in JUDGING if "transformer" in p.name}
    assert transformers == {"Adam", "AdamW", "SGD momentum"}


@pytest.mark.parametrize("problem", DESIGN + JUDGING, ids=lambda problem: problem.name)
def test_the_truth_of_a_problem_can_be_asked_for(problem):
    asked = problem.trainings()
    assert len(asked) == len(problem.rates) * len(problem.seeds)
    settings = complete(train, asked[0])
    steps = math.ceil(settings["training"] / settings["batch"]) * settings["epochs"]
    assert problem.steps == steps
    assert problem.guess > 0.5
    assert not {*problem.seeds} & {10, 11, 12, 13, 14}  # with which ways search


def test_the_grid_has_half_decades():
    factors = np.diff(np.log10(GRID))
    assert len(GRID) == 13 and np.allclose(factors, 0.5, atol=0.03)


@tasked
def test_data_have_their_parts_in_float32_and_no_loss_without_an_end(task):
    parts = tasks.data(task)
    for part, size in zip(("train", "validation", "test"), judging.JUDGED[task].parts, strict=True):
        for axis in "xy":
            array = getattr(parts, f"{axis}_{part}")
            assert len(array) == size and array.dtype == np.float32 and np.isfinite(array).all()
    if judging.JUDGED[task].classes:
        assert (parts.y_train.sum(axis=-1) == 1).all()
        return
    spread = parts.y_train.std(axis=0)
    assert np.isclose(spread, 1, atol=1e-3).any() and np.all(spread < 1.001)


@tasked
def test_data_are_the_same_each_time_and_of_no_other_seed(task, monkeypatch):
    one, again = tasks.data.__wrapped__(task), tasks.data.__wrapped__(task)
    assert np.array_equal(one.x_train, again.x_train)
    assert np.array_equal(one.y_test, again.y_test)
    made = judging.JUDGED[task]
    x, _ = made.arrays()
    if task not in ("RESIDUAL", "AUTOENCODER", "FINE_TUNING"):  # scikit-learn's digits have no seed
        other = np.random.RandomState
        monkeypatch.setattr(np.random, "RandomState", lambda seed: other(seed + 1))
        assert not np.array_equal(made.arrays()[0], x)


def test_a_sequence_to_copy_stands_before_its_mark():
    parts, kinds = tasks.data("COPY"), judging.SYMBOLS + 2
    symbols = parts.x_test[:, :, :kinds].argmax(axis=2)
    assert (symbols[:, : judging.COPIED] == parts.y_test.argmax(axis=2)).all()
    assert (symbols[:, judging.COPIED] == judging.SYMBOLS).all()
    assert (symbols[:, judging.COPIED + 1 :] == judging.SYMBOLS + 1).all()
    places = parts.x_test[:, :, kinds:]
    assert (places == np.eye(places.shape[1])).all()


def test_an_addition_is_that_of_its_two_numbers():
    parts = tasks.data("ADDITION")
    first, second, mark = parts.x_test[:, :, : judging.MODULUS + 1].argmax(axis=2).T
    assert ((first + second) % judging.MODULUS == parts.y_test.argmax(axis=1)).all()
    assert (mark == judging.MODULUS).all()


def test_two_numbers_are_marked_and_their_sum_is_the_target():
    parts = tasks.data("ADDING")
    numbers, marks = parts.x_train[..., 0], parts.x_train[..., 1]
    assert (marks.sum(axis=1) == 2).all()
    assert np.corrcoef((numbers * marks).sum(axis=1), parts.y_train[:, 0])[0, 1] > 0.9999


def test_the_fine_tuned_network_knows_the_first_digits_and_its_last_layer_is_new():
    from sklearn.datasets import load_digits

    weights = judging._learned()
    one, other = (judging._fine_tuned().get_weights() for _ in range(2))
    for known, first, second in zip(weights, one[:4], other[:4], strict=True):
        assert np.allclose(known, first) and np.allclose(known, second)
    assert not np.allclose(one[4], other[4])
    found = load_digits()
    x = found.images[found.target < 5].reshape(-1, 64) / 16
    for matrix, bias in (weights[:2], weights[2:]):
        x = np.maximum(x @ matrix + bias, 0)
    apart = [x[found.target[found.target < 5] == digit].mean(axis=0) for digit in range(5)]
    distances = [np.linalg.norm(a - b) for a in apart for b in apart if a is not b]
    assert min(distances) > x.std()


# Compiling is nearly all of it, so each task takes a step with the first of its problems.
@tasked
def test_a_problem_takes_a_step(task):
    problem = next(problem for problem in JUDGING if problem.settings["task"] == task)
    settings = complete(train, dict(problem.settings) | dict(rate=0.001, seed=3))
    once = first_losses(train, {**settings, "training": settings["batch"]})
    assert len(once) == 1 and 0 < once[0] < 3 * problem.guess
    if task == "FINE_TUNING":  # its network was trained on other digits
        assert once == first_losses(train, {**settings, "training": settings["batch"]})


def test_the_finer_rates_lie_halfway_to_the_neighbours_of_the_lowest():
    assert finer((0.001, 0.003, 0.01, 0.03), 0.003) == (0.0017, 0.0055)
    assert finer((0.001, 0.003, 0.01), 0.001) == (0.0017,)
    assert finer((0.001, 0.003, 0.01), 0.01) == (0.0055,)


def test_regret_is_told_in_both_units_and_read_off_a_line_between_rates():
    losses = {0.001: 1.0, 0.01: 0.5, 0.1: 2.0}
    assert (regret(losses, 0.01, 2.5).relative, regret(losses, 0.01, 2.5).normalised) == (0, 0)
    found = regret(losses, 0.1, 2.5)
    assert (found.relative, found.normalised) == pytest.approx((3, 0.75))
    between = regret(losses, math.sqrt(0.001 * 0.01), 2.5)
    assert (between.relative, between.normalised) == pytest.approx((0.5, 0.125))
    assert regret(losses, 5.0, 2.5) == found
    assert regret(losses, 1e-9, 2.5).relative == pytest.approx(1)
