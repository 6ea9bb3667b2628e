"""The shrinkage of a correction: least squares on validation windows, less some standard errors."""

import pytest
import torch
from torch import Tensor

from tslm.core.shrinkage import GROUPS, Shrinkage


def factor(products: Tensor, squares: Tensor, caution: float = 0.0) -> float:
    found = Shrinkage()
    found.add_sums(products, squares)
    return found.factor(caution)


def test_shrinkage_is_that_of_least_squares_between_0_and_1() -> None:
    dice = torch.Generator().manual_seed(0)
    correction = torch.randn(100, 7, generator=dice, dtype=torch.float64)
    rest = 0.4 * correction + torch.randn(100, 7, generator=dice, dtype=torch.float64)
    asked, given = (rest * correction).sum(1), correction.square().sum(1)
    best = factor(asked, given)
    windows = Shrinkage()
    windows.add(rest[:40, :, None], correction[:40, :, None])
    windows.add(rest[40:, :, None], correction[40:, :, None])
    assert windows.factor() == pytest.approx(best)
    assert len(windows) == 100
    errors = [(rest - s * correction).square().sum() for s in (best - 0.01, best, best + 0.01)]
    assert min(errors) == errors[1]
    assert factor(9 * given, given) == 1
    assert factor(-given, given) == 0


def test_shrinkage_is_one_for_a_gain_in_all_groups_and_smaller_for_a_gain_in_one() -> None:
    n = 4 * GROUPS
    given = torch.ones(n, dtype=torch.float64)
    assert factor(0.5 * given, given, caution=1.0) == pytest.approx(0.5)
    lone = torch.zeros_like(given)
    lone[:4] = 0.5 * GROUPS  # the same sum, of one group
    assert factor(lone, given) == pytest.approx(0.5)
    assert factor(lone, given, caution=1.0) == pytest.approx(0)


def test_the_standard_error_is_that_of_independent_groups() -> None:
    """A correction of pure chance gets a shrinkage above 0 in about one of six cases (1 sigma)."""
    dice = torch.Generator().manual_seed(0)
    asked = torch.randn(2000, 8 * GROUPS, generator=dice, dtype=torch.float64)
    given = torch.ones(8 * GROUPS, dtype=torch.float64)
    some = [factor(row, given, caution=1.0) > 0 for row in asked]
    assert 0.13 < sum(some) / len(some) < 0.2


def test_missing_true_values_are_ignored() -> None:
    residual, correction = torch.tensor([[[1.0], [torch.nan]]]), torch.tensor([[[2.0], [5.0]]])
    found = Shrinkage()
    found.add(residual, correction)
    assert found.factor() == 0.5


def test_without_windows_or_correction_shrinkage_is_one() -> None:
    nothing = torch.zeros(0, dtype=torch.float64)
    assert factor(nothing, nothing) == 1
    assert factor(torch.zeros(3).double(), torch.zeros(3).double(), caution=1.0) == 1
    one = torch.ones(1, dtype=torch.float64)
    assert factor(0.3 * one, one, caution=1.0) == pytest.approx(0.3)  # no doubt is known
