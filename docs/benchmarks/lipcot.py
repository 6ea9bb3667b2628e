"""Numbers of docs/lipcot.md about LiPCoT's codes.

python docs/benchmarks/lipcot.py hard_codes oracles coverage rates speed round_trip pretraining

Sets are read as ``tslm benchmark`` reads them, Bonn from the folder ``ts`` of TSLM_DATA.
"""

import argparse
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from math import exp
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.signal import resample
from torch import Tensor

from tslm import LiPCoTPretrainer, LiPCoTTokenizer, Spec, TSLMForecaster
from tslm.core.calendar import Calendar
from tslm.core.config.estimator_settings import configure
from tslm.core.types import Batch, Context
from tslm.data.datasets.benchmarks import Benchmark, load
from tslm.estimators.validation.window_errors import score
from tslm.evaluation.protocols.long_horizon import trial
from tslm.models.assembly import assemble, task_of
from tslm.models.decoders.filter_mixture import FilterMixture
from tslm.models.decoders.filters import FilterDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.lpc.codebook import SPECIAL, itakura, per_power
from tslm.models.layers.lpc.filter_forecasts import FilterForecasts
from tslm.models.layers.lpc.spaces import cepstrum

L, H = 512, 96
SETS = ("etth1", "etth2")
LEVEL = 0.8  # nominal coverage of intervals


class Read(NamedTuple):
    """Contexts of filters and the values after them, in normalised units; all in float64."""

    forecasts: FilterForecasts
    truth: Tensor
    spread: Tensor  # of a window, to bring errors back to the scale of the set


def batches(data: Benchmark, part: str, stride: int = 1) -> Iterator[Batch]:
    """Return the windows of all channels of a part, standardised."""
    values, clock = torch.from_numpy(data.standardise()).float(), torch.from_numpy(data.time)
    start, stop = data.target_rows(part)
    steps = torch.arange(-L, H)
    for rows in torch.arange(max(start, L), stop - H + 1, stride).split(64):
        x, t = values[rows[:, None] + steps], clock[rows[:, None] + steps]
        yield Batch(x[:, :L], x[:, L:], t)


def rows(data: Benchmark, start: int, stop: int) -> pd.DataFrame:
    """Return a long frame of these rows."""
    row = data.frame.groupby("unique_id", sort=False).cumcount()
    return data.frame[(row >= start) & (row < stop)]


def untrained(data: Benchmark, n_codes: int = 16) -> ForecastModel:
    """Return LiPCoT with its codebook, without training."""
    parts = {"adapter": Spec("lipcot", n_codes=n_codes), "base": "none"}
    cfg = configure(parts, {"backbone": "tiny", "h": H, "context_length": L})
    cfg.adapter.frame_length = 24
    model = assemble(cfg, task_of(cfg, data.season_length, Calendar(data.freq))).eval()
    model.learn(list(batches(data, "train", 4)), [])
    return model


def read(model: ForecastModel, data: Benchmark, part: str, stride: int = 1) -> Iterator[Read]:
    """Yield the contexts of all windows of a part, and the values after them."""
    for batch in batches(data, part, stride):
        scale = model.adapter.scale(batch.past)
        context = Context.fold(scale.apply(batch.past), batch.time[:, :L])
        forecasts = model.adapter(context).forecasts
        level, spread = scale.last.loc[:, 0], scale.last.spread[:, 0]
        truth = (batch.future - level[:, None]) / spread[:, None]
        yield Read(forecasts, truth.movedim(1, 2).flatten(0, 1), spread.flatten())


def means(forecasts: FilterForecasts, level: Tensor | float = 0.0) -> Tensor:
    """Return the forecasts of the own filter and of each code about a level, ``[S, K + 1, H]``."""
    level = torch.as_tensor(level).expand(len(forecasts.state))[:, None]
    codes = torch.einsum("sp,kph->skh", forecasts.state - level, forecasts.responses)
    own = (forecasts.own - level * forecasts.settle)[:, None]
    return torch.cat([own, codes], 1) + (level + forecasts.season)[:, None]


def hard_codes() -> None:
    """Score one of 16 codes in place of the own filter, and the mixture of them."""
    for name in SETS:
        data = load(name)
        for n_codes in (16, 64):
            model = untrained(data, n_codes)
            sums, count = torch.zeros(3, 2), 0
            for forecasts, truth, spread in read(model, data, "test"):
                every = means(forecasts)
                best = forecasts.evidence[:, 1:].argmax(1) + 1
                soft = (forecasts.evidence.softmax(1)[:, :, None] * every).sum(1)
                ahead = torch.stack([every[:, 0], every[torch.arange(len(best)), best], soft])
                gap = (ahead - truth) * spread[:, None]
                sums += torch.stack([gap.square().mean(2).sum(1), gap.abs().mean(2).sum(1)], 1)
                count += len(truth)
            rows = zip(("own filter", "one code", "mixture"), sums / count, strict=True)
            text = ", ".join(f"{kind} {mse:.4f} / {mae:.4f}" for kind, (mse, mae) in rows)
            print(f"{name} K={n_codes}: {text} ({count} windows and channels)", flush=True)


def oracles() -> None:
    """Score upper bounds: the code, the level, or both, chosen by the true values."""
    for name in SETS:
        data = load(name)
        model = untrained(data)
        sums, count = torch.zeros(4), 0
        for forecasts, truth, spread in read(model, data, "test", 7):
            plain = (means(forecasts) - truth[:, None]) * spread[:, None, None]
            level = (truth - forecasts.season).mean(1)
            moved = (means(forecasts, level) - truth[:, None]) * spread[:, None, None]
            errors = [part.square().mean(2) for part in (plain, moved)]
            kinds = [errors[0][:, 0], errors[0].amin(1), errors[1][:, 0], errors[1].amin(1)]
            sums += torch.stack([kind.sum() for kind in kinds])
            count += len(truth)
        names = ("own filter", "oracle code of 16", "oracle level", "oracle code and level")
        text = ", ".join(f"{kind} {mse:.3f}" for kind, mse in zip(names, sums / count, strict=True))
        print(f"{name}: {text} (every 7th window)", flush=True)


def mixture(model: ForecastModel, forecasts: FilterForecasts) -> FilterMixture:
    """Return the untrained mixture."""
    assert isinstance(model.decoder, FilterDecoder)
    hidden = forecasts.state.new_zeros(len(forecasts.state), 1, model.backbone.width)
    return model.decoder.mixture(hidden, forecasts)


def widened(found: FilterMixture, factor: float) -> FilterMixture:
    """Multiply the standard deviation of each member by ``factor``."""
    return replace(found, power=found.power * factor**2)


def calibrated(found: FilterMixture, truth: Tensor) -> float:
    """Return the factor of all standard deviations with which a central interval has its coverage.

    It is one number for all series and steps, found by bisection.

    Args:
        found: forecasts of windows that are not scored.
        truth: true values of these windows; NaN where missing.
    """
    low, high = -5.0, 5.0  # logarithms of the factor
    for _ in range(20):
        middle = (low + high) / 2
        wide = coverage(widened(found, exp(middle)), truth) >= LEVEL
        low, high = (low, middle) if wide else (middle, high)
    return exp((low + high) / 2)


def coverage(found: FilterMixture, truth: Tensor) -> float:
    """Return the fraction of true values inside the central interval, without missing ones."""
    inside = (found.marginals.cdf(truth) - 0.5).abs() <= LEVEL / 2
    return float(inside[~torch.isnan(truth)].cpu().double().mean())


@torch.no_grad()
def coverage_of_intervals() -> None:
    """Measure 80 % intervals of the untrained mixture, with and without a fitted factor."""
    for name in SETS:
        data = load(name)
        model = untrained(data)
        seen = list(read(model, data, "val"))
        pairs = [(mixture(model, part.forecasts), part.truth) for part in seen]
        fields = ("weights", "means", "pulses", "power", "gap")
        whole = FilterMixture(*(torch.cat([getattr(m, f) for m, _ in pairs]) for f in fields))
        factor = calibrated(whole, torch.cat([truth for _, truth in pairs]))
        totals, count = torch.zeros(2), 0
        for forecasts, truth, _ in read(model, data, "test"):
            found = mixture(model, forecasts)
            held = [coverage(found, truth), coverage(widened(found, factor), truth)]
            totals += torch.tensor(held) * len(truth)
            count += len(truth)
        before, after = (100 * totals / count).tolist()
        print(
            f"{name}: 80 % intervals cover {before:.1f} % of the test part, {after:.1f} % with "
            f"deviations x {factor:.3f}",
            flush=True,
        )


def bonn() -> np.ndarray:
    """Read 500 recordings of 4,097 steps at 173.61 Hz."""
    files = zipfile.ZipFile(Path(os.environ["TSLM_DATA"]) / "ts" / "bonn_eeg.zip")
    names = [name for name in sorted(files.namelist()) if name.lower().endswith(".txt")]
    return np.stack([np.array(files.read(name).split(), dtype=float) for name in names])


def rates() -> None:
    """Compare codes of the same two seconds at 173.61 Hz and at one and a half times that."""
    slow, rate = bonn()[:, : 11 * 348], 173.61
    fast = resample(slow, 11 * 522, axis=1)
    frames = [x.reshape(len(x), 11, size)[:, 1:-1] for x, size in ((slow, 348), (fast, 522))]
    flat = [part.reshape(-1, part.shape[-1]) for part in frames]
    for method, band in (("selective", 40.0), ("selective", None), ("burg", None)):
        for latent in ("itakura", "logspec"):
            made = LiPCoTTokenizer(
                order=16, n_codes=64, method=method, latent=latent, band=band
            ).fit(flat[0], sampling_rate=rate)
            codes = [
                made.transform(part, sampling_rate=r)[:, 0]
                for part, r in zip(flat, (rate, 1.5 * rate), strict=True)
            ]
            share = 100 * (codes[0] == codes[1]).mean()
            print(f"{method}, band {band}, {latent}: {share:.1f} % of {len(codes[0])} codes agree")


def speed() -> None:
    """Time the coding of a million points."""
    dice = np.random.default_rng(0)
    series = dice.normal(size=1_000_000).cumsum()
    for length in (24, 96, 512):
        made = LiPCoTTokenizer(order=min(16, length // 4)).fit(
            LiPCoTTokenizer.cut(series[:200_000], length)
        )
        began = time.perf_counter()
        codes = made.transform(LiPCoTTokenizer.cut(series, length))
        seconds = time.perf_counter() - began
        print(f"frames of {length}: {len(codes)} codes in {seconds:.2f} s", flush=True)


def round_trip() -> None:
    """Measure the loss by coding, on frames of training and test rows of ETTh1."""
    data = load("etth1")
    values, end = data.standardise(), data.borders.train_end
    seen, unseen = (
        np.concatenate([LiPCoTTokenizer.cut(column, 96) for column in part.T])
        for part in (values[:end], values[end : data.borders.test_end])
    )
    for latent in ("itakura", "logspec", "lar", "lsf", "lpc_paper", "cepstrum_paper"):
        for n_codes in (16, 64):
            made = LiPCoTTokenizer(n_codes=n_codes, latent=latent).fit(seen)
            codes = made.transform(unseen)
            frames = made.estimator_.measure(torch.from_numpy(unseen))
            book = made.codebook_
            number = torch.from_numpy(codes[:, 0] - SPECIAL)
            ok = (number >= 0) & frames.coded
            filters = book.filters[number[ok]]
            model = type(frames.model)(*(part[ok] for part in frames.model))
            worse = itakura(per_power(model), book.filters).gather(1, number[ok][:, None])
            shapes = [cepstrum(part, 64) for part in (model.coefficients, filters)]
            nat = (2 * (shapes[0] - shapes[1]).square().sum(1)).sqrt()
            again = made.transform(made.inverse_transform(codes[ok.numpy()], n_steps=96))
            same = (again == codes[ok.numpy()]).mean(0) * 100
            level = np.abs(book.levels.values.numpy()[codes[:, 2]] - unseen.mean(1)).mean()
            print(
                f"{latent} K={n_codes}: predicts worse by {100 * worse.mean():.1f} % (median "
                f"{100 * worse.median():.1f} %), log-spectrum off by {4.343 * nat.mean():.2f} dB, "
                f"level by {level:.3f}; of synthesised frames {same[0]:.0f} % have the same shape, "
                f"{same[1]:.0f} % the same gain, {same[2]:.0f} % the same level",
                flush=True,
            )


def pretraining() -> None:
    """Pretrain next codes on four sets; forecast with and without this, in few steps."""
    sets = [load(name) for name in ("etth1", "etth2", "ettm1", "ettm2")]
    known = [_named(data, 0, data.borders.train_end) for data in sets]
    adapter = Spec("lipcot", band=12.0)
    made = LiPCoTPretrainer(
        adapter=adapter, max_steps=200, batch_size=32, learning_rate=2e-3, verbose=0
    ).fit(known)
    for data in sets:
        print(data.name)
        print(made.score(_named(data, data.borders.val_end, data.borders.test_end)).to_string())
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "codes")
        for name in SETS:
            for start in (None, Path(folder) / "codes"):
                _transfer(load(name), adapter, 50, start)


def _named(data: Benchmark, start: int, stop: int) -> pd.DataFrame:
    """Return rows whose ids differ from those of other sets."""
    part = rows(data, start, stop)
    return part.assign(unique_id=f"{data.name} " + part.unique_id.astype(str))


def _transfer(data: Benchmark, adapter: Spec, steps: int, start: Path | None) -> None:
    """Return the MSE over every 7th test window after a short training."""
    part = trial(data, stride=7)
    model = TSLMForecaster(
        h=H,
        adapter=adapter,
        base="none",
        context_length=L,
        freq=data.freq,
        season_length=data.season_length,
        max_steps=steps,
        pretrained=start,
        random_state=0,
        verbose=0,
    ).fit(part.known, val_df=part.val)
    panel = part.panel(model)
    model.prepare(panel)
    sizes = {"context_length": L, "horizons": [H], "start": part.start, "stop": part.stop}
    mse, mae = score(model.forecaster_, panel, **sizes, stride=part.stride)[H].means()
    kind = "from scratch" if start is None else "pretrained"
    print(f"{data.name}, {steps} steps, {kind}: {mse:.4f} / {mae:.4f}", flush=True)


PARTS = {
    "hard_codes": hard_codes,
    "oracles": oracles,
    "coverage": coverage_of_intervals,
    "rates": rates,
    "speed": speed,
    "round_trip": round_trip,
    "pretraining": pretraining,
}


def main() -> None:
    """Run the named parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    for name in parser.parse_args().parts:
        print(f"\n{name}: {PARTS[name].__doc__}", flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main()
