"""The problems on which ways of finding a rate are compared, and what a rate is worth there.

Ways are designed on `DESIGN`, problems of earlier pages whose runs are stored, and judged on
`JUDGING`, which were written down, with seeds and grids, before there was a finder.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrguide.guide.contenders import FINE, HALF_DECADES, RATES
from lrguide.guide.settings import BUDGETS, MNIST
from lrguide.guide.tasks import TASKS, guessing


@dataclass(frozen=True)
class Problem:
    """A network, data, an optimizer, a schedule and a length: all but the rate.

    Attributes:
        name: as tables show it.
        settings: of the experiment `train`, without rate and seed.
        rates: at which the truth is measured.
        seeds: of these trainings. Ways search with seeds of their own.
    """

    name: str
    settings: Mapping[str, Any]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Updates of one training."""
        of_budget = BUDGETS[self.settings.get("budget", self.settings.get("task", "SHORT"))]
        batch, epochs = (
            int(self.settings.get(name, getattr(of_budget, name))) for name in ("batch", "epochs")
        )
        return math.ceil(of_budget.training / batch) * epochs

    @property
    def guess(self) -> float:
        """The validation loss of guessing without a look at the inputs."""
        task = self.settings.get("task", MNIST)
        return math.log(10) if task == MNIST else guessing(task)

    def trainings(self) -> list[dict[str, Any]]:
        """The runs from which the truth is read."""
        return [
            {**self.settings, "rate": rate, "seed": seed}
            for rate in self.rates
            for seed in self.seeds
        ]


NETWORKS = [("article_cnn", 50), ("normalised_cnn", 50), ("dense", 50), ("dense", 250)]

# Eight problems of the page *Range test rules*, then the four of *Does it carry over?*.
DESIGN = [
    *[
        Problem(
            f"{network}, {batch}, {optimizer}",
            dict(network=network, batch=batch, optimizer=optimizer, budget="SHORT"),
            tuple(FINE),
            seeds=(0, 1, 2, 3, 4),
        )
        for network, batch in NETWORKS
        for optimizer in ("Adam", "SGD momentum")
    ],
    *[
        Problem(task, dict(task=task, optimizer="Adam"), tuple(RATES), seeds=(100, 101))
        for task in TASKS
    ],
]

# Half a decade apart. At the lowest rate no optimizer here gets far, at the highest all diverge.
GRID = tuple(rate for rate in HALF_DECADES if 1e-5 <= rate <= 10)
SEEDS = (0, 1, 2, 3, 4)


def _judging(
    name: str, task: str, optimizer: str, schedule: str = "constant", **more: Any
) -> Problem:
    settings = dict(task=task, optimizer=optimizer, schedule=schedule, **more)
    return Problem(name, settings, GRID, SEEDS)


WARM = "warmup linear"
JUDGING = [
    # 300 steps
    _judging("transformer, copy, Adam", "COPY", "Adam"),
    _judging("GRU, waves, Adam", "WAVES", "Adam", WARM),
    _judging("residual, SGD momentum", "RESIDUAL", "SGD momentum", WARM),
    _judging("autoencoder, batch 16, Adam", "AUTOENCODER", "Adam"),
    _judging("dense, classes, batch 512, Lion", "MIXTURE", "Lion"),
    _judging("dense, regression, batch 16, RMSprop", "FRIEDMAN", "RMSprop", WARM),
    _judging("fine-tuning, Adam", "FINE_TUNING", "Adam"),
    _judging("fine-tuning, SGD momentum", "FINE_TUNING", "SGD momentum", WARM),
    # 1,000 steps
    _judging("transformer, copy, AdamW", "COPY", "AdamW", WARM, epochs=10),
    _judging("transformer, addition, Adam", "ADDITION", "Adam"),
    _judging("transformer, addition, SGD momentum", "ADDITION", "SGD momentum", WARM),
    _judging("LSTM, adding, RMSprop", "ADDING", "RMSprop"),
    _judging("residual, batch 16, Adam", "RESIDUAL", "Adam", batch=16, epochs=20),
    _judging(
        "dense, classes, batch 512, SGD momentum", "MIXTURE", "SGD momentum", WARM, epochs=100
    ),
    # 4,800 steps
    _judging("autoencoder, batch 16, AdamW", "AUTOENCODER", "AdamW", WARM, epochs=64),
    _judging("dense, regression, batch 16, SGD momentum", "FRIEDMAN", "SGD momentum", epochs=48),
]

# Eight more, on which the finder is judged once more after it was mended by what these sixteen had
# shown. They were written down before it was.
_ANEW: dict[str, dict[str, Any]] = {
    # 300 steps
    "small table, SGD momentum": dict(task="CANCER", optimizer="SGD momentum", schedule=WARM),
    "BatchNorm, digits, RMSprop": dict(task="DIGITS", optimizer="RMSprop"),
    "GRU, sequences, AdamW": dict(task="SEQUENCES", optimizer="AdamW", schedule=WARM),
    "BatchNorm, MNIST, Lion": dict(network="normalised_cnn", budget="SHORT", optimizer="Lion"),
    # 1,000 steps
    "LSTM, adding, Adam": dict(task="ADDING", optimizer="Adam", schedule=WARM),
    "transformer, copy, RMSprop": dict(task="COPY", optimizer="RMSprop", epochs=10),
    "dense, classes, batch 512, Adam": dict(task="MIXTURE", optimizer="Adam", epochs=100),
    # 4,800 steps
    "dense, regression, AdamW": dict(task="FRIEDMAN", optimizer="AdamW", schedule=WARM, epochs=48),
}
ANEW = [Problem(name, settings, GRID, seeds=(0, 1, 2)) for name, settings in _ANEW.items()]


def finer(rates: tuple[float, ...], lowest: float) -> tuple[float, ...]:
    """The rates halfway, on a logarithmic axis, to the neighbours of the lowest, to two digits."""
    place = rates.index(lowest)
    near = rates[max(place - 1, 0) : place + 2]
    middles = (math.sqrt(low * high) for low, high in itertools.pairwise(near))
    return tuple(float(f"{middle:.2g}") for middle in middles)


@dataclass(frozen=True)
class Regret:
    """What a rate costs.

    Attributes:
        relative: its loss / the lowest of the grid, minus 1.
        normalised: (its loss - the lowest) / (the loss of guessing - the lowest): the share of what
            training can gain that it gives away.
    """

    relative: float
    normalised: float


def regret(losses: Mapping[float, float], rate: float, guess: float) -> Regret:
    """What training at a rate costs, by what was measured at the rates of a grid.

    Between two rates of the grid the loss is read off the straight line over log(rate); beyond its
    ends it is that of the end.

    Args:
        losses: by rate the mean validation loss over the seeds, where a loss that is not finite or
            above that of guessing counts as guessing.
        rate: that a way has found.
        guess: the loss of guessing.
    """
    rates = sorted(losses)
    lowest = min(losses.values())
    here = float(np.interp(math.log(rate), np.log(rates), [losses[each] for each in rates]))
    return Regret(here / lowest - 1, (here - lowest) / (guess - lowest))
