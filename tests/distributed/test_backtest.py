"""Backtests of a saved model on data sets: those of one whole frame, once, whatever was killed."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm import BaselineForecaster, TSLMForecaster, evaluate
from tslm.core.errors import ConfigError
from tslm.distributed import backtest

H, ROWS, COUNT = 3, 150, 20
ORIGINS = {"n_windows": 2, "step_size": 2}
HELD = H + 2
KEYS = ["unique_id", "cutoff", "ds"]


def series(count=COUNT):
    dice = np.random.default_rng(0)
    parts = []
    for k in range(count):
        days = pd.date_range("2024-01-01", periods=40 + k % 3, freq="D")
        week = np.arange(len(days)) % 7
        y = k + week + dice.normal(size=len(days))
        parts.append(pd.DataFrame({"unique_id": f"s{k:02d}", "ds": days, "y": y}))
    return pd.concat(parts, ignore_index=True)


def known(frame):
    """The rows before the first origin."""
    return frame[frame.groupby("unique_id").cumcount(ascending=False) >= HELD]


def written(frame, path):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=70)
    return path


def table(out):
    return pd.concat([pd.read_parquet(file) for file in sorted(out.glob("part-*.parquet"))])


def same(found, expected, keys=KEYS):
    found, expected = (part.sort_values(keys, ignore_index=True) for part in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)


def same_metrics(out, whole, frame):
    found = pd.read_csv(out / "metrics.csv").set_index("metric")
    expected = evaluate(whole, frame, season_length=7).set_index("metric")
    names = [name for name in whole if name in expected]
    pd.testing.assert_frame_equal(found.loc[expected.index, names], expected[names], rtol=1e-9)
    squared = (whole[names].sub(whole.y, axis=0) ** 2).groupby([whole.cutoff, whole.unique_id])
    mse = squared.mean().groupby("cutoff").mean().mean()
    assert found.loc["mse", names].tolist() == pytest.approx(mse.tolist())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["metrics"][names[0]]["mse"] == pytest.approx(mse[names[0]])


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_baseline_is_tested_as_by_cross_validation(tmp_path, order):
    frame = series()
    model = BaselineForecaster("seasonal_naive", h=H, verbose=0)
    whole = model.cross_validation(frame, **ORIGINS, level=[80], baselines=[])
    model.fit(known(frame)).save(tmp_path / "model")
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    data, out = written(given, tmp_path / "data.parquet"), tmp_path / "out"
    options = {**ORIGINS, "level": [80], "baselines": []}
    manifest = backtest(tmp_path / "model", data, out, **options, rows=ROWS, progress=False)
    assert (manifest["series"], manifest["errors"]) == (COUNT, 0)
    assert manifest["blocks"] > 3
    same(table(out), whole)
    same_metrics(out, whole, frame)
    assert set(pd.read_csv(out / "metrics.csv").metric) >= {"mse", "mae", "coverage_80"}


def test_a_language_model_and_a_baseline_are_tested_with_covariates(tmp_path):
    frame = series(6)
    dice = np.random.default_rng(1)
    frame["promo"] = dice.integers(0, 2, len(frame)).astype(float)
    frame["y"] += 5 * frame.promo
    options = {"base": None, "context_length": 16, "max_steps": 2, "random_state": 0, "verbose": 0}
    model = TSLMForecaster(H, "autotimes", "tiny", futr_exog=["promo"], **options)
    model.set_params(adapter__patch_len=8)
    whole = model.cross_validation(frame, **ORIGINS)
    model.fit(known(frame)).save(tmp_path / "model")
    data, out = written(frame, tmp_path / "data.parquet"), tmp_path / "out"
    backtest(tmp_path / "model", data, out, **ORIGINS, rows=100, progress=False)
    assert list(table(out)) == list(whole)
    same(table(out), whole)
    # blocks and whole frames differ by rounding of float32, so the metrics are those of the blocks
    same_metrics(out, table(out), frame)


@pytest.fixture
def saved(tmp_path):
    model = BaselineForecaster("seasonal_naive", h=H, verbose=0).fit(known(series()))
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_series_that_is_too_short_is_set_aside(saved, tmp_path):
    frame = series(8)
    short = frame.drop(frame[(frame.unique_id == "s03") & (frame.ds > "2024-01-04")].index)
    data, out = written(short, tmp_path / "data.parquet"), tmp_path / "out"
    manifest = backtest(saved, data, out, **ORIGINS, baselines=[], rows=ROWS, progress=False)
    assert (manifest["series"], manifest["errors"]) == (8, 1)
    errors = pd.read_parquet(out / "errors.parquet")
    assert errors.unique_id.tolist() == ["s03"]
    assert "too short" in errors.message[0]
    assert table(out).unique_id.nunique() == 7


def test_a_model_that_has_seen_the_rows_is_warned_of(tmp_path):
    frame = series(4)
    BaselineForecaster("last", h=H, verbose=0).fit(frame).save(tmp_path / "model")
    data = written(frame, tmp_path / "data.parquet")
    with pytest.warns(UserWarning, match="fitted on rows that this backtest forecasts"):
        backtest(tmp_path / "model", data, tmp_path / "out", baselines=[], progress=False)


def test_an_impossible_request_is_refused_before_any_work(saved, tmp_path):
    data = written(series(2), tmp_path / "data.parquet")
    for request, message in [
        ({"level": [80], "quantiles": [0.1]}, "cannot be used together"),
        ({"baselines": ["NoSuchModel"]}, "NoSuchModel"),
        ({"n_windows": 0}, "n_windows"),
    ]:
        with pytest.raises(ConfigError, match=message):
            backtest(saved, data, tmp_path / "out", **request)
    assert not (tmp_path / "out").exists()


def test_a_baseline_with_the_name_of_the_model_is_refused(tmp_path):
    frame = series(2)
    options = {"h": H, "alias": "SeasonalNaive", "verbose": 0}
    BaselineForecaster("last", **options).fit(known(frame)).save(tmp_path / "model")
    data = written(frame, tmp_path / "data.parquet")
    with pytest.raises(ConfigError, match="called SeasonalNaive, as is a baseline"):
        backtest(tmp_path / "model", data, tmp_path / "out")


@pytest.mark.slow  # the run of blocks is that of predict, whose test kills it each time
def test_a_backtest_that_is_killed_continues_and_ends_as_an_undisturbed_one(saved, tmp_path):
    data = written(series(60), tmp_path / "data.parquet")
    backtest(saved, data, tmp_path / "whole", **ORIGINS, baselines=[], rows=ROWS, progress=False)
    script = (
        "import sys; from tslm.distributed import backtest\n"
        f"backtest(*sys.argv[1:], n_windows=2, step_size=2, baselines=[], rows={ROWS}, "
        "progress=False)"
    )
    out, kills = tmp_path / "out", 0
    while not (out / "manifest.json").exists():
        number = len(list(out.glob("part-*")))
        words = [sys.executable, "-c", script, *map(str, (saved, data, out))]
        process = subprocess.Popen(words)
        while process.poll() is None and len(list(out.glob("part-*"))) < number + 12:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL)
    assert kills
    for name in ("manifest.json", "metrics.csv"):
        assert (out / name).read_text() == (tmp_path / "whole" / name).read_text()
    pd.testing.assert_frame_equal(table(out), table(tmp_path / "whole"))
