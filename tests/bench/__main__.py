"""All benchmarks, or the named ones: `python -m tests.bench training`.

Ratios are taken in one run, the compared things by turns; run nothing beside it.
"""

import importlib
import pkgutil
import sys

from tests import bench

parts = [part.name for part in pkgutil.iter_modules(bench.__path__) if part.name != "__main__"]
unknown = [name for name in sys.argv[1:] if name not in parts]
if unknown:
    sys.exit(f"benchmarks are {', '.join(parts)}, received {', '.join(unknown)}")
for number, name in enumerate(sys.argv[1:] or parts):
    print(f"{chr(10) if number else ''}## {name}\n", flush=True)
    importlib.import_module(f"tests.bench.{name}").main()
