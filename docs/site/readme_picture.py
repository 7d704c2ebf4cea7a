"""Draw the front page's figure for README.md: `python docs/site/readme_picture.py`.

A picture outside a page cannot take the page's colours, so it gets its own.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl

from lrguide import plots
from lrguide.guide.pages import run

PICTURE = Path(__file__).with_name("readme.svg")


def picture(front_page: dict[str, Any]) -> str:
    """The figure that the executed `docs/index.py` shows, on white."""
    runs = front_page["sweep"]
    with mpl.rc_context(plots.STYLE):
        drawn = front_page["losses_by_rate"](runs)
    svg = plots.svg(drawn, front_page["valleys_in_words"](runs))
    own = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" color="#1f2328" '
    head, _, rest = svg.partition(">")
    return head.replace("<svg ", own) + '><path fill="#fff" d="M0 0H999V999H0z"/>' + rest + "\n"


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "index.py"
    PICTURE.write_text(picture(run(page).names), encoding="utf-8")
