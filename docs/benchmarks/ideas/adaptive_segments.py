"""Compare one model for four frequencies, whose segments have several lengths, with one for each.

    python docs/benchmarks/ideas/adaptive_segments.py docs/results/ideas/adaptive_segments.json

Sets: M4 hourly, US births (daily), M4 weekly and M3 monthly; times are counted. All models have the
same two frozen blocks of SmolLM2-135M, and are AutoTimes with segments of P steps:

- ``own``: one model per frequency, with the P that the package suggests.
- ``one length``: one embedding and one decoder, P = 24, trained on all frequencies.
- ``lengths``: one embedding and one decoder for each P in 8, 16, 24, 48, 96, trained on all
  frequencies. A batch draws one of the lengths that suit its frequency. The errors on the last
  rows before the test choose a length for each series; their mean chooses one per frequency.

Every arm sees the same number of batches of each frequency. Errors are those of the last rows of
each series, divided by those of the seasonal naive forecast of the set.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tslm.core.calendar import Calendar
from tslm.core.config.choices import node
from tslm.core.config.estimator_settings import configure
from tslm.core.files import write_json
from tslm.core.spec import Spec
from tslm.core.types import Batch, Facts
from tslm.data.datasets.competitions import load
from tslm.models.assembly import assemble, settle, task_of
from tslm.models.forecast_model import ForecastModel

STEPS, WINDOWS, MOST = 80, 32, 200  # steps per frequency, windows per step, series per set
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Frequency:
    """Series of one frequency.

    Attributes:
        name: file of ``conf/benchmark``.
        season: steps of a season.
        horizon: steps to forecast.
        lengths: lengths of segments that suit it; the first is the one the package suggests.
        context: steps read.
        origins: origins per series in the test rows.
    """

    name: str
    season: int
    horizon: int
    lengths: tuple[int, ...]
    context: int
    origins: int = 1


FREQUENCIES = (
    Frequency("m4_hourly", 24, 48, (48, 24, 96), 288),
    Frequency("us_births", 7, 30, (35, 8, 16, 24, 48), 240, 12),
    Frequency("m4_weekly", 52, 13, (13, 8, 16, 24), 96),
    Frequency("m3_monthly", 12, 18, (24, 8, 16), 48),
)
LENGTHS = (8, 16, 24, 48, 96)


class Rows:
    """Standardised series of a frequency; their last rows are those of validation and test."""

    def __init__(self, about: Frequency) -> None:
        self.about = about
        data = load(node("benchmark", about.name))
        self.held = about.horizon * about.origins
        whole = [np.concatenate([data.known[n], data.truth[n]]) for n in data.known]
        whole = [one for one in whole if len(one) > 2 * self.held + about.context]
        whole = whole[:: -(-len(whole) // MOST)]
        self.series = []
        for values in whole:
            known = values[: -2 * self.held]
            spread = max(float(known.std()), 1e-6)
            self.series.append(torch.tensor((values - known.mean()) / spread).float())

    def cut(self, one: Tensor, stop: int, context: int, future: int) -> tuple[Tensor, Tensor]:
        past = one[max(stop - context, 0) : stop]
        lack = past.new_full((context - len(past),), torch.nan)
        return torch.cat([lack, past]), one[stop : stop + future]

    def batch(self, pairs: list[tuple[Tensor, Tensor]]) -> Batch:
        past, future = (torch.stack(part)[:, :, None] for part in zip(*pairs, strict=True))
        steps = past.shape[1] + future.shape[1] + 200
        return Batch(past, future, torch.arange(steps).expand(len(past), -1))

    def training(self, size: int, dice: np.random.Generator) -> Batch:
        """Draw windows of random series; the context is a whole number of segments."""
        pairs = []
        for _ in range(WINDOWS):
            one = self.series[dice.integers(len(self.series))]
            last = len(one) - 2 * self.held - size
            stop = int(dice.integers(min(size, last - 1), last))
            pairs.append(self.cut(one, stop, _tiled(self.about.context, size), size))
        return self.batch(pairs)

    def origins(self, part: str, size: int) -> Batch:
        """Return the windows of the validation or test rows."""
        begin = self.held if part == "test" else 2 * self.held
        pairs = []
        for one in self.series:
            for origin in range(self.about.origins):
                stop = len(one) - begin + origin * self.about.horizon
                context = _tiled(self.about.context, size)
                pairs.append(self.cut(one, stop, context, self.about.horizon))
        return self.batch(pairs)


def _tiled(context: int, size: int) -> int:
    return max(context // size, 1) * size


def model_of(size: int, context: int) -> ForecastModel:
    """Return an untrained AutoTimes with segments of one length."""
    parts = {"adapter": Spec("autotimes", patch_len=size), "base": None}
    values = {"backbone": "smollm2-135m", "n_layers": 2, "h": size}
    cfg = configure(parts, {**values, "context_length": _tiled(context, size)})
    cfg = settle(cfg, Facts(size, 1, 10 * context))
    return assemble(cfg, task_of(cfg, 1, Calendar("1", dated=False)))


def fit(models: dict[int, ForecastModel], rows: list[Rows], lengths: str, seed: int) -> None:
    """Train models of some lengths on random batches of some frequencies."""
    dice = np.random.default_rng(seed)
    weights = [w for model in models.values() for w in model.parameters() if w.requires_grad]
    total = STEPS * len(rows)
    optimizer = torch.optim.AdamW(weights, lr=4e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=total)
    for step in range(total):
        each = rows[step % len(rows)]
        known = [size for size in each.about.lengths if size in models]
        size = known[0] if lengths == "first" else int(dice.choice(known))
        optimizer.zero_grad()
        models[size].train().loss(each.training(size, dice), "huber").backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()


def errors(model: ForecastModel, rows: Rows, part: str, size: int) -> np.ndarray:
    """Return the absolute error of each window."""
    batch = rows.origins(part, size)
    found = model.eval().forecast(batch, rows.about.horizon)
    return (found - batch.future).abs().nanmean((1, 2)).numpy()


def naive(rows: Rows) -> float:
    """Return the absolute error of the last season, repeated."""
    about = rows.about
    batch = rows.origins("test", 1)
    season = batch.past[:, -about.season :]
    repeats = -(-about.horizon // about.season)
    found = torch.nan_to_num(season).repeat(1, repeats, 1)[:, : about.horizon]
    return float((found - batch.future).abs().mean())


def main(out: Path) -> None:
    """Train and score all arms with all seeds, and write the result after each."""
    results = json.loads(out.read_text()) if out.exists() else {}
    every = [Rows(about) for about in FREQUENCIES]
    for seed in SEEDS:
        for arm in ("own", "one length", "lengths"):
            if f"{arm} {seed}" in results:
                continue
            began, found = time.process_time(), {}
            torch.manual_seed(seed)
            if arm == "own":
                for rows in every:
                    size = rows.about.lengths[0]
                    model = model_of(size, rows.about.context)
                    fit({size: model}, [rows], "first", seed)
                    found[rows.about.name] = float(errors(model, rows, "test", size).mean())
            else:
                sizes = LENGTHS if arm == "lengths" else (24,)
                models = {size: model_of(size, 288) for size in sizes}
                fit(models, every, arm, seed)
                for rows in every:
                    known = [size for size in rows.about.lengths if size in models]
                    val = {size: errors(models[size], rows, "val", size) for size in known}
                    test = {size: errors(models[size], rows, "test", size) for size in known}
                    best = min(known, key=lambda size: val[size].mean())
                    found[rows.about.name] = float(test[best].mean())
                    if arm == "lengths":
                        pick = np.stack([val[size] for size in known]).argmin(0)
                        each = np.stack([test[size] for size in known])
                        by_series = each[pick, np.arange(each.shape[1])].mean()
                        found[f"{rows.about.name} by series"] = float(by_series)
                        found[f"{rows.about.name} length"] = best
            found["cpu_seconds"] = round(time.process_time() - began, 1)
            results[f"{arm} {seed}"] = found
            results["seasonal naive"] = {rows.about.name: naive(rows) for rows in every}
            print(arm, seed, found, flush=True)
            write_json(results, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
