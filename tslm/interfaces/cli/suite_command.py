"""Verb ``suite``: score models on many public tasks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core import files
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError
from tslm.evaluation.suite import entrants, export, groups, markdown
from tslm.evaluation.suite.earlier import read_table
from tslm.evaluation.suite.page import page
from tslm.evaluation.suite.run import check_settings, run_suite
from tslm.evaluation.suite.store import Store
from tslm.evaluation.suite.table import tabulate
from tslm.interfaces.cli.commands import Reporter


def suite(cfg: DictConfig, say: Reporter) -> None:
    """Run entrants on the tasks of a group, and write the tables."""
    out = Path(cfg.out).expanduser()
    files.check_writable(out, files.FOLDER)
    group = groups.load(cfg.group)
    tasks = [group.task(name) for name in listed(cfg.tasks) or [task.name for task in group.tasks]]
    if cfg.export is not None:
        for task in tasks:
            say(f"wrote {export.write_task(group, task, Path(cfg.export).expanduser())}")
        return
    earlier = None if cfg.beside is None else read_table(Path(cfg.beside).expanduser(), group)
    names = group.entrants if cfg.entrants is None else listed(cfg.entrants) or []
    settings = _settings(cfg)
    models = [entrants.find(name).with_settings(settings) for name in names]
    store = Store(out / group.name)
    run_suite(
        group,
        models,
        tasks,
        listed(cfg.seeds) or [],
        store,
        say,
        time_limit=cfg.time_limit,
        isolated=cfg.isolated,
    )
    table = tabulate(group, store, earlier)
    files.write_json(table, out / f"{group.name}.json")
    files.write_text(markdown.to_markdown(table), out / f"{group.name}.md")
    files.write_text(page(table), out / f"{group.name}.html")
    if table["tasks"]:
        files.write_table(markdown.to_frame(table), out / f"{group.name}.csv")
        say(markdown.markdown(markdown.summary_cells(table)))
    say(f"wrote {out / group.name}.json, .md, .html and .csv")


def _settings(cfg: DictConfig) -> Mapping[str, Any]:
    """Return the settings for every entrant as plain values.

    Raises:
        ConfigError: if they are not given as a mapping, or no forecaster has them.
    """
    if cfg.settings is None:
        return {}
    plain = OmegaConf.to_container(cfg.settings) if OmegaConf.is_config(cfg.settings) else None
    if not isinstance(plain, dict):
        raise ConfigError(
            f"settings={cfg.settings} must give values by setting, such as "
            "settings={max_steps: 300}."
        )
    named = {str(key): value for key, value in plain.items()}
    check_settings(named)
    return named
