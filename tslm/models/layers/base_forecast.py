"""Forecasts of a classical base at each place where a model predicts."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.models.layers.base_memory import RememberedForecasts


@torch.no_grad()
def anchors(
    base: Forecaster | RememberedForecasts,
    past: Float[Tensor, "B L C"],
    time: Int[Tensor, "B T"],
    step: int,
    steps: int,
    ahead: int = 1,
) -> Float[Tensor, "B M C"]:
    """Forecast M values, the last of them after the context, by a base.

    Values are forecast in groups of ``step``, each from the values of the context before it.

    Args:
        base: classical forecaster; it ignores times, and treats NaN on the left as a shorter
            context.
        past: contexts.
        time: times of the contexts, passed on to ``base``.
        step: steps of a group.
        steps: values in total, M, a multiple of ``step``.
        ahead: number of last groups that follow the context.
    """
    groups, context = steps // step - (ahead - 1), past.shape[1]
    longer = pad(past, (0, 0, (groups - 1) * step, 0), value=torch.nan)
    windows = rearrange(longer.unfold(1, context, step), "B G C L -> (B G) L C")
    found = base.forecast(Batch.of(windows, time.repeat_interleave(groups, 0)), step)
    near = rearrange(found, "(B G) P C -> B (G P) C", G=groups)
    if ahead == 1:
        return near
    return torch.cat([near, base.forecast(Batch.of(past, time), ahead * step)[:, step:]], 1)
