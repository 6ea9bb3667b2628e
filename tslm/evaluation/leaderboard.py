"""Results that other verbs wrote, side by side: models down, data sets across.

A difference that chance explains is not printed as one: an ablation tells which models cannot be
told from the best, and a bold number stands where the best one stands alone.
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
    """One row a data set, horizon and model, of all files, in their order.

    Args:
        results: what ``benchmark`` and ``ablate`` wrote: JSON files, or folders of them.

    Returns:
        Frame with ``COLUMNS``; ``among_best`` is null where nothing was compared.

    Raises:
        ConfigError: if there is no such file.
        DataError: if a file is no result.
    """
    rows = [row for path in _files(results) for row in _read(path)]
    if not rows:
        raise ConfigError(f"results={', '.join(map(str, results))} holds no JSON file.")
    table = pd.DataFrame(rows)
    alike = ["data", "horizon", "model"]
    spread = table.groupby(alike, sort=False).agg(
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
    """The table as people read it: MSE, with the deviation between training runs.

    Args:
        table: as ``gather`` makes it.
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
        raise DataError(f"{path} is no result of tslm benchmark or tslm ablate: {error}") from error


def _arm(content: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
    """A row of an ablation."""
    name = content["model"] if arm["arm"] == ITSELF else arm["arm"]
    names = ("horizon", "mse", "mse_sd", "mae", "runs", "windows", "among_best")
    data = _place(content["data"], content.get("settings", {}).get(ITSELF, {}))
    return {"data": data, "model": name, **{key: arm[key] for key in names}}


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """A row of a benchmark; models of different settings are different models."""
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
    """A data set; where another one, or a part of it, was trained on, it is a place of its own."""
    if fitted_on not in (None, data):
        data = f"{data} from {fitted_on}"
    share = settings.get("fraction", 1.0)  # older results do not say
    return data if share == 1 else f"{data}, {share:.0%} of rows,"


def _cell(row: dict[Hashable, Any], alone: bool) -> str:
    """An error, in bold if no other may be the best, marked if it may be the best among others."""
    number = f"{row['mse']:.3f}"
    if row["among_best"] is True:
        number = f"**{number}**" if alone else f"{number} ≈"
    return number if pd.isna(row["mse_sd"]) else f"{number} ±{row['mse_sd']:.3f}"
