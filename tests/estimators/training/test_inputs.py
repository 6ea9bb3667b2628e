"""Changes of training contexts: own forecasts, hidden segments and noise."""

from typing import Any

import pytest
import torch

from tests.estimators.training.test_training import forecaster, series
from tslm import ConfigError, Spec, TSLMWindowRegressor
from tslm.core.types import Batch
from tslm.estimators.lipcot.pretrainer import LiPCoTPretrainer
from tslm.estimators.training.inputs import InputChanges, with_own_forecasts, without_segments
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import trained_state

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")

CHANGES = {"own_rollouts": 0.7, "mask_inputs": 0.3, "context_noise": 0.1}


@pytest.fixture(scope="module")
def model() -> Any:
    return forecaster(max_steps=3).fit(series()).model_


def walks(count: int = 6, steps: int = 32) -> Batch:
    """Windows of 24 steps and the 8 steps after them."""
    rows = torch.randn(count, steps, 1, generator=torch.Generator().manual_seed(0)).cumsum(1)
    return Batch(rows[:, :24], rows[:, 24:], torch.arange(steps).expand(count, -1))


def test_the_last_segment_is_the_forecast_from_the_steps_before_it(model: Any) -> None:
    batch = walks()
    chosen = torch.tensor([True, False, True, False, False, True])
    model.train()
    changed = with_own_forecasts(batch, model, chosen)
    assert model.training
    model.eval()
    assert torch.equal(changed[~chosen], batch.past[~chosen])
    assert torch.equal(changed[:, :-8], batch.past[:, :-8])
    own = model.forecast(Batch.of(batch.past[:, :-8], batch.time), 8)
    torch.testing.assert_close(changed[chosen, -8:], own[chosen], rtol=1e-4, atol=1e-5)
    assert not changed.requires_grad


def test_a_series_that_just_begins_keeps_its_values(model: Any) -> None:
    batch = walks()
    batch.past[2, :-8] = torch.nan
    changed = with_own_forecasts(batch, model, torch.ones(6, dtype=torch.bool))
    assert torch.equal(changed[2, -8:], batch.past[2, -8:])
    assert not torch.equal(changed[3, -8:], batch.past[3, -8:])


def test_one_whole_segment_is_hidden() -> None:
    past, chosen = walks(200).past[:, :23], torch.arange(200) % 2 == 0
    hidden = without_segments(past, 8, chosen).isnan()[..., 0]
    assert not hidden[~chosen].any()
    assert (hidden.sum(1)[chosen] == 8).all()
    assert not hidden[:, :7].any(), "an incomplete first segment is not hidden"
    assert {int(row.nonzero()[0]) for row in hidden[chosen]} == {7, 15}


def test_noise_is_a_share_of_the_spread_of_each_window(model: Any) -> None:
    past = torch.randn(2000, 24, 1) * torch.tensor([1.0, 1000.0]).repeat(1000)[:, None, None]
    past[0, :10] = torch.nan
    batch = Batch(past, past[:, :8], torch.arange(32).expand(2000, -1))
    seen = InputChanges(0.0, 0.0, 0.5).apply(batch, model, 0.0)
    noise = seen.past - past
    assert torch.equal(noise.isnan(), past.isnan())
    for first in (0, 1):
        ratio = noise[first::2].nan_to_num().std() / past[first::2].nan_to_num().std()
        assert ratio == pytest.approx(0.5, rel=0.05)
    assert seen.true_past is past


def test_own_forecasts_become_frequent_in_the_first_half_of_training(model: Any) -> None:
    batch = walks(1000)

    def share(progress: float) -> float:
        seen = InputChanges(0.8, 0.0, 0.0).apply(batch, model, progress).past
        return float((seen != batch.past).flatten(1).any(1).float().mean())

    assert share(0.0) == 0
    assert share(0.25) == pytest.approx(0.4, abs=0.1)
    assert share(0.5) == pytest.approx(0.8, abs=0.1)
    assert share(1.0) == pytest.approx(0.8, abs=0.1)


def test_the_loss_compares_with_the_true_context(model: Any) -> None:
    batch = walks()
    hidden = batch.past.clone()
    hidden[:, 8:16] = torch.nan
    changed = batch._replace(past=hidden, true_past=batch.past)
    _, covered, _, _, _ = model(hidden, batch.time[:, :24])
    truth = torch.cat([batch.past, batch.future], 1)[:, 8:]
    error = (model(hidden, batch.time[:, :24]).values - truth).square()[covered].mean()
    torch.testing.assert_close(model.loss(changed), error)
    assert not torch.allclose(model.loss(changed), model.loss(changed._replace(true_past=None)))


def test_changes_change_training_and_a_seed_repeats_it() -> None:
    def weights(**changes: float) -> torch.Tensor:
        trainer = Spec("one_cycle", looks=2, **changes)
        model = forecaster(max_steps=6, trainer=trainer).fit(series()).model_
        return torch.cat([tensor.flatten() for tensor in trained_state(model).values()])

    plain = weights()
    for name, value in CHANGES.items():
        assert not torch.equal(weights(**{name: value}), plain), name
    assert torch.equal(weights(**CHANGES), weights(**CHANGES))


@pytest.mark.parametrize("name", ["own_rollouts", "mask_inputs"])
def test_a_context_of_one_segment_is_refused(name: str) -> None:
    model = forecaster(context_length=8, trainer=Spec("one_cycle", **{name: 0.5}))
    message = f"trainer.{name} changes a segment of 8 steps .* context_length above 8"
    with pytest.raises(ConfigError, match=message):
        model.fit(series())


def test_the_window_regressor_takes_the_changes() -> None:
    batch = walks(20)
    model = TSLMWindowRegressor(
        Spec("time_llm", patch_len=8, stride=8),
        backbone="tiny",
        trainer=Spec("one_cycle", **CHANGES),
        max_steps=2,
        random_state=0,
        verbose=0,
    )
    model.fit(batch.past[..., 0].numpy(), batch.future[..., 0].numpy())
    assert model.predict(batch.past[..., 0].numpy()).shape == (20, 8)


def test_pretraining_refuses_changes_of_contexts() -> None:
    with pytest.raises(ConfigError, match="no forecaster is trained"):
        Recipe(0.1, 5, own_rollouts=0.5).keep_inputs()
    trainer = Spec("one_cycle", mask_inputs=0.5)
    adapter = Spec("lipcot", order=4, n_codes=8, frame_length=14)
    teacher = LiPCoTPretrainer(
        adapter=adapter, backbone="tiny", trainer=trainer, max_steps=2, verbose=0
    )
    with pytest.raises(ConfigError, match="leave them out"):
        teacher.fit([series()])
