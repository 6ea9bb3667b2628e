"""The treatment of covariates by a fitted model: subtracted as effects, or read by the model."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.frame import Frame
from tslm.data.panel import Panel


class CovariateTreatment(ABC):
    """Treatment of covariates, from a frame to a panel that carries what a model needs of them.

    Attributes:
        subtracts: True if effects are subtracted from the series, which then lack them.
    """

    subtracts: ClassVar[bool]

    @property
    @abstractmethod
    def chosen(self) -> CovariateColumns:
        """Return the covariates that are used."""

    @abstractmethod
    def apply(self, panel: Panel, frame: Frame) -> Panel:
        """Return the panel of a frame with its covariates treated."""

    @abstractmethod
    def apply_future(
        self, panel: Panel, found: pd.DataFrame, time: Ints, calendar: Calendar
    ) -> Panel:
        """Return a panel that carries the covariates of the forecast steps.

        Args:
            panel: panel of ``apply``.
            found: covariates known in advance, one row per forecast step, series after series.
            time: time of each row as an integer.
            calendar: calendar of the times.
        """

    @abstractmethod
    def shrink_lagged(self, factor: float) -> "CovariateTreatment":
        """Return the treatment with the effect of past covariates multiplied by a factor."""

    @abstractmethod
    def without_series(self) -> "CovariateTreatment":
        """Return the treatment without facts about the series of ``fit``."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return plain values and arrays, for a saved model."""

    @abstractmethod
    def check(self, chosen: CovariateColumns, calendar: Calendar) -> None:
        """Refuse a saved treatment that does not belong to the model.

        Raises:
            DataError: if it does not.
        """
