"""What the tables of bad arguments have in common."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Row = tuple[dict[str, Any], type[Exception], str]
"""Changed arguments, the error and its whole message."""


def sentence(error: type[Exception], call: Callable[[], Any]) -> str:
    """The message of the very error, on one line and without a second sentence."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert type(caught.value) is error
    assert "\n" not in text and len(text) < 250 and not re.search(r"[.]\s|[^.][.]$", text), text
    return text


def without_a_row(function: Callable[..., Any], rows: Iterable[Row], free: str = "") -> list[str]:
    """Parameters of a function that no row of a table of bad arguments changes."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(function).parameters.values()
    changed = {name for row in rows for name in row[0]} | {"self", *free.split()}
    return [each.name for each in parameters if each.kind not in kinds and each.name not in changed]
