"""Turn a page and its results into Markdown.

Without MkDocs, so that another site generator can take over from here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from lrguide.guide.pages import Cell, Shown

# pymdownx.snippets would put a file here, even within a block of code. A semicolon prevents it.
SNIPPET = re.compile(
    r"""(?im)(?<![;-])(?=;*-+8<-+[ \t]+\[[ \t]*(?:start|end)[ \t]*:[ \t]*[a-z][\w-]*[ \t]*\])"""
    r"""|(?:^|(?<=^[ \t]))(?=;*-+8<-+(?:[ \t]+(?:"(?:\\"|[^"\n])+"|'(?:\\'|[^'\n])+'))?$)"""
)
INSTALL = '<div class="lr-install"></div>'  # becomes the line that installs lrguide
RIGHT = re.compile(r'(<t[dh]) style="text-align: right;"')
PLAIN = re.compile(r'<span class="[nw]">([^<]*)</span>')  # names and spaces in code
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def to_markdown(
    cells: Sequence[Cell], outputs: Sequence[Sequence[str | Shown]], numbers: str = ""
) -> tuple[str, dict[str, Any]]:
    """Render a page's cells and the outputs of its code as Markdown, and return it with the header.

    Tags of a code cell: `hide-input` (only its results), `output-first` (the results, then the
    code), `snippet` (below a line that installs lrguide if it needs that and the page has none yet).
    A figure gets a link to its place on the page `numbers`.
    """
    meta: dict[str, Any] = {}
    blocks: list[str] = []
    results, figures = iter(outputs), itertools.count(1)
    for cell in cells:
        if cell.kind == "header":
            meta = yaml.safe_load(cell.text) or {}
        elif cell.kind == "markdown":
            blocks.append(cell.text)
        else:
            code = [] if "hide-input" in cell.tags else [fence(cell.text, "python")]
            needs_lrguide = "snippet" in cell.tags and "lrguide" in cell.text
            if needs_lrguide and not any(INSTALL in block for block in blocks):
                code.insert(0, INSTALL)
            shown = _shown(next(results, []), figures, numbers)
            blocks += shown + code if "output-first" in cell.tags else code + shown
    return "\n\n".join(block for block in blocks if block.strip()) + "\n", meta


def _shown(outputs: Sequence[str | Shown], figures: Iterator[int], numbers: str) -> list[str]:
    blocks = []
    for printed, group in itertools.groupby(outputs, lambda output: isinstance(output, str)):
        if printed:
            blocks.append(_printed("".join(map(str, group))))
            continue
        for shown in group:
            assert isinstance(shown, Shown)
            if shown.numbers is not None:
                blocks.append(_linked(shown.text, next(figures), numbers))
            elif shown.failed:
                blocks.append(f'<div id="line-{shown.line}"></div>\n\n{shown.text}')
            else:
                blocks.append(shown.text)
    return blocks


def _linked(figure: str, number: int, numbers: str) -> str:
    """A figure with a link to its numbers, on a page of their own.

    The search leaves both out: ticks and labels without their picture are no text.
    """
    link = (
        f'<a href="{numbers}#figure-{number}" aria-label="The numbers of figure {number}" '
        "data-search-exclude>The numbers</a>"
    )
    figure = figure.replace("<svg", f'<svg id="figure-{number}" data-search-exclude', 1)
    return figure.replace("</figure>", f"{link}</figure>")


def clean_text(text: str) -> str:
    """What a terminal would show in the end: no colours, carriage returns and backspaces obeyed."""
    lines = []
    for line in ANSI.sub("", text).split("\n"):
        left: list[str] = []
        for part in line.rstrip("\r").rsplit("\r", 1)[-1].split("\b"):
            del left[-1:]  # since a backspace stands before this part
            left += part
        lines.append("".join(left).rstrip())
    return "\n".join(lines).strip("\n")


def _printed(text: str) -> str:
    text = clean_text(text)
    return fence(text, "{ .text .no-copy .lr-output }") if text.strip() else ""


def fence(text: str, language: str) -> str:
    """A block of code that shows the text as it is, whatever stands in it."""
    text = SNIPPET.sub(";", text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def shortened(page: str) -> str:
    """The same page in fewer bytes.

    Blank lines and the indents that the theme's templates leave are a tenth of a page, outside
    preformatted text and scripts. A cell's alignment becomes a class, and what the theme shows in
    the colour of the code around it needs no element.
    """
    parts = re.split(r"(<(pre|script|textarea|style)\b.*?</\2>)", page, flags=re.DOTALL)
    # As the pattern has two groups, the parts are text, a kept element, its name, text and so on.
    between = [re.sub(r"\s*\n\s*", "\n", part) for part in parts[::3]]
    between = [RIGHT.sub(r'\1 class="lr-right"', part) for part in between]
    elements = zip(parts[1::3], parts[2::3], strict=True)
    kept = [PLAIN.sub(r"\1", part) if name == "pre" else part for part, name in elements]
    return "".join(part for pair in zip(between, [*kept, ""], strict=True) for part in pair)
