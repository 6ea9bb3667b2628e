"""Draw results, ranks, a forecast, and the input of the language model: docs/pictures/*.png.

python docs/pictures.py draws all of it in about six minutes on two cores;
python docs/pictures.py results forecast draws only the pictures of these names.
python docs/pictures.py ranks draws the mean ranks of each published table of the suite.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tslm import BaselineForecaster, LiPCoTTokenizer, TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.evaluation.leaderboard import gather
from tslm.plots.anomalies import plot_anomalies
from tslm.plots.suite import plot_ranks

SURVEY = Path(__file__).parent / "results" / "survey"
SUITE = Path(__file__).parent / "results" / "suite"
COMPARED = {  # models of the survey in the picture: their names there
    "AutoTimes": "AutoTimes",
    "llm+profile_ar": "AutoTimes on profile_ar",
    "random_matched": "AutoTimes, random weights",
    "gru": "AutoTimes, GRU for the LLM",
    "ridge_nlinear": "ridge regression",
}
BIKES = Path(__file__).parents[1] / "data" / "bike_sharing_hourly.csv.gz"
PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Draw results, a forecast, codes of ETTh1, and its last context in words."""
    PICTURES.mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    for name, draw in DRAWN.items():
        if not wanted or name in wanted:
            draw()
    if wanted:
        return
    data = load("etth1")
    row = data.frame.groupby("unique_id").cumcount()
    known = data.frame[row < data.borders.val_end]
    draw_codes(known[known.unique_id == "OT"].y.to_numpy())
    for adapter in ("time_llm", "s2ip"):
        model = TSLMForecaster(
            h=96, base=None, adapter=adapter, prompt=data.description, max_steps=60, random_state=0
        )
        model.fit(known, val_df=None)
        model.explain(top=4).plot("OT").savefig(PICTURES / f"{adapter}.png", dpi=110)


def draw_results() -> None:
    """Draw the squared errors of some models relative to ``profile_ar``, for each data set."""
    errors = gather([str(SURVEY)]).pivot_table("mse", "data", "model", sort=False)
    change = 100 * (errors.div(errors["profile_ar"], axis=0) - 1)
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for place, (name, label) in enumerate(COMPARED.items()):
        rows = np.arange(len(change)) + 0.12 * (place - 2)
        axes.plot(change[name], rows, "o", label=label)
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(change)), change.index)
    axes.invert_yaxis()
    axes.set_xlabel("MSE relative to profile_ar, % (left is better)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(PICTURES / "results.png", dpi=110)


def draw_ranks() -> None:
    """Draw the mean ranks of the models of the suite, with the critical difference."""
    for path in sorted(SUITE.glob("*.json")):
        ranks = json.loads(path.read_text())["ranks"]
        if ranks["mean_ranks"]:
            figure = plot_ranks(ranks["mean_ranks"], ranks["critical_difference"], "default")
            figure.savefig(PICTURES / f"ranks-{path.stem}.png", dpi=110)


def draw_forecast() -> None:
    """Draw two days of bike rentals: the forecast with its intervals, and the true values."""
    bikes = pd.read_csv(BIKES, parse_dates=["date_time"])
    bikes = bikes.rename(columns={"date_time": "ds", "users": "rentals per hour"})
    bikes = bikes[["ds", "rentals per hour"]][bikes.ds < "2012-06-14"]
    known = bikes[bikes.ds < "2012-06-12"]
    model = TSLMForecaster(
        h=48,
        target_col="rentals per hour",
        base="auto",
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


def _rentals() -> pd.DataFrame:
    """Return hourly bike rentals with their covariates."""
    bikes = pd.read_csv(BIKES, parse_dates=["date_time"])
    return bikes.rename(columns={"date_time": "ds", "users": "rentals per hour"})


def draw_anomalies() -> None:
    """Draw the scores of bike rentals in autumn 2012, and print the least likely days."""
    bikes, start, context = _rentals()[["ds", "rentals per hour"]], "2012-10-01", 28
    model = BaselineForecaster(
        "profile_ar",
        h=24,
        target_col="rentals per hour",
        season_length=168,
        context_length=24 * context,
        val_size=24 * 60,
    )
    model.fit(bikes[bikes.ds < start])
    seen = bikes[bikes.ds >= pd.Timestamp(start) - pd.Timedelta(days=context)]
    scores = model.score_samples(seen, alpha=0.01)
    days = scores.drop_duplicates("cutoff").nsmallest(10, "window_p_value")
    for cutoff, p in zip(days.cutoff, days.window_p_value, strict=True):
        print((cutoff + pd.Timedelta(hours=1)).date(), round(p, 4))
    shown = scores[scores.ds.between("2012-10-20", "2012-11-26")]
    figure = plot_anomalies(shown, target_col="rentals per hour")
    figure.savefig(PICTURES / "anomalies.png", dpi=110)


def draw_inputs() -> None:
    """Draw the importance of days and covariates for the forecast of a day of bike rentals."""
    bikes = _rentals()
    known = bikes[bikes.ds < "2012-06-12"]
    model = BaselineForecaster(
        "profile_ar",
        h=24,
        target_col="rentals per hour",
        futr_exog=["temp", "weather", "workingday"],
        context_length=24 * 14,
    )
    model.fit(known)
    found = model.explain(known, kind="inputs", futr_df=bikes[bikes.ds >= "2012-06-12"])
    print(found.inputs.to_string())
    found.plot().savefig(PICTURES / "inputs.png", dpi=110)


DRAWN = {
    "results": draw_results,
    "ranks": draw_ranks,
    "forecast": draw_forecast,
    "anomalies": draw_anomalies,
    "inputs": draw_inputs,
}


if __name__ == "__main__":
    main()
