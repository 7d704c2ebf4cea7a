"""MkDocs hook: each page's Markdown beside it, and `llms.txt`, which lists them.

The Markdown is what the page is rendered from. It has the measured numbers, the code and what that
prints; a figure is described in words, with a link to its numbers. No `<link rel="alternate">` names
it, since the theme takes one for a translation and then asks for a sitemap.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import addresses
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure import StructureItem
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

FIGURE = re.compile(
    r'<figure class="lr-figure">.*?aria-label="([^"]*)".*?(?:<a href="([^"]*)".*?)?</figure>',
    re.DOTALL,
)
LEFT_OUT = re.compile(r'<div class="lr-(?:explorer|foot)".*?</div>\n?', re.DOTALL)
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
order: list[StructureItem] = []  # pages and groups of the build under way
written: dict[str, str] = {}  # the Markdown of each page in the build under way


@event_priority(-100)  # when the other hooks have changed what they do
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Keep what the page is rendered from, with words for its figures and links to Markdown."""
    root = Path(config.config_file_path).resolve().parent

    def included(match: re.Match[str]) -> str:
        path = root / match[1]
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    def link(match: re.Match[str]) -> str:
        name = posixpath.normpath(posixpath.join(page.file.src_uri, "..", match[1]))
        file = files.get_file_from_path(name)
        if file is None:
            return match[0]
        place = _path(file.page) if file.page else file.url
        return get_relative_url(place, page.url) + (match[2] or "")

    def words(match: re.Match[str]) -> str:
        numbers = f" ([its numbers]({match[2]}))" if match[2] else ""
        return f"Figure: {unescape(match[1])}{numbers}"

    text = LEFT_OUT.sub("", FIGURE.sub(words, LINK.sub(link, SNIPPET.sub(included, markdown))))
    written[_path(page)] = text.strip() + "\n"


def _path(page: Page) -> str:
    """Where a page's Markdown lies, as llmstxt.org proposes: `decay/index.html.md`."""
    return f"{page.file.dest_uri}.md"


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Begin anew; keep the order of the pages."""
    written.clear()
    order[:] = nav.items


def on_post_build(config: MkDocsConfig) -> None:
    """Write the files."""
    listed = "\n".join(_listed(order, addresses.of_site(config)))
    guide = f"# {config.site_name}\n\n> {config.site_description}\n\n{listed}\n"
    for name, text in {**written, "llms.txt": guide}.items():
        Path(config.site_dir, name).write_text(text, encoding="utf-8")


def _listed(items: Sequence[StructureItem], site: str) -> Iterator[str]:
    """A line for each page, a heading for each group; addresses begin where the site is known."""
    for item in items:
        if isinstance(item, Section):
            yield f"\n## {item.title}\n"
            yield from _listed(item.children, site)
        elif isinstance(item, Page) and _path(item) in written:
            title = item.meta.get("title") or item.title
            about = f": {item.meta['description']}" if item.meta.get("description") else ""
            yield f"- [{title}]({site}{_path(item)}){about}"
