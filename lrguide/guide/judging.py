"""The tasks that are kept to judge ways of finding a rate; nothing was chosen by their results.

Their data come with scikit-learn or are made here. Which optimizer and schedule trains each, how
long and with which batches stands in `problems`.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.task import Arrays, Task

if TYPE_CHECKING:
    import keras

SYMBOLS, COPIED = 8, 4  # of a sequence to copy: how many there are, and how many stand in it
MODULUS = 19
MOMENTS = 20  # how many values of a wave the network sees
NUMBERS = 12  # the length of a row, two numbers of which are to be added
WIDTH = 32  # of the transformers' layers
# Data are rounded to so many digits after the point, since processors differ in the last bits of a
# sine or a logarithm.
DIGITS = 5


def _with_places(symbols: NDArray[Any], kinds: int) -> NDArray[Any]:
    """Each symbol one-hot, and beside it its place one-hot, which attention alone cannot know."""
    length = symbols.shape[1]
    places = np.broadcast_to(np.eye(length), (*symbols.shape, length))
    return np.concatenate([np.eye(kinds)[symbols], places], axis=2)


def _copy() -> Arrays:
    """Symbols, a mark, and blanks in place of which the symbols are to be told again."""
    random = np.random.RandomState(0)
    symbols = random.randint(SYMBOLS, size=(4800, COPIED))
    mark, blanks = np.full((4800, 1), SYMBOLS), np.full((4800, COPIED), SYMBOLS + 1)
    return _with_places(np.hstack([symbols, mark, blanks]), SYMBOLS + 2), symbols


def _addition() -> Arrays:
    """Two numbers and a mark, in place of which their sum modulo 19 is to be told.

    The pairs are drawn with replacement, so that the parts share most of them: what counts is how
    fast the table is learned.
    """
    random = np.random.RandomState(0)
    pairs = random.randint(MODULUS, size=(4800, 2))
    tokens = np.hstack([pairs, np.full((4800, 1), MODULUS)])
    return _with_places(tokens, MODULUS + 1), pairs.sum(axis=1) % MODULUS


def _waves() -> Arrays:
    """Sine waves of random frequency and phase, with noise: which value comes next?"""
    random = np.random.RandomState(0)
    frequency, phase = random.uniform(0.2, 1.0, (4000, 1)), random.uniform(0, 2 * np.pi, (4000, 1))
    waves = np.sin(frequency * np.arange(MOMENTS + 1) + phase)
    seen = waves[:, :MOMENTS] + random.normal(0, 0.1, (4000, MOMENTS))
    return seen[..., None].round(DIGITS), waves[:, MOMENTS].round(DIGITS)


def _adding() -> Arrays:
    """The adding problem (Hochreiter and Schmidhuber 1997): the sum of the two marked numbers."""
    random = np.random.RandomState(0)
    numbers, marks = random.uniform(0, 1, (4800, NUMBERS)), np.zeros((4800, NUMBERS))
    rows, half = np.arange(4800), NUMBERS // 2
    for first in (0, half):
        marks[rows, first + random.randint(half, size=4800)] = 1
    return np.stack([numbers, marks], axis=2), (numbers * marks).sum(axis=1)


def _mixture() -> Arrays:
    """Six classes, each three normal clouds in ten dimensions, which overlap."""
    random = np.random.RandomState(0)
    centres = random.normal(0, 1.2, (6, 3, 10))
    classes, clouds = random.randint(6, size=7120), random.randint(3, size=7120)
    x = centres[classes, clouds] + random.normal(size=(7120, 10))
    return x.round(DIGITS), classes


def _friedman() -> Arrays:
    """The first regression of Friedman (1991): five inputs of ten decide, and noise."""
    random = np.random.RandomState(0)
    x = random.uniform(0, 1, (2600, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4] + random.normal(size=2600)
    return x, y.round(DIGITS)


def _images() -> Arrays:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images / 16, found.target


def _residual() -> Arrays:
    images, digits = _images()
    return images[..., None], digits


def _autoencoder() -> Arrays:
    rows = _images()[0].reshape(-1, 64)
    return rows, rows


def _later_digits() -> Arrays:
    """The digits from 5 to 9, for a network that knows those from 0 to 4."""
    images, digits = _images()
    later = digits >= 5
    return images[later].reshape(-1, 64), digits[later] - 5


def _transformer(length: int, kinds: int, classes: int, answers: int) -> "keras.Model":
    """Two blocks of two heads, normalised first; the last places give the answers."""
    import keras

    layers = keras.layers
    inputs = keras.Input((length, kinds + length))
    x = layers.Dense(WIDTH)(inputs)
    for _ in range(2):
        normalised = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, WIDTH // 2)(normalised, normalised)])
        hidden = layers.Dense(2 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(WIDTH)(hidden)])
    x = layers.LayerNormalization()(x)
    x = layers.Cropping1D((length - answers, 0))(x) if answers > 1 else x[:, -1]
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def _recurrent(kind: str, shape: tuple[int, int], units: int) -> "keras.Model":
    import keras

    layer = getattr(keras.layers, kind)(units)
    return keras.Sequential([keras.Input(shape), layer, keras.layers.Dense(1)])


def _residual_net() -> "keras.Model":
    import keras

    layers = keras.layers

    def convolved(x: Any) -> Any:
        x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9)(x)

    inputs = keras.Input((8, 8, 1))
    x = layers.ReLU()(convolved(inputs))
    for _ in range(2):
        x = layers.ReLU()(layers.Add()([x, convolved(layers.ReLU()(convolved(x)))]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def _dense(inputs: int, units: tuple[int, ...], outputs: int, last: str | None) -> "keras.Model":
    import keras

    layers = [keras.layers.Dense(unit, activation="relu") for unit in units]
    layers.append(keras.layers.Dense(outputs, activation=last))
    return keras.Sequential([keras.Input((inputs,)), *layers])


@cache
def _learned() -> list[NDArray[Any]]:
    """Weights of two hidden layers that tell the digits from 0 to 4, trained by scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    images, digits = _images()
    first = digits < 5
    network = MLPClassifier((64, 32), batch_size=32, random_state=0)
    network.fit(images[first].reshape(-1, 64), digits[first])
    hidden = zip(network.coefs_[:2], network.intercepts_[:2], strict=True)
    return [part for layer in hidden for part in layer]


def _fine_tuned() -> "keras.Model":
    network = _dense(64, (64, 32), 5, "softmax")
    network.set_weights([*_learned(), *network.get_weights()[4:]])
    return network


JUDGED = {
    "COPY": Task(
        _copy,
        classes=SYMBOLS,
        standardised=False,
        digest="e5b0e331e6137f161a09def50c5371c53599f5be7159409454851845cee639b7",
        network=lambda: _transformer(2 * COPIED + 1, SYMBOLS + 2, SYMBOLS, COPIED),
        parts=(3200, 800, 800),
        batch=32,
        epochs=3,
    ),
    "ADDITION": Task(
        _addition,
        classes=MODULUS,
        standardised=False,
        digest="47a3a5d056683f5b60adbdfccd332455d35a3865a3f96cbfc3fc3c08e9043004",
        network=lambda: _transformer(3, MODULUS + 1, MODULUS, 1),
        parts=(3200, 800, 800),
        batch=32,
        epochs=10,
    ),
    "WAVES": Task(
        _waves,
        classes=0,
        standardised=False,
        digest="c330329ab573307567335ae9d495557cad5530bd7e871df726232b1a2e3131b0",
        network=lambda: _recurrent("GRU", (MOMENTS, 1), 16),
        parts=(3000, 500, 500),
        batch=50,
        epochs=5,
    ),
    "ADDING": Task(
        _adding,
        classes=0,
        standardised=False,
        digest="2cef3d36e07b64ca714d80a91a4a7d21d0771987a053781fe4ece1fef78bdcd1",
        network=lambda: _recurrent("LSTM", (NUMBERS, 2), 24),
        parts=(3200, 800, 800),
        batch=32,
        epochs=10,
    ),
    "RESIDUAL": Task(
        _residual,
        classes=10,
        standardised=False,
        digest="fc395c5576e7c63207039278dbf2a9acc1a60eed7d3b8b337fb0b59b0eb35a64",
        network=_residual_net,
        parts=(800, 480, 517),
        batch=32,
        epochs=12,
    ),
    "AUTOENCODER": Task(
        _autoencoder,
        classes=0,
        standardised=False,
        digest="d24537e66569edb29b28ef8fd207eca06f6168fff735b5f746b5d57806cf9510",
        network=lambda: _dense(64, (32, 8, 32), 64, None),
        parts=(1200, 280, 317),
        batch=16,
        epochs=4,
    ),
    "MIXTURE": Task(
        _mixture,
        classes=6,
        standardised=True,
        digest="dddbf4c6a218834e7ecdba39e0d68996d54369906bc06e58f61e10dbc0482e8e",
        network=lambda: _dense(10, (64, 64), 6, "softmax"),
        parts=(5120, 1000, 1000),
        batch=512,
        epochs=30,
        speed=80_000,
    ),
    "FRIEDMAN": Task(
        _friedman,
        classes=0,
        standardised=True,
        digest="43c7150b1ee945aa8b4796f2b582d35e1ec8bb4d8a12b4e28746ecd43a1b376c",
        network=lambda: _dense(10, (64, 64), 1, None),
        parts=(1600, 500, 500),
        batch=16,
        epochs=3,
    ),
    "FINE_TUNING": Task(
        _later_digits,
        classes=5,
        standardised=False,
        digest="ae0713428a3c03083d4e471bc7d68c3d0ca3b44140ed56ebfc22279a86779a3d",
        network=_fine_tuned,
        parts=(600, 140, 156),
        batch=20,
        epochs=10,
    ),
}
