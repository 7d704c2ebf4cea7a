"""`make deploy`, against a bare repository that stands for the one on the web."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "http://127.0.0.1:9/guide/"
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A. Maintainer",
    "GIT_AUTHOR_EMAIL": "maintainer@example.org",
    "GIT_COMMITTER_NAME": "A. Maintainer",
    "GIT_COMMITTER_EMAIL": "maintainer@example.org",
}


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "LRGUIDE_"))}
    return subprocess.run(
        command,
        cwd=folder,
        env={**settings, **GIT, "NO_MKDOCS_2_WARNING": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def git(folder: Path, *arguments: str) -> str:
    done = run(folder, "git", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def deploy(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, ".ci/deploy.py", "deploy", **settings)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a refusal."""
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lrguide: ") and "Traceback" not in done.stderr
    return last


@dataclass(frozen=True)
class World:
    """A folder with `origin.git`, the repository on the web, and a maintainer's `clone` of it."""

    folder: Path
    origin: Path
    clone: Path

    def published(self) -> str:
        return git(self.origin, "for-each-ref", "--format=%(objectname)", "refs/heads/gh-pages")

    def files(self) -> set[str]:
        return set(git(self.origin, "ls-tree", "-r", "--name-only", "gh-pages").splitlines())

    def commit(self, words: str) -> None:
        (self.clone / "docs/index.md").write_text(f"# A guide\n\n{words}\n", encoding="utf-8")
        git(self.clone, "commit", "--all", "--message", words)
        git(self.clone, "push", "--quiet", "origin", "main")


def new_world(folder: Path) -> World:
    clone, origin = folder / "clone", folder / "origin.git"
    (clone / "docs").mkdir(parents=True)
    shutil.copytree(ROOT / ".ci", clone / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "docs/site").symlink_to(ROOT / "docs/site")
    (clone / "lrguide").mkdir()
    (clone / "lrguide/__init__.py").write_text('__version__ = "0.1.0"\n', encoding="utf-8")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(r"^nav:\n(?:  .*\n)+", "nav: [index.md, rates.md]\n", settings, flags=re.M)
    (clone / "mkdocs.yml").write_text(settings, encoding="utf-8")
    (clone / "docs/rates.md").write_text("# Rates\n\n[Back](index.md).\n", encoding="utf-8")
    (clone / "docs/index.md").write_text("# A guide\n\nfirst\n", encoding="utf-8")
    (clone / ".gitignore").write_text("/site/\n.cache/\n__pycache__/\n", encoding="utf-8")
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "first")
    git(clone, "remote", "add", "origin", str(origin))
    git(clone, "push", "--quiet", "--set-upstream", "origin", "main")
    return World(folder, origin, clone)


def copied(world: World, folder: Path) -> World:
    copy = World(folder, folder / "origin.git", folder / "clone")
    shutil.copytree(world.origin, copy.origin, symlinks=True)
    shutil.copytree(world.clone, copy.clone, symlinks=True)
    git(copy.clone, "remote", "set-url", "origin", str(copy.origin))
    return copy


def hook(repository: Path, name: str, script: str) -> None:
    folder = repository if repository.suffix == ".git" else repository / ".git"
    (folder / "hooks").mkdir(exist_ok=True)
    (folder / "hooks" / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "hooks" / name).chmod(0o755)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """0.1 while the site has no address; 0.2, with one, from a shallow clone without gh-pages."""
    world = new_world(tmp_path_factory.mktemp("world"))
    done = deploy(world.clone, ALIAS="latest")  # as the package: 0.1.0
    assert done.returncode == 0, done.stderr
    settings = world.clone / "mkdocs.yml"
    settings.write_text(f"site_url: {ADDRESS}\n{settings.read_text()}")
    world.commit("second")
    shallow = world.folder / "shallow"
    git(world.folder, "clone", "--quiet", "--depth=1", f"file://{world.origin}", str(shallow))
    done = deploy(shallow, VERSION="0.2", ALIAS="latest")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("lrguide: 0.2 (latest) is on gh-pages of 'origin'\n")
    return world


def test_versions_stand_side_by_side_and_the_alias_is_a_copy_of_the_newest(world: World) -> None:
    listed = json.loads(git(world.origin, "show", "gh-pages:versions.json"))
    assert [(each["version"], each["aliases"]) for each in listed] == [
        ("0.2", ["latest"]),
        ("0.1", []),
    ]
    assert "120000" not in git(world.origin, "ls-tree", "-r", "gh-pages"), "a symbolic link"
    assert git(world.origin, "rev-parse", "gh-pages:latest") == git(
        world.origin, "rev-parse", "gh-pages:0.2"
    )
    assert "first" in git(world.origin, "show", "gh-pages:0.1/index.html")
    assert "second" in git(world.origin, "show", "gh-pages:latest/index.html")


def test_what_a_host_looks_for_at_the_root_is_there(world: World) -> None:
    assert {"index.html", "404.html", "robots.txt", ".nojekyll"} <= world.files()
    robots = git(world.origin, "show", "gh-pages:robots.txt")
    assert f"Sitemap: {ADDRESS}latest/sitemap.xml" in robots
    assert 'href="/guide/latest/assets/' in git(world.origin, "show", "gh-pages:404.html")


def test_a_version_names_the_newest_as_its_address_once_the_site_has_one(world: World) -> None:
    page = git(world.origin, "show", "gh-pages:0.2/rates/index.html")
    assert f'<link rel="canonical" href="{ADDRESS}latest/rates/">' in page
    assert "canonical" not in git(world.origin, "show", "gh-pages:0.1/rates/index.html")


def test_nothing_is_left_behind_in_the_clone(world: World) -> None:
    assert git(world.clone, "branch", "--format=%(refname:short)") == "main"
    assert git(world.clone, "status", "--porcelain") == ""


# Refused.


def dirty(world: World) -> None:
    (world.clone / "docs/draft.md").write_text("# Not yet\n", encoding="utf-8")


def unreachable(world: World) -> None:
    git(world.clone, "remote", "set-url", "origin", str(world.folder / "elsewhere.git"))


def broken(world: World) -> None:
    (world.clone / "docs/rates.md").write_text("# Rates\n\n[Gone](gone.md).\n", encoding="utf-8")
    git(world.clone, "commit", "--all", "--message", "broken")
    git(world.clone, "push", "--quiet", "origin", "main")


def lost(world: World) -> None:
    git(world.clone, "fetch", "--quiet", "origin")
    git(world.origin, "branch", "-D", "gh-pages")


def foreign(world: World) -> None:
    git(world.origin, "branch", "--force", "gh-pages", "main")


def unpushed(world: World) -> None:
    git(world.clone, "commit", "--quiet", "--allow-empty", "--message", "mine alone")


def on_no_branch(world: World) -> None:
    """The commit was pushed like a pull request: no branch and no tag holds it."""
    unpushed(world)
    git(world.clone, "push", "--quiet", "origin", "HEAD:refs/pull/1/head")


def read_only(world: World) -> None:
    hook(world.origin, "pre-receive", "exit 1")


def forgetful(world: World) -> None:
    """A remote that takes a push and is set back at once, as a mirror may be."""
    tip = world.published()
    hook(world.origin, "post-receive", f"git update-ref refs/heads/gh-pages {tip}")


def nothing(world: World) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        (nothing, {"VERSION": "0.2"}, "version 0.2 is published: raise the version, or add"),
        (nothing, {"VERSION": "two"}, "VERSION must be like 0.2, or dev, received 'two'"),
        (nothing, {"VERSION": "0.3", "ALIAS": "0.2"}, "ALIAS must be a word like latest"),
        (nothing, {"VERSION": "0.1", "ALIAS": "latest", "REPLACE": "1"}, "'latest' is 0.2, newer"),
        (dirty, {"VERSION": "0.3"}, "the work tree differs from its commit"),
        (unreachable, {"VERSION": "0.3"}, "cannot be read from the remote 'origin'"),
        (lost, {"VERSION": "0.3"}, "'origin' has lost its branch gh-pages"),
        (foreign, {"VERSION": "0.3"}, "has no list of versions"),
        (broken, {"VERSION": "0.3"}, "the site of this commit has the errors named above"),
        (unpushed, {"VERSION": "0.3"}, "this commit is on no branch and under no tag of 'origin'"),
        (on_no_branch, {"VERSION": "0.3"}, "this commit is on no branch and under no tag"),
        (read_only, {"VERSION": "0.3"}, "'origin' did not take the new version"),
        (forgetful, {"VERSION": "0.3"}, "'origin' took the new version and does not have it"),
        (nothing, {"VERSION": "0.2", "REPLACE": "no"}, "REPLACE must be 1, or left out"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:30],
)
def test_is_refused_in_one_sentence_and_leaves_what_is_published(
    world: World, tmp_path: Path, change: Any, settings: dict[str, str], said: str
) -> None:
    copy = copied(world, tmp_path)
    change(copy)
    before = git(copy.origin, "for-each-ref")
    assert said in sentence(deploy(copy.clone, **settings))
    assert git(copy.origin, "for-each-ref") == before
    assert git(copy.clone, "branch", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize(
    "given",
    [
        "--upload-pack=touch pwned;",
        "-u",
        "0.3 --force",
        "../0.3",
        "ext::touch pwned",
        "\N{ARABIC-INDIC DIGIT THREE}.1",
        "0.3\n",
    ],
)
def test_what_git_might_take_for_an_option_or_an_address_is_refused(
    world: World, given: str
) -> None:
    for name, said in [
        ("VERSION", "VERSION must be like 0.2, or dev, received "),
        ("ALIAS", "ALIAS must be a word like latest, or left out, received "),
        ("REMOTE", "REMOTE must name a remote of this clone (origin), received "),
    ]:
        assert said in sentence(deploy(world.clone, **{"VERSION": "0.3", name: given}))
    assert not (world.clone / "pwned").exists()


def test_a_published_version_is_replaced_where_that_is_asked_for(
    world: World, tmp_path: Path
) -> None:
    copy = copied(world, tmp_path)
    copy.commit("third")
    for _ in ("a commit", "the same commit again"):
        done = deploy(copy.clone, VERSION="0.1", REPLACE="1")
        assert done.returncode == 0, done.stderr
    assert "third" in git(copy.origin, "show", "gh-pages:0.1/index.html")
    assert "second" in git(copy.origin, "show", "gh-pages:latest/index.html")


# Which commit is published, and what of it.


def test_only_what_is_in_the_commit_is_published(world: World, tmp_path: Path) -> None:
    copy = copied(world, tmp_path)
    (copy.clone / ".git/info/exclude").write_text("secret*\n", encoding="utf-8")
    for name in ("secret.txt", "secret.md", "secret/notes.csv"):
        (copy.clone / "docs" / name).parent.mkdir(exist_ok=True)
        (copy.clone / "docs" / name).write_text("# For my eyes\n", encoding="utf-8")
    done = deploy(copy.clone, VERSION="0.3")
    assert done.returncode == 0, done.stderr
    assert "0.3/index.html" in copy.files()
    assert [name for name in copy.files() if "secret" in name] == []


def tagged(world: World) -> None:
    git(world.clone, "checkout", "--quiet", "--detach")
    unpushed(world)
    git(world.clone, "tag", "--annotate", "--message", "a release", "v0.3.0")
    git(world.clone, "push", "--quiet", "origin", "v0.3.0")


def on_another_branch(world: World) -> None:
    git(world.clone, "checkout", "--quiet", "-b", "v0.3")
    unpushed(world)
    git(world.clone, "push", "--quiet", "origin", "HEAD")


def below_what_others_pushed(world: World) -> None:
    unpushed(world)
    git(world.clone, "push", "--quiet", "origin", "main")
    other = world.folder / "other"
    git(world.folder, "clone", "--quiet", str(world.origin), str(other))
    git(other, "commit", "--quiet", "--allow-empty", "--message", "theirs")
    git(other, "push", "--quiet", "origin", "main")


@pytest.mark.parametrize("change", [tagged, on_another_branch, below_what_others_pushed])
def test_a_commit_that_the_remote_has_may_be_published(
    world: World, tmp_path: Path, change: Any
) -> None:
    copy = copied(world, tmp_path)
    change(copy)
    said = sentence(deploy(copy.clone, VERSION="0.2"))
    assert said.startswith("lrguide: version 0.2 is published"), "which is looked at afterwards"


# Two at once.


def test_two_deployments_at_once_in_one_clone_are_both_published(
    world: World, tmp_path: Path
) -> None:
    copy = copied(world, tmp_path)
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(deploy, copy.clone, VERSION=each) for each in ("0.3", "0.4")]
        ends = [each.result() for each in both]
    assert [(done.returncode, done.stderr) for done in ends if done.returncode] == []
    listed = json.loads(git(copy.origin, "show", "gh-pages:versions.json"))
    assert [each["version"] for each in listed] == ["0.4", "0.3", "0.2", "0.1"]
    assert {"0.3/index.html", "0.4/index.html"} <= copy.files()
    assert git(copy.clone, "branch", "--format=%(refname:short)") == "main"
    assert git(copy.clone, "fsck", "--connectivity-only", "--no-dangling") == ""


def test_a_deployment_that_another_clone_s_overtakes_is_put_upon_it(
    world: World, tmp_path: Path
) -> None:
    copy = copied(world, tmp_path)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(copy.origin), str(other))
    command = f"VERSION=0.4 '{sys.executable}' .ci/deploy.py deploy >&2"
    once = f"mkdir '{tmp_path}/overtaken' 2>/dev/null || exit 0"
    hook(copy.clone, "pre-push", f"{once}; unset GIT_DIR; cd '{other}' && {command}")
    done = deploy(copy.clone, VERSION="0.3")
    assert done.returncode == 0, done.stderr
    assert {"0.3/index.html", "0.4/index.html"} <= copy.files()


# A draft is built first and pushed by another job.


def test_one_builds_without_the_right_to_push_and_another_pushes_without_a_package(
    world: World, tmp_path: Path
) -> None:
    copy = copied(world, tmp_path)
    pusher, before = tmp_path / "pusher", copy.published()
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{copy.origin}", str(pusher))
    done = run(copy.clone, sys.executable, ".ci/deploy.py", "draft", VERSION="0.3", ALIAS="latest")
    assert done.returncode == 0, done.stderr
    assert copy.published() == before
    bundle = ".cache/draft.bundle"
    assert (copy.clone / bundle).stat().st_size < 500_000, "what was new, not the whole branch"
    half = (sys.executable, "-I", "-S", ".ci/deploy.py", "push-draft")
    assert "there is no .cache/draft.bundle" in sentence(run(pusher, *half))
    (pusher / ".cache").mkdir()
    shutil.copy(copy.clone / bundle, pusher / bundle)
    done = run(pusher, *half)
    assert done.stdout == "lrguide: the draft is on gh-pages of 'origin'\n", done.stderr
    assert git(copy.origin, "rev-parse", "gh-pages:latest", "gh-pages:0.3").split()[0] != before
    assert "0.3/index.html" in copy.files()
    git(copy.origin, "update-ref", "refs/heads/gh-pages", before)
    assert deploy(copy.clone, VERSION="0.4").returncode == 0
    assert "has published more since make draft" in sentence(run(pusher, *half))


# What a reader sees.


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    folder = world.folder / "pages"
    git(world.folder, "clone", "--quiet", "--branch=gh-pages", str(world.origin), str(folder))
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_a_reader_changes_versions_on_the_page_and_is_told_which_is_old(
    browser: Any, url: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page, errors, foreign = context.new_page(), [], []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((url, "data:")) else foreign.append(r))
    page.goto(url, wait_until="networkidle")
    assert page.url == f"{url}latest/", "the root leads to the newest version"
    assert not page.locator("[data-md-component=outdated]").is_visible()
    page.goto(f"{url}latest/rates/", wait_until="networkidle")
    for version in ("0.1", "0.2", "0.1"):
        page.locator(".md-version").hover()
        page.locator(".md-version__link", has_text=version).click()
        page.wait_for_url(f"{url}{version}/rates/")
    banner = page.locator("[data-md-component=outdated]")
    banner.wait_for(state="visible", timeout=5_000)
    assert "not the newest version" in banner.inner_text()
    banner.get_by_role("link").click()
    page.wait_for_url(f"{url}latest/rates/")
    page.wait_for_load_state("networkidle")
    assert not page.locator("[data-md-component=outdated]").is_visible()
    assert (errors, foreign) == ([], [])
    context.close()
