"""Plots of the suite: skill of each model by task, and mean ranks with the critical difference."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tslm.plots.palette import COLOURS, OBSERVED

OWN, OTHERS, WORSE = COLOURS[0], OBSERVED, COLOURS[1]


def plot_skill(relative: pd.DataFrame, own: str, title: str = "") -> Figure:
    """Draw the skill of each model: 1 minus its error relative to the reference.

    Args:
        relative: relative errors, one row per model (the best first) and one column per task.
        own: name of the model to highlight.
        title: name of the error.
    """
    models, tasks = list(relative.index), list(relative.columns)
    figure, axes = plt.subplots(
        figsize=(1.6 + 0.75 * len(tasks), 1.4 + 0.3 * len(models)), layout="constrained"
    )
    skill = 1 - relative.to_numpy(dtype=np.float64)
    axes.imshow(skill, cmap="RdBu", vmin=-0.6, vmax=0.6, aspect="auto")
    for (row, column), value in np.ndenumerate(skill):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.45 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", size=8, color=colour)
    axes.set_xticks(range(len(tasks)), tasks, rotation=30, ha="right")
    axes.set_yticks(range(len(models)), models)
    for label in axes.get_yticklabels():
        if label.get_text() == own:
            label.set_color(OWN)
            label.set_fontweight("bold")
    axes.set_title(f"skill {title}: 1 - error / error of the reference", size=10)
    axes.spines[:].set_visible(False)
    plt.close(figure)
    return figure


def plot_ranks(ranks: Mapping[str, float], difference: float, own: str) -> Figure:
    """Draw mean ranks; the bar covers the ranks that do not differ significantly from the best.

    Args:
        ranks: mean rank of each model over tasks.
        difference: critical difference of two mean ranks.
        own: name of the model to highlight.
    """
    ordered: Sequence[tuple[str, float]] = sorted(ranks.items(), key=lambda item: item[1])
    figure, axes = plt.subplots(figsize=(7.5, 1.0 + 0.28 * len(ordered)), layout="constrained")
    best = ordered[0][1]
    axes.axvspan(best, best + difference, color="#ddf4ff", zorder=0)
    for row, (model, rank) in enumerate(ordered):
        far = rank > best + difference
        colour = OWN if model == own else WORSE if far else OTHERS
        axes.plot(rank, row, "o", color=colour)
        axes.annotate(f"{rank:.2f}", (rank, row), (6, -3), textcoords="offset points", size=8)
    axes.set_yticks(range(len(ordered)), [model for model, _ in ordered])
    axes.invert_yaxis()
    axes.set_xlabel(f"mean rank over tasks; critical difference {difference:.2f} (Nemenyi, 5 %)")
    axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure
