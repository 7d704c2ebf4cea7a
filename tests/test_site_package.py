"""The package that a site carries: installed and copied from wherever the site is."""

import json
import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_package import built
from sites import REAL_PACKAGE, REPOSITORY, Quiet, Served, Site, served

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "lrguide/mnist/README.md")
PACKAGE = REAL_PACKAGE | {"py.typed": ""}
PAGES = {
    "index.py": '# %% [markdown]\n# # Home\n#\n# <div class="lr-install"></div>\n\n# %%\nx = 1\n',
    "more/words.md": '# Words\n\n<div class="lr-install"></div>\n',
}
ADDRESS = "https://example.org/guide/"
WHEEL = "lrguide-0.1.0-py3-none-any.whl"
SAVED = (
    f'<p class="lr-save">Save <a href="../../{WHEEL}" download>{WHEEL}</a>, and in its folder:</p>'
)


def with_package(site: Site) -> Site:
    for name in BUILT_FROM:
        site.write(name, (REPOSITORY / name).read_text(encoding="utf-8"))
    return site


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return with_package(Site(tmp_path_factory.mktemp("guide"), PAGES, PACKAGE))


def build(guide: Site, folder: Path) -> Path:
    result = guide.build("--site-dir", str(folder))
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def site(guide: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without knowing its address."""
    return build(guide, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def hosted(guide: Site, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built for an address of its own."""
    given = (guide.folder / "mkdocs.yml").read_text()
    guide.write("mkdocs.yml", f"{given}site_url: {ADDRESS}\n")
    try:
        return build(guide, tmp_path_factory.mktemp("hosted"))
    finally:
        guide.write("mkdocs.yml", given)


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with served(site, Quiet) as url:
        yield url


def line(page: str) -> str:
    """The line that installs, as the page has it without a script."""
    (found,) = re.findall(r"lr-install.*?<code>(.*?)\n?</code>", page, re.DOTALL)
    return re.sub("<[^>]*>", "", found)


def installed(command: str, folder: Path) -> str:
    """What an environment without lrguide knows of it, once the page's own line has been typed.

    Keras and its backend, half a gigabyte, are those that the tests run with.
    """
    pip, install, wheel, backend = command.split()
    assert (pip, backend) == ("pip", "tensorflow")
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", install, wheel, *options], check=True)
    code = "import lrguide.schedules as s; print(s.__file__, float(s.linear(0.1, 4)(2)))"
    paths = f"import sys; sys.path.insert(0, {str(folder)!r}); "
    done = subprocess.run(
        [sys.executable, "-I", "-c", paths + code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_it_is_installed_by_the_line_on_the_page_from_where_the_page_is_served(
    url: str, browser: Any, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(f"{url}more/words/")
    command = page.locator(".lr-install code").inner_text().strip()
    page.close()
    assert command == f"pip install {url}{WHEEL} tensorflow"
    where, rate = installed(command, tmp_path).split()
    assert Path(where) == tmp_path / "lrguide/schedules.py"
    assert float(rate) == pytest.approx(0.05)


def test_an_empty_environment_installs_it_and_what_it_needs_from_where_it_is_served(
    url: str, tmp_path: Path
) -> None:
    """With JAX, the smallest of Keras' backends: TensorFlow is half a gigabyte."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = str(tmp_path / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, f"{url}{WHEEL}", "jax"], check=True)
    code = "import lrguide; print(lrguide.__file__, float(lrguide.linear(0.1, 4)(2)))"
    done = subprocess.run(
        [python, "-I", "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    where, rate = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert float(rate) == pytest.approx(0.05)


def test_without_a_script_and_an_address_the_page_says_what_to_save(site: Path) -> None:
    page = (site / "more/words/index.html").read_text(encoding="utf-8")
    assert SAVED in page
    assert line(page) == f"pip install ./{WHEEL} tensorflow"
    assert (site / "more/words" / "../.." / WHEEL).is_file()


def test_with_the_address_of_the_site_it_is_in_the_page_and_in_the_notebook(hosted: Path) -> None:
    page = (hosted / "more/words/index.html").read_text(encoding="utf-8")
    assert line(page) == f"pip install {ADDRESS}{WHEEL} tensorflow"
    assert "lr-save" not in page
    notebook = (hosted / "index.ipynb").read_text(encoding="utf-8")
    assert r"GUIDE = \"https://example.org/guide/\"" in notebook


def test_a_mirror_installs_from_itself(hosted: Path, browser: Any) -> None:
    with served(hosted, Quiet) as mirror:
        page = browser.new_page()
        page.goto(mirror)
        said = page.locator(".lr-install code").inner_text().strip()
        assert said == f"pip install {mirror}{WHEEL} tensorflow"
        page.close()


def test_a_notebook_knows_where_it_was_taken_from(url: str, site: Path, browser: Any) -> None:
    page, wrong = browser.new_page(), []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(url)
    for _ in range(2):  # a reader may click again
        with page.expect_download() as taken:
            page.get_by_role("link", name="notebook").click()
        assert taken.value.suggested_filename == "index.ipynb"
        first = json.loads(Path(taken.value.path()).read_text(encoding="utf-8"))["cells"][0]
        said = "".join(first["source"])
        assert f'\nGUIDE = "{url}"\n' in said
        assert f'\n%pip install --quiet {{GUIDE}}{WHEEL} "tensorflow>=' in said
    page.close()
    assert wrong == []
    unscripted = (site / "index.ipynb").read_text(encoding="utf-8")
    assert rf"once you have saved {WHEEL}\n" in unscripted
    assert r"GUIDE = \"./\"\n" in unscripted


def test_it_is_what_a_release_would_be_and_the_same_to_the_byte(
    guide: Site, site: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=guide.folder, check=True, capture_output=True)
    content = (site / WHEEL).read_bytes()
    assert (tmp_path / WHEEL).read_bytes() == content == built(guide.folder)[1]
    assert {each.date_time[0] for each in zipfile.ZipFile(site / WHEEL).infolist()} == {2020}


def test_its_modules_can_be_copied_one_by_one(site: Path) -> None:
    for name in ("schedules.py", "range_test.py", "plots.py"):
        assert (site / "lrguide" / name).read_text(encoding="utf-8") == PACKAGE[name]


BROKEN = ("lrguide/__init__.py", '__version__ = "0.1.0"', "__version = 0")


def test_a_package_that_cannot_be_built_ends_a_build_with_a_sentence(tmp_path: Path) -> None:
    site = with_package(Site(tmp_path, {"index.md": "# Home\n"}, PACKAGE))
    site.edit(*BROKEN)
    result = site.build()
    assert result.returncode == 1
    assert "the package could not be built: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_installs_from_itself_and_survives_a_package_that_cannot_be_built(
    tmp_path: Path,
) -> None:
    page = f"{PAGES['more/words.md']}\nfirst\n"
    site = with_package(Served(tmp_path, {"index.md": page}, PACKAGE))
    assert isinstance(site, Served)
    ends = site.serve()
    next(ends)
    site.shows("first", f"pip install http://127.0.0.1:{site.port}/{WHEEL}")
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/{WHEEL}") as answer:
        assert answer.read() == built(tmp_path)[1]
    site.edit(*BROKEN)
    site.edit("docs/index.md", "first", "second")
    site.shows("second")
    assert "the package could not be built" in (tmp_path / "log").read_text()
    site.edit(BROKEN[0], BROKEN[2], BROKEN[1])
    site.edit("docs/index.md", "second", "third")
    site.shows("third", "pip install http://127.0.0.1")
    assert list(ends) == []


def test_git_ignores_are_heeded(tmp_path: Path) -> None:
    site = with_package(Site(tmp_path, {"index.md": "# Home\n"}, PACKAGE))
    site.write(".gitignore", "__pycache__/\n*.key\n")
    site.write("lrguide/my.key", "secret")
    name, content = built(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert "lrguide/my.key" not in zipfile.ZipFile(tmp_path / name).namelist()
