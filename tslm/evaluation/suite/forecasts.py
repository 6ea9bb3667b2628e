"""Forecasts of a task as a table in a file: points and deciles of each series, window and step.

Our models and those of other libraries write the same table, so that one function scores them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from tslm.core.errors import DataError
from tslm.core.files import write_table
from tslm.core.messages import naming
from tslm.evaluation.metrics import panel_errors
from tslm.evaluation.metrics.panel_errors import DECILES
from tslm.evaluation.suite.groups import EACH
from tslm.evaluation.suite.panels import Window

QUANTILES = [f"q-{100 * level:g}" for level in DECILES]  # columns
COLUMNS = ["unique_id", "window", "step", "point", *QUANTILES]


@dataclass(frozen=True)
class WindowForecast:
    """Forecast of one window.

    Args:
        points: by series and step.
        quantiles: deciles, by series, step and level.
    """

    points: Float[np.ndarray, "S H"]
    quantiles: Float[np.ndarray, "S H Q"]


def write(forecasts: Sequence[WindowForecast], ids: Sequence[str], path: Path) -> None:
    """Write the forecasts of all windows to a Parquet file."""
    parts = []
    for number, forecast in enumerate(forecasts):
        series, steps = forecast.points.shape
        part = pd.DataFrame(forecast.quantiles.reshape(series * steps, -1), columns=QUANTILES)
        part.insert(0, "point", forecast.points.ravel())
        part.insert(0, "step", np.tile(np.arange(steps), series))
        part.insert(0, "window", number)
        part.insert(0, "unique_id", np.repeat(np.asarray(ids, dtype=object), steps))
        parts.append(part)
    write_table(pd.concat(parts, ignore_index=True)[COLUMNS], path)


def read(path: Path, windows: Sequence[Window]) -> list[WindowForecast]:
    """Read the forecasts of all windows; series are in the order of the windows.

    Raises:
        DataError: if a forecast is missing, twice there or not a number.
    """
    table = pd.read_parquet(path)
    if missing := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{path} has no column {', '.join(missing)}.")
    found = []
    for number, window in enumerate(windows):
        rows = table[table.window == number]
        found.append(arrange(rows, window, ["point", *QUANTILES], "step", str(path)))
    return found


def arrange(
    rows: pd.DataFrame, window: Window, columns: Sequence[str], time: str, title: str
) -> WindowForecast:
    """Put the rows of one window into arrays.

    Args:
        rows: one row per series and step.
        window: gives the order of series and the number of steps.
        columns: the column of points, then those of the deciles.
        time: the column that orders the steps.
        title: the origin of the rows, for messages.

    Raises:
        DataError: if a series has not as many rows as steps, or a value is not finite.
    """
    series, steps = window.truth.shape
    counts = rows.groupby("unique_id").size().reindex(list(window.ids), fill_value=0)
    wrong = counts[counts != steps].index
    if len(wrong) or len(rows) != series * steps:
        raise DataError(f"{title} has not {steps} forecasts of series {naming(wrong)}.")
    order = {key: number for number, key in enumerate(window.ids)}
    place = np.lexsort((rows[time].to_numpy(), rows.unique_id.map(order).to_numpy()))
    values = rows[list(columns)].to_numpy(dtype=np.float64)[place].reshape(series, steps, -1)
    finite = np.isfinite(values).all(axis=(1, 2))
    if not finite.all():
        wrong_ids = [key for key, fine in zip(window.ids, finite, strict=True) if not fine]
        raise DataError(f"{title}: forecasts of series {naming(wrong_ids)} are not finite numbers.")
    return WindowForecast(values[..., 0], values[..., 1:])


def score(
    windows: Sequence[Window],
    forecasts: Sequence[WindowForecast],
    season_length: int,
    average: str,
) -> dict[str, float]:
    """Return MASE, WQL and SQL of the forecasts of a task.

    Args:
        windows: with the true values.
        forecasts: one per window.
        season_length: of the scale of errors.
        average: "each" averages the errors of windows, as fev does; "pooled" takes the series of
            all windows as one panel, as GIFT-Eval does.
    """
    parts = [
        (window.truth, forecast.points, forecast.quantiles, window.scale(season_length))
        for window, forecast in zip(windows, forecasts, strict=True)
    ]
    if average == EACH:
        errors = [_errors(*part) for part in parts]
        return {name: float(np.mean([one[name] for one in errors])) for name in errors[0]}
    truth, points, quantiles, scale = (
        np.concatenate(list(each)) for each in zip(*parts, strict=True)
    )
    return _errors(truth, points, quantiles, scale)


def _errors(
    truth: Float[np.ndarray, "S H"],
    points: Float[np.ndarray, "S H"],
    quantiles: Float[np.ndarray, "S H Q"],
    scale: Float[np.ndarray, " S"],
) -> dict[str, float]:
    return {
        "mase": panel_errors.mase(truth, points, scale),
        "wql": panel_errors.wql(truth, quantiles, DECILES),
        "sql": panel_errors.sql(truth, quantiles, DECILES, scale),
    }
