"""The site beside mkdocs-jupyter as it comes: the same two scripts, built by turns in one run.

CPU-seconds of `mkdocs build` with all its processes, pages run, and figures that show what
the package was before the edit; then what a page weighs, whom it asks and what axe finds.
"""

import functools
import gzip
import http.server
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from tests.bench.site import EDITED, Clone, exchange

SCRIPTS = ("index", "fixed_rates")
NAV = "nav: [index.py, fixed_rates.py, changelog.md]\n"
AS_IT_COMES = f"""\
site_name: As it comes
theme: {{name: material}}
{NAV}exclude_docs: "/site/\\n/snippets/"
plugins:
  - search
  - mkdocs-jupyter:
      include: ["*.py"]
      ignore: ["docs/site/*.py", "docs/snippets/*.py"]
      execute: true
"""
EDITS = (
    ("cold", "docs/changelog.md", lambda text: text),
    ("warm", "docs/changelog.md", lambda text: text),
    (
        "prose in a script",
        "docs/fixed_rates.py",
        lambda text: text + "\n# %% [markdown]\n# More.\n",
    ),
    ("a number", "docs/fixed_rates.py", exchange("rate = 0.001 ", "rate = 0.002 ")),
    ("the number back", "docs/fixed_rates.py", exchange("rate = 0.002 ", "rate = 0.001 ")),
    ("the imported package", "lrguide/plots.py", lambda text: text + EDITED),
)


def main() -> None:
    """Two tables: builds, pages."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        sites = {"lrguide": Clone(Path(one)), "as it comes": Clone(Path(other))}
        for clone in sites.values():
            reduce(clone)
        own = re.sub(
            r"^nav:\n(?:  .*\n)+", NAV, sites["lrguide"].path("mkdocs.yml").read_text(), flags=re.M
        )
        sites["lrguide"].path("mkdocs.yml").write_text(own)
        sites["as it comes"].path("mkdocs.yml").write_text(AS_IT_COMES)
        print("| build | site | CPU-s | runs | stale figures |\n| --- | --- | ---: | ---: | --- |")
        for what, path, change in EDITS:
            for name, clone in sites.items():
                text = clone.path(path).read_text(encoding="utf-8")
                clone.path(path).write_text(change(text), encoding="utf-8")
                clone.notes.unlink(missing_ok=True)
                seconds = clone.cpu_seconds(
                    clone.running([sys.executable, "-m", "mkdocs", "build"])
                )
                started = clone.notes.read_text() if clone.notes.exists() else ""
                print(
                    f"| {what} | {name} | {seconds:.1f} |",
                    started.count("page_run.py") or started.count("ipykernel_launcher"),
                    end="",
                )
                print(f" | {stale(clone)} |", flush=True)
        print("\n| page | site | HTML, kB | gzipped, kB | other hosts asked | axe violations |")
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        for page in SCRIPTS:
            for name, clone in sites.items():
                print(f"| {page} | {name} | {looks(clone, page)} |", flush=True)


def reduce(clone: Clone) -> None:
    """Leave the two scripts and a page of prose."""
    for path in clone.path("docs").iterdir():
        if path.is_file() and path.name not in ("index.py", "fixed_rates.py", "changelog.md"):
            path.unlink()
    shutil.rmtree(clone.path("docs/snippets"), ignore_errors=True)
    clone.path("docs/changelog.md").write_text("# Changes\n")
    for name in SCRIPTS:  # links to what is no longer there
        path = clone.path(f"docs/{name}.py")
        path.write_text(re.sub(r"\]\((?!https?:|#)[^)]*\)", "](#)", path.read_text()))


def stale(clone: Clone) -> str:
    """Figures that do not show whether `plots.svg` is edited now."""
    edited = EDITED in clone.path("lrguide/plots.py").read_text(encoding="utf-8")
    pages = [clone.root / "site" / clone.url(name) / "index.html" for name in SCRIPTS]
    drawn = [
        figure
        for page in pages
        for figure in re.findall(r'<figure class="lr-figure">.*?</svg>', page.read_text(), re.S)
    ]
    return f"{sum(('data-edited' in figure) != edited for figure in drawn)} of {len(drawn)}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves without a word."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def looks(clone: Clone, page: str) -> str:
    """Four cells: the page's weight, other hosts it asks, what axe finds."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    raw = (clone.root / "site" / clone.url(page) / "index.html").read_bytes()
    handler = functools.partial(Quiet, directory=str(clone.root / "site"))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}/"
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab, hosts = browser.new_page(), set()
        tab.on("request", lambda r: hosts.add(r.url.split("/")[2]) if "://" in r.url else None)
        tab.goto(here + clone.url(page), wait_until="load")
        tab.wait_for_timeout(2000)
        violations = Axe().run(tab).violations_count
        browser.close()
        server.shutdown()
    others = len(hosts - {here.split("/")[2]})
    return f"{len(raw) / 1000:.1f} | {len(gzip.compress(raw)) / 1000:.1f} | {others} | {violations}"
