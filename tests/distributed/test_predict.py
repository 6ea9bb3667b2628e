"""Forecasts of Parquet data sets: every series exactly once, whatever was killed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tslm import BaselineForecaster
from tslm.core.errors import ConfigError, DataError
from tslm.distributed import predict

ROWS = 200


def series(count=40, length=30, *, ids=str):
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=length, freq="D")
    return pd.concat(
        pd.DataFrame({"unique_id": ids(k), "ds": days, "y": k + dice.normal(size=length)})
        for k in range(count)
    )


@pytest.fixture
def model(tmp_path):
    fitted = BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(series(3))
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def written(frame, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


def forecasts(out):
    files = sorted(out.glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def run(model, data, out, **options):
    return predict(model, data, out, rows=ROWS, progress=False, **options)


def direct(model, frame, **options):
    return BaselineForecaster.load(model).predict(frame, **options)


def same(found, expected):
    keys = ["unique_id", "ds"]
    found, expected = (part.sort_values(keys, ignore_index=True) for part in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_the_forecasts_are_those_of_the_model(model, tmp_path, order):
    frame = series()
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    written(given, tmp_path / "data.parquet", row_group_size=70)
    manifest = run(model, tmp_path / "data.parquet", tmp_path / "out", level=[80])
    assert manifest["series"] == 40
    assert manifest["blocks"] > 3
    same(forecasts(tmp_path / "out"), direct(model, frame, level=[80]))
    assert not (tmp_path / "out/.run/work").exists()


def test_a_folder_of_files_is_one_data_set(model, tmp_path):
    frame = series()
    for k, ids in enumerate(np.array_split(frame.unique_id.unique(), 3)):
        written(frame[frame.unique_id.isin(ids)], tmp_path / f"data/{k}.parquet")
    for source in (tmp_path / "data", tmp_path / "data/*.parquet"):
        out = tmp_path / f"out-{source.name[0]}"
        run(model, source, out)
        same(forecasts(out), direct(model, frame))


@pytest.mark.filterwarnings("ignore:No series of df was seen")
def test_integer_ids_stay_integers(model, tmp_path):
    frame = series(ids=int)
    written(frame, tmp_path / "data.parquet")
    run(model, tmp_path / "data.parquet", tmp_path / "out")
    found = forecasts(tmp_path / "out")
    assert found.unique_id.dtype == np.int64
    same(found, direct(model, frame))


def test_all_files_have_one_schema(model, tmp_path):
    written(series(), tmp_path / "data.parquet")
    run(model, tmp_path / "data.parquet", tmp_path / "out")
    schemas = [pq.read_schema(file) for file in (tmp_path / "out").glob("part-*.parquet")]
    assert all(schema.equals(schemas[0]) for schema in schemas)
    assert schemas[0].field("unique_id").type == pa.large_string()


def test_a_bad_series_is_set_aside_with_its_message(model, tmp_path):
    frame = series()
    frame.loc[frame.unique_id == "7", "y"] = np.nan
    written(frame, tmp_path / "data.parquet")
    manifest = run(model, tmp_path / "data.parquet", tmp_path / "out")
    errors = pd.read_parquet(tmp_path / "out/errors.parquet")
    assert (manifest["errors"], errors.unique_id.tolist()) == (1, ["7"])
    assert "'7'" in errors.message[0]
    same(forecasts(tmp_path / "out"), direct(model, frame[frame.unique_id != "7"]))


def test_a_run_with_too_many_bad_series_ends(model, tmp_path):
    written(series().assign(y=np.nan), tmp_path / "data.parquet")
    with pytest.raises(DataError, match="more than max_errors=3"):
        run(model, tmp_path / "data.parquet", tmp_path / "out", max_errors=3)


def test_a_second_run_forecasts_only_what_is_missing(model, tmp_path):
    written(series(), tmp_path / "data.parquet")
    out = tmp_path / "out"
    first = run(model, tmp_path / "data.parquet", out)
    times = {file.name: file.stat().st_mtime_ns for file in out.glob("part-*")}
    lost = sorted(times)[1]
    (out / lost).unlink()
    assert run(model, tmp_path / "data.parquet", out) == first
    changed = {
        file.name for file in out.glob("part-*") if file.stat().st_mtime_ns != times[file.name]
    }
    assert changed == {lost}


def test_a_folder_of_another_run_is_refused(model, tmp_path):
    written(series(), tmp_path / "data.parquet")
    run(model, tmp_path / "data.parquet", tmp_path / "out")
    with pytest.raises(ConfigError, match="another run: h differ"):
        run(model, tmp_path / "data.parquet", tmp_path / "out", h=2)
    with pytest.raises(ConfigError, match="has other files"):
        run(model, tmp_path / "data.parquet", model)


def test_workers_forecast_the_same(model, tmp_path):
    written(series(), tmp_path / "data.parquet")
    run(model, tmp_path / "data.parquet", tmp_path / "one")
    run(model, tmp_path / "data.parquet", tmp_path / "two", workers=2)
    assert sorted(p.name for p in (tmp_path / "one").glob("part-*")) == sorted(
        p.name for p in (tmp_path / "two").glob("part-*")
    )
    same(forecasts(tmp_path / "one"), forecasts(tmp_path / "two"))


@pytest.mark.parametrize(
    ("data", "message"), [("none.parquet", "is no Parquet file"), ("bad.parquet", "cannot be read")]
)
def test_data_that_cannot_be_read_are_refused(model, tmp_path, data, message):
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(DataError, match=message):
        run(model, tmp_path / data, tmp_path / "out")


def test_a_missing_column_is_named(model, tmp_path):
    written(series().rename(columns={"y": "sales"}), tmp_path / "data.parquet")
    with pytest.raises(DataError, match="lacks the columns 'y'"):
        run(model, tmp_path / "data.parquet", tmp_path / "out")


def test_a_run_that_is_killed_continues_and_ends_as_an_undisturbed_one(model, tmp_path):
    written(series(200), tmp_path / "data.parquet")
    run(model, tmp_path / "data.parquet", tmp_path / "whole")
    script = (
        "import sys; from tslm.distributed import predict\n"
        f"predict(*sys.argv[1:], rows={ROWS}, progress=False)"
    )
    out = tmp_path / "out"
    words = [sys.executable, "-c", script, *map(str, (model, tmp_path / "data.parquet", out))]
    kills = 0
    while not (out / "manifest.json").exists():
        number = len(list(out.glob("part-*")))
        process = subprocess.Popen(words)
        while process.poll() is None and len(list(out.glob("part-*"))) < number + 14:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL)
    assert kills > 1
    same(forecasts(out), forecasts(tmp_path / "whole"))
    assert json.loads((out / "manifest.json").read_text()) == json.loads(
        (tmp_path / "whole/manifest.json").read_text()
    )


def test_a_forecaster_travels_without_its_model(model):
    import pickle

    from tslm.distributed.table_forecaster import TableForecaster

    forecaster = TableForecaster(str(model))
    assert forecaster.model.h == 3
    assert len(pickle.dumps(forecaster)) < 1000


def test_two_runs_do_not_write_into_one_folder(model, tmp_path):
    from tslm.distributed.output_folder import OutputFolder

    folder = OutputFolder.begin(tmp_path / "out", {"h": 1})
    with folder.lock(), pytest.raises(ConfigError, match="Another process"):
        OutputFolder(Path(tmp_path / "out")).lock()


def test_a_run_that_was_killed_while_it_began_is_begun_again(tmp_path):
    from tslm.distributed.output_folder import OutputFolder

    draft = tmp_path / "out" / ".run.json-abcd1234"  # of a process that was killed
    draft.mkdir(parents=True)
    folder = OutputFolder.begin(tmp_path / "out", {"h": 1})
    assert json.loads((folder.path / "run.json").read_text()) == {"h": 1}
    with pytest.raises(ConfigError, match="another run: h differ"):
        OutputFolder.begin(tmp_path / "out", {"h": 2})


def test_a_run_does_not_begin_where_another_one_writes(tmp_path):
    from tslm.distributed.output_folder import OutputFolder

    with (
        OutputFolder(tmp_path / "out").lock(),
        pytest.raises(ConfigError, match="Another process"),
    ):
        OutputFolder.begin(tmp_path / "out", {"h": 1})


def test_a_file_in_place_of_the_folder_is_one_message(tmp_path):
    from tslm.distributed.output_folder import OutputFolder

    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="out cannot be written: Not a directory"):
        OutputFolder.begin(tmp_path / "out", {"h": 1})


def test_a_disk_without_room_for_mixed_rows_is_one_message(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    written(series().sample(frac=1, random_state=0), tmp_path / "data.parquet")
    with monkeypatch.context() as disk:
        disk.setattr("tslm.data.series_blocks.SeriesBlocks.regrouped", full)
        with pytest.raises(ConfigError, match=r"out cannot be written: No space.* Make room"):
            run(model, tmp_path / "data.parquet", tmp_path / "out")
    run(model, tmp_path / "data.parquet", tmp_path / "out")
