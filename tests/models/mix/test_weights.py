"""Weights of members, and the weighted mean and median of their values."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tslm.models.mix.weights import (
    POWER_OF_MANY,
    inverse_losses,
    shrunk_to_equal,
    weighted_mean,
    weighted_median,
    without_poor,
)

LOSSES = st.lists(st.floats(0, 1e6), min_size=1, max_size=7).map(torch.tensor)


@given(LOSSES)
def test_weights_are_on_the_simplex(losses: torch.Tensor) -> None:
    weights = inverse_losses(losses)
    assert bool((weights >= 0).all())
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)


@given(LOSSES)
def test_a_smaller_loss_never_has_a_smaller_weight(losses: torch.Tensor) -> None:
    order = losses.argsort()
    assert bool((inverse_losses(losses)[order].diff() <= 1e-6).all())


def test_losses_of_zero_give_equal_weights() -> None:
    torch.testing.assert_close(inverse_losses(torch.zeros(4)), torch.full((4,), 0.25))


def test_a_perfect_member_does_not_take_all() -> None:
    assert float(inverse_losses(torch.tensor([0.0, 1.0, 1.0]))[0]) < 1


def test_a_member_that_diverged_has_no_weight() -> None:
    weights = inverse_losses(torch.tensor([1.0, torch.inf, 1.0]))
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.0, 0.5]))


def test_few_windows_leave_weights_nearly_equal() -> None:
    learnt = torch.tensor([0.9, 0.1])
    near, far = shrunk_to_equal(learnt, 1), shrunk_to_equal(learnt, 1000)
    assert 0.5 < float(near[0]) < 0.55
    assert float(far[0]) == pytest.approx(0.9, abs=0.01)
    torch.testing.assert_close(shrunk_to_equal(learnt, 0), torch.tensor([0.5, 0.5]))


def test_a_poor_member_is_left_out_if_windows_are_enough() -> None:
    losses = torch.tensor([1.0, 1.6, 1.8])
    torch.testing.assert_close(without_poor(losses, 15), losses)
    left = without_poor(losses, 16)
    torch.testing.assert_close(left, torch.tensor([1.0, 1.6, torch.inf]))
    weights = shrunk_to_equal(inverse_losses(left), 16)
    assert float(weights[2]) == 0
    assert float(weights.sum()) == pytest.approx(1)


def test_the_best_of_many_windows_has_nearly_all_weight_but_close_ones_share() -> None:
    # 1.5 ** -16 = .0015 and 1.02 ** -16 = .73 of the weight of the best
    far = inverse_losses(torch.tensor([1.0, 1.5]), POWER_OF_MANY)
    torch.testing.assert_close(far, torch.tensor([0.99848, 0.00152]), rtol=0, atol=1e-5)
    near = inverse_losses(torch.tensor([1.0, 1.02]), POWER_OF_MANY)
    torch.testing.assert_close(near, torch.tensor([0.57855, 0.42145]), rtol=0, atol=1e-5)


@given(LOSSES)
def test_weights_of_many_windows_are_on_the_simplex(losses: torch.Tensor) -> None:
    weights = inverse_losses(losses, POWER_OF_MANY)
    assert bool((weights >= 0).all())
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)


@given(LOSSES)
def test_the_best_member_is_never_poor(losses: torch.Tensor) -> None:
    assert bool(without_poor(losses, 100)[losses.argmin()].isfinite())


def test_equal_weights_give_the_ordinary_mean_and_median() -> None:
    values = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    equal = torch.full((5, 1, 4), 0.2)
    torch.testing.assert_close(weighted_mean(values, equal), values.mean(0))
    torch.testing.assert_close(weighted_median(values, equal), values.median(0).values)
    torch.testing.assert_close(
        weighted_median(values[:4], equal[:4] * 1.25), values[:4].quantile(0.5, 0)
    )


def test_a_median_ignores_a_member_without_weight() -> None:
    values = torch.tensor([[1.0], [2.0], [900.0]])
    weights = torch.tensor([[0.5], [0.5], [0.0]])
    assert float(weighted_median(values, weights)) == pytest.approx(1.5, abs=0.5)
    alone = torch.tensor([[0.0], [1.0], [0.0]])
    assert float(weighted_median(values, alone)) == 2


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.floats(-100, 100))
def test_a_median_lies_between_the_members_and_moves_with_them(
    raw: list[float], shift: float
) -> None:
    weights = (torch.tensor(raw) / sum(raw))[:, None]
    values = torch.tensor([[3.0], [1.0], [2.0]])
    found = weighted_median(values, weights)
    assert 1 <= float(found) <= 3
    torch.testing.assert_close(
        weighted_median(values + shift, weights), found + shift, rtol=1e-4, atol=1e-4
    )
