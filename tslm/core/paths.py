"""Folders and environment variables of tslm: settings, plug-ins, data sets, and the cache.

This is the only module that reads ``TSLM_*`` variables. A variable that is set to an empty text
counts as not set.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError

ENTRY_POINTS = "tslm.conf"  # group of entry points by which an installed package adds yaml files
CONF, CACHE, DATA, OFFLINE = "TSLM_CONF", "TSLM_CACHE", "TSLM_DATA", "TSLM_OFFLINE"
TOKEN = "TSLM_SERVE_TOKEN"
_CACHE_HINT = f"Set {CACHE} to a folder that you may write to."


def shipped(installed: str, repository: str) -> Path:
    """Find a folder that comes with tslm.

    Args:
        installed: its name inside the package, in a wheel.
        repository: its name beside the package, in a checkout.
    """
    package = Path(__file__).parents[1]
    inside = package / installed
    return inside if inside.is_dir() else package.parent / repository


def conf_folder() -> Path:
    """Return the folder of the yaml files that come with tslm."""
    return shipped("conf", "conf")


def further_folders() -> tuple[Path, ...]:
    """Return the ``conf`` folders of installed plug-ins, then the folder ``TSLM_CONF`` names.

    Raises:
        ConfigError: if one of them is not a folder.
    """
    found = list(_installed(tuple(sys.path)))
    if own := os.environ.get(CONF):
        found.append((f"{CONF}={own}", Path(own).expanduser().absolute()))
    for name, folder in found:
        if not folder.is_dir():
            raise ConfigError(f"{name}: {folder} is not a folder. Name a folder of yaml files.")
    return tuple(folder for _, folder in found)


@cache
def _installed(path: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    """Find the ``conf`` folders of installed plug-ins, once for each search path of Python.

    Returns:
        Each with the entry point that names it, for messages.
    """
    found = []
    for point in sorted(entry_points(group=ENTRY_POINTS)):
        spec = find_spec(point.value)
        places = [] if spec is None else list(spec.submodule_search_locations or [])
        folder = Path(places[0] if places else point.value) / "conf"
        found.append((f"The entry point {point.name} of {ENTRY_POINTS}", folder))
    return tuple(found)


def folders() -> tuple[Path, ...]:
    """Return all folders of yaml files, our own first: a plug-in never replaces a file of ours."""
    return (conf_folder(), *further_folders())


def group_files(group: str) -> dict[str, Path]:
    """Return the yaml files of a config group in all folders, by name, sorted.

    Args:
        group: the folder of the group, such as ``backbone``.
    """
    found: dict[str, Path] = {}
    for folder in folders():
        for path in (folder / group).glob("*.yaml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def find(group: str, name: str) -> Path | None:
    """Return the yaml file of a choice, or None if there is none."""
    return group_files(group).get(name)


def is_group(name: str) -> bool:
    """Return whether a setting is a config group of ours or of a plug-in."""
    return name.isidentifier() and any((folder / name).is_dir() for folder in folders())


def targets() -> set[str]:
    """Return the import paths that yaml files name; who installs or names a folder trusts it."""
    further = (target for folder in further_folders() for target in _targets(folder))
    return {*_own_targets(), *further}


@cache
def _own_targets() -> frozenset[str]:
    return frozenset(_targets(conf_folder()))


def _targets(folder: Path) -> set[str]:
    """Return the ``_target_`` of each part in the files of a folder."""
    files = (OmegaConf.to_container(OmegaConf.load(file)) for file in folder.rglob("*.yaml"))
    nodes = (node for file in files if isinstance(file, dict) for node in file.values())
    return {
        str(node["_target_"]) for node in nodes if isinstance(node, dict) and "_target_" in node
    }


def data_folders() -> tuple[Path, ...]:
    """Return the folder of the data sets that come with tslm, then the one ``TSLM_DATA`` names.

    Raises:
        DataError: if ``TSLM_DATA`` is not a folder.
    """
    own = shipped("datasets", "data")
    chosen = os.environ.get(DATA)
    if not chosen:
        return (own,)
    folder = Path(chosen).expanduser()
    if not folder.is_dir():
        raise DataError(f"{DATA}={chosen} is not a folder. Name the folder of the sets.")
    return own, folder


def cache_folder() -> Path:
    """Return the cache folder: ``TSLM_CACHE``, or ``~/.cache/tslm``. It need not exist yet.

    Raises:
        ConfigError: if there is no home folder, or the path is not a folder.
    """
    try:
        folder = Path(os.environ.get(CACHE) or "~/.cache/tslm").expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"This user has no home folder, so there is no place for ~/.cache/tslm. {_CACHE_HINT}"
        ) from error
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"The cache {folder} is not a folder. {_CACHE_HINT}")
    return folder


@contextmanager
def writable_cache() -> Iterator[Path]:
    """Give the cache folder to write to.

    Raises:
        ConfigError: if it cannot be written to, for example because the disk is full.
    """
    folder = cache_folder()
    try:
        yield folder
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"The cache {folder} cannot be written: {reason}. {_CACHE_HINT}"
        ) from error


def serve_token() -> str | None:
    """Return the token ``TSLM_SERVE_TOKEN`` that requests to the server must send, or None."""
    return os.environ.get(TOKEN, "").strip() or None


def is_offline() -> bool:
    """Return whether ``TSLM_OFFLINE`` forbids all downloads."""
    return is_on(OFFLINE)


def is_on(variable: str) -> bool:
    """Return whether an environment variable is 1, true, yes or on."""
    return os.environ.get(variable, "").strip().lower() in {"1", "true", "yes", "on"}
