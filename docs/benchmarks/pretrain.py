"""Pretrain one adapter per segment length on many data sets, and study it on sets left out.

    TSLM_DATA=... python docs/benchmarks/pretrain.py train --out outputs/pretrained
    TSLM_DATA=... python docs/benchmarks/pretrain.py study --out outputs/pretrained-study

Adapters are trained on the rows before the test rows of each set, with as many windows of every
set. ``study`` leaves out the sets of a task of `tslm suite` and their relatives, trains on the
rest, fits with ``max_steps=0`` on the history of the task and scores its test rows. Each run is
one JSON file, and the same command continues where it stopped.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tslm import Spec, TSLMForecaster
from tslm.core.config.choices import choices, node
from tslm.core.files import write_json, write_text
from tslm.data.datasets import benchmarks, competitions
from tslm.evaluation.metrics.panel_errors import DECILES
from tslm.evaluation.suite import forecasts, groups, reference
from tslm.evaluation.suite.groups import Group, TaskSettings
from tslm.evaluation.suite.panels import Panel, read_panel
from tslm.models.residual_model import ResidualModel

SEGMENTS = (8, 16, 24, 48, 96)
SEASONS_OF_SEGMENT = 8  # most seasons of a segment; chosen by hand
TOKENS = 7  # segments of a context, the most that AutoTimes suggests
SHARES = (0.0, 0.25, 0.5, 1.0)  # of the correction of a base
BODIES = ("smollm2-135m", "random", "none")
MEMBER, CORRECTION = BASES = ("none", "profile_ar")  # member of the mix, correction of a base
RELATIVES = (  # sets of the same source, which are left out together
    ("etth1", "etth2", "ettm1", "ettm2"),
    ("epf_be", "epf_de", "epf_fr", "epf_np", "epf_pjm"),
)
ORDER = ("seasonal_naive", "rules", "mix", "alone", *(f"g={s:g}" for s in SHARES), "g fitted")


@dataclass(frozen=True)
class Source:
    """Data set to pretrain on: the rows of each series before its test rows.

    Args:
        name: of a file in ``conf/benchmark``.
        season_length: steps of the main season; 1 if the file names none.
        series: values of each series; NaN where missing.
    """

    name: str
    season_length: int
    series: list[np.ndarray]

    def suits(self, segment: int) -> bool:
        """Return True if a segment holds one to eight seasons, and half of the series hold two."""
        season = self.season_length
        fits = season == 1 or season <= segment <= SEASONS_OF_SEGMENT * season
        return fits and float(np.median([len(one) for one in self.series])) >= 2 * segment

    def pieces(self, segment: int, count: int, dice: np.random.Generator) -> Iterator[np.ndarray]:
        """Return stretches of the series that together have about ``count`` training windows.

        A large set gives stretches at random places. A small one gives all of its series, as often
        as needed.
        """
        length = (TOKENS + 1) * segment
        usable = [one for one in self.series if len(one) > segment]
        windows = np.array([max(len(one) - length + 1, 1) for one in usable])
        if windows.sum() <= count:
            for _ in range(round(count / windows.sum())):
                yield from usable
            return
        longest = length + TOKENS * segment
        while count > 0:
            one = usable[dice.choice(len(usable), p=windows / windows.sum())]
            start = dice.integers(max(len(one) - longest, 0) + 1)
            piece = one[start : start + longest]
            if np.isfinite(piece).any():
                yield piece
            count -= max(len(piece) - length + 1, 1)


def sets_of_series() -> list[str]:
    """Return the names of the sets of series; Context is Key, whose series have texts, is none."""
    kinds = (benchmarks.LONG_HORIZON, benchmarks.M_COMPETITION)
    found = choices("benchmark")
    return [name for name in found if benchmarks.kind_of(node("benchmark", name)) in kinds]


def read_sources(names: Sequence[str]) -> list[Source]:
    """Read the sets, without their test rows."""
    found = []
    for name in names:
        content = node("benchmark", name)
        if competitions.is_competition(content):
            series = list(competitions.load(content).known.values())
        else:
            data = benchmarks.load({**content})
            series = list(data.values[: data.borders.val_end].T)
        found.append(Source(name, int(content.season_length), series))
    return found


def chosen(
    sources: Sequence[Source], segment: int, base: str, season: int | None = None
) -> list[Source]:
    """Return the sets that suit a segment length; a base needs sets of one season.

    Args:
        sources: all sets.
        segment: length of a segment.
        base: base that the adapter corrects, "none" for a member of the mix.
        season: season of the base; None takes that of most sets.
    """
    found = [one for one in sources if one.suits(segment)]
    if base == MEMBER or not found:
        return found
    most = Counter(one.season_length for one in found).most_common(1)[0][0]
    return [one for one in found if one.season_length == (season or most)]


def settings(segment: int, base: str, body: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a fit must share with the pretrained folder, and the seed."""
    return {
        "adapter": Spec("autotimes", patch_len=segment),
        "decoder": "quantile",
        "backbone": body,
        "base": base,
        "n_layers": asked.n_layers,
        "accelerator": asked.accelerator,
        "random_state": asked.seed,
        "verbose": 0,
    }


def pretrain(
    sources: Sequence[Source],
    segment: int,
    base: str,
    body: str,
    asked: argparse.Namespace,
    out: Path,
) -> None:
    """Train an adapter on windows drawn evenly over the sets, and save it.

    One that was saved for the same sets and settings is kept.
    """
    note = out / "pretraining.json"
    names = [source.name for source in sources]
    facts = {"steps": asked.steps, "batch": asked.batch, "seed": asked.seed, "sets": names}
    facts["n_layers"] = asked.n_layers
    if note.is_file() and json.loads(note.read_text()) == facts:
        return
    dice = np.random.default_rng(asked.seed)
    count = max(asked.steps * asked.batch // len(sources), 1)
    parts = {
        f"{source.name}/{number}": piece
        for source in sources
        for number, piece in enumerate(source.pieces(segment, count, dice))
    }
    began = time.perf_counter()
    model = TSLMForecaster(
        **settings(segment, base, body, asked),
        h=segment,
        context_length=TOKENS * segment,
        freq=1,
        season_length=sources[0].season_length if base != MEMBER else 1,
        max_steps=asked.steps,
        batch_size=asked.batch,
        val_size=0,
    ).fit(competitions.long_frame(parts))
    model.save(out, overwrite=True, history=False)
    write_json(facts, note)
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    seconds = time.perf_counter() - began
    print(f"{out}: {', '.join(names)}; {size:.1f} MB, {seconds:.0f} s", flush=True)


def train(asked: argparse.Namespace) -> None:
    """Train the adapters that are shipped: one per segment length, on all sets that suit."""
    sources = read_sources(asked.sets)
    for base in asked.bases:
        for body in asked.backbones:
            for segment in asked.segments:
                suited = chosen(sources, segment, base)
                if suited:
                    title = f"{_file(body)}-{base}"
                    pretrain(suited, segment, base, body, asked, asked.out / title / str(segment))


def segment_of(task: TaskSettings) -> int:
    """Return the shortest segment that holds the horizon and a season, 96 if none does."""
    needed = max(task.h, task.season_length)
    return next((segment for segment in SEGMENTS if segment >= needed), SEGMENTS[-1])


def left_out(task: TaskSettings) -> list[str]:
    """Return the data sets of a task and their relatives, sorted."""
    own = set(task.datasets)
    return sorted(own.union(*(family for family in RELATIVES if own & set(family))))


def study(asked: argparse.Namespace) -> None:
    """Run what is missing, and write the table."""
    sources = read_sources(asked.sets)
    for group, task in _tasks(asked):
        _keep(asked, f"{task.name}-rules", lambda g=group, t=task: untrained(g, t, asked))
        for base in asked.bases:
            rest = [one for one in sources if one.name not in left_out(task)]
            suited = chosen(rest, segment_of(task), base, task.season_length)
            if not suited:
                print(f"{task.name}, base {base}: no other set suits", flush=True)
                continue
            for body in asked.backbones:
                given = (group, task, base, body, suited)
                title = f"{task.name}-{_file(body)}-{base}"
                _keep(asked, title, lambda g=given: pretrained(*g, asked))
    write_text(table(read_runs(asked.out)), asked.out / "table.md")
    print((asked.out / "table.md").read_text())


def untrained(group: Group, task: TaskSettings, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Score seasonal naive forecasts, and the mix of rules without an adapter."""
    panel = read_panel(task)
    windows = list(panel.windows())
    naive = [reference.forecast(one, task.season_length, group.reference) for one in windows]
    scores = forecasts.score(windows, naive, task.season_length, group.average)
    mix = Spec("auto", adapter=False)
    model = fitted(panel, base=mix, max_steps=0, random_state=asked.seed, verbose=0)
    return [
        {"task": task.name, "body": "", "forecast": "seasonal_naive", **scores},
        {"task": task.name, "body": "", "forecast": "rules", **scored(model, panel, group)},
    ]


def pretrained(
    group: Group,
    task: TaskSettings,
    base: str,
    body: str,
    suited: Sequence[Source],
    asked: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Train on the other sets, fit untrained on the history of a task, and score its test rows."""
    segment, panel = segment_of(task), read_panel(task)
    season = "" if base == MEMBER else f"-season-{task.season_length}"
    title = f"{segment}-{_file(body)}-{base}{season}-without-{'+'.join(left_out(task))}"
    folder = asked.out / "adapters" / title
    pretrain(suited, segment, base, body, asked, folder)
    given = {**settings(segment, base, body, asked), "pretrained": folder, "max_steps": 0}
    facts = {"task": task.name, "body": body, "sets": [one.name for one in suited]}
    found = []
    if base == MEMBER:
        for name, own in (("mix", "auto"), ("alone", MEMBER)):
            model = fitted(panel, **{**given, "base": own})
            weights = {one.member: one.weight for one in model.verdict_.members}
            errors = scored(model, panel, group)
            found.append({**facts, "forecast": name, **errors, "weights": weights})
        return found
    model = fitted(panel, **given)
    corrected = model.forecaster_
    assert isinstance(corrected, ResidualModel)
    own = float(corrected.gate)
    for name, share in (("g fitted", own), *((f"g={s:g}", s) for s in SHARES)):
        corrected.gate.fill_(share)
        errors = scored(model, panel, group)
        found.append({**facts, "forecast": name, **errors, "share": share})
    return found


def fitted(panel: Panel, **given: Any) -> TSLMForecaster:
    """Fit on the rows of a task before its first window."""
    task = panel.settings
    model = TSLMForecaster(
        h=task.h, freq=panel.freq, season_length=task.season_length, conformal="none", **given
    )
    return model.fit(next(panel.windows()).history[["unique_id", "ds", "y"]])


def scored(model: TSLMForecaster, panel: Panel, group: Group) -> dict[str, float]:
    """Forecast every window of a task; return its errors and the seconds of all forecasts."""
    began, windows, found = time.perf_counter(), list(panel.windows()), []
    columns = [model.name, *(f"{model.name}-{name}" for name in forecasts.QUANTILES)]
    for window in windows:
        rows = model.predict(window.history[["unique_id", "ds", "y"]], quantiles=list(DECILES))
        found.append(forecasts.arrange(rows, window, columns, "ds", model.name))
    errors = forecasts.score(windows, found, panel.settings.season_length, group.average)
    return {**errors, "seconds": round(time.perf_counter() - began, 2)}


def read_runs(out: Path) -> pd.DataFrame:
    """Return all runs of a study as one table."""
    files = sorted((out / "runs").glob("*.json"))
    return pd.DataFrame([row for file in files for row in json.loads(file.read_text())["rows"]])


def table(runs: pd.DataFrame) -> str:
    """Return errors relative to seasonal naive as Markdown: geometric means over tasks, and MASE.

    ``better`` counts the tasks on which MASE is below that of the untrained forecast: the mix of
    rules for ``mix`` and ``alone``, the base (g=0) for shares of a correction.
    """
    by_row = runs.set_index(["forecast", "body", "task"])[["mase", "wql"]]
    naive = by_row.loc["seasonal_naive", ""]
    tasks = list(dict.fromkeys(runs.task))
    lines = [f"| forecast | backbone | tasks | MASE | WQL | better | {' | '.join(tasks)} |"]
    lines.append("|---|---|" + "--:|" * (len(tasks) + 4))
    rows = sorted(by_row.index.droplevel("task").unique(), key=lambda row: ORDER.index(row[0]))
    for forecast, body in rows:
        own = by_row.loc[forecast, body]
        ratio = own / naive.loc[own.index]
        mase, wql = np.exp(np.log(ratio).mean())
        before = ("g=0", body) if forecast.startswith("g") else ("rules", "")
        start = by_row.loc[before].reindex(own.index)
        better = int((own.mase < start.mase).sum())
        each = [f"{ratio.mase[task]:.3f}" if task in ratio.index else "" for task in tasks]
        cells = [forecast, body, str(len(own)), f"{mase:.3f}", f"{wql:.3f}", str(better), *each]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _tasks(asked: argparse.Namespace) -> Iterator[tuple[Group, TaskSettings]]:
    for name in asked.groups:
        group = groups.load(name)
        for task in group.tasks:
            if not asked.tasks or task.name in asked.tasks:
                yield group, task


def _keep(asked: argparse.Namespace, title: str, run: Any) -> None:
    """Write the rows of a run to its file, unless they are there for the same settings."""
    path = asked.out / "runs" / f"{title}.json"
    names = ("steps", "batch", "seed", "n_layers", "sets")
    given = {name: getattr(asked, name) for name in names}
    if path.is_file() and json.loads(path.read_text())["settings"] == given:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json({"settings": given, "rows": run()}, path)
    print(title, flush=True)


def _file(body: str) -> str:
    return body.replace(":", "-").replace("/", "-")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train adapters, or study them on sets left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("train", "study"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=sets_of_series())
    parser.add_argument("--segments", nargs="+", type=int, default=list(SEGMENTS))
    parser.add_argument("--bases", nargs="+", choices=BASES, default=None)
    parser.add_argument("--backbones", nargs="+", default=None)
    parser.add_argument("--groups", nargs="+", default=["chronos2", "epf"])
    parser.add_argument("--tasks", nargs="+", default=[])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--n-layers", type=int, default=None)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    alone = asked.work == "train"
    asked.bases = asked.bases or ([MEMBER] if alone else list(BASES))
    asked.backbones = asked.backbones or list(BODIES[:1] if alone else BODIES)
    warnings.simplefilter("ignore")
    (train if alone else study)(asked)


if __name__ == "__main__":
    main()
