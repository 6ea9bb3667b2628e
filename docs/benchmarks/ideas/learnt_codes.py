"""Row 11: learnt codes beside LiPCoT's, in forecasts and in classification.

    python docs/benchmarks/ideas/learnt_codes.py --work runs/codes --out learnt_codes.json

Forecasts: LiPCoT on two blocks of SmolLM2-135M, 50 steps of 32 windows, contexts of 384 steps, 96
ahead, every 24th test window. The codes differ only in ``adapter.latent``.

    python docs/benchmarks/ideas/learnt_codes.py classify --out learnt_codes_eeg.json

Classification: accuracy in five folds of whole recordings, with three seeds of the codebook (64
codes), from the frozen language model and from the frequencies of codes.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from pairs import Study, autotimes, study

from tslm import Spec, TSLMClassifier, TSLMForecaster
from tslm.core.files import write_json
from tslm.core.paths import data_folders
from tslm.data.datasets.benchmarks import Benchmark

sys.path.insert(0, str(Path(__file__).parents[1]))
from classification import bonn, delhi, folds

LATENTS = ("itakura", "logspec", "learnt")
SEEDS = (0, 1, 2)


def lipcot(data: Benchmark, h: int, latent: str) -> TSLMForecaster:
    """Return LiPCoT with one kind of codes."""
    adapter = Spec("lipcot", latent=latent)
    settings = {"adapter": adapter, "base": Spec("profile_ar"), "context_length": 384}
    return autotimes(data, h, **settings, max_steps=50, batch_size=32)


def classify() -> None:
    """Measure the accuracy on the two EEG sets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args(sys.argv[2:]).out
    folder = next(path / "ts" for path in data_folders() if (path / "ts").is_dir())
    problems = {"Delhi": (delhi(folder), None), "Bonn": (bonn(folder), 178)}
    done = json.loads(out.read_text()) if out.exists() else []
    for name, ((X, y), length) in problems.items():  # noqa: N806
        for features in ("codes", "llm"):
            for latent in LATENTS:
                if any(
                    (d["set"], d["features"], d["latent"]) == (name, features, latent) for d in done
                ):
                    continue
                right = np.zeros(len(SEEDS))
                for (seen, labels), (unseen, truth) in folds(X, y):
                    for seed in SEEDS:
                        model = TSLMClassifier(
                            features, frame_length=length, latent=latent, random_state=seed
                        )
                        right[seed] += (model.fit(seen, labels).predict(unseen) == truth).sum()
                share = right / len(y)
                done.append(
                    {"set": name, "features": features, "latent": latent, "of": len(y)}
                    | {"right": right.tolist(), "accuracy": round(float(share.mean()), 4)}
                )
                print(name, features, latent, share.round(3), flush=True)
                write_json(done, out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["classify"]:
        classify()
    else:
        study(
            Study(
                arms={
                    name: lambda data, h, name=name: lipcot(data, h, name)
                    for name in ("itakura", "learnt")
                },
                reference="itakura",
                sets={"etth1": 24, "etth2": 24},
                horizons=(96,),
            )
        )
