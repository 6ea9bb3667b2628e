"""Split of rows for few-shot training: the first rows of each series, by the published rule."""

import numpy as np

from tslm.core.calendar import Ints


def first_rows(split: Ints, context_length: int, horizon: int, fraction: float) -> Ints:
    """Return the number of first rows of each series that training may use.

    This is one context and a fraction of the training rows after it, as in S2IP-LLM and Time-LLM
    (``(rows - L) * percent // 100 + L``), and at least one horizon after the context, so that every
    series with a window keeps one.

    Args:
        split: number of training rows of each series.
        context_length: rows of context, L.
        horizon: forecast steps, H.
        fraction: fraction of the rows, in (0, 1].
    """
    context = np.minimum(context_length, split - horizon).clip(0)
    rows = np.floor(np.round((split - context) * fraction, 6)).astype(np.int64)
    return np.minimum(context + np.maximum(rows, horizon), split)
