"""A classical base under an adapter: training begins at it, and validation may return to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.frames import long_frame
from tests.networks import network
from tslm import ConfigError, Spec, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Task
from tslm.models.assembly import rule
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.base_forecast import anchors
from tslm.models.layers.base_memory import RememberedForecasts

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
BASES = [name for name in choices("base") if name not in ("none", "auto")]  # auto is a mix
H, SEASON = 6, 4


CONTEXT = 24


def built(adapter: str, base: str | None, rollout: str = "sliding") -> ForecastModel:
    parts = {"adapter": adapter, "base": base, "rollout": rollout}
    values = {"h": H, "context_length": CONTEXT}
    return network(parts, rows=96, season_length=SEASON, **values)


@pytest.fixture
def batch(walks: Callable[..., Batch], cache: Path) -> Batch:
    return walks(context=48, future=24, windows=4)


@pytest.fixture(scope="module")
def memories() -> dict[str, RememberedForecasts]:
    """Forecasts of each base, so that adapters on the same base do not compute them again."""
    return {}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("adapter", choices("adapter"))
@pytest.mark.parametrize("rollout", ["sliding", "cached"])
def test_an_untrained_model_forecasts_like_its_base(
    adapter: str, base: str, rollout: str, batch: Batch, memories: dict[str, RememberedForecasts]
) -> None:
    model = built(adapter, base, rollout)
    model.prepare(batch.time.flatten())
    past, time = batch.past[:, -CONTEXT:], batch.time[:, 48 - CONTEXT :]
    assert model.base is not None
    model.memory = memories.setdefault(base, RememberedForecasts(model.base))
    expected = model.memory.forecast(Batch.of(past, time), model.step)
    torch.testing.assert_close(model.forecast(Batch.of(past, time), model.step), expected)
    model.gate.zero_()
    far = model.memory.forecast(Batch.of(past, time), 3 * model.step + 1)
    torch.testing.assert_close(model.forecast(Batch.of(past, time), 3 * model.step + 1), far)


@pytest.mark.parametrize("adapter", choices("adapter"))
def test_training_changes_the_correction_alone(adapter: str, batch: Batch) -> None:
    model = built(adapter, "profile_ar")
    model.prepare(batch.time.flatten())
    windows = Batch(
        batch.past[:, -CONTEXT:], batch.future[:, : model.step], batch.time[:, 48 - CONTEXT :]
    )
    optimizer = torch.optim.Adam([w for w in model.parameters() if w.requires_grad], 1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.loss(windows)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    assert model.base is not None
    assert not any(weight.requires_grad for weight in model.base.parameters())


@settings(max_examples=25)
@given(
    groups=st.integers(1, 4), step=st.integers(1, 5), context=st.integers(6, 20), seed=st.integers()
)
def test_each_group_is_forecast_from_its_past_alone(
    groups: int, step: int, context: int, seed: int
) -> None:
    base = rule("profile_ar", Task(1, step, 3))
    dice = torch.Generator().manual_seed(seed % 2**31)
    past = torch.randn(2, context, 2, generator=dice)
    time = torch.arange(context).repeat(2, 1)
    found = anchors(base, past, time, step, groups * step)
    assert found.shape == (2, groups * step, 2)
    for group in range(groups):
        known = context - (groups - 1 - group) * step
        expected = torch.zeros(2, step, 2)  # nothing is known
        if known > 0:
            expected = base.forecast(Batch.of(past[:, :known], time), step)
        part = found[:, group * step : (group + 1) * step]
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-4)


class Steady(Forecaster):
    """Forecasts one value everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forecast(self, batch: Batch, horizon: int) -> Tensor:
        windows, _, channels = batch.past.shape
        return batch.past.new_full((windows, horizon, channels), self.value)


@pytest.mark.parametrize(("truth", "shrinkage"), [(1.5, 0.25), (3.0, 1.0), (9.0, 1.0), (-2.0, 0.0)])
def test_shrinkage_is_that_of_the_validation_windows(
    truth: float, shrinkage: float, batch: Batch
) -> None:
    """The base forecasts 1 and the model 3; the true values need a fraction of the correction 2."""
    model = built("autotimes", "profile")
    model.base = Steady(1.0)
    torch.nn.init.zeros_(model.decoder.head.weight)
    past = batch.past[:, :CONTEXT]
    spread = model.adapter.scale(past).spread[:, -1:]
    model.decoder.register_forward_hook(
        lambda _m, _a, out: (2 / spread).flatten()[:, None].expand_as(out)
    )
    future = torch.full((4, model.step, 2), truth)
    future[0, 0, 0] = torch.nan
    model.calibrate([Batch(past, future, batch.time)])
    assert model.shrinkage == pytest.approx(shrinkage, abs=1e-5)
    ahead = model.forecast(Batch.of(past, batch.time), model.step)
    torch.testing.assert_close(ahead, torch.full_like(ahead, 1 + 2 * shrinkage))


def test_a_correction_shrunk_to_zero_warns(batch: Batch) -> None:
    model = built("autotimes", "profile")
    torch.nn.init.ones_(model.decoder.head.bias)
    past = batch.past[:, :CONTEXT]
    assert model.base is not None
    base = model.base.forecast(Batch.of(past, batch.time), model.step)
    windows = Batch(past, base - 1, batch.time)  # the correction goes up, the truth down
    message = "On 4 validation windows the trained correction did not improve on Profile"
    with pytest.warns(UserWarning, match=message):
        model.calibrate([windows])
    assert model.shrinkage == 0
    torch.testing.assert_close(model.forecast(Batch.of(past, batch.time), model.step), base)
    assert built("autotimes", None).shrinkage is None


def test_without_validation_shrinkage_is_one() -> None:
    model = built("autotimes", "profile")
    model.calibrate([])
    assert model.shrinkage == 1
    built("autotimes", None).calibrate([])


def waves(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    season = 4 * np.sin(2 * np.pi * np.arange(n) / 24)
    return long_frame({"a": season + rng.normal(0, 1, n).cumsum()}, freq="h")


def forecaster(**options: Any) -> TSLMForecaster:
    fixed = {"h": 8, "backbone": "tiny", "max_steps": 15, "accelerator": "cpu", "verbose": 0}
    return TSLMForecaster(
        **{"base": None, **fixed, "random_state": 0, "context_length": 96, **options}
    )


@pytest.mark.parametrize("base", BASES)
def test_a_saved_model_has_its_base_and_shrinkage(base: str, tmp_path: Path) -> None:
    small = {"h": 4, "season_length": 4, "context_length": 24, "val_size": 12, "batch_size": 8}
    model = forecaster(base=base, **small, max_steps=3).fit(waves(80))
    assert 0 <= model.model_.shrinkage <= 1
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    assert again.model_.shrinkage == model.model_.shrinkage
    pd.testing.assert_frame_equal(again.predict(h=9), model.predict(h=9))
    assert again.get_params()["base"] == base


def test_a_base_has_options_and_none_is_none() -> None:
    model = forecaster(base=Spec("profile_ar", order=2), max_steps=1).fit(waves())
    assert model.model_.base is not None
    assert int(model.model_.base.order) == 2
    assert forecaster(base="none", max_steps=1).fit(waves()).model_.base is None
    with pytest.raises(ConfigError, match="base=none has no option 'order'"):
        forecaster(base="none").set_params(base__order=3).fit(waves())


def test_the_learnt_parts_of_a_base_see_the_training_rows_only() -> None:
    df = waves()
    loud = df.copy()
    loud.loc[200:, "y"] *= 100  # all of it in validation
    one, two = (
        forecaster(base=Spec("ridge", penalties=[500.0]), val_size=100, max_steps=1).fit(frame)
        for frame in (df, loud)
    )
    assert torch.equal(one.model_.base.weight, two.model_.base.weight)


def test_base_forecasts_are_remembered_from_learning_to_calibration(batch: Batch) -> None:
    model = built("autotimes", "profile_ar")
    model.prepare(batch.time.flatten())
    past, time = batch.past[:, -CONTEXT:], batch.time[:, 48 - CONTEXT :]
    windows = Batch(past, batch.future[:, : model.step], time)
    plain = model.loss(windows)
    model.learn([windows], [])
    assert torch.equal(model.loss(windows), plain)
    assert torch.equal(model.loss(windows), plain)  # from memory
    assert model.memory is not None
    assert len(model.memory.found) > 0
    model.calibrate([windows])
    assert model.memory is None
