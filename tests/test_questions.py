"""What the pages answer about schedules, callbacks and weight decay is what Keras does."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.optimizers.schedules import PiecewiseConstantDecay

import lrguide

DOCS = Path(__file__).parents[1] / "docs"


def test_the_address_at_which_they_were_leads_to_them():
    choosing = (DOCS / "choosing.py").read_text(encoding="utf-8")
    old = re.search(r"^# ## Questions and errors\n#\n# .*\]\(questions\.md\)", choosing, re.M)
    assert old, "choosing/#questions-and-errors"
    page = (DOCS / "questions.md").read_text(encoding="utf-8")
    assert (
        "\n### The loss diverges, explodes, is inf or `nan` { #the-loss-is-nan }\n" in page
        and page.count("\n### ") > 20
    )


X, Y = np.ones((40, 1)), np.zeros((40, 1))
HALVE = keras.callbacks.ReduceLROnPlateau


def model_with(optimizer, **options):
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer, "mse", **options)
    return model


def test_an_optimizer_with_a_schedule_refuses_the_rate_that_a_callback_sets():
    model = model_with(keras.optimizers.SGD(lrguide.cosine(0.1, 100)))
    for callback in (
        HALVE("loss", patience=1, min_delta=100.0),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ):
        with pytest.raises(TypeError, match="This optimizer was created with a `LearningRateSch"):
            model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback])


def test_the_number_that_a_callback_set_is_saved_and_its_memory_is_not(tmp_path):
    model = model_with(keras.optimizers.SGD(0.1))
    callback = HALVE("loss", factor=0.5, patience=2, min_delta=100.0)
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[callback])
    assert callback.wait == 1
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.05)
    rates = loaded.fit(X, Y, epochs=2, verbose=0, callbacks=[callback]).history["learning_rate"]
    assert [float(rate) for rate in rates] == pytest.approx(
        [0.05, 0.05]
    )  # the callback counts anew


@pytest.mark.parametrize(("at_once", "set_at"), [(1, list(range(10))), (5, [0, 5])])
def test_a_callback_acts_between_groups_of_updates_and_a_schedule_at_each(at_once, set_at):
    seen = []
    model = model_with(keras.optimizers.SGD(0.1), steps_per_execution=at_once)
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(int(model.optimizer.iterations))
    )
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[note])
    assert seen == set_at


RATES = PiecewiseConstantDecay([4], [0.5, 0.1])  # 0.5 during steps 0 to 4, then 0.1
ZERO = np.zeros((10, 1))  # a gradient of 0 leaves the weight to its decay


@pytest.mark.parametrize("make", [keras.optimizers.AdamW, keras.optimizers.SGD])
def test_weight_decay_is_multiplied_by_the_rate_of_the_step(make):
    model = model_with(make(RATES, weight_decay=0.2))
    model.fit(ZERO, ZERO, batch_size=1, verbose=0)
    left = model.get_weights()[0].item()
    assert left == pytest.approx((1 - 0.2 * 0.5) ** 5 * (1 - 0.2 * 0.1) ** 5, rel=1e-5)


def test_a_constraint_decays_the_weight_whatever_the_rate():
    model = model_with(keras.optimizers.Adam(RATES))
    model.layers[0].kernel.constraint = lambda weights: 0.9 * weights
    model.fit(ZERO, ZERO, batch_size=1, verbose=0)
    assert model.get_weights()[0].item() == pytest.approx(0.9**10, rel=1e-5)
