"""What goes on beside a series, as numbers: columns of the user, holidays, places in the calendar.

Numbers are held to what training has seen and may bend at its quantiles; categories have a column
each. What a covariate does may differ with the time of day, and of the week.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import did_you_mean, naming
from tslm.data.column_values import as_numbers, as_texts, is_number

Floats = npt.NDArray[np.float64]

BENDS = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles at which the effect of a number may bend
FEW = 8  # distinct values below which it does not
PRODUCT = 5.0  # times as much is asked of what depends on two things
LEVELS = 32  # commonest categories that have a column each
DAY, WEEK, YEAR = 86_400, 604_800, 31_556_952


@dataclass(frozen=True)
class CovariateColumns:
    """Which covariates a user wants.

    Args:
        future: columns known ahead, for the steps to forecast too.
        past: columns known up to the last row.
        static: columns with one value a series.
        holidays: a country, or "COUNTRY-SUBDIVISION"; None for none.
        calendar: whether the time of day, of the week and of the year count by themselves.
    """

    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    holidays: str | None = None
    calendar: bool = False

    def __bool__(self) -> bool:
        return bool(self.columns or self.holidays or self.calendar)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the frame."""
        return (*self.future, *self.past, *self.static)

    def check(self, own: Sequence[str]) -> "CovariateColumns":
        """Refuse names that are given twice, or mean something else.

        Raises:
            ConfigError: naming them.
        """
        taken = [*own, "unique_id", "ds", "y"]
        if clash := [name for name in self.columns if name in taken]:
            raise ConfigError(f"{naming(clash)} is no covariate: it is the id, time or target.")
        names = list(self.columns)
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError(
                f"{naming(sorted(twice))} is given twice. Name a covariate once, in futr_exog, "
                "hist_exog or static_exog."
            )
        return self


@dataclass(frozen=True)
class Number:
    """A column of numbers: what training has seen of it.

    Args:
        name: of the column.
        least: smallest value; smaller ones count as it.
        largest: and largest.
        loc: mean.
        spread: standard deviation.
        bends: standardised values at which its effect may bend.
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
    def usual(self) -> float:
        """A value it may have."""
        return self.loc

    @classmethod
    def of(cls, name: str, values: Floats) -> "Number":
        known = values[~np.isnan(values)]
        if not len(known):
            raise DataError(f"The covariate {name!r} has no value at all in the training rows.")
        loc, spread = float(known.mean()), float(known.std()) or 1.0
        some = len(np.unique(known[:10_000])) < FEW and len(np.unique(known)) < FEW
        bends = () if some else np.unique((np.quantile(known, BENDS) - loc) / spread)
        return cls(name, known.min(), known.max(), loc, spread, tuple(float(b) for b in bends))

    def encode(self, values: Floats) -> Floats:
        """One column, and one a bend; 0 where missing."""
        z = (np.clip(values, self.least, self.largest) - self.loc) / self.spread
        hinges = [np.maximum(z - bend, 0) for bend in self.bends]
        return np.nan_to_num(np.stack([z, *hinges], 1))


@dataclass(frozen=True)
class Category:
    """A column of categories.

    Args:
        name: of the column.
        levels: its commonest ones, as text.
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(level, str) for level in self.levels):
            raise DataError(f"The covariate {self.name!r} must have text as its levels.")

    @property
    def usual(self) -> str:
        """A value it may have."""
        return self.levels[0]

    def encode(self, values: npt.NDArray[np.object_]) -> Floats:
        """A column each; 0 throughout where missing or another."""
        codes = pd.Index(self.levels).get_indexer(pd.Index(values, dtype=object))
        return np.eye(len(self.levels) + 1)[codes][:, :-1]


Column = Number | Category


class Blocks(NamedTuple):
    """Covariates of rows, by what they are.

    Args:
        known: known ahead.
        day: places in the shorter cycles, with which the effect of ``known`` may differ.
        cycles: places in all cycles.
        static: of the series of each row.
        past: known up to the last row.
    """

    known: Floats
    day: Floats
    cycles: Floats
    static: Floats
    past: Floats


@dataclass(frozen=True)
class Design:
    """How covariates become numbers, as training rows have taught it.

    Args:
        chosen: which ones.
        future: of them, those known ahead.
        past: those known up to the last row.
        static: those with one value a series.
        season: steps of the main season, for times without dates.
        several: whether there are several series, so that a number also counts by what is
            ordinary for its own.
        levels: mean and spread of such numbers in each series, by name and id.
    """

    chosen: CovariateColumns
    future: tuple[Column, ...] = ()
    past: tuple[Column, ...] = ()
    static: tuple[Column, ...] = ()
    season: int = 1
    several: bool = False
    levels: Mapping[str, Mapping[Any, tuple[float, float]]] = field(default_factory=dict)

    @classmethod
    def learn(cls, chosen: CovariateColumns, table: pd.DataFrame, season: int) -> "Design":
        """Look at training rows.

        Args:
            chosen: columns of ``table``.
            table: rows with ``unique_id``.
            season: steps of the main season.

        Raises:
            DataError: if a column holds what is neither number nor category.
        """
        future, past, static = (
            tuple(_column(name, table[name]) for name in names)
            for names in (chosen.future, chosen.past, chosen.static)
        )
        past = tuple(replace(c, bends=()) if isinstance(c, Number) else c for c in past)
        several = table.unique_id.nunique() > 1
        design = cls(chosen, future, past, static, season, several)
        levels = {name: own_levels(table, name) for name in design.numbers}
        return replace(design, levels=levels)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Columns known ahead, past and static ones."""
        future, past, static = (
            tuple(c.name for c in part) for part in (self.future, self.past, self.static)
        )
        return future, past, static

    @property
    def numbers(self) -> list[str]:
        """Columns that also count by what is ordinary for each series."""
        if not self.several:
            return []
        return [c.name for c in (*self.future, *self.past) if isinstance(c, Number)]

    def encode(
        self, table: pd.DataFrame, time: Ints, calendar: Calendar, levels: Mapping[str, Any]
    ) -> Blocks:
        """Rows as numbers.

        Args:
            table: with ``unique_id`` and the columns; those of ``past`` may be left out.
            time: of the rows, in integers.
            calendar: on which they are read.
            levels: what is ordinary for each series, see ``levels_of``.
        """
        rows = len(table)
        none = np.empty((rows, 0))
        days, cycles = clock(calendar, time, self.season)
        known = [self._of(c, table, levels) for c in self.future]
        if self.chosen.holidays:
            known.append(holidays(self.chosen.holidays, calendar, time))
        here = [c for c in self.past if c.name in table.columns]
        return Blocks(
            np.concatenate([none, *known], 1),
            days,
            cycles,
            np.concatenate([none, *(encoded(c, table[c.name]) for c in self.static)], 1),
            np.concatenate([none, *(self._of(c, table, levels) for c in here)], 1),
        )

    def _of(self, column: Column, table: pd.DataFrame, levels: Mapping[str, Any]) -> Floats:
        numbers = encoded(column, table[column.name])
        if column.name not in levels:
            return numbers
        pairs = np.array([levels[column.name][name] for name in table.unique_id.unique()])
        pairs = pairs[pd.factorize(table.unique_id)[0]]
        own = (as_numbers(column.name, table[column.name]) - pairs[:, 0]) / pairs[:, 1]
        return np.concatenate([numbers, np.nan_to_num(own.clip(-5, 5))[:, None]], 1)

    def levels_of(self, table: pd.DataFrame) -> dict[str, dict[Any, tuple[float, float]]]:
        """What is ordinary for each series: as training has it, or else as these rows have it."""
        return {name: own_levels(table, name) | dict(self.levels[name]) for name in self.numbers}

    def features(self, blocks: Blocks) -> Floats:
        """Columns that the effect is linear in, and their products with cycles and statics."""
        return np.concatenate([_products(one, other) for one, other, _ in self._factors(blocks)], 1)

    def effect(self, blocks: Blocks, weight: Floats) -> Floats:
        """The features times their weights, row by row, without any product being made."""
        effect, first = np.zeros(len(blocks.known)), 0
        for one, other, _ in self._factors(blocks):
            shape = one.shape[1], 1 if other is None else other.shape[1]
            own = weight[first : first + shape[0] * shape[1]].reshape(shape)
            first += own.size
            rows = one @ own
            effect += rows[:, 0] if other is None else np.einsum("rk,rk->r", rows, other)
        return effect

    def caution(self, blocks: Blocks) -> Floats:
        """How much more than a plain column each feature must explain."""
        parts = [
            np.full(one.shape[1] * (1 if other is None else other.shape[1]), much)
            for one, other, much in self._factors(blocks)
        ]
        return np.concatenate(parts)

    def _factors(self, blocks: Blocks) -> list[tuple[Floats, Floats | None, float]]:
        """Pairs of columns whose products are features, and their caution; None is one column."""
        known, day, cycles, static, _ = blocks
        factors: list[tuple[Floats, Floats | None, float]] = [
            (known, None, 1.0),
            (known, day, PRODUCT),
            (static, known, PRODUCT),
            (static, cycles, 1.0),
        ]
        if self.chosen.calendar:
            factors += [(cycles, None, 1.0), (day, day, PRODUCT)]
        return factors

    def to_dict(self) -> dict[str, Any]:
        """Everything but ``levels``, ready for JSON."""
        stored = asdict(self)
        del stored["levels"]
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Design":
        """The inverse of ``to_dict``."""
        future, past, static = (
            tuple(_restored(column) for column in stored[part])
            for part in ("future", "past", "static")
        )
        chosen = CovariateColumns(**_tuples(stored["chosen"]))
        return cls(chosen, future, past, static, stored["season"], stored["several"])


def _restored(stored: Mapping[str, Any]) -> Column:
    plain = _tuples(stored)
    return Category(**plain) if "levels" in plain else Number(**plain)


def _tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}


def _column(name: str, values: pd.Series) -> Column:
    if is_number(values):
        return Number.of(name, as_numbers(name, values))
    sizes = pd.Series(as_texts(name, values)).value_counts()
    if not len(sizes):
        raise DataError(f"The covariate {name!r} has no value at all in the training rows.")
    return Category(name, tuple(sorted(map(str, sizes.index[:LEVELS]))))


def encoded(column: Column, values: pd.Series) -> Floats:
    """A column as training has it."""
    if isinstance(column, Number):
        return column.encode(as_numbers(column.name, values))
    return column.encode(as_texts(column.name, values))


def own_levels(table: pd.DataFrame, name: str) -> dict[Any, tuple[float, float]]:
    """Mean and standard deviation of a number in each series; (0, 1) where it has none."""
    numbers = pd.Series(as_numbers(name, table[name]))
    groups = numbers.groupby(table.unique_id.to_numpy(), sort=False)
    loc, spread = groups.mean().fillna(0.0), groups.std(ddof=0).fillna(0.0)
    spread = spread.where(spread > 1e-9 * loc.abs(), 1.0).where(spread > 0, 1.0)
    pairs = zip(loc.tolist(), spread.tolist(), strict=True)
    return dict(zip(loc.index.tolist(), pairs, strict=True))


def clock(calendar: Calendar, time: Ints, season: int) -> tuple[Floats, Floats]:
    """Places in the cycles of the calendar, as sines and cosines: the shorter ones, and all.

    The shorter ones are the day, and whether it is a working day; or for days the week; or for
    times without dates the main season.

    Args:
        calendar: on which times are read, in its own time zone.
        time: in integers.
        season: steps of the main season.
    """
    place, distinct = pd.factorize(time)  # series share their times
    short, every = _clock(calendar, distinct, season)
    return short[place], every[place]


def _clock(calendar: Calendar, time: Ints, season: int) -> tuple[Floats, Floats]:
    if not calendar.dated:
        turns = time / (calendar.step * season)
        short = _waves(turns, min(3, season // 2))
        return short, short
    wall, step = calendar.wall(time), calendar.step
    none = np.empty((len(time), 0))
    day = _waves(wall / DAY, min(3, DAY // (2 * step))) if step < DAY else none
    turns = (wall - 4 * DAY) / WEEK  # 1970-01-05 was a Monday
    fine = calendar.finer_than_weeks
    works = ((turns % 1) < 5 / 7)[:, None].astype(float) if fine else none
    week = _waves(np.floor(turns * 7) / 7, 3) if fine else none
    year = _waves(wall / YEAR, 2)
    short = np.concatenate([day, works], 1) if day.size else week if fine else year
    return short, np.concatenate([day, week, year], 1)


def _waves(turns: Floats, harmonics: int) -> Floats:
    angles = 2 * np.pi * (turns % 1)[:, None] * np.arange(1, harmonics + 1)
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)


def _products(one: Floats, other: Floats | None) -> Floats:
    if other is None:
        return one
    return np.asarray((one[:, :, None] * other[:, None, :]).reshape(len(one), -1))


def holidays(country: str, calendar: Calendar, time: Ints) -> Floats:
    """Tell the holidays of times.

    Of a step of a day or less: whether the local day is one, the one before one, or the one after.
    Of a longer step: how many lie in the step that begins with the time, in the one that ends with
    it, and in the one after.

    Args:
        country: ISO code, or "COUNTRY-SUBDIVISION" ("DE-BY").
        calendar: on which times are read.
        time: in integers.

    Raises:
        ConfigError: if there is no such country, times have no dates, or the package is missing.
    """
    if not calendar.dated:
        raise ConfigError(f"holidays={country!r} needs dates; these times are integers.")
    if calendar.finer_than_weeks and calendar.step <= DAY:
        days, rows = np.unique(calendar.wall(time) // DAY, return_inverse=True)
        free = _free_days(country, days)
        return np.isin(days[:, None] + [0, 1, -1], free)[rows].astype(float)
    count = calendar.count(time)
    steps = [calendar.uncount(count + place * calendar.step) for place in (-1, 0, 1, 2)]
    before, here, after, later = (calendar.wall(step) // DAY for step in steps)
    free = _free_days(country, np.concatenate([before, later]))
    spans = [(here, after), (before + 1, here + 1), (after, later)]
    numbers = [np.searchsorted(free, end) - np.searchsorted(free, start) for start, end in spans]
    return np.stack(numbers, 1).astype(float)


def _free_days(country: str, days: Ints) -> Ints:
    """The sorted holidays of the years about some days, counted from 1970-01-01."""
    first, last = (int(day.astype("datetime64[D]").astype("datetime64[Y]").astype(int)) + 1970
                   for day in (days.min(), days.max()))  # fmt: skip
    dates = _dates(country, range(first - 1, last + 2))
    start = pd.Timestamp(0).date()
    return np.array(sorted((date - start) // timedelta(days=1) for date in dates), dtype=np.int64)


def _dates(country: str, years: Iterable[int]) -> Any:
    package = _package()
    name, _, part = country.partition("-")
    known = package.list_supported_countries()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(f"holidays={country!r}: no country {name!r} is known.{hint}")
    if part and part not in known[name]:
        raise ConfigError(
            f"holidays={country!r}: {name} has no {part!r}. It has {naming(known[name], 60)}."
        )
    return package.country_holidays(name, subdiv=part or None, years=years)


def _package() -> Any:
    try:
        return import_module("holidays")
    except ImportError as error:
        raise ConfigError(
            "holidays= needs the package holidays. Install it with pip install 'tslm[holidays]'."
        ) from error
