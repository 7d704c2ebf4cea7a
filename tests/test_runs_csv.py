"""The runs, as readers get them: every field explained, and one table with a row a run."""

import csv
import inspect
import io
import json
import re
from pathlib import Path

import pytest
from runs_csv import table_of

from lrguide.guide.verify import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "docs" / "records"

STORED = {path: json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))}


def test_every_field_of_a_record_is_explained_and_no_other():
    words = (RECORDS / "README.md").read_text(encoding="utf-8")
    terms = [line for line in words.splitlines() if re.fullmatch(r"`\w+`(, `\w+`)*", line)]
    explained = set(re.findall(r"`(\w+)`", " ".join(terms)))
    used = {"schema", "function", "runs"}
    for content in STORED.values():
        for run in content["runs"]:
            used |= {*run, *run["settings"], *run["result"], *run["made"]}
    assert used <= explained, "these are written and not explained"
    possible = {"schema", "function", "runs"} | used
    for function in EXPERIMENTS.values():
        possible |= set(inspect.signature(function).parameters)
        returned = inspect.getdoc(function).partition("Returns:")[2]
        possible |= set(re.findall(r"`(\w+)`", returned))
    assert explained <= possible, "these are explained and never written"


def test_the_records_stay_small():
    assert sum(path.stat().st_size for path in STORED) < 13e6


def test_the_table_has_every_run_with_its_final_numbers():
    rows = list(csv.DictReader(io.StringIO(table_of(RECORDS))))
    runs = [(path, run) for path, content in STORED.items() for run in content["runs"]]
    assert len(rows) == len(runs)
    for row, (path, run) in zip(rows, runs, strict=True):
        assert f"{row['experiment']}_{row['budget']}" == path.stem
        assert row["seed"] == str(run["settings"]["seed"])
        assert row["processor"] == run["made"]["processor"]
        if "validation_loss" in run["result"]:
            last = run["result"]["validation_loss"][-1]
            assert row["final_validation_loss"] == ("" if last is None else str(last))


@pytest.mark.parametrize("runs", [[], [{"settings": {"a": 1}, "result": {"x": None}, "made": {}}]])
def test_a_run_without_a_number_leaves_its_cell_empty(tmp_path, runs):
    (tmp_path / "train_TINY.json").write_text(json.dumps({"runs": runs}))
    lines = table_of(tmp_path).splitlines()
    assert lines[1:] == ["train,1,"] * len(runs)


@pytest.mark.parametrize("text", ["", "[]", '{"runs"', "{}"])
def test_a_file_that_is_no_record_is_named(tmp_path, text):
    (tmp_path / "train_TINY.json").write_text(text)
    with pytest.raises(ValueError, match=r"^train_TINY\.json is damaged, so there is no table"):
        table_of(tmp_path)
