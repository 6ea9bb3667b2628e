"""Plots of LiPCoT's codes: their spectra, their places in a series, and their transitions."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from numpy import ndarray

FLOOR = -60.0  # dB relative to the peak, below which spectra are cut off; chosen by hand


def plot_spectra(
    frequencies: Float[ndarray, " frequencies"],
    density: Float[ndarray, "codes frequencies"],
    names: Int[ndarray, " codes"],
) -> Figure:
    """Draw the spectrum of each code as a row, low frequencies on top.

    Args:
        frequencies: frequencies of the densities.
        density: power spectral density of each code, above 0.
        names: numbers of the codes.
    """
    level = 10 * np.log10(density / density.max(1, keepdims=True))
    centre = (density * frequencies).sum(1) / density.sum(1)
    order = np.argsort(centre)
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.09 * len(order)), layout="constrained")
    extent = (float(frequencies[0]), float(frequencies[-1]), len(order) - 0.5, -0.5)
    image = axes.imshow(
        level[order].clip(FLOOR),
        aspect="auto",
        cmap="magma",
        extent=extent,
        interpolation="nearest",
    )
    shown = np.arange(0, len(order), max(len(order) // 16, 1))
    axes.set_yticks(shown, names[order][shown])
    axes.set_xlabel("frequency")
    axes.set_ylabel("code")
    figure.colorbar(image, ax=axes, label="dB below its peak", shrink=0.8)
    plt.close(figure)
    return figure


def plot_codes(
    series: Float[ndarray, " L"],
    starts: Int[ndarray, " frames"],
    codes: Int[ndarray, "frames 3"],
    length: int,
) -> Figure:
    """Draw a series, and below it the code, the gain and the level of each frame.

    Args:
        series: values, oldest first.
        starts: first step of each frame.
        codes: ``(shape, gain, level)`` of each frame.
        length: steps of a frame.
    """
    figure, (above, below) = plt.subplots(
        2, figsize=(10, 4), sharex=True, height_ratios=(2, 1), layout="constrained"
    )
    above.plot(series, color="0.3", lw=0.8)
    for start in starts:
        above.axvline(start, color="0.85", lw=0.6, zorder=0)
    middles = starts + length / 2
    rows = codes.T / np.maximum(codes.max(0), 1)[:, None]
    edges = np.append(starts, starts[-1] + length)
    below.pcolormesh(edges, np.arange(4), rows, cmap="viridis", vmin=0, vmax=1)
    below.set_yticks(np.arange(3) + 0.5, ["shape", "gain", "level"])
    below.invert_yaxis()
    if len(starts) <= 40:
        for middle, column in zip(middles, codes, strict=True):
            for row, number in enumerate(column):
                below.text(
                    middle, row + 0.5, int(number), ha="center", va="center", color="w", fontsize=7
                )
    below.set_xlabel("step")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure


def plot_transitions(shapes: Int[ndarray, " frames"]) -> Figure:
    """Draw how often each code follows each other one, the most used codes first.

    Args:
        shapes: codes in the order of time.
    """
    used, place, counts = np.unique(shapes, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    table = np.zeros((len(used), len(used)))
    np.add.at(table, (rank[place[:-1]], rank[place[1:]]), 1)
    fraction = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(5.5, 4.6), layout="constrained")
    image = axes.imshow(fraction, cmap="Blues", vmin=0, interpolation="nearest")
    shown = np.arange(0, len(used), max(len(used) // 16, 1))
    axes.set_xticks(shown, used[order][shown])
    axes.set_yticks(shown, used[order][shown])
    axes.set_xlabel("next code")
    axes.set_ylabel("code")
    figure.colorbar(image, ax=axes, label="fraction", shrink=0.8)
    plt.close(figure)
    return figure
