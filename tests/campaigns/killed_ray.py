"""Kill -9 of actors, drivers and raylets of distributed forecasts, at random points.

    python -m tests.campaigns.killed_ray 50

After the same command every series is there once, with the bits of an undisturbed run. A run goes
on by itself when an actor is killed. When the raylet of its machine is killed, it ends with an
error, unless it was nearly over. No process of a cluster that the run started is left.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from tslm import BaselineForecaster
from tslm.distributed import predict

KINDS = ("actor", "driver", "raylet")
SERIES, LENGTH, ROWS = 400, 30, 90  # 134 blocks
SECONDS = 600.0  # for anything that must come to an end


def prepare(folder: Path) -> None:
    """Write data, a model and the result of an undisturbed run."""
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=LENGTH, freq="D")
    ids = np.char.add("s", np.arange(SERIES).astype(str))
    values = dice.normal(size=SERIES * LENGTH)
    columns = {"unique_id": ids.repeat(LENGTH), "ds": np.tile(days, SERIES), "y": values}
    frame = pd.DataFrame(columns)
    frame.to_parquet(folder / "data.parquet", index=False)
    model = BaselineForecaster("seasonal_naive", h=3, verbose=0).fit(frame.head(5 * LENGTH))
    model.save(folder / "model")
    predict(folder / "model", folder / "data.parquet", folder / "whole", rows=ROWS, progress=False)


def files(out: Path) -> dict[str, bytes]:
    """Return the bytes of the forecasts and the manifest."""
    return {path.name: path.read_bytes() for path in (*out.glob("part-*"), out / "manifest.json")}


def attempt(
    kind: str, folder: Path, dice: random.Random, *, first: int = 0, finish: str = "ray"
) -> str:
    """Kill one process of a run, repeat the command, and compare with the undisturbed run.

    Args:
        kind: one of ``KINDS``.
        folder: a prepared folder.
        dice: source of the point in time.
        first: number of blocks that are written at least before.
        finish: engine that continues the run.

    Returns:
        "killed", or "finished" if the run was over before.
    """
    out = Path(tempfile.mkdtemp(dir=folder, prefix=kind)) / "out"
    blocks = json.loads((folder / "whole/manifest.json").read_text())["blocks"]
    number = dice.randrange(first, blocks // 2)
    process = subprocess.Popen(command(folder, out, "ray"), stderr=subprocess.PIPE, text=True)
    victim, tree = point(kind, process, out, number)
    outcome = "killed" if victim else "finished"
    if victim:
        time.sleep(dice.random() / 20)
        victim.kill()
    _, message = process.communicate(timeout=SECONDS)
    if victim and kind == "driver":
        assert process.returncode == -9
    elif victim and kind == "raylet":
        plain = process.returncode == 0 or "The Ray cluster has lost this machine" in message
        assert plain or first == 0, (process.returncode, message)
    else:
        assert process.returncode == 0, (process.returncode, message)
    wait_for_end(tree)
    if not (out / "manifest.json").exists():
        subprocess.run(command(folder, out, finish), check=True, timeout=SECONDS)
    assert files(out) == files(folder / "whole")
    shutil.rmtree(out.parent)
    return outcome


def command(folder: Path, out: Path, engine: str) -> list[str]:
    """Return the words of the command line."""
    words = f"model={folder}/model data={folder}/data.parquet out={out} rows={ROWS} verbose=0"
    number = 2 if engine == "ray" else 1
    tslm = [sys.executable, "-m", "tslm", "predict"]
    return [*tslm, *words.split(), f"engine={engine}", f"workers={number}"]


def point(
    kind: str, process: subprocess.Popen[str], out: Path, number: int
) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """Wait until so many blocks are written; return the process to kill and those of the run."""
    while process.poll() is None:
        if len(list(out.glob("part-*"))) >= number:
            driver = psutil.Process(process.pid)
            tree = driver.children(recursive=True)
            found = [driver] if kind == "driver" else [one for one in tree if is_kind(one, kind)]
            if found:
                return found[0], tree
        time.sleep(0.01)
    return None, []


def is_kind(process: psutil.Process, kind: str) -> bool:
    """Return True for a raylet or an actor."""
    try:
        return process.name().startswith("raylet" if kind == "raylet" else "ray::_Actor")
    except psutil.Error:
        return False


def wait_for_end(tree: list[psutil.Process]) -> None:
    """Wait until all processes of a cluster have ended."""
    _, alive = psutil.wait_procs(tree, timeout=SECONDS)
    assert alive == []


def campaign(tries: int, seed: int = 0) -> Counter[tuple[str, str]]:
    """Attempt each kind in turn; return the number of attempts by kind and outcome."""
    dice, counts = random.Random(seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for k in range(tries):
            kind = KINDS[k % len(KINDS)]
            counts[kind, attempt(kind, Path(name), dice)] += 1
            print(k + 1, kind, dict(counts), flush=True)
    return counts


if __name__ == "__main__":
    print(campaign(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
