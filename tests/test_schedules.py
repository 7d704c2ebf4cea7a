"""Schedules: the rate of each step, against other libraries, by properties, and in a real fit."""

import json
from pathlib import Path

import keras
import laws
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from laws import same, values
from oracle_schedules import EQUAL, ORACLES

from lrguide import composing, schedules
from lrguide.composing import join, per_epoch, warmup
from lrguide.cyclical import restarts
from lrguide.schedules import (
    compounding_time,
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    piecewise,
    polynomial,
    step_decay,
    warmup_stable_decay,
)

SAVED = sorted(Path(__file__).with_name("fixtures").glob("*/values.json"))
LIBRARIES = ("keras", "optax", "torch", "transformers")


lengths = st.integers(1, 200)
rates = st.floats(1e-6, 10.0)
factors = st.floats(0.01, 1.0)
decays = st.one_of(
    st.builds(linear, rates, lengths),
    st.builds(lambda rate, steps, part: linear(rate, steps, rate * part), rates, lengths, factors),
    st.builds(lambda rate, steps, part: cosine(rate, steps, rate * part), rates, lengths, factors),
    st.builds(polynomial, rates, lengths, power=st.floats(0.1, 5.0)),
    st.builds(inverse_sqrt, rates, lengths),
    st.builds(exponential, rates, lengths, decay_rate=factors),
    st.builds(step_decay, rates, lengths, decay_rate=factors),
    st.builds(inverse_time, rates, lengths, decay_rate=st.floats(0.001, 100.0)),
    st.builds(
        compounding_time,
        rates,
        st.floats(1e-6, 1.0),
        epochs=st.integers(1, 20),
        steps_per_epoch=st.integers(1, 20),
    ),
)
any_schedule = st.recursive(
    decays | st.builds(constant, rates),
    lambda inner: st.one_of(
        st.builds(warmup, inner, lengths),
        st.builds(per_epoch, inner, st.integers(1, 20)),
        st.builds(lambda first, second, step: join([first, second], [step]), inner, inner, lengths),
    ),
    max_leaves=3,
)
quickly = settings(deadline=None, max_examples=40)


@pytest.mark.parametrize(
    ("row", "library"),
    [(row, library) for row in EQUAL for library in LIBRARIES if library in ORACLES["rates"][row]],
)
def test_rates_equal_those_of_other_libraries(row, library):
    expected = np.array(ORACLES["rates"][row][library])
    ours = values(EQUAL[row])[: len(expected)]
    # Keras' classes subtract in float32, so near an end of 0 only the absolute error is small.
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-8)


def test_a_product_of_two_schedules_is_pytorchs_chained_scheduler():
    product = values(linear(1.0, 40, 0.5)) * values(cosine(0.1, 40))
    expected = ORACLES["rates"]["linear times cosine"]["torch"]
    np.testing.assert_allclose(product[:41], expected, rtol=1e-6, atol=1e-8)


def test_off_by_one_keras_changes_a_step_after_its_boundary():
    late = ORACLES["rates"]["off by one: Keras' boundaries are the last steps of the old rate"]
    ours = values(piecewise([0.1, 0.01, 0.001], [30, 50]))
    np.testing.assert_allclose(late["keras"][1:], ours[:-1], rtol=1e-6)
    assert not np.allclose(late["keras"], ours)


def test_off_by_one_optax_counts_the_warmup_among_the_decay_steps():
    row = ORACLES["rates"]["off by one: Optax' decay_steps hold the warmup too"]
    shorter = warmup(cosine(0.1, 30, 0.01), 10, start_factor=0.2)
    np.testing.assert_allclose(values(shorter), row["optax"], rtol=1e-6)


def test_past_the_end_pytorchs_cosine_rises_and_ours_stays():
    rising = ORACLES["rates"]["past the end: torch's cosine rises"]["torch"]
    assert rising[69] > rising[40]
    np.testing.assert_allclose(values(cosine(0.1, 40, 0.01))[40:], 0.01, rtol=1e-6)


def test_past_2_to_the_24_keras_staircase_drops_early_and_ours_at_its_step():
    steps = 2**24 + 1
    keras_own = keras.optimizers.schedules.ExponentialDecay(0.1, steps, 0.5, staircase=True)
    assert float(keras_own(steps - 1)) == pytest.approx(0.05)
    assert float(step_decay(0.1, steps, decay_rate=0.5)(steps - 1)) == pytest.approx(0.1)


def test_a_plain_integer_is_compared_in_32_bits_by_keras_and_in_64_by_ours():
    far = 2**31 + 10
    keras_own = keras.optimizers.schedules.PiecewiseConstantDecay([far - 1], [0.1, 0.01])
    assert float(keras_own(5)) == pytest.approx(0.01)
    assert float(piecewise([0.1, 0.01], [far])(5)) == pytest.approx(0.1)


# By name: a schedule that changes at multiples of d, and its rate in whole numbers of Python.
LATE = {
    "step_decay": lambda d: (step_decay(0.1, d, decay_rate=0.5), lambda n: 0.1 * 0.5 ** (n // d)),
    "per_epoch": lambda d: (per_epoch(linear(0.1, 4), d), lambda n: 0.1 - 0.025 * min(n // d, 4)),
    "compounding_time": lambda d: (
        compounding_time(0.1, 1.0, epochs=3, steps_per_epoch=d),
        lambda n: [0.1, 0.05, 0.05 / 3][min(n // d, 2)],
    ),
    "piecewise": lambda d: (
        piecewise([0.1, 0.01, 0.001], [d, 2 * d]),
        lambda n: [0.1, 0.01, 0.001][min(n // d, 2)],
    ),
    "join": lambda d: (
        join([0.1, linear(0.2, 2)], [d]),
        lambda n: 0.1 if n < d else max(0.0, 0.2 - 0.1 * (n - d)),
    ),
    "warmup": lambda d: (
        warmup(piecewise([0.1, 0.2], [1]), d, start_factor=0.5),
        lambda n: 0.05 + 0.05 * (n / d) if n < d else [0.1, 0.2][min(n - d, 1)],
    ),
    "warmup_stable_decay": lambda d: (
        warmup_stable_decay(0.1, (d, d, 2)),
        lambda n: 0.1 * min((n + 1) / (d + 1), 1.0, max(0.0, (2 * d + 2 - n) / 2)),
    ),
    "inverse_sqrt": lambda d: (inverse_sqrt(0.1, d), lambda n: 0.1 / (1 + n / d) ** 0.5),
    "linear": lambda d: (linear(0.1, d, 0.05), lambda n: 0.05 + 0.05 * (1 - min(n / d, 1))),
    "in epochs": lambda d: (
        step_decay(0.1, decay_rate=0.5, epochs=d / 2, steps_per_epoch=2),
        lambda n: 0.1 * 0.5 ** (n // d),
    ),
}


@pytest.mark.parametrize("far", [2**24 + 1, 2**31 - 1, 2**31 + 3, 2**51 + 1, 2**53 // 4 + 1])
@pytest.mark.parametrize("name", LATE)
def test_however_late_the_rate_changes_at_exactly_its_step(name, far):
    schedule, oracle = LATE[name](far)
    steps = [max(0, times * far + more) for times in (0, 1, 2, 3) for more in (-1, 0, 1, 2)]
    expected = [oracle(step) for step in steps]
    np.testing.assert_allclose(values(schedule, np.array(steps)), expected, rtol=1e-6)
    np.testing.assert_allclose([float(schedule(step)) for step in steps], expected, rtol=1e-6)


def test_a_thousand_epochs_of_compounding_time_are_one_look_up():
    schedule = compounding_time(0.1, 1e-6, epochs=1000, steps_per_epoch=3)
    graph = tf.function(schedule.__call__).get_concrete_function(tf.TensorSpec((), "int64")).graph
    assert len(graph.get_operations()) < 30
    epochs = np.minimum(np.arange(4000) // 3, 999)
    same(values(schedule, np.arange(4000)), compounded(0.1, 1e-6, 1000)[epochs])


def compounded(rate, factor, epochs):
    """The source's code, as it is: a variable multiplied at each call."""
    found = []
    for epoch in range(epochs):
        rate = rate * (1.0 / (1.0 + factor * epoch))
        found.append(rate)
    return np.array(found)


CLOSED_FORMS = {
    "constant": (constant(0.1), lambda n: 0.1 + 0 * n),
    "linear": (linear(0.1, 40, 0.01), lambda n: 0.1 - 0.09 * np.minimum(n, 40) / 40),
    "cosine": (
        cosine(0.1, 40, 0.01),
        lambda n: 0.01 + 0.09 * (1 + np.cos(np.pi * np.minimum(n, 40) / 40)) / 2,
    ),
    "polynomial": (
        polynomial(0.1, 40, 0.01, power=2.5),
        lambda n: 0.01 + 0.09 * ((40 - np.minimum(n, 40)) / 40) ** 2.5,
    ),
    "inverse_sqrt": (inverse_sqrt(0.1, 20), lambda n: 0.1 / np.sqrt(1 + n / 20)),
    "exponential": (exponential(0.1, 20, decay_rate=0.3), lambda n: 0.1 * 0.3 ** (n / 20)),
    "step_decay": (step_decay(0.1, 20, decay_rate=0.3), lambda n: 0.1 * 0.3 ** (n // 20)),
    "inverse_time": (inverse_time(0.1, 20, decay_rate=0.3), lambda n: 0.1 / (1 + 0.3 * n / 20)),
    "compounding_time": (
        compounding_time(0.1, 0.05, epochs=10, steps_per_epoch=6),
        lambda n: compounded(0.1, 0.05, 10)[np.minimum(n // 6, 9).astype(int)],
    ),
    "warmup": (
        warmup(inverse_time(0.1, 20, decay_rate=0.3), 9),
        lambda n: np.where(n < 9, 0.1 * (n + 1) / 10, 0.1 / (1 + 0.3 * (n - 9) / 20)),
    ),
    "warmup from a part": (
        warmup(0.1, 9, start_factor=0.25),
        lambda n: np.where(n < 9, 0.025 + 0.075 * n / 9, 0.1),
    ),
    "warmup_stable_decay": (
        warmup_stable_decay(0.1, (9, 20, 30), 0.01),
        lambda n: np.interp(n, [0, 9, 29, 59], [0.01, 0.1, 0.1, 0.01]),
    ),
    "piecewise": (
        piecewise([0.1, 0.01, 0.001], [30, 50]),
        lambda n: np.select([n < 30, n < 50], [0.1, 0.01], 0.001),
    ),
    "join": (
        join([0.2, linear(0.1, 40, 0.05)], [30]),
        lambda n: np.where(n < 30, 0.2, np.interp(n, [30, 70], [0.1, 0.05])),
    ),
    "per_epoch": (
        per_epoch(exponential(0.1, 2, decay_rate=0.3), 7),
        lambda n: 0.1 * 0.3 ** ((n // 7) / 2),
    ),
}


def test_each_schedule_has_a_closed_form():
    known = {name.split()[0] for name in CLOSED_FORMS}
    assert known == {*schedules.__all__, *composing.__all__}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_rates_equal_the_closed_form_in_float64(name):
    schedule, formula = CLOSED_FORMS[name]
    steps = np.arange(100, dtype="float64")
    np.testing.assert_allclose(values(schedule, np.arange(100)), formula(steps), rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(linear(0.1, 4), {0: 0.1, 3: 0.025, 4: 0.0, 5: 0.0}, id="linear"),
        pytest.param(cosine(0.1, 4), {0: 0.1, 2: 0.05, 4: 0.0, 5: 0.0}, id="cosine"),
        pytest.param(
            step_decay(0.1, 3, decay_rate=0.5), {2: 0.1, 3: 0.05, 5: 0.05, 6: 0.025}, id="step"
        ),
        pytest.param(piecewise([0.1, 0.2], [3]), {2: 0.1, 3: 0.2}, id="piecewise"),
        pytest.param(join([0.1, linear(0.2, 2)], [3]), {2: 0.1, 3: 0.2, 4: 0.1}, id="join"),
        pytest.param(warmup(0.1, 4), {0: 0.02, 3: 0.08, 4: 0.1, 5: 0.1}, id="warmup"),
        pytest.param(per_epoch(linear(0.1, 4), 3), {2: 0.1, 3: 0.075, 5: 0.075}, id="per_epoch"),
        pytest.param(
            compounding_time(0.1, 1.0, epochs=2, steps_per_epoch=3),
            {2: 0.1, 3: 0.05, 5: 0.05, 6: 0.05},
            id="compounding_time",
        ),
    ],
)
def test_the_rate_changes_during_the_step_that_the_docstring_names(schedule, expected):
    for step, rate in expected.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-6, abs=1e-9), step


def test_the_time_decay_of_the_source_starts_slowly_and_the_usual_one_starts_fastest():
    source = values(compounding_time(0.1, 0.01, epochs=50, steps_per_epoch=1), np.arange(50))
    usual = values(inverse_time(0.1, 1, decay_rate=0.01), np.arange(50))
    assert np.argmax(-np.diff(usual)) == 0
    assert np.argmax(-np.diff(source)) > 5
    np.testing.assert_allclose(source, 0.1 * np.exp(-0.01 * np.arange(50) ** 2 / 2), atol=0.003)


@quickly
@given(decays)
def test_a_decay_never_rises_and_stays_between_0_and_its_first_rate(schedule):
    found = values(schedule, np.arange(500))
    assert np.all(np.diff(found) <= 1e-6 * found[0])
    assert np.all((found >= 0) & (found <= found[0]))


@quickly
@given(any_schedule, st.randoms())
def test_the_rate_depends_on_the_step_alone(schedule, random):
    laws.depends_on_the_step_alone(schedule, random)


@quickly
@given(any_schedule)
def test_a_schedule_made_again_from_its_config_gives_the_same_rates(schedule):
    laws.made_again(schedule)


@example(linear(1.0, 60), 57)
@settings(deadline=None, max_examples=15)
@given(any_schedule, st.integers(0, 500))
def test_the_compiled_graph_gives_the_rate_of_the_plain_call(schedule, step):
    laws.compiles_to_the_same_rate(schedule, step)


@quickly
@given(rates, st.integers(1, 20), st.integers(1, 50))
def test_a_length_in_epochs_is_that_many_steps(rate, epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    inside = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for make, more in [
        (linear, {}),
        (cosine, {}),
        (polynomial, {"power": 2.0}),
        (inverse_sqrt, {}),
        (exponential, {"decay_rate": 0.5}),
        (step_decay, {"decay_rate": 0.5}),
        (inverse_time, {"decay_rate": 0.5}),
        (warmup, {}),
    ]:
        assert_same(make(rate, steps, **more), make(rate, **inside, **more))


def test_the_shortest_length_in_epochs_is_one_step():
    assert_same(linear(0.1, epochs=0.2, steps_per_epoch=5), linear(0.1, 1))


def test_boundaries_and_phases_in_epochs_are_those_in_steps():
    inside = {"steps_per_epoch": 10}
    assert_same(
        piecewise([0.3, 0.2, 0.1], [10, 25]), piecewise([0.3, 0.2, 0.1], epochs=[1, 2.5], **inside)
    )
    assert_same(join([0.2, 0.1], [5]), join([0.2, 0.1], epochs=[0.5], **inside))
    assert_same(
        warmup_stable_decay(0.1, (5, 10, 20)),
        warmup_stable_decay(0.1, epochs=(0.5, 1, 2), **inside),
    )


def assert_same(first, second):
    serialize = keras.optimizers.schedules.serialize
    assert serialize(first) == serialize(second)


@quickly
@given(any_schedule, lengths)
def test_a_warmup_rises_to_the_schedule_and_then_is_the_schedule(schedule, steps):
    found = values(warmup(schedule, steps), np.arange(steps + 300))
    first = float(schedule(0))
    np.testing.assert_allclose(found[:steps], first * np.arange(1, steps + 1) / (steps + 1), 1e-5)
    same(found[steps:], values(schedule, np.arange(300)))
    assert first == 0 or found[0] > 0


@quickly
@given(st.lists(any_schedule, min_size=2, max_size=4), st.data())
def test_joined_schedules_each_start_at_their_own_step_0(parts, data):
    lasts = data.draw(st.lists(lengths, min_size=len(parts) - 1, max_size=len(parts) - 1))
    starts = [0, *np.cumsum(lasts).tolist()]
    found = values(join(parts, starts[1:]), np.arange(1000))
    for part, start, end in zip(parts, starts, [*starts[1:], 1000], strict=True):
        same(found[start:end], values(part, np.arange(end - start)))


@quickly
@given(any_schedule, st.integers(1, 30))
def test_the_rate_is_held_through_an_epoch(schedule, steps_per_epoch):
    found = values(per_epoch(schedule, steps_per_epoch), np.arange(10 * steps_per_epoch))
    by_epoch = found.reshape(10, steps_per_epoch)
    same(by_epoch, by_epoch[:, :1].repeat(steps_per_epoch, axis=1))
    same(by_epoch[:, 0], values(schedule, np.arange(10)))


@pytest.mark.parametrize(
    "schedule",
    [
        linear(0.1, 20, 0.01),
        polynomial(0.1, 20, 0.01, power=2.0),
        cosine(0.1, 20, 0.01),
        warmup_stable_decay(0.1, (5, 5, 10), 0.01),
        piecewise([0.1, 0.01], [20]),
        join([0.1, 0.01], [20]),
        compounding_time(0.1, 9.0, epochs=2, steps_per_epoch=10),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_past_the_end_the_last_rate_stays(schedule):
    np.testing.assert_allclose(values(schedule, np.array([20, 21, 10**6])), 0.01, rtol=1e-6)


def test_whole_numbers_as_rates_do_not_truncate():
    for schedule in (
        exponential(1, 100, decay_rate=0.25),
        linear(1, 100),
        cosine(np.int64(1), np.int64(100)),
        inverse_time(1, 50, decay_rate=1),
        piecewise([1, np.float32(0.5)], [40]),
    ):
        assert float(schedule(50)) == pytest.approx(0.5)


class Weight(keras.callbacks.Callback):
    """Keeps the one weight after each call back."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def on_train_batch_end(self, batch, logs=None):
        self.seen[int(self.model.optimizer.iterations)] = float(self.model.get_weights()[0][0, 0])


def model_of_slope_one(rate, **options):
    """A model of one weight of which the gradient is always 1: each step takes the rate from it."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.zeros((1, 1))])
    loss = keras.losses.MeanAbsoluteError()  # |1e6 - w|, whose slope is -1
    model.compile(keras.optimizers.SGD(rate), loss, **options)
    return model


@pytest.mark.parametrize(
    ("at_once", "seen"), [(1, list(range(1, 21))), (4, [4, 8, 10, 14, 18, 20])]
)
def test_in_a_real_fit_each_step_uses_the_declared_rate(at_once, seen):
    schedule = warmup(
        join([cosine(1.0, 8), per_epoch(step_decay(1.0, 1, decay_rate=0.5), 3)], [8]), 5
    )
    model = model_of_slope_one(schedule, steps_per_execution=at_once)
    weight = Weight()
    model.fit(np.ones((40, 1)), np.full((40, 1), 1e6), 4, 2, 0, callbacks=[weight])
    moved = np.cumsum(values(schedule, np.arange(20)))
    assert list(weight.seen) == seen
    for steps, reached in weight.seen.items():
        assert reached == pytest.approx(moved[steps - 1], rel=1e-6), steps


def test_a_saved_and_loaded_training_goes_on_exactly(tmp_path):
    parts = [linear(0.5, 10), inverse_sqrt(0.4, 5), polynomial(0.4, 30, power=2.0)]
    schedule = warmup(join([*parts, restarts(0.3, 2)], [2, 4, 9]), 3)
    inputs, targets = np.random.default_rng(0).normal(size=(2, 40, 1))
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(schedule), "mse")

    def train(which):
        which.fit(inputs, targets, batch_size=4, epochs=1, verbose=0, shuffle=False)

    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == float(schedule(10))
    for which in (model, loaded):
        train(which)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("file", SAVED, ids=lambda file: file.parent.name)
def test_a_model_saved_by_an_earlier_version_loads_with_its_schedule(file):
    expected = json.loads(file.read_text())["schedules"]
    optimizer = keras.models.load_model(file.with_name("schedules.keras")).optimizer
    config = optimizer.get_config()["learning_rate"]
    found = values(keras.optimizers.schedules.deserialize(config), np.arange(100))
    np.testing.assert_allclose(found, expected["learning_rate"], rtol=1e-6, atol=1e-9)
    assert int(optimizer.iterations) == 12
    assert float(optimizer.learning_rate) == pytest.approx(expected["learning_rate"][12])
