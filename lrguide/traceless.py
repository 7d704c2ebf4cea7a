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

RISE = 3.5
"""How many times their `noise` losses must have risen before that means something."""


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
                _check_targets(model, data)
            with _State(model) as state:
                trainer = _Trainer(state, data, validation_data, every_step, stop_factor, bar)
                for seed in group:
                    for plan, row in zip(plans, runs, strict=True):
                        seed_all(seed)
                        row.append(trainer.train(plan, seed))
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
    if isinstance(model.optimizer, keras.optimizers.MultiOptimizer):
        raise ValueError(f"{name} must have one learning rate, received a MultiOptimizer")
    for attribute, value in vars(model).items():
        if isinstance(value, keras.Optimizer) and value is not model.optimizer and not value.built:
            raise ValueError(f"{name}.{attribute} must be built, received it unbuilt")


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
                if self.stop_factor and _diverged(losses, medians, self.stop_factor):
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


def noise(losses: Sequence[float]) -> float:
    """How much neighbouring losses differ, whatever their level and the shape of their noise.

    This is the largest of the differences once a sixth of them, 15 at most, have been set aside as
    belonging to rare large batches or to a rise that has just begun.
    """
    differences = np.sort(np.abs(np.diff(losses)))
    return float(differences[-1 - min(round(len(differences) / 6), 15)])


def _diverged(losses: Sequence[float], medians: Sequence[float], factor: float) -> bool:
    """Whether the loss has risen, by the rule that `lr_range_test` tells under `stop_factor`."""
    if not medians:
        return False
    latest, best = medians[-1], min(medians)
    if latest <= medians[0] or latest - best <= (factor - 1) * abs(best):
        return False
    if latest - best > RISE * noise(losses):
        return True
    # A rise that is noisy itself: the latest losses, or nearly all, are among the largest seen.
    for count, enough in ((5, 5), (10, 8)):
        before = np.sort(losses[:-count])
        if len(before) >= 20 and np.sum(losses[-count:] > before[-1 - len(before) // 20]) >= enough:
            return True
    return False
