"""Train a compiled Keras model along given rates, and leave no trace on it.

What `lrguide.range_test` stands on. `train_along` trains through the model's own `fit`, one batch
at a time, each time from the same state, and then puts back all that this has changed: variables,
attributes, compiled functions, the global random states. `state_digest` shows that nothing is left.
Both take what there is from one walk, `_contents`, so that nothing can be put back and not looked
at, or looked at and not put back. Needs Keras on TensorFlow.
"""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import math
import operator
import random
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

try:
    from lrguide import internals
except ModuleNotFoundError:  # copied into your project, with internals.py beside it
    import internals  # type: ignore[import-not-found,no-redef]

__all__ = ["state_digest"]

Floats = npt.NDArray[np.float64]

Run = tuple[list[float], str]
"""The loss of each step, and why there are fewer than asked for (or "")."""


def state_digest(model: Any) -> str:
    """SHA-256 over all that training changes in a model: equal digests, equal state.

    Covers what can be reached from the model through attributes, lists, tuples, dicts, sets and
    deques: its layers, metrics, losses, optimizers, initializers, constraints and regularizers, and
    helper objects of your own classes; in them every variable, random generator, NumPy array and
    plain Python value, and which functions have been compiled. Covers the random states of Python,
    NumPy, TensorFlow and Keras, too.

    Does not cover what is reached only through a function (a global or enclosed name), a class or
    a module; the insides of other libraries' objects in the standard library, NumPy and TensorFlow
    (datasets, lookup tables, iterators), of which it sees only whether they are the same objects;
    helper objects that hold a lock, a thread or an open file; arrays of more than 16 MiB.

    Args:
        model: A compiled Keras model.

    Returns:
        64 hexadecimal digits; comparable within one process.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: It is not compiled with an optimizer.
        NotImplementedError: Keras runs on another backend than TensorFlow.

    Example:
        >>> import keras
        >>> from lrguide.traceless import state_digest
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> before = state_digest(model)
        >>> model.optimizer.learning_rate = 0.1
        >>> state_digest(model) == before
        False
    """
    _check_backend()
    _check_model("model", model)
    digest, numbers = hashlib.sha256(), dict[int, int]()
    roots = [model, *(state.copy() for state in _GLOBAL_STATES)]
    for thing, _, content in _contents(roots, numbers):
        digest.update(f"{type(thing).__name__} {_described(content, numbers)}\n".encode())
    return digest.hexdigest()


def train_along(
    model: Any,
    build: Callable[[], Any] | None,
    data: dict[str, Any],
    plans: Sequence[Floats],
    seeds: Sequence[int],
    validation_data: Any,
    *,
    every_step: bool,
    stop_factor: float | None,
    verbose: Any,
) -> list[list[Run]]:
    """Check what a test and its confirmation take, train along every plan of rates with each seed.

    Args:
        model: A compiled model; None when `build` is given.
        build: Makes a new compiled model for each seed.
        data: What `fit` takes: x, y, batch_size, sample_weight, class_weight, shuffle.
        plans: Each a rate for each update.
        seeds: Each sets the order of the data and the noise.
        validation_data: Where the losses are measured, instead of on the training batches.
        every_step: Whether they are measured there after each step, or after the last one only.
        stop_factor: As in `lr_range_test`.
        verbose: 0 hides the progress bar.

    Returns:
        The runs by plan and seed.
    """
    _check_backend()
    if verbose not in (0, 1):
        raise ValueError(f"verbose must be 0 or 1, received {verbose!r}")
    if build is None:
        _check_model("model", model)
    elif model is not None:
        raise ValueError(f"model must be None when build makes the models, received {model!r}")
    elif not callable(build):
        raise TypeError(f"build must be a function that returns a model, received {build!r}")
    _check_data(data, validation_data)
    if build is None:
        _check_targets(model, data)
        _check_steps(model, validation_data)
    data = {**data, "shuffle": data["shuffle"] and _can_shuffle(data["x"])}
    steps = sum(map(len, plans)) * len(seeds)
    bar = keras.utils.Progbar(steps, verbose=int(verbose), unit_name="step")
    runs: list[list[Run]] = [[] for _ in plans]
    seed_all, put_back_randomness = _own_randomness()
    interrupt = _Interrupt()
    try:
        for group in [seeds] if build is None else [[seed] for seed in seeds]:
            if build is not None:
                seed_all(group[0])
                model = build()
                _check_model("what build returns", model)
                _check_targets(model, data)
                _check_steps(model, validation_data)
            state = _State(model)
            try:
                trainer = None
                for seed in group:
                    for plan, row in zip(plans, runs, strict=True):
                        if trainer is not None and state.eager:
                            state.put_back()
                        if trainer is None or state.eager:
                            trainer = _Trainer(
                                state, data, validation_data, every_step, stop_factor, bar
                            )
                        seed_all(seed)
                        row.append(trainer.train(plan, seed))
            finally:
                interrupt.wait = True
                state.put_back()
            interrupt.go_on()
    finally:
        interrupt.wait = True
        put_back_randomness()
        interrupt.end()
    return runs


def checked_number(name: str, value: Any, above: float = 0) -> float:
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, received {value!r}")
    if not (math.isfinite(value) and value > above):
        raise ValueError(f"{name} must be a finite number above {above}, received {value}")
    return float(value)


def checked_count(name: str, value: Any, least: int = 1) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, received {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, received {value}")
    return int(value)


def checked_seeds(seeds: Any, x: Any) -> tuple[int, ...]:
    once = isinstance(x, types.GeneratorType)
    if seeds is None:
        return (0,) if once else (0, 1, 2)
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        raise TypeError(f"seeds must be a sequence of integers, received {seeds!r}")
    checked = tuple(checked_count("every seed", seed, 0) for seed in seeds)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"seeds must be at least one and all different, received {seeds}")
    if max(checked) >= 2**32:
        raise ValueError(f"every seed must be below 2**32, received {max(checked)}")
    if once and len(checked) > 1:
        raise ValueError(f"seeds must be one, as x is a generator, received {seeds}")
    return checked


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"the range test needs Keras on TensorFlow, received {keras.backend.backend()!r}"
        )


def _check_model(name: str, model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"{name} must be a Keras model, received {model!r}")
    if not model.compiled or model.optimizer is None:
        raise ValueError(f"{name} must be compiled with an optimizer, received it without")
    if isinstance(_rate_holder(model.optimizer), keras.optimizers.MultiOptimizer):
        raise ValueError(f"{name} must have one learning rate, received a MultiOptimizer")


def _check_data(data: Mapping[str, Any], validation_data: Any) -> None:
    if data["x"] is None:
        raise ValueError("x must hold training data, received None")
    for name, part in (("x", data["x"]), ("validation_data", validation_data)):
        if any(getattr(leaf, "shape", None) and leaf.shape[0] == 0 for leaf in _leaves(part)):
            raise ValueError(f"{name} must hold at least one sample, received none")
    if isinstance(validation_data, types.GeneratorType):
        raise ValueError("validation_data must be readable more than once, received a generator")
    pair = isinstance(validation_data, tuple) and len(validation_data) in (2, 3)
    if isinstance(validation_data, tuple | list | np.ndarray) and not pair:
        raise ValueError(
            "validation_data must be (x, y), (x, y, sample_weight) or a dataset, received "
            f"{type(validation_data).__name__} of length {len(validation_data)}"
        )
    if data["batch_size"] is not None:
        checked_count("batch_size", data["batch_size"])
    if not isinstance(data["class_weight"], Mapping | None):
        raise TypeError(f"class_weight must be a dict, received {data['class_weight']!r}")
    if not isinstance(data["shuffle"], bool):
        raise TypeError(f"shuffle must be True or False, received {data['shuffle']!r}")


def _check_targets(model: Any, data: Mapping[str, Any]) -> None:
    arrays = all(hasattr(leaf, "shape") for leaf in _leaves(data["x"]))
    needed = model.loss is not None and type(model).train_step is keras.Model.train_step
    if arrays and needed and data["y"] is None:
        raise ValueError("y must hold the targets where x is an array or several, received None")


def _check_steps(model: Any, validation_data: Any) -> None:
    """A model without `call` trains by its own `train_step`; Keras' own steps need a `call`."""
    kind = type(model)
    needing = ["train_step"] if validation_data is None else ["train_step", "test_step"]
    for name in needing if kind.call is keras.Model.call else []:
        if getattr(kind, name) is getattr(keras.Model, name):
            what = "validation_data need" if name == "test_step" else "a model needs"
            raise ValueError(f"{what} a call() or a {name}() of its own, received neither")


def _can_shuffle(x: Any) -> bool:
    """Whether `fit` can: it warns where it is told to but cannot."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is not None
    return all(hasattr(leaf, "shape") for leaf in _leaves(x))


def _leaves(data: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]


class _Interrupt:
    """Ctrl-C ends the training once; another one waits until all is put back.

    It watches from before anything changes: to a handler that came only with the putting back, a
    second one could be a moment too early. `wait` is an attribute for the same reason: Python looks
    for signals when it calls a function, but not when it assigns. In a thread other than the main
    one nothing needs watching, because none is delivered there.
    """

    def __init__(self) -> None:
        self.wait = self.came = False
        self.handler = signal.getsignal(signal.SIGINT)
        self.watches = threading.current_thread() is threading.main_thread()
        self.watches = self.watches and callable(self.handler)
        if self.watches:
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        if self.wait:
            self.came = True
            return
        self.wait = True
        self.handler(number, frame)  # type: ignore[operator, misc]
        self.wait = False  # it raises nothing, so the training goes on

    def go_on(self) -> None:
        """Deliver what came meanwhile, which may end the training."""
        self.wait = False
        if self.came:
            self.came = False
            signal.raise_signal(signal.SIGINT)

    def end(self) -> None:
        """Leave the signal to the handler that was there, with what came meanwhile."""
        if self.watches:
            signal.signal(signal.SIGINT, self.handler)
        if self.came:
            signal.raise_signal(signal.SIGINT)


def _own_randomness() -> tuple[Callable[[int], None], Callable[[], None]]:
    """Two functions: one seeds all global random states, the other puts them back."""
    import tensorflow as tf

    kept = [state.copy() for state in _GLOBAL_STATES]
    generator = keras.random.SeedGenerator(0, name="range_test_seeds")

    def seed_all(seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        # Not the seed itself: eager random operations of the same seed share their position.
        internals.seed_tensorflow(int(np.random.default_rng(seed).integers(2**31)), seed)
        tf.random.get_global_generator().reset_from_seed(seed)
        generator.state.assign([seed % 2**31, 0])
        internals.set_keras_generator(generator)

    def put_back() -> None:
        for state, value in zip(_GLOBAL_STATES, kept, strict=True):
            state.put_back(value)

    return seed_all, put_back


@dataclass(frozen=True)
class _GlobalState:
    """A random state of the whole process: how it is read and put back."""

    copy: Callable[[], Any]
    put_back: Callable[[Any], None]


def _keras_generator() -> Any:
    generator = internals.keras_generator()
    return generator, None if generator is None else generator.state.value.numpy()


def _put_back_keras_generator(kept: tuple[Any, Any]) -> None:
    generator, value = kept
    internals.set_keras_generator(generator)
    if generator is not None:
        generator.state.assign(value)


def _tensorflow_generator() -> Any:
    import tensorflow as tf

    generator = tf.random.get_global_generator()
    return generator, generator.state.numpy()


def _put_back_tensorflow_generator(kept: tuple[Any, Any]) -> None:
    import tensorflow as tf

    generator, value = kept
    tf.random.set_global_generator(generator)
    generator.state.assign(value)


# Read by the digest and put back after a test.
_GLOBAL_STATES = (
    _GlobalState(random.getstate, random.setstate),
    _GlobalState(np.random.get_state, np.random.set_state),
    _GlobalState(internals.tensorflow_seed, internals.set_tensorflow_seed),
    _GlobalState(_tensorflow_generator, _put_back_tensorflow_generator),
    _GlobalState(_keras_generator, _put_back_keras_generator),
)


def _rate_holder(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)


# The walk from which both the digest and the putting back take what there is.


@dataclass(frozen=True)
class _Kind:
    """Things of some classes: how what they hold is copied, shallowly, and put back.

    Only in `values` a sweep may go on after another: what else a thing holds changes when functions
    are compiled, too.
    """

    classes: tuple[type, ...]
    copy: Callable[[Any], Any]
    put_back: Callable[[Any, Any], None] = lambda thing, content: None
    values: bool = False


_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(...), range, slice)
_LARGEST_ARRAY = 2**24
# Objects of these packages have a life of their own, or lead to the whole process.
_CLOSED = {*sys.stdlib_module_names, "tensorflow", "numpy"}
_ALIVE = {"_thread", "threading", "_io", "_socket", "socket", "_queue", "queue", "subprocess"}


@functools.cache
def _kinds() -> tuple[_Kind, ...]:
    """What the walk looks into; the first that fits a thing's class counts."""
    import tensorflow as tf

    objects = (
        keras.Layer,
        keras.Optimizer,
        keras.Metric,
        keras.Loss,
        keras.Variable,
        tf.Module,
        tf.train.ExponentialMovingAverage,
        internals.data_structures(),
        types.SimpleNamespace,
        argparse.Namespace,
        collections.UserDict,
        collections.UserList,
    )
    return (
        _Kind((tf.Variable,), lambda v: [part.numpy() for part in _replicas(v)], _assign, True),
        _Kind((np.ndarray,), np.copy, lambda array, content: np.copyto(array, content), True),
        _Kind((np.random.Generator,), lambda g: g.bit_generator.state, _set_bit_generator, True),
        _Kind((np.random.RandomState,), lambda g: g.get_state(), lambda g, s: g.set_state(s), True),
        _Kind((random.Random,), lambda g: g.getstate(), lambda g, s: g.setstate(s), True),
        _Kind((tf.random.Generator,), lambda generator: [generator.state]),
        _Kind((tf.types.experimental.PolymorphicFunction,), internals.traces, internals.set_traces),
        _Kind(objects, _attributes, _set_attributes),
        # The methods of the plain classes: Keras' own lists, dicts and sets note what comes and
        # goes, and that note is a thing itself.
        _Kind((list,), list, lambda thing, items: list.__setitem__(thing, slice(None), items)),
        _Kind((tuple,), list),
        _Kind((dict,), dict, _set_items),
        _Kind((set,), _by_id, _set_members),
        _Kind((frozenset,), _by_id),
        _Kind((collections.deque,), list, _set_deque),
        _Kind((types.MethodType,), lambda method: [method.__self__, method.__func__]),
        _Kind((functools.partial,), lambda part: [part.func, part.args, part.keywords]),
        _Kind((object,), _attributes, _set_attributes),
    )


def _replicas(variable: Any) -> tuple[Any, ...]:
    import tensorflow as tf

    if not isinstance(variable, tf.distribute.DistributedValues):
        return (variable,)
    found: tuple[Any, ...] = variable.distribute_strategy.experimental_local_results(variable)
    return found


def _assign(variable: Any, values: Sequence[Any]) -> None:
    for part, value in zip(_replicas(variable), values, strict=True):
        part.assign(value)


def _set_bit_generator(generator: Any, state: Any) -> None:
    generator.bit_generator.state = state


def _set_items(thing: dict[Any, Any], items: dict[Any, Any]) -> None:
    base = collections.OrderedDict if isinstance(thing, collections.OrderedDict) else dict
    base.clear(thing)
    for key, value in items.items():
        base.__setitem__(thing, key, value)


def _set_members(thing: set[Any], items: list[Any]) -> None:
    set.clear(thing)
    set.update(thing, items)


def _set_deque(thing: collections.deque[Any], items: list[Any]) -> None:
    thing.clear()
    thing.extend(items)


def _by_id(things: Any) -> list[Any]:
    return sorted(things, key=id)


def _attributes(thing: Any) -> dict[Any, Any]:
    slots = {name: getattr(thing, name) for name in _slots(type(thing)) if hasattr(thing, name)}
    return {**getattr(thing, "__dict__", {}), **slots, **internals.compiled_methods(thing)}


def _set_attributes(thing: Any, content: dict[Any, Any]) -> None:
    internals.set_compiled_methods(thing, content)
    kept = {name: value for name, value in content.items() if isinstance(name, str)}
    for name in _slots(type(thing)):
        if name in kept:
            object.__setattr__(thing, name, kept.pop(name))
        elif hasattr(thing, name):
            object.__delattr__(thing, name)
    if hasattr(thing, "__dict__"):
        vars(thing).clear()
        vars(thing).update(kept)


def _slots(owner: type) -> list[str]:
    found = []
    for base in owner.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            hidden = name.startswith("__") and not name.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{name}" if hidden else name)
    return [name for name in found if name not in ("__dict__", "__weakref__")]


def _kind(thing: Any) -> _Kind | None:
    """Which kind a thing is; None where it cannot change or is not looked into."""
    owner = type(thing)
    kind = next(kind for kind in _kinds() if issubclass(owner, kind.classes))
    if kind is _kinds()[-1]:
        held = getattr(thing, "__dict__", {}).values()
        alive = any(type(value).__module__.partition(".")[0] in _ALIVE for value in held)
        closed = owner.__module__.partition(".")[0] in _CLOSED or isinstance(thing, type)
        return None if alive or closed or issubclass(owner, keras.KerasTensor) else kind
    if isinstance(thing, np.ndarray):
        return kind if thing.flags.writeable and thing.nbytes <= _LARGEST_ARRAY else None
    return kind


def _contents(
    roots: Sequence[Any], numbers: dict[int, int] | None = None
) -> Iterator[tuple[Any, _Kind, Any]]:
    """Each thing that can be reached, once: itself, its kind, a copy of what it holds.

    Args:
        roots: Where the walk begins.
        numbers: Is filled: by `id`, the place of each thing that has been met.
    """
    numbers = {} if numbers is None else numbers
    met: list[Any] = []  # which also keeps them alive, and so their ids their own

    def meet(things: Iterable[Any]) -> None:
        for thing in map(_unwrapped, things):
            new = type(thing) not in _PLAIN and id(thing) not in numbers
            if new and _kind(thing) is not None:
                numbers[id(thing)] = len(met)
                met.append(thing)

    meet(roots)
    for thing in met:
        kind = _kind(thing)
        assert kind is not None
        content = kind.copy(thing)
        if not kind.values:
            meet(_parts(content))
        yield thing, kind, content


def _parts(content: Any) -> list[Any]:
    return [*content, *content.values()] if isinstance(content, dict) else list(content)


def _unwrapped(thing: Any) -> Any:
    """What TensorFlow has put one of its dicts or tuples around."""
    if issubclass(type(thing), internals.data_structures()):
        return getattr(thing, "__wrapped__", thing)
    return thing


def _described(content: Any, numbers: Mapping[int, int]) -> str:
    """What a thing holds, in words that are equal if and only if it is."""
    content = _unwrapped(content)
    if id(content) in numbers:
        return f"#{numbers[id(content)]}"
    if isinstance(content, np.ndarray | np.generic):
        data = repr(content.tolist()).encode() if content.dtype.hasobject else content.tobytes()
        return f"{content.dtype} {content.shape} {hashlib.sha256(data).hexdigest()}"
    if isinstance(content, dict):
        items = (f"{_described(k, numbers)}: {_described(v, numbers)}" for k, v in content.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(content, list | tuple):
        return f"[{', '.join(_described(item, numbers) for item in content)}]"
    return f"{type(content)} {content!r}" if type(content) in _PLAIN else f"at {id(content)}"


def _same(a: Any, b: Any) -> bool:
    parts = _parts(a), _parts(b)
    return len(parts[0]) == len(parts[1]) and all(map(operator.is_, *parts))


class _State:
    """What training may change in a model, copied once and put back at will."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.model = model
        self.contents = list(_contents([model]))
        self.created: list[tuple[Any, Any]] = []
        self.checked = False  # which optimizers train
        # Its steps run as Python: they may change anything each time, and nothing is compiled.
        self.eager = model.run_eagerly or tf.config.functions_run_eagerly()

    def put_back(self) -> None:
        """All of it: what was not built is unbuilt again."""
        self.created.clear()
        for thing, kind, content in self.contents:
            if kind.values or not _same(kind.copy(thing), content):
                kind.put_back(thing, content)

    def put_back_values(self) -> None:
        """What can be put back under a compiled function, and what this has created."""
        for thing, kind, content in self.contents:
            if kind.values:
                kind.put_back(thing, content)
        for variable, value in self.created:
            variable.assign(value)

    def created_by(self, create: Callable[..., Any], **options: Any) -> Any:
        """Remember a variable's first value; the first step creates what was not built."""
        import tensorflow as tf

        variable = create(**options)
        if tf.executing_eagerly():
            self.created.append((variable, variable.numpy()))
        return variable


class _Trainer:
    """Trains a model along given rates, each time from its first state.

    It takes the place of the model's compiled training function while `fit` runs, so that it sees
    each batch: there the rate is set and the metrics are reset, which makes "loss" that batch's.
    """

    def __init__(
        self,
        state: _State,
        data: dict[str, Any],
        validation_data: Any,
        every_step: bool,
        stop_factor: float | None,
        bar: Any,
    ) -> None:
        import tensorflow as tf

        self.state, self.data, self.bar = state, data, bar
        self.validation_data, self.every_step = validation_data, every_step
        self.stop_factor = stop_factor
        self.model = model = state.model
        self.holder = _rate_holder(model.optimizer)
        model.steps_per_execution = 1
        internals.forget_initial_epoch(model)
        # New functions, because the model's own may hold the schedule, a larger
        # steps_per_execution and the position of TensorFlow's random operations.
        model.train_function = model.test_function = None
        model.make_train_function()
        self.function = model.train_function
        self.rate = internals.rate_or_schedule(self.holder)
        if not isinstance(self.rate, keras.Variable):
            with model.distribute_strategy.scope():
                self.rate = keras.Variable(0.0, trainable=False, name="range_test_rate")
            self.holder.learning_rate = lambda: self.rate
        self.prepare_compiled = tf.function(self.prepare, autograph=False)
        things = [thing for thing, _, _ in state.contents]
        swept = (model.optimizer, self.holder)
        optimizers = [t for t in things if isinstance(t, keras.Optimizer) and t not in swept]
        self.others = [(other, int(_number(other.iterations))) for other in optimizers]
        self.layers = [thing for thing in things if isinstance(thing, keras.Layer)]
        self.first = self._updates()
        self.generators = [t.state for t in things if isinstance(t, keras.random.SeedGenerator)]

    def prepare(self, rate: Any) -> Any:
        """Set this batch's rate; return what has become of that of the batch before."""
        import tensorflow as tf

        left = tf.identity(self.rate.value)
        self.rate.assign(rate)
        self.model.reset_metrics()
        return left

    def train(self, plan: Floats, seed: int) -> Run:
        """Train one update per rate of the plan."""
        import tensorflow as tf

        model, each = self.model, self.holder.gradient_accumulation_steps or 1
        losses: list[float] = []
        medians: list[float] = []  # of 5 neighbouring losses
        parts: list[float] = []  # losses of the batches that make one update
        updates = 0  # of the optimizer, before this batch
        planned = 0, 0.0  # the latest step and its rate
        batches = passed = 0  # seen in all, and at the end of the latest pass over the data
        why = ""

        def train_function(iterator: Any) -> Any:
            nonlocal batches, passed, planned, why, updates
            if batches == 0:
                self._begin(iterator, seed)
                updates = self._updates()
            step = len(losses)
            # Compiled, it is several times faster; but the first batch may create metrics.
            left = (self.prepare_compiled if batches else self.prepare)(np.float32(plan[step]))
            if batches:
                self._check_rate(*planned, float(left))
            planned = step, plan[step]
            try:
                logs = self.function(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                # From an exhausted generator Keras goes on with the few batches it looked at first.
                if batches == passed or isinstance(self.data["x"], types.GeneratorType):
                    raise ValueError(
                        f"x must give {len(plan) * each} batches, received {batches}"
                    ) from None
                passed = batches
                raise
            batches += 1
            parts.append(_loss(logs, "train_step"))
            if self.state.eager or batches == 1 or step + 1 == len(plan):
                # What `prepare` sees of it is quicker, but comes late and knows one variable only.
                self._check_rate(*planned, _number(self.holder.learning_rate))
            if math.isfinite(parts[-1]) and len(parts) < each and self._updates() == updates:
                return logs
            updates = self._updates() if each > 1 else updates
            loss = sum(parts) / len(parts)
            parts.clear()
            last = step + 1 == len(plan)
            if self.validation_data is not None and (self.every_step or last):
                loss = self._validation_loss() if math.isfinite(loss) else loss
            if math.isfinite(loss):
                losses.append(loss)
                if len(losses) >= 5:
                    medians.append(sorted(losses[-5:])[2])
                if self.stop_factor and _diverged(medians, self.stop_factor):
                    why = f"diverged at step {step} (rate {plan[step]:.3g})"
            elif step == 0:
                raise ValueError(
                    f"the loss must be finite at the first rate {plan[0]:.3g}, received {loss}"
                )
            else:
                why = f"loss not finite at step {step} (rate {plan[step]:.3g})"
            if why or step + 1 == min(len(plan), 32):
                self._check_optimizers()
            self.bar.add(len(plan) - step if why else 1)
            model.stop_training = bool(why) or last
            return logs

        model.train_function = train_function
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            with tf.variable_creator_scope(self.state.created_by):
                # An epoch has at least one batch; the last one finds that there are no more.
                model.fit(**self.data, epochs=len(plan) * each + 1, verbose=0)
        if not batches:
            raise internals.moved("keras", "Model.train_function")
        return losses, why

    def _updates(self) -> int:
        return int(_number(self.holder.iterations))

    def _check_rate(self, step: int, planned: float, seen: float) -> None:
        """A curve over rates that were not used would look like any other."""
        exact = self.rate.dtype in ("float32", "float64")
        if not math.isclose(seen, planned, rel_tol=1e-6 if exact else 0.01, abs_tol=1e-37):
            raise ValueError(
                f"step {step} must be taken at the rate {planned:.3g} of the sweep, received "
                f"{seen:.3g}: train_step or a layer sets the optimizer's rate itself"
            )

    def _check_optimizers(self) -> None:
        """After some steps, because a loss scale that is too high skips the first ones."""
        if self.state.checked:
            return
        self.state.checked = True
        moved = [t for t, before in self.others if int(_number(t.iterations)) != before]
        names = ", ".join(other.name for other in moved)
        if self._updates() == self.first:
            raise ValueError(
                "train_step must take its steps with model.optimizer, whose rate is swept, "
                f"received steps of {names or 'no optimizer'}: compile the model with it"
            )
        if moved:
            warnings.warn(
                f"Only the rate of model.optimizer, {self.model.optimizer.name}, is swept; "
                f"{names} trains at its own.",
                stacklevel=2,
            )

    def _validation_loss(self) -> float:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self.validation_data)
        options = dict(batch_size=self.data["batch_size"], verbose=0, return_dict=True)
        logs = self.model.evaluate(x, y, sample_weight=weight, **options)
        return _loss(logs, "test_step")

    def _begin(self, iterator: Any, seed: int) -> None:
        """Bring the model to its first state, seeded, now that the data's shapes are known."""
        model = self.model
        self.state.put_back_values()
        # Keras' own train_step would build it on the way; but then, after the seeds are set.
        own = type(model).train_step is not keras.Model.train_step
        if not own and not all(layer.built for layer in self.layers):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(iterator.element_spec)
            model(keras.tree.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), x))
        numbers = np.random.default_rng(seed)
        listed = [v for v in model.variables if v.name == "seed_generator_state"]
        known = {id(variable) for variable in listed}
        for variable in [*listed, *(v for v in self.generators if id(v) not in known)]:
            variable.assign([int(numbers.integers(2**31)), 0])


def _loss(logs: Any, step: str) -> float:
    if not isinstance(logs, Mapping) or "loss" not in logs:
        seen = [*logs] if isinstance(logs, Mapping) else logs
        raise ValueError(f"{step} must return a dict with 'loss', received {seen!r}")
    loss = logs["loss"]
    shape = tuple(getattr(loss, "shape", ()))
    if math.prod(shape) != 1:
        raise ValueError(f"{step} must return one number as 'loss', received shape {shape}")
    return float(keras.ops.reshape(loss, ()) if shape else loss)


def _number(variable: Any) -> float:
    """Also of one that each replica has a copy of."""
    value = getattr(variable, "value", variable)
    return float(value.numpy() if hasattr(value, "numpy") else value)


def _diverged(medians: Sequence[float], factor: float) -> bool:
    if not medians:
        return False
    best = min(medians)
    return medians[-1] > medians[0] and medians[-1] - best > (factor - 1) * abs(best)
