"""Few-shot training: the first rows of each series, by the published rule."""

import numpy as np

from tslm.core.calendar import Ints


def first_rows(split: Ints, context_length: int, horizon: int, fraction: float) -> Ints:
    """How many first rows of each series training may see.

    A context, and a fraction of the training rows after it, as S2IP-LLM and Time-LLM count it
    (``(rows - L) * percent // 100 + L``); here at least a horizon, so that every series that has a
    window keeps one.

    Args:
        split: training rows of each series.
        context_length: L.
        horizon: H.
        fraction: of the rows, in (0, 1].
    """
    context = np.minimum(context_length, split - horizon).clip(0)
    share = np.floor(np.round((split - context) * fraction, 6)).astype(np.int64)
    return np.minimum(context + np.maximum(share, horizon), split)
