"""MNIST, whose arrays are checked: the subset that comes with lrguide, and the full data.

Y. LeCun, C. Cortes, C. J. C. Burges: *The MNIST database of handwritten digits*
(CC BY-SA 3.0; `mnist/README.md` says how the subset was made).
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import count

__all__ = ["Digits", "mnist_full", "mnist_subset"]

SUBSET = Path(__file__).with_name("mnist") / "subset.npz"

# The SHA-256 of each array's bytes in C order. Shape and type are checked by themselves.
SUBSET_ARRAYS = {
    "x_train": (
        (12000, 28, 28),
        "fa2a4444e468930e442fcdd6d58ad839652cd34c6e3e130c8b1ebc9e3aafe73d",
    ),
    "y_train": ((12000,), "8fcbacd8bdc047fbee17615cd29f4e08fcc0c877a3b9040ec09e09d780fb6d2b"),
    "x_validation": (
        (3000, 28, 28),
        "01c827a7f3dfb09e9c95591a5231658c54e4a9dce3072ed4196230569f3cd343",
    ),
    "y_validation": ((3000,), "355b45abdc36fc2b5f76f90acda84c04e6c406e5a9030dc497e25d03959d8959"),
    "x_test": (
        (3000, 28, 28),
        "97a1668872140e1354dd483e740ff25a5eb7374ab4dd9ae6f971fbcde3faed34",
    ),
    "y_test": ((3000,), "0c57bc14419a17c851d1625b5413617fd255a6b5bc2ceeafe61f293b921d585b"),
}
FULL_ARRAYS = {
    "x_train": (
        (60000, 28, 28),
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ),
    "y_train": ((60000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
    "x_test": (
        (10000, 28, 28),
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    ),
    "y_test": ((10000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
}


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits in three parts.

    Images are float32 of shape (n, 28, 28, 1) with values from 0 to 1, labels are one-hot float32
    of shape (n, 10).

    Attributes:
        x_train: images to train on.
        y_train: their labels.
        x_validation: images to compare trainings by.
        y_validation: their labels.
        x_test: images for the final judgement alone.
        y_test: their labels.

    Raises:
        TypeError: if a part is no array.
        ValueError: if a part has another number of images than of labels.

    Example:
        >>> import numpy as np
        >>> from lrguide.data import Digits
        >>> images, labels = np.zeros((4, 28, 28, 1), "float32"), np.eye(10, dtype="float32")[:4]
        >>> digits = Digits(images, labels, images, labels, images, labels)
        >>> digits.first(3, 2, 1).x_train.shape
        (3, 28, 28, 1)
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.float32]
    x_validation: NDArray[np.float32]
    y_validation: NDArray[np.float32]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that each image has its label."""
        for part in ("train", "validation", "test"):
            names = f"x_{part}", f"y_{part}"
            for name in names:
                if not isinstance(array := getattr(self, name), np.ndarray) or not array.ndim:
                    raise TypeError(f"{name} must be an array, received {type(array).__name__}")
            images, labels = (len(getattr(self, name)) for name in names)
            if images != labels:
                raise ValueError(
                    f"x_{part} and y_{part} must be equally long, received {images} and {labels}"
                )

    def first(self, training: int, validation: int, test: int) -> "Digits":
        """The first images of each part; in the subset they keep the shares of the ten digits.

        Args:
            training: how many images to train on.
            validation: how many images to compare trainings by.
            test: how many images for the final judgement.

        Returns:
            The first images and labels of each part.

        Raises:
            TypeError: if a number is no whole number.
            ValueError: if a part is asked for more images than it has, or for fewer than 1.
        """
        wanted = {"train": ("training", training), "validation": ("validation", validation)}
        wanted["test"] = ("test", test)
        chosen: dict[str, NDArray[np.float32]] = {}
        for part, (name, size) in wanted.items():
            available = len(getattr(self, f"x_{part}"))
            count(name, size, most=available, because=": this data has no more images")
            chosen[f"x_{part}"] = getattr(self, f"x_{part}")[:size]
            chosen[f"y_{part}"] = getattr(self, f"y_{part}")[:size]
        return Digits(**chosen)


@cache
def mnist_subset() -> Digits:
    """12,000 training, 3,000 validation and 3,000 test images of MNIST, shipped with lrguide.

    Returns:
        The images and labels.

    Raises:
        ValueError: if the shipped file is damaged.

    Example:
        >>> from lrguide.data import mnist_subset
        >>> mnist_subset().x_train.shape
        (12000, 28, 28, 1)
    """
    return _as_digits(_checked_arrays(_read(SUBSET), SUBSET_ARRAYS, str(SUBSET)))


@cache
def mnist_full() -> Digits:
    """All of MNIST: 48,000 training, 12,000 validation and 10,000 test images.

    The last 12,000 of the 60,000 training images are the validation part, in the order of the
    file, as Keras' `validation_split=0.2` takes them. Read from the file that the environment
    variable `LRGUIDE_MNIST` names, else through `keras.datasets.mnist`, which downloads it once.

    Returns:
        The images and labels.

    Raises:
        FileNotFoundError: if `LRGUIDE_MNIST` names no file.
        ValueError: if the data is damaged, altered or something else.
        ConnectionError: if it cannot be downloaded.

    Example:
        >>> from lrguide.data import mnist_full
        >>> mnist_full().x_train.shape  # doctest: +SKIP
        (48000, 28, 28, 1)
    """
    named = os.environ.get("LRGUIDE_MNIST")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(
                f"LRGUIDE_MNIST must name the file mnist.npz, but there is no file {named!r}"
            )
        arrays, source = _read(Path(named)), named
    else:
        arrays, source = _download(), "the file that keras.datasets.mnist downloaded"
    full = _checked_arrays(arrays, FULL_ARRAYS, source)
    return _as_digits(
        {
            "x_train": full["x_train"][:48000],
            "y_train": full["y_train"][:48000],
            "x_validation": full["x_train"][48000:],
            "y_validation": full["y_train"][48000:],
            "x_test": full["x_test"],
            "y_test": full["y_test"],
        }
    )


def fingerprint(full: bool) -> str:
    """Twelve hexadecimal digits that stand for the arrays of the full data or of the subset."""
    arrays = FULL_ARRAYS if full else SUBSET_ARRAYS
    together = "".join(digest for _, digest in arrays.values())
    return hashlib.sha256(together.encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    # Without pickles nothing in the file can run; NumPy then refuses pickled arrays.
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    # The zip format, its compression and NumPy raise a dozen kinds of errors.
    except Exception as error:
        raise ValueError(
            f"{path} must be an .npz file of plain arrays, but it cannot be read as one: {error}"
        ) from error


def _download() -> dict[str, NDArray[Any]]:
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception
        raise ConnectionError(
            "MNIST could not be downloaded; go online, or set LRGUIDE_MNIST to a file mnist.npz "
            f"that you have ({error})"
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _checked_arrays(
    arrays: Mapping[str, NDArray[Any]],
    expected: Mapping[str, tuple[tuple[int, ...], str]],
    source: str,
) -> dict[str, NDArray[np.uint8]]:
    for name, (shape, digest) in expected.items():
        if name not in arrays:
            raise ValueError(
                f"{source} must hold the arrays {', '.join(expected)}, but {name} is missing"
            )
        array = arrays[name]
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(
                f"{name} in {source} must be uint8 of shape {shape}, "
                f"received {array.dtype} of shape {array.shape}"
            )
        seen = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        if seen != digest:
            raise ValueError(
                f"{name} in {source} is not MNIST's: its SHA-256 must begin with {digest[:12]}, "
                f"received {seen[:12]}"
            )
    return {name: arrays[name] for name in expected}


def _as_digits(arrays: Mapping[str, NDArray[np.uint8]]) -> Digits:
    one_hot = np.eye(10, dtype=np.float32)
    return Digits(
        **{
            name: one_hot[array]
            if name.startswith("y")
            else array[..., np.newaxis].astype(np.float32) / np.float32(255)
            for name, array in arrays.items()
        }
    )
