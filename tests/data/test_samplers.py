"""Samplers: batches depend on seed and step alone, and an epoch reads every window once."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.frames import numbered_panel
from tslm.data.samplers import EpochWindows, RandomWindows, evenly_spaced
from tslm.data.windows import Windows


def test_random_windows_depend_on_seed_and_step_alone() -> None:
    windows = Windows(numbered_panel([1000, 20]), context_length=5, future_length=2)
    one, two = RandomWindows(windows, 64, 3), RandomWindows(windows, 64, 3)
    later = [one.batch(step) for step in range(5)][4]
    assert torch.equal(two.batch(4), later)
    assert not torch.equal(two.batch(3), later)
    assert not torch.equal(RandomWindows(windows, 64, 4).batch(4), later)


def test_an_epoch_reads_every_window_once() -> None:
    windows = Windows(numbered_panel([30, 20]), context_length=5, future_length=2)
    epochs = EpochWindows(windows, 8, seed=1)
    read = [torch.cat([epochs.batch(e * 5 + s) for s in range(5)]) for e in range(2)]
    assert epochs.steps_per_epoch == 5
    for order in read:
        assert sorted(order.tolist()) == list(range(len(windows)))
    assert not torch.equal(*read)
    assert torch.equal(EpochWindows(windows, 8, seed=1).batch(7), epochs.batch(7))


@given(st.integers(1, 500), st.integers(1, 50))
def test_evenly_spaced_numbers_are_distinct_and_include_both_ends(n: int, limit: int) -> None:
    chosen = evenly_spaced(n, limit)
    assert len(chosen) == min(n, limit)
    assert chosen[0] == 0
    assert len(chosen) == 1 or chosen[-1] == n - 1
    assert (chosen.diff() > 0).all()
