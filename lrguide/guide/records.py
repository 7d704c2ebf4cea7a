"""`measured`: the memo between a page and its experiments.

A run that `docs/records/` or the local cache holds is read, without importing TensorFlow; any
other is trained in a process of its own and stored at once. Records are the committed runs, one
JSON file an experiment and budget, one line a run; the cache holds one file a run in the same form.
"""

import hashlib
import json
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, median_high
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.processes import Experiment, jobs_allowed, run_all
from lrguide.guide.settings import TENSORFLOW, budget_of, complete, defaults, identity

SCHEMA = 1
RECENT = 50  # so many cached runs tell how fast this machine is
ROOT = Path(__file__).resolve().parents[2]
RECORDS, CACHE = ROOT / "docs" / "records", ROOT / ".cache" / "lrguide"
if not RECORDS.is_dir():
    # An installed copy has no docs beside it and must not write into site-packages: a reader who
    # took a page's notebook away puts the records beside that.
    RECORDS, CACHE = Path.cwd() / "records", Path.cwd() / ".cache" / "lrguide"

# The parts of which a run in a file consists, beside its digest.
LINE = {"protocol": int, "data": str, "settings": dict, "result": dict, "made": dict}

# All that this process has asked for: `make measure` runs a page to learn its settings.
asked: list[tuple[Experiment, list[dict[str, Any]]]] = []


class NotMeasured(RuntimeError):
    """Runs are missing that would take longer than `LRGUIDE_MAX_SECONDS`: these."""

    def __init__(
        self,
        message: str,
        missing: Sequence[Mapping[str, Any]] = (),
        seconds: Sequence[float] = (),
    ) -> None:
        """Take the sentence, the missing runs' completed settings and their CPU-seconds."""
        super().__init__(message)
        self.missing, self.seconds = missing, seconds


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
            first, *others = settings

            def told(given: Mapping[str, Any]) -> str:
                return f"{given.get(first)}" + "".join(f" and {k} {given.get(k)}" for k in others)

            present = ", ".join(dict.fromkeys(told(run.settings) for run in self))
            raise LookupError(
                f"no run has {first} {told(settings)}; these runs have {first} {present}"
            )
        return chosen

    def by(self, setting: str) -> dict[Any, "Runs"]:
        """The runs grouped by a setting, in order of appearance."""
        groups: dict[Any, list[Run]] = {}
        for run in self:
            groups.setdefault(run.settings[setting], []).append(run)
        return {value: Runs(runs) for value, runs in groups.items()}

    def values(self, name: str) -> NDArray[np.float64]:
        """One result of each run: shape (runs,) or (runs, epochs); what was not finite is NaN."""
        return np.array([run.result[name] for run in self], dtype=np.float64)

    def final(self, name: str = "validation_loss") -> NDArray[np.float64]:
        """What `values` gives, after the last epoch: shape (runs,)."""
        values = self.values(name)
        return values[:, -1] if values.ndim > 1 else values

    def minus(self, other: "Runs", name: str = "validation_loss") -> NDArray[np.float64]:
        """By how much the final value lies above that of another contender, seed by seed.

        Raises:
            ValueError: if the two have not the same seeds, each once.
        """
        ours, theirs = ({run.settings["seed"]: run for run in runs} for runs in (self, other))
        if len(ours) != len(self) or len(theirs) != len(other) or ours.keys() != theirs.keys():
            raise ValueError(
                "paired runs must have the same seeds, each once, received "
                f"{[run.settings['seed'] for run in self]} and "
                f"{[run.settings['seed'] for run in other]}"
            )
        return self.final(name) - Runs(theirs[seed] for seed in ours).final(name)

    def best(self, setting: str = "rate") -> Any:
        """The value of a setting with the lowest mean validation loss after the last epoch.

        A value at which a run's loss was not finite is never the best.

        Raises:
            LookupError: if each value has such a run.
        """
        means = {value: runs.final().mean() for value, runs in self.by(setting).items()}
        finite = {value: mean for value, mean in means.items() if np.isfinite(mean)}
        if not finite:
            raise LookupError(f"every {setting} of these runs has a loss that is not finite")
        return min(finite, key=finite.__getitem__)


def measured(
    function: Experiment,
    settings: Iterable[Mapping[str, Any]],
    *,
    jobs: int | None = None,
    records: Path | None = None,
    cache: Path | None = None,
) -> Runs:
    """The runs of an experiment at these settings: stored ones are read, the others trained.

    Only one measurement trains at a time: a second waits for it, and then trains what is still
    missing. In a page's run for the site, whose time is limited, it fails instead, and the site
    runs the page again.

    Args:
        function: an experiment of `lrguide.guide.experiments`, such as `train`.
        settings: one mapping a run; a named budget stands for its numbers.
        jobs: processes at a time; `LRGUIDE_JOBS` or the number of processors by default.
        records: folder of the committed records; by default `docs/records` of the repository, or
            `records` in the working directory where lrguide is installed without it.
        cache: folder for new runs; by default `.cache/lrguide` in the same place.

    Raises:
        ValueError, TypeError: for bad settings (before anything trains) or a damaged record.
        NotMeasured: if the missing runs would take longer than `LRGUIDE_MAX_SECONDS` (no limit by
            default).
        BlockingIOError: if this process is measuring already, or, in a page's run for the site,
            another one.
        RunFailed: if the experiment raises an error; what had ended by then is stored.
        OSError: if a run cannot be stored.
    """
    if isinstance(settings, Mapping):
        raise TypeError(
            "settings must be a list with one mapping a run, received a mapping alone: put it in []"
        )
    wanted = [complete(function, setting) for setting in settings]
    if not wanted:
        raise ValueError("settings must name at least one run (is there no seed?), received none")
    asked.append((function, wanted))
    jobs = jobs_allowed(jobs)
    records, cache = Path(records or RECORDS), Path(cache or CACHE)
    stored = _look_up(function, wanted, records, cache)
    missing = {key_of(function, s): s for s in wanted if key_of(function, s) not in stored}
    if missing:
        seconds = seconds_here(function, list(missing.values()), records, cache)
        _refuse_if_too_long(list(missing.values()), seconds, jobs)
        expected = dict(zip(missing, seconds, strict=True))
        with only_one(cache, wait=not os.environ.get("LRGUIDE_PAGE")):
            stored |= _look_up(function, list(missing.values()), records, cache)
            left = {key: setting for key, setting in missing.items() if key not in stored}
            each = [expected[key] for key in left]
            with closing(run_all(function, list(left.values()), jobs, each)) as outcomes:
                for outcome in outcomes:
                    run = Run(function.__name__, *outcome)
                    key = key_of(function, run.settings)
                    write(cache / f"{key}.json", function, [run])
                    stored[key] = run
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
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_key_once)
        head = (content["schema"], content["function"])
        lines = [
            (line.pop("digest") == _digest(line), identity(function, line["settings"]), line)
            for line in map(_undamaged, content["runs"])
        ]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, OSError) as error:
        raise ValueError(
            f"{path} must hold measured runs as JSON but is damaged and is not used: restore it, "
            f"or delete it to measure again ({type(error).__name__}: {error})"
        ) from error
    if head != (SCHEMA, function.__name__):
        raise ValueError(
            f"{path} must have schema {SCHEMA} and hold runs of {function.__name__}, received "
            f"schema {head[0]!r} and {head[1]!r} and is not used"
        )
    runs: dict[str, Run] = {}
    numbers: dict[str, int] = {}
    for number, (whole, same, line) in enumerate(lines):
        if not whole:
            raise ValueError(
                f"run {number} in {path} was changed after it was measured and is not used: "
                "restore the file, or delete that run to measure it again"
            )
        # Runs of another protocol or other data were right once and are simply out of date.
        if all(line[name] == same[name] for name in ("protocol", "data")):
            settings = defaults(function) | line["settings"]
            run, key = Run(function.__name__, settings, line["result"], line["made"]), _digest(same)
            if runs.setdefault(key, run).result != run.result:
                raise ValueError(
                    f"runs {numbers[key]} and {number} in {path} have the same settings and other "
                    "results, so the file is not used: delete the wrong one, or both to measure "
                    "that run again"
                )
            numbers.setdefault(key, number)
    return runs


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose second value of a key would hide the first."""
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return held


def _undamaged(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a record, if it has all that a run consists of."""
    for name, kind in LINE.items():
        if not isinstance(line.get(name), kind):
            raise ValueError(f"a run must have {name!r}, received {line.get(name)!r:.80}")
    return line


def write(path: Path, function: Experiment, runs: Iterable[Run]) -> None:
    """Write runs into a file, whole or not at all, sorted, one line each.

    Only one process may write to a folder at a time (`only_one`).
    """
    lines = []
    identities = [(identity(function, run.settings), run) for run in runs]
    for same, run in sorted(identities, key=lambda pair: str(pair[0]["settings"])):
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
        # A process that was killed has left it, since `only_one` allows no other.
        for orphan in path.parent.glob(".*.tmp"):
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
def only_one(cache: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on a cache while measuring; the system frees it however the process ends.

    Raises:
        BlockingIOError: if another process holds it and this one shall not `wait`, or if this
            process itself holds it.
        OSError: if nothing can be written there.
    """
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
            holder = file.read().strip() or "unknown"
            busy = f"another measurement is running (process {holder})"
            if not wait or holder == str(os.getpid()):  # no process can wait for itself
                raise BlockingIOError(busy) from None
            print(f"{busy}: waiting until it ends", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def seconds_here(
    function: Experiment, missing: Sequence[Mapping[str, Any]], records: Path, cache: Path
) -> list[float]:
    """CPU-seconds to expect on this machine of each of these runs, given by completed settings.

    They are read from the runs of the same kind that ended here last, else from the recorded ones,
    corrected by how much faster or slower other kinds were here. A guess from the budget remains
    for a kind that is nowhere.
    """
    ended = sorted(cache.glob("*.json"), key=lambda path: -path.stat().st_mtime)[:RECENT]
    here = _paces(function, ended)
    budgets = [*missing, *({"budget": budget} for budget, _ in here)]
    recorded = _paces(function, {record_path(function, each, records) for each in budgets})
    usual = median([pace / recorded.get(kind, 1) for kind, pace in here.items()] or [1])
    paces = {kind: pace * usual for kind, pace in recorded.items()} | here
    return [budget_of(each).seconds * paces.get(_kind(each), usual) for each in missing]


def _paces(function: Experiment, files: Iterable[Path]) -> dict[tuple[str, str], float]:
    """By kind of run: the CPU-seconds that it took for each one that `Budget.seconds` guesses.

    A kind that was recorded on several processors is taken at the pace of the middle one.
    """
    taken: dict[tuple[str, str], dict[str, list[float]]] = {}
    for path in files:
        try:
            runs = read(path, function) if path.exists() else {}
        except ValueError:  # damaged, or of another experiment
            continue
        for run in runs.values():
            if isinstance(seconds := run.made.get("cpu_seconds"), int | float):
                on = taken.setdefault(_kind(run.settings), {})
                # Times are rounded to 0.1.
                pace = max(seconds, 0.1) / budget_of(run.settings).seconds
                on.setdefault(str(run.made.get("processor")), []).append(pace)
    return {kind: median_high(map(median, on.values())) for kind, on in taken.items()}


def _kind(settings: Mapping[str, Any]) -> tuple[str, str]:
    what = (settings.get(name, usual) for name, usual in (("network", ""), ("backend", TENSORFLOW)))
    return settings["budget"], " on ".join(what)


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


def _refuse_if_too_long(missing: list[dict[str, Any]], each: Sequence[float], jobs: int) -> None:
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
    seconds = sum(each) / min(jobs, len(missing))
    if seconds > limit:
        duration = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
        raise NotMeasured(
            f"{len(missing)} runs are not measured yet and would take about {duration} here, "
            f"longer than the {limit:.0f} seconds of LRGUIDE_MAX_SECONDS: run `make measure`",
            missing,
            each,
        )


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
