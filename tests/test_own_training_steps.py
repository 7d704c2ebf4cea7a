"""Models whose training step goes its own way: what the range test needs of it, and refuses."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import sentence
from small_models import SHORT, X, Y, dense, differences, second_optimizer, stepping, surroundings

from lrguide.model_state import state_digest
from lrguide.range_test import lr_range_test

# Models without `call`.


class Silent(keras.Model):
    """A training step of its own, over layers that nothing else calls."""

    def __init__(self, names: tuple[str, ...] = ("loss",)) -> None:
        super().__init__()
        self.encoder = layers.Dense(3)
        self.parts = {"decoder": keras.Sequential([layers.Dropout(0.2), layers.Dense(6)])}
        self.names = names

    def loss_of(self, x: Any) -> Any:
        return tf.reduce_mean((self.parts["decoder"](self.encoder(x), training=True) - x) ** 2)

    def train_step(self, x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.loss_of(x)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return dict.fromkeys(self.names, loss)


class Scored(Silent):
    def test_step(self, data: Any) -> Any:
        (x,) = data
        return dict.fromkeys(self.names[-1:], self.loss_of(x))


def silent(kind: type = Silent, eager: bool = False, **options: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = kind(**options)
    model.compile("adam", run_eagerly=eager)
    return model


@pytest.mark.parametrize("eager", [True, False])
def test_a_model_without_call_trains_as_in_fit(eager):
    model = silent(eager=eager)
    digest = state_digest(model)
    first = lr_range_test(model, X, **SHORT)
    assert state_digest(model) == digest and not model.encoder.built
    assert first.losses[0, 0] != first.losses[1, 0]
    model.fit(X, verbose=0)
    twin = silent(eager=eager)
    twin.fit(X, verbose=0)
    assert all(map(np.array_equal, model.get_weights(), twin.get_weights()))


def test_its_own_test_step_gives_the_validation_loss():
    result = lr_range_test(silent(Scored, eager=True), X, **SHORT, validation_data=Batches())
    assert np.isfinite(result.losses).all()


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return (X,)


class Idle(keras.Model):
    """Neither `call` nor a step."""


class Apart(keras.Model):
    """An adversary's usual form: the optimizers are its own, the compiled one is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.mine = layers.Dense(1), keras.optimizers.Adam(name="mine")

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.dense(x) - y) ** 2)
        self.mine.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def setting(change: Callable[[Any], Any], optimizer: Any = "adam") -> Any:
    model = stepping(lambda model: change(model.optimizer))
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def assign(optimizer: Any) -> None:
    optimizer.learning_rate = 0.5


def exchange(optimizer: Any) -> None:
    optimizer.learning_rate = lambda: 0.5


SET = "the sweep, received 0.5: train_step or a layer sets the optimizer's rate itself"
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "assigned": (lambda: setting(assign), SET),
    "assigned, in a loss scale": (
        lambda: setting(assign, keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())),
        SET,
    ),
    "exchanged": (lambda: setting(exchange), SET),
    "exchanged function": (
        lambda: setting(exchange, keras.optimizers.SGD(lambda: 0.1)),
        SET,
    ),
    "not used": (
        lambda: silent(Apart),
        "train_step must take its steps with model.optimizer, whose rate is swept, received steps "
        "of mine: compile the model with it",
    ),
    "no step": (lambda: silent(Idle), "a model needs a call() or a train_step() of its own"),
    "no loss": (
        lambda: silent(eager=True, names=("d_loss", "g_loss")),
        "train_step must return a dict with 'loss', received ['d_loss', 'g_loss']",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_curve_over_rates_that_are_not_used_is_refused_and_the_model_put_back(case):
    make, message = REFUSED[case]
    keras.utils.set_random_seed(5)
    model = make()
    y = None if isinstance(model, Silent) else Y
    before, digest = surroundings(model), state_digest(model)
    assert message in sentence(ValueError, lambda: lr_range_test(model, X, y, **SHORT))
    assert differences(before, surroundings(model)) == [] and state_digest(model) == digest


def test_several_rates_are_refused_in_a_loss_scale_too():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.MultiOptimizer({}))
    message = "model must have one learning rate, received a MultiOptimizer"
    assert sentence(ValueError, lambda: state_digest(dense(optimizer))) == message


def test_of_two_optimizers_it_says_which_is_swept():
    model, _ = second_optimizer()
    with pytest.warns(
        UserWarning, match=r"rate of model\.optimizer, adam\w*, is swept; sgd\w* trains"
    ):
        lr_range_test(model, X, Y, **SHORT)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: silent(eager=True), "validation_data need a call() or a test_step() of its own"),
        (
            lambda: silent(Scored, eager=True, names=("loss", "error")),
            "test_step must return a dict with 'loss', received ['error']",
        ),
    ],
)
def test_validation_data_need_a_step_that_gives_a_loss(model, message):
    call = functools.partial(lr_range_test, model(), X, **SHORT, validation_data=Batches())
    assert message in sentence(ValueError, call)


# A second Ctrl-C.


@pytest.mark.parametrize("thread", [False, True])
def test_a_second_interrupt_waits_until_all_is_put_back(thread):
    stopping, came = [], []

    def first(model: Any) -> None:
        stopping.append(model)
        raise LookupError if thread else KeyboardInterrupt

    model = stepping(first)
    kernel = model.dense.kernel.value
    before, digest = surroundings(model), state_digest(model)

    def assign(value: Any, **options: Any) -> Any:
        if stopping and not thread:
            came.append(signal.raise_signal(signal.SIGINT))
        return type(kernel).assign(kernel, value, **options)

    kernel.assign = assign
    model.optimizer.learning_rate = rate = 0.25
    before, digest = surroundings(model), state_digest(model)
    if thread:  # no signals there, and no handlers
        other = threading.Thread(
            target=lambda: sentence(LookupError, lambda: lr_range_test(model, X, Y, **SHORT))
        )
        other.start()
        other.join()
    else:
        with pytest.raises(KeyboardInterrupt):
            lr_range_test(model, X, Y, **SHORT)
    assert bool(came) is not thread and stopping
    assert differences(before, surroundings(model)) == [] and state_digest(model) == digest
    assert float(model.optimizer.learning_rate) == rate
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_only_notes_an_interrupt_lets_the_sweep_go_on():
    noted = []
    old = signal.signal(signal.SIGINT, lambda *_: noted.append(1))
    try:
        model = stepping(lambda model: signal.raise_signal(signal.SIGINT))
        assert np.isfinite(lr_range_test(model, X, Y, **SHORT).losses).all()
    finally:
        signal.signal(signal.SIGINT, old)
    assert len(noted) == 4
