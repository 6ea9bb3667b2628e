from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tslm.models.layers.lpc.burg import Autoregression, burg
from tslm.models.layers.lpc.framing import Estimator
from tslm.models.layers.lpc.linear_prediction import correlation, log_spectrum, step_down, step_up
from tslm.models.layers.lpc.spaces import (
    SPACES,
    LogSpectrum,
    cepstrum,
    from_cepstrum,
    from_line_spectrum,
    line_spectrum,
    stabilised,
)

PARITY = Path(__file__).parents[3] / "parity"
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
ks = st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=8)


def model_of(reflection: Tensor) -> Autoregression:
    power = 3 * (1 - reflection.square()).prod(1)
    return Autoregression(step_up(reflection), power, reflection)


def some(rows: int = 20, order: int = 6, largest: float = 0.7) -> Autoregression:
    dice = torch.Generator().manual_seed(0)
    drawn = torch.rand(rows, order, generator=dice, dtype=torch.float64)
    return model_of((2 * drawn - 1) * largest)


def tensor(k: list[float]) -> Tensor:
    return torch.tensor([k], dtype=torch.float64)


@given(ks)
def test_cepstra_lead_back_to_the_filter(k: list[float]) -> None:
    a = step_up(tensor(k))
    torch.testing.assert_close(from_cepstrum(cepstrum(a, len(k))), a, **CLOSE)


@given(ks)
def test_line_spectra_lead_back_to_the_filter(k: list[float]) -> None:
    a = step_up(tensor(k))
    frequencies = line_spectrum(a)
    assert frequencies.shape == a.shape
    assert ((frequencies > 0) & (frequencies < pi)).all()
    torch.testing.assert_close(from_line_spectrum(frequencies), a, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["lar", "lsf", "lpc_paper", "cepstrum_paper"])
@pytest.mark.parametrize("order", [1, 2, 5, 16])
def test_a_vector_leads_back_to_its_filter(name: str, order: int) -> None:
    model = some(order=order)
    found = SPACES[name].decode(SPACES[name].encode(model), order)
    torch.testing.assert_close(found, model.coefficients, rtol=1e-7, atol=1e-7)


def test_a_log_spectrum_leads_back_to_its_filter() -> None:
    model = some(order=12, largest=0.1)
    found = LogSpectrum().decode(LogSpectrum().encode(model), 12)
    torch.testing.assert_close(found, model.coefficients, rtol=0, atol=1e-3)


def test_cepstra_are_those_of_the_log_spectrum() -> None:
    model = some()
    grid = torch.arange(4096, dtype=torch.float64) * (2 * pi / 4096)
    expected = torch.fft.ifft(log_spectrum(model.coefficients, grid)).real[:, 1:41]
    torch.testing.assert_close(cepstrum(model.coefficients, 40), expected, rtol=0, atol=1e-9)


def test_distances_of_vectors_are_those_of_log_spectra() -> None:
    a = some(2, largest=0.5).coefficients
    z = 2**0.5 * cepstrum(a, 24)  # four times the order
    grid = torch.arange(4096, dtype=torch.float64) * (2 * pi / 4096)
    spectra = log_spectrum(a, grid)
    expected = (spectra[0] - spectra[1]).square().mean()
    torch.testing.assert_close((z[0] - z[1]).square().sum(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SPACES)
def test_means_of_vectors_are_stable_filters(name: str) -> None:
    model, space = some(40, 10, 0.95), SPACES[name]
    vectors = space.encode(model)
    means = torch.cat([(vectors + vectors.roll(1, 0)) / 2, vectors.mean(0, keepdim=True)])
    assert (step_down(space.decode(means, 10)).abs() < 1).all()


def test_poles_outside_the_circle_are_mirrored_and_others_do_not_change() -> None:
    a = torch.tensor([[-2.5, 1.0], [0.3, 0.1]], dtype=torch.float64)  # poles 2 and 1/2
    found = stabilised(a)
    torch.testing.assert_close(found[0], torch.tensor([-1.0, 0.25], dtype=torch.float64))
    assert torch.equal(found[1], a[1])


@pytest.mark.parametrize(
    ("case", "warp"),
    [("lipcot_lpc", "+0.00"), ("lipcot_lpc", "-0.30"), ("lipcot_lpc_order16", "+0.20")],
)
def test_published_spaces_equal_the_published_program(case: str, warp: str) -> None:
    arrays = np.load(PARITY / f"{case}.npz", allow_pickle=False)
    folder = f"output/warp_{warp}"
    given = [
        torch.from_numpy(arrays[f"{folder}/{name}"]) for name in ("lpc", "power", "reflection")
    ]
    model = Autoregression(*given)
    found = SPACES["lpc_paper"].encode(model)
    np.testing.assert_allclose(found, arrays[f"{folder}/features_method2"], **CLOSE)
    found = SPACES["cepstrum_paper"].encode(model)
    np.testing.assert_allclose(found, arrays[f"{folder}/features_method3"], **CLOSE)


def test_cepstra_equal_the_published_program() -> None:
    arrays = np.load(PARITY / "lipcot_lpc.npz", allow_pickle=False)
    lpc = torch.from_numpy(arrays["output/burg/lpc"])
    expected = arrays["output/burg/cepstrum"]
    np.testing.assert_allclose(cepstrum(lpc, expected.shape[1] - 1), expected[:, 1:], **CLOSE)


def test_a_frame_that_is_a_pure_wave_has_finite_vectors() -> None:
    wave = torch.sin(torch.arange(64, dtype=torch.float64) * 0.7)[None]
    model = burg(wave, 4)
    assert (correlation(model.reflection).abs() <= 1 + 1e-9).all()
    for name in ("logspec", "lar", "lsf"):
        assert SPACES[name].encode(model).isfinite().all(), name


@pytest.mark.parametrize("name", SPACES)
def test_a_frame_that_is_predicted_exactly_has_a_finite_vector(name: str) -> None:
    frames = torch.tensor([[1.0, -1.0] * 12, [0.0, 1.0] * 12, [2.0, 1.0, 0.0, 1.0] * 6])
    assert SPACES[name].encode(Estimator(4).measure(frames).model).isfinite().all()
    assert SPACES[name].encode(Estimator(4, center=False).measure(frames).model).isfinite().all()
