"""foundationforecast's Forecaster, by the real core; its model zoo is not needed and left out."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

if find_spec("foundationforecast") is None or find_spec("gluonts") is None:
    pytest.skip("foundationforecast is not installed: make conformance", allow_module_level=True)

from tests.frames import long_frame
from tslm import ConfigError, TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore")
FAST: dict[str, Any] = {"backbone": "tiny", "max_steps": 5, "accelerator": "cpu", "verbose": 0}


class _Zoo(ModuleType):
    """In place of the models, which need a dozen packages of their own."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@pytest.fixture(scope="module", autouse=True)
def _without_the_zoo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("chronos") is None:
            patch.setitem(sys.modules, "foundationforecast.models", _Zoo("models"))
        yield


@pytest.fixture
def df() -> pd.DataFrame:
    week = np.sin(np.arange(90) / 7 * 2 * np.pi)
    return long_frame({"b": week + 20, "a": week + 5})


def test_it_forecasts_beside_others(df: pd.DataFrame) -> None:
    from foundationforecast import FoundationForecast

    from tslm.interfaces.foundationforecast import TSLM

    fitted = TSLMForecaster(base="profile", random_state=0, h=7, **FAST).fit(df)
    models = [TSLM(TSLMForecaster(base=None, random_state=0, **FAST)), TSLM(fitted, alias="Ready")]
    ahead = FoundationForecast(models=models).forecast(df, h=7, freq="D")
    assert list(ahead.columns) == ["unique_id", "ds", "TSLM", "Ready"]
    assert ahead.groupby("unique_id").size().tolist() == [7, 7]
    assert ahead.groupby("unique_id")["Ready"].mean().round().tolist() == [5, 20]


def test_its_backtest_works(df: pd.DataFrame) -> None:
    from tslm.interfaces.foundationforecast import TSLM

    table = TSLM(TSLMForecaster(base=None, random_state=0, **FAST)).cross_validation(
        df, h=7, n_windows=2
    )
    assert list(table.columns) == ["unique_id", "ds", "cutoff", "y", "TSLM"]
    assert len(table) == 28


def test_covariates_are_refused(df: pd.DataFrame) -> None:
    from tslm.interfaces.foundationforecast import TSLM

    with pytest.raises(ConfigError, match="Future covariates are not supported"):
        TSLM().forecast(df, h=7, X_df=df)
