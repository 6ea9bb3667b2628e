"""Members of the default mix and ways to weight them, on windows before the test rows.

    TSLM_DATA=... python docs/benchmarks/mix.py --out docs/results/mix.json

As many windows as `tslm suite` scores, directly before them: the mix is fitted to the rows before
the first, with the validation windows that `fit` takes, so no test row is read.
"""

import argparse
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tslm import TSLMForecaster
from tslm.core.types import Batch
from tslm.data.windows import Windows
from tslm.evaluation.suite import groups
from tslm.evaluation.suite.groups import TaskSettings
from tslm.evaluation.suite.panels import read_panel
from tslm.models.mix.forecaster import SHARE, WIDER, Mix, widened
from tslm.models.mix.members import LEVELS, MEDIAN
from tslm.models.mix.weights import (
    FAMILIAR,
    POOR,
    POWER_OF_MANY,
    inverse_losses,
    shrunk_to_equal,
)

DECILES = [LEVELS.index(level) for level in LEVELS if round(level * 10, 6) in range(1, 10)]
MOST = 200  # series of a task that are scored, evenly spaced
MOST_WINDOWS = 8  # of a task that are scored, evenly spaced
BEFORE = "power 2, limit 1.4, widths times 1.2 (the default before)"
WEIGHTINGS: dict[str, dict[str, Any]] = {
    "equal": {"power": 0.0, "limit": torch.inf},
    BEFORE: {"power": 2.0, "limit": 1.4, "wider": 1.2},
    "power 2": {"power": 2.0},
    "power 4": {"power": 4.0},
    "power 8": {"power": 8.0},
    "**power 16, limit 1.7, own part .5, widths times 1.1**": {},
    "power 32": {"power": 32.0},
    "weights of all series alone": {"share": 0.0},
    "own part .3": {"share": 0.3},
    "own part .7": {"share": 0.7},
    "each series alone": {"share": 1.0},
    "limit 1.4": {"limit": 1.4},
    "no member left out": {"limit": torch.inf},
    "as wide as the members": {"wider": 1.0},
    "widths times 1.2": {"wider": 1.2},
}


@dataclass
class Scored:
    """Forecasts of the members on windows of one task, and what is needed to weight them.

    Args:
        names: of the members.
        losses: mean loss of each member on the validation windows of the fit, ``[M]``.
        windows: their number.
        own: losses of each member on the last steps of each context, ``[M, N]``; NaN if too short.
        quantiles: ``[M, Q, N, H]``.
        truth: ``[N, H]``.
        scale: of MASE, in units of the series, ``[N]``.
        unit: of the values, ``[N]``.
    """

    names: list[str]
    losses: Tensor
    windows: int
    own: Tensor
    quantiles: Tensor
    truth: Tensor
    scale: Tensor
    unit: Tensor


def forecasts(task: TaskSettings, backbone: str) -> Scored:
    """Fit the mix before the development windows, and forecast them with each of its members."""
    panel = read_panel(replace(task, windows=2 * task.windows))
    windows = list(panel.windows())[: task.windows]
    model = TSLMForecaster(
        h=task.h,
        freq=panel.freq,
        season_length=task.season_length,
        base="auto",
        backbone=backbone,
        random_state=0,
        verbose=0,
        **({"futr_exog": panel.covariates} if panel.covariates else {}),
    )
    validation: list[Batch] = []
    calibrate = Mix.calibrate

    def noted(self: Mix, val: Iterable[Batch]) -> None:
        validation[:] = val
        calibrate(self, validation)

    with patch.object(Mix, "calibrate", noted):
        mix = model.fit(windows[0].history).forecaster_
    assert isinstance(mix, Mix)
    widths = mix.widths.clone()
    mix.widths.fill_(1)
    losses, count = mix.losses_by_width(validation)
    mix.widths.copy_(widths)
    mix.weights.fill_(1 / len(mix.weights))  # so that members that were left out are computed
    parts = []
    spaced = np.unique(np.linspace(0, len(windows) - 1, MOST_WINDOWS).astype(int))
    for window in [windows[place] for place in spaced]:
        known = pd.concat([window.history, window.future.assign(y=window.truth.ravel())])
        rows = model.panel_reader.read(known.sort_values(["unique_id", "ds"], kind="stable"))
        pick = np.unique(np.linspace(0, len(rows.lengths) - 1, MOST).astype(int))
        series = torch.from_numpy(pick)
        batch = Windows.at(
            rows,
            series,
            torch.from_numpy(rows.lengths)[series] - task.h,
            context_length=mix.reach,
            future_length=task.h,
        ).cut(torch.arange(len(series)))
        with torch.no_grad():
            quantiles, own = mix.members(batch, task.h)[..., 0], mix._own_losses(batch)
        by_id = dict(zip(window.ids, window.scale(task.season_length), strict=True))
        scale = np.array([by_id[str(rows.ids[i])] for i in pick]) / rows.spread[pick]
        unit = torch.from_numpy(rows.spread[pick])
        own = (
            quantiles.new_full((len(mix.weights), len(pick), 1), torch.nan) if own is None else own
        )
        parts.append((own[..., 0], quantiles, batch.future[..., 0], torch.from_numpy(scale), unit))
    own, quantiles, truth, scale, unit = (
        torch.cat([part[i].double() for part in parts], dim)
        for i, dim in enumerate((1, 2, 0, 0, 0))
    )
    return Scored(mix.names, losses.min(0).values, count, own, quantiles, truth, scale, unit)


def mixed(
    found: Scored,
    without: str | None = None,
    power: float = POWER_OF_MANY,
    share: float = SHARE,
    limit: float = POOR,
    wider: float = WIDER,
) -> Tensor:
    """Return the quantiles ``[Q, N, H]`` of a mix.

    Args:
        found: forecasts of the members.
        without: a member that is left out.
        power: of the losses on validation windows.
        share: of the weights that come from a window's own past.
        limit: multiple of the least loss above which a member is left out.
        wider: factor on the widths.
    """
    losses = found.losses.clone()
    if without is not None:
        losses[found.names.index(without)] = torch.inf
    if found.windows >= FAMILIAR:
        losses[losses > limit * losses.min()] = torch.inf
    shared = shrunk_to_equal(inverse_losses(losses, power), found.windows)[:, None]
    own = inverse_losses(torch.where(shared > 0, found.own, torch.inf).T).T
    known = ~found.own.isnan().any(0)
    weights = torch.where(known, (1 - share) * shared + share * own, shared)
    values = (found.quantiles * weights[:, None, :, None]).sum(0).sort(0).values
    return widened(values[None], wider)[0]


def errors(found: Scored, quantiles: Tensor, scaled: bool) -> tuple[float, ...]:
    """Return MASE, the sum of pinball losses over deciles, and the coverage of 80 % intervals.

    Pinball losses have the scale of MASE if ``scaled``, else the units of the data.
    """
    truth, usable = found.truth, found.scale > 0
    gap = (truth - quantiles[MEDIAN]).abs().nanmean(1)
    mase = float((gap[usable] / found.scale[usable]).mean())
    level = torch.tensor(LEVELS, dtype=torch.float64)[DECILES][:, None, None]
    unit = 1 / found.scale if scaled else found.unit
    rest = (truth - quantiles[DECILES]) * unit[:, None]
    loss = float(torch.maximum(level * rest, (level - 1) * rest).nansum())
    low, high = quantiles[LEVELS.index(0.1)], quantiles[LEVELS.index(0.9)]
    return mase, loss, float(((truth >= low) & (truth <= high)).double().mean())


def study(name: str, backbone: str) -> list[dict[str, Any]]:
    """Return errors of every member and weighting on the tasks of a group."""
    rows, group = [], groups.load(name)
    for task in group.tasks:
        found = forecasts(task, backbone)
        entries = {member: found.quantiles[i] for i, member in enumerate(found.names)}
        for title, options in WEIGHTINGS.items():
            entries[title] = mixed(found, **options)
        for member in found.names:
            entries[f"without {member}"] = mixed(found, without=member)
        for title, quantiles in entries.items():
            mase, loss, cover = errors(found, quantiles, "sql" in group.metrics)
            row = {"task": task.name, "entry": title, "mase": mase, "loss": loss}
            rows.append({**row, "coverage": cover})
        print(task.name, flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return geometric means over tasks, relative to the default before, as Markdown."""
    frame = pd.DataFrame(rows).set_index(["entry", "task"])
    lines = ["| members and weights | MASE | WQL or SQL | coverage of 80 % |", "|---|--:|--:|--:|"]
    for entry in dict.fromkeys(row["entry"] for row in rows):
        ratio = frame.loc[entry][["mase", "loss"]] / frame.loc[BEFORE][["mase", "loss"]]
        mase, loss = np.exp(np.log(ratio).mean())
        cover = frame.loc[entry].coverage.mean()
        lines.append(f"| {entry} | {mase:.3f} | {loss:.3f} | {cover:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Print a table for each group, and write the errors by task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="results are added to this file")
    parser.add_argument("--groups", nargs="+", default=["chronos2", "gift", "epf"])
    parser.add_argument("--backbone", default="none")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for group in asked.groups:
        rows = study(group, asked.backbone)
        print(f"{group}, backbone={asked.backbone}\n\n{table(rows)}\n", flush=True)
        if asked.out:
            before = json.loads(asked.out.read_text()) if asked.out.exists() else {}
            found = before | {f"{group} {asked.backbone}": rows}
            asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
