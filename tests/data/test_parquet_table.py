"""Parquet files of one table: types, orders and folders as other programs write them."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm.core.errors import DataError
from tslm.data.parquet_table import ParquetTable

DAYS = pd.date_range("2024-01-01", periods=3, freq="D")
COLUMNS = ("unique_id", "ds", "y")


def written(path: Path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {"unique_id": pa.array(["a"] * 3), "ds": pa.array(DAYS), "y": pa.array([1.0, 2.0, 3.0])}
    own = {name: column for name, column in {**own, **columns}.items() if column is not None}
    pq.write_table(pa.table(own), path)
    return path


def rows_of(data, columns=COLUMNS):
    table = ParquetTable.find(data)
    schema = table.schema(columns, ["unique_id"])
    rows = pa.concat_tables(table.batches(schema))
    assert rows.schema == schema
    return rows


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_text_of_every_kind_is_read_with_offsets_of_64_bits(tmp_path, kind):
    """More than 2 GB of text then fit in one column of a block."""
    plain = pa.array(["a", "b", None])
    ids = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain
    rows = rows_of(written(tmp_path / "a.parquet", unique_id=ids.cast(kind)))
    assert rows.schema.field("unique_id").type == pa.large_string()
    assert rows["unique_id"].to_pylist() == ["a", "b", None]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.dictionary(pa.int8(), pa.int64())])
def test_whole_numbers_as_ids_are_read_as_int64(tmp_path, kind):
    ids = pa.array([7, 8, None], pa.int64())
    ids = ids.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else ids.cast(kind)
    rows = rows_of(written(tmp_path / "a.parquet", unique_id=ids))
    assert rows.schema.field("unique_id").type == pa.int64()
    assert rows["unique_id"].to_pylist() == [7, 8, None]


def test_files_may_differ_in_the_order_and_types_of_columns(tmp_path):
    written(tmp_path / "1.parquet", y=pa.array([1, 2, 3]), ds=pa.array(DAYS.as_unit("us")))
    ids = pa.array(["b"] * 3).dictionary_encode()
    other = pa.table({"x": [0] * 3, "y": [0.5] * 3, "ds": DAYS.as_unit("ns"), "unique_id": ids})
    pq.write_table(other, tmp_path / "2.parquet", version="2.6")
    rows = rows_of(tmp_path)
    assert [str(field.type) for field in rows.schema] == [
        "large_string",
        "timestamp[ns]",
        "double",
    ]
    assert rows["y"].to_pylist() == [1.0, 2.0, 3.0, 0.5, 0.5, 0.5]
    assert rows["ds"].to_pandas().tolist() == [*DAYS, *DAYS]


def test_dates_and_decimals_are_read_as_times_and_numbers(tmp_path):
    days = pa.array([day.date() for day in DAYS])
    amounts = pa.array([1, 2, 3]).cast(pa.decimal128(25, 2))
    rows = rows_of(written(tmp_path / "a.parquet", ds=days, y=amounts))
    assert rows["ds"].to_pandas().tolist() == [*DAYS]
    assert rows["y"].to_pylist() == [1.0, 2.0, 3.0]
    assert isinstance(rows["ds"][0].as_py(), datetime.datetime)


def test_a_time_zone_is_kept_and_two_are_refused(tmp_path):
    written(tmp_path / "1.parquet", ds=pa.array(DAYS.tz_localize("Europe/Berlin")))
    written(tmp_path / "2.parquet", ds=pa.array(DAYS.tz_localize("Europe/Berlin").as_unit("ms")))
    assert rows_of(tmp_path).schema.field("ds").type.tz == "Europe/Berlin"
    written(tmp_path / "3.parquet", ds=pa.array(DAYS.tz_localize("UTC")))
    with pytest.raises(DataError, match=r"'ds' is timestamp.*Berlin.*1\.parquet and .*UTC.*3\.par"):
        rows_of(tmp_path)


def test_numbers_in_one_file_and_text_in_another_are_refused(tmp_path):
    written(tmp_path / "1.parquet")
    written(tmp_path / "2.parquet", unique_id=pa.array([1, 2, 3]))
    with pytest.raises(DataError, match=r"'unique_id' is large_string in .* and int64 in"):
        rows_of(tmp_path)


@pytest.mark.parametrize("ids", [pa.array([b"a"] * 3), pa.array(DAYS), pa.nulls(3)])
def test_ids_are_text_or_numbers(tmp_path, ids):
    written(tmp_path / "1.parquet", unique_id=ids)
    with pytest.raises(DataError, match=r"'unique_id' of .* has the type .* Ids are text or num"):
        rows_of(tmp_path)


def test_files_without_rows_are_passed_over(tmp_path):
    written(tmp_path / "2.parquet")
    empty = pa.table({"unique_id": pa.array([], pa.null()), "y": pa.array([], pa.null())})
    pq.write_table(empty, tmp_path / "1.parquet")
    assert rows_of(tmp_path).num_rows == 3
    with pytest.raises(DataError, match="has columns but no rows"):
        ParquetTable.find(tmp_path / "1.parquet")


def test_a_column_that_is_missing_in_one_file_is_named(tmp_path):
    written(tmp_path / "1.parquet")
    written(tmp_path / "2.parquet", y=None)
    with pytest.raises(DataError, match=r"2\.parquet lacks the columns 'y'"):
        rows_of(tmp_path)


@pytest.mark.parametrize(
    ("ids", "kind"), [(["7", "12"], "int64"), (["007", "12"], "large_string"), (["a b"], "string")]
)
def test_folders_named_by_values_are_columns(tmp_path, ids, kind):
    for name in ids:
        path = tmp_path / f"unique_id={name.replace(' ', '%20')}/part.parquet"
        written(path, unique_id=None)
    rows = rows_of(tmp_path)
    assert kind in str(rows.schema.field("unique_id").type)
    assert rows["unique_id"].unique().cast(pa.string()).to_pylist() == sorted(ids)


def test_hidden_files_of_other_programs_are_passed_over(tmp_path):
    written(tmp_path / "a.parquet")
    written(tmp_path / "_temporary/b.parquet")
    written(tmp_path / ".c.parquet")
    assert rows_of(tmp_path).num_rows == 3


def test_a_value_beyond_the_range_of_its_column_is_refused_by_file(tmp_path):
    far = pa.array(np.array(["3000-01-01"] * 3, "datetime64[us]"))
    written(tmp_path / "1.parquet", ds=pa.array(DAYS.as_unit("ns")))
    written(tmp_path / "2.parquet", ds=far)
    with pytest.raises(DataError, match=r"2\.parquet cannot be read as Parquet: .*a CSV file is"):
        rows_of(tmp_path)
