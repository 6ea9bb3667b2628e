"""An ablation, and whatever else asks a fitted model, on a device that is not the CPU."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tslm.evaluation.ablation.run as running
from tests.contract.pretended import AWAY, HOME, Pretended, pretended
from tests.contract.test_devices import H, forecaster, place
from tests.frames import random_walks
from tslm import LiPCoTPretrainer, Spec, TSLMForecaster
from tslm.core.config.estimator_settings import configure
from tslm.core.forecaster import Forecaster
from tslm.data.samplers import RandomWindows
from tslm.evaluation.ablation.arms import Arm, Budget
from tslm.models.assembly import dtype_of
from tslm.models.baselines.classical.base import chunks_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:On .* validation windows"),
    pytest.mark.filterwarnings("ignore:.*windows"),
]
PROBES = ("shuffle_all", "shuffle_half", "swap_halves", "reverse", "shuffle_patches:6")
PROBES += ("mask:0.5", "noise:0.1")
KINDS = (  # no backbone; random, shuffled, fewer or trained layers; a base; other adapters, models
    Arm("none", "body", backbone="none"),
    Arm("random_matched", "weights", backbone="random_matched"),
    Arm("layers_shuffled", "weights", backbone="layers_shuffled"),
    Arm("deep", "size", n_layers=1, freeze="full"),
    Arm("llm+ridge", "design", base="ridge"),
    Arm("time_llm", "design", adapter="time_llm", options={"n_prototypes": 8}),
    Arm("itransformer", "system", model="itransformer"),
    Arm("profile_ar", "system", model="profile_ar"),
)
Ablate = Callable[..., list[str]]


@pytest.fixture(scope="module")
def away() -> Iterator[Pretended]:
    """A device that is not the CPU, and what ``accelerator="auto"`` finds."""
    with pytest.MonkeyPatch.context() as patch, pretended(patch) as mode:
        yield mode


@pytest.fixture
def ablate(away: Pretended, monkeypatch: pytest.MonkeyPatch) -> Ablate:
    """Run an ablation, check the device of every scored model and probe, and return its arms."""
    plain = running.score

    def score(model: Forecaster, *words: Any, **options: Any) -> Any:
        assert place(away, model) <= {AWAY}
        errors = plain(model, *words, **options)
        assert place(away, model) <= {AWAY}
        return errors

    def run(model: TSLMForecaster, arms: tuple[Arm, ...], probes: tuple[str, ...]) -> list[str]:
        found = model.ablate(random_walks(120), budget=Budget("all", (0,), (1.0,), arms, probes))
        assert not model.ablation_.failed
        assert np.isfinite(found[["mse", "mae"]]).all(axis=None)
        assert set(model.ablation_.probes.probe) == set(probes)
        return found.arm.tolist()

    monkeypatch.setattr(running, "score", score)
    return run


def test_every_kind_of_arm_is_fitted_scored_and_probed_on_another_device(ablate: Ablate) -> None:
    arms = ablate(forecaster("s2ip", options={"n_anchors": 8}), KINDS, PROBES)
    words = ["anchors=normal", "anchors=zero", "anchors=none"]
    assert arms == ["llm", *(arm.name for arm in KINDS), *words]


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["autotimes", "time_llm", "lipcot"])
def test_every_arm_of_every_budget_is_fitted_and_scored_on_another_device(
    adapter: str, ablate: Ablate
) -> None:
    """Arms that take language away are those of the adapter; all others are asked of one."""
    budgets = ("full", "survey", "language", "base", "quick") if adapter == "autotimes" else ()
    every = {arm.name: arm for name in budgets for arm in Budget.of(name).arms}
    options = {"timestamps": "text"} if adapter == "autotimes" else {}
    found = ablate(forecaster(adapter, options=options), (*every.values(),), ())
    assert found[: len(every) + 1] == ["llm", *every]
    assert len(found) > len(every) + 1


def covariates() -> pd.DataFrame:
    noise = np.random.default_rng(1).normal(size=240)
    frame = random_walks(120).assign(price=noise, lead=np.roll(noise, H), city="Ulm")
    return frame.assign(y=frame.y + 3 * noise)


@pytest.mark.parametrize("adapter", ["time_llm", "s2ip"])
def test_a_model_on_another_device_explains_backtests_and_trains_further(
    adapter: str, away: Pretended
) -> None:
    model = forecaster(adapter).fit(random_walks(120))
    model.explain(top=2)
    model.explain(random_walks(120), top=2)
    model.score(random_walks(120))
    model.predict_insample(random_walks(120), level=[80])
    model.recalibrate(random_walks(120))
    model.cross_validation(random_walks(120), n_windows=2, level=[80])
    before = model.predict()
    model.fit(random_walks(120), warm_start=True)
    assert place(away, model.model_) == {AWAY}
    assert not before.equals(model.predict())


def test_covariates_prompts_and_examples_work_on_another_device(away: Pretended) -> None:
    frame = covariates()
    model = forecaster("time_llm", prompt="{city}", futr_exog=["price"], hist_exog=["lead"])
    model.fit(frame)
    ahead = model.make_future_dataframe().assign(price=0.0)
    model.predict(futr_df=ahead, level=[80])
    forecaster().fit(random_walks(120)).predict(random_walks(120), examples="similar")


def test_an_interrupted_run_continues_on_its_device(
    away: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, last = RandomWindows.batch, [2]

    def batch(self: RandomWindows, step: int) -> Any:
        if step == last[0]:
            raise RuntimeError("cut off")
        return plain(self, step)

    monkeypatch.setattr(RandomWindows, "batch", batch)
    options = {"max_steps": 4, "early_stopping_patience": 3}
    with pytest.raises(RuntimeError, match="cut off"):
        forecaster(**options).fit(random_walks(120), folder=tmp_path)
    last[0] = -1
    whole = forecaster(**options).fit(random_walks(120)).predict()
    again = forecaster(**options).fit(random_walks(120), folder=tmp_path)
    assert place(away, again.model_) == {AWAY}
    pd.testing.assert_frame_equal(again.predict(), whole)


def test_tuning_and_a_choice_of_device_work_on_another_device(
    away: Pretended, tmp_path: Path
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    from tslm.evaluation.tuning import tune

    model, space = forecaster(), {"learning_rate": [1e-3]}
    study = tune(model, random_walks(120), space, n_trials=1, folder=tmp_path / "s")
    assert np.isfinite(study.best_value)
    model.fit(random_walks(120)).save(tmp_path / "m")
    here = TSLMForecaster.load(tmp_path / "m", device="cpu")
    assert place(away, here.model_) == {HOME}
    pd.testing.assert_frame_equal(here.predict(), model.predict())
    assert place(away, model.model_) == {AWAY}


@pytest.mark.parametrize("made_for_it", [True, False])
def test_a_backbone_is_in_bf16_only_if_hardware_supports_it(
    made_for_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch reports bf16 for old devices too, where it is only emulated."""

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or made_for_it

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    usual = configure({}, {"h": H})
    assert dtype_of(usual, AWAY) == (torch.bfloat16 if made_for_it else torch.float32)
    assert dtype_of(usual, HOME) == torch.float32
    assert dtype_of(configure({}, {"h": H, "precision": "bf16"}), HOME) == torch.bfloat16


def test_an_accelerator_takes_more_rows_at_once(away: Pretended) -> None:
    """Many small operations cost time there, and a core's cache is no reason for them."""
    past = torch.ones(4, 24, 4000)
    assert len(chunks_of(past.to(AWAY), H)) == 1 < len(chunks_of(past, H))


def test_a_pretrained_model_is_fitted_on_its_device(away: Pretended, tmp_path: Path) -> None:
    codes = Spec("lipcot", order=4, n_codes=8, frame_length=7)
    teacher = LiPCoTPretrainer(adapter=codes, backbone="tiny", max_steps=1, verbose=0)
    teacher.fit([random_walks(120)]).save(tmp_path / "p")
    model = forecaster("lipcot", options={"frame_length": 7}, pretrained=tmp_path / "p")
    model.fit(random_walks(120)).predict()
    assert place(away, model.model_) == {AWAY}
