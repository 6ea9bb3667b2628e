"""The statistics of an ablation, on errors whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tslm.ablation.bootstrap import (
    LONE_SEED,
    Effect,
    Errors,
    SeedNoise,
    compare,
    holm,
    pooled,
)

BLOCK = 24


def overlapping(dice: np.random.Generator, windows: int, block: int = BLOCK) -> np.ndarray:
    """Errors of overlapping windows: moving means of positive noise."""
    noise = dice.gamma(2.0, 1.0, windows + block)
    return np.convolve(noise, np.ones(block) / block, "valid")[:windows]


def arm(
    dice: np.random.Generator,
    common: np.ndarray,
    seeds: int = 3,
    level: float = 1.0,
    seed_noise: float = 0.0,
    own: float = 0.1,
) -> Errors:
    """An arm whose windows are hard where all find them hard, with noise of its own a seed."""
    windows = len(common)
    runs = [
        level
        * common
        * (1 + seed_noise * dice.standard_normal())
        * (1 + own * (overlapping(dice, windows) / 2 - 1))
        for _ in range(seeds)
    ]
    return Errors(np.stack(runs), np.zeros(windows, np.int64), np.arange(windows))


def verdict(one: Errors, two: Errors, seed: int = 0) -> str:
    effect = compare(one, two, BLOCK, pooled([one, two]), seed)
    return effect.verdict(effect.p)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_identical_arms_with_other_seeds_get_no_false_verdict(seeds: int) -> None:
    """In at least 95 % of 200 repeats, though seeds differ by 2 % and windows overlap."""
    false = 0
    for repeat in range(200):
        dice = np.random.default_rng(repeat)
        common = overlapping(dice, 600)
        one, two = (arm(dice, common, seeds, seed_noise=0.02) for _ in range(2))
        false += verdict(one, two, repeat) in ("helps", "hurts")
    assert false <= 10


def test_a_lone_seed_is_not_taken_for_certain() -> None:
    false = 0
    for repeat in range(200):
        dice = np.random.default_rng(1000 + repeat)
        common = overlapping(dice, 600)
        one, two = (arm(dice, common, 1, seed_noise=0.01) for _ in range(2))
        false += verdict(one, two, repeat) in ("helps", "hurts")
    assert false <= 10


def test_many_comparisons_at_once_get_no_more_false_verdicts() -> None:
    false = 0
    for repeat in range(60):
        dice = np.random.default_rng(2000 + repeat)
        common = overlapping(dice, 600)
        arms = [arm(dice, common, 3, seed_noise=0.01) for _ in range(7)]
        noise = pooled(arms)
        effects = [compare(arms[0], other, BLOCK, noise, repeat) for other in arms[1:]]
        p = holm([effect.p for effect in effects])
        words = [effect.verdict(value) for effect, value in zip(effects, p, strict=True)]
        false += bool({"helps", "hurts"} & set(words))
    assert false <= 3


@pytest.mark.parametrize(("level", "expected"), [(0.9, "helps"), (1.12, "hurts")])
def test_a_real_difference_is_found(level: float, expected: str) -> None:
    found = 0
    for repeat in range(20):
        dice = np.random.default_rng(repeat)
        common = overlapping(dice, 2000)
        one = arm(dice, common, 3, level=level, seed_noise=0.005)
        two = arm(dice, common, 3, seed_noise=0.005)
        found += verdict(one, two) == expected
    assert found >= 19


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for repeat in range(200):
        dice = np.random.default_rng(5000 + repeat)
        common = overlapping(dice, 480)
        one = arm(dice, common, 3, level=0.95, seed_noise=0.01, own=0.5)
        two = arm(dice, common, 3, seed_noise=0.01, own=0.5)
        effect = compare(one, two, BLOCK, pooled([one, two]), repeat)
        covered += effect.low <= -5 <= effect.high
    assert covered >= 186


def test_a_difference_within_the_margin_is_of_no_account() -> None:
    dice = np.random.default_rng(0)
    common = overlapping(dice, 5000)
    one, two = (Errors(f * common[None], *places(5000), trained=False) for f in (0.995, 1.0))
    effect = compare(one, two, BLOCK, pooled([one, two]))
    assert effect.percent == pytest.approx(-0.5)
    assert effect.high < 0
    assert effect.verdict(effect.p) == "no clear difference"


def places(windows: int, series: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(series).repeat(windows // series), np.tile(
        np.arange(windows // series), series
    )


def test_few_windows_are_underpowered() -> None:
    dice = np.random.default_rng(0)
    one, two = (Errors(dice.gamma(2, 1, (3, 2 * BLOCK)), *places(2 * BLOCK)) for _ in range(2))
    effect = compare(one, two, BLOCK, pooled([one, two]))
    assert (effect.low, effect.high, effect.p) == (-np.inf, np.inf, 1.0)
    assert effect.verdict(effect.p) == "underpowered"


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (Effect(-30.0, -50.0, -10.0, 0.001), "helps"),
        (Effect(30.0, 20.0, 50.0, 0.001), "hurts"),
        (Effect(-3.0, -9.0, 3.0, 0.4), "underpowered"),
        (Effect(-3.0, -7.0, 1.0, 0.2), "no clear difference"),
    ],
)
def test_an_effect_in_words(effect: Effect, expected: str) -> None:
    assert effect.verdict(effect.p) == expected


def test_many_series_with_few_windows_are_resampled_as_series() -> None:
    dice = np.random.default_rng(0)
    level = dice.gamma(2, 1, 400)
    one = Errors(0.8 * level[None] * dice.uniform(0.9, 1.1, 400), *places(400, 400), trained=False)
    two = Errors(level[None] * dice.uniform(0.9, 1.1, 400), *places(400, 400), trained=False)
    effect = compare(one, two, BLOCK, pooled([one, two]))
    assert effect.verdict(effect.p) == "helps"
    assert effect.high - effect.low < 5


def test_series_of_other_lengths_are_aligned_at_their_end() -> None:
    dice = np.random.default_rng(0)
    runs = dice.gamma(2, 1, (1, 300))
    series = np.repeat([0, 1], [100, 200])
    position = np.concatenate([np.arange(50, 150), np.arange(200)])
    one, two = (Errors(f * runs, series, position, trained=False) for f in (1.0, 1.0))
    effect = compare(one, two, 10, pooled([one, two]))
    assert (effect.percent, effect.low, effect.high) == (0, 0, 0)


def test_missing_windows_count_for_neither() -> None:
    dice = np.random.default_rng(0)
    runs = dice.gamma(2, 1, (2, 400))
    other = 2 * runs
    runs[0, :7] = np.nan
    effect = compare(
        Errors(runs, *places(400)), Errors(other, *places(400)), BLOCK, SeedNoise(0.1, 10)
    )
    assert effect.percent == pytest.approx(-50, abs=1e-9)


@settings(max_examples=50)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_corrects_in_order_and_never_below(p: list[float]) -> None:
    corrected = holm(p)
    assert all(new >= old for new, old in zip(corrected, p, strict=True))
    assert max(corrected) <= 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
    assert min(corrected) == pytest.approx(min(min(p) * len(p), 1))


def test_holm_by_hand() -> None:
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_the_deviation_between_seeds_is_pooled() -> None:
    flat = np.ones(50)
    one = Errors(np.stack([0.98 * flat, 1.02 * flat]), *places(50))
    two = Errors(np.stack([0.96 * flat, 1.0 * flat, 1.04 * flat]), *places(50))
    rule = Errors(flat[None], *places(50), trained=False)
    noise = pooled([one, two, rule])
    assert noise.freedom == 3
    assert noise.percent == pytest.approx(np.sqrt((2**2 * 2 + 2 * 4**2) / 3))
    assert pooled([rule]) == SeedNoise(LONE_SEED, np.inf)


def test_equal_seeds_draw_equal_blocks() -> None:
    dice = np.random.default_rng(0)
    common = overlapping(dice, 600)
    one, two = arm(dice, common), arm(dice, common)
    noise = pooled([one, two])
    assert compare(one, two, BLOCK, noise, 3) == compare(one, two, BLOCK, noise, 3)
    assert compare(one, two, BLOCK, noise, 3) != compare(one, two, BLOCK, noise, 4)
