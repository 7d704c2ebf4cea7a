"""What a page's results depend on: its code, the whole package and its data, the stored runs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from lrguide.guide.pages import Cell

LIBRARIES = ("tensorflow", "keras", "numpy", "matplotlib", "joblib")
HERE = Path(__file__).parent


def page_key(cells: list[Cell], root: Path) -> str:
    """The key under which the results of a page with these cells are kept.

    It follows the code cells, the package with its data, the stored records, the libraries'
    versions and how pages are run. It does not follow prose.
    """
    package = root / "lrguide"
    files = [*package.rglob("*.py"), *package.rglob("*.npz")]
    files += [*(root / "docs" / "records").glob("[!.]*.json"), HERE / "page_run.py"]
    contents = {os.path.relpath(path, root): _content(path) for path in sorted(files)}
    code = [cell.text for cell in cells if cell.kind == "code"]
    parts = [code, contents, platform.python_version(), *map(version, LIBRARIES)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _content(path: Path) -> str:
    """The hash of a file; one that cannot be read is left to the page that tries to."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error.strerror)
