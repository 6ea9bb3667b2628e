"""Settings of times, given or found by fit, hold in predict and in a saved model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import BaselineForecaster, evaluate
from tslm.plots.forecasts import plot_forecasts

HOURS = pd.date_range("2023-03-20", periods=24 * 12, freq="h", tz="Europe/Berlin")


def frame(ds: Any) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(len(ds)) % 7 + 1.0})


def naive(**options: Any) -> BaselineForecaster:
    return BaselineForecaster("last", h=2, **options)


def test_a_saved_model_reads_an_ambiguous_frame_as_fit_read_its_own(tmp_path: Path) -> None:
    days = pd.date_range("2023-01-01", periods=60)
    naive().fit(frame(days.strftime("%d/%m/%Y"))).save(tmp_path / "m")
    loaded = BaselineForecaster.load(tmp_path / "m")
    ahead = loaded.predict(frame(days[:9].strftime("%d/%m/%Y")))
    assert ahead.ds.tolist() == days[9:11].tolist()


@pytest.mark.parametrize(
    ("ds", "options"),
    [(HOURS.astype(str), {"tz": "Europe/Berlin"}),
     (HOURS.tz_localize(None), {"tz": "Europe/Berlin"}),
     (HOURS.as_unit("s").asi8, {"tz": "Europe/Berlin", "time_format": "s"}),
     (HOURS.strftime("%d|%m|%y %H:%M"), {"tz": "Europe/Berlin", "time_format": "%d|%m|%y %H:%M"})],
)  # fmt: skip
def test_times_are_those_of_the_zone_in_fit_predict_backtest_and_load(
    ds: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    df = frame(ds)
    model = naive(**options).fit(df[:-2])
    assert model.predict().ds.tolist() == HOURS[-2:].tolist()
    model.save(tmp_path / "m")
    assert (
        BaselineForecaster.load(tmp_path / "m").predict(df[:-2]).ds.tolist() == HOURS[-2:].tolist()
    )
    backtest = model.cross_validation(df, n_windows=2)
    assert backtest.ds.tolist() == HOURS[-4:].tolist()


def test_a_forecast_across_a_change_of_clocks_is_read_back(tmp_path: Path) -> None:
    known = frame(HOURS[:140])
    ahead = BaselineForecaster("last", h=24).fit(known).predict().rename(columns={"Last": "y"})
    pd.concat([known, ahead]).to_csv(tmp_path / "x.csv", index=False)
    model = naive(tz="Europe/Berlin").fit(pd.read_csv(tmp_path / "x.csv"))
    assert model.predict().ds.tolist() == HOURS[164:166].tolist()


def test_the_command_line_takes_settings_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    days = pd.date_range("2023-01-01", periods=12)
    frame(days.strftime("%m/%d/%Y")).to_csv("x.csv", index=False)
    words = ["fit", "data=x.csv", "h=2", "model=last", "out=m", "verbose=0"]
    assert command(*words) == 2
    assert "dayfirst=true" in capsys.readouterr().err
    assert command(*words, "dayfirst=false", "tz=Asia/Tokyo") == 0
    assert command("predict", "model=m", "data=x.csv", "out=f.csv") == 0
    assert pd.read_csv("f.csv").ds.iloc[0] == "2023-01-13 00:00:00+09:00"


def test_a_wrong_setting_of_times_is_refused_by_name() -> None:
    df = frame(pd.date_range("2023-01-01", periods=30).strftime("%Y-%m-%d"))
    wrong = [
        ({"tz": "Berlin"}, "Did you mean 'Europe/Berlin'"),
        ({"time_format": "dmy"}, "time_format='dmy' is no format"),
    ]
    for options, words in wrong:
        with pytest.raises(ValueError, match=words):
            naive().set_params(**options).fit(df)


@pytest.mark.parametrize(
    ("ds", "options"),
    [(HOURS.astype(str), {"tz": "Europe/Berlin"}),
     (HOURS.astype(str), {}),
     (HOURS.strftime("%d|%m|%y %H:%M"), {"tz": "Europe/Berlin", "time_format": "%d|%m|%y %H:%M"}),
     (pd.date_range("2023-01-01", periods=12).strftime("%d/%m/%Y"), {"dayfirst": True})],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*changing offsets")
def test_errors_and_pictures_read_times_as_fit_does(
    ds: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    df = frame(ds)
    ahead = naive(**options).fit(df[:-2]).predict()
    ahead.to_csv(tmp_path / "ahead.csv", index=False)
    df.to_csv(tmp_path / "data.csv", index=False)
    truth = np.abs(df.y.to_numpy()[-2:] - df.y.to_numpy()[-3]).mean()
    for table in (ahead, pd.read_csv(tmp_path / "ahead.csv")):
        assert evaluate(table, df, **options).Last[0] == pytest.approx(truth)
        axes = plot_forecasts(df, table, **options).axes[0]
        past, future = (line.get_xdata() for line in axes.lines)
        assert list(past[-2:]) == list(future)
    files = [f"data={tmp_path / 'data.csv'}", f"forecasts={tmp_path / 'ahead.csv'}"]
    words = [
        f"{name}={str(value).lower() if value is True else value}"
        for name, value in options.items()
    ]
    assert command("evaluate", *files, *words, f"out={tmp_path / 'errors.csv'}") == 0
    assert pd.read_csv(tmp_path / "errors.csv").Last[0] == pytest.approx(truth)
    assert command("plot", *files, *words, f"out={tmp_path / 'p.svg'}") == 0


def test_a_model_draws_an_ambiguous_frame_as_fit_read_its_own() -> None:
    days = pd.date_range("2023-01-01", periods=60)
    model = naive().fit(frame(days.strftime("%d/%m/%Y")))
    line = model.plot(frame(days[:9].strftime("%d/%m/%Y"))).axes[0].lines[0]
    assert list(line.get_xdata()) == list(days[:9])
