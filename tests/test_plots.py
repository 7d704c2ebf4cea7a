"""Figures as SVG: they follow the page, and are legible for every colour vision."""

import inspect
import math
import re
from typing import Any

import numpy as np
import pytest
from keras import ops
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, LearningRateSchedule
from matplotlib.figure import Figure
from matplotlib.text import Text
from refusals import Row, sentence, without_a_row

from lrguide import plots


def draw(points: int = 3) -> Figure:
    figure, axes = plots.subplots()
    axes.plot(range(points))
    return figure


def test_figures_follow_the_page_and_carry_no_fixed_size_or_global_style() -> None:
    svg = plots.svg(draw(), "a line")
    assert svg.count("<svg") == 1
    assert "<style" not in svg and "#000000" not in svg and "<metadata" not in svg
    assert not re.search(r'<svg[^>]* (width|height)="', svg)
    assert "currentColor" in svg


def test_figures_on_one_page_share_no_ids() -> None:
    first, second = draw(3), draw(4)
    ids = [
        set(re.findall(r' id="([^"]+)"', plots.svg(figure, "a line"))) for figure in (first, second)
    ]
    assert ids[0] and not ids[0] & ids[1]
    for figure in (first, second):
        svg = plots.svg(figure, "a line")
        references = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
        assert references <= set(re.findall(r' id="([^"]+)"', svg))


def test_dots_letters_and_corners_say_nothing_twice() -> None:
    figure, axes = plots.subplots()
    axes.plot([1, 2, 3], [1, 2, 3], "o", color="#0072b2")
    axes.loglog()
    svg = plots.svg(figure, "dots")
    assert re.search(
        r'<g style="fill:#0072b2"><use href="#\w{7,8}" x="[\d.]+" y="[\d.]+"/><use', svg
    )
    assert re.search(r'<tspan x="0 7" [^>]*>10</tspan>', svg)
    assert re.search(r'<tspan x="\S+ \S+ \S+ \S+" [^>]*>2\u00d710</tspan>', svg)
    assert re.search(r' d="M[\d.]+ [\d.]+L[\d.]+ [\d.]+"', svg)
    assert "font-size:11px" not in svg and ' font-size="11"' in svg


def test_the_same_figure_has_the_same_bytes() -> None:
    assert plots.svg(draw(), "a line") == plots.svg(draw(), "a line")


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [c for c in plots.COLOURS if c != "#000000"])
@pytest.mark.parametrize("ground", ["#ffffff", "#1e2129"])
def test_line_colours_have_a_contrast_of_three_on_light_and_dark(colour: str, ground: str) -> None:
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def losses(contenders: int) -> dict[str, tuple[list[list[float]], list[list[float]]]]:
    return {f"contender {n}": ([[1.0, 0.5]] * 3, [[1.0, 0.4]] * 3) for n in range(contenders)}


@pytest.mark.parametrize("contenders", [1, 5, 7])
def test_every_contender_is_drawn_and_named_however_many(contenders: int) -> None:
    svg = plots.svg(plots.loss_by_epoch(losses(contenders), chance=2.3, top=5), "losses")
    assert all(f">contender {n}<" in svg for n in range(contenders))


def test_contenders_that_share_a_colour_have_another_line() -> None:
    assert len({style for style in plots.LINES[:7]}) == 7


def test_a_seed_that_diverged_leaves_the_picture_at_the_top_and_is_not_left_out() -> None:
    bad = [[1.0, float("nan")], [1.0, float("nan")], [1.0, 0.5]]
    figure = plots.loss_by_epoch({"0.5": (bad, bad)}, chance=2.3, top=5)
    assert list(figure.axes[0].lines[0].get_ydata()) == [1.0, 50.0]


def test_losses_beyond_the_top_are_triangles_at_it() -> None:
    figure = plots.loss_by_rate(
        {"Adam": ([0.1, 1.0], [[0.2, 0.3], [9.0, float("nan")]])}, chance=2.3, top=5, ylabel="loss"
    )
    triangles = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    assert list(triangles[0].get_ydata()) == [5.0, 5.0]


@pytest.mark.parametrize(
    ("lowest", "told"), [(0.15, ["0.2", "0.5", "1", "2"]), (0.05, ["0.1", "1"])]
)
def test_the_axis_of_losses_tells_two_numbers_or_more(lowest: float, told: list[str]) -> None:
    curves = {"Adam": ([0.1, 1.0], [[lowest], [2.0]])}
    figure = plots.loss_by_rate(curves, chance=2.3, top=4, ylabel="loss")
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    labels = [label.get_text() for at, label in _ticks(figure.axes[0].yaxis) if low <= at <= high]
    assert labels == told


def _ticks(axis: Any) -> Any:
    return zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)


def test_the_line_of_guessing_is_named_where_no_curve_lies() -> None:
    rates = np.geomspace(1e-6, 1, 13)
    losses = np.where((rates > 1e-4) & (rates < 0.1), 0.1, 2.303)[:, np.newaxis]
    figure = plots.loss_by_rate({"Adam": (rates, losses)}, chance=2.3, top=5, ylabel="loss")
    figure.draw_without_rendering()
    (name,) = figure.findobj(lambda a: isinstance(a, Text) and a.get_text() == "guessing")
    axes = figure.axes[0]
    curve = np.interp(np.linspace(-6, 0, 500), np.log10(rates), np.log(losses[:, 0]))
    points = np.column_stack([np.logspace(-6, 0, 500), np.exp(curve)])
    box = name.get_window_extent().padded(3)
    assert not any(box.contains(x, y) for x, y in axes.transData.transform(points))


class OneStepAtATime(LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return ops.cond(step < 100, lambda: 0.1, lambda: 0.01)


def test_schedules_are_drawn_over_epochs_and_steps() -> None:
    drawn = {"cosine": CosineDecay(0.1, 480), "own": OneStepAtATime(), "constant": 0.05}
    figure = plots.schedule(drawn, steps_per_epoch=48, epochs=10)
    (axes,) = figure.axes
    epochs, rates = axes.lines[1].get_data()
    assert rates[[0, 99, 100, 479]] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert epochs[[0, 100, 479]] == pytest.approx([0, 100 / 48, 479 / 48])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*drawn]
    (upper,) = axes.child_axes
    figure.draw_without_rendering()
    assert (axes.get_xlabel(), upper.get_xlabel()) == ("epoch", "step")
    assert upper.get_xlim() == pytest.approx((0, 480))


def test_a_figure_of_long_schedules_stays_small() -> None:
    drawn = {"cosine": CosineDecay(0.1, 46_900), "stairs": ExponentialDecay(0.1, 469, 0.95, True)}
    figure = plots.schedule(drawn, steps_per_epoch=469, epochs=100, scale="log")
    assert len(plots.svg(figure, "two schedules")) < 20_000


# What cannot be drawn.

CURVE = {"a": ([[1.0, 0.5]], [[1.0, 0.4]])}
SWEPT = {"a": ([0.1, 1.0], [[0.9, 0.8], [0.4, 0.5]])}
DRAWN: dict[str, dict[str, Any]] = {
    "subplots": {},
    "loss_by_epoch": dict(curves=CURVE, chance=2.3, top=5),
    "loss_by_rate": dict(curves=SWEPT, chance=2.3, top=5, ylabel="loss"),
    "schedule": dict(schedules={"a": 0.1}, steps_per_epoch=10, epochs=2),
    "svg": dict(figure=Figure(), alt="nothing"),
}
"""Arguments that are right."""


def positive(name: str) -> list[Row]:
    wanted = f"{name} must be a finite number above 0, received"
    return [
        *(({name: bad}, ValueError, f"{wanted} {bad}") for bad in (0, -1.0, math.nan, math.inf)),
        *(({name: bad}, TypeError, f"{wanted} {bad!r}") for bad in (None, True, "5")),
        ({name: 10**400}, ValueError, f"{wanted} 1000000"),
    ]


def counted(name: str) -> list[Row]:
    wanted = f"{name} must be a whole number above 0, received"
    return [
        *(({name: bad}, ValueError, f"{wanted} {bad}") for bad in (0, -1)),
        *(({name: bad}, TypeError, f"{wanted} {bad!r}") for bad in (1.5, True, "5")),
    ]


def labelled(name: str, most: str, each: Any) -> list[Row]:
    many = {str(n): each for n in range(21)}
    return [
        ({name: {}}, ValueError, f"{name} must number 1 to {most}, received 0"),
        ({name: many}, ValueError, f"{name} must number 1 to {most}, received 21"),
        ({name: [each]}, TypeError, f"{name} must be a dict from labels, received a list"),
        ({name: {7: each}}, TypeError, f"each label of {name} must be text, received 7"),
    ]


def rows_of_numbers(name: str, told: str, make: Any = lambda row: row) -> list[Row]:
    above, row = f"{told} must be finite numbers above 0, received", f"{told} must be one row of at"
    return [
        *(({name: make([1, bad])}, ValueError, f"{above} {bad}") for bad in (0, -1)),
        *(({name: make([1, bad])}, ValueError, f"{above} {bad}") for bad in (math.nan, math.inf)),
        ({name: make([])}, ValueError, f"{row} least one, received shape (0,)"),
        ({name: make(3)}, ValueError, f"{row} least one, received shape ()"),
        ({name: make([[1.0]])}, ValueError, f"{row} least one, received shape (1, 1)"),
        ({name: make(["x"])}, TypeError, f"{told} must be numbers, received ['x']"),
        ({name: make([True])}, TypeError, f"{told} must be numbers, received [True]"),
    ]


BOTH = "curves of 'a' must be two arrays, received"
BY_EPOCH = "losses of 'a' must be by seeds and epochs, received shape"
BY_RATE = "losses of 'a' must be by rates and seeds, received shape"
UNEQUAL = "curves of 'a' must have rows of one length, received [[1], [1, 2]]"
REFUSED: dict[str, list[Row]] = {
    "subplots": [*counted("rows"), *counted("columns"), *positive("height")],
    "loss_by_epoch": [
        *labelled("curves", "20", CURVE["a"]),
        (dict(curves={"a": None}), TypeError, f"{BOTH} None"),
        (dict(curves={"a": ([[1]],)}), TypeError, f"{BOTH} ([[1]],)"),
        (dict(curves={"a": ([1], [1])}), ValueError, f"{BY_EPOCH} (1,)"),
        (dict(curves={"a": ([[]], [[]])}), ValueError, f"{BY_EPOCH} (1, 0)"),
        (dict(curves={"a": ([[1], [1, 2]], [[1]])}), ValueError, UNEQUAL),
        (
            dict(curves={"a": ([[1]], [[1, 2]])}),
            ValueError,
            "training and validation losses of 'a' must have one shape, received (1, 1) and (1, 2)",
        ),
        (
            dict(curves={"a": ([[1]], [[-2]])}),
            ValueError,
            "losses of 'a' must not be negative, received -2",
        ),
        (
            dict(curves={"a": ([["x"]], [[1]])}),
            TypeError,
            "curves of 'a' must be numbers, received [['x']]",
        ),
        *positive("chance"),
        *positive("top"),
    ],
    "loss_by_rate": [
        *labelled("curves", "20", SWEPT["a"]),
        *rows_of_numbers("curves", "rates of 'a'", lambda rates: {"a": (rates, [[1], [1]])})[:7],
        (dict(curves={"a": (["x"], [[1]])}), TypeError, "curves of 'a' must be numbers, received"),
        (dict(curves={"a": ([1], [1])}), ValueError, f"{BY_RATE} (1,)"),
        (
            dict(curves={"a": ([1, 2], [[1, 2]])}),
            ValueError,
            "losses of 'a' must have a row for each of 2 rates, received 1",
        ),
        (
            dict(curves={"a": ([1], [[-2]])}),
            ValueError,
            "losses of 'a' must not be negative, received -2",
        ),
        *positive("chance"),
        *positive("top"),
        (dict(ylabel=3), TypeError, "ylabel must be text, received 3"),
    ],
    "schedule": [
        *labelled("schedules", "20", 0.1),
        (dict(schedules={"a": "cosine"}), TypeError, "schedule must be a Keras schedule"),
        *counted("steps_per_epoch"),
        *counted("epochs"),
        (
            dict(steps_per_epoch=10**9),
            ValueError,
            "steps_per_epoch and epochs must make 10,000,000 steps at most, received 1000000000",
        ),
        (dict(scale="sqrt"), ValueError, "scale must be 'linear' or 'log', received 'sqrt'"),
        (dict(scale=None), ValueError, "scale must be 'linear' or 'log', received None"),
    ],
    "svg": [
        (dict(figure=None), TypeError, "figure must be a figure of matplotlib, received None"),
        (dict(alt=3), TypeError, "alt must be text, received 3"),
        (dict(alt=" "), ValueError, "alt must state in words what the figure shows, received an"),
    ],
}


@pytest.mark.parametrize(
    ("name", "row"),
    [(name, row) for name, rows in REFUSED.items() for row in rows],
    ids=lambda part: part if isinstance(part, str) else part[2][:70],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(name: str, row: Row) -> None:
    changed, error, message = row
    found = sentence(error, lambda: getattr(plots, name)(**{**DRAWN[name], **changed}))
    assert found.startswith(message) and "received" in found


def test_a_schedule_with_a_negative_or_endless_rate_is_refused() -> None:
    def falling(rate: float) -> Any:
        return ExponentialDecay(rate, 1, 10.0)

    for rate, told in ((-0.5, "-0.5"), (1.0, "inf")):
        given = dict(schedules={"a": falling(rate)}, steps_per_epoch=50, epochs=1)
        message = f"rates of 'a' must be finite numbers of at least 0, received {told}"
        assert sentence(ValueError, lambda: plots.schedule(**given)) == message  # noqa: B023


def test_each_parameter_of_each_figure_has_a_bad_argument_above() -> None:
    public = {n for n, f in vars(plots).items() if inspect.isfunction(f) and n[0] != "_"}
    assert {name for name in public if getattr(plots, name).__module__ == plots.__name__} == {
        *REFUSED
    }
    for name, rows in REFUSED.items():
        assert without_a_row(getattr(plots, name), rows) == []
        getattr(plots, name)(**DRAWN[name])


def test_numpy_s_numbers_and_tuples_are_drawn_too() -> None:
    plots.subplots(np.int64(1), np.int32(2), height=np.float32(2))
    plots.loss_by_epoch({"a": [np.ones((1, 2)), ((1, 2),)]}, chance=np.float64(2), top=np.int64(3))
    plots.schedule({"a": np.float32(0.1)}, steps_per_epoch=np.int64(3), epochs=np.uint8(2))
