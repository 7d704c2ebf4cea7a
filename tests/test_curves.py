"""The atlas of curves and its game in a browser: they show the records, to everybody."""

import gzip
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lrguide.checks import rates_at
from lrguide.guide import atlas, records
from lrguide.guide.benchmark import limited
from lrguide.guide.contenders import SCHEDULES
from lrguide.guide.problems import regret
from lrguide.guide.settings import complete
from lrguide.guide.traces import EVERY

pytest.importorskip("playwright", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sites import REPOSITORY
from test_explorer import VIEWS, Open, shown, visiting

PAGE = REPOSITORY / "docs" / "curves.py"
PAGES = {
    "index.md": "# Start\n",
    "curves.md": "# Curves\n\n"
    + "".join(
        f'<div class="{name}" data-from="../curves/" markdown>\n\nStatic\n\n</div>\n\n'
        for name in ("lr-atlas", "lr-game")
    )
    + "".join(f"## {each.title} {{ #{each.name} }}\n\nText.\n\n" for each in atlas.SYMPTOMS),
}
SYMPTOM = {each.name: each for each in atlas.SYMPTOMS}
TRACES = atlas.stored(atlas.trace, atlas.PLAN, records.RECORDS)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "docs" / "records").mkdir(parents=True)
    for path in records.RECORDS.glob("*.json"):
        (folder / "docs" / "records" / path.name).symlink_to(path)
    with shown(folder, pages=PAGES) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Open]:
    with visiting(browser, url) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    """One page for tests that need none of their own."""
    with visiting(browser, url) as open_page:
        page = open_page("curves/")
        page.locator(".lr-game svg").first.wait_for()
        yield page


def data(page: Page, name: str) -> Any:
    return page.evaluate(f"async () => (await fetch('/curves/{name}.json')).json()")


def shown_in_address(rate: float) -> str:
    """A rate as JavaScript writes it."""
    return f"{rate:.6f}".rstrip("0").rstrip(".")


def preset(page: Page, symptom: atlas.Symptom) -> None:
    page.get_by_role("button", name=symptom.title).click()
    expect(page.locator(".lr-rate output").first).to_have_text(re.compile(r"\d"))


# What it shows


def test_the_browser_gets_what_was_measured(shared: Page) -> None:
    seen = 0
    for group in data(shared, "index")["groups"]:
        runs = atlas.kind_of(TRACES, group["optimizer"], group["kind"])
        assert group["rates"] == sorted(runs.by("rate"))
        for place, rate in enumerate(group["rates"]):
            traces = data(shared, f"{group['file']}-{place}")
            assert group["ends"][place] == [trace["validation_loss"][-1] for trace in traces]
            for trace, run in zip(traces, runs.where(rate=rate), strict=True):
                assert trace["seed"] == run.settings["seed"]
                for name in ("loss", "validation_loss", "validation_accuracy", "dead", "rates"):
                    assert trace[name] == run.result[name]
                for name in ("gradient", "update"):
                    all_steps = run.result[name]
                    assert trace[name] == [*all_steps[::EVERY], all_steps[-1]]
                seen += 1
    assert seen == len(TRACES)


def test_the_first_view_fetches_below_60_kb_compressed_and_the_rest_when_asked_for(
    visit: Open, url: str
) -> None:
    page = visit("curves/")
    page.locator(".lr-game svg").first.wait_for()
    asked = "performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)"
    own = re.compile(r"^/curves/|^/assets/(curves|explorer|schedules)\.js$")
    first = [path for path in page.evaluate(asked) if own.match(path)]
    texts = [page.request.get(f"{url}{path}").body() for path in first]
    assert len(first) == 6
    assert sum(len(gzip.compress(text)) for text in texts) < 60_000
    page.get_by_role("slider", name="Learning rate").hover()
    page.wait_for_load_state("networkidle")
    adam = data(page, "index")["groups"][0]
    assert {f"/curves/{adam['file']}-{i}.json" for i in range(len(adam["rates"]))} <= {
        *page.evaluate(asked)
    }


def test_all_that_a_browser_can_ask_for_is_below_3_mb() -> None:
    assert sum(len(text.encode()) for _, text in atlas.files(records.RECORDS)) < 3_000_000


def test_the_table_says_the_numbers_of_the_curves(shared: Page) -> None:
    preset(shared, SYMPTOM["good"])
    shared.get_by_text("The numbers as a table").click()
    rows = shared.locator(".lr-atlas tbody tr")
    expect(rows).to_have_count(9)
    cells = [rows.nth(4).locator("th, td").nth(i).inner_text() for i in range(5)]
    runs = SYMPTOM["good"].of(TRACES)
    told = [
        "; ".join(f"{run.result[name][place]:g}" for run in runs)
        for name, place in [
            ("rates", 10),
            ("loss", 100),
            ("validation_loss", 10),
            ("validation_accuracy", 10),
        ]
    ]
    assert cells == ["100", *told]
    shared.get_by_text("The numbers as a table").click()


@pytest.mark.parametrize("name", SYMPTOM)
def test_a_preset_leads_to_its_curve_its_address_and_its_part_of_the_page(
    shared: Page, name: str
) -> None:
    symptom = SYMPTOM[name]
    preset(shared, symptom)
    expect(shared.locator(".lr-atlas a")).to_have_attribute("href", f"#{name}")
    assert shared.get_by_role("button", name=symptom.title).get_attribute("aria-pressed") == "true"
    expect(shared.locator(".lr-atlas [aria-live]")).to_contain_text(f"{symptom.kind}, rate")
    optimizer = symptom.optimizer.replace(" ", r"(\+|%20)")
    expect(shared).to_have_url(re.compile(rf"optimizer={optimizer}(&|$)"))
    expect(shared).to_have_url(re.compile(rf"rate={shown_in_address(symptom.rate)}(&|$)"))
    address = shared.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
    assert address["optimizer"] == symptom.optimizer
    assert address["curve"] == symptom.kind
    assert f"## {symptom.title} {{ #{name} }}" in PAGE.read_text("utf-8").replace("`", "")


def test_an_address_shows_its_curve_and_a_wrong_one_the_first(visit: Open) -> None:
    page = visit("curves/?optimizer=Adam&curve=constant&rate=0.01&sweep=2")
    expect(page.locator(".lr-atlas output")).to_have_text("0.01")
    expect(page.locator(".lr-game .lr-where")).to_contain_text("Sweep 2 of")
    page = visit("curves/?optimizer=Adam&curve=none&rate=x&sweep=99")
    expect(page.locator(".lr-atlas output")).to_have_text("1e-5")


# For everybody


def test_the_keyboard_moves_the_rate_and_a_screen_reader_is_told(visit: Open) -> None:
    page = visit("curves/")
    slider = page.get_by_role("slider", name="Learning rate")
    slider.focus()
    rates = data(page, "index")["groups"][0]["rates"]
    for before, after in pairwise(rates[:3]):
        expect(slider).to_have_attribute("aria-valuetext", re.compile(rf"^{before:g}|1e-5$"))
        page.keyboard.press("ArrowRight")
        expect(slider).not_to_have_attribute("aria-valuetext", f"{before:g}")
        expect(page).to_have_url(re.compile(rf"rate={shown_in_address(after)}$"))
    expect(page.locator(".lr-atlas [aria-live]")).to_contain_text("validation loss")


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_axe_finds_nothing_and_nothing_is_cut_off(visit: Open, scheme: str, width: int) -> None:
    page = visit("curves/", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_role("button", name="Train there").click()
    page.get_by_text("The numbers as a table").click()
    page.get_by_text("Copy as Keras").click()
    page.locator(".lr-atlas table").wait_for()
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_page_has_its_static_part(visit: Open) -> None:
    page = visit("curves/", java_script_enabled=False)
    expect(page.locator(".lr-atlas")).to_have_text("Static")
    expect(page.locator(".lr-game")).to_have_text("Static")


# Copy as Keras


PROGRAMS = [(each.optimizer, each.kind, each.rate) for each in atlas.SYMPTOMS]
PROGRAMS += [
    (optimizer, kind, 1.0)
    for optimizer in atlas.OPTIMIZERS
    for kind in atlas.KINDS
    if (optimizer, kind) not in {program[:2] for program in PROGRAMS}
]


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly")
@pytest.mark.parametrize(("optimizer", "kind", "rate"), PROGRAMS)
def test_a_program_trains_as_its_curve_was_trained(
    shared: Page, optimizer: str, kind: str, rate: float
) -> None:
    import tensorflow as tf

    text = shared.evaluate(
        "async (state) => (await import('/assets/curves.js')).program(state, 300)",
        dict(optimizer=optimizer, kind=kind, rate=rate),
    )
    assert max(map(len, text.splitlines())) <= 78
    short = re.sub(r"training=\d+, validation=500", "training=50, validation=10", text)
    short = re.sub(r"epochs=\d+,$", "epochs=1, verbose=0,", short, flags=re.M)
    short = re.sub(r"steps_per_epoch=\d+", "steps_per_epoch=1", short)
    names: dict[str, Any] = {}
    tf.config.run_functions_eagerly(True)  # one step needs no compiling
    try:
        exec(short, names)
    finally:
        tf.config.run_functions_eagerly(False)
    settings = complete(
        atlas.trace, atlas.PLAN[0] | dict(optimizer=optimizer, rate=rate) | atlas.KINDS[kind]
    )
    steps, given = np.arange(300), names.get("schedule", rate)
    planned = SCHEDULES[settings["schedule"]](rate, 300, rate / 4)
    assert rates_at(given, steps) == pytest.approx(rates_at(planned, steps), rel=1e-5, abs=1e-9)
    model = names["model"]
    assert type(model.optimizer).__name__.endswith(optimizer.split()[0])
    assert model.optimizer.iterations == 1
    dropouts = [layer for layer in model.layers if type(layer).__name__ == "Dropout"]
    assert bool(dropouts) is settings["dropout"]
    seen = {name: int(re.search(rf"\b{name}=(\d+)", text)[1]) for name in ("training", "epochs")}
    parts = 2 if settings["resumed"] else 1
    each = re.search(r"steps_per_epoch=(\d+)", text)
    per_epoch = int(each[1]) if each else seen["training"] // 50
    assert seen["training"] == settings["training"]
    assert parts * seen["epochs"] * per_epoch == 300


# The game


def test_the_games_regrets_are_those_of_the_benchmark(shared: Page) -> None:
    puzzles = data(shared, "game")
    assert len(puzzles) == len(atlas.GAME) == 10
    for problem, puzzle in zip(atlas.GAME, puzzles, strict=True):
        runs = atlas.stored(atlas.train, problem.trainings(), records.RECORDS)
        losses = {
            rate: float(limited(group.final(), problem.guess).mean())
            for rate, group in runs.by("rate").items()
        }
        assert dict(zip(puzzle["rates"], puzzle["losses"], strict=True)) == losses
        tried = [*np.geomspace(1e-6, 10, 23), *problem.rates]
        found = shared.evaluate(
            "async ([puzzle, rates]) => { const { regret } = await import('/assets/curves.js');"
            " return rates.map((rate) => regret(puzzle, rate)) }",
            [puzzle, tried],
        )
        for rate, cost in zip(tried, found, strict=True):
            expected = regret(losses, rate, problem.guess)
            assert cost["relative"] == pytest.approx(expected.relative, abs=1e-9)
            assert cost["normalised"] == pytest.approx(expected.normalised, abs=1e-9)
        assert min(cost["relative"] for cost in found) == pytest.approx(0, abs=1e-9)


def test_rules_cost_what_their_rate_costs_and_no_answer_what_the_default_does() -> None:
    for problem in atlas.GAME:
        puzzle = atlas.puzzle(problem, records.RECORDS)
        assert puzzle
        losses = dict(zip(puzzle["rates"], puzzle["losses"], strict=True))
        *_, (_, own, *default) = puzzle["ways"]
        for _, rate, relative, normalised in puzzle["ways"]:
            cost = regret(losses, rate or own, problem.guess)
            assert relative == pytest.approx(cost.relative, rel=0.02, abs=0.01)
            assert normalised == pytest.approx(cost.normalised, rel=0.02, abs=0.01)
            assert rate or [relative, normalised] == default


def test_a_click_on_the_sweep_trains_there_and_the_table_ranks_who_chose(visit: Open) -> None:
    page = visit("curves/?sweep=1")
    sweep = page.locator(".lr-game .lr-panel svg").first
    sweep.click(position={"x": 150, "y": 80})
    rows = page.locator(".lr-game tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.filter(has_text="find_rate")).to_have_count(1)
    shares = [float(row.split("\t")[-1].rstrip(" %")) for row in rows.all_inner_texts()]
    assert shares == sorted(shares)
    assert any(row.startswith("you") for row in rows.all_inner_texts())
    page.get_by_role("button", name="Next sweep").click()
    expect(rows).to_have_count(0)
    assert "sweep=2" in page.url
