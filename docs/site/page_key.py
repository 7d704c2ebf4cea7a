"""What a page's results depend on: its code, what this code imports, what it may read."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jupytext

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
    cells = [
        (cell.source, "raises-exception" in cell.metadata.get("tags", []))
        for cell in jupytext.read(page).cells
        if cell.cell_type == "code"
    ]
    package = root / PACKAGE
    files = modules_used("\n".join(source for source, _ in cells), package)
    if files:
        files |= {path for path in _files(package) if path.suffix not in {".py", ".pyc"}}
    if package / "guide" / "records.py" in files:
        files |= set(_files(root / "docs" / "records"))
    parts = {
        "cells": cells,
        "files": {
            os.path.relpath(path, root): _digest(path) for path in sorted(files | set(SETTINGS))
        },
        "versions": [platform.python_version(), *map(_version, LIBRARIES)],
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def modules_used(code: str, package: Path) -> set[Path]:
    """The package's files that this code imports, directly or through one another.

    Read, not imported. Where it is not plain which module a name comes from (`import package`
    and then an attribute), the answer is the whole package: a run too many, never one too few.
    """
    used: set[Path] = set()
    waiting = list(_imports(_tree(code), package.name))
    seen: set[tuple[str, str]] = set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        found = _resolve(module, name, package)
        for path in found - used:
            inside = path.relative_to(package.parent).with_suffix("").parts
            is_package = inside[-1] == "__init__"
            here = ".".join(inside[:-1] if is_package else inside)
            waiting += _imports(_tree(path.read_text()), package.name, here, is_package)
        used |= found
    return used


def _imports(
    tree: ast.AST, package: str, here: str = "", is_package: bool = False
) -> Iterator[tuple[str, str]]:
    """Pairs (module, name) that this code imports from the package; no name for a bare import."""
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    yield alias.name, ""
                    if (
                        alias.asname is None
                    ):  # binds the package itself, whose names load when asked
                        yield package, ""
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parents = here.split(".")[: len(here.split(".")) - node.level + is_package]
                module = ".".join([*parents, *filter(None, [module])])
            if module.split(".")[0] == package:
                yield from ((module, alias.name) for alias in node.names)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _executed(child)


def _resolve(module: str, name: str, package: Path) -> set[Path]:
    """The files that are read when `name` is imported from `module`."""
    folder = package.parent.joinpath(*module.split("."))
    parents = [folder, *folder.parents][: len(module.split("."))]
    files = {parent / "__init__.py" for parent in parents if (parent / "__init__.py").exists()}
    if folder.with_suffix(".py").exists():
        return files | {folder.with_suffix(".py")}
    if not (folder / "__init__.py").exists():
        return files
    if name and (folder / name).is_dir():
        return files | _resolve(f"{module}.{name}", "", package)
    if name and (folder / f"{name}.py").exists():
        return files | {folder / f"{name}.py"}
    tree = _tree((folder / "__init__.py").read_text())
    if name in _defined(tree):
        return files
    home = _lazy_home(tree, name)
    if home is not None:
        target = home.removeprefix(module).removeprefix(".")
        return files | _resolve(f"{module}.{target}", name, package)
    # A name that nothing explains, or a bare import of a package that loads its names when asked.
    return set(folder.rglob("*.py")) | files


def _defined(tree: ast.Module) -> set[str]:
    """Names that the module's own top level binds."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _lazy_home(tree: ast.Module, name: str) -> str | None:
    """The module that a lazy `__init__` names for `name`: {name: module} or {module: [names]}."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                    continue
                if key.value == name and isinstance(value, ast.Constant):
                    return str(value.value)
                if name in {
                    item.value for item in ast.walk(value) if isinstance(item, ast.Constant)
                }:
                    return key.value
    return None


def _tree(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError:  # the page is run all the same and shows the error
        return ast.Module([], [])


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
