"""Full disks, and processes stopped at any moment: nothing stored is lost or half-written."""

import contextlib
import os
import pty
import random
import re
import resource
import signal
import subprocess
import termios
import time

import pytest
from probes import MEASURE, alive, ask, entries, probe, python, run_of, wait_until

from lrguide.guide.records import read, write

# Disks


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
from lrguide.guide.records import write
from probes import probe, run_of
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
from probes import complete, probe
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


# Of two processes one has ended a short run. Its second run, and the other's first, go on for long.
ONE_ENDS = """
import sys, pathlib
from probes import probe
from lrguide.guide.records import measured
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
