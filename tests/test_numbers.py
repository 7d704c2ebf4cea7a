"""The numbers of a figure, as tables: all that is drawn, and nothing else."""

import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrguide import plots
from lrguide.guide.numbers import Table, tables


def only(axes: Axes) -> Table:
    (found,) = tables(axes.figure)
    return found


@pytest.fixture
def axes() -> Axes:
    return plots.subplots()[1]


def test_a_line_is_a_column_and_its_places_are_rows(axes: Axes) -> None:
    axes.plot([0.001, 0.00001], [0.5, 2.302585], label="Adam")
    axes.plot([0.001], [12345], "o", label="SGD")
    axes.set(xlabel="learning rate", ylabel="loss", title="five seeds")
    assert only(axes) == Table(
        caption="Five seeds: loss by learning rate",
        heads=["learning rate", "Adam", "SGD"],
        rows=[["0.00001", "2.303", ""], ["0.001", "0.5", "12345"]],
        beside=[],
    )


def test_a_band_stands_behind_the_line_of_its_label_or_alone(axes: Axes) -> None:
    axes.plot([1, 2], [0.5, 0.4], label="Adam")
    axes.fill_between([1, 2], [0.3, 0.2], [0.7, 0.6], label="Adam", alpha=0.2)
    axes.fill_between([1, 2], [3, 2], [3, 4], label="guessing")
    assert only(axes).heads == ["", "Adam", "guessing"]
    assert only(axes).rows == [
        ["1", "0.5 (0.3 to 0.7)", "3 to 3"],
        ["2", "0.4 (0.2 to 0.6)", "2 to 4"],
    ]


def test_dots_at_one_place_share_a_cell_in_the_order_drawn(axes: Axes) -> None:
    axes.plot([1, 1, 2], [0.3, 0.1, 0.2], "o")
    axes.set(ylabel="loss")
    assert only(axes).heads == ["", "loss"]
    assert only(axes).rows == [["1", "0.3, 0.1"], ["2", "0.2"]]


def test_what_has_no_label_takes_that_of_what_looks_the_same(axes: Axes) -> None:
    for seed in range(3):
        axes.plot([1], [seed], "o", color="C1", label="" if seed else "each seed")
    axes.plot([1], [9], "x", color="C1")
    axes.set(ylabel="loss")
    assert only(axes).heads == ["", "each seed", "loss"]
    assert only(axes).rows == [["1", "0, 1, 2", "9"]]


def test_a_label_that_is_not_in_the_legend_is_in_the_table(axes: Axes) -> None:
    axes.plot([1], [2], "o", label="_each seed")
    assert axes.get_legend_handles_labels() == ([], [])
    assert only(axes).heads == ["", "each seed"]


def test_names_on_the_vertical_axis_are_the_rows_from_above(axes: Axes) -> None:
    axes.plot([0.3, 0.1], [0, 1], "o", label="mean")
    axes.set_yticks([0, 1], ["cosine", "warmup\nlinear"])
    axes.set(xlabel="loss at the end")
    assert only(axes) == Table(
        "Loss at the end", ["", "mean"], [["warmup linear", "0.1"], ["cosine", "0.3"]], []
    )


def test_names_on_the_horizontal_axis_are_the_rows_from_the_left(axes: Axes) -> None:
    axes.plot([0.3, 0.1])
    axes.set_xticks([0, 1], ["1cycle", "cosine"])
    assert only(axes).rows == [["1cycle", "0.3"], ["cosine", "0.1"]]


def test_names_that_only_the_first_panel_shows_name_the_rows_of_all() -> None:
    figure, panels = plots.subplots(1, 2, sharey=True)
    for axes in panels:
        axes.plot([0.3, 0.1], [0, 1])
        axes.set_yticks([0, 1], ["linear", "cosine"])
    for each in tables(figure):
        assert each.rows == [["cosine", "0.1"], ["linear", "0.3"]]


def test_ticks_with_numbers_of_their_own_name_nothing(axes: Axes) -> None:
    axes.plot([0.1, 1], [0.3, 0.1])
    axes.set_yticks([0.1, 0.3], ["0.1", "0.3"])
    axes.set(xscale="log")
    assert only(axes).rows == [["0.1", "0.3"], ["1", "0.1"]]


def test_what_lies_across_the_panel_is_told_beside(axes: Axes) -> None:
    axes.plot([1, 2], [1, 3])
    axes.axhline(2.302585, label="guessing")
    axes.axvline(1.5)
    axes.axvspan(1.25, 1.75, color="C3", label="rising rate")
    axes.axvspan(1, 1.25, color="C2")
    assert only(axes).beside == [
        "guessing at 2.303",
        "a line at 1.5",
        "rising rate from 1.25 to 1.75",
        "a stripe from 1 to 1.25",
    ]
    assert only(axes).heads == ["", "value"]


def test_what_lies_at_the_end_of_its_axis_or_beyond_is_said_to(axes: Axes) -> None:
    axes.plot([1, 2, 3, 4], [1, 5, 50, np.nan])
    axes.fill_between([1, 2], [1, 1], [4, 9])
    axes.set(ylim=(0, 5), ylabel="loss")
    cells = ["1 (1 to 4)", "≥ 5 (1 to ≥ 5)", "≥ 5", "not finite"]
    assert [row[1] for row in only(axes).rows] == cells


def test_panels_that_share_an_axis_share_its_label() -> None:
    figure, (left, right) = plots.subplots(1, 2, sharey=True)
    for axes, title in ((left, "training"), (right, "validation")):
        axes.plot([1, 2])
        axes.set(title=title, xlabel="epochs")
    left.set(ylabel="loss")
    captions = [each.caption for each in tables(figure)]
    assert captions == ["Training: loss by epochs", "Validation: loss by epochs"]


@pytest.mark.parametrize("seeds", [1, 3])
def test_each_number_of_the_guides_own_plots_is_there(seeds: int) -> None:
    losses = np.random.default_rng(0).uniform(0.1, 2, (4, seeds))
    losses[3] = np.nan  # diverged
    curves = {name: ([1e-4, 1e-3, 0.01, 0.1], losses) for name in ("Adam", "SGD")}
    (by_rate,) = tables(plots.loss_by_rate(curves, chance=2.3, top=5, ylabel="loss"))
    heads = [f"{name}{which}" for name in curves for which in ("", ", each seed")]
    assert sorted(by_rate.heads[1:]) == heads
    for row, place in zip(by_rate.rows[:3], losses, strict=False):
        cells = dict(zip(by_rate.heads, row, strict=True))
        assert [float(cell) for cell in cells["SGD, each seed"].split(", ")] == pytest.approx(
            place, rel=1e-3
        )
        assert float(cells["SGD"]) == pytest.approx(np.median(place), rel=1e-3)
    assert by_rate.rows[3][1:] == ["≥ 5", ", ".join(["≥ 5"] * seeds)] * 2
    assert by_rate.beside == ["guessing at 2.3"]

    by_epoch = tables(plots.loss_by_epoch({"0.1": (losses.T, losses.T)}, chance=2.3, top=5))
    for each in by_epoch:
        for row, place in zip(each.rows[:3], losses, strict=False):
            seen = [float(number) for number in re.findall(r"[\d.]+", row[1])]
            assert seen == pytest.approx([np.median(place), place.min(), place.max()], rel=1e-3)


# Refused.


def nothing(figure: Figure, axes: Axes) -> None:
    pass


def only_what_is_not_finite(figure: Figure, axes: Axes) -> None:
    axes.plot([1, 2], [np.nan, np.inf])


def only_a_line_across(figure: Figure, axes: Axes) -> None:
    axes.axhline(2.3)


def only_beyond_the_picture(figure: Figure, axes: Axes) -> None:
    axes.plot([1, 2], [50, 50])
    axes.set(ylim=(0, 5))


def one_panel_of_two(figure: Figure, axes: Axes) -> None:
    axes.plot([1, 2])
    figure.subplots(1, 2)[0].plot([1, 2])


@pytest.mark.parametrize(
    "draw",
    [
        nothing,
        only_what_is_not_finite,
        only_a_line_across,
        only_beyond_the_picture,
        one_panel_of_two,
    ],
)
def test_a_panel_that_shows_no_number_is_refused(draw) -> None:
    figure, axes = plots.subplots()
    draw(figure, axes)
    with pytest.raises(ValueError, match="each panel of a figure must show a number, and one"):
        tables(figure)


def test_a_panel_that_shows_no_number_is_named_by_its_title() -> None:
    figure, (left, right) = plots.subplots(1, 2)
    left.plot([1])
    right.set(title="validation")
    with pytest.raises(ValueError, match="the panel 'validation' of this figure shows none"):
        tables(figure)


def test_a_figure_without_panels_is_refused() -> None:
    with pytest.raises(ValueError, match="received one without panels"):
        tables(Figure())


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (lambda axes: axes.scatter([1], [2]), "PathCollection"),
        (lambda axes: axes.bar([1], [2]), "Rectangle"),
        (lambda axes: axes.imshow([[1, 2]]), "AxesImage"),
        (lambda axes: axes.errorbar([1], [2], yerr=[1]), "LineCollection"),
    ],
)
def test_what_the_table_would_have_to_leave_out_is_refused(axes: Axes, draw, kind: str) -> None:
    axes.plot([1, 2])
    draw(axes)
    with pytest.raises(ValueError, match=f"as lines, dots and bands.* received a {kind}"):
        tables(axes.figure)
