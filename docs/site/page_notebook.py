"""Turn a script page into the notebook that a reader takes away.

Without MkDocs, like `page_markdown`.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Sequence

import nbformat

from lrguide.guide.pages import Cell

EXPLORER = re.compile(r'<div class="lr-explorer".*?</div>\n*', re.DOTALL)
TAB = re.compile(r'^=== "(.+)"\n((?:\n|    .*(?:\n|\Z))*)', re.MULTILINE)
FOOTNOTE = re.compile(r"\[\^(\w+)\]:?")
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)\s]+)\)(?:\{[^}]*\})?")

DOWNLOAD = """\
from pathlib import Path
from urllib.request import urlretrieve

for name in {names}:
    Path("records").mkdir(exist_ok=True)
    if not Path("records", name).exists():
        urlretrieve(f"{folder}{{name}}", f"records/{{name}}")"""


def to_notebook(
    cells: Sequence[Cell],
    install: str,
    records: Sequence[str] = (),
    folder: str = "",
    address: Callable[[str], str] = lambda link: "",
) -> nbformat.NotebookNode:
    """The page's cells in Jupyter's own terms, after one that fetches what they need.

    Args:
        cells: the page's.
        install: what pip must install, such as `lrguide==0.1.0`.
        records: names of the records that hold the page's runs.
        folder: public address of the folder of records; empty if it has none.
        address: public address of what a link inside the guide leads to; empty if it has none, and
            then the link's words alone are left.
    """
    made = [nbformat.v4.new_code_cell(_needs(install, records, folder))]
    for cell in cells:
        if cell.kind == "code":
            hidden = {"jupyter": {"source_hidden": True}} if "hide-input" in cell.tags else {}
            made.append(nbformat.v4.new_code_cell(cell.text, metadata=hidden))
        elif cell.kind == "markdown" and (text := _prose(cell.text, address)):
            made.append(nbformat.v4.new_markdown_cell(text))
    for number, each in enumerate(made):
        each.id = f"cell-{number}"  # which would otherwise be random
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(
        cells=made, metadata={"kernelspec": kernel}
    )
    return notebook


def _needs(install: str, records: Sequence[str], folder: str) -> str:
    package = "# The package that this page was made with"
    if "git+" not in install:
        package += "; while it is not on PyPI, name a copy of its repository"
    parts = [f"{package}.\n%pip install --quiet {install}"]
    trained = "Others are trained, which can take hours."
    if records and folder:
        code = DOWNLOAD.format(names=json.dumps([*records]), folder=folder)
        parts.append(f"# The runs that it shows. {trained}\n{code}")
    elif records:
        parts.append(
            "# These hold the runs that it shows: save them from the foot of the page into a folder\n"
            f"# `records` beside this notebook. {trained}\n# {', '.join(records)}"
        )
    return "\n\n".join(parts)


def _prose(text: str, address: Callable[[str], str]) -> str:
    """Markdown that Jupyter knows: no tabs, footnotes, explorers, nor links inside the guide."""

    def public_link(match: re.Match[str]) -> str:
        public = address(match[2])
        return f"[{match[1]}]({public})" if public else match[1]

    text = EXPLORER.sub("", text)
    text = TAB.sub(lambda tab: f"**{tab[1]}**\n{textwrap.dedent(tab[2])}", text)
    return LINK.sub(public_link, FOOTNOTE.sub(r"<sup>\1</sup>", text)).strip()
