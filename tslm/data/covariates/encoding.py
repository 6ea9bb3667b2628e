"""Encoding of covariates as numbers, learnt from training rows.

Numbers are clipped to the range of the training rows, standardised, and expanded in hinges at their
quantiles. Categories become one column each. Products with calendar features let the effect of a
covariate vary with the time of day and the day of the week.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.data.column_values import as_numbers, as_texts, is_number
from tslm.data.covariates.calendar_features import cycle_features, features_of_times
from tslm.data.covariates.selection import CovariateColumns

Floats = npt.NDArray[np.float64]

HINGES = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles where the slope may change; chosen by hand
MIN_DISTINCT = 8  # a number with fewer distinct values gets no hinges; chosen by hand
INTERACTION = 5.0  # ridge penalty multiplier for products of two features; chosen by hand
MAX_CATEGORIES = 32  # the most common categories get a column each; chosen by hand
CLIP = 5.0  # standard deviations to which values relative to their own series are clipped


@dataclass(frozen=True)
class Number:
    """Numeric covariate, with its statistics over the training rows.

    Attributes:
        name: name of the column.
        least: smallest value; smaller ones are clipped to it.
        largest: largest value; larger ones are clipped to it.
        loc: mean.
        spread: standard deviation, or 1 for a constant column.
        bends: standardised values at which the slope of the effect may change.
    """

    name: str
    least: float
    largest: float
    loc: float
    spread: float
    bends: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (self.least, self.largest, self.loc, self.spread, *self.bends)
        if not np.isfinite(np.array(numbers, dtype=float)).all() or self.spread <= 0:
            raise DataError(f"The covariate {self.name!r} must have numbers that are finite.")

    @property
    def typical(self) -> float:
        """Return a valid value of the column: its mean."""
        return self.loc

    @classmethod
    def of(cls, name: str, values: Floats) -> "Number":
        """Measure the statistics of a column of training rows.

        Raises:
            DataError: if every value is missing.
        """
        known = values[~np.isnan(values)]
        if not len(known):
            raise DataError(f"The covariate {name!r} has no value at all in the training rows.")
        loc, spread = float(known.mean()), float(known.std()) or 1.0
        few = len(np.unique(known[:10_000])) < MIN_DISTINCT and len(np.unique(known)) < MIN_DISTINCT
        bends = () if few else np.unique((np.quantile(known, HINGES) - loc) / spread)
        return cls(name, known.min(), known.max(), loc, spread, tuple(float(b) for b in bends))

    def encode(self, values: Floats) -> Floats:
        """Return the standardised value and one hinge per bend; all 0 where missing."""
        z = (np.clip(values, self.least, self.largest) - self.loc) / self.spread
        hinges = [np.maximum(z - bend, 0) for bend in self.bends]
        return np.nan_to_num(np.stack([z, *hinges], 1))


@dataclass(frozen=True)
class Category:
    """Categorical covariate.

    Attributes:
        name: name of the column.
        levels: its most common categories in the training rows, as text.
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(level, str) for level in self.levels):
            raise DataError(f"The covariate {self.name!r} must have text as its levels.")

    @property
    def typical(self) -> str:
        """Return a valid value of the column: its first category."""
        return self.levels[0]

    def encode(self, values: npt.NDArray[np.object_]) -> Floats:
        """Return one indicator per category; all 0 where missing or another category."""
        codes = pd.Index(self.levels).get_indexer(pd.Index(values, dtype=object))
        return np.eye(len(self.levels) + 1)[codes][:, :-1]


Column = Number | Category


class Blocks(NamedTuple):
    """Encoded covariates of n rows, by kind; each is an array of n rows.

    Attributes:
        known: covariates known in advance, and holidays.
        day: short calendar cycles, with which the effect of ``known`` may vary.
        cycles: all calendar cycles.
        static: static covariates of the series of each row.
        past: covariates known up to the last row only.
    """

    known: Floats
    day: Floats
    cycles: Floats
    static: Floats
    past: Floats


@dataclass(frozen=True)
class CovariateEncoder:
    """Encoder of covariates as numbers, with statistics of the training rows.

    Attributes:
        chosen: the selected covariates.
        future: columns known in advance.
        past: columns known up to the last row only.
        static: columns with one value per series.
        season: steps of the main season, for times without dates.
        several: True with several series; a number is then also encoded relative to the mean and
            standard deviation of its own series.
        levels: these means and standard deviations, by column name and series id.
    """

    chosen: CovariateColumns
    future: tuple[Column, ...] = ()
    past: tuple[Column, ...] = ()
    static: tuple[Column, ...] = ()
    season: int = 1
    several: bool = False
    levels: Mapping[str, Mapping[Any, tuple[float, float]]] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, chosen: CovariateColumns, table: pd.DataFrame, season: int
    ) -> "CovariateEncoder":
        """Fit an encoder to training rows.

        Args:
            chosen: the covariates; ``table`` has their columns.
            table: training rows, with ``unique_id``.
            season: steps of the main season.

        Raises:
            DataError: if a column is empty, or holds neither numbers nor categories.
        """
        future, past, static = (
            tuple(_fit_column(name, table[name]) for name in names)
            for names in (chosen.future, chosen.past, chosen.static)
        )
        past = tuple(replace(c, bends=()) if isinstance(c, Number) else c for c in past)
        several = table.unique_id.nunique() > 1
        encoder = cls(chosen, future, past, static, season, several)
        levels = {name: series_levels(table, name) for name in encoder.numbers}
        return replace(encoder, levels=levels)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of the future, past and static columns."""
        future, past, static = (
            tuple(c.name for c in part) for part in (self.future, self.past, self.static)
        )
        return future, past, static

    @property
    def cycles(self) -> bool:
        """Return True if the cycles of the day, week and year are covariates of their own."""
        return bool(self.chosen.from_times.get("calendar"))

    @property
    def numbers(self) -> list[str]:
        """Return the columns that are also encoded relative to their own series."""
        if not self.several:
            return []
        return [c.name for c in (*self.future, *self.past) if isinstance(c, Number)]

    def encode(
        self, table: pd.DataFrame, time: Ints, calendar: Calendar, levels: Mapping[str, Any]
    ) -> Blocks:
        """Encode rows as numbers.

        Args:
            table: rows with ``unique_id`` and the columns; past columns may be absent.
            time: time of each row as an integer.
            calendar: calendar of the times.
            levels: mean and standard deviation by column and series, see ``levels_of``.
        """
        rows = len(table)
        none = np.empty((rows, 0))
        days, cycles = cycle_features(calendar, time, self.season)
        known = [self._encode(c, table, levels) for c in self.future]
        known += features_of_times(self.chosen.from_times, calendar, time)
        here = [c for c in self.past if c.name in table.columns]
        return Blocks(
            np.concatenate([none, *known], 1),
            days,
            cycles,
            np.concatenate([none, *(encode_column(c, table[c.name]) for c in self.static)], 1),
            np.concatenate([none, *(self._encode(c, table, levels) for c in here)], 1),
        )

    def _encode(self, column: Column, table: pd.DataFrame, levels: Mapping[str, Any]) -> Floats:
        numbers = encode_column(column, table[column.name])
        if column.name not in levels:
            return numbers
        pairs = np.array([levels[column.name][name] for name in table.unique_id.unique()])
        pairs = pairs[pd.factorize(table.unique_id)[0]]
        own = (as_numbers(column.name, table[column.name]) - pairs[:, 0]) / pairs[:, 1]
        return np.concatenate([numbers, np.nan_to_num(own.clip(-CLIP, CLIP))[:, None]], 1)

    def levels_of(self, table: pd.DataFrame) -> dict[str, dict[Any, tuple[float, float]]]:
        """Return mean and standard deviation by column and series.

        Values of the training rows take precedence; other series use their rows in ``table``.
        """
        return {name: series_levels(table, name) | dict(self.levels[name]) for name in self.numbers}

    def without_hinges(self, known: Floats) -> Floats:
        """Return ``Blocks.known`` without hinges: each covariate itself, and holidays."""
        places, first = list[int](), 0
        for column in self.future:
            hinges = len(column.bends) if isinstance(column, Number) else 0
            own = 1 if isinstance(column, Number) else len(column.levels)
            relative = int(column.name in self.numbers)  # to its own series, after the hinges
            places += [*range(first, first + own)]
            first += own + hinges
            places += [*range(first, first + relative)]
            first += relative
        return known[:, [*places, *range(first, known.shape[1])]]

    def features(self, blocks: Blocks) -> Floats:
        """Return the regression features: columns, and products with cycles and static columns."""
        return np.concatenate([_products(one, other) for one, other, _ in self._factors(blocks)], 1)

    def effect(self, blocks: Blocks, weight: Floats) -> Floats:
        """Return the features times their weights, row by row, without forming the products."""
        effect, first = np.zeros(len(blocks.known)), 0
        for one, other, _ in self._factors(blocks):
            shape = one.shape[1], 1 if other is None else other.shape[1]
            own = weight[first : first + shape[0] * shape[1]].reshape(shape)
            first += own.size
            rows = one @ own
            effect += rows[:, 0] if other is None else np.einsum("rk,rk->r", rows, other)
        return effect

    def penalties(self, blocks: Blocks) -> Floats:
        """Return the ridge penalty multiplier of each feature."""
        parts = [
            np.full(one.shape[1] * (1 if other is None else other.shape[1]), factor)
            for one, other, factor in self._factors(blocks)
        ]
        return np.concatenate(parts)

    def _factors(self, blocks: Blocks) -> list[tuple[Floats, Floats | None, float]]:
        """Return pairs of blocks whose products are features, with their penalty multiplier.

        None as the second block stands for a column of ones.
        """
        known, day, cycles, static, _ = blocks
        factors: list[tuple[Floats, Floats | None, float]] = [
            (known, None, 1.0),
            (known, day, INTERACTION),
            (static, known, INTERACTION),
            (static, cycles, 1.0),
        ]
        if self.cycles:
            factors += [(cycles, None, 1.0), (day, day, INTERACTION)]
        return factors

    def state(self) -> dict[str, Any]:
        """Return every field but ``levels``, as plain values for ``from_state``."""
        state = asdict(self)
        del state["levels"]
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "CovariateEncoder":
        """Make one from its ``state``, without ``levels``."""
        future, past, static = (
            tuple(_restore_column(column) for column in state[part])
            for part in ("future", "past", "static")
        )
        chosen = CovariateColumns(**_lists_to_tuples(state["chosen"]))
        return cls(chosen, future, past, static, state["season"], state["several"])


def _restore_column(stored: Mapping[str, Any]) -> Column:
    fields = _lists_to_tuples(stored)
    return Category(**fields) if "levels" in fields else Number(**fields)


def _lists_to_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}


def _fit_column(name: str, values: pd.Series) -> Column:
    if is_number(values):
        return Number.of(name, as_numbers(name, values))
    sizes = pd.Series(as_texts(name, values)).value_counts()
    if not len(sizes):
        raise DataError(f"The covariate {name!r} has no value at all in the training rows.")
    return Category(name, tuple(sorted(map(str, sizes.index[:MAX_CATEGORIES]))))


def _products(one: Floats, other: Floats | None) -> Floats:
    if other is None:
        return one
    return np.asarray((one[:, :, None] * other[:, None, :]).reshape(len(one), -1))


def encode_column(column: Column, values: pd.Series) -> Floats:
    """Encode the values of one column."""
    if isinstance(column, Number):
        return column.encode(as_numbers(column.name, values))
    return column.encode(as_texts(column.name, values))


def series_levels(table: pd.DataFrame, name: str) -> dict[Any, tuple[float, float]]:
    """Return mean and standard deviation of a numeric column in each series.

    The mean is 0 where a series has no value; the standard deviation is 1 where it is zero.
    """
    numbers = pd.Series(as_numbers(name, table[name]))
    groups = numbers.groupby(table.unique_id.to_numpy(), sort=False)
    loc, spread = groups.mean().fillna(0.0), groups.std(ddof=0).fillna(0.0)
    spread = spread.where(spread > 1e-9 * loc.abs(), 1.0).where(spread > 0, 1.0)
    pairs = zip(loc.tolist(), spread.tolist(), strict=True)
    return dict(zip(loc.index.tolist(), pairs, strict=True))
