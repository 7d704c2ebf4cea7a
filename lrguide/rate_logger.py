"""Which learning rate did each update of a training use?

`LearningRateLogger` is a callback that records it during `fit` and compares it with the schedule.
Steps are what Keras' optimizers count, from 0: batches, as `checks.py` says.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from .arguments import told
from .checks import REASSIGNED, SCHEDULED, may_use, momenta_of, single
from .course import Reader, reader, refuse_unless_schedule
from .findings import Finding, Name
from .internals import put_first, rate_or_schedule, step_count

__all__ = ["LearningRateLogger"]

# The name under which `History` gets the rates of all updates, a list for each epoch.
BY_UPDATE = "learning_rate_by_update"


class LearningRateLogger(keras.callbacks.Callback):
    """Log the rate that each update used, and compare it with the schedule.

    Keras' history has no rates when a schedule is used, and what its callbacks log at the end of an
    epoch is then the rate of the *next* update. This one logs, at the end of each epoch,

    - `history["learning_rate"]`: the rate of the epoch's last update, a number an epoch, and
    - `history["learning_rate_by_update"]`: the rates of all its updates, a list an epoch.

    A rate is what the compiled training step used at the step that the optimizer had counted,
    whatever `optimizer.learning_rate` says: it is right with several steps per execution, with
    batches skipped by loss scaling, with accumulated gradients (one rate an update, that of the
    last of its batches), after a resume, and when other callbacks or the training step set the
    rate, wherever the logger stands among the callbacks. It makes itself the first of them, so that
    the others, such as `CSVLogger`, find the rate in their logs; `ReduceLROnPlateau` and
    `LearningRateScheduler` then write the optimizer's own there, but not into the history. Between
    batches nothing waits for the device.

    A rate that is set is read when the training step has run, once for each execution. So a
    training step of your own that sets it must do so before its update, and not after. A training
    step that was compiled before any such logger came, with a schedule replaced since, uses a rate
    that cannot be read: it is logged as NaN, and `findings` says why. On another backend than
    TensorFlow it is not noticed. A `MultiOptimizer` has several rates and is refused: log
    `optimizer.learning_rate` of each of its `optimizers` in a callback of your own.

    With data of unknown length, Keras may count one step more at the end of each epoch, when there
    is no batch left; that step is not logged, though the schedule goes on by it.

    Args:
        schedule: What is meant to be used, a Keras schedule or a number; by default what the
            optimizer holds when training ends.

    Attributes:
        steps: The step of each update of the last fit, an array.
        rates: The rate of each update, an array.
        declared: The rate of the schedule at the same steps, an array.
        findings: What differs, as `Finding`s. By name:

            - "other rate": updates used another rate than the schedule's.
            - "reassigned": the schedule was replaced after the training step was compiled.
            - "momentum": a momentum was set that the compiled training step does not use.
            - "skipped": batches made no update.
            - "resumed": epochs continue, but the steps begin at 0.

    Raises:
        TypeError: If `schedule` is neither a schedule nor a number; by `fit`, if the model's
            optimizer has several rates, or a function as its rate.
        ValueError: If `schedule` is a number below 0 or not finite.

    Example:
        >>> import keras, numpy
        >>> from lrguide import LearningRateLogger
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
            refuse_unless_schedule(schedule)
        self.schedule = schedule
        self.steps: NDArray[np.int64] = np.array([], dtype=np.int64)
        self.rates: NDArray[np.float64] = np.array([], dtype=np.float64)
        self.declared: NDArray[np.float64] = np.array([], dtype=np.float64)
        self.findings: tuple[Finding, ...] = ()
        self._readers: dict[int, tuple[Any, Reader]] = {}
        self._training = self._awaited = False

    def set_model(self, model: keras.Model) -> None:
        """Take the model, and the first place among the callbacks."""
        super().set_model(model)
        put_first(self)

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew, and find out which rate the training step uses."""
        self._optimizer = single(self.model.optimizer)
        held = rate_or_schedule(self._optimizer)
        if not isinstance(held, LearningRateSchedule | keras.Variable):
            raise TypeError(
                "the optimizer's learning rate must be a number or a Keras schedule, "
                f"received {told(held)}"
            )
        self.steps, self.rates = self.steps[:0], self.rates[:0]
        self.findings = ()
        self._found: dict[str, Finding] = {}
        self._skipped = 0
        self._last_rates: list[float] = []
        self._begun = False
        self._momenta = momenta_of(self._optimizer)
        self._stop_watching()  # a fit that broke off may have left its watcher
        self._function = inspect.unwrap(self.model.train_function)
        self._rate = self._first_rate = self._compiled_rate(held)
        self._watch()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Read the count of steps."""
        self._state: Any = None
        self._copy_count = self._copier(step_count(self._optimizer))
        self._copy_rate = self._copier(self._rate)
        self._start = self._steps_taken()
        self._epoch = epoch
        self._batches = 0
        self._segments = [(self._start, self._rate)]
        self._samples: list[tuple[Any, Any]] = []
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
        """Await the training step."""
        self._batch, self._awaited = batch, True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the epoch's rates to the history."""
        self._state = None
        end, every = self._steps_taken(), self._optimizer.gradient_accumulation_steps or 1
        known = self.params.get("steps")
        # Where an execution has several steps, Keras counts the last one as full.
        batches = min(self._batches, known or self._batches)
        if known is None and self.model.steps_per_execution > 1:
            batches = end - self._start
        if known is None and end - self._start == batches + 1:
            end -= 1  # this step was counted while Keras looked in vain for one more batch
        self._skipped += batches - (end - self._start)
        steps = np.arange(self._start, end)
        steps = steps[(steps + 1) % every == 0]
        rates = self._used(steps)
        self.steps = np.concatenate([self.steps, steps])
        self.rates = np.concatenate([self.rates, rates])
        self._last_rates.append(float(rates[-1]) if len(rates) else math.nan)
        if logs is not None:
            logs["learning_rate"] = self._last_rates[-1]
        self.model.history.history.setdefault(BY_UPDATE, []).append(rates.tolist())

    def on_train_end(self, logs: Any = None) -> None:
        """Compare with the schedule."""
        self._stop_watching()
        if self._rate is not None:
            _RATES[self._function] = self._rate
        if (count := len(self._last_rates)) and "learning_rate" in self.model.history.history:
            self.model.history.history["learning_rate"][-count:] = self._last_rates
        if self._skipped > 0:
            self._note(
                "skipped",
                f"{self._skipped} batches made no update, so the schedule lags behind by as many "
                "steps.",
                "A few at the start are normal with float16: their gradients were not finite.",
            )
        self._compare()
        self.findings = tuple(self._found.values())

    def _watch(self) -> None:
        """Look at the rate right after each training step, when no callback can come between."""
        inner = self.model.train_function

        @functools.wraps(inner)
        def watched(*arguments: Any, **options: Any) -> Any:
            if not self._awaited:  # left over from a fit that broke off
                self._stop_watching()
                return inner(*arguments, **options)
            self._awaited = False
            on_jax = keras.backend.backend() == "jax"
            self._state = arguments[0] if on_jax else None
            # These are copies on the device, whose values are read when the epoch is over.
            before = self._copy_count() if isinstance(self._rate, keras.Variable) else None
            if self._momenta and not self._model.run_eagerly:
                self._compare_momenta()
            if self._model.run_eagerly:
                self._see_held()
            outputs = inner(*arguments, **options)
            self._state = outputs[1] if on_jax else None
            if not self._model.run_eagerly:
                self._see_held()
            self._batches = self._batch + self._model.steps_per_execution
            if isinstance(self._rate, keras.Variable):
                self._samples.append((before, self._copy_rate()))
            return outputs

        watched.logger = self  # type: ignore[attr-defined]
        self.model.train_function = watched
        self._training = True

    def _stop_watching(self) -> None:
        self._training = False
        self.model.train_function = _unwatched(self.model.train_function)

    def _copier(self, variable: Any) -> Callable[[], Any]:
        """What copies a variable on its device.

        In the middle of an epoch, JAX's values are in the state that the training step takes and
        returns, and not in the variables; asking the model for them would make each step wait.
        """
        if keras.backend.backend() == "jax" and isinstance(variable, keras.Variable):
            held = enumerate(self._model.optimizer.variables)
            place = next((place for place, each in held if each is variable), None)
            return lambda: ops.copy(
                variable.value if self._state is None or place is None else self._state[2][place]
            )
        # TensorFlow's own way takes a quarter of the time of `ops.copy`.
        copy = getattr(getattr(variable, "value", None), "value", None)
        return copy if callable(copy) else lambda: ops.copy(variable.value)

    def _steps_taken(self) -> int:
        return int(ops.convert_to_numpy(self._copy_count()))

    def _compiled_rate(self, held: Any) -> Any:
        """What the training step uses: None if it was compiled with something unknown."""
        known = _RATES.get(self._function)
        if held is known or isinstance(held, keras.Variable):
            return held
        if not may_use(self.model, held, np.array([0, 1, 7, 60, 500, 4000])):
            self._note("reassigned", *REASSIGNED)
            return known
        return held

    def _see_held(self) -> None:
        """Notice a schedule or a variable that was replaced."""
        held = rate_or_schedule(self._optimizer)
        if held is self._rate:
            return
        if self._model.run_eagerly:
            self._rate, self._copy_rate = held, self._copier(held)
            self._segments.append((self._steps_taken(), held))
        elif "reassigned" not in self._found:
            self._note("reassigned", *REASSIGNED, self._steps_taken())

    def _compare_momenta(self) -> None:
        for name, was in self._momenta.items():
            value = getattr(self._optimizer, name)
            if value != was and "momentum" not in self._found:
                self._note(
                    "momentum",
                    f"{name} was set to {value!r}, but the training step is compiled with {was!r}.",
                    SCHEDULED,
                    self._steps_taken(),
                )

    def _used(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        rates = np.full(len(steps), math.nan)
        # Stacked first, because reading each value by itself would take longer than all the rest.
        columns = [ops.stack(column) for column in zip(*self._samples, strict=True)]
        at, sampled = (
            np.asarray(ops.convert_to_numpy(each), np.float64) for each in columns or [[], []]
        )
        for first, rate in self._segments:
            here = steps >= first
            if isinstance(rate, LearningRateSchedule):
                rates[here] = self._read(rate, steps[here])
            elif len(at):
                # The last sample up to a step counts: a skipped batch has the step of the next.
                index = np.searchsorted(at, steps[here], side="right") - 1
                rates[here] = np.where(index >= 0, sampled[index], math.nan)
        return rates

    def _read(self, rate: LearningRateSchedule, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(steps):
            return np.array([], dtype=np.float64)
        if id(rate) not in self._readers:
            self._readers[id(rate)] = (rate, reader(rate))
        return self._readers[id(rate)][1](steps)

    def _compare(self) -> None:
        meant = rate_or_schedule(self._optimizer) if self.schedule is None else self.schedule
        if isinstance(meant, keras.Variable) or meant is self._rate is self._first_rate:
            self.declared = self.rates  # a rate that is set has no declaration other than itself
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

    def _note(self, name: Name, what: str, mend: str, step: int | None = None) -> None:
        epoch = None if step is None else getattr(self, "_epoch", None)
        self._found[name] = Finding(name, what, mend, step, epoch)


def _unwatched(function: Any) -> Any:
    """The training step without what loggers put around it that are done."""
    while isinstance(logger := getattr(function, "logger", None), LearningRateLogger):
        if logger._training:
            break
        function = function.__wrapped__
    return function


# The rate of each compiled training step that a logger has followed.
_RATES: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
