"""The search of the real site, in a real browser: readers type words, and find what answers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import Quiet, served

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

# What readers type, and the pages of which one comes first or second.
SEARCHES = {
    "confirm": "reference/range_test range_test",
    "underfitting": "questions",
    "overfitting": "questions",
    "loss stuck": "questions",
    "loss nan": "questions",
    "loss spikes": "questions",
    "accuracy 10 %": "questions",
    "loss does not decrease": "questions",
    "loss explodes": "questions",
    "diverges": "questions curves",
    "nan": "questions curves",
    "exploding": "questions curves",
    "exploding loss": "questions curves",
    "dead relu": "why curves",
    "why warmup": "why decay",
    "fine-tuning": "questions",
    "training unstable": "questions",
    "stuck at chance": "questions fixed_rates",
    "slow training": "questions",
    "validation loss increases": "questions",
    "2.30": "questions",
    "inf loss": "questions",
    "val_loss goes up": "questions",
    "learning rate too low": "questions fixed_rates",
    "plateau": "questions",
    "schedule does nothing": "questions",
    "steps or epochs": "questions",
    "which learning rate": "questions choosing",
    "0.01 or 0.001": "questions fixed_rates",
    "learning rate too high": "fixed_rates",
    "adam default": "optimizers fixed_rates",
    "SGD": "optimizers",
    "warmup": "decay",
    "decay": "decay",
    "step decay": "decay",
    "weight decay": "batch_size snippets",
    "cosine": "reference/schedules",
    "restarts": "reference/cycles",
    "1cycle": "cyclical",
    "OneCycle": "cyclical",
    "CyclicLR": "cyclical",
    "cyclical": "cyclical",
    "momentum": "cyclical",
    "range test": "range_test",
    "LRFinder": "range_test",
    "batch size": "range_test questions",
    "install": "index",
    "pytorch": "backends",
    "jax": "backends",
    "optax": "translate",
    "resume": "snippets",
    "resume training": "snippets",
    "early stopping": "snippets",
    "gradient accumulation": "snippets",
    "ReduceLROnPlateau": "snippets",
    "schedule explorer": "explorer",
    "lr_range_test": "reference/range_test",
    "LearningRateLogger": "reference/training",
    "download runs": "records",
}


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with served(site, Quiet) as url:
        yield url


@pytest.fixture(scope="module")
def search(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(url, wait_until="networkidle")
    page.locator(".md-search__input").first.click()
    yield page
    page.close()


@pytest.mark.parametrize("words", SEARCHES)
def test_search_brings_the_right_page_first_or_second(search: Page, url: str, words: str) -> None:
    ask = """(field, words) => {
      field.value = words
      field.dispatchEvent(new KeyboardEvent("keyup"))
    }"""
    results = search.locator(".md-search-result__item")
    search.locator(".md-search__input").first.evaluate(ask, "")
    expect(results).to_have_count(0)
    search.locator(".md-search__input").first.evaluate(ask, words)
    results.first.wait_for(timeout=15_000)
    found = [result.locator("a").first.get_attribute("href") or "" for result in results.all()[:2]]
    pages = [re.sub(r"[?#].*", "", each.removeprefix(url)).strip("/") or "index" for each in found]
    assert {*pages} & {*SEARCHES[words].split()}, pages
