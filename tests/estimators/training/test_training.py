"""Training: best weights, runs that are continued after a kill, several processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from tslm import ConfigError, Spec, TSLMForecaster
from tslm.data.samplers import RandomWindows
from tslm.estimators.training.callbacks import KeepBest
from tslm.estimators.training.checkpoints import read
from tslm.estimators.training.module import Training
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import trained_state

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")

SCRIPT = """
import json, os, signal, sys
import numpy as np, pandas as pd
from tslm import Spec, TSLMForecaster
from tslm.data.samplers import RandomWindows

def series():
    y = np.random.default_rng(0).normal(size=240).cumsum()
    ids, ds = np.repeat(["a", "b"], 120), np.tile(np.arange(120), 2)
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": y})

def forecaster(**options):
    adapter = Spec("autotimes", patch_len=8, layers=2, dropout=options.pop("dropout", 0.5))
    fast = dict(h=8, backbone="tiny", context_length=24, max_steps=40, batch_size=16)
    fast |= dict(accelerator="cpu", random_state=0, verbose=0, adapter=adapter, val_size=20)
    return TSLMForecaster(**{"base": None} | fast | options)

def die_at(step, by=signal.SIGKILL):
    plain = RandomWindows.batch
    def batch(self, number):
        if number == step:
            os.kill(os.getpid(), by)
        return plain(self, number)
    RandomWindows.batch = batch
"""
here: dict[str, Any] = {}
exec(SCRIPT, here)
series, forecaster = here["series"], here["forecaster"]


def run(script: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A script in a process of its own, with the library as a user has it."""
    file = folder / "script.py"
    file.write_text(SCRIPT + script)
    threads = str(torch.get_num_threads())
    env = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    return subprocess.run(
        [sys.executable, file, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )


class TestSchedule:
    def rates(self, recipe: Recipe) -> list[float]:
        optimizer, schedule = recipe.optimizer([nn.Parameter(torch.zeros(1))])
        rates = []
        for _ in range(recipe.steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return rates

    @pytest.mark.parametrize("steps", [2, 20, 100])
    def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing(self, steps: int) -> None:
        rates = self.rates(Recipe(0.01, steps))
        peak = int(np.argmax(rates))
        assert max(rates) <= 0.01
        if steps > 2:
            assert max(rates) == pytest.approx(0.01, rel=0.02)
            assert peak == pytest.approx(0.3 * steps, abs=1)
            assert rates[0] < 0.05 * max(rates)
            assert rates[-1] < 0.05 * max(rates)
        assert np.all(np.diff(rates[: peak + 1]) > 0)
        assert np.all(np.diff(rates[peak:]) < 0)

    def test_cosine_falls_from_the_rate_and_constant_stays(self) -> None:
        falling = self.rates(Recipe(0.01, 50, schedule="cosine"))
        assert falling[0] == 0.01
        assert falling[25] == pytest.approx(0.005)
        assert falling[-1] < 1e-4
        assert np.all(np.diff(falling) < 0)
        assert set(self.rates(Recipe(0.01, 9, schedule="constant"))) == {0.01}

    def test_weights_decay_only_if_asked(self) -> None:
        weight = [nn.Parameter(torch.ones(1))]
        assert Recipe(0.1, 5).optimizer(weight)[0].param_groups[0]["weight_decay"] == 0
        adam, _ = Recipe(0.1, 5, weight_decay=0.3).optimizer(weight)
        assert adam.param_groups[0]["weight_decay"] == 0.3


def test_gradients_are_clipped_to_the_norm_of_the_recipe(monkeypatch: Any) -> None:
    norms: list[float] = []
    plain = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, closure: Any = None) -> Any:
        def noting() -> Any:
            loss = closure()
            grads = [w.grad for group in self.param_groups for w in group["params"]]
            norms.append(float(torch.stack([g.norm() for g in grads if g is not None]).norm()))
            return loss

        return plain(self, noting)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    for clip in (0.01, None):
        norms.clear()
        trainer = Spec("one_cycle", clip=clip)
        forecaster(max_steps=5, trainer=trainer).fit(series())
        assert len(norms) == 5
        assert (max(norms) <= 0.0101) == (clip is not None)


def test_without_patience_the_last_weights_are_used(monkeypatch: Any) -> None:
    def look(*_: Any) -> None:
        raise AssertionError("validation was looked at")

    monkeypatch.setattr("tslm.estimators.training.module.Training.validation_step", look)
    last: list[dict[str, torch.Tensor]] = []
    plain = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, closure: Any = None) -> Any:
        done = plain(self, closure)
        last[:] = [[w.detach().clone() for g in self.param_groups for w in g["params"]]]
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    model = forecaster(max_steps=5).fit(series()).model_
    trained = [w for w in model.parameters() if w.requires_grad]
    assert all(torch.equal(a, b) for a, b in zip(last[0], trained, strict=True))


def test_a_diverging_run_is_refused_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    model = forecaster(learning_rate=1e30, trainer=Spec("cosine", loss="mse"))
    with pytest.raises(ConfigError, match=r"Training diverged.*learning_rate below 1e\+30"):
        model.fit(series(), folder=tmp_path)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_the_weights_of_the_best_validation_are_used() -> None:
    scores: list[float] = []
    kept: list[dict[str, torch.Tensor]] = []

    class Watch(KeepBest):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            super().on_validation_end(trainer, module)
            scores.append(float(trainer.callback_metrics["val_mse"]))
            state = trained_state(module.model)
            kept.append({name: tensor.clone() for name, tensor in state.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tslm.estimators.training.module.KeepBest", Watch)
        rough = {
            "learning_rate": 0.5,
            "trainer": Spec("one_cycle", schedule="constant", loss="mse"),
        }
        model = forecaster(**rough, early_stopping_patience=99, random_state=1).fit(series())
    assert len(scores) == 10
    best = int(np.argmin(scores))
    assert best != 9  # or the test shows nothing
    final = trained_state(model.model_)
    assert all(torch.equal(final[name], tensor) for name, tensor in kept[best].items())
    assert model.verdict_.entries[0].mse == pytest.approx(scores[best], rel=1e-4)


def test_early_stopping_uses_the_score_of_the_distribution() -> None:
    scores: list[float] = []
    expected: list[float] = []

    class Watch(KeepBest):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            super().on_validation_end(trainer, module)
            scores.append(float(trainer.callback_metrics["val_loss"]))
            errors = []
            for batch in trainer.datamodule.val_dataloader():
                distribution = module.model.distribution(batch, 8)
                level = torch.special.ndtr(distribution.scores)
                gap = batch.future[..., None] - distribution.values
                errors.append(2 * torch.where(gap > 0, level * gap, (level - 1) * gap).mean(-1))
            expected.append(float(torch.cat(errors).mean()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tslm.estimators.training.module.KeepBest", Watch)
        forecaster(decoder="quantile", early_stopping_patience=99).fit(series())
    assert len(scores) == 10
    assert len(set(scores)) == 10
    assert_allclose(scores, expected, rtol=1e-5)


CHECKS = """
import warnings
from tslm import ConfigError, DataError

def refused(message, **options):
    try:
        forecaster(**{"max_steps": 1} | options).fit(series())
    except ConfigError as error:
        assert message in str(error), error
    else:
        raise AssertionError(message)

refused("h='eight'", h="eight")
refused("rollout=fast is unknown. Choose one of cached, parallel, sliding", rollout="fast")
refused("trainer.schedule='step' must be one", trainer=Spec("one_cycle", schedule="step"))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = forecaster(max_steps=1, learning_rate=1.0).fit(series())
(warning,) = [w for w in caught if "does not help" in str(w.message)]
assert warning.filename == __file__, warning
for h in (2.5, "8"):
    try:
        model.predict(h=h)
    except ConfigError as error:
        assert "must be a whole number" in str(error)
    else:
        raise AssertionError(h)
print('as clear', flush=True)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a run that was killed in step 29 of 40, and its output."""
    folder = tmp_path_factory.mktemp("killed")
    done = run(f"{CHECKS}\ndie_at(29); forecaster().fit(series(), folder='run')", folder)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder / "run", done.stdout


@pytest.fixture
def folder(killed: tuple[Path, str]) -> Path:
    return killed[0]


def test_without_the_type_checks_of_the_tests_messages_are_as_clear(
    killed: tuple[Path, str],
) -> None:
    assert killed[1] == "as clear\n"


def test_a_terminated_run_ends_with_its_exit_code(tmp_path: Path) -> None:
    script = "die_at(5, signal.SIGTERM); forecaster().fit(series()); print('trained')"
    done = run(script, tmp_path)
    assert done.returncode == 143
    assert "trained" not in done.stdout


class TestKilled:
    def copy(self, folder: Path, target: Path) -> Path:
        target.mkdir()
        for file in folder.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        return target

    def test_a_killed_run_continues_and_ends_with_the_same_bits(
        self, folder: Path, tmp_path: Path, monkeypatch: Any
    ) -> None:
        whole = forecaster().fit(series())
        steps: list[int] = []
        plain = RandomWindows.batch
        monkeypatch.setattr(
            RandomWindows, "batch", lambda self, step: steps.append(step) or plain(self, step)
        )
        again = forecaster().fit(series(), folder=self.copy(folder, tmp_path / "run"))
        assert steps[0] == 28  # the last checkpoint, not the beginning
        states = trained_state(whole.model_), trained_state(again.model_)
        assert all(torch.equal(states[1][name], tensor) for name, tensor in states[0].items())
        pd.testing.assert_frame_equal(again.predict(), whole.predict(), check_exact=True)
        assert again.verdict_ == whole.verdict_

    def test_checkpoints_hold_trained_weights_and_nothing_of_the_backbone(
        self, folder: Path
    ) -> None:
        held = read(folder / "last.ckpt")
        assert held is not None
        model = forecaster(max_steps=1).fit(series()).model_
        names = {f"model.{name}" for name, w in model.named_parameters() if w.requires_grad}
        assert set(held["state_dict"]) == names
        assert not any("backbone" in name for name in held["state_dict"])
        assert held["global_step"] == 28
        body = {tuple(w.shape) for w in model.backbone.parameters() if w.numel() > 1000}
        tensors = list(find_tensors(held))
        assert not any(tuple(tensor.shape) in body for tensor in tensors)
        trained = sum(w.numel() for w in model.parameters() if w.requires_grad)
        assert sum(tensor.numel() for tensor in tensors) < 5 * trained + 10_000

    @pytest.mark.parametrize("other", [{"h": 4}, {"learning_rate": 0.5}, {"random_state": 1}])
    def test_other_settings_are_refused(
        self, folder: Path, tmp_path: Path, other: dict[str, Any]
    ) -> None:
        copy = self.copy(folder, tmp_path / "run")
        (name,) = other
        with pytest.raises(ConfigError, match=f"holds an unfinished run with {name}="):
            forecaster(**other).fit(series(), folder=copy)

    def test_other_data_are_refused(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path / "run")
        frame = series()
        frame.loc[3, "y"] += 1
        with pytest.raises(ConfigError, match="holds an unfinished run with data="):
            forecaster().fit(frame, folder=copy)

    def test_the_alias_of_a_continued_run_may_change(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path / "run")
        ahead = forecaster(alias="mine").fit(series(), folder=copy).predict()
        assert "mine" in ahead

    def test_a_run_without_a_checkpoint_does_not_fix_settings(self, tmp_path: Path) -> None:
        note = {"seed": 1, "settings": {"backbone": "tinny"}}
        (tmp_path / "run.json").write_text(json.dumps(note))
        model = forecaster(max_steps=2).fit(series(), folder=tmp_path)
        pd.testing.assert_frame_equal(
            model.predict(), forecaster(max_steps=2).fit(series()).predict()
        )

    def test_a_drawn_seed_is_stored_with_the_run(self, tmp_path: Path) -> None:
        forecaster(random_state=None, max_steps=2).fit(series(), folder=tmp_path)
        seed = json.loads((tmp_path / "run.json").read_text())["seed"]
        first = forecaster(random_state=None, max_steps=2).fit(series(), folder=tmp_path)
        alone = forecaster(random_state=seed, max_steps=2).fit(series())
        pd.testing.assert_frame_equal(first.predict(), alone.predict())


def test_several_processes_do_not_draw_a_seed_each() -> None:
    with pytest.raises(ConfigError, match="devices=2 needs a random_state"):
        forecaster(random_state=None, devices=2).fit(series())


def find_tensors(node: Any) -> Any:
    if isinstance(node, torch.Tensor):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from find_tensors(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from find_tensors(value)


TWO = """
if __name__ == "__main__":
    import torch
    torch.set_num_threads(1)
    model = forecaster(dropout=0.0, max_steps=15, devices=2, strategy="ddp").fit(series())
    if os.environ.get("LOCAL_RANK", "0") == "0":
        model.save("saved")
        model.predict().to_parquet("forecast.parquet")
"""


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    done = run(TWO, tmp_path)
    if done.returncode and "gloo" in done.stderr.lower():
        pytest.skip(f"gloo cannot start here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    alone = forecaster(dropout=0.0, max_steps=15).fit(series())
    together = TSLMForecaster.load(tmp_path / "saved")
    state = trained_state(together.model_)
    for name, tensor in trained_state(alone.model_).items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-4)
    ahead = pd.read_parquet(tmp_path / "forecast.parquet")
    assert_allclose(ahead.AutoTimes, alone.predict().AutoTimes, rtol=1e-4, atol=1e-4)
    assert together.verdict_.entries[0].mse == pytest.approx(
        alone.verdict_.entries[0].mse, rel=1e-3
    )
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"script.py", "saved", "forecast.parquet"}


@pytest.mark.parametrize("criterion", ["mse", "mae", "huber"])
def test_the_criterion_is_a_setting_of_training(criterion: str, autotimes: Any, walks: Any) -> None:
    model, batch = autotimes(), walks()
    values = model(batch.past, batch.time[:, :32]).values
    gap = values - torch.cat([batch.past, batch.future], 1)[:, 8:40]
    small = gap.abs() <= 1
    expected = {
        "mse": gap.square(),
        "mae": gap.abs(),
        "huber": torch.where(small, gap.square() / 2, gap.abs() - 0.5),
    }[criterion]
    torch.testing.assert_close(model.loss(batch, criterion), expected.mean())
    recipe = Recipe(learning_rate=1e-3, steps=3, loss=criterion)
    module = Training(model, recipe, 8)
    module.log = lambda *_, **__: None
    torch.testing.assert_close(module.training_step(batch), expected.mean())


def test_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(ConfigError, match="loss='mape' is unknown"):
        Recipe(learning_rate=1e-3, steps=3, loss="mape")


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "halving", "constant"])
def test_every_schedule_takes_any_warmup_and_number_of_steps(schedule: str) -> None:
    for steps in (1, 2, 4, 9, 19):
        for warmup in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0):
            recipe = Recipe(0.1, steps, schedule=schedule, warmup=warmup)
            adam, rate = recipe.optimizer([torch.zeros(1, requires_grad=True)])
            for _ in range(steps):
                assert 0 <= adam.param_groups[0]["lr"] <= 0.1 + 1e-9
                adam.step()
                rate.step()
