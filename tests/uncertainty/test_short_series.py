"""Intervals and samples of series too short for errors to be learnt, and where forecasts end."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import BaselineForecaster, ConfigError, Spec, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation.verdict import Entry, Verdict
from tslm.uncertainty.conformal.methods import conformal_class

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows",
    "ignore:The validation rows are",
    "ignore:iTransformer attends",
    "ignore:The frame lacks",
    "ignore:No series is long enough for validation rows",
)
H = 3
SHARED: dict[str, Any] = {
    "h": H,
    "max_steps": 1,
    "trainer": Spec("one_cycle", looks=1),
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
}


def days(*lengths: int) -> pd.DataFrame:
    """Random walks that end on the same day."""
    dice = np.random.default_rng(0)
    end = pd.Timestamp("2024-03-31")
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{i}",
                "ds": pd.date_range(end=end, periods=n, freq="D"),
                "y": 50 + dice.normal(size=n).cumsum(),
            }
        )
        for i, n in enumerate(lengths)
    ]
    return pd.concat(parts, ignore_index=True)


def check_intervals(model: TrainedForecaster, df: pd.DataFrame | None = None) -> None:
    """Assert that intervals and samples are finite, ordered, and around the point."""
    for h in (H, 2 * H + 1):
        levels = model.predict(df, h=h, level=[80, 95], num_samples=4)
        values = levels.iloc[:, 2:].to_numpy()
        assert np.isfinite(values).all()
        point, low, high, lower, higher = values.T[:5]
        room = 1e-3 * (high - low)
        assert (low < high).all()
        assert ((lower <= low) & (high <= higher)).all()
        assert (higher - lower > high - low).all()
        assert ((low - room <= point) & (point <= high + room)).all()
        assert values[:, 5:].std(1).min() > 0
        middle = model.predict(df, h=h, quantiles=[0.1, 0.5, 0.9]).iloc[:, 3:].to_numpy()
        np.testing.assert_allclose(middle[:, [0, 2]], levels.iloc[:, 3:5])
        assert ((middle[:, 0] < middle[:, 1]) & (middle[:, 1] < middle[:, 2])).all()


def check_every_kind(model: TrainedForecaster) -> None:
    learnt = model.calibration_
    assert not learnt.learnt
    has_distribution = model.forecaster_.distribution_horizon > 0
    for kind in choices("conformal") if has_distribution else ("residual", "adaptive"):
        model.calibration_ = conformal_class(kind).from_state(learnt.state())
        check_intervals(model)
    model.calibration_ = learnt


@pytest.mark.parametrize("name", choices("model"))
def test_every_baseline_has_ordered_intervals_from_a_few_rows(name: str) -> None:
    pytest.importorskip("statsforecast") if name.startswith("auto") else None
    model = BaselineForecaster(name, **SHARED).fit(days(8))
    check_every_kind(model)
    check_intervals(model, days(5, 3))


@pytest.mark.parametrize(
    ("adapter", "distribution"),
    [("autotimes", distribution) for distribution in choices("distribution")]
    + [pytest.param(name, "mixture", marks=pytest.mark.slow) for name in choices("adapter")]
    + [pytest.param(name, "point", marks=pytest.mark.slow) for name in choices("adapter")],
)
def test_every_adapter_and_distribution_has_ordered_intervals_from_a_few_rows(
    adapter: str, distribution: str
) -> None:
    model = TSLMForecaster(
        base=None, adapter=adapter, decoder=distribution, backbone="tiny", **SHARED
    ).fit(days(8, 5))
    check_every_kind(model)


@pytest.mark.parametrize("options", [{}, {"val_size": 0}, {"conformal": "adaptive"}], ids=str)
@pytest.mark.parametrize("rows", [2, 3, 5, 11, 20])
def test_one_series_of_any_length_has_intervals(rows: int, options: dict[str, Any]) -> None:
    model = BaselineForecaster("last", **SHARED, **options).fit(days(rows))
    check_intervals(model)


def test_backtests_of_a_few_rows_have_intervals_for_all() -> None:
    model = BaselineForecaster("profile_ar", **SHARED)
    for recalibrate in (False, True):
        table = model.cross_validation(
            days(12, 9), level=[80], n_windows=2, recalibrate=recalibrate
        )
        for name in ("ProfileAR", "SeasonalNaive"):
            assert (table[f"{name}-hi-80"] > table[f"{name}-lo-80"]).all()


def test_the_command_line_gives_them_too(tmp_path: Path) -> None:
    days(8).to_csv(tmp_path / "a.csv", index=False)
    made = f"data={tmp_path}/a.csv", f"out={tmp_path}/m"
    assert command("fit", *made, "model=last", "h=3", "floor=49") == 0
    asked = "level=[80]", "num_samples=2", f"out={tmp_path}/f.csv"
    assert command("predict", f"model={tmp_path}/m", f"data={tmp_path}/a.csv", *asked) == 0
    found = pd.read_csv(tmp_path / "f.csv")
    assert (found["Last-hi-80"] > found["Last-lo-80"]).all()
    assert found["Last-lo-80"].min() == 49


def test_widths_of_past_changes_grow_and_follow_each_series() -> None:
    loud = days(9).assign(unique_id="loud")
    loud["y"] = 50 + 100 * (loud.y - 50)
    model = BaselineForecaster("last", **SHARED).fit(pd.concat([days(9), loud]))
    found = model.predict(level=[80])
    width = (found["Last-hi-80"] - found["Last-lo-80"]).to_numpy().reshape(2, H)
    assert (np.diff(width) > 0).all()
    np.testing.assert_allclose(width[0] / width[1], 100, rtol=1e-3)


def test_intervals_of_short_walks_cover_at_their_level() -> None:
    dice, inside = np.random.default_rng(1), []
    model = BaselineForecaster("last", **{**SHARED, "h": 4})
    for _ in range(30):
        y = dice.normal(size=14).cumsum()
        df = pd.DataFrame({"unique_id": "a", "ds": np.arange(10), "y": y[:10]})
        found = model.fit(df).predict(level=[80])
        inside.append(((found["Last-lo-80"] <= y[10:]) & (y[10:] <= found["Last-hi-80"])).mean())
    assert 0.75 < np.mean(inside) < 0.99


class TestFloor:
    def test_nothing_lies_below_it(self, tmp_path: Path) -> None:
        df = days(40).assign(y=lambda df: (df.y - 50).clip(lower=0))
        model = BaselineForecaster("drift", floor=0, **SHARED).fit(df)
        model.save(tmp_path / "m")
        for one in (model, BaselineForecaster.load(tmp_path / "m")):
            found = one.predict(level=[95], num_samples=9)
            assert found.iloc[:, 2:].min(axis=None) == 0
        bare = BaselineForecaster("drift", **SHARED).fit(df).predict(level=[95])
        assert bare["Drift-lo-95"].min() < 0
        pd.testing.assert_series_equal(bare["Drift-hi-95"], found["Drift-hi-95"])
        table = model.cross_validation(df, level=[95])
        assert table.filter(like="-lo-").min(axis=None) == 0  # of its rivals too

    def test_a_floor_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="floor=nan must be a number"):
            BaselineForecaster("last", floor=float("nan")).fit(days(9))


@pytest.fixture
def df() -> pd.DataFrame:
    """Sixty days, the last fourteen without a value."""
    df = days(60)
    df.loc[df.index[-14:], "y"] = np.nan
    return df


class TestRowsWithoutValue:
    def test_validation_is_on_the_last_rows_with_a_value(self, df: pd.DataFrame) -> None:
        with pytest.warns(UserWarning, match="end in rows without a value, 14 in 's0'") as caught:
            model = BaselineForecaster("dlinear", **SHARED).fit(df)
        advice = "there at 2024-04-01 00:00:00. Drop these rows"
        assert any(advice in str(w.message) for w in caught)
        assert not any(issubclass(w.category, RuntimeWarning) for w in caught)
        whole = BaselineForecaster("dlinear", **SHARED).fit(df.dropna())
        known = [entry.mse for entry in model.verdict_.entries]
        assert model.verdict_.windows > 0
        assert np.isfinite(known).all()
        assert known[0] == pytest.approx(whole.verdict_.entries[0].mse, rel=0.5)

    def test_widths_cover_after_the_gap(self) -> None:
        df = days(*20 * [60])
        df.loc[df.ds > df.ds.max() - pd.Timedelta(days=14), "y"] = np.nan
        model = BaselineForecaster("last", **SHARED, val_size=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            late, soon = (model.fit(part).predict(level=[80]) for part in (df, df.dropna()))
        wide, narrow = (
            (f["Last-hi-80"] - f["Last-lo-80"]).groupby(f.groupby("unique_id").cumcount()).mean()
            for f in (late, soon)
        )
        assert (wide > 1.5 * narrow).all()  # of 15 steps after the last value, not of one


class TestVerdict:
    def test_a_baseline_that_fails_in_training_is_named(self) -> None:
        wild = BaselineForecaster("dlinear", learning_rate=1e9, **{**SHARED, "max_steps": 3})
        with pytest.warns(UserWarning, match="DLinear has MSE .* training it does not help here"):
            wild.fit(days(60))

    def test_errors_that_are_no_numbers_are_null_in_json(self) -> None:
        verdict = Verdict(3, [Entry("A", np.inf, np.nan), Entry("last", 1.0, 1.0)])
        text = json.dumps(verdict.state(), allow_nan=False)
        again = Verdict.from_state(json.loads(text))
        assert again.entries == [Entry("A", np.inf, np.inf), Entry("last", 1.0, 1.0)]
        with pytest.warns(UserWarning, match="A has MSE inf"):
            again.warn("training it")
