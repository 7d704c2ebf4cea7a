"""Which rates the logger says were used."""

import csv
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from keras.optimizers.schedules import CosineDecay, PolynomialDecay

from lrguide import cyclical, schedules
from lrguide.rate_logger import LearningRateLogger

X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4)
Y = X[:, :1]


def compiled(optimizer: Any, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model: keras.Model, *callbacks: Any, epochs: int = 1, **options: Any) -> dict[str, Any]:
    history = model.fit(
        X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks), **options
    )
    return history.history


def moving(optimizer: Any, kind: Any = keras.Sequential, **options: Any) -> keras.Model:
    """With a gradient of 1 each update of SGD subtracts the rate from the only weight."""
    model = kind([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, lambda y, prediction: ops.mean(prediction), **options)
    return model


def train(model: keras.Model, *callbacks: Any, used: list[float]) -> None:
    """Train for four batches, and note what each of them subtracted."""
    weights: list[float] = []

    def look(batch: Any = None, logs: Any = None) -> None:
        weights.append(float(model.weights[0][0, 0]))

    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=look, on_train_end=look)
    ones = np.ones((8, 1), np.float32)
    model.fit(ones, ones, batch_size=2, verbose=0, callbacks=[*callbacks, watch])
    used += (-np.diff(weights)).tolist()


@pytest.mark.parametrize(
    "options",
    [{}, {"steps_per_execution": 3}, {"jit_compile": True}, {"run_eagerly": True}],
    ids=["plain", "several steps an execution", "xla", "eager"],
)
def test_the_rate_of_each_update_is_in_the_history(options: dict[str, Any]) -> None:
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


def test_the_rates_are_those_that_moved_the_weights() -> None:
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


class Setter(keras.callbacks.Callback):
    """Sets the rate of each batch, when it begins or at the end of the one before."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.when == "begin":
            self.model.optimizer.learning_rate = 0.1 / (batch + 1)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.when == "end":
            self.model.optimizer.learning_rate = 0.1 / (batch + 2)


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}], ids=["compiled", "eager"])
@pytest.mark.parametrize("when", ["begin", "end"])
@pytest.mark.parametrize("before", [True, False], ids=["before it", "after it"])
def test_a_rate_that_another_callback_sets_is_logged_with_the_update_that_used_it(
    before: bool, when: str, options: dict[str, Any]
) -> None:
    model, logger, used = moving(keras.optimizers.SGD(0.1), **options), LearningRateLogger(0.1), []
    callbacks = [Setter(when), logger] if before else [logger, Setter(when)]
    train(model, *callbacks, used=used)
    np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-5)
    np.testing.assert_allclose(used, logger.rates, rtol=1e-3)
    (finding,) = logger.findings
    assert (finding.name, finding.step) == ("other rate", 1)
    assert finding.what.startswith("3 of 4 updates used another rate")


@pytest.mark.parametrize(
    "make, options, rates",
    [
        (
            lambda: keras.optimizers.SGD(0.1),
            {"steps_per_execution": 2},
            [0.1, 0.1, 0.1 / 3, 0.1 / 3],
        ),
        (
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
            {},
            [0.1, 0.05, 0.1 / 3, 0.025],
        ),
        (lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), {}, [0.05, 0.025]),
    ],
    ids=["several steps an execution", "loss scale", "accumulation"],
)
def test_it_is_so_whatever_stands_between_a_batch_and_its_update(
    make: Any, options: dict[str, Any], rates: list[float]
) -> None:
    logger = LearningRateLogger()
    model = compiled(make(), **options)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    later = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: setattr(inner, "learning_rate", 0.1 / (batch + 1))
    )
    fit(model, logger, later)
    np.testing.assert_allclose(logger.rates, rates, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"jit_compile": True}])
def test_a_rate_that_the_training_step_sets_is_the_one_it_used(options: dict[str, Any]) -> None:
    class Own(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            step = ops.cast(self.optimizer.iterations, "float32")
            self.optimizer.learning_rate.assign(0.1 / (step + 1))
            return super().train_step(data)

    model, logger, used = (
        moving(keras.optimizers.SGD(0.1), Own, **options),
        LearningRateLogger(),
        [],
    )
    train(model, logger, used=used)
    np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-5)
    np.testing.assert_allclose(used, logger.rates, rtol=1e-3)


@pytest.mark.parametrize("before", [True, False], ids=["before it", "after it"])
def test_keras_own_callbacks_change_the_rate_and_not_what_is_logged(before: bool) -> None:
    others = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1)),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9),
    ]
    logger = LearningRateLogger()
    model = compiled(keras.optimizers.SGD(0.1))
    history = fit(model, *([*others, logger] if before else [logger, *others]), epochs=3)
    np.testing.assert_allclose(logger.rates, np.repeat([0.1, 0.05, 0.1 / 3], 4), rtol=1e-5)
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-5)


@pytest.mark.parametrize("before", [True, False], ids=["before it", "after it"])
def test_a_csv_logger_finds_the_rate_wherever_it_stands(before: bool, tmp_path: Any) -> None:
    table = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    logger = LearningRateLogger()
    schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
    own = keras.callbacks.History()
    model = compiled(keras.optimizers.SGD(schedule))
    fit(model, *([own, table, logger] if before else [logger, own, table]), epochs=2)
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [round(float(row["learning_rate"]), 4) for row in rows] == [0.05, 0.01]
    np.testing.assert_allclose(own.history["learning_rate"], [0.05, 0.01], rtol=1e-5)


def test_two_loggers_log_the_same_and_leave_the_training_function_as_it_was() -> None:
    model, loggers = compiled(keras.optimizers.SGD(0.1)), [LearningRateLogger() for _ in range(2)]
    fit(model)
    function = model.train_function
    fit(model, Setter("begin"), *loggers)
    for logger in loggers:
        np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-5)
    assert model.train_function is function


@pytest.mark.parametrize("followed", [True, False])
def test_after_a_fit_that_broke_off_the_next_one_puts_the_training_function_back(
    followed: bool,
) -> None:
    def interrupt(batch: int, logs: Any) -> None:
        if batch == 2:
            raise KeyboardInterrupt

    model, logger = compiled(keras.optimizers.SGD(0.1)), LearningRateLogger()
    fit(model)
    function = model.train_function
    with pytest.raises(KeyboardInterrupt):
        fit(model, logger, keras.callbacks.LambdaCallback(on_train_batch_begin=interrupt))
    fit(model, *([Setter("begin"), logger] if followed else []))
    assert model.train_function is function
    if followed:
        np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-5)


def test_a_training_step_of_several_updates_has_a_rate_for_each() -> None:
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
    np.testing.assert_allclose(logger.rates, np.repeat([0.1, 0.05, 0.1 / 3, 0.025], 2), rtol=1e-5)
    assert logger.findings == ()


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}], ids=["compiled", "eager"])
def test_data_of_unknown_length_have_no_update_more_than_batches(options: dict[str, Any]) -> None:
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).filter(lambda x, y: True)
    model, logger = compiled(keras.optimizers.SGD(0.1), **options), LearningRateLogger()
    model.fit(batches, shuffle=False, epochs=2, verbose=0, callbacks=[logger, Setter("begin")])
    np.testing.assert_allclose(logger.rates, [0.1, 0.05, 0.1 / 3, 0.025] * 2, rtol=1e-5)
    assert logger.findings == ()


def test_one_rate_an_update_when_gradients_are_accumulated() -> None:
    schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
    optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=2)
    logger = LearningRateLogger()
    fit(compiled(optimizer), logger, epochs=2)
    assert logger.steps.tolist() == [1, 3, 5, 7]
    np.testing.assert_allclose(logger.rates, [0.07, 0.05, 0.03, 0.01], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.1, PolynomialDecay(0.08, 8, end_learning_rate=0.0)])
def test_batches_skipped_by_loss_scaling_make_no_update(rate: Any) -> None:
    inner = keras.optimizers.SGD(rate)
    model = compiled(keras.optimizers.LossScaleOptimizer(inner))
    bad = X.copy()
    bad[5] = np.nan  # in the second batch
    logger = LearningRateLogger()
    model.fit(bad, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[logger])
    assert logger.steps.tolist() == [0, 1, 2]
    assert [finding.name for finding in logger.findings] == ["skipped"]


# Keras 3.15 saves by a call of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_resumed_from_a_file_goes_on_in_the_schedule(tmp_path: Any) -> None:
    schedule = PolynomialDecay(0.08, 8, end_learning_rate=0.0)
    model = compiled(keras.optimizers.SGD(schedule))
    fit(model)
    model.save(tmp_path / "model.keras")
    logger = LearningRateLogger()
    fit(keras.models.load_model(tmp_path / "model.keras"), logger, epochs=2, initial_epoch=1)
    assert logger.steps.tolist() == [4, 5, 6, 7]
    assert logger.findings == ()


def test_epochs_that_go_on_with_a_new_optimizer_are_found() -> None:
    logger = LearningRateLogger()
    model = compiled(keras.optimizers.SGD(CosineDecay(0.1, 8)))
    fit(model, logger, epochs=3, initial_epoch=2)
    assert [finding.name for finding in logger.findings] == ["resumed"]


@pytest.mark.parametrize("followed", [True, False])
def test_a_schedule_replaced_after_the_first_fit_is_not_what_was_used(followed: bool) -> None:
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


def test_a_schedule_replaced_during_training_is_not_used_either() -> None:
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


def test_in_eager_training_a_replaced_schedule_is_used_from_the_next_batch_on() -> None:
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


def test_a_momentum_set_during_training_is_found() -> None:
    model = compiled(keras.optimizers.SGD(0.1, momentum=0.9))
    set_momentum = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: setattr(model.optimizer, "momentum", 0.8)
    )
    logger = LearningRateLogger()
    fit(model, set_momentum, logger)
    (finding,) = logger.findings
    assert finding.name == "momentum" and "set to 0.8" in finding.what


def test_training_is_the_same_with_and_without_it() -> None:
    weights = []
    for callbacks in ([], [LearningRateLogger()]):
        keras.utils.set_random_seed(1)
        model = compiled(keras.optimizers.Adam(CosineDecay(0.1, 8)))
        fit(model, *callbacks, epochs=2)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert (weights[0] == weights[1]).all()


@pytest.mark.parametrize("before", [True, False], ids=["before it", "after it"])
def test_in_eager_training_a_rate_replaced_by_a_schedule_is_followed(before: bool) -> None:
    model = compiled(keras.optimizers.SGD(0.1), run_eagerly=True)
    replace = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            setattr(model.optimizer, "learning_rate", schedules.constant(0.5))
            if batch == 2
            else None
        )
    )
    logger = LearningRateLogger()
    fit(model, *([replace, logger] if before else [logger, replace]))
    np.testing.assert_allclose(logger.rates, [0.1, 0.1, 0.5, 0.5], rtol=1e-5)


@pytest.mark.parametrize(
    "schedule, error",
    [
        ("cosine", TypeError),
        (True, TypeError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (-1.0, ValueError),
        (10**400, ValueError),
    ],
    ids=str,
)
def test_what_is_no_rate_is_refused_in_a_sentence(schedule: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="schedule must be a Keras schedule or a finite number from 0"):
        LearningRateLogger(schedule)


@pytest.mark.parametrize("number", [np.float32(0.1), np.float64(0.1), np.int64(1), 1])
def test_a_number_of_numpy_is_a_rate(number: Any) -> None:
    logger = LearningRateLogger(number)
    fit(compiled(keras.optimizers.SGD(float(number))), logger)
    assert logger.findings == ()


def test_optimizers_without_one_rate_are_refused_in_a_sentence() -> None:
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    )
    with pytest.raises(TypeError, match="one learning rate, received a MultiOptimizer"):
        fit(compiled(several), LearningRateLogger())
    with pytest.raises(TypeError, match="learning rate must be a number or a Keras schedule"):
        fit(compiled(keras.optimizers.SGD(lambda: 0.1)), LearningRateLogger())
