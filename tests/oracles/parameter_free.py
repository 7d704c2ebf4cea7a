"""Write parameter_free.json: what the authors' own optimizers do on the problem of `logistic`.

pip install torch==2.13.0 prodigyopt==1.1.2 dadaptation==3.2 schedulefree==1.4.1
python tests/oracles/parameter_free.py
"""

import importlib.metadata
import json
from pathlib import Path

import torch
from dadaptation import DAdaptAdam
from logistic import FIRST, STEPS, gradients
from prodigyopt import Prodigy
from schedulefree import AdamWScheduleFreeReference

MADE = {
    "Prodigy": Prodigy,
    "DAdaptAdam": DAdaptAdam,
    "ScheduleFree": lambda weights: AdamWScheduleFreeReference(weights, lr=0.0025),
}


def walked(make):
    """The bias after each step, in float64; of ScheduleFree its average, too."""
    weights = [torch.nn.Parameter(torch.tensor(each)) for each in FIRST]
    optimizer = make(weights)
    seen = {"trained": [], "d": [], "averaged": []}
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(STEPS):
        for weight, gradient in zip(weights, gradients([w.detach() for w in weights]), strict=True):
            weight.grad = torch.tensor(gradient)
        optimizer.step()
        seen["trained"].append(weights[1].detach().tolist())
        if "d" in optimizer.param_groups[0]:
            seen["d"].append(float(optimizer.param_groups[0]["d"]))
        if "x" in optimizer.state[weights[1]]:
            seen["averaged"].append(optimizer.state[weights[1]]["x"].tolist())
    return {name: values for name, values in seen.items() if values}


libraries = ("torch", "prodigyopt", "dadaptation", "schedulefree")
versions = {name: importlib.metadata.version(name) for name in libraries}
values = {name: walked(make) for name, make in MADE.items()}
path = Path(__file__).with_name("parameter_free.json")
path.write_text(json.dumps({"versions": versions, "values": values}) + "\n", encoding="utf-8")
