"""Sentences read by the frozen language model: each distinct one once, for good.

The vectors are cached in memory and on disk, under a key made of everything they depend on.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from tslm.core.atomic_write import draft_beside
from tslm.core.errors import ConfigError
from tslm.core.hashing import sha256_text
from tslm.core.messages import counted
from tslm.core.paths import cache_folder
from tslm.models.backbones.base import Backbone

CHUNK = 1024  # tokens read at once, by hand
SENTENCE = "{sentence}"
log = logging.getLogger(__name__)


class SentenceReader:
    """Table of sentence vectors, in half precision on the CPU.

    A vector is the mean of the hidden states of all tokens, then the state of the last token, after
    the final norm. Sentences of equal length are read together, so none is padded.

    Args:
        backbone: frozen language model or a control in its place, at the depth to read with.
        template: text that is read, with ``{sentence}``. Words after it ask the model a question;
            its answer is the state of the last token.
        on_disk: True to cache the vectors in the cache folder too.

    Raises:
        ConfigError: if the template has no ``{sentence}``.

    Attributes:
        readings: number of sentences that passed through the model in this process.
    """

    def __init__(
        self, backbone: Backbone, template: str = SENTENCE, *, on_disk: bool = True
    ) -> None:
        if SENTENCE not in template:
            raise ConfigError(f"template {template!r} has no {SENTENCE}. Add it.")
        self.backbone, self.template, self.on_disk = backbone, template, on_disk
        self.readings = 0
        self._vectors: dict[int, Float[Tensor, " E"]] = {}
        self._loaded = not on_disk

    @property
    def width(self) -> int:
        """Return the size of a sentence vector, E."""
        return 2 * self.backbone.width

    @property
    def key(self) -> str:
        """Return everything the vectors depend on in one text."""
        body = self.backbone.identity
        return f"{body.name}/{body.fingerprint}/{body.n_layers}/{self.template}"

    @property
    def path(self) -> Path:
        """File in which the vectors are cached."""
        return cache_folder() / "sentences" / f"{sha256_text(self.key)[:24]}.safetensors"

    def read(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        """Return one vector per sentence; only new sentences pass through the model.

        A sentence without words has a vector of zeros.

        Raises:
            BackboneError: if the backbone has no tokenizer, or a sentence is too long for it.
        """
        keys = [_key(sentence) for sentence in sentences]
        words = {key: text for key, text in zip(keys, sentences, strict=True) if text.strip()}
        if not self._loaded and any(key not in self._vectors for key in words):
            self._load()
        new = {key: text for key, text in words.items() if key not in self._vectors}
        if new:
            self._add(new)
        nothing = torch.zeros(self.width, dtype=torch.float16)
        rows = [self._vectors.get(key, nothing) for key in keys]
        return torch.stack(rows).float() if rows else torch.zeros(0, self.width)

    def _add(self, new: dict[int, str]) -> None:
        """Read new sentences, add them to the table, and write it."""
        log.info("reading %s with the language model, once", counted(len(new), "sentence"))
        vectors = self._pass([self.template.format(sentence=text) for text in new.values()])
        self._vectors.update(zip(new, vectors, strict=True))
        self.readings += len(new)
        if self.on_disk:
            self._save()

    @torch.no_grad()
    def _pass(self, texts: Sequence[str]) -> Float[Tensor, "K E"]:
        """Read texts in batches of equal length."""
        lexicon = self.backbone.lexicon
        ids = lexicon.tokenize(texts)
        vectors = torch.empty(len(ids), self.width, dtype=torch.float16)
        for rows in _batches([len(sentence) for sentence in ids]):
            embeds = lexicon.embed(torch.tensor([ids[row] for row in rows]))
            hidden = self.backbone.read(embeds)
            vectors[rows] = torch.cat([hidden.mean(1), hidden[:, -1]], 1).to("cpu", torch.float16)
        return vectors

    def _load(self) -> None:
        """Add the vectors of the cache file, if there is one."""
        self._loaded = True
        if self.path.is_file():
            stored = load_file(self.path)
            self._vectors |= dict(zip(stored["key"].tolist(), stored["vector"], strict=True))

    def _save(self) -> None:
        """Write all vectors in one step, with those that another process has written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                self._load()
                keys = torch.tensor(list(self._vectors), dtype=torch.int64)
                table = {"key": keys, "vector": torch.stack(list(self._vectors.values()))}
                with draft_beside(self.path) as draft:
                    save_file(table, draft)
                    draft.replace(self.path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error.strerror or error)


def _key(sentence: str) -> int:
    """Return the first 8 bytes of the SHA-256 of a sentence as a number."""
    return int.from_bytes(sha256(sentence.encode()).digest()[:8], "big", signed=True)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows of equal length, at most ``CHUNK`` tokens at once."""
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(lengths):
        rows_of[length].append(row)
    for length, rows in rows_of.items():
        size = max(1, CHUNK // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
