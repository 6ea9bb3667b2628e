"""The share of a correction that validation asks for, less its doubt."""

import pytest
import torch

from tslm.core.shrinkage import STRETCHES, share_kept


def test_it_is_that_of_least_squares_within_0_and_1() -> None:
    dice = torch.Generator().manual_seed(0)
    correction = torch.randn(100, 7, generator=dice, dtype=torch.float64)
    rest = 0.4 * correction + torch.randn(100, 7, generator=dice, dtype=torch.float64)
    asked, given = (rest * correction).sum(1), correction.square().sum(1)
    best = share_kept(asked, given)
    errors = [(rest - s * correction).square().sum() for s in (best - 0.01, best, best + 0.01)]
    assert min(errors) == errors[1]
    assert share_kept(9 * given, given) == 1
    assert share_kept(-given, given) == 0


def test_what_all_stretches_ask_for_is_kept_and_what_one_asks_for_is_doubted() -> None:
    n = 4 * STRETCHES
    given = torch.ones(n, dtype=torch.float64)
    assert share_kept(0.5 * given, given, caution=1.0) == pytest.approx(0.5)
    lone = torch.zeros_like(given)
    lone[:4] = 0.5 * STRETCHES  # the same sum, of one stretch
    assert share_kept(lone, given) == pytest.approx(0.5)
    assert share_kept(lone, given, caution=1.0) == pytest.approx(0)


def test_doubt_is_that_of_independent_stretches() -> None:
    """A correction of pure chance is kept in about one of six cases (a normal beyond 1 sigma)."""
    dice = torch.Generator().manual_seed(0)
    asked = torch.randn(2000, 8 * STRETCHES, generator=dice, dtype=torch.float64)
    given = torch.ones(8 * STRETCHES, dtype=torch.float64)
    some = [share_kept(row, given, caution=1.0) > 0 for row in asked]
    assert 0.13 < sum(some) / len(some) < 0.2


def test_without_windows_or_correction_all_is_kept() -> None:
    nothing = torch.zeros(0, dtype=torch.float64)
    assert share_kept(nothing, nothing) == 1
    assert share_kept(torch.zeros(3), torch.zeros(3), caution=1.0) == 1
    one = torch.ones(1, dtype=torch.float64)
    assert share_kept(0.3 * one, one, caution=1.0) == pytest.approx(0.3)  # no doubt is known
