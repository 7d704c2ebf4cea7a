"""The arguments of schedules and optimizers: each is checked, and refused in one sentence."""

import decimal
import fractions
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from lrguide import composing, cyclical, scheduled_optimizers, schedules
from lrguide.composing import join, warmup
from lrguide.cyclical import one_cycle, triangular
from lrguide.lengths import MOST_STEPS
from lrguide.scheduled_optimizers import ScheduledAdam, ScheduledSGD
from lrguide.schedules import constant, linear, piecewise

HUGE = 10**400
PAGES_LONG = 10**5000  # so long that Python refuses to print it
NO_NUMBER = ["0.1", None, True, np.True_, 1j, [0.1], decimal.Decimal("0.1"), keras.ops.ones(())]
NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), HUGE, -HUGE, PAGES_LONG]
BEYOND_FLOAT32 = [1e39, fractions.Fraction(10) ** 39]
POSITIVE = [*NO_NUMBER, *NOT_FINITE, *BEYOND_FLOAT32, 0, -1, -0.1, 1e-39, 5e-324]
FROM_0 = [*NO_NUMBER, *NOT_FINITE, *BEYOND_FLOAT32, -1, -1e-3]
PART = [*POSITIVE, 1.5, np.nextafter(1.0, 2.0)]
BELOW_1 = [*FROM_0, 1, 1.0, 1.5]
WHOLE = [
    *NO_NUMBER,
    *NOT_FINITE,
    0,
    -1,
    2.0,
    np.float64(3),
    MOST_STEPS + 1,
    10**30,
    np.uint64(2**63),
]
FLAG = [1, 0, "yes", None]
EPOCHS = [value for value in POSITIVE if value is not None] + [0.001, 1e30, np.float64(2.0**50)]
SEQUENCE = [0.1, 5, "10", b"10", {}, True]
LENGTHS = [*SEQUENCE, *([value] for value in WHOLE), range(10**30)]
RATES = [*SEQUENCE, None, *([0.1, value] for value in POSITIVE), iter(int, 1)]
SCHEDULE = [*(value for value in POSITIVE), linear, keras.optimizers.SGD()]


def lasting(name: str, good: Any = 10, bad: Any = None) -> dict[str, tuple[Any, Any]]:
    """A length: steps under the name, or epochs with the steps of one."""
    return {name: (good, bad or [v for v in WHOLE if v is not None]), "epochs": (None, EPOCHS)}


def in_epochs(**others: Any) -> dict[str, Any]:
    return {**others, "steps_per_epoch": (None, [value for value in WHOLE if value is not None])}


RATE = {"initial_learning_rate": (0.1, POSITIVE)}
END = {"end_learning_rate": (0.0, [*FROM_0, 0.2])}
DECAY = in_epochs(**RATE, **lasting("decay_steps"))
CYCLE = in_epochs(
    base_learning_rate=(0.1, POSITIVE),
    max_learning_rate=(0.2, [*POSITIVE, 0.1, 0.05]),
    **lasting("step_size"),
)
CYCLE["step_size"] = (10, [*CYCLE["step_size"][1], (1, 0), (2.5, 1), (1, 2, 3), (10**30, 1)])
CYCLE["epochs"] = (None, [*EPOCHS, (1, 0), (1,), (1e30, 1)])
OPTIMIZER = {
    "weight_decay": (0.01, [value for value in FROM_0 if value is not None]),
    **{name: (None, [v for v in POSITIVE if v is not None]) for name in ("clipnorm", "clipvalue")},
    "global_clipnorm": (None, [value for value in POSITIVE if value is not None]),
    "use_ema": (False, FLAG),
    "ema_momentum": (0.9, [value for value in BELOW_1 if value is not None]),
    "ema_overwrite_frequency": (None, [value for value in WHOLE if value]),
    "loss_scale_factor": (None, [value for value in POSITIVE if value is not None]),
    "gradient_accumulation_steps": (None, [value for value in WHOLE if value]),
    "learning_rate": (0.1, FROM_0),
}
MOMENTUM = {"lowest": (0.8, [*BELOW_1, 0.95]), "highest": (0.9, BELOW_1)}

# For each public name its parameters, each with a value that is right and some that are not.
CASES: dict[str, dict[str, tuple[Any, Any]]] = {
    "constant": {"learning_rate": (0.1, POSITIVE)},
    "linear": DECAY | END,
    "polynomial": DECAY | END | {"power": (2.0, POSITIVE)},
    "cosine": DECAY | END,
    "exponential": DECAY | {"decay_rate": (0.5, PART)},
    "step_decay": DECAY | {"decay_rate": (0.5, PART)},
    "inverse_time": DECAY | {"decay_rate": (0.5, POSITIVE)},
    "inverse_sqrt": in_epochs(**RATE, **lasting("timescale")),
    "compounding_time": RATE
    | {
        "decay_rate": (0.5, POSITIVE),
        "epochs": (3, [*WHOLE, 100_001]),
        "steps_per_epoch": (10, WHOLE),
    },
    "piecewise": in_epochs(
        learning_rates=([0.2, 0.1], RATES), **lasting("boundaries", [10], LENGTHS)
    )
    | {"epochs": (None, [[value] for value in EPOCHS])},
    "warmup": in_epochs(schedule=(0.1, SCHEDULE), **lasting("warmup_steps"))
    | {"start_factor": (0.5, [value for value in [*FROM_0, 1.5] if value is not None])},
    "join": in_epochs(
        schedules=([0.1, 0.2], [*SEQUENCE, *([0.1, value] for value in SCHEDULE)]),
        **lasting("boundaries", [10], LENGTHS),
    )
    | {"epochs": (None, [[value] for value in EPOCHS])},
    "warmup_stable_decay": in_epochs(
        learning_rate=(0.1, POSITIVE),
        **END,
        **lasting("phase_steps", (5, 5, 5), [*SEQUENCE, *([5, value, 5] for value in WHOLE)]),
    )
    | {"epochs": (None, [[1, value, 1] for value in EPOCHS])},
    "per_epoch": {"schedule": (0.1, SCHEDULE), "steps_per_epoch": (10, WHOLE)},
    "triangular": CYCLE
    | {"amplitude": (None, [0.5, "half", True]), "by": ("cycle", ["epoch", 1, None, HUGE])},
    "triangular2": CYCLE,
    "exp_range": CYCLE | {"gamma": (0.9, PART)},
    "restarts": in_epochs(**RATE, **END, **lasting("first_decay_steps"))
    | {"t_mul": (2.0, [*POSITIVE, 0.5, 1.0001, 1e7]), "m_mul": (0.5, PART)},
    "one_cycle": in_epochs(max_learning_rate=(0.1, POSITIVE), **lasting("total_steps", 100))
    | {
        "pct_start": (0.3, [*POSITIVE, 1, 1.5]),
        "div_factor": (25.0, [*POSITIVE, 0.5]),
        "final_div_factor": (1e4, [*POSITIVE, 0.5]),
        "anneal": ("cosine", ["cos", 1, None, PAGES_LONG]),
        "three_phase": (False, FLAG),
    },
    "ScheduledSGD": OPTIMIZER
    | {
        "momentum": (0.9, BELOW_1),
        "nesterov": (False, FLAG),
        "rate_on": ("gradient", ["w", 1, None]),
    },
    "ScheduledAdam": OPTIMIZER
    | {
        "beta_1": (0.9, BELOW_1),
        "beta_2": (0.99, [value for value in BELOW_1 if value is not None]),
        "epsilon": (1e-7, [value for value in FROM_0 if value is not None]),
        "amsgrad": (False, FLAG),
    },
    "Cyclical.momentum": MOMENTUM,
    "OneCycle.momentum": MOMENTUM,
}
PUBLIC: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(module, name)
        for module in (composing, cyclical, scheduled_optimizers, schedules)
        for name in module.__all__
    },
    "Cyclical.momentum": triangular(0.1, 0.2, 5).momentum,
    "OneCycle.momentum": one_cycle(0.1, 50).momentum,
}


def parameters(name: str) -> set[str]:
    """All that may be given; for an optimizer, what Keras' own takes is part of it."""
    own = inspect.signature(PUBLIC[name]).parameters.values()
    names = {one.name for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD}
    if len(names) < len(own):
        names |= set(inspect.signature(PUBLIC[name].__mro__[1]).parameters)  # type: ignore[attr-defined]
    return names - {"kwargs", "name"}


def test_the_cases_cover_every_public_name_and_each_of_its_parameters() -> None:
    assert set(CASES) == set(PUBLIC)
    for name, cases in CASES.items():
        assert set(cases) == parameters(name), name


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for name in CASES for parameter in CASES[name]]
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_argument(
    name: str, parameter: str
) -> None:
    good = {key: value for key, (value, _) in CASES[name].items() if value is not None}
    PUBLIC[name](**good)
    if parameter in ("epochs", "steps_per_epoch") and parameter not in good:
        steps = next(key for key in good if "steps" in key or key in LENGTH_NAMES)
        several = good.pop(steps)
        good["epochs"] = [1.0] * len(several) if isinstance(several, list | tuple) else 10
        good["steps_per_epoch"] = 10
        PUBLIC[name](**good)
    for value in CASES[name][parameter][1]:
        with pytest.raises((TypeError, ValueError), match=rf"^{parameter}\b") as caught:
            PUBLIC[name](**{**good, parameter: value})
        sentence = str(caught.value)
        assert "received" in sentence
        assert "\n" not in sentence and len(sentence) < 300


LENGTH_NAMES = ("timescale", "boundaries", "step_size")


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: constant("0.1"),
            TypeError,
            "learning_rate must be a finite number above 0, received '0.1'",
        ),
        (
            lambda: constant(10**400),
            ValueError,
            "learning_rate must be a finite number above 0, received " + f"{10**400}"[:60] + "...",
        ),
        (
            lambda: constant(10**5000),
            ValueError,
            "learning_rate must be a finite number above 0, received int that cannot be printed",
        ),
        (
            lambda: constant(1e39),
            ValueError,
            "learning_rate must be a finite number above 0, received 1e+39, "
            "which is 0 or infinite in float32",
        ),
        (
            lambda: linear(0.1, 2.5),
            TypeError,
            "decay_steps must be a whole number above 0, received 2.5",
        ),
        (
            lambda: linear(0.1, 10**30),
            ValueError,
            "decay_steps must be at most 9,007,199,254,740,992, received "
            f"{10**30}: the steps beyond are no longer told apart",
        ),
        (
            lambda: linear(0.1, epochs=10**30, steps_per_epoch=5),
            ValueError,
            "epochs must make at least one step, at most 9,007,199,254,740,992, received "
            f"{10**30} with steps_per_epoch=5",
        ),
        (
            lambda: schedules.compounding_time(0.1, 1, epochs=10**30, steps_per_epoch=1),
            ValueError,
            f"epochs must be at most 100,000, received {10**30}: "
            "each has a rate of its own, kept in a table",
        ),
        (
            lambda: linear(0.1),
            ValueError,
            "give either decay_steps, or epochs with steps_per_epoch, received "
            "decay_steps=None, epochs=None, steps_per_epoch=None",
        ),
        (
            lambda: linear(0.1, 10, epochs=1, steps_per_epoch=5),
            ValueError,
            "give either decay_steps, or epochs with steps_per_epoch, received "
            "decay_steps=10, epochs=1, steps_per_epoch=5",
        ),
        (
            lambda: linear(0.1, 10, 0.2),
            ValueError,
            "end_learning_rate must be a number from 0 to the rate it falls from, 0.1, "
            "received 0.2",
        ),
        (
            lambda: piecewise([0.1, 0.0], [5]),
            ValueError,
            "learning_rates[1] must be a finite number above 0, received 0.0",
        ),
        (
            lambda: piecewise([1, 0.5, 0.1], [30, 10]),
            ValueError,
            "boundaries must be increasing, received [30, 10]",
        ),
        (
            lambda: piecewise([1, 0.5], [10, 20]),
            ValueError,
            "boundaries must be one fewer than the parts they divide, two or more, "
            "received 2 for 2 parts: [10, 20]",
        ),
        (
            lambda: join(range(10**9), [5]),
            ValueError,
            "schedules must hold at most 10,000 parts, received more",
        ),
        (
            lambda: warmup("cosine", 5),
            TypeError,
            "schedule must be a Keras schedule or a number, received 'cosine'",
        ),
        (
            lambda: schedules.warmup_stable_decay(0.1, (5, 5)),
            ValueError,
            "three lengths are needed, warmup, stable and decay, received 2",
        ),
        (
            lambda: triangular(0.1, 0.2, (1, 2, 3)),
            ValueError,
            "step_size as a pair must be the way up and down, received (1, 2, 3)",
        ),
        (
            lambda: one_cycle(0.1, 2, pct_start=0.5),
            ValueError,
            "each phase must have steps: with total_steps=2, pct_start=0.5 and "
            "three_phase=False the phases end at steps [0.0, 1.0]",
        ),
        (
            lambda: ScheduledSGD(-1.0),
            ValueError,
            "learning_rate must be a Keras schedule or a finite number from 0, received -1.0",
        ),
    ],
)
def test_a_refusal_is_one_sentence(
    call: Callable[[], Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: linear(0.1),
        lambda: linear(0.1, epochs=2),
        lambda: linear(0.1, 10, steps_per_epoch=5),
        lambda: triangular(0.1, 0.2, 5, epochs=2, steps_per_epoch=3),
        lambda: triangular(0.1, 0.2, (5, 5), epochs=(2, 2), steps_per_epoch=3),
        lambda: triangular(0.1, 0.2, (5, 5), steps_per_epoch=3),
        lambda: triangular(0.1, 0.2, epochs=(1, 2)),
        lambda: piecewise([1, 0.5]),
        lambda: one_cycle(0.1),
    ],
)
def test_a_length_is_given_exactly_once(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"^give either .*, or epochs with steps_per_epoch"):
        call()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: piecewise([1, 0.5, 0.1], [10, 10]), "boundaries must be increasing"),
        (lambda: piecewise([3, 2, 1], epochs=[2, 1], steps_per_epoch=9), r"increasing.*\[2, 1\]"),
        (lambda: piecewise([1, 0.5, 0.1], [10]), "received 1 for 3 parts"),
        (lambda: piecewise([1], []), "received 0 for 1 parts"),
        (lambda: join([0.1], []), "received 0 for 1 parts"),
        (lambda: join([0.1, 0.2], [5, 6]), "received 2 for 2 parts"),
        (lambda: schedules.warmup_stable_decay(0.1, (5, 5, 5, 5)), "three lengths .* received 4"),
        (lambda: triangular(0.1, 0.2, (1,)), r"up and down, received \(1,\)"),
        (lambda: one_cycle(0.1, 50, pct_start=0.6, three_phase=True), "each phase must have steps"),
    ],
)
def test_arguments_that_do_not_fit_each_other_are_refused(
    call: Callable[[], Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_numbers_of_other_kinds_are_taken_for_what_they_are() -> None:
    expected = linear(1.0, 100, 0.5).get_config()
    half = fractions.Fraction(1, 2)
    for rate, steps, end in [
        (1, np.int64(100), np.float32(0.5)),
        (np.int8(1), np.uint8(100), half),
        (np.float64(1), 100, np.float16(0.5)),
    ]:
        assert linear(rate, steps, end).get_config() == expected
    sgd = ScheduledSGD(np.float32(0.5), momentum=np.float32(0.5), clipnorm=1)
    assert sgd.get_config() == {
        **ScheduledSGD(0.5, momentum=0.5, clipnorm=1.0).get_config(),
        "name": sgd.name,
    }


def test_the_limits_of_each_argument_are_allowed() -> None:
    linear(0.1, MOST_STEPS, 0.1)
    linear(2.0**-126, 1)
    schedules.exponential(float(np.finfo("float32").max), 5, decay_rate=1)
    warmup(0.1, 5, start_factor=1)
    assert float(warmup(0.1, 5, start_factor=0)(0)) == 0.0
    one_cycle(0.1, 50, div_factor=1, final_div_factor=1)
    triangular(0.1, 0.2, 5).momentum(0.0, 0.0)
    schedules.compounding_time(0.1, 1e-9, epochs=100_000, steps_per_epoch=1)
    cyclical.restarts(0.1, 1, 0.1, t_mul=1.01, m_mul=1)
    ScheduledSGD(0.0, momentum=0, weight_decay=0)


def test_what_keras_takes_besides_numbers_is_still_taken() -> None:
    assert float(ScheduledSGD(lambda: 0.25).learning_rate) == 0.25
    assert float(ScheduledAdam(linear(0.5, 10)).learning_rate) == 0.5
