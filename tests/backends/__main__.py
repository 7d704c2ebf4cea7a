"""Print which kinds of model the range test leaves without a trace, by backend.

Run it once for each backend, with `KERAS_BACKEND` set; it prints a Markdown table of that backend.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kinds import BACKEND, KINDS
from tracelessness import problems

print(f"| Kind | {BACKEND} |\n| --- | --- |")
for name, kind in KINDS.items():
    if BACKEND in kind.refused_by:
        result = kind.refused_by[BACKEND]
    else:
        try:
            result = "; ".join(problems(kind)) or "nothing left"
        except Exception as error:
            result = f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"
    print(f"| {name} | {result} |", flush=True)
