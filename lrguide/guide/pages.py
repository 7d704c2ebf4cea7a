"""A page: its cells, the one way to run them, and what it shows.

The tests, `make measure`, the site and the README's picture run a page with `run`. Python itself
runs `python docs/page.py`, and Jupyter the notebook that a reader takes away. Whatever a page shows
through `lrguide.guide.report` passes through `show`.
"""

import ast
import atexit
import base64
import contextlib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from lrguide import plots

MARK, RULE = "# %%", "# ---"
TAGS = ("snippet", "hide-input", "output-first")
MOST = 2_000_000  # characters that a page may print and show; what pages show is a tenth of it


@dataclass(frozen=True)
class Cell:
    """A part of a page.

    Attributes:
        kind: `code`, `markdown` or `header` (YAML); the last two without their comment signs.
        tags: `snippet` (trains while the reader looks on), `hide-input`, `output-first`.
        text: without the empty lines around it.
        line: the line of the page on which the text begins.
    """

    kind: str
    tags: tuple[str, ...]
    text: str
    line: int


@dataclass(frozen=True)
class Shown:
    """A claim, a table or a figure, as a page shows it.

    Attributes:
        text: Markdown, or the HTML of a figure.
        plain: what a plain script prints in its place.
        made: dates, processors, versions and records of the runs that it is about.
        numbers: what a figure shows, in words and as tables; None for anything else.
        failed: the sentence that says why it does not hold; empty if it does.
        line: the line of the page on which a claim or a table with checks stands.
        claim: the claim itself, whose runs the tests spoil.
        card: draws a figure as the PNG that represents its page elsewhere.
    """

    text: str
    plain: str
    made: Mapping[str, Sequence[str]]
    numbers: Mapping[str, Any] | None = None
    failed: str = ""
    line: int = 0
    claim: Any = None
    card: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class Stop:
    """Why a page did not reach its end.

    Attributes:
        cell: the number of the code cell that stopped, from 0.
        line: the line of the page.
        error: the name of the exception.
        words: what the exception says.
        raised: file, line and function where it was raised, if that is not on the page.
    """

    cell: int
    line: int
    error: str
    words: str
    raised: tuple[str, int, str] | None = None


@dataclass(frozen=True)
class Ran:
    """A page that was run.

    Attributes:
        begins: the line on which each code cell begins.
        outputs: what each code cell that was run printed and showed.
        stop: why the page did not reach its end.
        card: the first figure as a PNG, in base64; only of a page that was kept as JSON.
        names: the page's variables.
        error: the exception that stopped it.
    """

    begins: list[int]
    outputs: list[list[str | Shown]]
    stop: Stop | None = None
    card: str = ""
    names: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None

    @property
    def shown(self) -> list[Shown]:
        """All claims, tables and figures."""
        return [each for outputs in self.outputs for each in outputs if isinstance(each, Shown)]

    def moved(self, begins: list[int]) -> "Ran":
        """The same page after its prose was edited, so that its code cells begin elsewhere."""
        by = [new - old for new, old in zip(begins, self.begins, strict=True)]
        outputs = [
            [replace(o, line=o.line + lines) if isinstance(o, Shown) else o for o in outputs]
            for outputs, lines in zip(self.outputs, by, strict=False)
        ]
        stop = self.stop and replace(self.stop, line=self.stop.line + by[self.stop.cell])
        return replace(self, begins=begins, outputs=outputs, stop=stop)

    def to_json(self) -> str:
        """All that the site shows of it."""
        outputs = [
            [replace(o, claim=None, card=None) if isinstance(o, Shown) else o for o in outputs]
            for outputs in self.outputs
        ]
        draw = next((each.card for each in self.shown if each.card), None)
        card = base64.b64encode(draw()).decode() if draw else ""
        return json.dumps(
            {"begins": self.begins, "outputs": outputs, "stop": self.stop, "card": card},
            default=vars,
        )

    @staticmethod
    def from_json(text: str | bytes) -> "Ran":
        """What `to_json` has written."""
        kept = json.loads(text)
        outputs = [
            [o if isinstance(o, str) else Shown(**o) for o in each] for each in kept["outputs"]
        ]
        stop = kept["stop"] and Stop(**kept["stop"])
        return Ran(kept["begins"], outputs, stop, kept["card"])


class TooMuchOutput(RuntimeError):
    """A page prints or shows things without end."""


class _Outputs(io.TextIOBase):
    """What the code cells of a page print and show; it takes the place of standard output."""

    def __init__(self) -> None:
        self.cells: list[list[str | Shown]] = []
        self.room = MOST

    def write(self, text: str) -> int:
        text.encode()  # half a character is an error here, as it is in a terminal
        self.take(text, len(text))
        return len(text)

    def take(self, output: str | Shown, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise TooMuchOutput(
                f"this cell printed more than {MOST / 1e6:.0f} MB: it was stopped, the rest is cut"
            )
        self.cells[-1].append(output)


_running: list[_Outputs] = []  # the outputs of the page that `run` is running, if there is one
_failed: list[Shown] = []  # what a plain script has shown that does not hold


def show(shown: Shown) -> None:
    """Hand something over to whoever runs the page: `run`, a notebook, or Python itself."""
    if _running:
        _running[-1].take(shown, len(shown.text))
    elif getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)() is not None:
        from IPython.display import display

        form = "text/markdown" if shown.numbers is None else "text/html"
        display({form: shown.text, "text/plain": shown.plain}, raw=True)
    else:
        print(shown.plain)
        _failed.extend([shown] if shown.failed else [])


def cells(page: Path) -> list[Cell]:
    """The cells of a script page.

    Raises:
        OSError, UnicodeDecodeError: if the page is no text in UTF-8.
        ValueError: if a cell has tags that mean nothing.
    """
    return cells_of(page.read_text(encoding="utf-8"))


def cells_of(text: str) -> list[Cell]:
    """The cells of a script page with this text, without empty ones.

    Each begins with `# %%`; what stands above the first of these is a header, code, or both.

    Raises:
        ValueError: if a cell has tags that mean nothing.

    Example:
        >>> [cell] = cells_of('# %% tags=["snippet"]\\n1 + 1\\n')
        >>> cell
        Cell(kind='code', tags=('snippet',), text='1 + 1', line=2)
    """
    lines = text.split("\n")
    begin, found = 0, []
    if lines[0] == RULE and RULE in lines[1:]:
        begin = lines.index(RULE, 1) + 1
        found.append(Cell("header", (), _uncommented(lines[1 : begin - 1]), 2))
    marks = [number for number, line in enumerate(lines) if line.startswith(MARK)]
    for mark, end in pairwise([begin - 1, *marks, len(lines)]):
        kind, tags = _opened(lines[mark] if mark in marks else MARK)
        filled = [number for number in range(mark + 1, end) if lines[number].strip()]
        if filled:
            body = lines[filled[0] : filled[-1] + 1]
            text = "\n".join(body) if kind == "code" else _uncommented(body)
            found.append(Cell(kind, tags, text, filled[0] + 1))
    return found


def _opened(mark: str) -> tuple[str, tuple[str, ...]]:
    """The kind and the tags of the cell that this line begins."""
    try:
        given = json.loads(mark.partition("tags=")[2] or "[]")
        if set(given) <= set(TAGS):
            return ("markdown" if mark.startswith(f"{MARK} [markdown]") else "code"), tuple(given)
    except (ValueError, TypeError):
        pass
    raise ValueError(
        f"the tags of a cell must be a list of {', '.join(TAGS)}, received the line {mark!r}"
    )


def _uncommented(lines: list[str]) -> str:
    return "\n".join(re.sub("^# ?", "", line) for line in lines)


def run(page: Path, live: bool = False) -> Ran:
    """Run a page, cell by cell, to its end or to the first error.

    Nothing is printed: what the page prints and shows is returned.

    Args:
        page: the script.
        live: run its live snippets too, which train; otherwise these are only compiled.

    Raises:
        OSError, UnicodeDecodeError, ValueError: if `cells` cannot read the page.
    """
    code = [cell for cell in cells(page) if cell.kind == "code"]
    outputs, names = _Outputs(), {"__name__": "__main__", "__file__": str(page)}
    stop, error, before = None, None, _figures()
    _running.append(outputs)
    try:
        with contextlib.redirect_stdout(outputs):
            for cell in code:
                outputs.cells.append([])
                # The empty lines give each line of the cell the number that it has on the page.
                text = "\n" * (cell.line - 1) + cell.text
                parsed = compile(text, str(page), "exec", ast.PyCF_ONLY_AST)
                if live or "snippet" not in cell.tags:
                    _execute(parsed, str(page), names)
                    _show_figures(each for each in _figures() if each not in before)
    except (Exception, SystemExit) as raised:
        error, stop = raised, _stop(raised, str(page), len(outputs.cells) - 1, cell.line)
    finally:
        _running.remove(outputs)
    return Ran([cell.line for cell in code], outputs.cells, stop, "", names, error)


def _execute(cell: Any, page: str, names: dict[str, Any]) -> None:
    """Run a cell; print the value of its last line, as Jupyter does."""
    last = cell.body.pop() if cell.body and isinstance(cell.body[-1], ast.Expr) else None
    exec(compile(cell, page, "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), page, "eval"), names)
        if value is not None:
            print(repr(value))


def _figures() -> list[Any]:
    """The figures that pyplot holds open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return [pyplot.figure(number) for number in pyplot.get_fignums()] if pyplot else []


def _show_figures(drawn: Iterable[Any]) -> None:
    """Show the figures that a cell has left open, as Jupyter does."""
    for each in drawn:
        from matplotlib import pyplot

        words = "A figure that the code above has drawn."
        show(Shown(f'<figure class="lr-figure">{plots.svg(each, words)}</figure>', words, {}))
        pyplot.close(each)


def _stop(error: BaseException, page: str, cell: int, line: int) -> Stop:
    frames = [
        (frame.filename, frame.lineno or line, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
    ]
    if isinstance(error, SyntaxError) and error.filename == page:
        line = error.lineno or line
    for file, number, _ in frames:
        line = number if file == page else line
    elsewhere = frames[-1] if frames and frames[-1][0] != page else None
    return Stop(cell, line, type(error).__name__, str(error), elsewhere)


def untrue(page: Path, shown: Iterable[Shown]) -> list[str]:
    """What is shown on a page and does not hold: for each such thing its line and a sentence."""
    name = os.path.relpath(page)
    return [f"{name}, line {each.line}: {each.failed}" for each in shown if each.failed]


@atexit.register
def _end() -> None:
    """Report what a plain script has shown that does not hold, and end it with status 1."""
    if _failed:
        sys.stdout.flush()
        print(*untrue(Path(sys.argv[0]), _failed), sep="\n", file=sys.stderr, flush=True)
        os._exit(1)  # what is raised here would not change the status
