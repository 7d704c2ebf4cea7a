"""`make measure`: run what a page asks for and no record holds, and write the records.

    PAGE=fixed_rates JOBS=2 python -m lrguide.guide.measure

Each run is kept in the cache as it ends, and written to the records when the page's question is
answered; start the command again to go on.
"""

import contextlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

from lrguide.guide import records
from lrguide.guide.records import Experiment, NotMeasured, Run


class PageStopped(Exception):
    """A page's own code failed, or a claim of it does not hold."""


def measure(page: Path) -> int:
    """Measure all that a page asks for, write it to the records and return how many were new.

    Raises:
        PageStopped: if the page fails otherwise; what it had asked for by then is measured.
    """
    new = answered = 0
    while True:
        stopped = _ask(page)
        if isinstance(stopped, NotMeasured) and len(records.asked) <= answered:
            stopped = RuntimeError("it does not find the runs measured for it")
        answered = len(records.asked)
        for function, wanted in list(records.asked):
            new += keep(function, records.measured(function, wanted))
        if stopped is None:
            return new
        if not isinstance(stopped, NotMeasured):
            frames = reversed(traceback.extract_tb(stopped.__traceback__))
            at = next((f" at line {f.lineno}" for f in frames if f.filename == str(page)), "")
            raise PageStopped(
                f"{page.name} stopped{at} ({type(stopped).__name__}: {stopped}); "
                "the runs it had asked for are in the records"
            ) from stopped


def _ask(page: Path) -> Exception | None:
    """Run a page until something is not measured; its questions are then in `records.asked`."""
    records.asked.clear()
    os.environ["LRGUIDE_MAX_SECONDS"] = "0"
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            runpy.run_path(str(page), run_name="__main__")
    except Exception as error:
        return error
    finally:
        del os.environ["LRGUIDE_MAX_SECONDS"]
    return None


def keep(function: Experiment, runs: Iterable[Run], folder: Path | None = None) -> int:
    """Add runs to the records, in the files that they belong to; return how many were new."""
    folder = folder or records.RECORDS
    files: dict[Path, list[Run]] = {}
    for run in runs:
        files.setdefault(records.record_path(function, run.settings, folder), []).append(run)
    new = 0
    with records.only_one(records.CACHE):
        for path, arrived in files.items():
            held = records.read(path, function) if path.exists() else {}
            added = {records.key_of(function, run.settings): run for run in arrived}
            if missing := set(added) - set(held):
                records.write(path, function, (added | held).values())
                print(f"{path.name}: {len(missing)} runs added")
                new += len(missing)
    return new


def main() -> int:
    """Measure the page named by `PAGE`, or every page, chapters in the order of their names."""
    mpl.use("agg")
    if os.environ.get("JOBS"):
        os.environ["LRGUIDE_JOBS"] = os.environ["JOBS"]
    os.environ.pop("LRGUIDE_MAX_SECONDS", None)  # this command is the answer to that limit
    pages = {page.stem: page for page in sorted((records.ROOT / "docs").glob("*.py"))}
    name = os.environ.get("PAGE")
    if name and name not in pages:
        print(f"PAGE must be one of {', '.join(pages)}, received {name!r}", file=sys.stderr)
        return 2
    failed = False
    for page in [pages[name]] if name else pages.values():
        print(f"measuring {page.name}", flush=True)
        try:
            if not measure(page):
                print(f"{page.name}: nothing to do, the records hold all its runs")
        except KeyboardInterrupt:
            print("stopped; what was measured is kept, the same command goes on", file=sys.stderr)
            return 130
        except PageStopped as error:
            print(error, file=sys.stderr)
            failed = True
        except Exception as error:  # no room, another measurement, a damaged record, ...
            print(error, file=sys.stderr)
            return 1
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
