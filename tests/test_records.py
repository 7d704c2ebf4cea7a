"""Records: which runs are the same, what their files hold, what pages ask of them."""

import json

import numpy as np
import pytest
from probes import MADE, PROTOCOL, ask, probe, run_of

from lrguide.guide import experiments, records
from lrguide.guide.experiments import train
from lrguide.guide.records import Run, Runs, key_of, read, write
from lrguide.guide.settings import complete


def other(*, budget, seed, training, batch, epochs, validation, test, full):
    raise NotImplementedError


# Keys


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (dict(budget="SMALL", optimizer="Adam", rate=0.01, seed=4), "25700e2b3bde679a"),
        (dict(budget="FULL", optimizer="SGD", rate=0.5, seed=1, epochs=5), "a1a34e57207e9959"),
    ],
)
def test_keys_of_committed_runs_stay_what_they_are(settings, key):
    assert key_of(train, complete(train, settings)) == key


def test_settings_that_mean_the_same_have_the_same_key():
    def key(**settings):
        return key_of(train, complete(train, dict(optimizer="SGD", seed=0, **settings)))

    assert (
        key(rate=1)
        == key(rate=1.0)
        == key(rate=np.float64(1), budget="SMALL")
        == key(epochs=np.int64(5), rate=1, budget="SMALL", training=6000)
    )


@pytest.mark.parametrize(
    "change",
    [
        dict(seed=1),
        dict(rate=0.1001),
        dict(optimizer="Adam"),
        dict(epochs=6),
        dict(batch=249),
        dict(training=5999),
        dict(validation=1499),
        dict(test=1999),
        dict(budget="SHORT"),
        dict(budget="FULL"),
    ],
)
def test_each_setting_changes_the_key(change):
    base = dict(optimizer="SGD", rate=0.1, seed=0)
    assert key_of(train, complete(train, base)) != key_of(train, complete(train, base | change))


def test_protocol_data_and_function_change_the_key(monkeypatch):
    settings = complete(probe, dict(seed=0))
    keys = [key_of(probe, settings), key_of(other, settings)]
    keys.append(key_of(probe, settings | dict(full=True)))
    monkeypatch.setitem(PROTOCOL, "probe", 2)
    keys.append(key_of(probe, settings))
    assert len(set(keys)) == 4


def test_an_experiment_of_another_module_with_the_same_name_has_another_key() -> None:
    def train(**settings):
        return {}

    train.__globals__["PROTOCOL"]["train"] = 1
    try:
        settings = complete(experiments.train, {"optimizer": "Adam", "rate": 0.1, "seed": 0})
        assert key_of(train, settings) != key_of(experiments.train, settings)
    finally:
        del train.__globals__["PROTOCOL"]["train"]


# Files


def test_a_file_is_readable_sorted_and_has_one_line_a_run(stored):
    text = stored.read_text()
    content = json.loads(text)
    assert (content["schema"], content["function"]) == (1, "probe")
    assert [run["settings"]["seed"] for run in content["runs"]] == [0, 1, 2]
    assert len(text.splitlines()) == 3 + 2
    assert set(content["runs"][0]) == {"protocol", "data", "settings", "result", "made", "digest"}


def test_what_is_written_is_read(stored):
    assert {run.settings["seed"]: run for run in read(stored, probe).values()} == {
        seed: run_of(seed) for seed in range(3)
    }


def test_the_same_runs_make_the_same_bytes(stored, tmp_path):
    write(tmp_path / "again.json", probe, reversed(read(stored, probe).values()))
    assert (tmp_path / "again.json").read_bytes() == stored.read_bytes()


def test_runs_of_another_protocol_or_data_are_left_out(stored, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setitem(PROTOCOL, "probe", 2)
        assert read(stored, probe) == {}
    monkeypatch.setattr("lrguide.guide.settings.fingerprint", lambda full: "other data")
    assert read(stored, probe) == {}


def replace(old, new):
    return lambda text: text.replace(old, new, 1)


def rewritten(change):
    """A change of the middle line whose digest is right all the same, as a script would make it."""

    def rewrite(text):
        head, *lines, end = text.splitlines()
        line = json.loads(lines[1].rstrip(","))
        del line["digest"]
        change(line)
        lines[1] = json.dumps(line | {"digest": records._digest(line)}) + ","
        return "\n".join([head, *lines, end])

    return rewrite


def without(name):
    return rewritten(lambda line: line.pop(name)), f"damaged .*a run must have '{name}', received"


DAMAGE = {
    "a result edited": (replace("[1.0, null]", "[1.5, null]"), "run 1 in .* was changed after it"),
    "a setting edited": (replace('"seed": 2', '"seed": 3'), "run 2 in .* was changed after it"),
    "provenance edited": (replace("2026-01-02", "2026-01-03"), "run 0 in .* was changed after it"),
    "a digest edited": (replace('"digest": "', '"digest": "0'), "run 0 in .* was changed after it"),
    "a digest missing": (replace('"digest"', '"digested"'), "damaged .*'digest'"),
    "NaN": (replace("null", "NaN"), "damaged .*not JSON compliant"),
    "a number too large": (replace("[1.0, null]", "[1e999, null]"), "damaged .*not JSON compliant"),
    "a number too long": (replace("[1.0, null]", "[" + "1" * 5000 + ", null]"), "damaged"),
    "another schema": (replace('"schema": 1', '"schema": 2'), "must have schema 1 .* schema 2"),
    "another function": (replace('"probe"', '"other"'), "hold runs of probe, received .* 'other'"),
    "a line missing its end": (replace("}", ""), "damaged"),
    "merge markers": (lambda text: "<<<<<<< ours\n" + text, "damaged"),
    "empty": (lambda text: "", "damaged"),
    "a list": (lambda text: "[]", "damaged"),
    "runs of text": (lambda text: '{"schema": 1, "function": "probe", "runs": ["a"]}', "damaged"),
    "no settings": without("settings"),
    "no result": without("result"),
    "no origin": without("made"),
    "no protocol": without("protocol"),
    "no data": without("data"),
    "a result that is a list": (
        rewritten(lambda line: line.update(result=[1.0])),
        r"a run must have 'result', received \[1.0\]",
    ),
    "second runs": (replace("\n]}", '\n], "runs": []}'), "the key 'runs' stands twice in one obj"),
    "a second seed": (replace('"seed": 1', '"seed": 1, "seed": 1'), "the key 'seed' stands twice"),
    "a second result": (replace('"result"', '"result": {}, "result"'), "the key 'result' stands t"),
    "a merge of both": (
        rewritten(lambda line: line["settings"].update(seed=2)),
        "runs 1 and 2 in .* have the same settings and other results",
    ),
    "no runs": (lambda text: '{"schema": 1, "function": "probe"}', "damaged"),
    "binary": (lambda text: "\x00\xff" * 9, "damaged"),
    "deeply nested": (lambda text: "[" * 100_000, "damaged"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_edited_record_is_named_and_not_used(stored, tmp_path, damage, message):
    stored.write_text(damage(stored.read_text()), encoding="latin-1")
    spoilt = stored.read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        ask(tmp_path, 0)
    assert str(stored) in str(caught.value) and "\n" not in str(caught.value)
    assert "not used" in str(caught.value)
    assert stored.read_bytes() == spoilt
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("kind", ["a result edited", "empty", "another schema", "NaN"])
def test_a_damaged_cache_entry_is_named_and_measured_again(tmp_path, kind):
    good = ask(tmp_path, 1)
    [entry] = (tmp_path / "cache").glob("*.json")
    damage = DAMAGE[kind][0]
    entry.write_text(damage(entry.read_text()))
    with pytest.warns(UserWarning, match=entry.name):
        again = ask(tmp_path, 1)
    assert again[0].settings == good[0].settings
    assert ask(tmp_path, 1) == again  # this time without a warning


def test_a_run_that_a_merge_has_doubled_is_read_once(stored):
    head, line, *rest = stored.read_text().splitlines()
    stored.write_text("\n".join([head, line, line, *rest]))
    assert {run.settings["seed"] for run in read(stored, probe).values()} == {0, 1, 2}


def test_a_record_cut_anywhere_is_not_used(stored):
    whole, expected = stored.read_bytes(), read(stored, probe)
    for length in range(len(whole)):
        stored.write_bytes(whole[:length])
        try:
            assert read(stored, probe) == expected  # only the last newline is missing
        except ValueError as error:
            assert str(stored) in str(error)


@pytest.mark.parametrize("result", [{"loss": [float("nan")]}, {"loss": np.float32(1)}])
def test_a_result_that_json_cannot_hold_is_refused_before_the_file_is_touched(stored, result):
    before = stored.read_bytes()
    with pytest.raises((TypeError, ValueError), match="probe must return plain finite numbers"):
        write(stored, probe, [Run("probe", run_of(0).settings, result, MADE)])
    assert stored.read_bytes() == before


# Runs


def test_results_that_were_not_finite_are_read_as_nan(stored):
    values = Runs(read(stored, probe).values()).values("loss")
    np.testing.assert_array_equal(values, [[0, np.nan], [1, np.nan], [2, np.nan]])


def test_runs_are_chosen_and_grouped_by_their_settings():
    runs = Runs(run_of(seed, budget=b) for b in ("SMALL", "SHORT") for seed in (1, 0))
    assert [run.settings["seed"] for run in runs.where(budget="SHORT")] == [1, 0]
    assert {k: len(v) for k, v in runs.by("budget").items()} == {"SMALL": 2, "SHORT": 2}
    assert list(runs.by("seed")) == [1, 0]
    with pytest.raises(LookupError, match=r"^no run has seed 7; these runs have seed 1, 0$"):
        runs.where(seed=7)
    with pytest.raises(
        LookupError, match=r"has budget FULL and seed 0; .* budget SMALL and seed 1, SMALL and"
    ):
        runs.where(budget="FULL", seed=0)


# What pages ask of runs


def runs_of(**losses):
    """Runs of contenders by name, one a seed, each with two epochs."""
    return records.Runs(
        records.Run("probe", {"name": name, "seed": seed}, {"validation_loss": [9, loss]}, {})
        for name, values in losses.items()
        for seed, loss in enumerate(values)
    )


def test_the_final_value_is_that_of_the_last_epoch_or_the_only_one():
    runs = runs_of(a=[1.0, 2.0])
    assert runs.final().tolist() == [1, 2]
    alone = records.Runs([records.Run("probe", {}, {"test_loss": 0.5}, {})])
    assert alone.final("test_loss").tolist() == [0.5]


def test_the_best_value_has_the_lowest_mean_and_no_run_that_was_lost():
    assert runs_of(a=[1.0, 2.0], b=[1.4, 1.5], c=[0.1, None]).best("name") == "b"
    with pytest.raises(LookupError, match="every name of these runs has a loss that is not finite"):
        runs_of(a=[None, 1.0]).best("name")


def test_differences_are_paired_by_seed_whatever_the_order():
    runs = runs_of(a=[1.0, 2.0, 3.0], b=[0.5, 2.5, 1.0])
    a, b = runs.where(name="a"), runs.where(name="b")
    assert a.minus(b).tolist() == [0.5, -0.5, 2.0]
    assert a.minus(records.Runs(reversed(b))).tolist() == [0.5, -0.5, 2.0]


@pytest.mark.parametrize("other", [lambda b: b[:2], lambda b: (*b, b[0])])
def test_differences_need_the_same_seeds(other):
    runs = runs_of(a=[1.0, 2.0, 3.0], b=[0.5, 2.5, 1.0])
    with pytest.raises(ValueError, match="must have the same seeds, each once, received"):
        runs.where(name="a").minus(records.Runs(other(runs.where(name="b"))))
