"""Depth chosen by one fit, beside one fit per depth: the same windows, three seeds.

    python docs/benchmarks/ideas/depth.py --work runs/depth --out depth.json

``auto/chosen`` is the model of ``n_layers=auto``. ``auto/4`` is the readout after 4 blocks of the
same fit, and ``smollm2-4`` a fit of its own. For each joint fit the folder ``--work`` also gets, of
validation windows, the error of each depth and the distance between forecasts of neighbouring
depths, from which ``exits.py`` tells if an exit per window would help.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from how_large import TRAINING, cuts
from pairs import Study, autotimes, study

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import Benchmark
from tslm.models.depth_search import CANDIDATES, DepthSearch

SETS = {"etth1": 24, "etth2": 24, "exchange": 8}
SHARED = {"sets": SETS, "horizons": (96,)}
KEPT: dict[str, DepthSearch] = {}  # of the last fit
WINDOWS: list[dict[str, np.ndarray]] = []  # validation windows of the last fit

settled = DepthSearch.settled


@torch.no_grad()
def kept(search, val):
    """Choose the depth as usual, and keep all depths and their validation errors."""
    WINDOWS.clear()
    for batch in val:
        ahead = torch.stack([model.forecast(batch, 96) for model in search.models])
        errors = (ahead - batch.future).square().nanmean(2).flatten(1)
        moved = (ahead[1:] - ahead[:-1]).square().mean(2).sqrt().flatten(1)
        WINDOWS.append({"mse": errors.numpy(), "moved": moved.numpy()})
    KEPT["search"] = search
    return settled(search, val)


def auto(data: Benchmark, h: int) -> TSLMForecaster:
    """Return the joint fit of all depths."""
    KEPT["name"] = data.name
    return autotimes(data, h, n_layers="auto", **TRAINING)


def chosen(model: TSLMForecaster) -> None:
    """Keep the model as it is; write what validation windows told."""
    found = {key: np.concatenate([one[key] for one in WINDOWS], 1) for key in WINDOWS[0]}
    depths = model.verdict_.depths
    work = Path(sys.argv[sys.argv.index("--work") + 1])
    where = work / f"exits-{KEPT['name']}-{model.random_state}.npz"
    np.savez(where, depths=list(depths), errors=list(depths.values()), **found)


def read_after(model: TSLMForecaster, depth: int) -> None:
    """Forecast with another depth of the same fit."""
    model.forecaster_ = KEPT["search"].at(depth).eval()


READINGS = {"chosen": chosen, **{str(n): partial(read_after, depth=n) for n in CANDIDATES}}
FITS = cuts("smollm2", "", CANDIDATES)

if __name__ == "__main__":
    DepthSearch.settled = kept
    if "--arms" not in sys.argv:
        study(Study({"auto": auto}, "auto/chosen", readings=READINGS, **SHARED))
        FITS |= {f"auto/{name}": auto for name in READINGS}
    study(Study(FITS, "smollm2-2", **SHARED))
