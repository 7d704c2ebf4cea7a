"""What must hold before any test runs; the built site and the browser that several files use."""

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from probes import probe, run_of

from lrguide.guide import records
from lrguide.guide.experiments import use_one_thread

# The processes that measure set this, too: TensorFlow's default depends on the processor.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# They take minutes, and here other tests look closer; `make test-backend` runs them.
collect_ignore = [f"backends/test_{name}.py" for name in ("kinds", "find_rate", "snippets_here")]


def pytest_configure(config: pytest.Config) -> None:
    """Experiments need TensorFlow on one thread, and it takes their number only before its start.

    The process that hands out the tests to others runs none.
    """
    if config.getoption("dist", "no") == "no" or hasattr(config, "workerinput"):
        use_one_thread()


def pytest_collection_finish() -> None:
    """What is there by now stays: each new training would search it for garbage."""
    gc.freeze()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A records folder with seeds 0 to 2, and the path of its one file."""
    path = tmp_path / "records" / "probe_SMALL.json"
    records.write(path, probe, [run_of(seed) for seed in (2, 0, 1)])
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or Google's."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = "--no-sandbox --disable-gpu --disable-quic --no-first-run"
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[*options.split(), "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide, built as strictly as for publishing; once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, failed = shared / "site", shared / "site-failed"
    with open(shared / "site-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists() and not failed.exists():
            result = build(folder)
            if result.returncode:
                failed.write_text(result.stderr, encoding="utf-8")
    assert not failed.exists(), failed.read_text(encoding="utf-8")
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the guide into a folder."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "LRGUIDE_STRICT": "true", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
