"""The autoregression with exogenous inputs: known rules, laws, and its place in a mix."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from tests.frames import long_frame
from tslm import BaselineForecaster, DataError, Spec, TSLMForecaster
from tslm.core.types import Batch, Known, Task
from tslm.estimators.saving.checks import fill
from tslm.models.baselines.arx.compression import compress, expand, fit_compression
from tslm.models.baselines.arx.forecaster import ARX
from tslm.models.baselines.arx.ridge import Moments, solve_each
from tslm.models.mix.forecaster import Mix

Floats = npt.NDArray[np.float64]
SEASON, LENGTH, HORIZON = 6, 60, 6
TASK = Task(context_length=LENGTH, horizon=HORIZON, season_length=SEASON)


def windows(
    values: Floats,
    covariates: Floats,
    first: int,
    stop: int,
    length: int = LENGTH,
    ahead: int = HORIZON,
) -> Batch:
    """Return the windows that start from ``first`` on and end before ``stop``; no effect."""
    origin = np.arange(first + length, stop - ahead + 1)
    index = origin[:, None] + np.arange(-length, ahead)
    series = torch.from_numpy(values[index])[..., None]
    beside = np.concatenate([covariates[index], np.zeros((*index.shape, 1))], axis=2)
    known = Known(torch.from_numpy(beside), ("x", "effect"))
    time = torch.from_numpy(index)
    return Batch(series[:, :length], series[:, length:], time, known=known)


def driven(rows: int, seed: int = 0, change: int | None = None) -> tuple[Floats, Floats]:
    """Return a series that follows its last season and a covariate, after ``change`` inversely."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (rows, 1)), np.zeros(rows)
    for t in range(SEASON, rows):
        sign = -1 if change is not None and t >= change else 1
        y[t] = 0.5 * y[t - SEASON] + sign * x[t, 0] + rng.normal(0, 0.02)
    return y, x


def error(model: ARX, batch: Batch) -> float:
    return float((model.forecast(batch, HORIZON) - batch.future).abs().mean())


def fitted(batch: Batch, val: Batch | None = None) -> ARX:
    model = ARX(task=TASK)
    model.learn([batch], [] if val is None else [val])
    return model


def test_it_finds_a_rule_with_a_season_and_a_covariate() -> None:
    y, x = driven(900)
    model = fitted(windows(y, x, 0, 600), windows(y, x, 600, 750))
    assert error(model, windows(y, x, 750, 900)) < 0.1
    alone = fitted(windows(y, 0 * x, 0, 600), windows(y, 0 * x, 600, 750))
    assert error(alone, windows(y, 0 * x, 750, 900)) > 0.5


def test_the_last_rows_of_a_series_change_the_weights_of_all_series() -> None:
    y, x = driven(1500, change=600)
    train, val, test = (
        windows(y, x, *rows, length=400) for rows in ((0, 600), (700, 1200), (1050, 1500))
    )
    model = fitted(train, val)
    assert model.trust > 0
    followed = error(model, test)
    model.trust.fill_(0)
    assert followed < 0.4 * error(model, test)


def test_an_update_from_nothing_changes_nothing() -> None:
    y, x = driven(400)
    model, batch = fitted(windows(y, x, 0, 300)), windows(y, x, 300, 400)
    without = model.forecast(batch, HORIZON)
    model.trust.fill_(1e12)  # so many windows outweigh those of a context
    torch.testing.assert_close(model.forecast(batch, HORIZON), without, atol=1e-6, rtol=0)
    model.trust.fill_(10.0)
    assert not torch.allclose(model.forecast(batch, HORIZON), without, atol=1e-6)


def test_a_long_horizon_is_forecast_season_by_season() -> None:
    y, x = driven(700)
    model, batch = fitted(windows(y, x, 0, 600)), windows(y, x, 600, 700)
    first = model.forecast(batch, SEASON)
    beyond = Batch(torch.cat([batch.past, first], 1), batch.future[:, :0], batch.time)
    known = torch.cat([_values(batch), torch.zeros(len(batch.past), SEASON, 2).double()], 1)
    long = model.forecast(batch._replace(known=Known(known, ("x", "effect"))), 2 * SEASON)
    torch.testing.assert_close(long[:, :SEASON], first)
    again = model.forecast(beyond._replace(known=Known(known, ("x", "effect"))), SEASON)
    torch.testing.assert_close(long[:, SEASON:], again)


def test_the_effect_of_covariates_is_added_before_and_subtracted_after() -> None:
    y, x = driven(700)
    shift = np.sin(np.arange(700))
    whole = windows(y, np.column_stack([x, shift]), 0, 600)
    subtracted = windows(y - shift, x, 0, 600)
    values = _values(subtracted).clone()
    values[..., 1] = _values(whole)[..., 1]
    subtracted = subtracted._replace(known=Known(values, ("x", "effect")))
    # the same inputs: a covariate that has no effect yet, or the effect that was subtracted
    expected = fitted(whole).forecast(whole, HORIZON)
    found = fitted(subtracted).forecast(subtracted, HORIZON)
    torch.testing.assert_close(found + values[:, LENGTH:, 1:], expected)
    assert float((expected - whole.future).abs().mean()) < 0.1


def test_compression_tames_spikes_and_is_left_out_without_them() -> None:
    y, x = driven(900)
    assert float(_fit(y, x).compression[1]) == 0
    spiky = np.sinh(3 * y)
    assert float(_fit(spiky, x).compression[1]) > 0


def _fit(y: Floats, x: Floats) -> ARX:
    return fitted(windows(y, x, 0, 600), windows(y, x, 600, 900))


def test_values_come_back_from_their_compression() -> None:
    values = torch.tensor([-50.0, -1.0, 0.0, 3.0, 900.0], dtype=torch.float64)
    by = fit_compression([values, torch.tensor([torch.nan], dtype=torch.float64)])
    assert by.tolist() == [0.0, 1.4826 * 3.0]
    assert compress(values, by).abs().max() < 6.1
    torch.testing.assert_close(expand(compress(values, by), by), values)
    assert fit_compression([]).tolist() == [0, 0]
    torch.testing.assert_close(compress(values, torch.zeros(2)), values)


def test_no_pass_goes_farther_from_its_level_than_training() -> None:
    y, x = driven(600)
    model = fitted(windows(y, x, 0, 600))
    batch = windows(y, x, 400, 600)
    wild = batch._replace(known=Known(1e6 * _values(batch), ("x", "effect")))
    level = batch.past[:, -model.inputs.rows :].mean(1, keepdim=True)
    wild_effect = model.forecast(wild, HORIZON) - level
    assert float(wild_effect.abs().max()) <= float(model.farthest) + 1e-9


def test_missing_values_and_short_contexts_are_forecast() -> None:
    y, x = driven(700)
    model, batch = fitted(windows(y, x, 0, 600)), windows(y, x, 600, 700, ahead=20)
    for trust in (10.0, 0.0):
        model.trust.fill_(trust)
        unknown = batch._replace(past=torch.full_like(batch.past, torch.nan))
        for short in (batch.since(LENGTH - 1), unknown):
            assert model.forecast(short, HORIZON).isfinite().all()
        holes = batch.past.clone()
        holes[:, ::3] = torch.nan
        assert model.distribution(batch._replace(past=holes), 20).values.isfinite().all()


def test_quantiles_hold_their_share_of_values_and_widen_beyond_the_horizon() -> None:
    y, x = driven(3000)
    model = fitted(windows(y, x, 0, 2000), windows(y, x, 2000, 2500))
    batch = windows(y, x, 2500, 3000)
    low, high = model.distribution(batch, HORIZON).quantile(torch.tensor([0.1, 0.9]))
    inside = ((batch.future >= low) & (batch.future <= high)).double().mean()
    assert 0.7 < float(inside) < 0.9
    far = windows(y, x, 2500, 3000, ahead=4 * HORIZON)
    values = model.distribution(far, 4 * HORIZON).values
    width = (values[..., -1] - values[..., 0]).mean((0, 2))
    assert width[4 * HORIZON - 1] == pytest.approx(2 * float(width[HORIZON - 1]))


def test_before_and_without_learning_it_repeats_the_level() -> None:
    y, x = driven(200)
    batch, model = windows(y, x, 0, 200), ARX(task=TASK)
    level = batch.past[:, -model.inputs.rows :].mean(1, keepdim=True)
    torch.testing.assert_close(model.forecast(batch, 4), level.expand(-1, 4, -1))
    model.learn([], [])
    torch.testing.assert_close(model.forecast(batch, 4), level.expand(-1, 4, -1))


def test_many_covariates_shorten_a_pass() -> None:
    y, x = driven(300)
    model = fitted(windows(y, np.repeat(x, 99, axis=1), 0, 300))
    assert len(model.offset) == 2
    assert model.forecast(windows(y, np.repeat(x, 99, axis=1), 0, 300), 5).shape[1] == 5


def test_saved_weights_of_other_sizes_are_refused() -> None:
    y, x = driven(300)
    state = fitted(windows(y, x, 0, 300)).state_dict()
    fresh = ARX(task=TASK)
    fill(fresh, state)
    torch.testing.assert_close(fresh.weight, state["weight"])
    for name in ("weight", "offset", "gain"):
        with pytest.raises(DataError, match="do not fit the model"):
            fill(ARX(task=TASK), {**state, name: state[name][:-1]})


def _values(batch: Batch) -> torch.Tensor:
    assert batch.known is not None
    return batch.known.values


@pytest.mark.parametrize("n_windows", [3, 40])
def test_the_regression_of_each_series_is_ridge_regression(n_windows: int) -> None:
    draw = torch.Generator().manual_seed(0)
    inputs, targets = (
        torch.randn(2, n_windows, n, generator=draw, dtype=torch.float64) for n in (7, 4)
    )
    found = solve_each(inputs, targets, torch.tensor(2.0, dtype=torch.float64))
    for one, x, y in zip(found, inputs, targets, strict=True):
        expected = torch.linalg.solve(x.T @ x + 2 * torch.eye(7).double(), x.T @ y)
        torch.testing.assert_close(one, expected)


def test_moments_of_parts_give_the_regression_of_the_whole() -> None:
    draw = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(60, 5, generator=draw, dtype=torch.float64)
    x[:, 2] = 7  # a constant input has no weight
    y = x @ torch.ones(5, 2).double() + torch.randn(60, 2, generator=draw, dtype=torch.float64)
    whole = Moments.of(x[:20], y[:20]).plus(Moments.of(x[20:], y[20:])).solve(0.1)
    assert float(whole.gain[2]) == 0
    z = (x - x.mean(0)) * whole.gain
    varies = [0, 1, 3, 4]
    torch.testing.assert_close(whole.gain[varies], 1 / x.std(0, correction=0)[varies])
    expected = torch.linalg.solve(
        z.T @ z / 60 + 0.1 * torch.eye(5).double(), z.T @ (y - y.mean(0)) / 60
    )
    torch.testing.assert_close(whole.weight, expected)
    torch.testing.assert_close(whole.offset, y.mean(0))


def test_a_long_season_is_forecast_in_several_passes() -> None:
    task = Task(context_length=800, horizon=400, season_length=400)
    rng = np.random.default_rng(0)
    y = np.sin(np.arange(3000) * 2 * np.pi / 400) + rng.normal(0, 0.05, 3000)
    x = np.zeros((3000, 1))
    model = ARX(task=task)
    train = windows(y, x, 0, 2200, length=800, ahead=400)
    model.learn([train], [])
    assert model.weight.shape == (168 + 1 + 100 + 2 * 3 * 100, 100)  # 600 covariate values
    test = windows(y, x, 1700, 3000, length=800, ahead=400)
    error = (model.forecast(test, 400) - test.future[:, :400]).abs().mean()
    assert float(error) < 0.1


# as a user meets it: a frame with covariates


def frame(rows: int = 400, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a series that a covariate drives, and its next steps."""
    y, x = driven(rows + HORIZON, seed)
    whole = long_frame({"a": y}).assign(x=x[:, 0])
    return whole.iloc[:rows], whole.iloc[rows:]


def mix(**settings: Any) -> TSLMForecaster:
    base = Spec("auto", adapter=False)
    return TSLMForecaster(h=HORIZON, season_length=SEASON, base=base, verbose=0, **settings)


def test_the_default_mix_has_it_only_with_covariates_known_ahead(tmp_path: Path) -> None:
    history, ahead = frame()
    model = mix(futr_exog=["x"]).fit(history)
    assert [each.member for each in model.verdict_.members][-1] == "ARX"
    found = model.predict(futr_df=ahead.drop(columns="y"), level=[80])
    alone = mix().fit(history.drop(columns="x"))
    assert "ARX" not in [each.member for each in alone.verdict_.members]
    truth = ahead.y.to_numpy()
    error = np.abs(found[model.name].to_numpy() - truth).mean()
    assert error < 0.5 * np.abs(alone.predict()[alone.name].to_numpy() - truth).mean()
    model.save(tmp_path / "model")
    again = TSLMForecaster.load(tmp_path / "model").predict(
        futr_df=ahead.drop(columns="y"), level=[80]
    )
    pd.testing.assert_frame_equal(found, again)


def test_it_has_no_place_in_windows_of_all_series() -> None:
    history, _ = frame()
    both = pd.concat([history, history.assign(unique_id="b", y=2 * history.y)])
    model = mix(futr_exog=["x"], multivariate="tokens").fit(both)
    assert "ARX" not in [each.member for each in model.verdict_.members]


def test_each_member_of_a_mix_reads_its_own_rows() -> None:
    history, _ = frame(1200)
    model = mix(futr_exog=["x"]).fit(history).forecaster_
    assert isinstance(model, Mix)
    assert model.rows == 512
    assert model.reach == max(512, 84 * SEASON)


@pytest.mark.parametrize("other", [None, "b"])
def test_as_a_baseline_it_reads_covariates_of_several_series(other: str | None) -> None:
    history, ahead = frame()
    if other:
        more, later = frame(seed=1)
        history = pd.concat([history, more.assign(unique_id=other)])
        ahead = pd.concat([ahead, later.assign(unique_id=other)])
    model = BaselineForecaster("arx", h=HORIZON, season_length=SEASON, futr_exog=["x"], verbose=0)
    found = model.fit(history).predict(futr_df=ahead.drop(columns="y"))
    assert np.abs(found[model.name].to_numpy() - ahead.y.to_numpy()).mean() < 0.2


def test_a_category_is_a_covariate_of_it() -> None:
    rng = np.random.default_rng(0)
    kind = rng.choice(["low", "high"], 400)
    y = np.where(kind == "high", 5.0, 1.0) + rng.normal(0, 0.1, 400)
    whole = long_frame({"a": y}).assign(kind=kind)
    model = BaselineForecaster("arx", h=7, season_length=7, futr_exog=["kind"], verbose=0)
    found = model.fit(whole.iloc[:393]).predict(futr_df=whole.iloc[393:].drop(columns="y"))
    assert found[model.name].to_numpy() == pytest.approx(y[393:], abs=0.5)
