"""Statements take effect on windows, and forecasts are moved and scored."""

import numpy as np
import pytest
import torch

from tslm.evaluation.statements.generator import generate
from tslm.evaluation.statements.readers import targets, trained, vectors_of
from tslm.evaluation.statements.scoring import cases, interval, score, true_effect
from tslm.evaluation.statements.swaps import SWAPS, swapped
from tslm.evaluation.statements.windows import LEVELS, Window
from tslm.models.text.effect import Effect


def windows() -> list[Window]:
    rng = np.random.default_rng(0)
    found = []
    for name in ("a", "b"):
        truth = 10 + rng.random(24)
        spread = np.array(LEVELS)[:, None] - 0.5
        found.append(Window(name, truth, np.full(24, 10.5), 10.5 + spread * np.ones(24), 2.0, 10.0))
    return found


def test_the_true_effect_leaves_the_error_of_the_base_forecast_times_the_factor() -> None:
    for case in cases(generate(60, "test"), windows(), seed=0):
        plain = np.abs(case.window.truth - case.window.point)[case.inside] / case.window.scale
        errors = score(case, true_effect(case))
        if case.statement.kind == "factor":
            expected = plain.mean() * np.exp(case.statement.log_factor)
            assert errors.mae[0] == pytest.approx(expected)
        if case.statement.kind == "replacement":
            assert errors.mae[0] == 0
            assert errors.wql[0] == 0


def test_a_reader_without_effects_is_right_outside_of_spans_only() -> None:
    made = [case for case in cases(generate(60, "test"), windows(), seed=0)]
    doubled = [case for case in made if case.statement.log_factor > 0.6]
    for case in doubled:
        wrong = score(case, Effect.none(1, case.length))
        right = score(case, true_effect(case))
        assert wrong.mae[0] > right.mae[0]
        assert wrong.mae[1] == pytest.approx(right.mae[1], nan_ok=True)


def test_doubt_makes_quantiles_wider_and_leaves_the_point() -> None:
    case = cases(generate(1, "test"), windows(), seed=0)[0]
    sure, unsure = (score(case, true_effect(case), doubt) for doubt in (0.0, 0.5))
    assert sure.mae == unsure.mae
    assert case.statement.replaced or sure.wql[0] < unsure.wql[0]


def test_every_set_gets_the_same_number_of_statements() -> None:
    made = cases(generate(40, "test"), windows(), seed=0)
    assert sum(case.window.dataset == "a" for case in made) == 20
    assert all(case.start + case.length <= 24 for case in made)


def test_an_interval_of_groups_is_wider_than_that_of_single_statements() -> None:
    difference = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    low, high = interval(difference, [str(value) for value in difference])
    alone = interval(difference, [str(number) for number in range(200)])
    assert low < alone[0] < 1.5 < alone[1] < high


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_gives_one_other_sentence_for_each(swap: str) -> None:
    made = generate(30, "test")
    texts = swapped(swap, made, "unseen wordings")
    assert texts is not None
    assert len(texts) == 30
    assert sum(text == one.text for text, one in zip(texts, made, strict=True)) == 0


def test_a_trained_control_knows_its_training_statements() -> None:
    train = generate(200, "train")
    vectors = vectors_of("tfidf", None, [one.text for one in train])
    head = trained(vectors, train, generate(50, "val"), seed=0)
    with torch.no_grad():
        said = head(vectors([one.text for one in train]), [one.text for one in train])
    known = targets(train)
    error = (said.log_factor - known.log_factor)[known.replaced == 0].abs().mean()
    assert float(error) < 0.5 * float(known.log_factor.abs().mean())
