"""When a sweep is called diverged: by the present rule, and by one that knows no noise.

    python -m tests.bench.divergence

Quiet sweeps change the model by nothing, or too little to matter; none of them diverges. Those that
really diverge are real sweeps up to a rate of 100. Where they do so is taken from the loss of the
whole data after each step of the same sweep, which has no noise of batches: the ratio of two
medians alone is right there. The delay is counted from the first step, from there on, at which that
ratio would also end the sweep by its batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from lrguide import traceless
from lrguide.data import mnist_subset
from lrguide.range_test import lr_range_test

BATCHES = (1, 2, 4, 8, 16, 32, 64)
FACTOR = 4.0


def by_ratio(losses: Sequence[float], medians: Sequence[float], factor: float) -> bool:
    """The rule until version 0.1: a ratio of two medians of 5 losses."""
    best = min(medians, default=0.0)
    return bool(medians) and medians[-1] > max(medians[0], best + (factor - 1) * abs(best))


def stop(
    losses: Sequence[float], rule: Callable[..., bool] = traceless._diverged, start: int = 0
) -> int | None:
    """The step, counted from 0, at which a rule ends a sweep with these losses; None if never."""
    windows = np.lib.stride_tricks.sliding_window_view(losses, 5)
    medians = np.median(windows, axis=1).tolist()
    for step in range(start, len(losses)):
        seen = list(losses[: step + 1])
        if rule(seen, medians[: max(0, step - 3)], FACTOR):
            return step
    return None


def simulated(count: int = 1000, steps: int = 100) -> Iterator[tuple[str, list[float]]]:
    """Losses of batches that nothing changes, by their kind."""
    numbers = np.random.default_rng(0)
    kinds: dict[str, Callable[[tuple[int, int]], Any]] = {
        "mse": lambda size: numbers.chisquare(1, size),
        "mse, heavy tails": lambda size: numbers.standard_t(3, size) ** 2,
        "cross-entropy, new": lambda size: numbers.normal(2.3, 0.3, size),
        "cross-entropy, trained": lambda size: np.logaddexp(0, numbers.normal(-9, 3, size)),
    }
    for number in range(count):
        name, draw = list(kinds.items())[number % len(kinds)]
        batch = BATCHES[number // len(kinds) % len(BATCHES)]
        yield f"simulated: {name}", draw((steps, batch)).mean(axis=1).tolist()


def regression() -> tuple[keras.Model, Any, Any]:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(2000, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True) + numbers.normal(size=(2000, 1)) / 2
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model, x, y.astype("float32")


def classifier() -> tuple[keras.Model, Any, Any]:
    digits = mnist_subset().first(2000, 1, 1)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy")
    return model, digits.x_train, digits.y_train


Real = tuple[str, list[list[float]], list[list[float]]]


def real() -> Iterator[Real]:
    """Real sweeps by name: the losses of their batches, and of all data where they diverge."""
    for make in (regression, classifier):
        for trained in (False, True):
            keras.utils.set_random_seed(1)
            model, x, y = make()
            if trained:
                model.fit(x, y, epochs=30, verbose=0)
            name = f"{make.__name__}, {'trained' if trained else 'new'}"

            def sweep(batch: int, low: float, high: float, **more: Any) -> list[list[float]]:
                given = dict(batch_size=batch, seeds=[0, 1], stop_factor=None, verbose=0) | more
                losses = lr_range_test(model, x, y, min_rate=low, max_rate=high, **given).losses  # noqa: B023
                return [row[np.isfinite(row)].tolist() for row in losses]

            for batch in BATCHES:
                for low, high in ((1e-30, 1e-20), (1e-8, 1e-4)):
                    yield f"real: {name}", sweep(batch, low, high), []
                if batch in (1, 4, 16, 64):
                    held = tf.data.Dataset.from_tensors((x, y))  # in one batch, not in ones
                    whole = sweep(batch, 1e-5, 100, validation_data=held)
                    yield f"diverging: {name}", sweep(batch, 1e-5, 100), whole


def main() -> None:
    """Print both tables."""
    quiet: dict[str, list[list[float]]] = {}
    for name, losses in simulated():
        quiet.setdefault(name, []).append(losses)
    delays: dict[str, list[float]] = {}
    for name, rows, whole in real():
        if not whole:
            quiet.setdefault(name, []).extend(rows)
        for row, exact in zip(rows, whole, strict=bool(whole)):
            begin = stop(exact, by_ratio)
            expected = None if begin is None else stop(row, by_ratio, begin)
            if expected is not None:
                found = stop(row)
                delays.setdefault(name, []).append(np.inf if found is None else found - expected)
    print("| quiet sweeps | number | diverged by the ratio alone | diverged now |")
    print("| --- | ---: | ---: | ---: |")
    for name, rows in quiet.items():
        called = [
            sum(stop(row, rule) is not None for row in rows)
            for rule in (by_ratio, traceless._diverged)
        ]
        print(f"| {name} | {len(rows)} | {called[0]} | {called[1]} |")
    print("\n| sweeps that diverge | number | steps later than the ratio, from least to most |")
    print("| --- | ---: | --- |")
    for name, late in delays.items():
        print(f"| {name} | {len(late)} | {', '.join(f'{steps:+.0f}' for steps in sorted(late))} |")


if __name__ == "__main__":
    main()
