"""A range test of 200 steps against the same 200 steps of plain `fit`, in pairs by turns.

    python -m tests.bench.range_test [repetitions]

Copying and restoring the state are included; tracing (the first call of the newly made training
function, less one step) is counted apart. Each ratio is the median over the pairs with its 95 %
interval. The target is for the network of this guide: upper end at most 1.15 of CPU-seconds. The
small network shows the cost of a step itself, which its own training no longer hides.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from lrguide.model import article_cnn
from lrguide.range_test import lr_range_test
from tests.bench import Seconds, interval, seconds

STEPS = 200


def small() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def tracing_of(model: Any) -> list[Seconds]:
    """How much longer the first call of each new training function takes than its second.

    A function and what it encloses, because the range test puts back what a model holds.
    """
    taken, make = [Seconds(0, 0)], model.make_train_function

    def make_timed(force: bool = False) -> None:
        if model.train_function is not None and not force:
            return
        make(force)
        function, calls = model.train_function, []

        def timed(iterator: Any) -> Any:
            if len(calls) == 2:
                return function(iterator)
            begin = Seconds.now()
            logs = function(iterator)
            float(logs["loss"])
            calls.append(Seconds.now() - begin)
            if len(calls) == 2:
                taken.append(calls[0] - calls[1])
            return logs

        model.train_function = timed

    model.make_train_function = make_timed
    return taken


def compare(
    make: Callable[[], keras.Model], batch: int, repetitions: int
) -> dict[str, list[Seconds]]:
    """What the parts of each repetition took: "fit", "test" without its tracing, "tracing"."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(STEPS * batch, 28, 28, 1)).astype("float32")
    y = numbers.integers(10, size=STEPS * batch)
    model = make()
    tracing = tracing_of(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    def fit() -> None:
        model.fit(x, y, batch_size=batch, verbose=0)

    def test() -> None:
        result = lr_range_test(
            model, x, y, steps=STEPS, batch_size=batch, seeds=[0], min_rate=1e-7, max_rate=1e-3,
            verbose=0,
        )  # fmt: skip
        assert np.isfinite(result.losses).all()

    fit()  # traces
    taken: dict[str, list[Seconds]] = {"fit": [], "test": [], "tracing": []}
    for number in range(repetitions):
        for name in ("fit", "test") if number % 2 else ("test", "fit"):
            one = seconds(fit if name == "fit" else test)
            if name == "test":
                taken["tracing"].append(tracing[-1])
                one -= tracing[-1]
            taken[name].append(one)
    return taken


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
    print(f"Range test of {STEPS} steps against plain fit, {repetitions} pairs by turns")
    print("| network | batch | CPU-s of fit | ratio of CPU (95 %) | of wall (95 %) | of tracing |")
    print("| --- | ---: | ---: | --- | --- | ---: |")
    for make, batch in ((article_cnn, 50), (article_cnn, 250), (small, 50)):
        taken = compare(make, batch, repetitions)
        fit, tracing = (statistics.median(s.cpu for s in taken[n]) for n in ("fit", "tracing"))
        pairs = list(zip(taken["test"], taken["fit"], strict=True))
        cpu = interval([test.cpu / fit.cpu for test, fit in pairs])
        wall = interval([test.wall / fit.wall for test, fit in pairs])
        print(
            f"| {make.__name__} | {batch} | {fit:.2f} | {cpu} | {wall} | {tracing:.2f} |",
            flush=True,
        )
    # In a process of its own, whose peak is not that of the trainings above.
    code = "from tests.bench.range_test import print_memory; print_memory()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"Memory: the peak grows by {run.stdout.strip()}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
