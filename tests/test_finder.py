"""`find_rate` on real models: it leaves no trace, pays no more than it says, and finds a rate."""

from __future__ import annotations

import functools
import json
import math
import signal
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from refusals import Row, sentence, without_a_row
from small_models import (
    X,
    Y,
    arrays,
    differences,
    linear,
    plant,
    small,
    surroundings,
    uncompiled,
)
from test_traceless import CASES, made, options, quiet

import lrguide
from lrguide.data import mnist_subset
from lrguide.finder import find_rate
from lrguide.model_state import state_digest

QUICK: dict[str, Any] = dict(steps=20, price=2, seeds=[0, 1], verbose=0)
LEAST: dict[str, Any] = dict(steps=10, price=2.4)  # two pilots of whole runs
# 20 batches an epoch, because it takes as long to begin an epoch as to take two steps.
MANY: dict[str, Any] = dict(x=np.tile(X, (8, 1)), y=np.tile(Y, (8, 1)), batch_size=16)


def warm(rate: float, steps: int) -> Any:
    return lrguide.warmup(lrguide.linear(rate, steps - steps // 10), steps // 10)


def sought(model: Any = None, **changed: Any) -> Any:
    """Search with few steps and two seeds; a test names what it changes of that."""
    return find_rate(model or linear(run_eagerly=True), **{**MANY, **QUICK, **changed})


asked: list[tuple[float, int]] = []  # of the schedule, by the search below


@functools.cache
def with_two_lengths() -> Any:
    """One search with pilots of 10 and of 20 steps, for all tests that only look at its result."""

    def noted(rate: float, steps: int) -> Any:
        asked.append((rate, steps))
        return warm(rate, steps)

    return sought(schedule=noted, price=6)


# No trace.


@quiet
@pytest.mark.parametrize(
    "case",
    ["gradient accumulation", "eager", "own train_step"],
)
def test_nothing_changes(case):
    """`test_traceless.py` tries more kinds of model and data on the code that trains here, too."""
    model = made(case, trained=False)
    before, digest = surroundings(model), state_digest(model)
    given = {k: v for k, v in CASES[case][1]().items() if k not in ("seeds", "epochs")}
    found = find_rate(model, **{"batch_size": options(case)[0].get("batch_size"), **given}, **QUICK)
    assert differences(before, surroundings(model)) == []
    assert state_digest(model) == digest
    assert found.price <= 2


class Stopping(keras.Model):
    """A linear model of which one training step, counted from 1, does something."""

    def __init__(self, step: int, action: Any) -> None:
        super().__init__()
        self.dense, self.step, self.action = layers.Dense(1), step, action
        self.calls = [0]
        self(X)
        self.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def train_step(self, data: Any) -> Any:
        COUNTED[0] += 1
        if COUNTED[0] == self.step:
            self.action()
        return super().train_step(data)


COUNTED = [0]


@pytest.mark.parametrize(("step", "known"), [(3, 0), (17, 1), (27, 2)])
def test_ctrl_c_gives_what_is_known_by_then_and_puts_the_model_back(step, known):
    COUNTED[0] = 0
    keras.utils.set_random_seed(5)
    model = Stopping(step, lambda: signal.raise_signal(signal.SIGINT))
    before = surroundings(model)
    if not known:  # not even the loss without training
        with pytest.raises(KeyboardInterrupt):
            sought(model)
    else:
        found = sought(model)
        assert len(found.pilots) == known and found.reason.endswith("; stopped by Ctrl-C")
        assert (found.rate is None) == (known < 2)
    assert differences(before, surroundings(model)) == []


def test_an_error_of_the_model_passes_unchanged():
    def fail() -> None:
        raise LookupError("a fault in the user's model")

    COUNTED[0] = 0
    keras.utils.set_random_seed(5)
    model = Stopping(15, fail)
    before = surroundings(model)
    with pytest.raises(LookupError, match="a fault in the user's model"):
        sought(model)
    assert differences(before, surroundings(model)) == []


# What is trained.


def test_the_schedule_is_compressed_to_each_pilot_and_ready_for_the_run():
    found = with_two_lengths()
    of_pilots = {(pilot.rate, pilot.steps) for pilot in found.pilots}
    assert asked[-1] == (found.rate, 20) and of_pilots <= {*asked}
    assert {steps for _, steps in of_pilots} == {10, 20}
    rates = lrguide.rates_at(found.schedule, range(20))
    assert rates.argmax() == 2 and rates.max() == pytest.approx(found.rate, rel=1e-5)


def test_losses_are_those_of_a_training_by_hand():
    """Gradient descent on the same batches, along the compressed schedule."""
    from small_models import by_hand

    found = sought(**arrays(), schedule=lrguide.linear, shuffle=False, price=3)
    for pilot in found.pilots:
        if math.isfinite(pilot.loss):
            plan = [pilot.rate * (1 - step / pilot.steps) for step in range(pilot.steps)]
            tail = pilot.steps // 4
            assert pilot.loss == pytest.approx(np.mean(by_hand(plan)[-tail:]), rel=1e-4)
    assert found.untrained == pytest.approx(np.mean(by_hand([0.0] * 4)), rel=1e-4)


def test_validation_data_judge_where_they_are_given():
    from small_models import by_hand

    found = sought(**arrays(), validation_data=(X[:20], Y[:20]), shuffle=False)
    pilot = found.pilots[0]
    expected = by_hand([pilot.rate] * pilot.steps, validation=True)[-1]
    assert pilot.loss == pytest.approx(expected, rel=1e-4)
    assert found.measured == "validation loss"
    assert found.untrained == pytest.approx(by_hand([0.0], validation=True)[0], rel=1e-5)


def test_rates_that_share_a_seed_share_their_batches_and_their_noise():
    model = small(run_eagerly=True)
    found = sought(model, **LEAST, schedule=lambda rate, steps: lrguide.constant(1e-12 * rate))
    for steps in {pilot.steps for pilot in found.pilots}:
        losses = [pilot.loss for pilot in found.pilots if pilot.steps == steps]
        assert len(losses) > 1
        # At such rates no weight moves, so that only the batches and the dropout could differ.
        assert np.ptp(losses) < 1e-5 * losses[0]


def test_the_search_begins_at_the_compiled_rate_and_at_a_default_beside_a_schedule():
    model = linear(keras.optimizers.SGD(0.02), run_eagerly=True)
    assert sought(model, **LEAST).pilots[0].rate == 0.02
    decaying = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 9))
    assert sought(linear(decaying, run_eagerly=True), **LEAST).pilots[0].rate == 0.01


def test_what_blows_up_is_stopped_early_and_never_found():
    found = sought(linear(keras.optimizers.SGD(1e4), run_eagerly=True), steps=10, price=8)
    losses = {pilot.rate: pilot.loss for pilot in found.pilots}
    assert {1.0, 10.0, 1e3, 1e4} <= {rate for rate, loss in losses.items() if math.isinf(loss)}
    assert all(pilot.paid < pilot.steps for pilot in found.pilots if pilot.rate >= 1e3)
    assert found.rate < 1


def test_a_new_model_is_built_for_each_seed():
    built = []

    def build() -> keras.Model:
        built.append(linear(run_eagerly=True))
        return built[-1]

    found = find_rate(None, **arrays(), build=build, **{**QUICK, "price": 4})
    assert len(built) == len({pilot.seed for pilot in found.pilots}) == 2


def test_the_step_is_traced_once_for_all_pilots():
    traces = []

    class Traced(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            traces.append(1)
            return super().train_step(data)

    model = Traced([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    found = find_rate(model, X[:32], Y[:32], batch_size=16, **{**QUICK, "price": 4})
    assert len(found.pilots) > 4 and len(traces) <= 2  # the last of them for ragged batches


def test_real_digits_get_a_rate_that_is_better_than_the_default():
    digits = mnist_subset().first(1000, 500, 1)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    model.compile("sgd", "categorical_crossentropy")
    held = digits.x_validation, digits.y_validation
    data = dict(x=digits.x_train, y=digits.y_train, batch_size=50)
    found = find_rate(model, **data, steps=100, validation_data=held, verbose=0)
    assert found.rate > 0.01 and found.price <= 1
    weights, losses = model.get_weights(), {}
    for rate in (0.01, found.rate):
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
        model.fit(**data, epochs=5, verbose=0)
        losses[rate] = model.evaluate(*held, verbose=0)
    assert losses[found.rate] < losses[0.01]


# What is told.


def test_five_lines_a_picture_and_plain_numbers_say_it_all():
    found = with_two_lengths()
    lines = str(found).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"Rate {found.rate:.3g} for 20 steps, the best between ")
    assert lines[1].startswith(f"Paid: {found.price:.2f} trainings, in {len(found.pilots)} pilots")
    assert lines[2].startswith("After 10 steps (") and lines[3].startswith("After 20 steps (")
    assert lines[4] == f"Why: {found.reason}."
    axes = found.plot()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:2] == ["after 10 steps", "after 20 steps"]
    assert found.plot(axes) is axes
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["rate"] == found.rate and len(plain["pilots"]) == len(found.pilots)
    assert "schedule" not in plain


def test_no_rate_is_told_where_the_loss_never_falls_or_every_rate_diverges():
    still = sought(**LEAST, schedule=lambda rate, steps: lrguide.constant(1e-9 * rate))
    assert (still.rate, still.schedule, still.tied) == (None, None, ())
    assert still.reason.startswith("not enough evidence: no rate lowered the loss, ")
    wild = sought(**LEAST, schedule=lambda rate, steps: lrguide.constant(1e15 * rate))
    assert wild.rate is None and "every rate diverged, down to" in wild.reason
    assert str(wild).startswith("No rate for 10 steps.")
    assert wild.plot().get_xscale() == "log"


def test_progress_is_shown_to_its_end(capsys):
    sought(verbose=1, **LEAST)
    assert "24/24" in capsys.readouterr().out


# What is refused.

MADE = "schedule must be a function of a rate and a number of steps"
FAILS = f"{MADE} that makes a Keras schedule or a number, received one that fails at schedule"


def ending() -> Any:
    import tensorflow as tf

    once = iter([(X[:9], Y[:9]), (X[9:18], Y[9:18])])
    kinds = (tf.TensorSpec((None, 6)), tf.TensorSpec((None, 1)))
    return tf.data.Dataset.from_generator(lambda: once, output_signature=kinds)


WRONG: list[Row] = [
    (dict(model=3), TypeError, "model must be a Keras model, received 3"),
    (
        dict(model=uncompiled),
        ValueError,
        "model must be compiled with an optimizer, received it without",
    ),
    (dict(x=None), ValueError, "x must hold training data, received None"),
    (
        dict(x=((X, Y) for _ in range(3)), y=None),
        ValueError,
        "x must be readable more than once, received a generator",
    ),
    (dict(y=Y[:-1]), ValueError, "samples must be equally many, received 40 in x and 39 in y"),
    (dict(steps=9), ValueError, "steps must be a whole number of at least 10, received 9"),
    (dict(steps=20.0), TypeError, "steps must be a whole number of at least 10, received 20.0"),
    (dict(schedule=0.1), TypeError, f"{MADE}, received 0.1"),
    (
        dict(schedule=lambda rate, steps: 0.1),
        ValueError,
        f"{MADE}, received one whose rates do not follow its rate",
    ),
    (
        dict(schedule=lambda rate, steps: "fast"),
        ValueError,
        f"{FAILS}(0.01, 20): schedule must be a Keras schedule or a finite number from 0 on, "
        "received 'fast'",
    ),
    (
        dict(schedule=lambda rate: rate),
        ValueError,
        f"{FAILS}(0.01, 20): WRONG() takes 1 positional argument but 2 were given",
    ),
    (dict(price=0), ValueError, "price must be a finite number above 0, received 0"),
    (
        dict(price=0.5),
        ValueError,
        "price must pay for two pilots of 10 steps and 4 without training, received 0.5 of 20 "
        "steps",
    ),
    (dict(price="all"), TypeError, "price must be a finite number above 0, received 'all'"),
    (
        dict(seeds=[1, 1]),
        ValueError,
        "seeds must be at least one and all different, received [1, 1]",
    ),
    (
        dict(batch_size=0),
        ValueError,
        "batch_size must be a whole number above 0, received 0",
    ),
    (
        dict(sample_weight=np.ones(39)),
        ValueError,
        "samples must be equally many, received 40 in x and 40 in y and 39 in sample_weight",
    ),
    (dict(class_weight=3), TypeError, "class_weight must be a dict, received 3"),
    (dict(shuffle=1), TypeError, "shuffle must be True or False, received 1"),
    (
        dict(build=lambda: linear()),
        ValueError,
        "model must be None when build makes the models, received <Sequential",
    ),
    (dict(verbose=2), ValueError, "verbose must be 0 or 1, received 2"),
    (
        dict(validation_data=3),
        TypeError,
        "validation_data must be (x, y), (x, y, sample_weight) or a dataset, received 3",
    ),
    (
        dict(x=ending, y=None, batch_size=None),
        ValueError,
        "x must give 4 batches, received 2",
    ),
]


@pytest.mark.parametrize(("changed", "error", "message"), WRONG)
def test_bad_input_is_refused_in_one_sentence_and_the_model_untouched(changed, error, message):
    changed = {
        k: v() if any(v is make for make in (uncompiled, ending)) else v for k, v in changed.items()
    }
    keras.utils.set_random_seed(5)
    model = changed.get("model") or linear(run_eagerly=True)
    trained = isinstance(model, keras.Model) and model.compiled
    before = surroundings(model) if trained else {}
    given = {**arrays(), **QUICK, **changed, "model": model}
    told = sentence(error, lambda: find_rate(**given))
    assert told.replace("<lambda>", "WRONG").startswith(message)
    assert differences(before, surroundings(model) if trained else {}) == []


def test_every_parameter_has_a_row():
    assert without_a_row(find_rate, WRONG) == []


def test_validation_without_a_loss_is_refused():
    class Silent(keras.Sequential):
        def test_step(self, data: Any) -> Any:
            return {"accuracy": 1.0}

    model = Silent([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    before = surroundings(model)
    told = sentence(ValueError, lambda: sought(model, validation_data=(X, Y)))
    assert told == "test_step must return a dict with 'loss', received ['accuracy']"
    assert differences(before, surroundings(model)) == []


def test_axes_of_something_else_are_refused():
    told = sentence(TypeError, lambda: with_two_lengths().plot("here"))
    assert told == "ax must be axes of matplotlib, received 'here'"


# Planted faults: each must be caught by the test beside it.


FAULTS = {
    "the schedule not compressed": (
        "trainings.train(_plan(schedule, rate, length), seed)",
        "trainings.train(_plan(schedule, rate, steps)[:length], seed)",
        test_losses_are_those_of_a_training_by_hand,
    ),
    "diverged counted by its loss": (
        "            if loss > untrained + RISE * spread + rounding:\n",
        "            if False:\n",
        test_what_blows_up_is_stopped_early_and_never_found,
    ),
    "seeds not shared": (
        "trainings.train(_plan(schedule, rate, length), seed)",
        "trainings.train(_plan(schedule, rate, length), seed + len(pilots))",
        test_rates_that_share_a_seed_share_their_batches_and_their_noise,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    old, new, check = FAULTS[fault]
    plant(old, new, globals(), monkeypatch)
    with pytest.raises(AssertionError):
        check()
