"""What `check` finds and what it is silent about; which rates the logger says were used."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from keras.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

from lrguide import checks, cyclical, schedules
from lrguide.checks import check, rates_at
from lrguide.rate_logger import LearningRateLogger

X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4)
Y = X[:, :1]
BATCHES = 4  # of four examples


def names(*arguments: Any, **options: Any) -> list[str]:
    return [finding.name for finding in check(*arguments, **options)]


def compiled(optimizer: Any, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model: keras.Model, *callbacks: Any, epochs: int = 1, **options: Any) -> dict[str, Any]:
    history = model.fit(
        X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks), **options
    )
    return history.history


class Unclamped(LearningRateSchedule):
    """The half cosine as it is often written, without an end."""

    decay_steps = 500

    def __call__(self, step: Any) -> Any:
        return 0.1 * (1 + ops.cos(np.pi * ops.cast(step, "float32") / self.decay_steps)) / 2


class OneStepAtATime(LearningRateSchedule):
    """A rate of the user's own, of which the attributes say nothing."""

    def __init__(self, end: int) -> None:
        self.end = end

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        return ops.cond(step < self.end, lambda: 0.1 - 0.09 * step / self.end, lambda: 0.01)


class PythonIf(LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1 if step < 500 else 0.01


# A misfit, what it is called, and the same schedule made to fit: of 1000 steps, 100 an epoch.
MISFITS: dict[str, tuple[Any, str, Any]] = {
    "boundary after the run": (
        PiecewiseConstantDecay([500, 1500], [0.1, 0.01, 0.001]),
        "boundary",
        PiecewiseConstantDecay([500, 800], [0.1, 0.01, 0.001]),
    ),
    "boundary at the last step, and Keras is one later": (
        PiecewiseConstantDecay([999], [0.1, 0.01]),
        "boundary",
        PiecewiseConstantDecay([998], [0.1, 0.01]),
    ),
    "boundaries out of order": (
        PiecewiseConstantDecay([800, 500], [0.1, 0.01, 0.001]),
        "boundary",
        PiecewiseConstantDecay([500, 800], [0.1, 0.01, 0.001]),
    ),
    "boundaries in epochs times too many steps": (
        schedules.piecewise([0.1, 0.01], epochs=[5], steps_per_epoch=300),
        "boundary",
        schedules.piecewise([0.1, 0.01], epochs=[5], steps_per_epoch=100),
    ),
    "joint after the run": (
        schedules.join([0.1, schedules.linear(0.1, 500)], [2000]),
        "boundary",
        schedules.join([0.1, schedules.linear(0.1, 500)], [500]),
    ),
    "a first stair that never comes": (
        ExponentialDecay(0.1, 1200, 0.5, staircase=True),
        "boundary",
        ExponentialDecay(0.1, 300, 0.5, staircase=True),
    ),
    "warmup longer than the run": (
        schedules.warmup(0.1, 2000),
        "boundary",
        schedules.warmup(0.1, 100),
    ),
    "warmup that Keras ignores": (
        CosineDecay(0.01, 900, warmup_steps=100),
        "boundary",
        CosineDecay(0.01, 900, warmup_target=0.1, warmup_steps=100),
    ),
    "first peak of a cycle after the run": (
        cyclical.triangular(0.01, 0.1, step_size=1500),
        "boundary",
        cyclical.triangular(0.01, 0.1, step_size=250),
    ),
    "first peak after the run, in epochs": (
        schedules.per_epoch(cyclical.triangular(0.01, 0.1, step_size=20), 100),
        "boundary",
        schedules.per_epoch(cyclical.triangular(0.01, 0.1, step_size=2), 100),
    ),
    "end long before the last step": (CosineDecay(0.1, 400), "end", CosineDecay(0.1, 1000)),
    "end three steps before": (schedules.linear(0.1, 997), "end", schedules.linear(0.1, 999)),
    "end before, in stairs": (
        schedules.per_epoch(schedules.linear(0.1, 6), 100),
        "end",
        schedules.per_epoch(schedules.linear(0.1, 10), 100),
    ),
    "end before, of the user's own": (OneStepAtATime(600), "end", OneStepAtATime(1000)),
    "end long after the last step": (CosineDecay(0.1, 2700), "end", CosineDecay(0.1, 1000)),
    "end after, one step at a time": (OneStepAtATime(2700), "end", OneStepAtATime(1000)),
    "end of 1cycle after": (cyclical.one_cycle(0.1, 2000), "end", cyclical.one_cycle(0.1, 1000)),
    "warmup not counted in": (
        CosineDecay(0.01, 1000, warmup_target=0.1, warmup_steps=100),
        "end",
        CosineDecay(0.01, 900, warmup_target=0.1, warmup_steps=100),
    ),
    "rise after the end": (Unclamped(), "rising", CosineDecay(0.1, 1000)),
    "end rate above the first": (
        PolynomialDecay(1e-5, 1000),
        "rising",
        PolynomialDecay(1e-5, 1000, end_learning_rate=0.0),
    ),
    "first rate of 0": (
        schedules.warmup(schedules.linear(0.1, 900), 100, start_factor=0.0),
        "zero",
        schedules.warmup(schedules.linear(0.1, 900), 100),
    ),
    "constant rate of 0": (0.0, "zero", 0.1),
    "rate below 0": (PolynomialDecay(0.1, 1000, end_learning_rate=-0.1), "not a rate", 0.1),
    "rate that is not a number": (float("nan"), "not a rate", 0.1),
    "integer rate": (1, "integer", 1.0),
    "integer that truncates": (
        ExponentialDecay(1, 100, 0.96),
        "integer",
        ExponentialDecay(1.0, 100, 0.96),
    ),
    "integer among floats": (
        PiecewiseConstantDecay([500], [1, 0.1]),
        "integer",
        PiecewiseConstantDecay([500], [1.0, 0.1]),
    ),
    "Python's if on the step": (
        PythonIf(),
        "compiling",
        PiecewiseConstantDecay([500], [0.1, 0.01]),
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_misfit_is_found_and_a_fitting_schedule_is_silent(misfit: str) -> None:
    schedule, name, fitting = MISFITS[misfit]
    assert set(names(schedule, steps_per_epoch=100, epochs=10)) == {name}
    assert check(fitting, steps_per_epoch=100, epochs=10) == ()


@pytest.mark.parametrize(
    "schedule",
    [
        0.1,
        InverseTimeDecay(0.1, 100, 0.5),
        ExponentialDecay(0.1, 100, 0.9),
        ExponentialDecay(0.1, 10_000, 0.9),
        CosineDecayRestarts(0.1, 100),
        PolynomialDecay(0.1, 100, cycle=True),
        PolynomialDecay(0.1, 1000, power=2.0, end_learning_rate=0.001),
        CosineDecay(0.1, 1000, alpha=0.01),
        schedules.step_decay(0.1, 250, decay_rate=0.5),
        schedules.constant(0.1),
        schedules.compounding_time(0.1, 0.1, epochs=10, steps_per_epoch=100),
        schedules.warmup_stable_decay(0.1, (100, 500, 400)),
        schedules.join([schedules.linear(0.1, 500), schedules.linear(0.05, 500)], [500]),
        schedules.join(
            [schedules.linear(0.1, 300), cyclical.triangular(0.01, 0.05, step_size=100)], [300]
        ),
        schedules.join([0.1, 0.05, 0.01], [300, 400]),
        schedules.join([0.1, 0.05, 0.02, 0.01, 0.005, 0.001], [10, 100, 110, 300, 310]),
        schedules.piecewise([0.1, 0.05, 0.02, 0.01, 0.005, 0.001], [100, 200, 300, 400, 500]),
        CosineDecay(0.01, 100, warmup_target=0.1, warmup_steps=900),
        cyclical.triangular2(0.01, 0.1, step_size=(50, 100)),
        cyclical.exp_range(0.01, 0.1, step_size=100, gamma=0.999),
        cyclical.one_cycle(0.1, 1000, anneal="linear", three_phase=True),
    ],
)
def test_schedules_that_fit_or_have_no_end_are_silent(schedule: Any) -> None:
    assert check(schedule, steps_per_epoch=100, epochs=10) == ()


def test_a_finding_says_where_and_how_to_mend() -> None:
    (finding,) = check(CosineDecay(0.1, 400), steps_per_epoch=100, epochs=10)
    assert (finding.step, finding.epoch) == (400, 4)
    assert str(finding) == (
        "end: the rate stays at 0 from step 400 (epoch 4) on, for 60 % of the run. "
        "Give the schedule 1000 steps."
    )


def test_a_length_in_updates_is_found_when_gradients_are_accumulated() -> None:
    optimizer = keras.optimizers.SGD(CosineDecay(0.1, 250), gradient_accumulation_steps=4)
    run = {"steps_per_epoch": 100, "epochs": 10, "optimizer": optimizer}
    assert names(optimizer._learning_rate, **run) == ["accumulation"]
    optimizer.learning_rate = CosineDecay(0.1, 1000)
    assert names(optimizer._learning_rate, **run) == []


def test_the_first_update_under_accumulation_is_that_of_the_last_batch() -> None:
    schedule = schedules.warmup(0.1, 100, start_factor=0.0)
    optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=4)
    assert names(schedule, steps_per_epoch=100, epochs=10, optimizer=optimizer) == []


def test_an_optimizer_with_another_rate_is_found() -> None:
    schedule = CosineDecay(0.1, 1000)
    run = {"steps_per_epoch": 100, "epochs": 10}
    assert names(schedule, **run, optimizer=keras.optimizers.SGD(0.1)) == ["other rate"]
    same = keras.optimizers.SGD(CosineDecay.from_config(schedule.get_config()))
    assert names(schedule, **run, optimizer=same) == []
    assert names(0.1, **run, optimizer=keras.optimizers.SGD(0.1)) == []
    renamed = keras.optimizers.SGD(0.1)
    renamed.lr = 0.5
    assert names(0.1, **run, optimizer=renamed) == ["other rate"]


def test_a_count_of_steps_above_0_is_found_and_the_rest_of_the_schedule_fits() -> None:
    schedule = CosineDecay(0.1, 5 * BATCHES)
    model = compiled(keras.optimizers.SGD(schedule))
    run = {"steps_per_epoch": BATCHES, "optimizer": model.optimizer}
    assert names(schedule, **run, epochs=5) == []
    fit(model)
    assert names(schedule, **run, epochs=4) == ["resumed"]
    assert names(schedule, **run, epochs=8) == ["end", "resumed"]


def test_a_decay_that_takes_epochs_for_steps_is_told_so():
    [finding] = check(schedules.step_decay(0.1, 3, decay_rate=0.5), steps_per_epoch=20, epochs=10)
    assert str(finding) == (
        "end: the rate is below a millionth of its highest from step 60 (epoch 3) on, for 70 % of "
        "the run. Give steps, not epochs or samples: epochs * steps_per_epoch."
    )


@pytest.mark.parametrize(
    "schedule, name",
    [
        (ExponentialDecay(-0.1, 100, 0.5), "not a rate"),
        (CosineDecay(0.1, 500, alpha=1e-7), "end"),
        (PiecewiseConstantDecay([500], [0.1, 1e-8]), None),
        (PolynomialDecay(0.1, 1000, end_learning_rate=0.0, power=8), None),
        (schedules.exponential(0.1, 1000, decay_rate=1e-8), None),
        (cyclical.exp_range(1e-9, 0.1, 50, gamma=0.97), None),
    ],
)
def test_a_small_rate_that_is_meant_is_not_taken_for_epochs(schedule, name):
    found = check(schedule, steps_per_epoch=100, epochs=10)
    assert [finding.name for finding in found] == ([name] if name else [])
    assert "millionth" not in str(found)


@pytest.mark.parametrize(
    "optimizer, options",
    [
        (lambda rate: keras.optimizers.SGD(rate), {}),
        (lambda rate: keras.optimizers.Adam(rate), {"steps_per_execution": 3}),
        (lambda rate: keras.optimizers.Adam(rate), {"jit_compile": True}),
        (lambda rate: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(rate)), {}),
        (lambda rate: keras.optimizers.SGD(rate, gradient_accumulation_steps=2), {}),
        (lambda rate: cyclical.ScheduledSGD(rate), {}),
    ],
    ids=["sgd", "several steps an execution", "xla", "loss scale", "accumulation", "scheduled"],
)
def test_a_schedule_replaced_after_the_first_fit_is_found_until_compiled_again(
    optimizer: Any, options: dict[str, Any]
) -> None:
    old, new = CosineDecay(0.1, 8), PolynomialDecay(0.1, 8, end_learning_rate=0.0)
    model = compiled(optimizer(old), **options)
    run = {"steps_per_epoch": BATCHES, "epochs": 1, "model": model}
    fit(model)
    assert "reassigned" not in names(old, **run)
    model.optimizer.learning_rate = new
    assert "reassigned" in names(new, **run)
    model.compile(model.optimizer, "mse", **options)
    fit(model)
    assert "reassigned" not in names(new, **run)


def test_a_schedule_that_depends_on_more_than_the_step_is_not_called_replaced() -> None:
    class Factor(LearningRateSchedule):
        factor = keras.Variable(0.1)

        def __call__(self, step: Any) -> Any:
            return ops.cast(step + 1, "float32") * self.factor

    schedule = Factor()
    model = compiled(keras.optimizers.SGD(schedule))
    fit(model)
    assert names(schedule, steps_per_epoch=BATCHES, epochs=1, model=model) == ["resumed"]


@pytest.mark.parametrize("momentum, make", [("momentum", "SGD"), ("beta_1", "Adam")])
def test_a_momentum_set_after_the_first_fit_is_found(momentum: str, make: str) -> None:
    model = compiled(getattr(keras.optimizers, make)(0.1, **{momentum: 0.93}))
    run = {"steps_per_epoch": BATCHES, "epochs": 1, "model": model}
    fit(model)
    assert names(0.1, **run) == ["resumed"]
    setattr(model.optimizer, momentum, 0.83)
    assert names(0.1, **run) == ["resumed", "momentum"]


def test_a_momentum_that_is_a_schedule_is_found_where_keras_reads_a_number() -> None:
    rate = cyclical.triangular(0.01, 0.1, step_size=250)
    run = {"steps_per_epoch": 100, "epochs": 10}
    plain = keras.optimizers.Adam(rate, beta_1=rate.momentum(0.85, 0.95))
    assert names(rate, **run, optimizer=plain) == ["momentum"]
    scheduled = cyclical.ScheduledAdam(rate, beta_1=rate.momentum(0.85, 0.95))
    assert names(rate, **run, optimizer=scheduled) == []


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"schedule": "cosine"}, TypeError, "schedule must be a Keras schedule or a number"),
        ({"schedule": True}, TypeError, "schedule must be a Keras schedule or a number"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be a whole number above 0"),
        ({"steps_per_epoch": 2.5}, TypeError, "steps_per_epoch must be a whole number above 0"),
        ({"epochs": -1}, ValueError, "epochs must be a whole number above 0, received -1"),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be a Keras optimizer, received 'sgd'"),
        ({"model": "cnn"}, TypeError, "model must be a Keras model, received 'cnn'"),
        ({"model": keras.Sequential()}, ValueError, "model must be compiled"),
        (
            {
                "model": compiled(keras.optimizers.SGD(0.1)),
                "optimizer": keras.optimizers.SGD(0.1),
            },
            ValueError,
            "give the model or its optimizer",
        ),
        (
            {
                "optimizer": keras.optimizers.MultiOptimizer(
                    keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
                )
            },
            TypeError,
            "optimizer must have one learning rate",
        ),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    good = {"schedule": 0.1, "steps_per_epoch": 100, "epochs": 10}
    with pytest.raises(error, match=words):
        check(**{**good, **arguments})


@pytest.mark.parametrize(
    "schedule", [CosineDecay(0.01, 50, warmup_target=0.1, warmup_steps=9), PythonIf(), 0.1]
)
def test_rates_at_many_steps_are_those_of_one_step_at_a_time(schedule: Any) -> None:
    steps = [0, 1, 8, 9, 10, 58, 59, 60, 499, 500]
    each = [schedule if schedule == 0.1 else float(schedule(step)) for step in steps]
    np.testing.assert_allclose(rates_at(schedule, steps), each, rtol=1e-5)


@pytest.mark.parametrize(
    "steps, error, words",
    [
        ([0.5], TypeError, "steps must be whole numbers"),
        ([-1], ValueError, "from 0 on, received"),
        (3, ValueError, "steps must be a row of whole numbers"),
    ],
)
def test_steps_that_are_none_are_refused(steps: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rates_at(0.1, steps)


class TestLogger:
    @pytest.mark.parametrize(
        "options",
        [{}, {"steps_per_execution": 3}, {"jit_compile": True}, {"run_eagerly": True}],
        ids=["plain", "several steps an execution", "xla", "eager"],
    )
    def test_the_rate_of_each_update_is_in_the_history(self, options: dict[str, Any]) -> None:
        logger = LearningRateLogger()
        rates = [0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01]
        schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
        history = fit(compiled(keras.optimizers.SGD(schedule), **options), logger, epochs=2)
        np.testing.assert_allclose(logger.rates, rates, rtol=1e-5)
        np.testing.assert_allclose(history["learning_rate"], [0.05, 0.01], rtol=1e-5)
        np.testing.assert_allclose(
            history["learning_rate_by_update"], [rates[:4], rates[4:]], rtol=1e-5
        )
        assert logger.steps.tolist() == list(range(8))
        assert logger.findings == ()

    def test_the_rates_are_those_that_moved_the_weights(self) -> None:
        """With a gradient of 1 each update of SGD subtracts the rate."""
        weights: list[float] = []
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.compile(
            keras.optimizers.SGD(cyclical.triangular(0.1, 0.5, step_size=2)),
            loss=lambda y, prediction: ops.mean(prediction),
        )
        watch = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: weights.append(float(model.weights[0][0, 0])),
            on_train_end=lambda logs: weights.append(float(model.weights[0][0, 0])),
        )
        logger = LearningRateLogger()
        ones = np.ones((12, 1), np.float32)
        model.fit(ones, ones, batch_size=2, verbose=0, callbacks=[logger, watch])
        np.testing.assert_allclose(-np.diff(weights), logger.rates, rtol=1e-4)

    def test_a_rate_that_another_callback_sets_is_seen_batch_by_batch(self) -> None:
        model = compiled(keras.optimizers.SGD(0.1))
        set_rate = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: setattr(
                model.optimizer, "learning_rate", 0.1 / (batch + 1)
            )
        )
        logger = LearningRateLogger(schedule=0.1)
        fit(model, set_rate, logger)
        np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-5)
        (finding,) = logger.findings
        assert (finding.name, finding.step) == ("other rate", 1)
        assert finding.what.startswith("3 of 4 updates used another rate")

    def test_a_training_step_of_several_updates_has_a_rate_for_each(self) -> None:
        class Twice(keras.Sequential):
            def train_step(self, data: Any) -> Any:
                super().train_step(data)
                return super().train_step(data)

        model = Twice([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        set_rate = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: setattr(
                model.optimizer, "learning_rate", 0.1 / (batch + 1)
            )
        )
        logger = LearningRateLogger()
        fit(model, set_rate, logger)
        np.testing.assert_allclose(
            logger.rates, np.repeat([0.1, 0.05, 0.1 / 3, 0.025], 2), rtol=1e-5
        )
        assert logger.findings == ()

    def test_one_rate_an_update_when_gradients_are_accumulated(self) -> None:
        schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
        optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=2)
        logger = LearningRateLogger()
        fit(compiled(optimizer), logger, epochs=2)
        assert logger.steps.tolist() == [1, 3, 5, 7]
        np.testing.assert_allclose(logger.rates, [0.07, 0.05, 0.03, 0.01], rtol=1e-5)

    @pytest.mark.parametrize("rate", [0.1, PolynomialDecay(0.08, 8, end_learning_rate=0.0)])
    def test_batches_skipped_by_loss_scaling_make_no_update(self, rate: Any) -> None:
        inner = keras.optimizers.SGD(rate)
        model = compiled(keras.optimizers.LossScaleOptimizer(inner))
        bad = X.copy()
        bad[5] = np.nan  # in the second batch
        logger = LearningRateLogger()
        model.fit(bad, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[logger])
        assert logger.steps.tolist() == [0, 1, 2]
        assert [finding.name for finding in logger.findings] == ["skipped"]

    # Keras 3.15 saves by a call that NumPy 2 warns of.
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    def test_training_resumed_from_a_file_goes_on_in_the_schedule(self, tmp_path: Any) -> None:
        schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
        model = compiled(keras.optimizers.SGD(schedule))
        fit(model)
        model.save(tmp_path / "model.keras")
        logger = LearningRateLogger()
        fit(keras.models.load_model(tmp_path / "model.keras"), logger, epochs=2, initial_epoch=1)
        assert logger.steps.tolist() == [4, 5, 6, 7]
        assert logger.findings == ()

    def test_epochs_that_go_on_with_a_new_optimizer_are_found(self) -> None:
        logger = LearningRateLogger()
        model = compiled(keras.optimizers.SGD(CosineDecay(0.1, 8)))
        fit(model, logger, epochs=3, initial_epoch=2)
        assert [finding.name for finding in logger.findings] == ["resumed"]

    @pytest.mark.parametrize("followed", [True, False])
    def test_a_schedule_replaced_after_the_first_fit_is_not_what_was_used(
        self, followed: bool
    ) -> None:
        old, new = PolynomialDecay(0.08, 8, end_learning_rate=0.0), CosineDecay(0.1, 8)
        model = compiled(keras.optimizers.SGD(old))
        fit(model, *([LearningRateLogger()] if followed else []))
        model.optimizer.learning_rate = new
        logger = LearningRateLogger()
        history = fit(model, logger)
        found = {finding.name for finding in logger.findings}
        if followed:
            np.testing.assert_allclose(logger.rates, [0.04, 0.03, 0.02, 0.01], rtol=1e-5)
            assert found == {"reassigned", "other rate"}
        else:
            assert np.isnan(logger.rates).all() and np.isnan(history["learning_rate"]).all()
            assert found == {"reassigned"}

    def test_a_schedule_replaced_during_training_is_not_used_either(self) -> None:
        old, new = PolynomialDecay(0.08, 8, end_learning_rate=0.0), CosineDecay(0.1, 8)
        model = compiled(keras.optimizers.SGD(old))
        replace = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: (
                setattr(model.optimizer, "learning_rate", new) if epoch else None
            )
        )
        logger = LearningRateLogger()
        fit(model, replace, logger, epochs=2)
        np.testing.assert_allclose(logger.rates[4:], [0.04, 0.03, 0.02, 0.01], rtol=1e-5)
        assert {finding.name for finding in logger.findings} == {"reassigned", "other rate"}

    def test_in_eager_training_a_replaced_schedule_is_used_from_the_next_batch_on(self) -> None:
        old, new = PolynomialDecay(0.08, 8, end_learning_rate=0.0), schedules.constant(0.5)
        model = compiled(keras.optimizers.SGD(old), run_eagerly=True)
        replace = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: (
                setattr(model.optimizer, "learning_rate", new) if batch == 2 else None
            )
        )
        logger = LearningRateLogger()
        fit(model, replace, logger)
        np.testing.assert_allclose(logger.rates, [0.08, 0.07, 0.5, 0.5], rtol=1e-5)

    def test_a_momentum_set_during_training_is_found(self) -> None:
        model = compiled(keras.optimizers.SGD(0.1, momentum=0.9))
        set_momentum = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: setattr(model.optimizer, "momentum", 0.8)
        )
        logger = LearningRateLogger()
        fit(model, set_momentum, logger)
        (finding,) = logger.findings
        assert finding.name == "momentum" and "set to 0.8" in finding.what

    def test_training_is_the_same_with_and_without_it(self) -> None:
        weights = []
        for callbacks in ([], [LearningRateLogger()]):
            keras.utils.set_random_seed(1)
            model = compiled(keras.optimizers.Adam(CosineDecay(0.1, 8)))
            fit(model, *callbacks, epochs=2)
            weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        assert (weights[0] == weights[1]).all()

    def test_what_it_cannot_follow_is_refused_in_a_sentence(self) -> None:
        with pytest.raises(TypeError, match="schedule must be a Keras schedule or a number"):
            LearningRateLogger("cosine")
        with pytest.raises(TypeError, match="learning rate must be a number or a Keras schedule"):
            fit(compiled(keras.optimizers.SGD(lambda: 0.1)), LearningRateLogger())


def test_the_file_can_be_copied_alone() -> None:
    source = Path(checks.__file__).read_text(encoding="utf-8")
    assert "lrguide" not in "".join(
        line for line in source.splitlines() if line.startswith(("import ", "from "))
    )
