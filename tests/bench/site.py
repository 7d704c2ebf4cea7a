"""The site: what serving it costs, what an edit runs again, what its pages weigh.

On a copy of the repository as after `git clone` and set-up: records, but nothing cached. Costs are
CPU-seconds of the server with all its processes, beside imports of TensorFlow in the same run.
"""

import contextlib
import gzip
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean

REPOSITORY = Path(__file__).parents[2]
BEING_RUN, STOPPED = "This page is being run", "This page stopped with an error"
FIGURE = re.compile(r'<figure class="lr-figure">.*?</figure>', re.DOTALL)
LIMIT_IMPORTS, LIMIT_HTML, LIMIT_GZIP = 6, 80_000, 15_000

# Every Python of the copy notes that it starts: a count that does not rely on the site's own word.
NOTE = 'import os, sys\nprint(*sys.orig_argv, file=open(os.environ["STARTED"], "a"))\n'

# In place of `plots.svg`, so that it can be seen which figures were drawn after the edit.
EDITED = """

_svg = svg


def svg(*arguments):
    return _svg(*arguments).replace("<svg", "<svg data-edited", 1)
"""
# One of the five rates of a page, at the small budget.
OTHERS = ', 0.01, 0.001, 0.00001, 0.0000001),\n        seed=range(5),\n        budget="SMALL"'
FIVE = f"(0.5{OTHERS}", f"(0.6{OTHERS}"
# A page that does not import it.
BESIDE = "# %% [markdown]\n# # Beside\n\n# %%\nfrom lrguide.data import mnist_subset\n\nprint(1)\n"


def main() -> None:
    """Three tables: start, edits, weight."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder))
        start(clone)
        edits(clone)
        weight(clone)


def start(clone: "Clone") -> None:
    """CPU-seconds to the first answer and to the last result, without and with the cache."""
    python = [sys.executable, "-c", "import keras"]
    clone.cpu_seconds(clone.running(python))  # the first one reads the disk
    imports = [clone.cpu_seconds(clone.running(python)) for _ in range(2)]
    rows = []
    for cached in (False, True):
        for what, ready in (("first answer", clone.answers), ("all pages finished", clone.settled)):
            if not cached:
                shutil.rmtree(clone.root / ".cache", ignore_errors=True)
            rows.append((f"{what}{', cached' * cached}", clone.cpu_seconds(clone.serving(ready))))
    imports += [clone.cpu_seconds(clone.running(python)) for _ in range(2)]
    one = mean(imports)
    print(f"One import of TensorFlow and Keras: {one:.1f} CPU-s ({min(imports):.1f} to", end=" ")
    print(
        f"{max(imports):.1f}, {len(imports)} times). Limit to the first answer: {LIMIT_IMPORTS}.\n"
    )
    print("| mkdocs serve until | CPU-s | in imports |\n| --- | ---: | ---: |")
    for what, seconds in rows:
        print(f"| {what} | {seconds:.1f} | {seconds / one:.1f} |")


def edits(clone: "Clone") -> None:
    """Kernels started and runs trained after each edit, and figures drawn before it."""
    print("\n| edit | run again | runs trained | stale figures | stopped pages |")
    print("| --- | --- | ---: | ---: | --- |")
    clone.path("docs/beside.py").write_text(BESIDE)
    with clone.serving(clone.settled):
        for what, path, change in (
            ("prose in a .md page", "docs/changelog.md", lambda text: text + "\nMore prose.\n"),
            (
                "prose in a script",
                "docs/index.py",
                lambda text: text + "\n# %% [markdown]\n# More.\n",
            ),
            ("a number in a script", "docs/fixed_rates.py", exchange(*FIVE)),
            ("the number back", "docs/fixed_rates.py", exchange(*FIVE[::-1])),
            ("a module of the package", "lrguide/plots.py", lambda text: text + EDITED),
            ("the module back", "lrguide/plots.py", exchange(EDITED, "")),
        ):
            clone.news()
            text = clone.path(path).read_text(encoding="utf-8")
            clone.path(path).write_text(change(text), encoding="utf-8")
            clone.settled()
            pages, runs = clone.news()
            html = {page: clone.html(page) for page in clone.pages}
            # A figure is stale if it does not show whether `plots.svg` is edited now.
            edited = EDITED in clone.path("lrguide/plots.py").read_text(encoding="utf-8")
            drawn = [figure for text in html.values() for figure in FIGURE.findall(text)]
            stale = sum(("data-edited" in figure) != edited for figure in drawn)
            stopped = ", ".join(page for page, text in html.items() if STOPPED in text)
            print(f"| {what} | {', '.join(pages) or 'none'} | {runs} |", end=" ")
            print(f"{stale} of {len(drawn)} | {stopped or 'none'} |", flush=True)
    clone.path("docs/beside.py").unlink()


def weight(clone: "Clone") -> None:
    """HTML of the script pages as a build writes it."""
    clone.news()
    with clone.running([sys.executable, "-m", "mkdocs", "build"]):
        pass
    print(f"\nA build then runs {len(clone.news()[0])} pages.", end=" ")
    print(f"Limits of a page: {LIMIT_HTML / 1000:.0f} kB, {LIMIT_GZIP / 1000:.0f} kB gzipped.\n")
    print("| page | HTML, kB | gzipped, kB | within |\n| --- | ---: | ---: | --- |")
    for page in clone.pages:
        raw = (clone.root / "site" / clone.url(page) / "index.html").read_bytes()
        packed = len(gzip.compress(raw))
        within = "yes" if len(raw) < LIMIT_HTML and packed < LIMIT_GZIP else "NO"
        print(f"| {page} | {len(raw) / 1000:.1f} | {packed / 1000:.1f} | {within} |")


def exchange(old: str, new: str) -> Callable[[str], str]:
    """An edit that finds what it changes."""

    def change(text: str) -> str:
        if text.count(old) != 1:
            raise ValueError(f"the page must hold {old!r} once for this benchmark to change it")
        return text.replace(old, new)

    return change


class Clone:
    """A copy of the files that git knows or would add, and the site served from it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.notes, self.log = folder / "clone", folder / "started", folder / "log"
        self.marks = self.runs = 0
        git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (REPOSITORY / name).exists():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.root / name)
        (folder / "note").mkdir()
        (folder / "note" / "sitecustomize.py").write_text(NOTE)
        settings = {k: v for k, v in os.environ.items() if not k.startswith("LRGUIDE_")}
        self.environment = settings | {
            "LRGUIDE_STRICT": "false",
            "NO_MKDOCS_2_WARNING": "1",
            "PYTHONPATH": str(folder / "note"),
            "STARTED": str(self.notes),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]

    def path(self, name: str) -> Path:
        return self.root / name

    @property
    def pages(self) -> list[str]:
        return sorted(path.stem for path in self.root.glob("docs/*.py"))

    def url(self, page: str) -> str:
        return "" if page == "index" else f"{page}/"

    def html(self, page: str) -> str:
        address = f"http://127.0.0.1:{self.port}/{self.url(page)}"
        with urllib.request.urlopen(address, timeout=120) as answer:
            return answer.read().decode()

    @contextlib.contextmanager
    def running(self, command: list[str]) -> Iterator[None]:
        """Start a command; afterwards wait for its end."""
        with self.log.open("w") as log:
            process = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            if "serve" in command:
                process.send_signal(signal.SIGINT)
            if process.wait(600):
                print(self.log.read_text(), file=sys.stderr)

    @contextlib.contextmanager
    def serving(self, ready: Callable[[], None]) -> Iterator[None]:
        """Serve the site, from when it is ready on."""
        address = f"127.0.0.1:{self.port}"
        with self.running([sys.executable, "-m", "mkdocs", "serve", "--dev-addr", address]):
            ready()
            yield

    def cpu_seconds(self, command: contextlib.AbstractContextManager[None]) -> float:
        """User and system time of a command with all its processes, from start to end."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with command:
            pass
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def answers(self) -> None:
        self.until(lambda: self.html("index"), "the first page is there")

    def settled(self) -> None:
        """Wait until the server has seen all edits so far and every page has its results."""
        self.answers()
        self.marks += 1
        with self.path("docs/changelog.md").open("a") as page:
            page.write(f"\nMark {self.marks}.\n")
        self.until(lambda: f"Mark {self.marks}." in self.html("changelog"), "an edit is shown")
        self.until(lambda: not any(BEING_RUN in self.html(page) for page in self.pages), "results")

    def until(self, holds: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 900
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if holds():
                    return
            time.sleep(0.2)
        raise TimeoutError(f"{what}: not within 15 minutes\n{self.log.read_text()}")

    def news(self) -> tuple[list[str], int]:
        """Pages that were run and how many runs were trained, since this was asked last."""
        started = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        pages = [Path(line.split()[-2]).stem for line in started if "page_run.py" in line]
        runs = len(list(self.root.glob(".cache/lrguide/*.json")))
        before, self.runs = self.runs, runs
        return sorted(pages), runs - before
