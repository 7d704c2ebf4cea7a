"""The numbers that a figure shows, as tables: read from what is drawn, so that they cannot differ.

A panel gives a table. Its rows are the places on the horizontal axis, or on the vertical one where
that has names for ticks; its columns are what was drawn, by label. A label that begins with an
underscore stands in the table and, as always with matplotlib, not in the legend. What has no label
takes that of what looks the same.
"""

import contextlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

DIGITS = 4  # more than can be read from a picture

Drawn = Line2D | PolyCollection | Patch  # these are lines and dots, bands, and stripes
Look = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """What one panel of a figure shows.

    Attributes:
        caption: what the numbers are.
        heads: one a column; the first, which may be empty, is that of the rows' names.
        rows: each its name, and then a cell for each other column.
        beside: lines and stripes right across the panel, a text each.
    """

    caption: str
    heads: list[str]
    rows: list[list[str]]
    beside: list[str]


def tables(figure: Figure) -> list[Table]:
    """A table for each panel of a figure.

    Raises:
        ValueError: if a panel shows no number, or something that is neither line, dot nor band.
    """
    if not figure.axes:
        raise ValueError("a figure must have panels that show numbers, received one without panels")
    labels: dict[Look, str] = {}
    for axes in figure.axes:
        for artist in _drawn(axes):
            labels[_look(artist, axes)] = labels.get(_look(artist, axes)) or _label(artist)
    return [_table(axes, labels) for axes in figure.axes]


def _table(axes: Axes, labels: dict[Look, str]) -> Table:
    upright = _names(axes.yaxis)
    names = upright or _names(axes.xaxis)
    row, value = (1, 0) if upright else (0, 1)
    what, where = _words(axes, value) or "value", _words(axes, row)
    end = float(max(axes.get_ylim() if value else axes.get_xlim()))
    title = axes.get_title(loc="left") or axes.get_title()

    # What was drawn under each label at each place; both are in the order of drawing.
    dots: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    bands: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    beside, seen = [], False
    for artist in _drawn(axes):
        label, points = labels[_look(artist, axes)], _points(artist)
        sides = [side for side in (0, 1) if _follows(artist, axes)[side]]
        if len(sides) == 1:
            ends = points[:, sides[0]]
            low, high = _text(ends.min()), _text(ends.max())
            where_it_is = f"at {low}" if low == high else f"from {low} to {high}"
            beside.append(f"{label or ('a line' if low == high else 'a stripe')} {where_it_is}")
            continue
        seen = seen or _is_seen(points, axes)
        kind = dots if isinstance(artist, Line2D) else bands
        for point in points:
            kind[label or what][float(point[row])].append(float(point[value]))
    if not seen:
        raise ValueError(
            "each panel of a figure must show a number, and "
            f"{f'the panel {title!r}' if title else 'one'} of this figure shows none"
        )

    def cell(column: str, place: float) -> str:
        text = ", ".join(_text(each, end) for each in dots.get(column, {}).get(place, []))
        band = bands.get(column, {}).get(place, [])
        if not band:
            return text
        ends = f"{_text(min(band), end)} to {_text(max(band), end)}"
        return f"{text} ({ends})" if text else ends

    columns = list(dict.fromkeys([*dots, *bands]))
    places = {place for kind in (dots, bands) for rows in kind.values() for place in rows}
    caption = (f"{title}: " if title else "") + what + (f" by {where}" if where else "")
    return Table(
        caption[0].upper() + caption[1:],
        [where, *columns],
        [
            [names.get(place) or _text(place), *(cell(column, place) for column in columns)]
            for place in sorted(places, reverse=bool(upright))  # from above, as in the picture
        ],
        beside,
    )


def _drawn(axes: Axes) -> list[Drawn]:
    """What carries numbers.

    Raises:
        ValueError: for what would have to be left out of the table.
    """
    found: list[Drawn] = []
    for artist in (*axes.lines, *axes.collections, *axes.patches, *axes.images):
        follows = _follows(artist, axes)
        match artist:
            case Line2D() | PolyCollection():
                carries = any(follows)  # if it follows no axis, it is an ornament
            case Patch() if not all(follows):
                carries = any(follows)
            case _:
                raise ValueError(
                    "a figure must show its numbers as lines, dots and bands, which its table is "
                    f"read from, received a {type(artist).__name__}"
                )
        if carries and artist.get_visible():
            found.append(artist)
    return found


def _follows(artist: Artist, axes: Axes) -> tuple[bool, bool]:
    """Whether its horizontal and its vertical place are data, and not shares of the panel."""
    across, up = artist.get_transform().contains_branch_seperately(axes.transData)
    return bool(across), bool(up)


def _points(artist: Drawn) -> NDArray[np.float64]:
    """Its corners, a row each."""
    match artist:
        case Line2D():
            return np.asarray(artist.get_xydata(), dtype=np.float64)
        case PolyCollection():
            return np.concatenate([path.vertices for path in artist.get_paths()])
    return np.asarray(artist.get_patch_transform().transform(artist.get_path().vertices))


def _look(artist: Drawn, axes: Axes) -> Look:
    across = _follows(artist, axes)
    match artist:
        case Line2D():
            style = str(artist.get_linestyle()), str(artist.get_marker())
            return across, to_rgba(artist.get_color()), *style
        case PolyCollection():
            return across, "band", *np.ravel(artist.get_facecolor())
    return across, to_rgba(artist.get_facecolor())


def _label(artist: Drawn) -> str:
    """The label that it was given; matplotlib calls the others _child0, _child1 and so on."""
    label = str(artist.get_label())
    return "" if re.fullmatch(r"_child\d+", label) else label.removeprefix("_")


def _is_seen(points: NDArray[np.float64], axes: Axes) -> bool:
    """Whether one of the points lies within the panel."""
    limits = np.sort([axes.get_xlim(), axes.get_ylim()], axis=1)
    inside = (limits[:, 0] <= points) & (points <= limits[:, 1])  # false for what is not finite
    return bool(inside.all(axis=1).any())


def _names(axis: Axis) -> dict[float, str]:
    """The names at the ticks of an axis, if it has some: numbers are none."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    places = axis.get_majorticklocs().tolist()
    ticks = zip(places, axis.get_major_formatter().format_ticks(places), strict=True)
    texts = {float(place): " ".join(text.split()) for place, text in ticks}
    return {} if all(map(_is_number, texts.values())) else texts


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return True
    return text == ""


def _words(axes: Axes, side: int) -> str:
    """The label of an axis, which may stand at a panel that shares it."""
    shared = (axes.get_shared_x_axes, axes.get_shared_y_axes)[side]().get_siblings(axes)
    texts = [(each.get_xlabel, each.get_ylabel)[side]() for each in (axes, *shared)]
    return next((text for text in texts if text), "")


def _text(number: float, end: float = np.inf) -> str:
    """A number without exponent; what is drawn at the end of its axis may lie beyond it."""
    if not np.isfinite(number):
        return "not finite"
    shown = min(number, end)
    digits = None if shown == round(shown) else DIGITS  # steps and epochs are counted, not rounded
    text = np.format_float_positional(shown, digits, fractional=digits is None, trim="-")
    return f"≥ {text}" if number >= end else text
