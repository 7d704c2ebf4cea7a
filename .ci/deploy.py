"""Publish this commit's site as a version beside the others: `make deploy ALIAS=latest`.

mike builds it in a checkout of the commit, so that nothing else is published, and commits it there
to what the remote has published. The published branch changes in one push at the end or not at all.
`make draft` and `make push-draft` are the two halves: the first needs no right to push, the second
installs nothing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLISHED = "gh-pages"
DRAFT = Path(".cache/draft.bundle")  # of `make draft`: git's own archive of the new commits
# GitHub Pages looks for these at the root alone, where mike writes only versions and a redirect.
AT_THE_ROOT = ("404.html", "robots.txt")
TRIES = 3  # of a push that others' pushes come before


class Refused(Exception):
    """Why nothing was published, and what to do."""


def git(*arguments: str, **environment: str) -> str:
    """What git answers.

    Raises:
        Refused: with git's last words, if it fails.
    """
    run = subprocess.run(
        ["git", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **environment},
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["it gave no reason"]
        command = arguments[2] if arguments[0] == "-C" else arguments[0]
        raise Refused(f"`git {command}` failed ({words[-1]}), so nothing was published")
    return run.stdout.strip()


def checked_names() -> tuple[str, str]:
    """The version and the alias that were asked for; the version is the package's, if none was."""
    version, alias = os.environ.get("VERSION") or of_package(), os.environ.get("ALIAS", "")
    if not re.fullmatch(r"[0-9]+\.[0-9]+|dev", version):
        raise Refused(f"VERSION must be like 0.2, or dev, received {version!r}")
    if alias and (not re.fullmatch(r"[a-z]+", alias) or alias == "dev"):
        raise Refused(f"ALIAS must be a word like latest, or left out, received {alias!r}")
    if os.environ.get("REPLACE", "") not in ("", "1"):
        raise Refused(f"REPLACE must be 1, or left out, received {os.environ['REPLACE']!r}")
    return version, alias


def checked_remote() -> str:
    """The name of the remote that was asked for; git would take an address, or an option, too."""
    remote, known = os.environ.get("REMOTE") or "origin", git("remote").splitlines()
    if remote not in known or remote.startswith("-"):
        raise Refused(
            f"REMOTE must name a remote of this clone ({', '.join(known) or 'it has none'}), "
            f"received {remote!r}"
        )
    return remote


def of_package() -> str:
    """The first two numbers of `__version__`."""
    text = Path("lrguide/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(\d+\.\d+)', text, re.MULTILINE)
    return found[1] if found else ""


def committer() -> dict[str, str]:
    """The work tree is that of its commit; under whose name the version is committed."""
    if git("status", "--porcelain"):
        raise Refused(
            "the work tree differs from its commit, and a version is published from a commit: "
            "commit the changes or stash them (git status lists them)"
        )
    named = {}
    for name in ("user.name", "user.email"):
        variable = f"GIT_COMMITTER_{name[5:].upper()}"
        asked = subprocess.run(["git", "config", name], capture_output=True, encoding="utf-8")
        if not (value := os.environ.get(variable) or asked.stdout.strip()):
            raise Refused(f"git has no {name} to commit with: git config {name} '...'")
        named[variable] = named[variable.replace("COMMITTER", "AUTHOR")] = value
    return named


def branches_and_tags(remote: str) -> dict[str, str]:
    """The remote's branches and tags, each with its commit."""
    try:
        listed = git("ls-remote", "--heads", "--tags", "--", remote)
    except Refused as error:
        raise Refused(
            f"what is published cannot be read from the remote '{remote}', and a version goes "
            "beside the earlier ones: make it reachable, or name another with REMOTE=..."
        ) from error
    pairs = (line.split("\t") for line in listed.splitlines())
    return {name: commit for commit, name in pairs}


def fetch(source: str, *names: str) -> None:
    """Bring the objects into this clone and move no branch: another may be fetching as well."""
    alone = ("--no-tags", "--no-write-fetch-head", "--refmap=")
    git("fetch", "--quiet", *alone, "--", source, *names)


def is_in(commit: str, other: str) -> bool:
    """Whether a commit is another one or an ancestor of it, as far as this clone knows."""
    asked = ["git", "merge-base", "--is-ancestor", commit, other]
    return subprocess.run(asked, capture_output=True).returncode == 0


def check_pushed(commit: str, remote: str, there: dict[str, str]) -> None:
    """What a version was made from can be found by its readers."""
    others = {name: tip for name, tip in there.items() if name != f"refs/heads/{PUBLISHED}"}
    if any(is_in(commit, tip) for tip in others.values()):
        return
    if new := [name for name, tip in others.items() if not is_in(tip, tip) and name[-1] != "}"]:
        fetch(remote, *new)  # it may lie below what this clone does not know yet
    if not any(is_in(commit, tip) for tip in others.values()):
        raise Refused(
            f"this commit is on no branch and under no tag of '{remote}', and readers must find "
            "what a version was made from: push it first"
        )


def fetch_published(remote: str, there: dict[str, str]) -> tuple[str, dict[str, list[str]]]:
    """The commit that is published, if any is, and its versions, each with its aliases."""
    tip = there.get(f"refs/heads/{PUBLISHED}", "")
    known = git("for-each-ref", f"refs/heads/{PUBLISHED}", f"refs/remotes/{remote}/{PUBLISHED}")
    if not tip and known:
        raise Refused(
            f"'{remote}' has lost its branch {PUBLISHED}, which this clone knows: push it there "
            "again, or delete it here, too, if the guide is to be published anew"
        )
    if not tip:
        return "", {}
    fetch(remote, f"refs/heads/{PUBLISHED}")
    try:
        listed = json.loads(git("show", f"{tip}:versions.json"))
        return tip, {each["version"]: each["aliases"] for each in listed}
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


def check_out(commit: str, folder: str) -> None:
    """A repository of its own with the commit's files alone, which reads this clone's objects."""
    git("init", "--quiet", folder)
    objects, shallow = (
        Path(git("rev-parse", "--path-format=absolute", "--git-path", name))
        for name in ("objects", "shallow")
    )
    Path(folder, ".git/objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")
    if shallow.exists():
        shutil.copy(shallow, Path(folder, ".git"))
    git("-C", folder, "checkout", "--quiet", "--detach", commit)


def mike(folder: str, command: str, *arguments: str, **environment: str) -> None:
    """Run mike in the checkout; it calls the `mkdocs` that it finds on the PATH."""
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    run = subprocess.run(
        [programs / "mike", command, "--allow-empty", "--branch", PUBLISHED, *arguments],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path, "LRGUIDE_STRICT": "true"},
    )
    if run.returncode:
        raise Refused("the site of this commit has the errors named above: nothing was published")


def copy_to_root(folder: str, version: str, **names: str) -> None:
    """Commit a version's files that a host looks for at the root, without touching a work tree."""
    index = {"GIT_INDEX_FILE": str(Path(folder, ".git", "root-index"))}
    git("-C", folder, "read-tree", PUBLISHED, **index)
    for name in AT_THE_ROOT:
        blob = git("-C", folder, "rev-parse", f"{PUBLISHED}:{version}/{name}")
        git(
            *("-C", folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}"),
            **index,
        )
    tree = git("-C", folder, "write-tree", **index)
    if tree != git("-C", folder, "rev-parse", f"{PUBLISHED}^{{tree}}"):
        words = ("-p", PUBLISHED, "-m", f"Root files of {version}")
        commit = git("-C", folder, "commit-tree", tree, *words, **names)
        git("-C", folder, "update-ref", f"refs/heads/{PUBLISHED}", commit)


def draft(folder: str, remote: str) -> tuple[str, str]:
    """Build into the folder's branch; what the remote has published, and the draft upon it."""
    version, alias = checked_names()
    names, commit = committer(), git("rev-parse", "HEAD")
    there = branches_and_tags(remote)
    check_pushed(commit, remote, there)
    tip, published = fetch_published(remote, there)
    check_version(version, alias, published)
    if not Path(folder, ".git").exists():
        check_out(commit, folder)
    if tip:
        git("-C", folder, "update-ref", f"refs/heads/{PUBLISHED}", tip)
    mike(folder, "deploy", "--update-aliases", version, *([alias] if alias else []), **names)
    if alias == "latest" or not published:
        redirect = ("--template", ".ci/redirect.html")
        mike(folder, "set-default", *redirect, alias or version, **names)
        copy_to_root(folder, version, **names)
    return tip, git("-C", folder, "rev-parse", PUBLISHED)


def push(new: str, remote: str) -> bool:
    """Put the draft, whose objects this clone has, on the remote; False if others were quicker."""
    try:
        git("push", "--quiet", "--", remote, f"{new}:refs/heads/{PUBLISHED}")
    except Refused as error:
        tip = branches_and_tags(remote).get(f"refs/heads/{PUBLISHED}", "")
        if tip and not is_in(tip, new):
            return False
        raise Refused(
            f"'{remote}' did not take the new version (may you push there?): nothing was "
            "published, so mend that and call make deploy again"
        ) from error
    tip = branches_and_tags(remote).get(f"refs/heads/{PUBLISHED}", "")
    if tip and not is_in(new, tip):  # another version may have come on top by now
        fetch(remote, f"refs/heads/{PUBLISHED}")
    if not tip or not is_in(new, tip):
        raise Refused(
            f"'{remote}' took the new version and does not have it on {PUBLISHED} now: look there "
            "at what set the branch back, then call make deploy again"
        )
    return True


def deploy() -> str:
    """Publish; what was done, in a sentence.

    Raises:
        Refused: if not; the published site is then as it was.
    """
    remote = checked_remote()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(TRIES):
            _, new = draft(folder, remote)
            fetch(folder, f"refs/heads/{PUBLISHED}")
            if push(new, remote):
                version, alias = checked_names()
                named = f"{version} ({alias})" if alias else version
                return f"{named} is on {PUBLISHED} of '{remote}'"
    raise Refused(f"others publish to '{remote}' all the time: nothing was, call make deploy again")


def write_draft() -> str:
    """The first half: what would be published, as a file."""
    with tempfile.TemporaryDirectory() as folder:
        tip, _ = draft(folder, checked_remote())
        DRAFT.parent.mkdir(exist_ok=True)
        target, without = str(DRAFT.resolve()), [f"^{tip}"] if tip else []
        git("-C", folder, "bundle", "create", "--quiet", target, PUBLISHED, *without)
    return f"{DRAFT} holds what make push-draft publishes"


def push_draft() -> str:
    """The second half."""
    remote = checked_remote()
    if not DRAFT.exists():
        raise Refused(f"there is no {DRAFT}: make draft builds it")
    if tip := branches_and_tags(remote).get(f"refs/heads/{PUBLISHED}"):
        fetch(remote, f"refs/heads/{PUBLISHED}")
    fetch(str(DRAFT), f"refs/heads/{PUBLISHED}")
    new = git("bundle", "list-heads", str(DRAFT)).split()[0]
    if (tip and not is_in(tip, new)) or not push(new, remote):
        raise Refused(f"'{remote}' has published more since make draft: build the draft again")
    return f"the draft is on {PUBLISHED} of '{remote}'"


if __name__ == "__main__":
    try:
        done = {"deploy": deploy, "draft": write_draft, "push-draft": push_draft}[sys.argv[1]]()
        print(f"lrguide: {done}")
    except Refused as error:
        sys.exit(f"lrguide: {error}")
