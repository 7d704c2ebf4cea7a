"""MkDocs hook: `::: cosine` on a page of docs/reference becomes the entry of that public name.

`::: all of schedules.md` lists the names on that page, each with its summary.

An entry is made from the docstring and the signature. The source is read and not imported, which
takes a tenth of a second and no Keras. On some other pages the first use of a name leads to its entry.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import posixpath
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from page_markdown import fence
from page_notes import unreadable

MARK = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
OVERVIEW = re.compile(r"^::: all of (\w+\.md)$", re.MULTILINE)
LINKS_FROM = {"snippets.md", "glossary.md", "questions.md", "backends.md"}
NAMED = re.compile(r"(?<![\[`\w])`(?:lrguide\.)?((?:plots\.)?\w+)(?:\([^`]*\))?`(?![\]`])")
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):\n", re.MULTILINE)
INDENTED = re.compile(r"(?: +.*\n?|\n)*")
ITEM = re.compile(r"^(\*{0,2}[\w.]+(?:, [\w.]+)*): ", re.MULTILINE)
TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Errors"}
WIDTH = 79
serving = False

Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Entry:
    """A public name: where it is defined, and under which name it is called."""

    name: str
    module: str
    definition: Definition

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.definition) or ""

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, on one line."""
        first, *_ = self.doc.split("\n\n")
        return " ".join(first.split())


def on_startup(command: str, dirty: bool) -> None:
    """Note whether a reader is looking (serve) or the site must be whole (build)."""
    global serving
    serving = command == "serve"


def entries(package: Path) -> dict[str, Entry]:
    """Every public name of a package: those of `_NAMES`, and the functions of `plots`."""
    (names,) = (
        ast.literal_eval(node.value)
        for node in _parsed(package / "__init__.py").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_NAMES"
    )
    found = {}
    for module, public in names.items():
        for node in _parsed(package / f"{module}.py").body:
            if module == "plots" and isinstance(node, ast.FunctionDef) and node.name[0] != "_":
                found[f"plots.{node.name}"] = Entry(f"plots.{node.name}", module, node)
            elif isinstance(node, Definition) and node.name in public:
                found[node.name] = Entry(node.name, module, node)
    return found


def _parsed(path: Path) -> ast.Module:
    return _tree(path.read_text(encoding="utf-8"), path.name)


@lru_cache(maxsize=100)
def _tree(text: str, name: str) -> ast.Module:
    return ast.parse(text, name)


def places(docs: Path) -> dict[str, str]:
    """Page and anchor of each entry."""
    found = {}
    for page in sorted(docs.glob("reference/*.md")):
        for name in MARK.findall(page.read_text(encoding="utf-8")):
            found[name] = f"reference/{page.name}#{name}"
    return found


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put each entry in its place; lead from the first use of a name to its entry."""
    uri, docs = page.file.src_uri, Path(config.docs_dir)
    if not uri.startswith("reference/") and uri not in LINKS_FROM:
        return markdown
    known = places(docs)
    if "\n::: " in markdown:
        root = Path(config.config_file_path).resolve().parent
        reading = root / "lrguide"
        try:
            found = entries(reading)
            markdown = OVERVIEW.sub(lambda mark: _overview(mark[1], found, known), markdown)
            named = MARK.findall(markdown)
            if unknown := [name for name in named if name not in found]:
                reading = docs / uri
                raise LookupError(f"lrguide has no public name {', '.join(unknown)}")
            if named:
                modules = [found[name].module for name in named]
                markdown = "\n\n".join([markdown, *_files(modules, root)])
            markdown = MARK.sub(lambda mark: "\n\n".join(_entry(found[mark[1]])), markdown)
        except (OSError, SyntaxError, ValueError, LookupError) as error:
            return unreadable(error, reading, root, serving)
    return _linked(markdown, uri, known)


def _overview(page: str, found: dict[str, Entry], known: dict[str, str]) -> str:
    """Each name of a page with its summary."""
    names = [name for name, place in known.items() if place.startswith(f"reference/{page}#")]
    return "\n".join(f"- `{name}`: {found[name].summary}" for name in names if name in found)


def _linked(markdown: str, uri: str, known: dict[str, str]) -> str:
    """Lead from a name in running text to its entry: the first in each section."""
    parts = re.split(r"(^(`{3,}).*?^\2$|^#+ [^\n]*$)", markdown, flags=re.MULTILINE | re.DOTALL)
    done: set[str] = set()

    def link(use: re.Match[str]) -> str:
        place, before = known.get(use[1]), use.string[: use.start()]
        within = before.count("[") > before.count("]")  # the words of another link
        if place is None or within or use[1] in done or place == f"{uri}#{heading}":
            return use[0]
        done.add(use[1])
        return f"[{use[0]}]({posixpath.relpath(place, posixpath.dirname(uri) or '.')})"

    made, heading = [], ""
    for number, part in enumerate(parts):
        if number % 3 == 0:
            part = NAMED.sub(link, part)
        elif number % 3 == 2:
            continue
        elif part.startswith("#"):
            heading = part.lstrip("# ").partition(" ")[0]
            done.clear()
        made.append(part)
    return "".join(made)


def _entry(entry: Entry) -> Iterator[str]:
    """The Markdown of a name, and of the methods of its own."""
    called = entry.name if "." in entry.name else f"lrguide.{entry.name}"
    yield f"## {entry.name} {{ #{entry.name} }}"
    yield from _described(entry.definition, called)
    if isinstance(entry.definition, ast.ClassDef) and not _of_keras(entry.definition):
        for method in entry.definition.body:
            if isinstance(method, ast.FunctionDef) and method.name[0] != "_":
                yield f"### {entry.name}.{method.name} {{ #{entry.name}.{method.name} }}"
                yield from _described(method, method.name)


def _files(modules: Iterable[str], root: Path) -> Iterator[str]:
    """A section that offers modules, each with those that it imports from beside it."""
    yield "## Files to copy {#files}\n\nEach module works in a package of your own, too, with those named beside it."
    for module in dict.fromkeys(modules):
        first, *others = [module, *sorted(_imported(root / "lrguide", module) - {module})]
        links = [f"[{name}.py](../lrguide/{name}.py)" for name in (first, *others)]
        yield f"- {links[0]}" + (f", with {', '.join(links[1:])}" if others else "")


def _of_keras(definition: ast.ClassDef) -> bool:
    """Whether its methods are those that Keras calls."""
    return any(ast.unparse(base).startswith("keras.") for base in definition.bases)


def _imported(package: Path, module: str) -> set[str]:
    """The module and those beside it that it needs, those included that they need."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [
                node.module
                for node in ast.walk(_parsed(package / f"{name}.py"))
                if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
            ]
    return found


def _described(definition: Definition, called: str) -> Iterator[str]:
    yield fence(signature(definition, called), "{ .python .no-copy }")
    text, *sections = SECTION.split(ast.get_docstring(definition) or "")
    yield text.strip()
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        indented = INDENTED.match(body)
        after = body[indented.end() :].strip() if indented else ""
        body = textwrap.dedent(indented[0] if indented else "").strip()
        if title == "Returns":
            yield f"**Returns** {body}"
        elif title == "Example":
            yield from _example(body)
        else:
            yield f"**{TITLES[title]}**"
            _, *items = ITEM.split(body)
            for name, words in zip(items[::2], items[1::2], strict=True):
                words = textwrap.indent(inspect.cleandoc(words), "    ")
                yield f"`{name}`\n:{words[1:]}"
        if after:
            yield after


def signature(definition: Definition, called: str) -> str:
    """As in the source, without `self`; a line for each argument where one line is too short."""
    if isinstance(definition, ast.FunctionDef):
        arguments, returns = definition.args, definition.returns
    else:
        arguments, returns = _made_with(definition), None
    listed = [*arguments.posonlyargs, *arguments.args]
    missing = len(listed) - len(arguments.defaults)
    parts = [
        _argument(argument, arguments.defaults[n - missing] if n >= missing else None)
        for n, argument in enumerate(listed)
        if argument.arg not in ("self", "cls")
    ]
    if arguments.vararg:
        parts.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    parts += [_argument(argument, default) for argument, default in pairs]
    if arguments.kwarg:
        parts.append(f"**{ast.unparse(arguments.kwarg)}")
    end = f" -> {ast.unparse(returns)}" if returns else ""
    line = f"{called}({', '.join(parts)}){end}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{called}(", *(f"    {part}," for part in parts), f"){end}"])


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    if default is None:
        return ast.unparse(argument)
    return f"{ast.unparse(argument)} = {ast.unparse(default)}"


def _made_with(definition: ast.ClassDef) -> ast.arguments:
    """What a class is made with: its `__init__`, or the fields of a dataclass."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return node.args
    fields = [node for node in definition.body if isinstance(node, ast.AnnAssign)]
    values = [field.value for field in fields]
    return ast.arguments(
        posonlyargs=[],
        args=[ast.arg(ast.unparse(field.target), field.annotation) for field in fields],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[value for value in values if value and not isinstance(value, ast.Call)],
    )


def _example(text: str) -> Iterator[str]:
    """The lines to copy, and below them what they print."""
    yield "**Example**"
    code = ""
    for example in doctest.DocTestParser().get_examples(text):
        code += re.sub(r"  # doctest: .*", "", example.source)
        if example.want:
            yield fence(code.rstrip(), "{ .python .lr-wrap }")
            yield fence(example.want.rstrip(), "{ .text .no-copy .lr-output }")
            code = ""
    if code:
        yield fence(code.rstrip(), "{ .python .lr-wrap }")
