"""What the schedules of lrguide have in common: they are saved with a model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from .arguments import is_number, number, told
from .lengths import INTEGER

__all__: list[str] = []


class Saved(LearningRateSchedule):
    """A schedule whose dataclass fields are its config; fields may be schedules themselves."""

    def __call__(self, step: Any) -> Any:
        """Return the rate during `step`."""
        # A plain integer arrives with 32 bits, which hold no step past 2**31.
        return ops.cast(self._rate(ops.cast(step, INTEGER)), keras.config.floatx())

    def _rate(self, step: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs to make the same schedule."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the schedule that `get_config` described."""
        fields = {name: keras.saving.deserialize_keras_object(config[name]) for name in config}
        return cls(**fields)


@keras.saving.register_keras_serializable(package="lrguide")
@dataclass(frozen=True, eq=False)
class Constant(Saved):
    """What `constant` returns."""

    learning_rate: float

    def _rate(self, step: Any) -> Any:
        return ops.full_like(step, self.learning_rate, dtype=keras.config.floatx())


def as_schedule(name: str, value: Any) -> LearningRateSchedule:
    """A schedule, also made of a number, which then is a constant rate."""
    if isinstance(value, LearningRateSchedule):
        return value
    if not is_number(value):
        raise TypeError(f"{name} must be a Keras schedule or a number, received {told(value)}")
    return Constant(number(name, value))
