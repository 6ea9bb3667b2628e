"""Learnt codes of filters: a small encoder and decoder with finite scalar quantisation.

Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", ICLR 2024.

Departures: the encoder reads cepstra and the decoder returns reflection coefficients, so every code
is a stable filter; the loss is the logarithm of the error power that the code's filter has in place
of the series' own (``itakura``).
"""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tslm.core.float64 import ExactModule
from tslm.models.layers.lpc.linear_prediction import step_up

STEPS = 400  # of Adam; chosen by hand
_AT_ONCE = 2048  # series of a step
_WIDTH = 64
_RATE = 5e-3
_EDGE = 0.999  # largest reflection coefficient


class FilterQuantiser(ExactModule):
    """Encoder of cepstra, a grid of few values in each dimension, and a decoder to filters.

    Args:
        n_cepstra: numbers that the encoder reads.
        order: coefficients of a filter, p.
        n_codes: points of the grid, K.

    Attributes:
        grid: points of the grid, from -1 to 1.
    """

    grid: Float[Tensor, "K d"]

    def __init__(self, n_cepstra: int, order: int, n_codes: int) -> None:
        super().__init__()
        levels = grid_levels(n_codes)
        axes = [torch.linspace(-1, 1, level, dtype=torch.float64) for level in levels]
        self.register_buffer("grid", torch.cartesian_prod(*axes).view(n_codes, -1))
        self.steps = [2 / max(level - 1, 1) for level in levels]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.encoder = _network(n_cepstra, len(levels))
            self.decoder = _network(len(levels), order)
        self.requires_grad_(False)

    def encode(self, cepstra: Float[Tensor, "S entries"]) -> Float[Tensor, "S d"]:
        """Return the place of each series in the grid, from -1 to 1 in each dimension."""
        return self.encoder(cepstra).tanh()

    def decode(self, places: Float[Tensor, "S d"]) -> Float[Tensor, "S p"]:
        """Return the filter at each place."""
        return step_up(_EDGE * self.decoder(places).tanh())

    @torch.enable_grad()
    def fit(
        self,
        cepstra: Float[Tensor, "S entries"],
        ratio: Float[Tensor, "S lags"],
        seed: int = 0,
    ) -> None:
        """Train encoder and decoder together.

        Args:
            cepstra: cepstra of the series.
            ratio: autocorrelation over residual power of each series, see ``per_power``.
            seed: seed of the weights and of the order of the series.
        """
        dice = torch.Generator().manual_seed(seed)
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        for weight in weights:
            weight.requires_grad_()
        adam = torch.optim.Adam(weights, lr=_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
        steps = torch.tensor(self.steps).to(self.grid)
        for _ in range(STEPS):
            row = torch.randperm(len(cepstra), generator=dice)[:_AT_ONCE].to(cepstra.device)
            place = self.encode(cepstra[row])
            nearest = ((place + 1) / steps).round() * steps - 1
            quantised = place + (nearest - place).detach()  # straight-through gradient
            loss = excess(ratio[row], self.decode(quantised)).log1p().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        self.requires_grad_(False)


def excess(ratio: Float[Tensor, "S lags"], filters: Float[Tensor, "S p"]) -> Float[Tensor, " S"]:
    """Return the Itakura distance of each series to its own one of the filters."""
    polynomial = nn.functional.pad(filters, (1, 0), value=1.0)
    length = polynomial.shape[1]
    products = [
        (polynomial[:, : length - lag] * polynomial[:, lag:]).sum(1) for lag in range(length)
    ]
    weights = torch.stack([products[0], *(2 * part for part in products[1:])], 1)
    return ((ratio * weights).sum(1) - 1).clamp(min=0)


def grid_levels(n_codes: int) -> list[int]:
    """Return the levels of each dimension of a grid of K points: fours first, then primes.

    16 codes are 4 x 4. A prime number of codes is a single dimension.
    """
    levels, rest = [], n_codes
    for factor in (4, *range(2, n_codes + 1)):
        while rest % factor == 0 and rest > 1:
            levels.append(factor)
            rest //= factor
    assert prod(levels) == n_codes or n_codes == 1
    return levels or [1]


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, outputs)).double()
