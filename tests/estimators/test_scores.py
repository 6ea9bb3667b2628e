"""Forecasts of some series, of the rows of ``fit``, and one number for all of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from utilsforecast.data import generate_series

from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    """Five daily series of 60 to 120 days."""
    frame = generate_series(5, freq="D", min_length=60, max_length=120, seed=1)
    return frame.assign(unique_id=[f"s{number}" for number in frame.unique_id.astype(int)])


def naive(**settings: Any) -> BaselineForecaster:
    return BaselineForecaster("seasonal_naive", **{"h": 7, "verbose": 0, **settings})


def test_some_series_are_forecast_as_among_all(sales: pd.DataFrame) -> None:
    model = naive().fit(sales)
    every = model.predict(level=[80]).set_index("unique_id")
    for some in (["s3", "s1"], np.array(["s3", "s1"]), pd.Index(["s3", "s1"])):
        ahead = model.predict(ids=some, level=[80])
        assert ahead.unique_id.unique().tolist() == ["s3", "s1"]
        pd.testing.assert_frame_equal(ahead.set_index("unique_id"), every.loc[["s3", "s1"]])
    pd.testing.assert_frame_equal(model.predict(sales, ids=["s2"]), model.predict(ids=["s2"]))


def test_future_covariates_are_those_of_the_chosen_series(sales: pd.DataFrame) -> None:
    informed = sales.assign(x=sales.y.to_numpy() ** 2, city=sales.unique_id)
    model = naive(futr_exog=["x"], static_exog=["city"]).fit(informed)
    ahead = model.make_future_dataframe().assign(x=1.0)
    every = model.predict(futr_df=ahead).set_index("unique_id")
    some = model.predict(futr_df=ahead, ids=["s4", "s0"]).set_index("unique_id")
    pd.testing.assert_frame_equal(some, every.loc[["s4", "s0"]])


@pytest.mark.parametrize(
    ("ids", "kind", "message"),
    [
        (["s1", "s11"], DataError, "no series 's11' to forecast. Did you mean 's1'"),
        (["x"], DataError, "There are 's0', 's1'"),
        ("s1", ConfigError, "ids='s1' must be a list"),
        ([], ConfigError, "must be a list"),
        (["s1", "s1"], ConfigError, "twice"),
    ],
)
def test_ids_that_cannot_be_forecast_are_named(
    sales: pd.DataFrame, ids: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        naive().fit(sales).predict(ids=ids)


def test_what_reads_all_series_together_forecasts_all(sales: pd.DataFrame) -> None:
    same = sales[sales.ds.between(sales.groupby("unique_id").ds.min().max(), "2000-02-20")]
    model = BaselineForecaster("itransformer", h=3, max_steps=1, verbose=0).fit(same)
    with pytest.raises(ConfigError, match="reads all series together"):
        model.predict(ids=["s1"])


def test_forecasts_of_the_rows_of_fit_are_those_of_a_backtest_without_training(
    sales: pd.DataFrame,
) -> None:
    model = BaselineForecaster("profile_ar", h=7, context_length=28, verbose=0)
    model.fit(sales)
    found = model.predict_insample(sales, level=[80])
    assert found.columns.tolist()[:5] == ["unique_id", "ds", "cutoff", "y", "ProfileAR"]
    counts = sales.groupby("unique_id").size()
    assert (found.groupby("unique_id").size() == (counts - 28) // 7 * 7).all()
    assert not found.duplicated(["unique_id", "ds"]).any()
    truth = found.merge(sales, on=["unique_id", "ds"], suffixes=("", "_was"))
    assert np.allclose(truth.y, truth.y_was)
    last = found[found.cutoff == found.groupby("unique_id").cutoff.transform("max")]
    known = sales.drop(sales.groupby("unique_id").tail(7).index)
    ahead = model.predict(known, level=[80])
    pd.testing.assert_frame_equal(
        last.drop(columns=["cutoff", "y"]).sort_values(["unique_id", "ds"], ignore_index=True),
        ahead.sort_values(["unique_id", "ds"], ignore_index=True),
    )


def test_a_series_that_is_too_short_has_no_forecast_in_sample(sales: pd.DataFrame) -> None:
    model = naive().fit(sales)
    short = sales[sales.unique_id != "s0"]
    short = pd.concat([short, sales[sales.unique_id == "s0"].head(7)])
    assert set(model.predict_insample(short).unique_id) == {"s1", "s2", "s3", "s4"}
    with pytest.raises(DataError, match="No series has more than h=7 rows"):
        model.predict_insample(short[short.unique_id == "s0"])
    dense = model.predict_insample(sales, h=3, step_size=1)
    assert (dense.groupby(["unique_id", "cutoff"]).size() == 3).all()


def test_the_score_is_the_error_of_the_last_rows_on_the_scale_of_fit(sales: pd.DataFrame) -> None:
    model = naive().fit(sales)
    held = sales.groupby("unique_id").tail(7)
    ahead = model.predict(sales.drop(held.index))
    both = held.merge(ahead, on=["unique_id", "ds"])
    spread = dict(zip(model.contexts_.ids, model.contexts_.spread, strict=True))
    wanted = -((both.y - both.SeasonalNaive).abs() / both.unique_id.map(spread)).mean()
    assert model.score(sales) == pytest.approx(wanted, rel=1e-5)


def test_rows_that_follow_fit_are_forecast_from_its_end(sales: pd.DataFrame) -> None:
    later = sales.groupby("unique_id").tail(10)
    model = naive().fit(sales.drop(later.index))
    both = later.merge(model.predict(h=10), on=["unique_id", "ds"])
    spread = dict(zip(model.contexts_.ids, model.contexts_.spread, strict=True))
    wanted = -((both.y - both.SeasonalNaive).abs() / both.unique_id.map(spread)).mean()
    assert model.score(later) == pytest.approx(wanted, rel=1e-5)
    some = later[later.unique_id.isin(["s1", "s4"])].groupby("unique_id").tail(4)
    assert np.isfinite(model.score(some))


def test_scikit_learn_searches_for_the_options_of_a_part(sales: pd.DataFrame) -> None:
    one = sales[sales.unique_id == sales.unique_id.iloc[-1]].reset_index(drop=True)
    model = TSLMForecaster(
        base=None,
        h=6,
        adapter=Spec("autotimes", patch_len=3),
        backbone="tiny",
        max_steps=2,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    )
    splits = TimeSeriesSplit(2, test_size=6)
    search = GridSearchCV(model, {"adapter__patch_len": [3, 6]}, cv=splits, error_score="raise")
    search.fit(one)
    assert search.best_params_["adapter__patch_len"] in (3, 6)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(one)) == 6
