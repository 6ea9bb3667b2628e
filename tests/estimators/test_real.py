"""A real language model, once: SmolLM2 from the cache, two blocks of it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.models.backbones.loading import load as load_body
from tslm.models.backbones.weights.resolve import named

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    df = load("etth1").frame
    return df[df.groupby("unique_id").cumcount() < 3000]


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> tuple[TSLMForecaster, dict[str, torch.Tensor]]:
    """Return a model after three steps, and the weights of the backbone before them."""
    here = next(entry for entry in named() if entry.name == "smollm2-135m").place
    if not os.environ.get("TSLM_REQUIRE_BACKBONE") and "cache" not in here:
        pytest.skip("smollm2-135m is not in the cache; `tslm backbone pull smollm2-135m` gets it")
    body = load_body("smollm2-135m", 2)
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    model = TSLMForecaster(
        base=None,
        h=96,
        n_layers=2,
        context_length=192,
        max_steps=3,
        batch_size=8,
        val_size=100,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    )
    return model.fit(frame), before


def test_it_forecasts_in_the_units_of_y(
    fitted: tuple[TSLMForecaster, dict[str, torch.Tensor]], frame: pd.DataFrame
) -> None:
    ahead = fitted[0].predict(h=100)
    assert len(ahead) == 7 * 100
    assert np.isfinite(ahead.AutoTimes).all()
    known = frame.groupby("unique_id").y
    gap = (ahead.groupby("unique_id").AutoTimes.mean() - known.mean()).abs() / known.std()
    assert (gap < 4).all()


def test_the_frozen_backbone_keeps_its_bits(
    fitted: tuple[TSLMForecaster, dict[str, torch.Tensor]],
) -> None:
    model, before = fitted
    after = model.model_.backbone.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert model.model_.backbone.width == 576
    assert sum(w.numel() for w in model.model_.parameters() if w.requires_grad) < 200_000


def test_another_process_loads_it_and_forecasts_the_same_bits(
    fitted: tuple[TSLMForecaster, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    model, _ = fitted
    model.save(tmp_path / "model")
    assert sum(file.stat().st_size for file in (tmp_path / "model").iterdir()) < 5e6
    script = (
        "import sys, torch; from tslm import TSLMForecaster; "
        "torch.set_num_threads(int(sys.argv[3])); "
        "TSLMForecaster.load(sys.argv[1]).predict().to_parquet(sys.argv[2])"
    )
    words = [tmp_path / "model", tmp_path / "f.parquet", str(torch.get_num_threads())]
    subprocess.run([sys.executable, "-c", script, *words], check=True, timeout=120)
    ahead, expected = pd.read_parquet(tmp_path / "f.parquet"), model.predict()
    assert ahead.AutoTimes.tolist() == expected.AutoTimes.tolist()
    assert ahead.ds.tolist() == expected.ds.tolist()
