"""A step of the range test against a step of plain `fit`, on the backend that Keras runs on.

    KERAS_BACKEND=jax python -m tests.bench.backends [repetitions]

Each repetition compares 200 steps with 200 of plain `fit`: what a sweep of 400 steps takes
more than one of 200, so that copying, restoring and compiling do not count. The ratio is the median
over the repetitions with its 95 % interval, of CPU-seconds. The target for its upper end is 1.15 on
TensorFlow and 1.25 on the others.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import keras
import numpy as np

from lrguide.model import article_cnn
from lrguide.range_test import lr_range_test
from tests.bench import interval, seconds

STEPS, BATCH = 200, 50


def main(repetitions: int = 10) -> None:
    """Print the table."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(STEPS * BATCH, 28, 28, 1)).astype("float32")
    y = numbers.integers(10, size=STEPS * BATCH)
    model = article_cnn()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    options: dict[str, Any] = dict(batch_size=BATCH, verbose=0)

    def sweep(steps: int) -> None:
        lr_range_test(
            model, x, y, **options, steps=steps, seeds=[0], min_rate=1e-7, max_rate=1e-3
        )  # fmt: skip

    model.fit(x, y, **options)  # compiles
    fits, sweeps = [], []
    for _ in range(repetitions):
        fits.append(seconds(lambda: model.fit(x, y, **options)).cpu)
        more, less = (seconds(lambda n=n: sweep(n)).cpu for n in (2 * STEPS, STEPS))  # type: ignore[misc]
        sweeps.append(more - less)
    ratio = interval([sweep / fit for sweep, fit in zip(sweeps, fits, strict=True)])
    fit, swept = (1000 * statistics.median(taken) / STEPS for taken in (fits, sweeps))
    print(f"{STEPS} steps of the guide's network, batches of {BATCH}, {repetitions} repetitions")
    print("| backend | CPU-ms a step of fit | of the range test | ratio (95 %) |")
    print("| --- | ---: | ---: | --- |")
    print(f"| {keras.backend.backend()} | {fit:.2f} | {swept:.2f} | {ratio} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
