"""`measured` and its files: what is stored is never guessed, lost or half-written."""

import contextlib
import json
import os
import pty
import random
import re
import resource
import signal
import subprocess
import sys
import termios
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from lrguide.guide import experiments, records
from lrguide.guide.experiments import train
from lrguide.guide.processes import RunFailed
from lrguide.guide.records import NotMeasured, Run, Runs, key_of, measured, only_one, read, write
from lrguide.guide.settings import BUDGETS, complete

HERE = Path(__file__).resolve().parent
PROTOCOL = {"probe": 1, "other": 1}
MADE = {"date": "2026-01-02", "cpu_seconds": 1.5}


def probe(*, budget, seed, training, batch, epochs, validation, test, full, sleep=0.0, fails=False):
    """An experiment that costs nothing; it must be importable by the worker processes."""
    time.sleep(sleep)
    if fails:
        raise ValueError(f"seed {seed} fails on purpose")
    return {"loss": [float(seed), None], "process": os.getpid()}


def other(*, budget, seed, training, batch, epochs, validation, test, full):
    raise NotImplementedError


def run_of(seed, **more):
    settings = complete(probe, dict(seed=seed, **more))
    return Run("probe", settings, {"loss": [float(seed), None]}, MADE)


@pytest.fixture
def stored(tmp_path):
    """A records folder with seeds 0 to 2, and the path of its one file."""
    path = tmp_path / "records" / "probe_SMALL.json"
    write(path, probe, [run_of(seed) for seed in (2, 0, 1)])
    return path


def ask(folder, *seeds, jobs=2, **more):
    settings = [dict(seed=seed, **more) for seed in seeds]
    return measured(probe, settings, jobs=jobs, records=folder / "records", cache=folder / "cache")


# Keys


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (dict(budget="SMALL", optimizer="Adam", rate=0.01, seed=4), "25700e2b3bde679a"),
        (dict(budget="FULL", optimizer="SGD", rate=0.5, seed=1, epochs=5), "a1a34e57207e9959"),
    ],
)
def test_keys_of_committed_runs_stay_what_they_are(settings, key):
    assert key_of(train, complete(train, settings)) == key


def test_settings_that_mean_the_same_have_the_same_key():
    def key(**settings):
        return key_of(train, complete(train, dict(optimizer="SGD", seed=0, **settings)))

    assert (
        key(rate=1)
        == key(rate=1.0)
        == key(rate=np.float64(1), budget="SMALL")
        == key(epochs=np.int64(5), rate=1, budget="SMALL", training=6000)
    )


@pytest.mark.parametrize(
    "change",
    [
        dict(seed=1),
        dict(rate=0.1001),
        dict(optimizer="Adam"),
        dict(epochs=6),
        dict(batch=249),
        dict(training=5999),
        dict(validation=1499),
        dict(test=1999),
        dict(budget="SHORT"),
        dict(budget="FULL"),
    ],
)
def test_each_setting_changes_the_key(change):
    base = dict(optimizer="SGD", rate=0.1, seed=0)
    assert key_of(train, complete(train, base)) != key_of(train, complete(train, base | change))


def test_protocol_data_and_function_change_the_key(monkeypatch):
    settings = complete(probe, dict(seed=0))
    keys = [key_of(probe, settings), key_of(other, settings)]
    keys.append(key_of(probe, settings | dict(full=True)))
    monkeypatch.setitem(PROTOCOL, "probe", 2)
    keys.append(key_of(probe, settings))
    assert len(set(keys)) == 4


# Files


def test_a_file_is_readable_sorted_and_has_one_line_a_run(stored):
    text = stored.read_text()
    content = json.loads(text)
    assert (content["schema"], content["function"]) == (1, "probe")
    assert [run["settings"]["seed"] for run in content["runs"]] == [0, 1, 2]
    assert len(text.splitlines()) == 3 + 2
    assert set(content["runs"][0]) == {"protocol", "data", "settings", "result", "made", "digest"}


def test_what_is_written_is_read(stored):
    assert {run.settings["seed"]: run for run in read(stored, probe).values()} == {
        seed: run_of(seed) for seed in range(3)
    }


def test_the_same_runs_make_the_same_bytes(stored, tmp_path):
    write(tmp_path / "again.json", probe, reversed(read(stored, probe).values()))
    assert (tmp_path / "again.json").read_bytes() == stored.read_bytes()


def test_runs_of_another_protocol_or_data_are_left_out(stored, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setitem(PROTOCOL, "probe", 2)
        assert read(stored, probe) == {}
    monkeypatch.setattr("lrguide.guide.settings.fingerprint", lambda full: "other data")
    assert read(stored, probe) == {}


def replace(old, new):
    return lambda text: text.replace(old, new, 1)


def rewritten(change):
    """A change of the middle line whose digest is right all the same, as a script would make it."""

    def rewrite(text):
        head, *lines, end = text.splitlines()
        line = json.loads(lines[1].rstrip(","))
        del line["digest"]
        change(line)
        lines[1] = json.dumps(line | {"digest": records._digest(line)}) + ","
        return "\n".join([head, *lines, end])

    return rewrite


def without(name):
    return rewritten(lambda line: line.pop(name)), f"damaged .*a run must have '{name}', received"


DAMAGE = {
    "a result edited": (replace("[1.0, null]", "[1.5, null]"), "run 1 in .* was changed after it"),
    "a setting edited": (replace('"seed": 2', '"seed": 3'), "run 2 in .* was changed after it"),
    "provenance edited": (replace("2026-01-02", "2026-01-03"), "run 0 in .* was changed after it"),
    "a digest edited": (replace('"digest": "', '"digest": "0'), "run 0 in .* was changed after it"),
    "a digest missing": (replace('"digest"', '"digested"'), "damaged .*'digest'"),
    "NaN": (replace("null", "NaN"), "damaged .*not JSON compliant"),
    "a number too large": (replace("[1.0, null]", "[1e999, null]"), "damaged .*not JSON compliant"),
    "a number too long": (replace("[1.0, null]", "[" + "1" * 5000 + ", null]"), "damaged"),
    "another schema": (replace('"schema": 1', '"schema": 2'), "must have schema 1 .* schema 2"),
    "another function": (replace('"probe"', '"other"'), "hold runs of probe, received .* 'other'"),
    "a line missing its end": (replace("}", ""), "damaged"),
    "merge markers": (lambda text: "<<<<<<< ours\n" + text, "damaged"),
    "empty": (lambda text: "", "damaged"),
    "a list": (lambda text: "[]", "damaged"),
    "runs of text": (lambda text: '{"schema": 1, "function": "probe", "runs": ["a"]}', "damaged"),
    "no settings": without("settings"),
    "no result": without("result"),
    "no origin": without("made"),
    "no protocol": without("protocol"),
    "no data": without("data"),
    "a result that is a list": (
        rewritten(lambda line: line.update(result=[1.0])),
        r"a run must have 'result', received \[1.0\]",
    ),
    "second runs": (replace("\n]}", '\n], "runs": []}'), "the key 'runs' stands twice in one obj"),
    "a second seed": (replace('"seed": 1', '"seed": 1, "seed": 1'), "the key 'seed' stands twice"),
    "a second result": (replace('"result"', '"result": {}, "result"'), "the key 'result' stands t"),
    "a merge of both": (
        rewritten(lambda line: line["settings"].update(seed=2)),
        "runs 1 and 2 in .* have the same settings and other results",
    ),
    "no runs": (lambda text: '{"schema": 1, "function": "probe"}', "damaged"),
    "binary": (lambda text: "\x00\xff" * 9, "damaged"),
    "deeply nested": (lambda text: "[" * 100_000, "damaged"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_edited_record_is_named_and_not_used(stored, tmp_path, damage, message):
    stored.write_text(damage(stored.read_text()), encoding="latin-1")
    spoilt = stored.read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        ask(tmp_path, 0)
    assert str(stored) in str(caught.value) and "\n" not in str(caught.value)
    assert "not used" in str(caught.value)
    assert stored.read_bytes() == spoilt
    assert not (tmp_path / "cache").exists()


def test_a_run_that_a_merge_has_doubled_is_read_once(stored):
    head, line, *rest = stored.read_text().splitlines()
    stored.write_text("\n".join([head, line, line, *rest]))
    assert {run.settings["seed"] for run in read(stored, probe).values()} == {0, 1, 2}


def test_a_record_cut_anywhere_is_not_used(stored):
    whole, expected = stored.read_bytes(), read(stored, probe)
    for length in range(len(whole)):
        stored.write_bytes(whole[:length])
        try:
            assert read(stored, probe) == expected  # only the last newline is missing
        except ValueError as error:
            assert str(stored) in str(error)


@pytest.mark.parametrize("result", [{"loss": [float("nan")]}, {"loss": np.float32(1)}])
def test_a_result_that_json_cannot_hold_is_refused_before_the_file_is_touched(stored, result):
    before = stored.read_bytes()
    with pytest.raises((TypeError, ValueError), match="probe must return plain finite numbers"):
        write(stored, probe, [Run("probe", run_of(0).settings, result, MADE)])
    assert stored.read_bytes() == before


# Runs


def test_results_that_were_not_finite_are_read_as_nan(stored):
    values = Runs(read(stored, probe).values()).values("loss")
    np.testing.assert_array_equal(values, [[0, np.nan], [1, np.nan], [2, np.nan]])


def test_runs_are_chosen_and_grouped_by_their_settings():
    runs = Runs(run_of(seed, budget=b) for b in ("SMALL", "SHORT") for seed in (1, 0))
    assert [run.settings["seed"] for run in runs.where(budget="SHORT")] == [1, 0]
    assert {k: len(v) for k, v in runs.by("budget").items()} == {"SMALL": 2, "SHORT": 2}
    assert list(runs.by("seed")) == [1, 0]
    with pytest.raises(LookupError, match=r"^no run has seed 7; these runs have seed 1, 0$"):
        runs.where(seed=7)
    with pytest.raises(
        LookupError, match=r"has budget FULL and seed 0; .* budget SMALL and seed 1, SMALL and"
    ):
        runs.where(budget="FULL", seed=0)


# The memo

STORED_ONLY = """
import sys, pathlib
from test_records import ask
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


@pytest.mark.parametrize("kind", ["a result edited", "empty", "another schema", "NaN"])
def test_a_damaged_cache_entry_is_named_and_measured_again(tmp_path, kind):
    good = ask(tmp_path, 1)
    [entry] = (tmp_path / "cache").glob("*.json")
    damage = DAMAGE[kind][0]
    entry.write_text(damage(entry.read_text()))
    with pytest.warns(UserWarning, match=entry.name):
        again = ask(tmp_path, 1)
    assert again[0].settings == good[0].settings
    assert ask(tmp_path, 1) == again  # and no warning any more


def test_a_failing_run_stops_the_measurement_and_keeps_the_others(tmp_path):
    settings = [dict(seed=0), dict(seed=1), dict(seed=2, fails=True, sleep=2.0)]
    folders = dict(records=tmp_path / "records", cache=tmp_path / "cache")
    with pytest.raises(RunFailed) as stopped:
        measured(probe, settings, jobs=2, **folders)
    said = "".join(traceback.format_exception(stopped.value))
    assert "/joblib/" not in said and "_RemoteTraceback" not in said
    told = "{'budget': 'SMALL', 'seed': 2, 'sleep': 2.0, 'fails': True}"
    assert re.fullmatch(
        rf"probe with {re.escape(told)} stopped in test_records\.py, line \d+ "
        r"\(ValueError: seed 2 fails on purpose\)",
        str(stopped.value),
    )
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


# Time: `probe` at its usual budget, SMALL, is guessed to take 11.4 CPU-seconds, at TINY 2.7

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


# Disks


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


@contextlib.contextmanager
def mounted(folder, options):
    """A file system of its own: root may write through permissions, but not past its end."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder_is_named_before_anything_starts(tmp_path):
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        place = contextlib.nullcontext(tmp_path / "closed")
    else:
        place = mounted(tmp_path / "closed", "ro")
    with (
        place as folder,
        pytest.raises(
            OSError,
            match=r"measured runs cannot be written to .*only|cannot be written to .*denied",
        ),
    ):
        ask(folder, 0)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(OSError, match=r"measured runs cannot be written to .*cache"):
        ask(tmp_path, 0)


def test_on_a_full_disk_what_was_stored_is_kept(tmp_path):
    with mounted(tmp_path / "full", "size=16k") as folder:
        path = folder / "probe_SMALL.json"
        write(path, probe, [run_of(0)])
        before = path.read_bytes()
        with pytest.raises(OSError, match=r"could not be written to .* \(No space left on device"):
            write(path, probe, [run_of(seed) for seed in range(200)])
        assert path.read_bytes() == before
        assert os.listdir(folder) == [path.name]


def test_at_the_end_of_a_quota_what_was_stored_is_kept(stored):
    before, limits = stored.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    runs = [run_of(seed) for seed in range(200)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(OSError, match=r"could not be written to .* \(File too large\)"):
            write(stored, probe, runs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert stored.read_bytes() == before
    assert os.listdir(stored.parent) == [stored.name]


# Stopped at any moment

WRITE_FOR_EVER = """
import sys, pathlib
from test_records import probe, run_of, write
for number in range(10**9):
    write(pathlib.Path(sys.argv[1]), probe, [run_of(seed) for seed in range(number % 2, 300)])
"""


def test_killed_while_writing_the_file_is_old_or_new_and_no_rest_stays(stored):
    chance = random.Random(0)
    for _ in range(6):
        before = stored.stat().st_mtime_ns
        process = python(WRITE_FOR_EVER, stored)
        wait_until(lambda then=before: stored.stat().st_mtime_ns != then)
        time.sleep(chance.random() / 20)
        process.kill()
        process.communicate()
        assert len(read(stored, probe)) in (299, 300)
    write(stored, probe, [run_of(0)])
    assert os.listdir(stored.parent) == [stored.name]


MEASURE = """
import sys, pathlib
from test_records import ask
ask(pathlib.Path(sys.argv[1]), *range(int(sys.argv[2])), sleep=float(sys.argv[3]))
"""


def test_killed_while_measuring_its_workers_end_and_the_next_call_goes_on(tmp_path):
    chance, held = random.Random(1), 0
    for _ in range(2):
        process = python(MEASURE, tmp_path, 400, 0.05)
        wait_until(lambda held=held: len(entries(tmp_path)) > held)
        time.sleep(chance.random())
        process.kill()
        wait_until(lambda group=process.pid: not alive(group), 10)
        process.communicate()
        for entry in entries(tmp_path):
            assert len(read(entry, probe)) == 1
        held = len(entries(tmp_path))
    kept = {entry: entry.stat().st_mtime_ns for entry in entries(tmp_path)}
    assert len(ask(tmp_path, *range(held + 2), sleep=0.05)) == held + 2
    assert kept.items() <= {e: e.stat().st_mtime_ns for e in entries(tmp_path)}.items()
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".json", ""}  # the lock


APART = """
import sys, threading
from test_records import probe, complete
from lrguide.guide import processes
settings = complete(probe, dict(seed=0, sleep=60))
threading.Thread(target=processes._run_apart, args=[probe, settings]).start()
"""


@pytest.mark.parametrize(
    ("code", "worker"),
    [
        pytest.param(MEASURE, "popen_loky", id="a measurement"),
        pytest.param(APART, "_answer", id="a worker of a cluster"),
    ],
)
def test_killed_while_its_workers_start_none_of_them_stays(tmp_path, code, worker):
    for delay, kill in [(0, "KILL"), (0.3, "TERM"), (0.6, "KILL"), (1.2, "KILL")]:
        process = python(code, tmp_path, 4, 60)
        wait_until(lambda group=process.pid: any(worker in line for line in alive(group)))
        time.sleep(delay)
        process.send_signal(getattr(signal, f"SIG{kill}"))
        wait_until(lambda group=process.pid: not alive(group), 15)
        process.communicate()


def test_ctrl_c_stops_at_once_with_its_workers_and_keeps_what_is_done(tmp_path):
    process = python(MEASURE, tmp_path, 400, 0.05)
    wait_until(lambda: entries(tmp_path))
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not alive(process.pid), 5)
    assert all(len(read(entry, probe)) == 1 for entry in entries(tmp_path))


def test_the_bar_counts_runs_and_tells_the_time_left(tmp_path):
    _, said = python(MEASURE, tmp_path, 3, 0.0).communicate()
    states = said.replace("\r", "\n").splitlines()
    assert any(state.startswith("probe: 0 of 3 runs, about 00:17 left") for state in states)
    assert states[-1].startswith("probe: 3 of 3 runs |") and "gone" in states[-1]
    assert "Traceback" not in said and "Warning" not in said


# Of two processes one has ended its first run when the other, and its own second, go on for long.
ONE_ENDS = """
import sys, pathlib
from test_records import measured, probe
folder, lasts = pathlib.Path(sys.argv[1]), [1.0, 5.0, 4.0, *[0.0] * 9]
runs = [dict(seed=seed, sleep=sleep) for seed, sleep in enumerate(lasts)]
measured(probe, runs, jobs=2, records=folder / "records", cache=folder / "cache")
"""


def test_the_first_run_that_ends_corrects_the_time_left(tmp_path):
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    python(ONE_ENDS, tmp_path, stderr=end).communicate()
    states = os.read(terminal, 100_000).decode()
    os.close(terminal)
    os.close(end)
    left = re.findall(r"probe: (\d+) of 12 runs, about (\d\d):(\d\d) left", states)
    seconds = {int(count): 60 * int(m) + int(s) for count, m, s in left}
    assert seconds[0] > 50
    assert seconds[1] < seconds[0] - 10  # while no more than one has ended


def test_the_bar_names_the_page_and_says_when_it_takes_longer_than_expected(tmp_path):
    measure = MEASURE.replace(
        "sleep=", "training=1, validation=1, test=1, epochs=1, batch=1, sleep="
    )
    terminal, end = pty.openpty()  # in a terminal the bar moves each second, elsewhere each ten
    termios.tcsetwinsize(end, (24, 100))
    process = python(measure, tmp_path, 1, 3.0, stderr=end, LRGUIDE_PAGE="fixed_rates.py")
    process.communicate()
    states = os.read(terminal, 100_000).decode().replace("\r", "\n").splitlines()
    os.close(terminal)
    os.close(end)
    assert any(s.startswith("fixed_rates.py: 0 of 1 runs, longer than expected |") for s in states)
    assert not any("about 00:00 left" in state for state in states)


def entries(folder):
    return sorted((folder / "cache").glob("*.json"))


def alive(group):
    """Whether processes of this session run, those that wait to be reaped apart."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "sess=,stat=,args="], capture_output=True, text=True
    ).stdout
    return [
        line
        for line in listed.splitlines()
        if line.split()[0] == str(group) and "Z" not in line.split()[1]
    ]


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing happened in {seconds} seconds"
        time.sleep(0.01)


def python(code, *arguments, stderr=subprocess.PIPE, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"} | environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def test_an_experiment_of_another_module_with_the_same_name_has_another_key() -> None:
    def train(**settings):
        return {}

    train.__globals__["PROTOCOL"]["train"] = 1
    try:
        settings = complete(experiments.train, {"optimizer": "Adam", "rate": 0.1, "seed": 0})
        assert key_of(train, settings) != key_of(experiments.train, settings)
    finally:
        del train.__globals__["PROTOCOL"]["train"]


def test_settings_without_their_list_are_refused_in_one_sentence(tmp_path) -> None:
    with pytest.raises(TypeError, match=r"one mapping a run, received a mapping alone"):
        measured(probe, {"seed": 0}, cache=tmp_path, records=tmp_path)
    with pytest.raises(TypeError, match=r"settings of a run must be a mapping, received 'seed'"):
        measured(probe, ["seed"], cache=tmp_path, records=tmp_path)


# What pages ask of runs


def runs_of(**losses):
    """Runs of contenders by name, one a seed, each with two epochs."""
    return records.Runs(
        records.Run("probe", {"name": name, "seed": seed}, {"validation_loss": [9, loss]}, {})
        for name, values in losses.items()
        for seed, loss in enumerate(values)
    )


def test_the_final_value_is_that_of_the_last_epoch_or_the_only_one():
    runs = runs_of(a=[1.0, 2.0])
    assert runs.final().tolist() == [1, 2]
    alone = records.Runs([records.Run("probe", {}, {"test_loss": 0.5}, {})])
    assert alone.final("test_loss").tolist() == [0.5]


def test_the_best_value_has_the_lowest_mean_and_no_run_that_was_lost():
    assert runs_of(a=[1.0, 2.0], b=[1.4, 1.5], c=[0.1, None]).best("name") == "b"
    with pytest.raises(LookupError, match="every name of these runs has a loss that is not finite"):
        runs_of(a=[None, 1.0]).best("name")


def test_differences_are_paired_by_seed_whatever_the_order():
    runs = runs_of(a=[1.0, 2.0, 3.0], b=[0.5, 2.5, 1.0])
    a, b = runs.where(name="a"), runs.where(name="b")
    assert a.minus(b).tolist() == [0.5, -0.5, 2.0]
    assert a.minus(records.Runs(reversed(b))).tolist() == [0.5, -0.5, 2.0]


@pytest.mark.parametrize("other", [lambda b: b[:2], lambda b: (*b, b[0])])
def test_differences_need_the_same_seeds(other):
    runs = runs_of(a=[1.0, 2.0, 3.0], b=[0.5, 2.5, 1.0])
    with pytest.raises(ValueError, match="must have the same seeds, each once, received"):
        runs.where(name="a").minus(records.Runs(other(runs.where(name="b"))))
