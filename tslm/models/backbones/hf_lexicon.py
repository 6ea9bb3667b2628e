"""Lexicon of a transformers model: word embeddings, tokenizer and hidden states of sentences."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.errors import BackboneError
from tslm.core.messages import check_choice
from tslm.models.backbones.base import Identity
from tslm.models.backbones.build import Body
from tslm.models.backbones.prefix_reading import Plan, plan, read_ids
from tslm.models.lexicon import Lexicon

POOLS = ("last_text", "eos")


class HuggingFaceLexicon(Lexicon):
    """Lexicon of a transformers model.

    Args:
        body: the frozen transformer, without a head.
        identity: name, source and fingerprint of its weights.
        causal: True if a token attends to no later token and a cache can be used.
        make_tokenizer: loads the tokenizer when a sentence is first read; returns None if the
            model has none.
        again: returns this lexicon for a copy or a pickle, if it is that of a shared backbone.
    """

    def __init__(
        self,
        body: Body,
        identity: Identity,
        causal: bool,
        make_tokenizer: Callable[[], Any | None],
        again: "partial[Lexicon] | None" = None,
    ) -> None:
        self.body = body
        self._identity = identity
        self._causal = causal
        self._make_tokenizer = make_tokenizer
        self._tokenizer: Any | None = None
        self._again = again

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        if self._again is None:
            return super().__reduce_ex__(protocol)
        return self._again.func, self._again.args

    @property
    def width(self) -> int:
        return self._table.embedding_dim

    @property
    def key(self) -> str:
        dtype = str(self._table.weight.dtype).removeprefix("torch.")
        name, fingerprint = self._identity.name, self._identity.fingerprint
        return f"{name}/{fingerprint}/{self._identity.n_layers}/{dtype}"

    @property
    def words(self) -> Float[Tensor, "V D"]:
        """Input embeddings of all words, in fp32, on the device of the model.

        Some models (Gemma) scale their embeddings; these are the scaled ones. Others are not
        copied.
        """
        if type(self._table) is nn.Embedding:
            return self._table.weight.detach().float()
        with torch.no_grad():
            ids = torch.arange(self._table.num_embeddings, device=self._table.weight.device)
            return self._table(ids).float()

    @torch.no_grad()
    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        return self._table(ids.to(self._table.weight.device)).float().to(ids.device)

    @property
    def tokenizer(self) -> Any:
        """Tokenizer of the transformers library.

        Raises:
            BackboneError: if the model has none.
        """
        if self._tokenizer is None:
            self._tokenizer = self._make_tokenizer()
        if self._tokenizer is None:
            raise BackboneError(
                f"The backbone {self._identity.name!r} has no tokenizer, so it cannot read text. "
                "Add its tokenizer files to the folder, or choose an adapter without text."
            )
        return self._tokenizer

    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        """Tokenize sentences, after a beginning-of-sequence token if the model uses one.

        Args:
            sentences: text.
            pool: ``last_text`` ends with the last token of the text, ``eos`` with an
                end-of-sequence token.

        Raises:
            ConfigError: if ``pool`` is unknown.
            BackboneError: if there is no tokenizer or no end-of-sequence token, or a sentence is
                empty.
        """
        check_choice("pool", pool, POOLS)
        if not sentences:
            return []
        tail = [self._end()] if pool == "eos" else []
        head = self._head()
        texts = self.tokenizer(list(sentences), add_special_tokens=False)["input_ids"]
        ids = [[*head, *text, *tail] for text in texts]
        if not all(ids):
            raise BackboneError("An empty sentence cannot be read: it has no tokens.")
        return ids

    def read(
        self, sentences: Sequence[str], pool: str = "last_text"
    ) -> Float[Tensor, "sentences D"]:
        return self.read_ids(self.tokenize(sentences, pool))

    def read_ids(self, ids: Sequence[Sequence[int]]) -> Float[Tensor, "sentences D"]:
        """Read sentences given as token ids; return the hidden state of the last token of each.

        The result depends neither on their order nor on the other sentences.
        """
        return read_ids(self.body, ids, self.width, self._causal)

    def plan(self, ids: Sequence[Sequence[int]]) -> Plan:
        """Count the token passes of ``read_ids``, and those without shared beginnings."""
        return plan(ids, self._causal)

    @property
    def _table(self) -> nn.Embedding:
        """Table of the input embeddings."""
        return self.body.get_input_embeddings()

    def _head(self) -> list[int]:
        """Return the ids that the tokenizer puts before a text by default."""
        with_head = self.tokenizer("a")["input_ids"]
        text = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        starts = range(len(with_head) - len(text) + 1)
        first = next((at for at in starts if with_head[at : at + len(text)] == text), 0)
        return with_head[:first]

    def _end(self) -> int:
        """Return the id of the end-of-sequence token."""
        end = self.tokenizer.eos_token_id
        if end is None:
            raise BackboneError(
                f"The tokenizer of {self._identity.name!r} has no end-of-sequence token. "
                "Use pool='last_text'."
            )
        return end
