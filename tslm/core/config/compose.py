"""Settings of one command, composed from yaml files and words ``key=value``."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, OmegaConf, open_dict

from tslm.core.config.choices import (
    CHOICES,
    GROUPS,
    choice,
    distribution_named,
    node,
    two_distributions,
)
from tslm.core.config.hydra_grammar import parsed_value
from tslm.core.config.hydra_loader import composed
from tslm.core.config.model_defaults import default_choices
from tslm.core.config.schema import LANGUAGE, tagged
from tslm.core.config.words import LISTS, MARKED, TEXTS, Word, pieces, split
from tslm.core.errors import ConfigError
from tslm.core.messages import unknown_key
from tslm.core.paths import further_folders
from tslm.core.spec import refuse_nested

TYPED = "typed"  # settings that were typed, where a saved model has the others
FORECASTS = ("verb/fit", "verb/backtest", "verb/tune")  # commands whose base is a mix by default

# settings of a command that is given an engine, if they are others than those for one table
ON_DATA_SETS = {"verb/backtest": "verb/data_set/backtest"}


def compose(primary: str = "config", words: Sequence[str] = ()) -> DictConfig:
    """Compose settings from a primary yaml file, such as ``verb/fit``, and words ``key=value``.

    Raises:
        ConfigError: for a key or a choice that does not exist, with the nearest that does; for a
            value that cannot be read, and for a setting that has no effect beside the others.
    """
    typed = split(words)
    if primary in ON_DATA_SETS and any(word.key == "engine" and word.text for word in typed):
        primary = ON_DATA_SETS[primary]
    given, defaults = with_distribution(typed), default_choices(primary)
    named = {word.key: _name(word, defaults[word.key]) for word in given if word.key in defaults}
    apart = named.get("model") or named.get("experiment")  # the settings of a paper have no mix
    if primary in FORECASTS and "base" not in named and not apart:
        named["base"] = "auto"
    chosen = tuple(f"{group}={name}" for group, name in named.items() if name is not None)
    cfg = composed(primary, chosen, further_folders()).copy()
    for word in given:
        if word.key not in defaults:
            _set(cfg, word)
    _refuse_unused(cfg, {word.key.partition(".")[0]: word for word in typed}, primary)
    if cfg.get("init") is not None:
        OmegaConf.update(cfg, TYPED, [word.key for word in given], force_add=True)
    return cfg


def with_distribution(words: Sequence[Word]) -> list[Word]:
    """Read ``decoder=DISTRIBUTION`` as the adapter's own decoder with that distribution.

    Its options may be called options of the decoder: ``decoder.quantiles=[0.1,0.5,0.9]``.

    Raises:
        ConfigError: if ``distribution=`` names another one.
    """
    given = {word.key: word.value for word in words}
    name = distribution_named(given.get("decoder", ""))
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


def keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    """Return the dotted names of all settings."""
    found: list[str] = []
    for key in (key for key in cfg if key not in (CHOICES, TYPED, "_target_")):
        name = f"{prefix}{key!s}"
        node = None if OmegaConf.is_missing(cfg, key) else cfg[key]
        found.append(name)
        found += keys(node, f"{name}.") if isinstance(node, DictConfig) else []
    return found


def _name(word: Word, default: str | None) -> str | None:
    """Return the one name that a word gives to a group; null is None where None is the default."""
    names = pieces(word.value.removeprefix("[").removesuffix("]"))
    if len(names) > 1 or word.value.startswith("["):
        further = f"-m {word.key}={','.join(names)} runs {'both' if len(names) == 2 else 'each'}"
        hint = further if len(names) > 1 else f"write {word.key}={names[0]}"
        raise ConfigError(f"{word.key} takes one name; {hint}.")
    name = word.text
    if name is None and default is None:
        return None
    return choice(word.key, name or "null")


def _set(cfg: DictConfig, word: Word) -> None:
    """Give a setting the value of a word."""
    known, key = keys(cfg), word.key.lstrip("+~")
    if key != word.key:
        _change_arms(cfg, word, key, known)
        return
    if key not in known:
        raise ConfigError(unknown_key(key, known))
    value = word.text if key in TEXTS else word.texts if key in LISTS else parsed_value(word)
    if not isinstance(value, dict) or key.partition(".")[0] in GROUPS:
        refuse_nested(key, value)
    if value is not None or not OmegaConf.is_missing(cfg, key):  # null leaves it missing
        OmegaConf.update(cfg, key, value)


def _change_arms(cfg: DictConfig, word: Word, key: str, known: Sequence[str]) -> None:
    """Add an arm to the budget of an ablation (``+``), or take one away (``~``)."""
    arms = MARKED.fullmatch(word.key) and "budget.arms" in known
    if arms and word.key.startswith("+"):
        OmegaConf.update(cfg, key, parsed_value(word), force_add=True)
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


def _refuse_unused(cfg: DictConfig, given: Mapping[str, Word], primary: str) -> None:
    """Refuse words that would have no effect beside the others.

    Raises:
        ConfigError: naming them.
    """
    if primary == "verb/speed" and "model" in given:
        raise ConfigError("speed measures an adapter, so model= has no place here.")
    if primary == "verb/speed" and cfg.get(CHOICES, {}).get("base") == "auto":
        raise ConfigError(
            "speed measures an adapter alone, so base=auto has no place here. Leave it out."
        )
    if name := cfg.get(CHOICES, {}).get("model"):
        unused = [key for key in sorted(tagged(LANGUAGE)) if key in given]
        if unused:
            raise ConfigError(
                f"model={name} reads no language model, so {', '.join(unused)} would have no "
                f"effect. Leave out {' and '.join(unused)}, or model."
            )
    for key, hint in _overruled(cfg, primary).items():
        if key in given:
            raise ConfigError(f"{key}={given[key].value} would have no effect here: {hint}.")


def _overruled(cfg: DictConfig, primary: str) -> dict[str, str]:
    """Return the settings that another setting decides, each with a hint for the user."""
    found = {}
    if "seeds" in cfg:
        found["random_state"] = "name seeds, such as seeds=[0]"
    if "budget" in cfg:
        found["random_state"] = "name seeds, such as budget.seeds=[0]"
        found["stride"] = "windows of a file are all scored; stride is of a benchmark"
    if primary == "verb/demo":
        own = "each set of the demonstration has its own, so leave it out"
        found |= dict.fromkeys(("h", "season_length", "freq", "id_col", "time_col"), own)
    content = cfg.get("benchmark")
    if content is None:
        return found
    found.pop("stride", None)
    fixed = "the benchmark says it, so leave it out"
    found |= dict.fromkeys(("freq", "resample"), fixed)
    if "horizons" in cfg:
        found["h"] = "name the horizons that are scored, such as horizons=[96]"
    if "n_windows" in cfg:
        found["n_windows"] = "every window of the benchmark is scored; it is of data=FILE"
    if "split" in content:  # else each series is forecast once, from its end
        return found | dict.fromkeys(("season_length", "val_size"), fixed)
    once = "each series is forecast once, as far as the competition did, so leave it out"
    return found | dict.fromkeys(("h", "horizons", "stride"), once)
