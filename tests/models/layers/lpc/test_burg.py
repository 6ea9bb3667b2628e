import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.models.layers.lpc.burg import burg, fill_forward, zero_input_response

PARITY = Path(__file__).parents[3] / "parity"
POLES = (0.95 * np.exp(0.3j), 0.9 * np.exp(1.2j))
AR4 = np.poly([pole for p in POLES for pole in (p, p.conjugate())]).real[1:]


def reference(x: np.ndarray, order: int) -> tuple[np.ndarray, float]:
    """Burg's recursion of one row, written as in the text book."""
    f, b, a, power = x[1:], x[:-1], np.ones(1), np.mean(x**2)
    for _ in range(order):
        k = -2 * (b @ f) / (f @ f + b @ b)
        f, b = (f + k * b)[1:], (b + k * f)[:-1]
        a = np.append(a, 0) + k * np.append(a, 0)[::-1]
        power *= 1 - k**2
    return a[1:], power


def ar4(rows: int, steps: int, seed: int = 0) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((rows, steps + 300)))
    taps = torch.from_numpy(AR4).repeat(rows, 1)
    x = [torch.zeros(rows, dtype=torch.float64)] * 4
    for e in noise.T:
        x.append(e - (taps * torch.stack(x[:-5:-1], dim=1)).sum(1))
    return torch.stack(x[-steps:], dim=1)


@pytest.mark.parametrize("case", ["lipcot_lpc", "lipcot_lpc_order16"])
def test_burg_equals_the_published_program(case: str) -> None:
    arrays = np.load(PARITY / f"{case}.npz", allow_pickle=False)
    order = json.loads(str(arrays["config"]))["order"]
    model = burg(torch.from_numpy(arrays["input/frames"].T.copy()), order)
    for name, ours in zip(("lpc", "power", "reflection"), model, strict=True):
        np.testing.assert_allclose(ours, arrays[f"output/burg/{name}"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", [1, 5, 24])
def test_burg_equals_the_recursion_of_one_row(order: int) -> None:
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 60)).cumsum(1))
    model = burg(x, order)
    for i, row in enumerate(x.numpy()):
        a, power = reference(row, order)
        np.testing.assert_allclose(model.coefficients[i], a, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(model.power[i], power, rtol=1e-9)


@pytest.mark.parametrize(("steps", "error"), [(128, 0.16), (512, 0.08), (2048, 0.04), (8192, 0.02)])
def test_burg_recovers_an_autoregression(steps: int, error: float) -> None:
    model = burg(ar4(40, steps), 4)
    worst = (model.coefficients - torch.from_numpy(AR4)).abs().amax(1)
    assert worst.mean() <= error
    assert model.power.mean() == pytest.approx(1, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0, 0.6), st.floats(-3, 3))
def test_burg_is_stable_whatever_is_missing(
    seed: int, steps: int, share: float, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, steps)) + offset
    x[rng.random(x.shape) < share] = np.nan
    model = burg(torch.from_numpy(x), min(8, steps - 1))
    assert model.reflection.abs().max() <= 1
    assert not any(part.isnan().any() for part in model)
    for a in model.coefficients.numpy():
        assert np.abs(np.roots([1.0, *a])).max() < 1 + 1e-6


def test_gaps_cut_a_row_into_stretches_of_one_model() -> None:
    x = ar4(1, 8_000)
    x[:, ::50] = torch.nan
    torch.testing.assert_close(burg(x, 4).coefficients[0], torch.from_numpy(AR4), rtol=0, atol=0.05)


def test_padding_on_the_left_changes_nothing() -> None:
    x = ar4(3, 40)
    padded = torch.cat([x.new_full((3, 17), torch.nan), x], dim=1)
    for ours, theirs in zip(burg(padded, 6), burg(x, 6), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("level", [0.0, 1e-200, 3.7, 1e6])
def test_constant_rows_have_a_stable_model(level: float) -> None:
    model = burg(torch.full((2, 30), level), 5)
    assert not any(part.isnan().any() for part in model)
    assert model.reflection.abs().max() <= 1


def test_each_row_can_have_its_own_order() -> None:
    x = ar4(3, 100)
    orders = torch.tensor([0, 2, 6])
    together = burg(x, 6, orders).coefficients
    for row, order in enumerate(orders.tolist()):
        alone = burg(x[row : row + 1], order).coefficients[0]
        torch.testing.assert_close(together[row, :order], alone)
        assert not together[row, order:].any()


def test_too_high_an_order_is_refused() -> None:
    with pytest.raises(ConfigError, match="order 10 does not fit a series of 10 steps"):
        burg(torch.zeros(1, 10), 10)


def test_zero_input_response_is_the_recursion() -> None:
    a, state = burg(ar4(2, 100), 4).coefficients, ar4(2, 4)
    response = zero_input_response(a, state, 9)
    for row in range(2):
        y = state[row].tolist()
        for _ in range(9):
            y.append(-sum(c * v for c, v in zip(a[row].tolist(), y[::-1], strict=False)))
        np.testing.assert_allclose(response[row], y[4:], rtol=1e-12)
    torch.testing.assert_close(zero_input_response(a, state, 5), response[:, :5])


def test_zero_input_response_passes_gradients_to_its_state() -> None:
    state = ar4(2, 4).requires_grad_()
    zero_input_response(burg(ar4(2, 50), 4).coefficients, state, 7).sum().backward()
    assert state.grad is not None
    assert state.grad.abs().min() > 0


def test_missing_values_are_filled_by_the_model() -> None:
    a = torch.tensor([[-0.5]], dtype=torch.float64)
    x = torch.tensor([[torch.nan, 8.0, torch.nan, torch.nan, 1.0]], dtype=torch.float64)
    assert fill_forward(a, x).tolist() == [[0.0, 8.0, 4.0, 2.0, 1.0]]
