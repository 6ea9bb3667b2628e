"""Forecasts that must not move: weights and series come from formulas, not from seeds.

``TSLM_GOLDEN=write`` records them anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from tests.rollouts import rollout as rollout_named
from tslm.core.types import Batch, Task
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.backbones.base import Identity
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.forecast_model import ForecastModel

GOLDEN = Path(__file__).parents[1] / "golden" / "autotimes.json"
PATCH, TOKENS, CHANNELS, HORIZON = 6, 4, 2, 15
LLAMA = {
    "vocab_size": 11,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
CASES: dict[str, dict[str, Any]] = {
    "cached": {},
    "sliding": {"rollout": "sliding"},
    "prefix": {"norm": "prefix"},
    "first_segment": {"norm": "first_segment"},
    "perceptron": {"layers": 2, "hidden": 10, "activation": "gelu"},
}


def fill(module: nn.Module) -> None:
    """Weights as a formula of their place: small for matrices, near one for norms."""
    for order, (name, weight) in enumerate(sorted(module.named_parameters())):
        place = torch.arange(weight.numel(), dtype=torch.float64)
        wave = torch.sin(0.7 * place + 1.3 * order + 0.001 * place**1.5)
        value = 1 + 0.2 * wave if "norm" in name else 0.3 * wave
        weight.data.copy_(value.reshape(weight.shape))


def model_of(rollout: str = "cached", norm: str = "window", **shape: Any) -> ForecastModel:
    body = AutoModel.from_config(AutoConfig.for_model("llama", **LLAMA), attn_implementation="sdpa")
    fill(body)
    backbone = HuggingFaceBackbone(body, Identity("formula", "", "", "", 2), lambda: None)
    task = Task(PATCH * TOKENS, PATCH)
    adapter = AutoTimes(lexicon=backbone.lexicon, task=task, patch_len=PATCH, norm=norm, **shape)
    decoder = SegmentDecoder(width=backbone.width, layout=adapter.layout, task=task, **shape)
    fill(adapter)
    fill(decoder)
    rolled = rollout_named(rollout, backbone, adapter)
    model = ForecastModel(adapter=adapter, backbone=backbone, decoder=decoder, rollout=rolled)
    return model.eval()


def batch() -> Batch:
    """A trend and two seasons; one whole window, one with a gap, one short."""
    steps = torch.arange(PATCH * (TOKENS + 1), dtype=torch.float64)
    rows = [
        [level + 0.05 * slope * steps + torch.sin(steps / 2 + level) + torch.cos(0.3 * steps)
         for level, slope in ((1 + w, 1), (10 * w, -2))]
        for w in range(3)
    ]  # fmt: skip
    series = torch.stack([torch.stack(row, -1) for row in rows]).float()
    past, future = series[:, : PATCH * TOKENS], series[:, PATCH * TOKENS :]
    past[1, 8:15, 0] = torch.nan
    past[2, :10] = torch.nan
    time = torch.arange(PATCH * TOKENS + 2 * HORIZON).repeat(3, 1)
    return Batch(past, future, time)


def computed(case: str) -> dict[str, Tensor]:
    model, data = model_of(**CASES[case]), batch()
    forecast = model.forecast(data, HORIZON)
    return {"forecast": forecast, "loss": model.loss(data).detach()}


@pytest.mark.parametrize("case", CASES)
def test_no_number_has_moved(case: str) -> None:
    found = computed(case)
    if os.environ.get("TSLM_GOLDEN") == "write":
        record(case, found)
    expected = json.loads(GOLDEN.read_text())[case]
    for name, value in found.items():
        torch.testing.assert_close(value, torch.tensor(expected[name]), rtol=1e-5, atol=1e-5)


def record(case: str, found: dict[str, Tensor]) -> None:
    stored = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    stored[case] = {name: value.tolist() for name, value in found.items()}
    lines = [f"{json.dumps(name)}: {json.dumps(stored[name])}" for name in CASES if name in stored]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
