"""Lengths of schedules, given in steps, or in epochs together with the steps of an epoch."""

from __future__ import annotations

import itertools
from typing import Any

import keras

from .arguments import count, listed, number, told

__all__: list[str] = []

INTEGER, FLOAT, MOST_STEPS = "int64", "float64", 2**53
if keras.config.backend() == "jax":  # JAX computes in 32 bits unless it is told otherwise
    INTEGER, FLOAT, MOST_STEPS = "int32", "float32", 2**31 - 1


def whole_steps(name: str, value: Any) -> int:
    """Check a number of steps, up to which each step can be told from the next."""
    return count(name, value, 1, MOST_STEPS, ": the steps beyond are no longer told apart")


def length(name: str, steps: Any, epochs: Any, per_epoch: Any) -> int:
    """Check a length in steps or in epochs, and give it in steps."""
    return _to_steps(*_given(name, steps, epochs, per_epoch))


def _given(name: str, steps: Any, epochs: Any, per_epoch: Any) -> tuple[str, Any, int | None]:
    if (steps is None) == (epochs is None) or (epochs is None) != (per_epoch is None):
        raise ValueError(
            f"give either {name}, or epochs with steps_per_epoch, received "
            f"{name}={told(steps)}, epochs={told(epochs)}, steps_per_epoch={told(per_epoch)}"
        )
    if epochs is None:
        return name, steps, None
    return "epochs", epochs, whole_steps("steps_per_epoch", per_epoch)


def _to_steps(name: str, value: Any, per_epoch: int | None) -> int:
    if per_epoch is None:
        return whole_steps(name, value)
    steps = round(number(name, value) * per_epoch)
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(
            f"{name} must make at least one step, at most {MOST_STEPS:,}, received {told(value)} "
            f"with steps_per_epoch={per_epoch}"
        )
    return steps


def lengths(name: str, steps: Any, epochs: Any, per_epoch: Any) -> list[int]:
    """Check several lengths in steps or in epochs, and give them in steps."""
    name, given, per_epoch = _given(name, steps, epochs, per_epoch)
    values = enumerate(listed(name, given, "lengths"))
    return [_to_steps(f"{name}[{index}]", value, per_epoch) for index, value in values]


def boundaries(parts: int, steps: Any, epochs: Any, per_epoch: Any) -> list[int]:
    """Check the steps or epochs at which one part gives way to the next, and give the steps."""
    found = lengths("boundaries", steps, epochs, per_epoch)
    given = steps if epochs is None else epochs
    if parts < 2 or len(found) != parts - 1:
        raise ValueError(
            "boundaries must be one fewer than the parts they divide, two or more, "
            f"received {len(found)} for {parts} parts: {told(given)}"
        )
    if any(first >= second for first, second in itertools.pairwise(found)):
        raise ValueError(f"boundaries must be increasing, received {told(given)}")
    return found
