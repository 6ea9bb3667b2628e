"""Training of an effect head on sentences whose effects are known."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from tslm.core.seeds import seeded
from tslm.models.text.effect_head import EffectHead, Said
from tslm.models.text.stated_numbers import stated_sizes

BATCH = 512
# weights of the parts of the loss, by hand
SHIFT, REPLACED, COURSE = 0.3, 0.5, 0.2
RARE = 5.0  # weight of replacements and shifts, which are rarer than factors, by hand


class Targets(NamedTuple):
    """Known effects of sentences, see ``Said``; ``course`` is an index."""

    log_factor: Float[Tensor, " K"]
    shift: Float[Tensor, " K"]
    replaced: Float[Tensor, " K"]
    course: Int[Tensor, " K"]

    def take(self, rows: Int[Tensor, " n"]) -> "Targets":
        """Return the targets of some sentences."""
        return Targets(*(part[rows] for part in self))


def train_head(
    vectors: Float[Tensor, "K E"],
    sentences: Sequence[str],
    targets: Targets,
    *,
    seed: int = 0,
    rank: int = 64,
    dropout: float = 0.5,
    numbers: bool = True,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.01,
    steps: int = 500,
) -> EffectHead:
    """Train an effect head with AdamW and a one-cycle schedule.

    Args:
        vectors: sentence vectors of a ``SentenceReader``, or of a control.
        sentences: the same sentences.
        targets: their effects.
        seed: the same seed gives the same head.
        rank: see ``EffectHead``.
        dropout: see ``EffectHead``.
        numbers: see ``EffectHead``.
        learning_rate: highest learning rate.
        weight_decay: of AdamW.
        steps: number of batches.
    """
    stated = stated_sizes(sentences)
    with seeded(seed):
        head = EffectHead(vectors.shape[1], rank, dropout=dropout, numbers=numbers)
        head.fit_scale(vectors)
        optimizer = torch.optim.AdamW(head.parameters(), learning_rate, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
        head.train()
        for _ in range(steps):
            rows = torch.randint(len(vectors), (BATCH,))
            loss = loss_of(head.say(vectors[rows], stated.take(rows)), targets.take(rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval()


def loss_of(said: Said, targets: Targets) -> Float[Tensor, ""]:
    """Return the loss of effects: errors of each of their parts, weighted and summed."""
    factor = functional.smooth_l1_loss(said.log_factor, targets.log_factor, beta=0.1)
    rare = 1 + (targets.shift != 0)
    shift = functional.smooth_l1_loss(said.shift, targets.shift, beta=0.3, reduction="none")
    weight = 1 + (RARE - 1) * targets.replaced
    replaced = functional.binary_cross_entropy_with_logits(
        said.logits[:, 0], targets.replaced, weight
    )
    moves = (targets.log_factor.abs() > 0.02) | (targets.shift != 0)
    course = functional.cross_entropy(said.logits[:, 1:], targets.course, reduction="none")
    return (
        factor
        + SHIFT * (shift * rare).mean()
        + REPLACED * replaced
        + COURSE * (course * moves).mean()
    )


@torch.no_grad()
def fit_doubt(
    head: EffectHead, vectors: Float[Tensor, "K E"], sentences: Sequence[str], targets: Targets
) -> None:
    """Fit the doubt of a head on sentences whose wordings it was not trained on.

    The variance of the error of ``log_factor`` is a floor and a multiple of its square, by least
    squares without negative parts.
    """
    head.doubts.zero_()
    said = head(vectors, sentences)
    error = (said.log_factor - targets.log_factor)[targets.replaced == 0].square()
    size = said.log_factor[targets.replaced == 0].square()
    slope = ((size - size.mean()) * (error - error.mean())).mean() / size.var().clamp(min=1e-6)
    slope = slope.clamp(min=0)
    floor = (error.mean() - slope * size.mean()).clamp(min=1e-4)
    head.doubts.copy_(torch.stack([floor, slope]).sqrt())
