"""What a page's results depend on: its code, what this code imports, what it may read."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import grimp
import jupytext
from grimp.exceptions import SourceSyntaxError

PACKAGE = "lrguide"
LIBRARIES = ("tensorflow", "keras", "numpy", "matplotlib", "joblib", "ipykernel", "jupytext")
HERE = Path(__file__).parent
SETTINGS = (HERE / "page_run.py", HERE / "matplotlibrc")


def key_of(page: Path, root: Path) -> str:
    """The key under which the page's results are kept.

    It follows the code cells, the modules of the package that they import (directly or not), the
    package's data, the stored records where the page can read them, the libraries' versions and
    the kernel's settings. It does not follow prose.
    """
    cells = [cell.source for cell in jupytext.read(page).cells if cell.cell_type == "code"]
    package = root / PACKAGE
    files = modules_used("\n".join(cells), root)
    if files:
        files |= set(package.rglob("*.npz"))
    if package / "guide" / "records.py" in files:
        files |= set((root / "docs" / "records").glob("[!.]*.json"))
    contents = {
        os.path.relpath(path, root): _digest(path) for path in sorted(files | set(SETTINGS))
    }
    parts = [cells, contents, platform.python_version(), *map(version, LIBRARIES)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _digest(path: Path) -> str:
    """Of a file's content; one that cannot be read is left to the page that tries to."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error.strerror)


def modules_used(code: str, root: Path) -> set[Path]:
    """The package's files that this code imports, directly or through one another.

    Read, not imported. Where it is not plain which module a name comes from, the answer is the
    whole package: a run too many, never one too few.
    """
    whole = set((root / PACKAGE).rglob("*.py"))
    sys.path.insert(0, str(root))  # grimp reads the package that Python would import
    try:
        imports = [pair for pair in _imports(code) if pair[0].split(".")[0] == PACKAGE]
        graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    except (SyntaxError, SourceSyntaxError, ValueError, OSError, RecursionError):
        return whole
    finally:
        sys.path.remove(str(root))
    folders = {module: root.joinpath(*module.split(".")) for module in graph.modules}
    paths = {
        module: folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        for module, folder in folders.items()
    }
    used = {home for module, name in imports for home in _homes(module, name, paths)}
    at_will = graph.find_modules_that_directly_import(PACKAGE)  # for a name of whichever module
    for module in graph.modules - {PACKAGE}:  # importing it runs the packages that it lies in
        graph.add_import(importer=module, imported=module.rpartition(".")[0])
    used = used.union(*map(graph.find_upstream_modules, used))
    return whole if used & at_will else {paths[module] for module in used}


def _imports(code: str) -> Iterator[tuple[str, str]]:
    """Pairs (module, name) of all imports; no name where the module itself is bound."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):  # `import a.b` binds a, `import a.b as c` binds a.b
            yield from ((a.name if a.asname else a.name.split(".")[0], "") for a in node.names)


def _homes(module: str, name: str, paths: dict[str, Path]) -> Iterable[str]:
    """The modules that an import may take the name from; all of them if none can be told."""
    for home in (f"{module}.{name}", module):
        if home in paths and paths[home].name != "__init__.py":
            return [home]
    binds = re.compile(rf"^(?:def |class )?{re.escape(name or '*')}\b", re.MULTILINE)
    return [home for home, path in paths.items() if binds.search(path.read_text("utf-8"))] or paths
