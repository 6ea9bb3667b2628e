"""A transformers model as a backbone: token vectors in, hidden states out.

A frozen backbone is shared by all models that use it. It stays on the device it was loaded to:
inputs are moved there and outputs are moved back. One with trained weights belongs to its model
and moves with it; the trained weights are kept in fp32.

Padding has no effect on other tokens. Attended tokens are moved together, to the front for a
single pass and to the end if more tokens follow, and get the positions 0, 1, 2, ...; their hidden
states are moved back. A causal backbone then needs no attention mask in a single pass, for any
kind of position embedding.
"""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from tslm.core.errors import BackboneError
from tslm.core.types import Prompt, Tokens
from tslm.models.backbones import build
from tslm.models.backbones.base import Backbone, Identity, TokenHistory
from tslm.models.backbones.block_outputs import map_after_blocks, states_after
from tslm.models.backbones.build import Body
from tslm.models.backbones.freezing import Freeze
from tslm.models.backbones.hf_lexicon import HuggingFaceLexicon
from tslm.models.backbones.key_value_cache import CachedTokens, PromptCache, StopForward
from tslm.models.backbones.padding import reorder, zero_masked
from tslm.models.backbones.probing import (
    can_continue,
    is_causal,
    takes_masks,
    trial_tokens,
)
from tslm.models.lexicon import Lexicon

ENOUGH = 32  # tokens for each block from which two passes are faster than one; measured on a CPU


def _no_tokenizer() -> None:
    """Return None: the backbone has no tokenizer."""


def _lexicon_of(reload: "partial[HuggingFaceBackbone]") -> Lexicon:
    """Return the lexicon of a shared backbone, for a copy or a pickle."""
    return reload().lexicon


class HuggingFaceBackbone(Backbone):
    """Transformer of the transformers library; frozen, except for the weights ``freeze`` selects.

    Args:
        body: the transformer without a head, cut to its first blocks; changed in place.
        identity: name, source and fingerprint of the weights.
        make_tokenizer: loads the tokenizer when it is first needed.
        lexicon: word embeddings and tokenizer; None takes those of ``body``.
        freeze: selects the weights that are trained; None trains none.
        reload: loads this backbone again from its pickle, if it is a shared one; None pickles
            its weights.

    Attributes:
        body: the transformer.
        limit: largest number of tokens; None if positions are computed.
        causal: True if a token attends to no later token; found by trial.
        has_kv_cache: True if cached keys and values are enough to continue; found by trial.
        reload: as above.
        depths: numbers of blocks whose hidden states are returned, joined along the width; empty
            for those after the last block.
        last_map: map after the last block, where ``depths`` is not empty.
    """

    body: Body
    depths: tuple[int, ...] = ()
    last_map: nn.Module

    def __init__(
        self,
        body: Body,
        identity: Identity,
        make_tokenizer: Callable[[], Any | None] = _no_tokenizer,
        *,
        lexicon: Lexicon | None = None,
        freeze: Freeze | None = None,
        reload: "partial[HuggingFaceBackbone] | None" = None,
    ) -> None:
        super().__init__()
        if not isinstance(body.get_input_embeddings(), nn.Embedding):
            raise BackboneError(
                f"The backbone {identity.name!r} has no table of word embeddings. Choose a "
                "language model."
            )
        self.body = body.requires_grad_(False)
        self.identity, self.reload = identity, reload
        self.width = body.get_input_embeddings().embedding_dim
        self.limit = build.position_limit(body)
        self.eval()
        trial = trial_tokens(body)
        self.causal = is_causal(self.read, trial, identity.name)
        self.has_kv_cache = self.causal and can_continue(self.read, self.read_on, trial, self.dtype)
        again = None if reload is None else partial(_lexicon_of, reload)
        own = HuggingFaceLexicon(body, identity, self.has_kv_cache, make_tokenizer, again)
        self._lexicon = own if lexicon is None else lexicon
        self._shared_prompt: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        if freeze is not None:
            freeze.thaw(body)
        for weight in body.parameters():
            if weight.requires_grad:  # bf16 would round the small steps of training away
                weight.data = weight.data.float()

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the computation; inputs are cast to it and outputs are cast back."""
        return self.body.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.body.get_input_embeddings().weight.device

    def at_depths(self, *depths: int) -> "HuggingFaceBackbone":
        """Return a view of this frozen backbone that returns the states after some blocks.

        It reads no further than the last of them, and has the same weights. With one depth it is
        a backbone that is cut there; with several, hidden states are joined along the width.

        Args:
            depths: numbers of blocks, in ascending order.

        Raises:
            ConfigError: if states after a block cannot be turned into outputs.
        """
        assert not self.thawed, "weights that are trained depend on the depth"
        view = HuggingFaceBackbone.__new__(HuggingFaceBackbone)
        own = {
            "depths": depths,
            "last_map": map_after_blocks(self.body, trial_tokens(self.body), self.identity.name),
            "identity": replace(self.identity, n_layers=depths[-1]),
            "reload": None,
            "_shared_prompt": {},
        }
        view.__dict__.update({**self.__dict__, **own})
        return view

    def _apply(self, change: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move or cast the weights only if some are trained: frozen ones are shared."""
        return super()._apply(change, recurse) if self.thawed else self  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        """Copy and pickle a shared backbone by reference, without its weights."""
        if self.reload is None:
            return super().__reduce_ex__(protocol)
        return self.reload.func, self.reload.args

    @property
    def lexicon(self) -> Lexicon:
        return self._lexicon

    @cached_property
    def reads_masks(self) -> bool:
        """True if attention masks and positions have the effect they should; found by trial."""
        return takes_masks(self.read_masked, trial_tokens(self.body), self.dtype)

    def train(self, mode: bool = True) -> "HuggingFaceBackbone":
        """Stay in evaluation mode: pretrained weights are used without dropout, even if trained."""
        super().train(False)
        return self

    @property
    def n_blocks(self) -> int:
        """Number of first blocks that are read."""
        return self.depths[-1] if self.depths else int(self.body.config.num_hidden_layers)

    @property
    def thawed(self) -> bool:
        """True if some weights are trained; nothing is cached between passes then."""
        return any(weight.requires_grad for weight in self.body.parameters())

    def after_prompt(self, tokens: Tokens, prompt: Prompt) -> Float[Tensor, "S N D"]:
        """Read tokens after the tokens of a prompt.

        In a causal backbone the prompt does not depend on the tokens after it. If it is also
        frozen, the shared part of the prompt is read once and cached, the part of each series is
        read after it without gradients, and the tokens are read after both.
        """
        if not self.has_kv_cache or self.thawed or self._exceeds_window(tokens, prompt):
            return super().after_prompt(tokens, prompt)
        with torch.inference_mode(False), torch.no_grad():  # the cache serves training too
            cache = PromptCache(self.n_blocks - 1)
            state = self._shared(prompt.shared, len(prompt.own), cache)
            own = Tokens(self.lexicon.embed(prompt.own).to(tokens.embeds), prompt.mask)
            if prompt.own.shape[1]:
                cache.stops_early = True  # the output of the last layer is not used
                with suppress(StopForward):
                    self.extend(state, own)
                cache.stops_early = False
        hidden, _ = self.extend(state, tokens)
        return hidden

    def last_states(self, tokens: Tokens, count: int = 1) -> Float[Tensor, "S K D"]:
        """Read all tokens; return the hidden states of the last ones.

        Of the other tokens the last block then gives keys and values only, which is a sixth of its
        operations. They are read in a pass of their own, which pays for many tokens only.
        """
        first = tokens.embeds[:, :-count]
        many = first.shape[0] * first.shape[1] >= ENOUGH * self.n_blocks
        whole = tokens.prompt is None and bool(tokens.mask.all())
        if not (many and whole and self.has_kv_cache and not self.thawed):
            return super().last_states(tokens, count)
        self._check_length(tokens.embeds.shape[1])
        cache = PromptCache(self.n_blocks - 1)
        state, cache.stops_early = CachedTokens(cache, None), True
        with suppress(StopForward):
            self.read_on(first, state)
        cache.stops_early = False
        return self.read_on(tokens.embeds[:, -count:], state)

    def _exceeds_window(self, tokens: Tokens, prompt: Prompt) -> bool:
        """Return True if padding in the prompt would push tokens out of a sliding window."""
        window = self.body.config.to_dict().get("sliding_window")
        length = len(prompt.shared) + prompt.own.shape[1] + tokens.mask.shape[1]
        padded = not (prompt.mask.all() and tokens.mask.all())
        return window is not None and length > window and padded

    def _shared(
        self, ids: Int[Tensor, " prompt"], series: int, cache: DynamicCache
    ) -> CachedTokens:
        """Fill ``cache`` with the keys and values of a prompt that all series share."""
        key = (tuple(ids.tolist()), self.device, self.dtype)
        if key not in self._shared_prompt:
            self._shared_prompt.clear()  # only the latest prompt is cached
            once = DynamicCache()
            if len(ids):
                self.read_on(self.lexicon.embed(ids)[None], CachedTokens(once, None))
            self._shared_prompt[key] = [(keys, values) for keys, values, *_ in once]
        for layer, (keys, values) in enumerate(self._shared_prompt[key]):
            every = (series, -1, -1, -1)
            cache.update(keys.expand(every), values.expand(every), layer)
        return CachedTokens(cache, None)

    def start(self, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], CachedTokens | TokenHistory]:
        if not self.causal:
            raise BackboneError(
                f"The backbone {self.identity.name!r} reads in both directions, so it cannot "
                "continue a sequence token by token. Choose a decoder-only language model as "
                "backbone, or a direct decoder (decoder=flatten)."
            )
        if not self.has_kv_cache:
            return super().start(tokens)
        self._check_length(tokens.embeds.shape[1])
        state = CachedTokens(DynamicCache(), None)
        if tokens.mask.all():
            return self.read_on(tokens.embeds, state), state
        order = torch.argsort(tokens.mask.int(), dim=1, stable=True)
        state.mask = tokens.mask.gather(1, order)
        hidden = self.read_on(reorder(zero_masked(tokens), order), state)
        return zero_masked(Tokens(reorder(hidden, order.argsort(1)), tokens.mask)), state

    def extend(
        self, state: CachedTokens | TokenHistory, tokens: Tokens
    ) -> tuple[Float[Tensor, "S N D"], CachedTokens | TokenHistory]:
        if isinstance(state, TokenHistory):
            return super().extend(state, tokens)
        past = state.cache.get_seq_length()
        self._check_length(past + tokens.embeds.shape[1])
        if state.mask is None and tokens.mask.all():
            return self.read_on(tokens.embeds, state), state
        so_far = state.mask
        if so_far is None:
            so_far = tokens.mask.new_ones(len(tokens.mask), past)
        state.mask = torch.cat([so_far, tokens.mask], dim=1)
        hidden = self.read_on(zero_masked(tokens), state)
        return zero_masked(Tokens(hidden, tokens.mask)), state

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N W"]:
        self._check_length(embeds.shape[1])
        return self._pass(embeds, {} if mask is None else {"attention_mask": mask.long()})

    def read_masked(
        self,
        embeds: Float[Tensor, "S N D"],
        allowed: Bool[Tensor, "S N N"],
        position: Int[Tensor, "S N"],
    ) -> Float[Tensor, "S N W"]:
        self._check_length(int(position.shape[1]))
        barred = torch.zeros(allowed.shape, dtype=self.dtype, device=allowed.device)
        barred = barred.masked_fill(~allowed, torch.finfo(self.dtype).min)
        return self._pass(embeds, {"attention_mask": barred[:, None], "position_ids": position})

    def read_on(
        self, embeds: Float[Tensor, "S N D"], state: CachedTokens
    ) -> Float[Tensor, "S N W"]:
        """Read tokens after those of a state, whose cache grows.

        Args:
            embeds: the further tokens.
            state: its mask, if any, already covers them; position ids count unmasked tokens.
        """
        extra: dict[str, Tensor] = {}
        if state.mask is not None:
            positions = (state.mask.cumsum(1) - 1).clamp(min=0)
            extra["attention_mask"] = state.mask.long()
            extra["position_ids"] = positions[:, -embeds.shape[1] :]
        return self._pass(embeds, extra, past_key_values=state.cache, use_cache=True)

    def _pass(
        self, embeds: Float[Tensor, "S N D"], extra: dict[str, Tensor], **more: Any
    ) -> Float[Tensor, "S N W"]:
        """Run the transformer on its own device and in its own precision, and convert back."""
        here, dtype = self.device, self.dtype
        extra = {name: tensor.to(here) for name, tensor in extra.items()}
        mixed = self.thawed and dtype != torch.float32
        run = partial(self.body, inputs_embeds=embeds.to(here, dtype), **extra, **more)
        if self.depths:
            return states_after(self.body, self.depths, self.last_map, run).to(embeds)
        with torch.autocast(here.type, dtype) if mixed else nullcontext():
            return run().last_hidden_state.to(embeds)

    def _check_length(self, n_tokens: int) -> None:
        if self.limit is not None and n_tokens > self.limit:
            raise BackboneError(
                f"The backbone {self.identity.name!r} has {self.limit} positions, but the input "
                f"has {n_tokens} tokens. Use a shorter context_length or h, a longer patch_len, or "
                "another backbone."
            )
