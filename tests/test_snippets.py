"""The snippets: each file runs alone, and the page shows each of them as what it is."""

import ast
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "snippets.md").read_text(encoding="utf-8")
FILES = sorted((DOCS / "snippets").glob("*.py"))
SHOWN = re.findall(
    r"^(.*) · \[(\w+\.py)\]\((.*)\)\n\n```python\n--8<-- \"(.*)\"\n```\n\n"
    r"``` { .text .no-copy .lr-output }\n--8<-- \"(.*)\"\n```$",
    PAGE,
    re.M,
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def file_name(path: Path) -> str:
    return path.name


def imported(path: Path) -> set[str]:
    """The libraries that a file imports, Python's own left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=file_name)
def test_a_snippet_runs_alone_and_prints_what_the_page_shows(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # some write a file
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    shown = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert shown.strip()
    assert "nan" not in shown
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    # The last digits depend on the machine.
    numbers, expected = (list(map(float, NUMBER.findall(text))) for text in (printed, shown))
    assert numbers == pytest.approx(expected, rel=0.05, abs=1e-4)


@pytest.mark.parametrize("path", FILES, ids=file_name)
def test_a_snippet_fits_a_page(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) < 80


def test_the_page_shows_every_file_once_and_links_to_it() -> None:
    assert sorted(name for _, name, *_ in SHOWN) == [path.name for path in FILES]
    for _, name, link, source, printed in SHOWN:
        assert (link, source) == (f"snippets/{name}", f"docs/snippets/{name}")
        assert printed == source.replace(".py", ".txt")
    assert PAGE.count("--8<--") == 2 * len(SHOWN)


@pytest.mark.parametrize("needs, name", [(needs, name) for needs, name, *_ in SHOWN])
def test_the_page_says_what_a_snippet_needs(needs: str, name: str) -> None:
    libraries = imported(DOCS / "snippets" / name)
    code = (DOCS / "snippets" / name).read_text(encoding="utf-8")
    called = [f"`{each}`" for each in dict.fromkeys(re.findall(r"lrguide\.(\w+)\(", code))]
    assert needs == (f"Needs lrguide: {', '.join(called)}" if called else "Only Keras")
    assert bool(called) == ("lrguide" in libraries)
    if needs == "Only Keras":
        assert libraries == {"keras"}
    assert libraries <= {"keras", "lrguide", "numpy", "tensorflow", "matplotlib"}
