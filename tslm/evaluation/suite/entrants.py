"""Entrants of the suite: a name, and the settings of an estimator.

A name is looked up in ``conf/entrant``, then it is a baseline of ``conf/model``, then an adapter of
``conf/adapter``. A yaml file of one's own is named by its path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tslm.core.config.choices import choice, choices, node
from tslm.core.errors import ConfigError
from tslm.core.messages import unknown_choice, unknown_key
from tslm.core.spec import Spec
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation.suite.combination import COMBINE

COVARIATES = "covariates"  # of the settings of an entrant: False ignores those of the task


@dataclass(frozen=True)
class Entrant:
    """Model of the suite.

    Args:
        name: in the table, and of its files.
        settings: of ``BaselineForecaster`` if they name a ``model``, else of ``TSLMForecaster``. A
            part with options is a mapping with the key ``name``. ``mean_of`` or ``median_of``
            alone names other entrants, whose stored forecasts are combined.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads_covariates(self) -> bool:
        """Return whether the covariates of a task are given to the model."""
        return bool(self.settings.get(COVARIATES, "model" not in self.settings))

    @property
    def combination(self) -> tuple[str, list[str]] | None:
        """Return the key of a combination and its members, or None for a model."""
        found = [key for key in COMBINE if key in self.settings]
        return (found[0], list(map(str, self.settings[found[0]]))) if found else None

    def with_settings(self, settings: Mapping[str, Any]) -> "Entrant":
        """Return the entrant with further settings, as far as its kind of estimator has them."""
        if self.combination is not None:
            return self
        further = {key: value for key, value in settings.items() if key in self._known}
        return Entrant(self.name, {**self.settings, **further})

    @property
    def _kind(self) -> type[BaselineForecaster] | type[TSLMForecaster]:
        return BaselineForecaster if "model" in self.settings else TSLMForecaster

    @property
    def _known(self) -> list[str]:
        return list(self._kind().get_params(deep=False))

    def estimator(self, **given: Any) -> TrainedForecaster:
        """Make the estimator.

        Args:
            given: settings of the task, such as ``h``; those of the entrant come before them.

        Raises:
            ConfigError: if a setting does not exist.
        """
        known = self._known
        own = {key: value for key, value in self.settings.items() if key != COVARIATES}
        for key in own:
            if key not in known:
                raise ConfigError(f"Entrant {self.name}: {unknown_key(key, known)}")
        shared = {key: value for key, value in given.items() if key in known}
        return self._kind(**{**shared, **{key: _part(value) for key, value in own.items()}})


def find(name: str) -> Entrant:
    """Return the entrant of this name.

    Args:
        name: a file of ``conf/entrant``, a baseline, an adapter, or a path that ends in .yaml.

    Raises:
        ConfigError: if there is none.
    """
    if name.endswith(".yaml"):
        return _from_file(Path(name).expanduser())
    if name in choices("entrant"):
        return Entrant(name, _plain(node("entrant", name)))
    for group in ("model", "adapter"):
        if name in choices(group):
            return Entrant(name, {group: choice(group, name)})
    known = [*choices("entrant"), *choices("model"), *choices("adapter")]
    raise ConfigError(unknown_choice("entrants", name, known))


def _from_file(path: Path) -> Entrant:
    if not path.is_file():
        raise ConfigError(f"entrants={path} does not exist.")
    found = OmegaConf.select(OmegaConf.load(path), "entrant")
    if found is None:
        raise ConfigError(f"{path} has no key entrant. Write the settings of a model below it.")
    return Entrant(path.stem, _plain(found))


def _plain(found: Any) -> dict[str, Any]:
    plain = OmegaConf.to_container(found, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _part(value: Any) -> Any:
    """Return a part with options as a ``Spec``; leave other values as they are."""
    if not isinstance(value, Mapping):
        return value
    options = {str(key): option for key, option in value.items() if key != "name"}
    return Spec(str(value["name"]), **options)
