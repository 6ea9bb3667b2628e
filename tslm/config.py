"""From settings to live objects: the only module that knows ``_target_``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache, lru_cache
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from hydra.utils import get_class, get_object
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from tslm.errors import ConfigError
from tslm.folders import conf_folder, find, folders, further_folders, targets
from tslm.spec import Spec, refuse_nested

GROUPS = ("adapter", "decoder", "law", "base", "freeze", "model", "trainer")
ELSEWHERE = {  # what other libraries call it
    "dataset": "benchmark",
    "horizon": "h",
    "input_size": "context_length",
    "lr": "learning_rate",
    "pred_len": "h",
    "seed": "random_state",
    "seq_len": "context_length",
}
COUNTS = {
    "n_windows",
    "n_trials",
    "num_samples",
    "step_size",
    "stride",
    "rounds",
    "rollout_steps",
}  # of some verbs
SCALERS = ("fraction", "train")
FLAGS = {"overwrite", "download", "private", "history"}


@dataclass
class RunConfig:
    """The types of what all verbs share; the values and their meaning stand in ``config.yaml``."""

    h: int
    context_length: int | None
    freq: Any  # a pandas alias or a whole number
    season_length: int | None
    backbone: str
    n_layers: Any  # a number or "all"
    rollout: str
    pretrained: str | None
    prompt: str | None
    conformal: str | None
    id_col: str
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
    devices: Any
    strategy: str
    precision: str | None
    alias: str | None
    random_state: int | None
    verbose: int


def choices(group: str) -> list[str]:
    """Names a config group offers."""
    return sorted({path.stem for folder in folders() for path in (folder / group).glob("*.yaml")})


def with_law(words: Sequence[str]) -> list[str]:
    """Overrides in which ``decoder=LAW`` is the adapter's own decoder with that law.

    Options of the law may be called options of the decoder: ``decoder.quantiles=[0.1,0.5,0.9]``.
    """
    laws = [word.partition("=")[2] for word in words if word.startswith("decoder=")]
    if not laws or laws[-1] not in choices("law"):
        return list(words)
    known = node("law", laws[-1])
    moved = []
    for word in words:
        key = word.partition("=")[0]
        option = key.removeprefix("decoder.")
        moves = key == "decoder" or (option != key and option in known)
        moved.append(word.replace("decoder", "law", 1) if moves else word)
    return moved


def compose(primary: str = "config", overrides: Sequence[str] = ()) -> DictConfig:
    """Compose settings from a primary yaml file, such as ``verb/fit``.

    Raises:
        ConfigError: for a key or a choice that does not exist, with the nearest that does.
    """
    return _composed(primary, tuple(with_law(overrides)), further_folders()).copy()


@lru_cache(maxsize=64)
def _composed(primary: str, overrides: tuple[str, ...], further: tuple[Path, ...]) -> DictConfig:
    # Hydra takes every folder for a group; conf/backbone is none, and conf/model not everywhere
    plain = [word for word in overrides if _is_plain(word.partition("=")[0], primary)]
    words = [word for word in overrides if word not in plain]
    if further:
        paths = [f"file://{folder}" for folder in further]
        words.append(f"hydra.searchpath={paths}")
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            cfg = hydra_compose(primary, overrides=words, return_hydra_config=True)
        for value in OverridesParser.create().parse_overrides(plain):
            OmegaConf.update(cfg, value.key_or_group, value.value())
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, primary) from error
    chosen = cfg.hydra.runtime.choices
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    with open_dict(cfg):
        named = {group: chosen.get(group) for group in (*GROUPS, "budget")}
        cfg["choices"] = {group: name for group, name in named.items() if name}
    OmegaConf.set_struct(cfg, True)
    return cfg


def node(group: str, name: str) -> DictConfig:
    """The part that one file describes, by itself: ``conf/GROUP/NAME.yaml``.

    Raises:
        ConfigError: if there is no such file.
    """
    path = find(group, choice(group, name))
    assert path is not None
    found: DictConfig = OmegaConf.select(OmegaConf.load(path), group)
    return found


def control(name: str) -> DictConfig | None:
    """The node of a control in place of a language model, or None if no control is called so."""
    path = conf_folder() / "backbone" / f"{name}.yaml"
    if not re.fullmatch(r"\w+", name) or not path.is_file():
        return None
    found: DictConfig | None = OmegaConf.select(OmegaConf.load(path), "control")
    return found


def choice(group: str, name: str) -> str:
    """The file a name means, however it is spelled: SeasonalNaive is seasonal_naive.

    Raises:
        ConfigError: if there is none, with the nearest.
    """
    known = {_plainly(file): file for file in choices(group)}
    if _plainly(name) not in known:
        raise ConfigError(unknown_choice(group, name))
    return known[_plainly(name)]


def _plainly(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


@cache
def _is_plain(key: str, primary: str) -> bool:
    """Whether a key that names a folder of ``conf`` is a plain value of this primary file."""
    if not (conf_folder() / key).is_dir():
        return False
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = hydra_compose(primary, return_hydra_config=True)
    return key not in cfg.hydra.runtime.choices


def complete(cfg: DictConfig) -> DictConfig:
    """The same settings, if nothing is missing and, where they train, all are of the right type.

    Raises:
        ConfigError: naming what is missing or wrong.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} is not given. Add {missing[0]}=... to the command.")
    _check_own(cfg)
    return checked(cfg) if "max_steps" in cfg else cfg


def _check_own(cfg: DictConfig) -> None:
    """Check the settings that only some verbs have."""
    for name in COUNTS & set(cfg):
        value = cfg[name]
        if value is not None and (not isinstance(value, int) or value is True or value < 1):
            raise ConfigError(f"{name}={value} must be a whole number of at least 1.")
    for name in FLAGS & set(cfg):
        if not isinstance(cfg[name], bool):
            raise ConfigError(f"{name}={cfg[name]} must be true or false.")


def listed(value: Any) -> list[Any] | None:
    """A setting that may be a list or a single value, as a list; None stays None."""
    if value is None:
        return None
    return list(value) if OmegaConf.is_list(value) else [value]


def explain(error: Exception, primary: str = "config") -> ConfigError:
    """Say in the user's words what Hydra found wrong, and what was probably meant."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    if found := re.search(r"Could not override '([\w.]+)'\.", text):
        return ConfigError(unknown_key(found[1], keys(compose(primary))))
    if found := re.search(r"Key '(\w+)' is not in struct", text):
        return ConfigError(unknown_key(found[1], keys(compose(primary))))
    if found := re.search(r"In '([^']+)': Could not find '(\w+)/([^']+)'", text):
        group, name = found[2], found[3]
        return ConfigError(unknown_choice(group, name))
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override} cannot be read: {text.splitlines()[0]}. Text with braces, commas or "
            """colons needs quotes of its own: 'prompt="{store}: daily sales"'."""
        )
    return ConfigError(text.split("\n")[0])


def unknown_key(key: str, known: Sequence[str]) -> str:
    """The message for a setting that does not exist."""
    elsewhere = [ELSEWHERE[key]] if ELSEWHERE.get(key) in known else []
    nearest = (
        elsewhere
        or get_close_matches(key, known, n=1)
        or get_close_matches(key.split(".")[-1], [k.split(".")[-1] for k in known], n=1)
    )
    siblings = [k for k in known if k.rpartition(".")[0] == key.rpartition(".")[0]]
    hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(siblings or known)}."
    return f"{key} is not a setting: {hint}"


def unknown_choice(group: str, name: str) -> str:
    """The message for a choice a group does not offer."""
    offered = choices(group) + (choices("law") if group == "decoder" else [])
    nearest = get_close_matches(_plainly(name), offered, n=1)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    return f"{group}={name} is unknown. {hint}Choose one of {', '.join(offered)}."


def keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    """Dotted names of all settings."""
    found: list[str] = []
    for key in cfg:
        name = f"{prefix}{key!s}"
        node = None if OmegaConf.is_missing(cfg, key) else cfg[key]
        found.append(name)
        found += keys(node, f"{name}.") if isinstance(node, DictConfig) else []
    return [name for name in found if "_target_" not in name]


def configure(parts: Mapping[str, Spec | str | None], values: Mapping[str, Any]) -> DictConfig:
    """The settings of one model: yaml choices, the options of parts, then plain values.

    Args:
        parts: config group to choice; None leaves the group to the others' recommendation.
        values: settings of ``RunConfig``; None takes the yaml's.

    Raises:
        ConfigError: for a choice, an option or a type that does not fit.
    """
    specs = {group: Spec.of(part) for group, part in parts.items() if part is not None}
    specs, own = _own_decoder(specs)
    cfg = compose("config", [f"{group}={choice(group, s.name)}" for group, s in specs.items()])
    for group, spec in specs.items():
        _set_options(cfg, group, spec.options)
    _set_options(cfg, "decoder", own)
    known = [field.name for field in fields(RunConfig)]
    for key, value in values.items():
        if key not in known:  # a dotted one would reach into a part
            raise ConfigError(unknown_key(key, known))
        if value is not None:
            refuse_nested(key, value)
            OmegaConf.update(cfg, key, value)
    return checked(cfg)


def _own_decoder(specs: Mapping[str, Spec]) -> tuple[dict[str, Spec], dict[str, Any]]:
    """A decoder that is called like a law is the adapter's own one with that law.

    Returns:
        The parts without it, and what it says of the options of the adapter's own decoder.
    """
    decoder = specs.get("decoder")
    laws = {_plainly(name): name for name in choices("law")}
    if decoder is None or _plainly(decoder.name) not in laws:
        return dict(specs), {}
    name = laws[_plainly(decoder.name)]
    if "law" in specs and _plainly(specs["law"].name) != _plainly(name):
        raise ConfigError(
            f"decoder={name} and law={specs['law'].name} are both laws. Leave one out, or name the "
            "layout of the decoder, such as decoder=flatten."
        )
    known = node("law", name)
    law = {key: value for key, value in decoder.options.items() if key in known}
    rest = {key: value for key, value in decoder.options.items() if key not in known}
    given = specs["law"].options if "law" in specs else {}
    others = {group: spec for group, spec in specs.items() if group != "decoder"}
    return {**others, "law": Spec(name, **{**law, **given})}, rest


def _set_options(cfg: DictConfig, group: str, options: Mapping[str, Any]) -> None:
    node = cfg[group] or {}
    known = [str(key) for key in node if key != "_target_"]
    for key, value in options.items():
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            name = node["_target_"].rpartition(".")[2] if node else f"{group}=none"
            has = f" It has {', '.join(known)}." if known else ""
            raise ConfigError(f"{name} has no option {key!r}.{hint}{has}")
        refuse_nested(f"{group}.{key}", value)
        node[key] = value


def checked(cfg: DictConfig) -> DictConfig:
    """The same settings, with every shared one of the right type and range.

    Raises:
        ConfigError: naming the setting and its value.
    """
    names = [field.name for field in fields(RunConfig)]
    try:
        typed = OmegaConf.merge(OmegaConf.structured(RunConfig), OmegaConf.masked_copy(cfg, names))
    except OmegaConfBaseException as error:
        value = OmegaConf.select(cfg, str(error.full_key))
        raise ConfigError(
            f"{error.full_key}={value!r}: {str(error.msg).splitlines()[0]}"
        ) from error
    cfg.merge_with(OmegaConf.to_container(typed))
    for name in ("h", "context_length", "season_length", "batch_size", "max_steps", "max_epochs"):
        if cfg[name] is not None and cfg[name] < 1:
            raise ConfigError(f"{name}={cfg[name]} must be at least 1.")
    if cfg.learning_rate is not None and cfg.learning_rate <= 0:
        raise ConfigError(f"learning_rate={cfg.learning_rate} must be above 0.")
    if not 0 < cfg.fraction <= 1:
        raise ConfigError(f"fraction={cfg.fraction} must be above 0 and at most 1.")
    if cfg.scaler not in SCALERS:
        raise ConfigError(f"scaler={cfg.scaler} is unknown. Choose one of {', '.join(SCALERS)}.")
    return cfg


def build(cfg: DictConfig, **parts: object) -> Any:
    """Make the object one node of the config describes, handing it what only code can supply.

    Raises:
        ConfigError: if the node names something untrusted, or its options do not fit.
    """
    make, options = get_object(trusted_target(cfg)), _options(cfg)
    try:
        signature(make).bind(**options, **parts)
    except TypeError as error:
        raise ConfigError(f"{cfg._target_}: {error}. Compare its yaml and __init__.") from error
    return make(**options, **parts)


def part_class(cfg: DictConfig) -> Any:
    """The class one node of the config describes."""
    return get_class(trusted_target(cfg))


def trusted_target(cfg: DictConfig) -> str:
    """The import path a node names, if a yaml file of ours or of an installed package names it too.

    Options are plain values, so nothing further down is made.

    Raises:
        ConfigError: if it is another one, or an option is no plain value.
    """
    target = str(cfg.get("_target_"))
    if target not in targets():
        raise ConfigError(
            f"_target_ {target} is not trusted: no yaml file of tslm, of an installed package or "
            "of TSLM_CONF names it. Remove it, or add a yaml file that names it."
        )
    _options(cfg)
    return target


def _options(cfg: DictConfig) -> dict[str, Any]:
    """The options of one node, each a plain value."""
    plain = OmegaConf.to_container(cfg)
    assert isinstance(plain, dict)
    options = {str(key): value for key, value in plain.items() if key != "_target_"}
    for key, value in options.items():
        refuse_nested(f"{cfg._target_}: {key}", value)
    return options


def estimator_arguments(cfg: DictConfig) -> dict[str, Any]:
    """A verb's settings by the names of an estimator's parameters."""
    plain = OmegaConf.to_container(cfg, resolve=True)  # lists that can be saved
    assert isinstance(plain, dict)
    arguments: dict[str, Any] = {field.name: plain[field.name] for field in fields(RunConfig)}
    for group in GROUPS:
        if group not in cfg.choices:
            continue
        node = plain[group] or {}  # base=none
        options = {str(key): value for key, value in node.items() if key != "_target_"}
        arguments[group] = Spec(cfg.choices[group], **options)
    return arguments


def sweep(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the choices overrides leave open, as Hydra's sweeper makes them.

    Raises:
        ConfigError: if an override cannot be parsed.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(str(error).split("\n")[0]) from error
    options = []
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override():
            options.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            options.append([f"{key}={override.get_value_element_as_str()}"])
    return [list(job) for job in product(*options)]
