"""Codebook: vector quantisation of frames by a few filters, gains and levels.

Buzo, Gray, Gray & Markel, "Speech coding based upon vector quantization", IEEE Trans. ASSP 28,
1980 (Itakura distance, LBG); Anjum, "LiPCoT", arXiv 2408.07292 (k-means).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from sklearn.cluster import KMeans
from torch import Tensor

from tslm.core.float64 import ExactModule
from tslm.core.messages import at_least, check_choice
from tslm.models.layers.lpc.burg import Autoregression
from tslm.models.layers.lpc.framing import Frames
from tslm.models.layers.lpc.linear_prediction import RIDGE, correlation, levinson, step_up
from tslm.models.layers.lpc.spaces import SPACES, TINY

LATENTS = ("itakura", *SPACES)
PAD, MASK, FLAT, MISSING = range(4)
SPECIAL = 4  # number of reserved codes; the code of filter c is c + SPECIAL
_SETTLED = 1e-6  # LBG stops at a smaller relative improvement; chosen by hand
_ROUNDS = 100  # most rounds of LBG; chosen by hand


class Codes(NamedTuple):
    """Codes of frames, in three parts.

    Args:
        shape: PAD, MASK, FLAT, MISSING, or the number of a filter plus ``SPECIAL``.
        gain: bin of the log power of the filter's prediction error.
        level: bin of the mean.
    """

    shape: Int[Tensor, " S"]
    gain: Int[Tensor, " S"]
    level: Int[Tensor, " S"]


class Bins(ExactModule):
    """Quantile bins of a number, with the mean of each bin.

    Args:
        count: number of bins.

    Raises:
        ConfigError: if it is below 1.

    Attributes:
        edges: inner edges of the bins.
        values: mean of each bin.
    """

    edges: Float[Tensor, " edges"]
    values: Float[Tensor, " bins"]

    def __init__(self, count: int) -> None:
        super().__init__()
        at_least(1, bins=count)
        self.register_buffer("edges", torch.arange(1.0, count, dtype=torch.float64))
        self.register_buffer("values", torch.arange(count, dtype=torch.float64))

    def fit(self, numbers: Float[Tensor, " S"]) -> None:
        """Learn edges and means; do nothing without numbers."""
        if not len(numbers):
            return
        count = len(self.values)
        ordered = numbers.to(self.edges).sort().values
        after = torch.arange(1, count, device=numbers.device) * len(numbers) // count
        # edges lie between two numbers, so that rounding moves none to another bin
        self.edges.copy_((ordered[(after - 1).clamp(min=0)] + ordered[after]) / 2)
        bins = self(numbers)
        sums = torch.zeros_like(self.values).index_add_(0, bins, numbers)
        filled = torch.bincount(bins, minlength=count)
        ends = torch.cat([numbers.min()[None], self.edges, numbers.max()[None]])
        middles = (ends[:-1] + ends[1:]) / 2
        self.values.copy_(torch.where(filled > 0, sums / filled.clamp(min=1), middles))

    def forward(self, numbers: Float[Tensor, "*S"]) -> Int[Tensor, "*S"]:
        """Return the bin of each number; that of NaN is the first."""
        bins = torch.bucketize(numbers.to(self.edges), self.edges, right=True)
        return torch.where(torch.isnan(numbers), 0, bins)


class Codebook(ExactModule):
    """Codebook of filters, gains and levels; it starts with random stable filters.

    Args:
        order: coefficients of a filter, p.
        n_codes: number of filters, K.
        latent: distance between frames: ``itakura``, or a space of
            ``tslm.models.layers.lpc.spaces``.
        gain_codes: bins of the log gain.
        level_codes: bins of the level.
        power_weight: weight of the log power as a further entry of the vectors of a space; 0
            compares shapes only.

    Raises:
        ConfigError: if a size or a choice is impossible.

    Attributes:
        filters: coefficients of each code.
        centres: vector of each code in the space.
        loc: mean of the vectors of a published space, for their z-score.
        spread: their standard deviation.
        learnt: True after ``fit``.
        gains: bins of the log gain.
        levels: bins of the level.
    """

    filters: Float[Tensor, "K p"]
    centres: Float[Tensor, "K entries"]
    loc: Float[Tensor, " entries"]
    spread: Float[Tensor, " entries"]
    learnt: Bool[Tensor, ""]

    def __init__(
        self,
        order: int,
        n_codes: int,
        latent: str = "itakura",
        gain_codes: int = 8,
        level_codes: int = 16,
        power_weight: float = 0.0,
    ) -> None:
        super().__init__()
        check_choice("latent", latent, LATENTS)
        at_least(1, n_codes=n_codes, order=order)
        self.latent, self.power_weight = latent, power_weight
        dice = torch.Generator().manual_seed(0)
        drawn = torch.rand(n_codes, order, generator=dice, dtype=torch.float64) * 2 - 1
        reflection = drawn / torch.arange(1, order + 1)  # decreasing, as in real series
        model = Autoregression(step_up(reflection), drawn.new_ones(n_codes), reflection)
        self.register_buffer("filters", model.coefficients)
        vectors = self._vectors(model)
        self.register_buffer("centres", vectors)
        self.register_buffer("loc", torch.zeros_like(vectors[0]))
        self.register_buffer("spread", torch.ones_like(vectors[0]))
        self.register_buffer("learnt", torch.tensor(False))
        self.gains, self.levels = Bins(gain_codes), Bins(level_codes)

    @torch.no_grad()
    def fit(self, frames: Frames, seed: int = 0) -> None:
        """Learn filters from frames that are not flat, and gains and levels from observed ones.

        Args:
            frames: measured frames; if they are fewer than the codes, some codes are equal.
            seed: seed of the random start.
        """
        self.learnt.fill_(True)
        coded = frames.coded
        model = Autoregression(*(part[coded] for part in frames.model))
        if coded.any():
            self._learn(model, seed)
            gains = self._nearest(model)[1]
            self.gains.fit(gains)
        self.levels.fit(frames.level[~frames.missing])

    @torch.no_grad()
    def forward(self, frames: Frames) -> Codes:
        """Return the codes of frames."""
        nearest, gains = self._nearest(frames.model)
        shape = torch.where(frames.flat, FLAT, nearest + SPECIAL)
        shape = torch.where(frames.missing, MISSING, shape)
        gain = torch.where(frames.coded, self.gains(gains), 0)
        return Codes(shape, gain, torch.where(frames.missing, 0, self.levels(frames.level)))

    def distances(self, model: Autoregression) -> Float[Tensor, "S K"]:
        """Compute the Itakura or squared Euclidean distance of each model to each code."""
        if self.latent == "itakura":
            return itakura(per_power(model), self.filters)
        vectors = (self._vectors(model) - self.loc) / self.spread
        return torch.cdist(vectors, self.centres).square()

    def _nearest(self, model: Autoregression) -> tuple[Tensor, Tensor]:
        """Find the nearest filter, and the log power of its prediction error."""
        distances = self.distances(model)
        nearest = distances.argmin(1)
        if self.latent != "itakura":
            distances = itakura(per_power(model), self.filters)
        excess = distances.gather(1, nearest[:, None])[:, 0]
        return nearest, model.power.clamp(min=TINY).log() + excess.log1p()

    def _learn(self, model: Autoregression, seed: int) -> None:
        """Learn filters by LBG (Itakura distance), or by k-means in a space."""
        count, order = self.filters.shape
        if self.latent == "itakura":
            self.filters.copy_(lbg(per_power(model), count, seed))
            self.centres.copy_(self.filters)
            return
        space = SPACES[self.latent]
        vectors = self._vectors(model)
        if space.published:
            self.loc.copy_(vectors.mean(0))
            deviation = vectors.std(0, correction=0)
            self.spread.copy_(torch.where(deviation > 0, deviation, 1.0))
        scaled = ((vectors - self.loc) / self.spread).cpu().numpy()
        kept = min(count, len(scaled))
        found = KMeans(kept, n_init=10, max_iter=500, random_state=seed).fit(scaled)
        centres = torch.from_numpy(found.cluster_centers_).to(self.centres)
        self.centres.copy_(centres[torch.arange(count) % kept])
        extra = 1 if self.power_weight and not space.published else 0
        shapes = self.centres * self.spread + self.loc
        self.filters.copy_(space.decode(shapes[:, : shapes.shape[1] - extra], order))

    def _vectors(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        """Convert models to vectors of the space, with the weighted log power if it counts."""
        if self.latent == "itakura":
            return model.coefficients
        space = SPACES[self.latent]
        vectors = space.encode(model)
        if space.published or not self.power_weight:
            return vectors
        power = model.power.clamp(min=TINY).log()[:, None]
        return torch.cat([vectors, self.power_weight * power], 1)


def per_power(model: Autoregression) -> Float[Tensor, "S lags"]:
    """Compute the autocorrelation of each model over the power of its error, ``r / E``."""
    r = correlation(model.reflection)
    r[:, 0] += RIDGE
    return r / levinson(r).power[:, None]


def itakura(ratio: Float[Tensor, "S lags"], filters: Float[Tensor, "K p"]) -> Float[Tensor, "S K"]:
    """Compute Itakura distances ``a'Ra / E - 1 >= 0`` of series to filters.

    It is the relative increase of the error power, compared with the series' own filter.

    Args:
        ratio: autocorrelation over residual power of each series, see ``per_power``.
        filters: coefficients a_1 ... a_p.
    """
    polynomial = torch.nn.functional.pad(filters, (1, 0), value=1.0)
    order = filters.shape[1]
    products = [
        (polynomial[:, : order + 1 - lag] * polynomial[:, lag:]).sum(1) for lag in range(order + 1)
    ]
    weights = 2 * torch.stack(products, 1)  # a'Ra = s_0 r_0 + 2 sum_k s_k r_k
    weights[:, 0] /= 2
    return (ratio @ weights.T - 1).clamp(min=0)


def lbg(ratio: Float[Tensor, "S lags"], n_codes: int, seed: int = 0) -> Float[Tensor, "K p"]:
    """Cluster series by filters with a small mean Itakura distance (Linde-Buzo-Gray).

    It starts with series drawn with a chance that grows with their distance from those drawn
    before, as in k-means++. It then assigns each series to its nearest filter, and gives each
    filter the mean of ``r / E`` of its series, which is stable and never increases the distance.
    A filter without a series takes the series with the largest distance.

    Args:
        ratio: autocorrelation over residual power, see ``per_power``.
        n_codes: filters, K; of fewer distinct series some filters are equal.
        seed: seed of the draws.
    """
    filters = _spread_out(ratio, n_codes, seed)
    before = torch.inf
    for _ in range(_ROUNDS):
        nearest = itakura(ratio, filters).min(1)
        distortion = float(nearest.values.mean())
        if distortion >= before * (1 - _SETTLED):
            break
        before = distortion
        filters = centroids(ratio, nearest.indices, nearest.values, n_codes)
    return filters


def centroids(
    ratio: Float[Tensor, "S lags"],
    nearest: Int[Tensor, " S"],
    distance: Float[Tensor, " S"],
    n_codes: int,
) -> Float[Tensor, "K p"]:
    """Average the series of each filter; an empty one takes the series coded worst."""
    sums = ratio.new_zeros(n_codes, ratio.shape[1]).index_add_(0, nearest, ratio)
    empty = torch.bincount(nearest, minlength=n_codes) == 0
    worst = distance.topk(min(int(empty.sum()), len(distance))).indices
    sums[empty] = ratio[worst[torch.arange(int(empty.sum())) % max(len(worst), 1)]]
    return levinson(sums).coefficients


def _spread_out(ratio: Float[Tensor, "S lags"], n_codes: int, seed: int) -> Float[Tensor, "K p"]:
    """Draw series with a chance that grows with their distance; return their filters."""
    dice = torch.Generator().manual_seed(seed)
    own = levinson(ratio).coefficients
    first = int(torch.randint(len(ratio), (), generator=dice))
    chosen = [first]
    distance = itakura(ratio, own[first : first + 1])[:, 0]
    for _ in range(1, n_codes):
        chances = distance.cpu() if float(distance.sum()) > 0 else torch.ones(len(ratio))
        chosen.append(int(torch.multinomial(chances, 1, generator=dice)))
        distance = torch.minimum(distance, itakura(ratio, own[chosen[-1:]])[:, 0])
    return own[chosen]
