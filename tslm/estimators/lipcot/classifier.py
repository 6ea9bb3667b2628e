"""Classifier of recordings: LiPCoT codes, a frozen language model, a linear classifier.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

Departures: the language model is pretrained and frozen, while the paper trains a small BERT
(``features="bert"`` does that, and ``LIPCOT_PAPER`` has all settings of the paper); codes are
embedded by their spectra; the classifier is a logistic regression. The features ``codes``,
``pairs`` and ``energy`` are controls that need no language model.
"""

from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data
from torch import Tensor

from tslm.core.config.estimator_settings import configure
from tslm.core.errors import DataError
from tslm.core.fitted import check_fitted, is_fitted
from tslm.core.messages import check_choice
from tslm.core.seeds import seeded
from tslm.estimators.lipcot.code_bert import CodeBert, Study, ids_of
from tslm.estimators.lipcot.control_features import (
    code_frequencies,
    energy_features,
    pair_frequencies,
)
from tslm.estimators.lipcot.hidden_features import hidden_features
from tslm.estimators.lipcot.recordings import is_table, read_labels, read_recordings
from tslm.estimators.lipcot.tokenizer import LiPCoTTokenizer
from tslm.models.assembly import body_of

Features = Literal["llm", "bert", "codes", "pairs", "energy"]
Layout = Literal["time", "channel", "channel_time"]
Pooling = Literal["mean", "last"]
LIPCOT_PAPER: dict[str, Any] = {
    "features": "bert",
    "layout": "channel",
    "order": 16,
    "n_codes": 64,
    "method": "burg",
    "latent": "lpc_paper",
    "warp": 0.2,
    "center": False,
    "pretrain_epochs": 256,
    "epochs": 64,
    "learning_rate": 5e-5,
    "batch_size": 4,
}  # ``TSLMClassifier(**LIPCOT_PAPER)``: section 2 of the paper, in hours on a CPU
_SHORTEST = 4  # steps of the shortest frame
_DEEP = 6  # blocks of the BERT in the paper


class TSLMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Scikit-learn classifier of recordings with one or more channels.

    Each channel is cut into frames, each frame becomes a code (``LiPCoTTokenizer``), and a logistic
    regression classifies the ``features`` of the codes. The codebook is learnt from the recordings
    of ``fit`` only, so cross-validation is free of leakage; use ``GroupKFold`` to keep recordings
    of one source in one fold. NaN is a missing value. Recordings of fewer than four steps are
    padded in front with their first value.

    Arguments are only stored; ``fit`` checks them.

    Args:
        features: features of the codes that are classified. ``llm``: pooled hidden states of a
            frozen language model that reads the codes. ``bert``: a small BERT of the paper's size,
            pretrained on masked codes of the recordings of ``fit``, then trained on their labels;
            it reads shapes only. Controls: ``codes`` (frequency of each code in each channel),
            ``pairs`` (frequency of each pair of adjacent codes), ``energy`` (log power of each
        backbone: language model of ``llm``, or a control such as ``random:smollm2-135m``.
        n_layers: number of first blocks of the backbone to use. None takes the recommendation of
            the backbone. For ``bert`` it is the number of blocks; None is 6.
        layout: frames that form a sentence. ``time``: the frames of one channel, in order.
            ``channel``: the channels of a recording, one frame each. ``channel_time``: all frames
            of all channels, ordered by time, then by channel.
        pooling: ``mean`` of the hidden states of a sentence, or the ``last`` one. ``bert`` uses the
            hidden state of its first token instead.
        frame_length: steps of a frame. None is a 16th of the shortest recording, and at least ``4 *
            order``. Unused if ``layout`` is ``channel``.
        order: coefficients of the linear prediction.
        n_codes: filters of the codebook; fewer if there are fewer frames.
        method: see ``LiPCoTTokenizer``.
        latent: see ``LiPCoTTokenizer``.
        warp: see ``LiPCoTTokenizer``.
        center: see ``LiPCoTTokenizer``.
        pretrain_epochs: passes of ``bert`` over masked codes; 0 is a control without pretraining.
        epochs: passes of ``bert`` over the labels.
        learning_rate: highest learning rate of ``bert``, in pretraining and in training.
        batch_size: recordings per batch of ``bert``.
        width: size of the hidden states of ``bert``.
        C: inverse strength of the penalty of the logistic regression.
        random_state: seed of the codebook, and of the embedding or ``bert``.

    Attributes:
        classes_: the labels, sorted.
        n_channels_: channels of a recording.
        n_features_in_: steps of a recording of ``fit``.
        tokenizer_: tokenizer that turns frames into codes.
        regression_: logistic regression of the features; absent if ``features`` is ``bert``.
        bert_: the trained BERT; only if ``features`` is ``bert``.

    Examples:
        >>> import numpy as np
        >>> from tslm import TSLMClassifier
        >>> noise = np.random.default_rng(0).normal(size=(30, 1, 400))
        >>> noise[15:] = np.cumsum(noise[15:], axis=2)
        >>> kind = np.repeat(["noise", "walk"], 15)
        >>> model = TSLMClassifier(backbone="tiny", order=4, n_codes=8, random_state=0)
        >>> model.fit(noise[::2], kind[::2]).score(noise[1::2], kind[1::2])
        1.0
    """

    classes_: ndarray
    n_channels_: int
    n_features_in_: int
    tokenizer_: LiPCoTTokenizer
    regression_: Pipeline
    bert_: CodeBert

    def __init__(
        self,
        features: str = "llm",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        layout: str = "time",
        pooling: str = "mean",
        frame_length: int | None = None,
        order: int = 16,
        n_codes: int = 64,
        method: str = "burg",
        latent: str = "logspec",
        warp: float = 0.0,
        center: bool = True,
        pretrain_epochs: int = 20,
        epochs: int = 20,
        learning_rate: float = 2e-4,
        batch_size: int = 16,
        width: int = 256,
        C: float = 1.0,  # noqa: N803
        random_state: int = 0,
    ) -> None:
        self.features = features
        self.backbone = backbone
        self.n_layers = n_layers
        self.layout = layout
        self.pooling = pooling
        self.frame_length = frame_length
        self.order = order
        self.n_codes = n_codes
        self.method = method
        self.latent = latent
        self.warp = warp
        self.center = center
        self.pretrain_epochs = pretrain_epochs
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.width = width
        self.C = C
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "TSLMClassifier":  # noqa: N803
        """Learn the codebook, and train the classifier.

        Args:
            X: recordings: an array ``[recordings, channels, steps]`` or ``[recordings, steps]``, or
                a long frame with ``unique_id``, ``ds`` and one column a channel.
            y: one label per recording. For a long frame: in the order in which its ids appear, or
                a Series indexed by them.

        Raises:
            DataError: if the recordings are not numbers, are too short, or do not match the labels.
            ConfigError: if a setting is impossible.
        """
        self._check_settings()
        recordings, ids = self._recordings(X, fitting=True)
        if recordings.shape[2] == 1:
            raise DataError("Recordings need at least 2 time steps (n_features = 1 is too few).")
        labels = read_labels(y, ids, len(recordings))
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise DataError(
                f"All recordings are of one class, {self.classes_.tolist()[0]!r}. Give recordings "
                "of at least two classes."
            )
        self.n_channels_ = recordings.shape[1]
        self.frame_length_ = self._length(recordings.shape[2])
        frames = self._cut(recordings)
        rows = frames.reshape(-1, frames.shape[-1])
        self.tokenizer_ = LiPCoTTokenizer(
            order=self.order,
            n_codes=min(self.n_codes, max(len(rows) // 2, 1)),
            method=self.method,
            latent=self.latent,
            warp=self.warp,
            center=self.center,
            random_state=self.random_state,
        ).fit(rows)
        if self.features == "bert":
            self.bert_ = self._taught(self._ids(frames), np.searchsorted(self.classes_, labels))
            return self
        numbers = self._features(frames)
        self.regression_ = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.C, max_iter=5000)
        ).fit(numbers, labels)
        return self

    def predict_proba(self, X: Any) -> Float[ndarray, "n k"]:  # noqa: N803
        """Return the probability of each of ``classes_``, one row per recording."""
        frames = self._read(X)
        if self.features == "bert":
            ids = self._ids(frames)
            if ids.shape[2] > self.bert_.longest:
                raise DataError(
                    f"Sentences of {ids.shape[2]} tokens are longer than the maximum of bert, "
                    f"{self.bert_.longest}. Give recordings as long as those of fit."
                )
            return self.bert_.probabilities(ids)
        return np.asarray(self.regression_.predict_proba(self._features(frames)))

    def predict(self, X: Any) -> ndarray:  # noqa: N803
        """Return the most probable label of each recording."""
        likeliest = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[likeliest])

    def _read(self, X: Any) -> Float[ndarray, "n C N T"]:  # noqa: N803
        check_fitted(self, "Call fit(X, y).")
        recordings, _ = self._recordings(X)
        if recordings.shape[1] != self.n_channels_:
            raise DataError(
                f"These recordings have {recordings.shape[1]} channels, but those of fit had "
                f"{self.n_channels_}. Give recordings with the same channels."
            )
        return self._cut(recordings)

    def _recordings(
        self,
        X: Any,  # noqa: N803
        fitting: bool = False,
    ) -> tuple[Float[ndarray, "n C L"], ndarray | None]:
        """Return recordings as one array, and their ids if they are a long frame."""
        if is_table(X):  # one channel, as scikit-learn gives it
            try:
                rows = validate_data(
                    self, X, reset=fitting, dtype=float, ensure_all_finite="allow-nan"
                )
            except ValueError as error:
                raise DataError(str(error)) from error
            return rows[:, None], None
        recordings, ids = read_recordings(X)
        if fitting:
            self.n_features_in_ = recordings.shape[2]
        return recordings, ids

    def _check_settings(self) -> None:
        for name, known in (("features", Features), ("layout", Layout), ("pooling", Pooling)):
            check_choice(name, getattr(self, name), get_args(known))

    def _length(self, steps: int) -> int:
        if self.layout == "channel":
            return steps
        if self.frame_length is not None:
            return self.frame_length
        return min(max(steps // 16, 4 * self.order), max(steps, _SHORTEST))

    def _cut(self, recordings: Float[ndarray, "n C L"]) -> Float[ndarray, "n C N T"]:
        """Cut recordings into adjacent frames; the last frame ends with the recording."""
        lead = max(_SHORTEST - recordings.shape[2], 0)
        recordings = np.pad(recordings, ((0, 0), (0, 0), (lead, 0)), "edge")
        steps = recordings.shape[2]
        size = steps if self.layout == "channel" else self.frame_length_
        if steps < size:
            raise DataError(
                f"Recordings of {steps} steps are shorter than a frame of {size} steps. Give "
                "longer ones."
            )
        used = recordings[:, :, steps % size :]
        return used.reshape(*used.shape[:2], -1, size)

    def _features(self, frames: Float[ndarray, "n C N T"]) -> Float[ndarray, "n F"]:
        if self.features == "energy":
            return energy_features(frames)
        codes = self.tokenizer_.transform(frames.reshape(-1, frames.shape[-1]))
        codes = codes.reshape(*frames.shape[:3], 3)
        if self.features == "codes":
            return code_frequencies(codes[..., 0], self.tokenizer_.vocabulary_size)
        if self.features == "pairs":
            return pair_frequencies(codes[..., 0], self.tokenizer_.vocabulary_size)
        return hidden_features(
            codes,
            self.tokenizer_.codebook_,
            body_of(configure({}, {"backbone": self.backbone, "n_layers": self.n_layers})).eval(),
            self.layout,
            self.pooling,
            self.random_state,
        )

    def _ids(self, frames: Float[ndarray, "n C N T"]) -> Int[Tensor, "n M N2"]:
        """Return the sentences of each recording, as ``bert`` reads them."""
        shapes = self.tokenizer_.transform(frames.reshape(-1, frames.shape[-1]))[:, 0]
        shapes = shapes.reshape(frames.shape[:3])
        if self.layout != "time":
            shapes = shapes.swapaxes(1, 2).reshape(len(shapes), 1, -1)
        return ids_of(shapes)

    def _taught(self, ids: Int[Tensor, "n M N2"], labels: Int[ndarray, " n"]) -> CodeBert:
        length = ids.shape[2]
        with seeded(self.random_state):
            depth = _DEEP if self.n_layers is None else int(self.n_layers)
            bert = CodeBert(self.n_codes, length, len(self.classes_), self.width, depth)
            plan = (self.batch_size, self.learning_rate)
            bert.teach(ids.flatten(0, 1), Study(self.pretrain_epochs, *plan))
            bert.fit(ids, torch.from_numpy(labels), Study(self.epochs, *plan))
        return bert.eval()

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self, "regression_", "bert_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = True  # rows of a table of features are no recordings
        return tags
