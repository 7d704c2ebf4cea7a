"""What lrguide reads of Keras and TensorFlow that they do not promise, each in a function here.

A function looks whether what it relies on is there; where it is not, it says in one sentence which
version moved it.

>>> import keras
>>> from lrguide import internals
>>> internals.step_count(keras.optimizers.SGD(0.1)).name
'iteration'
"""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []


def step_count(optimizer: Any) -> Any:
    """The variable in which an optimizer counts its steps: batches, and not updates.

    `optimizer.iterations` is divided where gradients are accumulated, and the rate is not computed
    from that. The variable itself is the first of `optimizer.variables`.
    """
    count = next(iter(optimizer.variables), None)
    if count is None or getattr(count, "name", "") != "iteration":
        raise _moved("the count of steps as the first of an optimizer's variables")
    return count


def held_rate(optimizer: Any) -> Any:
    """What an optimizer holds as its rate: a variable, a schedule or a function."""
    if "_learning_rate" not in vars(optimizer):
        raise _moved("an optimizer's schedule in `_learning_rate`")
    return vars(optimizer)["_learning_rate"]


def put_first(callback: keras.callbacks.Callback) -> None:
    """Let a callback be the first of its `fit`, when called from its `set_model`.

    Keras does not tell a callback which others there are; the list of them calls `set_model`. Where
    something else does, the order stays as it is.
    """
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    listed = caller.f_locals.get("self") if caller is not None else None
    if isinstance(listed, keras.callbacks.CallbackList) and callback in listed.callbacks:
        listed.callbacks.remove(callback)
        listed.callbacks.insert(0, callback)


def values_of_step(model: Any, steps: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Numbers that the compiled training step computes from the count of steps and constants.

    One array for each graph that was compiled, none before the first fit: a row for each step, a
    column for each number, constants among them. The rate is one of them, if a schedule gives it.
    """
    import tensorflow as tf

    found = []
    for graph in _graphs(inspect.unwrap(model.train_function) if model.train_function else None):
        counts: list[str] = []
        known: set[str] = set()
        computed: list[str] = []
        constants: list[float] = []
        for op in graph.get_operations():
            single = [out for out in op.outputs if out.shape.rank == 0]
            floats = [out.name for out in single if out.dtype.is_floating]
            if op.type == "ReadVariableOp":
                counts += [out.name for out in single if out.dtype.is_integer]
                known.update(counts)
            elif op.type == "Const":
                # Not run, for it may wait for what is not known.
                constants += [float(tf.make_ndarray(op.get_attr("value"))) for _ in floats]
                known.update(out.name for out in op.outputs)
            elif op.inputs and all(each.name in known for each in op.inputs):
                computed += floats
                known.update(out.name for out in op.outputs)
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        with tf.compat.v1.Session(graph=graph, config=config) as session:
            fed = [dict.fromkeys(counts, int(step)) for step in steps]
            rows = [session.run(computed, feed) if computed else [] for feed in fed]
        found.append(np.array([constants + list(row) for row in rows], dtype=np.float64))
    return found


def _graphs(function: Any) -> list[Any]:
    """The graphs of a compiled training step, and those inside them."""
    if function is None:
        return []
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    compiled = [each for each in held if hasattr(each, "_list_all_concrete_functions")]
    if not compiled and any(hasattr(each, "get_concrete_function") for each in held):
        raise _moved("the graphs of a tf.function in `_list_all_concrete_functions`")
    waiting = [one.graph for each in compiled for one in each._list_all_concrete_functions()]
    found: list[Any] = []
    while waiting:
        graph = waiting.pop()
        if not any(graph is one for one in found):
            found.append(graph)
            inner = getattr(graph, "_functions", {}).values()
            waiting += [one.graph for one in inner if getattr(one, "graph", None) is not None]
    return found


def _moved(what: str) -> RuntimeError:
    return RuntimeError(f"lrguide needs {what}, which Keras {keras.__version__} has moved")
