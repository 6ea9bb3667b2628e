"""Scores of predicted codes, compared with predictions from code frequencies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, Int
from numpy import ndarray

from tslm.core.errors import DataError
from tslm.core.types import Batch, Context
from tslm.data.windows import Windows
from tslm.estimators.lipcot.reader import CodeReader
from tslm.models.adapters.lipcot import LiPCoT
from tslm.models.layers.lpc.codebook import SPECIAL

_SEED = 0  # seed of the masked codes


class DataSet(NamedTuple):
    """Data set with the adapter that codes it."""

    adapter: LiPCoT
    windows: Windows


class Counts(NamedTuple):
    """Code frequencies of the training data.

    Attributes:
        own: frequency of each code, by series.
        all: frequency of each code in all series.
        after: frequency of each code after each other code.
    """

    own: Mapping[Any, Float[ndarray, " V"]]
    all: Float[ndarray, " V"]
    after: Float[ndarray, "V V"]

    @classmethod
    def of(cls, reader: CodeReader, sets: Sequence[DataSet]) -> "Counts":
        """Count the codes of adjacent contexts."""
        size = reader.sizes[0]
        own: dict[Any, Float[ndarray, " V"]] = {}
        after = np.zeros((size, size))
        for part in sets:
            for series, shapes in _sentences(part):
                for name, row in zip(part.windows.panel.ids[series].tolist(), shapes, strict=True):
                    used = np.bincount(row[row >= SPECIAL], minlength=size)
                    own[name] = own.get(name, np.zeros(size)) + used
                np.add.at(after, (shapes[:, :-1].ravel(), shapes[:, 1:].ravel()), 1)
        return cls(own, np.sum(list(own.values()), 0), after)

    def unigram(self, names: Sequence[Any]) -> Float[ndarray, "S K"]:
        """Return the relative frequency of each code in each series, plus 1 count each."""
        return _frequencies(np.stack([self.own.get(name, self.all) for name in names]))

    def bigram(self) -> Float[ndarray, "V K"]:
        """Return the relative frequency of each code after each other code."""
        return _frequencies(self.after)


def scored(reader: CodeReader, part: DataSet, counts: Counts) -> pd.DataFrame:
    """Return the table of ``LiPCoTPretrainer.score``."""
    dice = torch.Generator().manual_seed(_SEED)
    logs: dict[str, list[ndarray]] = {"model": [], "unigram": [], "bigram": []}
    right: dict[str, list[ndarray]] = {name: [] for name in logs}
    apart = _apart(part.windows)
    for index in torch.arange(len(apart)).split(256):
        batch = apart.cut(index)
        with torch.no_grad():
            guess = reader.guess(0, batch, dice)
            model = reader.logits(guess.hidden)[0][:, SPECIAL:].softmax(1).cpu().double().numpy()
        truth, counted = guess.parts[0].numpy() - SPECIAL, guess.counted.numpy()
        shapes = _shapes(part.adapter, batch)
        names = part.windows.panel.ids[apart.series(index).numpy()].tolist()
        unigram = np.repeat(counts.unigram(names), counted.sum(1), 0)
        before = np.roll(shapes, 1, 1)
        bigram = counts.bigram()[before[counted]]
        first = np.broadcast_to(np.arange(counted.shape[1]) == 0, counted.shape)[counted]
        bigram[first] = unigram[first]  # the first code has none before it
        for name, likely in (("model", model), ("unigram", unigram), ("bigram", bigram)):
            logs[name].append(np.log(likely[np.arange(len(truth)), truth]))
            right[name].append(likely.argmax(1) == truth)
    total = sum(map(len, logs["model"]))
    if not total:
        raise DataError(
            "No frame of these series can be predicted, because all are constant or too short."
        )
    rows = {
        name: (np.exp(-np.concatenate(logs[name]).mean()), np.concatenate(right[name]).mean())
        for name in logs
    }
    size = reader.sizes[0] - SPECIAL
    rows["uniform"] = (float(size), 1 / size)
    table = pd.DataFrame.from_dict(rows, "index", columns=["perplexity", "accuracy"])
    return table.rename_axis("predictor").assign(codes=total).reset_index()


def _apart(windows: Windows) -> Windows:
    """Return adjacent contexts of a data set."""
    length = windows.context_length
    return Windows(windows.panel, context_length=length, future_length=0, stride=length)


def _sentences(part: DataSet) -> Iterator[tuple[Int[ndarray, " S"], Int[ndarray, "S N"]]]:
    """Yield the series and the shapes of adjacent contexts."""
    apart = _apart(part.windows)
    for index in torch.arange(len(apart)).split(256):
        yield apart.series(index).numpy(), _shapes(part.adapter, apart.cut(index))


def _shapes(adapter: LiPCoT, batch: Batch) -> Int[ndarray, "S N"]:
    context = Context.fold(adapter.scale(batch.past).apply(batch.past), batch.time)
    shapes = adapter.encode(context).codes.shape
    return rearrange(shapes, "(S N) -> S N", S=len(context.values)).numpy()


def _frequencies(counts: Float[ndarray, "R V"]) -> Float[ndarray, "R K"]:
    """Return the relative frequencies of filters, after adding 1 to each count."""
    more = counts[:, SPECIAL:] + 1
    return more / more.sum(1, keepdims=True)
