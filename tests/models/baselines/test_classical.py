from collections.abc import Iterator
from math import gcd

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Task
from tslm.data.datasets.benchmarks import load
from tslm.models.assembly import rule
from tslm.models.baselines.classical.autoregression import ProfileAR
from tslm.models.baselines.classical.base import chunks_of
from tslm.models.baselines.classical.naive import Drift
from tslm.models.layers.lpc.burg import burg, fill_forward, zero_input_response
from tslm.models.layers.seasonal import fit_residual

FIXED = ["last", "drift", "mean", "seasonal_naive", "profile", "profile_ar", "ar", "climatology"]
NAMES = [*FIXED, "theta"]
NAN = float("nan")


def make(name: str, season_length: int) -> Forecaster:
    return rule(name, Task(1, 1, season_length))


def profile_ar(season_length: int, order: int | None = None) -> ProfileAR:
    return ProfileAR(task=Task(1, 1, season_length), order=order)


def forecast(model: Forecaster, past: Tensor, horizon: int) -> Tensor:
    batch, length, _ = past.shape
    return model.forecast(Batch.of(past, torch.arange(length + horizon).repeat(batch, 1)), horizon)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[None, :, None]


def walks(seed: int, length: int, batch: int = 3, channels: int = 2) -> Tensor:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, length, channels)).cumsum(1)
    return torch.from_numpy(x + 3 * np.sin(np.arange(length) * 2 * np.pi / 6)[:, None])


def windows(name: str, context_length: int, horizon: int, stride: int) -> Tensor:
    """Test windows on the standardised scale, [windows, context + horizon, channels]."""
    data = load(name)
    start, stop = data.target_rows("test")
    values = torch.from_numpy(data.standardise()[start - context_length : stop])
    return values.unfold(0, context_length + horizon, 1)[::stride].transpose(1, 2)


def errors(name: str, model: Forecaster, context_length: int, horizon: int, stride: int) -> list:
    error = []
    for chunk in windows(name, context_length, horizon, stride).split(500):
        past, future = chunk.split([context_length, horizon], dim=1)
        error.append((forecast(model, past, horizon) - future).flatten())
    joined = torch.cat(error)
    return [float(joined.square().mean()), float(joined.abs().mean())]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("data", "name", "expected", "stride"),
    [
        ("etth1", "profile_ar", [0.356, 0.387], 1),
        ("etth2", "profile_ar", [0.272, 0.339], 7),
        ("etth1", "profile", [0.390, 0.407], 7),
        ("etth2", "profile", [0.339, 0.390], 7),
        ("etth1", "seasonal_naive", [0.512, 0.433], 1),
        ("etth2", "seasonal_naive", [0.391, 0.380], 1),
    ],
)
def test_known_errors_are_reproduced(
    data: str, name: str, expected: list[float], stride: int
) -> None:
    assert gcd(stride, 24) == 1  # every hour of the day has its share
    assert errors(data, make(name, 24), 512, 96, stride) == pytest.approx(expected, abs=0.002)


def test_profile_ar_is_the_profile_and_the_response_of_the_residual() -> None:
    past = walks(0, 53, 1, 1)
    x = past[0, :, 0]
    phases = [x[-48:][j::6].mean() for j in range(6)]  # of the last 8 whole seasons
    shape = torch.stack([phases[(t - 53) % 6] for t in range(53 + 9)])
    residual = (x - shape[:53])[None]
    response = zero_input_response(burg(residual, 5).coefficients, residual[:, -5:], 9)[0]
    torch.testing.assert_close(forecast(profile_ar(6, 5), past, 9)[0, :, 0], shape[53:] + response)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.integers(0, 1000),
    st.integers(2, 60),
    st.floats(0.01, 100) | st.floats(-100, -0.01),
    st.floats(-1000, 1000),
)
def test_forecasts_follow_a_change_of_units_and_level(
    name: str, seed: int, length: int, a: float, b: float
) -> None:
    model, past = make(name, 6), walks(seed, length)
    past[np.random.default_rng(seed).random(past.shape) < 0.1] = NAN
    past[:, -1] = 1.0
    expected = a * forecast(model, past, 10) + b
    tolerance = 1e-7 * (abs(a) * 100 + abs(b))
    torch.testing.assert_close(
        forecast(model, a * past + b, 10), expected, rtol=1e-7, atol=tolerance
    )


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 1000), st.integers(1, 70), st.floats(0, 1))
def test_missing_values_never_come_out(name: str, seed: int, length: int, fraction: float) -> None:
    past = walks(seed, length).float()
    past[np.random.default_rng(seed).random(past.shape) < fraction] = NAN
    ahead = forecast(make(name, 6), past, 13)
    assert ahead.shape == (3, 13, 2)
    assert ahead.dtype == torch.float32
    assert ahead.isfinite().all()
    assert not ahead.movedim(1, 2)[past.isnan().all(1)].any()  # nothing known: zeros


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(NAMES), st.integers(1, 70), st.integers(1, 80))
def test_padding_on_the_left_equals_a_shorter_context(name: str, length: int, padding: int) -> None:
    model, past = make(name, 6), walks(length, length)
    padded = torch.nn.functional.pad(past, (0, 0, padding, 0), value=NAN)
    torch.testing.assert_close(forecast(model, padded, 8), forecast(model, past, 8))


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_read_each_other(name: str) -> None:
    model, past = make(name, 6), walks(0, 50, 4, 2)
    past[1, 20:23] = NAN
    past[2, :40] = NAN
    together = forecast(model, past, 20)
    for i in range(4):
        for c in range(2):
            alone = forecast(model, past[i : i + 1, :, c : c + 1], 20)
            torch.testing.assert_close(together[i : i + 1, :, c : c + 1], alone)


def test_windows_are_forecast_in_few_chunks() -> None:
    """A recursion costs as much for one row as for some hundred."""
    assert len(chunks_of(torch.zeros(512, 600, 1), 24)) == 1
    assert len(chunks_of(torch.zeros(512, 20_000, 1), 24)) > 9, "their arrays must fit into memory"
    assert len(chunks_of(torch.zeros(2, 2_000_000, 1), 24)) == 2


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_past_is_read(name: str) -> None:
    model, series = make(name, 6), walks(0, 80)
    before = forecast(model, series[:, :60], 20)
    series[:, 60:] = 1e6  # the same storage
    past = series[:, :60].clone()
    torch.testing.assert_close(forecast(model, series[:, :60], 20), before, rtol=0, atol=0)
    other_time = torch.zeros(3, 80, dtype=torch.long)
    torch.testing.assert_close(
        model.forecast(Batch.of(past, other_time), 20), before, rtol=0, atol=0
    )
    torch.testing.assert_close(series[:, :60], past, rtol=0, atol=0)  # and it is left alone


@pytest.mark.parametrize("name", ["seasonal_naive", "profile", "profile_ar"])
@pytest.mark.parametrize("length", [12, 31, 100])
def test_an_exactly_periodic_series_has_no_error(name: str, length: int) -> None:
    season = torch.tensor([3.0, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5, 8])
    series = season.repeat(13)[None, : length + 40, None]
    ahead = forecast(make(name, 12), series[:, :length], 40)
    torch.testing.assert_close(ahead, series[:, length:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, 7.25, -1e8])
def test_a_constant_series_stays_constant(name: str, level: float) -> None:
    past = torch.full((1, 40, 1), level, dtype=torch.float64)
    torch.testing.assert_close(
        forecast(make(name, 6), past, 50), past.new_full((1, 50, 1), level), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize(
    ("name", "past", "expected"),
    [
        ("last", row(1, 2, 5, NAN), [5, 5, 5]),
        ("mean", row(1, NAN, 5), [3, 3, 3]),
        ("drift", row(NAN, 1, 3, 5, NAN), [9, 11, 13]),
        ("drift", row(4), [4, 4, 4]),
        ("seasonal_naive", row(9, 1, 2, 3, 4, NAN, 6), [4, 2, 6]),
        ("seasonal_naive", row(1, 2), [2, 2, 2]),
        ("seasonal_naive", row(1, 2, NAN, 4, 5, NAN), [4, 5, 5]),
        ("profile", row(99, 1, 2, 3, 5, 6, 7), [3, 4, 5]),
        ("profile", row(1, 2), [1.5, 1.5, 1.5]),
        ("profile", row(1, 2, NAN, 4, 6, NAN), [2.5, 4, 3.25]),
        ("climatology", row(1, 2, 4), [0.2 * y + 0.8 * 46 / 21 for y in (1, 2, 4)]),
    ],
)
def test_small_cases_by_hand(name: str, past: Tensor, expected: list[float]) -> None:
    assert forecast(make(name, 3), past, 3).flatten().tolist() == pytest.approx(expected)


def test_the_order_is_four_below_four_seasons_and_never_above_a_quarter_of_the_context() -> None:
    past = walks(3, 95)
    short, low = (forecast(profile_ar(24, order), past, 9) for order in (24, 4))
    torch.testing.assert_close(short, low, rtol=0, atol=0)
    past = walks(3, 48)
    capped, twelve = (forecast(profile_ar(6, order), past, 9) for order in (24, 12))
    torch.testing.assert_close(capped, twelve)
    assert not torch.equal(twelve, forecast(profile_ar(6, 11), past, 9))


def test_half_precision_comes_back_as_it_came() -> None:
    past = walks(0, 40).bfloat16()
    assert forecast(profile_ar(6), past, 5).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["ProfileAR", "profile_ar", "PROFILE-AR"])
def test_names_have_aliases(name: str) -> None:
    assert isinstance(make(name, 24), ProfileAR)
    assert isinstance(make("Drift", 24), Drift)


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(
        ConfigError, match=r"profil_ar is unknown\. Did you mean profile_ar.* seasonal_naive"
    ):
        make("profil_ar", 24)
    with pytest.raises(ConfigError, match=r"season_length=0 must be a whole number of at least 1"):
        make("seasonal_naive", 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(0, 40))
def test_a_gap_at_the_end_is_as_far_as_a_longer_horizon(seed: int, order: int, gap: int) -> None:
    shorter = walks(seed, 80)
    past = torch.cat([shorter, torch.full_like(shorter[:, :gap], NAN)], 1)
    time = torch.zeros(len(past), 0, dtype=torch.int64)
    model = profile_ar(1, order)
    ahead = forecast(model, shorter, gap + 9)[:, gap:]
    torch.testing.assert_close(forecast(model, past, 9), ahead)
    distribution = model.distribution(Batch.of(past, time), 9)
    further = model.distribution(Batch.of(shorter, time), gap + 9).each(lambda part: part[:, gap:])
    torch.testing.assert_close(distribution.point, ahead)
    torch.testing.assert_close(distribution.deviations, further.deviations)


def test_a_state_is_that_of_the_series_filled_from_its_beginning() -> None:
    rest = walks(3, 90, 6, 1)[:, :, 0]
    dice = np.random.default_rng(0)
    rest[
        torch.from_numpy(dice.random((6, 90)) < np.array([0, 0.02, 0.1, 0.3, 0.6, 1])[:, None])
    ] = NAN
    rest[2, -30:] = NAN
    orders = torch.tensor([8, 7, 5, 3, 1, 0])
    model, state = fit_residual(rest, orders, 8)
    filled = fill_forward(model.coefficients, rest)
    torch.testing.assert_close(state, filled[:, -8:])
    alone = [fit_residual(rest[i : i + 1], orders[i : i + 1], 8)[1] for i in range(6)]
    assert torch.equal(state, torch.cat(alone))
