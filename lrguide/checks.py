"""Does a learning rate schedule fit the training it is meant for?

`check` looks at a schedule before training and says what does not fit. It takes any Keras schedule:
Keras' own, lrguide's, yours. `rates_at` shows what a schedule does, and the callback
`LearningRateLogger` of `rate_logger.py` records what was used.

**Units.** Steps are what Keras' optimizers count, from 0: batches. They are updates, too, unless
gradients are accumulated (then several batches make one update) or the loss is scaled (then a batch
with gradients that are not finite makes none, and is not counted).

>>> from keras.optimizers.schedules import PiecewiseConstantDecay
>>> from lrguide.checks import check
>>> schedule = PiecewiseConstantDecay([50_000, 80_000], [0.01, 0.005, 0.001])
>>> print(*check(schedule, steps_per_epoch=1719, epochs=10), sep="\\n")
boundary: the change at step 50001 (epoch 29) is never reached: the last step is 17189. ...
boundary: the change at step 80001 (epoch 46) is never reached: the last step is 17189. ...
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from .arguments import count, is_number, told
from .course import (
    LAST_STEP,
    compile_problem,
    in_short,
    reader,
    refuse_unless_schedule,
    traced,
)
from .course import rates_at as rates_at
from .findings import Finding, Span, at_zero, of_course
from .internals import rate_or_schedule, step_count, values_of_step
from .lengths import INTEGER

__all__ = ["check"]


def check(
    schedule: LearningRateSchedule | float,
    *,
    steps_per_epoch: int,
    epochs: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    model: keras.Model | None = None,
) -> tuple[Finding, ...]:
    """Find what does not fit between a schedule and the training that will use it.

    The schedule is evaluated in the run, at steps n = c to c + steps_per_epoch * epochs - 1, where
    c is the optimizer's count of steps, 0 if it is new, and before and after, to see what the run
    does not reach. Where that makes more than 100,000 steps, about as many are picked: all around
    the start, the end and the steps that the schedule names, the others spread evenly and more
    thinly the farther from the start and the end. Changes are then found to the step; what a
    schedule of your own does between two picked steps, and undoes, is not seen.

    The findings, by name:

    - "boundary": a change of rate, a warmup's end or a first peak that the run never reaches;
      boundaries out of order; a warmup that Keras ignores.
    - "end": the rate comes to its end before the last step, or before the first one of a resumed
      training, or does not within the run.
    - "mid-cycle": the run ends within a cycle, far above its lowest rate: restarts, cycles.
    - "rising": a decay that rises, or rises again after its end.
    - "zero": the first update has a rate of 0 and changes nothing.
    - "not a rate": a rate below 0 or not finite, or something that is not one number.
    - "integer": integers where Keras computes in the type of the rate, and truncates.
    - "compiling": a schedule that fails with the whole number that Keras counts steps in, or that
      can be called but not compiled, as `fit` does.
    - "saving": a schedule of which the config cannot be saved, so that saving the model fails.
    - "epochs": a warmup, a cycle, a timescale or boundaries below a tenth of an epoch, and of no
      more steps than the run has epochs (a cycle: twice as many).
    - "accumulation": a length in updates, where Keras counts batches.
    - "resumed": the optimizer has taken steps before, so the schedule does not begin at 0.
    - "other rate": the optimizer does not use this schedule.
    - "reassigned": the optimizer holds this schedule, but the training step was compiled with
      another; needs `model`.
    - "momentum": a momentum that the compiled training step does not use; what was set after the
      first fit needs `model`.

    Args:
        schedule: Any Keras schedule, or a number for a constant rate.
        steps_per_epoch: Batches in an epoch, as `fit` shows them.
        epochs: Epochs of this run.
        optimizer: The optimizer that will train.
        model: A compiled model, in place of its optimizer. Its training step, once compiled by a
            first fit, is looked into; nothing is trained or changed.

    Returns:
        The findings, none if the schedule fits.

    Raises:
        TypeError: If an argument is not of the type named.
        ValueError: If a rate is below 0 or not finite, another number below 1, the run too long to
            count, the model not compiled, or its optimizer not the one given.

    Example:
        >>> from keras.optimizers.schedules import CosineDecay
        >>> from lrguide.checks import check
        >>> check(CosineDecay(0.1, 480), steps_per_epoch=48, epochs=10)
        ()
        >>> print(*check(CosineDecay(0.1, 480), steps_per_epoch=48, epochs=20))
        end: the rate stays at 0 from step 480 (epoch 10) on, for 50 % of the run. Give ...
    """
    refuse_unless_schedule(schedule)
    length = count("steps_per_epoch", steps_per_epoch) * count("epochs", epochs)
    if model is not None:
        optimizer = _optimizer_of(model, optimizer)
    inner = None if optimizer is None else single(optimizer)
    first = 0 if inner is None else int(ops.convert_to_numpy(step_count(inner)))
    every = 1 if inner is None else inner.gradient_accumulation_steps or 1
    span = Span(first, first + length - 1, steps_per_epoch, every)
    if span.last > LAST_STEP:
        raise ValueError(
            f"steps_per_epoch * epochs must be at most 2 ** {LAST_STEP.bit_length() - 1}, "
            f"received {steps_per_epoch} * {epochs}"
        )

    if isinstance(schedule, Integral):
        what = f"the rate is the integer {schedule}, which Keras refuses."
        return (Finding("integer", what, f"Write {float(schedule)}."),)
    findings: list[Finding] = []
    if isinstance(schedule, LearningRateSchedule):
        findings += _form(schedule)
        if not findings:
            findings += of_course(span, schedule)
            findings += _saving(schedule)
    elif schedule == 0.0:
        findings.append(at_zero(span))
    if inner is not None:
        findings += _of_optimizer(span, schedule, inner, findings)
        unlike = {"other rate", "compiling", "not a rate"} & {finding.name for finding in findings}
        if model is not None and not unlike:
            findings += _of_training_step(span, schedule, inner, model)
    return tuple(findings)


# How the schedule is written.


def _form(schedule: LearningRateSchedule) -> list[Finding]:
    """Findings on how the schedule is written; with one of them its course means nothing."""
    boundaries = list(getattr(schedule, "boundaries", None) or ())
    if boundaries != sorted(set(boundaries)):
        what = f"the boundaries are not in increasing order: {boundaries}."
        return [Finding("boundary", what, "Sort them, with their rates.")]
    if getattr(schedule, "warmup_steps", 0) and getattr(schedule, "warmup_target", 0) is None:
        what = "warmup_steps without warmup_target are ignored."
        return [Finding("boundary", what, "Give warmup_target, the rate after the warmup.")]
    values = getattr(schedule, "values", None)
    named = {"initial_learning_rate": getattr(schedule, "initial_learning_rate", None)}
    named |= {f"values[{index}]": value for index, value in enumerate(values or ())}
    for name, value in named.items():
        if isinstance(value, Integral):
            what = f"{name} is the integer {value}, and Keras computes the rate in its type."
            return [Finding("integer", what, _IN_FLOATS)]
    try:
        rate = schedule(ops.convert_to_tensor(0, INTEGER))
    except Exception as error:  # whatever the user's own code raises
        what = f"the schedule fails with Keras' step, a whole number in a tensor: {in_short(error)}"
        mend = "Before it computes with the step, cast it: step = ops.cast(step, 'float32')."
        return [Finding("compiling", what, mend)]
    if problem := compile_problem(schedule):
        what = f"the schedule can be called but not compiled: {problem}"
        mend = "Use keras.ops (ops.where, ops.cond) where the step decides, not Python's if."
        return [Finding("compiling", what, mend)]
    try:
        number = ops.convert_to_numpy(rate)
        wrong = number.ndim > 0 or number.dtype.kind not in "fiu"
    except Exception:  # None, a text
        wrong = True
    if wrong:
        what = f"the schedule returns {rate!r}, which is not one number."
        return [Finding("not a rate", what, "Return the rate of the step alone.")]
    if number.dtype.kind in "iu":
        what = "the schedule computes in integers, which truncates the rate."
        return [Finding("integer", what, _IN_FLOATS)]
    return []


_IN_FLOATS = "Write the rates as floats: 1.0, not 1."


def _saving(schedule: LearningRateSchedule) -> list[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a lambda, which can be saved all the same
            keras.saving.serialize_keras_object(schedule)
    except Exception as error:  # whatever the user's own code raises
        what = f"the schedule cannot be saved, and so the model: {in_short(error)}"
        mend = "Write get_config, which returns what __init__ takes."
        return [Finding("saving", what, mend)]
    return []


# The optimizer, and the training step that was compiled with it.


def _of_optimizer(
    span: Span,
    schedule: LearningRateSchedule | float,
    optimizer: Any,
    found: list[Finding],
) -> list[Finding]:
    findings = []
    over = any(finding.name == "end" and (finding.step or 0) <= span.first for finding in found)
    if span.first > 0 and not over:
        what = f"the optimizer has taken {span.first} steps, so the schedule begins at its own"
        mend = "Right to resume; otherwise compile with a new optimizer."
        findings.append(span.finding("resumed", f"{what} {span.at(span.first)}.", mend, span.first))
    steps = np.unique(np.linspace(span.first, span.last, 50).astype(np.int64))
    held = rate_or_schedule(optimizer)
    if not isinstance(held, LearningRateSchedule):
        held = float(ops.convert_to_numpy(optimizer.learning_rate))
    broken = any(finding.name in ("compiling", "not a rate") for finding in found)
    if held is not schedule and not broken:
        used, meant = reader(held)(steps), reader(schedule)(steps)
        wrong = np.flatnonzero(~np.isclose(used, meant, rtol=1e-5, atol=0.0, equal_nan=True))
        if len(wrong):
            at = int(steps[wrong[0]])
            what = (
                f"the optimizer does not use this schedule: at {span.at(at)} its rate is "
                f"{used[wrong[0]]:.4g}, not {meant[wrong[0]]:.4g}."
            )
            mend = "Give it to the optimizer as learning_rate when you make it."
            findings.append(span.finding("other rate", what, mend, at))
    if "lr" in vars(optimizer):
        what = "optimizer.lr was set, which Keras 3 does not read."
        findings.append(Finding("other rate", what, "Set optimizer.learning_rate."))
    for name in ("momentum", "beta_1"):
        value = vars(optimizer).get(name, 0.0)
        if not is_number(value) and not isinstance(value, keras.Variable):
            what = f"{name} is {value!r}, but Keras needs a number, read when it compiles."
            findings.append(Finding("momentum", what, SCHEDULED))
    return findings


def _of_training_step(
    span: Span, schedule: LearningRateSchedule | float, optimizer: Any, model: keras.Model
) -> list[Finding]:
    findings = []
    steps = np.unique(np.linspace(span.first, span.last, 6).astype(np.int64))
    if isinstance(schedule, LearningRateSchedule) and not may_use(model, schedule, steps):
        findings.append(Finding("reassigned", *REASSIGNED))
    numbers = [row[0] for row in values_of_step(model, steps[:1])]
    for name, value in momenta_of(optimizer).items():
        # Adam multiplies by 1 - beta_1. Of 0 and 1 every graph has some.
        near = [
            np.isclose(row, value, 1e-6) | np.isclose(row, 1.0 - value, 1e-5) for row in numbers
        ]
        if near and value not in (0.0, 1.0) and not np.concatenate(near).any():
            what = f"{name} is {value!r}, but the training step was compiled with another value."
            findings.append(Finding("momentum", what, SCHEDULED))
    return findings


REASSIGNED = (
    "the optimizer's schedule was replaced after the training step was compiled, which goes on "
    "with the old one.",
    "Call model.compile(optimizer=model.optimizer, ...) after replacing it; the steps are kept.",
)
SCHEDULED = "Use an optimizer of which the momentum follows a schedule (lrguide: ScheduledSGD)."


def may_use(model: keras.Model, schedule: LearningRateSchedule, steps: NDArray[np.int64]) -> bool:
    """Whether the compiled training step computes this schedule; True where it cannot be seen."""
    if keras.backend.backend() != "tensorflow":
        return True
    graphs, function = values_of_step(model, steps), traced(schedule)
    if not graphs or function.graph.captures:  # not compiled yet; the rate depends on more
        return True
    import tensorflow as tf

    wanted = np.array([float(function(tf.constant(step, tf.int64))) for step in steps])
    return any(
        np.isclose(numbers, wanted[:, None], rtol=1e-5, atol=0.0).all(axis=0).any()
        for numbers in graphs
    )


def momenta_of(optimizer: Any) -> Mapping[str, float]:
    """Momenta that are plain numbers; an optimizer that computes them keeps no such attribute."""
    held = vars(optimizer)
    return {name: held[name] for name in ("momentum", "beta_1") if is_number(held.get(name))}


def _optimizer_of(model: Any, optimizer: Any) -> Any:
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model, received {told(model)}")
    own = getattr(model, "optimizer", None)
    if own is None:
        raise ValueError("model must be compiled with an optimizer, received one that is not")
    if optimizer is not None and optimizer is not own:
        raise ValueError("give the model or its optimizer, received another optimizer")
    return own


def single(optimizer: Any) -> Any:
    """The optimizer that holds the rate, inside a loss scale."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a Keras optimizer, received {told(optimizer)}")
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if isinstance(inner, keras.optimizers.MultiOptimizer):
        raise TypeError(
            "optimizer must have one learning rate, received a MultiOptimizer, of which each of "
            "`optimizer.optimizers` has its own"
        )
    return inner
