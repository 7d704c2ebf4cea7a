"""What a schedule costs against a constant rate, and the logger of rates against none.

    python -m tests.bench.schedules [repetitions]

Contenders take turns, each repetition in another order, on models of their own that were compiled
before; what is compared are repetitions, so a machine that slows down slows all. Each ratio is the
median over the repetitions with its 95 % interval. The target: upper end below 1.05 of CPU-seconds.
"""

import statistics
import sys
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from lrguide import cyclical, schedules
from lrguide.checks import LearningRateLogger
from tests.bench import Seconds, interval, seconds

STEPS, BATCH = 200, 50
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
) -> dict[str, list[Seconds]]:
    """What each repetition of each contender took."""

    def fit(name: str) -> None:
        callbacks = [LearningRateLogger()] if CONTENDERS[name][1] else []
        models[name].fit(X, Y, BATCH, epochs=epochs, verbose=0, callbacks=callbacks)

    models = {}
    for name, (rate, _, _) in CONTENDERS.items():
        models[name] = make()
        models[name].compile(keras.optimizers.SGD(RATES[rate]()), "sparse_categorical_crossentropy")
        fit(name)  # compiles
    taken: dict[str, list[Seconds]] = {name: [] for name in CONTENDERS}
    for _ in range(repetitions):
        for name in NUMBERS.permutation(list(CONTENDERS)):
            taken[name].append(seconds(lambda name=name: fit(name)))
    return taken


def main(repetitions: int = 20) -> None:
    """Print the table."""
    print(f"Steps of {BATCH} images, {repetitions} repetitions by turns")
    print("| network, steps | what | against | CPU-s | ratio of CPU (95 %) | of wall (95 %) |")
    print("| --- | --- | --- | ---: | --- | --- |")
    for make, epochs in ((convolutional, 1), (dense, 5)):
        taken = measure(make, epochs, repetitions)
        network = f"{make.__name__}, {STEPS * epochs}"
        for name, (_, _, other) in CONTENDERS.items():
            if other:
                pairs = list(zip(taken[name], taken[other], strict=True))
                cpu = interval([one.cpu / base.cpu for one, base in pairs])
                wall = interval([one.wall / base.wall for one, base in pairs])
                took = statistics.median(one.cpu for one in taken[name])
                print(f"| {network} | {name} | {other} | {took:.2f} | {cpu} | {wall} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
