"""Settings of an estimator: from its parameters to a config, and from a config to parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core.config.choices import (
    GROUPS,
    choice,
    distribution_named,
    node,
    spelling,
    two_distributions,
)
from tslm.core.config.model_defaults import model_defaults
from tslm.core.config.schema import value_fields
from tslm.core.config.validation import checked
from tslm.core.errors import ConfigError
from tslm.core.messages import did_you_mean, unknown_key
from tslm.core.plain_values import plain
from tslm.core.spec import Spec, refuse_nested


def configure(parts: Mapping[str, Any], values: Mapping[str, Any]) -> DictConfig:
    """Return the settings of one model: yaml choices, the options of parts, then plain values.

    Args:
        parts: config group to choice, a name or a ``Spec``; None leaves the group to the
            recommendation of the other parts.
        values: settings with plain values; None takes the yaml's.

    Raises:
        ConfigError: for a choice, an option or a type that does not fit.
    """
    for group, part in parts.items():
        named = isinstance(part, str | Spec) or (part is None and group != "model")
        if not named:
            raise ConfigError(
                f'{group}={part!r} must be a name, or Spec("NAME", ...) with options.'
            )
    specs = {group: Spec.of(part) for group, part in parts.items() if part is not None}
    specs, own = _own_decoder(specs)
    cfg = model_defaults({group: choice(group, spec.name) for group, spec in specs.items()})
    for group, spec in specs.items():
        _set_options(cfg, group, spec.options)
    _set_options(cfg, "decoder", own)
    known = [field.name for field in value_fields()]
    for key, value in values.items():
        if key not in known:  # a dotted one would change a part
            raise ConfigError(unknown_key(key, known))
        if value is not None:
            OmegaConf.update(cfg, key, _plain(key, value))
    return checked(cfg)


def estimator_arguments(cfg: DictConfig) -> dict[str, Any]:
    """Return a command's settings by the names of an estimator's parameters."""
    values = OmegaConf.to_container(cfg)  # lists that can be saved
    assert isinstance(values, dict)
    arguments: dict[str, Any] = {field.name: values[field.name] for field in value_fields()}
    for group in GROUPS:
        if group not in cfg.choices:
            arguments[group] = None
            continue
        node = values[group] or {}  # base=none
        options = {str(key): value for key, value in node.items() if key != "_target_"}
        arguments[group] = Spec(cfg.choices[group], **options)
    return arguments


def with_last_sizes(cfg: DictConfig, last: DictConfig, parts: Sequence[str]) -> DictConfig:
    """Return settings with the sizes of the last fit where they are None, or chosen by the fit.

    Args:
        cfg: settings of the new fit.
        last: settings of the last fit, with the sizes that the data suggested.
        parts: names of the parts of the estimator.
    """
    cfg = cfg.copy()
    for name in (name for name in (*parts, "context_length") if name in cfg):
        own, before = cfg[name], last[name]
        if own is None:
            cfg[name] = before
        elif OmegaConf.is_dict(own) and OmegaConf.is_dict(before):
            open_sizes = [key for key in own if own[key] is None and key in before]
            own.update({key: before[key] for key in open_sizes})
    if cfg.n_layers == "auto":
        cfg.n_layers = last.n_layers
    return cfg


def _own_decoder(specs: Mapping[str, Spec]) -> tuple[dict[str, Spec], dict[str, Any]]:
    """Read a decoder that is called like a distribution as the adapter's own one with it.

    Returns:
        The parts without it, and its options that belong to the adapter's own decoder.
    """
    decoder = specs.get("decoder")
    name = None if decoder is None else distribution_named(decoder.name)
    if decoder is None or name is None:
        return dict(specs), {}
    if "distribution" in specs and spelling(specs["distribution"].name) != spelling(name):
        raise ConfigError(two_distributions(name, specs["distribution"].name))
    known = node("distribution", name)
    options = {key: value for key, value in decoder.options.items() if key in known}
    rest = {key: value for key, value in decoder.options.items() if key not in known}
    given = specs["distribution"].options if "distribution" in specs else {}
    others = {group: spec for group, spec in specs.items() if group != "decoder"}
    return {**others, "distribution": Spec(name, **{**options, **given})}, rest


def _set_options(cfg: DictConfig, group: str, options: Mapping[str, Any]) -> None:
    """Change options of one part.

    Raises:
        ConfigError: if the part has no such option, with the ones it has.
    """
    node = cfg[group] or {}
    known = [str(key) for key in node if key != "_target_"]
    for key, value in options.items():
        if key not in known:
            hint = did_you_mean(key, known)
            name = node["_target_"].rpartition(".")[2] if node else f"{group}=none"
            has = f" It has {', '.join(known)}." if known else ""
            raise ConfigError(f"{name} has no option {key!r}.{hint}{has}")
        node[key] = _plain(f"{group}.{key}", value)


def _plain(name: str, value: Any) -> Any:
    """Return a value without the types of other libraries.

    Raises:
        ConfigError: if it is neither a scalar nor a list of scalars.
    """
    value = plain(value)
    refuse_nested(name, value)
    return value
