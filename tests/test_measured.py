"""`measured`: what is stored is not trained again, and what takes too long is not started."""

import os

import numpy as np
import pytest
from probes import MEASURE, ask, entries, probe, python, run_of, wait_until

from lrguide.guide import records
from lrguide.guide.records import NotMeasured, Run, key_of, measured, only_one, write
from lrguide.guide.settings import BUDGETS, complete

# The memo

STORED_ONLY = """
import sys, pathlib
from probes import ask
print([run.result["loss"][0] for run in ask(pathlib.Path(sys.argv[1]), 2, 0, 2)])
print([name for name in ("tensorflow", "keras", "matplotlib", "joblib") if name in sys.modules])
"""


def test_stored_runs_come_at_once_without_importing_tensorflow(stored, tmp_path):
    ended = python(STORED_ONLY, tmp_path, LRGUIDE_MAX_SECONDS="0").communicate()[0]
    assert ended.splitlines() == ["[2.0, 0.0, 2.0]", "[]"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_only_missing_runs_are_made_in_other_processes_and_kept(stored, tmp_path, jobs):
    runs = ask(tmp_path, 4, 0, 3, 4, jobs=jobs)
    assert [run.settings["seed"] for run in runs] == [4, 0, 3, 4]
    assert os.getpid() not in {run.result.get("process") for run in runs}
    assert runs[1] == run_of(0)
    entries = sorted((tmp_path / "cache").glob("*.json"))
    assert [entry.stem for entry in entries] == sorted(
        {key_of(probe, runs[i].settings) for i in (0, 2)}
    )
    assert ask(tmp_path, 4, 0, 3, 4) == runs


def test_a_run_tells_what_made_it(tmp_path):
    [run] = ask(tmp_path, 0)
    assert set(run.made) == {
        *("date", "processor", "threads", "onednn", "cpu_seconds"),
        *("python", "numpy", "keras", "tensorflow"),
    }
    assert run.made["onednn"] is True and run.made["processor"]


def test_a_failing_run_stops_the_measurement_and_keeps_the_others(tmp_path):
    settings = [dict(seed=0), dict(seed=1), dict(seed=2, fails=True, sleep=2.0)]
    folders = dict(records=tmp_path / "records", cache=tmp_path / "cache")
    with pytest.raises(ValueError, match="seed 2 fails on purpose"):
        measured(probe, settings, jobs=2, **folders)
    kept = measured(probe, settings[:2], jobs=2, **folders)
    assert len(list((tmp_path / "cache").glob("*.json"))) == len(kept)


def test_no_runs_are_asked_for_by_mistake(tmp_path):
    with pytest.raises(ValueError, match=r"at least one run \(is there no seed\?\), received none"):
        ask(tmp_path)


# Limits


@pytest.mark.parametrize(
    ("limit", "count", "message"),
    [
        ("10", 2, "2 runs are not measured yet and would take about 11 seconds here, longer than"),
        ("120", 100, "100 runs are not measured yet and would take about 9 minutes here"),
        ("0", 1, "longer than the 0 seconds of LRGUIDE_MAX_SECONDS: run `make measure`"),
    ],
)
def test_a_long_measurement_is_announced_instead_of_started(
    monkeypatch, tmp_path, limit, count, message
):
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", limit)
    with pytest.raises(NotMeasured, match=message):
        ask(tmp_path, *range(count))
    assert not (tmp_path / "cache").exists()


def test_a_short_measurement_is_started(monkeypatch, tmp_path):
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", "120")
    assert len(ask(tmp_path, 0, 1)) == 2


@pytest.mark.parametrize("value", ["soon", "-1", "nan"])
def test_a_limit_is_a_number_of_seconds(monkeypatch, tmp_path, value):
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", value)
    with pytest.raises(ValueError, match=f"LRGUIDE_MAX_SECONDS must be .* received '{value}'"):
        ask(tmp_path, 0)


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_jobs_are_a_whole_number_above_0(monkeypatch, tmp_path, value):
    message = f"jobs .LRGUIDE_JOBS. must be a whole number above 0, received '?{value}'?"
    monkeypatch.setenv("LRGUIDE_JOBS", value)
    with pytest.raises(ValueError, match=message):
        ask(tmp_path, 0, jobs=None)
    with pytest.raises(ValueError, match=message):
        ask(tmp_path, 0, jobs=value)


# Time. The guess for `probe` is 11.4 CPU-seconds at its usual budget, SMALL, and 2.7 at TINY.

GUESS = {name: BUDGETS[name].seconds for name in ("SMALL", "TINY")}


def took(folder, *runs):
    """Store what runs took, as (budget, seed, CPU-seconds, processor), one file each."""
    files = {}
    for budget, seed, seconds, processor in runs:
        run = run_of(seed, budget=budget)
        made = {"cpu_seconds": seconds, "processor": processor}
        name = budget if folder.name == "records" else seed
        files.setdefault(name, []).append(Run("probe", run.settings, run.result, made))
    for name, each in files.items():
        write(folder / f"probe_{name}.json", probe, each)


@pytest.mark.parametrize(
    ("recorded", "here", "small", "tiny"),
    [
        pytest.param([], [], GUESS["SMALL"], GUESS["TINY"], id="a guess where nothing is known"),
        pytest.param(
            [("SMALL", 0, 4.0, "A"), ("SMALL", 1, 5.0, "A"), ("SMALL", 2, 90.0, "A")],
            [],
            5.0,
            GUESS["TINY"],
            id="the middle of the recorded runs",
        ),
        pytest.param(
            [("SMALL", seed, 1.0, "A GPU") for seed in range(4)]
            + [("SMALL", 8, 6.0, "A"), ("SMALL", 9, 8.0, "B")],
            [],
            6.0,
            GUESS["TINY"],
            id="each processor counts once",
        ),
        pytest.param(
            [("SMALL", 0, 0.0, "A")],
            [("SMALL", 1, 0.0, "B")],
            0.1,
            GUESS["TINY"],
            id="at least 0.1",
        ),
        pytest.param(
            [("SMALL", 0, 4.0, "A")], [("SMALL", 1, 12.0, "B")], 12.0, 3 * GUESS["TINY"], id="here"
        ),
        pytest.param(
            [("SMALL", 0, 4.0, "A"), ("TINY", 0, 1.0, "A")],
            [("TINY", 1, 3.0, "B")],
            12.0,
            3.0,
            id="recorded runs of one kind, slower as those of another kind were here",
        ),
    ],
)
def test_a_run_is_expected_to_take_what_its_like_took_on_this_machine(
    tmp_path, recorded, here, small, tiny
):
    folders = tmp_path / "records", tmp_path / "cache"
    for folder, runs in zip(folders, (recorded, here), strict=True):
        took(folder, *runs)
    wanted = [complete(probe, dict(seed=50, budget=budget)) for budget in ("SMALL", "TINY")]
    expected = records.seconds_here(probe, wanted, *folders)
    np.testing.assert_allclose(expected, [small, tiny])


def test_what_runs_took_here_decides_whether_a_measurement_is_started(monkeypatch, tmp_path):
    took(tmp_path / "records", ("SMALL", 0, 400.0, "A"))
    monkeypatch.setenv("LRGUIDE_MAX_SECONDS", "120")
    with pytest.raises(NotMeasured, match=r"2 runs .* would take about 7 minutes here") as stopped:
        ask(tmp_path, 1, 2)
    assert stopped.value.seconds == pytest.approx([400, 400])
    took(tmp_path / "cache", ("SMALL", 9, 0.2, "B"))
    assert len(ask(tmp_path, 1, 2)) == 2


def test_a_measurement_waits_for_another_says_so_once_and_trains_only_what_is_left(tmp_path, capfd):
    process = python(MEASURE, tmp_path, 6, 0.5)
    wait_until(lambda: entries(tmp_path))
    runs = ask(tmp_path, *range(8), sleep=0.5)
    process.communicate()
    assert process.returncode == 0
    said = capfd.readouterr().err
    assert said.count(f"running (process {process.pid}): waiting until it ends") == 1
    workers = [run.result["process"] for run in runs]
    assert not set(workers[:6]) & set(workers[6:])


@pytest.mark.parametrize("page", ["", "fixed_rates.py"])
def test_a_measurement_does_not_wait_for_itself_nor_in_a_page_of_the_site(
    tmp_path, monkeypatch, page
):
    monkeypatch.setenv("LRGUIDE_PAGE", page)
    with (
        only_one(tmp_path / "cache"),
        pytest.raises(BlockingIOError, match=rf"another .* running \(process {os.getpid()}\)"),
    ):
        ask(tmp_path, 0)
    assert len(ask(tmp_path, 0)) == 1


def test_settings_without_their_list_are_refused_in_one_sentence(tmp_path) -> None:
    with pytest.raises(TypeError, match=r"one mapping a run, received a mapping alone"):
        measured(probe, {"seed": 0}, cache=tmp_path, records=tmp_path)
    with pytest.raises(TypeError, match=r"settings of a run must be a mapping, received 'seed'"):
        measured(probe, ["seed"], cache=tmp_path, records=tmp_path)
