"""Leaderboard of saved results: one row per model, one column per data set and horizon.

A number is bold if an ablation found this model better than all others. Models that are not
significantly worse than the best are marked with ≈.
"""

import json
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tslm.core.errors import ConfigError, DataError
from tslm.evaluation.ablation.arms import ITSELF

COLUMNS = ["data", "horizon", "model", "mse", "mse_sd", "mae", "runs", "windows", "among_best"]


def gather(results: Sequence[str | Path]) -> pd.DataFrame:
    """Read results into one frame, with one row per data set, horizon and model.

    Args:
        results: JSON files that ``tslm benchmark`` and ``tslm ablate`` wrote, or folders of them.

    Returns:
        Frame with the columns ``COLUMNS``; ``among_best`` is null for results of benchmarks.

    Raises:
        ConfigError: if there is no such file.
        DataError: if a file is not such a result.
    """
    rows = [row for path in _files(results) for row in _read(path)]
    if not rows:
        raise ConfigError(
            f"results={', '.join(map(str, results))} has no JSON file. Give files that "
            "tslm benchmark or tslm ablate wrote."
        )
    table = pd.DataFrame(rows)
    key = ["data", "horizon", "model"]
    spread = table.groupby(key, sort=False).agg(
        mse=("mse", "mean"),
        mse_sd=("mse", "std"),
        given_sd=("mse_sd", "first"),
        mae=("mae", "mean"),
        runs=("runs", "sum"),
        windows=("windows", "first"),
        among_best=("among_best", "first"),
    )
    spread["mse_sd"] = spread.mse_sd.fillna(spread.pop("given_sd").astype(float))
    return spread.reset_index()[COLUMNS]


def to_markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown: the MSE, with the deviation between training runs.

    Args:
        table: frame that ``gather`` returned.
    """
    places = list(dict.fromkeys(zip(table.data, table.horizon, strict=True)))
    best = table.assign(best=[flag is True for flag in table.among_best])
    rivals = best.groupby(["data", "horizon"]).best.sum()
    cells = {
        (row["model"], place): _cell(row, alone=bool(rivals[place] == 1))
        for row in table.to_dict(orient="records")
        for place in [(row["data"], row["horizon"])]
    }
    head = ["model", *(f"{data} {horizon}" for data, horizon in places)]
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    for model in dict.fromkeys(table.model):
        lines.append(" | ".join([model, *(cells.get((model, place), "") for place in places)]))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _files(results: Sequence[str | Path]) -> Iterator[Path]:
    for path in map(Path, results):
        if not path.exists():
            raise ConfigError(f"results={path} does not exist.")
        yield from sorted(path.glob("**/*.json")) if path.is_dir() else [path]


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return [_arm(content, arm) for arm in content["arms"]]
        return [_record(record) for record in content]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a result of tslm benchmark or tslm ablate: {error}"
        ) from error


def _arm(content: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
    """Return the row of one arm of an ablation."""
    name = content["model"] if arm["arm"] == ITSELF else arm["arm"]
    names = ("horizon", "mse", "mse_sd", "mae", "runs", "windows", "among_best")
    data = _place(content["data"], content.get("settings", {}).get(ITSELF, {}))
    return {"data": data, "model": name, **{key: arm[key] for key in names}}


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a benchmark record; the name of the model includes its main settings."""
    settings = record["config"]
    name = record["model"]
    if record.get("backbone") is not None:
        depth = settings["n_layers"]
        name += f" on {record['backbone']}" + (f", {depth} blocks" if depth is not None else "")
    if (base := settings.get("choices", {}).get("base")) is not None:
        name += f", base {base}"
    return {
        "data": _place(record["benchmark"], settings, record.get("fitted_on")),
        "model": name,
        **{key: record[key] for key in ("horizon", "mse", "mae", "windows")},
        "mse_sd": None,
        "runs": 1,
        "among_best": None,
    }


def _place(data: str, settings: dict[str, Any], fitted_on: str | None = None) -> str:
    """Return the title of a column: the data set, and the training data if they are others."""
    if fitted_on not in (None, data):
        data = f"{data} from {fitted_on}"
    fraction = settings.get("fraction", 1.0)  # older results lack it
    return data if fraction == 1 else f"{data}, {fraction:.0%} of rows,"


def _cell(row: dict[Hashable, Any], alone: bool) -> str:
    """Return the text of an error: bold if it is the only best one, marked ≈ if one of several."""
    number = f"{row['mse']:.3f}"
    if row["among_best"] is True:
        number = f"**{number}**" if alone else f"{number} ≈"
    return number if pd.isna(row["mse_sd"]) else f"{number} ±{row['mse_sd']:.3f}"
