"""Windows of real series with a base forecast, on which statements take effect."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from tslm.data.datasets.benchmarks import read_published
from tslm.estimators.trained_forecaster import TrainedForecaster

LEVELS = tuple(round(0.1 * number, 1) for number in range(1, 10))
MOST_ROWS = 4000  # last rows of a series that are used


@dataclass(frozen=True)
class Window:
    """Steps of one series after an origin.

    Args:
        dataset: name of the set.
        truth: values that followed, without a statement.
        point: base forecast.
        quantiles: quantiles of the base forecast at ``LEVELS``, as rows.
        sigma: standard deviation of the series before the first origin.
        scale: mean absolute value of the series before the first origin, the unit of errors.
    """

    dataset: str
    truth: Float64[np.ndarray, " H"]
    point: Float64[np.ndarray, " H"]
    quantiles: Float64[np.ndarray, "levels H"]
    sigma: float
    scale: float


def windows(name: str, source: Mapping[str, Any], model: TrainedForecaster) -> list[Window]:
    """Forecast a set of series from rolling origins, without statements.

    Args:
        name: name of the set.
        source: its file, columns, frequency, season, horizon and number of windows.
        model: estimator of the base forecast; it is fitted once, before the first origin.

    Raises:
        DataError: if the file is missing.
    """
    frame = _frame(name, source)
    h = int(source["horizon"])
    model.set_params(h=h, freq=source["freq"], season_length=source["season_length"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table = model.cross_validation(
            frame, n_windows=int(source["windows"]), quantiles=list(LEVELS), baselines=()
        )
    points = table[model.alias or model.name].to_numpy(np.float64)
    columns = [f"{model.alias or model.name}-q-{round(100 * level)}" for level in LEVELS]
    found = []
    for rows in table.groupby(["unique_id", "cutoff"], sort=False).indices.values():
        part = table.iloc[rows]
        own = frame[frame["unique_id"] == part["unique_id"].iloc[0]]
        before = own.loc[own["ds"] <= table["cutoff"].min(), "y"].to_numpy(np.float64)
        truth = part["y"].to_numpy(np.float64)
        if len(part) == h and np.isfinite(truth).all():
            quantiles = part[columns].to_numpy(np.float64).T
            sizes = float(np.nanstd(before)), float(np.nanmean(np.abs(before)))
            found.append(Window(name, truth, points[rows], quantiles, *sizes))
    return found


def _frame(name: str, source: Mapping[str, Any]) -> pd.DataFrame:
    """Read a set as a long frame; the last rows of each series."""
    content = read_published(source["file"], None, name, "the address in data/README.md")
    table = pd.read_csv(BytesIO(content))
    frame = pd.DataFrame(
        {
            "unique_id": table[source["id"]] if "id" in source else name,
            "ds": pd.to_datetime(table[source["time"]]),
            "y": table[source["value"]].astype(float),
        }
    )
    return frame.groupby("unique_id", sort=False).tail(MOST_ROWS).reset_index(drop=True)
