"""How runs are made: in processes of their own, with a progress bar and their provenance."""

import functools
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import numpy as np

from lrguide.data import mnist_full
from lrguide.guide.experiments import budget_of

Experiment = Callable[..., dict[str, Any]]
# Completed settings, the result, and what made it.
Outcome = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def run_all(
    function: Experiment, missing: Sequence[dict[str, Any]], jobs: int
) -> Generator[Outcome, None, None]:
    """Run an experiment at each of these completed settings; outcomes come as they are ready."""
    from joblib import Parallel, delayed

    if any(setting["full"] for setting in missing):
        mnist_full.__wrapped__()  # download once, or fail here, before the processes start
    # One job would run in this process, so there are always two workers; `pre_dispatch` says how
    # many are busy. No backend is named: `joblib.parallel_config` can choose a cluster's.
    parallel = Parallel(
        n_jobs=max(2, min(jobs, len(missing))),
        pre_dispatch=jobs,
        batch_size=1,
        return_as="generator_unordered",
    )
    what = os.environ.get("LRGUIDE_PAGE") or function.__name__  # two pages may share a terminal
    with warnings.catch_warnings(), _progress(what, missing, jobs) as advance:
        # What joblib tells of replaced or stopped workers helps nobody: the runs are all there.
        warnings.filterwarnings("ignore", "A worker stopped|.*tasks", UserWarning)
        with _uninterrupted():
            runs = parallel(delayed(_run)(function, s) for s in missing)
        with closing(runs):
            for outcome in runs:
                yield outcome
                advance(outcome[0])


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started here leave Ctrl-C, which a terminal sends to all, to this process."""
    resource_tracker.ensure_running()  # unblocks the signal where it starts, so not between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _progress(
    what: str, missing: Sequence[Mapping[str, Any]], jobs: int
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar that moves on while the runs last: its time left is an estimate from the first on."""
    from tqdm import tqdm

    total = sum(budget_of(setting).seconds for setting in missing)
    busy, started, over = min(jobs, len(missing)), time.monotonic(), threading.Event()
    done, ended, speed = 0.0, 0, float(busy)  # in estimated CPU-seconds, and those a second
    bar = tqdm(total=total, bar_format="{desc} |{bar}| {elapsed} gone", file=sys.stderr)

    def tick() -> None:
        while True:
            gone = time.monotonic() - started
            bar.n = total if ended == len(missing) else min(gone * speed, 0.99 * total)
            left = total / speed - gone
            rest = "longer than expected"
            if left > 0:
                rest = f"about {tqdm.format_interval(max(left, 1))} left"
            bar.set_description_str(f"{what}: {ended} of {len(missing)} runs, {rest}")
            if over.wait(1 if sys.stderr.isatty() else 10):
                return

    def advance(settings: Mapping[str, Any]) -> None:
        nonlocal done, ended, speed
        done, ended = done + budget_of(settings).seconds, ended + 1
        if ended >= busy:
            speed = done / (time.monotonic() - started)

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield advance
    finally:
        over.set()
        ticking.join()
        bar.n = total if ended == len(missing) else done
        bar.set_description_str(f"{what}: {ended} of {len(missing)} runs")
        bar.close()


def _run(function: Experiment, settings: dict[str, Any]) -> Outcome:
    # Runs in a process of its own: the thread counts of the caller's TensorFlow must not matter.
    _end_with_parent()
    # Both decide bits, so they do not depend on how the caller's computer is set up.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1"}
    started = time.process_time()
    result = function(**settings)
    return settings, result, _provenance(time.process_time() - started)


@functools.cache
def _end_with_parent() -> None:
    """A killed measurement must not leave processes that go on training for nobody."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _provenance(cpu_seconds: float) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    threads, gpus = 1, []
    if tf := sys.modules.get("tensorflow"):  # an experiment may do without
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        gpus = [
            tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
            for gpu in tf.config.list_physical_devices("GPU")
        ]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": ", ".join(gpus) or _processor(),
        "threads": threads,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "cpu_seconds": round(cpu_seconds, 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": version("keras"),
        "tensorflow": version("tensorflow"),
    }


def _processor() -> str:
    import platform

    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def jobs_allowed(jobs: int | None) -> int:
    """How many processes may train at a time: `jobs`, else `LRGUIDE_JOBS`, else all processors.

    Raises:
        ValueError: if that is not a whole number above 0.
    """
    value = jobs if jobs is not None else os.environ.get("LRGUIDE_JOBS") or None
    if value is None:
        from joblib import cpu_count

        return int(cpu_count())  # what a container or a queueing system allows, not what exists
    try:
        number = int(value) if int(value) == float(value) else 0
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1:
        raise ValueError(f"jobs (LRGUIDE_JOBS) must be a whole number above 0, received {value!r}")
    return number
