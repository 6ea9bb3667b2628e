"""Speed of a model in training and inference, compared with a matrix product on this machine.

Floating-point operations are counted as they run. A large matrix product is timed between the
steps, because absolute times vary on shared machines while ratios are stable.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from tslm.core.config.choices import choices, node
from tslm.core.errors import ConfigError
from tslm.core.seeds import seeded
from tslm.core.types import Batch, Context, Facts, Task
from tslm.estimators.training.recipe import Recipe
from tslm.models.assembly import assemble, device_of, rollout_of, settle
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.hf_lexicon import HuggingFaceLexicon
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.forecast_model import ForecastModel

SLIDING = "sliding"  # the roll-out that others are compared with
SIDE = 2048  # rows and columns of the matrices whose product is timed


def measure(cfg: DictConfig) -> dict[str, Any]:
    """Time training, inference, all roll-outs and the reading of timestamps.

    Args:
        cfg: settings of the verb ``speed``.

    Returns:
        Measurements by name, and the settings under ``config``.
    """
    if cfg.batch_size == "auto":
        raise ConfigError("speed measures one batch size. Set a number, such as batch_size=256.")
    season = cfg.season_length or 1
    cfg = settle(cfg, Facts(cfg.h, season, 1 << 20))
    task = Task(cfg.context_length, cfg.h, season, freq="h", dated=True)
    with seeded(cfg.random_state or 0):
        model = assemble(cfg, task)
        batch = _batch(cfg, model.to(device_of(cfg)))
    result = _training(cfg, model, batch)
    result |= _inference(cfg, model, batch)
    result |= _rollouts(cfg, task, model, batch)
    if result["token_passes_without_gradients"]:
        result |= _prompts(cfg, model, batch)
    lexicon = model.backbone.lexicon
    if cfg.sentences and isinstance(lexicon, HuggingFaceLexicon):
        result |= _reading(cfg, lexicon)
    return result | {"config": OmegaConf.to_container(cfg)}


def operations(work: Callable[[], Any]) -> int:
    """Count the floating-point operations of matrix products and attention while work runs."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        work()
    return int(counter.get_total_flops())


def _attention(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    queries, keys, values = shapes[:3]
    return sdpa_flop_count(queries, keys, values)


def _attention_backward(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    above, queries, keys, values = shapes[:4]
    return sdpa_backward_flop_count(above, queries, keys, values)


ON_CPU = {  # operations that PyTorch counts on accelerators only
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def product_rate(here: torch.device) -> float:
    """Measure the GFLOP/s of a large matrix product on a device."""
    a, b = torch.randn(SIDE, SIDE).to(here), torch.randn(SIDE, SIDE).to(here)
    return 2 * SIDE**3 / _seconds(lambda: a @ b) / 1e9


def _training(cfg: DictConfig, model: ForecastModel, batch: Batch) -> dict[str, Any]:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer, schedule = Recipe(cfg.learning_rate, 1000).optimizer(weights)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(batch).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()

    model.train()
    times, rates, shares = [], [], []
    step()  # warm-up
    counted = operations(lambda: model.loss(batch).backward())
    for _ in range(cfg.rounds):
        before = product_rate(batch.past.device)
        times.append(_seconds(step))
        rates.append((before + product_rate(batch.past.device)) / 2)
        shares.append(counted / times[-1] / 1e9 / rates[-1])
    model.eval()
    return {
        "trainable_parameters": sum(weight.numel() for weight in weights),
        **_token_passes(model, batch),
        "gflop_per_training_window": round(counted / len(batch.past) / 1e9, 4),
        "train_windows_per_second": round(len(batch.past) / statistics.median(times), 1),
        "matrix_product_gflops": round(statistics.median(rates), 1),
        "train_share_of_matrix_product": round(statistics.median(shares), 3),
        "train_shares": [round(share, 3) for share in shares],
        "peak_memory_gb": round(peak_memory(), 3),
    }


def _inference(cfg: DictConfig, model: ForecastModel, batch: Batch) -> dict[str, Any]:
    def once() -> Tensor:
        return model.forecast(batch, model.decoder.step)

    counted = operations(once)
    times, shares = [], []
    for _ in range(cfg.rounds):
        rate = product_rate(batch.past.device)
        times.append(_seconds(once))
        shares.append(counted / times[-1] / 1e9 / rate)
    return {
        "gflop_per_inference_window": round(counted / len(batch.past) / 1e9, 4),
        "inference_windows_per_second": round(len(batch.past) / statistics.median(times), 1),
        "inference_share_of_matrix_product": round(statistics.median(shares), 3),
    }


def _token_passes(model: ForecastModel, batch: Batch) -> dict[str, int]:
    """Count the tokens of one window that pass through the backbone, with and without gradients."""
    with torch.no_grad():
        scaled = model.adapter.scale(batch.past).apply(batch.past)
        tokens = model.adapter(Context.fold(scaled, batch.time[:, : batch.past.shape[1]]))
    words = 0 if tokens.prompt is None else tokens.prompt.own.shape[1]
    passes = tokens.embeds.shape[1] + words
    shared = 0 if tokens.prompt is None else len(tokens.prompt.shared)
    return {
        "token_passes_per_window": passes,
        "token_passes_without_gradients": words,
        "words_shared_by_all_windows": shared,
    }


def _prompts(cfg: DictConfig, model: ForecastModel, batch: Batch) -> dict[str, Any]:
    """Return the time of one pass over prompt and patches, divided by that with a cached prompt."""
    body = model.backbone

    def train() -> None:
        model.zero_grad()
        model.loss(batch).backward()

    def infer() -> None:
        model.forecast(batch, model.step)

    ratios: dict[str, list[float]] = {"train": [], "inference": []}
    for _ in range(min(cfg.rounds, 3)):
        for name, work in (("train", train), ("inference", infer)):
            ours = _seconds(work)
            with mock.patch.object(
                type(body), "after_prompt", lambda self, *a: Backbone.after_prompt(self, *a)
            ):
                ratios[name].append(_seconds(work) / ours)
    return {
        f"prompt_in_one_pass_over_ours_{name}": round(statistics.median(found), 2)
        for name, found in ratios.items()
    }


def _rollouts(cfg: DictConfig, task: Task, model: ForecastModel, batch: Batch) -> dict[str, Any]:
    """Measure every roll-out that the adapter can have; they take turns.

    Times are divided by that of the sliding roll-out. ``parallel`` covers all steps in one pass;
    it is not trained for them here, which does not change its time.
    """
    steps, own, body = cfg.rollout_steps, model.rollout, model.backbone
    longer = replace(task, horizon=steps)
    names = choices("rollout") if model.adapter.layout.grows else (SLIDING,)
    made = {
        name: rollout_of(node("rollout", name), body, model.adapter, longer).to(batch.past.device)
        for name in (SLIDING, *sorted(set(names) - {SLIDING}))
    }
    found: dict[str, dict[str, Any]] = {}
    for name, rollout in made.items():
        model.rollout = rollout
        with counted_tokens(body) as read:
            count = operations(lambda: model.forecast(batch, steps))
        found[name] = {
            "token_passes_per_window": round(sum(read) / len(batch.past), 2),
            "gflop_per_window": round(count / len(batch.past) / 1e9, 4),
        }
    seconds: dict[str, list[float]] = {name: [] for name in made}
    rates: list[float] = []
    for _ in range(min(cfg.rounds, 3)):
        rates.append(product_rate(batch.past.device))
        for name, rollout in made.items():
            model.rollout = rollout
            seconds[name].append(_seconds(lambda: model.forecast(batch, steps)))
    model.rollout = own
    for name, times in seconds.items():
        gflop = found[name]["gflop_per_window"] * len(batch.past)
        shares = [gflop / took / rate for took, rate in zip(times, rates, strict=True)]
        ratios = [took / first for took, first in zip(times, seconds[SLIDING], strict=True)]
        found[name] |= {
            "windows_per_second": round(len(batch.past) / statistics.median(times), 1),
            "share_of_matrix_product": round(statistics.median(shares), 3),
            "seconds_over_sliding": round(statistics.median(ratios), 3),
        }
    return {"rollout_steps": steps, "rollouts": found}


@contextmanager
def counted_tokens(backbone: Backbone) -> Iterator[list[int]]:
    """Collect the number of tokens of each pass of a language model, while the block runs."""
    read: list[int] = []
    if not isinstance(backbone, HuggingFaceBackbone):
        yield read
        return

    def count(_: nn.Module, __: Any, given: dict[str, Any]) -> None:
        read.append(given["inputs_embeds"].shape[:2].numel())

    handle = backbone.body.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield read
    finally:
        handle.remove()


def _reading(cfg: DictConfig, lexicon: HuggingFaceLexicon) -> dict[str, Any]:
    """Return the time of a plain pass over all sentences divided by that of the lexicon's plan."""
    start = pd.date_range("2016-07-01", periods=cfg.sentences, freq="h")
    sentences = [f"This is a time series from {a} to {a + pd.Timedelta(hours=95)}" for a in start]
    ids = lexicon.tokenize(sentences)
    plan = lexicon.plan(ids)
    ratios = []
    for _ in range(min(cfg.rounds, 3)):
        plain = _seconds(lambda: _read_plainly(lexicon, ids))
        ratios.append(plain / _seconds(lambda: lexicon.read_ids(ids)))
    return {
        "timestamp_token_passes": plan.token_passes,
        "timestamp_token_passes_plain": plan.plain,
        "timestamps_plain_over_ours_seconds": round(statistics.median(ratios), 2),
    }


@torch.no_grad()
def _read_plainly(lexicon: HuggingFaceLexicon, ids: list[list[int]]) -> Tensor:
    """Read sentences of equal length in batches of 64, without sharing prefixes."""
    here = next(lexicon.body.parameters()).device
    rows = [
        lexicon.body(input_ids=torch.tensor(ids[i : i + 64]).to(here), use_cache=False)[0][:, -1]
        for i in range(0, len(ids), 64)
    ]
    return torch.cat(rows)


def _batch(cfg: DictConfig, model: ForecastModel) -> Batch:
    """Make a batch of random walks at hourly times."""
    ahead = max(model.step, cfg.rollout_steps)
    walk = torch.randn(cfg.batch_size, cfg.context_length + ahead, 1).cumsum(1)
    time = (torch.arange(walk.shape[1]) * 3600).expand(cfg.batch_size, -1)
    model.prepare(torch.unique(time))
    walk, time = (part.to(next(model.parameters()).device) for part in (walk, time))
    return Batch(walk[:, : cfg.context_length], walk[:, cfg.context_length :], time)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    if torch.accelerator.is_available():  # it runs asynchronously
        torch.accelerator.synchronize()
    return time.perf_counter() - began


def peak_memory() -> float:
    """Return the largest resident size of this process so far, in GB; NaN if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e9 if sys.platform == "darwin" else 1e6)
