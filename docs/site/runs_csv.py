"""All measured runs as one table, whose rows hold settings, final results and what made the run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

EACH_EPOCH = ("loss", "accuracy", "validation_loss", "validation_accuracy")


def table_of(records: Path) -> str:
    """The runs of all records in a folder as CSV, with empty cells for what a run does not have.

    Raises:
        ValueError: if a file in it is no record.
    """
    rows = [row for path in sorted(records.glob("*.json")) for row in rows_of(path)]
    columns = list(dict.fromkeys(name for each in rows for name in each))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The runs in a record.

    Raises:
        ValueError: if the file is no record.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [row(line, path) for line in content["runs"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise ValueError(f"{path.name} is damaged, so there is no table of all runs") from error


def row(line: dict[str, Any], path: Path) -> dict[str, Any]:
    """The row of one run, with the last number of each list that has one an epoch."""
    result = line["result"]
    final = {f"final_{name}": result[name][-1] for name in EACH_EPOCH if name in result}
    single = {name: value for name, value in result.items() if not isinstance(value, list)}
    experiment = path.stem.partition("_")[0]
    return {"experiment": experiment, **line["settings"], **final, **single, **line["made"]}
