"""Analogues as one more member of a mix, on development rows of short series.

    python docs/benchmarks/ideas/retrieval_mix.py --out docs/results/ideas/retrieval_mix.json

Members are fitted to the rows before the last two horizons of the known rows. The earlier of these
horizons gives the weights (inverse squared absolute error of all series), the later one is scored.
Errors are those of the weighted mean of point forecasts, relative to the theta method.
"""

import argparse
import warnings

import numpy as np
from pairs import autotimes
from retrieval import load, whole

from tslm import BaselineForecaster
from tslm.core.files import write_json
from tslm.data.columns import Columns
from tslm.data.frame import read_frame
from tslm.data.windows import Windows

RULES = ("theta", "ces", "profile_ar", "analogues")
MIXES = {
    "default members": ("theta", "ces", "profile_ar", "adapter"),
    "and analogues": ("theta", "ces", "profile_ar", "adapter", "analogues"),
    "analogues for the adapter": ("theta", "ces", "profile_ar", "analogues"),
    "without both": ("theta", "ces", "profile_ar"),
}


def forecasts(name: str, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return forecasts [2, S, H] of the members at two origins, and the truth."""
    import torch

    data = load(name)
    h, frame = data.horizon, whole(data, "val")
    left = frame.groupby("unique_id", sort=False).cumcount(ascending=False)
    known = frame[left >= 2 * h]
    settings = {"freq": 1, "season_length": data.season_length, "random_state": seed}
    models = {each: BaselineForecaster(each, h=h, verbose=0) for each in RULES}
    models["adapter"] = autotimes(data, h, max_steps=120, batch_size=32)
    found, truth = {}, None
    for member, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.set_params(**settings).fit(known)
        panel = model.panel_reader.panel_of(read_frame(frame, Columns(), freq=1))
        ends = torch.from_numpy(panel.lengths)
        parts, truths = [], []
        for back in (2 * h, h):
            sizes = {"context_length": model.context_length_, "future_length": h}
            windows = Windows.at(panel, torch.arange(len(ends)), ends - back, **sizes)
            batch = windows.cut(torch.arange(len(ends)))
            unit = panel.spread[:, None]
            parts.append(model.forecaster_.forecast(batch, h)[..., 0].numpy() * unit)
            truths.append(batch.future[..., 0].numpy() * unit)
        truth = np.stack(truths) / unit
        found[member] = np.stack(parts) / unit
    assert truth is not None
    return found, truth


def main() -> None:
    """Print and write the errors of members and mixes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--sets", nargs="*", default=["m3_monthly", "hospital"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    asked = parser.parse_args()
    rows = []
    for name in asked.sets:
        for seed in asked.seeds:
            found, truth = forecasts(name, seed)
            losses = {k: float(np.abs(v[0] - truth[0]).mean()) for k, v in found.items()}
            base = np.abs(found["theta"][1] - truth[1]).mean()
            square = ((found["theta"][1] - truth[1]) ** 2).mean()
            for title, members in {**{k: (k,) for k in found}, **MIXES}.items():
                weights = np.array([losses[member] ** -2 for member in members])
                mixed = np.tensordot(
                    weights / weights.sum(), np.stack([found[m][1] for m in members]), 1
                )
                rows.append(
                    {
                        "set": name,
                        "seed": seed,
                        "entry": title,
                        "mae": round(float(np.abs(mixed - truth[1]).mean() / base), 4),
                        "mse": round(float(((mixed - truth[1]) ** 2).mean() / square), 4),
                    }
                )
                print(*rows[-1].values(), flush=True)
            write_json({"rows": rows}, asked.out)


if __name__ == "__main__":
    main()
