"""Losses of ``tslm fit`` in CSV files, TensorBoard and MLflow, also after an interruption."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.command import command
from tests.frames import random_walks
from tslm import TSLMForecaster
from tslm.data.samplers import RandomWindows
from tslm.estimators.training import loss_log

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows", "ignore::ResourceWarning"
)
needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed"
)
needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)


class Killed(BaseException):
    """Ends a fit at once, as a signal would."""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Return the words of a small fit with validation checks."""
    random_walks(200).to_csv(tmp_path / "a.csv", index=False)
    options = {
        "data": tmp_path / "a.csv", "out": tmp_path / "m", "h": 7, "backbone": "tiny",
        "base": "null", "max_steps": 30, "early_stopping_patience": 20, "random_state": 0,
        "accelerator": "cpu", "verbose": 0,
    }  # fmt: skip
    return ["fit", *(f"{key}={value}" for key, value in options.items())]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a fit that is killed before step 20, and then again to its end."""
    monkeypatch.setattr(loss_log, "EVERY", 7)  # the log has steps after the last checkpoint
    plain = RandomWindows.batch

    def run(words: list[str]) -> None:
        def batch(self: RandomWindows, step: int) -> Any:
            if step == 20:
                raise Killed
            return plain(self, step)

        with monkeypatch.context() as patch:
            patch.setattr(RandomWindows, "batch", batch)
            with pytest.raises(Killed):
                pytest.fail(f"The fit ended with code {command(*words)} before it was killed.")
        assert command(*words) == 0

    return run


def history(folder: Path) -> pd.DataFrame:
    found: pd.DataFrame = TSLMForecaster.load(folder / "m").history_
    return found


def curve_of_csv(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "m" / "logs" / "metrics.csv")


@pytest.mark.parametrize("cut", [False, True])
def test_a_csv_file_has_every_step_once(
    cut: bool, words: list[str], interrupted: Callable[..., None], tmp_path: Path
) -> None:
    line = [*words, "logger=csv"]
    interrupted(line) if cut else command(*line)
    found, truth = curve_of_csv(tmp_path), history(tmp_path)
    losses = found.dropna(subset="loss")
    assert losses.step.tolist() == truth.step.tolist() == list(range(1, 31))
    assert losses.loss.to_numpy() == pytest.approx(truth.loss.to_numpy())
    assert losses.learning_rate.to_numpy() == pytest.approx(truth.learning_rate.to_numpy())
    scores, seen = found.dropna(subset="val_mse"), truth.dropna(subset="val_mse")
    assert scores.step.tolist() == seen.step.tolist()
    assert scores.val_mse.to_numpy() == pytest.approx(seen.val_mse.to_numpy())
    settings = (tmp_path / "m" / "logs" / "hparams.yaml").read_text()
    assert "max_steps: 30" in settings


@needs_tensorboard
@pytest.mark.filterwarnings("ignore")  # tensorboard imports what is deprecated
def test_tensorboard_shows_every_step_once(
    words: list[str], interrupted: Callable[..., None], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    interrupted([*words, "logger=tensorboard", f"logger_folder={tmp_path / 'events'}"])
    reader = EventAccumulator(str(tmp_path / "events"))
    reader.Reload()
    found, truth = reader.Scalars("loss"), history(tmp_path)
    assert [point.step for point in found] == truth.step.tolist()
    assert [point.value for point in found] == pytest.approx(truth.loss.tolist(), rel=1e-6)


@pytest.mark.slow
@needs_mlflow
@pytest.mark.filterwarnings("ignore")  # mlflow imports what is deprecated
def test_mlflow_has_one_run_with_every_step_once_and_the_settings(
    words: list[str],
    interrupted: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "sales")
    interrupted([*words, "logger=mlflow"])
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs.db'}")
    experiment = client.get_experiment_by_name("sales")
    (run,) = client.search_runs([experiment.experiment_id])
    found, truth = client.get_metric_history(run.info.run_id, "loss"), history(tmp_path)
    assert [point.step for point in found] == truth.step.tolist()
    assert [point.value for point in found] == pytest.approx(truth.loss.tolist())
    assert run.data.params["max_steps"] == "30"
    assert run.info.run_name == "m"
    assert run.info.status == "FINISHED"


def test_without_its_package_a_logger_is_refused_with_the_command_to_type(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    assert command(*words, "logger=mlflow") == 2
    assert "Type: pip install 'tslm[mlflow]'" in capsys.readouterr().err


def test_an_unknown_logger_gets_a_suggestion(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*words, "logger=tensorbord") == 2
    assert "Did you mean tensorboard?" in capsys.readouterr().err
