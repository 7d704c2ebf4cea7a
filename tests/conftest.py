"""What must hold before any test runs, and the browser that two files of tests use."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from lrguide.guide.experiments import _use_one_thread

# Experiments need TensorFlow on one thread, and it takes their number only before its start.
_use_one_thread()

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
