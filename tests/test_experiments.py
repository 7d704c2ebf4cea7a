"""Experiments: the same settings give the same bits, and those bits are a training's."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lrguide.data import mnist_subset
from lrguide.guide import experiments
from lrguide.guide.experiments import BUDGETS, budget_of, complete, first_losses, identity, train
from lrguide.guide.records import key_of, measured
from lrguide.model import article_cnn

PROTOCOL = {"probe": 1}
LITTLE = dict(budget="TINY", training=200, batch=40, epochs=2, validation=50, test=50)
ASKED = dict(LITTLE, optimizer="Adam", rate=0.001, seed=3)
# What needs no dropout: the dense network compiles in a third of the time.
DENSE = ASKED | dict(network="dense")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def once():
    """One training in this process."""
    return train(**complete(train, ASKED))


# The same bits


def test_same_bits_twice_in_one_process(once):
    train(**complete(train, DENSE | dict(seed=4)))
    assert train(**complete(train, ASKED)) == once


@pytest.mark.parametrize("jobs", [1, 2])
def test_same_bits_in_other_processes_one_or_two_at_a_time(once, tmp_path, jobs):
    settings = [ASKED, DENSE | dict(seed=4)]
    here, other = measured(train, settings, jobs=jobs, cache=tmp_path, records=tmp_path / "none")
    assert here.result == once
    assert other.result["first_losses"] == first_losses(train, complete(train, settings[1]))
    assert other.result != once
    assert here.made["threads"] == other.made["threads"] == 1


SECOND_PROCESS = """
import json, os, pathlib, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.matmul(tf.ones((9, 9)), tf.ones((9, 9)))
from lrguide.guide.experiments import complete, train
from lrguide.guide.records import measured
asked, folder = json.loads(sys.argv[1]), pathlib.Path(sys.argv[2])
try:
    train(**complete(train, asked))
except RuntimeError as error:
    print(error)
# What the caller's computer is set up for must not reach the runs.
os.environ |= {"KERAS_BACKEND": "numpy", "TF_ENABLE_ONEDNN_OPTS": "0"}
[run] = measured(train, [asked], jobs=1, cache=folder, records=folder / "none")
print(json.dumps(run.result))
"""


def test_callers_threads_and_settings_are_refused_in_its_process_and_kept_out_of_ours(
    once, tmp_path
):
    ended = python(SECOND_PROCESS, json.dumps(ASKED), str(tmp_path))
    refused, result = ended.stdout.splitlines()
    assert refused == (
        "an experiment needs TensorFlow on one thread, but TensorFlow already runs here with more: "
        "start a new process, or use measured(), which does"
    )
    assert json.loads(result) == once


def test_replay_sees_the_first_losses_of_the_training_whatever_its_steps_per_execution(once):
    """`train` runs an epoch in one call of the graph, the replay a step."""
    assert first_losses(train, complete(train, ASKED)) == once["first_losses"]
    assert len(once["first_losses"]) == 5


@pytest.mark.parametrize(("training", "batch", "count"), [(90, 40, 3), (40, 40, 1)])
def test_a_short_epoch_has_fewer_first_losses(training, batch, count):
    settings = complete(train, DENSE | dict(training=training, batch=batch, epochs=1))
    result = train(**settings)
    assert len(result["first_losses"]) == count
    assert result["first_losses"] == first_losses(train, settings)


# What the seed decides


def test_contenders_that_share_a_seed_share_the_first_loss_and_no_other():
    adam, sgd, other = (
        first_losses(train, complete(train, DENSE | change))
        for change in ({}, dict(optimizer="SGD", rate=0.5), dict(seed=4))
    )
    assert adam[0] == sgd[0] != other[0]
    assert all(a != b for a, b in zip(adam[1:], sgd[1:], strict=True))


def epochs_of_images(seed, epochs=2):
    digits = mnist_subset().first(200, 1, 1)
    batches = experiments._batches(digits, 40, seed)
    return [[x.numpy().tobytes() for images, _ in batches for x in images] for _ in range(epochs)]


def test_the_seed_decides_the_order_of_images_which_each_epoch_shuffles_anew():
    keras.utils.set_random_seed(3)
    one = epochs_of_images(3)
    keras.utils.set_random_seed(3)
    assert one == epochs_of_images(3)
    assert one[0] != one[1]
    keras.utils.set_random_seed(3)
    assert one[0] != epochs_of_images(4)[0]
    everything = Counter(x.tobytes() for x in mnist_subset().x_train[:200])
    assert all(Counter(epoch) == everything for epoch in one)


def test_each_image_keeps_its_label():
    digits = mnist_subset().first(200, 1, 1)
    labels = {x.tobytes(): y.argmax() for x, y in zip(digits.x_train, digits.y_train, strict=True)}
    for images, one_hot in experiments._batches(digits, 40, seed=0):
        for x, y in zip(images.numpy(), one_hot.numpy(), strict=True):
            assert labels[x.tobytes()] == y.argmax()


# What is computed: an independent training, step by step, its loss and Adam written in NumPy


def cross_entropy(shares, labels):
    return -np.log(shares[np.arange(len(labels)), labels.argmax(axis=1)].astype(np.float64)).mean()


def trained_by_hand(settings):
    """Losses of all batches, then those of the parts, from eager Keras and Adam's formula."""
    s = settings
    digits = mnist_subset().first(s["training"], s["validation"], s["test"])
    keras.utils.set_random_seed(s["seed"])
    model = article_cnn()
    order = tf.data.Dataset.range(s["training"]).shuffle(s["training"], seed=s["seed"])
    weights = model.trainable_variables
    mean, square = ([np.zeros(w.shape) for w in weights] for _ in range(2))
    losses, validation, step = [], [], 0
    for epoch in range(s["epochs"]):
        if epoch == 1:
            next(iter(order))  # `fit` opens the data once more after its first epoch
        for chosen in order.batch(s["batch"]).as_numpy_iterator():
            x, y = digits.x_train[chosen], digits.y_train[chosen]
            with tf.GradientTape() as tape:
                shares = model(x, training=True)
                loss = -tf.reduce_mean(tf.math.log(tf.reduce_sum(shares * y, axis=1)))
            losses.append(cross_entropy(shares.numpy(), y))
            step += 1
            for i, gradient in enumerate(tape.gradient(loss, weights)):
                gradient = gradient.numpy().astype(np.float64)
                mean[i] = 0.9 * mean[i] + 0.1 * gradient
                square[i] = 0.999 * square[i] + 0.001 * gradient**2
                corrected = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                change = s["rate"] * corrected * mean[i] / (np.sqrt(square[i]) + 1e-7)
                weights[i].assign(weights[i].numpy() - change)
        validation.append(cross_entropy(model(digits.x_validation).numpy(), digits.y_validation))
    shares = model(digits.x_test).numpy()
    right = shares.argmax(axis=1) == digits.y_test.argmax(axis=1)
    return losses, validation, cross_entropy(shares, digits.y_test), right.mean()


def test_results_are_those_of_a_training_written_by_hand(once):
    losses, validation, test_loss, test_accuracy = trained_by_hand(complete(train, ASKED))
    np.testing.assert_allclose(once["first_losses"], losses[:5], rtol=1e-4)
    np.testing.assert_allclose(once["loss"], np.reshape(losses, (2, 5)).mean(axis=1), rtol=1e-3)
    np.testing.assert_allclose(once["validation_loss"], validation, rtol=1e-3)
    np.testing.assert_allclose(once["test_loss"], test_loss, rtol=1e-3)
    np.testing.assert_allclose(once["test_accuracy"], test_accuracy, atol=0.021)


def test_one_number_an_epoch_and_the_rate_of_every_step(once):
    for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
        assert len(once[name]) == 2
    assert once["rates"] == [0.001, 0.001]
    every = np.full(10, 0.001, np.float32)  # five steps an epoch
    assert once["rates_sha256"] == hashlib.sha256(every.tobytes()).hexdigest()[:16]


def test_a_training_that_blows_up_ends_in_none_which_json_can_hold():
    result = train(**complete(train, DENSE | dict(optimizer="SGD", rate=3e38)))
    assert None in result["loss"]
    json.dumps(result, allow_nan=False)


# Settings


@pytest.mark.parametrize(
    ("name", "steps", "seconds"),
    [
        ("TINY", 80, 1.5),
        ("FEW_STEPS", 60, 5),
        ("SHORT", 300, 5),
        ("SMALL", 120, 9),
        ("MIDDLE", 288, 20),
        ("FULL", 4800, 360),
    ],
)
def test_named_budgets_have_their_steps_and_about_their_seconds(name, steps, seconds):
    assert BUDGETS[name].steps == steps
    assert seconds / 2 < BUDGETS[name].seconds < seconds * 2


def test_a_named_budget_stands_for_its_numbers_and_a_number_given_wins():
    settings = complete(train, dict(budget="SHORT", epochs=9, optimizer="SGD", rate=1, seed=0))
    assert budget_of(settings) == experiments.Budget(3000, 50, 9, 1500, 2000)
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
    (dict(lr=0.1), TypeError, "train takes the settings .*: unknown are lr"),
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


# Where it runs


@pytest.mark.parametrize(
    ("environment", "config", "seen"),
    [
        ({"KERAS_BACKEND": "numpy"}, "", "numpy, float32, channels_last|No module named .*"),
        ({}, '{"floatx": "float16"}', "tensorflow, float16, channels_last"),
    ],
)
def test_keras_set_up_otherwise_is_refused_in_one_sentence(tmp_path, environment, config, seen):
    if config:
        (tmp_path / "keras.json").write_text(config)
    code = (
        "from lrguide.guide.experiments import complete, train; import json, sys\n"
        "train(**complete(train, json.loads(sys.argv[1])))"
    )
    ended = python(code, json.dumps(ASKED), KERAS_HOME=str(tmp_path), **environment)
    assert re.fullmatch(
        "RuntimeError: an experiment needs Keras with tensorflow, float32, channels_last, "
        f"received ({seen}): see KERAS_BACKEND and keras.json",
        ended.stderr.splitlines()[-1],
    )


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("KERAS_")}
        | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        | environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
