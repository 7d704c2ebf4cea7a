"""A site that is built: what a page shows, what is run again, and what ends the build."""

import fcntl
import gzip
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sites import ASK, REAL_PACKAGE, RUN, UNREADABLE, UNTRUE, Site, processes, until

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

# A figure without a line or a dot.
EMPTY = """
from lrguide import plots
from lrguide.guide.report import figure

figure(runs, lambda runs: plots.subplots()[0], alt=lambda runs: "A figure, it seems.")
"""


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
