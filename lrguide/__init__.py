"""Learning rates for Keras 3, measured: schedules, the range test, cyclical rates.

Importing this imports nothing else: a name is fetched from its module when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrguide import (  # noqa: F401
        checks,
        course,
        cyclical,
        data,
        findings,
        internals,
        model,
        plots,
        range_test,
        rate_logger,
        schedules,
        traceless,
    )
    from lrguide.checks import *  # noqa: F403
    from lrguide.course import *  # noqa: F403
    from lrguide.cyclical import *  # noqa: F403
    from lrguide.data import *  # noqa: F403
    from lrguide.findings import *  # noqa: F403
    from lrguide.model import *  # noqa: F403
    from lrguide.range_test import *  # noqa: F403
    from lrguide.rate_logger import *  # noqa: F403
    from lrguide.schedules import *  # noqa: F403
    from lrguide.traceless import *  # noqa: F403

__version__ = "0.1.0"

# By module; what a figure is made with is called through its module: `plots.schedule`.
_NAMES = {
    "checks": ("check",),
    "course": ("rates_at",),
    "cyclical": (
        "ScheduledAdam",
        "ScheduledSGD",
        "exp_range",
        "one_cycle",
        "restarts",
        "triangular",
        "triangular2",
    ),
    "data": ("Digits", "mnist_full", "mnist_subset"),
    "findings": ("Finding",),
    "internals": (),
    "model": ("article_cnn",),
    "plots": (),
    "range_test": (
        "Confirmation",
        "RangeTestResult",
        "Suggestion",
        "lr_range_test",
    ),
    "rate_logger": ("LearningRateLogger",),
    "schedules": (
        "compounding_time",
        "constant",
        "cosine",
        "exponential",
        "inverse_sqrt",
        "inverse_time",
        "join",
        "linear",
        "per_epoch",
        "piecewise",
        "polynomial",
        "step_decay",
        "warmup",
        "warmup_stable_decay",
    ),
    "traceless": ("state_digest",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted([*_NAMES, *_MODULE_OF])


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
