"""Memory that runs out ends with one message and settings to change."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.command import command
from tests.contract.pretended import pretended
from tests.estimators.memory.test_estimate import forecaster
from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError
from tslm.core.memory import ran_out
from tslm.interfaces.cli import commands
from tslm.models.forecast_model import ForecastModel

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
LIMITED = """
import resource, sys
import numpy, pandas, torch, lightning, transformers
from tslm import TSLMForecaster
from tslm.interfaces.cli.main import main

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
main(sys.argv[1:])
"""


def failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def test_errors_of_every_allocator_are_told_from_others() -> None:
    cpu = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"
    assert all(map(ran_out, (CUDA, RuntimeError(cpu), MemoryError(), OSError(12, "no memory"))))
    assert not any(map(ran_out, (RuntimeError("shape"), OSError(2, "no file"), ValueError())))


def test_a_fit_on_a_full_device_names_three_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended(monkeypatch):
        monkeypatch.setattr(ForecastModel, "forward", failing(CUDA))
        with pytest.raises(ConfigError) as told:
            forecaster(accelerator="auto", batch_size=32, context_length=84).fit(random_walks(300))
    assert "fit ran out of memory" in str(told.value)
    assert "batch_size=16 instead of 32; n_layers=1 instead of 2; context_length=42" in str(
        told.value
    )
    assert "(CUDA out of memory. Tried to allocate 20.00 GiB.)" in str(told.value)


def test_a_forecast_on_a_full_device_names_three_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = BaselineForecaster("last", h=12).fit(random_walks(60, list("abcd")))
    monkeypatch.setattr(type(model.forecaster_), "forecast", failing(MemoryError()))
    with pytest.raises(ConfigError, match=r"2 series instead of 4.*; h=6 instead of 12; 2 quant"):
        model.predict(level=[80, 95])


def test_other_errors_pass_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForecastModel, "forward", failing(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        forecaster().fit(random_walks(300))


def test_a_command_whose_memory_ran_out_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    random_walks(60).to_csv(tmp_path / "a.csv", index=False)
    words = (f"data={tmp_path / 'a.csv'}", "h=2", "model=last", f"out={tmp_path / 'm'}")
    monkeypatch.setattr(commands.files, "read", failing(MemoryError("Unable to allocate 9 GiB")))
    assert command("fit", *words) == 2
    assert "tslm: memory ran out. Give fewer rows or series" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is of Linux")
@pytest.mark.slow
def test_a_process_with_too_little_memory_ends_with_one_message(tmp_path: Path) -> None:
    random_walks(3000, list("abcd")).to_csv(tmp_path / "a.csv", index=False)
    words = (f"data={tmp_path / 'a.csv'}", "h=96", "backbone=tiny", "base=null", "verbose=0")
    words += (
        "context_length=1536",
        "adapter.patch_len=3",
        "batch_size=2048",
        f"out={tmp_path / 'm'}",
    )
    script = [sys.executable, "-W", "ignore", "-c", LIMITED]
    done = subprocess.run([*script, "fit", *words], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "batch_size=1024 instead of 2048; n_layers=1 instead of 2" in done.stderr
    assert "context_length=768 instead of 1536" in done.stderr
    assert not (tmp_path / "m").exists()


def test_the_command_memory_prints_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("memory", "backbone=tiny", "base=null", "h=12", "n_rows=400") == 0
    shown = capsys.readouterr().out
    assert "backbone" in shown
    assert "total" in shown
    assert np.all([name in shown for name in ("libraries", "panel", "batch", "optimiser")])
