"""Table of a group: errors relative to the reference, as rows of models and of tasks and models."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tslm.evaluation.metrics.panel_errors import geometric_mean
from tslm.evaluation.suite.earlier import rows_beside
from tslm.evaluation.suite.groups import Group
from tslm.evaluation.suite.ranks import among_best, critical_difference, mean_ranks
from tslm.evaluation.suite.store import REFERENCE, Record, Store

Row = dict[str, Any]


def tabulate(group: Group, store: Store, earlier: Row | None = None) -> Row:
    """Return the published table of a group, as plain values.

    Args:
        group: gives tasks and metrics.
        store: has the results.
        earlier: a table whose models stand in this one too, on tasks without a result of theirs.

    Returns:
        ``summary`` (a row per model), ``tasks`` (a row per task and model), ``reference`` (a row
        per task, beside published values), ``published`` (models of the source, if all tasks are
        there), ``ranks``, ``failed``, and ``size``, the number of tasks of the group.
    """
    tasks, failed, references = [], [], []
    for task in group.tasks:
        records = {record.model: record for record in store.records(task.name)}
        if REFERENCE not in records:
            continue
        base = records.pop(REFERENCE).runs[0]["scores"]
        references.append(_reference_row(group, task.name, base))
        found = [] if earlier is None else rows_beside(earlier, task.name, set(records), base)
        for record in records.values():
            if record.failed is not None:
                failed.append({"task": task.name, "model": record.model, "reason": record.failed})
            if scored := [run for run in record.runs if "scores" in run]:
                found.append(_task_row(group, record, scored, base))
        tasks += sorted(found, key=lambda row: row["model"])
    summary, ranks = _summary(group, tasks)
    return {
        "group": group.name,
        "title": group.title,
        "metrics": list(group.metrics),
        "size": len(group.tasks),
        "summary": summary,
        "tasks": tasks,
        "reference": references,
        "published": _published(group) if len(references) == len(group.tasks) else [],
        "ranks": ranks,
        "failed": failed,
    }


def _task_row(group: Group, record: Record, runs: Sequence[Row], base: dict[str, float]) -> Row:
    """Return the mean errors of the runs of one model on one task."""
    row: Row = {"task": record.task, "model": record.model, "seeds": len(runs)}
    for name in runs[0]["scores"]:
        values = [run["scores"][name] for run in runs]
        row[name] = round(float(np.mean(values)), 5)
        if name in group.metrics:
            row[f"relative_{name}"] = round(float(np.mean(values)) / base[name], 4)
            row[f"by_seed_{name}"] = [round(value / base[name], 5) for value in values]
    seconds = [run["fit_seconds"] + run["predict_seconds"] for run in runs]
    row["seconds"] = round(float(np.mean(seconds)), 1)
    row["memory_mb"] = max((run.get("memory_mb") or 0 for run in runs), default=0)
    row["note"] = " ".join(dict.fromkeys(run["note"] for run in runs if run.get("note")))
    return row


def _summary(group: Group, tasks: Sequence[Row]) -> tuple[list[Row], Row]:
    """Return one row per model, the best first, and the mean ranks of complete models."""
    by_model: dict[str, list[Row]] = {}
    for row in tasks:
        by_model.setdefault(row["model"], []).append(row)
    first = f"relative_{group.metrics[0]}"
    rows = sorted(
        (_model_row(group, model, own) for model, own in by_model.items()),
        key=lambda row: (-row["tasks"], row[first]),
    )
    ranks = _ranks(group, tasks, [row["model"] for row in rows if row["complete"]])
    for row in rows:
        row["mean_rank"] = ranks["mean_ranks"].get(row["model"])
        row["among_best"] = row["model"] in ranks["among_best"]
    return rows, ranks


def _model_row(group: Group, model: str, rows: Sequence[Row]) -> Row:
    seeds = max(row["seeds"] for row in rows)
    summary: Row = {"model": model}
    for metric in group.metrics:
        ratios = [row[f"relative_{metric}"] for row in rows]
        summary[f"relative_{metric}"] = round(geometric_mean(ratios), 4)
        by_seed = [
            geometric_mean([_of_seed(row[f"by_seed_{metric}"], seed) for row in rows])
            for seed in range(seeds)
        ]
        spread = float(np.std(by_seed, ddof=1)) if seeds > 1 else None
        summary[f"spread_{metric}"] = None if spread is None else round(spread, 4)
    summary["seconds"] = round(sum(row["seconds"] for row in rows), 1)
    summary["memory_mb"] = max(row["memory_mb"] for row in rows)
    summary["seeds"] = seeds
    summary["tasks"] = len(rows)
    summary["earlier"] = sum(row.get("earlier", False) for row in rows)
    summary["complete"] = len(rows) == len(group.tasks)
    return summary


def _of_seed(values: Sequence[float], seed: int) -> float:
    """Return the value of a seed; a model that ran once on a task has it for every seed."""
    return values[seed] if seed < len(values) else values[-1]


def _ranks(group: Group, tasks: Sequence[Row], models: Sequence[str]) -> Row:
    """Return mean ranks by the first metric, their critical difference and the best models."""
    if len(models) < 2:
        return {"mean_ranks": {}, "critical_difference": None, "among_best": []}
    metric = f"relative_{group.metrics[0]}"
    table = pd.DataFrame([row for row in tasks if row["model"] in models])
    errors = table.pivot(index="task", columns="model", values=metric)
    ranks, difference = mean_ranks(errors), critical_difference(len(models), len(errors))
    return {
        "mean_ranks": {str(name): round(float(rank), 3) for name, rank in ranks.items()},
        "critical_difference": round(difference, 3),
        "among_best": among_best(ranks, difference),
    }


def _reference_row(group: Group, name: str, scores: dict[str, float]) -> Row:
    """Return the errors of the reference on a task, and whether they equal the published ones."""
    settings = group.task(name)
    row: Row = {"task": name}
    for metric in group.metrics:
        row[metric] = round(scores[metric], 5)
    equal = {
        metric: abs(scores[metric] - value) < 6e-4
        for metric, value in settings.published.items()
        if metric in scores
    }
    row["published"] = dict(settings.published)
    row["equal"] = all(equal.values()) if equal else None
    row["note"] = settings.note
    return row


def _published(group: Group) -> list[Row]:
    """Return the published relative errors of other models on the tasks of the group."""
    names = [f"relative_{metric}" for metric in group.metrics]
    return [
        {"model": model, **{name: values[name] for name in names if name in values}}
        for model, values in group.published.items()
    ]
