"""Fields of ``tslm speed``; the speeds depend on the machine and are not tested."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import command
from tslm.core.config.choices import choices
from tslm.evaluation import speed

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
    "gflop_per_inference_window",
    "rollout_steps",
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
    assert command("speed", *words, "sentences=20", "accelerator=cpu", f"out={out}") == 0
    return dict(json.loads(out.read_text()))


def test_all_documented_speeds_are_measured(result: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    assert set(FIELDS) <= set(result)
    for name in FIELDS[:-1]:
        assert all(v > 0 for v in (result[name] if name == "train_shares" else [result[name]]))
    assert len(result["train_shares"]) == 2
    assert result["rollout_steps"] == 48
    rollouts, tokens = result["rollouts"], result["token_passes_per_window"]
    assert set(rollouts) == set(choices("rollout"))
    passes = {name: found["token_passes_per_window"] for name, found in rollouts.items()}
    expected = {"sliding": 2 * tokens, "cached": tokens + 1}
    assert expected == {name: passes[name] for name in expected}
    for name, found in rollouts.items():
        assert found["windows_per_second"] > 0, name
        assert set(found) == set(rollouts["sliding"]), name
    assert rollouts["sliding"]["seconds_over_sliding"] == 1
    assert result["config"]["adapter"]["patch_len"] == 24
    assert result["token_passes_per_window"] == result["config"]["context_length"] // 24
    assert result["timestamp_token_passes"] < result["timestamp_token_passes_plain"]
    assert torch.equal(torch.get_rng_state(), before)


def test_the_matrix_product_is_timed_where_the_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a computer with an accelerator, accelerator=cpu compares with the CPU."""
    places = []
    monkeypatch.setattr(speed, "product_rate", lambda here: places.append(here.type) or 1.0)
    words = ["backbone=tiny", "h=8", "batch_size=2", "rounds=1", "sentences=0", "rollout_steps=8"]
    assert command("speed", *words, "accelerator=cpu", f"out={tmp_path}/speed.json") == 0
    assert places == ["cpu"] * 4


def test_operations_are_counted_as_they_run(autotimes: Any, walks: Any) -> None:
    """A frozen backbone has one forward pass and one backward pass; trained maps have two."""
    model, batch = autotimes(), walks()  # six series of four tokens
    model.forecast(batch, 8)
    forward = speed.operations(lambda: model.forecast(batch, 8))
    both = speed.operations(lambda: model.loss(batch).backward())
    tokens, width = 6 * 4, 48
    block = width * (48 + 24 + 24 + 48) + 3 * width * 96  # queries, keys, values, out; feed-forward
    attention = 2 * 2 * 6 * 4 * 4 * 48  # two products a block
    body = 2 * (2 * tokens * block + attention)
    maps = 2 * tokens * 2 * 8 * width
    assert forward == body + maps / 2 + maps / 2 / 4  # the last token alone is decoded
    # the segments themselves need no gradient; attention is computed anew on the way back
    assert both == 2 * 2 * 2 * tokens * block + 2 * attention * 3.5 + 3 * maps - maps / 2


def test_what_a_prompt_costs_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIDE", 64)
    out = tmp_path / "speed.json"
    words = ["adapter=time_llm", "backbone=tiny", "h=8", "context_length=32", "batch_size=4"]
    assert command("speed", *words, "rounds=1", "sentences=0", "rollout_steps=8", f"out={out}") == 0
    found = json.loads(out.read_text())
    assert set(found["rollouts"]) == {"sliding"}, "it forecasts the whole horizon in one pass"
    assert found["token_passes_per_window"] > found["token_passes_without_gradients"] > 0
    assert found["words_shared_by_all_windows"] > 20
    assert found["prompt_in_one_pass_over_ours_train"] > 0
    assert found["prompt_in_one_pass_over_ours_inference"] > 0
