"""What each design of the finder gives on the design problems, read off their stored runs.

    python -m tests.bench.designs

Nothing is trained: a pilot at a constant rate is the beginning of a stored run, to whole epochs, at
the nearest rate of the grid, and what a rate is worth is read off the line between two of them. So
a first look is one epoch of five on most problems, and prices below 1 cannot be read. A design
searches with one seed first (on four problems there are only two), and the seeds that it has not
used judge. What it printed last stands in `designs.txt`. Each line: the mean price in trainings;
median, 90th percentile and worst of the normalised and of the relative regret; the mean of the
normalised one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrguide import pilots
from lrguide.guide.experiments import sweep, train
from lrguide.guide.problems import DESIGN, Problem
from lrguide.guide.records import Runs, measured
from lrguide.guide.tuning import range_test
from lrguide.pilots import Pilot, decide, search

DEFAULTS = {"Adam": 0.001, "SGD momentum": 0.01}


@dataclass
class Stored:
    """A problem whose pilots are read off its stored runs, for a search that begins with a seed."""

    problem: Problem
    losses: np.ndarray  # by rate, seed and epoch; infinite where above guessing or not finite
    first: int
    used: int = 1
    paid: float = 0.0

    def place(self, rate: float) -> int:
        return int(np.argmin(np.abs(np.log(np.array(self.problem.rates) / rate))))

    def pilot(self, rate: float, steps: int, seed: int) -> Pilot:
        epochs = self.losses.shape[2]
        length = self.problem.steps // epochs
        done = max(1, steps // length)
        self.used = max(self.used, seed + 1)
        number = (self.first + seed) % self.losses.shape[1]
        curve = self.losses[self.place(rate), number, :done]
        paid = min(steps, done * length)
        self.paid += paid / self.problem.steps
        return Pilot(rate, steps, seed, float(curve[-1]), paid)

    def regret(self, rate: float) -> tuple[float, float]:
        """Normalised and relative, by the seeds that the search has not seen."""
        seeds = self.losses.shape[1]
        others = [(self.first + n) % seeds for n in range(self.used, seeds)] or range(seeds)
        guess = self.problem.guess
        ends = np.minimum(self.losses[:, others, -1], guess).mean(axis=1)
        lost = np.interp(math.log(rate), np.log(self.problem.rates), ends) - ends.min()
        return lost / (guess - ends.min()), lost / ends.min()


def stored() -> Iterator[tuple[Problem, np.ndarray]]:
    for problem in DESIGN:
        runs = measured(train, problem.trainings())
        rows = [
            runs.where(rate=rate, seed=seed).values("validation_loss")[0]
            for rate in problem.rates
            for seed in problem.seeds
        ]
        losses = np.array(rows, float).reshape(len(problem.rates), len(problem.seeds), -1)
        losses[~(losses < problem.guess)] = math.inf
        yield problem, losses


Design = Callable[[Stored], float]


@contextmanager
def changed(**constants: Any) -> Iterator[None]:
    """Let other constants decide."""
    kept = {name: getattr(pilots, name) for name in constants}
    vars(pilots).update(constants)
    try:
        yield
    finally:
        vars(pilots).update(kept)


def finder(price: float, **constants: Any) -> Design:
    """The package's own search, with other constants."""

    def design(learner: Stored) -> float:
        start = DEFAULTS[learner.problem.settings["optimizer"]]
        about: dict[str, Any] = dict(steps=learner.problem.steps)
        tried: list[Pilot] = []
        with changed(**constants):
            budget = int(price * learner.problem.steps)
            search(learner.pilot, tried, budget=budget, start=start, seeds=(0, 1), **about)
            found = decide(tried, untrained=learner.problem.guess, noise=0.0, **about)
        return start if found.rate is None else found.rate

    return design


def default(learner: Stored) -> float:
    return DEFAULTS[learner.problem.settings["optimizer"]]


def halving(*rungs: tuple[int, float]) -> Design:
    """So many rates of the grid, spread over it, for a part of the run; then the best, longer."""

    def design(learner: Stored) -> float:
        rates, steps = learner.problem.rates, learner.problem.steps
        kept = [rates[n] for n in np.linspace(0, len(rates) - 1, rungs[0][0]).round().astype(int)]
        for seed, (count, part) in enumerate(rungs):
            ends = {r: learner.pilot(r, round(part * steps), seed % 2).loss for r in kept[:count]}
            kept = sorted(ends, key=lambda rate: (ends[rate], rate))
        return kept[0]

    return design


def seeds_for_rates(learner: Stored) -> float:
    """Three seeds (two where there are two) at each of half as many rates."""
    rates, steps = learner.problem.rates[1::3], learner.problem.steps
    ends = {
        rate: sum(min(learner.pilot(rate, steps // 5, s).loss, 9.0) for s in range(2))
        for rate in rates
    }
    return min(ends, key=lambda rate: (ends[rate], rate))


def below_the_sweep(learner: Stored) -> float:
    """A sweep of 100 steps, then minimum/10 and three and ten times it for a fifth of the run."""
    settings = {k: v for k, v in learner.problem.settings.items() if k != "budget"}
    if "task" not in settings:
        settings["budget"] = "SHORT"
    swept = Runs(measured(sweep, [dict(settings, steps=100, seed=s) for s in range(5)]))
    found = range_test(swept).suggest()["minimum/10"].rate
    learner.paid += 100 / learner.problem.steps
    if found is None:
        return default(learner)
    part = learner.problem.steps // 5
    ends = {f * found: learner.pilot(f * found, part, 0).loss for f in (1, 3, 10)}
    return min(ends, key=lambda rate: (ends[rate], rate))


DESIGNS: dict[str, Design] = {
    "no search: the default": default,
    "sweep for the edge, three pilots below it": below_the_sweep,
    "grid of seven, a fifth": halving((7, 0.2)),
    "grid of seven, a fifth; best three, two fifths": halving((7, 0.2), (3, 0.4)),
    "grid of seven, a fifth; best three, whole": halving((7, 0.2), (3, 1.0)),
    "grid of five, two seeds, a fifth": seeds_for_rates,
    **{f"finder at {price}": finder(price) for price in (1, 2, 4)},
    **{
        f"finder at {price}, {what}": finder(price, **constants)
        for price in (1, 2, 4)
        for what, constants in {
            "no ties": dict(TIE=0.0),
            "ties of 2 % of the fall": dict(TIE=0.02),
            "ties of any part of the loss": dict(TIE_OF_LOSS=math.inf),
            "ties of a twentieth of the loss": dict(TIE_OF_LOSS=0.05),
            "factors of 2": dict(SPACING=10 ** (1 / 3)),
            "factors of 5": dict(SPACING=5.0),
            "two finalists": dict(FINALISTS=2),
            "looks of two fifths": dict(LOOK_STEPS=120, LOOK_SHARES=(0.4, 0.4)),
            "not lowered, as judged first": dict(POWER=0.0),
            "lowered by the power 0.25": dict(POWER=0.25),
            "lowered by the power 0.75": dict(POWER=0.75),
        }.items()
    },
}


def main() -> None:
    problems = list(stored())
    print(f"{'design':50} price | normalised: median, p90, worst, mean | relative")
    for name, design in DESIGNS.items():
        rows = []
        for problem, losses in problems:
            for first in range(losses.shape[1]):
                learner = Stored(problem, losses, first)
                rows.append((*learner.regret(design(learner)), learner.paid, 1 / losses.shape[1]))
        normalised, relative, paid, _ = np.array(rows).T
        told = [
            ", ".join(f"{np.quantile(part, share):.3f}" for share in (0.5, 0.9, 1))
            for part in (normalised, relative)
        ]
        print(f"{name:50} {paid.mean():5.2f} | {told[0]}, {normalised.mean():.4f} | {told[1]}")


if __name__ == "__main__":
    main()
