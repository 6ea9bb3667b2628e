"""fev's ForecastingModel: a task of its own, scored by its own metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fev", reason="fev is not installed: make conformance")

import datasets
import fev

from tslm import TSLMForecaster
from tslm.interfaces.fev import TSLMModel

pytestmark = pytest.mark.filterwarnings("ignore")
FAST: dict[str, Any] = {"backbone": "tiny", "max_steps": 5, "accelerator": "cpu", "verbose": 0}


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Two items with two targets each, longest first, so that order matters."""
    rows = []
    for name, length in (("z", 120), ("a", 100)):
        steps = np.arange(length)
        times = pd.date_range("2024-01-01", periods=length, freq="D")
        level = 1000.0 if name == "z" else 10.0
        sales = level + np.sin(steps / 7 * 2 * np.pi)
        rows.append({"id": name, "timestamp": times, "sales": sales, "visits": 3 * sales})
    path = tmp_path / "data.parquet"
    datasets.Dataset.from_list(rows).to_parquet(path)
    return str(path)


@pytest.mark.parametrize("target", ["sales", ["sales", "visits"]])
def test_a_task_is_forecast_and_scored(table: str, target: str | list[str]) -> None:
    task = fev.Task(
        dataset_path=table,
        horizon=7,
        num_windows=2,
        seasonality=7,
        target=target,
        extra_metrics=["MAE"],
    )
    model = fev.ForecastingModel.get_model_cls("tslm")(
        TSLMForecaster(base="profile", random_state=0, **FAST)
    )
    predictions = model.fit_predict(task)
    assert len(predictions) == 2
    summary = task.evaluation_summary(predictions, model_name="tslm")
    assert summary["MAE"] < 2  # of levels of 10 and 1000, in the order of the items
    assert model.training_time > 0
    assert model.inference_time > 0


def test_the_class_is_found_by_its_name() -> None:
    assert fev.ForecastingModel.get_model_cls("TSLM") is TSLMModel
