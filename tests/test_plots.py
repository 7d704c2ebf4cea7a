"""Figures as SVG: they follow the page, and are legible for every colour vision."""

import re

import pytest
from matplotlib.figure import Figure

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
