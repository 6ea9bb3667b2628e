"""Memory that fit and predict need: the estimate, and what is counted."""

from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from tests.frames import random_walks
from tslm import BackboneError, BaselineForecaster, TSLMForecaster
from tslm.core.config.estimator_settings import configure
from tslm.core.types import Batch, Facts, Task
from tslm.estimators.memory.dry_run import TensorBytes, dry_run, peak_of
from tslm.estimators.memory.estimate import Extent, Line, NetworkMemory, memory_of_parts
from tslm.models.assembly import assemble, settle
from tslm.models.backbones.loading import load, outlines

MIB = 2**20


def forecaster(**settings: Any) -> TSLMForecaster:
    usual = {"h": 12, "backbone": "tiny", "base": None, "max_steps": 2, "verbose": 0}
    return TSLMForecaster(**{**usual, "accelerator": "cpu", "random_state": 0, **settings})


def settled(model: TSLMForecaster) -> DictConfig:
    params = model.stored_params()
    parts = {name: params.pop(name) for name in model.parts}
    return settle(configure(parts, params), Facts(12, 1, 400))


def part(model: Any, name: str, what: str = "fit", **extent: Any) -> float:
    found = model.estimate_memory(**{"n_series": 4, "n_rows": 400, **extent})
    return float(found.set_index("part").loc[name, what])


def test_bytes_of_tensors_are_counted_while_they_are_in_use() -> None:
    with TensorBytes() as count:
        kept = torch.zeros(MIB, dtype=torch.uint8)
        peak = peak_of(count, lambda: torch.zeros(2 * MIB, dtype=torch.uint8).sum())
        assert count.now == kept.numel()
    assert 2 * MIB <= peak < 2 * MIB + 100


def test_a_dry_run_takes_no_memory_and_counts_as_much_as_a_real_one() -> None:
    def bytes_of_a_step() -> int:
        layer = nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 8))
        rows = torch.randn(100, 64)
        return peak_of(count, lambda: layer(rows).square().sum().backward())

    with TensorBytes() as count:
        real = bytes_of_a_step()
    with dry_run() as count:
        assert bytes_of_a_step() == real
        terabytes = torch.zeros(2**42, dtype=torch.uint8)  # more than any machine has
        assert count.now >= terabytes.numel()


def test_a_backbone_without_weights_has_the_size_of_the_real_one() -> None:
    real = sum(weight.numel() for weight in load("tiny", 1).parameters())
    with dry_run(), outlines():
        outline = load("tiny", 1)
        assert sum(weight.numel() for weight in outline.parameters()) == real
        assert outline.causal
        large = load("smollm2-135m", 1)  # only its configuration is needed
        assert 31e6 < sum(weight.numel() for weight in large.parameters()) < 33e6
    assert load("tiny", 1).identity.source != "outline"


@pytest.mark.parametrize("adapter", ["autotimes", "time_llm", "s2ip"])
def test_the_estimate_of_a_batch_is_near_the_bytes_that_are_counted(adapter: str) -> None:
    model = forecaster(adapter=adapter, batch_size=32, val_size=12, context_length=96)
    network = assemble(settled(model), Task(96, 12))
    past = torch.randn(32, 96, 1)
    batch = Batch(past, past[:, : network.step] * 1, torch.arange(96 + network.step).expand(32, -1))
    with TensorBytes() as count:
        for weight in (*network.parameters(), *network.buffers()):
            weight.view_as(weight)  # counted before the step
        counted = peak_of(count, lambda: network.loss(batch).backward()) / 1e6
    assert counted / 1.3 < part(model, "batch") < 1.3 * counted


@pytest.mark.parametrize("adapter", ["time_llm", "s2ip"])
def test_what_a_forecast_keeps_of_the_weights_is_counted_once(adapter: str) -> None:
    model = forecaster(adapter=adapter, context_length=96)
    network = assemble(settled(model), Task(96, 12)).eval()
    time = torch.arange(96 + network.step).expand(100, -1)
    batch = Batch(torch.randn(100, 96, 1), torch.zeros(100, network.step, 1), time)
    with TensorBytes() as count:
        for weight in (*network.parameters(), *network.buffers()):
            weight.view_as(weight)  # counted before the forecast
        counted = peak_of(count, lambda: network.forecast(batch, 12)) / 1e6
    assert counted / 1.3 < part(model, "batch", "predict", n_series=100) < 1.3 * counted


def test_more_windows_blocks_and_rows_need_more_memory() -> None:
    small, large = forecaster(batch_size=8), forecaster(batch_size=4096)
    assert part(large, "batch") > 10 * part(small, "batch")
    assert part(forecaster(n_layers=1), "backbone") < part(small, "backbone")
    assert part(small, "panel", n_rows=100_000) > 10 * part(small, "panel")


def test_weights_that_are_trained_have_an_optimiser() -> None:
    frozen, lora, full = (forecaster(freeze=name) for name in ("strict", "lora", "full"))
    assert 0 < part(frozen, "optimiser") < part(lora, "optimiser") < part(full, "optimiser")


def test_controls_and_baselines_are_estimated_too() -> None:
    assert part(forecaster(backbone="none"), "backbone") == 0
    assert part(forecaster(backbone="random:tiny"), "backbone") > 0
    assert part(BaselineForecaster("dlinear", h=12, accelerator="cpu"), "optimiser") > 0
    assert part(BaselineForecaster("theta", h=12, accelerator="cpu"), "optimiser") == 0


def test_the_total_is_the_sum_of_the_parts_and_a_frame_gives_the_sizes() -> None:
    found = forecaster().estimate_memory(random_walks(400, list("abcd"))).set_index("part")
    assert list(found) == ["place", "fit", "predict"]
    assert found.fit.drop("total").sum() == pytest.approx(found.fit["total"], abs=0.5)
    assert found.fit["panel"] == part(forecaster(), "panel")


def test_an_accelerator_has_a_total_of_its_own_and_half_the_weights() -> None:
    network = NetworkMemory(1000, 10, 5, Line(0.0, 1.0), Line(0.0, 1.0), 1)
    found = memory_of_parts(
        network, settled(forecaster()), Extent(4, 1600), torch.device("cuda"), 0
    )
    assert found[found.part == "total"].place.tolist() == ["cpu", "cuda"]
    assert found.set_index("part").place["backbone"] == "cuda"
    half, whole = (forecaster(precision=name) for name in ("bf16", "fp32"))
    assert part(half, "backbone") == pytest.approx(part(whole, "backbone") / 2, abs=0.1)


def test_a_backbone_whose_configuration_is_not_here_is_named() -> None:
    with pytest.raises(BackboneError, match="tslm backbone pull nobody/nothing"):
        forecaster(backbone="nobody/nothing").estimate_memory()
