"""Data sets with all that predict takes: forecasts are those of one whole frame."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.errors import ConfigError, DataError
from tslm.distributed import predict

H, ROWS = 3, 150
ITEMS = {"item": ["tea", "milk"], "store": [1, 2, 3, 4, 5, 6, 7]}


@pytest.fixture(scope="module")
def sales():
    """Rows of 14 series: two id columns, covariates, and three rows ahead without y."""
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40 + H, freq="D")
    parts = []
    for item in ITEMS["item"]:
        for store in ITEMS["store"]:
            promo = dice.integers(0, 2, len(days)).astype(float)
            visits = dice.normal(size=len(days))
            noise = dice.normal(size=len(days)) / 10
            y = 10 * store + 5 * promo + 4 * np.roll(visits, 1) + noise
            own = {"item": item, "store": store, "ds": days, "y": y, "promo": promo}
            parts.append(pd.DataFrame({**own, "visits": visits, "region": f"r{store % 3}"}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def past(sales):
    return sales[sales.ds < sales.ds.max() - pd.Timedelta(days=H - 1)].reset_index(drop=True)


@pytest.fixture(scope="module")
def futr(sales):
    return sales[sales.ds > sales.ds.max() - pd.Timedelta(days=H)][["item", "store", "ds", "promo"]]


@pytest.fixture(scope="module")
def static(sales):
    return sales[["item", "store", "region"]].drop_duplicates().sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def saved(past, tmp_path_factory):
    model = BaselineForecaster(
        "ridge_profile",
        h=H,
        id_col=["item", "store"],
        futr_exog=["promo"],
        hist_exog=["visits"],
        static_exog=["region"],
        random_state=0,
        verbose=0,
    ).fit(past)
    folder = tmp_path_factory.mktemp("model") / "model"
    model.save(folder)
    return folder


def written(frame, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


def forecasts(out):
    return pd.concat([pd.read_parquet(file) for file in sorted(out.glob("part-*.parquet"))])


def same(found, expected):
    keys = [name for name in ("unique_id", "item", "store", "ds") if name in expected]
    found, expected = (part.sort_values(keys, ignore_index=True) for part in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-6)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_covariates_of_several_tables_are_those_of_one_frame(
    saved, past, futr, static, tmp_path, order
):
    given = past if order == "sorted" else past.sample(frac=1, random_state=1)
    further = {
        "futr": written(futr.sample(frac=1, random_state=2), tmp_path / "futr.parquet"),
        "static": written(static, tmp_path / "static.parquet"),
    }
    rows = written(given.drop(columns="region"), tmp_path / "rows.parquet")
    request = {"level": [80], "num_samples": 2}
    out = tmp_path / "out"
    manifest = predict(saved, rows, out, **further, rows=ROWS, progress=False, **request)
    assert (manifest["series"], manifest["errors"]) == (14, 0)
    assert manifest["blocks"] > 2
    model = BaselineForecaster.load(saved)
    same(forecasts(out), model.predict(past, futr_df=futr, static_df=static, **request))
    assert not (out / ".run/work").exists()


def test_a_series_without_its_covariates_is_set_aside(saved, past, futr, static, tmp_path):
    rows = written(past.drop(columns="region"), tmp_path / "rows.parquet")
    lacking = futr[(futr["item"] != "tea") | (futr.store != 3)]
    twice = pd.concat([static, static[(static["item"] == "milk") & (static.store == 5)]])
    manifest = predict(
        saved,
        rows,
        tmp_path / "out",
        futr=written(lacking, tmp_path / "futr.parquet"),
        static=written(twice, tmp_path / "static.parquet"),
        rows=ROWS,
        progress=False,
    )
    assert (manifest["series"], manifest["errors"]) == (14, 2)
    errors = pd.read_parquet(tmp_path / "out/errors.parquet").set_index(["item", "store"]).message
    assert "futr_df lacks 'promo'" in errors["tea", 3]
    assert "several rows in static_df" in errors["milk", 5]
    assert len(forecasts(tmp_path / "out")) == 12 * H


def test_covariates_that_are_missing_as_a_whole_are_named_at_once(saved, past, futr, tmp_path):
    rows = written(past, tmp_path / "rows.parquet")
    with pytest.raises(ConfigError, match=r"reads 'promo' of the steps.*Give futr="):
        predict(saved, rows, tmp_path / "out", progress=False)
    ahead = written(futr.drop(columns="promo"), tmp_path / "futr.parquet")
    with pytest.raises(DataError, match=r"futr.parquet lacks the columns 'promo'"):
        predict(saved, rows, tmp_path / "out", futr=ahead, progress=False)
    ahead = written(futr.astype({"store": str}), tmp_path / "futr.parquet")
    with pytest.raises(DataError, match=r"'store' are int64 in .* and large_string in"):
        predict(saved, rows, tmp_path / "out", futr=ahead, progress=False)


def test_chosen_series_are_forecast(saved, past, futr, tmp_path):
    rows = written(past, tmp_path / "rows.parquet")
    ahead = written(futr, tmp_path / "futr.parquet")
    wanted = ['["milk", 4]', '["tea", 6]']
    predict(saved, rows, tmp_path / "out", futr=ahead, ids=wanted, progress=False)
    expected = BaselineForecaster.load(saved).predict(past, futr_df=futr, ids=wanted)
    same(forecasts(tmp_path / "out"), expected)
    with pytest.raises(DataError, match=r"ids= names series '\[\"tea\", 9\]'"):
        predict(saved, rows, tmp_path / "none", futr=ahead, ids=['["tea", 9]'], progress=False)


@pytest.fixture(scope="module")
def plain():
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    dice = np.random.default_rng(0)
    cities = ["Ulm", "Bonn", "Kiel", "Jena", "Gera"]
    return pd.concat(
        pd.DataFrame({"unique_id": k, "ds": days, "y": dice.normal(k, size=40), "city": city})
        for k, city in enumerate(cities, 1)
    ).reset_index(drop=True)


@pytest.mark.parametrize("where", ["rows", "static"])
def test_a_prompt_with_names_is_filled_from_either_table(plain, tmp_path, where):
    model = TSLMForecaster(
        H,
        "time_llm",
        "tiny",
        prompt="daily sales in {city}",
        base=None,
        context_length=16,
        max_steps=1,
        random_state=0,
        verbose=0,
    ).fit(plain)
    model.save(tmp_path / "model")
    rows = plain if where == "rows" else plain.drop(columns="city")
    cities = plain[["unique_id", "city"]].drop_duplicates()
    static = None if where == "rows" else written(cities, tmp_path / "static.parquet")
    data = written(rows, tmp_path / "rows.parquet")
    out = tmp_path / "out"
    predict(tmp_path / "model", data, out, static=static, rows=80, progress=False)
    same(forecasts(out), model.predict(plain))
    if where == "static":
        with pytest.raises(ConfigError, match=r"names \{city\}"):
            predict(tmp_path / "model", data, tmp_path / "other", progress=False)


def test_statements_move_the_series_that_they_name(plain, tmp_path):
    model = BaselineForecaster("last", h=H, text_reader="rules", verbose=0).fit(plain)
    model.save(tmp_path / "model")
    ahead = plain.ds.max() + pd.Timedelta(days=2)
    events = pd.DataFrame(
        {
            "unique_id": [2.0, np.nan],
            "start": [ahead, ahead],
            "text": ["sales rise by 50 %", "at most 3"],
            "upper": [np.nan, 3.0],
        }
    )
    data, out = written(plain, tmp_path / "rows.parquet"), tmp_path / "out"
    predict(tmp_path / "model", data, out, events=events, rows=80, progress=False)
    expected = model.predict(plain, events=events)
    assert not expected.Last.equals(model.predict(plain).Last)
    same(forecasts(out), expected)
    strange = events.assign(unique_id=[9.0, np.nan])
    with pytest.raises(DataError, match=r"events names series 9.*do not exist"):
        predict(tmp_path / "model", data, tmp_path / "no", events=strange, progress=False)
    written(events, tmp_path / "events.parquet")
    predict(
        tmp_path / "model",
        data,
        tmp_path / "file",
        events=tmp_path / "events.parquet",
        progress=False,
    )
    same(forecasts(tmp_path / "file"), expected)


def test_a_model_that_reads_all_series_together_is_refused(plain, tmp_path):
    BaselineForecaster("itransformer", h=H, max_steps=1, verbose=0).fit(plain).save(tmp_path / "m")
    with pytest.raises(ConfigError, match="reads all series together"):
        predict(tmp_path / "m", written(plain, tmp_path / "a.parquet"), tmp_path / "out")
