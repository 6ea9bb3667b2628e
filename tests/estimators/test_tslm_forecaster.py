"""The estimator's promises, on two random blocks."""

import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

from tests.frames import long_frame
from tslm import BaselineForecaster, ConfigError, DataError, NotFittedError, Spec, TSLMForecaster
from tslm.core.types import Contribution
from tslm.estimators.validation.verdict import Entry, Verdict

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
FAST: dict[str, Any] = {
    "h": 8,
    "adapter": Spec("autotimes", patch_len=8),
    "backbone": "tiny",
    "context_length": 24,
    "max_steps": 20,
    "trainer": Spec("one_cycle", looks=2),
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
}


def forecaster(**options: Any) -> TSLMForecaster:
    return TSLMForecaster(**{"base": None, **FAST, **options})


def waves(
    n: int = 80, ids: tuple[Any, ...] = ("a", "b"), freq: str = "h", tz: str | None = None
) -> pd.DataFrame:
    noise = np.random.default_rng(len(ids)).normal(0, 0.3, (len(ids), n))
    y = {name: 20 * k + 3 * np.sin(np.arange(n) / 4) + noise[k] for k, name in enumerate(ids)}
    return long_frame(y, freq=freq, tz=tz)


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    return forecaster().fit(waves())


class TestParameters:
    def test_init_stores_its_arguments_and_does_nothing_else(self) -> None:
        given = {
            name: default.default
            for name, default in inspect.signature(TSLMForecaster).parameters.items()
        }
        given |= {"h": -3, "adapter": Spec("nothing", odd=[]), "backbone": "nowhere"}
        given |= {"futr_exog": ["price"], "devices": [object()], "missing": "whatever"}
        stored = vars(TSLMForecaster(**given))
        assert stored.keys() == given.keys()
        assert all(stored[name] is value for name, value in given.items())

    def test_the_signature_is_that_of_the_contract(self) -> None:
        promised = [
            "h",
            "adapter",
            "backbone",
            "n_layers",
            "decoder",
            "base",
            "context_length",
            "freq",
            "season_length",
            "id_col",
            "time_col",
            "target_col",
            "futr_exog",
            "hist_exog",
            "static_exog",
            "prompt",
            "missing",
            "on_duplicate",
        ]
        assert list(inspect.signature(TSLMForecaster).parameters)[: len(promised)] == promised

    def test_a_clone_has_equal_parameters_and_specs_of_its_own(self) -> None:
        model = forecaster(h=5)
        twin = clone(model)
        assert twin.get_params() == model.get_params()
        twin.set_params(adapter__patch_len=6)
        assert model.adapter == Spec("autotimes", patch_len=8)

    @pytest.mark.parametrize("adapter", ["autotimes", Spec("autotimes", layers=2)])
    def test_options_of_a_part_are_set_and_read_like_nested_estimators(self, adapter: Any) -> None:
        model = forecaster(adapter=adapter).set_params(adapter__patch_len=4, h=3)
        assert model.get_params()["adapter__patch_len"] == 4
        assert (model.h, model.adapter.name) == (3, "autotimes")

    def test_options_of_the_decoder_of_the_adapter_can_be_set(self) -> None:
        model = forecaster().set_params(decoder=Spec("segment")).set_params(decoder__layers=2)
        model.set_params(max_steps=2).fit(waves())
        assert model.config_.decoder.layers == 2

    def test_an_option_of_a_part_that_is_left_open_asks_for_the_part(self) -> None:
        with pytest.raises(ConfigError, match=r"decoder is None.*decoder=Spec"):
            forecaster().set_params(decoder__layers=2)

    def test_set_params_means_the_same_as_init(self) -> None:
        late = TSLMForecaster(base=None).set_params(**FAST, decoder=None).set_params(max_steps=2)
        early = forecaster(max_steps=2)
        one, two = (model.fit(waves()).predict() for model in (early, late))
        pd.testing.assert_frame_equal(one, two)

    def test_grid_search_chooses_an_option_of_the_adapter(self) -> None:
        df = waves(ids=("a",))
        rows = np.arange(len(df))

        def score(model: TSLMForecaster, X: pd.DataFrame, y: None = None) -> float:  # noqa: N803
            return -float(np.abs(model.predict(h=len(X)).AutoTimes.to_numpy() - X.y).mean())

        grid = GridSearchCV(
            forecaster(adapter="autotimes", max_steps=5),
            {"adapter__patch_len": [4, 8]},
            cv=[(rows[:-8], rows[-8:])],
            scoring=score,
            error_score="raise",
        ).fit(df)
        assert set(grid.best_params_) == {"adapter__patch_len"}
        assert grid.cv_results_["params"] == [{"adapter__patch_len": n} for n in (4, 8)]
        assert grid.best_estimator_.model_.adapter.layout.patch_len in (4, 8)
        assert np.isfinite(grid.cv_results_["mean_test_score"]).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"adapter": Spec("autotimes", patch_length=8)}, r"Did you mean patch_len\?.*It has"),
            ({"adapter": "autotime"}, "Did you mean autotimes"),
            ({"adapter": Spec("autotimes", _target_="os.system")}, "no option '_target_'"),
            ({"trainer": Spec("one_cycle", warm=1)}, "Did you mean warmup"),
            ({"decoder": "segments"}, "Did you mean segment"),
            ({"h": 0}, "h=0 must be at least 1"),
            ({"learning_rate": -1.0}, "learning_rate=-1.0 must be above 0"),
            ({"batch_size": 0}, "batch_size=0"),
            ({"val_size": -1}, "val_size=-1 must be at least 0"),
            ({"missing": "drop"}, "missing='drop' is unknown"),
            ({"precision": "int8"}, "precision=int8 is unknown"),
            ({"context_length": 25}, "25 is not a multiple of patch_len 8"),
        ],
    )
    def test_a_wrong_setting_is_refused_by_fit_with_the_right_ones(
        self, options: dict[str, Any], message: str
    ) -> None:
        model = forecaster(**options)
        with pytest.raises(ConfigError, match=message):
            model.fit(waves())


class TestForecasts:
    def test_a_frame_of_id_time_and_forecast_in_the_order_of_the_series(
        self, model: TSLMForecaster
    ) -> None:
        df = waves()
        ahead = model.predict()
        assert list(ahead.columns) == ["unique_id", "ds", "AutoTimes"]
        assert ahead.unique_id.tolist() == ["a"] * 8 + ["b"] * 8
        expected = pd.date_range(df.ds.max(), periods=9, freq="h")[1:]
        assert ahead.ds.tolist() == [*expected, *expected]
        assert ahead.unique_id.dtype == df.unique_id.dtype
        assert isinstance(ahead.index, pd.RangeIndex)

    def test_column_names_and_alias_of_the_user_are_used(self) -> None:
        df = waves(ids=(7, 3)).rename(columns={"unique_id": "shop", "ds": "when", "y": "sold"})
        names = {"id_col": "shop", "time_col": "when", "target_col": "sold"}
        model = forecaster(alias="mine", max_steps=2, **names)
        ahead = model.fit(df).predict()
        assert list(ahead.columns) == ["shop", "when", "mine"]
        assert ahead.shop.unique().tolist() == [3, 7]
        assert ahead.shop.dtype == df.shop.dtype
        table = model.cross_validation(df)
        assert list(table.columns) == ["shop", "when", "cutoff", "sold", "mine", "SeasonalNaive"]

    def test_forecasts_are_in_the_units_of_y(self, model: TSLMForecaster) -> None:
        means = model.predict().groupby("unique_id").AutoTimes.mean()
        assert abs(means["a"]) < 6
        assert abs(means["b"] - 20) < 6

    def test_training_helps(self) -> None:
        df, ahead = waves(120), waves(120).groupby("unique_id").tail(8)
        known = df.drop(index=ahead.index)
        errors = []
        for steps in (1, 60):
            model = forecaster(max_steps=steps, val_size=0).fit(known)
            errors.append(np.abs(model.predict().AutoTimes.to_numpy() - ahead.y).mean())
        assert errors[1] < 0.5 * errors[0]

    def test_series_never_seen_in_fit_are_forecast(self, model: TSLMForecaster) -> None:
        new = waves(60, ids=("new",)).assign(y=lambda df: 500 + 100 * df.y)
        ahead = model.predict(new)
        assert ahead.unique_id.tolist() == ["new"] * 8
        assert ahead.ds.iloc[0] == new.ds.max() + pd.Timedelta(hours=1)
        assert ahead.AutoTimes.between(0, 1000).all()

    def test_any_horizon_shorter_ones_slice_longer_ones_roll_out(
        self, model: TSLMForecaster
    ) -> None:
        longest = model.predict(h=3 * 8 + 7).groupby("unique_id")
        assert longest.size().tolist() == [31, 31]
        assert np.isfinite(longest.AutoTimes.sum()).all()
        for h in (1, 7, 8, 9):
            short = model.predict(h=h)
            assert len(short) == 2 * h
            assert_allclose(short.AutoTimes, longest.head(h).AutoTimes, rtol=1e-4)

    @pytest.mark.parametrize("h", [0, -1, True])
    def test_a_horizon_that_is_no_count_is_refused(self, model: TSLMForecaster, h: Any) -> None:
        with pytest.raises(ConfigError, match=r"h=.* must be a whole number"):
            model.predict(h=h)

    def test_series_of_any_length_are_fitted_and_forecast(self) -> None:
        df = pd.concat([waves(), waves(5, ("short",)), waves(17, ("middle",)), waves(1, ("one",))])
        ahead = forecaster().fit(df).predict(h=9)
        assert ahead.groupby("unique_id").size().to_dict() == dict.fromkeys(
            ["a", "b", "middle", "one", "short"], 9
        )
        assert np.isfinite(ahead.AutoTimes).all()
        first = ahead.groupby("unique_id").ds.first()
        assert first["short"] == pd.Timestamp("2024-01-01 05:00")
        assert first["one"] == pd.Timestamp("2024-01-01 01:00")

    def test_integer_time_continues_in_its_own_steps(self) -> None:
        df = waves().assign(ds=lambda df: 10 + 5 * df.groupby("unique_id").cumcount())
        ahead = forecaster(max_steps=2).fit(df).predict(h=3)
        assert ahead.ds.tolist() == [410, 415, 420] * 2
        assert ahead.ds.dtype == np.int64
        table = forecaster(max_steps=2).cross_validation(df, h=4, n_windows=2)
        assert sorted(table.cutoff.unique()) == [365, 385]

    def test_time_zones_survive_the_change_of_the_clock(self) -> None:
        df = waves(tz="Europe/Berlin").assign(
            ds=lambda df: df.ds + (pd.Timestamp("2024-03-28") - pd.Timestamp("2024-01-01"))
        )
        model = forecaster(max_steps=2).fit(df)
        ahead = model.predict()
        assert str(ahead.ds.dt.tz) == "Europe/Berlin"
        assert ahead.ds.iloc[0] == df.ds.max() + pd.Timedelta(hours=1)
        table = forecaster(max_steps=2).cross_validation(df)
        assert table.cutoff.unique().tolist() == [df.ds.max() - pd.Timedelta(hours=8)]

    def test_months_stay_at_their_start(self) -> None:
        model = forecaster(max_steps=2).fit(waves(freq="MS"))
        assert model.predict(h=3).ds.iloc[:3].dt.strftime("%Y-%m-%d").tolist() == [
            "2030-09-01",
            "2030-10-01",
            "2030-11-01",
        ]
        assert model.task_.season_length == 12

    def test_row_order_and_other_columns_change_nothing(self) -> None:
        df = waves()
        one = forecaster(max_steps=5).fit(df)
        two = forecaster(max_steps=5).fit(df.sample(frac=1, random_state=1).assign(extra="x"))
        pd.testing.assert_frame_equal(one.predict(), two.predict())
        mixed = one.predict(df.sample(frac=1, random_state=2).assign(extra="x"))
        pd.testing.assert_frame_equal(mixed, one.predict())

    def test_forecasts_do_not_depend_on_the_other_series(self, model: TSLMForecaster) -> None:
        df = pd.concat([waves(), waves(50, ("c", "d")), waves(9, ("e",))])
        together = model.predict(df, h=20)
        for name, own in df.groupby("unique_id"):
            alone = model.predict(own, h=20).AutoTimes
            assert_allclose(
                together.AutoTimes[together.unique_id == name], alone, rtol=1e-4, atol=1e-4
            )

    def test_what_lies_before_the_context_does_not_matter(self, model: TSLMForecaster) -> None:
        short = model.predict(waves().groupby("unique_id").tail(24))
        assert_allclose(short.AutoTimes, model.predict().AutoTimes, rtol=1e-5)

    def test_the_future_changes_no_forecast(self) -> None:
        df = waves()
        table = forecaster(max_steps=5).cross_validation(df, n_windows=2)
        late = df.groupby("unique_id").cumcount() >= 72
        changed = df.assign(y=df.y.where(~late, 1e6))
        other = forecaster(max_steps=5).cross_validation(changed, n_windows=2)
        names = ["unique_id", "ds", "cutoff", "AutoTimes", "SeasonalNaive"]
        first = table.cutoff == table.cutoff.min()
        pd.testing.assert_frame_equal(table.loc[first, names], other.loc[first, names])

    def test_missing_values_are_masked_with_one_warning(self) -> None:
        df = waves()
        df.loc[[10, 11, 79, 85], "y"] = np.nan
        df = df.drop(index=[30, 31])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ahead = forecaster(max_steps=5).fit(df).predict()
        messages = [str(w.message) for w in caught if "lacks" in str(w.message)]
        assert len(messages) == 1
        assert np.isfinite(ahead.AutoTimes).all()
        assert ahead.ds.iloc[0] == df.ds.max() + pd.Timedelta(hours=1)

    def test_missing_values_warn_once_with_val_df(self) -> None:
        df = waves()
        df.loc[[10, 79], "y"] = np.nan
        late = df.groupby("unique_id").cumcount() >= 60
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            forecaster(max_steps=2).fit(df[~late], val_df=df[late])
        assert sum("lacks" in str(w.message) for w in caught) == 1


class TestDistributions:
    @pytest.mark.parametrize(("a", "b"), [(3.0, 0.0), (1e-8, 0.0), (1e12, 5e12), (0.01, 1e4)])
    def test_forecasts_follow_an_affine_change_of_each_series(self, a: float, b: float) -> None:
        df = waves()
        changed = df.assign(y=np.where(df.unique_id == "a", a * df.y + b, df.y))
        before = forecaster().fit(df).predict(h=20).AutoTimes.to_numpy()
        after = forecaster().fit(changed).predict(h=20).AutoTimes.to_numpy()
        assert_allclose((after[:20] - b) / a, before[:20], rtol=2e-2, atol=2e-2)
        assert_allclose(after[20:], before[20:], rtol=2e-2, atol=2e-2)

    def test_a_series_of_any_unit_is_predicted_after_fit(self, model: TSLMForecaster) -> None:
        base = waves(40, ("new",))
        plain = model.predict(base).AutoTimes
        for a in (1e-8, 1e3, 1e12):
            scaled = model.predict(base.assign(y=a * base.y)).AutoTimes
            assert_allclose(scaled / a, plain, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("level", [0.0, 5.0, 1e9])
    def test_a_constant_series_is_continued_near_its_level(self, level: float) -> None:
        df = pd.concat([waves(), waves(ids=("flat",)).assign(y=level)])
        ahead = forecaster(max_steps=60).fit(df).predict()
        flat = ahead.AutoTimes[ahead.unique_id == "flat"]
        assert_allclose(flat, level, atol=0.5 * max(level, 1))

    def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
        self, model: TSLMForecaster
    ) -> None:
        torch.manual_seed(123)
        np.random.default_rng().normal()
        again = forecaster().fit(waves()).predict()
        pd.testing.assert_frame_equal(again, model.predict(), check_exact=True)
        other = forecaster(random_state=1).fit(waves()).predict()
        assert not np.allclose(other.AutoTimes, again.AutoTimes)

    @pytest.mark.parametrize("seed", [0, None])
    def test_fit_does_not_change_the_global_random_state(self, seed: int | None) -> None:
        before = torch.get_rng_state()
        state = np.random.get_state()[1]  # type: ignore[index]
        forecaster(
            random_state=seed, max_steps=3, adapter=Spec("autotimes", patch_len=8, layers=2)
        ).fit(waves()).predict()
        assert torch.equal(torch.get_rng_state(), before)
        assert np.array_equal(np.random.get_state()[1], state)  # type: ignore[index]

    def test_a_seed_of_none_is_drawn_anew(self) -> None:
        one, two = (forecaster(random_state=None, max_steps=2).fit(waves()) for _ in range(2))
        assert not np.allclose(one.predict().AutoTimes, two.predict().AutoTimes)

    def test_the_frozen_backbone_keeps_its_bits(self) -> None:
        fresh = forecaster(max_steps=1).fit(waves())
        before = {n: t.clone() for n, t in fresh.model_.backbone.state_dict().items()}
        trained = forecaster(max_steps=20).fit(waves()).model_
        after = trained.backbone.state_dict()
        assert before
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        names = [name for name, w in trained.named_parameters() if w.requires_grad]
        assert names
        assert not any(name.startswith("backbone.") for name in names)

    def test_fit_and_predict_do_not_change_the_frame(self, model: TSLMForecaster) -> None:
        df = waves().sample(frac=1, random_state=0)
        before = df.copy(deep=True)
        forecaster(max_steps=1).fit(df)
        model.predict(df)
        pd.testing.assert_frame_equal(df, before)


class TestTraining:
    def test_a_tenth_of_each_series_is_set_aside_for_validation(
        self, model: TSLMForecaster
    ) -> None:
        assert model.verdict_.windows == 2 * 1  # 8 rows, h=8
        assert forecaster(max_steps=1).fit(waves(200)).verdict_.windows == 2 * 13

    def test_val_size_zero_sets_no_rows_aside(self) -> None:
        model = forecaster(val_size=0, max_steps=2).fit(waves())
        assert (model.verdict_.windows, model.verdict_.best) == (0, None)
        assert list(model.verdict_.to_frame()) == ["model", "mse", "mae"]

    def test_the_verdict_is_a_table(self, model: TSLMForecaster) -> None:
        table = model.verdict_.to_frame()
        assert list(table.model) == ["AutoTimes", "last", "seasonal_naive", "profile_ar"]
        assert table.mse.min() == min(entry.mse for entry in model.verdict_.entries)

    def test_val_size_is_the_number_of_validation_rows(self) -> None:
        assert forecaster(val_size=20, max_steps=1).fit(waves()).verdict_.windows == 2 * 13

    def test_val_df_takes_the_place_of_val_size(self) -> None:
        df = waves(100)
        late = df.groupby("unique_id").cumcount() >= 80
        given = forecaster(max_steps=5).fit(df[~late], val_df=df[late])
        cut = forecaster(max_steps=5, val_size=20).fit(df)
        assert given.verdict_ == cut.verdict_
        pd.testing.assert_frame_equal(given.predict(), cut.predict())
        assert given.predict().ds.min() > df.ds.max()

    def test_val_df_must_follow_the_frame(self) -> None:
        df = waves(100)
        early = df.groupby("unique_id").cumcount() < 20
        with pytest.raises(DataError, match=r"val_df.*'a'.*at 2024-01-01 .* follow"):
            forecaster(max_steps=1).fit(df[~early], val_df=df[early])

    def test_rows_of_df_in_val_df_are_named(self) -> None:
        df = waves(100)
        both = r"val_df overlaps df: 20 rows.*unique_id=a, ds=\S.* and the last with unique_id=b"
        late = df[df.groupby("unique_id").cumcount() >= 90]
        with pytest.raises(DataError, match=both):
            forecaster(max_steps=1).fit(df, val_df=late)
        with pytest.raises(DataError, match=r"precede or overlap.*'a', 'b': in 'a', val_df begins"):
            forecaster(max_steps=1, on_duplicate="last").fit(df, val_df=late)

    def test_the_verdict_compares_with_what_needs_no_training(self, model: TSLMForecaster) -> None:
        names = [entry.model for entry in model.verdict_.entries]
        assert names == ["AutoTimes", "last", "seasonal_naive", "profile_ar"]
        assert model.verdict_.best == min(model.verdict_.entries[1:], key=lambda e: e.mse)
        assert all(np.isfinite([e.mse, e.mae]).all() for e in model.verdict_.entries)

    @pytest.mark.parametrize(("mse", "loses"), [(0.5, False), (0.7, True), (0.9, True)])
    def test_a_model_that_does_not_beat_the_best_baseline_warns(
        self, mse: float, loses: bool
    ) -> None:
        rivals = [Entry("last", 0.9, 0.5), Entry("profile_ar", 0.7, 0.6)]
        verdict = Verdict(10, [Entry("AutoTimes", mse, 0.1), *rivals])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verdict.warn("the language model")
        messages = [str(w.message) for w in caught]
        assert len(messages) == loses
        assert all(
            "untrained profile_ar 0.7000: the language model does not" in w for w in messages
        )
        assert Verdict.from_state(verdict.state()) == verdict

    @pytest.mark.parametrize(("mae", "loses"), [(0.4, False), (0.5, True)])
    def test_a_mix_is_judged_by_the_error_of_a_median(self, mae: float, loses: bool) -> None:
        """Its squared error is worse than that of both baselines, which differ in which is best."""
        rivals = [Entry("last", 0.6, 0.6), Entry("profile_ar", 0.7, 0.5)]
        parts = [Contribution("Theta", 1.0, 1.0, 1.0)]
        verdict = Verdict(10, [Entry("AutoTimes", 0.8, mae), *rivals], members=parts)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verdict.warn("the mix")
        said = "MAE 0.5000 and the untrained profile_ar 0.5000: the mix does not help"
        assert [said in str(one.message) for one in caught] == [True] * loses

    def test_fit_prints_the_verdict(self) -> None:
        with pytest.warns(UserWarning, match=r"On 2 validation windows AutoTimes has MSE"):
            forecaster(max_steps=1).fit(waves())

    def test_max_epochs_reads_every_window_that_often(self, monkeypatch: Any) -> None:
        from tslm.data.samplers import EpochWindows

        drawn = []
        plain = EpochWindows.batch

        def batch(self: EpochWindows, step: int) -> Any:
            drawn.append(plain(self, step))
            return drawn[-1]

        monkeypatch.setattr(EpochWindows, "batch", batch)
        forecaster(max_epochs=2, batch_size=16, val_size=8).fit(waves(ids=("a",)))
        windows = 80 - 8 - 24 - 8 + 1  # rows, validation, context, step
        steps = -(-windows // 16)
        for epoch in range(2):
            order = torch.cat(drawn[epoch * steps : (epoch + 1) * steps])
            assert sorted(order.tolist()) == list(range(windows))

    def test_training_stops_early_without_progress(self, monkeypatch: Any) -> None:
        from tslm.data.samplers import RandomWindows

        steps = []
        plain = RandomWindows.batch
        monkeypatch.setattr(
            RandomWindows, "batch", lambda self, step: steps.append(step) or plain(self, step)
        )
        options = {"learning_rate": 1e-12, "max_steps": 50, "val_size": 16, "trainer": "one_cycle"}
        forecaster(early_stopping_patience=2, **options).fit(waves())
        assert len(steps) < 30

    def test_early_stopping_without_validation_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="early_stopping_patience=2 needs validation data"):
            forecaster(early_stopping_patience=2, val_size=0).fit(waves())

    def test_series_too_short_to_train_on_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"No series is long enough.*longest series has 8"):
            forecaster(val_size=0).fit(waves(8))

    def test_silence_with_verbose_zero_and_nothing_in_the_working_folder(
        self, tmp_path: Path, monkeypatch: Any, capfd: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        model = forecaster(max_steps=3).fit(waves())
        model.predict()
        model.cross_validation(waves())
        assert capfd.readouterr() == ("", "")
        assert list(tmp_path.iterdir()) == []

    def test_verbose_shows_one_bar_and_writes_nothing(
        self, tmp_path: Path, monkeypatch: Any, capfd: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        forecaster(max_steps=10, verbose=1).fit(waves())
        printed = "".join(capfd.readouterr())
        assert "training" in printed
        assert "10/10" in printed
        assert "alidat" not in printed
        assert list(tmp_path.iterdir()) == []

    def test_sizes_left_open_are_settled_by_the_data(self) -> None:
        model = forecaster(adapter="autotimes", context_length=None, max_steps=1).fit(waves(200))
        assert model.config_.adapter.patch_len == 24  # a day of hours
        assert model.context_length_ % 24 == 0
        assert model.adapter == "autotimes"


class TestNotFitted:
    def test_the_error_is_scikit_learns_too(self) -> None:
        for ask in (lambda m: m.predict(), lambda m: m.save("nowhere")):
            with pytest.raises(NotFittedError, match=r"not fitted yet. Call fit") as error:
                ask(forecaster())
            assert isinstance(error.value, SklearnNotFittedError)

    def test_scikit_learn_knows_which_model_is_fitted(self, model: TSLMForecaster) -> None:
        check_is_fitted(model)
        with pytest.raises(SklearnNotFittedError):
            check_is_fitted(clone(model))


class TestCrossValidation:
    def test_columns_cutoffs_and_truth(self) -> None:
        df = waves()
        table = forecaster(max_steps=2).cross_validation(df, h=5, n_windows=3, step_size=4)
        names = ["unique_id", "ds", "cutoff", "y", "AutoTimes", "SeasonalNaive"]
        assert list(table.columns) == names
        last = df.ds.max()
        cutoffs = [last - pd.Timedelta(hours=5 + 4 * k) for k in (2, 1, 0)]
        assert table.cutoff.drop_duplicates().tolist() == cutoffs
        assert table.groupby(["unique_id", "cutoff"]).size().eq(5).all()
        steps = (table.ds - table.cutoff) / pd.Timedelta(hours=1)
        assert steps.tolist() == [1, 2, 3, 4, 5] * 6
        truth = table.merge(df, on=["unique_id", "ds"], suffixes=("", "_true"))
        assert truth.y.equals(truth.y_true)
        assert len(truth) == len(table)

    def test_the_estimator_itself_stays_unfitted(self) -> None:
        model = forecaster(max_steps=1)
        model.cross_validation(waves())
        assert not hasattr(model, "forecaster_")

    def test_baselines_are_those_of_the_baseline_forecaster(self) -> None:
        df = waves(100)
        names = {"SeasonalNaive": "seasonal_naive", "profile_ar": "profile_ar", "last": "last"}
        table = forecaster(max_steps=1).cross_validation(
            df, n_windows=2, refit=True, baselines=list(names)
        )
        for column, model in names.items():
            for cutoff, rows in table.groupby("cutoff"):
                rule = BaselineForecaster(model, h=8, alias="rule").fit(df[df.ds <= cutoff])
                assert_allclose(rows[column], rule.predict().rule, rtol=1e-5, atol=1e-5)

    def test_each_fold_equals_a_fit_at_its_origin(self) -> None:
        df = waves()
        table = forecaster(max_steps=3).cross_validation(df, n_windows=2, refit=True)
        for cutoff, rows in table.groupby("cutoff"):
            alone = forecaster(max_steps=3).fit(df[df.ds <= cutoff]).predict()
            assert_allclose(rows.AutoTimes, alone.AutoTimes, rtol=1e-6)

    @pytest.mark.parametrize(
        ("refit", "fits"), [(False, 1), (0, 1), (True, 4), (1, 4), (2, 2), (3, 2)]
    )
    def test_refit_sets_how_often_to_train(
        self, monkeypatch: Any, refit: bool | int, fits: int
    ) -> None:
        trained = []
        plain = BaselineForecaster.fit
        monkeypatch.setattr(
            BaselineForecaster, "fit", lambda self, df: trained.append(df) or plain(self, df)
        )
        BaselineForecaster("last", h=4).cross_validation(
            waves(), n_windows=4, refit=refit, baselines=[]
        )
        assert len(trained) == fits

    @pytest.mark.parametrize("name", ["h", "n_windows", "step_size"])
    def test_counts_must_be_counts(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"{name}=0 must be a whole number"):
            forecaster().cross_validation(waves(), **{name: 0})

    def test_refit_is_a_choice_or_a_count(self) -> None:
        with pytest.raises(ConfigError, match="refit=-1 must be"):
            forecaster().cross_validation(waves(), refit=-1)

    def test_series_too_short_for_the_backtest_are_named(self) -> None:
        df = pd.concat([waves(), waves(16, ("brief",))])
        with pytest.raises(DataError, match=r"holds out 16 rows.*too short: 'brief'"):
            forecaster().cross_validation(df, n_windows=2)

    def test_an_unknown_baseline_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ConfigError, match="profile_ar"):
            forecaster().cross_validation(waves(), baselines=["profil_ar"])


def test_plot_draws_what_happened_and_every_forecast(model: TSLMForecaster) -> None:
    df, ahead = waves(), model.predict().assign(other=0.0)
    figure = model.plot(df, ahead)
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    for axes, name in zip(figure.axes, ["a", "b"], strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert list(lines) == ["y", "AutoTimes", "other"]
        own = ahead[ahead.unique_id == name]
        assert lines["AutoTimes"].get_ydata().tolist() == own.AutoTimes.tolist()
        assert lines["y"].get_ydata()[-1] == df[df.unique_id == name].y.iloc[-1]
