"""Learnt codes of filters."""

import pytest
import torch

from tslm.models.layers.lpc.codebook import SPECIAL, Codebook, itakura, per_power
from tslm.models.layers.lpc.framing import Estimator, Frames
from tslm.models.layers.lpc.learnt_codes import excess, grid_levels
from tslm.models.layers.lpc.linear_prediction import step_down


def frames(*signs: float) -> Frames:
    """Return forty frames of each kind: neighbours are alike (1) or opposite (-1)."""
    dice = torch.Generator().manual_seed(0)
    noise = torch.randn(40 * len(signs), 64, generator=dice, dtype=torch.float64)
    rows = [noise[:, 0]]
    for step in range(1, 64):
        rows.append(torch.tensor(signs).repeat_interleave(40) * 0.8 * rows[-1] + noise[:, step])
    return Estimator(4).measure(torch.stack(rows, 1))


@pytest.mark.parametrize(
    ("n_codes", "levels"), [(1, [1]), (2, [2]), (6, [2, 3]), (16, [4, 4]), (17, [17])]
)
def test_a_grid_has_as_many_points_as_codes(n_codes: int, levels: list[int]) -> None:
    assert grid_levels(n_codes) == levels
    assert len(Codebook(4, n_codes, "learnt").centres) == n_codes


def test_frames_of_two_kinds_get_two_codes_and_the_filters_are_stable() -> None:
    measured = frames(-1.0, 1.0)
    book = Codebook(4, 4, "learnt")
    book.fit(measured)
    codes = book(measured).shape
    assert (codes >= SPECIAL).all()
    assert not set(codes[:40].tolist()) & set(codes[40:].tolist())
    assert (step_down(book.filters).abs() < 1).all()


def test_the_loss_is_the_distance_to_the_own_filter() -> None:
    measured = frames(-1.0, 1.0)
    ratio, filters = per_power(measured.model), measured.model.coefficients.flip(0)
    torch.testing.assert_close(excess(ratio, filters), itakura(ratio, filters).diagonal())


def test_learning_lowers_the_distance_and_depends_on_the_seed_alone() -> None:
    measured = frames(-1.0, 0.0, 1.0)
    before, one, two = (Codebook(4, 4, "learnt") for _ in range(3))
    one.fit(measured)
    two.fit(measured)
    assert torch.equal(one.filters, two.filters)
    ratio = per_power(measured.model)
    first, last = (itakura(ratio, book.filters).amin(1).mean() for book in (before, one))
    assert last < first / 2
    assert not any(weight.requires_grad for weight in one.parameters())
