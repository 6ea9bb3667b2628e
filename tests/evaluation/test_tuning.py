"""Search by validation error: it goes on where it was left, and reads no test rows."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.command import command
from tests.frames import weekly
from tslm import BaselineForecaster, ConfigError, DataError, Spec

pytest.importorskip("optuna", reason="optuna is not installed")

from tslm.evaluation.tuning import tune

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model.kernel": [3, 7],
}


@pytest.fixture
def df() -> pd.DataFrame:
    return weekly(120)


def dlinear(**settings: Any) -> BaselineForecaster:
    model = BaselineForecaster(Spec("dlinear"), h=7, max_steps=3, accelerator="cpu", verbose=0)
    return model.set_params(random_state=0, context_length=14, **settings)


def test_a_study_continues_where_it_was_interrupted(df: pd.DataFrame, tmp_path: Path) -> None:
    lines: list[str] = []
    first = tune(dlinear(), df, SPACE, n_trials=2, folder=tmp_path, say=lines.append)
    assert len(first.trials) == len(lines) == 2
    tried = [trial.params for trial in first.trials]
    more = tune(dlinear(), df, SPACE, n_trials=3, folder=tmp_path, say=lines.append)
    assert len(more.trials) == len(lines) == 3
    assert [trial.params for trial in more.trials[:2]] == tried
    assert len({trial.params["learning_rate"] for trial in more.trials}) == 3
    same = tune(dlinear(), df, SPACE, n_trials=3, folder=tmp_path, say=lines.append)
    assert len(same.trials) == len(lines) == 3


def test_the_value_is_the_validation_error_of_the_fit(df: pd.DataFrame, tmp_path: Path) -> None:
    study = tune(dlinear(), df, SPACE, n_trials=2, folder=tmp_path)
    best = study.best_params
    model = dlinear(learning_rate=best["learning_rate"], model__kernel=best["model.kernel"])
    assert model.fit(df).verdict_.entries[0].mse == study.best_value


def test_a_study_with_other_settings_needs_another_folder(df: pd.DataFrame, tmp_path: Path) -> None:
    tune(dlinear(), df, SPACE, n_trials=1, folder=tmp_path)
    for model, data, space in (
        (dlinear(max_epochs=1), df, SPACE),
        (dlinear(), df.assign(y=1.0), SPACE),
        (dlinear(), df, {"learning_rate": [1e-3]}),
    ):
        with pytest.raises(ConfigError, match="other settings, another space or other data"):
            tune(model, data, space, n_trials=1, folder=tmp_path)


@pytest.mark.parametrize("choices", [[], 3, {"low": 1}, {"low": 2, "high": 1}, {"of": 1}])
def test_an_impossible_space_is_refused(df: pd.DataFrame, tmp_path: Path, choices: Any) -> None:
    with pytest.raises(ConfigError, match=r"space.learning_rate"):
        tune(dlinear(), df, {"learning_rate": choices}, n_trials=1, folder=tmp_path)


def test_without_validation_rows_nothing_can_be_chosen(df: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No rows are held out for validation"):
        tune(dlinear(val_size=0), df, SPACE, n_trials=1, folder=tmp_path)


def test_the_command_line_tunes(
    df: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    df.to_csv(tmp_path / "sales.csv", index=False)
    words = ["model=dlinear", "h=7", "max_steps=3", "accelerator=cpu", "verbose=0", "n_trials=2"]
    where = [f"data={tmp_path / 'sales.csv'}", f"out={tmp_path / 'tuned'}", "random_state=0"]
    code = command("tune", *words, *where, "space={model.kernel: [3, 7]}")
    printed = capsys.readouterr()
    assert code == 0, printed.err
    best = json.loads((tmp_path / "tuned" / "best.json").read_text())
    assert best["params"]["model.kernel"] in (3, 7)
    assert len(pd.read_csv(tmp_path / "tuned" / "trials.csv")) == 2
    assert f"model.kernel={best['params']['model.kernel']}" in printed.out


def test_a_warning_of_every_trial_is_given_once(df: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="does not help here") as caught:
        tune(dlinear(), df, {"learning_rate": [1e-6, 2e-6, 3e-6]}, n_trials=3, folder=tmp_path)
    assert sum("does not help here" in str(one.message) for one in caught) == 1
