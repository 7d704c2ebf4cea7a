"""MkDocs hook: what a published site needs beside its pages.

The addresses of site and repository stand in mkdocs.yml alone (`site_url`, `repo_url`). What needs
one of them is left out while it is not set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

urls: list[str] = []  # of the build under way


def on_config(config: MkDocsConfig) -> None:
    """Show the selector of versions where there are some, which is under mike."""
    if _under_mike():
        config.extra["version"] = {"provider": "mike", "default": "latest", "alias": True}


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Tell search engines that they may read everything, and where the list of pages is."""
    lines = ["User-agent: *", "Allow: /"]
    if config.site_url:
        lines.append(f"Sitemap: {config.site_url.rstrip('/')}/sitemap.xml")
    files.append(File.generated(config, "robots.txt", content="\n".join(lines) + "\n"))


def on_env(env: Any, config: MkDocsConfig, files: Files) -> None:
    """Keep the pages' addresses for the end of the build."""
    urls[:] = [file.page.url for file in files.documentation_pages() if file.page]


def on_post_build(config: MkDocsConfig) -> None:
    """Without the site's address the sitemap is empty: drop it, or fill it for the theme's use."""
    if config.site_url:
        return
    site = Path(config.site_dir)
    for name in ("sitemap.xml", "sitemap.xml.gz"):
        (site / name).unlink(missing_ok=True)
    if _under_mike():
        # Its selector looks there whether the other version has this page, and ignores the host.
        places = "".join(f"<url><loc>http://localhost/{escape(url)}</loc></url>" for url in urls)
        (site / "sitemap.xml").write_text(f"<urlset>{places}</urlset>\n", encoding="utf-8")


def _under_mike() -> bool:
    return bool(os.environ.get("MIKE_DOCS_VERSION"))
