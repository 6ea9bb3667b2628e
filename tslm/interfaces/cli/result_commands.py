"""Verbs about the output of other verbs: evaluate, plot, explain and recalibrate."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from tslm.core import files
from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice, counted
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.explanation import Explanation
from tslm.estimators.factory import load_estimator
from tslm.estimators.saving.folder import check_free
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation.metrics.backtest import evaluate as errors_of
from tslm.plots.forecasts import plot_forecasts

Reporter = Callable[[str], None]
PICTURES = (".png", ".svg", ".pdf", ".html")
COLUMNS = ("id_col", "time_col", "target_col", "time_format", "dayfirst", "tz")
READING = (*COLUMNS, "freq", "resample", "on_duplicate")  # settings for reading a table


def evaluate(cfg: DictConfig, say: Reporter) -> None:
    """Measure the errors of a backtest, or of forecasts whose true values are now known."""
    if cfg.out is not None:
        files.check_writable(cfg.out)
    data, table = files.read(cfg, cfg.data), files.read(cfg, cfg.forecasts)
    estimator = _estimator(cfg, data)
    frame = estimator.reader.read(data)
    season = cfg.season_length or frame.calendar.season_length
    truth = estimator.reader.rename(frame.table)
    errors = errors_of(table, truth, season, **_columns(estimator))
    say(str(errors.to_string(index=False)))
    if cfg.out is not None:
        files.write_table(errors, cfg.out)
        say(f"wrote {counted(len(errors), 'row')} to {cfg.out}")


def plot(cfg: DictConfig, say: Reporter) -> None:
    """Draw series and their forecasts."""
    files.check_writable(cfg.out, PICTURES)
    data, ahead = files.read(cfg, cfg.data), files.read(cfg, cfg.forecasts)
    if data is None and ahead is None:
        raise ConfigError("There is nothing to draw. Give data=FILE, forecasts=FILE, or both.")
    estimator = _estimator(cfg, data)
    if data is not None and cfg.resample is not None:
        reader = estimator.reader
        data = reader.rename(reader.read(data).table)
    figure = plot_forecasts(data, ahead, engine=_engine(cfg.out), **_columns(estimator))
    files.write_picture(figure, cfg.out)
    say(f"wrote {cfg.out}")


def explain(cfg: DictConfig, say: Reporter) -> None:
    """Write the words the language model reads, effects of statements, inputs, or a picture."""
    files.check_writable(cfg.out, (*files.TABLES, *PICTURES))
    check_choice("kind", cfg.kind or "words", ("words", "statements", "inputs"))
    if cfg.out.endswith(".html") and (cfg.kind == "inputs" or cfg.events is not None):
        raise ConfigError(f"out={cfg.out}: statements and inputs are drawn as .png, .svg or .pdf.")
    model = load_estimator(cfg.model, backbone=cfg.backbone, download=cfg.download)
    panels = model.panel_reader
    data, events, futr = (
        panels.with_known_ids(files.read(cfg, path, model.id_col))
        for path in (cfg.data, cfg.events, cfg.futr)
    )
    options: dict[str, Any] = {"events": events, "h": cfg.h, "futr_df": futr}
    if cfg.kind == "inputs":
        chosen = cfg.series and panels.known_ids([cfg.series])[0]
        inputs = model.explain(data, kind=cfg.kind, patch_len=cfg.patch_len, **options)
        found, draw = inputs.inputs, partial(inputs.plot, chosen)
    elif events is not None:
        statements = model.explain(data, kind=cfg.kind, **options)
        found, draw = statements.effects, statements.plot
    elif isinstance(model, TSLMForecaster):
        words = model.explain(data, kind=cfg.kind, top=cfg.top)
        assert isinstance(words, Explanation), "without events words are explained"
        found, draw = words.reading, partial(words.plot, cfg.series, engine=_engine(cfg.out))
    else:
        raise ConfigError(
            f"{cfg.model} holds a baseline, which has no language model to explain. Give a model "
            "that was fitted with adapter=, events= to explain the effects of statements, or "
            "kind=inputs to explain the importance of each part of the context."
        )
    if cfg.out.endswith(PICTURES):
        files.write_picture(draw(), cfg.out)
    else:
        files.write_table(found, cfg.out)
    say(f"wrote {cfg.out}")


def recalibrate(cfg: DictConfig, say: Reporter) -> None:
    """Refit the intervals of a saved model on newer rows; its point forecasts stay the same."""
    out = Path(cfg.model if cfg.out is None else cfg.out)
    check_free(out, cfg.out is None or cfg.overwrite)
    model = load_estimator(cfg.model, backbone=cfg.backbone, download=cfg.download)
    panels = model.panel_reader
    tables = (files.read(cfg, path, model.id_col) for path in (cfg.data, cfg.static))
    data, static = map(panels.with_known_ids, tables)
    model.recalibrate(data, static_df=static)
    model.save(out, overwrite=True)
    say(f"saved {out}")


def _estimator(cfg: DictConfig, data: Any) -> BaselineForecaster:
    """Return an estimator that reads a table as a forecaster would; it is never fitted."""
    estimator = BaselineForecaster("last", h=1, **{name: cfg[name] for name in READING})
    return estimator if data is None else estimator.addressed(data)


def _columns(estimator: BaselineForecaster) -> dict[str, Any]:
    return {name: getattr(estimator, name) for name in COLUMNS}


def _engine(out: str) -> str:
    return "plotly" if out.endswith(".html") else "matplotlib"
