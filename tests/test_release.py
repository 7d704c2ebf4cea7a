"""`make release` and the files it makes, in a repository of its own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = """\
# Changelog

## Unreleased

## 0.2.0 - 2026-11-24

### Added

- A schedule.

## 0.1.0 - 2026-01-01

- The rest.
"""
MAKEFILE = "check test dist:\n\t@echo ran $@\n"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "MAKE"))}
    names = {f"GIT_{who}_NAME": "A. Maintainer" for who in ("AUTHOR", "COMMITTER")}
    mails = {f"GIT_{who}_EMAIL": "a@example.org" for who in ("AUTHOR", "COMMITTER")}
    return subprocess.run(
        command, cwd=folder, env={**settings, **names, **mails}, capture_output=True, text=True
    )


def release(folder: Path, command: str = "release") -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, ".ci/release.py", command)


def tags(folder: Path) -> list[str]:
    return run(folder, "git", "tag").stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "lrguide/__init__.py": '__version__ = "0.2.0"\n',
        "CHANGELOG.md": CHANGELOG,
        "Makefile": MAKEFILE,
        ".gitignore": "dist/\n__pycache__/\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/release.py", tmp_path / ".ci")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        assert run(tmp_path, "git", *command).returncode == 0
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    assert run(folder, "git", "commit", "-qam", "edited").returncode == 0


def test_a_release_is_checked_tested_built_and_tagged_with_its_notes(folder: Path) -> None:
    done = release(folder)
    assert done.returncode == 0, done.stderr
    assert re.findall("ran (.*)", done.stdout) == ["check", "test", "dist"]
    assert "git push origin v0.2.0 releases it" in done.stdout
    said = run(folder, "git", "tag", "-l", "--format=%(objecttype) %(contents)", "v0.2.0").stdout
    assert said.startswith("tag lrguide 0.2.0") and "- A schedule." in said
    assert "The rest" not in said


def dirty(folder: Path) -> None:
    (folder / "draft.txt").touch()


def no_entry(folder: Path) -> None:
    edit(folder, "CHANGELOG.md", "## 0.2.0 - 2026-11-24\n", "")


def empty_entry(folder: Path) -> None:
    edit(folder, "CHANGELOG.md", "### Added\n\n- A schedule.\n", "")


def failing(folder: Path) -> None:
    edit(folder, "Makefile", "@echo ran $@", "@test $@ != test")


def tagged(folder: Path) -> None:
    assert run(folder, "git", "tag", "-am", "earlier", "v0.2.0").returncode == 0


def no_version(folder: Path) -> None:
    edit(folder, "lrguide/__init__.py", "0.2.0", "soon")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dirty, "the work tree differs from its commit"),
        (no_entry, "CHANGELOG.md has no entry for 0.2.0: put '## 0.2.0 - YYYY-MM-DD'"),
        (empty_entry, "CHANGELOG.md has no entry for 0.2.0"),
        (failing, "a check, a test or dist/ failed, as said above, so nothing was tagged"),
        (tagged, "v0.2.0 is tagged already: raise __version__"),
        (no_version, "must hold __version__ as three numbers"),
    ],
)
def test_what_is_not_ready_is_refused_in_one_sentence_and_not_tagged(
    folder: Path, change: Callable[[Path], None], said: str
) -> None:
    change(folder)
    before = tags(folder)
    done = release(folder)
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert tags(folder) == before


def test_only_what_is_tagged_and_built_is_published(folder: Path) -> None:
    assert "is not tagged v0.2.0: make release does that" in release(folder, "publish").stderr
    tagged(folder)
    assert "dist/ is empty: make dist fills it" in release(folder, "publish").stderr


def test_the_notes_and_files_go_to_the_page_of_releases(folder: Path) -> None:
    tagged(folder)
    (folder / "dist").mkdir()
    (folder / "dist/lrguide.whl").touch()
    (folder / "bin").mkdir()
    gh = folder / "bin/gh"
    gh.write_text('#!/bin/sh\necho "gh got" "$@"\n', encoding="utf-8")
    gh.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    done = run(folder, "env", f"PATH={path}", sys.executable, ".ci/release.py", "publish")
    assert done.returncode == 0, done.stderr
    assert "gh got release create v0.2.0 --title v0.2.0" in done.stdout
    assert "- A schedule." in done.stdout and "lrguide.whl" in done.stdout
