"""Static covariates: one value for each series."""

import numpy as np
import pandas as pd
import pytest

from tests.data.covariates.sales import ROWS, H, profile, sales
from tslm import DataError

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def test_a_static_covariate_changes_the_season_of_its_series() -> None:
    hour = np.arange(ROWS)
    ds = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    waves = {"early": 0.0, "late": np.pi}
    dice = np.random.default_rng(0)
    df = pd.concat(
        pd.DataFrame(
            {"unique_id": f"{kind}{n}", "ds": ds,
             "y": 5 * np.sin(2 * np.pi * hour / 24 + shift) + dice.normal(0, 0.2, ROWS)}
        )
        for kind, shift in waves.items() for n in range(4)
    )  # fmt: skip
    static = pd.DataFrame({"unique_id": df.unique_id.unique()})
    static["kind"] = static.unique_id.str[:-1]
    model = profile(static_exog=["kind"]).fit(df, static_df=static)
    new = df[df.unique_id == "late0"].head(10).assign(unique_id="new")
    truth = 5 * np.sin(2 * np.pi * np.arange(10, 10 + H) / 24 + np.pi)
    kinds = pd.DataFrame({"unique_id": ["new"], "kind": ["late"]})
    informed = model.predict(new, static_df=kinds).Profile
    other = model.predict(new, static_df=kinds.assign(kind="early")).Profile
    assert np.abs(informed - truth).mean() < 0.5 * np.abs(other - truth).mean()
    whole = model.predict(df.merge(static, on="unique_id"))
    pd.testing.assert_frame_equal(whole, model.predict())


def test_a_static_covariate_that_changes_is_refused() -> None:
    with pytest.raises(DataError, match=r"'kind' changes within series 'a', 'b'.*futr_exog"):
        profile(static_exog=["kind"]).fit(sales())


def test_series_without_static_covariates_are_named() -> None:
    static = pd.DataFrame({"unique_id": ["a"], "size": [1.0]})
    with pytest.raises(DataError, match="Series 'b' are not in static_df"):
        profile(static_exog=["size"]).fit(sales(), static_df=static)
    with pytest.raises(DataError, match=r"static_df has no column 'sise'.*'size'"):
        profile(static_exog=["sise"]).fit(sales(), static_df=static)
    twice = pd.concat([static, static])
    with pytest.raises(DataError, match="Series 'a' have several rows in static_df"):
        profile(static_exog=["size"]).fit(sales(("a",)), static_df=twice)
