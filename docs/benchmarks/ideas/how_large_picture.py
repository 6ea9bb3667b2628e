"""Draw the error against the number of blocks, for each body: docs/pictures/how_large.png.

python docs/benchmarks/ideas/how_large_picture.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from tslm.plots.palette import COLOURS

DOCS = Path(__file__).parents[2]
LINES = {  # arms of how_large.py: colour, line, label
    "smollm2": (COLOURS[0], "-", "SmolLM2-135M, width 576"),
    "random-smollm2": (COLOURS[0], "--", "the same, random weights"),
    "gemma3": (COLOURS[1], "-", "Gemma 3 270M, width 640"),
    "random-gemma3": (COLOURS[1], "--", "the same, random weights"),
}
Row = dict[str, float]


def curve(rows: list[Row], body: str) -> tuple[list[int], list[float], list[float]]:
    """Return depths, mean errors and their deviations over seeds of one body."""
    found = {
        row["arm"].rpartition("-")[2]: row for row in rows if row["arm"].startswith(f"{body}-")
    }
    depths = sorted(int(depth) for depth in found if depth.isdigit())
    errors = [found[str(depth)]["mse"] for depth in depths]
    spread = [(found[str(depth)]["seeds_percent"] or 0) / 100 for depth in depths]
    return depths, errors, [e * s for e, s in zip(errors, spread, strict=True)]


def draw(rows: list[Row], deep: list[tuple[int, float]], target: Path) -> None:
    """Draw one line per body, and the deeper curve of an earlier study."""
    figure, axes = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
    axes.plot(
        *zip(*deep, strict=True), color="grey", ls=":", marker=".",
        label="SmolLM2-135M, to all 30 blocks (results/depth)",
    )  # fmt: skip
    for body, (colour, line, label) in LINES.items():
        depths, errors, spread = curve(rows, body)
        if not depths:
            continue
        axes.errorbar(
            depths, errors, spread, color=colour, ls=line, marker="o", ms=4, capsize=3, label=label
        )
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 4, 6, 12, 30], ["1", "2", "4", "6", "12", "30"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("blocks")
    axes.set_ylabel("test MSE, ETTh1, 96 steps")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(target, dpi=110)


def earlier() -> list[tuple[int, float]]:
    """Return depth and error of the study in docs/results/depth."""
    files = (DOCS / "results" / "depth").glob("*.json")
    records = [json.loads(file.read_text())[0] for file in files]
    return sorted((one["config"]["n_layers"], one["mse"]) for one in records)


if __name__ == "__main__":
    found = json.loads((DOCS / "results" / "ideas" / "how_large.json").read_text())
    draw(found["results"], earlier(), DOCS / "pictures" / "how_large.png")
