"""Claims, tables and figures: what they show, and what they refuse."""

import base64
import functools
import inspect
import struct

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from lrguide import plots
from lrguide.guide import report
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
def outputs(monkeypatch: pytest.MonkeyPatch):
    """What is published in a notebook."""
    shell = InteractiveShell.instance()
    with capture_output() as captured:
        yield captured
    InteractiveShell.clear_instance()
    del shell


def test_a_claim_is_printed_outside_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    report.claim(RUNS, lambda r: mean(r) < 1, lambda r: f"the mean is {mean(r):.2f}")
    assert capsys.readouterr().out == "the mean is 0.20\n"


def test_a_claim_is_published_as_markdown_with_what_made_its_runs(outputs) -> None:
    report.claim(RUNS, lambda r: mean(r) < 1, lambda r: f"the mean is {mean(r):.2f}")
    (output,) = outputs.outputs
    assert output.data["text/markdown"] == "the mean is 0.20"
    assert output.metadata["lrguide"]["made"] == {
        "dates": ["2026-11-24"],
        "processors": ["a processor"],
        "versions": {
            "tensorflow": ["2.21.0"],
            "keras": ["3.15.1"],
            "numpy": ["2.4.6"],
            "python": ["3.11.7"],
        },
        "records": ["train_TINY.json"],
    }


def test_a_claim_that_does_not_hold_is_a_marked_warning_in_a_notebook(outputs) -> None:
    report.claim(RUNS, lambda r: mean(r) > 1, lambda r: f"the mean is {mean(r):.2f}")
    (output,) = outputs.outputs
    failure = "The runs do not bear out this sentence: the mean is 0.20"
    assert output.data["text/markdown"] == f'!!! warning "No longer true"\n\n    {failure}'
    assert output.metadata["lrguide"]["failed"] == failure


def test_a_claim_about_runs_that_were_taken_out_says_which_sentence_and_which_runs(outputs) -> None:
    report.claim(
        RUNS,
        lambda r: True,
        lambda r: (
            f"- **Seed `7`** reaches {mean(r.where(seed=7)):.2f}, the others {mean(r):.2f} at best."
        ),
    )
    assert outputs.outputs[0].metadata["lrguide"]["failed"] == (
        "No run has seed 7; these runs have seed 0, 1, 2. So this sentence cannot be checked: "
        "**Seed `7`** reaches …, the others … at best."
    )


@pytest.mark.parametrize(
    "sentence", [functools.partial(mean), lambda r: str(r.where(seed=7))], ids=["built", "no text"]
)
def test_a_sentence_that_is_not_one_text_in_its_source_is_told_by_its_line_alone(
    outputs, sentence
) -> None:
    report.claim(RUNS.where(seed=0), lambda r: bool(r.where(seed=7)), sentence)
    failed = outputs.outputs[0].metadata["lrguide"]["failed"]
    assert failed == "No run has seed 7; these runs have seed 0. So a sentence cannot be checked."


def test_a_claim_that_does_not_hold_tells_the_line_on_which_it_stands(outputs) -> None:
    report.claim(RUNS, lambda r: mean(r) > 1, lambda r: f"the mean is {mean(r):.2f}")
    line = inspect.currentframe().f_lineno - 1
    assert outputs.outputs[0].metadata["lrguide"]["line"] == line


def test_a_claim_that_does_not_hold_stops_a_plain_script() -> None:
    with pytest.raises(AssertionError, match="bear out this sentence: the mean is 0"):
        report.claim(RUNS, lambda r: mean(r) > 1, lambda r: f"the mean is {mean(r):.2f}")


def test_a_figure_is_published_as_svg_with_its_text_alternative(outputs) -> None:
    report.figure(RUNS, draw, lambda r: f'mean <{mean(r):.1f}> & "range"')
    html = outputs.outputs[0].data["text/html"]
    assert html.startswith('<figure class="lr-figure"><svg ')
    assert 'aria-label="mean &lt;0.2&gt; &amp; &quot;range&quot;"' in html
    assert "\n" not in html


def tall(runs: Runs) -> Figure:
    figure, axes = plots.subplots(height=7.0)
    axes.plot(runs.values("test_loss"))
    return figure


@pytest.mark.parametrize("drawing", [draw, tall])
def test_the_first_figure_of_a_page_is_a_png_for_links_to_it_too_where_the_site_is_built(
    outputs, monkeypatch: pytest.MonkeyPatch, drawing
) -> None:
    for page in ("", "page.py", "page.py"):  # a reader's notebook, and two builds
        monkeypatch.setattr(report, "figures", [])
        monkeypatch.setenv("LRGUIDE_PAGE", page)
        for _ in range(2):
            report.figure(RUNS, drawing, lambda r: f"a mean of {mean(r):.1f}")
    data = [output.data for output in outputs.outputs]
    pictures = [each.get("image/png") for each in data]
    assert [picture is not None for picture in pictures] == [False, False, True, False, True, False]
    assert struct.unpack(">II", base64.b64decode(pictures[2])[16:24]) == (1200, 630)
    assert pictures[2] == pictures[4]
    assert len({each["text/html"] for each in data}) == 1


def test_a_figure_takes_its_numbers_along(outputs) -> None:
    report.figure(RUNS, draw, lambda r: "Three losses.")
    assert outputs.outputs[0].metadata["lrguide"]["numbers"] == {
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
        lambda runs: f"{len(runs)} runs",
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
    report.table(RUNS, lambda runs: rows, lambda runs: "what it says")
    assert capsys.readouterr().out.splitlines()[3:] == [
        "| --- | ---: | --- |",
        "| 0.1 | 0.151 (0.148 to 0.155) | none (of 3 to 5) |",
        f"| 1 | no answer | {why} |",
    ]


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        report.table(RUNS, lambda runs: [], lambda runs: "empty")


def test_a_table_with_unequal_rows_is_refused() -> None:
    rows = [{"seed": "0", "loss": "0.1"}, {"seed": "1", "los": "0.2"}]
    with pytest.raises(
        ValueError,
        match=r"columns \['seed', 'loss'\] of the first, row 1 has \['seed', 'los'\]",
    ):
        report.table(RUNS, lambda runs: rows, lambda runs: "unequal")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1, 0.2, 0.3], "0.200 (0.100 to 0.300)"),
        ([0.1, np.nan], "0.100 (0.100 to 0.100), 1 of 2 not finite"),
        ([np.nan, np.nan], "none finite"),
        ([11426.1, 11426.3], "11,426 (11,426 to 11,426)"),
    ],
)
def test_several_states_mean_and_range_and_counts_what_is_not_finite(values, text) -> None:
    assert report.several(np.array(values)) == text


@pytest.mark.parametrize(
    ("differences", "says"),
    [
        # Student's t with 4 degrees of freedom: 0.95 of it lies within 2.776.
        ([-0.1, -0.2, -0.15, -0.12, -0.18], "lower"),
        ([0.1, 0.2, 0.15, 0.12, 0.18], "higher"),
        ([-0.1, 0.2, -0.15, 0.12, -0.18], "tie"),
        ([0.0, 0.0, 0.0], "tie"),
        (2.775 / np.sqrt(5) + np.array([-1, 1, -1, 1, 0]), "tie"),
        (2.777 / np.sqrt(5) + np.array([-1, 1, -1, 1, 0]), "higher"),
        ([0.1, np.nan, 0.2], "fails"),
        ([0.1, np.inf, 0.2], "fails"),
    ],
)
def test_a_verdict_is_a_tie_where_the_interval_of_the_mean_holds_none(differences, says):
    assert report.verdict(np.array(differences)) == says


@pytest.mark.parametrize("count", [0, 1, 11])
def test_a_verdict_needs_some_seeds(count):
    with pytest.raises(ValueError, match=f"must be those of 2 to 10 seeds, received {count}"):
        report.verdict(np.zeros(count))
