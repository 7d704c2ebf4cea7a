"""The pictures of why a rate is too high, in a browser: they compute as Keras does."""

import re
from collections.abc import Iterator
from typing import Any

import keras
import pytest

import lrguide

pytest.importorskip("playwright", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from test_explorer import VIEWS, Open, shown, visiting

NAMES = ("step", "undone", "warmup")
PAGES = {
    "index.md": "# Start\n",
    "why.md": "# Why\n\n"
    + "".join(
        f'<div class="lr-why" data-picture="{name}" markdown>\n\nStatic\n\n</div>\n\n'
        for name in NAMES
    ),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shown(tmp_path_factory.mktemp("site"), pages=PAGES) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Open]:
    with visiting(browser, url) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    """One page for tests that need none of their own."""
    with visiting(browser, url) as open_page:
        yield open_page("why/")


def computed(page: Page, call: str) -> Any:
    return page.evaluate(f"async () => (await import('/assets/why.js')).{call}")


@pytest.mark.parametrize(
    ("rate", "gradient"), [(0.01, 100.0), (1.0, 1e-4), (1e-4, 1e4), (0.1, 1e-7)]
)
def test_a_step_is_as_long_as_keras_own(shared: Page, rate: float, gradient: float) -> None:
    found = computed(shared, f"steps({rate}, {gradient})")
    for name, optimizer in (("SGD", keras.optimizers.SGD), ("Adam", keras.optimizers.Adam)):
        weight = keras.Variable(0.0)
        optimizer(rate).apply([keras.ops.convert_to_tensor(gradient)], [weight])
        assert found[name] == pytest.approx(-float(weight), rel=2e-4)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("rate", [0.3, 0.6, 0.7])
def test_the_unit_learns_as_it_does_in_keras(
    shared: Page, rate: float, warmup: int, rectified: bool
) -> None:
    x = keras.ops.reshape(keras.ops.linspace(0.0, 1.0, 21), (21, 1))
    bias = keras.initializers.Constant(0.5)
    layer = keras.layers.Dense(1, "relu" if rectified else "linear", True, "ones", bias)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(lrguide.warmup(rate, warmup) if warmup else rate), "mse")
    fitted = model.fit(x, 0.1 + 0.3 * x, batch_size=21, epochs=40, verbose=0).history["loss"]
    options = f"{{ warmup: {warmup}, rectified: {str(rectified).lower()} }}"
    seen = computed(shared, f"unit({rate}, {options})")
    # Keras computes in float32, so that what is nearly 0 has no digits there.
    assert [each["loss"] for each in seen[:-1]] == pytest.approx(fitted, rel=1e-3, abs=1e-6)


def group(page: Page, place: int) -> Any:
    return page.locator(".lr-why").nth(place)


def move(page: Page, place: int, label: str, key: str) -> None:
    group(page, place).get_by_role("slider", name=label).focus()
    page.keyboard.press(key)


def test_the_keyboard_moves_a_picture_and_a_screen_reader_is_told(visit: Open) -> None:
    page = visit("why/")
    move(page, 0, "Gradient", "End")
    words = "Gradient 10000, rate 0.01: SGD moves the weight by 100, Adam's first step by 0.01."
    expect(group(page, 0).locator(".lr-where")).to_have_text(words)
    expect(group(page, 0).locator("[aria-live]")).to_have_text(words)
    expect(group(page, 0).get_by_role("slider", name="Gradient")).to_have_attribute(
        "aria-valuetext", "10000"
    )


def test_the_unit_dies_between_two_stops_and_the_one_without_relu_does_not(visit: Open) -> None:
    page = visit("why/")
    said = group(page, 1).locator(".lr-where")
    expect(said).to_contain_text("after one step the unit answers 0 % of its inputs")
    dead, free = re.findall(r"(?<=is )[\d.e-]+(?=[;.](?:\s|$))", said.inner_text())
    assert float(dead) > 0.05 and float(free) < 1e-5
    move(page, 1, "Learning rate", "ArrowLeft")
    expect(said).to_contain_text("Rate 0.65: after one step the unit answers 0 %")
    move(page, 1, "Learning rate", "ArrowLeft")
    expect(said).to_contain_text("Rate 0.6:")
    expect(said).not_to_contain_text("answers 0 %")


def test_a_warmup_of_ten_steps_saves_the_unit_and_none_does_not(visit: Open) -> None:
    page = visit("why/")
    said = group(page, 2).locator(".lr-where")
    expect(said).to_contain_text("10 steps of warmup: after one step the unit answers 100 %")
    move(page, 2, "Steps of warmup", "Home")
    expect(said).to_contain_text("0 steps of warmup: after one step the unit answers 0 %")


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_axe_finds_nothing_and_nothing_is_cut_off(visit: Open, scheme: str, width: int) -> None:
    page = visit("why/", color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(page.locator(".lr-why svg[width]")).not_to_have_count(0)
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_page_has_its_static_pictures(visit: Open) -> None:
    page = visit("why/", java_script_enabled=False)
    expect(page.locator(".lr-why")).to_have_text(["Static"] * len(NAMES))
