"""Effects of covariates: removed before windows are cut, added back to forecasts.

The effect of covariates known in advance is linear in the features of ``CovariateEncoder`` and the
same for all series, on their standardised scale. Past covariates act through ``LaggedEffect``.

Effects are estimated once and in closed form, not trained with an adapter. All adapters, base
forecasts and baselines therefore see the same windows, and so do calibration and the verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.core.types import Task
from tslm.data.covariates.encoding import Blocks, CovariateEncoder, encode_column
from tslm.data.covariates.lagged import LaggedEffect, lag_summaries
from tslm.data.covariates.panel_effects import KnownRows, PanelEffects
from tslm.data.covariates.regression import fit_effect_weights
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.static import static_values
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.frame import Frame
from tslm.data.panel import Panel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Effects(CovariateTreatment):
    """Fitted linear effects of covariates on the target.

    Attributes:
        encoder: encoder of the covariates, fitted to training rows.
        weight: weight of each feature known in advance.
        amplitude: weight of each summary of past covariates at each knot, [summaries, knots].
        horizon: forecast steps of the fit.
        reach: rows of the longest summary of past covariates.
        statics: static covariates of the series of the fit, indexed by id.
        kept: True if the model also reads the covariates that are known in advance.
    """

    encoder: CovariateEncoder
    weight: Floats
    amplitude: Floats
    horizon: int
    reach: int
    statics: pd.DataFrame
    kept: bool = False

    subtracts: ClassVar[bool] = True

    @property
    def chosen(self) -> CovariateColumns:
        return self.encoder.chosen

    @classmethod
    def learn(
        cls,
        chosen: CovariateColumns,
        frame: Frame,
        panel: Panel,
        split: Ints,
        task: Task,
        *,
        kept: bool = False,
    ) -> tuple["Effects", Panel]:
        """Estimate effects from training rows.

        Args:
            chosen: the covariates.
            frame: rows, with the covariates as columns.
            panel: the same rows, standardised.
            split: number of training rows of each series.
            task: gives context length, horizon and season.
            kept: True if the model also reads the covariates that are known in advance.

        Returns:
            The effects, and the panel with them removed.
        """
        rows = np.arange(len(frame.table)) - frame.offsets[:-1].repeat(panel.lengths)
        training = frame.table[rows < split.repeat(panel.lengths)]
        encoder = CovariateEncoder.learn(chosen, training, task.season_length)
        encoder = replace(encoder, levels=encoder.levels_of(frame.table))
        statics = static_values(frame.table, chosen.static)
        blocks = _encode_rows(encoder, frame.table, panel, frame.calendar)
        summaries = lag_summaries(blocks.past, panel.offsets, task.context_length)
        weight, amplitude = fit_effect_weights(encoder, blocks, summaries, panel, split, task)
        effects = cls(encoder, weight, amplitude, task.horizon, task.context_length, statics, kept)
        return effects, effects._remove(panel, frame, blocks, summaries)

    def apply(self, panel: Panel, frame: Frame) -> Panel:
        """Return a panel without the effect of covariates known in advance.

        The panel carries what ``apply_future`` needs: the lagged effect, the levels of covariates
        and the static covariates of its series.
        """
        blocks = _encode_rows(self.encoder, frame.table, panel, frame.calendar)
        summaries = lag_summaries(blocks.past, panel.offsets, self.reach)
        return self._remove(panel, frame, blocks, summaries)

    def _remove(self, panel: Panel, frame: Frame, blocks: Blocks, summaries: Floats) -> Panel:
        effect = torch.from_numpy(self.encoder.effect(blocks, self.weight))
        values = panel.values - effect.to(panel.values)
        lagged = None
        if self.encoder.past:
            amplitude = torch.from_numpy(summaries @ self.amplitude).to(values)
            lagged = LaggedEffect(amplitude, self.horizon)
        effects = PanelEffects(
            lagged=lagged,
            levels=self.encoder.levels_of(frame.table),
            statics=static_values(frame.table, self.encoder.chosen.static),
            known=self._known(blocks) if self.kept else None,
        )
        return replace(panel, values=values, effects=effects)

    def _known(self, blocks: Blocks) -> KnownRows:
        """Return the covariates of rows known in advance and their effect, standardised."""
        effect = self.encoder.effect(blocks, self.weight)
        values = np.column_stack([self.encoder.without_hinges(blocks.known), effect])
        names = (*map(str, range(values.shape[1] - 1)), "effect")
        return KnownRows(torch.from_numpy(values), names)

    def apply_future(
        self, panel: Panel, found: pd.DataFrame, time: Ints, calendar: Calendar
    ) -> Panel:
        """Return a panel that carries the effect of covariates on the forecast steps.

        Args:
            panel: panel of ``apply``, or of ``learn``.
            found: covariates known in advance, one row per forecast step, series after series.
            time: time of each row as an integer.
            calendar: calendar of the times.
        """
        own = panel.effects
        levels = self.encoder.levels if own.levels is None else own.levels
        statics = self.statics if own.statics is None else own.statics
        ids = panel.ids.repeat(len(found) // len(panel))
        beside = statics.reindex(ids).set_index(found.index)
        table = pd.concat([found, beside], axis=1).assign(unique_id=np.asarray(ids))
        blocks = self.encoder.encode(table, time, calendar, levels)
        known = torch.from_numpy(self.encoder.effect(blocks, self.weight)).to(panel.values)
        effect = known.reshape(len(panel), -1)
        if own.lagged is not None:
            last = torch.from_numpy(panel.offsets[1:]) - 1
            effect = effect + own.lagged.predict(last, effect.shape[1])
        own = replace(own, future=effect)
        if own.known is not None:
            ahead = self._known(blocks).values
            rows = own.known._replace(future=ahead.reshape(len(panel), -1, ahead.shape[1]))
            own = replace(own, known=rows)
        return replace(panel, effects=own)

    def shrink_lagged(self, factor: float) -> "Effects":
        """Return the effects with that of past covariates multiplied by a factor."""
        return replace(self, amplitude=self.amplitude * factor)

    def without_series(self) -> "Effects":
        """Return the effects without the levels and static covariates of the series of ``fit``."""
        encoder = replace(self.encoder, levels={name: {} for name in self.encoder.levels})
        return replace(self, encoder=encoder, statics=self.statics.iloc[:0])

    def with_series(self, panel: Panel) -> "Effects":
        """Return the effects with the levels and static covariates of the series of a panel.

        Args:
            panel: panel of ``apply``.
        """
        own = panel.effects
        assert own.levels is not None, "the panel has no covariates"
        assert own.statics is not None, "the panel has no covariates"
        return replace(self, encoder=replace(self.encoder, levels=own.levels), statics=own.statics)

    def state(self) -> dict[str, Any]:
        """Return plain values and arrays for ``from_state``; levels in the order of the ids."""
        statics = {str(n): [_json_value(v) for v in self.statics[n]] for n in self.statics}
        state: dict[str, Any] = {
            "design": self.encoder.state(),
            "horizon": self.horizon,
            "reach": self.reach,
            "statics": statics,
            "kept": self.kept,
            "levels": list(self.encoder.numbers),
            "weight": self.weight,
            "amplitude": self.amplitude,
        }
        for number, name in enumerate(self.encoder.numbers):
            state[f"levels.{number}"] = np.array(list(self.encoder.levels[name].values()))
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any], ids: pd.Index) -> "Effects":
        """Make effects from their ``state``; ``check`` tests the result.

        Args:
            state: plain values and arrays.
            ids: ids of the series, in the order of the saved levels.
        """
        levels = {
            name: dict(zip(ids.tolist(), map(tuple, state[f"levels.{n}"].tolist()), strict=True))
            for n, name in enumerate(state["levels"])
        }
        return cls(
            replace(CovariateEncoder.from_state(state["design"]), levels=levels),
            state["weight"],
            state["amplitude"],
            int(state["horizon"]),
            int(state["reach"]),
            pd.DataFrame(state["statics"], index=ids),
            bool(state.get("kept", False)),
        )

    def check(self, chosen: CovariateColumns, calendar: Calendar) -> None:
        """Refuse saved effects that do not belong to the model.

        Args:
            chosen: covariates of the model.
            calendar: calendar of the model.

        Raises:
            DataError: if the covariates differ, or the shapes or values are impossible.
        """
        encoder = self.encoder
        if encoder.chosen != chosen or encoder.names != (chosen.future, chosen.past, chosen.static):
            raise DataError("The saved effects are of other covariates than the model has.")
        columns = (*encoder.future, *encoder.past, *encoder.static)
        row = {column.name: [column.typical] for column in columns}
        levels = {name: {"": (0.0, 1.0)} for name in encoder.numbers}
        table = pd.DataFrame({**row, "unique_id": [""]})
        blocks = encoder.encode(table, np.zeros(1, np.int64), calendar, levels)
        summaries = lag_summaries(blocks.past, np.array([0, 1]), self.reach).shape[1]
        shape = (summaries, LaggedEffect.n_knots(self.horizon))
        known = [pair for pairs in encoder.levels.values() for pair in pairs.values()]
        for column in encoder.static:
            encode_column(column, self.statics[column.name])
        fits = (
            self.weight.shape == encoder.features(blocks)[0].shape
            and self.amplitude.shape == shape
            and all(len(pair) == 2 and pair[1] > 0 for pair in known)
            and all(np.isfinite(part).all() for part in (self.weight, self.amplitude, known))
        )
        if not fits:
            raise DataError("The saved effects of covariates do not fit together.")


def _encode_rows(
    encoder: CovariateEncoder, table: pd.DataFrame, panel: Panel, calendar: Calendar
) -> Blocks:
    """Encode the rows of a frame, whose panel has their times."""
    levels = encoder.levels_of(table)
    statics = static_values(table, encoder.chosen.static).reindex(table["unique_id"])
    whole = table.assign(**{str(name): statics[name].array for name in statics})
    return encoder.encode(whole, panel.time.numpy(), calendar, levels)


def _json_value(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
