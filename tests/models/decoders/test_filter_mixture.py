"""A mixture of filters: its moments, quantiles and paths."""

from dataclasses import replace

import pytest
import torch

from tslm.models.decoders.filter_mixture import FilterMixture, calibrated, coverage
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


def test_variances_are_those_of_an_autoregression(mixture: FilterMixture) -> None:
    steps = torch.arange(1, H + 1)
    known = 4 * (1 - POLES[0] ** (2 * steps)) / (1 - POLES[0] ** 2)
    torch.testing.assert_close(mixture.variances[1, 0], known)
    torch.testing.assert_close(mixture.variance[1], known)  # of a lone member


def test_pulses_are_what_the_recursion_makes_of_them() -> None:
    ahead = zero_input_response(-POLES[:, None], torch.ones(2, 1, dtype=torch.float64), H)
    torch.testing.assert_close(ahead[:, :-1], (POLES[:, None] ** torch.arange(H))[:, 1:])


def test_paths_have_the_mean_the_variance_and_the_memory_of_the_mixture(
    mixture: FilterMixture,
) -> None:
    paths = mixture.sample(40_000, torch.Generator().manual_seed(0))
    assert paths.shape == (40_000, 2, H)
    deviation = mixture.variance.sqrt()
    assert ((paths.mean(0) - mixture.mean).abs() < 0.02 * deviation).all()
    torch.testing.assert_close(paths.var(0), mixture.variance, rtol=0.03, atol=0.0)
    rest = paths[:, 1] - mixture.means[1, 0]  # a lone member: an autoregression from zero
    slope = (rest[:, :-1] * rest[:, 1:]).mean(0) / rest[:, :-1].square().mean(0)
    torch.testing.assert_close(slope, POLES[0].expand(H - 1), rtol=0.03, atol=0.0)


def test_noise_adds_up_from_the_last_observed_value_on(mixture: FilterMixture) -> None:
    longer = POLES[:, None] ** torch.arange(H + 5)
    gappy = replace(mixture, pulses=longer.expand(2, K, H + 5), gap=torch.tensor([2, 5]))
    variances = gappy.variances
    torch.testing.assert_close(variances[0, :, :-2], mixture.variances[0, :, 2:])
    known = 4 * (1 - POLES[0] ** (2 * torch.arange(6, H + 6))) / (1 - POLES[0] ** 2)
    torch.testing.assert_close(variances[1, 0], known)
    paths = gappy.sample(40_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(paths.var(0), gappy.variance, rtol=0.03, atol=0.0)


def test_quantiles_invert_the_distribution_and_never_cross(mixture: FilterMixture) -> None:
    shares = [0.01, 0.1, 0.5, 0.9, 0.99]
    values = torch.stack([mixture.quantile(share) for share in shares])
    assert (values.diff(dim=0) > 0).all()
    for share, value in zip(shares, values, strict=True):
        torch.testing.assert_close(
            mixture.cdf(value), torch.full_like(value, share), rtol=0, atol=1e-9
        )


def test_an_interval_covers_as_often_as_it_says(mixture: FilterMixture) -> None:
    low, high = mixture.quantile(0.1), mixture.quantile(0.9)
    paths = mixture.sample(20_000, torch.Generator().manual_seed(1))
    inside = ((paths >= low) & (paths <= high)).double().mean(0)
    assert ((inside - 0.8).abs() < 0.015).all()


def test_a_mixture_is_widened_to_hold_its_share_of_what_happened(mixture: FilterMixture) -> None:
    dice = torch.Generator().manual_seed(0)
    truth = mixture.widened(1.7).sample(4000, dice)
    many = FilterMixture(
        *(
            part.repeat(4000, *[1] * (part.dim() - 1))
            for part in (
                mixture.weights,
                mixture.means,
                mixture.pulses,
                mixture.power,
                mixture.gap,
            )
        )
    )
    truth = truth.flatten(0, 1)
    truth[:100, 3] = torch.nan
    assert coverage(many, truth) < 0.7
    factor = calibrated(many, truth)
    assert factor == pytest.approx(1.7, rel=0.02)
    assert coverage(many.widened(factor), truth) == pytest.approx(0.8, abs=1e-3)
