"""What ways of finding a rate cost and buy on the judging problems, read off their runs.

A way's answers are compared with the truth: trainings at the rates of a grid, with seeds that no
way has searched with. A `score` is what one search is worth; all figures are made of scores.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrguide.guide.contenders import DEFAULTS
from lrguide.guide.experiments import train
from lrguide.guide.problems import ANEW, JUDGING, Problem, finer
from lrguide.guide.records import Run, Runs, measured
from lrguide.guide.settings import BUDGETS
from lrguide.guide.ways import SEEDS, search
from lrguide.pilots import Pilot, decide

Floats = NDArray[np.float64]

# What was asked of each way: its price, where it can be told, and the seeds of its searches.
PRICES = (0.5, 1.0, 2.0)
THREE, ONE = SEEDS[:3], SEEDS[:1]
ASKED: dict[tuple[str, float], Sequence[int]] = {
    **{("finder", price): THREE for price in PRICES},
    ("range test", 0.0): SEEDS,
    **dict.fromkeys((("tpe", 4.0), ("hyperband", 0.0), ("halving", 1.0)), ONE),
}
ASKED_ANEW = {("finder", price): THREE for price in PRICES}
CALLED = {
    "finder": "frozen finder",
    "tpe": "TPE",
    "hyperband": "Hyperband",
}
RULES = ("minimum/10", "valley", "steepest")
# Optimizers that need no rate, with the settings that stand in for a problem's own.
FREE: dict[str, dict[str, Any]] = {
    "Prodigy": {},
    "DAdaptAdam": {},
    "ScheduleFree": {"schedule": "constant", "averaged": True},
}

# What the finder was to reach, as the plan has it: by price the median and the 90th percentile of
# the regret, for each length of the run and each kind.
JUDGED_BY = (
    ("short", "normalised"),
    ("short", "relative"),
    ("long", "relative"),
    ("long", "normalised"),
)
GOALS: dict[float, tuple[tuple[float, float], ...]] = {
    0.5: ((0.02, 0.15), (0.15, 1.5), (0.25, 1.0), (0.003, 0.02)),
    1.0: ((0.010, 0.08), (0.10, 0.8), (0.15, 0.6), (0.002, 0.012)),
    2.0: ((0.005, 0.05), (0.07, 0.5), (0.10, 0.4), (0.001, 0.010)),
    4.0: ((0.002, 0.025), (0.03, 0.3), (0.07, 0.3), (0.001, 0.008)),
}

DRAWS = 500  # how often a bootstrap draws anew
SHORT = 300  # runs of at most so many steps are judged by the normalised regret first
KINDS = ("normalised", "relative")
WHOLE = 25  # how many random searches are read off the truth


@dataclass(frozen=True)
class Truth:
    """What training at each rate gives on a problem.

    Attributes:
        problem: which.
        rates: growing.
        losses: the validation loss at the end, shape (rates, seeds); one that is not finite or
            above that of guessing counts as guessing.
        made: what made these runs.
        seconds: the CPU-seconds of one of them, their median.
    """

    problem: Problem
    rates: tuple[float, ...]
    losses: Floats
    made: Mapping[str, Any]
    seconds: float = math.nan

    def at(self, rate: float) -> Floats:
        """The loss of each seed at a rate: between two, on the line over the logarithm of the rate.

        Beyond the ends of the grid it is that of the end.
        """
        x, grid = math.log(rate), np.log(self.rates)
        place = min(max(int(np.searchsorted(grid, x)), 1), len(grid) - 1)
        share = float(np.clip((x - grid[place - 1]) / (grid[place] - grid[place - 1]), 0, 1))
        loss: Floats = (1 - share) * self.losses[place - 1] + share * self.losses[place]
        return loss

    @property
    def best(self) -> float:
        """The rate of the lowest mean."""
        return self.rates[int(self.losses.mean(axis=1).argmin())]


def limited(losses: Floats, guess: float) -> Floats:
    """Losses of which those that are not finite or above that of guessing count as guessing."""
    return np.where(np.isfinite(losses), np.minimum(losses, guess), guess)


def truth(problem: Problem, runs: Runs) -> Truth:
    """The truth of a problem, from runs of `train` of which all others are left out."""
    own = of(problem, runs)
    by_rate = dict(sorted(own.by("rate").items()))
    losses = np.array([limited(group.final(), problem.guess) for group in by_rate.values()])
    seconds = float(np.median([run.made.get("cpu_seconds", math.nan) for run in own]))
    return Truth(problem, tuple(by_rate), losses, runs[0].made, seconds)


def between(problem: Problem, runs: Runs) -> list[dict[str, Any]]:
    """The settings at the two rates halfway from the lowest of the grid to its neighbours."""
    return [
        {**problem.settings, "rate": rate, "seed": seed}
        for rate in finer(problem.rates, truth(problem, runs).best)
        for seed in problem.seeds
    ]


def of(problem: Problem, runs: Runs, **others: Any) -> Runs:
    """The runs of a problem; other settings than its own may stand in for them."""
    return runs.where(**{**_settings(problem), **others})


def _settings(problem: Problem) -> dict[str, Any]:
    """Settings that no other problem shares: the length is told by the epochs."""
    if "epochs" in problem.settings:
        return dict(problem.settings)
    return {**problem.settings, "epochs": BUDGETS[_budget(problem)].epochs}


def _budget(problem: Problem) -> str:
    return str(problem.settings.get("budget", problem.settings.get("task")))


def score(
    truth: Truth,
    way: str,
    seed: int,
    rate: float | None,
    price: float,
    *,
    asked: float = 0.0,
    losses: Floats | None = None,
    seconds: float = math.nan,
) -> Run:
    """What one search is worth, in the form of a run.

    Args:
        truth: of its problem.
        way: as tables show it.
        seed: of the search.
        rate: that it has named; None where it has named none, so that the optimizer's default
            counts.
        price: that it has paid, in trainings.
        asked: what it was allowed to pay; 0 for a way that cannot be told.
        losses: by seed of the truth, where they are not read off at the rate; NaN for a seed that
            has chosen and so does not judge.
        seconds: CPU-seconds of the search.
    """
    problem = truth.problem
    taken = DEFAULTS[problem.settings["optimizer"]] if rate is None else rate
    loss = truth.at(taken) if losses is None else losses
    lowest = truth.losses[truth.rates.index(truth.best)]
    settings = dict(problem=problem.name, way=way, asked=asked, seed=seed)
    settings |= dict(steps=problem.steps, guess=problem.guess, budget=_budget(problem))
    result = dict(loss=loss.tolist(), lowest=lowest.tolist(), price=price, found=rate is not None)
    result |= dict(aim=taken / truth.best, processor=seconds / truth.seconds)
    return Run("score", settings, result, truth.made)


def defaults_of(truths: Sequence[Truth]) -> Runs:
    """No search: Keras' own rate of the optimizer."""
    return Runs(score(truth, "default", 0, None, 0.0) for truth in truths)


def answers_of(truths: Sequence[Truth], searches: Runs, names: Callable[[Run, str], str]) -> Runs:
    """A score for each answer of each search.

    Args:
        truths: of the problems.
        searches: runs of `search`.
        names: how tables show an answer of a run; "" leaves it out.
    """
    scores = []
    for truth in truths:
        for run in of(truth.problem, searches):
            for answer, rate in run.result["answers"].items():
                paid = run.result["prices"][answer]
                if name := names(run, answer):
                    asked = float(answer) if answer.replace(".", "").isdigit() else 0.0
                    # Of a search with several answers each has had its part of the time.
                    part = paid / max(run.result["prices"].values())
                    seconds = part * run.made.get("cpu_seconds", math.nan)
                    more = dict(asked=asked, seconds=seconds)
                    price, seed = paid / truth.problem.steps, run.settings["seed"]
                    scores.append(score(truth, name, seed, rate, price, **more))
    return Runs(scores)


def decided_anew(run: Run, steps: int) -> float | None:
    """What the finder as it is now says of the pilots of a search by the frozen one.

    Its pilots are the same. Those of one rate and length have different seeds, in the same order at
    each rate, so that their place in this order stands for the seed.

    Args:
        run: a search in the way `finder`.
        steps: of the run that the rate is for.
    """
    *looks, (_, _, untrained, _) = zip(
        *(run.result[name] for name in ("rates", "steps", "losses", "paid")), strict=True
    )
    counts: dict[tuple[float, int], int] = {}
    pilots = []
    for rate, length, loss, paid in looks:
        number = counts[rate, length] = counts.get((rate, length), -1) + 1
        pilots.append(Pilot(rate, length, number, math.inf if loss is None else loss, paid))
    rounding = 4 * float(np.finfo(np.float32).eps) * abs(untrained)
    return decide(pilots, steps=steps, untrained=untrained, noise=rounding).rate


def found_anew(truths: Sequence[Truth], searches: Runs) -> Runs:
    """Scores of the finder as it is now, on the pilots of the frozen one."""
    scores = []
    for truth in truths:
        for run in of(truth.problem, searches.where(way="finder")):
            [(answer, paid)] = run.result["prices"].items()
            rate, price = decided_anew(run, truth.problem.steps), paid / truth.problem.steps
            seed = run.settings["seed"]
            scores.append(score(truth, "finder", seed, rate, price, asked=float(answer)))
    return Runs(scores)


def whole_trainings(truths: Sequence[Truth], counts: Sequence[int]) -> Runs:
    """Random search of so many whole trainings, and a grid of them, read off the truth.

    One of the truth's seeds chooses, and the others judge.
    """
    scores = []
    for truth in truths:
        seeds = truth.losses.shape[1]
        grid = truth.problem.rates
        low, high = math.log(grid[0]), math.log(grid[-1])
        random = np.random.default_rng(0)
        for draw in range(WHOLE):
            drawn = np.exp(random.uniform(low, high, max(counts)))
            chooser = draw % seeds
            seen = np.array([truth.at(rate)[chooser] for rate in drawn])
            for count in counts:
                rate = float(drawn[int(seen[:count].argmin())])
                others = _judged_by_others(truth, rate, chooser)
                scores.append(
                    score(truth, "random, whole", draw, rate, count, asked=count, losses=others)
                )
        for chooser in range(seeds):
            rate = min(grid, key=lambda each: truth.at(each)[chooser])
            others = _judged_by_others(truth, rate, chooser)
            scores.append(score(truth, "grid", chooser, rate, len(grid), losses=others))
    return Runs(scores)


def _judged_by_others(truth: Truth, rate: float, chooser: int) -> Floats:
    losses = truth.at(rate).copy()
    losses[chooser] = np.nan
    return losses


def without_rate(truths: Sequence[Truth], way: str, runs: Runs, **others: Any) -> Runs:
    """Scores of an optimizer that needs no rate, trained with the seeds of the truth.

    Args:
        truths: of the problems.
        way: as tables show it.
        runs: of `train`.
        **others: settings that stand in for those of the problem.
    """
    scores = []
    for truth in truths:
        group = of(truth.problem, runs, **others)
        by_seed = {run.settings["seed"]: [run] for run in group}
        losses = np.array(
            [
                limited(Runs(by_seed[seed]).final(), truth.problem.guess)[0]
                if seed in by_seed
                else np.nan  # not trained with, so it does not judge
                for seed in truth.problem.seeds
            ]
        )
        scores.append(score(truth, way, 0, None, 0.0, losses=losses))
    return Runs(scores)


@dataclass(frozen=True)
class Regrets:
    """What a way costs: by problem and search, and as often as the bootstrap draws anew.

    Attributes:
        each: shape (problems, searches).
        drawn: shape (draws, problems, searches). Problems are drawn with replacement, and for each
            of them searches and the truth's seeds; equal for two ways with as many searches.
        kind: of regret.
    """

    each: Floats
    drawn: Floats
    kind: str

    def figure(self, share: float) -> tuple[float, float, float]:
        """A quantile over problems and searches, and its 95 % interval."""
        drawn = np.quantile(self.drawn.reshape(len(self.drawn), -1), share, axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(np.quantile(self.each, share)), float(low), float(high)

    def minus(self, other: "Regrets") -> tuple[float, float, float]:
        """How far the mean lies from that of another way, and its 95 % interval.

        Relative regrets are compared by the logarithm of the loss, as contenders are everywhere in
        the guide: otherwise one problem whose lowest loss is nearly 0 would decide alone.
        """
        ours, theirs = (
            [np.log1p(np.maximum(part, -0.99)) for part in (each.each, each.drawn)]
            if self.kind == "relative"
            else [each.each, each.drawn]
            for each in (self, other)
        )
        apart = ours[1].mean(axis=(1, 2)) - theirs[1].mean(axis=(1, 2))
        low, high = np.quantile(apart, [0.025, 0.975])
        return float(ours[0].mean() - theirs[0].mean()), float(low), float(high)


def regrets(scores: Runs, way: str, kind: str, *, asked: float | None = None) -> Regrets:
    """What a way costs on the problems of some scores, `relative` or `normalised`."""
    chosen = scores.where(way=way) if asked is None else scores.where(way=way, asked=asked)
    losses, lowest = chosen.values("loss"), chosen.values("lowest")
    guess = np.array([run.settings["guess"] for run in chosen])
    problems = len({run.settings["problem"] for run in chosen})
    shape = problems, len(chosen) // problems, losses.shape[1]
    losses, lowest = losses.reshape(shape), lowest.reshape(shape)[:, 0]
    guess = guess.reshape(shape[:2])[:, 0]
    places, seeds, searches = _draws(*shape)
    scale = guess - lowest.mean(axis=1) if kind == "normalised" else lowest.mean(axis=1)
    ends = np.nanmean(losses, axis=2)
    each = (ends - lowest.mean(axis=1)[:, None]) / scale[:, None]
    drawn = np.take_along_axis(losses[places], searches[..., None], axis=2)
    weights = seeds[:, :, None, :] * np.isfinite(drawn)
    totals = weights.sum(axis=3)
    means = np.where(
        totals > 0,
        (np.nan_to_num(drawn) * weights).sum(axis=3) / np.maximum(totals, 1),
        np.take_along_axis(ends[places], searches, axis=2),
    )
    floor = (lowest[places] * seeds).sum(axis=2) / seeds.sum(axis=2)
    scale = guess[places] - floor if kind == "normalised" else floor
    return Regrets(each, (means - floor[..., None]) / scale[..., None], kind)


@cache
def _draws(problems: int, searches: int, seeds: int) -> tuple[Any, Any, Any]:
    """By draw: which problems, how often each seed of the truth counts there, which searches."""
    random = np.random.default_rng(0)
    places = random.integers(problems, size=(DRAWS, problems))
    counts = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=(DRAWS, problems))
    chosen = np.random.default_rng(1).integers(searches, size=(DRAWS, problems, searches))
    return places, counts, chosen


def called(run: Run, answer: str) -> str:
    """How tables call an answer of a search; "" for one that they leave out."""
    way = str(run.settings["way"])
    if way != "range test":
        return CALLED.get(way, way)
    return answer if answer.removeprefix("3 x ") in RULES else ""


def judged() -> Runs:
    """The score of every search of every way on the judging problems, from stored runs."""
    return _judged(JUDGING, ASKED, FREE)


def judged_anew() -> Runs:
    """The same on the eight problems of `ANEW`, which judge the finder as it is now."""
    return _judged(ANEW, ASKED_ANEW, {})


def _judged(
    problems: Sequence[Problem],
    asked: Mapping[tuple[str, float], Sequence[int]],
    free: Mapping[str, Mapping[str, Any]],
) -> Runs:
    truths, searches = _measured(problems, asked)
    scores = [
        *defaults_of(truths),
        *answers_of(truths, searches, called),
        *found_anew(truths, searches),
        *whole_trainings(truths, (1, 2, 4)),
    ]
    for name, others in free.items():
        own = {"optimizer": name, "rate": DEFAULTS[name], **others}
        trained = measured(
            train, [{**p.settings, **own, "seed": seed} for p in problems for seed in p.seeds]
        )
        scores += without_rate(truths, name, trained, **own)
    return Runs(scores)


def _measured(
    problems: Sequence[Problem], asked: Mapping[tuple[str, float], Sequence[int]]
) -> tuple[list[Truth], Runs]:
    """The truth of each problem, and the searches there."""
    grid = measured(train, [run for problem in problems for run in problem.trainings()])
    finer = measured(train, [run for each in problems for run in between(each, grid)])
    searches = measured(
        search,
        [
            {**problem.settings, "way": way, "price": price, "seed": seed}
            for (way, price), seeds in asked.items()
            for problem in problems
            for seed in seeds
        ],
    )
    return [truth(problem, Runs(grid + finer)) for problem in problems], searches


def lengths(scores: Runs) -> tuple[Runs, Runs]:
    """The scores on runs of 300 steps and fewer, and on longer ones."""
    short, long = (
        Runs(run for run in scores if (run.settings["steps"] > SHORT) is longer)
        for longer in (False, True)
    )
    return short, long


def processor_of(scores: Runs, way: str, *, asked: float) -> float:
    """CPU time of a way's searches, in that of a training; the median, NaN where none is known."""
    return float(np.median(scores.where(way=way, asked=asked).values("processor")))


def asked_of(scores: Runs, way: str) -> list[float]:
    """What a way was allowed to pay."""
    return sorted({float(run.settings["asked"]) for run in scores.where(way=way)})


def price_of(scores: Runs, way: str, *, asked: float | None = None) -> float:
    """What a way has paid, in trainings, the mean over problems and searches."""
    chosen = scores.where(way=way) if asked is None else scores.where(way=way, asked=asked)
    return float(chosen.values("price").mean())
