"""Seconds and token passes of the roll-outs, interleaved, at a horizon of 720.

python docs/benchmarks/ideas/parallel_seconds.py --out parallel_seconds.json
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from tslm.core.config.choices import node
from tslm.core.config.estimator_settings import configure
from tslm.core.files import write_json
from tslm.core.spec import Spec
from tslm.core.types import Batch, Facts, Task
from tslm.models.assembly import assemble, rollout_of, settle

HORIZON, WINDOWS, ROUNDS = 720, 32, 5


def main() -> None:
    """Time each roll-out in turn, on bodies of several depths."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blocks", nargs="*", type=int, default=[2, 6])
    parser.add_argument("--patch-len", type=int, default=96)
    asked = parser.parse_args()
    size, rows = asked.patch_len, []
    for blocks in asked.blocks:
        parts = {"adapter": Spec("autotimes", patch_len=size), "rollout": "sliding"}
        values = {"h": HORIZON, "n_layers": blocks, "context_length": 672}
        cfg = settle(configure(parts, values), Facts(HORIZON, 24, 10_000))
        task = Task(672, HORIZON, 24, freq="h", dated=True)
        model = assemble(cfg, task).eval()
        walk = torch.randn(WINDOWS, 672, 1).cumsum(1)
        batch = Batch.of(walk, (torch.arange(672 + HORIZON) * 3600).expand(WINDOWS, -1))
        made = {
            name: rollout_of(node("rollout", name), model.backbone, model.adapter, task)
            for name in ("sliding", "cached", "parallel")
        }
        seconds: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(ROUNDS + 1):  # the first round warms up
            for name, rollout in made.items():
                model.use(rollout)
                began = time.process_time()
                model.forecast(batch, HORIZON)
                seconds[name].append(time.process_time() - began)
        ratios = {
            name: statistics.median(
                a / b for a, b in zip(seconds["sliding"][1:], spent[1:], strict=True)
            )
            for name, spent in seconds.items()
        }
        tokens, later = model.n_tokens, -(-HORIZON // size) - 1
        passes = {
            "sliding": (later + 1, tokens * (later + 1)),
            "cached": (later + 1, tokens + later),
            "parallel": (1, tokens + later),
        }
        for name, (count, read) in passes.items():
            rows.append(
                {
                    "blocks": blocks,
                    "patch_len": size,
                    "rollout": name,
                    "passes": count,
                    "tokens": read,
                    "sliding_over_it_cpu_seconds": round(ratios[name], 2),
                    "windows": WINDOWS,
                }
            )
            print(rows[-1], flush=True)
    write_json({"horizon": HORIZON, "rounds": ROUNDS, "results": rows}, asked.out)


if __name__ == "__main__":
    main()
