"""First commands of newcomers: they work, or one line says what to type."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tests.frames import weekly
from tslm import BaselineForecaster, ConfigError, DataError
from tslm.core.frequency import frequency
from tslm.data.id_columns import check_single, complete_columns
from tslm.data.roles import columns_of, find_columns

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the message with which the command refuses these words."""
    assert command(*words) == 2
    return capsys.readouterr().err


def test_a_model_is_not_its_own_baseline() -> None:
    df = pd.DataFrame({"ds": DAYS, "y": np.arange(40) % 7})
    table = BaselineForecaster("seasonal_naive", h=3).cross_validation(df)
    assert list(table)[4:] == ["SeasonalNaive"]
    table = BaselineForecaster("last", h=3).cross_validation(df, baselines=["last", "mean"])
    assert list(table)[4:] == ["Last", "mean"]
    with pytest.raises(ConfigError, match="columns of the same name"):
        BaselineForecaster("last", h=3, alias="SeasonalNaive").cross_validation(df)


def test_rows_without_times_are_counted(tmp_path: Path) -> None:
    heart = pd.DataFrame({"Heart rate": np.arange(40.0) % 7})
    with pytest.warns(UserWarning, match="no column of times, so its rows are counted"):
        model = BaselineForecaster("last", h=2).fit(heart)
    assert model.predict().ds.tolist() == [40, 41]
    model.save(tmp_path / "m")
    with pytest.warns(UserWarning, match="rows are counted"):
        ahead = BaselineForecaster.load(tmp_path / "m").predict(heart[:30])
    assert ahead.ds.tolist() == [30, 31]
    several = pd.DataFrame({"unique_id": np.repeat([*"ab"], 20), "y": np.arange(40.0)})
    with pytest.warns(UserWarning, match="rows are counted"):
        model.fit(several)
    assert model.predict().ds.tolist() == [20, 21, 20, 21]
    with pytest.raises(DataError, match="no column 'ds'"):
        model.fit(several.assign(note="text"))


def test_monthly_is_no_day_of_the_week() -> None:
    with pytest.raises(ConfigError, match="freq='monthly' is now 'MS'"):
        frequency("monthly")


def test_a_suggested_setting_is_one_word_of_a_shell() -> None:
    shops = pd.DataFrame({"ds": [*DAYS] * 4, "shop name": np.repeat([*"aabb"], 40)})
    shops = shops.assign(item=np.repeat([*"xyxy"], 40), y=1.0)
    columns = columns_of(None, "ds", "y")
    with pytest.raises(DataError, match=r'"id_col=\[shop name,item\]"'):
        check_single(shops, complete_columns(shops, columns), columns)
    heart = pd.DataFrame({"time": DAYS, "heart rate": 1.0, "speed": 1.0})
    with pytest.raises(DataError, match='time_col=time "target_col=heart rate"'):
        find_columns(heart, columns)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train"], "Did you mean fit?"),
        (["forecast"], "Did you mean predict?"),
        (["version"], "Did you mean --version?"),
        (["fit", "sales.csv"], "Did you mean data=sales.csv?"),
        (["fit", "--data", "sales.csv"], "Did you mean data=...?"),
        (["fit", "--data=sales.csv"], "Did you mean data=sales.csv?"),
        (["predict", "model=m", "out=f.csv", "h", "=", "5"], "without spaces around ="),
        (["fit", "h=3", "out=m"], "Add data=sales.csv"),
        (["predict", "model=m", "out=f.csv", "level=80,95"], "'level=[80,95]'"),
    ],
)
def test_likely_mistakes_are_answered_with_the_right_words(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert hint in output_of(capsys, *words)


def test_a_fit_without_validation_rows_warns() -> None:
    settings = {"h": 25, "max_steps": 1, "accelerator": "cpu", "verbose": 0}
    with pytest.warns(UserWarning, match="No series is long enough for validation rows"):
        BaselineForecaster("nlinear", **settings).fit(weekly(60))


def test_a_saved_model_is_no_choice_of_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    df = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": 1.0})
    df.to_csv("d.csv", index=False)
    BaselineForecaster("last", h=2).fit(df).save("m")
    words = ("backtest", "data=d.csv", "model=m", "h=2", "out=cv.csv")
    hint = "m is a saved model, which predict, explain and recalibrate read"
    assert hint in output_of(capsys, *words)


@pytest.mark.parametrize("name", ["Date", "year", " Time "])
def test_a_column_called_like_a_time_is_never_forecast(name: str) -> None:
    df = pd.DataFrame({"unique_id": 5 * ["a"] + 5 * ["b"], name: 2 * [3, 8, 13, 18, 23]})
    with pytest.raises(DataError, match="column"):
        BaselineForecaster("last", h=2).fit(df)
