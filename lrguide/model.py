"""The article's convolutional network for MNIST."""

import keras

__all__ = ["article_cnn"]


def article_cnn() -> keras.Sequential:
    """A new, uncompiled network: images of shape (n, 28, 28, 1) in, shares of ten digits out.

    Two blocks of convolution (no padding), pooling and dropout, then two dense layers: 431,242
    parameters. Its initial weights and its dropout follow `keras.utils.set_random_seed`.

    Returns:
        The network.

    Example:
        >>> from lrguide.model import article_cnn
        >>> article_cnn().count_params()
        431242
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
