"""Small words in messages: counts, and settings that are refused or named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import counted
from tslm.estimators.validation.verdict import Entry, Verdict


def test_one_thing_is_no_plural() -> None:
    texts = [counted(n, "validation window") for n in (0, 1, 2)]
    assert texts == ["0 validation windows", "1 validation window", "2 validation windows"]
    verdict = Verdict(1, [Entry("AutoTimes", 2.0, 1.0), Entry("last", 1.0, 1.0)])
    with pytest.warns(UserWarning, match="^On 1 validation window AutoTimes has MSE 2"):
        verdict.warn("training it")


@pytest.mark.parametrize("verb", ["fit", "tune", "evaluate", "plot"])
def test_the_frequency_is_checked_before_anything_runs(verb: str) -> None:
    words = ["data=x.csv", "out=m.csv"] + ["forecasts=f.csv"] * (verb in ("evaluate", "plot"))
    assert complete(compose(f"verb/{verb}", [*words, "freq=W-SUN"])).freq == "W-SUN"
    for word, message in (("freq=blah", "freq='blah' is no frequency"), ("freq=H", "is now 'h'"),
                       ("resample=blah", "resample='blah' is no frequency")):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            complete(compose(f"verb/{verb}", [*words, word]))


def test_an_arm_of_any_name_can_be_taken_away_and_added() -> None:
    arms = compose("verb/ablate", ["budget=full", "~budget.arms.llm+profile_ar"]).budget.arms
    assert "llm+profile_ar" not in arms
    assert "llm+full" in arms
    words = ["+budget.arms.random:a/b@c={claim: body}", "+budget.arms.d+e={claim: design}"]
    arms = compose("verb/ablate", words).budget.arms
    assert arms["random:a/b@c"].claim == "body"
    assert arms["d+e"].claim == "design"


DAYS = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=40), "sales": np.arange(40.0)})


def test_a_missing_target_is_named_beside_the_columns_of_the_user() -> None:
    with pytest.raises(DataError, match=r"no column 'sold'; it has 'ds', 'sales'\..*NAME"):
        BaselineForecaster("last", h=2, target_col="sold").fit(DAYS)
    with pytest.raises(
        DataError, match=r"no column 'y'.*numbers: none; it has 'ds', 'sales'.*NAME"
    ):
        BaselineForecaster("last", h=2).fit(DAYS.assign(sales="x"))


@pytest.mark.filterwarnings("ignore:On the last training windows")
def test_covariates_that_were_changed_after_fit_are_refused(tmp_path: Path) -> None:
    df = DAYS.rename(columns={"sales": "y"})
    df = df.assign(price=np.arange(40) % 3, promotion=0)
    later = pd.DataFrame({"ds": pd.date_range("2024-02-10", periods=2), "price": 1, "promotion": 0})
    model = BaselineForecaster("last", h=2, futr_exog=["price"], verbose=0).fit(df)
    uses = (
        lambda: model.save(tmp_path / "m"),
        lambda: model.predict(futr_df=later),
        lambda: model.predict(df, futr_df=later),
        lambda: model.predict_insample(df),
        lambda: model.score(df),
        lambda: model.recalibrate(df),
        lambda: model.make_future_dataframe(),
        lambda: model.get_missing_future(later),
        lambda: model.forecast(torch.zeros(1, 9, 1)),
    )
    for name, value in (("futr_exog", ["promotion"]), ("futr_exog", None), ("calendar", True)):
        before = model.get_params(deep=False)[name]
        model.set_params(**{name: value})
        for use in uses:
            with pytest.raises(ConfigError, match=rf"{name} was changed from .* after fit"):
                use()
        model.set_params(**{name: before})
    assert not (tmp_path / "m").exists()
    model.save(tmp_path / "m")
    assert BaselineForecaster.load(tmp_path / "m").futr_exog == ["price"]
    assert len(model.set_params(futr_exog=None).cross_validation(df)) == 2  # this fits again


def test_covariates_that_were_added_after_fit_are_refused(tmp_path: Path) -> None:
    df = DAYS.rename(columns={"sales": "y"}).assign(price=np.arange(40) % 3)
    plain = BaselineForecaster("last", h=2, verbose=0).fit(df)
    plain.set_params(futr_exog=["price"])
    for use in (lambda: plain.save(tmp_path / "n"), plain.predict, lambda: plain.predict(df)):
        with pytest.raises(ConfigError, match="futr_exog was changed from"):
            use()
    assert plain.set_params(futr_exog=[]).predict().shape == (2, 3)


def test_a_saved_model_names_the_columns_of_fit(tmp_path: Path) -> None:
    df = DAYS.rename(columns={"sales": "y"}).assign(shop="a")
    model = BaselineForecaster("last", h=2, id_col="shop", verbose=0).fit(df)
    model.set_params(id_col="store").save(tmp_path / "m")
    assert BaselineForecaster.load(tmp_path / "m").predict(df).columns[0] == "shop"


def test_settings_of_other_names_are_translated() -> None:
    """Names in earlier versions and in other libraries, on the command line and in Python."""
    model = TSLMForecaster()
    for name, ours in (("law", "distribution"), ("horizon", "h"), ("epochs", "max_epochs")):
        with pytest.raises(ConfigError, match=f"^{name} is not a setting: did you mean {ours}"):
            compose("verb/fit", [f"{name}=1"])
        with pytest.raises(ConfigError, match=f"^{name} is not a setting: did you mean {ours}"):
            model.set_params(**{name: 1})
    with pytest.raises(ConfigError, match="max_step is not a setting: did you mean max_steps"):
        model.set_params(max_step=1)
    assert model.set_params(distribution="student_t").distribution == "student_t"


def test_names_that_are_none_or_empty_are_refused() -> None:
    df = DAYS.rename(columns={"sales": "y"})
    with pytest.raises(ConfigError, match="model=None must be a name"):
        BaselineForecaster(h=2, verbose=0).set_params(model=None).fit(df)
    with pytest.raises(ConfigError, match="alias=' ' is no name of a column"):
        BaselineForecaster("last", h=2, alias=" ", verbose=0).fit(df)
