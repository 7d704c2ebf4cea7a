"""The guide's vocabulary: each word against its definition, worked out another way."""

import numpy as np
import pytest
from scipy import stats

from lrguide.guide import measures
from lrguide.guide.records import Run, Runs


def trained(losses: dict[float, list[float]], right: dict[float, list[float]] | None = None):
    """Runs of two epochs; `losses` and `right`, shares of images, have a number a seed by rate."""
    shares = right or {rate: [0.9] * len(seeds) for rate, seeds in losses.items()}
    return Runs(
        Run(
            "train",
            {"optimizer": "Adam", "schedule": "constant", "rate": rate, "seed": seed}
            | {"averaged": False, "ema": 0.0},
            {
                "validation_loss": [3.0, loss],
                "validation_accuracy": [0.1, shares[rate][seed]],
            },
            {},
        )
        for rate, seeds in losses.items()
        for seed, loss in enumerate(seeds)
    )


RUNS = trained(
    {0.01: [0.5, 0.8], 0.1: [0.2, 0.4], 1.0: [0.1, 2.3], 10.0: [np.nan, 9.0]},
    {0.01: [0.21, 0.9], 0.1: [0.9, 0.9], 1.0: [0.9, 0.2], 10.0: [0.1, 0.1]},
)


def test_a_run_learns_that_names_more_than_a_fifth_rightly_at_the_end():
    assert measures.learns(RUNS).tolist() == [True] * 5 + [False] * 3


def test_the_learning_limit_is_the_rate_up_to_which_every_seed_learns():
    assert measures.learning(RUNS) == [0.01, 0.1]
    assert measures.learning_limit(RUNS) == 0.1
    shares = {10.0: [0.9], 0.001: [0.1], 1.0: [0.1], 0.01: [0.9], 0.1: [0.9]}
    gap = trained({rate: [0.5] for rate in shares}, shares)
    assert (measures.learning(gap), measures.learning_limit(gap)) == ([10.0, 0.01, 0.1], 0.1)
    assert measures.learning_limit(RUNS.where(rate=10.0)) == 0


def test_the_stability_limit_is_the_largest_rate_at_which_every_seed_ends_below_guessing():
    assert measures.stability_limit(RUNS) == 1.0  # one seed of which learns next to nothing
    assert measures.stability_limit(RUNS.where(rate=10.0)) == 0


def test_a_usable_rate_ends_on_the_mean_below_twice_the_lowest():
    assert measures.usable(RUNS) == [0.1]  # means of 0.65, 0.3, 1.2 and one that is not finite
    assert measures.usable(trained({0.01: [0.59], 0.1: [0.3]})) == [0.01, 0.1]


def test_a_loss_worse_than_guessing_counts_as_guessing():
    assert measures.capped(RUNS).tolist() == [0.5, 0.8, 0.2, 0.4, 0.1, 2.3] + [np.log(10)] * 2


def test_regret_is_what_a_rate_costs_against_the_best_mean():
    wanted = {0.01: 0.35, 0.1: 0, 1.0: 0.9, 10.0: np.log(10) - 0.3}
    assert measures.regrets(RUNS) == pytest.approx(wanted)


def test_rises_are_counted_from_one_epoch_to_the_next():
    row = {"validation_loss": [2.0, 1.0, 1.5, 1.5, 1.6, 0.1]}
    assert measures.rises(Runs([Run("train", {}, row, {})])).tolist() == [2]


def test_valleys_are_the_losses_at_each_rate():
    [(name, (rates, losses))] = measures.valleys(RUNS.where(rate=0.1)).items()
    assert (name, rates, [row.tolist() for row in losses]) == ("Adam", [0.1], [[0.2, 0.4]])


def contenders() -> Runs:
    return Runs(
        Run(
            "train",
            {"schedule": schedule, "seed": seed, "ema": ema, "averaged": False, "rate": 0.1},
            {"validation_loss": [9.0, loss], "test_loss": 2 * loss},
            {},
        )
        for schedule, ema, loss in (("constant", 0.0, 3), ("constant", 0.99, 1), ("linear", 0.0, 2))
        for seed in range(2)
    )


def test_a_contender_is_its_settings_or_the_name_of_its_schedule():
    runs = contenders()
    assert measures.chosen(runs, "constant") == Runs(runs[:2])
    assert measures.chosen(runs, {"ema": 0.99}) == Runs(runs[2:4])


def test_budgets_stand_beside_each_other():
    rows = {row.pop("budget"): row for row in measures.budget_rows("TINY", "FULL")}
    assert rows["training images"] == {"`TINY`": "2,000", "`FULL`": "48,000"}
    assert rows["steps"] == {"`TINY`": "80", "`FULL`": "4,800"}


def test_the_articles_figures_stand_beside_ours_with_how_far_they_lie_beyond():
    runs = Runs(
        Run("train", {"rate": rate}, {"test_loss": loss, "test_accuracy": 0.95}, {})
        for rate, losses in {0.01: (0.04, 0.05), 0.001: (0.05, 0.04)}.items()
        for loss in losses
    )
    ours = {"ours": "0.0450 (0.0400 to 0.0500)", "seeds": "2"}
    assert measures.beside_article(runs, "test_loss") == [
        {"rate": "`0.01`", "article": "0.0454", "within": "yes"} | ours,
        {"rate": "`0.001`", "article": "0.0286", "within": "no"} | ours,
    ]
    beyond = [1 - 0.0286 / 0.04, 0.9888 / 0.95 - 1, 0.9919 / 0.95 - 1]
    assert measures.beyond_ours(runs, "test_loss") == pytest.approx(beyond[:1])
    assert measures.beyond_ours(runs, "test_loss", "test_accuracy") == pytest.approx(beyond)


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_early_stopping_stops_where_keras_does_and_keeps_the_same_epoch(patience: int) -> None:
    import keras

    random_losses = np.random.default_rng(patience)
    for _ in range(20):
        losses = random_losses.normal(size=12).cumsum().round(1)  # with some that are equal
        callback = keras.callbacks.EarlyStopping(patience=patience)
        callback.set_model(model := keras.Sequential())
        model.stop_training = False
        callback.on_train_begin()
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            if model.stop_training:
                break
        assert measures.early_stopping(losses, patience) == (epoch + 1, callback.best_epoch + 1)


def test_a_moving_average_is_that_of_the_past_without_its_start():
    losses, average, past = np.array([4.0, 2.0, 6.0]), 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = 0.9 * average + 0.1 * loss
        past.append(average / (1 - 0.9**step))
    assert measures.moving_average(losses, 0.9) == pytest.approx(past)


@pytest.mark.parametrize(
    ("rates", "words"), [([0.001, 0.01], "`0.001` to `0.01`"), ([3], "`3` to `3`"), ([], "none")]
)
def test_a_span_is_the_first_rate_and_the_last(rates, words):
    assert measures.span(rates) == words


@pytest.mark.parametrize("values", [[3, 1, 2], [1, 2, 2, 0], [5, 5, 5], [0.2, 0.1, 0.2, 0.2]])
def test_ranks_of_equal_values_are_their_mean_rank(values):
    assert measures.ranks(values).tolist() == stats.rankdata(values).tolist()


def test_spearmans_correlation_does_not_depend_on_the_order_of_ties():
    one, other = [0.3, 0.3, 0.1, 0.5], [1.0, 2.0, 3.0, 4.0]
    wanted = stats.spearmanr(one, other).statistic
    assert measures.spearman(one, other) == pytest.approx(wanted)
    assert measures.spearman(one[::-1], other[::-1]) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1, 0.2, 0.3], "0.200 (0.100 to 0.300)"),
        ([0.1, np.nan], "0.100 (0.100 to 0.100), 1 of 2 not finite"),
        ([np.nan, np.nan], "none finite"),
        ([11426.1, 11426.3], "11,426 (11,426 to 11,426)"),
    ],
)
def test_several_states_mean_and_range_and_counts_what_is_not_finite(values, text) -> None:
    assert measures.several(np.array(values)) == text
