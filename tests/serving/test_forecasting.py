"""Requests that are forecast together: each gets the forecast, warnings and errors of predict."""

import numpy as np
import pandas as pd
import pytest

from tests.frames import long_frame, random_walks
from tslm import BaselineForecaster, Spec, TSLMForecaster
from tslm.core.errors import TslmError, collected_warnings
from tslm.serving.forecasting import Task, forecast
from tslm.serving.model_shelf import ModelShelf
from tslm.serving.requests import ForecastRequest

LEVEL = {"level": [80]}


def served(model, tmp_path):
    model.save(tmp_path / "model")
    return ModelShelf(tmp_path / "model").find(None)


def walks(ids, n=40, seed=0, **times):
    return random_walks(n, ids, seed=seed, **times)


def alone(model, series, futr=None, events=None, static=None, **settings):
    """Return the forecast of predict and its warnings, or its error."""
    tables = {"futr_df": futr, "events": events, "static_df": static}
    with collected_warnings() as warnings:
        try:
            found = model.forecaster.predict(series, **tables, **settings)
        except TslmError as error:
            return str(error), []
    return found, warnings


def check(model, asked, **settings):
    """Compare requests that are forecast together with each of them alone."""
    asked = [each if isinstance(each, dict) else {"series": each} for each in asked]
    asked = [{**settings, **each} for each in asked]
    tasks = [Task.of(model, ForecastRequest(**each)) for each in asked]
    assert len({task.key for task in tasks}) == 1
    found = forecast(tasks)
    for each, one in zip(asked, found, strict=True):
        expected, warnings = alone(model, **each)
        if isinstance(expected, str):
            assert isinstance(one, Exception)
            assert str(one) == expected
            continue
        assert not isinstance(one, Exception), one
        assert one.warnings == list(dict.fromkeys(warnings))
        pd.testing.assert_frame_equal(one.forecast, expected, rtol=1e-5, atol=1e-5)
    return found


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    fitted = BaselineForecaster("theta", h=4, random_state=3, verbose=0).fit(walks(["a", "b"], 80))
    return served(fitted, tmp_path_factory.mktemp("daily"))


def test_known_and_new_ids_and_equal_ids_of_two_requests(daily):
    frames = [walks(["a"], seed=1), walks(["new", "b"], seed=2), walks(["a"], 15, seed=3)]
    check(daily, [*frames, walks(["a", "b"], 12, seed=4, level=900)], **LEVEL)


def test_samples_of_an_id_do_not_depend_on_the_other_requests(daily):
    check(daily, [walks(["a"], seed=1), walks(["z", "a"], seed=2)], num_samples=5)


def test_series_of_unequal_length_and_rows_in_any_order(daily):
    frames = [walks(["a", "b"], n, seed=n).sample(frac=1, random_state=n) for n in (1, 5, 60)]
    check(daily, frames, quantiles=[0.1, 0.5])


def test_ids_that_are_numbers(tmp_path):
    fitted = BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(walks([7, 11], 60))
    frames = [
        walks([7], seed=1),
        walks([11, 2], seed=2),
        walks(["7"], seed=3),
        walks([7.0], seed=4),
    ]
    check(served(fitted, tmp_path), frames)


def test_a_bad_request_does_not_spoil_the_others(daily):
    gap = walks(["gap"], seed=1).drop(index=[4, 5])
    twice = pd.concat([walks(["a"], seed=2), walks(["a"], seed=2)])
    hourly = walks(["a"], seed=3, freq="h")
    text = walks(["a"], seed=4).astype({"y": object})
    text.loc[3, "y"] = "three"
    infinite, empty = walks(["a"], seed=5), walks(["a"], seed=6).head(0)
    infinite.loc[3, "y"] = np.inf
    absent = walks(["a"], seed=7).assign(y=np.nan)
    ends = walks(["a"], seed=8)
    ends.loc[35:, "y"] = np.nan
    lacking = walks(["a"], seed=9).drop(columns="ds")
    late = walks(["a"], seed=10, tz="Europe/Berlin")
    good = [walks([name], seed=number) for number, name in enumerate("abcdefgh")]
    bad = [gap, twice, hourly, text, infinite, empty, absent, ends, lacking, late]
    found = check(daily, [one for pair in zip(bad, [*good, *good], strict=False) for one in pair])
    assert sum(isinstance(one, Exception) for one in found) == 8


def test_a_warning_reaches_its_own_request_only(daily):
    gap = walks(["gap"], seed=1).drop(index=[4, 5])
    found = check(daily, [gap, walks(["a"], seed=2), walks(["b"], seed=3)])
    assert [len(one.warnings) for one in found] == [1, 0, 0]


def test_times_as_text_in_several_ways(daily):
    forms = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y", "%Y%m%d"]
    frames = []
    for number, form in enumerate([*forms, *forms]):
        frame = walks(["a"], seed=number)
        frames.append(frame.assign(ds=frame.ds.dt.strftime(form)))
    check(daily, frames)


@pytest.mark.parametrize("freq", ["h", "15min", "W-TUE", "MS", "ME", "QS", "B", 1])
def test_each_frequency(freq, tmp_path):
    fitted = BaselineForecaster("seasonal_naive", h=3, season_length=4, verbose=0)
    fitted.fit(walks(["a"], 60, freq=freq))
    starts = ["2024-01-01", "2023-05-01"]
    frames = [walks(["a"], 20, seed=1, freq=freq), walks(["b", "c"], 9, seed=2, freq=freq)]
    frames += [walks([start], 13, freq=freq, start=start) for start in starts]
    check(served(fitted, tmp_path), frames)


def test_a_language_model_reads_several_requests_at_once(tmp_path):
    options = {"backbone": "tiny", "max_steps": 3, "base": None, "verbose": 0}
    fitted = TSLMForecaster(h=6, adapter=Spec("autotimes", patch_len=6), **options)
    model = served(fitted.fit(walks(["a", "b"], 90)), tmp_path)
    frames = [walks([name], 30 + number, seed=number) for number, name in enumerate("abcd")]
    check(model, [{"series": frame, "h": 2 + k} for k, frame in enumerate(frames)], **LEVEL)
    check(model, [{"series": frame, "h": 12 - k} for k, frame in enumerate(frames)])


def test_requests_with_covariates_are_forecast_together(tmp_path):
    def priced(ids, n, seed):
        frame = walks(ids, n + 3, seed=seed)
        frame["price"] = np.random.default_rng(seed).normal(size=len(frame))
        frame["y"] += 5 * frame.price
        last = frame.groupby("unique_id").ds.transform("max") - pd.Timedelta(days=3)
        known = frame.ds <= last
        return {"series": frame[known], "futr": frame[~known].drop(columns="y")}

    fitted = BaselineForecaster("theta", h=3, futr_exog=["price"], verbose=0)
    model = served(fitted.fit(priced(["a", "b"], 90, 0)["series"]), tmp_path)
    asked = [priced(["a"], 30, 1), priced(["new"], 12, 2), {"series": walks(["a"])}]
    found = check(model, asked, **LEVEL)
    assert isinstance(found[2], Exception)


def test_statements_are_about_their_own_request_only(daily):
    when = walks(["a"]).ds.max() + pd.Timedelta(days=1)
    events = pd.DataFrame({"text": ["It will be closed."], "start": [when], "end": [when]})
    asked = [{"series": walks(["a"], seed=n), "events": events if n == 1 else None} for n in (0, 1)]
    check(daily, asked)


def test_a_model_that_reads_all_series_together_reads_those_of_one_request(tmp_path):
    fitted = BaselineForecaster("itransformer", h=3, max_steps=2, verbose=0)
    fitted.fit(walks(["a", "b"], 90))
    frames = [walks(["a", "b"], 60, seed=1), walks(["a", "b"], 60, seed=2)]
    check(served(fitted, tmp_path), frames)


def test_the_series_of_fit_and_others_are_forecast_together(daily):
    check(daily, [{"series": None}, walks(["a"], seed=1), {"series": None}])
    ids = [Task.of(daily, ForecastRequest(None, ids=["b"])), Task.of(daily, ForecastRequest(None))]
    first, second = forecast(ids)
    both = daily.forecaster.predict()
    pd.testing.assert_frame_equal(second.forecast, both)
    pd.testing.assert_frame_equal(
        first.forecast, both[both.unique_id == "b"].reset_index(drop=True)
    )


def test_a_horizon_beyond_that_of_fit(daily):
    check(daily, [walks(["a"], 30, seed=1), walks(["b"], 3, seed=2)], h=9)


@pytest.mark.parametrize("name", ["theta", "ces", "profile_ar", "ridge_profile", "climatology"])
def test_requests_of_unequal_horizons_share_a_batch(name, tmp_path):
    fitted = BaselineForecaster(name, h=8, verbose=0).fit(walks(["a", "b"], 160))
    model = served(fitted, tmp_path)
    within = [{"series": walks(["a"], 60, seed=h), "h": h} for h in (1, 8, 3)]
    beyond = [{"series": walks(["a", "n"], 60, seed=h), "h": h} for h in (16, 9)]
    check(model, within, **LEVEL)
    check(model, beyond, **LEVEL)
    keys = {Task.of(model, ForecastRequest(**each)).key for each in [*within, *beyond]}
    assert len(keys) == 2


def test_extreme_scales_side_by_side(daily):
    frames = [long_frame({"a": scale * np.arange(1, 30.0)}) for scale in (1e-9, 1, 1e12)]
    check(daily, [*frames, long_frame({"c": np.full(20, 7.0)})], **LEVEL)
