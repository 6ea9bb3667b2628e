"""Reference forecast of the suite: seasonal naive, as the published tables have it.

The published tables differ in its intervals: each quantile is the point, or quantiles are normal
with the spread of seasonal differences.
"""

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from tslm.evaluation.metrics.panel_errors import DECILES
from tslm.evaluation.suite.forecasts import WindowForecast
from tslm.evaluation.suite.groups import Reference
from tslm.evaluation.suite.panels import Window


def forecast(window: Window, season_length: int, reference: Reference) -> WindowForecast:
    """Repeat the last season of each history.

    Args:
        window: the histories to continue.
        season_length: steps of the season; a shorter history repeats its last value.
        reference: the kind of intervals.
    """
    steps = window.truth.shape[1]
    points = np.stack([_repeat(past, season_length, steps) for past in window.pasts])
    quantiles = np.repeat(points[..., None], len(DECILES), axis=-1)
    if reference.intervals == "normal":
        spread = np.array([_spread(p, season_length, reference.rows) for p in window.pasts])
        growth = np.sqrt(np.arange(steps) // season_length + 1.0)
        quantiles += spread[:, None, None] * growth[:, None] * norm.ppf(DECILES)
    return WindowForecast(points, quantiles)


def _repeat(
    past: Float[np.ndarray, " L"], season_length: int, steps: int
) -> Float[np.ndarray, " H"]:
    length = season_length if len(past) >= season_length else 1
    return np.resize(past[-length:], steps)


def _spread(past: Float[np.ndarray, " L"], season_length: int, rows: int | None) -> float:
    """Return the root mean square of seasonal differences in the last rows."""
    recent = past if rows is None else past[-rows:]
    gaps = recent[season_length:] - recent[:-season_length]
    return float(np.sqrt(np.mean(gaps**2))) if len(gaps) else 0.0
