"""Two shipped data sets for the demonstration: a panel of weekly series, and one hourly series.

Neither the series nor the dates were chosen by the errors of a model. Every fourth weekly series is
taken so that the demonstration is quick. The hourly series ends in September 2012, because the last
weeks of its file have a hurricane and holidays.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

from tslm.core.config.choices import node
from tslm.data.datasets import competitions
from tslm.data.datasets.benchmarks import read_published

BIKES_SHA256 = "b2252681fd3f41eacbbd7242b1184e6aa364c4c01267db2b4b7d706aea184d36"
BIKES_SOURCE = "https://github.com/skforecast/skforecast-datasets (bike_sharing_dataset_clean.csv)"
BIKES_STOP = "2012-10-01"  # time of the first hour that is not used
DAYS = 28  # of bike rentals to forecast, each from the hours before it
EVERY = 4  # every fourth weekly series is used
SIMPLE = ("seasonal_naive", "drift", "theta", "ets", "ces", "profile_ar")
# ``ets`` has several times the error of statsforecast's AutoETS on these hours: no fair comparison
SIMPLE_HOURLY = tuple(name for name in SIMPLE if name != "ets")


@dataclass(frozen=True)
class DemonstrationSet:
    """Series of which the last rows are held out and forecast.

    Attributes:
        name: name of the folder of its results.
        title: description for the reader.
        frame: long frame with the columns ``unique_id``, ``ds`` and ``y``.
        h: steps forecast from each origin.
        origins: number of origins, ``h`` rows apart; the last one leaves ``h`` rows to the end.
        season_length: steps of a season; 1 if there is none.
        simple: names of the simple forecasts beside the model.
    """

    name: str
    title: str
    frame: pd.DataFrame
    h: int
    origins: int
    season_length: int
    simple: tuple[str, ...] = SIMPLE


def demonstration_sets() -> list[DemonstrationSet]:
    """Read both sets.

    Raises:
        DataError: if a file is missing or altered.
    """
    return [weekly(), bikes()]


def weekly() -> DemonstrationSet:
    """Read every fourth weekly series of the M4 competition, with the 13 weeks to forecast."""
    data = competitions.load(node("benchmark", "m4_weekly"))
    whole = {
        name: np.concatenate([data.known[name], data.truth[name]])
        for name in list(data.known)[::EVERY]
    }
    frame = competitions.long_frame(whole)
    title = f"M4 Weekly, every fourth of {len(data.known)} series: the last {data.horizon} weeks"
    return DemonstrationSet("weekly", title, frame, data.horizon, 1, data.season_length)


def bikes() -> DemonstrationSet:
    """Read the hourly bike rentals in Washington to the end of September 2012."""
    content = read_published("bike_sharing_hourly.csv", BIKES_SHA256, "Bike sharing", BIKES_SOURCE)
    table = pd.read_csv(BytesIO(content), parse_dates=["date_time"])
    table = table[table.date_time < BIKES_STOP]
    frame = pd.DataFrame(
        {"unique_id": "bike rentals", "ds": table.date_time, "y": table.users.astype(float)}
    )
    title = f"Hourly bike rentals in Washington: the last {DAYS} days, one day ahead"
    return DemonstrationSet("bikes", title, frame, 24, DAYS, 24, SIMPLE_HOURLY)
