"""Cost of a training step of the joint fit, as ratios of interleaved steps in one process.

python docs/benchmarks/ideas/depth_cost.py depth_cost.json
"""

import json
import statistics
import sys
import time
from pathlib import Path

import torch

from tslm.core.config.estimator_settings import configure
from tslm.core.types import Batch, Facts, Task
from tslm.models.assembly import forecaster_of, settle

ROUNDS, WINDOWS = 7, 32


def step_of(n_layers: int | str, batch: Batch):
    """Return a training step of AutoTimes on SmolLM2-135M with this number of blocks."""
    cfg = configure({"adapter": "autotimes", "base": "none"}, {"h": 96, "n_layers": n_layers})
    cfg = settle(cfg, Facts(96, 24, 8640))
    task = Task(cfg.context_length, 96, 24, "h", True)
    model = forecaster_of(cfg, task)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], 1e-3)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(batch, "huber").backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    dice = torch.Generator().manual_seed(0)
    walk = torch.randn(WINDOWS, 768, 1, generator=dice).cumsum(1)
    batch = Batch(walk[:, :672], walk[:, 672:], torch.arange(768).expand(WINDOWS, -1) * 3600)
    steps = {str(n): step_of(n, batch) for n in ("auto", 1, 2, 4, 6)}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for name in (*steps,) * (ROUNDS + 1):
        began = time.process_time()
        steps[name]()
        seconds[name].append(time.process_time() - began)
    usual = {name: taken[1:] for name, taken in seconds.items()}  # the first one warms up
    singles = [sum(usual[n][k] for n in ("1", "2", "4", "6")) for k in range(ROUNDS)]
    against = {"2": usual["2"], "6": usual["6"], "1+2+4+6": singles}
    found = {
        name: round(statistics.median(a / b for a, b in zip(usual["auto"], b_, strict=True)), 2)
        for name, b_ in against.items()
    }
    result = {"joint_step_over_step_of": found, "rounds": ROUNDS, "windows": WINDOWS}
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
    print(result)
