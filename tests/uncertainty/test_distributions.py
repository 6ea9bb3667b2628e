"""Distributions against scipy and scoringrules, and for any raw numbers."""

from collections.abc import Callable

import numpy as np
import pytest
import scoringrules
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import stats
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.mixture import Mixture, MixtureFamily
from tslm.uncertainty.distributions.point import Points
from tslm.uncertainty.distributions.quantile import DEFAULT, QuantileFamily, at_levels
from tslm.uncertainty.distributions.student_t import StudentT, StudentTFamily

FAMILIES: list[DistributionFamily] = [
    QuantileFamily(),
    QuantileFamily(quantiles=[0.1, 0.5]),
    StudentTFamily(),
    MixtureFamily(),
    MixtureFamily(members=1),
]
families = pytest.mark.parametrize(
    "family", FAMILIES, ids=lambda family: f"{type(family).__name__}-{family.size}"
)
LEVELS = torch.tensor([0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999], dtype=torch.float64)


def raws(size: int) -> st.SearchStrategy[Tensor]:
    """Raw numbers of four values, as extreme as a decoder may give."""
    floats = st.floats(-30, 30, width=32)
    return arrays(np.float32, (2, 2, size), elements=floats).map(torch.from_numpy)


@families
@given(data=st.data())
def test_quantiles_never_cross(family: DistributionFamily, data: st.DataObject) -> None:
    found = family(data.draw(raws(family.size))).quantile(LEVELS)
    assert found.shape == (9, 2, 2)
    assert torch.isfinite(found).all()
    assert (found.diff(dim=0) >= 0).all()


@families
@given(data=st.data(), factor=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_a_change_of_units_moves_every_quantile(
    family: DistributionFamily, data: st.DataObject, factor: float, shift: float
) -> None:
    found = family(data.draw(raws(family.size)).double())
    ones = torch.ones(2, 2, dtype=torch.float64)
    moved = found.moved(factor * ones, shift * ones)
    size = 1e-6 * (1 + abs(shift) + factor * found.quantile(LEVELS).abs().max())
    assert_allclose(moved.quantile(LEVELS), factor * found.quantile(LEVELS) + shift, atol=size)
    assert_allclose(moved.point, factor * found.point + shift, atol=size)


@families
def test_many_draws_have_its_quantiles(family: DistributionFamily) -> None:
    found = family(torch.randn(2, 2, family.size, generator=torch.Generator().manual_seed(0)))
    evenly = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    drawn = found.at(evenly[:, None, None].expand(-1, 2, 2))
    inner = LEVELS[1:-1]
    assert_allclose(
        torch.quantile(drawn.double(), inner, 0), found.quantile(inner), atol=2e-2, rtol=1e-2
    )


@families
def test_raw_zeros_are_a_distribution_about_zero_that_is_neither_narrow_nor_wide(
    family: DistributionFamily,
) -> None:
    found = family(torch.zeros(1, family.size))
    assert float(found.point) == pytest.approx(0, abs=1e-6)
    low, high = found.quantile(torch.tensor([0.1, 0.9], dtype=torch.float64))[:, 0]
    assert -2.5 < low < -0.5 or family.size == 2
    assert 0.5 < high < 2.5


@families
def test_its_loss_has_finite_gradients_however_far_the_truth(family: DistributionFamily) -> None:
    raw = (30 * torch.randn(50, family.size, generator=torch.Generator().manual_seed(1))).float()
    raw.requires_grad_()
    loss = family(raw).loss(torch.linspace(-1e4, 1e4, 50))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


@families
def test_its_loss_is_least_at_what_is_true(family: DistributionFamily) -> None:
    """Trained on draws from a normal distribution, every quantile asked of it becomes right."""
    if family.size == 2:
        pytest.skip("two quantiles say nothing of the upper half")
    truth = 3 + 2 * torch.randn(4000, generator=torch.Generator().manual_seed(0))
    raw = torch.zeros(1, family.size, requires_grad=True)
    adam = torch.optim.Adam([raw], lr=0.05)
    for _ in range(600):
        adam.zero_grad()
        family(raw).loss(truth).mean().backward()
        adam.step()
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    found = family(raw.detach()).quantile(levels)[:, 0]
    assert_allclose(found, stats.norm(3, 2).ppf(levels), atol=0.2)


def test_the_quantile_loss_is_twice_the_pinball_loss() -> None:
    dice = np.random.default_rng(0)
    values, truth = np.sort(dice.normal(size=(7, 11)), 1), dice.normal(size=7)
    found = at_levels(torch.from_numpy(values), DEFAULT).loss(torch.from_numpy(truth))
    expected = scoringrules.quantile_score(truth[:, None], values, np.array(DEFAULT))
    assert_allclose(found, 2 * expected.mean(1), rtol=1e-6)


def test_students_t_is_that_of_scipy() -> None:
    dice = np.random.default_rng(0)
    loc, scale, df = dice.normal(size=5), dice.uniform(0.1, 3, 5), dice.uniform(2.1, 30, 5)
    truth = dice.normal(size=5)
    found = StudentT(*(torch.from_numpy(part) for part in (loc, scale, df)))
    oracle = stats.t(df, loc, scale)
    expected = scoringrules.logs_t(truth, df, loc, scale)
    assert_allclose(found.loss(torch.from_numpy(truth)), expected, rtol=1e-6)
    assert_allclose(found.quantile(LEVELS), oracle.ppf(LEVELS.numpy()[:, None]), rtol=1e-6)


def test_a_mixture_is_that_of_scoringrules_and_scipy() -> None:
    dice = np.random.default_rng(0)
    means, deviations = dice.normal(size=(5, 3)), dice.uniform(0.1, 3, (5, 3))
    weights, truth = dice.dirichlet([1, 1, 1], 5), dice.normal(size=5)
    found = Mixture(*(torch.from_numpy(part) for part in (weights, means, deviations)))
    expected = scoringrules.logs_mixnorm(truth, means, deviations, weights)
    assert_allclose(found.loss(torch.from_numpy(truth)), expected, rtol=1e-6)
    for level in LEVELS:
        values = found.quantile(level[None])[0].numpy()[:, None]
        below = (weights * stats.norm(means, deviations).cdf(values)).sum(1)
        assert_allclose(below, float(level), rtol=1e-9)


def test_between_its_quantiles_and_beyond_them_a_normal_one_stays_normal() -> None:
    oracle = stats.norm(3, 2)
    found = at_levels(torch.from_numpy(oracle.ppf(DEFAULT)), DEFAULT)
    levels = np.array([0.0001, 0.06, 0.33, 0.5, 0.77, 0.99, 0.9999])
    assert_allclose(found.quantile(torch.from_numpy(levels)), oracle.ppf(levels), rtol=1e-9)


@given(data=st.data())
def test_the_quantiles_of_the_distribution_are_those_it_was_given(data: st.DataObject) -> None:
    family = QuantileFamily()
    found = family(data.draw(raws(family.size)).double())
    asked = found.quantile(torch.tensor(DEFAULT, dtype=torch.float64))
    assert_allclose(asked.movedim(0, -1), found.values, atol=1e-9)


def test_points_are_certain() -> None:
    found = Points(torch.tensor([1.0, 2.0]))
    assert found.quantile(LEVELS).tolist() == [[1.0, 2.0]] * 9


@pytest.mark.parametrize("quantiles", [[0.1, 0.9], [0.5], [0.5, 0.1], [0.1, 0.5, 0.5], [0.0, 0.5]])
def test_impossible_quantiles_are_refused(quantiles: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"ascending numbers between 0 and 1, one of them 0\.5"):
        QuantileFamily(quantiles=quantiles)


def test_a_member_whose_weight_vanishes_leaves_loss_and_gradients_finite() -> None:
    """Evidence may be so clear that a softmax gives nothing to others, whatever happened."""
    logits = torch.tensor([[0.0, 300.0], [0.0, -300.0]], requires_grad=True)
    means = torch.tensor([[0.0, 5.0], [0.0, 5.0]], requires_grad=True)
    loss = Mixture(logits.softmax(-1), means, torch.full((2, 2), 0.1)).loss(torch.zeros(2))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    for leaf in (logits, means):
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="members=0 must be at least 1"):
        MixtureFamily(members=0)


@pytest.mark.parametrize(
    "change", [lambda part: part[1:], lambda part: part.flip(0)], ids=["cut", "turned"]
)
@families
def test_a_change_of_axes_changes_every_field(
    family: DistributionFamily, change: Callable[[Tensor], Tensor]
) -> None:
    found: Distribution = family(torch.randn(3, 2, family.size))
    assert_allclose(
        found.each(change).quantile(LEVELS), torch.stack(list(map(change, found.quantile(LEVELS))))
    )
    assert found.rearranged("(B C) M -> B M C", B=1).point.shape == (1, 2, 3)
