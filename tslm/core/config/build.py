"""Parts made from yaml nodes. Only this module imports what ``_target_`` names."""

from inspect import signature
from typing import Any

from hydra.utils import get_class, get_object
from omegaconf import DictConfig, OmegaConf

from tslm.core.errors import ConfigError
from tslm.core.paths import targets
from tslm.core.spec import refuse_nested


def build(cfg: DictConfig, **parts: object) -> Any:
    """Make the object that one yaml node describes.

    Args:
        cfg: the node: ``_target_`` and the options of the part.
        parts: further arguments, which only code can supply.

    Raises:
        ConfigError: if the target is not trusted, or the options do not fit its signature.
    """
    make, options = get_object(trusted_target(cfg)), plain_options(cfg)
    try:
        signature(make).bind(**options, **parts)
    except TypeError as error:
        raise ConfigError(f"{cfg._target_}: {error}. Compare its yaml and __init__.") from error
    return make(**options, **parts)


def part_class(cfg: DictConfig) -> Any:
    """Return the class that one yaml node describes."""
    return get_class(trusted_target(cfg))


def trusted_target(cfg: DictConfig) -> str:
    """Return the import path of a node, if a yaml file of ours or an installed package names it.

    Options are plain values, so nothing below the node is imported.

    Raises:
        ConfigError: if no such file names it, or an option is not a plain value.
    """
    target = str(cfg.get("_target_"))
    if target not in targets():
        raise ConfigError(
            f"_target_ {target} is not trusted: no yaml file of tslm, of an installed package or "
            "of TSLM_CONF names it. Remove it, or add a yaml file that names it."
        )
    plain_options(cfg)
    return target


def plain_options(cfg: DictConfig) -> dict[str, Any]:
    """Return the options of one node.

    Raises:
        ConfigError: if one is neither a scalar nor a list of scalars.
    """
    plain = OmegaConf.to_container(cfg)
    assert isinstance(plain, dict)
    options = {str(key): value for key, value in plain.items() if key != "_target_"}
    for key, value in options.items():
        refuse_nested(f"{cfg._target_}: {key}", value)
    return options
