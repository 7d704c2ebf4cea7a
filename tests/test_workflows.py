"""The workflows and what they install: commands that anybody can type, pinned and hashed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_package import PROJECT, ROOT, pinned


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((ROOT / ".github/workflows").iterdir()):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            yield f"{path.stem}/{name}", job


def steps() -> Iterator[dict[str, str]]:
    for _, job in jobs():
        yield from job["steps"]


def test_each_step_of_a_workflow_is_a_make_target_or_a_pinned_action() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for step in steps():
        if "run" in step:
            make, target, *numbers = step["run"].split()
            assert make == "make" and target in targets, step["run"]
            assert all(re.fullmatch(r"[A-Z]+=\w+", number) for number in numbers), step["run"]
        else:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]


def test_a_job_that_may_write_installs_nothing_and_one_that_installs_may_only_read() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    alone = set(re.findall(r"^([a-z-]+): +##.*\n\t@\$\(or \$\(PYTHON\),python3\)", makefile, re.M))
    for name, job in jobs():
        runs = {step["run"].split()[1] for step in job["steps"] if "run" in step}
        if "permissions" in job:  # more than to read
            assert runs <= alone, name
        elif name != "test/backend":  # JAX and PyTorch have no hashes yet
            assert job["env"]["HASHES"] == "1", name
        kept = [
            step
            for step in job["steps"]
            if "checkout" in step.get("uses", "")
            and step.get("with", {}).get("persist-credentials") is not False
        ]
        assert len(kept) == (name == "deploy/push"), f"{name} keeps credentials that it needs not"


@pytest.mark.parametrize(
    ("name", "roots"),
    [
        ("venv", ["docs", "test", "check", "set-up", "project"]),
        ("maintain", ["maintain"]),
        ("package", ["project"]),
    ],
)
def test_hashes_are_of_the_versions_that_constraints_pin(name: str, roots: list[str]) -> None:
    text = (ROOT / f".ci/hashes/{name}.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^([\w-]+)==(\S+).*((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", text, re.M)
    assert len(locked) == len(re.findall(r"^\w", text, re.MULTILINE)), "each with a hash"
    pins = {pin.name: str(pin.specifier) for pin in pinned()}
    assert {each: f"=={version}" for each, version, _ in locked}.items() <= pins.items()
    groups = PROJECT["dependency-groups"] | {"project": PROJECT["project"]["dependencies"]}
    wanted = {canonicalize_name(Requirement(line).name) for root in roots for line in groups[root]}
    assert wanted <= {each for each, *_ in locked}, "run make constraints"
    assert "//" not in text


def test_nothing_that_is_pinned_lacks_a_hash() -> None:
    texts = [(ROOT / f".ci/hashes/{name}.txt").read_text("utf-8") for name in ("venv", "maintain")]
    assert set(re.findall(r"^([\w-]+)==", "".join(texts), re.M)) == {pin.name for pin in pinned()}
