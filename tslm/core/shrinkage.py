"""How much of a correction to keep: what validation asks for, less its doubt."""

import torch
from jaxtyping import Float
from torch import Tensor

STRETCHES = 16  # of neighbouring windows; their sums are taken as independent


def share_kept(
    asked: Float[Tensor, " n"], given: Float[Tensor, " n"], caution: float = 0.0
) -> float:
    """The share, in [0, 1], of a correction c that brings a base nearest to the truth.

    ``sum (rest - share * c)^2`` is least where the share is ``sum rest * c / sum c^2``. Windows
    that overlap ask for much the same, so the doubt in the first sum is that between stretches of
    neighbours; to give away one standard error is a rule of Breiman et al., "Classification and
    regression trees", 1984, section 3.4.3.

    Args:
        asked: of each window, in the order of series and time, the sum of ``rest * c``.
        given: the sum of ``c^2``.
        caution: standard errors that are given away.
    """
    total = float(given.sum())
    if total <= 0:
        return 1.0
    stretches = torch.stack([part.sum() for part in asked.tensor_split(min(STRETCHES, len(asked)))])
    doubt = 0.0
    if len(stretches) > 1:
        doubt = float(stretches.std()) * len(stretches) ** 0.5
    return min(max((float(asked.sum()) - caution * doubt) / total, 0.0), 1.0)
