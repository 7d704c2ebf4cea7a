"""A range test leaves no trace on any kind of model, on the backend that Keras runs on."""

from __future__ import annotations

import pytest
from kinds import BACKEND, KINDS
from tracelessness import problems


@pytest.mark.parametrize("name", [name for name in KINDS if BACKEND not in KINDS[name].refused_by])
def test_nothing_is_left_and_the_same_seeds_give_the_same_losses(name):
    assert problems(KINDS[name]) == []
