"""A site that is served: it follows edits, runs what they change, and lives on with faults."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import ASK, REAL_PACKAGE, UNREADABLE, UNTRUE, Served, processes, until

# A hook with which a page lives for some milliseconds of the second build, while it is read. Its
# file comes back for as long as the last hooks of that build take.
BRIEF = """
from pathlib import Path

page, builds = Path("docs/brief.md"), []


def on_pre_build(config):
    builds.append(1)
    if len(builds) == 2:
        page.write_text("# Brief")


def on_nav(nav, config, files):
    if page.exists():
        assert files.get_file_from_path("brief.md")
        Path("built").touch()
        page.unlink()


def on_post_build(config):
    if len(builds) == 2:
        page.touch()
"""
GONE = """
from pathlib import Path


def on_post_build(config):
    Path("docs/brief.md").unlink(missing_ok=True)
"""


# A page that runs for as long as nobody has seen that it does.
WAITS = "while not os.path.exists('seen'): time.sleep(0.1)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    page = f"# %%\nimport os, time\n\n{WAITS}\nprint('result', 1 + 1)\n"
    folder = tmp_path_factory.mktemp("serve")
    other = "# %%\nprint('finished before the front page')\n"
    yield from Served(folder, {"index.py": page, "other.py": other}, REAL_PACKAGE).serve()


class TestServing:
    """These tests share one server, and follow each other as a writer's edits do."""

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

    @pytest.mark.parametrize("code", ["print('x' * 9_999)", "show(Shown('x' * 9_999, '', {}))"])
    def test_stops_a_page_that_prints_without_end(self, served: Served, code: str) -> None:
        begin = "# %%\nfrom lrguide.guide.pages import Shown, show\n\nwhile True:\n    "
        served.write("docs/other.py", f"{begin}{code}\n")
        told = "printed more than 2 MB: it was stopped"
        until(lambda: told in served.html("other/"), f"{told} on the page")
        assert len(served.html("other/")) < 2_500_000
        served.write("docs/other.py", "# %%\nprint('little')\n")  # it runs for less time
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
            link.symlink_to("nowhere")  # watchers get no event for it
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


def test_a_server_forgets_a_page_that_was_there_for_less_than_a_look(tmp_path: Path) -> None:
    site = Served(tmp_path, {"index.md": "# Front page\n"})
    site.write("brief.py", BRIEF)
    site.write("gone.py", GONE)
    with open(tmp_path / "mkdocs.yml", "a") as settings:
        settings.write("hooks: [brief.py, docs/site/notebook_pages.py, gone.py]\n")
    for _ in site.serve():
        until(lambda: "Front page" in site.page(), "the first build")
        site.edit("docs/index.md", "Front", "Last")
        until(lambda: "Last page" in site.page(), "the second build")
        assert (tmp_path / "built").exists()
        until(lambda: not site.html("brief/"), "the page is gone")


class TestTwoServersInOneFolder:
    def test_train_a_run_once_and_the_one_that_waits_says_for_which_process(
        self, tmp_path: Path
    ) -> None:
        trains = """
    import os, time

    with open("trained.txt", "a") as trained:
        print(seed, file=trained)
    while not os.path.exists("seen"):
        time.sleep(0.1)
    return"""
        page = "# %%" + ASK.replace("\n    return", trains)
        one = Served(tmp_path, {"index.py": page}, REAL_PACKAGE)
        other = copy.copy(one)
        words = r"index.py waits: another measurement is running \(process (\d+)\)"
        for _ in one.serve("one"):
            until((tmp_path / "trained.txt").exists, "one trains")
            for _ in other.serve("other"):
                said = until(lambda: re.search(words, (tmp_path / "other").read_text()), "it waits")
                assert processes(said[1], f"page_run.py {tmp_path}/docs/index.py")
                for server in (one, other):
                    server.shows("This page is being run")
                (tmp_path / "seen").touch()
                for server in (one, other):
                    server.shows("losses [0.5]")
                    assert "stopped with an error" not in server.page()
        assert (tmp_path / "trained.txt").read_text() == "1\n"
