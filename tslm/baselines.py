"""Classical forecasts under the verbs of the estimator: what every model must beat."""

import pandas as pd

from tslm.data.panel import Panel
from tslm.longframe import LongFrameForecaster
from tslm.nn import classical


class BaselineForecaster(LongFrameForecaster):
    """Forecasts long frames by a classical rule; ``fit`` only measures the frame.

    Args:
        model: ``last``, ``drift``, ``mean``, ``seasonal_naive``, ``profile`` or ``profile_ar``.
        h: steps forecast by default.
        context_length: steps the rule may look back; None takes 512.
        freq: distance of rows, a pandas alias or a whole number; None infers it.
        season_length: steps of the main season; None takes the frequency's.
        id_col: column of series ids.
        time_col: column of times.
        target_col: column of values.
        missing: "mask", "interpolate", "ffill" or "raise".
        on_duplicate: "raise", "first", "last" or "mean".
        alias: name of the forecast column; None is the rule's class name.
    """

    def __init__(
        self,
        model: str = "seasonal_naive",
        h: int = 24,
        context_length: int | None = None,
        freq: str | int | None = None,
        season_length: int | None = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        missing: str = "mask",
        on_duplicate: str = "raise",
        alias: str | None = None,
    ) -> None:
        self.model = model
        self.h = h
        self.context_length = context_length
        self.freq = freq
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col
        self.target_col = target_col
        self.missing = missing
        self.on_duplicate = on_duplicate
        self.alias = alias

    @property
    def name(self) -> str:
        return self.alias or type(classical.make(self.model, 1)).__name__

    def fit(self, df: pd.DataFrame, y: None = None) -> "BaselineForecaster":
        """Read the frame; nothing is trained."""
        frame = self._read(df)
        self.calendar_ = frame.calendar
        season = self.season_length or frame.calendar.season_length
        self.context_length_ = self.context_length or classical.reach(season)
        self.forecaster_ = classical.make(self.model, season)
        self.history_ = Panel.from_frame(frame).tail(self.context_length_)
        return self
