"""MkDocs hook: what a site needs beside its pages where it is published, or opened as a folder.

The addresses of site and repository stand in mkdocs.yml alone (`site_url`, `repo_url`). What needs
one of them is left out while it is not set.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import addresses
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from page_policy import with_policy

ASSETS = Path(__file__).parent / "theme" / "assets"
PLAIN = "assets/explorer-plain.js"
urls: list[str] = []  # the addresses of all pages in the build under way
serving = False


def on_startup(command: str, dirty: bool) -> None:
    """Note whether a server will add its own script to the pages."""
    global serving
    serving = command == "serve"


@event_priority(100)  # before the theme's `offline`, which would take this script from another host
def on_config(config: MkDocsConfig) -> None:
    """Show the selector of versions where there are some, which is under mike."""
    if _is_for_a_folder(config):
        config.site_url = ""  # opened from a folder, pages have other addresses
        config.extra["polyfills"] = ["assets/iframe-worker.js"]
        config.extra_javascript.insert(0, PLAIN)
    if addresses.of_version():
        config.extra["version"] = {"provider": "mike", "default": "latest", "alias": True}


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Tell search engines that they may read everything, and where the list of pages is."""
    lines = ["User-agent: *", "Allow: /"]
    if config.site_url:
        lines.append(f"Sitemap: {config.site_url.rstrip('/')}/sitemap.xml")
    files.append(File.generated(config, "robots.txt", content="\n".join(lines) + "\n"))
    if _is_for_a_folder(config):
        files.append(File.generated(config, PLAIN, content=plain_explorer()))


def plain_explorer() -> str:
    """The schedule explorer as one script: a page opened from a folder may load no module."""
    code = "".join((ASSETS / name).read_text("utf-8") for name in ("schedules.js", "explorer.js"))
    code = re.sub(r"^import \{[^}]*\} from .*\n|^export ", "", code, flags=re.MULTILINE)
    return f"{{\n{code}\nwindow.lrExplorer = {{ mount }}\n}}\n"


def on_env(env: Any, config: MkDocsConfig, files: Files) -> None:
    """Keep the pages' addresses for the end of the build."""
    urls[:] = [file.page.url for file in files.documentation_pages() if file.page]


def on_post_build(config: MkDocsConfig) -> None:
    """Tell each page, as it is by now, what it may load; mend the sitemap."""
    site = Path(config.site_dir)
    own = "'self' file:" if _is_for_a_folder(config) else "'self'"
    for path in site.rglob("*.html"):
        page = path.read_bytes().decode("utf-8")
        path.write_bytes(with_policy(page, own, serving).encode("utf-8"))
    if not config.site_url:
        _mend_sitemap(site)


def _mend_sitemap(site: Path) -> None:
    """Drop the sitemap, which is empty without the site's address, or fill it for the theme."""
    for name in ("sitemap.xml", "sitemap.xml.gz"):
        (site / name).unlink(missing_ok=True)
    if addresses.of_version():
        # The theme's selector looks there for the page in another version, and ignores the host.
        places = "".join(f"<url><loc>http://localhost/{escape(url)}</loc></url>" for url in urls)
        (site / "sitemap.xml").write_text(f"<urlset>{places}</urlset>\n", encoding="utf-8")


def _is_for_a_folder(config: MkDocsConfig) -> bool:
    plugin: Any = config.plugins.get("material/offline")
    return bool(plugin and plugin.config.enabled)
