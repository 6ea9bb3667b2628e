"""Frames in, figures out."""

from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import tslm.plots.panels
from tslm import ConfigError, DataError
from tslm.estimators.explanation import Explanation
from tslm.plots.forecasts import HISTORY_HORIZONS, MAX_SERIES, plot_forecasts
from tslm.plots.panels import forecast_columns

plotly = pytest.mark.skipif(find_spec("plotly") is None, reason="plotly is not installed")


def frame(ids: int = 2, n: int = 30, first: int = 0, column: str = "y") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(ids), n),
            "ds": np.tile(np.arange(first, first + n), ids),
            column: np.arange(ids * n, dtype=float),
        }
    )


def test_a_panel_for_each_series_eight_at_most() -> None:
    for ids, panels in ((1, 1), (3, 3), (20, MAX_SERIES)):
        figure = plot_forecasts(frame(ids), frame(ids, 4, 30, "Model"))
        assert len(figure.axes) == panels
        assert figure.axes[0].get_title(loc="left") == "0"


def test_history_before_the_forecast_is_cut_to_what_can_be_seen() -> None:
    figure = plot_forecasts(frame(1, 100), frame(1, 4, 100, "Model"))
    history, ahead = figure.axes[0].get_lines()
    assert len(history.get_xdata()) == HISTORY_HORIZONS * 4 + 4
    assert history.get_xdata()[-1] == 99
    assert ahead.get_xdata().tolist() == [100, 101, 102, 103]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["y", "Model"]


def test_either_frame_may_be_left_out() -> None:
    assert len(plot_forecasts(frame(), None).axes) == 2
    (line,) = plot_forecasts(None, frame(1, 5, 0, "Model")).axes[0].get_lines()
    assert line.get_label() == "Model"


def test_column_names_of_the_user_are_known_and_cutoffs_are_no_model() -> None:
    past = frame(1).rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
    ahead = frame(1, 4, 30, "Model").rename(columns={"unique_id": "shop", "ds": "day"})
    ahead = ahead.assign(sold=1.0, cutoff=29)
    assert forecast_columns(ahead, ("shop", "day", "sold")) == ["Model"]
    figure = plot_forecasts(past, ahead, id_col="shop", time_col="day", target_col="sold")
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["sold", "Model"]


def test_figures_are_not_left_open() -> None:
    before = plt.get_fignums()
    plot_forecasts(frame(), None)
    assert plt.get_fignums() == before


def test_rows_are_drawn_in_the_order_of_time() -> None:
    mixed = frame(1).sample(frac=1, random_state=0)
    (line,) = plot_forecasts(mixed, None).axes[0].get_lines()
    assert (np.diff(line.get_xdata()) > 0).all()


@pytest.mark.parametrize("df", [None, frame().head(0)])
def test_empty_forecasts_are_refused(df: pd.DataFrame | None) -> None:
    with pytest.raises(DataError, match="nothing to draw"):
        plot_forecasts(df, None)


def test_intervals_are_bands_and_samples_thin_lines_of_their_forecast() -> None:
    ahead = frame(1, 4, 100, "Model")
    for column, shift in (("lo-80", -1.0), ("hi-80", 1.0), ("lo-95", -2.0), ("hi-95", 2.0)):
        ahead[f"Model-{column}"] = ahead.Model + shift
    for i in range(3):
        ahead[f"Model-sample-{i}"] = ahead.Model + i
    assert forecast_columns(ahead, ("unique_id", "ds", "y")) == ["Model"]
    axes = plot_forecasts(None, ahead).axes[0]
    assert len(axes.get_lines()) == 1 + 3
    assert len({line.get_color() for line in axes.get_lines()}) == 1
    heights = sorted(np.ptp(band.get_paths()[0].vertices[:, 1]) for band in axes.collections)
    drift = np.ptp(ahead.Model)
    assert heights == pytest.approx([drift + 2, drift + 4])
    labels = [text.get_text() for text in axes.get_figure().legends[0].get_texts()]
    assert labels == ["Model"]


def test_quantiles_are_bands_from_the_outermost_pair_to_the_innermost() -> None:
    ahead = frame(1, 4, 100, "Model")
    for q in (10, 30, 50, 70, 90):
        ahead[f"Model-q-{q}"] = ahead.Model + q / 100
    assert len(plot_forecasts(None, ahead).axes[0].collections) == 2


@plotly
def test_plotly_draws_the_same_lines_and_bands_as_matplotlib() -> None:
    ahead = frame(3, 4, 100, "Model")
    ahead["Model-lo-80"], ahead["Model-hi-80"] = ahead.Model - 1, ahead.Model + 2
    figure = plot_forecasts(frame(3, 100), ahead, engine="plotly")
    assert [note.text for note in figure.layout.annotations] == ["0", "1", "2"]
    drawn = plot_forecasts(frame(3, 100), ahead)
    lines = [line for axes in drawn.axes for line in axes.get_lines()]
    traces = [trace for trace in figure.data if trace.fill is None]
    assert len(lines) == len(traces)
    for line, trace in zip(lines, traces, strict=True):
        assert line.get_label() == trace.name
        np.testing.assert_array_equal(line.get_xdata(), trace.x)
        np.testing.assert_array_equal(line.get_ydata(), trace.y)
    bands = [trace for trace in figure.data if trace.fill is not None]
    assert [np.ptp(band.y) for band in bands] == [np.ptp(ahead.Model[:4]) + 3] * 3
    assert [trace.name for trace in figure.data if trace.showlegend is True] == ["y", "Model"]


@plotly
def test_plotly_draws_how_much_of_each_prototype_is_in_each_patch() -> None:
    reading = pd.DataFrame(
        {
            "unique_id": "a",
            "patch": [0, 0, 1, 1],
            "prototype": [3, 5, 3, 5],
            "weight": [0.1, 0.9, 0.4, 0.6],
            "words": ["up, rise", "down, fall"] * 2,
        }
    )
    figure = Explanation(pd.DataFrame(), reading).plot(engine="plotly")
    assert list(figure.data[0].y) == ["down, fall  [5]", "up, rise  [3]"]
    np.testing.assert_array_equal(figure.data[0].z, [[0.9, 0.6], [0.1, 0.4]])


def test_an_engine_that_is_unknown_or_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Choose one of matplotlib, plotly"):
        plot_forecasts(frame(), None, engine="bokeh")
    monkeypatch.setattr(tslm.plots.panels, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tslm\[plot\]'"):
        plot_forecasts(frame(), None, engine="plotly")


def test_no_two_lines_of_a_panel_share_a_colour() -> None:
    ahead = frame(1, 4, 100, "A").assign(B=1.0, C=2.0, D=3.0, E=4.0, F=5.0)
    lines = plot_forecasts(frame(1, 100), ahead).axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 7
