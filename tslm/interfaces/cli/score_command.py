"""Verb that compares observed values with forecasts: score."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from tslm.core import files
from tslm.core.messages import counted
from tslm.estimators.factory import load_estimator
from tslm.plots.anomalies import plot_anomalies

Reporter = Callable[[str], None]
PICTURES = (".png", ".svg", ".pdf")


def score(cfg: DictConfig, say: Reporter) -> None:
    """Write log-likelihoods and p-values of observed values, or draw them."""
    files.check_writable(cfg.out, (*files.TABLES, *PICTURES))
    model = load_estimator(
        cfg.model, device=cfg.device, backbone=cfg.backbone, download=cfg.download
    )
    panels = model.panel_reader
    data, static, events = (
        panels.with_known_ids(files.read(cfg, path, model.id_col))
        for path in (cfg.data, cfg.static, cfg.events)
    )
    options = {"h": cfg.h, "step_size": cfg.step_size, "alpha": cfg.alpha}
    scores = model.score_samples(data, static_df=static, events=events, **options)
    if cfg.out.endswith(PICTURES):
        names = panels.reader.columns
        columns: dict[str, Any] = {
            "id_col": names.id,
            "time_col": names.time,
            "target_col": names.target,
        }
        files.write_picture(plot_anomalies(scores, **columns), cfg.out)
        say(f"wrote {cfg.out}")
        return
    files.write_table(scores, cfg.out)
    marked = "" if cfg.alpha is None else f", {int(scores.anomaly.sum()):,} of them anomalies"
    say(f"wrote {counted(len(scores), 'row')} to {cfg.out}{marked}")
