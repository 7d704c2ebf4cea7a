"""What a page shows: claims, tables and figures made from measured runs.

In a notebook (so in the site's build) they are published as Markdown and SVG; in a plain
`python docs/page.py` they are printed.
"""

import ast
import base64
import io
import linecache
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from lrguide import plots
from lrguide.guide.numbers import tables
from lrguide.guide.records import Runs


@dataclass(frozen=True)
class Claim:
    """A sentence about runs, and the check that it holds for them."""

    runs: Runs
    holds: Callable[[Runs], bool]
    sentence: Callable[[Runs], str]
    tie: bool


# What this process has claimed: the tests spoil the runs and see that each claim can fail.
claims: list[Claim] = []

# The text alternatives of the figures that this process has shown.
figures: list[str] = []


def claim(
    runs: Runs,
    holds: Callable[[Runs], bool],
    sentence: Callable[[Runs], str],
    *,
    tie: bool = False,
) -> None:
    """Show the sentence; if it does not hold, say so and end the build.

    In a notebook a sentence that does not hold is shown in a warning, marked so that a build of the
    site ends with it, while a reader who changes a number sees the rest of the page.

    Args:
        runs: the runs that it is about.
        holds: whether the sentence is true for such runs.
        sentence: the sentence in Markdown, its numbers taken from the runs.
        tie: True if the sentence says that contenders do not differ.

    Raises:
        AssertionError: outside a notebook, with the sentence, if it does not hold.
    """
    claims.append(Claim(runs, holds, sentence, tie))
    try:
        text = sentence(runs)
        if holds(runs):
            _publish({"text/markdown": text}, text, runs)
            return
        title = "No longer true"
        failure = f"The runs do not bear out this sentence: {text.removeprefix('- ')}"
    except LookupError as error:  # it speaks of a contender that was taken out
        title, why, written = "Can no longer be checked", str(error.args[0]), _as_written(sentence)
        failure = f"{why[:1].upper()}{why[1:]}. So " + (
            f"this sentence cannot be checked: {written}"
            if written
            else "a sentence cannot be checked."
        )
    if not _in_notebook():
        raise AssertionError(failure)
    lines = failure.strip().replace("\n", "\n    ")
    warning = f'!!! warning "{title}"\n\n    {lines}'
    line = sys._getframe(1).f_lineno
    _publish({"text/markdown": warning}, failure, runs, failed=failure, line=line)


def table(
    runs: Runs, rows: Callable[[Runs], Sequence[dict[str, str]]], caption: Callable[[Runs], str]
) -> None:
    """Show a table; `rows` makes one mapping a row, from the column's heading to the cell."""
    lines = list(rows(runs))
    if not lines:
        raise ValueError("a table needs at least one row, received none")
    heads = list(lines[0])
    for number, line in enumerate(lines):
        if line.keys() != set(heads):
            raise ValueError(
                f"each row of a table must have the columns {heads} of the first, "
                f"row {number} has {list(line)}"
            )
    text = "\n".join(
        "| " + " | ".join(cells) + " |"
        for cells in (
            heads,
            ["---", *(_aligned([line[head] for line in lines]) for head in heads[1:])],
            *([line[head] for head in heads] for line in lines),
        )
    )
    text = f"*{caption(runs)}*\n\n{text}"
    _publish({"text/markdown": text}, text, runs)


def figure(runs: Runs, draw: Callable[[Runs], Figure], alt: Callable[[Runs], str]) -> None:
    """Show a figure with the text alternative `alt`, which states what the figure shows.

    Its numbers go along as tables, for the page that the site has beside this one; in the site's
    build the page's first figure also goes along as a picture.

    Raises:
        ValueError: if the figure shows no number, or `alt` is empty.
    """
    words, forms = alt(runs), {}
    with mpl.rc_context(plots.STYLE):
        drawn = draw(runs)
        forms["text/html"] = f'<figure class="lr-figure">{plots.svg(drawn, words)}</figure>'
        numbers = {"words": words, "tables": [asdict(table) for table in tables(drawn)]}
        if not figures and os.environ.get("LRGUIDE_PAGE"):
            # Drawn anew: each layout of one figure makes more room for what lies outside its axes.
            forms["image/png"] = base64.b64encode(_card(draw(runs))).decode()
    figures.append(words)
    _publish(forms, f"Figure: {words}", runs, numbers=numbers)


def several(values: NDArray[np.float64], digits: int = 3) -> str:
    """Mean and range of one number a seed: `0.151 (0.148 to 0.155)`.

    Numbers that were not finite are counted, not averaged.
    """
    finite = values[np.isfinite(values)]
    lost = len(values) - len(finite)
    text = "none finite"
    if len(finite):
        low, high = (_number(value, digits) for value in (finite.min(), finite.max()))
        text = f"{_number(finite.mean(), digits)} ({low} to {high})"
    return f"{text}, {lost} of {len(values)} not finite" if lost and len(finite) else text


# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def verdict(differences: NDArray[np.float64]) -> str:
    """What paired differences, one a seed, say: "lower", "higher", "tie", or "fails".

    A tie is what the 95 % interval of their mean (Student's t) cannot tell from none; "fails" means
    that some were not finite.

    Raises:
        ValueError: for fewer than 2 or more than 10 seeds.
    """
    count = len(differences)
    if not 2 <= count <= len(_STUDENT) + 1:
        raise ValueError(f"differences must be those of 2 to 10 seeds, received {count}")
    if not np.isfinite(differences).all():
        return "fails"
    half = _STUDENT[count - 2] * differences.std(ddof=1) / np.sqrt(count)
    if abs(differences.mean()) <= half:
        return "tie"
    return "lower" if differences.mean() < 0 else "higher"


def plain(rate: float) -> str:
    """A learning rate without exponent: `0.00001` rather than `1e-05`."""
    return np.format_float_positional(rate, trim="-")


def _aligned(cells: Sequence[str]) -> str:
    """A column's alignment in Markdown: numbers end at one line, prose begins at one."""
    return "---" if max(map(len, cells)) > 40 else "---:"


def _as_written(sentence: Callable[[Runs], str]) -> str:
    """The text of a lambda, an ellipsis for each number; empty where its source is not one text."""
    code = getattr(sentence, "__code__", None)
    if code is None:
        return ""
    texts = [
        node.body
        for node in ast.walk(ast.parse("".join(linecache.getlines(code.co_filename))))
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    if not texts or not isinstance(text := texts[-1], ast.JoinedStr):
        return ""
    parts = (part.value if isinstance(part, ast.Constant) else "…" for part in text.values)
    return "".join(map(str, parts)).removeprefix("- ")


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def _in_notebook() -> bool:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return get_ipython() is not None


def _card(drawn: Figure) -> bytes:
    """The figure as a PNG of 1200 by 630 pixels, for others' links to its page."""
    across, up = 50, 35  # white margins, of which some cut a part
    dpi = int(min(200, (630 - 2 * up) / drawn.get_figheight()))  # its text as large as it can be
    drawn.set_size_inches((1200 - 2 * across) / dpi, (630 - 2 * up) / dpi)
    pixels, file = io.BytesIO(), io.BytesIO()
    drawn.savefig(pixels, format="rgba", dpi=dpi, facecolor="white", transparent=False)
    inner = np.frombuffer(pixels.getvalue(), np.uint8).reshape(630 - 2 * up, 1200 - 2 * across, 4)
    card = np.full((630, 1200, 3), 255, np.uint8)
    card[up:-up, across:-across] = inner[..., :3]
    imsave(file, card, format="png")
    return file.getvalue()


def _publish(forms: dict[str, str], plain: str, runs: Runs, **marks: Any) -> None:
    if not _in_notebook():
        print(plain)
        return
    from IPython.display import display

    display(
        {**forms, "text/plain": plain},
        raw=True,
        metadata={"lrguide": {"made": _made(runs), **marks}},
    )


def _made(runs: Runs) -> dict[str, Any]:
    """When, on what and with which versions the runs were made, and which files hold them."""

    def distinct(name: str) -> list[str]:
        return sorted({str(run.made[name]) for run in runs})

    return {
        "dates": distinct("date"),
        "processors": distinct("processor"),
        "versions": {name: distinct(name) for name in ("tensorflow", "keras", "numpy", "python")},
        "records": sorted({f"{run.function}_{run.settings['budget']}.json" for run in runs}),
    }
