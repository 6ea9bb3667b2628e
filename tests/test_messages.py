"""Small words in messages: counts, and settings that are refused or named."""

import pytest

from tslm.config import complete, compose
from tslm.errors import ConfigError, counted
from tslm.verdict import Entry, Verdict


def test_one_thing_is_no_plural() -> None:
    said = [counted(n, "validation window") for n in (0, 1, 2)]
    assert said == ["0 validation windows", "1 validation window", "2 validation windows"]
    verdict = Verdict(1, [Entry("AutoTimes", 2.0, 1.0), Entry("last", 1.0, 1.0)])
    with pytest.warns(UserWarning, match="^On 1 validation window AutoTimes has MSE 2"):
        verdict.warn("training it")


@pytest.mark.parametrize("verb", ["fit", "tune", "evaluate", "plot"])
def test_the_frequency_is_checked_before_anything_runs(verb: str) -> None:
    words = ["data=x.csv", "out=m.csv"] + ["forecasts=f.csv"] * (verb in ("evaluate", "plot"))
    assert complete(compose(f"verb/{verb}", [*words, "freq=W-SUN"])).freq == "W-SUN"
    for word, said in (("freq=blah", "freq='blah' is no frequency"), ("freq=H", "is now 'h'"),
                       ("resample=blah", "resample='blah' is no frequency")):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            complete(compose(f"verb/{verb}", [*words, word]))


def test_an_arm_of_any_name_can_be_taken_away_and_added() -> None:
    arms = compose("verb/ablate", ["budget=full", "~budget.arms.llm+profile_ar"]).budget.arms
    assert "llm+profile_ar" not in arms
    assert "llm+full" in arms
    words = ["+budget.arms.random:a/b@c={claim: body}", "+budget.arms.d+e={claim: design}"]
    arms = compose("verb/ablate", words).budget.arms
    assert arms["random:a/b@c"].claim == "body"
    assert arms["d+e"].claim == "design"
