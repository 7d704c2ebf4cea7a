"""What the schedule explorer computes: the rates of the package, and code that gives the same."""

import math
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lrguide
from lrguide.checks import rates_at

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page
from sites import HOOK, REPOSITORY, Quiet, served


@pytest.fixture(scope="module")
def module(browser: Browser) -> Iterator[Page]:
    """A page from which the explorer's module can be imported; no site is built for it."""
    with served(HOOK / "theme", Quiet) as url:
        page = browser.new_page()
        page.goto(url + "assets/schedules.js")
        yield page
        page.close()


def schedule_of(code: str) -> Any:
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["optimizer"].learning_rate is not None
    return names["schedule"]


def same(found: Any, expected: NDArray[np.float64]) -> None:
    """Equal, but for what Keras loses by computing in 32 bits beside the highest rate."""
    lost = 2.0**-23 * expected.max()
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6, atol=lost)


def with_warmup(schedule: Any, v: dict[str, Any]) -> Any:
    per_epoch = v["stepsPerEpoch"]
    steps = round(v["warmup"] * per_epoch)
    return lrguide.warmup(schedule, steps) if steps else schedule


def main_epochs(v: dict[str, Any]) -> float:
    steps = round(v["warmup"] * v["stepsPerEpoch"])
    return float(v["epochs"] - v["warmup"]) if steps else float(v["epochs"])


# By name: how lrguide makes the schedule of the values of the explorer's fields.
OURS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "constant": lambda v, per: with_warmup(lrguide.constant(v["rate"]), v),
    "linear": lambda v, per: with_warmup(
        lrguide.linear(v["rate"], None, v["end"], epochs=main_epochs(v), **per), v
    ),
    "cosine": lambda v, per: with_warmup(
        lrguide.cosine(v["rate"], None, v["end"], epochs=main_epochs(v), **per), v
    ),
    "polynomial": lambda v, per: with_warmup(
        lrguide.polynomial(
            v["rate"], None, v["end"], power=v["power"], epochs=main_epochs(v), **per
        ),
        v,
    ),
    "restarts": lambda v, per: with_warmup(
        lrguide.restarts(
            v["rate"],
            None,
            v["end"],
            t_mul=v["longer"],
            m_mul=v["lower"],
            epochs=v["first"],
            **per,
        ),
        v,
    ),
    "inverse_sqrt": lambda v, per: with_warmup(
        lrguide.inverse_sqrt(v["rate"], epochs=v["timescale"], **per), v
    ),
    "step_decay": lambda v, per: with_warmup(
        lrguide.step_decay(v["rate"], decay_rate=v["drop"], epochs=v["every"], **per), v
    ),
    "inverse_time": lambda v, per: with_warmup(
        lrguide.inverse_time(v["rate"], decay_rate=v["k"], epochs=1, **per), v
    ),
    "exponential": lambda v, per: with_warmup(
        lrguide.exponential(v["rate"], decay_rate=math.exp(-v["k"]), epochs=1, **per), v
    ),
    "compounding_time": lambda v, per: lrguide.compounding_time(
        v["rate"], v["growth"], epochs=v["epochs"], **per
    ),
    "warmup_stable_decay": lambda v, per: lrguide.warmup_stable_decay(
        v["peak"],
        None,
        v["end"],
        epochs=(v["rise"], v["epochs"] - v["rise"] - v["fall"], v["fall"]),
        **per,
    ),
    "triangular": lambda v, per: lrguide.triangular(v["base"], v["peak"], epochs=v["half"], **per),
    "triangular2": lambda v, per: lrguide.triangular2(
        v["base"], v["peak"], epochs=v["half"], **per
    ),
    "exp_range": lambda v, per: lrguide.exp_range(
        v["base"],
        v["peak"],
        gamma=v["left"] ** (1 / (v["epochs"] * v["stepsPerEpoch"])),
        epochs=v["half"],
        **per,
    ),
    "one_cycle": lambda v, per: lrguide.one_cycle(
        v["peak"],
        pct_start=v["start"],
        div_factor=v["divisor"],
        final_div_factor=v["finalDivisor"],
        epochs=v["epochs"],
        **per,
    ),
}


def settings(name: str, count: int = 20) -> list[dict[str, Any]]:
    """Values of all fields, such as readers may give, the same in each run of the tests."""
    some = random.Random(name)
    drawn = []
    for number in range(count):
        epochs, per_epoch = some.randint(3, 30), some.choice([1, 5, 7, 12, 48])
        peak = some.choice([1.0, 0.1, round(10 ** some.uniform(-6, 2), 7)])
        # Halves of a step are among the lengths: Python rounds them to even numbers of steps.
        length = some.choice([1, 2, 0.5, 1.5, round(some.uniform(1, epochs / 3), 2)])
        drawn.append(
            {
                "name": name,
                "epochs": epochs,
                "stepsPerEpoch": per_epoch,
                "rate": peak,
                "peak": peak,
                "base": peak * some.choice([0.1, 0.001, 0.5]),
                "end": peak * some.choice([0.0, 0.01, 1.0]),
                "drop": some.choice([0.1, 0.5, 0.9, 1.0]),
                "every": max(length, 1 / per_epoch),
                "power": some.choice([0.5, 1, 2, 3.5]),
                "timescale": max(length, 1 / per_epoch),
                "first": max(length, 1 / per_epoch),
                "longer": some.choice([1, 2, 3]),
                "lower": some.choice([1, 0.5, 0.9]),
                "k": round(10 ** some.uniform(-3, 1), 4),
                "growth": round(10 ** some.uniform(-4, -1), 5),
                "warmup": length if number % 2 else 0,
                "rise": max(length, 1 / per_epoch),
                "fall": 1,
                "half": max(length, 1 / per_epoch),
                "left": some.choice([0.001, 0.1, 1.0]),
                "start": round(some.uniform(0.45, 0.95), 2),
                "divisor": some.choice([1, 10, 25, 2.5]),
                "finalDivisor": some.choice([1, 100, 1e4]),
            }
        )
    return drawn


COMPUTE = """async (settings) => {
  const { rates, code, inKeras } = await import("/assets/schedules.js")
  return settings.map((v) => ({
    rates: [...rates(v)], code: code(v), alone: inKeras(v) ? code(v, true) : null }))
}"""


@pytest.mark.parametrize("name", OURS)
def test_rates_are_those_of_the_package_and_of_the_code_that_it_shows(
    module: Page, name: str
) -> None:
    drawn = settings(name)
    for v, found in zip(drawn, module.evaluate(COMPUTE, drawn), strict=True):
        steps = np.arange(v["epochs"] * v["stepsPerEpoch"])
        ours = OURS[name](v, {"steps_per_epoch": v["stepsPerEpoch"]})
        same(found["rates"], rates_at(ours, steps))
        same(found["rates"], rates_at(schedule_of(found["code"]), steps))
        if found["alone"]:
            assert "lrguide" not in found["alone"]
            same(found["rates"], rates_at(schedule_of(found["alone"]), steps))


def test_rates_are_known_for_each_schedule_of_the_package(module: Page) -> None:
    known = module.evaluate(
        "async () => Object.keys((await import('/assets/schedules.js')).SCHEDULES)"
    )
    assert set(known) == set(OURS)
    page = (REPOSITORY / "docs" / "explorer.md").read_text(encoding="utf-8")
    shown = re.findall(r'data-schedules="(.*?)"', page)
    assert [set(names.split()) for names in shown] == [set(OURS)]
    makers = {
        name for module in ("schedules", "composing", "cyclical") for name in lrguide._NAMES[module]
    }
    combining = {"join", "per_epoch", "piecewise", "warmup", "ScheduledSGD", "ScheduledAdam"}
    assert set(known) == makers - combining
