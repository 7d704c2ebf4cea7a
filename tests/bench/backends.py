"""The speed and the rates of the three backends, measured as far as no record holds them.

    python -m tests.bench backends

Speed: 200 steps of plain `fit` and of the range test by turns, copying and compiling apart, in
CPU-seconds on one thread. The target for the upper end of the ratio is 1.15 on TensorFlow and 1.25
on the others. Rates: those of *Fixed learning rates*, as the page on method has planned it.
`make test-backend` sets up the environments of JAX and PyTorch, which these runs need.
"""

from __future__ import annotations

import numpy as np

from lrguide.guide.contrasts import LAST, TEST, Contrast, Losses, compared, learned
from lrguide.guide.experiments import train
from lrguide.guide.measure import add_to_records
from lrguide.guide.measures import plain, several
from lrguide.guide.records import Runs, measured
from lrguide.guide.settings import BACKENDS, TENSORFLOW, crossed
from lrguide.guide.speeds import speed
from lrguide.intervals import half_width

NAMES = dict(zip(BACKENDS, ("TensorFlow", "JAX", "PyTorch"), strict=True))
STEPS = 200
SPEEDS = crossed(budget="SHORT", training=50 * STEPS, optimizer="Adam", seed=0, backend=BACKENDS)
RATES = crossed(
    seed=range(5),
    optimizer="Adam",
    rate=(0.5, 0.01, 0.001, 0.00001, 0.0000001),
    budget="SHORT",
    backend=BACKENDS,
)


def ratios(runs: Runs) -> dict[str, tuple[float, float, float]]:
    """By backend: a step of the range test / one of `fit`, the mean and its 95 % interval."""
    found = {}
    for backend, [run] in runs.by("backend").items():
        fitted, swept = (np.array(run.result[f"{what}_seconds"]) for what in ("fit", "sweep"))
        logarithms = np.log(swept / fitted)
        middle, half = logarithms.mean(), half_width(logarithms)
        low, mean, high = np.exp([middle - half, middle, middle + half])
        found[backend] = (float(mean), float(low), float(high))
    return found


def speed_table(runs: Runs) -> str:
    """What a step costs on each backend, in Markdown."""
    lines = [
        "| Backend | CPU-ms a step of `fit` | of a range test | ratio (`95 %` interval) | when |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for backend, (middle, low, high) in ratios(runs).items():
        [run] = runs.where(backend=backend)
        fitted, swept = (
            1000 * np.median(run.result[f"{what}_seconds"]) / STEPS for what in ("fit", "sweep")
        )
        name = f"{NAMES[backend]} `{run.made[backend].partition('+')[0]}`"
        ratio = f"`{middle:.2f}` (`{low:.2f}` to `{high:.2f}`)"
        made = f"{run.made['date']}, {run.made['processor'].partition(' (')[0]}"
        lines.append(f"| {name} | `{fitted:.1f}` | `{swept:.1f}` | {ratio} | {made} |")
    return "\n".join(lines)


def contrasts(runs: Runs, losses: Losses = LAST) -> dict[tuple[str, float], Contrast]:
    """Each other backend against TensorFlow, at the rates at which all seeds learn on all three."""
    rates = [rate for rate, group in runs.by("rate").items() if learned(group).all()]
    pairs = {
        (backend, rate): (
            runs.where(backend=backend, rate=rate),
            runs.where(backend=TENSORFLOW, rate=rate),
        )
        for backend in BACKENDS[1:]
        for rate in rates
    }
    keys = {f"{backend} {rate}": (backend, rate) for backend, rate in pairs}
    found = compared(dict(zip(keys, pairs.values(), strict=True)), losses)
    return {keys[name]: contrast for name, contrast in found.items()}


def rates_table(runs: Runs) -> str:
    """The five rates on the three backends, in Markdown, and whether these agree."""
    found, lines = contrasts(runs), ["| Rate |", "| ---: |"]
    for backend in BACKENDS:
        more = "" if backend == TENSORFLOW else " against TensorFlow |"
        lines[0] += f" {NAMES[backend]} |{more}"
        lines[1] += " --- |" * (1 + bool(more))
    for rate, group in runs.by("rate").items():
        line = f"| `{plain(rate)}` |"
        for backend in BACKENDS:
            part = group.where(backend=backend)
            line += f" {several(part.final(), 2)}, {learned(part).sum()} of {len(part)} learn |"
            if backend != TENSORFLOW:
                contrast = found.get((backend, rate))
                line += f" {contrast.verdict}: {contrast} |" if contrast else " |"
        lines.append(line)
    judged = [*found.values(), *contrasts(runs, TEST).values()]
    undecided = sum(contrast.verdict == "undecided" for contrast in judged)
    widest = max(abs(end) for contrast in judged for end in (contrast.low, contrast.high))
    said = (
        "By the plan's rule JAX and PyTorch agree with TensorFlow at each rate, in validation and"
        f" in test loss. But {undecided} of {len(judged)} contrasts are undecided: five seeds could"
        f" have missed a difference of `{100 * widest:.0f} %`."
    )
    if apart := disagreements(runs):
        said = f"They do not agree within the seeds here: {', '.join(apart)}."
    return "\n".join([*lines, "", said])


def disagreements(runs: Runs) -> list[str]:
    """Where another backend is not as TensorFlow is, by the plan's rule."""
    apart = []
    for rate, group in runs.by("rate").items():
        usual = learned(group.where(backend=TENSORFLOW)).sum()
        for backend in BACKENDS[1:]:
            if learned(group.where(backend=backend)).sum() != usual:
                apart.append(f"{NAMES[backend]} at `{plain(rate)}` (how many learn)")
    for losses in (LAST, TEST):
        for (backend, rate), contrast in contrasts(runs, losses).items():
            if contrast.verdict in ("lower", "higher"):
                told = f"{NAMES[backend]} at `{plain(rate)}` ({losses[0]} loss {contrast.verdict})"
                apart.append(told)
    return apart


def main() -> None:
    """Measure what is missing, store it, and print the tables."""
    for function, settings, table in ((speed, SPEEDS, speed_table), (train, RATES, rates_table)):
        runs = measured(function, settings, jobs=1)
        add_to_records(function, runs)
        print(table(runs), end="\n\n")


if __name__ == "__main__":
    main()
