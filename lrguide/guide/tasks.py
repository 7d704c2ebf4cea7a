"""The tasks beside MNIST, each with its data, its network and its loss.

Four of them stand here; those that are kept to judge ways of finding a rate, in `judging`.

The data come with scikit-learn or are made here, so that nothing is downloaded; what is loaded is
checked by a digest. scikit-learn is imported where data are loaded alone: reading stored runs, and
MNIST, do without it.
"""

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrguide.data import Digits
from lrguide.guide.judging import JUDGED
from lrguide.guide.task import Arrays, Task

if TYPE_CHECKING:
    import keras

SYMBOLS, LENGTH = 8, 10


def _cancer() -> Arrays:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return found.data, found.target


def _diabetes() -> Arrays:
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    return found.data, found.target


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images[..., np.newaxis] / 16, found.target


def _sequences() -> Arrays:
    """Random symbols, one of them replaced by a mark: which symbol stands right behind it?

    Symbols and mark are one-hot: inputs of shape (n, 10, 9), classes from 0 to 7.
    """
    # NumPy promises that the numbers of a RandomState stay what they are.
    random = np.random.RandomState(0)
    symbols = random.randint(SYMBOLS, size=(5500, LENGTH))
    places = random.randint(LENGTH - 1, size=len(symbols))
    rows = np.arange(len(symbols))
    symbols[rows, places] = SYMBOLS
    return np.eye(SYMBOLS + 1)[symbols], symbols[rows, places + 1]


def _dense(inputs: int, units: tuple[int, ...], outputs: int) -> "keras.Model":
    import keras

    hidden = [keras.layers.Dense(unit, activation="relu") for unit in units]
    last = keras.layers.Dense(outputs, activation="softmax" if outputs > 1 else None)
    return keras.Sequential([keras.Input((inputs,)), *hidden, last])


def _normalised() -> "keras.Model":
    import keras

    layers = keras.layers
    # Keras' own momentum, 0.99, would need more steps than the training has.
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(16, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _recurrent() -> "keras.Model":
    import keras

    return keras.Sequential(
        [
            keras.Input((LENGTH, SYMBOLS + 1)),
            keras.layers.GRU(32),
            keras.layers.Dense(SYMBOLS, activation="softmax"),
        ]
    )


# Each is trained for 300 steps, as MNIST is at the budget SHORT. All of it was fixed before rates
# were compared.
TASKS = {
    "CANCER": Task(
        _cancer,
        classes=2,
        standardised=True,
        digest="fcd5a8e7f2aef60439476ede5af730e05631d8f2a55530603153f0a2fc65076c",
        network=lambda: _dense(30, (32, 16), 2),
        parts=(320, 120, 129),
        batch=16,
        epochs=15,
    ),
    "DIABETES": Task(
        _diabetes,
        classes=0,
        standardised=True,
        digest="d9b00898f52b3fdb5a134ae718d7aa5df62b26b2858d44af0a80795eda501146",
        network=lambda: _dense(10, (32, 32), 1),
        parts=(240, 100, 102),
        batch=16,
        epochs=20,
    ),
    "DIGITS": Task(
        _digits,
        classes=10,
        standardised=False,
        digest="fc395c5576e7c63207039278dbf2a9acc1a60eed7d3b8b337fb0b59b0eb35a64",
        network=_normalised,
        parts=(960, 400, 437),
        batch=32,
        epochs=10,
    ),
    "SEQUENCES": Task(
        _sequences,
        classes=SYMBOLS,
        standardised=False,
        digest="b18e2ea1ce8fbd3197d052d7c5b4dc898a7e2cf54bcb4f456c527dc82984d355",
        network=_recurrent,
        parts=(3000, 1000, 1500),
        batch=50,
        epochs=5,
    ),
}


NAMES = (*TASKS, *JUDGED)


def named(name: str) -> Task:
    """The task of this name, one of `NAMES`."""
    return TASKS[name] if name in TASKS else JUDGED[name]


@cache
def data(name: str, division: int = 0) -> Digits:
    """A task's data in the three parts and the form of MNIST's: float32, classes one-hot.

    A regression's targets have mean 0 and standard deviation 1 and, where each is one number, shape
    (n, 1). Where each example has several targets, the classes are one-hot along the last axis.

    Args:
        name: of the task.
        division: 0 divides as most stored runs had it, another number at random, as its seed.

    Raises:
        ValueError: if they are not the data that the stored runs were trained on.
    """
    task = named(name)
    x, y = task.arrays()
    # The order of the source may follow the classes.
    order = np.random.RandomState(0).permutation(len(x))[: sum(task.parts)]
    x, y = x[order].astype(np.float32), y[order].astype(np.float32)
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    if digest != task.digest:
        raise ValueError(
            f"the data of {name} must have a SHA-256 that begins with {task.fingerprint}, received "
            f"{digest[:12]}: another version of scikit-learn or NumPy brings other data"
        )
    if division:
        anew = np.random.RandomState(division).permutation(len(x))
        x, y = x[anew], y[anew]
    training, validation, _ = task.parts
    if task.standardised:
        x = _standardised(x, training)
    if task.classes:
        y = np.eye(task.classes)[y.astype(int)]
    else:
        y = _standardised(y.reshape(len(y), -1), training)
    both = {"x": x.astype(np.float32), "y": y.astype(np.float32)}
    bounds = {
        "train": slice(0, training),
        "validation": slice(training, training + validation),
        "test": slice(training + validation, None),
    }
    return Digits(
        **{f"{axis}_{part}": both[axis][here] for axis in both for part, here in bounds.items()}
    )


def guessing(name: str) -> float:
    """The validation loss of guessing the training part's shares of the classes, or its mean."""
    parts = data(name)
    guess = parts.y_train.mean(axis=0, dtype=np.float64)
    if named(name).classes:
        return float(-np.log((parts.y_validation * guess).sum(axis=-1)).mean())
    return float(((parts.y_validation - guess) ** 2).mean())


def _standardised(values: NDArray[Any], training: int) -> NDArray[Any]:
    """Values with mean 0 and standard deviation 1 in the training part, which alone may decide."""
    known = values[:training].astype(np.float64)
    spread = known.std(axis=0)  # 0 where all are equal: such values stay at 0
    scaled: NDArray[Any] = (values - known.mean(axis=0)) / np.where(spread, spread, 1)
    return scaled
