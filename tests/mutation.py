"""Change the modules of the schedules in small ways, and see whether their tests notice.

Needs `cosmic-ray` (8.7) beside the packages of the tests, and takes about half an hour of one core,
without the optimizers, of which each mutant takes a few times `fit`; EVERY=20 tries one in 20:

    python tests/mutation.py schedules composing cyclical
    EVERY=20 python tests/mutation.py scheduled_optimizers

It prints each mutant that survived and the share that was killed. Outcomes are kept in `.cache`:
stopped and started again, it goes on where it was. The mutations are Cosmic Ray's; the runs are not
its own, for each would import TensorFlow again: here that is imported once, and each mutant is
tested in a fork. Left out: type hints, which nothing evaluates; and all but a few of the eleven
replacements that Cosmic Ray knows for each arithmetic operator.
"""

import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import apply_mutation
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).parents[1]
OUTCOMES = ROOT / ".cache/mutation.jsonl"
SLOW = "fit saved compiled however number_as constant_rate accumulation set_after strategy sparse"
ARITHMETIC = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Div_FloorDiv", "Pow_Mul")
QUICK = " and ".join(f"not {word}" for word in SLOW.split())
TESTS = {  # of each module: the file, and which of its tests
    "schedules": ("tests/test_schedules.py", QUICK),
    "composing": ("tests/test_schedules.py", QUICK),
    "cyclical": ("tests/test_cyclical.py", QUICK),
    "scheduled_optimizers": ("tests/test_cyclical.py", "momentum or keras_sgd or loads"),
}
EVERY = int(os.environ.get("EVERY", "1"))
SECONDS = 120


def mutants(module):
    for item in _all_work_items([module], {}):
        mutation = item.mutations[0]
        kind, _, change = mutation.operator_name.rpartition("ReplaceBinaryOperator_")
        if not kind or change in ARITHMETIC:
            yield mutation


def survives(test, chosen):
    """Run the tests on the module as it is now, in a fork, until one fails."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        signal.alarm(SECONDS)  # a mutant that never ends is noticed, too
        options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "-k", chosen]
        os._exit(pytest.main([*options, test]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(names):
    OUTCOMES.parent.mkdir(exist_ok=True)
    OUTCOMES.touch()
    known = dict(json.loads(line) for line in OUTCOMES.read_text().splitlines())
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(ROOT / "lrguide", f"{copy}/lrguide")
        shutil.copytree(ROOT / "tests", f"{copy}/tests")
        os.chdir(copy)
        sys.path.insert(0, copy)
        sys.dont_write_bytecode = True
        import hypothesis  # noqa: F401  (once, for all forks)
        import keras  # noqa: F401

        for name in names:
            module, (test, chosen) = Path(f"lrguide/{name}.py"), TESTS[name]
            assert survives(test, chosen), f"{test} must pass before anything is changed"
            source, found = module.read_text(), Counter()
            both = hashlib.sha256((source + Path(test).read_text()).encode()).hexdigest()[:16]
            for mutation in itertools.islice(mutants(module), 0, None, EVERY):
                operator = get_operator(mutation.operator_name)(**mutation.operator_args)
                _, changed = apply_mutation(module, operator, mutation.occurrence)
                key = f"{both} {mutation.operator_name} {mutation.occurrence}"
                if key not in known:
                    known[key] = survives(test, chosen)
                    with OUTCOMES.open("a") as file:
                        print(json.dumps([key, known[key]]), file=file)
                found["survived" if known[key] else "killed"] += 1
                if known[key]:
                    (line, _), old = mutation.start_pos, source.splitlines()
                    print(f"{name}:{line} {mutation.operator_name}: {old[line - 1].strip()}")
                    print(f"    {changed.splitlines()[line - 1].strip()}", flush=True)
                module.write_text(source)
            share = found["killed"] / found.total()
            print(f"{name}: {dict(found)}, {share:.1%} killed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
