"""Timestamps as text: what the body makes of a sentence that names a segment's time.

AutoTimes, section 3.2: one embedding per possible segment start, read once by the frozen model
and kept on disk under a key that names everything it depends on.
"""

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tslm.cache import cache_folder
from tslm.calendar import Calendar
from tslm.errors import ConfigError
from tslm.lexicon import Lexicon
from tslm.types import Task

log = logging.getLogger(__name__)


class Timestamps(nn.Module):
    """Looks up the embedding of each segment's start, in half precision, on the CPU.

    Args:
        lexicon: reads the sentences.
        task: gives the frequency and the time zone.
        patch_len: steps of a segment; the sentence names its first and last one.
        template: the sentence, with ``{start}`` and ``{end}``.
        pool: which word of it counts, see ``Lexicon.read``.

    Raises:
        ConfigError: if the series has no dates, or the template names neither or something else.
    """

    def __init__(
        self, lexicon: Lexicon, task: Task, patch_len: int, template: str, pool: str
    ) -> None:
        super().__init__()
        if not task.dated:
            raise ConfigError(
                "timestamps=text needs dates, and the time column holds integers. Give the frame "
                "a datetime column (any synthetic calendar will do), or set timestamps=none."
            )
        _check_template(template)
        self.lexicon, self.template, self.pool = lexicon, template, pool
        self.calendar = Calendar(freq=task.freq, tz=task.tz, dated=True)
        self.patch_len = patch_len
        self.time: Int[Tensor, " n"] = torch.empty(0, dtype=torch.int64)
        self.table: Float[Tensor, "n D"] = torch.empty(0, lexicon.width, dtype=torch.float16)

    @property
    def path(self) -> Path:
        """Where the embeddings are kept."""
        parts = [self.lexicon.key, self.template, self.pool, self.patch_len]
        parts += [self.calendar.freq, self.calendar.tz]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
        return cache_folder() / "timestamps" / f"{key}.safetensors"

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Make sure that every one of these times can be looked up; read only what is new."""
        wanted = torch.unique(time.cpu())
        if bool(torch.isin(wanted, self.time).all()):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            self._load()
            new = wanted[~torch.isin(wanted, self.time)]
            if len(new):
                self._save(new, self.read(new))
                self._load()

    def read(self, time: Int[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """Read the sentences of segments that start at these times."""
        log.info("reading %d timestamps with the language model, once", len(time))
        starts, ends = self.calendar.spans(time.numpy(), self.patch_len)
        pairs = zip(starts, ends, strict=True)
        sentences = [self.template.format(start=start, end=end) for start, end in pairs]
        return self.lexicon.read(sentences, self.pool).to("cpu", torch.float16)

    def forward(self, time: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        """Embeddings of segments that start at these times, on the device of ``time``."""
        wanted = time.cpu().contiguous()
        row = torch.searchsorted(self.time, wanted).clamp(max=len(self.time) - 1)
        assert bool((self.time[row] == wanted).all()), "prepare() was not given all times"
        return self.table[row].to(time.device)

    def _load(self) -> None:
        if self.path.is_file():
            stored = load_file(self.path)  # memory-mapped
            self.time, self.table = stored["time"], stored["table"]

    def _save(self, time: Int[Tensor, " n"], table: Float[Tensor, "n D"]) -> None:
        times, order = torch.cat([self.time, time]).sort()
        tables = torch.cat([self.table, table])[order]
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".part")
        os.close(handle)
        save_file({"time": times, "table": tables.contiguous()}, name)
        Path(name).replace(self.path)


def _check_template(template: str) -> None:
    try:
        names_time = template.format(start="", end="") != template.format(start="1", end="1")
    except (LookupError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"template {template!r} cannot be filled in ({error!r}). It may name {{start}} and "
            "{end} only."
        ) from error
    if not names_time:
        raise ConfigError(f"template {template!r} names neither {{start}} nor {{end}}.")
