"""Learning rate schedules for Keras 3: decay, warmup, joining.

Each function returns a `keras.optimizers.schedules.LearningRateSchedule`, to be given to an
optimizer as its `learning_rate`. Where Keras has a class that does it, that class is what you get,
so a model saved with it loads without this file. The others are registered under the package name
"lrguide": import this module before loading such a model.

**Units.** Steps are updates of the optimizer, counted from 0: `schedule(n)` is the rate used
*during* step n, and step 0 is the first update. A length is given in steps, or as `epochs=` with
`steps_per_epoch=`; epoch n, counted from 0, is made of the steps `n * steps_per_epoch` to
`(n + 1) * steps_per_epoch - 1`. Under gradient accumulation Keras counts batches, not updates.
Lengths go up to 2**53 steps, beyond which 64-bit floats skip whole numbers; a schedule changes at
exactly the step it names, however late. Keras' own classes compute in float32: near an end rate of
0 they are right to a ten-millionth of the first rate.

**Calling one.** A step may be an integer, a NumPy array of steps or a tensor; the answer is a
tensor of the same shape: `float(schedule(0))`, `numpy.asarray(schedule(numpy.arange(100)))`. The
rate depends on the step alone, so a saved, loaded and resumed training goes on where it was.

`warmup`, `join` and `per_epoch` stand in `composing.py`.

>>> from lrguide import schedules
>>> rate = schedules.warmup(
...     schedules.cosine(0.1, epochs=19, steps_per_epoch=48), epochs=1, steps_per_epoch=48
... )
>>> [round(float(rate(step)), 4) for step in (0, 24, 48, 504, 960)]
[0.002, 0.051, 0.1, 0.05, 0.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

from .arguments import count, end_rate, factor, listed, number
from .composing import Join, join, per_epoch, warmup
from .lengths import FLOAT, length, lengths, whole_steps
from .lengths import boundaries as starts
from .saved_schedule import Constant, Saved

MOST_EPOCHS = 100_000  # that compounding_time takes, because it keeps each epoch's rate in a table

__all__ = [
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
]


def constant(learning_rate: float) -> LearningRateSchedule:
    """Use the same rate during every step.

    Args:
        learning_rate: The rate, above 0.

    Raises:
        TypeError: If the rate is not a number.
        ValueError: If it is not finite or not above 0.

    Example:
        >>> from lrguide.schedules import constant
        >>> round(float(constant(0.01)(1000)), 4)
        0.01
    """
    return Constant(number("learning_rate", learning_rate))


def linear(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    end_learning_rate: float = 0.0,
    *,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall by the same amount each step: `a + (end - a) * min(n, D) / D` during step n.

    Here a is `initial_learning_rate` and D is `decay_steps`. Step 0 uses a, step D is the first to
    use the end rate, and so do all after it. Of a training of D steps the last one, D - 1, still
    uses `end + (a - end) / D`. Keras' `PolynomialDecay`, of which the default end rate, 0.0001, may
    lie above the start.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        decay_steps: Steps until the end rate, at least 1.
        end_learning_rate: The rate from step D on, from 0 to `initial_learning_rate`.
        epochs: The length in epochs, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If a rate or a length is out of range, or the length is not given exactly once.

    Example:
        >>> from lrguide.schedules import linear
        >>> rate = linear(0.1, 4)
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.075, 0.05, 0.025, 0.0, 0.0]
    """
    initial = number("initial_learning_rate", initial_learning_rate)
    end = end_rate(end_learning_rate, initial)
    steps = length("decay_steps", decay_steps, epochs, steps_per_epoch)
    return PolynomialDecay(initial, steps, end_learning_rate=end)


def polynomial(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    end_learning_rate: float = 0.0,
    *,
    power: float,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall by a power of the steps left: `end + (a - end) * (1 - min(n, D) / D) ** power`.

    That is the rate during step n, where a is `initial_learning_rate` and D is `decay_steps`. Step
    0 uses a, and step D is the first to use the end rate, as do all after it. A power of 1 is
    `linear`; one above 1 falls steeply at first and flattens, one below 1 does the opposite. Keras'
    `PolynomialDecay`, of which the default end rate, 0.0001, may lie above the start.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        decay_steps: Steps until the end rate, at least 1.
        end_learning_rate: The rate from step D on, from 0 to `initial_learning_rate`.
        power: The exponent, above 0.
        epochs: The length in epochs, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Example:
        >>> from lrguide.schedules import polynomial
        >>> rate = polynomial(0.1, 4, power=3.0)
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.0422, 0.0125, 0.0016, 0.0, 0.0]
    """
    initial = number("initial_learning_rate", initial_learning_rate)
    end = end_rate(end_learning_rate, initial)
    steps = length("decay_steps", decay_steps, epochs, steps_per_epoch)
    return PolynomialDecay(initial, steps, end_learning_rate=end, power=number("power", power))


def cosine(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    end_learning_rate: float = 0.0,
    *,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall along half a cosine: `end + (a - end) * (1 + cos(pi * min(n, D) / D)) / 2` in step n.

    Here a is `initial_learning_rate` and D is `decay_steps`. Step 0 uses a, step D / 2 the middle
    of the two rates, and step D is the first to use the end rate, as do all after it. Keras'
    `CosineDecay`, with the end as a rate and not as the fraction `alpha`.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        decay_steps: Steps until the end rate, at least 1; a warmup in front is not part of them.
        end_learning_rate: The rate from step D on, from 0 to `initial_learning_rate`.
        epochs: The length in epochs, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If a rate or a length is out of range, or the length is not given exactly once.

    Source: Loshchilov and Hutter, *SGDR*, 2017, arXiv:1608.03983, without its restarts.

    Example:
        >>> from lrguide.schedules import cosine
        >>> rate = cosine(0.1, 4)
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.0854, 0.05, 0.0146, 0.0, 0.0]
    """
    initial = number("initial_learning_rate", initial_learning_rate)
    end = end_rate(end_learning_rate, initial)
    steps = length("decay_steps", decay_steps, epochs, steps_per_epoch)
    return CosineDecay(initial, steps, alpha=end / initial)


def exponential(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    *,
    decay_rate: float,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall by the same factor each step: `a * decay_rate ** (n / D)` during step n.

    Here a is `initial_learning_rate` and D is `decay_steps`. Step 0 uses a, step D uses
    `a * decay_rate`, step 2 D uses `a * decay_rate ** 2`, without end. Keras' `ExponentialDecay`.
    `a * exp(-k * epoch)` is `exponential(a, decay_rate=exp(-k), epochs=1, steps_per_epoch=...)`.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        decay_steps: Steps in which the rate falls by `decay_rate`, at least 1.
        decay_rate: The factor, above 0 and at most 1.
        epochs: The length in epochs, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Example:
        >>> from lrguide.schedules import exponential
        >>> rate = exponential(0.1, 2, decay_rate=0.25)
        >>> [round(float(rate(step)), 4) for step in range(5)]
        [0.1, 0.05, 0.025, 0.0125, 0.0063]
    """
    return ExponentialDecay(
        number("initial_learning_rate", initial_learning_rate),
        length("decay_steps", decay_steps, epochs, steps_per_epoch),
        factor("decay_rate", decay_rate),
    )


def step_decay(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    *,
    decay_rate: float,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall by a factor every D steps: `a * decay_rate ** floor(n / D)` during step n.

    Here a is `initial_learning_rate` and D is `decay_steps`. Steps 0 to D - 1 use a, and step D
    is the first to use `a * decay_rate`. (The form `floor((1 + n) / D)`, found in many tutorials,
    drops one step or epoch early.) It is `per_epoch(exponential(a, 1, decay_rate=...), D)`: Keras'
    `ExponentialDecay` with `staircase=True` divides in float32 and drops early past 2**24 steps.

    Args:
        initial_learning_rate: The rate during the first D steps, above 0.
        decay_steps: Steps between two drops, at least 1.
        decay_rate: The factor of each drop, above 0 and at most 1.
        epochs: Epochs between two drops, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Example:
        >>> from lrguide.schedules import step_decay
        >>> rate = step_decay(0.1, 3, decay_rate=0.5)
        >>> [round(float(rate(step)), 4) for step in range(7)]
        [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]
    """
    steps = length("decay_steps", decay_steps, epochs, steps_per_epoch)
    return per_epoch(exponential(initial_learning_rate, 1, decay_rate=decay_rate), steps)


def inverse_time(
    initial_learning_rate: float,
    decay_steps: int | None = None,
    *,
    decay_rate: float,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall like one over time: `a / (1 + decay_rate * n / D)` during step n.

    Here a is `initial_learning_rate` and D is `decay_steps`. Step 0 uses a; with a `decay_rate` of
    1 step D uses half of it, step 2 D a third, without end. Keras' `InverseTimeDecay`; the argument
    `decay=` of old Keras optimizers is `decay_rate` with a D of 1.

    Args:
        initial_learning_rate: The rate during step 0, above 0.
        decay_steps: The unit of time in steps, at least 1.
        decay_rate: How much the divisor grows in D steps, above 0.
        epochs: The unit of time in epochs, in place of `decay_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the length is not given exactly once.

    Example:
        >>> from lrguide.schedules import inverse_time
        >>> rate = inverse_time(0.1, 2, decay_rate=1.0)
        >>> [round(float(rate(step)), 4) for step in range(5)]
        [0.1, 0.0667, 0.05, 0.04, 0.0333]
    """
    return InverseTimeDecay(
        number("initial_learning_rate", initial_learning_rate),
        length("decay_steps", decay_steps, epochs, steps_per_epoch),
        number("decay_rate", decay_rate),
    )


def inverse_sqrt(
    initial_learning_rate: float,
    timescale: int | None = None,
    *,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Fall like one over the root of time: `a * sqrt(T / (n + T))` during step n.

    Here a is `initial_learning_rate` and T is `timescale`. Step 0 uses a, step 3 T half of it,
    without end. With a warmup of as many steps, `warmup(inverse_sqrt(a, W), W, start_factor=0.0)`,
    it is the schedule of the Transformer, of fairseq and of Transformers, whose a is the highest
    rate: step n from W on uses `a * sqrt(W / n)`.

    Args:
        initial_learning_rate: The rate during step 0, the highest, above 0.
        timescale: The steps that count as done before step 0, at least 1: usually those of the
            warmup, or 10,000 without one.
        epochs: The timescale in epochs, in place of `timescale`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range, or the timescale is not given exactly once.

    Source: Vaswani et al., *Attention is all you need*, 2017, arXiv:1706.03762, equation 3.

    Example:
        >>> from lrguide import inverse_sqrt, warmup
        >>> rate = warmup(inverse_sqrt(0.1, 4), 4, start_factor=0.0)
        >>> [round(float(rate(step)), 4) for step in (0, 2, 4, 9, 16)]
        [0.0, 0.05, 0.1, 0.0667, 0.05]
    """
    initial = number("initial_learning_rate", initial_learning_rate)
    return InverseSqrt(initial, length("timescale", timescale, epochs, steps_per_epoch))


def compounding_time(
    initial_learning_rate: float, decay_rate: float, *, epochs: int, steps_per_epoch: int
) -> LearningRateSchedule:
    """Divide, at each epoch i, what is left of the rate by `1 + decay_rate * i`.

    Every step of epoch n uses `a / ((1 + k) * (1 + 2 k) * ... * (1 + n k))`, where a is
    `initial_learning_rate` and k is `decay_rate`: epoch 0 uses a, epoch 1 uses `a / (1 + k)`, and
    those after the last one use its rate. This is what the often copied "time-based decay", which
    multiplies the *current* rate by `1 / (1 + k * epoch)`, really does. It starts slowly, about as
    `exp(-k * n ** 2 / 2)`; `inverse_time` is the usual formula and starts fastest.

    Args:
        initial_learning_rate: The rate during epoch 0, above 0.
        decay_rate: The k of the formula, above 0.
        epochs: Epochs with a rate of their own, from 1 to 100,000: they are stored in a table.
        steps_per_epoch: Steps in an epoch, at least 1.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range.

    Example:
        >>> from lrguide.schedules import compounding_time
        >>> rate = compounding_time(0.1, 1.0, epochs=4, steps_per_epoch=2)
        >>> [round(float(rate(step)), 4) for step in range(8)]
        [0.1, 0.1, 0.05, 0.05, 0.0167, 0.0167, 0.0042, 0.0042]
    """
    return CompoundingTime(
        number("initial_learning_rate", initial_learning_rate),
        number("decay_rate", decay_rate),
        count("epochs", epochs, 1, MOST_EPOCHS, ": each has a rate of its own, kept in a table"),
        whole_steps("steps_per_epoch", steps_per_epoch),
    )


def piecewise(
    learning_rates: Sequence[float],
    boundaries: Sequence[int] | None = None,
    *,
    epochs: Sequence[float] | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Use one rate after the other: `learning_rates[i]` from step `boundaries[i - 1]` on.

    Steps 0 to `boundaries[0] - 1` use the first rate, and step `boundaries[0]` is the first to use
    the second. Keras' `PiecewiseConstantDecay` changes one step later (`step > boundary`), so its
    own boundaries, seen in the config, are one less; given boundaries out of order, it adds rates
    up without a word. It also compares in the 32 bits of a step that is a plain integer, so a
    boundary past 2**31 makes this a `join` of constants.

    Args:
        learning_rates: At least two rates, each above 0.
        boundaries: The first step of each rate but the first: increasing whole numbers.
        epochs: The first epoch of each rate but the first, in place of `boundaries`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not a sequence of numbers.
        ValueError: If a value is out of range or order, or rates and boundaries do not match.

    Example:
        >>> from lrguide.schedules import piecewise
        >>> rate = piecewise([0.1, 0.01, 0.001], [2, 5])
        >>> [round(float(rate(step)), 4) for step in range(6)]
        [0.1, 0.1, 0.01, 0.01, 0.01, 0.001]
    """
    rates = [
        number(f"learning_rates[{index}]", rate)
        for index, rate in enumerate(listed("learning_rates", learning_rates, "numbers"))
    ]
    steps = starts(len(rates), boundaries, epochs, steps_per_epoch)
    if steps[-1] > 2**31:
        return Join([Constant(rate) for rate in rates], steps)
    return PiecewiseConstantDecay([step - 1 for step in steps], rates)


def warmup_stable_decay(
    learning_rate: float,
    phase_steps: Sequence[int] | None = None,
    end_learning_rate: float = 0.0,
    *,
    epochs: Sequence[float] | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Rise, stay, fall, each in a straight line: a trapezoid.

    With phases of W, S and D steps, step n < W uses `r * (n + 1) / (W + 1)`, where r is
    `learning_rate`; steps W to W + S use r itself; step W + S + D is the first to use the end rate.
    The same as `warmup(join([r, linear(r, D, end)], [S]), W)`.

    Args:
        learning_rate: The rate of the stable phase, above 0.
        phase_steps: The steps of warmup, stable phase and decay, each at least 1.
        end_learning_rate: The rate after the decay, from 0 to `learning_rate`.
        epochs: The three lengths in epochs, in place of `phase_steps`.
        steps_per_epoch: Steps in an epoch; needed with `epochs`.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If an argument is out of range, or there are not three lengths.

    Source: Hu et al., *MiniCPM*, 2024, arXiv:2404.06395.

    Example:
        >>> from lrguide.schedules import warmup_stable_decay
        >>> rate = warmup_stable_decay(0.1, (1, 2, 4))
        >>> [round(float(rate(step)), 4) for step in range(8)]
        [0.05, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0]
    """
    rate = number("learning_rate", learning_rate)
    end = end_rate(end_learning_rate, rate)
    phases = lengths("phase_steps", phase_steps, epochs, steps_per_epoch)
    if len(phases) != 3:
        raise ValueError(
            f"three lengths are needed, warmup, stable and decay, received {len(phases)}"
        )
    up, stable, down = phases
    return warmup(join([rate, linear(rate, down, end)], [stable]), up)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class InverseSqrt(Saved):
    """What `inverse_sqrt` returns."""

    initial_learning_rate: float
    timescale: int

    def _rate(self, step: Any) -> Any:
        part = self.timescale / (ops.cast(step, FLOAT) + self.timescale)
        return self.initial_learning_rate * ops.sqrt(part)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class CompoundingTime(Saved):
    """What `compounding_time` returns."""

    initial_learning_rate: float
    decay_rate: float
    epochs: int
    steps_per_epoch: int

    def _rate(self, step: Any) -> Any:
        with np.errstate(over="ignore"):  # divided by infinity, the rate is 0
            divisors = np.cumprod(1.0 + self.decay_rate * np.arange(self.epochs))
        epoch = ops.minimum(ops.floor_divide(step, self.steps_per_epoch), self.epochs - 1)
        return ops.take(ops.convert_to_tensor(self.initial_learning_rate / divisors, FLOAT), epoch)
