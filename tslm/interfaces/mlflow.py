"""Fitted forecasters as models of MLflow: saved, logged in a run, and loaded by ``pyfunc``.

Install with ``pip install 'tslm[mlflow]'``. ``mlflow.pyfunc.load_model(path).predict(df)`` returns
what ``model.predict(df)`` returns. The folder holds the files of ``model.save`` and no pickle.

The language model is not in the folder. The machine that loads it needs ``tslm backbone pull``.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from tslm import __version__
from tslm.core.atomic_write import place
from tslm.core.errors import ConfigError
from tslm.core.messages import naming
from tslm.estimators.factory import load_estimator
from tslm.estimators.trained_forecaster import TrainedForecaster

try:
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec
except ImportError as error:
    raise ConfigError("MLflow is not installed. Type: pip install 'tslm[mlflow]'") from error

MODEL = "model"  # the folder of model.save inside that of MLflow


class SavedForecaster:
    """Forecaster of a saved folder, with the method that MLflow calls.

    Args:
        folder: folder that ``model.save`` wrote.
    """

    def __init__(self, folder: str | Path) -> None:
        self.model = load_estimator(folder)

    def predict(
        self, df: pd.DataFrame | None, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Forecast the steps after the last row of each series.

        Args:
            df: the long frame; None continues the series of ``fit``.
            params: ``h``, ``level``, ``quantiles`` and ``num_samples`` as in ``predict``. None and
                an empty list are the same as no value.
        """
        given = params or {}
        return self.model.predict(
            df,
            h=given.get("h"),
            level=given.get("level") or None,
            quantiles=given.get("quantiles") or None,
            num_samples=given.get("num_samples"),
        )


def save_model(model: TrainedForecaster, path: str | Path, history: bool = True) -> None:
    """Write a fitted forecaster as a folder of MLflow.

    Args:
        model: the fitted forecaster.
        path: the folder, which must not exist or be empty.
        history: True to save the last rows of each series, see ``TrainedForecaster.save``.

    Raises:
        ConfigError: if the folder has files, or the model needs covariates of the steps ahead.
        NotFittedError: before ``fit``.
    """
    folder = place(path)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{path} exists and is not an empty folder. Give another path.")
    with _arguments(model, history) as arguments:
        pyfunc.save_model(str(folder), **arguments)


def log_model(model: TrainedForecaster, name: str, history: bool = True, **options: Any) -> Any:
    """Add a fitted forecaster to the active run of MLflow, or to a new one.

    Args:
        model: the fitted forecaster.
        name: name of the model in the run.
        history: as in ``save_model``.
        options: further arguments of ``mlflow.pyfunc.log_model``, such as
            ``registered_model_name``.

    Returns:
        The ``ModelInfo`` of MLflow; ``mlflow.pyfunc.load_model`` takes its ``model_uri``.

    Raises:
        ConfigError: if the model needs covariates of the steps ahead.
        NotFittedError: before ``fit``.
    """
    with _arguments(model, history) as arguments:
        return pyfunc.log_model(name=name, **arguments, **options)


@contextmanager
def _arguments(model: TrainedForecaster, history: bool) -> Iterator[dict[str, Any]]:
    """Save the model to a temporary folder, and yield the arguments of MLflow's functions.

    The signature has no columns: MLflow would convert or drop columns of the frame, and ids and
    times may be of any type.
    """
    with TemporaryDirectory() as folder:
        model.save(Path(folder) / MODEL, history=history)
        _check_passable(model)
        params = ParamSchema(
            [
                ParamSpec("h", "long", None),
                ParamSpec("level", "double", [], (-1,)),
                ParamSpec("quantiles", "double", [], (-1,)),
                ParamSpec("num_samples", "long", None),
            ]
        )
        with warnings.catch_warnings():  # an example would be rows of the user
            warnings.filterwarnings("ignore", ".*An input example was not provided")
            yield {
                "loader_module": __name__,
                "data_path": str(Path(folder) / MODEL),
                "signature": ModelSignature(params=params),
                "pip_requirements": [f"tslm[mlflow]=={__version__}"],
            }


def _check_passable(model: TrainedForecaster) -> None:
    """Refuse a model whose forecasts need a second table, which ``pyfunc`` cannot pass.

    Raises:
        ConfigError: naming the covariates.
    """
    ahead = model.panel_reader.reader.covariates.future
    if ahead:
        raise ConfigError(
            f"The model needs {naming(ahead)} of the steps ahead, and mlflow.pyfunc passes one "
            "table only. Fit it without futr_exog, or use model.save."
        )


def _load_pyfunc(path: str) -> SavedForecaster:
    """Load a saved forecaster; MLflow calls this function by its name."""
    return SavedForecaster(path)
