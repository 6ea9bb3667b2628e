"""Analogues: only futures that were known are used, and gaps, level and spread do not matter."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.frames import long_frame
from tslm import BaselineForecaster, ConfigError, Spec, TSLMForecaster
from tslm.core.types import Batch, Task
from tslm.models.baselines.analogues import NEVER, Analogues

L, H = 12, 4


def windows(series: Tensor, first: int = L) -> Batch:
    """Return every window of a series from an origin on; the time of a row is its number."""
    cut = series[first - L :].unfold(0, L + H, 1)[..., None]
    time = torch.arange(first - L, len(series)).unfold(0, L + H, 1)
    return Batch(cut[:, :L], cut[:, L:], time)


def noise(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed))


def learnt(*batches: Batch, k: int = 1, query: int | None = 6) -> Analogues:
    rule = Analogues(task=Task(L, H, 3), k=k, query=query, windows=256)
    rule.learn(batches, [])
    return rule


def test_the_future_of_the_same_shape_is_shifted_and_scaled() -> None:
    rule = learnt(windows(noise(60)))
    shape = noise(60)[20 : 20 + L + H]
    past, future = (100 + 3 * shape)[None, :, None].split([L, H], 1)
    found = rule.forecast(Batch.of(past, torch.arange(1000, 1000 + L)[None]), H)
    torch.testing.assert_close(found, future, rtol=1e-4, atol=1e-3)


def test_no_future_is_used_that_ends_after_the_origin() -> None:
    series = noise(80)
    rule, batch = learnt(windows(series), k=3), windows(series)
    found = rule.forecast(batch, H)
    assert not torch.isclose(found, batch.future, atol=1e-3).all(1).any()  # none finds itself
    for origin in (30, 47, 60):
        changed = series.clone()
        changed[origin:] = noise(80, seed=1)[origin:]
        window = windows(series, origin)
        one = Batch.of(window.past[:1], window.time[:1])
        torch.testing.assert_close(
            learnt(windows(changed), k=3).forecast(one, H), found[origin - L][None]
        )


def test_a_context_before_every_future_is_continued_by_its_mean() -> None:
    rule = learnt(windows(noise(60), first=30))
    early = Batch.of(torch.arange(12.0)[None, :, None], torch.arange(L)[None])
    assert rule.forecast(early, 2).flatten().tolist() == [8.5, 8.5]  # of the 6 steps compared


def test_missing_values_are_not_compared() -> None:
    rule = learnt(windows(noise(60)))
    past = noise(60)[20 : 20 + L].clone()
    past[[7, 9]] = torch.nan
    found = rule.forecast(Batch.of(past[None, :, None], torch.arange(1000, 1000 + L)[None]), H)
    expected = noise(60)[20 + L : 20 + L + H]
    torch.testing.assert_close(found.flatten(), expected, rtol=1e-4, atol=1e-3)
    holes = noise(60)
    holes[::3] = torch.nan
    assert bool((learnt(windows(holes)).until == NEVER).all())  # every window has a gap


def test_short_series_give_all_their_windows() -> None:
    short = torch.cat([torch.full((7,), torch.nan), noise(9)])[None, :, None]
    batch = Batch(short[:, :L], short[:, L:], torch.arange(L + H)[None])
    rule = learnt(batch, query=None)
    assert rule.queries == (3, 4, 6)
    assert rule.known[rule.until != NEVER].tolist() == [3, 4, 5]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_retrieved_is_the_model_without_it_and_the_rest_can_be_saved(
    tmp_path: Path,
) -> None:
    wave = np.sin(np.arange(120) / 2) + np.arange(120) % 5
    df = long_frame({"a": wave, "b": 50 - 9 * wave}, freq="h")
    options = {
        **{"h": 6, "adapter": Spec("autotimes", patch_len=6), "base": None, "verbose": 0},
        **{"backbone": "tiny", "context_length": 18, "max_steps": 3, "random_state": 0},
    }
    plain = TSLMForecaster(**options).fit(df).predict(h=15)
    none = TSLMForecaster(**options, retrieval=0).fit(df).predict(h=15)
    assert plain.equals(none)
    model = TSLMForecaster(**options, retrieval=2, rollout="cached").fit(df)
    found = model.predict(h=15)
    assert (found["AutoTimes"] - plain["AutoTimes"]).abs().max() > 1e-6
    model.save(tmp_path / "model")
    loaded = TSLMForecaster.load(tmp_path / "model")
    assert loaded.predict(h=15).equals(found)
    other = long_frame({"c": wave[:40]}, freq="h", start="2025-01-01")
    assert np.isfinite(loaded.predict(other)["AutoTimes"]).all()
    with pytest.raises(ConfigError, match="Save it with history=True"):
        model.save(tmp_path / "bare", history=False)
    with pytest.raises(ConfigError, match=r"TimeLLM has no segments\. Set retrieval=0"):
        TSLMForecaster(h=6, adapter="time_llm", backbone="tiny", base=None, retrieval=2).fit(df)


def test_a_wave_is_continued_by_the_baseline() -> None:
    wave = np.sin(np.arange(200) * 2 * np.pi / 20)
    df = long_frame({"a": wave[:160], "b": 7 + 30 * wave[:160]}, freq="h")
    rule = Spec("analogues", k=4)
    model = BaselineForecaster(rule, h=10, season_length=20, context_length=40, verbose=0)
    ahead = model.fit(df).predict()
    np.testing.assert_allclose(ahead[ahead.unique_id == "a"].iloc[:, 2], wave[160:170], atol=0.02)
