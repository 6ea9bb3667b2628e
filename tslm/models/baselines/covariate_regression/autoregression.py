"""Autoregression with covariates: a series on its own last values and on lags of covariates."""

import numpy as np
import numpy.typing as npt

from tslm.models.baselines.covariate_regression.laws import MEMBERS

Floats = npt.NDArray[np.float64]

PENALTY = 1e-8  # ridge penalty relative to the variance of a column, against collinear columns
FEWEST = 1.5  # rows for each coefficient, at least
WIDEST = 20.0  # standard deviations beyond the past values at which paths are cut


def autoregression(
    past: Floats, covariates: Floats, horizon: int, lags: int, delays: range
) -> Floats | None:
    """Return paths of an autoregression with covariates as an ensemble, ``[H, members]``.

    Each path has coefficients drawn from their least-squares law, and shocks drawn from the past
    residuals. The seed is fixed.

    Args:
        past: the series, without missing values.
        covariates: covariates of the past and of the steps to forecast, ``[L + H, K]``.
        horizon: steps, H.
        lags: own last values that are read.
        delays: steps by which covariates are delayed; 0 is the same step.

    Returns:
        The ensemble, or None if the past is too short.
    """
    first, k = max(lags, max(delays)), covariates.shape[1]
    rows = np.arange(first, len(past))
    width = 1 + lags + k * len(delays)
    if len(rows) < FEWEST * width:
        return None
    location, scale = past.mean(), past.std() or 1.0
    z = (past - location) / scale
    spread = covariates.std(0)
    x = (covariates - covariates[: len(past)].mean(0)) / np.where(spread > 0, spread, 1.0)
    own = [z[rows - lag] for lag in range(1, lags + 1)]
    given = [x[rows - delay, column] for delay in delays for column in range(k)]
    weights, shocks = _draw(np.stack([np.ones(len(rows)), *own, *given], 1), z[rows], horizon)
    limit = WIDEST + np.abs(z).max()
    paths = np.concatenate([np.tile(z[-lags:], (MEMBERS, 1)), np.zeros((MEMBERS, horizon))], 1)
    for step in range(horizon):
        here = lags + step
        features = np.concatenate([x[len(past) + step - delay] for delay in delays])
        value = weights[:, 0] + weights[:, 1 + lags :] @ features + shocks[:, step]
        value += (weights[:, 1 : 1 + lags] * paths[:, here - lags : here][:, ::-1]).sum(1)
        paths[:, here] = value.clip(-limit, limit)
    return np.sort(location + scale * paths[:, lags:].T, 1)


def _draw(design: Floats, target: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Fit by least squares, and draw coefficients ``[members, width]`` and shocks ``[members, H]``.

    The first member has the fitted coefficients.
    """
    n, width = design.shape
    power, axes = np.linalg.eigh(design.T @ design)
    root = axes / np.sqrt(power.clip(0) + PENALTY * n)  # root @ root.T is the inverse
    fitted = root @ (root.T @ (design.T @ target))
    residual = target - design @ fitted
    free = max(n - width, 1)
    draw = np.random.default_rng(0)
    noise = draw.standard_normal((MEMBERS, width)) * np.sqrt(residual @ residual / free)
    noise[0] = 0
    shocks = draw.choice(residual - residual.mean(), (MEMBERS, horizon)) * np.sqrt(n / free)
    return fitted + noise @ root.T, shocks
