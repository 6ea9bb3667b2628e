"""Notebooks: their scripts in this process, the first of them, and all when asked, in Jupyter."""

import warnings
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest
from nbclient import NotebookClient

from tslm.models.baselines.classical import ces

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IN_JUPYTER = [  # each starts a kernel, which imports all of it anew
    pytest.param(path, id=path.stem, marks=() if path.stem[:2] == "01" else pytest.mark.slow)
    for path in NOTEBOOKS
]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and what makes notebooks quick."""
    monkeypatch.setenv("TSLM_NOTEBOOK_BACKBONE", "tiny")
    monkeypatch.setenv("TSLM_NOTEBOOK_STEPS", "20")
    monkeypatch.setattr(ces, "ITERATIONS", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_script_of_every_notebook_runs_from_an_empty_folder(path: Path, small: Path) -> None:
    script = path.with_suffix(".py")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(script.read_text(), script, "exec"), {"display": lambda *shown: None})
    plt.close("all")
    assert not list(small.iterdir())


@pytest.mark.parametrize("path", IN_JUPYTER)
def test_notebooks_run_in_jupyter_from_an_empty_folder(
    path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(small)}})
    client.execute()
    assert not list(small.iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs_and_agree_with_their_script(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    script = jupytext.read(path.with_suffix(".py"))
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_there_is_a_quickstart() -> None:
    assert "01_quickstart" in [path.stem for path in NOTEBOOKS]
