"""Estimators from the settings of a command, or from a saved folder: with an LLM, or a baseline."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from tslm.core.config.choices import CHOICES, GROUPS
from tslm.core.config.compose import TYPED
from tslm.core.config.estimator_settings import estimator_arguments
from tslm.core.errors import ConfigError
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.saving.folder import saved_kind
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster

SIZES = (  # settings that the weights of a model depend on
    "adapter",
    "backbone",
    "base",
    "context_length",
    "decoder",
    "distribution",
    "freeze",
    "h",
    "model",
    "n_layers",
)


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


def continued_estimator(cfg: DictConfig) -> TrainedForecaster:
    """Load the saved model that ``init`` names, to be fitted on newer rows with ``warm_start``.

    Settings that were typed take the place of its own.

    Raises:
        ConfigError: if one of them contradicts the sizes of the weights; names it.
        DataError: if the model cannot be read.
    """
    model = load_estimator(cfg.init, download=True)
    known, given = model.get_params(deep=False), estimator_arguments(cfg)
    changed = {}
    for key in cfg[TYPED]:
        name = key.partition(".")[0]
        if name in SIZES:
            _check_size(key, cfg, model.config_)
        elif name in known:
            changed[name] = given[name]
    model.set_params(**changed)
    return model


def _check_size(key: str, cfg: DictConfig, last: DictConfig) -> None:
    """Refuse a setting that contradicts the sizes of a saved model.

    Raises:
        ConfigError: with both values.
    """
    group = key in GROUPS
    asked, own = (
        one[CHOICES].get(key) if group else OmegaConf.select(one, key) for one in (cfg, last)
    )
    if asked != own and (group or asked is not None):
        asked, own = ("null" if value is None else value for value in (asked, own))
        raise ConfigError(
            f"{key}={asked} contradicts the model {cfg.init}, which was fitted with {key}={own}. A "
            f"fit that goes on from a saved model keeps its sizes: leave out {key}, or init."
        )
