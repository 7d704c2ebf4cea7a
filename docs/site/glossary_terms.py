"""MkDocs hook: the first use of a glossary term on a page explains itself and leads to the glossary.

The terms are read from docs/glossary.md, so nothing is written twice. A link with a title, not an
`abbr`: it is reached by keyboard and by touch, and works without a script.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

GLOSSARY = "glossary.md"
ENTRY = re.compile(r"^(\S.*) \{#([\w-]+)\}\n((?:\S.*\n)*?):   ((?:.+\n)+)", re.MULTILINE)
NOT_IN = {"a", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "th", "abbr", "label", "summary"}
linked = {"from": ""}  # the page that is being rendered


@cache
def terms(page: Path, changed: float) -> dict[str, tuple[str, str]]:
    """Anchor and first sentence of each term, in lower case."""
    found = {}
    for name, anchor, others, text in ENTRY.findall(page.read_text(encoding="utf-8")):
        plain = " ".join(re.sub(r"`|\[([^]]*)\]\([^)]*\)", r"\1", text).split())
        sentence = re.split(r"(?<=\.) ", plain)[0]
        for each in (name, *others.split("\n")):
            if each:
                found[each.lower()] = (anchor, sentence)
    return found


class FirstUses(Treeprocessor):
    """Turns the first use of each term into a link."""

    def __init__(self, md: Markdown, glossary: Path) -> None:
        super().__init__(md)
        self.glossary = glossary

    def run(self, root: ElementTree.Element) -> None:
        """Go through the page in reading order."""
        try:
            self.left = dict(terms(self.glossary, self.glossary.stat().st_mtime))
        except (OSError, ValueError):  # its own page reports a file that is gone or is no text
            self.left = {}
        if linked["from"] != GLOSSARY:
            self.inside(root)

    def inside(self, element: ElementTree.Element) -> None:
        if element.tag in NOT_IN:
            return
        children = list(element)
        self.put(element, None, 0, element.text)
        for child in children:
            self.inside(child)
            self.put(element, child, list(element).index(child) + 1, child.tail)

    def put(self, parent: ElementTree.Element, before: Any, place: int, text: str | None) -> None:
        """Cut a piece of text of an element at each term that is new."""
        while text and self.left and (match := self.find(text)):
            head, rest = text[: match.start()], text[match.end() :]
            if before is None:
                parent.text = head
            else:
                before.tail = head
            before = self.link(match[0])
            before.tail = text = rest
            parent.insert(place, before)
            place += 1

    def find(self, text: str) -> re.Match[str] | None:
        longest = sorted(self.left, key=len, reverse=True)
        words = "|".join(re.escape(term).replace(r"\ ", r"\s") for term in longest)
        return re.search(rf"(?<![\w-])(?:{words})s?(?![\w-])", text, re.IGNORECASE)

    def link(self, words: str) -> ElementTree.Element:
        term = " ".join(words.lower().split())
        anchor, sentence = self.left[term if term in self.left else term.removesuffix("s")]
        self.left = {name: entry for name, entry in self.left.items() if entry[0] != anchor}
        page = posixpath.relpath(GLOSSARY, posixpath.dirname(linked["from"]) or ".")
        made = ElementTree.Element("a", {"href": f"{page}#{anchor}", "title": sentence})
        made.set("class", "lr-term")
        made.text = words
        return made


class Glossary(Extension):
    """Registers `FirstUses`: after the inline patterns, before MkDocs looks at links."""

    def __init__(self, glossary: Path) -> None:
        super().__init__()
        self.glossary = glossary

    def extendMarkdown(self, md: Markdown) -> None:
        md.treeprocessors.register(FirstUses(md, self.glossary), "glossary", 5)


def on_config(config: MkDocsConfig) -> None:
    """Add the extension where there is a glossary."""
    glossary = Path(config.docs_dir, GLOSSARY)
    if glossary.exists() and not any(isinstance(e, Glossary) for e in config.markdown_extensions):
        config.markdown_extensions.append(Glossary(glossary))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Any) -> None:
    """Note where links must lead from."""
    linked["from"] = page.file.src_uri
