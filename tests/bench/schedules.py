"""What a schedule costs against a constant rate, and the logger of rates against none.

    python -m tests.bench.schedules [repetitions]

Contenders take turns, each repetition in another order, on models of their own that were compiled
before; what is compared are repetitions, so a machine that slows down slows all. Ratios of CPU and
of wall seconds, each with the 95 % interval of its mean (bootstrap over the repetitions).
"""

import sys
import time
from collections.abc import Callable

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from lrguide import cyclical, schedules
from lrguide.checks import LearningRateLogger

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


def seconds(model: keras.Model, logger: bool) -> tuple[float, float]:
    """CPU and wall seconds of one fit."""
    callbacks = [LearningRateLogger()] if logger else []
    begin = time.process_time(), time.perf_counter()
    model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=callbacks)
    return time.process_time() - begin[0], time.perf_counter() - begin[1]


def measure(make: Callable[[], keras.Model], repetitions: int) -> dict[str, NDArray[np.float64]]:
    """For each contender the CPU and wall seconds of all repetitions, of shape (n, 2)."""
    models = {}
    for name, (rate, logger, _) in CONTENDERS.items():
        models[name] = make()
        models[name].compile(keras.optimizers.SGD(RATES[rate]()), "sparse_categorical_crossentropy")
        seconds(models[name], logger)  # compiles
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(repetitions):
        for name in NUMBERS.permutation(list(CONTENDERS)):
            taken[name].append(seconds(models[name], CONTENDERS[name][1]))
    return {name: np.array(pairs) for name, pairs in taken.items()}


def interval(ratios: NDArray[np.float64]) -> str:
    chosen = NUMBERS.integers(len(ratios), size=(10_000, len(ratios)))
    low, high = np.quantile(ratios[chosen].mean(axis=1), [0.025, 0.975])
    return f"{ratios.mean():.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{STEPS} steps of {BATCH} images, {repetitions} interleaved repetitions")
    print("| network | what | against | wall s | ratio of CPU (95 %) | ratio of wall (95 %) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for make in (convolutional, dense):
        taken = measure(make, repetitions)
        for name, (_, _, other) in CONTENDERS.items():
            if other:
                ratios = taken[name] / taken[other]
                print(
                    f"| {make.__name__} | {name} | {other} | {np.median(taken[name][:, 1]):.2f} "
                    f"| {interval(ratios[:, 0])} | {interval(ratios[:, 1])} |"
                )


if __name__ == "__main__":
    main()
