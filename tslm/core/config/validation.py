"""Checks of settings: types, ranges and pairs that exclude each other."""

import os
from itertools import combinations
from math import isfinite
from typing import get_type_hints

from omegaconf import DictConfig, OmegaConf

from tslm.core.config.build import part_class, plain_options
from tslm.core.config.choices import GROUPS, choices
from tslm.core.config.command_schema import COUNT, FILE, command_fields
from tslm.core.config.schema import listed, value_fields
from tslm.core.errors import ConfigError
from tslm.core.messages import unknown_choice, whole_number
from tslm.core.plain_values import LONGEST, describe_type, fits

ROLES = ("id_col", "time_col", "target_col")
EXAMPLES = {"data": "sales.csv", "model": "runs/a", "repo": "me/sales"}  # of required settings


def complete(cfg: DictConfig) -> DictConfig:
    """Return the settings of a command, checked; none may be missing.

    Raises:
        ConfigError: naming what is missing or wrong.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        example = EXAMPLES.get(missing[0], "...")
        raise ConfigError(f"{missing[0]} is not given. Add {missing[0]}={example} to the command.")
    _check_own(cfg)
    return checked(cfg) if "max_steps" in cfg else cfg


def checked(cfg: DictConfig) -> DictConfig:
    """Check the type and range of every shared setting, and return the settings.

    Raises:
        ConfigError: naming the setting and its value.
    """
    _check_types(cfg)
    _check_ranges(cfg)
    roles = [(key, name) for key in ROLES for name in listed(cfg[key]) or []]
    for (one, name), (other, same) in combinations(roles, 2):
        if name == same:
            raise ConfigError(f"{one} and {other} both name {name!r}. Name two columns.")
    _check_steps(cfg)
    _check_options(cfg)
    return cfg


def _check_types(cfg: DictConfig) -> None:
    """Check the type of every shared setting; whole numbers become floats where floats belong."""
    names = [field.name for field in value_fields()]
    values = OmegaConf.to_container(OmegaConf.masked_copy(cfg, names))
    assert isinstance(values, dict)
    for field in value_fields():
        value = values[field.name]
        if not fits(value, field.type):
            raise ConfigError(f"{field.name}={value!r} must be {describe_type(field.type)}.")
        if fits(1.5, field.type) and value is not None:
            cfg[field.name] = float(value)
    cfg.verbose = int(cfg.verbose)


def _check_ranges(cfg: DictConfig) -> None:
    """Check that numbers lie in their ranges, and texts among their choices."""
    for field in value_fields():
        name, bounds, value = field.name, field.metadata["range"], cfg[field.name]
        if bounds is not None and value is not None and not bounds[0] <= value <= bounds[1]:
            least, most = bounds
            bound = f"at least {least}" if value < least else f"at most {most:,}"
            raise ConfigError(f"{name}={value} must be {bound}.")
        offered = field.metadata["choices"]
        if offered and value not in offered:
            raise ConfigError(unknown_choice(name, value, offered))
    if cfg.learning_rate is not None and cfg.learning_rate <= 0:
        raise ConfigError(f"learning_rate={cfg.learning_rate} must be above 0.")
    if cfg.floor is not None and not isfinite(cfg.floor):
        raise ConfigError(f"floor={cfg.floor} must be a number, such as floor=0, or null.")
    if not 0 < cfg.fraction <= 1:
        raise ConfigError(f"fraction={cfg.fraction} must be above 0 and at most 1.")
    depth = cfg.n_layers
    if not (depth in (None, "all", "auto") or (isinstance(depth, int) and depth >= 1)):
        raise ConfigError(
            f'n_layers={depth} must be a whole number of at least 1, "all" or "auto".'
        )

    if not (cfg.batch_size in (None, "auto") or _is_batch_size(cfg.batch_size)):
        raise ConfigError(
            f"batch_size={cfg.batch_size} must be a whole number from 1 to {LONGEST:,}, or auto."
        )


def _is_batch_size(value: object) -> bool:
    return isinstance(value, int) and 1 <= value <= LONGEST


def _check_own(cfg: DictConfig) -> None:
    """Check the settings that only some commands have."""
    _check_steps(cfg)
    for option in command_fields(COUNT):
        if cfg.get(option.name) is not None:
            whole_number(option.name, cfg[option.name])
    for option in (option for option in command_fields() if option.name in cfg):
        value = cfg[option.name]
        value = list(value) if OmegaConf.is_list(value) else value
        if not fits(value, option.type):
            raise ConfigError(f"{option.name}={value!r} must be {describe_type(option.type)}.")
    _refuse_overwriting_input(cfg)


def _refuse_overwriting_input(cfg: DictConfig) -> None:
    """Refuse an output path that is also a file the command reads."""
    for name in [f.name for f in command_fields(FILE)] if cfg.get("out") else []:
        for path in listed(cfg.get(name)) or []:
            if isinstance(path, str) and os.path.realpath(path) == os.path.realpath(cfg.out):
                raise ConfigError(
                    f"out={cfg.out} is what {name} reads, and would be overwritten. Give another "
                    "path."
                )


def _check_steps(cfg: DictConfig) -> None:
    """Check the distance of rows, and the grid they are put on."""
    if "freq" not in cfg:
        return
    for field in value_fields():
        if field.name in ("freq", "resample") and not fits(cfg[field.name], field.type):
            raise ConfigError(
                f"{field.name}={cfg[field.name]!r} must be {describe_type(field.type)}."
            )
    if not (cfg.freq is None and cfg.resample is None):
        from tslm.core.frequency import check_steps  # pandas is slow to import

        check_steps(cfg.freq, cfg.resample)


def _check_options(cfg: DictConfig) -> None:
    """Check that options of parts have the types of the parts' signatures; null is left to them.

    Raises:
        ConfigError: naming the option and its value.
    """
    for group in GROUPS:
        if cfg[group] is None:
            continue
        hints = get_type_hints(part_class(cfg[group]).__init__)
        for key, value in plain_options(cfg[group]).items():
            if value is not None and key in hints and not fits(value, hints[key]):
                raise ConfigError(f"{group}.{key}={value!r} must be {describe_type(hints[key])}.")
            if key == "schedule" and value not in choices(key):
                raise ConfigError(
                    f"{group}.{key}={value!r} must be one of {', '.join(choices(key))}."
                )
            if key.endswith(("dropout", "warmup")) and not 0 <= (value or 0) <= 1:
                raise ConfigError(f"{group}.{key}={value!r} must be a fraction in [0, 1].")
            if type(value) is int and not 0 <= value <= LONGEST:
                raise ConfigError(f"{group}.{key}={value} must be from 0 to {LONGEST:,}.")
