"""Intervals and samples of the estimators, on two random blocks."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from tests.frames import long_frame
from tslm import (
    BaselineForecaster,
    ConfigError,
    DataError,
    NotFittedError,
    Spec,
    TSLMForecaster,
)
from tslm.core.config.choices import choices
from tslm.core.config.estimator_settings import configure
from tslm.evaluation.metrics.backtest import evaluate
from tslm.uncertainty.distributions.quantile import QuantileFamily
from tslm.uncertainty.distributions.student_t import StudentTFamily

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
FAST: dict[str, Any] = {
    "h": 4,
    "adapter": Spec("autotimes", patch_len=4),
    "backbone": "tiny",
    "context_length": 24,
    "season_length": 4,
    "max_steps": 20,
    "trainer": Spec("one_cycle", looks=2),
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
}
DISTRIBUTIONS = ("point", "quantile", "student_t", "mixture")
H = FAST["h"]


def forecaster(**options: Any) -> TSLMForecaster:
    return TSLMForecaster(**{"base": None, **FAST, **options})


def profile_ar(conformal: str, val_size: int) -> BaselineForecaster:
    return BaselineForecaster(
        "profile_ar",
        h=20,
        season_length=4,
        context_length=48,
        conformal=conformal,
        val_size=val_size,
    )


def waves(n: int = 140, ids: tuple[Any, ...] = ("a", "b"), noise: float = 1.0) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    season = 3 * np.sin(np.arange(n) * np.pi / 2)
    return long_frame(
        {name: 10 * k + season + dice.normal(0, noise, n) for k, name in enumerate(ids)}, freq="h"
    )


@pytest.fixture(scope="module", params=DISTRIBUTIONS)
def model(request: pytest.FixtureRequest) -> TSLMForecaster:
    return forecaster(decoder=request.param, val_size=60).fit(waves())


def check_ordered(frame: pd.DataFrame, columns: list[str]) -> None:
    values = frame[columns].to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()


class TestColumns:
    @pytest.mark.parametrize("h", [1, H, 3 * H + 1])
    def test_levels_quantiles_and_samples_are_columns_after_the_forecast(
        self, model: TSLMForecaster, h: int
    ) -> None:
        plain = model.predict(h=h)
        levels = model.predict(h=h, level=[80, 95])
        ends = ["lo-80", "hi-80", "lo-95", "hi-95"]
        assert list(levels) == [*plain, *(f"AutoTimes-{end}" for end in ends)]
        pd.testing.assert_frame_equal(levels[list(plain)], plain)
        order = [f"AutoTimes-{end}" for end in ("lo-95", "lo-80", "hi-80", "hi-95")]
        check_ordered(levels, order)
        quantiles = model.predict(h=h, quantiles=[0.1, 0.9], num_samples=3)
        assert list(quantiles)[3:5] == ["AutoTimes-q-10", "AutoTimes-q-90"]
        assert list(quantiles)[5:] == [f"AutoTimes-sample-{i}" for i in range(3)]
        assert_allclose(quantiles["AutoTimes-q-10"], levels["AutoTimes-lo-80"])
        assert_allclose(quantiles["AutoTimes-q-90"], levels["AutoTimes-hi-80"])
        assert np.isfinite(quantiles.iloc[:, 5:].to_numpy()).all()

    def test_a_quantile_does_not_depend_on_the_others_asked_for(
        self, model: TSLMForecaster
    ) -> None:
        alone = model.predict(quantiles=[0.33])["AutoTimes-q-33"]
        among = model.predict(quantiles=[0.9, 0.05, 0.33, 0.5])["AutoTimes-q-33"]
        assert_allclose(alone, among)

    def test_many_samples_have_the_quantiles(self, model: TSLMForecaster) -> None:
        asked = [0.1, 0.25, 0.5, 0.75, 0.9]
        found = model.predict(quantiles=asked, num_samples=600)
        paths = found.filter(like="-sample-").to_numpy()
        expected = found[[f"AutoTimes-q-{100 * share:g}" for share in asked]].to_numpy()
        width = (expected[:, -1] - expected[:, 0])[:, None]
        gap = (np.quantile(paths, asked, axis=1).T - expected) / width
        assert np.abs(gap).max() < 0.12
        assert np.abs(gap).mean() < 0.03

    def test_backtests_have_them_for_the_model_and_its_rivals(self) -> None:
        model = forecaster(val_size=60, alias="me", max_steps=2)
        rivals = ["seasonal_naive", "profile_ar"]
        table = model.cross_validation(waves(), n_windows=2, level=[50], baselines=rivals)
        expected = [f"{name}{end}" for name in ("me", *rivals) for end in ("", "-lo-50", "-hi-50")]
        assert list(table) == ["unique_id", "ds", "cutoff", "y", *expected]
        errors = evaluate(table, waves(), 4).set_index("metric")
        assert list(errors) == ["me", *rivals]
        assert list(errors.index[-2:]) == ["pinball", "coverage_50"]
        assert errors.loc["coverage_50"].between(0.1, 0.9).all()
        quantiles = model.cross_validation(waves(), quantiles=[0.2], baselines=[])
        assert list(quantiles)[4:] == ["me", "me-q-20"]

    def test_the_impossible_is_refused_before_anything_is_done(self) -> None:
        with pytest.raises(ConfigError, match="cannot be used together"):
            forecaster().predict(level=[80], quantiles=[0.1])
        with pytest.raises(ConfigError, match="between 0 and 100"):
            forecaster().cross_validation(waves(), level=[800])


class TestPromises:
    def test_samples_of_a_series_do_not_depend_on_other_series(self) -> None:
        model = forecaster(val_size=40, max_steps=2).fit(waves(ids=("a", "b", "c")))
        df = waves(ids=("a", "b", "c"))
        together = model.predict(df, num_samples=4)
        pd.testing.assert_frame_equal(together, model.predict(df, num_samples=4))
        mixed = model.predict(df.sample(frac=1, random_state=0), num_samples=4)
        pd.testing.assert_frame_equal(together, mixed)
        alone = model.predict(df[df.unique_id == "b"], num_samples=4)
        expected = together[together.unique_id == "b"].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected, rtol=1e-4)
        other = clone(model).set_params(random_state=1)
        other.__dict__ |= {k: v for k, v in model.__dict__.items() if k.endswith("_")}
        assert not together.equals(other.predict(df, num_samples=4))

    def test_saved_models_keep_their_intervals(self, model: TSLMForecaster, tmp_path: Path) -> None:
        model.save(tmp_path / "m")
        again = TSLMForecaster.load(tmp_path / "m")
        for asked in ({"level": [80]}, {"num_samples": 3, "h": 9}):
            pd.testing.assert_frame_equal(model.predict(**asked), again.predict(**asked))

    def test_saved_baselines_keep_their_intervals(self, tmp_path: Path) -> None:
        model = BaselineForecaster("profile_ar", h=H, conformal="adaptive", verbose=0)
        model.fit(waves()).save(tmp_path / "m")
        again = BaselineForecaster.load(tmp_path / "m")
        pd.testing.assert_frame_equal(model.predict(level=[80]), again.predict(level=[80]))

    def test_intervals_have_the_units_of_the_series(self) -> None:
        df = waves()
        one, two = (
            BaselineForecaster("seasonal_naive", h=H, season_length=4)
            .fit(frame)
            .predict(level=[80])
            for frame in (df, df.assign(y=1e6 * df.y + 3e6))
        )
        columns = ["SeasonalNaive", "SeasonalNaive-lo-80", "SeasonalNaive-hi-80"]
        assert_allclose(two[columns], 1e6 * one[columns] + 3e6, rtol=1e-4, atol=10)

    @pytest.mark.parametrize("conformal", ["residual", "adaptive", "cqr"])
    def test_intervals_cover_new_data_at_their_level(self, conformal: str) -> None:
        df = waves(3000, ids=("a",))
        model = profile_ar(conformal, val_size=1200)
        table = model.cross_validation(df, n_windows=40, level=[80, 95], baselines=[])
        for level in (80, 95):
            low, high = table[f"ProfileAR-lo-{level}"], table[f"ProfileAR-hi-{level}"]
            assert 100 * table.y.between(low, high).mean() == pytest.approx(level, abs=3)

    def test_predict_warns_if_widths_come_from_past_changes(self) -> None:
        model = BaselineForecaster("last", h=H, val_size=0).fit(waves())
        text = "are 0 times as long as h, .* from past changes of each series. .* val_size=8 or"
        with pytest.warns(UserWarning, match=text):
            model.predict(level=[80])
        model = BaselineForecaster("profile_ar", h=H, val_size=0, conformal="cqr").fit(waves())
        with pytest.warns(UserWarning, match="past changes of each series and the model's own"):
            model.predict(num_samples=1)
        model = BaselineForecaster("profile_ar", h=H, val_size=0, conformal="none").fit(waves())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.predict(level=[70])
            BaselineForecaster("last", h=H, val_size=2 * H).fit(waves()).predict(level=[95])


class TestRecalibration:
    @pytest.mark.parametrize("conformal", ["residual", "adaptive", "cqr"])
    def test_recalibration_on_newer_rows_corrects_widths(self, conformal: str) -> None:
        """Noise is three times as large after ``fit``: intervals cover again, points stay."""
        df = waves(3000, ids=("a",))
        rough = waves(3000, ids=("a",), noise=3.0)
        late = df.index >= 1500
        df.loc[late, "y"] = rough.y[late]
        model = profile_ar(conformal, val_size=800)
        model.fit(df[~late])
        before, old = held_at(model, df, 2400)
        known = df[:2400]
        assert model.recalibrate(known) is model
        after, new = held_at(model, df, 2400)
        assert_allclose(old, new)
        assert before < (0.6 if conformal != "cqr" else 0.85)
        assert after == pytest.approx(0.8, abs=0.06)

    def test_a_backtest_can_recalibrate_at_every_origin(self) -> None:
        model, df = forecaster(val_size=40, max_steps=2, alias="me"), waves()
        options: dict[str, Any] = {"n_windows": 2, "level": [80], "baselines": []}
        table = model.cross_validation(df, recalibrate=True, **options)
        plain = model.cross_validation(df, **options)
        first = table.cutoff == table.groupby("unique_id").cutoff.transform("min")
        pd.testing.assert_frame_equal(table[first], plain[first])
        assert_allclose(table.me, plain.me)
        model.fit(df.groupby("unique_id").head(132))
        known = df.groupby("unique_id").head(136)
        expected = model.recalibrate(known).predict(known, level=[80])
        columns = ["me-lo-80", "me-hi-80"]
        assert_allclose(table[~first][columns], expected[columns], rtol=1e-4)

    def test_covariates_and_polars_are_read_as_in_fit(self) -> None:
        dice = np.random.default_rng(1)
        df = waves().assign(x=dice.normal(size=280), z=dice.normal(size=280))
        df["y"] += 5 * df.x + 5 * df.z.shift(1, fill_value=0)
        model = forecaster(val_size=40, max_steps=2, futr_exog=["x"], hist_exog=["z"])
        check_rows_of_fit_teach_the_same(model.fit(df), df)
        pl = pytest.importorskip("polars")
        check_rows_of_fit_teach_the_same(model, pl.from_pandas(df))

    def test_too_few_rows_are_refused_and_intervals_do_not_change(self) -> None:
        model = BaselineForecaster("last", h=H).fit(waves())
        before = model.predict(level=[50])
        with pytest.raises(DataError, match="These rows are too few to calibrate intervals"):
            model.recalibrate(waves(5))
        pd.testing.assert_frame_equal(model.predict(level=[50]), before)
        with pytest.raises(NotFittedError):
            BaselineForecaster("last", h=H).recalibrate(waves())


def held_at(model: BaselineForecaster, df: pd.DataFrame, start: int) -> tuple[float, np.ndarray]:
    """Return the coverage of the interval of 80 % at 25 origins, and the point forecasts."""
    inside, points = [], []
    for origin in range(start, start + 500, 20):
        found = model.predict(df[:origin], level=[80])
        truth = df.y[origin : origin + 20].to_numpy()
        low, high = found["ProfileAR-lo-80"], found["ProfileAR-hi-80"]
        inside.append(np.mean((low <= truth) & (truth <= high)))
        points.append(found.ProfileAR)
    return float(np.mean(inside)), np.concatenate(points)


def check_rows_of_fit_teach_the_same(model: Any, df: Any = None) -> None:
    """Recalibrated on the rows of ``fit``, nothing changes."""
    intervals = model.calibration_
    model.recalibrate(waves() if df is None else df)
    assert_allclose(model.calibration_.corrections, intervals.corrections, rtol=1e-4, atol=1e-5)
    assert model.calibration_.difficulty == intervals.difficulty


class TestSettings:
    @pytest.mark.parametrize("decoder", ["student_t", "StudentT", Spec("student_t")])
    def test_a_decoder_named_like_a_distribution_is_the_decoder_of_the_adapter_with_it(
        self, decoder: Any
    ) -> None:
        cfg = configure({"decoder": decoder}, {})
        assert cfg.decoder._target_.endswith("SegmentDecoder")
        assert cfg.distribution._target_.endswith("StudentTFamily")

    def test_options_go_where_they_belong(self) -> None:
        spec = Spec("quantile", quantiles=[0.1, 0.5, 0.9], layers=2)
        cfg = configure({"decoder": spec}, {})
        assert (cfg.decoder.layers, cfg.distribution.quantiles) == (2, [0.1, 0.5, 0.9])
        model = forecaster(decoder="quantile").set_params(decoder__quantiles=[0.2, 0.5])
        model.set_params(max_steps=2).fit(waves())
        distribution = model.model_.decoder.family
        assert isinstance(distribution, QuantileFamily)
        assert distribution.quantiles == (0.2, 0.5)

    def test_a_layout_can_have_a_distribution_beside_it(self) -> None:
        model = forecaster(adapter="s2ip", decoder="flatten", distribution="student_t", max_steps=2)
        model.fit(waves())
        assert isinstance(model.model_.decoder.family, StudentTFamily)
        assert type(model.model_.decoder).__name__ == "FlattenDecoder"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"decoder": "quantile", "distribution": "student_t"}, "both name a distribution"),
            ({"decoder": Spec("quantile", quantile=[0.5])}, "no option 'quantile'"),
            ({"decoder": "student"}, "Did you mean student_t"),
            ({"distribution": "normal"}, "distribution=normal is unknown"),
            (
                {"conformal": "cqr"},
                "cqr corrects .* own distribution, and ForecastModel gives",
            ),
            ({"conformal": "magic"}, "conformal=magic is unknown. Choose one of adaptive, cqr"),
            ({"adapter": "lipcot", "decoder": "quantile"}, "forecasts a mixture.*decoder=mixture"),
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            forecaster(**options).fit(waves())

    def test_a_baseline_without_a_distribution_refuses_conformal_none(self) -> None:
        model = BaselineForecaster("ridge_nlinear", h=H, conformal="none").fit(waves())
        with pytest.raises(ConfigError, match=r"conformal=none, and Ridge.* gives points only"):
            model.predict(level=[80])

    def test_distributions_can_be_calibrated(self) -> None:
        plain = forecaster(decoder="student_t", val_size=60)
        calibrated = clone(plain).set_params(conformal="cqr")
        one, two = (model.fit(waves()).predict(level=[80]) for model in (plain, calibrated))
        assert_allclose(one.AutoTimes, two.AutoTimes)
        assert not np.allclose(one["AutoTimes-lo-80"], two["AutoTimes-lo-80"])
        longer = calibrated.predict(h=3 * H, level=[80])
        check_ordered(longer, ["AutoTimes-lo-80", "AutoTimes-hi-80"])


def test_profile_ar_has_the_normal_distribution_of_its_autoregression() -> None:
    """The series is an autoregression, so the widths are those of its summed noise."""
    dice, y = np.random.default_rng(0), np.zeros(3000)
    for t in range(1, len(y)):
        y[t] = 0.8 * y[t - 1] + dice.normal()
    df = long_frame({"a": y}, freq=1)
    model = BaselineForecaster("profile_ar", h=12, context_length=512, conformal="none").fit(df)
    found = model.predict(level=[80])
    half = (found["ProfileAR-hi-80"] - found["ProfileAR-lo-80"]).to_numpy() / 2
    expected = 1.2816 * np.sqrt(np.cumsum(0.64 ** np.arange(12)))
    assert_allclose(half, expected, rtol=0.2)
    assert_allclose((found["ProfileAR-hi-80"] + found["ProfileAR-lo-80"]) / 2, found.ProfileAR)


@pytest.mark.parametrize("name", choices("model"))
def test_every_baseline_has_intervals_and_samples(name: str) -> None:
    pytest.importorskip("statsforecast") if name.startswith("auto") else None
    model = BaselineForecaster(
        name,
        h=H,
        season_length=4,
        context_length=24,
        max_steps=2,
        trainer=Spec("one_cycle", looks=2),
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(waves())
    found = model.predict(h=6, quantiles=[0.2, 0.5, 0.8], num_samples=2)
    check_ordered(found, [f"{model.name}-q-{q}" for q in (20, 50, 80)])
    assert np.isfinite(found[f"{model.name}-sample-1"]).all()
    check_rows_of_fit_teach_the_same(model)


@pytest.mark.parametrize("distribution", ["point", "mixture"])
@pytest.mark.parametrize("name", choices("adapter"))
def test_every_adapter_has_intervals_and_samples(name: str, distribution: str) -> None:
    model = forecaster(adapter=name, decoder=distribution, context_length=None, max_steps=2).fit(
        waves()
    )
    for h in (3, 7):
        found = model.predict(h=h, level=[80], num_samples=2)
        check_ordered(found, [f"{model.name}-lo-80", f"{model.name}-hi-80"])
        assert np.isfinite(found.filter(like="-sample-").to_numpy()).all()
        assert list(model.predict(h=h, quantiles=[0.3]))[-1] == f"{model.name}-q-30"
    check_rows_of_fit_teach_the_same(model)
