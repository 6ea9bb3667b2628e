"""The whole method: what reads what, what is compared with what, and how it rolls out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from tests.rollouts import rollout as rollout_named
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Context, Task, Tokens
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.backbones.base import Backbone, Identity
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.patching import patch
from tslm.models.layers.scale import NORMS, Scale
from tslm.models.lexicon import Lexicon

S, N = 8, 4
L = S * N
Walks = Callable[..., Batch]
Make = Callable[..., ForecastModel]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
norms = pytest.mark.parametrize("norm", NORMS)
rollouts = pytest.mark.parametrize("rollout", ["cached", "sliding"])


class Echo(Backbone):
    """A backbone that returns its input."""

    def __init__(self, lexicon: Lexicon, causal: bool = True) -> None:
        super().__init__()
        self.identity = Identity("echo", "", "", "", 0)
        self.width, self.causal, self._lexicon = lexicon.width, causal, lexicon

    @property
    def lexicon(self) -> Lexicon:
        return self._lexicon

    def read(self, embeds: Tensor, mask: Tensor | None = None) -> Tensor:
        return embeds

    def start(self, tokens: Tokens) -> tuple[Tensor, None]:
        return tokens.embeds, None

    def extend(self, state: Any, tokens: Tokens) -> tuple[Tensor, None]:
        return tokens.embeds, None


def echoing(**options: Any) -> ForecastModel:
    """Return inverse linear maps around a backbone that returns its input."""
    lexicon = load("tiny").lexicon
    task = Task(L, S)
    adapter = AutoTimes(lexicon=lexicon, task=task, patch_len=S, **options)
    decoder = SegmentDecoder(width=lexicon.width, layout=adapter.layout, task=task)
    with torch.no_grad():
        adapter.embed[0].weight.copy_(torch.eye(lexicon.width, S))
        adapter.embed[0].bias.zero_()
        decoder.project[0].weight.copy_(torch.eye(S, lexicon.width))
        decoder.project[0].bias.zero_()
    body = Echo(lexicon)
    rolled = rollout_named("sliding", body, adapter)
    return ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)


def ramp() -> Batch:
    steps = torch.arange(float(L + S))[None, :, None]
    return Batch(steps[:, :L], steps[:, L:], torch.arange(L + S)[None])


@norms
def test_position_i_speaks_of_segment_i_plus_1(norm: str) -> None:
    """A model that repeats what it read has output i equal to segment i."""
    model, batch = echoing(norm=norm), ramp()
    values, covered, *_ = model(batch.past, batch.time[:, :L])
    torch.testing.assert_close(values, batch.past, **CLOSE)
    assert covered.all()
    loss = model.loss(batch)  # against the same series one segment later, which is S higher
    torch.testing.assert_close(loss, torch.tensor(float(S**2)))


@rollouts
def test_an_echo_repeats_its_last_segment(rollout: str) -> None:
    model, batch = echoing(), ramp()
    model.use(rollout_named(rollout, model.backbone, model.adapter))
    time = torch.arange(L + 3 * S)[None]
    ahead = model.forecast(batch._replace(time=time), 3 * S)
    last = batch.past[:, -S:]
    torch.testing.assert_close(ahead, torch.cat([last] * 3, 1), rtol=1e-4, atol=1e-4)


def dependence(model: ForecastModel, batch: Batch) -> Tensor:
    """Return which context segments each predicted segment depends on, [predicted, read]."""
    time = batch.time[:, :L]
    before = model(batch.past, time).values
    columns = []
    for segment in range(N):
        past = batch.past.clone()
        past[:, S * segment : S * (segment + 1)] *= 1.5
        moved = (model(past, time).values - before).abs()
        columns.append(moved.reshape(len(past), N, S, -1).amax((0, 2, 3)) > 1e-5)
    return torch.stack(columns, 1)


def causal(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def test_the_backbone_is_causal(autotimes: Make, walks: Walks) -> None:
    model, batch = autotimes(), walks()
    fixed = Scale.of(walks(seed=1).past)
    model.adapter.scale = lambda past: fixed
    assert torch.equal(dependence(model, batch), causal(N))


@pytest.mark.parametrize("norm", ["prefix", "first_segment"])
@pytest.mark.parametrize("padding", [0, S])
def test_no_token_is_scaled_by_what_comes_later(
    autotimes: Make, walks: Walks, norm: str, padding: int
) -> None:
    batch = walks()
    batch.past[:, :padding] = torch.nan
    first = padding // S
    assert torch.equal(dependence(autotimes(norm=norm), batch)[first:, first:], causal(N - first))


def test_the_published_norm_scales_every_token_by_the_whole_window(
    autotimes: Make, walks: Walks
) -> None:
    """A known look-ahead in training, as published."""
    assert dependence(autotimes(norm="window"), walks()).all()


@rollouts
def test_a_long_forecast_contains_the_shorter_ones(
    autotimes: Make, walks: Walks, rollout: str
) -> None:
    model = autotimes(patch_len=96, n_tokens=2, rollout=rollout)
    batch = walks(windows=2, context=192, future=720)
    longest = model.forecast(batch, 720)
    for horizon in (1, 96, 192, 336):
        ahead = model.forecast(batch, horizon)
        assert torch.equal(ahead, longest[:, :horizon])


@norms
def test_sliding_is_calling_again_with_what_was_forecast(
    autotimes: Make, walks: Walks, norm: str
) -> None:
    model, batch = autotimes(rollout="sliding", norm=norm), walks()
    window, calls = batch.past, []
    for k in range(3):
        time = batch.time[:, S * k : S * k + L]
        calls.append(model(window, time).values[:, -S:].detach())
        window = torch.cat([window, calls[-1]], 1)[:, -L:]
    torch.testing.assert_close(model.forecast(batch, 3 * S), torch.cat(calls, 1), **CLOSE)


@norms
def test_the_cached_rollout_equals_one_pass_over_the_longer_context(
    autotimes: Make, walks: Walks, norm: str
) -> None:
    model, batch = autotimes(norm=norm), walks()
    batch.past[1, : S + 3] = torch.nan
    batch.past[2, -S:] = torch.nan
    series, scale = batch.past, model.adapter.scale(batch.past)
    read = scale.apply(series)
    for _ in range(6):
        context = Context.fold(read, batch.time[:, : read.shape[1]])
        with torch.no_grad():
            tokens = model.adapter(context)
            values = model.decoder(model.backbone(tokens), tokens)[:, -S:]
        ahead = scale.undo(values.reshape(3, 2, S).transpose(1, 2))
        series = torch.cat([series, ahead], 1)
        scale = model.adapter.scale(series[:, -L:])
        read = torch.cat([read, scale.last.apply(ahead)], 1)
    expected = series[:, L:]
    for horizon in (2 * S + 3, 6 * S - 5):
        ours = model.forecast(batch, horizon)
        torch.testing.assert_close(ours, expected[:, :horizon], rtol=1e-5, atol=2e-5)


@norms
def test_far_ahead_the_cached_rollout_has_the_units_of_the_sliding_one(
    autotimes: Make, walks: Walks, norm: str
) -> None:
    """Without attention a forecast depends on the last token alone, so both must agree."""
    batch, ahead = walks(), []
    for rollout in ("cached", "sliding"):
        model = autotimes(rollout=rollout, norm=norm)
        lexicon = model.backbone.lexicon
        alone = ForecastModel(
            adapter=model.adapter,
            backbone=Echo(lexicon),
            decoder=model.decoder,
            rollout=model.rollout,
        )
        ahead.append(alone.forecast(batch, 6 * S))
    torch.testing.assert_close(*ahead, **CLOSE)


def test_one_step_is_the_same_in_either_rollout(autotimes: Make, walks: Walks) -> None:
    batch = walks()
    ahead = [autotimes(rollout=r).forecast(batch, S) for r in ("cached", "sliding")]
    torch.testing.assert_close(*ahead, **CLOSE)


def test_the_cached_rollout_reads_each_new_segment_once(autotimes: Make, walks: Walks) -> None:
    model, batch = autotimes(), walks()
    read: list[int] = []
    model.adapter.register_forward_hook(lambda _m, _a, out: read.append(out.embeds.shape[1]))
    model.forecast(batch, 3 * S + 1)
    assert read == [N, 1, 1, 1]


def test_a_shorter_context_is_read_by_the_same_weights(autotimes: Make, walks: Walks) -> None:
    model, batch = autotimes(), walks()
    short = model.forecast(Batch.of(batch.past[:, -2 * S :], batch.time[:, 2 * S :]), S)
    assert short.shape == (3, S, 2)
    assert torch.isfinite(short).all()


def test_the_backbone_has_no_dropout_in_training(walks: Walks) -> None:
    sizes = {"vocab_size": 11, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    config = AutoConfig.for_model("gpt2", **sizes, resid_pdrop=0.5, embd_pdrop=0.5)
    body = HuggingFaceBackbone(AutoModel.from_config(config), Identity("", "", "", "", 2), str)
    task, batch = Task(L, S), walks()
    adapter = AutoTimes(lexicon=body.lexicon, task=task, patch_len=S, dropout=0.0)
    decoder = SegmentDecoder(width=16, layout=adapter.layout, task=task, dropout=0.0)
    rolled = rollout_named("sliding", body, adapter)
    model = ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)
    eager = model.train()(batch.past, batch.time[:, :L]).values
    again = model.train()(batch.past, batch.time[:, :L]).values
    calm = model.eval()(batch.past, batch.time[:, :L]).values
    assert torch.equal(eager, again)
    assert torch.equal(eager, calm)


def test_a_bidirectional_backbone_is_refused(autotimes: Make) -> None:
    model = autotimes()
    body = Echo(model.backbone.lexicon, causal=False)
    with pytest.raises(ConfigError, match="AutoTimes reads a series from left to right, and echo"):
        ForecastModel(
            adapter=model.adapter, backbone=body, decoder=model.decoder, rollout=model.rollout
        )


def sines(windows: int, dice: torch.Generator) -> Batch:
    """Noiseless sines of a period that is no multiple of the segment, of any phase and level."""
    steps = torch.arange(L + 2 * S)
    phase = 6.3 * torch.rand(windows, 1, generator=dice)
    level = torch.randn(windows, 1, generator=dice)
    series = (torch.sin(2 * torch.pi * steps / 20 + phase) + level)[:, :, None]
    return Batch(series[:, :L], series[:, L:], steps.repeat(windows, 1))


@norms
def test_a_few_hundred_steps_beat_repeating_the_last_segment(autotimes: Make, norm: str) -> None:
    model, dice = autotimes(norm=norm), torch.Generator().manual_seed(0)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3, weight_decay=0.0)
    for _ in range(150):
        batch = sines(32, dice)
        optimizer.zero_grad()
        model.loss(batch._replace(future=batch.future[:, :S])).backward()
        optimizer.step()
    test = sines(64, dice)
    ahead = model.forecast(test, 2 * S)
    ours = (ahead - test.future).square().mean()
    repeated = (patch(test.past[:, :, 0], S)[:, -1:].repeat(1, 2, 1).flatten(1)[:, :, None]
                - test.future).square().mean()  # fmt: skip
    assert float(ours) < 0.1 * float(repeated)
