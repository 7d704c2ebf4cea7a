"""The article's network, layer by layer."""

import keras
import numpy as np
import pytest

from lrguide.data import mnist_subset
from lrguide.model import article_cnn

# Class, shape of its output, parameters; then what else decides how it computes.
LAYERS = [
    ("Conv2D", (26, 26, 32), 320, {"activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("MaxPooling2D", (13, 13, 32), 0, {"pool_size": (2, 2), "strides": (2, 2)}),
    ("Dropout", (13, 13, 32), 0, {"rate": 0.25}),
    ("Conv2D", (11, 11, 64), 18_496, {"activation": "relu", "padding": "valid"}),
    ("MaxPooling2D", (5, 5, 64), 0, {"pool_size": (2, 2), "padding": "valid"}),
    ("Dropout", (5, 5, 64), 0, {"rate": 0.25}),
    ("Flatten", (1600,), 0, {}),
    ("Dense", (256,), 409_856, {"activation": "relu", "use_bias": True}),
    ("Dense", (10,), 2_570, {"activation": "softmax", "use_bias": True}),
]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return article_cnn()


def test_it_has_exactly_these_layers_in_this_order(model):
    assert [type(layer).__name__ for layer in model.layers] == [kind for kind, *_ in LAYERS]
    assert model.input_shape == (None, 28, 28, 1)


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[kind for kind, *_ in LAYERS])
def test_each_layer_is_the_articles(model, number):
    _, shape, parameters, config = LAYERS[number]
    layer = model.layers[number]
    assert layer.output.shape == (None, *shape)
    assert layer.count_params() == parameters
    assert {name: layer.get_config()[name] for name in config} == config


def test_it_has_431242_parameters_and_all_are_trained(model):
    assert model.count_params() == sum(parameters for _, _, parameters, _ in LAYERS) == 431_242
    assert model.trainable_weights == model.weights


def test_weights_start_as_keras_starts_them(model):
    for layer in model.layers:
        if layer.weights and hasattr(layer, "kernel"):
            *receptive, fan_in, fan_out = layer.kernel.shape
            limit = np.sqrt(6 / ((fan_in + fan_out) * np.prod(receptive)))  # Glorot's uniform
            kernel, bias = layer.get_weights()
            assert 0.95 * limit < np.abs(kernel).max() <= limit
            assert not bias.any()


def test_it_gives_shares_of_ten_digits(model):
    shares = model.predict(mnist_subset().x_test[:20], verbose=0)
    assert shares.shape == (20, 10)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_the_seed_decides_its_weights():
    def kernels(seed):
        keras.utils.set_random_seed(seed)
        return article_cnn().get_weights()[::2]

    assert all(np.array_equal(a, b) for a, b in zip(kernels(1), kernels(1), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(kernels(1), kernels(2), strict=True))


def test_the_seed_decides_its_dropout():
    images = mnist_subset().x_train[:8]
    weights = article_cnn().get_weights()

    def answer(seed):
        keras.utils.set_random_seed(seed)
        model = article_cnn()
        model.set_weights(weights)
        return keras.ops.convert_to_numpy(model(images, training=True))

    first = answer(1)
    assert np.array_equal(first, answer(1))
    assert not np.array_equal(first, answer(2))
