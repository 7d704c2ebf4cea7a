"""The schedule explorer in a browser: it draws its rates, and everybody can use it.

That they are those of the package is said by `test_explorer_rates.py`.
"""

import contextlib
import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrguide import plots
from lrguide.checks import rates_at

pytest.importorskip("playwright", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from sites import HOOK, REPOSITORY, Quiet, Site, served
from test_explorer_rates import schedule_of

ASSETS = HOOK / "theme" / "assets"
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
DECAYS = (
    "linear constant step_decay inverse_time compounding_time exponential cosine "
    "warmup_stable_decay polynomial inverse_sqrt"
)
RUN = 'data-epochs="4" data-steps-per-epoch="10" data-fall="1"'
PAGES = {
    "index.md": "# Plain\n\n[Decay](decay.py), [cyclical](cyclical.md), [wrong](wrong.md)\n",
    "decay.py": f"""\
# ---
# title: Decay
# description: An explorer in the place of a static figure.
# ---

# %% [markdown]
# # Decay
#
# <div class="lr-explorer" data-schedules="{DECAYS}" {RUN} markdown>

# %% tags=["hide-input"]
from lrguide.guide.pages import Shown, show

svg = '<svg role="img" aria-label="The static figure" viewBox="0 0 9 9"></svg>'
show(Shown(f'<figure class="lr-figure">{{svg}}</figure>', "", {{}}))

# %% [markdown]
# </div>
#
# Prose after it.
""",
    "cyclical.md": """\
# Cyclical

<div class="lr-explorer" data-schedules="triangular triangular2 exp_range restarts one_cycle"></div>

<div class="lr-explorer" data-schedules="cosine" data-keep="linear exponential"></div>
""",
    "wrong.md": '# Wrong\n\n<div class="lr-explorer" data-schedules="cosin">Static</div>\n',
}
# The explorers of the guide itself, as its pages have them.
PAGES["guide.md"] = "# Guide\n\n" + "\n\n".join(
    re.sub("^# ", "", line)
    for page in sorted((REPOSITORY / "docs").glob("*.py"))
    for line in page.read_text(encoding="utf-8").splitlines()
    if line.startswith('# <div class="lr-explorer"')
)


@contextlib.contextmanager
def shown(folder: Path, settings: str = "", pages: Mapping[str, str] = PAGES) -> Iterator[str]:
    """A small site with the guide's settings and perhaps some more; gives its address."""
    site = Site(folder, pages, package={})
    (folder / "lrguide").mkdir()
    with served(folder / "site", Quiet) as url:
        path = folder / "mkdocs.yml"
        path.write_text(path.read_text(encoding="utf-8") + settings.format(url=url))
        built = site.build()
        assert built.returncode == 0, built.stderr
        yield url


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shown(tmp_path_factory.mktemp("site")) as address:
        yield address


Open = Callable[..., Page]


@contextlib.contextmanager
def visiting(browser: Browser, url: str) -> Iterator[Open]:
    """Opens pages of the site; at the end none may have erred or asked anybody else."""
    contexts, errors, foreign = [], [], []

    def open_page(name: str = "decay/", **options: Any) -> Page:
        context = browser.new_context(
            **{"permissions": ["clipboard-read", "clipboard-write"], **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request", lambda r: None if r.url.startswith((url, "data:")) else foreign.append(r.url)
        )
        page.goto(url + name)
        if options.get("java_script_enabled", True):
            page.locator(".lr-stage svg").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert foreign == []


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Open]:
    with visiting(browser, url) as open_page:
        yield open_page


@pytest.fixture
def page(visit: Open) -> Page:
    return visit()


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    """One page for tests that leave it as it was."""
    with visiting(browser, url) as open_page:
        yield open_page()


def explorer(page: Page, number: int = 0) -> Locator:
    return page.locator(".lr-explorer").nth(number)


def choose(page: Page, name: str) -> None:
    explorer(page).get_by_role("radio", name=name, exact=True).check(force=True)


def field(page: Page, label: str) -> Locator:
    return explorer(page).get_by_role("textbox", name=label, exact=True)


def curve(page: Page, number: int = 0) -> str:
    return explorer(page).locator(f".lr-stage .lr-{number}.lr-curve").get_attribute("d") or ""


def copied_code(page: Page) -> str:
    """What the copy button gives."""
    page.evaluate("navigator.clipboard.writeText('')")
    explorer(page).get_by_role("button", name="Copy to clipboard").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()) !== ''")
    return str(page.evaluate("navigator.clipboard.readText()"))


class TestItsRates:
    @pytest.mark.parametrize("alone", [False, True], ids=["lrguide", "Keras alone"])
    @pytest.mark.parametrize("scale", ["linear", "log"])
    def test_are_drawn_where_the_code_that_can_be_copied_says(
        self, page: Page, scale: str, alone: bool
    ) -> None:
        choose(page, "cosine")
        field(page, "End rate").fill("0.002")
        field(page, "Epochs of warmup").fill("1.5")
        explorer(page).get_by_label("logarithmic axis").set_checked(scale == "log")
        explorer(page).get_by_label("without lrguide").set_checked(alone)
        expected = rates_at(schedule_of(copied_code(page)), range(40))

        heights = [float(y) for y in re.findall(r"V([\d.]+)", curve(page))]
        ticks = explorer(page).locator(".lr-stage text[text-anchor=end]").all()[:-1]
        marks = {
            float(tick.text_content() or ""): float(tick.get_attribute("y") or "") - 4
            for tick in ticks
        }
        assert len(marks) > 2
        measure = np.log if scale == "log" else np.asarray
        slope, zero = np.polyfit(measure(list(marks)), list(marks.values()), 1)
        drawn = slope * measure(expected) + zero
        np.testing.assert_allclose(heights, drawn, atol=0.2)  # pixels

    def test_are_told_for_the_step_that_is_pointed_at(self, page: Page) -> None:
        stage, where = explorer(page).locator(".lr-stage"), explorer(page).locator(".lr-where")
        box = stage.bounding_box()
        assert box
        stage.hover(position={"x": 52 + (box["width"] - 60) * 25.5 / 40, "y": 80})
        expect(where).to_have_text("Rate during step 25 (epoch 2, step 5)")
        rate = float(explorer(page).locator(".lr-legend strong").inner_text())
        assert rate == pytest.approx(0.1 * (1 - 25 / 40), rel=1e-3)

    def test_lose_no_peak_where_a_pixel_holds_many_steps(self, visit: Open) -> None:
        page = visit("cyclical/", viewport={"width": 390, "height": 900})
        field(page, "Epochs").fill("100")
        field(page, "Steps in an epoch").fill("1000")
        field(page, "Epochs in half a cycle").fill("0.003")
        heights = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", curve(page))]
        top, bottom = min(heights), max(heights)
        assert heights.count(top) > 250 and heights.count(bottom) > 250
        assert len(heights) < 2000


class TestAField:
    @pytest.mark.parametrize(
        ("label", "text", "sentence"),
        [
            ("Initial rate", "", "a number above 0, at most 1000, received nothing."),
            ("Initial rate", "-1", "a number above 0, at most 1000, received -1."),
            ("Initial rate", "0", "a number above 0, at most 1000, received 0."),
            ("Initial rate", "1e9", "a number above 0, at most 1000, received 1e9."),
            ("Initial rate", "NaN", "a number above 0, at most 1000, received NaN."),
            ("End rate", "0.2", "a number from 0 to 0.1, received 0.2."),
            ("End rate", "<b>x</b>", "a number from 0 to 0.1, received <b>x</b>."),
            ("Epochs", "2.5", "a whole number from 1 to 50000, received 2.5."),
            ("Epochs", "1e7", "a whole number from 1 to 50000, received 1e7."),
            ("Steps in an epoch", "0", "a whole number from 1 to 125000, received 0."),
            ("Epochs of warmup", "4", "a number from 0 to 3.9, received 4."),
        ],
    )
    def test_refuses_nonsense_in_a_sentence_and_the_last_curve_stays(
        self, shared: Page, label: str, text: str, sentence: str
    ) -> None:
        page = shared
        before, code = curve(page), explorer(page).locator("code").inner_text()
        place = field(page, label)
        good = place.input_value()
        place.fill(text)
        expect(place).to_have_accessible_description(f"{label} must be {sentence}")
        expect(place).to_have_attribute("aria-invalid", "true")
        assert curve(page) == before
        assert explorer(page).locator("code").inner_text() == code
        place.fill("0.05" if label == "End rate" else "1")
        expect(place).to_have_accessible_description("")
        expect(place).to_have_attribute("aria-invalid", "false")
        assert explorer(page).locator("code").inner_text() != code
        place.fill(good)
        assert curve(page) == before

    def test_says_when_a_run_is_too_short_for_its_parts(self, page: Page) -> None:
        choose(page, "warmup, stable, decay")
        field(page, "Epochs of warmup").fill("0.01")
        expect(field(page, "Epochs of warmup")).to_have_accessible_description(
            "Epochs of warmup must be a number from one step (0.1) to 3.8, received 0.01."
        )
        field(page, "Epochs of warmup").fill("1")
        field(page, "Steps in an epoch").fill("1")
        field(page, "Epochs").fill("2")
        expect(field(page, "Epochs of warmup")).to_have_accessible_description(
            "Epochs of warmup: so short a run has no room for it."
        )

    def test_takes_a_comma_for_a_point(self, page: Page) -> None:
        field(page, "Initial rate").fill("0,25")
        expect(explorer(page).locator("code")).to_contain_text("lrguide.linear(0.25, ")

    def test_is_shown_for_the_schedules_that_have_it(self, page: Page) -> None:
        expect(field(page, "Factor of a drop")).to_be_hidden()
        choose(page, "step")
        expect(field(page, "Factor of a drop")).to_be_visible()
        expect(field(page, "End rate")).to_be_hidden()


class TestComparing:
    def test_keeps_up_to_four_curves_and_lets_them_go(self, page: Page) -> None:
        keep = explorer(page).get_by_role("button", name="Keep this curve")
        for number, name in enumerate(["linear", "constant", "inverse time", "cosine"], start=1):
            choose(page, name)
            shape = curve(page)
            keep.click()
            expect(keep).to_be_disabled()  # nothing new to keep
            assert curve(page, number) == shape
        choose(page, "exponential")
        expect(keep).to_be_disabled()  # there are no more colours
        assert len({curve(page, number) for number in range(5)}) == 5
        explorer(page).get_by_role("button", name="Remove constant").click()
        expect(explorer(page).locator(".lr-legend li")).to_have_count(4)
        expect(keep).to_be_focused()

    def test_tells_the_rates_of_all_at_one_time(self, page: Page) -> None:
        explorer(page).get_by_role("button", name="Keep this curve").click()
        field(page, "Steps in an epoch").fill("20")
        explorer(page).get_by_role("slider", name="Step at which").fill("21")  # epoch 1.05
        told = explorer(page).locator(".lr-legend strong").all_inner_texts()
        assert [float(rate) for rate in told] == pytest.approx([0.07375, 0.075])
        expect(explorer(page).locator(".lr-legend li").nth(1)).to_contain_text(
            "linear: from 0.1, to 0; 4 epochs of 10 steps"
        )

    def test_can_start_with_curves_that_the_page_names(self, visit: Open) -> None:
        legend = explorer(visit("cyclical/"), 1).locator(".lr-legend li > span")
        assert [text.split(":")[0] for text in legend.all_inner_texts()] == [
            "cosine",
            "linear",
            "exponential",
        ]


class TestEverybody:
    @pytest.mark.parametrize(("scheme", "width"), VIEWS)
    def test_can_use_it_also_when_something_is_wrong(
        self, visit: Open, scheme: str, width: int
    ) -> None:
        page = visit(color_scheme=scheme, viewport={"width": width, "height": 900})
        for name in ("cosine", "step", "inverse time", "exponential"):
            choose(page, name)
            explorer(page).get_by_role("button", name="Keep this curve").click()
        field(page, "Initial rate").fill("-1")
        field(page, "Initial rate").blur()
        expect(explorer(page)).to_contain_text("above 0, at most 1000, received -1.")
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        picture = explorer(page).locator(".lr-stage svg").bounding_box()
        assert picture and picture["width"] > 300 and picture["height"] > 200

    @pytest.mark.parametrize(("scheme", "width"), VIEWS)
    def test_can_use_the_cycles(self, visit: Open, scheme: str, width: int) -> None:
        page = visit("cyclical/", color_scheme=scheme, viewport={"width": width, "height": 900})
        choose(page, "1cycle")
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

    def test_reaches_all_by_the_keyboard(self, page: Page) -> None:
        first = curve(page)
        explorer(page).get_by_role("radio").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(explorer(page).get_by_role("radio", name="step", exact=True)).to_be_checked()
        second = curve(page)
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        expect(explorer(page).locator(".lr-where")).to_have_text(
            "Rate during step 1 (epoch 0, step 1)"
        )
        page.keyboard.press("Tab")
        page.keyboard.press("Space")  # the logarithmic axis
        third = curve(page)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # keeps the curve
        expect(explorer(page).locator(".lr-legend li")).to_have_count(2)
        keys = {}
        for _ in range(20):
            page.keyboard.press("Tab")
            name, kind = page.evaluate(
                """() => { const e = document.activeElement
                return [e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.title, e.type] }"""
            )
            keys[name] = kind
            if name == "Initial rate, slider":
                page.keyboard.press("ArrowRight")
        assert {
            "Epochs": "text",
            "Epochs, slider": "range",
            "Initial rate": "text",
            "without lrguide": "checkbox",
            "Copy to clipboard": "button",
        }.items() <= {name.split(":")[0]: kind for name, kind in keys.items() if name}.items()
        expect(field(page, "Initial rate")).to_have_value("0.12")
        assert len({first, second, third, curve(page)}) == 4

    def test_hears_first_last_and_highest_rate(self, page: Page) -> None:
        choose(page, "warmup, stable, decay")
        expect(explorer(page).get_by_role("img")).to_have_accessible_name(
            "warmup, stable, decay: up to 0.1, warmup 2, decay 1, to 0; 4 epochs of 10 steps. "
            "First rate 0.004762, last 0.01, highest 0.1 in epoch 2."
        )

    def test_hears_one_sentence_after_many_changes(self, page: Page) -> None:
        page.evaluate(
            """() => { globalThis.said = []
            const place = document.querySelector(".lr-spoken")
            const hear = new MutationObserver(() => said.push(place.textContent))
            hear.observe(place, {childList: true}) }"""
        )
        slider = explorer(page).get_by_role("slider", name="Initial rate")
        slider.focus()
        for _ in range(7):
            page.keyboard.press("ArrowLeft")
        explorer(page).get_by_role("slider", name="Step at which").press("ArrowRight")
        page.wait_for_timeout(1500)
        assert page.evaluate("said") == [
            "linear: from 0.02, to 0; 4 epochs of 10 steps. "
            "First rate 0.02, last 0.0005, highest 0.02 in epoch 0."
        ]

    def test_hears_the_value_of_a_slider(self, page: Page) -> None:
        slider = explorer(page).get_by_role("slider", name="Initial rate")
        slider.press("ArrowLeft")
        expect(slider).to_have_attribute("aria-valuetext", "0.08")
        step = explorer(page).get_by_role("slider", name="Step at which")
        step.fill("12")
        expect(step).to_have_attribute("aria-valuetext", "step 12 (epoch 1, step 2): rate 0.056")

    def test_sees_the_static_figure_without_javascript(self, visit: Open) -> None:
        page = visit(java_script_enabled=False)
        expect(explorer(page).get_by_role("img", name="The static figure")).to_be_visible()
        expect(explorer(page).locator("input")).to_have_count(0)
        expect(page.get_by_text("Prose after it.")).to_be_visible()

    def test_sees_the_instrument_in_place_of_the_static_figure(self, page: Page) -> None:
        expect(page.get_by_role("img", name="The static figure")).to_have_count(0)
        expect(explorer(page).get_by_role("img")).to_have_count(1)
        expect(explorer(page).get_by_text("Prose after it.")).to_have_count(0)

    def test_who_asked_for_less_motion_sees_none(self, visit: Open) -> None:
        page = visit(reduced_motion="reduce")
        field(page, "Initial rate").fill("0.2")
        assert page.evaluate("document.getAnimations().length") == 0


class TestItsFiles:
    def test_are_loaded_only_where_they_are_needed(self, browser: Browser, url: str) -> None:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
        page.goto(url, wait_until="networkidle")
        assert "explorer.js" not in asked
        page.goto(url + "decay/", wait_until="networkidle")
        assert {"explorer.js", "schedules.js"} <= set(asked)
        page.close()

    def test_are_small(self) -> None:
        scripts = [(ASSETS / name).read_bytes() for name in ("explorer.js", "schedules.js")]
        assert sum(len(gzip.compress(script)) for script in scripts) < 10_000
        assert len(gzip.compress((ASSETS / "explorer.css").read_bytes())) < 2_000

    def test_have_the_colours_of_the_figures(self) -> None:
        style = (ASSETS / "explorer.css").read_text(encoding="utf-8")
        colours = re.findall(r"--lr-\d: ([^;]*);", style.split("}")[0])
        assert colours == [*plots.COLOURS[:-1], "currentColor"]

    def test_work_with_instant_navigation(self, browser: Browser, tmp_path: Path) -> None:
        settings = "site_url: {url}\ntheme: {{features: [navigation.instant, content.code.copy]}}\n"
        with shown(tmp_path, settings) as url:
            page = browser.new_page()
            page.goto(url, wait_until="networkidle")
            page.evaluate("globalThis.still = true")
            for _ in range(2):
                page.locator("article").get_by_role("link", name="Decay").click()
                field(page, "Initial rate").fill("0.3")
                expect(explorer(page).locator("code")).to_contain_text("0.3")
                expect(page.locator(".lr-stage")).to_have_count(1)
                page.go_back()
                expect(page.locator("h1")).to_have_text(re.compile("Plain"))
            assert page.evaluate("still")
            page.close()

    def test_work_as_the_pages_of_the_guide_ask_for_them(self, visit: Open) -> None:
        page = visit("guide/")
        asked = PAGES["guide.md"].count("lr-explorer")
        assert asked >= 2, "decay and cyclical"
        expect(page.locator(".lr-stage svg")).to_have_count(asked)
        for number in range(asked):
            for choice in explorer(page, number).get_by_role("radio").all():
                choice.check(force=True)
                expect(explorer(page, number).locator("code")).to_contain_text("schedule = ")

    def test_name_a_mistake_of_the_page_and_leave_it_as_it_is(
        self, browser: Browser, url: str
    ) -> None:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url + "wrong/", wait_until="networkidle")
        assert ["cosin" in error for error in errors] == [True]
        expect(explorer(page)).to_have_text("Static")
        page.close()
