"""The page on JAX and PyTorch shows what `python -m tests.bench backends` makes of stored runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lrguide.guide.experiments import train
from lrguide.guide.records import Run, Runs, measured
from lrguide.guide.settings import BACKENDS
from lrguide.guide.speeds import speed
from tests.bench import backends

PAGE = (Path(__file__).parents[1] / "docs/backends.md").read_text(encoding="utf-8")


def stored(function: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", "0")  # fails where a run is missing
    return measured(function, settings)


def test_speeds_are_those_that_were_measured_and_reach_their_targets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = stored(speed, backends.SPEEDS, monkeypatch)
    assert backends.speed_table(runs) in PAGE, backends.speed_table(runs)
    targets = dict(zip(BACKENDS, (1.15, 1.25, 1.25), strict=True))
    for backend, (_, low, high) in backends.ratios(runs).items():
        assert low < 1 < high < targets[backend]


def test_the_five_rates_and_the_verdict_are_those_that_were_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = stored(train, backends.RATES, monkeypatch)
    assert backends.rates_table(runs) in PAGE, backends.rates_table(runs)


def test_a_backend_that_ends_elsewhere_or_learns_less_often_would_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = stored(train, backends.RATES, monkeypatch)

    def spoiled(run: Run, name: str, last: float) -> Run:
        here = run.settings["backend"] == "jax" and run.settings["rate"] == 0.001
        changed = {name: [*run.result[name][:-1], last]}
        return replace(run, result={**run.result, **changed}) if here else run

    for name, last in (("validation_loss", 1.0), ("validation_accuracy", 0.1)):
        told = backends.disagreements(Runs(spoiled(run, name, last) for run in runs))
        assert any(each.startswith("JAX at `0.001`") for each in told), told
