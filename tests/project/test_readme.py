"""Commands and code of README, on the small backbone and in an empty folder."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import Spec
from tslm.core.config.compose import compose
from tslm.core.config.hydra_grammar import sweep
from tslm.core.config.validation import complete
from tslm.interfaces.cli.verbs import OTHERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^    (tslm .*)$", README, re.M)
FAST = ["backbone=tiny", "max_steps=5", "base.members=[drift]"]
SMALL = {"fit": FAST, "backtest": FAST}


@pytest.fixture
def sales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder with the table that README uses."""
    monkeypatch.chdir(tmp_path)
    days = pd.date_range("2023-01-02", periods=400, freq="D", name="ds")
    week = np.tile(np.arange(7.0), 58)[:400]
    parts = [
        pd.DataFrame({"unique_id": shop, "ds": days, "y": level + week})
        for shop, level in [("north", 20.0), ("south", 50.0)]
    ]
    pd.concat(parts).to_csv("sales.csv", index=False)
    return tmp_path


def test_the_ten_lines_of_python_run(sales: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code is not None
    few = 'max_steps=5, verbose=0, backbone="tiny", base=Spec("auto", members=["drift"])'
    text = code[1].replace("max_steps=300", few)
    assert "tiny" in text
    with pytest.warns(UserWarning, match="the mix does not help here"):
        exec(compile(text, "README.md", "exec"), {"Spec": Spec})
    assert (sales / "forecast.png").stat().st_size > 10_000


def test_the_commands_run(sales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = []
    for line in COMMANDS:
        verb, *words = shlex.split(line)[1:]
        if verb in ("benchmark", "speed"):
            complete(compose(f"verb/{verb}", words))
            continue
        code = command(verb, *small(verb, words))
        assert code == 0, capsys.readouterr().err
        ran.append(verb)
    assert ran == ["fit", "predict", "backtest", "backbone", "config", "config"]
    assert len(pd.read_csv("forecast.csv")) == 2 * 28
    assert len(pd.read_csv("cv.csv")) == 2 * 28 * 3


def small(verb: str, words: list[str]) -> list[str]:
    """The settings of a command, made quick."""
    return list({word.partition("=")[0]: word for word in [*words, *SMALL.get(verb, [])]}.values())


def commands_of(page: Path) -> list[tuple[str, list[str]]]:
    """The commands a page shows, as a shell reads them."""
    text = page.read_text().replace("\\\n", " ")
    found = re.findall(r"^    tslm (.*)$", text, re.M)
    return [(words[0], words[1:]) for words in (shlex.split(f, comments=True) for f in found)]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_the_commands_of_every_page_have_settings_that_exist(page: Path) -> None:
    for verb, words in commands_of(page):
        if verb == "config":  # show or check, then a verb and its settings
            compose(f"verb/{words[1]}", words[2:])
            continue
        if verb in OTHERS:  # commands that take words, not settings
            continue
        for choice in sweep([word for word in words if word != "-m"]):
            complete(compose(f"verb/{verb}", choice))


def test_the_commands_about_intervals_run(sales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, words in commands_of(ROOT / "docs" / "uncertainty.md"):
        code = command(verb, *small(verb, words))
        assert code == 0, capsys.readouterr().err
    assert {"AutoTimes-lo-80", "AutoTimes-hi-95"} <= set(pd.read_csv("forecast.csv"))
    assert {"AutoTimes-lo-80", "SeasonalNaive-hi-80"} <= set(pd.read_csv("cv.csv"))


def test_files_readme_names_are_there() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / name).is_file(), name
