"""Language model that reads codes of frames and predicts masked or next codes.

The objectives are those of ``tslm.estimators.lipcot.pretrainer``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Context
from tslm.data.batches import Batches
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows
from tslm.estimators.lipcot.masking import choose, masked_and_replaced
from tslm.models.adapters.lipcot import LEARNT, LiPCoT
from tslm.models.adapters.lipcot_frames import CodedFrames
from tslm.models.backbones.base import Backbone
from tslm.models.layers.lpc.codebook import MASK, SPECIAL
from tslm.models.layers.lpc.framing import Frames


class Guess(NamedTuple):
    """Hidden states and the codes to predict from them.

    Attributes:
        hidden: hidden states, one row per predicted frame.
        parts: shape, gain and level of these frames.
        counted: True for frames that are predicted.
    """

    hidden: Float[Tensor, "R D"]
    parts: tuple[Int[Tensor, " R"], ...]
    counted: Bool[Tensor, "S N"]


class CodeReader(nn.Module):
    """Language model that reads codes of frames, with a linear head that predicts codes.

    Args:
        objective: ``next_code`` or ``mlm``.
        adapters: one for each data set; they share the codebook and embedding of the first one.
        backbone: the language model.
        head: a trained head. None makes a new one.

    Raises:
        ConfigError: if a causal language model is needed and this one is bidirectional, or the
            other way round; if the adapters cannot share codes.
    """

    def __init__(
        self,
        objective: str,
        adapters: Sequence[LiPCoT],
        backbone: Backbone,
        head: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        if backbone.causal != (objective == "next_code"):
            raise ConfigError(
                f"objective={objective} needs a backbone that reads "
                + ("from left to right" if objective == "next_code" else "in both directions")
                + f", and {backbone.identity.name} does not. Use objective=next_code with a "
                "decoder such as smollm2-135m, and objective=mlm with an encoder such as "
                "bert-lipcot."
            )
        self.objective, self.backbone = objective, backbone
        for adapter in adapters[1:]:
            adapter.share(adapters[0])
        self.adapters = nn.ModuleList(adapters)
        book = adapters[0].frame_book
        self.sizes = (
            SPECIAL + len(book.filters),
            len(book.gains.values),
            len(book.levels.values),
        )
        self.head = nn.Linear(backbone.width, sum(self.sizes)) if head is None else head

    @torch.no_grad()
    def learn(self, windows: Sequence[Windows]) -> None:
        """Learn one codebook from the frames of all data sets."""
        pairs = zip(self.adapters, windows, strict=True)
        parts = [
            adapter.measure(Batches(part, evenly_spaced(len(part), LEARNT)))[0]  # type: ignore[operator]
            for adapter, part in pairs
        ]
        first = self.adapters[0]
        assert isinstance(first, LiPCoT)
        if first.codes != "random":
            first.frame_book.fit(Frames.concatenate(parts))

    def loss(self, number: int, batch: Batch) -> Float[Tensor, ""]:
        """Return the mean over predicted frames of the cross-entropies of shape, gain and level.

        Args:
            number: number of the data set.
            batch: contexts of this data set.
        """
        guess = self.guess(number, batch)
        total = sum(
            cross_entropy(logits, part, reduction="sum")
            for logits, part in zip(self.logits(guess.hidden), guess.parts, strict=True)
        )
        return torch.as_tensor(total) / max(len(guess.hidden), 1)

    def logits(self, hidden: Float[Tensor, "R D"]) -> tuple[Float[Tensor, "R _"], ...]:
        """Return the logits of shape, gain and level."""
        return self.head(hidden).split(self.sizes, 1)

    def guess(self, number: int, batch: Batch, generator: torch.Generator | None = None) -> Guess:
        """Return the frames to predict: those with a filter, not padded, flat or missing ones."""
        adapter = self.adapters[number]
        assert isinstance(adapter, LiPCoT)
        past = batch.past.to(self.head.weight.device)
        context = Context.fold(adapter.scale(past).apply(past), batch.time.to(past.device))
        coded = adapter.encode(context)
        tokens = adapter.frame_tokens(coded, context)
        rows = len(context.values)
        attended = rearrange(tokens.mask, "S (N T) -> S N T", N=adapter.n_frames)[:, :, -1]
        shapes = rearrange(coded.codes.shape, "(S N) -> S N", S=rows)
        counted = attended & (shapes >= SPECIAL)
        if self.objective == "mlm":
            counted = choose(counted, generator)
            tokens = adapter.frame_tokens(hidden_at(coded, counted.flatten(), generator), context)
        else:
            counted[:, 0] = False
        states = self.backbone(tokens)[:, adapter.embed.n_tokens - 1 :: adapter.embed.n_tokens]
        if self.objective == "next_code":
            states = torch.roll(states, 1, 1)  # the state at i has read frames up to i - 1
        parts = tuple(part[counted.flatten()] for part in coded.codes)
        return Guess(states[counted], parts, counted)


def hidden_at(
    coded: CodedFrames, chosen: Bool[Tensor, " R"], generator: torch.Generator | None = None
) -> CodedFrames:
    """Mask 80 % of the chosen codes, replace 10 % by other frames, and leave 10 % as they are.

    The level and the power of a masked frame are removed, too.
    """
    codes, frames = coded
    masked, replaced = masked_and_replaced(chosen, generator)
    other = torch.randint(len(chosen), chosen.shape, generator=generator).to(chosen.device)
    row = torch.where(replaced, other, torch.arange(len(chosen), device=chosen.device))
    shape, gain, level = (part[row] for part in codes)
    there, place = masked.to(frames.level.device), row.to(frames.level.device)  # see ``exactly``
    power = torch.where(there, 1.0, frames.model.power[place])
    return CodedFrames(
        codes._replace(
            shape=torch.where(masked, MASK, shape),
            gain=torch.where(masked, 0, gain),
            level=torch.where(masked, 0, level),
        ),
        frames._replace(
            level=torch.where(there, 0.0, frames.level[place]),
            model=frames.model._replace(power=power),
        ),
    )


def portable(adapter: nn.Module) -> dict[str, Tensor]:
    """Return the tensors with which another adapter can start."""
    assert isinstance(adapter, LiPCoT)
    return {k: v for k, v in adapter.state_dict().items() if k.startswith(adapter.portable)}
