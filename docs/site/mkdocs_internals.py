"""What MkDocs does not promise, and the site needs all the same.

Each function checks that what it relies on is there, and otherwise ends the build with one sentence
that says which version has moved it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.pages import Page
from watchdog.events import FileModifiedEvent


def moved(name: str) -> PluginError:
    """The sentence for a name that is not where it was."""
    return PluginError(
        f"the site relies on {name} of MkDocs, which version {version('mkdocs')} has moved: "
        "install a version that the tests have seen"
    )


def guard_render(page: Page, own: bool, note: Callable[[Exception], str]) -> None:
    """Let a page that cannot be rendered show a note in its place.

    Args:
        page: It is given a `render` of its own, which MkDocs then calls.
        own: Whether to take back what a plugin has put in the place of MkDocs' own `render`.
        note: The Markdown to show, made from the error.
    """
    if own:
        vars(page).pop("render", None)
    render: Any = getattr(page, "render", None)
    if render is None:
        raise moved("Page.render")

    def render_or_note(*arguments: Any) -> None:
        try:
            render(*arguments)
        except Exception as error:
            page.markdown = note(error)
            render(*arguments)

    vars(page)["render"] = render_or_note


def change_in(folder: str, server: LiveReloadServer) -> Callable[[], None]:
    """What makes the server build again, as if something in the folder had changed."""
    observer = getattr(server, "observer", None)
    if not hasattr(observer, "emitters"):
        raise moved("LiveReloadServer.observer")

    def change() -> None:
        for watched in server.observer.emitters:
            watched.queue_event(FileModifiedEvent(folder))

    return change
