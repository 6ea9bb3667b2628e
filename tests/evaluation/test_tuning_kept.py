"""A search that survives: impossible points, killed processes, torn files, frames of any kind."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from tests.command import command
from tests.frames import weekly
from tslm import BaselineForecaster, ConfigError, DataError, Spec

pytest.importorskip("optuna", reason="optuna is not installed")

import optuna
from optuna.trial import TrialState

from tslm.evaluation.study_folder import DONE, STUDY
from tslm.evaluation.tuning import tune

RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


@pytest.fixture
def df() -> pd.DataFrame:
    return weekly()


def dlinear(**settings: Any) -> BaselineForecaster:
    model = BaselineForecaster(Spec("dlinear"), h=7, max_steps=1, accelerator="cpu", verbose=0)
    return model.set_params(random_state=0, context_length=14, **settings)


def points(study: Any, *states: TrialState) -> list[Mapping[str, Any]]:
    return [trial.params for trial in study.get_trials(states=states or DONE)]


def killed(df: pd.DataFrame, folder: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a search whose process is killed in a fit, after this many fits."""
    fit, made = BaselineForecaster.fit, []

    def dying(self: Any, *given: Any, **named: Any) -> Any:
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(1)
        return fit(self, *given, **named)

    tell = optuna.Study.tell
    with monkeypatch.context() as patch:
        patch.setattr(BaselineForecaster, "fit", dying)
        patch.setattr(
            optuna.Study,
            "tell",
            lambda self, trial, values=None, state=None: (
                None if state == TrialState.FAIL else tell(self, trial, values, state)
            ),
        )
        with pytest.raises(KeyboardInterrupt):
            tune(dlinear(), df, RATES, n_trials=4, folder=folder)


def test_a_killed_search_ends_with_the_result_of_an_uninterrupted_one(
    df: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(dlinear(), df, RATES, n_trials=4, folder=tmp_path / "whole")
    killed(df, tmp_path / "killed", 2, monkeypatch)
    again = tune(dlinear(), df, RATES, n_trials=4, folder=tmp_path / "killed")
    assert points(again) == points(whole)
    assert again.best_value == whole.best_value
    states = [trial.state for trial in again.trials]
    assert states.count(TrialState.FAIL) == 1
    assert TrialState.RUNNING not in states
    assert not list((tmp_path / "killed").glob(".worker-*"))


def test_trials_of_other_processes_are_counted(df: pd.DataFrame, tmp_path: Path) -> None:
    study = tune(dlinear(), df, RATES, n_trials=1, folder=tmp_path)
    other = study.ask()
    other.set_user_attr("worker", ".worker-other.lock")
    with FileLock(tmp_path / ".worker-other.lock"):
        study = tune(dlinear(), df, RATES, n_trials=3, folder=tmp_path)
    assert len(points(study)) == 2
    study = tune(dlinear(), df, RATES, n_trials=3, folder=tmp_path)
    assert len(points(study)) == 3


def test_two_processes_search_in_one_folder_at_once(df: pd.DataFrame, tmp_path: Path) -> None:
    df.to_csv(tmp_path / "sales.csv", index=False)
    line = f"tune data={tmp_path}/sales.csv h=7 model=dlinear context_length=14 max_steps=1"
    words = [*line.split(), "n_trials=6", f"out={tmp_path}/out", "random_state=0", "verbose=0"]
    both = [subprocess.Popen([sys.executable, "-m", "tslm", *words]) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    trials = pd.read_csv(tmp_path / "out/trials.csv")
    assert len(trials) == 6
    assert not list((tmp_path / "out").glob(".worker-*"))


def test_an_impossible_point_is_pruned_with_its_reason(
    df: pd.DataFrame, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    study = tune(
        dlinear(), df, {"model.kernel": [0, 7]}, n_trials=6, folder=tmp_path, say=lines.append
    )
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(trial.params["model.kernel"] == 0 for trial in pruned)
    assert "kernel" in pruned[0].user_attrs["reason"]
    assert sum("impossible" in line for line in lines) == len(pruned)
    assert study.best_params == {"model.kernel": 7}
    assert "Traceback" not in capfd.readouterr().err


def test_a_space_of_impossible_points_is_one_error(df: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No settings of the space could be fitted\. .*kernel"):
        tune(dlinear(), df, {"model.kernel": [0, -1]}, n_trials=3, folder=tmp_path)


@pytest.mark.parametrize("torn", [b'{"op_code": 5, "wor', b"{", b"\0\0\n"])
def test_an_incomplete_last_line_is_removed(df: pd.DataFrame, tmp_path: Path, torn: bytes) -> None:
    tune(dlinear(), df, RATES, n_trials=1, folder=tmp_path)
    with (tmp_path / STUDY).open("ab") as log:
        log.write(torn)
    study = tune(dlinear(), df, RATES, n_trials=2, folder=tmp_path)
    assert len(points(study)) == 2


@pytest.mark.parametrize("content", [b"dear diary\n", b"dear diary", b"[1]\n[2]\n", b"\0\0\n"])
def test_a_file_that_is_no_study_is_refused_and_not_changed(
    df: pd.DataFrame, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / STUDY).write_bytes(content)
    with pytest.raises(DataError, match="is not a study, or it is damaged"):
        tune(dlinear(), df, RATES, n_trials=1, folder=tmp_path)
    assert (tmp_path / STUDY).read_bytes() == content


def test_the_folder_may_be_relative(
    df: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tune(dlinear(), df, RATES, n_trials=1, folder="runs/t")
    assert (tmp_path / "runs" / "t" / STUDY).is_file()
    assert not list((tmp_path / "runs" / "t").glob("*.lock.*"))


def test_frames_of_other_kinds_are_the_same_study(df: pd.DataFrame, tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    beside = df.assign(tags=[["x"]] * len(df))  # which no setting names, and nobody can hash
    for given in (df, polars.from_pandas(df), beside):
        study = tune(dlinear(), given, RATES, n_trials=1, folder=tmp_path)
    assert len(points(study)) == 1


def test_numbers_of_numpy_are_plain_ones(df: pd.DataFrame, tmp_path: Path) -> None:
    space = {
        "context_length": list(np.array([14, 28])),
        "model.kernel": np.array([3, 7]),
        "learning_rate": {"low": np.float32(1e-4), "high": np.float64(1e-2), "log": np.bool_(True)},
        "max_steps": {"low": np.int64(1), "high": np.int64(2)},
    }
    study = tune(dlinear(), df, space, n_trials=1, folder=tmp_path)
    assert all(type(value) in (int, float) for value in study.best_params.values())


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("learning_rat", [1e-3], "learning_rat is not a setting: did you mean learning_rate"),
        ("model.kernle", [3, 7], "no option 'kernle'"),
        ("learning_rate", {"low": "a", "high": "b"}, "low 'a' must be a number"),
        ("learning_rate", {"low": 0, "high": 1.0, "log": True}, "low 0 must be above 0"),
        ("learning_rate", {"low": 1e-3, "high": 1.0, "log": "yes"}, "log 'yes' must be true or"),
        ("learning_rate", {"low": float("nan"), "high": 1.0}, "low nan must be a number"),
        ("model.kernel", {"low": 3, "high": 7, "step": 0}, "step 0 must be above 0"),
        ("model.kernel", {"low": 3, "high": 7, "step": 2, "log": True}, "has log and step"),
        ("model.kernel", [{"_target_": "torch.utils.collect_env.run"}], "must be a number, text"),
        ("learning_rate", [-1.0, -2.0], "learning_rate=-1.0 must be above 0"),
    ],
)
def test_an_impossible_space_is_refused_before_any_trial(
    df: pd.DataFrame, tmp_path: Path, name: str, choices: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(dlinear(), df, {name: choices}, n_trials=1, folder=tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_static_df_and_val_df_can_be_given(
    df: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = pd.concat([df, df.assign(unique_id="b", y=df.y + 1)])
    tables = {
        "data": both[both.ds < "2024-03-01"],
        "val_data": both[both.ds >= "2024-03-01"],
        "static": pd.DataFrame({"unique_id": ["a", "b"], "size": [1.0, 2.0]}),
    }
    words = ["h=7", "backbone=tiny", "max_steps=1", "accelerator=cpu", "verbose=0", "n_trials=1"]
    words += ["static_exog=[size]", f"out={tmp_path / 'tuned'}", "random_state=0", "val_size=0"]
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        words.append(f"{name}={tmp_path / name}.csv")
    code = command("tune", *words)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "best of 1" in printed.out
