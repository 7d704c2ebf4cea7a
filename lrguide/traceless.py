"""Train a compiled Keras model along given rates, and leave no trace on it.

What `lrguide.range_test` stands on. `train_along` trains through the model's own `fit`, one batch
at a time, each time from the same state, and then puts back all that this has changed: variables,
attributes, compiled functions, the global random states. `state_digest` shows that nothing is left.
Needs Keras on TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

__all__ = ["state_digest"]

Floats = npt.NDArray[np.float64]

Run = tuple[list[float], str]
"""The loss of each step, and why there are fewer than asked for (or "")."""


def state_digest(model: Any) -> str:
    """SHA-256 over all that training changes in a model: equal digests, equal state.

    Covers the variables of the model (weights, seed generators, statistics), of its metrics and of
    its optimizer with their names, and which rate or schedule the optimizer has.

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
    digest = hashlib.sha256()
    for variable in _variables(model):
        value = variable.numpy()
        digest.update(f"{variable.name} {value.dtype} {value.shape} ".encode() + value.tobytes())
    rate = _rate_holder(model.optimizer)._learning_rate
    digest.update(f"{type(rate)} {id(rate)} {model.optimizer.built}".encode())
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
    _check_verbose(verbose)
    if build is None:
        _check_model("model", model)
    else:
        _check_build(build, model)
    _check_data(data, validation_data)
    if build is None:
        _check_fit("model", model, data, validation_data)
    data = {**data, "shuffle": data["shuffle"] and _can_shuffle(data["x"])}
    steps = sum(map(len, plans)) * len(seeds)
    bar = keras.utils.Progbar(steps, verbose=int(verbose), unit_name="step")
    runs: list[list[Run]] = [[] for _ in plans]
    with _own_randomness() as seed_all:
        for group in [seeds] if build is None else [[seed] for seed in seeds]:
            if build is not None:
                seed_all(group[0])
                model = build()
                _check_model("what build returns", model)
                _check_fit("what build returns", model, data, validation_data)
            with _State(model) as state:
                trainer = _Trainer(state, data, validation_data, every_step, stop_factor, bar)
                for seed in group:
                    for plan, row in zip(plans, runs, strict=True):
                        seed_all(seed)
                        row.append(trainer.train(plan, seed))
    return runs


def told(value: Any) -> str:
    """A value as errors tell it: on one line, and of an array only its type and shape."""
    if isinstance(value, np.generic):
        value = value.item()
    if (shape := getattr(value, "shape", None)) is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of more than 4,300 digits, or a class with a fault
        text = f"{type(value).__name__} that cannot be printed"
    return text if len(text) <= 80 else f"{text[:60]}..."


def checked_number(name: str, value: Any, above: float = 0, or_equal: bool = False) -> float:
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, received {told(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = math.inf
    if not math.isfinite(number) or number < above or (number == above and not or_equal):
        wanted = f"of at least {above}" if or_equal else f"above {above}"
        raise ValueError(f"{name} must be a finite number {wanted}, received {told(value)}")
    return number


def checked_rate(name: str, value: Any) -> float:
    """A learning rate; beyond the limits of float32 it would be 0 or infinite in Keras."""
    number, limits = checked_number(name, value), np.finfo(np.float32)
    low, high = float(limits.tiny), float(limits.max)
    if not low <= number <= high:
        raise ValueError(
            f"{name} must be from {low:.2g} to {high:.2g}, the limits of float32, "
            f"received {told(value)}"
        )
    return number


def checked_count(name: str, value: Any, least: int = 1, most: int = 2**63 - 1) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, received {told(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, received {told(value)}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}, received {told(value)}")
    return int(value)


def checked_list(name: str, value: Any, of: str) -> list[Any]:
    """The members of a sequence or of an array with one axis; text is none."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value.tolist())
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
        raise TypeError(f"{name} must be a sequence of {of}, received {told(value)}")
    return list(value)


def checked_seeds(seeds: Any, x: Any) -> tuple[int, ...]:
    once = isinstance(x, types.GeneratorType)
    if seeds is None:
        return (0,) if once else (0, 1, 2)
    listed = checked_list("seeds", seeds, "integers")
    checked = tuple(checked_count("every seed", seed, 0) for seed in listed)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(
            f"seeds must be at least one and all different, received {told([*checked])}"
        )
    if max(checked) >= 2**32:
        raise ValueError(f"every seed must be below 2**32, received {told(max(checked))}")
    if once and len(checked) > 1:
        raise ValueError(f"seeds must be one, as x is a generator, received {told([*checked])}")
    return checked


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"the range test needs Keras on TensorFlow, received {keras.backend.backend()!r}"
        )


def _check_model(name: str, model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"{name} must be a Keras model, received {told(model)}")
    if not model.compiled or model.optimizer is None:
        raise ValueError(f"{name} must be compiled with an optimizer, received it without")
    if isinstance(model.optimizer, keras.optimizers.MultiOptimizer):
        raise ValueError(f"{name} must have one learning rate, received a MultiOptimizer")
    for attribute, value in vars(model).items():
        if isinstance(value, keras.Optimizer) and value is not model.optimizer and not value.built:
            raise ValueError(f"{name}.{attribute} must be built, received it unbuilt")


def _check_verbose(verbose: Any) -> None:
    if not isinstance(verbose, int | np.integer | np.bool_) or verbose not in (0, 1):
        raise ValueError(f"verbose must be 0 or 1, received {told(verbose)}")


def _check_build(build: Any, model: Any) -> None:
    if model is not None:
        raise ValueError(f"model must be None when build makes the models, received {told(model)}")
    if not callable(build):
        raise TypeError(f"build must be a function that returns a model, received {told(build)}")


def _check_data(data: Mapping[str, Any], validation_data: Any) -> None:
    """Whether `fit` would take the data with any model."""
    if data["x"] is None:
        raise ValueError("x must hold training data, received None")
    _check_parts(("x", "y", "sample_weight"), data["x"], data["y"], data["sample_weight"])
    if validation_data is not None:
        _check_validation_data(validation_data)
    if data["batch_size"] is not None:
        checked_count("batch_size", data["batch_size"])
    if data["class_weight"] is not None:
        _check_class_weight(data)
    if not isinstance(data["shuffle"], bool | np.bool_):
        raise TypeError(f"shuffle must be True or False, received {told(data['shuffle'])}")


def _check_parts(names: tuple[str, str, str], x: Any, y: Any, sample_weight: Any) -> None:
    """Whether they are arrays of equally many samples, or a dataset that holds all three."""
    if not _is_dataset(x):
        for name, part in zip(names, (x, y, sample_weight), strict=True):
            _check_arrays(name, part, text=name == names[0])
        _check_lengths(names, x, y, sample_weight)
        _check_sample_weight(names[2], y, sample_weight)
        return
    if _batches(x) == 0:
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
            raise TypeError(f"{name} must be {kinds}, received {told(part)}")
        if len(shape) == 0:
            raise ValueError(f"{name} must have an axis of samples, received {told(leaf)}")
        # Text is for the inputs alone: there are layers that read it.
        kind = str(getattr(getattr(leaf, "dtype", None), "name", ""))
        unknown = ("datetime", "timedelta", "void") + (() if text else ("str", "bytes", "object"))
        if kind.startswith(unknown):
            raise TypeError(f"{name} must hold numbers, received {told(leaf)} and dtype {kind}")


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
        raise ValueError(f"{name} must be one a sample or as y is, received {told(sample_weight)}")
    if several and not single:
        try:
            keras.tree.assert_same_structure(y, sample_weight)
        except ValueError:
            raise ValueError(
                f"{name} must be one a sample or as y is, received {type(sample_weight).__name__} "
                f"of {len(each)} for {type(y).__name__} of {len(_leaves(y))}"
            ) from None
    for leaf in each:
        if isinstance(leaf, np.ndarray) or keras.ops.is_tensor(leaf):
            values = np.asarray(leaf)
            if not (finite := np.isfinite(values)).all():
                wrong = told(values[~finite][0])
                raise ValueError(f"{name} must hold finite numbers, received {wrong} among them")


def _check_validation_data(given: Any) -> None:
    if isinstance(given, types.GeneratorType):
        raise ValueError("validation_data must be readable more than once, received a generator")
    if _is_dataset(given):
        if _batches(given) == math.inf:
            raise ValueError("validation_data must come to an end, received an endless dataset")
        _check_parts(("validation_data",) * 3, given, None, None)
        return
    if isinstance(given, tuple) and len(given) in (2, 3) and given[0] is None:
        raise ValueError("x of validation_data must hold data to measure on, received None")
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        long = isinstance(given, tuple | list) or getattr(given, "shape", ()) != ()
        raise (ValueError if long else TypeError)(
            "validation_data must be (x, y), (x, y, sample_weight) or a dataset, received "
            + (f"{type(given).__name__} of length {len(given)}" if long else told(given))
        )
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(given)
    names = [f"{part} of validation_data" for part in ("x", "y", "sample_weight")]
    _check_parts((names[0], names[1], names[2]), x, y, sample_weight)


def _check_class_weight(data: Mapping[str, Any]) -> None:
    given, x, y = data["class_weight"], data["x"], data["y"]
    if not isinstance(given, Mapping):
        raise TypeError(f"class_weight must be a dict, received {told(given)}")
    for label, weight in given.items():
        checked_count("every class of class_weight", label, 0)
        checked_number(f"class_weight of class {label}", weight, or_equal=True)
    if data["sample_weight"] is not None:
        raise ValueError("class_weight must be None beside sample_weight, received both")
    if isinstance(y, list | tuple | Mapping):
        raise ValueError(
            f"class_weight must be None where y is several, received it beside {len(y)} in y"
        )
    batches = _is_dataset(x)
    if y is None and not batches:
        raise ValueError("class_weight must be None without y, received it alone")
    spec = _element_spec(x)
    if batches and spec is None and not isinstance(x, keras.utils.PyDataset):
        raise ValueError(f"class_weight must be None where x is a {type(x).__name__}, received it")
    if isinstance(spec, tuple) and len(spec) == 3:
        raise ValueError("class_weight must be None beside sample_weight, received both in x")
    if spec is not None and not given:
        raise ValueError("class_weight must hold a class where x is a dataset, received {}")


def _check_fit(name: str, model: Any, data: Mapping[str, Any], validation_data: Any) -> None:
    """Whether Keras' own training step can train this model on these data."""
    if type(model).train_step is not keras.Model.train_step:
        return
    _check_loss(name, model)
    built = all(layer.built for layer in model._flatten_layers())
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
    """A loss can come from `compile`, `compute_loss`, a regulariser, or a layer's `add_loss`."""
    own = any(
        not type(layer).__module__.startswith("keras.") or layer.activity_regularizer
        for layer in model._flatten_layers()
    )
    if model.loss is None and not own and not model.losses:
        raise ValueError(f"{name} must be compiled with a loss, received loss=None")


def _check_shapes(names: tuple[str, str], model: Any, x: Any, y: Any) -> None:
    """Whether inputs and targets are as many and as large as a functional model takes."""
    if _is_dataset(x):
        if (spec := _element_spec(x)) is None:
            return
        x, y, _ = keras.utils.unpack_x_y_sample_weight(spec)
    if model.loss is not None and y is None:
        raise ValueError(
            f"{names[1]} must hold the targets where x is an array or several, received None"
        )
    inputs = getattr(model, "inputs", None)  # of functional models only
    if not inputs or not type(model).call.__module__.startswith("keras."):
        return
    _check_inputs(names[0], inputs, getattr(model, "input", None), x)
    if model.loss is None or None in keras.tree.flatten(model.loss):
        return
    targets, outputs = len(_leaves(y)), len(model.outputs)
    partial = isinstance(model.loss, Mapping) and len(model.loss) < outputs
    if targets != outputs and not partial:
        raise ValueError(
            f"{names[1]} must hold {_counted(outputs, 'array')}, one an output of the model, "
            f"received {targets}"
        )


def _check_inputs(name: str, inputs: Sequence[Any], named: Any, x: Any) -> None:
    """Whether `x` has an array of the right shape for each input."""
    if isinstance(x, Mapping):
        wanted = [*named] if isinstance(named, Mapping) else [tensor.name for tensor in inputs]
        if not {*wanted} <= {*x}:
            raise ValueError(f"{name} must hold the inputs {wanted}, received {[*x]}")
        x = [x[key] for key in wanted]
    given = keras.tree.flatten(x)
    if len(given) != len(inputs):
        raise ValueError(
            f"{name} must hold {_counted(len(inputs), 'array')}, one an input of the model, "
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
    """Whether they agree where both are known; Keras adds or takes away a last axis of 1."""
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
    import tensorflow as tf

    own = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset)
    if isinstance(x, (*own, types.GeneratorType)):
        return True
    roots = {kind.__module__.partition(".")[0] for kind in type(x).__mro__}
    return bool(roots & {"torch", "grain"}) and not hasattr(x, "shape")


def _element_spec(x: Any) -> Any:
    """What a dataset of tf.data says of its batches; None of others."""
    import tensorflow as tf

    return x.element_spec if isinstance(x, tf.data.Dataset) else None


def _batches(x: Any) -> float | None:
    """How many batches a dataset has, where it knows."""
    if isinstance(x, keras.utils.PyDataset):
        return math.inf if x.num_batches is None else int(x.num_batches)
    if _element_spec(x) is None:
        return None
    number = int(x.cardinality())
    return math.inf if number == -1 else None if number < 0 else number


def _can_shuffle(x: Any) -> bool:
    """Whether `fit` can: it warns where it is told to but cannot."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is not None
    return all(hasattr(leaf, "shape") for leaf in _leaves(x))


def _leaves(data: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]


@contextlib.contextmanager
def _own_randomness() -> Iterator[Callable[[int], None]]:
    """Give a function that seeds all global random states; they are put back at the end."""
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context

    # `fit` shuffles arrays by TensorFlow's global state, which can be set but not read in public;
    # and setting it restarts the random operations of all compiled functions, the user's too. So
    # the two fields that make up this state are exchanged, as Keras' own generator is.
    eager = vars(context.context())
    eager_kept = {name: eager[name] for name in ("_seed", "_rng") if name in eager}
    keras_kept = global_state.get_global_attribute("global_seed_generator")
    python_kept, numpy_kept = random.getstate(), np.random.get_state()
    generator = keras.random.SeedGenerator(0, name="range_test_seeds")

    def seed_all(seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        # Not the seed itself: eager random operations of the same seed share their position.
        eager["_seed"] = int(np.random.default_rng(seed).integers(2**31))
        eager["_rng"] = random.Random(seed)
        generator.state.assign([seed % 2**31, 0])
        global_state.set_global_attribute("global_seed_generator", generator)

    try:
        yield seed_all
    finally:
        random.setstate(python_kept)
        np.random.set_state(numpy_kept)
        eager.pop("_rng", None)
        eager.update(eager_kept)
        global_state.set_global_attribute("global_seed_generator", keras_kept)


def _rate_holder(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)


def _variables(model: Any) -> list[Any]:
    """Every TensorFlow variable that training may change, each replica's copy by itself."""
    import tensorflow as tf

    found = [*model.variables, *model.metrics_variables]
    # The optimizers, and what Keras does not list: states of recurrent layers, TensorFlow's own.
    todo = [vars(layer) for layer in model._flatten_layers()]
    while todo:
        thing = todo.pop()
        if isinstance(thing, Mapping):
            todo += thing.values()
        elif isinstance(thing, list | tuple):
            todo += thing
        elif isinstance(thing, keras.Variable | tf.Variable):
            found.append(thing)
        elif isinstance(thing, keras.Optimizer):
            found += thing.variables
        elif isinstance(thing, tf.random.Generator | keras.random.SeedGenerator):
            found.append(thing.state)
    parts = {}
    for variable in found:
        native = variable.value if isinstance(variable, keras.Variable) else variable
        for part in model.distribute_strategy.experimental_local_results(native):
            parts[id(part)] = part
    return list(parts.values())


class _State:
    """What training changes in a model, copied once and put back at will."""

    def __init__(self, model: Any) -> None:
        self.model = model
        kinds = (keras.Optimizer, keras.Metric, keras.Loss)
        parts = [_rate_holder(model.optimizer), *vars(model).values()]
        things = [model, *(part for part in parts if isinstance(part, kinds))]
        self.attributes = [_attributes(thing) for thing in things]
        self.copies: dict[int, tuple[Any, Any]] = {}
        self.copy_variables()

    def copy_variables(self) -> None:
        """Copy those that were not there before."""
        for variable in _variables(self.model):
            if id(variable) not in self.copies:
                self.copies[id(variable)] = (variable, variable.numpy())

    def put_back_variables(self) -> None:
        for variable, value in self.copies.values():
            variable.assign(value)

    def __enter__(self) -> _State:
        return self

    def __exit__(self, *error: object) -> None:
        self.model.reset_metrics()  # also those that were created meanwhile
        self.put_back_variables()
        for put_back in self.attributes:
            put_back()


def _attributes(thing: Any) -> Callable[[], None]:
    """Remember an object's attributes; the function returned puts them back.

    Compiled functions, counters and what was built (optimizer, metrics, loss) are such attributes.
    """
    kept, tracker = dict(vars(thing)), vars(thing).get("_tracker")

    def tracked() -> list[Any]:
        return [item for _, store in tracker.config.values() for item in store] if tracker else []

    before = {id(item) for item in tracked()}

    def put_back() -> None:
        for item in tracked():
            if id(item) not in before:
                tracker.untrack(item)
        vars(thing).clear()
        vars(thing).update(kept)

    return put_back


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
        model.steps_per_execution, model._initial_epoch = 1, None
        # New functions, because the model's own may hold the schedule, a larger
        # steps_per_execution and the position of TensorFlow's random operations.
        model.train_function = model.test_function = None
        model.make_train_function()
        self.function = model.train_function
        self.rate = self.holder._learning_rate
        if not isinstance(self.rate, keras.Variable):
            with model.distribute_strategy.scope():
                self.rate = keras.Variable(0.0, trainable=False, name="range_test_rate")
            self.holder.learning_rate = lambda: self.rate
        self.prepare_compiled = tf.function(self.prepare, autograph=False)

    def prepare(self, rate: Any) -> None:
        self.rate.assign(rate)
        self.model.reset_metrics()

    def train(self, plan: Floats, seed: int) -> Run:
        """Train one update per rate of the plan."""
        import tensorflow as tf

        model, each = self.model, self.holder.gradient_accumulation_steps or 1
        losses: list[float] = []
        medians: list[float] = []  # of 5 neighbouring losses
        parts: list[float] = []  # losses of the batches that make one update
        batches = passed = 0  # seen in all, and at the end of the latest pass over the data
        why = ""

        def train_function(iterator: Any) -> Any:
            nonlocal batches, passed, why
            if batches == 0:
                self._begin(iterator, seed)
            step = len(losses)
            # Compiled, it is several times faster; but the first batch may create metrics.
            (self.prepare_compiled if batches else self.prepare)(np.float32(plan[step]))
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
            if not isinstance(logs, Mapping) or "loss" not in logs:
                seen = [*logs] if isinstance(logs, Mapping) else logs
                raise ValueError(f"train_step must return a dict with 'loss', received {seen!r}")
            parts.append(float(logs["loss"]))
            updated = each == 1 or int(self.holder._iterations.numpy()) % each == 0
            if math.isfinite(parts[-1]) and not updated:
                return logs
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
            self.bar.add(len(plan) - step if why else 1)
            model.stop_training = bool(why) or last
            return logs

        model.train_function = train_function
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            # An epoch has at least one batch; the last one finds that there are no more.
            model.fit(**self.data, epochs=len(plan) * each + 1, verbose=0)
        return losses, why

    def _validation_loss(self) -> float:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self.validation_data)
        options = dict(batch_size=self.data["batch_size"], verbose=0, return_dict=True)
        return float(self.model.evaluate(x, y, sample_weight=weight, **options)["loss"])

    def _begin(self, iterator: Any, seed: int) -> None:
        """Bring the model to its first state, seeded, now that the data's shapes are known."""
        model, optimizer = self.model, self.model.optimizer
        self.state.put_back_variables()
        if not all(layer.built for layer in model._flatten_layers()):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(iterator.element_spec)
            model(keras.tree.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), x))
        if not optimizer.built:
            with model.distribute_strategy.scope():
                optimizer.build(model.trainable_variables)
        self.state.copy_variables()
        numbers = np.random.default_rng(seed)
        for variable in model.variables:
            if variable.name == "seed_generator_state":
                variable.assign([int(numbers.integers(2**31)), 0])


def _diverged(medians: Sequence[float], factor: float) -> bool:
    if not medians:
        return False
    best = min(medians)
    return medians[-1] > medians[0] and medians[-1] - best > (factor - 1) * abs(best)
