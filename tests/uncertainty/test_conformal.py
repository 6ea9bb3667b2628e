"""Calibration by the errors on validation windows, against its arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy.stats import norm, t
from torch import Tensor

from tslm import BaselineForecaster
from tslm.core.config.choices import choices
from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError, DataError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.conformal.base import Conformal
from tslm.uncertainty.conformal.error_quantiles import GRID, error_quantiles
from tslm.uncertainty.conformal.methods import (
    check_conformal,
    conformal_class,
    fit_conformal,
    from_state,
)
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.distributions.mixture import Mixture
from tslm.uncertainty.past_changes import fit_changes

L, H, SEASON = 48, 6, 4
LEVELS = torch.tensor([0.025, 0.1, 0.5, 0.9, 0.975], dtype=torch.float64)


class Zero(Forecaster):
    """Forecasts 0."""

    def forecast(self, batch: Batch, horizon: int) -> Tensor:
        windows, _, channels = batch.past.shape
        return batch.past.new_zeros(windows, horizon, channels)


class Narrow(Zero):
    """Forecasts of 0, with half the standard deviation of the errors."""

    distribution_horizon = 1000

    def distribution(self, batch: Batch, horizon: int) -> Distribution:
        zeros = self.forecast(batch, horizon)[..., None]
        return Mixture(torch.ones_like(zeros), zeros, torch.full_like(zeros, 0.5))


def noise(n: int = 400, seed: int = 0, future: int = H, channels: int = 1) -> Batch:
    """Windows of white noise, the later the later."""
    dice = torch.Generator().manual_seed(seed)
    values = torch.randn(n, L + future, channels, generator=dice)
    time = torch.arange(n)[:, None] * 100 + torch.arange(L + future)
    return Batch(values[:, :L], values[:, L:], time)


def fitted(kind: str, batch: Batch, forecaster: Forecaster | None = None) -> Conformal:
    windows = float(batch.future[:, 0].numel())
    return fit_conformal(kind, forecaster or Zero(), [batch], SEASON, H, windows)


def quantiles(
    found: Conformal, batch: Batch, levels: Tensor = LEVELS, forecaster: Forecaster | None = None
) -> Tensor:
    model = forecaster or Zero()
    horizon = batch.future.shape[1]
    point = model.forecast(batch, horizon)
    keys = list(range(len(batch.past) * batch.past.shape[2]))
    forecast = WindowForecast(model, batch, point, keys)
    return found.distribution(forecast).quantile(levels)


def paths(found: Conformal, batch: Batch, count: int, seed: int = 0, **options: Any) -> Tensor:
    model = options.get("forecaster", Zero())
    point = model.forecast(batch, batch.future.shape[1])
    keys = options.get("keys", list(range(len(batch.past))))
    return found.paths(WindowForecast(model, batch, point, keys), count, seed)


@pytest.mark.parametrize("n", [9, 10, 39, 100, 399])
def test_errors_have_the_rank_of_split_conformal_prediction(n: int) -> None:
    """The upper end is the ``ceil((n + 1) level) / n`` quantile of errors, the lower its mirror."""
    errors = np.random.default_rng(n).normal(size=(n, 3))
    levels = [0.6, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99]
    found = error_quantiles(torch.from_numpy(errors), torch.tensor(levels, dtype=torch.float64))
    mirror = error_quantiles(
        torch.from_numpy(-errors), 1 - torch.tensor(levels, dtype=torch.float64)
    )
    for i, level in enumerate(levels):
        rank = min(np.ceil(np.round((n + 1) * level, 9)) / n, 1)
        expected = np.quantile(errors, rank, axis=0, method="inverted_cdf")
        assert_allclose(found[i], expected)
        assert_allclose(mirror[i], -expected)
    assert_allclose(
        error_quantiles(torch.from_numpy(errors), torch.tensor([0.5]))[0], np.median(errors, 0)
    )


def test_residual_quantiles_are_the_forecast_and_its_errors() -> None:
    batch = noise()
    found = fitted("residual", batch)
    assert found.difficulty == "none"  # a window of white noise says nothing of the next
    expected = error_quantiles(batch.future[:, :, 0], LEVELS)
    ahead = quantiles(found, noise(3, seed=1))
    assert_allclose(ahead[:, :, :, 0], expected[:, None].expand(-1, 3, -1), rtol=1e-5)


@pytest.mark.parametrize("kind", ["residual", "cqr", "adaptive"])
def test_intervals_cover_at_their_level(kind: str) -> None:
    model, new = Narrow(), noise(4000, seed=1)
    ahead = quantiles(fitted(kind, noise(1000), model), new, forecaster=model)
    for level, values in zip(LEVELS, ahead, strict=True):
        below = float((new.future <= values).double().mean())
        room = 0.04 if kind == "adaptive" else 0.015  # adaptive levels wander
        assert below == pytest.approx(float(level), abs=room)


def test_an_uncalibrated_distribution_covers_less() -> None:
    model, new = Narrow(), noise(1000, seed=1)
    low, high = quantiles(fitted("none", noise(), model), new, forecaster=model)[[1, 3]]
    inside = float(((low <= new.future) & (new.future <= high)).double().mean())
    assert inside == pytest.approx(0.478, abs=0.02)  # of a normal within 1.28 / 2


def test_cqr_moves_each_quantile_by_the_conformal_rank_of_its_errors() -> None:
    batch, model = noise(), Narrow()
    distribution = model.distribution(batch, H).quantile(LEVELS)
    expected = torch.stack(
        [
            distribution[i]
            + error_quantiles((batch.future - distribution[i])[:, :, 0], level[None])[0][:, None]
            for i, level in enumerate(LEVELS)
        ]
    )
    found = quantiles(fitted("cqr", batch, model), batch, forecaster=model)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_that_move_more_have_wider_intervals_where_that_is_better() -> None:
    batch, new = noise(800), noise(2, seed=1)
    loud = torch.where(torch.arange(800) % 2 == 0, 5.0, 1.0)[:, None, None]
    found = fitted("residual", Batch(batch.past * loud, batch.future * loud, batch.time))
    assert found.difficulty in ("window", "phase")
    low, high = quantiles(found, new._replace(past=new.past * torch.tensor([[[5.0]], [[1.0]]])))[
        [1, 3]
    ]
    ratio = (high - low)[0] / (high - low)[1]
    assert_allclose(ratio.mean(), 5, rtol=0.2)


def test_phases_that_move_more_have_wider_intervals_where_that_is_better() -> None:
    batch = noise(800)
    loud = torch.where(torch.arange(L + H) % SEASON == 0, 6.0, 1.0)
    turned = torch.stack([loud.roll(i) for i in range(SEASON)]).repeat(200, 1)[:, :, None]
    every = torch.cat([batch.past, batch.future], 1) * turned
    found = fitted("residual", Batch(every[:, :L], every[:, L:], batch.time))
    assert found.difficulty == "phase"
    low, high = quantiles(found, Batch(every[1:2, :L], every[1:2, L:], batch.time[1:2]))[[1, 3]]
    width = (high - low)[0, :, 0]
    assert int(width[:SEASON].argmax()) == int(turned[1, L : L + SEASON, 0].argmax())
    assert float(width[:SEASON].max()) > 3 * float(width[:SEASON].median())


def test_adaptive_intervals_are_wider_where_errors_have_grown() -> None:
    batch = noise(600)
    grown = torch.linspace(0.5, 3, 600)[:, None, None]
    batch = batch._replace(future=batch.future * grown)
    residual, adaptive = (
        quantiles(fitted(kind, batch), batch) for kind in ("residual", "adaptive")
    )
    assert float((adaptive[3] - adaptive[1]).mean()) > 1.1 * float(
        (residual[3] - residual[1]).mean()
    )


def test_adaptive_levels_follow_time_and_not_how_often_windows_overlap() -> None:
    batch, n = noise(400), 400
    grown = torch.linspace(0.5, 3, n)[:, None, None]
    time = torch.arange(n)[:, None] * H + torch.arange(L + H)
    batch = Batch(batch.past, batch.future * grown, time)
    often = Batch(*(part.repeat_interleave(6, 0) for part in batch[:3]))
    once, more = fitted("adaptive", batch), fitted("adaptive", often)
    plain = fitted("residual", batch).corrections
    moved = (once.corrections - plain).abs().max()
    assert float(moved) > 0.5
    assert float((more.corrections - once.corrections).abs().max()) < 0.25 * float(moved)


def test_the_order_of_validation_windows_in_time_is_what_counts() -> None:
    batch = noise(300)
    batch = batch._replace(future=batch.future * torch.linspace(0.5, 3, 300)[:, None, None])
    mixed = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    other = Batch(*(part[mixed] for part in batch[:3]))
    for kind in ("residual", "adaptive"):
        one, two = fitted(kind, batch), fitted(kind, other)
        assert torch.equal(one.corrections, two.corrections)
        assert torch.equal(one.template.ranks, two.template.ranks)


def test_beyond_the_horizon_errors_of_the_last_season_grow_by_their_power() -> None:
    batch = noise(300)
    walk = batch._replace(future=batch.future.cumsum(1))
    found = fitted("residual", walk)
    assert 0.4 < found.growth <= 0.5
    longer = noise(1, seed=1, future=4 * H)
    near = quantiles(found, noise(1, seed=1))[4, 0, :, 0]
    far = quantiles(found, longer)[4, 0, :, 0]
    assert_allclose(far[:H], near)
    for step in range(H, 4 * H):
        source = H - SEASON + (step - H) % SEASON
        assert_allclose(
            far[step], near[source] * ((step + 1) / (source + 1)) ** found.growth, rtol=1e-5
        )
    assert fitted("residual", batch).growth < 0.1


def test_missing_true_values_are_left_out() -> None:
    batch = noise(300)
    holes = batch.future.clone()
    holes[::3] = torch.nan
    holes[:, 2] = torch.nan
    found = fitted("residual", batch._replace(future=holes))
    assert torch.isfinite(found.corrections).all()
    kept = batch.future[torch.arange(300) % 3 > 0][:, 0, 0]
    upper = found.corrections[GRID.index(0.9), 0]
    assert float((kept <= upper).double().mean()) == pytest.approx(0.9, abs=0.02)
    assert_allclose(found.corrections[:, 2], found.corrections[:, 1])


@pytest.mark.parametrize("nothing", [[], [noise(5)._replace(future=noise(5).future * torch.nan)]])
@pytest.mark.parametrize("kind", ["residual", "adaptive"])
def test_without_validation_windows_widths_come_from_past_changes(
    kind: str, nothing: list[Batch]
) -> None:
    found, new = fit_conformal(kind, Zero(), nothing, SEASON, H, 0.0), noise(3, seed=1)
    assert not found.learnt
    walk = new._replace(past=new.past.cumsum(1))
    change = walk.past.diff(dim=1)[:, :, 0].square().mean(1).sqrt()
    ahead = quantiles(found, walk)
    expected = change * t.ppf(0.9, L - 1)
    assert_allclose(ahead[3, :, 0, 0], expected, rtol=1e-4)  # one step on, no season is nearer
    assert_allclose(ahead[2], 0, atol=1e-6)
    assert (ahead.diff(dim=0) > 0).all()
    drawn = paths(found, walk, 2000)[:, 0, :, 0]
    assert_allclose(torch.quantile(drawn, 0.9, 0) / ahead[3, 0, :, 0], 1, atol=0.15)
    assert float(torch.corrcoef(drawn[:, -2:].T)[0, 1]) > 0.8


def test_windows_that_overlap_count_for_the_horizons_they_hold() -> None:
    batch, new = noise(400), noise(1, seed=1)
    apart = fitted("residual", batch)
    found = fit_conformal("residual", Zero(), [batch], SEASON, H, 20.0)
    one, two = (quantiles(c, new)[:, 0, :, 0] for c in (apart, found))
    assert torch.equal(one[1:4], two[1:4])
    wider = t.ppf(0.975, 20) / norm.ppf(0.975)
    assert_allclose(two[4] - two[2], wider * (one[4] - one[2]), rtol=1e-4)
    few = fit_conformal("cqr", Narrow(), [batch], SEASON, H, 20.0)
    more = fitted("cqr", batch, Narrow())
    inner, outer = (quantiles(c, new, forecaster=Narrow())[4] for c in (more, few))
    assert (outer > inner).all()


def test_a_forecaster_further_off_than_past_changes_has_wider_intervals() -> None:
    batch = noise(400)
    walk = batch._replace(past=batch.past.cumsum(1), future=100 + batch.future)
    season, found = fit_changes(Zero(), [walk], SEASON)
    assert season == SEASON
    assert found.shape == (H,)
    assert (found > 5).all()
    assert (found.diff() >= 0).all()
    assert torch.equal(fit_changes(Zero(), [batch], SEASON)[1], torch.ones(H))
    assert torch.equal(fit_changes(Zero(), [], SEASON)[1], torch.ones(1))


def test_without_validation_windows_a_distribution_is_no_narrower_than_changes() -> None:
    model, new = Narrow(), noise(1)
    distribution = model.distribution(new, H).quantile(LEVELS)
    plain, wide, changes = (
        fit_conformal(kind, model, [], SEASON, H, 0.0) for kind in ("none", "cqr", "residual")
    )
    assert_allclose(quantiles(plain, new, forecaster=model), distribution, atol=1e-4)
    outer = quantiles(wide, new, forecaster=model)
    assert_allclose(
        outer, quantiles(changes, new), atol=1e-4
    )  # which are wider than that distribution
    assert (outer[4] > distribution[4]).all()
    assert torch.isfinite(paths(plain, new, 3, forecaster=model)).all()


def test_points_alone_are_no_distribution() -> None:
    with pytest.raises(ConfigError, match="conformal=none, and Zero gives points only"):
        quantiles(fitted("none", noise()), noise(1))
    with pytest.raises(
        ConfigError,
        match=r"cqr corrects the quantiles of the model's own distribution.*decoder=quantile",
    ):
        check_conformal("cqr", Zero())
    with pytest.raises(ConfigError, match=r"jackknife is unknown. Choose one of adaptive, cqr"):
        check_conformal("jackknife", Zero())


class TestPaths:
    def test_many_have_the_quantiles_of_the_intervals(self) -> None:
        batch = noise(500)
        found = fitted("residual", batch)
        drawn = paths(found, noise(1, seed=1), 4000)
        inner = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
        expected = quantiles(found, noise(1, seed=1), inner)
        assert_allclose(torch.quantile(drawn.double(), inner, 0), expected, atol=0.08)

    def test_steps_move_together_as_validation_errors_do(self) -> None:
        batch = noise(500)
        walk = batch._replace(future=batch.future.cumsum(1))
        drawn = paths(fitted("residual", walk), noise(1, seed=1), 2000)[:, 0, :, 0]
        expected = torch.corrcoef(walk.future[:, :, 0].T)
        assert_allclose(torch.corrcoef(drawn.T), expected, atol=0.06)
        apart = paths(fitted("residual", batch), noise(1, seed=1), 2000)[:, 0, :, 0]
        assert float((torch.corrcoef(apart.T) - torch.eye(H)).abs().max()) < 0.15

    def test_samples_depend_on_the_seed_and_the_series_alone(self) -> None:
        found, new = fitted("residual", noise()), noise(3, seed=1)
        drawn = paths(found, new, 20, keys=["a", "b", "c"])
        assert torch.equal(drawn, paths(found, new, 20, keys=["a", "b", "c"]))
        assert not torch.equal(drawn, paths(found, new, 20, seed=1, keys=["a", "b", "c"]))
        order = [2, 0, 1]
        turned = Batch(*(part[order] for part in new[:3]))
        again = paths(found, turned, 20, keys=["c", "a", "b"])
        assert torch.equal(again, drawn[:, order])
        alone = paths(found, Batch(*(part[1:2] for part in new[:3])), 20, keys=["b"])
        assert torch.equal(alone, drawn[:, 1:2])
        same = paths(found, Batch(*(part[[0, 0]] for part in new[:3])), 20, keys=["a", "b"])
        assert not torch.equal(same[:, 0], same[:, 1])  # two series have draws of their own


@pytest.mark.parametrize("kind", choices("conformal"))
def test_what_is_saved_gives_the_same(kind: str) -> None:
    model, new = Narrow(), noise(2, seed=1)
    found = fitted(kind, noise(), model)
    again = from_state(found.state())
    assert type(again) is type(found)
    one, two = (quantiles(c, new, forecaster=model) for c in (found, again))
    assert torch.equal(one, two)
    one, two = (paths(c, new, 5, forecaster=model) for c in (found, again))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "magic"},
        {"unit": "metres"},
        {"growth": 7.0},
        {"season_length": 0},
        {"corrections": torch.zeros(2, H)},
        {"corrections": torch.full((len(GRID), H), torch.nan)},
        {"ranks": torch.zeros(400, H, dtype=torch.int16)},
        {"ranks": torch.ones(400, H)},
        {"independent": -1.0},
        {"stretch": torch.zeros(1)},
        {"stretch": torch.ones(0)},
    ],
    ids=str,
)
def test_saved_intervals_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    state = fitted("residual", noise()).state()
    assert change.keys() < state.keys()
    with pytest.raises(DataError, match="saved intervals do not fit together"):
        from_state(state | change)


def test_saved_intervals_that_lack_a_value_are_refused() -> None:
    state = fitted("residual", noise()).state()
    del state["growth"]
    with pytest.raises(DataError, match="saved intervals are not whole"):
        from_state(state)


def test_intervals_saved_by_an_older_version_are_as_they_were() -> None:
    state = fitted("residual", noise()).state()
    del state["independent"], state["stretch"]
    found, new = from_state(state), noise(1)
    assert torch.equal(quantiles(found, new), quantiles(fitted("residual", noise()), new))
    nothing = {"corrections": torch.empty(0, H), "ranks": torch.empty(0, H, dtype=torch.int16)}
    assert not from_state(state | nothing).learnt


MEAN_ERROR = """
import torch
from tslm.uncertainty.conformal.base import Conformal, from_quantiles
from tslm.uncertainty.conformal.error_quantiles import GRID


class MeanError(Conformal):
    name = "mean_error"

    @classmethod
    def learn(cls, errors):
        return "none", errors.errors.abs().mean(0).expand(len(GRID), -1)

    def distribution(self, forecast):
        width = self.corrections_for(forecast.horizon) * torch.linspace(-1, 1, len(GRID))[:, None]
        return from_quantiles(forecast.point + width[:, None, :, None])
"""


def test_a_method_of_the_user_is_named_by_a_yaml_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mean_error.py").write_text(MEAN_ERROR)
    (tmp_path / "conf" / "conformal").mkdir(parents=True)
    (tmp_path / "conf" / "conformal" / "mean_error.yaml").write_text(
        "# @package _global_\nconformal:\n  _target_: mean_error.MeanError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="conformal=mean_error is unknown"):
        conformal_class("mean_error")
    monkeypatch.setenv("TSLM_CONF", str(tmp_path / "conf"))
    frame = pd.DataFrame({"unique_id": "a", "ds": range(60), "y": np.arange(60.0) % 5})
    model = BaselineForecaster("last", h=2, val_size=20, conformal="mean_error").fit(frame)
    forecast = model.predict(level=[80])
    assert_allclose(forecast["Last-hi-80"] - forecast["Last"], 0.8 * 2.0, rtol=0.3)
    model.save(tmp_path / "saved")
    assert_frame_equal(BaselineForecaster.load(tmp_path / "saved").predict(level=[80]), forecast)
