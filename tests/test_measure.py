"""`make measure`: what pages ask for and no record holds is run and written down, page by page."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrguide.guide.experiments import train
from lrguide.guide.settings import complete

ROOT = Path(__file__).resolve().parents[1]

PROBES = """
import os, time

PROTOCOL = {"probe": 1}


def probe(*, budget, seed, training, batch, epochs, validation, test, full, sleep=0.0):
    time.sleep(sleep)
    return {"loss": [float(seed)], "process": os.getpid()}
"""
HEAD = """
from probes import probe
from lrguide.guide.records import measured
from lrguide.guide.report import claim

def ask(*seeds, **more):
    return measured(probe, [dict(seed=seed, **more) for seed in seeds])

"""


@pytest.fixture
def project(tmp_path):
    """A repository of its own: the package, no pages, no records, an experiment that is fast."""
    shutil.copytree(ROOT / "lrguide", tmp_path / "lrguide")
    (tmp_path / "docs" / "records").mkdir(parents=True)
    (tmp_path / "probes.py").write_text(PROBES)
    return tmp_path


def page(project, name, code):
    (project / "docs" / f"{name}.py").write_text(HEAD + code)


def start(project, command=("-m", "lrguide.guide.measure"), **environment):
    hidden = (
        "PAGE",
        "JOBS",
        "DRY",
        "SCHEDULER",
        "LRGUIDE_JOBS",
        "LRGUIDE_MAX_SECONDS",
        "PYTHONPATH",
    )
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name not in hidden}
        | {"PYTHONPATH": str(project), "JOBS": "2"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def measure(project, **environment):
    """Exit status, lines on stdout, and on stderr those that no bar wrote."""
    process = start(project, **environment)
    said, complained = process.communicate(timeout=240)
    plain = [line for line in complained.splitlines() if "\r" not in line and "gone" not in line]
    return process.returncode, said.splitlines(), [line for line in plain if line.strip()]


def record(project, budget="SMALL"):
    return project / "docs" / "records" / f"probe_{budget}.json"


def seeds(project, budget="SMALL"):
    return [
        run["settings"]["seed"] for run in json.loads(record(project, budget).read_text())["runs"]
    ]


def test_missing_runs_are_added_and_those_there_are_kept_byte_for_byte(project):
    page(project, "one", "ask(0)")
    assert measure(project) == (0, ["measuring one.py", "probe_SMALL.json: 1 runs added"], [])
    [line] = [line for line in record(project).read_text().splitlines() if '"seed": 0' in line]

    assert measure(project) == (
        0,
        ["measuring one.py", "one.py: nothing to do, the records hold all its runs"],
        [],
    )

    page(project, "one", "ask(0, 1)")
    assert measure(project) == (0, ["measuring one.py", "probe_SMALL.json: 1 runs added"], [])
    assert seeds(project) == [0, 1]
    assert line + "," in record(project).read_text().splitlines()


def test_questions_may_follow_from_answers_and_pages_share_runs(project):
    page(
        project,
        "adaptive",
        "best = min(ask(3, 2), key=lambda run: run.result['loss'][0])\n"
        "print('a page may print')\n"
        "ask(best.settings['seed'], budget='TINY')",
    )
    page(project, "later", "ask(2, 3)")
    status, said, complained = measure(project)
    assert (status, complained) == (0, [])
    assert said == [
        "measuring adaptive.py",
        "probe_SMALL.json: 2 runs added",
        "probe_TINY.json: 1 runs added",
        "measuring later.py",
        "later.py: nothing to do, the records hold all its runs",
    ]
    assert (seeds(project), seeds(project, "TINY")) == ([2, 3], [2])


def test_cached_runs_become_records_without_being_made_again(project):
    page(project, "one", "ask(5)")
    process = start(project, ["docs/one.py"])
    assert process.communicate(timeout=120) and process.returncode == 0
    [cached] = (project / ".cache" / "lrguide").glob("*.json")
    made = json.loads(cached.read_text())["runs"]
    assert not record(project).exists()

    assert measure(project, LRGUIDE_MAX_SECONDS="0")[0] == 0
    assert json.loads(record(project).read_text())["runs"] == made


def test_a_page_that_fails_is_told_in_one_sentence_its_runs_and_the_other_pages_are_measured(
    project,
):
    odd, large = (
        f"claim(ask(0))(lambda runs: ('Seeds are {what}.', False))" for what in ("odd", "large")
    )
    page(project, "a_claim", f"{odd}\n{large}")
    page(project, "b_error", "ask(1)\n{}['nowhere']")
    page(project, "c_settings", "measured(probe, [dict(seed=-1)])")
    page(project, "d_syntax", "ask(")
    page(project, "e_fine", "ask(0, 1)")
    status, said, complained = measure(project)
    assert status == 1
    assert [line.split(" (")[0] for line in complained] == [
        "docs/a_claim.py, line 9: The runs do not bear out this sentence: Seeds are odd. "
        "What does not hold: `check 1`.",
        "docs/a_claim.py, line 10: The runs do not bear out this sentence: Seeds are large. "
        "What does not hold: `check 1`.",
        "b_error.py stopped at line 10",
        "c_settings.py stopped at line 9",
        "d_syntax.py stopped at line 9",
    ]
    assert "seed must be a whole number" in complained[3]
    assert "d_syntax.py, line 9" in complained[4]
    assert seeds(project) == [0, 1]
    assert said[-1] == "e_fine.py: nothing to do, the records hold all its runs"


@pytest.mark.parametrize("name", ["two", "one.py", "../one", "*"])
def test_a_page_that_is_not_there_is_named_beside_those_that_are(project, name):
    page(project, "index", "")
    page(project, "one", "")
    assert measure(project, PAGE=name) == (
        2,
        [],
        [f"PAGE must be one of index, one, received {name!r}"],
    )


def test_only_the_named_page_is_measured(project):
    page(project, "one", "ask(0)")
    page(project, "two", "raise RuntimeError('not asked for')")
    status, said, _ = measure(project, PAGE="one")
    assert (status, said[0]) == (0, "measuring one.py")
    assert seeds(project) == [0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("[0.0]", "[0.1]"), "run 0 in .* was changed after it was measu"),
        (lambda text: text[:-20], "damaged and is not used"),
    ],
)
def test_a_spoilt_record_is_named_and_left_alone(project, spoil, message):
    page(project, "one", "ask(0)")
    measure(project)
    record(project).write_text(spoil(record(project).read_text()))
    spoilt = record(project).read_bytes()
    page(project, "one", "ask(0, 1)")
    status, _, complained = measure(project)
    assert (status, len(complained)) == (1, 1)
    assert record(project).name in complained[0]
    assert record(project).read_bytes() == spoilt


def test_bad_jobs_are_one_sentence(project):
    page(project, "one", "ask(0)")
    status, _, complained = measure(project, JOBS="many")
    assert (status, len(complained)) == (1, 1)
    assert "jobs (LRGUIDE_JOBS) must be a whole number above 0, received 'many'" in complained[0]


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(project):
    page(project, "one", "ask(*range(60), sleep=0.2)")
    cache = project / ".cache" / "lrguide"
    process = start(project)
    end = time.monotonic() + 60
    while not list(cache.glob("*.json")):
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, complained = process.communicate(timeout=20)
    assert process.returncode == 130
    assert complained.splitlines()[-1] == (
        "stopped; what was measured is kept, the same command goes on"
    )
    assert "Traceback" not in complained
    kept = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.json")}
    assert 0 < len(kept) < 60
    page(project, "one", f"ask(*range({len(kept)}), sleep=0.2)")
    assert measure(project)[0] == 0
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in cache.glob("*.json")}.items()


def test_pages_are_measured_in_reading_order_those_not_in_the_navigation_last(project):
    for name in ("alpha", "beta", "gamma"):
        page(project, name, "")
    (project / "mkdocs.yml").write_text(
        "nav:\n  - Start: gamma.py # home\n  - Learn:\n      - words.md\n      - alpha.py\n"
    )
    _, said, _ = measure(project)
    measured = [line.split()[1] for line in said if line.startswith("measuring")]
    assert measured == ["gamma.py", "alpha.py", "beta.py"]


def test_a_dry_run_lists_what_is_missing_with_its_time_and_trains_nothing(project):
    page(project, "known", "ask(0)")
    measure(project)
    page(project, "more", "ask(0, 1, 2)\nask(0, budget='FULL')")
    page(project, "wrong", "claim(ask(0))(lambda runs: ('No.', False))")
    status, said, complained = measure(project, DRY="1")
    assert (status, complained) == (0, [])
    assert said == [
        "more.py: probe SMALL: 2 runs, 0 CPU-minutes",
        "more.py: pending: what the page asks for after these",
    ]
    assert seeds(project) == [0]
    assert len(list((project / ".cache" / "lrguide").glob("*.json"))) == 1


def test_a_dry_run_with_all_there_says_so(project):
    page(project, "known", "ask(0)")
    measure(project)
    assert measure(project, DRY="1") == (0, ["nothing to measure"], [])


def test_a_killed_process_is_one_sentence_and_what_was_done_is_kept(project):
    page(project, "one", "ask(*range(40), sleep=0.3)")
    cache = project / ".cache" / "lrguide"
    process = start(project)
    wait(lambda: len(list(cache.glob("*.json"))) >= 2)
    [run] = json.loads(next(iter(cache.glob("*.json"))).read_text())["runs"]
    os.kill(run["result"]["process"], signal.SIGKILL)
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in complained
    assert "a process that trained was killed, perhaps for want of memory;" in complained
    kept = len(list(cache.glob("*.json")))
    page(project, "one", f"ask(*range({kept}))")
    assert 0 < kept < 40 and measure(project)[0] == 0


# A cluster: a real scheduler, two real workers


def wait(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a Dask scheduler on loopback with two workers, and the workers' processes."""
    folder = tmp_path_factory.mktemp("dask")
    found = folder / "scheduler.json"
    (folder / "probes.py").write_text(PROBES)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(*command):
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    file = ["--scheduler-file", str(found)]
    local = ["--no-dashboard", "--host", "127.0.0.1"]
    processes = [run("scheduler", *local, "--port", "0", *file)]
    wait(found.is_file)
    one = ["--nthreads", "1", "--no-nanny"]
    processes += [run("worker", *local, *one, *file) for _ in range(2)]
    address = json.loads(found.read_text())["address"]
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address, processes[1:]
    for process in reversed(processes):
        process.kill()
        process.wait()


def test_a_cluster_gives_the_results_of_this_machine(project, scheduler):
    little = dict(training=200, batch=40, epochs=1, validation=40, test=40, budget="TINY")
    asked = dict(little, optimizer="Adam", rate=0.003, seed=1)
    page(
        project,
        "one",
        f"from lrguide.guide.experiments import train\nmeasured(train, [{asked}])",
    )
    address, _ = scheduler
    status, said, complained = measure(project, SCHEDULER=address)
    assert (status, said[-1], complained) == (0, "train_TINY.json: 1 runs added", [])
    held = project / "docs" / "records" / "train_TINY.json"
    [by_cluster] = json.loads(held.read_text())["runs"]
    assert by_cluster["result"] == train(**complete(train, asked))


def test_a_worker_that_is_killed_midway_loses_and_doubles_nothing(project, scheduler):
    """The last test that has two workers."""
    page(project, "one", "ask(*range(12), sleep=0.2)")
    address, workers = scheduler
    cache = project / ".cache" / "lrguide"
    process = start(project, SCHEDULER=address)
    wait(lambda: len(list(cache.glob("*.json"))) >= 4)
    workers[0].kill()
    process.communicate(timeout=240)
    assert process.returncode == 0
    runs = json.loads(record(project).read_text())["runs"]
    assert sorted(run["settings"]["seed"] for run in runs) == list(range(12))
    assert all(run["result"]["loss"] == [run["settings"]["seed"]] for run in runs)


def test_a_scheduler_that_does_not_answer_is_one_sentence(project):
    page(project, "one", "ask(0)")
    status, said, complained = measure(project, SCHEDULER="tcp://127.0.0.1:9")
    assert (status, said) == (1, [])
    assert complained[-1] == (
        "SCHEDULER must be the address of a running Dask scheduler, as tcp://host:8786, but none "
        "answered at 'tcp://127.0.0.1:9'"
    )
