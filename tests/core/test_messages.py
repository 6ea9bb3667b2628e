"""Messages: names, counts, suggestions and the two checks."""

import numpy as np
import pytest

from tslm.core.errors import ConfigError
from tslm.core.messages import (
    at_least,
    check_choice,
    counted,
    did_you_mean,
    naming,
    nearest,
    unknown_choice,
    whole_number,
)


def test_names_beyond_the_limit_are_left_out() -> None:
    assert naming(["a", "b"]) == "'a', 'b'"
    assert naming(range(7), 2) == "0, 1 and more"
    assert naming(np.array([1, 2])) == "1, 2"


def test_one_thing_is_no_plural() -> None:
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_the_nearest_word_is_found_without_regard_to_case() -> None:
    assert nearest("ETTH", ["ETTh1", "weather"]) == "ETTh1"
    assert nearest("xyz", ["ETTh1", "weather"]) is None
    assert nearest("wether", ["weather"], cutoff=0.99) is None


def test_a_suggestion_is_a_sentence_or_nothing() -> None:
    assert did_you_mean("fti", ["fit", "plot"]) == " Did you mean fit?"
    assert did_you_mean("Y", ["y"], "target_col={!r}") == " Did you mean target_col='y'?"
    assert not did_you_mean("zzz", ["fit", "plot"])


def test_an_unknown_choice_names_the_nearest_and_all_choices() -> None:
    assert (
        unknown_choice("trainer", "onecicle", ["cosine", "one_cycle"])
        == "trainer=onecicle is unknown. Did you mean one_cycle? Choose one of cosine, one_cycle."
    )
    check_choice("edge", "zero", ("zero", "circular"))
    with pytest.raises(ConfigError, match=r"^edge='soft' is unknown\. Choose one of zero, circ"):
        check_choice("edge", "soft", ("zero", "circular"))


def test_a_setting_below_its_minimum_is_named() -> None:
    at_least(1, patch_len=1, stride=2)
    with pytest.raises(ConfigError, match=r"^stride=0 must be at least 1\.$"):
        at_least(1, patch_len=1, stride=0)


@pytest.mark.parametrize("value", [0, True, 1.5, "2", None])
def test_only_whole_numbers_from_the_minimum_on_are_taken(value: object) -> None:
    assert whole_number("h", np.int64(3)) == 3
    with pytest.raises(ConfigError, match="must be a whole number of at least 1"):
        whole_number("h", value)
