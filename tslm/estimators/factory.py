"""Estimators from the settings of a command, or from a saved folder: with an LLM, or a baseline."""

from pathlib import Path

from omegaconf import DictConfig

from tslm.core.config.estimator_settings import estimator_arguments
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.saving.folder import saved_kind
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster


def estimator_of(cfg: DictConfig) -> TrainedForecaster:
    """Make the estimator that a command's settings describe, a baseline if ``model`` names one."""
    kind = TSLMForecaster if cfg.model is None else BaselineForecaster
    known = kind().get_params(deep=False)
    given = {key: value for key, value in estimator_arguments(cfg).items() if key in known}
    return kind(**given)


def load_estimator(
    path: str | Path,
    *,
    device: str | None = None,
    backbone: str | Path | None = None,
    download: bool = False,
) -> TrainedForecaster:
    """Load a saved folder of either estimator; see ``TrainedForecaster.load``."""
    kind = BaselineForecaster if saved_kind(path) == "BaselineForecaster" else TSLMForecaster
    return kind.load(path, device=device, backbone=backbone, download=download)
