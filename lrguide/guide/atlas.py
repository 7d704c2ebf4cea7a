"""The atlas of curves: its traces, the symptoms that they show, and the data for a browser.

The game of the same page, *Where would you set it?*, has its data here as well.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrguide.guide import records
from lrguide.guide.benchmark import RULES, decided_anew, limited
from lrguide.guide.contenders import DEFAULTS
from lrguide.guide.experiments import sweep, train
from lrguide.guide.problems import DESIGN, Problem, regret
from lrguide.guide.processes import Experiment
from lrguide.guide.records import Runs
from lrguide.guide.settings import budget_of, complete, crossed
from lrguide.guide.traces import EVERY, trace
from lrguide.guide.ways import SEEDS, search
from lrguide.rules import suggestions

# Two seeds show what a curve looks like; what a symptom rests on has five.
TWO, FIVE = range(2), range(5)

# 300 steps of few images, each seen thirty times.
FEW = dict(training=500, epochs=30)


def _traces(
    optimizer: str, seeds: Iterable[int], rates: Iterable[float], **more: Any
) -> list[dict[str, Any]]:
    settings = dict(budget="SHORT", validation=500, optimizer=optimizer, rate=rates, seed=seeds)
    return crossed(**settings, **more)


# Every trace of the atlas. The plan of 1 December 2026 has more, which the page on method tells.
PLAN: list[dict[str, Any]] = [
    *_traces("Adam", FIVE, (1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1)),
    *_traces("Adam", TWO, (1.0,)),
    *_traces("SGD momentum", FIVE, (0.1,)),
    *_traces("SGD momentum", TWO, (0.01, 0.03, 0.3, 1.0)),
    *_traces("Adam", FIVE, (0.001,), dropout=False, **FEW),
    *_traces("Adam", TWO, (0.01,), dropout=False, **FEW),
    *_traces("Adam", FIVE, (0.001,), schedule="early cosine"),
    *_traces("Adam", TWO, (0.003, 0.01, 0.03, 0.1), schedule="early cosine"),
    *_traces("Adam", FIVE, (0.003,), schedule="linear", resumed=True),
    *_traces("Adam", TWO, (0.001,), schedule="linear", resumed=True),
    *_traces("Adam", TWO, (0.003, 0.03), schedule="linear"),
    *_traces("Adam", TWO, (0.03,), schedule="warmup linear"),
]
OPTIMIZERS = ("Adam", "SGD momentum")

# What the reader chooses beside the optimizer and the rate: a name, and its settings of `trace`.
KINDS: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": dict(schedule="linear"),
    "warmup and linear": dict(schedule="warmup linear"),
    "1cycle": dict(schedule="1cycle"),
    "cosine that ends early": dict(schedule="early cosine"),
    "linear, begun anew": dict(schedule="linear", resumed=True),
    "500 images": FEW,
    "500 images, no dropout": dict(dropout=False, **FEW),
}


@dataclass(frozen=True)
class Symptom:
    """A curve by which a mistake is known.

    Attributes:
        name: of its part of the page, as an address has it.
        title: in the reader's words.
        rate: of the trace that shows it.
        kind: a name in `KINDS`.
        optimizer: a name in `OPTIMIZERS`.
    """

    name: str
    title: str
    rate: float
    kind: str = "constant"
    optimizer: str = "Adam"

    def of(self, runs: Runs) -> Runs:
        """Its traces, one a seed."""
        return kind_of(runs, self.optimizer, self.kind).where(rate=self.rate)


def kind_of(runs: Runs, optimizer: str, kind: str) -> Runs:
    """The traces with an optimizer that are of one of the `KINDS`."""
    usual = complete(trace, PLAN[0])
    names = ("schedule", "dropout", "resumed", "training", "epochs")
    wanted = {name: KINDS[kind].get(name, usual[name]) for name in names}
    return runs.where(optimizer=optimizer, **wanted)


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """The names and texts of the files for a browser, from the records in a folder.

    A rate has a file of its own, so that the first view needs one of them; `index.json` says what
    there is and how each training ends, and `game.json` is the game.

    Raises:
        ValueError: if a record is damaged.
    """
    traces = stored(trace, PLAN, folder)
    groups = []
    for optimizer in OPTIMIZERS:
        for kind in KINDS:
            try:
                runs = kind_of(traces, optimizer, kind)
            except LookupError:  # the plan has none, or they are not measured yet
                continue
            name = f"{optimizer} {kind}".lower().replace(",", "").replace(" ", "-")
            by_rate = [runs.where(rate=rate) for rate in sorted(runs.by("rate"))]
            for place, seeds in enumerate(by_rate):
                yield f"{name}-{place}.json", _json([*map(_shown, seeds)])
            rates = [seeds[0].settings["rate"] for seeds in by_rate]
            ends = [[run.result["validation_loss"][-1] for run in seeds] for seeds in by_rate]
            groups.append(dict(file=name, optimizer=optimizer, kind=kind, rates=rates, ends=ends))
    if groups:
        yield "index.json", _json(dict(every=EVERY, groups=groups, symptoms=_symptoms(groups)))
    if puzzles := [each for problem in GAME if (each := puzzle(problem, folder))]:
        yield "game.json", _json(puzzles)


def _symptoms(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    there = {(group["optimizer"], group["kind"]): group["rates"] for group in groups}
    return [
        dict(vars(each))
        for each in SYMPTOMS
        if each.rate in there.get((each.optimizer, each.kind), ())
    ]


def _shown(run: records.Run) -> dict[str, Any]:
    """A trace as the browser gets it: the gradient and the update of every tenth step alone."""
    result = {name: values for name, values in run.result.items() if name != "first_losses"}
    for name in ("gradient", "update"):
        result[name] = [*result[name][::EVERY], result[name][-1]]
    return dict(seed=run.settings["seed"], steps=budget_of(run.settings).steps, **result)


# The problems of the game: the eight of Range test rules, and two others.
GAME = [*DESIGN[:8], *(each for each in DESIGN if each.name in ("CANCER", "SEQUENCES"))]


def searches(problem: Problem) -> list[dict[str, Any]]:
    """What the finder is asked of a problem: one search, for the price of one training."""
    return [{**problem.settings, "way": "finder", "price": 1.0, "seed": SEEDS[0]}]


def puzzle(problem: Problem, folder: Path) -> dict[str, Any] | None:
    """A problem of the game: its sweeps, the truth, and what each rule costs; None if not measured.

    A rule without an answer, and no test at all, are scored with the optimizer's own rate.
    """
    settings = dict(problem.settings, steps=100)
    sweeps = stored(sweep, crossed(**settings, seed=range(5)), folder)
    losses = truth(problem, stored(train, problem.trainings(), folder))
    if not sweeps or not losses:
        return None
    found = suggestions(sweeps.values("sweep_rates")[0], sweeps.values("sweep_losses"))
    own = DEFAULTS[problem.settings["optimizer"]]
    answers = {rule: found[rule].rate for rule in RULES}
    for run in stored(search, searches(problem), folder):
        answers["find_rate"] = decided_anew(run, problem.steps)
    answers["Keras' default"] = own
    ways = []
    for way, rate in answers.items():
        costs = regret(losses, rate or own, problem.guess)
        ways.append([way, rate and float(f"{rate:.3g}"), costs.relative, costs.normalised])
    return dict(
        name=_named(problem),
        guess=problem.guess,
        sweep_rates=_three(sweeps[0].result["sweep_rates"]),
        sweeps=[_three(run.result["sweep_losses"]) for run in sweeps],
        rates=sorted(losses),
        losses=[losses[rate] for rate in sorted(losses)],
        ways=ways,
    )


def _named(problem: Problem) -> str:
    """A problem in a reader's words."""
    network = {
        "article_cnn": "the article's network",
        "normalised_cnn": "a network with batch normalisation",
        "dense": "a dense network",
    }
    s = problem.settings
    if "task" in s:
        task = {"CANCER": "a small table", "SEQUENCES": "a recurrent network"}[s["task"]]
        return f"{task}, {s['optimizer']}"
    return f"{network[s['network']]}, batches of {s['batch']}, {s['optimizer']}"


def truth(problem: Problem, runs: Runs) -> dict[float, float]:
    """By rate the mean validation loss over the seeds, as `regret` takes it."""
    return {
        rate: float(limited(group.final(), problem.guess).mean())
        for rate, group in runs.by("rate").items()
    }


def stored(function: Experiment, wanted: Iterable[Mapping[str, Any]], folder: Path) -> Runs:
    """Those of the wanted runs that the records in a folder hold."""
    completed = [complete(function, settings) for settings in wanted]
    held: dict[str, records.Run] = {}
    for path in {records.record_path(function, each, folder) for each in completed}:
        if path.exists():
            held |= _read(function, path, path.stat().st_mtime_ns)
    keys = [records.key_of(function, each) for each in completed]
    return Runs(held[key] for key in keys if key in held)


@functools.lru_cache(maxsize=16)  # a server builds again after each edit
def _read(function: Experiment, path: Path, changed: int) -> dict[str, records.Run]:
    return records.read(path, function)


def _three(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.3g}") for value in values]


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


SYMPTOMS = (
    Symptom("too-small", "Smooth, and hardly falling", 1e-5),
    Symptom("good", "As it should be", 0.001),
    Symptom("at-the-edge", "Falls, jumps, and stays rough", 0.01),
    Symptom("dead", "Stuck at 2.30, one in ten right", 0.1),
    Symptom("spikes", "Spikes and comes back", 0.1, optimizer="SGD momentum"),
    Symptom("overfits", "Validation turns up", 0.001, kind="500 images, no dropout"),
    Symptom("too-early", "Flat from the middle on", 0.001, kind="cosine that ends early"),
    Symptom("begun-anew", "A jump where it was resumed", 0.003, kind="linear, begun anew"),
)
