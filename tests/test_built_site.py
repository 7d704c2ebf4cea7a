"""The built guide as files: its links lead somewhere, and a commit always gives the same files."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import build


class Parsed(HTMLParser):
    """A page's anchors and links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.links += [given[name] for name in ("href", "src") if name in given]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Parsed]:
    return {page: Parsed(page) for page in sorted(site.rglob("*.html"))}


def target(page: Path, link: str) -> tuple[Path, str]:
    """The file and the anchor that a relative link leads to."""
    parts = urlsplit(link)
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def test_each_link_leads_to_a_file_and_each_fragment_to_an_anchor(
    pages: dict[Path, Parsed],
) -> None:
    followed, dead = 0, []
    for page, parsed in pages.items():
        if page.name == "404.html":  # its links begin at the host's root, wherever it is shown
            continue
        for link in parsed.links:
            if not re.match(r"[a-z]+:|//", link):
                followed += 1
                path, anchor = target(page, link)
                if not path.is_file() or (anchor and anchor not in pages[path].ids):
                    dead.append(f"{page.parent.name}: {link}")
    assert dead == []
    assert followed > 100


def test_two_builds_of_one_commit_are_the_same_to_the_byte(site: Path, tmp_path: Path) -> None:
    """Here with the pages' results from the cache; `test_site.py` runs small pages twice."""
    result = build(tmp_path)
    assert result.returncode == 0, result.stderr
    first, second = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (site, tmp_path)
    )
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []
