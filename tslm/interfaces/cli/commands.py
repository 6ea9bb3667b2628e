"""What each verb of the command line does with its settings."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core import files
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError, TslmError, counted
from tslm.data.datasets.benchmarks import load
from tslm.data.datasets.competitions import is_competition
from tslm.estimators import saving
from tslm.estimators.saving import CHECKPOINTS
from tslm.estimators.tslm_forecaster import TSLMForecaster, estimator_of, load_estimator
from tslm.evaluation import leaderboard, speed
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.ablation.run import held_out
from tslm.evaluation.metrics.backtest import evaluate as errors_of
from tslm.evaluation.protocols import long_horizon as protocol
from tslm.evaluation.protocols import m_competition as competition
from tslm.interfaces import hub
from tslm.interfaces.cli.result_commands import evaluate, explain, plot, recalibrate

Reporter = Callable[[str], None]


def fit(cfg: DictConfig, say: Reporter) -> None:
    """Train a model on a file and save it."""
    out = Path(cfg.out)
    saving.check_free(out, cfg.overwrite)
    data, beside = files.read(cfg, cfg.data), _beside(cfg)
    model = estimator_of(cfg)
    with _unbegun(out / CHECKPOINTS):
        model.fit(data, **beside, folder=out / CHECKPOINTS)
    model.save(out, overwrite=True)
    for entry in model.verdict_.entries:
        say(f"validation  {entry.model:<16} MSE {entry.mse:.4f}  MAE {entry.mae:.4f}")
    say(f"saved {out}")


@contextmanager
def _unbegun(folder: Path) -> Iterator[None]:
    """Leave no folder behind of a run that fails before its first checkpoint."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if folder in made and not any(folder.glob("*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
            for path in made[1:]:
                with suppress(OSError):  # it holds something else by now
                    path.rmdir()
        raise


def predict(cfg: DictConfig, say: Reporter) -> None:
    """Forecast with a saved model."""
    files.check_writable(cfg.out)
    model = load_estimator(
        cfg.model, device=cfg.device, backbone=cfg.backbone, download=cfg.download
    )
    data, futr, static = (
        model.with_known_ids(files.read(cfg, path, model.id_col))
        for path in (cfg.data, cfg.futr, cfg.static)
    )
    level, quantiles = listed(cfg.level), listed(cfg.quantiles)
    forecast = model.predict(
        data,
        ids=None if cfg.ids is None else model.known_ids(listed(cfg.ids) or []),
        h=cfg.h,
        level=level,
        quantiles=quantiles,
        num_samples=cfg.num_samples,
        futr_df=futr,
        static_df=static,
        examples=model.with_known_ids(_examples(cfg, model.id_col)),
    )
    files.write_table(forecast, cfg.out)
    if cfg.verbose:
        say(f"wrote {counted(len(forecast), 'row')} to {cfg.out}")


def _examples(cfg: DictConfig, id_col: Any = None) -> Any:
    """A word, or a file of series."""
    in_file = cfg.examples is not None and files.is_table(cfg.examples)
    return files.read(cfg, cfg.examples, id_col) if in_file else cfg.examples


def backtest(cfg: DictConfig, say: Reporter) -> None:
    """Forecast from several origins and keep what happened beside it."""
    files.check_writable(cfg.out)
    static, data = (files.read(cfg, path) for path in (cfg.static, cfg.data))
    model = estimator_of(cfg).addressed(data)
    table = model.cross_validation(
        data,
        static_df=static,
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
    frame = model.read(model.joined(data, static))
    season = cfg.season_length or frame.calendar.season_length
    names = {name: getattr(model, name) for name in ("id_col", "time_col", "target_col")}
    errors = errors_of(table, model.renamed(frame.table), season, **names)
    say(str(errors.to_string(index=False)))
    say(f"wrote {counted(len(table), 'row')} to {cfg.out}")


def benchmark(cfg: DictConfig, say: Reporter) -> None:
    """Score a model by the published protocol."""
    if cfg.out is not None:
        files.check_writable(cfg.out, (".json",))
    records = []
    run = competition.run if is_competition(cfg.benchmark) else protocol.run
    for record in run(cfg):
        shown = [
            f"{name.upper()} {record[name]:.4f}"
            for name in ("smape", "mase", "owa", "mse", "mae")
            if name in record
        ]
        say(
            f"{record['benchmark']}  {record['model']:<16} horizon {record['horizon']:>4}  "
            f"{'  '.join(shown)}  {record['windows']} x {record['channels']} windows"
        )
        records.append(record)
        if cfg.out is not None:
            files.write_json(records, cfg.out)


def ablate(cfg: DictConfig, say: Reporter) -> None:
    """Ask whether the language model helps, on a benchmark or a user's file."""
    files.check_writable(cfg.out, (".json",))
    if (cfg.benchmark is None) == (cfg.data is None):
        raise ConfigError("Give either benchmark=NAME or data=FILE.")
    model = estimator_of(cfg)
    if not isinstance(model, TSLMForecaster):
        raise ConfigError("ablate asks about an adapter, so model= has no place here.")
    if cfg.benchmark is not None:
        data = load(cfg.benchmark)
        model.set_params(freq=data.freq, season_length=data.season_length)
        model.set_params(prompt=cfg.prompt or data.description)
        horizons = listed(cfg.horizons) or [data.horizons[0]]
        trial = protocol.trial(data, cfg.stride)
    else:
        horizons = listed(cfg.horizons) or [cfg.h]
        frame = files.read(cfg, cfg.data)
        model = model.addressed(frame)
        rows = max(horizons) * cfg.n_windows
        trial = held_out(model, frame, rows, **_beside(cfg))
    budget = Budget.of(cfg.choices.budget, cfg.budget)
    ablation = model.compare(trial, horizons, budget, say)
    for answer in ablation.answers:
        say(answer.sentence)
    say("wrote " + ", ".join(map(str, ablation.save(cfg.out))))
    if ablation.gaps:
        raise TslmError(f"The report lacks what failed. {' '.join(ablation.gaps)}")


def _beside(cfg: DictConfig) -> dict[str, Any]:
    """The tables that come beside that of ``data``."""
    paths = {"static_df": cfg.static, "val_df": cfg.val_data}
    return {name: files.read(cfg, path) for name, path in paths.items()}


def tune(cfg: DictConfig, say: Reporter) -> None:
    """Search for settings by validation error; goes on where it was left."""
    try:
        from tslm.evaluation import tuning
    except ImportError as error:
        raise ConfigError("tune needs optuna: pip install 'tslm[tune]'.") from error
    files.check_writable(cfg.out, files.FOLDER)
    data, out = files.read(cfg, cfg.data), Path(cfg.out)
    model = estimator_of(cfg).addressed(data)
    space = tuning.USUAL if cfg.space is None else OmegaConf.to_container(cfg.space)
    if not isinstance(space, Mapping):
        raise ConfigError(f"space={cfg.space} must name settings: space={{learning_rate: [1e-3]}}.")
    named = {str(key): value for key, value in space.items()}
    study = tuning.tune(
        model, data, named, n_trials=cfg.n_trials, folder=out, **_beside(cfg), say=say
    )
    trials = study.trials_dataframe().drop(columns="user_attrs_worker", errors="ignore")
    files.write_table(trials, out / "trials.csv")
    files.write_json({"mse": study.best_value, "params": study.best_params}, out / "best.json")
    chosen = " ".join(f"{key}={value}" for key, value in study.best_params.items())
    made = int(trials.state.isin(["COMPLETE", "PRUNED"]).sum())
    say(f"best of {made}: validation MSE {study.best_value:.4f} with {chosen}")
    say(f"tslm fit data={cfg.data} h={cfg.h} ... {chosen}")


def push(cfg: DictConfig, say: Reporter) -> None:
    """Share a saved model on the hub."""
    model = load_estimator(cfg.model, backbone=cfg.backbone, download=cfg.download)
    say(f"{'private' if cfg.private else 'public'}: {hub.travelling(model, cfg.history)}")
    options = {"private": cfg.private, "history": cfg.history}
    say(f"shared {hub.push(model, cfg.repo, ablation=cfg.ablation, **options)}")


def pull(cfg: DictConfig, say: Reporter) -> None:
    """Get a model that is shared."""
    saving.check_free(cfg.out, cfg.overwrite)
    options = {"backbone": cfg.backbone, "download": cfg.download}
    model = hub.pull(cfg.repo, revision=cfg.revision, **options)
    model.save(cfg.out, overwrite=cfg.overwrite)
    say(f"saved {cfg.out}")


def table(cfg: DictConfig, say: Reporter) -> None:
    """Lay results side by side."""
    endings = (".md", *files.TABLES)
    if cfg.out is not None:
        files.check_writable(cfg.out, endings)
    results = leaderboard.gather(listed(cfg.results) or [])
    text = leaderboard.to_markdown(results)
    say(text)
    if cfg.out is not None and cfg.out.endswith(".md"):
        files.write_text(text, cfg.out)
    elif cfg.out is not None:
        files.write_table(results, cfg.out)


def measure_speed(cfg: DictConfig, say: Reporter) -> None:
    """Measure how fast a model is on this machine."""
    if cfg.out is not None:
        files.check_writable(cfg.out, (".json",))
    result = speed.measure(cfg)
    for name, value in result.items():
        if name != "config":
            say(f"{name:<38} {value}")
    if cfg.out is not None:
        files.write_json(result, cfg.out)


def demo(cfg: DictConfig, say: Reporter) -> None:
    """Train on ETTh1, score, forecast, plot and save: everything once."""
    data = load(cfg.benchmark)
    out = Path(cfg.out)
    files.check_writable(out, files.FOLDER)
    saving.check_free(out / "model", overwrite=True)
    out.mkdir(parents=True, exist_ok=True)
    say(f"{data.name}: training AutoTimes on {cfg.backbone}, then every {cfg.stride}th test window")
    model = protocol.forecaster(cfg, data, cfg.h, cfg.random_state)
    records = list(protocol.fit_and_score(cfg, data, [cfg.h], model))
    for name in ("seasonal_naive", "profile_ar"):
        baseline = protocol.baseline(cfg, data, cfg.h, cfg.random_state, name)
        records += protocol.fit_and_score(cfg, data, [cfg.h], baseline)
    for record in records:
        say(f"{record['model']:<16} MSE {record['mse']:.4f}  MAE {record['mae']:.4f}")
    frame = data.frame[data.frame.groupby("unique_id").cumcount() < data.borders.val_end]
    forecast = model.predict(frame)
    files.write_table(forecast, out / "forecast.csv")
    files.write_json(records, out / "result.json")
    model.plot(data.frame[data.frame.ds <= forecast.ds.max()], forecast).savefig(
        out / "forecast.png", dpi=110
    )
    model.save(out / "model", overwrite=True)
    say(f"wrote {out}/forecast.csv, forecast.png, result.json and model/")


VERBS: dict[str, Callable[[DictConfig, Reporter], None]] = {
    "fit": fit,
    "predict": predict,
    "backtest": backtest,
    "benchmark": benchmark,
    "ablate": ablate,
    "tune": tune,
    "push": push,
    "pull": pull,
    "evaluate": evaluate,
    "plot": plot,
    "explain": explain,
    "recalibrate": recalibrate,
    "table": table,
    "speed": measure_speed,
    "demo": demo,
}
