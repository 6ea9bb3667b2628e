"""Data sets as they are: kinds of ids and times, folders, files without rows, bad series."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm import BaselineForecaster
from tslm.core.errors import DataError
from tslm.distributed import predict
from tslm.distributed.table_forecaster import TableForecaster

DAYS = pd.date_range("2024-01-01", periods=30, freq="D")


def series(ids=("a", "b", "c", "d"), days=DAYS):
    dice = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame({"unique_id": name, "ds": days, "y": k + dice.normal(size=len(days))})
        for k, name in enumerate(ids)
    ).reset_index(drop=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(series()).save(folder)
    return folder


def written(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table, path)


def forecast(saved, data, out, **options):
    manifest = predict(saved, data, out, rows=40, progress=False, **options)
    tables = [pq.read_table(file) for file in sorted(out.glob("part-*.parquet"))]
    assert all(table.schema.equals(tables[0].schema) for table in tables)
    return manifest, pa.concat_tables(tables)


def same(found, saved, frame, **options):
    model = BaselineForecaster.load(saved)
    expected = model.predict(frame, **options).sort_values(["unique_id", "ds"], ignore_index=True)
    found = found.to_pandas().sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_files_of_other_types_and_orders_are_one_data_set(saved, tmp_path):
    first, second = series(["a", "b"]), series(["c", "d"]).assign(y=lambda rows: rows.y.round())
    written(first.assign(ds=first.ds.dt.as_unit("us")), tmp_path / "data/1.parquet")
    ids = pa.array(second.unique_id).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    days, y = pa.array(second.ds.dt.as_unit("ns")), pa.array(second.y.astype(int))
    written(pa.table({"y": y, "ds": days, "unique_id": ids}), tmp_path / "data/2.parquet")
    written(first.head(0), tmp_path / "data/3.parquet")
    _, found = forecast(saved, tmp_path / "data", tmp_path / "out")
    assert found.schema.field("unique_id").type == pa.large_string()
    same(found, saved, pd.concat([first, second]))


def test_folders_named_by_ids_are_one_data_set(saved, tmp_path):
    frame = series()
    for name, rows in frame.groupby("unique_id"):
        written(rows.drop(columns="unique_id"), tmp_path / f"data/unique_id={name}/part.parquet")
    _, found = forecast(saved, tmp_path / "data", tmp_path / "out")
    same(found, saved, frame)


def test_a_time_zone_is_kept_to_the_end(tmp_path):
    days = pd.date_range("2024-03-01", periods=30, freq="D", tz="Europe/Berlin")
    frame = series(days=days)
    BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(frame).save(tmp_path / "model")
    written(frame, tmp_path / "a.parquet")
    _, found = forecast(tmp_path / "model", tmp_path / "a.parquet", tmp_path / "out")
    assert found.schema.field("ds").type.tz == "Europe/Berlin"
    same(found, tmp_path / "model", frame)


def test_dates_and_integer_ids_are_read(saved, tmp_path):
    frame = series([3, 1, 2])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.set_column(1, "ds", table["ds"].cast(pa.date32()))
    written(
        table.set_column(0, "unique_id", table["unique_id"].cast(pa.int16())), tmp_path / "a.pq"
    )
    with pytest.warns(UserWarning, match="No series of df was seen in fit"):
        _, found = forecast(saved, tmp_path / "a.pq", tmp_path / "out")
    assert found.schema.field("unique_id").type == pa.int64()
    with pytest.warns(UserWarning, match="No series of df was seen in fit"):
        same(found, saved, frame)


def test_a_block_of_bad_series_only_has_the_schema_of_the_others(saved, tmp_path):
    frame = series(["a", "b", "c", "d", "e"])
    frame.loc[frame.unique_id.isin(["a", "e"]), "y"] = np.nan
    written(frame, tmp_path / "a.parquet")
    manifest, found = forecast(saved, tmp_path / "a.parquet", tmp_path / "out", level=[80])
    assert (manifest["series"], manifest["errors"]) == (5, 2)
    assert found.column_names == [
        "unique_id",
        "ds",
        "SeasonalNaive",
        "SeasonalNaive-lo-80",
        "SeasonalNaive-hi-80",
    ]
    same(found, saved, frame[~frame.unique_id.isin(["a", "e"])], level=[80])


def test_rows_without_an_id_are_set_aside_as_one_series(saved, tmp_path):
    frame = series()
    given = frame.assign(unique_id=frame.unique_id.where(frame.unique_id != "c"))
    written(given, tmp_path / "a.parquet")
    manifest, found = forecast(saved, tmp_path / "a.parquet", tmp_path / "out")
    assert (manifest["series"], manifest["errors"]) == (4, 1)
    errors = pd.read_parquet(tmp_path / "out/errors.parquet")
    assert errors.unique_id.isna().all()
    assert "'unique_id' is missing in 30 rows" in errors.message[0]
    same(found, saved, frame[frame.unique_id != "c"])


def test_data_without_any_row_are_refused(saved, tmp_path):
    written(series().head(0), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has columns but no rows"):
        forecast(saved, tmp_path / "a.parquet", tmp_path / "out")


def test_many_bad_series_in_any_order_of_rows_are_set_aside(saved):
    names = [f"s{k}" for k in range(20)]
    frame = series(names).sample(frac=1, random_state=0)
    bad = set(names[3:20:4])
    frame.loc[frame.unique_id.isin(bad), "y"] = np.inf
    found = TableForecaster(str(saved))(pa.Table.from_pandas(frame, preserve_index=False))
    assert set(found.errors["unique_id"].to_pylist()) == bad
    assert set(found.forecasts["unique_id"].to_pylist()) == set(names) - bad
    assert all(row["unique_id"] in row["message"] for row in found.errors.to_pylist())
