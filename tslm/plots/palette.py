"""Colours and line styles of forecasts: distinct for colour-blind readers and in print."""

from collections.abc import Iterator
from itertools import count

OBSERVED = "#595959"  # colour of observed values
# Blue, vermilion and sky blue are from Okabe and Ito (2008), "Color Universal Design". The others
# were chosen for the largest distance in CIELAB under three kinds of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#FFB000", "#332288", "#56B4E9", "#661100")
STYLES = ("-", "--", "-.", ":", (0, (7, 2, 1, 2, 1, 2)), (0, (9, 2)))  # of matplotlib
DASHES = ("solid", "dash", "dashdot", "dot", "longdashdot", "longdash")  # the same of plotly

Style = str | tuple[int, tuple[int, ...]]


def forecast_styles() -> Iterator[tuple[str, Style, str]]:
    """Yield the colour, the line style of matplotlib and that of plotly of each forecast.

    Neither colours nor styles repeat in the first six, nor pairs of them in the first 36.
    """
    size = len(COLOURS)
    for number in count():
        style = (number + number // size) % size
        yield COLOURS[number % size], STYLES[style], DASHES[style]
