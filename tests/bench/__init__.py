"""Benchmarks: one module a part, each with a `main` that prints a table."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


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
    """Median and its 95 % interval by ranks, which asks nothing of the noise, as text.

    Of 20 values it reaches from the sixth smallest to the sixth largest; below 6 there is none.
    """
    ordered, rank, chance = sorted(values), 0, 0.0
    while (chance := chance + math.comb(len(values), rank) / 2 ** len(values)) <= 0.025:
        rank += 1
    middle = statistics.median(values)
    if not rank:
        return f"{middle:.3f}"
    return f"{middle:.3f} ({ordered[rank - 1]:.3f} to {ordered[-rank]:.3f})"
