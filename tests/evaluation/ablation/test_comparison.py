"""The statistics of an ablation, on errors whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.evaluation.ablation import error_rates
from tslm.evaluation.ablation.comparison import (
    LEVEL,
    LONE_SEED,
    MARGIN,
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


def verdict(one: Errors, two: Errors) -> str:
    effect = compare(one, two, BLOCK, pooled([one, two]))
    return effect.verdict(effect.p)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_identical_arms_with_other_seeds_get_no_false_verdict(seeds: int) -> None:
    """In at least 95 % of 200 repeats, though seeds differ by 2 % and windows overlap."""
    false = 0
    for repeat in range(200):
        dice = np.random.default_rng(repeat)
        common = overlapping(dice, 600)
        one, two = (arm(dice, common, seeds, seed_noise=0.02) for _ in range(2))
        false += verdict(one, two) in ("helps", "hurts")
    assert false <= 10


def test_a_lone_seed_is_not_taken_for_certain() -> None:
    false = 0
    for repeat in range(200):
        dice = np.random.default_rng(1000 + repeat)
        common = overlapping(dice, 600)
        one, two = (arm(dice, common, 1, seed_noise=0.01) for _ in range(2))
        false += verdict(one, two) in ("helps", "hurts")
    assert false <= 10


def test_many_comparisons_at_once_get_no_more_false_verdicts() -> None:
    false = 0
    for repeat in range(60):
        dice = np.random.default_rng(2000 + repeat)
        common = overlapping(dice, 600)
        arms = [arm(dice, common, 3, seed_noise=0.01) for _ in range(7)]
        noise = pooled(arms)
        effects = [compare(arms[0], other, BLOCK, noise) for other in arms[1:]]
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


def test_the_interval_covers_the_truth_at_its_level() -> None:
    covered = 0
    for repeat in range(200):
        dice = np.random.default_rng(5000 + repeat)
        common = overlapping(dice, 480)
        one = arm(dice, common, 3, level=0.95, seed_noise=0.01, own=0.5)
        two = arm(dice, common, 3, seed_noise=0.01, own=0.5)
        effect = compare(one, two, BLOCK, pooled([one, two]))
        covered += effect.low <= -5 <= effect.high
    assert covered >= 186


def test_a_difference_within_the_margin_is_no_clear_difference() -> None:
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
def test_an_effect_is_printed_with_interval_and_verdict(effect: Effect, expected: str) -> None:
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


@pytest.mark.parametrize("windows", [73, 240])
def test_equal_arms_are_called_different_in_at_most_one_report_of_twenty(windows: int) -> None:
    """The whole table: python -m tests.evaluation.ablation.error_rates."""
    rates = error_rates.simulate(windows, memory=0.0, repeats=60)
    assert max(rates.false) <= 100 * 7 / 60
    assert 93 <= rates.covered <= 97


@pytest.mark.slow
@pytest.mark.parametrize("memory", error_rates.MEMORY)
@pytest.mark.parametrize("windows", error_rates.WINDOWS)
def test_error_rates_are_those_stated_from_three_blocks_on(windows: int, memory: float) -> None:
    rates = error_rates.simulate(windows, memory, repeats=200)
    assert max(rates.false) <= 100 * 17 / 200  # 5 %, and what chance adds once in a hundred times
    assert 93 <= rates.covered <= 97


@pytest.mark.parametrize("windows", [73, 240])
def test_bursts_common_to_all_arms_make_no_false_verdict(windows: int) -> None:
    dice, false = np.random.default_rng(0), 0
    for _ in range(60):
        burst = np.exp(1.5 * dice.standard_normal(windows + BLOCK - 1))
        rows = [
            np.convolve(burst * dice.gamma(4.0, 1.0, len(burst)), np.ones(BLOCK) / BLOCK, "valid")
            for _ in range(8)
        ]
        false += error_rates.false_verdict(error_rates.effects(error_rates.errors(np.stack(rows))))
    assert false <= 7


@pytest.mark.parametrize("series", [8, 30])
def test_a_few_hard_series_make_no_false_verdict(series: int) -> None:
    dice, false = np.random.default_rng(0), 0
    for _ in range(60):
        hard = np.exp(1.5 * dice.standard_normal(series))
        arms = [
            Errors((hard * dice.gamma(4.0, 1.0, series))[None], *places(series, series), False)
            for _ in range(8)
        ]
        false += error_rates.false_verdict(error_rates.effects(arms))
    assert false <= 7


def test_half_the_error_helps_among_any_number_of_comparisons() -> None:
    dice = np.random.default_rng(0)
    rows = overlapping(dice, 5000) * np.array([[0.5], [1.0]])
    (effect,) = error_rates.effects(error_rates.errors(rows))
    assert effect.percent == pytest.approx(-50)
    assert effect.verdict(10_000 * effect.p) == "helps"


def test_a_true_effect_of_five_percent_is_found() -> None:
    assert error_rates.power(240, repeats=10, rivals=7) >= 60
    assert error_rates.power(960, repeats=3, rivals=28) == 100


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    windows=st.integers(70, 200),
    level=st.floats(0.5, 2.0),
    own=st.floats(0.0, 1.0),
    noise=st.floats(0.1, 5.0),
)
def test_p_value_and_interval_never_contradict(
    seed: int, windows: int, level: float, own: float, noise: float
) -> None:
    dice = np.random.default_rng(seed)
    common = overlapping(dice, windows)
    one, two = (arm(dice, common, 2, f, own=own) for f in (level, 1.0))
    effect = compare(one, two, BLOCK, SeedNoise(noise, 3))
    beyond = effect.high < -MARGIN or effect.low > MARGIN
    assert beyond == (effect.p < LEVEL)
    assert effect.low <= effect.percent <= effect.high


def test_an_arm_without_any_error_is_the_better_one() -> None:
    dice = np.random.default_rng(0)
    rows = overlapping(dice, 960) * np.array([[0.0], [1.0]])
    (effect,) = error_rates.effects(error_rates.errors(rows))
    assert (effect.percent, effect.low, effect.high) == (-100, -100, -100)
    assert effect.verdict(effect.p) == "helps"
    (other,) = error_rates.effects(error_rates.errors(rows[::-1]))
    assert (other.percent, other.low, other.high, other.p) == (np.inf, -np.inf, np.inf, 1)


def test_an_error_whose_size_is_unknown_gives_no_interval() -> None:
    rows = np.ones((2, 73))
    rows[1, 36:] = 200.0
    (effect,) = error_rates.effects(error_rates.errors(rows))
    assert (effect.low, effect.high, effect.p) == (-np.inf, np.inf, 1.0)
