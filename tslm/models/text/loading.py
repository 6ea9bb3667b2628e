"""Readers of statements by their names."""

import torch

from tslm.models.backbones.loading import load
from tslm.models.text.sentence_reader import SentenceReader
from tslm.models.text.statement_reader import StatementReader
from tslm.models.text.vector_reader import VectorReader


def statement_reader(
    name: str, *, device: torch.device | None = None, download: bool = True
) -> StatementReader:
    """Load a reader of statements.

    Args:
        name: a backbone. It expects no effects; past statements alone correct that.
        device: device of the backbone; None is the CPU.
        download: True if weights that are not on this machine may be downloaded.

    Raises:
        BackboneError: if the backbone cannot be found.
    """
    return VectorReader(SentenceReader(load(name, device=device, download=download)))
