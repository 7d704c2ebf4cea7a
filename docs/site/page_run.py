"""Run one script page in a kernel of its own and print the notebook: `page_run.py PAGE PARENT`.

PARENT is the process that wants it: when that is gone, the run ends.

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
from typing import Any

import jupytext
import nbformat
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HUNG_AFTER = 1800  # seconds for one cell; a page that needs more is measured beforehand
MOST = 2_000_000  # characters that a page may print; what pages show is a tenth of it
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
    """Python's stderr (progress bars, warnings) goes to the terminal at once, not to the page.

    A page that prints without end is stopped.
    """

    printed = 0  # characters
    stopping: asyncio.Future[Any] | None = None

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """Take one output of the kernel."""
        if self.stopping:
            return None
        before, self.printed = self.printed, self.printed + len(str(msg["content"]))
        if self.printed > MOST:
            # nbclient then ends the run, since its kernel is dead.
            assert self.km is not None
            self.stopping = asyncio.ensure_future(ensure_async(self.km.shutdown_kernel(now=True)))
            if msg["msg_type"] != "stream":
                return None
            msg["content"]["text"] = msg["content"]["text"][: MOST - before] + "\n[...]\n"
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            sys.stderr.write(msg["content"]["text"])
            sys.stderr.flush()
            return None
        return super().output(outs, msg, display_id, cell_index)


class LastWords:
    """What a kernel writes past Python, as TensorFlow's notes and other programs do: its end."""

    def __init__(self) -> None:
        """Read from a pipe: a file would grow for as long as something writes to it."""
        self.source, self.pipe = os.pipe()
        self.text = b""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Read on up to `MOST`; whoever writes more meets a broken pipe."""
        read = 0
        while read < MOST and (new := os.read(self.source, 65536)):
            read, self.text = read + len(new), (self.text + new)[-4000:]
        os.close(self.source)

    def lines(self) -> str:
        """The last five lines."""
        return "\n".join(self.text.decode(errors="replace").splitlines()[-5:])


def run_page(page: Path) -> nbformat.NotebookNode:
    """Execute the page's cells up to the first error, which stays in the notebook as an output."""
    words = LastWords()
    notebook: nbformat.NotebookNode = jupytext.read(page)
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
        client.execute(stdout=words.pipe, stderr=words.pipe)
    except CellExecutionError:
        pass
    except Exception as error:  # the kernel died or hung: nbclient leaves no output for these
        if not started:
            raise
        what = {"ename": type(error).__name__, "evalue": f"{error}\n{words.lines()}".strip()}
        if client.stopping:
            said = (
                f"this cell printed more than {MOST / 1e6:.0f} MB: it was stopped, the rest is cut"
            )
            what = {"ename": "TooMuchOutput", "evalue": said}
        started[-1].outputs.append(nbformat.v4.new_output("error", **what, traceback=[]))
    return notebook


def stop_with(parent: int) -> None:
    """End this process, and with it the kernel, when MkDocs is gone, killed or not."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)  # the kernel sees to itself, as it does when this process is killed


if __name__ == "__main__":
    threading.Thread(target=stop_with, args=[int(sys.argv[2])], daemon=True).start()
    try:
        print(nbformat.writes(run_page(Path(sys.argv[1])), ensure_ascii=True))
    except asyncio.CancelledError:  # nbclient's answer to SIGTERM: the page is no longer wanted
        sys.exit(1)
