"""Table of a group as Markdown and as CSV."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

Table = dict[str, Any]
NOTE = (
    "Errors relative to the seasonal naive forecast; lower is better. ± is the standard deviation "
    "between seeds. Models marked with ≈ do not rank significantly below the best. Seconds are "
    "those of fit and forecast on all tasks, per seed."
)


def to_markdown(table: Table) -> str:
    """Return the summary, the relative errors by task, and the check of the reference.

    Args:
        table: the value that ``tabulate`` returned.
    """
    metrics = table["metrics"]
    parts = [
        f"# {table['title']}",
        NOTE,
        markdown(summary_cells(table)),
    ]
    for metric in metrics:
        parts += [f"## {metric.upper()} by task", markdown(task_cells(table, metric))]
    parts += ["## Reference and published values", markdown(reference_cells(table))]
    if table["failed"]:
        rows = [[row["task"], row["model"], row["reason"]] for row in table["failed"]]
        parts += ["## Failed", markdown([["task", "model", "reason"], *rows])]
    return "\n\n".join(parts) + "\n"


def to_frame(table: Table) -> pd.DataFrame:
    """Return one row per task and model, for a CSV file."""
    frame = pd.DataFrame(table["tasks"])
    return frame.drop(columns=[name for name in frame if str(name).startswith("by_seed_")])


def summary_cells(table: Table) -> list[list[str]]:
    """Return the rows of the summary as text, the head first; published models come last."""
    metrics = table["metrics"]
    head = ["model", *(f"relative {metric.upper()}" for metric in metrics)]
    rows = [[*head, "mean rank", "seconds", "MB", "seeds", "tasks"]]
    for row in table["summary"]:
        errors = [_spread(row[f"relative_{m}"], row[f"spread_{m}"]) for m in metrics]
        rank = "" if row["mean_rank"] is None else f"{row['mean_rank']:.2f}"
        mark = " ≈" if row["among_best"] else ""
        count = f"{row['tasks']} of {table['size']}"
        count += f", {row['earlier']} earlier" if row["earlier"] else ""
        cost = [f"{row['seconds']:.0f}", str(row["memory_mb"]), str(row["seeds"]), count]
        rows.append([row["model"] + mark, *errors, rank, *cost])
    for row in table["published"]:
        errors = [_number(row.get(f"relative_{metric}"), 3) for metric in metrics]
        rows.append([f"{row['model']} (published)", *errors, "", "", "", "", ""])
    return rows


def task_cells(table: Table, metric: str) -> list[list[str]]:
    """Return the errors of one metric by model and task as text, the head first."""
    tasks = [row["task"] for row in table["reference"]]
    errors = {(row["model"], row["task"]): row[metric] for row in table["tasks"]}
    rows = [["model", *tasks]]
    rows.append(["reference", *(_number(row[metric]) for row in table["reference"])])
    for row in table["summary"]:
        cells = [_number(errors.get((row["model"], task))) for task in tasks]
        rows.append([row["model"], *cells])
    return rows


def reference_cells(table: Table) -> list[list[str]]:
    """Return the reference beside its published errors as text, the head first."""
    rows = [["task", "metric", "here", "published", "equal to 3 decimals", "note"]]
    for row in table["reference"]:
        for metric, value in row["published"].items():
            here = row.get(metric)
            equal = "" if here is None else "yes" if abs(here - value) < 6e-4 else "no"
            rows.append(
                [row["task"], metric.upper(), _number(here), f"{value}", equal, row["note"]]
            )
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([head, rule, *body])


def _spread(value: float, spread: float | None) -> str:
    return f"{value:.3f}" if spread is None else f"{value:.3f} ±{spread:.3f}"


def _number(value: float | None, places: int = 4) -> str:
    return "" if value is None else f"{value:.{places}f}"
