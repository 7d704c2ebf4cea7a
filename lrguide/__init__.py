"""Learning rates for Keras 3, measured: schedules, the range test, cyclical rates.

Importing this imports nothing else: a name is fetched from its module when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrguide import (  # noqa: F401
        arguments,
        checks,
        composing,
        confirmation,
        course,
        cyclical,
        data,
        finder,
        findings,
        fit_arguments,
        internals,
        intervals,
        lengths,
        model,
        model_state,
        pilots,
        plots,
        range_test,
        rate_logger,
        rules,
        saved_schedule,
        scheduled_optimizers,
        schedules,
        swept_fit,
        traceless,
    )
    from lrguide.checks import *  # noqa: F403
    from lrguide.composing import *  # noqa: F403
    from lrguide.confirmation import *  # noqa: F403
    from lrguide.course import *  # noqa: F403
    from lrguide.cyclical import *  # noqa: F403
    from lrguide.data import *  # noqa: F403
    from lrguide.finder import *  # noqa: F403
    from lrguide.findings import *  # noqa: F403
    from lrguide.model import *  # noqa: F403
    from lrguide.model_state import *  # noqa: F403
    from lrguide.pilots import *  # noqa: F403
    from lrguide.range_test import *  # noqa: F403
    from lrguide.rate_logger import *  # noqa: F403
    from lrguide.rules import *  # noqa: F403
    from lrguide.scheduled_optimizers import *  # noqa: F403
    from lrguide.schedules import *  # noqa: F403

__version__ = "0.1.0"

# The public names of each module. Those of `plots` are called through it: `plots.schedule`.
_NAMES = {
    "arguments": (),
    "checks": ("check",),
    "composing": (
        "join",
        "per_epoch",
        "warmup",
    ),
    "confirmation": ("Confirmation",),
    "course": ("rates_at",),
    "cyclical": (
        "exp_range",
        "one_cycle",
        "restarts",
        "triangular",
        "triangular2",
    ),
    "data": (
        "Digits",
        "mnist_full",
        "mnist_subset",
    ),
    "finder": (
        "FoundRate",
        "find_rate",
    ),
    "findings": ("Finding",),
    "fit_arguments": (),
    "internals": (),
    "intervals": (),
    "lengths": (),
    "model": ("article_cnn",),
    "model_state": ("state_digest",),
    "pilots": ("Pilot",),
    "plots": (),
    "range_test": (
        "RangeTestResult",
        "lr_range_test",
    ),
    "rate_logger": ("LearningRateLogger",),
    "rules": ("Suggestion",),
    "saved_schedule": (),
    "scheduled_optimizers": (
        "ScheduledAdam",
        "ScheduledSGD",
    ),
    "schedules": (
        "compounding_time",
        "constant",
        "cosine",
        "exponential",
        "inverse_sqrt",
        "inverse_time",
        "linear",
        "piecewise",
        "polynomial",
        "step_decay",
        "warmup_stable_decay",
    ),
    "swept_fit": (),
    "traceless": (),
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
