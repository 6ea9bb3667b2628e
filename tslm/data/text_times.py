"""Times written as text: ISO 8601, dates with slashes, quarters, months, weeks, names of months."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from tslm.core.calendar import Calendar, Ints, chronological
from tslm.core.errors import DataError
from tslm.data.number_times import read_numbers, read_text_numbers
from tslm.data.time_writing import NUMBER_FORMATS, TimeColumn, Times

_ORDERS = {"day": (2, 1, 0), "month": (2, 0, 1), "year": (0, 1, 2)}  # places of year, month, day
_SLASHED = (
    r"(\d{1,4})\s?([/.\-])\s?(\d{1,2})\s?\2\s?(\d{1,4})"
    r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp])?\.?(?:[Mm]\.?)?)?"
)
_QUARTERS = r"(?P<year>\d{4})[\s:.\-]*[Qq](?P<q>[1-4])|[Qq](?P<q2>[1-4])[\s:.\-]*(?P<year2>\d{4})"
_MONTHS = r"(\d{4})\s?[Mm](\d{1,2})|(\d{1,2})/(\d{4})"
_WEEKS = r"(\d{4})[\s\-]?W(\d{1,2})"
_NAME = r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_OFFSET = r"\d(?:Z|[+-]\d{2}(?::?\d{2})?)$"


def read_text(column: TimeColumn, text: pd.Series) -> Times:
    """Read text as timestamps or integers; each distinct text is parsed once.

    Raises:
        DataError: if a text is no time, or the column has several readings; says what to pass.
    """
    place, distinct = pd.factorize(text.str.strip())
    written = pd.Series(np.asarray(distinct, dtype=object), dtype=str)
    if column.writing.time_format in NUMBER_FORMATS:
        return Times(read_text_numbers(column, written, place))
    if column.writing.time_format is not None:
        return Times(column.parse_by_format(written, place))
    if written.str.fullmatch(r"[+-]?\d{1,19}(?:\.\d*)?").all():
        whole = written.str.fullmatch(r"[+-]?\d{1,18}").all()
        numbers = written.astype(np.int64 if whole else np.float64)
        return Times(read_numbers(column, numbers.iloc[place].reset_index(drop=True)))
    readings: list[Callable[[pd.Series], pd.Series]] = [
        *(partial(_read_iso, column), _read_quarters, _read_months),
        *(_read_weeks, _read_short_months, _read_named_months),
    ]
    best = pd.Series(pd.NaT, index=written.index)
    for reading in readings:
        stamps = reading(written)
        if stamps.notna().all():
            return Times(stamps.iloc[place].reset_index(drop=True))
        best = max(best, stamps, key=lambda s: int(s.notna().sum()))
    parts = written.str.extract(f"^{_SLASHED}$")
    if parts[0].notna().sum() > best.notna().sum():
        return _read_slashed(column, written, parts, place)
    raise column.no_date(text, best.isna().to_numpy()[place])


def _read_iso(column: TimeColumn, written: pd.Series) -> pd.Series:
    """Read ISO 8601, with or without a time and fractions of a second in each row.

    Raises:
        DataError: if only some rows have a time zone.
    """
    zoned = written.str.contains(_OFFSET).to_numpy() & written.str.contains(":").to_numpy()
    if zoned.any() and not zoned.all():
        naive, aware = written[~zoned].iloc[0], written[zoned].iloc[0]
        raise column.refusal(
            f"has rows with a time zone such as {aware!r} and rows without such as {naive!r}. "
            "Write all of them in one way"
        )
    return column.to_one_zone(written, format="ISO8601", errors="coerce")


def _read_slashed(
    column: TimeColumn, written: pd.Series, parts: pd.DataFrame, place: Ints
) -> Times:
    """Read dates of three numbers, in one order for the whole column.

    Args:
        column: the column.
        written: the distinct texts.
        parts: their numbers, by the groups of ``_SLASHED``.
        place: index of the text of each row.

    Raises:
        DataError: if no order fits all rows, or several do.
    """
    read = {order: _read_in_order(parts, order) for order in _possible_orders(parts)}
    whole = {order: stamps for order, stamps in read.items() if stamps.notna().all()}
    if (asked := column.writing.dayfirst) is not None and "day" in read:
        order = "day" if asked else "month"
        whole = {key: stamps for key, stamps in whole.items() if key == order}
        read = {order: read[order]}
    if not whole:
        raise _no_common_order(column, written, read, place)
    order = next(iter(whole))
    if len(whole) > 1:
        order = _choose_order(column, written, parts, whole, place)
    stamps = whole[order].iloc[place].reset_index(drop=True)
    return Times(stamps, None if order == "year" else order == "day")


def _choose_order(
    column: TimeColumn,
    written: pd.Series,
    parts: pd.DataFrame,
    whole: dict[str, pd.Series],
    place: Ints,
) -> str:
    """Return the order of day and month where several fit all rows.

    It is that of an earlier frame, day first for dots, or the one order that gives regular times.

    Raises:
        DataError: if none of these decides.
    """
    earlier = {True: "day", False: "month"}.get(column.writing.known_dayfirst)  # type: ignore[arg-type]
    if earlier in whole:
        return earlier
    first, *others = whole
    if (parts[1] == ".").all() or all(whole[first].equals(whole[key]) for key in others):
        return first
    regular = [key for key in whole if _is_regular(column, whole[key].iloc[place])]
    if len(regular) == 1:
        return regular[0]
    unlike = np.any([(whole[first] != whole[key]).to_numpy() for key in others], axis=0)
    dates = [f"{stamps.iloc[int(unlike.argmax())]:%-d %B %Y}" for stamps in whole.values()]
    sep = parts[1].iloc[0]
    raise column.refusal(
        f"can be read in {len(whole)} ways: {written.iloc[int(unlike.argmax())]!r} is "
        f"{' or '.join(dict.fromkeys(dates))}. Pass dayfirst=true or dayfirst=false, or the "
        f'format, for example time_format="%d{sep}%m{sep}%Y"'
    )


def _is_regular(column: TimeColumn, stamps: pd.Series) -> bool:
    """Return True if these times have one step, without gaps."""
    try:
        calendar = Calendar.infer(stamps, pd.Series(column.codes))
    except DataError:
        return False
    times = calendar.to_int(stamps)
    order = chronological(column.codes, times)
    steps = np.diff(calendar.count(times[order]))[np.diff(column.codes[order]) == 0]
    return bool((steps == calendar.step).all())


def _no_common_order(
    column: TimeColumn, written: pd.Series, read: dict[str, pd.Series], place: Ints
) -> DataError:
    """Return the error for a column that has no order of day and month for all rows."""
    order = max(read, key=lambda key: int(read[key].iloc[place].notna().sum()))
    bad = read[order].isna().to_numpy()[place]
    row = int(bad.argmax())
    text = written.iloc[place[row]]
    others = [key for key in read if read[key].notna()[place[row]]]
    if not others:
        return column.no_date(written.iloc[place].reset_index(drop=True), bad, order)
    return column.refusal(
        f"has no order of day and month that fits every row: {text!r} in row {row} is a date "
        f"with the {others[0]} first, and {written.iloc[place[int((~bad).argmax())]]!r} in row "
        f"{int((~bad).argmax())} one with the {order} first. Write all rows in one way"
    )


def _possible_orders(parts: pd.DataFrame) -> list[str]:
    """Return the orders that dates of three numbers may have, by the place of the year."""
    first, last = parts[0].str.len(), parts[3].str.len()
    if (first == 4).all():
        return ["year"]
    dashed = (parts[1] == "-").all() and (last == 2).all() and (first == 2).all()
    return ["day", "month", *["year"] * int(dashed)]


def _read_in_order(parts: pd.DataFrame, order: str) -> pd.Series:
    """Read dates of three numbers, with or without a time of day."""
    dates = parts[[0, 2, 3]].astype(float).set_axis(range(3), axis=1)
    year, month, day = (dates[place] for place in _ORDERS[order])
    width = parts[{0: 0, 2: 3}[_ORDERS[order][0]]].str.len()
    year = year.where(width != 2, year + np.where(year < 69, 2000, 1900)).where(width != 3)
    stamps = pd.to_datetime(
        pd.DataFrame({"year": year, "month": month, "day": day}), errors="coerce"
    )
    hour = parts[4].fillna("0").astype(float)
    half = parts[7].str.lower()
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
    seconds = hour * 3600 + parts[5].fillna("0").astype(float) * 60
    seconds = seconds + parts[6].fillna("0").astype(float)
    valid = (hour < 24) & (parts[5].fillna("0").astype(float) < 60)
    return (stamps + pd.to_timedelta(seconds, unit="s")).where(valid & (width != 1))


def _read_quarters(written: pd.Series) -> pd.Series:
    """Read quarters such as "1998 Q1", "1998Q1", "1998-Q1" and "Q1 1998"."""
    parts = written.str.extract(f"^(?:{_QUARTERS})$")
    year, quarter = parts["year"].fillna(parts["year2"]), parts["q"].fillna(parts["q2"])
    return _first_of_month(year, 3 * quarter.astype(float) - 2)


def _read_months(written: pd.Series) -> pd.Series:
    """Read months such as "1998M01" and "01/1998"."""
    parts = written.str.extract(f"^(?:{_MONTHS})$")
    return _first_of_month(parts[0].fillna(parts[3]), parts[1].fillna(parts[2]).astype(float))


def _read_weeks(written: pd.Series) -> pd.Series:
    """Read weeks such as "1998-W03" as their Mondays."""
    parts = written.str.extract(f"^{_WEEKS}$")
    text = parts[0] + "-" + parts[1].str.zfill(2) + "-1"
    return pd.to_datetime(text, format="%G-%V-%u", errors="coerce")


def _read_named_months(written: pd.Series) -> pd.Series:
    """Read dates with the name of a month and a year."""
    dated = written.where(written.str.contains(_NAME) & written.str.contains(r"\d\d\d\d|\d\D+\d"))
    stamps = pd.to_datetime(dated, format="mixed", errors="coerce", dayfirst=True)
    return stamps.where(stamps.dt.year > 1_000)


def _read_short_months(written: pd.Series) -> pd.Series:
    """Read months such as "Jan-98"."""
    parts = written.str.extract(r"^([A-Za-z]{3})[-']{1,2}(\d{2})$")
    return pd.to_datetime(parts[0] + parts[1], format="%b%y", errors="coerce")


def _first_of_month(year: pd.Series, month: pd.Series) -> pd.Series:
    table = pd.DataFrame({"year": year.astype(float), "month": month, "day": 1.0})
    return pd.to_datetime(table, errors="coerce")
