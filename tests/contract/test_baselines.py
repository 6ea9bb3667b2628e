"""Checks of every baseline: each file in ``conf/model`` passes them.

A new baseline is tested here without an edit.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from tests.frames import long_frame
from tslm import BaselineForecaster, ConfigError, DataError, Spec
from tslm.core.config.build import part_class
from tslm.core.config.choices import choices, node
from tslm.estimators.factory import load_estimator
from tslm.estimators.training.weights import trained_weights
from tslm.models.baselines.classical.base import Classical

H = 6
NAMES = choices("model")
ELSEWHERE = {"auto_ets", "auto_theta"}  # those that need statsforecast
HERE = [name for name in NAMES if name not in ELSEWHERE or find_spec("statsforecast")]
JOINT = [name for name in HERE if part_class(node("model", name)).multivariate]
ALONE = [name for name in HERE if name not in JOINT]

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows", "ignore:iTransformer attends", "ignore:The frame lacks"
)


def forecaster(name: str, **options: Any) -> BaselineForecaster:
    small = {"h": H, "context_length": 48, "season_length": 12, "max_steps": 6, "val_size": 24}
    fixed = {"accelerator": "cpu", "random_state": 0, "verbose": 0, "batch_size": 16}
    spec = Spec(name, width=32, heads=4) if name in ("pattn", "patchtst") else name
    return BaselineForecaster(spec, **{**small, **fixed, **options})


def waves(n: int = 160, ids: tuple[str, ...] = ("a", "b"), seed: int = 0) -> pd.DataFrame:
    """A season of twelve hours, a slow walk and noise, on a level of its own per series."""
    rng = np.random.default_rng(seed)
    season = 4 * np.sin(2 * np.pi * np.arange(n) / 12)
    series = {
        name: 30 * k + season + rng.normal(0, 0.3, n).cumsum() + rng.normal(0, 0.3, n)
        for k, name in enumerate(ids)
    }
    return long_frame(series, freq="h")


@cache
def fitted(name: str) -> BaselineForecaster:
    """A baseline on two waves; no test changes it."""
    return forecaster(name).fit(waves())


@cache
def usual(name: str) -> pd.DataFrame:
    """Forecasts of the fitted horizon, from the rows of fit."""
    return fitted(name).predict()


@pytest.fixture(scope="module", params=HERE)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str) -> BaselineForecaster:
    return fitted(name)


@pytest.fixture
def ahead(name: str) -> pd.DataFrame:
    return usual(name).copy()


def test_forecasts_follow_the_last_rows_in_the_units_of_y(
    model: BaselineForecaster, ahead: pd.DataFrame
) -> None:
    assert list(ahead.columns) == ["unique_id", "ds", model.name]
    assert ahead.unique_id.tolist() == ["a"] * H + ["b"] * H
    assert ahead.ds[0] == pd.Timestamp("2024-01-07 16:00")
    gap = ahead.groupby("unique_id")[model.name].mean() - waves().groupby("unique_id").y.mean()
    assert (gap.abs() < 15).all()


def test_any_horizon(model: BaselineForecaster, ahead: pd.DataFrame) -> None:
    for h in (1, 3, H + 1, 3 * H + 2):
        other = model.predict(h=h)
        assert len(other) == 2 * h
        assert np.isfinite(other[model.name]).all()
        if h < H:
            assert_allclose(other[model.name][:h], ahead[model.name][:h], rtol=1e-5)


def test_a_saved_model_forecasts_the_same_bits(model: BaselineForecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = load_estimator(tmp_path / "m")
    assert type(again) is BaselineForecaster
    pd.testing.assert_frame_equal(again.predict(h=15), model.predict(h=15))
    assert again.settings == model.settings
    assert "backbone" not in model.settings


def test_the_same_seed_gives_the_same_bits(name: str, ahead: pd.DataFrame) -> None:
    twin = forecaster(name).fit(waves().sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(twin.predict(), ahead)


def test_a_change_of_units_goes_through(name: str, ahead: pd.DataFrame) -> None:
    twin = forecaster(name).fit(waves().assign(y=lambda df: 1000 * df.y - 5))
    expected = 1000 * ahead[twin.name] - 5
    assert_allclose(twin.predict()[twin.name], expected, rtol=2e-3, atol=20)


def test_gaps_short_series_and_constants_give_finite_forecasts(model: BaselineForecaster) -> None:
    df = waves(ids=("gaps", "flat", "late"))
    df = df[~((df.unique_id == "gaps") & df.index.isin(range(100, 110)))]
    df = df[(df.unique_id != "late") | (df.ds >= df.ds.max() - pd.Timedelta(hours=20))]
    df.loc[df.unique_id == "flat", "y"] = 7.0
    ahead = model.predict(df)
    assert np.isfinite(ahead[model.name]).all()
    flat = ahead[ahead.unique_id == "flat"][model.name]
    assert (flat - 7).abs().max() < 7


def test_the_future_never_changes_a_forecast(model: BaselineForecaster) -> None:
    df, cut = waves(), pd.Timestamp("2024-01-06")
    beside = "last" if model.name == "Mean" else "mean"  # no model stands beside itself
    loud = df.assign(y=df.y.where(df.ds < cut, 1000 - 50 * df.y))
    tables = [
        forecaster(Spec.of(model.model).name).cross_validation(
            frame, n_windows=2, step_size=36, refit=True, baselines=[beside]
        )
        for frame in (df, loud)
    ]
    known = [table[table.cutoff < cut - pd.Timedelta(hours=1)] for table in tables]
    column = [c for c in tables[0] if c not in ("unique_id", "ds", "cutoff", "y")]
    pd.testing.assert_frame_equal(known[0][column], known[1][column])
    assert len(column) == 2
    assert len(known[0])


@pytest.mark.parametrize("name", ALONE)
def test_series_do_not_read_each_other(name: str) -> None:
    model, new = fitted(name), waves(80, ("c", "d", "e"), seed=5)
    together = model.predict(new)
    alone = pd.concat([model.predict(part) for _, part in new.groupby("unique_id")])
    assert_allclose(together[model.name], alone[model.name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", JOINT)
def test_joint_models_read_all_series_on_one_stretch_of_time(name: str) -> None:
    fitted = forecaster(name).fit(waves())
    both, alone = fitted.predict(waves()), fitted.predict(waves()[lambda df: df.unique_id == "a"])
    assert not np.allclose(both[fitted.name][:H], alone[fitted.name])
    more = fitted.predict(waves(60, ("x", "y", "z")))
    assert more.unique_id.nunique() == 3
    df = waves()
    late = df[(df.unique_id == "a") | (df.ds >= "2024-01-03")]  # b begins later
    assert np.isfinite(forecaster(name).fit(late).predict()[fitted.name]).all()
    early = df[(df.unique_id == "a") | (df.ds < "2024-01-06")]
    with pytest.raises(DataError, match=r"end together; series 'b' end before 2024-01-07 15:00"):
        forecaster(name).fit(early)
    between = df.assign(ds=df.ds.where(df.unique_id == "a", df.ds - pd.Timedelta(minutes=30)))
    with pytest.raises(DataError, match="together"):
        forecaster(name).fit(between)


@pytest.mark.parametrize("name", HERE)
def test_nothing_to_train_on_is_an_error_only_for_what_trains(name: str) -> None:
    short = waves(7)
    fitted = forecaster(name, val_size=0, season_length=3)
    part = part_class(node("model", name))
    if issubclass(part, Classical) or part.reads_covariates:
        assert np.isfinite(fitted.fit(short[short.ds.dt.hour < 5]).predict().iloc[:, 2]).all()
    else:
        with pytest.raises(DataError, match="No series is long enough to train on"):
            fitted.fit(short[short.ds.dt.hour < 5])


@pytest.mark.skipif(find_spec("statsforecast") is not None, reason="statsforecast is installed")
@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_needs_another_package_names_it(name: str) -> None:
    with pytest.raises(ConfigError, match=r"needs statsforecast.*pip install 'tslm\[statsforecast"):
        forecaster(name).fit(waves())


def test_every_trained_weight_is_trained() -> None:
    trained = [name for name in HERE if trained_weights(fitted(name).forecaster_)]
    assert len(trained) > 3
    for name in trained:
        torch.manual_seed(0)
        short, longer = (forecaster(name, max_steps=n).fit(waves()) for n in (1, 4))
        first, last = (model.forecaster_.state_dict() for model in (short, longer))
        for key, weight in short.forecaster_.named_parameters():
            moved = not torch.equal(first[key], last[key])
            # the key half of an attention's bias gets no gradient: softmax ignores it
            assert moved or not weight.requires_grad, (name, key)
