"""Figures in one style, right on light and dark pages, for every colour vision.

A figure is drawn with matplotlib's own calls; `subplots` sets the style, `svg` makes the file.
"""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from .arguments import choice, count, number, numbers, positive_row, string, told

# Of the Okabe-Ito palette the four colours with a contrast of 3:1 on white and on dark grey, and
# black, which `svg` turns into the colour of the page's text.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")

# For up to 20 contenders the colours come again, each time with another kind of line.
LINES = [(colour, line) for line in ("-", "--", ":", "-.") for colour in COLOURS]

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
    """A figure 5.4 inches wide with its axes, in the guide's style.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        height: height in inches.
        **options: those of `Figure.subplots`.

    Returns:
        The figure, and its axes as `Figure.subplots` gives them.

    Raises:
        TypeError: if a number is none.
        ValueError: if a number is not above 0.

    Example:
        >>> from lrguide import plots
        >>> figure, axes = plots.subplots()
        >>> lines = axes.plot([0, 1], [0.1, 0.01])
    """
    rows, columns = count("rows", rows), count("columns", columns)
    height = number("height", height)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, height))
        return figure, figure.subplots(rows, columns, **options)


def loss_by_epoch(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *, chance: float, top: float
) -> Figure:
    """Training and validation loss by epoch: the median of the seeds, and a band over all of them.

    Args:
        curves: for each label the training and the validation losses, both of shape (seeds,
            epochs). Epochs are drawn from 1: a loss is known when its epoch is over.
        chance: loss of guessing, drawn as a dashed line.
        top: upper end of both vertical axes, which are equal and logarithmic.

    Returns:
        The figure.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if there are no labels or more than 20, if an array is empty, of another shape
            or holds a negative loss, or if a number is not finite and above 0.

    Example:
        >>> from lrguide import plots
        >>> training, validation = [[1.0, 0.5], [1.1, 0.6]], [[1.2, 0.7], [1.3, 0.8]]
        >>> figure = plots.loss_by_epoch({"SGD": (training, validation)}, chance=2.3, top=3.0)
    """
    drawn = _pairs("curves", curves)
    for label, (training, validation) in drawn.items():
        _losses(label, "seeds and epochs", training)
        if validation.shape != training.shape:
            raise ValueError(
                f"training and validation losses of {label!r} must have one shape, received "
                f"{training.shape} and {validation.shape}"
            )
        _losses(label, "seeds and epochs", validation)
    chance, top = number("chance", chance), number("top", top)
    figure, panels = subplots(1, 2, height=3.4, sharex=True, sharey=True)
    for axes, title, part in zip(panels, ("training", "validation"), (0, 1), strict=True):
        ends = []
        for (label, losses), (colour, line) in zip(drawn.items(), LINES, strict=False):
            rows = losses[part]
            # Curves of runs that diverged leave the picture at its top.
            rows = np.where(np.isfinite(rows), rows, 10 * top)
            epochs, middle = np.arange(1, rows.shape[1] + 1), np.median(rows, axis=0)
            axes.plot(epochs, middle, color=colour, linestyle=line, label=label)
            low, high = rows.min(axis=0), rows.max(axis=0)
            axes.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0, label=label)
            ends.append((label, float(middle[-1]), colour))
        axes.axhline(
            chance, color="#000000", linestyle=(0, (2, 2)), linewidth=1, zorder=1, label="guessing"
        )
        axes.set(title=title, xlabel="epochs trained", yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain_ticks(axes)
    panels[0].set(ylabel="loss", ylim=(None, top))
    _label_ends(panels[1], ends)
    return figure


def loss_by_rate(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    chance: float,
    top: float = 5,
    ylabel: str = "validation loss at the end",
) -> Figure:
    """Loss at the end against the learning rate, a line a contender, a dot a seed.

    Args:
        curves: for each label the rates and the losses, of shape (rates,) and (rates, seeds).
        chance: loss of guessing, drawn as a dashed line.
        top: upper end of the logarithmic vertical axis; a dot above it is drawn at it as a
            triangle, and so is a loss that is not finite.
        ylabel: what the loss is.

    Returns:
        The figure.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if there are no labels or more than 20, if an array is empty, of another shape
            or holds a negative loss, or if a rate or a number is not finite and above 0.

    Example:
        >>> from lrguide import plots
        >>> curves = {"SGD": ([0.01, 0.1], [[0.9, 1.0], [0.4, 0.5]])}
        >>> figure = plots.loss_by_rate(curves, chance=2.3)
    """
    drawn = _pairs("curves", curves)
    for label, (rates, losses) in drawn.items():
        positive_row(f"rates of {label!r}", rates)
        _losses(label, "rates and seeds", losses)
        if len(rates) != len(losses):
            raise ValueError(
                f"losses of {label!r} must have a row for each of {len(rates)} rates, received "
                f"{len(losses)}"
            )
    chance, top, ylabel = (
        number("chance", chance),
        number("top", top),
        string("ylabel", ylabel),
    )
    figure, axes = subplots(height=3.4)
    for (label, (x, rows)), (colour, line) in zip(drawn.items(), LINES, strict=False):
        shown = np.where(np.isfinite(rows) & (rows < top), rows, top)
        axes.plot(x, np.median(shown, axis=1), color=colour, linestyle=line, label=label)
        for beyond, marker in ((False, "o"), (True, "^")):
            here = (shown >= top) == beyond
            axes.plot(
                np.broadcast_to(x[:, np.newaxis], rows.shape)[here],
                shown[here],
                marker,
                color=colour,
                markersize=4,
                alpha=0.7,
                clip_on=False,
                label=f"_{label}, each seed",  # not in the legend, where the line stands
            )
    # The line is named in the legend, because curves of runs that learn nothing lie on it.
    dashed = (0, (2, 2))
    axes.axhline(chance, label="guessing", color="#000000", linestyle=dashed, linewidth=1, zorder=1)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=ylabel, ylim=(None, top))
    figure.legend(loc="outside upper left", ncols=3, frameon=False, columnspacing=1.2)
    _plain_ticks(axes)
    return figure


def schedule(
    schedules: Mapping[str, Any],
    *,
    steps_per_epoch: int,
    epochs: int,
    scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Learning rates over a training, a line a schedule, to compare them.

    The lower axis counts epochs, the upper one steps, both from 0. The rate of step n is drawn
    at n, and each step as a stair where there are fewer than 200.

    Args:
        schedules: for each label a Keras schedule, or a number for a constant rate; at most 20.
        steps_per_epoch: steps in an epoch.
        epochs: epochs to draw.
        scale: "linear" or "log", of the vertical axis.

    Returns:
        The figure.

    Raises:
        TypeError: if a schedule is neither a schedule nor a number, or a count no whole number.
        ValueError: if there is no schedule or there are too many, if a rate is negative or not
            finite, a count is below 1, or there are more than 10,000,000 steps.

    Example:
        >>> from keras.optimizers.schedules import CosineDecay
        >>> from lrguide import plots
        >>> figure = plots.schedule(
        ...     {"constant": 0.05, "cosine": CosineDecay(0.1, 480)}, steps_per_epoch=48, epochs=10
        ... )
        >>> picture = plots.svg(figure, alt="A constant rate of 0.05; a cosine from 0.1 to 0.")
    """
    from .course import rates_at  # Keras takes seconds to import, and most figures need none

    drawn = _labelled("schedules", schedules)
    choice("scale", scale, "linear", "log")
    steps_per_epoch = count("steps_per_epoch", steps_per_epoch)
    epochs = count("epochs", epochs)
    if steps_per_epoch * epochs > 10_000_000:
        raise ValueError(
            f"steps_per_epoch and epochs must make 10,000,000 steps at most, received "
            f"{steps_per_epoch} and {epochs}"
        )
    steps = np.arange(steps_per_epoch * epochs)
    curves = {label: rates_at(each, steps) for label, each in drawn.items()}
    for label, rates in curves.items():
        for wrong in rates[~(np.isfinite(rates) & (rates >= 0))]:
            raise ValueError(
                f"rates of {label!r} must be finite numbers of at least 0, received {wrong:g}"
            )
    figure, axes = subplots(height=3.4)
    # Among few steps one can see the stair of each; many would make a large file.
    style = "steps-post" if len(steps) < 200 else "default"
    for (label, rates), (colour, line) in zip(curves.items(), LINES, strict=False):
        axes.plot(steps / steps_per_epoch, rates, line, color=colour, label=label, drawstyle=style)
    axes.set(xlabel="epoch", ylabel="learning rate", yscale=scale, xlim=(0, epochs))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    upper = axes.secondary_xaxis(
        "top", functions=(lambda x: x * steps_per_epoch, lambda x: x / steps_per_epoch)
    )
    upper.set_xlabel("step")
    upper.spines["top"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _labelled(name: str, given: Any, most: int | None = len(LINES)) -> dict[str, Any]:
    """A mapping from labels, checked."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dict from labels, received a {type(given).__name__}")
    if not given or (most and len(given) > most):
        wanted = f"1 to {most}" if most else "1 or more"
        raise ValueError(f"{name} must number {wanted}, received {len(given)}")
    return {string(f"each label of {name}", label): each for label, each in given.items()}


def _pairs(name: str, given: Any) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each label two arrays of numbers."""
    pairs = {}
    for label, both in _labelled(name, given).items():
        if not isinstance(both, tuple | list) or len(both) != 2:
            raise TypeError(f"{name} of {label!r} must be two arrays, received {told(both)}")
        first, second = (numbers(f"{name} of {label!r}", each) for each in both)
        pairs[label] = first, second
    return pairs


def _losses(label: str, axes: str, array: NDArray[np.float64]) -> None:
    if array.ndim != 2 or not array.size:
        raise ValueError(f"losses of {label!r} must be by {axes}, received shape {array.shape}")
    for wrong in array[array < 0]:
        raise ValueError(f"losses of {label!r} must not be negative, received {wrong:g}")


def _label_ends(axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Names at the right ends of the lines, moved apart where they would overlap."""
    low, high = np.log(axes.get_ylim())
    gap = 0.075
    heights: list[float] = []
    for label, value, colour in sorted(ends, key=lambda end: end[1]):
        height = float((np.log(min(value, axes.get_ylim()[1])) - low) / (high - low))
        height = max(height, heights[-1] + gap) if heights else height
        heights.append(height)
        axes.annotate(label, (1.03, height), xycoords="axes fraction", va="center", color=colour)


def _plain_ticks(axes: Axes) -> None:
    """Losses as plain numbers, 0.1 rather than a power of ten; 0.2 and 0.5 only where they help."""
    axes.minorticks_off()
    low, high = np.log10(axes.get_ylim())
    if np.floor(high) == np.ceil(low):  # one power of ten alone would not tell the scale
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def svg(figure: Figure, alt: str) -> str:
    """The figure as one `<svg>` element to put into a page: small, without fixed size or colours.

    Args:
        figure: a matplotlib figure.
        alt: what the figure shows, for those who cannot see it.

    Returns:
        The element, on one line.

    Raises:
        TypeError: if `figure` is no figure of matplotlib, or `alt` no text.
        ValueError: if `alt` is empty.

    Example:
        >>> from lrguide import plots
        >>> figure, axes = plots.subplots()
        >>> plots.svg(figure, alt="Empty axes.")[:4]
        '<svg'
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"figure must be a figure of matplotlib, received {told(figure)}")
    if not string("alt", alt).strip():
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
    text = re.sub(
        r'( (?:d|transform|points|x|y)=")([^"]*)"',
        lambda match: match[1] + re.sub(r"-?\d+\.\d+", _shorter, match[2]).strip() + '"',
        text,
    )
    text = text.replace("#000000", "currentColor").replace("xlink:href", "href")
    for needless, instead in (
        (r" ?font-family: [^;\"]*;?|stroke-linecap: square;?", ""),
        (r' transform="rotate\(-?0 [^"]*"', ""),
        (r"([;:]) +", r"\1"),
        (r';"', '"'),
    ):
        text = re.sub(needless, instead, text)
    text, count = re.sub(r">\s+<", "><", text), 1
    while count:  # remove groups without attributes, beginning with the innermost
        text, count = re.subn(
            r"<g(?: id=\"[^\"]*\")?>((?:(?!</?g\b).)*)</g>", r"\1", text, flags=re.S
        )
    text = _own_names(_tighter(text))
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box, "matplotlib writes a viewBox"
    own = f'fill="currentColor" font-size="{STYLE["font.size"]}" role="img"'
    head = f'<svg viewBox="{box[1]}" {own} aria-label="{escape(alt)}">'
    text = head + text[text.index(">", text.index("<svg")) + 1 :]
    # All on one line, because a blank line would end the HTML block in Markdown.
    return re.sub(r"\s*\n\s*", " ", text).strip()


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")


def _tighter(text: str) -> str:
    """The same picture in fewer bytes: ticks, dots, letters and corners say nothing twice."""
    for name in re.findall(r'<path id="([^"]*)"[^>]* style="stroke', text):  # has its outline
        use = rf'(<use href="#{name}"[^>]* style="[^"]*?);?stroke[^"]*"'
        text = re.sub(use, r'\1"', text)
    text = re.sub(rf"font-size:{STYLE['font.size']}px;?", "", text)  # as in all of the figure
    text = text.replace(' style=""', "")
    # A line of the grid ends where the axes do.
    text = re.sub(r' clip-path="[^"]*"( style="[^"]*stroke-opacity:0.15;)', r"\1", text)
    alike = r'<use [^>]*( style="[^"]*")/>(?:<use [^>]*\1/>)+'
    text = re.sub(alike, lambda row: f"<g{row[1]}>{row[0].replace(row[1], '')}</g>", text)
    # Each letter of a formula has a place of its own.
    letter = r'<tspan x="([^"]*)"( [^>]*)>([^<&]+)</tspan><tspan x="([^"]*)"\2>([^<&]+)</tspan>'
    count = 1
    while count:
        text, count = re.subn(letter, r'<tspan x="\1 \4"\2>\3\5</tspan>', text)
    return re.sub(
        r'(?<= d=")[^"]*', lambda found: re.sub(r"\s*([A-Za-z])\s*", r"\1", found[0]), text
    )


def _own_names(text: str) -> str:
    """Keep only the ids that are used, and make them unlike those of the page's other figures."""
    own = hashlib.sha256(text.encode()).hexdigest()[:6]
    reference = r'(url\(#|href="#)([^)"]+)'
    names = dict.fromkeys(name for _, name in re.findall(reference, text))
    used = {name: f"{own}{number}" for number, name in enumerate(names)}

    def keep(match: re.Match[str]) -> str:
        return f' id="{used[match[1]]}"' if match[1] in used else ""

    text = re.sub(r' id="([^"]*)"', keep, text)
    return re.sub(reference, lambda match: match[1] + used[match[2]], text)
