"""Train a compiled Keras model along given rates, and leave no trace on it.

What `lrguide.range_test` and `lrguide.finder` stand on. `train_with` trains through the model's own
`fit`, one batch at a time, each time from the same state, and then puts back all that this has
changed. How `fit` is brought to use these rates depends on Keras' backend, and stands in
`lrguide.swept_fit`.
"""

from __future__ import annotations

import math
import signal
import threading
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np

from .arguments import Floats
from .fit_arguments import (
    can_shuffle,
    check_backend,
    check_build,
    check_data,
    check_finite,
    check_fit,
    check_model,
    check_steps,
    check_verbose,
)
from .model_state import ModelState, own_randomness
from .swept_fit import swept_fit, value_of

__all__: list[str] = []

Trained = tuple[list[float], str]
"""The loss of each step, and why there are fewer than asked for (or "")."""

Result = TypeVar("Result")

RISE = 3.25
"""How many times their `noise` losses must have risen before that means something."""


def train_along(
    model: Any,
    build: Callable[[], Any] | None,
    data: dict[str, Any],
    plans: Sequence[Floats],
    seeds: Sequence[int],
    validation_data: Any,
    *,
    every_step: bool,
    stop_factor: float | None,
    verbose: Any,
) -> list[list[Trained]]:
    """Check what a test and its confirmation take, train along every plan of rates with each seed.

    Args:
        model: A compiled model; None when `build` is given.
        build: Makes a new compiled model for each seed.
        data: What `fit` takes: x, y, batch_size, sample_weight, class_weight, shuffle.
        plans: Each a rate for each update.
        seeds: Each sets the order of the data and the noise.
        validation_data: Where the losses are measured, instead of on the training batches.
        every_step: Whether they are measured there after each step, or after the last one only.
        stop_factor: As in `lr_range_test`.
        verbose: 0 hides the progress bar.

    Returns:
        The runs by plan and seed.
    """
    bar = progress(sum(map(len, plans)) * len(seeds), verbose)

    def all_of_them(trainings: Trainings) -> list[list[Trained]]:
        runs: list[list[Trained]] = [[] for _ in plans]
        for seed in seeds:
            for plan, row in zip(plans, runs, strict=True):
                row.append(trainings.train(plan, seed))
        return runs

    how = Measured(validation_data, every_step, stop_factor)
    return train_with(all_of_them, model, build, data, how, bar)


def progress(steps: int, verbose: Any) -> Any:
    """A bar that shows how many of so many steps are done, and the time that is left."""
    check_verbose(verbose)
    return keras.utils.Progbar(steps, verbose=int(verbose), unit_name="step")


@dataclass(frozen=True)
class Measured:
    """What a training's losses are, and when it ends early; `train_along` says more."""

    validation_data: Any
    every_step: bool
    stop_factor: float | None


def train_with(
    job: Callable[[Trainings], Result],
    model: Any,
    build: Callable[[], Any] | None,
    data: dict[str, Any],
    how: Measured,
    bar: Any,
) -> Result:
    """Check what is to be trained, let `job` train as often as it likes, and put all back."""
    check_backend()
    if build is None:
        check_model("model", model)
    else:
        check_build(build, model)
    check_data(data, how.validation_data)
    if build is None:
        check_fit("model", model, data, how.validation_data)
        check_steps(model, how.validation_data)
    data = {**data, "shuffle": data["shuffle"] and can_shuffle(data["x"])}
    seed_all, put_back_randomness = own_randomness()
    interrupt = _Interrupt()
    trainings = Trainings(model, build, data, how, bar, seed_all, interrupt)
    try:
        try:
            return job(trainings)
        finally:
            interrupt.wait = True
            trainings.put_back()
    finally:
        interrupt.wait = True
        put_back_randomness()
        interrupt.end()


class Trainings:
    """Trainings of one model, each from its first state; of a new one for each seed with `build`.

    The training step is traced for the first of them alone.
    """

    def __init__(
        self,
        model: Any,
        build: Callable[[], Any] | None,
        data: dict[str, Any],
        how: Measured,
        bar: Any,
        seed_all: Callable[[int], None],
        interrupt: _Interrupt,
    ) -> None:
        self.model, self.build, self.data, self.how, self.bar = model, build, data, how, bar
        self.seed_all, self.interrupt = seed_all, interrupt
        self.built_for: int | None = None
        self.state: ModelState | None = None
        self.trainer: _Trainer | None = None

    def prepare(self, seed: int) -> ModelState:
        """Build the model of this seed, where it is to be built, and copy its state."""
        if self.build is not None and seed != self.built_for:
            self.interrupt.wait = True
            self.put_back()
            self.interrupt.go_on()
            self.seed_all(seed)
            self.model = self.build()
            check_model("what build returns", self.model)
            check_fit("what build returns", self.model, self.data, self.how.validation_data)
            check_steps(self.model, self.how.validation_data)
            self.built_for = seed
        if self.state is None:
            self.state = ModelState(self.model)
        return self.state

    def train(self, plan: Floats, seed: int) -> Trained:
        """Train one update per rate of the plan."""
        state = self.prepare(seed)
        if self.trainer is not None and state.eager:
            state.put_back()
        if self.trainer is None or state.eager:
            self.trainer = _Trainer(state, self.data, self.how, self.bar)
        return self.trainer.train(plan, seed, self.seed_all)

    def put_back(self) -> None:
        """Put back all that has been trained."""
        if self.state is not None:
            self.state.put_back()
        self.state = self.trainer = None


class _Interrupt:
    """Ctrl-C ends the training once; another one waits until all is put back.

    It watches from before anything changes: to a handler that came only with the putting back, a
    second one could be a moment too early. `wait` is an attribute for the same reason: Python looks
    for signals when it calls a function, but not when it assigns. In a thread other than the main
    one nothing needs watching, because none is delivered there.
    """

    def __init__(self) -> None:
        self.wait = self.came = False
        self.handler = signal.getsignal(signal.SIGINT)
        self.watches = threading.current_thread() is threading.main_thread()
        self.watches = self.watches and callable(self.handler)
        if self.watches:
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        if self.wait:
            self.came = True
            return
        self.wait = True
        self.handler(number, frame)  # type: ignore[operator, misc]
        self.wait = False  # the handler has raised nothing, so the training goes on

    def go_on(self) -> None:
        """Deliver what came meanwhile, which may end the training."""
        self.wait = False
        if self.came:
            self.came = False
            signal.raise_signal(signal.SIGINT)

    def end(self) -> None:
        """Leave the signal to the handler that was there, with what came meanwhile."""
        if self.watches:
            signal.signal(signal.SIGINT, self.handler)
        if self.came:
            signal.raise_signal(signal.SIGINT)


class _Trainer:
    """Trains a model along given rates, each time from its first state, and reads the losses.

    One update needs a batch, or several where gradients are accumulated.
    """

    def __init__(
        self,
        state: ModelState,
        data: dict[str, Any],
        how: Measured,
        bar: Any,
    ) -> None:
        self.state, self.data, self.bar = state, data, bar
        self.validation_data, self.every_step = how.validation_data, how.every_step
        self.stop_factor = how.stop_factor
        self.model = state.model
        self.fit = swept_fit(state)
        self.each = self.fit.holder.gradient_accumulation_steps or 1
        swept = (self.model.optimizer, self.fit.holder)
        things = [thing for thing, _, _ in state.contents]
        optimizers = [t for t in things if isinstance(t, keras.Optimizer) and t not in swept]
        self.others = [(other, int(value_of(other.iterations))) for other in optimizers]
        self.first = int(value_of(self.fit.holder.iterations))

    def train(self, plan: Floats, seed: int, seed_all: Callable[[int], None]) -> Trained:
        """Train one update per rate of the plan."""
        self.plan = plan
        self.seed_all: Callable[[], None] = lambda: seed_all(seed)
        self.losses: list[float] = []
        self.medians: list[float] = []  # each of 5 neighbouring losses
        self.parts: list[float] = []  # the losses of the batches that make one update
        self.batches = self.passed = 0  # so far, and when the latest pass over the data ended
        self.updates = self.first  # that the optimizer has made by now
        self.why = ""
        self.seed_all()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            # An epoch has at least one batch, and one more epoch finds that no batch is left.
            epochs = len(plan) * self.each + 1
            self.fit.fit(self, seed, **self.data, epochs=epochs, verbose=0)
        return self.losses, self.why

    @property
    def step(self) -> int:
        """The update that the next batch belongs to."""
        return len(self.losses)

    @property
    def rate(self) -> float:
        """Its rate."""
        return float(self.plan[self.step])

    @property
    def is_last(self) -> bool:
        """Whether no other update comes after it."""
        return self.step + 1 == len(self.plan)

    def pass_over(self) -> None:
        """Note the end of a pass over the data, after which there must be another one."""
        if self.why or self.step == len(self.plan):
            return
        # From an exhausted generator, Keras takes the batches that it looked at first.
        if self.batches == self.passed or isinstance(self.data["x"], types.GeneratorType):
            raise ValueError(
                f"x must give {len(self.plan) * self.each} batches, received {self.batches}"
            ) from None
        self.passed = self.batches

    def took(self, logs: Any) -> None:
        """Take the loss of a batch; at the end of an update, see whether to go on."""
        plan, losses, parts = self.plan, self.losses, self.parts
        step, last = self.step, self.is_last
        parts.append(_loss_in(logs, "train_step"))
        self.batches += 1
        if self.each > 1:
            before, self.updates = self.updates, self.fit.updates()
            if self.updates == before and len(parts) < self.each and math.isfinite(parts[-1]):
                return
        loss = sum(parts) / len(parts)
        parts.clear()
        if self.validation_data is not None and (self.every_step or last):
            loss = self._validation_loss() if math.isfinite(loss) else loss
        if math.isfinite(loss):
            losses.append(loss)
            if len(losses) >= 5:
                self.medians.append(sorted(losses[-5:])[2])
            if self.stop_factor and _diverged(losses, self.medians, self.stop_factor):
                self.why = f"diverged at step {step} (rate {plan[step]:.3g})"
        elif step == 0:
            check_finite(self.data, self.validation_data)
            raise ValueError(
                f"the loss must be finite at the first rate {plan[0]:.3g}, received {loss}"
            )
        else:
            self.why = f"loss not finite at step {step} (rate {plan[step]:.3g})"
        if self.why or step + 1 == min(len(plan), 32):
            self._check_optimizers()
        self.bar.add(len(plan) - step if self.why else 1)
        self.model.stop_training = bool(self.why) or last

    def _check_optimizers(self) -> None:
        """After some steps, because a loss scale that is too high skips the first ones."""
        if self.state.checked:
            return
        self.state.checked = True
        stepped = [t for t, before in self.others if int(value_of(t.iterations)) != before]
        names = ", ".join(other.name for other in stepped)
        if self.fit.updates() == self.first:
            raise ValueError(
                "train_step must take its steps with model.optimizer, whose rate is swept, "
                f"received steps of {names or 'no optimizer'}: compile the model with it"
            )
        if stepped:
            warnings.warn(
                f"Only the rate of model.optimizer, {self.model.optimizer.name}, is swept; "
                f"{names} trains at its own.",
                stacklevel=2,
            )

    def _validation_loss(self) -> float:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self.validation_data)
        options = dict(batch_size=self.data["batch_size"], verbose=0, return_dict=True)
        logs = self.fit.evaluate(x, y, sample_weight=weight, **options)
        return _loss_in(logs, "test_step")


def _loss_in(logs: Any, step: str) -> float:
    if not isinstance(logs, Mapping) or "loss" not in logs:
        seen = [*logs] if isinstance(logs, Mapping) else logs
        raise ValueError(f"{step} must return a dict with 'loss', received {seen!r}")
    loss = logs["loss"]
    shape = tuple(getattr(loss, "shape", ()))
    if math.prod(shape) != 1:
        raise ValueError(f"{step} must return one number as 'loss', received shape {shape}")
    return float(keras.ops.reshape(loss, ()) if shape else loss)


def noise(losses: Sequence[float]) -> float:
    """How much neighbouring losses differ, whatever their level and the shape of their noise.

    This is the largest of the differences once a sixth of them, 15 at most, have been set aside as
    belonging to rare large batches or to a rise that has just begun.
    """
    differences = np.sort(np.abs(np.diff(losses)))
    return float(differences[-1 - min(round(len(differences) / 6), 15)])


def _diverged(losses: Sequence[float], medians: Sequence[float], factor: float) -> bool:
    """Whether the loss has risen, by the rule that `lr_range_test` tells under `stop_factor`."""
    if not medians:
        return False
    latest, best = medians[-1], min(medians)
    if latest <= medians[0] or latest - best <= (factor - 1) * abs(best):
        return False
    if latest - best > RISE * noise(losses):
        return True
    # Where the rise itself is noisy, nearly all of the latest losses are among the largest seen.
    for count, enough, part in ((5, 5, 20), (10, 8, 10)):
        before = np.sort(losses[:-count])
        large = before[-1 - len(before) // part] if len(before) >= 20 else math.inf
        if np.sum(np.array(losses[-count:]) > large) >= enough:
            return True
    return False
