"""Files of every engine: the same bytes, with all tables that predict and backtest take."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm import TSLMForecaster
from tslm.distributed import backtest, predict

ROWS, H = 60, 6  # of each series, ahead


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mixed rows with a covariate, a static column and a model that reads both."""
    folder = tmp_path_factory.mktemp("tables")
    draw, ds = np.random.default_rng(0), pd.date_range("2015-01-01", periods=ROWS + H, freq="MS")
    ids = [f"shop {number:02d}" for number in range(24)]
    frame = pd.DataFrame({"unique_id": np.repeat(ids, ROWS + H), "ds": np.tile(ds, len(ids))})
    frame["price"] = draw.normal(size=len(frame))
    frame["y"] = 10 + 3 * frame.price + np.sin(np.arange(len(frame)) * np.pi / 6)
    static = pd.DataFrame({"unique_id": ids, "size": draw.normal(size=len(ids))})
    row = frame.groupby("unique_id").cumcount()
    past, ahead = frame[row < ROWS], frame[row >= ROWS].drop(columns="y")
    past.sort_values("ds", kind="stable").to_parquet(folder / "past.parquet")
    ahead.to_parquet(folder / "ahead.parquet")
    static.to_parquet(folder / "static.parquet")
    model = TSLMForecaster(
        h=H,
        backbone="tiny",
        futr_exog=["price"],
        static_exog=["size"],
        text_reader="rules",
        max_steps=3,
        verbose=0,
        random_state=0,
    )
    model.fit(frame[row < ROWS - 2 * H], static_df=static).save(folder / "model")
    return folder


def files(out: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in out.glob("part-*.parquet")}
    assert len(found) > 2
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_two_workers_write_the_bytes_of_one_process(engine, tables, tmp_path):
    start, end = pd.Timestamp("2020-01-01"), pd.Timestamp("2020-03-01")
    event = {"unique_id": "shop 03", "start": start, "end": end, "text": "Sales will double."}
    static = tables / "static.parquet"
    more: dict[str, Any] = {"futr": tables / "ahead.parquet", "events": pd.DataFrame([event])}
    for name, work, options in (
        ("forecasts", predict, {"level": [80], **more}),
        ("test", backtest, {"n_windows": 2}),
    ):
        options |= {"rows": 300, "static": static, "progress": False}
        parts = {}
        for workers, place in ((1, "local"), (2, engine)):
            out = tmp_path / f"{name} {workers}"
            work(
                *(tables / "model", tables / "past.parquet", out),
                **{"engine": place, "workers": workers, **options},
            )
            parts[workers] = files(out)
        assert parts[1] == parts[2]
