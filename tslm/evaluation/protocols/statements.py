"""Protocol of generated statements: move a base forecast by what each reader says, and score it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig

from tslm.core.config.schema import listed
from tslm.core.messages import check_choice
from tslm.estimators.factory import estimator_of
from tslm.estimators.statements.readers import reader_named
from tslm.evaluation.protocols.records import Record
from tslm.evaluation.statements.generator import UNSEEN_KINDS, Statement, generate
from tslm.evaluation.statements.readers import trained, vectors_of
from tslm.evaluation.statements.scoring import Case, Errors, cases, interval, score, true_effect
from tslm.evaluation.statements.swaps import SWAPS, swapped
from tslm.evaluation.statements.windows import windows
from tslm.models.text.effect import Effect

VALIDATION = 0.15  # statements of validation wordings for each one of training
RULES = "rules"
Scores = list[Errors]
# sentences and their cases to effects and doubts
Reader = Callable[[Sequence[str], Sequence[Case]], Iterator[tuple[Effect, float]]]


class Part(NamedTuple):
    """Test statements of one kind of wording."""

    name: str
    cases: list[Case]


def run(cfg: DictConfig) -> Iterator[Record]:
    """Score every reader, without text, and with the true effects.

    Args:
        cfg: settings of the verb; ``readers`` and ``sets`` name what is compared.

    Yields:
        One record per reader, seed and part of the test; those of the first reader say by how much
        its error is below each other's, with an interval.
    """
    parts = _parts(cfg)
    train = generate(int(cfg.wordings), "train", seed=0)
    val = generate(round(VALIDATION * int(cfg.wordings)), "val", seed=0)
    every: dict[tuple[str, str, int], Scores] = {}
    for part in parts:
        texts = [case.statement.text for case in part.cases]
        known: dict[str, Reader] = {"none": _none, "oracle": _oracle}
        for name, reader in known.items():
            every[name, part.name, 0] = _scores(part, texts, reader)
            yield _record(cfg, name, part, 0, every)
    names = [str(name) for name in listed(cfg.readers) or []]
    for name in names:
        readers = _readers(cfg, name, train, val)
        for seed, chosen in readers.items():
            for part in parts:
                texts = [case.statement.text for case in part.cases]
                every[name, part.name, seed] = _scores(part, texts, chosen)
                yield _record(cfg, name, part, seed, every)
                if name == names[0] and seed == min(readers):
                    yield from _swaps(cfg, name, part, seed, chosen, every)
    for part in parts:
        yield from _differences(cfg, part, every)


def _readers(
    cfg: DictConfig, name: str, train: Sequence[Statement], val: Sequence[Statement]
) -> dict[int, Reader]:
    """Return the reader of a name for every seed; the rules have none."""
    if name == RULES:
        return {0: _of_rules()}
    vectors = vectors_of(name, cfg.n_layers, [one.text for one in train])
    seeds = [int(seed) for seed in listed(cfg.seeds) or []]
    return {seed: _of_head(vectors, trained(vectors, train, val, seed)) for seed in seeds}


def _parts(cfg: DictConfig) -> list[Part]:
    """Generate the test statements, and put them on windows of the chosen sets."""
    known = cfg.benchmark.sets
    found = []
    for name in map(str, listed(cfg.sets) or []):
        check_choice("sets", name, list(known))
        found += windows(name, known[name], estimator_of(cfg))
    quarter = int(cfg.statements) // 4
    parts = {
        "unseen wordings": generate(2 * quarter, "test", seed=0),
        "unseen kinds": generate(quarter, "test", seed=0, kinds=UNSEEN_KINDS),
        "seen wordings": generate(quarter, "train", seed=1),
    }
    return [Part(name, cases(made, found, seed=0)) for name, made in parts.items()]


def _none(texts: Sequence[str], where: Sequence[Case]) -> Iterator[tuple[Effect, float]]:
    """Expect no effect."""
    yield from ((Effect.none(1, case.length), 0.0) for case in where)


def _oracle(texts: Sequence[str], where: Sequence[Case]) -> Iterator[tuple[Effect, float]]:
    """Know the true effect."""
    yield from ((true_effect(case), 0.0) for case in where)


def _of_rules() -> Reader:
    """Return the reader by rules."""
    rules = reader_named(RULES)

    def read(texts: Sequence[str], where: Sequence[Case]) -> Iterator[tuple[Effect, float]]:
        for text, case in zip(texts, where, strict=True):
            yield rules.effects([text], case.phase), float(rules.doubt([text])[0])

    return read


def _of_head(vectors: Any, head: Any) -> Reader:
    """Return the reader of a trained head."""

    def read(texts: Sequence[str], where: Sequence[Case]) -> Iterator[tuple[Effect, float]]:
        with torch.no_grad():
            table = vectors(texts)
            doubt = head(table, texts).doubt.tolist()
            rows = range(len(where))
            effects = [head.effect(table[[row]], [texts[row]], where[row].phase) for row in rows]
        yield from zip(effects, doubt, strict=True)

    return read


def _scores(part: Part, texts: Sequence[str], reader: Reader) -> Scores:
    """Return the errors of each case, with these sentences in place of its own."""
    found = zip(part.cases, reader(texts, part.cases), strict=True)
    return [score(case, effect, doubt) for case, (effect, doubt) in found]


def _swaps(
    cfg: DictConfig,
    name: str,
    part: Part,
    seed: int,
    reader: Reader,
    every: dict[tuple[str, str, int], Scores],
) -> Iterator[Record]:
    """Score a reader with other sentences in place of the true ones."""
    statements = [case.statement for case in part.cases]
    for swap in SWAPS:
        texts = swapped(swap, statements, part.name)
        if texts is not None:
            label = f"{name}, text {swap}"
            every[label, part.name, seed] = _scores(part, texts, reader)
            yield _record(cfg, label, part, seed, every)


def _record(
    cfg: DictConfig,
    name: str,
    part: Part,
    seed: int,
    every: dict[tuple[str, str, int], Scores],
) -> Record:
    """Return the record of one reader on one part."""
    own, plain = every[name, part.name, seed], every["none", part.name, 0]
    oracle = every.get(("oracle", part.name, 0), plain)
    inside, outside = _mean(own, 0), _mean(own, 1)
    return {
        "benchmark": cfg.benchmark.name,
        "model": name,
        "part": part.name,
        "horizon": max(len(case.window.truth) for case in part.cases),
        "seed": seed,
        "mae": round(inside["mae"], 4),
        "wql": round(inside["wql"], 4),
        "mae_outside": round(outside["mae"], 4),
        "wql_outside": round(outside["wql"], 4),
        "mae_of_none": round(inside["mae"] / _mean(plain, 0)["mae"], 4),
        "mae_of_oracle": round(inside["mae"] / _mean(oracle, 0)["mae"], 4),
        "mae_by_kind": _by_kind(part, own),
        "windows": len(part.cases),
        "channels": 1,
    }


def _by_kind(part: Part, scores: Scores) -> dict[str, float]:
    """Return the mean absolute error inside spans of each kind of statement."""
    kinds = np.array([case.statement.kind for case in part.cases])
    errors = np.array([each.mae[0] for each in scores])
    return {str(kind): round(float(errors[kinds == kind].mean()), 4) for kind in np.unique(kinds)}


def _mean(scores: Scores, place: int) -> dict[str, float]:
    """Return mean errors inside (0) or outside (1) of spans."""
    mae, wql = [each.mae[place] for each in scores], [each.wql[place] for each in scores]
    return {"mae": float(np.nanmean(mae)), "wql": float(np.nanmean(wql))}


def _differences(
    cfg: DictConfig, part: Part, every: dict[tuple[str, str, int], Scores]
) -> Iterator[Record]:
    """Compare the first reader with every other: mean over seeds, paired by statement."""
    first = str((listed(cfg.readers) or [""])[0])
    groups = [case.statement.frame for case in part.cases]
    names = list(dict.fromkeys(name for name, where, _ in every if where == part.name))
    means = {
        name: np.mean(
            [
                [each.mae[0] for each in scores]
                for (own, where, _), scores in every.items()
                if (own, where) == (name, part.name)
            ],
            0,
        )
        for name in names
    }
    for name in names:
        if name != first and first in means:
            difference = means[first] - means[name]
            low, high = interval(difference, groups)
            yield {
                "benchmark": cfg.benchmark.name,
                "model": f"{first} minus {name}",
                "part": part.name,
                "horizon": max(len(case.window.truth) for case in part.cases),
                "mae": round(float(difference.mean()), 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "windows": len(part.cases),
                "channels": 1,
            }
