"""Effects of statements: what they do to points, quantiles and samples."""

import math

import pytest
import torch

from tslm.models.text.effect import Effect, Phase, widening

ONE = torch.ones((), dtype=torch.float64)


def effect(factor: float = 1.0, shift: float = 0.0, spread: float = 1.0, replaced: float = 0.0):
    numbers = (math.log(factor), shift, math.log(spread), replaced)
    return Effect(*torch.tensor(numbers, dtype=torch.float64))


FORECAST = torch.tensor([10.0, 8.0, 13.0], dtype=torch.float64)


def test_no_effect_leaves_a_forecast_as_it_is():
    assert Effect.none().apply(FORECAST, ONE).tolist() == FORECAST.tolist()


def test_a_factor_multiplies_the_point_and_the_width():
    assert effect(factor=4).apply(FORECAST, ONE).tolist() == pytest.approx([40, 32, 52])


def test_a_shift_is_in_standard_deviations_and_leaves_the_width():
    assert effect(shift=2).apply(FORECAST, 5 * ONE).tolist() == pytest.approx([20, 18, 23])


def test_a_spread_widens_about_the_point():
    assert effect(spread=2).apply(FORECAST, ONE).tolist() == pytest.approx([10, 6, 16])


def test_a_replaced_value_is_zero_without_a_width():
    assert effect(factor=3, replaced=1).apply(FORECAST, ONE).tolist() == [0, 0, 0]


def test_two_statements_multiply_their_factors_and_add_their_shifts():
    both = effect(factor=2, shift=1).beside(effect(factor=3, shift=2))
    assert both.log_factor.exp().item() == pytest.approx(6)
    assert both.shift.item() == 3
    assert effect(replaced=0.5).beside(effect(replaced=0.5)).replaced.item() == 0.75


@pytest.mark.parametrize("own", [effect(factor=0.3), effect(shift=-1), effect(2, 1, 3)])
def test_removing_an_effect_is_the_inverse_of_applying_it(own):
    sigma = 2 * ONE
    moved = own.apply(FORECAST[:1], sigma)
    assert own.remove(moved, sigma).tolist() == pytest.approx(FORECAST[:1].tolist())


def test_an_observed_value_that_was_replaced_is_unknown_without_the_effect():
    assert effect(replaced=0.9).remove(FORECAST, ONE).isnan().all()


def test_the_doubt_of_an_effect_adds_to_the_variance_of_quantiles_and_samples():
    scores = torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64)
    values = torch.tensor([10.0, 7.0, 13.0], dtype=torch.float64)
    assert widening(values, scores, 4 * ONE).item() == pytest.approx(5 / 3)
    sampled = torch.tensor([0.0, math.nan, math.nan], dtype=torch.float64)
    assert widening(values, sampled, 4 * ONE).item() == pytest.approx(5 / 3)
    assert widening(values[:1], scores[:1], 4 * ONE).item() == 1


def test_the_phase_of_a_span_runs_from_its_first_to_its_last_step():
    phase = Phase.within(torch.tensor([1.0, 3.0]), 5)
    assert phase.position.tolist() == [[0, 1, 1, 1, 1], [0, 0.5, 1, 1, 1]]
    assert phase.after.tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]
