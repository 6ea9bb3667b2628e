"""Windows in, what follows them out: the same model for users of scikit-learn."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from omegaconf import DictConfig
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import validate_data

from tslm.core.calendar import Calendar
from tslm.core.config.build import build
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError, DataError
from tslm.core.fitted import check_fitted, is_fitted
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine
from tslm.core.seeds import seeded
from tslm.core.spec import Spec, nested
from tslm.core.types import Facts
from tslm.data.batches import Batches
from tslm.data.loaders import WindowData
from tslm.data.panel import Panel
from tslm.data.samplers import RandomWindows
from tslm.data.series_text import PromptTemplate
from tslm.data.window_times import start_times
from tslm.data.windows import Windows
from tslm.estimators.training.module import train
from tslm.models.assembly import device_of, forecaster_of, settle, task_of
from tslm.models.depth_search import AUTO

ROUND = 16  # windows are forecast in multiples: products of fewer rows may add in another order
_STEPS = Calendar("1", dated=False)


class TSLMWindowRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Regressor from windows ``X [n, L]`` to their next steps ``y [n, H]``, or next step ``y [n]``.

    The model of ``TSLMForecaster`` without frames and dates, for pipelines, searches and stacking.
    All windows share one standardisation; the adapter then scales each window. NaN in ``X`` is a
    missing value. No windows are used for validation: scikit-learn splits them itself, by time with
    ``TimeSeriesSplit``. So members of a mix begin with equal weights, which the last steps of each
    window then shift.

    Arguments are only stored; ``fit`` checks them.

    Args:
        adapter: method that turns series into tokens. A name, or a ``Spec`` with options.
        backbone: the frozen language model: a name (tslm backbone list), a hub id, a folder or a
            .gguf file; or a control in its place, such as "none", "block" or "random:smollm2-135m".
        n_layers: number of first blocks of the backbone to use; "all" uses every block. None takes
            the recommendation of the backbone.
        decoder: method that turns hidden states into values. None is the adapter's own decoder.
            "point", "quantile", "student_t" and "mixture" are the adapter's own decoder with that
            distribution of each value.
        base: the forecast that the adapter corrects: "none", "profile", "profile_ar" or "ridge".
            None is the adapter's own choice.
        season_length: steps of the main season; 1 is no season.
        prompt: description of all windows for adapters that pass text to the language model.
        freeze: weights of the backbone to train: "strict" (none), "norms", "norms+pos", "lora" or
            "full".
        max_steps: number of training batches.
        learning_rate: the highest learning rate. None takes that of the adapter or baseline.
        batch_size: windows per training batch; "auto" takes the largest power of two that fits into
            memory. None takes that of the adapter or baseline. "auto" takes at most four times
            that. The number is in ``config_``.
        trainer: training recipe: optimizer, learning-rate schedule and loss: "one_cycle", "cosine"
            or "halving". A name, or a ``Spec`` with options.
        accelerator: device to train on, as in Lightning: auto, cpu, gpu and others.
        random_state: seed, or a numpy ``RandomState``.
        verbose: 0 is silent, 1 shows a progress bar.

    Attributes:
        n_features_in_: steps of a window, L.
        n_outputs_: steps of a forecast, H.
        forecaster_: adapter, frozen language model and decoder; or the mix they are a member of.

    Examples:
        >>> import numpy as np
        >>> from tslm import TSLMWindowRegressor
        >>> series = np.sin(np.arange(130) / 2)
        >>> windows = np.lib.stride_tricks.sliding_window_view(series, 30)
        >>> X, y = windows[:, :24], windows[:, 24:]
        >>> model = TSLMWindowRegressor(backbone="tiny", max_steps=2, random_state=0)
        >>> model.fit(X[:80], y[:80]).predict(X[80:]).shape
        (21, 6)
    """

    parts = ("adapter", "decoder", "base", "freeze", "trainer")
    n_features_in_: int
    n_outputs_: int
    forecaster_: Forecaster

    def __init__(
        self,
        adapter: str | Spec = "time_llm",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        decoder: str | Spec | None = None,
        base: str | Spec | None = None,
        season_length: int = 1,
        prompt: str | None = None,
        freeze: str | Spec = "strict",
        max_steps: int = 1000,
        learning_rate: float | None = None,
        batch_size: int | str | None = None,
        trainer: str | Spec = "one_cycle",
        accelerator: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.adapter = adapter
        self.backbone = backbone
        self.n_layers = n_layers
        self.decoder = decoder
        self.base = base
        self.season_length = season_length
        self.prompt = prompt
        self.freeze = freeze
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.trainer = trainer
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> "TSLMWindowRegressor":  # noqa: N803
        """Train the adapter and the decoder.

        Args:
            X: windows, ``[n, L]``, oldest step first; NaN where missing.
            y: the H steps that follow each, ``[n, H]``, or the next one, ``[n]``.

        Raises:
            DataError: if they are not numbers, or the numbers of windows and targets differ.
            ConfigError: if a setting is impossible.
        """
        if names := PromptTemplate.parse(self.prompt).names:
            raise ConfigError(
                f"prompt={self.prompt!r} names {', '.join(names)}, and windows have no columns. "
                "Say what holds for all of them, or use TSLMForecaster."
            )
        past, future = self._validated(X, y)
        self._single = np.ndim(future) == 1
        future = future.reshape(len(past), -1).astype(float)
        self.n_outputs_ = future.shape[1]
        self._loc, self._spread = _standard(past)
        cfg = self._settled(past.shape[1])
        if cfg.n_layers == AUTO:
            raise ConfigError(
                "n_layers=auto chooses the depth on validation rows, which windows do not have. "
                "Set a number of blocks, such as n_layers=2."
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            task = task_of(cfg, self.season_length, _STEPS)
            self.forecaster_ = forecaster_of(cfg, task)
            windows = self._windows(past, future, self.forecaster_.step or self.n_outputs_)
            self._learn(cfg, windows, seed)
        self.forecaster_.to(device_of(cfg))
        return self

    def predict(self, X: Any) -> Float[ndarray, "n H"] | Float[ndarray, " n"]:  # noqa: N803
        """Forecast the steps after each window, in the units of ``y``."""
        check_fitted(self, "Call fit(X, y).")
        (past,) = self._validated(X)
        horizon, empty = self.n_outputs_, -len(past) % ROUND
        full = np.concatenate([past, past[:1].repeat(empty, 0)])
        windows = self._windows(full, np.empty((len(full), 0)), 0)
        time = torch.arange(past.shape[1] + horizon)
        parts = [
            self.forecaster_.forecast(
                batch._replace(time=time.expand(len(batch.past), -1)), horizon
            )[:, :, 0]
            for batch in Batches(windows)
        ]
        ahead = torch.cat(parts)[: len(past)].cpu().double().numpy() * self._spread + self._loc
        return ahead[:, 0] if self._single else ahead

    def set_params(self, **params: Any) -> "TSLMWindowRegressor":
        """Set parameters; ``adapter__patch_len=24`` sets an option of a part."""
        super().set_params(**nested(self, self.parts, params))
        return self

    def _validated(self, *arrays: Any) -> tuple[ndarray, ...]:
        """Check windows and targets and return them as numbers."""
        fitting = len(arrays) == 2
        options = {"y_numeric": True, "multi_output": True} if fitting else {"reset": False}
        try:
            found = validate_data(
                self, *arrays, dtype=np.float64, ensure_all_finite="allow-nan", **options
            )
        except ValueError as error:
            raise DataError(str(error)) from error
        return found if fitting else (found,)

    def _settled(self, length: int) -> DictConfig:
        parts = {name: getattr(self, name) for name in self.parts}
        names = ("backbone", "n_layers", "prompt", "max_steps", "learning_rate", "batch_size")
        values = {name: getattr(self, name) for name in (*names, "season_length", "accelerator")}
        task = {"h": self.n_outputs_, "context_length": length}
        facts = Facts(self.n_outputs_, self.season_length or 1, length)
        return settle(configure(parts, {**values, **task}), facts)

    def _windows(
        self, past: Float[ndarray, "n L"], future: Float[ndarray, "n H"], step: int
    ) -> Windows:
        """Make each window a short series of its own, followed by ``step`` future rows."""
        n, length = past.shape
        ahead = np.full((n, step), np.nan)
        ahead[:, : future.shape[1]] = future[:, :step]
        rows = (np.concatenate([past, ahead], 1) - self._loc) / self._spread
        every = torch.arange(n)
        panel = Panel(
            values=torch.from_numpy(rows.ravel()).float(),
            time=torch.arange(rows.shape[1]).repeat(n),
            offsets=np.arange(n + 1, dtype=np.int64) * rows.shape[1],
            ids=pd.RangeIndex(n),
            loc=np.full(n, self._loc),
            spread=np.full(n, self._spread),
            step=np.ones(n, dtype=np.int64),
        )
        position = torch.full((n,), length)
        return Windows.at(panel, every, position, context_length=length, future_length=step)

    def _learn(self, cfg: DictConfig, windows: Windows, seed: int) -> None:
        if self.forecaster_.patch_len:
            self.forecaster_.prepare(start_times(windows, self.forecaster_.patch_len))
        self.forecaster_.learn(Batches(windows), [])
        if not self.forecaster_.trains:
            return
        data = WindowData(windows, RandomWindows(windows, cfg.batch_size, seed))
        recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=cfg.max_steps)
        train(
            self.forecaster_.learner,
            data,
            recipe,
            horizon=self.n_outputs_,
            machine=Machine(self.accelerator),
            progress=self.verbose > 0,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self, "forecaster_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # rows of a table of features are no time series
        return tags


def _standard(past: Float[ndarray, "n L"]) -> tuple[float, float]:
    """Return mean and standard deviation of all observed values."""
    known = past[~np.isnan(past)]
    if not len(known):
        raise DataError("All values of X are missing. Give at least one observed value.")
    spread = float(known.std())
    return float(known.mean()), spread or abs(float(known.mean())) or 1.0
