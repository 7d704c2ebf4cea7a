"""Cyclical learning rates, restarts and 1cycle for Keras 3, and the momentum against each.

`triangular`, `triangular2`, `exp_range`, `restarts` and `one_cycle` return Keras schedules: pure
functions of the step, saved with the model and resumed with it (import this module before loading
one). All but `restarts` have a method `momentum`, which gives the schedule of a momentum that falls
while the rate rises. Keras reads
`optimizer.momentum` once, when it compiles the training step, so changing it during `fit` does
nothing; the optimizers of `scheduled_optimizers.py` compute it from the step inside the compiled
graph.

**Units.** Steps are updates of the optimizer, counted from 0: `schedule(n)` is the rate used
*during* step n. A length is given in steps, or as `epochs=` with `steps_per_epoch=`; epoch n,
counted from 0, starts at step `n * steps_per_epoch`. A step may be an integer, an array of steps
or a tensor; the answer is a tensor of the same shape. Lengths go up to 2**53 steps.

>>> from lrguide import cyclical
>>> rate = cyclical.one_cycle(0.1, epochs=20, steps_per_epoch=48)
>>> [round(float(rate(step)), 4) for step in (0, 287, 959)]
[0.004, 0.1, 0.0]
>>> round(float(rate.momentum(0.85, 0.95)(0)), 4)
0.95
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from .arguments import choice, end_rate, factor, flag, number, told
from .lengths import FLOAT, MOST_STEPS, length
from .saved_schedule import Saved

__all__ = [
    "exp_range",
    "one_cycle",
    "restarts",
    "triangular",
    "triangular2",
]


def triangular(
    base_learning_rate: float,
    max_learning_rate: float,
    step_size: int | tuple[int, int] | None = None,
    *,
    amplitude: Callable[[Any], Any] | None = None,
    by: Literal["cycle", "step"] = "cycle",
    epochs: float | tuple[float, float] | None = None,
    steps_per_epoch: int | None = None,
) -> Cyclical:
    """Rise in a straight line from the base to the maximum, fall back, and again.

    Step 0 uses the base rate, step `step_size` the maximum, step `2 * step_size` the base again:
    `base + (max - base) * min(p / up, (up + down - p) / down)` during step n, where p is
    `n % (up + down)` and up and down are the two halves.

    Args:
        base_learning_rate: The lowest rate, above 0.
        max_learning_rate: The highest rate, above the base.
        step_size: Steps in half a cycle, at least 1, or a pair: steps up, steps down. Smith advises
            2 to 10 epochs.
        amplitude: A function by which the height above the base is multiplied, called with the
            number of the cycle or step (a float64 tensor, from 0; PyTorch counts cycles from 1). It
            must be made of arithmetic or `keras.ops`, and is saved with the model if it is
            registered by `keras.saving.register_keras_serializable`. By default always 1.
        by: What `amplitude` is called with, "cycle" or "step".
        epochs: Half a cycle, or the pair, in epochs, in place of `step_size`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If a value is out of range or order, or the length is not given exactly once.

    Source: Smith, *Cyclical learning rates for training neural networks*, 2017, arXiv:1506.01186.

    Example:
        >>> from lrguide.cyclical import triangular
        >>> rate = triangular(0.1, 0.5, step_size=(1, 3))
        >>> [round(float(rate(step)), 4) for step in range(5)]
        [0.1, 0.5, 0.3667, 0.2333, 0.1]
        >>> rate = triangular(0.1, 0.5, step_size=1, amplitude=lambda cycle: 1 / (cycle + 1))
        >>> [round(float(rate(step)), 4) for step in range(5)]
        [0.1, 0.5, 0.1, 0.3, 0.1]
    """
    if amplitude is not None and not callable(amplitude):
        raise TypeError(f"amplitude must be a function of the {by}, received {told(amplitude)}")
    choice("by", by, "cycle", "step")
    base = number("base_learning_rate", base_learning_rate)
    wanted = f"a finite number above base_learning_rate, {base}"
    top = number("max_learning_rate", max_learning_rate, wanted, lambda t: base < t < math.inf)
    up, down = _halves(step_size, epochs, steps_per_epoch)
    return Cyclical(base, top, up, down, 1.0, by, amplitude)


def triangular2(
    base_learning_rate: float,
    max_learning_rate: float,
    step_size: int | tuple[int, int] | None = None,
    *,
    epochs: float | tuple[float, float] | None = None,
    steps_per_epoch: int | None = None,
) -> Cyclical:
    """Cycle as `triangular` does, each cycle half as high above the base as the one before.

    The height above the base is that of `triangular`, times `0.5 ** cycle`, cycles counted from 0:
    the first cycle reaches the maximum rate.

    Args:
        base_learning_rate: The lowest rate, above 0.
        max_learning_rate: The highest rate of the first cycle, above the base.
        step_size: Steps in half a cycle, at least 1, or a pair: steps up, steps down.
        epochs: Half a cycle, or the pair, in epochs, in place of `step_size`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If a value is out of range or order, or the length is not given exactly once.

    Source: Smith, 2017, arXiv:1506.01186.

    Example:
        >>> from lrguide.cyclical import triangular2
        >>> rate = triangular2(0.1, 0.5, step_size=1)
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.5, 0.1, 0.3, 0.1, 0.2]
    """
    rate = triangular(
        base_learning_rate,
        max_learning_rate,
        step_size,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
    )
    return dataclasses.replace(rate, gamma=0.5)


def exp_range(
    base_learning_rate: float,
    max_learning_rate: float,
    step_size: int | tuple[int, int] | None = None,
    *,
    gamma: float,
    epochs: float | tuple[float, float] | None = None,
    steps_per_epoch: int | None = None,
) -> Cyclical:
    """Cycle as `triangular` does, the height above the base falling by a factor each step.

    The height above the base is that of `triangular`, times `gamma ** n` during step n, where n
    counts from the start of training (PyTorch's documentation says "of the cycle"; its code does
    this).

    Args:
        base_learning_rate: The lowest rate, above 0.
        max_learning_rate: The rate that a peak would reach with a `gamma` of 1, above the base.
        step_size: Steps in half a cycle, at least 1, or a pair: steps up, steps down.
        gamma: The factor per step, above 0 and at most 1. As `r ** (1 / N)` it lets the height
            fall to the part r in N steps.
        epochs: Half a cycle, or the pair, in epochs, in place of `step_size`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If a value is out of range or order, or the length is not given exactly once.

    Source: Smith, 2017, arXiv:1506.01186.

    Example:
        >>> from lrguide.cyclical import exp_range
        >>> rate = exp_range(0.1, 0.5, step_size=1, gamma=0.5)
        >>> [round(float(rate(step)), 4) for step in range(4)]
        [0.1, 0.3, 0.1, 0.15]
    """
    rate = triangular(
        base_learning_rate,
        max_learning_rate,
        step_size,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
    )
    return dataclasses.replace(rate, gamma=factor("gamma", gamma), by="step")


def one_cycle(
    max_learning_rate: float,
    total_steps: int | None = None,
    *,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    anneal: Literal["cosine", "linear"] = "cosine",
    three_phase: bool = False,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> OneCycle:
    """Rise once to the maximum rate, then fall far below where the rise began.

    With T total steps, step 0 uses `max / div_factor`, step `pct_start * T - 1` the maximum, and
    step T - 1, the last of the training, `max / div_factor / final_div_factor`, as do all after it.
    With `three_phase` the fall first comes back to the initial rate, at step
    `2 * pct_start * T - 2`. In between, part x of the way from a to b, the rate is
    `a + (b - a) * (1 - cos(pi * x)) / 2`, or `a + (b - a) * x` with `anneal="linear"`. Equal to
    PyTorch's `OneCycleLR`.

    Args:
        max_learning_rate: The highest rate, above 0.
        total_steps: Steps of the whole training.
        pct_start: Part of the steps spent rising, between 0 and 1; with `three_phase` below 0.5.
        div_factor: The maximum over the initial rate, at least 1.
        final_div_factor: The initial over the final rate, at least 1.
        anneal: "cosine" or "linear".
        three_phase: Whether to fall to the initial rate as long as it rose, and then to the end.
        epochs: Epochs of the whole training, in place of `total_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If a value is out of range, there are too few steps for the phases, or the
            length is not given exactly once.

    Source: Smith and Topin, *Super-convergence*, 2018, arXiv:1708.07120; the cosine is fastai's.

    Example:
        >>> from lrguide.cyclical import one_cycle
        >>> rate = one_cycle(1.0, 10, anneal="linear", final_div_factor=100.0)
        >>> [round(float(rate(step)), 4) for step in (0, 1, 2, 3, 9, 10)]
        [0.04, 0.52, 1.0, 0.8572, 0.0004, 0.0004]
    """
    top = number("max_learning_rate", max_learning_rate)
    part = number("pct_start", pct_start, "a number above 0, below 1", lambda x: 0.0 < x < 1.0)
    total = length("total_steps", total_steps, epochs, steps_per_epoch)
    initial = top / _divisor("div_factor", div_factor)
    final = initial / _divisor("final_div_factor", final_div_factor)
    choice("anneal", anneal, "cosine", "linear")
    three = flag("three_phase", three_phase)
    rate = OneCycle(initial, top, final, total, part, anneal, three)
    ends = [0.0, *rate.phase_ends()]
    if any(first >= second for first, second in itertools.pairwise(ends)):
        raise ValueError(
            f"each phase must have steps: with total_steps={total}, pct_start={pct_start!r} and "
            f"three_phase={three} the phases end at steps {ends[1:]}"
        )
    return rate


def restarts(
    initial_learning_rate: float,
    first_decay_steps: int | None = None,
    end_learning_rate: float = 0.0,
    *,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall along half a cosine, jump back up and fall again, each time for longer: SGDR.

    Cycle i, counted from 0, is `L = first_decay_steps * t_mul ** i` steps long. The step n steps
    after its begin uses `end + (a - end) * m_mul ** i * (1 + cos(pi * n / L)) / 2`, where a is
    `initial_learning_rate`, and step L is the first of the next cycle, without end. Names and
    defaults are those of Keras' `CosineDecayRestarts`, which finds its place by a logarithm in
    float32: with `t_mul=2.0` it misses the thirteenth restart.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        first_decay_steps: Steps in the first cycle, at least 1.
        end_learning_rate: The rate to which each cycle falls, without reaching it, from 0 to
            `initial_learning_rate`.
        t_mul: How many times as long as the one before each cycle is: 1, or from 1.01 to 1e6.
        m_mul: The factor from one cycle's height above the end rate to the next, above 0, at
            most 1.
        epochs: The first cycle in epochs, in place of `first_decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Source: Loshchilov and Hutter, *SGDR*, 2017, arXiv:1608.03983, equation 5.

    Example:
        >>> from lrguide.cyclical import restarts
        >>> rate = restarts(0.1, 2, m_mul=0.5)
        >>> [round(float(rate(step)), 4) for step in range(7)]
        [0.1, 0.05, 0.05, 0.0427, 0.025, 0.0073, 0.025]
    """
    initial = number("initial_learning_rate", initial_learning_rate)
    longer = "1 or a number from 1.01 to 1e6"
    return Restarts(
        initial,
        length("first_decay_steps", first_decay_steps, epochs, steps_per_epoch),
        end_rate(end_learning_rate, initial),
        number("t_mul", t_mul, longer, lambda t: t == 1.0 or 1.01 <= t <= 1e6),
        factor("m_mul", m_mul),
    )


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True)
class Cyclical(Saved):
    """What `triangular`, `triangular2` and `exp_range` return."""

    base: float
    top: float
    steps_up: int
    steps_down: int
    gamma: float
    by: str
    amplitude: Callable[[Any], Any] | None

    def _rate(self, step: Any) -> Any:
        period = self.steps_up + self.steps_down
        cycle = ops.floor_divide(step, period)
        # Computed in whole numbers, since a quotient of floats may round up to the next cycle.
        position = ops.cast(step - cycle * period, FLOAT)
        rising = position / self.steps_up
        falling = (period - position) / self.steps_down
        count = ops.cast(cycle if self.by == "cycle" else step, FLOAT)
        scale = self.amplitude(count) if self.amplitude else self.gamma**count
        return self.base + (self.top - self.base) * ops.minimum(rising, falling) * scale

    def momentum(self, lowest: float = 0.85, highest: float = 0.95) -> Cyclical:
        """Return the momentum that cycles against this rate: highest where the rate is lowest.

        Cycles of lower amplitude move the momentum less, too: it comes down to `lowest` only where
        the rate reaches its maximum. The defaults are Smith's, 2018, arXiv:1803.09820.

        Raises:
            TypeError: If a value is not a number.
            ValueError: If not 0 <= lowest <= highest < 1.

        Example:
            >>> from lrguide.cyclical import triangular
            >>> momentum = triangular(0.1, 0.5, step_size=2).momentum(0.8, 0.9)
            >>> [round(float(momentum(step)), 4) for step in range(5)]
            [0.9, 0.85, 0.8, 0.85, 0.9]
        """
        low, high = _bounds(lowest, highest)
        return dataclasses.replace(self, base=high, top=low)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True)
class Restarts(Saved):
    """What `restarts` returns."""

    initial: float
    first_steps: int
    end: float
    t_mul: float
    m_mul: float

    def _rate(self, step: Any) -> Any:
        if self.t_mul == 1.0:
            cycle = ops.floor_divide(step, self.first_steps)
            position = ops.cast(step - cycle * self.first_steps, FLOAT)
            steps = self.first_steps
        else:
            starts, lengths = self._cycles()
            step = ops.cast(step, FLOAT)
            flat = ops.searchsorted(starts, ops.reshape(step, (-1,)), side="right") - 1
            cycle = ops.reshape(flat, ops.shape(step))
            position = step - ops.take(starts, cycle)
            steps = ops.take(lengths, cycle)
        height = (self.initial - self.end) * self.m_mul ** ops.cast(cycle, FLOAT)
        return self.end + height * (1.0 + ops.cos(math.pi * position / steps)) / 2.0

    def _cycles(self) -> tuple[Any, Any]:
        """The first step of each cycle, and its length, added up since a logarithm misses some."""
        starts = [0.0]
        lengths: list[float] = []
        while starts[-1] <= MOST_STEPS:
            lengths.append(self.first_steps * self.t_mul ** len(lengths))
            starts.append(starts[-1] + lengths[-1])
        return ops.convert_to_tensor(starts[:-1], FLOAT), ops.convert_to_tensor(lengths, FLOAT)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True)
class OneCycle(Saved):
    """What `one_cycle` returns."""

    initial: float
    top: float
    final: float
    total_steps: int
    pct_start: float
    anneal: str
    three_phase: bool

    def phase_ends(self) -> list[float]:
        """Return the step, not always whole, at which each phase ends.

        Example:
            >>> from lrguide.cyclical import one_cycle
            >>> one_cycle(0.1, 100, three_phase=True).phase_ends()
            [29.0, 58.0, 99.0]
        """
        rise = self.pct_start * self.total_steps
        back = [2 * rise - 2] if self.three_phase else []
        return [rise - 1, *back, self.total_steps - 1.0]

    def _rate(self, step: Any) -> Any:
        # In float32 a long cycle would lose its last rates, and all steps past 2 ** 24.
        step = ops.cast(step, FLOAT)
        between = [self.top, self.initial] if self.three_phase else [self.top]
        start, value, rate = 0.0, self.initial, self.initial
        for end, target in zip(self.phase_ends(), [*between, self.final], strict=True):
            done = ops.clip((step - start) / (end - start), 0.0, 1.0)
            if self.anneal == "cosine":
                done = (1.0 - ops.cos(math.pi * done)) / 2.0
            rate = rate + (target - value) * done
            start, value = end, target
        return rate

    def momentum(self, lowest: float = 0.85, highest: float = 0.95) -> OneCycle:
        """Return the momentum that cycles against this rate: lowest where the rate is highest.

        It starts at `highest`, comes down to `lowest` with the rate at its maximum, and goes back
        to `highest`. The defaults are Smith's, 2018, arXiv:1803.09820.

        Raises:
            TypeError: If a value is not a number.
            ValueError: If not 0 <= lowest <= highest < 1.

        Example:
            >>> from lrguide.cyclical import one_cycle
            >>> momentum = one_cycle(0.1, 10, anneal="linear").momentum(0.85, 0.95)
            >>> [round(float(momentum(step)), 4) for step in (0, 1, 2, 9, 10)]
            [0.95, 0.9, 0.85, 0.95, 0.95]
        """
        low, high = _bounds(lowest, highest)
        return dataclasses.replace(self, initial=high, top=low, final=high)


def _bounds(lowest: Any, highest: Any) -> tuple[float, float]:
    high = number("highest", highest, "a number from 0 to below 1", lambda m: 0.0 <= m < 1.0)
    wanted = f"a number from 0 to highest, {high}"
    return number("lowest", lowest, wanted, lambda m: 0.0 <= m <= high), high


def _divisor(name: str, value: Any) -> float:
    return number(name, value, "a finite number, at least 1", lambda by: 1.0 <= by < math.inf)


def _halves(step_size: Any, epochs: Any, steps_per_epoch: Any) -> tuple[int, int]:
    given = step_size if epochs is None else epochs
    if not isinstance(given, tuple | list) or (step_size is not None and epochs is not None):
        half = length("step_size", step_size, epochs, steps_per_epoch)
        return half, half
    if len(given) != 2:
        name = "step_size" if epochs is None else "epochs"
        raise ValueError(f"{name} as a pair must be the way up and down, received {told(given)}")
    up, down = (
        length("step_size", half, None, steps_per_epoch)
        if epochs is None
        else length("step_size", None, half, steps_per_epoch)
        for half in given
    )
    return up, down
