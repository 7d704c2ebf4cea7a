"""Check arguments, and refuse what makes no sense in one sentence.

The sentence says what was expected and what was received. It comes as a TypeError where the value
is of another kind, and as a ValueError where it is of the right kind and out of range.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

Floats = NDArray[np.float64]

MOST_PARTS = 10_000  # that a sequence may have, so that one without end is refused, too
SMALLEST, LARGEST = (float(getattr(np.finfo(np.float32), name)) for name in ("tiny", "max"))


def told(value: Any) -> str:
    """A value in the words of an error: on one short line, an array as its type and shape."""
    try:
        if isinstance(value, np.generic):
            value = value.item()
        if (shape := getattr(value, "shape", None)) is not None:
            return f"{type(value).__name__} of shape {tuple(shape)}"
        text = " ".join(repr(value).split())
    # Python prints no integer of more than 4,300 digits, and a class may be faulty.
    except Exception:
        text = f"{type(value).__name__} that cannot be printed"
    return text if len(text) <= 80 else f"{text[:60]}..."


def is_number(value: Any) -> TypeGuard[float]:
    """Whether this is a number, of Python or NumPy, and neither True nor False."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number(
    name: str,
    value: Any,
    wanted: str = "a finite number above 0",
    holds: Callable[[float], bool] = lambda given: 0.0 < given < math.inf,
) -> float:
    """Check that `holds` is true of a number, and return it as a float.

    Given an integer, Keras would compute in integers.

    Numbers that would be 0 or infinite in float32 are refused, because Keras computes in that.
    """
    wrong = f"{name} must be {wanted}, received {told(value)}"
    if not is_number(value):
        raise TypeError(wrong)
    try:
        given = float(value)
    except OverflowError:  # an integer of hundreds of digits
        given = math.copysign(math.inf, value // abs(value))
    if not holds(given):
        raise ValueError(wrong)
    if given and not SMALLEST <= abs(given) <= LARGEST:
        raise ValueError(f"{wrong}, which is 0 or infinite in float32")
    return given


def end_rate(value: Any, start: float) -> float:
    """Check the rate to which a schedule falls."""
    wanted = f"a number from 0 to the rate it falls from, {start}"
    return number("end_learning_rate", value, wanted, lambda end: 0.0 <= end <= start)


def factor(name: str, value: Any) -> float:
    """Check a factor that lets a rate fall, or stay."""
    return number(name, value, "a number above 0, at most 1", lambda by: 0.0 < by <= 1.0)


def count(name: str, value: Any, least: int = 1, most: int = 2**63 - 1, because: str = "") -> int:
    """Check a whole number in a range; `because` is the reason for its upper end."""
    wanted = "above 0" if least == 1 else f"of at least {least}"
    wrong = f"{name} must be a whole number {wanted}, received {told(value)}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(wrong)
    whole = int(value)
    if whole < least:
        raise ValueError(wrong)
    if whole > most:
        raise ValueError(f"{name} must be at most {most:,}, received {told(value)}{because}")
    return whole


def axes(ax: Any) -> Any:
    """Check that these are axes of matplotlib; new ones in place of None."""
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"ax must be axes of matplotlib, received {told(ax)}")
    return plt.subplots()[1] if ax is None else ax


def flag(name: str, value: Any) -> bool:
    """Check that a value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, received {told(value)}")
    return bool(value)


def string(name: str, value: Any) -> str:
    """Check that a value is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, received {told(value)}")
    return value


def choice(name: str, value: Any, *allowed: str) -> None:
    """Check that a value is one of a few words."""
    if not isinstance(value, str) or value not in allowed:
        words = " or ".join(map(repr, allowed))
        raise ValueError(f"{name} must be {words}, received {told(value)}")


def listed(name: str, value: Any, of: str) -> list[Any]:
    """The members of a sequence, or of an array with one axis; text is refused."""
    other = isinstance(value, str | bytes | bytearray | Mapping | Set)
    if other or not isinstance(value, Iterable) or getattr(value, "ndim", 1) != 1:
        raise TypeError(f"{name} must be a sequence of {of}, received {told(value)}")
    members = list(itertools.islice(value, MOST_PARTS + 1))
    if len(members) > MOST_PARTS:
        raise ValueError(f"{name} must hold at most {MOST_PARTS:,} parts, received more")
    return members


def numbers(name: str, given: Any) -> Floats:
    """A copy of an array of numbers, or of what can be made into one."""
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must have rows of one length, received {told(given)}") from None
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, received {told(given)}")
    return array.astype(np.float64)


def one_row(name: str, given: Any) -> Floats:
    """A row of numbers along one axis, with at least one of them."""
    array = numbers(name, given)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} must be one row of at least one, received shape {array.shape}")
    return array


def positive_row(name: str, given: Any) -> Floats:
    """A row of finite numbers above 0, which all have a place on a logarithmic axis."""
    array = one_row(name, given)
    for wrong in array[~(np.isfinite(array) & (array > 0))]:
        raise ValueError(f"{name} must be finite numbers above 0, received {wrong:g}")
    return array
