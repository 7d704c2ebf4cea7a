"""Find all that training changes in a model, put it back, and show that it is the same.

The range test puts it back and `state_digest` shows that nothing is left. Both take what there is
from one walk, `contents`, so that nothing can be put back and not looked at, or looked at and not
put back. What only one backend has stands at the end of the tables that the walk reads.
"""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import operator
import random
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from .fit_arguments import check_backend, check_model
from .internals import (
    compiled_methods,
    data_structures,
    keras_generator,
    seed_tensorflow,
    set_compiled_methods,
    set_keras_generator,
    set_tensorflow_seed,
    set_traces,
    tensorflow_seed,
    traces,
    variable_value,
)

__all__ = ["state_digest"]


def state_digest(model: Any) -> str:
    """SHA-256 over all that training changes in a model: equal digests, equal state.

    Covers what can be reached from the model through attributes, lists, tuples, dicts, sets and
    deques: its layers, metrics, losses, optimizers, initializers, constraints and regularizers, and
    helper objects of your own classes; in them every variable, random generator, NumPy array and
    plain Python value, and which functions have been compiled. Covers the random states of Python,
    NumPy, Keras and its backend (TensorFlow, PyTorch; JAX has none), too.

    Does not cover what is reached only through a function (a global or enclosed name), a class or
    a module; the insides of other libraries' objects in the standard library, NumPy and the
    backend (datasets, lookup tables, iterators, a ChainMap, a bytearray, a bare bit generator), of
    which it sees only whether they are the same objects; what stands in a NumPy array of Python
    objects, in the mask of a masked array, or in attributes of your own subclasses of dict, list or
    array; helper objects that hold a lock, a thread or an open file; arrays of more than 16 MiB.

    Args:
        model: A compiled Keras model.

    Returns:
        64 hexadecimal digits; comparable within one process.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: It is not compiled with an optimizer.
        NotImplementedError: Keras runs on a backend that does not train.

    Example:
        >>> import keras
        >>> from lrguide import state_digest
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> before = state_digest(model)
        >>> model.optimizer.learning_rate = 0.1
        >>> state_digest(model) == before
        False
    """
    check_backend()
    check_model("model", model)
    digest, numbers = hashlib.sha256(), dict[int, int]()
    roots = [model, *(state.copy() for state in _global_states())]
    for thing, _, content in contents(roots, numbers):
        digest.update(f"{type(thing).__name__} {_described(content, numbers)}\n".encode())
    return digest.hexdigest()


def own_randomness() -> tuple[Callable[[int], None], Callable[[], None]]:
    """Two functions: one seeds all global random states, the other puts them back."""
    kept = [state.copy() for state in _global_states()]
    generator = keras.random.SeedGenerator(0, name="range_test_seeds")

    def seed_all(seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # A number drawn from the seed, since eager operations of one seed share their position.
            seed_tensorflow(int(np.random.default_rng(seed).integers(2**31)), seed)
            tf.random.get_global_generator().reset_from_seed(seed)
        elif keras.backend.backend() == "torch":
            import torch

            torch.manual_seed(seed)
        generator.state.assign([seed % 2**31, 0])
        set_keras_generator(generator)

    def put_back() -> None:
        for state, value in zip(_global_states(), kept, strict=True):
            state.put_back(value)

    return seed_all, put_back


@dataclass(frozen=True)
class _GlobalState:
    """A random state of the whole process: how it is read and put back."""

    copy: Callable[[], Any]
    put_back: Callable[[Any], None]


def _keras_generator() -> Any:
    generator = keras_generator()
    return generator, None if generator is None else _array(generator.state.value)


def _put_back_keras_generator(kept: tuple[Any, Any]) -> None:
    generator, value = kept
    set_keras_generator(generator)
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


def _torch_states() -> Any:
    import torch

    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [state.numpy().copy() for state in (torch.get_rng_state(), *devices)]


def _put_back_torch_states(kept: list[Any]) -> None:
    import torch

    first, *devices = (torch.from_numpy(state.copy()) for state in kept)
    torch.set_rng_state(first)
    if devices:
        torch.cuda.set_rng_state_all(devices)


# The digest reads these states, and a range test puts them back.
_GLOBAL_STATES = (
    _GlobalState(random.getstate, random.setstate),
    _GlobalState(np.random.get_state, np.random.set_state),
    _GlobalState(_keras_generator, _put_back_keras_generator),
)
_TENSORFLOW_STATES = (
    _GlobalState(tensorflow_seed, set_tensorflow_seed),
    _GlobalState(_tensorflow_generator, _put_back_tensorflow_generator),
)
_TORCH_STATES = (_GlobalState(_torch_states, _put_back_torch_states),)


def _global_states() -> tuple[_GlobalState, ...]:
    more = {"tensorflow": _TENSORFLOW_STATES, "torch": _TORCH_STATES}
    return _GLOBAL_STATES + more.get(keras.backend.backend(), ())


def _array(tensor: Any) -> Any:
    """A copy, because a view of what JAX and PyTorch hold would change with it."""
    return np.array(keras.ops.convert_to_numpy(tensor))


# The walk over all that a model holds, which the digest and the putting back share.


@dataclass(frozen=True)
class _Kind:
    """How a shallow copy is made of what things of some classes hold, and how it is put back.

    Only in `values` a sweep may go on after another: what else a thing holds changes when functions
    are compiled, too.
    """

    classes: tuple[type, ...]
    copy: Callable[[Any], Any]
    put_back: Callable[[Any, Any], None] = lambda thing, content: None
    values: bool = False


_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(...), range, slice)
_LARGEST_ARRAY = 2**24
# Objects of these packages change by themselves, or hold references to the whole process.
_CLOSED = {*sys.stdlib_module_names, "tensorflow", "numpy"}
_CLOSED |= {"jax": {"jax", "jaxlib"}, "torch": {"torch"}}.get(keras.backend.backend(), set())
_ALIVE = {"_thread", "threading", "_io", "_socket", "socket", "_queue", "queue", "subprocess"}


@functools.cache
def _kinds() -> tuple[_Kind, ...]:
    """What the walk looks into; the first that fits a thing's class counts."""
    objects = (
        keras.Layer,
        keras.Optimizer,
        keras.Metric,
        keras.Loss,
        keras.Variable,
        types.SimpleNamespace,
        argparse.Namespace,
        collections.UserDict,
        collections.UserList,
    )
    of_backend = {"tensorflow": _tensorflow_kinds, "jax": _jax_kinds, "torch": _torch_kinds}
    return (
        *of_backend[keras.backend.backend()](),
        _Kind((np.ndarray,), np.copy, lambda array, content: np.copyto(array, content), True),
        _Kind((np.random.Generator,), lambda g: g.bit_generator.state, _set_bit_generator, True),
        _Kind((np.random.RandomState,), lambda g: g.get_state(), lambda g, s: g.set_state(s), True),
        _Kind((random.Random,), lambda g: g.getstate(), lambda g, s: g.setstate(s), True),
        _Kind(objects, _attributes, _set_attributes),
        # The methods are those of the plain classes. Keras' own lists, dicts and sets keep track of
        # what is added and removed, and the walk meets that record by itself.
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


def _tensorflow_kinds() -> tuple[_Kind, ...]:
    import tensorflow as tf

    objects = (tf.Module, tf.train.ExponentialMovingAverage, *_wrappers())
    return (
        _Kind((tf.Variable,), lambda v: [part.numpy() for part in _replicas(v)], _assign, True),
        _Kind((tf.random.Generator,), lambda generator: [generator.state]),
        _Kind((tf.types.experimental.PolymorphicFunction,), traces, set_traces),
        _Kind(objects, _attributes, _set_attributes),
    )


def _jax_kinds() -> tuple[_Kind, ...]:
    return (_Kind((keras.Variable,), _jax_variable, _set_jax_variable, True),)


def _jax_variable(variable: Any) -> dict[str, Any]:
    """Its attributes, with an array in place of the value, which training gives away."""
    held = _attributes(variable)
    if (value := variable_value(variable)) is not None:
        held["_value"] = _array(value)
        held["_value"].flags.writeable = False  # nothing that the walk would look into
    return held


def _set_jax_variable(variable: Any, content: dict[str, Any]) -> None:
    _set_attributes(variable, {**content, "_value": None})
    if content["_value"] is not None:
        variable.assign(np.array(content["_value"]))


def _torch_kinds() -> tuple[_Kind, ...]:
    import torch

    return (
        _Kind((torch.Tensor,), _torch_tensor, _set_torch_tensor, True),
        _Kind(
            (torch.Generator,), lambda g: [g.get_state().numpy().copy()], _set_torch_generator, True
        ),
        _Kind((torch.nn.Module,), _attributes, _set_attributes),
    )


def _torch_tensor(tensor: Any) -> list[Any]:
    """Its bytes, whatever its type and device, and what training leaves beside them."""
    import torch

    if tensor.layout != torch.strided or tensor.device.type == "meta":
        return []
    held = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().copy()
    return [held, *([tensor.requires_grad, tensor.grad] if tensor.is_leaf else [])]


def _set_torch_tensor(tensor: Any, content: list[Any]) -> None:
    import torch

    if content:
        value = torch.from_numpy(content[0].copy()).view(tensor.dtype).reshape(tensor.shape)
        with torch.no_grad():
            tensor.copy_(value)
    if len(content) > 1:
        tensor.requires_grad_(content[1])
        tensor.grad = content[2]


def _set_torch_generator(generator: Any, content: list[Any]) -> None:
    import torch

    generator.set_state(torch.from_numpy(content[0].copy()))


@functools.cache
def _wrappers() -> tuple[type, ...]:
    """The classes that TensorFlow puts in place of lists, dicts and tuples in attributes."""
    return (data_structures(),) if keras.backend.backend() == "tensorflow" else ()


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
    return {**getattr(thing, "__dict__", {}), **slots, **compiled_methods(thing)}


def _set_attributes(thing: Any, content: dict[Any, Any]) -> None:
    set_compiled_methods(thing, content)
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


def _kind_of(thing: Any) -> _Kind | None:
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


def contents(
    roots: Sequence[Any], numbers: dict[int, int] | None = None
) -> Iterator[tuple[Any, _Kind, Any]]:
    """Each thing that can be reached, once: itself, its kind, a copy of what it holds.

    Args:
        roots: Where the walk begins.
        numbers: Is filled: by `id`, the place of each thing that has been met.
    """
    numbers = {} if numbers is None else numbers
    met: list[Any] = []  # kept alive here, so that no other object gets the id of one of them

    def meet(things: Iterable[Any]) -> None:
        for thing in map(_unwrapped, things):
            new = type(thing) not in _PLAIN and id(thing) not in numbers
            if new and _kind_of(thing) is not None:
                numbers[id(thing)] = len(met)
                met.append(thing)

    meet(roots)
    for thing in met:
        kind = _kind_of(thing)
        assert kind is not None
        content = kind.copy(thing)
        if not kind.values:
            meet(_members(content))
        yield thing, kind, content


def _members(content: Any) -> list[Any]:
    return [*content, *content.values()] if isinstance(content, dict) else list(content)


def _unwrapped(thing: Any) -> Any:
    """The dict or tuple that TensorFlow has wrapped in a class of its own."""
    if issubclass(type(thing), _wrappers()):
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
    parts = _members(a), _members(b)
    return len(parts[0]) == len(parts[1]) and all(map(operator.is_, *parts))


class ModelState:
    """What training may change in a model, copied once and put back at will."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.contents = list(contents([model]))
        self.created: list[tuple[Any, _Kind, Any]] = []
        self.noted = False  # whether it is known by now what has been created
        self.checked = False  # whether it is known by now which optimizers train
        # An eager model's steps run as Python: each may change anything, and none is compiled.
        self.eager = _runs_as_python(model)

    def put_back(self) -> None:
        """All of it: what was not built is unbuilt again."""
        self.created.clear()
        self.noted = False
        for thing, kind, content in self.contents:
            if kind.values or not _same(kind.copy(thing), content):
                kind.put_back(thing, content)

    def put_back_values(self) -> None:
        """What can be put back under a compiled function, and what this has created."""
        for thing, kind, content in [*self.contents, *self.created]:
            if kind.values:
                kind.put_back(thing, content)

    def note_created(self) -> None:
        """Remember the first values of what has been built since, once."""
        if not self.noted:
            self.noted = True
            known = {id(thing) for thing, _, _ in self.contents}
            self.created += [each for each in contents([self.model]) if id(each[0]) not in known]

    def created_by(self, create: Callable[..., Any], **options: Any) -> Any:
        """Remember a variable's first value; TensorFlow's first step creates what was not built."""
        import tensorflow as tf

        variable = create(**options)
        if tf.executing_eagerly():
            kind = _Kind((), np.copy, lambda thing, content: thing.assign(content), True)
            self.created.append((variable, kind, variable.numpy()))
        return variable


def _runs_as_python(model: Any) -> bool:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(model.run_eagerly or tf.config.functions_run_eagerly())
    return bool(model.run_eagerly or not model.jit_compile)
