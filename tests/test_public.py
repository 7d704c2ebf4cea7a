"""What `lrguide` offers: every public name, its documentation and the examples in it."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from keras.optimizers.schedules import LearningRateSchedule

import lrguide

MODULES = sorted(path.stem for path in Path(lrguide.__file__).parent.glob("[a-z]*.py"))
NAMES = [name for name in lrguide.__all__ if name not in MODULES]


def module(name: str) -> Any:
    return importlib.import_module(f"lrguide.{name}")


def test_importing_lrguide_and_asking_what_it_has_loads_no_library() -> None:
    code = (
        "import sys, lrguide; dir(lrguide); lrguide.__all__\n"
        "print({'tensorflow', 'keras', 'matplotlib', 'numpy'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("set()", "")


def test_all_lists_each_module_and_what_can_be_imported_from_it() -> None:
    assert set(MODULES) < set(lrguide.__all__) <= set(dir(lrguide))
    offered: dict[str, Any] = {}
    exec("from lrguide import *", offered)
    assert set(offered) - {"__builtins__"} == set(lrguide.__all__)
    for name in NAMES:
        assert offered[name].__module__.startswith("lrguide."), name
        assert getattr(sys.modules[offered[name].__module__], name) is offered[name]


@pytest.mark.parametrize("name", [n for n in MODULES if n != "plots"])
def test_a_module_s_own_list_is_what_lrguide_offers_of_it(name: str) -> None:
    here = module(name)
    assert {n for n in NAMES if getattr(lrguide, n).__module__ == here.__name__} == {*here.__all__}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lrguide' has no attribute 'linnear'"):
        lrguide.linnear  # noqa: B018


def public() -> list[tuple[str, Any]]:
    """Names offered at the top, and the functions of `plots`."""
    drawn = [
        (f"plots.{name}", each)
        for name, each in vars(lrguide.plots).items()
        if inspect.isfunction(each) and each.__module__ == "lrguide.plots" and name[0] != "_"
    ]
    return [(name, getattr(lrguide, name)) for name in NAMES] + drawn


EXAMPLES = "".join(
    line for _, each in public() for line in (each.__doc__ or "").splitlines(True) if ">>> " in line
)


@pytest.mark.parametrize("name, each", public())
def test_each_public_name_says_what_it_takes_gives_and_raises(name: str, each: Any) -> None:
    text = inspect.getdoc(each) or ""
    first = text.split("\n")[0]
    assert first.endswith((".", ":")) or ":" in first, "one line, then the rest"
    result = inspect.isclass(each) and hasattr(each, "__dataclass_fields__")
    section = "Attributes" if result else "Args"
    signature = inspect.signature(each)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds, "every argument may be given by name"
    takes = [n for n in signature.parameters if n not in ("args", "kwargs", "options", "self")]
    if takes:
        assert f"{section}:\n" in text
        described = text.split(f"{section}:\n")[1]
        assert [n for n in takes if f"\n    {n}: " not in f"\n{described}"] == []
    if not result:
        assert re.search(rf"\b{re.escape(name)}\(", EXAMPLES), "an example that calls it"
    if inspect.isfunction(each):
        kind = inspect.get_annotations(each, eval_str=True)["return"]
        schedule = inspect.isclass(kind) and issubclass(kind, LearningRateSchedule)
        assert schedule or kind is None or "Returns:\n" in text
        if "raise " in inspect.getsource(each):
            assert "Raises:\n" in text


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run_as_they_stand(name: str) -> None:
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = finder.find(module(name), globs={})  # an example must import all that it uses
    said: list[str] = []
    for each in found:
        runner.run(each, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0 or (name != "plots" and not module(name).__all__)
