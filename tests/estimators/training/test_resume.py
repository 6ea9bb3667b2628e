"""A run that was killed, cut short, damaged or joined by another: what becomes of its folder."""

import errno
import io
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from tests.command import command
from tests.estimators.training.test_training import forecaster, series
from tslm import ConfigError, DataError
from tslm.data.samplers import RandomWindows
from tslm.estimators.training.checkpoints import LAST, read
from tslm.estimators.training.resume import LOCK, discard
from tslm.estimators.training.weights import trained_state

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


class Killed(BaseException):
    """Ends a fit at once, as a signal would."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Let fits die before a step; None lets them live."""
    plain, at = RandomWindows.batch, [-1]

    def batch(self: RandomWindows, step: int) -> Any:
        if step == at[0]:
            raise Killed
        return plain(self, step)

    def die(step: int | None) -> None:
        at[0] = -1 if step is None else step

    monkeypatch.setattr(RandomWindows, "batch", batch)
    return die


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trained_state(model.model_).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(other[name], tensor) for name, tensor in one.items())


ROUGH = {"learning_rate": 0.2, "max_steps": 20, "random_state": 1, "early_stopping_patience": 3}


@pytest.fixture(scope="module")
def looked() -> tuple[list[float], dict[str, torch.Tensor]]:
    """Return the validation errors of an uninterrupted run, and its result."""
    scores: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        from tslm.estimators.training.callbacks import KeepBest

        plain = KeepBest.on_validation_end

        def look(self: KeepBest, trainer: Any, module: Any) -> None:
            plain(self, trainer, module)
            scores.append(float(trainer.callback_metrics["val_mse"]))

        patch.setattr(KeepBest, "on_validation_end", look)
        return scores, state(forecaster(**ROUGH).fit(series()))


def test_a_killed_run_with_early_stopping_ends_with_the_same_bits(
    looked: tuple[list[float], dict[str, torch.Tensor]], dies: Any, tmp_path: Path
) -> None:
    scores, whole = looked
    best = scores.index(min(scores))
    assert best < len(scores) - 1  # or the test shows nothing
    dies(2 * best + 3)  # one step after the best look
    with pytest.raises(Killed):
        forecaster(**ROUGH).fit(series(), folder=tmp_path)
    held = read(tmp_path / LAST)
    assert held is not None
    assert held["global_step"] == 2 * (best + 1)
    dies(None)
    assert same(whole, state(forecaster(**ROUGH).fit(series(), folder=tmp_path)))
    assert same(whole, state(forecaster(**ROUGH).fit(series(), folder=tmp_path)))  # once more


@pytest.fixture(scope="module")
def ten() -> dict[str, torch.Tensor]:
    """Return the weights after ten uninterrupted steps."""
    return state(forecaster(max_steps=10).fit(series()))


@pytest.fixture
def half(dies: Any, tmp_path: Path) -> Path:
    """The folder of a run that died halfway."""
    dies(7)
    with pytest.raises(Killed):
        forecaster(max_steps=10).fit(series(), folder=tmp_path)
    assert (tmp_path / LAST).is_file()
    dies(None)
    return tmp_path


@pytest.mark.parametrize("harm", ["cut", "flipped", "torch", "run.json", "foreign"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning(
    half: Path, harm: str, ten: dict[str, torch.Tensor]
) -> None:
    file = half / (harm if harm == "run.json" else LAST)
    content = file.read_bytes()
    spoilt = io.BytesIO()
    torch.save({"run": "another"}, spoilt)
    file.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:1000] + bytes(64) + content[1064:],
            "torch": spoilt.getvalue(),
            "run.json": b"{",
            "foreign": content,
        }[harm]
    )
    if harm == "foreign":  # whole, and made by other settings
        note = half / "run.json"
        note.write_text(note.read_text().replace('"seed": 0', '"seed": 5'))
    with pytest.warns(UserWarning, match="damaged or of another run. Training starts from"):
        again = forecaster(max_steps=10).fit(series(), folder=half)
    assert same(ten, state(again))


def test_a_folder_is_locked_during_a_run(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / LOCK),
        pytest.raises(ConfigError, match=r"Another process trains in .* now\. Wait"),
    ):
        forecaster(max_steps=1).fit(series(), folder=tmp_path)
    forecaster(max_steps=1).fit(series(), folder=tmp_path)


def test_a_command_that_fails_leaves_the_folder_in_which_another_one_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series().to_csv(tmp_path / "data.csv", index=False)
    folder, other = tmp_path / "out" / "checkpoints", []

    def fit(*_: Any, **__: Any) -> None:
        folder.mkdir(parents=True)  # by the other one, which begins at the same time
        (folder / "run.json").write_text("{}")
        other.append(FileLock(folder / LOCK))
        other[0].acquire()
        raise ConfigError("Another process trains here.")

    monkeypatch.setattr("tslm.TSLMForecaster.fit", fit)
    words = [f"data={tmp_path / 'data.csv'}", "h=4", "backbone=tiny", f"out={tmp_path / 'out'}"]
    assert command("fit", *words) == 2
    assert (folder / "run.json").exists()
    other[0].release()
    discard(folder)
    assert not folder.exists()


def test_a_full_disk_is_one_message_and_the_run_continues_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ten: dict[str, torch.Tensor]
) -> None:
    plain, full = Path.replace, [False]

    def replace(self: Path, target: Any) -> Any:
        if full[0] and Path(target).name == LAST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        full[0] = full[0] or Path(target).name == LAST  # from the second one on
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(ConfigError, match=r"last\.ckpt cannot be written: .*No space left"):
        forecaster(max_steps=10).fit(series(), folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, "run.json", LOCK]
    monkeypatch.setattr(Path, "replace", plain)
    again = forecaster(max_steps=10).fit(series(), folder=tmp_path)
    assert same(ten, state(again))


def test_ctrl_c_raises_keyboard_interrupt_and_its_handler_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = RandomWindows.batch

    def batch(self: RandomWindows, step: int) -> Any:
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return plain(self, step)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(RandomWindows, "batch", batch)
    with pytest.raises(KeyboardInterrupt):
        forecaster(max_steps=5).fit(series())
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.filterwarnings("ignore:The frame lacks")
def test_validation_rows_without_a_value_cannot_stop_a_run() -> None:
    frame = series().assign(y=lambda table: table.y.astype(float))
    later = frame[frame.ds >= 100].assign(y=np.nan)
    model = forecaster(max_steps=4, early_stopping_patience=2)
    with pytest.raises(DataError, match="have no value at all, only missing ones"):
        model.fit(frame[frame.ds < 100], val_df=later)


@pytest.mark.filterwarnings("ignore:The frame lacks")
def test_windows_without_a_value_cannot_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are values, but not in the windows that are looked at, here one."""
    monkeypatch.setattr("tslm.estimators.fitting.MOST_VALIDATION_WINDOWS", 1)
    gap = series().ds.between(100, 107)
    frame = series().assign(y=lambda table: table.y.astype(float).mask(gap))
    message = "early_stopping_patience=2 needs observed values .* the validation windows hold none"
    with pytest.raises(ConfigError, match=message):
        forecaster(max_steps=4, early_stopping_patience=2).fit(frame)
    forecaster(max_steps=4).fit(frame)


@pytest.mark.filterwarnings("ignore:The frame lacks")
def test_a_validation_row_without_a_value_counts_for_nothing() -> None:
    gap = series().ds == 110
    frame = series().assign(y=lambda table: table.y.astype(float).mask(gap))
    found = forecaster(max_steps=2, early_stopping_patience=2).fit(frame).history_
    scores = found.val_mse.dropna()
    assert len(scores) == 2
    assert np.isfinite(scores).all()


def test_a_forecast_that_is_not_finite_does_not_replace_the_best_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tslm.estimators.training.module import Training

    plain, states = Training.on_validation_epoch_start, []

    def spoil(self: Training) -> None:
        plain(self)
        states.append({name: t.clone() for name, t in trained_state(self.model).items()})
        if len(states) == 2:
            for weight in self.model.parameters():
                if weight.requires_grad:
                    weight.data.fill_(torch.nan)

    monkeypatch.setattr(Training, "on_validation_epoch_start", spoil)
    model = forecaster(max_steps=10, early_stopping_patience=9).fit(series())
    assert len(states) == 2  # and it ends there
    assert same(states[0], state(model))


def test_a_fit_and_its_samples_leave_mode_and_generators_of_the_caller_unchanged() -> None:
    before = torch.get_rng_state()
    expected = state(forecaster(max_steps=2).fit(series()))
    with warnings.catch_warnings(), torch.inference_mode():
        one = forecaster(max_steps=2).fit(series())
        one.predict(level=[80])
        assert torch.is_inference_mode_enabled()
    assert same(expected, state(one))
    assert same(expected, state(forecaster(max_steps=2).fit(series())))
    assert torch.equal(before, torch.get_rng_state())
