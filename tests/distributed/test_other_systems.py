"""The page about Spark and Dask: its functions forecast whatever partitions they are given."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tslm import BaselineForecaster
from tslm.distributed.table_forecaster import TableForecaster

PAGE = Path(__file__).parents[2] / "docs" / "spark-dask.md"
KEYS = ["unique_id", "ds"]


@pytest.fixture(scope="module")
def frame():
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    dice = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame({"unique_id": f"s{k}", "ds": days, "y": dice.normal(k, size=30)})
        for k in range(8)
    ).reset_index(drop=True)


@pytest.fixture(scope="module")
def model(frame):
    return BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(frame)


@pytest.fixture(scope="module")
def names(model, tmp_path_factory):
    """The names that the code of the page defines, with this model."""
    model.save(folder := tmp_path_factory.mktemp("model") / "model")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.S | re.M))
    found = {}
    exec(compile(code.replace("/shared/runs/a", str(folder)), str(PAGE), "exec"), found)
    assert isinstance(found["forecaster"], TableForecaster)
    return found


def same(parts, model, frame):
    whole = pd.concat(parts).sort_values(KEYS, ignore_index=True)
    expected = model.predict(frame, level=[80]).sort_values(KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(whole, expected, check_dtype=False)


def partitions(frame):
    """Whole series in three partitions, their rows in any order; one partition is empty."""
    place = frame.unique_id.str[1:].astype(int) % 3
    parts = [frame[place == k].sample(frac=1, random_state=k) for k in range(3)]
    return [*parts, frame.head(0)]


def test_the_function_for_spark_takes_and_yields_batches(names, model, frame):
    found = []
    for part in partitions(frame):
        batches = pa.Table.from_pandas(part, preserve_index=False).to_batches(max_chunksize=7)
        found += [batch.to_pandas() for batch in names["forecast"](iter(batches))]
    same(found, model, frame)
    assert list(names["forecast"](iter([]))) == []


def test_the_function_for_dask_takes_and_returns_frames(names, model, frame):
    found = [names["forecast_frame"](part) for part in partitions(frame)]
    same(found, model, frame)
    assert found[-1].dtypes.tolist() == found[0].dtypes.tolist()


def test_what_is_sent_to_workers_has_no_model(names):
    assert names["forecaster"].model.h == 3
    sent = pickle.dumps(names["forecaster"])
    assert len(sent) < 1000
    assert "model" not in vars(pickle.loads(sent))
