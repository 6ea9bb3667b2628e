"""Verbs about one model: train, forecast, backtest, tune, share."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core import files
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError
from tslm.core.messages import counted
from tslm.distributed.backtest import backtest as backtest_data_set
from tslm.distributed.fit import fit as fit_and_save
from tslm.distributed.predict import predict as predict_data_set
from tslm.estimators.factory import continued_estimator, estimator_of, load_estimator
from tslm.estimators.saving.files import CHECKPOINTS, LOGS
from tslm.estimators.saving.folder import check_free
from tslm.estimators.training.loss_log import LossLog
from tslm.estimators.training.resume import discard
from tslm.evaluation.metrics.backtest import evaluate as errors_of
from tslm.interfaces import hub

Reporter = Callable[[str], None]
ENGINE_SETTINGS = ("workers", "threads", "address", "rows", "max_errors")  # of predict


def further_tables(cfg: DictConfig) -> dict[str, Any]:
    """Read the tables of static values and of validation rows, where the settings name them.

    Returns:
        The keyword arguments ``static_df`` and ``val_df`` of ``fit``; None where not given.
    """
    paths = {"static_df": cfg.static, "val_df": cfg.val_data}
    return {name: files.read(cfg, path) for name, path in paths.items()}


def fit(cfg: DictConfig, say: Reporter) -> None:
    """Train a model on a file or a data set, and save it."""
    out = Path(cfg.out)
    check_free(out, cfg.overwrite)
    in_blocks = cfg.engine is not None or files.is_data_set(cfg.data)
    data = cfg.data if in_blocks else files.read(cfg, cfg.data)
    further = further_tables(cfg)
    model = estimator_of(cfg) if cfg.init is None else continued_estimator(cfg)
    if cfg.logger is not None and cfg.engine == "ray":
        raise ConfigError("engine=ray takes no logger=. Leave one of them out.")
    if cfg.logger is not None:
        folder = out / LOGS if cfg.logger_folder is None else Path(cfg.logger_folder)
        model.set_params(callbacks=[LossLog.named(cfg.logger, folder, out.name)])
    with _remove_if_failed_early(out / CHECKPOINTS):
        events = files.read(cfg, cfg.events, cfg.id_col)
        engine = {"engine": cfg.engine or "local", "workers": cfg.workers}
        kept = {"overwrite": cfg.overwrite, "history": cfg.history}
        again = {"warm_start": cfg.init is not None, "events": events, **further}
        model = fit_and_save(model, data, out, **engine, **kept, **again)
    for entry in model.verdict_.entries:
        say(f"validation  {entry.model:<16} MSE {entry.mse:.4f}  MAE {entry.mae:.4f}")
    say(f"saved {out}")


@contextmanager
def _remove_if_failed_early(folder: Path) -> Iterator[None]:
    """Remove the folder, and parents made for it, if a run fails before its first checkpoint.

    A folder in which another process trains stays.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if folder in made and not any(folder.glob("*.ckpt")):
            discard(folder)
            for path in made[1:]:
                with suppress(OSError):  # another process has put something into it
                    path.rmdir()
        raise


def predict(cfg: DictConfig, say: Reporter) -> None:
    """Forecast with a saved model: a table, or a Parquet data set of any size."""
    options = {name: cfg[name] for name in ENGINE_SETTINGS if cfg[name] is not None}
    if cfg.engine is not None:
        _predict_data_set(cfg, options, say)
        return
    if options:
        raise ConfigError(f"{next(iter(options))}= needs engine=local or engine=ray.")
    files.check_writable(cfg.out)
    model = load_estimator(
        cfg.model, device=cfg.device, backbone=cfg.backbone, download=cfg.download
    )
    panels = model.panel_reader
    data, futr, static, events = (
        panels.with_known_ids(files.read(cfg, path, model.id_col))
        for path in (cfg.data, cfg.futr, cfg.static, cfg.events)
    )
    level, quantiles = listed(cfg.level), listed(cfg.quantiles)
    forecast = model.predict(
        data,
        ids=None if cfg.ids is None else panels.known_ids(listed(cfg.ids) or []),
        h=cfg.h,
        level=level,
        quantiles=quantiles,
        num_samples=cfg.num_samples,
        futr_df=futr,
        static_df=static,
        events=events,
        examples=panels.with_known_ids(_examples(cfg, model.id_col)),
    )
    files.write_table(forecast, cfg.out)
    if cfg.verbose:
        say(f"wrote {counted(len(forecast), 'row')} to {cfg.out}")


def _predict_data_set(cfg: DictConfig, options: dict[str, Any], say: Reporter) -> None:
    """Forecast a Parquet data set block after block, into a folder."""
    if cfg.data is None:
        raise ConfigError("engine= needs data=: a Parquet file, a folder of them or a pattern.")
    manifest = predict_data_set(
        cfg.model,
        cfg.data,
        cfg.out,
        futr=cfg.futr,
        static=cfg.static,
        events=cfg.events,
        ids=listed(cfg.ids),
        h=cfg.h,
        level=listed(cfg.level),
        quantiles=listed(cfg.quantiles),
        num_samples=cfg.num_samples,
        examples=cfg.examples,
        engine=cfg.engine,
        device=cfg.device,
        backbone=cfg.backbone,
        download=cfg.download,
        progress=cfg.verbose > 0,
        **options,
    )
    if cfg.verbose:
        say(f"wrote {manifest['series']:,} series to {cfg.out}, {manifest['errors']:,} refused")


def _examples(cfg: DictConfig, id_col: Any = None) -> Any:
    """Return the setting ``examples``: a word, or the table of series it names."""
    in_file = cfg.examples is not None and files.is_table(cfg.examples)
    return files.read(cfg, cfg.examples, id_col) if in_file else cfg.examples


def backtest(cfg: DictConfig, say: Reporter) -> None:
    """Forecast from several past origins, and write forecasts and true values."""
    if cfg.engine is not None:
        _backtest_data_set(cfg, say)
        return
    files.check_writable(cfg.out)
    static, data = (files.read(cfg, path) for path in (cfg.static, cfg.data))
    model = estimator_of(cfg).addressed(data)
    table = model.cross_validation(
        data,
        static_df=static,
        events=files.read(cfg, cfg.events, cfg.id_col),
        n_windows=cfg.n_windows,
        step_size=cfg.step_size,
        refit=cfg.refit,
        recalibrate=cfg.recalibrate,
        level=listed(cfg.level),
        quantiles=listed(cfg.quantiles),
        baselines=listed(cfg.baselines) or [],
        examples=_examples(cfg),
    )
    files.write_table(table, cfg.out)
    reader = model.reader
    frame = reader.read(data, static)
    season = cfg.season_length or frame.calendar.season_length
    names = {name: getattr(model, name) for name in ("id_col", "time_col", "target_col")}
    errors = errors_of(table, reader.rename(frame.table), season, **names)
    say(str(errors.to_string(index=False)))
    say(f"wrote {counted(len(table), 'row')} to {cfg.out}")


def _backtest_data_set(cfg: DictConfig, say: Reporter) -> None:
    """Backtest a saved model on a Parquet data set block after block, into a folder."""
    manifest = backtest_data_set(
        cfg.model,
        cfg.data,
        cfg.out,
        static=cfg.static,
        events=cfg.events,
        ids=listed(cfg.ids),
        h=cfg.h,
        n_windows=cfg.n_windows,
        step_size=cfg.step_size,
        level=listed(cfg.level),
        quantiles=listed(cfg.quantiles),
        baselines=listed(cfg.baselines) or [],
        examples=cfg.examples,
        engine=cfg.engine,
        workers=cfg.workers,
        max_errors=cfg.max_errors,
        device=cfg.device,
        backbone=cfg.backbone,
        download=cfg.download,
        progress=cfg.verbose > 0,
    )
    if cfg.verbose:
        for name, values in manifest.get("metrics", {}).items():
            say(f"{name:<16} MSE {values['mse']:.4f}  MAE {values['mae']:.4f}")
        say(f"wrote {manifest['series']:,} series to {cfg.out}, {manifest['errors']:,} refused")


def tune(cfg: DictConfig, say: Reporter) -> None:
    """Search for settings by validation error; an interrupted search is continued."""
    try:
        from tslm.evaluation import tuning
    except ImportError as error:
        raise ConfigError("tune needs optuna. Type: pip install 'tslm[tune]'") from error
    files.check_writable(cfg.out, files.FOLDER)
    data, out = files.read(cfg, cfg.data), Path(cfg.out)
    model = estimator_of(cfg).addressed(data)
    space = tuning.USUAL if cfg.space is None else OmegaConf.to_container(cfg.space)
    if not isinstance(space, Mapping):
        raise ConfigError(
            f"space={cfg.space} must give values by setting, such as "
            "space={learning_rate: [1e-3]}."
        )
    named = {str(key): value for key, value in space.items()}
    study = tuning.tune(
        model, data, named, n_trials=cfg.n_trials, folder=out, **further_tables(cfg), say=say
    )
    trials = study.trials_dataframe().drop(columns="user_attrs_worker", errors="ignore")
    files.write_table(trials, out / "trials.csv")
    files.write_json({"mse": study.best_value, "params": study.best_params}, out / "best.json")
    chosen = " ".join(f"{key}={value}" for key, value in study.best_params.items())
    made = int(trials.state.isin(["COMPLETE", "PRUNED"]).sum())
    say(f"best of {made}: validation MSE {study.best_value:.4f} with {chosen}")
    say(f"tslm fit data={cfg.data} h={cfg.h} ... {chosen}")


def push(cfg: DictConfig, say: Reporter) -> None:
    """Upload a saved model to the hub."""
    model = load_estimator(cfg.model, backbone=cfg.backbone, download=cfg.download)
    say(f"{'private' if cfg.private else 'public'}: {hub.shared_content(model, cfg.history)}")
    options = {"private": cfg.private, "history": cfg.history}
    say(f"shared {hub.push(model, cfg.repo, ablation=cfg.ablation, **options)}")


def pull(cfg: DictConfig, say: Reporter) -> None:
    """Download a shared model and save it."""
    check_free(cfg.out, cfg.overwrite)
    options = {"backbone": cfg.backbone, "download": cfg.download}
    model = hub.pull(cfg.repo, revision=cfg.revision, **options)
    model.save(cfg.out, overwrite=cfg.overwrite)
    say(f"saved {cfg.out}")
