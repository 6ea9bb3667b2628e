"""Processes of one machine: all blocks once, killed processes replaced, errors as they are."""

import os
import pickle
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tslm.core.errors import ConfigError, DataError
from tslm.data.series_blocks import Block
from tslm.distributed.engines import engine_of
from tslm.distributed.engines.local import LocalEngine


@dataclass(frozen=True)
class Square:
    """Worker that fails at some numbers, and ends its process at others so many times."""

    folder: Path
    deaths: int = 0
    refused: int = -1

    def __call__(self, number):
        if number == self.refused:
            raise DataError(f"{number} is refused.")
        for death in range(self.deaths if number == 3 else 0):
            mark = self.folder / str(death)
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return number * number


def children():
    return [child for child in psutil.Process().children() if "spawn_main" in str(child.cmdline())]


def test_a_process_that_is_killed_is_replaced_and_every_block_has_its_result_once(tmp_path):
    read = []

    def numbers():
        for number in range(30):
            read.append(number)
            yield number

    results = LocalEngine(2).map(Square(tmp_path, deaths=1), numbers())
    first = next(results)
    assert len(read) <= 4
    assert sorted([first, *results]) == [k * k for k in range(30)]
    assert (tmp_path / "0").exists()
    assert children() == []


def test_a_block_that_ends_every_process_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tslm.distributed.engines.pool.REPEATS", 0)
    with pytest.raises(ConfigError, match="1 workers ended one after the other before the block"):
        list(LocalEngine(2).map(Square(tmp_path, deaths=9), [3]))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_is_the_error_of_the_run(tmp_path, workers):
    with pytest.raises(DataError, match="4 is refused"):
        list(LocalEngine(workers).map(Square(tmp_path, refused=4), [4]))
    assert children() == []


def test_a_block_is_pickled_without_the_rows_beside_it():
    table = pa.table({"y": list(range(100_000))})
    block = Block(7, table.slice(500, 10), series=1)
    stored = pickle.dumps(block)
    assert len(stored) < 2000
    again = pickle.loads(stored)
    assert again.number == 7
    assert again.table.equals(block.table)
    assert again.digest == block.digest


def test_workers_are_counted():
    with pytest.raises(ConfigError, match="workers"):
        engine_of("local", 0)
