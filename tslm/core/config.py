"""From settings to live objects: the only module that knows ``_target_``."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from inspect import signature
from itertools import combinations, product
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import Any, get_type_hints

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from hydra.utils import get_class, get_object
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from packaging.version import Version
from yaml import YAMLError

from tslm.core.command_words import LISTS, MARKED, TEXTS, Word, pieces, split
from tslm.core.errors import ConfigError
from tslm.core.paths import conf_folder, find, folders, further_folders, targets
from tslm.core.plain_values import LONGEST, describe_type, fits, plain
from tslm.core.spec import Spec, refuse_nested

GROUPS = ("adapter", "decoder", "distribution", "base", "freeze", "model", "trainer")
LANGUAGE = (
    "adapter",
    "backbone",
    "base",
    "decoder",
    "freeze",
    "distribution",
    "n_layers",
    "precision",
    "pretrained",
    "prompt",
    "rollout",
)  # of which a baseline has none
ROLES = ("id_col", "time_col", "target_col")
CHOICES = "choices"  # beside the settings: the name of each part that was chosen
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
    "top",
}  # of some verbs
TYPES: dict[str, Any] = {  # of settings that only some verbs have
    "refit": bool | int,
    "recalibrate": bool,
    "level": float | list[float] | None,
    "quantiles": float | list[float] | None,
    "horizons": int | list[int] | None,
    "seeds": int | list[int],
}
READ = {
    "data",
    "forecasts",
    "val_data",
    "static",
    "futr",
    "examples",
    "model",
    "results",
    "ablation",
}  # files
SCALERS = ("fraction", "train")
EXAMPLES = {"data": "sales.csv", "model": "runs/a", "repo": "me/sales"}  # of what must be given
FLAGS = {"overwrite", "download", "private", "history"}
RANGES = {
    "h": (1, LONGEST),
    "context_length": (1, LONGEST),
    "season_length": (1, LONGEST),
    "batch_size": (1, LONGEST),
    "max_steps": (1, 10**9),
    "max_epochs": (1, 10**9),
    "val_size": (0, 10**9),
    "early_stopping_patience": (1, 10**9),
    "random_state": (0, 2**32 - 1),
    "verbose": (0, 10),
}


@dataclass
class RunConfig:
    """The types of what all verbs share; the values and their meaning stand in ``config.yaml``."""

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


def choices(group: str) -> list[str]:
    """Names a config group offers."""
    return sorted({path.stem for folder in folders() for path in (folder / group).glob("*.yaml")})


def described(group: str, name: str) -> str:
    """What the file of a choice says of it: its first comment."""
    path = find(group, name)
    lines = [] if path is None else path.read_text(encoding="utf-8").splitlines()
    said = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    return next((line for line in said if not line.startswith("@package")), "")


def with_distribution(words: Sequence[Word]) -> list[Word]:
    """Words in which ``decoder=DISTRIBUTION`` is the adapter's own decoder with that distribution.

    Its options may be called options of the decoder: ``decoder.quantiles=[0.1,0.5,0.9]``.

    Raises:
        ConfigError: if ``distribution=`` names another one.
    """
    given = {word.key: word.value for word in words}
    families = {_plainly(name): name for name in choices("distribution")}
    name = families.get(_plainly(given.get("decoder", "")))
    if name is None:
        return list(words)
    if "distribution" in given:
        raise ConfigError(two_distributions(name, given["distribution"]))
    known = node("distribution", name)
    moved = []
    for word in words:
        option = word.key.removeprefix("decoder.")
        moves = word.key == "decoder" or (option != word.key and option in known)
        moved.append(
            Word(word.key.replace("decoder", "distribution", 1), word.value) if moves else word
        )
    return moved


def two_distributions(decoder: str, distribution: str) -> str:
    """Say that two distributions were asked for."""
    return (
        f"decoder={decoder} and distribution={distribution} both name a distribution. Leave one "
        "out, or name the layout of the decoder, such as decoder=flatten."
    )


def compose(primary: str = "config", words: Sequence[str] = ()) -> DictConfig:
    """Compose settings from a primary yaml file, such as ``verb/fit``, and words ``key=value``.

    Raises:
        ConfigError: for a key or a choice that does not exist, with the nearest that does; for a
            value that cannot be read, and for a setting that has no effect beside the others.
    """
    typed = split(words)
    given, usual = with_distribution(typed), _groups(primary)
    named = {word.key: _name(word, usual[word.key]) for word in given if word.key in usual}
    chosen = tuple(f"{group}={name}" for group, name in named.items() if name is not None)
    cfg = _composed(primary, chosen, further_folders()).copy()
    for word in given:
        if word.key not in usual:
            _set(cfg, word)
    _refuse_unused(cfg, {word.key.partition(".")[0]: word for word in typed}, primary)
    return cfg


class _Loader(ConfigLoaderImpl):
    """Hydra's, for our files alone: an application's own schemas and settings stay out of them."""

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        assert default.config_path is not None
        found = repo.load_config(config_path=default.config_path)
        assert found is not None
        return self._embed_result_config(found, default.package)


_COMPOSING = Lock()  # Hydra's version and OmegaConf's caches belong to the process


@lru_cache(maxsize=64)
def _loaded(primary: str, chosen: tuple[str, ...], further: tuple[Path, ...]) -> DictConfig:
    """What Hydra makes of our files; its process-wide state stays as it is."""
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    for folder in (conf_folder(), *further):
        path.append("main" if folder == conf_folder() else "further", f"file://{folder}")
    path.append("schema", "structured://")
    with _COMPOSING:
        Plugins.instance()  # they register how folders are read
        base = VersionBase.instance().version_base
        VersionBase.instance().version_base = Version("1.3")
        try:
            words = [*chosen, "hydra.job.name=tslm"]
            return _Loader(path).load_configuration(primary, words, RunMode.RUN, from_shell=False)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise ConfigError(str(error).strip().split("\n")[0]) from error
        finally:
            VersionBase.instance().version_base = base


@lru_cache(maxsize=64)
def _composed(primary: str, chosen: tuple[str, ...], further: tuple[Path, ...]) -> DictConfig:
    cfg = _loaded(primary, chosen, further)
    names = cfg.hydra.runtime.choices
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    with open_dict(cfg):
        named = {group: names.get(group) for group in (*GROUPS, "budget")}
        cfg[CHOICES] = {group: name for group, name in named.items() if name}
    OmegaConf.set_struct(cfg, True)
    return cfg


def _groups(primary: str) -> dict[str, str | None]:
    """The config groups of a primary file, and what each is if nobody says."""
    choices = _loaded(primary, (), further_folders()).hydra.runtime.choices
    return {str(group): name for group, name in choices.items() if "hydra/" not in str(group)}


def _name(word: Word, usual: str | None) -> str | None:
    """The one name a word gives to a group; null is none where none is usual."""
    names = pieces(word.value.removeprefix("[").removesuffix("]"))
    if len(names) > 1 or word.value.startswith("["):
        further = f"-m {word.key}={','.join(names)} runs {'both' if len(names) == 2 else 'each'}"
        hint = further if len(names) > 1 else f"write {word.key}={names[0]}"
        raise ConfigError(f"{word.key} takes one name; {hint}.")
    name = word.text
    if name is None and usual is None:
        return None
    return choice(word.key, name or "null")


def _set(cfg: DictConfig, word: Word) -> None:
    """Give a setting the value that a word says."""
    known, key = keys(cfg), word.key.lstrip("+~")
    if key != word.key:
        arms = MARKED.fullmatch(word.key) and "budget.arms" in known
        if arms and word.key.startswith("+"):
            OmegaConf.update(cfg, key, _value(word), force_add=True)
        elif arms and key in known:
            with open_dict(cfg):
                del cfg.budget.arms[key.removeprefix("budget.arms.")]
        elif key in known:
            raise ConfigError(
                f"{word.key}: settings are neither added nor taken away. Write {key}=VALUE, or "
                f"leave {key} out."
            )
        else:
            raise ConfigError(unknown_key(key, known))
        return
    if key not in known:
        raise ConfigError(unknown_key(key, known))
    value = word.text if key in TEXTS else word.texts if key in LISTS else _value(word)
    if not isinstance(value, dict) or key.partition(".")[0] in GROUPS:
        refuse_nested(key, value)
    if value is not None or not OmegaConf.is_missing(cfg, key):  # null is nothing given
        OmegaConf.update(cfg, key, value)


def _value(word: Word) -> Any:
    """A value in Hydra's grammar: a number, true, false, null, text, a list or a mapping."""
    if not word.value.isascii() and re.fullmatch(r"[\w ./-]+", word.value):
        return word.value  # letters that the grammar does not know
    try:
        (parsed,) = OverridesParser.create().parse_overrides([f"value={word.value}"])
        if not parsed.is_sweep_override():
            return parsed.value()
    except (HydraException, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{word.shown} cannot be read. Numbers and names stand as they are, "
            f"lists in brackets, and text with braces, commas or colons in quotes of its own: "
            f"{word.key}=\"'a, b'\"."
        ) from error
    raise ConfigError(
        f"{word.shown} names several values; -m runs each of them, and brackets "
        f"make a list: '{word.key}=[{word.value}]'."
    )


def _refuse_unused(cfg: DictConfig, given: Mapping[str, Word], primary: str) -> None:
    """Refuse words that would have no effect beside the others.

    Raises:
        ConfigError: naming them.
    """
    if primary == "verb/speed" and "model" in given:
        raise ConfigError("speed measures an adapter, so model= has no place here.")
    if name := cfg.get(CHOICES, {}).get("model"):
        unused = [key for key in LANGUAGE if key in given]
        if unused:
            raise ConfigError(
                f"model={name} reads no language model, so {', '.join(unused)} would have no "
                f"effect. Leave out {' and '.join(unused)}, or model."
            )
    for key, hint in _overruled(cfg, primary).items():
        if key in given:
            raise ConfigError(f"{key}={given[key].value} would have no effect here: {hint}.")


def _overruled(cfg: DictConfig, primary: str) -> dict[str, str]:
    """The settings that something else decides, and what to do instead."""
    found = {}
    if "seeds" in cfg:
        found["random_state"] = "name seeds, such as seeds=[0]"
    if "budget" in cfg:
        found["random_state"] = "name seeds, such as budget.seeds=[0]"
        found["stride"] = "windows of a file are all scored; stride is of a benchmark"
    content = cfg.get("benchmark")
    if content is None:
        return found
    found.pop("stride", None)
    found |= dict.fromkeys(("freq", "resample"), "the benchmark says it, so leave it out")
    if "horizons" in cfg:
        found["h"] = "name the horizons that are scored, such as horizons=[96]"
    if "n_windows" in cfg:
        found["n_windows"] = "every window of the benchmark is scored; it is of data=FILE"
    if "split" in content:  # else each series is forecast once, from its end
        said = "the benchmark says it, so leave it out"
        return found | dict.fromkeys(("season_length", "val_size"), said)
    once = "each series is forecast once, as far as the competition did, so leave it out"
    return found | dict.fromkeys(("h", "horizons", "stride"), once)


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


def complete(cfg: DictConfig) -> DictConfig:
    """The same settings, if nothing is missing and, where they train, all are of the right type.

    Raises:
        ConfigError: naming what is missing or wrong.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        example = EXAMPLES.get(missing[0], "...")
        raise ConfigError(f"{missing[0]} is not given. Add {missing[0]}={example} to the command.")
    _check_own(cfg)
    return checked(cfg) if "max_steps" in cfg else cfg


def _check_own(cfg: DictConfig) -> None:
    """Check the settings that only some verbs have."""
    _check_steps(cfg)
    for name in COUNTS & set(cfg):
        value = cfg[name]
        if value is not None and (not isinstance(value, int) or value is True or value < 1):
            raise ConfigError(f"{name}={value} must be a whole number of at least 1.")
    for name in [name for name in TYPES if name in cfg]:
        value = list(cfg[name]) if OmegaConf.is_list(cfg[name]) else cfg[name]
        if not fits(value, TYPES[name]):
            raise ConfigError(f"{name}={value!r} must be {describe_type(TYPES[name])}.")
    for name in FLAGS & set(cfg):
        if not isinstance(cfg[name], bool):
            raise ConfigError(f"{name}={cfg[name]} must be true or false.")
    for name in sorted(READ & set(cfg)) if cfg.get("out") else []:
        for path in listed(cfg[name]) or []:
            if isinstance(path, str) and _same(path, cfg.out):
                raise ConfigError(
                    f"out={cfg.out} is what {name} reads, and would be overwritten. Give another "
                    "path."
                )


def _same(one: str, other: str) -> bool:
    """Whether two paths lead to one file."""
    return os.path.realpath(one) == os.path.realpath(other)


def listed(value: Any) -> list[Any] | None:
    """A setting that may be a list or a single value, as a list; None stays None."""
    if value is None:
        return None
    return list(value) if OmegaConf.is_list(value) else [value]


def unknown_key(key: str, known: Sequence[str]) -> str:
    """The message for a setting that does not exist."""
    elsewhere = [ELSEWHERE[key]] if ELSEWHERE.get(key) in known else []
    nearest = (
        get_close_matches(key, known, n=1, cutoff=0.85)
        or elsewhere
        or get_close_matches(key, known, n=1)
        or get_close_matches(key.split(".")[-1], [k.split(".")[-1] for k in known], n=1)
    )
    siblings = [k for k in known if k.rpartition(".")[0] == key.rpartition(".")[0]]
    hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(siblings or known)}."
    return f"{key} is not a setting: {hint}"


def unknown_choice(group: str, name: str) -> str:
    """The message for a choice a group does not offer."""
    offered = choices(group) + (choices("distribution") if group == "decoder" else [])
    nearest = get_close_matches(_plainly(name), offered, n=1)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    if group == "model" and (Path(name).expanduser() / "model.json").is_file():
        hint = (
            f"{name} is a saved model, which predict, explain and recalibrate read; this verb fits "
            "anew, with the settings you give. "
        )
    return f"{group}={name} is unknown. {hint}Choose one of {', '.join(offered)}."


def keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    """Dotted names of all settings."""
    found: list[str] = []
    for key in (key for key in cfg if key not in (CHOICES, "_target_")):
        name = f"{prefix}{key!s}"
        node = None if OmegaConf.is_missing(cfg, key) else cfg[key]
        found.append(name)
        found += keys(node, f"{name}.") if isinstance(node, DictConfig) else []
    return found


def configure(parts: Mapping[str, Any], values: Mapping[str, Any]) -> DictConfig:
    """The settings of one model: yaml choices, the options of parts, then plain values.

    Args:
        parts: config group to choice, a name or a ``Spec``; None leaves the group to the others'
            recommendation.
        values: settings of ``RunConfig``; None takes the yaml's.

    Raises:
        ConfigError: for a choice, an option or a type that does not fit.
    """
    for group, part in parts.items():
        if part is not None and not isinstance(part, str | Spec):
            raise ConfigError(
                f'{group}={part!r} must be a name, or Spec("NAME", ...) with options.'
            )
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
            OmegaConf.update(cfg, key, _checked(key, value))
    return checked(cfg)


def _own_decoder(specs: Mapping[str, Spec]) -> tuple[dict[str, Spec], dict[str, Any]]:
    """Read a decoder that is called like a distribution as the adapter's own one with it.

    Returns:
        The parts without it, and what it says of the options of the adapter's own decoder.
    """
    decoder = specs.get("decoder")
    families = {_plainly(name): name for name in choices("distribution")}
    if decoder is None or _plainly(decoder.name) not in families:
        return dict(specs), {}
    name = families[_plainly(decoder.name)]
    if "distribution" in specs and _plainly(specs["distribution"].name) != _plainly(name):
        raise ConfigError(two_distributions(name, specs["distribution"].name))
    known = node("distribution", name)
    options = {key: value for key, value in decoder.options.items() if key in known}
    rest = {key: value for key, value in decoder.options.items() if key not in known}
    given = specs["distribution"].options if "distribution" in specs else {}
    others = {group: spec for group, spec in specs.items() if group != "decoder"}
    return {**others, "distribution": Spec(name, **{**options, **given})}, rest


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
        node[key] = _checked(f"{group}.{key}", value)


def _checked(name: str, value: Any) -> Any:
    """A setting as a plain value."""
    value = plain(value)
    refuse_nested(name, value)
    return value


def checked(cfg: DictConfig) -> DictConfig:
    """The same settings, with every shared one of the right type and range.

    Raises:
        ConfigError: naming the setting and its value.
    """
    names = [field.name for field in fields(RunConfig)]
    values = OmegaConf.to_container(OmegaConf.masked_copy(cfg, names))
    assert isinstance(values, dict)
    for field in fields(RunConfig):
        value = values[field.name]
        if not fits(value, field.type):
            raise ConfigError(f"{field.name}={value!r} must be {describe_type(field.type)}.")
        if fits(1.5, field.type) and value is not None:
            cfg[field.name] = float(value)
    cfg.verbose = int(cfg.verbose)
    for name, (least, most) in RANGES.items():
        if cfg[name] is not None and not least <= cfg[name] <= most:
            bound = f"at least {least}" if cfg[name] < least else f"at most {most:,}"
            raise ConfigError(f"{name}={cfg[name]} must be {bound}.")
    if cfg.learning_rate is not None and cfg.learning_rate <= 0:
        raise ConfigError(f"learning_rate={cfg.learning_rate} must be above 0.")
    if cfg.floor is not None and not isfinite(cfg.floor):
        raise ConfigError(f"floor={cfg.floor} must be a number, such as floor=0, or null.")
    if not 0 < cfg.fraction <= 1:
        raise ConfigError(f"fraction={cfg.fraction} must be above 0 and at most 1.")
    if cfg.scaler not in SCALERS:
        raise ConfigError(f"scaler={cfg.scaler} is unknown. Choose one of {', '.join(SCALERS)}.")
    depth = cfg.n_layers
    if not (depth in (None, "all") or (isinstance(depth, int) and depth >= 1)):
        raise ConfigError(f'n_layers={depth} must be a whole number of at least 1, or "all".')
    roles = [(key, name) for key in ROLES for name in listed(cfg[key]) or []]
    for (one, name), (other, same) in combinations(roles, 2):
        if name == same:
            raise ConfigError(f"{one} and {other} both name {name!r}. Name two columns.")
    _check_steps(cfg)
    _check_options(cfg)
    return cfg


def _check_steps(cfg: DictConfig) -> None:
    """Check the distance of rows, and the grid they are put on."""
    if "freq" not in cfg:
        return
    for field in fields(RunConfig):
        if field.name in ("freq", "resample") and not fits(cfg[field.name], field.type):
            raise ConfigError(
                f"{field.name}={cfg[field.name]!r} must be {describe_type(field.type)}."
            )
    if not (cfg.freq is None and cfg.resample is None):
        from tslm.core.frequency import check_steps  # pandas is slow to import

        check_steps(cfg.freq, cfg.resample)


def _check_options(cfg: DictConfig) -> None:
    """Check that options of parts have the types their parts ask for; null is left to the part.

    Raises:
        ConfigError: naming the option and its value.
    """
    for group in GROUPS:
        if cfg[group] is None:
            continue
        hints = get_type_hints(part_class(cfg[group]).__init__)
        for key, value in _options(cfg[group]).items():
            if value is not None and key in hints and not fits(value, hints[key]):
                raise ConfigError(f"{group}.{key}={value!r} must be {describe_type(hints[key])}.")
            if key.endswith(("dropout", "warmup")) and not 0 <= (value or 0) <= 1:
                raise ConfigError(f"{group}.{key}={value!r} is a share, and must lie in [0, 1].")
            if type(value) is int and not 0 <= value <= LONGEST:
                raise ConfigError(f"{group}.{key}={value} must be from 0 to {LONGEST:,}.")


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
    values = OmegaConf.to_container(cfg)  # lists that can be saved
    assert isinstance(values, dict)
    arguments: dict[str, Any] = {field.name: values[field.name] for field in fields(RunConfig)}
    for group in GROUPS:
        if group not in cfg.choices:
            continue
        node = values[group] or {}  # base=none
        options = {str(key): value for key, value in node.items() if key != "_target_"}
        arguments[group] = Spec(cfg.choices[group], **options)
    return arguments


def sweep(words: Sequence[str]) -> list[list[str]]:
    """Every combination of the choices words leave open, as Hydra's sweeper makes them.

    Raises:
        ConfigError: if a word cannot be read.
    """
    return [list(job) for job in product(*map(_choices_of, split(words)))]


def _choices_of(word: Word) -> list[str]:
    """The words that one word of a sweep stands for."""
    if word.key in TEXTS | LISTS or (conf_folder() / word.key).is_dir():
        return [f"{word.key}={value}" for value in pieces(word.value)]
    try:
        (parsed,) = OverridesParser.create().parse_overrides([f"value={word.value}"])
        values = parsed.sweep_string_iterator() if parsed.is_sweep_override() else [word.value]
        return [f"{word.key}={value}" for value in values]
    except (HydraException, ValueError, RecursionError) as error:
        raise ConfigError(f"{word.shown} cannot be read: {error}.") from error
