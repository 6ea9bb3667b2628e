"""Time-LLM and S2IP: shapes, options, and backbones of every kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.frames import long_frame
from tests.networks import network
from tslm import Spec, TSLMForecaster
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Context, Task
from tslm.models.adapters.prompts import Wording
from tslm.models.adapters.s2ip import S2IP
from tslm.models.adapters.time_llm import TimeLLM
from tslm.models.backbones.loading import load
from tslm.models.forecast_model import ForecastModel

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
H, L = 8, 48
ADAPTERS = ["time_llm", "s2ip"]
Walks = Callable[..., Batch]


def built(
    adapter: str, backbone: str = "tiny", freeze: str = "strict", **options: Any
) -> ForecastModel:
    small = {"patch_len": 8, "stride": 4, **options}
    parts = {"adapter": Spec(adapter, **small), "freeze": freeze}
    return network(parts, rows=96, season_length=6, backbone=backbone, h=H, context_length=L)


@pytest.fixture
def batch(walks: Walks) -> Batch:
    return walks(context=L, future=H, windows=4)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(("length", "size", "stride"), [(48, 8, 4), (50, 16, 8), (13, 1, 1)])
def test_there_are_as_many_tokens_as_patches(
    adapter: str, length: int, size: int, stride: int
) -> None:
    kind = {"time_llm": TimeLLM, "s2ip": S2IP}[adapter]
    task = Task(length, H, season_length=6)
    part = kind(lexicon=load("tiny").lexicon, task=task, patch_len=size, stride=stride)
    assert part.layout.n_tokens == (length - size) // stride + 2
    values = torch.randn(2, length)
    tokens = part(
        Context(values, torch.ones(2, length, dtype=torch.bool), torch.zeros(2, length).long())
    )
    assert tokens.embeds.shape[1] == part.layout.n_tokens + tokens.n_prompt


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3_text", "bert", "opt", "llama"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_backbones_of_every_kind_are_supported(
    adapter: str, architecture: str, checkpoint: Any, batch: Batch
) -> None:
    if adapter == "time_llm" and architecture in ("gpt2", "bert", "opt"):
        model = built(adapter, checkpoint(architecture), prompt="constant")  # of 64 positions
        model.adapter.prompts.wording = lambda facts, _: Wording("Next 8.", [[] for _ in facts[0]])
    else:
        model = built(adapter, checkpoint(architecture))
    ahead = model.forecast(batch, H + 3)
    assert ahead.shape == (4, H + 3, 2)
    assert torch.isfinite(ahead).all()
    model.loss(batch).backward()
    assert all(w.grad is None for w in model.backbone.parameters())


@pytest.mark.parametrize("kind", ["spectral", "vocabulary", "words", "uniform", "normal", "zero"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_prototypes_of_every_kind_forecast(adapter: str, kind: str, batch: Batch) -> None:
    option = {"time_llm": "prototypes", "s2ip": "anchors"}[adapter]
    model = built(adapter, **{option: kind})
    assert torch.isfinite(model.forecast(batch, H)).all()
    part = {"time_llm": "adapter.reprogram.prototypes.", "s2ip": "adapter.anchors."}[adapter]
    model.loss(batch).backward()
    trained = [n for n, w in model.named_parameters() if n.startswith(part) and w.grad is not None]
    assert bool(trained) == (kind in ("spectral", "vocabulary"))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_control_of_language_runs_and_changes_the_forecast(
    adapter: str, batch: Batch
) -> None:
    kind = {"time_llm": TimeLLM, "s2ip": S2IP}[adapter]
    options = dict(configure({"adapter": adapter}, {}).adapter)
    arms = kind.language(options)
    assert len(arms) >= 3
    plain = built(adapter).forecast(batch, H)
    for changed in arms.values():
        ahead = built(adapter, **changed).forecast(batch, H)
        assert torch.isfinite(ahead).all()
        assert not torch.equal(ahead, plain), changed
        assert set(kind.language({**options, **changed})) < set(arms) | {"none"}


def test_a_statistic_changes_the_forecast_only_through_the_prompt(batch: Batch) -> None:
    model = built("time_llm")
    plain = model.forecast(batch, H)
    writer = model.adapter.prompts
    model.adapter.prompts = lambda values, *rest: writer(values.flip(1), *rest)
    assert not torch.allclose(model.forecast(batch, H), plain)


def test_time_llm_is_smaller_than_published_where_it_counts() -> None:
    sizes = {
        kind: sum(w.numel() for w in built("time_llm", prototypes=kind).adapter.parameters())
        for kind in ("spectral", "vocabulary")
    }
    assert sizes["vocabulary"] - sizes["spectral"] == 1000 * (259 + 1 - 48)


def test_anchors_are_prepended_and_the_alignment_is_bounded(batch: Batch) -> None:
    model = built("s2ip", n_retrieved=3, align=0.5)
    values = model.adapter.scale(batch.past).apply(batch.past)
    context = Context.fold(values, batch.time[:, :L])
    tokens = model.adapter(context)
    assert tokens.n_prompt == 3
    found = model.adapter.retrieved(tokens.embeds[:, 3:], tokens.mask[:, 3:])
    assert torch.equal(tokens.embeds[:, :3], found.vectors)
    assert (found.similarity.diff(dim=1) <= 0).all()
    torch.testing.assert_close(tokens.aux_loss, -0.5 * found.similarity.mean())
    total = built("s2ip", n_retrieved=3, align=0.5, align_sum=True)
    torch.testing.assert_close(
        total.adapter(context).aux_loss, -0.5 * found.similarity.sum(1).mean()
    )
    optimizer = torch.optim.Adam([w for w in model.adapter.parameters()], 1e-2)
    before = float(tokens.aux_loss.detach())
    for _ in range(20):
        optimizer.zero_grad()
        loss = model.adapter(context).aux_loss
        loss.backward()
        optimizer.step()
    assert loss.item() < before


def test_the_decoder_may_read_the_anchors(batch: Batch) -> None:
    sizes = [built("s2ip", read_anchors=flag).adapter.layout.n_tokens for flag in (False, True)]
    assert sizes[1] == sizes[0] + 4
    model = built("s2ip", read_anchors=True)
    assert torch.isfinite(model.forecast(batch, H)).all()


@pytest.mark.parametrize(
    ("adapter", "options", "message"),
    [
        ("s2ip", {"n_retrieved": 0}, "n_retrieved=0 must be between 1 and the 1000 anchors"),
        ("s2ip", {"query": "last"}, "query='last' is unknown"),
        ("s2ip", {"edge": "soft"}, "edge='soft' is unknown"),
        ("s2ip", {"anchors": "stars"}, "prototypes='stars' is unknown"),
        ("s2ip", {"trend_length": 99}, "trend_length=99 must be between 1 and context_length 48"),
        ("time_llm", {"prototypes": "stars"}, "prototypes='stars' is unknown"),
        ("time_llm", {"prompt": "loud"}, "prompt='loud' is unknown"),
        ("time_llm", {"patch_len": 99}, "patch_len 99 does not fit"),
    ],
)
def test_wrong_arguments_are_refused(adapter: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(adapter, **options)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_frame_is_forecast_saved_and_loaded(adapter: str, tmp_path: Path) -> None:
    n = 300
    y = 5 + np.sin(2 * np.pi * np.arange(n) / 12) + 0.1 * np.random.default_rng(0).normal(size=n)
    df = long_frame({"a": y}, freq="h")
    description = "A sine with noise." if adapter == "time_llm" else None
    model = TSLMForecaster(
        base=None,
        h=12,
        adapter=adapter,
        backbone="tiny",
        context_length=48,
        season_length=12,
        prompt=description,
        max_steps=60,
        learning_rate=5e-3,
        batch_size=16,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(df)
    own, *others = model.verdict_.entries
    assert own.mse < 0.5 * next(e.mse for e in others if e.model == "last")
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(h=30), model.predict(h=30))
    assert again.task_.description == (description or "")
    assert list(model.predict().columns)[2] == {"time_llm": "TimeLLM", "s2ip": "S2IP"}[adapter]
