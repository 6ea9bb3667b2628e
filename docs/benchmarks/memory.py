"""Memory of fit and predict: the estimate of ``estimate_memory`` beside what is measured.

python docs/benchmarks/memory.py [OUT.json]

Every fit runs in a process of its own, of which the largest resident size is read. In the same
process the bytes of all tensors of one training step and of one forecast are counted as they are
made. Estimates come from another process, which loads no weights.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_SERIES, N_ROWS, H = 8, 1500, 48
COMMON = {"h": H, "max_steps": 3, "val_size": 64, "random_state": 0, "verbose": 0}
NAMES = ("adapter", "backbone", "n_layers", "batch_size", "base")
SETTINGS = (
    ("autotimes", "tiny", 2, 64, None),
    ("autotimes", "tiny", 2, 64, "auto"),
    ("autotimes", "smollm2-135m", 2, 8, None),
    ("autotimes", "smollm2-135m", 2, 64, None),
    ("autotimes", "smollm2-135m", 6, 64, None),
    ("autotimes", "smollm2-135m", 30, 16, None),
    ("time_llm", "tiny", 2, 32, None),
    ("time_llm", "smollm2-135m", 2, 8, None),
    ("time_llm", "smollm2-135m", 2, 32, None),
    ("time_llm", "smollm2-135m", 6, 16, None),
    ("s2ip", "tiny", 2, 64, None),
    ("s2ip", "smollm2-135m", 2, 8, None),
    ("s2ip", "smollm2-135m", 2, 64, None),
    ("s2ip", "smollm2-135m", 6, 32, None),
    ("s2ip", "smollm2-135m", 30, 8, None),
    ("time_llm", "smollm2-135m", 30, 8, None),
)


def frame() -> pd.DataFrame:
    """Return hourly random walks."""
    walks = np.random.default_rng(0).normal(size=(N_SERIES, N_ROWS)).cumsum(1)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(N_SERIES), N_ROWS),
            "ds": np.tile(pd.date_range("2024", periods=N_ROWS, freq="h"), N_SERIES),
            "y": walks.ravel(),
        }
    )


def estimated(settings: dict[str, Any]) -> dict[str, float]:
    """Estimate the memory of a fit and of its batch, in MB."""
    from tslm import TSLMForecaster

    found = TSLMForecaster(**COMMON, **settings).estimate_memory(frame()).set_index("part")
    return {name: float(found.loc[name, "fit"]) for name in ("total", "batch", "libraries")}


def measured(settings: dict[str, Any]) -> dict[str, float]:
    """Fit, and return the largest size of the process, and the bytes of tensors of a batch."""
    from tslm import TSLMForecaster

    model = TSLMForecaster(**COMMON, **settings)
    model.fit(frame())
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"total": size, "batch": tensors(model, settings["batch_size"]) / 1e6}


def tensors(model: Any, batch_size: int) -> float:
    """Count the bytes of tensors in a training step and in a forecast of validation windows."""
    from tslm.data.batches import final_contexts
    from tslm.estimators.memory.dry_run import TensorBytes, peak_of

    network, rows = model.forecaster_.learner, {"context_length": model.config_.context_length}
    last = final_contexts(model.contexts_, model.calendar_, **rows, horizon=network.step)

    def repeated(windows: int) -> Any:
        past, time = last.past[:1].repeat(windows, 1, 1), last.time[:1].repeat(windows, 1)
        return last._replace(past=past, future=past[:, : network.step] * 1, time=time)

    with TensorBytes() as count:
        for weight in (*network.parameters(), *network.buffers()):
            weight.view_as(weight)  # counted before the step
        batch, windows = repeated(batch_size), repeated(N_SERIES * (COMMON["val_size"] - H + 1))
        network.train()
        step = peak_of(count, lambda: network.loss(batch).backward())
        network.eval()
        network.zero_grad()
        forecast = peak_of(count, lambda: network.forecast(windows, network.step))
    return float(max(step, forecast))


def in_process(work: str, settings: dict[str, Any]) -> dict[str, float]:
    """Run a function of this file in a process of its own."""
    words = [sys.executable, "-W", "ignore", __file__, work, json.dumps(settings)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(out: Path | None) -> None:
    """Measure all settings, print a table, and write it as JSON."""
    records = []
    for values in SETTINGS:
        settings = dict(zip(NAMES, values, strict=True))
        guess, truth = (in_process(work, settings) for work in ("estimated", "measured"))
        record = {
            **settings,
            "estimated_MB": guess["total"],
            "measured_MB": round(truth["total"], 1),
            "ratio": round(guess["total"] / truth["total"], 2),
            "batch_estimated_MB": guess["batch"],
            "batch_measured_MB": round(truth["batch"], 1),
            "batch_ratio": round(guess["batch"] / truth["batch"], 2),
        }
        records.append(record)
        print(record, flush=True)
        if out is not None:
            out.write_text(json.dumps(records, indent=1) + "\n")
    print(pd.DataFrame(records).to_string(index=False))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work = {"estimated": estimated, "measured": measured}[sys.argv[1]]
        print(json.dumps(work(json.loads(sys.argv[2]))))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
