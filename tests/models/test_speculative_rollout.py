"""Speculative roll-out: the forecasts of the cached one, in fewer passes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from tests.networks import network
from tslm import Spec, TSLMForecaster
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Task, Tokens
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.loading import load
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.scale import NORMS
from tslm.models.rollouts.speculative import SpeculativeRollout
from tslm.uncertainty.distributions.student_t import StudentTFamily

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
S, L, FAR = 8, 32, 60
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
Make, Walks = Callable[..., ForecastModel], Callable[..., Batch]


def speculative(model: ForecastModel, season: int = S, **options: Any) -> ForecastModel:
    """Return the model with another roll-out."""
    sizes = {"width": model.backbone.width, "layout": model.adapter.layout}
    model.rollout = SpeculativeRollout(**sizes, task=Task(L, S, season_length=season), **options)
    return model


def passes(model: ForecastModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of tokens of each pass of the backbone after the context."""
    found: list[int] = []
    plain = type(model.backbone).extend

    def extend(self: Backbone, state: Any, tokens: Tokens) -> Any:
        found.append(tokens.mask.shape[1])
        return plain(self, state, tokens)

    monkeypatch.setattr(type(model.backbone), "extend", extend)
    return found


@pytest.mark.parametrize("drafts", [1, 3, 8])
@pytest.mark.parametrize("norm", NORMS)
def test_with_tau_0_the_forecast_is_the_cached_one(
    autotimes: Make, walks: Walks, norm: str, drafts: int
) -> None:
    batch = walks()
    batch.past[1, : S + 3] = torch.nan
    batch.past[2, -S:] = torch.nan
    expected = autotimes(norm=norm).forecast(batch, FAR)
    model = speculative(autotimes(norm=norm), drafts=drafts, tau=0.0)
    torch.testing.assert_close(model.forecast(batch, FAR), expected, **CLOSE)


def test_with_tau_0_a_path_is_the_cached_one(autotimes: Make, walks: Walks) -> None:
    """The law of paths is unchanged, because each path is the same function of its levels."""
    batch, law = walks(), {"family": StudentTFamily()}
    levels = torch.rand(3, 8 * S, 2, generator=torch.Generator().manual_seed(0))
    expected = autotimes(decoder=law).paths(batch, levels)
    for tau in (0.0, 1e-5):
        found = speculative(autotimes(decoder=law), tau=tau).paths(batch, levels)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(autotimes(decoder=law).paths(batch, 1 - levels), expected)


def test_a_window_does_not_depend_on_others(autotimes: Make, walks: Walks) -> None:
    model, batch = speculative(autotimes(), tau=0.3, drafts=4), walks()
    together = model.forecast(batch, FAR)
    for row in range(3):
        alone = Batch.of(batch.past[row : row + 1], batch.time[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], model.forecast(alone, FAR), **CLOSE)


def test_all_drafts_are_read_in_one_pass_if_all_are_accepted(
    autotimes: Make, walks: Walks, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = autotimes()
    read = passes(model, monkeypatch)
    speculative(model, tau=math.inf, drafts=8).forecast(walks(), FAR)
    assert read == [7]
    read.clear()
    speculative(model, tau=math.inf, drafts=3).forecast(walks(), FAR)
    assert read == [3, 3, 1]
    read.clear()
    speculative(model, tau=0.0, drafts=1).forecast(walks(), FAR)
    assert read == [1] * 7
    read.clear()
    speculative(model).forecast(walks(), S)
    assert read == []


def test_the_base_is_the_draft_of_the_model_that_corrects_it(
    walks: Walks, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"adapter": "autotimes", "base": "seasonal_naive"}
    model: Any = network(parts, rows=96, season_length=4, h=S, context_length=L)
    read, batch = passes(model, monkeypatch), walks()
    speculative(model, season=3, draft="base", tau=1e-4)
    ahead = model.forecast(batch, FAR)  # an untrained correction is zero
    torch.testing.assert_close(ahead, model.base.forecast(batch, FAR), **CLOSE)
    assert read == [7]
    read.clear()
    speculative(model, season=3, draft="season", tau=1e-4).forecast(batch, FAR)
    assert len(read) > 1


@pytest.mark.parametrize("cached", [True, False])
def test_retracted_tokens_leave_no_trace(cached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    body = load("tiny")
    monkeypatch.setattr(body, "has_kv_cache", cached)
    tokens = torch.randn(2, 9, body.width, generator=torch.Generator().manual_seed(0))

    def part(start: int, stop: int) -> Tokens:
        some = tokens[:, start:stop]
        return Tokens(some, torch.ones(some.shape[:2], dtype=torch.bool))

    _, state = body.start(part(0, 3))
    _, state = body.extend(state, part(3, 6))
    state = body.retract(state, torch.tensor([[True, True, False], [True, False, False]]))
    found, _ = body.extend(state, part(6, 9))
    for row, count in ((0, 5), (1, 4)):
        kept = torch.cat([tokens[row, :count], tokens[row, 6:]])[None]
        alone = body(Tokens(kept, torch.ones(kept.shape[:2], dtype=torch.bool)))
        torch.testing.assert_close(found[row], alone[0, -3:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drafts": 0}, "drafts=0"),
        ({"tau": -1.0}, "rollout.tau=-1.0 must be 0 or above"),
    ],
)
def test_wrong_options_are_refused(autotimes: Make, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        speculative(autotimes(), **options)


def test_an_estimator_takes_it_by_name(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=160).cumsum()
    df = pd.DataFrame({"unique_id": "a", "ds": np.arange(160), "y": y})
    model = TSLMForecaster(
        h=8,
        adapter=Spec("autotimes", patch_len=8),
        backbone="tiny",
        base=None,
        rollout=Spec("speculative", drafts=4, tau=0.1),
        context_length=24,
        val_size=24,
        max_steps=2,
        random_state=0,
        verbose=0,
    )
    ahead = model.fit(df).predict(h=60)
    model.save(tmp_path / "m")
    pd.testing.assert_frame_equal(TSLMForecaster.load(tmp_path / "m").predict(h=60), ahead)
    assert ahead["AutoTimes"].notna().all()
    with pytest.raises(ConfigError, match="draft"):
        clone(model).set_params(rollout=Spec("speculative", draft="x")).fit(df)
