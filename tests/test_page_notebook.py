"""The notebook that a reader takes away: what of a page's script is in it, and in which words."""

from pathlib import Path

import nbformat
import pytest
from page_notebook import to_notebook

from lrguide.guide.pages import cells_of

ROOT = Path(__file__).resolve().parents[1]

PAGE = """\
# ---
# title: A page
# ---

# %% [markdown]
# # A page

# %% tags=["hide-input"]
folded = 1

# %% tags=["snippet"]
shown = folded
"""


INSTALL = 'lrguide.whl "tensorflow>=2"'


def notebook_of(script: str, **options: object) -> nbformat.NotebookNode:
    return to_notebook(cells_of(script), INSTALL, **options)  # type: ignore[arg-type]


def test_it_holds_the_prose_and_the_code_without_header_and_tags() -> None:
    notebook = notebook_of(PAGE)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells[1:]] == [
        ("markdown", "# A page", {}),
        ("code", "folded = 1", {"jupyter": {"source_hidden": True}}),
        ("code", "shown = folded", {}),
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[decay](decay.py)", "[decay](https://guide/decay.py)"),
        ("[runs](records/runs.csv){ download }", "[runs](https://guide/records/runs.csv)"),
        ("[here](#a)", "[here](https://guide/#a)"),
        ("[elsewhere](nowhere.md)", "elsewhere"),
        ("[paper](https://example.org)", "[paper](https://example.org)"),
        ("so[^1].\n\n[^1]: A paper", "so<sup>1</sup>.\n\n<sup>1</sup> A paper"),
        ('<div class="lr-explorer" data-epochs="5">still</div>\n\ntext', "text"),
        ('text\n\n<div class="lr-install"></div>', "text"),
        (
            '=== "One"\n\n    first\n\n    second\n\n=== "Two"\n\n    third\n\nall',
            "**One**\n\nfirst\n\nsecond\n\n**Two**\n\nthird\n\nall",
        ),
    ],
)
def test_its_prose_is_markdown_that_jupyter_knows(written: str, read: str) -> None:
    script = "# %% [markdown]\n" + "\n".join(f"# {line}" for line in written.split("\n"))

    def address(link: str) -> str:
        return "" if "nowhere" in link else f"https://guide/{link}"

    assert notebook_of(script, address=address).cells[1].source == read


def test_a_cell_of_which_nothing_is_left_is_left_out() -> None:
    script = '# %% [markdown]\n# <div class="lr-explorer">still</div>\n'
    assert len(notebook_of(script).cells) == 1


RECORDS = ["a.json", "b.json"]
KNOWN = "https://guide/"


@pytest.mark.parametrize(
    ("records", "guide", "said", "unsaid"),
    [
        ([], KNOWN, ['GUIDE = "https://guide/"\n'], ["records", "./"]),
        ([], "", ["once you have saved lrguide.whl\n", 'GUIDE = "./"\n'], ["records"]),
        (RECORDS, KNOWN, ['in ["a.json", "b.json"]:', "{GUIDE}records/{name}"], ["./"]),
        (RECORDS, "", ["saved lrguide.whl, records/a.json, records/b.json\n"], []),
    ],
)
def test_its_first_cell_fetches_what_it_needs_or_says_where_that_is(
    records: list[str], guide: str, said: list[str], unsaid: list[str]
) -> None:
    first = to_notebook(cells_of(PAGE), INSTALL, records, guide).cells[0].source
    assert f"\n%pip install --quiet {{GUIDE}}{INSTALL}" in first
    assert [words for words in said if words not in first] == []
    assert [words for words in unsaid if words in first] == []
