"""Types of the settings that all commands which train share."""

from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf


@dataclass
class RunConfig:
    """Types of the shared settings; their values and meanings are in ``conf/config.yaml``."""

    h: int
    context_length: int | None
    freq: int | str | None  # a whole number or a pandas alias
    season_length: int | None
    backbone: str
    n_layers: int | str | None  # a number or "all"
    rollout: str
    pretrained: str | None
    prompt: str | None
    conformal: str | None
    floor: float | None
    id_col: str | list[str]
    time_col: str
    target_col: str
    futr_exog: list[str] | None
    hist_exog: list[str] | None
    static_exog: list[str] | None
    missing: str
    on_duplicate: str
    time_format: str | None
    dayfirst: bool | None
    tz: str | None
    resample: str | None
    holidays: str | None
    calendar: bool
    max_steps: int
    max_epochs: int | None
    learning_rate: float | None
    batch_size: int | None
    val_size: int | None
    fraction: float
    scaler: str
    early_stopping_patience: int | None
    accelerator: str
    devices: int | str | list[int]
    strategy: str
    precision: str | None
    alias: str | None
    random_state: int | None
    verbose: int | bool


def listed(value: Any) -> list[Any] | None:
    """Return a setting that may be a list or a single value as a list; None stays None."""
    if value is None:
        return None
    return list(value) if OmegaConf.is_list(value) else [value]
