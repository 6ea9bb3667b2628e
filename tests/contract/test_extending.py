"""docs/extending.md works: its files are parts that are trained, saved and scored together."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.frames import random_walks
from tslm import TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.config.compose import compose
from tslm.data.datasets import benchmarks
from tslm.evaluation.ablation.arms import Budget

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, re.S)
YAMLS = [name for name, _ in BLOCKS if name.endswith(".yaml")]
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows?")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page; blocks of one file follow each other."""
    for name, text in BLOCKS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() + "\n\n" if path.exists() else "") + text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TSLM_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", YAMLS)
def test_every_file_of_the_page_is_a_choice(name: str) -> None:
    _, group, file = name.split("/")
    assert Path(file).stem in choices(group)


def test_the_parts_of_the_page_are_fitted_and_saved_together(home: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert code is not None
    found = {"df": random_walks(300)}
    exec(code[1], found)
    model, forecast = found["model"], found["forecast"]
    assert model.calibration_.learnt
    low, high = forecast["AutoTimes-lo-80"], forecast["AutoTimes-hi-80"]
    np.testing.assert_allclose(forecast["AutoTimes"], (low + high) / 2, rtol=1e-3)
    assert found["median"]["Median"].nunique() == 2
    model.save(home / "saved")
    again = TSLMForecaster.load(home / "saved")
    pd.testing.assert_frame_equal(again.predict(level=[80]), forecast)
    assert type(again.calibration_).__name__ == "Symmetric"


def test_the_budget_and_the_benchmark_of_the_page_are_read(home: Path) -> None:
    assert [arm.name for arm in Budget.of("small").arms] == ["running_mean", "median"]
    days = pd.date_range("2024-01-01", periods=100).strftime("%Y-%m-%d")
    pd.DataFrame({"date": days, "depth": np.arange(100.0)}).to_csv(home / "lake.csv", index=False)
    assert benchmarks.load("lake").borders.test_end == 100


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("line", re.findall(r"^tslm (\w+ \w+=.*)$", PAGE, re.M))
def test_the_commands_of_the_page_are_read(line: str) -> None:
    verb, *words = line.split()
    assert compose(f"verb/{verb}", words)
