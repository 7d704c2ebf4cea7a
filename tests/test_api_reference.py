"""The reference: each public name with what its docstring and its signature say."""

import ast
import contextlib
import doctest
import inspect
import io
import re
from pathlib import Path
from typing import Any

import api_reference
import pytest
from api_reference import entries, places
from sites import REAL_PACKAGE, REPOSITORY, Site
from test_package import modules, with_what_it_imports
from test_public import public

PACKAGE, DOCS = REPOSITORY / "lrguide", REPOSITORY / "docs"
PUBLIC = dict(public())
ENTRIES = entries(PACKAGE)
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)


def entry_of(name: str) -> str:
    """The Markdown of an entry, without those of its methods."""
    text = "\n\n".join(api_reference._entry(ENTRIES[name]))
    return text.split("\n### ")[0]


def blocks(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The signature of an entry, and the example: code, and what it prints below it."""
    (_, shown), *rest = FENCE.findall(entry_of(name))
    example: list[tuple[str, str]] = []
    for language, text in rest:
        if "lr-output" in language:
            example[-1] = (example[-1][0], text)
        else:
            example.append((text, ""))
    return shown, example


def test_each_public_name_has_one_entry_and_the_overview_leads_to_it() -> None:
    pages = "".join(path.read_text("utf-8") for path in sorted(DOCS.glob("reference/*.md")))
    marks = re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)
    assert sorted(marks) == sorted(PUBLIC) == sorted(ENTRIES)
    lists = api_reference.OVERVIEW.findall((DOCS / "reference/index.md").read_text("utf-8"))
    listed = [api_reference._overview(page, ENTRIES, places(DOCS)) for page in lists]
    lines = "\n".join(listed).splitlines()
    named = [re.fullmatch(r"- `([\w.]+)`: \S.*[.:]", line) for line in lines]
    assert sorted(match[1] for match in named if match) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_its_signature_is_the_one_that_python_knows(name: str) -> None:
    shown, _ = blocks(name)
    called, arguments = shown.strip().split("(", 1)
    assert called == (name if "." in name else f"lrguide.{name}")
    (made,) = ast.parse(f"def f({arguments}: ...").body
    assert isinstance(made, ast.FunctionDef)
    known = [*inspect.signature(PUBLIC[name]).parameters.values()]
    given = made.args
    names = [*given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    assert [each.arg for each in names if each] == [each.name for each in known]
    assert [each.arg for each in given.kwonlyargs] == [
        each.name for each in known if each.kind == each.KEYWORD_ONLY
    ]
    defaults = [each for each in [*given.defaults, *given.kw_defaults] if each]
    expected = [each.default for each in known if each.default is not each.empty]
    assert [ast.unparse(each) for each in defaults] == list(map(repr, expected))
    assert max(map(len, shown.splitlines())) <= 79


def printed(code: str, names: dict[str, Any]) -> str:
    """What Python prints when somebody types this code into it."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for statement in ast.parse(code).body:
            exec(compile(ast.Interactive([statement]), "<typed>", "single"), names)
    return said.getvalue()


@pytest.mark.parametrize("name", PUBLIC)
def test_its_example_prints_what_it_shows(name: str) -> None:
    _, example = blocks(name)
    assert example
    assert "doctest" not in str(example) and ">>>" not in str(example)
    if name == "mnist_full":  # which downloads
        return
    names: dict[str, Any] = {}
    for code, shown in example:
        told = printed(code, names)
        assert doctest.OutputChecker().check_output(shown, told, doctest.ELLIPSIS), told
    # An example that draws prints nothing; each other one shows a result.
    assert example[-1][1] or name.startswith("plots.")


@pytest.mark.parametrize("name", PUBLIC)
def test_it_names_each_argument_and_each_error_of_the_docstring(name: str) -> None:
    doc, text = inspect.getdoc(PUBLIC[name]) or "", entry_of(name)
    for listed in re.findall(
        r"^(?:Args|Attributes|Raises):\n((?:    .*\n|\n)+)", doc, re.MULTILINE
    ):
        for item, first in re.findall(r"^    (\*{0,2}\w+): (\S+)", listed, re.MULTILINE):
            assert f"`{item}`\n:   {first}" in text
    assert doc.split("\n\n")[0] in text


@pytest.mark.parametrize("name", [name for name in modules() if name != "__init__"])
def test_a_module_is_offered_with_all_that_it_imports(name: str) -> None:
    assert api_reference._imported(PACKAGE, name) == set(with_what_it_imports(name)) - {"__init__"}


KNOWN = {"cosine": "reference/schedules.md#cosine", "plots.svg": "reference/plots.md#plots.svg"}
COSINE = "(reference/schedules.md#cosine)"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("`cosine` and `cosine`", f"[`cosine`]{COSINE} and `cosine`"),
        ("`lrguide.cosine(0.1, 4)`", f"[`lrguide.cosine(0.1, 4)`]{COSINE}"),
        ("`plots.svg`", "[`plots.svg`](reference/plots.md#plots.svg)"),
        ("`sine` cosine", "`sine` cosine"),
        ("[`cosine`](a.md)", "[`cosine`](a.md)"),
        ("[the `cosine` one](a.md)", "[the `cosine` one](a.md)"),
        ("# `cosine`", "# `cosine`"),
        ("```\n`cosine`\n```", "```\n`cosine`\n```"),
    ],
)
def test_the_first_use_of_a_name_in_running_text_leads_to_its_entry(
    written: str, read: str
) -> None:
    assert api_reference._linked(written, "snippets.md", KNOWN) == read


def test_an_entry_does_not_lead_to_itself() -> None:
    page = "## cosine { #cosine }\n\n`cosine`\n\n## linear { #linear }\n\n`cosine`"
    linked = api_reference._linked(page, "reference/schedules.md", KNOWN)
    assert linked == page[: -len("`cosine`")] + "[`cosine`](schedules.md#cosine)"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    pages = {"index.md": "# Home\n", "reference/schedules.md": "# Schedules\n\n::: linear\n"}
    return Site(tmp_path, pages, REAL_PACKAGE)


def test_an_entry_is_part_of_its_page_and_of_the_search(site: Site) -> None:
    result = site.build()
    assert result.returncode == 0, result.stderr
    assert '<h2 id="linear">linear' in site.html("reference/schedules")
    index = (site.folder / "site/search/search_index.json").read_text(encoding="utf-8")
    assert '"location":"reference/schedules/#linear"' in index


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "docs/reference/schedules.md",
            "::: linear",
            "::: linnear",
            "docs/reference/schedules.md cannot be shown "
            "(LookupError: lrguide has no public name linnear)",
        ),
        (
            "lrguide/schedules.py",
            "def linear(",
            "def linear((",
            "lrguide cannot be shown (SyntaxError: '(' was never closed (schedules.py, line ",
        ),
    ],
)
def test_an_entry_that_cannot_be_made_ends_a_build_with_a_sentence(
    site: Site, file: str, old: str, new: str, said: str
) -> None:
    site.edit(file, old, new)
    result = site.build()
    assert result.returncode == 1
    assert said in result.stderr and "Traceback" not in result.stderr
