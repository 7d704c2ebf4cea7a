"""The atlas of curves: which traces there are, and the symptoms that they show."""

from collections.abc import Iterable
from typing import Any

from lrguide.guide.settings import crossed

SEEDS = (0, 1)

# Rates by half decades where the losses change, and far ones to either side.
RATES = {
    "Adam": (1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0),
    "SGD momentum": (1e-5, 1e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
# Where a schedule is tried: five rates around the best constant one.
TRIED = {
    "Adam": (0.001, 0.003, 0.01, 0.03, 0.1),
    "SGD momentum": (0.003, 0.01, 0.03, 0.1, 0.3),
}
SCHEDULES = ("linear", "warmup linear", "early cosine", "1cycle")
# 300 steps of few images, each seen thirty times.
FEW = dict(training=500, epochs=30)


def _traces(optimizer: str, rates: Iterable[float], **more: Any) -> list[dict[str, Any]]:
    settings = dict(budget="SHORT", validation=500, optimizer=optimizer, rate=rates, seed=SEEDS)
    return crossed(**settings, **more)


# Every trace of the atlas, what the presets need first.
PLAN: list[dict[str, Any]] = [
    *_traces("Adam", RATES["Adam"]),
    *_traces("Adam", (0.001, 0.01), dropout=False, **FEW),
    *_traces("Adam", TRIED["Adam"], schedule="early cosine"),
    *_traces("Adam", TRIED["Adam"], schedule="linear", resumed=(True, False)),
    *_traces("SGD momentum", RATES["SGD momentum"]),
    *_traces("Adam", TRIED["Adam"], schedule=("warmup linear", "1cycle")),
    *_traces("Adam", (3e-4, 0.003), dropout=False, **FEW),
    *_traces("Adam", (3e-4, 0.001, 0.003, 0.01), **FEW),
    *_traces("SGD momentum", TRIED["SGD momentum"], schedule=SCHEDULES),
]
