"""Reading of a user's frames, by the names of their columns and the settings of an estimator."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.static import join_statics
from tslm.data.events.table import EventTable
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.id_columns import split_ids
from tslm.data.roles import find_columns
from tslm.data.series_text import PromptTemplate
from tslm.uncertainty.requested_columns import forecasts


@dataclass(frozen=True)
class FrameReader:
    """Reader of long frames: names of columns, covariates, and settings of time and gaps.

    It holds no model, and nothing that was learnt from data.

    Attributes:
        columns: id, time and target column, and the way times are written.
        covariates: covariates to use.
        prompt: template of the text of each series.
        titles: template of the title of each series.
        freq: frequency of rows; None infers it.
        resample: step of a regular grid to put rows on; None leaves rows as they are.
        missing: treatment of missing values.
        on_duplicate: treatment of rows with the same time.

    Raises:
        ConfigError: if a covariate is the id, time or target column.
    """

    columns: Columns
    covariates: CovariateColumns = field(default_factory=CovariateColumns)
    prompt: PromptTemplate = field(default_factory=PromptTemplate)
    freq: Any = None
    resample: Any = None
    missing: str = "mask"
    on_duplicate: str = "raise"
    titles: PromptTemplate = field(default_factory=PromptTemplate)

    def __post_init__(self) -> None:
        self.covariates.check((self.columns.id, self.columns.time, self.columns.target))

    def for_frame(self, df: Any) -> "FrameReader":
        """Return the reader with the time and the target column found in a frame.

        They are looked for only if the frame has no column of the name that the reader has.

        Raises:
            DataError: if there is not exactly one column of dates, or of numbers.
        """
        others = {*self.covariates.columns, *self.prompt.names, *self.titles.names}
        return replace(self, columns=find_columns(df, self.columns, others))

    def join(self, df: pd.DataFrame, static_df: pd.DataFrame | None) -> pd.DataFrame:
        """Return a frame with the columns of ``static_df`` that are needed; None adds none."""
        if static_df is None:
            return df
        names = list(self.covariates.static)
        if isinstance(df, pd.DataFrame) and isinstance(static_df, pd.DataFrame):
            for template in (self.prompt, self.titles):
                template.check([*df.columns, *static_df.columns], self.columns)
            names += [name for name in self.words if name in static_df.columns]
        return join_statics(df, static_df, self.columns, list(dict.fromkeys(names)))

    def read(
        self,
        df: pd.DataFrame,
        static_df: pd.DataFrame | None = None,
        *,
        calendar: Calendar | None = None,
        unknown: bool = False,
        silent: bool = False,
    ) -> Frame:
        """Check a frame and put it on a regular grid.

        Args:
            df: long frame.
            static_df: one row per series with static columns, if ``df`` has none.
            calendar: frequency and time zone of ``fit``; None takes those of the settings.
            unknown: True to let series pass of which every value is missing.
            silent: True to leave out warnings of missing values.

        Raises:
            DataError: if the frame breaks the contract.
        """
        df = self.join(df, static_df)
        if isinstance(df, pd.DataFrame):
            for template in (self.prompt, self.titles):
                template.check(df.columns, self.columns)
        return read_frame(
            df,
            self.columns,
            extra=self.covariates.columns,
            words=self.words,
            freq=self.freq if calendar is None else None,
            resample=self.resample if calendar is None else None,
            missing=self.missing,
            on_duplicate=self.on_duplicate,
            calendar=calendar,
            unknown=unknown,
            silent=silent,
        )

    @property
    def words(self) -> list[str]:
        """Return the columns that texts of series are made of."""
        both = [each.columns(self.columns) for each in (self.prompt, self.titles)]
        return list(dict.fromkeys(both[0] + both[1]))

    def events(self, events: Any, calendar: Calendar, ids: pd.Index) -> EventTable:
        """Return a user's table of events, checked.

        Args:
            events: a frame, see ``EventTable.read``, or a table that was read.
            calendar: calendar of the series.
            ids: ids of the series.

        Raises:
            DataError: if the table is wrong, or names another series.
        """
        if isinstance(events, EventTable):
            return events
        return EventTable.read(events, self.columns, calendar, ids.tolist())

    def texts(self, frame: Frame) -> Sequence[str] | None:
        """Return the prompt text of each series; None if the prompt names no columns."""
        return self.prompt.fill(frame, self.columns)

    def titles_of(self, frame: Frame) -> Sequence[str] | None:
        """Return the title of each series; None without titles."""
        return self.titles.fill(frame, self.columns)

    def rename(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of ``unique_id``, ``ds`` and ``y`` with the user's names of columns."""
        own = self.columns
        names = {"unique_id": own.id, "ds": own.time, "y": own.target}
        return split_ids(table.rename(columns=names), own)

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse names of forecasts that another column of the result has.

        Raises:
            ConfigError: with the name that occurs twice.
        """
        columns = self.columns
        own = {"unique_id", "ds", "y", "cutoff", columns.id, columns.time, columns.target}
        own |= set(columns.parts)
        for name in names:
            if not name.strip():
                raise ConfigError(f"alias={name!r} is no name of a column. Pass another alias.")
            if name in own:
                raise ConfigError(
                    f"The forecast {name!r} has the name of a column of ids, times, values or "
                    "origins. Pass another alias, or rename that column."
                )
        if len(set(names)) < len(names) or forecasts(names) != list(names):
            raise ConfigError(
                f"The forecasts {', '.join(names)} have columns of the same name. Pass another "
                "alias."
            )
