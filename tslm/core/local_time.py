"""Local time of a zone: Unix seconds to clock times and back, across daylight saving."""

import numpy as np
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.frequency_steps import Ints


def seconds(stamps: pd.DatetimeIndex) -> Ints:
    """Convert timestamps to Unix seconds (UTC); naive ones count as UTC."""
    if stamps.tz is not None:
        stamps = stamps.tz_convert("UTC").tz_localize(None)
    return stamps.to_numpy().astype("datetime64[s]").astype(np.int64)


def to_wall(values: Ints, tz: str | None) -> Ints:
    """Convert Unix seconds to local times, in seconds since 1970 as if they were UTC.

    Args:
        values: Unix seconds (UTC).
        tz: name of the time zone; None leaves the values as they are.
    """
    if tz is None:
        return values
    stamps = pd.DatetimeIndex(values.astype("datetime64[s]")).tz_localize("UTC")
    return seconds(stamps.tz_convert(tz).tz_localize(None))


def from_wall(wall: Ints, tz: str | None) -> Ints:
    """Convert local times to Unix seconds: the inverse of ``to_wall``.

    A time that occurs twice, as clocks go back, is the first one. A time that clocks skip becomes
    the next one that exists.

    Args:
        wall: local times, in seconds since 1970 as if they were UTC.
        tz: name of the time zone; None leaves the times as they are.
    """
    if tz is None:
        return wall
    stamps = pd.DatetimeIndex(wall.astype("datetime64[s]"))
    summer = np.ones(wall.shape, dtype=bool)
    return seconds(stamps.tz_localize(tz, ambiguous=summer, nonexistent="shift_forward"))


def zone_name(stamps: pd.DatetimeIndex) -> str | None:
    """Return the name of the time zone of timestamps, by which it can be restored.

    Raises:
        DataError: if the zone has no such name.
    """
    if stamps.tz is None:
        return None
    try:
        pd.DatetimeTZDtype("ns", str(stamps.tz))
    except Exception as error:
        raise DataError(
            f"The time zone {stamps.tz!r} has no name to store. Use .dt.tz_convert with one such "
            "as 'Europe/Berlin' or 'UTC'."
        ) from error
    return str(stamps.tz)
