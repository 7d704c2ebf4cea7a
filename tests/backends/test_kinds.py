"""A range test leaves no trace on any kind of model, on the backend that Keras runs on."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import BACKEND, KINDS, table
from tracelessness import problems

PAGE = Path(__file__).parents[2] / "docs/backends.md"


@pytest.mark.parametrize("name", [name for name in KINDS if BACKEND not in KINDS[name].refused_by])
def test_nothing_is_left_and_the_same_seeds_give_the_same_losses(name):
    assert problems(KINDS[name]) == []


def test_the_guide_shows_what_these_tests_expect():
    assert table() in PAGE.read_text(encoding="utf-8"), table()
