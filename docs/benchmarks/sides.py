"""One side of a comparison: a process that trains and forecasts on request.

It is run by the Python of its own library, with one JSON of ``Shapes`` as its argument, and reads
one JSON a line: ``{"do": "train", "batch": 3}``, ``infer`` or ``peak``. Each is answered by a line.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shapes:
    """Settings of both sides.

    Args:
        side: ``ours`` or ``neuralforecast``.
        llm: the backbone: a name tslm knows, or a folder cut to ``n_layers`` blocks.
        n_layers: its blocks.
        description: of the data, for the prompt.
        windows: a file with a tensor of windows, [batches, batch size, context + horizon].
        context: steps read.
        horizon: steps forecast.
        threads: of torch.
    """

    side: str
    llm: str
    n_layers: int
    description: str
    windows: str
    context: int
    horizon: int
    threads: int


@dataclass(frozen=True)
class Work:
    """Requests that a side can answer, and facts about it.

    Args:
        train: one step of training: loss, gradients, optimiser.
        infer: forecasts of the batch.
        facts: numbers to report.
        body: the language model, to see that both have the same.
    """

    train: Callable[[int], object]
    infer: Callable[[int], object]
    facts: dict[str, Any]
    body: torch.nn.Module


def ours(shapes: Shapes, windows: Tensor) -> Work:
    """Build Time-LLM of tslm as in its yaml, trained as ``tslm fit`` trains it."""
    from tslm.core.config.compose import compose
    from tslm.core.types import Batch, Facts, Task
    from tslm.estimators.training.recipe import Recipe
    from tslm.estimators.training.weights import trained_weights
    from tslm.evaluation.speed import operations
    from tslm.models.assembly import assemble, settle

    words = ["adapter=time_llm", f"backbone={shapes.llm}", f"n_layers={shapes.n_layers}"]
    words += [f"h={shapes.horizon}", f"context_length={shapes.context}"]
    cfg = settle(compose("config", words), Facts(shapes.horizon, 24, 1 << 20))
    task = Task(shapes.context, shapes.horizon, 24, description=shapes.description)
    model = assemble(cfg, task)
    weights = trained_weights(model)
    optimizer, schedule = Recipe(cfg.learning_rate, 1000).optimizer(weights)
    hours = (torch.arange(windows.shape[2]) * 3600).expand(windows.shape[1], -1)
    batches = [
        Batch(rows[:, : shapes.context, None], rows[:, shapes.context :, None], hours)
        for rows in windows
    ]

    def train(number: int) -> None:
        model.train()
        optimizer.zero_grad()
        model.loss(batches[number]).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()

    def infer(number: int) -> Tensor:
        model.eval()
        return model.forecast(batches[number], shapes.horizon)

    train(0)  # what is remembered of the prompt is not counted as part of a step
    counted = {
        "gflop_per_training_window": operations(lambda: model.loss(batches[0]).backward()),
        "gflop_per_forecast": operations(lambda: infer(0)),
    }
    facts = {name: flop / len(hours) / 1e9 for name, flop in counted.items()}
    return Work(train, infer, {"trained": _size(weights), **facts}, model.backbone.body)


def neuralforecast(shapes: Shapes, windows: Tensor) -> Work:
    """Build TimeLLM of neuralforecast: its own training step, optimiser and prediction step.

    Series are as long as one window, and windows with steps that are unknown are refused, so that
    what it cuts from a batch is that batch.
    """
    import pandas as pd
    from neuralforecast.models import TimeLLM
    from transformers import AutoConfig

    model = TimeLLM(
        h=shapes.horizon,
        input_size=shapes.context,
        llm=shapes.llm,
        d_llm=AutoConfig.from_pretrained(shapes.llm).hidden_size,
        prompt_prefix=f"{shapes.description} ",
        windows_batch_size=windows.shape[1],
        inference_windows_batch_size=windows.shape[1],
        training_data_availability_threshold=1.0,
    )
    model.predict_step_size = 1
    made = model.configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    columns = pd.Index(["y", "available_mask"])

    def batch(rows: Tensor) -> dict[str, Any]:
        temporal = torch.stack([rows, torch.ones_like(rows)], 1)
        return {"temporal": temporal, "temporal_cols": columns, "y_idx": 0}

    whole = [batch(rows) for rows in windows]
    past = [batch(rows[:, : shapes.context]) for rows in windows]

    def train(number: int) -> None:
        optimizer.zero_grad()
        model.training_step(whole[number], 0).backward()
        optimizer.step()
        schedule.step()

    @torch.inference_mode()
    def infer(number: int) -> Tensor:
        model.eval()
        forecast: Tensor = model.predict_step(past[number], 0)
        assert forecast.shape[:2] == (windows.shape[1], shapes.horizon)
        return forecast

    train(0)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return Work(train, infer, {"trained": _size(trained)}, model.llm)


def answers(shapes: Shapes) -> Iterator[dict[str, Any]]:
    """Print the facts, and then the answer to each line."""
    torch.manual_seed(0)
    make = {"ours": ours, "neuralforecast": neuralforecast}[shapes.side]
    work = make(shapes, torch.load(shapes.windows))
    frozen = sum(weight.numel() for weight in work.body.parameters())
    yield {**work.facts, "torch": torch.__version__, "frozen": frozen, "says": _says(work.body)}
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "peak":
            yield {"peak_memory_gb": _peak_memory()}
        else:
            do = {"train": work.train, "infer": work.infer}[asked["do"]]
            yield measured(partial(do, asked["batch"]))


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Return the duration of a call, and the time of the CPU that this process took for it."""
    began = time.perf_counter(), time.process_time()
    work()
    return {
        "seconds": time.perf_counter() - began[0],
        "cpu_seconds": time.process_time() - began[1],
    }


@torch.no_grad()
def _says(body: torch.nn.Module) -> float:
    """Return a number that differs if the weights differ."""
    hidden = body(input_ids=torch.arange(10, 26)[None]).last_hidden_state
    return float(hidden.double().abs().mean())


def _size(weights: list[Any]) -> int:
    return sum(weight.numel() for weight in weights)


def _peak_memory() -> float:
    """Return the peak resident size of this process, in GB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e9 if sys.platform == "darwin" else 1e6)


if __name__ == "__main__":
    shapes = Shapes(**json.loads(sys.argv[1]))
    torch.set_num_threads(shapes.threads)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    for answer in answers(shapes):
        print(json.dumps(answer), file=out, flush=True)
