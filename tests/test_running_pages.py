"""A page's cells, and what running it tells: the same to whoever runs it."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from matplotlib import pyplot

from lrguide.guide import pages
from lrguide.guide.pages import Cell, Ran, cells_of, run
from tests.claims import DOCS, PAGES

PAGE = """\
# ---
# title: A page
# ---

# %% [markdown]
# # A page

# %% tags=["hide-input"]
first = 1
print("one", first)

# %% tags=["snippet"]

print("trained")

# %%
def half(number):
    return 1 / number


print("before")
half(0)
print("after")
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.py"
    path.write_text(PAGE)
    return path


@pytest.mark.parametrize("name", PAGES)
def test_the_cells_of_a_page_are_those_that_jupytext_reads(name: str) -> None:
    kinds = {"raw": "header"}
    read = [
        (
            kinds.get(cell.cell_type, cell.cell_type),
            cell.source.removeprefix("---\n"),
            cell.metadata,
        )
        for cell in jupytext.read(DOCS / name).cells
    ]
    ours = pages.cells(DOCS / name)
    assert [(cell.kind, cell.text) for cell in ours] == [
        (kind, text.removesuffix("\n---")) for kind, text, _ in read
    ]
    assert [cell.tags for cell in ours] == [tuple(data.get("tags", ())) for *_, data in read]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("x = 1\n", [Cell("code", (), "x = 1", 1)]),
        ("# %%\n\n\nx = 1\n\n# %%\n", [Cell("code", (), "x = 1", 4)]),
        ("# %% [markdown]\n# a\n#\n#  b\n", [Cell("markdown", (), "a\n\n b", 2)]),
        ("# ---\n# a: 1\n# ---\nx\n", [Cell("header", (), "a: 1", 2), Cell("code", (), "x", 4)]),
        ("# ---\n# a: 1\n", [Cell("code", (), "# ---\n# a: 1", 1)]),
    ],
)
def test_a_cell_knows_its_kind_and_the_line_on_which_its_text_begins(
    text: str, found: list[Cell]
) -> None:
    assert cells_of(text) == found


@pytest.mark.parametrize("tags", ["5", '["hidden"]', "[snippet]", '"snippet"', "[[1]]"])
def test_tags_that_mean_nothing_are_refused(tags: str) -> None:
    with pytest.raises(
        ValueError, match="must be a list of snippet, hide-input, output-first, rec"
    ):
        cells_of(f"# %% tags={tags}\nx\n")


@pytest.mark.parametrize(("live", "trained"), [(False, []), (True, ["trained", "\n"])])
def test_a_page_runs_to_its_first_error_without_a_word(
    page: Path, capfd: pytest.CaptureFixture[str], live: bool, trained: list[str]
) -> None:
    ran = run(page, live)
    assert ran.begins == [9, 14, 17]
    assert ["".join(map(str, each)) for each in ran.outputs] == [
        "one 1\n",
        "".join(trained),
        "before\n",
    ]
    assert isinstance(ran.error, ZeroDivisionError)
    assert ran.stop == pages.Stop(2, 18, "ZeroDivisionError", "division by zero")
    assert ran.names["first"] == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "line", "raised"),
    [
        ("half(0)", "half(0", 22, None),
        ("half(0)", "int('x')", 22, None),
        ("half(0)", "raise SystemExit('enough')", 22, None),
        ("half(0)", "import json; json.loads('{')", 22, "raw_decode"),
        ('print("trained")', "train(", 14, None),
    ],
)
def test_a_stop_names_the_line_of_the_page_and_where_else_it_was_raised(
    page: Path, old: str, new: str, line: int, raised: str | None
) -> None:
    page.write_text(PAGE.replace(old, new))
    stop = run(page).stop
    assert stop and stop.line == line
    assert (stop.raised and stop.raised[2]) == raised


def test_a_page_that_was_kept_follows_its_prose_to_other_lines(page: Path) -> None:
    kept = Ran.from_json(run(page).to_json())
    page.write_text(PAGE.replace("# # A page\n", "# # A page\n#\n# More.\n"))
    begins = [cell.line for cell in pages.cells(page) if cell.kind == "code"]
    moved = kept.moved(begins)
    assert moved.stop and moved.stop.line == 20
    assert moved.outputs == kept.outputs


def test_a_page_that_prints_without_end_is_stopped(page: Path) -> None:
    page.write_text("while True:\n    print('x' * 9_999)\n")
    ran = run(page)
    assert ran.stop and ran.stop.error == "TooMuchOutput"
    assert sum(len(str(each)) for each in ran.outputs[0]) <= pages.MOST


def test_all_sentences_that_do_not_hold_are_told_in_the_same_words_by_all_who_run_a_page(
    page: Path,
) -> None:
    page.write_text(
        "# %%\nfrom lrguide.guide.records import Runs\nfrom lrguide.guide.report import claim\n\n"
        "@claim(Runs())\ndef first(runs):\n    return 'Nothing is something.', False\n\n"
        "# %%\n@claim(Runs())\ndef second(runs):\n    return 'All is nothing.', True, bool(runs)\n"
    )
    told = [
        f"{os.path.relpath(page)}, line {line}: The runs do not bear out this sentence: {words} "
        f"What does not hold: `{check}`."
        for line, words, check in (
            (5, "Nothing is something.", "False"),
            (10, "All is nothing.", "bool(runs)"),
        )
    ]
    ran = run(page)
    assert pages.untrue(page, ran.shown) == told
    assert pages.untrue(page, Ran.from_json(ran.to_json()).shown) == told
    direct = subprocess.run([sys.executable, page], capture_output=True, text=True)
    assert (direct.returncode, direct.stderr.splitlines()) == (1, told)


def test_the_value_of_a_cell_s_last_line_and_its_open_figures_are_shown_as_in_a_notebook(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.py"
    page.write_text(
        "# %%\nimport matplotlib.pyplot as plt\nplt.close('all')\n6 * 7\n# %%\nNone\n"
        "# %%\n_ = plt.plot([0, 1])\n_ = plt.figure()\n# %%\nplt.get_fignums()\n"
    )
    first, second, third, last = run(page).outputs
    assert "".join(map(str, first)) == "42\n" and not second
    assert [shown.text.count("<svg") for shown in third] == [1, 1]
    assert "".join(map(str, last)) == "[]\n"


def test_figures_that_were_open_before_a_page_are_not_its_own(page: Path) -> None:
    before = pyplot.figure()
    try:
        assert run(page).shown == []
        assert pyplot.fignum_exists(before.number)
    finally:
        pyplot.close(before)


def test_a_figure_that_takes_the_number_of_one_from_before_is_the_page_s(page: Path) -> None:
    pyplot.close("all")
    before = pyplot.figure()
    try:
        page.write_text("import matplotlib.pyplot as plt\nplt.close('all')\n_ = plt.figure()\n")
        assert [shown.text.count("<svg") for shown in run(page).shown] == [1]
    finally:
        pyplot.close(before)
