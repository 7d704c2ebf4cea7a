"""Write decisions.json: what statsmodels decides, Holm's way and by two one-sided tests.

In the environment that `make.py` describes, from the root of the repository:

    /tmp/oracles/bin/python tests/oracles/decide.py
"""

import json
from pathlib import Path

import numpy as np
import statsmodels
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

numbers = np.random.default_rng(0)
holm, equivalence = [], []
for count in (1, 2, 3, 5, 20):
    for scale in (1, 8, 1, 8):
        p_values = np.round(numbers.random(count) ** 3 / scale, 4)
        holm.append([p_values.tolist(), multipletests(p_values, 0.05, "holm")[0].tolist()])
for count in (5, 10, 20):
    for spread in (0.01, 0.03, 0.06):
        for shift in (0, 0.01, 0.02, -0.02, 0.04):
            differences = np.round(numbers.normal(shift, spread, count), 4)
            p_value = DescrStatsW(differences).ttost_mean(np.log(0.97), np.log(1.03))[0]
            equivalence.append([differences.tolist(), float(p_value)])
made = {"statsmodels": statsmodels.__version__, "holm": holm, "equivalence": equivalence}
path = Path(__file__).with_name("decisions.json")
path.write_text(json.dumps(made).replace("]], [[", "]],\n[[") + "\n", encoding="utf-8")
