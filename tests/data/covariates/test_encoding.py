"""Encoded covariates: which numbers are a covariate itself, and which are its hinges."""

import numpy as np
import pandas as pd
import pytest

from tests.frames import long_frame
from tslm.data.covariates.encoding import CovariateEncoder
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.frame import Columns, read_frame


@pytest.mark.parametrize("several", [False, True])
def test_without_hinges_each_covariate_and_the_holidays_are_left(several: bool) -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(0, 1, 60) for name in ("ab" if several else "a")}
    table = long_frame(values)
    table["x"] = rng.normal(5, 2, len(table))
    table["kind"] = rng.choice(["high", "low"], len(table))
    table["flag"] = rng.integers(0, 2, len(table))
    chosen = CovariateColumns(("x", "kind", "flag"), from_times={"holidays": "DE"})
    frame = read_frame(table, Columns(), extra=["x", "kind", "flag"])
    encoder = CovariateEncoder.learn(chosen, frame.table, 7)
    time = frame.table.ds.astype("datetime64[s]").astype(np.int64).to_numpy()
    blocks = encoder.encode(frame.table, time, frame.calendar, encoder.levels)
    found = encoder.without_hinges(blocks.known)
    own = pd.get_dummies(frame.table.kind).to_numpy(float)
    x = (frame.table.x - frame.table.x.mean()) / frame.table.x.std(ddof=0)
    flag = (frame.table.flag - frame.table.flag.mean()) / frame.table.flag.std(ddof=0)
    groups = frame.table.groupby("unique_id", sort=False)
    relative = [
        groups[name].transform(lambda v: (v - v.mean()) / v.std(ddof=0)) for name in ("x", "flag")
    ]
    holidays = blocks.known[:, -3:]  # on the day, before and after it
    parts = [x, own, flag, holidays]
    if several:
        parts = [x, relative[0], own, flag, relative[1], holidays]
    np.testing.assert_allclose(found, np.column_stack(parts), atol=1e-9)
    assert set(np.unique(holidays)) == {0.0, 1.0}
