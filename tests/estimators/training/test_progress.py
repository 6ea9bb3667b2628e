"""The bar of training, in a terminal, in a file and in a notebook."""

import io
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import tslm.estimators.training.progress
from tests.frames import weekly
from tslm import LiPCoTPretrainer, Spec, TSLMForecaster
from tslm.estimators.training.progress import OFTEN, SELDOM, seconds

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
FAST: dict[str, Any] = {"backbone": "tiny", "accelerator": "cpu", "random_state": 0}
NOTEBOOK = """
import numpy as np, pandas as pd
from tslm import TSLMForecaster
days = pd.date_range("2024-01-01", periods=300)
df = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(300) % 7.0})
model = TSLMForecaster(base=None, h=7, backbone="tiny", max_steps=60, early_stopping_patience=50)
_ = model.fit(df)
"""


class Screen(io.StringIO):
    """A stream that counts as a terminal."""

    def isatty(self) -> bool:
        return True


def bars(text: str) -> list[str]:
    return [look for look in text.split("\r") if look.strip()]


def test_a_file_gets_few_lines_and_a_summary_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    TSLMForecaster(base=None, h=7, max_steps=40, early_stopping_patience=99, **FAST).fit(
        weekly(300)
    )
    shown = bars(capsys.readouterr().err)
    assert len(shown) < 10
    assert "training: 100%" in shown[-1]
    assert "40/40" in shown[-1]
    assert "loss=" in shown[-1]
    assert "val_mse=" in shown[-1]


def test_a_terminal_gets_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(tslm.estimators.training.progress, "OFTEN", 0.0)
    TSLMForecaster(base=None, h=7, max_steps=12, **FAST).fit(weekly(300))
    assert len(bars(screen.getvalue())) >= 12


def test_jupyter_with_widgets_gets_a_progress_bar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert seconds() == SELDOM
    monkeypatch.setitem(tslm.estimators.training.progress.sys.modules, "ipykernel", None)
    monkeypatch.setattr(tslm.estimators.training.progress, "find_spec", lambda name: object())
    assert seconds() == OFTEN
    monkeypatch.setattr(tslm.estimators.training.progress, "find_spec", lambda name: None)
    assert seconds() == SELDOM


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_decides(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    TSLMForecaster(base=None, h=7, max_steps=2, verbose=verbose, **FAST).fit(weekly(300))
    adapter = Spec("lipcot", order=4, n_codes=4, frame_length=14)
    shared = {key: FAST[key] for key in ("backbone", "accelerator")}
    LiPCoTPretrainer(adapter=adapter, max_steps=2, verbose=verbose, **shared).fit([weekly(300)])
    shown = capsys.readouterr()
    assert shown.err.count("2/2") == 2 * verbose
    assert not shown.out


def test_a_notebook_gets_few_lines(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [part.text for part in notebook.cells[0].outputs if part.get("name") == "stderr"]
    shown = bars("".join(texts))
    assert 0 < len(shown) < 30
    assert "60/60" in shown[-1]
