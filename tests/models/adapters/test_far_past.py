"""A far past of averages in front of a near past."""

import pytest
import torch

from tests.networks import network
from tslm import ConfigError, Spec
from tslm.core.types import Batch, Context
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.forecast_model import ForecastModel

P, FAR, NEAR = 4, 2 * 4 * (2 + 4), 12


def built(far_past: list[int] | None = None, context: int = FAR + NEAR) -> ForecastModel:
    adapter = Spec("autotimes", patch_len=P, far_past=far_past or [2, 4], far_tokens=2)
    return network({"adapter": adapter}, rows=400, h=P, context_length=context)


def contexts(seed: int = 0) -> Batch:
    past = torch.randn(3, FAR + NEAR, 2, generator=torch.Generator().manual_seed(seed)).cumsum(1)
    return Batch.of(past, torch.arange(FAR + NEAR + 20).repeat(3, 1))


def test_far_tokens_are_averages_the_coarsest_first() -> None:
    adapter = built().adapter
    assert isinstance(adapter, AutoTimes)
    assert adapter.far is not None
    ramp = torch.arange(float(FAR + NEAR))[None]
    part = adapter.far(Context(ramp, torch.ones_like(ramp).bool(), ramp.long()))
    coarse = ramp[0, :32].reshape(2, 4, 4).mean(2)
    fine = ramp[0, 32:48].reshape(2, 4, 2).mean(2)
    expected = [adapter.far.embeds[1](coarse), adapter.far.embeds[0](fine)]
    torch.testing.assert_close(part.embeds[0], torch.cat(expected))


def test_only_the_far_past_reads_older_steps_and_it_does_read_them() -> None:
    model, batch = built(), contexts()
    assert model.n_tokens == NEAR // P
    found = model.forecast(batch, 9)
    older = batch.past.clone()
    older[:, :5] += 3
    assert not torch.allclose(model.forecast(batch._replace(past=older), 9), found, atol=1e-5)
    gone = batch.past.clone()
    gone[:, :FAR] = torch.nan  # a short series: its far past is padding
    assert torch.isfinite(model.forecast(batch._replace(past=gone), 9)).all()


def test_forecasts_follow_level_and_spread() -> None:
    model, batch = built(), contexts()
    moved = batch._replace(past=5 + 3 * batch.past)
    torch.testing.assert_close(
        model.forecast(moved, 9), 5 + 3 * model.forecast(batch, 9), rtol=1e-3, atol=1e-3
    )


def test_wrong_resolutions_and_short_contexts_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"far_past=\[4, 2\] must be .* such as \[4, 16\]"):
        built([4, 2])
    with pytest.raises(ConfigError, match="Set context_length to 52 or more"):
        built(context=FAR)
