"""Small words in messages: counts, and settings that are refused or named."""

import pytest

from tslm.errors import counted
from tslm.verdict import Entry, Verdict


def test_one_thing_is_no_plural() -> None:
    said = [counted(n, "validation window") for n in (0, 1, 2)]
    assert said == ["0 validation windows", "1 validation window", "2 validation windows"]
    verdict = Verdict(1, [Entry("AutoTimes", 2.0, 1.0), Entry("last", 1.0, 1.0)])
    with pytest.warns(UserWarning, match="^On 1 validation window AutoTimes has MSE 2"):
        verdict.warn("training it")
