"""Sample paths of a joint distribution, ``decoder="flow"``, from fit to predict."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.frames import random_walks
from tslm import TSLMForecaster
from tslm.core.types import Batch

H = 6  # a quarter of a segment, which is a day


def estimator(**options: Any) -> TSLMForecaster:
    usual: dict[str, Any] = {"h": H, "backbone": "tiny", "decoder": "flow", "base": None}
    usual |= {"max_steps": 5, "random_state": 0, "verbose": 0, "accelerator": "cpu"}
    return TSLMForecaster(**usual | options)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return random_walks(160, "ab", level=0, freq="h")


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame) -> TSLMForecaster:
    return estimator().fit(frame)


def paths_of(table: pd.DataFrame) -> np.ndarray:
    return table.filter(like="-sample-").to_numpy()


def test_the_same_seed_gives_the_same_bits(model: TSLMForecaster, frame: pd.DataFrame) -> None:
    again = estimator().fit(frame)
    for h in (H, 5 * H + 1):
        drawn = model.predict(h=h, num_samples=4)
        pd.testing.assert_frame_equal(again.predict(h=h, num_samples=4), drawn, check_exact=True)
        assert (np.diff(paths_of(drawn), axis=1) != 0).all()


def test_the_paths_of_a_series_do_not_depend_on_other_series(
    model: TSLMForecaster, frame: pd.DataFrame
) -> None:
    both, alone = (
        model.predict(frame[frame.unique_id.isin([*ids])], num_samples=3)
        for ids in (["a", "b"], ["b"])
    )
    np.testing.assert_allclose(
        paths_of(both[both.unique_id == "b"]), paths_of(alone), rtol=1e-4, atol=1e-4
    )


def test_a_shorter_horizon_is_the_beginning_of_the_same_paths(model: TSLMForecaster) -> None:
    whole, short = model.predict(num_samples=3), model.predict(h=2, num_samples=3)
    first = whole[whole.groupby("unique_id").cumcount() < 2]
    np.testing.assert_allclose(paths_of(first), paths_of(short), rtol=1e-5, atol=1e-5)


def test_a_roll_out_continues_each_path_from_its_own_segment(model: TSLMForecaster) -> None:
    net, context, step = model.forecaster_, model.context_length_, model.forecaster_.step
    dice = torch.Generator().manual_seed(0)
    past = torch.randn(2, context, 1, generator=dice)
    levels = torch.rand(2, 2 * step, 1, generator=dice).clamp(0.01, 0.99)
    time = 3600 * torch.arange(context + 2 * step).expand(2, -1)
    both = net.paths(Batch.of(past, time), levels)
    first = net.paths(Batch.of(past, time), levels[:, :step])
    moved = torch.cat([past, first], 1)[:, step:]
    second = net.paths(Batch.of(moved, time[:, step:]), levels[:, step:])
    torch.testing.assert_close(both, torch.cat([first, second], 1), rtol=1e-4, atol=1e-5)


def test_quantiles_are_in_order_within_and_beyond_a_segment(model: TSLMForecaster) -> None:
    for h in (H, 5 * H):
        ahead = model.predict(h=h, quantiles=[0.05, 0.3, 0.5, 0.7, 0.95])
        assert (np.diff(ahead.filter(like="-q-").to_numpy(), axis=1) > 0).all()


def test_saving_keeps_the_draws(model: TSLMForecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        again.predict(h=5 * H, num_samples=3), model.predict(h=5 * H, num_samples=3)
    )


@pytest.mark.parametrize("base", ["profile_ar", "auto"])
def test_it_corrects_a_base_or_is_a_member_of_a_mix(frame: pd.DataFrame, base: str) -> None:
    ahead = estimator(base=base).fit(frame).predict(level=[80], num_samples=3)
    assert np.isfinite(ahead.select_dtypes("number")).all(axis=None)
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()


def test_a_corrected_quantile_keeps_working_with_conformal_methods(frame: pd.DataFrame) -> None:
    with pytest.warns(UserWarning, match="does not help here"):
        fitted = estimator(conformal="cqr", val_size=60).fit(frame)
    ahead = fitted.predict(level=[80], num_samples=3)
    assert (ahead["AutoTimes-lo-80"] < ahead["AutoTimes-hi-80"]).all()
    assert np.isfinite(paths_of(ahead)).all()
