"""Ranks of models over tasks, and the difference of mean ranks that is significant.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: the test of
Nemenyi.
"""

import pandas as pd
from scipy.stats import studentized_range


def mean_ranks(errors: pd.DataFrame) -> "pd.Series[float]":
    """Return the mean rank of each model, 1 for the smallest error; equal errors share ranks.

    Args:
        errors: one row per task and one column per model, without missing values.
    """
    return errors.rank(axis=1).mean().sort_values()


def critical_difference(models: int, tasks: int, alpha: float = 0.05) -> float:
    """Return the difference of two mean ranks above which they differ significantly.

    Args:
        models: number of models, at least 2.
        tasks: number of tasks.
        alpha: probability of calling any two equal models different.
    """
    quantile = studentized_range.ppf(1 - alpha, models, float("inf")) / 2**0.5
    return float(quantile * (models * (models + 1) / (6 * tasks)) ** 0.5)


def among_best(ranks: "pd.Series[float]", difference: float) -> list[str]:
    """Return the models whose mean rank is not significantly above the smallest one."""
    near = ranks <= ranks.min() + difference
    return [str(name) for name in ranks.index[near]]
