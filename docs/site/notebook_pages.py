"""MkDocs hook: script pages are run aside, rendered as Markdown, and treated like any other page.

mkdocs-jupyter finds the scripts (`include`) and copies them beside their pages. Its HTML is not
used: MkDocs renders the Markdown that `page_markdown` makes, so that links are checked, the
prose is searched and every Markdown extension works.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import logging
import os
import posixpath
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import addresses
import nbformat
import yaml
from jinja2 import Environment, Template
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs_internals import change_in, guard_render
from page_foot import foot_of, made_of, stored_records
from page_markdown import shortened, to_markdown
from page_notebook import to_notebook
from page_notes import doubted, running, stopped, unreadable
from page_results import Results, Running
from runs_csv import table_of

from lrguide.guide.pages import Ran, cells

log = logging.getLogger("mkdocs.pages")
logging.getLogger("mkdocs.plugins.mkdocs_jupyter").setLevel(logging.WARNING)
HEADER = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
# The theme takes for granted that these parts of a page's header have these types.
IN_HEADER = dict.fromkeys(("title", "description", "template"), str) | {"hide": list, "tags": list}
serving = False
ran: dict[str, Ran] = {}  # each script page as it ran in the build under way
cards: dict[str, str] = {}  # the public address of each page's picture
templates: list[Template] = []  # the template of the pages of numbers in this build
sources: list[str] = []  # the files that the last build was made of


@functools.cache  # MkDocs keeps this module while it serves, and with it the runs under way
def results_of(root: Path) -> Results:
    """The results of the site whose mkdocs.yml lies in `root`."""
    results = Results(root)
    atexit.register(results.stop)
    return results


def on_startup(command: str, dirty: bool) -> None:
    """Note whether a reader is looking (serve) or the site must be whole (build)."""
    global serving
    serving = command == "serve"


def on_config(config: MkDocsConfig) -> None:
    """Two builds of one commit are the same to the byte: date them by the commit, not the clock."""
    git = ["git", "-C", str(_root(config)), "log", "-1", "--format=%ct"]
    if "SOURCE_DATE_EPOCH" not in os.environ:
        # Where this is no clone, today's date stands.
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            stamp = subprocess.run(git, capture_output=True, check=True).stdout.decode("ascii")
            os.environ["SOURCE_DATE_EPOCH"] = stamp.strip()


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the table of all runs, made from their records; leave out what cannot be copied.

    MkDocs would stop at such a file, and answer no request any more while it serves.
    """
    global sources
    for file in list(files):
        path = Path(file.abs_src_path or "")
        if file.src_dir == config.docs_dir and not file.is_documentation_page():
            if path.is_file() and os.access(path, os.R_OK):
                continue
            words = f"{os.path.relpath(path, _root(config))} is not a file that can be read"
            if not serving:
                raise PluginError(words)
            log.error(words)
            files.remove(file)
    sources = [file.abs_src_path for file in files if file.abs_src_path]
    records = Path(config.docs_dir, "records")
    if records.is_dir():
        try:
            table = table_of(records)
        except ValueError as error:
            log.warning(str(error))
        else:
            files.append(File.generated(config, "records/runs.csv", content=table))


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Start the runs of all pages that need one, so that they go side by side; end all others."""
    results = results_of(_root(config))
    results.only({Path(file.abs_src_path or "") for file in files if _is_script(file)})
    for file in files.documentation_pages():
        if _is_script(file):
            path = Path(str(file.abs_src_path))
            before = results.runs.get(path)
            try:
                run = results.of(path)
            except Exception:  # `on_page_read_source` reports a page that cannot be read
                continue
            if isinstance(run, Running) and run is not before:
                log.info(f"Running {file.src_uri}: its code or what it imports is new")


def on_pre_page(page: Page, config: MkDocsConfig, files: Files) -> None:
    """Take back the `render` with which mkdocs-jupyter replaced this page's own.

    The page's own goes on where Markdown stops, as it does at a snippet that is missing.
    """
    path = Path(page.file.abs_src_path or page.file.src_uri)
    guard_render(
        page,
        own=_is_script(page.file),
        note=lambda error: unreadable(error, path, _root(config), serving),
    )


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """Give MkDocs the Markdown of an executed script, or a note on a page that cannot be read."""
    if page.file.abs_src_path is None:
        return None
    path = Path(page.file.abs_src_path)
    ran.pop(page.file.src_uri, None)
    try:
        text = _executed(page, config) if _is_script(page.file) else page.file.content_string
        _check_header(text)
    except PluginError:
        raise
    except Exception as error:
        text = unreadable(error, path, _root(config), serving)
        ran.pop(page.file.src_uri, None)
        page.file.content_string = text  # a page with a text of its own is no script to other hooks
    return text


def _check_header(text: str) -> None:
    """Refuse a header that would end the build.

    Raises:
        ValueError, yaml.YAMLError: with what it must be.
    """
    header = HEADER.match(text)
    meta = yaml.safe_load(header[1]) if header else None
    if header and not isinstance(meta, dict):
        raise ValueError(f"its header must be lines of the form `name: text`, received {meta!r}")
    for name, kind in IN_HEADER.items():
        if meta and not isinstance(value := meta.get(name, kind()), kind):
            words = "a list" if kind is list else "text"
            raise ValueError(f"`{name}` in its header must be {words}, received {value!r}")


def _executed(page: Page, config: MkDocsConfig) -> str:
    path, root = Path(str(page.file.abs_src_path)), _root(config)
    found = results_of(root).of(path)
    if isinstance(found, Running) and not serving:
        found.done.wait()
    note = foot = ""
    result = found.ran if isinstance(found, Running) else found
    if isinstance(found, Running) and not found.done.is_set():
        note, result = running(found), None
    elif isinstance(found, Running) and found.failed:
        note = stopped(found, path, root, serving)
    parts = cells(path)  # prose always comes from the file, since only results are kept
    if result is not None:
        result = result.moved([cell.line for cell in parts if cell.kind == "code"])
        ran[page.file.src_uri] = result
        note += doubted(result, path, root, serving)
        foot = foot_of(result, page, config)
    markdown, meta = to_markdown(parts, result.outputs if result else [], _numbers_of(page))
    header = f"---\n{yaml.safe_dump(meta)}---\n\n" if meta else ""
    return "\n\n".join([header + note, markdown, foot])


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> None:
    """Get ready to write pages of numbers; see that the theme has each page's template."""
    templates[:] = [env.get_template("numbers.html")]
    for file in files.documentation_pages(inclusion=InclusionLevel.is_in_serve):
        if file.page and (name := file.page.meta.get("template")):
            try:
                env.get_template(name)
            except Exception:
                error = ValueError(
                    f"`template` in its header must be the theme's, received {name!r}"
                )
                path = Path(file.abs_src_path or file.src_uri)
                file.page.content = unreadable(error, path, _root(config), serving)
                del file.page.meta["template"]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Add the page's notebook, and its picture, beside the script that mkdocs-jupyter copies."""
    cards.pop(page.file.src_uri, None)
    if not _is_script(page.file):
        return
    path, site = Path(str(page.file.abs_src_path)), addresses.of_site(config)
    result = ran.get(page.file.src_uri)
    made = made_of(result) if result else {}

    def address(link: str) -> str:
        target, _, anchor = link.partition("#")
        there = posixpath.normpath(posixpath.join(page.file.src_uri, "..", target))
        file = files.get_file_from_path(there) if target else page.file
        if not site or file is None:
            return ""
        return urljoin(site, file.url) + (f"#{anchor}" if anchor else "")

    notebook = to_notebook(
        cells(path),
        config.extra.get("pip", ""),
        stored_records(made, config),
        site,
        address,
    )
    text = nbformat.writes(notebook, version=4) + "\n"
    files.append(File.generated(config, addresses.beside(page, "ipynb"), content=text))
    if site and result and result.card:
        picture = base64.b64decode(result.card)
        files.append(File.generated(config, addresses.beside(page, "png"), content=picture))
        cards[page.file.src_uri] = site + addresses.beside(page, "png")


def on_page_context(context: Any, page: Page, config: MkDocsConfig, nav: Navigation) -> None:
    """Name the picture to show where somebody links to the page; write its figures' numbers.

    The picture is its own or the front page's. To MkDocs the file of numbers is no page.
    """
    front = nav.homepage.file.src_uri if nav.homepage else ""
    page.meta["card"] = cards.get(page.file.src_uri) or cards.get(front, "")
    result = ran.get(page.file.src_uri)
    if shown := [each.numbers for each in result.shown if each.numbers] if result else []:
        folder = Path(page.file.abs_dest_path).parent
        html = templates[0].render({**context, "page": None, "of": page, "figures": shown})
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / _numbers_of(page)
        target.write_text(shortened(html), encoding="utf-8")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Leave out what no reader sees."""
    return shortened(output)


def on_serve(server: LiveReloadServer, config: MkDocsConfig, builder: Any) -> None:
    """Build again when a page's run is finished or a file is gone, as if docs/ had changed."""
    build_again = change_in(config.docs_dir, server)
    results_of(_root(config)).build_again.set_result(build_again)
    threading.Thread(target=_look_for_deleted, args=[build_again], daemon=True).start()


def _look_for_deleted(build_again: Callable[[], None]) -> None:
    """Build again whenever a file that the last build was made of is gone.

    MkDocs compares what it sees twice a second. It misses a file that was there only between two
    looks, though a build in that time has made a page of it.
    """
    told = sources
    while True:
        time.sleep(1)
        of_last_build = sources  # another list after each build
        if of_last_build is not told and not all(map(os.path.lexists, of_last_build)):
            told = of_last_build
            build_again()


def on_post_build(config: MkDocsConfig) -> None:
    """Keep the cache from growing for ever; say why the server builds again by itself."""
    results = results_of(_root(config))
    results.store.prune()
    waiting = [page.name for page, run in results.runs.items() if not run.done.is_set()]
    if serving and waiting:
        log.info(f"Still running, each to be shown when it has run: {', '.join(waiting)}")


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).resolve().parent


def _numbers_of(page: Page) -> str:
    """The name of the file with the numbers of a page's figures; it lies in the page's folder."""
    return f"{Path(page.file.src_uri).stem}-numbers.html"


def _is_script(file: File) -> bool:
    """Whether this page is to be run. One that could not be read has no path, and is not run."""
    return file.src_uri.endswith(".py") and file.abs_src_path is not None
