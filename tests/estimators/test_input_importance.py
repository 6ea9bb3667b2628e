"""Importance of the inputs of a forecast, where it is known what the forecast depends on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.frames import long_frame, random_walks
from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.estimators.input_importance import default_patch_len, seasonal_expectation

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def days(n: int = 600, share: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """A series in which each value is a share of that 24 steps before, plus noise."""
    y = np.random.default_rng(seed).normal(size=n)
    for row in range(24, n):
        y[row] = share * y[row - 24] + 0.3 * y[row]
    return long_frame({"a": 10 + y}, freq="h")


def fitted(model: str, df: pd.DataFrame, **settings: Any) -> BaselineForecaster:
    return BaselineForecaster(model, **{"h": 24, "verbose": 0, **settings}).fit(df)


def patches(found: Any) -> pd.DataFrame:
    return found.inputs[found.inputs.kind == "context"].sort_values("start", ignore_index=True)


def test_a_series_that_repeats_the_last_day_depends_on_the_last_day() -> None:
    df = days()
    rows = patches(
        fitted("ridge_profile", df, context_length=120).explain(kind="inputs", patch_len=24)
    )
    assert len(rows) == 5
    assert rows.importance.idxmax() == 4
    assert rows.importance[4] > 2 * rows.importance[:3].max()
    assert rows.start[4] == df.ds.iloc[-24]
    assert rows.end[4] == df.ds.iloc[-1]


def test_only_the_last_row_counts_for_the_last_value() -> None:
    df = random_walks(100, ("a", "b"), freq="h")
    model = fitted("last", df, h=3, context_length=20, season_length=1)
    found = model.explain(df, kind="inputs", patch_len=4)
    rows = patches(found).groupby("unique_id")
    for name, own in rows:
        assert (own.importance.iloc[:-1] == 0).all()
        y = df[df.unique_id == name].y.to_numpy()
        assert own.effect.iloc[-1] == pytest.approx(y[-1] - y[-5], rel=1e-4)
        assert own.importance.iloc[-1] == pytest.approx(abs(own.effect.iloc[-1]))
    assert found.inputs.unique_id.tolist() == sorted(found.inputs.unique_id)
    assert found.forecasts.columns.tolist() == ["unique_id", "ds", "Last"]
    assert found.plot("b").axes[0].lines[0].get_label() == "y"
    with pytest.raises(DataError, match="has no series 'z'"):
        found.plot("z")


def test_a_covariate_has_the_effect_that_it_has_on_the_series() -> None:
    df = days(share=0.5)
    dice = np.random.default_rng(1)
    df = df.assign(promo=(dice.random(len(df)) < 0.3).astype(float), idle=dice.normal(size=len(df)))
    df["y"] += 8 * df.promo
    names = {"futr_exog": ["promo", "idle"]}
    model = fitted("profile_ar", df, context_length=120, **names)
    ahead = model.make_future_dataframe(df).assign(promo=1.0, idle=1.0)
    found = model.explain(df, kind="inputs", futr_df=ahead)
    later = found.inputs[(found.inputs.kind == "covariate") & (found.inputs.start > df.ds.iloc[-1])]
    effect = later.set_index("input").effect
    assert effect["promo"] == pytest.approx(8 * (1 - df.promo.mean()), rel=0.2)
    assert abs(effect["idle"]) < 0.5
    past = found.inputs[(found.inputs.kind == "covariate") & (found.inputs.end == df.ds.iloc[-1])]
    assert past.input.tolist() == ["promo", "idle"]
    label = found.plot().axes[0].lines[0].get_label()
    assert label == "y without the effects of covariates"
    with pytest.raises(DataError, match="futr_df lacks"):
        model.explain(df, kind="inputs")


def test_a_past_covariate_is_explained_from_the_frame() -> None:
    df = days(share=0.0)
    df["cause"] = np.random.default_rng(1).normal(size=len(df))
    df["y"] += 3 * np.roll(df.cause, 1)
    model = fitted("profile_ar", df, h=2, context_length=48, hist_exog=["cause"])
    rows = model.explain(df, kind="inputs").inputs
    own = rows[rows.input == "cause"].effect.iloc[0]
    flat = df.assign(cause=df.cause.mean())
    change = model.predict(df).ProfileAR - model.predict(flat).ProfileAR
    assert own == pytest.approx(change.mean(), rel=1e-3)
    assert abs(own) > 0.2


def test_a_statement_has_the_effect_of_its_words() -> None:
    df = days()
    model = fitted("profile_ar", df, context_length=120, text_reader="tiny")
    first = df.ds.iloc[-1] + pd.Timedelta(hours=1)
    events = pd.DataFrame({"text": ["", ""], "start": [first, first], "end": [first, first]})
    events = events.assign(upper=[0.0, 1000.0], lower=[0.0, -1000.0])
    found = model.explain(kind="inputs", events=events)
    rows = found.inputs[found.inputs.kind == "statement"]
    plain = model.predict(h=1).ProfileAR.iloc[0]
    assert rows.effect.tolist() == pytest.approx([-plain / 24, 0], rel=1e-4)
    assert (rows.start == first).all()
    assert (rows.end == first).all()
    assert isinstance(found.plot(), Figure)


@pytest.mark.parametrize("adapter", ["autotimes", "time_llm", "s2ip", "lipcot"])
def test_every_adapter_is_explained(adapter: str) -> None:
    options: dict[str, Any] = {"patch_len": 8}
    if adapter == "lipcot":
        options = {"frame_length": 8, "order": 2, "n_codes": 8}
    elif adapter != "autotimes":
        options["stride"] = 4
    model = TSLMForecaster(
        base=None,
        h=8,
        adapter=Spec(adapter, **options),
        backbone="tiny",
        context_length=40,
        season_length=8,
        max_steps=1,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(random_walks(120, freq="h"))
    rows = model.explain(kind="inputs", patch_len=8).inputs
    assert rows.groupby("unique_id").size().tolist() == [5, 5]
    assert np.isfinite(rows.importance).all()
    assert (rows.importance >= rows.effect.abs() - 1e-6).all()
    assert rows.importance.max() > 0


def test_series_that_are_read_together_are_explained_one_by_one() -> None:
    df = random_walks(60)
    model = fitted("itransformer", df, h=5, max_steps=2, context_length=20)
    rows = model.explain(df, kind="inputs", patch_len=5).inputs
    assert rows.groupby("unique_id").size().tolist() == [4, 4]
    assert (rows.importance > 0).all()


def test_other_kinds_are_refused_with_the_right_ones() -> None:
    model = fitted("last", random_walks(40), h=2)
    with pytest.raises(ConfigError, match="kind"):
        model.explain(kind="input")
    with pytest.raises(ConfigError, match='kind="inputs"'):
        model.explain()
    with pytest.raises(ConfigError, match="patch_len=0"):
        model.explain(kind="inputs", patch_len=0)


def test_rows_are_expected_to_repeat_their_season() -> None:
    week = np.tile(np.arange(7.0), 6)
    assert seasonal_expectation(week, 14, 21, 7).tolist() == week[:7].tolist()
    assert seasonal_expectation(week, 35, 42, 7).tolist() == week[:7].tolist()
    holes = np.where(np.arange(42) == 10, np.nan, week)
    assert seasonal_expectation(holes, 14, 21, 7).tolist() == week[:7].tolist()
    line = np.arange(20.0)
    assert seasonal_expectation(line, 5, 9, 1).tolist() == line[5:9].tolist()
    assert seasonal_expectation(line, 0, 20, 7).tolist() == [0.0] * 20


def test_patches_are_seasons_where_a_context_has_several() -> None:
    assert default_patch_len(24, 168) == 24
    assert default_patch_len(24, 24 * 100) == 72
    assert default_patch_len(7, 20) == 1
    assert default_patch_len(1, 96) == 2
