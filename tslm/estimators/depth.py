"""Depth of the backbone with ``n_layers="auto"``: a check before training, the choice after it."""

from collections.abc import Mapping
from typing import NamedTuple

from omegaconf import DictConfig

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.data.batches import Batches
from tslm.estimators.announcement import say
from tslm.models.depth_search import DepthSearch


class Settled(NamedTuple):
    """Forecaster after training, its settings, and the validation errors that chose its depth.

    Attributes:
        model: the forecaster.
        cfg: settings, with a number of blocks.
        depths: validation error of each depth; empty if the depth was set.
    """

    model: Forecaster
    cfg: DictConfig
    depths: Mapping[int, float]


def check_depth(model: Forecaster, cfg: DictConfig, val: Batches | None) -> None:
    """Refuse to choose a depth without training or without validation values.

    Args:
        model: the new forecaster.
        cfg: settings after ``settle``.
        val: validation windows; None if there are none.

    Raises:
        ConfigError: with the setting to change.
    """
    if not isinstance(model.learner, DepthSearch):
        return
    if not cfg.max_steps:
        raise ConfigError(
            "n_layers=auto chooses the depth by training, and max_steps=0. Set a number of blocks, "
            "such as n_layers=2, or max_steps=1 or more."
        )
    if val is None or all(batch.future.isnan().all() for batch in val):
        raise ConfigError(
            "n_layers=auto chooses the depth on validation rows, and there is none with a value. "
            "Set val_size or give longer series, or set a number of blocks, such as n_layers=2."
        )


def settle_depth(model: Forecaster, cfg: DictConfig, val: Batches | None) -> Settled:
    """Return the forecaster cut at the depth that validation windows choose; say so in one line.

    Args:
        model: the forecaster after training.
        cfg: settings after ``settle``.
        val: validation windows.
    """
    search = model.learner
    if not isinstance(search, DepthSearch):
        return Settled(model, cfg, {})
    assert val is not None, "checked before training"
    model = model.settled(val)
    assert search.choice is not None
    cfg = cfg.copy()
    cfg.n_layers = search.choice.depth
    if cfg.verbose > 0:
        say(str(search.choice))
    return Settled(model, cfg, search.choice.errors)
