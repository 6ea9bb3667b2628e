"""Titles of series: forecasts of series with few rows or none, with any model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm import TSLMForecaster
from tslm.core.errors import BackboneError, ConfigError, DataError
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.titles.known_titles import KnownTitles, Trust, ValueScale

PLACES = ("north", "south", "east", "west", "centre", "coast")
DATES = pd.date_range("2018-01-01", periods=20, freq="QS")
NEW = ("heating oil in the valley", "ice cream in the valley")


def sales(title: str, number: int, rows: int = 20) -> pd.DataFrame:
    """Return a series that peaks in summer, or in winter for heating oil."""
    season = np.array([-1, 0, 1, 0]) * (-1 if title.startswith("heating") else 1)
    noise = np.random.default_rng(number).normal(size=20)
    y = 50 * (1 + number % 5) * np.exp(0.4 * season[np.arange(20) % 4] + 0.03 * noise)
    frame = pd.DataFrame({"unique_id": title, "title": title, "ds": DATES, "y": y})
    return frame.iloc[20 - rows :]


def panel() -> pd.DataFrame:
    kinds = ("ice cream", "heating oil")
    titles = [f"{kind} in the {place}" for place in PLACES for kind in kinds]
    return pd.concat([sales(title, number) for number, title in enumerate(titles)])


def baseline(**changed: Any) -> BaselineForecaster:
    settings = {"h": 4, "verbose": 0, "val_size": 0, "titles": "{title}", "text_reader": "tiny"}
    return BaselineForecaster("theta", **(settings | changed))


@pytest.fixture(scope="module")
def fitted() -> BaselineForecaster:
    model = baseline()
    return model.fit(panel())


def cold(*, y: float = np.nan) -> pd.DataFrame:
    """Return one row of each new series, without a value by default."""
    return pd.DataFrame({"unique_id": NEW, "title": NEW, "ds": DATES[-1], "y": y})


@pytest.mark.filterwarnings("ignore:The frame lacks a value")
def test_a_title_alone_tells_the_season(fitted: BaselineForecaster) -> None:
    found = fitted.predict(cold(), level=[80])
    oil, ice = (found["Theta"].to_numpy()[i : i + 4] for i in (0, 4))
    assert ice[2] > 1.4 * ice[0]  # the steps begin in winter
    assert oil[0] > 1.4 * oil[2]
    assert (found["Theta-lo-80"] < found["Theta"]).all()
    assert (found["Theta-hi-80"] > found["Theta"]).all()


def test_with_one_value_the_level_is_that_of_the_series(fitted: BaselineForecaster) -> None:
    found = fitted.predict(cold(y=1000.0))
    oil, ice = (found["Theta"].to_numpy()[i : i + 4] for i in (0, 4))
    assert 700 < ice[3] < 1400  # the same quarter as the known one
    assert ice[2] > 1.4 * ice[0]
    assert oil[0] > 1.4 * oil[2]


def test_series_of_two_seasons_are_forecast_as_without_titles(
    fitted: BaselineForecaster,
) -> None:
    plain = baseline(titles=None).fit(panel())
    for own in (None, sales("ice cream in the valley", 40, rows=8)):
        pd.testing.assert_frame_equal(fitted.predict(own), plain.predict(own))


@pytest.mark.filterwarnings("ignore:The frame lacks a value")
def test_samples_follow_the_title_and_depend_on_the_seed_alone(tmp_path: Path) -> None:
    model = baseline(random_state=1).fit(panel())
    drawn = model.predict(cold(), num_samples=40)
    pd.testing.assert_frame_equal(drawn, model.predict(cold(), num_samples=40))
    paths = drawn.filter(like="sample").to_numpy()
    assert np.median(paths[0]) > np.median(paths[2])  # of heating oil
    alone = model.predict(cold().iloc[1:], num_samples=40)
    np.testing.assert_allclose(alone.filter(like="sample"), paths[4:])


@pytest.mark.filterwarnings("ignore:The frame lacks a value")
def test_a_language_model_forecaster_reads_titles_too(tmp_path: Path) -> None:
    model = TSLMForecaster(
        h=4, backbone="tiny", base=None, max_steps=2, verbose=0, val_size=0, context_length=8,
        adapter="autotimes", titles="{title}", text_reader="tiny",
    )  # fmt: skip
    found = model.fit(panel()).predict(cold(), level=[80])
    assert found["AutoTimes"].notna().all()
    model.save(tmp_path / "saved")
    again = TSLMForecaster.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.predict(cold(), level=[80]), found, rtol=1e-4)


def test_a_saved_model_without_history_has_no_titles(
    fitted: BaselineForecaster, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "saved", history=False)
    again = BaselineForecaster.load(tmp_path / "saved")
    assert again.titles_.process is None
    with pytest.raises(DataError, match="no value at all"):
        again.predict(cold())


def test_titles_that_say_nothing_change_nothing() -> None:
    frame = panel()
    drawn = np.random.default_rng(5).permutation(frame["unique_id"].unique())
    numbers = {name: f"series {number}" for number, name in enumerate(drawn)}
    frame["title"] = frame["unique_id"].map(numbers)
    model, plain = baseline().fit(frame), baseline(titles=None).fit(frame)
    new = pd.concat([sales("ice cream in the valley", 40, rows=3)]).assign(title="series 77")
    pd.testing.assert_frame_equal(model.predict(new), plain.predict(new))


def test_titles_come_from_static_df() -> None:
    frame = panel()
    static = frame.groupby("unique_id", as_index=False)["title"].first()
    model = baseline().fit(frame.drop(columns="title"), static_df=static)
    with pytest.raises(ConfigError, match=r"titles names \{title\}"):
        model.predict(cold(y=1.0).drop(columns="title"))


def test_titles_must_name_a_column() -> None:
    with pytest.raises(ConfigError, match="same for all series"):
        baseline(titles="sales").fit(panel())


def test_rules_read_no_titles() -> None:
    with pytest.raises(ConfigError, match="text_reader='rules' reads no titles"):
        baseline(text_reader="rules").fit(panel())


def test_another_reader_than_that_of_fit_is_refused() -> None:
    model, trust = baseline().fit(panel()), Trust((0, 1, 2), (1.0, 1.0, 0.0), (1.0, 1.0, 1.0))
    model.titles_ = KnownTitles(model.titles_.process, model.titles_.scale, trust, "other")
    with pytest.raises(BackboneError, match="titles of fit were read by other"):
        model.predict(cold(y=1.0))


def test_too_few_series_warn_and_have_no_effect() -> None:
    frame = panel()
    few = frame[frame["unique_id"].isin(frame["unique_id"].unique()[:3])]
    with pytest.warns(UserWarning, match="Titles have no effect"):
        model = baseline().fit(few)
    assert model.titles_.process is None


def test_titles_cannot_be_changed_after_fit(fitted: BaselineForecaster) -> None:
    model = baseline().fit(panel())
    model.set_params(titles=None)
    with pytest.raises(ConfigError, match="titles"):
        model.predict()


def test_shares_are_interpolated_between_rows() -> None:
    trust = Trust((0, 2, 4), (1.0, 0.5, 0.0), (1.0, 1.0, 2.0))
    assert trust.of(0) == (1.0, 1.0)
    assert trust.of(3) == (0.25, 1.5)
    assert trust.of(9) == (0.0, 2.0)


@pytest.mark.parametrize("logs", [True, False])
def test_a_scale_is_undone(logs: bool) -> None:
    import torch

    y = torch.tensor([0.5, 3.0, 1e6]).double()
    scale = ValueScale(logs, 2.0)
    torch.testing.assert_close(scale.undo(scale.apply(y)), y)


@pytest.mark.parametrize("change", [{"share": [2.0] * 5}, {"rows": [1, 2]}, {"unit": -1.0}])
def test_a_damaged_state_is_refused(fitted: BaselineForecaster, change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="titles do not fit together"):
        KnownTitles.from_state(fitted.titles_.state() | change)


def test_explanations_and_forecasts_of_past_rows_read_titles_as_predict_does(
    fitted: BaselineForecaster,
) -> None:
    few = pd.concat([sales(NEW[0], 3, 6), sales(NEW[1], 4, 6)])
    frame = few.groupby("unique_id").head(2)
    expected = fitted.predict(frame)["Theta"].to_numpy()
    limits = pd.DataFrame({"unique_id": [NEW[0]], "upper": [1.0]})
    found = fitted.explain(frame, events=limits)
    assert found.forecasts["without"].to_numpy() == pytest.approx(expected)
    both = fitted.predict(frame, events=limits)["Theta"].to_numpy()
    assert (both[:4] <= 1).all()
    assert both[4:] == pytest.approx(expected[4:])
    truth = few.groupby("unique_id").tail(4).y.to_numpy()
    spread = few.groupby("unique_id").head(2).groupby("unique_id").y.std(ddof=0)
    error = np.abs(truth - expected) / spread.to_numpy().repeat(4)
    assert fitted.score(few) == pytest.approx(-error.mean())
