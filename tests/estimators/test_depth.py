"""A fit that chooses the depth of the backbone: ``n_layers="auto"``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.command import command
from tests.frames import random_walks
from tslm import ConfigError, TSLMForecaster
from tslm.data.samplers import RandomWindows
from tslm.estimators.training.weights import trained_state
from tslm.estimators.window_regressor import TSLMWindowRegressor
from tslm.models.forecast_model import ForecastModel

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")

USUAL = {"h": 8, "base": None, "n_layers": "auto", "max_steps": 4, "random_state": 0}
USUAL |= {"accelerator": "cpu", "verbose": 0}
Make = Callable[..., TSLMForecaster]


@pytest.fixture
def make(checkpoint: Callable[[str], str], cache: Path) -> Make:
    """Return a forecaster on four random blocks."""
    return lambda **settings: TSLMForecaster(
        **{"backbone": checkpoint("llama"), **USUAL, **settings}
    )


@pytest.fixture(scope="module")
def walks() -> pd.DataFrame:
    return random_walks(200)


def state(model: TSLMForecaster) -> dict[str, torch.Tensor]:
    return trained_state(model.forecaster_)


@pytest.mark.parametrize("base", [None, "profile_ar", "auto"])
def test_a_saved_model_has_the_chosen_depth_and_forecasts_the_same(
    make: Make, walks: pd.DataFrame, base: str | None, tmp_path: Path, capsys: Any
) -> None:
    model = make(base=base, verbose=1).fit(walks)
    depth = model.config_.n_layers
    line = next(line for line in capsys.readouterr().err.splitlines() if "n_layers=auto" in line)
    assert line.startswith(f"n_layers=auto chose {depth}: the fewest blocks whose error on ")
    assert list(model.verdict_.depths) == [1, 2, 4]
    assert isinstance(model.forecaster_.learner, ForecastModel)
    model.save(tmp_path / "m")
    facts = json.loads((tmp_path / "m/model.json").read_text())
    assert facts["settled"]["values"]["n_layers"] == facts["backbone"]["n_layers"] == depth
    again = TSLMForecaster.load(tmp_path / "m")
    assert again.verdict_.depths == model.verdict_.depths
    pd.testing.assert_frame_equal(again.predict(level=[80]), model.predict(level=[80]))
    assert again.get_params()["n_layers"] == "auto"


def test_the_forecast_is_that_of_a_model_of_this_depth(make: Make, walks: pd.DataFrame) -> None:
    model = make().fit(walks)
    plain = make(n_layers=model.config_.n_layers).fit(walks)
    plain.forecaster_.load_state_dict(state(model), strict=False)
    pd.testing.assert_frame_equal(plain.predict(), model.predict(), rtol=1e-6)


class Killed(BaseException):
    """Ends a fit at once, as a signal would."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let fits die before the step in the list."""
    plain, at = RandomWindows.batch, [-1]

    def batch(self: RandomWindows, step: int) -> Any:
        if step == at[0]:
            raise Killed
        return plain(self, step)

    monkeypatch.setattr(RandomWindows, "batch", batch)
    return at


def test_a_killed_fit_goes_on_to_the_same_bits(
    make: Make, walks: pd.DataFrame, dies: list[int], tmp_path: Path
) -> None:
    settings = {"max_steps": 10, "early_stopping_patience": 3}
    whole = make(**settings).fit(walks)
    dies[0] = 7
    with pytest.raises(Killed):
        make(**settings).fit(walks, folder=tmp_path)
    with pytest.raises(ConfigError, match="an unfinished run with n_layers=auto"):
        make(n_layers=4, **settings).fit(walks, folder=tmp_path)
    dies[0] = -1
    rest = make(**settings).fit(walks, folder=tmp_path)
    assert rest.verdict_.depths == whole.verdict_.depths
    assert all(torch.equal(state(rest)[name], tensor) for name, tensor in state(whole).items())


def test_warm_start_keeps_the_depth(make: Make, walks: pd.DataFrame) -> None:
    model = make().fit(walks)
    depth = model.config_.n_layers
    model.fit(walks, warm_start=True)
    assert model.config_.n_layers == depth
    assert not model.verdict_.depths


def test_memory_and_batch_size_are_those_of_all_depths(make: Make, walks: pd.DataFrame) -> None:
    def needed(model: TSLMForecaster) -> dict[str, float]:
        found = model.estimate_memory(walks)
        return dict(zip(found.part, found.fit, strict=True))

    auto, whole = needed(make()), needed(make(n_layers=4))
    assert auto["backbone"] == whole["backbone"]
    assert auto["adapter and decoder"] > whole["adapter and decoder"]
    assert auto["batch"] > whole["batch"]
    assert isinstance(make(batch_size="auto").fit(walks).config_.batch_size, int)


def test_the_command_line_chooses_too(
    checkpoint: Callable[[str], str], cache: Path, walks: pd.DataFrame, tmp_path: Path, capsys: Any
) -> None:
    walks.to_csv(tmp_path / "walks.csv", index=False)
    words = [f"backbone={checkpoint('llama')}", "n_layers=auto", "h=8", "base=null", "max_steps=2"]
    words += ["accelerator=cpu", f"data={tmp_path / 'walks.csv'}", f"out={tmp_path / 'm'}"]
    assert command("fit", *words) == 0
    assert "n_layers=auto chose " in capsys.readouterr().err
    assert TSLMForecaster.load(tmp_path / "m").config_.n_layers in (1, 2, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "block"}, "backbone=block is a control in its place"),
        ({"freeze": "norms"}, "freeze=norms trains some of its weights"),
        ({"val_size": 0}, "chooses the depth on validation rows, and there is none"),
        ({"base": "auto", "max_steps": 0, "pretrained": "m"}, "chooses the depth of new weights"),
        ({"adapter__timestamps": "text"}, "adapter.timestamps=none"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    make: Make, walks: pd.DataFrame, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make().set_params(**settings).fit(walks)


def test_other_uses_of_a_backbone_need_a_number(make: Make, walks: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"model\.config_\.n_layers has the number"):
        make().ablate(walks)
    regressor = TSLMWindowRegressor(backbone="tiny", n_layers="auto", max_steps=2)
    with pytest.raises(ConfigError, match="validation rows, which windows do not have"):
        regressor.fit(torch.randn(20, 32).numpy(), torch.randn(20).numpy())
    assert command("speed", "backbone=tiny", "n_layers=auto", "adapter=autotimes") == 2
