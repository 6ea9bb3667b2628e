"""Nightly job: update a model to new rows, forecast, and write; it may be killed at any point.

    python nightly.py rows.parquet models/sales forecasts.parquet --steps 50 --margin 0.05

The first model is made once, by ``tslm fit data=rows.parquet h=28 out=models/sales``.
docs/nightly.md has the timer, and a table of what happens when it stops.

Exit codes: 0 the new model is in its place; 3 last night's model was kept, with new intervals; 75
another night is still running; 2 an error, and last night's model and intervals are as they were.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from tslm import TslmError, TSLMForecaster

DONE, FAILED, KEPT, BUSY = 0, 2, 3, 75


def main(words: Sequence[str] | None = None) -> int:
    """Run one night under a lock, and return the exit code. A killed process frees the lock."""
    args = arguments(words)
    try:
        with FileLock(f"{args.model}.lock", timeout=0):
            return night(args)
    except Timeout:
        print(f"Another night is still at work on {args.model}.", file=sys.stderr)
        return BUSY
    except (TslmError, OSError, pa.ArrowException) as error:
        print(error, file=sys.stderr)
        return FAILED


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Update a model to new rows, and forecast.")
    parser.add_argument("rows", help="Parquet file of all series to their newest rows", type=Path)
    parser.add_argument("model", help="folder of the saved model, which is replaced", type=Path)
    parser.add_argument("forecasts", help="Parquet file to write", type=Path)
    parser.add_argument("--steps", help="steps of training; 0: new intervals only", type=int)
    parser.add_argument("--margin", help="share by which errors may grow", type=float)
    parser.add_argument("--level", help="levels of the intervals", type=float, nargs="*")
    parser.set_defaults(steps=50, margin=0.05, level=[80])
    return parser.parse_args(words)


def night(args: argparse.Namespace) -> int:
    """Fit or recalibrate, forecast, and write the forecasts and then the model."""
    rows = pd.read_parquet(args.rows)
    model, code = TSLMForecaster.load(args.model), DONE
    if args.steps:
        newer = TSLMForecaster.load(args.model).set_params(max_steps=args.steps)
        newer.fit(rows, warm_start=True)
        code = DONE if is_good(newer, model, rows, args.margin) else KEPT
    if args.steps and code == DONE:
        model = newer
    else:
        model.recalibrate(rows)
    write(model.predict(rows, level=args.level), args.forecasts)
    model.save(args.model, overwrite=True)  # the last step: if killed before, the night is repeated
    return code


def is_good(
    newer: TSLMForecaster, model: TSLMForecaster, rows: pd.DataFrame, margin: float
) -> bool:
    """Compare two models on the newest ``h`` rows of each series, which neither was trained on."""
    error, before = -newer.score(rows), -model.score(rows)
    print(f"Error on the newest {newer.h} rows: {error:.4f}; of last night's model: {before:.4f}.")
    print(newer.verdict_.to_frame().to_string(index=False))
    return error <= (1 + margin) * before


def write(forecasts: pd.DataFrame, path: Path) -> None:
    """Write a file beside its place, then move it there: readers see the old or the new one."""
    draft = path.with_name(f".{path.name}.part")
    forecasts.to_parquet(draft, index=False)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
