"""Schedules that other libraries have, too, and what they give there (`oracles/make.py`)."""

import json
from pathlib import Path

from lrguide.composing import join, warmup
from lrguide.schedules import (
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    piecewise,
    polynomial,
    step_decay,
)

ORACLES = json.loads(Path(__file__).with_name("oracles").joinpath("values.json").read_text())

EQUAL = {
    "linear": linear(0.1, 40, 0.01),
    "linear to 0": linear(0.1, 40),
    "cosine": cosine(0.1, 40, 0.01),
    "polynomial": polynomial(0.1, 40, 0.01, power=3.0),
    "polynomial, root": polynomial(0.1, 40, power=0.5),
    "inverse_sqrt": inverse_sqrt(0.1, 20),
    "warmup, inverse_sqrt": warmup(inverse_sqrt(0.1, 10), 10, start_factor=0.0),
    "exponential": exponential(0.1, 20, decay_rate=0.5),
    "step_decay": step_decay(0.1, 20, decay_rate=0.5),
    "inverse_time": inverse_time(0.1, 20, decay_rate=0.5),
    "piecewise": piecewise([0.1, 0.01, 0.001], [30, 50]),
    "restarts": join([cosine(0.1, length, 0.01) for length in (10, 20, 40)], [10, 30]),
    "warmup, cosine": warmup(cosine(0.1, 40, 0.01), 10, start_factor=0.2),
    "warmup from 0, linear to 0": warmup(linear(0.1, 50), 10, start_factor=0.0),
    "constant, then exponential": join([0.1, exponential(0.1, 20, decay_rate=0.5)], [15]),
}
