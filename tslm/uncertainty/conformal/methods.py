"""Conformal methods by name: the yaml files of ``conf/conformal`` list them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import ones

from tslm.core.config.build import part_class
from tslm.core.config.choices import node
from tslm.core.errors import ConfigError, DataError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.conformal.base import ENOUGH, Conformal
from tslm.uncertainty.conformal.score_tail import score_tail
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.p_values import ScoreTail

VALUES = 2**18  # errors kept at most: fewer windows where the horizon is long
ROLLED = 128  # validation windows at most, where sample paths must be rolled out for each


def conformal_class(name: str) -> type[Conformal]:
    """Return the class that ``conf/conformal/NAME.yaml`` names, of tslm or of a plug-in.

    Raises:
        ConfigError: if there is no such file.
    """
    found: type[Conformal] = part_class(node("conformal", name))
    return found


def check_conformal(name: str, forecaster: Forecaster) -> None:
    """Refuse a method that does not exist, or that this forecaster cannot have.

    Raises:
        ConfigError: naming the methods that exist, or the settings to change.
    """
    if conformal_class(name).corrects_quantiles and not forecaster.distribution_horizon:
        raise ConfigError(
            f"conformal={name} corrects the quantiles of the model's own distribution, and "
            f"{type(forecaster).__name__} gives points only. Set decoder=quantile, student_t or "
            "mixture, or conformal=residual."
        )


def validation_windows(name: str, forecaster: Forecaster, h: int) -> int:
    """Return how many validation windows to forecast at most, counted for each channel.

    Args:
        name: name of the method.
        forecaster: trained.
        h: steps that are forecast.
    """
    rolls = conformal_class(name).corrects_quantiles and forecaster.distribution_horizon < h
    return min(ROLLED if rolls else forecaster.calibration_windows, max(VALUES // h, 1))


def fit_conformal(
    name: str,
    forecaster: Forecaster,
    val: Iterable[Batch],
    season_length: int,
    h: int,
    independent: float,
) -> Conformal:
    """Fit a method on validation windows.

    Without any observed truth widths come from past changes, see ``Conformal.of_changes``.

    Args:
        name: name of the method.
        forecaster: trained.
        val: windows with the h steps that follow them; may be empty.
        season_length: steps of a season.
        h: steps that are forecast.
        independent: number of windows that would fit without overlap.
    """
    method = conformal_class(name)
    windows = list(val)
    errors = ValidationErrors.of(
        forecaster, windows, season_length, h, independent, method.corrects_quantiles
    )
    if errors is None:
        return method.of_changes(season_length, h)
    found = method.fit(errors)
    return replace(found, tail=score_tail(found, forecaster, windows, errors))


def from_state(state: Mapping[str, Any]) -> Conformal:
    """Make a method from ``Conformal.state``, of this version or an earlier one.

    Raises:
        DataError: if values are missing or do not fit together.
    """
    state = _current(state)
    named = {"kind", "unit", "season_length", "growth", "independent"}
    if set(state) != named | {"corrections", "ranks", "stretch", "scores", "scores.tail"}:
        raise DataError("The saved intervals are not whole. Save the model again.")
    try:
        method = conformal_class(str(state["kind"]))
    except ConfigError as error:
        raise DataError("The saved intervals do not fit together. Save the model again.") from error
    return method.from_state(state)


def _current(state: Mapping[str, Any]) -> dict[str, Any]:
    """Add what earlier versions did not save: independent windows, the stretch, and scores."""
    found = dict(state)
    if "scores" not in found:
        empty = ScoreTail.none()
        found |= {"scores": empty.knots, "scores.tail": empty.tail}
    if "independent" not in found and "ranks" in found:
        ranks = found["ranks"]
        found |= {"independent": float(len(ranks)), "stretch": ones(ranks.shape[1:])}
        if len(ranks) < ENOUGH:
            found["corrections"] = ranks.new_empty(0, *ranks.shape[1:]).float()
    return found
