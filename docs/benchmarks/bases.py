"""Theta, ETS and CES of tslm beside those of statsforecast, on 200 public series.

statsforecast needs pandas < 3, so it runs in an environment of its own, without tslm:

    python3 -m venv PEER && PEER/bin/pip install "statsforecast==2.1.1"
    TSLM_DATA=... PEER/bin/python docs/benchmarks/bases.py peer --out peer.json
    TSLM_DATA=... python docs/benchmarks/bases.py own --peer peer.json --out docs/results/bases.json

The last h rows of each series are the test; a model reads the 500 rows before them. The table has
the mean MASE of each set and of all series, and seconds of one thread.
"""

import argparse
import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROWS = 500  # last rows that a model reads
PEERS = {"theta": "DynamicOptimizedTheta", "ets": "AutoETS", "ces": "AutoCES"}
COMPETITIONS = (  # file, period, series, horizon, season
    ("m1_data.json.gz", "MONTHLY", 30, 18, 12),
    ("m1_data.json.gz", "QUARTERLY", 30, 8, 4),
    ("m1_data.json.gz", "YEARLY", 20, 6, 1),
    ("m3_data.json.gz", "MONTHLY", 40, 18, 12),
    ("m3_data.json.gz", "QUARTERLY", 30, 8, 4),
    ("m3_data.json.gz", "YEARLY", 20, 6, 1),
)


class Series(NamedTuple):
    """Series of a set, cut into the rows that a model reads and the test.

    Args:
        group: name of the set.
        season: steps of a season, m.
        past: rows before the test.
        future: the test.
    """

    group: str
    season: int
    past: np.ndarray
    future: np.ndarray


def every_series() -> list[Series]:
    """Return the 200 series, evenly spread over each set."""
    return [*_competitions(), *_hospital(), *_etth1()]


def _competitions() -> Iterator[Series]:
    folder = Path(os.environ["TSLM_DATA"])
    for file, period, count, h, season in COMPETITIONS:
        with gzip.open(folder / file) as stream:
            table = [one for one in json.load(stream).values() if one["period"] == [period]]
        for i in np.linspace(0, len(table) - 1, count).round().astype(int):
            past, future = (np.array(table[i][key], dtype=float) for key in ("x", "xx"))
            yield Series(f"{file[:2]} {period.lower()}", season, past[-ROWS:], future[:h])


def _hospital() -> Iterator[Series]:
    path = Path(os.environ["TSLM_DATA"]) / "monash" / "hospital_dataset.tsf.gz"
    with gzip.open(path, "rt", encoding="latin-1") as stream:
        lines = [line.rsplit(":", 1)[1] for line in stream if line.startswith("T")]
    for i in np.linspace(0, len(lines) - 1, 23).round().astype(int):
        values = np.array(lines[i].split(","), dtype=float)
        yield Series("hospital", 12, values[-ROWS - 12 : -12], values[-12:])


def _etth1() -> Iterator[Series]:
    path = Path(os.environ["TSLM_DATA"]) / "ETTh1.csv.gz"
    table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 8))
    for values in table.T:
        yield Series("ETTh1", 24, values[-ROWS - 24 : -24], values[-24:])


def mase(series: Series, ahead: np.ndarray) -> float:
    """Return the mean absolute error relative to that of the seasonal naive method on the past."""
    m = series.season if len(series.past) > series.season else 1
    scale = np.abs(series.past[m:] - series.past[:-m]).mean()
    return float(np.abs(series.future - ahead).mean() / max(scale, 1e-12))


def peer(out: Path) -> None:
    """Write the forecasts of statsforecast as JSON; null where it refuses a series."""
    from statsforecast import models

    found: dict[str, Any] = {"forecasts": {}, "seconds": {}}
    for name, peer_name in PEERS.items():
        rows, begin = [], None
        for series in every_series():
            model = getattr(models, peer_name)(season_length=series.season)
            try:
                ahead = model.forecast(series.past, len(series.future), level=[80])
                rows.append([ahead[key].tolist() for key in ("mean", "lo-80", "hi-80")])
            except Exception as error:
                print(name, series.group, len(series.past), error)
                rows.append(None)
            begin = begin or time.perf_counter()  # after the first, which loads code
        found["forecasts"][name] = rows
        found["seconds"][name] = time.perf_counter() - begin
        print(name, found["seconds"][name], flush=True)
        out.write_text(json.dumps(found))


def own(peer_file: Path, out: Path | None, names: list[str]) -> None:
    """Forecast, print the table, and write it as JSON."""
    import torch

    from tslm.core.types import Task
    from tslm.models.assembly import rule

    torch.set_num_threads(1)
    everything, stored = every_series(), json.loads(peer_file.read_text())
    table: list[dict[str, Any]] = []
    for name in names:
        ours: list[list[np.ndarray]] = []
        seconds = 0.0
        for group in dict.fromkeys(one.group for one in everything):
            some = [one for one in everything if one.group == group]
            horizon = len(some[0].future)
            model = rule(name, Task(1, horizon, some[0].season))
            batch = _together(some)
            begin = time.perf_counter()
            ahead = model.distribution(batch, horizon)
            seconds += time.perf_counter() - begin
            levels = torch.tensor([0.1, 0.9], dtype=batch.past.dtype)
            parts = torch.stack([ahead.point, *ahead.quantile(levels)])[..., 0]
            ours += [[*part.numpy()] for part in parts.unbind(1)]
        theirs = stored["forecasts"].get(name, [None] * len(ours))
        for group in dict.fromkeys(one.group for one in everything):
            table.append(_row(name, group, everything, ours, theirs))
        table.append(_row(name, "all", everything, ours, theirs))
        table[-1]["seconds"] = round(seconds, 2)
        table[-1]["peer_seconds"] = round(stored["seconds"].get(name, float("nan")), 2)
    for row in table:
        print(row)
    if out is not None:
        out.write_text(json.dumps(table, indent=1) + "\n")


def _together(some: list[Series]) -> Any:
    """Return the series of a set as one batch, padded on the left."""
    import torch

    from tslm.core.types import Batch

    length = max(len(one.past) for one in some)
    past = np.full((len(some), length, 1), np.nan)
    for row, one in zip(past, some, strict=True):
        row[length - len(one.past) :, 0] = one.past
    time = torch.zeros(len(some), 0, dtype=torch.int64)
    zero = torch.zeros(len(some), 1, dtype=torch.float64)
    return Batch.of(torch.from_numpy(past), time)._replace(zero=zero)


def _row(
    name: str, group: str, everything: list[Series], ours: list[Any], theirs: list[Any]
) -> dict[str, Any]:
    """Compare the models on the series of a set that both forecast."""
    pairs = [
        (series, own, other)
        for series, own, other in zip(everything, ours, theirs, strict=True)
        if group in ("all", series.group) and other is not None
    ]
    row = {"model": name, "set": group, "series": len(pairs)}
    if not pairs:
        return row
    for label, place in (("own", 1), ("peer", 2)):
        errors = [mase(pair[0], np.array(pair[place][0])) for pair in pairs]
        inside = [
            (np.array(pair[place][1]) <= pair[0].future) & (pair[0].future <= pair[place][2])
            for pair in pairs
        ]
        row[f"{label}_mase"] = round(float(np.mean(errors)), 4)
        row[f"{label}_coverage_80"] = round(float(np.concatenate(inside).mean()), 3)
    row["ratio"] = round(row["own_mase"] / row["peer_mase"], 4)
    return row


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("peer", "own"))
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", default="theta;ets;ces")
    given = parser.parse_args()
    if given.what == "peer":
        peer(given.out)
    else:
        own(given.peer, given.out, given.models.split(";"))


if __name__ == "__main__":
    main()
