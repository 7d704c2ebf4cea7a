"""The built guide as files: its links lead somewhere, and a commit always gives the same files."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import nbformat
import pytest
from conftest import build

DOCS = Path(__file__).parents[1] / "docs"


class Parsed(HTMLParser):
    """A page's anchors and links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.scripts: list[str] = []  # inline ones that run
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inside = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.tags.append((tag, given))
        self.inside = tag == "script" and "src" not in given and "json" not in given.get("type", "")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)
            self.inside = False


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


def test_each_page_says_first_that_nothing_runs_but_its_own_scripts(
    pages: dict[Path, Parsed],
) -> None:
    for page, parsed in pages.items():
        metas = [n for n, (tag, _) in enumerate(parsed.tags) if tag == "meta"]
        first, second = (parsed.tags[n][1] for n in metas[:2])
        assert (metas[:2], first) == ([2, 3], {"charset": "utf-8"}), page
        assert second["http-equiv"] == "Content-Security-Policy"
        rules = {rule.split()[0]: rule.split()[1:] for rule in second["content"].split("; ")}
        digests = (sha256(script.encode()).digest() for script in dict.fromkeys(parsed.scripts))
        hashes = [f"'sha256-{b64encode(digest).decode()}'" for digest in digests]
        assert rules["default-src"] == ["'none'"]
        assert rules["script-src"] == ["'self'", *hashes] and hashes
        assert rules["style-src"] == ["'self'"]
        assert not [tag for tag, given in parsed.tags if any(name[:2] == "on" for name in given)]


@pytest.mark.parametrize("script", sorted(DOCS.glob("*.py")), ids=lambda path: path.stem)
def test_a_page_s_notebook_is_the_code_that_was_run_in_words_that_jupyter_knows(
    site: Path, script: Path
) -> None:
    (path,) = site.rglob(f"{script.stem}.ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, *code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    page = jupytext.read(script)
    assert [c.source for c in code] == [c.source for c in page.cells if c.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "\n%pip install --quiet " in first.source
    for cell in notebook.cells:
        assert not {"tags", "alt"} & set(cell.metadata)
        assert cell.cell_type != "raw"
        if cell.cell_type == "markdown":
            odd = re.findall(
                r"^(?:===|!!!|\?\?\?|---).*|\[\^|<div.*|\]\((?!https:).*", cell.source, re.M
            )
            assert odd == []


# In the picture of a plain plot, which a snippet made, `role` is the first attribute.
FIGURE = re.compile(r'<figure class="lr-figure"><svg (?!role="img").*?</figure>', re.DOTALL)
SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[1] / "docs").glob("*.py"))


def numbers_of_figures(site: Path, page: str) -> list[tuple[str, list[str]]]:
    """Each figure of a page, and the numbers in the tables that its link leads to; not of bands."""
    folder = site if page == "index" else site / page
    found = []
    for number, figure in enumerate(FIGURE.findall((folder / "index.html").read_text()), start=1):
        link = re.search(r'<a href="(.*?)#(.*?)" aria-label="(.*?)"[^>]*>The numbers</a>', figure)
        assert link and link[3] == f"The numbers of figure {number}"
        tables = (folder / link[1]).read_text().partition(f'<h2 id="{link[2]}">')[2]
        cells = re.findall("<td>([^<]+)</td>", tables.partition("<h2 ")[0])
        shown = [each for cell in cells for each in re.sub(r" \(.*\)", "", cell).split(", ")]
        found.append((figure, shown))
    return found


# Bytes: large figures, and on the page on method the plans.
LARGER = dict.fromkeys(("decay", "curves", "finding_a_rate", "method", "why"), 105_000)


@pytest.mark.parametrize("page", SCRIPTS)
def test_a_page_s_html_is_small(site: Path, page: str) -> None:
    path = site / ("" if page == "index" else page) / "index.html"
    assert path.stat().st_size < LARGER.get(page, 80_000)


@pytest.mark.parametrize("page", SCRIPTS)
def test_each_figure_has_its_numbers_one_click_away(site: Path, page: str) -> None:
    figures = numbers_of_figures(site, page)
    assert figures
    for _, shown in figures:
        assert len(shown) >= 9  # the means of three contenders, and the ends of their intervals
        for number in shown:
            assert re.fullmatch(r"(≥ )?-?\d+(\.\d+)?|not finite", number)


@pytest.mark.parametrize("page", ["index", "decay", "optimizers"])
def test_the_numbers_of_a_figure_are_as_many_as_its_dots_and_the_corners_of_its_lines(
    site: Path, page: str
) -> None:
    figure, shown = numbers_of_figures(site, page)[0]
    rows = re.findall(r'<g style="fill:#[^"]*">((?:<use [^>]*/>)+)</g>', figure)
    dots = re.findall(r'<use [^>]*style="fill:#', figure) + re.findall("<use ", "".join(rows))
    lines = re.findall(r'<path d="([^"]*)"[^>]*style="fill:none;stroke:#', figure)
    # Shorter lines are the legend's.
    corners = [line.count("L") + 1 for line in lines if line.count("L") > 2]
    assert len(shown) == len(dots) + sum(corners) > 90


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
