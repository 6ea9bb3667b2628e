"""Masking of codes for masked language modelling, as in BERT.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
NAACL 2019, section 3.1. 15 % of the codes are to be predicted; of those 80 % are masked, 10 % are
replaced by another code and 10 % stay as they are.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

CHOSEN = 0.15
MASKED, REPLACED = 0.8, 0.9  # masked below the first, replaced from there to the second


def choose(
    candidates: Bool[Tensor, "*n"], generator: torch.Generator | None = None
) -> Bool[Tensor, "*n"]:
    """Draw the codes that are to be predicted.

    Args:
        candidates: True for codes that may be chosen.
        generator: source of the random numbers; None is the global one.
    """
    return candidates & (_draw(candidates, generator) < CHOSEN)


def masked_and_replaced(
    chosen: Bool[Tensor, "*n"], generator: torch.Generator | None = None
) -> tuple[Bool[Tensor, "*n"], Bool[Tensor, "*n"]]:
    """Draw which of the chosen codes are masked, and which are replaced by another code.

    Args:
        chosen: codes that are to be predicted.
        generator: source of the random numbers; None is the global one.
    """
    draw = _draw(chosen, generator)
    return chosen & (draw < MASKED), chosen & (draw >= MASKED) & (draw < REPLACED)


def _draw(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw uniform numbers on the CPU, so that all devices get the same ones."""
    return torch.rand(like.shape, generator=generator).to(like.device)
