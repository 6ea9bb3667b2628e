"""Trained and closed-form baselines follow their papers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Facts, Task
from tslm.models.baselines.linear import DLinear, NLinear, RLinear
from tslm.models.baselines.patches import PatchTST, PAttn
from tslm.models.baselines.ridge import UNIT, RidgeNLinear, RidgeProfile
from tslm.models.layers.decomposition import moving_average
from tslm.models.layers.patching import n_patches, overlapping


def batch(rows: Tensor, context: int) -> Batch:
    """Rows [S, L + H] as windows of one channel."""
    past, future = rows[:, :context, None], rows[:, context:, None]
    return Batch(past, future, torch.arange(rows.shape[1]).repeat(len(rows), 1))


def trained(model: torch.nn.Module, windows: Batch, steps: int = 500, rate: float = 1e-2) -> float:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(windows)
        loss.backward()
        optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("kind", [DLinear, NLinear, RLinear])
def test_a_line_and_a_sine_are_learnt(kind: type) -> None:
    start = torch.arange(64.0)[:, None]
    steps = start + torch.arange(40)
    rows = 0.02 * steps + torch.sin(2 * torch.pi * steps / 8)
    torch.manual_seed(0)
    model = kind(task=Task(32, 8))
    assert trained(model, batch(rows, 32), 2000) < 2e-3


def test_dlinear_is_two_maps_of_a_centred_mean_and_the_rest() -> None:
    torch.manual_seed(0)
    model, rows = DLinear(task=Task(30, 5), kernel=7), torch.randn(3, 30)
    padded = torch.cat([rows[:, :1].repeat(1, 3), rows, rows[:, -1:].repeat(1, 3)], 1)
    trend = padded.unfold(1, 7, 1).mean(2)
    expected = model.trend(trend) + model.rest(rows - trend)
    ahead = model.extend(rows[:, :, None], torch.zeros(3, 30, dtype=torch.long))[:, :, 0]
    torch.testing.assert_close(ahead, expected)
    with pytest.raises(ConfigError, match="kernel=24 must be odd"):
        DLinear(task=Task(30, 5), kernel=24)


@pytest.mark.parametrize("width", [1, 2, 5, 24])
def test_a_moving_average_is_centred_with_its_ends_continued(width: int) -> None:
    rows = torch.randn(2, 30, dtype=torch.float64)
    found = moving_average(rows, width)
    for t in range(30):
        places = np.clip(np.arange(t - width // 2, t + (width - 1) // 2 + 1), 0, 29)
        torch.testing.assert_close(found[:, t], rows[:, places].mean(1))


def test_nlinear_adds_the_last_value_back() -> None:
    torch.manual_seed(0)
    model, rows = NLinear(task=Task(10, 3)), torch.randn(2, 10)
    rows[1, 8:] = torch.nan  # the last value is the third from the end
    time = torch.zeros(2, 10, dtype=torch.long)
    ahead = model.extend(rows[:, :, None], time)[:, :, 0]
    last = torch.stack([rows[0, 9], rows[1, 7]])[:, None]
    expected = model.project(torch.nan_to_num(rows - last)) + last
    torch.testing.assert_close(ahead, expected)


def problem(windows: int = 400, context: int = 20, horizon: int = 4) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    walk = torch.randn(windows + context + horizon, generator=dice).cumsum(0)
    return walk.unfold(0, context + horizon, 1).clone()


def test_ridge_equals_a_least_squares_reference() -> None:
    rows = problem()
    model = RidgeNLinear(task=Task(20, 4), penalties=[100.0])
    model.learn([batch(rows[:150], 20), batch(rows[150:], 20)], [])
    x, y = (part.double().numpy() for part in (rows[:, :20], rows[:, 20:]))
    x, y = x - x[:, -1:], y - x[:, -1:]
    penalty = np.sqrt(100.0 * len(rows) / UNIT) * np.eye(20)
    expected, *_ = np.linalg.lstsq(
        np.concatenate([x, penalty]), np.concatenate([y, np.zeros((20, 4))]), rcond=None
    )
    np.testing.assert_allclose(model.weight.numpy(), expected, atol=1e-4)
    ahead = model.forecast(Batch.of(rows[:5, :20, None], torch.arange(24).repeat(5, 1)), 4)[:, :, 0]
    np.testing.assert_allclose(ahead, x[:5] @ expected + rows[:5, 19:20].numpy(), atol=1e-3)


def test_ridge_chooses_its_penalty_by_validation() -> None:
    rows = problem()
    train, val = batch(rows[:40], 20), batch(rows[200:], 20)
    errors = {}
    for penalty in (1.0, 1e4, 1e9):
        model = RidgeNLinear(task=Task(20, 4), penalties=[penalty])
        model.learn([train], [])
        errors[penalty] = float(model.loss(val))
    model = RidgeNLinear(task=Task(20, 4), penalties=list(errors))
    model.learn([train], [val])
    assert float(model.loss(val)) == pytest.approx(min(errors.values()), rel=1e-5)
    assert len(set(errors.values())) == 3


def test_ridge_without_data_or_with_gaps_and_constants_is_its_level() -> None:
    model = RidgeProfile(task=Task(20, 4, season_length=5))
    rows = problem()
    time = torch.arange(24).repeat(5, 1)
    level = model.forecast(Batch.of(rows[:5, :20, None], time), 4)[:, :, 0]
    torch.testing.assert_close(level, rows[:5, :20].reshape(5, 4, 5).mean(1)[:, :4])
    rows[3, 21] = torch.nan
    rows[4] = torch.nan
    rows[5] = 2.0
    model.learn([batch(rows, 20)], [])
    assert torch.isfinite(model.weight).all()
    flat = model.forecast(Batch.of(torch.full((1, 20, 1), 3.0), time[:1]), 4)
    torch.testing.assert_close(flat, torch.full((1, 4, 1), 3.0))


def test_pattn_has_the_published_weights_and_its_head_knows_positions() -> None:
    model = PAttn(task=Task(512, 96), patch_len=16, stride=8).eval()
    assert sum(w.numel() for w in model.parameters()) == 7_092_576
    tokens, order = torch.randn(1, 64, 768), torch.randperm(64)
    with torch.no_grad():
        mixed = model.mix(tokens)
        torch.testing.assert_close(model.mix(tokens[:, order]), mixed[:, order])
        heads = [model.project(t.flatten(1)) for t in (mixed, mixed[:, order])]
    assert not torch.allclose(*heads)


def test_patchtst_is_small_and_overfits_one_batch() -> None:
    torch.manual_seed(0)
    model = PatchTST(task=Task(48, 8), patch_len=8, stride=4, width=32, heads=4, dropout=0.0)
    assert sum(w.numel() for w in PatchTST(task=Task(512, 96)).parameters()) < 1.3e6
    assert trained(model, batch(problem(16, 48, 8), 48), 300, 1e-3) < 0.05


@pytest.mark.parametrize(("length", "size", "stride"), [(512, 16, 8), (50, 10, 5), (20, 20, 3)])
def test_patches_overlap_and_the_last_repeats_the_end(length: int, size: int, stride: int) -> None:
    rows = torch.randn(2, length)
    patches = overlapping(rows, size, stride)
    assert patches.shape == (2, n_patches(length, size, stride), size)
    continued = torch.cat([rows, rows[:, -1:].repeat(1, stride)], 1)
    torch.testing.assert_close(patches[:, 1], continued[:, stride : stride + size])
    if (length - size) % stride == 0:
        assert (patches[:, -1, -stride:] == rows[:, -1:]).all()


def test_patches_fit_short_contexts() -> None:
    facts = Facts(6, 12, 20)
    options = {"patch_len": None, "stride": None}
    sizes = PAttn.suggest(facts, None, options)
    assert (sizes.context_length, sizes.options) == (10, {"patch_len": 10, "stride": 5})
    with pytest.raises(ConfigError, match="patch_len 16 does not fit into context_length 10"):
        PAttn(task=Task(10, 6))
    with pytest.raises(ConfigError, match="must be at least 1"):
        PAttn(task=Task(10, 6), patch_len=4, stride=0)
