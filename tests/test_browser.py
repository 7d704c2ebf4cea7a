"""The real site in a real browser: light and dark, on a desktop and on a telephone."""

import base64
import gzip
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib import get_data_path
from sites import Quiet, served

pytest.importorskip("playwright", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "docs" / "site"), str(REPOSITORY / ".ci")]
from lighthouse import Compressing  # noqa: E402
from page_notes import running  # noqa: E402
from page_results import Running  # noqa: E402

SCRIPTS = sorted(path.stem for path in (REPOSITORY / "docs").glob("*.py"))
WORDS = ["translate", "snippets", "glossary", "changelog", "questions", "explorer", "backends"]
REFERENCE = ["reference", "reference/schedules", "reference/range_test"]
PAGES = [*SCRIPTS, *WORDS, *REFERENCE, "fixed_rates-numbers"]
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
# Two pages are looked at in each view. Each other page is looked at in two views that between them
# have both schemes and both widths.
LOOKS = [
    (page, *view)
    for page in PAGES
    for view in (VIEWS if page in ("index", "decay") else (VIEWS[0], VIEWS[-1]))
]


def address(page: str) -> str:
    if page.endswith("-numbers"):
        return f"{page.removesuffix('-numbers')}/{page}.html"
    return "" if page == "index" else f"{page}/"


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with served(site, Quiet) as url:
        yield url


@dataclass(frozen=True)
class View:
    """A page as it is after loading, and what went wrong on the way."""

    name: str
    page: Page
    errors: list[str]
    foreign: list[str]


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[tuple[str, int], BrowserContext]]:
    """A browser's profile for each view."""
    made = {
        (scheme, width): browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        for scheme, width in VIEWS
    }
    yield made
    for context in made.values():
        context.close()


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: "-".join(map(str, look)))
def view(
    request: pytest.FixtureRequest, contexts: dict[tuple[str, int], BrowserContext], url: str
) -> Iterator[View]:
    name, *look = request.param
    page, errors, foreign = contexts[tuple(look)].new_page(), [], []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith((url, "data:")) else foreign.append(r.url)
    )
    page.goto(url + address(name), wait_until="networkidle")
    yield View(name, page, errors, foreign)
    page.close()


def test_loads_without_errors_and_asks_nobody_else(view: View) -> None:
    assert view.errors == []
    assert view.foreign == []


def test_is_no_wider_than_the_screen_even_magnified(view: View) -> None:
    size = view.page.viewport_size
    assert size
    # 640 pixels are the desktop's page at 200 %, and 320 the least width that WCAG asks for.
    for width in (size["width"], 640 if size["width"] == 1280 else 320):
        view.page.set_viewport_size({"width": width, "height": size["height"]})
        over = view.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0, width
    view.page.set_viewport_size(size)


def test_code_fits_its_column_and_where_it_cannot_shows_that_it_goes_on(view: View) -> None:
    wide = view.page.evaluate(
        """[...document.querySelectorAll("pre > code")]
        .filter((code) => code.scrollWidth > code.clientWidth)
        .map((code) => [code.innerText.slice(0, 60), getComputedStyle(code).backgroundImage])"""
    )
    if view.page.viewport_size == {"width": 1280, "height": 900}:
        assert wide == []
    assert [code for code, background in wide if "gradient" not in background] == []


def font(width: float) -> bytes:
    """A font of which each character is so many em wide: the one that matplotlib brings, scaled.

    Liberation Mono has 0.6, DejaVu Sans Mono, which this is, 0.602, SF Mono 0.62.
    """
    data = bytearray(Path(get_data_path(), "fonts/ttf/DejaVuSansMono.ttf").read_bytes())
    (head,) = struct.unpack_from(">I", data, data.index(b"head") + 8)
    assert struct.unpack_from(">H", data, head + 18) == (2048,), "its units in an em"
    struct.pack_into(">H", data, head + 18, round(2048 * 0.602 / width))
    return bytes(data)


@pytest.mark.parametrize("name", ["snippets", "index"])
@pytest.mark.parametrize("width", [0.55, 0.602, 0.62])
def test_code_fits_its_column_in_a_narrow_and_in_a_wide_font(
    browser: Browser, url: str, name: str, width: float
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(url + address(name), wait_until="networkidle")
    page.add_style_tag(
        content="@font-face { font-family: brought;"
        f" src: url(data:font/ttf;base64,{base64.b64encode(font(width)).decode()}) }}"
        " .md-typeset pre > code { font-family: brought !important }"
    )
    assert page.evaluate("document.fonts.load('16px brought').then((loaded) => loaded.length)") == 1
    wide = page.evaluate(
        """[...document.querySelectorAll("pre > code")]
        .filter((code) => code.scrollWidth > code.clientWidth).map((code) => code.innerText)"""
    )
    assert wide == []
    context.close()


def test_can_be_used_by_everybody(view: View) -> None:
    report = Axe().run(view.page)
    assert report.violations_count == 0, report.generate_report()


@pytest.mark.parametrize("view", [("decay", *view) for view in VIEWS], indirect=True)
def test_that_a_page_is_being_run_is_said_wherever_its_reader_is(view: View) -> None:
    notice = running(Running(Path("page.py"), "its key"))
    view.page.evaluate(
        "notice => document.querySelector('article').insertAdjacentHTML('afterbegin', notice)",
        notice,
    )
    view.page.evaluate("scrollTo(0, 0.6 * document.documentElement.scrollHeight)")
    status = view.page.get_by_role("status").filter(has_text="This page is being run")
    box, header = status.bounding_box(), view.page.locator(".md-header").bounding_box()
    assert box and header
    assert header["height"] <= box["y"] and box["y"] + box["height"] < 300
    assert status.evaluate(
        "(s, [x, y]) => s.contains(document.elementFromPoint(x, y))",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    ), "something lies upon it"
    assert status.evaluate("s => getComputedStyle(s).backgroundColor").startswith("rgb(")
    assert Axe().run(view.page).violations_count == 0
    status.evaluate("s => s.remove()")


def test_the_colours_are_those_asked_for(view: View) -> None:
    dark = view.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    background = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness < 60 if dark else brightness > 200


def test_figures_hold_data_and_say_what_they_show(view: View) -> None:
    figures = view.page.locator(".lr-figure svg")
    assert (figures.count() > 0) == (view.name in SCRIPTS)
    for figure in figures.all():
        assert figure.locator("path").count() > 10
        assert len(figure.get_attribute("aria-label") or "") > 40
        box = figure.bounding_box()
        assert box and box["width"] > 300 and box["height"] > 150


def test_the_copy_button_copies_the_code(browser: Browser, url: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    block = page.locator(".highlight:has(.md-code__button, .md-clipboard):visible").last
    block.hover()
    block.locator(".md-code__button, .md-clipboard").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    code = block.locator("code").inner_text()
    assert copied.strip() == code.strip() != ""
    context.close()


def test_a_term_explains_itself_to_keyboard_and_mouse_and_leads_to_the_glossary(
    browser: Browser, url: str
) -> None:
    page = browser.new_page()
    page.goto(url, wait_until="networkidle")
    term = page.locator("a.lr-term").first
    sentence = term.get_attribute("title") or ""  # the theme's script removes it later
    for reach in (term.focus, term.hover):
        reach()
        page.locator(".md-tooltip2", has_text=sentence).wait_for(timeout=5_000)
    term.click()
    page.wait_for_url("**/glossary/#*")
    assert page.locator(f"dt[id='{page.url.split('#')[1]}']").is_visible()
    page.close()


STOP = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect()
  // A hidden input is marked at its label.
  const hidden = at.matches(".md-option, [type=radio]")
  const style = getComputedStyle(hidden ? at.nextElementSibling : at)
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
  return {
    what: at.outerHTML.slice(0, 90) + box.x + "," + box.y,
    shown: box.bottom > 0 && box.top < innerHeight && style.visibility === "visible",
    marked: outlined || at.matches(".md-search__input, .md-skip"),
  }
}"""


@pytest.mark.parametrize(
    ("name", "start", "stops", "among_them"),
    [
        ("fixed_rates", ".md-skip", 60, ["The numbers of figure 1", "md-code__button"]),
        ("decay", ".lr-explorer input", 20, ['type="radio"', 'type="range"', "<button"]),
    ],
)
def test_every_stop_of_the_tab_key_can_be_seen(
    browser: Browser, url: str, name: str, start: str, stops: int, among_them: list[str]
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url + address(name), wait_until="networkidle")
    page.locator(start).first.focus()
    seen = []
    for _ in range(stops):
        stop = page.evaluate(STOP)
        assert stop["shown"] and stop["marked"], stop
        seen.append(stop["what"])
        page.keyboard.press("Tab")
    assert len(set(seen)) == stops
    assert all(part in "".join(seen) for part in among_them)
    page.close()


def test_nothing_moves_where_less_motion_is_asked_for(browser: Browser, url: str) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    for act in (
        page.locator("article a").first.hover,
        page.locator(".md-search__input").first.click,
    ):
        act()
        assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    context.close()


def test_on_paper_there_is_the_text_and_all_of_its_code(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 700, "height": 1000})
    page.goto(f"{url}fixed_rates/", wait_until="networkidle")
    page.emulate_media(media="print")
    for gone in (".md-header", ".md-sidebar--primary", ".md-footer", ".headerlink", ".md-top"):
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator(".lr-figure svg").first.is_visible()
    assert page.locator("article").inner_text().count("measured(") > 2
    cut = page.evaluate(
        """[...document.querySelectorAll("pre > code, .md-typeset__scrollwrap")]
        .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.innerText)"""
    )
    assert cut == []
    page.close()


def test_can_be_read_without_javascript(browser: Browser, url: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{url}fixed_rates/")
    assert len(page.locator("article").inner_text()) > 5000
    assert page.locator(".lr-figure svg").first.is_visible()
    page.locator(".md-header label[for=__drawer]").click()
    drawer = page.locator(".md-nav--primary")
    drawer.locator("label.md-nav__title", has_text=re.compile(r"^\s*Learn\s*$")).click()  # back
    drawer.locator("label.md-nav__link", has_text="Reference").click()
    drawer.get_by_role("link", name="Glossary").click()
    page.wait_for_url("**/glossary/")
    context.close()


def test_a_first_visit_is_light_and_the_next_page_lighter(browser: Browser, site: Path) -> None:
    """Bytes are counted as a host sends them that compresses; the browser keeps what it has."""
    sent: list[int] = []

    class Counting(Compressing):
        def send_header(self, keyword: str, value: str) -> None:
            if keyword == "Content-Length":
                sent.append(int(value))
            super().send_header(keyword, value)

    context = browser.new_context()
    page = context.new_page()
    with served(site, Counting) as url:
        # The front page; one with an explorer; the largest.
        for name, most in (("index", 300_000), ("decay", 60_000), ("choosing", 60_000)):
            sent.clear()
            with page.expect_response("**/search_index.json"):  # comes last
                page.goto(url + address(name), wait_until="networkidle")
            page.wait_for_load_state("networkidle")
            assert 10_000 < sum(sent) < most, name
    context.close()


def test_what_a_row_is_about_stays_in_sight_on_a_telephone(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}method/", wait_until="networkidle")
    wrap = page.locator(".md-typeset__scrollwrap").first
    assert wrap.evaluate("wrap => (wrap.scrollLeft = 1000, wrap.scrollLeft)") > 100
    name, cost = (wrap.locator("tbody tr").first.locator("td").nth(n) for n in (0, -1))
    left, right = name.bounding_box(), cost.bounding_box()
    assert left and right
    assert (
        0 <= left["x"] < left["x"] + left["width"] < right["x"] < right["x"] + right["width"] <= 390
    )
    page.close()


def test_choosing_a_library_once_chooses_it_everywhere(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}translate/", wait_until="networkidle")
    linear, cosine = (
        page.get_by_text(f"optax.{name}_schedule(") for name in ("linear", "cosine_decay")
    )
    assert not linear.first.is_visible()
    page.locator("label", has_text="Optax").first.click()
    linear.first.wait_for(timeout=5_000)
    assert cosine.first.is_visible()
    page.close()


# What a page may load and run.

REFUSALS = """addEventListener("securitypolicyviolation",
  (event) => (window.refused ??= []).push(event.effectiveDirective + " " + event.blockedURI))"""


def refused(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.refused ?? []")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_that_moves_on_a_page_is_allowed_to(browser: Browser, url: str, scheme: str) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.add_init_script(REFUSALS)
    page = context.new_page()
    page.goto(f"{url}decay/", wait_until="networkidle")
    explorer = page.locator(".lr-explorer").first
    explorer.locator("input[type=radio]").nth(1).check(force=True)
    explorer.locator("input[type=range]").first.press("ArrowRight")
    assert explorer.locator(".lr-curve").count() > 0
    page.locator(".highlight .md-code__button").first.click()
    assert page.evaluate("navigator.clipboard.readText()")
    page.locator("a.lr-term").first.hover()
    page.locator(".md-tooltip2").first.wait_for(timeout=5_000)
    colours = set()
    for _ in range(3):
        page.locator("label[for^=__palette]:visible").click()
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
    page.locator(".md-search__input").first.click()
    page.keyboard.type("warmup")
    page.locator(".md-search-result__link").first.wait_for(timeout=15_000)
    assert refused(page) == []
    page.goto(f"{url}translate/", wait_until="networkidle")
    page.locator("label", has_text="Optax").first.click()
    page.reload(wait_until="networkidle")  # an inline script of the theme's remembers the choice
    assert page.get_by_text("optax.linear_schedule(").first.is_visible()
    assert refused(page) == []
    context.close()


def test_what_was_slipped_into_a_page_neither_runs_nor_asks_another_host(
    browser: Browser, site: Path
) -> None:
    slipped = (
        "<script>window.ran = 1</script><p id=in onclick='window.ran = 2'>in</p>"
        "<script src='https://example.org/a.js'></script><style>body { color: red }</style>"
        "<img src='https://example.org/a.png' onerror='window.ran = 3'>"
        "<iframe src='https://example.org/'></iframe><base href='https://example.org/'>"
    )

    class Slipping(Quiet):
        def do_GET(self) -> None:
            if not self.path.endswith("/"):
                return super().do_GET()
            page = (site / self.path[1:] / "index.html").read_text(encoding="utf-8")
            sent = page.replace("</article>", f"{slipped}</article>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(sent)
            return None

    context = browser.new_context()
    context.add_init_script(REFUSALS)
    page, foreign = context.new_page(), []
    with served(site, Slipping) as url:
        page.on(
            "request", lambda r: None if r.url.startswith((url, "data:")) else foreign.append(r)
        )
        page.goto(f"{url}method/", wait_until="networkidle")
        page.locator("#in").click()
        assert page.evaluate("window.ran") is None
        assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
        assert {each.failure for each in foreign} <= {"csp"}, "not begun, though announced"
        kinds = {each.split()[0] for each in refused(page)}
        assert {"script-src-elem", "script-src-attr", "style-src-elem", "img-src"} <= kinds
        assert {"frame-src", "base-uri"} <= kinds
    context.close()


@pytest.mark.parametrize("page", SCRIPTS)
def test_weighs_little_apart_from_its_figures(site: Path, page: str) -> None:
    html = (site / address(page) / "index.html").read_text(encoding="utf-8")
    rest = re.sub(r'<figure class="lr-figure">.*?</figure>', "", html, flags=re.DOTALL).encode()
    assert len(rest) < 80_000
    # The method has each plan whole.
    assert len(gzip.compress(rest)) < (20_000 if page == "method" else 15_000)
