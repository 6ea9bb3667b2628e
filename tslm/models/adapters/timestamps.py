"""Timestamps as text: what the body makes of a sentence that names a segment's time.

AutoTimes, section 3.2: one embedding per possible segment start, read once by the frozen model
and kept on disk under a key that names everything it depends on.
"""

import hashlib
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tslm.core.cache import cache_folder
from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError
from tslm.core.types import Task
from tslm.models.lexicon import Lexicon

FAR = 9000  # steps between a time and the one whose sentence it is given, at most
log = logging.getLogger(__name__)


class Timestamps(nn.Module):
    """Looks up the embedding of each segment's start, in half precision, on the CPU.

    Args:
        lexicon: reads the sentences.
        task: gives the frequency and the time zone.
        patch_len: steps of a segment; the sentence names its first and last one.
        template: the sentence, with ``{start}`` and ``{end}``.
        pool: which word of it counts, see ``Lexicon.read``.
        shuffled: a control: each time is given the sentence of another one, within a year or so.

    Raises:
        ConfigError: if the series has no dates, or the template names neither or something else.
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
        """Where the embeddings are kept."""
        parts = [self.lexicon.key, self.template, self.pool, self.patch_len]
        parts += [self.calendar.freq, self.calendar.tz, self.shuffled]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
        return cache_folder() / "timestamps" / f"{key}.safetensors"

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Make sure that every one of these times can be looked up; read only what is new."""
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
            log.warning("%s cannot be kept: %s", self.path, error.strerror or error)
            self._add(wanted)

    def read(self, time: Int[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """Read the sentences of segments that start at these times."""
        log.info("reading %d timestamps with the language model, once", len(time))
        named = self._elsewhere(time.numpy()) if self.shuffled else time.numpy()
        starts, ends = self.calendar.spans(named, self.patch_len)
        pairs = zip(starts, ends, strict=True)
        sentences = [self.template.format(start=start, end=end) for start, end in pairs]
        return self.lexicon.read(sentences, self.pool).to("cpu", torch.float16)

    def forward(self, time: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        """Embeddings of segments that start at these times, on the device of ``time``."""
        wanted = time.cpu().contiguous()
        row = torch.searchsorted(self.time, wanted).clamp(max=len(self.time) - 1)
        assert bool((self.time[row] == wanted).all()), "prepare() was not given all times"
        return self.table[row].to(time.device)

    def _elsewhere(self, time: Ints) -> Ints:
        """Another time for each, by a hash of its own."""
        mixed = time.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        steps = (mixed >> np.uint64(40)).astype(np.int64) % (2 * FAR + 1) - FAR
        return self.calendar.uncount(self.calendar.count(time) + self.calendar.step * steps)

    def _load(self) -> None:
        if self.path.is_file():
            stored = load_file(self.path)  # memory-mapped
            self.time, self.table = stored["time"], stored["table"]

    def _add(self, wanted: Int[Tensor, " n"]) -> None:
        """Read those that are new."""
        new = wanted[~torch.isin(wanted, self.time)]
        if len(new):
            self.time, order = torch.cat([self.time, new]).sort()
            self.table = torch.cat([self.table, self.read(new)])[order].contiguous()

    def _save(self) -> None:
        """Write all of them, and look them up in the file from now on."""
        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            draft = Path(folder) / self.path.name
            save_file({"time": self.time, "table": self.table}, draft)
            draft.replace(self.path)
        self._load()


class NumericTimestamps(nn.Module):
    """A control: calendar features through a trained linear map, in place of sentences.

    Args:
        width: of a token, D.
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
        """Nothing is needed beforehand."""

    def forward(self, time: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        distinct, where = torch.unique(time.cpu(), return_inverse=True)
        table = torch.from_numpy(self.calendar.features(distinct.numpy()))
        return self.map(table[where].to(self.map.weight))


def _check_dated(task: Task, kind: str) -> None:
    if not task.dated:
        raise ConfigError(
            f"timestamps={kind} needs dates, and the time column holds integers. Give the frame "
            "a datetime column (any synthetic calendar will do), or set timestamps=none."
        )


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
