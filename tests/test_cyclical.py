"""Cyclical rates: the rate and momentum of each step, and the weights that training reaches."""

import dataclasses
import json
import math
import re
from pathlib import Path

import keras
import laws
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from laws import same, values

from lrguide import cyclical
from lrguide.cyclical import OneCycle, exp_range, one_cycle, restarts, triangular, triangular2
from lrguide.scheduled_optimizers import ScheduledAdam, ScheduledSGD

ORACLES = json.loads(Path(__file__).with_name("oracles").joinpath("values.json").read_text())
SAVED = sorted(Path(__file__).with_name("fixtures").glob("*/values.json"))


sizes = st.integers(1, 100)
pairs = st.tuples(sizes, sizes)
bases = st.floats(1e-6, 1.0)
heights = st.floats(1.1, 1e3)


def made(make, **more):
    """Any cyclical schedule of one kind."""
    return st.builds(
        lambda base, height, pair: make(base, base * height, pair, **more), bases, heights, pairs
    )


cycles = st.one_of(made(triangular), made(triangular2), made(exp_range, gamma=0.97))
one_cycles = st.builds(
    lambda top, steps, part, anneal, three: one_cycle(
        top, steps, pct_start=part, anneal=anneal, three_phase=three
    ),
    bases,
    st.integers(20, 400),
    st.floats(0.1, 0.5, exclude_max=True),
    st.sampled_from(["cosine", "linear"]),
    st.booleans(),
)
falls = st.builds(
    lambda rate, steps, t_mul, m_mul: restarts(rate, steps, rate / 10, t_mul=t_mul, m_mul=m_mul),
    bases,
    sizes,
    st.just(1.0) | st.floats(1.01, 4.0),
    st.floats(0.1, 1.0),
)
any_cycle = cycles | one_cycles | falls
quickly = settings(deadline=None, max_examples=40)


@keras.saving.register_keras_serializable(package="tests")
def one_over_square(cycle):
    return 1.0 / (cycle + 1.0) ** 2


EQUAL = {
    "triangular": triangular(0.01, 0.1, 8),
    "triangular, 5 up and 9 down": triangular(0.01, 0.1, (5, 9)),
    "triangular2": triangular2(0.01, 0.1, 8),
    "exp_range": exp_range(0.01, 0.1, 8, gamma=0.97),
    "amplitude by cycle": triangular(0.01, 0.1, (5, 9), amplitude=one_over_square),
    "amplitude by step": triangular(
        0.01, 0.1, 8, amplitude=lambda step: 1 / (1 + 0.1 * step), by="step"
    ),
    "restarts": restarts(0.1, 10, 0.01),
    "restarts of equal length": restarts(0.1, 12, 0.01, t_mul=1.0),
    "restarts half as high": restarts(0.1, 9, m_mul=0.5),
    "restarts half as long again": restarts(0.1, 8, 0.005, t_mul=1.5, m_mul=0.8),
    "one_cycle": one_cycle(0.1, 60),
    "one_cycle, linear": one_cycle(0.1, 60, anneal="linear"),
    "one_cycle, three phases": one_cycle(0.1, 60, three_phase=True),
    "one_cycle, three phases, linear": one_cycle(0.1, 60, three_phase=True, anneal="linear"),
    "one_cycle, phases that end between two steps": one_cycle(0.1, 61, pct_start=0.25),
}


@pytest.mark.parametrize(
    ("row", "library"), [(row, library) for row in EQUAL for library in ORACLES["rates"][row]]
)
def test_rates_equal_those_of_other_libraries(row, library):
    expected = np.array(ORACLES["rates"][row][library])
    # Keras' class computes in float32, so near an end of 0 only the absolute error is small.
    near_0 = 2e-8 if library == "keras" else 1e-37
    ours = values(EQUAL[row])[: len(expected)]
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=near_0)


def test_keras_own_restarts_miss_the_thirteenth_of_cycles_that_double():
    step = 10 * (2**13 - 1)
    keras_own = keras.optimizers.schedules.CosineDecayRestarts(0.1, 10, t_mul=2.0)
    assert float(keras_own(step)) < 1e-6
    same(values(restarts(0.1, 10), np.array([step, step + 10 * 2**12])), [0.1, 0.05])


def test_off_by_one_optax_peaks_and_ends_a_step_later_than_pytorch():
    late = ORACLES["rates"]["off by one: Optax' 1cycle of T steps peaks and ends a step late"]
    ours = values(one_cycle(0.1, 60))
    assert np.argmax(late["optax"]) == 18
    assert np.argmax(ours) == 17
    assert late["optax"][59] > 100 * ours[59]


def height(n, up, down):
    """The triangle by its corners, from 0 to 1."""
    corners = np.cumsum([0, *([up, down] * 40)])
    return np.interp(n, corners, [0, *([1, 0] * 40)])


def eased(n, corners, rates):
    """Half cosines between the corners."""
    place = np.clip(np.searchsorted(corners, n, side="right") - 1, 0, len(corners) - 2)
    start, end = np.array(corners)[place], np.array(corners)[place + 1]
    low, high = np.array(rates)[place], np.array(rates)[place + 1]
    return (high + low) / 2 + (low - high) / 2 * np.cos(
        np.pi * np.minimum((n - start) / (end - start), 1)
    )


CLOSED_FORMS = {
    "triangular": (triangular(0.01, 0.1, (3, 5)), lambda n: 0.01 + 0.09 * height(n, 3, 5)),
    "triangular2": (
        triangular2(0.01, 0.1, (3, 5)),
        lambda n: 0.01 + 0.09 * height(n, 3, 5) / 2 ** (n // 8),
    ),
    "exp_range": (
        exp_range(0.01, 0.1, (3, 5), gamma=0.97),
        lambda n: 0.01 + 0.09 * height(n, 3, 5) * 0.97**n,
    ),
    "restarts": (
        restarts(0.1, 4, 0.01, t_mul=3.0, m_mul=0.5),
        lambda n: np.concatenate(
            [
                0.01 + 0.045 * 0.5**i * (1 + np.cos(np.pi * np.arange(t) / t))
                for i, t in ((0, 4), (1, 12), (2, 36), (3, 108))
            ]
        )[n.astype(int)],
    ),
    "one_cycle": (
        one_cycle(0.1, 80, pct_start=0.25, div_factor=10.0, final_div_factor=100.0),
        lambda n: eased(n, [0, 19, 79], [0.01, 0.1, 0.0001]),
    ),
    "one_cycle, three phases": (
        one_cycle(0.1, 80, pct_start=0.25, three_phase=True),
        lambda n: eased(n, [0, 19, 38, 79], [0.004, 0.1, 0.004, 4e-7]),
    ),
    "one_cycle, linear": (
        one_cycle(0.1, 80, pct_start=0.25, anneal="linear", three_phase=True),
        lambda n: np.interp(n, [0, 19, 38, 79], [0.004, 0.1, 0.004, 4e-7]),
    ),
    "momentum of triangular2": (
        triangular2(0.01, 0.1, (3, 5)).momentum(0.8, 0.9),
        lambda n: 0.9 - 0.1 * height(n, 3, 5) / 2 ** (n // 8),
    ),
    "momentum of one_cycle": (
        one_cycle(0.1, 80, pct_start=0.25).momentum(0.8, 0.9),
        lambda n: eased(n, [0, 19, 79], [0.9, 0.8, 0.9]),
    ),
    "momentum of one_cycle, three phases": (
        one_cycle(0.1, 80, pct_start=0.25, three_phase=True).momentum(),
        lambda n: eased(n, [0, 19, 38, 79], [0.95, 0.85, 0.95, 0.95]),
    ),
}


def test_each_schedule_that_cycles_has_a_closed_form():
    known = {re.split("[ ,]", name)[0] for name in CLOSED_FORMS}
    assert known - {"momentum"} == {*cyclical.__all__}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_rates_equal_the_closed_form_in_float64(name):
    schedule, formula = CLOSED_FORMS[name]
    same(values(schedule, np.arange(120)), formula(np.arange(120.0)))


def triangle(n, up, down):
    """The part of the height in step n, by whole numbers of Python."""
    place = n % (up + down)
    return place / up if place < up else (up + down - place) / down


def annealed(n, first, times):
    """The part of the height in step n of restarts, each as many times as long as the last."""
    cycle, length = 0, first
    while n >= length:
        n, length, cycle = n - length, length * times, cycle + 1
    return (1 + math.cos(math.pi * (n / length))) / 2


# For each name a schedule whose cycle ends near step d, and its rate in Python's whole numbers.
LATE = {
    "triangular, short": lambda d: (
        triangular(0.01, 0.1, (3, 4)),
        lambda n: 0.01 + 0.09 * triangle(n, 3, 4),
    ),
    "triangular, long": lambda d: (
        triangular(0.01, 0.1, (d - 1, d)),
        lambda n: 0.01 + 0.09 * triangle(n, d - 1, d),
    ),
    "triangular2": lambda d: (
        triangular2(0.01, 0.1, (1, d - 1)),
        lambda n: 0.01 + 0.09 * triangle(n, 1, d - 1) / 2 ** (n // d),
    ),
    "exp_range": lambda d: (
        exp_range(0.01, 0.1, (1, 2), gamma=1.0),
        lambda n: 0.01 + 0.09 * triangle(n, 1, 2),
    ),
    "amplitude": lambda d: (
        triangular(0.01, 0.1, (1, d - 1), amplitude=lambda cycle: 1 / (1 + cycle)),
        lambda n: 0.01 + 0.09 * triangle(n, 1, d - 1) / (1 + n // d),
    ),
    "restarts, short": lambda d: (
        restarts(0.1, 3, 0.01, t_mul=1.0),
        lambda n: 0.01 + 0.09 * annealed(n % 3, 3, 1),
    ),
    "restarts, doubling": lambda d: (
        restarts(0.1, 1, 0.01),
        lambda n: 0.01 + 0.09 * annealed(n, 1, 2),
    ),
    "restarts, long": lambda d: (
        restarts(0.1, d, 0.01, t_mul=3.0),
        lambda n: 0.01 + 0.09 * annealed(n, d, 3),
    ),
    "one_cycle": lambda d: (
        one_cycle(0.1, 2 * d, pct_start=0.5, anneal="linear", div_factor=2, final_div_factor=2),
        lambda n: (
            0.1 - 0.05 * (1 - n / (d - 1)) if n < d else max(0.025, 0.1 - 0.075 * ((n - d + 1) / d))
        ),
    ),
}


@pytest.mark.parametrize("far", [2**24, 2**31 - 1, 2**31, 2**51 - 1, 2**53 // 4])
@pytest.mark.parametrize("name", LATE)
def test_however_late_a_cycle_ends_at_exactly_its_step(name, far):
    schedule, oracle = LATE[name](far)
    steps = [max(0, times * far + more) for times in (0, 1, 2, 3) for more in (-1, 0, 1, 2)]
    expected = [oracle(step) for step in steps]
    same(values(schedule, np.array(steps)), expected)
    same([float(schedule(step)) for step in steps], expected)


@quickly
@given(cycles)
def test_a_cyclical_rate_stays_between_its_bounds(schedule):
    found = values(schedule, np.arange(500))
    assert np.all(found >= schedule.base * (1 - 1e-6))
    assert np.all(found <= schedule.top * (1 + 1e-6))


@quickly
@given(made(triangular))
def test_triangular_repeats_itself_and_turns_at_both_bounds(schedule):
    up, period = schedule.steps_up, schedule.steps_up + schedule.steps_down
    found = values(schedule, np.arange(period + 1))
    same(values(schedule, np.arange(period + 1) + 3 * period), found)
    same([found[0], found[up], found[period]], [schedule.base, schedule.top, schedule.base])
    assert np.all(np.diff(found[: up + 1]) > 0)
    assert np.all(np.diff(found[up:]) < 0)


@quickly
@given(st.floats(0.5, 1.0), pairs, st.integers(0, 20))
def test_each_cycle_is_lower_by_the_factor_of_its_kind(gamma, pair, cycle):
    peaks = pair[0] + (cycle + np.arange(2)) * sum(pair)
    heights = values(triangular2(0.5, 1.0, pair), peaks) - 0.5
    np.testing.assert_allclose(heights, 0.5 / 2.0 ** (cycle + np.arange(2)), atol=1e-7)
    heights = values(exp_range(0.5, 1.0, pair, gamma=gamma), peaks) - 0.5
    np.testing.assert_allclose(heights, 0.5 * gamma**peaks, atol=1e-7)


@quickly
@given(cycles | one_cycles)
@example(one_cycle(1.0, 381, pct_start=0.1, anneal="linear"))  # its peak lies within a step
def test_the_momentum_is_highest_where_the_rate_is_lowest_and_moves_against_it(schedule):
    momentum = schedule.momentum(0.85, 0.95)
    rate, against = values(schedule, np.arange(500)), values(momentum, np.arange(500))
    assert against[0] == pytest.approx(0.95)
    assert np.all((against >= 0.85 - 1e-7) & (against <= 0.95 + 1e-7))
    moves = np.sign(np.round(np.diff(rate) / schedule.top, 5)) * np.sign(
        np.round(np.diff(against), 5)
    )
    if isinstance(schedule, OneCycle):
        # Across the peak both may end higher, because the slopes on its sides differ.
        moves = np.delete(moves, math.floor(schedule.phase_ends()[0]))
    assert np.all(moves <= 0)


@quickly
@given(one_cycles)
def test_one_cycle_rises_once_then_falls_and_stays_at_the_end(schedule):
    found = values(schedule, np.arange(schedule.total_steps + 50))
    peak = schedule.phase_ends()[0]
    tolerance = 1e-6 * schedule.top
    assert np.all(np.diff(found[: math.floor(peak) + 1]) >= -tolerance)
    assert np.all(np.diff(found[math.ceil(peak) :]) <= tolerance)
    same(found[0], schedule.top / 25)
    same(found[schedule.total_steps - 1 :], schedule.top / 25 / 1e4)
    assert np.all(found <= schedule.top * (1 + 1e-7))


@quickly
@given(any_cycle, st.randoms())
def test_the_rate_depends_on_the_step_alone(schedule, random):
    laws.depends_on_the_step_alone(schedule, random)


@quickly
@given(any_cycle)
def test_a_schedule_made_again_from_its_config_gives_the_same_rates(schedule):
    assert laws.made_again(schedule) == schedule


def test_a_registered_amplitude_is_saved_and_loaded():
    laws.made_again(EQUAL["amplitude by cycle"])


@settings(deadline=None, max_examples=15)
@given(any_cycle, st.integers(0, 500))
def test_the_compiled_graph_gives_the_rate_of_the_plain_call(schedule, step):
    laws.compiles_to_the_same_rate(schedule, step)


@pytest.mark.parametrize("t_mul", [1.0, 2.0, 1.5])
def test_xla_finds_the_cycle_that_the_plain_call_finds(t_mul):
    schedule = restarts(0.1, 10, 0.01, t_mul=t_mul)
    compiled = tf.function(schedule.__call__, jit_compile=True)
    same(np.asarray(compiled(tf.range(200, dtype="int64"))), values(schedule, np.arange(200)))


@quickly
@given(st.integers(1, 20), st.integers(1, 20), st.integers(2, 50))
def test_a_length_in_epochs_is_that_many_steps(up, down, steps_per_epoch):
    inside = {"steps_per_epoch": steps_per_epoch}
    ends = (up * steps_per_epoch, down * steps_per_epoch)
    for make, more in [(triangular, {}), (triangular2, {}), (exp_range, {"gamma": 0.9})]:
        for steps, epochs in [(ends, (up, down)), (ends[0], up)]:
            first = make(0.1, 0.2, steps, **more)
            assert first == make(0.1, 0.2, epochs=epochs, **inside, **more)
    steps = 10 * steps_per_epoch
    assert restarts(0.1, steps) == restarts(0.1, epochs=10, **inside)
    assert one_cycle(0.1, steps) == one_cycle(0.1, epochs=10, **inside)


def test_the_shortest_length_in_epochs_is_one_step():
    assert triangular(0.1, 0.2, epochs=0.25, steps_per_epoch=4) == triangular(0.1, 0.2, 1)


def test_a_gamma_of_1_is_triangular():
    assert exp_range(0.1, 0.2, 5, gamma=1) == dataclasses.replace(
        triangular(0.1, 0.2, 5), by="step"
    )


def test_a_momentum_may_be_a_plain_number():
    assert ScheduledSGD(0.1, momentum=0.9).momentum == 0.9
    assert ScheduledAdam(0.1, beta_1=0).beta_1 == 0.0
