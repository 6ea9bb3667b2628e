"""Small BERT of the LiPCoT paper: pretrained on masked codes, then trained on labels.

Anjum, "LiPCoT", arXiv 2408.07292, sections 2.3 to 2.6. Departures: cross-entropy in place of a
sigmoid made to sum to 1; the last epoch in place of the best one on a set of its own; rates rise
and fall as in ``Recipe``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tslm.estimators.lipcot.masking import choose, masked_and_replaced
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import trained_weights
from tslm.models.layers.bert import Bert
from tslm.models.layers.lpc.codebook import SPECIAL

PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)
WORDS = 5  # reserved ids; filter c of the codebook is WORDS + c, a flat or missing frame UNK_ID
_LENGTH = 64  # tokens of a sentence in the paper
_AT_ONCE = 256  # sentences that are read for a prediction


@dataclass(frozen=True)
class Study:
    """Training settings of the small BERT.

    Attributes:
        epochs: passes over all rows.
        batch_size: rows in a batch.
        learning_rate: the highest learning rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float


class CodeBert(nn.Module):
    """Classifier of sentences of codes.

    Args:
        n_codes: filters of the codebook.
        length: tokens of a sentence, including the first and the last one.
        n_classes: number of labels.
        width: size of the hidden states.
        n_layers: number of blocks.
    """

    def __init__(
        self, n_codes: int, length: int, n_classes: int, width: int = 256, n_layers: int = 6
    ) -> None:
        super().__init__()
        self.longest = max(_LENGTH, length)
        self.bert = Bert(WORDS + n_codes, self.longest, width, n_layers)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, n_classes))

    def forward(self, ids: Int[Tensor, "S M N"]) -> Float[Tensor, "S k"]:
        """Return the logits of labels, averaged over the first tokens of M sentences."""
        first = self.bert(ids.flatten(0, 1))[:, 0]
        return self.head(first.unflatten(0, ids.shape[:2]).mean(1))

    def teach(self, ids: Int[Tensor, "S N"], study: Study) -> None:
        """Pretrain on masked codes."""

        def loss(rows: Tensor) -> Tensor:
            chosen, disguised = disguise(ids[rows], len(self.bert.bias))
            logits = self.bert.guess(self.bert(disguised)[chosen])
            lost = cross_entropy(logits, ids[rows][chosen], reduction="sum")
            return lost / chosen.sum().clamp(min=1)

        learn(self.bert, loss, len(ids), study)

    def fit(self, ids: Int[Tensor, "S M N"], labels: Int[Tensor, " S"], study: Study) -> None:
        """Train all weights on labels."""
        learn(self, lambda rows: cross_entropy(self(ids[rows]), labels[rows]), len(ids), study)

    @torch.no_grad()
    def probabilities(self, ids: Int[Tensor, "S M N"]) -> Float[ndarray, "S k"]:
        """Return the probability of each label."""
        self.eval()
        per_pass = max(_AT_ONCE // ids.shape[1], 1)
        parts = [self(part).softmax(1) for part in ids.split(per_pass)]
        return torch.cat(parts).cpu().double().numpy()


def ids_of(shapes: Int[ndarray, "*s N"]) -> Int[Tensor, "*s N2"]:
    """Return the token ids of shapes, with a first and a last token for each sentence."""
    words = np.where(shapes < SPECIAL, UNK_ID, shapes - SPECIAL + WORDS)
    first, last = (np.full((*words.shape[:-1], 1), word) for word in (CLS_ID, SEP_ID))
    return torch.from_numpy(np.concatenate([first, words, last], -1))


def disguise(ids: Int[Tensor, "S N"], vocabulary: int) -> tuple[Tensor, Int[Tensor, "S N"]]:
    """Choose the ids to predict, and mask or replace them in the input.

    15 % of the codes are chosen: 80 % of these are masked, 10 % are replaced by another code, and
    10 % stay as they are.
    """
    chosen = choose(ids >= WORDS)
    masked, replaced = masked_and_replaced(chosen)
    other = torch.randint(WORDS, vocabulary, ids.shape)
    return chosen, torch.where(replaced, other, torch.where(masked, MASK_ID, ids))


def learn(module: nn.Module, loss: Callable[[Tensor], Tensor], count: int, study: Study) -> None:
    """Minimise a loss over ``count`` rows; the module stays in training mode."""
    module.train()
    steps = study.epochs * -(-count // study.batch_size)
    if not steps:
        return
    recipe = Recipe(study.learning_rate, steps, warmup=0.1, weight_decay=0.01)
    weights = trained_weights(module)
    adam, schedule = recipe.optimizer(weights)
    for _ in range(study.epochs):
        for rows in torch.randperm(count).split(study.batch_size):
            adam.zero_grad()
            loss(rows).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            adam.step()
            schedule.step()
