"""The tokenizer on its own: frames in, codes out, and back."""

import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.signal import lfilter, resample_poly, welch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tslm import ConfigError, DataError, LiPCoTTokenizer, NotFittedError
from tslm.models.layers.lpc.codebook import FLAT, LATENTS, MISSING, SPECIAL
from tslm.models.layers.lpc.framing import METHODS


def waves(rows: int = 200, steps: int = 128, seed: int = 0) -> np.ndarray:
    """Frames of four kinds of spectrum, at two levels."""
    dice = np.random.default_rng(seed)
    frames = []
    for i in range(rows):
        angle = (0.3, 0.9, 1.6, 2.4)[i % 4]
        a = np.poly([0.9 * np.exp(1j * angle), 0.9 * np.exp(-1j * angle)]).real
        noise = lfilter([1.0], a, dice.standard_normal(steps + 100))[100:]
        frames.append((1 + i % 3) * noise + 10 * (i % 2))
    return np.array(frames)


def fitted(**options: object) -> LiPCoTTokenizer:
    return LiPCoTTokenizer(**{"order": 8, "n_codes": 4, **options}).fit(waves())


def test_kinds_of_spectrum_get_codes_of_their_own() -> None:
    shape = fitted().transform(waves(seed=1))[:, 0]
    kinds = [set(shape[i::4].tolist()) for i in range(4)]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(set.union(*kinds)) == 4


def test_codes_are_rows_of_whole_numbers_within_the_vocabulary() -> None:
    tokenizer = fitted(gain_codes=3, level_codes=2)
    codes = tokenizer.transform(waves())
    assert codes.dtype == np.int64
    assert codes.shape == (200, 3)
    assert (codes >= [SPECIAL, 0, 0]).all()
    assert (codes < [tokenizer.vocabulary_size, 3, 2]).all()
    assert len(np.unique(codes[:, 1])) == 3
    np.testing.assert_array_equal(codes[:, 2], np.arange(200) % 2)


@pytest.mark.parametrize("latent", LATENTS)
def test_codes_lead_back_to_frames_with_their_spectrum(latent: str) -> None:
    tokenizer = fitted(latent=latent)
    codes = tokenizer.transform(waves())
    frames = tokenizer.inverse_transform(codes, n_steps=512)
    assert frames.shape == (200, 512)
    again = tokenizer.transform(frames)
    assert (again[:, 0] == codes[:, 0]).mean() > (0.8 if latent.endswith("paper") else 0.95)
    assert np.abs(again[:, 1] - codes[:, 1]).mean() < 1.0
    levels = tokenizer.codebook_.levels.values.numpy()[codes[:, 2]]
    assert np.abs(frames.mean(1) - levels).mean() < 1


@pytest.mark.parametrize("warp", [0.0, 0.3])
@pytest.mark.parametrize("method", ["burg", "autocorrelation"])
def test_what_is_drawn_from_a_code_has_its_density(method: str, warp: float) -> None:
    tokenizer = fitted(method=method, warp=warp)
    code = tokenizer.transform(waves())[:1]
    frames = tokenizer.inverse_transform(code, n_steps=100_000)
    frequencies, density = welch(frames[0], nperseg=256)
    inner = slice(3, -3)
    ours = tokenizer.psd(code, frequencies[inner])[0]
    decibels = 10 * np.log10(ours / density[inner])
    assert np.abs(decibels).max() < 2
    fine = np.linspace(0, 0.5, 4001)
    area = np.trapezoid(tokenizer.psd(code, fine)[0], fine)
    assert area == pytest.approx(frames.var(), rel=0.05)


def test_the_sampling_rate_does_not_change_selective_codes() -> None:
    """The same signal at two rates: most codes agree, and with a plain method few do."""
    dice = np.random.default_rng(0)
    signals = [lfilter([1.0], np.poly([0.97, 0.95 * np.exp(1j * w), 0.95 * np.exp(-1j * w)]).real,
                       dice.standard_normal(4000)) for w in np.linspace(0.1, 1.0, 60)]  # fmt: skip
    slow = np.array([signal[1000:1400] for signal in signals])
    fast = np.array([resample_poly(signal, 3, 2)[1500:2100] for signal in signals])
    agree = {}
    for method, band in (("selective", 20.0), ("burg", None)):
        tokenizer = LiPCoTTokenizer(8, 16, method, band=band)
        tokenizer.fit(slow, sampling_rate=100.0)
        ours = tokenizer.transform(slow, sampling_rate=100.0)
        theirs = tokenizer.transform(fast, sampling_rate=150.0)
        agree[method] = (ours[:, 0] == theirs[:, 0]).mean()
    assert agree["selective"] > 0.95
    assert agree["burg"] < 0.2


def test_frames_of_any_lengths_and_rates_can_be_mixed() -> None:
    tokenizer = LiPCoTTokenizer(8, 4, "selective").fit(waves(), sampling_rate=2.0)
    assert tokenizer.estimator_.band == 1.0
    frames = [*waves(5, 200), *waves(5, 100), *waves(5, 128)]
    rates = [2.0] * 5 + [4.0] * 5 + [3.0] * 5
    together = tokenizer.transform(frames, sampling_rate=rates)
    for i, (frame, rate) in enumerate(zip(frames, rates, strict=True)):
        alone = tokenizer.transform([frame], sampling_rate=rate)
        np.testing.assert_array_equal(alone[0], together[i])


@settings(max_examples=25)
@given(a=st.floats(0.01, 100), b=st.floats(-100, 100))
def test_shapes_do_not_depend_on_units(a: float, b: float) -> None:
    tokenizer = fitted()
    ours = tokenizer.transform(waves(20))[:, 0]
    np.testing.assert_array_equal(tokenizer.transform(a * waves(20) + b)[:, 0], ours)


def test_a_million_points_take_seconds() -> None:
    tokenizer = fitted()
    frames = LiPCoTTokenizer.cut(np.random.default_rng(0).standard_normal(1_000_000), 128)
    began = time.perf_counter()
    tokenizer.transform(frames)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("method", METHODS)
def test_reserved_codes_lead_back_to_levels_and_gaps(method: str) -> None:
    tokenizer = fitted(method=method)
    frames = waves(4)
    frames[0] = 10.0
    frames[1, 10:] = np.nan
    codes = tokenizer.transform(frames)
    assert codes[:2, 0].tolist() == [FLAT, MISSING]
    back = tokenizer.inverse_transform(np.array([codes[0], codes[1], [0, 0, 0], [1, 0, 0]]))
    assert np.ptp(back[0]) == 0
    assert abs(back[0, 0] - 10) < 1
    assert np.isnan(back[1:]).all()
    assert np.isnan(tokenizer.psd(codes[:2], [0.1])).all()


class TestSaving:
    """A folder of JSON and safetensors."""

    @pytest.mark.parametrize("latent", LATENTS)
    def test_a_loaded_tokenizer_gives_the_same_codes(self, latent: str, tmp_path: Path) -> None:
        tokenizer = fitted(latent=latent, method="selective")
        tokenizer.save(tmp_path / "book")
        other = LiPCoTTokenizer.load(tmp_path / "book")
        assert other.get_params() == tokenizer.get_params()
        for name, tensor in tokenizer.codebook_.state_dict().items():
            assert other.codebook_.state_dict()[name].equal(tensor), name
        codes = tokenizer.transform(waves(seed=3))
        np.testing.assert_array_equal(other.transform(waves(seed=3)), codes)
        np.testing.assert_array_equal(
            other.inverse_transform(codes), tokenizer.inverse_transform(codes)
        )
        kinds = {file.suffix for file in (tmp_path / "book").iterdir()}
        assert kinds == {".json", ".safetensors"}

    def test_nothing_is_overwritten_unasked(self, tmp_path: Path) -> None:
        fitted().save(tmp_path / "book")
        with pytest.raises(ConfigError, match="holds a saved model already"):
            fitted().save(tmp_path / "book")
        fitted().save(tmp_path / "book", overwrite=True)

    def test_altered_folders_are_refused(self, tmp_path: Path) -> None:
        fitted().save(tmp_path / "book")
        file = tmp_path / "book" / "model.json"
        facts = json.loads(file.read_text())
        file.write_text(json.dumps({**facts, "params": {**facts["params"], "warp": 0.1}}))
        with pytest.raises(DataError, match="was altered"):
            LiPCoTTokenizer.load(tmp_path / "book")
        file.write_text(json.dumps(facts))
        weights = tmp_path / "book" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"!")
        with pytest.raises(DataError, match="damaged or altered"):
            LiPCoTTokenizer.load(tmp_path / "book")

    def test_other_folders_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="is not a saved tslm model"):
            LiPCoTTokenizer.load(tmp_path)


class TestMistakes:
    """Each message says what is wrong, where, and what to do."""

    def test_before_fit(self) -> None:
        for call in (
            lambda model: model.transform(waves()),
            lambda model: model.inverse_transform(np.zeros((1, 3), int)),
            lambda model: model.psd(np.zeros((1, 3), int), [0.1]),
            lambda model: model.save("nowhere"),
        ):
            with pytest.raises(NotFittedError, match=r"Call fit\(X\)"):
                call(LiPCoTTokenizer())

    @pytest.mark.parametrize(
        ("frames", "says"),
        [
            ([], "There are no frames"),
            (np.zeros(100), r"Frame 0 has shape \(\)"),
            ([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0]], "Frame 1 has 2 steps"),
            ([["a", "b", "c", "d"]], "Frames must be numbers"),
            ([[1.0, 2.0, 3.0, np.inf]], r"Frames \[0\] have infinite"),
            (np.ones((10, 64)), "from 0 frames that vary"),
            (waves(3), "n_codes=4 codes cannot be learnt from 3 frames"),
        ],
    )
    def test_frames(self, frames: object, says: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with pytest.raises(DataError, match=says):
                LiPCoTTokenizer(8, 4).fit(frames)

    def test_short_frames_warn(self) -> None:
        with pytest.warns(UserWarning, match="Order 5 is used"):
            tokenizer = LiPCoTTokenizer(8, 4).fit(waves(steps=20))
        assert tokenizer.codebook_.filters.shape == (4, 5)

    @pytest.mark.parametrize("rate", [0.0, -1.0, np.nan])
    def test_rates(self, rate: float) -> None:
        with pytest.raises(DataError, match="must be finite and above 0"):
            LiPCoTTokenizer(8, 4).fit(waves(), sampling_rate=rate)
        with pytest.raises(DataError, match="do not fit 200 frames"):
            LiPCoTTokenizer(8, 4).fit(waves(), sampling_rate=[1.0, 2.0])

    def test_a_band_above_half_the_rate(self) -> None:
        tokenizer = fitted(method="selective", band=0.5)
        with pytest.raises(ConfigError, match=r"band 0\.5 must be above 0 and at most 0\."):
            tokenizer.transform(waves(), sampling_rate=0.5)

    @pytest.mark.parametrize(
        ("codes", "says"),
        [
            ([[4, 0]], r"shape \(1, 2\)"),
            ([[4.0, 0.0, 0.0]], "type float64"),
            ([[99, 0, 0]], "shape has codes from 99 to 99, but the codebook has codes from 0"),
            ([[4, -1, 0]], "column gain has codes from -1"),
        ],
    )
    def test_codes(self, codes: object, says: str) -> None:
        with pytest.raises(DataError, match=says):
            fitted().inverse_transform(codes)

    def test_sizes_of_frames(self) -> None:
        with pytest.raises(ConfigError, match="frame_length=0"):
            LiPCoTTokenizer.cut(np.zeros(10), 0)
        with pytest.raises(DataError, match="no frame of 11 steps"):
            LiPCoTTokenizer.cut(np.zeros(10), 11)


def test_the_last_frame_ends_with_the_series() -> None:
    assert LiPCoTTokenizer.cut(np.arange(10), 4).tolist() == [[2, 3, 4, 5], [6, 7, 8, 9]]
    assert LiPCoTTokenizer.cut(np.arange(6), 4, 1).tolist() == [
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4, 5],
    ]


def test_it_is_a_transformer_of_scikit_learn() -> None:
    tokenizer = LiPCoTTokenizer(order=8, n_codes=4)
    assert clone(tokenizer).get_params() == tokenizer.get_params()
    codes = make_pipeline(FunctionTransformer(), tokenizer).fit_transform(waves())
    np.testing.assert_array_equal(codes, tokenizer.transform(waves()))
    named = tokenizer.set_output(transform="pandas").transform(waves())
    assert list(named) == ["shape", "gain", "level"]


def test_pictures_show_every_code_and_frame() -> None:
    series = np.random.default_rng(0).normal(size=2000).cumsum()
    tokenizer = LiPCoTTokenizer(order=4, n_codes=8)
    tokenizer.fit(tokenizer.cut(series, 40))
    (image,) = tokenizer.plot_spectra().axes[0].get_images()
    assert image.get_array().shape == (8, 200)
    assert image.get_array().max() == 0
    above, below = tokenizer.plot_series(series[-430:], 40).axes
    assert len(above.get_lines()) == 1 + 10
    numbers = [int(text.get_text()) for text in below.texts]
    codes = tokenizer.transform(tokenizer.cut(series[-430:], 40))
    assert numbers == codes.ravel().tolist()
    (table,) = tokenizer.plot_transitions(series).axes[0].get_images()
    assert_allclose(table.get_array().sum(1), 1)
    with pytest.raises(NotFittedError):
        LiPCoTTokenizer().plot_spectra()
