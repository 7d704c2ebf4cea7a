"""Pictures that pages share: they draw the runs, and say in words what they show."""

import numpy as np
import pytest

from lrguide.guide import pictures
from lrguide.guide.contrasts import Contrast
from lrguide.guide.records import Run, Runs


def trained(optimizer: str, losses: dict[float, float]) -> list[Run]:
    """One run a rate, which learns if its loss ends below 1."""
    return [
        Run(
            "train",
            {"optimizer": optimizer, "rate": rate, "seed": 0},
            {
                "loss": [2.0, loss],
                "validation_loss": [2.0, loss],
                "validation_accuracy": [0.1, 0.9 if loss < 1 else 0.1],
            },
            {},
        )
        for rate, loss in losses.items()
    ]


ADAM = trained("Adam", {0.001: 0.2, 0.01: 0.3, 0.1: 2.3})
RATES = np.geomspace(1e-5, 1, 100)
SWEEP = {"sweep_rates": RATES.tolist(), "sweep_losses": abs(np.log10(RATES / 0.01)).tolist()}


def test_losses_by_epoch_have_a_line_a_rate_and_their_ends_in_words() -> None:
    lines = pictures.losses_by_epoch(Runs(ADAM)).axes[1].lines
    assert [line.get_ydata()[-1] for line in lines][:3] == [0.2, 0.3, 2.3]
    assert ": 0.20 at 0.001; 0.30 at 0.01; 2.30 at 0.1." in pictures.final_losses_in_words(
        Runs(ADAM)
    )


def test_losses_by_rate_have_a_line_an_optimizer_and_their_best_and_limit_in_words() -> None:
    runs = Runs(ADAM + trained("SGD", {0.1: 0.9, 0.3: 0.4, 1.0: 2.3}))
    [legend] = pictures.losses_by_rate(runs).legends
    assert [text.get_text() for text in legend.get_texts()] == ["Adam", "SGD", "guessing"]
    assert pictures.valleys_in_words(runs).endswith(
        "with Adam the lowest loss is at 0.001, with SGD at 0.3. "
        "Beyond 0.01 with Adam and 0.3 with SGD some or all seeds learn nothing."
    )


def test_losses_by_schedule_have_a_line_a_schedule_and_their_limits_in_words() -> None:
    warm = trained("Adam", {0.01: 0.2, 0.1: 0.3, 1.0: 2.3})
    runs = Runs(
        Run("train", run.settings | {"schedule": schedule}, run.result, {})
        for schedule, some in (("constant", ADAM), ("warmup", warm))
        for run in some
    )
    [legend] = pictures.losses_by_schedule(runs).legends
    assert [text.get_text() for text in legend.get_texts()] == ["constant", "warmup", "guessing"]
    assert pictures.limits_in_words(runs).endswith(
        "constant: lowest at 0.001, every seed learns up to 0.01; "
        "warmup: lowest at 0.01, every seed learns up to 0.1"
    )


def test_a_sweep_stands_above_the_trainings_and_its_rules_are_marked_in_both() -> None:
    runs = Runs([Run("sweep", {"seed": 0}, SWEEP, {}), *ADAM])
    above, below = pictures.sweep_above_trainings(runs).axes
    marks = [line.get_xdata()[0] for line in above.lines[1:]]
    assert [line.get_xdata()[0] for line in below.lines[2:]] == marks
    assert below.lines[0].get_ydata().tolist() == [0.2, 0.3, 2.3]
    words = pictures.sweep_in_words(runs)
    assert (
        "lowest at 0.001. Marked in both: lowest point 0.0095, minimum/10 0.00095, valley" in words
    )


FOUND = {
    "linear": Contrast(-0.08, -0.12, -0.03, 20, "lower"),
    "step": Contrast(0.25, 0.2, 0.3, 20, "higher"),
    "cosine": Contrast(-0.02, -0.08, 0.05, 20, "undecided"),
}


def test_contrasts_have_a_mark_and_an_interval_each_the_first_at_the_top() -> None:
    axes = pictures.contrasts(FOUND, "constant").axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert dict(zip(axes.get_yticks(), names, strict=True)) == {2: "linear", 1: "step", 0: "cosine"}
    lines = {line.get_label(): line for line in axes.lines}
    assert {name: (lines[name].get_xdata()[0], lines[name].get_ydata()[0]) for name in lines} == {
        "_interval": (0.88, 2),
        "lower": (0.92, 2),
        "higher": (1.25, 1),
        "undecided": (0.98, 0),
        "_no difference": (1, 0),
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        *("-10 %", "same", "+10 %", "+20 %"),
    ]
    assert axes.get_xlabel() == "loss, against constant"


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [(0.7, ["same", "+50 %"]), (6, ["same", "+100 %", "+400 %"])],
)
def test_the_ticks_of_contrasts_do_not_crowd_where_they_differ_much(
    largest: float, ticks: list[str]
) -> None:
    much = FOUND | {"much": Contrast(largest, largest, largest, 20, "higher")}
    axes = pictures.contrasts(much, "constant").axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ticks


def test_contrasts_in_words_say_each_with_its_interval_and_verdict() -> None:
    words = pictures.contrasts_in_words(FOUND, "a constant rate")
    assert words.startswith(
        "Loss against that of a constant rate, with 95 % intervals: linear -8 %"
    )
    assert words.endswith("; cosine -2 % (-8 to +5 %), undecided.")


def test_contenders_are_drawn_beside_the_first_and_told_in_the_same_words() -> None:
    def runs_of(schedule: str, losses: list[float]) -> list[Run]:
        same = {"optimizer": "Adam", "schedule": schedule, "averaged": False, "ema": 0.0}
        return [
            Run(
                "train",
                same | {"seed": seed},
                {"validation_loss": [loss], "validation_accuracy": [0.9]},
                {},
            )
            for seed, loss in enumerate(losses)
        ]

    runs = Runs(runs_of("constant", [1, 1, 1]) + runs_of("linear", [0.5, 0.51, 0.49]))
    constant, linear = (dict(optimizer="Adam", schedule=name) for name in ("constant", "linear"))
    shown = pictures.beside_the_first([constant, linear], "Adam at a constant rate")
    [label] = shown["draw"](runs).axes[0].get_yticklabels()
    assert label.get_text() == "Adam linear"
    assert "Adam at a constant rate, with 95 % intervals: Adam linear -50 %" in shown["alt"](runs)
