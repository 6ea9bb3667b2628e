"""Theta, ETS and CES forecast as statsforecast does, where its search finds the same minimum."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tslm.core.types import Batch, Task
from tslm.models.assembly import rule

STORED = np.load(Path(__file__).parents[2] / "parity" / "statsforecast_bases.npz")
SERIES = range(7)
# statsforecast's search ends above the minimum that is found here. Its corrected AIC is 615.5 for
# ets on series 0 (615.1 here), 2110.1 on series 6 (1602.2), and 404.3 for ces on series 4 (398.0);
# its sum of squares is larger for theta on series 3.
BETTER = {("ets", 0), ("ets", 6), ("ces", 4), ("theta", 3)}
CASES = [
    (name, number)
    for name in ("theta", "ets", "ces")
    for number in SERIES
    if (name, number) not in BETTER
]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_forecasts_equal_those_of_statsforecast(name: str, number: int) -> None:
    """The mean difference is below 2 % of the mean change over a season."""
    past = torch.from_numpy(STORED[f"input/series_{number}"])
    season = int(STORED[f"input/season_{number}"])
    batch = Batch.of(past[None, :, None], torch.zeros(1, 0, dtype=torch.int64))
    batch = batch._replace(zero=torch.zeros(1, 1, dtype=past.dtype))
    ahead = rule(name, Task(1, 1, season)).forecast(batch, 12)[0, :, 0]
    change = (past[season:] - past[:-season]).abs().mean()
    gap = (ahead - torch.from_numpy(STORED[f"output/{name}_{number}"])).abs().mean()
    assert gap < 0.02 * change
