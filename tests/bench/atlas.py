"""The atlas of curves: how soon its slider is answered, on a processor slowed four times."""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.bench import interval

REPOSITORY = Path(__file__).parents[2]
SLOWER, LIMIT = 4, 50  # times; milliseconds
PAGE = '# Curves\n\n<div class="lr-atlas" data-from="../curves/">Static</div>\n'
# From an input to the new pictures laid out. What the slider asks for has been fetched by then,
# because the pointer was near.
ANSWERS = """async () => {
  const slider = document.querySelector(".lr-atlas [type=range]"), taken = []
  const panels = document.querySelector(".lr-panels")
  for (let round = 0; round < 4; round++) {
    for (let stop = 0; stop <= Number(slider.max); stop++) {
      const begin = performance.now()
      const drawn = new Promise((done) => new MutationObserver((_, seen) => {
        seen.disconnect()
        done(panels.getBoundingClientRect().height)
      }).observe(panels, { childList: true }))
      slider.value = stop
      slider.dispatchEvent(new Event("input"))
      await drawn
      taken.push(performance.now() - begin)
    }
  }
  return taken
}"""


def main() -> None:
    """One line."""
    from playwright.sync_api import sync_playwright

    with site() as url, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{url}curves/")
        page.locator(".lr-panels svg").first.wait_for()
        page.locator(".lr-atlas [type=range]").hover()
        page.wait_for_load_state("networkidle")
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        taken = page.evaluate(ANSWERS)
        browser.close()
    print(f"| milliseconds to answer the slider, processor slowed {SLOWER} times | limit |")
    print("| ---: | ---: |")
    print(f"| {interval(taken)}, at most {max(taken):.0f} | {LIMIT} |")


@contextlib.contextmanager
def site() -> Iterator[str]:
    """A site of this one page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs" / "records").mkdir(parents=True)
        (folder / "lrguide").mkdir()
        (folder / "docs" / "site").symlink_to(REPOSITORY / "docs" / "site")
        for path in (REPOSITORY / "docs" / "records").glob("*.json"):
            (folder / "docs" / "records" / path.name).symlink_to(path)
        (folder / "docs" / "index.md").write_text("# Start\n")
        (folder / "docs" / "curves.md").write_text(PAGE)
        (folder / "mkdocs.yml").write_text(
            f"INHERIT: {REPOSITORY / 'mkdocs.yml'}\nnav: [index.md, curves.md]\n"
        )
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        build = [sys.executable, "-m", "mkdocs", "build", "--quiet"]
        subprocess.run(build, cwd=folder, env=environment, check=True)
        handler = functools.partial(_Quiet, directory=str(folder / "site"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}/"
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Nothing."""
