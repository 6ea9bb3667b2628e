"""Rows of an earlier table, for models that are not run again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tslm.core.errors import DataError
from tslm.evaluation.suite.groups import Group

Row = dict[str, Any]
ROUNDING = 1e-5  # a table has five decimals
TOLERANCE = 1e-4  # relative, because processors differ in the last digits


def read_table(path: Path, group: Group) -> Row:
    """Return the table that an earlier command wrote.

    Args:
        path: ``GROUP.json`` of ``tslm suite``.
        group: that the table must be of.

    Raises:
        DataError: if the file is no such table, or of another group.
    """
    try:
        table = json.loads(path.read_bytes())
        name, tasks, references = table["group"], table["tasks"], table["reference"]
        complete = all(_is_complete(row, group) for row in tasks)
        complete = complete and all(_has_numbers(row, group.metrics) for row in references)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"beside={path} cannot be read as a table of tslm suite: {type(error).__name__}: "
            f"{error}. Give the file {group.name}.json of an earlier out=."
        ) from error
    if name != group.name or not complete:
        raise DataError(
            f"beside={path} is a table of the group {name}, or lacks errors of {group.name}. Give "
            f"the file {group.name}.json of an earlier out=."
        )
    return dict(table)


def _is_complete(row: Row, group: Group) -> bool:
    """Return whether a row of a task and a model has all numbers that the summary needs."""
    seeds = [row.get(f"by_seed_{metric}") for metric in group.metrics]
    relative = [f"relative_{metric}" for metric in group.metrics]
    return (
        {"task", "model"} <= set(row)
        and _has_numbers(row, [*group.metrics, *relative, "seeds", "seconds", "memory_mb"])
        and all(isinstance(each, list) and each for each in seeds)
    )


def _has_numbers(row: Row, names: Sequence[str]) -> bool:
    return all(isinstance(row.get(name), int | float) for name in names)


def rows_beside(table: Row, task: str, here: set[str], reference: dict[str, float]) -> list[Row]:
    """Return the rows of a task of an earlier table, for models without a result here.

    They are marked by ``earlier``, because code and settings may have changed since.

    Args:
        table: the earlier table.
        task: name of the task.
        here: models with a result.
        reference: errors of the reference here, by metric.

    Raises:
        DataError: if the reference had other errors there: the rows do not compare.
    """
    rows = [
        row | {"earlier": True}
        for row in table["tasks"]
        if row["task"] == task and row["model"] not in here
    ]
    for there in table["reference"] if rows else ():
        for metric in table["metrics"] if there["task"] == task else ():
            allowed = ROUNDING + TOLERANCE * abs(reference[metric])
            if abs(there[metric] - reference[metric]) > allowed:
                raise DataError(
                    f"beside=: the reference has {metric.upper()} {there[metric]:g} on {task} in "
                    f"that table and {reference[metric]:g} here, so the data or the protocol "
                    "differ and the rows do not compare. Run these models again."
                )
    return rows
