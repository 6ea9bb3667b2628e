"""The forecast of a window does not depend on other windows, whatever values are missing."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.networks import network
from tslm import BaselineForecaster
from tslm.core.config.build import part_class
from tslm.core.config.choices import choices, node
from tslm.core.forecaster import Forecaster
from tslm.core.spec import Spec
from tslm.core.types import Batch, Task
from tslm.models.assembly import baseline
from tslm.models.baselines.classical.smoothing import Smoothing

L, H, SEASON = 96, 12, 12
OPTIONS: dict[str, dict[str, Any]] = {
    "autotimes": {"patch_len": 12},
    "time_llm": {"n_prototypes": 8},
    "s2ip": {"n_anchors": 8},
    "lipcot": {"frame_length": 12, "n_codes": 4},
    "variates": {},
}
BASES = [name for name in choices("base") if name != "none"]
# A roll-out fits these again to a context that ends in forecasts, so the rounding of a forecast,
# 5e-7 here, grows to 2e-5. Windows that depend on each other would differ by tenths.
ROLLED = {"ets": 1e-4, "ces": 1e-4, "auto": 1e-4}
ELSEWHERE = {"auto_ets", "auto_theta"}  # those that need statsforecast
BASELINES = [
    name
    for name in choices("model")
    if not part_class(node("model", name)).multivariate
    and (name not in ELSEWHERE or find_spec("statsforecast"))
]
SMALL = {
    "patchtst": {"width": 16, "heads": 4, "patch_len": 12, "stride": 6},
    "pattn": {"width": 16, "heads": 4, "patch_len": 12, "stride": 6},
}


def company() -> Batch:
    """Contexts observed for 30 to 96 steps that end in gaps of 0 to 40; one has gaps throughout."""
    dice = torch.Generator().manual_seed(0)
    shapes = [
        (96, 0),
        (96, 3),
        (60, 5),
        (60, 12),
        (30, 3),
        (30, 25),
        (96, 26),
        (96, 40),
        (48, 13),
        (40, 6),
        (40, 9),
    ]
    steps = torch.randn(len(shapes) + 1, L + H, 1, generator=dice)
    waves = 2 * torch.sin(2 * torch.pi * torch.arange(L + H) / SEASON)[:, None]
    past, future = (steps.cumsum(1) / 3 + waves).split([L, H], 1)
    past = past.clone()
    for row, (observed, gap) in enumerate(shapes):
        past[row, : L - observed] = torch.nan
        past[row, L - gap :] = torch.nan
    past[-1][torch.rand(L, 1, generator=dice) < 0.2] = torch.nan
    return Batch(past, future, torch.arange(L + 4 * H).expand(len(past), -1))


def learnt(model: Forecaster) -> Forecaster:
    """Return a model that has learnt from windows, with weights that are not zero."""
    dice = torch.Generator().manual_seed(1)
    train = torch.randn(64, L + H, 1, generator=dice).cumsum(1) / 3
    batch = Batch(train[:, :L], train[:, L:], torch.arange(L + H).expand(64, -1))
    model.learn([batch], [])
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn(weight.shape, generator=dice))
    return model.eval()


def adapted(name: str, base: str | None, **options: Any) -> Forecaster:
    parts = {"adapter": Spec(name, **OPTIONS[name], **options), "base": base or "none"}
    sizes = {"rows": 4 * L, "season_length": SEASON, "context_length": L}
    return learnt(network(parts, h=H, dated=False, **sizes))


def check(model: Forecaster, tolerance: float = 1e-5) -> None:
    batch, horizon = company(), 3 * H
    close = {"rtol": tolerance, "atol": tolerance}
    singles = [
        Batch.of(batch.past[i : i + 1], batch.time[i : i + 1]) for i in range(len(batch.past))
    ]
    together = model.forecast(batch, horizon)
    assert together.isfinite().all()
    backwards = model.forecast(Batch.of(batch.past.flip(0), batch.time.flip(0)), horizon).flip(0)
    torch.testing.assert_close(together, backwards, **close)
    fits_once = isinstance(model, Smoothing)  # one fit gives its forecast and its distribution
    if model.distribution_horizon:
        steps = min(horizon if fits_once else H, model.distribution_horizon)
        distribution = model.distribution(batch, steps)
        levels = torch.full_like(distribution.point, 0.9)
        apart = [model.distribution(one, steps) for one in singles]
        singly = torch.cat([one.at(levels[:1]) for one in apart])
        torch.testing.assert_close(distribution.at(levels), singly, **close)
    if fits_once:
        alone = torch.cat([one.point for one in apart])
    else:
        alone = torch.cat([model.forecast(one, horizon) for one in singles])
    torch.testing.assert_close(together, alone, **close)


@pytest.mark.parametrize(
    "base",
    [None, *(pytest.param(b, marks=pytest.mark.slow if b in ROLLED else ()) for b in BASES)],
)
@pytest.mark.parametrize("name", choices("adapter"))
def test_the_forecast_of_an_adapter_does_not_depend_on_other_windows(
    name: str, base: str | None
) -> None:
    check(adapted(name, base), ROLLED.get(base or "none", 1e-5))


@pytest.mark.parametrize("name", BASELINES)
def test_the_forecast_of_a_baseline_does_not_depend_on_other_windows(name: str) -> None:
    cfg = node("model", name)
    for key, value in SMALL.get(name, {}).items():
        cfg[key] = value
    with torch.random.fork_rng():
        torch.manual_seed(0)
        check(learnt(baseline(cfg, Task(L, H, SEASON))))


@pytest.mark.parametrize("name", ["time_llm", "s2ip"])
def test_a_forecast_of_zeros_is_the_last_level_of_a_prefix(name: str) -> None:
    parts = {"adapter": Spec(name, **OPTIONS[name], norm="prefix"), "base": "none"}
    sizes = {"rows": 400, "season_length": SEASON, "context_length": 100}  # no whole patches
    model = network(parts, h=H, dated=False, **sizes)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.zero_()
    ramp = torch.arange(100.0)[None, :, None]
    time = torch.arange(100 + H)[None]
    level = model.adapter.scale(ramp).loc[:, -1:].expand(-1, H, -1)
    torch.testing.assert_close(model(ramp, time[:, :100]).values, level)
    torch.testing.assert_close(model.forecast(Batch.of(ramp, time), H), level)


def test_anchors_are_made_once_while_no_weight_changes() -> None:
    model, batch, made = adapted("s2ip", None), company(), []
    model.adapter.anchors.register_forward_hook(lambda *_: made.append(1))
    for _ in range(3):
        before = model.forecast(batch, H)
    assert len(made) == 1
    with torch.no_grad():
        model.adapter.anchors.weight.mul_(-1.0)
    assert not torch.equal(model.forecast(batch, H), before)
    assert len(made) == 2


def test_a_fit_on_other_threads_differs_by_rounding_alone() -> None:
    dice = torch.Generator().manual_seed(2)
    y = torch.randn(400, generator=dice).cumsum(0).numpy()
    df = pd.DataFrame({"unique_id": "a", "ds": range(400), "y": y})
    settings = {"h": 24, "max_steps": 10, "accelerator": "cpu", "random_state": 0, "verbose": 0}
    found = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        found.append(BaselineForecaster("dlinear", **settings).fit(df).predict().DLinear)
    torch.set_num_threads(1)
    assert found[0].equals(found[2])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)
