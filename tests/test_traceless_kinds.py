"""Which models the range test runs, and what of each kind it finds, puts back and digests."""

from __future__ import annotations

import collections
import functools
import random
import signal
import threading
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import sentence
from small_models import X, Y, differences, surroundings

from lrguide.model_state import state_digest
from lrguide.range_test import lr_range_test

SHORT = dict(min_rate=1e-4, max_rate=0.1, steps=2, seeds=[0, 1], batch_size=16, verbose=0)


class Stepping(keras.Model):
    """A linear model whose training step first does something to it."""

    def __init__(self, act: Callable[[Any], Any], **held: Any) -> None:
        super().__init__()
        self.dense, self.act = layers.Dense(1), act
        for name, value in held.items():
            setattr(self, name, value)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def train_step(self, data: Any) -> Any:
        self.act(self)
        return super().train_step(data)


def stepping(act: Callable[[Any], Any], eager: bool = True, built: bool = True, **held: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = Stepping(act, **held)
    if built:
        model(X)
    model.compile("adam", "mse", run_eagerly=eager)
    return model


# Containers of layers.


class Chain(keras.Model):
    """Layers in a container, called one after the other."""

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self.blocks = blocks

    def call(self, x: Any) -> Any:
        todo = [self.blocks]
        while todo:
            found = todo.pop(0)
            if isinstance(found, keras.Layer):
                x = found(x)
            else:
                todo[:0] = found.values() if isinstance(found, dict) else found
        return x


Pair = collections.namedtuple("Pair", "first second")
CONTAINERS: dict[str, Callable[[Any, Any], Any]] = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "set in a tuple": lambda a, b: ({a}, {b}),
    "dict": lambda a, b: {"a": a, "b": b},
    "ordered dict": lambda a, b: collections.OrderedDict(a=a, b=b),
    "defaultdict": lambda a, b: collections.defaultdict(list, a=a, b=b),
    "named tuple": Pair,
    "nested": lambda a, b: {"a": ([a],), "b": [{"c": (b,)}]},
    "a layer twice": lambda a, b: (a, a, b),
    "models in a tuple": lambda a, b: (
        keras.Sequential([keras.Input((6,)), a]),
        keras.Sequential([b]),
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_layers_may_lie_in_any_container_that_keras_knows(container):
    keras.utils.set_random_seed(5)
    model = Chain(CONTAINERS[container](layers.Dense(6), layers.Dense(1)))
    model.compile("adam", "mse", run_eagerly=True)
    digest = state_digest(model)
    assert np.isfinite(lr_range_test(model, X, Y, **SHORT).losses).all()
    assert state_digest(model) == digest
    model(X)
    digest, weights = state_digest(model), model.get_weights()
    lr_range_test(model, X, Y, **SHORT)
    assert state_digest(model) == digest
    assert all(map(np.array_equal, weights, model.get_weights()))


# What a step changes elsewhere. Each: how to hold it, what a step does to it, how to read it.


class Helper:
    """A plain object with a variable, a number and a list of its own."""

    def __init__(self) -> None:
        self.variable, self.number, self.seen, self.me = tf.Variable(1.0), 0, [], self

    def act(self) -> None:
        self.variable.assign_add(1.0)
        self.number += 1
        self.seen.append(self.number)

    def read(self) -> Any:
        return float(self.variable.numpy()), self.number, [*self.seen]


class Slotted:
    __slots__ = ("__hidden", "number")

    def __init__(self) -> None:
        self.number = self.__hidden = 0

    def act(self) -> None:
        self.number += 1
        self.__hidden += 1

    def read(self) -> Any:
        return self.number, self.__hidden


class Module(tf.Module):
    """TensorFlow wraps these containers."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.row, self.pair = {"a": tf.Variable(1.0)}, [tf.Variable(1.0)], (Helper(),)

    def act(self) -> None:
        self.table["a"].assign_add(1.0)
        self.row[0].assign_add(1.0)
        self.row.append(1)
        self.pair[0].act()

    def read(self) -> Any:
        values = float(self.table["a"].numpy()), float(self.row[0].numpy())
        return *values, len(self.row), self.pair[0].read()


class Weighted(keras.losses.Loss):
    def __init__(self) -> None:
        super().__init__()
        self.weights = {"a": (tf.Variable(1.0), keras.Variable(1.0))}

    def call(self, y: Any, prediction: Any) -> Any:
        for weight in self.weights["a"]:
            weight.assign(weight * 1.1)
        return tf.reduce_mean((y - prediction) ** 2) * self.weights["a"][0]

    def read(self) -> Any:
        return [float(weight.numpy()) for weight in self.weights["a"]]


class Counting(keras.metrics.Metric):
    def __init__(self) -> None:
        super().__init__()
        self.batches = [tf.Variable(0.0)]

    def update_state(self, y: Any, prediction: Any, sample_weight: Any = None) -> None:
        self.batches[0].assign_add(1.0)

    def reset_state(self) -> None:
        pass

    def result(self) -> Any:
        return self.batches[0] * 1.0


class Constraint(keras.constraints.Constraint):
    def __init__(self) -> None:
        self.calls = tf.Variable(0.0)

    def __call__(self, w: Any) -> Any:
        self.calls.assign_add(1.0)
        return w * (1 - 0.01 * self.calls)


class Regularizer(keras.regularizers.Regularizer):
    def __init__(self) -> None:
        self.calls = tf.Variable(0.0)

    def __call__(self, x: Any) -> Any:
        self.calls.assign_add(1.0)
        return 0.01 * self.calls * tf.reduce_sum(x**2)


class Remembering(keras.optimizers.SGD):
    def __init__(self) -> None:
        super().__init__(0.01)
        self.calls = {"a": (tf.Variable(0.0),)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.calls["a"][0].assign_add(1.0)
        super().update_step(gradient, variable, learning_rate)


def dense(optimizer: Any = "adam", loss: Any = "mse", metrics: Any = None, **options: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, **options)])
    model.compile(optimizer, loss, metrics=metrics, run_eagerly=True)
    return model


def held(value: Any, act: Callable[[Any], Any], read: Callable[[Any], Any], **options: Any) -> Any:
    """A model that holds a value, acts on it in each step; and what to read of it."""
    model = stepping(lambda model: act(model.held), **options, held=value)
    return model, lambda: read(model.held)


def part(model: Any, get: Callable[[Any], Any]) -> Any:
    return model, lambda: float(get(model).numpy())


def apply_second(model: Any) -> None:
    variables = model.dense.trainable_variables
    model.held["a"].apply([v * 0.1 for v in variables], variables)


def helped(helper: Any, **options: Any) -> Any:
    return held(helper, lambda helper: helper.act(), lambda helper: helper.read(), **options)


def with_loss(loss: Any, weighted: Weighted) -> Any:
    return dense(loss=loss), weighted.read


def by_method() -> Any:
    weighted = Weighted()
    return with_loss(weighted.call, weighted)


def by_partial() -> Any:
    weighted = Weighted()
    return with_loss(functools.partial(lambda loss, *y: loss.call(*y), weighted), weighted)


def by_loss() -> Any:
    weighted = Weighted()
    return with_loss([weighted], weighted)


def by_metric() -> Any:
    metric = Counting()
    return dense(metrics=[[metric, "mae"]]), lambda: float(metric.batches[0].numpy())


def second_optimizer() -> Any:
    model = stepping(apply_second, held={"a": keras.optimizers.SGD(0.01, momentum=0.9)})
    return model, lambda: (len(model.held["a"].variables), int(model.held["a"].iterations))


def in_each_other() -> Any:
    one, other = Helper(), Helper()
    one.other, other.other = other, one
    return held(one, lambda one: one.other.act(), lambda one: one.other.read())


HOLDERS: dict[str, Callable[[], Any]] = {
    "list": lambda: held([1], lambda seen: seen.append(1), list),
    "dict": lambda: held({}, lambda seen: seen.update({len(seen): 1}), dict),
    "ordered dict": lambda: held(
        collections.OrderedDict(a=1, b=2), lambda seen: seen.move_to_end("a"), list
    ),
    "counter": lambda: held(
        collections.Counter("a"), lambda seen: seen.update({"a": seen["a"] + 1}), dict
    ),
    "defaultdict in a list": lambda: held(
        [collections.defaultdict(list)], lambda seen: seen[0].setdefault("a", []).append(1), repr
    ),
    "set": lambda: held({0}, lambda seen: seen.add(len(seen)), set),
    "deque": lambda: held(
        collections.deque([1, 2], 2), lambda seen: seen.append(len(seen) + seen[-1]), list
    ),
    "array": lambda: held(np.zeros(3), lambda array: array.__iadd__(1), np.copy),
    "NumPy's generator": lambda: held(
        np.random.default_rng(1), lambda g: g.normal(), lambda g: g.bit_generator.state["state"]
    ),
    "NumPy's old generator": lambda: held(
        np.random.RandomState(1), lambda g: g.normal(), lambda g: g.get_state()[1:]
    ),
    "Python's generator": lambda: held(
        random.Random(1), lambda g: g.random(), lambda g: g.getstate()
    ),
    "TensorFlow's generator, in a tuple": lambda: held(
        (tf.random.Generator.from_seed(1),), lambda g: g[0].normal(()), lambda g: g[0].state.numpy()
    ),
    "namespace": lambda: held(
        types.SimpleNamespace(n=0), lambda space: setattr(space, "n", space.n + 1), lambda s: s.n
    ),
    "helper": lambda: helped(Helper()),
    "helper of a model not built": lambda: helped(Helper(), built=False),
    "helper of a compiled step": lambda: part(
        stepping(lambda model: model.held.variable.assign_add(1.0), eager=False, held=Helper()),
        lambda model: model.held.variable,
    ),
    "helper with slots": lambda: helped(Slotted()),
    "helpers that hold each other": in_each_other,
    "module": lambda: helped(Module()),
    "moving average": lambda: held(
        (tf.train.ExponentialMovingAverage(0.9), tf.Variable(1.0)),
        lambda pair: (pair[1].assign_add(1.0), pair[0].apply([pair[1]])),
        lambda pair: (float(pair[1].numpy()), pair[0].average(pair[1])),
    ),
    "optimizer in a dict": second_optimizer,
    "loss": by_loss,
    "method of a loss": by_method,
    "partial function of a loss": by_partial,
    "metric": by_metric,
    "constraint": lambda: part(
        dense(kernel_constraint=Constraint()), lambda m: m.layers[0].kernel_constraint.calls
    ),
    "regularizer": lambda: part(
        dense(kernel_regularizer=Regularizer()), lambda m: m.layers[0].kernel_regularizer.calls
    ),
    "optimizer's own": lambda: part(
        dense(Remembering()), lambda model: model.optimizer.calls["a"][0]
    ),
    "scaled optimizer's own": lambda: part(
        dense(keras.optimizers.LossScaleOptimizer(Remembering())),
        lambda model: model.optimizer.inner_optimizer.calls["a"][0],
    ),
    "TensorFlow's global generator": lambda: (
        stepping(lambda model: tf.random.get_global_generator().normal(())),
        lambda: tf.random.get_global_generator().state.numpy(),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Only the rate of model.optimizer:UserWarning")
@pytest.mark.parametrize("holder", HOLDERS)
def test_what_a_step_changes_is_put_back_and_digested(holder):
    model, read = HOLDERS[holder]()
    before, digest = read(), state_digest(model)
    first = lr_range_test(model, X, Y, **SHORT)
    np.testing.assert_equal(read(), before)
    assert state_digest(model) == digest
    assert np.array_equal(first.losses, lr_range_test(model, X, Y, **SHORT).losses)
    model.train_on_batch(X, Y)
    with pytest.raises(AssertionError):
        np.testing.assert_equal(read(), before)
    for variable, value in zip(model.variables, model.get_weights(), strict=False):
        variable.assign(value)
    assert state_digest(model) != digest


def test_each_sweep_of_an_eager_model_begins_with_the_same_python_state():
    begun = []

    def act(model: Any) -> None:
        begun.append(model.calls)
        model.calls += 1

    lr_range_test(stepping(act, calls=0), X, Y, **SHORT)
    assert begun == [0, 1, 0, 1]


@pytest.mark.parametrize("value", [threading.Lock(), iter([1]), tf.data.Dataset.range(3)])
def test_what_has_a_life_of_its_own_is_left_alone(value):
    model = stepping(lambda model: None, held=value, log=types.SimpleNamespace(n=1))
    digest = state_digest(model)
    lr_range_test(model, X, Y, **SHORT)
    assert model.held is value and state_digest(model) == digest
    model.held = None
    assert state_digest(model) != digest


class Compiled(keras.Model):
    """Its step is a `tf.function` of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)

    @tf.function
    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.dense(x) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


def test_a_step_that_compiles_itself_goes_on_with_the_models_own_variables():
    model = Compiled()
    model.compile("adam")
    digest = state_digest(model)
    lr_range_test(model, X, Y, **SHORT)
    assert state_digest(model) == digest and model.weights == []
    model.fit(X, Y, verbose=0)
    assert model.optimizer.built and len(model.optimizer.variables) == 6


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
