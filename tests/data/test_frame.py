import datetime
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from utilsforecast.preprocessing import fill_gaps

from tests.frames import long_frame
from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, DataError
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.panel import Panel


def long(n: int = 6, ids: tuple[Any, ...] = ("a", "b"), freq: str = "D") -> pd.DataFrame:
    return long_frame({i: k * 10.0 + np.arange(n) for k, i in enumerate(ids)}, freq=freq)


def read(df: Any, **options: Any) -> Frame:
    return read_frame(df, Columns(), **options)


def refuse(df: Any, message: str, **options: Any) -> None:
    with pytest.raises(DataError, match=message):
        read(df, **options)


def without(df: pd.DataFrame, *rows: int) -> pd.DataFrame:
    return df.drop(index=list(rows))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_row_order_and_index_change_nothing_and_the_frame_stays_as_it_was(
    data: st.DataObject,
) -> None:
    freq = data.draw(st.sampled_from(["h", "D", "MS", "W-SUN"]))
    df = long(data.draw(st.integers(5, 9)), (3, 1, 2), freq)
    mixed = df.iloc[data.draw(st.permutations(range(len(df))))]
    if data.draw(st.booleans()):
        mixed = mixed.set_index("unique_id")
    before = mixed.copy(deep=True)
    got = read(mixed)
    pd.testing.assert_frame_equal(mixed, before)
    expected = df.sort_values(["unique_id", "ds"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(got.table, expected)
    one, two = Panel.from_frame(got), Panel.from_frame(read(df))
    assert one.values.tolist() == two.values.tolist()
    assert one.stats == two.stats


@pytest.mark.parametrize("freq", ["h", "15min", "D", "MS", "W-WED", "QS"])
@pytest.mark.filterwarnings("ignore:The frame lacks")
def test_gaps_are_filled_as_utilsforecast_fills_them(freq: str) -> None:
    df = long(40, freq=freq).drop(index=[3, 4, 50])
    expected = fill_gaps(df, freq, end="per_serie")
    got = read(df)
    pd.testing.assert_frame_equal(got.table, expected, check_dtype=False)
    assert (got.report.gaps, got.report.missing) == (3, 0)
    assert got.report.worst == {"a": 2, "b": 1}
    assert got.offsets.tolist() == [0, 40, 80]


@pytest.mark.filterwarnings("ignore:The frame lacks")
@pytest.mark.parametrize("freq", ["h", "D"])
def test_gaps_over_daylight_saving_are_filled(freq: str) -> None:
    ds = pd.date_range("2024-03-20", periods=300, freq=freq, tz="Europe/Berlin")
    df = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(300.0)})
    table = read(df.drop(index=range(250, 270))).table
    pd.testing.assert_series_equal(table["ds"], df["ds"])
    assert table["y"].isna().sum() == 20


@pytest.mark.parametrize(
    ("missing", "filled"),
    [("interpolate", [np.nan, 1, 2, 3, 3]), ("ffill", [np.nan, 1, 1, 3, 3])],
)
def test_missing_values_are_filled_within_their_series(missing: str, filled: list[float]) -> None:
    df = long(5)
    df["y"] = [np.nan, 1, np.nan, 3, np.nan] * 2
    got = read(df, missing=missing)
    np.testing.assert_array_equal(got.table["y"], filled * 2)
    assert got.report.missing == 6


def test_one_warning_names_series_with_gaps_and_none_comes_without() -> None:
    df = long()
    df.loc[8, "y"] = np.nan
    with pytest.warns(UserWarning, match=r"lacks 1 row .* a value in 1 row: series 'a', 'b'") as w:
        read(without(df, 2))
    assert len(w) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(long())
        read(without(long(), 2), missing="ffill")


def test_missing_can_be_refused() -> None:
    refuse(without(long(), 2), r"'a' at 2024-01-03 00:00:00.*missing='mask'", missing="raise")


@pytest.mark.parametrize(("how", "value"), [("first", 2.0), ("last", 8.0), ("mean", 5.0)])
def test_duplicates_are_settled_as_asked(how: str, value: float) -> None:
    df = pd.concat([long(), long().iloc[[2]].assign(y=8.0)])
    got = read(df, on_duplicate=how)
    assert got.table["y"][2] == value
    assert got.report.duplicates == 1
    refuse(df, r"same time: series 'a' at 2024-01-03.*on_duplicate='first'")


@pytest.mark.parametrize(("how", "values"), [("first", [np.nan, 1.0]), ("last", [1.0, np.nan])])
def test_duplicates_that_leave_no_value_are_refused(how: str, values: list[float]) -> None:
    df = long().iloc[[0, 0]].assign(y=values)
    message = rf"on_duplicate='{how}' takes the {how} row.*'a' have no value left.*'mean'"
    refuse(df, message, on_duplicate=how)
    assert read(df, on_duplicate="mean", freq="D").table["y"].tolist() == [1.0]


@pytest.mark.parametrize(
    "y",
    [np.array([1, 0, 1] * 4), np.array([True, False, True] * 4),
     pd.array([1, 0, 1] * 4, dtype="Int64"), pd.array([1, 0, 1] * 4, dtype="Float64"),
     np.array([Decimal(1), Decimal(0), Decimal(1)] * 4), np.array([1, 0.0, True] * 4, dtype=object),
     pd.array([True, False, True] * 4, dtype="boolean"), np.array([1, 0, 1] * 4, np.float32),
     pd.array([1, 0, 1] * 4, dtype="int64[pyarrow]")],
)  # fmt: skip
def test_any_kind_of_number_becomes_float64(y: Any) -> None:
    got = read(long().assign(y=y)).table["y"]
    assert got.dtype == np.float64
    assert got.tolist() == [1.0, 0.0, 1.0] * 4


@pytest.mark.parametrize("dtype", [object, "Float64", "Int64"])
def test_absent_numbers_are_missing(dtype: Any) -> None:
    y = pd.Series([1, None] * 6, dtype=dtype)
    assert read(long().assign(y=y), missing="ffill").report.missing == 6


@pytest.mark.parametrize(
    "ids",
    [["x", "y"], [7, -3], [0.5, 1.5], [1, "b"], pd.Categorical(["q", "p"], ["q", "p", "z"])],
)
def test_ids_of_any_kind_stay_what_they_are(ids: Any) -> None:
    df = long()
    df["unique_id"] = pd.Series(np.repeat(np.asarray(ids, dtype=object), 6)).infer_objects()
    if isinstance(ids, pd.Categorical):
        df["unique_id"] = df["unique_id"].astype(ids.dtype)
    got = read(df)
    assert got.ids.tolist() == sorted(list(ids), key=str)
    assert list(got.table["unique_id"].unique()) == got.ids.tolist()


@pytest.mark.parametrize(
    "ds",
    [["2024-01-01", "2024-01-02", "2024-01-03"], ["20240101", "20240102", "20240103"],
     [datetime.date(2024, 1, i) for i in (1, 2, 3)]],
)  # fmt: skip
def test_dates_as_text_or_objects_are_read(ds: list[Any]) -> None:
    got = read(pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1, 2, 3]}))
    assert got.calendar.freq == "D"
    assert got.table["ds"].dt.day.tolist() == [1, 2, 3]


def test_integer_time_is_a_grid_too() -> None:
    df = pd.DataFrame({"unique_id": 1, "ds": [4, 2, 10, 8], "y": [1.0, 2, 3, 4]})
    got = read(df, missing="interpolate").table
    assert got["ds"].tolist() == [2, 4, 6, 8, 10]
    assert got["y"].tolist() == [2, 1, 2.5, 4, 3]


def test_columns_may_have_other_names() -> None:
    df = long().rename(columns={"unique_id": "shop", "ds": "day", "y": "sales"})
    got = read_frame(df, Columns("shop", "day", "sales"))
    assert list(got.table) == ["unique_id", "ds", "y"]
    refuse(df, r"no column 'ds'; it has 'shop', 'day', 'sales'.* Pass time_col=NAME")
    refuse(long().rename(columns={"ds": "Ds"}), r"Did you mean time_col='Ds'\?")


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("unique_id", 2, None, "'unique_id' is missing in 1 row, the first of them row 2"),
        ("ds", 3, pd.NaT, r"'ds' is missing \(NaT\) in 1 row, the first of them row 3"),
        ("y", 4, np.inf, r"infinite in series 'a' at 2024-01-05 00:00:00"),
        ("ds", 4, pd.Timestamp("2024-01-05 00:07"), r"1 of 40 .*'a' at 2024-01-05 00:07:00\.$"),
        ("ds", 0, pd.Timestamp("2023-12-31 00:07"), r"1 of 40 .*'a' at 2023-12-31 00:07:00\.$"),
        ("ds", 1, pd.Timestamp("2024-01-02 00:00:00.5"), "fractions of a second.* in row 1"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named(column: str, row: int, value: Any, message: str) -> None:
    df = long(20)
    df.loc[row, column] = value
    refuse(df, message)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [("y", ["1", "x"] * 6, r"'y' holds 'x' in row 1.*pd\.to_numeric"),
     ("y", pd.date_range("2024", periods=12), r"target column \('y'\).*numeric.*astype\(float\)"),
     ("y", [1j] * 12, "complex"),
     ("y", [np.nan] * 6 + [1.0] * 6, "Series 'a' have no value at all"),
     ("ds", np.arange(12) / 4, "numbers with fractions, such as 0.25.*pd.to_datetime"),
     ("ds", ["2024-01-01"] * 11 + ["soon"], "holds 'soon' in row 11, which is no date"),
     ("ds", [True, False] * 6, "dtype bool"),
     ("unique_id", pd.date_range("2024", periods=12), r"Ids are strings or numbers"),
     ("unique_id", [("a", 1)] * 12, r"Ids are strings or numbers")],
)  # fmt: skip
def test_a_bad_column_is_named(column: str, values: Any, message: str) -> None:
    df = long()
    df[column] = pd.Series(values)
    refuse(df, message)


def test_values_that_are_no_frame_are_refused() -> None:
    refuse([1, 2], "The data are a list")
    refuse(long().iloc[:0], "The frame is empty")
    refuse(pd.concat([long(), long()[["y"]]], axis=1), "has 2 columns 'y'")
    polars = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
    refuse(polars(), r"\.to_pandas\(\)")


def test_wrong_anchors_and_odd_dates_are_named() -> None:
    refuse(
        long(freq="W-MON"),
        "12 of 12 rows are off the grid of freq='W-SUN'.*None infers it",
        freq="W",
    )
    df = long().astype({"ds": "datetime64[s]"})
    df.loc[5, "ds"] = pd.Timestamp("9999-12-31")
    refuse(df, "years 1678 to 2261; series 'a' at 9999-12-31")
    df = long(freq="s")
    df.loc[5, "ds"] = pd.Timestamp("2034-01-01")
    refuse(df, "Series 'a' has 6 rows but spans 315619201 steps of freq='s'")


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"missing='drop' is unknown\. Choose one of mask, raise"):
        read(long(), missing="drop")
    with pytest.raises(ConfigError, match="on_duplicate='sum' is unknown"):
        read(long(), on_duplicate="sum")


def test_a_known_calendar_holds_for_new_frames() -> None:
    calendar = read(long(freq="h")).calendar
    assert read(long(1), calendar=calendar).calendar.freq == "h"
    refuse(long().assign(ds=range(12)), "holds integers, but .* timestamps without a time zone",
           calendar=calendar)  # fmt: skip
    df = long(freq="h")
    df["ds"] = df["ds"].dt.tz_localize("UTC")
    refuse(df, "with a time zone, but the model was fitted on .* without", calendar=calendar)
    tokyo = Calendar("h", "Asia/Tokyo")
    assert read(df, calendar=tokyo).calendar.tz == "UTC"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_hostile_frame_is_read_or_refused(data: st.DataObject) -> None:
    cell = st.none() | st.integers(-3, 3) | st.floats() | st.text(max_size=3) | st.booleans()
    when = st.datetimes() | st.dates() | st.integers(0, 20) | cell
    days = st.integers(0, 40).map(lambda n: pd.Timestamp("2024-01-01") + pd.Timedelta(days=n))
    kinds = [st.sampled_from([cell, st.sampled_from("ab"), st.integers(0, 2)]),
             st.sampled_from([when, days, days, st.integers(0, 20), st.datetimes()]),
             st.sampled_from([cell, st.floats(), st.integers(-5, 5)])]  # fmt: skip
    n = data.draw(st.integers(0, 8))
    picked = [data.draw(kind) for kind in kinds]
    columns = [data.draw(st.lists(kind, min_size=n, max_size=n)) for kind in picked]
    df = pd.DataFrame(dict(zip(["unique_id", "ds", "y"], map(pd.Series, columns), strict=True)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The frame lacks")
        try:
            frame = read(df, on_duplicate="mean")
        except DataError:
            return
        assert np.isfinite(Panel.from_frame(frame).loc).all()
    assert frame.table["y"].dtype == np.float64
    assert len(frame.table) == frame.report.rows == frame.offsets[-1]


def test_jitter_is_refused_with_its_first_row_and_the_line_that_rounds() -> None:
    minutes = pd.date_range("2020-01-01", periods=60, freq="min")
    late = [t + pd.Timedelta(seconds=i % 3) for i, t in enumerate(minutes)]
    df = pd.DataFrame({"unique_id": "a", "ds": late, "y": np.arange(60.0)})
    words = (r"^40 of 60 rows are off the grid of freq='min'\. Average the rows of "
             r"each step with resample='min', or move them: df\.ds = df\.ds\.dt\.round\('min'\)\. "
             r"The first: series 'a'")  # fmt: skip
    refuse(df, words)
    refuse(df, words.replace(r"\. The", ".* The"), freq="min")
    assert read(df, resample="min").calendar.freq == "min"
    rounded = df.assign(ds=df.ds.dt.round("min"))
    assert read(rounded).calendar.freq == "min"
    hours = pd.to_timedelta(np.arange(60) % 5, unit="h")
    varying = df.assign(ds=pd.date_range("2020-01-01", periods=60) + hours)
    refuse(varying, r"48 of 60 rows are off the grid of freq='D'.*at 2020-01-02 01:00:00")
    both = pd.concat([df, df.assign(unique_id="b", ds=df.ds + pd.Timedelta(seconds=7))])
    refuse(both.rename(columns={"ds": "the time"}).rename(columns={"the time": "ds"}), "80 of 120")


def test_days_with_many_gaps_are_told_to_name_their_frequency() -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta([0, 5, 10, 11, 24, 29, 41, 46], "D")
    df = pd.DataFrame({"unique_id": "a", "ds": days, "y": 1.0})
    refuse(df, r"off the grid of freq='5D'.* or, if these are gaps, pass freq='D'\.")
    with pytest.warns(UserWarning, match="lacks 39 rows"):
        assert len(read_frame(df, Columns(), freq="D").table) == 47
    quarters = df.assign(ds=days[0] + (days - days[0]) / 96)
    refuse(quarters, r"off the grid of freq='h'.* pass freq='15min'\.")


def test_local_days_stored_in_utc_are_refused_with_their_time_zone() -> None:
    days = pd.date_range("2024-01-01", periods=200, tz="Europe/Berlin").tz_convert("UTC")
    df = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(200.0)})
    refuse(df, "91 of 200 rows are off the grid.* name its zone: tz='Europe/Berlin'")


def test_a_later_frame_of_another_frequency_is_refused_by_both_names() -> None:
    calendar = read(long()).calendar
    message = "The rows have freq={!r}, but the model was fitted on freq='D'.*resample='D'"
    for freq in ("W-MON", "h", "MS"):
        refuse(long(freq=freq), message.format(freq), calendar=calendar)
    refuse(long(), "freq='D', but the model was fitted on freq='h'",
           calendar=read(long(freq="h")).calendar)  # fmt: skip
    assert read(long(1), calendar=calendar).calendar.freq == "D"
    with pytest.warns(UserWarning, match="The frame lacks"):
        read(long(9).drop(index=[2, 3, 5]), calendar=calendar)


@pytest.mark.parametrize(("rows", "freq"), [("MS", "D"), ("D", "h"), ("W-SUN", "D"), ("QS", "MS")])
def test_a_frequency_finer_than_the_rows_is_refused(rows: str, freq: str) -> None:
    refuse(
        long(25, freq=rows), rf"freq='{freq}' is finer than the rows.*pass freq='{rows}", freq=freq
    )
    mixed = pd.concat([long(25, ("a",), rows), long(25, ("b",), freq)])
    with pytest.warns(UserWarning, match="The frame lacks"):
        assert read(mixed, freq=freq).calendar.freq == freq
