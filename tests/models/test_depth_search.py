"""Search of the depth: readouts of several depths, trained together."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.networks import settings_of
from tslm import Spec
from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError
from tslm.core.types import Batch
from tslm.models.assembly import assemble, forecaster_of, task_of
from tslm.models.depth_search import DepthChoice, DepthSearch, candidates
from tslm.models.forecast_model import ForecastModel

Walks = Callable[..., Batch]
CASES = [
    {"adapter": "autotimes"},
    {"adapter": "autotimes", "decoder": "quantile"},
    {"adapter": "time_llm"},
    {"adapter": "s2ip"},
    {"adapter": "lipcot"},
]


def searched(parts: dict[str, Any], name: str, **values: object) -> DepthSearch:
    """Return a search in training mode, whose decoders of all depths differ."""
    settings = {"h": 8, "n_layers": "auto", "backbone": name, **values}
    cfg = settings_of(parts, rows=400, **settings)
    task = replace(task_of(cfg, 1, Calendar("h")), dated=True)
    torch.manual_seed(0)
    search = forecaster_of(cfg, task)
    assert isinstance(search, DepthSearch)
    return search


def train(search: DepthSearch, batch: Batch, steps: int = 2) -> None:
    weights = [weight for weight in search.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, 1e-2)
    search.learn([batch], [batch])
    for _ in range(steps):
        optimizer.zero_grad()
        search.loss(batch).backward()
        assert all(weight.grad is not None for weight in weights)
        optimizer.step()
    search.eval()


@pytest.mark.parametrize("parts", CASES, ids=lambda parts: "-".join(parts.values()))
@pytest.mark.parametrize("base", ["none", "profile_ar"])
def test_each_depth_forecasts_as_the_model_that_is_cut_there(
    parts: dict[str, str], base: str, walks: Walks, checkpoint: Callable[[str], str], cache: Path
) -> None:
    name = checkpoint("llama")
    settings = {"h": 8, "backbone": name, "context_length": 32}
    search = searched({**parts, "base": base}, name, context_length=32)
    batch = walks(context=32, future=max(8, search.step))
    train(search, batch)
    assert search.depths == (1, 2, 4)
    for depth in search.depths:
        cfg = settings_of({**parts, "base": base}, rows=400, n_layers=depth, **settings)
        plain = assemble(cfg, replace(task_of(cfg, 1, Calendar("h")), dated=True)).eval()
        ours = search.at(depth)
        plain.adapter.load_state_dict(ours.adapter.state_dict())
        plain.decoder.load_state_dict(ours.decoder.state_dict())
        if plain.base is not None:
            plain.base = ours.base
        horizon = 2 * search.step
        torch.testing.assert_close(
            ours.forecast(batch, horizon), plain.forecast(batch, horizon), rtol=0, atol=1e-6
        )


def test_the_loss_is_the_mean_of_the_losses_of_all_depths(
    walks: Walks, checkpoint: Callable[[str], str], cache: Path
) -> None:
    search = searched({"adapter": "autotimes"}, checkpoint("llama"), context_length=32)
    batch = walks(context=32, future=search.step)
    search.eval()
    alone = torch.stack([model.loss(batch) for model in search.models])
    torch.testing.assert_close(search.loss(batch), alone.mean())
    assert len(set(alone.tolist())) == 3


@pytest.mark.parametrize(
    ("parts", "values"), [({}, {"multivariate": "tokens"}), ({"rollout": "parallel"}, {"h": 24})]
)
def test_depths_read_related_series_or_several_segments_together(
    parts: dict[str, Any],
    values: dict[str, object],
    walks: Walks,
    checkpoint: Callable[[str], str],
    cache: Path,
) -> None:
    name = checkpoint("llama")
    parts = {"adapter": Spec("autotimes", patch_len=8), **parts}
    search = searched(parts, name, context_length=32, **values).eval()
    batch = walks(context=32, future=search.step)
    alone = torch.stack([model.loss(batch) for model in search.models])
    torch.testing.assert_close(search.loss(batch), alone.mean())
    plain = searched({**parts, "rollout": "sliding"}, name, context_length=32, h=8).eval()
    assert not torch.allclose(search.loss(batch), plain.loss(batch))


def test_one_training_pass_reads_each_block_once(
    walks: Walks, checkpoint: Callable[[str], str], cache: Path
) -> None:
    search = searched({"adapter": "autotimes"}, checkpoint("llama"), context_length=32)
    passes = [0] * 4
    for number, block in enumerate(search.deepest.backbone.body.layers):  # type: ignore[union-attr]
        block.register_forward_hook(lambda *_, at=number: passes.__setitem__(at, passes[at] + 1))
    search.loss(walks(context=32, future=search.step))
    assert passes == [1, 1, 1, 1]
    search.at(2).forecast(walks(context=32, future=search.step), search.step)
    assert passes == [2, 2, 1, 1]


def test_the_chosen_model_is_an_ordinary_one(
    walks: Walks, checkpoint: Callable[[str], str], cache: Path
) -> None:
    search = searched({"adapter": "autotimes"}, checkpoint("llama"), context_length=32)
    batch = walks(context=32, future=search.step)
    train(search, batch)
    errors = {depth: search.at(depth).validation_error(batch, 8) for depth in search.depths}
    kept = search.settled([batch])
    assert search.choice is not None
    for depth, error in errors.items():
        assert search.choice.errors[depth] == pytest.approx(float(error.mean()), rel=1e-6)
    assert isinstance(kept, ForecastModel)
    assert kept.backbone.identity.n_layers == search.choice.depth
    assert {name.split(".")[0] for name in kept.state_dict()} == {"adapter", "backbone", "decoder"}
    torch.testing.assert_close(
        kept.forecast(batch, 16), search.at(search.choice.depth).forecast(batch, 16)
    )


def test_the_least_depth_within_a_percent_is_chosen() -> None:
    assert DepthChoice({1: 1.2, 2: 1.009, 4: 1.0, 6: 1.1}, 9).depth == 2
    assert DepthChoice({1: 1.2, 2: 1.011, 4: 1.0, 6: 1.1}, 9).depth == 4
    assert DepthChoice({1: -0.98, 2: -0.991, 4: -1.0}, 9).depth == 2
    assert "chose 2" in str(DepthChoice({1: 2.0, 2: 1.0}, 9))


def test_candidates_end_at_the_number_of_blocks() -> None:
    assert [candidates(blocks) for blocks in (1, 3, 5, 30)] == [
        (1,), (1, 2, 3), (1, 2, 4, 5), (1, 2, 4, 6)
    ]  # fmt: skip


def test_sentences_are_not_read_before_the_depth_is_known(checkpoint: Callable[[str], str]) -> None:
    search = searched({"adapter": "autotimes"}, checkpoint("llama"), context_length=32)
    with pytest.raises(ConfigError, match=r"adapter\.timestamps=none"):
        search.lexicon.read(["noon"])
    search.lexicon.switch(search.cut(1).lexicon)
    assert search.lexicon.read(["noon"]).shape == (1, 32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "none"}, "is a control in its place"),
        ({"backbone": "random:tiny"}, "is a control in its place"),
    ],
)
def test_controls_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        searched({"adapter": "autotimes"}, values["backbone"])


def test_trained_backbones_are_refused() -> None:
    with pytest.raises(ConfigError, match="freeze=norms trains some of its weights"):
        searched({"adapter": "autotimes", "freeze": "norms"}, "tiny")
