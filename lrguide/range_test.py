"""Learning-rate range test for any compiled Keras model: sweep the rate, leave no trace.

The test of Smith (2017, https://arxiv.org/abs/1506.01186, section 3.3): train for a few steps while
the rate grows, and look where the loss starts to fall and where it stops falling. `lr_range_test`
runs it, `RangeTestResult.suggest` reads rates off the curves, each as an interval over the seeds
with a reason, `RangeTestResult.confirm` trains at a few of them and says which are tied. How a
model is trained and then put back stands in `lrguide.traceless`, what the rules are in
`lrguide.rules`. It runs on each backend that trains: TensorFlow, JAX and PyTorch.
"""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arguments import Floats, axes, choice, count, listed, number, numbers, positive_row, told
from .confirmation import Confirmation, compare
from .fit_arguments import checked_seeds
from .rules import RULES, Suggestions, suggestions, tenth
from .traceless import Trained, train_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RangeTestResult", "lr_range_test"]

_MOST_STEPS = 1_000_000  # more than any sweep needs, and few enough to be held in memory


@dataclass(frozen=True, eq=False, repr=False)
class RangeTestResult:
    """What a range test saw.

    Attributes:
        rates: The rate of each step, growing; any sequence of numbers, held as an array.
        losses: One row per seed: the loss at each step, computed before that step's update; NaN
            from where the seed's sweep was stopped. An infinite loss is held as NaN.
        seeds: The seed of each row.
        monitor: "loss" (of the training batch) or "val_loss" (on `validation_data`, after the
            step's update).
        stopped: By seed, why the sweep ended early; "" if it did not.

    Raises:
        ValueError: `losses` has not a row per seed and a column per rate, there is none of them,
            the rates do not grow or are not finite numbers above 0, or an attribute makes no sense.
        TypeError: An attribute has the wrong type.

    Example:
        >>> import numpy as np
        >>> from lrguide.range_test import RangeTestResult
        >>> rates = np.geomspace(1e-5, 1, 100)
        >>> losses = np.interp(np.log10(rates), [-4, -2, 0], [2.0, 0.5, 3.0])
        >>> result = RangeTestResult(rates, losses[None], seeds=(0,))
        >>> print(result)  # doctest: +ELLIPSIS
        Rates from 1e-05 to 1 in 100 steps, 1 seed, loss of each batch:
          minimum/10: 0.00085 (one seed, its spread is unknown); a tenth of the rate where ...
          valley: ...
    """

    rates: Floats
    losses: Floats
    seeds: tuple[int, ...]
    monitor: str = "loss"
    stopped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check each part, hold it as an array or a tuple, and check that they fit together."""
        rates, losses = _growing(self.rates), numbers("losses", self.losses)
        seeds = checked_seeds(listed("seeds", self.seeds, "whole numbers"), None)
        if losses.shape != (shape := (len(seeds), len(rates))):
            raise ValueError(
                f"losses must have a row per seed and a column per rate, {shape}, "
                f"received {losses.shape}"
            )
        choice("monitor", self.monitor, "loss", "val_loss")
        stopped = tuple(listed("stopped", self.stopped, "reasons"))
        if not all(isinstance(why, str) for why in stopped) or len(stopped) not in (0, len(seeds)):
            raise ValueError(f"stopped must hold a text per seed or none, received {told(stopped)}")
        losses = np.where(np.isfinite(losses), losses, np.nan)
        parts = dict(rates=rates, losses=losses, seeds=seeds, stopped=stopped)
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def __str__(self) -> str:
        """What was swept, then a line for each rule, or why none has an answer."""
        what = "validation loss" if self.monitor == "val_loss" else "loss of each batch"
        seeds = f"{len(self.seeds)} seed{'' if len(self.seeds) == 1 else 's'}"
        swept = f"Rates from {self.rates[0]:.3g} to {self.rates[-1]:.3g} in {len(self.rates)} steps"
        found = self.suggest().values()
        lines = {suggestion.reason: str(suggestion) for suggestion in found}
        told = [*lines.values()]
        if len(lines) == 1:  # all rules give the same reason, so none of them answers
            ended = zip(self.seeds, self.stopped, strict=False)
            told = [*lines, *(f"stopped: {why} (seed {seed})" for seed, why in ended if why)]
        return "\n  ".join([f"{swept}, {seeds}, {what}:", *told])

    __repr__ = __str__  # where a notebook shows the result, a page of losses would help nobody

    def suggest(self) -> Suggestions:
        """Read rates off the curves by every rule.

        Each seed's curve is smoothed with a Gaussian (standard deviation 4 % of the steps), losses
        above the level of its first tenth counting as that level, and only what is left of the
        smoothed minimum is looked at. A seed answers nothing when its loss falls by less than its
        noise or its rounding explains (its level and scale do not matter), is still falling at the
        end, or is lowest at the start. There is not enough evidence when half of the seeds or fewer
        answer, or when they differ by more than 10 times.

        - `minimum/10` (fastai): a tenth of the rate where the loss is lowest.
        - `valley` (fastai): about the middle of the longest decreasing subsequence.
        - `steepest`: where the loss falls fastest per unit of log(rate).
        - `cyclical minimum`, `cyclical maximum` (after Smith 2017): the bounds between which a
          cyclical rate may swing, where 10 % and 90 % of the whole fall have happened.

        Rules disagree, and none of them is always right: `confirm` trains and tells.

        Returns:
            A `Suggestion` by the name of each rule, `suggest()["minimum/10"]`. Another name is a
            KeyError that tells the names.
        """
        return suggestions(self.rates, self.losses)

    def confirm(
        self,
        model: Any,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        rates: Sequence[float] | None = None,
        steps: int = 200,
        seeds: Sequence[int] | None = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        shuffle: bool = True,
        build: Callable[[], Any] | None = None,
        verbose: int = 1,
    ) -> Confirmation:
        """Train briefly at a few constant rates and name those that are tied.

        Every rate and seed starts from the given weights; seeds pair the rates: the same data
        order and dropout. A first run of each seed has a rate of 0: what the loss is without
        training. No training ends early, unless its loss is not finite: whether it diverged is
        judged at its end (see `Confirmation`). The model is put back as `lr_range_test` does.

        Args:
            model: A compiled model (None with `build`).
            x: Training data that can be read more than once.
            y: Targets, where `x` does not hold them.
            validation_data: What the loss is measured on at the end; by default it is the mean
                batch loss of the last quarter of the steps, dropout included.
            rates: Rates to train at. Defaults to five, spaced by a constant factor, from a third
                of the interval spanned by `minimum/10` and `valley` to 3 times its upper end; and
                as long as the best is the lowest or the highest, one more beyond it, at most four
                (below the lowest where every rate diverged).
            steps: Updates of each training.
            seeds: At least two; defaults to those of the range test, or (0, 1, 2) if it had one.
            batch_size: As in `lr_range_test`.
            sample_weight: As in `lr_range_test`.
            class_weight: As in `lr_range_test`.
            shuffle: As in `lr_range_test`.
            build: As in `lr_range_test`; called anew where further rates follow.
            verbose: 0 or False hides the progress bar.

        Returns:
            The losses, the tied rates and the intervals.

        Raises:
            ValueError: There is no suggestion and no `rates`, or an argument makes no sense.
            TypeError: An argument has the wrong type.
        """
        further = 4 if rates is None else 0
        if rates is None:
            rates = self._rates_around()
        rates = sorted(number("every rate", rate) for rate in listed("rates", rates, "numbers"))
        if len(np.unique(np.asarray(rates, np.float32))) < max(2, len(rates)):
            raise ValueError(f"rates must be at least 2, all different, received {told(rates)}")
        if seeds is None:
            seeds = self.seeds if len(self.seeds) > 1 else (0, 1, 2)
        seeds = checked_seeds(seeds, x)
        if len(seeds) < 2:
            raise ValueError(f"seeds must be at least 2 to pair the rates, received {list(seeds)}")
        count("steps", steps, most=_MOST_STEPS)
        data = dict(x=x, y=y, batch_size=batch_size, sample_weight=sample_weight)
        data |= dict(class_weight=class_weight, shuffle=shuffle)

        def trained(plans: list[Floats]) -> list[list[Trained]]:
            how: dict[str, Any] = dict(every_step=False, stop_factor=None, verbose=verbose)
            return train_along(model, build, data, plans, seeds, validation_data, **how)

        # With validation data a few batches without training are enough: they only tell the noise.
        tail, idle, on = 1, min(steps, 20), "validation loss"
        if validation_data is None:
            tail, idle = max(1, steps // 4), steps
            on = f"mean loss of the last {tail} batches"
        measured = f"{on} after {steps} steps, {len(seeds)} seeds, 95 % intervals"
        without, *runs = trained([np.zeros(idle), *(np.full(steps, rate) for rate in rates)])
        factor = rates[1] / rates[0]
        while True:
            found = compare(rates, runs, without, tail, seeds, measured)
            lower = found.best is None or found.edge == "lowest"
            higher = found.edge == "highest"
            if not (further and (lower or higher)):
                return found
            further -= 1
            place, rate = (len(rates), rates[-1] * factor) if higher else (0, rates[0] / factor)
            rates.insert(place, rate)
            runs[place:place] = trained([np.full(steps, rate)])

    def _rates_around(self) -> list[float]:
        found = self.suggest()
        near = [found[rule] for rule in ("minimum/10", "valley") if found[rule].rate is not None]
        if not near:
            raise ValueError(
                "there is no suggestion to confirm, so rates must be given: "
                + found["minimum/10"].reason
            )
        low = min(s.low for s in near if s.low is not None)
        high = max(s.high for s in near if s.high is not None)
        return [float(rate) for rate in np.geomspace(low / 3, high * 3, 5)]

    def plot(self, ax: Axes | None = None, rules: Sequence[str] = ("minimum/10", "valley")) -> Axes:
        """Draw the curves over a logarithmic axis: seeds, their median and band, suggestions.

        Args:
            ax: Where to draw; new axes by default.
            rules: Whose suggestions to draw, as bands from `low` to `high`.

        Returns:
            The axes.

        Raises:
            ValueError: A rule is unknown.
            TypeError: `ax` are no axes of matplotlib, or `rules` is no sequence.
        """
        for rule in (rules := listed("rules", rules, "names")):
            choice("rules", rule, *(known.name for known in RULES))
        ax = axes(ax)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # columns where every seed has stopped
            median = np.nanmedian(self.losses, axis=0)
            low, high = np.nanmin(self.losses, axis=0), np.nanmax(self.losses, axis=0)
            start = np.nanmedian(self.losses[:, : tenth(self.losses)])
            lowest = np.nanmin(self.losses)
        ax.fill_between(self.rates, low, high, alpha=0.25, label="smallest to largest over seeds")
        ax.plot(self.rates, median, label=f"median of {len(self.seeds)} seeds")
        found = self.suggest()
        for place, rule in enumerate(rules, start=1):
            if (rate := found[rule].rate) is not None:
                ax.axvspan(found[rule].low, found[rule].high, color=f"C{place}", alpha=0.2)  # type: ignore[arg-type]
                ax.axvline(rate, color=f"C{place}", linestyle="--", label=f"{rule}: {rate:.2g}")
        ax.set_xscale("log")
        # A diverged tail would flatten everything else.
        if math.isfinite(start):
            ax.set_ylim(lowest - 0.1 * (start - lowest), start + 1.5 * (start - lowest) + 1e-9)
        ax.set_xlabel("learning rate")
        ax.set_ylabel("validation loss" if self.monitor == "val_loss" else "loss of the batch")
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers, ready for JSON (None where NaN)."""
        losses = [[x if math.isfinite(x) else None for x in row] for row in self.losses.tolist()]
        return {
            "rates": self.rates.tolist(),
            "losses": losses,
            "seeds": list(self.seeds),
            "monitor": self.monitor,
            "stopped": list(self.stopped),
        }

    def to_csv(self, path: str | Path) -> None:
        """Write one line per step: the rate, then the loss of each seed (empty once stopped).

        Args:
            path: Of the file, which is replaced if there is one.

        Raises:
            TypeError: `path` is no path.
            OSError: The file cannot be written.
        """
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a path, received {told(path)}")
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["rate", *(f"{self.monitor} (seed {seed})" for seed in self.seeds)])
            for rate, column in zip(self.rates, self.losses.T, strict=True):
                writer.writerow([rate, *("" if math.isnan(loss) else loss for loss in column)])


def lr_range_test(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    min_rate: float = 1e-6,
    max_rate: float = 10.0,
    steps: int = 100,
    sweep: Literal["exponential", "linear"] = "exponential",
    seeds: Sequence[int] | None = None,
    batch_size: int | None = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    shuffle: bool = True,
    validation_data: Any = None,
    stop_factor: float | None = 4.0,
    build: Callable[[], Any] | None = None,
    verbose: int = 1,
) -> RangeTestResult:
    """Sweep the learning rate on a model and record the loss of every step.

    Step i of n, counted from 0, uses `min_rate * (max_rate / min_rate) ** (i / (n - 1))`, or with
    `sweep="linear"` `min_rate + (max_rate - min_rate) * i / (n - 1)`. The model trains through its
    own `fit`, with its own optimizer, `train_step`, strategy and precision, one batch at a time.

    Nothing is left behind, also after an error, Ctrl-C or NaN: weights, optimizer variables, seed
    generators, metrics, the rate or schedule, the compiled functions and the random states of
    Python, NumPy, Keras and its backend are put back, so that later training is bit-identical
    (`state_digest` shows it, and says what can be reached). A model that was not built is not built
    afterwards. A second Ctrl-C waits until all is back. Cannot be put back: the position of a
    generator or of any data that counts its own passes (`tf.data` that reshuffles at each
    iteration, a PyDataset with its own random state), and what a `train_step` changes that the
    model does not hold: variables and Python values that only a function, a class or a module
    knows, iterators, lookup tables, files, and whatever else `state_digest` does not cover. Python
    values are put back after the last sweep; of eager models, which alone change them at each
    step, before each sweep, too. A step of a model that was not built must not go through
    a `tf.function` that stands outside of the model and its helpers: its traces keep the sweep's
    variables.

    Swept is the rate of `model.optimizer`; if the model trains with others, too, a warning says so.
    The rate is compared with the plan after each step; a `train_step` that sets it and puts it
    back, and an optimizer that has a rate of its own beside `learning_rate`, go unnoticed.
    A model without `call` is trained by its `train_step`, which must return a "loss".

    Args:
        model: A compiled model; None when `build` is given.
        x: Training data, anything that `fit` takes. It is passed over as often as the steps need.
        y: Targets, where `x` does not hold them.
        min_rate: Rate of the first step.
        max_rate: Rate of the last step.
        steps: Number of rates. Under gradient accumulation each takes as many batches as make one
            update, and its loss is their mean.
        sweep: "exponential" or "linear".
        seeds: One sweep per seed, each from the given weights: a seed sets the order of array data
            and the noise (dropout). Defaults to (0, 1, 2), or (0,) where `x` is a generator, which
            can be read only once.
        batch_size: For array data; `fit`'s default is 32.
        sample_weight: As in `fit`.
        class_weight: As in `fit`.
        shuffle: Whether array data are shuffled at each pass.
        validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset; when given, the losses are
            those of the whole of it after each step (slow), instead of the training batch's.
        stop_factor: End a sweep once the median of 5 losses is above where it started and more than
            this many times the lowest such median, unless noise may explain it: the rise must also
            be 3.25 times what neighbouring losses differ by (all but the largest sixth, at most
            15), or the last 5 must be among the largest twentieth seen, or 8 of the last 10 among
            the largest tenth. Where each batch is one sample, the losses may tell a dozen steps
            late. None never stops for this. A loss that is not finite always ends its sweep.
        build: Function without arguments that returns a new compiled model, called once for each
            seed after that seed was set: initial weights vary too.
        verbose: 0 or False hides the progress bar.

    Returns:
        The rates and the losses of each seed; then `suggest()`, `plot()` and `confirm()`.

    Raises:
        ValueError: An argument or the model makes no sense, the data end before the first sweep,
            the very first loss is not finite, or the steps are not taken at the rates of the sweep
            (`train_step` sets the rate, or trains with another optimizer).
        TypeError: An argument has the wrong type.
        NotImplementedError: Keras runs on a backend that does not train, or a version has moved
            a name that the test relies on.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from lrguide import lr_range_test, state_digest
        >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> before = state_digest(model)
        >>> result = lr_range_test(model, x, x[:, :1], min_rate=1e-4, max_rate=10.0, verbose=0)
        >>> state_digest(model) == before
        True
        >>> 1e-3 < result.suggest()["minimum/10"].rate < 1
        True
    """
    rates = _sweep(min_rate, max_rate, steps, sweep)
    if stop_factor is not None:
        above_1 = ("a finite number above 1", lambda factor: 1.0 < factor < math.inf)
        number("stop_factor", stop_factor, *above_1)
    seeds = checked_seeds(seeds, x)
    data = dict(x=x, y=y, batch_size=batch_size, sample_weight=sample_weight)
    data |= dict(class_weight=class_weight, shuffle=shuffle)
    (runs,) = train_along(
        model,
        build,
        data,
        [rates],
        seeds,
        validation_data,
        every_step=True,
        stop_factor=stop_factor,
        verbose=verbose,
    )
    losses = np.full((len(seeds), steps), np.nan)
    for row, (seen, _) in zip(losses, runs, strict=True):
        row[: len(seen)] = seen
    monitor = "loss" if validation_data is None else "val_loss"
    stopped = tuple(reason for _, reason in runs)
    return RangeTestResult(rates, losses, seeds, monitor, stopped)


def _sweep(min_rate: Any, max_rate: Any, steps: Any, sweep: Any) -> Floats:
    """The rate of each step, once the arguments that make it are known to make sense."""
    low, high = number("min_rate", min_rate), number("max_rate", max_rate)
    if low >= high:
        raise ValueError(f"min_rate must be below max_rate, received {min_rate} and {max_rate}")
    steps = count("steps", steps, 2, _MOST_STEPS)
    choice("sweep", sweep, "exponential", "linear")
    rates: Floats = (np.geomspace if sweep == "exponential" else np.linspace)(low, high, steps)
    if (np.diff(rates.astype(np.float32)) <= 0).any():
        raise ValueError(
            f"min_rate and max_rate must leave room for {steps} different rates in float32, "
            f"received {min_rate} and {max_rate}"
        )
    return rates


def _growing(values: Any) -> Floats:
    rates = positive_row("rates", values)
    for place in np.flatnonzero(np.diff(rates) <= 0):
        raise ValueError(f"rates must grow, received {rates[place + 1]} after {rates[place]}")
    return rates
