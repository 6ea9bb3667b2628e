"""Verbs about results, lists of choices, and what a shell may complete."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import BaselineForecaster, evaluate
from tslm.core.config.choices import choices
from tslm.interfaces.cli.completion import SCRIPTS, offered
from tslm.interfaces.cli.verbs import VERBS

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with daily sales of two shops, and the same with two weeks more."""
    days = pd.date_range("2024-01-01", periods=134, freq="D")
    week = np.tile(np.arange(7.0), 20)[:134]
    dice = np.random.default_rng(0)
    table = pd.concat(
        pd.DataFrame({"unique_id": shop, "ds": days, "y": level + week + dice.normal(size=134)})
        for shop, level in [("007", 20.0), ("008", 50.0)]
    )
    table.to_csv(tmp_path / "newer.csv", index=False)
    table[table.ds < days[120]].to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tslm(here: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(line: str) -> str:
        code = command(*line.split())
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return call


def refused(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert command(*line.split()) == 2
    return capsys.readouterr().err


def test_a_backtest_and_a_forecast_are_evaluated_from_files(tslm: Any, here: Path) -> None:
    printed = tslm("backtest data=sales.csv h=7 model=profile_ar n_windows=2 level=[80] out=cv.csv")
    errors = tslm("evaluate data=sales.csv forecasts=cv.csv out=errors.csv")
    assert errors.splitlines()[1:-1] == printed.splitlines()[1:-1]
    assert {"mae", "mase", "coverage_80"} <= set(pd.read_csv("errors.csv").metric)
    tslm("fit data=sales.csv h=7 model=seasonal_naive out=m")
    tslm("predict model=m out=forecast.csv")
    tslm("evaluate data=newer.csv forecasts=forecast.csv out=errors.csv")
    found = pd.read_csv("errors.csv").set_index("metric").SeasonalNaive
    ahead, truth = pd.read_csv("forecast.csv"), pd.read_csv("newer.csv")
    both = ahead.merge(truth, on=["unique_id", "ds"])
    assert found["mae"] == pytest.approx((both.y - both.SeasonalNaive).abs().mean())


def test_statements_in_a_file_are_read_by_fit_predict_backtest_and_explain(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["unique_id,start,end,text,lower,upper", "007,2024-05-01,2024-05-02,,0,1"]
    Path("events.csv").write_text("\n".join(rows))
    options = "h=7 model=seasonal_naive text_reader=tiny events=events.csv"
    tslm(f"fit data=sales.csv {options} out=m")
    tslm("predict model=m events=events.csv out=forecast.csv")
    found = pd.read_csv("forecast.csv", dtype={"unique_id": str})
    assert (found.SeasonalNaive <= 1).sum() == 2
    assert found[found.SeasonalNaive <= 1].unique_id.unique() == ["007"]
    tslm(f"backtest data=sales.csv {options} out=cv.csv")
    tslm("explain model=m events=events.csv out=effects.csv")
    assert pd.read_csv("effects.csv").steps.tolist() == [2]
    tslm("explain model=m events=events.csv out=effects.png")
    assert Path("effects.png").stat().st_size > 1000
    line = "explain model=m events=events.csv out=effects.html"
    assert "drawn as .png" in refused(line, capsys)
    Path("events.csv").write_text(rows[0] + "\n009,2024-05-01,,Closed.,,")
    line = "predict model=m events=events.csv out=forecast.csv"
    assert "series '009', which do not exist" in refused(line, capsys)


def test_rows_of_a_file_are_scored_and_anomalies_are_marked(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tslm("fit data=sales.csv h=7 model=profile_ar context_length=28 out=m")
    newer = pd.read_csv("newer.csv", dtype={"unique_id": str})
    newer.loc[125, "y"] = 500.0
    newer.to_csv("newer.csv", index=False)
    printed = tslm("score model=m data=newer.csv h=1 out=scores.csv")
    found = pd.read_csv("scores.csv", dtype={"unique_id": str})
    assert f"wrote {len(found)} rows to scores.csv, {found.anomaly.sum()} of them" in printed
    assert found[found.anomaly].y.max() == 500
    assert (found[found.anomaly].p_value <= 0.001).all()
    tslm("score model=m data=newer.csv alpha=null out=scores.parquet")
    assert "anomaly" not in pd.read_parquet("scores.parquet")
    tslm("score model=m data=newer.csv out=scores.png")
    assert Path("scores.png").stat().st_size > 1000
    assert "alpha=2" in refused("score model=m data=newer.csv alpha=2 out=scores.csv", capsys)


def test_the_importance_of_inputs_is_a_table_or_a_picture(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tslm("fit data=sales.csv h=7 model=profile_ar context_length=28 out=m")
    tslm("explain model=m kind=inputs patch_len=7 out=inputs.csv")
    found = pd.read_csv("inputs.csv", dtype={"unique_id": str})
    assert found.groupby("unique_id").size().to_dict() == {"007": 4, "008": 4}
    tslm("explain model=m kind=inputs series=008 out=inputs.png")
    assert Path("inputs.png").stat().st_size > 1000
    assert "drawn as .png" in refused("explain model=m kind=inputs out=inputs.html", capsys)
    assert "did you mean" in refused("explain model=m kind=input out=inputs.csv", capsys).lower()


def test_a_parquet_data_set_is_forecast_block_after_block(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tslm("fit data=sales.csv h=7 model=seasonal_naive out=m")
    Path("sales").mkdir()
    sales = pd.read_csv("sales.csv", dtype={"unique_id": str}, parse_dates=["ds"])
    for shop, rows in sales.groupby("unique_id"):
        rows.to_parquet(f"sales/{shop}.parquet", index=False)
    printed = tslm("predict model=m data=sales engine=local level=[80] out=ahead")
    assert "wrote 2 series to ahead, 0 refused" in printed
    found = pd.concat(map(pd.read_parquet, sorted(Path("ahead").glob("part-*"))))
    tslm("predict model=m data=sales.csv level=[80] out=ahead.csv")
    assert found.SeasonalNaive.tolist() == pd.read_csv("ahead.csv").SeasonalNaive.tolist()
    tslm("predict model=m data=sales engine=local ids=[007] out=one")
    one = pd.concat(map(pd.read_parquet, sorted(Path("one").glob("part-*"))))
    assert one.unique_id.unique().tolist() == ["007"]
    line = "predict model=m data=sales engine=local futr=sales out=other"
    assert "reads no covariate known in advance" in refused(line, capsys)
    printed = tslm("backtest model=m data=sales engine=local baselines=[] out=tested")
    assert "wrote 2 series to tested, 0 refused" in printed
    assert "SeasonalNaive    MSE" in printed
    line = "predict model=m data=sales engine=spark out=ahead"
    assert "engine" in refused(line, capsys)


def test_forecasts_without_true_values_are_refused(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tslm("fit data=sales.csv h=7 model=last out=m")
    tslm("predict model=m out=forecast.csv")
    assert "no true value for these forecasts" in refused(
        "evaluate data=sales.csv forecasts=forecast.csv", capsys
    )


def test_python_evaluates_a_forecast_after_its_rows_arrive(here: Path) -> None:
    sales, newer = (pd.read_csv(f"{name}.csv", parse_dates=["ds"]) for name in ("sales", "newer"))
    ahead = BaselineForecaster("last", h=5).fit(sales).predict(level=[80])
    assert evaluate(ahead, newer).metric.tolist()[:2] == ["mae", "rmse"]


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_series_and_forecasts_are_drawn(tslm: Any, here: Path, ending: str) -> None:
    tslm("backtest data=sales.csv h=7 model=last level=[80] out=cv.csv")
    tslm(f"plot data=sales.csv forecasts=cv.csv out=cv.{ending}")
    assert (here / f"cv.{ending}").stat().st_size > 10_000


def test_a_picture_of_one_series_without_an_id_needs_no_mapping(tslm: Any, here: Path) -> None:
    own = pd.read_csv("sales.csv").iloc[:120].rename(columns={"ds": "Day", "y": "Sales"})
    own[["Day", "Sales"]].to_csv("one.csv", index=False)
    tslm("plot data=one.csv out=one.png")
    assert (here / "one.png").stat().st_size > 10_000


def test_nothing_to_draw_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to draw" in refused("plot out=a.png", capsys)
    assert "must end in" in refused("plot data=sales.csv out=a.gif", capsys)
    assert not (here / "a.png").exists()


def test_an_explanation_is_written_and_drawn(
    tslm: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "backbone=tiny base=null max_steps=1 h=6 verbose=0 accelerator=cpu random_state=0"
    tslm(f"fit data=sales.csv adapter=time_llm {small} out=m")
    tslm("explain model=m top=2 out=words.csv")
    assert {"unique_id", "start"} <= set(pd.read_csv("words.csv"))
    tslm("explain model=m series=008 out=words.png")
    assert (here / "words.png").stat().st_size > 5_000
    tslm("fit data=sales.csv model=last h=6 out=b")
    assert "holds a baseline" in refused("explain model=b out=words.csv", capsys)


def test_intervals_are_renewed_in_place_or_beside(tslm: Any, here: Path) -> None:
    tslm("fit data=sales.csv model=last h=7 out=m")
    before = (here / "m" / "model.json").read_bytes()
    tslm("recalibrate model=m data=newer.csv out=beside")
    assert (here / "m" / "model.json").read_bytes() == before
    tslm("recalibrate model=m data=newer.csv")
    assert (here / "m" / "model.json").read_bytes() != before


def test_some_series_are_forecast_by_their_ids(tslm: Any) -> None:
    tslm("fit data=sales.csv model=last h=2 out=m")
    tslm("predict model=m ids=[008] device=cpu out=f.csv")
    assert pd.read_csv("f.csv", dtype=str).unique_id.tolist() == ["008", "008"]


@pytest.mark.parametrize("group", ["adapter", "model", "benchmark", "decoder", "budget"])
def test_choices_are_listed_with_what_they_are(tslm: Any, group: str) -> None:
    lines = tslm(f"{group} list").splitlines()
    assert [line.split()[0] for line in lines] == choices(group)
    assert all(len(line.split()) > 1 for line in lines)


def test_quiet_prints_nothing(tslm: Any) -> None:
    assert tslm("fit data=sales.csv model=last h=2 out=m -q") == ""
    assert tslm("predict model=m out=f.csv -q") == ""
    assert tslm("-V") == tslm("--version")


def test_a_shell_completes_verbs_settings_and_choices() -> None:
    assert set(VERBS) <= set(offered([""]))
    assert offered(["pre"]) == ["predict"]
    assert offered(["fit", "data=a.csv", "max_"]) == ["max_steps=", "max_epochs="]
    assert offered(["fit", "adapter=ti"]) == ["adapter=time_llm"]
    assert "adapter.patch_len=" in offered(["fit", "adapter=autotimes", "adapter.p"])
    assert offered(["fit", "nonsense=1", "lear"]) == ["learning_rate="]
    assert offered(["adapter", ""]) == ["list"]


def test_bash_offers_what_it_should(tmp_path: Path) -> None:
    """The script itself, in bash, with a stand-in for the command."""
    script = SCRIPTS["bash"].replace("<(tslm ", f"<({sys.executable} -m tslm ")
    ask = "COMP_LINE='tslm fit adapter=ti'; COMP_POINT=${#COMP_LINE}; _tslm; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
    assert done.stdout.strip() == "time_llm", done.stderr
