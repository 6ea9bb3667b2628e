"""A small group of tasks, with its data sets and models, in a folder of a test."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PONDS = """
benchmark:
  name: Ponds
  file: ponds.csv
  sha256: null
  source: us
  licence: CC0
  freq: D
  season_length: 7
  split: {train: 80, val: 20, test: 20}
  horizons: [4, 8]
  target: depth
"""
STREAMS = """
benchmark:
  kind: m_competition
  name: Streams
  files: {both: streams.tsf}
  sha256: {both: null}
  source: us
  licence: CC0
  horizon: 3
  season_length: 4
"""
WATERS = """
suite:
  title: Waters
  source: us
  metrics: [mase, wql]
  entrants: [seasonal_naive, drift]
  tasks:
    ponds: {datasets: [ponds], h: 4, season_length: 7, windows: 3, gap: 2}
    streams: {datasets: [streams], h: 3, season_length: 4, published: {mase: 0.5}}
  published:
    Others: {relative_mase: 0.9}
"""
LONG = """
suite:
  title: Long waters
  source: us
  kind: long_horizon
  metrics: [mse, mae]
  stride: 5
  entrants: [last]
  tasks:
    ponds: {datasets: [ponds], horizons: [4, 8]}
"""
TINY = """
entrant:
  backbone: tiny
  adapter: {name: autotimes, patch_len: 4}
  base: {name: auto, members: [drift]}
  context_length: 16
  max_steps: 2
  batch_size: 8
  accelerator: cpu
"""
PARTS = """
import os
import signal

from tslm.core.forecaster import Forecaster


class Killed(Forecaster):
    def __new__(cls, *, task):
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED = "model:\n  _target_: waters_parts.Killed\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small data sets, their group, and models."""
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=120)
    rain = dice.normal(size=120)
    depth = np.sin(np.arange(120) * 2 * np.pi / 7) + rain + 10
    table = pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "rain": rain, "depth": depth})
    table.to_csv(tmp_path / "ponds.csv", index=False)
    lines = [f"s{n}:{','.join(map(str, dice.normal(size=20 + n).cumsum() + 20))}" for n in range(3)]
    (tmp_path / "streams.tsf").write_text("\n".join(["# streams", "@data", *lines]))
    files = {"benchmark/ponds": PONDS, "benchmark/streams": STREAMS, "suite/waters": WATERS}
    files |= {"suite/long_waters": LONG, "entrant/small": TINY, "model/killed": KILLED}
    for name, text in files.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n# A file.\n{text}")
    (tmp_path / "waters_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TSLM_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    return tmp_path
