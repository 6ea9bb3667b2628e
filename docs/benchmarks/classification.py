"""Accuracy of TSLMClassifier and its controls on labelled recordings.

python docs/benchmarks/classification.py --out classification.json

Sets are read from the folder ``ts`` of TSLM_DATA; Bonn and Delhi by five folds of recordings, the
others by their published parts. Intervals are Wilson's, at 95 %.
"""

import argparse
import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold

from tslm import TSLMClassifier

MODELS = {
    "energy": {"features": "energy"},
    "codes": {"features": "codes"},
    "pairs": {"features": "pairs"},
    "llm": {"features": "llm"},
    "llm, random": {"features": "llm", "backbone": "random:smollm2-135m"},
    "no backbone": {"features": "llm", "backbone": "none:smollm2-135m"},
}
Part = tuple[np.ndarray, np.ndarray]


def bonn(folder: Path) -> Part:
    """Read 500 recordings of 4,097 steps; the labels are the five sets."""
    files = zipfile.ZipFile(folder / "bonn_eeg.zip")
    names = [name for name in sorted(files.namelist()) if name.lower().endswith(".txt")]
    values = [np.array(files.read(name).split(), dtype=float) for name in names]
    return np.stack(values), np.array([Path(name).name[0] for name in names])


def delhi(folder: Path) -> Part:
    """Read 150 recordings of 1,024 steps; the labels are the folders."""
    files = zipfile.ZipFile(folder / "delhi_eeg.zip")
    names = [name for name in sorted(files.namelist()) if name.endswith(".mat")]
    values = []
    for name in names:
        content = loadmat(io.BytesIO(files.read(name)))
        values.append(next(v.ravel() for k, v in content.items() if not k.startswith("__")))
    return np.stack(values).astype(float), np.array([Path(name).parent.name for name in names])


def published(folder: Path, name: str) -> tuple[Part, Part]:
    """Read the training and the test part of a set in the .ts format."""
    return _ts(folder / f"{name}_TRAIN.ts.gz"), _ts(folder / f"{name}_TEST.ts.gz")


def _ts(path: Path) -> Part:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [line.split(":") for line in lines if line and line[0] not in "@#"]
    values = [[np.array(part.split(","), dtype=float) for part in row[:-1]] for row in rows]
    return np.array(values), np.array([row[-1] for row in rows])


def folds(X: np.ndarray, y: np.ndarray) -> Iterator[tuple[Part, Part]]:  # noqa: N803
    """Make five folds of whole recordings."""
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        yield (X[train], y[train]), (X[test], y[test])


def main() -> None:
    """Print and write one line per set and model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="classification.json")
    out = Path(parser.parse_args().out)
    folder = Path(os.environ["TSLM_DATA"]) / "ts"
    X, y = bonn(folder)  # noqa: N806
    problems = {
        "Bonn, 5 classes": list(folds(X, y)),
        "Bonn, seizure or not": list(folds(X, np.where(y == "S", "seizure", "rest"))),
        "Delhi, 3 classes": list(folds(*delhi(folder))),
    }
    for name in ("SelfRegulationSCP1", "FingerMovements", "BasicMotions"):
        problems[name] = [published(folder, name)]
    results = []
    for problem, parts in problems.items():
        for name, options in MODELS.items():
            right = count = 0
            for (seen, labels), (unseen, truth) in parts:
                length = 178 if problem.startswith("Bonn") else None
                model = TSLMClassifier(frame_length=length, **options).fit(seen, labels)
                right += int((model.predict(unseen) == truth).sum())
                count += len(truth)
            low, high = binomtest(right, count).proportion_ci(method="wilson")
            results.append({"set": problem, "model": name, "right": right, "of": count})
            share = f"{right / count:.3f} ({low:.3f} to {high:.3f})"
            print(f"{problem:<22} {name:<12} {share} of {count}", flush=True)
    out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
