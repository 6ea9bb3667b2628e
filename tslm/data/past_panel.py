"""Rows of series up to given positions, as the series of a panel of their own."""

from dataclasses import replace

import numpy as np

from tslm.core.calendar import Ints
from tslm.data.panel import Panel, rows_of


def past_panel(panel: Panel, series: Ints, position: Ints, rows: int) -> Panel:
    """Return the last rows before given positions, each stretch as a series.

    Series may have the same id, so the result is for forecasts only.

    Args:
        panel: the series.
        series: number of the series of each stretch.
        position: row of the series after the stretch; at least 1.
        rows: most rows of a stretch.
    """
    lengths = np.minimum(position, rows)
    begin = panel.offsets[:-1][series] + position - lengths
    index = rows_of(begin, lengths)
    return replace(
        panel,
        values=panel.values[index],
        time=panel.time[index],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=panel.ids[series],
        loc=panel.loc[series],
        spread=panel.spread[series],
        step=panel.step[series],
        effects=panel.effects.take(index, series),
        text=panel.text and [panel.text[number] for number in series.tolist()],
        titles=panel.titles and [panel.titles[number] for number in series.tolist()],
    )
