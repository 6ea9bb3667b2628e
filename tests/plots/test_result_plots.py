"""Backtests, errors and ablations as figures."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from tslm import DataError
from tslm.data.frame import Columns
from tslm.plots.results import MAX_SERIES, plot_ablation, plot_backtest, plot_errors

plotly = pytest.mark.skipif(find_spec("plotly") is None, reason="plotly is not installed")


def history(ids: int = 2, rows: int = 40) -> pd.DataFrame:
    steps = np.arange(rows)
    parts = [pd.DataFrame({"unique_id": i, "ds": steps, "y": steps + 100.0**i}) for i in range(ids)]
    return pd.concat(parts, ignore_index=True)


def backtest(ids: int = 2, origins: int = 2, h: int = 4) -> pd.DataFrame:
    """A model that errs by 1, 2, 3, 4 steps ahead, and one that always errs by 2."""
    df = history(ids)
    parts = []
    for origin in range(origins):
        cutoff = 39 - h * (origins - origin)
        fold = df[(df.ds > cutoff) & (df.ds <= cutoff + h)].assign(cutoff=cutoff)
        parts.append(fold.assign(A=fold.y + fold.ds - cutoff, B=fold.y - 2))
    return pd.concat(parts, ignore_index=True)


def ablation() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": ["itself", "none", "random"],
            "horizon": 24,
            "change_percent": [np.nan, -5.0, 3.0],
            "low": [np.nan, -8.0, 1.0],
            "high": [np.nan, -2.0, 5.0],
            "verdict": ["", "helps", "hurts"],
        }
    )


def test_every_origin_has_its_line_and_its_forecasts() -> None:
    figure = plot_backtest(history(), backtest())
    assert len(figure.axes) == 2
    lines = figure.axes[0].get_lines()
    assert len(lines) == 1 + 2 * 2 + 2  # history, two models at two origins, two origins
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["y", "A", "B"]
    assert len(plot_backtest(history(9), backtest(9)).axes) == MAX_SERIES


def test_errors_are_drawn_by_step_with_equal_weight_of_series() -> None:
    lines = plot_errors(backtest()).axes[0].get_lines()
    by_name = {line.get_label(): np.asarray(line.get_ydata()) for line in lines}
    usual = (2.5 + 2) / 2
    np.testing.assert_allclose(by_name["A"], np.arange(1, 5) / usual)
    np.testing.assert_allclose(by_name["B"], np.full(4, 2) / usual)
    one = backtest(1)
    loud = pd.concat([one, one.assign(unique_id=1, **{k: 1000 * one[k] for k in ("y", "A", "B")})])
    quiet = plot_errors(one).axes[0].get_lines()[0].get_ydata()
    np.testing.assert_allclose(plot_errors(loud).axes[0].get_lines()[0].get_ydata(), quiet)


def test_columns_may_have_other_names() -> None:
    names = {"unique_id": "shop", "ds": "day", "y": "sold"}
    columns = Columns("shop", "day", "sold")
    table = backtest().rename(columns=names)
    assert plot_errors(table, columns).axes
    assert plot_backtest(history().rename(columns=names), table, columns).axes


def test_a_forest_has_a_row_an_arm_and_leaves_the_model_itself_out() -> None:
    table = ablation()
    axes = plot_ablation(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "none"]
    assert axes.get_lines()[0].get_color() != axes.get_lines()[2].get_color()
    with pytest.raises(DataError, match="No arm was compared at horizon 96"):
        plot_ablation(table, 96)


def test_a_forest_marks_ends_of_intervals_that_lie_outside() -> None:
    axes = plot_ablation(ablation()).axes[0]
    heads = [line.get_marker() for line in axes.get_lines()]
    assert axes.get_xlim() == (-6.5, 6.5)  # one interval begins at -8, the other ends at 5
    assert (heads.count("<"), heads.count(">")) == (1, 0)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to draw"):
        plot_backtest(history(), backtest().iloc[:0])
    with pytest.raises(DataError, match="no row with an observed value"):
        plot_errors(backtest().assign(y=np.nan))


@plotly
def test_plotly_keeps_the_forecasts_of_overlapping_origins_apart() -> None:
    table = backtest(ids=1)
    table["ds"] -= 2 * (table.cutoff == table.cutoff.max())  # both origins tell of two steps
    figure = plot_backtest(history(1), table, engine="plotly")
    drawn = [trace for trace in figure.data if trace.name == "A"]
    for (_, fold), trace in zip(table.groupby("cutoff"), drawn, strict=True):
        np.testing.assert_array_equal(trace.x, fold.ds)
        np.testing.assert_array_equal(trace.y, fold.A)
    assert [note.text for note in figure.layout.annotations] == ["0"]
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert len(set(colours.values())) == len(colours) == 3
    assert len(figure.layout.shapes) == 2  # a dashed line for each origin


@plotly
def test_plotly_draws_the_same_errors_and_the_same_forest() -> None:
    drawn = plot_errors(backtest()).axes[0].get_lines()
    for line, trace in zip(drawn, plot_errors(backtest(), engine="plotly").data, strict=True):
        assert line.get_label() == trace.name
        np.testing.assert_array_equal(line.get_ydata(), trace.y)
    points = {trace.y[0]: trace for trace in plot_ablation(ablation(), engine="plotly").data}
    assert set(points) == {"none", "random"}
    assert points["none"].x[0] == -5
    assert (points["none"].error_x.array[0], points["none"].error_x.arrayminus[0]) == (3, 3)
    assert points["none"].marker.color != points["random"].marker.color
