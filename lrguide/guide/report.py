"""What a page shows: claims, tables and figures made from measured runs.

Where they appear is decided in `lrguide.guide.pages`.
"""

import ast
import io
import linecache
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from lrguide import plots
from lrguide.guide.numbers import tables
from lrguide.guide.pages import Shown, show
from lrguide.guide.records import Runs


@dataclass(frozen=True)
class Claim:
    """A sentence or a table about runs, and the checks that it holds for them."""

    runs: tuple[Runs, ...]
    told: Callable[..., Any]

    def __call__(self, *runs: Runs) -> tuple[Any, list[bool]]:
        """What is told of such runs, a sentence on one line, and which of its checks hold."""
        told, *checks = self.told(*runs)
        if isinstance(told, str):
            told = " ".join(told.split())
        return told, [bool(check) for check in checks]

    def written(self) -> tuple[str, list[str]]:
        """The sentence with an ellipsis for each number, and the source of each check.

        Both are empty where the function does not end with `return sentence, check, ...`.
        """
        code = self.told.__code__
        source = "".join(linecache.getlines(code.co_filename))
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.FunctionDef(
                    name=code.co_name, body=[*before, ast.Return(ast.Tuple([text, *checks]))]
                ) if code.co_firstlineno in (node.lineno, *(d.lineno for d in node.decorator_list)):
                    if isinstance(text, ast.Name) and isinstance(before[-1], ast.Assign):
                        text = before[-1].value
                    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                    words = (p.value if isinstance(p, ast.Constant) else "…" for p in parts)
                    written = (ast.get_source_segment(source, check) or "" for check in checks)
                    return " ".join("".join(map(str, words)).split()), [*map(_on_a_line, written)]
        return "", []


def _on_a_line(code: str) -> str:
    """An expression that may be spread over several lines on one, without its end if it is long."""
    line = " ".join(code.split()).replace("( ", "(").replace(", )", ")").replace(" )", ")")
    return line if len(line) <= 90 else f"{line[:89]}…"


def claim(*runs: Runs) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Show the sentence that the decorated function makes of the runs, if all its checks hold.

    The function takes these runs, and no others, and returns the sentence, one Markdown paragraph,
    and its checks, each by itself. A sentence that does not hold is shown as a warning, with the
    checks that fail as they are written in its `return`, and the rest of the page follows. Whoever
    runs the page reports it in the end, and fails.

    Args:
        *runs: all runs that the sentence speaks of.

    Raises:
        TypeError: if the function does not return a sentence and at least one check.

    Example:
        >>> from lrguide.guide.records import Run, Runs
        >>> from lrguide.guide.report import claim
        >>> runs = Runs([Run("train", {"rate": 0.1}, {"test_loss": 0.5}, {})])
        >>> @claim(runs)
        ... def half(runs):
        ...     loss = runs.values("test_loss").mean()
        ...     sentence = f"The loss ends at {loss:.2f}."
        ...     return sentence, loss < 1
        The loss ends at 0.50.
    """

    def tell(told: Callable[..., Any]) -> Callable[..., Any]:
        _tell(Claim(runs, told), told.__code__.co_firstlineno)
        return told

    return tell


def _tell(made: Claim, line: int, caption: str = "", *, folded: bool = False) -> None:
    """Show what a claim tells, or why it cannot be told."""
    origin = _made(Runs(run for runs in made.runs for run in runs))
    try:
        told, checks = made(*made.runs)
    except LookupError as error:  # the claim speaks of a contender that was taken out
        title, why = "Can no longer be checked", str(error.args[0])
        written = made.written()[0].removeprefix("- ")
        failure = f"{why[:1].upper()}{why[1:]}. So " + (
            f"this sentence cannot be checked: {written}"
            if written
            else "a sentence cannot be checked."
        )
        text = ""
    else:
        if not checks:
            raise TypeError(f"a claim must return at least one check, received none beside: {told}")
        sentence = isinstance(told, str)
        text = told if sentence else _markdown(told, caption)
        if all(checks):
            shown = _folded(text) if folded else text
            show(Shown(shown, text, origin, line=line, claim=made))
            return
        title, text = "No longer true", "" if sentence else f"\n\n{text}"
        failure = "The runs do not bear out " + (
            f"this sentence: {told.removeprefix('- ')}"
            if sentence
            else f"what this table is to show: {caption}."
        )
        failure += f" What does not hold: {_failing(made, checks)}."
    warning = f'!!! warning "{title}"\n\n    {failure}{text}'
    show(Shown(warning, failure + text, origin, failed=failure, line=line, claim=made))


def _failing(made: Claim, checks: Sequence[bool]) -> str:
    """Those checks that do not hold, as they are written."""
    written = made.written()[1] or [f"check {number + 1}" for number in range(len(checks))]
    return ", ".join(f"`{text}`" for text, holds in zip(written, checks, strict=True) if not holds)


def table(runs: Runs, rows: Callable[[Runs], Any], caption: str, *, folded: bool = False) -> None:
    """Show a table; `rows` makes one mapping a row, from the column's heading to the cell.

    Where the table is to show something in particular, `rows` returns the rows and checks of it,
    each by itself, as a claim does. A folded table shows its caption alone until it is opened.
    """
    made = rows(runs)
    if isinstance(made, tuple):
        line = sys._getframe(1).f_lineno
        _tell(Claim((runs,), rows), line, caption, folded=folded)
    else:
        text = _markdown(made, caption)
        show(Shown(_folded(text) if folded else text, text, _made(runs)))


def _folded(table: str) -> str:
    """A table that a click on its caption opens."""
    caption, _, lines = table.partition("\n\n")
    summary = f"<summary>{caption.strip('*')}</summary>"
    return f'<details markdown="1">{summary}\n\n{lines}\n\n</details>'


def _markdown(lines: Sequence[dict[str, str]], caption: str) -> str:
    if not lines:
        raise ValueError("a table needs at least one row, received none")
    heads = list(lines[0])
    for number, line in enumerate(lines):
        if line.keys() != set(heads):
            raise ValueError(
                f"each row of a table must have the columns {heads} of the first, "
                f"row {number} has {list(line)}"
            )
    return f"*{caption}*\n\n" + "\n".join(
        "| " + " | ".join(cells) + " |"
        for cells in (
            heads,
            ["---", *(_aligned([line[head] for line in lines]) for head in heads[1:])],
            *([line[head] for head in heads] for line in lines),
        )
    )


def figure(runs: Runs, draw: Callable[[Runs], Figure], alt: Callable[[Runs], str]) -> None:
    """Show a figure with the text alternative `alt`, which states what the figure shows.

    Its numbers go along as tables, for the page that the site has beside this one.

    Raises:
        ValueError: if the figure shows no number, or `alt` is empty.
    """
    words = alt(runs)
    with mpl.rc_context(plots.STYLE):
        drawn = draw(runs)
        html = f'<figure class="lr-figure">{plots.svg(drawn, words)}</figure>'
        numbers = {"words": words, "tables": [asdict(table) for table in tables(drawn)]}

    def card() -> bytes:
        # It is drawn anew, because each layout makes more room for what is outside the axes.
        with mpl.rc_context(plots.STYLE):
            return _card(draw(runs))

    show(Shown(html, f"Figure: {words}", _made(runs), numbers, card=card))


def _aligned(cells: Sequence[str]) -> str:
    """A column's alignment in Markdown: numbers end at one line, prose begins at one."""
    return "---" if max(map(len, cells)) > 40 else "---:"


def _card(drawn: Figure) -> bytes:
    """The figure as a PNG of 1200 by 630 pixels, for others' links to its page."""
    across, up = 50, 35  # white margins, of which other sites cut off a part
    # The text is made as large as possible.
    dpi = int(min(200, (630 - 2 * up) / drawn.get_figheight()))
    drawn.set_size_inches((1200 - 2 * across) / dpi, (630 - 2 * up) / dpi)
    pixels, file = io.BytesIO(), io.BytesIO()
    drawn.savefig(pixels, format="rgba", dpi=dpi, facecolor="white", transparent=False)
    inner = np.frombuffer(pixels.getvalue(), np.uint8).reshape(630 - 2 * up, 1200 - 2 * across, 4)
    card = np.full((630, 1200, 3), 255, np.uint8)
    card[up:-up, across:-across] = inner[..., :3]
    imsave(file, card, format="png")
    return file.getvalue()


def _made(runs: Runs) -> dict[str, list[str]]:
    """When, on what and with which versions the runs were made, and which files hold them."""
    made: dict[str, set[str]] = {}
    for run in runs:
        for name in ("date", "processor", "tensorflow", "keras", "numpy", "python"):
            made.setdefault(name, set()).add(str(run.made.get(name, "unknown")))
        made.setdefault("records", set()).add(f"{run.function}_{run.settings.get('budget')}.json")
    return {name: sorted(values) for name, values in made.items()}
