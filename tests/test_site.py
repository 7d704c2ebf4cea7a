"""The site's machinery, on small throw-away sites: what is run, what is kept, what is shown."""

import fcntl
import gzip
import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import markdown
import pytest

REPOSITORY = Path(__file__).parents[1]
HOOK = REPOSITORY / "docs" / "site"
sys.path.insert(0, str(HOOK))
from page_key import page_key  # noqa: E402
from page_markdown import clean_text, fence, to_markdown, without_blank_lines  # noqa: E402
from page_notes import stopped, unreadable  # noqa: E402
from page_results import Running, Store  # noqa: E402

from lrguide.guide.pages import Cell, Ran, Shown, Stop, cells_of  # noqa: E402

RUN = 'with open("runs.txt", "a") as runs:\n    runs.write("{name} ")\n'

PLOTS = """\
# ---
# title: Plots
# description: What a page can show.
# ---

# %% [markdown]
# # Plots of all kinds
#
# A sentence with a *quokka* in it, and [the tables](tables.py#a-table).
#
# !!! tip "Read this"
#     An admonition.

# %%
with open("runs.txt", "a") as runs:
    runs.write("plots ")
import warnings


number = 1
warnings.warn("only for " + "the terminal")
print(f"printed {number}")
print("<b>not bold</b>")

# %% tags=["hide-input"]
from lrguide import plots
from lrguide.guide.records import Run, Runs
from lrguide.guide.report import claim, figure

VERSIONS = {"keras": "3.15.1", "tensorflow": "2.21.0", "numpy": "2.4.6", "python": "3.11.7"}
runs = Runs(
    Run("train", {"budget": budget}, {}, {"date": date, "processor": "A processor", **VERSIONS})
    for budget, date in (("SMALL", "2026-03-01"), ("CACHED", "2026-03-04"))
)


@claim(runs)
def told(runs):
    return "A **claim**.", True


def drawn(runs):
    picture, axes = plots.subplots()
    axes.plot([0, 1], [3.5, 0.5], label="a < b")
    axes.axhline(2.3, label="guessing")
    axes.set(xlabel="step", ylabel="loss", title="Loss by name")
    return picture


figure(runs, drawn, alt=lambda runs: "One loss, of a numbat.")
"""

TABLES = """\
# %% [markdown]
# # Tables
#
# Back to the [plots](plots.py).
#
# ## A table

# %%
with open("runs.txt", "a") as runs:
    runs.write("tables ")
from lrguide.guide.records import Runs
from lrguide.guide.report import table
from lrguide.shapes import area

table(Runs(), lambda runs: [{"side": "3", "area": str(area(3))}], "Areas")
"""

REAL_PACKAGE = {
    str(path.relative_to(REPOSITORY / "lrguide")): path.read_text(encoding="utf-8")
    for path in (REPOSITORY / "lrguide").rglob("*.py")
}
PACKAGE = REAL_PACKAGE | {
    "shapes.py": "from .powers import square\ndef area(side):\n    return square(side)\n",
    "powers.py": "def square(x):\n    return x * x\n",
}

# An experiment that needs no TensorFlow, asked for 1 run.
ASK = """
from lrguide.guide.records import measured

PROTOCOL = {"probe": 1}


def probe(*, budget, seed, training, batch, epochs, validation, test, full):
    return {"loss": [seed / 2]}


runs = measured(probe, [dict(budget="TINY", seed=seed) for seed in (1,)])
print("losses", runs.values("loss").ravel())
"""


# Neither line nor dot.
EMPTY = """
from lrguide import plots
from lrguide.guide.report import figure

figure(runs, lambda runs: plots.subplots()[0], alt=lambda runs: "A figure, it seems.")
"""

# Two sentences that its run does not bear out.
UNTRUE = """
from lrguide.guide.report import claim
@claim(runs)
def enough(runs):
    return f"{len(runs)} run is enough.", len(runs) > 1
@claim(runs)
def seven(runs):
    return f"seed `7` has {len(runs.where(seed=7))} run", False
"""


class Site:
    """A guide of a few tiny pages with the real theme, hook and settings."""

    def __init__(self, folder: Path, pages: dict[str, str], package: dict[str, str] = PACKAGE):
        self.folder = folder
        for name, text in pages.items():
            self.write(f"docs/{name}", text)
        for name, text in package.items():
            self.write(f"lrguide/{name}", text)
        (folder / "docs" / "site").symlink_to(HOOK)
        self.write(
            "mkdocs.yml",
            f"INHERIT: {REPOSITORY / 'mkdocs.yml'}\nnav: [{', '.join(pages)}]\n",
        )

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def html(self, page: str) -> str:
        return (self.folder / "site" / page / "index.html").read_text(encoding="utf-8")

    def command(self, *arguments: str, strict: bool = True) -> dict[str, Any]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LRGUIDE_")
        }
        environment |= {"NO_MKDOCS_2_WARNING": "1", "LRGUIDE_STRICT": str(strict)}
        return {
            "args": [sys.executable, "-m", "mkdocs", *arguments],
            "cwd": self.folder,
            "env": environment,
        }

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            **self.command("build", *arguments), capture_output=True, text=True, timeout=120
        )

    def runs(self) -> list[str]:
        """The pages that were run since this was asked last."""
        path = self.folder / "runs.txt"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(names)


def processes(words: str) -> list[str]:
    listing = subprocess.run(
        ["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if words in line]


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"), {"plots.py": PLOTS, "tables.py": TABLES})
    site.write("docs/records/train_SMALL.json", '{"runs": []}')
    result = site.build()
    assert result.returncode == 0, result.stderr
    site.write("build.log", result.stderr)
    return site


class TestAPage:
    @pytest.mark.parametrize(
        "shown",
        [
            pytest.param("<title>Plots - ", id="its title, from the header"),
            pytest.param('<meta name="description" content="What a page can show.">', id="meta"),
            pytest.param('<div class="admonition tip">', id="Material's Markdown"),
            pytest.param('<a href="../tables/#a-table">', id="links to other scripts"),
            pytest.param("printed 1\n&lt;b&gt;not bold&lt;/b&gt;", id="what was printed, as text"),
            pytest.param('aria-label="One loss, of a numbat."', id="a figure with its alt"),
            pytest.param("A <strong>claim</strong>.", id="Markdown that the code publishes"),
            pytest.param(
                "Measured from 1 March 2026 to 4 March 2026 on A processor, "
                "with TensorFlow 2.21.0, Keras 3.15.1, NumPy 2.4.6, Python 3.11.7.",
                id="when and on what it was measured",
            ),
            pytest.param('<a href="../records/train_SMALL.json">', id="its records"),
            pytest.param('<a href="plots.py" download>', id="its script"),
        ],
    )
    def test_shows(self, built: Site, shown: str) -> None:
        assert shown in built.html("plots")

    @pytest.mark.parametrize("hidden", ["only for the terminal", "CACHED", "&lt;Figure", "%%"])
    def test_does_not_show(self, built: Site, hidden: str) -> None:
        assert hidden not in built.html("plots")

    def test_its_warnings_reach_the_terminal(self, built: Site) -> None:
        assert "only for the terminal" in (built.folder / "build.log").read_text()

    def test_has_the_numbers_of_its_figures_one_click_away(self, built: Site) -> None:
        link = 'href="plots-numbers.html#figure-1" aria-label="The numbers of figure 1"'
        figure = '<figure class="lr-figure"><svg id="figure-1" data-search-exclude '
        assert figure in built.html("plots")
        assert f"</svg><a {link} data-search-exclude>The numbers</a></figure>" in built.html(
            "plots"
        )
        page = (built.folder / "site/plots/plots-numbers.html").read_text(encoding="utf-8")
        for part in (
            "<title>The numbers of “Plots” - ",
            '<meta name="robots" content="noindex">',
            '<h2 id="figure-1">Figure 1</h2>',
            '<p>One loss, of a numbat.</p>\n<p><a href="../plots/#figure-1">',
            "<caption>Loss by name: loss by step</caption>",
            '<th scope="col">step</th>\n<th scope="col">a &lt; b</th>',
            '<th scope="row">1</th>\n<td>0.5</td>',
            "Drawn across it: guessing at 2.3.",
        ):
            assert part in page
        assert not (built.folder / "site/tables/tables-numbers.html").exists()

    def test_neither_the_text_in_its_figures_nor_their_numbers_are_searched(
        self, built: Site
    ) -> None:
        index = (built.folder / "site/search/search_index.json").read_text()
        assert ">3.5</text>" in built.html("plots")  # a tick
        assert [word for word in ("3.5", "The numbers", "numbat") if word in index] == []

    def test_can_be_taken_along_as_script_and_as_notebook_without_outputs(
        self, built: Site
    ) -> None:
        assert (built.folder / "site/plots/plots.py").read_text() == PLOTS
        notebook = json.loads((built.folder / "site/plots/plots.ipynb").read_text())
        assert [cell["id"] for cell in notebook["cells"][:2]] == ["cell-0", "cell-1"]
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] for cell in code)

    def test_is_found_by_its_prose(self, built: Site) -> None:
        index = json.loads((built.folder / "site/search/search_index.json").read_text())
        found = [doc["location"] for doc in index["docs"] if "quokka" in doc["text"]]
        assert found and all(location.startswith("plots/") for location in found)

    def test_the_machinery_is_not_published(self, built: Site) -> None:
        assert not list(built.folder.glob("site/**/notebook_pages*"))

    def test_costs_little_beside_its_content(self, built: Site) -> None:
        page = built.html("tables").encode()
        assert len(page) < 20_000
        assert len(gzip.compress(page)) < 6_000

    def test_is_the_same_to_the_byte_when_built_again(self, built: Site, tmp_path: Path) -> None:
        cache, kept = built.folder / ".cache", built.folder / "kept"
        cache.rename(kept)
        try:
            assert built.build("--site-dir", str(tmp_path)).returncode == 0
        finally:
            subprocess.run(["rm", "-rf", cache], check=True)
            kept.rename(cache)
        files = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
        assert files == {
            p.relative_to(built.folder / "site")
            for p in (built.folder / "site").rglob("*")
            if p.is_file()
        }
        for name in files:
            assert (tmp_path / name).read_bytes() == (built.folder / "site" / name).read_bytes()


class TestABuild:
    def test_runs_again_what_changed_and_nothing_else(self, built: Site) -> None:
        steps: list[tuple[str, list[tuple[str, str, str]], list[str]]] = [
            ("prose", [("docs/plots.py", "quokka", "wombat")], []),
            ("a number", [("docs/plots.py", "number = 1", "number = 2")], ["plots"]),
            (
                "the number back, and a module of the package",
                [
                    ("docs/plots.py", "number = 2", "number = 1"),
                    ("lrguide/powers.py", "x * x", "x**2"),
                ],
                ["plots", "tables"],
            ),
            ("nothing, but the entries are damaged", [], ["plots", "tables"]),
        ]
        built.runs()
        for what, edits, expected in steps:
            for edit in edits:
                built.edit(*edit)
            if not edits:
                self.damage(built)
            result = built.build()
            assert result.returncode == 0, result.stderr
            assert (what, built.runs()) == (what, expected)
        assert "wombat" in built.html("plots")
        assert re.search(r"\.cache/pages/\w+\.page is damaged", result.stderr)

    @staticmethod
    def damage(site: Site) -> None:
        for entry in (site.folder / ".cache/pages").glob("*.page"):
            entry.write_bytes(entry.read_bytes()[:-20])

    def test_fails_on_a_link_to_nowhere_inside_a_script(self, tmp_path: Path) -> None:
        site = Site(tmp_path, {"index.py": "# %% [markdown]\n# [gone](gone.py)\n"})
        result = site.build()
        assert result.returncode != 0
        assert "gone.py" in result.stderr

    def test_fails_with_the_lines_that_matter(self, tmp_path: Path) -> None:
        page = "# %%\nrates = [1]\n\n# %%\nfrom lrguide.shapes import area\n\narea('x')\n"
        site = Site(tmp_path, {"index.py": page})
        result = site.build()
        assert result.returncode != 0
        message = result.stderr[result.stderr.index("docs/index.py") :]
        assert message.startswith("docs/index.py, line 7 (code cell 2) stopped:")
        assert ">    7 | area('x')" in message
        assert "TypeError: can't multiply sequence by non-int" in message
        assert "raised in lrguide/powers.py, line 2: square" in message
        assert len(result.stderr.splitlines()) < 20
        assert not (tmp_path / "site" / "index.html").exists()

    def test_trains_the_run_that_a_changed_setting_lacks_and_no_other(self, tmp_path: Path) -> None:
        page = "# %%\n" + RUN.format(name="index") + ASK
        site = Site(tmp_path, {"index.py": page}, REAL_PACKAGE)
        entries: dict[str, bytes] = {}
        for seeds, new, run, losses in [
            ("(1,)", 1, ["index"], "[0.5]"),
            ("(1, 3)", 1, ["index"], "[0.5 1.5]"),
            ("(1,)", 0, [], "[0.5]"),
        ]:
            site.write("docs/index.py", page.replace("(1,)", seeds))
            result = site.build()
            assert result.returncode == 0, result.stderr
            assert (seeds, site.runs()) == (seeds, run)
            assert losses in (tmp_path / "site/index.html").read_text()
            cache = {p.name: p.read_bytes() for p in (tmp_path / ".cache/lrguide").glob("*.json")}
            assert entries.items() <= cache.items()
            assert len(cache) == len(entries) + new
            entries = cache

    def test_trains_nothing_that_takes_longer_than_a_reader_waits(self, tmp_path: Path) -> None:
        page = "# %%" + ASK.replace("TINY", "FULL")
        result = Site(tmp_path, {"index.py": page}, REAL_PACKAGE).build()
        assert result.returncode != 0
        assert "NotMeasured: 1 runs are not measured yet" in result.stderr
        assert "the 120 seconds of LRGUIDE_MAX_SECONDS: run `make measure`" in result.stderr
        assert not list((tmp_path / ".cache/lrguide").glob("*.json"))

    def test_fails_on_a_claim_that_its_runs_do_not_bear_out(self, tmp_path: Path) -> None:
        result = Site(tmp_path, {"index.py": f"# %%{ASK}{UNTRUE}"}, REAL_PACKAGE).build()
        assert result.returncode != 0
        first, second = result.stderr.splitlines()[-2:]
        assert first.endswith(
            "line 15: The runs do not bear out this sentence: 1 run is enough. "
            "What does not hold: `len(runs) > 1`."
        )
        assert second.startswith(
            "docs/index.py, line 18: No run has seed 7; these runs have seed 1."
        )

    @pytest.mark.parametrize("kind", ["Latin-1", "a broken header in Markdown", "no such snippet"])
    def test_fails_on_a_page_that_cannot_be_read_and_names_it(
        self, tmp_path: Path, kind: str
    ) -> None:
        name, content, told = UNREADABLE[kind]
        site = Site(tmp_path, {"index.md": "# Front page\n"})
        (tmp_path / "docs" / name).write_bytes(content)
        result = site.build()
        assert result.returncode != 0
        assert f"docs/{name} " in result.stderr and told in result.stderr
        assert "Traceback" not in result.stderr

    def test_fails_on_a_figure_that_shows_nothing(self, tmp_path: Path) -> None:
        result = Site(tmp_path, {"index.py": f"# %%{ASK}{EMPTY}"}, REAL_PACKAGE).build()
        assert result.returncode != 0
        assert "docs/index.py, line 17 (code cell 1) stopped:" in result.stderr
        assert "ValueError: each panel of a figure must show a number" in result.stderr

    def test_says_so_when_the_process_of_a_page_dies(self, tmp_path: Path) -> None:
        site = Site(tmp_path, {"index.py": "# %%\nimport os\n\nos._exit(3)\n"})
        result = site.build()
        assert result.returncode != 0
        assert "index.py could not be run: its process ended with status 3" in result.stderr

    def test_waits_for_whoever_measures_and_its_pages_for_each_other(self, tmp_path: Path) -> None:
        page = "# %%\nimport time" + ASK.replace("    return", "    time.sleep(2)\n    return")
        pages = {"index.py": page, "other.py": page.replace("(1,)", "(2, 3)")}
        site = Site(tmp_path, pages, REAL_PACKAGE)
        folder = tmp_path / ".cache" / "lrguide"
        folder.mkdir(parents=True)
        with open(folder / "lock", "w") as lock, open(tmp_path / "log", "w") as log:
            lock.write("123456")
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(**site.command("build"), stderr=log)

            def said() -> list[str]:
                lines = (tmp_path / "log").read_text().splitlines()
                return sorted(line for line in lines if " waits: " in line)

            until(lambda: len(said()) == 2, "both pages wait")
            time.sleep(2)
            words = "waits: another measurement is running (process 123456)"
            assert said() == [f"index.py {words}", f"other.py {words}"]
            assert not list(folder.glob("*.json"))
        assert process.wait(120) == 0, (tmp_path / "log").read_text()
        assert "losses [0.5]" in site.html("")
        assert "losses [1.  1.5]" in site.html("other")

    def test_killed_at_any_moment_leaves_no_half_entry_and_no_process(self, tmp_path: Path) -> None:
        page = RUN.format(name="index") + "import time; time.sleep(30)\n"
        site = Site(tmp_path, {"index.py": "# %%\n" + page})
        process = subprocess.Popen(**site.command("build"), stderr=subprocess.DEVNULL)
        until(site.runs, "the page runs")
        process.kill()
        process.wait()
        until(lambda: not processes(str(tmp_path)), "its processes end")
        assert not list((tmp_path / ".cache/pages").glob("*.page"))
        site.edit("docs/index.py", "time.sleep(30)", "time.sleep(0)")
        assert site.build().returncode == 0


UNREADABLE: dict[str, tuple[str, bytes, str]] = {
    "Latin-1": (
        "bad.py",
        b"# %% [markdown]\n# na\xefve\n",
        "text in UTF-8, received the byte 0xef at",
    ),
    "Latin-1 in Markdown": (
        "bad.md",
        b"# na\xefve\n",
        "text in UTF-8, received the byte 0xef at line 1",
    ),
    "UTF-16": (
        "bad.py",
        "# %%\n1".encode("utf-16"),
        "text in UTF-8, received the byte 0xff at line 1",
    ),
    "a broken header": (
        "bad.py",
        b"# ---\n# title: [\n# ---\n\n# %%\n1\n",
        "a header in YAML: while",
    ),
    "a header that is a list": ("bad.py", b"# ---\n# - a\n# ---\n", "must be lines of the form"),
    "a broken header in Markdown": (
        "bad.md",
        b"---\ntitle: a: b\n---\n",
        "a header in YAML: mapping",
    ),
    "a title that is none": (
        "bad.md",
        b"---\ntitle: [1]\n---\n",
        "title in its header must be text",
    ),
    "a list that is none": (
        "bad.md",
        b"---\nhide: 5\n---\n",
        "hide in its header must be a list",
    ),
    "no such template": (
        "bad.md",
        b"---\ntemplate: x.html\n---\n",
        "template in its header must be the theme's",
    ),
    "no such snippet": (
        "bad.md",
        b'--8<-- "docs/gone.py"\n',
        "Snippet at path 'docs/gone.py' could",
    ),
    "no such snippet in a script": (
        "bad.py",
        b'# %% [markdown]\n# --8<-- "docs/gone.py"\n',
        "Snippet at path 'docs/gone.py' could not be found",
    ),
    "wrong tags": ("bad.py", b"# %% tags=5\n1\n", "the tags of a cell must be a list of"),
    "NUL": ("bad.py", b"# %%\nx = 1\0\n", "source code string cannot contain null bytes"),
    "no Python": ("bad.py", b"# %%\nx = (\n", "SyntaxError"),
    "half a character": ("bad.py", b"# %%\nprint('\\ud800')\n", "ud800"),
    "nothing": ("bad.py", b"", "Bad"),
}


class Served(Site):
    """A site under `mkdocs serve`, as a browser sees it."""

    def shows(self, *words: str) -> None:
        until(lambda: all(word in self.page() for word in words), f"{words} on the page", 30)

    def page(self) -> str:
        """The page's text."""
        return self.text("index")

    def text(self, page: str) -> str:
        return html.unescape(re.sub(r"<[^>]*>", "", self.html(page)))

    def html(self, page: str = "index") -> str:
        place = "" if page == "index" else page
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/{place}", timeout=30
            ) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def serve(self) -> Iterator["Served"]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        command = self.command("serve", "-a", f"127.0.0.1:{self.port}", strict=False)
        with open(self.folder / "log", "w") as log:
            process = subprocess.Popen(**command, stdout=log, stderr=log)
            yield self
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        assert not processes(str(self.folder))


# A page that runs for as long as nobody has seen that it does.
WAITS = "while not os.path.exists('seen'): time.sleep(0.1)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    page = f"# %%\nimport os, time\n\n{WAITS}\nprint('result', 1 + 1)\n"
    folder = tmp_path_factory.mktemp("serve")
    other = "# %%\nprint('finished before the front page')\n"
    yield from Served(folder, {"index.py": page, "other.py": other}, REAL_PACKAGE).serve()


class TestServing:
    """One server, in the order in which somebody works."""

    def test_answers_before_a_page_has_run_and_says_that_it_is_being_run(
        self, served: Served
    ) -> None:
        served.shows("This page is being run", "time.sleep")
        served.write("seen", "")

    def test_shows_the_result_by_itself_when_it_is_there(self, served: Served) -> None:
        served.shows("result 2")
        said = (served.folder / "log").read_text()
        assert said.count("Running index.py") == 1
        assert re.search("Still running, each to be shown when it has run: .*index.py", said)

    def test_shows_an_error_in_the_page_and_lives_on(self, served: Served) -> None:
        served.edit("docs/index.py", "1 + 1", "1 + one")
        served.shows("stopped with an error", "name 'one' is not defined")

    def test_recovers_when_the_page_is_mended(self, served: Served) -> None:
        served.edit("docs/index.py", "1 + one", "1 + 2")
        served.shows("result 3")

    def test_says_what_is_not_measured_yet(self, served: Served) -> None:
        served.edit("docs/index.py", WAITS, ASK.replace("TINY", "FULL"))
        served.shows("Not measured yet", "1 runs", "120 seconds", "run make measure PAGE=index")

    def test_gives_up_a_run_that_is_no_longer_wanted(self, served: Served) -> None:
        served.edit("docs/index.py", "PROTOCOL", "time.sleep(60)\nPROTOCOL")
        served.shows("This page is being run")
        served.edit("docs/index.py", "time.sleep(60)\n", "")
        served.shows("Not measured yet")

    def test_trains_what_takes_less_time(self, served: Served) -> None:
        served.edit("docs/index.py", "FULL", "TINY")
        served.shows("losses [0.5]", "result 3")

    def test_names_above_the_page_and_in_the_terminal_the_sentences_that_no_longer_hold(
        self, served: Served
    ) -> None:
        served.edit("docs/index.py", "print('result", UNTRUE + "print('result")
        served.shows(
            "On this page 1 sentence no longer holds, 1 sentence cannot be checked",
            "has seed 7; these runs have seed 1",
        )
        page = served.html()
        lines = served.folder.joinpath("docs/index.py").read_text().splitlines()
        links = re.findall(r'<a href="#([\w-]+)">line (\d+)</a>', page)
        assert len(links) == 2
        for anchor, line in links:
            assert lines[int(line) - 1].startswith("@claim(")
            assert page.count(f'id="{anchor}"') == 1
        assert page.index("no longer hold") < page.index(f'id="{links[0][0]}"')
        said = (served.folder / "log").read_text()
        numbers = ", ".join(line for _, line in links)
        assert (
            f"1 sentence no longer holds, 1 sentence cannot be checked, at lines {numbers}" in said
        )
        assert "does not contain an anchor" not in said

    def test_gives_up_the_runs_of_pages_that_were_deleted(self, served: Served) -> None:
        endless = "# %%\nwhile True:\n    pass\n"
        pages = [served.folder / f"docs/endless_{number}.py" for number in (1, 2)]
        for page in pages:
            page.write_text(endless)
        until(lambda: all(processes(f"page_run.py {page} ") for page in pages), "both run")
        pages[0].unlink()
        pages[1].rename(served.folder / "docs/renamed.py")
        until(lambda: not any(processes(f"page_run.py {page} ") for page in pages), "both end")
        (served.folder / "docs/renamed.py").unlink()
        served.edit("docs/other.py", "front page", "last page")
        until(lambda: "finished before the last page" in served.html("other/"), "a third runs")
        until(lambda: not processes("page_run.py " + str(served.folder)), "no page runs")

    @pytest.mark.parametrize(
        "code",
        [
            "print('x' * 9_999)",
            "show(Shown('x' * 9_999, '', {}))",
        ],
    )
    def test_stops_a_page_that_prints_without_end(self, served: Served, code: str) -> None:
        begin = "# %%\nfrom lrguide.guide.pages import Shown, show\n\nwhile True:\n    "
        served.write("docs/other.py", f"{begin}{code}\n")
        told = "printed more than 2 MB: it was stopped"
        until(lambda: told in served.html("other/"), f"{told} on the page")
        assert len(served.html("other/")) < 2_500_000
        served.write("docs/other.py", "# %%\nprint('little')\n")  # which each build shows sooner
        until(lambda: not processes("page_run.py " + str(served.folder)), "no page runs")

    @pytest.mark.parametrize(("name", "content", "told"), UNREADABLE.values(), ids=UNREADABLE)
    def test_tells_on_a_page_that_it_cannot_be_read_and_shows_all_others(
        self, served: Served, name: str, content: bytes, told: str
    ) -> None:
        page = served.folder / "docs" / name
        page.write_bytes(content)
        try:
            until(lambda: told in served.text("bad/"), f"{told} on the page")
            until(lambda: "result " in served.page(), "the front page")
        finally:
            page.unlink()
        until(lambda: not served.html("bad/"), "the page is gone")

    def test_lives_on_with_links_to_nowhere(self, served: Served) -> None:
        links = [served.folder / "docs" / name for name in ("bad.py", "worse.md", "gone.svg")]
        for link in links:
            link.symlink_to("nowhere")  # which nobody who watches the folder is told of
        served.edit("docs/other.py", "# %%", "# %% [markdown]\n# Added.\n\n# %%")
        until(lambda: "Added." in served.html("other/"), "an edit is shown")
        said = (served.folder / "log").read_text()
        for words in (
            "docs/bad.py cannot be read: No such file or directory",
            "docs/worse.md cannot be read: No such file or directory",
            "docs/gone.svg is not a file that can be read",
        ):
            assert words in said
        for link in links:
            link.unlink()


class TestWhatIsTouchedOfMkdocsJupyter:
    def test_it_replaces_render_on_the_page_which_the_hook_undoes(self, built: Site) -> None:
        from mkdocs.config import load_config
        from mkdocs.structure.files import get_files
        from mkdocs.structure.pages import Page

        config = load_config(str(built.folder / "mkdocs.yml"))
        plugin: Any = config.plugins["mkdocs-jupyter"]
        files = plugin.on_files(get_files(config), config=config)
        file = files.get_file_from_path("plots.py")
        page = Page(None, file, config)
        assert file.is_documentation_page()
        plugin.on_pre_page(page, config=config, files=files)
        assert vars(page).pop("render").__func__ is not Page.render
        assert page.render.__func__ is Page.render


class TestTheKey:
    PAGE = "# %% [markdown]\n# Prose.\n\n# %%\nx = 1\n"

    def key(self, root: Path, page: str = PAGE) -> str:
        return page_key(cells_of(page), root)

    def test_follows_code_and_not_prose(self, tmp_path: Path) -> None:
        assert self.key(tmp_path) == self.key(tmp_path, self.PAGE.replace("Prose", "More.\n#\n#"))
        assert self.key(tmp_path) != self.key(tmp_path, self.PAGE.replace("x = 1", "x = 2"))

    @pytest.mark.parametrize(
        ("name", "followed"),
        [
            ("lrguide/plots.py", True),
            ("lrguide/guide/records.py", True),
            ("lrguide/mnist/images.npz", True),
            ("docs/records/train_SMALL.json", True),
            ("docs/records/.train_SMALL.json.unfinished", False),
            ("docs/other.py", False),
            ("lrguide/mnist/README.md", False),
        ],
    )
    def test_follows_the_package_its_data_and_the_records(
        self, tmp_path: Path, name: str, followed: bool
    ) -> None:
        before = self.key(tmp_path)
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
        assert (self.key(tmp_path) != before) is followed
        added = self.key(tmp_path)
        (tmp_path / name).write_text("x")
        assert (self.key(tmp_path) != added) is followed


class TestTheStore:
    def test_gives_back_what_it_kept(self, tmp_path: Path) -> None:
        claim = Shown("told", "told", {"date": ["2026-03-01"]}, failed="It is not so.", line=7)
        ran = Ran([5, 9], [["printed", claim]], Stop(1, 9, "ValueError", "no", ("a.py", 1, "f")))
        Store(tmp_path / "new").save("key", ran)
        kept = Store(tmp_path / "new").load("key")
        assert kept and kept.outputs == ran.outputs and kept.begins == ran.begins
        assert kept.stop and (kept.stop.line, kept.stop.words) == (9, "no")

    def test_knows_nothing_of_other_keys(self, tmp_path: Path) -> None:
        assert Store(tmp_path).load("key") is None

    @pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b + b" "])
    def test_does_not_use_a_damaged_entry(
        self, tmp_path: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = Store(tmp_path)
        store.save("key", Ran([1], []))
        (entry,) = tmp_path.iterdir()
        entry.write_bytes(damage(entry.read_bytes()))
        assert store.load("key") is None
        assert str(entry) in capsys.readouterr().err

    def test_holds_no_half_entry_when_a_process_is_killed_while_it_writes(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran = Ran([], [["x" * 1000] * 50_000])
        code = (
            "import pathlib, sys, page_results\n"
            "from lrguide.guide.pages import Ran\n"
            "store = page_results.Store(pathlib.Path(sys.argv[1]))\n"
            "while True:\n    store.save('key', Ran([], [['x' * 1000] * 50_000]))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path],
            env={**os.environ, "PYTHONPATH": f"{HOOK}{os.pathsep}{REPOSITORY}"},
        )
        until(lambda: list(tmp_path.glob("*.unfinished")), "it writes")
        process.kill()
        process.wait()
        assert Store(tmp_path).load("key") in (None, ran)
        assert capsys.readouterr().err == ""


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

    def test_blank_lines_go_and_preformatted_text_stays(self) -> None:
        kept = "<pre><code>a\n\n  b\n</code></pre>", "<script>\n\n  x\n</script>"
        page = f"<p>\n\n  one\n   two </p>\n{kept[0]}\n\n\n<i>\n\n</i>{kept[1]}\n"
        seen = f"<p>\none\ntwo </p>\n{kept[0]}\n<i>\n</i>{kept[1]}\n"
        assert without_blank_lines(page) == seen
