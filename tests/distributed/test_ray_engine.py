"""Actors of a real Ray cluster: the bits of one process, killed actors replaced, plain errors."""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from tests.campaigns.killed_ray import ROWS, attempt, files, is_kind, prepare
from tests.distributed.test_local_engine import Square
from tslm.core.errors import ConfigError, DataError
from tslm.distributed import predict
from tslm.distributed.engines import engine_of


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two CPUs on this machine."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a model and the forecasts of one process."""
    folder = tmp_path_factory.mktemp("run")
    prepare(folder)
    return folder


def distributed(run: Path, out: Path, **options: Any) -> dict[str, Any]:
    data, model = run / "data.parquet", run / "model"
    return predict(model, data, out, engine="ray", rows=ROWS, progress=False, **options)


def kill_an_actor(out: Path, killed: list[int]) -> None:
    """Kill an actor of this process when it has written some files."""
    while not (out / "manifest.json").exists():
        actors = [p for p in psutil.Process().children(recursive=True) if is_kind(p, "actor")]
        if actors and len(list(out.glob("part-*"))) > 5:
            actors[0].kill()
            killed.append(actors[0].pid)
            return
        time.sleep(0.01)


def test_the_bits_are_those_of_one_process_when_an_actor_is_killed(cluster, run, tmp_path):
    killed: list[int] = []
    thread = Thread(target=kill_an_actor, args=(tmp_path / "out", killed))
    thread.start()
    manifest = distributed(run, tmp_path / "out", workers=2)
    thread.join()
    assert len(killed) == 1
    assert manifest["blocks"] > 100
    assert files(tmp_path / "out") == files(run / "whole")
    assert cluster.is_initialized()


def test_errors_of_a_worker_and_of_the_address_are_errors_of_the_run(cluster, tmp_path):
    with pytest.raises(DataError, match="4 is refused"):
        list(engine_of("ray").map(Square(tmp_path, refused=4), [4]))
    engine = engine_of("ray", address="10.0.0.1:6379")
    with pytest.raises(ConfigError, match="is connected to a Ray cluster already"):
        list(engine.map(Square(tmp_path), [4]))


def test_a_finished_run_starts_no_actor(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    first = predict(
        run / "model", run / "data.parquet", tmp_path / "out", rows=ROWS, progress=False
    )
    assert distributed(run, tmp_path / "out") == first


def test_an_absent_ray_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'tslm\[ray\]'"):
        distributed(run, tmp_path / "out")


def test_an_address_needs_ray():
    with pytest.raises(ConfigError, match="needs engine=ray"):
        engine_of("local", address="10.0.0.1:6379")


@pytest.mark.parametrize("kind", ["driver", "raylet"])
def test_a_run_continues_when_its_driver_or_its_raylet_was_killed(run, kind):
    assert attempt(kind, run, random.Random(0), first=2, finish="local") == "killed"
