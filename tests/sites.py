"""Small throw-away sites, built or served as the guide is."""

import contextlib
import functools
import html
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
HOOK = REPOSITORY / "docs" / "site"

RUN = 'with open("runs.txt", "a") as runs:\n    runs.write("{name} ")\n'

REAL_PACKAGE = {
    str(path.relative_to(REPOSITORY / "lrguide")): path.read_text(encoding="utf-8")
    for path in (REPOSITORY / "lrguide").rglob("*.py")
}
PACKAGE = REAL_PACKAGE | {
    "shapes.py": "from .powers import square\ndef area(side):\n    return square(side)\n",
    "powers.py": "def square(x):\n    return x * x\n",
}

# An experiment that needs no TensorFlow, asked for 1 run.
ASK = """
from lrguide.guide.records import measured

PROTOCOL = {"probe": 1}


def probe(*, budget, seed, training, batch, epochs, validation, test, full):
    return {"loss": [seed / 2]}


runs = measured(probe, [dict(budget="TINY", seed=seed) for seed in (1,)])
print("losses", runs.values("loss").ravel())
"""

# Two sentences that its run does not bear out.
UNTRUE = """
from lrguide.guide.report import claim
@claim(runs)
def enough(runs):
    return f"{len(runs)} run is enough.", len(runs) > 1
@claim(runs)
def seven(runs):
    return f"seed `7` has {len(runs.where(seed=7))} run", False
"""


class Site:
    """A guide of a few tiny pages with the real theme, hook and settings."""

    def __init__(self, folder: Path, pages: dict[str, str], package: dict[str, str] = PACKAGE):
        self.folder = folder
        for name, text in pages.items():
            self.write(f"docs/{name}", text)
        for name, text in package.items():
            self.write(f"lrguide/{name}", text)
        (folder / "docs" / "site").symlink_to(HOOK)
        self.write(
            "mkdocs.yml", f"INHERIT: {REPOSITORY / 'mkdocs.yml'}\nnav: [{', '.join(pages)}]\n"
        )

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def html(self, page: str) -> str:
        return (self.folder / "site" / page / "index.html").read_text(encoding="utf-8")

    def command(self, *arguments: str, strict: bool = True) -> dict[str, Any]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LRGUIDE_")
        }
        environment |= {"NO_MKDOCS_2_WARNING": "1", "LRGUIDE_STRICT": str(strict)}
        return {
            "args": [sys.executable, "-m", "mkdocs", *arguments],
            "cwd": self.folder,
            "env": environment,
        }

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            **self.command("build", *arguments), capture_output=True, text=True, timeout=120
        )

    def runs(self) -> list[str]:
        """The pages that were run since this was asked last."""
        path = self.folder / "runs.txt"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(names)


def processes(*words: str) -> list[str]:
    """The processes whose number and command hold all these words."""
    listing = subprocess.run(
        ["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if all(word in line for word in words)]


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


UNREADABLE: dict[str, tuple[str, bytes, str]] = {
    "Latin-1": (
        "bad.py",
        b"# %% [markdown]\n# na\xefve\n",
        "text in UTF-8, received the byte 0xef at",
    ),
    "Latin-1 in Markdown": (
        "bad.md",
        b"# na\xefve\n",
        "text in UTF-8, received the byte 0xef at line 1",
    ),
    "UTF-16": (
        "bad.py",
        "# %%\n1".encode("utf-16"),
        "text in UTF-8, received the byte 0xff at line 1",
    ),
    "a broken header": (
        "bad.py",
        b"# ---\n# title: [\n# ---\n\n# %%\n1\n",
        "a header in YAML: while",
    ),
    "a header that is a list": ("bad.py", b"# ---\n# - a\n# ---\n", "must be lines of the form"),
    "a broken header in Markdown": (
        "bad.md",
        b"---\ntitle: a: b\n---\n",
        "a header in YAML: mapping",
    ),
    "a title that is none": (
        "bad.md",
        b"---\ntitle: [1]\n---\n",
        "title in its header must be text",
    ),
    "a list that is none": ("bad.md", b"---\nhide: 5\n---\n", "hide in its header must be a list"),
    "no such template": (
        "bad.md",
        b"---\ntemplate: x.html\n---\n",
        "template in its header must be the theme's",
    ),
    "no such snippet": (
        "bad.md",
        b'--8<-- "docs/gone.py"\n',
        "Snippet at path 'docs/gone.py' could",
    ),
    "no such snippet in a script": (
        "bad.py",
        b'# %% [markdown]\n# --8<-- "docs/gone.py"\n',
        "Snippet at path 'docs/gone.py' could not be found",
    ),
    "wrong tags": ("bad.py", b"# %% tags=5\n1\n", "the tags of a cell must be a list of"),
    "NUL": ("bad.py", b"# %%\nx = 1\0\n", "source code string cannot contain null bytes"),
    "no Python": ("bad.py", b"# %%\nx = (\n", "SyntaxError"),
    "half a character": ("bad.py", b"# %%\nprint('\\ud800')\n", "ud800"),
    "nothing": ("bad.py", b"", "Bad"),
}


class Served(Site):
    """A site under `mkdocs serve`, as a browser sees it."""

    def shows(self, *words: str) -> None:
        until(lambda: all(word in self.page() for word in words), f"{words} on the page", 30)

    def page(self) -> str:
        """The page's text."""
        return self.text("index")

    def text(self, page: str) -> str:
        return html.unescape(re.sub(r"<[^>]*>", "", self.html(page)))

    def html(self, page: str = "index") -> str:
        place = "" if page == "index" else page
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/{place}", timeout=30
            ) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def serve(self, log: str = "log") -> Iterator["Served"]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        command = self.command("serve", "-a", f"127.0.0.1:{self.port}", strict=False)
        with open(self.folder / log, "w") as file:
            process = subprocess.Popen(**command, stdout=file, stderr=file)
            try:
                yield self
            finally:
                process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        assert not processes(f"page_run.py {self.folder}", str(process.pid))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files, without a line for each request."""

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(site: Path, kind: type[http.server.SimpleHTTPRequestHandler]) -> Iterator[str]:
    """Show a folder at a free port, and say at which address."""
    handler = functools.partial(kind, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
