"""What goes on beside a series: it helps, it is missed by name, and nothing else changes."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from holidays import country_holidays
from numpy.testing import assert_allclose

from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.interfaces.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
H, ROWS = 12, 240
FAST: dict[str, Any] = {
    "h": H,
    "backbone": "tiny",
    "context_length": 48,
    "season_length": 24,
    "max_steps": 5,
    "trainer": Spec("one_cycle", looks=2),
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
}
COLUMNS = ["temp", "promo", "kind"]


def forecaster(adapter: Any = None, **options: Any) -> TSLMForecaster:
    adapter = adapter or Spec("autotimes", patch_len=12)
    return TSLMForecaster(**{**FAST, "adapter": adapter, **options})


def profile(**options: Any) -> BaselineForecaster:
    plain = {key: FAST[key] for key in ("h", "context_length", "season_length", "verbose")}
    return BaselineForecaster("profile", **{**plain, **options})


def sales(ids: tuple[Any, ...] = ("a", "b"), rows: int = ROWS + H) -> pd.DataFrame:
    """Hours of a day, a valley of the temperature, promotions, and one kind of day that is busy."""
    dice = np.random.default_rng(len(ids))
    parts = []
    for number, name in enumerate(ids):
        hour = np.arange(rows)
        temp = 20 + 5 * np.sin(hour / 37 + number) + dice.normal(0, 2, rows)
        promo = dice.random(rows) < 0.2
        kind = dice.choice(["work", "free", "odd"], rows)
        y = 10 * number + np.sin(2 * np.pi * hour / 24) + 0.8 * np.abs(temp - 20)
        y = y + 3 * promo + 2 * (kind == "free") + dice.normal(0, 0.1, rows)
        ds = pd.date_range("2024-01-01", periods=rows, freq="h")
        columns = {"unique_id": name, "ds": ds, "y": y, "temp": temp, "promo": promo, "kind": kind}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def parts(df: pd.DataFrame, h: int = H) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is known, and the last rows of each series."""
    late = df.groupby("unique_id").cumcount(ascending=False) < h
    return df[~late], df[late]


def miss(model: Any, known: pd.DataFrame, futr: pd.DataFrame, **more: Any) -> float:
    ahead = model.predict(known, futr_df=futr if model.futr_exog else None, h=H, **more)
    return float(np.abs(ahead[model.name].to_numpy() - futr.y.to_numpy()).mean())


@pytest.fixture(scope="module")
def fitted() -> TSLMForecaster:
    return forecaster(futr_exog=COLUMNS).fit(parts(sales())[0])


class TestKnownAhead:
    @pytest.mark.parametrize("adapter", choices("adapter"))
    def test_they_help_every_adapter(self, adapter: str) -> None:
        known, futr = parts(sales())
        plain, told = (
            forecaster(adapter, futr_exog=names, base="profile").fit(known)
            for names in (None, COLUMNS)
        )
        assert miss(told, known, futr) < 0.35 * miss(plain, known, futr)

    @pytest.mark.parametrize("model", ["last", "dlinear", "itransformer"])
    def test_they_help_baselines_one_by_one_and_together(self, model: str) -> None:
        known, futr = parts(sales())
        errors = [
            miss(profile(futr_exog=names, max_steps=300).set_params(model=model).fit(known), known,
                 futr)
            for names in (None, COLUMNS)
        ]  # fmt: skip
        assert errors[1] < 0.75 * errors[0]

    def test_each_step_has_the_covariates_of_its_own_time(self, fitted: TSLMForecaster) -> None:
        futr = parts(sales())[1]
        before = fitted.predict(futr_df=futr).AutoTimes
        place = futr.index[3]
        after = fitted.predict(futr_df=futr.assign(promo=futr.promo ^ (futr.index == place)))
        moved = np.flatnonzero(~np.isclose(after.AutoTimes, before))
        assert moved.tolist() == [3]
        sign = 1 if not futr.promo.loc[place] else -1
        assert 2 < sign * (after.AutoTimes[3] - before[3]) < 4

    def test_intervals_and_paths_move_with_the_forecast(self) -> None:
        known, futr = parts(sales())
        model = profile(futr_exog=["promo"], val_size=60, random_state=0).fit(known)
        asked = [{"level": [80]}, {"num_samples": 3}]
        for question in asked:
            low, high = (
                model.predict(futr_df=futr.assign(promo=promo), **question).iloc[:, 2:].to_numpy()
                for promo in (False, True)
            )
            assert low.shape[1] > 1
            assert_allclose(high - low, (high - low)[:, :1].repeat(low.shape[1], 1), rtol=1e-4)
            assert ((high - low) > 1).all()

    def test_row_order_of_the_future_and_further_rows_do_not_matter(
        self, fitted: TSLMForecaster
    ) -> None:
        df = sales(("a", "b", "c"))
        mixed = df.sample(frac=1, random_state=0)
        ahead = fitted.predict(parts(sales())[0], futr_df=sales().sample(frac=1, random_state=1))
        assert len(mixed) > len(ahead)
        pd.testing.assert_frame_equal(ahead, fitted.predict(futr_df=parts(sales())[1]))

    def test_a_horizon_beyond_the_trained_one_needs_more_rows(self, fitted: TSLMForecaster) -> None:
        known, futr = parts(sales(rows=ROWS + 3 * H), 3 * H)
        longer = fitted.predict(known, futr_df=futr, h=3 * H)
        short = fitted.predict(known, futr_df=futr)
        assert_allclose(longer.groupby("unique_id").head(H).AutoTimes, short.AutoTimes, rtol=1e-4)

    def test_the_units_of_a_covariate_do_not_matter(self) -> None:
        known, futr = parts(sales())
        one = profile(futr_exog=["temp"]).fit(known).predict(futr_df=futr)
        known, futr = (t.assign(temp=1e6 * t.temp - 1e3) for t in (known, futr))
        two = profile(futr_exog=["temp"]).fit(known).predict(futr_df=futr)
        assert_allclose(one.Profile, two.Profile, rtol=1e-6)

    def test_an_effect_that_has_turned_is_left_out_and_it_says_so(self) -> None:
        known, futr = parts(sales())
        turn = np.where(known.groupby("unique_id").cumcount() < 150, 3.0, -3.0)
        known = known.assign(y=known.y - 3 * known.promo + turn * known.promo)
        with pytest.warns(UserWarning, match="covariates did not improve"):
            model = profile(futr_exog=["promo"]).fit(known)
        pd.testing.assert_frame_equal(model.predict(futr_df=futr), profile().fit(known).predict())

    def test_covariates_that_explain_nothing_do_little_harm(self) -> None:
        df = sales().assign(dice=lambda t: np.random.default_rng(0).normal(size=len(t)))
        errors = []
        for names in (None, ["dice"]):
            table = profile(futr_exog=names).cross_validation(df, n_windows=4, baselines=[])
            errors.append(float((table.Profile - table.y).abs().mean()))
        assert errors[1] < 1.05 * errors[0]

    def test_values_beyond_those_of_training_count_as_the_last_one_seen(self) -> None:
        known, futr = parts(sales())
        model = profile(futr_exog=["temp"]).fit(known)
        hot, hotter = (model.predict(futr_df=futr.assign(temp=t)).Profile for t in (1e3, 1e9))
        assert_allclose(hot, hotter)
        assert float(np.abs(hot).max()) < 100

    def test_nothing_that_training_may_not_see_is_learnt_from(self) -> None:
        df = sales()
        model = profile(futr_exog=["temp"], val_size=100).fit(df)
        late = df.groupby("unique_id").cumcount(ascending=False) < 100
        changed = df.assign(y=df.y.where(~late, 0.0), temp=df.temp.where(~late, 20.0))
        other = profile(futr_exog=["temp"], val_size=100).fit(changed)
        assert model.effects_ is not None
        assert other.effects_ is not None
        assert_allclose(model.effects_.weight, other.effects_.weight, rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["Float64", "object", "category", "string", bool, int])
    def test_any_column_that_can_be_read_is(self, dtype: Any) -> None:
        df = sales()
        df["y"] = 3 * df.promo + np.random.default_rng(0).normal(0, 0.1, len(df))
        df["x"] = df.promo.astype(int).astype(dtype)
        known, futr = parts(df)
        assert miss(profile(futr_exog=["x"]).fit(known), known, futr) < 0.3


class TestPastAndStatic:
    def pushed(self) -> pd.DataFrame:
        """Series that follow what pushes them."""
        df = sales(rows=1200)
        push, level = np.zeros(len(df)), np.zeros(len(df))
        for step, (a, b) in enumerate(np.random.default_rng(5).normal(0, 1, (len(df), 2))):
            push[step] = 0.9 * push[step - 1] + a
            level[step] = 0.9 * level[step - 1] + 0.5 * push[step - 1] + 0.1 * b
        return df.assign(y=level, ahead=push)

    @pytest.mark.filterwarnings("ignore:On validation windows what past covariates say")
    def test_a_rule_unlike_the_one_they_were_estimated_beside_is_not_harmed(self) -> None:
        """The autoregression knows much of it already; all of it makes it worse by 8 percent."""
        errors = []
        for names in (None, ["ahead"]):
            model = profile(hist_exog=names).set_params(model="profile_ar", alias="Profile")
            table = model.cross_validation(self.pushed(), n_windows=8, baselines=[])
            errors.append(float(((table.Profile - table.y) ** 2).mean()))
        assert errors[1] < 1.02 * errors[0]

    def test_what_helps_nobody_on_validation_rows_is_left_out_and_it_says_so(self) -> None:
        df = self.pushed()
        late = df.groupby("unique_id").cumcount() > 1000
        turned = df.assign(ahead=df.ahead.where(~late, -df.ahead))
        model = profile(hist_exog=["ahead"], val_size=200).set_params(model="last")
        with pytest.warns(
            UserWarning, match=r"past covariates .* did not improve forecasts of Last"
        ):
            model.fit(turned)
        assert not model.effects_.amplitude.any()
        plain = profile(val_size=200).set_params(model="last").fit(turned)
        assert_allclose(model.predict().Last, plain.predict().Last)

    def test_what_led_the_series_helps_and_its_future_is_not_read(self) -> None:
        df = self.pushed()
        known, _ = parts(df)
        plain, told = (
            profile(hist_exog=names).set_params(model="last", alias="Profile")
            for names in (None, ["ahead"])
        )
        tables = [model.cross_validation(df, n_windows=8, baselines=[]) for model in (plain, told)]
        errors = [float((table.Profile - table.y).abs().mean()) for table in tables]
        assert errors[1] < 0.8 * errors[0]
        told.fit(known)
        blind = df.assign(ahead=df.ahead.where(df.ds <= known.ds.max(), 99.0))
        same = told.predict(parts(blind)[0])
        pd.testing.assert_frame_equal(same, told.predict(known))

    def test_what_holds_for_a_series_shapes_it(self) -> None:
        hour = np.arange(ROWS)
        ds = pd.date_range("2024-01-01", periods=ROWS, freq="h")
        waves = {"early": 0.0, "late": np.pi}
        dice = np.random.default_rng(0)
        df = pd.concat(
            pd.DataFrame(
                {"unique_id": f"{kind}{n}", "ds": ds,
                 "y": 5 * np.sin(2 * np.pi * hour / 24 + shift) + dice.normal(0, 0.2, ROWS)}
            )
            for kind, shift in waves.items() for n in range(4)
        )  # fmt: skip
        static = pd.DataFrame({"unique_id": df.unique_id.unique()})
        static["kind"] = static.unique_id.str[:-1]
        model = profile(static_exog=["kind"]).fit(df, static_df=static)
        new = df[df.unique_id == "late0"].head(10).assign(unique_id="new")
        truth = 5 * np.sin(2 * np.pi * np.arange(10, 10 + H) / 24 + np.pi)
        kinds = pd.DataFrame({"unique_id": ["new"], "kind": ["late"]})
        told = model.predict(new, static_df=kinds).Profile
        other = model.predict(new, static_df=kinds.assign(kind="early")).Profile
        assert np.abs(told - truth).mean() < 0.5 * np.abs(other - truth).mean()
        whole = model.predict(df.merge(static, on="unique_id"))
        pd.testing.assert_frame_equal(whole, model.predict())

    def test_a_static_covariate_that_changes_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"'kind' changes within series 'a', 'b'.*futr_exog"):
            profile(static_exog=["kind"]).fit(sales())

    def test_series_without_static_covariates_are_named(self) -> None:
        static = pd.DataFrame({"unique_id": ["a"], "size": [1.0]})
        with pytest.raises(DataError, match="Series 'b' are not in static_df"):
            profile(static_exog=["size"]).fit(sales(), static_df=static)
        with pytest.raises(DataError, match=r"static_df has no column 'sise'.*'size'"):
            profile(static_exog=["sise"]).fit(sales(), static_df=static)
        twice = pd.concat([static, static])
        with pytest.raises(DataError, match="Series 'a' have several rows in static_df"):
            profile(static_exog=["size"]).fit(sales(("a",)), static_df=twice)


class TestCalendar:
    def days(self) -> pd.DataFrame:
        ds = pd.date_range("2022-01-01", "2024-05-20", freq="D")
        free = country_holidays("DE", years=range(2022, 2025))
        closed = np.array([day.date() in free for day in ds])
        y = 10 + (ds.day_of_week < 5) - 8.0 * closed
        dice = np.random.default_rng(0)
        return pd.DataFrame({"unique_id": "a", "ds": ds, "y": y + dice.normal(0, 0.1, len(ds))})

    def test_holidays_of_a_country_are_known_without_a_future_frame(self) -> None:
        df = self.days()
        known = df[df.ds < "2024-04-29"]
        options = {"h": 5, "season_length": 7, "context_length": 28}
        plain, told = (
            profile(**options, holidays=country).fit(known).predict().Profile
            for country in (None, "DE")
        )
        assert plain[2] > 9
        assert abs(told[2] - 3) < 2.5  # the first of May, a Wednesday
        assert_allclose(told[[0, 1, 3, 4]], 11, atol=0.7)  # plain: as if the Monday were Easter's

    @pytest.mark.parametrize(
        ("country", "message"),
        [
            ("DEX", "no country 'DEX' is known. Did you mean"),
            ("DE-XY", "DE has no 'XY'"),
            ("??", "no country"),
        ],
    )
    def test_unknown_countries_name_known_ones(self, country: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            profile(holidays=country).fit(self.days())

    def test_holidays_need_dates(self) -> None:
        df = self.days().assign(ds=lambda t: np.arange(len(t)))
        with pytest.raises(ConfigError, match="needs dates"):
            profile(holidays="DE").fit(df)

    def test_a_holiday_is_a_local_day(self) -> None:
        from tslm.core.calendar import Calendar
        from tslm.data.covariates.calendar_features import holiday_features

        calendar = Calendar("h", tz="Australia/Melbourne")
        times = pd.date_range("2024-01-25 12:00", periods=26, freq="h", tz="UTC")
        free = holiday_features("AU", calendar, calendar.to_int(times))
        local = times.tz_convert("Australia/Melbourne")
        assert free[:, 0].tolist() == ((local.month == 1) & (local.day == 26)).tolist()

    def test_the_calendar_alone_shapes_a_short_series(self) -> None:
        df = sales(("a", "b", "c"))
        df["y"] = 5 * np.sin(2 * np.pi * df.ds.dt.hour / 24)
        model = profile(calendar=True).fit(df)
        new = df[df.unique_id == "a"].head(9)
        truth = 5 * np.sin(2 * np.pi * np.arange(9, 9 + H) / 24)
        gap = np.abs(model.predict(new).Profile - truth).mean()
        assert gap < 0.2 * np.abs(profile().fit(df).predict(new).Profile - truth).mean()


class TestMissing:
    def test_missing_rows_are_named_and_returned(self, fitted: TSLMForecaster) -> None:
        futr = parts(sales())[1]
        holes = futr.drop(index=futr.index[[2, 15]])
        holes.loc[futr.index[4], "kind"] = None
        with pytest.raises(DataError, match=r"3 of 24 rows: 'a' at 2024-01-11 02:00:00") as caught:
            fitted.predict(futr_df=holes)
        assert "get_missing_future" in str(caught.value)
        lacking = fitted.get_missing_future(holes)
        expected = futr.loc[futr.index[[2, 4, 15]], ["unique_id", "ds"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(lacking, expected)
        assert fitted.get_missing_future(futr).empty
        assert len(fitted.get_missing_future(futr.head(0))) == 2 * H

    def test_the_rows_that_are_needed_can_be_had(self, fitted: TSLMForecaster) -> None:
        expected = parts(sales())[1][["unique_id", "ds"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(fitted.make_future_dataframe(), expected)
        assert len(fitted.make_future_dataframe(sales(("z",)), h=5)) == 5

    def test_none_at_all(self, fitted: TSLMForecaster) -> None:
        with pytest.raises(DataError, match="futr_df lacks 'temp', 'promo', 'kind' in 24 of 24"):
            fitted.predict()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.rename(columns={"temp": "tmp"}), "no column 'temp'. Did you mean 'tmp'"),
            (lambda t: t.drop(columns="ds"), "futr_df has no column 'ds'"),
            (lambda t: pd.concat([t, t]), "Rows of futr_df occur twice: 'a' at 2024-01-11"),
            (lambda t: t.assign(ds=range(len(t))), "another kind of time"),
            (lambda t: t.assign(temp=np.inf), "'temp' is infinite in 24 rows"),
            (lambda t: t.assign(temp="warm"), "'temp' was a number in fit"),
        ],
    )
    def test_a_wrong_future_says_what_is_wrong(
        self, fitted: TSLMForecaster, change: Any, message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            fitted.predict(futr_df=change(parts(sales())[1]))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"futr_exog": "temp"}, "futr_exog='temp' must be a list"),
            ({"futr_exog": ["y"]}, "'y' is no covariate"),
            ({"futr_exog": ["temp"], "hist_exog": ["temp"]}, "'temp' is given twice"),
        ],
    )
    def test_wrong_settings(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            profile().set_params(**options).fit(sales())

    def test_a_column_that_is_not_there_has_a_near_one(self) -> None:
        with pytest.raises(DataError, match=r"no column 'tempo'. Did you mean 'temp'"):
            profile(futr_exog=["tempo"]).fit(sales())

    def test_a_future_frame_without_covariates_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="futr_exog names no covariate"):
            profile().fit(sales()).predict(futr_df=sales())

    def test_missing_values_of_the_past_are_counted_and_said_once(self) -> None:
        known, futr = parts(sales())
        known.loc[known.index[[3, 50, 51]], "temp"] = np.nan
        known = known.drop(index=known.index[100])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = profile(futr_exog=COLUMNS).fit(known)
        said = [str(w.message) for w in caught if "Missing covariate values" in str(w.message)]
        assert len(said) == 1
        assert "'temp' in 3 rows" in said[0]
        assert model.report_.covariates == {"temp": 3}
        assert np.isfinite(model.predict(futr_df=futr).Profile).all()


class TestElsewhere:
    def test_a_saved_model_forecasts_the_same(self, fitted: TSLMForecaster, tmp_path: Path) -> None:
        futr = parts(sales())[1]
        fitted.save(tmp_path / "model")
        loaded = TSLMForecaster.load(tmp_path / "model")
        pd.testing.assert_frame_equal(loaded.predict(futr_df=futr), fitted.predict(futr_df=futr))
        new = sales(("new",))
        expected = fitted.predict(parts(new)[0], futr_df=new)
        pd.testing.assert_frame_equal(loaded.predict(parts(new)[0], futr_df=new), expected)

    def test_past_and_static_ones_are_saved_too(self, tmp_path: Path) -> None:
        df = TestPastAndStatic().pushed().assign(size=lambda t: (t.unique_id == "a") * 1.5)
        model = profile(hist_exog=["ahead"], static_exog=["size"], calendar=True)
        model.set_params(model="last").fit(df)
        assert model.effects_.amplitude.any()
        model.save(tmp_path / "model")
        loaded = BaselineForecaster.load(tmp_path / "model")
        pd.testing.assert_frame_equal(loaded.predict(), model.predict())

    def test_backtests_take_the_future_from_the_frame(self) -> None:
        model = profile(futr_exog=COLUMNS)
        table = model.cross_validation(sales(), n_windows=2, baselines=["profile"])
        errors = [float((table[name] - table.y).abs().mean()) for name in ("Profile", "profile")]
        assert errors[0] < 0.4 * errors[1]

    def test_an_unfinished_run_with_other_covariates_is_not_gone_on_with(
        self, tmp_path: Path
    ) -> None:
        forecaster(max_steps=2).fit(sales(), folder=tmp_path)
        with pytest.raises(ConfigError, match="holds an unfinished run with futr_exog"):
            forecaster(max_steps=2, futr_exog=["temp"]).fit(sales(), folder=tmp_path)

    def test_the_command_line(self, tmp_path: Path) -> None:
        known, futr = parts(sales())
        known.to_csv(tmp_path / "known.csv", index=False)
        futr.to_csv(tmp_path / "futr.csv", index=False)
        shared = f"data={tmp_path}/known.csv"
        common = ["model=profile", "h=12", "context_length=48", "verbose=0"]
        run("fit", shared, *common, "futr_exog=[temp,promo]", f"out={tmp_path}/model")
        out = f"out={tmp_path}/ahead.csv"
        run("predict", f"model={tmp_path}/model", shared, f"futr={tmp_path}/futr.csv", out)
        assert len(pd.read_csv(tmp_path / "ahead.csv")) == 2 * H
        run("backtest", shared, *common, "futr_exog=[temp]", "baselines=[]", out)


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 0
