"""How runs are made: in processes of their own, with a progress bar and their provenance."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from lrguide.data import mnist_full
from lrguide.guide.settings import TENSORFLOW, budget_of, defaults

# The environments of the other backends, and what keeps JAX to one thread.
ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".cache" / "backends"
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

Experiment = Callable[..., dict[str, Any]]
# Completed settings, the result, and what made it.
Outcome = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


class RunFailed(RuntimeError):
    """An experiment has raised an error: which, where, and with which settings."""


def run_all(
    function: Experiment,
    missing: Sequence[dict[str, Any]],
    jobs: int,
    seconds: Sequence[float] | None = None,
) -> Generator[Outcome, None, None]:
    """Run an experiment at each of these completed settings; outcomes come as they are ready.

    Args:
        function: the experiment.
        missing: its completed settings, a mapping a run.
        jobs: processes that train at a time.
        seconds: the CPU-seconds to expect of each run; by default a guess from its budget.

    Raises:
        RunFailed: if the experiment raises an error.
        ChildProcessError: if a process that trains is killed.
    """
    from joblib import Parallel, delayed

    if not missing:
        return
    if any(setting["full"] for setting in missing):
        mnist_full.__wrapped__()  # download once, or fail here, before the processes start
    # One job would run in this process, so there are always two workers; `pre_dispatch` says how
    # many are busy. No backend is named: `joblib.parallel_config` can choose a cluster's.
    parallel = Parallel(
        n_jobs=max(2, min(jobs, len(missing))),
        pre_dispatch=jobs,
        batch_size=1,
        return_as="generator_unordered",
        initializer=_end_with,
        initargs=(os.getpid(),),
    )
    if seconds is None:
        seconds = [budget_of(setting).seconds for setting in missing]
    expected = {str(setting): each for setting, each in zip(missing, seconds, strict=True)}
    what = os.environ.get("LRGUIDE_PAGE") or function.__name__  # two pages may share a terminal
    with warnings.catch_warnings(), _progress(what, expected, jobs) as advance:
        # What joblib tells of replaced or stopped workers helps nobody: the runs are all there.
        warnings.filterwarnings("ignore", "A worker stopped|.*tasks", UserWarning)
        with _uninterrupted():
            runs = parallel(delayed(_run)(function, s) for s in missing)
        with closing(runs):
            try:
                for outcome in runs:
                    yield outcome
                    advance(outcome[0])
            except RunFailed as error:
                raise RunFailed(*error.args) from None  # without joblib's own traceback
            except BrokenExecutor as error:
                raise ChildProcessError(
                    "a process that trained was killed, perhaps for want of memory; the runs that "
                    "had ended are kept: start again to go on, with fewer JOBS if it happens again"
                ) from error


@contextmanager
def cluster(address: str) -> Iterator[int]:
    """Send runs to the workers of a Dask scheduler at this address; gives their number.

    Raises:
        ModuleNotFoundError: if the package distributed is not installed.
        ConnectionError: if no scheduler answers, or it has no workers.
    """
    from joblib import parallel_config

    try:
        from distributed import Client
    except ImportError as error:
        raise ModuleNotFoundError(
            "SCHEDULER needs the package distributed, which is not installed: "
            "pip install distributed"
        ) from error
    try:
        # Where nothing listens this fails at once; the client would try again for ten seconds.
        place = urlsplit(address)
        socket.create_connection((place.hostname or "", place.port or 0), timeout=10).close()
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"SCHEDULER must be the address of a running Dask scheduler, as tcp://host:8786, but "
            f"none answered at {address!r}"
        ) from error
    with client:
        workers = len(client.nthreads())
        if not workers:
            raise ConnectionError(f"the scheduler at {address} has no workers: start some")
        with parallel_config("dask", client=client):
            yield workers


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started here leave Ctrl-C, which a terminal sends to all, to this process."""
    # Starting the tracker unblocks the signal, so it is started before the signal is blocked.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _progress(
    what: str, expected: Mapping[str, float], jobs: int
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar that moves on while the runs last: its time left is an estimate from the first on.

    The first run that ends corrects the expected CPU-seconds, and each later one does so again.
    """
    from tqdm import tqdm

    total, count = sum(expected.values()), len(expected)
    busy, started, over = min(jobs, count), time.monotonic(), threading.Event()
    done, ended, speed = 0.0, 0, float(busy)  # in expected CPU-seconds, and those a second
    bar = tqdm(total=total, bar_format="{desc} |{bar}| {elapsed} gone", file=sys.stderr)

    def tick() -> None:
        while True:
            gone = time.monotonic() - started
            bar.n = total if ended == count else min(gone * speed, 0.99 * total)
            left = total / speed - gone
            rest = "longer than expected"
            if left > 0:
                rest = f"about {tqdm.format_interval(max(left, 1))} left"
            bar.set_description_str(f"{what}: {ended} of {count} runs, {rest}")
            if over.wait(1 if sys.stderr.isatty() else 10):
                return

    def advance(settings: Mapping[str, Any]) -> None:
        nonlocal done, ended, speed
        done, ended = done + expected[str(settings)], ended + 1
        # Until every process has ended a run, the others count as being as fast as those that have.
        speed = done * max(1, busy / ended) / (time.monotonic() - started)

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield advance
    finally:
        over.set()
        ticking.join()
        bar.n = total if ended == count else done
        bar.set_description_str(f"{what}: {ended} of {count} runs")
        bar.close()


def _run(function: Experiment, settings: dict[str, Any]) -> Outcome:
    # Runs in a process of its own: the thread counts of the caller's TensorFlow must not matter.
    backend = settings.get("backend", TENSORFLOW)
    python = python_with(backend)
    if threading.current_thread() is not threading.main_thread() or python != sys.executable:
        return _run_apart(function, settings, python)
    # These decide bits, so they do not depend on how the caller's computer is set up.
    os.environ |= {"KERAS_BACKEND": backend, "TF_ENABLE_ONEDNN_OPTS": "1"}
    if backend == "jax":
        os.environ["XLA_FLAGS"] = ONE_THREAD
    started = time.process_time()
    try:
        result = function(**settings)
    except Exception as error:
        raise RunFailed(_failure(function, settings, error)) from error
    return settings, result, _provenance(time.process_time() - started)


def _failure(function: Experiment, settings: Mapping[str, Any], error: Exception) -> str:
    """What failed, where, and the settings that are neither a default nor part of the budget."""
    known = defaults(function) | asdict(budget_of(settings))
    told = {name: value for name, value in settings.items() if known.get(name, known) != value}
    place = traceback.extract_tb(error.__traceback__)[-1]
    words = " ".join(f"{type(error).__name__}: {error}".split())
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return f"{function.__name__} with {told} stopped in {where} ({words})"


def python_with(backend: str) -> str:
    """The Python that trains on a backend: this one, or that of `make test-backend`."""
    if backend == TENSORFLOW:
        return sys.executable
    return str(ENVIRONMENTS / backend / "bin" / "python")


def _run_apart(
    function: Experiment, settings: dict[str, Any], python: str = sys.executable
) -> Outcome:
    """Run in a new process: the other threads of a cluster's worker draw random numbers, too.

    Raises:
        FileNotFoundError: if the backend's Python is not there.
    """
    if not Path(python).exists():
        backend = settings["backend"]
        raise FileNotFoundError(
            f"a run on {backend} needs {python}, which is not there: "
            f"make test-backend BACKEND={backend} sets it up"
        )
    code = f"from lrguide.guide import processes; processes._answer({os.getpid()})"
    child = subprocess.run(
        [python, "-c", code],
        input=pickle.dumps((function, settings)),
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: Outcome | Exception = pickle.loads(child.stdout)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(parent: int) -> None:
    """Run what stands pickled in the standard input, and write its outcome to the output."""
    _end_with(parent)
    answer: Outcome | Exception
    try:
        answer = _run(*pickle.load(sys.stdin.buffer))
    except Exception as error:
        answer = error
    sys.stdout.buffer.write(pickle.dumps(answer))


def _end_with(parent: int) -> None:
    """A killed measurement must not leave processes that go on training for nobody.

    The parent names itself when it starts this process: whoever asks for the parent's number later
    may be told that of the process which took over.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _provenance(cpu_seconds: float) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    backend = os.environ.get("KERAS_BACKEND", TENSORFLOW)
    onednn = {"onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"}
    threads, gpus = 1, []
    if tf := sys.modules.get("tensorflow"):  # an experiment may do without
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        gpus = [
            tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
            for gpu in tf.config.list_physical_devices("GPU")
        ]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": ", ".join(gpus) or processor(),
        "threads": threads,
        **(onednn if backend == TENSORFLOW else {}),
        "cpu_seconds": round(cpu_seconds, 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": version("keras"),
        backend: version(backend),
    }


def processor() -> str:
    """This machine's type of processor, on which the last bits of a result depend."""
    import platform

    try:
        return _type_in(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return platform.processor() or platform.machine()


def _type_in(cpuinfo: str) -> str:
    """The first processor's name, with its family and model where it has these.

    Generations of one name have other vector instructions, and so other last bits.
    """
    lines = (line.partition(":") for line in cpuinfo.split("\n\n")[0].splitlines())
    said = {name.strip(): value.strip() for name, _, value in lines}
    name = said.get("model name") or said.get("CPU part") or "unknown processor"
    numbers = [said.get("cpu family"), said.get("model")]
    return f"{name} (family {numbers[0]}, model {numbers[1]})" if all(numbers) else name


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
