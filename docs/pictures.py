"""Draw a forecast, and the input that adapters give to the language model: docs/pictures/*.png.

python docs/pictures.py draws all of it in about six minutes on two cores;
python docs/pictures.py forecast draws the picture of README alone.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tslm import LiPCoTTokenizer, TSLMForecaster
from tslm.data.datasets.benchmarks import load

BIKES = Path(__file__).parents[1] / "data" / "bike_sharing_hourly.csv.gz"
PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Draw a forecast, codes of ETTh1, and its last context in words after a short training."""
    PICTURES.mkdir(exist_ok=True)
    draw_forecast()
    if sys.argv[1:] == ["forecast"]:
        return
    data = load("etth1")
    row = data.frame.groupby("unique_id").cumcount()
    known = data.frame[row < data.borders.val_end]
    draw_codes(known[known.unique_id == "OT"].y.to_numpy())
    for adapter in ("time_llm", "s2ip"):
        model = TSLMForecaster(
            h=96, adapter=adapter, prompt=data.description, max_steps=60, random_state=0
        )
        model.fit(known, val_df=None)
        model.explain(top=4).plot("OT").savefig(PICTURES / f"{adapter}.png", dpi=110)


def draw_forecast() -> None:
    """Draw two days of bike rentals: the forecast with its intervals, and the true values."""
    bikes = pd.read_csv(BIKES, parse_dates=["date_time"])
    bikes = bikes.rename(columns={"date_time": "ds", "users": "rentals per hour"})
    bikes = bikes[["ds", "rentals per hour"]][bikes.ds < "2012-06-14"]
    known = bikes[bikes.ds < "2012-06-12"]
    model = TSLMForecaster(
        h=48,
        target_col="rentals per hour",
        decoder="quantile",
        base="profile_ar",
        floor=0,
        max_steps=150,
        random_state=0,
    )
    model.fit(known[known.ds >= "2011-06-01"])
    figure = model.plot(bikes, model.predict(level=[80, 95]))
    figure.set_size_inches(9, 3.4)
    figure.axes[0].set_xlim(pd.Timestamp("2012-06-08"), pd.Timestamp("2012-06-14"))
    figure.savefig(PICTURES / "forecast.png", dpi=110)


def draw_codes(series: np.ndarray) -> None:
    """Draw the codebook of a series, its codes, and the transitions between them."""
    tokenizer = LiPCoTTokenizer(order=12, n_codes=32)
    tokenizer.fit(tokenizer.cut(series, 48, hop=12))
    figures = {
        "spectra": tokenizer.plot_spectra(),
        "series": tokenizer.plot_series(series[-30 * 48 :]),
        "transitions": tokenizer.plot_transitions(series),
    }
    for name, figure in figures.items():
        figure.savefig(PICTURES / f"codes-{name}.png", dpi=110)


if __name__ == "__main__":
    main()
