"""`make measure`: run what a page asks for and no record holds, and write the records.

    PAGE=fixed_rates JOBS=2 python -m lrguide.guide.measure

Each run is kept in the cache as it ends, and written to the records when the page's question is
answered; start the command again to go on.
"""

import os
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

from lrguide.guide import records
from lrguide.guide.records import Experiment, NotMeasured, Run


def measure(page: Path) -> None:
    """Measure all that a page asks for and write it to the records."""
    while True:
        records.asked.clear()
        os.environ["LRGUIDE_MAX_SECONDS"] = "0"
        complete = True
        try:
            runpy.run_path(str(page), run_name="__main__")
        except NotMeasured:
            complete = False
        finally:
            del os.environ["LRGUIDE_MAX_SECONDS"]
        for function, wanted in list(records.asked):
            keep(function, records.measured(function, wanted))
        if complete:
            return


def keep(function: Experiment, runs: Iterable[Run], folder: Path | None = None) -> None:
    """Add runs to the records, in the files that they belong to."""
    folder = folder or records.RECORDS
    files: dict[Path, list[Run]] = {}
    for run in runs:
        files.setdefault(records.record_path(function, run.settings, folder), []).append(run)
    with records.only_one(records.CACHE):
        for path, new in files.items():
            held = records.read(path, function) if path.exists() else {}
            added = {records.key_of(function, run.settings): run for run in new}
            if set(added) - set(held):
                records.write(path, function, (added | held).values())
                print(f"{path.name}: {len(set(added) - set(held))} runs added")


def main() -> int:
    """Measure the page named by `PAGE`, or every page, chapters in the order of their names."""
    mpl.use("agg")
    if os.environ.get("JOBS"):
        os.environ["LRGUIDE_JOBS"] = os.environ["JOBS"]
    name = os.environ.get("PAGE")
    pages = sorted((records.ROOT / "docs").glob(f"{name or '*'}.py"))
    if not pages:
        print(f"PAGE must name a script in docs/, received {name!r}", file=sys.stderr)
        return 2
    for page in pages:
        print(f"measuring {page.name}")
        try:
            measure(page)
        except KeyboardInterrupt:
            print("stopped; what was measured is kept, the same command goes on", file=sys.stderr)
            return 130
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
