"""What a schedule costs against a constant rate, and the logger of rates against none.

    python -m tests.bench.schedules [repetitions]

A repetition trains both by turns and compares the faster training of each: what comes from outside
makes a training slower, none faster. All share their weights, for where weights lie in memory makes
more of a difference than a schedule. Each ratio is the median over the repetitions with its 95 %
interval. The target: it includes 1, or nearly, and its upper end is below 1.05 of CPU-seconds.
"""

import statistics
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from lrguide import cyclical, schedules
from lrguide.rate_logger import LearningRateLogger
from tests.bench import Seconds, interval, seconds

STEPS, BATCH, TURNS = 60, 50, 1
NUMBERS = np.random.default_rng(0)
X = NUMBERS.normal(size=(STEPS * BATCH, 28, 28, 1)).astype("float32")
Y = NUMBERS.integers(10, size=STEPS * BATCH)

RATES: dict[str, Callable[[], object]] = {
    "constant": lambda: 0.01,
    "cosine after warmup": lambda: schedules.warmup(schedules.cosine(0.01, 10_000), 100),
    "1cycle": lambda: cyclical.one_cycle(0.01, 10_000),
}
# Name, rate, logger; and the name of what it is compared with.
CONTENDERS = {
    "constant": ("constant", False, ""),
    "cosine after warmup": ("cosine after warmup", False, "constant"),
    "1cycle": ("1cycle", False, "constant"),
    "logger, constant": ("constant", True, "constant"),
    "logger, cosine after warmup": ("cosine after warmup", True, "cosine after warmup"),
    "logger, 1cycle": ("1cycle", True, "1cycle"),
}


def convolutional() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def dense() -> keras.Model:
    """The least that a step can take: what is added to it shows most."""
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")]
    )


def measure(
    make: Callable[[], keras.Model], epochs: int, repetitions: int
) -> dict[str, list[tuple[Seconds, Seconds]]]:
    """What each contender took, and what it is compared with, in each repetition."""

    def fit(name: str) -> None:
        callbacks = [LearningRateLogger()] if CONTENDERS[name][1] else []
        models[name].fit(X, Y, BATCH, epochs=epochs, verbose=0, callbacks=callbacks)

    models, shared = {}, make().layers
    for name, (rate, _, _) in CONTENDERS.items():
        models[name] = keras.Sequential([keras.Input((28, 28, 1)), *shared])
        models[name].compile(keras.optimizers.SGD(RATES[rate]()), "sparse_categorical_crossentropy")
        fit(name)  # compiles
    compared = {name: other for name, (_, _, other) in CONTENDERS.items() if other}
    taken: dict[str, list[tuple[Seconds, Seconds]]] = {name: [] for name in compared}
    for _ in range(repetitions):
        for name, other in compared.items():
            took: dict[str, list[Seconds]] = {name: [], other: []}
            for each in [name, other, other, name] * TURNS:
                took[each].append(seconds(lambda each=each: fit(each)))
            # The smallest of each column: CPU-seconds, and those by the clock.
            fastest = {each: Seconds(*map(min, zip(*s, strict=True))) for each, s in took.items()}
            taken[name].append((fastest[name], fastest[other]))
    return taken


def main(repetitions: int = 20) -> None:
    """Print the table."""
    tf.config.threading.set_intra_op_parallelism_threads(1)  # threads that wait for each other
    tf.config.threading.set_inter_op_parallelism_threads(1)  # spin, and that is all noise
    print(f"Steps of {BATCH} images on one thread, {repetitions} repetitions")
    print("| network, steps | what | against | CPU-s | ratio of CPU (95 %) | of wall (95 %) |")
    print("| --- | --- | --- | ---: | --- | --- |")
    for make, epochs in ((convolutional, 2), (dense, 10)):
        network = f"{make.__name__}, {STEPS * epochs}"
        for name, pairs in measure(make, epochs, repetitions).items():
            cpu = interval([one.cpu / base.cpu for one, base in pairs])
            wall = interval([one.wall / base.wall for one, base in pairs])
            took, other = statistics.median(one.cpu for one, _ in pairs), CONTENDERS[name][2]
            print(f"| {network} | {name} | {other} | {took:.2f} | {cpu} | {wall} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
