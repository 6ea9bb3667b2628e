"""Series written in a text: numbers of another quantity with their times, as covariates."""

from typing import NamedTuple

import pandas as pd

from tslm.data.events.timeline import Timeline


class WrittenSeries(NamedTuple):
    """Series found in a text.

    Attributes:
        values: one column per series, one row per step of the timeline; NaN where the text gives
            none.
        rest: the text without the passages that were read as numbers.
    """

    values: pd.DataFrame
    rest: str


def read_series(text: str, timeline: Timeline) -> WrittenSeries:
    """Read the series that a text gives in numbers; the table has no column if there is none."""
    return WrittenSeries(pd.DataFrame(index=timeline.times), text)
