"""Each page of the guide runs, and each of its claims can fail."""

import ast
import re

import pytest
from readme_picture import PICTURE, picture

from lrguide.guide.measures import chosen
from lrguide.guide.pages import cells, untrue
from lrguide.guide.records import Run, Runs, measured
from lrguide.guide.report import Claim
from tests.claims import (
    DOCS,
    PAGES,
    chosen_by,
    claims_of,
    executed,
    judged,
    stored,
    taken_from_runs,
    unreached,
)


@pytest.mark.parametrize("page", PAGES)
def test_page_claims_something_and_its_runs_bear_it_out(page: str) -> None:
    assert claims_of(page), "a script page makes at least one claim"
    assert not untrue(DOCS / page, executed(page).shown)


@pytest.mark.parametrize("page", PAGES)
def test_each_check_fails_on_spoilt_runs_and_each_number_that_is_moved_is_noticed(
    page: str,
) -> None:
    found = {
        f"line {one.line}": one for one in map(judged, claims_of(page)) if one.idle or one.unnoticed
    }
    idle = {line: one.idle for line, one in found.items() if one.idle}
    unnoticed = {line: one.unnoticed for line, one in found.items() if one.unnoticed}
    assert not idle, f"these checks hold whatever was measured: {idle}"
    assert not unnoticed, f"the sentences show these, and no check of theirs minds: {unnoticed}"


@pytest.mark.parametrize("page", PAGES)
def test_a_claim_is_given_all_that_it_takes_from_runs(page: str) -> None:
    assert unreached(page) == {}, "no spoilt run reaches these"


def fake_runs(values: dict[float, list[float]], metric: str = "test_loss") -> Runs:
    return Runs(
        Run("train", {"rate": rate, "seed": seed}, {metric: value}, {})
        for rate, seeds in values.items()
        for seed, value in enumerate(seeds)
    )


TWO = fake_runs({0.1: [0.20, 0.22, 0.21], 0.01: [0.40, 0.43, 0.41]})
ALIKE = fake_runs({0.1: [0.20, 0.22, 0.21], 0.01: [0.21, 0.20, 0.22]})
BELOW = 1e6


def mean_of(runs: Runs, rate: float) -> float:
    return float(runs.where(rate=rate).values("test_loss").mean())


def lower(runs: Runs):
    return "lower", mean_of(runs, 0.1) < mean_of(runs, 0.01)


def below_a_million(runs: Runs):
    return "lower", mean_of(runs, 0.1) < mean_of(runs, 0.01) < BELOW


def quotes_what_it_does_not_check(runs: Runs):
    sentence = f"{mean_of(runs, 0.1):.3f} and {mean_of(runs, 0.01):.3f}"
    return sentence, mean_of(runs, 0.1) < 0.3


def close(runs: Runs):
    return "a tie", abs(mean_of(runs, 0.1) - mean_of(runs, 0.01)) < 0.02


def close_enough(runs: Runs):
    return "a tie", abs(mean_of(runs, 0.1) - mean_of(runs, 0.01)) < 1


def test_a_claim_that_compares_contenders_fails_on_spoilt_runs() -> None:
    one = judged(Claim((TWO,), lower))
    assert (one.idle, one.unnoticed) == ([], [])


def test_a_check_that_cannot_fail_is_found_behind_one_that_can() -> None:
    assert judged(Claim((TWO,), below_a_million)).idle == ["mean_of(runs, 0.01) < BELOW"]


def test_a_number_that_is_shown_and_not_checked_is_found() -> None:
    found = judged(Claim((TWO,), quotes_what_it_does_not_check)).unnoticed
    assert found == ["test_loss of train rate 0.01"]


def test_a_tie_that_would_stand_any_move_is_found() -> None:
    assert not judged(Claim((ALIKE,), close)).idle
    assert judged(Claim((ALIKE,), close_enough)).idle


def test_a_table_is_spoilt_as_a_claim_is_cell_by_cell() -> None:
    def below(limit: float):
        def rows(runs: Runs):
            return [{"mean": f"{mean_of(runs, 0.1):.2f}"}], mean_of(runs, 0.1) < limit, limit > 0

        return rows

    one = judged(Claim((TWO,), below(0.3)))
    assert (one.idle, [*one.fails]) == (["limit > 0"], ["mean_of(runs, 0.1) < limit", "limit > 0"])
    assert judged(Claim((TWO,), below(9.0))).unnoticed == ["test_loss of train rate 0.1"]


def test_runs_of_two_arguments_are_exchanged_with_each_other() -> None:
    halves = tuple(TWO.by("rate").values())
    ahead = Claim(halves, lambda one, two: ("", mean_of(one, 0.1) < mean_of(two, 0.01)))
    assert any("reverse" in what for [what, *_] in judged(ahead).fails.values())


COMPUTED = """
runs = measured()
others = {"small": runs}
best = measured().best()
low, high = (best / 2 if best else 0, 2 * best)
limits = {}
for rate in (0.1, 0.01):
    limits[rate] = best * rate
def inner(): return [low for _ in ()]
def outer(given): return inner(), given
def with_default(given, best=best): return given
found = outer(1)
"""
"""Each name stands for runs, or is bound in a statement that reads what does."""

GIVEN = """
runs = measured()
WIDE = [0.1, 0.01]
small = {low: runs for runs in (1, 2)}
def own(runs, best=0.1): return [runs for low in WIDE], runs.where(rate=best)
figure(runs, own)
@claim(runs)
def told(runs): return own(runs)
"""
"""Nothing but `runs` does."""


def test_what_a_page_computes_from_runs_is_found_wherever_it_goes() -> None:
    names = {"measured": measured}
    every = set().union(*map(stored, ast.parse(COMPUTED).body))
    assert taken_from_runs(COMPUTED, names) == every | {"measured"}
    assert taken_from_runs(GIVEN, names) == {"runs", "measured"}
    assert taken_from_runs("runs = own()", {"runs": TWO, "chosen": chosen}) == {"runs"}


def test_a_choice_of_runs_by_what_was_computed_from_them_is_found() -> None:
    best = "best = runs.best()\n"
    assert chosen_by(f"{best}small = runs.where(rate=[best, 1][0])") == {"best"}
    assert chosen_by(f"{best}@claim(runs.where(rate=best))\ndef told(runs): ...") == {"best"}
    assert chosen_by("def told(runs):\n    best = 1\n    return runs.where(rate=best)") == set()


@pytest.mark.parametrize("page", PAGES)
def test_page_has_a_title_and_a_description_of_search_result_length(page: str) -> None:
    header, *_ = cells(DOCS / page)
    description = re.search(r"^description: (.*)$", header.text, flags=re.MULTILINE)
    assert re.search(r"^title: \S", header.text, flags=re.MULTILINE)
    assert description and 50 <= len(description[1]) <= 170


@pytest.mark.parametrize("page", PAGES)
def test_page_has_a_live_snippet_that_needs_only_keras_lrguide_and_data(page: str) -> None:
    snippets = [cell.text for cell in cells(DOCS / page) if "snippet" in cell.tags]
    assert snippets, 'one cell is tagged "snippet"'
    for snippet in snippets:
        assert len(snippet.splitlines()) <= 20
        imported = set(re.findall(r"^(?:import|from) (\w+)", snippet, flags=re.MULTILINE))
        assert imported <= {"keras", "lrguide", "sklearn"}


@pytest.mark.parametrize("page", PAGES)
def test_prose_holds_no_typed_measurement(page: str) -> None:
    """Decimals in prose are settings or the article's figures, so they stand in backticks."""
    for cell in cells(DOCS / page):
        if cell.kind == "markdown":
            prose = re.sub(r"`[^`]*`|\]\(http[^)]*\)", "", cell.text)
            assert not re.findall(r"\d+\.\d+|\d ?%", prose)


# How much of a page is read to the end.
WORDS = 2200  # of prose in a chapter
BRACKETS = 2  # with numbers in a sentence
ROWS = 8  # of a table that is not folded
LINES = 450  # of a page's script
REFERENCE = ["method.py"]  # where one looks things up, and each plan stands whole


def prose_of(page: str) -> list[str]:
    """The paragraphs of a page as they are read: its text and its claims, links without address."""
    written = [cell.text for cell in cells(DOCS / page) if cell.kind == "markdown"]
    told = [
        shown.text for shown in executed(page).shown if shown.claim and "| ---" not in shown.text
    ]
    whole = "\n\n".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text) for text in written + told)
    return [
        " ".join(paragraph.split())
        for paragraph in re.split(r"\n\s*\n", whole)
        if not paragraph.lstrip().startswith(("|", "`" * 3))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read_to_the_end(page: str) -> None:
    prose = prose_of(page)
    assert page in REFERENCE or sum(len(each.split()) for each in prose) <= WORDS
    lines = (DOCS / page).read_text("utf-8").splitlines()
    assert page in REFERENCE or len(lines) <= LINES
    sentences = [s for each in prose for s in re.split(r"(?<=[.!?;])\s+(?=[-A-Z*\[`])", each)]
    crowded = [s for s in sentences if len(re.findall(r"\([^()]*\d[^()]*\)", s)) > BRACKETS]
    assert page in REFERENCE or not crowded


@pytest.mark.parametrize("page", [page for page in PAGES if page not in REFERENCE])
def test_long_tables_are_folded(page: str) -> None:
    for shown in executed(page).shown:
        lines = [line for line in shown.text.splitlines() if line.startswith("|")]
        assert shown.text.startswith("<details") or len(lines) <= ROWS + 2, lines[0]


def test_the_readme_shows_the_front_pages_figure() -> None:
    drawn = picture(executed("index.py").names)
    assert PICTURE.read_text(encoding="utf-8") == drawn, (
        "python docs/site/readme_picture.py draws it anew"
    )
