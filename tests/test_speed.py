"""What the speed verb tells; how fast it is depends on the machine and is not tested."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tslm import speed
from tslm.cli import main

FIELDS = [
    "trainable_parameters",
    "token_passes_per_window",
    "gflop_per_training_window",
    "train_windows_per_second",
    "matrix_product_gflops",
    "train_share_of_matrix_product",
    "train_shares",
    "peak_memory_gb",
    "inference_windows_per_second",
    "inference_share_of_matrix_product",
    "rollout_steps",
    "sliding_over_cached_seconds",
    "timestamp_token_passes",
    "timestamp_token_passes_plain",
    "timestamps_plain_over_ours_seconds",
    "config",
]


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(speed, "SIDE", 128)
    out = tmp_path / "speed.json"
    words = ["backbone=tiny", "h=24", "batch_size=4", "rounds=2", "rollout_steps=48"]
    with pytest.raises(SystemExit) as end:
        main(["speed", *words, "sentences=20", "accelerator=cpu", f"out={out}"])
    assert end.value.code == 0
    return dict(json.loads(out.read_text()))


def test_all_that_is_promised_is_measured(result: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    assert set(FIELDS) <= set(result)
    for name in FIELDS[:-1]:
        assert all(v > 0 for v in (result[name] if name == "train_shares" else [result[name]]))
    assert len(result["train_shares"]) == 2
    assert result["rollout_steps"] == 48
    assert result["config"]["adapter"]["patch_len"] == 24
    assert result["token_passes_per_window"] == result["config"]["context_length"] // 24
    assert result["timestamp_token_passes"] < result["timestamp_token_passes_plain"]
    assert torch.equal(torch.get_rng_state(), before)


def test_operations_are_counted_twice_forward_for_a_frozen_body(autotimes: Any) -> None:
    model = autotimes()
    forward = speed.operations(model, backward=False)
    both = speed.operations(model, backward=True)
    body = model.backbone.operations(4)
    linear = 2 * 4 * (8 * 48 + 48 * 8)  # four tokens, a segment of 8, a width of 48
    assert forward == body + linear
    assert both == 2 * body + 3 * linear
