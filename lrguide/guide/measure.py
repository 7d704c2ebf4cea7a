"""`make measure`: run what a page asks for and no record holds, and write the records.

    PAGE=fixed_rates JOBS=2 python -m lrguide.guide.measure
    DRY=1 python -m lrguide.guide.measure
    SCHEDULER=tcp://host:8786 python -m lrguide.guide.measure

Each run is kept in the cache as it ends, and written to the records when the page's question is
answered; start the command again to go on. `DRY=1` lists what would run and trains nothing.
"""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

from lrguide.guide import pages, records
from lrguide.guide.processes import Experiment, cluster
from lrguide.guide.records import NotMeasured, Run


class PageStopped(Exception):
    """A page's own code failed, or sentences of it do not hold."""


def measure(page: Path) -> int:
    """Run a page, which measures what it asks for, and store it; return how many runs were new.

    Raises:
        PageStopped: if the page fails, or sentences of it do not hold; what it has asked for by
            then is stored.
        OSError: if there is no room, or another measurement is running.
    """
    records.asked.clear()
    ran = pages.run(page)
    if isinstance(ran.error, OSError):
        raise ran.error
    new = 0
    for function, wanted in list(records.asked):
        new += add_to_records(function, records.measured(function, wanted))
    wrong = pages.untrue(page, ran.shown)
    if ran.stop:
        wrong.append(
            f"{page.name} stopped at line {ran.stop.line} ({ran.stop.error}: {ran.stop.words}); "
            "the runs it had asked for are in the records"
        )
    if wrong:
        raise PageStopped("\n".join(wrong)) from ran.error
    return new


def add_to_records(function: Experiment, runs: Iterable[Run], folder: Path | None = None) -> int:
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


def missing(page: Path) -> list[str]:
    """What a page would train, a line an experiment and budget; nothing is trained.

    What it asks for after that may depend on the answers, so the list ends with the page's first
    question that the records cannot answer.
    """
    records.asked.clear()
    stopped = pages.run(page).error
    if stopped is None:
        return []
    if not isinstance(stopped, NotMeasured):
        raise stopped
    function, _ = records.asked[-1]
    seconds: dict[str, list[float]] = {}
    for settings, expected in zip(stopped.missing, stopped.seconds, strict=True):
        seconds.setdefault(settings["budget"], []).append(expected)
    lines = [
        f"{function.__name__} {budget}: {len(each)} runs, {sum(each) / 60:.0f} CPU-minutes"
        for budget, each in seconds.items()
    ]
    return [*lines, "pending: what the page asks for after these"]


def in_reading_order() -> dict[str, Path]:
    """The pages by name, in reading order as far as the site's navigation names them."""
    found = {page.stem: page for page in sorted((records.ROOT / "docs").glob("*.py"))}
    site = records.ROOT / "mkdocs.yml"
    navigation = site.read_text("utf-8") if site.is_file() else ""
    named = re.findall(r"^ +- (?:.+: )?(\w+)\.py\b", navigation, re.M)
    return {name: found[name] for name in [*named, *found] if name in found}


def main() -> int:
    """Measure the page named by `PAGE`, or every page."""
    mpl.use("agg")
    if os.environ.get("JOBS"):
        os.environ["LRGUIDE_JOBS"] = os.environ["JOBS"]
    # Who calls this command wants to measure, however long it takes.
    os.environ.pop("LRGUIDE_MAX_SECONDS", None)
    name, chosen = os.environ.get("PAGE"), in_reading_order()
    if name and name not in chosen:
        print(f"PAGE must be one of {', '.join(chosen)}, received {name!r}", file=sys.stderr)
        return 2
    if name:
        chosen = {name: chosen[name]}
    address = os.environ.get("SCHEDULER")
    try:
        if os.environ.get("DRY"):
            return dry(chosen.values())
        if not address:
            return measure_all(chosen.values())
        with cluster(address) as workers:
            os.environ.setdefault("LRGUIDE_JOBS", str(workers))
            return measure_all(chosen.values())
    except KeyboardInterrupt:
        print("stopped; what was measured is kept, the same command goes on", file=sys.stderr)
        return 130
    except Exception as error:  # no room, another measurement, a damaged record, ...
        print(error, file=sys.stderr)
        return 1


def dry(chosen: Iterable[Path]) -> int:
    """Print what would run."""
    os.environ["LRGUIDE_MAX_SECONDS"] = "0"
    needed = {page.name: missing(page) for page in chosen}
    for page, lines in needed.items():
        for line in lines:
            print(f"{page}: {line}")
    if not any(needed.values()):
        print("nothing to measure")
    return 0


def measure_all(chosen: Iterable[Path]) -> int:
    """Measure these pages; 1 if one of them stopped on its way."""
    failed = False
    for page in chosen:
        print(f"measuring {page.name}", flush=True)
        try:
            if not measure(page):
                print(f"{page.name}: nothing to do, the records hold all its runs")
        except PageStopped as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
