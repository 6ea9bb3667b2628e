"""Settings that only some commands have, beside those of a forecaster.

Their defaults and help texts are in ``conf/verb`` and ``conf/files.yaml``.
"""

# ruff: noqa: RUF009  # a dataclass field is made by a call

from dataclasses import Field, dataclass, field, fields
from typing import Any

# Tags
TEXT = "text"  # read as it was typed: a path, a name or a sentence
FILE = "file"  # names files to read
COUNT = "count"  # a whole number of at least 1, or null


def option(*tags: str) -> Any:
    """Make a field of ``CommandConfig`` with these tags."""
    return field(default=None, metadata={"tags": tags})


@dataclass
class CommandConfig:
    """Settings of commands; the types without a tag are checked."""

    ablation: str | None = option(TEXT, FILE)
    beside: str | None = option(TEXT, FILE)
    data: str | None = option(TEXT, FILE)
    examples: str | None = option(TEXT, FILE)
    forecasts: str | None = option(TEXT, FILE)
    futr: str | None = option(TEXT, FILE)
    init: str | None = option(TEXT, FILE)
    events: str | None = option(TEXT, FILE)
    model: str | None = option(TEXT, FILE)
    results: list[str] | None = option(TEXT, FILE)
    static: str | None = option(TEXT, FILE)
    val_data: str | None = option(TEXT, FILE)

    address: str | None = option(TEXT)
    baselines: list[str] | None = option(TEXT)
    decimal: str | None = option(TEXT)
    encoding: str | None = option(TEXT)
    engine: str | None = option(TEXT)
    entrants: list[str] | None = option(TEXT)
    export: str | None = option(TEXT)
    fit_on: str | None = option(TEXT)
    group: str | None = option(TEXT)
    host: str | None = option(TEXT)
    kind: str | None = option(TEXT)
    ids: list[str] | None = option(TEXT)
    logger: str | None = option(TEXT)
    logger_folder: str | None = option(TEXT)
    out: str | None = option(TEXT)
    repo: str | None = option(TEXT)
    revision: str | None = option(TEXT)
    sep: str | None = option(TEXT)
    series: str | None = option(TEXT)
    tasks: list[str] | None = option(TEXT)

    batch_requests: int | None = option(COUNT)
    batch_values: int | None = option(COUNT)
    max_errors: int | None = option(COUNT)
    n_rows: int | None = option(COUNT)
    n_series: int | None = option(COUNT)
    n_trials: int | None = option(COUNT)
    n_windows: int | None = option(COUNT)
    num_samples: int | None = option(COUNT)
    patch_len: int | None = option(COUNT)
    queued_requests: int | None = option(COUNT)
    request_values: int | None = option(COUNT)
    rollout_steps: int | None = option(COUNT)
    rounds: int | None = option(COUNT)
    rows: int | None = option(COUNT)
    step_size: int | None = option(COUNT)
    threads: int | None = option(COUNT)
    time_limit: int | None = option(COUNT)
    stride: int | None = option(COUNT)
    top: int | None = option(COUNT)
    workers: int | None = option(COUNT)

    alpha: float | None = option()
    batch_wait: float = option()
    body_megabytes: float = option()
    download: bool = option()
    history: bool = option()
    isolated: bool = option()
    horizons: int | list[int] | None = option()
    level: float | list[float] | None = option()
    overwrite: bool = option()
    port: int = option()
    private: bool = option()
    quantiles: float | list[float] | None = option()
    recalibrate: bool = option()
    refit: bool | int = option()
    seeds: int | list[int] = option()
    timeout: float = option()
    watch: bool = option()


def command_fields(*tags: str) -> list[Field[Any]]:
    """Return the fields that have any of these tags, or no tag if none is given."""
    return [
        option
        for option in fields(CommandConfig)
        if set(tags) & set(option.metadata["tags"]) or not (tags or option.metadata["tags"])
    ]
