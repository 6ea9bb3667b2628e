"""Future covariates: missing rows are named, and wrong frames are refused."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.covariates.sales import (
    COLUMNS,
    H,
    forecaster,
    parts,
    profile,
    sales,
)
from tslm import ConfigError, DataError, TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.fixture(scope="module")
def fitted() -> TSLMForecaster:
    return forecaster(futr_exog=COLUMNS).fit(parts(sales())[0])


class TestMissing:
    def test_missing_rows_are_named_and_returned(self, fitted: TSLMForecaster) -> None:
        futr = parts(sales())[1]
        holes = futr.drop(index=futr.index[[2, 15]])
        holes.loc[futr.index[4], "kind"] = None
        with pytest.raises(DataError, match=r"3 of 24 rows: 'a' at 2024-01-11 02:00:00") as caught:
            fitted.predict(futr_df=holes)
        assert "get_missing_future" in str(caught.value)
        lacking = fitted.get_missing_future(holes)
        expected = futr.loc[futr.index[[2, 4, 15]], ["unique_id", "ds"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(lacking, expected)
        assert fitted.get_missing_future(futr).empty
        assert len(fitted.get_missing_future(futr.head(0))) == 2 * H

    def test_the_rows_that_are_needed_can_be_had(self, fitted: TSLMForecaster) -> None:
        expected = parts(sales())[1][["unique_id", "ds"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(fitted.make_future_dataframe(), expected)
        assert len(fitted.make_future_dataframe(sales(("z",)), h=5)) == 5

    def test_a_missing_future_frame_is_refused(self, fitted: TSLMForecaster) -> None:
        with pytest.raises(DataError, match="futr_df lacks 'temp', 'promo', 'kind' in 24 of 24"):
            fitted.predict()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.rename(columns={"temp": "tmp"}), "no column 'temp'. Did you mean 'tmp'"),
            (lambda t: t.drop(columns="ds"), "futr_df has no column 'ds'"),
            (lambda t: pd.concat([t, t]), "Rows of futr_df occur twice: 'a' at 2024-01-11"),
            (lambda t: t.assign(ds=range(len(t))), "another kind of time"),
            (lambda t: t.assign(temp=np.inf), "'temp' is infinite in 24 rows"),
            (lambda t: t.assign(temp="warm"), "'temp' was a number in fit"),
        ],
    )
    def test_a_wrong_future_frame_is_refused_by_its_fault(
        self, fitted: TSLMForecaster, change: Any, message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            fitted.predict(futr_df=change(parts(sales())[1]))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"futr_exog": "temp"}, "futr_exog='temp' must be a list"),
            ({"futr_exog": ["y"]}, "'y' is no covariate"),
            ({"futr_exog": ["temp"], "hist_exog": ["temp"]}, "'temp' is given twice"),
        ],
    )
    def test_wrong_settings_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            profile().set_params(**options).fit(sales())

    def test_a_column_that_is_not_there_has_a_near_one(self) -> None:
        with pytest.raises(DataError, match=r"no column 'tempo'. Did you mean 'temp'"):
            profile(futr_exog=["tempo"]).fit(sales())

    def test_a_future_frame_without_covariates_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="futr_exog names no covariate"):
            profile().fit(sales()).predict(futr_df=sales())

    def test_missing_past_values_are_counted_in_one_warning(self) -> None:
        known, futr = parts(sales())
        known.loc[known.index[[3, 50, 51]], "temp"] = np.nan
        known = known.drop(index=known.index[100])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = profile(futr_exog=COLUMNS).fit(known)
        messages = [str(w.message) for w in caught if "Missing covariate values" in str(w.message)]
        assert len(messages) == 1
        assert "'temp' in 3 rows" in messages[0]
        assert model.report_.covariates == {"temp": 3}
        assert np.isfinite(model.predict(futr_df=futr).Profile).all()
