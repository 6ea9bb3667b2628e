"""Faults: killed processes, full disks, read-only folders, and what must hold after each.

A few tries in the ordinary run; ``make faults`` runs as many as one likes, and prints a table.

    python -m tests.campaigns.test_faults 240 --seed 1 --minutes 30 --log tries.jsonl
    python -m tests.campaigns.test_faults 50 --only 'kill -9: fit' --log more.jsonl
    python -m tests.campaigns.test_faults --table tries.jsonl more.jsonl
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.campaigns.faults.lab import Lab
from tests.campaigns.faults.scenes import Scene, scenes

FEW = ["kill -9: fit", "kill -9: tune", "kill -9: save", "limited size of files: predict, a table"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.opened(tmp_path_factory.mktemp("faults") / "lab") as opened:
        yield opened


@pytest.mark.parametrize("name", FEW)
def test_what_must_hold_after_a_fault_holds(lab: Lab, name: str) -> None:
    scene = next(scene for scene in scenes() if scene.name == name)
    with lab.bench() as folder:
        scene.attempt(lab, folder, np.random.default_rng(1))


def attempt(lab: Lab, scene: Scene, seeds: list[int]) -> str:
    """Make one try and return what failed; empty if all held."""
    try:
        with lab.bench() as folder:
            scene.attempt(lab, folder, np.random.default_rng(seeds))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__} in {where}, {place.line}: {error}"
    return ""


def planned(chosen: list[Scene], tries: int) -> list[tuple[Scene, int]]:
    """Return the scene and the number of each try: every scene as often as its weight says."""
    total = sum(scene.weight for scene in chosen)
    plan = []
    for place, scene in enumerate(chosen):
        count = max(1, round(tries * scene.weight / total))
        plan += [((number + 0.5) / count, place, scene, number) for number in range(count)]
    return [(scene, number) for _, _, scene, number in sorted(plan, key=lambda entry: entry[:2])]


def campaign(
    tries: int, seed: int, only: str, minutes: float, log: Path | None
) -> list[dict[str, Any]]:
    """Make tries, going on after failures; tell of each failure at once.

    Args:
        tries: their number.
        seed: seed of all tries.
        only: part of the name of the scenes to try.
        minutes: time after which no further try begins.
        log: file to which a line is added for each try.
    """
    chosen = [scene for scene in scenes() if only in scene.name]
    done = []
    for scene in chosen:
        if reason := scene.absent():
            print(f"left out, {scene.name}: {reason}", flush=True)
    chosen = [scene for scene in chosen if not scene.absent()]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Lab.opened(Path(folder) / "lab") as lab:
        Path(folder).chmod(0o755)  # other users come to read-only folders
        plan = planned(chosen, tries)
        for count, (scene, number) in enumerate(plan, 1):
            if time.monotonic() - began > 60 * minutes:
                print(f"{minutes:.0f} minutes are over: {len(plan) - count + 1} tries are left out")
                break
            started = time.monotonic()
            failure = attempt(lab, scene, [seed, number, *scene.name.encode()])
            facts = {"scene": scene.name, "number": number, "seed": seed, "failure": failure}
            done.append({**facts, "seconds": round(time.monotonic() - started, 1)})
            if log is not None:
                with log.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
            if failure:
                print(f"FAILED {scene.name}, try {number}: {failure}", flush=True)
            if count % 20 == 0:
                print(f"{count} of {len(plan)} tries, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{len(done)} tries in {time.monotonic() - began:.0f} s", flush=True)
    return done


def table(done: list[dict[str, Any]]) -> str:
    """Return a Markdown table of the tries of each scene."""
    lines = ["| fault | of | what must hold | tries | failures |", "|---|---|---|--:|--:|"]
    for scene in scenes():
        own = [bool(entry["failure"]) for entry in done if entry["scene"] == scene.name]
        if own:
            cells = [scene.fault, scene.subject, scene.promise, len(own), sum(own)]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    failures = sum(bool(entry["failure"]) for entry in done)
    return "\n".join([*lines, f"| all | | | {len(done)} | {failures} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tries", type=int, nargs="?", default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of the name of scenes")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--log", type=Path, help="file to which the tries are added")
    parser.add_argument("--table", type=Path, nargs="+", default=[], help="files of tries to show")
    words = parser.parse_args()
    done = [json.loads(line) for path in words.table for line in path.read_text().splitlines()]
    if words.tries:
        done += campaign(words.tries, words.seed, words.only, words.minutes, words.log)
    print(table(done))
    sys.exit(any(entry["failure"] for entry in done))


if __name__ == "__main__":
    main()
