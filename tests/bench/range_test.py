"""A range test of 200 steps against the same 200 steps of plain `fit`, interleaved.

    python -m tests.bench.range_test [repetitions]

Copying and restoring the state are included; tracing (the first call of the newly made training
function, less one step) is counted apart. Each ratio is a mean with its 95 % interval. The target
is for the network of this guide: upper end at most 1.15. The small network shows the cost of a
step itself, which its own training no longer hides.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from lrguide.model import article_cnn
from lrguide.range_test import lr_range_test

STEPS = 200
# 97.5 % quantile of Student's t: the normal one and two terms of its expansion (from 4 degrees of
# freedom on within 0.02 of the exact value).
T = {1: 12.706, 2: 4.303, 3: 3.182}


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval; not a number for a single value."""
    mean, free = statistics.mean(values), len(values) - 1
    if free < 1:
        return mean, math.nan, math.nan
    z = 1.959964
    t = T.get(free, z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2))
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def small() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


class Tracing:
    """Notes how long the first call of a new training function takes longer than the second."""

    def __init__(self, model: Any) -> None:
        self.seconds, self.make = 0.0, model.make_train_function
        self.model, model.make_train_function = model, self

    def __call__(self, force: bool = False) -> None:
        if self.model.train_function is not None and not force:
            return
        self.make(force)
        function, calls = self.model.train_function, []

        def timed(iterator: Any) -> Any:
            if len(calls) == 2:
                return function(iterator)
            begin = time.perf_counter()
            logs = function(iterator)
            float(logs["loss"])
            calls.append(time.perf_counter() - begin)
            if len(calls) == 2:
                self.seconds = calls[0] - calls[1]
            return logs

        self.model.train_function = timed


def seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def compare(
    make: Callable[[], keras.Model], batch: int, repetitions: int
) -> tuple[list[float], float, float]:
    """Ratios of the repetitions, seconds of plain fit, seconds of tracing."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(STEPS * batch, 28, 28, 1)).astype("float32")
    y = numbers.integers(10, size=STEPS * batch)
    model = make()
    tracing = Tracing(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[: 4 * batch], y[: 4 * batch], batch_size=batch, verbose=0)  # traces

    def test() -> None:
        result = lr_range_test(
            model, x, y, steps=STEPS, batch_size=batch, seeds=[0], min_rate=1e-7, max_rate=1e-3,
            verbose=0,
        )  # fmt: skip
        assert np.isfinite(result.losses).all()

    ratios, plain, traced = [], [], []
    for _ in range(repetitions):
        plain.append(seconds(lambda: model.fit(x, y, batch_size=batch, verbose=0)))
        whole = seconds(test)
        traced.append(tracing.seconds)
        ratios.append((whole - tracing.seconds) / plain[-1])
    return ratios, statistics.median(plain), statistics.median(traced)


def print_memory() -> None:
    """Growth of the process's peak by a range test after plain training, in copies of the state."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(64, 1000)).astype("float32")
    model = keras.Sequential(
        [keras.Input((1000,)), *(layers.Dense(1000) for _ in range(40)), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    for _ in range(2):
        model.fit(x, x[:, :1], batch_size=8, verbose=0)
    size = sum(v.numpy().nbytes for v in [*model.variables, *model.optimizer.variables])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lr_range_test(model, x, x[:, :1], batch_size=8, steps=16, seeds=[0, 1], verbose=0)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    growth *= 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    print(f"{growth / size:.2f} copies of weights and slots ({size / 1e6:.0f} MB)")


def main(repetitions: int = 20) -> None:
    """Print the table."""
    print(f"Range test of {STEPS} steps against plain fit, {repetitions} interleaved repetitions")
    print("| network | batch | fit, s | ratio | 95 % interval | tracing apart, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for make, batch in ((article_cnn, 250), (article_cnn, 50), (small, 50)):
        ratios, plain, tracing = compare(make, batch, repetitions)
        mean, low, high = interval(ratios)
        print(
            f"| {make.__name__} | {batch} | {plain:.2f} | {mean:.3f} | {low:.3f} to {high:.3f} | "
            f"{tracing:.2f} |",
            flush=True,
        )
    # In a process of its own, whose peak is not that of the trainings above.
    code = "from tests.bench.range_test import print_memory; print_memory()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"Memory: the peak grows by {run.stdout.strip()}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
