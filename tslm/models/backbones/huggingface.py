"""The first blocks of a pretrained transformer, frozen: what every adapter speaks to.

A frozen body is shared by everyone who reads it, so it stays on the device it was loaded to, and
nobody moves it: its door takes tokens there and brings hidden states back. One that is trained is
its owner's and moves with it; what is trained of it is kept in fp32.

Padding is inert by construction. Tokens that say something are moved together, to the front for
one pass and to the end where more are to follow, read at positions 0, 1, 2, ..., and moved back;
a causal body then needs no mask in a pass, whatever its architecture does with positions.
"""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from tslm.core.errors import BackboneError, ConfigError
from tslm.core.seeds import seeded
from tslm.core.types import Prompt, Tokens
from tslm.models.backbones import build as building
from tslm.models.backbones.base import Backbone, Identity, Memory
from tslm.models.backbones.build import Body
from tslm.models.backbones.freezing import Freeze, Strict
from tslm.models.backbones.hf_lexicon import HuggingFaceLexicon
from tslm.models.backbones.padding import move, silence
from tslm.models.backbones.weights import download as fetch
from tslm.models.backbones.weights import resolve as store
from tslm.models.lexicon import Lexicon

PROBE = (2, 5)  # sentences and tokens read at loading to see how the body behaves


class StopForward(Exception):  # noqa: N818
    """The last block has given its keys and values, and nobody reads what it would write."""


class PromptCache(DynamicCache):
    """Keys and values of words. While it ``listens``, a pass ends where they are complete."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last, self.listens = last, False

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *rest: Any, **more: Any
    ) -> Any:
        known = super().update(key_states, value_states, layer_idx, *rest, **more)
        if self.listens and layer_idx == self.last:
            raise StopForward
        return known


@dataclass
class State:
    """What a body remembers between ``start`` and ``extend``; each state extends once.

    Args:
        cache: keys and values of the tokens so far.
        mask: which of them say something; None if all do.
    """

    cache: DynamicCache
    mask: Bool[Tensor, "S N"] | None


@dataclass(frozen=True)
class Order:
    """What a shared body was loaded as.

    Args:
        name: as the user wrote it.
        n_layers: how many of its first blocks; None is all.
        dtype: in which it computes.
        device: where it is.
    """

    name: str
    n_layers: int | None
    dtype: torch.dtype
    device: torch.device


def _none() -> None:
    """No tokenizer."""


class HuggingFaceBackbone(Backbone):
    """A transformers body, frozen but for what ``freeze`` lets train.

    Args:
        body: the body without a head, cut to its first blocks; changed in place.
        identity: which weights these are.
        make_tokenizer: loads the tokenizer when first needed.
        lexicon: its words, where they are not those of ``body``.
        freeze: what of it is trained; None is nothing.
        order: what ``load`` was asked for, where the body is shared.
    """

    body: Body

    def __init__(
        self,
        body: Body,
        identity: Identity,
        make_tokenizer: Callable[[], Any | None] = _none,
        *,
        lexicon: Lexicon | None = None,
        freeze: Freeze | None = None,
        order: "Order | None" = None,
    ) -> None:
        super().__init__()
        if not isinstance(body.get_input_embeddings(), nn.Embedding):
            raise BackboneError(
                f"The backbone {identity.name!r} has no table of words. Choose a language model."
            )
        self.body = body.requires_grad_(False)
        self.identity, self.order = identity, order
        self.width = body.get_input_embeddings().embedding_dim
        self.limit = building.position_limit(body)
        self.eval()
        self.causal = self._probe()
        self.remembers = self.causal and self._continues()
        again = None if order is None else partial(_lexicon_of, order, identity)
        own = HuggingFaceLexicon(body, identity, self.remembers, make_tokenizer, again)
        self._lexicon = own if lexicon is None else lexicon
        self._heard: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        if freeze is not None:
            freeze.thaw(body)
        for weight in body.parameters():
            if weight.requires_grad:  # a step of training is lost in the rounding of bf16
                weight.data = weight.data.float()

    @property
    def dtype(self) -> torch.dtype:
        """In which the body computes; the only place where precision changes is its door."""
        return self.body.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the body is."""
        return self.body.get_input_embeddings().weight.device

    def _apply(self, change: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Stay as it is and where it is, unless it is trained: others read it too."""
        return super()._apply(change, recurse) if self.thawed else self  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        """Copy and pickle a shared body by what it is: a copy reads the same one."""
        if self.order is None:
            return super().__reduce_ex__(protocol)
        return _ordered, (self.order, self.identity)

    @property
    def lexicon(self) -> Lexicon:
        return self._lexicon

    def train(self, mode: bool = True) -> "HuggingFaceBackbone":
        """Stay in evaluation mode: a pretrained body has no dropout, even where it is trained."""
        super().train(False)
        return self

    @property
    def thawed(self) -> bool:
        """Whether some of it is trained, so that nothing it says may be remembered."""
        return any(weight.requires_grad for weight in self.body.parameters())

    def after_prompt(self, tokens: Tokens, prompt: Prompt) -> Float[Tensor, "S N D"]:
        """Read tokens after the words of a prompt.

        The words of a causal body depend on no token, so a frozen one reads what is shared once,
        what is each series' own without gradients on top of it, and the tokens on top of both.
        """
        if not self.remembers or self.thawed or self._loses_sight(tokens, prompt):
            return super().after_prompt(tokens, prompt)
        with torch.inference_mode(False), torch.no_grad():  # what is remembered serves training too
            words = PromptCache(int(self.body.config.num_hidden_layers) - 1)
            state = self._shared(prompt.shared, len(prompt.own), words)
            own = Tokens(self.lexicon.embed(prompt.own).to(tokens.embeds), prompt.mask)
            if prompt.own.shape[1]:
                words.listens = True  # what the last block would write is not read
                with suppress(StopForward):
                    self.extend(state, own)
                words.listens = False
        hidden, _ = self.extend(state, tokens)
        return hidden

    def _loses_sight(self, tokens: Tokens, prompt: Prompt) -> bool:
        """Whether padding between words would push others out of a sliding window."""
        window = self.body.config.to_dict().get("sliding_window")
        length = len(prompt.shared) + prompt.own.shape[1] + tokens.mask.shape[1]
        padded = not (prompt.mask.all() and tokens.mask.all())
        return window is not None and length > window and padded

    def _shared(self, words: Int[Tensor, " T"], series: int, cache: DynamicCache) -> State:
        """What the body remembers of words that are the same for every series, in ``cache``."""
        key = (tuple(words.tolist()), self.device, self.dtype)
        if key not in self._heard:
            self._heard.clear()  # one at a time is enough
            heard = DynamicCache()
            if len(words):
                self._continue(self.lexicon.embed(words)[None], State(heard, None))
            self._heard[key] = [(keys, values) for keys, values, *_ in heard]
        for layer, (keys, values) in enumerate(self._heard[key]):
            every = (series, -1, -1, -1)
            cache.update(keys.expand(every), values.expand(every), layer)
        return State(cache, None)

    def start(self, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], State | Memory]:
        if not self.causal:
            raise BackboneError(
                f"The backbone {self.identity.name!r} reads in both directions, so it cannot "
                "continue a sentence token by token. Choose a decoder, or a direct decoder head."
            )
        if not self.remembers:
            return super().start(tokens)
        self._check_length(tokens.embeds.shape[1])
        state = State(DynamicCache(), None)
        if tokens.mask.all():
            return self._continue(tokens.embeds, state), state
        order = torch.argsort(tokens.mask.int(), dim=1, stable=True)
        state.mask = tokens.mask.gather(1, order)
        hidden = self._continue(move(silence(tokens), order), state)
        return silence(Tokens(move(hidden, order.argsort(1)), tokens.mask)), state

    def extend(
        self, state: State | Memory, tokens: Tokens
    ) -> tuple[Float[Tensor, "S N D"], State | Memory]:
        if isinstance(state, Memory):
            return super().extend(state, tokens)
        past = state.cache.get_seq_length()
        self._check_length(past + tokens.embeds.shape[1])
        if state.mask is None and tokens.mask.all():
            return self._continue(tokens.embeds, state), state
        so_far = state.mask
        if so_far is None:
            so_far = tokens.mask.new_ones(len(tokens.mask), past)
        state.mask = torch.cat([so_far, tokens.mask], dim=1)
        hidden = self._continue(silence(tokens), state)
        return silence(Tokens(hidden, tokens.mask)), state

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        self._check_length(embeds.shape[1])
        return self._pass(embeds, {} if mask is None else {"attention_mask": mask.long()})

    def _continue(self, embeds: Float[Tensor, "S N D"], state: State) -> Float[Tensor, "S N D"]:
        """Read tokens after those of a state, which grows; position ids count the unmasked."""
        extra: dict[str, Tensor] = {}
        if state.mask is not None:
            positions = (state.mask.cumsum(1) - 1).clamp(min=0)
            extra["attention_mask"] = state.mask.long()
            extra["position_ids"] = positions[:, -embeds.shape[1] :]
        return self._pass(embeds, extra, past_key_values=state.cache, use_cache=True)

    def _pass(
        self, embeds: Float[Tensor, "S N D"], extra: dict[str, Tensor], **more: Any
    ) -> Float[Tensor, "S N D"]:
        """The door: tensors take the device and precision of the body, and then their own again."""
        here, dtype = self.device, self.dtype
        extra = {name: tensor.to(here) for name, tensor in extra.items()}
        mixed = self.thawed and dtype != torch.float32
        with torch.autocast(here.type, dtype) if mixed else nullcontext():
            out = self.body(inputs_embeds=embeds.to(here, dtype), **extra, **more)
        return out.last_hidden_state.to(embeds)

    def _check_length(self, n_tokens: int) -> None:
        if self.limit is not None and n_tokens > self.limit:
            raise BackboneError(
                f"{n_tokens} tokens, but {self.identity.name!r} knows {self.limit} positions. "
                "Use a shorter context or horizon, longer patches, or another backbone."
            )

    @torch.no_grad()
    def _probe(self) -> bool:
        """See by trial whether the first output ignores the last token, and how wide it is."""
        embeds = self._trial()
        embeds[1, :-1] = embeds[0, :-1]
        try:
            hidden = self.read(embeds)
            self.read(embeds[:1, 1:])  # some keep the length of what they read first
        except Exception as error:  # whatever an unknown architecture stumbles over
            raise BackboneError(
                f"The backbone {self.identity.name!r} cannot read token vectors: {error}"
            ) from error
        if hidden.shape != embeds.shape:
            raise BackboneError(
                f"The backbone {self.identity.name!r} reads vectors of {self.width} and writes "
                f"{hidden.shape[-1]}; both must be the same."
            )
        return torch.allclose(hidden[0, 0], hidden[1, 0], rtol=1e-3, atol=1e-5)

    @torch.no_grad()
    def _continues(self) -> bool:
        """See by trial whether keys and values are all it needs to read on.

        Where they are not, as in recurrent bodies, everything is read again.
        """
        embeds = self._trial()
        mask = torch.ones(PROBE, dtype=torch.bool)
        mask[1, 0] = False
        whole, shorter = self.read(embeds), self.read(embeds[1:, 1:])
        try:
            plain, padded = self._in_parts(embeds, None), self._in_parts(embeds, mask)
        except Exception:  # whatever an unknown architecture stumbles over
            return False
        near = 1e-3 if self.dtype == torch.float32 else 0.1
        pairs = ((plain, whole), (padded[:1], whole[:1]), (padded[1:, 1:], shorter))
        return all(
            one.shape == other.shape and torch.allclose(one, other, rtol=near, atol=near)
            for one, other in pairs
        )

    def _in_parts(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None
    ) -> Float[Tensor, "S N D"]:
        """Read two tokens, then two more, and so on."""
        state, parts = State(DynamicCache(), None), []
        for start in range(0, embeds.shape[1], 2):
            state.mask = None if mask is None else mask[:, : start + 2]
            parts.append(self._continue(embeds[:, start : start + 2], state))
        return torch.cat(parts, 1)

    def _trial(self) -> Float[Tensor, "S N D"]:
        """Vectors that might be words."""
        spread = float(self.body.get_input_embeddings().weight.float().std())
        dice = torch.Generator().manual_seed(0)
        return torch.randn(*PROBE, self.width, generator=dice) * spread


def load(
    name: str,
    n_layers: int | str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    *,
    freeze: Freeze | None = None,
    download: bool = True,
) -> HuggingFaceBackbone:
    """Load the first blocks of a pretrained body, once per process where none of it is trained.

    Args:
        name: a named backbone, a hub id, a folder or a ``.gguf`` file.
        n_layers: how many blocks; None takes what the backbone's yaml recommends (all, where
            nobody recommends a depth), "all" takes all.
        dtype: in which the body computes; None is fp32.
        device: where it is, for good; None is the CPU.
        freeze: what of it is trained; None is nothing.
        download: whether weights that are not on this machine may be fetched.

    Raises:
        BackboneError: if it cannot be found, fetched, verified or used.
        ConfigError: if it has fewer blocks.
    """
    if n_layers != "all" and not isinstance(n_layers, int | None):
        raise ConfigError(f"n_layers is {n_layers!r}; it is a count of blocks, None or 'all'.")
    with nullcontext() if download else fetch.stay_here():
        source = store.resolve(name)
    depth = source.n_layers if n_layers is None else n_layers
    kept = depth if isinstance(depth, int) else None
    order = Order(name, kept, dtype or torch.float32, device or torch.device("cpu"))
    key = (order, str(source.folder), source.origin.fingerprint)
    backbone = _LOADED.get(key)
    if backbone is None:
        with seeded(0):  # one thread makes it, and loading or sharing, the same draws follow
            backbone = _LOADED.get(key) or _make(source, order)
            _LOADED[key] = backbone
    _RECENT.append(backbone)
    return backbone if freeze is None or isinstance(freeze, Strict) else _own(backbone, freeze)


def _own(shared: HuggingFaceBackbone, freeze: Freeze) -> HuggingFaceBackbone:
    """A body of one's own to train, with the words of the frozen one."""
    body, words = deepcopy(shared.body), shared.lexicon
    return HuggingFaceBackbone(body, shared.identity, lexicon=words, freeze=freeze)


def _ordered(order: Order, identity: Identity) -> HuggingFaceBackbone:
    """The shared body that a copy or a pickle was made of.

    Raises:
        BackboneError: if it is not here, or other weights are.
    """
    device = order.device if _is_here(order.device) else None
    depth = "all" if order.n_layers is None else order.n_layers
    found = load(order.name, depth, order.dtype, device, download=False)
    if found.identity.fingerprint != identity.fingerprint:
        raise BackboneError(
            f"The pickled model was made with {identity.name} (fingerprint "
            f"{identity.fingerprint}), and the one here has {found.identity.fingerprint}. Get the "
            "weights it was made with."
        )
    return found


def _lexicon_of(order: Order, identity: Identity) -> Lexicon:
    """The words of a shared body, for a copy or a pickle."""
    return _ordered(order, identity).lexicon


def _is_here(device: torch.device) -> bool:
    """Whether this computer has a device."""
    present = torch.accelerator.current_accelerator()
    if device.type == "cpu" or present is None:
        return device.type == "cpu"
    return device.type == present.type and (device.index or 0) < torch.accelerator.device_count()


_LOADED: WeakValueDictionary[tuple[Any, ...], HuggingFaceBackbone] = WeakValueDictionary()
_RECENT: deque[HuggingFaceBackbone] = deque(maxlen=2)  # kept alive between two fits


def _make(source: store.Source, order: Order) -> HuggingFaceBackbone:
    folder, random = source.folder, source.random
    if folder is not None:
        config = building.read_config(folder)
    else:
        assert random is not None
        config = building.make_config(random.config)
    text = building.text_of(config)
    kept = building.truncate(text, order.n_layers, source.name)
    text.use_cache = False
    if folder is not None:
        body = building.load_body(folder, config, source.name)
    else:
        assert random is not None
        body = building.random_body(random, config)
    origin = source.origin
    identity = Identity(source.name, origin.source, origin.revision, origin.fingerprint, kept)
    tokenizer = partial(_tokenizer, folder)  # unlike a closure, it can be pickled
    body = body.to(order.device, order.dtype)
    return HuggingFaceBackbone(body, identity, tokenizer, order=order)


def _tokenizer(folder: Path | None) -> Any | None:
    return building.byte_tokenizer() if folder is None else building.load_tokenizer(folder)
