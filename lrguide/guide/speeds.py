"""What a step of the range test takes beside a step of plain `fit`, on each backend of Keras.

`speed` is an experiment as those of `experiments` are, but for what it measures: processor time.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lrguide.guide import contenders
from lrguide.guide.experiments import data_of, loss_of, network_of, use_one_thread
from lrguide.guide.settings import MNIST, TENSORFLOW

if TYPE_CHECKING:
    import keras

    from lrguide.traceless import Trainings

PROTOCOL = {"speed": 1}

REPETITIONS = 6
LOWEST, HIGHEST = 1e-6, 1e-3  # rates of the sweep, which must not diverge


def speed(
    *,
    budget: str,
    optimizer: str,
    seed: int,
    training: int,
    batch: int,
    full: bool,
    network: str = "article_cnn",
    backend: str = TENSORFLOW,
) -> dict[str, Any]:
    """Fit a model for one epoch, and sweep another one over as many steps, by turns.

    Both have been compiled and have trained before, so that neither compiling nor copying counts.

    Args:
        budget: its name; the numbers in it are settings of their own.
        optimizer: a name in `contenders.OPTIMIZERS`.
        seed: sets the initial weights, the dropout and the order of the images.
        training: images of one epoch.
        batch: images in a batch.
        full: all of MNIST instead of the subset.
        network: a name in `contenders.NETWORKS`.
        backend: of Keras.

    Returns:
        `fit_seconds` and `sweep_seconds`: CPU-seconds on one thread, one number a repetition.
    """
    use_one_thread(backend)
    import keras

    from lrguide.traceless import Measured, progress, train_with

    digits = data_of(MNIST, full).first(training, 1, 1)
    keras.utils.set_random_seed(seed)

    def compiled() -> "keras.Model":
        model = network_of(MNIST, network)
        model.compile(contenders.optimizer(optimizer, HIGHEST), loss=loss_of(MNIST))
        return model

    fitted, swept = compiled(), compiled()
    data = dict(x=digits.x_train, y=digits.y_train, batch_size=batch)
    rates = np.geomspace(LOWEST, HIGHEST, -(-training // batch))
    taken: dict[str, list[float]] = {"fit_seconds": [], "sweep_seconds": []}

    def by_turns(trainings: "Trainings") -> None:
        def timed(name: str, action: Callable[[], Any]) -> None:
            begin = time.process_time()
            action()
            taken[name].append(round(time.process_time() - begin, 3))

        for _ in range(REPETITIONS + 1):
            timed("fit_seconds", lambda: fitted.fit(**data, verbose=0))
            timed("sweep_seconds", lambda: trainings.train(rates, seed))

    how = Measured(None, every_step=True, stop_factor=None)
    more = dict(sample_weight=None, class_weight=None, shuffle=True)
    train_with(by_turns, swept, None, {**data, **more}, how, progress(1, 0))
    return {name: seconds[1:] for name, seconds in taken.items()}  # the first ones compile
