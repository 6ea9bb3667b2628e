"""Number of trained and frozen weights of each part of a model."""

import pandas as pd
from torch import nn


def summary_of(model: nn.Module) -> pd.DataFrame:
    """Count the weights of each part of a model.

    Returns:
        One row per part that has weights, and one for all: class, trained, frozen, megabytes.
    """
    parts = {name: module for name, module in model.named_children() if _weights(module)}
    if sum(map(_weights, parts.values())) < _weights(model):  # it has weights outside its parts
        parts = {"model": model}
    rows = [_row(name, type(part).__name__, part) for name, part in parts.items()]
    rows.append(_row("all", type(model).__name__, model))
    return pd.DataFrame(rows).set_index("part")


def _weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _row(name: str, kind: str, part: nn.Module) -> dict[str, object]:
    weights = list(part.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    megabytes = sum(weight.numel() * weight.element_size() for weight in weights) / 1e6
    return {
        "part": name,
        "class": kind,
        "trained": trained,
        "frozen": _weights(part) - trained,
        "megabytes": round(megabytes, 2),
    }
