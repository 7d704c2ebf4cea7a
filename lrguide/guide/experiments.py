"""Experiments take plain numbers and return plain numbers, with the same bits each time.

An experiment is a module-level function of completed settings (`settings.complete`). It trains with
public Keras on one thread, since another number of threads gives other last bits; on TensorFlow,
where no setting names another backend.
"""

import gc
import hashlib
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.data import Digits, mnist_full, mnist_subset
from lrguide.guide import contenders, tasks
from lrguide.guide.settings import KERAS_DECAY, MNIST, TENSORFLOW

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Whoever changes a function's results on purpose raises its number: its stored runs are then void.
PROTOCOL = {"train": 1, "sweep": 1, "updates": 1}


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
    schedule: str = "constant",
    low: float = 0.0,
    network: str = "article_cnn",
    ema: float = 0.0,
    averaged: bool = False,
    task: str = MNIST,
    division: int = 0,
    backend: str = TENSORFLOW,
    weight_decay: float = KERAS_DECAY,
    body_rate: float = 1.0,
) -> dict[str, Any]:
    """Train a network, the article's by default, at a learning rate or a schedule of it.

    The seed sets the initial weights, the dropout and the order of the batches, so trainings that
    share it share all three.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        rate: the learning rate; of a schedule the initial, of one that rises the highest.
        seed: from 0.
        training: images, and so on for `validation` and `test`.
        batch: images in a batch.
        epochs: passes over the training images.
        validation: images.
        test: images.
        full: all of MNIST instead of the subset.
        schedule: a name in `contenders.SCHEDULES`, over the whole run.
        low: lower bound of a cyclical schedule; 0 stands for a quarter of the rate.
        network: a name in `contenders.NETWORKS`, for MNIST.
        ema: evaluate a moving average of the weights with this momentum; 0 keeps none.
        averaged: evaluate the weights that `ScheduleFreeAdamW` averages, not those it trains at.
        task: what to learn instead of MNIST, a name in `tasks.NAMES`, with the network of its own.
        division: which images or examples train. Of the MNIST subset, 0 takes the first ones, 1 as
            many behind them, and so on; another task's examples are divided into the three parts
            anew, by this seed.
        backend: of Keras. On another than TensorFlow a seed sets other weights and another order,
            and the results lack `test_loss_by_epoch`, `test_accuracy_by_epoch` and the rates.
        weight_decay: of AdamW, which multiplies it by the rate of the step.
        body_rate: the rate of all layers but the last, as a share of the rate; 0 leaves these
            layers as they are.

    Returns:
        `loss`, `accuracy` (with dropout, averaged over the epoch), `validation_loss` and
        `validation_accuracy`, one number an epoch; `test_loss` and `test_accuracy` at the end, and
        `test_loss_by_epoch` and `test_accuracy_by_epoch` at the end of each epoch (runs before
        December 2026 have not stored these two); `first_losses` of the first five batches (fewer
        where an epoch is shorter); `rates` at the start of each epoch, and `rates_sha256` over
        those of all steps. A regression has no accuracy. A number that is not finite is None.
    """
    settings = dict(locals())
    if backend != TENSORFLOW:
        return _train_elsewhere(settings)
    use_one_thread()
    import keras

    parts = _parts(settings)
    steps = math.ceil(training / batch)
    model, first, planned = _compiled(settings, steps_per_execution=steps)
    rates: list[float] = []
    by_epoch: list[dict[str, float]] = []
    test_part = _fixed(parts.x_test, parts.y_test)

    def test_too(logs: Any) -> None:
        """Where an epoch's validation ends, with the weights that were validated."""
        if len(by_epoch) < epochs - 1:
            by_epoch.append(model.evaluate(test_part, verbose=0, return_dict=True))

    # This callback runs first: others put averaged weights in place for a validation, and the
    # trained ones back after it.
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: rates.append(_rate_of(model.optimizer)),
            on_test_end=test_too,
        )
    ]
    if schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1))
    if ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if averaged:
        callbacks.append(contenders.averaged_weights())
    history = model.fit(
        shuffled(parts, batch, seed),
        epochs=epochs,
        validation_data=_fixed(parts.x_validation, parts.y_validation),
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    ).history
    # With a moving average, `fit` has left the averaged weights in the model by now.
    tested = model.evaluate(
        test_part,
        callbacks=callbacks[1:] if averaged else [],
        verbose=0,
        return_dict=True,
    )
    seen = ("loss", "accuracy") if "accuracy" in history else ("loss",)
    if isinstance(planned, float):
        every = np.repeat(np.asarray(rates, np.float32), steps)
    else:
        from lrguide.checks import rates_at

        every = rates_at(planned, np.arange(steps * epochs)).astype(np.float32)
    return {
        **{name: _plain(history[name]) for name in seen},
        **{f"validation_{name}": _plain(history[f"val_{name}"]) for name in seen},
        **{f"test_{name}": _plain([tested[name]])[0] for name in seen},
        **{
            f"test_{name}_by_epoch": _plain([each[name] for each in [*by_epoch, tested]])
            for name in seen
        },
        "first_losses": _plain(first.losses),
        "rates": _plain(rates),
        "rates_sha256": hashlib.sha256(every.tobytes()).hexdigest()[:16],
    }


def _rate_of(optimizer: Any) -> float:
    """The rate of the next step, that of the last layer where the others have their own."""
    several = getattr(optimizer, "optimizers", [])
    return float((several[0] if several else optimizer).learning_rate)


def _train_elsewhere(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same on JAX or PyTorch, at a constant rate, with Keras' own order of the images."""
    parts = _parts(settings)
    model, first, _ = _compiled(settings, steps_per_execution=1)
    history = model.fit(
        parts.x_train,
        parts.y_train,
        batch_size=settings["batch"],
        epochs=settings["epochs"],
        validation_data=(parts.x_validation, parts.y_validation),
        validation_batch_size=500,
        verbose=0,
    ).history
    tested = model.evaluate(parts.x_test, parts.y_test, batch_size=500, verbose=0, return_dict=True)
    seen = ("loss", "accuracy") if "accuracy" in history else ("loss",)
    return {
        **{name: _plain(history[name]) for name in seen},
        **{f"validation_{name}": _plain(history[f"val_{name}"]) for name in seen},
        **{f"test_{name}": _plain([tested[name]])[0] for name in seen},
        "first_losses": _plain(first.losses),
    }


def sweep(
    *,
    budget: str,
    optimizer: str,
    seed: int,
    training: int,
    batch: int,
    validation: int,
    full: bool,
    steps: int = 100,
    min_rate: float = 1e-6,
    max_rate: float = 10.0,
    spacing: str = "exponential",
    network: str = "article_cnn",
    monitored: str = "loss",
    task: str = MNIST,
) -> dict[str, Any]:
    """One learning rate range test, from new weights: `lr_range_test` with one seed.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        seed: sets the initial weights, the dropout and the order of the images.
        training: images, passed over as often as the steps need.
        batch: images in a batch.
        validation: images, where the validation loss is monitored.
        full: all of MNIST instead of the subset.
        steps: of the sweep.
        min_rate: of the first step.
        max_rate: of the last step.
        spacing: `exponential` or `linear`.
        network: a name in `contenders.NETWORKS`, for MNIST.
        monitored: `loss` of each batch, or `validation_loss` after each step.
        task: as in `train`.

    Returns:
        `sweep_rates` and `sweep_losses`, one number a step, None from where the sweep was stopped;
        `first_losses`, the first five of them; `stopped`, why, or empty.
    """
    use_one_thread()
    import keras

    from lrguide.range_test import lr_range_test

    parts = data_of(task, full).first(training, validation, 1)

    def build() -> "keras.Model":
        model = network_of(task, network)
        model.compile(contenders.optimizer(optimizer, min_rate), loss=loss_of(task))
        return model

    keras.utils.clear_session()
    held = (parts.x_validation, parts.y_validation) if monitored == "validation_loss" else None
    result = lr_range_test(
        None,
        parts.x_train,
        parts.y_train,
        min_rate=min_rate,
        max_rate=max_rate,
        steps=steps,
        sweep=spacing,  # type: ignore[arg-type]  # checked by `complete`
        seeds=[seed],
        batch_size=batch,
        validation_data=held,
        build=build,
        verbose=0,
    )
    losses = _plain(result.losses[0])
    return {
        "sweep_rates": _plain(result.rates),
        "sweep_losses": losses,
        "first_losses": losses[:5],
        "stopped": "".join(result.stopped),
    }


def updates(
    *,
    budget: str,
    optimizer: str,
    rate: float,
    seed: int,
    training: int,
    batch: int,
    full: bool,
    steps: int = 50,
    loss_weight: float = 1.0,
) -> dict[str, Any]:
    """How far an optimizer moves the weights of the article's network, in units of the rate.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        rate: the learning rate.
        seed: sets the initial weights, the dropout and the order of the images.
        training: images.
        batch: images in a batch.
        full: all of MNIST instead of the subset.
        steps: to train.
        loss_weight: what the loss, and with it every gradient, is multiplied by.

    Returns:
        `mean_update` and `largest_update`, one number a step: over all weights, how far each moved,
        divided by the rate; `first_losses`, unweighted.
    """
    use_one_thread()
    import keras

    digits = (mnist_full() if full else mnist_subset()).first(training, 1, 1)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = contenders.NETWORKS["article_cnn"]()
    made = contenders.optimizer(optimizer, rate)
    model.compile(made, loss="categorical_crossentropy", loss_weights=[loss_weight])
    seen: dict[str, list[float]] = {"mean_update": [], "largest_update": [], "first_losses": []}
    before = [weight.numpy() for weight in model.trainable_variables]

    def note(step: int, logs: Mapping[str, float]) -> None:
        nonlocal before
        after = [weight.numpy() for weight in model.trainable_variables]
        pairs = zip(after, before, strict=True)
        with np.errstate(invalid="ignore"):  # weights may have grown to infinity
            moved = np.concatenate([np.abs(a - b).ravel() for a, b in pairs]) / rate
        seen["mean_update"].append(float(moved.mean()))
        seen["largest_update"].append(float(moved.max()))
        if step < 5:
            seen["first_losses"].append(logs["loss"] / loss_weight)
        before = after
        model.reset_metrics()  # otherwise the next loss would be a running mean

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    batches = shuffled(digits, batch, seed).repeat().take(steps)
    model.fit(batches, callbacks=[callback], shuffle=False, verbose=0)
    return {name: _plain(values) for name, values in seen.items()}


def first_losses(function: Callable[..., Any], settings: Mapping[str, Any]) -> list[float | None]:
    """The losses of the first five batches, trained anew: what the run must have seen as well."""
    s = settings
    if function is not train or s["backend"] != TENSORFLOW:
        first: list[float | None] = function(**s)["first_losses"]
        return first
    parts = _parts({**s, "validation": 1, "test": 1})
    model, metric, _ = _compiled(s, steps_per_execution=1)
    batches = shuffled(parts, s["batch"], s["seed"]).take(_first(s))
    model.fit(batches, shuffle=False, verbose=0)
    return _plain(metric.losses)


def _first(settings: Mapping[str, Any]) -> int:
    return min(5, math.ceil(int(settings["training"]) / int(settings["batch"])))


def _compiled(
    settings: Mapping[str, Any], steps_per_execution: int
) -> "tuple[keras.Model, Any, Any]":
    """A new compiled network, its metric of the first losses, and its rate or schedule."""
    use_one_thread(settings.get("backend", TENSORFLOW))
    import keras

    count = _first(settings)
    loss_name = loss_of(settings["task"])
    loss_function = keras.losses.get(loss_name)

    class FirstLosses(keras.metrics.Metric):
        """The true losses of the first batches (what `fit` logs is their running mean)."""

        def __init__(self) -> None:
            super().__init__(name="first_losses")
            self.losses = self.add_weight(shape=(count,), initializer="zeros", name="losses")
            self.seen = self.add_weight(shape=(), initializer="zeros", dtype="int32", name="seen")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            # Keras' own loss: it finds the logits behind the softmax, so nothing is clipped.
            loss = keras.ops.mean(loss_function(y_true, y_pred))
            here = keras.ops.equal(keras.ops.arange(count), self.seen)
            self.losses.assign(keras.ops.where(here, loss, self.losses.value))
            self.seen.assign_add(1)

        def result(self) -> Any:
            return self.losses[0]

        def reset_state(self) -> None:
            """Nothing: the first batches stay the first of the whole training."""

    keras.utils.clear_session()  # otherwise each training would leave 40 MB of graphs behind
    keras.utils.set_random_seed(settings["seed"])
    model = network_of(settings["task"], settings["network"])
    first = FirstLosses()
    planned = _planned(settings, settings["rate"])
    model.compile(
        _optimizer_of(model, settings, planned),
        loss=loss_name,
        metrics=[first] if loss_name == "mean_squared_error" else ["accuracy", first],
        steps_per_execution=steps_per_execution,
    )
    return model, first, planned


def _planned(settings: Mapping[str, Any], rate: float) -> Any:
    """The rate or its schedule over the whole run."""
    steps = math.ceil(settings["training"] / settings["batch"]) * settings["epochs"]
    return contenders.SCHEDULES[settings["schedule"]](rate, steps, settings["low"] or rate / 4)


def _optimizer_of(model: "keras.Model", settings: Mapping[str, Any], planned: Any) -> Any:
    """A new optimizer; it may leave the model's body, all layers but the last, slower or frozen."""
    import keras

    def at(rate: Any) -> Any:
        made = contenders.optimizer(
            settings["optimizer"],
            rate,
            cycle_momentum=settings["schedule"] == "1cycle",
            ema=settings["ema"],
        )
        if settings["weight_decay"] != KERAS_DECAY:
            made.weight_decay = settings["weight_decay"]
        return made

    share = settings["body_rate"]
    if share == 1:
        return at(planned)
    if share == 0:
        for layer in model.layers[:-1]:
            layer.trainable = False
        return at(planned)
    of_last, of_body = at(planned), at(_planned(settings, share * settings["rate"]))
    by_path = {variable.path: of_last for variable in model.layers[-1].trainable_variables}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(of_body, by_path))


def data_of(task: str, full: bool, division: int = 0) -> Digits:
    """The data of a task, whole."""
    if task != MNIST:
        return tasks.data(task, division)
    return mnist_full() if full else mnist_subset()


def _parts(settings: Mapping[str, Any]) -> Digits:
    """The images or examples of completed settings."""
    s, division = settings, settings["division"]
    data = data_of(s["task"], s["full"], division)
    if s["task"] == MNIST and division:
        behind = s["training"] * division
        data = replace(data, x_train=data.x_train[behind:], y_train=data.y_train[behind:])
    return data.first(s["training"], s["validation"], s["test"])


def network_of(task: str, network: str) -> "keras.Model":
    """A new network: the task's own, or of MNIST the one with this name."""
    return contenders.NETWORKS[network]() if task == MNIST else tasks.named(task).network()


def loss_of(task: str) -> str:
    """The name of the loss that a task is trained with."""
    return "categorical_crossentropy" if task == MNIST else tasks.named(task).loss


def shuffled(digits: Digits, batch: int, seed: int) -> "tf.data.Dataset":
    """Batches in an order of their own each epoch; shuffling numbers is cheaper than images."""
    import tensorflow as tf

    x, y = tf.constant(digits.x_train), tf.constant(digits.y_train)
    order = tf.data.Dataset.range(len(digits.x_train)).shuffle(len(digits.x_train), seed=seed)
    return order.batch(batch).map(lambda i: (tf.gather(x, i), tf.gather(y, i)))


def _fixed(x: np.ndarray, y: np.ndarray) -> "tf.data.Dataset":
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(500)


def use_one_thread(backend: str = TENSORFLOW) -> None:
    """Import a backend, TensorFlow by default, and keep it to one thread.

    Raises:
        RuntimeError: if Keras has another backend, precision or format of images, or TensorFlow
            runs here with more threads already.
    """
    needed = f"{backend}, float32, channels_last"
    try:
        if backend == TENSORFLOW:
            _import_tensorflow_quietly()
        from keras import config

        policy = config.dtype_policy().name
        seen = f"{config.backend()}, {policy}, {config.image_data_format()}"
    except ImportError as error:  # the backend is not installed
        seen = str(error)
    if seen != needed:
        raise RuntimeError(
            f"an experiment needs Keras with {needed}, received {seen}: "
            "see KERAS_BACKEND and keras.json"
        )
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
    if backend != TENSORFLOW:  # JAX has been told by its environment
        return
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
    if tf.config.list_physical_devices("GPU"):
        # Otherwise a GPU adds in another order each time, and rounds factors to ten bits.
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)


def _import_tensorflow_quietly() -> None:
    """TensorFlow writes notes about drivers past Python, to file descriptor 2, at its import."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    gc.disable()  # a quarter of the import's time, and all that is imported stays
    try:
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")  # it warns of a new graph for each training, as we want
    finally:
        gc.freeze()  # otherwise each `clear_session` would take seconds to search the libraries
        gc.enable()
        os.dup2(errors, 2)
        os.close(errors)
        os.close(nowhere)


def _plain(values: Any) -> list[float | None]:
    """Float32 numbers in their shortest exact form; None for what JSON cannot hold."""
    return [
        float(str(value)) if np.isfinite(value) else None
        for value in np.asarray(values, np.float32)
    ]
