"""What Keras and TensorFlow do not promise, and lrguide needs all the same.

Each function reaches for a name that is not public, checks that it is there and does what it is
used for, and otherwise says in one sentence which version has moved it: a sweep that went on
without its seed or its rate would look like any other. The rest of the package uses public names.

>>> import keras
>>> from lrguide import internals
>>> internals.step_count(keras.optimizers.SGD(0.1)).name
'iteration'
"""

from __future__ import annotations

import importlib
import inspect
import random
import types
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []


def moved(package: str, name: str) -> NotImplementedError:
    """The sentence for a name that is not where it was, or does not do what it did."""
    version = importlib.import_module(package).__version__
    return NotImplementedError(
        f"lrguide relies on {name} of {package}, which {package} {version} has moved or changed: "
        "install a version that lrguide was tested with"
    )


def rate_or_schedule(optimizer: Any) -> Any:
    """What an optimizer takes its rate from: a variable, a schedule or a function.

    The public `learning_rate` is the rate of this step, so it does not tell them apart.
    """
    if not hasattr(optimizer, "_learning_rate"):
        raise moved("keras", "Optimizer._learning_rate")
    return optimizer._learning_rate


def flattened_layers(model: Any) -> list[Any]:
    """A model and all layers in it, at any depth; the public `layers` are those of its own."""
    if not hasattr(model, "_flatten_layers"):
        raise moved("keras", "Model._flatten_layers")
    layers: list[Any] = model._flatten_layers()
    return layers


def forget_initial_epoch(model: Any) -> None:
    """Let `fit` begin at epoch 0, also after `BackupAndRestore` has resumed a training."""
    if not hasattr(model, "_initial_epoch"):
        raise moved("keras", "Model._initial_epoch")
    model._initial_epoch = None


def outputs_of(model: Any) -> Any:
    """The outputs of a functional or sequential model in their structure; `outputs` is flat."""
    functional = getattr(model, "_functional", None) or model
    if not hasattr(functional, "_outputs_struct"):
        raise moved("keras", "Functional._outputs_struct")
    return functional._outputs_struct


def finds_each_target(model: Any, y: Any) -> bool:
    """Whether `fit` finds a target for each loss of a functional model, by place or by name.

    Keras' own reading of the losses is tried, with a loss that computes nothing.
    """
    if not hasattr(model, "_compile_loss"):
        raise moved("keras", "Model._compile_loss")
    compiled = model._compile_loss

    def part(leaf: Any) -> Any:
        return None if leaf is None else np.zeros((1, 1))

    class Nothing(keras.losses.Loss):
        def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
            if keras.tree.is_nested(y_true) or isinstance(y_true, str):  # a key in place of a part
                raise TypeError
            return 0.0

    try:
        losses = keras.tree.map_structure(lambda loss: loss and Nothing(), compiled._user_loss)
        weights, names = compiled._user_loss_weights, compiled.output_names
        parts = [keras.tree.map_structure(part, each) for each in (y, outputs_of(model))]
        type(compiled)(losses, weights, output_names=names)(*parts)
    except (KeyError, TypeError, ValueError):
        return False
    return True


def keras_generator() -> Any:
    """The generator that unseeded random operations of Keras draw from; None before the first."""
    return _keras("backend.common.global_state").get_global_attribute("global_seed_generator")


def set_keras_generator(generator: Any) -> None:
    """Exchange the generator that unseeded operations draw from.

    There is no public way to read it, and setting a seed makes a new one.
    """
    state, seeds = _keras("backend.common.global_state"), _keras("random.seed_generator")
    state.set_global_attribute("global_seed_generator", generator)
    if not hasattr(seeds, "global_seed_generator"):
        raise moved("keras", "global_seed_generator")
    if generator is not None and seeds.global_seed_generator() is not generator:
        raise moved("keras", "global_seed_generator")


def _keras(module: str) -> Any:
    try:
        return importlib.import_module(f"keras.src.{module}")
    except ImportError:
        raise moved("keras", f"keras.src.{module}") from None


def tensorflow_seed() -> dict[str, Any]:
    """The seed of TensorFlow's eager context and the generator that numbers its operations.

    `tf.random.set_seed` sets them, but nothing public reads them; and it restarts the random
    operations of all compiled functions, the user's too.
    """
    eager = _eager_context()
    return {name: eager[name] for name in ("_seed", "_rng") if name in eager}


def set_tensorflow_seed(state: dict[str, Any]) -> None:
    """Put back what `tensorflow_seed` gave."""
    eager = _eager_context()
    eager.pop("_rng", None)
    eager.update(state)


def seed_tensorflow(global_seed: int, seed: int) -> None:
    """Seed TensorFlow's eager context, and see whether its operations take their seeds there."""
    import tensorflow as tf

    expected = global_seed, random.Random(seed).randint(0, 2**31 - 1)
    set_tensorflow_seed({"_seed": global_seed, "_rng": random.Random(seed)})
    if tf.compat.v1.get_seed(None) != expected:
        raise moved("tensorflow", "the eager context's _seed and _rng")
    set_tensorflow_seed({"_seed": global_seed, "_rng": random.Random(seed)})


def _eager_context() -> dict[str, Any]:
    try:
        eager: dict[str, Any] = vars(
            importlib.import_module("tensorflow.python.eager.context").context()
        )
    except (ImportError, AttributeError):
        raise moved("tensorflow", "the eager context") from None
    if "_seed" not in eager:
        raise moved("tensorflow", "the eager context's _seed")
    return eager


def data_structures() -> type:
    """The base class of what TensorFlow puts in place of lists, dicts and tuples in attributes."""
    import tensorflow as tf

    try:
        found: type = tf.__internal__.tracking.TrackableDataStructure
    except AttributeError:
        raise moved("tensorflow", "TrackableDataStructure") from None
    return found


def traces(function: Any) -> dict[str, Any]:
    """What tells whether a `tf.function` has traced anything."""
    names = ("_created_variables", "_variable_creation_config", "_no_variable_creation_config")
    held = vars(function)
    for name in (*names, "_function_cache"):
        if name not in held:
            raise moved("tensorflow", f"tf.function's {name}")
    return {name: held[name] for name in names}


def set_traces(function: Any, before: dict[str, Any]) -> None:
    """Let a `tf.function` forget what it has traced since, if it had traced nothing before.

    A trace holds the variables that were made for it: later calls would go on with those, behind
    the back of a model or an optimizer that is no longer built.
    """
    if before["_variable_creation_config"] is None:
        vars(function).update(before)
        vars(function)["_function_cache"].clear()


def compiled_methods(thing: Any) -> dict[Any, Any]:
    """For each `tf.function` in an object's class, its copy for this object, if it was called.

    TensorFlow makes that copy when such a method is first called on an object.
    """
    if keras.backend.backend() != "tensorflow":
        return {}
    import tensorflow as tf

    found = {}
    for base in type(thing).__mro__:
        for function in vars(base).values():
            if isinstance(function, tf.types.experimental.PolymorphicFunction):
                if not hasattr(function, "_descriptor_cache"):
                    raise moved("tensorflow", "tf.function's _descriptor_cache")
                if thing in function._descriptor_cache:
                    found[function] = function._descriptor_cache[thing]
    return found


def set_compiled_methods(thing: Any, before: dict[Any, Any]) -> None:
    """Let TensorFlow forget the copies that it has made since."""
    for function in compiled_methods(thing).keys() - before.keys():
        del function._descriptor_cache[thing]


def variable_value(variable: Any) -> Any:
    """The array that a variable holds, None where it has none yet; `value` would make one up."""
    if "_value" not in vars(variable):
        raise moved("keras", "Variable._value")
    return variable._value


def step_count(optimizer: Any) -> Any:
    """The variable in which an optimizer counts its steps: batches, and not updates.

    `optimizer.iterations` is divided where gradients are accumulated, and the rate is not computed
    from that. The variable itself is the first of `optimizer.variables`.
    """
    count = next(iter(optimizer.variables), None)
    if count is None or getattr(count, "name", "") != "iteration":
        raise moved("keras", "the first of Optimizer.variables, which is named iteration,")
    return count


def variable_index(optimizer: Any, variable: Any) -> int:
    """The place of a variable among those that an optimizer trains, and so that of its slots."""
    if not hasattr(optimizer, "_get_variable_index"):
        raise moved("keras", "Optimizer._get_variable_index")
    return int(optimizer._get_variable_index(variable))


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
    Only TensorFlow keeps such graphs.
    """
    if keras.backend.backend() != "tensorflow":
        return []
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
                # Read and not run: a constant may wait for an operation whose result is not known.
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
    waiting = []
    for compiled in _compiled_in(function):
        if not hasattr(compiled, "_list_all_concrete_functions"):
            raise moved("tensorflow", "tf.function's _list_all_concrete_functions")
        waiting += [one.graph for one in compiled._list_all_concrete_functions()]
    found: list[Any] = []
    while waiting:
        graph = waiting.pop()
        if not any(graph is one for one in found):
            if not hasattr(graph, "_functions"):
                raise moved("tensorflow", "FuncGraph._functions")
            found.append(graph)
            inner = graph._functions.values()
            waiting += [one.graph for one in inner if getattr(one, "graph", None) is not None]
    return found


def _compiled_in(function: Any) -> list[Any]:
    """The `tf.function`s that a training step calls, which it holds in its closure.

    Keras' own training step holds there what it calls, compiled or, under `run_eagerly`, plain.
    Which of them it calls, and what is wrapped around them, depends on the version.
    """
    import tensorflow as tf

    kinds = (types.FunctionType, tf.types.experimental.PolymorphicFunction)
    held = [function]
    for each in held:  # which grows meanwhile
        inside = [cell.cell_contents for cell in getattr(each, "__closure__", None) or ()]
        held += [one for one in inside if isinstance(one, kinds) and one not in held]
    if len(held) == 1 and str(getattr(function, "__module__", "")).startswith("keras."):
        raise moved("keras", "the closure of Model.train_function")
    return [each for each in held if isinstance(each, kinds[1])]
