"""What can be wrong with a claim: `python -m tests.claims [PAGE ...]` lists each of its checks.

A claim's runs are spoilt in many ways, and each single check must fail on at least one of them.
Each result that a sentence quotes is moved by itself, and the sentence's checks must notice.
"""

import ast
import dis
import inspect
import os
import random
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import numpy as np

from lrguide.guide import pages
from lrguide.guide.contenders import PLAIN
from lrguide.guide.records import Run, Runs
from lrguide.guide.report import Claim
from lrguide.guide.settings import BUDGETS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.py"))

# A number to which more contenders than these contribute, such as a correlation of their ranks,
# need not show it when one of them moves: that all of them together do is seen by shuffled runs.
FEW = 12


@cache
def executed(page: str) -> pages.Ran:
    """A page that was run from stored runs alone, without its live snippets."""
    with patch.dict(os.environ, LRGUIDE_MAX_SECONDS="0"):
        ran = pages.run(DOCS / page)
    if ran.error:
        raise ran.error
    return ran


def claims_of(page: str) -> list[Claim]:
    """All claims of a page, and its tables with checks."""
    return [shown.claim for shown in executed(page).shown if shown.claim]


@dataclass(frozen=True)
class Spoilt:
    """Spoilt runs, and what was done to them."""

    what: str
    runs: tuple[Runs, ...]


class Quick(Runs):
    """Runs that remember what was found among them: spoilt ones have the same settings."""

    known: dict[Any, Any]

    def where(self, **settings: Any) -> Runs:
        key = tuple(settings.items())
        if key not in self.known:
            super().where(**settings)  # which says so if there are none
            matching = [
                n for n, run in enumerate(self) if all(run.settings.get(k) == v for k, v in key)
            ]
            self.known[key] = matching, {}
        return self.part(*self.known[key])

    def by(self, setting: str) -> dict[Any, Runs]:
        if setting not in self.known:
            places: dict[Any, list[int]] = {}
            for n, run in enumerate(self):
                places.setdefault(run.settings[setting], []).append(n)
            self.known[setting] = {value: (each, {}) for value, each in places.items()}
        return {value: self.part(*known) for value, known in self.known[setting].items()}

    def part(self, places: list[int], known: dict[Any, Any]) -> "Quick":
        return quick((self[n] for n in places), known)


def quick(runs: Iterable[Run], known: dict[Any, Any]) -> Quick:
    made = Quick(runs)
    made.known = known
    return made


class Material:
    """The runs of a claim, contender by contender."""

    def __init__(self, runs: tuple[Runs, ...]) -> None:
        self.lengths: list[tuple[int, dict[Any, Any]]] = [(len(each), {}) for each in runs]
        self.runs = [run for each in runs for run in each]
        self.places: dict[str, list[int]] = {}
        for place, run in enumerate(self.runs):
            self.places.setdefault(contender(run), []).append(place)
        # Contenders whose results have the same form, so that they can be exchanged.
        self.kinds: dict[Any, list[str]] = {}
        for name, places in self.places.items():
            run = self.runs[places[0]]
            form = [len(v) for v in run.result.values() if isinstance(v, list)]
            self.kinds.setdefault((run.function, *form, *run.result), []).append(name)

    def with_runs(self, what: str, changed: dict[int, Run]) -> Spoilt:
        """All runs, those at some places changed."""
        every = iter(changed.get(place, run) for place, run in enumerate(self.runs))
        runs = (quick((next(every) for _ in range(n)), known) for n, known in self.lengths)
        return Spoilt(what, tuple(runs))

    def given(self, what: str, giver: Callable[[list[str]], list[str]]) -> Spoilt:
        """Each contender with the results of the one that `giver` puts in its place."""
        changed = {}
        for names in self.kinds.values():
            for name, other in zip(names, giver(names), strict=True):
                theirs = self.places[other]
                for number, place in enumerate(self.places[name]):
                    source = self.runs[theirs[number % len(theirs)]]
                    changed[place] = replace(
                        self.runs[place], result=source.result, made=source.made
                    )
        return self.with_runs(what, changed)

    def shuffled(self, seed: int) -> Spoilt:
        """All results of one form dealt out anew."""
        changed = {}
        for names in self.kinds.values():
            places = [place for name in names for place in self.places[name]]
            others = places.copy()
            random.Random(seed).shuffle(others)
            for place, other in zip(places, others, strict=True):
                source = self.runs[other]
                changed[place] = replace(self.runs[place], result=source.result, made=source.made)
        return self.with_runs(f"shuffled ({seed})", changed)

    def values(self, name: str, key: str) -> np.ndarray:
        """One result of a contender, a row a run."""
        return np.array([self.runs[place].result[key] for place in self.places[name]], float)

    def spread(self, name: str, key: str) -> np.ndarray:
        """The standard deviation over its seeds; where it is none, a twentieth of the value."""
        seeds = {self.runs[place].settings["seed"]: place for place in self.places[name]}
        rows = np.array([self.runs[place].result[key] for place in seeds.values()], float)
        spread = rows.std(axis=0, ddof=1 if len(rows) > 1 else 0)
        return np.where(spread > 0, spread, 0.05 * np.abs(rows.mean(axis=0)) + 1e-3)

    def moved(self, what: str, name: str, **results: np.ndarray) -> Spoilt:
        """All runs, one contender with other results; a loss stays above 0, a share below 1."""
        changed = {}
        for number, place in enumerate(self.places[name]):
            new = dict(self.runs[place].result)
            for key, rows in results.items():
                row = np.clip(rows[number], 0, 1 if key.endswith("accuracy") else None)
                new[key] = row.tolist()
            changed[place] = replace(self.runs[place], result=new)
        return self.with_runs(f"{what} of {name}", changed)

    def rough(self) -> Iterator[Spoilt]:
        """Contenders swapped, equal, shuffled."""
        yield self.given("contenders in reverse", lambda names: names[::-1])
        yield self.given("all as the first", lambda names: [names[0]] * len(names))
        yield self.given("all as the last", lambda names: [names[-1]] * len(names))
        yield from map(self.shuffled, range(3))

    def shifted(self) -> Iterator[Spoilt]:
        """All results of one contender three spreads lower or higher."""
        for name, places in self.places.items():
            keys = [
                key for key in self.runs[places[0]].result if movable(self.runs[places[0]], key)
            ]
            if "sweep_losses" in keys:
                continue
            for times in (-3, 3):
                rows = {k: self.values(name, k) + times * self.spread(name, k) for k in keys}
                yield self.moved(f"{times:+d} spreads: all results", name, **rows)

    def moves(self, name: str, key: str) -> Iterator[Spoilt]:
        """One result of one contender by ten spreads, and beyond those of all others."""
        rows = self.values(name, key)
        if key == "sweep_losses":  # what a sweep says changes with where its curve lies
            for steps in (-20, 20):
                turned = np.roll(rows, steps, axis=1)
                edge = slice(steps, None) if steps < 0 else slice(0, steps)
                turned[:, edge] = rows[:, [-1 if steps < 0 else 0]]
                yield self.moved(f"{steps:+d} steps: {key}", name, sweep_losses=turned)
            flat = np.broadcast_to(rows[:, :1], rows.shape)
            yield self.moved(f"flat: {key}", name, sweep_losses=flat)
            rates = self.values(name, "sweep_rates")
            narrow = rates[:, :1] * (rates / rates[:, :1]) ** 0.1
            yield self.moved(f"over a tenth of the range: {key}", name, sweep_rates=narrow)
            return
        spread = self.spread(name, key)
        for times in (10, -10):
            yield self.moved(f"{times:+d} spreads: {key}", name, **{key: rows + times * spread})
        ends = np.array(
            [
                np.ravel(run.result[key])[-1]
                for run in self.runs
                if isinstance(run.result.get(key), float | list)
            ],
            float,
        )
        ends = ends[np.isfinite(ends)]
        if len(ends):
            middle = np.nanmean(rows[..., -1])
            apart = np.max(spread)
            for what, end in (("above", ends.max() + apart), ("below", ends.min() - apart)):
                yield self.moved(f"{what} all: {key}", name, **{key: rows + (end - middle)})
        if rows.ndim > 1:
            yield self.moved(f"backwards: {key}", name, **{key: rows[:, ::-1]})
            falling = np.sort(rows, axis=1)[:, ::-1]
            yield self.moved(f"falling throughout: {key}", name, **{key: falling})


def contender(run: Run) -> str:
    """What a run is but for its seed: its settings, without what its budget says anyway."""
    settings = dict(run.settings)
    stated = vars(BUDGETS[settings["budget"]]) if settings.get("budget") in BUDGETS else {}
    stated = stated | PLAIN | {"low": 0.0, "task": "MNIST", "network": "article_cnn"}
    del settings["seed"]
    told = [f"{name} {value}" for name, value in settings.items() if stated.get(name) != value]
    return f"{run.function} {', '.join(told)}"


def movable(run: Run, key: str) -> bool:
    """Whether a result is a measured number or a curve of them."""
    kept = key in ("rates", "first_losses", "sweep_rates")
    return isinstance(run.result[key], float | list) and not kept


def read_by(claim: Claim) -> list[tuple[str, str]]:
    """The contenders and results that a claim looks at."""
    seen: dict[tuple[str, str], None] = {}

    class Watched(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            seen[self.name, key] = None  # type: ignore[attr-defined]
            return super().__getitem__(key)

    def watch(run: Run) -> Run:
        result = Watched(run.result)
        result.name = contender(run)  # type: ignore[attr-defined]
        return replace(run, result=result)

    claim(*(Runs(map(watch, runs)) for runs in claim.runs))
    first = {contender(run): run for runs in claim.runs for run in runs}
    return [(name, key) for name, key in seen if movable(first[name], key)]


def singled(claim: Claim) -> Claim:
    """The same claim, with each `and` and each chain of comparisons split into single checks."""
    told = claim.told
    if told.__name__ == "<lambda>":
        return claim
    tree = ast.parse(textwrap.dedent(inspect.getsource(told)))
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or not isinstance(function.body[-1], ast.Return):
        return claim
    returned = function.body[-1].value
    if not isinstance(returned, ast.Tuple):
        return claim
    text, *checks = returned.elts
    returned.elts = [text, *(single for check in checks for single in parts(check))]
    function.decorator_list = []
    names = dict(told.__globals__) | inspect.getclosurevars(told).nonlocals
    exec(compile(ast.fix_missing_locations(tree), told.__code__.co_filename, "exec"), names)
    split = names[told.__name__]
    split.checks = [" ".join(ast.unparse(check).split()) for check in returned.elts[1:]]
    return Claim(claim.runs, split)


def parts(check: ast.expr) -> Iterator[ast.expr]:
    """A condition as the single ones that it is made of."""
    if isinstance(check, ast.BoolOp) and isinstance(check.op, ast.And):
        for value in check.values:
            yield from parts(value)
    elif isinstance(check, ast.Compare) and len(check.ops) > 1:
        operands = [check.left, *check.comparators]
        for left, operator, right in zip(operands, check.ops, operands[1:], strict=False):
            yield ast.Compare(left, [operator], [right])
    else:
        yield check


@dataclass(frozen=True)
class Judged:
    """A claim's single checks, the spoils on which each fails, and what none of them notices."""

    name: str
    line: int
    sentence: str
    fails: dict[str, list[str]]
    unnoticed: list[str]

    @property
    def idle(self) -> list[str]:
        """The checks that fail on nothing."""
        return [check for check, spoils in self.fails.items() if not spoils]


def judged(claim: Claim) -> Judged:
    """Spoil a claim's runs, one way after the other."""
    split, material = singled(claim), Material(claim.runs)
    sentence, holds = split(*claim.runs)
    checks = getattr(split.told, "checks", [f"check {n + 1}" for n in range(len(holds))])
    fails: dict[str, list[str]] = {check: [] for check in checks}

    def tried(spoilt: Spoilt) -> tuple[set[int], bool]:
        """At which words the sentence differs, and whether a check fails."""
        try:
            with warnings.catch_warnings():  # spoilt runs may divide by 0
                warnings.simplefilter("ignore", RuntimeWarning)
                told, outcome = split(*spoilt.runs)
        except (TypeError, ValueError) as error:
            raise AssertionError(
                f"{split.told.__name__} cannot tell of {spoilt.what}: {error!r}"
            ) from error
        except LookupError:  # the page then says that it cannot check the sentence
            return {0}, True
        for check, good in zip(checks, outcome, strict=True):
            if not good:
                fails[check].append(spoilt.what)
        pairs = enumerate(zip_longest(str(told).split(), str(sentence).split()))
        return {word for word, (one, other) in pairs if one != other}, not all(outcome)

    for spoilt in material.rough():
        tried(spoilt)
    moving: dict[tuple[int, str], set[str]] = {}  # which contenders move which word
    unnoticed: dict[tuple[str, str], set[tuple[int, str]]] = {}
    for name, key in read_by(claim):
        quoted, noticed = set(), False
        for spoilt in material.moves(name, key):
            differing, fail = tried(spoilt)
            quoted, noticed = quoted | {(word, key) for word in differing}, noticed or fail
            if noticed and all(fails.values()):
                break
        for word in quoted:
            moving.setdefault(word, set()).add(name)
        if quoted and not noticed:
            unnoticed[name, key] = quoted
    single = [
        f"{key} of {name}"
        for (name, key), words in unnoticed.items()
        if any(len(moving[word]) <= FEW for word in words)
    ]
    if not all(fails.values()):
        for spoilt in material.shifted():
            tried(spoilt)
    code = claim.told.__code__
    return Judged(code.co_name, code.co_firstlineno, str(sentence), fails, single)


def taken_from_runs(text: str, names: dict[str, Any]) -> set[str]:
    """The names of a page that stand for runs, or for what was computed from them.

    A function is among them if it reads one of these itself instead of being given it. What a claim
    takes from such a name is the same whatever becomes of its runs.
    """
    found = {name for name, value in names.items() if isinstance(value, Runs) or makes_runs(value)}
    statements = [(code_of(each), stored(each)) for each in ast.parse(text).body]
    known = -1
    while known < len(found):
        known = len(found)
        for code, kept in statements:
            if loaded(code) & found:
                found |= kept
    return found


def makes_runs(value: Any) -> bool:
    """Whether this is a function such as `measured`, which is given no runs and returns some."""
    types = {key: str(of) for key, of in getattr(value, "__annotations__", {}).items()}
    returned = types.pop("return", "")
    return "Runs" in returned and not any("Runs" in each for each in types.values())


def code_of(statement: ast.stmt) -> CodeType:
    """The code of a statement; that of a function without its decorators."""
    if isinstance(statement, ast.FunctionDef):
        statement = ast.FunctionDef(**{**vars(statement), "decorator_list": []})
    return compile(ast.Module([statement], []), "a page", "exec")


def stored(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, and those of which it changes an entry."""
    code = code_of(statement)
    bound = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}
    changed = [
        node.value
        for node in ast.walk(statement)
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return bound | {value.id for value in changed if isinstance(value, ast.Name)}


def loaded(code: CodeType) -> set[str]:
    """The global names that some code reads, itself and in what it defines."""
    read = {
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_NAME", "LOAD_GLOBAL")
    }
    return read.union(*(loaded(each) for each in code.co_consts if isinstance(each, CodeType)))


def unreached(page: str) -> dict[str, set[str]]:
    """What the claims of a page take from its runs in other ways than as their arguments."""
    names = executed(page).names
    text = (DOCS / page).read_text(encoding="utf-8")
    found = taken_from_runs(text, names)
    taken = {
        claim.told.__name__: (loaded(claim.told.__code__) | {claim.told.__name__}) & found
        for claim in claims_of(page)
    }
    taken["the choice of runs"] = chosen_by(text) & found
    return {claim: names for claim, names in taken.items() if names}


def chosen_by(text: str) -> set[str]:
    """The names by which a page chooses runs outside its functions, as in `where(rate=BEST)`."""
    outside: list[ast.AST] = []
    for statement in ast.parse(text).body:
        function = isinstance(statement, ast.FunctionDef)
        outside += statement.decorator_list if function else [statement]
    return {
        name.id
        for part in outside
        for call in ast.walk(part)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "where"
        for keyword in call.keywords
        for name in ast.walk(keyword.value)
        if isinstance(name, ast.Name)
    }


def main(names: list[str]) -> int:
    """Print each check with what it fails on; 1 if one cannot fail."""
    count, wrong = 0, 0
    for page in names or PAGES:
        for claim in claims_of(page):
            one = judged(claim)
            print(f"{page}:{one.line} {one.name}")
            for check, spoils in one.fails.items():
                count += 1
                others = f", and {len(spoils) - 1} more" if len(spoils) > 1 else ""
                print(f"    {check}\n        {spoils[0] if spoils else 'NOTHING'}{others}")
            for quantity in one.unnoticed:
                print(f"    NOT NOTICED: {quantity}")
            wrong += len(one.idle) + len(one.unnoticed)
    print(f"{count} checks; {wrong} that cannot fail or quantities that none notices")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main([name if name.endswith(".py") else f"{name}.py" for name in sys.argv[1:]]))
