"""The regression on covariates finds relations in short histories, and ignores useless columns."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from tests.frames import long_frame
from tslm import BaselineForecaster, ConfigError, DataError, Spec
from tslm.core.types import Batch, Known, Task
from tslm.models.baselines.covariate_regression.autoregression import autoregression
from tslm.models.baselines.covariate_regression.candidates import History
from tslm.models.baselines.covariate_regression.forecaster import CovariateRegression
from tslm.models.baselines.covariate_regression.laws import climatology, persistence
from tslm.models.baselines.covariate_regression.rolling_validation import crps, forecast

Floats = npt.NDArray[np.float64]
RNG = np.random.default_rng(0)


def median(
    past: Floats, covariate: Floats, season: int = 1, follows: tuple[int, ...] = ()
) -> Floats:
    """Return the median forecast of the steps for which only the covariate is given."""
    history = History(past, covariate.reshape(len(covariate), -1), season, follows)
    return np.median(forecast(history, len(covariate) - len(past)), axis=1)


def test_a_series_that_moves_with_another_follows_it() -> None:
    other = np.array([3.0, 2.5, 2.6, 2.0, 2.1, 2.7, 3.2, 3.0, 2.7, 3.1])
    assert median(other[:6] - 0.5, other) == pytest.approx(other[6:] - 0.5, abs=0.1)


def test_a_ratio_is_found_beyond_the_past_values() -> None:
    other = np.array([1.0, 2.0, 1.5, 3.0, 2.0, 1.0, 2.5, 6.0, 5.0])
    past = 10 * other[:7] * np.array([1, 1.02, 0.99, 1.01, 1, 0.98, 1.0])
    assert median(past, other) == pytest.approx([60, 50], rel=0.1)


def test_a_step_of_a_schedule_is_answered_with_the_delay_of_the_past() -> None:
    load = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 20)
    level = np.zeros(120)
    for t in range(1, 120):
        level[t] = level[t - 1] + 0.3 * (10 * load[t] - level[t - 1])
    found = median(level[:100] + RNG.normal(0, 0.05, 100), load)
    assert found == pytest.approx(level[100:], abs=0.7)


def test_an_autoregression_with_a_covariate_is_found() -> None:
    x = np.repeat(RNG.normal(0, 1, 16), 10)
    y = np.zeros(160)
    for t in range(2, 160):
        y[t] = 1.2 * y[t - 1] - 0.5 * y[t - 2] + 0.8 * x[t - 2] + RNG.normal(0, 0.01)
    assert median(y[:128], x) == pytest.approx(y[128:], abs=0.3)


def test_a_series_of_zeros_below_a_threshold_is_proportional_above_it() -> None:
    sun = np.cos(2 * np.pi * (np.arange(96) - 48) / 96)
    light = np.maximum(sun - 0.1, 0) * 100
    found = median(light[:40], sun, follows=(0,))
    assert found == pytest.approx(light[40:], abs=8)


def test_an_estimate_is_followed_where_the_past_has_not_been() -> None:
    estimate = np.repeat([0.0, 10.0, 0.0, 50.0], [20, 20, 20, 20])
    past = np.maximum(estimate[:60], 9.0) + RNG.normal(0, 0.1, 60)
    found = median(past, estimate, follows=(0,))
    assert found[10:] == pytest.approx(np.full(10, 50.0), rel=0.15)
    assert median(past, estimate[:, None])[10:].mean() < 45  # nothing says so without it


def test_two_states_scale_a_seasonal_profile() -> None:
    profile = np.maximum(np.sin(np.arange(24) / 24 * 2 * np.pi), 0) * 10
    cloudy = np.tile([0.0, 1.0, 0.0, 1.0], (24, 1)).T.ravel()
    y = np.tile(profile, 4) * np.where(cloudy > 0, 0.3, 1.0)
    assert median(y[:72], cloudy, season=24) == pytest.approx(y[72:], abs=1.0)


@pytest.mark.parametrize("length", [12, 40, 120])
def test_a_useless_covariate_hardly_changes_the_error(length: int) -> None:
    without, beside = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = rng.normal(0, 1, length + 8) + (
            rng.normal(0, 1, length + 8).cumsum() if seed % 2 else 0
        )
        x = rng.normal(0, 1, (length + 8, 1)).cumsum(0 if seed % 3 else 1)
        for errors, columns in ((without, x[:, :0]), (beside, x)):
            found = forecast(History(y[:length], columns, 1, natural=False), 8)
            errors.append(crps(found, y[length:]).mean())
    assert np.mean(beside) < 1.06 * np.mean(without)


def test_the_score_of_an_ensemble_is_that_of_its_definition() -> None:
    values, truth = RNG.normal(0, 1, (3, 7)), np.array([0.0, 2.0, -1.0])
    pairs = np.abs(values[:, :, None] - values[:, None]).mean((1, 2)) / 2
    expected = np.abs(values - truth[:, None]).mean(1) - pairs
    assert crps(values, truth) == pytest.approx(expected)


def test_laws_continue_a_season() -> None:
    past = np.tile([1.0, 2.0, 3.0], 4)
    for law in (climatology, persistence):
        assert np.median(law(past, 4, 3), 1) == pytest.approx([1, 2, 3, 1])


def test_persistence_spreads_with_the_distance() -> None:
    found = persistence(RNG.normal(0, 1, 100).cumsum(), 30, 1)
    assert np.ptp(found[29]) > 1.5 * np.ptp(found[0])


def test_an_autoregression_needs_rows() -> None:
    assert autoregression(np.arange(4.0), np.zeros((6, 1)), 2, 3, range(4)) is None


def batch(past: Floats, covariate: Floats) -> Batch:
    values = torch.tensor(past)[None, :, None]
    known = Known(torch.tensor(covariate)[None, :, None], ["x"])
    time = torch.arange(len(covariate))[None]
    return Batch(values, values[:, :0], time, known=known)


def test_missing_values_are_bridged() -> None:
    x = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], 8)
    y = 5 * x[:32] + RNG.normal(0, 0.1, 32)
    y[[3, 17]] = np.nan
    y[:2] = np.nan
    model = CovariateRegression(task=Task(32, 8))
    found = model.forecast(batch(y, x), 8)[0, :, 0].numpy()
    assert found == pytest.approx(np.zeros(8), abs=1)


def test_a_series_without_a_value_is_forecast_as_zero() -> None:
    model = CovariateRegression(task=Task(4, 2))
    assert (model.forecast(batch(np.full(4, np.nan), np.arange(6.0)), 2) == 0).all()


def test_follows_must_be_a_list_of_names() -> None:
    with pytest.raises(ConfigError, match="must be a list of names"):
        CovariateRegression(task=Task(4, 2), follows="x")


def test_what_is_followed_must_be_a_covariate() -> None:
    model = CovariateRegression(task=Task(4, 2), follows=["speed"])
    with pytest.raises(ConfigError, match="follows names 'speed', and the covariates are 'x'"):
        model.forecast(batch(np.arange(4.0), np.arange(6.0)), 2)


STEPS = np.repeat([0.0, 2.0, 1.0, 3.0, 0.0, 2.0, 1.0, 3.0], 6)


def frame() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the past and the future of two series that follow the steps of x."""
    y = 20 + 5 * STEPS + np.sin(np.arange(48))
    df = long_frame({"a": y, "b": 3 * y}, freq="D")
    df["x"] = np.tile(STEPS, 2)
    last = df.groupby("unique_id").cumcount() >= 40
    return df[~last], df[last]


def model(**options: Any) -> BaselineForecaster:
    return BaselineForecaster(
        "covariate_regression", h=8, futr_exog=["x"], random_state=0, verbose=0, **options
    )


def test_the_forecast_follows_a_corrected_cell() -> None:
    past, future = frame()
    fitted = model().fit(past)
    found = fitted.predict(futr_df=future)["CovariateRegression"]
    changed = future.assign(x=future["x"].where(future["ds"] < future["ds"].max(), 0.0))
    other = fitted.predict(futr_df=changed)["CovariateRegression"]
    assert abs(found.iloc[7] - 35) < 3
    assert abs(other.iloc[7] - 20) < 3


def test_it_is_saved_with_its_covariates(tmp_path: Path) -> None:
    past, future = frame()
    fitted = model().fit(past)
    fitted.save(tmp_path / "saved")
    loaded = BaselineForecaster.load(tmp_path / "saved")
    args = {"futr_df": future, "level": [80]}
    assert loaded.predict(**args).equals(fitted.predict(**args))


def test_intervals_and_samples_come_from_its_distribution() -> None:
    past, future = frame()
    fitted = model().fit(past)
    found = fitted.predict(futr_df=future, level=[80])
    wide = found["CovariateRegression-hi-80"] - found["CovariateRegression-lo-80"]
    assert (wide > 0).all()
    assert wide[:8].mean() < 8
    assert fitted.predict(futr_df=future, num_samples=5).shape == (16, 8)


def test_cross_validation_reads_the_future_from_the_frame() -> None:
    past, future = frame()
    df = pd.concat([past, future]).sort_values(["unique_id", "ds"])
    found = model().cross_validation(df, n_windows=2, h=8)
    assert (found["CovariateRegression"] - found["y"]).abs().mean() < 4


def test_other_covariates_are_refused() -> None:
    past, _ = frame()
    with pytest.raises(ConfigError, match="reads columns of futr_exog only"):
        model(calendar=True).fit(past)
    with pytest.raises(DataError, match="covariate 'x' holds values that are not numbers"):
        model().fit(past.assign(x="word"))


def test_it_needs_no_covariate() -> None:
    past, _ = frame()
    spec = Spec("covariate_regression")
    fitted = BaselineForecaster(spec, h=8, season_length=24, random_state=0, verbose=0).fit(past)
    assert fitted.predict().shape == (16, 3)
