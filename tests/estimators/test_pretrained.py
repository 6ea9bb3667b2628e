"""A fit that begins with the weights of a saved model, or forecasts with them untrained."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tslm import ConfigError, LiPCoTPretrainer, Spec, TSLMForecaster
from tslm.models.forecast_model import ForecastModel
from tslm.models.mix.forecaster import TRAINED, Mix

H = 4
RULES = Spec("auto", members=["drift"])
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def forecaster(**options: Any) -> TSLMForecaster:
    small = {"h": H, "backbone": "tiny", "season_length": 4, "batch_size": 8, "freq": 1}
    fixed = {"accelerator": "cpu", "random_state": 0, "verbose": 0, "max_steps": 0}
    return TSLMForecaster(**{**small, **fixed, **options})


def series(seed: int, rows: int = 48) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    y = 20 + np.resize([3.0, -3, 1, 0], rows) + dice.normal(0, 0.5, rows)
    return pd.DataFrame({"unique_id": "a", "ds": np.arange(rows), "y": y})


OWN = series(1)


def saved(folder: Path, **options: Any) -> Path:
    """Train a model on other series for two steps, and save it without them."""
    model = forecaster(**{"base": "none", "decoder": "quantile", "max_steps": 2, **options})
    model.fit(series(0)).save(folder, history=False)
    return folder


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("member") / "m")


@pytest.fixture(scope="module")
def correction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("correction") / "m", base="profile_ar")


def network(model: TSLMForecaster) -> dict[str, torch.Tensor]:
    """Return the weights of adapter and decoder."""
    found = model.forecaster_.learner
    assert isinstance(found, ForecastModel)
    return found.adapter.state_dict() | found.decoder.state_dict()


def same(model: TSLMForecaster, folder: Path) -> bool:
    theirs = network(TSLMForecaster.load(folder))
    return all(torch.equal(tensor, theirs[name]) for name, tensor in network(model).items())


def test_a_mix_has_the_pretrained_adapter_as_a_member_without_training(member: Path) -> None:
    model = forecaster(base=RULES, pretrained=member).fit(OWN)
    assert isinstance(model.forecaster_, Mix)
    assert model.forecaster_.names[-1] == TRAINED
    assert same(model, member)
    assert not len(model.history_)
    ahead = model.predict(level=[80])
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()


def test_validation_windows_of_the_user_weight_the_pretrained_member(member: Path) -> None:
    model = forecaster(base=RULES, pretrained=member).fit(OWN)
    assert [one.member for one in model.verdict_.members] == ["Drift", "AutoTimes"]
    assert model.forecaster_.weights[0] != model.forecaster_.weights[1]  # type: ignore[index]


def test_the_shrinkage_of_a_pretrained_correction_is_that_of_the_user(correction: Path) -> None:
    model = forecaster(base="profile_ar", decoder="quantile", pretrained=correction).fit(OWN)
    assert same(model, correction)
    base = TSLMForecaster.load(correction).forecaster_.shrinkage
    assert model.forecaster_.shrinkage == 0 != base  # two steps of training help no other series


def test_an_untrained_fit_saves_and_loads(member: Path, tmp_path: Path) -> None:
    model = forecaster(base=RULES, pretrained=member).fit(OWN)
    model.save(tmp_path / "own")
    again = TSLMForecaster.load(tmp_path / "own").predict()
    pd.testing.assert_frame_equal(again, model.predict())


def test_a_line_says_that_nothing_is_trained(
    member: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forecaster(base=RULES, pretrained=member, verbose=1).fit(OWN)
    assert "on tiny, pretrained and not trained further" in capsys.readouterr().err


def test_training_begins_with_adapter_and_decoder(member: Path) -> None:
    options = {"max_steps": 1, "learning_rate": 1e-12, "pretrained": member}
    found = network(forecaster(base=RULES, **options).fit(OWN))
    for name, tensor in network(TSLMForecaster.load(member)).items():
        torch.testing.assert_close(found[name], tensor)


def test_training_begins_with_the_adapter_alone_if_the_decoder_is_another(member: Path) -> None:
    options = {"base": "none", "max_steps": 1, "learning_rate": 1e-12, "pretrained": member}
    model = forecaster(decoder="point", **options).fit(OWN)
    theirs = TSLMForecaster.load(member).model_.adapter.state_dict()
    for name, tensor in model.model_.adapter.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"adapter": Spec("autotimes", patch_len=8)}, r"adapter\.patch_len=4 \(in Python: adapter"),
        ({"adapter": "time_llm"}, "adapter=autotimes"),
        ({"backbone": "random:tiny"}, "backbone=tiny"),
        ({"n_layers": 1}, "n_layers=2"),
        ({"distribution": "mixture"}, "distribution=quantile"),
        ({"distribution": Spec("quantile", quantiles=[0.1, 0.5, 0.9])}, r"quantiles=\[0\.025,0\.1"),
        ({"base": "profile_ar", "decoder": "quantile"}, "base=none or base=auto"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_with_the_words_to_type(
    member: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=rf"weights do not fit: .* must be .*\. Set .*{words}"):
        forecaster(**{"base": RULES, "pretrained": member, **options}).fit(OWN)


def test_a_folder_of_rules_alone_has_no_adapter(tmp_path: Path) -> None:
    forecaster(base=RULES).fit(OWN).save(tmp_path / "rules")
    with pytest.raises(ConfigError, match="holds no adapter"):
        forecaster(base=RULES, pretrained=tmp_path / "rules").fit(OWN)


def test_a_folder_without_a_decoder_has_to_be_trained_further(tmp_path: Path) -> None:
    lipcot = Spec("lipcot", frame_length=4)
    options = {"adapter": lipcot, "backbone": "tiny", "freq": 1, "season_length": 4}
    teacher = LiPCoTPretrainer(**options, context_length=32, max_steps=1, verbose=0)
    teacher.fit(series(0, 96)).save(tmp_path / "codes")
    with pytest.raises(ConfigError, match=r"without a decoder.*max_steps=1"):
        forecaster(adapter=lipcot, base=RULES, pretrained=tmp_path / "codes").fit(series(1, 96))
