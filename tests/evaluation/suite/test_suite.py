"""The suite: one protocol for every task and model, resumable, with one table at the end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError
from tslm.evaluation.suite import entrants, groups, protocol, reference
from tslm.evaluation.suite.forecasts import QUANTILES, score
from tslm.evaluation.suite.panels import Panel, read_panel
from tslm.evaluation.suite.ranks import among_best, critical_difference, mean_ranks
from tslm.evaluation.suite.store import Store
from tslm.interfaces.cli.main import main

PONDS = """
benchmark:
  name: Ponds
  file: ponds.csv
  sha256: null
  source: us
  licence: CC0
  freq: D
  season_length: 7
  split: {train: 80, val: 20, test: 20}
  horizons: [4, 8]
  target: depth
"""
STREAMS = """
benchmark:
  kind: m_competition
  name: Streams
  files: {both: streams.tsf}
  sha256: {both: null}
  source: us
  licence: CC0
  horizon: 3
  season_length: 4
"""
WATERS = """
suite:
  title: Waters
  source: us
  metrics: [mase, wql]
  entrants: [seasonal_naive, drift]
  tasks:
    ponds: {datasets: [ponds], h: 4, season_length: 7, windows: 3, gap: 2}
    streams: {datasets: [streams], h: 3, season_length: 4, published: {mase: 0.5}}
  published:
    Others: {relative_mase: 0.9}
"""
LONG = """
suite:
  title: Long waters
  source: us
  kind: long_horizon
  metrics: [mse, mae]
  stride: 5
  entrants: [last]
  tasks:
    ponds: {datasets: [ponds], horizons: [4, 8]}
"""
TINY = """
entrant:
  backbone: tiny
  adapter: {name: autotimes, patch_len: 4}
  context_length: 16
  max_steps: 2
  batch_size: 8
  accelerator: cpu
"""
PARTS = """
import os
import signal

from tslm.core.forecaster import Forecaster


class Killed(Forecaster):
    def __new__(cls, *, task):
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED = "model:\n  _target_: waters_parts.Killed\n"
Command = Callable[..., tuple[str, dict[str, Any]]]
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows?")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small data sets, their group, and models."""
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=120)
    rain = dice.normal(size=120)
    depth = np.sin(np.arange(120) * 2 * np.pi / 7) + rain + 10
    table = pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "rain": rain, "depth": depth})
    table.to_csv(tmp_path / "ponds.csv", index=False)
    lines = [f"s{n}:{','.join(map(str, dice.normal(size=20 + n).cumsum() + 20))}" for n in range(3)]
    (tmp_path / "streams.tsf").write_text("\n".join(["# streams", "@data", *lines]))
    files = {"benchmark/ponds": PONDS, "benchmark/streams": STREAMS, "suite/waters": WATERS}
    files |= {"suite/long_waters": LONG, "entrant/small": TINY, "model/killed": KILLED}
    for name, text in files.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n# A file.\n{text}")
    (tmp_path / "waters_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TSLM_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def suite(site: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process; returns the output and the table."""

    def call(*words: str, code: int = 0, group: str = "waters") -> tuple[str, dict[str, Any]]:
        own = [f"group={group}", f"out={site}/out"]
        own += [] if any(word.startswith("isolated=") for word in words) else ["isolated=false"]
        with pytest.raises(SystemExit) as end:
            main(["suite", *own, *words])
        printed = capsys.readouterr()
        assert end.value.code == code, printed.err
        path = site / "out" / f"{group}.json"
        return printed.out + printed.err, json.loads(path.read_text()) if path.exists() else {}

    return call


def waters(site: Path) -> Store:
    return Store(site / "out" / "waters")


def errors(table: dict[str, Any], model: str) -> dict[str, float]:
    return {row["task"]: row["mase"] for row in table["tasks"] if row["model"] == model}


def test_a_group_gives_one_table_in_four_files(suite: Command, site: Path) -> None:
    said, table = suite()
    order = [row["relative_mase"] for row in table["summary"]]
    assert order == sorted(order)
    assert {(row["task"], row["model"]) for row in table["tasks"]} == {
        (task, model) for task in ("ponds", "streams") for model in ("seasonal_naive", "drift")
    }
    for row in table["summary"]:
        assert row["complete"]
        assert np.isfinite([row[key] for key in ("relative_mase", "relative_wql", "seconds")]).all()
    for ending in ("json", "md", "csv", "html"):
        assert (site / "out" / f"waters.{ending}").is_file()
    page = (site / "out" / "waters.html").read_text()
    assert page.count("<svg") == 3
    assert "Others (published)" in (site / "out" / "waters.md").read_text()
    assert len(pd.read_csv(site / "out" / "waters.csv")) == 4
    assert "| seasonal_naive" in said


def test_seasonal_naive_has_the_points_of_the_reference(suite: Command) -> None:
    _, table = suite("entrants=[seasonal_naive]")
    expected = {row["task"]: row["mase"] for row in table["reference"]}
    assert errors(table, "seasonal_naive") == pytest.approx(expected, rel=1e-4)
    (row,) = table["summary"]
    assert row["relative_mase"] == pytest.approx(1, abs=1e-3)
    assert [row["equal"] for row in table["reference"]] == [None, False]


def test_an_error_is_that_of_the_stored_forecasts(suite: Command, site: Path) -> None:
    _, table = suite("entrants=[drift]", "tasks=[ponds]")
    rows = pd.read_parquet(site / "out/waters/ponds/drift.parquet")
    depth = pd.read_csv(site / "ponds.csv").depth.to_numpy()
    found = []
    for window, own in rows.groupby("window"):
        cut = 120 - 2 - 4 * (3 - int(window))
        scale = np.abs(depth[7:cut] - depth[: cut - 7]).mean()
        found.append(np.abs(own.point.to_numpy() - depth[cut : cut + 4]).mean() / scale)
    assert errors(table, "drift")["ponds"] == pytest.approx(np.mean(found), abs=1e-5)


def test_no_window_holds_rows_after_its_origin() -> None:
    panel = read_panel(groups.load("waters").task("ponds"))
    ends = [window.history.ds.max() for window in panel.windows()]
    days = pd.to_datetime(panel.frame.ds)
    assert [int((days > end).sum()) for end in ends] == [14, 10, 6]
    for window, end in zip(panel.windows(), ends, strict=True):
        assert window.future.ds.min() == end + pd.Timedelta("1D")
        assert "y" not in window.future
        truth = panel.frame.set_index("ds").y[window.future.ds]
        np.testing.assert_array_equal(window.truth[0], truth)


def test_values_after_the_origin_change_no_forecast(suite: Command, site: Path) -> None:
    suite("entrants=[small]", "tasks=[ponds]")
    before = pd.read_parquet(site / "out/waters/ponds/small-0.parquet")
    table = pd.read_csv(site / "ponds.csv")
    table.loc[table.index >= 106, "depth"] += 100
    table.to_csv(site / "ponds.csv", index=False)
    (site / "out/waters/ponds/small.json").unlink()
    suite("entrants=[small]", "tasks=[ponds]")
    after = pd.read_parquet(site / "out/waters/ponds/small-0.parquet")
    first = after.window == 0
    pd.testing.assert_frame_equal(after[first], before[first])
    assert not np.allclose(after[~first].point, before[~first].point)


def test_a_stopped_command_continues_where_it_was(
    suite: Command, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = protocol._run_windows

    def stop(group: Any, panel: Panel, *rest: Any) -> Any:
        if panel.settings.name == "streams":
            raise KeyboardInterrupt
        return work(group, panel, *rest)

    monkeypatch.setattr(protocol, "_run_windows", stop)
    suite("entrants=[drift]", code=130)
    path = site / "out/waters/ponds/drift.json"
    made = path.stat().st_mtime_ns
    monkeypatch.setattr(protocol, "_run_windows", work)
    said, table = suite("entrants=[drift]")
    assert path.stat().st_mtime_ns == made
    assert said.count("is there already") == 1
    assert set(errors(table, "drift")) == {"ponds", "streams"}


def test_other_settings_are_run_again(suite: Command, site: Path) -> None:
    suite("entrants=[drift]", "tasks=[ponds]")
    said, _ = suite("entrants=[drift]", "tasks=[ponds]", "settings={context_length: 20}")
    assert "already" not in said
    record = waters(site).read("ponds", "drift")
    assert record is not None
    assert record.config["context_length"] == 20
    assert len(record.runs) == 1


def test_a_trained_model_runs_once_per_seed(suite: Command, site: Path) -> None:
    _, table = suite("entrants=[small,drift]", "seeds=[0,1]", "tasks=[ponds]")
    record = waters(site).read("ponds", "small")
    assert record is not None
    assert [run["seed"] for run in record.runs] == [0, 1]
    assert record.runs[0]["scores"] != record.runs[1]["scores"]
    assert all(run["memory_mb"] > 50 for run in record.runs)
    assert record.config["futr_exog"] == ["rain"]
    by_name = {row["model"]: row for row in table["summary"]}
    assert by_name["small"]["spread_mase"] > 0
    assert by_name["small"]["seeds"] == 2
    assert by_name["drift"]["spread_mase"] is None
    suite("entrants=[small]", "seeds=[0,1,2]", "tasks=[ponds]")
    record = waters(site).read("ponds", "small")
    assert record is not None
    assert [run["seed"] for run in record.runs] == [0, 1, 2]


def test_an_entrant_that_fails_leaves_the_others(suite: Command, site: Path) -> None:
    (site / "conf/entrant/odd.yaml").write_text("entrant:\n  model: drift\n  colour: red\n")
    said, table = suite("entrants=[odd,drift]", "tasks=[streams]")
    assert "Entrant odd: colour is not a setting" in said
    assert [row["model"] for row in table["summary"]] == ["drift"]
    assert [row["model"] for row in table["failed"]] == ["odd"]
    (site / "conf/entrant/odd.yaml").write_text("entrant:\n  model: last\n")
    _, table = suite("entrants=[odd]", "tasks=[streams]")
    assert not table["failed"]


def test_an_entrant_that_is_killed_leaves_the_others(suite: Command) -> None:
    suite("entrants=[drift]", "tasks=[streams]")
    said, table = suite("entrants=[killed,drift]", "tasks=[streams]", "isolated=true")
    assert "killed             failed: Its process ended with signal 9." in said
    assert "drift              is there already" in said
    assert [row["model"] for row in table["summary"]] == ["drift"]
    assert [row["model"] for row in table["failed"]] == ["killed"]


def test_forecasts_of_other_libraries_are_scored(suite: Command, site: Path) -> None:
    _, table = suite("entrants=[drift]")
    folder = site / "out/waters/streams"
    pd.read_parquet(folder / "drift.parquet").to_parquet(folder / "peer.parquet")
    run = {"seed": None, "fit_seconds": 1.5, "predict_seconds": 0.0, "forecasts": "peer.parquet"}
    (folder / "peer.json").write_text(
        json.dumps({"task": "streams", "model": "peer", "runs": [run]})
    )
    said, table = suite("entrants=[]")
    assert "scored" in said
    assert errors(table, "peer")["streams"] == errors(table, "drift")["streams"]
    (row,) = [row for row in table["summary"] if row["model"] == "peer"]
    assert not row["complete"]
    rows = pd.read_parquet(folder / "peer.parquet")
    rows[rows.step > 0].to_parquet(folder / "peer.parquet")
    (folder / "peer.json").write_text(
        json.dumps({"task": "streams", "model": "peer", "runs": [run]})
    )
    said, _ = suite("entrants=[]", code=2)
    assert "has not 3 forecasts of series 's0', 's1', 's2'" in said


def test_stored_forecasts_are_combined(suite: Command, site: Path) -> None:
    (site / "conf/entrant/both.yaml").write_text("entrant:\n  mean_of: [small, drift]\n")
    said, _ = suite("entrants=[both]", "tasks=[streams]")
    assert "small has no forecasts of seed 0 for the task streams" in said
    suite("entrants=[small,drift,both]", "tasks=[streams]", "seeds=[0,1]")
    folder = site / "out/waters/streams"
    for seed in (0, 1):
        names = (f"small-{seed}", "drift", f"both-{seed}")
        one, two, both = (pd.read_parquet(folder / f"{name}.parquet") for name in names)
        for column in ("point", *QUANTILES):
            np.testing.assert_allclose(both[column], (one[column] + two[column]) / 2)
    record = waters(site).read("streams", "both")
    assert record is not None
    assert [run["seed"] for run in record.runs] == [0, 1]


def test_tasks_are_written_for_other_libraries(suite: Command, site: Path) -> None:
    suite(f"export={site}/tasks")
    facts = json.loads((site / "tasks/waters/ponds/task.json").read_text())
    assert (facts["h"], facts["rows_after"], facts["freq"]) == (4, [8, 4, 0], "D")
    history = pd.read_parquet(site / "tasks/waters/ponds/history.parquet")
    assert len(history) == 120 - 2 - 4
    assert not (site / "out").exists()


def test_every_window_of_the_test_rows_is_scored_at_long_horizons(suite: Command) -> None:
    _, table = suite(group="long_waters")
    (row,) = table["tasks"]
    assert row["mse"] == pytest.approx((row["mse_4"] + row["mse_8"]) / 2, abs=1e-4)
    assert {"relative_mse", "relative_mae"} <= table["summary"][0].keys()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tasks=[pond]", "tasks=pond is unknown. Did you mean ponds?"),
        ("entrants=[drft]", "entrants=drft is unknown. Did you mean drift?"),
        ("entrants=[mine.yaml]", "entrants=mine.yaml does not exist."),
        ("settings={depth: 3}", "no forecaster has the setting depth"),
        ("settings=3", "settings=3 must give values by setting"),
    ],
)
def test_names_that_do_not_exist_are_refused(suite: Command, word: str, message: str) -> None:
    said, _ = suite(word, code=2)
    assert message in said


def test_a_group_that_does_not_exist_is_refused(suite: Command) -> None:
    said, _ = suite(group="water", code=2)
    assert "suite=water is unknown. Did you mean waters?" in said


def test_an_entrant_is_a_file_a_baseline_or_an_adapter(site: Path) -> None:
    assert entrants.find("drift").settings == {"model": "drift"}
    assert entrants.find("time_llm").settings == {"adapter": "time_llm"}
    assert entrants.find("random").settings == {"backbone": "random"}
    model = entrants.find("small").estimator(h=3, random_state=1, verbose=0)
    assert (model.h, model.get_params(deep=False)["adapter"].name) == (3, "autotimes")
    path = site / "mine.yaml"
    OmegaConf.save({"entrant": {"model": "last"}}, path)
    assert entrants.find(str(path)).name == "mine"
    assert entrants.find("drift").with_settings({"max_steps": 3, "n_layers": 2}).settings == {
        "model": "drift",
        "max_steps": 3,
    }


def test_windows_are_averaged_or_pooled() -> None:
    group = groups.load("waters")
    panel = read_panel(group.task("ponds"))
    windows = list(panel.windows())
    found = [reference.forecast(window, 7, group.reference) for window in windows]
    alone = [score([w], [f], 7, "each") for w, f in zip(windows, found, strict=True)]
    each, pooled = (score(windows, found, 7, average) for average in ("each", "pooled"))
    assert each["wql"] == pytest.approx(np.mean([one["wql"] for one in alone]))
    total = sum(np.abs(window.truth).sum() for window in windows)
    parts = [one["wql"] * np.abs(w.truth).sum() for one, w in zip(alone, windows, strict=True)]
    assert pooled["wql"] == pytest.approx(sum(parts) / total)
    assert each["mase"] == pytest.approx(pooled["mase"])


def test_normal_intervals_of_the_reference_grow_by_season() -> None:
    window = next(read_panel(groups.load("waters").task("streams")).windows())
    found = reference.forecast(window, 2, groups.Reference("normal", 6))
    past = window.pasts[0][-6:]
    spread = np.sqrt(np.mean((past[2:] - past[:-2]) ** 2))
    width = found.quantiles[0, :, -1] - found.quantiles[0, :, 0]
    np.testing.assert_allclose(width, 2 * 1.2815515655 * spread * np.sqrt([1, 1, 2]))
    assert len(QUANTILES) == found.quantiles.shape[-1]


def test_a_series_that_is_too_short_is_named() -> None:
    settings = groups.TaskSettings("t", ["streams"], h=7, season_length=1, windows=3)
    with pytest.raises(DataError, match="series 's0', 's1' have no row before the first of 3"):
        list(read_panel(settings).windows())


def test_rows_are_averaged_to_a_longer_step(site: Path) -> None:
    settings = groups.TaskSettings("t", ["ponds"], h=2, season_length=1, resample="2D")
    depth = pd.read_csv(site / "ponds.csv").depth.to_numpy()
    panel = read_panel(settings)
    assert panel.freq == "2D"
    np.testing.assert_allclose(panel.frame.y, depth.reshape(-1, 2).mean(axis=1))


def test_the_critical_difference_is_that_of_the_paper() -> None:
    assert critical_difference(4, 14) == pytest.approx(
        1.25, abs=0.005
    )  # Demšar 2006, section 3.2.2
    ranks = mean_ranks(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 2.0], "c": [4.0, 4.0]}))
    assert ranks.to_dict() == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert among_best(ranks, 0.6) == ["a", "b"]


def test_a_file_that_does_not_describe_a_group_is_refused(site: Path) -> None:
    (site / "conf/suite/odd.yaml").write_text("suite:\n  title: Odd\n")
    with pytest.raises(ConfigError, match=r"conf/suite/odd\.yaml does not describe a group"):
        groups.load("odd")
