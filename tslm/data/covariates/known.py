"""Covariates known in advance that a model reads itself, in their own units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import naming
from tslm.data.covariates.effects import Effects
from tslm.data.covariates.panel_effects import KnownRows, PanelEffects
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.frame import Frame
from tslm.data.panel import Panel


@dataclass(frozen=True)
class KnownCovariates(CovariateTreatment):
    """Covariates that a model reads beside each series; nothing is subtracted.

    Attributes:
        names: columns of numbers, known in advance.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, chosen: CovariateColumns, model: str) -> "KnownCovariates":
        """Take the covariates of a selection.

        Args:
            chosen: the selection.
            model: name of the model, for messages.

        Raises:
            ConfigError: if some of them are not columns known in advance.
        """
        other = [*chosen.past, *chosen.static, *chosen.from_times]
        if other:
            raise ConfigError(
                f"{model} reads columns of futr_exog only, and {naming(other)} is something else. "
                "Leave it out, or make it a column of futr_exog with values for the steps to "
                "forecast."
            )
        return cls(chosen.future)

    subtracts: ClassVar[bool] = False

    @property
    def chosen(self) -> CovariateColumns:
        return CovariateColumns(self.names)

    def apply(self, panel: Panel, frame: Frame) -> Panel:
        """Return the panel of a frame with its covariates; missing ones are filled from before.

        Raises:
            DataError: if a covariate is not a number.
        """
        table = self._numbers(frame.table).groupby(frame.table["unique_id"], sort=False)
        values = table.ffill().fillna(table.bfill()).fillna(0.0).to_numpy()
        rows = KnownRows(torch.from_numpy(values.copy()), self.names)
        return replace(panel, effects=PanelEffects(known=rows))

    def apply_future(
        self, panel: Panel, found: pd.DataFrame, time: Ints, calendar: Calendar
    ) -> Panel:
        rows = panel.effects.known
        assert rows is not None, "the panel has no covariates"
        ahead = torch.from_numpy(self._numbers(found).to_numpy().copy())
        known = rows._replace(future=ahead.reshape(len(panel), -1, len(self.names)))
        return replace(panel, effects=replace(panel.effects, known=known))

    def shrink_lagged(self, factor: float) -> "KnownCovariates":
        return self

    def without_series(self) -> "KnownCovariates":
        return self

    def state(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    def check(self, chosen: CovariateColumns, calendar: Calendar) -> None:
        if self.chosen != chosen:
            raise DataError("The saved covariates are other ones than the model has.")

    def _numbers(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the columns as numbers.

        Raises:
            DataError: if a value is not a number; names the column.
        """
        numbers: dict[str, Any] = {}
        for name in self.names:
            try:
                numbers[name] = pd.to_numeric(table[name]).astype(np.float64)
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"The covariate {name!r} holds values that are not numbers ({error}). Give a "
                    "column of 0 and 1 for each of its categories."
                ) from error
        return pd.DataFrame(numbers, index=table.index)


def treatment_from_state(state: Mapping[str, Any], ids: pd.Index) -> CovariateTreatment:
    """Make the treatment of covariates from its ``state``; ``check`` tests the result.

    Args:
        state: plain values and arrays.
        ids: ids of the series of the saved model.
    """
    if "names" in state:
        return KnownCovariates(tuple(map(str, state["names"])))
    return Effects.from_state(state, ids)
