"""Check what the range test takes and hands to `fit`, before anything begins.

Keras notices some of this late, when a model has been changed, and some of it never: weights that
are NaN, data of unequal length. What only the training can show is left to it.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from .arguments import count, flag, is_number, listed, number, told
from .internals import finds_each_target, flattened_layers, outputs_of

__all__: list[str] = []


def checked_seeds(seeds: Any, x: Any) -> tuple[int, ...]:
    """The seeds that were given and checked, or as many as the data allow."""
    once = isinstance(x, types.GeneratorType)
    if seeds is None:
        return (0,) if once else (0, 1, 2)
    given = listed("seeds", seeds, "whole numbers")
    checked = tuple(count("every seed", seed, 0) for seed in given)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(
            f"seeds must be at least one and all different, received {told([*checked])}"
        )
    if max(checked) >= 2**32:
        raise ValueError(f"every seed must be below 2**32, received {told(max(checked))}")
    if once and len(checked) > 1:
        raise ValueError(f"seeds must be one, as x is a generator, received {told([*checked])}")
    return checked


def check_backend() -> None:
    """Raise an error unless Keras runs on a backend that trains."""
    if keras.backend.backend() not in ("tensorflow", "jax", "torch"):
        raise NotImplementedError(
            "the range test needs Keras on TensorFlow, JAX or PyTorch, "
            f"received {keras.backend.backend()!r}"
        )


def check_model(name: str, model: Any) -> None:
    """Raise an error unless this is a compiled model with one learning rate."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"{name} must be a Keras model, received {told(model)}")
    if not model.compiled or model.optimizer is None:
        raise ValueError(f"{name} must be compiled with an optimizer, received it without")
    if isinstance(rate_holder(model.optimizer), keras.optimizers.MultiOptimizer):
        raise ValueError(f"{name} must have one learning rate, received a MultiOptimizer")


def check_verbose(verbose: Any) -> None:
    """Raise an error unless this says whether to show a progress bar."""
    if not isinstance(verbose, int | np.integer | np.bool_) or verbose not in (0, 1):
        raise ValueError(f"verbose must be 0 or 1, received {told(verbose)}")


def check_build(build: Any, model: Any) -> None:
    """Raise an error unless this can make the models, and no model is given beside it."""
    if model is not None:
        raise ValueError(f"model must be None when build makes the models, received {told(model)}")
    without = callable(build) and not isinstance(build, keras.Layer)
    with contextlib.suppress(TypeError, ValueError):  # some callables do not tell their parameters
        parameters = inspect.signature(build).parameters.values() if without else ()
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        without &= all(p.default is not p.empty or p.kind in variable for p in parameters)
    if not without:
        raise TypeError(
            "build must be a function without arguments that returns a new compiled model, "
            f"received {told(build)}"
        )


def check_data(data: Mapping[str, Any], validation_data: Any) -> None:
    """Raise an error unless `fit` would take the data with some model."""
    if data["x"] is None:
        raise ValueError("x must hold training data, received None")
    _check_parts(("x", "y", "sample_weight"), data["x"], data["y"], data["sample_weight"])
    if validation_data is not None:
        _check_validation_data(validation_data)
    if data["batch_size"] is not None:
        count("batch_size", data["batch_size"])
    if data["class_weight"] is not None:
        _check_class_weight(data)
    flag("shuffle", data["shuffle"])


def _check_parts(names: tuple[str, str, str], x: Any, y: Any, sample_weight: Any) -> None:
    """Raise an error unless these are arrays of equally many samples, or a dataset of all three."""
    if not _is_dataset(x):
        for name, part in zip(names, (x, y, sample_weight), strict=True):
            _check_arrays(name, part, text=name == names[0])
        _check_lengths(names, x, y, sample_weight)
        _check_sample_weight(names[2], y, sample_weight)
        return
    if _batch_count(x) == 0:
        raise ValueError(f"{names[0]} must hold at least one sample, received none")
    for name, part in zip(names[1:], (y, sample_weight), strict=True):
        if part is not None:
            raise ValueError(
                f"{name} must be None, as {names[0]} is a {type(x).__name__} and holds it itself, "
                f"received {told(part)}"
            )


def _check_arrays(name: str, part: Any, text: bool) -> None:
    for leaf in _leaves(part):
        shape = getattr(leaf, "shape", None)
        if shape is None or isinstance(leaf, keras.KerasTensor):
            kinds = "an array, several in a list, tuple or dict" + text * ", or a dataset"
            hint = isinstance(part, list | tuple) and is_number(leaf)
            raise TypeError(
                f"{name} must be {kinds}, received {told(part)}"
                + hint * "; numpy.asarray makes one of it"
            )
        if len(shape) == 0:
            raise ValueError(f"{name} must have an axis of samples, received {told(leaf)}")
        # Only inputs may be text: there are layers that read it.
        kind = str(getattr(getattr(leaf, "dtype", None), "name", ""))
        unknown = ("datetime", "timedelta", "void") + (() if text else ("str", "bytes", "object"))
        if kind.startswith(unknown):
            raise TypeError(f"{name} must hold numbers, received {told(leaf)} and dtype {kind}")
        # Keras takes NumPy's text as a row of objects alone.
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in ("OUS" if leaf.ndim > 1 else "US"):
            raise TypeError(
                f"{name} must hold numbers, or text in a tensor of TensorFlow, received "
                f"{told(leaf)} and dtype {kind}; tensorflow.constant makes one of text"
            )


def _check_lengths(names: tuple[str, str, str], *parts: Any) -> None:
    held: dict[str, int] = {}
    for name, part in zip(names, parts, strict=True):
        lengths = [leaf.shape[0] for leaf in _leaves(part)]
        if 0 in lengths or (part is not None and not lengths):
            raise ValueError(f"{name} must hold at least one sample, received none")
        held |= {f"{length} in {name}": length for length in lengths}
    if len({*held.values()}) > 1:
        raise ValueError(f"samples must be equally many, received {' and '.join(held)}")


def _check_sample_weight(name: str, y: Any, sample_weight: Any) -> None:
    several, each = isinstance(y, list | tuple | Mapping), _leaves(sample_weight)
    single = not isinstance(sample_weight, list | tuple | Mapping)
    if sample_weight is None:
        return
    if isinstance(sample_weight, Mapping) and not several:
        raise TypeError(f"{name} must be an array, as y is, received a dict")
    if several and single and any(length != 1 for length in sample_weight.shape[1:]):
        raise ValueError(
            f"{name} must be one weight per sample or of the structure of y, "
            f"received {told(sample_weight)}"
        )
    if several and not single:
        try:
            keras.tree.assert_same_structure(y, sample_weight)
        except ValueError:
            raise ValueError(
                f"{name} must be one weight per sample or of the structure of y, received "
                f"{type(sample_weight).__name__} of {len(each)} "
                f"for {type(y).__name__} of {len(_leaves(y))}"
            ) from None
    _check_finite(name, sample_weight)


def _check_finite(name: str, part: Any) -> None:
    for leaf in _leaves(part):
        if isinstance(leaf, np.ndarray) or keras.ops.is_tensor(leaf):
            values = np.asarray(leaf)
            if values.dtype.kind not in "OSU" and not (finite := np.isfinite(values)).all():
                wrong = told(values[~finite][0])
                raise ValueError(f"{name} must hold finite numbers, received {wrong} among them")


def check_finite(data: Mapping[str, Any], validation_data: Any) -> None:
    """Raise an error where an array holds a number that is not finite, as the first loss was."""
    _check_finite("x", data["x"])
    _check_finite("y", data["y"])
    if isinstance(validation_data, tuple | list):
        for name, part in zip(("x", "y"), validation_data, strict=False):
            _check_finite(f"{name} of validation_data", part)


def _check_validation_data(given: Any) -> None:
    if isinstance(given, types.GeneratorType):
        raise ValueError("validation_data must be readable more than once, received a generator")
    if _is_dataset(given):
        if _batch_count(given) == math.inf:
            raise ValueError("validation_data must come to an end, received an endless dataset")
        _check_parts(("validation_data",) * 3, given, None, None)
        return
    pair = isinstance(given, tuple | list) and len(given) in (2, 3)
    if pair and given[0] is None:
        raise ValueError("x of validation_data must hold data to measure on, received None")
    if not pair:
        long = isinstance(given, tuple | list) or getattr(given, "shape", ()) != ()
        raise (ValueError if long else TypeError)(
            "validation_data must be (x, y), (x, y, sample_weight) or a dataset, received "
            + (f"{type(given).__name__} of length {len(given)}" if long else told(given))
        )
    x, y, sample_weight = (*given, None)[:3]
    names = [f"{part} of validation_data" for part in ("x", "y", "sample_weight")]
    _check_parts((names[0], names[1], names[2]), x, y, sample_weight)


def _check_class_weight(data: Mapping[str, Any]) -> None:
    given, x, y = data["class_weight"], data["x"], data["y"]
    if not isinstance(given, Mapping):
        raise TypeError(f"class_weight must be a dict, received {told(given)}")
    not_negative = ("a finite number from 0", lambda each: 0.0 <= each < math.inf)
    for label, weight in given.items():
        # `fit` also takes floats, True and False as labels, and arrays without axes as weights.
        other = isinstance(label, bool | np.bool_ | float | np.floating)
        known = other and float(label).is_integer()
        count("every class of class_weight", int(label) if known else label, 0)
        if getattr(weight, "shape", None) == ():
            weight = np.asarray(weight).item()
        number(f"class_weight of class {label}", weight, *not_negative)
    if data["sample_weight"] is not None:
        raise ValueError("class_weight must be None beside sample_weight, received both")
    if isinstance(y, list | tuple | Mapping):
        raise ValueError(
            f"class_weight must be None where y is several, received it beside {len(y)} in y"
        )
    batches = _is_dataset(x)
    if y is None and not batches:
        raise ValueError(f"class_weight must be None without y, received {told(given)}")
    spec = _element_spec(x)
    if batches and spec is None and not isinstance(x, keras.utils.PyDataset):
        raise ValueError(
            f"class_weight must be None where x is a {type(x).__name__}, received {told(given)}"
        )
    if isinstance(spec, tuple) and len(spec) == 3:
        raise ValueError("class_weight must be None beside sample_weight, received both in x")
    if spec is not None and not given:
        raise ValueError("class_weight must hold a class where x is a dataset, received {}")


def check_fit(name: str, model: Any, data: Mapping[str, Any], validation_data: Any) -> None:
    """Raise an error where Keras' own training step cannot train this model on these data."""
    if type(model).train_step is not keras.Model.train_step:
        return
    _check_loss(name, model)
    built = all(layer.built for layer in flattened_layers(model))
    if not model.trainable_variables and (built or not model.trainable):
        raise ValueError(f"{name} must have weights to train, received it without or all frozen")
    outputs = getattr(model, "outputs", None) or ()
    if data["class_weight"] is not None and len(outputs) > 1:
        raise ValueError(
            f"class_weight must be None where a model has several outputs, received {len(outputs)}"
        )
    _check_shapes(("x", "y"), model, data["x"], data["y"])
    if validation_data is not None and type(model).test_step is keras.Model.test_step:
        whole = _is_dataset(validation_data)
        parts = (validation_data, None) if whole else validation_data[:2]
        _check_shapes(("x of validation_data", "y of validation_data"), model, *parts)


def _check_loss(name: str, model: Any) -> None:
    """Raise an error where neither `compile`, the model, nor a layer can give a loss."""
    own = any(
        not type(layer).__module__.startswith("keras.")
        or layer.activity_regularizer
        or not layer.built  # until then the losses of its regularisers are not there
        for layer in flattened_layers(model)
    )
    if model.loss is None and not own and not model.losses:
        raise ValueError(f"{name} must be compiled with a loss, received loss=None")


def _check_shapes(names: tuple[str, str], model: Any, x: Any, y: Any) -> None:
    """Raise an error unless inputs and targets are as many and as large as a model takes."""
    if _is_dataset(x):
        if (spec := _element_spec(x)) is None:
            return
        x, y, _ = keras.utils.unpack_x_y_sample_weight(spec)
    # What a `compute_loss` of the user's own makes of the targets cannot be known.
    own = type(model).compute_loss is not keras.Model.compute_loss
    if model.loss is not None and y is None and not own:
        raise ValueError(
            f"{names[1]} must hold the targets where x is an array or several, received None"
        )
    inputs = getattr(model, "inputs", None)  # only functional models have them
    if not inputs or not type(model).call.__module__.startswith("keras."):
        return
    _check_inputs(names[0], inputs, getattr(model, "input", None), x)
    if own or model.loss is None or None in keras.tree.flatten(model.loss):
        return
    targets, outputs = len(_leaves(y)), len(model.outputs)
    partial = isinstance(model.loss, Mapping) and len(model.loss) < outputs
    if targets != outputs and not partial:
        raise ValueError(
            f"{names[1]} must hold {_counted(outputs, 'array')}, one for each output of the model, "
            f"received {targets}"
        )
    parts = outputs_of(model), y, model.loss
    if any(map(keras.tree.is_nested, parts)) and not finds_each_target(model, y):
        wanted, given, losses = (
            told(_structure(part)).replace("Ellipsis", "...") for part in parts
        )
        raise ValueError(
            f"{names[1]} and the losses must be named or ordered as the outputs of the model, "
            f"{wanted}, received {given} and losses {losses}"
        )


def _structure(data: Any) -> Any:
    """Its containers and names alone."""
    if isinstance(data, Mapping):
        return {name: _structure(part) for name, part in data.items()}
    return [*map(_structure, data)] if isinstance(data, list | tuple) else ...


def _check_inputs(name: str, inputs: Sequence[Any], named: Any, x: Any) -> None:
    """Raise an error unless `x` has an array of the right shape for each input."""
    if isinstance(x, Mapping):
        wanted = [*named] if isinstance(named, Mapping) else [tensor.name for tensor in inputs]
        if not {*wanted} <= {*x}:
            raise ValueError(f"{name} must hold the inputs {wanted}, received {[*x]}")
        x = [x[key] for key in wanted]
        # `inputs` are sorted by their keys, and those of `x` are not.
        if isinstance(named, Mapping):
            inputs = keras.tree.flatten([named[key] for key in wanted])
    given = keras.tree.flatten(x)
    if len(given) != len(inputs):
        raise ValueError(
            f"{name} must hold {_counted(len(inputs), 'array')}, one for each input of the model, "
            f"received {len(given)}"
        )
    for leaf, tensor in zip(given, inputs, strict=True):
        known = leaf is not None and getattr(leaf.shape, "rank", 0) is not None
        if known and not _fits([*leaf.shape][1:], [*tensor.shape][1:]):
            raise ValueError(
                f"{name} must have shape {tuple(tensor.shape)} for the input {tensor.name!r}, "
                f"received {tuple(leaf.shape)}"
            )


def _fits(shape: list[int | None], wanted: list[int | None]) -> bool:
    """Whether two shapes agree where both are known; Keras adds or drops a last axis of 1."""
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == len(wanted) - 1 and wanted[-1] == 1:
        wanted = wanted[:-1]
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(None in pair or len({*pair}) == 1 for pair in pairs)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _is_dataset(x: Any) -> bool:
    """Whether `fit` reads batches from it, of tf.data, Keras, PyTorch or Grain, or a generator."""
    if isinstance(x, keras.utils.PyDataset | types.GeneratorType):
        return True
    tf = sys.modules.get("tensorflow")  # whoever has a dataset of TensorFlow's has imported it
    if tf is not None and isinstance(x, (tf.data.Dataset, tf.distribute.DistributedDataset)):
        return True
    roots = {kind.__module__.partition(".")[0] for kind in type(x).__mro__}
    return bool(roots & {"torch", "grain"}) and not hasattr(x, "shape")


def _element_spec(x: Any) -> Any:
    """The shapes and types that a dataset of tf.data says its batches have; None of any other."""
    tf = sys.modules.get("tensorflow")
    return x.element_spec if tf is not None and isinstance(x, tf.data.Dataset) else None


def _batch_count(x: Any) -> float | None:
    """How many batches a dataset has, or None where it does not know."""
    if isinstance(x, keras.utils.PyDataset):
        return math.inf if x.num_batches is None else int(x.num_batches)
    if _element_spec(x) is None:
        return None
    number = int(x.cardinality())
    return math.inf if number == -1 else None if number < 0 else number


def check_steps(model: Any, validation_data: Any) -> None:
    """Raise an error where Keras' own steps would call a model that has no `call`."""
    kind = type(model)
    needing = ["train_step"] if validation_data is None else ["train_step", "test_step"]
    for name in needing if kind.call is keras.Model.call else []:
        if getattr(kind, name) is getattr(keras.Model, name):
            what = "validation_data need" if name == "test_step" else "a model needs"
            raise ValueError(f"{what} a call() or a {name}() of its own, received neither")


def can_shuffle(x: Any) -> bool:
    """Whether `fit` can shuffle these data; it warns where it is told to and cannot."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is not None
    return all(hasattr(leaf, "shape") for leaf in _leaves(x))


def _leaves(data: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]


def rate_holder(optimizer: Any) -> Any:
    """The optimizer that holds the rate, inside a loss scale."""
    return getattr(optimizer, "inner_optimizer", optimizer)
