"""What a page of the built site may load: itself, from where it lies, and nothing else.

The theme writes a few scripts into its pages; each is allowed by its hash, so that no other one runs.
"""

from __future__ import annotations

import base64
import hashlib
import re

SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>", re.DOTALL)
RUNS = re.compile(r'^(?!.*\bsrc=)(?!.*\btype="(?!module|text/javascript))', re.DOTALL)
BEFORE = (re.compile('<meta charset="utf-8">'), re.compile(r"<head\b[^>]*>"))


def with_policy(page: str, own: str = "'self'", serving: bool = False) -> str:
    """The page with its Content-Security-Policy, which stands before all that it is about.

    `own` are the sources that the site's own files come from. A server that loads the page anew
    after each edit writes a script of its own into what it sends, so there any inline script runs.
    """
    scripts = [text for attributes, text in SCRIPT.findall(page) if RUNS.match(attributes)]
    inline = ["'unsafe-inline'"] if serving else _hashes(scripts)
    rules = {
        "default-src": ["'none'"],
        "script-src": [own, *inline],
        "style-src": [own, *_hashes(STYLE.findall(page))],
        "style-src-attr": ["'unsafe-inline'"],  # parts of a figure have a `style` each
        "img-src": [own, "data:"],
        "connect-src": [own],
        "worker-src": [own],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    policy = "; ".join(" ".join([name, *sources]) for name, sources in rules.items())
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    place = next(filter(None, (pattern.search(page) for pattern in BEFORE)), None)
    return f"{page[: place.end()]}\n{meta}{page[place.end() :]}" if place else page


def _hashes(texts: list[str]) -> list[str]:
    digests = (hashlib.sha256(text.encode()).digest() for text in dict.fromkeys(texts))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
