"""Tests on a real accelerator: ``make gpu``, at most eight minutes.

Values are compared with those of the CPU, with a wider tolerance for bf16. The log is
``docs/results/gpu.json``.
"""

import json
import os
import pickle
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.contract.test_devices import FITS, H, forecaster
from tests.contract.test_devices_ablation import KINDS, PROBES
from tests.frames import random_walks
from tslm import BaselineForecaster, TSLMClassifier, TSLMForecaster
from tslm.data.samplers import RandomWindows
from tslm.estimators.training.weights import trained_state
from tslm.evaluation.ablation.arms import Budget
from tslm.models.backbones.weights.catalog import controls

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.accelerator.is_available(), reason="there is no accelerator"),
    pytest.mark.filterwarnings("ignore"),  # drivers and their libraries have sayings of their own
]


@pytest.fixture(scope="module")
def log() -> Iterator[dict[str, Any]]:
    """Log the tests, the device and the times, in the file that ``TSLM_GPU_LOG`` names."""
    device = torch.accelerator.current_accelerator()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else str(device)
    found: dict[str, Any] = {"device": name, "torch": torch.__version__}
    found |= {"passed": {}, "failed": {}}
    yield found
    if place := os.environ.get("TSLM_GPU_LOG"):
        Path(place).write_text(json.dumps(found, indent=1) + "\n")


@pytest.fixture
def tried(log: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[None]:
    began, failed = time.perf_counter(), request.session.testsfailed
    yield
    outcome = "passed" if request.session.testsfailed == failed else "failed"
    log[outcome][request.node.name] = round(time.perf_counter() - began, 2)


@pytest.fixture
def repeatable() -> Iterator[None]:
    """The same bits for the same work; ``make gpu`` sets what cuBLAS needs for it."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(before)


def place(model: torch.nn.Module) -> set[str]:
    return {x.device.type for x in [*model.parameters(), *model.buffers()]}


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("options", FITS, ids=str)
def test_fit_predict_save_and_load(options: dict[str, Any], tmp_path: Path) -> None:
    model = forecaster(**options).fit(random_walks(120))
    assert "cpu" not in place(model.model_)
    ahead = model.predict(h=2 * H, level=[80])
    model.predict(num_samples=2)
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(h=2 * H, level=[80]), ahead, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("tried")
def test_in_fp32_it_forecasts_as_on_the_cpu(tmp_path: Path) -> None:
    options = {"max_steps": 10, "precision": "fp32", "options": {"dropout": 0.0}}  # masks differ
    here = forecaster(accelerator="cpu", **options).fit(random_walks(120))
    here.save(tmp_path / "m")
    kind = str(torch.accelerator.current_accelerator())
    moved = TSLMForecaster.load(tmp_path / "m", device=kind)
    assert place(moved.model_) == {kind}
    pd.testing.assert_frame_equal(moved.predict(), here.predict(), rtol=1e-3, atol=1e-3)
    there = forecaster(**options).fit(random_walks(120)).predict()  # rounding is trained on, too
    pd.testing.assert_frame_equal(there, here.predict(), rtol=5e-2, atol=0.1)


@pytest.mark.usefixtures("tried")
def test_an_ablation() -> None:
    model = forecaster("s2ip", options={"n_anchors": 8})
    found = model.ablate(random_walks(120), budget=Budget("kinds", (0,), (1.0,), KINDS, PROBES))
    assert not model.ablation_.failed
    assert np.isfinite(found[["mse", "mae"]]).all(axis=None)


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("kind", sorted(controls()))
def test_every_control_is_fitted_after_a_fit_on_the_shared_backbone(kind: str) -> None:
    forecaster().fit(random_walks(120))
    forecaster(backbone=f"{kind}:tiny").fit(random_walks(120)).predict()


@pytest.mark.usefixtures("tried")
def test_other_models_do_not_move_a_shared_backbone() -> None:
    model = forecaster().fit(random_walks(120))
    ahead = model.predict()
    forecaster(accelerator="cpu").fit(random_walks(120))
    forecaster(precision="fp32").fit(random_walks(120))
    noise = np.random.default_rng(0).normal(size=(12, 1, 200))
    TSLMClassifier(backbone="tiny", order=4, n_codes=8).fit(noise, np.repeat([0, 1], 6))
    again = pickle.loads(pickle.dumps(model))
    assert again.model_.backbone is model.model_.backbone
    pd.testing.assert_frame_equal(model.predict(), ahead)


@pytest.mark.usefixtures("tried", "repeatable")
def test_dropout_continues_where_a_run_was_interrupted(tmp_path: Path, monkeypatch: Any) -> None:
    plain = RandomWindows.batch
    options = {"max_steps": 10, "precision": "fp32", "options": {"dropout": 0.5}}
    whole = forecaster("time_llm", **deepcopy(options)).fit(random_walks(120))

    def batch(self: RandomWindows, step: int) -> Any:
        if step == 7:
            raise RuntimeError("cut off")
        return plain(self, step)

    state = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    monkeypatch.setattr(RandomWindows, "batch", batch)
    with pytest.raises(RuntimeError, match="cut off"):
        forecaster("time_llm", **deepcopy(options)).fit(random_walks(120), folder=tmp_path)
    monkeypatch.setattr(RandomWindows, "batch", plain)
    again = forecaster("time_llm", **deepcopy(options)).fit(random_walks(120), folder=tmp_path)
    if state is not None:  # the caller's generator is as it was
        assert torch.equal(state, torch.cuda.get_rng_state())
    one, other = trained_state(whole.model_), trained_state(again.model_)
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("name", ["dlinear", "patchtst", "itransformer", "profile_ar"])
def test_baselines(name: str) -> None:
    model = BaselineForecaster(name, h=H, max_steps=2, val_size=12, verbose=0, random_state=0)
    model.fit(random_walks(120)).predict(h=2 * H, level=[80])
