"""Settings: what a run may be asked for, what is refused, and what its key depends on."""

import pytest

from lrguide.guide.experiments import train
from lrguide.guide.records import key_of, measured
from lrguide.guide.settings import BUDGETS, Budget, budget_of, complete, crossed, identity

PROTOCOL = {"probe": 1}


# Steps, and about the seconds that they take.
NAMED = {
    "TINY": (80, 1.5),
    "FEW_STEPS": (60, 5),
    "SHORT": (300, 5),
    "SMALL": (120, 9),
    "MIDDLE": (288, 20),
    "CANCER": (300, 3),
    "DIABETES": (300, 3),
    "DIGITS": (300, 4),
    "SEQUENCES": (300, 6),
    "COPY": (300, 8),
    "ADDITION": (1000, 12),
    "WAVES": (300, 4),
    "ADDING": (1000, 12),
    "RESIDUAL": (300, 5),
    "AUTOENCODER": (300, 2),
    "MIXTURE": (300, 3),
    "FRIEDMAN": (300, 2),
    "FINE_TUNING": (300, 2),
    "FULL": (4800, 360),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_named_budgets_have_their_steps_and_about_their_seconds(name):
    steps, seconds = NAMED[name]
    assert BUDGETS[name].steps == steps
    assert seconds / 2 < BUDGETS[name].seconds < seconds * 2


def test_every_budget_has_its_case_here():
    assert [*NAMED] == [*BUDGETS]


def test_a_named_budget_stands_for_its_numbers_and_a_number_given_wins():
    settings = complete(train, dict(budget="SHORT", epochs=9, optimizer="SGD", rate=1, seed=0))
    assert budget_of(settings) == Budget(3000, 50, 9, 1500, 2000)
    assert settings["rate"] == 1.0 and isinstance(settings["rate"], float)


GOOD = dict(budget="SMALL", optimizer="Adam", rate=0.001, seed=0)
RATE = "rate must be a finite number above 0, received "
BAD = [
    (dict(rate=0), ValueError, RATE + "0"),
    (dict(rate=-1), ValueError, RATE + "-1"),
    (dict(rate=float("nan")), ValueError, RATE + "nan"),
    (dict(rate=float("inf")), ValueError, RATE + "inf"),
    (dict(rate=1e39), ValueError, RATE + r"1e\+39"),  # infinite in float32
    (dict(rate=1e-60), ValueError, RATE + "1e-60"),  # 0 in float32
    (dict(rate=10**400), ValueError, RATE + "1000"),
    (dict(rate="0.1"), TypeError, RATE + "'0.1'"),
    (dict(rate=True), TypeError, RATE + "True"),
    (dict(rate=None), TypeError, RATE + "None"),
    (dict(rate=[0.1]), TypeError, RATE + r"\[0.1\]"),
    (dict(epochs=0), ValueError, "epochs must be a whole number of at least 1, received 0"),
    (dict(epochs=-3), ValueError, "epochs must be a whole number of at least 1, received -3"),
    (dict(epochs=2.5), ValueError, "epochs must be a whole number of at least 1, received 2.5"),
    (dict(epochs=float("nan")), ValueError, "epochs must be .*, received nan"),
    (dict(epochs=float("inf")), ValueError, "epochs must be .*, received inf"),
    (dict(epochs="5"), TypeError, "epochs must be .*, received '5'"),
    (dict(batch=0), ValueError, "batch must be a whole number of at least 1, received 0"),
    (dict(batch=6001), ValueError, "batch must be at most the 6000 training images, received 6001"),
    (dict(batch=True), TypeError, "batch must be .*, received True"),
    (dict(training=12001), ValueError, "training must be at most 12000 images, .* received 12001"),
    (dict(validation=3001), ValueError, "validation must be at most 3000 .* received 3001"),
    (dict(test=0), ValueError, "test must be a whole number of at least 1, received 0"),
    (dict(budget="FULL", training=48001), ValueError, "training must be at most 48000 images"),
    (dict(budget="HUGE"), ValueError, "budget must be one of TINY, .*, FULL, received 'HUGE'"),
    (dict(budget=["TINY"]), ValueError, r"budget must be one of .* received \['TINY'\]"),
    (dict(full=True), ValueError, "full is set by the budget SMALL, received True"),
    (dict(optimizer="Adem"), ValueError, "optimizer must be one of Adam, SGD, .*, received 'Adem'"),
    (dict(optimizer=None), ValueError, "optimizer must be one of Adam, SGD, .*, received None"),
    (dict(seed=-1), ValueError, "seed must be a whole number from 0 to 4294967295, received -1"),
    (dict(seed=2**32), ValueError, "seed must be .*, received 4294967296"),
    (dict(seed=0.5), ValueError, "seed must be a whole number .*, received 0.5"),
    (dict(division=-1), ValueError, "division must be a whole number from 0 to .*, received -1"),
    (
        dict(division=2),
        ValueError,
        "division must be below 2, since 12000 training images have no more parts of 6000, "
        "received 2",
    ),
    (dict(lr=0.1), TypeError, "train takes the settings .*: unknown are lr"),
    (dict(weight_decay=0.1), ValueError, "weight_decay needs the optimizer AdamW, received Adam"),
    (dict(weight_decay=-1), ValueError, "weight_decay must be a finite number above 0, received"),
    (dict(body_rate=0.1), ValueError, "body_rate needs a task whose body has learned, FINE_TUN"),
    (dict(body_rate="all"), TypeError, "body_rate must be a finite number above 0, received 'all'"),
    (dict(backend="theano"), ValueError, "backend must be one of tensorflow, jax, torch, received"),
    (dict(backend="jax", ema=0.9), ValueError, "ema must stay 0.0 on another backend than"),
    (dict(backend="torch", schedule="linear"), ValueError, "schedule must stay constant on ano"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[str(c) for c, _, _ in BAD])
def test_bad_settings_are_refused_before_anything_is_trained_or_written(
    tmp_path, change, error, message
):
    folder = tmp_path / "cache"
    with pytest.raises(error, match=f"^{message}") as caught:
        measured(train, [GOOD, GOOD | change], cache=folder, records=folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["optimizer", "rate", "seed"])
def test_a_missing_setting_is_named(name):
    with pytest.raises(TypeError, match=f"missing are {name}$"):
        complete(train, {key: value for key, value in GOOD.items() if key != name})


def test_a_new_parameter_with_a_default_changes_no_key():
    def probe(*, budget, rate, seed, training, batch, epochs, validation, test, full):
        raise NotImplementedError

    before, key = probe, key_of(probe, complete(probe, dict(rate=0.1, seed=0)))

    def probe(*, budget, rate, seed, training, batch, epochs, validation, test, full, momentum=0.0):
        raise NotImplementedError

    assert probe is not before
    assert key_of(probe, complete(probe, dict(rate=0.1, seed=0))) == key
    assert key_of(probe, complete(probe, dict(rate=0.1, seed=0, momentum=0.9))) != key


@pytest.mark.parametrize("function", [lambda *, seed: seed, print, len])
def test_only_a_function_with_a_protocol_is_an_experiment(function):
    with pytest.raises(TypeError, match="an experiment must be a function named in its module's"):
        identity(function, complete(train, GOOD))


def test_crossed_settings_are_every_combination_the_last_running_fastest():
    assert crossed(optimizer="Adam", rate=(0.1, 0.2), seed=range(2)) == [
        {"optimizer": "Adam", "rate": rate, "seed": seed} for rate in (0.1, 0.2) for seed in (0, 1)
    ]
    assert crossed(budget="TINY") == [{"budget": "TINY"}]
    assert crossed(rate=[], seed=range(2)) == []
