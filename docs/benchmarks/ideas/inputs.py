"""Importance of patches by deletion curves: replacement against gradients, attention and chance.

    python docs/benchmarks/ideas/inputs.py --out inputs.json

AutoTimes on two blocks of SmolLM2-135M reads seven patches of 24 hours and forecasts the day after,
on ETTh1 and weather (hours). For test windows each method ranks the patches. Patches are then
replaced by their seasonal expectation, the most important first, and the change of the forecast is
recorded after each. A better ranking changes the forecast more with fewer patches: the figure is
the area under this curve. To be fair to rankings by other replacements, the curve is also drawn
with missing values in place of the expectation.

Methods: replacement of one patch at a time (``explain(kind="inputs")``); gradient times input (the
sum over a patch, of the gradient of the sum of absolute forecasts); attention of the last token,
rolled out over the blocks with the residual path (Abnar and Zuidema, 2020); the last block alone;
and a random order.
"""

import argparse
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch

from tslm import Spec, TSLMForecaster
from tslm.core.files import write_json
from tslm.core.types import Context
from tslm.data.datasets import benchmarks
from tslm.estimators.input_importance import seasonal_expectation

PATCH, CONTEXT, H = 24, 168, 24
SEEDS, ROUNDS = (0, 1, 2), 2000
METHODS = (
    *("replacement", "missing", "gradient x input"),
    *("attention rollout", "last attention", "random"),
)


def windows(name: str, count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the training rows of a set, and some contexts of its test rows, standardised."""
    data = benchmarks.load(name)
    every = 6 if name == "weather" else 1
    table = data.frame.pivot(index="ds", columns="unique_id", values="y").iloc[::every, :7]
    train = table.iloc[: data.borders.train_end // every].tail(4000)
    test = table.iloc[data.borders.val_end // every : data.borders.test_end // every]
    z = ((test - train.mean()) / train.std(ddof=0).clip(lower=1e-9)).to_numpy()
    dice = np.random.default_rng(0)
    starts = dice.integers(0, len(z) - CONTEXT, count)
    columns = dice.integers(0, z.shape[1], count)
    found = [z[s : s + CONTEXT, c] for s, c in zip(starts, columns, strict=True)]
    scaled = (train - train.mean()) / train.std(ddof=0).clip(lower=1e-9)
    wide = scaled.reset_index(drop=True).rename_axis("ds").reset_index()
    return wide.melt("ds", var_name="unique_id", value_name="y"), np.stack(found)


def forecast(model: Any, past: np.ndarray) -> np.ndarray:
    """Return forecasts of contexts ``[n, L]``."""
    parts = np.array_split(past, -(-len(past) // 512))
    with torch.no_grad():
        return np.concatenate([_ahead(model, torch.from_numpy(p).float()).numpy() for p in parts])


def _ahead(model: Any, past: torch.Tensor) -> torch.Tensor:
    time = torch.arange(CONTEXT + H).expand(len(past), -1)
    return model(past[:, :, None], time[:, :CONTEXT], None, last=True).values[:, :, 0]


def without(past: np.ndarray, patch: int, kind: str) -> np.ndarray:
    """Return contexts with one patch replaced."""
    rows, found = slice(patch * PATCH, (patch + 1) * PATCH), past.copy()
    span = (rows.start, rows.stop, 24)
    for one in found:
        one[rows] = np.nan if kind == "missing" else seasonal_expectation(one, *span)
    return found


def gradients(model: Any, past: np.ndarray) -> np.ndarray:
    """Return the absolute sum of gradient times input over each patch."""
    x = torch.from_numpy(past).float().requires_grad_()
    _ahead(model, x).abs().sum().backward()
    return (x.grad * x).detach().reshape(len(past), -1, PATCH).sum(-1).abs().numpy()


def attentions(model: Any, past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the attention of the last token to each patch: rolled out, and in the last block."""
    x = torch.from_numpy(past).float()[:, :, None]
    with torch.no_grad():
        scale = model.adapter.scale(x)
        time = torch.arange(CONTEXT).expand(len(past), -1)
        tokens = model.adapter(Context.fold(scale.apply(x), time))
        body, dtype = model.backbone.body, model.backbone.dtype
        body.set_attn_implementation("eager")
        out = body(inputs_embeds=tokens.embeds.to(dtype), output_attentions=True)
    rolled = None
    for block in out.attentions:
        mean = block.float().mean(1)
        mixed = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1])
        rolled = mixed if rolled is None else mixed @ rolled
    return rolled[:, -1].numpy(), out.attentions[-1].float().mean(1)[:, -1].numpy()


def curves(model: Any, past: np.ndarray, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the area under the deletion curve of each method, one per window."""
    whole, patches = forecast(model, past), CONTEXT // PATCH
    scores = {
        kind: np.stack(
            [
                np.abs(whole - forecast(model, without(past, p, kind))).mean(1)
                for p in range(patches)
            ],
            1,
        )
        for kind in ("replacement", "missing")
    }
    rolled, last = attentions(model, past)
    dice = np.random.default_rng(seed)
    scores |= {"attention rollout": rolled, "last attention": last}
    scores["gradient x input"] = gradients(model, past)
    scores["random"] = dice.random((len(past), patches))
    found: dict[str, dict[str, np.ndarray]] = {}
    for way in ("replacement", "missing"):
        spans = [slice(p * PATCH, (p + 1) * PATCH) for p in range(patches)]
        usual = np.stack([without(past, p, way)[:, span] for p, span in enumerate(spans)], 1)
        for method in METHODS:
            order, current, path = (-scores[method]).argsort(1), past.copy(), []
            for step in range(patches - 1):  # one patch always stays
                for n, p in enumerate(order[:, step]):
                    current[n, spans[p]] = usual[n, p]
                path.append(np.abs(whole - forecast(model, current)).mean(1))
            found.setdefault(way, {})[method] = np.stack(path, 1).mean(1)
    return found


def main() -> None:
    """Measure both sets and all seeds, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--sets", nargs="*", default=["etth1", "weather"])
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--windows", type=int, default=96)
    parser.add_argument("--backbone", default="smollm2-135m")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    table = []
    for name in asked.sets:
        train, past = windows(name, asked.windows)
        runs = []
        for seed in asked.seeds:
            model = TSLMForecaster(
                h=H, adapter=Spec("autotimes", patch_len=PATCH), base=None, backbone=asked.backbone,
                n_layers=2, context_length=CONTEXT, season_length=24, freq=1, max_steps=100,
                batch_size=32, random_state=seed, verbose=0,
            ).fit(train)  # fmt: skip
            runs.append(curves(model.model_.eval(), past, seed))
            print(name, seed, flush=True)
        dice = np.random.default_rng(0)
        for way in ("replacement", "missing"):
            own = np.stack([run[way]["replacement"] for run in runs])
            for method in METHODS:
                other = np.stack([run[way][method] for run in runs])
                # percent of the area of replacement, over windows; seeds are averaged
                picked = dice.integers(0, own.shape[1], (ROUNDS, own.shape[1]))
                ratios = 100 * (other.mean(0)[picked].mean(1) / own.mean(0)[picked].mean(1) - 1)
                row = {
                    "set": name, "deletion by": way, "ranking": method,
                    "area": round(float(other.mean()), 4),
                    "seeds": round(float(other.mean(1).std(ddof=1)), 4) if len(runs) > 1 else None,
                    "percent": round(100 * float(other.mean() / own.mean() - 1), 1),
                    "interval": [round(float(v), 1) for v in np.quantile(ratios, [0.025, 0.975])],
                }  # fmt: skip
                table.append(row)
                print(json.dumps(row), flush=True)
        write_json(
            {"windows": asked.windows, "seeds": list(asked.seeds), "results": table}, asked.out
        )


if __name__ == "__main__":
    main()
