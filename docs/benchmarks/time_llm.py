"""Time-LLM of tslm beside that of neuralforecast: same backbone and windows, step by step in turn.

Each side is a process of its own (``sides.py``) that waits for its turn; a large matrix product is
timed between the turns. Absolute times drift on shared machines, ratios of neighbours do not.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from sides import Shapes, measured

from tslm.data.datasets.benchmarks import Benchmark, load
from tslm.evaluation.speed import SIDE
from tslm.models.backbones import build
from tslm.models.backbones.weights import resolve as store

CONTEXT, HORIZON = 512, 96
OURS, PEER = "ours", "neuralforecast"


class Side:
    """Process that works on request and waits in between."""

    def __init__(self, python: str, shapes: Shapes, log: Path) -> None:
        self.name, self.log = shapes.side, log
        script = str(Path(__file__).with_name("sides.py"))
        self.process = subprocess.Popen(
            [python, script, json.dumps(asdict(shapes))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )
        self.facts = self._answer()

    def ask(self, do: str, batch: int = 0) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"do": do, "batch": batch}), file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """Close its input and wait until it has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early:\n{self.log.read_text()[-3000:]}")
        return dict(json.loads(line))


def windows(data: Benchmark, batches: int, batch_size: int) -> torch.Tensor:
    """Return standardised windows from the training rows of all series, drawn at random."""
    dice = torch.Generator().manual_seed(0)
    values = torch.from_numpy(data.standardise()[: data.borders.train_end]).float()
    cut = values.unfold(0, CONTEXT + HORIZON, 1).flatten(0, 1)
    chosen = torch.randperm(len(cut), generator=dice)[: batches * batch_size]
    return cut[chosen].unflatten(0, (batches, batch_size)).contiguous()


def cut_copy(llm: str, n_layers: int, target: Path) -> Path:
    """Write a folder with the weights of a backbone whose config has its first blocks only."""
    source = store.resolve(llm)
    if source.folder is None:
        sys.exit(f"{llm} is no folder of weights.")
    config = build.read_config(source.folder)
    build.truncate(config, n_layers, llm)
    config.save_pretrained(target)
    for path in source.folder.iterdir():
        if path.name != "config.json":
            (target / path.name).symlink_to(path.resolve())
    return target


def product_rate(clock: str) -> float:
    """Measure the GFLOP/s of a large matrix product."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return 2 * SIDE**3 / measured(lambda: a @ b)[clock] / 1e9


def compare(ours: Side, peer: Side, rounds: int, size: int, clock: str) -> dict[str, Any]:
    """Measure the rates of both sides and their ratio, with a new batch in each round."""
    result: dict[str, Any] = {}
    for do, counted in (("train", "gflop_per_training_window"), ("infer", "gflop_per_forecast")):
        for side in (ours, peer):
            side.ask(do)  # warms up
        pairs, rates, shares = [], [], []
        for number in range(1, rounds + 1):
            before = product_rate(clock)
            first = ours.ask(do, number)[clock]
            rates.append((before + product_rate(clock)) / 2)
            pairs.append((first, peer.ask(do, number)[clock]))
            shares.append(ours.facts[counted] * size / first / rates[-1])
        result[do] = {
            OURS: size / statistics.median(first for first, _ in pairs),
            PEER: size / statistics.median(second for _, second in pairs),
            "ratios": [second / first for first, second in pairs],
            "matrix_product_gflops": statistics.median(rates),
            "share_of_matrix_product": statistics.median(shares),
        }
    for side in (ours, peer):
        result[side.name] = {**side.facts, **side.ask("peak")}
    return result


def table(result: dict[str, Any]) -> str:
    """Return the measurements as Markdown."""
    lines = [f"| | {OURS} | {PEER} | ratio: median (min to max) |", "|---|---|---|---|"]
    for do, what in (("train", "training"), ("infer", "inference")):
        found = result[do]
        low, middle, high = (f(found["ratios"]) for f in (min, statistics.median, max))
        rates = f"{found[OURS]:.1f} | {found[PEER]:.1f}"
        lines.append(f"| {what}, windows/s | {rates} | {middle:.2f} ({low:.2f} to {high:.2f}) |")
    ours, peer = result[OURS], result[PEER]
    lines.append(
        f"| trained weights | {ours['trained']:,} | {peer['trained']:,} "
        f"| {peer['trained'] / ours['trained']:.1f} |"
    )
    memory = [side["peak_memory_gb"] for side in (ours, peer)]
    lines.append(
        f"| peak memory, GB | {memory[0]:.2f} | {memory[1]:.2f} | {memory[1] / memory[0]:.2f} |"
    )
    for do, what in (("train", "training"), ("infer", "inference")):
        lines.append(
            f"\n{what}: {result[do]['share_of_matrix_product']:.0%} of the matrix product's "
            f"{result[do]['matrix_product_gflops']:.0f} GFLOP/s"
        )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Start both sides, run them in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="of a venv with neuralforecast")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--n-layers", type=int, default=6)
    parser.add_argument("--llm", default="smollm2-135m", help="a named backbone or a folder")
    parser.add_argument("--description", help="said of the data; by default what tslm says")
    parser.add_argument("--threads", type=int, default=2, help="of each side")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the CPU, not wall time")
    parser.add_argument("--out", type=Path, help="JSON")
    asked = parser.parse_args(words)
    torch.set_num_threads(asked.threads)
    clock = "cpu_seconds" if asked.cpu_time else "seconds"
    data = load("etth1")
    folder = Path(tempfile.mkdtemp())
    try:
        torch.save(windows(data, asked.rounds + 1, asked.batch_size), folder / "windows.pt")
        short = cut_copy(asked.llm, asked.n_layers, folder / "llm")
        sides = []
        for name, python, llm in (
            (OURS, sys.executable, asked.llm),
            (PEER, asked.peer_python, str(short)),
        ):
            shapes = Shapes(
                name,
                llm,
                asked.n_layers,
                asked.description or data.description,
                str(folder / "windows.pt"),
                CONTEXT,
                HORIZON,
                asked.threads,
            )
            sides.append(Side(python, shapes, folder / f"{name}.log"))
        ours, peer = sides
        if abs(ours.facts["says"] / peer.facts["says"] - 1) > 1e-3:
            sys.exit("The backbones differ, so that their speeds cannot be compared.")
        result = compare(ours, peer, asked.rounds, asked.batch_size, clock)
        for side in sides:
            side.close()
    finally:
        shutil.rmtree(folder)
    print(table(result))
    if asked.out is not None:
        hidden = ("peer_python", "out")  # paths of one machine
        options = {key: value for key, value in vars(asked).items() if key not in hidden}
        asked.out.write_text(json.dumps({**result, "options": options}, indent=1) + "\n")


if __name__ == "__main__":
    main()
