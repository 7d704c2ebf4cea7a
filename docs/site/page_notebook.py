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

ELEMENT = re.compile(r'<div class="lr-(?:explorer|install)".*?</div>\n*', re.DOTALL)
# Around what is shown without JavaScript, which stays.
FRAME = re.compile(r'^<div class="lr-(?:atlas|game|why)"[^>]*>\n*|^</div>\n?', re.MULTILINE)
TAB = re.compile(r'^=== "(.+)"\n((?:\n|    .*(?:\n|\Z))*)', re.MULTILINE)
FOOTNOTE = re.compile(r"\[\^(\w+)\]:?")
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)\s]+)\)(?:\{[^}]*\})?")

# assets/lrguide.js puts the address of the site in the place of "./" when a reader takes a notebook
# from a page.
HERE = """\
# Where the guide is, or "./" once you have saved {files}
# from the foot of the page into this notebook's folder.
GUIDE = "./"
"""
DOWNLOAD = """\


# The runs that it shows. Others are trained, which can take hours.
from pathlib import Path
from urllib.request import urlretrieve

for name in {names}:
    Path("records").mkdir(exist_ok=True)
    if not Path("records", name).exists():
        urlretrieve(f"{{GUIDE}}records/{{name}}", f"records/{{name}}")"""


def to_notebook(
    cells: Sequence[Cell],
    install: str,
    records: Sequence[str] = (),
    guide: str = "",
    address: Callable[[str], str] = lambda link: "",
) -> nbformat.NotebookNode:
    """The page's cells in Jupyter's own terms, after one that fetches what they need.

    Args:
        cells: the page's.
        install: what pip must install: a wheel that lies where the guide is, then a backend.
        records: names of the records that hold the page's runs.
        guide: address of the guide; empty if it is not known.
        address: public address of what a link inside the guide leads to; empty if it has none, and
            then the link's words alone are left.
    """
    made = [nbformat.v4.new_code_cell(_needs(install, records, guide))]
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


def _needs(install: str, records: Sequence[str], guide: str) -> str:
    wheel, *_ = install.split(" ")
    files = ", ".join([wheel, *(f"records/{name}" for name in records)])
    where = f'GUIDE = "{guide}"\n' if guide else HERE.format(files=files)
    package = "# The package that this page was made with.\n%pip install --quiet {GUIDE}" + install
    return where + package + (DOWNLOAD.format(names=json.dumps([*records])) if records else "")


def _prose(text: str, address: Callable[[str], str]) -> str:
    """Markdown that Jupyter knows: no tabs, footnotes, elements of the site, nor links inside the guide."""

    def public_link(match: re.Match[str]) -> str:
        public = address(match[2])
        return f"[{match[1]}]({public})" if public else match[1]

    text = FRAME.sub("", ELEMENT.sub("", text))
    text = TAB.sub(lambda tab: f"**{tab[1]}**\n{textwrap.dedent(tab[2])}", text)
    return LINK.sub(public_link, FOOTNOTE.sub(r"<sup>\1</sup>", text)).strip()
