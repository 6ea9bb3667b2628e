"""Plots of scores of observed values."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tslm import DataError
from tslm.plots.anomalies import plot_anomalies


def scores(ids: str = "ab") -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=5)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": days, "cutoff": days[0], "y": 1.0, "Theta": 2.0})
        for name in ids
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(log_likelihood=-1.0, p_value=[0.5, 0.4, 1e-5, 0.0, float("nan")] * len(ids))


def test_anomalies_are_marked_in_values_and_p_values() -> None:
    figure = plot_anomalies(scores())
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 4
    marks = [line for line in figure.axes[0].lines if line.get_label() == "anomaly"]
    assert len(marks[0].get_xdata()) == 2
    assert {line.get_label() for line in figure.axes[0].lines} == {"y", "Theta", "anomaly"}
    own = plot_anomalies(scores().assign(anomaly=False))
    marks = [line for line in own.axes[0].lines if line.get_label() == "anomaly"]
    assert len(marks[0].get_xdata()) == 0


def test_the_least_likely_series_are_drawn() -> None:
    many = scores("abcdef")
    many.loc[many.unique_id == "a", "p_value"] = 0.5
    titles = [axes.get_title(loc="left") for axes in plot_anomalies(many).axes[::2]]
    assert titles == ["b", "c", "d", "e"]


def test_other_frames_are_refused() -> None:
    with pytest.raises(DataError, match="lack \\['log_likelihood', 'p_value'\\]"):
        plot_anomalies(scores().drop(columns=["log_likelihood", "p_value"]))
    with pytest.raises(DataError, match="no rows"):
        plot_anomalies(scores().head(0))
