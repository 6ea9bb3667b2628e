"""Convert a GGUF file to a folder with fp32 safetensors, configuration and tokenizer."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

from tslm.core.errors import BackboneError

log = logging.getLogger(__name__)


def dequantise(gguf: Path, target: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` (fp32) and the tokenizer of a GGUF.

    Raises:
        BackboneError: if the file is damaged or of an architecture transformers cannot read.
    """
    log.info("dequantising %s once, about 20 s", gguf.name)
    with quiet(), redirect_stderr(StringIO()):  # its progress bar cannot be turned off
        try:
            _convert(gguf, target)
        except Exception as error:  # the third-party reader raises many kinds
            raise BackboneError(f"The GGUF file {gguf} cannot be read: {error}") from error


def _convert(gguf: Path, target: Path) -> None:
    """Load with transformers, drop the quantisation from the configuration, and save."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder, file = str(gguf.parent), gguf.name
    body = AutoModel.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    config = type(body.config).from_dict(
        {k: v for k, v in body.config.to_dict().items() if k != "quantization_config"}
    )
    config.name_or_path = ""
    with torch.device("meta"):  # a quantised model cannot be saved; this one takes its tensors
        plain = AutoModel.from_config(config, dtype=torch.float32)
    plain.load_state_dict(body.state_dict(), assign=True)
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(target)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars and load reports of transformers."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
