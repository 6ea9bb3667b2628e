"""Quantiles of members over any horizon, and the windows they read."""

import pytest
import torch

from tslm.core.config.estimator_settings import configure
from tslm.core.types import Batch, Facts, Known, Task
from tslm.models.assembly import assemble, rule, settle
from tslm.models.forecast_model import ForecastModel
from tslm.models.mix.members import (
    LEVELS,
    MEDIAN,
    fitted_to,
    pinball,
    quantiles_of,
    without_padding,
)
from tslm.models.mix.memory import contents_of

H, L = 4, 16


def model(decoder: str) -> ForecastModel:
    cfg = settle(configure({"decoder": decoder}, {"backbone": "tiny", "h": H}), Facts(H, 1, 40))
    cfg.context_length = L
    torch.manual_seed(0)
    return assemble(cfg, Task(L, H)).eval()


def walk(context: int = L, future: int = 3 * H, windows: int = 3) -> Batch:
    steps = torch.randn(windows, context + future, 2, generator=torch.Generator().manual_seed(1))
    values = steps.cumsum(1)
    time = torch.arange(context + future).expand(windows, -1)
    return Batch(values[:, :context], values[:, context:], time)


@pytest.mark.parametrize("horizon", [1, H, 2 * H + 1])
@pytest.mark.parametrize("decoder", ["quantile", "point", "student_t"])
def test_a_trained_member_has_ordered_quantiles_for_any_horizon(decoder: str, horizon: int) -> None:
    member, batch = model(decoder), walk()
    found = quantiles_of(member, batch, horizon, 1)
    assert found.shape == (len(LEVELS), 3, horizon, 2)
    assert bool((found.diff(dim=0) >= 0).all())
    torch.testing.assert_close(found[MEDIAN], member.forecast(batch, horizon), rtol=1e-4, atol=1e-4)


def test_widths_grow_from_segment_to_segment() -> None:
    found = quantiles_of(model("quantile"), walk(), 2 * H, 1)
    width = (found[-1] - found[0]).mean((0, 2))
    assert float(width[H]) > float(width[H - 1])


@pytest.mark.parametrize("name", ["seasonal_naive", "drift", "profile_ar"])
def test_a_rule_has_ordered_quantiles_around_its_forecast(name: str) -> None:
    member, batch = rule(name, Task(L, H, 4)), walk()
    found = quantiles_of(member, batch, 2 * H, 4)
    assert bool((found.diff(dim=0) >= 0).all())
    assert bool((found[-1] > found[0]).all())
    torch.testing.assert_close(found[MEDIAN], member.forecast(batch, 2 * H), rtol=1e-4, atol=1e-4)


def test_a_longer_context_loses_its_oldest_steps() -> None:
    found = fitted_to(walk(), L - 3)
    torch.testing.assert_close(found.past, walk().past[:, 3:])
    assert found.time[0, 0] == 3


def test_a_shorter_context_begins_with_missing_values() -> None:
    found = fitted_to(walk(), L + 2)
    assert bool(found.past[:, :2].isnan().all())
    torch.testing.assert_close(found.past[:, 2:], walk().past)
    assert found.time[0].tolist() == list(range(-2, L + 3 * H))


def test_common_padding_is_removed_and_single_padding_stays() -> None:
    batch = walk()
    past = batch.past.clone()
    past[:, :5] = torch.nan
    past[0, :9] = torch.nan
    found = without_padding(batch._replace(past=past))
    assert found.past.shape[1] == L - 5
    assert bool(found.past[0, :4].isnan().all())
    assert without_padding(batch._replace(past=past * torch.nan)).past.shape[1] >= 1


def test_pinball_loss_skips_missing_steps() -> None:
    truth = torch.tensor([[[1.0], [torch.nan]], [[torch.nan], [torch.nan]]])
    quantiles = torch.zeros(len(LEVELS), 2, 2, 1)
    found = pinball(quantiles, truth)
    assert float(found[0, 0]) == pytest.approx(0.5)
    assert bool(found[1].isnan().all())


def with_covariates(batch: Batch) -> Batch:
    """Return windows whose covariate counts their steps."""
    return batch._replace(known=Known(batch.time[..., None].double(), ("step",)))


@pytest.mark.parametrize("length", [L - 5, L, L + 5])
def test_covariates_stay_beside_the_steps_of_a_window(length: int) -> None:
    batch = with_covariates(walk())
    found = fitted_to(batch, length)
    assert found.known is not None
    expected = found.time.clamp(min=0)  # those before the first step are of that step
    torch.testing.assert_close(found.known.values[..., 0], expected.double())
    shorter = batch.until(L - 4, 2)
    assert shorter.known is not None
    torch.testing.assert_close(shorter.known.values[..., 0], shorter.time.double())
    assert shorter.past.shape[1] == L - 4
    assert shorter.time.shape[1] == L - 2


def test_windows_with_other_covariates_are_other_windows() -> None:
    batch = with_covariates(walk())
    assert batch.known is not None
    same, other = batch.known.values.clone(), batch.known.values.clone()
    other[:, L + H - 1] += 1
    beyond = batch.known.values.clone()
    beyond[:, L + H :] += 1
    seen = contents_of(batch, H)
    for values, equal in ((same, True), (other, False), (beyond, True)):
        known = batch.known._replace(values=values)
        assert (contents_of(batch._replace(known=known), H) == seen) == equal
    assert contents_of(batch._replace(known=None), H) != seen
