from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.models.layers.lpc import codebook as module
from tslm.models.layers.lpc.burg import Autoregression, burg
from tslm.models.layers.lpc.codebook import (
    FLAT,
    LATENTS,
    MISSING,
    SPECIAL,
    Bins,
    Codebook,
    itakura,
    lbg,
    per_power,
)
from tslm.models.layers.lpc.framing import METHODS, Estimator, Frames
from tslm.models.layers.lpc.linear_prediction import (
    RIDGE,
    autocorrelation,
    levinson,
    step_down,
    warped_burg,
)

PARITY = Path(__file__).parents[3] / "parity"
AR4 = np.poly([0.95 * np.exp(0.3j), 0.95 * np.exp(-0.3j), 0.9 * np.exp(1.2j), 0.9 * np.exp(-1.2j)])


def mixed(rows: int = 120, steps: int = 64, seed: int = 0) -> Tensor:
    """Frames of many spectra, levels and powers."""
    dice = np.random.default_rng(seed)
    noise = dice.standard_normal((rows, steps))
    frames = []
    for i, row in enumerate(noise):
        pole = dice.uniform(0, 0.95) * np.exp(1j * dice.uniform(0, np.pi))
        a = np.poly([pole, pole.conjugate()]).real
        frames.append(dice.uniform(0.1, 5) * lfilter([1.0], a, row) + i % 7)
    return torch.from_numpy(np.array(frames))


def measured(frames: Tensor, order: int = 6, **options: object) -> Frames:
    return Estimator(order, **options).measure(frames)


def quadratic(filters: Tensor, r: Tensor) -> Tensor:
    """a'Ra, written out."""
    a = torch.cat([torch.ones_like(filters[:, :1]), filters], 1)
    lags = (torch.arange(a.shape[1])[:, None] - torch.arange(a.shape[1])).abs()
    return torch.einsum("kp,spq,kq->sk", a, r[:, lags], a)


class TestItakura:
    """Itakura distance: the excess of the prediction error over that of the frame's own filter."""

    def test_it_is_the_quadratic_form(self) -> None:
        r = autocorrelation(mixed() - mixed().mean(1, keepdim=True), 6)
        r[:, 0] *= 1 + RIDGE
        model = levinson(r)
        expected = quadratic(model.coefficients, r) / model.power[:, None] - 1
        found = itakura(per_power(levinson(r)), model.coefficients)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)

    @settings(max_examples=30)
    @given(st.integers(0, 10_000))
    def test_distortion_is_zero_for_the_own_filter_and_never_negative(self, seed: int) -> None:
        model = measured(mixed(10, seed=seed)).model
        distance = itakura(per_power(model), model.coefficients)
        assert (distance >= 0).all()
        assert distance.diagonal().max() < 1e-6
        assert (distance.argmin(1) == torch.arange(10)).all()

    def test_one_step_errors_grow_by_it(self) -> None:
        """With x long, the power of what a filter leaves over is E (1 + d)."""
        x = torch.from_numpy(
            lfilter([1.0], AR4.real, np.random.default_rng(0).standard_normal(200_000))
        )
        own = burg(x[None], 4)
        other = torch.tensor([[-0.9, 0.1, 0.0, 0.0]], dtype=torch.float64)
        left = lfilter([1.0, *other[0].tolist()], [1.0], x.numpy())
        d = itakura(per_power(own), other)
        assert np.mean(left**2) == pytest.approx(float(own.power * (1 + d)), rel=1e-2)


class TestLBG:
    """Filters that code many frames well."""

    def test_distortion_never_rises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ratio = per_power(measured(mixed()).model)
        seen = []

        def watched(*given: object) -> Tensor:
            filters = centroids(*given)
            seen.append(float(itakura(ratio, filters).amin(1).mean()))
            return filters

        centroids = module.centroids
        monkeypatch.setattr(module, "centroids", watched)
        lbg(ratio, 8)
        assert len(seen) > 2
        assert all(late <= early * (1 + 1e-12) for early, late in pairwise(seen))

    def test_every_filter_is_stable(self) -> None:
        assert (step_down(lbg(per_power(measured(mixed()).model), 16)).abs() < 1).all()

    def test_a_filter_for_each_frame_loses_nothing(self) -> None:
        ratio = per_power(measured(mixed(20)).model)
        assert itakura(ratio, lbg(ratio, 20)).amin(1).max() < 1e-6

    def test_of_few_frames_some_filters_are_equal(self) -> None:
        ratio = per_power(measured(mixed(3)).model)
        filters = lbg(ratio, 10)
        assert filters.shape == (10, 6)
        assert itakura(ratio, filters).amin(1).max() < 1e-6

    def test_a_filter_without_a_frame_takes_the_worst(self) -> None:
        ratio = per_power(measured(mixed(10)).model)
        distance = torch.arange(10, dtype=torch.float64)
        filters = module.centroids(ratio, torch.zeros(10, dtype=torch.long), distance, 3)
        torch.testing.assert_close(filters[1:], levinson(ratio[[9, 8]]).coefficients)

    def test_more_codes_lose_less(self) -> None:
        ratio = per_power(measured(mixed()).model)
        losses = [float(itakura(ratio, lbg(ratio, k)).amin(1).mean()) for k in (1, 4, 16, 64)]
        assert losses == sorted(losses, reverse=True)

    def test_an_autoregression_is_coded_well(self) -> None:
        x = lfilter([1.0], AR4.real, np.random.default_rng(0).standard_normal((2000, 512)))[:, 256:]
        ratio = per_power(burg(torch.from_numpy(x.copy()), 4))
        assert itakura(ratio, lbg(ratio, 64)).amin(1).mean() < 0.1


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(1, 9))
def test_bins_hold_equally_many_values_and_decode_to_their_means(
    numbers: list[float], count: int
) -> None:
    bins, x = Bins(count), torch.tensor(numbers, dtype=torch.float64)
    bins.fit(x)
    member = bins(x)
    assert ((member >= 0) & (member < count)).all()
    for one in member.unique():
        mean = x[member == one].mean()
        torch.testing.assert_close(bins.values[one], mean, rtol=1e-9, atol=1e-6)
    if len(set(numbers)) == len(numbers) >= 2 * count:
        assert torch.bincount(member, minlength=count).float().std(correction=0) <= 1


@pytest.mark.parametrize("latent", LATENTS)
class TestEveryLatent:
    """Checks of every codebook, for each way to compare frames."""

    def test_filters_are_stable_before_and_after_learning(self, latent: str) -> None:
        book = Codebook(6, 8, latent)
        assert (step_down(book.filters).abs() < 1).all()
        book.fit(measured(mixed()))
        assert (step_down(book.filters).abs() < 1).all()
        assert book.filters.unique(dim=0).shape == (8, 6)

    def test_scale_is_in_the_gain_alone_and_offset_in_the_level_alone(self, latent: str) -> None:
        if latent.endswith("paper"):
            pytest.skip("published spaces hold the power in their shape")
        frames, book = mixed(), Codebook(6, 8, latent, 1000, 1000)
        book.fit(measured(frames))
        codes = book(measured(frames))
        louder, higher = book(measured(frames * 1.7)), book(measured(frames + 2.5))
        assert torch.equal(louder.shape, codes.shape)
        assert torch.equal(higher.shape, codes.shape)
        assert torch.equal(higher.gain, codes.gain)
        assert (louder.gain >= codes.gain).all()
        assert (louder.gain > codes.gain).float().mean() > 0.9
        assert (higher.level > codes.level).float().mean() > 0.6  # the rest is in the last bins

    def test_time_reversed_frames_have_the_same_codes(self, latent: str) -> None:
        frames, book = mixed(), Codebook(6, 8, latent)
        book.fit(measured(frames))
        for ours, theirs in zip(
            book(measured(frames.flip(1))), book(measured(frames)), strict=True
        ):
            assert torch.equal(ours, theirs)

    def test_a_circular_shift_rarely_changes_a_code(self, latent: str) -> None:
        """Frames are stationary, so only the seam of the shift is new."""
        frames, book = mixed(steps=512), Codebook(6, 8, latent)
        book.fit(measured(frames))
        shifted = book(measured(frames.roll(100, 1)))
        assert (shifted.shape == book(measured(frames)).shape).float().mean() > 0.9

    def test_a_codebook_is_saved_in_its_buffers(self, latent: str) -> None:
        book, other = Codebook(6, 8, latent), Codebook(6, 8, latent)
        frames = measured(mixed())
        book.fit(frames)
        other.load_state_dict(book.state_dict())
        for ours, theirs in zip(other(frames), book(frames), strict=True):
            assert torch.equal(ours, theirs)
        for name, tensor in other.state_dict().items():
            assert torch.equal(tensor, book.state_dict()[name]), name

    def test_the_same_seed_learns_the_same(self, latent: str) -> None:
        book, other = Codebook(6, 8, latent), Codebook(6, 8, latent)
        for one in (book, other):
            one.fit(measured(mixed()), seed=3)
        assert torch.equal(book.filters, other.filters)

    def test_single_precision_gives_the_same_codes(self, latent: str) -> None:
        book, frames = Codebook(6, 8, latent), mixed(2000)
        book.fit(measured(frames))
        same = book(measured(frames.float())).shape == book(measured(frames)).shape
        assert same.float().mean() > 0.999


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("warp", [0.0, 0.2])
def test_degenerate_frames_have_reserved_codes_and_no_nan(method: str, warp: float) -> None:
    if method == "selective" and warp:
        pytest.skip("refused")
    nan = torch.nan
    frames = mixed(8, 32)
    frames[0] = 3.3  # flat
    frames[1] = nan  # nothing
    frames[2, :20] = nan  # more than half missing
    frames[3, 5:12] = nan  # some missing
    frames[4] = 0.0
    frames[4, 7] = 1.0  # one spike
    frames[5] = torch.arange(32) % 2.0  # two values
    frames[6] = torch.where(torch.arange(32) == 3, nan, torch.tensor(-1e9))  # flat, with a gap
    estimator = Estimator(4, method, warp, band=0.5)
    measure = estimator.measure(frames)
    book = Codebook(4, 2)
    book.fit(measure)
    shape, gain, level = book(measure)
    assert shape[[0, 6]].tolist() == [FLAT, FLAT]
    assert shape[[1, 2]].tolist() == [MISSING, MISSING]
    assert (shape[[3, 4, 5, 7]] >= SPECIAL).all()
    assert not any(part.isnan().any() for part in measure.model)
    assert not any(buffer.isnan().any() for buffer in book.buffers())
    assert gain.min() >= 0
    assert level.min() >= 0


def test_a_frame_too_short_for_the_order_has_a_smaller_one() -> None:
    frames = mixed(5, 16)
    model = measured(frames, order=6).model
    assert not model.coefficients[:, 4:].any()
    for ours, theirs in zip(measured(frames, order=4).model, model, strict=True):
        torch.testing.assert_close(theirs[..., : ours.shape[-1]], ours)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "wavelet"}, "method='wavelet' is unknown. Choose one of burg, autocorr"),
        ({"order": 0}, "order=0 must be at least 1"),
        ({"warp": 1.5}, "warp 1.5 must be between -1 and 1"),
        ({"method": "selective"}, "needs a band"),
        ({"method": "selective", "band": 1.0, "warp": 0.1}, "warp=0"),
    ],
)
def test_impossible_estimators_are_refused(options: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Estimator(**{"order": 4, **options})


def test_impossible_codebooks_are_refused() -> None:
    with pytest.raises(ConfigError, match="latent='words' is unknown"):
        Codebook(4, 8, "words")
    with pytest.raises(ConfigError, match="n_codes=0"):
        Codebook(4, 0)
    with pytest.raises(ConfigError, match="bins=0 must be at least 1"):
        Codebook(4, 8, gain_codes=0)


@pytest.mark.parametrize(
    ("latent", "folder"), [("lpc_paper", "method2"), ("cepstrum_paper", "method3")]
)
def test_codes_equal_the_published_program(latent: str, folder: str) -> None:
    """Given the published centres; and ours are as good."""
    with np.load(PARITY / "lipcot_codebook.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    book = Codebook(4, 8, latent)

    def read(name: str) -> Frames:
        frames = torch.from_numpy(arrays[f"input/{name}"].T.copy())
        model: Autoregression = warped_burg(frames, 4, 0.2)
        none = torch.zeros(len(frames), dtype=torch.bool)
        return Frames(frames.mean(1), model, none, none)

    book.fit(read("train_frames"))
    np.testing.assert_allclose(book.loc, arrays[f"output/{folder}/scaler_mean"], rtol=1e-9)
    np.testing.assert_allclose(book.spread, arrays[f"output/{folder}/scaler_scale"], rtol=1e-9)
    inertia = float(book.distances(read("train_frames").model).amin(1).sum())
    assert inertia <= 1.02 * float(arrays[f"output/{folder}/inertia"])
    book.centres.copy_(torch.from_numpy(arrays[f"output/{folder}/centres"]))
    for name in ("train", "new"):
        codes = book(read(f"{name}_frames")).shape - SPECIAL
        np.testing.assert_array_equal(codes, arrays[f"output/{folder}/{name}_tokens"])
