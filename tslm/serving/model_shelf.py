"""Shelf of saved models by name. A folder that changes on disk replaces its model."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pandas.api.types import is_numeric_dtype

from tslm import __version__
from tslm.core.atomic_write import place
from tslm.core.errors import ConfigError, TslmError
from tslm.core.hashing import sha256
from tslm.core.messages import did_you_mean, naming
from tslm.estimators.factory import load_estimator
from tslm.estimators.panel_reader import PanelReader
from tslm.estimators.saving.files import MODEL
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models.forecast_model import ForecastModel
from tslm.serving.refusal import RefusedError

Models = str | Path | Mapping[str, str | Path]
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class ServedModel:
    """A loaded model.

    Attributes:
        name: name in requests.
        path: its folder.
        forecaster: the model.
        version: 1 for the first one loaded under this name, then 2, 3 ...
        fingerprint: digest of the file that describes it and holds the digests of its weights.
        stamp: inode, size and time of that file.
        loaded: time of loading.
    """

    name: str
    path: Path
    forecaster: TrainedForecaster
    version: int
    fingerprint: str
    stamp: Stamp
    loaded: datetime

    @cached_property
    def panels(self) -> PanelReader:
        """Return the reader of panels of the model."""
        return self.forecaster.panel_reader

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return the card of the model, ready for JSON."""
        model = self.forecaster
        reader, learner = model.reader, model.forecaster_.learner
        columns, covariates = reader.columns, reader.covariates
        body = learner.backbone.identity if isinstance(learner, ForecastModel) else None
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "loaded": self.loaded.isoformat(timespec="seconds"),
            "tslm": __version__,
            "kind": type(model).__name__,
            "column": model.name,
            "h": model.h,
            "context_length": model.context_length_,
            "freq": str(model.calendar_.freq),
            "season_length": model.task_.season_length,
            "series_of_fit": len(model.contexts_),
            "columns": {
                "id": list(columns.parts) or columns.id,
                "ids_are_numbers": bool(is_numeric_dtype(model.contexts_.ids)),
                "time": columns.time,
                "target": columns.target,
                "futr_exog": list(covariates.future),
                "hist_exog": list(covariates.past),
                "static_exog": list(covariates.static),
                "words": list(reader.words),
            },
            "backbone": body and {"name": body.name, "fingerprint": body.fingerprint},
            "validation": [vars(entry) for entry in model.verdict_.entries],
        }


class ModelShelf:
    """Loaded models by name.

    Args:
        models: the folder of a saved model, which is named after it, or folders by name.
        options: arguments of ``load``: ``device``, ``backbone``, ``download``.

    Raises:
        ConfigError: if there is no model, or a name cannot be a part of an address.
        DataError: if a folder is not a saved model.
    """

    def __init__(self, models: Models, **options: Any) -> None:
        paths = {place(models).name: models} if isinstance(models, str | Path) else models
        if not paths:
            raise ConfigError("There is no model to serve. Give model=runs/a.")
        for name in paths:
            if not all(letter.isalnum() or letter in "-_." for letter in str(name)):
                raise ConfigError(
                    f"{name!r} cannot be the name of a model. Use letters, digits, -, _ and dots: "
                    "model={sales: runs/a}."
                )
        self._options = options
        self._broken: dict[str, Stamp] = {}  # stamps of folders that could not be loaded
        self._models = {
            str(name): self._load(str(name), place(path), 1) for name, path in paths.items()
        }

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(list(self._models.values()))

    def __len__(self) -> int:
        return len(self._models)

    @property
    def id_cols(self) -> set[str]:
        """Return the names of the id columns of all models."""
        columns = [model.panels.reader.columns for model in self]
        return {name for each in columns for name in (*each.parts, each.id)}

    def find(self, name: Any) -> ServedModel:
        """Return a model; None is the only one.

        Raises:
            RefusedError: 404 if there is none of this name, 422 if a name is needed.
        """
        if name is None and len(self._models) == 1:
            return next(iter(self._models.values()))
        if name is None:
            raise RefusedError(422, f"Give the name of a model: one of {naming(self._models, 20)}.")
        if not isinstance(name, str) or name not in self._models:
            shown = repr(name)[:100]
            hint = did_you_mean(shown, self._models) if isinstance(name, str) else ""
            raise RefusedError(
                404, f"There is no model {shown}.{hint} There are {naming(self._models, 20)}."
            )
        return self._models[name]

    def reload(self, name: str) -> ServedModel:
        """Load a model again. The old one is kept until the new one is complete.

        Raises:
            RefusedError: 404 if there is none of this name.
            TslmError: if the folder cannot be loaded; the old model stays.
        """
        old = self.find(name)
        new = self._load(old.name, old.path, old.version + 1)
        self._models[old.name] = new
        return new

    def reload_changed(self, tell: Callable[[str], None]) -> list[ServedModel]:
        """Load the models whose folders have changed, and return them.

        Args:
            tell: is told of folders that cannot be loaded, once for each change.
        """
        renewed = []
        for old in self:
            stamp = _stamp(old.path)
            if stamp in (None, old.stamp, self._broken.get(old.name)):
                continue
            try:
                renewed.append(self.reload(old.name))
            except (TslmError, OSError) as error:
                self._broken[old.name] = stamp
                tell(f"{old.name} stays at version {old.version}: {error}")
        return renewed

    def _load(self, name: str, path: Path, version: int) -> ServedModel:
        stamp = _stamp(path)
        forecaster = load_estimator(path, **self._options)
        fingerprint = sha256(path / MODEL)[:16]
        now = datetime.now(UTC)
        return ServedModel(name, path, forecaster, version, fingerprint, stamp, now)


def _stamp(path: Path) -> Stamp:
    """Return numbers that change when a model is saved to a folder; None if there is none."""
    try:
        about = (path / MODEL).stat()
    except OSError:  # it is being replaced
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
