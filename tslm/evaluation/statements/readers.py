"""Readers of statements that are compared: a backbone with its head, and the controls.

All but the rules and the truth share one head, one training set and one number of seeds. They
differ in the sentence vectors alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

from tslm.core.config.estimator_settings import configure
from tslm.evaluation.statements.generator import Statement
from tslm.models.assembly import body_of
from tslm.models.backbones.base import Backbone
from tslm.models.text.effect_head import COURSES, EffectHead
from tslm.models.text.head_training import Targets, fit_doubt, train_head
from tslm.models.text.sentence_reader import SentenceReader

Vectors = Callable[[Sequence[str]], Float[Tensor, "K E"]]
WORDS, TFIDF = "words", "tfidf"


def vectors_of(name: str, n_layers: int | str | None, sentences: Sequence[str]) -> Vectors:
    """Return the function from sentences to vectors.

    Args:
        name: a backbone, or ``words`` or ``tfidf``; NAME@6 reads with the first 6 blocks.
        n_layers: depth at which other backbones read.
        sentences: training sentences, from which ``tfidf`` takes its words.
    """
    if name == TFIDF:
        fitted = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(sentences)
        return lambda texts: torch.from_numpy(fitted.transform(texts).toarray()).float()
    kind, _, rest = name.partition(":")
    if kind == WORDS:
        return _mean_words(backbone(rest or "smollm2-135m", 1))
    body, _, own = name.partition("@")
    depth = "all" if n_layers is None else n_layers
    return SentenceReader(backbone(body, int(own) if own else depth)).read


def backbone(name: str, n_layers: int | str) -> Backbone:
    """Load a backbone or a control in its place, in fp32."""
    values = {"backbone": name, "n_layers": n_layers, "h": 1, "precision": "fp32"}
    return body_of(configure({"adapter": "autotimes"}, values), torch.device("cpu"))


def _mean_words(body: Backbone) -> Vectors:
    """Return the function that averages the word embeddings of a sentence."""

    def read(texts: Sequence[str]) -> Float[Tensor, "K E"]:
        if not texts:
            return torch.zeros(0, body.width)
        found = torch.zeros(len(texts), body.width)
        for row, text in enumerate(texts):
            if text.strip():
                found[row] = body.lexicon.embed(
                    torch.tensor(body.lexicon.tokenize([text])[0])
                ).mean(0)
        return found

    return read


def trained(
    vectors: Vectors, train: Sequence[Statement], val: Sequence[Statement], seed: int
) -> EffectHead:
    """Train a head on statements, and fit its doubt on others."""
    texts, known = [one.text for one in train], [one.text for one in val]
    head = train_head(vectors(texts), texts, targets(train), seed=seed)
    fit_doubt(head, vectors(known), known, targets(val))
    return head


def targets(statements: Sequence[Statement]) -> Targets:
    """Return the true effects of statements as tensors."""
    parts = np.array([(one.log_factor, one.shift, one.replaced) for one in statements])
    factor, shift, replaced = torch.from_numpy(parts.astype(np.float32)).T
    course = torch.tensor([COURSES.index(one.shape) for one in statements])
    return Targets(factor, shift, replaced, course)
