"""The batch size that fits into the free memory: ``batch_size="auto"``."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.estimators.memory.test_estimate import forecaster
from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError, TSLMForecaster
from tslm.core import memory
from tslm.core.files import write_text
from tslm.estimators.memory import batch_size
from tslm.estimators.memory.estimate import Line, NetworkMemory

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
MB = 10**6


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the free memory that is found, in MB."""

    def set_free(megabytes: float | None) -> None:
        found = None if megabytes is None else int(megabytes * MB)
        monkeypatch.setattr(batch_size, "free_memory", lambda device: found)

    return set_free


def test_the_largest_power_of_two_that_fits_is_taken(free: Any) -> None:
    network = NetworkMemory(100 * MB, 0, 1, Line(0.0, 1e7), Line(0.0, 0.0), 0)
    chosen = {}
    for megabytes in (1000, 500, 400, 260):
        free(megabytes)
        chosen[megabytes] = batch_size.largest_batch(network, 1, torch.device("cpu"), 60)
    assert chosen == {1000: 32, 500: 16, 400: 8, 260: 4}


def test_the_number_is_recorded_and_saved(free: Any, tmp_path: Path) -> None:
    free(100_000)
    model = forecaster(batch_size="auto").fit(random_walks(400, list("abcd")))
    assert model.config_.batch_size == 256  # four times that of autotimes.yaml
    model.save(tmp_path / "m")
    assert TSLMForecaster.load(tmp_path / "m").config_.batch_size == 256


def test_a_baseline_takes_it_too(free: Any) -> None:
    free(100_000)
    usual = {"h": 12, "max_steps": 2, "accelerator": "cpu", "verbose": 0, "random_state": 0}
    model = BaselineForecaster("dlinear", batch_size="auto", **usual).fit(random_walks(400))
    assert model.config_.batch_size == 256


def test_too_little_and_unknown_memory_are_refused_with_words_to_type(free: Any) -> None:
    free(1)
    with pytest.raises(ConfigError, match=r"1 MB are free on cpu.* batch_size=1 to try it"):
        forecaster(batch_size="auto").fit(random_walks(400))
    free(None)
    with pytest.raises(ConfigError, match=r"free memory of cpu is unknown.* batch_size=256"):
        forecaster(batch_size="auto").fit(random_walks(400))
    with pytest.raises(ConfigError, match="chooses for one device"):
        forecaster(batch_size="auto", devices=2).fit(random_walks(400))
    with pytest.raises(ConfigError, match="batch_size=many must be a whole number"):
        forecaster(batch_size="many").fit(random_walks(400))


def test_a_run_that_continues_keeps_its_batch_size(free: Any, tmp_path: Path) -> None:
    free(100_000)
    first = forecaster(batch_size="auto", max_steps=4).fit(random_walks(400), folder=tmp_path)
    free(1)
    again = forecaster(batch_size="auto", max_steps=4).fit(random_walks(400), folder=tmp_path)
    assert again.config_.batch_size == first.config_.batch_size
    assert again.history_.equals(first.history_)


def test_the_least_limit_of_machine_container_and_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "limit_of_process", lambda: iter(()))
    monkeypatch.setattr(memory, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP_FOLDER", tmp_path)
    write_text("MemTotal: 2000 kB\nMemAvailable: 1000 kB\n", str(tmp_path / "meminfo"))
    cpu = torch.device("cpu")
    assert memory.free_memory(cpu) == 1000 * 1024
    for name, text in (("max", "900000\n"), ("current", "600000\n"), ("stat", "inactive_file 99")):
        write_text(text, str(tmp_path / f"memory.{name}"))
    assert memory.free_memory(cpu) == 300_099
    write_text("max\n", str(tmp_path / "memory.max"))
    assert memory.free_memory(cpu) == 1000 * 1024
