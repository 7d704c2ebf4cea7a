"""Lighthouse on every page of a built site, desktop and telephone: `lighthouse.py site [page ...]`.

Needs Node and a Chromium or Chrome. The site is served as hosts do, compressed; prints a table, and
fails where a page falls short.
"""

import functools
import gzip
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

LIGHTHOUSE = "lighthouse@13.5.0"
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run"
COMPRESSED = (".html", ".css", ".js", ".json", ".svg", ".xml", ".txt")


class Compressing(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with gzip, and tells the browser to keep what has a name of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a file, or the index of a folder."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        found = path.is_file()
        body = path.read_bytes() if found else b"not here"
        packed = path.suffix in COMPRESSED and found
        body = gzip.compress(body) if packed else body
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def measured(url: str, form: str) -> tuple[dict[str, int], float, str]:
    """Scores, kilobytes transferred, and what was found wanting."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/report.json"
        command = ["npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json"]
        command += [f"--output-path={output}", f"--chrome-flags={FLAGS}"]
        command += ["--preset=desktop"] if form == "desktop" else []
        subprocess.run(command, env={**os.environ, "CHROME_PATH": chromium}, check=True)
        report = json.loads(Path(output).read_text(encoding="utf-8"))
    scores = {name: round(100 * report["categories"][name]["score"]) for name in LEAST}
    wanting = [
        name
        for name, audit in report["audits"].items()
        if audit["score"] is not None and audit["score"] < 0.9 and "numericValue" not in audit
    ]
    return scores, report["audits"]["total-byte-weight"]["numericValue"] / 1000, " ".join(wanting)


def main() -> int:
    """Print the table; 1 if a page falls short."""
    folder, *names = sys.argv[1:]
    site = Path(folder)
    found = sorted(str(path.parent.relative_to(site)) for path in site.rglob("index.html"))
    handler = functools.partial(Compressing, directory=folder)
    short = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"| page | form | {' | '.join(LEAST)} | kB | wanting |")
        print("| --- | --- | " + "---: | " * (len(LEAST) + 1) + "--- |")
        for page in names or found:
            for form in ("desktop", "mobile"):
                path = "" if page == "." else f"{page}/"
                url = f"http://127.0.0.1:{server.server_address[1]}/{path}"
                scores, kilobytes, wanting = measured(url, form)
                short += any(scores[name] < least for name, least in LEAST.items())
                row = " | ".join(str(scores[name]) for name in LEAST)
                print(f"| {page} | {form} | {row} | {kilobytes:.0f} | {wanting} |", flush=True)
        server.shutdown()
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
