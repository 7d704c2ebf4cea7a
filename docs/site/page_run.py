"""Run one script page in a kernel of its own and print the notebook: `python page_run.py PAGE LOG`.

A process apart, so that a page which is no longer wanted can be stopped, and so that nothing a page
does reaches MkDocs. mkdocs-jupyter would run the page with the same nbclient; it keeps neither the
results before an error nor a way to stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HUNG_AFTER = 1800  # seconds for one cell; a page that needs more is measured beforehand
SVG = {"bbox_inches": "tight", "metadata": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
KERNEL = [
    "--IPKernelApp.capture_fd_output=False",  # TensorFlow's C++ notes stay out of the page
    "--IPKernelApp.log_level=40",
    # Nearly all that a page imports stays, so searching it for garbage is a tenth of its run.
    "--IPKernelApp.exec_lines=import gc; gc.set_threshold(100_000, 50, 50)",
    "--InlineBackend.figure_formats={'svg'}",
    f"--InlineBackend.print_figure_kwargs={SVG}",
]


class PageClient(NotebookClient):
    """Python's stderr (progress bars, warnings) goes to the terminal at once, not to the page."""

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """Take one output of the kernel."""
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            sys.stderr.write(msg["content"]["text"])
            sys.stderr.flush()
            return None
        return super().output(outs, msg, display_id, cell_index)


def run_page(page: Path, log: TextIO) -> nbformat.NotebookNode:
    """Execute the page's cells up to the first error, which stays in the notebook as an output."""
    notebook = jupytext.read(page)
    started: list[nbformat.NotebookNode] = []
    client = PageClient(
        notebook,
        kernel_name="python3",
        timeout=HUNG_AFTER,
        shutdown_kernel="immediate",
        extra_arguments=KERNEL,
        on_cell_execute=lambda cell, cell_index: started.append(cell),
    )
    try:
        client.execute(stdout=log, stderr=log)  # what writes past Python: TensorFlow's notes
    except CellExecutionError:
        pass
    except Exception as error:  # the kernel died or hung: nbclient leaves no output for these
        log.flush()
        written = Path(log.name).read_text("utf-8", errors="replace")
        last_words = "\n".join(written.splitlines()[-5:])
        if not started:
            raise
        what = {"ename": type(error).__name__, "evalue": f"{error}\n{last_words}".strip()}
        started[-1].outputs.append(nbformat.v4.new_output("error", **what, traceback=[]))
    return notebook


def stop_with(parent: int) -> None:
    """End this process, and with it the kernel, when MkDocs is gone, killed or not."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with, args=[os.getppid()], daemon=True).start()
    try:
        with open(sys.argv[2], "w+", encoding="utf-8") as log:
            print(nbformat.writes(run_page(Path(sys.argv[1]), log)))
    except asyncio.CancelledError:  # nbclient's answer to SIGTERM: the page is no longer wanted
        sys.exit(1)
