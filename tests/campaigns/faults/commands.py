"""Commands that the campaign disturbs, and the files of an undisturbed run of each."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pandas as pd

from tests.campaigns.faults.processes import COMMAND
from tests.frames import random_walks
from tslm import BaselineForecaster
from tslm.core.atomic_write import sweep
from tslm.estimators.saving.folder import read_saved

FIT = (
    *("h=4", "backbone=tiny", "adapter=autotimes", "adapter.patch_len=4", "context_length=16"),
    *("base=null", "max_steps=12", "batch_size=4", "random_state=0", "verbose=0"),
)
SERIES, ROWS = 60, 30
OUT = "out"  # what a command writes, in the folder of its try
Digests = Mapping[str, str]
JOBS = "tests.campaigns.faults.jobs"


@dataclass(frozen=True)
class Inputs:
    """Files that all tries read: tables, a Parquet data set, saved models.

    Attributes:
        folder: their folder.
    """

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Inputs":
        """Write the files into a folder."""
        walks = random_walks(60, ["a", "b", "c"])
        walks.to_csv(folder / "walks.csv", index=False)
        random_walks(70, ["a", "b", "c"], seed=1).to_csv(folder / "newer.csv", index=False)
        many = random_walks(ROWS, [f"s{k:03d}" for k in range(SERIES)], seed=2)
        many.to_parquet(folder / "many.parquet", index=False)
        many.sample(frac=1, random_state=0).to_parquet(folder / "mixed.parquet", index=False)
        for name, rule in (("old", "seasonal_naive"), ("new", "drift")):
            BaselineForecaster(rule, h=3, verbose=0).fit(walks).save(folder / name)
        return cls(folder)

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


@dataclass(frozen=True)
class Command:
    """Command that writes ``out`` in its working folder.

    Attributes:
        name: name in the table of the campaign.
        words: its words, from the inputs.
        function: function that takes the words.
        out: name of the file or folder that it writes.
        old: name of the saved model that is at ``out`` before; None: nothing is there.
        piecewise: True if it writes file after file, each of them whole.
        results: what it has written, by name: digests of its files.
        children: True if it starts processes of its own.
    """

    name: str
    words: Callable[[Inputs], list[str]]
    function: str = COMMAND
    out: str = OUT
    old: str | None = None
    piecewise: bool = False
    results: Callable[[Path], Digests] = field(default=lambda path: digests(path))
    children: bool = False

    def begin(self, inputs: Inputs, folder: Path) -> None:
        """Put into a folder what is there before the command."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.old is not None:
            shutil.copytree(inputs[self.old], folder / self.out)

    def found(self, folder: Path) -> Digests:
        """Return what a folder has now, after what a killed process left is put in order."""
        sweep(folder / self.out)
        return self.results(folder / self.out)

    def check_whole(self, folder: Path, states: list[Digests]) -> None:
        """Check that nothing is half-written.

        Args:
            folder: folder of a try.
            states: what may be there: the state before, and that of an undisturbed run.

        Raises:
            AssertionError: if something else is there.
        """
        found = self.found(folder)
        if self.piecewise:
            strange = [name for name, digest in found.items() if states[-1].get(name) != digest]
            assert not strange, f"half-written: {', '.join(strange)}"
        else:
            assert found in states, f"half-written: {', '.join(found)}"
        if (folder / self.out / "model.json").is_file():
            read_saved(folder / self.out)


def digests(path: Path) -> dict[str, str]:
    """Return the digest of each file that a user sees: not those of locks and unfinished runs."""
    if path.is_file():
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    names = {file: file.relative_to(path).as_posix() for file in files}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file, name in names.items()
        if not name.startswith((".", "checkpoints/")) and "/." not in name
    }


def studied(path: Path) -> dict[str, str]:
    """Return the trials of a study that are done, in their order, and the best one."""
    if not (path / "best.json").is_file():
        return {}
    backend = optuna.storages.journal.JournalFileBackend(str(path / "study.log"))
    with_trials = optuna.load_study(
        study_name="tslm", storage=optuna.storages.JournalStorage(backend)
    )
    done = [trial for trial in with_trials.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    table = pd.read_csv(path / "trials.csv")
    listed = int(table["state"].isin(["COMPLETE", "PRUNED"]).sum())
    facts: dict[str, Any] = {
        "best": json.loads((path / "best.json").read_text()),
        "trials": sorted(([trial.params, trial.value] for trial in done), key=str),
        "listed": listed,
    }
    return {name: json.dumps(value) for name, value in facts.items()}


def _fit(inputs: Inputs) -> list[str]:
    return ["fit", f"data={inputs['walks.csv']}", *FIT, f"out={OUT}"]


def _fit_data_set(inputs: Inputs) -> list[str]:
    return ["fit", f"data={inputs['many.parquet']}", "engine=local", *FIT, f"out={OUT}"]


def _tune(inputs: Inputs) -> list[str]:
    space = "space={learning_rate: {low: 1e-4, high: 1e-2, log: true}, adapter.patch_len: [2, 4]}"
    settings = [word for word in FIT if not word.startswith(("adapter.patch_len", "max_steps"))]
    few = ["max_steps=2", "n_trials=4", space]
    return ["tune", f"data={inputs['walks.csv']}", *settings, *few, f"out={OUT}"]


def _table(inputs: Inputs, ending: str) -> list[str]:
    return ["predict", f"model={inputs['old']}", f"out={OUT}{ending}"]


def _data_set(inputs: Inputs, workers: int = 1, data: str = "many.parquet") -> list[str]:
    return [inputs["old"], inputs[data], OUT, "local", str(workers), "150"]


COMMANDS = [
    Command("fit", _fit),
    Command("fit, a data set", _fit_data_set),
    Command("tune", _tune, results=studied),
    Command("predict, a table", lambda inputs: _table(inputs, ".csv"), out=f"{OUT}.csv"),
    Command(
        "predict, a Parquet table", lambda inputs: _table(inputs, ".parquet"), out=f"{OUT}.parquet"
    ),
    Command("predict, a data set", _data_set, function=f"{JOBS}:predict_data_set", piecewise=True),
    Command(
        "predict, a data set whose rows are mixed",
        lambda inputs: _data_set(inputs, data="mixed.parquet"),
        function=f"{JOBS}:predict_data_set",
        piecewise=True,
    ),
    Command(
        "predict, a data set with two workers",
        lambda inputs: _data_set(inputs, 2),
        function=f"{JOBS}:predict_data_set",
        piecewise=True,
        children=True,
    ),
    Command(
        "backtest, a data set",
        _data_set,
        function=f"{JOBS}:backtest_data_set",
        piecewise=True,
    ),
    Command(
        "recalibrate",
        lambda inputs: ["recalibrate", f"model={OUT}", f"data={inputs['newer.csv']}"],
        old="old",
    ),
    Command("save", lambda inputs: [inputs["new"], OUT], function=f"{JOBS}:save", old="old"),
]
