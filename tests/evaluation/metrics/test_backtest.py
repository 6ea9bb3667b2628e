"""Errors of a backtest, against their definitions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from utilsforecast.losses import mae

from tests.frames import random_walks
from tslm import BaselineForecaster, DataError, evaluate
from tslm.evaluation.metrics import backtest as evaluation


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    model = BaselineForecaster("last", h=4)
    return model.cross_validation(random_walks(), n_windows=3, baselines=["seasonal_naive"])


def test_errors_are_their_definitions(table: pd.DataFrame) -> None:
    df = random_walks()
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
        random_walks().rename(columns=names),
        7,
        ["Last"],
        id_col="shop",
        time_col="day",
        target_col="sold",
    )
    assert list(found.columns) == ["metric", "Last"]
    assert np.isfinite(found.Last).all()


def test_ids_may_be_categories_in_either_table(table: pd.DataFrame) -> None:
    df = random_walks()
    plain = evaluate(table, df)
    for one, other in ((table, df.astype({"unique_id": "category"})),
                       (table.astype({"unique_id": "category"}), df)):  # fmt: skip
        pd.testing.assert_frame_equal(evaluate(one, other), plain)


def test_rows_after_an_origin_do_not_scale_it(table: pd.DataFrame) -> None:
    df = random_walks()
    loud = df.assign(y=df.y.where(df.ds <= table.cutoff.max(), 1e6))
    pd.testing.assert_frame_equal(evaluate(table, df, 7), evaluate(table, loud, 7))


def test_intervals_are_scored_by_pinball_loss_and_coverage() -> None:
    model = BaselineForecaster("last", h=4)
    df = random_walks()
    table = model.cross_validation(df, n_windows=3, level=[50, 80], baselines=["drift"])
    found = evaluate(table, df).set_index("metric")
    assert list(found) == ["Last", "drift"]
    assert list(found.index) == ["mae", "rmse", "mase", "smape", "pinball"] + [
        f"coverage_{level}" for level in (50, 80)
    ]
    for name in ("Last", "drift"):
        pinball = []
        for level, end in ((0.1, "lo-80"), (0.25, "lo-50"), (0.75, "hi-50"), (0.9, "hi-80")):
            gap = table.y - table[f"{name}-{end}"]
            pinball.append(np.maximum(level * gap, (level - 1) * gap).mean())
        assert found.loc["pinball", name] == pytest.approx(np.mean(pinball))
        inside = table.y.between(table[f"{name}-lo-50"], table[f"{name}-hi-50"])
        assert found.loc["coverage_50", name] == pytest.approx(inside.mean())
    names = {"q-10": "lo-80", "q-90": "hi-80"}
    quantiles = model.cross_validation(df, n_windows=3, quantiles=[0.1, 0.9], baselines=[])
    for quantile, end in names.items():
        assert np.allclose(quantiles[f"Last-{quantile}"], table[f"Last-{end}"])
    assert evaluate(quantiles, df).metric.tolist()[4:] == ["pinball"]


def test_series_may_end_on_different_days() -> None:
    df = random_walks(80)
    df = df[(df.unique_id == "a") | (df.ds < "2024-03-01")].reset_index(drop=True)
    table = BaselineForecaster("last", h=4).cross_validation(df, n_windows=2, baselines=[])
    found = evaluate(table, df, 7).set_index("metric").Last
    expected = []
    for cutoff, rows in table.groupby("cutoff"):
        scaled = []
        for name, own in rows.groupby("unique_id"):
            history = df[(df.unique_id == name) & (df.ds <= cutoff)].y.to_numpy()
            scale = np.abs(history[7:] - history[:-7]).mean()
            scaled.append((own.y - own.Last).abs().mean() / scale)
        expected.append(np.mean(scaled))
    assert len(expected) == 4
    assert found["mase"] == pytest.approx(np.mean(expected))
    assert found["mae"] == pytest.approx(
        table.assign(gap=(table.y - table.Last).abs()).groupby("cutoff").gap.mean().mean()
    )


def test_rows_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many origins there are: each loss is computed in one call."""
    calls = []
    monkeypatch.setattr(evaluation, "mae", lambda *a, **k: calls.append(1) or mae(*a, **k))
    df = random_walks(80)
    table = BaselineForecaster("last", h=4).cross_validation(df, n_windows=10, baselines=[])
    evaluate(table, df)
    assert calls == [1]


def test_frames_may_be_of_other_libraries_and_dates_text(table: pd.DataFrame) -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    expected = evaluate(table, random_walks(), 7)
    found = evaluate(pl.from_pandas(table), pl.from_pandas(random_walks()), 7)
    assert isinstance(found, pl.DataFrame)
    pd.testing.assert_frame_equal(found.to_pandas(), expected)
    text = table.astype({"ds": str, "cutoff": str})
    pd.testing.assert_frame_equal(evaluate(text, random_walks().astype({"ds": str}), 7), expected)
    with pytest.raises(DataError, match="The backtest has no column 'cutoff'"):
        evaluate(table.drop(columns="cutoff"), random_walks())
    with pytest.raises(DataError, match="Convert them to the same type"):
        evaluate(table, random_walks().assign(ds=random_walks().ds.dt.tz_localize("UTC")))
