"""What a classical forecast says at each place where a model predicts."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.types import Forecaster


@torch.no_grad()
def anchors(
    base: Forecaster,
    past: Float[Tensor, "B L C"],
    time: Int[Tensor, "B T"],
    step: int,
    steps: int,
) -> Float[Tensor, "B M C"]:
    """Forecasts of a base for M values that end ``step`` steps after the context.

    They come in groups of ``step``, and each group is forecast from what precedes it alone.

    Args:
        base: reads values and not times; NaN on the left is to it a shorter context.
        past: contexts.
        time: of the contexts; handed on, not read.
        step: steps of a group.
        steps: values in all, M, a multiple of ``step``.
    """
    groups, context = steps // step, past.shape[1]
    longer = pad(past, (0, 0, (groups - 1) * step, 0), value=torch.nan)
    windows = rearrange(longer.unfold(1, context, step), "B G C L -> (B G) L C")
    ahead = base.forecast(windows, time.repeat_interleave(groups, 0), step)
    return rearrange(ahead, "(B G) P C -> B (G P) C", G=groups)
