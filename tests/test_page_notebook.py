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


def notebook_of(script: str, **options: object) -> nbformat.NotebookNode:
    return to_notebook(cells_of(script), "lrguide==0.1.0", **options)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("install", "records", "folder", "said", "unsaid"),
    [
        ("lrguide==0.1.0", [], "", "while it is not on PyPI", "runs"),
        (
            "git+https://host/guide@abc",
            [],
            "",
            "install --quiet git+https://host/guide@abc",
            "PyPI",
        ),
        ("lrguide", ["a.json", "b.json"], "", "# a.json, b.json", "urlretrieve"),
        ("lrguide", ["a.json"], "https://guide/records/", 'in ["a.json"]:', "foot of the page"),
    ],
)
def test_its_first_cell_fetches_what_it_needs_or_says_where_that_is(
    install: str, records: list[str], folder: str, said: str, unsaid: str
) -> None:
    first = to_notebook(cells_of(PAGE), install, records, folder).cells[0].source
    assert said in first and unsaid not in first
