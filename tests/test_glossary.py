"""The glossary, and the links that lead to it from the first use of a term on each page."""

import re
from pathlib import Path

import pytest
from sites import Site

DOCS = Path(__file__).parents[1] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^(\S.*) \{#([\w-]+)\}\n(?:\S.*\n)*?:   (.*(?:\n    .*)*)", GLOSSARY, re.M)
LINK = re.compile(r'<a class="lr-term" href="([^"]*)" title="([^"]*)">([^<]*)</a>')

SMALL = """\
# Glossary

Learning rate {#learning-rate}
:   How far a step goes. More of it.

Step {#step}
Update
:   One `change` of [all](index.md) weights.

Warmup {#warmup}
:   A rise.
"""
PAGE = """\
# A learning rate

`step` and [the warmup](glossary.md), a stepwise update of **learning
rates**, then two updates and another learning rate.

| a warmup | here |
| --- | --- |
| 1 | Warmup |
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Site:
    script = f"# %% [markdown]\n# {PAGE.replace(chr(10), chr(10) + '# ')}\n# %%\nprint('a step')\n"
    pages = {
        "index.md": PAGE,
        "deep/page.md": PAGE.replace("glossary.md", "../glossary.md"),
        "script.py": script,
        "glossary.md": SMALL,
    }
    site = Site(tmp_path_factory.mktemp("glossary"), pages)
    result = site.build()
    assert result.returncode == 0, result.stderr
    return site


@pytest.mark.parametrize(
    "page, glossary",
    [("", "glossary/"), ("deep/page", "../../glossary/"), ("script", "../glossary/")],
)
def test_the_first_use_of_a_term_has_its_first_sentence_and_leads_there(
    built: Site, page: str, glossary: str
) -> None:
    assert LINK.findall(built.html(page)) == [
        (f"{glossary}#step", "One change of all weights.", "update"),
        (f"{glossary}#learning-rate", "How far a step goes.", "learning\nrates"),
        (f"{glossary}#warmup", "A rise.", "Warmup"),
    ]


def test_the_glossary_does_not_link_to_itself(built: Site) -> None:
    assert not LINK.findall(built.html("glossary"))


def test_a_link_changes_no_word_of_the_page(built: Site) -> None:
    text = re.sub(r"<[^>]*>", "", built.html("").split("<article")[1])
    assert (
        "a stepwise update of learning\nrates, then two updates and another learning rate." in text
    )


@pytest.mark.parametrize("name, anchor, text", ENTRIES, ids=[entry[1] for entry in ENTRIES])
def test_an_entry_is_short_and_begins_with_what_a_tooltip_can_hold(
    name: str, anchor: str, text: str
) -> None:
    assert anchor == name.lower().replace(" ", "-")
    assert len(" ".join(text.split())) <= 260
    first = re.split(r"(?<=\.) ", " ".join(text.split()))[0]
    assert first.endswith(".")
    assert len(first) <= 150
    assert not first.lower().startswith(name.lower())


def test_every_definition_has_an_anchor_of_its_own() -> None:
    assert len(ENTRIES) == len(re.findall(r"^:   ", GLOSSARY, re.M)) == len({e[1] for e in ENTRIES})


def test_the_words_that_the_guide_cannot_do_without_are_there() -> None:
    assert {anchor for _, anchor, _ in ENTRIES} >= {
        *("learning-rate", "schedule", "decay", "warmup", "epoch", "step", "batch", "range-test"),
        *(
            "momentum",
            "seed",
            "spread",
            "verdict",
            "undecided",
            "interval",
            "paired-difference",
            "regret",
            "budget",
        ),
        *("divergence", "stability-limit", "overfitting", "validation-data", "1cycle"),
        *("cyclical-rate", "super-convergence", "gradient-accumulation"),
    }
