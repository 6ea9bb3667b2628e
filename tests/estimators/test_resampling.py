"""Rows of any times, on one grid in every verb of a forecaster and on the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.command import command
from tslm import BaselineForecaster, LiPCoTPretrainer, Spec, TSLMForecaster, evaluate
from tslm.core.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore:The frame lacks")
HOURS = pd.date_range("2024-03-28", periods=24 * 8, freq="h", tz="Europe/Berlin")  # clocks change


def sensors(hours: pd.DatetimeIndex = HOURS) -> pd.DataFrame:
    """Three rows an hour, at odd seconds; ``on_grid`` has what each hour is on average."""
    late = [t + pd.Timedelta(minutes=20 * k, seconds=(7 * i + k) % 60)
            for i, t in enumerate(hours) for k in range(3)]  # fmt: skip
    y = np.repeat(np.arange(len(hours)) % 24, 3) + np.tile([-1.0, 0.0, 1.0], len(hours))
    return pd.DataFrame({"ds": late, "y": y, "x": np.repeat(np.arange(len(hours)) % 5, 3)})


def on_grid(hours: pd.DatetimeIndex = HOURS) -> pd.DataFrame:
    values = np.arange(len(hours))
    return pd.DataFrame({"ds": hours, "y": values % 24 * 1.0, "x": values % 5})


def naive(**options: Any) -> BaselineForecaster:
    return BaselineForecaster("seasonal_naive", h=2, random_state=0, verbose=0, **options)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other)


def test_forecasts_are_those_of_the_averages_in_every_verb(tmp_path: Path) -> None:
    model, plain = naive(resample="h").fit(sensors()), naive().fit(on_grid())
    same(model.predict(), plain.predict())
    same(model.predict(sensors(HOURS[:99])), plain.predict(on_grid(HOURS[:99])))
    for verb in ("cross_validation", "predict_insample"):
        same(getattr(model, verb)(sensors()), getattr(plain, verb)(on_grid()))
    assert model.score(sensors()) == plain.score(on_grid())
    later = pd.date_range(HOURS[-1], periods=3, freq="h")[1:]
    assert model.score(sensors(later)) == plain.score(on_grid(later))
    same(
        model.recalibrate(sensors()).predict(level=[80]),
        plain.recalibrate(on_grid()).predict(level=[80]),
    )
    model.save(tmp_path / "m")
    loaded = BaselineForecaster.load(tmp_path / "m")
    assert (loaded.resample, loaded.calendar_) == ("h", model.calendar_)
    same(loaded.predict(sensors(HOURS[:99])), plain.predict(on_grid(HOURS[:99])))
    backtest = model.cross_validation(sensors())
    same(evaluate(backtest, sensors(), resample="h"), evaluate(backtest, on_grid()))
    model.fit(sensors(HOURS[:-30]), val_df=sensors(HOURS[-30:]))
    plain.fit(on_grid(HOURS[:-30]), val_df=on_grid(HOURS[-30:]))
    same(model.predict(), plain.predict())


def test_covariates_ahead_are_put_on_the_grid_of_the_series(tmp_path: Path) -> None:
    known, ahead = HOURS[:-2], HOURS[-2:]
    options: dict[str, Any] = {"futr_exog": ["x"], "max_steps": 2}
    plain = naive(**options).fit(on_grid(known))
    model = naive(resample="h", **options).fit(sensors(known))
    same(model.predict(futr_df=sensors(ahead)), plain.predict(futr_df=on_grid(ahead)))
    assert model.get_missing_future(sensors(ahead[:1])).ds.tolist() == [ahead[1]]
    same(*(m.cross_validation(df, baselines=()) for m, df in
           ((model, sensors()), (plain, on_grid()))))  # fmt: skip
    model.save(tmp_path / "m")
    loaded = BaselineForecaster.load(tmp_path / "m")
    same(loaded.predict(futr_df=sensors(ahead)), plain.predict(futr_df=on_grid(ahead)))


def test_an_adapter_and_the_pretrainer_read_averages() -> None:
    parts: dict[str, Any] = {"adapter": Spec("lipcot", order=4, n_codes=4, frame_length=4),
                             "backbone": "tiny", "max_steps": 2, "verbose": 0}  # fmt: skip
    ahead = [
        TSLMForecaster(base=None, h=2, resample=grid, random_state=0, **parts).fit(df).predict()
        for grid, df in (("h", sensors()), (None, on_grid()))
    ]
    same(*ahead)
    taught = LiPCoTPretrainer(resample="h", **parts).fit([sensors()]).reader_.state_dict()
    other = LiPCoTPretrainer(**parts).fit([on_grid()]).reader_.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in taught.items())
    stores = [on_grid().assign(unique_id=name, shop=name, item="x") for name in "ab"]
    one, several = (
        LiPCoTPretrainer(id_col=names, **parts).fit([pd.concat(stores)]).reader_.state_dict()
        for names in ("unique_id", ["shop", "item"])
    )
    assert all(torch.equal(tensor, several[name]) for name, tensor in one.items())


def test_the_command_line_puts_rows_on_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    local = sensors().assign(ds=sensors().ds.dt.tz_convert("UTC"))
    local.to_csv("data.csv", index=False)
    fit = ["data=data.csv", "h=2", "model=seasonal_naive", "verbose=0", "target_col=y"]
    assert command("fit", *fit, "out=m") == 2
    assert "resample='" in capsys.readouterr().err
    fit.append("resample=h")
    assert command("fit", *fit, "tz=Europe/Berlin", "out=m") == 0
    assert command("predict", "model=m", "data=data.csv", "out=f.csv") == 0
    plain = naive().fit(on_grid()).predict()
    got = pd.read_csv("f.csv")
    assert got.ds.tolist() == plain.ds.astype(str).tolist()
    assert got.iloc[:, -1].tolist() == plain.iloc[:, -1].tolist()
    assert command("backtest", *fit, "out=cv.csv") == 0
    assert command("evaluate", "data=data.csv", "forecasts=cv.csv", "resample=h", "target_col=y",
                "out=errors.csv") == 0  # fmt: skip
    assert pd.read_csv("errors.csv").SeasonalNaive[0] == 0
    assert command("plot", "data=data.csv", "forecasts=cv.csv", "resample=h", "target_col=y",
                "out=p.svg") == 0  # fmt: skip
    assert command("recalibrate", "model=m", "data=data.csv") == 0
    assert command("fit", *fit, "freq=D", "out=n") == 2
    assert "freq='D' and resample='h'" in capsys.readouterr().err
    assert command("benchmark", "benchmark=etth1", "resample=h", "model=last", "out=r.json") == 2
    assert "resample=h would have no effect here" in capsys.readouterr().err


def test_a_wrong_grid_is_refused_before_rows_are_read() -> None:
    with pytest.raises(ConfigError, match="resample='hors' is no frequency"):
        naive(resample="hors").fit(on_grid())
    with pytest.raises(ConfigError, match="resample=60 must be text"):
        naive().set_params(resample=60).fit(on_grid())
    with pytest.raises(DataError, match="resample='h' puts rows on a grid of dates"):
        naive(resample="h").fit(on_grid().assign(ds=range(len(HOURS))))
