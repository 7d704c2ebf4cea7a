"""Test a model's rates, break the test off in every way, and look whether anything is left."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from kinds import BACKEND, Kind

from lrguide import find_rate, lr_range_test, state_digest

SWEEP: dict[str, Any] = dict(min_rate=1e-4, max_rate=0.1, steps=6, batch_size=16, verbose=0)
SEARCH: dict[str, Any] = dict(steps=20, price=2, batch_size=16, verbose=0)

# A command that was started in the background ignores Ctrl-C, and so would the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Breaking(keras.utils.PyDataset):
    """The data in batches of 16, of which the fourth does something."""

    def __init__(self, kind: Kind, act: Callable[[Any], Any]) -> None:
        super().__init__()
        self.kind, self.act = kind, act

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.kind.x, keras.utils.PyDataset):
            x, y = self.kind.x[index % len(self.kind.x)]
        else:
            part = slice(16 * index, 16 * index + 16)
            x, y = keras.tree.map_structure(lambda a: a[part], (self.kind.x, self.kind.y))
        return self.act((x, y)) if index == 3 else (x, y)


def fail(batch: Any) -> Any:
    raise RuntimeError("the disk is full")


def interrupt(batch: Any) -> Any:
    signal.raise_signal(signal.SIGINT)
    return batch


def spoil(batch: Any) -> Any:
    """The targets, too, because relu makes 0 of what is not a number on some processors."""
    return keras.tree.map_structure(lambda a: a * np.nan if a.dtype.kind == "f" else a, batch)


FAULTS = {"exception": fail, "Ctrl-C": interrupt, "NaN": spoil}


def problems(kind: Kind) -> list[str]:
    """What is left by tests of a model, in words, beside a twin that saw none."""
    found = []
    keras.utils.set_random_seed(3)
    twin = kind.make()
    fits = 1 if kind.fits_once_on == BACKEND else 2
    later = [trained(twin, kind) for _ in range(fits)]
    keras.utils.set_random_seed(3)
    model = kind.make()
    data = dict(x=kind.x, y=kind.y, seeds=(0, 1), **kind.options)
    before = state_digest(model)
    curves = [lr_range_test(model, **data, **SWEEP).losses for _ in range(2)]
    if state_digest(model) != before:
        found.append("success leaves a trace")
    if not np.array_equal(*curves) or not np.isfinite(curves[0]).all():
        found.append("the same seeds give other losses")
    if np.array_equal(curves[0][0], curves[0][1]):
        found.append("other seeds give the same losses")
    if len(find_rate(model, **data, **SEARCH).pilots) < 2:
        found.append("find_rate trains no pilots")
    if state_digest(model) != before:
        found.append("find_rate leaves a trace")
    if trained(model, kind) != later[0]:
        found.append("a new model trains in another way afterwards")
    before = state_digest(model)
    for name, act in FAULTS.items():
        try:
            options = SWEEP | dict(seeds=(0,), batch_size=None, shuffle=False)
            result = lr_range_test(model, Breaking(kind, act), **options)
            ended = result.stopped[0].startswith("loss not finite") and name == "NaN"
        except KeyboardInterrupt:
            ended = name == "Ctrl-C"
        except Exception:
            ended = name == "exception"
        if not ended:
            found.append(f"{name} ends in another way")
        if state_digest(model) != before:
            found.append(f"{name} leaves a trace")
    if fits == 2 and trained(model, kind) != later[1]:
        found.append("a trained model trains in another way afterwards")
    return found


def trained(model: keras.Model, kind: Kind) -> tuple[Any, ...]:
    """Train for an epoch, and return the losses and all values, bit by bit."""
    history = model.fit(kind.x, kind.y, batch_size=16, verbose=0, **kind.options).history
    values = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return history, [keras.ops.convert_to_numpy(v.value).tobytes() for v in values]
