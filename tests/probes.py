"""An experiment that costs nothing, its stored runs, and the processes that ask for them."""

import os
import subprocess
import sys
import time
from pathlib import Path

from lrguide.guide.records import Run, measured
from lrguide.guide.settings import complete

HERE = Path(__file__).resolve().parent
PROTOCOL = {"probe": 1, "other": 1}
MADE = {"date": "2026-01-02", "cpu_seconds": 1.5}


def probe(*, budget, seed, training, batch, epochs, validation, test, full, sleep=0.0, fails=False):
    """An experiment that costs nothing; it must be importable by the worker processes."""
    time.sleep(sleep)
    if fails:
        raise ValueError(f"seed {seed} fails on purpose")
    return {"loss": [float(seed), None], "process": os.getpid()}


def run_of(seed, **more):
    settings = complete(probe, dict(seed=seed, **more))
    return Run("probe", settings, {"loss": [float(seed), None]}, MADE)


def ask(folder, *seeds, jobs=2, **more):
    settings = [dict(seed=seed, **more) for seed in seeds]
    return measured(probe, settings, jobs=jobs, records=folder / "records", cache=folder / "cache")


MEASURE = """
import sys, pathlib
from probes import ask
ask(pathlib.Path(sys.argv[1]), *range(int(sys.argv[2])), sleep=float(sys.argv[3]))
"""


def entries(folder):
    return sorted((folder / "cache").glob("*.json"))


def alive(group):
    """Whether processes of this session still run; those that wait to be reaped do not count."""
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
