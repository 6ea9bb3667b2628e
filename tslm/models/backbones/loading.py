"""Load pretrained backbones: find the weights, build the model, share it within the process.

A frozen backbone is loaded once per name, depth, precision and device, and shared by all models
that use it. One with trained weights is a copy of its own.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch

from tslm.core.errors import BackboneError, ConfigError
from tslm.core.seeds import seeded
from tslm.models.backbones import build
from tslm.models.backbones.base import Identity
from tslm.models.backbones.freezing import Freeze, Strict
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.weights.catalog import Random
from tslm.models.backbones.weights.download import no_downloads
from tslm.models.backbones.weights.resolve import Outline, Source, outline, resolve


@dataclass(frozen=True)
class LoadArguments:
    """Arguments that a shared backbone was loaded with.

    Args:
        name: as the user wrote it.
        n_layers: number of first blocks that are kept; None is all.
        dtype: precision of the computation.
        device: device of the weights.
    """

    name: str
    n_layers: int | None
    dtype: torch.dtype
    device: torch.device


_LOADED: WeakValueDictionary[tuple[Any, ...], HuggingFaceBackbone] = WeakValueDictionary()
_RECENT: deque[HuggingFaceBackbone] = deque(maxlen=2)  # kept alive between two fits
_OUTLINES: ContextVar[bool] = ContextVar("outlines", default=False)


@contextmanager
def outlines() -> Iterator[None]:
    """Build backbones from their configurations alone: ``load`` reads no weights meanwhile.

    Their weights are random, and are not shared. Use it where tensors take no memory.
    """
    token = _OUTLINES.set(True)
    try:
        yield
    finally:
        _OUTLINES.reset(token)


def load(
    name: str,
    n_layers: int | str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    *,
    freeze: Freeze | None = None,
    download: bool = True,
) -> HuggingFaceBackbone:
    """Load the first blocks of a pretrained backbone; a frozen one once per process.

    Args:
        name: a named backbone, a hub id, a folder or a ``.gguf`` file.
        n_layers: number of blocks; None takes what the backbone's yaml recommends (all, where
            it recommends nothing), "all" takes all.
        dtype: precision of the computation; None is fp32.
        device: device of the weights, for good; None is the CPU.
        freeze: selects the weights that are trained; None trains none.
        download: True if weights that are not on this machine may be downloaded.

    Raises:
        BackboneError: if it cannot be found, downloaded, verified or used.
        ConfigError: if it has fewer blocks.
    """
    if n_layers != "all" and not isinstance(n_layers, int | None):
        raise ConfigError(f"n_layers={n_layers!r} must be a number of blocks, None or 'all' here.")
    if _OUTLINES.get():
        return _outline(name, n_layers, dtype or torch.float32, freeze)
    with nullcontext() if download else no_downloads():
        source = resolve(name)
    depth = source.n_layers if n_layers is None else n_layers
    kept = depth if isinstance(depth, int) else None
    asked = LoadArguments(name, kept, dtype or torch.float32, device or torch.device("cpu"))
    key = (asked, str(source.folder), source.origin.fingerprint)
    backbone = _LOADED.get(key)
    if backbone is None:
        with seeded(0):  # one thread builds it; the caller's random state does not depend on that
            backbone = _LOADED.get(key) or _build(source, asked)
            _LOADED[key] = backbone
    _RECENT.append(backbone)
    return backbone if freeze is None or isinstance(freeze, Strict) else _copied(backbone, freeze)


def number_of_blocks(name: str, *, download: bool = True) -> int:
    """Return the number of all blocks of a backbone, without loading its weights.

    Args:
        name: as in ``load``.
        download: True if weights that are not on this machine may be downloaded.

    Raises:
        BackboneError: if it cannot be found, downloaded or verified.
    """
    if _OUTLINES.get():
        config = _config_of(found := outline(name), found.folder)
    else:
        with nullcontext() if download else no_downloads():
            source = resolve(name)
        config = _config_of(source.random, source.folder)
    return int(build.text_of(config).num_hidden_layers)


def _config_of(made: Outline | Random | None, folder: Path | None) -> build.Config:
    """Return the configuration in a folder; without a folder, make it from its fields."""
    if folder is not None:
        return build.read_config(folder)
    assert made is not None
    return build.make_config(made.config)


def _copied(shared: HuggingFaceBackbone, freeze: Freeze) -> HuggingFaceBackbone:
    """Copy a shared backbone to train it; its lexicon remains that of the frozen one."""
    body, lexicon = deepcopy(shared.body), shared.lexicon
    return HuggingFaceBackbone(body, shared.identity, lexicon=lexicon, freeze=freeze)


def _outline(
    name: str, n_layers: int | str | None, dtype: torch.dtype, freeze: Freeze | None
) -> HuggingFaceBackbone:
    """Build a backbone from its configuration, with random weights.

    Without its tokenizer on this machine, it reads bytes.
    """
    found = outline(name)
    depth = found.n_layers if n_layers is None else n_layers
    text = build.text_of(_config_of(found, found.folder))
    kept = build.truncate(text, depth if isinstance(depth, int) else None, name)
    text.use_cache = False
    body = build.empty_body(text, dtype)
    identity = Identity(name, "outline", "", "", kept)
    return HuggingFaceBackbone(body, identity, partial(_tokenizer, found.folder), freeze=freeze)


def _reload(asked: LoadArguments, identity: Identity) -> HuggingFaceBackbone:
    """Load the shared backbone that a pickle or a copy refers to.

    Raises:
        BackboneError: if it is not on this machine, or has other weights here.
    """
    device = asked.device if _is_available(asked.device) else None
    depth = "all" if asked.n_layers is None else asked.n_layers
    found = load(asked.name, depth, asked.dtype, device, download=False)
    if found.identity.fingerprint != identity.fingerprint:
        raise BackboneError(
            f"The pickled model was made with {identity.name} (fingerprint "
            f"{identity.fingerprint}), but {identity.name} on this machine has the fingerprint "
            f"{found.identity.fingerprint}. Get the weights that it was made with."
        )
    return found


def _is_available(device: torch.device) -> bool:
    """Return True if this computer has the device."""
    present = torch.accelerator.current_accelerator()
    if device.type == "cpu" or present is None:
        return device.type == "cpu"
    return device.type == present.type and (device.index or 0) < torch.accelerator.device_count()


def _build(source: Source, asked: LoadArguments) -> HuggingFaceBackbone:
    """Build a backbone from weights on this machine, or from its seed."""
    folder, random = source.folder, source.random
    config = _config_of(random, folder)
    text = build.text_of(config)
    kept = build.truncate(text, asked.n_layers, source.name)
    text.use_cache = False
    if folder is not None:
        body = build.load_body(folder, config, source.name)
    else:
        assert random is not None
        body = build.random_body(random, config)
    origin = source.origin
    identity = Identity(source.name, origin.source, origin.revision, origin.fingerprint, kept)
    tokenizer = partial(_tokenizer, folder)  # unlike a closure, it can be pickled
    body = body.to(asked.device, asked.dtype)
    reload = partial(_reload, asked, identity)
    return HuggingFaceBackbone(body, identity, tokenizer, reload=reload)


def _tokenizer(folder: Path | None) -> Any | None:
    """Load the tokenizer of a folder; without a folder, make the byte-level one."""
    return build.byte_tokenizer() if folder is None else build.load_tokenizer(folder)
