import json
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter, welch
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.models.layers.lpc.burg import burg
from tslm.models.layers.lpc.linear_prediction import (
    autocorrelation,
    band_autocorrelation,
    correlation,
    levinson,
    log_spectrum,
    step_down,
    step_up,
    unwarp,
    warp_frequencies,
    warped_autocorrelation,
    warped_burg,
)

PARITY = Path(__file__).parents[3] / "parity"
AR4 = np.poly([0.95 * np.exp(0.3j), 0.95 * np.exp(-0.3j), 0.9 * np.exp(1.2j), 0.9 * np.exp(-1.2j)])
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def walks(seed: int = 0, rows: int = 3, steps: int = 60) -> Tensor:
    x = np.random.default_rng(seed).standard_normal((rows, steps)).cumsum(1)
    return torch.from_numpy(x - x.mean(1, keepdims=True))


def ar4(steps: int, seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal((2, steps + 300))
    return torch.from_numpy(lfilter([1.0], AR4.real, noise)[:, 300:].copy())


reflections = st.lists(st.floats(-0.95, 0.95), min_size=1, max_size=10).map(
    lambda k: torch.tensor([k], dtype=torch.float64)
)


@pytest.mark.parametrize(
    ("case", "warp"),
    [("lipcot_lpc", 0.0), ("lipcot_lpc", 0.2), ("lipcot_lpc", -0.3), ("lipcot_lpc_order16", 0.2)],
)
def test_warped_burg_equals_the_published_program(case: str, warp: float) -> None:
    arrays = np.load(PARITY / f"{case}.npz", allow_pickle=False)
    order = json.loads(str(arrays["config"]))["order"]
    model = warped_burg(torch.from_numpy(arrays["input/frames"].T.copy()), order, warp)
    for name, ours in zip(("lpc", "power", "reflection"), model, strict=True):
        np.testing.assert_allclose(ours, arrays[f"output/warp_{warp:+.2f}/{name}"], **CLOSE)


def test_the_published_unwarping_is_not_that_of_the_model() -> None:
    arrays = np.load(PARITY / "lipcot_lpc.npz", allow_pickle=False)
    folder = "output/warp_+0.20"
    coefficients = torch.from_numpy(arrays[f"{folder}/lpc"])
    poles_only = torch.from_numpy(arrays[f"{folder}/poles_only_unwarped_lpc"])
    grid = torch.linspace(0, pi, 100, dtype=torch.float64)
    gap = log_spectrum(coefficients, grid, 0.2) - log_spectrum(poles_only, grid)
    assert (gap.abs().amax(1) * 10 / np.log(10) > 5).all()  # decibels


def test_autocorrelation_is_the_biased_mean_of_products() -> None:
    x = walks()
    r = autocorrelation(x, 10)
    for lag in range(11):
        expected = (x[:, : 60 - lag] * x[:, lag:]).sum(1) / 60
        torch.testing.assert_close(r[:, lag], expected, **CLOSE)
    assert not autocorrelation(x[:, :3], 5)[:, 3:].any()


def test_gaps_leave_the_mean_over_the_pairs_observed() -> None:
    x = walks()
    x[:, [3, 4, 20]] = torch.nan
    r = autocorrelation(x, 5)
    products = x[:, :58] * x[:, 2:]
    torch.testing.assert_close(r[:, 2], products.nanmean(1) * 58 / 60, **CLOSE)
    alone = torch.full_like(x, torch.nan)
    alone[:, 7] = 2.0
    expected = torch.tensor([4.0, 0, 0, 0, 0, 0], dtype=torch.float64).expand(3, -1)
    torch.testing.assert_close(autocorrelation(alone, 5), expected, **CLOSE)


def test_levinson_solves_the_normal_equations() -> None:
    r = autocorrelation(walks(), 6)
    model = levinson(r)
    for row, a, power in zip(r, model.coefficients, model.power, strict=True):
        matrix = row[(torch.arange(6)[:, None] - torch.arange(6)).abs()]
        torch.testing.assert_close(matrix @ a, -row[1:], **CLOSE)
        torch.testing.assert_close(row[0] + row[1:] @ a, power, **CLOSE)


def test_burg_and_levinson_agree_on_long_stationary_series() -> None:
    x = ar4(300_000)
    theirs = levinson(autocorrelation(x, 4))
    torch.testing.assert_close(burg(x, 4).coefficients, theirs.coefficients, rtol=0, atol=0.01)
    expected = torch.from_numpy(AR4.real[1:]).expand(2, -1)
    torch.testing.assert_close(theirs.coefficients, expected, rtol=0, atol=0.02)


@given(reflections)
def test_step_down_undoes_step_up(k: Tensor) -> None:
    torch.testing.assert_close(step_down(step_up(k)), k, rtol=1e-6, atol=1e-6)


@given(reflections)
def test_levinson_undoes_correlation(k: Tensor) -> None:
    r = correlation(k)
    model = levinson(7 * r)
    torch.testing.assert_close(model.coefficients, step_up(k), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.power, 7 * (1 - k.square()).prod(1), rtol=1e-6, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(5, 60), st.floats(0, 0.6), st.floats(-0.5, 0.5))
def test_every_estimator_is_stable_whatever_is_missing(
    seed: int, steps: int, share: float, warp: float
) -> None:
    dice = np.random.default_rng(seed)
    x = walks(seed, steps=steps)
    x[torch.from_numpy(dice.random((3, steps)) < share)] = torch.nan
    full = autocorrelation(x, steps - 1)
    models = [
        levinson(full[:, :5]),
        levinson(warped_autocorrelation(full, 4, warp)),
        levinson(band_autocorrelation(full, 4, 2.0, 0.6)),
        warped_burg(torch.nan_to_num(x), 4, warp),
    ]
    for model in models:
        assert not any(part.isnan().any() for part in model)
        assert model.reflection.abs().max() <= 1
        for a in model.coefficients.numpy():
            assert np.abs(np.roots([1.0, *a])).max() < 1 + 1e-6


def test_the_spectrum_of_a_model_has_the_power_of_the_series() -> None:
    x = walks()
    model = levinson(autocorrelation(x, 8))
    grid = torch.arange(4096, dtype=torch.float64) * (2 * pi / 4096)
    power = model.power * log_spectrum(model.coefficients, grid).exp().mean(1)
    torch.testing.assert_close(power, x.square().mean(1), rtol=1e-6, atol=0)


def test_the_spectrum_of_a_model_follows_a_periodogram() -> None:
    x = ar4(50_000)
    frequencies, density = welch(x.numpy(), nperseg=1024)
    inner = slice(10, -10)
    model = burg(x, 4)
    ours = log_spectrum(model.coefficients, torch.from_numpy(2 * pi * frequencies))
    ours = (ours + model.power.log()[:, None]).numpy()[:, inner] + np.log(2)
    decibels = 10 / np.log(10) * np.abs(ours - np.log(density[:, inner]))
    assert decibels.max() < 3


class TestBands:
    """The selective method sees the same band of a signal, however fast it was sampled."""

    def test_all_of_the_band_is_the_plain_autocorrelation(self) -> None:
        full = autocorrelation(walks(), 59)
        torch.testing.assert_close(band_autocorrelation(full, 8, 10.0, 5.0), full[:, :9], **CLOSE)

    def test_it_is_the_integral_over_the_band(self) -> None:
        x, rate, band = walks(), 10.0, 2.0
        found = band_autocorrelation(autocorrelation(x, 59), 3, rate, band)
        f = torch.linspace(0, band, 20_001, dtype=torch.float64)
        waves = torch.exp(-2j * pi * f[:, None] * torch.arange(60) / rate)
        density = 2 / (rate * 60) * (x.to(waves) @ waves.T).abs().square()
        for k in range(4):
            expected = torch.trapezoid(density * torch.cos(pi * k * f / band), f)
            torch.testing.assert_close(found[:, k], expected, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("band", [0.0, 5.1, -1.0])
    def test_an_impossible_band_is_refused(self, band: float) -> None:
        with pytest.raises(ConfigError, match=r"at most 5.0, half the sampling rate"):
            band_autocorrelation(autocorrelation(walks(), 59), 3, 10.0, band)


class TestWarping:
    """Models on a warp_frequencies scale of frequency, and the exact way back."""

    def test_no_warp_changes_nothing(self) -> None:
        x = walks()
        full = autocorrelation(x, 59)
        torch.testing.assert_close(warped_autocorrelation(full, 8, 0.0), full[:, :9], **CLOSE)
        for ours, theirs in zip(warped_burg(x, 6, 0.0), burg(x, 6), strict=True):
            torch.testing.assert_close(ours, theirs, **CLOSE)

    @pytest.mark.parametrize("warp", [0.2, -0.4])
    def test_it_is_the_integral_on_the_bent_scale(self, warp: float) -> None:
        x = walks()
        w = torch.arange(8192, dtype=torch.float64) * (2 * pi / 8192)
        density = torch.fft.fft(x, 8192).abs().square() / 60
        found = warped_autocorrelation(autocorrelation(x, 59), 5, warp)
        for k in range(6):
            expected = (density * torch.cos(k * warp_frequencies(w, warp))).mean(1)
            torch.testing.assert_close(found[:, k], expected, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("warp", [0.2, -0.4, 0.0])
    def test_the_filter_has_zeros_and_the_spectrum_of_the_model(self, warp: float) -> None:
        model = warped_burg(walks(), 6, warp)
        numerator, denominators = unwarp(model.coefficients, warp)
        w = torch.linspace(0, pi, 200, dtype=torch.float64)
        powers = torch.exp(-1j * w[:, None] * torch.arange(7))
        gain = (powers @ numerator.to(powers)).abs() / (denominators.to(powers) @ powers.T).abs()
        expected = log_spectrum(model.coefficients, w, warp)
        torch.testing.assert_close(2 * gain.log(), expected, rtol=1e-10, atol=1e-10)
        assert (denominators[:, 0] != 1).all() or not warp
