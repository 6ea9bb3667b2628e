"""Statistics of windows in prompts, against NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tslm.models.adapters.text_statistics import Summary, summary

FULL = {"observed": None}


def facts_of(values: Tensor, observed: Tensor | None = None, **options: bool) -> Summary:
    known = torch.ones_like(values, dtype=torch.bool) if observed is None else observed
    return summary(values, known, **options)


@settings(max_examples=40)
@given(length=st.integers(1, 60), seed=st.integers(0, 1000), fraction=st.floats(0, 0.9))
def test_numbers_are_those_of_the_observed_values(length: int, seed: int, fraction: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, length)).astype(np.float32)
    observed = rng.random((3, length)) >= fraction
    observed[0] = True
    facts = facts_of(torch.from_numpy(values), torch.from_numpy(observed))
    for row in range(3):
        known = values[row][observed[row]]
        expected = [0.0] * 4
        if len(known):
            median = np.sort(known)[(len(known) - 1) // 2]
            expected = [known.min(), known.max(), median, known[-1] - known[0]]
        found = [float(part[row]) for part in facts[:4]]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("period", [5, 12, 24])
def test_a_period_is_the_first_lag_and_its_multiples_follow(period: int) -> None:
    t = torch.arange(240.0)
    facts = facts_of(torch.sin(2 * torch.pi * t / period)[None])
    lags = [lag for lag in facts.lags[0].tolist() if lag]
    assert lags
    assert all(abs(lag - period * round(lag / period)) <= 1 for lag in lags)
    assert period in lags
    assert max(lags) <= 120
    assert 0 not in lags


def test_gaps_do_not_hide_a_period() -> None:
    t = torch.arange(240.0)
    values = torch.sin(2 * torch.pi * t / 12)[None]
    observed = torch.rand(1, 240, generator=torch.Generator().manual_seed(0)) > 0.3
    assert 12 in facts_of(values, observed).lags[0].tolist()


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_short_flat_and_empty_windows_have_no_lag(length: int) -> None:
    flat = facts_of(torch.full((2, length), 3.0), torch.tensor([[True] * length, [False] * length]))
    assert flat.lags.shape == (2, 5)
    assert (flat.lags[1] == 0).all()
    assert float(flat.rise[0]) == 0
    assert [float(part[1]) for part in flat[:4]] == [0, 0, 0, 0]


def test_half_precision_is_described_in_full() -> None:
    values = torch.randn(2, 50)
    assert facts_of(values.bfloat16()).least.dtype == torch.float32
