"""Forecasts from titles: regressions on title vectors, and the process over time."""

import pytest
import torch
from torch import Tensor

from tslm.core.errors import DataError
from tslm.models.text.series_shape import SeriesShape, measure
from tslm.models.text.title_process import TitleProcess
from tslm.models.text.title_regression import FEWEST, NOTHING, TitleRegression

PHASES = 4


def vectors(count: int = 24) -> Tensor:
    """Return vectors of two kinds of titles: the first entries point in opposite directions."""
    dice = torch.Generator().manual_seed(0)
    kind = torch.tensor([1.0, -1.0]).repeat(count // 2)
    noise = 0.2 * torch.randn(count, 6, generator=dice)
    return torch.cat([kind[:, None], noise], 1).double()


def rows(count: int = 24, length: int = 20) -> tuple[Tensor, Tensor]:
    """Return series of two kinds with opposite seasons, and the phase of each row."""
    dice = torch.Generator().manual_seed(1)
    phase = (torch.arange(length) % PHASES).expand(count, -1)
    kind = torch.tensor([1.0, -1.0]).repeat(count // 2)
    season = kind[:, None] * torch.tensor([1.0, 0.0, -1.0, 0.0])[phase]
    level = torch.randn(count, 1, generator=dice)
    noise = 0.05 * torch.randn(count, length, generator=dice)
    return (level + season + noise).double(), phase


def learnt(*, use: bool = True, titles: Tensor | None = None) -> TitleProcess:
    shape, enough = measure(*rows(), PHASES)
    assert enough.all()
    return TitleProcess.of(vectors() if titles is None else titles, shape, use=use)


def test_a_shape_is_level_growth_and_season() -> None:
    phase = (torch.arange(20) % PHASES)[None]
    season = torch.tensor([1.0, 0.0, -1.0, 0.0], dtype=torch.float64)
    y = 3 + 0.5 * torch.arange(20)[None].double() + season[phase]
    y[0, 7] = torch.nan
    shape, enough = measure(y, phase, PHASES)
    assert enough.all()
    torch.testing.assert_close(shape.growth[0], torch.tensor(2.0).double(), atol=0.2, rtol=0)
    torch.testing.assert_close(shape.season[0], season, atol=0.3, rtol=0)
    torch.testing.assert_close(shape.level[0], y[0, -1], atol=0.5, rtol=0)


def test_series_of_less_than_two_seasons_have_no_shape() -> None:
    y, phase = rows(2, 7)
    shape, enough = measure(y, phase, PHASES)
    assert not enough.any()
    assert shape.season.shape == (0, PHASES)


def test_without_rows_the_title_tells_the_season() -> None:
    process = learnt()
    assert process.informed
    one, other = process.priors(vectors()[:2])
    nothing, ahead = torch.full((1,), torch.nan).double(), torch.arange(PHASES)
    first = process.forecast(one, nothing, ahead[-1:], ahead).mean
    second = process.forecast(other, nothing, ahead[-1:], ahead).mean
    assert first[0] - first[2] > 1.5
    assert second[2] - second[0] > 1.5


def test_with_rows_intervals_are_narrower_and_the_level_is_theirs() -> None:
    process = learnt()
    (prior,) = process.priors(vectors()[:1])
    ahead, phase = torch.arange(PHASES), torch.arange(3) % PHASES
    nothing = torch.full((3,), torch.nan).double()
    known = torch.tensor([101.0, 100.0, 99.0]).double()
    blind = process.forecast(prior, nothing, phase, ahead)
    seen = process.forecast(prior, known, phase, ahead)
    assert (seen.covariance.diagonal() < blind.covariance.diagonal()).all()
    torch.testing.assert_close(seen.mean.mean(), torch.tensor(100.0).double(), atol=0.6, rtol=0)
    assert seen.covariance[-1, -1] > seen.covariance[0, 0]


def test_titles_that_say_nothing_are_not_used() -> None:
    dice = torch.Generator().manual_seed(3)
    titles = torch.randn(24, 6, generator=dice).double()
    process = learnt(titles=titles)
    assert not process.informed
    assert all(kernel == NOTHING for kernel in process.numbers.kernels)


def test_without_use_all_series_have_the_same_prior() -> None:
    one, other = learnt(use=False).priors(vectors()[:2])
    torch.testing.assert_close(one.mean, other.mean)


def test_few_series_tell_no_similarity() -> None:
    few = FEWEST - 2
    numbers = vectors(few)[:, :1]
    assert TitleRegression.of(vectors(few), numbers).kernels == (NOTHING,)


def test_a_state_gives_the_same_forecast() -> None:
    process = learnt()
    again = TitleProcess.from_state(process.state())
    for one, other in zip(process.priors(vectors()), again.priors(vectors()), strict=True):
        torch.testing.assert_close(one.mean, other.mean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"centre": torch.zeros(3).double()},
        {"kernels": [[0.5, 0.1, True]]},
        {"pieces": 3},
        {"rest": torch.full((PHASES,), -1.0).double()},
        {"numbers": torch.full((24, 5), torch.nan).double()},
    ],
)
def test_a_damaged_state_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="titles do not fit together"):
        TitleProcess.from_state(learnt().state() | change)


def test_shapes_of_constant_seasons_are_left_out() -> None:
    flat = torch.zeros(10).double()
    shape = SeriesShape(flat, flat, torch.zeros(10, PHASES).double(), flat - 2, flat - 4)
    process = TitleProcess.of(vectors(10), shape)
    assert process.shapes.shape == (0, PHASES)
