"""The numbers that a page's figures show, on a page of their own, one click away from each."""

from __future__ import annotations

from typing import Any


def link_numbers(notebook: dict[str, Any], target: str) -> list[dict[str, Any]]:
    """Put a link to the page `target` below each figure; return what that page shows of each.

    The search leaves both out: ticks and labels without their picture are no text.
    """
    figures = [
        output
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "numbers" in output.get("metadata", {}).get("lrguide", {})
    ]
    for number, output in enumerate(figures, start=1):
        link = (
            f'<a href="{target}#figure-{number}" aria-label="The numbers of figure {number}" '
            "data-search-exclude>The numbers</a>"
        )
        html = "".join(output["data"]["text/html"])
        html = html.replace("<svg", f'<svg id="figure-{number}" data-search-exclude', 1)
        output["data"]["text/html"] = html.replace("</figure>", f"{link}</figure>")
    return [figure["metadata"]["lrguide"]["numbers"] for figure in figures]
