"""Speculative roll-out against the cached and the sliding one: segments per pass, time, drift.

    python docs/benchmarks/ideas/speculative.py --work runs/speculative --out speculative.json

AutoTimes with segments of 24, a context of 336 and a roll-out of 720 steps on ETTh1. Times are CPU
seconds of one thread, as ratios of interleaved runs. Add ``--rows val`` for the validation rows, on
which the settings were chosen.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pairs import autotimes
from torch import Tensor

from tslm import Spec, TSLMForecaster
from tslm.core.files import write_json
from tslm.core.types import Batch, Layout, Task, Tokens
from tslm.data.columns import Columns
from tslm.data.datasets.benchmarks import Benchmark, load
from tslm.data.frame import read_frame
from tslm.data.windows import Windows
from tslm.models.backbones.loading import load as backbone
from tslm.models.rollouts.cached import CachedRollout
from tslm.models.rollouts.sliding import SlidingRollout
from tslm.models.rollouts.speculative import SpeculativeRollout

SEGMENT, CONTEXT, FAR, WINDOWS = 24, 336, 720, 8
CASES = [  # blocks, training steps, seeds, sliding too
    (2, 100, (0, 1, 2), True),
    (6, 60, (0, 1, 2), False),
    (30, 30, (0,), False),
]
SETTINGS = [(8, 0.05), (30, 0.05), (30, 0.1)]
SMOLLM = "smollm2-135m"
SIZES: dict[str, Any] = {"width": 1, "layout": Layout(1, 1), "task": Task(1, 1, 24)}


def fitted(
    data: Benchmark, blocks: int, steps: int, seed: int, base: str | None, folder: Path
) -> Any:
    """Fit a model, or load it if it was fitted before."""
    path = folder / f"{blocks}-{base}-{seed}"
    if path.exists():
        return TSLMForecaster.load(path)
    row = data.frame.groupby("unique_id", sort=False).cumcount()
    train_end, val_end, _ = data.borders
    model = autotimes(
        data,
        SEGMENT,
        adapter=Spec("autotimes", patch_len=SEGMENT),
        context_length=CONTEXT,
        n_layers=blocks,
        base=base,
        max_steps=steps,
        batch_size=24,
        freq=data.freq,
        season_length=data.season_length,
        random_state=seed,
    )
    val = data.frame[(row >= train_end) & (row < val_end)]
    return model.fit(data.frame[row < train_end], val_df=val).save(path, history=False) or model


def windows(model: Any, data: Benchmark, rows: str) -> Batch:
    """Cut evenly spaced windows, one a channel, with the 720 steps after them."""
    panel = model.panel_reader.panel_of(read_frame(data.frame, Columns(), freq=data.freq))
    start, stop = data.target_rows(rows)
    first = np.linspace(start, stop - FAR, WINDOWS).astype(np.int64)
    series = torch.arange(len(panel)).repeat_interleave(len(first))
    position = torch.from_numpy(np.tile(first, len(panel)))
    lengths = {"context_length": CONTEXT, "future_length": FAR}
    return Windows.at(panel, series, position, **lengths).cut(torch.arange(len(series)))


class Reading:
    """Forecasts of a roll-out, with the passes and the tokens they took."""

    def __init__(self, model: Any, rollout: Any) -> None:
        self.model, self.rollout = model.forecaster_, rollout

    def __call__(self, batch: Batch) -> Tensor:
        self.model.rollout = self.rollout
        return self.model.forecast(batch, FAR)

    def counted(self, batch: Batch) -> dict[str, float]:
        """Return passes and tokens after the context, per window forecast alone."""
        passes, tokens, backbone = [], [], self.model.backbone
        plain = type(backbone).extend

        def extend(this: Any, state: Any, more: Tokens) -> Any:
            passes.append(1)
            tokens.append(int(more.mask.sum()))
            return plain(this, state, more)

        type(backbone).extend = extend
        try:
            for row in range(0, len(batch.past), 7):
                self(part(batch, row, row + 1))
        finally:
            type(backbone).extend = plain
        count = len(range(0, len(batch.past), 7))
        return {"passes": sum(passes) / count, "tokens": sum(tokens) / count}


def part(batch: Batch, start: int, stop: int) -> Batch:
    """Return some windows of a batch."""
    return Batch(batch.past[start:stop], batch.future[start:stop], batch.time[start:stop])


def seconds(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def measure(model: Any, batch: Batch, sliding: bool) -> list[dict[str, Any]]:
    """Return one row per roll-out of a fitted model."""
    cached = Reading(model, CachedRollout(**SIZES))
    found = {"cached": cached}
    if sliding:
        found["sliding"] = Reading(model, SlidingRollout(**SIZES))
    for drafts, tau in SETTINGS:
        rollout = SpeculativeRollout(**SIZES, drafts=drafts, tau=tau)
        found[f"speculative {drafts} {tau}"] = Reading(model, rollout)
    rows = []
    for name, reading in found.items():
        error = (reading(batch) - batch.future).square()
        row: dict[str, Any] = {"rollout": name, "mse": float(error.mean())}
        if name != "sliding":
            row |= reading.counted(batch)
        if name.startswith("speculative"):
            for count, rounds in ((1, 7), (32, 1)):
                ratios = []
                for turn in range(rounds):
                    some = part(batch, 11 * turn, 11 * turn + count)
                    both = [seconds(lambda r=r, s=some: r(s)) for r in (cached, reading)]
                    ratios.append(both[0] / both[1])
                row[f"times faster, {count} series"] = float(np.median(ratios))
        rows.append(row)
    return rows


@torch.no_grad()
def costs(blocks: int, series: int) -> dict[str, Any]:
    """Return the CPU time of a pass of 8 and of 30 tokens, as multiples of a pass of one."""
    body, found = backbone(SMOLLM, n_layers=blocks), {1: [], 8: [], 30: []}

    def tokens(count: int) -> Tokens:
        mask = torch.ones(series, count, dtype=torch.bool)
        return Tokens(0.1 * torch.randn(series, count, body.width), mask)

    for _ in range(8 if series == 1 else 2):
        for count, times in found.items():
            _, state = body.start(tokens(CONTEXT // SEGMENT))
            more = tokens(count)
            times.append(seconds(lambda s=state, m=more: body.extend(s, m)))
    one = np.median(found[1])
    ratios = {f"pass of {n} tokens": round(float(np.median(found[n]) / one), 2) for n in (8, 30)}
    return {"blocks": blocks, "series": series, **ratios}


def main() -> None:
    """Write one row per model and roll-out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", choices=["val", "test"], default="test")
    parser.add_argument("--costs", action="store_true", help="time passes of an untrained model")
    parser.add_argument("--blocks", type=int, nargs="*", default=[case[0] for case in CASES])
    parser.add_argument("--bases", nargs="*", default=[None])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    asked = parser.parse_args()
    if asked.costs:
        found = [costs(blocks, series) for blocks in asked.blocks for series in (1, 32)]
        write_json(found, asked.out)
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    data = load("etth1")
    for blocks, steps, seeds, sliding in CASES:
        for base in asked.bases:
            for seed in (s for s in seeds if s in asked.seeds and blocks in asked.blocks):
                model = fitted(data, blocks, steps, seed, base, asked.work)
                file = asked.work / f"{asked.rows}-{blocks}-{base}-{seed}.json"
                if file.exists():
                    continue
                rows = measure(model, windows(model, data, asked.rows), sliding)
                facts = {"blocks": blocks, "base": base, "seed": seed, "steps": steps}
                write_json([facts | row for row in rows], file)
                for row in rows:
                    print(facts | row, flush=True)
    every = sorted(asked.work.glob(f"{asked.rows}-*.json"))
    write_json([row for file in every for row in json.loads(file.read_text())], asked.out)


if __name__ == "__main__":
    main()
