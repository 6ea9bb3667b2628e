"""Features of recordings: pooled hidden states of a frozen language model that reads codes."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.types import Tokens
from tslm.models.backbones.base import Backbone
from tslm.models.layers.lpc.codebook import SPECIAL, Codebook
from tslm.models.layers.lpc.spaces import cepstrum

AT_ONCE = 4096  # tokens in one pass


@torch.no_grad()
def hidden_features(
    codes: Int[ndarray, "n C N 3"],
    codebook: Codebook,
    backbone: Backbone,
    layout: str,
    pooling: str,
    seed: int,
) -> Float[ndarray, "n F"]:
    """Read the sentences of each recording and return their pooled hidden states side by side.

    Args:
        codes: codes ``(shape, gain, level)`` of the frames of each recording and channel.
        codebook: the filters, gains and levels that the codes number.
        backbone: the language model.
        layout: ``time``, ``channel`` or ``channel_time``, see ``TSLMClassifier``.
        pooling: ``mean`` of the hidden states of a sentence, or the ``last`` one.
        seed: seed of the random maps from codes to token vectors.
    """
    shapes, gains, levels = _code_vectors(codebook, backbone.width, seed)
    scale = float(backbone.lexicon.words.square().mean().sqrt())
    parts = []
    for chunk in _sentences(codes, layout):
        shape, gain, level = torch.from_numpy(chunk).unbind(-1)
        embeds = scale * _unit(shapes[shape] + gains[gain] + levels[level])
        hidden = backbone(Tokens(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool)))
        pooled = hidden[:, -1] if pooling == "last" else hidden.mean(1)
        parts.append(pooled.numpy())
    return np.concatenate(parts).reshape(len(codes), -1)


def _sentences(codes: Int[ndarray, "n C N 3"], layout: str) -> Iterator[Int[ndarray, "S M 3"]]:
    """Arrange codes in sentences, and split these into passes of limited size."""
    if layout == "channel_time":
        sentences = codes.swapaxes(1, 2).reshape(len(codes), -1, 3)
    elif layout == "channel":
        sentences = codes[:, :, 0]
    else:
        sentences = codes.reshape(-1, *codes.shape[2:])
    per_pass = max(AT_ONCE // sentences.shape[1], 1)
    yield from np.split(sentences, range(per_pass, len(sentences), per_pass))


def _code_vectors(codebook: Codebook, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a vector for every shape, gain and level, by fixed random maps of their spectra.

    A random map keeps distances, so codes with similar spectra get similar vectors.
    """
    dice = torch.Generator().manual_seed(seed)
    spectra = 2**0.5 * cepstrum(codebook.filters, 2 * codebook.filters.shape[1])
    shapes = torch.block_diag(torch.eye(SPECIAL).to(spectra), spectra)
    numbers = [values[:, None] for values in (codebook.gains.values, codebook.levels.values)]
    return tuple(  # type: ignore[return-value]  # as many as there are parts
        (_standard(rows) @ exactly(torch.randn(rows.shape[1], width, generator=dice)))
        .div(rows.shape[1] ** 0.5)
        .float()
        for rows in (shapes, *numbers)
    )


def _standard(rows: Tensor) -> Tensor:
    """Centre every column and divide all by one scale, which keeps relative distances."""
    rows = exactly(rows) - exactly(rows).mean(0)
    return rows / rows.square().mean().sqrt().clamp(min=1e-12)


def _unit(vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
    return vectors / vectors.square().mean(2, keepdim=True).add(1e-12).sqrt()
