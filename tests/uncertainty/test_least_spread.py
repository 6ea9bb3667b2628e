"""Intervals of series that are forecast without error: narrow, but never of width zero."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.distribution import LEAST

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows", "ignore:The validation rows are"
)
TINY = {"backbone": "tiny", "max_steps": 1, "accelerator": "cpu"}
DAY = np.arange(140)
SERIES = {
    "integers that repeat": DAY % 7.0,
    "a wave": 10 + np.sin(DAY * 2 * np.pi / 7),
    "few rows": DAY[:21] % 7.0,
    "large values": 1e9 + DAY % 7,
    "small values": 1e-9 * (DAY % 7),
    "no change for long": np.r_[np.random.default_rng(0).normal(size=30), np.full(110, 3.0)],
    "a line": 1.0 * DAY,
    "one value in ten": np.where(DAY % 10 == 3, 1.0, 0.0),
}


def forecast(y: np.ndarray, model: str, conformal: str, **asked: Any) -> pd.DataFrame:
    shared = {"h": 7, "alias": "m", "conformal": conformal, "random_state": 0, "verbose": 0}
    if model == "tiny":
        decoder = "point" if conformal in ("residual", "adaptive") else "quantile"
        made: Any = TSLMForecaster(base=None, decoder=decoder, **TINY, **shared)
    else:
        made = BaselineForecaster(model, **shared)
    df = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024", periods=len(y)), "y": y})
    return made.fit(df).predict(**asked)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize(
    ("model", "conformal"),
    [
        *(("seasonal_naive", name) for name in ("residual", "adaptive")),
        *((model, name) for model in ("profile_ar", "tiny") for name in choices("conformal")),
    ],
)
def test_a_series_without_errors_has_intervals_of_some_width(
    name: str, conformal: str, model: str
) -> None:
    y = SERIES[name]
    table = forecast(y, model, conformal, level=[10, 80])
    assert np.isfinite(table.iloc[:, 2:]).all(axis=None)
    assert (table["m-lo-80"] < table["m-lo-10"]).all()
    assert (table["m-lo-10"] < table["m-hi-10"]).all()
    assert (table["m-hi-10"] < table["m-hi-80"]).all()
    width = (table["m-hi-80"] - table["m-lo-80"]) / y.std()
    assert width.min() > LEAST


def test_the_width_is_that_of_the_least_standard_deviation() -> None:
    y = SERIES["integers that repeat"]
    least = 2 * 1.2816 * LEAST * y.std()
    exact = forecast(y, "seasonal_naive", "residual", quantiles=[0.1, 0.9])
    np.testing.assert_allclose(exact["m-q-90"] - exact["m-q-10"], least, rtol=0.02)


@pytest.mark.parametrize("rows", [21, 140, 700])
def test_a_forecaster_that_misses_the_season_is_not_called_exact(rows: int) -> None:
    y = np.arange(rows) % 7.0
    table = forecast(y, "last", "residual", level=[80])
    ahead = np.arange(rows, rows + 7) % 7
    assert ((table["m-lo-80"] <= ahead) & (ahead <= table["m-hi-80"])).mean() > 0.7


def test_sample_paths_of_a_series_without_errors_differ() -> None:
    for model in ("seasonal_naive", "profile_ar"):
        paths = forecast(SERIES["a wave"], model, "residual", num_samples=20).iloc[:, 3:]
        assert (paths.std(axis=1) > 0).all()


def test_a_constant_series_stays_constant() -> None:
    table = forecast(np.full(140, 5.0), "seasonal_naive", "residual", level=[80])
    assert (table.iloc[:, 2:] == 5).all(axis=None)
