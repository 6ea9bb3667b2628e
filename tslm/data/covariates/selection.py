"""Selection of covariates: the columns, and what is computed from times, that a user asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tslm.core.errors import ConfigError
from tslm.core.fitted import check_unchanged
from tslm.core.messages import naming
from tslm.core.plain_values import plain

LISTS = ("futr_exog", "hist_exog", "static_exog")  # settings that name columns


@dataclass(frozen=True)
class CovariateColumns:
    """Names of the covariates to use, by when their values are known.

    Attributes:
        future: columns known in advance, for the forecast steps too (``futr_exog``).
        past: columns known up to the last row only (``hist_exog``).
        static: columns with one value per series (``static_exog``).
        from_times: settings of the covariates that are computed from times, such as
            ``{"holidays": "DE"}``; those that are off are left out.
    """

    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    from_times: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "CovariateColumns":
        """Make a selection from the covariate settings of an estimator.

        Args:
            settings: ``futr_exog``, ``hist_exog``, ``static_exog``, and those of covariates that
                are computed from times.

        Raises:
            ConfigError: if a list of columns is not a list of names.
        """
        names: list[tuple[str, ...]] = []
        for setting in LISTS:
            value = plain(settings[setting])
            if isinstance(value, str) or not all(isinstance(name, str) for name in value or ()):
                raise ConfigError(f"{setting}={value!r} must be a list of column names.")
            names.append(tuple(value or ()))
        given = {name: plain(value) for name, value in settings.items() if name not in LISTS}
        future, past, static = names
        return cls(future, past, static, {name: value for name, value in given.items() if value})

    def __bool__(self) -> bool:
        return bool(self.columns or self.from_times)

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
        now, before = self._settings, fitted._settings
        for name in dict.fromkeys([*now, *before]):
            check_unchanged(name, before.get(name), now.get(name))

    @property
    def _settings(self) -> dict[str, Any]:
        """Return the settings of the estimator that are not empty."""
        lists = dict(zip(LISTS, (self.future, self.past, self.static), strict=True))
        return {name: names for name, names in lists.items() if names} | dict(self.from_times)
