"""Holidays and the calendar as features."""

import numpy as np
import pandas as pd
import pytest
from holidays import country_holidays
from numpy.testing import assert_allclose

from tests.data.covariates.sales import H, profile, sales
from tslm import BaselineForecaster, ConfigError
from tslm.core.calendar import Calendar
from tslm.data.covariates.calendar_features import holiday_features

US = country_holidays("US", years=range(2009, 2025))


def within(first: pd.Timestamp, last: pd.Timestamp) -> int:
    return sum(day.date() in US for day in pd.date_range(first, last - pd.Timedelta(days=1)))


@pytest.mark.parametrize("freq", ["W-MON", "W-SUN", "2W-SUN", "MS", "ME", "QS-JAN", "MS-15", "3D"])
def test_a_step_longer_than_a_day_counts_the_holidays_in_it(freq: str) -> None:
    calendar = Calendar(freq)
    origin = calendar.future(calendar.to_int(pd.Series([pd.Timestamp("2015-01-04")])), 30)[0]
    times = pd.DatetimeIndex(calendar.from_int(calendar.uncount(calendar.count(origin))))
    begins, ends, later = holiday_features("US", calendar, calendar.to_int(times)).T
    day = pd.Timedelta(days=1)
    for i in range(1, len(times) - 2):
        assert begins[i] == within(times[i], times[i + 1])
        assert ends[i] == within(times[i - 1] + day, times[i] + day)
        assert later[i] == within(times[i + 1], times[i + 2])


def test_holidays_are_found_in_weekly_data() -> None:
    weeks = pd.date_range("2014-01-06", periods=52 * 8, freq="W-MON")
    free = np.array([within(week, week + pd.Timedelta(days=7)) for week in weeks])
    y = 100 + 40.0 * free + np.random.default_rng(0).normal(0, 2, len(weeks))
    df = pd.DataFrame({"unique_id": "a", "ds": weeks, "y": y})
    model = BaselineForecaster("profile_ar", h=8, season_length=1, holidays="US").fit(df[:-8])
    error = np.abs(model.predict().iloc[:, 2].to_numpy() - y[-8:])
    assert error.max() < 15


def days() -> pd.DataFrame:
    ds = pd.date_range("2022-01-01", "2024-05-20", freq="D")
    free = country_holidays("DE", years=range(2022, 2025))
    closed = np.array([day.date() in free for day in ds])
    y = 10 + (ds.day_of_week < 5) - 8.0 * closed
    dice = np.random.default_rng(0)
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": y + dice.normal(0, 0.1, len(ds))})


def test_holidays_of_a_country_are_known_without_a_future_frame() -> None:
    df = days()
    known = df[df.ds < "2024-04-29"]
    options = {"h": 5, "season_length": 7, "context_length": 28}
    plain, informed = (
        profile(**options, holidays=country).fit(known).predict().Profile
        for country in (None, "DE")
    )
    assert plain[2] > 9
    assert abs(informed[2] - 3) < 2.5  # the first of May, a Wednesday
    assert_allclose(informed[[0, 1, 3, 4]], 11, atol=0.7)  # plain: as if the Monday were Easter's


@pytest.mark.parametrize(
    ("country", "message"),
    [
        ("DEX", "no country 'DEX' is known. Did you mean"),
        ("DE-XY", "DE has no 'XY'"),
        ("??", "no country"),
    ],
)
def test_unknown_countries_name_known_ones(country: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        profile(holidays=country).fit(days())


def test_holidays_need_dates() -> None:
    df = days().assign(ds=lambda t: np.arange(len(t)))
    with pytest.raises(ConfigError, match="needs dates"):
        profile(holidays="DE").fit(df)


def test_a_holiday_is_a_local_day() -> None:

    calendar = Calendar("h", tz="Australia/Melbourne")
    times = pd.date_range("2024-01-25 12:00", periods=26, freq="h", tz="UTC")
    free = holiday_features("AU", calendar, calendar.to_int(times))
    local = times.tz_convert("Australia/Melbourne")
    assert free[:, 0].tolist() == ((local.month == 1) & (local.day == 26)).tolist()


def test_the_calendar_alone_gives_a_short_series_its_season() -> None:
    df = sales(("a", "b", "c"))
    df["y"] = 5 * np.sin(2 * np.pi * df.ds.dt.hour / 24)
    model = profile(calendar=True).fit(df)
    new = df[df.unique_id == "a"].head(9)
    truth = 5 * np.sin(2 * np.pi * np.arange(9, 9 + H) / 24)
    gap = np.abs(model.predict(new).Profile - truth).mean()
    assert gap < 0.2 * np.abs(profile().fit(df).predict(new).Profile - truth).mean()
