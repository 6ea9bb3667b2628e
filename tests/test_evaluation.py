"""Errors of a backtest, against their definitions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm import BaselineForecaster
from tslm.data.frame import Columns
from tslm.evaluation import evaluate


def days(n: int = 60) -> pd.DataFrame:
    y = 50 + np.random.default_rng(0).normal(size=(2, n)).cumsum(1).ravel()
    ds = pd.date_range("2024-01-01", periods=n)
    return pd.DataFrame({"unique_id": ["a"] * n + ["b"] * n, "ds": [*ds, *ds], "y": y})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    model = BaselineForecaster("last", h=4)
    return model.cross_validation(days(), n_windows=3, baselines=["seasonal_naive"])


def test_errors_are_their_definitions(table: pd.DataFrame) -> None:
    df = days()
    found = evaluate(table, df, season_length=7).set_index("metric")
    assert list(found.columns) == ["Last", "seasonal_naive"]
    expected: dict[str, list[float]] = {"mae": [], "rmse": [], "mase": [], "smape": []}
    for (name, cutoff), rows in table.groupby(["unique_id", "cutoff"]):
        gap = (rows.y - rows.Last).abs()
        history = df[(df.unique_id == name) & (df.ds <= cutoff)].y.to_numpy()
        scale = np.abs(history[7:] - history[:-7]).mean()
        expected["mae"].append(gap.mean())
        expected["rmse"].append(float(np.sqrt((gap**2).mean())))
        expected["mase"].append(gap.mean() / scale)
        expected["smape"].append((gap / (rows.y.abs() + rows.Last.abs())).mean())
    for metric, values in expected.items():
        assert found.Last[metric] == pytest.approx(np.mean(values)), metric


def test_columns_may_have_other_names_and_truth_may_be_missing(table: pd.DataFrame) -> None:
    names = {"unique_id": "shop", "ds": "day", "y": "sold"}
    holes = table.copy()
    holes.loc[2, "y"] = np.nan
    found: Any = evaluate(
        holes.rename(columns=names),
        days().rename(columns=names),
        7,
        Columns("shop", "day", "sold"),
        ["Last"],
    )
    assert list(found.columns) == ["metric", "Last"]
    assert np.isfinite(found.Last).all()


def test_rows_after_an_origin_do_not_scale_it(table: pd.DataFrame) -> None:
    df = days()
    loud = df.assign(y=df.y.where(df.ds <= table.cutoff.max(), 1e6))
    pd.testing.assert_frame_equal(evaluate(table, df, 7), evaluate(table, loud, 7))


def test_intervals_are_scored_by_pinball_loss_and_coverage() -> None:
    model = BaselineForecaster("last", h=4)
    df = days()
    table = model.cross_validation(df, n_windows=3, level=[50, 80], baselines=["drift"])
    found = evaluate(table, df).set_index("metric")
    assert list(found) == ["Last", "drift"]
    assert list(found.index) == ["mae", "rmse", "mase", "smape", "pinball"] + [
        f"coverage_{level}" for level in (50, 80)
    ]
    for name in ("Last", "drift"):
        pinball = []
        for share, end in ((0.1, "lo-80"), (0.25, "lo-50"), (0.75, "hi-50"), (0.9, "hi-80")):
            gap = table.y - table[f"{name}-{end}"]
            pinball.append(np.maximum(share * gap, (share - 1) * gap).mean())
        assert found.loc["pinball", name] == pytest.approx(np.mean(pinball))
        inside = table.y.between(table[f"{name}-lo-50"], table[f"{name}-hi-50"])
        assert found.loc["coverage_50", name] == pytest.approx(inside.mean())
    names = {"q-10": "lo-80", "q-90": "hi-80"}
    quantiles = model.cross_validation(df, n_windows=3, quantiles=[0.1, 0.9], baselines=[])
    for quantile, end in names.items():
        assert np.allclose(quantiles[f"Last-{quantile}"], table[f"Last-{end}"])
    assert evaluate(quantiles, df).metric.tolist()[4:] == ["pinball"]
