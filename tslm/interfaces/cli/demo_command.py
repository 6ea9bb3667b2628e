"""Demonstration: the default and simple forecasts on two shipped sets, in tables and pictures."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from tslm.core import files
from tslm.data.datasets.demonstration import DemonstrationSet, demonstration_sets
from tslm.estimators.factory import estimator_of
from tslm.estimators.saving.folder import check_free
from tslm.evaluation.protocols.demonstration import (
    INSIDE,
    HeldOut,
    errors,
    forecasts,
    with_intervals,
)
from tslm.plots.forecasts import plot_forecasts

DRAWN = 4  # series in a picture
LATEST = 3  # origins in a picture
HISTORY = 5  # horizons before them
WIDE = (10.0, 3.4)  # inches of a picture of one series


def demo(cfg: DictConfig, say: Callable[[str], None]) -> None:
    """Forecast two shipped sets, compare with simple forecasts, plot and save."""
    out = Path(cfg.out)
    files.check_writable(out, files.FOLDER)
    sets = demonstration_sets()
    for data in sets:
        check_free(out / data.name / "model", overwrite=True)
    for data in sets:
        _show(cfg, data, out / data.name, say)


def _show(cfg: DictConfig, data: DemonstrationSet, out: Path, say: Callable[[str], None]) -> None:
    """Forecast the held-out rows of one set; print the errors, and write the results."""
    say(f"\n{data.title}")
    out.mkdir(parents=True, exist_ok=True)
    model = estimator_of(cfg).set_params(h=data.h, season_length=data.season_length)
    models = [model, *(model.baseline(name) for name in data.simple)]
    rows = HeldOut.of(data)
    table = forecasts(models, rows)
    names = [one.name for one in models]
    found = errors(table, names, rows)
    say(_readable(found))
    table = with_intervals(table, names)
    files.write_table(table, out / "forecast.csv")
    files.write_table(found, out / "errors.csv")
    rival = next(name for name in found.forecast if name != model.name)
    _draw(table, model.name, rival, data, out / "forecast.png")
    model.save(out / "model", overwrite=True)
    say(f"wrote {out}/forecast.csv, forecast.png, errors.csv and model/")


def _readable(found: pd.DataFrame) -> str:
    """Return the errors as a table of text; small numbers are better."""
    formats = {"MASE": "{:.3f}", "WQL": "{:.4f}", INSIDE: "{:.0%}"}
    columns = {name: found[name].map(form.format) for name, form in formats.items()}
    width = found.forecast.str.len().max()
    shown = found.assign(**columns, forecast=found.forecast.str.ljust(width))
    return shown.rename(columns={"forecast": "forecast".ljust(width)}).to_string(index=False)


def _draw(table: pd.DataFrame, own: str, rival: str, data: DemonstrationSet, path: Path) -> None:
    """Draw the forecasts with 80 % intervals and the best simple one for some series."""
    ids = pd.unique(table.unique_id)
    some = ids[:: max(len(ids) // DRAWN, 1)][:DRAWN]
    steps = min(LATEST, data.origins) * data.h
    ahead = table[table.unique_id.isin(some)].groupby("unique_id").tail(steps)
    past = data.frame[data.frame.unique_id.isin(some)].groupby("unique_id")
    shown = ["unique_id", "ds", own, f"{own}-lo-80", f"{own}-hi-80", rival]
    figure = plot_forecasts(past.tail(steps + HISTORY * data.h), ahead[shown])
    if len(some) == 1:
        figure.set_size_inches(*WIDE)
    files.write_picture(figure, path)
