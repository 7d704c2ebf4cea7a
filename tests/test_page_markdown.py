"""Pages as Markdown: what is shown in which order, and hostile text shown as text."""

import html
import re
from pathlib import Path

import markdown
import pytest
from page_markdown import INSTALL, clean_text, fence, shortened, to_markdown
from page_notes import stopped, unreadable
from page_results import Running
from sites import REPOSITORY

from lrguide.guide.pages import Cell, Ran, Shown, Stop, cells_of

HOSTILE = [
    "````\n<script>x</script>",
    "`````\n\n<script>x</script>\n`````",
    "~~~~\n<script>x</script>\n~~~~",
    "end </code></pre><script>x</script>",
    "\u2028````\u2028<script>x</script>",
    "a `b` <script>x</script>",
    '!!! note "<script>x</script>"\n\n    <script>x</script>',
    '--8<-- "docs/index.py"',
    ";--8<-- 'gone.py'",
    "--8<--\ngone.py\n--8<--",
    "# --8<-- [start:part]",
    "\x02wzxhzdk:0\x03",
]


class TestHostileText:
    """What a page says about itself is shown as text, whatever stands in it."""

    @staticmethod
    def rendered(text: str) -> str:
        extensions = ["admonition", "pymdownx.superfences", "pymdownx.highlight", "md_in_html"]
        snippets = {"base_path": [str(REPOSITORY)], "check_paths": True}
        return str(
            markdown.markdown(
                text,
                extensions=[*extensions, "pymdownx.snippets"],
                extension_configs={"pymdownx.snippets": snippets},
            )
        )

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("name", ["ValueError", "NotMeasured"])
    def test_of_an_error_that_stops_a_page(self, tmp_path: Path, text: str, name: str) -> None:
        page = tmp_path / "docs" / "page.py"
        page.parent.mkdir()
        page.write_text(f"# %%\n{text}", encoding="utf-8")
        run = Running(page, "key", ran=Ran([2], [[]], Stop(0, 2, name, text, (text, 1, text))))
        self.is_text(text, self.rendered(stopped(run, page, tmp_path, True)))

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("kind", ["printed", "code"])
    def test_of_what_a_page_prints_and_of_its_code(self, text: str, kind: str) -> None:
        code, printed = (text, "printed") if kind == "code" else ("x", text)
        self.is_text(text, self.rendered(to_markdown([Cell("code", (), code, 1)], [[printed]])[0]))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_of_why_a_page_cannot_be_read(self, tmp_path: Path, text: str) -> None:
        note = unreadable(ValueError(text), tmp_path / "page.py", tmp_path, True)
        self.is_text(text, self.rendered(note))

    @staticmethod
    def is_text(text: str, page: str) -> None:
        assert "<script" not in page
        seen = html.unescape(re.sub(r"<[^>]*>", "", page))
        for word in re.findall(r"[\w.]{3,}|--8<--", text.strip("\x02\x03")):
            assert word in seen


class TestMarkdown:
    @pytest.mark.parametrize("shown", [';--8<-- "a"', 'x --8<-- "a" y', "8<-", "a --8<-- b"])
    def test_a_block_of_code_holds_marks_of_snippets_as_they_are(self, shown: str) -> None:
        page = TestHostileText.rendered(fence(shown, "text"))
        assert html.unescape(re.sub(r"<[^>]*>", "", page)).strip() == shown

    @pytest.mark.parametrize(
        ("text", "seen"),
        [
            ("10 %\r100 %", "100 %"),
            ("done\r\n", "done"),
            ("ab\b\bxy", "xy"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\n\n", ""),
        ],
    )
    def test_printed_text_is_what_a_terminal_shows_in_the_end(self, text: str, seen: str) -> None:
        assert clean_text(text) == seen

    def test_code_that_holds_a_fence_gets_a_longer_one(self) -> None:
        markdown, _ = to_markdown(cells_of('# %%\ntext = "```"\n'), [])
        assert markdown == '````python\ntext = "```"\n````\n'

    @pytest.mark.parametrize(
        ("tags", "order"),
        [
            ("snippet", ["```python\nx", "shown"]),
            ("hide-input", ["shown"]),
            ("output-first", ["shown", "```python\nx"]),
        ],
    )
    def test_tags_say_what_is_shown_and_in_which_order(self, tags: str, order: list[str]) -> None:
        page = cells_of(f'# %% tags=["{tags}"]\nx\n')
        markdown, _ = to_markdown(page, [[Shown("shown", "", {})]])
        places = [markdown.find(part) for part in order]
        assert places == sorted(places) and -1 not in places
        assert [part in markdown for part in ("shown", "x")] == [
            any("shown" in part for part in order),
            any("x" in part for part in order),
        ]

    @pytest.mark.parametrize(
        ("page", "lines"),
        [
            ('# %% tags=["snippet"]\nimport lrguide', 1),
            ('# %% tags=["snippet"]\nfrom lrguide.data import mnist_subset', 1),
            ('# %% tags=["snippet"]\nimport keras', 0),
            ("# %%\nimport lrguide", 0),
            (f'# %% [markdown]\n# {INSTALL}\n\n# %% tags=["snippet"]\nimport lrguide', 1),
        ],
    )
    def test_a_snippet_that_needs_lrguide_follows_one_line_that_installs_it(
        self, page: str, lines: int
    ) -> None:
        markdown, _ = to_markdown(cells_of(page + "\n"), [])
        assert markdown.count(INSTALL) == lines
        assert INSTALL not in markdown.partition("```python")[2]

    def test_blank_lines_go_and_preformatted_text_stays(self) -> None:
        kept = "<pre><code>a\n\n  b\n</code></pre>", "<script>\n\n  x\n</script>"
        page = f"<p>\n\n  one\n   two </p>\n{kept[0]}\n\n\n<i>\n\n</i>{kept[1]}\n"
        seen = f"<p>\none\ntwo </p>\n{kept[0]}\n<i>\n</i>{kept[1]}\n"
        assert shortened(page) == seen

    def test_alignment_becomes_a_class_and_plain_code_needs_no_element(self) -> None:
        cells = '<td style="text-align: right;">1</td><td style="text-align: left;">2</td>'
        code = '<pre><span class="n">x</span><span class="w"> </span><span class="o">=</span></pre>'
        script = """<script>'<span class="n">x</span>'</script>"""
        assert shortened(cells + code + script) == (
            '<td class="lr-right">1</td><td style="text-align: left;">2</td>'
            '<pre>x <span class="o">=</span></pre>' + script
        )
