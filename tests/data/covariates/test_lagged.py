"""Past covariates: only their past is read."""

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.data.covariates.sales import (
    parts,
    profile,
    pushed,
)

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.mark.filterwarnings("ignore:On validation windows what past covariates say")
def test_past_covariates_do_not_harm_a_rule_that_knows_their_effect() -> None:
    """The autoregression has much of the effect already; adding all of it costs 8 percent."""
    errors = []
    for names in (None, ["ahead"]):
        model = profile(hist_exog=names).set_params(model="profile_ar", alias="Profile")
        table = model.cross_validation(pushed(), n_windows=8, baselines=[])
        errors.append(float(((table.Profile - table.y) ** 2).mean()))
    assert errors[1] < 1.02 * errors[0]


def test_past_covariates_without_a_gain_on_validation_rows_are_ignored_with_a_warning() -> None:
    df = pushed()
    late = df.groupby("unique_id").cumcount() > 1000
    turned = df.assign(ahead=df.ahead.where(~late, -df.ahead))
    model = profile(hist_exog=["ahead"], val_size=200).set_params(model="last")
    with pytest.warns(UserWarning, match=r"past covariates .* did not improve forecasts of Last"):
        model.fit(turned)
    assert not model.effects_.amplitude.any()
    plain = profile(val_size=200).set_params(model="last").fit(turned)
    assert_allclose(model.predict().Last, plain.predict().Last)


def test_a_leading_covariate_helps_and_its_future_is_not_read() -> None:
    df = pushed()
    known, _ = parts(df)
    plain, informed = (
        profile(hist_exog=names).set_params(model="last", alias="Profile")
        for names in (None, ["ahead"])
    )
    tables = [model.cross_validation(df, n_windows=8, baselines=[]) for model in (plain, informed)]
    errors = [float((table.Profile - table.y).abs().mean()) for table in tables]
    assert errors[1] < 0.8 * errors[0]
    informed.fit(known)
    blind = df.assign(ahead=df.ahead.where(df.ds <= known.ds.max(), 99.0))
    same = informed.predict(parts(blind)[0])
    pd.testing.assert_frame_equal(same, informed.predict(known))
