"""A codebook: a few filters, gains and levels in place of all that frames can be.

Buzo, Gray, Gray & Markel, "Speech coding based upon vector quantization", IEEE Trans. ASSP 28,
1980 (Itakura distance, LBG); Anjum, "LiPCoT", arXiv 2408.07292 (k-means).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from sklearn.cluster import KMeans
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.float64 import ExactModule
from tslm.models.layers.lpc.burg import Autoregression
from tslm.models.layers.lpc.framing import Frames
from tslm.models.layers.lpc.linear_prediction import RIDGE, correlation, levinson, step_up
from tslm.models.layers.lpc.spaces import SPACES, TINY

LATENTS = ("itakura", *SPACES)
PAD, MASK, FLAT, MISSING = range(4)
SPECIAL = 4  # reserved codes; the code of filter c is c + SPECIAL
_SETTLED = 1e-6  # relative gain of a round of LBG below which it stops
_ROUNDS = 100


class Codes(NamedTuple):
    """One token a frame, in three parts.

    Args:
        shape: PAD, MASK, FLAT, MISSING, or ``SPECIAL`` more than the number of a filter.
        gain: bin of the log power that the filter leaves unexplained.
        level: bin of the mean.
    """

    shape: Int[Tensor, " S"]
    gain: Int[Tensor, " S"]
    level: Int[Tensor, " S"]


class Bins(ExactModule):
    """Equally filled intervals of a number, each with the mean of what falls into it.

    Args:
        count: of intervals.
    """

    edges: Float[Tensor, " n"]
    values: Float[Tensor, " m"]

    def __init__(self, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ConfigError(f"{count} bins: there must be at least one.")
        self.register_buffer("edges", torch.arange(1.0, count, dtype=torch.float64))
        self.register_buffer("values", torch.arange(count, dtype=torch.float64))

    def fit(self, numbers: Float[Tensor, " S"]) -> None:
        """Learn edges and means; without numbers nothing changes."""
        if not len(numbers):
            return
        count = len(self.values)
        ordered = numbers.to(self.edges).sort().values
        after = torch.arange(1, count, device=numbers.device) * len(numbers) // count
        # between two numbers, so that rounding moves none of them to another bin
        self.edges.copy_((ordered[(after - 1).clamp(min=0)] + ordered[after]) / 2)
        bins = self(numbers)
        sums = torch.zeros_like(self.values).index_add_(0, bins, numbers)
        filled = torch.bincount(bins, minlength=count)
        ends = torch.cat([numbers.min()[None], self.edges, numbers.max()[None]])
        middles = (ends[:-1] + ends[1:]) / 2
        self.values.copy_(torch.where(filled > 0, sums / filled.clamp(min=1), middles))

    def forward(self, numbers: Float[Tensor, "*S"]) -> Int[Tensor, "*S"]:
        """The bin of each number; NaN falls into the first."""
        bins = torch.bucketize(numbers.to(self.edges), self.edges, right=True)
        return torch.where(torch.isnan(numbers), 0, bins)


class Codebook(ExactModule):
    """Filters with their gains and levels; begins with random stable filters.

    Args:
        order: coefficients of a filter, p.
        n_codes: filters, K.
        latent: distance between frames: ``itakura``, or a space of
            ``tslm.models.layers.lpc.spaces``.
        gain_codes: bins of the log gain.
        level_codes: bins of the level.
        power_weight: weight of the log power beside the vector of a space, 0 for shape alone.

    Raises:
        ConfigError: if a size or a choice is impossible.
    """

    filters: Float[Tensor, "K p"]
    centres: Float[Tensor, "K d"]
    loc: Float[Tensor, " d"]
    spread: Float[Tensor, " d"]
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
        if latent not in LATENTS:
            raise ConfigError(f"latent {latent!r} is unknown. Choose one of {', '.join(LATENTS)}.")
        if n_codes < 1 or order < 1:
            raise ConfigError(f"n_codes={n_codes} and order={order} must be at least 1.")
        self.latent, self.power_weight = latent, power_weight
        dice = torch.Generator().manual_seed(0)
        drawn = torch.rand(n_codes, order, generator=dice, dtype=torch.float64) * 2 - 1
        reflection = drawn / torch.arange(1, order + 1)  # later ones are small, as in real series
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
        """Learn filters from frames that move, gains and levels from all that are observed.

        Args:
            frames: measured frames. Of fewer than there are codes some codes are equal.
            seed: of the random start.
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
        """The codes of frames."""
        nearest, gains = self._nearest(frames.model)
        shape = torch.where(frames.flat, FLAT, nearest + SPECIAL)
        shape = torch.where(frames.missing, MISSING, shape)
        gain = torch.where(frames.coded, self.gains(gains), 0)
        return Codes(shape, gain, torch.where(frames.missing, 0, self.levels(frames.level)))

    def distances(self, model: Autoregression) -> Float[Tensor, "S K"]:
        """How far each model is from each code: Itakura's distance, or a squared Euclidean one."""
        if self.latent == "itakura":
            return itakura(per_power(model), self.filters)
        vectors = (self._vectors(model) - self.loc) / self.spread
        return torch.cdist(vectors, self.centres).square()

    def _nearest(self, model: Autoregression) -> tuple[Tensor, Tensor]:
        """The nearest filter, and the log power it leaves unexplained."""
        distances = self.distances(model)
        nearest = distances.argmin(1)
        if self.latent != "itakura":
            distances = itakura(per_power(model), self.filters)
        excess = distances.gather(1, nearest[:, None])[:, 0]
        return nearest, model.power.clamp(min=TINY).log() + excess.log1p()

    def _learn(self, model: Autoregression, seed: int) -> None:
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

    def _vectors(self, model: Autoregression) -> Float[Tensor, "S d"]:
        if self.latent == "itakura":
            return model.coefficients
        space = SPACES[self.latent]
        vectors = space.encode(model)
        if space.published or not self.power_weight:
            return vectors
        power = model.power.clamp(min=TINY).log()[:, None]
        return torch.cat([vectors, self.power_weight * power], 1)


def per_power(model: Autoregression) -> Float[Tensor, "S q"]:
    """Autocorrelation of each model divided by the power it leaves unexplained, ``r / E``."""
    r = correlation(model.reflection)
    r[:, 0] += RIDGE
    return r / levinson(r).power[:, None]


def itakura(ratio: Float[Tensor, "S q"], filters: Float[Tensor, "K p"]) -> Float[Tensor, "S K"]:
    """By which share each filter predicts each series worse than its own: ``a'Ra / E - 1 >= 0``.

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


def lbg(ratio: Float[Tensor, "S q"], n_codes: int, seed: int = 0) -> Float[Tensor, "K p"]:
    """Filters that code series with a small mean Itakura distance (Linde-Buzo-Gray).

    Starts at series drawn by their distance from those already drawn, then assigns each series to
    its nearest filter and gives each filter the mean of ``r / E`` of its series, which is stable
    and never makes the distance larger. A filter without a series takes the one coded worst.

    Args:
        ratio: autocorrelation over residual power, see ``per_power``.
        n_codes: filters, K; of fewer distinct series some filters are equal.
        seed: of the draws.
    """
    filters = _spread_out(ratio, n_codes, seed)
    before = torch.inf
    for _ in range(_ROUNDS):
        nearest = itakura(ratio, filters).min(1)
        distortion = float(nearest.values.mean())
        if distortion >= before * (1 - _SETTLED):
            break
        before = distortion
        filters = _centroids(ratio, nearest.indices, nearest.values, n_codes)
    return filters


def _centroids(
    ratio: Float[Tensor, "S q"],
    nearest: Int[Tensor, " S"],
    distance: Float[Tensor, " S"],
    n_codes: int,
) -> Float[Tensor, "K p"]:
    sums = ratio.new_zeros(n_codes, ratio.shape[1]).index_add_(0, nearest, ratio)
    empty = torch.bincount(nearest, minlength=n_codes) == 0
    worst = distance.topk(min(int(empty.sum()), len(distance))).indices
    sums[empty] = ratio[worst[torch.arange(int(empty.sum())) % max(len(worst), 1)]]
    return levinson(sums).coefficients


def _spread_out(ratio: Float[Tensor, "S q"], n_codes: int, seed: int) -> Float[Tensor, "K p"]:
    """Filters of series drawn with a chance that grows with their distance to the earlier ones."""
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
