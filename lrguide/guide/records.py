"""`measured`: the memo between a page and its experiments.

A run that `docs/records/` or the local cache holds is read, without importing TensorFlow; any
other is trained in a process of its own and stored at once. Records are the committed runs, one
JSON file an experiment and budget, one line a run; the cache holds one file a run in the same form.
"""

import functools
import hashlib
import json
import math
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrguide.data import mnist_full
from lrguide.guide.experiments import budget_of, complete, identity

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "docs" / "records"
# An installed copy of lrguide has no docs beside it and must not write into site-packages.
CACHE = (ROOT if RECORDS.is_dir() else Path.cwd()) / ".cache" / "lrguide"

Experiment = Callable[..., dict[str, Any]]

# What this process asked for, so that `make measure` can learn a page's settings by running it.
asked: list[tuple[Experiment, list[dict[str, Any]]]] = []


class NotMeasured(RuntimeError):
    """Runs are missing that would take longer than `LRGUIDE_MAX_SECONDS`."""


@dataclass(frozen=True)
class Run:
    """One run: its function's name, completed settings, result, and what made it (`made`)."""

    function: str
    settings: Mapping[str, Any]
    result: Mapping[str, Any]
    made: Mapping[str, Any]


class Runs(tuple[Run, ...]):
    """Runs in the order of the settings that were asked for."""

    def where(self, **settings: Any) -> "Runs":
        """The runs with these settings.

        Raises:
            LookupError: if there is none, so that no statement is made about nothing.
        """
        chosen = Runs(
            run for run in self if all(run.settings.get(k) == v for k, v in settings.items())
        )
        if not chosen:
            present = {k: sorted({run.settings.get(k) for run in self}, key=str) for k in settings}
            raise LookupError(f"no run has {settings}; these runs have {present}")
        return chosen

    def by(self, setting: str) -> dict[Any, "Runs"]:
        """The runs grouped by a setting, in order of appearance."""
        present = dict.fromkeys(run.settings[setting] for run in self)
        return {value: self.where(**{setting: value}) for value in present}

    def values(self, name: str) -> NDArray[np.float64]:
        """One result of each run: shape (runs,) or (runs, epochs); what was not finite is NaN."""
        return np.array([run.result[name] for run in self], dtype=np.float64)


def measured(
    function: Experiment,
    settings: Iterable[Mapping[str, Any]],
    *,
    jobs: int | None = None,
    records: Path | None = None,
    cache: Path | None = None,
) -> Runs:
    """The runs of an experiment at these settings: stored ones are read, the others trained.

    Args:
        function: an experiment of `lrguide.guide.experiments`, such as `train`.
        settings: one mapping a run; a named budget stands for its numbers.
        jobs: processes at a time; `LRGUIDE_JOBS` or the number of processors by default.
        records: folder of the committed records, `docs/records` by default.
        cache: folder for new runs, `.cache/lrguide` by default.

    Raises:
        ValueError, TypeError: for bad settings (before anything trains) or a damaged record.
        NotMeasured: if the missing runs would take longer than `LRGUIDE_MAX_SECONDS` (no limit by
            default).
        BlockingIOError: if another measurement is running.
        OSError: if a run cannot be stored.
    """
    wanted = [complete(function, setting) for setting in settings]
    if not wanted:
        raise ValueError("settings must name at least one run (is there no seed?), received none")
    asked.append((function, wanted))
    jobs = _jobs(jobs)
    records, cache = records or RECORDS, cache or CACHE
    stored = _look_up(function, wanted, records, cache)
    missing = {key_of(function, s): s for s in wanted if key_of(function, s) not in stored}
    if missing:
        _refuse_if_too_long(function, list(missing.values()), jobs)
        with only_one(cache):

            def keep(run: Run) -> None:
                key = key_of(function, run.settings)
                write(cache / f"{key}.json", function, [run])
                stored[key] = run

            _train(function, list(missing.values()), jobs, keep)
    return Runs(stored[key_of(function, setting)] for setting in wanted)


def key_of(function: Experiment, settings: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits for all that decides a run's result."""
    return _digest(identity(function, settings))


def record_path(function: Experiment, settings: Mapping[str, Any], records: Path) -> Path:
    """The committed file that holds a run with these completed settings."""
    return records / f"{function.__name__}_{settings['budget']}.json"


def read(path: Path, function: Experiment) -> dict[str, Run]:
    """The runs in a file by key; runs of another protocol or other data are left out.

    Raises:
        ValueError: if the file is damaged or was edited by hand.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        schema, name, lines = content["schema"], content["function"], content["runs"]
        if (schema, name) != (SCHEMA, function.__name__):
            raise ValueError(
                f"{path} must have schema {SCHEMA} and hold runs of {function.__name__}, received "
                f"schema {schema!r} and {name!r} and is not used"
            )
        runs = {}
        for number, line in enumerate(lines):
            digest = line.pop("digest")
            if digest != _digest(line):
                raise ValueError(
                    f"run {number} in {path} was changed after it was measured and is not used: "
                    "restore the file, or delete that run to measure it again"
                )
            same = identity(function, line["settings"])
            # Runs of another protocol or other data were right once and are simply out of date.
            if all(line[name] == same[name] for name in ("protocol", "data")):
                runs[key_of(function, line["settings"])] = Run(
                    function.__name__, line["settings"], line["result"], line["made"]
                )
    except (
        json.JSONDecodeError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
        OSError,
    ) as error:
        raise ValueError(
            f"{path} must hold measured runs as JSON but is damaged and is not used: restore it, "
            f"or delete it to measure again ({type(error).__name__}: {error})"
        ) from error
    return runs


def _refuse(constant: str) -> None:
    raise TypeError(f"{constant} is not JSON")


def write(path: Path, function: Experiment, runs: Iterable[Run]) -> None:
    """Write runs into a file, whole or not at all, sorted, one line each.

    Only one process may write to a folder at a time (`only_one`).
    """
    lines = []
    for run in sorted(runs, key=lambda run: str(run.settings)):
        same = identity(function, run.settings)
        line = {name: same[name] for name in ("protocol", "data", "settings")}
        line |= {"result": dict(run.result), "made": dict(run.made)}
        try:
            lines.append(json.dumps(line | {"digest": _digest(line)}))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{function.__name__} must return plain finite numbers, None for others, "
                f"received something else ({error})"
            ) from error
    text = (
        f'{{"schema": {SCHEMA}, "function": "{function.__name__}", "runs": [\n'
        + ",\n".join(lines)
        + "\n]}\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for orphan in path.parent.glob(".*.tmp"):  # of a process that was killed: see only_one
            orphan.unlink(missing_ok=True)
        # The temporary file lies beside the final one: a rename is atomic within a file system.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"measured runs could not be written to {path} ({error.strerror}); make room or make "
            "the folder writable and start again: what was stored before is kept",
        ) from error


@contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Hold the lock on a cache while measuring; the system frees it however the process ends."""
    import fcntl

    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise OSError(
            error.errno, f"measured runs cannot be written to {cache} ({error.strerror})"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BlockingIOError(
                f"another measurement is running (process {file.read().strip() or 'unknown'}): "
                "wait until it ends, or stop it; nothing was started"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _look_up(
    function: Experiment, wanted: Sequence[Mapping[str, Any]], records: Path, cache: Path
) -> dict[str, Run]:
    stored: dict[str, Run] = {}
    for path in {record_path(function, setting, records) for setting in wanted}:
        if path.exists():
            stored |= read(path, function)
    for key in {key_of(function, setting) for setting in wanted} - set(stored):
        path = cache / f"{key}.json"
        if path.exists():
            try:
                stored |= read(path, function)
            except ValueError as error:
                # A cached run costs only time, so it is measured again; a record is never guessed.
                warnings.warn(str(error), stacklevel=3)
    return stored


def _jobs(jobs: int | None) -> int:
    value = jobs if jobs is not None else os.environ.get("LRGUIDE_JOBS") or None
    if value is None:
        from joblib import cpu_count

        return int(cpu_count())  # what a container or a queueing system allows, not what exists
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ValueError(f"jobs (LRGUIDE_JOBS) must be a whole number above 0, received {value!r}")
    return number


def _refuse_if_too_long(function: Experiment, missing: list[dict[str, Any]], jobs: int) -> None:
    given = os.environ.get("LRGUIDE_MAX_SECONDS")
    if not given:
        return
    try:
        limit = float(given)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise ValueError(
            f"LRGUIDE_MAX_SECONDS must be a number of seconds from 0, received {given!r}"
        )
    seconds = sum(budget_of(setting).seconds for setting in missing) / min(jobs, len(missing))
    if seconds > limit:
        duration = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
        raise NotMeasured(
            f"{len(missing)} runs are not measured yet and would take about {duration} here, "
            f"longer than the {limit:.0f} seconds of LRGUIDE_MAX_SECONDS: run `make measure`"
        )


def _train(
    function: Experiment,
    missing: Sequence[dict[str, Any]],
    jobs: int,
    keep: Callable[[Run], None],
) -> None:
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
    with warnings.catch_warnings(), _progress(missing, jobs) as advance:
        # What joblib tells of replaced or stopped workers helps nobody: the runs are all there.
        warnings.filterwarnings("ignore", "A worker stopped|.*tasks", UserWarning)
        with _uninterrupted():
            runs = parallel(delayed(_run)(function, s) for s in missing)
        with closing(runs):
            for run in runs:
                keep(run)
                advance(run)


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
def _progress(missing: Sequence[Mapping[str, Any]], jobs: int) -> Iterator[Callable[[Run], None]]:
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
            left = tqdm.format_interval(max(total / speed - gone, 0))
            bar.set_description_str(f"{ended} of {len(missing)} runs, about {left} left")
            if over.wait(1 if sys.stderr.isatty() else 10):
                return

    def advance(run: Run) -> None:
        nonlocal done, ended, speed
        done, ended = done + budget_of(run.settings).seconds, ended + 1
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
        bar.set_description_str(f"{ended} of {len(missing)} runs")
        bar.close()


def _run(function: Experiment, settings: dict[str, Any]) -> Run:
    # Runs in a process of its own: the thread counts of the caller's TensorFlow must not matter.
    _end_with_parent()
    # Both decide bits, so they do not depend on how the caller's computer is set up.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1"}
    started = time.process_time()
    result = function(**settings)
    return Run(function.__name__, settings, result, _provenance(time.process_time() - started))


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


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
