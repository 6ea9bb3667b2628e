"""Frames in, figures out."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tslm import DataError
from tslm.plotting import MOST, SHOWN, models, plot_forecasts


def frame(ids: int = 2, n: int = 30, first: int = 0, column: str = "y") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(ids), n),
            "ds": np.tile(np.arange(first, first + n), ids),
            column: np.arange(ids * n, dtype=float),
        }
    )


def test_a_panel_for_each_series_eight_at_most() -> None:
    for ids, panels in ((1, 1), (3, 3), (20, MOST)):
        figure = plot_forecasts(frame(ids), frame(ids, 4, 30, "Model"))
        assert len(figure.axes) == panels
        assert figure.axes[0].get_title(loc="left") == "0"


def test_history_before_the_forecast_is_cut_to_what_can_be_seen() -> None:
    figure = plot_forecasts(frame(1, 100), frame(1, 4, 100, "Model"))
    history, ahead = figure.axes[0].get_lines()
    assert len(history.get_xdata()) == SHOWN * 4 + 4
    assert history.get_xdata()[-1] == 99
    assert ahead.get_xdata().tolist() == [100, 101, 102, 103]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["y", "Model"]


def test_either_frame_may_be_left_out() -> None:
    assert len(plot_forecasts(frame(), None).axes) == 2
    (line,) = plot_forecasts(None, frame(1, 5, 0, "Model")).axes[0].get_lines()
    assert line.get_label() == "Model"


def test_the_users_column_names_are_known_and_cutoffs_are_no_model() -> None:
    past = frame(1).rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
    ahead = frame(1, 4, 30, "Model").rename(columns={"unique_id": "shop", "ds": "day"})
    ahead = ahead.assign(sold=1.0, cutoff=29)
    assert models(ahead, ("shop", "day", "sold")) == ["Model"]
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
def test_nothing_to_draw_is_said(df: pd.DataFrame | None) -> None:
    with pytest.raises(DataError, match="nothing to draw"):
        plot_forecasts(df, None)


def test_intervals_are_bands_and_samples_thin_lines_of_their_forecast() -> None:
    ahead = frame(1, 4, 100, "Model")
    for column, shift in (("lo-80", -1.0), ("hi-80", 1.0), ("lo-95", -2.0), ("hi-95", 2.0)):
        ahead[f"Model-{column}"] = ahead.Model + shift
    for i in range(3):
        ahead[f"Model-sample-{i}"] = ahead.Model + i
    assert models(ahead, ("unique_id", "ds", "y")) == ["Model"]
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
