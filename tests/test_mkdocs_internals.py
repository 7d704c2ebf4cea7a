"""What is not public in MkDocs: where it has moved, a sentence says so."""

import types
from collections.abc import Callable
from typing import Any

import pytest
from mkdocs.exceptions import PluginError
from mkdocs_internals import change_in, guard_render

MOVED: dict[str, Callable[[Any], Any]] = {
    "Page.render": lambda other: guard_render(other, own=True, note=str),
    "LiveReloadServer.observer": lambda other: change_in("docs", other),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_name_that_has_moved_ends_the_build_with_the_version(name: str) -> None:
    with pytest.raises(PluginError, match=rf"^the site relies on {name} of MkDocs, which version"):
        MOVED[name](types.SimpleNamespace(renamed=1))
