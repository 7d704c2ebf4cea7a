"""The repository and the package as a whole: layout, versions, dependencies, imports, files."""

import ast
import functools
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lrguide

ROOT = Path(__file__).resolve().parents[1]

# Run by hand beside other libraries, which each of these files names.
OWN_ENVIRONMENT = {f"tests/oracles/{name}.py" for name in ("make", "decide", "parameter_free")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(under: str = ".") -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", under]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_source_stands_in_docs_lrguide_and_tests_alone() -> None:
    tops = {name.split("/")[0] for name in tracked() if "/" in name}
    assert tops <= {"docs", "lrguide", "tests", ".ci", ".github"}


def test_the_top_holds_only_what_a_tool_or_a_reader_looks_for_there() -> None:
    assert {name for name in tracked() if "/" not in name} <= {
        *(
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "MAINTAINING.md",
            "SECURITY.md",
            "LICENSE",
            "CITATION.cff",
        ),
        *("Makefile", "pyproject.toml", "constraints.txt", "mkdocs.yml"),
        *(".gitignore", ".gitattributes"),
    }


def test_no_file_names_a_machine_s_folder_or_a_package_index() -> None:
    private = re.compile(
        rb"(?<![\w.])/(?:root|home|work|Users)/|pypi\.org|pythonhosted\.|npmjs\.|deb\.debian\."
    )
    found = {name: private.search((ROOT / name).read_bytes()) for name in tracked()}
    assert [name for name, match in found.items() if match] == []


def test_each_path_in_the_tree_of_the_readme_exists() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("```\n")[-2]
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        path = folder + name if line.startswith(" ") else name
        folder = folder if line.startswith(" ") else name
        assert (ROOT / path).exists(), f"README.md names {path}"


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 120


# One version, one list of dependencies.


def test_the_version_stands_in_the_package_and_is_what_the_citation_names() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == lrguide.__version__


def pinned(name: str = "constraints.txt") -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def declared() -> list[Requirement]:
    groups = [lines for name, lines in PROJECT["dependency-groups"].items() if name != "benchmark"]
    backend = PROJECT["project"]["optional-dependencies"]["tensorflow"]  # the guide's own
    return [
        Requirement(line)
        for lines in (PROJECT["project"]["dependencies"], backend, *groups)
        for line in lines
    ]


def test_constraints_are_exact_versions_without_an_address() -> None:
    for requirement in pinned():
        assert requirement.url is None
        assert [clause.operator for clause in requirement.specifier] == ["=="], requirement
    assert "//" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_constraints_pin_each_dependency_within_its_range(requirement: Requirement) -> None:
    pins = [pin for pin in pinned() if pin.name == canonicalize_name(requirement.name)]
    assert pins, "run make constraints"
    for pin in pins:
        (clause,) = pin.specifier
        assert requirement.specifier.contains(clause.version), f"{pin} is outside {requirement}"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_other_backends_are_pinned_within_their_ranges(backend: str) -> None:
    [line] = PROJECT["project"]["optional-dependencies"][backend]
    [pin] = [pin for pin in pinned(".ci/backends.txt") if pin.name == backend]
    [version] = [each.version for each in pin.specifier if each.operator == "=="]
    assert Requirement(line).specifier.contains(version)


@pytest.mark.parametrize("line", PROJECT["dependency-groups"]["benchmark"])
def test_what_the_benchmark_measures_beside_our_own_is_pinned_within_its_range(line: str) -> None:
    wanted = Requirement(line)
    [pin] = [pin for pin in pinned(".ci/benchmark.txt") if pin.name == wanted.name]
    [version] = [each.version for each in pin.specifier if each.operator == "=="]
    assert wanted.specifier.contains(version)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_constraints_pin_what_the_dependencies_depend_on(python: str) -> None:
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
    }

    def applies(requirement: Requirement, extra: str = "") -> bool:
        return not requirement.marker or requirement.marker.evaluate(environment | {"extra": extra})

    applying = [pin for pin in pinned() if applies(pin)]
    pins = {pin.name: pin for pin in applying}
    assert len(pins) == len(applying), "two versions of one package"
    open_ends, seen = declared(), set[str]()
    while open_ends:
        wanted = open_ends.pop()
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{wanted} is not pinned: run make constraints"
        for extra in {"", *wanted.extras}:
            if f"{name}[{extra}]" not in seen:
                seen.add(f"{name}[{extra}]")
                open_ends += [line for line in requirements_of(pins[name]) if applies(line, extra)]


def requirements_of(pin: Requirement) -> list[Requirement]:
    """What the pinned version depends on, if it is the one installed here."""
    try:
        installed = importlib.metadata.distribution(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        Requirement(line) for line in installed.requires or [] if installed.version in pin.specifier
    ]


def test_each_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = re.findall(r'^  "([a-z0-9-]+[><=][^"]*)",(.*)$', text, re.MULTILINE)
    assert {name for name, _ in lines} == {
        *PROJECT["project"]["dependencies"],
        *(name for group in PROJECT["dependency-groups"].values() for name in group),
        *(name for extra in PROJECT["project"]["optional-dependencies"].values() for name in extra),
    }
    assert [name for name, comment in lines if "# " not in comment] == []


# Imports.


def test_imports_go_downwards_only() -> None:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def modules() -> dict[str, Path]:
    return {path.stem: path for path in sorted((ROOT / "lrguide").glob("[a-z]*.py"))}


def imported_beside(module: Path) -> set[str]:
    """The modules of the package that one imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {str(name) for name in names}
    return found


def with_what_it_imports(name: str) -> set[str]:
    found, waiting = set[str](), {name}
    while waiting:
        found |= (new := waiting - found)
        waiting = {each for module in new for each in imported_beside(modules()[module])} - found
    return found


@pytest.mark.parametrize("module", modules().values(), ids=modules())
def test_a_module_imports_its_neighbours_relatively_and_else_keras_and_numpy(module: Path) -> None:
    allowed = {*sys.stdlib_module_names, "keras", "numpy"}
    allowed |= {"matplotlib"} if module.stem == "plots" else set()
    tree = ast.parse(module.read_text(encoding="utf-8"))
    absolute = {
        top: {name for node in nodes for name in imported(node) if not getattr(node, "level", 0)}
        for top, nodes in ((True, tree.body), (False, ast.walk(tree)))
    }
    assert absolute[True] <= allowed
    # Keras' backends need the last three, and a method that draws the other.
    assert absolute[False] <= allowed | {"matplotlib", "tensorflow", "jax", "torch"}
    assert imported_beside(module) <= {*modules()}


# What a reader would do with each module, after copying it with those that it imports.
COPIED = """
import importlib, sys
sys.modules["lrguide"] = None  # as if it were not installed
import keras, numpy as np
x = np.ones((8, 1), "float32")


def model(rate=0.1):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(rate), "mse")
    return made


def logged(module):
    logger = module.LearningRateLogger()
    model().fit(x, x, batch_size=2, verbose=0, callbacks=[logger])
    assert len(logger.rates) == 4


sweep = dict(steps=3, seeds=[0], verbose=0)
cosine = keras.optimizers.schedules.CosineDecay(0.1, 4)
USE = {
    "arguments": lambda m: m.number("rate", 0.1),
    "checks": lambda m: m.check(cosine, steps_per_epoch=4, epochs=1),
    "composing": lambda m: m.warmup(cosine, 4)(0),
    "confirmation": lambda m: m.Confirmation,
    "course": lambda m: m.rates_at(cosine, range(4)),
    "cyclical": lambda m: m.one_cycle(0.1, 100)(0),
    "data": lambda m: m.Digits(x, x, x, x, x, x).first(1, 1, 1),
    "finder": lambda m: m.find_rate(model(), x, x, steps=40, price=1, verbose=0),
    "findings": lambda m: m.Finding("end", "a", "b"),
    "fit_arguments": lambda m: m.check_model("model", model()),
    "internals": lambda m: m.rate_or_schedule(model().optimizer),
    "intervals": lambda m: m.student(4),
    "lengths": lambda m: m.length("steps", 4, None, None),
    "model": lambda m: m.article_cnn(),
    "model_state": lambda m: m.state_digest(model()),
    "pilots": lambda m: m.look_steps(300, 300),
    "plots": lambda m: m.schedule({"cosine": cosine}, steps_per_epoch=4, epochs=1),
    "range_test": lambda m: m.lr_range_test(model(), x, x, **sweep),
    "rate_logger": logged,
    "rules": lambda m: m.suggestions(np.geomspace(0.1, 1, 30), np.ones((1, 30))),
    "saved_schedule": lambda m: m.Constant(0.1)(0),
    "scheduled_optimizers": lambda m: m.ScheduledSGD(cosine),
    "schedules": lambda m: m.cosine(0.1, 4)(0),
    "swept_fit": lambda m: m.swept_fit,
    "traceless": lambda m: m.train_along,
}
for name in sys.argv[1:]:
    USE[name](importlib.import_module(f"copy_of_{name}.{name}"))
    before = {each for each in sys.modules if each.startswith("copy_of_")}
    for each in before:
        del sys.modules[each]
    # So that Keras does not find two classes of one name registered.
    keras.saving.get_custom_objects().clear()
print("all can be used")
"""


def test_each_module_can_be_used_in_a_package_of_the_reader_s_with_those_that_it_imports(
    tmp_path: Path,
) -> None:
    for name in modules():
        (folder := tmp_path / f"copy_of_{name}").mkdir()
        for each in with_what_it_imports(name):
            shutil.copy(modules()[each], folder)
    command = [sys.executable, "-c", COPIED, *modules()]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout == "all can be used\n", run.stderr


def test_files_of_the_package_are_short() -> None:
    lengths = sorted(len(path.read_text("utf-8").splitlines()) for path in modules().values())
    assert lengths[-1] <= 600 and lengths[len(lengths) // 2] < 350


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield (node.module or "lrguide").split(".")[0] if not node.level else "lrguide"


@functools.cache
def installed_modules() -> Mapping[str, list[str]]:
    """The distributions that bring each module."""
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize(
    "name", [n for n in tracked() if n.endswith(".py") and n not in OWN_ENVIRONMENT]
)
def test_what_a_file_imports_is_declared(name: str) -> None:
    folders = ("docs/site", "tests", "tests/backends", ".ci")
    beside = [path.stem for folder in folders for path in ROOT.glob(f"{folder}/*.py")]
    ours = {"lrguide", "tests", *beside}
    backends = {*PROJECT["project"]["optional-dependencies"]}
    rest = map(Requirement, PROJECT["dependency-groups"]["benchmark"])
    declared_names = {canonicalize_name(each.name) for each in [*declared(), *rest]} | backends
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for module in {module for node in ast.walk(tree) for module in imported(node)}:
        if module not in sys.stdlib_module_names and module not in ours:
            distributions = installed_modules().get(module, [module])
            assert {canonicalize_name(d) for d in distributions} & declared_names, module


# Files.


def test_files_are_the_same_in_a_clone_that_turns_line_ends_into_windows_own(
    tmp_path: Path,
) -> None:
    options = ("--quiet", "--shared", "--config", "core.autocrlf=true")
    subprocess.run(["git", "clone", *options, str(ROOT), str(tmp_path / "clone")], check=True)
    asked = ["git", "ls-files", "--eol", "-z"]
    listed = subprocess.run(asked, cwd=tmp_path / "clone", capture_output=True, check=True).stdout
    ends = [line.split() for line in listed.decode().split("\0") if line]
    assert len(ends) > 150
    assert [line for line in ends if line[1] not in ("w/lf", "w/-text", "w/none")] == []
    assert {Path(line[-1]).suffix for line in ends if line[1] == "w/-text"} == {".npz", ".keras"}


def in_text_mode(call: ast.Call) -> bool:
    """Whether a call opens a file as text, or reads text from another process."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    first = call.args[1:2] if isinstance(call.func, ast.Name) else call.args[:1]
    modes = [*first, *(word.value for word in call.keywords if word.arg == "mode")]
    binary = any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)
    of_os = ast.unparse(call.func) in ("os.open", "tarfile.open")
    if name == "open":
        return not binary and not of_os
    words = {word.arg for word in call.keywords}
    as_text = ast.unparse(call.func).startswith("subprocess.") and "text" in words
    return name in ("read_text", "write_text") or as_text


@pytest.mark.parametrize("folder", ["lrguide", "docs/site", ".ci", "docs"])
def test_no_file_is_read_in_whichever_encoding_a_machine_is_set_to(folder: str) -> None:
    found = []
    pattern = "*.py" if folder == "docs" else "**/*.py"
    for path in sorted((ROOT / folder).glob(pattern)):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and in_text_mode(call):
                words = {word.arg for word in call.keywords}
                given = "encoding" in words or "utf-8" in ast.unparse(call)
                found += [] if given else [f"{path.name}, line {call.lineno}"]
    assert found == []
