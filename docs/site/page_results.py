"""Results of script pages: kept on disk by key, made by at most two page runs at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from page_key import HERE, page_key

from lrguide.guide.pages import Ran, cells

SHARED = 6  # seconds in which pages that end one after the other share one build
HUNG_AFTER = 3600  # seconds that a page may run; one that needs more is measured beforehand
AT_ONCE = 2  # page runs, since one alone leaves a core idle while it imports TensorFlow
LONGEST = "120"  # seconds of training that a page may start, if the environment says nothing
KEPT = 300  # entries, which take about 45 MB
# With these words guide/records.py begins the error of a page that finds another measurement running.
BUSY = "another measurement is running"


class Store:
    """One file per key: a digest of the rest on the first line, then the page that was run."""

    def __init__(self, folder: Path) -> None:
        """Keep the entries in `folder`."""
        self.folder = folder

    def load(self, key: str) -> Ran | None:
        """The page kept under this key; None if there is none, or if its file is damaged."""
        path = self._path(key)
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if digest.decode(errors="replace") != hashlib.sha256(body).hexdigest():
            print(f"{path} is damaged: the page is run again", file=sys.stderr)
            return None
        with contextlib.suppress(OSError):  # a read-only disk still serves what it holds
            path.touch()
        return Ran.from_json(body)

    def save(self, key: str, ran: Ran) -> None:
        """Keep a page; a process killed at any moment leaves either no entry or a whole one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = ran.to_json().encode()
        unfinished = self.folder / f"{key}.{os.getpid()}.unfinished"
        unfinished.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        os.replace(unfinished, self._path(key))

    def prune(self) -> None:
        """Drop the entries that were not asked for longest, and what a killed process left."""
        entries = sorted(self.folder.glob("*.page"), key=lambda path: -path.stat().st_mtime)
        day_ago = time.time() - 86400
        left = [p for p in self.folder.glob("*.unfinished") if p.stat().st_mtime < day_ago]
        for path in entries[KEPT:] + left:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.page"


@dataclass(eq=False)
class Running:
    """One run of one page: under way, finished, or given up because the page changed meanwhile."""

    page: Path
    key: str
    started: float = field(default_factory=time.time)
    done: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[str] | None = None
    given_up: bool = False
    ran: Ran | None = None
    ended: int = 0  # the status of its process

    @property
    def failed(self) -> bool:
        """Whether the page stopped with an error."""
        return self.done.is_set() and (self.ran is None or self.ran.stop is not None)

    def give_up(self) -> None:
        """Stop the run at once."""
        self.given_up = True
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(self.process.pid, signal.SIGTERM)


class Results:
    """The results of all pages of one site."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder of mkdocs.yml: pages run there, and `.cache` lies there."""
        self.root = root
        self.folder = root / ".cache" / "pages"
        self.store = Store(self.folder)
        self.runs: dict[Path, Running] = {}
        # The server gives this a function as soon as it has started.
        self.build_again: Future[Callable[[], None]] = Future()
        self._slots = threading.Semaphore(AT_ONCE)
        self._builds = 0  # how many builds finished pages have asked for

    def of(self, page: Path) -> Ran | Running:
        """The page's results if they are known, else the run that is making them."""
        key = page_key(cells(page), self.root)
        run = self.runs.get(page)
        if run and run.key == key and not (run.failed and page.stat().st_mtime > run.started):
            return run.ran if run.ran and run.done.is_set() and not run.failed else run
        if run:
            run.give_up()
            del self.runs[page]
        kept = self.store.load(key)
        if kept is not None:
            return kept
        run = self.runs[page] = Running(page, key)
        threading.Thread(target=self._make, args=[run], daemon=True).start()
        return run

    def only(self, pages: Container[Path]) -> None:
        """Give up the runs of all other pages: these were deleted or renamed."""
        for page in [page for page in self.runs if page not in pages]:
            self.runs.pop(page).give_up()

    def stop(self) -> None:
        """End all runs."""
        for run in self.runs.values():
            run.give_up()
        for run in self.runs.values():
            if run.process is not None:
                try:
                    run.process.wait(5)
                except subprocess.TimeoutExpired:
                    run.process.kill()

    def _make(self, run: Running) -> None:
        try:
            while not run.given_up:
                with self._slots:
                    if not run.given_up:
                        run.ran = self._execute(run)
                stop = run.ran and run.ran.stop
                if not (stop and stop.words.startswith(BUSY)):
                    break
                self._wait(run, stop.words)
            # If the page was edited meanwhile, the new form may have run: its results do not belong
            # to the old key.
            if run.ran and not stop and run.key == page_key(cells(run.page), self.root):
                self.store.save(run.key, run.ran)
        except (OSError, ValueError) as error:
            # The disk may be full or read-only, or the page unreadable by now: the results are not kept.
            print(f"the results of {run.page.name} are not kept: {error}", file=sys.stderr)
        finally:
            run.done.set()
        if not run.given_up:
            # In a build, where no server comes, this thread waits here until the process ends.
            build_again = self.build_again.result()
            before = self._builds
            if any(not other.done.is_set() for other in list(self.runs.values())):
                time.sleep(SHARED)
            # If another page has asked for a build meanwhile, that build shows this page, too.
            if self._builds == before:
                self._builds += 1
                build_again()

    def _wait(self, run: Running, why: str) -> None:
        """Wait until the measurement that was running, of a page or a command, has ended."""
        print(f"{run.page.name} waits: {why}", file=sys.stderr)
        with open(self.root / ".cache" / "lrguide" / "lock", encoding="utf-8") as lock:
            while not run.given_up:
                time.sleep(0.5)
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return

    def _execute(self, run: Running) -> Ran | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "LRGUIDE_MAX_SECONDS": LONGEST,
            **os.environ,
            "LRGUIDE_PAGE": run.page.name,
            "MPLBACKEND": "agg",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",  # the answer comes through a pipe, whatever the terminal can show
            "PYTHONIOENCODING": "utf-8",
            # As in measured runs, what a page trains must not depend on how many cores are free.
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
            # The pages use the package beside them, which the key follows, and not an installed one.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(self.root), os.environ.get("PYTHONPATH")])
            ),
        }
        run.process = subprocess.Popen(
            [sys.executable, str(HERE / "page_run.py"), str(run.page), str(os.getpid())],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches MkDocs alone, which then ends this run
        )
        if run.given_up:  # it was given up just before the process started
            run.give_up()
        try:
            printed, _ = run.process.communicate(timeout=HUNG_AFTER)
        except subprocess.TimeoutExpired:
            print(f"{run.page.name} is stopped after {HUNG_AFTER} seconds", file=sys.stderr)
            os.killpg(run.process.pid, signal.SIGKILL)
            printed, _ = run.process.communicate()
        run.ended = run.process.returncode
        return None if run.ended else Ran.from_json(printed)
