"""Explanation in words: the words nearest to each prototype, and where each one is used."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Calendar
from tslm.core.types import Context
from tslm.data.batches import final_contexts
from tslm.data.panel import Panel
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.retrieval import unit
from tslm.models.lexicon import Lexicon
from tslm.plots.forecasts import plot_readings

CHUNK = 256  # prototypes compared with all words at once, to bound memory
SERIES = 64  # series in one batch


@dataclass(frozen=True)
class Explanation:
    """Words that describe the tokens of the last context of each series.

    Attributes:
        words: one row per prototype (or anchor) and rank: a word near it, and its cosine.
        reading: one row per series, patch and rank: a prototype, its weight in the patch, and its
            nearest words. ``start`` is the time of the first step of the patch, or of the window.
    """

    words: pd.DataFrame
    reading: pd.DataFrame

    def plot(self, series: object = None, rows: int = 12, *, engine: str = "matplotlib") -> Any:
        """Draw the weights of the most used prototypes in each patch of a series.

        Args:
            series: id of the series; None takes the first.
            rows: number of prototypes to show.
            engine: "matplotlib" or "plotly".
        """
        return plot_readings(self.reading, series, rows, engine)


def explain(
    model: ForecastModel, panel: Panel, calendar: Calendar, context_length: int, top: int
) -> Explanation:
    """Explain the last context of every series.

    Raises:
        ConfigError: if the adapter has no text prototypes.
    """
    adapter, lexicon = model.adapter, model.backbone.lexicon
    here = next(model.parameters()).device
    words = pd.DataFrame()
    parts = []
    for series in torch.arange(len(panel)).split(SERIES):
        batch = final_contexts(
            panel, calendar, context_length=context_length, horizon=0, series=series
        )
        past, time = batch.past.to(here), batch.time.to(here)
        made = adapter.made(Context.fold(adapter.scale(past).apply(past), time))
        if words.empty:
            words = nearest_words(made.vectors, lexicon, top)
        stride = context_length if made.weights.shape[1] == 1 else adapter.stride
        starts = batch.time[:, ::stride][:, : made.weights.shape[1]]
        parts.append(_reading(panel.ids[series.numpy()], calendar, starts, made.weights.cpu(), top))
    named = words.groupby("prototype").word.agg(", ".join).rename("words")
    reading = pd.concat(parts, ignore_index=True).merge(named, on="prototype")
    return Explanation(
        words, reading.sort_values(["unique_id", "patch", "rank"], ignore_index=True)
    )


def nearest_words(vectors: Float[Tensor, "K D"], lexicon: Lexicon, top: int) -> pd.DataFrame:
    """Return the words whose embeddings have the largest cosine similarity to each vector.

    Args:
        vectors: one vector per prototype.
        lexicon: words of the language model.
        top: number of words per vector.
    """
    table = unit(lexicon.words.to(vectors))
    rows = []
    for first, some in enumerate(unit(vectors).split(CHUNK)):
        best = (some @ table.T).topk(min(top, len(table)))
        for place, (ids, cosines) in enumerate(
            zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ):
            for rank, (word, cosine) in enumerate(zip(ids, cosines, strict=True)):
                spelled = lexicon.tokenizer.decode([word]).strip() or repr(
                    lexicon.tokenizer.decode([word])
                )
                rows.append((first * CHUNK + place, rank, spelled, cosine))
    return pd.DataFrame(rows, columns=["prototype", "rank", "word", "cosine"])


def _reading(
    ids: pd.Index,
    calendar: Calendar,
    starts: Tensor,
    weights: Float[Tensor, "S N K"],
    top: int,
) -> pd.DataFrame:
    best = weights.topk(min(top, weights.shape[2]))
    series, patches, ranks = best.values.shape
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.asarray(ids), patches * ranks),
            "patch": np.tile(np.repeat(np.arange(patches), ranks), series),
            "start": calendar.from_int(starts.repeat_interleave(ranks, 1).flatten().numpy()),
            "rank": np.tile(np.arange(ranks), series * patches),
            "prototype": best.indices.flatten().numpy(),
            "weight": best.values.flatten().numpy(),
        }
    )
