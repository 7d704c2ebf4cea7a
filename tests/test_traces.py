"""Traces: every step of a training, and what the network looks like in between."""

import numpy as np
import pytest

from lrguide.guide import atlas
from lrguide.guide.experiments import first_losses, train
from lrguide.guide.records import key_of
from lrguide.guide.settings import complete
from lrguide.guide.traces import trace
from lrguide.guide.verify import EXPERIMENTS

LITTLE = dict(budget="TINY", training=200, batch=20, epochs=2, validation=50, seed=3)
ASKED = dict(LITTLE, optimizer="Adam", rate=0.003, schedule="linear")


@pytest.fixture(scope="module")
def once():
    return trace(**complete(trace, ASKED))


@pytest.fixture(scope="module")
def resumed():
    return trace(**complete(trace, ASKED | dict(resumed=True, dropout=False)))


def test_each_step_is_noted_and_the_network_after_every_tenth(once):
    lengths = {name: len(values) for name, values in once.items()}
    assert lengths == {
        **dict.fromkeys(("loss", "gradient", "update"), 20),
        **dict.fromkeys(("validation_loss", "validation_accuracy", "dead", "rates"), 3),
        "first_losses": 5,
    }


def test_it_is_the_training_that_train_makes(once):
    losses = first_losses(train, complete(train, dict(ASKED, test=50)))
    assert once["first_losses"] == pytest.approx(losses, rel=1e-4)
    assert once["loss"][:5] == pytest.approx(losses, rel=0.006)


def test_the_rate_falls_and_begins_anew_with_its_optimizer(once, resumed):
    assert once["rates"] == pytest.approx([0.003, 0.0015, 0.00015], rel=0.006)
    assert resumed["rates"] == pytest.approx([0.003, 0.003, 0.00165], rel=0.006)
    # Adam's first step moves each weight by the rate, later ones by less.
    assert resumed["update"][10] > 1.5 * max(resumed["update"][6:10])


def test_without_dropout_the_same_weights_have_another_loss(once, resumed):
    assert once["validation_loss"][0] == resumed["validation_loss"][0]
    assert once["loss"][0] != resumed["loss"][0]


def test_shares_are_shares_and_lengths_are_positive(once):
    for name in ("dead", "validation_accuracy"):
        assert all(0 <= share <= 1 for share in once[name])
    assert np.min([once["gradient"], once["update"]]) > 0


def test_a_rate_far_too_high_kills_most_units(once):
    killed = trace(**complete(trace, LITTLE | dict(optimizer="Adam", rate=1.0, training=60)))
    assert killed["dead"][0] == once["dead"][0] < 0.2
    assert killed["dead"][-1] > 0.5


@pytest.mark.parametrize("setting", ["dropout", "resumed"])
def test_bad_settings_are_one_sentence(setting):
    with pytest.raises(ValueError, match=f"^{setting} must be True or False, received 1$"):
        complete(trace, ASKED | {setting: 1})


def test_the_plan_asks_for_no_trace_twice_and_make_verify_knows_them():
    keys = [key_of(trace, complete(trace, settings)) for settings in atlas.PLAN]
    assert len(keys) == len(set(keys))
    assert EXPERIMENTS["trace"] is trace
