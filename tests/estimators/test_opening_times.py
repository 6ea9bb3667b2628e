"""Opening times: steps that never occur are not forecast, from fit to the loaded model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.tseries.offsets import CustomBusinessDay

from tslm import BaselineForecaster, Spec, TSLMForecaster
from tslm.core.calendar import Calendar

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")
FREQS = ["D Mon-Sat", "D Sun-Thu", "30min Mon-Fri 09:30-16:00", "MS-15"]


def frame(freq: str, rows: int = 350) -> pd.DataFrame:
    calendar = Calendar(freq)
    count = calendar.count(np.array([pd.Timestamp("2022-01-03").value // 10**9]))
    first = calendar.uncount(count // calendar.step * calendar.step)
    ds = calendar.from_int(calendar.future(first, rows)[0])
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.sin(np.arange(rows)) + 5})


@pytest.mark.parametrize(
    ("freq", "kind"),
    [*((freq, "baseline") for freq in FREQS), ("30min Mon-Fri 09:30-16:00", "tiny")],
)
def test_only_times_that_occur_are_forecast(freq: str, kind: str, tmp_path: Path) -> None:
    df = frame(freq)
    model: TSLMForecaster | BaselineForecaster = BaselineForecaster("seasonal_naive", h=5)
    if kind == "tiny":
        model = TSLMForecaster(base=None, 
            h=5, adapter=Spec("autotimes", patch_len=5), backbone="tiny", context_length=20,
            max_steps=1, verbose=0, calendar=True, holidays="US", random_state=0,
        )  # fmt: skip
    known, truth = df[:-5], df[-5:]
    model.fit(known)
    assert model.calendar_.freq == freq
    forecast = model.predict()
    assert forecast.ds.tolist() == truth.ds.tolist()
    model.save(tmp_path / "saved")
    loaded = type(model).load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.predict(), forecast)
    assert loaded.predict(known).ds.tolist() == truth.ds.tolist()
    if kind == "baseline":
        backtest = model.cross_validation(df, n_windows=2, step_size=3)
        expected = [*df.ds[-8:-3], *df.ds[-5:]]
        assert backtest.ds.tolist() == expected
        assert backtest.cutoff.unique().tolist() == [df.ds.iloc[-9], df.ds.iloc[-6]]
        assert backtest.y.tolist() == df.y[[*range(342, 347), *range(345, 350)]].tolist()


def test_a_weekmask_of_pandas_is_a_freq_of_an_estimator(tmp_path: Path) -> None:
    six = CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat")
    df = frame("D Mon-Sat", 12)
    model = BaselineForecaster("last", h=3).set_params(freq=six).fit(df[:-3])
    assert model.predict().ds.tolist() == df.ds[-3:].tolist()
    model.save(tmp_path / "saved")
    assert BaselineForecaster.load(tmp_path / "saved").calendar_.freq == "D Mon-Sat"
