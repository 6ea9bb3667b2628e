"""A mixture of filters: the variances of its members, and the distribution of each step."""

from dataclasses import replace

import pytest
import torch

from tslm.models.decoders.filter_mixture import FilterMixture
from tslm.models.layers.lpc.burg import zero_input_response

H, K = 12, 2
# poles 0.9 and 0.5 as x_t = 0.9 x_{t-1} + e, x_t = 0.5 x_{t-1} + e
POLES = torch.tensor([0.9, 0.5], dtype=torch.float64)


@pytest.fixture
def mixture() -> FilterMixture:
    pulses = POLES[:, None] ** torch.arange(H)
    means = torch.stack([torch.linspace(0, 1, H), torch.linspace(1, -1, H)]).double()
    return FilterMixture(
        torch.tensor([[0.3, 0.7], [1.0, 0.0]], dtype=torch.float64),
        means.expand(2, K, H),
        pulses.expand(2, K, H),
        torch.tensor([[1.0, 0.25], [4.0, 1.0]], dtype=torch.float64),
        torch.tensor([0, 0]),
    )


def simulated(mixture: FilterMixture, count: int, seed: int = 0) -> torch.Tensor:
    """Draw paths ``[n, S, H]`` of the autoregressions: a member for each, then its noise."""
    dice = torch.Generator().manual_seed(seed)
    members = torch.multinomial(mixture.weights, count, replacement=True, generator=dice).T
    rows = torch.arange(len(mixture.gap))
    paths = torch.zeros(count, len(rows), H, dtype=torch.float64)
    state = paths[:, :, 0]
    for step in range(-int(mixture.gap.max()), H):
        noise = torch.randn(state.shape, generator=dice, dtype=state.dtype)
        noise = noise * mixture.power[rows, members].sqrt() * (step >= -mixture.gap)
        state = POLES[members] * state + noise
        if step >= 0:
            paths[:, :, step] = state
    return mixture.means[rows, members] + paths


def test_variances_are_those_of_an_autoregression(mixture: FilterMixture) -> None:
    steps = torch.arange(1, H + 1)
    known = 4 * (1 - POLES[0] ** (2 * steps)) / (1 - POLES[0] ** 2)
    torch.testing.assert_close(mixture.variances[1, 0], known)


def test_pulses_are_what_the_recursion_makes_of_them() -> None:
    ahead = zero_input_response(-POLES[:, None], torch.ones(2, 1, dtype=torch.float64), H)
    torch.testing.assert_close(ahead[:, :-1], (POLES[:, None] ** torch.arange(H))[:, 1:])


def test_simulated_paths_have_the_moments_of_the_mixture(mixture: FilterMixture) -> None:
    paths, mean = simulated(mixture, 40_000), mixture.marginals.point
    between = (mixture.means - mean[:, None]).square()
    variance = (mixture.weights[:, :, None] * (mixture.variances + between)).sum(1)
    assert ((paths.mean(0) - mean).abs() < 0.02 * variance.sqrt()).all()
    torch.testing.assert_close(paths.var(0), variance, rtol=0.03, atol=0.0)


def test_noise_adds_up_from_the_last_observed_value_on(mixture: FilterMixture) -> None:
    longer = POLES[:, None] ** torch.arange(H + 5)
    gappy = replace(mixture, pulses=longer.expand(2, K, H + 5), gap=torch.tensor([2, 5]))
    variances = gappy.variances
    torch.testing.assert_close(variances[0, :, :-2], mixture.variances[0, :, 2:])
    known = 4 * (1 - POLES[0] ** (2 * torch.arange(6, H + 6))) / (1 - POLES[0] ** 2)
    torch.testing.assert_close(variances[1, 0], known)
    alone = replace(gappy, weights=torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double())
    of_lone = torch.stack([variances[0, 1], variances[1, 0]])
    torch.testing.assert_close(simulated(alone, 40_000).var(0), of_lone, rtol=0.03, atol=0.0)


def test_quantiles_invert_the_distribution_and_never_cross(mixture: FilterMixture) -> None:
    marginals = mixture.marginals
    levels = [torch.full((2, H), p, dtype=torch.float64) for p in (0.01, 0.1, 0.5, 0.9, 0.99)]
    values = torch.stack([marginals.at(level) for level in levels])
    assert (values.diff(dim=0) > 0).all()
    for level, value in zip(levels, values, strict=True):
        torch.testing.assert_close(marginals.cdf(value), level, rtol=0, atol=1e-9)


def test_an_interval_covers_at_its_level(mixture: FilterMixture) -> None:
    low, high = (mixture.marginals.at(torch.full((2, H), share)) for share in (0.1, 0.9))
    paths = simulated(mixture, 20_000, 1)
    inside = ((paths >= low) & (paths <= high)).double().mean(0)
    assert ((inside - 0.8).abs() < 0.015).all()
