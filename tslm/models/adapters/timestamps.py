"""Timestamps as text: hidden states of the language model for sentences with a segment's time.

Liu et al., "AutoTimes", NeurIPS 2024, section 3.2. The frozen model reads one sentence per segment
start. The states are cached on disk under a key made of everything they depend on.
"""

import json
import logging
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tslm.core.atomic_write import draft_beside
from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError
from tslm.core.hashing import sha256_text
from tslm.core.paths import cache_folder
from tslm.core.types import Task
from tslm.models.lexicon import Lexicon

FARTHEST = 9000  # most steps from a time to its shuffled one: about a year of hours; by hand
log = logging.getLogger(__name__)


class Timestamps(nn.Module):
    """Table of the embeddings of segment starts, in half precision on the CPU.

    Args:
        lexicon: reads the sentences.
        task: gives the frequency and the time zone.
        patch_len: steps of a segment; the sentence has its first and its last time.
        template: text of the sentence, with ``{start}`` and ``{end}``.
        pool: position of the hidden state, see ``Lexicon.read``.
        shuffled: True as a control: each time gets the sentence of another one, at most
            ``FARTHEST`` steps away.

    Raises:
        ConfigError: if the series has no dates, or the template has neither field or others.

    Attributes:
        time: times in the table, sorted, in Unix seconds.
        table: embedding of each.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        task: Task,
        patch_len: int,
        template: str,
        pool: str,
        shuffled: bool = False,
    ) -> None:
        super().__init__()
        _check_dated(task, "shuffled" if shuffled else "text")
        _check_template(template)
        self.shuffled = shuffled
        self.lexicon, self.template, self.pool = lexicon, template, pool
        self.calendar = Calendar(freq=task.freq, tz=task.tz, dated=True)
        self.patch_len = patch_len
        self.time: Int[Tensor, " n"] = torch.empty(0, dtype=torch.int64)
        self.table: Float[Tensor, "n D"] = torch.empty(0, lexicon.width, dtype=torch.float16)

    @property
    def path(self) -> Path:
        """File in which the embeddings are cached."""
        parts = [self.lexicon.key, self.template, self.pool, self.patch_len]
        parts += [self.calendar.freq, self.calendar.tz, self.shuffled]
        key = sha256_text(json.dumps(parts))[:24]
        return cache_folder() / "timestamps" / f"{key}.safetensors"

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Add these times to the table; only new ones are read."""
        wanted = torch.unique(time.cpu())
        if bool(torch.isin(wanted, self.time).all()):
            return
        self._load()
        if bool(torch.isin(wanted, self.time).all()):
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                self._load()
                self._add(wanted)
                self._save()
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error.strerror or error)
            self._add(wanted)

    def read(self, time: Int[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """Read the sentences of the segments that start at these times."""
        log.info("reading %d timestamps with the language model, once", len(time))
        named = self._shuffle(time.numpy()) if self.shuffled else time.numpy()
        starts, ends = self.calendar.spans(named, self.patch_len)
        pairs = zip(starts, ends, strict=True)
        sentences = [self.template.format(start=start, end=end) for start, end in pairs]
        return self.lexicon.read(sentences, self.pool).to("cpu", torch.float16)

    def forward(self, time: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        """Look up the embeddings of segments that start at these times, on their device."""
        wanted = time.cpu().contiguous()
        row = self._rows(wanted)
        if row is None:
            self.prepare(wanted.flatten())
            row = self._rows(wanted)
        assert row is not None, "prepare() has not read all times"
        return self.table[row].to(time.device)

    def _rows(self, time: Int[Tensor, "S N"]) -> Int[Tensor, "S N"] | None:
        """Return the row of the table of each time, or None if one is missing."""
        if not len(self.time):
            return None
        row = torch.searchsorted(self.time, time).clamp(max=len(self.time) - 1)
        return row if bool((self.time[row] == time).all()) else None

    def _shuffle(self, time: Ints) -> Ints:
        """Replace each time by another one, which a hash of it chooses (as in SplitMix64)."""
        mixed = time.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        steps = (mixed >> np.uint64(40)).astype(np.int64) % (2 * FARTHEST + 1) - FARTHEST
        return self.calendar.uncount(self.calendar.count(time) + self.calendar.step * steps)

    def _load(self) -> None:
        """Map the cached table into memory, if there is one."""
        if self.path.is_file():
            stored = load_file(self.path)  # memory-mapped
            self.time, self.table = stored["time"], stored["table"]

    def _add(self, wanted: Int[Tensor, " n"]) -> None:
        """Read the sentences of new times, and add them to the table."""
        new = wanted[~torch.isin(wanted, self.time)]
        if len(new):
            self.time, order = torch.cat([self.time, new]).sort()
            self.table = torch.cat([self.table, self.read(new)])[order].contiguous()

    def _save(self) -> None:
        """Write the table in one step, and map the file into memory."""
        with draft_beside(self.path) as draft:
            save_file({"time": self.time, "table": self.table}, draft)
            draft.replace(self.path)
        self._load()


class NumericTimestamps(nn.Module):
    """Linear map of calendar features, as a control for sentences.

    Args:
        width: size of a token, D.
        task: gives the frequency and the time zone.

    Raises:
        ConfigError: if the series has no dates.
    """

    def __init__(self, width: int, task: Task) -> None:
        super().__init__()
        _check_dated(task, "numeric")
        self.calendar = Calendar(freq=task.freq, tz=task.tz, dated=True)
        features = self.calendar.features(np.zeros(1, np.int64)).shape[1]
        self.map = nn.Linear(features, width)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Do nothing: no time needs preparation."""

    def forward(self, time: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        distinct, where = torch.unique(time.cpu(), return_inverse=True)
        table = torch.from_numpy(self.calendar.features(distinct.numpy()))
        return self.map(table[where].to(self.map.weight))


def _check_dated(task: Task, kind: str) -> None:
    """Raise a ConfigError if times are integers."""
    if not task.dated:
        raise ConfigError(
            f"timestamps={kind} needs dates, but the time column holds integers. Give the frame "
            "a datetime column (an invented calendar is enough), or set timestamps=none."
        )


def _check_template(template: str) -> None:
    """Raise a ConfigError unless the template has ``{start}`` or ``{end}``, and nothing else."""
    try:
        names_time = template.format(start="", end="") != template.format(start="1", end="1")
    except (LookupError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"template {template!r} cannot be filled in ({error!r}). It may contain {{start}} and "
            "{end} only."
        ) from error
    if not names_time:
        raise ConfigError(
            f"template {template!r} has neither {{start}} nor {{end}}. Add at least one of them."
        )
