"""The demonstration: two shipped sets, tables beside simple forecasts, pictures and models."""

from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.command import command
from tslm import TSLMForecaster
from tslm.data.datasets.demonstration import DemonstrationSet, bikes, demonstration_sets, weekly
from tslm.evaluation.metrics.backtest import evaluate
from tslm.evaluation.protocols.demonstration import HeldOut
from tslm.interfaces.cli import demo_command

FORECASTS = ["tslm", "SeasonalNaive", "Drift", "ProfileAR"]
SETS = ["weekly", "bikes"]


def small_sets() -> list[DemonstrationSet]:
    """Return the sets with fewer series, rows, origins and simple forecasts."""
    panel, series = weekly(), bikes()
    some = panel.frame[panel.frame.unique_id.isin(panel.frame.unique_id.unique()[:2])]
    few = ("seasonal_naive", "drift", "profile_ar")
    return [
        replace(panel, frame=some.groupby("unique_id").tail(80), simple=few),
        replace(series, frame=series.frame.tail(168), origins=2, simple=few),
    ]


class Result(NamedTuple):
    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Return what the demonstration writes and prints, on the small backbone."""
    folder, out, err = tmp_path_factory.mktemp("demo"), StringIO(), StringIO()
    words = ["backbone=tiny", "base.members=[theta]", "max_steps=1", "accelerator=cpu"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(demo_command, "demonstration_sets", small_sets)
        assert command("demo", *words, f"out={folder}") == 0
    return Result(folder, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("name", SETS)
def test_the_table_has_every_forecast_with_the_smallest_error_first(
    result: Result, name: str
) -> None:
    errors = pd.read_csv(result.folder / name / "errors.csv")
    assert list(errors) == ["forecast", "MASE", "WQL", "inside 80 %"]
    assert sorted(errors.forecast) == sorted(FORECASTS)
    assert errors.MASE.is_monotonic_increasing
    assert errors["inside 80 %"].between(0, 1).all()


@pytest.mark.parametrize("name", SETS)
def test_the_file_of_forecasts_has_an_interval_around_each(result: Result, name: str) -> None:
    table = pd.read_csv(result.folder / name / "forecast.csv")
    columns = [f"{one}{end}" for one in FORECASTS for end in ("", "-lo-80", "-hi-80")]
    assert list(table) == ["unique_id", "ds", "cutoff", "y", *columns]
    assert table.notna().all(axis=None)
    assert (table["tslm-lo-80"] <= table.tslm).all()
    assert (table.tslm <= table["tslm-hi-80"]).all()
    assert (table.cutoff < table.ds).all()


def test_the_errors_are_those_of_evaluate(result: Result) -> None:
    panel, series = small_sets()
    for data in (panel, series):
        errors = pd.read_csv(result.folder / data.name / "errors.csv").set_index("forecast")
        dates = ["ds", "cutoff"] if data.name == "bikes" else []
        table = pd.read_csv(result.folder / data.name / "forecast.csv", parse_dates=dates)
        found = evaluate(table, data.frame, data.season_length).set_index("metric").T
        assert found.mase.to_dict() == pytest.approx(errors.MASE.to_dict())
        assert found.coverage_80.to_dict() == pytest.approx(errors["inside 80 %"].to_dict())


@pytest.mark.parametrize("name", SETS)
def test_the_picture_and_the_model_are_written(result: Result, name: str) -> None:
    assert (result.folder / name / "forecast.png").stat().st_size > 10_000
    model = TSLMForecaster.load(result.folder / name / "model")
    assert [one.member for one in model.verdict_.members][-1] == "AutoTimes"


def test_the_table_of_both_sets_is_printed_with_the_weights_of_the_mix(result: Result) -> None:
    for data in small_sets():
        assert data.title in result.out
        assert str(result.folder / data.name) in result.out
    assert result.out.count("Drift ") == 2
    assert result.err.count("tslm: Weights on") == 2


def test_both_sets_are_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TSLM_DATA", raising=False)
    panel, series = demonstration_sets()
    assert panel.frame.unique_id.nunique() == 90
    assert series.frame.unique_id.nunique() == 1
    assert str(series.frame.ds.max()) == "2012-09-30 23:00:00"


def test_no_row_to_forecast_is_among_the_rows_before_it() -> None:
    data = replace(bikes(), origins=3)
    rows = HeldOut.of(data)
    assert len(rows.train) == len(data.frame) - 3 * 24
    assert rows.ahead.groupby("cutoff").size().tolist() == [24, 24, 24]
    last = rows.known.groupby("unique_id").ds.max()
    first = rows.ahead.groupby("window").ds.min()
    assert (first - last == pd.Timedelta("1h")).all()
    assert (rows.ahead.window.map(last) == rows.ahead.cutoff).all()


def test_what_the_sets_decide_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("demo", "h=3", "out=d") == 2
    assert "h=3 would have no effect here" in capsys.readouterr().err
