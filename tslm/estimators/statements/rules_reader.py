"""Reader of statements by rules: numbers and a short list of words, without a language model."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.data.events.rules import Rule, effect_of
from tslm.models.text.effect import Effect, Phase
from tslm.models.text.statement_reader import StatementReader

SMALLEST = 0.01  # least factor; smaller ones replace the value
DOUBT = 0.3  # standard deviation of a log factor that no number states; chosen by hand


class RulesReader(StatementReader):
    """Reader that knows numbers of size and words for up, down and none.

    A sentence has its log factor as its vector, so sentences are similar if their factors are.
    """

    identity = "rules"

    def vectors(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        found = [(rule.factor, rule.replaced, 1.0) for rule in self._rules(sentences)]
        return torch.tensor(found, dtype=torch.float64).view(-1, 3)

    def effects(self, sentences: Sequence[str], phase: Phase) -> Effect:
        rules = self._rules(sentences)
        factors = torch.tensor([rule.factor for rule in rules], dtype=torch.float64)
        replaced = torch.tensor([rule.replaced for rule in rules], dtype=torch.float64)
        none = Effect.none(*phase.position.shape)
        return none._replace(
            log_factor=none.log_factor + factors.clamp(min=SMALLEST).log()[:, None],
            replaced=none.replaced + replaced[:, None],
        )

    def doubt(self, sentences: Sequence[str]) -> Float[Tensor, " K"]:
        return torch.tensor([0.0 if rule.certain else DOUBT for rule in self._rules(sentences)])

    def _rules(self, sentences: Sequence[str]) -> list[Rule]:
        return [effect_of(sentence) or Rule() for sentence in sentences]
