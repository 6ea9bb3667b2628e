"""Monthly series with titles: US employment, and Australian retail."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from tslm.data.datasets.benchmarks import COLD_START, kind_of, read_published


@dataclass(frozen=True)
class TitledSet:
    """Monthly series that end together, each with a title.

    Attributes:
        name: name of the set.
        ids: id of each series.
        titles: title of each series.
        groups: group of each series.
        times: first day of each month.
        values: one row per series; NaN before its first value.
    """

    name: str
    ids: list[str]
    titles: list[str]
    groups: list[str]
    times: pd.DatetimeIndex
    values: Float64[np.ndarray, "n T"]


def is_cold_start(content: Any) -> bool:
    """Return whether the content of a file in ``conf/benchmark`` is that of cold starts."""
    return kind_of(content) == COLD_START


def load(name: str, about: Mapping[str, Any]) -> TitledSet:
    """Read a set.

    Args:
        name: its name.
        about: its description in ``conf/benchmark/cold_start.yaml``.

    Raises:
        DataError: if a file is missing or altered.
    """
    content = read_published(about["file"], about["sha256"], name, about["source"])
    if "titles" in about:
        wide = pd.read_csv(BytesIO(content), sep="\t", index_col=0, parse_dates=True)
        wide.columns = wide.columns.str.partition("_").get_level_values(0)
        words = read_published(about["titles"], about["titles_sha256"], name, about["source"])
        table = pd.read_csv(BytesIO(words)).set_index("series_id")
        wide = wide.loc[about["since"] :]
        titles = table["title"].reindex(wide.columns)
        groups = pd.Series(titles.index.str[: about["group_letters"]])
    else:
        long = pd.read_csv(BytesIO(content), parse_dates=["Month"])
        wide = long.pivot(index="Month", columns="Series ID", values="Turnover")
        table = long.drop_duplicates("Series ID").set_index("Series ID").loc[wide.columns]
        titles, groups = table["Industry"] + " in " + table["State"], table["Industry"]
    there = wide.iloc[-1].notna().to_numpy()
    return TitledSet(
        name=name,
        ids=wide.columns[there].tolist(),
        titles=titles[there].tolist(),
        groups=np.asarray(groups)[there].tolist(),
        times=pd.DatetimeIndex(wide.index),
        values=wide.loc[:, there].to_numpy(dtype=np.float64).T,
    )
