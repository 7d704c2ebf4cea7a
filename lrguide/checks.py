"""Does a learning rate schedule fit the training it is meant for, and which rates were used?

`check` looks at a schedule before training and says what does not fit; `LearningRateLogger` records
during training the rate that each update used, and compares it with the schedule. Both take any
Keras schedule: Keras' own, lrguide's, yours. `rates_at` shows what a schedule does.

**Units.** Steps are what Keras' optimizers count, from 0: batches. They are updates, too, unless
gradients are accumulated (then several batches make one update) or the loss is scaled (then a batch
with gradients that are not finite makes none, and is not counted).

This file needs Keras and NumPy alone and may be copied into a project as it is.

>>> from keras.optimizers.schedules import PiecewiseConstantDecay
>>> from lrguide.checks import check
>>> schedule = PiecewiseConstantDecay([50_000, 80_000], [0.01, 0.005, 0.001])
>>> print(*check(schedule, steps_per_epoch=1719, epochs=10), sep="\\n")
boundary: the change at step 50001 (epoch 29) is never reached: the last step is 17189. ...
boundary: the change at step 80001 (epoch 46) is never reached: the last step is 17189. ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import ArrayLike, NDArray

__all__ = ["Finding", "LearningRateLogger", "check", "rates_at"]

Reader = Callable[[NDArray[np.int64]], NDArray[np.float64]]

# The name under which `History` gets the rates of all updates, a list for each epoch.
BY_UPDATE = "learning_rate_by_update"


@dataclass(frozen=True)
class Finding:
    """One way in which a schedule does not fit a training.

    Attributes:
        name: What kind it is, in a word or two; `check` lists them.
        what: What does not fit, in a sentence.
        mend: How to mend it, in a sentence.
        step: The step that it is about, counted from 0; None if it is about all.
        epoch: The epoch of that step, counted from 0.

    Example:
        >>> from lrguide.checks import check
        >>> print(check(0, steps_per_epoch=48, epochs=1)[0])
        integer: the rate is the integer 0, which Keras refuses. Write 0.0.
    """

    name: str
    what: str
    mend: str
    step: int | None = None
    epoch: int | None = None

    def __str__(self) -> str:
        """Return all of it on one line."""
        return f"{self.name}: {self.what} {self.mend}"


def check(
    schedule: LearningRateSchedule | float,
    *,
    steps_per_epoch: int,
    epochs: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    model: keras.Model | None = None,
) -> tuple[Finding, ...]:
    """Find what does not fit between a schedule and the training that will use it.

    The schedule is evaluated at every step of the run, n = c to c + steps_per_epoch * epochs - 1,
    where c is the optimizer's count of steps, 0 if it is new, and at later ones, to see what the
    run does not reach. The findings, by name:

    - "boundary": a change of rate, a warmup's end or a first peak that the run never reaches;
      boundaries out of order; a warmup that Keras ignores.
    - "end": the rate comes to its end before the last step, or does not within the run.
    - "rising": a decay that rises, or rises again after its end.
    - "zero": the first update has a rate of 0 and changes nothing.
    - "not a rate": a rate below 0 or not finite.
    - "integer": integers where Keras computes in the type of the rate, and truncates.
    - "compiling": a schedule that can be called but not compiled, as `fit` does.
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
        ValueError: If a number is below 1, the model is not compiled, or its optimizer is not
            the one given.

    Example:
        >>> from keras.optimizers.schedules import CosineDecay
        >>> from lrguide.checks import check
        >>> check(CosineDecay(0.1, 480), steps_per_epoch=48, epochs=10)
        ()
        >>> print(*check(CosineDecay(0.1, 480), steps_per_epoch=48, epochs=20))
        end: the rate stays at 0 from step 480 (epoch 10) on, for 50 % of the run. Give ...
    """
    _refuse_unless_schedule(schedule)
    length = _whole("steps_per_epoch", steps_per_epoch) * _whole("epochs", epochs)
    if model is not None:
        optimizer = _optimizer_of(model, optimizer)
    inner = None if optimizer is None else _single(optimizer)
    first = 0 if inner is None else _count(inner)
    every = 1 if inner is None else inner.gradient_accumulation_steps or 1
    run = _Run(first, first + length - 1, steps_per_epoch, every)

    if isinstance(schedule, Integral):
        what = f"the rate is the integer {schedule}, which Keras refuses."
        return (Finding("integer", what, f"Write {float(schedule)}."),)
    findings = []
    if not isinstance(schedule, LearningRateSchedule):
        rates = np.full(length, float(schedule))
        findings += _values(run, rates)
    else:
        findings += _form(schedule)
        if not findings:
            findings += _course(run, schedule, _reader(schedule))
    if inner is not None:
        findings += _of_optimizer(run, schedule, inner)
        if model is not None and not any(finding.name == "other rate" for finding in findings):
            findings += _of_training_step(run, schedule, inner, model)
    return tuple(findings)


def rates_at(schedule: LearningRateSchedule | float, steps: ArrayLike) -> NDArray[np.float64]:
    """Evaluate a schedule at many steps, at once where it can, else compiled step by step.

    Args:
        schedule: Any Keras schedule, or a number for a constant rate.
        steps: Whole numbers, the steps, counted from 0.

    Returns:
        The rate during each of the steps, an array.

    Raises:
        TypeError: If `schedule` is no schedule and no number, or a step no whole number.
        ValueError: If a step is below 0, or the steps are not in one row.

    Example:
        >>> from keras.optimizers.schedules import CosineDecay
        >>> from lrguide.checks import rates_at
        >>> rates_at(CosineDecay(0.1, 4), range(6)).round(4).tolist()
        [0.1, 0.0854, 0.05, 0.0146, 0.0, 0.0]
    """
    _refuse_unless_schedule(schedule)
    row = np.asarray(steps)
    if row.size and row.dtype.kind not in "iu":
        raise TypeError(f"steps must be whole numbers, received {steps!r}")
    if row.ndim != 1 or (row < 0).any():
        raise ValueError(f"steps must be a row of whole numbers from 0 on, received {steps!r}")
    return _reader(schedule)(row.astype(np.int64)) if row.size else np.array([], dtype=np.float64)


class LearningRateLogger(keras.callbacks.Callback):
    """Log the rate that each update used, and compare it with the schedule.

    Keras' history has no rates when a schedule is used, and what its callbacks log at the end of an
    epoch is then the rate of the *next* update. This one logs, at the end of each epoch,

    - `history["learning_rate"]`: the rate of the epoch's last update, a number an epoch, and
    - `history["learning_rate_by_update"]`: the rates of all its updates, a list an epoch.

    A rate is what the compiled training step used at the step that the optimizer had counted,
    whatever `optimizer.learning_rate` says: it is right with several steps per execution, with
    batches skipped by loss scaling, with accumulated gradients (one rate an update, that of the
    last of its batches), after a resume, and when other callbacks set the rate. Between batches
    nothing waits for the device.

    A training step that was compiled before any such logger came, with a schedule replaced since,
    uses a rate that cannot be read: it is logged as NaN, and `findings` says why. On another
    backend than TensorFlow it is not noticed.

    Args:
        schedule: What is meant to be used, a Keras schedule or a number; by default what the
            optimizer holds when training ends.

    Attributes:
        steps: The step of each update of the last fit, an array.
        rates: The rate of each update, an array.
        declared: The rate of the schedule at the same steps, an array.
        findings: What differs, as `Finding`s: "other rate", "reassigned", "momentum", "skipped"
            (batches that made no update) and "resumed" (epochs continue, but the steps begin at 0).

    Raises:
        TypeError: If `schedule` is neither a schedule nor a number; by `fit`, if the model's
            optimizer has several rates, or a function as its rate.

    Example:
        >>> import keras, numpy
        >>> from lrguide.checks import LearningRateLogger
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 4, end_learning_rate=0.0)
        >>> model.compile(keras.optimizers.SGD(schedule), "mse")
        >>> logger = LearningRateLogger()
        >>> x = numpy.ones((4, 1))
        >>> history = model.fit(x, x, batch_size=2, epochs=2, verbose=0, callbacks=[logger])
        >>> logger.rates.round(4).tolist(), logger.findings
        ([0.1, 0.075, 0.05, 0.025], ())
        >>> [round(rate, 4) for rate in history.history["learning_rate"]]
        [0.075, 0.025]
    """

    # Without this Keras calls all callbacks in step with the device after each batch.
    async_safe = True

    def __init__(self, schedule: LearningRateSchedule | float | None = None) -> None:
        """Make the callback; the class says what the argument means."""
        super().__init__()
        if schedule is not None:
            _refuse_unless_schedule(schedule)
        self.schedule = schedule
        self.steps: NDArray[np.int64] = np.array([], dtype=np.int64)
        self.rates: NDArray[np.float64] = np.array([], dtype=np.float64)
        self.declared: NDArray[np.float64] = np.array([], dtype=np.float64)
        self.findings: tuple[Finding, ...] = ()
        self._readers: dict[int, tuple[Any, Reader]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew, and find out which rate the training step uses."""
        self._optimizer = _single(self.model.optimizer)
        held = self._optimizer._learning_rate
        if not isinstance(held, LearningRateSchedule | keras.Variable):
            raise TypeError(
                "the optimizer's learning rate must be a number or a Keras schedule, "
                f"received {held!r}"
            )
        self.steps, self.rates = self.steps[:0], self.rates[:0]
        self.findings = ()
        self._found: dict[str, Finding] = {}
        self._skipped = 0
        self._begun = False
        self._rate = self._first_rate = self._compiled_rate(held)
        self._momenta = _momenta(self._optimizer)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Read the count of steps."""
        self._start = _count(self._optimizer)
        self._epoch = epoch
        self._batches = 0
        self._segments = [(self._start, self._rate)]
        self._copy_rate = _copier(self._rate)
        self._samples: list[tuple[Any, Any]] = []
        self._scaled = self.model.optimizer is not self._optimizer
        if not self._begun and epoch > 0 and self._start == 0:
            self._note(
                "resumed",
                f"training goes on at epoch {epoch}, but the optimizer counts from step 0, so the "
                "schedule begins again.",
                "Load the optimizer with the model: load_model, not weights alone.",
                0,
            )
        self._begun = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """See whether anything was changed; read a rate that may be."""
        held = self._optimizer._learning_rate
        if held is not self._rate:
            self._changed(held)
        if isinstance(self._rate, keras.Variable):
            # Copies, of which the values are asked for when the epoch is over. Only a loss scale
            # skips batches: else their number says the step.
            at = ops.copy(self._optimizer._iterations) if self._scaled else batch
            self._samples.append((at, self._copy_rate()))
        if self._momenta and not self.model.run_eagerly:
            self._compare_momenta()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batches."""
        self._batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the epoch's rates to the history."""
        end, every = _count(self._optimizer), self._optimizer.gradient_accumulation_steps or 1
        batches = self._counted_batches(end)
        self._skipped += batches - (end - self._start)
        steps = np.arange(self._start, end)
        steps = steps[(steps + 1) % every == 0]
        rates = self._used(steps, (end - self._start) / max(batches, 1))
        self.steps = np.concatenate([self.steps, steps])
        self.rates = np.concatenate([self.rates, rates])
        if logs is not None:
            logs["learning_rate"] = float(rates[-1]) if len(rates) else math.nan
        self.model.history.history.setdefault(BY_UPDATE, []).append(rates.tolist())

    def on_train_end(self, logs: Any = None) -> None:
        """Compare with the schedule."""
        if self._rate is not None:
            _RATES[self.model.train_function] = self._rate
        if self._skipped > 0:
            self._note(
                "skipped",
                f"{self._skipped} batches made no update, so the schedule lags behind by as many "
                "steps.",
                "A few at the start are normal with float16: their gradients were not finite.",
            )
        self._compare()
        self.findings = tuple(self._found.values())

    def _counted_batches(self, end: int) -> int:
        # Keras counts the last execution of several steps as full.
        known: int | None = self.params.get("steps")
        if known is None and self.model.steps_per_execution > 1:
            return end - self._start
        return self._batches if known is None else min(self._batches, known)

    def _compiled_rate(self, held: Any) -> Any:
        """What the training step uses: None if it was compiled with something unknown."""
        known = _RATES.get(self.model.train_function)
        if held is known or isinstance(held, keras.Variable):
            return held
        if _compiled_with(self.model, held, _PROBE) is False:
            self._note("reassigned", *_REASSIGNED)
            return known
        return held

    def _changed(self, held: Any) -> None:
        step = _count(self._optimizer)
        if self.model.run_eagerly:
            self._rate, self._copy_rate = held, _copier(held)
            self._segments.append((step, held))
        elif "reassigned" not in self._found:
            self._note("reassigned", *_REASSIGNED, step)

    def _compare_momenta(self) -> None:
        for name, was in self._momenta.items():
            value = getattr(self._optimizer, name)
            if value != was and "momentum" not in self._found:
                self._note(
                    "momentum",
                    f"{name} was set to {value!r}, but the training step is compiled with {was!r}.",
                    _SCHEDULED,
                    _count(self._optimizer),
                )

    def _used(self, steps: NDArray[np.int64], steps_per_batch: float) -> NDArray[np.float64]:
        rates = np.full(len(steps), math.nan)
        for first, rate in self._segments:
            if isinstance(rate, LearningRateSchedule):
                rates[steps >= first] = self._read(rate, steps[steps >= first])
        if self._samples:
            # Stacked first: to ask for each value apart takes longer than all else.
            at, sampled = (
                np.asarray(ops.convert_to_numpy(ops.stack(column)), dtype=np.float64)
                for column in zip(*self._samples, strict=True)
            )
            if not self._scaled:
                at = self._start + at * steps_per_batch
            # The last sample at or before a step: a skipped batch has the step of the next one.
            index = np.searchsorted(at, steps, side="right") - 1
            rates[index >= 0] = sampled[index[index >= 0]]
        return rates

    def _read(self, rate: LearningRateSchedule, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(steps):
            return np.array([], dtype=np.float64)
        if id(rate) not in self._readers:
            self._readers[id(rate)] = (rate, _reader(rate))
        return self._readers[id(rate)][1](steps)

    def _compare(self) -> None:
        meant = self._optimizer._learning_rate if self.schedule is None else self.schedule
        if isinstance(meant, keras.Variable) or meant is self._rate is self._first_rate:
            self.declared = self.rates  # by definition; a rate that is set declares nothing else
        elif isinstance(meant, LearningRateSchedule):
            self.declared = self._read(meant, self.steps)
        else:
            self.declared = np.full(len(self.steps), float(meant))
        wrong = np.flatnonzero(~np.isclose(self.rates, self.declared, rtol=1e-5, atol=0.0))
        if len(wrong) and not np.isnan(self.rates).all():
            at = int(wrong[0])
            self._note(
                "other rate",
                f"{len(wrong)} of {len(self.rates)} updates used another rate than the schedule's: "
                f"at step {self.steps[at]} {self.rates[at]:.4g}, not {self.declared[at]:.4g}.",
                "Give the schedule to the optimizer, and let no callback set the rate.",
                int(self.steps[at]),
            )

    def _note(self, name: str, what: str, mend: str, step: int | None = None) -> None:
        epoch = None if step is None else getattr(self, "_epoch", None)
        self._found[name] = Finding(name, what, mend, step, epoch)


def _copier(rate: Any) -> Callable[[], Any]:
    """What copies a variable; TensorFlow's own way takes a quarter of the time of `ops.copy`."""
    copy = getattr(rate.value, "value", None) if isinstance(rate, keras.Variable) else None
    return copy if callable(copy) else lambda: ops.copy(rate)


_REASSIGNED = (
    "the optimizer's schedule was replaced after the training step was compiled, which goes on "
    "with the old one.",
    "Call model.compile(optimizer=model.optimizer, ...) after replacing it; the steps are kept.",
)
_SCHEDULED = "Use an optimizer of which the momentum follows a schedule (lrguide: ScheduledSGD)."
# The rate of each compiled training step that a logger has followed.
_RATES: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_PROBE = np.array([0, 1, 7, 60, 500, 4000])


@dataclass(frozen=True)
class _Run:
    """The steps of a training, the last one included; an update after `every` of them."""

    first: int
    last: int
    steps_per_epoch: int
    every: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def at(self, step: int) -> str:
        return f"step {step} (epoch {step // self.steps_per_epoch})"

    def finding(self, name: str, what: str, mend: str, step: int) -> Finding:
        return Finding(name, what, mend, step, step // self.steps_per_epoch)


# What a schedule says about itself: `check` evaluates the rest.


@dataclass(frozen=True)
class _Landmark:
    kind: str  # boundary, warmup, peak, end
    step: int
    start: int  # of the part of the schedule that it belongs to


def _landmarks(schedule: Any, start: int = 0, stretch: int = 1) -> Iterator[_Landmark]:
    """Steps that a schedule, or one inside it, names in its attributes."""

    def whole(name: str) -> int | None:
        value = getattr(schedule, name, None)
        return int(value) * stretch if _is_number(value) and math.isfinite(value) else None

    inner, warm = getattr(schedule, "schedule", None), whole("warmup_steps")
    if inner is not None and warm is not None:
        yield _Landmark("warmup", start + warm, start)
        yield from _landmarks(inner, start + warm, stretch)
    elif inner is not None and (held := getattr(schedule, "steps_per_epoch", None)):
        yield from _landmarks(inner, start, stretch * int(held))
    elif warm:
        yield _Landmark("warmup", start + warm, start)
    boundaries = list(getattr(schedule, "boundaries", None) or ())
    # Keras' class changes the rate at the step after its boundary.
    later = 1 if hasattr(schedule, "values") else 0
    for boundary in boundaries:
        yield _Landmark("boundary", start + (int(boundary) + later) * stretch, start)
    if parts := getattr(schedule, "schedules", None):
        yield from _landmarks(parts[-1], start + int(boundaries[-1]) * stretch, stretch)
    if (rise := whole("steps_up")) is not None:
        yield _Landmark("peak", start + rise, start)
    for name in ("decay_steps", "total_steps"):
        if (length := whole(name)) is not None and not hasattr(schedule, "decay_rate"):
            begin = start + (warm or 0)
            yield _Landmark("end", begin + length, begin)


def _form(schedule: LearningRateSchedule) -> list[Finding]:
    """Findings on how the schedule is written; with one of them its course means nothing."""
    boundaries = list(getattr(schedule, "boundaries", None) or ())
    if boundaries != sorted(set(boundaries)):
        what = f"the boundaries are not in increasing order: {boundaries}."
        return [Finding("boundary", what, "Sort them, with their rates.")]
    if getattr(schedule, "warmup_steps", 0) and getattr(schedule, "warmup_target", 0) is None:
        what = "warmup_steps without warmup_target are ignored."
        return [Finding("boundary", what, "Give warmup_target, the rate after the warmup.")]
    mend = "Write the rates as floats: 1.0, not 1."
    values = getattr(schedule, "values", None)
    named = {"initial_learning_rate": getattr(schedule, "initial_learning_rate", None)}
    named |= {f"values[{index}]": value for index, value in enumerate(values or ())}
    for name, value in named.items():
        if isinstance(value, Integral):
            what = f"{name} is the integer {value}, and Keras computes the rate in its type."
            return [Finding("integer", what, mend)]
    if ops.convert_to_numpy(schedule(ops.convert_to_tensor(0, "int64"))).dtype.kind in "iu":
        what = "the schedule computes in integers, which truncates the rate."
        return [Finding("integer", what, mend)]
    if problem := _compile_problem(schedule):
        what = f"the schedule can be called but not compiled: {problem}"
        mend = "Use keras.ops (ops.where, ops.cond) where the step decides, not Python's if."
        return [Finding("compiling", what, mend)]
    return []


def _compile_problem(schedule: LearningRateSchedule) -> str:
    if keras.backend.backend() != "tensorflow":
        return ""
    try:
        _traced(schedule)
    except Exception as error:  # whatever the user's own code raises
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return ""


def _values(run: _Run, rates: NDArray[np.float64]) -> list[Finding]:
    wrong = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0.0)))
    if len(wrong):
        step = run.first + int(wrong[0])
        what = f"the rate at {run.at(step)} is {rates[wrong[0]]:.4g}."
        return [run.finding("not a rate", what, "A rate must be finite and not below 0.", step)]
    at = min(run.every - 1 - run.first % run.every, run.length - 1)
    if rates[at] == 0.0:
        step = run.first + at
        what = f"the rate of the first update, at {run.at(step)}, is 0, so it changes nothing."
        mend = "Start a warmup above 0, for example at 1 / (warmup steps + 1) of the full rate."
        return [run.finding("zero", what, mend, step)]
    return []


def _course(run: _Run, schedule: LearningRateSchedule, read: Reader) -> list[Finding]:
    """Findings on the course of the rate: in the run, and after it."""
    marks = sorted(set(_landmarks(schedule)), key=lambda mark: mark.step)
    farthest = max([4 * run.length, *(mark.step - run.first for mark in marks)])
    steps = run.first + np.arange(min(farthest + farthest // 4 + 2, 5_000_000))
    rates = read(steps)
    findings = _values(run, rates[: run.length])
    findings += _boundaries(run, marks)
    findings += _rising(run, marks, rates, bool(getattr(schedule, "cycle", False)))
    names = {finding.name for finding in findings}
    changes = steps[1:][np.diff(rates) != 0.0]
    if not len(changes) or not np.isfinite(rates).all():
        return findings
    # The first step after the run may be the first to use the end rate.
    later = changes[changes > run.last + 1 + run.length // 1000]
    if len(later) == len(changes) and "boundary" not in names:
        return [*findings, _unreached(run, int(later[0]))]
    # A rate that moves till the end of what was evaluated has no end: exponential, cyclical.
    settled = steps[-1] - changes[-1] > len(steps) // 10
    if not settled or names & {"rising", "boundary"}:
        return findings
    if 0 < len(later) <= 3:
        findings += [_unreached(run, int(step)) for step in later]
    elif len(later):
        moves = np.diff(rates[run.length - 1 :])
        # Without a length of its own, what goes up and down has no end, though it may fade away.
        if any(mark.kind == "end" for mark in marks):
            findings.append(_ends_after(run, int(changes[-1]), rates))
        elif (moves <= 0).all() or (moves >= 0).all():
            vanishing = _vanishes(run, rates[: run.length])
            findings.append(vanishing or _ends_after(run, int(changes[-1]), rates))
    elif not hasattr(schedule, "values"):  # whose last rate is meant to stay
        findings += _ends_before(run, changes, rates)
    return findings


_IN_STEPS = "Give steps, not epochs or samples: epochs * steps_per_epoch."


def _unreached(run: _Run, step: int, what: str = "change") -> Finding:
    sentence = f"the {what} at {run.at(step)} is never reached: the last step is {run.last}."
    return run.finding("boundary", sentence, _IN_STEPS, step)


def _vanishes(run: _Run, rates: NDArray[np.float64]) -> Finding | None:
    """A decay without an end of its own that is all but over long before the run."""
    if rates[-1] <= 0.0:
        return None
    last = int(np.flatnonzero(rates >= 1e-6 * rates.max())[-1])
    if run.length - 1 - last <= run.length // 10:
        return None
    step = run.first + last + 1
    part = 100.0 * (run.last + 1 - step) / run.length
    what = (
        f"the rate is below a millionth of its highest from {run.at(step)} on, for {part:.0f} % of "
        "the run."
    )
    return run.finding("end", what, _IN_STEPS, step)


def _boundaries(run: _Run, marks: list[_Landmark]) -> list[Finding]:
    names = {"boundary": "change", "warmup": "end of the warmup", "peak": "first peak"}
    return [
        _unreached(run, mark.step, names[mark.kind])
        for mark in marks
        if mark.kind in names and mark.step > run.last
    ]


def _rising(
    run: _Run, marks: list[_Landmark], rates: NDArray[np.float64], cycles: bool
) -> list[Finding]:
    for mark in marks:
        start, end = mark.start - run.first, mark.step - run.first
        if mark.kind != "end" or cycles or start < 0 or end >= len(rates):
            continue
        after = rates[end + 1 : run.length]
        if len(after) and after.max() > rates[end] * 1.001 + 1e-12:
            step = run.first + end + 1
            what = f"the schedule ends at {run.at(mark.step)}, after which the rate rises again."
            mend = "Hold the last rate: step = ops.minimum(step, decay_steps)."
            return [run.finding("rising", what, mend, step)]
        if rates[end] > rates[start] * 1.001 and rates[start:end].max() <= rates[end]:
            what = (
                f"the decay rises, from {rates[start]:.4g} at {run.at(mark.start)} to "
                f"{rates[end]:.4g} at {run.at(mark.step)}."
            )
            mend = "Give an end rate below the first (Keras' end_learning_rate is 0.0001)."
            return [run.finding("rising", what, mend, mark.step)]
    return []


def _ends_after(run: _Run, end: int, rates: NDArray[np.float64]) -> Finding:
    part = 100.0 * run.length / (end - run.first)
    what = (
        f"the rate ends at {run.at(end)}, but the run after {part:.0f} % of that: its last rate "
        f"is {rates[run.length - 1]:.4g}, not {rates[-1]:.4g}."
    )
    mend = f"Give the schedule the run's length: {run.last + 1} steps."
    return run.finding("end", what, mend, run.last)


def _ends_before(
    run: _Run, changes: NDArray[np.int64], rates: NDArray[np.float64]
) -> list[Finding]:
    end = int(changes[-1])
    gaps = np.diff(changes[-5:])
    falls = rates[end - run.first] < rates[end - run.first - 1]
    # Stairs count as a course if they are regular; one that ends lacks its next stair.
    if len(gaps) < 4 or gaps.max() > 2 * gaps.min() or not falls:
        return []
    if run.last - end <= max(1, run.length // 1000) or run.last - end < gaps.max():
        return []
    part = 100.0 * (run.last + 1 - end) / run.length
    stays = f"the rate stays at {rates[-1]:.4g} from {run.at(end)} on, for {part:.0f} % of the run."
    if run.every > 1 and abs((end - run.first) * run.every / run.length - 1.0) < 0.02:
        what = f"{stays} The schedule's length looks like updates, but Keras counts batches."
        mend = f"Multiply its steps by gradient_accumulation_steps, {run.every}."
        return [run.finding("accumulation", what, mend, end)]
    return [run.finding("end", stays, f"Give the schedule {run.last + 1} steps.", end)]


def _of_optimizer(
    run: _Run, schedule: LearningRateSchedule | float, optimizer: Any
) -> list[Finding]:
    findings = []
    if run.first > 0:
        what = f"the optimizer has taken {run.first} steps, so the schedule begins at its own"
        mend = "Right to resume; otherwise compile with a new optimizer."
        findings.append(run.finding("resumed", f"{what} {run.at(run.first)}.", mend, run.first))
    steps = np.unique(np.linspace(run.first, run.last, 50, dtype=np.int64))
    held = optimizer._learning_rate
    if not isinstance(held, LearningRateSchedule):
        held = float(held() if callable(held) else held.numpy())
    if held is not schedule:
        used, meant = _reader(held)(steps), _reader(schedule)(steps)
        wrong = np.flatnonzero(~np.isclose(used, meant, rtol=1e-5, atol=0.0, equal_nan=True))
        if len(wrong):
            at = int(steps[wrong[0]])
            what = (
                f"the optimizer does not use this schedule: at {run.at(at)} its rate is "
                f"{used[wrong[0]]:.4g}, not {meant[wrong[0]]:.4g}."
            )
            mend = "Give it to the optimizer as learning_rate when you make it."
            findings.append(run.finding("other rate", what, mend, at))
    if "lr" in vars(optimizer):
        what = "optimizer.lr was set, which Keras 3 does not read."
        findings.append(Finding("other rate", what, "Set optimizer.learning_rate."))
    for name in ("momentum", "beta_1"):
        value = vars(optimizer).get(name, 0.0)
        if not _is_number(value) and not isinstance(value, keras.Variable):
            what = f"{name} is {value!r}, but Keras needs a number, read when it compiles."
            findings.append(Finding("momentum", what, _SCHEDULED))
    return findings


# What the compiled training step holds. Keras keeps it in the closure of `model.train_function`;
# should that change, nothing is found there, and a test fails.


def _of_training_step(
    run: _Run, schedule: LearningRateSchedule | float, optimizer: Any, model: keras.Model
) -> list[Finding]:
    findings = []
    if isinstance(schedule, LearningRateSchedule):
        steps = np.unique(np.linspace(run.first, run.last, 6, dtype=np.int64))
        if _compiled_with(model, schedule, steps) is False:
            findings.append(Finding("reassigned", *_REASSIGNED))
    graphs = _graphs(model)
    constants = np.array([value for graph in graphs for value in _constants(graph).values()])
    for name, value in _momenta(optimizer).items():
        # Adam multiplies by 1 - beta_1. Of 0 and 1 every graph has some.
        near = np.isclose(constants, value, rtol=1e-6) | np.isclose(constants, 1.0 - value, 1e-5)
        if graphs and value not in (0.0, 1.0) and not near.any():
            what = f"{name} is {value!r}, but the training step was compiled with another value."
            findings.append(Finding("momentum", what, _SCHEDULED))
    return findings


def _compiled_with(
    model: keras.Model, schedule: LearningRateSchedule, steps: NDArray[np.int64]
) -> bool | None:
    """Whether the compiled training step computes this schedule; None where it cannot be seen.

    In its graphs all that follows from the count of steps and constants alone is evaluated, with
    the count fed; the rate must be among it.
    """
    graphs = _graphs(model)
    if not graphs:
        return None
    traced = _traced(schedule)
    if traced.graph.captures:  # the rate depends on more than the step
        return None
    import tensorflow as tf

    wanted = np.array([float(traced(tf.constant(step, tf.int64))) for step in steps])
    for graph in graphs:
        counts, rates = _from_counts(graph)
        columns = [[value] * len(steps) for value in _constants(graph).values()]
        if rates:
            config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
            with tf.compat.v1.Session(graph=graph, config=config) as session:
                rows = [session.run(rates, dict.fromkeys(counts, int(step))) for step in steps]
            columns += [list(column) for column in zip(*rows, strict=True)]
        if any(np.allclose(column, wanted, rtol=1e-5, atol=0.0) for column in columns):
            return True
    return False


def _traced(schedule: LearningRateSchedule) -> Any:
    """The schedule compiled as `fit` does: without turning Python's `if` into graph operations."""
    import tensorflow as tf

    return tf.function(schedule.__call__, autograph=False).get_concrete_function(
        tf.TensorSpec((), tf.int64)
    )


def _graphs(model: keras.Model) -> list[Any]:
    """The graphs of the compiled training steps, and those inside them."""
    cells = getattr(getattr(model, "train_function", None), "__closure__", None) or ()
    compiled = [
        each
        for each in (cell.cell_contents for cell in cells)
        if hasattr(each, "_list_all_concrete_functions")
    ]
    waiting = [one.graph for each in compiled for one in each._list_all_concrete_functions()]
    found: dict[int, Any] = {}
    while waiting:
        graph = waiting.pop()
        if id(graph) not in found:
            found[id(graph)] = graph
            inner = getattr(graph, "_functions", {}).values()
            waiting += [one.graph for one in inner if getattr(one, "graph", None) is not None]
    return list(found.values())


def _constants(graph: Any) -> dict[str, float]:
    import tensorflow as tf

    return {
        op.name: float(tf.make_ndarray(op.get_attr("value")))
        for op in graph.get_operations()
        if op.type == "Const" and op.outputs[0].dtype.is_floating and op.outputs[0].shape.rank == 0
    }


def _from_counts(graph: Any) -> tuple[list[str], list[str]]:
    """Names of the whole numbers read from variables, and of what follows from them alone."""
    counts, known, rates = [], set(), []
    for op in graph.get_operations():
        names = [out.name for out in op.outputs]
        if op.type == "ReadVariableOp":
            if op.outputs[0].dtype.is_integer and op.outputs[0].shape.rank == 0:
                counts += names
                known.update(names)
        elif op.type == "Const":
            known.update(names)
        elif op.inputs and all(each.name in known for each in op.inputs):
            known.update(names)
            rates += [
                out.name for out in op.outputs if out.dtype.is_floating and out.shape.rank == 0
            ]
    return counts, rates


def _reader(schedule: Any) -> Reader:
    """A function from steps to rates, as quick as the schedule allows."""
    if not isinstance(schedule, LearningRateSchedule):
        return lambda steps: np.full(len(steps), float(schedule))

    def together(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        rates = ops.convert_to_numpy(schedule(ops.convert_to_tensor(steps, "int64")))
        return np.asarray(rates, dtype=np.float64)

    def apart(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        each = (schedule(ops.convert_to_tensor(step, "int64")) for step in steps)
        return np.array([float(ops.convert_to_numpy(rate)) for rate in each])

    few = apart(_PROBE[::2])
    try:
        rates = together(_PROBE[::2])
        if rates.shape == few.shape and np.allclose(rates, few, rtol=1e-5, equal_nan=True):
            return together
    except Exception:  # a schedule need not take more than one step at a time
        pass
    if keras.backend.backend() != "tensorflow" or _compile_problem(schedule):
        return apart
    import tensorflow as tf

    def one_by_one(steps: Any) -> Any:
        def rate(step: Any) -> Any:
            return tf.cast(schedule(step), tf.float64)

        return tf.map_fn(rate, steps, fn_output_signature=tf.float64)

    compiled = tf.function(one_by_one, autograph=False).get_concrete_function(
        tf.TensorSpec((None,), tf.int64)
    )
    return lambda steps: np.asarray(compiled(tf.constant(steps, tf.int64)), dtype=np.float64)


def _count(optimizer: Any) -> int:
    # Not `iterations`, which is divided under gradient accumulation.
    return int(optimizer._iterations.numpy())


def _momenta(optimizer: Any) -> dict[str, float]:
    """Momenta that are plain numbers; an optimizer that computes them keeps no such attribute."""
    held = vars(optimizer)
    return {name: held[name] for name in ("momentum", "beta_1") if _is_number(held.get(name))}


def _optimizer_of(model: Any, optimizer: Any) -> Any:
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model, received {model!r}")
    own = getattr(model, "optimizer", None)
    if own is None:
        raise ValueError("model must be compiled with an optimizer, received one that is not")
    if optimizer is not None and optimizer is not own:
        raise ValueError("give the model or its optimizer, received another optimizer")
    return own


def _single(optimizer: Any) -> Any:
    """The optimizer that holds the rate, inside a loss scale."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a Keras optimizer, received {optimizer!r}")
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if isinstance(inner, keras.optimizers.MultiOptimizer):
        raise TypeError(f"optimizer must have one learning rate, received {inner!r} with several")
    return inner


def _refuse_unless_schedule(value: Any) -> None:
    if not isinstance(value, LearningRateSchedule) and not _is_number(value):
        raise TypeError(f"schedule must be a Keras schedule or a number, received {value!r}")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _whole(name: str, value: Any) -> int:
    wrong = f"{name} must be a whole number above 0, received {value!r}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(wrong)
    if value < 1:
        raise ValueError(wrong)
    return int(value)
