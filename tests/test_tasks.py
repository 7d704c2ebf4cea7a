"""The tasks beside MNIST: what they hold, what learns them, and that their runs can be repeated."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_squared_error

from lrguide.guide import experiments, records, tasks, verify
from lrguide.guide.experiments import first_losses, sweep, train
from lrguide.guide.processes import processor
from lrguide.guide.records import key_of
from lrguide.guide.settings import BUDGETS, budget_of, complete
from lrguide.guide.tasks import TASKS, data, guessing

ADAM = dict(optimizer="Adam", rate=0.003, seed=3)
MADE = dict(processor=processor(), date="2026-01-02", cpu_seconds=1.0)
# Shape of an input, numbers in a target, parameters of the network.
CASES = {
    "CANCER": ((30,), 2, 30 * 32 + 32 + 32 * 16 + 16 + 16 * 2 + 2),
    "DIABETES": ((10,), 1, 10 * 32 + 32 + 32 * 32 + 32 + 32 + 1),
    "DIGITS": ((8, 8, 1), 10, 9 * 8 + 4 * 8 + 9 * 8 * 16 + 4 * 16 + 2 * 2 * 16 * 10 + 10),
    "SEQUENCES": ((10, 9), 8, 3 * 32 * (9 + 32 + 2) + 32 * 8 + 8),
}
each_task = pytest.mark.parametrize("name", TASKS)


def little(name, **more):
    """A training of two epochs on few examples of a task."""
    return complete(
        train, ADAM | dict(task=name, training=96, epochs=2, validation=40, test=40) | more
    )


def test_every_task_has_its_case_here():
    assert [*CASES] == [*TASKS]


# The data


@each_task
def test_parts_have_their_sizes_and_shapes_in_float32(name):
    parts, (inputs, outputs, _) = data(name), CASES[name]
    for part, size in zip(("train", "validation", "test"), TASKS[name].parts, strict=True):
        for axis, shape in (("x", inputs), ("y", (outputs,))):
            array = getattr(parts, f"{axis}_{part}")
            assert array.shape == (size, *shape)
            assert array.dtype == np.float32 and np.isfinite(array).all()


@each_task
def test_another_division_has_the_same_examples_in_other_parts(name):
    first, second, again = data(name), data(name, 1), data(name, 2)
    assert not np.array_equal(first.x_train, second.x_train)
    assert not np.array_equal(second.x_train, again.x_train)
    if TASKS[name].standardised:
        np.testing.assert_allclose(second.x_train.mean(axis=0), 0, atol=1e-5)
        return
    one, other = (
        {x.tobytes() for x in [*parts.x_train, *parts.x_validation, *parts.x_test]}
        for parts in (first, second)
    )
    assert one == other


@each_task
def test_no_example_is_in_two_parts(name):
    parts = data(name)
    seen = [x.tobytes() for part in (parts.x_train, parts.x_validation, parts.x_test) for x in part]
    assert len(set(seen)) == len(seen) == sum(TASKS[name].parts)


@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name].standardised])
def test_a_table_is_standardised_by_its_training_part(name):
    x = data(name).x_train
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)


def test_digits_reach_from_0_to_1():
    x = data("DIGITS").x_train
    assert (x.min(), x.max()) == (0, 1)


def test_each_example_keeps_the_target_that_scikit_learn_gives_it():
    """The examples are found again by their values, in the units of the source."""
    source = load_diabetes(scaled=False)
    parts, first = data("DIABETES"), TASKS["DIABETES"].parts[0]
    order = np.random.RandomState(0).permutation(len(source.data))
    x, y = source.data[order], source.target[order]
    kept = (x - x[:first].mean(0)) / x[:first].std(0)
    np.testing.assert_allclose(parts.x_test, kept[-102:], rtol=1e-3, atol=1e-4)
    target = parts.y_test[:, 0] * y[:first].std() + y[:first].mean()
    np.testing.assert_allclose(target, y[-102:], rtol=1e-4)


def test_the_class_of_a_sequence_is_the_symbol_behind_its_mark():
    parts = data("SEQUENCES")
    for x, y in zip(parts.x_test, parts.y_test, strict=True):
        symbols = x.argmax(axis=1).tolist()
        assert symbols.count(8) == 1
        assert symbols[symbols.index(8) + 1] == y.argmax()
    assert (x.sum(axis=1) == 1).all()


@each_task
def test_other_data_are_refused_in_one_sentence(name, monkeypatch):
    monkeypatch.setitem(tasks.TASKS, name, replace(TASKS[name], digest="0" * 64))
    with pytest.raises(ValueError, match=f"^the data of {name} must have a SHA-256 .* 000000000"):
        data.__wrapped__(name)


@each_task
def test_guessing_is_what_the_shares_of_the_classes_or_the_mean_of_a_number_lose(name):
    parts = data(name)
    if TASKS[name].classes:
        y, y_validation = parts.y_train.argmax(axis=1), parts.y_validation.argmax(axis=1)
        shares = DummyClassifier().fit(parts.x_train, y).predict_proba(parts.x_validation)
        lost = log_loss(y_validation, shares)
    else:
        mean = DummyRegressor().fit(parts.x_train, parts.y_train).predict(parts.x_validation)
        lost = mean_squared_error(parts.y_validation, mean)
    assert guessing(name) == pytest.approx(lost, rel=1e-5)


# The networks


@each_task
def test_a_network_fits_its_data_and_has_its_parameters(name):
    network, (inputs, outputs, parameters) = TASKS[name].network(), CASES[name]
    assert network.input_shape == (None, *inputs) and network.output_shape == (None, outputs)
    assert network.count_params() == parameters


def test_one_network_has_batch_normalisation_and_one_is_recurrent():
    def kinds(name):
        return {type(layer).__name__ for layer in TASKS[name].network().layers}

    assert "BatchNormalization" in kinds("DIGITS") and "GRU" in kinds("SEQUENCES")


# The runs


@cache
def trained(name):
    return train(**little(name))


@each_task
def test_a_task_is_learned_and_its_first_losses_come_out_again(name):
    once = trained(name)
    assert once["loss"][1] < once["loss"][0]
    assert len(once["first_losses"]) == min(5, -(-96 // TASKS[name].batch))
    assert first_losses(train, little(name)) == once["first_losses"]
    json.dumps(once, allow_nan=False)


def test_a_training_gives_the_same_bits_twice():
    """With batch normalisation, whose averages are a state beside the weights."""
    assert train(**little("DIGITS")) == trained("DIGITS")


@each_task
def test_a_classification_has_an_accuracy_and_a_regression_none(name):
    named = {key for key in trained(name) if "accuracy" in key}
    four = {"accuracy", "validation_accuracy", "test_accuracy", "test_accuracy_by_epoch"}
    assert named == (four if TASKS[name].classes else set())


def test_the_loss_of_a_regression_is_the_mean_squared_error():
    parts = data("DIABETES").first(96, 40, 40)
    keras.utils.set_random_seed(3)
    network = TASKS["DIABETES"].network()
    x, y = next(iter(experiments.shuffled(parts, TASKS["DIABETES"].batch, 3)))
    by_hand = np.mean((network(x).numpy() - y.numpy()) ** 2)
    assert trained("DIABETES")["first_losses"][0] == pytest.approx(by_hand, rel=1e-5)


def test_a_range_test_sweeps_a_regression_and_can_be_repeated():
    asked = complete(sweep, dict(task="DIABETES", optimizer="Adam", seed=2, steps=6, training=96))
    once = sweep(**asked)
    assert once == sweep(**asked) and not once["stopped"]
    assert 0.2 < once["first_losses"][0] < 5  # of a target with variance 1


# The settings


@each_task
def test_a_task_comes_with_its_budget_of_300_steps(name):
    settings = complete(train, ADAM | dict(task=name))
    assert settings["budget"] == name
    assert budget_of(settings) == BUDGETS[name]
    assert BUDGETS[name].steps == 300


@pytest.mark.parametrize("function", [train, sweep])
def test_runs_of_mnist_keep_their_keys_and_those_of_a_task_follow_its_data(function, monkeypatch):
    asked = {k: v for k, v in ADAM.items() if function is train or k != "rate"}
    usual = key_of(function, complete(function, asked))
    assert usual == key_of(function, complete(function, asked | dict(task="MNIST")))
    named = complete(function, asked | dict(task="CANCER"))
    key = key_of(function, named)
    assert key != usual
    monkeypatch.setitem(tasks.TASKS, "CANCER", replace(TASKS["CANCER"], digest="0" * 64))
    assert key != key_of(function, named)
    assert usual == key_of(function, complete(function, asked))


SAME = "budget and task must have the same name where one of them is CANCER, DIABETES, .*, "


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(task="IRIS"), "task must be one of MNIST, CANCER, .*, received 'IRIS'"),
        (dict(task=None), "task must be one of MNIST, CANCER, .*, received None"),
        (dict(task="CANCER", budget="SHORT"), SAME + "received 'SHORT' and 'CANCER'"),
        (dict(budget="CANCER"), SAME + "received 'CANCER' and 'MNIST'"),
        (
            dict(task="CANCER", training=321),
            "training must be at most 320 examples, as many as this data has, received 321",
        ),
        (
            dict(task="CANCER", network="dense"),
            "network is set by the task CANCER, received 'dense' beside it",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        complete(train, ADAM | settings)


def test_a_stored_run_of_a_task_is_verified_and_named_with_it(tmp_path, monkeypatch, capsys):
    run = records.Run("train", little("DIABETES"), trained("DIABETES"), MADE)
    records.write(tmp_path / "train_DIABETES.json", train, [run])
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    monkeypatch.setattr(verify, "run_all", lambda f, each, jobs: ((s, f(**s), {}) for s in each))
    assert verify.verify(1, seed=0) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["train DIABETES Adam, task DIABETES, rate 0.003, seed 3: equal"] * 2


def test_scikit_learn_is_imported_where_data_are_loaded_alone():
    code = (
        "import sys; from lrguide.guide import experiments, records, settings, tasks\n"
        "print(records.key_of(experiments.train, settings.complete(experiments.train, "
        "dict(task='CANCER', optimizer='Adam', rate=1, seed=0))), 'sklearn' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split()[1] == "False"
