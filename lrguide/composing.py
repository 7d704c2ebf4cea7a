"""Schedules made of others: warmup, one after another, and those whose unit is the epoch.

>>> from lrguide import composing, cosine
>>> rate = composing.warmup(cosine(0.1, 4), 4)
>>> [round(float(rate(step)), 4) for step in range(9)]
[0.02, 0.04, 0.06, 0.08, 0.1, 0.0854, 0.05, 0.0146, 0.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from .arguments import listed, number
from .lengths import FLOAT, length, whole_steps
from .lengths import boundaries as starts
from .saved_schedule import Saved, as_schedule

__all__ = ["join", "per_epoch", "warmup"]


def warmup(
    schedule: LearningRateSchedule | float,
    warmup_steps: int | None = None,
    *,
    start_factor: float | None = None,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Rise in a straight line to the first rate of any schedule, then follow that schedule.

    Step n < W uses `schedule(0) * (s + (1 - s) * n / W)`, where W is `warmup_steps` and s is
    `start_factor`; step n >= W uses `schedule(n - W)`. So step W is the first to use the full
    rate, and the whole is W steps longer than the schedule. By default s is `1 / (W + 1)`: the rate
    is `schedule(0) * (n + 1) / (W + 1)`, W + 1 equal rises from nothing, and no step is wasted on a
    rate of 0. An s of 0 is what Optax' and Transformers' warmups do.

    Args:
        schedule: Any Keras schedule, or a number for a constant rate.
        warmup_steps: Steps below the full rate, at least 1.
        start_factor: Part of the full rate that step 0 uses, from 0 to 1.
        epochs: The length in epochs, in place of `warmup_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If `schedule` is no schedule, or another argument no number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Source: Goyal et al., *Accurate, large minibatch SGD*, 2017, arXiv:1706.02677.

    Example:
        >>> from lrguide import linear, warmup
        >>> rate = warmup(linear(0.1, 4), 4)
        >>> [round(float(rate(step)), 4) for step in range(9)]
        [0.02, 0.04, 0.06, 0.08, 0.1, 0.075, 0.05, 0.025, 0.0]
    """
    steps = length("warmup_steps", warmup_steps, epochs, steps_per_epoch)
    if start_factor is None:
        start_factor = 1.0 / (steps + 1)
    start = number("start_factor", start_factor, "a number from 0 to 1", lambda s: 0.0 <= s <= 1.0)
    return Warmup(as_schedule("schedule", schedule), steps, start)


def join(
    schedules: Sequence[LearningRateSchedule | float],
    boundaries: Sequence[int] | None = None,
    *,
    epochs: Sequence[float] | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Follow one schedule after the other, each from its own beginning.

    Steps 0 to `boundaries[0] - 1` use the first schedule; step n from `boundaries[i]` on uses
    `schedules[i + 1](n - boundaries[i])`. So step `boundaries[i]` is step 0 of the next schedule.

    Args:
        schedules: At least two Keras schedules, or numbers for constant rates.
        boundaries: The first step of each schedule but the first: increasing whole numbers.
        epochs: The first epoch of each schedule but the first, in place of `boundaries`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a sequence of schedules or numbers.
        ValueError: If boundaries are out of order, or do not match the schedules.

    Example:
        >>> from lrguide import join, linear
        >>> rate = join([0.1, linear(0.1, 4)], [3])
        >>> [round(float(rate(step)), 4) for step in range(8)]
        [0.1, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0]
    """
    parts = [
        as_schedule(f"schedules[{index}]", part)
        for index, part in enumerate(listed("schedules", schedules, "schedules or numbers"))
    ]
    return Join(parts, starts(len(parts), boundaries, epochs, steps_per_epoch))


def per_epoch(schedule: LearningRateSchedule, steps_per_epoch: int) -> LearningRateSchedule:
    """Hold the rate through each epoch: every step of epoch n uses `schedule(n)`.

    The schedule is one whose unit is the epoch: `per_epoch(linear(0.1, 25), 192)` falls over 25
    epochs in 25 stairs. It does what the callback `LearningRateScheduler` does, as a schedule that
    is saved with the model and resumes with it.

    Args:
        schedule: Any Keras schedule, its steps read as epochs.
        steps_per_epoch: Steps in an epoch, at least 1.

    Raises:
        TypeError: If `schedule` is no schedule, or `steps_per_epoch` no number.
        ValueError: If `steps_per_epoch` is not a whole number above 0.

    Example:
        >>> from lrguide import linear, per_epoch
        >>> rate = per_epoch(linear(0.1, 4), 2)
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.1, 0.075, 0.075, 0.05, 0.05]
    """
    return PerEpoch(
        as_schedule("schedule", schedule), whole_steps("steps_per_epoch", steps_per_epoch)
    )


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class Warmup(Saved):
    """What `warmup` returns."""

    schedule: LearningRateSchedule
    warmup_steps: int
    start_factor: float

    def _rate(self, step: Any) -> Any:
        # In float32 rounding keeps the sum from 1, so that rates after the warmup would be off.
        done = ops.cast(ops.minimum(step, self.warmup_steps), FLOAT) / self.warmup_steps
        factor = self.start_factor + (1.0 - self.start_factor) * done
        rate = ops.convert_to_tensor(self.schedule(ops.maximum(step - self.warmup_steps, 0)))
        return rate * ops.cast(factor, rate.dtype)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class Join(Saved):
    """What `join` returns."""

    schedules: list[LearningRateSchedule]
    boundaries: list[int]

    def _rate(self, step: Any) -> Any:
        rate = self.schedules[0](step)
        for boundary, schedule in zip(self.boundaries, self.schedules[1:], strict=True):
            rate = ops.where(step < boundary, rate, schedule(ops.maximum(step - boundary, 0)))
        return rate


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class PerEpoch(Saved):
    """What `per_epoch` returns."""

    schedule: LearningRateSchedule
    steps_per_epoch: int

    def _rate(self, step: Any) -> Any:
        return self.schedule(ops.floor_divide(step, self.steps_per_epoch))
