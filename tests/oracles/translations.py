"""Read docs/translate.md: which call of which library stands for which schedule.

Needs nothing but Python, so that the script beside it and the tests can both use it.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "translate.md"
LIBRARIES = ("PyTorch", "Optax", "fastai", "Transformers")
FENCE = re.compile(r'```python(?: title="([^"]*)")?\n(.*?)```', re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One call on the page.

    Attributes:
        schedule: The section's heading.
        library: One of `LIBRARIES`, or "" for what stands above the tabs.
        title: That of the code block; a call with one is shown because it is off.
        code: The call, without the page's line breaks.
        until: The last step of which the page says that it is equal; None where it says nothing.
    """

    schedule: str
    library: str
    title: str
    code: str
    until: int | None


def sections() -> dict[str, str]:
    """The page's text by heading, without what stands before the first schedule."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    names = list(found)
    return {name: found[name] for name in names[1 : names.index("Keras' own classes")]}


def tabs(text: str) -> dict[str, str]:
    """The text of each tab, and under "" what stands outside of them."""
    parts = re.split(r'^=== "(.*)"\n', text, flags=re.MULTILINE)
    inside = {}
    for name, tab in zip(parts[1::2], parts[2::2], strict=True):
        lines = tab.strip("\n").split("\n")
        inside[name] = "\n".join(line.removeprefix("    ") for line in lines)
    return {"": parts[0], **inside}


def plain(code: str) -> str:
    """The same code, one line a statement."""
    return ast.unparse(ast.parse(code))


def rows() -> list[Row]:
    """All calls on the page, in its order."""
    found = []
    for schedule, text in sections().items():
        for library, tab in tabs(text).items():
            until = re.search(r"Equal until step (\d+)", tab)
            last = int(until[1]) if until else None
            for title, code in FENCE.findall(tab):
                found.append(Row(schedule, library, title, plain(code), last))
    return found


def set_up(library: str) -> str:
    """The imports that the page shows for a library, without the lines that need a model."""
    text = PAGE.read_text(encoding="utf-8").split("## How to read it")[1].split("## Linear")[0]
    block = FENCE.search(tabs(text)[library])
    assert block, f"the page shows no imports for {library or 'Keras'}"
    return "\n".join(line for line in block[2].splitlines() if "import" in line)
