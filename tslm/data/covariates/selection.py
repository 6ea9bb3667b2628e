"""Selection of covariates: the columns and calendar features a user asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from tslm.core.errors import ConfigError
from tslm.core.messages import naming


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
