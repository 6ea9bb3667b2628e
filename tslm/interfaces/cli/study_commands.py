"""Verbs that compare models: benchmark, ablate, table and speed."""

from types import ModuleType

from omegaconf import DictConfig

from tslm.core import files
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError, TslmError
from tslm.data.datasets.benchmarks import STATEMENTS, kind_of, load
from tslm.data.datasets.competitions import is_competition
from tslm.data.datasets.context_is_key import is_context_is_key
from tslm.data.datasets.titled import is_cold_start
from tslm.estimators.factory import estimator_of
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation import leaderboard, speed
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.ablation.trial import held_out
from tslm.evaluation.protocols import cik, cold_start, long_horizon, m_competition, statements
from tslm.evaluation.protocols.records import describe
from tslm.interfaces.cli.commands import Reporter, further_tables


def benchmark(cfg: DictConfig, say: Reporter) -> None:
    """Score a model on a published data set, by its published protocol."""
    if cfg.out is not None:
        files.check_writable(cfg.out, (".json",))
    records = []
    for record in _protocol(cfg).run(cfg):
        say(describe(record))
        records.append(record)
        if cfg.out is not None:
            files.write_json(records, cfg.out)


def _protocol(cfg: DictConfig) -> ModuleType:
    """Return the protocol of the chosen benchmark."""
    if is_context_is_key(cfg.benchmark):
        return cik
    if kind_of(cfg.benchmark) == STATEMENTS:
        return statements
    if is_cold_start(cfg.benchmark):
        return cold_start
    return m_competition if is_competition(cfg.benchmark) else long_horizon


def ablate(cfg: DictConfig, say: Reporter) -> None:
    """Test if the language model helps, on a benchmark or on the user's table."""
    files.check_writable(cfg.out, (".json",))
    if (cfg.benchmark is None) == (cfg.data is None):
        raise ConfigError("Give either benchmark=NAME or data=FILE, not both.")
    model = estimator_of(cfg)
    if not isinstance(model, TSLMForecaster):
        raise ConfigError(
            "ablate compares a model that has an adapter with baselines. Leave model= out and set "
            "adapter=."
        )
    if cfg.benchmark is not None:
        data = load(cfg.benchmark)
        model.set_params(freq=data.freq, season_length=data.season_length)
        model.set_params(prompt=cfg.prompt or data.description)
        horizons = listed(cfg.horizons) or [data.horizons[0]]
        trial = long_horizon.trial(data, cfg.stride)
    else:
        horizons = listed(cfg.horizons) or [cfg.h]
        frame = files.read(cfg, cfg.data)
        model = model.addressed(frame)
        rows = max(horizons) * cfg.n_windows
        trial = held_out(model, frame, rows, **further_tables(cfg))
    budget = Budget.of(cfg.choices.budget, cfg.budget)
    events = files.read(cfg, cfg.events)
    if events is None:
        ablation = model.compare(trial, horizons, budget, say)
    elif len(horizons) > 1:
        raise ConfigError(f"horizons={list(horizons)}: statements are tested at one horizon.")
    else:
        ablation = model.compare_texts(trial, horizons[0], events, budget, say)
    for answer in ablation.answers:
        say(answer.sentence)
    say("wrote " + ", ".join(map(str, ablation.save(cfg.out))))
    if ablation.gaps:
        raise TslmError(f"The report is incomplete. {' '.join(ablation.gaps)}")


def table(cfg: DictConfig, say: Reporter) -> None:
    """Show results of several runs in one table."""
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


def estimate_memory(cfg: DictConfig, say: Reporter) -> None:
    """Estimate the memory of a fit and of a forecast, in MB, before anything is loaded."""
    if cfg.out is not None:
        files.check_writable(cfg.out)
    data, model = files.read(cfg, cfg.data), estimator_of(cfg)
    sizes = {"n_series": cfg.n_series, "n_rows": cfg.n_rows}
    found = model.estimate_memory(data, **sizes)
    say(str(found.to_string(index=False, float_format="{:,.1f}".format)))
    if cfg.out is not None:
        files.write_table(found, cfg.out)


def measure_speed(cfg: DictConfig, say: Reporter) -> None:
    """Measure how fast a model trains and forecasts on this machine."""
    if cfg.out is not None:
        files.check_writable(cfg.out, (".json",))
    result = speed.measure(cfg)
    for name, value in result.items():
        if name != "config":
            say(f"{name:<38} {value}")
    if cfg.out is not None:
        files.write_json(result, cfg.out)
