"""The page of translations: each call on it, against what its own library gave for that call."""

import ast
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import lrguide
from lrguide import composing, cyclical, schedules
from lrguide.checks import rates_at
from tests.oracles.translations import LIBRARIES, PAGE, Row, rows, sections, set_up, tabs

ORACLES = json.loads(Path(__file__).with_name("oracles").joinpath("values.json").read_text())
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = rows()
Rates = NDArray[np.float64]


def calls(code: str) -> list[str]:
    """The expressions of a block of code."""
    return [ast.unparse(statement) for statement in ast.parse(code).body]


def here(call: str) -> Rates:
    """What a call of lrguide or Keras gives, made with the imports that the page shows."""
    names: dict[str, Any] = {}
    exec(set_up(""), names)
    made = eval(call, names)
    return plateau(made) if isinstance(made, keras.callbacks.Callback) else rates_at(made, STEPS)


def plateau(callback: keras.callbacks.Callback) -> Rates:
    """The rate during each epoch, when the oracles' losses are the losses at their ends."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(ORACLES["losses"]):
        rates.append(float(model.optimizer.learning_rate.numpy()))
        callback.on_epoch_end(epoch, {"loss": loss})
    return np.array(rates)


def name(row: Row) -> str:
    return " - ".join(filter(None, (row.schedule, row.library, row.title)))


STEPS = np.arange(100)
SHOWN = {row.schedule: calls(row.code) for row in ROWS if not row.library and not row.title}
FIRST = {schedule: here(shown[0]) for schedule, shown in SHOWN.items()}


def elsewhere(row: Row) -> Rates:
    given = ORACLES["translations"][row.library]
    assert row.code in given, "no oracle: run tests/oracles/make.py"
    return np.array(given[row.code])


def close(found: Rates, expected: Rates) -> bool:
    size = min(len(found), len(expected))
    return bool(np.allclose(found[:size], expected[:size], rtol=1e-6, atol=1e-8))


def check_equal(found: Rates, expected: Rates, until: int | None, near_0: float = 1e-8) -> None:
    """Equal, or equal up to the step that the page names and no further."""
    end = until + 1 if until is not None else len(found)
    np.testing.assert_allclose(found[:end], expected[: len(found)][:end], rtol=1e-6, atol=near_0)
    if len(found) > end:
        assert abs(found[end : end + 5] - expected[end : end + 5]).max() > 1e-5


@pytest.mark.parametrize("row", [r for r in ROWS if r.library and not r.title], ids=name)
def test_a_call_gives_the_same_rates_as_the_one_above_the_tabs(row: Row) -> None:
    near_0 = 1e-7 if row.library == "fastai" else 1e-8  # its combine_scheds rounds positions
    check_equal(elsewhere(row), FIRST[row.schedule], row.until, near_0)


@pytest.mark.parametrize("row", [r for r in ROWS if not r.library and not r.title], ids=name)
def test_lrguide_comes_first_and_keras_gives_the_same(row: Row) -> None:
    shown = calls(row.code)
    assert all(call.startswith(("schedules.", "keras.")) for call in shown[1:])
    for call in shown[1:]:
        check_equal(here(call), FIRST[row.schedule], row.until, 1e-7)  # Keras computes in float32


# What the title of a block says of its rates, beside the right ones.
OFF: dict[str, Callable[[Rates, Rates], bool]] = {
    "A step late": lambda found, right: close(found[1:], right[:-1]),
    "A step early": lambda found, right: close(found[:59], right[1:60]),
    "10 steps too early": lambda found, right: bool(
        found[39] > found[40] == found[-1]
        and right[49] > right[50]
        and close(found[50:], right[50:])
    ),
    "Step 30 late": lambda found, right: bool(
        found[30] < 1e-9
        and np.allclose(np.delete(found, 30), np.delete(right[:70], 30), rtol=1e-6, atol=1e-7)
    ),
    "Peak and end a step late": lambda found, right: (
        found.argmax() == right.argmax() + 1 and found[60] == found[-1] < found[59] > right[59]
    ),
}


@pytest.mark.parametrize("row", [r for r in ROWS if r.title], ids=name)
def test_a_call_that_is_off_is_off_as_its_title_says(row: Row) -> None:
    found = elsewhere(row) if row.library else here(row.code)
    right = FIRST[row.schedule]
    assert OFF[row.title](found, right)
    assert not close(found, right)


def test_the_oracles_hold_nothing_that_is_not_on_the_page() -> None:
    for library in LIBRARIES:
        on_page = {row.code for row in ROWS if row.library == library}
        assert set(ORACLES["translations"][library]) == on_page


def test_each_schedule_is_called_on_the_page_but_for_two_that_no_library_knows() -> None:
    called = set(re.findall(r"lrguide\.(\w+)\(", TEXT))
    every = {*schedules.__all__, *composing.__all__, *cyclical.__all__}
    assert every - called == {"constant", "compounding_time"}


def test_the_index_of_a_library_names_each_section_that_it_has_a_tab_in() -> None:
    index = tabs(TEXT.split("# The same schedule")[1].split("From Keras itself?")[0])
    for library in LIBRARIES:
        linked = set(re.findall(r"\]\(#([^)]*)\)", index[library]))
        having = {name for name, text in sections().items() if library in tabs(text)}
        assert {slug(name) for name in having} == linked
        called = re.findall(r"^- `(\w+)`", index[library], flags=re.MULTILINE)
        assert called == sorted(called, key=str.lower)


def slug(heading: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def test_the_versions_on_the_page_are_those_of_the_oracles() -> None:
    named = dict(re.findall(r"(\w+) (\d+\.\d+\.\d+)", TEXT.split("## With what")[1]))
    modules = {"PyTorch": "torch", **{name: name.lower() for name in named if name != "PyTorch"}}
    made = {name: ORACLES["versions"][modules[name]].split("+")[0] for name in named}
    assert named == made and set(named) == {"Keras", *LIBRARIES}


# ----------------------------------------------------------------------- moving over


def old_cycle(base: float, top: float, size: float, scale: Any, by_cycle: bool) -> Rates:
    """The formula of both older tools, cycles counted from 1."""
    cycle = np.floor(1 + STEPS / (2 * size))
    height = np.maximum(0, 1 - np.abs(STEPS / size - 2 * cycle + 1))
    return base + (top - base) * height * scale(cycle if by_cycle else STEPS)


def moved() -> dict[str, str]:
    """Under "Moving over": a call of an old tool, and the one that takes its place."""
    text = TEXT.split("## Moving over")[1]
    return dict(re.findall(r'```python title="([^"]*)"\n(.*?)```', text, flags=re.DOTALL))


def test_what_takes_the_place_of_the_old_cyclical_rates_gives_the_same() -> None:
    addons, clr, _ = moved().values()
    check_equal(here(addons), old_cycle(0.01, 0.1, 8, lambda x: 1 / x, by_cycle=True), None)
    check_equal(here(clr), old_cycle(0.01, 0.1, 8.0, lambda x: 0.97**x, by_cycle=False), None)


def test_the_named_cycles_are_those_of_the_old_tools() -> None:
    halves = old_cycle(0.01, 0.1, 8, lambda cycle: 1 / 2 ** (cycle - 1), by_cycle=True)
    check_equal(rates_at(lrguide.triangular2(0.01, 0.1, 8), STEPS), halves, None)
    flat = old_cycle(0.01, 0.1, 8, lambda cycle: 1.0, by_cycle=True)
    check_equal(rates_at(lrguide.triangular(0.01, 0.1, 8), STEPS), flat, None)


def test_what_takes_the_place_of_the_old_range_test_runs() -> None:
    _, _, finder = moved().values()
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    names: dict[str, Any] = {"lrguide": lrguide, "model": model, "x": x, "y": x[:, :1]}
    exec(finder.replace("seeds=[0]", "seeds=[0], verbose=0"), names)
    assert names["result"].rates[[0, -1]].tolist() == [1e-6, 10.0]


def test_arguments_named_in_the_tables_exist() -> None:
    text = TEXT.split("## Moving over")[1]
    functions = (lrguide.triangular, lrguide.exp_range, lrguide.lr_range_test)
    known = {name for each in functions for name in inspect.signature(each).parameters}
    known |= set(lrguide.__all__) | {"result", "losses", "rates", "plot", "suggest", "g", "none"}
    for row in re.findall(r"^\| .* \| (.*) \|$", text, flags=re.MULTILINE):
        for code in re.findall(r"`([^`]*)`", row):
            names = re.findall(r"\b[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", code))
            assert set(names) <= known | {"lrguide", "model"}, code


def test_the_code_is_no_wider_than_the_page() -> None:
    blocks = re.findall(r"^( *)```python.*?\n(.*?)\n *```", TEXT, flags=re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix(indent) for indent, code in blocks for line in code.split("\n")]
    assert len(blocks) > len(ROWS)
    assert max(map(len, lines)) < 80
