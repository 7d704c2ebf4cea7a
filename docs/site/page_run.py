"""Run one script page and write what it printed and showed: `page_run.py PAGE PARENT`.

PARENT is the process that wants it: when that is gone, the run ends. It is a process apart, so that
a page which is no longer wanted can be stopped, and so that nothing a page does reaches MkDocs.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

from lrguide.guide.pages import run


def stop_with(parent: int) -> None:
    """End this process and those that it started when MkDocs is gone, killed or not."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(5)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=stop_with, args=[int(sys.argv[2])], daemon=True).start()
    # What libraries write past Python belongs neither on the page nor into the terminal, where
    # TensorFlow's notes would hide what the page says of itself.
    answer, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8")
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    # Nearly all that a page imports stays, so a search for garbage would cost a tenth of its run.
    gc.set_threshold(100_000, 50, 50)
    text = run(Path(sys.argv[1]), live=True).to_json()
    with os.fdopen(answer, "w", encoding="utf-8") as pipe:
        pipe.write(text)
