"""What `check` finds on the optimizer, and on the training step that was compiled with it."""

from typing import Any

import keras
import pytest
from checking import BATCHES, OneStepAtATime, Own, compiled, fit, names
from keras import ops
from keras.optimizers.schedules import CosineDecay, PolynomialDecay

from lrguide import cyclical, schedules
from lrguide.checks import check
from lrguide.internals import rate_or_schedule, step_count
from lrguide.scheduled_optimizers import ScheduledAdam, ScheduledSGD


def test_a_length_in_updates_is_found_when_gradients_are_accumulated() -> None:
    optimizer = keras.optimizers.SGD(CosineDecay(0.1, 250), gradient_accumulation_steps=4)
    run = {"steps_per_epoch": 100, "epochs": 10, "optimizer": optimizer}
    assert names(rate_or_schedule(optimizer), **run) == ["accumulation"]
    optimizer.learning_rate = CosineDecay(0.1, 1000)
    assert names(rate_or_schedule(optimizer), **run) == []


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


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.cosine(0.1, 40),
        schedules.cosine(0.1, 40, 0.001),
        schedules.linear(0.1, 50),
        cyclical.one_cycle(0.1, 40),
        schedules.warmup_stable_decay(0.1, (10, 10, 20), 0.01),
        schedules.per_epoch(schedules.linear(0.1, 4), 10),
        OneStepAtATime(40),
    ],
)
def test_a_schedule_that_is_over_before_a_resumed_training_has_ended(schedule: Any) -> None:
    optimizer = keras.optimizers.SGD(schedule)
    step_count(optimizer).assign(50)
    (finding,) = check(schedule, steps_per_epoch=10, epochs=5, optimizer=optimizer)
    assert finding.name == "end" and "for 100 % of the run" in finding.what
    assert finding.mend.endswith("or compile with a new optimizer to begin again.")


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.constant(0.1),
        schedules.piecewise([0.1, 0.01], [40]),
        schedules.warmup(0.1, 40),
        schedules.cosine(0.1, 100),
    ],
)
def test_a_schedule_that_goes_on_or_is_meant_to_stay_may_be_resumed(schedule: Any) -> None:
    optimizer = keras.optimizers.SGD(schedule)
    step_count(optimizer).assign(50)
    assert names(schedule, steps_per_epoch=10, epochs=5, optimizer=optimizer) == ["resumed"]


@pytest.mark.parametrize(
    "optimizer, options",
    [
        (lambda rate: keras.optimizers.SGD(rate), {}),
        (lambda rate: keras.optimizers.Adam(rate), {"steps_per_execution": 3}),
        (lambda rate: keras.optimizers.Adam(rate), {"jit_compile": True}),
        (lambda rate: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(rate)), {}),
        (lambda rate: keras.optimizers.SGD(rate, gradient_accumulation_steps=2), {}),
        (lambda rate: ScheduledSGD(rate), {}),
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
    class Factor(Own):
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
    scheduled = ScheduledAdam(rate, beta_1=rate.momentum(0.85, 0.95))
    assert names(rate, **run, optimizer=scheduled) == []
