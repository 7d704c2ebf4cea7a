"""What a task is: data, a network and a length, which `tasks` and `judging` list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """What is learned, by which network, and how long.

    Attributes:
        arrays: loads or makes inputs and targets; class numbers, where it is a classification.
        classes: their number; 0 for a regression.
        standardised: whether the inputs get mean 0 and standard deviation 1; a regression's targets
            always do.
        digest: SHA-256 of the arrays in the order in which they are divided.
        network: a new, uncompiled network.
        parts: examples to train on, for validation and for the test.
        batch: examples in a batch.
        epochs: passes over the training part.
        speed: examples that are trained on in a second, roughly.
    """

    arrays: Callable[[], Arrays]
    classes: int
    standardised: bool
    digest: str
    network: Callable[[], Any]
    parts: tuple[int, int, int]
    batch: int
    epochs: int
    speed: int = 3200

    @property
    def loss(self) -> str:
        """Keras' name of the loss."""
        return "categorical_crossentropy" if self.classes else "mean_squared_error"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that stand for the data, as `lrguide.data.fingerprint`."""
        return self.digest[:12]
