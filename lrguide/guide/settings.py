"""Check what an experiment is asked for, and tell which settings decide a run's result.

A run is asked for with the few settings that matter; `complete` checks them and fills in the rest.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np

from lrguide.data import fingerprint
from lrguide.guide import contenders, tasks
from lrguide.guide.task import Task

MNIST = "MNIST"  # the task of all runs that name no other
TENSORFLOW = "tensorflow"  # the backend of all runs that name no other
BACKENDS = (TENSORFLOW, "jax", "torch")
KERAS_DECAY = 0.004  # the weight decay of AdamW, where no setting names another
FINE_TUNED = ("FINE_TUNING",)  # tasks whose networks have learned, all but the last layer

# The functions of this module have the records. It imports this one, so only its name stands here.
EXPERIMENTS = "lrguide.guide.experiments"

# Keras holds a rate in float32, so a rate must be neither 0 nor infinite there.
LOWEST_RATE, HIGHEST_RATE = (float(limit) for limit in (np.finfo("f4").tiny, np.finfo("f4").max))


@dataclass(frozen=True)
class Budget:
    """What one training may use: images, batch size (images), epochs; `full` is all of MNIST."""

    training: int
    batch: int
    epochs: int
    validation: int
    test: int
    full: bool = False
    speed: int = 3200  # images, or examples, a second of training

    @property
    def steps(self) -> int:
        """Updates of the weights in the whole training."""
        return math.ceil(self.training / self.batch) * self.epochs

    @property
    def seconds(self) -> float:
        """CPU-seconds on one thread, roughly: a guess for progress bars and limits."""
        seen = self.training * self.epochs + (self.validation * self.epochs + self.test) / 3
        return 1 + seen / self.speed


def _budget(task: Task) -> Budget:
    return Budget(task.parts[0], task.batch, task.epochs, *task.parts[1:], speed=task.speed)


BUDGETS = {
    "TINY": Budget(2000, 50, 2, 1000, 1000),
    "FEW_STEPS": Budget(3000, 250, 5, 1500, 2000),
    "SHORT": Budget(3000, 50, 5, 1500, 2000),
    "SMALL": Budget(6000, 250, 5, 1500, 2000),
    "MIDDLE": Budget(12000, 250, 6, 3000, 3000),
    # Each of the other tasks has a budget of its own, with all its examples.
    **{name: _budget(tasks.named(name)) for name in tasks.NAMES},
    "FULL": Budget(48000, 250, 25, 12000, 10000, full=True),
}


def budget_of(settings: Mapping[str, Any]) -> Budget:
    """The budget of completed settings; that of a sweep follows from its steps."""
    numbers = asdict(BUDGETS[settings["budget"]])
    numbers = {name: settings.get(name, number) for name, number in numbers.items()}
    if "steps" in settings:
        numbers |= dict(training=settings["steps"] * settings["batch"], epochs=1)
    return Budget(**numbers)


def crossed(**settings: Any) -> list[dict[str, Any]]:
    """A mapping for each combination of settings, the last one that has several running fastest.

    Args:
        **settings: a value, or several of them: a list, a tuple, a range.

    Example:
        >>> from lrguide.guide.settings import crossed
        >>> crossed(rate=[0.1, 0.2], seed=range(2), budget="TINY")[1]
        {'rate': 0.1, 'seed': 1, 'budget': 'TINY'}
    """
    several = [
        value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
        for value in settings.values()
    ]
    return [dict(zip(settings, values, strict=True)) for values in product(*several)]


def complete(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Checked settings with the numbers of their named budget filled in.

    `dict(budget="SMALL", epochs=10, ...)` is `SMALL` with another number of epochs.

    Raises:
        TypeError, ValueError: for a setting that is unknown, missing, or not what it should be.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"the settings of a run must be a mapping, received {settings!r}")
    settings = dict(settings)
    task = _checked("task", settings.get("task", MNIST))
    name = settings.get("budget", "SMALL" if task == MNIST else task)
    if not isinstance(name, str) or name not in BUDGETS:
        raise ValueError(f"budget must be one of {', '.join(BUDGETS)}, received {name!r}")
    if name != task and {name, task} & set(tasks.NAMES):
        raise ValueError(
            f"budget and task must have the same name where one of them is "
            f"{', '.join(tasks.NAMES)}, received {name!r} and {task!r}"
        )
    parameters = parameters_of(function)
    numbers = {field: n for field, n in asdict(BUDGETS[name]).items() if field in parameters}
    completed = {"budget": name, **numbers, **settings}
    optional = defaults(function)
    usual = optional.get("network")
    unknown, missing = set(completed) - set(parameters), set(parameters) - {*completed, *optional}
    if unknown or missing:
        raise TypeError(
            f"{function.__name__} takes the settings {', '.join(parameters)}: "
            + "; ".join(
                f"{what} {', '.join(sorted(names))}"
                for what, names in (("unknown are", unknown), ("missing are", missing))
                if names
            )
        )
    completed = optional | completed
    for setting, value in completed.items():
        completed[setting] = _checked(setting, value)
    if completed["full"] is not BUDGETS[name].full:
        raise ValueError(f"full is set by the budget {name}, received {completed['full']!r}")
    kind = "images" if task == MNIST else "examples"
    limits = (48000, 12000, 10000) if completed["full"] else (12000, 3000, 3000)
    if task != MNIST:
        limits = tasks.named(task).parts
    for part, limit in zip(("training", "validation", "test"), limits, strict=True):
        if completed.get(part, 0) > limit:
            raise ValueError(
                f"{part} must be at most {limit} {kind}, as many as this data has, "
                f"received {completed[part]}"
            )
    if completed.get("batch", 0) > completed.get("training", math.inf):
        raise ValueError(
            f"batch must be at most the {completed['training']} training {kind}, "
            f"received {completed['batch']}"
        )
    if task != MNIST and completed.get("network", usual) != usual:
        raise ValueError(
            f"network is set by the task {task}, received {completed['network']!r} beside it"
        )
    images = completed["training"] * (1 + completed.get("division", 0)) if task == MNIST else 0
    if images > limits[0]:
        raise ValueError(
            f"division must be below {limits[0] // completed['training']}, since {limits[0]} "
            f"training images have no more parts of {completed['training']}, "
            f"received {completed['division']}"
        )
    if completed.get("low") and completed["low"] >= completed["rate"]:
        raise ValueError(
            f"low must be below the rate, {completed['rate']}, received {completed['low']}"
        )
    if completed.get("averaged") and completed["optimizer"] not in contenders.AVERAGING:
        raise ValueError(
            f"averaged needs the optimizer {' or '.join(contenders.AVERAGING)}, "
            f"received {completed['optimizer']}"
        )
    decay = completed.get("weight_decay", KERAS_DECAY)
    if decay != KERAS_DECAY and completed["optimizer"] != "AdamW":
        raise ValueError(
            f"weight_decay needs the optimizer AdamW, received {completed['optimizer']}"
        )
    if completed.get("body_rate", 1) != 1 and task not in FINE_TUNED:
        raise ValueError(
            f"body_rate needs a task whose body has learned, {FINE_TUNED[0]}, received {task}"
        )
    if completed.get("backend", TENSORFLOW) != TENSORFLOW:
        apart = {"averaged": False, "ema": 0.0, "schedule": "constant"}
        if other := [n for n, value in apart.items() if completed.get(n, value) != value]:
            raise ValueError(
                f"{other[0]} must stay {apart[other[0]]} on another backend than {TENSORFLOW}, "
                f"received {completed[other[0]]!r} with {completed['backend']}"
            )
    return {name: completed[name] for name in parameters}


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The settings that an experiment takes but does not need."""
    parameters = parameters_of(function).items()
    return {name: p.default for name, p in parameters if p.default is not p.empty}


@functools.cache  # reading records asks for them once a run
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The settings of an experiment by name."""
    return inspect.signature(function).parameters


def identity(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides a run's result: function, protocol, data and completed settings."""
    name = getattr(function, "__name__", repr(function))
    protocols = getattr(function, "__globals__", {}).get("PROTOCOL", {})
    if name not in protocols:
        raise TypeError(
            f"an experiment must be a function named in its module's PROTOCOL, received {name}"
        )
    # Another module's function of the same name is another experiment.
    module = getattr(function, "__module__", "")
    optional = defaults(function)
    return {
        "function": name if module == EXPERIMENTS else f"{module}.{name}",
        "protocol": protocols[name],
        "data": _fingerprint(settings.get("task", MNIST), settings["full"]),
        # Settings at their default are left out, so that a new optional one voids no stored run.
        "settings": {k: v for k, v in settings.items() if k not in optional or optional[k] != v},
    }


def _fingerprint(task: str, full: bool) -> str:
    return fingerprint(full) if task == MNIST else tasks.named(task).fingerprint


def _checked(setting: str, value: Any) -> Any:
    """The value of a setting, or one sentence on what it should be."""
    names: dict[str, Sequence[str]] = {
        "optimizer": list(contenders.OPTIMIZERS),
        "schedule": list(contenders.SCHEDULES),
        "network": list(contenders.NETWORKS),
        "spacing": ("exponential", "linear"),
        "monitored": ("loss", "validation_loss"),
        "task": (MNIST, *tasks.NAMES),
        "way": contenders.WAYS,
        "backend": BACKENDS,
    }
    if setting in names:
        if not isinstance(value, str) or value not in names[setting]:
            raise ValueError(
                f"{setting} must be one of {', '.join(names[setting])}, received {value!r}"
            )
    elif setting in ("training", "batch", "epochs", "validation", "test", "steps"):
        return _whole(setting, value, 2 if setting == "steps" else 1)
    elif setting in ("seed", "division"):
        return _whole(setting, value, 0, 2**32 - 1)
    elif setting in ("rate", "min_rate", "max_rate", "loss_weight"):
        return _positive(setting, value)
    elif setting in ("low", "price", "weight_decay", "body_rate"):
        return _positive(setting, value) if value != 0 else 0.0
    elif setting in ("averaged", "dropout", "resumed") and not isinstance(value, bool):
        raise ValueError(f"{setting} must be True or False, received {value!r}")
    elif setting == "ema":
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
            raise ValueError(f"ema must be a number from 0 to below 1, received {value!r}")
        return float(value)
    return value


def _whole(setting: str, value: Any, least: int, most: float = math.inf) -> int:
    limits = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    message = f"{setting} must be a whole number {limits}, received {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    if not isinstance(value, Integral) or not least <= int(value) <= most:
        raise ValueError(message)
    return int(value)


def _positive(setting: str, value: Any) -> float:
    message = f"{setting} must be a finite number above 0, received {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not LOWEST_RATE <= number <= HIGHEST_RATE:
        raise ValueError(message)
    return number
