"""Classical rules under the verbs of the estimator."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone

from tests.frames import random_walks, weekly
from tslm import BaselineForecaster, ConfigError, DataError, NotFittedError
from tslm.core.types import Batch, Task
from tslm.models.assembly import rule as rule_of

RULES = ["last", "drift", "mean", "seasonal_naive", "profile", "profile_ar"]


@pytest.mark.parametrize("name", RULES)
def test_a_baseline_is_its_rule_in_the_units_of_y(name: str) -> None:
    df = random_walks()
    ahead = BaselineForecaster(name, h=10, val_size=0).fit(df).predict()
    rule = rule_of(name, Task(1, 1, 7))  # a week of days
    past = torch.from_numpy(df.y.to_numpy().reshape(2, -1, 1).copy())
    expected = rule.forecast(Batch.of(past, torch.zeros(2, 70, dtype=torch.int64)), 10)
    assert list(ahead.columns) == ["unique_id", "ds", type(rule).__name__]
    assert_allclose(ahead.iloc[:, 2], expected.numpy().ravel(), rtol=1e-4)


def test_the_seasonal_naive_repeats_the_last_week() -> None:
    df = random_walks()
    ahead = BaselineForecaster(h=14).fit(df).predict()
    week = df.groupby("unique_id").tail(7).y.to_numpy().reshape(2, 7)
    assert_allclose(ahead.SeasonalNaive, np.tile(week, 2).ravel(), rtol=1e-6)


@pytest.mark.parametrize("name", ["last", "seasonal_naive"])
def test_the_last_value_is_repeated_exactly(name: str) -> None:
    df = random_walks()
    df["y"] = df.y.round(2)
    ahead = BaselineForecaster(name, h=7, alias="rule").fit(df).predict()
    last = df.groupby("unique_id").tail(7)
    if name == "last":
        last = last.assign(y=last.groupby("unique_id").y.transform("last"))
    assert ahead.rule.tolist() == last.y.tolist()


def test_season_and_context_length_can_be_set() -> None:
    df = random_walks()
    ahead = BaselineForecaster(h=3, season_length=2, alias="naive").fit(df).predict()
    pair = df[df.unique_id == "a"].y.to_numpy()[-2:]
    assert_allclose(ahead.naive[:3], [*pair, pair[0]], rtol=1e-6)
    near = BaselineForecaster("mean", h=1, context_length=4).fit(df).predict()
    assert_allclose(near.Mean, df.groupby("unique_id").y.apply(lambda y: y.tail(4).mean()))


def test_new_series_are_forecast_and_others_do_not_matter() -> None:
    model = BaselineForecaster("profile_ar", h=5).fit(random_walks())
    new = random_walks(40, seed=3).replace({"a": "c", "b": "d"})
    both = model.predict(new)
    assert both.unique_id.unique().tolist() == ["c", "d"]
    alone = model.predict(new[new.unique_id == "d"])
    assert_allclose(both.ProfileAR[5:], alone.ProfileAR, rtol=1e-6)


def test_cross_validation_has_columns_of_other_rules() -> None:
    table = BaselineForecaster("last", h=4).cross_validation(
        random_walks(), n_windows=2, baselines=["SeasonalNaive", "mean"]
    )
    names = ["unique_id", "ds", "cutoff", "y", "Last", "SeasonalNaive", "mean"]
    assert list(table.columns) == names
    assert table.cutoff.nunique() == 2
    assert table.groupby(["unique_id", "cutoff"]).Last.nunique().eq(1).all()


def test_parameters_are_those_of_scikit_learn() -> None:
    model = BaselineForecaster("last", h=3)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError, match="BaselineForecaster is not fitted"):
        model.predict()


def test_an_unknown_rule_is_refused_by_fit_with_the_nearest() -> None:
    model = BaselineForecaster("seasonalnaif")
    with pytest.raises(ConfigError, match=r"Did you mean seasonal_naive\?"):
        model.fit(random_walks())


@pytest.mark.filterwarnings("ignore:On .* validation windows")
@pytest.mark.parametrize("name", ["profile_ar", "dlinear"])
def test_a_constant_series_is_continued_with_intervals_of_width_zero(name: str) -> None:
    dice = np.random.default_rng(0)
    ds = pd.date_range("2024-01-01", periods=120, freq="D")
    noisy = [
        pd.DataFrame({"unique_id": f"s{i}", "ds": ds, "y": dice.normal(100, 10, 120)}) for i in "ab"
    ]
    still = pd.DataFrame({"unique_id": "still", "ds": ds, "y": 1000.1})
    model = BaselineForecaster(name, h=3, max_steps=2, accelerator="cpu", random_state=0, verbose=0)
    found = model.fit(pd.concat([*noisy, still])).predict(level=[80])
    rows = found[found.unique_id == "still"].drop(columns=["unique_id", "ds"])
    assert (rows == 1000.1).all(axis=None)
    rest = found[found.unique_id != "still"]
    assert (rest.iloc[:, -1] > rest.iloc[:, -2]).all()
    assert np.isfinite(rest.iloc[:, -1]).all()


def test_an_exactly_seasonal_series_has_finite_intervals_and_is_saved(tmp_path: Path) -> None:
    df = weekly(80)
    settings = {"h": 3, "max_steps": 2, "accelerator": "cpu", "random_state": 0, "verbose": 0}
    model = BaselineForecaster("nlinear", **settings).fit(df)
    model.save(tmp_path / "m")
    again = BaselineForecaster.load(tmp_path / "m").predict(level=[80])
    assert np.isfinite(again.drop(columns=["unique_id", "ds"])).all(axis=None)


def test_a_horizon_longer_than_a_series_is_named() -> None:
    ds = pd.date_range("2024-01-01", periods=200, freq="D")
    df = pd.concat(
        [
            pd.DataFrame({"unique_id": name, "ds": ds[:rows], "y": np.arange(rows) % 7.0})
            for name, rows in (("a", 60), ("b", 5), ("c", 200))
        ]
    )
    model = BaselineForecaster("last", h=70, verbose=0)
    with pytest.warns(UserWarning, match=r"^h=70 is longer than whole series: 'a' has 60 rows\."):
        model.fit(df[df.unique_id != "b"])
    message = r"h=70 .*: 'a', 'b' have 5 to 60 rows.* Set a smaller h, or give"
    with pytest.warns(UserWarning, match=message):
        model.fit(df)
    with pytest.raises(DataError, match="No series is long enough to train on"):
        BaselineForecaster("nlinear", h=70, max_steps=1, verbose=0).fit(df[df.unique_id == "a"])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="h=")
        long = BaselineForecaster("last", h=70, verbose=0).fit(df[df.unique_id == "c"])
        long.predict()
    for given in (None, df):  # fit has kept all 60 rows, or fewer of longer series
        with pytest.warns(UserWarning, match="^h=90 is longer than whole series: 'a', 'b' have"):
            model.predict(given, h=90)
