"""A range test of 200 steps against the same 200 steps of plain `fit`, interleaved.

    python tests/bench/range_test.py [repetitions]

Copying and restoring the state are included; tracing (the first call of the newly made training
function, less one step) is counted apart. Each ratio comes with the 95 % interval of its mean.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from lrguide.range_test import lr_range_test

STEPS, BATCH = 200, 50


class Timed(keras.Sequential):
    """Records how long the first call of each training function takes longer than the second."""

    tracing = 0.0

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras does, with a stopwatch around it."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        function, calls = self.train_function, []

        def timed(iterator: Any) -> Any:
            if len(calls) == 2:
                return function(iterator)
            begin = time.perf_counter()
            logs = function(iterator)
            float(logs["loss"])
            calls.append(time.perf_counter() - begin)
            if len(calls) == 2:
                self.tracing = calls[0] - calls[1]
            return logs

        self.train_function = timed


def convolutional() -> keras.Model:
    return Timed(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def dense() -> keras.Model:
    return Timed(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def compare(make: Callable[[], keras.Model], repetitions: int) -> tuple[list[float], float, float]:
    """Ratios of the repetitions, seconds of plain fit, seconds of tracing."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(STEPS * BATCH, 28, 28, 1)).astype("float32")
    y = numbers.integers(10, size=STEPS * BATCH)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:100], y[:100], batch_size=BATCH, verbose=0)  # traces

    def test() -> None:
        result = lr_range_test(
            model, x, y, steps=STEPS, batch_size=BATCH, seeds=[0], stop_factor=None, verbose=0,
            min_rate=1e-7, max_rate=1e-3,
        )  # fmt: skip
        assert np.isfinite(result.losses).all()

    ratios, plain, tracing = [], [], []
    for _ in range(repetitions):
        plain.append(seconds(lambda: model.fit(x, y, batch_size=BATCH, verbose=0)))
        whole = seconds(test)
        tracing.append(model.tracing)
        ratios.append((whole - model.tracing) / plain[-1])
    return ratios, statistics.median(plain), statistics.median(tracing)


def extra_memory(make: Callable[[], keras.Model]) -> float:
    """Peak of NumPy's memory during a test, in copies of weights and slots."""
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    size = sum(v.numpy().nbytes for v in [*model.variables, *model.optimizer.variables])
    x, y = np.zeros((4, 28, 28, 1), "float32"), np.zeros(4, "int32")
    tracemalloc.start()
    lr_range_test(model, x, y, steps=2, seeds=[0], verbose=0)
    arrays = tracemalloc.take_snapshot  # peak is taken from the traced total, not a snapshot
    del arrays
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / size


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{STEPS} steps of {BATCH} images, {repetitions} interleaved repetitions")
    print("| network | fit, s | ratio | 95 % interval | tracing apart, s |")
    print("| --- | --- | --- | --- | --- |")
    for make in (convolutional, dense):
        ratios, plain, tracing = compare(make, repetitions)
        mean = statistics.mean(ratios)
        half = 2.093 * statistics.stdev(ratios) / len(ratios) ** 0.5
        print(
            f"| {make.__name__} | {plain:.2f} | {mean:.3f} | {mean - half:.3f} to "
            f"{mean + half:.3f} | {tracing:.2f} |"
        )


if __name__ == "__main__":
    main()
