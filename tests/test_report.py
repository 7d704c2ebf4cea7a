"""Claims, tables and figures: what they show, and what they refuse."""

import inspect
import struct
import subprocess
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from lrguide import plots
from lrguide.guide import report
from lrguide.guide.pages import Shown
from lrguide.guide.records import Run, Runs

MADE = {
    "date": "2026-11-24",
    "processor": "a processor",
    "tensorflow": "2.21.0",
    "keras": "3.15.1",
    "numpy": "2.4.6",
    "python": "3.11.7",
}
RUNS = Runs(
    Run("train", {"budget": "TINY", "seed": seed}, {"test_loss": 0.1 * (seed + 1)}, MADE)
    for seed in range(3)
)


def mean(runs: Runs) -> float:
    return float(runs.values("test_loss").mean())


def draw(runs: Runs) -> Figure:
    figure, axes = plots.subplots()
    axes.plot(runs.values("test_loss"))
    return figure


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """What is handed over to whoever runs the page."""
    taken: list[Shown] = []
    monkeypatch.setattr(report, "show", taken.append)
    return taken


@pytest.fixture
def outputs():
    """What is displayed in a notebook."""
    shell = InteractiveShell.instance()
    with capture_output() as captured:
        yield captured
    InteractiveShell.clear_instance()
    del shell


def small(runs: Runs):
    sentence = f"""
        - the mean
        is {mean(runs):.2f}
        """
    return sentence, mean(runs) < 1


def large(runs: Runs):
    return f"the mean is {mean(runs):.2f}", mean(runs) < 1, mean(runs) > 1


def of_seven(runs: Runs):
    sentence = f"""
        - **Seed `7`** reaches {mean(runs.where(seed=7)):.2f}, the others
        {mean(runs):.2f} at best.
        """
    return sentence, mean(runs) > 0


def test_a_claim_is_one_line_of_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    report.claim(RUNS)(small)
    assert capsys.readouterr().out == "- the mean is 0.20\n"


def test_a_claim_is_markdown_with_what_made_its_runs(shown: list[Shown]) -> None:
    report.claim(RUNS)(small)
    [claim] = shown
    assert claim.text == claim.plain == "- the mean is 0.20"
    assert claim.claim == report.Claim((RUNS,), small)
    assert claim.made == {
        "date": ["2026-11-24"],
        "processor": ["a processor"],
        "tensorflow": ["2.21.0"],
        "keras": ["3.15.1"],
        "numpy": ["2.4.6"],
        "python": ["3.11.7"],
        "records": ["train_TINY.json"],
    }


def test_a_notebook_displays_a_claim_as_markdown_and_a_figure_as_html(outputs) -> None:
    report.claim(RUNS)(small)
    report.figure(RUNS, draw, lambda r: "Three losses.")
    claim, figure = outputs.outputs
    assert claim.data == {"text/markdown": "- the mean is 0.20", "text/plain": "- the mean is 0.20"}
    assert figure.data["text/html"].startswith('<figure class="lr-figure"><svg ')
    assert figure.data["text/plain"] == "Figure: Three losses."


def test_a_claim_takes_several_runs_and_the_page_keeps_its_function(shown) -> None:
    @report.claim(RUNS.where(seed=0), RUNS.where(seed=2))
    def apart(first, last):
        return f"{mean(last) - mean(first):.1f} apart", mean(first) < mean(last)

    assert shown[0].text == "0.2 apart"
    assert apart(RUNS, RUNS)[0] == "0.0 apart"


def test_a_claim_without_a_check_is_refused() -> None:
    with pytest.raises(TypeError, match="at least one check, received none beside: the mean"):
        report.claim(RUNS)(lambda runs: ("the mean is small",))


def test_each_check_of_a_claim_is_known_by_its_source() -> None:
    sentence, checks = report.Claim((RUNS,), large).written()
    assert (sentence, checks) == ("the mean is …", ["mean(runs) < 1", "mean(runs) > 1"])
    assert report.Claim((RUNS,), large)(RUNS) == ("the mean is 0.20", [True, False])


def test_a_claim_that_does_not_hold_is_a_marked_warning(shown) -> None:
    report.claim(RUNS)(large)
    [output] = shown
    failure = (
        "The runs do not bear out this sentence: the mean is 0.20 "
        "What does not hold: `mean(runs) > 1`."
    )
    assert output.text == f'!!! warning "No longer true"\n\n    {failure}'
    assert output.failed == failure


def test_a_claim_about_runs_that_were_taken_out_says_which_sentence_and_which_runs(shown) -> None:
    report.claim(RUNS)(of_seven)
    assert shown[0].failed == (
        "No run has seed 7; these runs have seed 0, 1, 2. So this sentence cannot be checked: "
        "**Seed `7`** reaches …, the others … at best."
    )


def test_a_sentence_that_is_not_one_text_in_its_source_is_told_by_its_line_alone(shown) -> None:
    report.claim(RUNS.where(seed=0))(lambda runs: (str(runs.where(seed=7)), True))
    failed = shown[0].failed
    assert failed == "No run has seed 7; these runs have seed 0. So a sentence cannot be checked."


def test_a_claim_that_does_not_hold_tells_the_line_on_which_it_stands(shown) -> None:
    line = inspect.currentframe().f_lineno

    @report.claim(RUNS)
    def _(runs):
        return "the mean is large", mean(runs) > 1

    report.table(RUNS, lambda runs: ([{"seed": "0"}], False), caption="odd seeds")
    assert [each.line - line for each in shown] == [2, 6]


PAGE = """
from lrguide.guide.records import Runs
from lrguide.guide.report import claim
@claim(Runs())
def first(runs):
    return "Nothing is something.", False
print("between")
@claim(Runs())
def second(runs):
    return "All is nothing.", True, len(runs) > 0
"""


@pytest.mark.parametrize(("ending", "wrong"), [("", 2), ("{}['nowhere']", 2)])
def test_a_plain_script_reports_all_sentences_that_do_not_hold_and_ends_with_1(
    tmp_path, ending: str, wrong: int
) -> None:
    page = tmp_path / "page.py"
    page.write_text(PAGE + ending)
    ended = subprocess.run([sys.executable, page], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "between" in ended.stdout
    assert ended.stderr.splitlines()[-wrong:] == [
        "page.py, line 4: The runs do not bear out this sentence: Nothing is something. "
        "What does not hold: `False`.",
        "page.py, line 8: The runs do not bear out this sentence: All is nothing. "
        "What does not hold: `len(runs) > 0`.",
    ]


def test_a_figure_is_published_as_svg_with_its_text_alternative(shown) -> None:
    report.figure(RUNS, draw, lambda r: f'mean <{mean(r):.1f}> & "range"')
    html = shown[0].text
    assert html.startswith('<figure class="lr-figure"><svg ')
    assert 'aria-label="mean &lt;0.2&gt; &amp; &quot;range&quot;"' in html
    assert "\n" not in html


def tall(runs: Runs) -> Figure:
    figure, axes = plots.subplots(height=7.0)
    axes.plot(runs.values("test_loss"))
    return figure


@pytest.mark.parametrize("drawing", [draw, tall])
def test_a_figure_can_be_drawn_as_a_png_for_links_to_its_page(shown, drawing) -> None:
    report.figure(RUNS, drawing, lambda r: f"a mean of {mean(r):.1f}")
    card = shown[0].card()
    assert struct.unpack(">II", card[16:24]) == (1200, 630)
    assert card == shown[0].card()


def test_a_figure_takes_its_numbers_along(shown) -> None:
    report.figure(RUNS, draw, lambda r: "Three losses.")
    assert shown[0].numbers == {
        "words": "Three losses.",
        "tables": [
            {
                "caption": "Value",
                "heads": ["", "value"],
                "rows": [["0", "0.1"], ["1", "0.2"], ["2", "0.3"]],
                "beside": [],
            }
        ],
    }


def test_a_figure_without_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="must show a number"):
        report.figure(RUNS, lambda r: plots.subplots()[0], lambda r: "Nothing.")


def test_a_figure_without_text_alternative_is_refused() -> None:
    with pytest.raises(ValueError, match="alt must state in words"):
        report.figure(RUNS, draw, lambda r: " ")


def test_a_table_is_markdown_with_a_caption(capsys: pytest.CaptureFixture[str]) -> None:
    report.table(
        RUNS,
        lambda runs: [
            {"seed": str(run.settings["seed"]), "loss": f"{run.result['test_loss']:.1f}"}
            for run in runs
        ],
        "3 runs",
    )
    assert capsys.readouterr().out.splitlines() == [
        "*3 runs*",
        "",
        "| seed | loss |",
        "| --- | ---: |",
        "| 0 | 0.1 |",
        "| 1 | 0.2 |",
        "| 2 | 0.3 |",
    ]


def test_prose_in_a_table_begins_at_the_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = "not enough evidence: the loss still falls at 0.01"
    rows = [
        {"rate": "0.1", "loss": "0.151 (0.148 to 0.155)", "why": "none (of 3 to 5)"},
        {"rate": "1", "loss": "no answer", "why": why},
    ]
    report.table(RUNS, lambda runs: rows, "what it says")
    assert capsys.readouterr().out.splitlines()[3:] == [
        "| --- | ---: | --- |",
        "| 0.1 | 0.151 (0.148 to 0.155) | none (of 3 to 5) |",
        f"| 1 | no answer | {why} |",
    ]


@pytest.mark.parametrize("checked", [False, True])
def test_a_folded_table_shows_its_caption_until_it_is_opened(shown, checked: bool) -> None:
    rows = [{"seed": "0", "loss": "0.1"}]
    report.table(RUNS, lambda runs: (rows, True) if checked else rows, "3 runs", folded=True)
    lines = "| seed | loss |\n| --- | ---: |\n| 0 | 0.1 |"
    assert shown[0].text == (
        f'<details markdown="1"><summary>3 runs</summary>\n\n{lines}\n\n</details>'
    )
    assert shown[0].plain == f"*3 runs*\n\n{lines}"


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        report.table(RUNS, lambda runs: [], "empty")


def test_a_table_with_unequal_rows_is_refused() -> None:
    rows = [{"seed": "0", "loss": "0.1"}, {"seed": "1", "los": "0.2"}]
    with pytest.raises(
        ValueError,
        match=r"columns \['seed', 'loss'\] of the first, row 1 has \['seed', 'los'\]",
    ):
        report.table(RUNS, lambda runs: rows, "unequal")


def of_several_lines(runs: Runs):
    return (
        "They are small.",
        all(
            run.result["test_loss"] < 0.2
            for run in runs
        ),
        sum(run.result["test_loss"] for run in runs) + mean(runs) + mean(runs) + mean(runs) < 1 / 3,
    )  # fmt: skip


def test_what_fails_is_told_as_it_is_written_on_one_line_which_ends_early_if_it_is_long(
    shown,
) -> None:
    report.claim(RUNS)(of_several_lines)
    assert shown[0].failed.partition("What")[2] == (
        ' does not hold: `all(run.result["test_loss"] < 0.2 for run in runs)`, '
        '`sum(run.result["test_loss"] for run in runs) '
        "+ mean(runs) + mean(runs) + mean(runs) < 1 /…`."
    )


def test_a_check_whose_source_is_not_known_is_told_by_its_number(shown) -> None:
    report.claim(RUNS)(lambda runs: ("They are many.", True, len(runs) > 9))
    assert shown[0].failed.endswith("They are many. What does not hold: `check 2`.")


def checked(runs: Runs):
    return [{"seed": "0", "mean": f"{mean(runs):.1f}"}], mean(runs) < 1


def test_a_table_may_carry_checks_as_a_claim_does(shown) -> None:
    report.table(RUNS, checked, caption="means")

    def wrongly(runs: Runs):
        return checked(runs)[0], mean(runs) > 1

    report.table(RUNS, wrongly, caption="means")
    right, wrong = shown
    table = "*means*\n\n| seed | mean |\n| --- | ---: |\n| 0 | 0.2 |"
    assert right.text == table
    assert wrong.failed == (
        "The runs do not bear out what this table is to show: means. "
        "What does not hold: `mean(runs) > 1`."
    )
    assert wrong.text.endswith(table)
    assert right.claim == report.Claim((RUNS,), checked)
