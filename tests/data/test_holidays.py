import numpy as np
import pandas as pd
import pytest
from holidays import country_holidays

from tslm import BaselineForecaster
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
