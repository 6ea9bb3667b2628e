"""Protocol of cold starts: series held out of fit, with a title and a few rows or none.

In each split a model is fitted without titles on the other series. Readers of titles then learn
from these, and forecast the series held out. Two ways to hold out are scored: whole groups, whose
words may be new, and single series, whose words are mostly known.
"""

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from tslm.core.calendar import Calendar
from tslm.data.datasets.titled import TitledSet, load
from tslm.data.panel import Panel
from tslm.estimators.factory import estimator_of
from tslm.estimators.inference import PanelForecaster
from tslm.estimators.titles.learning import learn_titles
from tslm.estimators.titles.titled_forecaster import TitledForecaster
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.evaluation.cold_start.comparison import summary
from tslm.evaluation.cold_start.word_vectors import NoVectors, WordVectors
from tslm.evaluation.protocols.records import Record
from tslm.models.text.loading import title_reader
from tslm.models.text.title_vectors import LanguageModelTitles, TitleVectors
from tslm.uncertainty.requested_columns import RequestedColumns

SEASON = 12
HELD = ("groups", "series")
PRETRAINED, PLAIN, MEAN = "pretrained", "without titles", "mean of all series"
DECILES = RequestedColumns.of(quantiles=[0.1, 0.9])

Scores = dict[str, list[float]]


class Split(NamedTuple):
    """One split of a set.

    Attributes:
        held: mask of the series held out.
        end: number of months before the origin.
    """

    held: np.ndarray
    end: int


def run(cfg: DictConfig) -> Iterator[Record]:
    """Score all readers of titles on all sets.

    Args:
        cfg: settings of the verb.

    Yields:
        One record per set, way to hold out and reader.
    """
    body = str(cfg.text_reader)
    bodies = {
        PRETRAINED: LanguageModelTitles(title_reader(body)),
        "random body": LanguageModelTitles(title_reader(body, untrained=True)),
    }
    for name, about in cfg.benchmark.sets.items():
        data = load(str(name), about)
        for held in HELD:
            yield from _records(cfg, data, held, bodies)


def splits(cfg: DictConfig, data: TitledSet, held: str) -> Iterator[Split]:
    """Yield the splits: other series, and an origin one year earlier each."""
    kinds = data.groups if held == "groups" else data.ids
    names = list(dict.fromkeys(kinds))
    first = cfg.benchmark.first_split
    for number in range(first, first + cfg.benchmark.splits):
        drawn = np.random.default_rng(number).permutation(len(names))
        chosen = {names[i] for i in drawn[: max(1, int(cfg.benchmark.share * len(names)))]}
        end = len(data.times) - cfg.benchmark.horizon * (number + 1)
        yield Split(np.array([kind in chosen for kind in kinds]), end)


def _records(
    cfg: DictConfig, data: TitledSet, held: str, bodies: Mapping[str, TitleVectors]
) -> Iterator[Record]:
    """Yield the records of all readers on one set."""
    began = time.perf_counter()
    found: dict[str, dict[int, Scores]] = {}
    trusts: dict[str, list[Any]] = {}
    for split in splits(cfg, data, held):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of short series
            model = estimator_of(cfg).set_params(h=cfg.benchmark.horizon, season_length=SEASON)
            model.fit(_frame(data, split))
            for arm, forecaster in _forecasters(cfg, model, data, split, bodies):
                own = found.setdefault(arm, {})
                if isinstance(forecaster, TitledForecaster):
                    trusts.setdefault(arm, []).append(list(forecaster.known.trust.share))
                for rows in cfg.benchmark.histories:
                    if rows or isinstance(forecaster, TitledForecaster):
                        scores = _scores(forecaster, data, split, rows, cfg.benchmark.horizon)
                        _add(own.setdefault(rows, {}), scores)
    seconds = time.perf_counter() - began
    for arm, by_rows in found.items():
        yield _record(cfg, model, data, held, arm, by_rows, found[PRETRAINED]) | {
            "shares": trusts.get(arm),
            "train_seconds": round(seconds, 1),
        }


def _record(
    cfg: DictConfig,
    model: TrainedForecaster,
    data: TitledSet,
    held: str,
    arm: str,
    by_rows: Mapping[int, Scores],
    first: Mapping[int, Scores],
) -> Record:
    """Return the record of one reader."""
    arrays = {rows: {k: np.array(v) for k, v in own.items()} for rows, own in by_rows.items()}
    others = {rows: {k: np.array(v) for k, v in own.items()} for rows, own in first.items()}
    some = [own for rows, own in arrays.items() if rows]
    return {
        "benchmark": f"{cfg.benchmark.name}, {data.name}, {held} held out",
        "model": arm,
        "base": str(model.settings["choices"].get("model", model.name)),
        "horizon": cfg.benchmark.horizon,
        "histories": {
            str(rows): summary(own, None if arm == PRETRAINED else others[rows])
            for rows, own in arrays.items()
        },
        "mse": round(float(np.mean([(own["mase"] ** 2).mean() for own in some])), 6),
        "mae": round(float(np.mean([own["mase"].mean() for own in some])), 6),
        "windows": len(some[0]["mase"]),
        "channels": 1,
        "trainable_parameters": sum(w.numel() for w in trained_weights(model.forecaster_)),
        "config": model.settings,
    }


def _frame(data: TitledSet, split: Split) -> pd.DataFrame:
    """Return the series that are fitted on, before the origin, as a long frame."""
    chosen = np.flatnonzero(~split.held)
    wide = pd.DataFrame(data.values[chosen, : split.end].T, data.times[: split.end])
    wide.columns = [data.ids[i] for i in chosen]
    long = wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    return long.dropna()[["unique_id", "ds", "y"]]


def _panel(
    calendar: Calendar, data: TitledSet, chosen: np.ndarray, rows: slice, *, blind: bool
) -> Panel:
    """Return some rows of series, with their titles; without a known value if ``blind``."""
    y = data.values[chosen, rows] * (np.nan if blind else 1)
    seen = np.ones_like(y, dtype=bool) if blind else ~np.isnan(y)
    offsets = np.append(0, seen.sum(1).cumsum()).astype(np.int64)
    times = calendar.to_int(pd.Series(data.times[rows]))
    ids = pd.Index([data.ids[i] for i in chosen])
    stamps = np.tile(times, (len(y), 1))[seen]
    panel = Panel.from_rows(y[seen], stamps, offsets, ids, calendar)
    return replace(panel, titles=[data.titles[i] for i in chosen])


def _forecasters(
    cfg: DictConfig,
    model: TrainedForecaster,
    data: TitledSet,
    split: Split,
    bodies: Mapping[str, TitleVectors],
) -> Iterator[tuple[str, PanelForecaster | TitledForecaster]]:
    """Yield the names of all forecasts to compare, and what makes them."""
    plain = model.panel_forecaster
    known = _panel(
        plain.calendar, data, np.flatnonzero(~split.held), slice(0, split.end), blind=False
    )
    titles = list(known.titles or [])
    readers: dict[str, TitleVectors] = {
        **bodies,
        "TF-IDF": WordVectors(titles, tfidf=True),
        "one-hot words": WordVectors(titles, tfidf=False),
        MEAN: NoVectors(),
    }
    for arm, reader in readers.items():
        learnt = learn_titles(reader, plain, known, cfg.benchmark.horizon, SEASON, use=arm != MEAN)
        yield arm, TitledForecaster(plain, learnt, reader)
    yield PLAIN, plain


def _scores(
    forecaster: PanelForecaster | TitledForecaster,
    data: TitledSet,
    split: Split,
    rows: int,
    horizon: int,
) -> Scores:
    """Return the errors of each series held out."""
    chosen = np.flatnonzero(split.held)
    plain = forecaster.plain if isinstance(forecaster, TitledForecaster) else forecaster
    history = slice(split.end - max(rows, 1), split.end)
    panel = _panel(plain.calendar, data, chosen, history, blind=rows == 0)
    truth = data.values[chosen, split.end : split.end + horizon]
    found = forecaster.forecast(panel, horizon, DECILES).values
    past = data.values[chosen, : split.end]
    scale = np.nanmean(np.abs(past[:, SEASON:] - past[:, :-SEASON]), axis=1)
    inside = (found[1] <= truth) & (truth <= found[2])
    ratio = np.log(np.maximum(found[0], 1e-9) / truth)
    return {
        "mase": (np.abs(found[0] - truth).mean(1) / scale).tolist(),
        "log_error": np.abs(ratio).mean(1).tolist(),
        "coverage_80": inside.mean(1).tolist(),
        "width_80": ((found[2] - found[1]).mean(1) / scale).tolist(),
    }


def _add(total: Scores, more: Scores) -> None:
    """Add the errors of one split to those of earlier ones."""
    for name, values in more.items():
        total.setdefault(name, []).extend(values)
