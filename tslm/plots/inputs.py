"""Plots of the importance of inputs: a series, its forecast, and what each input adds to it."""

from textwrap import shorten

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tslm.core.errors import DataError
from tslm.plots.forecasts import concise
from tslm.plots.palette import COLOURS, OBSERVED

BAR = "#B8D4E8"
LONGEST = 60  # characters of a statement that are shown


def plot_inputs(
    inputs: pd.DataFrame,
    forecasts: pd.DataFrame,
    history: pd.DataFrame,
    name: str,
    series: object = None,
) -> Figure:
    """Draw a series and its forecast, and below them the effect of each input.

    Args:
        inputs: table of an ``InputExplanation``.
        forecasts: columns ``unique_id``, ``ds`` and ``name``.
        history: rows of the context: ``unique_id``, ``ds`` and ``y``, without the effects of
            covariates.
        name: name of the forecast.
        series: id of the series; None takes the first.

    Raises:
        DataError: if there is no such series.
    """
    chosen = forecasts.unique_id.iloc[0] if series is None else series
    past, ahead, own = (t[t.unique_id == chosen] for t in (history, forecasts, inputs))
    if ahead.empty:
        raise DataError(f"The explanation has no series {chosen!r}. Pass one of its unique_id.")
    others = own[own.kind != "context"]
    patches = own[own.kind == "context"]
    rows = 2 + bool(len(others))
    heights = [3, 1.6, 0.4 + 0.3 * len(others)][:rows]
    figure, grid = plt.subplots(
        rows, 1, figsize=(9, sum(heights)), height_ratios=heights, layout="constrained"
    )
    above, below = grid[:2]
    removed = " without the effects of covariates" if (own.kind == "covariate").any() else ""
    above.plot(past.ds, past.y, color=OBSERVED, lw=1, label=f"y{removed}")
    above.plot(ahead.ds, ahead[name], color=COLOURS[0], lw=1.5, label=name)
    above.set_title(str(chosen), loc="left", fontsize="medium")
    above.legend(frameon=False, loc="upper left", ncols=2, fontsize="small")
    above.tick_params(labelbottom=False)
    step = ahead.ds.iloc[0] - past.ds.iloc[-1]
    width = patches.end - patches.start + step
    bars = {"color": BAR, "lw": 0, "label": "importance"}
    below.bar(patches.start, patches.importance, width, align="edge", **bars)
    middle = patches.start + width / 2
    below.plot(middle, patches.effect, "_", ms=9, mew=2, color=COLOURS[1], label="effect")
    below.legend(frameon=False, loc="upper left", ncols=2, fontsize="small")
    below.axhline(0, color=OBSERVED, lw=0.8)
    below.set_ylabel("change of the\nforecast", fontsize="small")
    below.sharex(above)
    for axes in (above, below):
        concise(axes)
    if len(others):
        last = grid[2]
        labels = [shorten(f"{row.input}", LONGEST) for row in others.itertuples()]
        ahead_of = others.start >= ahead.ds.iloc[0]
        labels = [
            f"{text}, {'ahead' if later else 'past'}"
            for text, later in zip(labels, ahead_of, strict=True)
        ]
        places = range(len(others))
        last.barh(places, others.importance, color=BAR)
        last.plot(others.effect, list(places), "|", ms=9, mew=2, color=COLOURS[1])
        last.axvline(0, color=OBSERVED, lw=0.8)
        last.set_yticks(list(places), labels, fontsize="small")
        last.invert_yaxis()
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure
