"""Classification of recordings by their codes."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import lfilter
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch.nn.functional import cross_entropy

from tslm import ConfigError, DataError, NotFittedError, TSLMClassifier
from tslm.estimators.lipcot.classifier import LIPCOT_PAPER
from tslm.estimators.lipcot.code_bert import (
    CLS_ID,
    MASK_ID,
    SEP_ID,
    UNK_ID,
    WORDS,
    CodeBert,
    Study,
    disguise,
    ids_of,
)
from tslm.models.layers.bert import Bert
from tslm.models.layers.lpc.codebook import SPECIAL

N, STEPS = 40, 320
FAST: dict[str, Any] = {"backbone": "tiny", "order": 4, "n_codes": 8, "frame_length": 32}
FAST |= {"width": 16, "n_layers": 2, "pretrain_epochs": 2, "epochs": 30, "learning_rate": 1e-2}
FEATURES = ["llm", "bert", "codes", "pairs", "energy"]


def tones(channels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return recordings whose classes differ in the resonance of the first channel."""
    dice = np.random.default_rng(seed)
    y = np.arange(N) % 2
    X = dice.normal(size=(N, channels, STEPS))
    for row, label in enumerate(y):
        angle = (0.4, 1.4)[label]
        X[row, 0] = lfilter([1], [1, -1.8 * np.cos(angle), 0.81], X[row, 0])
    return X, np.array(["slow", "fast"])[y]


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("layout", ["time", "channel", "channel_time"])
def test_recordings_are_classified(features: str, layout: str) -> None:
    if (features, layout) == ("pairs", "channel"):
        pytest.skip("one frame has no successor")
    X, y = tones()
    model = TSLMClassifier(features=features, layout=layout, **FAST).fit(X[:30], y[:30])
    assert model.classes_.tolist() == ["fast", "slow"]
    sure = model.predict_proba(X[30:])
    assert sure.shape == (10, 2)
    np.testing.assert_allclose(sure.sum(1), 1)
    assert (model.predict(X[30:]) == model.classes_[sure.argmax(1)]).all()
    if layout != "channel" and features != "energy":
        assert model.score(X[30:], y[30:]) >= 0.9


def test_power_alone_separates_powers_and_not_spectra() -> None:
    X, y = tones(1)
    loud = X / X.std((1, 2), keepdims=True)
    model = TSLMClassifier(features="energy", **FAST)
    assert cross_val_score(model, loud * np.where(y == "fast", 3, 1)[:, None, None], y).mean() == 1
    assert cross_val_score(TSLMClassifier(features="codes", **FAST), loud, y).mean() >= 0.9


def test_the_order_of_frames_matters_to_pairs_alone() -> None:
    X, y = tones(1)
    frames = X.reshape(N, 1, -1, 32)
    backwards = frames[:, :, ::-1].reshape(X.shape)
    same = {}
    for features in FEATURES:
        model = TSLMClassifier(features=features, **{**FAST, "epochs": 2}).fit(X, y)
        same[features] = np.allclose(model.predict_proba(X), model.predict_proba(backwards))
    assert same == {"llm": False, "bert": False, "codes": True, "pairs": False, "energy": True}


def test_a_long_frame_is_its_array_in_any_order_of_rows() -> None:
    X, y = tones()
    ids = [f"r{number}" for number in range(N)]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(ids, STEPS),
            "ds": np.tile(np.arange(STEPS), N),
            "left": X[:, 0].ravel(),
            "right": X[:, 1].ravel(),
        }
    )
    model = TSLMClassifier(features="codes", **FAST)
    expected = clone(model).fit(X, y).predict_proba(X)
    found = clone(model).fit(frame, y).predict_proba(frame)
    np.testing.assert_allclose(found, expected)
    labels = pd.Series(y, ids).sample(frac=1, random_state=0)
    by_id = clone(model).fit(frame, labels).predict_proba(frame)
    np.testing.assert_allclose(by_id, expected)


def test_the_class_of_a_recording_does_not_depend_on_others() -> None:
    X, y = tones()
    model = TSLMClassifier(**FAST).fit(X, y)
    every = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X[5:6]), every[5:6], rtol=1e-4, atol=1e-5)
    assert np.array_equal(clone(model).fit(X, y).predict_proba(X), every)


def test_missing_and_flat_stretches_are_codes_of_their_own() -> None:
    X, y = tones()
    X[:, 0, :100] = np.nan
    X[:, 1, 100:200] = 7.0
    for features in FEATURES:
        model = TSLMClassifier(features=features, **FAST).fit(X, y)
        assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.slow
@pytest.mark.data
def test_bonn_is_classified_by_a_bag_of_codes() -> None:
    """Five sets of EEG, by folds of whole recordings, beside energy alone."""
    files = zipfile.ZipFile(Path(os.environ["TSLM_DATA"]) / "ts" / "bonn_eeg.zip")
    names = [name for name in sorted(files.namelist()) if name.lower().endswith(".txt")]
    X = np.stack([np.array(files.read(name).split(), dtype=float) for name in names])
    y = np.array([Path(name).name[0] for name in names])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    bag = TSLMClassifier(features="codes", frame_length=178)
    assert cross_val_score(bag, X, y, cv=folds).mean() >= 0.78
    assert cross_val_score(bag, X, y == "S", cv=folds).mean() >= 0.97
    energy = clone(bag).set_params(features="energy")
    assert 0.45 < cross_val_score(energy, X, y, cv=folds).mean() < 0.7


def test_the_papers_bert_has_its_size_and_vocabulary() -> None:
    with torch.device("meta"):
        bert = Bert(WORDS + 64)
    assert sum(weight.numel() for weight in bert.parameters()) == pytest.approx(11.34e6, rel=0.01)
    assert bert.words.num_embeddings == 69
    options = TSLMClassifier(**LIPCOT_PAPER).get_params()
    assert (options["features"], options["layout"], options["latent"]) == (
        "bert",
        "channel",
        "lpc_paper",
    )


def test_only_codes_are_masked() -> None:
    shapes = np.random.default_rng(0).integers(2, 12, (500, 20))
    ids = ids_of(shapes)
    assert (ids[:, 0] == CLS_ID).all()
    assert (ids[:, -1] == SEP_ID).all()
    assert ((ids == UNK_ID)[:, 1:-1].numpy() == (shapes < SPECIAL)).all()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        chosen, disguised = disguise(ids, WORDS + 8)
    assert (ids[chosen] >= WORDS).all()
    assert torch.equal(ids[~chosen], disguised[~chosen])
    assert 0.13 < chosen[:, 1:-1][ids[:, 1:-1] >= WORDS].float().mean() < 0.17
    masked, kept = disguised[chosen] == MASK_ID, disguised[chosen] == ids[chosen]
    assert 0.75 < masked.float().mean() < 0.85
    assert 0.07 < kept.float().mean() < 0.16  # one in eight of those exchanged is the same
    assert (disguised[chosen][~masked] >= WORDS).all()


def test_masked_codes_that_follow_a_rule_are_predicted() -> None:
    shapes = (np.arange(24) + np.arange(64)[:, None]) % 3 + SPECIAL  # one after the other
    ids = ids_of(shapes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CodeBert(3, ids.shape[1], 2, width=32, n_layers=2)
        model.teach(ids, Study(40, 16, 5e-3))
        model.eval()
        chosen, disguised = disguise(ids, WORDS + 3)
        logits = model.bert.guess(model.bert(disguised)[chosen])
    assert float(cross_entropy(logits, ids[chosen]).detach()) < 0.1


def test_bert_may_be_fitted_again_on_longer_recordings() -> None:
    X, y = tones(channels=1)
    model = TSLMClassifier(features="bert", **{**FAST, "frame_length": 16, "epochs": 1})
    model.fit(X[:8], y[:8])
    longer = np.tile(X, (1, 1, 5))
    with pytest.raises(DataError, match=r"longer than the maximum of bert"):
        model.predict(longer)
    assert model.fit(longer[:8], y[:8]).predict(longer).shape == y.shape


def test_classification_starts_from_the_masked_pretraining() -> None:
    X, y = tones()
    taught, fresh = (
        TSLMClassifier(features="bert", **{**FAST, "epochs": 0, "pretrain_epochs": n}).fit(X, y)
        for n in (3, 0)
    )
    one, two = (model.bert_.bert.blocks[0].key.weight for model in (taught, fresh))
    assert not torch.allclose(one, two)


def test_wrong_arguments_are_refused() -> None:
    X, y = tones()
    for options, message in (
        ({"features": "magic"}, r"features='magic' is unknown\. Choose one of llm, bert, codes"),
        ({"layout": "circle"}, r"layout='circle' is unknown"),
        ({"pooling": "max"}, r"pooling='max' is unknown"),
    ):
        with pytest.raises(ConfigError, match=message):
            TSLMClassifier(**{**FAST, **options}).fit(X, y)
    model = TSLMClassifier(features="codes", **FAST)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict(X)
    for recordings, labels, message in (
        (X, y[:3], r"Labels of shape \(3,\) do not fit 40 recordings"),
        (X, ["same"] * N, "are of one class"),
        (X[0, 0], y, r"shape \(320,\) must be"),
        ([[1.0, 2.0], [1.0]], y[:2], "must be numbers, all of one length"),
        (np.where(X > 2, np.inf, X), y, r"Recordings \[0, 1.* have infinite"),
        (pd.DataFrame({"unique_id": [1], "a": [1.0]}), y[:1], "has no column ds"),
        (pd.DataFrame({"unique_id": [1], "ds": [1]}), y[:1], "has no channel"),
        (
            pd.DataFrame({"unique_id": [1, 1, 2, 2, 3], "ds": [1, 2, 1, 2, 1], "a": 1.0}),
            y[:3],
            r"the same length, but \[3\] have \[1\] rows and most have 2",
        ),
    ):
        with pytest.raises(DataError, match=message):
            clone(model).fit(recordings, labels)
    model.fit(X, y)
    with pytest.raises(DataError, match="have 1 channels, but those of fit had 2"):
        model.predict(X[:, :1])
    with pytest.raises(DataError, match="Recordings of 20 steps are shorter than a frame of 32"):
        model.predict(X[:, :, :20])
    bert = TSLMClassifier(features="bert", **FAST).fit(X, y)
    with pytest.raises(DataError, match="of 102 tokens are longer than the maximum of bert, 64"):
        bert.predict(np.tile(X, 10))
