"""Results side by side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import ConfigError, DataError
from tslm.evaluation.leaderboard import COLUMNS, gather, to_markdown


def record(model: str, mse: float, **more: Any) -> dict[str, Any]:
    config = {"n_layers": 2, "choices": {"base": more.pop("base", None)}}
    shared = {"benchmark": "set", "horizon": 24, "mae": mse / 2, "windows": 10, "config": config}
    return {"model": model, "mse": mse, "backbone": None, **shared, **more}


def ablation(**best: bool) -> dict[str, Any]:
    arms = [
        {
            "arm": arm,
            "horizon": 24,
            "mse": 1.0 + number,
            "mse_sd": None if arm == "last" else 0.25,
            "mae": 0.5,
            "runs": 2,
            "windows": 10,
            "among_best": flag,
        }
        for number, (arm, flag) in enumerate(best.items())
    ]
    return {"data": "set", "model": "AutoTimes", "arms": arms}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_seeds_of_one_model_become_a_mean_and_a_deviation(tmp_path: Path) -> None:
    runs = [record("AutoTimes", mse, backbone="tiny") for mse in (1.0, 2.0, 3.0)]
    based = record("AutoTimes", 0.5, backbone="tiny", base="profile_ar")
    table = gather([write(tmp_path / "a.json", [*runs, based, record("last", 9.0)])])
    assert list(table.columns) == COLUMNS
    assert table.model.tolist() == [
        "AutoTimes on tiny, 2 blocks",
        "AutoTimes on tiny, 2 blocks, base profile_ar",
        "last",
    ]
    first = table.iloc[0]
    assert (first.mse, first.mse_sd, first.mae, first.runs) == (2.0, 1.0, 1.0, 3)
    assert table.mse_sd.isna().tolist() == [False, True, True]
    assert "| AutoTimes on tiny, 2 blocks | 2.000 ±1.000 |" in to_markdown(table)


def test_a_depth_is_named_where_it_was_chosen(tmp_path: Path) -> None:
    run = record("S2IP", 1.0, backbone="tiny")
    run["config"]["n_layers"] = None
    assert gather([write(tmp_path / "a.json", [run])]).model.tolist() == ["S2IP on tiny"]


def test_bold_is_only_what_is_clearly_the_best(tmp_path: Path) -> None:
    alone = gather([write(tmp_path / "a.json", ablation(llm=True, none=False, last=False))])
    assert "| AutoTimes | **1.000** ±0.250 |" in to_markdown(alone)
    assert "| none | 2.000 ±0.250 |" in to_markdown(alone)
    assert "| last | 3.000 |" in to_markdown(alone)
    several = gather([write(tmp_path / "b.json", ablation(llm=True, none=True, last=False))])
    assert "**" not in to_markdown(several)
    assert "| none | 2.000 ≈ ±0.250 |" in to_markdown(several)


def test_all_files_of_a_folder_are_read_and_sets_are_columns(tmp_path: Path) -> None:
    write(tmp_path / "x" / "b.json", [record("last", 3.0, benchmark="other")])
    write(tmp_path / "x" / "a.json", [record("last", 1.0), record("drift", 2.0)])
    text = to_markdown(gather([tmp_path / "x"]))
    assert text.splitlines() == [
        "| model | set 24 | other 24 |",
        "| ---|---|--- |",
        "| last | 1.000 | 3.000 |",
        "| drift | 2.000 |  |",
    ]


def test_few_shot_and_transfer_results_have_rows_of_their_own(tmp_path: Path) -> None:
    few = record("last", 3.0)
    few["config"] = {**few["config"], "fraction": 0.05}
    arms = {**ablation(llm=True), "settings": {"llm": {"fraction": 0.1}}}
    there = [record("last", 1.0, fitted_on="set"), few, record("last", 2.0, fitted_on="other")]
    places = gather([write(tmp_path / "a.json", there), write(tmp_path / "b.json", arms)]).data
    assert places.tolist() == ["set", "set, 5% of rows,", "set from other", "set, 10% of rows,"]


def test_what_is_no_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json does not exist"):
        gather([tmp_path / "nowhere.json"])
    with pytest.raises(ConfigError, match="no JSON file"):
        gather([tmp_path])
    for content in ({"a": 1}, [{"model": "last"}], 3, "text"):
        with pytest.raises(DataError, match=r"bad\.json is not a result of tslm"):
            gather([write(tmp_path / "bad.json", content)])


def test_the_verb_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "a.json", ablation(llm=True, none=False))
    for name in ("t.md", "t.csv"):
        assert command("table", f"results=[{source}]", f"out={tmp_path / name}") == 0
    assert "**1.000**" in capsys.readouterr().out
    assert "**1.000**" in (tmp_path / "t.md").read_text()
    assert np.array_equal(pd.read_csv(tmp_path / "t.csv").mse, [1.0, 2.0])
