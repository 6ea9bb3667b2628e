"""Readers of statements by their names."""

import torch

from tslm.models.backbones.controls.reference import Reference
from tslm.models.backbones.controls.scrambled_weights import random
from tslm.models.backbones.freezing import Strict
from tslm.models.backbones.loading import load
from tslm.models.text.head_file import SHIPPED, read_head
from tslm.models.text.language_model_reader import LanguageModelReader
from tslm.models.text.sentence_reader import SentenceReader
from tslm.models.text.statement_reader import StatementReader
from tslm.models.text.vector_reader import VectorReader


def statement_reader(
    name: str, *, device: torch.device | None = None, download: bool = True
) -> StatementReader:
    """Load a reader of statements.

    Args:
        name: a backbone. That of the head which comes with the package expects the effects of that
            head, and reads at its depth. Any other expects no effects; past statements alone
            correct that.
        device: device of the backbone; None is the CPU.
        download: True if weights that are not on this machine may be downloaded.

    Raises:
        BackboneError: if the backbone cannot be found, or has other weights than the head was
            trained with.
    """
    stored = read_head(SHIPPED)
    if name != stored.backbone:
        return VectorReader(SentenceReader(load(name, device=device, download=download)))
    backbone = load(name, stored.n_layers, device=device, download=download)
    stored.check(backbone.identity)
    return LanguageModelReader(SentenceReader(backbone, stored.template), stored.head)


def title_reader(
    name: str,
    *,
    untrained: bool = False,
    device: torch.device | None = None,
    download: bool = True,
) -> SentenceReader:
    """Load a reader of titles: a backbone that reads each title as it is.

    Args:
        name: a backbone. The one of the head that comes with the package reads at its depth.
        untrained: True for a control: its blocks with random weights, on its word vectors.
        device: device of the backbone; None is the CPU.
        download: True if weights that are not on this machine may be downloaded.

    Raises:
        BackboneError: if the backbone cannot be found.
    """
    stored = read_head(SHIPPED)
    depth = stored.n_layers if name == stored.backbone else None
    if untrained:
        reference = Reference(name, depth, download=download, device=device)
        body = random(reference=reference, seed=0, freeze=Strict(), name=f"random:{name}")
        return SentenceReader(body, on_disk=False)
    return SentenceReader(load(name, depth, device=device, download=download))
