"""The snippets run on the backend that Keras runs on; tests/test_snippets.py looks at the page."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from kinds import BACKEND

FILES = sorted((Path(__file__).parents[2] / "docs/snippets").glob("*.py"))
IMPORTS_TENSORFLOW = re.compile(r"^(import|from) tensorflow\b", re.M)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_snippet_runs(path, tmp_path, monkeypatch, capsys):
    if IMPORTS_TENSORFLOW.search(path.read_text("utf-8")) and BACKEND != "tensorflow":
        pytest.skip("it is about TensorFlow's datasets")
    monkeypatch.chdir(tmp_path)  # some write a file
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.strip() and "nan" not in printed
