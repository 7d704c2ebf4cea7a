"""Ways of finding a learning rate, tried on the problems of the benchmark.

`search` is an experiment as those of `experiments` are. All ways train alike: from the weights of
one seed, with the problem's schedule compressed to the length of each training, stopped early where
the loss blows up, and judged by the validation loss at the end. They differ in what they train.
"""

import importlib
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.guide import contenders
from lrguide.guide.experiments import data_of, loss_of, network_of, shuffled, use_one_thread
from lrguide.guide.settings import MNIST

if TYPE_CHECKING:
    import keras

    from lrguide.data import Digits

PROTOCOL = {"search": 1}

LOWEST, HIGHEST = 1e-5, 10.0  # where a search that knows nothing of the rate looks for it
TRIALS = {"1": 4, "2": 8, "4": 16}  # by price, how many trainings of a quarter of the run it buys
SEEDS = range(10, 15)  # searches use other seeds than the trainings that tell the truth


@dataclass
class Trained:
    """What a search has trained so far, and what it has answered.

    Attributes:
        rates: of each training.
        steps: its length.
        losses: at its end; infinite where it diverged.
        paid: the steps that were made.
        answers: by name the rate that was found; None where the way names none.
        prices: by the same name the steps that this answer has cost.
    """

    rates: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    paid: list[int] = field(default_factory=list)
    answers: dict[str, float | None] = field(default_factory=dict)
    prices: dict[str, int] = field(default_factory=dict)

    def add(self, rate: float, steps: int, loss: float, paid: int) -> None:
        """Note a training."""
        self.rates.append(rate)
        self.steps.append(steps)
        self.losses.append(loss if math.isfinite(loss) else math.inf)
        self.paid.append(paid)

    def answer(self, name: str, rate: float | None) -> None:
        """Note an answer, at the price of all that was trained by now."""
        self.answers[name] = None if rate is None else float(f"{rate:.4g}")
        self.prices[name] = sum(self.paid)

    def best(self) -> float | None:
        """The rate of the lowest loss; None where all diverged."""
        place = int(np.argmin(self.losses))
        return self.rates[place] if math.isfinite(self.losses[place]) else None


@dataclass(frozen=True)
class Learner:
    """A problem as a way sees it: a model at its default rate, the data, a schedule, a length."""

    model: "keras.Model"
    data: "Digits"
    batch: int
    steps: int
    seed: int
    optimizer: str
    plan: Callable[[float, int], Any]  # the schedule of a rate and a number of steps

    @property
    def held(self) -> tuple[Any, Any]:
        """What the loss is measured on."""
        return self.data.x_validation, self.data.y_validation

    @property
    def fit(self) -> dict[str, Any]:
        """What a test of this package takes of the data."""
        return dict(x=self.data.x_train, y=self.data.y_train, batch_size=self.batch)

    def trained(self, job: Callable[[Callable[[float, int], float]], None], seen: Trained) -> None:
        """Let a job train, at a rate and for a number of steps, as often as it likes."""
        from lrguide.checks import rates_at
        from lrguide.traceless import Measured, Trainings, progress, train_with

        def all_of_it(trainings: Trainings) -> None:
            def train(rate: float, steps: int) -> float:
                rates = rates_at(self.plan(rate, steps), np.arange(steps))
                losses, why = trainings.train(rates, self.seed)
                paid = min(steps, len(losses) + bool(why))
                seen.add(rate, steps, math.inf if why else losses[-1], paid)
                return seen.losses[-1]

            job(train)

        data = dict(self.fit, sample_weight=None, class_weight=None, shuffle=True)
        how = Measured(self.held, every_step=False, stop_factor=4.0)
        train_with(all_of_it, self.model, None, data, how, progress(1, 0))


def search(
    *,
    budget: str,
    optimizer: str,
    seed: int,
    training: int,
    batch: int,
    epochs: int,
    validation: int,
    full: bool,
    way: str,
    price: float = 0.0,
    schedule: str = "constant",
    network: str = "article_cnn",
    task: str = MNIST,
) -> dict[str, Any]:
    """Find the rate for a training of a network with a schedule, in one of several ways.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        seed: of the search: of the weights, the dropout, the order of the data, and what is drawn.
        training: images or examples, and so on for `validation`.
        batch: of them.
        epochs: of the training that the rate is for.
        validation: on which losses are measured.
        full: all of MNIST instead of the subset.
        way: a name in `contenders.WAYS`.
        price: in trainings, for the ways that can be told what to pay.
        schedule: a name in `contenders.SCHEDULES`.
        network: a name in `contenders.NETWORKS`, for MNIST.
        task: as in `train`.

    Returns:
        `answers`, by name the rate that was found, and `prices`, the steps that it has cost;
        `rates`, `steps`, `losses` and `paid` of all that was trained, in order, a loss None where
        the training diverged; of the finder `interval`, the lowest and the highest rate that may be
        the best.
    """
    settings = dict(locals())
    use_one_thread()
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    data = data_of(task, full).first(training, validation, 1)
    model = network_of(task, network)
    model.compile(
        contenders.optimizer(optimizer, contenders.DEFAULTS[optimizer]), loss=loss_of(task)
    )
    learner = Learner(
        model,
        data,
        batch,
        math.ceil(training / batch) * epochs,
        seed,
        optimizer,
        plan=lambda rate, steps: contenders.SCHEDULES[schedule](rate, steps, rate / 4),
    )
    seen = Trained()
    more = _FINDS[way](learner, seen, settings)
    losses = [float(f"{loss:.6g}") if math.isfinite(loss) else None for loss in seen.losses]
    return {**vars(seen), "losses": losses, **(more or {})}


def _library(name: str) -> Any:
    """A library that is installed for the benchmark alone."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"this way needs {name}, which is not installed here ({error}): pip install --group "
            "benchmark --constraint constraints.txt --constraint .ci/benchmark.txt"
        ) from error


def _sweep(learner: Learner, seen: Trained) -> Any:
    from lrguide.range_test import lr_range_test

    swept = lr_range_test(learner.model, **learner.fit, seeds=[learner.seed], verbose=0)
    made = int(np.isfinite(swept.losses[0]).sum())
    seen.add(float(swept.rates[made - 1]), len(swept.rates), math.inf, made)
    return swept


def _range_test(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    """Each rule's answer, and three times it."""
    for rule, found in _sweep(learner, seen).suggest().items():
        seen.answer(rule, found.rate)
        seen.answer(f"3 x {rule}", found.rate and 3 * found.rate)


def _confirm(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    """Short trainings around what the range test suggests, at the defaults of `confirm`."""
    steps = 200
    swept = _sweep(learner, seen)
    if swept.suggest()["minimum/10"].rate is None:
        return seen.answer("confirm", None)
    found = swept.confirm(learner.model, **learner.fit, validation_data=learner.held, verbose=0)
    seen.add(0.0, steps, math.inf, steps * len(found.seeds))
    for rate, losses in zip(found.rates, found.losses, strict=True):
        seen.add(rate, steps, float(np.mean(losses)), steps * len(losses))
    seen.answer("confirm", found.best)


def _random(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    random = np.random.default_rng(learner.seed)

    def job(train: Callable[[float, int], float]) -> None:
        for price, count in TRIALS.items():
            while len(seen.rates) < count:
                train(math.exp(random.uniform(*np.log([LOWEST, HIGHEST]))), learner.steps // 4)
            seen.answer(price, seen.best())

    learner.trained(job, seen)


def _tpe(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), at its defaults."""
    optuna = _library("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=learner.seed))

    def job(train: Callable[[float, int], float]) -> None:
        for price, count in TRIALS.items():
            while len(seen.rates) < count:
                trial = study.ask()
                rate = trial.suggest_float("rate", LOWEST, HIGHEST, log=True)
                study.tell(trial, train(rate, learner.steps // 4))
            seen.answer(price, seen.best())

    learner.trained(job, seen)


def _halving(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    """Successive halving (Jamieson and Talwalkar 2016), by thirds: nine rates, then three."""
    price = settings["price"]
    first, second = (round(learner.steps * price * part) for part in (1 / 18, 1 / 6))

    def job(train: Callable[[float, int], float]) -> None:
        ends = {float(f"{r:.3g}"): 0.0 for r in np.geomspace(LOWEST, HIGHEST, 9)}
        ends = {rate: train(rate, first) for rate in ends}
        kept = {rate: train(rate, second) for rate in sorted(ends, key=ends.__getitem__)[:3]}
        best = min(kept, key=kept.__getitem__)
        seen.answer(f"{price:g}", best if math.isfinite(kept[best]) else None)

    learner.trained(job, seen)


def _hyperband(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> None:
    """KerasTuner's Hyperband (Li et al. 2018): its epochs are thirds of the run."""
    import keras

    keras_tuner = _library("keras_tuner")
    third = learner.steps // 3

    def build(space: Any) -> "keras.Model":
        keras.utils.set_random_seed(learner.seed)
        model = network_of(settings["task"], settings["network"])
        rate = space.Float("rate", LOWEST, HIGHEST, sampling="log")
        planned = learner.plan(rate, learner.steps)
        model.compile(contenders.optimizer(learner.optimizer, planned), loss=learner.model.loss)
        return model

    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.Hyperband(
            build,
            objective="val_loss",
            max_epochs=3,
            factor=3,
            seed=learner.seed,
            directory=folder,
        )
        tuner.search(
            shuffled(learner.data, learner.batch, learner.seed).repeat(),
            steps_per_epoch=third,
            validation_data=learner.held,
            verbose=0,
        )
        for _, trial in sorted(tuner.oracle.trials.items()):
            values = trial.hyperparameters.values
            begun, ended = values["tuner/initial_epoch"], values["tuner/epochs"]
            loss = math.inf if trial.score is None else float(trial.score)
            seen.add(values["rate"], ended * third, loss, (ended - begun) * third)
    seen.answer("hyperband", seen.best())


def _finder(learner: Learner, seen: Trained, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The finder as it was frozen: `pilots.POWER`, by which it lowers a rate, came later.

    What it finds now follows from the same pilots: see `benchmark.decided_anew`.
    """
    from lrguide import pilots
    from lrguide.finder import find_rate

    price, place, power = settings["price"], SEEDS.index(learner.seed), pilots.POWER
    pilots.POWER = 0.0
    try:
        found = find_rate(
            learner.model,
            **learner.fit,
            steps=learner.steps,
            schedule=learner.plan,
            validation_data=learner.held,
            price=price,
            seeds=[*SEEDS[place:], *SEEDS[:place]],
            verbose=0,
        )
    finally:
        pilots.POWER = power
    for pilot in found.pilots:
        seen.add(pilot.rate, pilot.steps, pilot.loss, pilot.paid)
    idle = round(found.price * learner.steps) - sum(seen.paid)
    seen.add(0.0, idle, found.untrained, idle)
    seen.answer(f"{price:g}", found.rate)
    return {"interval": [found.low, found.high]}


_FINDS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "range test": _range_test,
    "confirm": _confirm,
    "random": _random,
    "tpe": _tpe,
    "halving": _halving,
    "hyperband": _hyperband,
    "finder": _finder,
}
