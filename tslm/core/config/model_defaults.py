"""Default settings of a model, merged from the yaml files of its parts without Hydra.

Files and precedence are those of Hydra: ``config.yaml`` first, then one file a group in the order
of its defaults list. A file may choose files of other groups (``override /decoder: flatten``);
an explicit choice wins over that.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tslm.core.config.choices import CHOICES, GROUPS, unknown_choice
from tslm.core.errors import ConfigError
from tslm.core.paths import conf_folder, find, further_folders

Entry = str | dict[str, str | None]
OVERRIDE = "override /"


def model_defaults(chosen: Mapping[str, str]) -> DictConfig:
    """Merge ``config.yaml`` and the files of a model's parts.

    Args:
        chosen: group to the name of a file; other groups take their defaults.

    Returns:
        Settings that the caller may change, and under ``choices`` the name of each part.

    Raises:
        ConfigError: if a file cannot be read, or chooses a file that does not exist.
    """
    return _merged(tuple(sorted(chosen.items())), further_folders()).copy()


def default_choices(primary: str) -> dict[str, str | None]:
    """Return the config groups of one of our primary files, each with the name of its default."""
    found: dict[str, str | None] = {}
    for entry in _entries(_load(conf_folder() / f"{primary}.yaml")):
        if isinstance(entry, dict):
            found |= {key.removeprefix("/"): name for key, name in entry.items()}
        elif entry.startswith("/"):
            found |= default_choices(entry.removeprefix("/"))
    return found


@lru_cache(maxsize=64)
def _merged(chosen: tuple[tuple[str, str], ...], further: tuple[Path, ...]) -> DictConfig:
    """Merge the files; ``further`` only tells settings of other folders apart in the cache."""
    names = _resolved(dict(chosen))
    cfg = OmegaConf.create()
    for entry in _entries(_load(conf_folder() / "config.yaml")):
        for content in _contents(entry, names):
            cfg.merge_with(content)
    with open_dict(cfg):
        cfg[CHOICES] = {group: names[group] for group in GROUPS if names[group]}
    OmegaConf.set_struct(cfg, True)
    return cfg


def _resolved(chosen: dict[str, str]) -> dict[str, str | None]:
    """Return the name of each group's file, after the overrides of the files themselves."""
    defaults = default_choices("config")
    names: dict[str, str | None] = {**defaults, **chosen}
    for _ in GROUPS:  # an override may choose a file that has overrides of its own
        overrides: dict[str, str | None] = {}
        for group, name in names.items():
            overrides = {**_overrides(group, name), **overrides}  # the first one wins
        found = {**defaults, **overrides, **chosen}
        if found == names:
            break
        names = found
    return names


def _overrides(group: str, name: str | None) -> dict[str, str | None]:
    """Return the choices for other groups that a file makes, its parents' included."""
    if name is None:
        return {}
    found: dict[str, str | None] = {}
    for entry in _entries(_part(group, name)):
        if isinstance(entry, dict):
            found |= {key.removeprefix(OVERRIDE): value for key, value in entry.items()}
        elif entry != "_self_":
            found = {**_overrides(group, _parent(group, entry)), **found}
    return found


def _contents(entry: Entry, names: Mapping[str, str | None]) -> list[DictConfig]:
    """Return the files that an entry of ``config.yaml``'s defaults list brings in."""
    if isinstance(entry, dict):
        return [part for group in entry for part in _lineage(group, names[group])]
    return [_content(_load(conf_folder() / f"{'config' if entry == '_self_' else entry}.yaml"))]


def _lineage(group: str, name: str | None) -> list[DictConfig]:
    """Return the content of a group's file and of the files it inherits from, in merging order."""
    if name is None:
        return []
    file = _part(group, name)
    found: list[DictConfig] = []
    for entry in _entries(file):
        if entry == "_self_":
            found.append(_content(file))
        elif isinstance(entry, str):
            found += _lineage(group, _parent(group, entry))
    return found


def _parent(group: str, entry: str) -> str:
    """Return the name of the file that an entry inherits from: ``NAME`` or ``/GROUP/NAME``."""
    return entry.removeprefix(f"/{group}/")


def _part(group: str, name: str) -> DictConfig:
    """Load the file of a choice, and check its defaults list.

    Raises:
        ConfigError: if there is no such file, or its defaults list has other entries than
            ``_self_``, names of the same group and overrides.
    """
    path = find(group, name)
    if path is None:
        raise ConfigError(unknown_choice(group, name))
    file = _load(path)
    for entry in _entries(file):
        if isinstance(entry, str):
            word, plain = entry, not {"/", "@", " "} & set(_parent(group, entry))
        else:
            word, plain = next(iter(entry)), all(key.startswith(OVERRIDE) for key in entry)
        if not plain:
            raise ConfigError(
                f"{path}: {word} in its defaults list is not supported. Write _self_, the name of "
                f"another file of {group}, or {OVERRIDE}GROUP: NAME."
            )
    return file


def _entries(file: DictConfig) -> list[Entry]:
    """Return the defaults list of a file; ``_self_`` comes last where it is not named."""
    entries: Any = OmegaConf.to_container(file.get("defaults") or ListConfig([]))
    return entries if "_self_" in entries else [*entries, "_self_"]


def _content(file: DictConfig) -> DictConfig:
    """Return a file without its defaults list."""
    return OmegaConf.masked_copy(file, [str(key) for key in file if key != "defaults"])


@lru_cache(maxsize=256)
def _load(path: Path) -> DictConfig:
    """Load a yaml file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        found = OmegaConf.load(path)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"{path}: {str(error).strip().splitlines()[0]}") from error
    assert isinstance(found, DictConfig)
    return found
