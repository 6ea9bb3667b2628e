"""The paper's reader of codes: a small BERT that learns hidden codes first, and labels then.

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
    """How long and how fast is learnt.

    Args:
        epochs: passes over all rows.
        batch_size: rows of a batch.
        learning_rate: the highest rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float


class CodeBert(nn.Module):
    """Tells sentences of codes apart.

    Args:
        n_codes: filters of the codebook.
        length: tokens of a sentence, the first and the last included.
        n_classes: labels.
        width: of the BERT.
        n_layers: of the BERT.
    """

    def __init__(
        self, n_codes: int, length: int, n_classes: int, width: int = 256, n_layers: int = 6
    ) -> None:
        super().__init__()
        self.longest = max(_LENGTH, length)
        self.bert = Bert(WORDS + n_codes, self.longest, width, n_layers)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, n_classes))

    def forward(self, ids: Int[Tensor, "S M N"]) -> Float[Tensor, "S k"]:
        """Logits of labels, from the first token of each of M sentences, on average."""
        first = self.bert(ids.flatten(0, 1))[:, 0]
        return self.head(first.unflatten(0, ids.shape[:2]).mean(1))

    def teach(self, ids: Int[Tensor, "S N"], study: Study) -> None:
        """Learn to guess hidden codes."""

        def loss(rows: Tensor) -> Tensor:
            chosen, disguised = disguise(ids[rows], len(self.bert.bias))
            logits = self.bert.guess(self.bert(disguised)[chosen])
            lost = cross_entropy(logits, ids[rows][chosen], reduction="sum")
            return lost / chosen.sum().clamp(min=1)

        learn(self.bert, loss, len(ids), study)

    def fit(self, ids: Int[Tensor, "S M N"], labels: Int[Tensor, " S"], study: Study) -> None:
        """Learn labels; all weights move."""
        learn(self, lambda rows: cross_entropy(self(ids[rows]), labels[rows]), len(ids), study)

    @torch.no_grad()
    def shares(self, ids: Int[Tensor, "S M N"]) -> Float[ndarray, "S k"]:
        """The probability of each label."""
        self.eval()
        per_pass = max(_AT_ONCE // ids.shape[1], 1)
        parts = [self(part).softmax(1) for part in ids.split(per_pass)]
        return torch.cat(parts).double().numpy()


def ids_of(shapes: Int[ndarray, "*s N"]) -> Int[Tensor, "*s N2"]:
    """Shapes of codes as ids, a first token before and a last one after each sentence."""
    words = np.where(shapes < SPECIAL, UNK_ID, shapes - SPECIAL + WORDS)
    first, last = (np.full((*words.shape[:-1], 1), word) for word in (CLS_ID, SEP_ID))
    return torch.from_numpy(np.concatenate([first, words, last], -1))


def disguise(ids: Int[Tensor, "S N"], vocabulary: int) -> tuple[Tensor, Int[Tensor, "S N"]]:
    """Which ids are to be guessed, and what is read in place of all of them.

    15 % of those that are codes: 80 % of these masked, 10 % another code, 10 % as they are.
    """
    chosen = choose(ids >= WORDS)
    masked, replaced = masked_and_replaced(chosen)
    other = torch.randint(WORDS, vocabulary, ids.shape)
    return chosen, torch.where(replaced, other, torch.where(masked, MASK_ID, ids))


def learn(module: nn.Module, loss: Callable[[Tensor], Tensor], count: int, study: Study) -> None:
    """Make a loss of some of ``count`` rows small; leaves the module in training mode."""
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
