"""The suite: one protocol for every task and model, resumable, with one table at the end."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm.core.errors import DataError
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.evaluation.suite.earlier import rows_beside
from tslm.evaluation.suite.forecasts import QUANTILES
from tslm.evaluation.suite.store import Store
from tslm.interfaces.cli.main import main

Command = Callable[..., tuple[str, dict[str, Any]]]
pytestmark = [
    pytest.mark.usefixtures("site"),
    pytest.mark.filterwarnings("ignore:On .* validation windows?"),
]


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
    output, table = suite()
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
    assert "| seasonal_naive" in output


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
    fit = BaselineForecaster.fit

    def stop(self: BaselineForecaster, df: pd.DataFrame) -> Any:
        if "s0" in set(df.unique_id):
            raise KeyboardInterrupt  # a series of the second task
        return fit(self, df)

    monkeypatch.setattr(BaselineForecaster, "fit", stop)
    suite("entrants=[drift]", code=130)
    path = site / "out/waters/ponds/drift.json"
    made = path.stat().st_mtime_ns
    monkeypatch.setattr(BaselineForecaster, "fit", fit)
    output, table = suite("entrants=[drift]")
    assert path.stat().st_mtime_ns == made
    assert output.count("is there already") == 1
    assert set(errors(table, "drift")) == {"ponds", "streams"}


def test_other_settings_are_run_again(suite: Command, site: Path) -> None:
    suite("entrants=[drift]", "tasks=[ponds]")
    output, _ = suite("entrants=[drift]", "tasks=[ponds]", "settings={context_length: 20}")
    assert "already" not in output
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
    output, table = suite("entrants=[odd,drift]", "tasks=[streams]")
    assert "Entrant odd: colour is not a setting" in output
    assert [row["model"] for row in table["summary"]] == ["drift"]
    assert [row["model"] for row in table["failed"]] == ["odd"]
    (site / "conf/entrant/odd.yaml").write_text("entrant:\n  model: last\n")
    _, table = suite("entrants=[odd]", "tasks=[streams]")
    assert not table["failed"]


def test_an_entrant_that_is_killed_leaves_the_others(suite: Command) -> None:
    suite("entrants=[drift]", "tasks=[streams]")
    output, table = suite("entrants=[killed,drift]", "tasks=[streams]", "isolated=true")
    assert "killed             failed: Its process ended with signal 9." in output
    assert "drift              is there already" in output
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
    output, table = suite("entrants=[]")
    assert "scored" in output
    assert errors(table, "peer")["streams"] == errors(table, "drift")["streams"]
    (row,) = [row for row in table["summary"] if row["model"] == "peer"]
    assert not row["complete"]
    rows = pd.read_parquet(folder / "peer.parquet")
    rows[rows.step > 0].to_parquet(folder / "peer.parquet")
    (folder / "peer.json").write_text(
        json.dumps({"task": "streams", "model": "peer", "runs": [run]})
    )
    output, _ = suite("entrants=[]", code=2)
    assert "has not 3 forecasts of series 's0', 's1', 's2'" in output


def test_stored_forecasts_are_combined(suite: Command, site: Path) -> None:
    (site / "conf/entrant/both.yaml").write_text("entrant:\n  mean_of: [small, drift]\n")
    output, _ = suite("entrants=[both]", "tasks=[streams]")
    assert "small has no forecasts of seed 0 for the task streams" in output
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
    output, _ = suite(word, code=2)
    assert message in output


def test_a_group_that_does_not_exist_is_refused(suite: Command) -> None:
    output, _ = suite(group="water", code=2)
    assert "suite=water is unknown. Did you mean waters?" in output


def test_models_of_an_earlier_table_stand_beside_those_run_here(suite: Command, site: Path) -> None:
    _, together = suite("entrants=[seasonal_naive,drift]")
    before, here = site / "before.json", site / "out" / "waters"
    before.write_text(json.dumps(together))
    for path in here.glob("*/drift*"):
        path.unlink()
    output, found = suite("entrants=[]", f"beside={before}")
    assert {row["model"]: row.pop("earlier") for row in found["summary"]} == {
        "drift": 2,
        "seasonal_naive": 0,
    }
    marked = {row["model"] for row in found["tasks"] if row.pop("earlier", False)}
    assert marked == {"drift"}
    for row in together["summary"]:
        del row["earlier"]
    assert found == together
    assert "2 of 2, 2 earlier" in output
    _, alone = suite("entrants=[]")
    assert errors(alone, "drift") == {}


def test_the_five_decimals_of_a_table_are_no_difference() -> None:
    table = {
        "metrics": ["wql"],
        "tasks": [{"task": "rates", "model": "drift"}],
        "reference": [{"task": "rates", "wql": 0.01298}],
    }
    (row,) = rows_beside(table, "rates", set(), {"wql": 0.0129841})
    assert row["model"] == "drift"
    assert rows_beside(table, "rates", {"drift"}, {"wql": 0.0129841}) == []
    with pytest.raises(DataError, match=r"WQL 0.01298 on rates in that table and 0.013 here"):
        rows_beside(table, "rates", set(), {"wql": 0.013})


def test_a_result_here_is_not_replaced_by_an_earlier_one(suite: Command, site: Path) -> None:
    _, table = suite("entrants=[drift]")
    expected = errors(table, "drift")
    for row in table["tasks"]:
        row["mase"] = 99.0
    before = site / "before.json"
    before.write_text(json.dumps(table))
    _, found = suite("entrants=[drift]", f"beside={before}")
    assert errors(found, "drift") == expected


def test_an_earlier_table_that_does_not_compare_is_refused(suite: Command, site: Path) -> None:
    _, table = suite("entrants=[drift]")
    before = site / "before.json"
    shutil.rmtree(site / "out" / "waters")
    other = table | {"reference": [row | {"mase": 2 * row["mase"]} for row in table["reference"]]}
    before.write_text(json.dumps(other))
    output, _ = suite("entrants=[]", f"beside={before}", code=2)
    assert "the data or the protocol differ" in output
    first = table["tasks"][0]
    rows = [{"task": "ponds"}, "ponds", 3, first | {"seconds": None}, first | {"by_seed_mase": []}]
    rows += [{key: value for key, value in first.items() if key != "memory_mb"}]
    for wrong in (table | {"group": "gift"}, *(table | {"tasks": [row]} for row in rows), [], "x"):
        before.write_text(json.dumps(wrong))
        output, _ = suite("entrants=[]", f"beside={before}", code=2)
        assert "Give the file waters.json of an earlier out=" in output
    before.unlink()
    assert "FileNotFoundError" in suite("entrants=[]", f"beside={before}", code=2)[0]
