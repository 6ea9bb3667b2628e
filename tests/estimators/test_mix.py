"""The estimator with ``base="auto"``: a mix of local rules and the adapter, on random blocks."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.frames import numbered_panel
from tslm import ConfigError, Spec, TSLMForecaster
from tslm.estimators.fitting import TrainingData
from tslm.models.forecast_model import ForecastModel

H = 6
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def forecaster(**options: Any) -> TSLMForecaster:
    rules = Spec("auto", members=["seasonal_naive", "drift", "profile_ar"])
    small = {"h": H, "backbone": "tiny", "base": rules, "max_steps": 6, "season_length": 4}
    fixed = {"accelerator": "cpu", "random_state": 0, "verbose": 0, "batch_size": 16}
    return TSLMForecaster(**{**small, **fixed, **options})


def rising(lengths: dict[str, int]) -> pd.DataFrame:
    """Lines with a season of four and noise, one a series, by their numbers of rows."""
    dice = np.random.default_rng(0)
    parts = []
    for name, n in lengths.items():
        y = 50 + 0.8 * np.arange(n) + np.resize([3.0, -3, 1, 0], n) + dice.normal(0, 0.5, n)
        parts.append(pd.DataFrame({"unique_id": name, "ds": np.arange(n), "y": y}))
    return pd.concat(parts, ignore_index=True)


FRAME = rising({"a": 80, "b": 60, "short": 9})


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    return forecaster().fit(FRAME)


def test_unequal_series_are_fitted_and_forecast_together(model: TSLMForecaster) -> None:
    ahead = model.predict(level=[80], h=2 * H)
    assert ahead.unique_id.value_counts().to_dict() == dict.fromkeys(["a", "b", "short"], 2 * H)
    low, high = ahead["AutoTimes-lo-80"], ahead["AutoTimes-hi-80"]
    assert (low < ahead.AutoTimes).all()
    assert (ahead.AutoTimes < high).all()


def test_a_series_of_eight_rows_is_forecast_with_an_interval() -> None:
    model = forecaster(h=12).fit(rising({"a": 8}))
    ahead = model.predict(level=[80])
    last = rising({"a": 8}).y.iloc[-4:].mean()
    assert np.isfinite(ahead.drop(columns="unique_id").to_numpy(float)).all()
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()
    assert (ahead.AutoTimes - last).abs().max() < 30
    assert ahead.AutoTimes.iloc[-1] > last  # the drift is known


def test_no_language_model_is_loaded_for_short_series(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a language model is loaded")

    monkeypatch.setattr("tslm.models.assembly.body_of", refuse)
    model = forecaster(h=12).fit(rising({"a": 8, "b": 7}))
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(level=[80]), model.predict(level=[80]))
    with pytest.raises(ConfigError, match="no language model"):
        _ = model.model_


def test_a_saved_mix_forecasts_the_same_bits(model: TSLMForecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    asked = {"level": [50, 90], "h": H + 3}
    pd.testing.assert_frame_equal(again.predict(**asked), model.predict(**asked))
    assert again.verdict_ == model.verdict_
    assert not any("backbone" in name for name in _tensors(tmp_path / "m"))


def _tensors(folder: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(folder / "weights.safetensors", "pt") as file:
        return list(file.keys())


def test_the_same_seed_gives_the_same_bits(model: TSLMForecaster) -> None:
    twin = forecaster().fit(FRAME.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(twin.predict(level=[80]), model.predict(level=[80]))


def test_a_line_before_and_a_line_after_say_what_is_done(capsys: pytest.CaptureFixture) -> None:
    loud = forecaster(verbose=1).fit(FRAME)
    printed = capsys.readouterr().err
    assert "Fitting 3 series, h=6: a mix of SeasonalNaive, Drift, ProfileAR and" in printed
    assert "AutoTimes on tiny, at most 6 training steps, about" in printed
    assert f"AutoTimes: {loud.verdict_.carried}" in printed
    pd.testing.assert_frame_equal(loud.predict(), forecaster().fit(FRAME).predict())
    forecaster(verbose=1).fit(FRAME.groupby("unique_id").tail(4))  # too short to train on
    printed = capsys.readouterr().err
    assert "a mix of SeasonalNaive, Drift and ProfileAR, about 1 second." in printed


def test_the_verdict_names_each_member(model: TSLMForecaster) -> None:
    members = model.verdict_.members
    assert [one.member for one in members] == ["SeasonalNaive", "Drift", "ProfileAR", "AutoTimes"]
    assert sum(one.weight for one in members) == pytest.approx(1, abs=1e-5)
    assert "without AutoTimes" in model.verdict_.carried
    assert model.verdict_.entries[0].model == "AutoTimes"


def test_rows_after_a_cutoff_never_change_a_backtest() -> None:
    loud = FRAME.copy()
    late = loud.groupby("unique_id").cumcount(ascending=False) < H
    loud.loc[late, "y"] *= -50
    asked = {"n_windows": 1, "level": [80], "baselines": []}
    one, other = (
        forecaster().cross_validation(df[df.unique_id != "short"], **asked) for df in (FRAME, loud)
    )
    pd.testing.assert_frame_equal(one.drop(columns="y"), other.drop(columns="y"))


def test_new_series_and_new_units_are_forecast_likewise(model: TSLMForecaster) -> None:
    new = FRAME[FRAME.unique_id == "a"].assign(unique_id="new")
    turned = new.assign(y=lambda df: 1000 * df.y - 5)
    one, other = (model.predict(df).AutoTimes for df in (new, turned))
    assert_allclose(other, 1000 * one - 5, rtol=1e-3)


def test_a_panel_forecaster_can_be_sent_to_another_process(model: TSLMForecaster) -> None:
    sent = pickle.loads(pickle.dumps(model.panel_forecaster))
    found = sent.forecast(model.contexts_, H)
    assert_allclose(found.point, model.predict().AutoTimes)


def test_a_tensor_of_windows_is_forecast(model: TSLMForecaster) -> None:
    import torch

    past = torch.arange(40.0)[None, :, None].expand(2, -1, 3) + torch.tensor([0.0, 10, 20])
    found = model.forecast(past, quantiles=[0.1, 0.9])
    assert found.shape == (2, H, 3, 2)
    assert bool((found[..., 0] < found[..., 1]).all())


def test_samples_are_coherent_and_follow_the_seed(model: TSLMForecaster) -> None:
    first, again = (model.predict(num_samples=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first.filter(like="sample").shape[1] == 3


def test_the_trained_model_is_within_reach(model: TSLMForecaster) -> None:
    assert isinstance(model.model_, ForecastModel)
    assert model.summary().loc["all", "trained"] > 0


def test_options_of_the_mix_are_settings() -> None:
    model = forecaster().set_params(base__adapter=False, base__combine="median").fit(FRAME)
    assert not model.forecaster_.trains
    assert [one.member for one in model.verdict_.members] == ["SeasonalNaive", "Drift", "ProfileAR"]
    assert len(model.history_) == 0


def test_a_distribution_can_be_chosen() -> None:
    for decoder in ("point", "student_t"):
        ahead = forecaster(decoder=decoder, max_steps=2).fit(FRAME).predict(level=[80])
        assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()


def test_conformal_intervals_can_be_chosen() -> None:
    ahead = forecaster(conformal="residual", max_steps=2).fit(FRAME).predict(level=[80])
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()


def test_a_fit_goes_on_from_its_weights(model: TSLMForecaster) -> None:
    again = forecaster().fit(FRAME)
    again.set_params(max_steps=1).fit(FRAME, warm_start=True)
    assert np.isfinite(again.predict().AutoTimes).all()


@pytest.mark.parametrize("adapter", ["time_llm", "s2ip"])
def test_other_adapters_are_members_too(adapter: str) -> None:
    model = forecaster(adapter=adapter, max_steps=2).fit(FRAME)
    assert model.verdict_.members[-1].member == type(model.model_.adapter).__name__
    assert np.isfinite(model.predict(h=2 * H)[model.name]).all()


def test_training_steps_follow_the_rows_up_to_max_steps(model: TSLMForecaster) -> None:
    def steps(length: int) -> int:
        rows = np.array([length, length])
        return TrainingData(numbered_panel([length, length]), rows, rows).steps(96)

    assert [steps(length) for length in (50, 2400, 100_000)] == [100, 250, 300]
    assert model.settings["max_steps"] == 6
