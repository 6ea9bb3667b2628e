"""The loss by step, Lightning's own words, a warm start, and the weights counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from sklearn.base import clone
from utilsforecast.data import generate_series

from tslm import BaselineForecaster, ConfigError, DataError, NotFittedError, TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
SALES = generate_series(3, freq="D", min_length=120, max_length=150, seed=0)


def tiny(**settings: Any) -> TSLMForecaster:
    fast = {"h": 7, "backbone": "tiny", "max_steps": 6, "accelerator": "cpu", "random_state": 0}
    return TSLMForecaster(**{"base": None, **fast, "verbose": 0, **settings})


@pytest.fixture(scope="module")
def fitted() -> TSLMForecaster:
    return tiny(early_stopping_patience=50).fit(SALES)


def test_every_step_has_its_loss_and_rate(fitted: TSLMForecaster, tmp_path: Path) -> None:
    history = fitted.history_
    assert history.columns.tolist() == ["step", "loss", "learning_rate", "val_mse"]
    assert history.step.tolist() == [1, 2, 3, 4, 5, 6]
    assert history.notna().all().all()
    assert (history.loss > 0).all()
    fitted.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.history_, history)
    figure = again.plot_history()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "learning rate"]


def test_a_resumed_run_has_the_steps_before_it_too(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
            if trainer.global_step == 4:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        tiny(callbacks=[Stop()]).fit(SALES, folder=tmp_path)
    resumed = tiny().fit(SALES, folder=tmp_path)
    whole = tiny().fit(SALES)
    pd.testing.assert_frame_equal(resumed.history_, whole.history_)


def test_what_is_not_trained_has_no_loss() -> None:
    model = BaselineForecaster("last", h=7).fit(SALES)
    assert model.history_.empty
    with pytest.raises(DataError, match="nothing was trained"):
        model.plot_history()


def test_lightning_gets_logger_callbacks_and_trainer_kwargs(tmp_path: Path) -> None:
    class Count(Callback):
        steps = 0

        def on_train_batch_end(self, *_: Any) -> None:
            type(self).steps += 1

    model = tiny(
        logger=CSVLogger(tmp_path, name="runs"),
        callbacks=[Count()],
        trainer_kwargs={"log_every_n_steps": 1},
    )
    model.fit(SALES)
    assert Count.steps == 6
    (written,) = tmp_path.rglob("metrics.csv")
    assert np.allclose(pd.read_csv(written).loss, model.history_.loss, atol=1e-5)
    clone(model)
    model.save(tmp_path / "m")
    assert TSLMForecaster.load(tmp_path / "m").logger is None
    alone = tiny().fit(SALES)
    pd.testing.assert_frame_equal(alone.predict(), model.predict())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("max_steps", "Set max_steps"),
        ("enable_progress_bar", "Set verbose"),
        ("stpes", "not accept"),
    ],
)
def test_trainer_kwargs_that_are_settings_are_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"'{word}'.*{message}"):
        tiny(trainer_kwargs={word: 1}).fit(SALES)


def test_a_warm_start_continues_with_the_weights_of_the_last_fit(fitted: TSLMForecaster) -> None:
    model = clone(fitted).set_params(early_stopping_patience=None).fit(SALES.iloc[:300])
    before = {name: t.clone() for name, t in model.model_.adapter.state_dict().items()}
    length = model.context_length_
    model.set_params(max_steps=1, learning_rate=1e-12)
    model.fit(SALES, warm_start=True)
    assert model.context_length_ == length
    for name, tensor in model.model_.adapter.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=1e-4, atol=1e-8)
    cold = clone(model).fit(SALES)
    assert not all(
        torch.allclose(tensor, before[name], rtol=1e-4)
        for name, tensor in cold.model_.adapter.state_dict().items()
    )


def test_a_warm_start_keeps_the_codes_its_weights_were_trained_on() -> None:
    model = tiny(adapter="lipcot", max_steps=2).fit(SALES.iloc[:300])
    before = {name: t.clone() for name, t in model.model_.adapter.named_buffers()}
    model.set_params(max_steps=1).fit(SALES, warm_start=True)
    assert before
    for name, tensor in model.model_.adapter.named_buffers():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("name", ["ridge_nlinear", "ridge_profile"])
def test_what_is_solved_in_closed_form_is_solved_again_by_a_warm_start(name: str) -> None:
    model = BaselineForecaster(name, h=3, context_length=8, season_length=4, verbose=0)
    before = model.fit(SALES.iloc[:60]).predict(SALES)
    cold = BaselineForecaster(name, h=3, context_length=8, season_length=4, verbose=0)
    later = SALES.assign(y=SALES.y.iloc[::-1].to_numpy())
    pd.testing.assert_frame_equal(
        model.fit(later, warm_start=True).predict(later), cold.fit(later).predict(later)
    )
    assert not before.equals(model.predict(SALES))


def test_a_warm_start_needs_a_fit_of_the_same_sizes(fitted: TSLMForecaster) -> None:
    with pytest.raises(NotFittedError):
        tiny().fit(SALES, warm_start=True)
    model = tiny(max_steps=1).fit(SALES)
    with pytest.raises(ConfigError, match="another size now"):
        model.set_params(adapter__patch_len=3, context_length=9).fit(SALES, warm_start=True)


def test_weights_are_counted_by_part(fitted: TSLMForecaster) -> None:
    counts = fitted.summary()
    assert {"adapter", "backbone", "decoder", "all"} <= set(counts.index)
    assert counts.loc["backbone", "trained"] == 0 < counts.loc["backbone", "frozen"]
    whole = sum(weight.numel() for weight in fitted.model_.parameters())
    assert counts.loc["all", ["trained", "frozen"]].sum() == whole
    assert BaselineForecaster("last", h=7).fit(SALES).summary().loc["all", "trained"] == 0


def test_a_device_is_chosen_where_a_model_is_loaded(fitted: TSLMForecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m", device="cpu")
    pd.testing.assert_frame_equal(again.predict(), fitted.predict())
    for device in ("cuda:99", "abacus"):
        with pytest.raises(ConfigError, match=f"device='{device}' is not a device"):
            TSLMForecaster.load(tmp_path / "m", device=device)
