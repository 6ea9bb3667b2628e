"""State of an estimator of scikit-learn: before or after ``fit``."""

from typing import Any

from tslm.core.errors import ConfigError, NotFittedError
from tslm.core.plain_values import plain


def fitted_attribute(estimator: Any, name: str) -> Any:
    """Return an attribute that ``fit`` or another method sets; None before that."""
    return vars(estimator).get(name)


def is_fitted(estimator: Any, *names: str) -> bool:
    """Return True if an estimator has one of the attributes that ``fit`` sets."""
    return any(name in vars(estimator) for name in names)


def check_fitted(estimator: Any, remedy: str) -> None:
    """Refuse an estimator that is not fitted, by its ``__sklearn_is_fitted__``.

    Args:
        estimator: the estimator.
        remedy: the call that is needed first, a sentence.

    Raises:
        NotFittedError: if it is not fitted.
    """
    if not estimator.__sklearn_is_fitted__():
        raise NotFittedError(f"This {type(estimator).__name__} is not fitted yet. {remedy}")


def check_unchanged(name: str, before: Any, now: Any) -> None:
    """Refuse a setting that was changed after ``fit``.

    Raises:
        ConfigError: if the two values differ.
    """
    if now != before:
        raise ConfigError(
            f"{name} was changed from {plain(before)!r} to {plain(now)!r} after fit. Fit again, or "
            "set it back."
        )
