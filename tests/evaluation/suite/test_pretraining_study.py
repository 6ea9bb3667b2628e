"""The script that pretrains adapters and studies them on sets left out, on tiny sets."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tslm import TSLMForecaster

SCRIPT = Path(__file__).parents[3] / "docs" / "benchmarks" / "pretrain.py"
SMALL = ["--sets", "ponds", "streams", "--backbones", "tiny", "--accelerator", "cpu"]
SMALL += ["--steps", "3", "--batch", "4"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT), run_name="imported")


def test_one_adapter_per_segment_length_is_saved_and_forecasts(
    site: Path, script: dict[str, Any]
) -> None:
    folder = site / "a" / "tiny-none" / "8"
    line = ["train", "--out", str(site / "a"), "--segments", "8", *SMALL]
    script["main"](line)
    written = (folder / "model.json").stat().st_mtime_ns
    script["main"](line)
    assert (folder / "model.json").stat().st_mtime_ns == written
    script["main"]([*line, "--seed", "1"])
    assert TSLMForecaster.load(folder).random_state == 1
    assert TSLMForecaster.load(folder).settings["adapter"]["patch_len"] == 8
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1e5


def test_the_sets_are_those_that_hold_series(script: dict[str, Any]) -> None:
    found = script["sets_of_series"]()
    assert {"etth1", "m4_hourly", "hospital"} <= set(found)
    assert "cik" not in found


def test_a_study_leaves_out_the_set_and_continues(
    site: Path, script: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["study", "--out", str(site / "s"), "--groups", "waters", "--tasks", "streams", *SMALL]
    script["main"](line)
    (run,) = (site / "s" / "runs").glob("streams-tiny-*.json")
    mix, alone = json.loads(run.read_text())["rows"]
    assert mix["sets"] == alone["sets"] == ["ponds"]
    assert np.isfinite([mix["mase"], alone["wql"]]).all()
    assert "no other set suits" in capsys.readouterr().out  # no set with the season of the base
    written = run.stat().st_mtime_ns
    script["main"](line)
    assert run.stat().st_mtime_ns == written
    assert "| mix | tiny | 1 |" in capsys.readouterr().out


def test_shares_of_a_correction_are_compared_with_the_base(
    site: Path, script: dict[str, Any]
) -> None:
    yaml = site / "conf" / "benchmark" / "ponds.yaml"
    yaml.write_text(yaml.read_text().replace("season_length: 7", "season_length: 4"))
    bases = ["--bases", "profile_ar", "--tasks", "streams", "--groups", "waters"]
    script["main"](["study", "--out", str(site / "s"), *bases, *SMALL])
    rows = json.loads((site / "s" / "runs" / "streams-tiny-profile_ar.json").read_text())["rows"]
    assert [row["share"] for row in rows[1:]] == [0, 0.25, 0.5, 1]
    assert rows[1]["mase"] != rows[4]["mase"]


def test_windows_are_drawn_evenly_over_sets(script: dict[str, Any]) -> None:
    for series in ([np.arange(5000.0)], [np.arange(20.0)] * 3):
        found = list(script["Source"]("x", 1, series).pieces(8, 600, np.random.default_rng(0)))
        windows = sum(max(len(piece) - 64 + 1, 1) for piece in found)
        assert 550 < windows < 700


def test_a_set_suits_segments_of_one_to_eight_seasons(script: dict[str, Any]) -> None:
    hourly = script["Source"]("x", 24, [np.arange(5000.0)])
    assert [size for size in script["SEGMENTS"] if hourly.suits(size)] == [24, 48, 96]
    yearly = script["Source"]("x", 1, [np.arange(20.0)])
    assert [size for size in script["SEGMENTS"] if yearly.suits(size)] == [8]
