"""Benchmarks: one module a part, each with a `main` that prints a table."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

# 97.5 % quantile of Student's t: the normal one and two terms of its expansion (from 4 degrees of
# freedom on within 0.02 of the exact value).
_T = {1: 12.706, 2: 4.303, 3: 3.182}
_Z = 1.959964


class Seconds(NamedTuple):
    """What something took, of the processor (all threads of this process) and by the clock.

    Ratios of CPU-seconds hold while other processes run, too; the clock's do not.
    """

    cpu: float
    wall: float

    @classmethod
    def now(cls) -> "Seconds":
        return cls(time.process_time(), time.perf_counter())

    def __sub__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu - other.cpu, self.wall - other.wall)


def seconds(action: Callable[[], Any]) -> Seconds:
    """What one call takes."""
    begin = Seconds.now()
    action()
    return Seconds.now() - begin


def interval(values: list[float]) -> str:
    """Mean and 95 % interval (Student's t) as text; no interval of a single value."""
    mean, free = statistics.mean(values), len(values) - 1
    if free < 1:
        return f"{mean:.3f}"
    t = _T.get(
        free, _Z + (_Z**3 + _Z) / (4 * free) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * free**2)
    )
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"
