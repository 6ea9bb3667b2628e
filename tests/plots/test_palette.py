"""Lines of one plot can be told apart, by readers who are colour-blind too."""

from itertools import combinations, islice

import numpy as np
import pytest
from jaxtyping import Float
from matplotlib.colors import to_rgb
from numpy import ndarray

from tslm.plots.palette import COLOURS, DASHES, OBSERVED, STYLES, forecast_styles

# Machado, Oliveira and Fernandes (2009): linear RGB as seen with each kind of colour blindness
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def cielab(colour: str, sight: str) -> Float[ndarray, " 3"]:
    """Return lightness and the two axes of colour, as a person of this sight sees them."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_forecasts_and_of_observed_values_are_far_apart(sight: str) -> None:
    for one, other in combinations((*COLOURS, OBSERVED, "white"), 2):
        assert np.linalg.norm(cielab(one, sight) - cielab(other, sight)) > 20, (one, other)


def test_neither_colours_nor_line_styles_repeat_in_the_first_six_forecasts() -> None:
    for part in zip(*islice(forecast_styles(), 6), strict=True):
        assert len(set(part)) == 6
    assert len(STYLES) == len(DASHES) == len(COLOURS)


def test_no_pair_of_colour_and_line_style_repeats_in_the_first_36_forecasts() -> None:
    pairs = [(colour, style) for colour, style, _ in islice(forecast_styles(), 36)]
    assert len(set(pairs)) == 36
