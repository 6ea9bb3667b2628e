"""Fixtures of all tests: random walks, models on two random blocks, an empty cache."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from transformers import AutoConfig, AutoModel

from tests.architectures import ARCHITECTURES
from tests.rollouts import rollout as rollout_named
from tslm.core.types import Batch, Task
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.backbones import build
from tslm.models.backbones.loading import load
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.forecast_model import ForecastModel

settings.register_profile("tslm", deadline=None, derandomize=True)
settings.load_profile("tslm")
torch.set_num_threads(1)  # test runs share the cores, and small operations crawl on several threads


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads sets that are not shipped, unless ``TSLM_DATA`` names their folder."""
    if os.environ.get("TSLM_DATA"):  # an empty variable is no variable
        return
    if os.environ.get("TSLM_REQUIRE_DATA"):
        raise pytest.UsageError("These tests need data: set TSLM_DATA to the folder of the sets.")
    absent = pytest.mark.skip(reason="TSLM_DATA names no folder with the sets that are not shipped")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(absent)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; the usual one holds the real backbone, and tests leave it alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TSLM_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def walks() -> Callable[..., Batch]:
    """Random walks, one a channel, with hours as their time."""

    def make(
        windows: int = 3, context: int = 32, future: int = 8, channels: int = 2, seed: int = 0
    ) -> Batch:
        dice = torch.Generator().manual_seed(seed)
        steps = torch.randn(windows, context + future, channels, generator=dice)
        series = steps.cumsum(1) + 3 * torch.randn(windows, 1, channels, generator=dice)
        first = 3600 * torch.randint(400_000, 450_000, (windows, 1), generator=dice)
        time = first + 3600 * torch.arange(context + max(future, 200))
        return Batch(series[:, :context], series[:, context:], time)

    return make


@pytest.fixture(scope="session")
def autotimes() -> Callable[..., ForecastModel]:
    """AutoTimes on two random blocks, in evaluation mode; equal arguments give equal weights."""

    def make(
        patch_len: int = 8,
        n_tokens: int = 4,
        rollout: str = "cached",
        decoder: dict[str, Any] | None = None,
        **options: Any,
    ) -> ForecastModel:
        task = Task(patch_len * n_tokens, patch_len, freq="h", dated=True)
        body = load("tiny")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            adapter = AutoTimes(lexicon=body.lexicon, task=task, patch_len=patch_len, **options)
            head = SegmentDecoder(
                width=body.width, layout=adapter.layout, task=task, **decoder or {}
            )
        rolled = rollout_named(rollout, body, adapter)
        model = ForecastModel(adapter=adapter, backbone=body, decoder=head, rollout=rolled)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A folder as a hub has it, of an architecture, with random weights."""
    made: dict[str, str] = {}

    def make(architecture: str) -> str:
        if architecture not in made:
            folder = tmp_path_factory.mktemp(architecture)
            config = AutoConfig.for_model(architecture, **ARCHITECTURES[architecture])
            with torch.random.fork_rng():
                torch.manual_seed(1)
                body = AutoModel.from_config(config)
                for weight in body.parameters():  # far from the tame initial values
                    weight.data.add_(torch.randn_like(weight) * 0.1)
            body.save_pretrained(folder)
            build.byte_tokenizer().save_pretrained(folder)
            made[architecture] = str(folder)
        return made[architecture]

    return make
