"""Turn an executed notebook into Markdown.

Without MkDocs or Jupyter, so that another site generator can take over from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

RICHEST_FIRST = ("text/html", "text/markdown", "image/svg+xml", "text/plain")
REPR = re.compile(r"[\[({]*<.*>[\])}]*|None", re.DOTALL)  # what a plot call returns: <Figure ...>
# Where pymdownx.snippets would put a file, also within a block of code; a semicolon prevents it.
SNIPPET = re.compile(
    r"""(?im)(?<![;-])(?=;*-+8<-+[ \t]+\[[ \t]*(?:start|end)[ \t]*:[ \t]*[a-z][\w-]*[ \t]*\])"""
    r"""|(?:^|(?<=^[ \t]))(?=;*-+8<-+(?:[ \t]+(?:"(?:\\"|[^"\n])+"|'(?:\\'|[^'\n])+'))?$)"""
)
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def to_markdown(notebook: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Render a notebook's cells as Markdown, in order, and return it with the page's metadata.

    A raw first cell between two lines of dashes is the page's header (YAML). Tags of a code cell:
    `hide-input` (only its results), `output-first` (the results, then the code). Of each output the
    richest form is taken; objects' bare representations are left out. An `alt` in the cell's header
    describes a plain plot.
    """
    meta: dict[str, Any] = {}
    blocks: list[str] = []
    for number, cell in enumerate(notebook["cells"]):
        source = _text(cell["source"]).strip("\n")
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        elif cell["cell_type"] == "raw" and source.startswith("---") and not blocks:
            meta = yaml.safe_load(source.strip("- \n")) or {}
        elif cell["cell_type"] == "code" and source.strip():
            blocks += _code_cell(cell, source, number)
    return "\n\n".join(block for block in blocks if block.strip()) + "\n", meta


def clean_text(text: str) -> str:
    """What a terminal would show in the end: no colours, carriage returns and backspaces obeyed."""
    lines = []
    for line in ANSI.sub("", text).split("\n"):
        left: list[str] = []
        for part in line.rstrip("\r").rsplit("\r", 1)[-1].split("\b"):
            del left[-1:]  # what the backspace before this part takes away
            left += part
        lines.append("".join(left).rstrip())
    return "\n".join(lines).strip("\n")


def inline_svg(svg: str, alt: str, number: int) -> str:
    """A plain matplotlib plot as one line of HTML that takes the page's text colour.

    Such as the one that `plot()` of a range test leaves in a live snippet, which may not use more
    than Keras and lrguide. What the guide measured is shown by `figure`, with `plots.svg`.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'^(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg)
    svg = re.sub(r"(stroke|fill): ?#000000", r"\1: currentColor", svg)
    svg = re.sub(r'\bid="', f'id="c{number}-', svg)  # two plots of a page may share an id
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>c{number}-", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><").strip()
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}" data-search-exclude', 1)
    return f'<figure class="lr-figure">{svg}</figure>'


def _code_cell(cell: Mapping[str, Any], source: str, number: int) -> list[str]:
    tags = cell["metadata"].get("tags", [])
    code = [] if "hide-input" in tags else [fence(source, "python")]
    alt = cell["metadata"].get("alt", "")
    results = [
        _output(output, alt, number * 100 + count)
        for count, output in enumerate(_joined(cell.get("outputs", [])))
    ]
    return results + code if "output-first" in tags else code + results


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbours: into how many pieces printed text is cut depends on timing."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        stream = output["output_type"] == "stream"
        if stream and joined and joined[-1]["output_type"] == "stream":
            joined[-1] = {**joined[-1], "text": _text(joined[-1]["text"]) + _text(output["text"])}
        else:
            joined.append(output)
    return joined


def _output(output: Mapping[str, Any], alt: str, number: int) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return _printed(_text(output["text"]))
    if kind == "error":
        return _printed(f"{output['ename']}: {_text(output['evalue'])}")
    data = output.get("data", {})
    mime = next((mime for mime in RICHEST_FIRST if mime in data), None)
    if mime is None:
        return ""
    text = _text(data[mime])
    match mime:
        case "text/html":
            # A blank line would end the raw block and make Markdown of what follows.
            return re.sub(r"\n\s*\n", "\n", text.strip())
        case "text/markdown":
            return text.strip()
        case "image/svg+xml":
            return inline_svg(text, alt, number)
    return "" if REPR.fullmatch(text.strip()) else _printed(text)


def _printed(text: str) -> str:
    text = clean_text(text)
    return fence(text, "{ .text .no-copy .lr-output }") if text.strip() else ""


def fence(text: str, language: str) -> str:
    """A block of code that shows the text as it is, whatever stands in it."""
    text = SNIPPET.sub(";", text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def without_blank_lines(page: str) -> str:
    """The same page without the blank lines and the indents that the theme's templates leave.

    They are a tenth of a page. Preformatted text and scripts stay as they are.
    """
    parts = re.split(r"(<(pre|script|textarea|style)\b.*?</\2>)", page, flags=re.DOTALL)
    # The pattern has two groups: text, a kept element, its name, text, ...
    between = [re.sub(r"\s*\n\s*", "\n", part) for part in parts[::3]]
    kept = [*parts[1::3], ""]
    return "".join(part for pair in zip(between, kept, strict=True) for part in pair)
