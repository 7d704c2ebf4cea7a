"""`make verify`: do the stored runs come out again?

    RUNS=5 CONTENDERS=40 SEED=0 python -m lrguide.guide.verify

Of every contender (all settings but rate and seed), or of so many drawn at random, one run's first
five batches are trained anew; and `RUNS` small runs, drawn at random, as a whole. Searches for a
rate and speeds have no first batches to compare and are left out. On the processor type that a run
was made on the numbers must be the same; on another the first losses may differ by 1e-4, and what
follows from them over a whole run is shown but not judged.
"""

import functools
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrguide.guide import records
from lrguide.guide.experiments import first_losses, sweep, train, updates
from lrguide.guide.processes import Experiment, jobs_allowed, processor, python_with, run_all
from lrguide.guide.records import Run
from lrguide.guide.settings import TENSORFLOW, Budget, budget_of, defaults
from lrguide.guide.speeds import speed
from lrguide.guide.traces import trace
from lrguide.guide.ways import search

# The experiments that have records, by name.
EXPERIMENTS: dict[str, Experiment] = {
    each.__name__: each for each in (train, sweep, updates, search, speed, trace)
}
SMALL = 30  # estimated CPU-seconds; a longer run is not measured again as a whole


def stored() -> list[tuple[Experiment, Run]]:
    """Every run in the records, with its experiment."""
    runs = []
    for path in sorted(records.RECORDS.glob("*.json")):
        name = path.stem.partition("_")[0]
        if name not in EXPERIMENTS:
            raise ValueError(f"{path} must be named after one of {', '.join(EXPERIMENTS)}")
        function = EXPERIMENTS[name]
        runs += [(function, run) for run in records.read(path, function).values()]
    return runs


def one_of_each_contender(runs: Sequence[tuple[Experiment, Run]]) -> list[tuple[Experiment, Run]]:
    """The first run of each contender."""
    first: dict[str, tuple[Experiment, Run]] = {}
    for function, run in runs:
        named = {k: v for k, v in run.settings.items() if k not in ("rate", "seed")}
        first.setdefault(f"{run.function} {named}", (function, run))
    return list(first.values())


def replay(function: Experiment, **settings: Any) -> dict[str, Any]:
    """The first losses, in the form of an experiment's result."""
    return {"first_losses": first_losses(function, settings)}


def _replay_of(function: Experiment) -> Experiment:
    return functools.update_wrapper(functools.partial(replay, function), function)


def agreement(run: Run, again: Mapping[str, Any], here: str) -> tuple[bool, str]:
    """Whether the new result is the stored one, and a sentence that says so."""
    # A run stored before an experiment had a result has nothing to compare it with.
    other = [name for name in again if name in run.result and again[name] != run.result[name]]
    if not other:
        return True, "equal"
    name = other[0]
    seen = f"{name} was {run.result[name]}, is {again[name]}"
    if run.made["processor"] == here:
        return False, f"DIFFERS on the same processor type: {seen}"
    stored, new = (np.array(each["first_losses"], float) for each in (run.result, again))
    if stored.shape == new.shape and np.allclose(stored, new, rtol=1e-4, atol=1e-6, equal_nan=True):
        return True, f"first losses agree to 1e-4, as on another processor they may ({here})"
    return False, f"DIFFERS by more than 1e-4 in the first losses: {seen}"


def describe(run: Run) -> str:
    """The run in a few words: what its settings say beyond its budget's numbers."""
    numbers = (*Budget.__dataclass_fields__, "budget", "optimizer", "seed")
    usual = defaults(EXPERIMENTS[run.function])
    more = [
        f"{name} {value}"
        for name, value in run.settings.items()
        if name not in numbers and usual.get(name) != value
    ]
    head = f"{run.function} {run.settings['budget']} {run.settings['optimizer']}"
    return ", ".join([head, *more, f"seed {run.settings['seed']}"])


def verify(count: int, seed: int, contenders: int | None = None) -> int:
    """Print the agreement run by run; return how many runs disagree.

    Args:
        count: small runs that are made again as a whole.
        seed: of what is drawn.
        contenders: of which a run is begun again; by default all.
    """
    runs = [(f, run) for f, run in stored() if "first_losses" in run.result]
    backends = {run.settings.get("backend", TENSORFLOW) for _, run in runs}
    absent = [each for each in sorted(backends) if not Path(python_with(each)).exists()]
    for backend in absent:
        print(f"the runs on {backend} are left out: make test-backend BACKEND={backend} sets it up")
    runs = [(f, run) for f, run in runs if run.settings.get("backend") not in absent]
    have_full = full_is_here()
    usable = [(f, run) for f, run in runs if have_full or not run.settings["full"]]
    first = one_of_each_contender(usable)
    if left := len(one_of_each_contender(runs)) - len(first):
        print(f"{left} contenders need all of MNIST, which is not here: see LRGUIDE_MNIST")
    if contenders is not None:
        first = random.Random(seed).sample(first, min(contenders, len(first)))
    small = [(f, run) for f, run in usable if budget_of(run.settings).seconds < SMALL]
    sample = random.Random(seed).sample(small, min(count, len(small)))
    print(f"first losses of {len(first)} contenders, then whole runs: {len(sample)} (SEED={seed})")
    return disagreeing(first, replayed=True) + disagreeing(sample, replayed=False)


def disagreeing(chosen: Sequence[tuple[Experiment, Run]], *, replayed: bool) -> int:
    """Run these again, by experiment, and print what came of it; return how many disagree."""
    wrong = 0
    for function in {function for function, _ in chosen}:
        runs = {records.key_of(function, run.settings): run for f, run in chosen if f is function}
        again = _replay_of(function) if replayed else function
        outcomes = run_all(again, [dict(run.settings) for run in runs.values()], jobs_allowed(None))
        for settings, result, _ in outcomes:
            run = runs[records.key_of(function, settings)]
            agrees, words = agreement(run, result, processor())
            wrong += not agrees
            print(f"{describe(run)}: {words}", flush=True)
    return wrong


def full_is_here() -> bool:
    """Whether all of MNIST can be had without a download."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return bool(os.environ.get("LRGUIDE_MNIST")) or (home / "datasets" / "mnist.npz").is_file()


def main() -> int:
    """Verify as `RUNS` (5), `CONTENDERS` (all) and `SEED` (0) say; 1 if a run disagrees."""
    try:
        count, seed = (
            int(os.environ.get(name) or usual) for name, usual in (("RUNS", 5), ("SEED", 0))
        )
        limit = os.environ.get("CONTENDERS")
        contenders = int(limit) if limit else None
        if min(count, contenders or 0) < 0:
            raise ValueError
    except ValueError:
        print(
            "RUNS and CONTENDERS must be whole numbers from 0, SEED a whole number", file=sys.stderr
        )
        return 2
    try:
        wrong = verify(count, seed, contenders)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # a damaged record, no room, a killed process, ...
        print(error, file=sys.stderr)
        return 1
    print("all agree" if not wrong else f"{wrong} runs DISAGREE", flush=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
