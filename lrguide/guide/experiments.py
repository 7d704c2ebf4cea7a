"""Experiments: plain numbers in, plain numbers out, the same bits each time.

An experiment is a module-level function of completed settings (`complete`). It trains with public
Keras on one TensorFlow thread, since another number of threads gives other last bits.
"""

import hashlib
import inspect
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.data import Digits, fingerprint, mnist_full, mnist_subset

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Raise a function's number when its results change on purpose: its stored runs are then void.
PROTOCOL = {"train": 1}

OPTIMIZERS = ("Adam", "SGD")
# Keras holds a rate in float32: what is infinite or 0 there is so in the training.
LOWEST_RATE, HIGHEST_RATE = (float(limit) for limit in (np.finfo("f4").tiny, np.finfo("f4").max))


@dataclass(frozen=True)
class Budget:
    """What one training may use: images, batch size (images), epochs; `full` is all of MNIST."""

    training: int
    batch: int
    epochs: int
    validation: int
    test: int
    full: bool = False

    @property
    def steps(self) -> int:
        """Updates of the weights in the whole training."""
        return math.ceil(self.training / self.batch) * self.epochs

    @property
    def seconds(self) -> float:
        """CPU-seconds on one thread, roughly: a guess for progress bars and limits."""
        seen = self.training * self.epochs + (self.validation * self.epochs + self.test) / 3
        return 1 + seen / 3200


BUDGETS = {
    "TINY": Budget(2000, 50, 2, 1000, 1000),
    "FEW_STEPS": Budget(3000, 250, 5, 1500, 2000),
    "SHORT": Budget(3000, 50, 5, 1500, 2000),
    "SMALL": Budget(6000, 250, 5, 1500, 2000),
    "MIDDLE": Budget(12000, 250, 6, 3000, 3000),
    "FULL": Budget(48000, 250, 25, 12000, 10000, full=True),
}


def budget_of(settings: Mapping[str, Any]) -> Budget:
    """The budget in completed settings."""
    return Budget(**{name: settings[name] for name in Budget.__dataclass_fields__})


def complete(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Checked settings with the numbers of their named budget filled in.

    `dict(budget="SMALL", epochs=10, ...)` is `SMALL` with another number of epochs.

    Raises:
        TypeError, ValueError: for a setting that is unknown, missing, or not what it should be.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"the settings of a run must be a mapping, received {settings!r}")
    settings = dict(settings)
    name = settings.get("budget", "SMALL")
    if not isinstance(name, str) or name not in BUDGETS:
        raise ValueError(f"budget must be one of {', '.join(BUDGETS)}, received {name!r}")
    completed = {"budget": name, **asdict(BUDGETS[name]), **settings}
    parameters = inspect.signature(function).parameters
    # A setting with a default is left out unless given: adding one must not void stored runs.
    needed = {name for name, p in parameters.items() if p.default is p.empty}
    unknown, missing = set(completed) - set(parameters), needed - set(completed)
    if unknown or missing:
        raise TypeError(
            f"{function.__name__} takes the settings {', '.join(parameters)}: "
            + "; ".join(
                f"{what} {', '.join(sorted(names))}"
                for what, names in (("unknown are", unknown), ("missing are", missing))
                if names
            )
        )
    for setting, value in completed.items():
        if setting in ("training", "batch", "epochs", "validation", "test"):
            completed[setting] = _whole(setting, value, 1)
        elif setting == "seed":
            completed[setting] = _whole(setting, value, 0, 2**32 - 1)
        elif setting == "rate":
            completed[setting] = _positive(setting, value)
        elif setting == "optimizer" and value not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, received {value!r}"
            )
        elif setting == "full" and value is not BUDGETS[name].full:
            raise ValueError(f"full is set by the budget {name}, received {value!r}")
    limits = (48000, 12000, 10000) if completed["full"] else (12000, 3000, 3000)
    for part, limit in zip(("training", "validation", "test"), limits, strict=True):
        if completed[part] > limit:
            raise ValueError(
                f"{part} must be at most {limit} images, as many as this data has, "
                f"received {completed[part]}"
            )
    if completed["batch"] > completed["training"]:
        raise ValueError(
            f"batch must be at most the {completed['training']} training images, "
            f"received {completed['batch']}"
        )
    return {name: completed[name] for name in parameters if name in completed}


def identity(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides a run's result: function, protocol, data and completed settings."""
    name = getattr(function, "__name__", repr(function))
    protocols = getattr(function, "__globals__", {}).get("PROTOCOL", {})
    if name not in protocols:
        raise TypeError(
            f"an experiment must be a function named in its module's PROTOCOL, received {name}"
        )
    # Records are of this module's functions; another's of the same name is another experiment.
    module = getattr(function, "__module__", "")
    return {
        "function": name if module == __name__ else f"{module}.{name}",
        "protocol": protocols[name],
        "data": fingerprint(settings["full"]),
        "settings": dict(settings),
    }


def train(
    *,
    budget: str,
    optimizer: str,
    rate: float,
    seed: int,
    training: int,
    batch: int,
    epochs: int,
    validation: int,
    test: int,
    full: bool,
) -> dict[str, Any]:
    """Train the article's network at a constant learning rate.

    The seed sets the initial weights, the dropout and the order of the batches, so trainings that
    share it share all three.

    Returns:
        `loss`, `accuracy` (with dropout, averaged over the epoch), `validation_loss` and
        `validation_accuracy`, one number an epoch; `test_loss` and `test_accuracy` at the end;
        `first_losses` of the first five batches (fewer where an epoch is shorter); `rates` at the
        start of each epoch, and `rates_sha256` over these, repeated for each step of their epoch.
        A number that is not finite is None.
    """
    _use_one_thread()
    import keras

    digits = (mnist_full() if full else mnist_subset()).first(training, validation, test)
    steps = math.ceil(training / batch)
    model, first = _compiled(optimizer, rate, seed, min(5, steps), steps_per_execution=steps)
    rates: list[float] = []
    note_rate = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    history = model.fit(
        _batches(digits, batch, seed),
        epochs=epochs,
        validation_data=_fixed(digits.x_validation, digits.y_validation),
        callbacks=[note_rate],
        shuffle=False,
        verbose=0,
    ).history
    test_loss, test_accuracy, _ = model.evaluate(_fixed(digits.x_test, digits.y_test), verbose=0)
    every = np.repeat(np.asarray(rates, np.float32), steps)
    return {
        "loss": _plain(history["loss"]),
        "accuracy": _plain(history["accuracy"]),
        "validation_loss": _plain(history["val_loss"]),
        "validation_accuracy": _plain(history["val_accuracy"]),
        "test_loss": _plain([test_loss])[0],
        "test_accuracy": _plain([test_accuracy])[0],
        "first_losses": _plain(first.losses),
        "rates": _plain(rates),
        "rates_sha256": hashlib.sha256(every.tobytes()).hexdigest()[:16],
    }


def first_losses(settings: Mapping[str, Any]) -> list[float | None]:
    """The losses of the first five batches, trained anew: what `train` must have seen as well."""
    s = settings
    digits = (mnist_full() if s["full"] else mnist_subset()).first(s["training"], 1, 1)
    count = min(5, math.ceil(s["training"] / s["batch"]))
    model, first = _compiled(s["optimizer"], s["rate"], s["seed"], count, steps_per_execution=1)
    model.fit(_batches(digits, s["batch"], s["seed"]).take(count), shuffle=False, verbose=0)
    return _plain(first.losses)


def _compiled(
    optimizer: str, rate: float, seed: int, count: int, steps_per_execution: int
) -> "tuple[keras.Model, Any]":
    _use_one_thread()
    import keras

    from lrguide.model import article_cnn

    class FirstLosses(keras.metrics.Metric):
        """The true losses of the first batches (what `fit` logs is their running mean)."""

        def __init__(self) -> None:
            super().__init__(name="first_losses")
            self.losses = self.add_weight(shape=(count,), initializer="zeros", name="losses")
            self.seen = self.add_weight(shape=(), initializer="zeros", dtype="int32", name="seen")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            # Keras' own loss: it finds the logits behind the softmax, so nothing is clipped.
            loss = keras.ops.mean(keras.losses.categorical_crossentropy(y_true, y_pred))
            here = keras.ops.equal(keras.ops.arange(count), self.seen)
            self.losses.assign(keras.ops.where(here, loss, self.losses))
            self.seen.assign_add(1)

        def result(self) -> Any:
            return self.losses[0]

        def reset_state(self) -> None:
            """Nothing: the first batches stay the first of the whole training."""

    keras.utils.clear_session()  # or each training would leave its graphs behind: 40 MB
    keras.utils.set_random_seed(seed)
    model = article_cnn()
    first = FirstLosses()
    model.compile(
        optimizer=keras.optimizers.get({"class_name": optimizer, "config": {}}),
        loss="categorical_crossentropy",
        metrics=["accuracy", first],
        steps_per_execution=steps_per_execution,
    )
    model.optimizer.learning_rate = rate
    return model, first


def _batches(digits: Digits, batch: int, seed: int) -> "tf.data.Dataset":
    """Batches in an order of their own each epoch; shuffling numbers is cheaper than images."""
    import tensorflow as tf

    x, y = tf.constant(digits.x_train), tf.constant(digits.y_train)
    order = tf.data.Dataset.range(len(digits.x_train)).shuffle(len(digits.x_train), seed=seed)
    return order.batch(batch).map(lambda i: (tf.gather(x, i), tf.gather(y, i)))


def _fixed(x: np.ndarray, y: np.ndarray) -> "tf.data.Dataset":
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(500)


def _use_one_thread() -> None:
    needed = "tensorflow, float32, channels_last"
    try:
        _import_tensorflow_quietly()
        from keras import config

        policy = config.dtype_policy().name
        seen = f"{config.backend()}, {policy}, {config.image_data_format()}"
    except ImportError as error:  # of a backend that is not installed
        seen = str(error)
    if seen != needed:
        raise RuntimeError(
            f"an experiment needs Keras with {needed}, received {seen}: "
            "see KERAS_BACKEND and keras.json"
        )
    import tensorflow as tf

    threads = tf.config.threading
    try:
        if threads.get_intra_op_parallelism_threads() != 1:
            threads.set_intra_op_parallelism_threads(1)
        if threads.get_inter_op_parallelism_threads() != 1:
            threads.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise RuntimeError(
            "an experiment needs TensorFlow on one thread, but TensorFlow already runs here with "
            "more: start a new process, or use measured(), which does"
        ) from error


def _import_tensorflow_quietly() -> None:
    """TensorFlow writes notes about drivers past Python, to file descriptor 2, at its import."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")  # a graph for each training is what we want
    finally:
        os.dup2(errors, 2)
        os.close(errors)
        os.close(nowhere)


def _plain(values: Any) -> list[float | None]:
    """Float32 numbers in their shortest exact form; None for what JSON cannot hold."""
    return [
        float(str(value)) if np.isfinite(value) else None
        for value in np.asarray(values, np.float32)
    ]


def _whole(setting: str, value: Any, least: int, most: float = math.inf) -> int:
    limits = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    message = f"{setting} must be a whole number {limits}, received {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    if not isinstance(value, Integral) or not least <= int(value) <= most:
        raise ValueError(message)
    return int(value)


def _positive(setting: str, value: Any) -> float:
    message = f"{setting} must be a finite number above 0, received {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not LOWEST_RATE <= number <= HIGHEST_RATE:
        raise ValueError(message)
    return number
