"""Titles as vectors of their words: controls of the language model."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from tslm.models.text.title_vectors import TitleVectors


class WordVectors(TitleVectors):
    """Titles as weights of words that the titles of fit have; other words are ignored.

    Args:
        titles: titles of fit.
        tfidf: True for TF-IDF of words and pairs of words; False for one-hot words.
    """

    def __init__(self, titles: Sequence[str], *, tfidf: bool) -> None:
        self.identity = "tfidf" if tfidf else "one_hot"
        made = TfidfVectorizer(ngram_range=(1, 2)) if tfidf else CountVectorizer(binary=True)
        self.counter = made.fit(titles)

    def vectors(self, titles: Sequence[str]) -> Float[Tensor, "K E"]:
        return torch.from_numpy(self.counter.transform(titles).toarray()).double()


class NoVectors(TitleVectors):
    """Titles that are not read: all have the same vector."""

    identity = "mean"

    def vectors(self, titles: Sequence[str]) -> Float[Tensor, "K E"]:
        return torch.ones(len(titles), 1, dtype=torch.float64)
