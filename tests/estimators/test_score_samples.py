"""Log-likelihoods and p-values of observed rows, by every kind of estimator."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from tests.frames import long_frame, weekly
from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.core.errors import NotFittedError
from tslm.uncertainty.conformal.methods import from_state

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
H = 7


def noisy_weeks(ids: int = 3, n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Series of a week and noise of standard deviation 1."""
    noise = np.random.default_rng(seed).normal(size=(ids, n))
    week = 5 * np.sin(2 * np.pi * np.arange(n) / 7)
    return long_frame({f"s{i}": 50 + week + each for i, each in enumerate(noise)})


def fitted(df: pd.DataFrame, **settings: Any) -> BaselineForecaster:
    settings = {"h": H, "context_length": 28, "verbose": 0, **settings}
    return BaselineForecaster("profile_ar", **settings).fit(df)


def changed(df: pd.DataFrame, series: str, row: int, value: float) -> pd.DataFrame:
    """Return a frame with another value in one row of a series."""
    place = df.index[df.unique_id == series][row]
    return df.assign(y=df.y.where(df.index != place, value))


@pytest.mark.parametrize("h", [1, H])
def test_p_values_of_new_rows_without_anomalies_are_uniform(h: int) -> None:
    df = noisy_weeks(8, 700)
    days = df.ds.unique()
    model = fitted(df[df.ds < days[400]], val_size=200)
    found = model.score_samples(df[df.ds >= days[400 - 28]], h=h)
    assert len(found) == 8 * 300
    for share in (0.01, 0.05, 0.2, 0.5, 0.8):
        off = 4 * np.sqrt(share * (1 - share) / len(found))
        assert (found.p_value <= share).mean() == pytest.approx(share, abs=0.005 + off)
    windows = found.drop_duplicates(["unique_id", "cutoff"])
    assert (windows.window_p_value <= 0.05).mean() < 0.1
    assert (windows.window_p_value <= 0.5).mean() == pytest.approx(0.5, abs=0.15)


def test_every_row_with_a_context_is_scored_once() -> None:
    df = noisy_weeks(2, 200)
    df = df[(df.unique_id == "s0") | (df.ds < df.ds.unique()[100])]
    found = fitted(df).score_samples(df)
    assert found.columns.tolist() == [
        *("unique_id", "ds", "cutoff", "y", "ProfileAR", "log_likelihood", "p_value"),
        *("window_log_likelihood", "window_p_value"),
    ]
    rows = pd.concat(part.iloc[28:] for _, part in df.groupby("unique_id"))
    pd.testing.assert_frame_equal(
        found[["unique_id", "ds", "y"]], rows[["unique_id", "ds", "y"]].reset_index(drop=True)
    )
    lead = (found.ds - found.cutoff).dt.days
    assert lead[:9].tolist() == [1, 2, 3, 4, 5, 6, 7, 1, 2]
    assert found.notna().all(axis=None)
    sums = found.groupby(["unique_id", "cutoff"]).log_likelihood.transform("sum")
    assert np.allclose(found.window_log_likelihood, sums)


def test_forecasts_are_those_of_predict_from_the_same_origin() -> None:
    df = noisy_weeks(2, 28 + 5 * H)
    model = fitted(df)
    keys = ["unique_id", "ds", "cutoff"]
    ours, theirs = model.score_samples(df), model.predict_insample(df, level=[80])
    both = ours.merge(theirs, on=keys, suffixes=("", "_was"))
    assert len(both) == len(ours) == len(theirs)
    np.testing.assert_allclose(both.ProfileAR, both.ProfileAR_was, rtol=1e-5)
    dense = model.score_samples(df, step_size=1)
    assert (dense.groupby(["unique_id", "cutoff"]).size().iloc[:10] == H).all()
    same = dense.merge(ours, on=keys)
    np.testing.assert_allclose(same.p_value_x, same.p_value_y, rtol=1e-4)


def test_a_value_outside_an_interval_has_a_small_p_value() -> None:
    df = noisy_weeks(2, 28 + 50 * H)
    model = fitted(df)
    scores = model.score_samples(df)
    ahead = model.predict_insample(df, level=[90])
    both = scores.merge(ahead, on=["unique_id", "ds", "cutoff"])
    outside = (both.y_x < both["ProfileAR-lo-90"]) | (both.y_x > both["ProfileAR-hi-90"])
    assert both.p_value[outside].max() < both.p_value[~outside].quantile(0.2)
    assert (both.p_value[outside] < 0.15).all()


def test_a_spike_is_the_least_likely_row_and_is_marked() -> None:
    df = noisy_weeks(3, 300)
    model = fitted(df)
    spiky = changed(df, "s1", 150, 80.0)
    found = model.score_samples(spiky, h=1, alpha=0.001)
    least = found.loc[found.p_value.idxmin()]
    assert (least.unique_id, least.y) == ("s1", 80.0)
    assert found.anomaly.dtype == bool
    assert found.anomaly.sum() <= 1 + 0.02 * len(found)
    assert found.loc[found.p_value.idxmin(), "anomaly"]
    assert found.log_likelihood.idxmin() == found.p_value.idxmin()
    weeks = model.score_samples(spiky)
    least = weeks.loc[weeks.window_p_value.idxmin()]
    assert (least.unique_id, least.cutoff) == ("s1", weeks[weeks.y == 80].cutoff.iloc[0])
    assert "anomaly" not in weeks


def test_log_likelihoods_are_in_the_units_of_the_series() -> None:
    df = noisy_weeks(1, 300)
    found = fitted(df, val_size=150).score_samples(df, h=1)
    large = df.assign(y=1000 * df.y)
    same = fitted(large, val_size=150).score_samples(large, h=1)
    np.testing.assert_allclose(found.log_likelihood - np.log(1000), same.log_likelihood, atol=0.01)
    assert found.log_likelihood.mean() == pytest.approx(-0.5 * np.log(2 * np.pi * np.e), abs=0.4)


def test_missing_values_have_no_score_and_their_neighbours_have() -> None:
    df = changed(noisy_weeks(2, 200), "s0", 150, np.nan)
    with pytest.warns(UserWarning, match="missing"):
        model = fitted(df)
    with pytest.warns(UserWarning, match="missing"):
        found = model.score_samples(df, alpha=0.5)
    gap = found[found.y.isna()]
    assert len(gap) == 1
    assert gap.filter(like="p_value").p_value.isna().all()
    assert gap.log_likelihood.isna().all()
    assert gap.notna().ProfileAR.all()
    assert not gap.anomaly.any()
    window = found[(found.unique_id == "s0") & (found.cutoff == gap.cutoff.iloc[0])]
    assert window.window_p_value.notna().all()
    assert found.log_likelihood.isna().sum() == 1


def test_new_and_short_series_are_scored() -> None:
    model = fitted(noisy_weeks(2, 300))
    new = noisy_weeks(1, 120, seed=5).assign(unique_id="new")
    new = new.assign(y=1000 * new.y)
    found = model.score_samples(pd.concat([new, new.head(10).assign(unique_id="short")]))
    assert found.groupby("unique_id").size().to_dict() == {"new": 120 - 28, "short": H}
    assert found.p_value.between(0, 1).all()
    assert (found.p_value < 0.05).mean() < 0.2


def test_a_constant_series_is_likely_until_it_moves() -> None:
    df = long_frame({"a": np.full(120, 5.0)})
    model = fitted(df)
    found = model.score_samples(changed(df, "a", 100, 6.0), h=1)
    assert np.isfinite(found.log_likelihood).all()
    assert found.loc[found.p_value.idxmin(), "y"] == 6.0
    assert (found.p_value[found.ds < found.ds[found.y == 6].iloc[0]] > 0.9).all()


def test_covariates_known_ahead_are_taken_from_the_frame() -> None:
    df = noisy_weeks(2, 300)
    promo = (np.random.default_rng(1).random(len(df)) < 0.1).astype(float)
    df = df.assign(promo=promo, y=df.y + 20 * promo)
    model = fitted(df, futr_exog=["promo"])
    found = model.score_samples(df).merge(df[["unique_id", "ds", "promo"]])
    assert found.p_value[found.promo == 1].median() > 0.1
    blind = fitted(df).score_samples(df).merge(df[["unique_id", "ds", "promo"]])
    assert blind.p_value[blind.promo == 1].median() < 0.1
    gone = df.assign(promo=df.promo.where(df.index != df.index[-1]))
    with pytest.warns(UserWarning, match="Missing covariate values"):
        assert model.score_samples(gone).p_value.notna().all()


def test_past_covariates_explain_what_follows_them() -> None:
    df = noisy_weeks(2, 400)
    cause = 5 * np.random.default_rng(1).normal(size=len(df))
    df = df.assign(cause=cause, y=df.y + np.roll(cause, 1))
    told, blind = (fitted(df, hist_exog=some).score_samples(df, h=1) for some in (["cause"], None))
    assert told.log_likelihood.mean() > blind.log_likelihood.mean() + 0.5


def test_a_statement_makes_what_it_says_likely() -> None:
    df = noisy_weeks(1, 200)
    model = fitted(df, text_reader="tiny")
    last = df.ds.iloc[-1]
    closed = changed(df, "s0", 199, 0.0)
    events = pd.DataFrame({"unique_id": ["s0"], "start": [last], "end": [last], "text": [""]})
    events = events.assign(lower=0.0, upper=0.0)
    plain = model.score_samples(closed, h=1).iloc[-1]
    told = model.score_samples(closed, h=1, events=events).iloc[-1]
    assert plain.p_value < 0.001
    assert told.ProfileAR == 0
    assert told.p_value > 0.5
    late = events.assign(said_at=last)
    assert model.score_samples(closed, h=1, events=late).iloc[-1].p_value < 0.001


def test_impossible_requests_are_refused() -> None:
    df = noisy_weeks(1, 100)
    with pytest.raises(NotFittedError):
        BaselineForecaster("last", h=2).score_samples(df)
    model = fitted(df)
    for alpha in (0.0, 1.0, 2.0):
        with pytest.raises(ConfigError, match="must be a number between 0 and 1"):
            model.score_samples(df, alpha=alpha)
    with pytest.raises(ConfigError, match="h=0"):
        model.score_samples(df, h=0)
    with pytest.raises(DataError, match="No series of df has two rows"):
        model.score_samples(df.head(1))
    named = df.rename(columns={"y": "p_value"})
    with pytest.raises(ConfigError, match="'p_value' has the name of a score"):
        fitted(named, target_col="p_value").score_samples(named)
    with pytest.raises(ConfigError, match="name of a score"):
        fitted(df, alias="anomaly").score_samples(df)


def test_names_of_columns_and_kinds_of_frames_are_the_users() -> None:
    df = noisy_weeks(2, 100).rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
    model = fitted(df, id_col="shop", time_col="day", target_col="sold")
    found = model.score_samples(pl.from_pandas(df))
    assert isinstance(found, pl.DataFrame)
    assert found.columns[:4] == ["shop", "day", "cutoff", "sold"]


def test_few_rows_are_scored_by_past_changes_with_a_warning(tmp_path: Path) -> None:
    df = noisy_weeks(1, 30)
    fitted(df).save(tmp_path / "m")
    model = BaselineForecaster.load(tmp_path / "m")
    assert not model.calibration_.learnt
    with pytest.warns(UserWarning, match="too few to measure the width"):
        found = model.score_samples(df)
    assert found.p_value.between(0, 1).all()


def test_a_loaded_model_gives_the_same_scores(tmp_path: Path) -> None:
    df = noisy_weeks(2, 200)
    model = fitted(df)
    model.save(tmp_path / "m")
    again = BaselineForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(model.score_samples(df), again.score_samples(df))
    noise = np.random.default_rng(3).normal(size=400)
    model.recalibrate(df.assign(y=df.y + 10 * noise))
    assert model.score_samples(df).p_value.mean() > again.score_samples(df).p_value.mean()


@pytest.mark.parametrize(
    ("decoder", "base"),
    [("quantile", "auto"), ("point", None), ("student_t", None), ("mixture", None)],
)
def test_a_language_model_scores_by_its_own_law(decoder: str, base: str | None) -> None:
    df = noisy_weeks(2, 150)
    model = TSLMForecaster(
        h=H,
        adapter=Spec("autotimes", patch_len=7),
        backbone="tiny",
        decoder=decoder,
        base=base,
        context_length=28,
        season_length=7,
        max_steps=3,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(df)
    found = model.score_samples(changed(df, "s0", 140, 500.0))
    assert found.p_value.between(0, 1).all()
    assert found.loc[found.log_likelihood.idxmin(), "y"] == 500
    assert found.loc[found.p_value.idxmin(), "y"] == 500
    assert (found.p_value < 0.05).mean() < 0.35


def test_series_that_are_read_together_are_scored_together() -> None:
    df = weekly(60, ("a", "b")).assign(y=lambda d: d.y + np.random.default_rng(0).normal(size=120))
    model = BaselineForecaster("itransformer", h=5, max_steps=2, context_length=20, verbose=0)
    model.fit(df)
    found = model.score_samples(df)
    assert found.groupby("unique_id").size().to_dict() == {"a": 40, "b": 40}
    same = model.predict_insample(df).merge(found, on=["unique_id", "ds", "cutoff"])
    np.testing.assert_allclose(same.ITransformer_x, same.ITransformer_y, rtol=1e-4)


def test_a_model_of_an_earlier_version_scores_by_its_intervals_alone() -> None:
    df = noisy_weeks(2, 200)
    model = fitted(df)
    state = model.calibration_.state()
    del state["scores"], state["scores.tail"]
    model.calibration_ = from_state(state)
    found = model.score_samples(df)
    assert found.p_value.between(0, 1).all()
    state["scores"], state["scores.tail"] = torch.ones(3, 2), torch.tensor([1.0, 2.0])
    with pytest.raises(DataError, match="intervals do not fit together"):
        from_state(state)
