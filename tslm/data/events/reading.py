"""Reading of free text: statements with their spans and bounds, and series written in the text."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tslm.core.calendar import Freq
from tslm.core.errors import DataError
from tslm.data.columns import Columns
from tslm.data.events.limits import find_limits
from tslm.data.events.series_in_text import read_series
from tslm.data.events.statements import read_statements
from tslm.data.events.timeline import Timeline, joined, timelines

KEYS = ("unique_id", "ds")
EVENT_COLUMNS = ("unique_id", "start", "end", "said_at", "text", "lower", "upper")


@dataclass(frozen=True)
class Reading:
    """Contents of a text, as tables that a person can correct.

    Attributes:
        events: one row per statement and span, with the columns of ``EVENT_COLUMNS``. ``start``
            and ``end`` are the first and last step concerned; both are missing if the statement
            concerns the whole horizon. ``lower`` and ``upper`` are bounds in the units of the
            series.
        covariates: long frame of ``unique_id``, ``ds`` and one column per series that is written in
            the text, over the history and the steps to forecast; missing where the text gives no
            value.
        background: ``unique_id`` and ``text`` of the sentences that describe the series and state
            nothing about its future.
        follows: covariates that the target is known to follow, for the option of this name of
            ``covariate_regression``.
    """

    events: pd.DataFrame
    covariates: pd.DataFrame
    background: pd.DataFrame
    follows: tuple[str, ...] = ()

    @property
    def futr_exog(self) -> list[str]:
        """Return the covariates without a missing value, which a forecaster can use."""
        names = [name for name in self.covariates if name not in KEYS]
        return [str(name) for name in names if self.covariates[name].notna().all()]

    @property
    def futr_df(self) -> pd.DataFrame:
        """Return the covariates of ``futr_exog``, for ``predict``; rows of the past are ignored."""
        return self.covariates[[*KEYS, *self.futr_exog]]

    def join(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the history with the covariates of ``futr_exog`` as columns.

        Args:
            df: the frame that was read, with the columns ds and, if it has several series,
                unique_id.

        Raises:
            DataError: if it has a column of the name of a covariate.
        """
        if taken := [name for name in self.futr_exog if name in df]:
            raise DataError(
                f"The frame has a column {taken[0]!r}, as the text has. Rename one of them; the "
                "table of the text is reading.covariates."
            )
        keys = [name for name in KEYS if name in df]
        return df.merge(self.futr_df.drop(columns=set(KEYS) - set(keys)), on=keys, how="left")


def read(
    texts: Any,
    df: pd.DataFrame,
    h: int,
    *,
    target: str | None = None,
    freq: Freq | None = None,
    said_at: Any = None,
    columns: Columns | None = None,
) -> Reading:
    """Read free text about series: what is said about which steps, in which bounds.

    Args:
        texts: one text about all series; a text for each id; or a frame of ``text``, with
            ``unique_id`` and ``said_at`` where they are known.
        df: long frame of the history; its values are not read.
        h: steps to forecast.
        target: the quantity in words, such as "pressure"; found in the text if None. Bounds of
            other quantities are left out.
        freq: frequency of the rows; inferred from the times if None.
        said_at: time at which the texts became known; None if they were always known.
        columns: column names of the frame.

    Raises:
        DataError: if a text is not text, names an unknown series, or the frame cannot be read.
    """
    columns = columns or Columns()
    series = timelines(df, h, freq=freq, columns=columns)
    events: list[dict[str, Any]] = []
    background: list[dict[str, Any]] = []
    covariates: list[pd.DataFrame] = []
    follows: list[str] = []
    for name, said, text in _texts(texts, said_at):
        if name is not None and name not in series:
            raise DataError(
                f"A text is about the series {name!r}, which the frame does not have. Its series "
                f"are {', '.join(map(str, list(series)[:5]))}."
            )
        concerned = series if name is None else {name: series[name]}
        timeline = joined(list(concerned.values()))
        for row, step, bound in find_limits(text, timeline, target):
            facts = {"unique_id": name, "said_at": said, "text": row}
            span = {"start": timeline.own(step), "end": timeline.own(step)}
            events.append({**facts, **span, "lower": bound.lower, "upper": bound.upper})
        numbers = read_series(text, timeline)
        covariates += [_long(numbers.values, key, each) for key, each in concerned.items()]
        follows += numbers.follows
        for statement in read_statements(numbers.rest, timeline, target):
            facts = {"unique_id": name, "text": statement.text}
            if statement.is_event:
                span = {"start": timeline.own(statement.start), "end": timeline.own(statement.end)}
                limits = {"lower": statement.lower, "upper": statement.upper}
                events.append({**facts, "said_at": said, **span, **limits})
            else:
                background.append(facts)
    return Reading(
        _event_table(events),
        pd.concat(covariates, ignore_index=True) if covariates else _no_covariates(),
        pd.DataFrame(background, columns=["unique_id", "text"]),
        tuple(dict.fromkeys(follows)),
    )


def _texts(texts: Any, said_at: Any) -> list[tuple[Hashable | None, Any, str]]:
    """Return id, time of becoming known and text of each text; None for all series."""
    if isinstance(texts, str):
        return [(None, said_at, texts)]
    if isinstance(texts, Mapping):
        rows = [(name, said_at, text) for name, text in texts.items()]
    elif isinstance(texts, pd.DataFrame):
        if "text" not in texts:
            raise DataError(
                f"The frame of texts has no column 'text'. Its columns are {list(texts.columns)}."
            )
        missing = [None] * len(texts)
        names = texts.get("unique_id", missing)
        said = texts.get("said_at", [said_at] * len(texts))
        rows = [
            (None if name is None or pd.isna(name) else name, each, text)
            for name, each, text in zip(names, said, texts["text"], strict=True)
        ]
    else:
        raise DataError(
            f"texts is of type {type(texts).__name__}. Pass one text, a text for each id, or a "
            "frame with the column text."
        )
    for name, _, text in rows:
        if not isinstance(text, str):
            whose = "A text" if name is None else f"The text of the series {name!r}"
            raise DataError(
                f"{whose} is of type {type(text).__name__}, not text. Pass a string, and leave out "
                "texts that are missing."
            )
    return rows


def _event_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return statements as a table with the columns of ``EVENT_COLUMNS``."""
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    for name in ("start", "end", "said_at"):
        table[name] = pd.to_datetime(table[name])
    return table.astype({"lower": float, "upper": float})


def _long(values: pd.DataFrame, name: Hashable, timeline: Timeline) -> pd.DataFrame:
    """Return the series written in a text as a long frame of one series."""
    table = values.reindex(timeline.times).reset_index(drop=True)
    times = pd.Series([timeline.own(step) for step in timeline.times])
    if not timeline.dated:  # steps that are counted are days since 1970 on the timeline
        times = (times - pd.Timestamp(0)).dt.days
    table.insert(0, "ds", times)
    table.insert(0, "unique_id", pd.Series([name] * len(table)))
    return table


def _no_covariates() -> pd.DataFrame:
    return pd.DataFrame(columns=["unique_id", "ds"])
