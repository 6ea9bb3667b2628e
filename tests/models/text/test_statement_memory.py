"""Memory of past statements: what their effects say about new ones."""

import pytest
import torch

from tslm.core.errors import DataError
from tslm.models.text.statement_memory import StatementMemory

FAIR, STRIKE, OTHER = torch.eye(3, dtype=torch.float64)


def memory(vectors, expected, observed, noise=0.01):
    expected = torch.tensor(expected, dtype=torch.float64)
    observed = torch.tensor(observed, dtype=torch.float64)
    return StatementMemory.of(
        torch.stack(vectors), expected, observed, torch.full_like(expected, noise)
    )


def correct(known, vector, expected=0.0):
    found = known.correct(vector[None], torch.tensor([expected], dtype=torch.float64))
    return [part.item() for part in found]


def test_an_empty_memory_corrects_nothing():
    assert correct(StatementMemory.empty(), FAIR, 0.7) == [0, 0, 0]


def test_statements_without_an_effect_are_not_given_one():
    quiet = memory([FAIR, STRIKE] * 5, [0.0] * 10, [0.05, -0.1, 0.1, 0.0, -0.05] * 2)
    assert correct(quiet, FAIR)[0] == 0


def test_a_statement_that_returns_has_the_effect_that_it_had_before():
    known = memory([FAIR] * 4 + [STRIKE] * 4, [0.0] * 8, [0.8] * 4 + [-0.5] * 4)
    assert correct(known, FAIR)[0] == pytest.approx(0.8, abs=0.05)
    assert correct(known, STRIKE)[0] == pytest.approx(-0.5, abs=0.05)
    mean, variance, share = correct(known, OTHER)
    assert abs(mean) < 0.3
    assert variance > 0.01
    assert share < 0.5


def test_an_expectation_that_never_came_true_is_no_longer_trusted():
    vectors = list(torch.eye(12, dtype=torch.float64))
    expected = [0.5, 1.0, -0.7, 0.9, -0.4, 0.8, -1.1, 0.6, 0.3, -0.9, 1.2]
    known = memory(vectors[:11], expected, [0.0] * 11)
    assert correct(known, vectors[11], 1.0)[0] == pytest.approx(-1, abs=0.1)
    right = memory(vectors[:11], expected, expected)
    assert correct(right, vectors[11], 1.0)[0] == 0


def test_noisy_observations_move_less_than_certain_ones():
    certain = memory([FAIR] * 3, [0.0] * 3, [0.6] * 3, noise=0.001)
    noisy = memory([FAIR] * 3, [0.0] * 3, [0.6] * 3, noise=1.0)
    assert abs(correct(noisy, FAIR)[0]) < correct(certain, FAIR)[0]


def test_a_saved_memory_is_the_same_memory():
    known = memory([FAIR, STRIKE], [0.1, 0.2], [0.8, -0.5])
    again = StatementMemory.from_state(known.state())
    assert correct(again, FAIR, 0.3) == correct(known, FAIR, 0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"noise": torch.tensor([0.1, -1.0], dtype=torch.float64)},
        {"expected": torch.zeros(3, dtype=torch.float64)},
        {"vectors": torch.zeros(2)},
        {"sizes": [9.0, 0.0, 0.0, 0.1]},
        {"residual": torch.tensor([0.1, torch.nan], dtype=torch.float64)},
    ],
)
def test_a_damaged_memory_is_refused(change):
    with pytest.raises(DataError, match="past statements"):
        StatementMemory.from_state(memory([FAIR, STRIKE], [0.1, 0.2], [0.8, -0.5]).state() | change)
