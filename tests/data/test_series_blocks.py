"""Blocks of series: each has whole series, and every row is in one block."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm.core.errors import ConfigError
from tslm.data import series_keys
from tslm.data.bucket_files import BucketFiles
from tslm.data.parquet_table import ParquetTable
from tslm.data.series_blocks import FurtherTable, SeriesBlocks

COLUMNS = ("unique_id", "ds", "y")


def series(count, length=30):
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{k:03d}" for k in range(count)], length),
            "ds": np.tile(np.arange(length), count),
            "y": np.arange(count * length, dtype=float),
        }
    )


def written(frame, path, **options):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


def frames(blocks):
    return [block.table.to_pandas() for block in blocks]


def check(parts, frame, ids=("unique_id",)):
    """Check that each row is in one part, and each series in one part."""
    keys = [*ids, "ds"]
    whole = pd.concat(parts).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(
        whole, frame.sort_values(keys, ignore_index=True), check_dtype=False
    )
    assert (
        sum(part.groupby(list(ids), dropna=False).ngroups for part in parts)
        == frame.groupby(list(ids), dropna=False).ngroups
    )


@pytest.mark.parametrize("rows", [1, 29, 30, 31, 10_000])
def test_blocks_have_whole_series_in_their_order(tmp_path, rows):
    frame = series(7)
    written(frame, tmp_path / "data.parquet", row_group_size=13)
    blocks = SeriesBlocks(tmp_path / "data.parquet", "unique_id", COLUMNS, rows)
    assert blocks.is_grouped
    assert blocks.can_be_streamed
    parts = frames(blocks)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), frame, check_dtype=False)
    check(parts, frame)
    assert sum(block.series for block in blocks) == 7


@pytest.fixture(params=["own", "shared"])
def keys(request, monkeypatch):
    """Keys of series as they are, and such that many ids share one."""
    real = series_keys.series_keys
    if request.param == "shared":
        for module in ("series_blocks", "bucket_files"):
            monkeypatch.setattr(
                f"tslm.data.{module}.series_keys", lambda *args: real(*args) % np.uint64(3)
            )


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_every_series_is_in_one_block_even_if_ids_share_their_keys(tmp_path, order):
    frame = series(40)
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    written(given, tmp_path / "data.parquet", row_group_size=70)
    blocks = SeriesBlocks(tmp_path / "data.parquet", "unique_id", COLUMNS, 200)
    if not blocks.can_be_streamed:
        blocks = blocks.regrouped(tmp_path / "work")
    found = list(blocks)
    check(frames(found), frame)
    assert sum(block.series for block in found) == 40
    assert [block.number for block in found] == list(range(len(found)))


@pytest.mark.usefixtures("keys")
def test_rows_of_further_tables_follow_their_series(tmp_path):
    frame = series(40)
    static = pd.DataFrame({"unique_id": frame.unique_id.unique()[::-1]})
    static["city"] = "city of " + static.unique_id
    table = ParquetTable.find(written(static, tmp_path / "static.parquet"))
    further = {"static": FurtherTable(table, table.schema(["unique_id", "city"], ["unique_id"]))}
    path = written(frame, tmp_path / "data.parquet")
    blocks = SeriesBlocks(path, "unique_id", COLUMNS, 200, further=further)
    assert not blocks.can_be_streamed
    found = list(blocks.regrouped(tmp_path / "work"))
    check(frames(found), frame)
    for block in found:
        assert set(block.static["unique_id"].to_pylist()) == set(
            block.table["unique_id"].to_pylist()
        )
        assert block.futr is None


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_several_columns_identify_a_series_and_ids_may_be_missing(tmp_path, order):
    frame = series(24).rename(columns={"unique_id": "item"})
    frame["item"] = frame["item"].where(frame["item"] != "s003")
    frame["item"] = frame["item"].str[:-1].where(frame["item"].notna())
    frame["store"] = np.repeat([*np.arange(23.0), np.nan], 30)
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    written(given, tmp_path / "data.parquet", row_group_size=70)
    blocks = SeriesBlocks(
        tmp_path / "data.parquet", ["item", "store"], ["item", "store", "ds", "y"], 100
    )
    if not blocks.can_be_streamed:
        blocks = blocks.regrouped(tmp_path / "work")
    found = list(blocks)
    check([part[frame.columns] for part in frames(found)], frame, ("item", "store"))
    assert sum(block.series for block in found) == 24


def test_rows_that_come_back_to_a_series_are_not_grouped(tmp_path):
    frame = series(3)
    written(pd.concat([frame, frame.head(1)]), tmp_path / "data.parquet")
    assert not SeriesBlocks(tmp_path / "data.parquet", "unique_id", COLUMNS, 50).is_grouped


def test_the_digest_of_a_block_is_that_of_its_rows(tmp_path):
    frame = series(4)
    written(frame, tmp_path / "a.parquet", row_group_size=7)
    written(frame, tmp_path / "b.parquet")
    written(frame.assign(y=frame.y.replace(5.0, 6.0)), tmp_path / "c.parquet")
    a, b, c = (
        [
            block.digest
            for block in SeriesBlocks(tmp_path / f"{k}.parquet", "unique_id", COLUMNS, 60)
        ]
        for k in "abc"
    )
    assert a == b
    assert a[0] != c[0]
    assert a[1] == c[1]


def test_a_bucket_is_written_in_many_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("tslm.data.bucket_files.HELD", 50)
    frame = series(9)
    path = written(frame.sample(frac=1, random_state=0), tmp_path / "a.parquet", row_group_size=20)
    blocks = SeriesBlocks(path, "unique_id", COLUMNS, 30).regrouped(tmp_path / "work")
    check(frames(blocks), frame)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    files = BucketFiles(tmp_path / "file/work", pa.schema([("unique_id", pa.int64())]), 2)
    with pytest.raises(ConfigError, match=r"work cannot be written.*give another out="):
        files.write([pa.table({"unique_id": [1]})], ["unique_id"])
