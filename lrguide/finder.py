"""Find a learning rate for a compiled model and a run of given length, for about one training.

`find_rate` trains briefly at a few rates with the schedule that the run will use, compressed to the
length of these pilots, and leaves no trace on the model. Which pilots it pays for, and what they
say, stands in `lrguide.pilots`; how they are trained, in `lrguide.traceless`.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from .arguments import Floats, axes, count, number, told
from .course import rates_at
from .fit_arguments import checked_seeds, rate_holder
from .internals import rate_or_schedule
from .pilots import LEAST_STEPS, Pilot, decide, search
from .schedules import constant
from .swept_fit import value_of
from .traceless import RISE, Measured, Trainings, noise, progress, train_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FoundRate", "find_rate"]

Schedule = Callable[[float, int], Any]

IDLE_STEPS = 10
"""At a rate of 0: what the loss is without training, and how much batches differ."""

LEAST_IDLE = 4
"""Fewer losses would not tell how much batches differ."""

STOP_FACTOR = 4.0
"""As in `lr_range_test`: what has risen this far is stopped early and counts as diverged."""

USUAL_RATE = 0.001
"""Where the model tells no rate to begin with: the default of most of Keras' optimizers."""

MOST_STEPS = 10_000_000
"""More than one pilot of any search needs, and few enough to be held in memory."""


@dataclass(frozen=True)
class FoundRate:
    """What a search for a rate has found.

    Attributes:
        rate: The rate to train at; None where there is not enough evidence. After pilots of the
            whole run it is one that was tried, after shorter ones it is lower: see `reason`.
        low: The next rate below the tied ones that was tried (the lowest of them where none was);
            half a decade lower still, and below `rate`, where the run is longer than the pilots.
        high: The next rate above them that was tried; half a decade above where none was.
        tied: The rates that the pilots cannot tell from the best: their losses lie closer than 5 %
            of its fall and 10 % of its loss, or, from three seeds on, the 95 % interval of the
            difference, paired by seed, holds 0.
        pilots: Every short training.
        price: What was paid, in trainings: the steps of all pilots, and of the few without
            training, divided by those of the run.
        reason: Why this rate, or why none.
        schedule: The schedule for the run, ready for the optimizer; None without a rate.
        steps: Of the run.
        measured: What the losses are, in words.
        untrained: What the loss is without training.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from lrguide import find_rate
        >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> found = find_rate(model, x, x[:, :1], steps=200, verbose=0)
        >>> found.low < found.rate < found.high
        True
    """

    rate: float | None
    low: float | None
    high: float | None
    tied: tuple[float, ...]
    pilots: tuple[Pilot, ...]
    price: float
    reason: str
    schedule: Any = field(repr=False)
    steps: int
    measured: str
    untrained: float

    def __str__(self) -> str:
        """The rate and how sure it is, the price, the first and the longest looks, the reason."""
        found = f"No rate for {self.steps:,} steps"
        if self.rate is not None:
            found = f"Rate {self.rate:.3g} for {self.steps:,} steps, "
            found += f"the best between {self.low:.3g} and {self.high:.3g}"
            others = ", ".join(f"{rate:.3g}" for rate in self.tied if rate != self.rate)
            if others and self.rate in self.tied:
                found += f", tied with {others}"
        lengths = sorted({pilot.steps for pilot in self.pilots})
        looks = [self._at(length) for length in dict.fromkeys((*lengths[:1], *lengths[-1:]))]
        paid = f"Paid: {self.price:.2f} trainings, in {len(self.pilots)} pilots"
        return "\n".join([f"{found}.", f"{paid}; {self.measured}.", *looks, f"Why: {self.reason}."])

    def _at(self, steps: int) -> str:
        """The losses of the pilots of one length."""
        told = []
        for rate in sorted({pilot.rate for pilot in self.pilots if pilot.steps == steps}):
            losses = [p.loss for p in self.pilots if (p.steps, p.rate) == (steps, rate)]
            mean = float(np.mean(losses))
            told.append(f"{rate:.3g}: " + (f"{mean:.4g}" if math.isfinite(mean) else "diverged"))
        return f"After {steps:,} steps ({self.untrained:.4g} without): " + ", ".join(told)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the loss of each pilot over a logarithmic axis of rates, a line for each length.

        Args:
            ax: Where to draw; new axes by default.

        Returns:
            The axes.

        Raises:
            TypeError: `ax` are no axes of matplotlib.
        """
        ax = axes(ax)
        for steps in sorted({pilot.steps for pilot in self.pilots}):
            ended = sorted(
                (p.rate, p.loss) for p in self.pilots if p.steps == steps and math.isfinite(p.loss)
            )
            ax.plot(*np.reshape(ended, (-1, 2)).T, "o-", label=f"after {steps:,} steps")
        diverged = [pilot.rate for pilot in self.pilots if not math.isfinite(pilot.loss)]
        ax.plot(diverged, [self.untrained] * len(diverged), "x", label="diverged")
        if self.rate is not None:
            ax.axvspan(self.low, self.high, alpha=0.2)  # type: ignore[arg-type]
            ax.axvline(self.rate, linestyle="--", label=f"found: {self.rate:.2g}")
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_ylabel(self.measured)
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Everything but the schedule as plain lists and numbers, ready for JSON.

        An infinite loss is None.
        """
        plain = {name: getattr(self, name) for name in ("rate", "low", "high", "price", "reason")}
        plain |= {name: getattr(self, name) for name in ("steps", "measured", "untrained")}
        plain["tied"] = list(self.tied)
        plain["pilots"] = [
            {**vars(pilot), "loss": pilot.loss if math.isfinite(pilot.loss) else None}
            for pilot in self.pilots
        ]
        return plain


def _constant(rate: float, steps: int) -> Any:
    return constant(rate)


def find_rate(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    steps: int,
    schedule: Schedule | None = None,
    validation_data: Any = None,
    price: float = 1.0,
    seeds: Sequence[int] = (0, 1, 2),
    batch_size: int | None = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    shuffle: bool = True,
    build: Callable[[], Any] | None = None,
    verbose: int = 1,
) -> FoundRate:
    """Find the rate at which a training of so many steps ends with the lowest loss.

    Pilots, short trainings, walk by half decades from the rate that the model is compiled with
    (where that is a schedule, from its optimizer's default) until the best of them has a worse
    neighbour on either side. It and its neighbours are then trained as long as the price allows, up
    to the whole run, and with further seeds where it allows more. Each pilot uses the schedule of
    the run, compressed to its own length. What blows up is stopped early. The longer a run, the
    lower is its best rate, as a rule: so of rates that short pilots cannot tell apart the lowest is
    taken, and multiplied by the square root of the pilots' share of the run. The guide has measured
    what the rate is worth and what it costs, on problems that the search had not been made for.

    The model is put back as `lr_range_test` does; Ctrl-C ends the search and gives what is known by
    then. The training step is traced once, for all pilots together; once a seed with `build`.

    Args:
        model: A compiled model; None when `build` is given.
        x: Training data that can be read more than once.
        y: Targets, where `x` does not hold them.
        steps: Updates of the run that the rate is for, at least 10.
        schedule: A function of a rate and a number of steps that makes a Keras schedule, or a
            number; `lrguide.constant` of the rate by default.
        validation_data: What the loss is measured on at the end of each pilot; by default it is the
            mean batch loss of the last quarter of its steps, dropout included.
        price: What may be paid, in trainings of `steps` steps. It is never exceeded.
        seeds: The first looks, the second compares, the others follow where the price allows.
            Pilots that share a seed share the initial weights, the order of the data and the noise.
        batch_size: As in `lr_range_test`.
        sample_weight: As in `lr_range_test`.
        class_weight: As in `lr_range_test`.
        shuffle: As in `lr_range_test`.
        build: As in `lr_range_test`.
        verbose: 0 or False hides the progress bar.

    Returns:
        The rate, its interval, the schedule, and all that was trained.

    Raises:
        ValueError: An argument or the model makes no sense, the price is too small for two pilots,
            or the data end.
        TypeError: An argument has the wrong type.
        NotImplementedError: As in `lr_range_test`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from lrguide import find_rate
        >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> found = find_rate(model, x, x[:, :1], steps=200, verbose=0)
        >>> 0.01 < found.rate < 1 and found.price <= 1
        True
    """
    steps = count("steps", steps, LEAST_STEPS, MOST_STEPS)
    budget = int(number("price", price) * steps)
    idle = min(IDLE_STEPS, max(LEAST_IDLE, budget // 20))
    if budget < 2 * LEAST_STEPS + idle:
        raise ValueError(
            f"price must pay for two pilots of {LEAST_STEPS} steps and {idle} without training, "
            f"received {told(price)} of {steps} steps"
        )
    budget = min(budget, MOST_STEPS)
    schedule = _constant if schedule is None else schedule
    _check_schedule(schedule, steps)
    if isinstance(x, types.GeneratorType):
        raise ValueError("x must be readable more than once, received a generator")
    seeds = checked_seeds(seeds, x)
    data = dict(x=x, y=y, batch_size=batch_size, sample_weight=sample_weight)
    data |= dict(class_weight=class_weight, shuffle=shuffle)
    bar = progress(budget, verbose)
    held = validation_data is not None

    def searched(trainings: Trainings) -> FoundRate:
        start = _first_rate(trainings.prepare(seeds[0]).model)
        seen, _ = trainings.train(np.zeros(idle), seeds[0])
        untrained = seen[-1] if held else float(np.mean(seen))
        spread = noise(seen[:-1] if held else seen)
        rounding = 4 * float(np.finfo(np.float32).eps) * abs(untrained)
        pilots: list[Pilot] = []

        def train(rate: float, length: int, seed: int) -> Pilot:
            losses, why = trainings.train(_plan(schedule, rate, length), seed)
            tail = 1 if held else max(1, length // 4)
            loss = math.inf if why else float(np.mean(losses[-tail:]))
            if loss > untrained + RISE * spread + rounding:
                loss = math.inf
            return Pilot(rate, length, seed, loss, min(length, len(losses) + bool(why)))

        try:
            search(train, pilots, steps=steps, budget=budget - idle, start=start, seeds=seeds)
            stopped = ""
        except KeyboardInterrupt:
            stopped = "; stopped by Ctrl-C"
        paid = idle + sum(pilot.paid for pilot in pilots)
        if not stopped and paid < budget:
            bar.update(budget)
        # The mean of many batches varies less than one of them.
        least = rounding if held else rounding + spread / math.sqrt(LEAST_STEPS)
        choice = decide(pilots, steps=steps, untrained=untrained, noise=least)
        return FoundRate(
            **{**vars(choice), "reason": choice.reason + stopped},
            pilots=tuple(pilots),
            price=paid / steps,
            schedule=None if choice.rate is None else schedule(choice.rate, steps),
            steps=steps,
            measured="validation loss" if held else "mean loss of the last quarter of the batches",
            untrained=untrained,
        )

    how = Measured(validation_data, every_step=False, stop_factor=STOP_FACTOR)
    return train_with(searched, model, build, data, how, bar)


def _first_rate(model: Any) -> float:
    """The rate that a model is compiled with; of a schedule, its optimizer's default."""
    optimizer = rate_holder(model.optimizer)
    held = rate_or_schedule(optimizer)
    parameter = inspect.signature(type(optimizer).__init__).parameters.get("learning_rate")
    default = getattr(parameter, "default", None)
    rate = value_of(held) if isinstance(held, keras.Variable) else default
    usable = isinstance(rate, int | float) and math.isfinite(rate) and rate > 0
    return float(f"{rate:.6g}") if usable else USUAL_RATE


def _plan(schedule: Schedule, rate: float, steps: int) -> Floats:
    """The rate of each step of a pilot."""
    return rates_at(schedule(rate, steps), np.arange(steps))


def _check_schedule(schedule: Any, steps: int) -> None:
    """Raise an error unless this makes a schedule of a rate and a number of steps."""
    wanted = "schedule must be a function of a rate and a number of steps"
    if not callable(schedule) or isinstance(
        schedule, keras.optimizers.schedules.LearningRateSchedule
    ):
        raise TypeError(f"{wanted}, received {told(schedule)}")
    made = []
    for rate, length in ((0.01, steps), (0.02, steps), (0.01, LEAST_STEPS)):
        try:
            made.append(_plan(schedule, rate, length))
        except Exception as error:
            why = " ".join(str(error).split())[:120].rstrip(".")
            raise ValueError(
                f"{wanted} that makes a Keras schedule or a number, received one that fails at "
                f"schedule({rate}, {length}): {why}"
            ) from error
    if not made[0].any() or np.array_equal(made[0], made[1]):
        raise ValueError(f"{wanted}, received one whose rates do not follow its rate")
