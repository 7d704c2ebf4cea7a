"""Write values.json: what other libraries give for the schedules that lrguide offers.

In an environment of its own, from the root of the repository:

    python -m venv /tmp/oracles
    /tmp/oracles/bin/pip install -r tests/oracles/requirements.txt
    KERAS_BACKEND=numpy /tmp/oracles/bin/python tests/oracles/make.py

Every list holds the rate during steps 0, 1, 2, ... 69. Keras computes in float32, the others in
float64. The names that begin with "off by one" are the calls that look right and are a step late.
"translations" holds what each call on docs/translate.md gives in its own library.
"""

import ast
import itertools
import json
import platform
from pathlib import Path

import fastai
import fastai.learner
import jax
import keras
import numpy as np
import optax
import torch
import transformers
from fastai.data.core import DataLoaders
from torch.optim import lr_scheduler
from translations import LIBRARIES, rows, set_up

STEPS = 70
jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)
keras_schedules = keras.optimizers.schedules


def called(schedule):
    """Return the values of a function of the step, as Keras' and Optax' schedules are."""
    return rounded(float(schedule(step)) for step in range(STEPS))


def stepped(rate, make, steps=STEPS):
    """Return the rates of a PyTorch scheduler, which knows its step by being called."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rounded(rates)


def rounded(values):
    return [float(f"{float(value):.12g}") for value in values]


def decays():
    factor = 0.5 ** (1 / 20)
    return {
        "linear": {
            "keras": called(keras_schedules.PolynomialDecay(0.1, 40, 0.01)),
            "optax": called(optax.linear_schedule(0.1, 0.01, 40)),
            "torch": stepped(0.1, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 40)),
        },
        "linear to 0": {
            "keras": called(keras_schedules.PolynomialDecay(0.1, 40, 0.0)),
            "optax": called(optax.polynomial_schedule(0.1, 0.0, 1, 40)),
            "torch": stepped(0.1, lambda o: lr_scheduler.PolynomialLR(o, 40)),
        },
        "polynomial": {
            "keras": called(keras_schedules.PolynomialDecay(0.1, 40, 0.01, power=3.0)),
            "optax": called(optax.polynomial_schedule(0.1, 0.01, 3, 40)),
            "transformers": stepped(
                0.1,
                lambda o: transformers.get_polynomial_decay_schedule_with_warmup(
                    o, 0, 40, lr_end=0.01, power=3.0
                ),
            ),
        },
        "polynomial, root": {
            "keras": called(keras_schedules.PolynomialDecay(0.1, 40, 0.0, power=0.5)),
            "optax": called(optax.polynomial_schedule(0.1, 0.0, 0.5, 40)),
            "torch": stepped(0.1, lambda o: lr_scheduler.PolynomialLR(o, 40, 0.5)),
        },
        "inverse_sqrt": {
            "transformers": stepped(
                0.1, lambda o: transformers.get_inverse_sqrt_schedule(o, 0, timescale=20)
            ),
        },
        "warmup, inverse_sqrt": {
            "transformers": stepped(0.1, lambda o: transformers.get_inverse_sqrt_schedule(o, 10)),
        },
        "cosine": {
            "keras": called(keras_schedules.CosineDecay(0.1, 40, 0.1)),
            "optax": called(optax.cosine_decay_schedule(0.1, 40, 0.1)),
            "torch": stepped(0.1, lambda o: lr_scheduler.CosineAnnealingLR(o, 40, 0.01), 41),
        },
        "past the end: torch's cosine rises": {
            "torch": stepped(0.1, lambda o: lr_scheduler.CosineAnnealingLR(o, 40, 0.01)),
        },
        "exponential": {
            "keras": called(keras_schedules.ExponentialDecay(0.1, 20, 0.5)),
            "optax": called(optax.exponential_decay(0.1, 20, 0.5)),
            "torch": stepped(0.1, lambda o: lr_scheduler.ExponentialLR(o, factor)),
        },
        "step_decay": {
            "keras": called(keras_schedules.ExponentialDecay(0.1, 20, 0.5, staircase=True)),
            "optax": called(optax.exponential_decay(0.1, 20, 0.5, staircase=True)),
            "torch": stepped(0.1, lambda o: lr_scheduler.StepLR(o, 20, 0.5)),
        },
        "inverse_time": {
            "keras": called(keras_schedules.InverseTimeDecay(0.1, 20, 0.5)),
            "torch": stepped(
                0.1, lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + 0.5 * t / 20))
            ),
        },
        "piecewise": {
            "keras": called(keras_schedules.PiecewiseConstantDecay([29, 49], [0.1, 0.01, 0.001])),
            "optax": called(optax.piecewise_constant_schedule(0.1, {30: 0.1, 50: 0.1})),
            "torch": stepped(0.1, lambda o: lr_scheduler.MultiStepLR(o, [30, 50], 0.1)),
        },
        "off by one: Keras' boundaries are the last steps of the old rate": {
            "keras": called(keras_schedules.PiecewiseConstantDecay([30, 50], [0.1, 0.01, 0.001])),
        },
        "restarts": {
            "keras": called(keras_schedules.CosineDecayRestarts(0.1, 10, 2.0, 1.0, 0.1)),
            "optax": called(
                optax.sgdr_schedule(
                    [
                        {
                            "init_value": 0.1,
                            "peak_value": 0.1,
                            "warmup_steps": 0,
                            "decay_steps": length,
                            "end_value": 0.01,
                        }
                        for length in (10, 20, 40)
                    ]
                )
            ),
            "torch": stepped(
                0.1, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, 2, 0.01)
            ),
        },
        "restarts of equal length": {
            "keras": called(keras_schedules.CosineDecayRestarts(0.1, 12, 1.0, 1.0, 0.1)),
            "torch": stepped(
                0.1, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 12, 1, 0.01)
            ),
        },
        "restarts half as high": {
            "keras": called(keras_schedules.CosineDecayRestarts(0.1, 9, 2.0, 0.5)),
            "optax": called(
                optax.sgdr_schedule(
                    [
                        {
                            "init_value": peak,
                            "peak_value": peak,
                            "warmup_steps": 0,
                            "decay_steps": length,
                            "end_value": 0.0,
                        }
                        for peak, length in ((0.1, 9), (0.05, 18), (0.025, 36), (0.0125, 72))
                    ]
                )
            ),
        },
        "restarts half as long again": {
            "keras": called(keras_schedules.CosineDecayRestarts(0.1, 8, 1.5, 0.8, 0.05)),
        },
    }


def compositions():
    return {
        "warmup, cosine": {
            "keras": called(
                keras_schedules.CosineDecay(0.02, 40, 0.1, warmup_target=0.1, warmup_steps=10)
            ),
            "optax": called(optax.warmup_cosine_decay_schedule(0.02, 0.1, 10, 50, 0.01)),
            "torch": stepped(
                0.1,
                lambda o: lr_scheduler.SequentialLR(
                    o,
                    [
                        lr_scheduler.LinearLR(o, 0.2, 1.0, 10),
                        lr_scheduler.CosineAnnealingLR(o, 40, 0.01),
                    ],
                    [10],
                ),
                51,
            ),
        },
        "off by one: Optax' decay_steps hold the warmup too": {
            "optax": called(optax.warmup_cosine_decay_schedule(0.02, 0.1, 10, 40, 0.01)),
        },
        "warmup from 0, linear to 0": {
            "optax": called(
                optax.join_schedules(
                    [optax.linear_schedule(0.0, 0.1, 10), optax.linear_schedule(0.1, 0.0, 50)],
                    [10],
                )
            ),
        },
        "constant, then exponential": {
            "optax": called(
                optax.join_schedules(
                    [optax.constant_schedule(0.1), optax.exponential_decay(0.1, 20, 0.5)], [15]
                )
            ),
            "torch": stepped(
                0.1,
                lambda o: lr_scheduler.SequentialLR(
                    o,
                    [
                        lr_scheduler.ConstantLR(o, 1.0),
                        lr_scheduler.ExponentialLR(o, 0.5 ** (1 / 20)),
                    ],
                    [15],
                ),
            ),
        },
        "linear times cosine": {
            "torch": stepped(
                0.1,
                lambda o: lr_scheduler.ChainedScheduler(
                    [
                        lr_scheduler.LinearLR(o, 1.0, 0.5, 40),
                        lr_scheduler.CosineAnnealingLR(o, 40),
                    ]
                ),
                41,
            ),
        },
    }


def cycles():
    def cyclic(mode, **options):
        return stepped(
            0.01,
            lambda o: lr_scheduler.CyclicLR(
                o, 0.01, 0.1, mode=mode, cycle_momentum=False, **options
            ),
        )

    def cycle_of_optax(steps_up, steps_down):
        lengths = itertools.accumulate(itertools.cycle([steps_up, steps_down]))
        ends = itertools.takewhile(lambda end: end <= STEPS + steps_up + steps_down, lengths)
        return {end: 0.1 if place % 2 else 10.0 for place, end in enumerate(ends)}

    return {
        "triangular": {
            "optax": called(
                optax.piecewise_interpolate_schedule("linear", 0.01, cycle_of_optax(8, 8))
            ),
            "torch": cyclic("triangular", step_size_up=8),
        },
        "triangular, 5 up and 9 down": {
            "optax": called(
                optax.piecewise_interpolate_schedule("linear", 0.01, cycle_of_optax(5, 9))
            ),
            "torch": cyclic("triangular", step_size_up=5, step_size_down=9),
        },
        "triangular2": {"torch": cyclic("triangular2", step_size_up=8)},
        "exp_range": {"torch": cyclic("exp_range", step_size_up=8, gamma=0.97)},
        "amplitude by cycle": {
            "torch": cyclic(
                "triangular",
                step_size_up=5,
                step_size_down=9,
                scale_fn=lambda cycle: 1 / cycle**2,
                scale_mode="cycle",
            )
        },
        "amplitude by step": {
            "torch": cyclic(
                "triangular",
                step_size_up=8,
                scale_fn=lambda step: 1 / (1 + 0.1 * step),
                scale_mode="iterations",
            )
        },
    }


def one_cycles():
    def torch_one_cycle(steps=60, part=0.3, **options):
        return stepped(
            0.1,
            lambda o: lr_scheduler.OneCycleLR(
                o, 0.1, steps, pct_start=part, cycle_momentum=False, **options
            ),
            steps,
        )

    def optax_one_cycle(make, steps, part, *more):
        return called(make(steps, 0.1, part, *more))

    tiny = 1e-12  # Optax truncates `part * steps`
    return {
        "one_cycle": {
            "optax": optax_one_cycle(optax.cosine_onecycle_schedule, 59, 17 / 59 + tiny),
            "torch": torch_one_cycle(),
        },
        "one_cycle, linear": {"torch": torch_one_cycle(anneal_strategy="linear")},
        "one_cycle, three phases": {"torch": torch_one_cycle(three_phase=True)},
        "one_cycle, three phases, linear": {
            "optax": optax_one_cycle(
                optax.linear_onecycle_schedule, 59, 17 / 59 + tiny, 34 / 59 + tiny
            ),
            "torch": torch_one_cycle(three_phase=True, anneal_strategy="linear"),
        },
        "one_cycle, phases that end between two steps": {"torch": torch_one_cycle(61, 0.25)},
        "off by one: Optax' 1cycle of T steps peaks and ends a step late": {
            "optax": optax_one_cycle(optax.cosine_onecycle_schedule, 60, 0.3 + tiny),
        },
    }


def trajectories():
    """Train a linear model of three weights and keep rate, momentum and weights of each step."""
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 5, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * random.normal(size=(8, 5, 1))

    def run(make_optimizer, make_scheduler, steps=40):
        weights = torch.nn.Parameter(torch.zeros(3, 1))
        optimizer = make_optimizer([weights])
        scheduler = make_scheduler(optimizer)
        group = optimizer.param_groups[0]
        history = {"rate": [], "momentum": [], "weights": []}
        for step in range(steps):
            history["rate"].append(group["lr"])
            history["momentum"].append(group["betas"][0] if "betas" in group else group["momentum"])
            batch, target = (torch.from_numpy(array[step % 8]) for array in (x, y))
            optimizer.zero_grad()
            ((batch @ weights - target) ** 2).mean().backward()
            optimizer.step()
            history["weights"].append(weights.detach().ravel().tolist())
            if step < steps - 1:
                scheduler.step()
        history["weights"] = [rounded(row) for row in history["weights"]]
        return {**history, **{key: rounded(history[key]) for key in ("rate", "momentum")}}

    def sgd(weights, nesterov=False):
        return torch.optim.SGD(weights, lr=0.01, momentum=0.9, nesterov=nesterov)

    def adam(weights):
        return torch.optim.Adam(weights, lr=0.01, betas=(0.9, 0.999), eps=1e-12)

    def cyclic(optimizer):
        return lr_scheduler.CyclicLR(
            optimizer, 0.01, 0.1, 4, 6, "triangular2", base_momentum=0.8, max_momentum=0.9
        )

    def one_cycle(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, 0.1, 40)

    return {
        "x": [rounded(row) for row in x.reshape(40, 3)],
        "y": rounded(y.ravel()),
        "batch_size": 5,
        "runs": {
            "SGD, triangular2": run(sgd, cyclic),
            "SGD, one_cycle": run(sgd, one_cycle),
            "SGD with nesterov, one_cycle": run(lambda w: sgd(w, nesterov=True), one_cycle),
            "Adam, triangular2": run(adam, cyclic),
            "Adam, one_cycle": run(adam, one_cycle),
        },
    }


LOSSES = [1, 0.9, 0.85, *[0.85] * 8, 0.8, 0.7995, *[0.9] * 5, 0.75, *[0.75] * 12]


def translations():
    """Run every call on the page that is not lrguide's or Keras'."""
    return {
        library: {row.code: translated(row) for row in rows() if row.library == library}
        for library in LIBRARIES
    }


def translated(row):
    names = {}
    exec(set_up(row.library), names)
    *before, last = ast.parse(row.code).body

    def value():
        exec(compile(ast.Module(before, []), "page", "exec"), names)
        return eval(compile(ast.Expression(last.value), "page", "eval"), names)

    if row.library == "Optax":
        return called(value())
    if row.library == "fastai":
        torch.set_default_dtype(torch.float32)  # fastai rounds where its phases meet
        names["learn"], rates = learner()
        value()
        torch.set_default_dtype(torch.float64)
        return rounded(rates)

    def make(optimizer):
        names["optimizer"] = optimizer
        return value()

    if "lateau" in row.code:
        return on_plateau(make)
    steps = 60 if "OneCycle" in row.code else STEPS
    return stepped(0.1, make, steps)


def on_plateau(make):
    """The rate during each epoch, when LOSSES are the losses at their ends."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    rates = []
    for loss in LOSSES:
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    return rounded(rates)


def learner():
    """Return a fastai Learner with 10 batches an epoch, and the list its fit puts the rates in."""
    x = torch.zeros(20, 1)
    data = torch.utils.data.TensorDataset(x, x)
    loaders = DataLoaders(*(fastai.data.load.DataLoader(data, bs=2) for _ in range(2)))
    rates = []

    class Log(fastai.callback.core.Callback):
        order, run_valid = 90, False  # after the schedule

        def before_step(self):
            rates.append(self.opt.hypers[-1]["lr"])

    learn = fastai.learner.Learner(
        loaders,
        torch.nn.Linear(1, 1),
        loss_func=torch.nn.functional.mse_loss,
        cbs=[fastai.callback.core.TrainEvalCallback(), Log()],
        default_cbs=False,  # no table on the terminal
    )
    return learn, rates


def main():
    libraries = (keras, optax, torch, fastai, transformers, jax, np)
    versions = {library.__name__: library.__version__ for library in libraries}
    values = {
        "versions": {"python": platform.python_version(), **versions},
        "rates": {**decays(), **compositions(), **cycles(), **one_cycles()},
        "trajectories": trajectories(),
        "losses": LOSSES,
        "translations": translations(),
    }
    Path(__file__).with_name("values.json").write_text(text(values) + "\n")


def text(value, indent="\n"):
    """Return JSON with each list on a line of its own, so that a changed list is a changed line."""
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = indent + " "
    rows = (f"{inner}{json.dumps(key)}: {text(row, inner)}" for key, row in value.items())
    return "{" + ",".join(rows) + indent + "}"


if __name__ == "__main__":
    main()
