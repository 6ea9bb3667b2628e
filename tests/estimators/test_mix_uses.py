"""All that is done with a forecaster, done with a mix: covariates, texts, backtests, sharing."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import ConfigError, Spec, TSLMForecaster, TSLMWindowRegressor
from tslm.estimators.validation import calibration
from tslm.evaluation.ablation.arms import Budget
from tslm.models.mix.forecaster import Mix

H = 4
RULES = Spec("auto", members=["seasonal_naive", "drift"])
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def forecaster(**options: Any) -> TSLMForecaster:
    small = {"h": H, "backbone": "tiny", "base": RULES, "max_steps": 2, "season_length": 4}
    fixed = {"accelerator": "cpu", "random_state": 0, "verbose": 0, "batch_size": 8}
    return TSLMForecaster(**{**small, **fixed, **options})


def sales(rows: int = 48) -> pd.DataFrame:
    """Two series with a season of four, and columns of covariates."""
    dice = np.random.default_rng(0)
    parts = []
    for name, size in (("a", 1.0), ("b", 2.0)):
        promo = dice.integers(0, 2, rows).astype(float)
        y = 20 + np.resize([3.0, -3, 1, 0], rows) + 5 * promo + dice.normal(0, 0.5, rows)
        columns = {"y": y, "promo": promo, "temperature": dice.normal(size=rows), "size": size}
        parts.append(pd.DataFrame({"unique_id": name, "ds": np.arange(rows), **columns}))
    return pd.concat(parts, ignore_index=True)


SALES = sales()
SERIES = SALES[["unique_id", "ds", "y"]]


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    return forecaster().fit(SERIES)


def finite(forecasts: pd.DataFrame) -> bool:
    return bool(np.isfinite(forecasts.select_dtypes("number").to_numpy(float)).all())


def test_covariates_known_ahead_move_the_forecast() -> None:
    model = forecaster(futr_exog=["promo"]).fit(SALES)
    ahead = model.make_future_dataframe()
    off, on = (model.predict(futr_df=ahead.assign(promo=value)).AutoTimes for value in (0.0, 1.0))
    assert (on - off).mean() == pytest.approx(5, abs=1)


def test_past_and_static_covariates_are_read() -> None:
    model = forecaster(hist_exog=["temperature"], static_exog=["size"]).fit(SALES)
    assert finite(model.predict(level=[80]))


def test_a_text_of_each_series_is_read_and_explained() -> None:
    model = forecaster(adapter="time_llm", prompt="sales of shop {unique_id}").fit(SERIES)
    assert finite(model.predict())
    assert len(model.explain(top=1).words)


def test_max_steps_of_zero_leaves_the_rules_alone() -> None:
    model = forecaster(max_steps=0).fit(SERIES)
    assert not model.forecaster_.trains
    assert finite(model.predict(level=[80]))


def test_max_steps_of_zero_needs_a_mix() -> None:
    with pytest.raises(ConfigError, match=r"max_steps=0 must be at least 1\. .* base=auto"):
        forecaster(max_steps=0, base=None).fit(SERIES)


def test_an_adapter_without_quantiles_is_a_member_by_its_mixture() -> None:
    model = forecaster(adapter="lipcot").fit(SERIES)
    assert model.settings["choices"]["distribution"] == "mixture"
    assert finite(model.predict(level=[80]))


def test_a_fit_that_goes_on_may_gain_or_lose_members() -> None:
    short = SERIES.groupby("unique_id").head(H)
    again = forecaster().fit(short)
    assert not again.forecaster_.trains
    again.fit(SERIES, warm_start=True)
    assert again.forecaster_.trains
    again.set_params(base="none", decoder="quantile").fit(SERIES, warm_start=True)
    again.set_params(base=Spec("auto", members=["drift"])).fit(SERIES, warm_start=True)
    assert [one.member for one in again.verdict_.members] == ["Drift", "AutoTimes"]


@pytest.mark.parametrize("method", ["none", "residual", "cqr", "adaptive"])
def test_each_conformal_method_can_be_chosen_and_fitted_again(method: str) -> None:
    model = forecaster(conformal=method, val_size=5 * H).fit(SERIES)
    point = model.predict().AutoTimes
    ahead = model.recalibrate(SERIES).predict(level=[80])
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()
    pd.testing.assert_series_equal(ahead.AutoTimes, point)


def test_no_past_changes_are_computed_where_a_mix_has_its_own_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("past changes are computed")

    monkeypatch.setattr(calibration, "fit_changes", refuse)
    assert finite(forecaster().fit(SERIES).predict(level=[80]))


def test_a_backtest_fits_and_calibrates_at_each_origin() -> None:
    asked = {"n_windows": 2, "level": [80], "baselines": ["Drift"]}
    for again in ({"refit": True}, {"recalibrate": True}):
        table = forecaster(max_steps=1).cross_validation(SERIES, **asked, **again)
        assert finite(table)
        assert table.groupby("unique_id").cutoff.nunique().eq(2).all()


def test_rows_of_fit_are_forecast_and_scored(model: TSLMForecaster) -> None:
    table = model.predict_insample(SERIES, level=[80])
    assert finite(table)
    assert model.score(SERIES) < 0


def test_examples_are_refused_with_the_words_to_type(model: TSLMForecaster) -> None:
    for df in (None, SERIES):
        with pytest.raises(ConfigError, match="base=none"):
            model.predict(df, examples="first")


def test_rows_without_history_are_forecast_from_a_frame(
    model: TSLMForecaster, tmp_path: Path
) -> None:
    model.save(tmp_path / "m", history=False)
    again = TSLMForecaster.load(tmp_path / "m")
    assert finite(again.predict(SERIES, level=[80]))


def test_an_adapter_can_begin_with_that_of_a_saved_mix(tmp_path: Path) -> None:
    words = {"adapter": "time_llm"}
    forecaster(**words).fit(SERIES).save(tmp_path / "m")
    assert finite(forecaster(**words, pretrained=tmp_path / "m").fit(SERIES).predict())


def test_an_ablation_replaces_the_language_model_inside_the_mix() -> None:
    budget = Budget.of("quick").without("block", "random_matched", "ridge_nlinear", "dlinear")
    table = forecaster(max_steps=1).ablate(SERIES, budget=budget)
    assert {"llm", "none", "profile_ar"} <= set(table.arm)
    assert np.isfinite(table.mse).all()


@pytest.mark.parametrize("steps", [0, 2])
def test_windows_of_numbers_are_forecast_by_a_mix(steps: int) -> None:
    series = np.resize([3.0, -3, 1, 0], 60)
    windows = np.lib.stride_tricks.sliding_window_view(series, 20)
    past, future = windows[:, :16], windows[:, 16:]
    model = TSLMWindowRegressor(
        "autotimes", "tiny", base=RULES, season_length=4, max_steps=steps, random_state=0
    ).fit(past[:30], future[:30])
    assert isinstance(model.forecaster_, Mix)
    assert model.forecaster_.trains == bool(steps)
    assert np.abs(model.predict(past[30:]) - future[30:]).mean() < 2


COMMON = ["backbone=tiny", "base=auto", "base.members=[drift]", "max_steps=1", "verbose=0"]


def test_commands_forecast_by_a_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SERIES.to_csv(tmp_path / "s.csv", index=False)
    here = [f"data={tmp_path}/s.csv", f"h={H}", "season_length=4", *COMMON]
    for line in (
        ["fit", *here, f"out={tmp_path}/m"],
        ["predict", f"model={tmp_path}/m", "level=[80]", f"out={tmp_path}/f.csv"],
        ["backtest", *here, "level=[80]", f"out={tmp_path}/cv.csv"],
    ):
        assert command(*line) == 0, capsys.readouterr().err
    assert finite(pd.read_csv(tmp_path / "f.csv"))
    assert finite(pd.read_csv(tmp_path / "cv.csv"))


def test_settings_of_a_mix_are_searched(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    from tslm.evaluation.tuning import tune

    space = {"base.combine": ["mean", "median"], "learning_rate": [1e-3]}
    study = tune(forecaster(max_steps=1), SERIES, space, n_trials=2, folder=tmp_path)
    assert set(study.best_params) == set(space)


def test_a_mix_is_scored_on_a_published_set(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["benchmark=ili", "horizons=[24]", "stride=60", "baselines=[]", *COMMON]
    assert command("benchmark", *line) == 0, capsys.readouterr().err
    assert "national_illness  AutoTimes" in capsys.readouterr().out
