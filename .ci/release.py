"""From a changelog entry to a tag: `make dist`, `make release` and `make publish`.

The version stands in `lrguide/__init__.py`; its notes are its entry in CHANGELOG.md.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
# After the README's own example, in an environment that holds nothing but the wheel.
SMOKE = """
from pathlib import Path

import lrguide.data, lrguide.plots
from lrguide.guide.records import measured

digits = lrguide.mnist_subset().first(training=100, validation=50, test=50)
model = lrguide.article_cnn()
model.compile(optimizer, loss="categorical_crossentropy")
model.fit(digits.x_train, digits.y_train, batch_size=50, verbose=0)
assert model.optimizer.iterations == 2
assert "site-packages" in lrguide.__file__, lrguide.__file__
print("lrguide", lrguide.__version__, "trains")
"""


class Refused(Exception):
    """Why there is no release, and what to do."""


def run(*command: str, said: str, **options: object) -> str:
    """What a command answers.

    Raises:
        Refused: with the sentence `said`, if it fails.
    """
    done = subprocess.run(command, encoding="utf-8", stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise Refused(said)
    return str(done.stdout).strip()


def git(*arguments: str) -> str:
    """What git answers."""
    return run("git", *arguments, said=f"`git {arguments[0]}` failed, for the reason above")


def version() -> str:
    """The version to release."""
    text = (ROOT / "lrguide/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if not found:
        raise Refused("lrguide/__init__.py must hold __version__ as three numbers, like 0.2.0")
    return found[1]


def notes() -> str:
    """This version's entry in the changelog.

    Raises:
        Refused: if there is none, or nothing in it.
    """
    number = re.escape(version())
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(rf"^## {number} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not entry or "- " not in entry[1]:
        raise Refused(
            f"CHANGELOG.md has no entry for {version()}: put '## {version()} - YYYY-MM-DD' above "
            "what is new under '## Unreleased'"
        )
    return entry[1].strip()


def dist() -> None:
    """Wheel and sdist in dist/, looked over and tried."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    python = sys.executable
    run(python, "-m", "hatchling", "build", said="the package could not be built", cwd=ROOT)
    files = sorted(map(str, (ROOT / "dist").iterdir()))
    twine = ROOT / ".cache/maintain/bin/twine"
    print(run(str(twine), "check", "--strict", *files, said="twine finds fault with dist/"))
    (wheel,) = (name for name in files if name.endswith(".whl"))
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "venv", f"{folder}/empty", said="no empty environment could be made")
        python = f"{folder}/empty/bin/python"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--no-deps", "--only-binary", ":all:"]
        pins = ["--require-hashes", "--requirement", str(ROOT / ".ci/hashes/package.txt")]
        for what in (pins, [wheel]):
            run(*pip, *what, said="the wheel cannot be installed, for the reason above")
        run(*pip[:3], "check", said="the wheel needs what .ci/hashes/package.txt lacks")
        example = SNIPPET.search((ROOT / "README.md").read_text(encoding="utf-8"))
        assert example, "README.md shows the package in use"
        code = example[1] + SMOKE
        print(run(python, "-I", "-c", code, said="the wheel does not work", cwd=folder))
    print("lrguide: " + ", ".join(Path(name).name for name in files) + " are in dist/")


def release() -> None:
    """Tag this commit, once everything speaks for it."""
    tag = f"v{version()}"
    if git("status", "--porcelain"):
        raise Refused("the work tree differs from its commit: commit the changes or stash them")
    text = notes()
    if git("tag", "--list", tag):
        raise Refused(f"{tag} is tagged already: raise __version__ in lrguide/__init__.py")
    if subprocess.run(["make", "check", "test", "dist"], cwd=ROOT).returncode:
        raise Refused("a check, a test or dist/ failed, as said above, so nothing was tagged")
    git("tag", "--annotate", "--message", f"lrguide {version()}\n\n{text}", tag)
    print(f"lrguide: {tag} is tagged here; git push origin {tag} releases it")


def publish() -> None:
    """Put dist/ and the notes on the repository's page of releases, for the tag checked out."""
    tag = f"v{version()}"
    if tag not in git("tag", "--points-at", "HEAD").splitlines():
        raise Refused(f"this commit is not tagged {tag}: make release does that")
    files = sorted(str(path) for path in (ROOT / "dist").glob("*"))
    if not files:
        raise Refused("dist/ is empty: make dist fills it")
    command = ["gh", "release", "create", tag, "--title", tag, "--notes", notes(), *files]
    print(run(*command, said="gh made no release, for the reason above", cwd=ROOT))


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        {"dist": dist, "release": release, "publish": publish}[sys.argv[1]]()
    except Refused as error:
        sys.exit(f"lrguide: {error}")
