"""Hourly sales with covariates, and forecasters that read them."""

from typing import Any

import numpy as np
import pandas as pd

from tslm import BaselineForecaster, Spec, TSLMForecaster

H, ROWS = 12, 240
FAST: dict[str, Any] = {
    "h": H,
    "backbone": "tiny",
    "context_length": 48,
    "season_length": 24,
    "max_steps": 5,
    "trainer": Spec("one_cycle", looks=2),
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
}
COLUMNS = ["temp", "promo", "kind"]


def forecaster(adapter: Any = None, **options: Any) -> TSLMForecaster:
    """Return a small forecaster with a language model, AutoTimes unless named."""
    adapter = adapter or Spec("autotimes", patch_len=12)
    return TSLMForecaster(**{"base": None, **FAST, "adapter": adapter, **options})


def profile(**options: Any) -> BaselineForecaster:
    """Return the baseline ``profile`` with the sizes of the small forecaster."""
    plain = {key: FAST[key] for key in ("h", "context_length", "season_length", "verbose")}
    return BaselineForecaster("profile", **{**plain, **options})


def sales(ids: tuple[Any, ...] = ("a", "b"), rows: int = ROWS + H) -> pd.DataFrame:
    """Return hourly sales: a daily season, plus effects of temperature, promotions and kind."""
    dice = np.random.default_rng(len(ids))
    parts = []
    for number, name in enumerate(ids):
        hour = np.arange(rows)
        temp = 20 + 5 * np.sin(hour / 37 + number) + dice.normal(0, 2, rows)
        promo = dice.random(rows) < 0.2
        kind = dice.choice(["work", "free", "odd"], rows)
        y = 10 * number + np.sin(2 * np.pi * hour / 24) + 0.8 * np.abs(temp - 20)
        y = y + 3 * promo + 2 * (kind == "free") + dice.normal(0, 0.1, rows)
        ds = pd.date_range("2024-01-01", periods=rows, freq="h")
        columns = {"unique_id": name, "ds": ds, "y": y, "temp": temp, "promo": promo, "kind": kind}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def parts(df: pd.DataFrame, h: int = H) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all rows but the last ``h`` of each series, and these."""
    late = df.groupby("unique_id").cumcount(ascending=False) < h
    return df[~late], df[late]


def miss(model: Any, known: pd.DataFrame, futr: pd.DataFrame, **more: Any) -> float:
    """Return the mean absolute error of the forecast of ``futr``."""
    ahead = model.predict(known, futr_df=futr if model.futr_exog else None, h=H, **more)
    return float(np.abs(ahead[model.name].to_numpy() - futr.y.to_numpy()).mean())


def pushed() -> pd.DataFrame:
    """Return sales that follow the column ``ahead`` by one step."""
    df = sales(rows=1200)
    push, level = np.zeros(len(df)), np.zeros(len(df))
    for step, (a, b) in enumerate(np.random.default_rng(5).normal(0, 1, (len(df), 2))):
        push[step] = 0.9 * push[step - 1] + a
        level[step] = 0.9 * level[step - 1] + 0.5 * push[step - 1] + 0.1 * b
    return df.assign(y=level, ahead=push)
