"""Numbers of size are found in sentences; dates and times of day are not."""

import pytest

from tslm.models.text.stated_numbers import stated_number, stated_sizes


@pytest.mark.parametrize(
    ("sentence", "kind", "value"),
    [
        ("Sales rise by 40%.", "percent", 0.4),
        ("Sales rise by 12.5 per cent.", "percent", 0.125),
        ("a fall of forty percent", "percent", 0.4),
        ("three times the usual level", "times", 3),
        ("2.5 times as high", "times", 2.5),
        ("two and a half times the level", "times", 2.5),
        ("a threefold increase", "times", 3),
        ("grow by a factor of one and a half", "times", 1.5),
        ("Sales will double.", "times", 2),
        ("fall to a third of it", "fraction", 1 / 3),
        ("two thirds lower", "fraction", 2 / 3),
        ("From 12:00 for 2 hours it drops by half.", "fraction", 0.5),
    ],
)
def test_a_number_of_size_is_found(sentence: str, kind: str, value: float) -> None:
    found = stated_number(sentence)
    assert found is not None
    assert found.kind == kind
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    "sentence",
    [
        "From 2013-05-28 12:00:00 for 2 hours: closed.",
        "The 3rd floor, since 1998.",
        "It is much higher.",
    ],
)
def test_dates_counts_and_times_of_day_are_no_sizes(sentence: str) -> None:
    assert stated_number(sentence) is None


def test_a_number_can_mean_a_share_more_or_less() -> None:
    table = stated_sizes(["by 40%", "3 times", "nothing"]).log_factors.exp()
    assert table[0].tolist() == pytest.approx([0.4, 1.4, 0.6])
    assert table[1, ::2].tolist() == pytest.approx([3, 1 / 3])
    assert table[2].isnan().all()


def test_standard_deviations_are_no_factors() -> None:
    sentences = ["two standard deviations above", "half a sd below", "1.5 sigmas up", "half of it"]
    stated = stated_sizes(sentences)
    assert stated.deviations.nan_to_num().tolist() == [2, 0.5, 1.5, 0]
    assert stated.log_factors[:3].isnan().all()
