"""Each page of the guide runs, and each of its claims can fail."""

import random
import re
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrguide.guide import report
from lrguide.guide.records import Run, Runs
from lrguide.guide.report import Claim

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.py"))


@cache
def executed(page: str) -> tuple[dict[str, Any], tuple[Claim, ...]]:
    """Execute a page once, from stored runs alone: its names, and its claims.

    All but its live snippet, which trains: that is run where the site is built.
    """
    code = (DOCS / page).read_text(encoding="utf-8")
    for header, text in cells(page):
        if '"snippet"' in header:
            compile(text, page, "exec")  # plain Python, as all the rest must be
            code = code.replace(text, "\n" * text.count("\n"))
    report.claims.clear()
    names: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRGUIDE_MAX_SECONDS", "0")
        exec(compile(code, str(DOCS / page), "exec"), names)
    return names, tuple(report.claims)


def cells(page: str) -> list[tuple[str, str]]:
    """The header and the text of each cell of a script page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def contender(run: Run) -> str:
    return str({name: value for name, value in run.settings.items() if name != "seed"})


def grouped(runs: Runs) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(contender(run), []).append(run)
    return groups


def given(groups: dict[str, list[Run]], giver: dict[str, str]) -> Runs:
    """The runs with, for each contender, the results of the contender that `giver` names."""
    return Runs(
        replace(run, result=groups[giver[name]][number % len(groups[giver[name]])].result)
        for name, runs in groups.items()
        for number, run in enumerate(runs)
    )


def shifted(groups: dict[str, list[Run]], name: str, spreads: float) -> Runs:
    """The runs with all results of one contender moved by so many of its spreads over seeds."""
    moves = {}
    for key, value in groups[name][0].result.items():
        if isinstance(value, float | list) and key not in ("rates", "first_losses"):
            of_seeds = np.array([run.result[key] for run in groups[name]], dtype=float)
            moves[key] = spreads * of_seeds.std(axis=0, ddof=1 if len(of_seeds) > 1 else 0)

    def move(run: Run) -> Run:
        moved = {
            key: (np.array(run.result[key], dtype=float) + by).tolist() for key, by in moves.items()
        }
        return replace(run, result={**run.result, **moved})

    return Runs(
        move(run) if other == name else run for other, runs in groups.items() for run in runs
    )


def shifts(runs: Runs) -> Iterator[Runs]:
    groups = grouped(runs)
    for name in groups:
        for spreads in (-3, 3):
            yield shifted(groups, name, spreads)


def spoilt(runs: Runs) -> Iterator[Runs]:
    """Runs in which a claim about these contenders should no longer hold."""
    groups = grouped(runs)
    names = list(groups)
    yield given(groups, dict(zip(names, reversed(names), strict=True)))
    yield given(groups, dict.fromkeys(names, names[0]))
    yield given(groups, dict.fromkeys(names, names[-1]))
    for seed in range(3):
        results = [run.result for run in runs]
        random.Random(seed).shuffle(results)
        yield Runs(replace(run, result=r) for run, r in zip(runs, results, strict=True))
    yield from shifts(runs)


def fails_on_some(holds: Callable[[Runs], bool], spoils: Iterator[Runs]) -> bool:
    return any(not holds(runs) for runs in spoils)


@pytest.mark.parametrize("page", PAGES)
def test_page_claims_something_and_every_claim_fails_on_spoilt_runs(page: str) -> None:
    _, claims = executed(page)
    assert claims, "a script page makes at least one claim"
    idle = [
        claim.sentence(claim.runs)
        for claim in claims
        if not fails_on_some(claim.holds, shifts(claim.runs) if claim.tie else spoilt(claim.runs))
    ]
    assert not idle, f"these claims hold whatever was measured: {idle}"


def fake_runs(values: dict[float, list[float]]) -> Runs:
    return Runs(
        Run("train", {"rate": rate, "seed": seed}, {"test_loss": value}, {})
        for rate, seeds in values.items()
        for seed, value in enumerate(seeds)
    )


TWO = fake_runs({0.1: [0.20, 0.22, 0.21], 0.01: [0.40, 0.43, 0.41]})
ALIKE = fake_runs({0.1: [0.20, 0.22, 0.21], 0.01: [0.21, 0.20, 0.22]})


def mean_of(runs: Runs, rate: float) -> float:
    return float(runs.where(rate=rate).values("test_loss").mean())


def test_a_claim_that_compares_contenders_fails_on_spoilt_runs() -> None:
    assert fails_on_some(lambda runs: mean_of(runs, 0.1) < mean_of(runs, 0.01), spoilt(TWO))


def test_a_claim_that_cannot_fail_is_found() -> None:
    assert not fails_on_some(lambda runs: mean_of(runs, 0.1) < 1e6, spoilt(TWO))


def test_a_tie_that_would_stand_any_shift_is_found() -> None:
    def close(runs: Runs, limit: float) -> bool:
        return abs(mean_of(runs, 0.1) - mean_of(runs, 0.01)) < limit

    assert fails_on_some(lambda runs: close(runs, 0.02), shifts(ALIKE))
    assert not fails_on_some(lambda runs: close(runs, 1), shifts(ALIKE))


def test_a_claim_that_does_not_hold_stops_the_page_with_its_sentence() -> None:
    with pytest.raises(AssertionError, match=r"bear out this sentence: 0\.1 is worse"):
        report.claim(
            TWO,
            lambda runs: mean_of(runs, 0.1) > mean_of(runs, 0.01),
            lambda runs: "0.1 is worse",
        )


@pytest.mark.parametrize("page", PAGES)
def test_page_has_a_title_and_a_description_of_search_result_length(page: str) -> None:
    head = (DOCS / page).read_text(encoding="utf-8").split("# %%")[0]
    description = re.search(r"^# description: (.*)$", head, flags=re.MULTILINE)
    assert re.search(r"^# title: \S", head, flags=re.MULTILINE)
    assert description and 50 <= len(description[1]) <= 170


@pytest.mark.parametrize("page", PAGES)
def test_page_has_a_live_snippet_that_needs_only_keras_lrguide_and_data(page: str) -> None:
    snippets = [text for header, text in cells(page) if '"snippet"' in header]
    assert snippets, 'one cell is tagged "snippet"'
    for snippet in snippets:
        assert len(snippet.strip().splitlines()) <= 20
        imported = set(re.findall(r"^(?:import|from) (\w+)", snippet, flags=re.MULTILINE))
        assert imported <= {"keras", "lrguide", "sklearn"}


@pytest.mark.parametrize("page", PAGES)
def test_prose_holds_no_typed_measurement(page: str) -> None:
    """Decimals in prose are settings or the article's figures, so they stand in backticks."""
    for header, text in cells(page):
        if "[markdown]" in header:
            prose = re.sub(r"`[^`]*`|\]\(http[^)]*\)", "", text)
            assert not re.findall(r"\d+\.\d+|\d ?%", prose)


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_the_page_on_cycles_stops_where_keras_does_and_keeps_the_same_epoch(patience: int) -> None:
    import keras

    names, _ = executed("cyclical.py")
    random_losses = np.random.default_rng(patience)
    for _ in range(20):
        losses = random_losses.normal(size=12).cumsum().round(1)  # with some that are equal
        callback = keras.callbacks.EarlyStopping(patience=patience)
        callback.set_model(model := keras.Sequential())
        model.stop_training = False
        callback.on_train_begin()
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            if model.stop_training:
                break
        assert names["early_stopping"](losses, patience) == (epoch + 1, callback.best_epoch + 1)


def test_the_readme_shows_the_front_pages_figure() -> None:
    names, _ = executed("index.py")
    drawing = runpy.run_path(str(DOCS / "site" / "readme_picture.py"), run_name="drawing")
    assert drawing["PICTURE"].read_text(encoding="utf-8") == drawing["picture"](names), (
        "python docs/site/readme_picture.py draws it anew"
    )
