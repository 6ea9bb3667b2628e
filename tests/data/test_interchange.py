"""polars and Arrow in, the same kind out."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.frames import weekly
from tslm import BaselineForecaster, TSLMForecaster

pl = pytest.importorskip("polars", reason="polars is not installed")


@pytest.fixture
def df() -> pd.DataFrame:
    return weekly(60)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (pl.from_pandas, pl.DataFrame),
        (lambda frame: pl.from_pandas(frame).lazy(), pl.DataFrame),
        (pa.Table.from_pandas, pa.Table),
        (lambda frame: frame, pd.DataFrame),
    ],
    ids=["polars", "lazy", "arrow", "pandas"],
)
def test_frames_come_back_as_the_kind_that_was_given(
    df: pd.DataFrame, make: Any, kind: type
) -> None:
    plain = BaselineForecaster("seasonal_naive", h=7).fit(df)
    model = BaselineForecaster("seasonal_naive", h=7).fit(make(df))
    for forecast in (model.predict(), model.predict(make(df)), plain.predict(make(df))):
        assert type(forecast) is kind
        table = forecast if kind is pd.DataFrame else forecast.to_pandas()
        pd.testing.assert_frame_equal(table, plain.predict(), check_dtype=False)
    backtest = model.cross_validation(make(df), baselines=["last"])
    assert type(backtest) is kind
    assert type(plain.predict()) is pd.DataFrame


def test_types_of_ids_and_times_come_back(df: pd.DataFrame) -> None:
    given = pl.from_pandas(df).with_columns(pl.col("ds").cast(pl.Date))
    for kind in (pl.Enum(["b", "a"]), pl.Categorical()):
        typed = given.with_columns(pl.col("unique_id").cast(kind))
        model = BaselineForecaster("last", h=7).fit(typed)
        assert model.predict().schema["unique_id"] == kind
        assert model.predict().schema["ds"] == pl.Date
        backtest = model.cross_validation(typed)
        assert backtest.schema["cutoff"] == pl.Date
        assert len(typed.join(backtest, on=["unique_id", "ds"])) == 7


def test_a_batch_of_arrow_is_a_table(df: pd.DataFrame) -> None:
    (batch,) = pa.Table.from_pandas(df).to_batches()
    assert isinstance(BaselineForecaster("last", h=7).fit(batch).predict(batch), pa.Table)


def test_the_language_model_reads_polars(df: pd.DataFrame) -> None:
    model = TSLMForecaster(base=None, h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
    model.set_params(accelerator="cpu", val_size=0)
    expected = model.fit(df).predict()
    forecast = model.fit(pl.from_pandas(df)).predict()
    assert isinstance(forecast, pl.DataFrame)
    assert np.array_equal(forecast["AutoTimes"].to_numpy(), expected["AutoTimes"])
    assert len(model.plot(pl.from_pandas(df), forecast).axes) == 1
