"""Errors of windows: each window counts once, for every horizon that it contains."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import Tensor

from tests.frames import long_frame
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Task
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.samplers import evenly_spaced
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.models.assembly import rule as made


def rule_of(name: str, season_length: int) -> Forecaster:
    return made(name, Task(1, 1, season_length))


class Counting(Forecaster):
    """The last value; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []
        self.rule = rule_of("last", 1)

    def forecast(self, batch: Batch, horizon: int) -> Tensor:
        self.asked.append((len(batch.past), horizon))
        return self.rule.forecast(batch, horizon)


def panel(*lengths: int) -> Panel:
    rng = np.random.default_rng(0)
    df = long_frame({k: rng.normal(size=n).cumsum() for k, n in enumerate(lengths)}, freq=1)
    return Panel.from_frame(read_frame(df, Columns()))


def arrays(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(st.data())
def test_every_window_is_scored_once_as_by_hand(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(8, 30), min_size=1, max_size=3))
    context, batch = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    horizons = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True))
    start = arrays(*[data.draw(st.integers(context, n)) for n in lengths])
    series = panel(*lengths)
    got = score(
        rule_of("last", 1),
        series,
        context_length=context,
        horizons=horizons,
        start=start,
        stop=series.lengths,
        batch_size=batch,
    )
    assert list(got) == horizons
    for h in horizons:
        expected = {}
        for k, n in enumerate(lengths):
            y = series.values[series.offsets[k] : series.offsets[k + 1]].numpy()
            for t in range(start[k], n - h + 1):
                gap = y[t : t + h].astype(float) - y[t - 1]
                expected[k, t] = (np.square(gap).mean(), np.abs(gap).mean())
        errors = got[h]
        places = list(zip(errors.series.tolist(), errors.position.tolist(), strict=True))
        assert sorted(places) == sorted(expected)
        for place, mse, mae in zip(places, errors.mse, errors.mae, strict=True):
            assert_allclose((mse, mae), expected[place], rtol=1e-4, atol=1e-6)


def test_one_rollout_serves_all_horizons() -> None:
    series, who = panel(50), Counting()
    score(who, series, context_length=5, horizons=[2, 8], start=arrays(20), stop=arrays(50))
    windows = {h: 50 - 20 - h + 1 for h in (2, 8)}
    assert who.asked == [(windows[8], 8), (windows[2] - windows[8], 2)]


def test_several_horizons_have_the_scores_of_single_ones() -> None:
    series, options = panel(60, 45), {"context_length": 6, "start": arrays(30, 30)}
    rule, stop = rule_of("seasonal_naive", 5), arrays(60, 45)
    both = score(rule, series, horizons=[4, 9], stop=stop, **options)
    for h in (4, 9):
        alone = score(rule, series, horizons=[h], stop=stop, **options)[h]
        order = np.lexsort((both[h].position, both[h].series))
        assert_allclose(both[h].mse[order], alone.mse, rtol=1e-6)
        assert both[h].means() == pytest.approx(alone.means(), rel=1e-6)


def test_the_context_of_a_rule_does_not_choose_the_windows() -> None:
    series, rule = panel(60), rule_of("last", 1)
    options = {"context_length": 20, "horizons": [3], "start": arrays(0), "stop": arrays(60)}
    near, far = (score(rule, series, look_back=n, **options)[3] for n in (1, 500))
    assert near.position.tolist() == far.position.tolist() == list(range(20, 58))
    assert_allclose(near.mse, far.mse)


def test_strides_and_limits_thin_out_evenly() -> None:
    series, rule = panel(100), rule_of("last", 1)
    options = {"context_length": 10, "horizons": [5], "start": arrays(50), "stop": arrays(100)}
    every = score(rule, series, stride=7, **options)[5]
    assert every.position.tolist() == list(range(50, 96, 7))
    some = score(rule, series, limit=5, **options)[5]
    assert (len(some), some.position[0], some.position[-1]) == (5, 50, 95)


@pytest.mark.parametrize("horizons", [[9], [9, 2]])
def test_a_horizon_without_room_has_no_windows(horizons: list[int]) -> None:
    series, rule = panel(12), rule_of("last", 1)
    errors = score(
        rule, series, context_length=4, horizons=horizons, start=arrays(10), stop=arrays(12)
    )
    assert [len(errors[h]) for h in horizons] == [0, 1][: len(horizons)]
    assert isinstance(errors[9], WindowErrors)


def test_missing_truth_is_left_out_and_an_unobserved_window_has_no_error() -> None:
    series = panel(12)
    series.values[torch.tensor([9, 10])] = float("nan")
    errors = score(
        rule_of("last", 1),
        series,
        context_length=3,
        horizons=[2],
        start=arrays(8),
        stop=arrays(12),
    )[2]
    assert np.isnan(errors.mse).tolist() == [False, True, False]
    gap = float(series.values[8] - series.values[7])
    assert errors.mse[0] == pytest.approx(gap**2, rel=1e-5)
    assert np.isfinite(errors.means()).all()


def test_window_numbers_beyond_fp32_are_evenly_spaced() -> None:
    for n in (10, 2**24 + 3, 2**31 + 7):
        some = evenly_spaced(n, 4096)
        assert (int(some[0]), int(some[-1])) == (0, n - 1)
        assert (some.diff() > 0).all()
