"""`find_rate` on the backend that Keras runs on; tests/test_finder.py says more on TensorFlow."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import keras
import matplotlib as mpl
import numpy as np
import pytest
from kinds import KINDS, Kind, X, Y, dense
from test_on_backend import by_hand, linear_model
from tracelessness import Breaking, fail, interrupt, spoil, trained

import lrguide
from lrguide import Pilot, find_rate, state_digest

QUICK: dict[str, Any] = dict(steps=20, price=3, seeds=(0, 1), batch_size=16, verbose=0)


@pytest.mark.parametrize(
    "name",
    ["Adam", "gradient accumulation", "mixed_bfloat16", "several inputs, outputs", "not built"],
)
def test_nothing_is_left_and_the_same_seeds_give_the_same_pilots(name):
    kind = KINDS[name]
    keras.utils.set_random_seed(3)
    later = trained(kind.make(), kind)
    keras.utils.set_random_seed(3)
    model = kind.make()
    before = state_digest(model)
    first, again = (find_rate(model, kind.x, kind.y, **QUICK) for _ in range(2))
    assert first.pilots == again.pilots and len(first.pilots) > 2
    assert (first.rate, first.price) == (again.rate, again.price) and first.price <= 3
    other = find_rate(model, kind.x, kind.y, **QUICK | dict(seeds=(2, 3)))
    assert other.pilots[0].loss != first.pilots[0].loss
    assert state_digest(model) == before
    assert trained(model, kind) == later


def only(passes: range, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let something happen in these passes over the data, counted from 0."""
    seen = iter(range(10**6))
    return lambda batch: act(batch) if next(seen) in passes else batch


ONCE, LATER = range(6, 7), range(6, 10**6)  # after the ten steps at a rate of 0


@pytest.mark.parametrize(
    ("passes", "act", "ended"),
    [
        (range(1), fail, "the disk is full"),
        (ONCE, fail, "the disk is full"),
        (range(1), interrupt, "KeyboardInterrupt"),
        (ONCE, interrupt, "; stopped by Ctrl-C"),
        (LATER, spoil, "every rate diverged"),
    ],
)
def test_faults_and_ctrl_c_leave_nothing(passes, act, ended):
    model = dense()
    before = state_digest(model)
    data = Breaking(Kind(dense), only(passes, act))
    try:
        said = find_rate(model, data, **QUICK | dict(batch_size=None, shuffle=False)).reason
    except (RuntimeError, KeyboardInterrupt) as error:
        said = str(error) or type(error).__name__
    assert ended in said
    assert state_digest(model) == before


def test_the_losses_are_those_of_training_by_hand_along_the_compressed_schedule():
    options = QUICK | dict(schedule=lrguide.linear, shuffle=False, price=6)
    found = find_rate(linear_model(), X, Y, **options)
    ended = [pilot for pilot in found.pilots if math.isfinite(pilot.loss)]
    assert {pilot.steps for pilot in ended} == {10, 20}
    for pilot in ended:
        plan = [pilot.rate * (1 - step / pilot.steps) for step in range(pilot.steps)]
        tail = by_hand(plan)[-(pilot.steps // 4) :]
        assert pilot.loss == pytest.approx(np.mean(tail), rel=1e-4)
    assert 0.03 < found.rate < 1


def test_validation_data_judge_where_they_are_given():
    held = X[:16], Y[:16]
    found = find_rate(linear_model(), X, Y, **QUICK, validation_data=held, shuffle=False)
    pilot = found.pilots[0]
    model = linear_model(keras.optimizers.SGD(pilot.rate))
    for step in range(pilot.steps):
        part = slice(16 * (step % 4), 16 * (step % 4) + 16)
        model.train_on_batch(X[part], Y[part])
    assert pilot.loss == pytest.approx(model.evaluate(*held, verbose=0), rel=1e-4)


def test_a_model_is_built_for_each_seed():
    first, again = (find_rate(None, X, Y, build=dense, **QUICK) for _ in range(2))
    assert first.pilots == again.pilots


def test_what_was_found_trains_is_drawn_and_is_plain():
    mpl.use("agg")
    model = linear_model()
    found = find_rate(model, X, Y, **QUICK, schedule=lrguide.cosine)
    assert found.plot().get_xlabel() == "learning rate"
    assert json.loads(json.dumps(found.to_dict()))["rate"] == found.rate
    assert Pilot(**vars(found.pilots[0])) == found.pilots[0]
    model.compile(keras.optimizers.SGD(found.schedule), "mse")
    losses = model.fit(X, Y, batch_size=16, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < found.untrained / 2
