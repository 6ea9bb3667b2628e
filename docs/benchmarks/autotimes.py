"""AutoTimes of tslm beside the published loop: same backbone, weights and windows, in turn.

Liu et al., "AutoTimes: Autoregressive Time Series Forecasters via Large Language Models", NeurIPS
2024, https://github.com/thuml/AutoTimes: model ``AutoTimes_Llama``, and the loops of training and
testing of ``exp_long_term_forecasting``. Without timestamps (``mix_embeds`` off), one linear map on
each side. Both share the frozen blocks, begin with the same weights, and must agree on the loss and
on the first forecast. A large matrix product is timed between the turns.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tslm.core.config.choices import node
from tslm.core.config.compose import compose
from tslm.core.types import Batch, Facts, Task
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import trained_weights
from tslm.evaluation.speed import SIDE, operations
from tslm.models.assembly import assemble, rollout_of, settle
from tslm.models.forecast_model import ForecastModel

CONTEXT, SEGMENT = 672, 96
CPU = torch.device("cpu")
OURS, PUBLISHED = "ours", "published"


class Published(nn.Module):
    """Published model: windows are normalised, segments embedded, read and decoded."""

    def __init__(self, body: nn.Module, encoder: nn.Linear, decoder: nn.Linear) -> None:
        super().__init__()
        self.llama, self.encoder, self.decoder = body, encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(1, keepdim=True).detach()
        x = x - means
        stdev = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5)
        x = x / stdev
        count, _, channels = x.shape
        x = x.permute(0, 2, 1).reshape(count * channels, -1)
        folded = x.unfold(dimension=-1, size=SEGMENT, step=SEGMENT)
        tokens = folded.shape[1]
        outputs = self.llama(inputs_embeds=self.encoder(folded))[0]
        found = self.decoder(outputs).reshape(count, channels, -1).permute(0, 2, 1)
        found = found * stdev[:, 0, :].unsqueeze(1).repeat(1, tokens * SEGMENT, 1)
        return found + means[:, 0, :].unsqueeze(1).repeat(1, tokens * SEGMENT, 1)


class Pair:
    """Both programs on one batch of random walks.

    Args:
        asked: options of the command line.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        words = ["adapter=autotimes", f"backbone={asked.llm}", f"n_layers={asked.n_layers}"]
        words += ["adapter.norm=window", "adapter.floor=0", f"adapter.patch_len={SEGMENT}"]
        words += [f"h={SEGMENT}", f"context_length={CONTEXT}", "trainer.loss=mse"]
        cfg = settle(compose("config", words), Facts(SEGMENT, 24, 1 << 20))
        task = Task(CONTEXT, SEGMENT, 24)
        torch.manual_seed(0)
        self.model: ForecastModel = assemble(cfg, task)
        self.horizon = asked.horizon
        walk = torch.randn(asked.batch_size, CONTEXT + SEGMENT, 1).cumsum(1)
        steps = torch.arange(CONTEXT + self.horizon).expand(asked.batch_size, -1)
        self.past, self.truth = walk[:, :CONTEXT], walk[:, SEGMENT:]
        self.batch = Batch(self.past, walk[:, CONTEXT:], steps)
        embed, project = self.model.adapter.embed[0], self.model.decoder.project[0]
        self.peer = Published(self.model.backbone.body, deepcopy(embed), deepcopy(project))
        weights = trained_weights(self.model)
        self.ours, self.schedule = Recipe(cfg.learning_rate, 1000).optimizer(weights)
        self.weights = weights
        theirs = [w for w in self.peer.parameters() if w.requires_grad]
        self.theirs = torch.optim.Adam(theirs, lr=cfg.learning_rate)
        body, adapter = self.model.backbone, self.model.adapter
        self.rollouts = {
            name: rollout_of(node("rollout", name), body, adapter, task)
            for name in ("sliding", "cached")
        }

    def train_ours(self) -> float:
        """Do a training step as ``tslm fit`` does."""
        self.model.train()
        self.ours.zero_grad()
        loss = self.model.loss(self.batch, "mse")
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.ours.step()
        self.schedule.step()
        return float(loss.detach())

    def train_published(self) -> float:
        """Do a step of the published loop."""
        self.theirs.zero_grad()
        batch_x, batch_y = self.past.float().to(CPU), self.truth.float().to(CPU)
        loss = nn.functional.mse_loss(self.peer(batch_x), batch_y)
        value = loss.item()
        loss.backward()
        self.theirs.step()
        return value

    def forecast_ours(self, rollout: str, horizon: int) -> Tensor:
        """Forecast with a roll-out of tslm."""
        self.model.eval()
        self.model.rollout = self.rollouts[rollout]
        return self.model.forecast(self.batch, horizon)

    @torch.no_grad()
    def forecast_published(self, horizon: int) -> Tensor:
        """Forecast as the published test loop: read the moved window again for each segment."""
        window, found = self.past, []
        for start in range(0, horizon, SEGMENT):
            if start:
                window = torch.cat([window[:, SEGMENT:, :], found[-1]], dim=1)
            found.append(self.peer(window)[:, -SEGMENT:, :])
        return torch.cat(found, dim=1)[:, :horizon, :]

    def check(self) -> dict[str, float]:
        """Stop unless both give the same forecast and the same loss; return the differences."""
        first = self.forecast_ours("sliding", self.horizon)
        gap = float((first - self.forecast_published(self.horizon)).abs().max() / first.std())
        losses = self.train_ours(), self.train_published()
        off = abs(losses[0] / losses[1] - 1)
        if gap > 1e-3 or off > 1e-4:
            raise SystemExit(f"The programs differ: forecasts by {gap:.1e}, losses {losses}.")
        return {"forecasts_differ_by": gap, "losses_differ_by": off}


def seconds(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the duration of a call."""
    began = clock()
    work()
    return clock() - began


def product_rate(clock: Callable[[], float]) -> float:
    """Measure the GFLOP/s of a large matrix product."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return 2 * SIDE**3 / seconds(lambda: a @ b, clock) / 1e9


def compare(pair: Pair, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure both programs in turn, with a matrix product before and after each of ours."""
    clock = time.process_time if asked.cpu_time else time.perf_counter
    horizon = asked.horizon
    turns: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "training": (pair.train_ours, pair.train_published),
        "one segment": (
            lambda: pair.forecast_ours("sliding", SEGMENT),
            lambda: pair.forecast_published(SEGMENT),
        ),
        f"{horizon} steps, sliding": (
            lambda: pair.forecast_ours("sliding", horizon),
            lambda: pair.forecast_published(horizon),
        ),
        f"{horizon} steps, cached": (
            lambda: pair.forecast_ours("cached", horizon),
            lambda: pair.forecast_published(horizon),
        ),
    }
    result: dict[str, Any] = pair.check()
    for name, (first, second) in turns.items():
        if name == "training":
            counted = operations(lambda: pair.model.loss(pair.batch, "mse").backward())
        else:
            counted = operations(first)
        second()
        ratios, shares, rates, times = [], [], [], []
        for _ in range(asked.rounds):
            before = product_rate(clock)
            took = seconds(first, clock)
            rates.append((before + product_rate(clock)) / 2)
            times.append((took, seconds(second, clock)))
            ratios.append(times[-1][1] / took)
            shares.append(counted / took / 1e9 / rates[-1])
        result[name] = {
            OURS: asked.batch_size / statistics.median(one for one, _ in times),
            PUBLISHED: asked.batch_size / statistics.median(two for _, two in times),
            "ratios": ratios,
            "gflop_per_window": counted / asked.batch_size / 1e9,
            "matrix_product_gflops": statistics.median(rates),
            "shares_of_matrix_product": shares,
        }
    return result


def table(result: dict[str, Any]) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| | ours, windows/s | published | ratio: median (min to max) | of the matrix product |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, found in result.items():
        if isinstance(found, dict) and "ratios" in found:
            low, middle, high = (f(found["ratios"]) for f in (min, statistics.median, max))
            lines.append(
                f"| {name} | {found[OURS]:.1f} | {found[PUBLISHED]:.1f} "
                f"| {middle:.2f} ({low:.2f} to {high:.2f}) "
                f"| {statistics.median(found['shares_of_matrix_product']):.0%} |"
            )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Run both programs in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--n-layers", type=int, default=6)
    parser.add_argument("--horizon", type=int, default=720, help="of the roll-outs")
    parser.add_argument("--llm", default="smollm2-135m", help="a named backbone or a folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the CPU, not wall time")
    parser.add_argument("--out", type=Path, help="JSON")
    asked = parser.parse_args(words)
    torch.set_num_threads(asked.threads)
    result = compare(Pair(asked), asked)
    print(table(result))
    if asked.out is not None:
        options = {key: value for key, value in vars(asked).items() if key != "out"}
        asked.out.write_text(json.dumps({**result, "options": options}, indent=1) + "\n")


if __name__ == "__main__":
    main()
