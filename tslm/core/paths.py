"""Where settings are looked for: our own yaml files, then those of packages and of the user."""

import os
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from omegaconf import OmegaConf

from tslm.core.errors import ConfigError

ENTRY_POINTS = "tslm.conf"  # a package that brings adapters names itself here
VARIABLE = "TSLM_CONF"  # a folder of one's own


def shipped(installed: str, repository: str) -> Path:
    """Find a folder that comes with tslm.

    Args:
        installed: its name inside the package, as a wheel carries it.
        repository: its name beside the package, in a checkout.
    """
    package = Path(__file__).parents[1]
    inside = package / installed
    return inside if inside.is_dir() else package.parent / repository


def conf_folder() -> Path:
    """Find our own yaml files."""
    return shipped("conf", "conf")


def further_folders() -> tuple[Path, ...]:
    """The ``conf`` folders of packages that name themselves, and the one ``TSLM_CONF`` names.

    Raises:
        ConfigError: if one of them is no folder.
    """
    found = dict(_installed(tuple(sys.path)))
    if own := os.environ.get(VARIABLE):
        found[VARIABLE] = [Path(own).absolute()]
    for name, folders in found.items():
        if not folders or not folders[0].is_dir():
            there = folders[0] if folders else "nothing"
            raise ConfigError(f"{name} should lead to a folder of yaml files: {there} is none.")
    return tuple(folders[0] for folders in found.values())


@cache
def _installed(path: tuple[str, ...]) -> Mapping[str, list[Path]]:
    """The ``conf`` folders of installed packages, looked for once a search path."""
    found = {}
    for point in sorted(entry_points(group=ENTRY_POINTS)):
        spec = find_spec(point.value)
        places = [] if spec is None else list(spec.submodule_search_locations or [])
        name = f"the entry point {point.name} of {ENTRY_POINTS}"
        found[name] = [Path(place) / "conf" for place in places]
    return found


def folders() -> tuple[Path, ...]:
    """All of them, ours first: a file that has a name of ours is never read."""
    return (conf_folder(), *further_folders())


def find(group: str, name: str) -> Path | None:
    """The file of a choice, or None if there is none."""
    paths = (folder / group / f"{name}.yaml" for folder in folders())
    return next((path for path in paths if path.is_file()), None)


def targets() -> set[str]:
    """The import paths that yaml files name: whoever installs or names a folder trusts them."""
    further = (target for folder in further_folders() for target in _targets(folder))
    return {*_own_targets(), *further}


@cache
def _own_targets() -> frozenset[str]:
    return frozenset(_targets(conf_folder()))


def _targets(folder: Path) -> set[str]:
    """The ``_target_`` of each part in the files of a folder."""
    files = (OmegaConf.to_container(OmegaConf.load(file)) for file in folder.rglob("*.yaml"))
    nodes = (node for file in files if isinstance(file, dict) for node in file.values())
    return {
        str(node["_target_"]) for node in nodes if isinstance(node, dict) and "_target_" in node
    }
