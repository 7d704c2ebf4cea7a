"""Every step of a training: what a curve looks like, and what tells it from its double.

`trace` is an experiment as those of `experiments` are.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.guide import contenders
from lrguide.guide.experiments import data_of, loss_of, network_of, shuffled, use_one_thread
from lrguide.guide.settings import MNIST

if TYPE_CHECKING:
    import tensorflow as tf

PROTOCOL = {"trace": 1}

EVERY = 10  # steps from one look at the validation images to the next


def trace(
    *,
    budget: str,
    optimizer: str,
    rate: float,
    seed: int,
    training: int,
    batch: int,
    epochs: int,
    validation: int,
    full: bool,
    schedule: str = "constant",
    dropout: bool = True,
    resumed: bool = False,
) -> dict[str, Any]:
    """Train the article's network and note each step.

    The seed sets the initial weights, the dropout and the order of the batches.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        rate: the learning rate; of a schedule the initial, of one that rises the highest.
        seed: from 0.
        training: images.
        batch: images in a batch.
        epochs: passes over the training images.
        validation: images.
        full: all of MNIST instead of the subset.
        schedule: a name in `contenders.SCHEDULES`, over the whole run.
        dropout: train with the network's dropout.
        resumed: from the middle of the run on, begin the optimizer and its schedule anew, as
            happens where only the weights are saved.

    Returns:
        Of each step: `loss` of its batch (with dropout), and with it the length of the `gradient`
        of all weights, and how far the step moved them, divided by the length of all weights
        before it, as `update`. Of the weights before the first step and after every tenth:
        `validation_loss` and `validation_accuracy`; `dead`, the share of the rectified units that
        are 0 for each of the validation images, where a channel of a convolution is one unit; and
        `rates`, that of the next step, or at the end of the last one. These have three significant
        digits, and None for what is not finite. `first_losses` are the exact losses of the first
        five steps.
    """
    use_one_thread()
    import keras
    import tensorflow as tf

    parts = data_of(MNIST, full).first(training, validation, 1)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = network_of(MNIST, "article_cnn")
    rectified = [each.output for each in model.layers if _is_rectified(each)]
    inside = keras.Model(model.inputs, [*model.outputs, *rectified])
    loss_function = keras.losses.get(loss_of(MNIST))
    weights = model.trainable_variables
    steps = math.ceil(training / batch) * epochs
    images, labels = tf.constant(parts.x_validation), tf.constant(parts.y_validation)

    def new_step() -> tuple[Any, Any]:
        """An optimizer, and a function that makes a step with it."""
        # The middle of a run is a whole number of steps into a schedule of the whole run.
        made = contenders.optimizer(
            optimizer,
            contenders.SCHEDULES[schedule](rate, steps, rate / 4),
            cycle_momentum=schedule == "1cycle",
        )
        made.build(weights)

        @tf.function  # type: ignore[untyped-decorator]
        def step(x: "tf.Tensor", y: "tf.Tensor") -> list["tf.Tensor"]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(loss_function(y, model(x, training=dropout)))
            gradients = tape.gradient(loss, weights)
            before = [tf.identity(weight) for weight in weights]
            made.apply(gradients, weights)
            moved = [after - b for after, b in zip(weights, before, strict=True)]
            lengths = [tf.linalg.global_norm(each) for each in (gradients, moved, before)]
            return [loss, lengths[0], lengths[1] / lengths[2]]

        return made, step

    @tf.function  # type: ignore[untyped-decorator]
    def look() -> list["tf.Tensor"]:
        outputs, *hidden = inside(images, training=False)
        right = tf.equal(tf.argmax(outputs, 1), tf.argmax(labels, 1))
        dead = [tf.reduce_max(tf.reshape(h, (-1, h.shape[-1])), 0) <= 0.0 for h in hidden]
        return [
            tf.reduce_mean(loss_function(labels, outputs)),
            tf.reduce_mean(tf.cast(right, tf.float32)),
            tf.reduce_mean(tf.cast(tf.concat(dead, 0), tf.float32)),
        ]

    made, step = new_step()
    of_steps, looks = [], []
    for index, (x, y) in enumerate(shuffled(parts, batch, seed).repeat(epochs)):
        if resumed and index == steps // 2:
            made, step = new_step()
        if index % EVERY == 0:
            looks.append([*look(), made.learning_rate])
        last = float(made.learning_rate)
        of_steps.append(step(x, y))
    looks.append([*look(), last])
    each_step, each_look = (np.array(rows, np.float64).T for rows in (of_steps, looks))
    names = ("validation_loss", "validation_accuracy", "dead", "rates")
    return {
        **dict(zip(("loss", "gradient", "update"), map(_short, each_step), strict=True)),
        **dict(zip(names, map(_short, each_look), strict=True)),
        "first_losses": [float(x) if math.isfinite(x) else None for x in each_step[0][:5]],
    }


def _is_rectified(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") == "relu"


def _short(values: Any) -> list[float | None]:
    """Three significant digits; None for what JSON cannot hold."""
    return [float(f"{value:.3g}") if math.isfinite(value) else None for value in values]
