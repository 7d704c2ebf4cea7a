"""Experiments: the same settings give the same bits, and those bits are a training's."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lrguide.data import mnist_subset
from lrguide.guide import experiments
from lrguide.guide.experiments import first_losses, train
from lrguide.guide.records import measured
from lrguide.guide.settings import complete
from lrguide.model import article_cnn

LITTLE = dict(budget="TINY", training=200, batch=40, epochs=2, validation=50, test=50)
ASKED = dict(LITTLE, optimizer="Adam", rate=0.001, seed=3)
# Where no dropout is needed, the dense network compiles in a third of the time.
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
from lrguide.guide.experiments import train
from lrguide.guide.records import measured
from lrguide.guide.settings import complete
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
    batches = experiments.shuffled(digits, 40, seed)
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
    for images, one_hot in experiments.shuffled(digits, 40, seed=0):
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


@pytest.mark.parametrize(
    "contender",
    [{}, dict(ema=0.5), dict(optimizer="ScheduleFreeAdamW", averaged=True)],
    ids=["plain", "moving average", "schedule-free"],
)
def test_the_test_part_is_evaluated_each_epoch_with_the_weights_that_are_validated(contender):
    asked = complete(train, DENSE | contender | dict(epochs=3))
    result = train(**asked)
    assert result["test_loss_by_epoch"][-1] == result["test_loss"]
    assert result["test_accuracy_by_epoch"][-1] == result["test_accuracy"]
    # The two parts hold the same images here, so validation and test must agree at each epoch.
    digits = mnist_subset()
    alike = replace(digits, x_test=digits.x_validation, y_test=digits.y_validation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "mnist_subset", lambda: alike)
        again = train(**asked)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(
            again[f"test_{name}_by_epoch"], again[f"validation_{name}"], rtol=1e-6
        )
    # Evaluating more often changes nothing.
    assert again["validation_loss"] == result["validation_loss"]


def after_one_step(**asked):
    """Weights before and after the first step."""
    settings = complete(train, dict(rate=0.1, seed=0, training=20, epochs=1) | asked)
    model, _, _ = experiments._compiled(settings, steps_per_execution=1)
    before = model.get_weights()
    parts = experiments._parts(settings)
    model.train_on_batch(parts.x_train, parts.y_train)
    return before, model.get_weights()


def test_weight_decay_takes_its_share_times_the_rate_of_each_weight():
    adamw = dict(task="FINE_TUNING", optimizer="AdamW")
    before, decayed = after_one_step(**adamw, weight_decay=0.5)
    _, plain = after_one_step(**adamw, weight_decay=0)
    for weights, less, others in zip(before, decayed, plain, strict=True):
        np.testing.assert_allclose(others - less, 0.1 * 0.5 * weights, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_body_moves_at_its_share_of_the_rate_and_the_last_layer_at_the_whole(share):
    sgd = dict(task="FINE_TUNING", optimizer="SGD momentum", schedule="linear")
    before, slower = after_one_step(**sgd, body_rate=share)
    _, whole = after_one_step(**sgd)
    *body, kernel, bias = (
        (less - start, all_of_it - start)
        for start, less, all_of_it in zip(before, slower, whole, strict=True)
    )
    for moved, usual in body:
        np.testing.assert_allclose(moved, share * usual, atol=1e-6)
        assert np.abs(usual).max() > 1e-3
    for moved, usual in (kernel, bias):
        np.testing.assert_array_equal(moved, usual)


def test_of_several_rates_the_one_of_the_last_layer_is_noted():
    asked = dict(task="FINE_TUNING", optimizer="Adam", schedule="linear", rate=0.1, seed=0)
    whole, slower = (train(**complete(train, asked | dict(body_rate=s))) for s in (1.0, 0.3))
    assert slower["rates"] == whole["rates"]
    assert slower["validation_loss"] != whole["validation_loss"]


def test_a_division_trains_on_the_images_behind_those_of_the_one_before():
    first, second = (experiments._parts(complete(train, ASKED | dict(division=d))) for d in (0, 1))
    both = mnist_subset().x_train[:400]
    np.testing.assert_array_equal(np.concatenate([first.x_train, second.x_train]), both)
    np.testing.assert_array_equal(first.x_validation, second.x_validation)
    np.testing.assert_array_equal(first.x_test, second.x_test)
    losses = [train(**complete(train, DENSE | dict(division=d)))["first_losses"] for d in (0, 1)]
    assert losses[0] != losses[1]


def test_one_number_an_epoch_and_the_rate_of_every_step(once):
    for part in ("{}", "validation_{}", "test_{}_by_epoch"):
        for name in ("loss", "accuracy"):
            assert len(once[part.format(name)]) == 2
    assert once["rates"] == [0.001, 0.001]
    every = np.full(10, 0.001, np.float32)  # five steps an epoch
    assert once["rates_sha256"] == hashlib.sha256(every.tobytes()).hexdigest()[:16]


def test_a_training_that_blows_up_ends_in_none_which_json_can_hold():
    result = train(**complete(train, DENSE | dict(optimizer="SGD", rate=3e38)))
    assert None in result["loss"]
    json.dumps(result, allow_nan=False)


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
        "from lrguide.guide.experiments import train; import json, sys\n"
        "from lrguide.guide.settings import complete\n"
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
