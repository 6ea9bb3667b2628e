"""Statements in fit, predict and cross_validation: what they change, and what they leave."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.errors import BackboneError, ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=140, freq="D")
FAIR = "There is a fair in the town."


def sales(*, fairs=(), factor=3.0, start=0.0, seed=0):
    """Return a weekly pattern about 100, multiplied on the days of fairs."""
    noise = np.random.default_rng(seed).normal(0, 2, len(DAYS))
    y = start + 100 + 20 * np.sin(2 * np.pi * np.arange(len(DAYS)) / 7) + noise
    for first in fairs:
        y[first : first + 3] *= factor
    return pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": y})


def spans(first, days=3, text=FAIR):
    begin = DAYS[0] + pd.to_timedelta(np.asarray(first), unit="D")
    return pd.DataFrame({"start": begin, "end": begin + pd.Timedelta(days=days - 1), "text": text})


def model(**settings):
    return BaselineForecaster(
        "seasonal_naive", h=7, text_reader="tiny", random_state=0, verbose=0, **settings
    )


FAIRS = (30, 51, 72, 93, 114)
COMING = spans([142])


def test_a_statement_that_returns_has_the_effect_that_it_had():
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    plain = fitted.predict()
    moved = fitted.predict(events=COMING)
    ratio = (moved.SeasonalNaive / plain.SeasonalNaive).to_numpy()
    assert ratio[[0, 1, 5, 6]].tolist() == [1, 1, 1, 1]
    assert ratio[2:5] == pytest.approx([3, 3, 3], rel=0.1)


def test_a_model_without_past_statements_is_not_changed_by_a_reader_without_a_head():
    fitted = model().fit(sales())
    pd.testing.assert_frame_equal(fitted.predict(events=COMING), fitted.predict())


def test_series_with_negative_values_have_shifts():
    frame = sales(start=-100)
    for first in FAIRS:
        frame.loc[first : first + 2, "y"] += 50
    fitted = model().fit(frame, events=spans(FAIRS))
    moved, plain = fitted.predict(events=COMING), fitted.predict()
    gap = (moved.SeasonalNaive - plain.SeasonalNaive).to_numpy()
    assert gap[2:5] == pytest.approx([50, 50, 50], rel=0.1)
    assert gap[[0, 1, 5, 6]].tolist() == [0, 0, 0, 0]


def test_bounds_clamp_points_quantiles_and_samples_in_their_steps_alone():
    fitted = model().fit(sales())
    bounds = COMING.assign(text="", upper=90.0, lower=85.0)
    columns = {"quantiles": [0.1, 0.9], "num_samples": 5}
    plain = fitted.predict(**columns).iloc[:, 2:].to_numpy()
    moved = fitted.predict(events=bounds, **columns).iloc[:, 2:].to_numpy()
    assert (moved[2:5] >= 85).all()
    assert (moved[2:5] <= 90).all()
    inside = np.isin(np.arange(7), [2, 3, 4])
    assert (moved[~inside] == plain[~inside]).all()


def test_intervals_move_with_the_point_and_are_wider_by_the_doubt():
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    plain, moved = fitted.predict(level=[80]), fitted.predict(level=[80], events=COMING)
    wide = moved["SeasonalNaive-hi-80"] - moved["SeasonalNaive-lo-80"]
    before = plain["SeasonalNaive-hi-80"] - plain["SeasonalNaive-lo-80"]
    assert (wide[2:5] > 2.5 * before[2:5]).all()
    assert wide[:2].tolist() == pytest.approx(before[:2].tolist())


def test_a_statement_about_another_series_changes_nothing():
    frame = pd.concat([sales(fairs=FAIRS), sales().assign(unique_id="b")])
    fitted = model().fit(frame, events=spans(FAIRS).assign(unique_id="a"))
    plain = fitted.predict()
    moved = fitted.predict(events=COMING.assign(unique_id="a"))
    other = plain.unique_id == "b"
    assert (moved.SeasonalNaive[other] == plain.SeasonalNaive[other]).all()
    assert (moved.SeasonalNaive[~other] != plain.SeasonalNaive[~other]).sum() == 3


def test_what_was_said_after_the_last_row_is_not_read():
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    late = COMING.assign(said_at=DAYS[-1] + pd.Timedelta(days=1))
    pd.testing.assert_frame_equal(fitted.predict(events=late), fitted.predict())


def test_a_backtest_reads_at_each_origin_only_what_was_said_before():
    frame = sales(fairs=(*FAIRS, 135))
    known = spans((*FAIRS, 135))
    said = known.assign(said_at=known.start)  # each is said on its first day
    plain = model().cross_validation(frame)
    late = model().cross_validation(frame, events=said)
    pd.testing.assert_frame_equal(late, plain)
    early = model().cross_validation(frame, events=known.assign(said_at=DAYS[0]))
    error = (early.y - early.SeasonalNaive).abs().sum()
    assert error < 0.2 * (plain.y - plain.SeasonalNaive).abs().sum()


def test_the_effect_of_a_fair_before_the_origin_is_not_repeated():
    fairs = (*FAIRS, 135)
    fitted = model().fit(sales(fairs=fairs), events=spans(fairs))
    plain, cleaned = fitted.predict(), fitted.predict(events=spans(fairs))
    truth = sales().y.iloc[-7:].to_numpy()
    assert np.abs(plain.SeasonalNaive - truth).mean() > 50
    assert np.abs(cleaned.SeasonalNaive - truth).mean() < 20


def test_a_saved_model_has_the_effects_of_its_past_statements(tmp_path):
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    fitted.save(tmp_path / "model")
    again = BaselineForecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(events=COMING), fitted.predict(events=COMING))


def test_an_adapter_forecast_has_the_effects_too():
    forecaster = TSLMForecaster(
        h=7, backbone="tiny", base=None, max_steps=2, text_reader="tiny", random_state=0, verbose=0
    )
    fitted = forecaster.fit(sales(fairs=FAIRS), events=spans(FAIRS))
    moved, plain = fitted.predict(events=COMING), fitted.predict()
    assert (moved.AutoTimes[2:5] > 1.5 * plain.AutoTimes[2:5]).all()
    assert (moved.AutoTimes[:2] == plain.AutoTimes[:2]).all()


def test_each_sentence_is_read_once_by_all_predictions(caplog, tmp_path, monkeypatch):
    monkeypatch.setenv("TSLM_CACHE", str(tmp_path))
    fitted = model().fit(sales())
    frame = pd.concat([COMING.assign(text=f"Fair number {n} opens today.") for n in range(50)])
    with caplog.at_level("INFO"):
        for _ in range(20):
            fitted.predict(events=frame)
    assert [message for message in caplog.messages if message.startswith("reading")] == [
        "reading 50 sentences with the language model, once"
    ]


def test_an_explanation_says_what_each_statement_did():
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    limit = spans([145], days=1, text="").assign(upper=60.0)
    found = fitted.explain(events=pd.concat([COMING, limit]))
    effects, ahead = found.effects, found.forecasts
    assert effects.steps.tolist() == [3, 1]
    assert effects.factor.tolist() == pytest.approx([3, 1], rel=0.1)
    assert (effects.after / effects.before)[0] == pytest.approx(3, rel=0.1)
    assert effects.after[1] == 60
    assert effects.start.tolist() == [DAYS[0] + pd.Timedelta(days=142), ahead.ds.iloc[5]]
    moved = fitted.predict(events=pd.concat([COMING, limit]))
    assert ahead.SeasonalNaive.tolist() == moved.SeasonalNaive.tolist()
    assert ahead.without.tolist() == fitted.predict().SeasonalNaive.tolist()
    axes = found.plot().axes[0]
    assert len(axes.lines) == 3
    assert "1. There is a fair" in axes.get_xlabel()


def test_a_model_without_words_needs_events_to_explain():
    with pytest.raises(ConfigError, match="Pass events="):
        model().fit(sales()).explain()


def test_a_model_that_was_read_by_another_reader_is_refused():
    fitted = model().fit(sales(fairs=FAIRS), events=spans(FAIRS))
    fitted.statements_ = replace(fitted.statements_, reader="another model")
    with pytest.raises(BackboneError, match="Set the text_reader of fit"):
        fitted.predict(events=COMING)


def test_an_unknown_reader_is_refused_before_the_fit_and_rules_are_named():
    forecaster = model().set_params(text_reader="./rulez")
    with pytest.raises(BackboneError, match="text_reader=rules needs no"):
        forecaster.fit(sales(), events=spans(FAIRS))
    assert not hasattr(forecaster, "forecaster_")


def test_events_of_an_unknown_series_are_refused():
    fitted = model().fit(sales())
    with pytest.raises(DataError, match="events names series 'north', which do not exist"):
        fitted.predict(events=COMING.assign(unique_id="north"))


def test_a_wrong_table_is_refused_before_the_fit():
    with pytest.raises(DataError, match="end is before the start in row 0"):
        model().fit(sales(), events=spans([30], days=-3))


def test_the_order_of_rows_does_not_matter():
    past = spans(FAIRS)
    fitted = model().fit(sales(fairs=FAIRS), events=past)
    turned = model().fit(sales(fairs=FAIRS), events=past.iloc[::-1])
    pd.testing.assert_frame_equal(turned.predict(events=COMING), fitted.predict(events=COMING))
