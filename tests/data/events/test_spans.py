"""Times in words become spans of steps."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tslm.data.events.spans import find_spans
from tslm.data.events.timeline import Timeline


def timeline(freq: str = "h", known: int = 60 * 24, ahead: int = 30 * 24) -> Timeline:
    """Return steps from 1 March 2024; the origin of hours and days is Tuesday, 30 April."""
    times = pd.date_range("2024-03-01", periods=known + ahead, freq=freq)
    return Timeline(times[:known], times[known:])


def days() -> Timeline:
    return timeline("D", 60, 30)


def span(sentence: str, steps: Timeline) -> list[tuple[str, str]]:
    found = [steps.steps(each) for each in find_spans(sentence, steps)]
    form = "%m-%d %H" if steps.step < pd.Timedelta(days=1) else "%m-%d"
    return [(start.strftime(form), end.strftime(form)) for start, end in found]


HOURS = {
    "The road is closed from 2024-05-02 12:00 for 2 hours.": ("05-02 12", "05-02 13"),
    "A match starts on 2 May 2024 at 7 pm and lasts for about three hours.": (
        "05-02 19",
        "05-02 21",
    ),
    "Roadworks on May 3rd between 08:00 and 14:00 slow the traffic.": ("05-03 08", "05-03 13"),
    "Between 10 am and noon tomorrow the line is shut.": ("05-01 10", "05-01 11"),
    "A two-hour test at 2024-05-04 10:00 is planned.": ("05-04 10", "05-04 11"),
    "From 22:00 on 3 May to 06:00 on 4 May there is no service.": ("05-03 22", "05-04 05"),
    "The pump stopped 2024-04-10T05:00 and ran again on 2024-04-10T09:00.": (
        "04-10 05",
        "04-10 05",
    ),
    "No power over the next 6 hours.": ("04-30 00", "04-30 05"),
    "The market is open on Saturday from 9:00 to 13:00.": ("05-04 09", "05-04 12"),
    "Strike on 05/06/2024.": ("05-06 00", "05-06 23"),
    "Yesterday the sensor failed.": ("04-29 00", "04-29 23"),
    "It will rain until 3 May.": ("04-30 00", "05-03 23"),
    "Sales fall in the 2 days before 2024-05-10.": ("05-08 00", "05-09 23"),
}
DAYS = {
    "A fair takes place from 3 to 5 May.": ("05-03", "05-05"),
    "A fair takes place May 3-5.": ("05-03", "05-05"),
    "Closed between the 3rd and the 5th of May.": ("05-03", "05-05"),
    "A fair takes place from May 3 to May 5.": ("05-03", "05-05"),
    "A fair takes place from 2024-05-03 to 2024-05-05, inclusive.": ("05-03", "05-05"),
    "The shop is shut from 2024-05-03 00:00:00 until 2024-05-05 00:00:00.": ("05-03", "05-05"),
    "The shop closes on the 24th of May.": ("05-24", "05-24"),
    "Starting on 20 May 2024 prices rise.": ("05-20", "05-29"),
    "Since 27 April there is a strike.": ("04-27", "05-29"),
    "For 10 days from 2024-05-04 the machine is empty.": ("05-04", "05-13"),
    "Two weeks ago there was a dip.": ("04-16", "04-22"),
    "In March demand was low.": ("03-01", "03-31"),
    "Next week we expect snow.": ("05-06", "05-12"),
    "This weekend the museum is free.": ("05-04", "05-05"),
    "On Friday the office is closed.": ("05-03", "05-03"),
    "On Easter Monday nobody worked.": ("04-01", "04-01"),
    "After 2024-05-20 the lane reopens.": ("05-21", "05-29"),
    "Am 24.05.2024 geschlossen.": ("05-24", "05-24"),
}


@pytest.mark.parametrize(("sentence", "expected"), HOURS.items())
def test_a_time_of_day_names_the_hours_before_its_end(
    sentence: str, expected: tuple[str, str]
) -> None:
    assert expected in span(sentence, timeline())


@pytest.mark.parametrize(("sentence", "expected"), DAYS.items())
def test_a_date_names_whole_days_and_its_end_is_included(
    sentence: str, expected: tuple[str, str]
) -> None:
    assert span(sentence, days()) == [expected]


@pytest.mark.parametrize(
    ("sentence", "first", "count"),
    [
        ("Every day between 08:00 and 14:00 the sensor was off.", ("03-01 08", "03-01 13"), 60),
        ("The lift will be off daily from 22:00 to 06:00.", ("04-30 00", "04-30 05"), 31),
        ("Every Saturday and Sunday from 10 am to 4 pm a market will be held.",
         ("05-04 10", "05-04 15"), 8),
        ("On Mondays in May the shop is closed.", ("05-06 00", "05-06 23"), 4),
        ("At weekends in May traffic is low.", ("05-04 00", "05-04 23"), 8),
        ("It was cleaned for 7 days, every 15 days, starting from 2024-03-12.",
         ("03-12 00", "03-18 23"), 4),
        ("The pump runs every 6 hours for 1 hour from 2024-05-29 on.", ("05-29 00", "05-29 00"), 4),
        ("On the 1st of each month rent is due.", ("03-01 00", "03-01 23"), 3),
    ],
)  # fmt: skip
def test_what_recurs_has_a_span_for_each_time(
    sentence: str, first: tuple[str, str], count: int
) -> None:
    found = span(sentence, timeline())
    assert (found[0], len(found)) == (first, count)


def test_a_recurrence_within_a_step_is_one_span() -> None:
    monthly = Timeline(
        pd.date_range("2023-01-01", periods=12, freq="MS"),
        pd.date_range("2024-01-01", periods=6, freq="MS"),
    )
    assert span("They will spray every day starting on 2024-03.", monthly) == [("03-01", "06-01")]


def test_a_time_without_a_date_lies_in_the_only_day_of_the_series() -> None:
    minutes = pd.date_range("1970-01-01 05:00", periods=120, freq="min")
    one = Timeline(minutes[:90], minutes[90:])
    (found,) = find_spans("The valve opens from 06:35 until 06:40.", one)
    assert (found.start, found.stop) == (minutes[95], minutes[100])


@pytest.mark.parametrize(
    "sentence",
    [
        "Sales will double.",
        "Es wird viel los sein.",
        "売上は倍増します。",
        "Model 3000-12 is new.",
        "",
    ],
)
def test_a_sentence_without_a_time_has_no_span(sentence: str) -> None:
    assert find_spans(sentence, timeline()) == []


PIECES = st.sampled_from(
    [
        *("from", "until", "every", "for", "2024-05-02", "31 February", "25:00", "12:00", "."),
        *("9999-12-31", "99999999999 years", "on Mondays", "1/1/1", "0 days", "-", "next week"),
        *("ago", "in 3 days", "29 February", "24:00", "last month", "first day of each month"),
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=9).map(" ".join)))
def test_no_text_fails(text: str) -> None:
    for one in (timeline(), days()):
        for each in find_spans(text, one):
            start, end = one.steps(each)
            assert start <= end
