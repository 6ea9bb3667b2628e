"""Selection of covariates: the columns and calendar features a user asks for."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from tslm.core.errors import ConfigError
from tslm.core.fitted import check_unchanged
from tslm.core.messages import naming
from tslm.core.plain_values import plain


@dataclass(frozen=True)
class CovariateColumns:
    """Names of the covariates to use, by when their values are known.

    Attributes:
        future: columns known in advance, for the forecast steps too (``futr_exog``).
        past: columns known up to the last row only (``hist_exog``).
        static: columns with one value per series (``static_exog``).
        holidays: country of the holiday features, "COUNTRY" or "COUNTRY-SUBDIVISION"; None adds
            none.
        calendar: True adds time of day, day of week and time of year as features of their own.
    """

    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    holidays: str | None = None
    calendar: bool = False

    @classmethod
    def of(
        cls, futr_exog: Any, hist_exog: Any, static_exog: Any, holidays: str | None, calendar: Any
    ) -> "CovariateColumns":
        """Make a selection from the parameters of an estimator.

        Raises:
            ConfigError: if a parameter is not a list of names.
        """
        given = {"futr_exog": futr_exog, "hist_exog": hist_exog, "static_exog": static_exog}
        names: list[tuple[str, ...]] = []
        for parameter, value in given.items():
            value = plain(value)
            if isinstance(value, str) or not all(isinstance(name, str) for name in value or ()):
                raise ConfigError(f"{parameter}={value!r} must be a list of column names.")
            names.append(tuple(value or ()))
        future, past, static = names
        return cls(future, past, static, holidays, bool(calendar))

    def __bool__(self) -> bool:
        return bool(self.columns or self.holidays or self.calendar)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns: future, past, then static ones."""
        return (*self.future, *self.past, *self.static)

    def check(self, own: Sequence[str]) -> "CovariateColumns":
        """Return the selection itself if every column is named once and is a covariate.

        Args:
            own: names of the id, time and target columns.

        Raises:
            ConfigError: if a name occurs twice, or is that of the id, time or target column.
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

    def check_unchanged(self, fitted: "CovariateColumns") -> None:
        """Refuse parameters that name other covariates than those of ``fit``.

        Args:
            fitted: the selection at ``fit``.

        Raises:
            ConfigError: with the first parameter that was changed.
        """
        if not self and not fitted:  # such as an empty list in place of None
            return
        settings = ("futr_exog", "hist_exog", "static_exog", "holidays", "calendar")
        for name, now, before in zip(settings, astuple(self), astuple(fitted), strict=True):
            check_unchanged(name, before, now)
