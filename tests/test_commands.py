"""The Makefile and its set-up, run for real in a folder of their own: what they say and do."""

import importlib
import inspect
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = "awk cat cksum df dirname du env find grep ls make mkdir mktemp mv ps rm sed sh tail wc"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, and a PATH (in `bin`) on which there is no Python."""
    folder = tmp_path / "a copy" / "lrguide"
    for name in ("Makefile", ".ci/set-up", "pyproject.toml", "constraints.txt", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "lrguide").mkdir()
    shutil.copy(ROOT / "lrguide/__init__.py", folder / "lrguide")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS.split():
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = folder.parents[1] / "bin"
    # Without our environment: this test may itself run under make, or with another index.
    return subprocess.run(
        [path / "make", *arguments],
        cwd=folder,
        env={"PATH": str(path), "PIP_CONFIG_FILE": os.devnull, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def sentence(run: subprocess.CompletedProcess[str]) -> str:
    """The last line of a failed command, without the one that make adds."""
    assert run.returncode != 0
    lines = [line for line in run.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("lrguide: ")
    return lines[0]


def program(folder: Path, name: str, script: str) -> None:
    path = folder.parents[1] / "bin" / name
    path.unlink(missing_ok=True)  # only the link, not the program that it leads to
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def python_with(change: str) -> str:
    """A script that starts this Python, and changes one thing in it before its program runs."""
    return f"exec '{sys.executable}' -c \"import sys; {change}; exec(sys.stdin.read())\""


def set_up(folder: Path) -> None:
    """What a finished set-up leaves, without its packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True)
    (packages,) = folder.glob(".venv/lib/python3*/site-packages")
    (packages / "lrguide.pth").write_text(f"{folder}\n", encoding="utf-8")
    (packages / "numpy").mkdir()
    for name in ("core.py", "core.pyc"):
        (packages / "numpy" / name).touch()
    (folder / ".venv/set-up-files").write_text("2\n", encoding="utf-8")  # without the .pyc
    state = "cksum pyproject.toml constraints.txt .ci/set-up; ls .venv/lib/python3*/site-packages"
    subprocess.run(f"{{ {state}; }} >.venv/set-up-done", shell=True, cwd=folder, check=True)


def test_make_alone_lists_each_command_in_one_line(folder: Path) -> None:
    run = make(folder)
    commands = set(re.findall(r"^  make ([a-z-]+) +\S", run.stdout, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)).split())
    assert commands == phony - {"port"}
    assert max(map(len, run.stdout.splitlines())) <= 100


# No Python that will do.


def test_without_python_set_up_says_which_ones_will_do(folder: Path) -> None:
    said = sentence(make(folder, "set-up"))
    assert "Python 3.11, 3.12 or 3.13 is needed, found no Python on the PATH" in said
    assert "PYTHON=" in said
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (python_with("sys.version_info = (3, 10)"), "python3 is Python 3.10"),
        (python_with("sys.version_info = (3, 14)"), "python3 is Python 3.14"),
        ("exit 127", "python3 is not a Python that starts"),
    ],
    ids=["too old", "too new", "broken"],
)
def test_with_a_wrong_python_set_up_names_what_it_found(
    folder: Path, script: str, found: str
) -> None:
    program(folder, "python3", script)
    assert f"found {found}: install one" in sentence(make(folder, "test"))


def test_python_that_was_asked_for_is_the_only_one_looked_at(folder: Path) -> None:
    program(folder, "python3", f"exec '{sys.executable}' \"$@\"")
    assert "found no python9" in sentence(make(folder, "set-up", "PYTHON=python9"))


def test_without_the_venv_module_set_up_says_what_to_install(folder: Path) -> None:
    program(folder, "python3", python_with("sys.modules['ensurepip'] = None"))
    said = sentence(make(folder, "set-up"))
    assert "no Python here has its venv module" in said
    assert "apt install python3-venv" in said


# No room, no network.


def test_with_too_small_a_disk_set_up_names_both_sizes_and_starts_nothing(folder: Path) -> None:
    program(folder, "python3", f"exec '{sys.executable}' \"$@\"")
    program(folder, "df", r"printf 'Filesystem 1024-blocks Used Available\ndisk 9 9 102400\n'")
    said = sentence(make(folder, "set-up"))
    assert "needs 3500 MB of free disk" in said and "has 100" in said
    assert not (folder / ".venv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_in_a_folder_that_cannot_be_written_set_up_says_so(folder: Path) -> None:
    program(folder, "python3", f"exec '{sys.executable}' \"$@\"")
    folder.chmod(0o500)
    try:
        assert "make the folder writable" in sentence(make(folder, "set-up"))
    finally:
        folder.chmod(0o700)


def test_set_up_says_what_it_needs_and_where_it_cannot_reach_an_index_what_to_do(
    folder: Path,
) -> None:
    program(folder, "python3", f"exec '{sys.executable}' \"$@\"")
    run = make(folder, "set-up", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="1")
    for need in ("3.11 to 3.13", "2.7 GB of disk"):
        assert need in run.stdout
    assert "no package index could be reached: connect this machine" in sentence(run)
    assert not (folder / ".venv/set-up-done").exists()


def test_with_an_index_that_lacks_a_package_set_up_says_where_to_look(folder: Path) -> None:
    set_up(folder)
    (packages,) = folder.glob(".venv/lib/python3*/site-packages")
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    (folder / "constraints.txt").write_text("pip==26.0\n", encoding="utf-8")
    said = sentence(make(folder, "set-up", PIP_NO_INDEX="1"))
    assert "look at PIP_INDEX_URL and PIP_NO_INDEX" in said


# A port that will not do.


@pytest.mark.parametrize("port", ["", "web", "80a", "-1", "8000 9"])
def test_serve_refuses_a_port_that_is_no_number_before_any_set_up(folder: Path, port: str) -> None:
    said = sentence(make(folder, "serve", f"PORT={port}"))
    assert f"PORT must be a number from 1024 to 65535, received '{port}'" in said


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_serve_names_a_port_that_is_taken(folder: Path, taken: int) -> None:
    set_up(folder)
    said = sentence(make(folder, "serve", f"PORT={taken}"))
    assert f"port {taken} is not free: name another, as in: make serve PORT=" in said


def test_serve_refuses_a_port_beyond_the_last(folder: Path) -> None:
    set_up(folder)
    assert "port 65536 is not free" in sentence(make(folder, "serve", "PORT=65536"))


# Set-up is done once, and again after damage. There is no Python on the PATH, so that it ends where
# it would begin to make a new virtual environment.


def test_a_second_call_installs_nothing(folder: Path) -> None:
    set_up(folder)
    run = make(folder, "set-up")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def interrupt(folder: Path) -> None:
    (folder / ".venv/set-up-done").unlink()


def lose_python(folder: Path) -> None:
    (folder / ".venv/bin/python").unlink()


def lose_a_package(folder: Path) -> None:
    shutil.rmtree(next(folder.glob(".venv/lib/python3*/site-packages/numpy")))


def lose_a_file_of_a_package(folder: Path) -> None:
    next(folder.glob(".venv/lib/python3*/site-packages/numpy/core.py")).unlink()


def lose_all_packages(folder: Path) -> None:
    shutil.rmtree(folder / ".venv/lib")


def copy_from_elsewhere(folder: Path) -> None:
    original = folder.with_name("original")
    folder.rename(original)
    shutil.copytree(original, folder, symlinks=True)
    (packages,) = folder.glob(".venv/lib/python3*/site-packages")
    (packages / "lrguide.pth").write_text(f"{original}\n", encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        interrupt,
        lose_python,
        lose_a_package,
        lose_a_file_of_a_package,
        lose_all_packages,
        copy_from_elsewhere,
    ],
)
def test_a_damaged_environment_is_made_anew(folder: Path, damage) -> None:  # type: ignore[no-untyped-def]
    set_up(folder)
    damage(folder)
    assert "Python 3.11, 3.12 or 3.13 is needed" in sentence(make(folder, "set-up"))


def test_what_python_compiles_or_a_reader_adds_is_no_damage(folder: Path) -> None:
    set_up(folder)
    (numpy,) = folder.glob(".venv/lib/python3*/site-packages/numpy")
    (numpy / "core.pyc").unlink()
    (numpy / "added.py").touch()
    run = make(folder, "set-up")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_another_python_that_is_asked_for_means_a_new_environment(folder: Path) -> None:
    set_up(folder)
    assert make(folder, "set-up", f"PYTHON={sys.executable}").returncode == 0
    program(folder, "python3", python_with("sys.version_info = (3, 10)"))
    assert "python3 is Python 3.10" in sentence(make(folder, "set-up", "PYTHON=python3"))


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_is_installed_into_the_environment_that_is_there(
    folder: Path, name: str
) -> None:
    set_up(folder)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    # It has no pip here, which is as far as a test without an index can go.
    assert "pip could not be renewed" in sentence(make(folder, "set-up"))
    assert (folder / ".venv/bin/python").exists()
    assert not (folder / ".venv/set-up-done").exists(), "the next call has to try again"


def test_set_up_announces_the_one_installation_that_takes_long(folder: Path) -> None:
    set_up(folder)
    with (folder / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    # In place of pip: it says what pip says of itself first, then of all the packages.
    real = folder / ".venv/bin/python"
    python = real.rename(real.with_name("real"))
    packages = 'case "$*" in *pip*--editable*) echo "numpy" ;; *) echo "pip" ;; esac'
    real.write_text(
        f'#!/bin/sh\n[ "$2" = pip ] || exec \'{python}\' "$@"\n'
        f'echo "Installing collected packages: $({packages})"\n',
        encoding="utf-8",
    )
    real.chmod(0o755)
    said = make(folder, "set-up").stdout.splitlines()
    assert said == ["  Installing (a minute or two)", "lrguide: .venv is ready"]


# What takes the place of Python after a set-up, and of which `-c` alone is real.
STANDS_IN = """#!/bin/sh
case "$*" in -I*|-) exec "$0-real" "$@" ;; esac
"""


def stand_in(folder: Path, script: str) -> None:
    python = folder / ".venv/bin/python"
    python.rename(python.with_name("python-real"))
    python.write_text(STANDS_IN + script + "\n", encoding="utf-8")
    python.chmod(0o755)


def test_what_a_command_reads_and_prints_is_utf_8_in_any_locale(folder: Path) -> None:
    set_up(folder)
    stand_in(folder, 'echo "$PYTHONUTF8 $PYTHONIOENCODING"')
    for command in ("test", "check", "bench", "measure", "verify", "site"):
        run = make(folder, command, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
        assert run.stdout.splitlines()[0] == "1 utf-8", command


BUILDS = """for folder; do :; done # the last argument
mkdir -p "$folder"; echo "$WORDS" >"$folder/index.html"; exit $END"""


def test_a_site_takes_the_place_of_the_former_when_it_is_whole_and_not_before(
    folder: Path,
) -> None:
    set_up(folder)
    stand_in(folder, BUILDS)
    page = folder / "site/index.html"
    for words, end, shown in [
        ("half", "1", None),
        ("first", "0", "first\n"),
        ("half", "1", "first\n"),
        ("second", "0", "second\n"),
    ]:
        run = make(folder, "site", WORDS=words, END=end)
        assert (run.returncode == 0) == (end == "0"), run.stderr
        assert (page.read_text("utf-8") if page.exists() else None) == shown
        assert list((folder / ".cache").iterdir()) == [], "nothing is left aside"
    assert run.stdout.endswith("lrguide: the guide is in site/\n")


def test_a_touched_list_changes_nothing(folder: Path) -> None:
    set_up(folder)
    (folder / "pyproject.toml").touch()
    assert make(folder, "set-up").stdout == ""


def test_two_set_ups_at_once_do_not_meet(folder: Path) -> None:
    (folder / ".venv").mkdir()
    command = [sys.executable, "-c", "input()", "set-up"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        (folder / ".venv/set-up.pid").write_text(f"{other.pid}\n", encoding="utf-8")
        said = sentence(make(folder, "set-up"))
        other.communicate(b"\n")
    assert f"another set-up is under way in this folder (process {other.pid})" in said
    assert "is needed" in sentence(make(folder, "set-up")), "its number is left, it has gone"


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (ROOT / "tests/bench").glob("[!_]*.py"))
)
def test_make_bench_can_run_each_benchmark(name: str) -> None:
    """Without arguments, as it does."""
    main = importlib.import_module(f"tests.bench.{name}").main
    inspect.signature(main).bind()


def test_clean_deletes_what_is_made_again_and_spares_measured_runs(folder: Path) -> None:
    set_up(folder)
    kept = [".cache/lrguide/run.json", "docs/records/fixed.json", "lrguide/__init__.py"]
    made = ["site/index.html", ".cache/pages/a.json", "docs/__pycache__/a.pyc", ".mypy_cache/a"]
    for name in [*kept, *made]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "tests").mkdir()
    run = make(folder, "clean")
    assert run.returncode == 0, run.stderr
    assert [name for name in kept if not (folder / name).exists()] == []
    assert [name for name in made if (folder / name).exists()] == []
    assert make(folder, "set-up").stdout == "", ".venv is spared"
