"""Addresses of what is built; the public ones are empty where `site_url` or `repo_url` is not set."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from urllib.parse import urlencode, urljoin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def beside(page: Page, kind: str) -> str:
    """Where in the site a file of this kind lies that belongs to a script page."""
    stem = Path(page.file.src_uri).stem
    return posixpath.join(posixpath.dirname(page.url), f"{stem}.{kind}")


def of_version() -> str:
    """The version that mike is building."""
    return os.environ.get("MIKE_DOCS_VERSION", "")


def of_site(config: MkDocsConfig) -> str:
    """Where this version of the site is."""
    if not config.site_url:
        return ""
    site = config.site_url.rstrip("/") + "/"
    # mike has set `site_url` to the version that search engines should find.
    return urljoin(site, f"../{of_version()}/") if of_version() else site


def in_colab(config: MkDocsConfig, path: str) -> str:
    """Where Colab opens a notebook of the site, which it takes from the branch of a deployment."""
    github = GITHUB.fullmatch(config.repo_url or "")
    if not github or not config.site_url:
        return ""
    folder = of_version() or "latest"
    return f"https://colab.research.google.com/github/{github[1]}/blob/gh-pages/{folder}/{path}"


def for_reports(config: MkDocsConfig, where: str) -> str:
    """The repository's form on which a reader reports an error, with the place filled in."""
    github = GITHUB.fullmatch(config.repo_url or "")
    asked = urlencode({"template": "wrong.yml", "where": where})
    return f"https://github.com/{github[1]}/issues/new?{asked}" if github else ""
