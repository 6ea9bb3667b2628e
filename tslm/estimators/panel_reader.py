"""Reading of frames as panels: the series that a fitted model forecasts, with their covariates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.forecaster import Forecaster
from tslm.core.messages import did_you_mean, naming
from tslm.data.align import align_series
from tslm.data.covariates.future import (
    check_future,
    future_rows,
    future_times,
    look_up_future,
    missing_future_rows,
)
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.events.table import EventTable
from tslm.data.examples import Examples
from tslm.data.frame import Frame
from tslm.data.panel import Panel
from tslm.estimators.frame_reader import FrameReader
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class PanelReader:
    """Reader of frames for a fitted model: standardised, without the effects of covariates.

    Attributes:
        reader: reads frames.
        calendar: frequency and time zone of ``fit``.
        contexts: last rows of the series of ``fit``; these series keep their scale.
        effects: effects of covariates; None without covariates.
        forecaster: the fitted model.
        context_length: rows that it reads.
        name: its name, for messages.
        unknown: True if series without a known value can be forecast, from their titles.
    """

    reader: FrameReader
    calendar: Calendar
    contexts: Panel
    effects: CovariateTreatment | None
    forecaster: Forecaster
    context_length: int
    name: str
    unknown: bool = False

    def panel_of(self, frame: Frame, until: Ints | None = None, *, keep: bool = False) -> Panel:
        """Return the panel of a frame.

        Args:
            frame: any series; those of ``fit`` keep the scale of their training rows.
            until: number of first rows of each series that give its scale, for series that are
                other ones than those of ``fit``, whatever their ids.
            keep: True if series of ``fit`` keep their scale although ``until`` is given.
        """
        stats = self.contexts.stats if until is None or keep else None
        frame = align_series(frame) if self.forecaster.multivariate else frame
        panel = Panel.from_frame(frame, until=until, stats=stats)
        panel = replace(panel, text=self.reader.texts(frame), titles=self.reader.titles_of(frame))
        return panel if self.effects is None else self.effects.apply(panel, frame)

    def read(self, df: pd.DataFrame, static_df: pd.DataFrame | None = None) -> Panel:
        """Return the panel of a user's frame."""
        return self.panel_of(
            self.reader.read(df, static_df, calendar=self.calendar, unknown=self.unknown)
        )

    def series(self, df: pd.DataFrame | None, static_df: pd.DataFrame | None = None) -> Panel:
        """Return the series to continue: those of a frame, or those of ``fit``.

        Raises:
            ConfigError: if ``static_df`` is given without ``df``.
            DataError: if the model was saved without its series.
        """
        if df is not None:
            panel = self.read(df, static_df)
            self._check_seen(panel)
            return panel
        if static_df is not None:
            raise ConfigError("static_df describes the series of df: pass both, or neither.")
        if not len(self.contexts):
            raise DataError("The model was saved without rows of series (history=False). Pass df.")
        return self.contexts

    def _check_seen(self, panel: Panel) -> None:
        """Warn if no id was seen in ``fit``, and ids are of another type than there."""
        ids, known = panel.ids, self.contexts.ids
        same_type = is_numeric_dtype(ids) == is_numeric_dtype(known)
        if len(known) and not same_type and not ids.isin(known).any():
            warn(
                f"No series of df was seen in fit: its ids are {ids.dtype}, such as "
                f"{naming(ids[:1])}, and those of fit {known.dtype}, such as {naming(known[:1])}. "
                "All are treated as new series. Convert the ids if they are the same."
            )

    def select(self, panel: Panel, ids: Any) -> Panel:
        """Return the series with these ids, in their order.

        Raises:
            ConfigError: if ``ids`` is not a list of distinct ids, or the model needs all series.
            DataError: if there is no series of an id.
        """
        chosen = [] if isinstance(ids, str) or not np.iterable(ids) else list(ids)
        if not chosen:
            raise ConfigError(f"ids={ids!r} must be a list of ids, such as ids=['a', 'b'].")
        numbers = panel.ids.get_indexer(pd.Index(chosen))
        if unknown := [one for one, number in zip(chosen, numbers, strict=True) if number < 0]:
            hint = did_you_mean(unknown[0], map(str, panel.ids), "{!r}")
            hint = hint or f" There are {naming(panel.ids)}."
            raise DataError(f"There is no series {naming(unknown)} to forecast.{hint}")
        if len(set(numbers.tolist())) < len(numbers):
            raise ConfigError("ids names a series twice. Name each once.")
        if self.forecaster.multivariate and len(numbers) < len(panel):
            raise ConfigError(
                f"{self.name} reads all series together, so it forecasts all of them. Leave ids "
                "out, and choose rows of the forecast."
            )
        return panel.take(numbers)

    def with_known_ids(self, table: Any) -> Any:
        """Return a table with ids converted from text to numbers, if those of ``fit`` are numbers.

        Args:
            table: a frame; anything else is returned as it is.
        """
        name, ids = self.reader.columns.id, self.contexts.ids
        if not isinstance(table, pd.DataFrame) or name not in table or not is_numeric_dtype(ids):
            return table
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any():
            return table
        return table.assign(**{name: numbers.astype(ids.dtype)})

    def known_ids(self, ids: Sequence[str]) -> list[Any]:
        """Return ids given as text in the type of the ids of ``fit``."""
        name = self.reader.columns.id
        return list(self.with_known_ids(pd.DataFrame({name: list(ids)}))[name])

    def known(self, known: pd.DataFrame, horizon: int, truth: pd.DataFrame) -> Panel:
        """Return the series up to a cutoff, with the covariates of the steps after it.

        Args:
            known: rows up to the cutoff, with the user's names of columns.
            horizon: forecast steps.
            truth: rows after the cutoff, with the names of ``Frame.table``.
        """
        futr_df = self.reader.rename(truth) if self.reader.covariates.future else None
        return self.with_future(self.read(known), horizon, futr_df)

    def with_future(self, panel: Panel, horizon: int, futr_df: pd.DataFrame | None) -> Panel:
        """Return the series with the effect of covariates on the forecast steps.

        Raises:
            ConfigError: if ``futr_df`` is given and no covariate is known in advance.
            DataError: if covariates are missing.
        """
        names = self.reader.covariates.future
        if futr_df is not None and not names:
            raise ConfigError("futr_df is given, but futr_exog names no covariate to take from it.")
        if self.effects is None:
            return panel
        known = self.future_covariates(panel, horizon, futr_df)
        time = future_times(panel, self.calendar, horizon)
        return self.effects.apply_future(panel, known, time, self.calendar)

    def future_covariates(
        self, panel: Panel, horizon: int, futr_df: pd.DataFrame | None
    ) -> pd.DataFrame:
        """Return the covariates known in advance, one row per forecast step, series after series.

        Raises:
            DataError: if one is missing.
        """
        rows = self.future_rows(panel, horizon)
        time = future_times(panel, self.calendar, horizon)
        known = pd.DataFrame(
            index=rows.index, columns=list(self.reader.covariates.future), dtype=float
        )
        if futr_df is not None:
            known = self._look_up(futr_df, panel, time)
        check_future(known, rows)
        return known

    def future_rows(self, panel: Panel, horizon: int) -> pd.DataFrame:
        """Return ``unique_id`` and ``ds`` of the forecast steps of each series."""
        return future_rows(panel, self.calendar, horizon)

    def missing_future(self, futr_df: pd.DataFrame, panel: Panel, horizon: int) -> pd.DataFrame:
        """Return the rows of ``future_rows`` for which ``futr_df`` lacks a covariate."""
        time = future_times(panel, self.calendar, horizon)
        known = self._look_up(futr_df, panel, time)
        return missing_future_rows(known, self.future_rows(panel, horizon))

    def _look_up(self, futr_df: pd.DataFrame, panel: Panel, time: Ints) -> pd.DataFrame:
        names, columns = self.reader.covariates.future, self.reader.columns
        return look_up_future(futr_df, names, panel, time, self.calendar, columns)

    def events(self, events: Any, panel: Panel) -> EventTable:
        """Return a user's table of events about the series of a panel.

        Raises:
            DataError: if it is wrong, or names a series that neither the panel nor ``fit`` has.
        """
        known = panel.ids.union(self.contexts.ids, sort=False)
        return self.reader.events(events, self.calendar, known)

    def last_times(self) -> pd.Series:
        """Return the last time of each series of ``fit``, by its id."""
        last = self.contexts.time.numpy()[self.contexts.offsets[1:] - 1]
        return pd.Series(self.calendar.from_int(last), index=self.contexts.ids)

    def examples(
        self,
        examples: str | pd.DataFrame,
        df: pd.DataFrame | None,
        panel: Panel,
        request: RequestedColumns,
    ) -> Examples:
        """Return the examples to place before the contexts of a panel.

        Args:
            examples: "first", "similar", or a long frame of other series.
            df: the frame to continue; None continues the series of ``fit``.
            panel: its series.
            request: requested columns beside the point forecast; there must be none.

        Raises:
            ConfigError: if intervals or samples are requested, or rows of ``df`` are needed and
                it is None.
        """
        if request:
            raise ConfigError(
                "Intervals of forecasts with examples are not calibrated, so level, quantiles and "
                "num_samples cannot be given with examples. Leave them out."
            )
        source = self.read(examples) if isinstance(examples, pd.DataFrame) else examples
        if df is None and isinstance(source, str) and self.forecaster.example_length:
            raise ConfigError(
                f"examples={examples!r} are earlier rows of each series, and the model holds "
                f"only its last {self.context_length} rows. Pass df."
            )
        return Examples.of(source, panel, self.forecaster.example_length, self.context_length)
