"""Effects of covariates: they improve forecasts, are saved, and change nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.command import command
from tests.data.covariates.sales import (
    COLUMNS,
    ROWS,
    H,
    forecaster,
    miss,
    parts,
    profile,
    pushed,
    sales,
)
from tslm import BaselineForecaster, ConfigError, TSLMForecaster
from tslm.core.config.choices import choices

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.fixture(scope="module")
def fitted() -> TSLMForecaster:
    return forecaster(futr_exog=COLUMNS).fit(parts(sales())[0])


class TestFutureCovariates:
    @pytest.mark.parametrize("adapter", choices("adapter"))
    def test_covariates_improve_every_adapter(self, adapter: str) -> None:
        known, futr = parts(sales())
        plain, informed = (
            forecaster(adapter, futr_exog=names, base="profile").fit(known)
            for names in (None, COLUMNS)
        )
        assert miss(informed, known, futr) < 0.35 * miss(plain, known, futr)

    @pytest.mark.parametrize("model", ["last", "dlinear", "itransformer"])
    def test_covariates_improve_univariate_and_multivariate_baselines(self, model: str) -> None:
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

    def test_an_effect_that_changed_its_sign_is_ignored_with_a_warning(self) -> None:
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

    def test_validation_rows_do_not_change_effects(self) -> None:
        df = sales()
        model = profile(futr_exog=["temp"], val_size=100).fit(df)
        late = df.groupby("unique_id").cumcount(ascending=False) < 100
        changed = df.assign(y=df.y.where(~late, 0.0), temp=df.temp.where(~late, 20.0))
        other = profile(futr_exog=["temp"], val_size=100).fit(changed)
        assert model.effects_ is not None
        assert other.effects_ is not None
        assert_allclose(model.effects_.weight, other.effects_.weight, rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["Float64", "object", "category", "string", bool, int])
    def test_columns_of_many_types_are_read(self, dtype: Any) -> None:
        df = sales()
        df["y"] = 3 * df.promo + np.random.default_rng(0).normal(0, 0.1, len(df))
        df["x"] = df.promo.astype(int).astype(dtype)
        known, futr = parts(df)
        assert miss(profile(futr_exog=["x"]).fit(known), known, futr) < 0.3


class TestUses:
    def test_a_saved_model_forecasts_the_same(self, fitted: TSLMForecaster, tmp_path: Path) -> None:
        futr = parts(sales())[1]
        fitted.save(tmp_path / "model")
        loaded = TSLMForecaster.load(tmp_path / "model")
        pd.testing.assert_frame_equal(loaded.predict(futr_df=futr), fitted.predict(futr_df=futr))
        new = sales(("new",))
        expected = fitted.predict(parts(new)[0], futr_df=new)
        pd.testing.assert_frame_equal(loaded.predict(parts(new)[0], futr_df=new), expected)

    def test_past_and_static_ones_are_saved_too(self, tmp_path: Path) -> None:
        df = pushed().assign(size=lambda t: (t.unique_id == "a") * 1.5)
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
        assert (
            command("fit", shared, *common, "futr_exog=[temp,promo]", f"out={tmp_path}/model") == 0
        )
        out = f"out={tmp_path}/ahead.csv"
        assert (
            command("predict", f"model={tmp_path}/model", shared, f"futr={tmp_path}/futr.csv", out)
            == 0
        )
        assert len(pd.read_csv(tmp_path / "ahead.csv")) == 2 * H
        assert command("backtest", shared, *common, "futr_exog=[temp]", "baselines=[]", out) == 0
