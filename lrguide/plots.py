"""Figures in one style, right on light and dark pages, for every colour vision.

A figure is drawn with matplotlib's own calls; `subplots` sets the style, `svg` makes the file.
"""

import hashlib
import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

# Of the Okabe-Ito palette the four colours with a contrast of 3:1 on white and on dark grey, and
# black, which `svg` turns into the colour of the page's text.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.facecolor": "none",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 11,  # a figure is 389 points wide: on a phone its text is as large as the prose
    "grid.alpha": 0.15,
    "grid.color": "#000000",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "lrguide",
}


def subplots(
    rows: int = 1, columns: int = 1, *, height: float = 3.1, **options: Any
) -> tuple[Figure, Any]:
    """A figure 5.4 inches wide with its axes; `options` are those of `Figure.subplots`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, height))
        return figure, figure.subplots(rows, columns, **options)


def band(axes: Axes, x: ArrayLike, values: ArrayLike, *, label: str, colour: str) -> None:
    """The median of several seeds as a line, their lowest and highest as a band.

    `values` has shape (seeds, len(x)). The label stands at the right end of the line.
    """
    rows = np.asarray(values, dtype=np.float64)
    middle = np.nanmedian(rows, axis=0)
    axes.plot(x, middle, color=colour, marker="o", markersize=3.5)
    axes.fill_between(
        x, np.nanmin(rows, axis=0), np.nanmax(rows, axis=0), color=colour, alpha=0.25, linewidth=0
    )
    axes.annotate(
        label,
        (np.asarray(x)[-1], middle[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=colour,
    )


def svg(figure: Figure, alt: str) -> str:
    """The figure as one `<svg>` element to put into a page: small, without fixed size or colours.

    Args:
        figure: a matplotlib figure.
        alt: what the figure shows, for those who cannot see it.

    Raises:
        ValueError: if `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("alt must state in words what the figure shows, received an empty text")
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|style)\b.*?</\1>|<!--.*?-->|<\?.*?\?>", "", text, flags=re.S)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = text.replace("#000000", "currentColor")
    text = re.sub(
        r'( (?:d|transform|points|x|y)=")([^"]*)"',
        lambda match: match[1] + re.sub(r"-?\d+\.\d+", _shorter, match[2]) + '"',
        text,
    )
    text = _own_names(text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box, "matplotlib writes a viewBox"
    head = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box[1]}" '
        f'fill="currentColor" role="img" aria-label="{escape(alt)}">'
    )
    text = head + text[text.index(">", text.index("<svg")) + 1 :]
    # One line: a blank one would end the HTML block in Markdown.
    return re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").strip()


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")


def _own_names(text: str) -> str:
    """Keep only the ids that are used, and make them unlike those of the page's other figures."""
    own = hashlib.sha256(text.encode()).hexdigest()[:6]
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))

    def keep(match: re.Match[str]) -> str:
        return f' id="{own}{match[1]}"' if match[1] in used else ""

    text = re.sub(r' id="([^"]*)"', keep, text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{own}", text)
