"""SGD and Adam of which the momentum, too, may follow a schedule, inside the compiled graph.

Keras reads `optimizer.momentum` once, when it compiles the training step, so changing it during
`fit` does nothing. Import this module before loading a model that was saved with one of these.

>>> from lrguide import ScheduledSGD, one_cycle
>>> rate = one_cycle(0.1, epochs=20, steps_per_epoch=48)
>>> optimizer = ScheduledSGD(rate, momentum=rate.momentum(0.85, 0.95))
>>> round(float(optimizer.momentum), 4)
0.95
"""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from .arguments import choice, flag, number
from .internals import step_count, variable_index
from .lengths import whole_steps

__all__ = ["ScheduledAdam", "ScheduledSGD"]


@keras.saving.register_keras_serializable(package="lrguide")
class ScheduledSGD(keras.optimizers.SGD):
    """SGD of which the momentum, too, may follow a schedule, inside the compiled graph.

    With rate r, momentum m and gradient g of the step, `rate_on="gradient"` is Keras' rule,
    `v = m * v - r * g; w = w + v`, in which the velocity remembers past rates; `rate_on="velocity"`
    is PyTorch's, `v = m * v + g; w = w - r * v`. The two are the same at a constant rate, and
    differ under a schedule. `optimizer.momentum` reads the momentum of the next step.

    Args:
        learning_rate: A rate or a schedule.
        momentum: A number from 0 to below 1, or any Keras schedule, called with the same step as
            that of the learning rate.
        nesterov: Whether to look one step of the velocity ahead.
        rate_on: "gradient" or "velocity".
        **kwargs: As for `keras.optimizers.SGD`.

    Raises:
        TypeError: If the momentum is neither a number nor a schedule, or another argument is not
            of the type that Keras names.
        ValueError: If a value is out of range, NaN or infinite.
        AttributeError: If the momentum is set after training began, which would change nothing.

    Example:
        >>> from lrguide import ScheduledSGD, triangular
        >>> rate = triangular(0.01, 0.1, step_size=100)
        >>> optimizer = ScheduledSGD(rate, momentum=rate.momentum(0.85, 0.95))
        >>> round(float(optimizer.momentum), 4)
        0.95
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float | LearningRateSchedule = 0.9,
        nesterov: bool = False,
        rate_on: Literal["gradient", "velocity"] = "gradient",
        **kwargs: Any,
    ) -> None:
        """Make the optimizer; the class says what each argument means."""
        choice("rate_on", rate_on, "gradient", "velocity")
        momentum = _momentum("momentum", momentum)
        nesterov = flag("nesterov", nesterov)
        super().__init__(_learning_rate(learning_rate), nesterov=nesterov, **_options(kwargs))
        self.rate_on = rate_on
        self.momentum = momentum

    @property
    def momentum(self) -> Any:
        """The momentum of the next step."""
        return _at(self._momentum, self)

    @momentum.setter
    def momentum(self, value: float | LearningRateSchedule) -> None:
        _refuse_if_built(self, "momentum")
        self._momentum = _momentum("momentum", value)

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the velocities."""
        if not self.built:
            keras.optimizers.Optimizer.build(self, variables)
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable by its gradient."""
        rate = ops.cast(learning_rate, variable.dtype)
        momentum = ops.cast(self.momentum, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        velocity = self.momentums[variable_index(self, variable)]
        push = -rate * gradient if self.rate_on == "gradient" else gradient
        self.assign(velocity, momentum * velocity + push)
        move = momentum * velocity + push if self.nesterov else velocity
        self.assign_add(variable, move if self.rate_on == "gradient" else -rate * move)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs to make the same optimizer."""
        momentum = keras.saving.serialize_keras_object(self._momentum)
        return {**super().get_config(), "momentum": momentum, "rate_on": self.rate_on}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Make the optimizer that `get_config` described."""
        momentum = keras.saving.deserialize_keras_object(config["momentum"], custom_objects)
        return super().from_config({**config, "momentum": momentum}, custom_objects)  # type: ignore[no-any-return]


@keras.saving.register_keras_serializable(package="lrguide")
class ScheduledAdam(keras.optimizers.Adam):
    """Adam of which `beta_1`, its momentum, may follow a schedule, inside the compiled graph.

    The bias correction uses the `beta_1` of the step, as PyTorch's does. `optimizer.beta_1` reads
    the one of the next step.

    Args:
        learning_rate: A rate or a schedule.
        beta_1: A number from 0 to below 1, or any Keras schedule, called with the same step as that
            of the learning rate.
        **kwargs: As for `keras.optimizers.Adam`.

    Raises:
        TypeError: If `beta_1` is neither a number nor a schedule, or another argument is not of
            the type that Keras names.
        ValueError: If a value is out of range, NaN or infinite.
        AttributeError: If `beta_1` is set after training began, which would change nothing.

    Example:
        >>> from lrguide import ScheduledAdam, one_cycle
        >>> rate = one_cycle(0.01, 500)
        >>> optimizer = ScheduledAdam(rate, beta_1=rate.momentum(0.85, 0.95))
        >>> round(float(optimizer.beta_1), 4)
        0.95
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float | LearningRateSchedule = 0.9,
        **kwargs: Any,
    ) -> None:
        """Make the optimizer; the class says what each argument means."""
        beta_1 = _momentum("beta_1", beta_1)
        super().__init__(_learning_rate(learning_rate), beta_1=beta_1, **_options(kwargs))

    @property
    def beta_1(self) -> Any:
        """The `beta_1` of the next step."""
        return _at(self._beta_1, self)

    @beta_1.setter
    def beta_1(self, value: float | LearningRateSchedule) -> None:
        _refuse_if_built(self, "beta_1")
        self._beta_1 = _momentum("beta_1", value)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs to make the same optimizer."""
        beta_1 = keras.saving.serialize_keras_object(self._beta_1)
        return {**super().get_config(), "beta_1": beta_1}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Make the optimizer that `get_config` described."""
        beta_1 = keras.saving.deserialize_keras_object(config["beta_1"], custom_objects)
        return super().from_config({**config, "beta_1": beta_1}, custom_objects)  # type: ignore[no-any-return]


def _at(momentum: float | LearningRateSchedule, optimizer: Any) -> Any:
    """The momentum of the next step, the one of which Keras computes the rate."""
    if isinstance(momentum, LearningRateSchedule):
        return momentum(step_count(optimizer))
    return momentum


def _refuse_if_built(optimizer: keras.optimizers.Optimizer, name: str) -> None:
    if optimizer.built:
        raise AttributeError(f"{name} is compiled into the training step; give a schedule instead")


def _momentum(name: str, value: Any) -> float | LearningRateSchedule:
    if isinstance(value, LearningRateSchedule):
        return value
    wanted = "a Keras schedule or a number from 0 to below 1"
    return number(name, value, wanted, lambda momentum: 0.0 <= momentum < 1.0)


def _learning_rate(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule) or callable(value):
        return value
    wanted = "a Keras schedule or a finite number from 0"
    return number("learning_rate", value, wanted, lambda rate: 0.0 <= rate < math.inf)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Check what Keras' optimizers take as it comes: NaN, infinite, negative, True for 1."""
    part = ("a number from 0 to below 1", lambda value: 0.0 <= value < 1.0)
    not_negative = ("a finite number from 0", lambda value: 0.0 <= value < math.inf)
    positive = ("a finite number above 0", lambda value: 0.0 < value < math.inf)
    numbers = {"beta_2": part, "ema_momentum": part, "epsilon": not_negative}
    numbers |= {"weight_decay": not_negative, "loss_scale_factor": positive}
    numbers |= dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), positive)
    checked = dict(given)
    for name, value in given.items():
        if name in ("amsgrad", "use_ema"):
            checked[name] = flag(name, value)
        elif name in numbers and value is not None:
            checked[name] = number(name, value, *numbers[name])
        elif name in ("ema_overwrite_frequency", "gradient_accumulation_steps") and value:
            checked[name] = whole_steps(name, value)
    return checked
