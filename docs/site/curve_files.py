"""MkDocs hook: the data of the atlas of curves and of its game, made from the records."""

from __future__ import annotations

import logging
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from lrguide.guide import atlas

log = logging.getLogger("mkdocs.curves")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Put what a browser fetches beside the page that shows it."""
    records = Path(config.docs_dir, "records")
    if not (records / "trace_SHORT.json").is_file():
        return
    try:
        for name, text in atlas.files(records):
            files.append(File.generated(config, f"curves/{name}", content=text))
    except ValueError as error:
        log.warning(str(error))
