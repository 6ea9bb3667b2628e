"""Members of the default mix and ways to weight them, on development origins of eleven tasks.

    TSLM_DATA=... python docs/benchmarks/mix.py --out docs/results/mix.json

The tasks are those of `tslm suite group=chronos2`, one horizon earlier: a model is fitted to the
rows before the last two horizons and scored on the last but one, so no test row is read. Weights
of all series come from the horizon before that, as do those of each series.
"""

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tslm import TSLMForecaster
from tslm.data.windows import Windows
from tslm.evaluation.suite import groups
from tslm.evaluation.suite.panels import Window, read_panel
from tslm.models.mix.forecaster import SHARE, WIDER, Mix, widened
from tslm.models.mix.members import LEVELS, MEDIAN, pinball
from tslm.models.mix.weights import POOR, POWER_OF_MANY, inverse_losses, shrunk_to_equal

DECILES = [LEVELS.index(level) for level in LEVELS if round(level * 10, 6) in range(1, 10)]
MOST = 200  # series of a task that are scored, evenly spaced
RULES = ("theta", "ces", "profile_ar")
WEIGHTINGS: dict[str, dict[str, Any]] = {
    "equal": {"power": 0.0, "limit": torch.inf},
    "power 2, limit 1.4, widths times 1.2 (the default before)": {
        "power": 2.0,
        "limit": 1.4,
        "wider": 1.2,
    },
    "power 2": {"power": 2.0},
    "power 4": {"power": 4.0},
    "power 8": {"power": 8.0},
    "**power 16, limit 1.7, own part .5, widths times 1.1**": {},
    "power 32": {"power": 32.0},
    "weights of all series alone": {"own": 0.0},
    "own part .3": {"own": 0.3},
    "own part .7": {"own": 0.7},
    "each series alone": {"own": 1.0},
    "limit 1.4": {"limit": 1.4},
    "no member left out": {"limit": torch.inf},
    "as wide as the members": {"wider": 1.0},
    "widths times 1.2": {"wider": 1.2},
    "without the adapter": {"members": RULES},
    "without profile_ar": {"members": ("theta", "ces", "trained")},
    "without CES": {"members": ("theta", "profile_ar", "trained")},
    "without theta": {"members": ("ces", "profile_ar", "trained")},
}


def forecasts(name: str, backbone: str) -> tuple[list[str], list[Tensor], list[Tensor], Any, Any]:
    """Fit the mix, and forecast two origins with each of its members.

    Returns:
        Names of the members, quantiles ``[M, Q, S, H]`` and truth ``[S, H]`` of the origins (the
        scored one first), the scale of MASE and the unit of values of each series.
    """
    group = groups.load("chronos2")
    task = replace(group.task(name), windows=2)
    panel = read_panel(task)
    window: Window = next(panel.windows())
    model = TSLMForecaster(
        h=task.h,
        freq=panel.freq,
        season_length=task.season_length,
        base="auto",
        backbone=backbone,
        random_state=0,
        verbose=0,
    ).fit(window.history)
    mix = model.forecaster_
    assert isinstance(mix, Mix)
    known = pd.concat([window.history, window.future.assign(y=window.truth.ravel())])
    rows = model.panel_reader.read(known.sort_values(["unique_id", "ds"], kind="stable"))
    pick = np.unique(np.linspace(0, len(rows.lengths) - 1, MOST).astype(int))
    series = torch.from_numpy(pick)
    ends = torch.from_numpy(rows.lengths)[series] - task.h
    quantiles, truth = [], []
    for origin in (ends, (ends - task.h).clamp(min=2)):
        windows = Windows.at(
            rows, series, origin, context_length=mix.reach, future_length=task.h
        ).cut(torch.arange(len(series)))
        quantiles.append(mix.members(windows, task.h)[..., 0].double())
        truth.append(windows.future[..., 0].double())
    by_id = dict(zip(window.ids, window.scale(task.season_length), strict=True))
    scale = np.array([by_id[str(rows.ids[i])] for i in pick]) / rows.spread[pick]
    return mix.names, quantiles, truth, torch.from_numpy(scale), rows.spread[pick]


def mixed(
    names: list[str],
    quantiles: list[Tensor],
    truth: list[Tensor],
    members: tuple[str, ...] = (*RULES, "trained"),
    power: float = POWER_OF_MANY,
    own: float = SHARE,
    limit: float = POOR,
    wider: float = WIDER,
) -> Tensor:
    """Return the quantiles ``[Q, S, H]`` of a mix whose weights come from the earlier origin."""
    places = [names.index(member) for member in members]
    before = torch.stack([pinball(q[..., None], truth[1][..., None])[:, 0] for q in quantiles[1]])
    losses = before[places]
    relative = (losses / losses.mean(0).clamp(min=1e-12)).nanmean(1)
    relative = torch.where(relative <= limit * relative.min(), relative, torch.inf)
    shared = shrunk_to_equal(inverse_losses(relative, power), losses.shape[1])
    losses = torch.where(shared[:, None] > 0, losses.nan_to_num(1.0), torch.inf)
    single = inverse_losses(losses.T).T
    weights = (1 - own) * shared[:, None] + own * single
    found = (quantiles[0][places] * weights[:, None, :, None]).sum(0)
    return widened(found[None], wider)[0]


def errors(found: Tensor, truth: Tensor, scale: Tensor, unit: np.ndarray) -> tuple[float, ...]:
    """Return MASE, the sum of pinball losses over deciles, and the coverage of 80 % intervals."""
    gap = truth - found[MEDIAN]
    usable = scale > 0
    mase = float((gap.abs().nanmean(1)[usable] / scale[usable]).mean())
    level = torch.tensor(LEVELS, dtype=torch.float64)[DECILES][:, None, None]
    rest = (truth - found[DECILES]) * torch.from_numpy(unit)[:, None]
    loss = float(torch.maximum(level * rest, (level - 1) * rest).nansum())
    low, high = found[LEVELS.index(0.1)], found[LEVELS.index(0.9)]
    return mase, loss, float(((truth >= low) & (truth <= high)).double().mean())


def study(backbone: str) -> list[dict[str, Any]]:
    """Return errors of every member and weighting, by task."""
    found = []
    for task in groups.load("chronos2").tasks:
        names, quantiles, truth, scale, unit = forecasts(task.name, backbone)
        entries = {name: quantiles[0][i] for i, name in enumerate(names)}
        for title, options in WEIGHTINGS.items():
            entries[title] = mixed(names, quantiles, truth, **options)
        for title, forecast in entries.items():
            mase, loss, cover = errors(forecast, truth[0], scale, unit)
            row = {"task": task.name, "entry": title, "mase": mase, "loss": loss}
            found.append({**row, "coverage": cover})
        print(task.name, flush=True)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return geometric means over tasks, relative to the theta method, as Markdown."""
    frame = pd.DataFrame(rows).set_index(["entry", "task"])
    lines = ["| members and weights | MASE | WQL | coverage of 80 % |", "|---|--:|--:|--:|"]
    for entry in dict.fromkeys(row["entry"] for row in rows):
        ratio = frame.loc[entry][["mase", "loss"]] / frame.loc["theta"][["mase", "loss"]]
        mase, loss = np.exp(np.log(ratio).mean())
        cover = frame.loc[entry].coverage.mean()
        lines.append(f"| {entry} | {mase:.3f} | {loss:.3f} | {cover:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write the errors by task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--backbone", default="smollm2-135m")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = study(asked.backbone)
    print(table(rows))
    if asked.out:
        asked.out.write_text(
            json.dumps({"backbone": asked.backbone, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
