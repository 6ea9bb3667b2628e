"""Windows in, what follows them out."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from torch import Tensor

from tslm import ConfigError, DataError, NotFittedError, Spec, TSLMWindowRegressor
from tslm.core.types import Batch
from tslm.models.forecast_model import ForecastModel

FAST: dict[str, Any] = {"backbone": "tiny", "accelerator": "cpu", "random_state": 0}


def waves(n: int = 200, length: int = 24, horizon: int = 6) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(n)[:, None] + np.arange(length + horizon)
    series = np.sin(2 * np.pi * steps / 12) * 10 + 50
    return series[:, :length], series[:, length:]


def test_windows_are_continued_in_their_units() -> None:
    X, y = waves()
    model = TSLMWindowRegressor(adapter="autotimes", max_steps=60, **FAST).fit(X[:150], y[:150])
    ahead = model.predict(X[150:])
    assert ahead.shape == (50, 6)
    assert np.abs(ahead - y[150:]).mean() < 0.3 * np.abs(X[150:, -1:] - y[150:]).mean()


@pytest.mark.parametrize("adapter", ["time_llm", "s2ip", "lipcot"])
def test_every_adapter_reads_windows(adapter: str) -> None:
    X, y = waves(40, 96)
    ahead = TSLMWindowRegressor(adapter=adapter, max_steps=2, **FAST).fit(X, y).predict(X[:3])
    assert ahead.shape == (3, 6)
    assert np.abs(ahead - 50).max() < 60


def test_a_single_step_gives_a_flat_forecast() -> None:
    X, y = waves(40, horizon=1)
    model = TSLMWindowRegressor(max_steps=2, **FAST)
    assert model.fit(X, y[:, 0]).predict(X).shape == (40,)
    assert model.fit(X, y).predict(X).shape == (40, 1)


def test_a_forecast_does_not_depend_on_other_windows() -> None:
    X, y = waves()
    model = TSLMWindowRegressor(max_steps=2, **FAST).fit(X, y)
    together = model.predict(X)
    assert_allclose(model.predict(X[37:38]), together[37:38], rtol=1e-6)
    assert_allclose(model.predict(X[::-1]), together[::-1], rtol=1e-6)


def test_many_windows_are_forecast_in_few_calls_and_one_in_a_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = waves(1100)
    model = TSLMWindowRegressor(adapter="autotimes", max_steps=2, **FAST).fit(X, y)
    sizes, forecast = [], ForecastModel.forecast

    def counted(self: ForecastModel, batch: Batch, horizon: int) -> Tensor:
        sizes.append(len(batch.past))
        return forecast(self, batch, horizon)

    monkeypatch.setattr(ForecastModel, "forecast", counted)
    together = model.predict(X)
    assert sizes == [512, 512, 80]
    for first, size in ((0, 1), (1090, 2), (3, 17), (1000, 100)):
        few = model.predict(X[first : first + size])
        assert_allclose(few, together[first : first + size], rtol=1e-6)
        assert sizes.pop() < size + 16


def test_missing_values_are_left_out() -> None:
    X, y = waves()
    holes = X.copy()
    holes[:, 3] = np.nan
    model = TSLMWindowRegressor(max_steps=2, **FAST).fit(holes, y)
    assert np.isfinite(model.predict(holes)).all()
    with pytest.raises(DataError, match="All values of X are missing"):
        model.fit(X * np.nan, y)


def test_the_same_seed_gives_the_same_bits_and_the_backbone_does_not_change() -> None:
    X, y = waves(30)
    model = TSLMWindowRegressor(max_steps=3, **FAST)
    first = model.fit(X, y).predict(X)
    assert np.array_equal(clone(model).fit(X, y).predict(X), first)
    assert not np.array_equal(clone(model).set_params(random_state=1).fit(X, y).predict(X), first)
    assert not any(weight.requires_grad for weight in model.forecaster_.backbone.parameters())
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), first)


def test_a_prompt_that_names_columns_is_refused() -> None:
    with pytest.raises(ConfigError, match="names store, and windows have no columns"):
        TSLMWindowRegressor(prompt="{store}: sales", **FAST).fit(*waves(30))


def test_a_search_reaches_options_of_parts() -> None:
    X, y = waves(60)
    model = TSLMWindowRegressor(adapter=Spec("autotimes"), max_steps=2, **FAST)
    grid = {"adapter__patch_len": [6, 12]}
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2), refit=False).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


def test_wrong_arguments_are_named() -> None:
    X, y = waves()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        TSLMWindowRegressor().predict(X)
    with pytest.raises(ConfigError, match="Set context_length to 20"):
        TSLMWindowRegressor(adapter=Spec("autotimes", patch_len=10), **FAST).fit(X, y)
    with pytest.raises(ConfigError, match="Did you mean"):
        TSLMWindowRegressor(adapter="autotime", **FAST).fit(X, y)
    model = TSLMWindowRegressor(max_steps=2, **FAST).fit(X, y)
    with pytest.raises(DataError, match="expecting 24 features"):
        model.predict(X[:, 1:])


def test_suggested_sizes_follow_the_season() -> None:
    X, y = np.arange(240.0).reshape(8, 30), np.ones((8, 3))
    fast = {"backbone": "tiny", "max_steps": 1, "accelerator": "cpu"}
    model = TSLMWindowRegressor(adapter="autotimes", season_length=5, **fast).fit(X, y)
    assert model.forecaster_.adapter.layout.patch_len == 5
