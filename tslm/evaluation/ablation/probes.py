"""Probes: disturb the contexts of a trained model to see if it uses the order of its input.

Each probe changes every series separately and keeps its mean where possible; masked values become
the mean of the window.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Generator, Tensor

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.messages import unknown_choice
from tslm.core.types import Batch

Rows = Float[Tensor, "S L"]


class Probed(Forecaster):
    """Forecaster whose contexts are disturbed before it reads them.

    Args:
        forecaster: the forecaster that reads the disturbed contexts.
        probe: ``shuffle_all``, ``shuffle_half`` (the older one), ``swap_halves``, ``reverse``,
            ``shuffle_patches:P``, ``mask:FRACTION`` or ``noise:DEVIATIONS``.
        seed: seed of the random probes.

    Raises:
        ConfigError: if there is no such probe.
    """

    def __init__(self, forecaster: Forecaster, probe: str, seed: int = 0) -> None:
        super().__init__()
        self.forecaster, self.seed, self.multivariate = forecaster, seed, forecaster.multivariate
        self.probe = probe
        self.disturb = probe_of(probe)

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        rows = rearrange(batch.past, "B L C -> (B C) L")
        dice = Generator().manual_seed(self.seed)
        disturbed = rearrange(self.disturb(rows, dice), "(B C) L -> B L C", B=len(batch.past))
        return self.forecaster.forecast(batch._replace(past=disturbed), horizon)


def probe_of(name: str) -> Callable[[Rows, Generator], Rows]:
    """Return the function that disturbs contexts, by the name of a probe.

    Raises:
        ConfigError: if there is no such probe.
    """
    kind, _, size = name.partition(":")
    try:
        if size:
            return _SIZED[kind](float(size))
        return _PLAIN[kind]
    except (KeyError, ValueError) as error:
        known = [*_PLAIN, *(f"{sized}:NUMBER" for sized in _SIZED)]
        raise ConfigError(unknown_choice("probe", repr(name), known)) from error


def _shuffle_all(rows: Rows, dice: Generator) -> Rows:
    return rows.gather(1, _orders(len(rows), rows.shape[1], dice))


def _shuffle_half(rows: Rows, dice: Generator) -> Rows:
    half = rows.shape[1] // 2
    return torch.cat([_shuffle_all(rows[:, :half], dice), rows[:, half:]], 1)


def _swap_halves(rows: Rows, dice: Generator) -> Rows:
    half = rows.shape[1] // 2
    middle = rows[:, half : rows.shape[1] - half]  # the middle step of an odd length stays in place
    return torch.cat([rows[:, rows.shape[1] - half :], middle, rows[:, :half]], 1)


def _reverse(rows: Rows, dice: Generator) -> Rows:
    return rows.flip(1)


def _shuffle_patches(size: float) -> Callable[[Rows, Generator], Rows]:
    length = int(size)
    if length < 1:
        raise ValueError(size)

    def disturb(rows: Rows, dice: Generator) -> Rows:
        """Shuffle whole patches; the steps before the first whole patch stay in place."""
        rest = rows.shape[1] % length
        patches = rearrange(rows[:, rest:], "S (N P) -> S N P", P=length)
        order = _orders(len(rows), patches.shape[1], dice)[:, :, None].expand_as(patches)
        moved = rearrange(patches.gather(1, order), "S N P -> S (N P)")
        return torch.cat([rows[:, :rest], moved], 1)

    return disturb


def _mask(fraction: float) -> Callable[[Rows, Generator], Rows]:
    if not 0 <= fraction <= 1:
        raise ValueError(fraction)

    def disturb(rows: Rows, dice: Generator) -> Rows:
        hidden = _orders(len(rows), rows.shape[1], dice) < round(fraction * rows.shape[1])
        return torch.where(hidden, rows.nanmean(1, keepdim=True), rows)

    return disturb


def _noise(deviations: float) -> Callable[[Rows, Generator], Rows]:
    def disturb(rows: Rows, dice: Generator) -> Rows:
        centred = rows - rows.nanmean(1, keepdim=True)
        spread = centred.square().nanmean(1, keepdim=True).sqrt()
        noise = torch.randn(rows.shape, generator=dice, dtype=rows.dtype)
        return rows + deviations * spread * noise

    return disturb


def _orders(series: int, steps: int, dice: Generator) -> Int[Tensor, "S L"]:
    """Draw a random order of the steps of every series."""
    return torch.rand(series, steps, generator=dice).argsort(1)


_PLAIN = {
    "shuffle_all": _shuffle_all,
    "shuffle_half": _shuffle_half,
    "swap_halves": _swap_halves,
    "reverse": _reverse,
}
_SIZED = {"shuffle_patches": _shuffle_patches, "mask": _mask, "noise": _noise}
