"""Training: the loop of `train` beside what Keras offers without it, by turns in one process."""

import math
import time
from statistics import mean, stdev

from lrguide.data import Digits, mnist_subset
from lrguide.guide import experiments
from lrguide.guide.settings import complete

ROUNDS = 7
T_95 = 2.45  # Student's t, 97.5 %, of ROUNDS - 1 = 6 degrees of freedom


def main() -> None:
    """Images per CPU-second, and how many times as many `train` gets through."""
    experiments.use_one_thread()
    print("| batch | loop | images per CPU-s | train / loop, mean and 95 % interval |")
    print("| ---: | --- | ---: | --- |")
    for batch, images in ((250, 8000), (50, 1600)):
        digits = mnist_subset().first(images, 1, 1)
        seconds = by_turns(loops(digits, batch))
        ours = seconds["train"]
        for name, theirs in seconds.items():
            ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
            half = T_95 * stdev(ratios) / math.sqrt(ROUNDS)
            compared = f"{mean(ratios):.3f} ± {half:.3f}" if name != "train" else ""
            print(f"| {batch} | {name} | {images / mean(theirs):,.0f} | {compared} |", flush=True)


def loops(digits: Digits, batch: int):
    """By name, functions that train one epoch."""
    import keras
    import tensorflow as tf

    from lrguide.model import article_cnn

    def compiled(steps_per_execution: int) -> keras.Model:
        model = article_cnn()
        model.compile(
            optimizer="adam",
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=steps_per_execution,
        )
        return model

    x, y, images = digits.x_train, digits.y_train, len(digits.x_train)
    steps = math.ceil(images / batch)
    settings = dict(
        budget="MIDDLE", training=images, batch=batch, optimizer="Adam", rate=0.001, seed=0
    )
    settings = complete(experiments.train, settings)
    ours, _, _ = experiments._compiled(settings, steps_per_execution=steps)
    ordered = experiments.shuffled(digits, batch, 0)
    plain, cached = compiled(1), compiled(16)
    data = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(images).batch(batch)
    return {
        "train": lambda: ours.fit(ordered, shuffle=False, verbose=0),
        "fit on NumPy arrays": lambda: plain.fit(x, y, batch_size=batch, verbose=0),
        "fit on cached tf.data, 16 steps an execution": lambda: cached.fit(
            data, shuffle=False, verbose=0
        ),
    }


def by_turns(functions) -> dict[str, list[float]]:
    """CPU-seconds of each round after an uncounted one; the order turns so that none is first."""
    names, seconds = list(functions), {name: [] for name in functions}
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            started = time.process_time()
            functions[name]()
            if number:
                seconds[name].append(time.process_time() - started)
    return seconds
