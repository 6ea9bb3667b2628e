from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
import torch
from torch.nn import functional

from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Context, Facts, Task
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.loading import load
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.patching import patch

S, N = 8, 4
Walks = Callable[..., Batch]
Make = Callable[..., ForecastModel]


def adapter(context_length: int = S * N, patch_len: int = S, **options: Any) -> AutoTimes:
    task = Task(context_length, S, freq="h", dated=options.pop("dated", True))
    return AutoTimes(lexicon=load("tiny").lexicon, task=task, patch_len=patch_len, **options)


def test_a_segment_is_a_token() -> None:
    layout = adapter().layout
    assert (layout.n_tokens, layout.patch_len, layout.grows) == (N, S, True)


@pytest.mark.parametrize("timestamps", ["none", "text", "shuffled"])
def test_as_few_weights_are_trained_as_published(autotimes: Make, timestamps: str) -> None:
    model = autotimes(timestamps=timestamps)
    width = model.backbone.width
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert trained == (S * width + width) + (width * S + S) + (timestamps != "none")


def test_without_timestamps_tokens_are_the_embedded_segments(walks: Walks) -> None:
    net, batch = adapter(), walks()
    context = Context.fold(batch.past, batch.time[:, : S * N])
    tokens = net(context)
    assert torch.equal(tokens.embeds, net.embed(patch(context.values, S)))
    assert tokens.mask.all()
    assert not hasattr(net, "mix")


def test_with_weight_zero_timestamps_leave_only_the_direction_of_a_segment(
    autotimes: Make, walks: Walks, cache: object
) -> None:
    net, batch = autotimes(timestamps="text", mix=0.0).adapter, walks()
    time = batch.time[:, : S * N]
    net.prepare(time.flatten())
    context = Context.fold(batch.past, time)
    expected = functional.normalize(net.embed(patch(context.values, S)), dim=-1)
    torch.testing.assert_close(net(context).embeds, expected)
    with torch.no_grad():
        net.mix.fill_(0.5)
    when = functional.normalize(net.timestamps(context.time[:, ::S]).float(), dim=-1)
    torch.testing.assert_close(net(context).embeds, expected + 0.5 * when)


def test_channels_have_the_same_timestamps(autotimes: Make, walks: Walks, cache: object) -> None:
    model, batch = autotimes(timestamps="text"), walks(channels=3)
    model.prepare(batch.time.flatten())
    order = [2, 0, 1]
    ahead = model.forecast(batch, 2 * S)
    moved = model.forecast(batch._replace(past=batch.past[:, :, order]), 2 * S)
    torch.testing.assert_close(moved, ahead[:, :, order], rtol=1e-4, atol=1e-4)


def test_padding_is_masked_and_a_gap_is_a_flat_segment(walks: Walks) -> None:
    past = walks(windows=4, channels=1).past
    past[0, : S + 1] = torch.nan
    past[1, S : 2 * S] = torch.nan
    past[2] = torch.nan
    tokens = adapter()(Context.fold(past, torch.zeros(4, S * N, dtype=torch.int64)))
    mask = [[False, True, True, True], [True] * 4, [True] * 4, [True] * 4]
    assert tokens.mask.tolist() == mask
    assert torch.isfinite(tokens.embeds).all()


@pytest.mark.parametrize(
    ("context_length", "patch_len", "fits"), [(100, 96, 96), (50, 96, 96), (250, 96, 192)]
)
def test_segments_must_tile_the_context(context_length: int, patch_len: int, fits: int) -> None:
    message = (
        rf"context_length {context_length} is not a multiple of patch_len {patch_len}. "
        rf"Set context_length to {fits}\."
    )
    with pytest.raises(ConfigError, match=message):
        adapter(context_length, patch_len)


def test_a_segment_has_a_step() -> None:
    with pytest.raises(ConfigError, match="patch_len=0 must be at least 1"):
        adapter(patch_len=0)


def test_integer_time_has_no_timestamps() -> None:
    with pytest.raises(ConfigError, match=r"timestamps=text needs dates.*set timestamps=none"):
        adapter(timestamps="text", dated=False)


def test_an_unknown_norm_is_refused_at_once() -> None:
    make, part = unwrap(Adapter.__init__), AutoTimes.__new__(AutoTimes)
    with pytest.raises(ConfigError, match=r"'batch' is unknown.*window, prefix, first_segment"):
        make(part, "batch", 0.1)


@pytest.mark.parametrize(
    ("horizon", "season", "longest", "patch_len", "context"),
    [
        (24, 24, 10_000, 24, 168),
        (30, 7, 10_000, 35, 245),  # whole weeks
        (96, 24, 10_000, 96, 672),  # as published
        (200, 24, 10_000, 96, 672),
        (12, 144, 10_000, 12, 84),  # a season longer than a segment may be
        (6, 1, 60, 6, 30),  # half of the series
        (6, 1, 5, 6, 6),
    ],
)
def test_sizes_follow_the_data(
    horizon: int, season: int, longest: int, patch_len: int, context: int
) -> None:
    sizes = AutoTimes.suggest(Facts(horizon, season, longest), None, {"patch_len": None})
    assert (sizes.context_length, sizes.options) == (context, {"patch_len": patch_len})


def test_sizes_the_user_has_set_stay() -> None:
    facts = Facts(24, 24, 10_000)
    assert AutoTimes.suggest(facts, None, {"patch_len": 10}).context_length == 70
    sizes = AutoTimes.suggest(facts, 48, {"patch_len": 12})
    assert (sizes.context_length, sizes.options) == (48, {"patch_len": 12})


@pytest.mark.parametrize("kind", ["text", "shuffled", "numeric"])
def test_each_kind_of_timestamp_separates_times(
    kind: str, autotimes: Make, walks: Walks, cache: object
) -> None:
    model, batch = autotimes(timestamps=kind), walks()
    model.prepare(batch.time.flatten())
    ahead = model.forecast(batch, S)
    later = batch.time.flip(0)
    assert not torch.equal(model.forecast(Batch.of(batch.past, later), S), ahead)
    assert model.adapter.mix.requires_grad
    with pytest.raises(ConfigError, match=f"timestamps={kind} needs dates"):
        adapter(timestamps=kind, dated=False)


def test_numeric_timestamps_are_calendar_features_through_a_map(
    autotimes: Make, walks: Walks
) -> None:
    from tslm.core.calendar import Calendar

    net, batch = autotimes(timestamps="numeric").adapter, walks()
    time = batch.time[:, : S * N : S]
    features = Calendar("h").features(time.flatten().numpy())
    expected = net.timestamps.map(torch.from_numpy(features)).unflatten(0, time.shape)
    torch.testing.assert_close(net.timestamps(time), expected)


def test_an_unknown_kind_of_timestamp_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"timestamps='words' is unknown\. Choose one of none, text"
    ):
        adapter(timestamps="words")


def test_language_is_questioned_where_there_is_some() -> None:
    assert AutoTimes.language({"timestamps": "none"}) == {}
    arms = AutoTimes.language({"timestamps": "text"})
    assert [dict(options) for options in arms.values()] == [
        {"timestamps": kind} for kind in ("none", "shuffled", "numeric")
    ]
