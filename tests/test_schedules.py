"""Schedules: the rate of each step, against other libraries, by properties, and in a real fit."""

import inspect
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrguide import schedules
from lrguide.schedules import (
    compounding_time,
    constant,
    cosine,
    exponential,
    inverse_time,
    join,
    linear,
    per_epoch,
    piecewise,
    step_decay,
    warmup,
    warmup_stable_decay,
)

ORACLES = json.loads(Path(__file__).with_name("oracles").joinpath("values.json").read_text())
SAVED = sorted(Path(__file__).with_name("fixtures").glob("*/values.json"))
LIBRARIES = ("keras", "optax", "torch")
STEPS = np.arange(70)

lengths = st.integers(1, 200)
rates = st.floats(1e-6, 10.0)
factors = st.floats(0.01, 1.0)
decays = st.one_of(
    st.builds(linear, rates, lengths),
    st.builds(lambda rate, steps, part: linear(rate, steps, rate * part), rates, lengths, factors),
    st.builds(lambda rate, steps, part: cosine(rate, steps, rate * part), rates, lengths, factors),
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


def values(schedule, steps=STEPS):
    return np.asarray(schedule(steps), "float64")


def same(found, expected):
    """Equal but for the last bit: TensorFlow's powers differ in it with the place in the array."""
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-37)


EQUAL = {
    "linear": linear(0.1, 40, 0.01),
    "linear to 0": linear(0.1, 40),
    "cosine": cosine(0.1, 40, 0.01),
    "exponential": exponential(0.1, 20, decay_rate=0.5),
    "step_decay": step_decay(0.1, 20, decay_rate=0.5),
    "inverse_time": inverse_time(0.1, 20, decay_rate=0.5),
    "piecewise": piecewise([0.1, 0.01, 0.001], [30, 50]),
    "restarts": join([cosine(0.1, length, 0.01) for length in (10, 20, 40)], [10, 30]),
    "warmup, cosine": warmup(cosine(0.1, 40, 0.01), 10, start_factor=0.2),
    "warmup from 0, linear to 0": warmup(linear(0.1, 50), 10, start_factor=0.0),
    "constant, then exponential": join([0.1, exponential(0.1, 20, decay_rate=0.5)], [15]),
}


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
    "per_epoch": (
        per_epoch(exponential(0.1, 2, decay_rate=0.3), 7),
        lambda n: 0.1 * 0.3 ** ((n // 7) / 2),
    ),
}


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
    steps = list(range(500))
    once = values(schedule, np.array(steps))
    random.shuffle(steps)
    same(values(schedule, np.array(steps)), once[steps])
    same(float(schedule(steps[0])), once[steps[0]])


@quickly
@given(any_schedule)
def test_a_schedule_made_again_from_its_config_gives_the_same_rates(schedule):
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    again = keras.optimizers.schedules.deserialize(config)
    same(values(again, np.arange(500)), values(schedule, np.arange(500)))


@example(linear(1.0, 60), 57)
@settings(deadline=None, max_examples=15)
@given(any_schedule, st.integers(0, 500))
def test_the_compiled_graph_gives_the_rate_of_the_plain_call(schedule, step):
    compiled = tf.function(schedule.__call__)
    # Where a rate falls to nothing, 1 - t / T leaves the last bits of the highest rate.
    bits = 2**-22 * values(schedule, np.arange(501)).max()
    once, again = float(schedule(step)), float(compiled(tf.constant(step, "int64")))
    np.testing.assert_allclose(again, once, rtol=1e-6, atol=bits)


@quickly
@given(rates, st.integers(1, 20), st.integers(1, 50))
def test_a_length_in_epochs_is_that_many_steps(rate, epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    inside = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for make, more in [
        (linear, {}),
        (cosine, {}),
        (exponential, {"decay_rate": 0.5}),
        (step_decay, {"decay_rate": 0.5}),
        (inverse_time, {"decay_rate": 0.5}),
        (warmup, {}),
    ]:
        assert make(rate, steps, **more).get_config() == make(rate, **inside, **more).get_config()


def test_the_shortest_length_in_epochs_is_one_step():
    assert_same(linear(0.1, epochs=0.2, steps_per_epoch=5), linear(0.1, 1))


def test_the_limits_of_each_argument_are_allowed():
    same(values(linear(0.1, 5, 0.1)), 0.1)
    same(values(exponential(0.1, 5, decay_rate=1)), 0.1)
    same(values(warmup(0.1, 5, start_factor=1)), 0.1)
    assert float(warmup(0.1, 5, start_factor=0)(0)) == 0.0


def test_every_argument_may_be_given_by_name():
    for name in schedules.__all__:
        parameters = inspect.signature(getattr(schedules, name)).parameters.values()
        assert inspect.Parameter.POSITIONAL_ONLY not in [one.kind for one in parameters]


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
    assert first.get_config() == second.get_config()


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


REFUSED = [
    (
        lambda: constant("0.1"),
        TypeError,
        "learning_rate must be a finite number above 0, received '0.1'",
    ),
    (lambda: constant(True), TypeError, "learning_rate must be .* received True"),
    (lambda: constant(0), ValueError, "learning_rate must be a finite number above 0, received 0"),
    (lambda: linear(-1, 10), ValueError, "initial_learning_rate must be .* above 0, received -1"),
    (lambda: linear(math.nan, 10), ValueError, "initial_learning_rate .* received nan"),
    (lambda: linear(float("inf"), 10), ValueError, "initial_learning_rate .* received inf"),
    (lambda: linear(0.1, 0), ValueError, "decay_steps must be a whole number above 0, received 0"),
    (lambda: linear(0.1, -5), ValueError, "decay_steps must be a whole number above 0"),
    (lambda: linear(0.1, 2.5), TypeError, "decay_steps must be a whole number .* received 2.5"),
    (lambda: linear(0.1, True), TypeError, "decay_steps must be a whole number .* received True"),
    (lambda: linear(0.1), ValueError, "give either decay_steps, or epochs with steps_per_epoch"),
    (lambda: linear(0.1, epochs=2), ValueError, "steps_per_epoch=None"),
    (lambda: linear(0.1, 10, steps_per_epoch=5), ValueError, "decay_steps=10, epochs=None"),
    (lambda: linear(0.1, 10, epochs=1, steps_per_epoch=5), ValueError, "decay_steps=10, epochs=1"),
    (lambda: linear(0.1, epochs=-1, steps_per_epoch=5), ValueError, "epochs must be .* above 0"),
    (
        lambda: linear(0.1, epochs="1", steps_per_epoch=5),
        TypeError,
        "epochs must be a finite number",
    ),
    (lambda: linear(0.1, epochs=1, steps_per_epoch=0), ValueError, "steps_per_epoch must be"),
    (lambda: linear(0.1, epochs=0.01, steps_per_epoch=5), ValueError, "epochs .* one step"),
    (
        lambda: linear(0.1, 10, 0.2),
        ValueError,
        "end_learning_rate must be a number from 0 to .* 0.1, received 0.2",
    ),
    (lambda: linear(0.1, 10, -0.1), ValueError, "end_learning_rate must be a number from 0 to"),
    (lambda: cosine(0.1, 10, math.nan), ValueError, "end_learning_rate .* received nan"),
    (lambda: cosine(0.1, 10, 0.2), ValueError, "end_learning_rate"),
    (lambda: cosine(0, 10), ValueError, "initial_learning_rate"),
    (lambda: cosine(0.1, 1.0), TypeError, "decay_steps"),
    (
        lambda: exponential(0.1, 10, decay_rate=0),
        ValueError,
        "decay_rate must be a number above 0, at most 1",
    ),
    (lambda: exponential(0.1, 10, decay_rate=1.1), ValueError, "at most 1, received 1.1"),
    (lambda: exponential(0.1, 10, decay_rate=None), TypeError, "decay_rate must be a number"),
    (lambda: exponential(-0.1, 10, decay_rate=0.5), ValueError, "initial_learning_rate"),
    (lambda: exponential(0.1, 0, decay_rate=0.5), ValueError, "decay_steps"),
    (lambda: step_decay(0.1, 10, decay_rate=-1), ValueError, "decay_rate"),
    (lambda: step_decay(0, 10, decay_rate=0.5), ValueError, "initial_learning_rate"),
    (lambda: step_decay(0.1, 0, decay_rate=0.5), ValueError, "decay_steps"),
    (lambda: inverse_time(0.1, 10, decay_rate=-1), ValueError, "decay_rate must be .* above 0"),
    (lambda: inverse_time(0, 10, decay_rate=1), ValueError, "initial_learning_rate"),
    (lambda: inverse_time(0.1, 0, decay_rate=1), ValueError, "decay_steps"),
    (lambda: compounding_time(0, 1, epochs=2, steps_per_epoch=3), ValueError, "initial_learning"),
    (lambda: compounding_time(0.1, 0, epochs=2, steps_per_epoch=3), ValueError, "decay_rate"),
    (lambda: compounding_time(0.1, 1, epochs=2.5, steps_per_epoch=3), TypeError, "epochs"),
    (lambda: compounding_time(0.1, 1, epochs=1, steps_per_epoch=0), ValueError, "steps_per_epoch"),
    (lambda: piecewise([0.1, 0.0], [5]), ValueError, r"learning_rates\[1\] must be .* received 0"),
    (lambda: piecewise(0.1, [5]), TypeError, "learning_rates must be a sequence, received 0.1"),
    (lambda: piecewise([0.1, 0.2], 5), TypeError, "boundaries must be a sequence, received 5"),
    (lambda: piecewise([1, 0.5, 0.1], [30, 10]), ValueError, r"increasing, received \[30, 10\]"),
    (lambda: piecewise([1, 0.5, 0.1], [10, 10]), ValueError, "boundaries must be increasing"),
    (lambda: piecewise([1, 0.5], [10, 20]), ValueError, "received 2 for 2 parts"),
    (lambda: piecewise([1, 0.5, 0.1], [10]), ValueError, "received 1 for 3 parts"),
    (lambda: piecewise([1], []), ValueError, "received 0 for 1 parts"),
    (lambda: piecewise([1, 0.5], [0]), ValueError, r"boundaries\[0\] must be a whole number"),
    (lambda: piecewise([1, 0.5]), ValueError, "give either boundaries, or epochs"),
    (
        lambda: piecewise([3, 2, 1], epochs=[2, 1], steps_per_epoch=9),
        ValueError,
        r"increasing.*\[2, 1\]",
    ),
    (lambda: join([0.1, "cosine"], [5]), TypeError, r"schedules\[1\] must be a Keras schedule"),
    (lambda: join([0.1, -0.1], [5]), ValueError, r"schedules\[1\] must be a finite number above"),
    (lambda: join({0.1, 0.2}, "ab"), TypeError, "boundaries must be a sequence, received 'ab'"),
    (lambda: join([0.1], []), ValueError, "received 0 for 1 parts"),
    (lambda: join([0.1, 0.2], [5, 6]), ValueError, "received 2 for 2 parts"),
    (lambda: warmup(None, 5), TypeError, "schedule must be a Keras schedule or a number"),
    (lambda: warmup(True, 5), TypeError, "schedule must be a Keras schedule or a number"),
    (lambda: warmup(0.0, 5), ValueError, "schedule must be a finite number above 0"),
    (lambda: warmup(0.1, 0), ValueError, "warmup_steps must be a whole number above 0"),
    (
        lambda: warmup(0.1, 5, start_factor=1.5),
        ValueError,
        "start_factor must be a number from 0 to 1",
    ),
    (lambda: warmup(0.1, 5, start_factor=-0.1), ValueError, "start_factor"),
    (lambda: warmup(0.1, 5, start_factor="0"), TypeError, "start_factor must be a number"),
    (lambda: warmup_stable_decay(0.1, (5, 5, 5, 5)), ValueError, "three lengths .* received 4"),
    (lambda: warmup_stable_decay(0.1, (5, 5)), ValueError, "three lengths .* received 2"),
    (lambda: warmup_stable_decay(0.1, (5, 0, 5)), ValueError, r"phase_steps\[1\] must be a whole"),
    (lambda: warmup_stable_decay(0, (5, 5, 5)), ValueError, "learning_rate must be a finite"),
    (lambda: warmup_stable_decay(0.1, (5, 5, 5), 0.2), ValueError, "end_learning_rate"),
    (lambda: per_epoch(0.5, 0), ValueError, "steps_per_epoch must be a whole number above 0"),
    (lambda: per_epoch("linear", 5), TypeError, "schedule must be a Keras schedule"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), REFUSED)
def test_bad_input_is_refused_in_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


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
    schedule = warmup(join([linear(0.5, 10), cosine(0.4, 30)], [6]), 3)
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
