"""LiPCoT tokenizer with the interface of scikit-learn: frames to codes, and back.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

Departures (``latent="lpc_paper", order=16, warp=0.2, center=False`` has the published arithmetic):
the level and the gain of a frame have codes of their own; filters are averaged in a space in which
an average of stable filters is stable; ``method="selective"`` does not depend on the sampling rate;
codes are integers, not English words; synthesis inverts a warped filter exactly, with its zeros.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from numpy import ndarray
from sklearn.base import BaseEstimator, TransformerMixin

from tslm.core.errors import DataError, warn
from tslm.core.fitted import check_fitted, is_fitted
from tslm.estimators.lipcot.frame_input import check_frames, check_rates, cut_series
from tslm.estimators.lipcot.measuring import measure
from tslm.estimators.lipcot.synthesis import spectral_density, synthesise
from tslm.estimators.saving.checks import count, fill, no_larger
from tslm.estimators.saving.folder import Saved, damage, read_saved, write_saved
from tslm.estimators.saving.values import restored_parameters
from tslm.models.layers.lpc.codebook import SPECIAL, Codebook
from tslm.models.layers.lpc.framing import Estimator
from tslm.plots.codes import plot_codes, plot_spectra, plot_transitions

PARTS = ("shape", "gain", "level")


class LiPCoTTokenizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Tokenizer of frames: three integers for the spectrum, the power and the level of each frame.

    The code of a frame is a row ``(shape, gain, level)``. ``shape`` is 2 for a constant frame, 3
    for a frame with more than half of its values missing, and 4 or more for a filter of the
    codebook; 0 and 1 are reserved for padding and masks. Codes do not contain the phase.

    Arguments are only stored; ``fit`` checks them.

    Args:
        order: coefficients of the linear prediction, p; frames should have at least 4 p steps.
        n_codes: filters of the codebook.
        method: estimator of the coefficients: ``burg``, ``autocorrelation``, or ``selective``,
            which uses frequencies up to ``band``, and so suits frames of several sampling rates.
        latent: distance between spectra: ``itakura`` (loss of one filter predicting the other's
            frames), ``logspec`` (RMS difference of log-spectra), ``lar`` (log-area ratios), ``lsf``
            (line spectral frequencies), or as published ``lpc_paper``, ``cepstrum_paper``.
        gain_codes: bins of the gain, the power of the prediction error.
        level_codes: bins of the level, the mean of a frame.
        warp: frequency warping, in (-1, 1); above 0 low frequencies have a finer resolution.
        band: for ``selective``: the highest frequency, in cycles per unit of time. None is half of
            the lowest sampling rate in ``fit``.
        power_weight: weight of the log power in the distance between shapes. It has no effect for
            ``itakura``, ``lpc_paper`` and ``cepstrum_paper``.
        center: True subtracts the mean of a frame before its filter is estimated.
        random_state: seed of the codebook.

    Attributes:
        codebook_: filters, gains and levels.
        estimator_: estimator of filters, with the order and the band chosen in ``fit``.
        frame_length_: steps of the longest frame in ``fit``.

    Examples:
        >>> import numpy as np
        >>> from tslm import LiPCoTTokenizer
        >>> frames = np.random.default_rng(0).normal(size=(50, 96)).cumsum(axis=1)
        >>> tokenizer = LiPCoTTokenizer(order=4, n_codes=8).fit(frames)
        >>> codes = tokenizer.transform(frames)
        >>> codes.shape
        (50, 3)
        >>> tokenizer.inverse_transform(codes).shape
        (50, 96)
    """

    codebook_: Codebook
    estimator_: Estimator
    frame_length_: int

    def __init__(
        self,
        order: int = 16,
        n_codes: int = 64,
        method: str = "burg",
        latent: str = "itakura",
        gain_codes: int = 8,
        level_codes: int = 16,
        warp: float = 0.0,
        band: float | None = None,
        power_weight: float = 0.0,
        center: bool = True,
        random_state: int = 0,
    ) -> None:
        self.order = order
        self.n_codes = n_codes
        self.method = method
        self.latent = latent
        self.gain_codes = gain_codes
        self.level_codes = level_codes
        self.warp = warp
        self.band = band
        self.power_weight = power_weight
        self.center = center
        self.random_state = random_state

    def fit(self, X: Any, y: None = None, *, sampling_rate: Any = 1.0) -> "LiPCoTTokenizer":  # noqa: N803
        """Learn the codebook.

        Args:
            X: frames: an array ``[frames, steps]``, or a list of arrays of any lengths; NaN where
                missing. ``cut`` makes frames of a series.
            y: ignored; scikit-learn passes it.
            sampling_rate: steps per unit of time, one for all frames or one for each; used by
                ``selective`` only.

        Raises:
            DataError: if the frames are not numbers, are too short, or are fewer than the codes.
            ConfigError: if a setting is impossible.
        """
        frames = check_frames(X)
        rates = check_rates(sampling_rate, len(frames))
        shortest = min(map(len, frames))
        order = min(self.order, shortest // 4)
        if order < self.order:
            warn(
                f"order={self.order} needs frames of {4 * self.order} steps, but the shortest has "
                f"{shortest}. Order {order} is used."
            )
        band = self.band
        if band is None and self.method == "selective":
            band = float(rates.min()) / 2
        self.estimator_ = Estimator(order, self.method, self.warp, band, self.center)
        self.codebook_ = self._codebook(order)
        measured = measure(self.estimator_, frames, rates)
        moving = int(measured.coded.sum())
        if moving < self.n_codes:
            raise DataError(
                f"n_codes={self.n_codes} codes cannot be learnt from {moving} frames that vary "
                f"(of {len(frames)}). Give more frames, or set n_codes to {moving} or less."
            )
        self.codebook_.fit(measured, self.random_state)
        self.frame_length_ = max(map(len, frames))
        return self

    def transform(self, X: Any, *, sampling_rate: Any = 1.0) -> Int[ndarray, "n 3"]:  # noqa: N803
        """Return the codes of frames: rows ``(shape, gain, level)``.

        Args:
            X: frames, as in ``fit``; of any lengths from 4 steps on.
            sampling_rate: as in ``fit``.

        Raises:
            DataError: if the frames are not numbers, or are too short.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        frames = check_frames(X)
        rates = check_rates(sampling_rate, len(frames))
        codes = self.codebook_(measure(self.estimator_, frames, rates))
        return torch.stack(list(codes), 1).numpy()

    def inverse_transform(
        self, codes: Any, *, n_steps: int | None = None, random_state: int = 0
    ) -> Float[ndarray, "n T"]:
        """Draw a frame for each code: noise with its spectrum and power, at its level.

        Phases are not coded, so they are random. Constant frames equal their level; missing frames,
        padding and masks are NaN. The sampling rate of ``selective`` codes is twice the band.

        Args:
            codes: rows ``(shape, gain, level)``.
            n_steps: steps of a frame; None takes those of the longest frame of ``fit``.
            random_state: seed of the noise.

        Raises:
            DataError: if a code is not in the codebook.
        """
        shape, gain, level = self._valid(codes)
        steps = self.frame_length_ if n_steps is None else n_steps
        return synthesise(self.codebook_, shape, gain, level, steps, self.warp, random_state)

    def psd(self, codes: Any, frequencies: Any) -> Float[ndarray, "n F"]:
        """Return the one-sided power spectral density of codes; NaN for reserved codes.

        Args:
            codes: rows ``(shape, gain, level)``.
            frequencies: cycles per step, up to 1/2; of ``selective`` codes cycles per unit of time,
                up to the band.

        Returns:
            Squared units per cycle per step (or per unit of time): its integral over all
            frequencies is the variance.
        """
        shape, gain, _ = self._valid(codes)
        rate = 1.0 if self.estimator_.band is None else 2 * self.estimator_.band
        found = np.asarray(frequencies, dtype=float)
        return spectral_density(self.codebook_, shape, gain, found, rate, self.warp)

    def plot_spectra(self) -> Figure:
        """Draw the spectrum of each code, one row per code."""
        self._check_fitted()
        top = 0.5 if self.estimator_.band is None else self.estimator_.band
        frequencies = np.linspace(0, top, 200)
        shapes = np.arange(SPECIAL, self.vocabulary_size)
        codes = np.stack([shapes, np.zeros_like(shapes), np.zeros_like(shapes)], 1)
        return plot_spectra(frequencies, self.psd(codes, frequencies), shapes)

    def plot_series(self, series: Any, frame_length: int | None = None) -> Figure:
        """Draw a series with its codes below it.

        Args:
            series: numbers, oldest first.
            frame_length: steps of a frame; None takes those of the longest frame of ``fit``.
        """
        self._check_fitted()
        length = self.frame_length_ if frame_length is None else frame_length
        frames = self.cut(series, length)
        values = np.asarray(series, dtype=float)
        starts = len(values) - length * np.arange(len(frames), 0, -1)
        return plot_codes(values, starts, self.transform(frames), length)

    def plot_transitions(self, series: Any, frame_length: int | None = None) -> Figure:
        """Draw how often each shape follows each other shape in a series.

        Args:
            series: numbers, oldest first.
            frame_length: steps of a frame; None takes those of the longest frame of ``fit``.
        """
        self._check_fitted()
        length = self.frame_length_ if frame_length is None else frame_length
        return plot_transitions(self.transform(self.cut(series, length))[:, 0])

    @property
    def vocabulary_size(self) -> int:
        """Return the number of shapes, with the reserved ones."""
        return int(self.n_codes) + SPECIAL

    def get_feature_names_out(self, input_features: Any = None) -> ndarray:
        """Return the names of the columns of ``transform``, for scikit-learn's ``set_output``."""
        return np.array(PARTS, dtype=object)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the tokenizer to a folder of JSON and safetensors, in one step.

        Args:
            path: the folder.
            overwrite: True to replace a saved tokenizer.

        Raises:
            ConfigError: if the folder exists and ``overwrite`` is False.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        facts = {
            "kind": type(self).__name__,
            "params": self.get_params(),
            "order": self.estimator_.order,
            "band": self.estimator_.band,
            "frame_length": self.frame_length_,
        }
        write_saved(Saved(facts, self.codebook_.state_dict(), {}), path, overwrite)

    @classmethod
    def load(cls, path: str | Path) -> "LiPCoTTokenizer":
        """Read a saved tokenizer.

        Raises:
            DataError: if it is damaged, changed, has a newer format, or is not a tokenizer.
        """
        saved = read_saved(path)
        facts = saved.facts
        if facts["kind"] != cls.__name__:
            raise DataError(f"{path} holds a {facts['kind']}. Load it with {facts['kind']}.load.")
        with damage(f"{path}: its settings"):
            model = cls(**restored_parameters(facts, cls().get_params()))
            order, model.frame_length_ = (count(facts[n]) for n in ("order", "frame_length"))
            if len(saved.weights["filters"]) != model.n_codes or order > 10_000:
                raise DataError(f"The saved filters are not {model.n_codes} of order {order}.")
            model.estimator_ = Estimator(
                order, model.method, model.warp, facts["band"], model.center
            )
            with no_larger(saved.weights):
                model.codebook_ = model._codebook(order)
            fill(model.codebook_, saved.weights)
        return model

    @staticmethod
    def cut(series: Any, frame_length: int, hop: int | None = None) -> Float[ndarray, "n T"]:
        """Cut a series into frames; the last frame ends with the series.

        Args:
            series: numbers, oldest first.
            frame_length: steps of a frame.
            hop: steps between the starts of frames; None takes ``frame_length``.

        Raises:
            ConfigError: if a size is below 1.
            DataError: if the series is shorter than a frame.
        """
        return cut_series(series, frame_length, hop)

    def _codebook(self, order: int) -> Codebook:
        return Codebook(
            order,
            self.n_codes,
            self.latent,
            self.gain_codes,
            self.level_codes,
            self.power_weight,
        )

    def _valid(self, codes: Any) -> tuple[ndarray, ndarray, ndarray]:
        """Check codes and return their three columns."""
        self._check_fitted()
        array = np.asarray(codes)
        if array.ndim != 2 or array.shape[1] != len(PARTS) or array.dtype.kind not in "iu":
            raise DataError(
                f"Codes of shape {array.shape} and type {array.dtype} must be whole numbers in "
                f"three columns: {', '.join(PARTS)}."
            )
        tops = (self.vocabulary_size, self.gain_codes, self.level_codes)
        for name, column, top in zip(PARTS, array.T, tops, strict=True):
            if len(column) and not 0 <= column.min() <= column.max() < top:
                raise DataError(
                    f"The column {name} has codes from {column.min()} to {column.max()}, but the "
                    f"codebook has codes from 0 to {top - 1}."
                )
        shape, gain, level = array.T
        return shape, gain, level

    def _check_fitted(self) -> None:
        check_fitted(self, "Call fit(X), or load one.")

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self, "codebook_")
