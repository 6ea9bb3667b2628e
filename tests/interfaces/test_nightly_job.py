"""The nightly job of the documentation: repeated, refused, alone, and killed with SIGKILL."""

import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from tests.frames import random_walks
from tslm import TSLMForecaster
from tslm.serving.model_shelf import ModelShelf

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "nightly.py"
DONE, FAILED, KEPT, BUSY = 0, 2, 3, 75
KILLED = """
import os, pathlib, runpy, sys, warnings

replace = pathlib.Path.replace

def killing(self, target):
    done = replace(self, target)
    if pathlib.Path(target).name == "old":  # last night's model is moved away, no new one is there
        os.kill(os.getpid(), 9)
    return done

warnings.simplefilter("ignore")
pathlib.Path.replace = killing
sys.exit(runpy.run_path(sys.argv[1])["main"](sys.argv[2:]))
"""


def night(folder: Path, *words: str) -> int:
    return runpy.run_path(str(SCRIPT))["main"]([*places(folder), *words])


def places(folder: Path) -> list[str]:
    return [str(folder / name) for name in ("rows.parquet", "sales", "ahead.parquet")]


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of yesterday, and rows that go on until today."""
    folder = tmp_path_factory.mktemp("evening")
    usual: dict[str, Any] = {"backbone": "tiny", "base": None, "verbose": 0, "accelerator": "cpu"}
    model = TSLMForecaster(h=4, max_steps=2, context_length=14, random_state=0, **usual)
    rows = random_walks(84)
    model.fit(rows.groupby("unique_id").head(80)).save(folder / "sales")
    rows.to_parquet(folder / "rows.parquet")
    return folder


@pytest.fixture
def folder(evening: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evening, tmp_path / "job"))


def test_a_night_renews_model_and_forecasts_and_the_server_sees_it(folder: Path) -> None:
    shelf = ModelShelf(folder / "sales")
    assert night(folder, "--steps", "2", "--margin", "9") == DONE
    ahead, model = pd.read_parquet(folder / "ahead.parquet"), TSLMForecaster.load(folder / "sales")
    rows = pd.read_parquet(folder / "rows.parquet")
    pd.testing.assert_frame_equal(ahead, model.predict(rows, level=[80]))
    assert ahead.ds.min() > rows.ds.max()
    (renewed,) = shelf.reload_changed(print)
    pd.testing.assert_frame_equal(renewed.forecaster.predict(level=[80]), ahead)


@pytest.mark.parametrize(("words", "code"), [("--steps 2 --margin -1", KEPT), ("--steps 0", DONE)])
def test_a_model_that_stays_has_new_intervals(folder: Path, words: str, code: int) -> None:
    before = TSLMForecaster.load(folder / "sales")
    assert night(folder, *words.split()) == code
    rows, ahead = random_walks(84), pd.read_parquet(folder / "ahead.parquet")
    column = before.name
    pd.testing.assert_series_equal(ahead[column], before.predict(rows)[column])
    renewed = before.recalibrate(rows).predict(rows, level=[80])
    pd.testing.assert_frame_equal(ahead, renewed)
    saved = TSLMForecaster.load(folder / "sales").predict(rows, level=[80])
    pd.testing.assert_frame_equal(saved, renewed)


def test_nothing_changes_while_another_night_runs_or_if_the_rows_are_bad(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(folder)
    with FileLock(folder / "sales.lock"):
        assert night(folder) == BUSY
    assert "Another night is still at work" in capsys.readouterr().err
    assert content(folder) == before
    for bad in (b"PAR1 half of a file", b""):
        (folder / "rows.parquet").write_bytes(bad)
        assert night(folder) == FAILED
        assert capsys.readouterr().err
    (folder / "rows.parquet").unlink()
    assert night(folder) == FAILED
    assert "rows.parquet" in capsys.readouterr().err
    before.pop("rows.parquet")
    assert content(folder) == before


def test_a_night_that_is_killed_while_it_swaps_the_model_is_made_good_by_the_next(
    folder: Path, tmp_path: Path
) -> None:
    undisturbed = Path(shutil.copytree(folder, tmp_path / "undisturbed"))
    asked = ["--steps", "2", "--margin", "9"]
    command = [sys.executable, "-c", KILLED, str(SCRIPT), *places(folder), *asked]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (folder / "sales").exists()
    assert night(folder, *asked) == night(undisturbed, *asked) == DONE
    assert content(folder) == content(undisturbed)
