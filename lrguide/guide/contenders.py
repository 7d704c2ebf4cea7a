"""What the guide compares: optimizers, schedules and networks, by the names that settings use.

The shapes were fixed before anything was trained with them. Each schedule fills the run, so that
one number, its rate, is all that is left to choose.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import lrguide

if TYPE_CHECKING:
    import keras

# Each name stands for a class of Keras or of `parameter_free`, with what differs from its defaults.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Adam": ("Adam", {}),
    "SGD": ("SGD", {}),
    "SGD momentum": ("SGD", {"momentum": 0.9}),
    "AdamW": ("AdamW", {}),
    "Adamax": ("Adamax", {}),
    "Adadelta": ("Adadelta", {}),
    "ScheduleFreeAdamW": ("ScheduleFreeAdamW", {}),
    "RMSprop": ("RMSprop", {}),
    "Lion": ("Lion", {}),
    "ScheduleFree": ("ScheduleFree", {}),
    "Prodigy": ("Prodigy", {}),
    "DAdaptAdam": ("DAdaptAdam", {}),
}

# The rate of each by default: what a model gets that names none.
DEFAULTS = {
    "Adam": 0.001,
    "SGD": 0.01,
    "SGD momentum": 0.01,
    "AdamW": 0.001,
    "Adamax": 0.001,
    "Adadelta": 0.001,
    "ScheduleFreeAdamW": 0.0025,
    "RMSprop": 0.001,
    "Lion": 0.001,
    "ScheduleFree": 0.0025,
    "Prodigy": 1.0,
    "DAdaptAdam": 1.0,
}

# These keep an average of the weights, and their authors' results are those of the average.
AVERAGING = ("ScheduleFreeAdamW", "ScheduleFree")

# Ways of finding a rate: `ways` has a function for each.
WAYS = ("range test", "confirm", "random", "tpe", "halving", "hyperband", "finder")


def _tenth(steps: int) -> int:
    return max(1, round(steps / 10))


def _quarter(steps: int) -> int:
    return math.ceil(steps / 4)


# Each makes a schedule of the rate, the run's length in steps, and the lower bound of a cycle.
SCHEDULES: dict[str, Callable[[float, int, float], Any]] = {
    "constant": lambda rate, steps, low: rate,
    # "linear" and "cosine" fall to 0, "step" by half at each fifth of the run, "time" to a tenth of
    # the rate and "exponential" to a hundredth.
    "linear": lambda rate, steps, low: lrguide.linear(rate, steps),
    "step": lambda rate, steps, low: lrguide.step_decay(rate, math.ceil(steps / 5), decay_rate=0.5),
    "time": lambda rate, steps, low: lrguide.inverse_time(rate, steps, decay_rate=9.0),
    "exponential": lambda rate, steps, low: lrguide.exponential(rate, steps, decay_rate=0.01),
    "cosine": lambda rate, steps, low: lrguide.cosine(rate, steps),
    # A mistake to look at: it has fallen to 0 in the middle of the run, and stays there.
    "early cosine": lambda rate, steps, low: lrguide.cosine(rate, math.ceil(steps / 2)),
    # The rate rises during a tenth of the run, and then is constant, falls, or falls in the end.
    "warmup": lambda rate, steps, low: lrguide.warmup(rate, _tenth(steps)),
    "warmup linear": lambda rate, steps, low: lrguide.warmup(
        lrguide.linear(rate, steps - _tenth(steps)), _tenth(steps)
    ),
    "warmup stable decay": lambda rate, steps, low: lrguide.warmup_stable_decay(
        rate, (_tenth(steps), steps - 4 * _tenth(steps), 3 * _tenth(steps))
    ),
    # The run has two cycles, so that it ends at the lower bound.
    "triangular": lambda rate, steps, low: lrguide.triangular(low, rate, _quarter(steps)),
    "triangular2": lambda rate, steps, low: lrguide.triangular2(low, rate, _quarter(steps)),
    "exp_range": lambda rate, steps, low: lrguide.exp_range(
        low, rate, _quarter(steps), gamma=0.1 ** (1 / steps)
    ),
    "1cycle": lambda rate, steps, low: lrguide.one_cycle(rate, steps),
    # A callback, not a schedule, halves the rate after an epoch without a lower validation loss.
    "plateau": lambda rate, steps, low: rate,
}


DECAYS = ["linear", "step", "time", "exponential", "cosine"]
CYCLES = ["triangular", "triangular2", "exp_range", "1cycle"]

# The twenty-one that are compared: Adam with each schedule, SGD with momentum with some of them,
# and three ways to do without a schedule.
COMPARED: list[dict[str, Any]] = [
    *[
        dict(optimizer="Adam", schedule=schedule)
        for schedule in (
            *("constant", *DECAYS, "warmup", "warmup linear", "warmup stable decay", "plateau"),
            *CYCLES,
        )
    ],
    *[
        dict(optimizer="SGD momentum", schedule=schedule)
        for schedule in ("constant", "linear", "triangular", "1cycle")
    ],
    dict(optimizer="SGD"),
    dict(optimizer="ScheduleFreeAdamW", averaged=True),
    dict(optimizer="Adam", ema=0.99),
]

# Grids of rates. Each contender is tuned on RATES. WIDE has two rates to each factor of ten, from
# far too small to far too large. FINE has three, to see what a range test has foretold.
RATES = [3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
WIDE = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
FINE = [1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]

# RATES and, half a decade apart, the rates beyond them to which a search may go on.
HALF_DECADES = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, *RATES, 10.0, 30.0, 100.0]

# Test loss and accuracy that the article reports for its five rates with Adam, one run each.
ARTICLE = {
    0.5: (2.3189, 0.1010),
    0.01: (0.0454, 0.9888),
    0.001: (0.0286, 0.9919),
    1e-5: (0.1712, 0.9514),
    1e-7: (2.2724, 0.1625),
}

# These hold of a contender whose settings do not say otherwise.
PLAIN: dict[str, Any] = {"schedule": "constant", "averaged": False, "ema": 0.0}


def label(contender: Mapping[str, Any]) -> str:
    """A contender in two or three words, from its settings or those of one of its runs.

    Example:
        >>> from lrguide.guide.contenders import label
        >>> label({"optimizer": "SGD momentum", "schedule": "1cycle"})
        'SGD+m 1cycle'
    """
    s = PLAIN | dict(contender)
    what = "average" if s["ema"] else "" if s["averaged"] else s["schedule"]
    return f"{s['optimizer'].replace(' momentum', '+m')} {what}".strip()


def dense() -> "keras.Model":
    """Two dense layers, no dropout: 50,890 parameters."""
    import keras

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def normalised_cnn() -> "keras.Model":
    """A smaller convolutional network with batch normalisation and no dropout."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


NETWORKS: dict[str, Callable[[], Any]] = {
    "article_cnn": lambda: lrguide.article_cnn(),
    "dense": dense,
    "normalised_cnn": normalised_cnn,
}


def optimizer(name: str, rate: Any, *, cycle_momentum: bool = False, ema: float = 0.0) -> Any:
    """A new Keras optimizer at a rate or a schedule.

    Args:
        name: one of `OPTIMIZERS`.
        rate: a number or a schedule.
        cycle_momentum: let its momentum fall where the schedule's rate rises, where it has one.
        ema: momentum of a moving average of the weights; 0 keeps none.
    """
    import keras

    class_name, config = OPTIMIZERS[name]
    config = config | ({"use_ema": True, "ema_momentum": ema} if ema else {})
    if cycle_momentum and name == "Adam":
        return lrguide.ScheduledAdam(rate, beta_1=rate.momentum(), **config)
    if cycle_momentum and name == "SGD momentum":
        return lrguide.ScheduledSGD(rate, **config | {"momentum": rate.momentum()})
    if not hasattr(keras.optimizers, class_name):
        from lrguide.guide import parameter_free

        return getattr(parameter_free, class_name)(rate, **config)
    made = keras.optimizers.get({"class_name": class_name, "config": config})
    if isinstance(rate, float):
        made.learning_rate = rate
        return made
    return type(made).from_config(made.get_config() | {"learning_rate": rate})


def averaged_weights(beta_1: float = 0.9) -> "keras.callbacks.Callback":
    """A callback that evaluates `ScheduleFreeAdamW` at its averaged weights.

    It trains at y = (1 - beta_1) z + beta_1 x and promises its results for the average x; Keras
    3.15 has no call that puts x into the model, and evaluates y (Defazio et al. 2024,
    arXiv:2405.15682, equations 1 to 3).
    """
    import keras

    class Averaged(keras.callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            weights = self.model.trainable_variables
            self.trained = [weight.numpy() for weight in weights]
            steps = [v for v in self.model.optimizer.variables if v.path.endswith("_momentum")]
            for weight, y, z in zip(weights, self.trained, steps, strict=True):
                weight.assign((y - (1 - beta_1) * z.numpy()) / beta_1)

        def on_test_end(self, logs: Any = None) -> None:
            for weight, y in zip(self.model.trainable_variables, self.trained, strict=True):
                weight.assign(y)

    return Averaged()
