"""Recordings told apart by their codes: a frozen language model reads them, a linear map decides.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

Departures: the body is a pretrained one and stays as it is, where the paper trains a small BERT
(``features="bert"`` does as well, and ``LIPCOT_PAPER`` has all of its settings); codes are embedded
by their spectra; the decision is a logistic regression. The features ``codes``, ``pairs`` and
``energy`` need no language model, and stand beside every claim that one helps.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.validation import validate_data
from torch import Tensor

from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError, DataError, NotFittedError
from tslm.core.seeds import seeded
from tslm.core.types import Tokens
from tslm.estimators.lipcot.code_bert import CodeBert, Study, ids_of
from tslm.estimators.lipcot.tokenizer import LiPCoTTokenizer
from tslm.models.assembly import body_of
from tslm.models.backbones.base import Backbone
from tslm.models.layers.lpc.codebook import SPECIAL
from tslm.models.layers.lpc.spaces import cepstrum

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
_AT_ONCE = 4096  # tokens in a pass
_SHORTEST = 4  # steps of a frame
_DEEP = 6  # blocks of the paper's BERT


class TSLMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Classifies recordings of one or more channels, scikit-learn style.

    Each channel is cut into frames, each frame becomes a code (``LiPCoTTokenizer``), and of the
    codes ``features`` are made, on which a logistic regression decides. Codes are learnt from the
    recordings of ``fit`` alone, so that cross-validation leaks nothing; keep recordings of one
    source in one fold yourself (``GroupKFold``). NaN is a missing value; recordings of fewer than
    four steps are led by their first value.

    Arguments are only stored; ``fit`` checks them.

    Args:
        features: ``llm`` (the pooled hidden states of a frozen language model that reads the
            codes), ``bert`` (a small BERT of the paper's size, which learns to guess hidden codes
            of the recordings of ``fit`` and then their labels; it reads shapes alone), or a
            control: ``codes`` (how often each is used in each channel), ``pairs``
            (how often one follows another), ``energy`` (log power of each channel, its mean and
            its deviation over frames).
        backbone: the language model of ``llm``, or a control such as ``random:smollm2-135m``.
        n_layers: its first blocks; None is what its yaml recommends. Of ``bert`` all, 6 by default.
        layout: what a sentence is: ``time`` (the frames of one channel, in order), ``channel``
            (the channels of a recording, each of them one frame), ``channel_time`` (all frames of
            all channels, those of one time together).
        pooling: ``mean`` of the hidden states of a sentence, or the ``last``; ``bert`` has a first
            token for it.
        frame_length: steps of a frame; None is a 16th of the shortest recording, and at least
            ``4 * order``. Of no account where ``layout`` is ``channel``.
        order: coefficients of the linear prediction.
        n_codes: filters of the codebook; fewer where there are fewer frames.
        method: see ``LiPCoTTokenizer``.
        latent: see ``LiPCoTTokenizer``.
        warp: see ``LiPCoTTokenizer``.
        center: see ``LiPCoTTokenizer``.
        pretrain_epochs: passes in which ``bert`` guesses hidden codes; 0 is the control without.
        epochs: passes in which it learns labels.
        learning_rate: the highest rate of both.
        batch_size: recordings of a batch.
        width: of a token of ``bert``.
        C: inverse strength of the penalty of the regression.
        random_state: seed of the codebook and of the embedding.

    Attributes:
        classes_: the labels, sorted.
        n_channels_: channels of a recording.
        n_features_in_: steps of a recording of ``fit``.
        tokenizer_: makes the codes.
        regression_: decides; not of ``bert``.
        bert_: reads and decides, of ``bert`` alone.

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
        """Learn the codebook and the decision.

        Args:
            X: recordings: an array ``[recordings, channels, steps]`` or ``[recordings, steps]``, or
                a long frame with ``unique_id``, ``ds`` and one column a channel.
            y: a label for each recording; of a long frame, in the order in which its ids appear,
                or a Series indexed by them.

        Raises:
            DataError: if the recordings are no numbers, too short, or not as many as labels.
            ConfigError: if a setting is impossible.
        """
        self._check_settings()
        recordings, ids = self._recordings(X, fitting=True)
        if recordings.shape[2] == 1:
            raise DataError(
                "Recordings of one step (n_features = 1) do not move. Give longer ones."
            )
        labels = _labels(y, ids, len(recordings))
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise DataError(
                f"There is one class, {self.classes_[0]!r}, and nothing to tell apart. Give "
                "recordings of at least two classes."
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
        """The probability of each of ``classes_``, one row a recording."""
        frames = self._read(X)
        if self.features == "bert":
            return self.bert_.shares(self._ids(frames))
        return np.asarray(self.regression_.predict_proba(self._features(frames)))

    def predict(self, X: Any) -> ndarray:  # noqa: N803
        """The label of each recording."""
        likeliest = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[likeliest])

    def _read(self, X: Any) -> Float[ndarray, "n C N T"]:  # noqa: N803
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This TSLMClassifier is not fitted yet. Call fit(X, y).")
        recordings, _ = self._recordings(X)
        if recordings.shape[1] != self.n_channels_:
            raise DataError(
                f"These recordings have {recordings.shape[1]} channels, and those of fit had "
                f"{self.n_channels_}."
            )
        return self._cut(recordings)

    def _recordings(
        self,
        X: Any,  # noqa: N803
        fitting: bool = False,
    ) -> tuple[Float[ndarray, "n C L"], ndarray | None]:
        """Recordings as one array, and their ids where they have some."""
        if _is_table(X):  # one channel, as scikit-learn gives it
            try:
                rows = validate_data(
                    self, X, reset=fitting, dtype=float, ensure_all_finite="allow-nan"
                )
            except ValueError as error:
                raise DataError(str(error)) from error
            return rows[:, None], None
        recordings, ids = _recordings(X)
        if fitting:
            self.n_features_in_ = recordings.shape[2]
        return recordings, ids

    def _check_settings(self) -> None:
        for name, known in (("features", Features), ("layout", Layout), ("pooling", Pooling)):
            value = getattr(self, name)
            if value not in get_args(known):
                raise ConfigError(
                    f"{name}={value!r} is unknown. Choose one of {', '.join(get_args(known))}."
                )

    def _length(self, steps: int) -> int:
        if self.layout == "channel":
            return steps
        if self.frame_length is not None:
            return self.frame_length
        return min(max(steps // 16, 4 * self.order), max(steps, _SHORTEST))

    def _cut(self, recordings: Float[ndarray, "n C L"]) -> Float[ndarray, "n C N T"]:
        """Frames end to end, the last of which ends with the recording."""
        lead = max(_SHORTEST - recordings.shape[2], 0)
        recordings = np.pad(recordings, ((0, 0), (0, 0), (lead, 0)), "edge")
        steps = recordings.shape[2]
        size = steps if self.layout == "channel" else self.frame_length_
        if steps < size:
            raise DataError(f"Recordings of {steps} steps have no frame of {size} steps.")
        used = recordings[:, :, steps % size :]
        return used.reshape(*used.shape[:2], -1, size)

    def _features(self, frames: Float[ndarray, "n C N T"]) -> Float[ndarray, "n F"]:
        if self.features == "energy":
            power = np.log(_variance(frames) + 1e-12)
            return np.concatenate([power.mean(2), power.std(2)], 1)
        codes = self.tokenizer_.transform(frames.reshape(-1, frames.shape[-1]))
        codes = codes.reshape(*frames.shape[:3], 3)
        if self.features == "codes":
            return self._counts(codes[..., 0]).reshape(len(codes), -1)
        if self.features == "pairs":
            return self._pairs(codes[..., 0])
        return self._heard(codes)

    def _ids(self, frames: Float[ndarray, "n C N T"]) -> Int[Tensor, "n M N2"]:
        """The sentences of each recording, as ``bert`` reads them."""
        shapes = self.tokenizer_.transform(frames.reshape(-1, frames.shape[-1]))[:, 0]
        shapes = shapes.reshape(frames.shape[:3])
        if self.layout != "time":
            shapes = shapes.swapaxes(1, 2).reshape(len(shapes), 1, -1)
        ids = ids_of(shapes)
        if hasattr(self, "bert_") and ids.shape[2] > self.bert_.longest:
            raise DataError(
                f"Sentences of {ids.shape[2]} tokens are longer than the {self.bert_.longest} that "
                "bert knows. Give recordings as long as those of fit."
            )
        return ids

    def _taught(self, ids: Int[Tensor, "n M N2"], labels: Int[ndarray, " n"]) -> CodeBert:
        length = ids.shape[2]
        with seeded(self.random_state):
            depth = _DEEP if self.n_layers is None else int(self.n_layers)
            bert = CodeBert(self.n_codes, length, len(self.classes_), self.width, depth)
            plan = (self.batch_size, self.learning_rate)
            bert.teach(ids.flatten(0, 1), Study(self.pretrain_epochs, *plan))
            bert.fit(ids, torch.from_numpy(labels), Study(self.epochs, *plan))
        return bert.eval()

    def _counts(self, shapes: Int[ndarray, "n C N"]) -> Float[ndarray, "n C V"]:
        """Square roots of the shares of each code, which have about equal variance."""
        one_of = np.eye(self.tokenizer_.vocabulary_size)
        return np.sqrt(one_of[shapes].mean(2))

    def _pairs(self, shapes: Int[ndarray, "n C N"]) -> Float[ndarray, "n F"]:
        """Square roots of the shares of each code and its successor, over all channels."""
        size = self.tokenizer_.vocabulary_size
        pairs = (shapes[:, :, :-1] * size + shapes[:, :, 1:]).reshape(len(shapes), -1)
        counts = np.stack([np.bincount(row, minlength=size**2) for row in pairs])
        return np.sqrt(counts / max(pairs.shape[1], 1))

    @torch.no_grad()
    def _heard(self, codes: Int[ndarray, "n C N 3"]) -> Float[ndarray, "n F"]:
        """Pooled hidden states of the sentences of each recording, side by side."""
        body = body_of(configure({}, {"backbone": self.backbone, "n_layers": self.n_layers})).eval()
        table = self._embedded(body)
        parts = []
        for chunk in self._sentences(codes):
            shape, gain, level = torch.from_numpy(chunk).unbind(-1)
            embeds = table[0][shape] + table[1][gain] + table[2][level]
            embeds = float(body.lexicon.words.square().mean().sqrt()) * _unit(embeds)
            hidden = body(Tokens(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool)))
            pooled = hidden[:, -1] if self.pooling == "last" else hidden.mean(1)
            parts.append(pooled.numpy())
        return np.concatenate(parts).reshape(len(codes), -1)

    def _sentences(self, codes: Int[ndarray, "n C N 3"]) -> Iterator[Int[ndarray, "S M 3"]]:
        if self.layout == "channel_time":
            sentences = codes.swapaxes(1, 2).reshape(len(codes), -1, 3)
        elif self.layout == "channel":
            sentences = codes[:, :, 0]
        else:
            sentences = codes.reshape(-1, *codes.shape[2:])
        per_pass = max(_AT_ONCE // sentences.shape[1], 1)
        yield from np.split(sentences, range(per_pass, len(sentences), per_pass))

    def _embedded(self, body: Backbone) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of shapes, gains and levels: fixed random maps of what they mean.

        A map keeps the distances of spectra, so that codes that sound alike look alike.
        """
        book = self.tokenizer_.codebook_
        dice = torch.Generator().manual_seed(self.random_state)
        spectra = 2**0.5 * cepstrum(book.filters, 2 * book.filters.shape[1])
        shapes = torch.block_diag(torch.eye(SPECIAL).to(spectra), spectra)
        numbers = [values[:, None] for values in (book.gains.values, book.levels.values)]
        return tuple(  # type: ignore[return-value]  # as many as there are parts
            (_standard(rows) @ torch.randn(rows.shape[1], body.width, generator=dice).double())
            .div(rows.shape[1] ** 0.5)
            .float()
            for rows in (shapes, *numbers)
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "regression_") or hasattr(self, "bert_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = True  # rows of a table of features are no recordings
        return tags


def _is_table(X: Any) -> bool:  # noqa: N803
    """Whether these are rows of numbers, one a recording, and no long frame."""
    if isinstance(X, pd.DataFrame):
        return not {"unique_id", "ds"} & set(X.columns)
    try:
        return issparse(X) or np.asarray(X).ndim == 2
    except ValueError:  # rows of several lengths, which are refused elsewhere
        return False


def _variance(frames: Float[ndarray, "n C N T"]) -> Float[ndarray, "n C N"]:
    """Of the values that are there; 0 where none is."""
    count = np.maximum((~np.isnan(frames)).sum(-1), 1)
    mean = np.nansum(frames, -1) / count
    return np.asarray(np.nansum((frames - mean[..., None]) ** 2, -1) / count)


def _standard(rows: Tensor) -> Tensor:
    """Columns with mean 0; all with one scale, so that distances stay as they are."""
    rows = rows.double() - rows.double().mean(0)
    return rows / rows.square().mean().sqrt().clamp(min=1e-12)


def _unit(vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
    return vectors / vectors.square().mean(2, keepdim=True).add(1e-12).sqrt()


def _recordings(X: Any) -> tuple[Float[ndarray, "n C L"], ndarray | None]:  # noqa: N803
    """Recordings as one array, and their ids where they have some.

    Raises:
        DataError: if they are not of one length, or no numbers.
    """
    if isinstance(X, pd.DataFrame):
        return _from_frame(X)
    try:
        array = np.asarray(X, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"Recordings must be numbers, all of one length: {error}.") from error
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or 0 in array.shape:
        raise DataError(
            f"Recordings of shape {array.shape} must be [recordings, channels, steps] or "
            "[recordings, steps]. Reshape your data."
        )
    if np.isinf(array).any():
        rows = np.flatnonzero(np.isinf(array).any((1, 2)))
        raise DataError(f"Recordings {rows[:5].tolist()} are infinite somewhere.")
    return array, None


def _from_frame(table: pd.DataFrame) -> tuple[Float[ndarray, "n C L"], ndarray]:
    if missing := {"unique_id", "ds"} - set(table.columns):
        raise DataError(f"The frame lacks the columns {', '.join(sorted(missing))}.")
    channels = [name for name in table.columns if name not in ("unique_id", "ds")]
    if not channels:
        raise DataError("The frame has no channel: give a column besides unique_id and ds.")
    lengths = table.groupby("unique_id", sort=False).size()
    if lengths.nunique() > 1:
        odd = lengths[lengths != lengths.mode()[0]]
        raise DataError(
            f"Recordings must have one length, and {list(odd.index[:5])} have "
            f"{odd.iloc[:5].tolist()} rows in place of {lengths.mode()[0]}."
        )
    ids = lengths.index.to_numpy()
    place = pd.Series(np.arange(len(ids)), ids)
    ordered = table.assign(_place=table.unique_id.map(place)).sort_values(["_place", "ds"])
    values = ordered[channels].to_numpy(dtype=float)
    array = values.reshape(len(ids), -1, len(channels)).swapaxes(1, 2)
    return _recordings(array)[0], ids


def _labels(y: Any, ids: ndarray | None, count: int) -> npt.NDArray[Any]:
    """One label a recording.

    Raises:
        DataError: if there are more or fewer.
    """
    if y is None:
        raise DataError("TSLMClassifier requires y to be passed, but the target y is None.")
    if isinstance(y, pd.Series) and ids is not None and not set(ids) - set(y.index):
        y = y.loc[ids]
    labels = np.asarray(y)
    if labels.shape not in ((count,), (count, 1)):
        raise DataError(f"{labels.shape} labels do not fit {count} recordings: one each.")
    return np.asarray(column_or_1d(labels, warn=True))
