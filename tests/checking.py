"""A little training, and schedules of a user's own, that the tests of `check` look at."""

from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from lrguide.checks import check

X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4)
Y = X[:, :1]
BATCHES = 4  # of four examples


def names(*arguments: Any, **options: Any) -> list[str]:
    return [finding.name for finding in check(*arguments, **options)]


def compiled(optimizer: Any, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model: keras.Model) -> None:
    model.fit(X, Y, batch_size=4, verbose=0)


class Own(LearningRateSchedule):
    """A schedule of the user's own that can be saved."""

    def get_config(self) -> dict[str, Any]:
        return {}


class OneStepAtATime(Own):
    """A rate of the user's own, of which the attributes say nothing."""

    def __init__(self, end: int) -> None:
        self.end = end

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        return ops.cond(step < self.end, lambda: 0.1 - 0.09 * step / self.end, lambda: 0.01)
