"""MkDocs hook: the site carries the package, as a wheel and as modules to copy.

The wheel lies beside the home page, and `<div class="lr-install"></div>` on a page becomes the line
that installs it from there, with Keras' backend. The build knows the address where `site_url` is set
or a server shows the site; elsewhere, and at a mirror, assets/lrguide.js puts in the one that the
page came from. hatchling is part of the environment, so a build needs no network.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import addresses
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from page_markdown import INSTALL

log = logging.getLogger("mkdocs.pages")
BACKEND = "tensorflow"  # which the guide was measured on
wheel: dict[str, bytes] = {}  # the file of the build under way, by its name
serving = False


def on_startup(command: str, dirty: bool) -> None:
    """Note whether a reader is looking (serve) or the site must be whole (build)."""
    global serving
    serving = command == "serve"


def on_config(config: MkDocsConfig) -> None:
    """Build the wheel; in `config.extra` other hooks find its name, and what a notebook needs."""
    root = Path(config.config_file_path).resolve().parent
    wheel.clear()
    config.extra |= {"wheel": "", "pip": ""}
    if not (root / "pyproject.toml").exists():  # as in the tests' small sites
        return
    try:
        name, content = built(root)
    except ValueError as error:
        if not serving:
            raise PluginError(str(error)) from error
        log.error(str(error))
    else:
        wheel[name] = content
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        (backend,) = project["optional-dependencies"][BACKEND]
        config.extra |= {"wheel": name, "pip": f'{name} "{backend}"'}


def built(root: Path) -> tuple[str, bytes]:
    """Name and content of the package's wheel, the same to the byte wherever its files are.

    Raises:
        ValueError: with what hatchling says, if the package cannot be built.
    """
    # hatchling then dates all files alike, so that a new wheel means another package.
    undated = {name: text for name, text in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        done = subprocess.run(
            [*command, "--directory", folder],
            cwd=root,
            env=undated,
            capture_output=True,
            encoding="utf-8",
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise ValueError(f"the package could not be built: {' '.join(last)}")
        (path,) = Path(folder).glob("*.whl")
        return path.name, path.read_bytes()


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Put the wheel and the package's modules beside the pages."""
    root = Path(config.config_file_path).resolve().parent
    for name, content in wheel.items():
        files.append(File.generated(config, name, content=content))
    for path in sorted((root / "lrguide").glob("*.py")):
        with contextlib.suppress(OSError):  # it has just been deleted
            content = path.read_bytes()
            files.append(File.generated(config, f"lrguide/{path.name}", content=content))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the line that installs the package in its place."""
    return markdown.replace(INSTALL, _install(config, page)) if INSTALL in markdown else markdown


def _install(config: MkDocsConfig, page: Page) -> str:
    name = config.extra["wheel"]
    if not name:
        return ""
    site, save = addresses.of_site(config), ""
    if not site:
        here = get_relative_url(name, page.url)
        save = f'<p class="lr-save">Save <a href="{here}" download>{name}</a>, and in its folder:</p>\n\n'
    return f"{save}``` {{ .text .lr-install }}\npip install {site or './'}{name} {BACKEND}\n```"
