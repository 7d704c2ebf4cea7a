"""Publish this commit's site as a version beside the others: `make deploy ALIAS=latest`.

mike builds it and commits it to a branch of its own, which begins as what the remote has published.
The published branch changes in one push at the end, or not at all.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLISHED, DRAFT = "gh-pages", "gh-pages-draft"
# GitHub Pages looks for these at the root alone, where mike writes only versions and a redirect.
AT_THE_ROOT = ("404.html", "robots.txt")


class Refused(Exception):
    """Why nothing was published, and what to do."""


def git(*arguments: str, **environment: str) -> str:
    """What git answers.

    Raises:
        Refused: with git's last words, if it fails.
    """
    run = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["it gave no reason"]
        raise Refused(f"`git {arguments[0]}` failed ({words[-1]}), so nothing was published")
    return run.stdout.strip()


def checked_names() -> tuple[str, str]:
    """The version and the alias that were asked for; the version is the package's, if none was."""
    version, alias = os.environ.get("VERSION") or of_package(), os.environ.get("ALIAS", "")
    if not re.fullmatch(r"\d+\.\d+|dev", version):
        raise Refused(f"VERSION must be like 0.2, or dev, received '{version}'")
    if alias and (not re.fullmatch(r"[a-z]+", alias) or alias == "dev"):
        raise Refused(f"ALIAS must be a word like latest, or left out, received '{alias}'")
    return version, alias


def of_package() -> str:
    """The first two numbers of `__version__`."""
    found = re.search(r'^__version__ = "(\d+\.\d+)', Path("lrguide/__init__.py").read_text(), re.M)
    return found[1] if found else ""


def check_work_tree() -> None:
    """A published version is that of a commit, made under somebody's name."""
    if git("status", "--porcelain"):
        raise Refused(
            "the work tree differs from its commit, and a version is published from a commit: "
            "commit the changes or stash them (git status lists them)"
        )
    for name in ("user.name", "user.email"):
        asked = subprocess.run(["git", "config", name], capture_output=True)
        if asked.returncode and not os.environ.get(f"GIT_COMMITTER_{name[5:].upper()}"):
            raise Refused(f"git has no {name} to commit with: git config {name} '...'")


def fetch_published(remote: str) -> dict[str, list[str]]:
    """Begin the draft with what is published; the versions that are, each with its aliases."""
    subprocess.run(["git", "branch", "-D", DRAFT], capture_output=True)  # of a deployment cut short
    try:
        there = git("ls-remote", "--heads", remote, PUBLISHED)
    except Refused as error:
        raise Refused(
            f"what is published cannot be read from the remote '{remote}', and a version goes "
            "beside the earlier ones: make it reachable, or name another with REMOTE=..."
        ) from error
    known = git("for-each-ref", f"refs/heads/{PUBLISHED}", f"refs/remotes/{remote}/{PUBLISHED}")
    if not there and known:
        raise Refused(
            f"'{remote}' has lost its branch {PUBLISHED}, which this clone knows: push it there "
            "again, or delete it here, too, if the guide is to be published anew"
        )
    if not there:
        return {}
    git("fetch", "--quiet", "--no-tags", remote, f"+refs/heads/{PUBLISHED}:refs/heads/{DRAFT}")
    try:
        listed = json.loads(git("show", f"{DRAFT}:versions.json"))
        return {each["version"]: each["aliases"] for each in listed}
    except (Refused, ValueError, LookupError, TypeError) as error:
        raise Refused(
            f"the branch {PUBLISHED} of '{remote}' has no list of versions, so it holds another "
            "site than this guide: look there first, and delete the branch if it may go"
        ) from error


def check_version(version: str, alias: str, published: dict[str, list[str]]) -> None:
    """Nothing that is published is replaced unasked, nor does an alias go back to an older one."""
    if version in published and not os.environ.get("REPLACE"):
        raise Refused(
            f"version {version} is published: raise the version, or add REPLACE=1 to publish this "
            "commit in its place"
        )
    for other, aliases in published.items():
        if alias in aliases and number(other) > number(version):
            raise Refused(f"'{alias}' is {other}, newer than {version}: leave ALIAS out")


def number(version: str) -> tuple[int, ...]:
    """For comparison; `dev` comes before every release, so that it never keeps an alias."""
    return (-1,) if version == "dev" else tuple(map(int, version.split(".")))


def mike(command: str, *arguments: str) -> None:
    """Run mike on the draft; it calls the `mkdocs` that it finds on the PATH."""
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    run = subprocess.run(
        [programs / "mike", command, "--branch", DRAFT, *arguments],
        env={**os.environ, "PATH": path, "LRGUIDE_STRICT": "true"},
    )
    if run.returncode:
        raise Refused("the site of this commit has the errors named above: nothing was published")


def copy_to_root(version: str) -> None:
    """Commit a version's files that a host looks for at the root, without touching a work tree."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        git("read-tree", DRAFT, **index)
        for name in AT_THE_ROOT:
            blob = git("rev-parse", f"{DRAFT}:{version}/{name}")
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", **index)
        tree = git("write-tree", **index)
    if tree != git("rev-parse", f"{DRAFT}^{{tree}}"):
        commit = git("commit-tree", tree, "-p", DRAFT, "-m", f"Root files of {version}")
        git("update-ref", f"refs/heads/{DRAFT}", commit)


def deploy() -> str:
    """Publish; what was done, in a sentence.

    Raises:
        Refused: if not; the published site is then as it was.
    """
    version, alias = checked_names()
    remote = os.environ.get("REMOTE") or "origin"
    check_work_tree()
    published = fetch_published(remote)
    check_version(version, alias, published)
    mike("deploy", "--update-aliases", version, *([alias] if alias else []))
    if alias == "latest" or not published:
        mike("set-default", alias or version)
        copy_to_root(version)
    try:
        git("push", "--quiet", remote, f"{DRAFT}:refs/heads/{PUBLISHED}")
    except Refused as error:
        raise Refused(
            f"'{remote}' did not take the new version (may you push there, and did nobody else "
            "publish meanwhile?): nothing was published, so mend that and call make deploy again"
        ) from error
    return f"{version}{f' ({alias})' if alias else ''} is on {PUBLISHED} of '{remote}'"


if __name__ == "__main__":
    try:
        print(f"lrguide: {deploy()}")
    except Refused as error:
        sys.exit(f"lrguide: {error}")
    finally:
        subprocess.run(["git", "branch", "-D", DRAFT], capture_output=True)
