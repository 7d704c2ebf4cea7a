"""Learning-rate range test for any compiled Keras model: sweep the rate, leave no trace.

The test of Smith (2017, https://arxiv.org/abs/1506.01186, section 3.3): train for a few steps while
the rate grows, and look where the loss starts to fall and where it stops falling. `lr_range_test`
runs it, `RangeTestResult.suggest` reads rates off the curves, each as an interval over the seeds
with a reason, `RangeTestResult.confirm` trains at a few of them and says which are tied. Losses are
those of single batches; points are located on curves smoothed symmetrically, because exponential
smoothing lags and moves them. How a model is trained and then put back stands in
`lrguide.traceless`. Needs Keras on TensorFlow.
"""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

try:
    from lrguide.traceless import (
        RISE,
        Floats,
        Run,
        checked_count,
        checked_list,
        checked_number,
        checked_rate,
        checked_seeds,
        noise,
        told,
        train_along,
    )
except ModuleNotFoundError:  # copied into your project, with traceless.py beside it
    from traceless import (  # type: ignore[import-not-found,no-redef]
        RISE,
        Floats,
        Run,
        checked_count,
        checked_list,
        checked_number,
        checked_rate,
        checked_seeds,
        noise,
        told,
        train_along,
    )

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Confirmation", "RangeTestResult", "Suggestion", "lr_range_test"]

RULES = {
    "minimum/10": "a tenth of the rate where the smoothed loss is lowest",
    "valley": "about the middle of the longest fall of the smoothed loss",
    "steepest": "where the smoothed loss falls fastest",
    "cyclical minimum": "where a tenth of the loss's whole fall has happened",
    "cyclical maximum": "where nine tenths of the loss's whole fall have happened",
}
"""The rules that `RangeTestResult.suggest` knows, and what they look for."""

_MOST_STEPS = 1_000_000  # more than any sweep needs, and few enough to be held in memory

# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom; the last one serves for more,
# which makes intervals at most a tenth too wide.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)


@dataclass(frozen=True)
class Suggestion:
    """A rate by one rule: an interval over the seeds, and why.

    Attributes:
        rule: One of `RULES`.
        rate: Median over the seeds (of the logarithms); None when there is not enough evidence.
        low: Smallest answer of a seed; None when there is not enough evidence.
        high: Largest answer of a seed; None when there is not enough evidence.
        by_seed: The answer of each seed, None where its curve shows too little.
        reason: The rate and its interval in words, or why there is none.

    Example:
        >>> import numpy as np
        >>> from lrguide.range_test import RangeTestResult
        >>> rates = np.geomspace(1e-5, 1, 100)
        >>> curves = [np.abs(np.log10(rates) - lowest) for lowest in (-2.2, -2.0, -1.8)]
        >>> suggestion = RangeTestResult(rates, np.array(curves), (0, 1, 2)).suggest()["minimum/10"]
        >>> print(f"{suggestion.rate:.1g}, from {suggestion.low:.1g} to {suggestion.high:.1g}")
        0.001, from 0.0006 to 0.002
    """

    rule: str
    rate: float | None
    low: float | None
    high: float | None
    by_seed: tuple[float | None, ...] = field(repr=False)
    reason: str = field(repr=False)

    def __str__(self) -> str:
        """The rule, its rate and the reason in one line."""
        return f"{self.rule}: {self.reason}"


class Suggestions(dict[str, Suggestion]):
    """What each rule suggests, by the rule's name."""

    def __missing__(self, rule: object) -> Suggestion:
        raise KeyError(f"a rule must be one of {', '.join(RULES)}, received {rule!r}")


@dataclass(frozen=True)
class Confirmation:
    """Short trainings at a few constant rates, paired by seed.

    Attributes:
        rates: The rates trained at, growing.
        losses: Final loss by rate and seed; infinite where training diverged: the loss stopped
            being finite, or ended above that without training by more than the noise of batches.
        seeds: One training per rate and seed.
        measured: What `losses` are, with the data and the budget, in words.
        untrained: By seed, what `losses` would be at a rate of 0.
        best: The rate with the lowest mean loss; None when every rate diverged.
        edge: "lowest" or "highest" where `best` is that of all the rates, so that a better one may
            lie beyond; "" where it has neighbours on both sides.
        tied: The rates, `best` included, that these few seeds cannot tell from `best`: the 95 %
            interval of the paired difference contains 0. Their losses may well differ, by as much
            as that interval is wide; more seeds narrow it.
        intervals: By rate, the 95 % interval (Student's t over the seeds) of its loss minus that
            of `best`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from lrguide import RangeTestResult
        >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> swept = RangeTestResult(np.array([1e-3, 1.0]), np.ones((1, 2)), seeds=(0,))
        >>> found = swept.confirm(model, x, x[:, :1], rates=[1e-3, 0.1, 9.0], steps=40, verbose=0)
        >>> found.best, found.edge, found.tied
        (0.1, '', (0.1,))
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    seeds: tuple[int, ...]
    measured: str
    untrained: tuple[float, ...]
    best: float | None
    edge: Literal["", "lowest", "highest"]
    tied: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        """Which rate is best and which are tied with it, then a line for each rate."""
        about = f"{self.measured}; {np.mean(self.untrained):.4g} without training"
        if self.best is None:
            return f"Every rate diverged ({about})."
        lines = [f"Lowest mean loss at {self.best:.3g} ({about})."]
        if self.edge:
            beyond = {"lowest": "smaller", "highest": "larger"}[self.edge]
            lines.append(f"This is the {self.edge} rate tried: a {beyond} one may be better.")
        if others := ", ".join(f"{rate:.3g}" for rate in self.tied if rate != self.best):
            lines.append(
                f"Tied with it: {others}. That is, {len(self.seeds)} seeds cannot tell them apart; "
                "their losses may differ by as much as the intervals say."
            )
        for rate, losses, (low, high) in zip(self.rates, self.losses, self.intervals, strict=True):
            told = f"loss {np.mean(losses):.4g}, minus best {low:+.3g} to {high:+.3g}"
            if diverged := sum(map(math.isinf, losses)):
                told = f"diverged with {diverged} of {len(losses)} seeds"
            lines.append(f"  {rate:.3g}: {told}")
        return "\n".join(lines)


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
        rates, losses = _checked_rates(self.rates), _numbers("losses", self.losses)
        if self.seeds is None:
            raise TypeError("seeds must be a sequence of integers, received None")
        seeds = checked_seeds(self.seeds, None)
        if losses.shape != (shape := (len(seeds), len(rates))):
            raise ValueError(
                f"losses must have a row per seed and a column per rate, {shape}, "
                f"received {losses.shape}"
            )
        if not isinstance(self.monitor, str) or self.monitor not in ("loss", "val_loss"):
            raise ValueError(f"monitor must be 'loss' or 'val_loss', received {told(self.monitor)}")
        stopped = tuple(checked_list("stopped", self.stopped, "reasons"))
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
        if len(lines) == 1:  # one reason for all: no rule answers
            ended = zip(self.seeds, self.stopped, strict=False)
            told = [*lines, *(f"stopped: {why} (seed {seed})" for seed, why in ended if why)]
        return "\n  ".join([f"{swept}, {seeds}, {what}:", *told])

    __repr__ = __str__  # not a page of losses, where a notebook shows the result

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
        curves = [_answers(self.rates, row) for row in self.losses]
        return Suggestions({rule: _suggestion(rule, curves) for rule in RULES})

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
        listed = checked_list("rates", rates, "numbers")
        rates = sorted(checked_rate("every rate", rate) for rate in listed)
        if len(np.unique(np.asarray(rates, np.float32))) < max(2, len(rates)):
            raise ValueError(f"rates must be at least 2, all different, received {told(rates)}")
        if seeds is None:
            seeds = self.seeds if len(self.seeds) > 1 else (0, 1, 2)
        seeds = checked_seeds(seeds, x)
        if len(seeds) < 2:
            raise ValueError(f"seeds must be at least 2 to pair the rates, received {list(seeds)}")
        checked_count("steps", steps, most=_MOST_STEPS)
        data = dict(x=x, y=y, batch_size=batch_size, sample_weight=sample_weight)
        data |= dict(class_weight=class_weight, shuffle=shuffle)

        def trained(plans: list[Floats]) -> list[list[Run]]:
            how: dict[str, Any] = dict(every_step=False, stop_factor=None, verbose=verbose)
            return train_along(model, build, data, plans, seeds, validation_data, **how)

        # Validation needs few batches without training: they tell their noise, it tells the loss.
        tail, idle, on = 1, min(steps, 20), "validation loss"
        if validation_data is None:
            tail, idle = max(1, steps // 4), steps
            on = f"mean loss of the last {tail} batches"
        measured = f"{on} after {steps} steps, {len(seeds)} seeds, 95 % intervals"
        without, *runs = trained([np.zeros(idle), *(np.full(steps, rate) for rate in rates)])
        factor = rates[1] / rates[0]
        while True:
            found = _compare(rates, runs, without, tail, seeds, measured)
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
        rules = checked_list("rules", rules, "names")
        if unknown := [rule for rule in rules if rule not in list(RULES)]:
            raise ValueError(f"rules must be among {list(RULES)}, received {told(unknown[0])}")
        _check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # columns where every seed has stopped
            median = np.nanmedian(self.losses, axis=0)
            low, high = np.nanmin(self.losses, axis=0), np.nanmax(self.losses, axis=0)
            start = np.nanmedian(self.losses[:, : _tenth(self.losses)])
            lowest = np.nanmin(self.losses)
        ax.fill_between(self.rates, low, high, alpha=0.25, label="smallest to largest over seeds")
        ax.plot(self.rates, median, label=f"median of {len(self.seeds)} seeds")
        found = self.suggest()
        for number, rule in enumerate(rules, start=1):
            if (rate := found[rule].rate) is not None:
                ax.axvspan(found[rule].low, found[rule].high, color=f"C{number}", alpha=0.2)  # type: ignore[arg-type]
                ax.axvline(rate, color=f"C{number}", linestyle="--", label=f"{rule}: {rate:.2g}")
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
    Python, NumPy, TensorFlow and Keras are put back, so that later training is bit-identical
    (`state_digest` shows it, and says what can be reached). A model that was not built is not built
    afterwards. A second Ctrl-C waits until all is back. Cannot be put back: the position of a
    generator or of any data that counts its own passes (`tf.data` that reshuffles at each
    iteration, a PyDataset with its own random state), and what a `train_step` changes that the
    model does not hold: variables and Python values that only a function, a class or a module
    knows, iterators, lookup tables, files. A step of a model that was not built must not go through
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
            be 3.5 times what neighbouring losses differ by (all but the largest sixth, at most 15),
            or the last 5, or 8 of the last 10, must be among the largest twentieth seen. None never
            stops for this. A loss that is not finite always ends its sweep.
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
        NotImplementedError: Keras runs on another backend than TensorFlow, or a version has moved
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
        checked_number("stop_factor", stop_factor, above=1)
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
    low, high = checked_rate("min_rate", min_rate), checked_rate("max_rate", max_rate)
    if low >= high:
        raise ValueError(f"min_rate must be below max_rate, received {min_rate} and {max_rate}")
    count = checked_count("steps", steps, 2, _MOST_STEPS)
    if not isinstance(sweep, str) or sweep not in ("exponential", "linear"):
        raise ValueError(f"sweep must be 'exponential' or 'linear', received {told(sweep)}")
    rates: Floats = (np.geomspace if sweep == "exponential" else np.linspace)(low, high, count)
    if (np.diff(rates.astype(np.float32)) <= 0).any():
        raise ValueError(
            f"min_rate and max_rate must leave room for {count} different rates in float32, "
            f"received {min_rate} and {max_rate}"
        )
    return rates


def _numbers(name: str, values: Any) -> Floats:
    try:
        array = np.array(values)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must have rows of one length, received {told(values)}") from None
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, received {told(values)}")
    return array.astype(np.float64)


def _checked_rates(values: Any) -> Floats:
    rates = _numbers("rates", values)
    if rates.ndim != 1 or not rates.size:
        raise ValueError(f"rates must be one row of at least one, received {told(values)}")
    for wrong in rates[~(np.isfinite(rates) & (rates > 0))]:
        raise ValueError(f"every rate must be a finite number above 0, received {wrong}")
    for place in np.flatnonzero(np.diff(rates) <= 0):
        raise ValueError(f"rates must grow, received {rates[place + 1]} after {rates[place]}")
    return rates


def _check_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"ax must be axes of matplotlib, received {told(ax)}")


def _tenth(losses: Floats) -> int:
    return max(3, int(losses.shape[-1]) // 10)


def _smooth(losses: Floats, width: float) -> Floats:
    """Gaussian average with standard deviation `width` steps, weights renormalised at the ends."""
    index = np.arange(len(losses))
    weights = np.exp(-0.5 * ((index[:, None] - index[None, :]) / width) ** 2)
    smoothed: Floats = weights @ losses / weights.sum(axis=1)
    return smoothed


def _answers(rates: Floats, row: Floats) -> dict[str, float] | str:
    """What each rule reads off one seed's curve, or why the curve shows too little."""
    losses = row[np.isfinite(row)]
    # Fewer leave no tenth of at least two steps to start from.
    if len(losses) < 20:
        return f"only {len(losses)} step{'' if len(losses) == 1 else 's'}, fewer than 20"
    first = losses[: _tenth(row)]
    start = float(np.median(first))
    width = max(1.0, len(row) / 25)
    # Clipped, so that a blow-up right of the minimum cannot push the minimum to the left.
    smoothed = _smooth(np.minimum(losses, first.max()), width)
    lowest = int(np.argmin(smoothed))
    fall = start - float(smoothed[lowest])
    # Standard deviation of one loss by its neighbours' differences (1.4826 MAD / sqrt 2), of their
    # Gaussian average by how many it averages. The lowest of some 25 such averages of pure noise
    # lies 2 deviations below their mean, rarely 4. Losses in float32 are not finer than rounding.
    rounding = 4 * float(np.finfo(np.float32).eps) * float(np.abs(first).max())
    seen = losses[: 1 + int(np.flatnonzero(losses <= first.max())[-1])]  # without a blown-up tail
    deviation = 1.4826 * float(np.median(np.abs(np.diff(seen)))) / math.sqrt(2)
    if fall <= rounding:
        return "the loss does not fall"
    if fall <= 4 * deviation / math.sqrt(2 * width * math.sqrt(math.pi)):
        return f"the loss falls by {fall:.2g}, which its noise explains"
    if len(losses) == len(row) and lowest >= len(row) - width:
        return f"the loss still falls at the largest rate {rates[-1]:.3g}"
    if lowest == 0:
        return f"the loss is lowest at the smallest rate {rates[0]:.3g}"
    rates, smoothed = rates[: lowest + 1], smoothed[: lowest + 1]
    fallen = (start - smoothed) / fall
    enough = int(np.argmax(fallen >= 0.9))
    late = np.flatnonzero(fallen[: enough + 1] < 0.1)
    found = {
        "minimum/10": rates[-1] / 10,
        "valley": rates[_valley(smoothed)],
        "steepest": rates[np.argmin(np.gradient(smoothed, np.log(rates)))],
        "cyclical minimum": rates[late[-1]] if len(late) else rates[0],
        "cyclical maximum": rates[enough],
    }
    return {rule: float(rate) for rule, rate in found.items()}


def _valley(losses: Floats) -> int:
    """Index by fastai's rule: about the middle of the longest strictly decreasing subsequence.

    fastai takes the subsequence's length for its extent, although it may have gaps; so do we.
    """
    lengths = np.ones(len(losses), dtype=int)
    for i in range(1, len(losses)):
        lengths[i] += lengths[:i].max(where=losses[:i] > losses[i], initial=0)
    end = int(np.argmax(lengths))
    start = end - int(lengths[end])
    third = (end - start) / 3
    return max(0, start + int(third) + int(third / 2))


def _suggestion(rule: str, curves: Sequence[dict[str, float] | str]) -> Suggestion:
    by_seed = tuple(None if isinstance(curve, str) else curve[rule] for curve in curves)
    found = [rate for rate in by_seed if rate is not None]
    problems = "; ".join(dict.fromkeys(curve for curve in curves if isinstance(curve, str)))
    if 2 * len(found) <= len(curves):
        reason = f"not enough evidence: {len(found)} of {len(curves)} seeds answer ({problems})"
        return Suggestion(rule, None, None, None, by_seed, reason)
    low, high = min(found), max(found)
    # Seeds of ordinary networks differ 2 to 3 times; a decade apart they don't see the same thing.
    if high > 10 * low:
        reason = f"not enough evidence: the seeds say {low:.2g} to {high:.2g}, too far apart"
        return Suggestion(rule, None, None, None, by_seed, reason)
    rate = math.exp(float(np.median(np.log(found))))
    spread = f"{low:.2g} to {high:.2g} over {len(found)} seeds"
    if len(curves) == 1:
        spread = "one seed, its spread is unknown"
    reason = f"{rate:.2g} ({spread}); {RULES[rule]}"
    if problems:
        reason += f"; {len(curves) - len(found)} of {len(curves)} seeds do not answer ({problems})"
    return Suggestion(rule, rate, low, high, by_seed, reason)


def _compare(
    rates: Sequence[float],
    runs: Sequence[Sequence[Run]],
    without: Sequence[Run],
    tail: int,
    seeds: tuple[int, ...],
    measured: str,
) -> Confirmation:
    untrained = np.array([np.mean(seen[-tail:]) for seen, _ in without])
    rounding = 4 * np.finfo(np.float32).eps * np.abs(untrained)
    # Batches alone: where the last loss is that of validation data, it is of another kind.
    spread = np.array([noise(seen[:-1]) if len(seen) > 2 else math.inf for seen, _ in without])
    losses = np.array(
        [[math.inf if why else np.mean(seen[-tail:]) for seen, why in row] for row in runs]
    )
    losses[losses > untrained + RISE * spread + rounding] = math.inf
    means = losses.mean(axis=1)
    place = int(np.argmin(means))
    table = tuple(tuple(row) for row in losses.tolist())
    about = (tuple(rates), table, seeds, measured, tuple(untrained.tolist()))
    if not math.isfinite(means[place]):
        return Confirmation(*about, None, "", (), ())
    t = _STUDENT[min(len(seeds) - 1, len(_STUDENT)) - 1]
    intervals = []
    for row in losses:
        difference, half = row - losses[place], 0.0
        if np.isfinite(row).all():
            half = t * float(np.std(difference, ddof=1)) / math.sqrt(len(seeds))
        intervals.append((float(difference.mean()) - half, float(difference.mean()) + half))
    tied = tuple(r for r, (low, high) in zip(rates, intervals, strict=True) if low <= 0 <= high)
    edge: Literal["", "lowest", "highest"] = ""
    if place in (0, len(rates) - 1) and np.ptp(means):  # where all are equal, none is best
        edge = "highest" if place else "lowest"
    return Confirmation(*about, rates[place], edge, tied, tuple(intervals))
