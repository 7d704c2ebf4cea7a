"""The wheel and the sdist: what they hold, and that all of it works without the repository."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from nbclient import NotebookClient
from page_notebook import to_notebook
from test_package import ROOT, tracked

import lrguide
from lrguide.guide.pages import cells


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_archive_is_under_4_megabytes(archives: dict[str, Path], kind: str) -> None:
    assert archives[kind].stat().st_size < 4_000_000


def test_the_wheel_holds_the_package_with_its_digits_and_nothing_else(
    archives: dict[str, Path],
) -> None:
    names = zipfile.ZipFile(archives["wheel"]).namelist()
    meta = f"lrguide-{lrguide.__version__}.dist-info"
    assert {name for name in names if not name.startswith(meta)} == set(tracked("lrguide"))
    assert {"lrguide/py.typed", "lrguide/mnist/subset.npz", "lrguide/mnist/README.md"} < set(names)
    assert f"{meta}/licenses/LICENSE" in names


def test_the_sdist_holds_what_the_wheel_is_built_from(archives: dict[str, Path]) -> None:
    with tarfile.open(archives["sdist"]) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames()}
    assert {*tracked("lrguide"), "pyproject.toml", "README.md", "LICENSE"} <= names
    assert not {name.split("/")[0] for name in names} & {"docs", "tests"}


def test_the_wheel_works_outside_the_repository(archives: dict[str, Path], tmp_path: Path) -> None:
    zipfile.ZipFile(archives["wheel"]).extractall(tmp_path)
    code = (
        "import lrguide, lrguide.data, lrguide.plots; print(lrguide.__version__, lrguide.__file__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.split() == [lrguide.__version__, str(tmp_path / "lrguide/__init__.py")]


PASTED = """
import doctest, importlib, runpy
from pathlib import Path

import lrguide

print(lrguide.__file__)
for path in sorted(Path(lrguide.__file__).parent.glob("[a-z]*.py")):
    for text in doctest.DocTestFinder().find(importlib.import_module(f"lrguide.{path.stem}")):
        lines = [each.source for each in text.examples if doctest.SKIP not in each.options]
        if lines:
            Path(f"{text.name}.py").write_text("".join(lines))
            runpy.run_path(f"{text.name}.py", run_name="__main__")
            print(path.stem, flush=True)
            break
"""


def test_an_example_of_each_module_pasted_into_a_script_runs_with_the_wheel(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    """`test_public.py` runs all examples, in the repository."""
    zipfile.ZipFile(archives["wheel"]).extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", PASTED],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert said[0] == str(tmp_path / "lrguide/__init__.py")
    assert {module for module, names in lrguide._NAMES.items() if names} <= {*said[1:]}


def test_a_page_s_notebook_runs_with_the_wheel_and_the_runs_it_fetched(
    archives: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest page without its snippet, whose modules the test above runs from the wheel.

    `test_built_site.py` sees that all notebooks hold the code that was run.
    """
    wheel, home = tmp_path / "wheel", tmp_path / "home"
    zipfile.ZipFile(archives["wheel"]).extractall(wheel)
    home.mkdir()
    guide = (ROOT / "docs").as_uri() + "/"
    records = [f"train_{budget}.json" for budget in ("SMALL", "SHORT", "MIDDLE", "FULL")]
    page = [cell for cell in cells(ROOT / "docs" / "index.py") if "snippet" not in cell.tags]
    notebook = to_notebook(page, "lrguide", records, guide)
    first = notebook.cells[0]
    first.source = first.source.replace("%pip install --quiet {GUIDE}lrguide\n", "")
    assert "%" not in first.source
    notebook.cells[-1].cell_type = "code"
    notebook.cells[-1].source = "import lrguide; print(lrguide.__file__)"
    notebook.cells[-1].outputs = []
    for name, value in {"PYTHONPATH": str(wheel), "LRGUIDE_MAX_SECONDS": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LRGUIDE_PAGE", raising=False)
    resources = {"metadata": {"path": str(home)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = [output.text for output in outputs if output.get("name") == "stdout"]
    assert printed[-1].strip() == str(wheel / "lrguide/__init__.py")
    shown = {form for output in outputs for form in output.get("data", {})}
    assert shown == {"text/html", "text/markdown", "text/plain"}
    assert "!!! warning" not in str(outputs)
    assert [path.name for path in home.iterdir()] == ["records"], "it trained, or wrote elsewhere"
