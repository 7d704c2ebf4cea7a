"""What a site is given to be found, shared, taken away, and opened without a server."""

import json
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import addresses
import pytest
from mike.mkdocs_plugin import MikePlugin
from mkdocs.config.defaults import MkDocsConfig
from publishing import plain_explorer
from sites import ASK, REAL_PACKAGE, Served, Site
from test_built_site import Parsed, target

SITE = Path(__file__).parents[1] / "docs" / "site"

ADDRESS = "https://example.org/guide/"
REPOSITORY = "https://github.com/somebody/guide"
BOTH = f"site_url: {ADDRESS}\nrepo_url: {REPOSITORY}\n"
NEITHER = "site_url: ''\nrepo_url: ''\n"

RATES = f"""\
# ---
# title: Rates
# description: What a rate does.
# ---

# %% [markdown]
# # Rates
#
# A sentence with a *quokka* in it, and [words](words.md#more).
#
# <div class="lr-explorer" data-schedules="linear cosine">The figure below stands still.</div>

# %%
{ASK}
from lrguide import plots
from lrguide.guide.report import figure


def losses(runs):
    drawn, axes = plots.subplots()
    axes.plot([2.0, 1.0, runs.final("loss")[0]])
    return drawn


figure(runs, losses, alt=lambda runs: f"A loss that falls to {{runs.final('loss')[0]}}.")
"""
PAGES = {
    "index.py": RATES,
    "words.md": "# Words\n\n## More\n\nBack to [rates](index.py).\n",
    "records/README.md": "# The runs\n",
}


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A guide in a repository; its page has run."""
    site = Site(tmp_path_factory.mktemp("guide"), PAGES, REAL_PACKAGE)
    site.write("docs/records/probe_TINY.json", '{"schema": 1, "function": "probe", "runs": []}')
    site.write(".gitignore", "*")
    for command in ("init --quiet", "commit --quiet --allow-empty --message first"):
        name = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *name, *command.split()], cwd=site.folder, check=True)
    return site


def build(guide: Site, folder: Path, settings: str, **environment: str) -> Path:
    """Build it with some more settings."""
    given = (guide.folder / "mkdocs.yml").read_text()
    command = guide.command("build", "--site-dir", str(folder))
    try:
        guide.write("mkdocs.yml", given + settings)
        result = subprocess.run(
            **command | {"env": command["env"] | environment}, capture_output=True, text=True
        )
    finally:
        guide.write("mkdocs.yml", given)
    assert result.returncode == 0, result.stderr
    return folder


def test_a_build_does_not_depend_on_the_machine_s_locale(tmp_path: Path) -> None:
    page = "# %%\nfrom lrguide.words import named\n\nprint('ß', named())  # “quoted”\n"
    package = REAL_PACKAGE | {"words.py": "def named():\n    return 'größer ≥ 1'\n"}
    site = Site(tmp_path, {"index.py": page, "about.md": "# Über Raten\n"}, package)
    command = site.command("build")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "TZ": "Pacific/Apia"}
    command["env"] = {k: v for k, v in command["env"].items() if k != "LANG"} | bare
    site.write("lrguide/more.py", "# Für uns\n")
    result = subprocess.run(**command, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    assert "ß größer ≥ 1" in site.html("")
    assert "Über Raten" in site.html("about")


@pytest.fixture(scope="module")
def unset(guide: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(guide, tmp_path_factory.mktemp("unset"), NEITHER)


@pytest.fixture(scope="module")
def published(guide: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(guide, tmp_path_factory.mktemp("published"), BOTH)


def install_cell(site: Path) -> str:
    notebook = json.loads((site / "index.ipynb").read_text(encoding="utf-8"))
    return "".join(notebook["cells"][0]["source"])


class TestWithTheAddressesOfSiteAndRepository:
    @pytest.mark.parametrize(
        ("page", "shown"),
        [
            ("index.html", f'<link rel="canonical" href="{ADDRESS}">'),
            ("words/index.html", f'<link rel="canonical" href="{ADDRESS}words/">'),
            ("index.html", '<meta property="og:type" content="website">'),
            ("words/index.html", '<meta property="og:type" content="article">'),
            ("index.html", '<meta property="og:title" content="Rates">'),
            ("index.html", '<meta property="og:description" content="What a rate does.">'),
            ("index.html", f'<meta property="og:image" content="{ADDRESS}index.png">'),
            ("words/index.html", f'<meta property="og:image" content="{ADDRESS}index.png">'),
            (
                "words/index.html",
                f'<a href="{REPOSITORY}" title="Go to repository" class="md-source">',
            ),
            ("index.html", '<meta name="twitter:card" content="summary_large_image">'),
            (
                "index.html",
                '<a href="https://colab.research.google.com/github/somebody/guide/blob/gh-pages/'
                'latest/index.ipynb">in Colab</a>',
            ),
            (
                "index.html",
                '<a href="https://github.com/somebody/guide/issues/new?template=wrong.yml&amp;'
                'where=index.py%2C+a+number+of+probe_TINY.json">report a number</a>',
            ),
        ],
    )
    def test_a_page_names(self, published: Path, page: str, shown: str) -> None:
        assert shown in (published / page).read_text(encoding="utf-8")

    def test_the_picture_of_a_page_is_a_png_of_the_size_that_others_show(
        self, published: Path
    ) -> None:
        picture = (published / "index.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">II", picture[16:24]) == (1200, 630)

    def test_a_notebook_fetches_the_runs_from_the_site(self, published: Path) -> None:
        cell = install_cell(published)
        assert f'GUIDE = "{ADDRESS}"\n' in cell
        assert 'urlretrieve(f"{GUIDE}records/{name}", ' in cell

    def test_each_link_of_a_notebook_leads_to_the_site(self, published: Path) -> None:
        assert f"[words]({ADDRESS}words/#more)" in (published / "index.ipynb").read_text()

    def test_two_builds_are_the_same_to_the_byte(
        self, guide: Site, published: Path, tmp_path: Path
    ) -> None:
        cache, kept = guide.folder / ".cache/pages", guide.folder / "kept"
        cache.rename(kept)
        try:
            build(guide, tmp_path, BOTH)
        finally:
            subprocess.run(["rm", "-rf", cache], check=True)
            kept.rename(cache)
        first, second = (
            {path.relative_to(site): path.read_bytes() for path in site.rglob("*.*")}
            for site in (published, tmp_path)
        )
        assert first.keys() == second.keys()
        assert [str(name) for name in first if first[name] != second[name]] == []

    def test_the_list_of_pages_has_each_once_at_its_address(self, published: Path) -> None:
        listed = re.findall("<loc>(.*?)</loc>", (published / "sitemap.xml").read_text())
        assert sorted(listed) == [ADDRESS, f"{ADDRESS}records/", f"{ADDRESS}words/"]
        assert f"Sitemap: {ADDRESS}sitemap.xml\n" in (published / "robots.txt").read_text()

    def test_machines_are_told_of_each_page_and_its_markdown(self, published: Path) -> None:
        said = (published / "llms.txt").read_text(encoding="utf-8")
        assert said.startswith("# A measured guide to learning rates\n\n> What learning rates ")
        assert f"- [Rates]({ADDRESS}index.html.md): What a rate does.\n" in said
        links = re.findall(r"\]\((.*?)\)", said)
        assert len(links) == 3
        for link in links:
            assert (published / link.removeprefix(ADDRESS)).is_file()


class TestMarkdownBesideAPage:
    def test_has_its_words_code_and_numbers_and_no_html(self, unset: Path) -> None:
        text = (unset / "index.html.md").read_text(encoding="utf-8")
        for part in (
            "# Rates\n\nA sentence with a *quokka*",
            "[words](words/index.html.md#more)",
            'print("losses"',
            "losses [0.5]",
            "Figure: A loss that falls to 0.5. ([its numbers](index-numbers.html#figure-1))",
        ):
            assert part in text
        assert not re.search("<(figure|svg|div|a) ", text)

    def test_leads_from_markdown_to_markdown(self, unset: Path) -> None:
        words = (unset / "words/index.html.md").read_text(encoding="utf-8")
        assert words == "# Words\n\n## More\n\nBack to [rates](../index.html.md).\n"


class TestWithoutThem:
    def test_there_is_no_list_of_addresses(self, unset: Path) -> None:
        assert not list(unset.glob("sitemap*"))
        assert "Sitemap" not in (unset / "robots.txt").read_text()
        assert "](index.html.md)" in (unset / "llms.txt").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "dead", ["canonical", "og:", "twitter:", "colab", "example.org", "report a"]
    )
    def test_a_page_names_none(self, unset: Path, dead: str) -> None:
        for page in unset.rglob("*.html"):
            assert dead not in page.read_text(encoding="utf-8")

    def test_there_is_no_picture_that_nothing_shows(self, unset: Path) -> None:
        assert not list(unset.glob("*.png"))

    def test_a_notebook_says_where_the_runs_belong(self, unset: Path) -> None:
        assert "records/probe_TINY.json\n" in install_cell(unset)


@pytest.mark.parametrize(
    ("site", "version", "address"),
    [
        (ADDRESS, "", ADDRESS),
        (ADDRESS.rstrip("/"), "", ADDRESS),
        (ADDRESS, "0.2", f"{ADDRESS}0.2/"),
        ("", "", ""),
        ("", "0.2", ""),
    ],
)
def test_the_files_of_a_version_are_in_that_version_whichever_search_engines_shall_know(
    monkeypatch: pytest.MonkeyPatch, site: str, version: str, address: str
) -> None:
    monkeypatch.setenv("MIKE_DOCS_VERSION", version)
    config, mike = MkDocsConfig(), MikePlugin()
    config.site_url = site
    mike.load_config({"canonical_version": "latest"})
    mike.on_config(config)
    assert addresses.of_site(config) == address


@pytest.mark.parametrize(
    ("site", "repository", "version", "link"),
    [
        (ADDRESS, REPOSITORY, "", "latest/a/a.ipynb"),
        (ADDRESS, f"{REPOSITORY}.git", "", "latest/a/a.ipynb"),
        (ADDRESS, f"{REPOSITORY}/", "dev", "dev/a/a.ipynb"),
        (ADDRESS, "", "", ""),
        ("", REPOSITORY, "", ""),
        (ADDRESS, "https://gitlab.com/somebody/guide", "", ""),
    ],
)
def test_colab_opens_what_a_deployment_put_on_github(
    monkeypatch: pytest.MonkeyPatch, site: str, repository: str, version: str, link: str
) -> None:
    monkeypatch.setenv("MIKE_DOCS_VERSION", version)
    config = MkDocsConfig()
    config.site_url, config.repo_url = site, repository
    start = "https://colab.research.google.com/github/somebody/guide/blob/gh-pages/"
    assert addresses.in_colab(config, "a/a.ipynb") == (start + link if link else "")


@pytest.fixture(scope="module")
def folder(guide: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make site OFFLINE=1` builds it, with addresses that it must not use."""
    return build(guide, tmp_path_factory.mktemp("a folder"), BOTH, LRGUIDE_OFFLINE="true")


@pytest.fixture
def opened(folder: Path, browser: Any) -> Any:
    """The first page as a double click opens it in a browser; no error may appear there."""
    page, wrong = browser.new_page(), []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith("file:") else wrong.append(r.url))
    page.goto((folder / "index.html").as_uri())
    yield page
    page.close()
    assert wrong == []


class TestAFolder:
    def test_has_no_dead_link_and_none_that_needs_a_server(self, folder: Path) -> None:
        pages = {path: Parsed(path) for path in folder.rglob("*.html") if path.name != "404.html"}
        for path, parsed in pages.items():
            for link in parsed.links:
                if not re.match(r"[a-z]+:|#", link):
                    file, anchor = target(path, link)
                    assert file.is_file() and file.suffix and link[-1] != "/", link
                    assert not anchor or anchor in pages[file].ids, link

    def test_its_notebook_lies_beside_the_records(self, folder: Path) -> None:
        assert (folder / "index.ipynb").is_file()
        assert (folder / "records/probe_TINY.json").is_file()

    def test_its_pages_have_their_style_their_figures_and_lead_to_each_other(
        self, opened: Any
    ) -> None:
        assert opened.locator(".lr-figure svg").bounding_box()["width"] > 300
        assert opened.evaluate("getComputedStyle(document.querySelector('.lr-figure')).maxWidth")
        opened.get_by_role("link", name="words", exact=True).first.click()
        opened.wait_for_url("file://**/words.html#more")
        assert opened.get_by_role("heading", name="More").is_visible()
        opened.get_by_role("link", name="rates", exact=True).click()
        opened.wait_for_url("file://**/index.html")
        assert opened.locator(".lr-figure svg").is_visible()

    def test_its_search_answers(self, opened: Any) -> None:
        opened.locator(".md-search__input").first.click()
        opened.keyboard.type("quokka")
        result = opened.locator(".md-search-result__link").first
        result.wait_for(timeout=15_000)
        assert re.match("file://.*/index.html", result.get_attribute("href"))

    def test_its_explorer_moves(self, opened: Any) -> None:
        opened.locator(".lr-explorer .lr-curve").first.wait_for(timeout=5_000)
        opened.locator(".lr-explorer input[value=cosine]").check(force=True)
        assert "cosine" in opened.locator(".lr-explorer pre code").inner_text()


def test_a_served_page_loads_anew_after_an_edit_and_still_asks_no_other_host(
    tmp_path: Path, browser: Any
) -> None:
    served = Served(tmp_path, {"index.md": "# Rates\n"})
    ends = served.serve()
    next(ends)
    served.shows("Rates")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    served.write("docs/index.md", "# Quokkas\n\n![far](https://example.org/a.png)\n")
    with page.expect_console_message(lambda said: "img-src" in said.text, timeout=30_000):
        page.get_by_role("heading", name="Quokkas").wait_for(timeout=30_000)
    page.close()
    assert list(ends) == []  # the server is ended


def test_the_plain_explorer_is_the_two_modules_without_imports_and_exports() -> None:
    script = plain_explorer()
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    for name in ("schedules.js", "explorer.js"):
        module = (SITE / "theme" / "assets" / name).read_text(encoding="utf-8")
        assert module.splitlines()[-1].removeprefix("export ") in script
