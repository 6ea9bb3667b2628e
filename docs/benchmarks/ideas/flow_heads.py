"""Row 6: laws of a segment on the same hidden states: quantiles with Schaake paths, and a flow.

    python docs/benchmarks/ideas/flow_heads.py hidden etth1 --work runs/flow
    python docs/benchmarks/ideas/flow_heads.py head etth1 flow 0 --work runs/flow
    python docs/benchmarks/ideas/flow_heads.py table --work runs/flow --out flow.json

``hidden`` trains AutoTimes (two blocks of SmolLM2-135M, segments of 96 steps, 150 steps of 64
windows) and keeps its hidden states at every 48th training and every 24th validation window.
``head`` trains one head on those of the training rows, 300 steps of 64 windows, and draws 100 paths
of every window in the second half of the validation rows; errors in the first half give the ranks
of the Schaake paths. Values are in units of the window. Test rows are not read.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from pairs import autotimes
from torch import Tensor, nn

from tslm.core.files import write_json
from tslm.core.types import Context
from tslm.data.datasets.benchmarks import load
from tslm.evaluation.ablation.comparison import Errors, compare, pooled
from tslm.evaluation.metrics.sample_paths import energy_score, variogram_score
from tslm.evaluation.protocols.long_horizon import trial
from tslm.uncertainty.distributions.quantile import DEFAULT, QuantileFamily
from tslm.uncertainty.sample_paths import Template

H, LENGTH, PATHS, STEPS, SEEDS = 96, 672, 100, 300, (0, 1, 2)
SCORES = ("energy", "variogram", "wql")


def hidden(name: str, work: Path) -> None:
    """Keep hidden states and the segments that follow, in units of the window."""
    data = load(name)
    part = trial(data, stride=24)
    model = autotimes(data, H, max_steps=150, context_length=LENGTH, random_state=0)
    model.set_params(freq=data.freq, season_length=data.season_length)
    net = model.fit(part.known, val_df=part.val).forecaster_.eval()
    values, clock = torch.from_numpy(data.standardise()).float(), torch.from_numpy(data.time)
    kept = {}
    for split, stride in (("train", 48), ("val", 24)):
        first, last = data.target_rows(split)
        states, targets = [], []
        for rows in torch.arange(max(first, LENGTH), last - H + 1, stride).split(32):
            index = rows[:, None] + torch.arange(-LENGTH, H)
            window = values[index]
            scale = net.adapter.scale(window[:, :LENGTH])
            past = scale.apply(window[:, :LENGTH])
            with torch.no_grad():
                tokens = net.adapter(Context.fold(past, clock[index][:, :LENGTH]))
                states.append(net.backbone(tokens)[:, tokens.n_prompt :])
            known = scale.preceding(LENGTH, H)
            truth = (window[:, H:] - known.loc) / known.spread
            targets.append(truth.movedim(2, 1).flatten(0, 1).unflatten(1, (-1, H)))
        kept[split] = (torch.cat(states), torch.cat(targets))
    torch.save((kept, len(data.columns)), work / f"{name}.pt")


class QuantileHead(nn.Module):
    """Linear map to quantiles, trained by the pinball loss."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.family = QuantileFamily()
        self.map = nn.Linear(width, H * self.family.size)

    def law(self, state: Tensor) -> object:
        return self.family(self.map(state).unflatten(-1, (H, -1)))

    def loss(self, state: Tensor, truth: Tensor) -> Tensor:
        return self.law(state).loss(truth).mean()

    def draw(self, state: Tensor, template: Template) -> Tensor:
        levels = template.levels(0, range(len(state)), PATHS, H)
        return self.law(state).at(torch.from_numpy(levels))


class FlowHead(nn.Module):
    """Linear map to a point, and a flow of its errors, as in ``SegmentFlow`` of the commit."""

    def __init__(self, width: int, hidden: int = 192, steps: int = 8) -> None:
        super().__init__()
        self.steps = steps
        self.mean, self.spread = nn.Linear(width, H), nn.Linear(width, H)
        self.given, self.noisy = nn.Linear(width, hidden), nn.Linear(H, hidden)
        self.time, self.middle = nn.Linear(16, hidden), nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, H)
        for last in (self.spread, self.out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        step = torch.arange(H)
        waves = torch.cos(math.pi / H * (step + 0.5) * step[:, None]) * math.sqrt(2 / H)
        waves[0] /= math.sqrt(2)
        self.register_buffer("cosines", waves)

    def velocity(self, noisy: Tensor, time: Tensor, given: Tensor) -> Tensor:
        angle = time * torch.arange(1, 9) * (math.pi / 2)
        clock = self.time(torch.cat([angle.sin(), angle.cos()], -1))
        first = nn.functional.silu(self.noisy(noisy) + given + clock)
        return self.out(first + nn.functional.silu(self.middle(first)))

    def deviations(self, state: Tensor) -> Tensor:
        return (self.spread(state) - 0.5).clamp(-6, 3).exp()

    def loss(self, state: Tensor, truth: Tensor) -> Tensor:
        mean, deviations = self.mean(state), self.deviations(state)
        scaled = (truth - mean).detach() @ self.cosines.T / deviations
        end, start = scaled.detach(), torch.randn_like(scaled)
        angle = torch.rand_like(end[..., :1]) * (math.pi / 2)
        noisy = angle.cos() * start + angle.sin() * end
        velocity = self.velocity(noisy, angle / (math.pi / 2), self.given(state))
        gap = velocity - (angle.cos() * end - angle.sin() * start)
        likelihood = (scaled.square() / 2 + deviations.log()).mean()
        return (truth - mean).square().mean() + likelihood + gap.square().mean()

    def draw(self, state: Tensor, template: Template) -> Tensor:
        at, given = torch.randn(PATHS, len(state), H), self.given(state)
        for step in range(self.steps):
            time = torch.full((1, 1, 1), step / self.steps)
            at = at + math.pi / 2 / self.steps * self.velocity(at, time, given)
        return self.mean(state) + at * self.deviations(state) @ self.cosines


def head(name: str, arm: str, seed: int, work: Path) -> None:
    """Train one head, and score its paths."""
    kept, channels = torch.load(work / f"{name}.pt")
    (states, truths), (later, after) = kept["train"], kept["val"]
    torch.manual_seed(seed)
    model = (QuantileHead if arm == "quantile" else FlowHead)(states.shape[2])
    adam = torch.optim.Adam(model.parameters())
    for step in range(STEPS):
        for group in adam.param_groups:
            group["lr"] = 2e-3 * min(1.0, 4 * (1 - step / STEPS))
        rows = torch.randint(len(states), (64,))
        adam.zero_grad()
        model.loss(states[rows], truths[rows]).backward()
        adam.step()
    half = len(later) // channels // 2 * channels
    with torch.no_grad():
        template = Template.of_walks(H)
        if arm == "quantile":
            template = Template.of(after[:half, -1] - model.law(later[:half, -1]).point)
        drawn = model.draw(later[half:, -1], template).double().numpy()
    truth = after[half:, -1].double().numpy()
    level = np.array(DEFAULT)[:, None, None]
    gap = truth - np.quantile(drawn, DEFAULT, axis=0)
    wql = 2 * np.maximum(level * gap, (level - 1) * gap).mean((0, 2))
    rows = [
        (energy_score(own, drawn[:, n]), variogram_score(own, drawn[:, n]), wql[n])
        for n, own in enumerate(truth)
    ]
    np.savez(work / f"{name}-{arm}-{seed}.npz", rows=np.array(rows), channels=channels)
    print(name, arm, seed, np.mean(rows, 0).round(4), flush=True)


def table(work: Path, out: Path) -> None:
    """Compare the flow with quantiles, window by window."""
    results = []
    for name in ("etth1", "etth2"):
        runs = {
            arm: [np.load(work / f"{name}-{arm}-{seed}.npz") for seed in SEEDS]
            for arm in ("quantile", "flow")
        }
        for column, score in enumerate(SCORES):
            found = {}
            for arm, files in runs.items():
                values = np.stack([file["rows"][:, column] for file in files])
                number = np.arange(values.shape[1])
                channels = int(files[0]["channels"])
                found[arm] = Errors(values, number % channels, 24 * (number // channels))
            effect = compare(found["flow"], found["quantile"], H, pooled(list(found.values())))
            row = {"set": name, "score": score, "windows": len(found["flow"].means)}
            row |= {arm: round(errors.mean, 5) for arm, errors in found.items()}
            row |= {arm + "_seeds_percent": round(e.spread, 2) for arm, e in found.items()}
            row |= {"percent": round(effect.percent, 2), "low": round(effect.low, 2)}
            results.append(row | {"high": round(effect.high, 2)})
            print(json.dumps(results[-1]))
    settings = {"rows": "val, second half", "paths": PATHS, "steps": STEPS, "seeds": SEEDS}
    write_json(settings | {"results": results}, out)


def main() -> None:
    """Run one part of the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["hidden", "head", "table"])
    parser.add_argument("of", nargs="*")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.part == "hidden":
        hidden(asked.of[0], asked.work)
    elif asked.part == "head":
        head(asked.of[0], asked.of[1], int(asked.of[2]), asked.work)
    else:
        table(asked.work, asked.out)


if __name__ == "__main__":
    main()
