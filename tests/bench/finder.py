"""What `find_rate` costs beside the steps that it pays for, against as many steps of plain `fit`.

    python -m tests.bench.finder [repetitions]

Copying, restoring, measuring, the start of each pilot, and tracing, which each search does once,
are included; the tracing of `fit` is not. The ratio of CPU-seconds is the median over the pairs,
taken by turns; the target is below 1.1 for the network of this guide. Tracing takes as long for a
short run as for a long one, so it is shown for two lengths.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from lrguide.finder import find_rate
from lrguide.model import article_cnn

LENGTHS, BATCH = (300, 1000), 50


def seconds(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def main(repetitions: int = 3) -> None:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(3000, 28, 28, 1)).astype("float32")
    y = numbers.integers(10, size=len(x))
    model = article_cnn()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, verbose=0)  # traces
    print("| steps of the run | find_rate / fit of as many steps |\n| ---: | ---: |")
    for steps in LENGTHS:
        paid: list[int] = []

        def find(steps: int = steps, paid: list[int] = paid) -> None:
            found = find_rate(model, x, y, steps=steps, batch_size=BATCH, verbose=0)
            paid.append(round(found.price * steps))

        find()
        # As many epochs as hold the steps that were paid, reduced to as many steps.
        whole = -(-paid[0] * BATCH // len(x))
        ratios = []
        for _ in range(repetitions):
            ours = seconds(find)
            plain = seconds(partial(model.fit, x, y, batch_size=BATCH, epochs=whole, verbose=0))
            ratios.append(ours / (plain * paid[-1] / (whole * len(x) / BATCH)))
        print(f"| {steps} | {statistics.median(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
