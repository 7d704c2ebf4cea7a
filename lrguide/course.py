"""What a schedule does: its rates at many steps, the steps that it names, and its changes.

`rates_at` evaluates any Keras schedule. A `Course` holds the rates of a whole training and of what
would come after it: all of them up to 100,000 steps, above that a sample of about as many, in which
changes are then searched for by halving. So a training of a billion steps takes as long as one of
100,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import InverseTimeDecay, LearningRateSchedule
from numpy.typing import ArrayLike, NDArray

from .arguments import is_number, number, told
from .lengths import INTEGER

__all__ = ["rates_at"]

Reader = Callable[[NDArray[np.int64]], NDArray[np.float64]]
Test = Callable[[NDArray[np.float64]], NDArray[np.bool_]]

ALL_STEPS = 100_000  # up to here each step is evaluated, and beyond it a sample
# Steps after the last one are evaluated, too, and must fit into an integer; JAX's has 32 bits.
LAST_STEP = 2 ** (np.iinfo(INTEGER).bits - 3)
FIRST_STEPS = np.array([0, 7, 500])


def rates_at(schedule: LearningRateSchedule | float, steps: ArrayLike) -> NDArray[np.float64]:
    """Evaluate a schedule at many steps, at once where it can, else step by step.

    Args:
        schedule: Any Keras schedule, or a number for a constant rate.
        steps: Whole numbers, the steps, counted from 0.

    Returns:
        The rate during each of the steps, an array.

    Raises:
        TypeError: If `schedule` is no schedule and no number, or a step no whole number.
        ValueError: If a rate or a step is below 0, a rate is not finite, or the steps are not in
            one row.

    Example:
        >>> from keras.optimizers.schedules import CosineDecay
        >>> from lrguide.checks import rates_at
        >>> rates_at(CosineDecay(0.1, 4), range(6)).round(4).tolist()
        [0.1, 0.0854, 0.05, 0.0146, 0.0, 0.0]
    """
    refuse_unless_schedule(schedule)
    try:
        row = np.asarray(steps)
    except Exception:  # rows of different lengths, symbolic tensors
        row = np.array([None])
    if row.size and row.dtype.kind not in "iu":
        raise TypeError(f"steps must be whole numbers, received {told(steps)}")
    most = np.iinfo(INTEGER).max
    if row.ndim != 1 or (row < 0).any() or (row > most).any():
        on_jax = f" to {most:,}, the last that JAX can count" * (INTEGER == "int32")
        raise ValueError(
            f"steps must be a row of whole numbers from 0 on{on_jax}, received {told(steps)}"
        )
    return reader(schedule)(row.astype(np.int64)) if row.size else np.array([], dtype=np.float64)


def refuse_unless_schedule(value: Any) -> None:
    """Raise an error unless this is a Keras schedule, or a number that can be a rate."""
    wanted = "a Keras schedule or a finite number from 0 on"
    if not isinstance(value, LearningRateSchedule):
        number("schedule", value, wanted, lambda rate: 0.0 <= rate < math.inf)


def reader(schedule: Any) -> Reader:
    """A function from steps to rates, as quick as the schedule allows."""
    if not isinstance(schedule, LearningRateSchedule):
        return lambda steps: np.full(len(steps), float(schedule))

    def together(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        rates = ops.convert_to_numpy(schedule(ops.convert_to_tensor(steps, INTEGER)))
        return np.asarray(rates, dtype=np.float64)

    def apart(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        each = (schedule(ops.convert_to_tensor(step, INTEGER)) for step in steps)
        return np.array([float(ops.convert_to_numpy(rate)) for rate in each])

    few = apart(FIRST_STEPS)
    for way in (together, _mapped(schedule)):
        try:
            rates = way(FIRST_STEPS)
        except Exception:  # a schedule need not take more than one step, nor be compiled
            continue
        if rates.shape == few.shape and np.allclose(rates, few, rtol=1e-5, equal_nan=True):
            return way
    return apart


def _mapped(schedule: LearningRateSchedule) -> Reader:
    """A function that evaluates many steps of a schedule that takes one at a time."""

    def all_of(steps: Any) -> Any:
        return ops.vectorized_map(lambda step: ops.convert_to_tensor(schedule(step)), steps)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        all_of = tf.function(
            all_of, input_signature=[tf.TensorSpec((None,), tf.int64)], autograph=False
        )
    return lambda steps: np.asarray(
        ops.convert_to_numpy(all_of(ops.convert_to_tensor(steps, INTEGER))), dtype=np.float64
    )


def traced(schedule: LearningRateSchedule) -> Any:
    """The schedule compiled as `fit` does: without turning Python's `if` into graph operations."""
    import tensorflow as tf

    return tf.function(schedule.__call__, autograph=False).get_concrete_function(
        tf.TensorSpec((), tf.int64)
    )


def compile_problem(schedule: LearningRateSchedule) -> str:
    """Why the schedule cannot be compiled, or an empty string."""
    if keras.backend.backend() != "tensorflow":
        return ""
    try:
        traced(schedule)
    except Exception as error:  # whatever the user's own code raises
        return in_short(error)
    return ""


def in_short(error: Exception) -> str:
    """An error's type and the first sentence of what it says."""
    first = [*str(error).strip().splitlines(), ""][0].partition(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {first}."


@dataclass(frozen=True)
class Landmark:
    """A step that a schedule names: "boundary", "warmup", "peak", "end", "cycle", "timescale"."""

    kind: str
    step: int
    start: int  # of the part of the schedule that it belongs to


def landmarks(schedule: Any, start: int = 0, stretch: int = 1) -> Iterator[Landmark]:
    """Steps that a schedule, or one inside it, names in its attributes."""

    def named(name: str) -> int | None:
        value = getattr(schedule, name, None)
        return int(value) * stretch if is_number(value) and math.isfinite(value) else None

    inner, warm = getattr(schedule, "schedule", None), named("warmup_steps")
    if inner is not None and warm is not None:
        yield Landmark("warmup", start + warm, start)
        yield from landmarks(inner, start + warm, stretch)
    elif inner is not None and (held := getattr(schedule, "steps_per_epoch", None)):
        yield from landmarks(inner, start, stretch * int(held))
    elif warm:
        yield Landmark("warmup", start + warm, start)
    boundaries = list(getattr(schedule, "boundaries", None) or ())
    # Keras' class changes the rate at the step after its boundary.
    later = 1 if hasattr(schedule, "values") else 0
    for boundary in boundaries:
        yield Landmark("boundary", start + (int(boundary) + later) * stretch, start)
    if parts := getattr(schedule, "schedules", None):
        yield from landmarks(parts[-1], start + int(boundaries[-1]) * stretch, stretch)
    if (rise := named("steps_up")) is not None:
        yield Landmark("peak", start + rise, start)
        yield Landmark("cycle", start + rise + (named("steps_down") or 0), start)
    for name in ("first_decay_steps", "first_steps"):
        if (cycle := named(name)) is not None:
            yield Landmark("cycle", start + cycle, start)
    scale = named("timescale")
    if isinstance(schedule, InverseTimeDecay) and schedule.decay_rate > 0.0:
        scale = round(schedule.decay_steps / schedule.decay_rate) * stretch
    if scale is not None:
        yield Landmark("timescale", start + scale, start)
    for name in ("decay_steps", "total_steps"):
        if (length := named(name)) is not None and not hasattr(schedule, "decay_rate"):
            begin = start + (warm or 0)
            kind = "cycle" if getattr(schedule, "cycle", False) else "end"
            yield Landmark(kind, begin + length, begin)


def stays_by_intent(schedule: Any) -> bool:
    """Whether a schedule ends with a constant rate, which is then meant to stay."""
    if parts := getattr(schedule, "schedules", None):
        return stays_by_intent(parts[-1])
    if hasattr(schedule, "warmup_steps") and hasattr(schedule, "schedule"):
        return stays_by_intent(schedule.schedule)
    return hasattr(schedule, "values") or is_number(getattr(schedule, "learning_rate", None))


@dataclass(frozen=True, eq=False)
class Course:
    """The rates of a schedule at rising steps, from 0 until long after a training."""

    read: Reader
    steps: NDArray[np.int64]
    rates: NDArray[np.float64]

    def at(self, step: int) -> float:
        """The rate during a step."""
        index = int(np.searchsorted(self.steps, step))
        if index < len(self.steps) and self.steps[index] == step:
            return float(self.rates[index])
        return float(self.read(np.array([step]))[0])

    def of(self, first: int, last: int) -> NDArray[np.float64]:
        """The rates evaluated from one step to another, the last one included."""
        low, high = np.searchsorted(self.steps, [first, last + 1])
        return self.rates[low:high]

    def last_turn(self, low: int, high: int, holds: Test) -> int:
        """The last step up to `high` at which a test begins to hold; at `low` it does not hold."""
        while high - low > 1:
            steps = np.unique(np.linspace(low, high, 66).astype(np.int64).clip(low, high))
            good = holds(self.read(steps))
            good[0], good[-1] = False, True
            at = int(np.flatnonzero(~good)[-1])
            low, high = int(steps[at]), int(steps[at + 1])
        return high

    def first_where(self, holds: Test, start: int = 0) -> int | None:
        """The first step from `start` on where a test of the rate holds."""
        begin = int(np.searchsorted(self.steps, start))
        good = np.flatnonzero(holds(self.rates[begin:])) + begin
        if not len(good):
            return None
        at = int(good[0])
        if at == begin:
            return int(self.steps[at])
        return self.last_turn(int(self.steps[at - 1]), int(self.steps[at]), holds)

    def settles(self) -> int:
        """The first step from which on the rate stays as it is at the last evaluated step."""
        return self.level_from(len(self.steps) - 1, int(self.steps[-1]))

    def level_from(self, index: int, step: int) -> int:
        """The first step of the plateau that `step` is on, before the sample's next index."""
        level = self.at(step)
        other = np.flatnonzero(self.rates[: index + 1] != level)
        if not len(other):
            return 0
        return self.last_turn(int(self.steps[other[-1]]), step, lambda rates: rates == level)

    def changes(self) -> NDArray[np.int64]:
        """Indices of the sample at which the rate differs from the rate before."""
        return np.flatnonzero(np.diff(self.rates) != 0.0) + 1

    def change(self, index: int) -> int:
        """The step of the change that one of `changes` found."""
        after = self.rates[index]
        low, high = int(self.steps[index - 1]), int(self.steps[index])
        return self.last_turn(low, high, lambda rates: rates == after)

    def last_stairs(self, end: int, count: int = 5) -> NDArray[np.int64]:
        """The last few changes of the rate, up to the one at `end`, in rising order."""
        found = [end]
        while len(found) < count and found[-1] > 0:
            before = found[-1] - 1
            index = int(np.searchsorted(self.steps, before, side="right")) - 1
            if (begin := self.level_from(index, before)) == 0:
                break
            found.append(begin)
        return np.array(found[::-1])

    def lowest_near(self, index: int) -> int:
        """The step of the lowest rate between the neighbours of a sampled step."""
        low = int(self.steps[max(index - 1, 0)])
        high = int(self.steps[min(index + 1, len(self.steps) - 1)])
        while True:
            steps = np.unique(np.linspace(low, high, 66).astype(np.int64).clip(low, high))
            at = int(np.argmin(self.read(steps)))
            if high - low < 66:
                return int(steps[at])
            low, high = int(steps[max(at - 1, 0)]), int(steps[min(at + 1, len(steps) - 1)])


def course_of(
    schedule: LearningRateSchedule, first: int, last: int, marks: list[Landmark]
) -> Course:
    """Evaluate a schedule from step 0 until four times the length of a training after it."""
    length = last + 1 - first
    farthest = max([4 * length, *(mark.step - first for mark in marks)])
    far = min(first + farthest + farthest // 4 + 1, 2 * LAST_STEP)
    read = reader(schedule)
    if far < ALL_STEPS:
        steps = np.arange(far + 1)
    else:
        distances = np.geomspace(1, far, 6_000).astype(np.int64)
        distances = np.concatenate([np.arange(2_000), distances])
        parts = [np.linspace(0, far, 20_000), np.linspace(first, last, 40_000)]
        whole_parts = [part.astype(np.int64) for part in parts]
        for centre in (0, first, last):
            whole_parts += [centre - distances, centre + distances[distances <= far - centre]]
        near = np.arange(-2, 3)
        marked = [mark.step + near for mark in marks if mark.step <= far]
        steps = np.unique(np.concatenate([*whole_parts, last + length // 1000 + near, *marked]))
        steps = steps[(steps >= 0) & (steps <= far)]
    return Course(read, steps, read(steps))
