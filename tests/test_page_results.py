"""The results of pages: what they depend on, and how they are kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from page_key import page_key
from page_results import Store
from sites import HOOK, REPOSITORY, until

from lrguide.guide.pages import Ran, Shown, Stop, cells_of


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
