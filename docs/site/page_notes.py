"""The notes above a page that is still being run, has stopped, or is no longer true.

A build ends with a stop or an untrue sentence; a reader who follows edits sees the rest of the page.
"""

from __future__ import annotations

import logging
import os
import re
import time
from html import escape
from pathlib import Path

import yaml
from mkdocs.exceptions import PluginError
from page_markdown import clean_text, fence
from page_results import Running

from lrguide.guide.pages import Ran, Stop, untrue

log = logging.getLogger("mkdocs.pages")


def running(run: Running) -> str:
    """The note on a page whose results are not there yet."""
    began = time.strftime("%H:%M:%S", time.localtime(run.started))
    return (
        '<div class="admonition info lr-running" role="status">'
        '<p class="admonition-title">This page is being run</p>'
        f"<p>Its code has been running on this machine since {began}. Its results will appear here "
        "by themselves; the terminal shows how far they are.</p></div>"
    )


def stopped(run: Running, path: Path, root: Path, serving: bool) -> str:
    """End the build at a page that has stopped, or make a note for a reader who may mend it."""
    stop = run.ran.stop if run.ran else None
    text = f"{path.name} could not be run: its process ended with status {run.ended}"
    if stop:
        text = _explain(stop, path, root)
    if not serving:
        raise PluginError(text)
    if stop and stop.error == "NotMeasured":
        words = " ".join(stop.words.split())
        words = words.replace("`make measure`", f"`make measure PAGE={path.stem}`")
        return _note("info", "Not measured yet", words)
    log.error(text)
    text = "\n".join(text.splitlines())  # Python knows more ends of a line than Markdown does
    lines = "\n".join(f"    {line}" for line in fence(text, "text").split("\n"))
    return f'!!! failure "This page stopped with an error"\n\n{lines}'


def unreadable(error: Exception, path: Path, root: Path, serving: bool) -> str:
    """End the build at a page that cannot be shown, or make a note for a reader who may mend it."""
    name = os.path.relpath(path, root)
    if isinstance(error, UnicodeDecodeError) and path.is_file():
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        words = f"{name} must be text in UTF-8, received the byte 0x{byte:02x} at line {line}"
    elif isinstance(error, OSError):
        words = f"{name} cannot be read: {error.strerror or error}"
    elif isinstance(error, yaml.YAMLError):
        words = f"{name} must begin with a header in YAML: {' '.join(str(error).split())}"
    else:
        words = f"{name} cannot be shown ({type(error).__name__}: {' '.join(str(error).split())})"
    if not serving:
        raise PluginError(words) from error
    log.error(words)
    return _note("failure", "This page cannot be shown", words)


def _note(kind: str, title: str, words: str) -> str:
    """A note in HTML, in which words of a page or an error cannot become Markdown or HTML."""
    words = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words))
    return (
        f'<div class="admonition {kind}"><p class="admonition-title">{title}</p>'
        f"<p>{words}</p></div>"
    )


def doubted(ran: Ran, path: Path, root: Path, serving: bool) -> str:
    """End the build at claims that do not hold, or make a note with links to them."""
    failed = {each.line: each.failed for each in ran.shown if each.failed}
    if not failed:
        return ""
    if not serving:
        raise PluginError("\n".join(untrue(path, ran.shown)))
    name = os.path.relpath(path, root)
    unknown = sum("cannot be checked" in words for words in failed.values())
    wrong = len(failed) - unknown
    said = []
    if wrong:
        said.append(
            "1 sentence no longer holds" if wrong == 1 else f"{wrong} sentences no longer hold"
        )
    if unknown:
        said.append(f"{unknown} sentence{'s' * (unknown > 1)} cannot be checked")
    log.warning(f"{name}: {', '.join(said)}, at lines {', '.join(map(str, failed))}")
    links = ", ".join(f"[line {line}](#line-{line})" for line in failed)
    why = "The runs do not bear out what is said"
    if unknown:
        why = "Add a rate instead of replacing one to keep them all. The runs miss what is said"
    return f'!!! warning "On this page {", ".join(said)}"\n\n    {why} at {links} of `{name}`.\n\n'


def _explain(stop: Stop, page: Path, root: Path) -> str:
    """A dozen lines that name the page, the cell, the line, the error, and where it was raised."""
    lines = page.read_text(encoding="utf-8").split("\n")
    around = range(max(1, stop.line - 2), min(len(lines), stop.line + 1) + 1)
    shown = [f"{'>' if n == stop.line else ' '} {n:4d} | {lines[n - 1]}" for n in around]
    where = []
    if stop.raised:
        file, line, call = stop.raised
        file = os.path.relpath(file, root) if file.startswith(str(root)) else file
        where = [f"  raised in {file}, line {line}: {call}"]
    return "\n".join(
        [
            f"{os.path.relpath(page, root)}, line {stop.line} (code cell {stop.cell + 1}) stopped:",
            *shown,
            *clean_text(f"{stop.error}: {stop.words}").splitlines()[:6],
            *where,
        ]
    )
