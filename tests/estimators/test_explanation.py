"""Prototypes and anchors, in words."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from tests.frames import random_walks
from tslm import ConfigError, DataError, Spec, TSLMForecaster
from tslm.estimators.explanation import nearest_words
from tslm.models.backbones.loading import load

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def walks(ids: tuple[str, ...] = ("a", "b"), n: int = 120) -> pd.DataFrame:
    return random_walks(n, ids, level=0, freq="h")


def fitted(adapter: str, **options: Any) -> TSLMForecaster:
    return TSLMForecaster(
        base=None,
        h=8,
        adapter=Spec(adapter, patch_len=8, stride=4, **options),
        backbone="tiny",
        context_length=40,
        season_length=6,
        max_steps=2,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(walks())


@pytest.mark.parametrize(
    ("adapter", "count", "patches"), [("time_llm", "n_prototypes", 10), ("s2ip", "n_anchors", 1)]
)
def test_prototypes_are_named_and_found_in_patches(adapter: str, count: str, patches: int) -> None:
    model = fitted(adapter, **{count: 30})
    found = model.explain(top=3)
    assert found.words.groupby("prototype").size().tolist() == [3] * 30
    assert found.words.cosine.between(-1, 1).all()
    assert (found.words.groupby("prototype").cosine.diff().dropna() <= 1e-6).all()
    reading = found.reading
    assert reading.groupby(["unique_id", "patch"]).size().tolist() == [3] * (2 * patches)
    first = reading[(reading.unique_id == "a") & (reading.patch == 0)]
    assert (first.start == walks().ds[120 - 40]).all()
    if patches > 1:
        second = reading[(reading.unique_id == "a") & (reading.patch == 1)]
        assert (second.start == walks().ds[120 - 40 + 4]).all()
        assert reading.weight.between(0, 1).all()
    named = found.words[found.words.prototype == first.prototype.iloc[0]].word
    assert first.words.iloc[0] == ", ".join(named)
    assert isinstance(found.plot(), Figure)
    assert isinstance(found.plot("b", rows=2), Figure)
    with pytest.raises(DataError, match="has no series 'z'"):
        found.plot("z")


def test_weights_are_those_the_model_reads_by() -> None:
    model = fitted("time_llm", n_prototypes=30)
    everything = model.explain(top=30).reading
    sums = everything.groupby(["unique_id", "patch"]).weight.sum()
    assert sums.to_numpy() == pytest.approx(np.ones(20), rel=1e-4)


def test_new_series_are_explained_by_themselves() -> None:
    model = fitted("s2ip", n_anchors=30)
    new = model.explain(walks(("x",), 60)).reading
    assert new.unique_id.unique().tolist() == ["x"]


def test_a_word_is_nearest_to_itself() -> None:
    lexicon = load("tiny").lexicon
    ids = [65, 66, 90]
    found = nearest_words(3 * lexicon.words[ids], lexicon, 1)
    assert found.word.tolist() == [lexicon.tokenizer.decode([i]).strip() for i in ids]
    assert found.cosine.to_numpy() == pytest.approx(np.ones(3), rel=1e-5)
    assert found.prototype.tolist() == [0, 1, 2]
    assert len(nearest_words(torch.randn(300, 48), lexicon, 2)) == 600


def test_an_adapter_without_words_cannot_be_explained() -> None:
    model = TSLMForecaster(
        base=None, h=8, backbone="tiny", max_steps=1, accelerator="cpu", random_state=0, verbose=0
    ).fit(walks())
    with pytest.raises(ConfigError, match="AutoTimes does not use words with these options"):
        model.explain()
    with pytest.raises(ConfigError, match="S2IP does not use words"):
        fitted("s2ip", anchors="none").explain()
