"""The parallel roll-out: several segments per pass, by learnt tokens behind the context."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.frames import random_walks
from tests.networks import network
from tests.rollouts import rollout
from tslm import ConfigError, DataError, Spec, TSLMForecaster
from tslm.core.types import Batch
from tslm.models.forecast_model import ForecastModel

S, N, K = 8, 4, 4
L = S * N
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
Walks = Callable[..., Batch]
Make = Callable[..., ForecastModel]


def parallel(autotimes: Make, segments: int = K, **options: Any) -> ForecastModel:
    """Return a model with random learnt tokens; equal arguments give equal weights."""
    model = autotimes(**options)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model.use(rollout("parallel", model.backbone, model.adapter, segments=segments))
    return model


def read_by(model: ForecastModel) -> list[int]:
    """Return the number of tokens of each pass, as they are read."""
    read: list[int] = []
    plain = model.backbone.read

    def reading(embeds: Tensor, mask: Tensor | None = None) -> Tensor:
        read.append(embeds.shape[1])
        return plain(embeds, mask)

    model.backbone.read = reading  # type: ignore[method-assign]
    return read


@pytest.mark.parametrize("horizon", [1, S - 1, S])
def test_one_segment_is_forecast_as_by_the_sliding_rollout(
    autotimes: Make, walks: Walks, horizon: int
) -> None:
    batch = walks()
    batch.past[1, : S + 3] = torch.nan
    ahead = parallel(autotimes).forecast(batch, horizon)
    assert torch.equal(ahead, autotimes(rollout="sliding").forecast(batch, horizon))


def test_one_segment_per_pass_is_the_sliding_rollout(autotimes: Make, walks: Walks) -> None:
    model, batch = parallel(autotimes, segments=1), walks()
    assert not dict(model.rollout.named_parameters())
    ahead = model.forecast(batch, 3 * S + 1)
    assert torch.equal(ahead, autotimes(rollout="sliding").forecast(batch, 3 * S + 1))
    torch.testing.assert_close(model.loss(batch), autotimes(rollout="sliding").loss(batch))


@pytest.mark.parametrize("norm", ["window", "prefix", "first_segment"])
def test_a_long_forecast_contains_the_shorter_ones(
    autotimes: Make, walks: Walks, norm: str
) -> None:
    model, batch = parallel(autotimes, norm=norm), walks()
    longest = model.forecast(batch, 6 * S)
    for horizon in (1, S, 2 * S + 3, K * S, 5 * S):
        torch.testing.assert_close(model.forecast(batch, horizon), longest[:, :horizon], **CLOSE)


def test_one_pass_covers_all_segments_and_a_longer_horizon_takes_a_second(
    autotimes: Make, walks: Walks
) -> None:
    model = parallel(autotimes)
    read = read_by(model)
    model.forecast(walks(), K * S)
    assert read == [N + K - 1]
    read.clear()
    model.forecast(walks(), K * S + S + 1)  # two segments are left
    assert read == [N + K - 1, N + 1]


def test_groups_of_segments_are_a_sliding_window(autotimes: Make, walks: Walks) -> None:
    model, batch = parallel(autotimes), walks()
    first = model.forecast(batch, K * S)
    moved = torch.cat([batch.past, first], 1)[:, -L:]
    second = model.forecast(Batch.of(moved, batch.time[:, K * S :]), K * S)
    torch.testing.assert_close(
        model.forecast(batch, 2 * K * S), torch.cat([first, second], 1), **CLOSE
    )


def test_later_segments_are_forecast_from_the_context_and_their_own_tokens(
    autotimes: Make, walks: Walks
) -> None:
    model, batch = parallel(autotimes), walks()
    before = model.forecast(batch, K * S)
    assert model.rollout.future is not None
    with torch.no_grad():
        model.rollout.future[1] += 1.0  # the token of segment 2 forecasts segment 3
    moved = (model.forecast(batch, K * S) - before).abs().reshape(3, K, S, 2).amax((0, 2, 3))
    assert (moved > 1e-6).tolist() == [False, False, True, True]


def test_padding_is_inert(autotimes: Make, walks: Walks) -> None:
    model, batch = parallel(autotimes), walks()
    short = Batch.of(batch.past[:, S:], batch.time[:, S:])
    padded = batch.past.clone()
    padded[:, :S] = torch.nan
    ahead = model.forecast(batch._replace(past=padded), 2 * S)
    torch.testing.assert_close(ahead, model.forecast(short, 2 * S), **CLOSE)


def test_the_loss_compares_every_segment_and_counts_observed_values_only(
    autotimes: Make, walks: Walks
) -> None:
    model, batch = parallel(autotimes), walks(future=K * S)
    batch.future[0, S + 2 :] = torch.nan
    batch.past[1, :S] = torch.nan  # the first segment after padding is forecast from nothing
    values = model.trained(batch).values
    assert values.shape[1] == L + (K - 1) * S
    truth = torch.cat([batch.past, batch.future], 1)[:, S:]
    counted = ~truth.isnan()
    counted[1, :S] = False
    error = (values - truth)[counted].square().mean()
    torch.testing.assert_close(model.loss(batch), error, **CLOSE)
    torch.testing.assert_close(values[:, -K * S :], model.forecast(batch, K * S), **CLOSE)


def test_each_learnt_token_gets_a_gradient(autotimes: Make, walks: Walks) -> None:
    model = parallel(autotimes)
    model.loss(walks(future=K * S)).backward()
    assert model.rollout.future is not None
    assert model.rollout.future.grad is not None
    assert (model.rollout.future.grad.abs().sum(1) > 0).all()


def test_a_few_hundred_steps_learn_a_season_of_several_segments(
    autotimes: Make, walks: Walks
) -> None:
    """Segment 3 is a fifth of a season later than segment 1, so its token must know its place."""
    model, dice = parallel(autotimes, norm="prefix"), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=5e-3
    )

    def sines(windows: int) -> Batch:
        steps = torch.arange(L + K * S)
        phase = 6.3 * torch.rand(windows, 1, generator=dice)
        series = torch.sin(2 * torch.pi * steps / 20 + phase)[:, :, None]
        return Batch(series[:, :L], series[:, L:], steps.repeat(windows, 1))

    for _ in range(150):
        optimizer.zero_grad()
        model.loss(sines(32)).backward()
        optimizer.step()
    test = sines(64)
    error = (model.forecast(test, K * S) - test.future).square().reshape(64, K, S).mean((0, 2))
    assert (error[[0, 2]] < 0.1 * test.future.var()).all(), error


@pytest.mark.parametrize("base", ["seasonal_naive", "profile_ar"])
def test_an_untrained_correction_forecasts_like_its_base(base: str, walks: Walks) -> None:
    parts = {"adapter": "autotimes", "base": base, "rollout": Spec("parallel", segments=3)}
    model = network(parts, rows=96, season_length=4, h=8, context_length=24)
    batch = walks(context=24, future=24)
    ahead = model.forecast(batch, 20)
    torch.testing.assert_close(ahead, model.base.forecast(batch, 20), rtol=1e-4, atol=1e-4)


def seasonal(rows: int = 160) -> pd.DataFrame:
    frame = random_walks(rows, ("a", "b"), level=0, freq="h", start="2024-03-01")
    frame["y"] = 0.1 * frame.y + np.sin(frame.groupby("unique_id").cumcount() / 4)
    return frame


def fitted(**options: Any) -> TSLMForecaster:
    fast = {"backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "verbose": 0, "base": None}
    fast |= {"h": 20, "context_length": 32, "random_state": 0, "rollout": "parallel"}
    return TSLMForecaster(**{**fast, "adapter": Spec("autotimes", patch_len=8), **options})


@pytest.mark.filterwarnings("ignore:On .* validation windows")
class TestEstimator:
    """The roll-out as a user has it."""

    @pytest.mark.parametrize("timestamps", ["numeric", "text"])
    def test_a_loaded_model_forecasts_the_same_bits(
        self, timestamps: str, cache: Path, tmp_path: Path
    ) -> None:
        adapter = Spec("autotimes", patch_len=8, timestamps=timestamps)
        model = fitted(adapter=adapter).fit(seasonal())
        model.save(tmp_path / "model")
        again = TSLMForecaster.load(tmp_path / "model")
        assert again.model_.rollout.segments == 3  # of 8 steps, for a horizon of 20
        pd.testing.assert_frame_equal(again.predict(h=50), model.predict(h=50), check_exact=True)

    def test_quantiles_of_the_whole_horizon_come_from_one_pass(self) -> None:
        model = fitted(decoder="quantile", conformal="none").fit(seasonal())
        assert model.forecaster_.distribution_horizon == 24
        read = read_by(model.model_)
        ahead = model.predict(level=[80])
        assert set(read) == {4 + 2}
        assert (ahead["AutoTimes-lo-80"] <= ahead["AutoTimes-hi-80"]).all()
        assert len(model.predict(h=60, level=[80])) == 120

    def test_a_mix_has_it_as_a_member(self) -> None:
        model = fitted(base="auto").fit(seasonal())
        assert np.isfinite(model.predict(h=40, level=[90]).iloc[:, 2:]).all(axis=None)

    def test_series_that_are_too_short_for_its_windows_are_named(self) -> None:
        with pytest.raises(DataError, match="a window needs more than 80 rows"):
            fitted(rollout=Spec("parallel", segments=10)).fit(seasonal(90))

    @pytest.mark.parametrize("adapter", ["time_llm", "s2ip", "lipcot"])
    def test_an_adapter_without_segments_is_refused(self, adapter: str) -> None:
        with pytest.raises(ConfigError, match="rollout=parallel puts tokens of later segments"):
            fitted(adapter=adapter).fit(seasonal())

    @pytest.mark.parametrize(
        ("segments", "message"),
        [(0, "segments=0 must be at least 1"), ("two", "segments='two'")],
    )
    def test_a_number_of_segments_that_cannot_be_is_refused(
        self, segments: Any, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            fitted(rollout=Spec("parallel", segments=segments)).fit(seasonal())
