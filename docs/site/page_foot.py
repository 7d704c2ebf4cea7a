"""The foot of a script page: when, where and with what it was measured, and what to take away."""

from __future__ import annotations

from datetime import date
from html import escape
from pathlib import Path
from urllib.parse import quote

import addresses
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from lrguide.guide.pages import Ran

LIBRARIES = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy", "python": "Python"}


def foot_of(ran: Ran, page: Page, config: MkDocsConfig) -> str:
    """When, where and with what the page's numbers were measured, and what to take away."""
    made = made_of(ran)
    lines = []
    if made.get("date"):
        where = f" on {_and(made['processor'])}" if made.get("processor") else ""
        libraries = [f"{LIBRARIES[name]} {_and(made[name])}" for name in LIBRARIES if name in made]
        what = escape(f"{_days(made['date'])}{where}, with {', '.join(libraries)}")
        lines.append(f"Measured {what}.")
    stem = Path(page.file.src_uri).stem
    colab = addresses.in_colab(config, addresses.beside(page, "ipynb"))
    wheel = config.extra.get("wheel", "")
    package = f', with <a href="{get_relative_url(wheel, page.url)}" download>lrguide</a>'
    lines.append(
        f'To change and run: this page as a <a href="{stem}.py" download>script</a> '
        f'or a <a href="{stem}.ipynb" download>notebook</a>'
        + (f', also <a href="{colab}">in Colab</a>' if colab else "")
        + (f"{package}." if wheel else ".")
    )
    records = get_relative_url("records/", page.url)
    links = []
    for name in stored_records(made, config):
        report = addresses.for_reports(config, f"{stem}.py, a number of {name}")
        links.append(
            f'<a href="{records}{quote(name)}">{escape(name)}</a>'
            + (f' (<a href="{escape(report)}">report a number</a>)' if report else "")
        )
    if links:
        meaning = records if config.use_directory_urls else f"{records}index.html"
        lines.append(
            f"Every run behind it: {', '.join(links)} "
            f'(<a href="{meaning}">what the fields mean</a>); '
            f'<a href="{records}runs.csv" download>all runs as CSV</a>.'
        )
    paragraphs = "".join(f"<p>{line}</p>" for line in lines)
    return f'<div class="lr-foot" data-search-exclude>{paragraphs}</div>'


def made_of(ran: Ran) -> dict[str, set[str]]:
    """What produced the page's runs, and which records hold them."""
    made: dict[str, set[str]] = {}
    for shown in ran.shown:
        for name, values in shown.made.items():
            made.setdefault(name, set()).update(values)
    return made


def stored_records(made: dict[str, set[str]], config: MkDocsConfig) -> list[str]:
    """The records among the files that hold a page's runs; others lie in a cache."""
    folder = Path(config.docs_dir, "records")
    return [name for name in sorted(made.get("records", [])) if (folder / name).exists()]


def _and(values: set[str]) -> str:
    return " and ".join(sorted(values))


def _days(dates: set[str]) -> str:
    days = sorted({date.fromisoformat(day[:10]) for day in dates})
    first, last = (f"{day.day} {day:%B %Y}" for day in (days[0], days[-1]))
    return f"on {first}" if first == last else f"from {first} to {last}"
